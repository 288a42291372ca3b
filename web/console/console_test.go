package console_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/weir-lake/weir/web/console"
)

func get(t *testing.T, path string) string {
	t.Helper()
	r := chi.NewMux()
	console.Mount(r)
	w := httptest.NewRecorder()
	r.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	if w.Code != http.StatusOK || w.Header().Get("ETag") == "" || !strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'none'") {
		t.Fatalf("%s: %d %v", path, w.Code, w.Header())
	}
	return w.Body.String()
}

// The script finds every element that it names, and never writes markup.
func TestScriptFitsPage(t *testing.T) {
	page, script := get(t, "/"), get(t, "/console.js")
	for _, m := range regexp.MustCompile(`\$\("([a-z-]+)"\)`).FindAllStringSubmatch(script, -1) {
		if !strings.Contains(page, `id="`+m[1]+`"`) {
			t.Errorf("the page has no %s", m[1])
		}
	}
	for _, m := range regexp.MustCompile(`id="([a-z-]+)"`).FindAllStringSubmatch(page, -1) {
		if n := strings.Count(page, m[0]); n != 1 {
			t.Errorf("%d elements are called %s", n, m[1])
		}
	}
	for _, bad := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "localStorage"} {
		if strings.Contains(script, bad) {
			t.Errorf("the script uses %s", bad)
		}
	}
	for _, m := range regexp.MustCompile(`(?:src|href)="([a-z.]+\.(?:js|css))"`).FindAllStringSubmatch(page, -1) {
		if !console.Serves("/" + m[1]) {
			t.Errorf("%s is not served", m[1])
		}
	}
}

// Texts can be read in light and in dark.
func TestColoursDiffer(t *testing.T) {
	css := get(t, "/console.css")
	for _, want := range []string{"color-scheme: light dark", "prefers-color-scheme: dark", ":focus-visible"} {
		if !strings.Contains(css, want) {
			t.Errorf("no %s", want)
		}
	}
	for _, m := range regexp.MustCompile(`var\((--[a-z-]+)\)`).FindAllStringSubmatch(css, -1) {
		if n := strings.Count(css, m[1]+":"); n != 2 {
			t.Errorf("%s is set %d times, want once for light and once for dark", m[1], n)
		}
	}
}
