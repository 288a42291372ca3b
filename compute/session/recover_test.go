package session_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/storage/objstore/faultstore"
	"github.com/weir-lake/weir/table/snapshot"
)

// windowed adds operators with timers, outer joins and top-N to the chain.
const deepScript = `
SET 'weir.freshness' = '20ms';
CREATE TABLE gen (id BIGINT, grp INT, v DOUBLE) WITH ('connector'='datagen', 'number-of-rows'='4000',
  'fields.id.kind'='sequence', 'fields.id.start'='1', 'fields.id.end'='4000', 'fields.grp.min'='0', 'fields.grp.max'='40', 'fields.v.min'='0', 'fields.v.max'='1');
CREATE TABLE events (id BIGINT, grp INT, v DOUBLE);
CREATE TABLE latest (grp INT, id BIGINT, v DOUBLE, PRIMARY KEY (grp) NOT ENFORCED) WITH ('merge-engine'='partial-update', 'changelog-producer'='input');
CREATE MATERIALIZED TABLE per_group AS SELECT grp, COUNT(*) AS n, SUM(v) AS total, MIN(id) AS lo FROM events GROUP BY grp;
CREATE MATERIALIZED TABLE best AS SELECT grp, n, total, rn FROM (
  SELECT *, ROW_NUMBER() OVER (ORDER BY total DESC, grp) AS rn FROM per_group) WHERE rn <= 5;
CREATE MATERIALIZED TABLE joined AS SELECT p.grp, p.n, l.id FROM per_group AS p LEFT JOIN latest AS l ON p.grp = l.grp AND MOD(l.id, 2) = 0;
SET 'execution.runtime-mode' = 'streaming';
SET 'execution.epoch.max-rows' = '100';
INSERT INTO latest SELECT grp, id, v FROM events;
INSERT INTO events SELECT id, grp, v FROM gen;
`

var deepTables = []string{"events", "latest", "per_group", "best", "joined"}

// snapshotOf is the content of all tables.
func (s *service) content(t *testing.T, tables []string) string {
	t.Helper()
	out := ""
	for _, n := range tables {
		out += fmt.Sprintf("%s %v\n", n, s.rows(t, n))
	}
	return out
}

// expected runs the script undisturbed.
func expected(t *testing.T) string {
	s := start(t, objstore.NewMem())
	defer s.stop(t)
	s.run(t, deepScript)
	s.settle(t)
	return s.content(t, deepTables)
}

// A process that is gone between any two of its writes leaves a warehouse from which the next one ends
// with the same rows.
func TestCrashesChangeNothing(t *testing.T) {
	want := expected(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	base := objstore.NewMem()
	first := start(t, base)
	first.run(t, deepScript)
	// Give up the first one without stopping it: the next owner fences it.
	rounds := 12
	if testing.Short() {
		rounds = 4
	}
	for i := range rounds {
		// The crash point is an operation of the store: everything from then on fails.
		n := 5 + rng.IntN(200)
		store, err := faultstore.New(base, faultstore.Options{Seed: seed + uint64(i), Rules: fmt.Sprintf("any ** @%d: crash", n)})
		if err != nil {
			t.Fatal(err)
		}
		s, err := tryStart(t, store)
		if err != nil {
			continue // it crashed while it started
		}
		time.Sleep(time.Duration(rng.IntN(150)) * time.Millisecond)
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // stop at once: no last commit
		s.jobs.Stop(ctx)
	}
	s := start(t, base)
	defer s.stop(t)
	s.settle(t)
	if got := s.content(t, deepTables); got != want {
		s.history(t, "events")
		t.Fatalf("after %d crashes:\n%s\nwant\n%s", rounds, got, want)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	first.jobs.Stop(ctx)
	select {
	case <-first.jobs.Lost():
	default:
		t.Error("the first owner did not notice that it was replaced")
	}
}

// An owner with nothing to write notices that it was replaced, too: it must not answer queries for ever.
func TestIdleOwnerNoticesThatItWasReplaced(t *testing.T) {
	store := objstore.NewMem()
	idle := start(t, store)
	defer idle.stop(t)
	heir := start(t, store)
	defer heir.stop(t)
	select {
	case <-idle.jobs.Lost():
	case <-time.After(20 * time.Second):
		t.Error("it has not noticed")
	}
}

func TestOrderlyStopsChangeNothing(t *testing.T) {
	want := expected(t)
	store := objstore.NewMem()
	s := start(t, store)
	s.run(t, deepScript)
	for range 5 {
		time.Sleep(60 * time.Millisecond)
		s.stop(t)
		s = start(t, store)
	}
	defer s.stop(t)
	s.settle(t)
	if got := s.content(t, deepTables); got != want {
		t.Fatalf("got\n%s\nwant\n%s", got, want)
	}
	for _, j := range s.jobs.List() {
		if j.State == job.Failed {
			t.Errorf("%s: %s", j.Name, j.Error)
		}
	}
}

// A job whose table has lost every trace of it does not start over: its rows would be there twice, or be others.
func TestLostProgressIsAnError(t *testing.T) {
	store := objstore.NewMem()
	s := start(t, store)
	s.run(t, script)
	s.settle(t)
	s.stop(t)
	for _, dir := range []string{"snapshot", "tag"} {
		if err := objstore.RemoveAll(t.Context(), store, "default.db/per_group/"+dir); err != nil {
			t.Fatal(err)
		}
	}
	s = start(t, store)
	defer s.stop(t)
	deadline := time.Now().Add(10 * time.Second)
	for {
		j, err := s.jobs.Show("default.per_group")
		if err != nil {
			t.Fatal(err)
		}
		if j.State == job.Failed {
			if !strings.Contains(j.Error, "has no snapshot of it any more") {
				t.Fatal(j.Error)
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the job is %s: %s", j.State, j.Error)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// history logs a table's snapshots, to understand a failure.
func (s *service) history(t *testing.T, name string) {
	t.Helper()
	all, err := snapshot.NewManager(objstore.Sub(s.store, "default.db/"+name), "").All(t.Context())
	if err != nil {
		t.Log(err)
	}
	for _, n := range all {
		t.Logf("snapshot %d %s user %.8s id %d term %s epochs %s..%s rows %+d inputs %s", n.ID, n.CommitKind, n.CommitUser, n.CommitIdentifier,
			n.Properties["weir.term"], n.Properties["weir.epoch.from"], n.Properties["weir.epoch"], n.DeltaRecordCount, n.Properties["weir.inputs"])
	}
}

// An epoch that had no input is in no record. A state checkpoint may have been taken in it, so a restart must not
// give its number to other rows: they would seem to be in the checkpoint.
func TestEpochsOfCheckpointsAreNotUsedAgain(t *testing.T) {
	store := objstore.NewMem()
	if err := store.Put(t.Context(), ".weir/state/some-job/000000000500", []byte("of another time")); err != nil {
		t.Fatal(err)
	}
	s := start(t, store)
	defer s.stop(t)
	if c := s.jobs.Frontier().Clock(); c < 500 {
		t.Fatalf("the clock begins at %d", c)
	}
}
