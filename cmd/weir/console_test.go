package main

import (
	"bufio"
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	consoleUI = "../../web/console/ui"
	// consoleLimit bounds the whole run: some two hundred looks at screens, each with a check of accessibility.
	consoleLimit = 10 * time.Minute
)

// needConsole skips the test where the console is not built into this binary or no browser is there to drive it.
func needConsole(t *testing.T) (chromium string) {
	t.Helper()
	skip := func(format string, args ...any) {
		if os.Getenv("WEIR_REQUIRE_PEERS") != "" {
			t.Fatalf(format, args...)
		}
		t.Skipf(format, args...)
	}
	for _, f := range []string{"dist/index.html", "node_modules/playwright-core/package.json"} {
		if _, err := os.Stat(filepath.Join(consoleUI, f)); err != nil {
			skip("the console is not built: run make build")
		}
	}
	if _, err := exec.LookPath("node"); err != nil {
		skip("there is no node: install Node.js 20.19 or newer")
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	skip("there is no Chromium: install it with: apt-get install chromium")
	return ""
}

// Chromium drives every screen of the console against the running demo: a query with grid, chart and download, counters that
// move, dead letters replayed, lineage clicked through, a revision with its dry run, a backfill's progress. axe looks at every
// screen in light and in dark. The figures of the run are printed.
func TestConsoleInChromium(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	chromium := needConsole(t)
	dir := t.TempDir()
	warehouse := filepath.Join(dir, "demo")
	p := start(t, "quickstart", "--warehouse", warehouse, "--listen", "127.0.0.1:0", "--speed", "3600")
	token, err := os.ReadFile(filepath.Join(warehouse, ".local", "token"))
	if err != nil {
		t.Fatal(err)
	}
	shots, err := filepath.Abs("../../.cache/console")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(shots, 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), consoleLimit)
	defer cancel()
	drive := exec.CommandContext(ctx, "node", "e2e/drive.mjs")
	drive.Dir = consoleUI
	drive.Env = append(os.Environ(), "WEIR_URL="+p.url, "WEIR_TOKEN="+strings.TrimSpace(string(token)), "WEIR_FILES="+dir, "WEIR_SHOTS="+shots, "CHROMIUM="+chromium)
	out, err := drive.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	drive.Stderr = &p.errs
	if err := drive.Start(); err != nil {
		t.Fatal(err)
	}
	steps := 0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		line := lines.Text()
		if strings.HasPrefix(line, "FAIL ") {
			t.Error(line)
			continue
		}
		if strings.HasPrefix(line, "ok ") {
			steps++
		}
		t.Log(line)
	}
	if err := drive.Wait(); err != nil {
		t.Errorf("the run in the browser: %v: %s", err, p.errs.String())
	}
	if steps < 15 && !t.Failed() {
		t.Errorf("%d steps were run", steps)
	}
	if r, err := http.Get(p.url + "/healthz"); err != nil || r.StatusCode != http.StatusOK {
		t.Errorf("the service afterwards: %v %v", r, err)
	} else {
		r.Body.Close()
	}
}
