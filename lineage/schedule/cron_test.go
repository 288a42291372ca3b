package schedule

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weir-lake/weir/internal/errkind"
)

func line(t testing.TB, text, zone string) *Line {
	t.Helper()
	l, err := ParseLine(text, zone)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func at3339(t testing.TB, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		name, line, zone, after, want string
	}{
		{"daily in UTC", "0 3 * * *", "", "2013-01-01T02:00:00Z", "2013-01-01T03:00:00Z 2013-01-02T03:00:00Z"},
		{"the moment itself is not after it", "0 3 * * *", "UTC", "2013-01-01T03:00:00Z", "2013-01-02T03:00:00Z"},
		{"winter and summer", "0 3 * * *", "Europe/Berlin", "2024-03-30T00:00:00Z", "2024-03-30T02:00:00Z 2024-03-31T01:00:00Z 2024-04-01T01:00:00Z"},
		{"a time that is skipped ticks when clocks go forward", "30 2 * * *", "Europe/Berlin", "2024-03-30T12:00:00Z", "2024-03-31T01:00:00Z 2024-04-01T00:30:00Z"},
		{"a time shown twice ticks the first time", "30 2 * * *", "Europe/Berlin", "2024-10-26T12:00:00Z", "2024-10-27T00:30:00Z 2024-10-28T01:30:00Z"},
		{"between the two", "30 2 * * *", "Europe/Berlin", "2024-10-27T01:00:00Z", "2024-10-28T01:30:00Z"},
		{"skipped times are one tick", "*/20 * * * *", "Europe/Berlin", "2024-03-31T00:30:00Z", "2024-03-31T00:40:00Z 2024-03-31T01:00:00Z 2024-03-31T01:20:00Z"},
		{"the hour shown twice", "*/30 * * * *", "Europe/Berlin", "2024-10-27T00:00:00Z", "2024-10-27T00:30:00Z 2024-10-27T02:00:00Z 2024-10-27T02:30:00Z"},
		{"at the change", "0 3 * * *", "Europe/Berlin", "2024-10-26T12:00:00Z", "2024-10-27T02:00:00Z 2024-10-28T02:00:00Z"},
		{"half an hour's change", "15 2 * * *", "Australia/Lord_Howe", "2024-10-05T00:00:00Z", "2024-10-05T15:30:00Z 2024-10-06T15:15:00Z"},
		{"a day that is left out", "0 12 * * *", "Pacific/Apia", "2011-12-29T00:00:00Z", "2011-12-29T22:00:00Z 2011-12-30T10:00:00Z 2011-12-30T22:00:00Z"},
		{"weekdays", "0 9 * * 1-5", "UTC", "2024-03-01T10:00:00Z", "2024-03-04T09:00:00Z 2024-03-05T09:00:00Z"},
		{"leap day", "0 0 29 2 *", "UTC", "2024-03-01T00:00:00Z", "2028-02-29T00:00:00Z"},
		{"by name", "@monthly", "UTC", "2024-03-01T10:00:00Z", "2024-04-01T00:00:00Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, at := line(t, c.line, c.zone), at3339(t, c.after)
			var got []string
			for range strings.Fields(c.want) {
				at = l.Next(at)
				got = append(got, stamp(at))
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("got  %s\nwant %s", strings.Join(got, " "), c.want)
			}
		})
	}
}

func TestLinesRefused(t *testing.T) {
	for _, c := range [][2]string{
		{"", "UTC"}, {"* * * *", "UTC"}, {"0 0 3 * * *", "UTC"}, {"60 * * * *", "UTC"}, {"0 0 30 2 *", "UTC"}, {"@every 1h", "UTC"}, {"CRON_TZ=UTC 0 3 * * *", "UTC"},
		{"TZ=Asia/Tokyo 0 3 * * *", "UTC"}, {"0 3 * * *", "Local"}, {"0 3 * * *", "Mars/Olympus"}, {"@reboot", "UTC"},
	} {
		if _, err := ParseLine(c[0], c[1]); !errkind.Is(err, errkind.Invalid) {
			t.Errorf("'%s' in %s: %v, want Invalid", c[0], c[1], err)
		}
	}
}

// Prev is the inverse of Next, and the intervals between ticks follow each other without gap or overlap, over changes
// of clocks too.
func TestTicksFollowEachOther(t *testing.T) {
	zones := []string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca"}
	lines := []string{"0 3 * * *", "30 2 * * *", "*/7 * * * *", "0 */5 * * *", "15 1,2,3 * * 0", "59 23 L * *", "0 0 1 * *", "@hourly"}
	rapid.Check(t, func(t *rapid.T) {
		l, err := ParseLine(rapid.SampledFrom(lines).Draw(t, "line"), rapid.SampledFrom(zones).Draw(t, "zone"))
		if err != nil {
			t.Skip(err)
		}
		at := time.Unix(rapid.Int64Range(1_000_000_000, 1_900_000_000).Draw(t, "at"), 0).UTC()
		if rapid.Bool().Draw(t, "near a change") {
			if _, to := at.In(l.zone).ZoneBounds(); !to.IsZero() {
				at = to.Add(time.Duration(rapid.IntRange(-10800, 10800).Draw(t, "seconds")) * time.Second).UTC()
			}
		}
		for range 5 {
			next := l.Next(at)
			if !next.After(at) {
				t.Fatalf("the tick after %s is %s", at, next)
			}
			if prev := l.Prev(next); prev.After(at) || !l.Next(prev).Equal(next) {
				t.Fatalf("after %s comes %s, before that %s", at, next, prev)
			}
			at = next
		}
	})
}

func FuzzParseLine(f *testing.F) {
	for _, s := range []string{"0 3 * * *", "*/15 1-5 1,15 * MON", "@daily", "@every 1s", "TZ=UTC * * * * *", "0 0 31 2 *", "* * ? * *"} {
		f.Add(s, "Europe/Berlin")
	}
	from := time.Date(2024, 3, 31, 0, 30, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text, zone string) {
		l, err := ParseLine(text, zone)
		if err != nil {
			if !errkind.Is(err, errkind.Invalid) {
				t.Errorf("%v is not Invalid", err)
			}
			return
		}
		if next := l.Next(from); !next.IsZero() && !next.After(from) {
			t.Errorf("'%s' in %s: after %s comes %s", text, zone, from, next)
		}
	})
}
