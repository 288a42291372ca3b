package schedule

import (
	"strings"
	"time"

	"github.com/go-co-op/gocron/v2"

	"github.com/weir-lake/weir/internal/errkind"
)

// Line is a cron line in a time zone. Each time of the line that a clock on the wall shows is one tick, so a daily line
// has one tick a day: a time that is skipped when clocks go forward ticks at the moment they do, and one that is shown
// twice when they go back ticks the first time. Make it with ParseLine.
type Line struct {
	cron gocron.Cron // over times on the wall, written as UTC
	zone *time.Location
	text string
}

// ParseLine reads the five fields of a cron line (minute, hour, day of month, month, day of week), or @hourly, @daily
// and the like. The zone is a name of the IANA database; empty means UTC.
func ParseLine(text, zone string) (*Line, error) {
	if zone == "" {
		zone = "UTC"
	}
	loc, err := time.LoadLocation(zone)
	if err != nil || zone == "Local" {
		return nil, errkind.Errorf(errkind.Invalid, "timezone '%s': not a time zone; use a name such as 'Europe/Berlin' or 'UTC'", zone)
	}
	text = strings.Join(strings.Fields(text), " ")
	switch {
	case strings.Contains(text, "TZ="):
		return nil, errkind.Errorf(errkind.Invalid, "cron '%s': name the time zone apart, with timezone", text)
	case strings.HasPrefix(text, "@every"):
		return nil, errkind.Errorf(errkind.Invalid, "cron '%s': @every has no fixed times; write '*/10 * * * *' for every ten minutes", text)
	}
	l := &Line{cron: gocron.NewDefaultCron(false), zone: loc, text: text}
	if err := l.cron.IsValid(text, time.UTC, time.Unix(0, 0).UTC()); err != nil {
		return nil, errkind.Errorf(errkind.Invalid, "cron '%s': %w; want five fields, minute hour day month weekday, as in '0 3 * * *'", text, err)
	}
	return l, nil
}

// String is the line as it was written.
func (l *Line) String() string { return l.text }

// Next is the first tick after t; the zero time when there is none in the next years, as for February 30th.
func (l *Line) Next(t time.Time) time.Time {
	for w := l.cron.Next(l.wall(t)); !w.IsZero(); w = l.cron.Next(w) {
		if at := l.instant(w); at.After(t) {
			return at
		}
	}
	return time.Time{}
}

// looksBack are the distances at which Prev begins to look for the tick before, so that a line that ticks each minute
// is not followed for years.
var looksBack = [...]time.Duration{2 * time.Hour, 2 * day, 9 * day, 33 * day, 368 * day, 9 * 366 * day}

const day = 24 * time.Hour

// Prev is the last tick before t; the zero time when there was none in the years before.
func (l *Line) Prev(t time.Time) time.Time {
	for _, back := range looksBack {
		last := time.Time{}
		for at := l.Next(t.Add(-back)); !at.IsZero() && at.Before(t); at = l.Next(at) {
			last = at
		}
		if !last.IsZero() {
			return last
		}
	}
	return time.Time{}
}

// wall is what a clock on the wall shows at t, written as UTC.
func (l *Line) wall(t time.Time) time.Time {
	t = t.In(l.zone)
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// instant is the first moment at which a clock on the wall shows w; of a time that is skipped, the moment it is skipped.
func (l *Line) instant(w time.Time) time.Time {
	if l.zone == time.UTC {
		return w
	}
	t := time.Date(w.Year(), w.Month(), w.Day(), w.Hour(), w.Minute(), w.Second(), 0, l.zone)
	from, to := t.ZoneBounds()
	switch shown := l.wall(t); {
	case shown.After(w): // by the offset from before the change
		return from.UTC()
	case shown.Before(w): // by the offset from after it
		return to.UTC()
	}
	if from.IsZero() {
		return t.UTC()
	}
	_, before := from.Add(-1).Zone()
	if first := w.Add(-time.Duration(before) * time.Second); first.Before(from) {
		return first.UTC()
	}
	return t.UTC()
}
