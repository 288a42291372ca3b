//go:build duckdb_arrow

package lineage_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/connector/datagen"
	"github.com/weir-lake/weir/compute/connector/filesystem"
	"github.com/weir-lake/weir/compute/duck"
	"github.com/weir-lake/weir/compute/duck/worker"
	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/compute/session"
	"github.com/weir-lake/weir/compute/sql"
	"github.com/weir-lake/weir/lineage"
	"github.com/weir-lake/weir/lineage/consistency"
	"github.com/weir-lake/weir/olap"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/catalog"
	"github.com/weir-lake/weir/table/expire"
	"github.com/weir-lake/weir/table/snapshot"
)

// TestMain lets the test binary be its own worker.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == duck.WorkerCommand {
		os.Exit(worker.Main())
	}
	os.Exit(m.Run())
}

// warehouse is a warehouse with jobs, queries and verification, on a clock that the test starts where it likes.
type warehouse struct {
	store  objstore.Store
	svc    *session.Services
	jobs   *job.Manager
	verify *lineage.Verifier
	sess   *session.Session
	stop   func()
}

// open serves the warehouse at dir with a clock that shows at now.
func open(t *testing.T, dir string, at time.Time) *warehouse {
	t.Helper()
	w := &warehouse{}
	var err error
	if w.store, err = objstore.NewLocal(dir, objstore.LocalOptions{NoSync: true}); err != nil {
		t.Fatal(err)
	}
	ahead := time.Until(at)
	now := func() time.Time { return time.Now().Add(ahead) }
	cat, err := catalog.Open(t.Context(), w.store, catalog.Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	reg := connector.Registry{"datagen": datagen.Factory(), "filesystem": filesystem.Factory()}
	w.svc = &session.Services{Catalog: cat, Connectors: reg, Now: now, Procedures: map[string]session.Procedure{}}
	w.jobs, err = job.Open(t.Context(), job.Options{Store: w.store, Catalog: cat, Planner: w.svc, Connectors: reg, Interval: 20 * time.Millisecond,
		CheckpointEvery: 100 * time.Millisecond, CutPatience: time.Second, Now: now, Logger: slog.New(slog.NewTextHandler(testLog{t}, nil))})
	if err != nil {
		t.Fatal(err)
	}
	w.svc.Jobs = w.jobs
	maps.Copy(w.svc.Procedures, consistency.Procedures(w.jobs))
	pool, err := duck.NewPool(duck.Options{TempDir: t.TempDir(), Dirs: []string{dir}})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(pool.Start(t.Context()), w.jobs.Start(t.Context())); err != nil {
		t.Fatal(err)
	}
	cuts := consistency.New(w.store, w.jobs.Log(), w.jobs.Frontier(), nil, now)
	queries, err := olap.New(olap.Options{Store: w.store, Pool: pool, Cuts: cuts, Pins: w.jobs, Outside: w.svc})
	if err != nil {
		t.Fatal(err)
	}
	w.svc.Querier = queries
	w.verify = lineage.NewVerifier(w.jobs, queries, time.Now)
	w.sess = session.New(w.svc, session.Options{User: "test"})
	stopped := false
	w.stop = func() {
		if stopped {
			return
		}
		stopped = true
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		w.jobs.Stop(ctx)
		pool.Stop()
	}
	t.Cleanup(w.stop)
	return w
}

// testLog is the service's log in the test's.
type testLog struct{ t *testing.T }

func (l testLog) Write(p []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

func (w *warehouse) try(ctx context.Context, text string) (*session.Result, error) {
	st, err := sql.Parse(text)
	if err != nil {
		return nil, err
	}
	return w.sess.Execute(ctx, text, st, session.Params{})
}

func (w *warehouse) exec(t *testing.T, script string) {
	t.Helper()
	frags, err := sql.Split(script)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range frags {
		res, err := w.try(t.Context(), f.Text())
		if err != nil {
			t.Fatalf("%s: %v", f.Text(), err)
		}
		if res.Rows != nil {
			if err := res.Rows.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// rows runs a SELECT and returns its rows as text, sorted.
func (w *warehouse) rows(t *testing.T, text string) ([]string, error) {
	t.Helper()
	res, err := w.try(t.Context(), text)
	if err != nil {
		return nil, err
	}
	defer res.Rows.Close()
	var out []string
	for {
		rec, err := res.Rows.Next(t.Context())
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

// becomes waits until the query gives the rows.
func (w *warehouse) becomes(t *testing.T, text string, want ...string) {
	t.Helper()
	var got []string
	var err error
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if got, err = w.rows(t, text); err == nil && slices.Equal(got, want) {
			return
		}
	}
	for _, j := range w.jobs.List() {
		lines, _ := w.jobs.Logs(j.ID)
		t.Logf("%s %s %s %v", j.Name, j.State, j.Error, lines)
	}
	t.Fatalf("%s:\n got %q, %v\nwant %q", text, got, err, want)
}

// verified is the report on a job.
func (w *warehouse) verified(t *testing.T, name, tag string) lineage.Report {
	t.Helper()
	got, err := w.verify.Verify(t.Context(), name, tag)
	if err != nil {
		t.Fatal(err)
	}
	return got.([]lineage.Report)[0]
}

// forget expires all snapshots of the table but the newest, whatever its options and consumers say.
func (w *warehouse) forget(t *testing.T, name string) {
	t.Helper()
	store := objstore.Sub(w.store, "default.db/"+name)
	snaps := snapshot.NewManager(store, "")
	if err := snaps.DeleteConsumer(t.Context(), "weir"); err != nil {
		t.Fatal(err)
	}
	if _, err := expire.New(store).Run(t.Context(), expire.Options{Policy: &snapshot.Policy{RetainedMin: 1, RetainedMax: 1}}); err != nil {
		t.Fatal(err)
	}
}
