package schedule

import "time"

// CatchUp says which of the ticks that were missed are made up.
type CatchUp string

// The ways to catch up.
const (
	CatchUpAll  CatchUp = "all"  // every one, in order
	CatchUpLast CatchUp = "last" // the newest alone
	CatchUpNone CatchUp = "none" // none: a tick is run on time or not at all
)

const (
	// onTimeMax is how late after its moment a tick of the wall's clock still counts as on time: longer than a loaded
	// service takes to look at its clock, shorter than anybody calls missed.
	onTimeMax = time.Minute
	// missedMax bounds the ticks that are made up: more than a year of hours. Older ones are recorded as skipped.
	missedMax = 10_000
	// missedSpan bounds how far back ticks are looked at all: a clock that jumps by centuries must not keep the
	// service counting minutes.
	missedSpan = 366 * day
)

// Policy is when a backfill's ticks are run.
type Policy struct {
	Line    *Line
	CatchUp CatchUp
	// Delay is how long after its tick a run begins, for data that comes late.
	Delay time.Duration
	// Data says that the clock is a table's watermark. Such a clock stands still while nothing runs and goes in steps,
	// so its newest tick is always on time.
	Data bool
}

// Tick is a moment of a cron line and the interval that it covers, from the tick before.
type Tick struct {
	From time.Time
	At   time.Time
}

// Skipped are ticks that are not run, from First to Last.
type Skipped struct {
	First, Last time.Time
	Count       int // 0: nobody counted
}

// Due is what a clock at now makes of the ticks after until, the newest tick decided before: those to run, oldest first
// and at most limit of them, and those to skip before them. Later calls, with until moved on, give the rest. A clock
// that shows less than before makes nothing due.
func (p Policy) Due(now, until time.Time, limit int) (run []Tick, skip *Skipped) {
	now = now.Add(-p.Delay)
	if now.Sub(until) > missedSpan {
		first := p.Line.Next(until)
		if first.IsZero() || first.After(now) {
			return nil, nil
		}
		until = now.Add(-missedSpan)
		skip = &Skipped{First: first, Last: first}
		if last := p.Line.Prev(until.Add(1)); last.After(first) {
			skip.Last = last
		}
	}
	var due []time.Time
	for at := p.Line.Next(until); !at.IsZero() && !at.After(now); at = p.Line.Next(at) {
		due = append(due, at)
	}
	keep := len(due)
	switch {
	case p.CatchUp == CatchUpAll:
		keep = min(keep, missedMax)
	case p.CatchUp == CatchUpNone && !p.onTime(now, due):
		keep = 0
	default:
		keep = min(keep, 1)
	}
	if missed := due[:len(due)-keep]; len(missed) > 0 {
		if skip == nil {
			skip = &Skipped{First: missed[0], Count: len(missed)}
		}
		skip.Last = missed[len(missed)-1]
	}
	for _, at := range due[len(due)-keep:] {
		if len(run) == limit {
			break
		}
		t := Tick{From: p.Line.Prev(at), At: at}
		if t.From.IsZero() {
			t.From = until // there was no tick before: a line of February 29th, at first
		}
		run = append(run, t)
	}
	return run, skip
}

// onTime reports whether the newest of the ticks due has just come.
func (p Policy) onTime(now time.Time, due []time.Time) bool {
	return len(due) > 0 && (p.Data || now.Sub(due[len(due)-1]) <= onTimeMax)
}
