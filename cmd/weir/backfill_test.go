package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weir-lake/weir/lineage/schedule"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/snapshot"
)

// backfillTables are an input with a row an hour from March 2nd on, and a table of its days.
const backfillTables = `
CREATE TABLE readings (at TIMESTAMP(3), v BIGINT);
CREATE TABLE daily (dt STRING, n BIGINT, total BIGINT) PARTITIONED BY (dt);
INSERT INTO readings VALUES `

const backfillSQL = `INSERT OVERWRITE daily
SELECT DATE_FORMAT(at, 'yyyy-MM-dd'), COUNT(*), SUM(v) FROM readings
WHERE at >= FLOOR(${start} TO DAY) AND at < FLOOR(${end} TO DAY) GROUP BY DATE_FORMAT(at, 'yyyy-MM-dd');
`

// serveBackfill starts a service with the tables, 30 days of rows, and the statement in a file.
func serveBackfill(t *testing.T) (p *process, warehouse, statement string) {
	t.Helper()
	p, warehouse = serveForTest(t)
	var values []string
	for i := range 30 * 24 {
		at := time.Date(2020, 3, 2, 0, 30, 0, 0, time.UTC).Add(time.Duration(i) * time.Hour)
		values = append(values, fmt.Sprintf("(TIMESTAMP '%s', %d)", at.Format(time.DateTime), i))
	}
	must(t, "", "sql", "--server", p.url, "-e", backfillTables+strings.Join(values, ", "))
	statement = filepath.Join(t.TempDir(), "daily.sql")
	if err := os.WriteFile(statement, []byte(backfillSQL), 0o600); err != nil {
		t.Fatal(err)
	}
	return p, warehouse, statement
}

func TestBackfillCommands(t *testing.T) {
	p, _, statement := serveBackfill(t)
	start := time.Now().Add(-26 * time.Hour).UTC().Format(time.DateTime)
	out := must(t, "", "backfill", "create", "days", "--sql", statement, "--cron", "0 */12 * * *", "--timezone", "Asia/Tokyo", "--catch-up", "all", "--start", start)
	if !strings.HasPrefix(out, "days writes default.daily; next tick 20") {
		t.Errorf("create: %s", out)
	}
	eventually(t, "| tick | done  |", "backfill", "history", "days")
	out = must(t, "", "backfill", "run", "days", "--from", "2020-03-02", "--to", "2020-04-01")
	if !strings.Contains(out, "done: 30 of 30 slices, 30 written, 30 rows\n") {
		t.Errorf("run: %s", out)
	}
	out = must(t, "", "--json", "backfill", "run", "days", "--from", "2020-03-02", "--to", "2020-04-01")
	var r schedule.Run
	if err := json.Unmarshal([]byte(out), &r); err != nil || r.State != schedule.Done || r.Progress != strings.Repeat("=", 30) {
		t.Errorf("the same again: %s, %v", out, err)
	}
	want := must(t, "", "sql", "--server", p.url, "--format", "csv", "-e", "SELECT DATE_FORMAT(at, 'yyyy-MM-dd') AS dt, COUNT(*) AS n, SUM(v) AS total FROM readings GROUP BY DATE_FORMAT(at, 'yyyy-MM-dd') ORDER BY dt")
	wants(t, "daily", must(t, "", "sql", "--server", p.url, "--format", "csv", "-e", "SELECT * FROM daily ORDER BY dt"), want)
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"backfill", "list"}, []string{"days", "active", "default.daily", "Asia/Tokyo", "all"}},
		{[]string{"backfill", "show", "days"}, []string{"INSERT OVERWRITE daily", "0 */12 * * *", "wall, at 20"}},
		{[]string{"backfill", "history", "days", "--limit", "2"}, []string{"hand-", "30/30"}},
		{[]string{"backfill", "pause", "days"}, []string{"days paused"}},
		{[]string{"backfill", "resume", "days"}, []string{"days active, next tick 20"}},
		{[]string{"sql", "--server", p.url, "-e", "SELECT kind, COUNT(*) AS n FROM sys.backfill_runs WHERE state = 'done' GROUP BY kind"}, []string{"hand", "2", "tick"}},
		{[]string{"sql", "--server", p.url, "-e", "SELECT name, cron FROM sys.backfills"}, []string{"0 */12 * * *"}},
		{[]string{"sql", "--server", p.url, "-e", "CALL sys.pause_backfill('days')"}, []string{"paused"}},
		{[]string{"sql", "--server", p.url, "-e", "CALL sys.create_backfill(name => 'two', sql => 'INSERT OVERWRITE daily SELECT ''x'', 1, 1', catch_up => 'none')"}, []string{"two", "active"}},
		{[]string{"sql", "--server", p.url, "-e", "CALL sys.run_backfill('days', '2020-03-02', '2020-03-04')"}, []string{"hand-", "queued"}},
		{[]string{"backfill", "drop", "two"}, []string{"two dropped"}},
	} {
		out := must(t, "", c.args...)
		for _, w := range c.want {
			if !strings.Contains(out, w) {
				t.Errorf("weir %v lacks %q:\n%s", c.args, w, out)
			}
		}
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"backfill", "run", "days", "--from", "yesterday", "--to", "2020-03-04"}, "--from: 'yesterday' is no time"},
		{[]string{"backfill", "run", "none", "--from", "2020-03-02", "--to", "2020-03-04"}, "there is none of that name: none"},
		{[]string{"backfill", "create", "days", "--sql", statement}, "one of that name exists"},
		{[]string{"backfill", "create", "three", "--sql", statement, "--cron", "0 3 * *"}, "cron '0 3 * *'"},
		{[]string{"backfill", "create", "three", "--sql", statement + "x"}, "--sql:"},
		{[]string{"backfill", "cancel", "days", "hand-0"}, "there is no such run"},
		{[]string{"sql", "--server", p.url, "-e", "CALL sys.run_backfill('days')"}, "from is missing"},
		{[]string{"verify", "daily"}, "a table that a backfill keeps is checked by running its range again"},
		{[]string{"sql", "-e", "CALL sys.create_backfill('x', 'INSERT OVERWRITE t SELECT 1')"}, "error"},
	} {
		if code, _, errs := weir(t, "", c.args...); code != exitFailed || !strings.Contains(errs, c.want) {
			t.Errorf("weir %v: exit %d, %q, want %q", c.args, code, errs, c.want)
		}
	}
}

// Ctrl-C on a run by hand cancels it; what is done stays.
func TestBackfillRunIsCanceled(t *testing.T) {
	p, _, statement := serveBackfill(t)
	must(t, "", "backfill", "create", "days", "--sql", statement)
	c := launch(t, "backfill", "run", "days", "--from", "1995-01-01", "--to", "2022-01-01", "--server", p.url)
	var runs listOf[schedule.Run]
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if err := json.Unmarshal([]byte(must(t, "", "--json", "backfill", "history", "days")), &runs); err != nil {
			t.Fatal(err)
		}
		if len(runs.Items) == 1 && runs.Items[0].Finished > 5 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the run does not begin: %+v, %s", runs, c.errs.String())
		}
	}
	c.signal(t, syscall.SIGINT)
	if code := c.code(t, 10*time.Second); code != exitFailed || !strings.Contains(c.errs.String(), "is canceled") {
		t.Errorf("exit %d: %s", code, c.errs.String())
	}
	eventually(t, `"state":"canceled"`, "--json", "backfill", "history", "days")
}

// A run of 30 partitions whose service is killed, again and again, ends like one that was left alone: each partition
// is committed once, and the start without a metadata database finds backfill and run.
func TestBackfillSurvivesKills(t *testing.T) {
	p, warehouse, statement := serveBackfill(t)
	must(t, "", "backfill", "create", "days", "--sql", statement)
	out := must(t, "", "backfill", "run", "days", "--from", "2020-03-02", "--to", "2020-04-01", "--detach")
	id, _, _ := strings.Cut(out, " ")
	want := must(t, "", "sql", "--server", p.url, "--format", "csv", "-e", "SELECT DATE_FORMAT(at, 'yyyy-MM-dd') AS dt, COUNT(*) AS n, SUM(v) AS total FROM readings GROUP BY DATE_FORMAT(at, 'yyyy-MM-dd') ORDER BY dt")
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	kills := 5
	for i := range kills {
		time.Sleep(time.Duration(50+random.IntN(400)) * time.Millisecond)
		p.signal(t, syscall.SIGKILL)
		<-p.ended
		t.Logf("kill %d: %d of the slices are in the history", i+1, len(slicesOf(t, warehouse)))
		if i == kills/2 {
			if err := os.RemoveAll(filepath.Join(warehouse, ".local")); err != nil {
				t.Fatal(err)
			}
		}
		p = start(t, "serve", "--warehouse", warehouse, "--listen", "127.0.0.1:0", "--epoch", "100ms")
		t.Setenv("WEIR_SERVER", p.url)
	}
	eventually(t, "30/30", "backfill", "history", "days")
	eventually(t, `"state":"done"`, "--json", "backfill", "history", "days")
	if out := must(t, "", "backfill", "history", "days"); strings.Count(out, "hand-") != 1 || !strings.Contains(out, id) {
		t.Errorf("history: %s", out)
	}
	wants(t, "daily", must(t, "", "sql", "--server", p.url, "--format", "csv", "-e", "SELECT * FROM daily ORDER BY dt"), want)
	made := slicesOf(t, warehouse)
	for slice, n := range made {
		if n != 1 {
			t.Errorf("slice %s was committed %d times", slice, n)
		}
	}
	if len(made) != 30 {
		t.Errorf("%d slices were committed, want 30", len(made))
	}
	must(t, "", "backfill", "run", "days", "--from", "2020-03-02", "--to", "2020-04-01")
	if n := len(slicesOf(t, warehouse)); n != 30 {
		t.Errorf("a run without change made %d snapshots", n-30)
	}
}

// slicesOf counts the snapshots of table daily that hold a slice, by slice.
func slicesOf(t *testing.T, warehouse string) map[string]int {
	t.Helper()
	store, err := objstore.Open(t.Context(), warehouse, objstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	all, err := snapshot.NewManager(objstore.Sub(store, "default.db/daily"), "").All(t.Context())
	if err != nil && !errors.Is(err, snapshot.ErrNone) {
		t.Fatal(err)
	}
	out := map[string]int{}
	for _, s := range all {
		if s.Properties[schedule.PropBackfill] == "days" && s.CommitKind != snapshot.Compact {
			out[s.Properties[schedule.PropSlice]]++
		}
	}
	return out
}
