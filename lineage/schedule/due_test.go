package schedule

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// text of a decision: the ticks to run, and what is skipped.
func decision(run []Tick, skip *Skipped) string {
	out := ""
	if skip != nil {
		out = fmt.Sprintf("skip %d: %s..%s; ", skip.Count, skip.First.Format("02T15:04"), skip.Last.Format("02T15:04"))
	}
	for _, r := range run {
		out += "run " + r.At.Format("02T15:04") + " "
	}
	return strings.TrimSpace(out)
}

func TestDue(t *testing.T) {
	hourly := line(t, "0 * * * *", "UTC")
	for _, c := range []struct {
		name            string
		policy          Policy
		until, now      string
		all, last, none string
	}{
		{"before the tick", Policy{}, "02T03:00", "02T03:59", "", "", ""},
		{"at the tick", Policy{}, "02T03:00", "02T04:00", "run 02T04:00", "run 02T04:00", "run 02T04:00"},
		{"in the minute after it", Policy{}, "02T03:00", "02T04:01", "run 02T04:00", "run 02T04:00", "run 02T04:00"},
		{"later", Policy{}, "02T03:00", "02T04:02", "run 02T04:00", "run 02T04:00", "skip 1: 02T04:00..02T04:00;"},
		{"three missed", Policy{}, "02T03:00", "02T06:30", "run 02T04:00 run 02T05:00 run 02T06:00",
			"skip 2: 02T04:00..02T05:00; run 02T06:00", "skip 3: 02T04:00..02T06:00;"},
		{"two missed, the third on time", Policy{}, "02T03:00", "02T06:00", "run 02T04:00 run 02T05:00 run 02T06:00",
			"skip 2: 02T04:00..02T05:00; run 02T06:00", "skip 2: 02T04:00..02T05:00; run 02T06:00"},
		{"the clock went back by an hour", Policy{}, "02T06:00", "02T05:10", "", "", ""},
		{"and came again to where it was", Policy{}, "02T06:00", "02T06:10", "", "", ""},
		{"the data's clock goes in steps", Policy{Data: true}, "02T03:00", "02T06:30", "run 02T04:00 run 02T05:00 run 02T06:00",
			"skip 2: 02T04:00..02T05:00; run 02T06:00", "skip 2: 02T04:00..02T05:00; run 02T06:00"},
		{"a delay", Policy{Delay: 2 * time.Hour}, "02T03:00", "02T05:59", "", "", ""},
		{"a delay that is over", Policy{Delay: 2 * time.Hour}, "02T03:00", "02T06:00", "run 02T04:00", "run 02T04:00", "run 02T04:00"},
	} {
		now, until := at3339(t, "2024-01-"+c.now+":00Z"), at3339(t, "2024-01-"+c.until+":00Z")
		for catch, want := range map[CatchUp]string{CatchUpAll: c.all, CatchUpLast: c.last, CatchUpNone: c.none} {
			p := c.policy
			p.Line, p.CatchUp = hourly, catch
			if got := decision(p.Due(now, until, 100)); got != want {
				t.Errorf("%s, %s: got %q, want %q", c.name, catch, got, want)
			}
		}
	}
}

// Ticks are given in parts, and each part is where the one before ended.
func TestDueInParts(t *testing.T) {
	p := Policy{Line: line(t, "0 3 * * *", "Europe/Berlin"), CatchUp: CatchUpAll}
	until, now := at3339(t, "2024-01-01T12:00:00Z"), at3339(t, "2024-12-31T12:00:00Z")
	end, n := p.Line.Prev(until), 0
	for {
		run, skip := p.Due(now, until, 30)
		if skip != nil {
			t.Fatalf("skipped %+v", skip)
		}
		if len(run) == 0 {
			break
		}
		for _, r := range run {
			if !r.From.Equal(end) || !r.At.After(r.From) {
				t.Fatalf("tick %s covers from %s, the one before ended at %s", r.At, r.From, end)
			}
			end = r.At
			n++
		}
		until = end
	}
	if n != 365 {
		t.Errorf("%d ticks, want 365", n)
	}
}

// However far a clock jumps, a decision is bounded and none of it is lost without a word.
func TestDueIsBounded(t *testing.T) {
	p := Policy{Line: line(t, "* * * * *", "UTC"), CatchUp: CatchUpAll}
	until := at3339(t, "2024-01-01T00:00:00Z")
	run, skip := p.Due(at3339(t, "2024-01-20T00:00:00Z"), until, 50_000)
	if len(run) != missedMax || skip == nil || skip.Count != 19*1440-missedMax || !skip.Last.Equal(run[0].From) {
		t.Errorf("%d ticks run, skipped %+v", len(run), skip)
	}
	p.Line = line(t, "0 * * * *", "UTC")
	run, skip = p.Due(at3339(t, "9999-01-01T00:00:00Z"), until, 5)
	if len(run) != 5 || skip == nil || skip.Count != 0 || !skip.First.Equal(until.Add(time.Hour)) || !skip.Last.Equal(run[0].From) {
		t.Errorf("%+v, skipped %+v", run, skip)
	}
	if from := at3339(t, "9999-01-01T00:00:00Z").Add(-missedSpan); run[0].At.Before(from) {
		t.Errorf("a jump to the year 9999 looks back to %s", run[0].At)
	}
}
