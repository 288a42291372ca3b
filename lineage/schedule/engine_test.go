//go:build duckdb_arrow

package schedule_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/connector/datagen"
	"github.com/weir-lake/weir/compute/duck"
	"github.com/weir-lake/weir/compute/duck/worker"
	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/compute/session"
	"github.com/weir-lake/weir/compute/sql"
	"github.com/weir-lake/weir/lineage/schedule"
	"github.com/weir-lake/weir/olap"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/catalog"
	"github.com/weir-lake/weir/table/snapshot"
)

// TestMain lets the test binary be its own worker.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == duck.WorkerCommand {
		os.Exit(worker.Main())
	}
	os.Exit(m.Run())
}

// fakeClock is a wall's clock that a test sets.
type fakeClock struct {
	mu sync.Mutex
	at time.Time
}

func (c *fakeClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *fakeClock) set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = at
}

// engine is a warehouse with jobs, queries and backfills.
type engine struct {
	store objstore.Store
	svc   *session.Services
	jobs  *job.Manager
	back  *schedule.Scheduler
	clock *fakeClock
	busy  atomic.Bool // queries wait
	stop  func()
}

// load is how many queries run and wait.
func (e *engine) load() (running, waiting int) {
	if e.busy.Load() {
		return 1, 1
	}
	return 0, 0
}

// cuts finds versions of tables that only weir writes.
type cuts struct{ e *engine }

func (c cuts) Cut(_ context.Context, tables []string) (int64, time.Duration, string, error) {
	e, blame := c.e.jobs.Frontier().Servable(tables...)
	return e, 0, string(blame), nil
}

func (c cuts) At(ctx context.Context, table string, e int64) (*snapshot.Snapshot, bool, error) {
	s, err := c.e.jobs.Log().At(ctx, snapshot.NewManager(objstore.Sub(c.e.store, table), ""), table, e)
	return s, true, err
}

// pool is shared by the tests: its workers start once.
var pool = sync.OnceValues(func() (*duck.Pool, error) {
	dir, err := os.MkdirTemp("", "schedule")
	if err != nil {
		return nil, err
	}
	p, err := duck.NewPool(duck.Options{TempDir: dir, Dirs: []string{os.TempDir()}})
	if err != nil {
		return nil, err
	}
	return p, p.Start(context.Background())
})

func open(t *testing.T, store objstore.Store, clock *fakeClock) *engine {
	t.Helper()
	e, err := tryOpen(t, store, clock)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func tryOpen(t *testing.T, store objstore.Store, clock *fakeClock) (*engine, error) {
	t.Helper()
	p, err := pool()
	if err != nil {
		t.Fatal(err)
	}
	cat, err := catalog.Open(t.Context(), store, catalog.Options{})
	if err != nil {
		return nil, err
	}
	reg := connector.Registry{"datagen": datagen.Factory()}
	e := &engine{store: store, clock: clock, svc: &session.Services{Catalog: cat, Connectors: reg, Now: time.Now}}
	e.jobs, err = job.Open(t.Context(), job.Options{Store: store, Catalog: cat, Planner: e.svc, Connectors: reg, Interval: 20 * time.Millisecond})
	if err != nil {
		return nil, err
	}
	e.svc.Jobs = e.jobs
	queries, err := olap.New(olap.Options{Store: store, Pool: p, Pins: e.jobs})
	if err != nil {
		t.Fatal(err)
	}
	e.svc.Querier = queries
	e.back = schedule.New(schedule.Options{Store: store, Services: e.svc, Jobs: e.jobs, Cuts: cuts{e}, Load: e.load, Now: clock.now,
		LookEvery: 5 * time.Millisecond, Pause: 10 * time.Millisecond})
	e.stop = sync.OnceFunc(func() {
		e.back.Stop()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		e.jobs.Stop(ctx)
	})
	t.Cleanup(e.stop)
	if err := e.jobs.Start(t.Context()); err != nil {
		return e, err
	}
	return e, e.back.Start(t.Context())
}

// run executes a script.
func (e *engine) run(t *testing.T, script string) {
	t.Helper()
	sess := session.New(e.svc, session.Options{User: "test"})
	parts, err := sql.Split(script)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts {
		st, err := p.Parse()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sess.Execute(t.Context(), script, st, session.Params{}); err != nil {
			t.Fatalf("%s: %v", p.Text(), err)
		}
	}
}

// rows answers a query, each row as text, sorted.
func (e *engine) rows(t *testing.T, query string) []string {
	t.Helper()
	st, err := sql.Parse(query)
	if err != nil {
		t.Fatal(err)
	}
	res, err := session.New(e.svc, session.Options{}).Execute(t.Context(), query, st, session.Params{})
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer res.Rows.Close()
	var out []string
	for {
		b, err := res.Rows.Next(t.Context())
		if errors.Is(err, io.EOF) {
			slices.Sort(out)
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		for i := range int(b.NumRows()) {
			line := ""
			for c := range int(b.NumCols()) {
				line += b.Column(c).ValueStr(i) + " "
			}
			out = append(out, line[:len(line)-1])
		}
		b.Release()
	}
}

// history is the snapshots of a table, the oldest first.
func (e *engine) history(t *testing.T, name string) []*snapshot.Snapshot {
	t.Helper()
	all, err := snapshot.NewManager(objstore.Sub(e.store, "default.db/"+name), "").All(t.Context())
	if err != nil && !errors.Is(err, snapshot.ErrNone) {
		t.Fatal(err)
	}
	return all
}

// slicesMade counts the snapshots that say they hold a slice, by slice.
func (e *engine) slicesMade(t *testing.T, name string) map[string]int {
	t.Helper()
	out := map[string]int{}
	for _, s := range e.history(t, name) {
		if s.Properties[schedule.PropBackfill] != "" && s.CommitKind != snapshot.Compact {
			out[s.Properties[schedule.PropSlice]]++
		}
	}
	return out
}

// wait polls until the condition holds.
func wait(t *testing.T, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("no end of waiting for %s", what)
		}
		time.Sleep(15 * time.Millisecond)
	}
}

// finish waits for the end of a run and gives it.
func (e *engine) finish(t *testing.T, name, id string) schedule.Run {
	t.Helper()
	var r schedule.Run
	wait(t, "run "+id, func() bool {
		var err error
		if r, err = e.back.RunOf(t.Context(), name, id); err != nil {
			t.Fatal(err)
		}
		return r.State.Ended()
	})
	return r
}

// idle waits until nothing is due and nothing runs: the backfill has looked at its clock since it was set.
func (e *engine) idle(t *testing.T, name string) {
	t.Helper()
	at := e.clock.now()
	wait(t, "backfill "+name, func() bool {
		b, err := e.back.Show(name)
		if err != nil {
			t.Fatal(err)
		}
		delay, err := schedule.ParseLength(b.Delay)
		if err != nil {
			t.Fatal(err)
		}
		decided := b.Next == nil || delay.After(*b.Next).After(at)
		return b.Error != "" || b.Now != nil && b.Now.Equal(at) && decided && b.Running == "" && !e.waiting(t, name)
	})
}

func (e *engine) waiting(t *testing.T, name string) bool {
	t.Helper()
	runs, err := e.back.History(t.Context(), name, 0)
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(runs, func(r schedule.Run) bool { return !r.State.Ended() })
}

func utc(text string) time.Time {
	t, err := time.Parse(time.DateTime, text)
	if err != nil {
		panic(fmt.Sprintf("test: %v", err))
	}
	return t
}

// readings is an input with ten rows a day of January 2020, and a table of their sums by day.
const readings = `
CREATE TABLE readings (at TIMESTAMP(3), v BIGINT);
CREATE TABLE daily (dt STRING, n BIGINT, total BIGINT) PARTITIONED BY (dt);
SET 'execution.runtime-mode' = 'batch';
`

// dailySQL recomputes the days that end in the interval.
const dailySQL = `INSERT OVERWRITE daily
SELECT DATE_FORMAT(at, 'yyyy-MM-dd'), COUNT(*), SUM(v) FROM readings
WHERE at >= FLOOR(${start} TO DAY) AND at < FLOOR(${end} TO DAY) GROUP BY DATE_FORMAT(at, 'yyyy-MM-dd')`

// fill inserts ten rows for each of some days.
func (e *engine) fill(t *testing.T, first string, days int) {
	t.Helper()
	values := ""
	for d := range days {
		for i := range 10 {
			at := utc(first+" 00:00:00").AddDate(0, 0, d).Add(time.Duration(i) * 2 * time.Hour)
			values += fmt.Sprintf(", (TIMESTAMP '%s', %d)", at.Format(time.DateTime), 100*d+i)
		}
	}
	e.run(t, "SET 'execution.runtime-mode' = 'batch'; INSERT INTO readings VALUES "+values[2:])
}
