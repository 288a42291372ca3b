package stream

import (
	"time"

	"github.com/apache/arrow-go/v18/arrow"
)

// localClock maps instants to the session zone's wall clock, counted as if it were UTC:
// TIMESTAMP columns and windows count in it.
type localClock struct{ zone *time.Location }

func newLocalClock(zone *time.Location) localClock {
	if zone == nil {
		zone = time.UTC
	}
	return localClock{zone}
}

func (c localClock) local(t time.Time) time.Time {
	_, offset := t.In(c.zone).Zone()
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

func (c localClock) localMillis(t time.Time) int64 { return c.local(t).UnixMilli() }

// localOf is the wall clock, in milliseconds, of an instant in milliseconds.
func (c localClock) localOf(millis int64) int64 {
	if c.zone == time.UTC {
		return millis
	}
	return c.localMillis(time.UnixMilli(millis))
}

// toMillis converts a timestamp to milliseconds, rounding down.
func toMillis(v int64, unit arrow.TimeUnit) int64 {
	switch unit {
	case arrow.Second:
		return v * 1000
	case arrow.Millisecond:
		return v
	case arrow.Microsecond:
		return floorDiv(v, 1000)
	default:
		return floorDiv(v, 1_000_000)
	}
}

// microsUp converts a timestamp to microseconds, rounding up: for a clock in whole
// microseconds, t <= clock and t > clock are then as they were.
func microsUp(v int64, unit arrow.TimeUnit) int64 {
	const most = 1<<63 - 1
	switch unit {
	case arrow.Second:
		return saturate(v, 1_000_000, most)
	case arrow.Millisecond:
		return saturate(v, 1000, most)
	case arrow.Microsecond:
		return v
	default:
		return -floorDiv(-v, 1000)
	}
}

func saturate(v, by, most int64) int64 {
	switch {
	case v > most/by:
		return most
	case v < -most/by:
		return -most
	default:
		return v * by
	}
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// instant is the moment, in microseconds, at which the wall clock shows the given one. Of
// two such moments, when clocks go back, it is the first.
func (c localClock) instant(localMicros int64) int64 {
	u := time.UnixMicro(localMicros).UTC()
	return time.Date(u.Year(), u.Month(), u.Day(), u.Hour(), u.Minute(), u.Second(), u.Nanosecond(), c.zone).UnixMicro()
}
