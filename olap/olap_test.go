//go:build duckdb_arrow

package olap_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/connector/datagen"
	"github.com/weir-lake/weir/compute/duck"
	"github.com/weir-lake/weir/compute/duck/worker"
	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/compute/session"
	"github.com/weir-lake/weir/compute/sql"
	"github.com/weir-lake/weir/internal/errkind"
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

// service is a warehouse with jobs and queries.
type service struct {
	svc  *session.Services
	jobs *job.Manager
	olap *olap.Service
	pool *duck.Pool
	cuts cuts
	dir  string
	sess *session.Session
}

// cuts finds cuts of tables that only weir writes.
type cuts struct {
	store objstore.Store
	jobs  *job.Manager
}

func (c cuts) Cut(_ context.Context, tables []string) (int64, time.Duration, string, error) {
	e, blame := c.jobs.Frontier().Servable(tables...)
	age := time.Duration(0)
	if at, ok := c.jobs.Log().DecidedAfter(e); ok && blame != "" {
		age = time.Since(at)
	}
	return e, age, string(blame), nil
}

func (c cuts) Tagged(context.Context, string, string) (*snapshot.Snapshot, bool, error) {
	return nil, false, nil
}

func (c cuts) At(ctx context.Context, table string, e int64) (*snapshot.Snapshot, bool, error) {
	s, err := c.jobs.Log().At(ctx, snapshot.NewManager(objstore.Sub(c.store, table), ""), table, e)
	return s, true, err
}

type config struct {
	store    objstore.Store // nil: a local one
	pool     duck.Options
	olap     olap.Options
	interval time.Duration
}

func start(t testing.TB, c config) *service {
	t.Helper()
	s := &service{dir: t.TempDir()}
	if c.store == nil {
		local, err := objstore.NewLocal(s.dir, objstore.LocalOptions{NoSync: true})
		if err != nil {
			t.Fatal(err)
		}
		c.store = local
	}
	if c.interval == 0 {
		c.interval = 20 * time.Millisecond
	}
	cat, err := catalog.Open(t.Context(), c.store, catalog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	reg := connector.Registry{"datagen": datagen.Factory()}
	s.svc = &session.Services{Catalog: cat, Connectors: reg, Now: time.Now}
	s.jobs, err = job.Open(t.Context(), job.Options{Store: c.store, Catalog: cat, Planner: s.svc, Connectors: reg, Interval: c.interval})
	if err != nil {
		t.Fatal(err)
	}
	s.svc.Jobs = s.jobs
	c.pool.TempDir = t.TempDir()
	c.pool.Dirs = []string{s.dir}
	if s.pool, err = duck.NewPool(c.pool); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.pool.Start(t.Context()), s.jobs.Start(t.Context())); err != nil {
		t.Fatal(err)
	}
	s.cuts = cuts{c.store, s.jobs}
	c.olap.Store, c.olap.Pool, c.olap.Cuts, c.olap.Pins, c.olap.Outside = c.store, s.pool, s.cuts, s.jobs, s.svc
	if s.olap, err = olap.New(c.olap); err != nil {
		t.Fatal(err)
	}
	s.svc.Querier = s.olap
	s.sess = session.New(s.svc, session.Options{User: "test"})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		s.jobs.Stop(ctx)
		s.pool.Stop()
	})
	return s
}

func (s *service) try(ctx context.Context, text string) (*session.Result, error) {
	st, err := sql.Parse(text)
	if err != nil {
		return nil, err
	}
	return s.sess.Execute(ctx, text, st, session.Params{})
}

func (s *service) exec(t *testing.T, script string) {
	t.Helper()
	frags, err := sql.Split(script)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range frags {
		if _, err := s.try(t.Context(), f.Text()); err != nil {
			t.Fatalf("%s: %v", f.Text(), err)
		}
	}
}

// query runs a SELECT and returns its rows as text, sorted, and its cut.
func (s *service) query(t *testing.T, text string) ([]string, *session.Cut) {
	t.Helper()
	res, err := s.try(t.Context(), text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	out, err := drain(t.Context(), res.Rows)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return out, res.Rows.Cut()
}

func drain(ctx context.Context, rows session.Rows) ([]string, error) {
	defer rows.Close()
	var out []string
	for {
		rec, err := rows.Next(ctx)
		if errors.Is(err, io.EOF) {
			slices.Sort(out)
			return out, nil
		}
		if err != nil {
			return out, err
		}
		for i := range int(rec.NumRows()) {
			parts := make([]string, rec.NumCols())
			for j, c := range rec.Columns() {
				parts[j] = c.ValueStr(i)
			}
			out = append(out, strings.Join(parts, " "))
		}
		rec.Release()
	}
}

func (s *service) want(t *testing.T, text string, want ...string) *session.Cut {
	t.Helper()
	got, cut := s.query(t, text)
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %q\nwant %q", text, got, want)
	}
	return cut
}

const orders = `
CREATE TABLE orders (id BIGINT, item STRING, n INT, twice AS n * 2, PRIMARY KEY (id) NOT ENFORCED) WITH ('bucket' = '1');
INSERT INTO orders VALUES (1, 'a', 10), (2, 'b', 20), (3, 'c', 30);
`

func TestQueryReadsFilesAndMerges(t *testing.T) {
	for name, store := range map[string]objstore.Store{"local": nil, "memory": objstore.NewMem()} {
		t.Run(name, func(t *testing.T) {
			s := start(t, config{store: store})
			s.exec(t, orders)
			// One file a bucket: DuckDB reads it as it is.
			cut := s.want(t, "SELECT id, n FROM orders WHERE n > 10", "2 20", "3 30")
			if cut == nil || cut.Level != "cut" || cut.Snapshots["default.orders"] != 1 || cut.Epoch == 0 {
				t.Errorf("cut %+v", cut)
			}
			s.exec(t, "INSERT INTO orders VALUES (2, 'b', 21), (4, 'd', 40)")
			// Two runs of the same keys: merged.
			cut = s.want(t, "SELECT id, item, n, twice FROM orders", "1 a 10 20", "2 b 21 42", "3 c 30 60", "4 d 40 80")
			if cut.Snapshots["default.orders"] != 2 {
				t.Errorf("cut %+v", cut)
			}
			s.want(t, "SELECT COUNT(*) FROM orders", "4")
			s.want(t, "SELECT SUM(twice) FROM orders", "202")
			s.want(t, "SELECT n FROM orders /*+ OPTIONS('scan.snapshot-id'='1') */ WHERE id = 2", "20")
			s.want(t, "SELECT a.n, b.n FROM orders a JOIN orders /*+ OPTIONS('scan.snapshot-id'='1') */ b ON a.id = b.id WHERE a.id = 2", "21 20")
		})
	}
}

func TestQueryOfOtherThings(t *testing.T) {
	s := start(t, config{})
	s.want(t, "SELECT 1 + 1", "2")
	s.exec(t, "CREATE TABLE none (a INT, b STRING)")
	s.want(t, "SELECT * FROM none")
	s.want(t, "SELECT COUNT(*) FROM none", "0")
	s.exec(t, `SET 'execution.runtime-mode' = 'batch'; CREATE TABLE gen (id BIGINT, grp INT) WITH ('connector'='datagen', 'number-of-rows'='50000',
	  'fields.id.kind'='sequence', 'fields.id.start'='1', 'fields.id.end'='50000', 'fields.grp.min'='0', 'fields.grp.max'='4')`)
	if cut := s.want(t, "SELECT COUNT(*), SUM(id), COUNT(DISTINCT grp) FROM gen", "50000 1250025000 5"); cut != nil {
		t.Errorf("a query of no table of the warehouse has the cut %+v", cut)
	}
	s.want(t, "SELECT a.id FROM gen a JOIN gen b ON a.id = b.id + 49999", "50000")
}

func TestCutDoesNotTear(t *testing.T) {
	s := start(t, config{})
	s.exec(t, `
CREATE TABLE gen (id BIGINT, grp INT) WITH ('connector'='datagen', 'number-of-rows'='20000', 'rows-per-second'='20000',
  'fields.id.kind'='sequence', 'fields.id.start'='1', 'fields.id.end'='20000', 'fields.grp.min'='0', 'fields.grp.max'='4');
CREATE TABLE events (id BIGINT, grp INT);
CREATE MATERIALIZED TABLE per_group FRESHNESS = INTERVAL '0.04' SECOND AS SELECT grp, COUNT(*) AS n FROM events GROUP BY grp;
SET 'execution.runtime-mode' = 'streaming';
SET 'execution.epoch.max-rows' = '700';
INSERT INTO events SELECT id, grp FROM gen;
SET 'execution.runtime-mode' = 'batch';`)
	deadline := time.Now().Add(30 * time.Second)
	seen := map[string]bool{}
	for time.Now().Before(deadline) {
		rows, cut := s.query(t, "SELECT (SELECT COUNT(*) FROM events), (SELECT SUM(n) FROM per_group)")
		a, b, _ := strings.Cut(rows[0], " ")
		if a != b && !(a == "0" && b == "(null)") {
			t.Fatalf("torn: %s at %+v", rows[0], cut)
		}
		seen[a] = true
		if a == "20000" {
			break
		}
	}
	if !seen["20000"] || len(seen) < 3 {
		t.Errorf("the counts seen were %v", seen)
	}
}

func TestLimitsAndCancel(t *testing.T) {
	ended := make(chan olap.Info, 100)
	s := start(t, config{olap: olap.Options{Slots: 1, QueueMax: 1, RowsMax: 1000, OnEnd: func(i olap.Info) { ended <- i }}})
	s.exec(t, `SET 'execution.runtime-mode' = 'batch'; CREATE TABLE gen (id BIGINT) WITH ('connector'='datagen', 'number-of-rows'='5000',
	  'fields.id.kind'='sequence', 'fields.id.start'='1', 'fields.id.end'='5000')`)
	res, err := s.try(t.Context(), "SELECT id FROM gen")
	if err == nil {
		_, err = drain(t.Context(), res.Rows)
	}
	if !errkind.Is(err, errkind.Exhausted) || !strings.Contains(err.Error(), "1000 rows") {
		t.Fatalf("a result over the limit: %v", err)
	}
	if i := <-ended; i.State != olap.Failed || i.Error == "" {
		t.Errorf("%+v", i)
	}
	s.exec(t, "CREATE TABLE kept (id BIGINT); INSERT INTO kept SELECT id FROM gen") // no limit on what is written
	if i := <-ended; i.State != olap.Done || i.Rows != 5000 {
		t.Errorf("%+v", i)
	}

	// One runs, one waits, the third is refused.
	const slow = "SELECT COUNT(*) FROM gen a, gen b, gen c WHERE a.id + b.id + c.id = 7"
	answers := make(chan error, 2)
	for range 2 {
		sess := session.New(s.svc, session.Options{User: "other", Variables: map[string]string{"execution.runtime-mode": "batch"}})
		go func() {
			st, err := sql.Parse(slow)
			if err == nil {
				var res *session.Result
				if res, err = sess.Execute(t.Context(), slow, st, session.Params{}); err == nil {
					_, err = drain(t.Context(), res.Rows)
				}
			}
			answers <- err
		}()
	}
	await(t, func() bool { r, w := s.olap.Load(); return r == 1 && w == 1 })
	if _, err := s.try(t.Context(), "SELECT 1"); !errors.Is(err, olap.ErrBusy) {
		t.Fatalf("a full queue: %v", err)
	}
	<-ended
	var states []string
	for _, q := range s.olap.Queries() {
		states = append(states, string(q.State))
		if q.State == olap.Running || q.State == olap.Queued {
			if err := s.olap.Cancel(q.ID, "test"); err != nil {
				t.Error(err)
			}
		}
	}
	slices.Sort(states[:2])
	if !slices.Equal(states, []string{"queued", "running", "failed", "done", "failed"}) {
		t.Errorf("states %v", states)
	}
	for range 2 {
		if err := <-answers; !errkind.Is(err, errkind.Canceled) || !strings.Contains(err.Error(), "canceled by test") {
			t.Errorf("a canceled query: %v", err)
		}
		if i := <-ended; i.State != olap.Canceled {
			t.Errorf("%+v", i)
		}
	}
	s.want(t, "SELECT 1", "1")
	if err := s.olap.Cancel("nobody", ""); !errors.Is(err, olap.ErrNoQuery) {
		t.Errorf("cancel of no query: %v", err)
	}
}

func await(t *testing.T, fn func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !fn(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
	}
}

func TestTimeout(t *testing.T) {
	s := start(t, config{olap: olap.Options{Timeout: 300 * time.Millisecond}})
	s.exec(t, `SET 'execution.runtime-mode' = 'batch'; CREATE TABLE gen (id BIGINT) WITH ('connector'='datagen', 'number-of-rows'='5000',
	  'fields.id.kind'='sequence', 'fields.id.start'='1', 'fields.id.end'='5000')`)
	begin := time.Now()
	res, err := s.try(t.Context(), "SELECT COUNT(*) FROM gen a, gen b, gen c WHERE a.id + b.id + c.id = 7")
	if err == nil {
		_, err = drain(t.Context(), res.Rows)
	}
	if !errkind.Is(err, errkind.Canceled) || !strings.Contains(err.Error(), "time limit of 300ms") {
		t.Fatalf("got %v", err)
	}
	if d := time.Since(begin); d > 5*time.Second {
		t.Errorf("it took %s", d)
	}
}

// A query that asks for gigabytes in one string dies alone: in the service it would take everything with it.
func TestMemoryOfOneQuery(t *testing.T) {
	s := start(t, config{pool: duck.Options{MemoryBytes: 512 << 20}})
	s.exec(t, orders)
	s.exec(t, `SET 'execution.runtime-mode' = 'batch'; CREATE TABLE gen (id BIGINT) WITH ('connector'='datagen', 'number-of-rows'='60',
	  'fields.id.kind'='sequence', 'fields.id.start'='1', 'fields.id.end'='60')`)
	queries := []string{
		"SELECT CHAR_LENGTH(REPEAT('x', 1500000000) || REPEAT('x', 1500000000))",
		"SELECT CHAR_LENGTH(REPEAT(item, 1500000000)) FROM orders",
	}
	if !testing.Short() { // the race detector, which runs with -short, dies of this in its own words
		queries = append(queries, "SELECT CHAR_LENGTH(LISTAGG(REPEAT('x', 50000000 + CAST(id AS INT)))) FROM gen")
	}
	for _, q := range queries {
		begin := time.Now()
		res, err := s.try(t.Context(), q)
		if err == nil {
			_, err = drain(t.Context(), res.Rows)
		}
		if !errkind.Is(err, errkind.Exhausted) && !errkind.Is(err, errkind.Invalid) {
			t.Errorf("%s: %v", q, err)
		}
		t.Logf("%s after %s: %v", q, time.Since(begin).Round(time.Millisecond), err)
		s.want(t, "SELECT COUNT(*) FROM orders", "3")
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if m.Sys > 1<<30 {
		t.Errorf("the service itself has taken %d MiB", m.Sys>>20)
	}
}

func TestLostFile(t *testing.T) {
	s := start(t, config{})
	s.exec(t, orders)
	files, err := filepath.Glob(filepath.Join(s.dir, "default.db/orders/bucket-*/*.parquet"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
	for _, q := range []string{"SELECT SUM(n) FROM orders", "SELECT SUM(twice) FROM orders"} {
		res, err := s.try(t.Context(), q)
		if err == nil {
			_, err = drain(t.Context(), res.Rows)
		}
		if !errors.Is(err, olap.ErrLost) || !strings.Contains(err.Error(), "snapshot 1 of default.orders") {
			t.Errorf("%s: %v", q, err)
		}
	}
	if r, _ := s.olap.Load(); r != 0 {
		t.Errorf("%d slots are still taken", r)
	}
}

func TestPinsHoldWhatRuns(t *testing.T) {
	p := &pinSpy{held: map[string]map[string]int64{}}
	s := start(t, config{})
	s.exec(t, orders)
	o, err := olap.New(olap.Options{Store: s.svc.Catalog.Store(), Pool: s.pool, Cuts: s.cuts, Pins: p})
	if err != nil {
		t.Fatal(err)
	}
	s.svc.Querier = o
	res, err := s.try(t.Context(), "SELECT * FROM orders")
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(p.held[o.Queries()[0].ID]); got != "map[default.db/orders:1]" {
		t.Errorf("held %s", got)
	}
	if _, err := drain(t.Context(), res.Rows); err != nil {
		t.Fatal(err)
	}
	if got := p.held[o.Queries()[0].ID]; got != nil {
		t.Errorf("still held: %v", got)
	}
}

// pinSpy remembers what is held.
type pinSpy struct{ held map[string]map[string]int64 }

func (p *pinSpy) Hold(holder string, need map[string]int64) func() {
	p.held[holder] = need
	return func() { delete(p.held, holder) }
}

func TestDamagedWarehouse(t *testing.T) {
	for _, c := range []struct {
		name, glob string
		harm       func(path string) error
		kind       errkind.Kind
		say        string
	}{
		{"truncated file", "bucket-*/*.parquet", func(p string) error { return os.Truncate(p, 200) }, errkind.Corrupt, ".parquet"},
		{"manifest gone", "manifest/manifest-*", os.Remove, errkind.Unavailable, "manifest-"},
		{"manifest truncated", "manifest/manifest-*", func(p string) error { return os.Truncate(p, 40) }, errkind.Corrupt, "manifest-"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, config{})
			s.exec(t, orders)
			files, err := filepath.Glob(filepath.Join(s.dir, "default.db/orders", c.glob))
			if err != nil || len(files) == 0 {
				t.Fatal(files, err)
			}
			for _, f := range files {
				if !strings.Contains(f, "manifest-list") {
					if err := c.harm(f); err != nil {
						t.Fatal(err)
					}
				}
			}
			for _, q := range []string{"SELECT SUM(n) FROM orders", "SELECT SUM(twice) FROM orders"} {
				res, err := s.try(t.Context(), q)
				if err == nil {
					_, err = drain(t.Context(), res.Rows)
				}
				if !errkind.Is(err, c.kind) || !strings.Contains(err.Error(), c.say) {
					t.Errorf("%s: kind %s: %v", q, errkind.Of(err), err)
				}
			}
			s.want(t, "SELECT 1", "1")
		})
	}
}
