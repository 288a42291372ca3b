package console

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/go-chi/chi/v5"
)

// build is what a build leaves, in small.
func build() fstest.MapFS {
	return fstest.MapFS{
		"placeholder.html":     {Data: []byte("<head></head>not built")},
		"index.html":           {Data: []byte(`<html><head><script type="module" src="./assets/a-1.js"></script></head></html>`)},
		"favicon.svg":          {Data: []byte("<svg/>")},
		"assets/a-1.js":        {Data: []byte("plain text of the script")},
		"assets/a-1.js.gz":     {Data: []byte("gzip form")},
		"assets/a-1.js.br":     {Data: []byte("brotli form")},
		"assets/styles-2.css":  {Data: []byte("body{}")},
		"assets/nothing-3.txt": {Data: []byte("")},
	}
}

func server(t *testing.T, files fstest.MapFS) (*Console, func(path string, header ...string) *httptest.ResponseRecorder) {
	t.Helper()
	c, err := load(files)
	if err != nil {
		t.Fatal(err)
	}
	r := chi.NewMux()
	c.Mount(r)
	return c, func(path string, header ...string) *httptest.ResponseRecorder {
		q := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		for i := 0; i+1 < len(header); i += 2 {
			q.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		r.ServeHTTP(w, q)
		return w
	}
}

// Every view is the page, with the way back to the root and a nonce that its policy names.
func TestViews(t *testing.T) {
	c, get := server(t, build())
	seen := map[string]bool{}
	for path, base := range map[string]string{"/": "./", "/sql": "./", "/jobs/abc": "../", "/tables/default/orders": "../../", "/tables/": "../"} {
		w := get(path)
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `<base href="`+base+`">`) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
		m := regexp.MustCompile(`<script nonce="([^"]{22})" type="module"`).FindStringSubmatch(w.Body.String())
		if m == nil || !strings.Contains(w.Header().Get("Content-Security-Policy"), "'nonce-"+m[1]+"'") || seen[m[1]] {
			t.Errorf("%s: nonce %v, policy %s", path, m, w.Header().Get("Content-Security-Policy"))
		} else {
			seen[m[1]] = true
		}
		if w.Header().Get("Cache-Control") != "no-store" || !c.Serves(path) {
			t.Errorf("%s: %v, serves %v", path, w.Header(), c.Serves(path))
		}
	}
	for _, path := range []string{"/v1/jobs", "/metrics", "/sqlx", "/assets/", "/assets/a-1.js.gz", "/placeholder.html", "/index.html"} {
		if w := get(path); w.Code != http.StatusNotFound || c.Serves(path) {
			t.Errorf("%s: %d, serves %v", path, w.Code, c.Serves(path))
		}
	}
}

func TestPolicy(t *testing.T) {
	for _, bad := range []string{"unsafe-inline", "unsafe-eval", "http:", "https:", "*"} {
		if strings.Contains(policy, bad) {
			t.Errorf("the policy allows %s", bad)
		}
	}
}

// The client gets the smallest form that it takes, and none twice.
func TestAssets(t *testing.T) {
	_, get := server(t, build())
	for _, tc := range []struct{ accept, coding, body string }{
		{"", "", "plain text of the script"},
		{"gzip, deflate, br, zstd", "br", "brotli form"},
		{"gzip", "gzip", "gzip form"},
		{"br;q=0, gzip;q=0.5", "gzip", "gzip form"},
		{"br; q=0.0, gzip;q=0", "", "plain text of the script"},
	} {
		w := get("/assets/a-1.js", "Accept-Encoding", tc.accept)
		if w.Code != http.StatusOK || w.Header().Get("Content-Encoding") != tc.coding || w.Body.String() != tc.body {
			t.Errorf("%q: %d %q %s", tc.accept, w.Code, w.Header().Get("Content-Encoding"), w.Body)
		}
		if h := w.Header(); !strings.Contains(h.Get("Cache-Control"), "immutable") || h.Get("Vary") != "Accept-Encoding" || !strings.HasPrefix(h.Get("Content-Type"), "text/javascript") {
			t.Errorf("headers %v", h)
		}
		if again := get("/assets/a-1.js", "Accept-Encoding", tc.accept, "If-None-Match", w.Header().Get("ETag")); again.Code != http.StatusNotModified || again.Body.Len() > 0 {
			t.Errorf("%q: asked again: %d", tc.accept, again.Code)
		}
	}
	if w := get("/favicon.svg"); w.Header().Get("Cache-Control") != "no-cache" || w.Header().Get("Content-Type") != "image/svg+xml" {
		t.Errorf("favicon: %v", w.Header())
	}
}

// Without a build the page says so and how to make one.
func TestPlaceholder(t *testing.T) {
	c, get := server(t, fstest.MapFS{"placeholder.html": build()["placeholder.html"]})
	if w := get("/jobs"); c.built || w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "not built") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if _, err := load(fstest.MapFS{}); err == nil {
		t.Error("an empty folder was taken for a build")
	}
}

// What is embedded here, built or not, can be served.
func TestEmbedded(t *testing.T) {
	c, err := New()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(c.page), "<head>") || !strings.Contains(string(c.page), "weir") {
		t.Errorf("page %s", c.page)
	}
	if c.built && !strings.Contains(string(c.page), `<script type="module"`) {
		t.Errorf("the built page has no script that takes a nonce: %s", c.page)
	}
}
