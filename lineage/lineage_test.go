package lineage_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/lineage"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/catalog"
	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/snapshot"
)

type (
	planNode   = plan.Node
	planSink   = plan.Sink
	planColumn = plan.Column
)

// chain is src -> mid -> out, with a batch statement from a file into src and a second input of out.
func chain(t *testing.T) (w *world, mid, out job.Status) {
	w = newWorld(t)
	w.ddl(`CREATE TABLE file (k INT, v BIGINT) WITH ('connector' = 'filesystem', 'path' = 'f.csv', 'format' = 'csv');
		CREATE TABLE src (k INT, v BIGINT);
		CREATE TABLE dim (k INT, name STRING);
		CREATE VIEW big AS SELECT k, v FROM src WHERE v > 10;
		CREATE TABLE mid (k INT, total BIGINT, PRIMARY KEY (k) NOT ENFORCED);
		CREATE TABLE outt (name STRING, total BIGINT, twice BIGINT)`)
	mid = w.job("sums", "mid", "INSERT INTO mid SELECT k, SUM(v) FROM big GROUP BY k")
	out = w.job("joined", "outt", "INSERT INTO outt SELECT d.name, m.total, m.total * 2 FROM mid AS m JOIN dim AS d ON d.k = m.k")
	w.commit("src", "b1", snapshot.Append, commit.Provenance{Epoch: 1, EpochFrom: 1, Statement: "INSERT INTO src SELECT k, v FROM file", Database: "default", User: "ann",
		Inputs: []commit.Input{{Source: "default.file", Kind: "filesystem", End: map[string]string{"file:f.csv": "9:90:90:e"}}}})
	w.commit("dim", "b2", snapshot.Append, commit.Provenance{Epoch: 2, EpochFrom: 2, User: "ann"})
	w.by(mid, read("src", 0, 1))
	w.by(out, read("mid", 0, 1), read("dim", 0, 1))
	w.commit("src", "p", snapshot.Append, commit.Provenance{Epoch: 5, EpochFrom: 5, Pushed: true})
	w.commit("src", "c", snapshot.Compact, commit.Provenance{})
	w.by(mid, read("src", 1, 3))
	w.by(out, read("mid", 1, 2), read("dim", 1, 1))
	return w, mid, out
}

func TestEdgesBetweenTables(t *testing.T) {
	w, _, _ := chain(t)
	same(t, "table_lineage", w.rows(w.index(), "table_lineage", "source target job kind state snapshot source_version delay_last_ms delay_p50_ms"),
		"default.src default.mid sums job running 2 3 2000 2000",
		"default.dim default.outt joined job running 2 1 2000 2000",
		"default.mid default.outt joined job running 2 2 1000 1000",
		"default.file default.src ann batch - 1 file:f.csv=9:90:90:e - -")
}

func TestTablesThroughAll(t *testing.T) {
	w, _, _ := chain(t)
	w.ddl("CREATE TABLE counted (n BIGINT)")
	w.job("counts", "counted", "INSERT INTO counted SELECT COUNT(*) FROM src") // which names no column
	x := w.index()
	sorted := func(rows []string) []string { slices.Sort(rows); return rows }
	same(t, "up", sorted(w.rows(x, "table_origins", "depth source", "target=default.outt")), "1 default.dim", "1 default.mid", "2 default.src", "3 default.file")
	same(t, "down", sorted(w.rows(x, "table_origins", "depth target", "source=default.src")), "1 default.counted", "1 default.mid", "2 default.outt")
	same(t, "one step", w.rows(x, "table_origins", "target", "source=default.mid", "depth=1"), "default.outt")
	if all := w.rows(x, "table_origins", "source"); len(all) != 9 {
		t.Errorf("all: %v", all)
	}
}

func TestColumnsDirectAndThroughAll(t *testing.T) {
	w, _, _ := chain(t)
	x := w.index()
	same(t, "column_lineage", w.rows(x, "column_lineage", "source_table source_column target_column kind direct job", "target_table=default.mid"),
		"default.src k k group false sums", "default.src k k identity true sums", "default.src v k filter false sums",
		"default.src k total group false sums", "default.src v total aggregation true sums", "default.src v total filter false sums")
	same(t, "column_origins up", w.rows(x, "column_origins", "depth source_table source_column kind direct", "target_table=default.outt", "target_column=twice"),
		"1 default.dim k join false", "1 default.mid k join false", "1 default.mid total transformation true",
		"2 default.src k group false", "2 default.src k join false", "2 default.src v aggregation true", "2 default.src v filter false",
		"3 default.file k group false", "3 default.file k join false", "3 default.file v aggregation true", "3 default.file v filter false")
	same(t, "column_origins down", w.rows(x, "column_origins", "depth target_table target_column kind", "source_table=default.src", "source_column=v", "direct=true"),
		"1 default.mid total aggregation", "2 default.outt total aggregation", "2 default.outt twice aggregation")
	same(t, "one step", w.rows(x, "column_origins", "source_table", "target_table=default.outt", "target_column=twice", "depth=1"),
		"default.dim", "default.mid", "default.mid")
	if all := w.rows(x, "column_origins", "source_table"); len(all) < 20 {
		t.Errorf("without conditions there are %d rows", len(all))
	}
}

func TestSnapshotsAndTheirInputs(t *testing.T) {
	w, _, _ := chain(t)
	x := w.index()
	same(t, "of src", w.rows(x, "snapshot_lineage", "snapshot kind writer job commit_user input input_kind input_snapshot split position_from position", "table_name=default.src"),
		"3 COMPACT upkeep - c - - - - - -",
		"2 APPEND push - p - - - - - -",
		"1 APPEND batch - b1 default.file filesystem - file:f.csv - 9:90:90:e")
	same(t, "of outt", w.rows(x, "snapshot_lineage", "snapshot writer job input input_from input_snapshot committed input_committed delay_ms", "table_name=default.outt", "snapshot=2"),
		"2 job joined default.mid 1 2 8 7 1000", "2 job joined default.dim 1 1 8 2 -")
	same(t, "origins", w.rows(x, "snapshot_origins", "depth table_name snapshot writer input input_from input_snapshot position", "root_table=default.outt", "newest=true"),
		"1 default.outt 2 job default.mid 1 2 -",
		"1 default.outt 2 job default.dim 1 1 -",
		"2 default.mid 2 job default.src 1 3 -",
		"2 default.dim 1 batch - - - -",
		"3 default.src 2 push - - - -")
	same(t, "origins of the first", w.rows(x, "snapshot_origins", "depth table_name snapshot input position", "root_table=default.outt", "root_snapshot=1"),
		"1 default.outt 1 default.mid -", "1 default.outt 1 default.dim -",
		"2 default.mid 1 default.src -", "2 default.dim 1 - -",
		"3 default.src 1 default.file 9:90:90:e")
	same(t, "one step", w.rows(x, "snapshot_origins", "input", "root_table=default.outt", "root_snapshot=1", "depth=1"), "default.mid", "default.dim")
}

// Snapshots of earlier versions do not say where they began: the one before does.
func TestTheBeginningIsFoundInTheSnapshotBefore(t *testing.T) {
	w := newWorld(t)
	w.ddl("CREATE TABLE a (k INT); CREATE TABLE b (k INT)")
	j := w.job("j", "b", "INSERT INTO b SELECT k FROM a")
	for range 4 {
		w.commit("a", "x", snapshot.Append, commit.Provenance{Epoch: 1, Pushed: true})
	}
	first := w.by(j, read("a", 0, 2))
	prev := first.Identity("default.db/b")
	w.commit("b", j.CommitUser, snapshot.Append, commit.Provenance{Job: j.ID, Epoch: 9, Prev: &prev, Inputs: []commit.Input{read("a", 0, 4)}})
	same(t, "b", w.rows(w.index(), "snapshot_lineage", "snapshot input_from input_snapshot", "table_name=default.b"), "2 2 4", "1 0 2")
	same(t, "origins", w.rows(w.index(), "snapshot_origins", "depth table_name snapshot", "root_table=default.b", "root_snapshot=2"),
		"1 default.b 2", "2 default.a 4", "2 default.a 3")
}

// One entry of a job over a span covers all its snapshots there.
func TestASpanOfAJobIsOneEntry(t *testing.T) {
	w := newWorld(t)
	w.ddl("CREATE TABLE s (k INT) WITH ('connector' = 'filesystem', 'path' = 'x', 'format' = 'csv'); CREATE TABLE a (k INT); CREATE TABLE b (k INT)")
	a, b := w.job("a", "a", "INSERT INTO a SELECT k FROM s"), w.job("b", "b", "INSERT INTO b SELECT k FROM a")
	at := func(from, to string) commit.Input {
		in := commit.Input{Source: "default.s", Kind: "filesystem", End: map[string]string{"f": to}}
		if from != "" {
			in.Start = map[string]string{"f": from}
		}
		return in
	}
	w.by(a, at("", "1"))
	w.by(a, at("1", "2"))
	w.by(a, at("2", "5"))
	w.by(b, read("a", 0, 1))
	w.by(b, read("a", 1, 3))
	same(t, "origins", w.rows(w.index(), "snapshot_origins", "depth table_name snapshot split position_from position", "root_table=default.b", "newest=true"),
		"1 default.b 2 - - -", "2 default.a 3 f 1 5")
}

func TestForeignWritersAreNamed(t *testing.T) {
	w := newWorld(t)
	w.ddl("CREATE TABLE a (k INT); CREATE TABLE b (k INT)")
	j := w.job("j", "b", "INSERT INTO b SELECT k FROM a")
	w.commit("a", "java-1", snapshot.Append, commit.Provenance{})
	w.commit("a", "x", snapshot.Append, commit.Provenance{}, "flink.job-id", "17")
	w.commit("a", "y", snapshot.Overwrite, commit.Provenance{}, "spark.app", "z")
	w.by(j, read("a", 0, 3))
	// Another tool rolls back by writing the job's snapshot again, properties and all.
	w.commit("b", "tool", snapshot.Append, commit.Provenance{Job: j.ID, Epoch: 4, Inputs: []commit.Input{read("a", 0, 9)}})
	x := w.index()
	same(t, "a", w.rows(x, "snapshot_lineage", "snapshot kind writer commit_user", "table_name=default.a"),
		"3 OVERWRITE spark y", "2 APPEND flink x", "1 APPEND foreign:java-1 java-1")
	same(t, "b", w.rows(x, "snapshot_lineage", "snapshot writer input", "table_name=default.b"), "2 foreign:tool -", "1 job default.a")
	g, err := x.Lineage(t.Context(), lineage.Ask{Name: "a"})
	if err != nil {
		t.Fatal(err)
	}
	want := []lineage.Writer{{Kind: lineage.WriterForeign, Name: "spark", ID: "y"}, {Kind: lineage.WriterForeign, Name: "flink", ID: "x"}, {Kind: lineage.WriterForeign, ID: "java-1"}}
	if !slices.Equal(g.Nodes[0].Writers, want) || g.Nodes[0].ID != "default.a" {
		t.Errorf("%+v", g.Nodes[0])
	}
	same(t, "freshness", w.rows(x, "freshness", "table_name writer job snapshot age_ms"), "default.b job j 1 1000", "default.a spark - 3 2000")
}

// The graph is that of the statements; expired snapshots only shorten what is said of versions.
func TestExpiredSnapshotsDoNotBreakIt(t *testing.T) {
	w, _, _ := chain(t)
	x := w.index()
	columns, tables := w.rows(x, "column_lineage", "source_table source_column target_table target_column kind", "job=joined"), w.rows(x, "table_lineage", "source target", "kind=job")
	for _, id := range []snapshot.ID{1, 2} {
		if err := snapshot.NewManager(w.svc.Catalog.TableStore(catalog.Identifier{Database: "default", Table: "src"}), "").Delete(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	for _, table := range []string{"mid", "outt"} {
		if err := snapshot.NewManager(w.svc.Catalog.TableStore(catalog.Identifier{Database: "default", Table: table}), "").Delete(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
	}
	for what, x := range map[string]*lineage.Index{"the same index": x, "a new index": w.index()} {
		same(t, what, w.rows(x, "column_lineage", "source_table source_column target_table target_column kind", "job=joined"), columns...)
		same(t, what, w.rows(x, "table_lineage", "source target", "kind=job"), tables...)
		same(t, what, w.rows(x, "snapshot_origins", "depth table_name snapshot input", "root_table=default.outt"),
			"1 default.outt 2 default.mid", "1 default.outt 2 default.dim", "2 default.mid 2 default.src", "2 default.dim 1 -")
	}
}

// A table that was rolled back and written again has other snapshots under the same numbers.
func TestARollbackIsSeen(t *testing.T) {
	w := newWorld(t)
	w.ddl("CREATE TABLE a (k INT)")
	x := w.index()
	for _, user := range []string{"u1", "u2", "u3"} {
		w.commit("a", user, snapshot.Append, commit.Provenance{})
	}
	same(t, "before", w.rows(x, "snapshot_lineage", "snapshot commit_user"), "3 u3", "2 u2", "1 u1")
	m := snapshot.NewManager(w.svc.Catalog.TableStore(catalog.Identifier{Database: "default", Table: "a"}), "")
	for _, id := range []snapshot.ID{2, 3} {
		if err := m.Delete(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.PutLatestHint(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	for _, user := range []string{"v2", "v3", "v4"} {
		w.commit("a", user, snapshot.Append, commit.Provenance{})
	}
	same(t, "after", w.rows(x, "snapshot_lineage", "snapshot commit_user"), "4 v4", "3 v3", "2 v2", "1 u1")
	w.ddl("DROP TABLE a")
	same(t, "dropped", w.rows(x, "snapshot_lineage", "snapshot commit_user"))
}

// A job that was dropped, and one whose statement does not bind any more, are known by what their snapshots say.
func TestStatementsThatAreGone(t *testing.T) {
	w := newWorld(t)
	w.ddl("CREATE TABLE a (k INT); CREATE TABLE b (k INT); CREATE TABLE c (k INT)")
	gone := w.job("gone", "b", "INSERT INTO b SELECT k FROM a")
	w.by(gone, read("a", 0, 1))
	w.jobs = nil
	broken := w.job("broken", "c", "INSERT INTO c SELECT k FROM no_such_table")
	w.by(broken, read("b", 0, 1))
	x := w.index()
	same(t, "edges", w.rows(x, "table_lineage", "source target job kind"), "default.a default.b id-gone job", "default.b default.c broken job")
	w.ddl("CREATE TABLE no_such_table (k INT)")
	w.now = w.now.Add(time.Minute)
	same(t, "edges", w.rows(x, "table_lineage", "source target job kind"), "default.a default.b id-gone job", "default.no_such_table default.c broken job")
}

func TestAReplaySourceComesFromItsQuery(t *testing.T) {
	w := newWorld(t)
	w.ddl(`CREATE TABLE f (k INT, at TIMESTAMP(3)) WITH ('connector' = 'filesystem', 'path' = 'f.csv', 'format' = 'csv');
		CREATE VIEW v AS SELECT k + 1 AS n, at FROM f;
		CREATE TABLE r (n INT, at TIMESTAMP(3)) WITH ('connector' = 'filesystem', 'replay.query' = 'SELECT * FROM v', 'replay.time' = 'at')`)
	x := w.index()
	same(t, "edges", w.rows(x, "table_lineage", "source target job kind"), "default.f default.r replay replay")
	same(t, "columns", w.rows(x, "column_lineage", "source_table source_column target_column kind"), "default.f at at identity", "default.f k n transformation")
}

func TestStatementsAreBoundOnce(t *testing.T) {
	w, _, _ := chain(t)
	x := w.index()
	for range 5 {
		w.rows(x, "column_lineage", "job")
	}
	if w.binds.n != 3 {
		t.Errorf("%d statements were bound, want 3: two jobs and a batch", w.binds.n)
	}
	w.jobs[0].StateSince = w.now.Add(time.Hour) // it was started again
	w.rows(x, "column_lineage", "job")
	if w.binds.n != 4 {
		t.Errorf("%d statements were bound after a restart of one, want 4", w.binds.n)
	}
}

func TestGraphAnswers(t *testing.T) {
	w, _, _ := chain(t)
	x := w.index()
	for _, c := range []struct {
		ask     lineage.Ask
		tables  string
		edges   int
		columns int
	}{
		{lineage.Ask{}, "default.dim default.file default.mid default.outt default.src", 4, 0},
		{lineage.Ask{Name: "mid"}, "default.file default.mid default.outt default.src", 3, 0},
		{lineage.Ask{Name: "default.mid", Direction: lineage.Up}, "default.file default.mid default.src", 2, 0},
		{lineage.Ask{Name: "mid", Direction: lineage.Up, Depth: 1}, "default.mid default.src", 1, 0},
		{lineage.Ask{Name: "mid", Direction: lineage.Down}, "default.mid default.outt", 1, 0},
		{lineage.Ask{Name: "src.v", Direction: lineage.Down}, "default.mid default.outt default.src", 2, 8},
		{lineage.Ask{Name: "default.outt.name", Direction: lineage.Up, Depth: 1}, "default.dim default.mid default.outt", 2, 3},
		{lineage.Ask{Name: "outt", Column: "total", Direction: lineage.Up, Depth: 1}, "default.dim default.mid default.outt", 2, 3},
		{lineage.Ask{Name: "outt", Snapshot: 2, Direction: lineage.Up}, "default.dim default.mid default.outt default.src", 3, 0},
		{lineage.Ask{Name: "outt.name", Snapshot: 2, Direction: lineage.Up, Depth: 1}, "default.dim default.mid default.outt", 2, 3},
		{lineage.Ask{Name: "src", Snapshot: 1}, "default.file default.mid default.outt default.src", 3, 0},
	} {
		g, err := x.Lineage(t.Context(), c.ask)
		if err != nil {
			t.Errorf("%+v: %v", c.ask, err)
			continue
		}
		if got := strings.Join(g.Tables, " "); got != c.tables || len(g.Edges) != c.edges || len(g.Columns) != c.columns || len(g.Nodes) != len(g.Tables) {
			t.Errorf("%+v: tables %s, edges %+v, columns %+v; want %s, %d, %d", c.ask, got, g.Edges, g.Columns, c.tables, c.edges, c.columns)
		}
	}
	g, err := x.Lineage(t.Context(), lineage.Ask{Name: "src", Snapshot: 2, Direction: lineage.Down})
	if err != nil {
		t.Fatal(err)
	}
	var made []string
	for _, e := range g.Edges {
		made = append(made, e.To+" "+e.Version)
	}
	// Snapshot 2 of src went into the second of mid, and with it into the second of outt.
	same(t, "down of a snapshot", made, "default.mid 3", "default.outt 2")
}

func TestWrongQuestions(t *testing.T) {
	w, _, _ := chain(t)
	x := w.index()
	for _, c := range []struct {
		ask  lineage.Ask
		kind errkind.Kind
		want string
	}{
		{lineage.Ask{Name: "nope"}, errkind.NotFound, "no table default.nope"},
		{lineage.Ask{Name: "a.b.c.d"}, errkind.Invalid, "db.table.column"},
		{lineage.Ask{Name: "mid.nope"}, errkind.NotFound, "no column nope"},
		{lineage.Ask{Name: "mid", Direction: "left"}, errkind.Invalid, "want up, down or both"},
		{lineage.Ask{Name: "mid", Snapshot: 99}, errkind.NotFound, "it has snapshots 1 to 2"},
		{lineage.Ask{Name: "mid.k", Snapshot: 99}, errkind.NotFound, "it has snapshots 1 to 2"},
		{lineage.Ask{Snapshot: 1}, errkind.Invalid, "name the table"},
		{lineage.Ask{Name: "mid", Depth: -1}, errkind.Invalid, "negative"},
	} {
		_, err := x.Lineage(t.Context(), c.ask)
		if errkind.Of(err) != c.kind || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.ask, err)
		}
	}
	// A column that nothing is made from or makes is an answer.
	w.ddl("CREATE TABLE lone (k INT)")
	if g, err := x.Lineage(t.Context(), lineage.Ask{Name: "lone.k"}); err != nil || len(g.Edges) != 0 || len(g.Nodes) != 1 {
		t.Errorf("%+v, %v", g, err)
	}
}

// Many ask at once while snapshots come; each sees at least what was there when it asked.
func TestManyAskAtOnce(t *testing.T) {
	w, _, _ := chain(t)
	x := w.index()
	defer x.Stop()
	var wg sync.WaitGroup
	for range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 20 {
				rec, err := x.Tables()["snapshot_lineage"].Rows(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				if rec.NumRows() != 10 {
					t.Errorf("%d rows, want 10", rec.NumRows())
				}
				rec.Release()
				if _, err := x.Lineage(t.Context(), lineage.Ask{Name: "mid", Direction: lineage.Up}); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	wg.Wait()
}

// slow is a store that answers late.
type slow struct {
	objstore.Store
	wait atomic.Int64
}

func (s *slow) ListDirs(ctx context.Context, dir string) ([]string, error) {
	time.Sleep(time.Duration(s.wait.Load()))
	return s.Store.ListDirs(ctx, dir)
}

// Where a look takes long, requests for the graph do not wait for it, but those for tables of sys do.
func TestFarStoresAreLookedAtBesideTheRequests(t *testing.T) {
	w, mid, _ := chain(t)
	far := &slow{Store: w.store}
	far.wait.Store(int64(60 * time.Millisecond))
	cat, err := catalog.Open(t.Context(), far, catalog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	x := lineage.NewIndex(cat, w, w, nil)
	defer x.Stop()
	version := func() string {
		t.Helper()
		g, err := x.Lineage(t.Context(), lineage.Ask{Name: "mid", Direction: lineage.Up, Depth: 1})
		if err != nil {
			t.Fatal(err)
		}
		return g.Edges[0].Version
	}
	if v := version(); v != "3" {
		t.Fatalf("version %s", v)
	}
	w.commit("src", "p", snapshot.Append, commit.Provenance{Epoch: 5, EpochFrom: 5, Pushed: true})
	w.by(mid, read("src", 3, 4))
	if v := version(); v != "3" {
		t.Errorf("version %s: the request waited for the look", v)
	}
	for deadline := time.Now().Add(20 * time.Second); version() != "4"; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the look beside the requests never ended")
		}
	}
	w.by(mid, read("src", 4, 4))
	rec, err := x.Tables()["snapshot_lineage"].Rows(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer rec.Release()
	if rec.NumRows() != 13 {
		t.Errorf("%d rows, want 13", rec.NumRows())
	}
	x.Stop()
	x.Stop()
	if v := version(); v != "4" {
		t.Errorf("version %s after the end", v)
	}
}

// Snapshots that only tags retain are known too; of the gaps between them nothing is said.
func TestTaggedSnapshotsAreKnown(t *testing.T) {
	w := newWorld(t)
	w.ddl("CREATE TABLE a (k INT); CREATE TABLE b (k INT)")
	j := w.job("j", "b", "INSERT INTO b SELECT k FROM a")
	snaps := func(table string) *snapshot.Manager {
		return snapshot.NewManager(w.svc.Catalog.TableStore(catalog.Identifier{Database: "default", Table: table}), "")
	}
	var made []*snapshot.Snapshot
	for i := range int64(6) {
		made = append(made, w.commit("a", "p", snapshot.Append, commit.Provenance{Epoch: i + 1, EpochFrom: i + 1, Pushed: true}))
		s := w.by(j, read("a", i, i+1))
		if i == 1 { // a cut
			for table, s := range map[string]*snapshot.Snapshot{"a": made[1], "b": s} {
				if err := snaps(table).CreateTag(t.Context(), snapshot.Tag{Name: "cut", Snapshot: s}); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	x := w.index()
	if all := w.rows(x, "snapshot_lineage", "snapshot", "table_name=default.b"); len(all) != 6 {
		t.Fatalf("before: %v", all)
	}
	for id := snapshot.ID(1); id <= 4; id++ {
		for _, table := range []string{"a", "b"} {
			if err := snaps(table).Delete(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
	}
	for what, x := range map[string]*lineage.Index{"the same index": x, "a new index": w.index()} {
		for range 2 {
			same(t, what, w.rows(x, "snapshot_lineage", "snapshot input_from input_snapshot delay_ms", "table_name=default.b"), "6 5 6 1000", "5 4 5 1000", "2 1 2 1000")
		}
		same(t, what, w.rows(x, "snapshot_origins", "depth table_name snapshot", "root_table=default.b", "root_snapshot=2"), "1 default.b 2", "2 default.a 2")
	}
	// Snapshot 7 takes one that is in a gap: nothing is said of what that was made from.
	w.by(j, read("a", 2, 3))
	same(t, "gap", w.rows(x, "snapshot_origins", "depth table_name snapshot delay_ms", "root_table=default.b", "root_snapshot=7"), "1 default.b 7 -")
	if err := snaps("b").DeleteTag(t.Context(), "cut"); err != nil {
		t.Fatal(err)
	}
	same(t, "without the tag", w.rows(x, "snapshot_lineage", "snapshot", "table_name=default.b"), "7", "6", "5")
}

// What an observer is told: jobs with the versions of their newest snapshot, and each batch statement's snapshot.
func TestRuns(t *testing.T) {
	w, _, _ := chain(t)
	runs, err := w.index().Runs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range runs {
		line := r.Writer.String() + " " + r.Output.Table + "@" + r.Output.Version + " <-"
		for _, in := range r.Inputs {
			line += " " + in.Table + "@" + in.Version
		}
		if len(r.Output.Columns) == 0 || r.SQL == "" || r.Committed == 0 || len(r.Columns) == 0 || (r.Job == nil) != (r.Writer.Kind == lineage.WriterBatch) {
			t.Errorf("%+v", r)
		}
		got = append(got, line)
	}
	same(t, "runs", got, "sums default.mid@2 <- default.src@3", "joined default.outt@2 <- default.dim@1 default.mid@2",
		"ann default.src@1 <- default.file@file:f.csv=9:90:90:e")
	if in := runs[2].Inputs[0]; in.Path != "" || in.Options["path"] != "f.csv" {
		t.Errorf("%+v", in)
	}
	if out := runs[0].Output; out.Path != "default.db/mid" || out.Options != nil {
		t.Errorf("%+v", out)
	}
}
