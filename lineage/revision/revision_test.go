//go:build duckdb_arrow

package revision_test

import (
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
SET 'execution.runtime-mode' = 'streaming';
INSERT INTO best SELECT k, MAX(v), COUNT(*) FROM ev GROUP BY k;
SET 'execution.runtime-mode' = 'batch'`)
	w.becomes("SELECT * FROM best", "1 a 2", "2 b 1", "3 c 1", "4 d 1")
	// One of two equal rows is changed, one row goes, one comes.
	e := w.revise(revision.Request{Table: "ev", From: "2013-07-01", To: "2013-07-02",
		SQL: "SELECT DISTINCT k, at, CASE WHEN k = 2 THEN 'B' ELSE v END AS v FROM ev WHERE k < 4"})
	if counts(e) != "+1 -3 ~0 skipped 0" {
		t.Errorf("%+v", e)
	}
	w.becomes("SELECT k, v FROM ev", "1 a", "2 B", "3 c")
	w.becomes("SELECT * FROM best", "1 a 1", "2 B 1", "3 c 1")
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
