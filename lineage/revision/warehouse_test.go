//go:build duckdb_arrow

package revision_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
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
	"github.com/weir-lake/weir/lineage/revision"
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

// warehouse is a warehouse with jobs, queries, revisions and verification.
type warehouse struct {
	t       *testing.T
	store   objstore.Store
	jobs    *job.Manager
	repairs *revision.Service
	verify  *lineage.Verifier
	svc     *session.Services
	sess    *session.Session
	stop    func() // in an orderly way
	abandon func() // at once, as a crash does
}

// open serves the warehouse in the store.
func open(t *testing.T, store objstore.Store) *warehouse {
	t.Helper()
	w := &warehouse{t: t, store: store}
	cat, err := catalog.Open(t.Context(), w.store, catalog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	reg := connector.Registry{"datagen": datagen.Factory(), "filesystem": filesystem.Factory()}
	svc := &session.Services{Catalog: cat, Connectors: reg, Now: time.Now}
	w.jobs, err = job.Open(t.Context(), job.Options{Store: w.store, Catalog: cat, Planner: svc, Connectors: reg, Interval: 20 * time.Millisecond,
		CheckpointEvery: 100 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(testLog{t}, nil))})
	if err != nil {
		t.Fatal(err)
	}
	svc.Jobs = w.jobs
	dirs := []string{t.TempDir()}
	if local, ok := store.(objstore.LocalPather); ok {
		dirs = append(dirs, local.LocalPath(""))
	}
	pool, err := duck.NewPool(duck.Options{TempDir: t.TempDir(), Dirs: dirs})
	if err != nil {
		t.Fatal(err)
	}
	cuts := consistency.New(w.store, w.jobs.Log(), w.jobs.Frontier(), nil, time.Now)
	queries, err := olap.New(olap.Options{Store: w.store, Pool: pool, Cuts: cuts, Pins: w.jobs, Outside: svc})
	if err != nil {
		t.Fatal(err)
	}
	svc.Querier = queries
	w.repairs = revision.New(revision.Options{Store: w.store, Jobs: w.jobs, Services: svc})
	svc.Procedures = w.repairs.Procedures()
	if err := errors.Join(pool.Start(t.Context()), w.jobs.Start(t.Context()), w.repairs.Start(t.Context())); err != nil {
		t.Fatal(err)
	}
	w.verify = lineage.NewVerifier(w.jobs, queries, time.Now)
	w.svc = svc
	w.sess = session.New(svc, session.Options{User: "test"})
	stopped := false
	end := func(grace time.Duration) {
		if stopped {
			return
		}
		stopped = true
		ctx, cancel := context.WithTimeout(context.Background(), grace)
		defer cancel()
		w.repairs.Stop()
		w.jobs.Stop(ctx)
		pool.Stop()
	}
	w.stop = func() { end(20 * time.Second) }
	w.abandon = func() { end(time.Millisecond) }
	t.Cleanup(w.stop)
	return w
}

func local(t *testing.T) objstore.Store {
	t.Helper()
	s, err := objstore.NewLocal(t.TempDir(), objstore.LocalOptions{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// testLog is the service's log in the test's.
type testLog struct{ t *testing.T }

func (l testLog) Write(p []byte) (int, error) {
	if l.t.Context().Err() == nil {
		l.t.Log(strings.TrimSpace(string(p)))
	}
	return len(p), nil
}

func (w *warehouse) try(ctx context.Context, text string) (*session.Result, error) {
	st, err := sql.Parse(text)
	if err != nil {
		return nil, err
	}
	return w.sess.Execute(ctx, text, st, session.Params{})
}

func (w *warehouse) exec(script string) {
	w.t.Helper()
	frags, err := sql.Split(script)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range frags {
		res, err := w.try(w.t.Context(), f.Text())
		if err != nil {
			w.t.Fatalf("%s: %v", f.Text(), err)
		}
		if res.Rows != nil {
			if err := res.Rows.Close(); err != nil {
				w.t.Fatal(err)
			}
		}
	}
}

// another runs statements in a session of its own, for use beside the test's.
func (w *warehouse) another() func(text string) error {
	s := session.New(w.svc, session.Options{User: "other"})
	return func(text string) error {
		st, err := sql.Parse(text)
		if err == nil {
			_, err = s.Execute(w.t.Context(), text, st, session.Params{})
		}
		return err
	}
}

// rows runs a SELECT and returns its rows as text, sorted.
func (w *warehouse) rows(text string) ([]string, error) {
	w.t.Helper()
	res, err := w.try(w.t.Context(), text)
	if err != nil {
		return nil, err
	}
	defer res.Rows.Close()
	var out []string
	for {
		rec, err := res.Rows.Next(w.t.Context())
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

// becomes waits until a SELECT gives the rows.
func (w *warehouse) becomes(text string, want ...string) {
	w.t.Helper()
	var got []string
	var err error
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if got, err = w.rows(text); err == nil && slices.Equal(got, want) {
			return
		}
	}
	for _, j := range w.jobs.List() {
		lines, _ := w.jobs.Logs(j.ID)
		w.t.Logf("%s %s %s %v", j.Name, j.State, j.Error, lines)
	}
	w.t.Fatalf("%s:\n got %q, %v\nwant %q", text, got, err, want)
}

// revise runs a revision to its end.
func (w *warehouse) revise(r revision.Request) *revision.Entry {
	w.t.Helper()
	e, err := w.repairs.Revise(w.t.Context(), r, "ann")
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), 60*time.Second)
	defer cancel()
	if e, err = w.repairs.Wait(ctx, e.ID, nil); err != nil {
		for _, j := range w.jobs.List() {
			lines, _ := w.jobs.Logs(j.ID)
			w.t.Logf("%s %s %s %v", j.Name, j.State, j.Error, lines)
		}
		w.t.Fatalf("%v: %+v", err, e)
	}
	if e.State != revision.Done {
		w.t.Fatalf("revision ended as %+v", e)
	}
	return e
}

// equal verifies a job's table, or all of them.
func (w *warehouse) equal(jobs ...string) {
	w.t.Helper()
	for _, j := range jobs {
		got, err := w.verify.Verify(w.t.Context(), j, "")
		if err != nil {
			w.t.Fatal(err)
		}
		for _, r := range got.([]lineage.Report) {
			if r.Answer != lineage.Equal {
				w.t.Errorf("verify %s: %+v", j, r)
			}
		}
	}
}

// latest is the newest snapshot of a table of the default database.
func (w *warehouse) latest(table string) *snapshot.Snapshot {
	w.t.Helper()
	s, err := snapshot.NewManager(objstore.Sub(w.store, "default.db/"+table), "").Latest(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *warehouse) snapshot(table string, id snapshot.ID) (*snapshot.Snapshot, error) {
	return snapshot.NewManager(objstore.Sub(w.store, "default.db/"+table), "").Get(w.t.Context(), id)
}

func counts(e *revision.Entry) string {
	return fmt.Sprintf("+%d -%d ~%d skipped %d", e.Added, e.Removed, e.Changed, e.Skipped)
}
