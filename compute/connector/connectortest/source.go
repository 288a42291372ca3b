package connectortest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weir-lake/weir/compute/connector"
)

// SourceSpec is a source under test over data that does not change during the test.
type SourceSpec struct {
	// Open opens a new source over the same data.
	Open func(t *testing.T) connector.Source
	// Rows is how many rows and dead letters the data holds; at least 20 make the suite worthwhile.
	Rows int
	// Unbounded sources never say that they end.
	Unbounded bool
}

// pollDeadline bounds how long a source may take to offer what is there.
const pollDeadline = 30 * time.Second

// Source runs the suite.
func Source(t *testing.T, spec SourceSpec) {
	t.Run("EveryStepSizeGivesTheSameRows", spec.stepSizes)
	t.Run("ReadIsRepeatable", spec.repeatable)
	t.Run("RestartFromAnyPosition", spec.restart)
	t.Run("NothingNewAtTheEnd", spec.end)
	t.Run("Cancellation", spec.cancel)
	t.Run("CallbackErrorStopsTheRead", spec.callbackError)
}

// Step is one epoch's range.
type step struct{ from, to connector.Offsets }

// drain polls until all rows are offered and returns the steps.
func (s SourceSpec) drain(t *testing.T, src connector.Source, from connector.Offsets, maxRows int) []step {
	t.Helper()
	var steps []step
	deadline := time.Now().Add(pollDeadline)
	rows, want := 0, s.Rows
	if from != nil {
		want = -1 // unknown: until nothing new comes
	}
	for time.Now().Before(deadline) {
		to, end, err := src.Poll(t.Context(), from, maxRows)
		if err != nil {
			t.Fatalf("poll from %v: %v", from, err)
		}
		if !Equal(from, to) {
			steps = append(steps, step{from, to})
			rows += len(Read(t, src, from, to))
			from = to
		} else if !end && (want >= 0 && rows >= want || want < 0 && s.Unbounded) {
			end = s.Unbounded
		}
		if end {
			return steps
		}
	}
	t.Fatalf("source did not end: %d of %d rows offered up to %v", rows, s.Rows, from)
	return nil
}

// Equal compares offsets.
func Equal(a, b connector.Offsets) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if w, ok := b[k]; !ok || v != w {
			return false
		}
	}
	return true
}

// Read returns the rows and dead letters of [from, to) as text, in order.
func Read(t *testing.T, src connector.Source, from, to connector.Offsets) []string {
	t.Helper()
	var out []string
	err := src.Read(t.Context(), from, to, func(c connector.Chunk) error {
		out = append(out, Lines(t, c)...)
		return nil
	})
	if err != nil {
		t.Fatalf("read [%v, %v): %v", from, to, err)
	}
	return out
}

// Lines renders a chunk, checking its shape.
func Lines(t *testing.T, c connector.Chunk) []string {
	t.Helper()
	var out []string
	if c.Rows != nil {
		n := int(c.Rows.NumRows())
		if n > connector.MaxChunkRows {
			t.Errorf("chunk of %d rows; at most %d are allowed", n, connector.MaxChunkRows)
		}
		if c.Kinds != nil && len(c.Kinds) != n {
			t.Fatalf("%d kinds for %d rows", len(c.Kinds), n)
		}
		for i := range n {
			out = append(out, connector.KindText(c.KindAt(i))+" "+rowText(c.Rows, i))
		}
	}
	for _, d := range c.Dead {
		out = append(out, fmt.Sprintf("! %s %s %s %q", d.Split, d.Position, d.Reason, d.Raw))
	}
	return out
}

func rowText(r arrow.RecordBatch, row int) string {
	parts := make([]string, r.NumCols())
	for i := range parts {
		parts[i] = r.Column(i).ValueStr(row)
	}
	return strings.Join(parts, "|")
}

func (s SourceSpec) all(t *testing.T, maxRows int) ([]step, []string) {
	t.Helper()
	src := s.Open(t)
	defer closeSource(t, src)
	steps := s.drain(t, src, nil, maxRows)
	var rows []string
	for _, st := range steps {
		rows = append(rows, Read(t, src, st.from, st.to)...)
	}
	return steps, rows
}

func closeSource(t *testing.T, src connector.Source) {
	t.Helper()
	if err := src.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func (s SourceSpec) stepSizes(t *testing.T) {
	var want []string
	for _, maxRows := range []int{1 << 20, 1, 7, 100} {
		steps, rows := s.all(t, maxRows)
		if len(rows) != s.Rows {
			t.Fatalf("max rows %d: %d rows, want %d", maxRows, len(rows), s.Rows)
		}
		if maxRows == 1 && len(steps) < s.Rows/4 {
			t.Errorf("max rows 1 took %d steps for %d rows: the bound is not respected", len(steps), s.Rows)
		}
		slices.Sort(rows)
		if want == nil {
			want = rows
		} else if !slices.Equal(want, rows) {
			t.Errorf("max rows %d gives other rows than one large step", maxRows)
		}
	}
}

func (s SourceSpec) repeatable(t *testing.T) {
	src := s.Open(t)
	defer closeSource(t, src)
	again := s.Open(t)
	defer closeSource(t, again)
	steps := s.drain(t, src, nil, 7)
	for i, st := range steps {
		first, second := Read(t, src, st.from, st.to), Read(t, again, st.from, st.to)
		if !slices.Equal(first, second) {
			t.Fatalf("step %d [%v, %v): a second source reads other rows:\n%s\n%s", i, st.from, st.to, first, second)
		}
	}
	// Backwards, as after a rewind, and over several steps at once.
	last := steps[len(steps)-1]
	whole := Read(t, again, nil, last.to)
	if len(whole) != s.Rows {
		t.Errorf("one read over all steps: %d rows, want %d", len(whole), s.Rows)
	}
	if first := Read(t, again, steps[0].from, steps[0].to); len(first) == 0 {
		t.Error("the first step is empty when it is read again after the last")
	}
}

func (s SourceSpec) restart(t *testing.T) {
	steps, want := s.all(t, 7)
	for i := 0; i < len(steps); i += max(1, len(steps)/5) {
		src := s.Open(t)
		var rows []string
		for _, st := range steps[:i+1] {
			rows = append(rows, Read(t, src, st.from, st.to)...)
		}
		closeSource(t, src)
		fresh := s.Open(t)
		for _, st := range s.drain(t, fresh, steps[i].to, 13) {
			rows = append(rows, Read(t, fresh, st.from, st.to)...)
		}
		closeSource(t, fresh)
		a, b := slices.Sorted(slices.Values(rows)), slices.Sorted(slices.Values(want))
		if !slices.Equal(a, b) {
			t.Fatalf("restarted after step %d at %v: %d rows, want %d", i, steps[i].to, len(rows), len(want))
		}
	}
}

func (s SourceSpec) end(t *testing.T) {
	src := s.Open(t)
	defer closeSource(t, src)
	steps := s.drain(t, src, nil, 1<<20)
	last := steps[len(steps)-1].to
	for range 2 {
		to, end, err := src.Poll(t.Context(), last, 100)
		if err != nil || !Equal(to, last) {
			t.Fatalf("poll at the end: %v, %v; want %v unchanged", to, err, last)
		}
		if end == s.Unbounded {
			t.Errorf("poll at the end says end = %v", end)
		}
	}
	if rows := Read(t, src, last, last); len(rows) != 0 {
		t.Errorf("an empty range holds %d rows", len(rows))
	}
	if err := src.Commit(t.Context(), last); err != nil {
		t.Errorf("commit: %v", err)
	}
}

func (s SourceSpec) cancel(t *testing.T) {
	src := s.Open(t)
	defer closeSource(t, src)
	steps := s.drain(t, src, nil, 1<<20)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := src.Read(ctx, nil, steps[len(steps)-1].to, func(connector.Chunk) error { return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("read with a cancelled context: %v", err)
	}
	if _, _, err := src.Poll(ctx, nil, 10); !errors.Is(err, context.Canceled) {
		t.Errorf("poll with a cancelled context: %v", err)
	}
}

func (s SourceSpec) callbackError(t *testing.T) {
	src := s.Open(t)
	defer closeSource(t, src)
	steps := s.drain(t, src, nil, 1<<20)
	full, calls := errors.New("full"), 0
	err := src.Read(t.Context(), nil, steps[len(steps)-1].to, func(connector.Chunk) error {
		calls++
		return full
	})
	if !errors.Is(err, full) || calls != 1 {
		t.Errorf("callback error: %v after %d calls", err, calls)
	}
}
