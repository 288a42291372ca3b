//go:build duckdb_arrow

package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/connector/datagen"
	"github.com/weir-lake/weir/compute/duck"
	"github.com/weir-lake/weir/compute/duck/worker"
	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/compute/session"
	"github.com/weir-lake/weir/lineage/consistency"
	"github.com/weir-lake/weir/olap"
	"github.com/weir-lake/weir/storage/meta"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/catalog"
	"github.com/weir-lake/weir/web"
	"github.com/weir-lake/weir/web/api"
	"github.com/weir-lake/weir/web/audit"
	"github.com/weir-lake/weir/web/auth"
)

// TestMain lets the test binary be its own worker.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == duck.WorkerCommand {
		os.Exit(worker.Main())
	}
	os.Exit(m.Run())
}

// service is a whole service behind a real listener.
type service struct {
	url    string
	token  string
	dir    string
	server *web.Server
	tokens *auth.Store
	audit  *audit.Log
	jobs   *job.Manager
	cat    *catalog.Catalog
}

// ordersID is the table of ordersDDL.
var ordersID = catalog.Identifier{Database: "default", Table: "orders"}

type config struct {
	olap olap.Options
	api  api.Options
	web  web.Options
}

func start(t *testing.T, c config) *service {
	t.Helper()
	s := &service{dir: t.TempDir()}
	store, err := objstore.NewLocal(filepath.Join(s.dir, "warehouse"), objstore.LocalOptions{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	cat, err := catalog.Open(t.Context(), store, catalog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.cat = cat
	reg := connector.Registry{"datagen": datagen.Factory()}
	svc := &session.Services{Catalog: cat, Connectors: reg, Now: time.Now}
	if s.jobs, err = job.Open(t.Context(), job.Options{Store: store, Catalog: cat, Planner: svc, Connectors: reg, Interval: 20 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	svc.Jobs = s.jobs
	pool, err := duck.NewPool(duck.Options{TempDir: t.TempDir(), Dirs: []string{s.dir}})
	if err != nil {
		t.Fatal(err)
	}
	db, err := meta.Open(t.Context(), meta.Options{Path: filepath.Join(s.dir, "meta.db")}, auth.Migrations(), audit.Migrations(), olap.Migrations())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(pool.Start(t.Context()), s.jobs.Start(t.Context())); err != nil {
		t.Fatal(err)
	}
	cuts := consistency.New(store, s.jobs.Log(), s.jobs.Frontier(), nil, time.Now)
	c.olap.History = olap.NewHistory(db, nil, nil)
	s.audit = audit.New(db, nil, nil)
	c.olap.Store, c.olap.Pool, c.olap.Cuts, c.olap.Pins, c.olap.Outside = store, pool, cuts, s.jobs, svc
	queries, err := olap.New(c.olap)
	if err != nil {
		t.Fatal(err)
	}
	svc.Querier = queries
	s.tokens = auth.New(db, nil)
	if s.token, err = s.tokens.EnsureFile(t.Context(), filepath.Join(s.dir, "token")); err != nil {
		t.Fatal(err)
	}
	c.api.Services, c.api.Queries, c.api.Cuts, c.api.Tokens, c.api.Audit = svc, queries, cuts, s.tokens, s.audit
	c.web.API, c.web.Tokens, c.web.Console = api.New(c.api), s.tokens, true
	s.serve(t, c.web)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		s.jobs.Stop(ctx)
		pool.Stop()
		c.olap.History.Stop()
		s.audit.Stop()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *service) serve(t *testing.T, o web.Options) {
	t.Helper()
	var err error
	if s.server, err = web.New(o); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.url = "http://" + l.Addr().String()
	served := make(chan error, 1)
	go func() { served <- s.server.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.server.Stop(ctx); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
}

// answer is a response read to its end.
type answer struct {
	*http.Response
	body []byte
	err  error // of reading the body
}

func (s *service) do(t *testing.T, method, path, contentType, body string, header ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	a := answer{Response: resp}
	a.body, a.err = io.ReadAll(resp.Body)
	return a
}

// want checks the status and decodes the body into v.
func (a answer) want(t *testing.T, status int, v any) answer {
	t.Helper()
	if a.err != nil {
		t.Fatalf("%s %s: %v", a.Request.Method, a.Request.URL, a.err)
	}
	if a.StatusCode != status {
		t.Fatalf("%s %s: status %d, want %d: %s", a.Request.Method, a.Request.URL, a.StatusCode, status, a.body)
	}
	if v == nil {
		return a
	}
	if err := json.Unmarshal(a.body, v); err != nil {
		t.Fatalf("%s: %v: %.300s", a.Request.URL, err, a.body)
	}
	return a
}

func (s *service) get(t *testing.T, path string, v any) {
	t.Helper()
	s.do(t, http.MethodGet, path, "", "").want(t, http.StatusOK, v)
}

type object = map[string]any

// post sends v as JSON.
func (s *service) post(t *testing.T, path string, v any, header ...string) answer {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return s.do(t, http.MethodPost, path, "application/json", string(data), header...)
}

// rows is the answer of a query in JSON.
type rows struct {
	Columns []api.Column     `json:"columns"`
	Data    []map[string]any `json:"data"`
	Rows    int64            `json:"rows"`
	Cut     *session.Cut     `json:"cut"`
	Message string           `json:"message"`
	Job     string           `json:"job"`
	Engine  string           `json:"engine"`
	Class   string           `json:"class"`
	Stats   struct {
		QueryID string `json:"query_id"`
	} `json:"statistics"`
	Error *api.Problem `json:"error"`
}

func (s *service) query(t *testing.T, text string) rows {
	t.Helper()
	var r rows
	s.post(t, "/v1/query", object{"sql": text}).want(t, http.StatusOK, &r)
	return r
}

func (s *service) problem(t *testing.T, a answer, status int) api.Problem {
	t.Helper()
	var p api.Problem
	a.want(t, status, &p)
	if ct := a.Header.Get("Content-Type"); ct != "application/problem+json" || p.Status != status || p.Detail == "" {
		t.Errorf("%s: %q %+v", a.Request.URL, ct, p)
	}
	return p
}

func await(t *testing.T, fn func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !fn(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
	}
}

const ordersDDL = "CREATE TABLE orders (id BIGINT, item STRING, n DECIMAL(10, 2), PRIMARY KEY (id) NOT ENFORCED)"

func TestRoutesOutsideTheContract(t *testing.T) {
	s := start(t, config{})
	for _, path := range []string{"/metrics", "/v1/nothing"} {
		for _, header := range []string{"", "Bearer nonsense", "Basic " + s.token, s.token} {
			a := s.do(t, http.MethodGet, path, "", "", "Authorization", header)
			if p := s.problem(t, a, http.StatusUnauthorized); a.Header.Get("WWW-Authenticate") == "" || p.Kind != "denied" {
				t.Errorf("%s: %+v", path, p)
			}
		}
	}
	for _, path := range []string{"/healthz", "/readyz", "/openapi.json", "/openapi.yaml", "/", "/sql", "/jobs/x"} {
		a := s.do(t, http.MethodGet, path, "", "", "Authorization", "").want(t, http.StatusOK, nil)
		if a.Header.Get("X-Content-Type-Options") != "nosniff" || a.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %v", path, a.Header)
		}
	}
	if a := s.do(t, http.MethodGet, "/metrics", "", "").want(t, http.StatusOK, nil); !bytes.Contains(a.body, []byte(`weir_http_requests_total{method="GET",route="/healthz",status="200"} 1`)) {
		t.Errorf("metrics: %s", a.body)
	}
	if p := s.problem(t, s.do(t, http.MethodGet, "/v1/nothing", "", ""), http.StatusNotFound); p.Kind != "not_found" {
		t.Errorf("%+v", p)
	}
}

func TestTokens(t *testing.T) {
	s := start(t, config{})
	info, err := os.Stat(filepath.Join(s.dir, "token"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the token file: %v %v", info.Mode(), err)
	}
	again, err := s.tokens.EnsureFile(t.Context(), filepath.Join(s.dir, "token"))
	if err != nil || again != s.token {
		t.Errorf("the second start got another token: %v", err)
	}
	var made api.CreatedToken
	s.post(t, "/v1/tokens", object{"name": "dashboard"}).want(t, http.StatusCreated, &made)
	s.do(t, http.MethodGet, "/v1/databases", "", "", "Authorization", "bearer "+made.Secret).want(t, http.StatusOK, nil)
	var all struct{ Items []auth.Token }
	if s.get(t, "/v1/tokens", &all); len(all.Items) != 2 || all.Items[1].Name != "dashboard" {
		t.Errorf("%+v", all)
	}
	s.do(t, http.MethodDelete, "/v1/tokens/"+made.ID, "", "").want(t, http.StatusNoContent, nil)
	s.problem(t, s.do(t, http.MethodGet, "/v1/databases", "", "", "Authorization", "Bearer "+made.Secret), http.StatusUnauthorized)
	s.problem(t, s.do(t, http.MethodDelete, "/v1/tokens/"+made.ID, "", ""), http.StatusNotFound)
}

func TestLimits(t *testing.T) {
	s := start(t, config{web: web.Options{RatePerSec: 0.001, RateBurst: 5}, api: api.Options{BodyMax: 1000}})
	p := s.problem(t, s.post(t, "/v1/query", object{"sql": "SELECT '" + strings.Repeat("x", 2000) + "'"}), http.StatusRequestEntityTooLarge)
	if p.Detail == "" {
		t.Errorf("%+v", p)
	}
	for range 4 {
		s.get(t, "/v1/databases", nil)
	}
	a := s.do(t, http.MethodGet, "/v1/databases", "", "")
	if p := s.problem(t, a, http.StatusTooManyRequests); p.Kind != "exhausted" || a.Header.Get("Retry-After") == "" {
		t.Errorf("%+v", p)
	}
}

func TestPage(t *testing.T) {
	s := start(t, config{})
	a := s.do(t, http.MethodGet, "/", "", "").want(t, http.StatusOK, nil)
	csp := a.Header.Get("Content-Security-Policy")
	if !strings.Contains(csp, "script-src 'self'") || strings.Contains(csp, "unsafe") {
		t.Errorf("policy %s", csp)
	}
	for _, inline := range []string{"<style", " style=", " onclick=", "javascript:", "https://", "http://"} {
		if bytes.Contains(a.body, []byte(inline)) {
			t.Errorf("the page has %q", inline)
		}
	}
	if n, own := bytes.Count(a.body, []byte("<script")), bytes.Count(a.body, []byte(`<script nonce="`)); n != own {
		t.Errorf("%d scripts, %d of them with the nonce", n, own)
	}
}

func TestStopEndsStreams(t *testing.T) {
	s := start(t, config{})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/v1/jobs/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	first := make([]byte, 100)
	if n, err := resp.Body.Read(first); err != nil || !strings.HasPrefix(string(first[:n]), "event: jobs\ndata: []\n\n") {
		t.Fatalf("%q %v", first[:n], err)
	}
	// The cleanup stops the server while the stream is open, and fails if that takes 10 s.
}
