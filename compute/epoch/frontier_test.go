package epoch

import (
	"context"
	"testing"
	"time"
)

// chain is source -> a -> b: job A writes a from a connector, job B writes b from a.
func chain() *Frontier {
	f := NewFrontier(10)
	f.Register("A", "a", nil, 11)
	f.Register("B", "b", []string{"a"}, 11)
	return f
}

func servable(t *testing.T, f *Frontier, want int64, tables ...string) {
	t.Helper()
	if e, blame := f.Servable(tables...); e != want {
		t.Errorf("servable of %v is %d (%s), want %d", tables, e, blame, want)
	}
}

func TestIdleWritersNeverHoldACut(t *testing.T) {
	f := chain()
	f.Advance(20)
	servable(t, f, 20, "a", "b", "elsewhere")
}

func TestCutWaitsForEveryStage(t *testing.T) {
	f := chain()
	f.Pending("A", 11)
	f.Advance(11)
	servable(t, f, 10, "a", "b")
	f.Done("A", Interval{11, 11}, true)
	servable(t, f, 11, "a")
	servable(t, f, 10, "a", "b")
	if e, blame := f.Servable("b"); e != 10 || blame != "B" {
		t.Errorf("b at %d blames %q", e, blame)
	}
	if upTo, pending := f.Inputs("B"); upTo != 11 || len(pending) != 1 || pending[0] != 11 {
		t.Errorf("inputs of B: %d %v", upTo, pending)
	}
	f.Done("B", Interval{11, 11}, false) // filtered everything: complete without a snapshot
	servable(t, f, 11, "a", "b")
}

// A table that coalesces [11,14] cannot be shown at 12; the other table must not be ahead of it.
func TestCutAvoidsTheInsideOfCommits(t *testing.T) {
	f := NewFrontier(10)
	f.Register("A", "a", nil, 11)
	f.Register("C", "c", nil, 11)
	f.Pending("A", 11, 12, 13, 14)
	f.Pending("C", 11, 12, 13)
	f.Advance(14)
	f.Done("A", Interval{11, 14}, true)
	f.Done("C", Interval{11, 12}, true)
	servable(t, f, 14, "a")
	servable(t, f, 12, "c")
	servable(t, f, 10, "a", "c")
	f.Done("C", Interval{13, 14}, true)
	servable(t, f, 14, "a", "c")
}

func TestStoppedWriterFreezesItsTable(t *testing.T) {
	f := chain()
	f.Pending("A", 11)
	f.Advance(15)
	servable(t, f, 10, "a")
	f.Remove("A")
	servable(t, f, 15, "a", "b")
}

func TestGateOrdersWritersByEpoch(t *testing.T) {
	f := NewFrontier(10)
	f.Register("A", "a", nil, 11)
	f.Register("P", "a", nil, 11)
	f.Pending("A", 11)
	f.Pending("P", 12)
	f.Advance(12)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := f.Gate(ctx, "P", 12); err == nil {
		t.Fatal("P committed epoch 12 before A completed 11")
	}
	if err := f.Gate(t.Context(), "A", 11); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- f.Gate(t.Context(), "P", 12) }()
	f.Done("A", Interval{11, 11}, true)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestForeignSnapshotReachesReaders(t *testing.T) {
	f := chain()
	f.Foreign("a", 12)
	f.Advance(12)
	if _, pending := f.Inputs("B"); len(pending) != 1 || pending[0] != 12 {
		t.Fatalf("pending %v", pending)
	}
	servable(t, f, 11, "b")
}

func TestStandingNamesWhoHoldsAWriterUp(t *testing.T) {
	f := NewFrontier(0)
	f.Register("up", "t1", nil, 1)
	f.Register("down", "t2", []string{"t1"}, 1)
	f.Register("other", "t2", nil, 1)
	f.Pending("up", 2)
	f.Pending("other", 2)
	f.Pending("down", 3)
	f.Advance(4)
	if got, want := f.Standing("down"), (Standing{UpTo: 1, Pending: 1, Oldest: 3, HeldBy: "up", Beside: "other"}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	f.Done("up", Interval{2, 2}, false)
	f.Done("other", Interval{2, 2}, true)
	if got, want := f.Standing("down"), (Standing{UpTo: 4, Pending: 1, Oldest: 3}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := f.Standing("nobody"); got != (Standing{}) {
		t.Errorf("%+v of an unknown writer", got)
	}
}
