package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"time"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/connector/blackhole"
	"github.com/weir-lake/weir/compute/connector/datagen"
	"github.com/weir-lake/weir/compute/connector/filesystem"
	"github.com/weir-lake/weir/compute/connector/kafka"
	"github.com/weir-lake/weir/compute/connector/print"
	"github.com/weir-lake/weir/compute/duck"
	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/compute/session"
	"github.com/weir-lake/weir/lineage"
	"github.com/weir-lake/weir/lineage/consistency"
	"github.com/weir-lake/weir/lineage/revision"
	"github.com/weir-lake/weir/lineage/schedule"
	"github.com/weir-lake/weir/olap"
	"github.com/weir-lake/weir/storage/cache"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/catalog"
)

// cacheBytesMax bounds the local copies of data files of a store that is not local.
const cacheBytesMax = 20 << 30

// engineOptions are what a weir process that runs statements needs to know.
type engineOptions struct {
	Warehouse string        // directory or s3://bucket/prefix
	Data      string        // caches and spill; may be deleted
	Epoch     time.Duration // length of an epoch; 0: 1 s
	Memory    int64         // bytes of one query worker; 0: 1 GiB
	// StateMemory and PinAge are as in job.Options.
	StateMemory int64
	PinAge      time.Duration
	Output      io.Writer       // of the print connector; nil: standard error
	OnQuery     func(olap.Info) // told of every query that ended; may be nil
	History     *olap.History   // keeps them; may be nil
	Logger      *slog.Logger
}

// engine is every layer below the web: the wiring shared by serve, quickstart and sql.
type engine struct {
	store   objstore.Store
	pool    *duck.Pool
	jobs    *job.Manager
	queries *olap.Service
	cuts    *consistency.Cuts
	svc     *session.Services
	lineage *lineage.Index
	verify  *lineage.Verifier
	back    *schedule.Scheduler
	repairs *revision.Service
}

// openEngine wires a warehouse. Jobs run only after startJobs.
func openEngine(ctx context.Context, o engineOptions) (*engine, error) {
	e := &engine{}
	if err := e.open(ctx, o); err != nil {
		e.close(ctx)
		return nil, err
	}
	return e, nil
}

func (e *engine) open(ctx context.Context, o engineOptions) (err error) {
	if e.store, err = objstore.Open(ctx, o.Warehouse, objstore.Options{}); err != nil {
		return fmt.Errorf("open warehouse %s: %w", o.Warehouse, err)
	}
	cat, err := catalog.Open(ctx, e.store, catalog.Options{})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(o.Data, "spill"), 0o700); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	dirs := []string{filepath.Join(o.Data, "cache")}
	if local, ok := e.store.(objstore.LocalPather); ok {
		dirs = append(dirs, local.LocalPath(""))
	}
	e.pool, err = duck.NewPool(duck.Options{TempDir: filepath.Join(o.Data, "spill"), Dirs: dirs, MemoryBytes: o.Memory})
	if err != nil {
		return err
	}
	if err := e.pool.Start(ctx); err != nil {
		return fmt.Errorf("start query workers: %w", err)
	}
	out := o.Output
	if out == nil {
		out = os.Stderr
	}
	e.svc = &session.Services{Catalog: cat, Connectors: connectors(out), Now: time.Now, Secret: secret,
		Procedures: map[string]session.Procedure{}, System: map[string]session.SystemTable{}}
	e.jobs, err = job.Open(ctx, job.Options{Store: e.store, Catalog: cat, Planner: e.svc, Connectors: e.svc.Connectors,
		Query: e.svc.RunQuery, Secret: secret, Interval: o.Epoch, Owner: owner(), StateMemory: o.StateMemory, PinAgeMax: o.PinAge, Logger: o.Logger})
	if err != nil {
		return err
	}
	e.svc.Jobs = e.jobs
	e.cuts = consistency.New(e.store, e.jobs.Log(), e.jobs.Frontier(), e.jobName, time.Now)
	maps.Copy(e.svc.Procedures, consistency.Procedures(e.jobs))
	files, err := fileCache(e.store, o.Data)
	if err != nil {
		return err
	}
	e.queries, err = olap.New(olap.Options{Store: e.store, Pool: e.pool, Cuts: e.cuts, Pins: e.jobs, Outside: e.svc, Cache: files,
		OnEnd: o.OnQuery, History: o.History})
	if err != nil {
		return err
	}
	e.svc.Querier = e.queries
	e.lineage = lineage.NewIndex(cat, e.jobs, e.svc, time.Now)
	e.svc.System = e.lineage.Tables()
	e.verify = lineage.NewVerifier(e.jobs, e.queries, time.Now)
	e.back = schedule.New(schedule.Options{Store: e.store, Services: e.svc, Jobs: e.jobs, Cuts: e.cuts, Load: e.queries.Load, Now: time.Now, Logger: o.Logger})
	maps.Copy(e.svc.Procedures, e.back.Procedures())
	e.repairs = revision.New(revision.Options{Store: e.store, Jobs: e.jobs, Services: e.svc, Logger: o.Logger})
	maps.Copy(e.svc.Procedures, e.repairs.Procedures())
	return nil
}

// fileCache keeps copies of data files for stores whose objects are no local files.
func fileCache(s objstore.Store, data string) (*cache.Disk, error) {
	if _, local := s.(objstore.LocalPather); local {
		return nil, nil
	}
	c, err := cache.Open(filepath.Join(data, "cache"), cacheBytesMax)
	if err != nil {
		return nil, fmt.Errorf("open file cache: %w", err)
	}
	return c, nil
}

// jobName names a writer for people.
func (e *engine) jobName(writer string) string {
	if s, err := e.jobs.Show(writer); err == nil {
		return s.Name
	}
	return writer
}

// close stops the jobs in an orderly way, then the workers. ctx bounds the jobs' last commits.
func (e *engine) close(ctx context.Context) {
	if e.lineage != nil {
		e.lineage.Stop()
	}
	if e.back != nil {
		e.back.Stop()
	}
	if e.repairs != nil {
		e.repairs.Stop()
	}
	if e.jobs != nil {
		e.jobs.Stop(ctx)
	}
	if e.pool != nil {
		e.pool.Stop()
	}
}

// connectors is the one list of what tables can be WITH.
func connectors(out io.Writer) connector.Registry {
	r := connector.Registry{}
	for _, f := range []connector.Factory{datagen.Factory(), filesystem.Factory(), kafka.Factory(), print.Factory(out, os.Stderr), blackhole.Factory()} {
		r[f.Name] = f
	}
	return r
}

// owner says who holds the warehouse, for the log and for error messages.
func owner() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s:%d", host, os.Getpid())
}
