package lineage_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/connector/filesystem"
	"github.com/weir-lake/weir/compute/epoch"
	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/compute/session"
	"github.com/weir-lake/weir/compute/sql"
	"github.com/weir-lake/weir/lineage"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/catalog"
	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/predicate"
	"github.com/weir-lake/weir/table/snapshot"
)

// world is a warehouse in memory with tables and jobs that are only described: the index reads what they would leave.
type world struct {
	t      testing.TB
	store  objstore.Store
	svc    *session.Services
	jobs   []job.Status
	now    time.Time
	serial int64
	binds  struct {
		sync.Mutex
		n int
	}
}

// began is when a world begins; tests tell times as seconds since.
var began = time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, store: objstore.NewMem(), now: began}
	cat, err := catalog.Open(t.Context(), w.store, catalog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	fs := filesystem.Factory()
	w.svc = &session.Services{Catalog: cat, Connectors: connector.Registry{fs.Name: fs}, Now: w.clock}
	return w
}

func (w *world) clock() time.Time { return w.now }

// List implements lineage.Jobs.
func (w *world) List() []job.Status { return w.jobs }

// Look implements lineage.Planner: the session binds, and it is counted.
func (w *world) Look(ctx context.Context, database, text string, options map[string]string) (n planNode, err error) {
	w.binds.Lock()
	w.binds.n++
	w.binds.Unlock()
	return w.svc.Look(ctx, database, text, options)
}

// LookReplay implements lineage.Planner.
func (w *world) LookReplay(ctx context.Context, id catalog.Identifier) (*planSink, error) {
	return w.svc.LookReplay(ctx, id)
}

func (w *world) index() *lineage.Index { return lineage.NewIndex(w.svc.Catalog, w, w, w.clock) }

// ddl runs statements that make tables and views.
func (w *world) ddl(script string) {
	w.t.Helper()
	parts, err := sql.Split(script)
	if err != nil {
		w.t.Fatal(err)
	}
	s := session.New(w.svc, session.Options{})
	for _, p := range parts {
		st, err := p.Parse()
		if err != nil {
			w.t.Fatal(err)
		}
		if _, err := s.Execute(w.t.Context(), script, st, session.Params{}); err != nil {
			w.t.Fatal(err)
		}
	}
}

// job describes a running job.
func (w *world) job(name, sink, text string) job.Status {
	s := job.Status{JobRecord: epoch.JobRecord{ID: "id-" + name, Name: name, Database: "default", SQL: text, CommitUser: "user-" + name,
		Sink: "default." + sink, Desired: epoch.Running}, State: job.Running, StateSince: w.now}
	w.jobs = append(w.jobs, s)
	return s
}

// commit makes a snapshot of a table a second after the one before.
func (w *world) commit(table, user string, kind snapshot.CommitKind, p commit.Provenance, more ...string) *snapshot.Snapshot {
	w.t.Helper()
	w.serial++
	w.now = w.now.Add(time.Second)
	props, err := p.Properties()
	if err != nil {
		w.t.Fatal(err)
	}
	for i := 0; i < len(more); i += 2 {
		props[more[i]] = more[i+1]
	}
	id := catalog.Identifier{Database: "default", Table: table}
	res, err := commit.New(w.svc.Catalog.TableStore(id), commit.Options{Path: id.Path(), Now: w.clock}).Commit(w.t.Context(),
		commit.Request{User: user, Identifier: w.serial, Kind: kind, Properties: props, Force: true})
	if err != nil {
		w.t.Fatal(err)
	}
	return res.Snapshot
}

// by commits as a job, from the inputs.
func (w *world) by(j job.Status, ins ...commit.Input) *snapshot.Snapshot {
	w.t.Helper()
	_, table, _ := strings.Cut(j.Sink, ".")
	return w.commit(table, j.CommitUser, snapshot.Append, commit.Provenance{Job: j.ID, Epoch: w.serial + 1, EpochFrom: w.serial + 1, Inputs: ins})
}

// read is a table of the warehouse as an input.
func read(table string, from, to int64) commit.Input {
	return commit.Input{Table: "default.db/" + table, From: snapshot.ID(from), ID: snapshot.ID(to)}
}

// rows are those of a table of sys, with only the columns named, as text; a condition is "column=value".
func (w *world) rows(x *lineage.Index, table, columns string, conditions ...string) []string {
	w.t.Helper()
	out, err := w.tryRows(x, table, columns, conditions...)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func (w *world) tryRows(x *lineage.Index, table, columns string, conditions ...string) ([]string, error) {
	w.t.Helper()
	st := x.Tables()[table].(session.NarrowTable)
	var where predicate.And
	want := map[string]string{}
	for _, c := range conditions {
		name, value, _ := strings.Cut(c, "=")
		want[name] = value
		var v any = value
		var n int64
		if _, err := fmt.Sscan(value, &n); err == nil {
			v = n
		} else if value == "true" || value == "false" {
			v = value == "true"
		}
		where = append(where, predicate.Compare{Column: name, Op: predicate.Eq, Values: []any{v}})
	}
	rec, err := st.RowsWhere(w.t.Context(), where)
	if err != nil {
		return nil, err
	}
	defer rec.Release()
	var out []string
	for i := range int(rec.NumRows()) {
		cell := func(name string) string {
			at := slices.IndexFunc(st.Columns(), func(c planColumn) bool { return c.Name == name })
			if at < 0 {
				w.t.Fatalf("%s has no column %s", table, name)
			}
			if rec.Column(at).IsNull(i) {
				return "-"
			}
			if ts, ok := rec.Column(at).(*array.Timestamp); ok {
				return fmt.Sprint((int64(ts.Value(i)) - began.UnixMilli()) / 1000)
			}
			return rec.Column(at).ValueStr(i)
		}
		fits := true
		for name, value := range want {
			fits = fits && cell(name) == value
		}
		if !fits {
			continue
		}
		var cells []string
		for _, c := range strings.Fields(columns) {
			cells = append(cells, cell(c))
		}
		out = append(out, strings.Join(cells, " "))
	}
	return out, nil
}

// same compares lists of rows.
func same(t testing.TB, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
