package connectortest

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/internal/errkind"
)

// SinkSpec is an exactly-once sink under test. Each subtest gets a new outside.
type SinkSpec struct {
	// New makes an empty outside and returns how to look at it.
	New func(t *testing.T) Outside
}

// Outside is the system a sink writes to, for one job.
type Outside struct {
	// Open opens the sink as a new owner of the job would.
	Open func(t *testing.T) connector.Sink
	// Rows are the rows that readers see.
	Rows func(t *testing.T) []string
	// Chunk is n rows, different for every number from `from` on.
	Chunk func(t *testing.T, from, n int) connector.Chunk
}

// Sink runs the suite of exactly-once sinks.
func Sink(t *testing.T, spec SinkSpec) {
	t.Run("EmptyHoldsNothing", spec.empty)
	t.Run("AnEpochIsHeldOnce", spec.once)
	t.Run("ANewOwnerGoesOn", spec.restart)
	t.Run("AReplacedOwnerStops", spec.fenced)
	t.Run("ANewOwnerKnowsTheEnd", spec.claimed)
	t.Run("Cancellation", spec.cancelled)
}

func (o Outside) open(t *testing.T) connector.Sink {
	t.Helper()
	s := o.Open(t)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	if g := s.Guarantee(); g != connector.ExactlyOnce {
		t.Errorf("guarantee %s, want %s", g, connector.ExactlyOnce)
	}
	return s
}

func (o Outside) write(t *testing.T, s connector.Sink, at connector.Progress, rows ...connector.Chunk) {
	t.Helper()
	if err := s.Write(t.Context(), at, rows); err != nil {
		t.Fatalf("write %v: %v", at, err)
	}
}

func (o Outside) holds(t *testing.T, n int) {
	t.Helper()
	rows := o.Rows(t)
	slices.Sort(rows)
	if len(rows) != n || len(slices.Compact(rows)) != n {
		t.Errorf("readers see %d rows, %d of them different; want %d", len(rows), len(slices.Compact(rows)), n)
	}
}

func progress(t *testing.T, s connector.Sink) connector.Progress {
	t.Helper()
	p, err := s.Progress(t.Context())
	if err != nil {
		t.Fatalf("progress: %v", err)
	}
	return p
}

func (s SinkSpec) empty(t *testing.T) {
	o := s.New(t)
	w := o.open(t)
	if p := progress(t, w); p != (connector.Progress{}) {
		t.Errorf("progress of a new job: %v", p)
	}
	o.write(t, w, connector.Progress{Epoch: 1, Term: 1})
	o.holds(t, 0)
}

func (s SinkSpec) once(t *testing.T) {
	o := s.New(t)
	w := o.open(t)
	first, second := o.Chunk(t, 0, 3), o.Chunk(t, 3, 2)
	o.write(t, w, connector.Progress{Epoch: 4, Term: 1}, first, second)
	for _, epoch := range []int64{4, 3, 1} {
		o.write(t, w, connector.Progress{Epoch: epoch, Term: 1}, first)
	}
	o.write(t, w, connector.Progress{Epoch: 9, Term: 1}, o.Chunk(t, 5, 1))
	if p := progress(t, w); p.Epoch != 9 {
		t.Errorf("progress %v, want epoch 9", p)
	}
	o.holds(t, 6)
}

func (s SinkSpec) restart(t *testing.T) {
	o := s.New(t)
	for owner := range int64(4) {
		w := o.open(t)
		if p := progress(t, w); p.Epoch != owner*2 || p.Term != owner {
			t.Fatalf("owner %d finds %v", owner, p)
		}
		at := connector.Progress{Epoch: owner * 2, Term: owner + 1}
		if owner > 0 {
			o.write(t, w, at, o.Chunk(t, 900, 5)) // what the owner before has written
		}
		for range 2 {
			at.Epoch++
			o.write(t, w, at, o.Chunk(t, 10*int(at.Epoch), 3))
		}
	}
	o.holds(t, 24)
}

func (s SinkSpec) fenced(t *testing.T) {
	o := s.New(t)
	old := o.open(t)
	o.write(t, old, connector.Progress{Epoch: 1, Term: 1}, o.Chunk(t, 0, 2))
	next := o.open(t)
	o.write(t, next, connector.Progress{Epoch: 2, Term: 2}, o.Chunk(t, 2, 2))
	err := old.Write(t.Context(), connector.Progress{Epoch: 2, Term: 1}, []connector.Chunk{o.Chunk(t, 2, 2)})
	if !errkind.Is(err, errkind.Conflict) {
		t.Errorf("the replaced owner: %v, want a conflict", err)
	}
	o.write(t, next, connector.Progress{Epoch: 3, Term: 2}, o.Chunk(t, 4, 2))
	late := o.open(t) // reads progress, but holds a term that was passed
	if err := late.Write(t.Context(), connector.Progress{Epoch: 4, Term: 1}, []connector.Chunk{o.Chunk(t, 6, 2)}); !errkind.Is(err, errkind.Conflict) {
		t.Errorf("a lower term: %v, want a conflict", err)
	}
	o.holds(t, 6)
}

// claimed: once a new owner has learnt how far the job came, an earlier one cannot go on.
func (s SinkSpec) claimed(t *testing.T) {
	claim := func(w connector.Sink, term int64) error {
		if c, ok := w.(connector.Claimer); ok {
			return c.Claim(t.Context(), term)
		}
		return nil // it takes the rows when it is opened
	}
	o := s.New(t)
	old := o.open(t)
	if err := claim(old, 1); err != nil {
		t.Fatal(err)
	}
	o.write(t, old, connector.Progress{Epoch: 1, Term: 1}, o.Chunk(t, 0, 2))
	next := o.open(t)
	for range 2 { // a second attempt of the same owner takes nothing from it
		if err := claim(next, 2); err != nil {
			t.Fatal(err)
		}
	}
	if p := progress(t, next); p.Epoch != 1 {
		t.Fatalf("progress %v, want epoch 1", p)
	}
	if err := old.Write(t.Context(), connector.Progress{Epoch: 2, Term: 1}, []connector.Chunk{o.Chunk(t, 2, 2)}); !errkind.Is(err, errkind.Conflict) {
		t.Errorf("the replaced owner: %v, want a conflict", err)
	}
	o.write(t, next, connector.Progress{Epoch: 2, Term: 2}, o.Chunk(t, 4, 3))
	o.holds(t, 5)
	if late, ok := o.open(t).(connector.Claimer); ok {
		if err := late.Claim(t.Context(), 1); !errkind.Is(err, errkind.Conflict) {
			t.Errorf("a claim of a lower term: %v, want a conflict", err)
		}
	}
}

func (s SinkSpec) cancelled(t *testing.T) {
	o := s.New(t)
	w := o.open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Write(ctx, connector.Progress{Epoch: 1, Term: 1}, []connector.Chunk{o.Chunk(t, 0, 2)}); !errors.Is(err, context.Canceled) {
		t.Errorf("write with a cancelled context: %v", err)
	}
	again := o.open(t)
	o.write(t, again, connector.Progress{Epoch: 1, Term: 2}, o.Chunk(t, 0, 2))
	o.holds(t, 2)
}
