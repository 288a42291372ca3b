package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weir-lake/weir/interop/peer"
	"github.com/weir-lake/weir/lineage"
)

// ask answers a query as one map a row.
func ask(t *testing.T, e *engine, format string, args ...any) []map[string]any {
	t.Helper()
	var out []map[string]any
	for _, line := range jsonRows(t, e, fmt.Sprintf(format, args...)) {
		row := map[string]any{}
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		out = append(out, row)
	}
	return out
}

// runningDemo starts the flights demo and returns while it replays, when every table has some snapshots.
func runningDemo(t *testing.T, warehouse, files string) *engine {
	t.Helper()
	e := testEngine(t, warehouse)
	if err := e.jobs.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	d := &demo{engine: e, data: files, speed: "20000", until: "2013-01-10 00:00:00"}
	if err := d.run(t.Context(), t.Logf); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		if len(ask(t, e, "SELECT table_name FROM sys.snapshot_lineage WHERE writer = 'job' GROUP BY table_name HAVING COUNT(DISTINCT snapshot) > 4")) == 6 {
			return e
		}
		if time.Now().After(deadline) {
			t.Fatalf("the demo does not get going: %v", ask(t, e, "SELECT name, state, error FROM sys.jobs"))
		}
	}
}

// row finds the one row with that table and input.
func row(t *testing.T, rows []map[string]any, table, input string) map[string]any {
	t.Helper()
	var found map[string]any
	for _, r := range rows {
		if r["table_name"] == table && r["input"] == input {
			if found != nil {
				t.Fatalf("%s from %s twice: %v and %v", table, input, found, r)
			}
			found = r
		}
	}
	if found == nil {
		t.Fatalf("%s from %s is not in %v", table, input, rows)
	}
	return found
}

// replayRow is the number of the event in a position of the replay, "<number>/<fingerprint>".
func replayRow(t *testing.T, position any) int {
	t.Helper()
	if position == nil {
		return 0
	}
	text, _, _ := strings.Cut(position.(string), "/")
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func integer(v any) int { return int(v.(float64)) }

// What the newest row was made from, which columns feed another and what changes with a column, on the running demo by
// SQL alone; and that it is true.
func TestLineageOfTheRunningDemoBySQL(t *testing.T) {
	warehouse, files := t.TempDir(), t.TempDir()
	e := runningDemo(t, warehouse, files)

	rows := ask(t, e, `SELECT root_snapshot, depth, table_name, snapshot, input, input_kind, input_from, input_snapshot, split, position_from, position
		FROM sys.snapshot_origins WHERE root_table = 'default.flights_weather' AND newest ORDER BY depth, table_name, input`)
	root := integer(rows[0]["root_snapshot"])
	flights := row(t, rows, "default.flights_weather", "default.flights")
	weather := row(t, rows, "default.flights_weather", "default.weather")
	events := row(t, rows, "default.flights", "default.flight_events")
	replay := row(t, rows, "default.flight_events", "default.flight_replay")
	file := row(t, rows, "default.weather", "default.weather_file")
	if len(rows) != 5 || integer(flights["depth"]) != 1 || integer(events["depth"]) != 2 || integer(replay["depth"]) != 3 {
		t.Errorf("origins of snapshot %d: %v", root, rows)
	}
	if integer(flights["input_snapshot"]) <= integer(flights["input_from"]) || integer(weather["input_snapshot"]) != 1 {
		t.Errorf("flights %v, weather %v", flights, weather)
	}
	if !strings.HasSuffix(file["split"].(string), "weather.parquet") || !strings.HasPrefix(file["position"].(string), "26115:") {
		t.Errorf("the weather came from %v", file) // 26,115 rows, all that the file has
	}

	// The rows that the snapshot changed are those of flights whose events are in the interval.
	changed := ask(t, e, `SELECT time_hour, carrier, flight FROM (
		SELECT * FROM flights_weather /*+ OPTIONS('scan.snapshot-id' = '%d') */ EXCEPT SELECT * FROM flights_weather /*+ OPTIONS('scan.snapshot-id' = '%d') */)`, root, root-1)
	between := ask(t, e, `SELECT time_hour, carrier, flight, COUNT(*) AS n FROM (
		SELECT * FROM flight_events /*+ OPTIONS('scan.snapshot-id' = '%[2]d') */ EXCEPT ALL SELECT * FROM flight_events /*+ OPTIONS('scan.snapshot-id' = '%[1]d') */)
		GROUP BY time_hour, carrier, flight`, integer(events["input_from"]), integer(events["input_snapshot"]))
	in := map[string]bool{}
	n := 0
	for _, r := range between {
		in[fmt.Sprint(r["time_hour"], r["carrier"], r["flight"])] = true
		n += integer(r["n"])
	}
	for _, r := range changed {
		if !in[fmt.Sprint(r["time_hour"], r["carrier"], r["flight"])] {
			t.Errorf("row %v changed without an event in flight_events (%v, %v]", r, events["input_from"], events["input_snapshot"])
		}
	}
	if len(changed) == 0 || n != replayRow(t, replay["position"])-replayRow(t, replay["position_from"]) {
		t.Errorf("%d rows changed; %d events, replay from %v to %v", len(changed), n, replay["position_from"], replay["position"])
	}

	var feed []string
	for _, r := range ask(t, e, `SELECT source_table, source_column, kind, depth FROM sys.column_origins
		WHERE target_table = 'default.delays_by_carrier_hour' AND target_column = 'avg_delay' AND depth <= 3 ORDER BY depth, source_table, source_column, kind`) {
		feed = append(feed, fmt.Sprintf("%v %v.%v %v", r["depth"], r["source_table"], r["source_column"], r["kind"]))
	}
	var want []string
	for d, table := range []string{"flights", "flight_events", "flight_replay"} {
		for _, c := range []string{"carrier group", "dep_delay aggregation", "scheduled group"} {
			want = append(want, fmt.Sprintf("%d default.%s.%s", d+1, table, c))
		}
	}
	slices.Sort(feed)
	if !slices.Equal(feed, want) {
		t.Errorf("avg_delay comes from\n%s\nwant\n%s", strings.Join(feed, "\n"), strings.Join(want, "\n"))
	}
	if rows := ask(t, e, `SELECT kind FROM sys.column_origins WHERE target_table = 'default.delays_by_carrier_hour' AND target_column = 'avg_delay'
		AND source_table = 'default.flights_file' AND source_column = 'dep_delay' AND direct`); len(rows) != 1 || rows[0]["kind"] != "aggregation" {
		t.Errorf("of the file's dep_delay: %v", rows)
	}

	for source, want := range map[string][]string{
		"weather":      {`{"target_table":"default.flights_weather"}`},
		"weather_file": {`{"target_table":"default.flights_weather"}`, `{"target_table":"default.weather"}`},
	} {
		q := fmt.Sprintf("SELECT DISTINCT target_table FROM sys.column_origins WHERE source_table = 'default.%s' AND source_column = 'temp' ORDER BY target_table", source)
		if got := jsonRows(t, e, q); !slices.Equal(got, want) {
			t.Errorf("%s.temp changes %v, want %v", source, got, want)
		}
	}
}

// Everything that lineage says is in the warehouse: without the metadata and after a restart it says the same.
func TestLineageIsRebuiltFromTheWarehouse(t *testing.T) {
	warehouse, files := t.TempDir(), t.TempDir()
	e := runningDemo(t, warehouse, files)
	queries := func(e *engine, limit string) map[string][]string {
		out := map[string][]string{}
		for name, q := range map[string]string{
			"tables":    "SELECT source, target, job, kind FROM sys.table_lineage ORDER BY source, target",
			"columns":   "SELECT * FROM sys.column_lineage",
			"origins":   "SELECT * FROM sys.column_origins",
			"snapshots": "SELECT * FROM sys.snapshot_lineage WHERE committed <= " + limit,
			"versions": `SELECT o.* FROM sys.snapshot_origins AS o JOIN sys.snapshot_lineage AS r ON r.table_name = o.root_table AND r.snapshot = o.root_snapshot
				WHERE r.input IS NOT NULL AND r.committed <= ` + limit,
		} {
			out[name] = jsonRows(t, e, q)
			slices.Sort(out[name])
		}
		return out
	}
	newest := ask(t, e, "SELECT MAX(committed) AS at FROM sys.snapshot_lineage")[0]["at"].(string)
	limit := fmt.Sprintf("CAST('%s' AS TIMESTAMP_LTZ(3))", strings.TrimSuffix(newest, "Z"))
	before := queries(e, limit)
	e.close(t.Context())

	again := testEngine(t, warehouse) // with an empty metadata folder
	if err := again.jobs.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	after := queries(again, limit)
	for name, want := range before {
		got := after[name]
		// A root that is not the newest any more says so.
		for _, list := range [][]string{want, got} {
			for i := range list {
				list[i] = strings.Replace(list[i], `"newest":true`, `"newest":false`, 1)
			}
			slices.Sort(list)
		}
		if len(want) == 0 {
			t.Errorf("%s: nothing to compare", name)
		}
		sameRows(t, name, got, want)
	}
}

// What Java Paimon commits to a table, before and beside a job that reads it, is known by its commit user, and the
// job's snapshots name the versions that they took.
func TestJavaPaimonIsObserved(t *testing.T) {
	java := peer.Java(t)
	warehouse := t.TempDir()
	e := testEngine(t, warehouse)
	if err := e.jobs.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	runSQL(t, e, `CREATE TABLE src (k INT, v BIGINT, PRIMARY KEY (k) NOT ENFORCED) WITH ('bucket' = '1')`)
	path := filepath.Join(warehouse, "default.db/src")
	java.Write(path, []string{`{"_kind":"+I","k":1,"v":10}`, `{"_kind":"+I","k":2,"v":5}`})
	runSQL(t, e, "CREATE MATERIALIZED TABLE total (PRIMARY KEY (one) NOT ENFORCED) AS SELECT 1 AS one, SUM(v) AS s FROM src")
	becomes(t, e, "SELECT * FROM total", []string{`{"one":1,"s":15}`})
	java.Write(path, []string{`{"_kind":"+I","k":3,"v":1}`})
	becomes(t, e, "SELECT * FROM total", []string{`{"one":1,"s":16}`})

	rows := ask(t, e, "SELECT snapshot, writer, commit_user, input FROM sys.snapshot_lineage WHERE table_name = 'default.src' AND kind = 'APPEND'")
	if len(rows) != 2 {
		t.Fatalf("src: %v", rows)
	}
	for _, r := range rows {
		if user, _ := r["commit_user"].(string); user == "" || r["writer"] != "foreign:"+user || r["input"] != nil {
			t.Errorf("src: %v", r)
		}
	}
	got := ask(t, e, "SELECT DISTINCT depth, table_name, writer, input FROM sys.snapshot_origins WHERE root_table = 'default.total' AND newest")
	if len(got) != 2 {
		t.Fatalf("origins of total: %v", got)
	}
	for _, r := range got {
		if w, _ := r["writer"].(string); integer(r["depth"]) == 2 && (r["table_name"] != "default.src" || !strings.HasPrefix(w, "foreign:")) {
			t.Errorf("origins of total: %v", r)
		}
	}
	g, err := e.lineage.Lineage(t.Context(), lineage.Ask{Name: "src"})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range g.Nodes {
		if n.ID == "default.src" && (len(n.Writers) == 0 || n.Writers[0].Kind != lineage.WriterForeign) {
			t.Errorf("%+v", n)
		}
	}
}
