package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"path"
	"time"

	"github.com/go-chi/chi/v5"
)

//go:embed static
var static embed.FS

// files are the page's, by path.
var files = map[string]string{
	"/":            "static/index.html",
	"/console.js":  "static/console.js",
	"/console.css": "static/console.css",
}

// types are told, not guessed: browsers are asked not to guess either.
var types = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
}

// policy lets the page load its own script and style and call its own service, and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Serves reports whether a path is one of the page's files.
func Serves(p string) bool { return files[p] != "" }

// Mount adds the page's files.
func Mount(r chi.Router) {
	for p, name := range files {
		data, err := static.ReadFile(name)
		if err != nil {
			panic(err) // the embedded folder lacks what the table above names
		}
		sum := sha256.Sum256(data)
		etag := `"` + hex.EncodeToString(sum[:16]) + `"`
		h := func(w http.ResponseWriter, q *http.Request) {
			header := w.Header()
			header.Set("Content-Type", types[path.Ext(name)])
			header.Set("Content-Security-Policy", policy)
			header.Set("Cache-Control", "no-cache") // ask each time; the ETag makes that cheap
			header.Set("ETag", etag)
			http.ServeContent(w, q, name, time.Time{}, bytes.NewReader(data))
		}
		r.Get(p, h)
		r.Head(p, h)
	}
}
