//go:build duckdb_arrow

package schedule_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/lineage/schedule"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/commit"
)

func startDaily(t *testing.T, d schedule.Definition) *engine {
	t.Helper()
	e := open(t, objstore.NewMem(), &fakeClock{at: utc("2020-01-10 12:00:00")})
	e.run(t, readings)
	e.fill(t, "2020-01-01", 30)
	d.Name, d.SQL = "days", dailySQL
	if _, err := e.back.Create(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	return e
}

func (e *engine) byHand(t *testing.T, from, to string) schedule.Run {
	t.Helper()
	r, err := e.back.Run(t.Context(), "days", schedule.Span{From: utc(from + " 00:00:00"), To: utc(to + " 00:00:00")}, "anna")
	if err != nil {
		t.Fatal(err)
	}
	return e.finish(t, "days", r.ID)
}

const dailyWant = `SELECT DATE_FORMAT(at, 'yyyy-MM-dd'), COUNT(*), SUM(v) FROM readings GROUP BY DATE_FORMAT(at, 'yyyy-MM-dd')`

func TestARangeByHand(t *testing.T) {
	e := startDaily(t, schedule.Definition{})
	r := e.byHand(t, "2020-01-01", "2020-01-31")
	if r.State != schedule.Done || r.Progress != strings.Repeat("w", 30) || r.Rows != 30 || len(r.Snapshots) != 30 || r.User != "anna" {
		t.Fatalf("%+v", r)
	}
	if got, want := e.rows(t, "SELECT * FROM daily"), e.rows(t, dailyWant); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	made := e.slicesMade(t, "daily")
	if len(made) != 30 {
		t.Errorf("%d slices are in the history, want 30", len(made))
	}
	for slice, n := range made {
		if n != 1 {
			t.Errorf("slice %s was committed %d times", slice, n)
		}
	}
	// Which versions it was made from is on the snapshot and in the run.
	last := e.history(t, "daily")[29]
	p, err := commit.ProvenanceOf(last)
	if err != nil || len(p.Inputs) != 1 || p.Inputs[0].Table != "default.db/readings" || p.Inputs[0].ID != 1 {
		t.Errorf("inputs %+v, %v", p.Inputs, err)
	}
	if want := (schedule.Input{Table: "default.db/readings", Snapshot: 1}); len(r.Inputs) != 1 || r.Inputs[0] != want {
		t.Errorf("the run's inputs are %+v", r.Inputs)
	}

	// The same again changes nothing, and says so.
	r = e.byHand(t, "2020-01-01", "2020-01-31")
	if r.State != schedule.Done || r.Progress != strings.Repeat("=", 30) || len(r.Snapshots) != 0 {
		t.Errorf("%+v", r)
	}
	if n := len(e.history(t, "daily")); n != 30 {
		t.Errorf("%d snapshots after a run without change, want 30", n)
	}

	// A change of one day is one snapshot; other partitions are not touched.
	e.run(t, "SET 'execution.runtime-mode' = 'batch'; INSERT INTO readings VALUES (TIMESTAMP '2020-01-05 23:00:00', 7)")
	if r = e.byHand(t, "2020-01-01", "2020-01-31"); r.Progress != "====w"+strings.Repeat("=", 25) {
		t.Errorf("progress %s", r.Progress)
	}
	if got, want := e.rows(t, "SELECT * FROM daily"), e.rows(t, dailyWant); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Days that lose all their rows lose their partition; those beside the range keep theirs.
func TestARangeWithoutRowsIsCleared(t *testing.T) {
	for name, statement := range map[string]string{
		"range":  dailySQL,
		"static": `INSERT OVERWRITE daily PARTITION (dt = DATE_FORMAT(${start}, 'yyyy-MM-dd')) SELECT COUNT(*), SUM(v) FROM readings WHERE at >= ${start} AND at < ${end} HAVING COUNT(*) > 0`,
	} {
		t.Run(name, func(t *testing.T) {
			e := open(t, objstore.NewMem(), &fakeClock{at: utc("2020-01-10 12:00:00")})
			e.run(t, readings)
			e.fill(t, "2020-01-01", 5)
			if _, err := e.back.Create(t.Context(), schedule.Definition{Name: "days", SQL: statement}); err != nil {
				t.Fatal(err)
			}
			e.byHand(t, "2020-01-01", "2020-01-08")
			e.run(t, "SET 'execution.runtime-mode' = 'batch'; INSERT OVERWRITE readings SELECT * FROM (VALUES (TIMESTAMP '2020-01-04 10:00:00', CAST(9 AS BIGINT)))")
			r := e.byHand(t, "2020-01-01", "2020-01-05")
			if r.State != schedule.Done || r.Progress != "wwww" {
				t.Errorf("%+v", r)
			}
			if got, want := fmt.Sprint(e.rows(t, "SELECT * FROM daily")), "[2020-01-04 1 9 2020-01-05 10 4045]"; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

// Several slices in one statement are one commit that says which, and only the days that differ are written.
func TestSlicesTogether(t *testing.T) {
	e := startDaily(t, schedule.Definition{Together: 12})
	if r := e.byHand(t, "2020-01-01", "2020-01-31"); r.State != schedule.Done || len(r.Snapshots) != 3 || r.Progress != strings.Repeat("w", 30) {
		t.Fatalf("%+v", r)
	}
	made := e.slicesMade(t, "daily")
	if len(made) != 3 || made["2020-01-13T00:00:00Z/2020-01-25T00:00:00Z"] != 1 {
		t.Errorf("slices %v", made)
	}
	e.run(t, "SET 'execution.runtime-mode' = 'batch'; INSERT INTO readings VALUES (TIMESTAMP '2020-01-05 23:00:00', 7)")
	e.byHand(t, "2020-01-01", "2020-01-31")
	all := e.history(t, "daily")
	if n := len(all); n != 4 {
		t.Fatalf("%d snapshots, want 4", n)
	}
	if n := all[3].DeltaRecordCount; n != 0 {
		t.Errorf("one day was replaced by one row, the snapshot counts %+d rows", n)
	}
	if got, want := e.rows(t, "SELECT * FROM daily"), e.rows(t, dailyWant); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Partitions by date, by hour and by several columns, in tables with and without key: what a slice replaces, and that
// the merged rows are what is compared.
func TestKindsOfPartitions(t *testing.T) {
	for _, c := range []struct{ name, table, statement, slice, progress string }{
		{"date", "(d DATE, n BIGINT) PARTITIONED BY (d)", "INSERT OVERWRITE t SELECT CAST(at AS DATE), COUNT(*) FROM readings WHERE at >= ${start} AND at < ${end} GROUP BY CAST(at AS DATE)", "", "www"},
		{"date by name", "(d DATE, n BIGINT) PARTITIONED BY (d)", "INSERT OVERWRITE t PARTITION (d = CAST(${start} AS DATE)) SELECT COUNT(*) FROM readings WHERE at >= ${start} AND at < ${end}", "", "www"},
		{"hours", "(dt STRING, h STRING, n BIGINT) PARTITIONED BY (dt, h) WITH ('partition.timestamp-pattern' = '$dt $h:00:00')",
			"INSERT OVERWRITE t SELECT DATE_FORMAT(at, 'yyyy-MM-dd'), DATE_FORMAT(at, 'HH'), v FROM readings WHERE at >= ${start} AND at < ${end}", "1d", "www"},
		{"a column beside the time", "(dt STRING, kind STRING, n BIGINT) PARTITIONED BY (dt, kind)",
			"INSERT OVERWRITE t PARTITION (kind = 'a') SELECT DATE_FORMAT(at, 'yyyy-MM-dd'), v FROM readings WHERE at >= ${start} AND at < ${end}", "", "www"},
		{"a key given twice", "(dt STRING, k INT, n BIGINT, PRIMARY KEY (dt, k) NOT ENFORCED) PARTITIONED BY (dt) WITH ('bucket' = '2', 'changelog-producer' = 'input')",
			"INSERT OVERWRITE t SELECT DATE_FORMAT(at, 'yyyy-MM-dd'), CAST(MOD(v, 3) AS INT), CAST(7 AS BIGINT) FROM readings WHERE at >= ${start} AND at < ${end}", "", "www"},
		{"months", "(m INT, n BIGINT) PARTITIONED BY (m) WITH ('partition.timestamp-formatter' = 'yyyyMM')",
			"INSERT OVERWRITE t SELECT 202001, COUNT(*) FROM readings WHERE at >= ${start} AND at < ${end}", "", ""},
		{"none", "(n BIGINT)", "INSERT OVERWRITE t SELECT COUNT(*) FROM readings WHERE at >= ${start} AND at < ${end}", "", "w"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := open(t, objstore.NewMem(), &fakeClock{at: utc("2020-01-10 12:00:00")})
			e.run(t, readings+"CREATE TABLE t "+c.table)
			e.fill(t, "2020-01-01", 30)
			if _, err := e.back.Create(t.Context(), schedule.Definition{Name: "days", SQL: c.statement, Slice: c.slice}); err != nil {
				t.Fatal(err)
			}
			to, progress := "2020-01-04", c.progress
			if progress == "" {
				to, progress = "2020-02-01", "w" // a month
			}
			if r := e.byHand(t, "2020-01-01", to); r.State != schedule.Done || r.Progress != progress {
				t.Fatalf("%+v", r)
			}
			want, n := e.rows(t, "SELECT * FROM t"), len(e.history(t, "t"))
			if r := e.byHand(t, "2020-01-01", to); r.State != schedule.Done || r.Progress != strings.Repeat("=", len(progress)) {
				t.Errorf("again: %+v", r)
			}
			if got := e.rows(t, "SELECT * FROM t"); len(got) == 0 || !slices.Equal(got, want) || len(e.history(t, "t")) != n {
				t.Errorf("after the same again: %v in %d snapshots, want %v in %d", got, len(e.history(t, "t")), want, n)
			}
			// All is gone from the input: the partitions of the range become empty.
			e.run(t, "SET 'execution.runtime-mode' = 'batch'; INSERT OVERWRITE readings SELECT at, v FROM readings WHERE at < TIMESTAMP '2000-01-01 00:00:00'")
			e.byHand(t, "2020-01-01", to)
			left := e.rows(t, "SELECT * FROM t WHERE n <> 0")
			if len(left) != 0 {
				t.Errorf("after the input became empty there is %v", left)
			}
		})
	}
}

// Rows of a partition beside the slice are refused by its name, and nothing is written.
func TestRowsBesideTheSlice(t *testing.T) {
	e := startDaily(t, schedule.Definition{})
	statement := strings.Replace(dailySQL, "at < FLOOR(${end} TO DAY)", "at < ${end} + INTERVAL '5' HOUR", 1)
	if _, err := e.back.Create(t.Context(), schedule.Definition{Name: "wide", SQL: statement}); err != nil {
		t.Fatal(err)
	}
	r, err := e.back.Run(t.Context(), "wide", schedule.Span{From: utc("2020-01-01 00:00:00"), To: utc("2020-01-02 00:00:00")}, "")
	if err != nil {
		t.Fatal(err)
	}
	if r = e.finish(t, "wide", r.ID); r.State != schedule.Failed || !strings.Contains(r.Error, "dt=2020-01-02") || r.Attempts != 1 {
		t.Errorf("%+v", r)
	}
	if n := len(e.history(t, "daily")); n != 0 {
		t.Errorf("%d snapshots", n)
	}
}

// A slice of low priority waits while queries do; one of normal priority does not.
func TestBackfillsStandBack(t *testing.T) {
	e := startDaily(t, schedule.Definition{})
	if _, err := e.back.Create(t.Context(), schedule.Definition{Name: "urgent", SQL: dailySQL, Priority: schedule.PriorityNormal}); err != nil {
		t.Fatal(err)
	}
	e.busy.Store(true)
	span := schedule.Span{From: utc("2020-01-01 00:00:00"), To: utc("2020-01-03 00:00:00")}
	urgent, err := e.back.Run(t.Context(), "urgent", span, "")
	if err != nil {
		t.Fatal(err)
	}
	if r := e.finish(t, "urgent", urgent.ID); r.State != schedule.Done {
		t.Errorf("%+v", r)
	}
	low, err := e.back.Run(t.Context(), "days", span, "")
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond)
	if r, err := e.back.RunOf(t.Context(), "days", low.ID); err != nil || r.State != schedule.Running || r.Finished != 0 {
		t.Errorf("beside waiting queries: %+v, %v", r, err)
	}
	e.busy.Store(false)
	if r := e.finish(t, "days", low.ID); r.State != schedule.Done || r.Progress != "==" {
		t.Errorf("%+v", r)
	}
}

func TestWhatIsRefused(t *testing.T) {
	e := open(t, objstore.NewMem(), &fakeClock{at: utc("2020-01-10 12:00:00")})
	e.run(t, readings+`CREATE TABLE whole (n BIGINT); CREATE TABLE byname (name STRING, n BIGINT) PARTITIONED BY (name);
		CREATE TABLE byhour (h INT, n BIGINT) PARTITIONED BY (h); CREATE TABLE gen (n BIGINT) WITH ('connector' = 'datagen', 'number-of-rows' = '1');
		CREATE MATERIALIZED TABLE counted PARTITIONED BY (dt) AS SELECT dt, n FROM daily`)
	ok := schedule.Definition{Name: "x", SQL: dailySQL}
	for _, c := range []struct {
		change func(*schedule.Definition)
		want   string
	}{
		{func(d *schedule.Definition) { d.Name = "a/b" }, "backfill name 'a/b'"},
		{func(d *schedule.Definition) { d.SQL = "SELECT 1" }, "not an INSERT OVERWRITE"},
		{func(d *schedule.Definition) { d.SQL = "INSERT INTO daily SELECT 'a', 1, 1" }, "not an INSERT OVERWRITE"},
		{func(d *schedule.Definition) { d.SQL = "INSERT OVERWRITE dally SELECT 'a', 1, 1" }, "dally"},
		{func(d *schedule.Definition) { d.SQL = "INSERT OVERWRITE daily SELECT ${begin}" }, "${begin} is not known"},
		{func(d *schedule.Definition) { d.SQL = "INSERT OVERWRITE daily SELECT * FROM daily" }, "which it writes"},
		{func(d *schedule.Definition) { d.SQL = "INSERT OVERWRITE counted SELECT 'a', 1" }, "is written by job"},
		{func(d *schedule.Definition) { d.SQL = "INSERT OVERWRITE gen SELECT 1" }, "connector's table"},
		{func(d *schedule.Definition) { d.SQL = "INSERT OVERWRITE byhour SELECT 1, 1" }, "partition.timestamp-formatter"},
		{func(d *schedule.Definition) { d.SQL, d.Slice = "INSERT OVERWRITE whole SELECT 1", "1d" }, "has no partitions"},
		{func(d *schedule.Definition) {
			d.SQL, d.Together = "INSERT OVERWRITE daily PARTITION (dt = DATE_FORMAT(${start}, 'yyyy-MM-dd')) SELECT 1, 1", 5
		}, "together 5"},
		{func(d *schedule.Definition) { d.Cron = "0 25 * * *" }, "cron '0 25 * * *'"},
		{func(d *schedule.Definition) { d.Cron = "0 0 30 2 *" }, "cron '0 0 30 2 *'"},
		{func(d *schedule.Definition) { d.Timezone = "Europe/Atlantis" }, "timezone 'Europe/Atlantis'"},
		{func(d *schedule.Definition) { d.Clock = "sun" }, "clock 'sun'"},
		{func(d *schedule.Definition) { d.Clock = "watermark:readnigs" }, "clock watermark:readnigs"},
		{func(d *schedule.Definition) { d.Clock = "watermark:a.b.c.d" }, "clock watermark:a.b.c.d"},
		{func(d *schedule.Definition) { d.CatchUp = "some" }, "catch-up 'some'"},
		{func(d *schedule.Definition) { d.Slice = "1 fortnight" }, "no length of time"},
		{func(d *schedule.Definition) { d.Priority = "high" }, "priority 'high'"},
	} {
		d := ok
		c.change(&d)
		if _, err := e.back.Create(t.Context(), d); err == nil || !strings.Contains(err.Error(), c.want) || !errkind.Is(err, errkind.Invalid) {
			t.Errorf("%+v: %v, want an invalid %q", d, err, c.want)
		}
	}
	if _, err := e.back.Create(t.Context(), ok); err != nil {
		t.Fatal(err)
	}
	if _, err := e.back.Create(t.Context(), ok); !errors.Is(err, schedule.ErrExists) {
		t.Errorf("created twice: %v", err)
	}
	if _, err := e.back.Run(t.Context(), "y", schedule.Span{}, ""); !errors.Is(err, schedule.ErrNotFound) {
		t.Errorf("run of none: %v", err)
	}
	if _, err := e.back.Run(t.Context(), "x", schedule.Span{From: utc("2020-01-02 00:00:00"), To: utc("2020-01-01 00:00:00")}, ""); !errkind.Is(err, errkind.Invalid) {
		t.Errorf("a range that ends before it starts: %v", err)
	}
	if _, err := e.back.RunOf(t.Context(), "x", "hand-0"); !errors.Is(err, schedule.ErrNoRun) {
		t.Errorf("no run: %v", err)
	}
}
