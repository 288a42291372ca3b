package job

import (
	"log/slog"
	"maps"
	"testing"
	"time"

	"github.com/weir-lake/weir/compute/epoch"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/snapshot"
)

// consumers are the snapshots that weir's consumer files hold, by table.
func consumers(t *testing.T, store objstore.Store, tables ...string) map[string]int64 {
	t.Helper()
	out := map[string]int64{}
	for _, table := range tables {
		all, err := snapshot.NewManager(objstore.Sub(store, table), "").Consumers(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range all {
			if c.ID != consumerID {
				t.Errorf("consumer %s", c.ID)
			}
			out[table] = int64(c.Next)
		}
	}
	return out
}

func TestPinsHoldTheOldestAnybodyNeeds(t *testing.T) {
	store := objstore.NewMem()
	p := newPins(store, slog.New(slog.DiscardHandler))
	want := func(w map[string]int64) {
		t.Helper()
		if got := consumers(t, store, "a", "b"); !maps.Equal(got, w) {
			t.Errorf("held %v, want %v", got, w)
		}
	}
	p.set(t.Context(), "j1", map[string]int64{"a": 7, "b": 3})
	p.set(t.Context(), "j2", map[string]int64{"a": 5})
	want(map[string]int64{"a": 5, "b": 3})
	p.set(t.Context(), "j2", map[string]int64{"a": 9})
	want(map[string]int64{"a": 7, "b": 3})
	p.hold("query", map[string]int64{"b": 1})
	want(map[string]int64{"a": 7, "b": 3}) // in the process alone
	if id, ok := p.oldest("b"); !ok || id != 1 {
		t.Errorf("oldest of b: %d %v", id, ok)
	}
	p.hold("query", nil)
	p.set(t.Context(), "j1", nil)
	want(map[string]int64{"a": 9})
	p.set(t.Context(), "j2", nil)
	want(map[string]int64{})
}

func TestPinsDoNotMoveWhileAJobsNeedsAreUnknown(t *testing.T) {
	store := objstore.NewMem()
	before := newPins(store, slog.New(slog.DiscardHandler))
	before.set(t.Context(), "j1", map[string]int64{"a": 2})
	p := newPins(store, slog.New(slog.DiscardHandler)) // the next process
	p.unsure("j1")
	p.set(t.Context(), "j2", map[string]int64{"a": 8})
	if got := consumers(t, store, "a"); got["a"] != 2 {
		t.Errorf("moved to %v", got)
	}
	p.set(t.Context(), "j1", map[string]int64{"a": 6})
	if got := consumers(t, store, "a"); got["a"] != 6 {
		t.Errorf("held %v, want 6", got)
	}
}

// commits pushes n times to the table, a snapshot each.
func commits(t *testing.T, m *Manager, path string, n int) {
	t.Helper()
	for range n {
		if _, err := m.Push(t.Context(), path, pushRows(t, 1), nil, "", ""); err != nil {
			t.Fatal(err)
		}
	}
}

// checkpointed leaves a stopped job in the log, with a checkpoint that has read the table up to a snapshot.
func checkpointed(t *testing.T, m *Manager, path string, at int64) epoch.JobRecord {
	t.Helper()
	rec := epoch.JobRecord{ID: "job-1", Name: "stopped one", Database: "default", SQL: "INSERT INTO u SELECT * FROM t", CommitUser: "user-1", Desired: epoch.Stopped, FromEpoch: 1}
	if err := m.log.RecordJob(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	data, err := encodeCheckpoint(checkpointHeader{Job: rec.ID, Epoch: at, Tables: map[int]int64{0: at}, Paths: map[int]string{0: path}}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := (states{m.opts.Store, rec.ID}).put(t.Context(), at, data); err != nil {
		t.Fatal(err)
	}
	return rec
}

func TestAStoppedJobsPinIsThereAfterARestart(t *testing.T) {
	store, c := objstore.NewMem(), &clock{}
	m := manager(t, store, c)
	path := pushTable(t, m)
	commits(t, m, path, 5)
	rec := checkpointed(t, m, path, 3)
	m.Stop(t.Context())

	m = manager(t, store, c)
	if id, ok := m.pins.oldest(path); !ok || id != 3 {
		t.Fatalf("holds %d %v, want 3", id, ok)
	}
	// Another job's pin does not pass it.
	m.pins.set(t.Context(), "other", map[string]int64{path: 5})
	if got := consumers(t, store, path); got[path] != 3 {
		t.Errorf("consumer at %v, want 3", got)
	}
	m.Stop(t.Context())
	// Of a damaged checkpoint, with a statement that cannot be bound any more, nothing is known: nothing moves.
	if err := store.Put(t.Context(), stateKey(rec.ID, 3), []byte("weirckp1zzzzzzzz")); err != nil {
		t.Fatal(err)
	}
	m = manager(t, store, c)
	m.pins.set(t.Context(), "other", map[string]int64{path: 5})
	if got := consumers(t, store, path); got[path] != 3 {
		t.Errorf("consumer at %v, want 3", got)
	}
}

func TestAPinTooOldIsReleasedAfterAnAlarm(t *testing.T) {
	store, c := objstore.NewMem(), &clock{}
	m := manager(t, store, c)
	path := pushTable(t, m)
	commits(t, m, path, 5)
	rec := checkpointed(t, m, path, 3)
	m.restorePins(t.Context(), []epoch.JobRecord{rec})
	m.pins.flush(t.Context())
	look := func() (held bool) {
		t.Helper()
		if err := m.agePins(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, held = m.pins.oldest(path)
		return held
	}
	if a := m.pins.age(rec.ID); !look() || a != nil {
		t.Fatalf("age %+v at the start", a)
	}
	c.forward(time.Duration(pinAlarm*float64(pinAgeDefault)) + time.Hour)
	if !look() {
		t.Fatal("released before its time")
	}
	if a := m.pins.age(rec.ID); a == nil || !a.alarmed || a.table != path || a.snapshot != 3 {
		t.Errorf("age %+v, want an alarm", a)
	}
	c.forward(pinAgeDefault)
	if look() {
		t.Error("held beyond its limit")
	}
	if got := consumers(t, store, path); len(got) != 0 {
		t.Errorf("consumer %v is left", got)
	}
	if n := m.pins.released.Load(); n != 1 {
		t.Errorf("%d released", n)
	}
	if lines, err := m.Logs(rec.ID); err == nil && len(lines) != 1 {
		t.Errorf("log %v", lines)
	}
}

func TestAPinOnTheNewestVersionHasNoAge(t *testing.T) {
	store, c := objstore.NewMem(), &clock{}
	m := manager(t, store, c)
	path := pushTable(t, m)
	commits(t, m, path, 2)
	rec := checkpointed(t, m, path, 2)
	m.restorePins(t.Context(), []epoch.JobRecord{rec})
	c.forward(10 * pinAgeDefault)
	if err := m.agePins(t.Context()); err != nil {
		t.Fatal(err)
	}
	if id, ok := m.pins.oldest(path); !ok || id != 2 {
		t.Errorf("an idle table's pin was let go: %d %v", id, ok)
	}
}
