package connector

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// slow is a source whose answers take their time and honour their context.
type slow struct {
	takes  time.Duration
	polls  int
	closed bool
	fail   error
}

func (s *slow) nap(ctx context.Context) error {
	select {
	case <-time.After(s.takes):
		return s.fail
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *slow) Poll(ctx context.Context, from Offsets, _ int) (Offsets, bool, error) {
	s.polls++
	if err := s.nap(ctx); err != nil {
		return nil, false, err
	}
	to := from.Clone()
	to["s"] += "x"
	return to, len(to["s"]) == 3, nil
}

func (s *slow) Read(ctx context.Context, _, _ Offsets, _ func(Chunk) error) error { return s.nap(ctx) }
func (s *slow) Commit(ctx context.Context, _ Offsets) error                       { return ctx.Err() }
func (s *slow) Close() error                                                      { s.closed = true; return nil }

func TestBackgroundPollReturnsSoonAndLosesNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &slow{takes: time.Second}
		b := Background(src)
		var from Offsets
		start, empty := time.Now(), 0
		for end := false; !end; {
			before := time.Now()
			to, e, err := b.Poll(t.Context(), from, 1)
			if err != nil || time.Since(before) > pollWait {
				t.Fatalf("poll took %s: %v", time.Since(before), err)
			}
			if len(to["s"]) == len(from["s"]) {
				empty++
			}
			from, end = to, e
		}
		if from["s"] != "xxx" || src.polls != 3 || empty < 100 {
			t.Errorf("reached %v by %d polls, %d of them without an answer", from, src.polls, empty)
		}
		if d := time.Since(start); d < 3*time.Second || d > 4*time.Second {
			t.Errorf("three answers took %s", d)
		}
		if err := b.Close(); err != nil || !src.closed {
			t.Errorf("close: %v", err)
		}
	})
}

func TestBackgroundForgetsTheAnswerToAnotherQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := Background(&slow{takes: time.Second})
		if to, _, err := b.Poll(t.Context(), Offsets{"s": "old"}, 1); err != nil || to["s"] != "old" {
			t.Fatal(to, err)
		}
		var to Offsets
		for i := 0; to["s"] != "newx"; i++ {
			var err error
			if to, _, err = b.Poll(t.Context(), Offsets{"s": "new"}, 1); err != nil || i > 1000 || to["s"] == "oldx" {
				t.Fatalf("poll %d: %v %v", i, to, err)
			}
			time.Sleep(pollWait) // of the bubble: it lets the clock go on
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestBackgroundErrorsAndCancellation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &slow{takes: time.Second, fail: errors.New("no broker")}
		b := Background(src)
		var err error
		for range 1000 {
			if _, _, err = b.Poll(t.Context(), nil, 1); err != nil {
				break
			}
		}
		if !errors.Is(err, src.fail) {
			t.Errorf("the error of a poll is given at a later one: %v", err)
		}
		// A reader gives up by its own context while a poll has the source.
		src.fail, src.takes = nil, time.Hour
		if _, _, err := b.Poll(t.Context(), nil, 1); err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.Read(ctx, nil, nil, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("read: %v", err)
		}
		if _, _, err := b.Poll(ctx, nil, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("poll: %v", err)
		}
		start := time.Now()
		if err := b.Close(); err != nil || !src.closed || time.Since(start) > time.Second {
			t.Errorf("close with a poll under way took %s: %v", time.Since(start), err)
		}
	})
}
