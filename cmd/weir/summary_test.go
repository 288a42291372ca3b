package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weir-lake/weir/examples/flights"
	"github.com/weir-lake/weir/lineage/schedule"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/snapshot"
)

// caughtUp waits until the demo's backfill has seen the newest watermark of the events and has run what is due by it.
func caughtUp(t *testing.T, e *engine, limit time.Duration) {
	t.Helper()
	newest, err := snapshot.NewManager(objstore.Sub(e.store, "default.db/flight_events"), "").Latest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(limit)
	for {
		b, err := e.back.Show(flights.Backfill)
		if err != nil {
			t.Fatal(err)
		}
		if b.Error != "" {
			t.Fatal(b.Error)
		}
		seen := b.Now != nil && !b.Now.Before(time.UnixMilli(*newest.Watermark))
		if seen && b.Running == "" && b.Next.Add(48*time.Hour).After(*b.Now) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the backfill does not catch up: %+v", b)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// ranTicks counts the ticks of the demo's backfill, each run to its end once, and the snapshots they made.
func (e *engine) ranTicks(t *testing.T) (ticks, snapshots int) {
	t.Helper()
	runs, err := e.back.History(t.Context(), flights.Backfill, 1000)
	if err != nil {
		t.Fatal(err)
	}
	at, made := map[time.Time]bool{}, map[int64]bool{}
	for _, r := range runs {
		if r.Kind != schedule.KindTick || r.State != schedule.Done || at[*r.Tick] || strings.Contains(r.Progress, ".") {
			t.Errorf("run %s: %s %s %s %s", r.ID, r.Kind, r.State, r.Progress, r.Error)
		}
		at[*r.Tick] = true
		for _, s := range r.Snapshots {
			made[s] = true
		}
	}
	if rows := weirRows(t, e, fmt.Sprintf("sys.backfill_runs WHERE backfill = '%s' AND state = 'done'", flights.Backfill)); len(rows) != len(runs) {
		t.Errorf("sys.backfill_runs has %d rows of %d runs", len(rows), len(runs))
	}
	return len(at), len(made)
}
