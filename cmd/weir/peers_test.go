package main

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-lake/weir/cmd/weir/tablecmd"
	"github.com/weir-lake/weir/compute/session"
	"github.com/weir-lake/weir/examples/flights"
	"github.com/weir-lake/weir/interop/peer"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/storage/objstore/s3test"
)

// jsonRows are a query's rows as JSON lines, sorted.
func jsonRows(t *testing.T, e *engine, query string) []string {
	t.Helper()
	var b bytes.Buffer
	r := &localScript{session: session.New(e.svc, session.Options{}), env: &tablecmd.Env{Note: &bytes.Buffer{}}, out: newPrinter(&b, "jsonl")}
	if err := runAll(t.Context(), r, query); err != nil {
		t.Fatal(err)
	}
	if b.Len() == 0 {
		return nil
	}
	lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	slices.Sort(lines)
	return lines
}

// replayed is an engine on the warehouse after a replay up to a time, at a pace of event seconds a second or max.
func replayed(t *testing.T, warehouse, data, speed, until string) *engine {
	t.Helper()
	e := testEngine(t, warehouse)
	d := &demo{engine: e, data: data, speed: speed, until: until}
	if err := e.jobs.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := d.run(t.Context(), func(string, ...any) {}); err != nil {
		t.Fatal(err)
	}
	settle(t, e, 5*time.Minute)
	return e
}

// Java Paimon and pypaimon return exactly weir's rows of the demo's tables after the whole year, with compactions, and
// with an expiry beside them that takes every version away which nobody holds. The rows are those of plain DuckDB.
func TestPeersReadTheSameRows(t *testing.T) {
	java, python := peer.Java(t), peer.Pypaimon(t)
	if testing.Short() {
		t.Skip("a year takes two minutes")
	}
	warehouse, data := t.TempDir(), t.TempDir()
	expiry := newForcedExpiry(warehouse, append(flights.Tables(), "flight_events"))
	begun := time.Now()
	stop := expiry.during(t.Context())
	// Not at full speed, at which a year is three epochs: ten event days a second are some hundred of them.
	e := replayed(t, warehouse, data, "864000", yearEnd)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	t.Logf("replayed after %s", time.Since(begun).Round(time.Second))
	for _, table := range expiry.tables {
		must(t, "", "table", "compact", expiry.path(table))
	}
	// Its partitions are days, which get too few versions for a compaction to be due.
	must(t, "", "table", "compact", expiry.path("delays_by_carrier_hour"), "--full")
	if err := expiry.once(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	for _, table := range flights.Tables() {
		expiry.check(t, table)
		want := jsonRows(t, e, "SELECT * FROM "+table)
		sameRows(t, table+" by Java", java.Read(expiry.path(table)), want)
		sameRows(t, table+" by pypaimon", python.Read(expiry.path(table)), want)
		t.Logf("%s: %d rows, read by three engines %s after the start", table, len(want), time.Since(begun).Round(time.Second))
	}
	openReference(t, filepath.ToSlash(filepath.Join(data, "flights"))).compare(t, e, yearEnd)
}

// One table written in turn by weir and Java: all readers agree after each turn, and what reads it downstream follows.
func TestJavaWritesInTurn(t *testing.T) {
	if testing.Short() {
		t.Skip("two other engines have to start")
	}
	java, python := peer.Java(t), peer.Pypaimon(t)
	warehouse := t.TempDir()
	e := testEngine(t, warehouse)
	if err := e.jobs.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	runSQL(t, e, `
		CREATE TABLE shared (k INT, v STRING, n BIGINT, PRIMARY KEY (k) NOT ENFORCED) WITH ('bucket' = '2');
		CREATE MATERIALIZED TABLE total (PRIMARY KEY (one) NOT ENFORCED) AS SELECT 1 AS one, SUM(n) AS n, COUNT(*) AS c FROM shared;
		INSERT INTO shared VALUES (1, 'weir', 10), (2, 'weir', 20)`)
	path := filepath.Join(warehouse, "default.db/shared")
	agree := func(want string) {
		t.Helper()
		mine := jsonRows(t, e, "SET 'weir.consistency' = 'latest'; SELECT * FROM shared")
		sameRows(t, "Java", java.Read(path), mine)
		sameRows(t, "pypaimon", python.Read(path), mine)
		deadline := time.Now().Add(30 * time.Second)
		for {
			got := strings.Join(jsonRows(t, e, "SET 'weir.consistency' = 'latest'; SELECT * FROM total"), "")
			if got == want {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("downstream has %s, want %s", got, want)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	agree(`{"one":1,"n":30,"c":2}`)
	java.Write(path, []string{`{"k":2,"v":"java","n":21}`, `{"k":3,"v":"java","n":30}`})
	agree(`{"one":1,"n":61,"c":3}`)
	runSQL(t, e, "INSERT INTO shared VALUES (3, 'weir again', 31), (4, 'weir again', 40)")
	agree(`{"one":1,"n":102,"c":4}`)
}

// The same replay with the warehouse on a real S3 server ends with the same rows.
func TestReplayOnS3(t *testing.T) {
	if testing.Short() {
		t.Skip("a server has to start")
	}
	server := s3test.Start(t)
	until := soakUntil(t, "2013-01-04 00:00:00")
	data := t.TempDir()
	ref := openReference(t, filepath.ToSlash(filepath.Join(data, "flights")))
	for _, kv := range server.Env() {
		k, v, _ := strings.Cut(kv, "=")
		t.Setenv(k, v)
	}
	e := replayed(t, "s3://"+server.Bucket(t)+"/warehouse", data, "max", until)
	if _, local := e.store.(objstore.LocalPather); local {
		t.Fatal("the warehouse is not on S3")
	}
	ref.compare(t, e, until)
	t.Logf("the tables hold %d rows", totalRows(t, e, flights.Tables()...))
}

// The same rows through a real Kafka: events produced by one job, landed by another. A flight's events have one key, so
// one partition and their order: the newest one says when the row was last heard of.
func TestReplayThroughKafka(t *testing.T) {
	if testing.Short() {
		t.Skip("a broker has to start")
	}
	broker := peer.Kafka(t)
	until := soakUntil(t, "2013-01-03 00:00:00")
	warehouse, data := t.TempDir(), t.TempDir()
	e := replayed(t, warehouse, data, "max", until)
	runSQL(t, e, fmt.Sprintf(`
		CREATE TABLE topic (time_hour TIMESTAMP(3), carrier STRING, flight INT, event_time TIMESTAMP(3), event STRING, scheduled TIMESTAMP(3),
			origin STRING, dest STRING, tailnum STRING, distance INT, departed TIMESTAMP(3), dep_delay INT, arrived TIMESTAMP(3), arr_delay INT, air_time INT)
		WITH ('connector' = 'kafka', 'topic' = 'flight-events', 'properties.bootstrap.servers' = '%s', 'format' = 'json',
			'scan.startup.mode' = 'earliest-offset', 'properties.group.id' = 'weir-test',
			'key.format' = 'json', 'key.fields' = 'time_hour;carrier;flight');
		INSERT INTO topic SELECT * FROM flight_events;
		CREATE TABLE landed LIKE flight_events;
		SET 'execution.runtime-mode' = 'streaming';
		SET 'pipeline.name' = 'from-kafka';
		INSERT INTO landed SELECT * FROM topic;
		RESET 'pipeline.name';
		CREATE TABLE flights2 LIKE flights;
		SET 'pipeline.name' = 'flights2';
		INSERT INTO flights2 SELECT time_hour, carrier, flight, event_time, scheduled, origin, dest, tailnum, distance,
			departed, dep_delay, arrived, arr_delay, air_time FROM landed;
		RESET 'pipeline.name';
		CREATE MATERIALIZED TABLE by_event AS SELECT event, COUNT(*) AS n FROM topic GROUP BY event`, broker.Addr))
	becomes(t, e, "SELECT * FROM flights2", jsonRows(t, e, "SELECT * FROM flights"))
	becomes(t, e, "SELECT * FROM by_event", jsonRows(t, e, "SELECT event, COUNT(*) AS n FROM flight_events GROUP BY event"))
	// A job with state reads the topic through a table, from which its state can be rebuilt.
	becomes(t, e, "SELECT COUNT(*) AS n FROM `topic$landing`", jsonRows(t, e, "SELECT COUNT(*) AS n FROM flight_events"))
	t.Logf("%d rows went through Kafka", totalRows(t, e, "landed"))
}

// totalRows counts the rows of tables.
func totalRows(t *testing.T, e *engine, tables ...string) int {
	t.Helper()
	sum := 0
	for _, table := range tables {
		n := -1
		text := strings.Join(jsonRows(t, e, "SELECT COUNT(*) AS n FROM "+table), "")
		if _, err := fmt.Sscanf(text, `{"n":%d}`, &n); err != nil {
			t.Fatalf("count of %s: %q: %v", table, text, err)
		}
		sum += n
	}
	return sum
}

// becomes waits until a query gives the rows.
func becomes(t *testing.T, e *engine, query string, want []string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Minute); ; {
		got := jsonRows(t, e, query)
		if slices.Equal(got, want) {
			return
		}
		if time.Now().After(deadline) {
			sameRows(t, query, got, want)
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
}
