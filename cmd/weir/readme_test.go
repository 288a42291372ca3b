package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// readme is the README cut into its blocks.
type readme struct {
	text     string
	commands [][]string // lines of each sh block
	sql      []string
}

func openReadme(t *testing.T) readme {
	t.Helper()
	data, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	r := readme{text: string(data)}
	for _, m := range regexp.MustCompile("(?s)```(sh|sql)\n(.*?)```").FindAllStringSubmatch(r.text, -1) {
		if m[1] == "sql" {
			r.sql = append(r.sql, m[2])
			continue
		}
		r.commands = append(r.commands, strings.Split(strings.TrimSpace(m[2]), "\n"))
	}
	return r
}

// Every command line that the README shows works as written, in the order in which it stands there. Only ports and
// folders differ: the test may not take the default port, nor touch a demo that was started by hand.
func TestReadmeCommands(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and starts the demo")
	}
	if _, err := os.Stat(filepath.Join(consoleUI, "dist/index.html")); err != nil {
		t.Skip("the console is not built: run make build")
	}
	r := openReadme(t)
	s := newReader(t)
	for i, sql := range r.sql[:1] {
		if err := os.WriteFile(filepath.Join(s.dir, "orders.sql"), []byte(sql), 0o600); err != nil {
			t.Fatalf("block %d: %v", i, err)
		}
	}
	ran := 0
	for _, block := range r.commands {
		for _, line := range block {
			out := s.run(line)
			ran++
			if strings.Contains(line, "orders.sql") && !strings.Contains(r.text, indented(out)) {
				t.Errorf("%s printed what the README does not show:\n%s", line, out)
			}
		}
	}
	if ran < 15 {
		t.Errorf("the README has only %d commands", ran)
	}
}

func indented(out string) string {
	return "    " + strings.ReplaceAll(strings.TrimSpace(out), "\n", "\n    ")
}

// reader follows the README: a shell in a folder that looks like the checkout after `make run`.
type reader struct {
	t       *testing.T
	dir     string
	root    string            // the checkout
	exports []string          // so far
	where   *strings.Replacer // addresses that the README names
}

func newReader(t *testing.T) *reader {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	s := &reader{t: t, dir: t.TempDir(), root: root, where: strings.NewReplacer()}
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	if err := errors.Join(os.Mkdir(filepath.Join(s.dir, ".cache"), 0o700), os.Symlink(filepath.Join(root, ".cache", "bin"), filepath.Join(s.dir, ".cache", "bin"))); err != nil {
		t.Fatal(err)
	}
	return s
}

var makeTarget = regexp.MustCompile(`^make (test|check|soak)\b`)

// run does what a line says and gives what it printed.
func (s *reader) run(line string) string {
	s.t.Helper()
	warehouse := filepath.Join(s.dir, ".cache", "quickstart")
	switch {
	case strings.HasPrefix(line, "git clone "):
		return "" // the checkout that this test is in
	case line == "make run":
		s.serve(s.root, "make run ARGS='--listen 127.0.0.1:0 --warehouse "+warehouse+"'")
		return ""
	case strings.HasPrefix(line, "./weir serve "):
		s.serve(s.dir, strings.Replace(line, "./weir serve", "./weir serve --listen 127.0.0.1:0", 1))
		return ""
	case makeTarget.MatchString(line):
		return s.shell(s.root, "make -n "+makeTarget.FindStringSubmatch(line)[1]) // this test is one of them
	case strings.HasPrefix(line, "go build "):
		return s.shell(s.root, strings.Replace(line, "go build", "go build -buildvcs=false -o "+filepath.Join(s.dir, "weir"), 1))
	case strings.HasPrefix(line, "export "):
		s.exports = append(s.exports, s.where.Replace(line))
		return ""
	default:
		return s.shell(s.dir, s.where.Replace(line))
	}
}

func (s *reader) shell(dir, line string) string {
	s.t.Helper()
	script := strings.Join(append(append([]string{"set -euo pipefail"}, s.exports...), line), "\n")
	cmd := exec.CommandContext(s.t.Context(), "bash", "-c", script)
	var errs bytes.Buffer
	cmd.Dir, cmd.Stderr = dir, &errs
	out, err := cmd.Output()
	if err != nil || strings.Contains(string(out), `"status":4`) {
		s.t.Fatalf("%s\n%v: %s%s", line, err, errs.String(), out)
	}
	return string(out)
}

// serve starts a service that runs until the test ends, and takes its address for the one that the README names.
func (s *reader) serve(dir, line string) {
	s.t.Helper()
	cmd := exec.Command("bash", "-c", "exec "+line)
	var errs lockedBuffer
	cmd.Dir, cmd.Stderr = dir, &errs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // make and what it starts
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) // it may have ended
		done := make(chan struct{})
		go func() { _ = cmd.Wait(); close(done) }()
		select {
		case <-done:
		case <-time.After(30 * time.Second):
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			<-done
		}
	})
	ready := make(chan string, 1)
	go func() {
		defer close(ready)
		in := bufio.NewScanner(out)
		for in.Scan() {
			if url, ok := strings.CutPrefix(in.Text(), "ready "); ok {
				ready <- url
				break
			}
		}
		_, _ = io.Copy(io.Discard, out) // the live table
	}()
	select {
	case url, ok := <-ready:
		if !ok {
			s.t.Fatalf("%s is not ready: %s", line, errs.String())
		}
		s.where = strings.NewReplacer("http://127.0.0.1:8480", url)
	case <-time.After(10 * time.Minute): // it may have to link the program
		s.t.Fatalf("%s is not ready: %s", line, errs.String())
	}
}

var subcommands = regexp.MustCompile(`^[a-z][a-z-]*(\|[a-z][a-z-]*)*$`)

// The README's table names every command of the program and none that is not there.
func TestReadmeNamesEveryCommand(t *testing.T) {
	named := map[string]bool{}
	for _, m := range regexp.MustCompile("`weir ([^`]+)`").FindAllStringSubmatch(openReadme(t).text, -1) {
		words := strings.Fields(strings.ReplaceAll(m[1], `\|`, "|"))
		group := words[0]
		if len(words) == 1 || !subcommands.MatchString(words[1]) {
			named[group] = true
			continue
		}
		for _, sub := range strings.Split(words[1], "|") {
			named[group+" "+sub] = true
		}
	}
	there := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^  ([a-z][a-z-]*(?: [a-z][a-z-]*)?)(?: |$)`).FindAllStringSubmatch(must(t, "", "--help"), -1) {
		there[m[1]] = true
		if !named[m[1]] {
			t.Errorf("the README does not name weir %s", m[1])
		}
		must(t, "", append(strings.Fields(m[1]), "--help")...)
	}
	for c := range named {
		if !there[c] {
			t.Errorf("the README names weir %s, which is not there", c)
		}
	}
	if len(there) < 30 {
		t.Errorf("only %d commands were found: %v", len(there), there)
	}
}
