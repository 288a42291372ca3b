package main

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/examples/flights"
	"github.com/weir-lake/weir/interop/peer"
	"github.com/weir-lake/weir/lineage"
	"github.com/weir-lake/weir/lineage/revision"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/snapshot"
	"github.com/weir-lake/weir/web/api"
)

// repair is a revision of the demo, and the same in plain DuckDB on the reference's input.
type repair struct {
	request   revision.Request
	corrected []string
}

// weatherRepair makes it ten degrees warmer, and forgets the first six hours at JFK.
func weatherRepair(from, to string) repair {
	return repair{request: revision.Request{Table: "weather", From: from, To: to, Column: "time_hour", Why: "the thermometers read low " + from,
		SQL: fmt.Sprintf(`SELECT origin, time_hour, temp + 10 AS temp, humid, wind_dir, wind_speed, precip, visib FROM weather
WHERE NOT (origin = 'JFK' AND time_hour < TIMESTAMP '%s 06:00:00')`, from)},
		corrected: []string{
			fmt.Sprintf("UPDATE corrected_weather SET temp = temp + 10 WHERE time_hour::TIMESTAMP >= '%s' AND time_hour::TIMESTAMP < '%s'", from, to),
			fmt.Sprintf("DELETE FROM corrected_weather WHERE origin = 'JFK' AND time_hour::TIMESTAMP >= '%[1]s' AND time_hour::TIMESTAMP < '%[1]s 06:00:00'", from),
		}}
}

// departuresRepair lets UA depart seven minutes later, but for flights with a 3 at the end, which did not depart.
func departuresRepair(from, to string) repair {
	const within = "carrier = 'UA' AND departed >= TIMESTAMP '%s' AND departed < TIMESTAMP '%s' - INTERVAL 10 MINUTE"
	slow := fmt.Sprintf(within, from, to)
	return repair{request: revision.Request{Table: "flight_events", From: from, To: to, Why: "a clock of UA was slow " + from,
		SQL: fmt.Sprintf(`SELECT time_hour, carrier, flight,
       CASE WHEN slow THEN event_time + INTERVAL '7' MINUTE ELSE event_time END AS event_time,
       event, scheduled, origin, dest, tailnum, distance,
       CASE WHEN slow THEN departed + INTERVAL '7' MINUTE ELSE departed END AS departed,
       CASE WHEN slow THEN dep_delay + 7 ELSE dep_delay END AS dep_delay,
       arrived, arr_delay, air_time
FROM (SELECT *, carrier = 'UA' AND event = 'departed' AND event_time < TIMESTAMP '%s 00:00:00' - INTERVAL '10' MINUTE AS slow FROM flight_events)
WHERE NOT (slow AND MOD(flight, 10) = 3)`, to)},
		corrected: []string{
			"UPDATE history SET departed = NULL, dep_delay = NULL WHERE flight % 10 = 3 AND " + slow,
			"UPDATE history SET departed = departed + INTERVAL 7 MINUTE, dep_delay = dep_delay + 7 WHERE " + slow,
		}}
}

// eventCounts is what flight_events holds, as weir and as plain DuckDB say it.
const (
	eventCounts          = "SELECT event, COUNT(*) AS n, SUM(dep_delay) AS delay, MAX(event_time) AS last FROM flight_events GROUP BY event"
	eventCountsReference = `SELECT 'scheduled' AS event, count(*) AS n, NULL AS delay, max(scheduled - INTERVAL 24 HOUR) AS last FROM known
UNION ALL SELECT 'departed', count(departed), sum(dep_delay), max(departed) FROM known
UNION ALL SELECT 'arrived', count(arrived), NULL, max(arrived) FROM known`
)

// compareCorrected holds every table of the demo against plain DuckDB over the corrected input.
func compareCorrected(t *testing.T, e *engine, data, until string, repairs []repair) {
	t.Helper()
	r := openReference(t, filepath.ToSlash(filepath.Join(data, "flights")))
	r.at(t, until)
	script := []string{"CREATE TABLE corrected_weather AS SELECT * FROM read_parquet(getvariable('data') || '/weather.parquet')"}
	for _, p := range repairs {
		script = append(script, p.corrected...)
	}
	for _, text := range script {
		if _, err := r.db.Exec(text); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
	}
	for _, table := range flights.Tables() {
		text, err := fs.ReadFile(flights.Files, "reference/"+table+".sql")
		if err != nil {
			t.Fatal(err)
		}
		query := strings.ReplaceAll(string(text), "read_parquet(getvariable('data') || '/weather.parquet')", "corrected_weather")
		sameRows(t, table+" until "+until, weirRows(t, e, table), r.query(t, query))
	}
	sameRows(t, "flight_events", weirRows(t, e, "("+eventCounts+") AS x"), r.query(t, eventCountsReference))
}

// reviseNow runs a revision to its end.
func reviseNow(t *testing.T, e *engine, r revision.Request) *revision.Entry {
	t.Helper()
	entry, err := e.repairs.Revise(t.Context(), r, "ann")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if entry, err = e.repairs.Wait(ctx, entry.ID, nil); err != nil || entry.State != revision.Done {
		t.Fatalf("%v: %+v", err, entry)
	}
	return entry
}

// following are the tables with a snapshot that took the revision in.
func following(t *testing.T, e *engine, id string) []string {
	t.Helper()
	var out []string
	for _, table := range append([]string{"weather", "flight_events"}, flights.Tables()...) {
		snaps, err := snapshot.NewManager(objstore.Sub(e.store, "default.db/"+table), "").All(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(snaps, func(s *snapshot.Snapshot) bool { return s.Properties["weir.revised"] == id }) {
			out = append(out, table)
		}
	}
	slices.Sort(out)
	return out
}

// liveSpeed plays about 2,000 events a second.
const liveSpeed = "63000"

// While the replay runs, three days of weather and an airline's departures are repaired: in the end every table is what
// plain DuckDB computes from the corrected input, and verify agrees.
func TestRevisionsOfALiveReplayEqualDuckDB(t *testing.T) {
	if testing.Short() {
		t.Skip("a live replay takes half a minute")
	}
	const until = "2013-01-13 00:00:00"
	warehouse, data := t.TempDir(), t.TempDir()
	e := testEngine(t, warehouse)
	if err := e.jobs.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := e.repairs.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	d := &demo{engine: e, data: data, speed: liveSpeed, until: until}
	if err := d.run(t.Context(), func(string, ...any) {}); err != nil {
		t.Fatal(err)
	}
	untilWatermark(t, e, time.Date(2013, 1, 7, 0, 0, 0, 0, time.UTC))
	repairs := []repair{weatherRepair("2013-01-03", "2013-01-06"), departuresRepair("2013-01-03", "2013-01-06")}
	weather := reviseNow(t, e, repairs[0].request)
	if weather.Removed != 6 || weather.Changed == 0 || weather.Added != 0 {
		t.Errorf("weather: %+v", weather)
	}
	if got := following(t, e, weather.ID); !slices.Equal(got, []string{"flights_weather"}) {
		t.Errorf("the weather's revision went into %v", got)
	}
	departures := reviseNow(t, e, repairs[1].request)
	if departures.Removed <= departures.Added || departures.Added == 0 || departures.Skipped != 0 {
		t.Errorf("departures: %+v", departures)
	}
	for _, j := range e.jobs.List() {
		if j.Name == replayJob && j.State != "running" {
			t.Errorf("the replay was not live any more: %s", j.State)
		}
	}
	settle(t, e, 3*time.Minute)
	compareCorrected(t, e, data, until, repairs)
	allEqual(t, e)

	undo := reviseNow(t, e, revision.Request{Undo: departures.ID})
	reviseNow(t, e, revision.Request{Undo: weather.ID})
	if undo.Added != departures.Removed || undo.Removed != departures.Added || undo.Skipped != 0 {
		t.Errorf("undo: %+v of %+v", undo, departures)
	}
	settle(t, e, time.Minute)
	openReference(t, filepath.ToSlash(filepath.Join(data, "flights"))).compare(t, e, until)
	allEqual(t, e)
}

func allEqual(t *testing.T, e *engine) {
	t.Helper()
	for _, r := range verifyAll(t, e) {
		if r.Answer != lineage.Equal {
			t.Errorf("verify: %+v", r)
		}
	}
}

// untilWatermark waits until the replay has got to a moment.
func untilWatermark(t *testing.T, e *engine, at time.Time) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		for _, j := range e.jobs.List() {
			if j.Name == "flights" && j.Watermark != nil && !j.Watermark.Before(at) {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatal(fmt.Errorf("the replay did not get to %s", at))
		}
	}
}

// Ten revisions of a live replay, each with a kill at another moment of it: what was not decided did not happen and is
// asked for again, what was decided happened once. In the end every table is what plain DuckDB computes from the
// corrected input.
func TestRevisionsSurviveKills(t *testing.T) {
	if testing.Short() {
		t.Skip("kills take two minutes")
	}
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	const until = "2013-02-10 00:00:00"
	warehouse := filepath.Join(t.TempDir(), "demo")
	args := []string{"quickstart", "--warehouse", warehouse, "--listen", "127.0.0.1:0", "--until", until, "--epoch", "200ms", "--speed", liveSpeed}
	p := start(t, args...)
	reached(t, p.url, warehouse, time.Date(2013, 1, 9, 0, 0, 0, 0, time.UTC))
	var repairs []repair
	happened := 0
	for i := range 10 {
		day := func(n int) string { return fmt.Sprintf("2013-01-%02d", n) }
		one := weatherRepair(day(3+i/2), day(4+i/2))
		if i%2 == 1 {
			one = departuresRepair(day(3+i/2), day(4+i/2))
		}
		repairs = append(repairs, one)
		c := clientOf(t, p.url, warehouse)
		asked := make(chan error, 1)
		go func() {
			_, err := c.ask(t.Context(), http.MethodPost, "/v1/revisions", one.request, nil)
			asked <- err
		}()
		time.Sleep(time.Duration(i) * 120 * time.Millisecond)
		p.signal(t, syscall.SIGKILL)
		<-p.ended
		<-asked // with or without an answer
		p = start(t, args...)
		c = clientOf(t, p.url, warehouse)
		state := outcomeOf(t, c, one.request.Why)
		t.Logf("kill %d: %s", i, state)
		if state == "done" {
			happened++
			continue
		}
		var info api.RevisionInfo
		if _, err := c.ask(t.Context(), http.MethodPost, "/v1/revisions", one.request, &info); err != nil {
			t.Fatal(err)
		}
		if state := outcomeOf(t, c, one.request.Why); state != "done" {
			t.Fatalf("asked for again: %s", state)
		}
	}
	t.Logf("%d of 10 had been decided when the process was killed", happened)
	settled(t, p.url, filepath.Join(warehouse, ".local"), 3*time.Minute)
	p.signal(t, syscall.SIGTERM)
	if code := p.code(t, 10*time.Second); code != exitDone {
		t.Errorf("exit %d after SIGTERM: %s", code, p.errs.String())
	}
	e := testEngine(t, warehouse)
	if err := e.jobs.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	settle(t, e, time.Minute)
	compareCorrected(t, e, filepath.Join(warehouse, "files"), until, repairs)
	allEqual(t, e)
}

func clientOf(t *testing.T, url, warehouse string) *client {
	t.Helper()
	c, err := serverFlags{Server: url, Data: filepath.Join(warehouse, ".local")}.client()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// outcomeOf waits for the end of the newest revision with the reason; "none" if nothing is known of it.
func outcomeOf(t *testing.T, c *client, why string) string {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		var all listOf[api.RevisionInfo]
		if _, err := c.ask(t.Context(), http.MethodGet, "/v1/revisions", nil, &all); err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(all.Items, func(r api.RevisionInfo) bool { return r.Why == why })
		if i < 0 {
			return "none"
		}
		r := all.Items[i]
		switch {
		case r.State == revision.Done:
			return "done"
		case r.State == revision.Failed && strings.Contains(r.Error, "before the revision was decided"):
			return "failed"
		case r.State == revision.Failed:
			t.Fatalf("%+v", r)
		case time.Now().After(deadline):
			t.Fatalf("it does not end: %+v", r)
		}
	}
}

// reached waits until the replay of the served warehouse has got to a moment.
func reached(t *testing.T, url, warehouse string, at time.Time) {
	t.Helper()
	c := clientOf(t, url, warehouse)
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		var jobs listOf[job.Status]
		if _, err := c.ask(t.Context(), http.MethodGet, "/v1/jobs", nil, &jobs); err != nil {
			t.Fatal(err)
		}
		for _, j := range jobs.Items {
			if j.Name == "flights" && j.Watermark != nil && !j.Watermark.Before(at) {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("the replay did not get to %s", at)
		}
	}
}

// Java Paimon and pypaimon read revised tables, and those that followed with rewritten buckets, as weir does, before and
// after a full compaction.
func TestPeersReadRevisedTables(t *testing.T) {
	if testing.Short() {
		t.Skip("two other engines have to start")
	}
	java, python := peer.Java(t), peer.Pypaimon(t)
	warehouse, data := t.TempDir(), t.TempDir()
	e := replayed(t, warehouse, data, "max", "2013-01-06 00:00:00")
	if err := e.repairs.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, r := range []repair{weatherRepair("2013-01-03", "2013-01-05"), departuresRepair("2013-01-03", "2013-01-05")} {
		reviseNow(t, e, r.request)
	}
	for _, compacted := range []bool{false, true} {
		for _, table := range []string{"weather", "flight_events", "flights", "flights_weather"} {
			path := filepath.Join(warehouse, "default.db", table)
			if compacted {
				must(t, "", "table", "compact", path, "--full")
			}
			want := jsonRows(t, e, "SELECT * FROM "+table)
			sameRows(t, table+" by Java", java.Read(path), want)
			sameRows(t, table+" by pypaimon", python.Read(path), want)
		}
	}
	allEqual(t, e)
}
