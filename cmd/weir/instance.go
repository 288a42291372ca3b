package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/lineage/openlineage"
	"github.com/weir-lake/weir/olap"
	"github.com/weir-lake/weir/storage/meta"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/catalog"
	"github.com/weir-lake/weir/web"
	"github.com/weir-lake/weir/web/api"
	"github.com/weir-lake/weir/web/audit"
	"github.com/weir-lake/weir/web/auth"
)

// serviceOptions are what a service needs to know.
type serviceOptions struct {
	Warehouse string
	Data      string // metadata, caches, spill, token and address
	MetaDSN   string // PostgreSQL; empty: SQLite in Data
	Listen    string
	Epoch     time.Duration
	Memory    int64
	// StateMemory and PinAge are as in job.Options.
	StateMemory int64
	PinAge      time.Duration
	Logger      *slog.Logger
	// OpenLineage says whom to tell of the jobs; without a target nobody.
	OpenLineage openlineage.Options
}

// service is a running weir: the engine, the metadata database and the web server.
type service struct {
	opts     serviceOptions
	self     instance
	engine   *engine
	db       *meta.DB
	history  *olap.History
	audit    *audit.Log
	web      *web.Server
	emitter  *openlineage.Emitter // nil: nobody is told of the jobs
	token    string
	listener net.Listener
	starting atomic.Bool // true until the jobs were started
	served   chan error  // one value: how serving ended
}

// dataFolder is where a service keeps what may be deleted.
func dataFolder(warehouse, data string) (string, error) {
	if data == "" {
		if isRemote(warehouse) {
			return "", errkind.Errorf(errkind.Invalid, "--data: a service of %s needs a local folder for caches and metadata: name one with --data DIR", warehouse)
		}
		data = filepath.Join(strings.TrimPrefix(warehouse, "file://"), ".local")
	}
	return filepath.Abs(data)
}

func isRemote(warehouse string) bool {
	return strings.Contains(warehouse, ":/") && !strings.HasPrefix(warehouse, "file:")
}

// openService takes what only one may have, in the order that harms nobody when it fails: the data folder, the
// address, and last the warehouse, whose earlier owner stops then. Jobs run and requests are answered after start.
func openService(ctx context.Context, o serviceOptions) (*service, error) {
	s := &service{opts: o, served: make(chan error, 1)}
	s.starting.Store(true)
	if err := s.take(ctx); err != nil {
		s.release(ctx)
		return nil, err
	}
	return s, nil
}

func (s *service) take(ctx context.Context) (err error) {
	o := s.opts
	if !isRemote(o.Warehouse) {
		if err := os.MkdirAll(strings.TrimPrefix(o.Warehouse, "file://"), 0o755); err != nil {
			return fmt.Errorf("warehouse: %w", err)
		}
	}
	if err := checkWarehouse(ctx, o.Warehouse); err != nil {
		return err
	}
	if err := os.MkdirAll(o.Data, 0o700); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	mo := meta.Options{DSN: o.MetaDSN}
	if mo.DSN == "" {
		mo.Path = filepath.Join(o.Data, "meta.db")
	}
	if s.db, err = meta.Open(ctx, mo, metaLayers()...); err != nil {
		return err
	}
	s.history, s.audit = olap.NewHistory(s.db, nil, o.Logger), audit.New(s.db, nil, o.Logger)
	if s.listener, err = listen(o.Listen); err != nil {
		return err
	}
	s.self = instance{URL: "http://" + s.listener.Addr().String(), PID: os.Getpid(), Warehouse: o.Warehouse, Started: time.Now().UTC()}
	if err := s.db.SetAddress(s.self.URL); err != nil {
		return err
	}
	tokens := auth.New(s.db, nil)
	if s.token, err = tokens.EnsureFile(ctx, filepath.Join(o.Data, tokenFile)); err != nil {
		return err
	}
	return s.wire(ctx, tokens)
}

// metaLayers are all that has tables in the metadata database.
func metaLayers() []meta.Migrations {
	return []meta.Migrations{auth.Migrations(), audit.Migrations(), olap.Migrations()}
}

// checkWarehouse refuses a folder that is none before anything is written into it.
func checkWarehouse(ctx context.Context, uri string) error {
	store, err := objstore.Open(ctx, uri, objstore.Options{})
	if err != nil {
		return fmt.Errorf("open warehouse %s: %w", uri, err)
	}
	_, err = catalog.Open(ctx, store, catalog.Options{})
	return err
}

// wire builds the engine and the web server over it.
func (s *service) wire(ctx context.Context, tokens *auth.Store) (err error) {
	reg := newMetrics()
	queries, err := newQueryMetrics(reg)
	if err != nil {
		return err
	}
	s.engine, err = openEngine(ctx, engineOptions{Warehouse: s.opts.Warehouse, Data: s.opts.Data, Epoch: s.opts.Epoch,
		Memory: s.opts.Memory, StateMemory: s.opts.StateMemory, PinAge: s.opts.PinAge, OnQuery: queries.end, History: s.history, Logger: s.opts.Logger})
	if err != nil {
		return err
	}
	e := s.engine
	if err := reg.Register(newJobMetrics(e.jobs, time.Now)); err != nil {
		return fmt.Errorf("register job metrics: %w", err)
	}
	if s.emitter, err = newEmitter(e.lineage, s.opts.Warehouse, s.opts.OpenLineage, reg, s.opts.Logger); err != nil {
		return err
	}
	rest := api.New(api.Options{Services: e.svc, Queries: e.queries, Cuts: e.cuts, Tokens: tokens, Audit: s.audit, Ready: s.ready,
		Lineage: e.lineage, Verifier: e.verify, Backfills: e.back, Revisions: e.repairs, Version: version(), Settings: s.opts.settings()})
	s.web, err = web.New(web.Options{API: rest, Tokens: tokens, Metrics: reg, Console: true, Logger: s.opts.Logger})
	return err
}

// ready says why the service cannot serve.
func (s *service) ready(context.Context) error {
	select {
	case <-s.engine.jobs.Lost():
		return s.engine.jobs.Cause()
	default:
	}
	if s.starting.Load() {
		return errkind.New(errkind.Unavailable, "jobs are being started")
	}
	return nil
}

// readyTimeout bounds the wait for the service's own first answer.
const readyTimeout = 10 * time.Second

// start starts jobs and the server and returns when the service answers that it is ready.
func (s *service) start(ctx context.Context) error {
	if err := s.engine.jobs.Start(ctx); err != nil {
		return err
	}
	if err := s.engine.back.Start(ctx); err != nil {
		return err
	}
	if err := s.engine.repairs.Start(ctx); err != nil {
		return err
	}
	if s.emitter != nil {
		s.emitter.Start()
	}
	s.starting.Store(false)
	go func() { s.served <- s.web.Serve(s.listener) }()
	if err := s.self.announce(s.opts.Data); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.self.URL+"/readyz", nil)
	if err != nil {
		return fmt.Errorf("ask for readiness: %w", err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("ask for readiness: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return errkind.Errorf(errkind.Unavailable, "%s/readyz answers %s", s.self.URL, res.Status)
	}
	return nil
}

// wait returns when ctx ends (nil), when another process has taken the warehouse, or when serving fails.
func (s *service) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-s.engine.jobs.Lost():
		return fmt.Errorf("warehouse %s: another process has taken it over; this one has stopped and written nothing since: %w", s.opts.Warehouse, s.engine.jobs.Cause())
	case err := <-s.served:
		return err
	}
}

// stop ends requests, lets every job commit a last epoch and closes everything, within the grace.
func (s *service) stop(ctx context.Context, grace time.Duration) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	requests, end := context.WithTimeout(ctx, grace/4)
	defer end()
	err := s.web.Stop(requests)
	if errors.Is(err, context.DeadlineExceeded) {
		s.opts.Logger.Warn("requests_cut_off", "after", (grace / 4).String())
		err = nil
	}
	s.self.withdraw(s.opts.Data)
	s.release(ctx)
	return err
}

// release gives up what openService took.
func (s *service) release(ctx context.Context) {
	if s.engine != nil {
		s.engine.close(ctx)
	}
	s.stopEmitter(ctx)
	if s.listener != nil {
		_ = s.listener.Close() // closed by the server already when it served
	}
	if s.history != nil {
		s.history.Stop()
		s.audit.Stop()
	}
	if s.db != nil {
		if err := s.db.Close(); err != nil {
			s.opts.Logger.Warn("close_metadata", "error", err)
		}
	}
}
