package replay

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/weir-lake/weir/compute/connector"
)

// DefaultSpeed is one event hour a second.
const DefaultSpeed = 3600

// Options of a replay. The zero value but for Time plays at DefaultSpeed to the end.
type Options struct {
	Time  string    // name of the event-time column, TIMESTAMP or TIMESTAMP_LTZ
	Query string    // SELECT that gives the rows; empty: the rows of the files themselves
	Speed float64   // event seconds a second; 0 means DefaultSpeed, +Inf as fast as they are taken
	Until time.Time // only rows with an earlier time are played; zero means all
}

// ReadOptions reads 'replay.time', 'replay.query', 'replay.speed' and 'replay.until'.
// It returns false if the table is not a replay.
func ReadOptions(r *connector.OptionReader) (Options, bool) {
	o := Options{Time: r.String("replay.time", ""), Query: r.String("replay.query", ""), Speed: DefaultSpeed}
	speed, until := r.String("replay.speed", ""), r.String("replay.until", "")
	if o.Time == "" {
		for _, k := range []string{"replay.query", "replay.speed", "replay.until"} {
			if r.Has(k) {
				r.Fail(k, "'replay.time' must name the event-time column too")
			}
		}
		return o, false
	}
	switch v, err := strconv.ParseFloat(strings.TrimSpace(speed), 64); {
	case strings.EqualFold(strings.TrimSpace(speed), "max"):
		o.Speed = math.Inf(1)
	case speed != "" && (err != nil || !(v > 0) || math.IsInf(v, 0)):
		r.Fail("replay.speed", "expected the event seconds to play in a second, like 3600, or max")
	case speed != "":
		o.Speed = v
	}
	if until != "" {
		t, err := ParseTime(until)
		if err != nil {
			r.Fail("replay.until", "expected a time like 2026-01-31 23:59:59")
		}
		o.Until = t
	}
	return o, true
}

// ParseTime reads a date or timestamp as SQL writes it, in UTC.
func ParseTime(s string) (time.Time, error) {
	s = strings.TrimSuffix(strings.TrimSpace(s), "Z")
	if t, err := time.Parse("2006-01-02 15:04:05", s); err == nil { // also takes a fraction
		return t, nil
	}
	return time.Parse(time.DateOnly, s)
}
