package schedule

import (
	"strconv"
	"strings"
	"time"

	"github.com/weir-lake/weir/internal/errkind"
)

// Length is a length of time on the calendar of UTC. The zero Length is no length.
type Length struct {
	Months int
	Time   time.Duration
}

// lengthUnits are the units that ParseLength takes.
var lengthUnits = []struct {
	name string
	of   Length
}{
	{"min", Length{Time: time.Minute}}, {"mo", Length{Months: 1}}, {"m", Length{Time: time.Minute}}, {"h", Length{Time: time.Hour}},
	{"d", Length{Time: day}}, {"w", Length{Time: 7 * day}}, {"y", Length{Months: 12}},
}

// lengthMax bounds the number before the unit: longer ones are mistakes.
const lengthMax = 10_000

// ParseLength reads a number and a unit: 30m, 6h, 1d, 1w, 1mo, 1y. Empty text is no length.
func ParseLength(text string) (Length, error) {
	if text == "" {
		return Length{}, nil
	}
	for _, u := range lengthUnits {
		digits, ok := strings.CutSuffix(text, u.name)
		if !ok {
			continue
		}
		n, err := strconv.Atoi(digits)
		if err != nil || n < 1 || n > lengthMax {
			break
		}
		return Length{Months: n * u.of.Months, Time: time.Duration(n) * u.of.Time}, nil
	}
	return Length{}, errkind.Errorf(errkind.Invalid, "'%s' is no length of time: want a number and a unit, as in 30m, 6h, 1d, 1w or 1mo", text)
}

// IsZero reports no length.
func (l Length) IsZero() bool { return l == Length{} }

// String is the length as ParseLength reads it.
func (l Length) String() string {
	for _, u := range []struct {
		of   Length
		name string
	}{{Length{Months: 12}, "y"}, {Length{Months: 1}, "mo"}, {Length{Time: 7 * day}, "w"}, {Length{Time: day}, "d"}, {Length{Time: time.Hour}, "h"}, {Length{Time: time.Minute}, "m"}} {
		switch {
		case u.of.Months > 0 && l.Months > 0 && l.Months%u.of.Months == 0:
			return strconv.Itoa(l.Months/u.of.Months) + u.name
		case u.of.Time > 0 && l.Time > 0 && l.Time%u.of.Time == 0:
			return strconv.FormatInt(int64(l.Time/u.of.Time), 10) + u.name
		}
	}
	return ""
}

// After is the moment this length after t.
func (l Length) After(t time.Time) time.Time { return t.UTC().AddDate(0, l.Months, 0).Add(l.Time) }

// Span is the time from From, up to but without To.
type Span struct {
	From, To time.Time
}

// String is the span as an ISO 8601 interval.
func (s Span) String() string { return stamp(s.From) + "/" + stamp(s.To) }

// Covers reports whether the other span lies in this one.
func (s Span) Covers(o Span) bool { return !o.From.Before(s.From) && !o.To.After(s.To) }

// stamp is how moments are written in properties and names.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// slicesMax bounds the slices of one run: days of a quarter of a century.
const slicesMax = 10_000

// Slices cuts a span into pieces of a length, counted from its start; no length leaves it whole. What remains at the
// end and is shorter than half a piece goes to the piece before: a day on which clocks are changed has an hour more or
// less, and stays one slice.
func Slices(s Span, every Length) ([]Span, error) {
	if !s.From.Before(s.To) {
		return nil, errkind.Errorf(errkind.Invalid, "the range %s is empty: its end must lie after its start", s)
	}
	if every.IsZero() {
		return []Span{s}, nil
	}
	var out []Span
	for n, at := 1, s.From; at.Before(s.To); n++ {
		if len(out) == slicesMax {
			return nil, errkind.Errorf(errkind.Invalid, "the range %s has more than %d slices of %s: run it in parts, or in longer slices", s, slicesMax, every)
		}
		to := Length{Months: n * every.Months, Time: time.Duration(n) * every.Time}.After(s.From)
		if rest := s.To.Sub(to); rest < to.Sub(at)/2 {
			to = s.To
		}
		out = append(out, Span{at, to})
		at = to
	}
	return out, nil
}
