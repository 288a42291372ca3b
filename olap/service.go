package olap

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/google/uuid"

	"github.com/weir-lake/weir/compute/duck"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/session"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/cache"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/snapshot"
)

// CutResolver knows which versions of tables belong together. Tables are named by their paths below the
// warehouse.
type CutResolver interface {
	// Cut is the newest epoch servable for all the tables, how long ago it stopped being the newest one
	// there is (0: it still is), and the job that holds it back, if one does.
	Cut(ctx context.Context, tables []string) (epoch int64, age time.Duration, heldBy string, err error)
	// At is the newest snapshot of the table with everything up to the epoch and nothing after it; nil:
	// it had none then. ok is false for a table whose versions belong to no epoch, because only other
	// engines write it and no job reads it.
	At(ctx context.Context, table string, epoch int64) (s *snapshot.Snapshot, ok bool, err error)
	// Tagged is the table's version in the cut of that name; nil: it had none. ok is false when no cut has the
	// name and the table: a tag of the name is the table's own.
	Tagged(ctx context.Context, table, name string) (s *snapshot.Snapshot, ok bool, err error)
}

// Pins hold snapshots of tables (by path) against expiry; holding again under one name replaces what
// was held.
type Pins interface {
	Hold(holder string, need map[string]int64) (release func())
}

// Outside reads tables that are not of the warehouse: behind connectors up to their present end, and
// computed ones. Batches have all columns of the table that are not computed, in order; they are only
// valid during the call. It returns the positions, by split, at which the reading ended.
type Outside interface {
	ReadOutside(ctx context.Context, sc *plan.Scan, fn func(arrow.RecordBatch) error) (map[string]string, error)
}

// Options of New. Store and Pool are needed; without Cuts level cut reads the newest versions, without
// Outside only tables of the warehouse can be read.
type Options struct {
	Store   objstore.Store // the warehouse's root
	Pool    *duck.Pool     // started and stopped by the caller
	Cuts    CutResolver
	Pins    Pins
	Outside Outside
	// Cache keeps data files of a store that is not local, for DuckDB to read in place. Nil: such files are
	// read as Arrow in this process.
	Cache *cache.Disk

	// Slots is how many queries run at once. Zero means the cores: more would only take
	// each other's time.
	Slots int
	// QueueMax is how many more may wait. Zero means 64; negative none.
	QueueMax int
	// Timeout bounds a query from its arrival to its last row. Zero means 10 min. Batch
	// statements that write are not bounded.
	Timeout time.Duration
	// FreshWait bounds how long a query waits for a cut as fresh as it asks for. Zero means 30 s: jobs that are well
	// catch up within seconds, and whoever waits for others should be told.
	FreshWait time.Duration
	// RowsMax and BytesMax bound a result, but not what a statement writes. Zero means no limit on rows and
	// 8 GiB of Arrow data.
	RowsMax  int64
	BytesMax int64
	// History keeps the queries that ended. Nil: the newest are remembered until the process ends.
	History *History
	// OnEnd is told of every query that ended. It must return quickly.
	OnEnd func(Info)
	Now   func() time.Time
}

const (
	queueMaxDefault  = 64
	timeoutDefault   = 10 * time.Minute
	freshWaitDefault = 30 * time.Second
	bytesMaxDefault  = 8 << 30
)

func (o Options) withDefaults() Options {
	if o.Slots == 0 {
		o.Slots = runtime.NumCPU()
	}
	switch {
	case o.QueueMax == 0:
		o.QueueMax = queueMaxDefault
	case o.QueueMax < 0:
		o.QueueMax = 0
	}
	if o.Timeout == 0 {
		o.Timeout = timeoutDefault
	}
	if o.FreshWait == 0 {
		o.FreshWait = freshWaitDefault
	}
	if o.BytesMax == 0 {
		o.BytesMax = bytesMaxDefault
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

func (o Options) validate() error {
	switch {
	case o.Store == nil || o.Pool == nil:
		return errkind.New(errkind.Bug, "olap: a store and a worker pool are needed")
	case o.Slots < 0 || o.Timeout < 0 || o.FreshWait < 0 || o.RowsMax < 0 || o.BytesMax < 0:
		return errkind.New(errkind.Invalid, "olap: slots, timeout and limits must not be negative")
	}
	return nil
}

// Service answers queries. It implements session.Querier and is safe for concurrent use.
type Service struct {
	opts    Options
	admit   *admission
	queries *registry
	tables  *tables
	stale   chan struct{} // a place for each query that waits for a fresh cut
}

// New checks the options. It starts nothing.
func New(opts Options) (*Service, error) {
	opts = opts.withDefaults()
	if err := opts.validate(); err != nil {
		return nil, err
	}
	return &Service{
		opts: opts, admit: newAdmission(opts.Slots, opts.QueueMax),
		queries: newRegistry(opts.Now, opts.History, opts.OnEnd), stale: make(chan struct{}, max(1, opts.QueueMax)), tables: newTables(opts.Store),
	}, nil
}

// Query admits the query, pins its versions and starts it. Its time, slot and pins end with the rows'
// end, error or Close.
func (s *Service) Query(ctx context.Context, q session.Query) (session.Rows, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := func() { cancel(nil) }
	if !q.Exact {
		limited, stopTimer := context.WithTimeoutCause(ctx, s.opts.Timeout, errTime(s.opts.Timeout))
		ctx, stop = limited, func() { stopTimer(); cancel(nil) }
	}
	rec := s.queries.add(Info{ID: uuid.NewString(), User: q.User, SQL: q.SQL, Engine: engine, Class: plan.WorstClass(q.Root).String()}, cancel)
	rows, err := s.start(ctx, rec, q)
	if err != nil {
		err = ended(ctx, err)
		s.queries.end(rec, err)
		stop()
		return nil, err
	}
	rows.onClose(stop)
	return rows, nil
}

func errTime(limit time.Duration) error {
	return errkind.Errorf(errkind.Canceled, "query: time limit of %s reached", limit)
}

// ended prefers the reason for which the query's context ended over what that did to it.
func ended(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && errkind.Is(err, errkind.Canceled) {
		return errkind.Wrap(errkind.Canceled, cause)
	}
	return err
}

// inQuery marks the context of a query whose inputs may run queries of their own (a replay's): those need no
// slot, or queries waiting for their own parts would fill all of them.
type inQuery struct{}

func (s *Service) start(ctx context.Context, rec *record, q session.Query) (*rows, error) {
	out := &rows{s: s, rec: rec, ctx: ctx, cols: q.Root.Columns(), exact: q.Exact}
	fail := func(err error) (*rows, error) {
		out.free()
		return nil, err
	}
	if err := s.await(ctx, q); err != nil {
		return nil, err
	}
	if ctx.Value(inQuery{}) == nil {
		enter := s.admit.enter
		if q.Low {
			enter = s.admit.enterLow
		}
		leave, err := enter(ctx)
		if err != nil {
			return nil, err
		}
		out.onClose(leave)
		ctx = context.WithValue(ctx, inQuery{}, true)
	}
	s.queries.running(rec)
	pin, err := s.pin(ctx, rec.info.ID, q)
	if err != nil {
		return fail(err)
	}
	out.onClose(pin.release)
	out.cut = pin.cut
	s.queries.setCut(rec, pin.cut)
	x := &resolver{s: s, pin: pin, env: q.Env, ended: q.Ended}
	out.onClose(x.release)
	out.lost = x.lost
	res, err := duck.Execute(ctx, s.opts.Pool, q.Root, x, duck.ExecOptions{Env: q.Env, Exact: q.Exact})
	if err != nil {
		return fail(x.explain(ctx, err))
	}
	out.res = res
	return out, nil
}

// Queries lists the queries that wait or run, newest first, then those that ended, newest first, as far as this
// process remembers them.
func (s *Service) Queries() []Info { return s.queries.list() }

// Show is one query.
func (s *Service) Show(ctx context.Context, id string) (Info, error) {
	q, err := s.queries.show(id)
	if errors.Is(err, ErrNoQuery) && s.opts.History != nil {
		return s.opts.History.show(ctx, id)
	}
	return q, err
}

// Cancel ends a query that waits or runs. Its client gets the reason.
func (s *Service) Cancel(id, user string) error { return s.queries.cancel(id, user) }

// Load is how many queries run and wait now.
func (s *Service) Load() (running, waiting int) { return s.admit.load() }

var _ session.Querier = (*Service)(nil)

// errOver ends a result that is larger than allowed.
func errOver(what string, limit int64) error {
	return errkind.Errorf(errkind.Exhausted, "query: the result has more than %s; add a LIMIT, or select less", fmt.Sprintf("%d %s", limit, what))
}
