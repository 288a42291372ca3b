package console

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
)

//go:embed all:ui/dist
var dist embed.FS

const (
	indexName       = "index.html"
	placeholderName = "placeholder.html"
	assetsDir       = "assets/"
)

// views are the first parts of the addresses that the application answers itself (ui/src/app/router.tsx).
var views = []string{"sql", "jobs", "tables", "queries", "lineage", "revisions", "backfills", "dead-letters", "access", "audit"}

// policy lets the page load its own script and style and call its own service, and nothing else. Libraries that
// add style elements give them the nonce.
const policy = "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-%s'; connect-src 'self'; img-src 'self' data: blob:; font-src 'self'; base-uri 'self'; form-action 'none'; frame-ancestors 'none'"

const (
	// Names of assets hold a hash of their content: they never change.
	cacheForever = "public, max-age=31536000, immutable"
	// The page holds a nonce, which is good for one answer.
	cacheNever = "no-store"
	cacheAsk   = "no-cache"
)

// nonceBytes is the length of a nonce: 128 random bits cannot be guessed.
const nonceBytes = 16

// asset is a file of the application.
type asset struct {
	mime  string
	etag  string
	plain []byte
	coded map[string][]byte // by content coding; what was not worth it is missing
}

// Console is the application as embedded.
type Console struct {
	page   []byte // index.html, or the placeholder
	built  bool
	assets map[string]*asset // by path below the root
}

// New reads what is embedded.
func New() (*Console, error) {
	sub, err := fs.Sub(dist, "ui/dist")
	if err != nil {
		return nil, fmt.Errorf("read the embedded console: %w", err)
	}
	return load(sub)
}

// load takes the files of a build.
func load(files fs.FS) (*Console, error) {
	c := &Console{assets: map[string]*asset{}}
	var err error
	c.page, err = fs.ReadFile(files, indexName)
	c.built = err == nil
	if errors.Is(err, fs.ErrNotExist) {
		c.page, err = fs.ReadFile(files, placeholderName)
	}
	if err != nil {
		return nil, fmt.Errorf("read the embedded console: %w", err)
	}
	err = fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		ext := path.Ext(name)
		if err != nil || d.IsDir() || ext == ".html" || ext == ".gz" || ext == ".br" {
			return err
		}
		a, err := readAsset(files, name)
		c.assets[name] = a
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the embedded console: %w", err)
	}
	return c, nil
}

func readAsset(files fs.FS, name string) (*asset, error) {
	plain, err := fs.ReadFile(files, name)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(plain)
	a := &asset{mime: mime.TypeByExtension(path.Ext(name)), etag: hex.EncodeToString(sum[:16]), plain: plain, coded: map[string][]byte{}}
	for coding, ext := range map[string]string{"br": ".br", "gzip": ".gz"} {
		if data, err := fs.ReadFile(files, name+ext); err == nil {
			a.coded[coding] = data
		}
	}
	return a, nil
}

// Serves reports whether a path is the console's: a view or a file.
func (c *Console) Serves(p string) bool {
	name := strings.TrimPrefix(p, "/")
	first, _, _ := strings.Cut(name, "/")
	return name == "" || c.assets[name] != nil || slices.Contains(views, first)
}

// Mount adds the views and files.
func (c *Console) Mount(r chi.Router) {
	both := func(pattern string, h http.HandlerFunc) {
		r.Get(pattern, h)
		r.Head(pattern, h)
	}
	both("/", c.servePage)
	for _, v := range views {
		both("/"+v, c.servePage)
		both("/"+v+"/*", c.servePage)
	}
	for name, a := range c.assets {
		both("/"+name, func(w http.ResponseWriter, q *http.Request) { a.serve(w, q, strings.HasPrefix(name, assetsDir)) })
	}
}

// servePage answers a view with the page.
func (c *Console) servePage(w http.ResponseWriter, q *http.Request) {
	nonce := make([]byte, nonceBytes)
	_, _ = rand.Read(nonce) // never fails
	text := base64.RawStdEncoding.EncodeToString(nonce)
	page := bytes.Replace(c.page, []byte("<head>"), []byte(`<head><base href="`+up(q.URL.Path)+`">`), 1)
	page = bytes.ReplaceAll(page, []byte("<script "), []byte(`<script nonce="`+text+`" `))
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", fmt.Sprintf(policy, text))
	h.Set("Cache-Control", cacheNever)
	http.ServeContent(w, q, indexName, time.Time{}, bytes.NewReader(page))
}

// up is the way from an address to the root, so that it holds below any path that a proxy takes away.
func up(p string) string {
	if n := strings.Count(p, "/") - 1; n > 0 {
		return strings.Repeat("../", n)
	}
	return "./"
}

// serve answers with the smallest form that the client takes.
func (a *asset) serve(w http.ResponseWriter, q *http.Request, hashed bool) {
	h := w.Header()
	h.Set("Content-Type", a.mime)
	h.Set("Vary", "Accept-Encoding")
	h.Set("Cache-Control", cacheAsk)
	if hashed {
		h.Set("Cache-Control", cacheForever)
	}
	data, etag := a.plain, a.etag
	for _, coding := range []string{"br", "gzip"} {
		if a.coded[coding] != nil && accepts(q.Header.Get("Accept-Encoding"), coding) {
			data, etag = a.coded[coding], a.etag+"-"+coding
			h.Set("Content-Encoding", coding)
			break
		}
	}
	h.Set("ETag", `"`+etag+`"`)
	http.ServeContent(w, q, "", time.Time{}, bytes.NewReader(data))
}

// accepts reports whether an Accept-Encoding names the coding without refusing it.
func accepts(header, coding string) bool {
	for _, part := range strings.Split(header, ",") {
		name, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.EqualFold(strings.TrimSpace(name), coding) {
			q := strings.ReplaceAll(params, " ", "")
			return !strings.HasPrefix(q, "q=0") || strings.Trim(q[3:], "0.") != ""
		}
	}
	return false
}
