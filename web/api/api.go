package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"

	"github.com/weir-lake/weir/compute/session"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/lineage"
	"github.com/weir-lake/weir/olap"
	"github.com/weir-lake/weir/web/auth"
)

// Lineage tells where tables come from and go to; package lineage implements it.
type Lineage interface {
	Lineage(ctx context.Context, ask lineage.Ask) (*lineage.Graph, error)
}

// Verifier recomputes tables from their inputs; package lineage implements it.
type Verifier interface {
	// Verify checks the table of a job (by id or name; empty: of all jobs), now or in the cut of a name, and gives its
	// report as a value for encoding/json.
	Verify(ctx context.Context, job, tag string) (any, error)
}

// Options of New. Services and Queries are needed; what is nil answers 503.
type Options struct {
	Services *session.Services
	Queries  *olap.Service
	Cuts     olap.CutResolver
	Lineage  Lineage
	Verifier Verifier
	Tokens   *auth.Store
	// Backfills run statements over ranges of partitions.
	Backfills Backfills
	Audit     Auditor
	// Revisions repair rows of tables.
	Revisions Revisions
	// Ready says why the service cannot serve yet; nil: it can.
	Ready   func(context.Context) error
	Version string
	// Settings are told by /v1/config: no secrets.
	Settings []Setting
	Now      func() time.Time
	// BodyMax bounds a request's body in bytes. Zero means 16 MiB.
	BodyMax int64
	// QueryTimeoutMax bounds what a request may ask for as timeout. Zero means 1 h.
	QueryTimeoutMax time.Duration
}

const (
	bodyMaxDefault         = 16 << 20
	queryTimeoutMaxDefault = time.Hour
	// bodyReadTimeout bounds how long a body may take to arrive.
	bodyReadTimeout = 60 * time.Second
	// requestTimeout bounds requests other than queries, verifications, pushes and event streams.
	requestTimeout = 60 * time.Second
)

// API serves the REST interface.
type API struct {
	opts     Options
	sessions *sessions
	shelf    *shelf
	started  time.Time
	closing  chan struct{}
}

// New makes the interface. Close ends what streams without end.
func New(o Options) *API {
	if o.BodyMax == 0 {
		o.BodyMax = bodyMaxDefault
	}
	if o.QueryTimeoutMax == 0 {
		o.QueryTimeoutMax = queryTimeoutMaxDefault
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Version == "" {
		o.Version = "dev"
	}
	a := &API{opts: o, sessions: newSessions(o.Now), started: o.Now(), closing: make(chan struct{})}
	if o.Services != nil {
		a.shelf = newShelf(o.Services.Catalog)
	}
	return a
}

// Close ends event streams. Call it once, before the server shuts down.
func (a *API) Close() { close(a.closing) }

// Mount adds the routes: /v1, and the contract at /openapi.json and /openapi.yaml.
func (a *API) Mount(r chi.Router) { a.mount(r) }

func (a *API) mount(r chi.Router) huma.API {
	cfg := huma.DefaultConfig("weir", a.opts.Version)
	cfg.Info.Description = "The streaming warehouse: tables, queries, jobs, lineage."
	cfg.DocsPath, cfg.SchemasPath = "", "" // the console explains; nothing is fetched from elsewhere
	cfg.Transformers = append(cfg.Transformers, asProblem)
	cfg.CreateHooks = nil // no $schema members in answers
	cfg.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer"}}
	cfg.Security = []map[string][]string{{"token": {}}}
	h := humachi.New(r, cfg)
	h.UseMiddleware(a.guard)
	a.queryRoutes(h)
	a.explainRoutes(h)
	a.completionRoutes(h)
	a.metaRoutes(h)
	a.tableRoutes(h)
	a.jobRoutes(h)
	a.lineageRoutes(h)
	a.cutRoutes(h)
	a.deadLetterRoutes(h)
	a.revisionRoutes(h)
	a.backfillRoutes(h)
	a.tokenRoutes(h)
	a.userRoutes(h)
	a.auditRoutes(h)
	a.healthRoutes(r)
	return h
}

// op describes an operation. Errors are problems. GET asks for a reader, everything else for an operator; as
// changes that.
func (a *API) op(h huma.API, method, path, id, summary string) huma.Operation {
	schema := h.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "Problem")
	least := auth.Operator
	if method == http.MethodGet {
		least = auth.Reader
	}
	return huma.Operation{
		OperationID: id, Extensions: map[string]any{extRole: least}, Method: method, Path: path, Summary: summary, MaxBodyBytes: a.opts.BodyMax, BodyReadTimeout: bodyReadTimeout,
		Responses: map[string]*huma.Response{"default": {Description: "What is wrong, and where.",
			Content: map[string]*huma.MediaType{"application/problem+json": {Schema: schema}}}},
	}
}

// limited gives a handler's context the time limit of ordinary requests.
func limited[I, O any](fn func(context.Context, *I) (*O, error)) func(context.Context, *I) (*O, error) {
	return func(ctx context.Context, in *I) (*O, error) {
		ctx, cancel := context.WithTimeoutCause(ctx, requestTimeout, errTimeout)
		defer cancel()
		out, err := fn(ctx, in)
		return out, noted(ctx, err)
	}
}

// body is an answer of one JSON value.
type body[T any] struct{ Body T }

func answer[T any](v T) *body[T] { return &body[T]{Body: v} }

// list is an answer of several things.
type list[T any] struct {
	Items []T `json:"items" nullable:"false"`
}

func listing[T any](items []T) *body[list[T]] {
	if items == nil {
		items = []T{}
	}
	return answer(list[T]{items})
}

func unavailable(what string) error {
	return errkind.Errorf(errkind.Unavailable, "this service has no %s", what)
}

// Health is the answer of /healthz and /readyz.
type Health struct {
	Status  string `json:"status"`
	Version string `json:"version"`
}

func (a *API) healthRoutes(r chi.Router) {
	ok := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		data, err := json.Marshal(Health{"ok", a.opts.Version})
		if err != nil {
			WriteProblem(w, fmt.Errorf("answer health: %w", err))
			return
		}
		_, _ = w.Write(append(data, '\n')) // a prober that has gone needs no answer
	}
	r.Get("/healthz", ok)
	r.Get("/readyz", func(w http.ResponseWriter, q *http.Request) {
		if a.opts.Ready != nil {
			if err := a.opts.Ready(q.Context()); err != nil {
				WriteProblem(w, errkind.Errorf(errkind.Unavailable, "not ready: %w", err))
				return
			}
		}
		ok(w, q)
	})
}

// OpenAPI is the contract as indented JSON.
func OpenAPI() ([]byte, error) {
	data, err := New(Options{Version: "1"}).mount(chi.NewMux()).OpenAPI().MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("generate the contract: %w", err)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, data, "", "  "); err != nil {
		return nil, fmt.Errorf("generate the contract: %w", err)
	}
	return append(out.Bytes(), '\n'), nil
}
