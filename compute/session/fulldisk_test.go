package session_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/compute/session"
	"github.com/weir-lake/weir/compute/sql"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/storage/objstore/faultstore"
)

// chainScript is a small chain: a landing job, an aggregate and a table over that.
const chainScript = `
SET 'weir.freshness' = '20ms';
CREATE TABLE IF NOT EXISTS gen (id BIGINT, grp INT) WITH ('connector'='datagen', 'number-of-rows'='60',
  'fields.id.kind'='sequence', 'fields.id.start'='1', 'fields.id.end'='60', 'fields.grp.min'='0', 'fields.grp.max'='4');
CREATE TABLE IF NOT EXISTS events (id BIGINT, grp INT);
CREATE MATERIALIZED TABLE IF NOT EXISTS per_group AS SELECT grp, COUNT(*) AS n, SUM(id) AS total FROM events GROUP BY grp;
CREATE MATERIALIZED TABLE IF NOT EXISTS best AS SELECT grp, n, rn FROM (
  SELECT *, ROW_NUMBER() OVER (ORDER BY total DESC, grp) AS rn FROM per_group) WHERE rn <= 3;
SET 'execution.runtime-mode' = 'streaming';
SET 'execution.epoch.max-rows' = '20';
SET 'pipeline.name' = 'landing';
`

// landing is told apart from the script: it is not sent again when it is there.
const landing = "INSERT INTO events SELECT id, grp FROM gen"

var chainTables = []string{"events", "per_group", "best"}

// insist runs the chain's statements until each has succeeded once, as a person would who reads the error.
func (s *service) insist(t *testing.T) {
	t.Helper()
	sess := session.New(s.svc, session.Options{User: "test"})
	frags, err := sql.Split(chainScript + landing)
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for i := 0; i < len(frags); {
		st, err := frags[i].Parse()
		if err != nil {
			t.Fatal(err)
		}
		if _, err = sess.Execute(t.Context(), chainScript+landing, st, session.Params{}); err == nil {
			i++
			continue
		}
		if _, there := s.job("landing"); there && i == len(frags)-1 {
			return // it was stored, and only the answer failed
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", frags[i].Text(), err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (s *service) job(name string) (job.Status, bool) {
	for _, j := range s.jobs.List() {
		if j.Name == name {
			return j, true
		}
	}
	return job.Status{}, false
}

// heal waits until the chain has all rows; a job that gave up is restarted, as its error asks.
func (s *service) heal(t *testing.T, what, want string) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	got := ""
	for time.Now().Before(deadline) {
		for _, j := range s.jobs.List() {
			if j.State == job.Failed {
				if _, err := s.jobs.Restart(t.Context(), j.ID); err != nil {
					t.Fatalf("%s: restart %s: %v", what, j.Name, err)
				}
			}
		}
		if got = s.found(t); got == want {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	for _, j := range s.jobs.List() {
		lines, err := s.jobs.Logs(j.ID)
		t.Logf("%s %s %s: %v %v", j.Name, j.State, j.Error, lines, err)
	}
	t.Fatalf("%s:\n%s\nwant\n%s", what, got, want)
}

// found is the content of the chain's tables, as far as they have any.
func (s *service) found(t *testing.T) string {
	t.Helper()
	out := ""
	for _, n := range chainTables {
		if _, err := s.store.Stat(t.Context(), "default.db/"+n+"/snapshot/snapshot-1"); err != nil {
			return out + n + " is empty"
		}
		out += fmt.Sprintf("%s %v\n", n, s.rows(t, n))
	}
	return out
}

// A disk that is full at one write, or from a write on until somebody makes room, loses nothing: the service goes on
// and ends with the same rows. The first write is another one in every run of the test, so that in time it is each.
func TestFullDisk(t *testing.T) {
	quiet, err := faultstore.New(objstore.NewMem(), faultstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, quiet)
	s.insist(t)
	s.settle(t)
	want := s.content(t, chainTables)
	s.stop(t)
	writes := int64(0)
	for _, op := range []faultstore.Op{faultstore.OpDelete, faultstore.OpCreate, faultstore.OpWrite, faultstore.OpClose, faultstore.OpOverwrite, faultstore.OpAbsent} {
		writes += quiet.Counts()[op]
	}
	points := int64(24)
	if testing.Short() {
		points = 6
	}
	step := max(writes/points, 1)
	hit := 0
	first := 1 + rand.Int64N(step)
	for n := first; n <= writes; n += step {
		hit += fullAt(t, fmt.Sprintf("write-any ** %dth: enospc", n), want)
		hit += fullAt(t, fmt.Sprintf("write-any ** %dth+: enospc", n), want)
	}
	t.Logf("%d writes, from the %dth every %dth, %d faults", writes, first, step, hit)
	// How many writes a run makes depends on how its epochs fall, so late points may lie beyond its last one.
	if hit == 0 {
		t.Errorf("%d writes, but no fault", writes)
	}
}

// fullAt runs the chain on a disk with the rule until 60 ms after a fault, or for as long as the chain may take to get
// there, then makes room, and returns the number of faults.
func fullAt(t *testing.T, rule, want string) int {
	t.Helper()
	base := objstore.NewMem()
	store, err := faultstore.New(base, faultstore.Options{Rules: rule})
	if err != nil {
		t.Fatal(err)
	}
	const full = 60 * time.Millisecond
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		begun, look := time.Now(), time.NewTicker(full)
		defer look.Stop()
		for {
			select {
			case <-ended:
				return
			case <-look.C:
			}
			if len(store.Log()) == 0 && time.Since(begun) < 20*full {
				continue
			}
			if err := store.SetRules(""); err != nil {
				panic(err)
			}
			return
		}
	}()
	s, err := tryStart(t, store)
	for deadline := time.Now().Add(20 * time.Second); err != nil; s, err = tryStart(t, store) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: start: %v", rule, err)
		}
		time.Sleep(5 * time.Millisecond)
	}
	defer s.stop(t)
	s.insist(t)
	s.heal(t, rule, want)
	return len(store.Log())
}
