//go:build duckdb_arrow

package revision_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weir-lake/weir/lineage/revision"
)

const weatherTable = `
CREATE TABLE weather (origin STRING, time_hour TIMESTAMP(3), temp DOUBLE, note STRING, PRIMARY KEY (origin, time_hour) NOT ENFORCED) WITH ('bucket' = '1');
INSERT INTO weather VALUES
 ('EWR', TIMESTAMP '2013-07-01 00:00:00', 20, 'a'), ('EWR', TIMESTAMP '2013-07-01 01:00:00', 21, NULL),
 ('EWR', TIMESTAMP '2013-07-02 00:00:00', 22, 'c'), ('JFK', TIMESTAMP '2013-07-01 00:00:00', 30, 'd'),
 ('JFK', TIMESTAMP '2013-07-03 00:00:00', 31, 'e');
CREATE MATERIALIZED TABLE warm (origin STRING, hours BIGINT, hottest DOUBLE, PRIMARY KEY (origin) NOT ENFORCED)
FRESHNESS = INTERVAL '1' SECOND AS SELECT origin, COUNT(*) AS hours, MAX(temp) AS hottest FROM weather GROUP BY origin;
CREATE MATERIALIZED TABLE cold (origin STRING, hours BIGINT, PRIMARY KEY (origin) NOT ENFORCED)
FRESHNESS = INTERVAL '1' SECOND AS SELECT origin, COUNT(*) AS hours FROM weather WHERE temp < 0 GROUP BY origin;
`

func TestKeyedTableIsRevisedAndFollowed(t *testing.T) {
	w := open(t, local(t))
	w.exec(weatherTable)
	w.becomes("SELECT * FROM warm", "EWR 3 22", "JFK 2 31")
	r := revision.Request{Table: "weather", From: "2013-07-01", To: "2013-07-02", Column: "time_hour", Why: "sensor read low",
		SQL: "SELECT origin, time_hour, temp + 10 AS temp, note FROM weather WHERE origin = 'EWR'"}
	before := w.latest("weather").ID
	p, err := w.repairs.DryRun(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if p.Added != 0 || p.Removed != 1 || p.Changed != 2 || len(p.Samples) != 3 || p.RowsBefore != 3 || p.RowsAfter != 2 {
		t.Errorf("dry run: %+v", p)
	}
	if got := strings.Join(p.Downstream, " "); got != "default.cold default.warm" {
		t.Errorf("dry run names %s downstream", got)
	}
	if now := w.latest("weather").ID; now != before {
		t.Errorf("the dry run made snapshot %d", now)
	}
	e := w.revise(r)
	if counts(e) != "+0 -1 ~2 skipped 0" || e.Who != "ann" || e.Why != r.Why || e.BaseSnapshot != int64(before) {
		t.Errorf("%+v", e)
	}
	w.becomes("SELECT origin, temp FROM weather", "EWR 22", "EWR 30", "EWR 31", "JFK 31")
	w.becomes("SELECT * FROM warm", "EWR 3 31", "JFK 1 31")
	for _, f := range e.Followers() {
		if (f.Snapshot == 0) != (f.Table == "default.cold") || f.Note != "" {
			t.Errorf("followed: %+v", f)
		}
	}
	w.becomes("SELECT table_name, rows_removed, rows_changed, state, who FROM sys.revisions", "default.weather 1 2 done ann")
	w.equal("default.warm")

	undo := w.revise(revision.Request{Undo: e.ID, Why: "it was right"})
	if counts(undo) != "+1 -0 ~2 skipped 0" || undo.UndoOf != e.ID {
		t.Errorf("undo: %+v", undo)
	}
	w.becomes("SELECT origin, temp FROM weather", "EWR 20", "EWR 21", "EWR 22", "JFK 30", "JFK 31")
	w.becomes("SELECT * FROM warm", "EWR 3 22", "JFK 2 31")
	if _, err := w.repairs.Revise(t.Context(), revision.Request{Undo: e.ID}, "ann"); err == nil || !strings.Contains(err.Error(), "is undone by") {
		t.Errorf("undone twice: %v", err)
	}
	w.equal("default.warm")
}

func TestWhatCannotBeRevisedIsRefused(t *testing.T) {
	w := open(t, local(t))
	w.exec(weatherTable)
	ok := revision.Request{Table: "weather", From: "2013-07-01", To: "2013-07-02", Column: "time_hour", SQL: "SELECT * FROM weather"}
	for name, c := range map[string]struct {
		change func(*revision.Request)
		want   string
	}{
		"computed":    {func(r *revision.Request) { r.Table, r.SQL = "warm", "SELECT * FROM warm" }, "computes its rows: revise default.weather instead"},
		"no table":    {func(r *revision.Request) { r.Table = "wether" }, "there is no table default.wether"},
		"no column":   {func(r *revision.Request) { r.Column = "" }, "no watermark column"},
		"odd column":  {func(r *revision.Request) { r.Column = "temp" }, "a range goes by a TIMESTAMP"},
		"empty range": {func(r *revision.Request) { r.To = r.From }, "to must be later than from"},
		"no time":     {func(r *revision.Request) { r.From = "July" }, `from = "July" is no time`},
		"no query":    {func(r *revision.Request) { r.SQL = " " }, "there is no query"},
		"columns":     {func(r *revision.Request) { r.SQL = "SELECT origin, time_hour, temp, temp AS t2 FROM weather" }, "it lacks note; the table has no t2"},
		"other table": {func(r *revision.Request) {
			r.SQL = "SELECT 'x' AS origin, TIMESTAMP '2013-07-01 00:00:00' AS time_hour, 1 AS temp, 'x' AS note"
		}, "the query does not read weather"},
		"outside": {func(r *revision.Request) {
			r.SQL = "SELECT origin, time_hour + INTERVAL '1' DAY AS time_hour, temp, note FROM weather"
		}, "a row outside of the range"},
		"two of a key": {func(r *revision.Request) { r.SQL = "SELECT * FROM weather UNION ALL SELECT * FROM weather" }, "two rows of one primary key"},
		"syntax":       {func(r *revision.Request) { r.SQL = "SELEC 1" }, "SELEC"},
		"sys":          {func(r *revision.Request) { r.Table = "sys.revisions" }, "kept by weir itself"},
		"undo what":    {func(r *revision.Request) { *r = revision.Request{Undo: "nothing"} }, "there is none with id"},
	} {
		r := ok
		c.change(&r)
		if _, err := w.repairs.DryRun(t.Context(), r); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
	before := w.latest("weather").ID
	e := w.revise(ok)
	if counts(e) != "+0 -0 ~0 skipped 0" || e.Snapshot != 0 || w.latest("weather").ID != before {
		t.Errorf("a revision that changes nothing: %+v", e)
	}
}

func TestAppendTableIsRevised(t *testing.T) {
	w := open(t, local(t))
	w.exec(`
CREATE TABLE ev (k BIGINT, at TIMESTAMP(3), v STRING, WATERMARK FOR at AS at);
INSERT INTO ev VALUES (1, TIMESTAMP '2013-07-01 00:00:00', 'a'), (1, TIMESTAMP '2013-07-01 00:00:00', 'a'), (2, TIMESTAMP '2013-07-01 05:00:00', 'b');
INSERT INTO ev VALUES (3, TIMESTAMP '2013-07-02 00:00:00', 'c'), (4, TIMESTAMP '2013-07-01 09:00:00', 'd');
CREATE TABLE best (k BIGINT, v STRING, n BIGINT, PRIMARY KEY (k) NOT ENFORCED);
CREATE MATERIALIZED TABLE top (k BIGINT, v STRING, rn BIGINT, PRIMARY KEY (rn) NOT ENFORCED) FRESHNESS = INTERVAL '1' SECOND AS
 SELECT k, v, rn FROM (SELECT k, v, ROW_NUMBER() OVER (ORDER BY v DESC, k) AS rn FROM ev) WHERE rn <= 2;
SET 'execution.runtime-mode' = 'streaming';
INSERT INTO best SELECT k, MAX(v), COUNT(*) FROM ev GROUP BY k;
SET 'execution.runtime-mode' = 'batch'`)
	w.becomes("SELECT * FROM best", "1 a 2", "2 b 1", "3 c 1", "4 d 1")
	w.becomes("SELECT * FROM top", "3 c 2", "4 d 1")
	// One of two equal rows is changed, one row goes, one comes.
	e := w.revise(revision.Request{Table: "ev", From: "2013-07-01", To: "2013-07-02",
		SQL: "SELECT DISTINCT k, at, CASE WHEN k = 2 THEN 'B' ELSE v END AS v FROM ev WHERE k < 4"})
	if counts(e) != "+1 -3 ~0 skipped 0" {
		t.Errorf("%+v", e)
	}
	w.becomes("SELECT k, v FROM ev", "1 a", "2 B", "3 c")
	w.becomes("SELECT * FROM best", "1 a 1", "2 B 1", "3 c 1")
	w.becomes("SELECT * FROM top", "1 a 2", "3 c 1") // what had been cut off moves up
	w.exec("INSERT INTO ev VALUES (2, TIMESTAMP '2013-07-01 05:00:00', 'later')")
	w.revise(revision.Request{Undo: e.ID})
	w.becomes("SELECT k, v FROM ev", "1 a", "1 a", "2 b", "2 later", "3 c", "4 d")
	w.becomes("SELECT * FROM best", "1 a 2", "2 later 2", "3 c 1", "4 d 1")
	w.equal("")
}

func TestPartialUpdateFollows(t *testing.T) {
	w := open(t, local(t))
	w.exec(`
CREATE TABLE ev (k BIGINT, at TIMESTAMP(3), a BIGINT, b STRING, WATERMARK FOR at AS at);
CREATE TABLE fl (k BIGINT, at TIMESTAMP(3), a BIGINT, b STRING, own STRING, PRIMARY KEY (k) NOT ENFORCED)
 WITH ('bucket' = '2', 'merge-engine' = 'partial-update', 'changelog-producer' = 'input');
CREATE TABLE log (k BIGINT, a BIGINT);
CREATE MATERIALIZED TABLE sums (b STRING, n BIGINT, a BIGINT, PRIMARY KEY (b) NOT ENFORCED)
 FRESHNESS = INTERVAL '1' SECOND AS SELECT COALESCE(b, '-') AS b, COUNT(*) AS n, SUM(a) AS a FROM fl GROUP BY COALESCE(b, '-');
SET 'execution.runtime-mode' = 'streaming';
INSERT INTO fl (k, at, a, b) SELECT k, at, a, b FROM ev;
INSERT INTO log SELECT k, a FROM ev WHERE a IS NOT NULL;
SET 'execution.runtime-mode' = 'batch';
INSERT INTO ev VALUES (1, TIMESTAMP '2013-07-01 00:00:00', 1, CAST(NULL AS STRING)), (1, TIMESTAMP '2013-07-02 00:00:00', CAST(NULL AS BIGINT), 'x'),
 (2, TIMESTAMP '2013-07-01 01:00:00', 5, 'y'), (3, TIMESTAMP '2013-07-01 02:00:00', 7, 'y');
INSERT INTO ev VALUES (1, TIMESTAMP '2013-07-03 00:00:00', 2, CAST(NULL AS STRING)), (4, TIMESTAMP '2013-07-03 00:00:00', 9, 'x');
INSERT INTO fl (k, own) VALUES (1, 'pushed'), (3, 'pushed')`)
	const all = "SELECT k, a, b, own, DATE_FORMAT(at, 'dd') FROM fl"
	w.becomes(all, "1 2 x pushed 03", "2 5 y (null) 01", "3 7 y pushed 01", "4 9 x (null) 03")
	w.becomes("SELECT * FROM sums", "x 2 11", "y 2 12")
	w.becomes("SELECT * FROM log", "1 1", "1 2", "2 5", "3 7", "4 9")
	// The 3rd goes: key 1 is as before it, key 4 is no more. A value of the 1st becomes NULL, another changes.
	e := w.revise(revision.Request{Table: "ev", From: "2013-07-01", To: "2013-07-04",
		SQL: "SELECT k, at, CASE WHEN k = 2 THEN NULL WHEN k = 3 THEN 70 ELSE a END AS a, b FROM ev WHERE at < TIMESTAMP '2013-07-03 00:00:00'"})
	w.becomes(all, "1 1 x pushed 02", "2 (null) y (null) 01", "3 70 y pushed 01")
	w.becomes("SELECT * FROM sums", "x 1 1", "y 2 70")
	w.becomes("SELECT * FROM log", "1 1", "3 70")
	w.equal("insert-into_default.log", "default.sums")
	// What the table's changelog says is what it became: a reader of it agrees after a restart from nothing.
	w.exec("INSERT INTO ev VALUES (2, TIMESTAMP '2013-07-05 00:00:00', 6, CAST(NULL AS STRING)), (4, TIMESTAMP '2013-07-05 00:00:00', 10, 'z')")
	w.becomes(all, "1 1 x pushed 02", "2 6 y (null) 05", "3 70 y pushed 01", "4 10 z (null) 05")
	w.becomes("SELECT * FROM sums", "x 1 1", "y 2 76", "z 1 10")
	w.revise(revision.Request{Undo: e.ID})
	w.becomes(all, "1 2 x pushed 03", "2 6 y (null) 05", "3 7 y pushed 01", "4 10 z (null) 05")
	w.becomes("SELECT * FROM sums", "x 1 2", "y 2 13", "z 1 10")
	w.becomes("SELECT * FROM log", "1 1", "1 2", "2 5", "2 6", "3 7", "4 10", "4 9")
	w.equal("insert-into_default.log", "default.sums")
	w.stop()
	again := open(t, w.store)
	again.becomes("SELECT * FROM sums", "x 1 2", "y 2 13", "z 1 10")
	again.exec("INSERT INTO ev VALUES (2, TIMESTAMP '2013-07-06 00:00:00', 1, 'x')")
	again.becomes("SELECT * FROM sums", "x 2 3", "y 1 7", "z 1 10")
	again.equal("insert-into_default.log", "default.sums")
}

// Rows that come while revisions rewrite the files they would be compacted with are neither lost nor doubled.
func TestRevisionsBesideWritersAndCompactions(t *testing.T) {
	w := open(t, local(t))
	w.exec(`
CREATE TABLE ev (k BIGINT, at TIMESTAMP(3), v BIGINT, WATERMARK FOR at AS at) WITH ('compaction.min.file-num' = '3');
CREATE TABLE kv (k BIGINT, at TIMESTAMP(3), v BIGINT, PRIMARY KEY (k) NOT ENFORCED) WITH ('bucket' = '2');
CREATE MATERIALIZED TABLE sums (k BIGINT, n BIGINT, v BIGINT, PRIMARY KEY (k) NOT ENFORCED)
 FRESHNESS = INTERVAL '1' SECOND AS SELECT k, COUNT(*) AS n, SUM(v) AS v FROM ev GROUP BY k;
CREATE MATERIALIZED TABLE total (one INT, n BIGINT, v BIGINT, PRIMARY KEY (one) NOT ENFORCED)
 FRESHNESS = INTERVAL '1' SECOND AS SELECT 1 AS one, COUNT(*) AS n, SUM(v) AS v FROM kv GROUP BY 1;
INSERT INTO ev VALUES (1, TIMESTAMP '2013-07-01 00:00:00', 1), (2, TIMESTAMP '2013-07-01 01:00:00', 2);
INSERT INTO kv VALUES (1, TIMESTAMP '2013-07-01 00:00:00', 1), (2, TIMESTAMP '2013-07-01 01:00:00', 2)`)
	w.becomes("SELECT * FROM sums", "1 1 1", "2 1 2")
	const pushes = 60
	ended := make(chan error, 1)
	go func() {
		ended <- func() error {
			s := w.another()
			for i := range pushes {
				for _, text := range []string{
					fmt.Sprintf("INSERT INTO ev VALUES (3, TIMESTAMP '2013-07-01 02:00:00', %d)", i),
					fmt.Sprintf("INSERT INTO kv VALUES (%d, TIMESTAMP '2013-07-01 02:00:00', 1)", 100+i),
				} {
					if err := s(text); err != nil {
						return err
					}
				}
			}
			return nil
		}()
	}()
	r := revision.Request{From: "2013-07-01", To: "2013-07-02", Column: "at"}
	for range 4 {
		r.Table, r.SQL = "ev", "SELECT k, at, CASE WHEN k < 3 THEN v + 1000 ELSE v END AS v FROM ev"
		w.revise(r)
		r.Table, r.SQL = "kv", "SELECT k, at, CASE WHEN k < 3 THEN v + 1000 ELSE v END AS v FROM kv"
		w.revise(r)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	w.becomes("SELECT * FROM sums", "1 1 4001", "2 1 4002", fmt.Sprintf("3 %d %d", pushes, pushes*(pushes-1)/2))
	w.becomes("SELECT * FROM total", fmt.Sprintf("1 %d %d", pushes+2, 8003+pushes))
	w.equal("")
}

// A revision of a row that somebody changes between the comparison and the commit keeps what is not its own.
func TestUndoKeepsWhatCameSince(t *testing.T) {
	w := open(t, local(t))
	w.exec(`
CREATE TABLE kv (k BIGINT, at TIMESTAMP(3), v BIGINT, note STRING, PRIMARY KEY (k) NOT ENFORCED) WITH ('bucket' = '1');
INSERT INTO kv VALUES (1, TIMESTAMP '2013-07-01 00:00:00', 1, 'a'), (2, TIMESTAMP '2013-07-01 01:00:00', 2, 'b'),
 (3, TIMESTAMP '2013-07-01 01:00:00', 3, 'c'), (4, TIMESTAMP '2013-07-01 01:00:00', 4, 'd'), (6, TIMESTAMP '2013-07-01 01:00:00', 6, 'f')`)
	e := w.revise(revision.Request{Table: "kv", From: "2013-07-01", To: "2013-07-02", Column: "at",
		SQL: "SELECT k, at, v * 10 AS v, note FROM kv WHERE k <> 4 AND k <> 6 UNION ALL SELECT 5 AS k, MAX(at) AS at, 5 AS v, 'new' AS note FROM kv"})
	if counts(e) != "+1 -2 ~3 skipped 0" {
		t.Errorf("%+v", e)
	}
	// Since then: 1 has another note, 2 another value, 5 another value, and 4 is there anew.
	w.exec(`INSERT INTO kv VALUES (1, TIMESTAMP '2013-07-01 00:00:00', 10, 'A'), (2, TIMESTAMP '2013-07-01 01:00:00', 21, 'b'),
 (4, TIMESTAMP '2013-07-01 01:00:00', 40, 'D'), (5, TIMESTAMP '2013-07-01 01:00:00', 55, 'new')`)
	undo := w.revise(revision.Request{Undo: e.ID})
	w.becomes("SELECT k, v, note FROM kv", "1 1 A", "2 21 b", "3 3 c", "4 40 D", "5 55 new", "6 6 f")
	if undo.Skipped != 4 || undo.Changed != 2 || undo.Added != 1 {
		t.Errorf("%+v", undo)
	}
	// The undo's own undo takes back what it did in fact.
	w.revise(revision.Request{Undo: undo.ID})
	w.becomes("SELECT k, v, note FROM kv", "1 10 A", "2 21 b", "3 30 c", "4 40 D", "5 55 new")
}

func TestRevisionsBySQL(t *testing.T) {
	w := open(t, local(t))
	w.exec(weatherTable)
	const call = "CALL sys.revise(`table` => 'weather', `from` => '2013-07-01', `to` => '2013-07-02', `column` => 'time_hour', why => 'sql', dry_run => '%s', `sql` => 'SELECT origin, time_hour, temp, UPPER(note) AS note FROM weather')"
	got, err := w.rows(fmt.Sprintf(call, "true"))
	if err != nil || len(got) != 1 || !strings.HasSuffix(got[0], "dry run 0 0 2 0 0") {
		t.Errorf("%q, %v", got, err)
	}
	got, err = w.rows(fmt.Sprintf(call, "false"))
	if err != nil || len(got) != 1 || !strings.Contains(got[0], " done 0 0 2 ") {
		t.Fatalf("%q, %v", got, err)
	}
	id, _, _ := strings.Cut(got[0], " ")
	w.becomes("SELECT COUNT(*) FROM weather WHERE note IN ('A', 'D')", "2")
	if got, err = w.rows("CALL sys.undo_revision('" + id + "')"); err != nil || !strings.Contains(got[0], " done 0 0 2 ") {
		t.Errorf("%q, %v", got, err)
	}
	w.becomes("SELECT COUNT(*) FROM weather WHERE note IN ('A', 'D')", "0")
	for text, want := range map[string]string{
		"CALL sys.revise('weather', '2013-07-01', '2013-07-02')":                           "sql is missing",
		"CALL sys.revise('weather', '2013-07-01', '2013-07-02', 'SELECT 1', `col` => 'x')": "col is unknown",
		"CALL sys.undo_revision('')":                                                       "id is missing",
	} {
		if _, err := w.rows(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// Tables whose rows no upsert can correct have their buckets rewritten.
func TestTablesThatUpsertsCannotCorrect(t *testing.T) {
	w := open(t, local(t))
	w.exec(`
CREATE TABLE pu (k BIGINT, at TIMESTAMP(3), a BIGINT, b STRING, PRIMARY KEY (k) NOT ENFORCED) WITH ('bucket' = '2', 'merge-engine' = 'partial-update', 'changelog-producer' = 'input');
CREATE TABLE sf (k BIGINT, at TIMESTAMP(3), a BIGINT, PRIMARY KEY (k) NOT ENFORCED) WITH ('bucket' = '1', 'sequence.field' = 'at');
INSERT INTO pu VALUES (1, TIMESTAMP '2013-07-01 00:00:00', 1, 'x'), (2, TIMESTAMP '2013-07-01 00:00:00', 2, 'y'), (3, TIMESTAMP '2013-07-02 00:00:00', 3, 'z');
INSERT INTO pu (k, a) VALUES (1, 11);
INSERT INTO sf VALUES (1, TIMESTAMP '2013-07-01 05:00:00', 1), (2, TIMESTAMP '2013-07-01 06:00:00', 2);
CREATE MATERIALIZED TABLE totals (one INT, a BIGINT, b BIGINT, PRIMARY KEY (one) NOT ENFORCED)
 FRESHNESS = INTERVAL '1' SECOND AS SELECT 1 AS one, SUM(a) AS a, COUNT(b) AS b FROM pu GROUP BY 1`)
	w.becomes("SELECT * FROM totals", "1 16 3")
	e := w.revise(revision.Request{Table: "pu", From: "2013-07-01", To: "2013-07-02", Column: "at",
		SQL: "SELECT k, at, a + 100 AS a, CAST(NULL AS STRING) AS b FROM pu WHERE k = 1"})
	w.becomes("SELECT k, a, b FROM pu", "1 111 (null)", "3 3 z")
	w.becomes("SELECT * FROM totals", "1 114 1")
	w.revise(revision.Request{Table: "sf", From: "2013-07-01", To: "2013-07-02", Column: "at",
		SQL: "SELECT k, TIMESTAMP '2013-07-01 01:00:00' AS at, a * 2 AS a FROM sf WHERE k = 1"})
	w.becomes("SELECT k, a, DATE_FORMAT(at, 'HH') FROM sf", "1 2 01")
	w.revise(revision.Request{Undo: e.ID})
	w.becomes("SELECT k, a, b FROM pu", "1 11 x", "2 2 y", "3 3 z")
	w.becomes("SELECT * FROM totals", "1 16 3")
	w.equal("")
}
