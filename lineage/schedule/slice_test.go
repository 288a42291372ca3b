package schedule

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weir-lake/weir/internal/errkind"
)

func TestLengths(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "90m": "90m", "60min": "1h", "6h": "6h", "24h": "1d", "7d": "1w", "8d": "8d", "1mo": "1mo", "12mo": "1y", "2y": "2y",
	} {
		l, err := ParseLength(text)
		if err != nil || l.String() != want {
			t.Errorf("%s is %s, %v, want %s", text, l, err, want)
		}
	}
	for _, text := range []string{"d", "1", "0d", "-1d", "1.5h", "1 d", "99999d", "1s", "1 month", "d1"} {
		if l, err := ParseLength(text); !errkind.Is(err, errkind.Invalid) {
			t.Errorf("'%s' is %s, %v, want Invalid", text, l, err)
		}
	}
}

func TestSlices(t *testing.T) {
	for _, c := range []struct{ from, to, every, want string }{
		{"2024-01-01T00:00:00Z", "2024-01-04T00:00:00Z", "1d", "01-01T00 01-02T00 01-03T00 01-04T00"},
		{"2024-01-01T00:00:00Z", "2024-01-04T00:00:00Z", "", "01-01T00 01-04T00"},
		{"2024-01-01T05:00:00Z", "2024-01-03T05:00:00Z", "1d", "01-01T05 01-02T05 01-03T05"},
		{"2024-10-26T01:00:00Z", "2024-10-27T02:00:00Z", "1d", "10-26T01 10-27T02"}, // 25 hours
		{"2024-03-30T02:00:00Z", "2024-03-31T01:00:00Z", "1d", "03-30T02 03-31T01"}, // 23 hours
		{"2024-01-01T00:00:00Z", "2024-01-02T13:00:00Z", "1d", "01-01T00 01-02T00 01-02T13"},
		{"2024-01-31T00:00:00Z", "2024-04-30T00:00:00Z", "1mo", "01-31T00 03-02T00 03-31T00 04-30T00"},
		{"2024-01-01T00:00:00Z", "2024-04-01T00:00:00Z", "1mo", "01-01T00 02-01T00 03-01T00 04-01T00"},
	} {
		every, err := ParseLength(c.every)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Slices(Span{at3339(t, c.from), at3339(t, c.to)}, every)
		if err != nil {
			t.Fatal(err)
		}
		text := got[0].From.Format("01-02T15")
		for i, s := range got {
			if i > 0 && !s.From.Equal(got[i-1].To) {
				t.Errorf("%v has a gap", got)
			}
			text += " " + s.To.Format("01-02T15")
		}
		if text != c.want {
			t.Errorf("%s to %s by %s: got %s, want %s", c.from, c.to, c.every, text, c.want)
		}
	}
	for _, s := range []Span{{at3339(t, "2024-01-02T00:00:00Z"), at3339(t, "2024-01-02T00:00:00Z")}, {at3339(t, "1990-01-01T00:00:00Z"), at3339(t, "2024-01-01T00:00:00Z")}} {
		if _, err := Slices(s, Length{Time: day}); !errkind.Is(err, errkind.Invalid) {
			t.Errorf("%s: %v, want Invalid", s, err)
		}
	}
}

// Slices cover their span, side by side.
func TestSlicesCover(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := time.Unix(rapid.Int64Range(0, 2_000_000_000).Draw(t, "from"), 0).UTC()
		s := Span{from, from.Add(time.Duration(rapid.Int64Range(1, 400*86400).Draw(t, "seconds")) * time.Second)}
		every := Length{Months: rapid.IntRange(0, 3).Draw(t, "months")}
		if every.Months == 0 {
			every.Time = time.Duration(rapid.IntRange(1, 100).Draw(t, "hours")) * time.Hour
		}
		got, err := Slices(s, every)
		if err != nil {
			t.Fatal(err)
		}
		at := s.From
		for _, p := range got {
			if !p.From.Equal(at) || !p.To.After(p.From) {
				t.Fatalf("%s by %s: %v", s, every, got)
			}
			at = p.To
		}
		if !at.Equal(s.To) {
			t.Fatalf("%s by %s ends at %s", s, every, at)
		}
	})
}

func TestFill(t *testing.T) {
	s := Span{at3339(t, "2024-01-01T03:00:00Z"), at3339(t, "2024-01-02T03:00:00Z")}
	for text, want := range map[string]string{
		"a >= ${start} AND a < ${end}":  "a >= TIMESTAMP '2024-01-01 03:00:00.000' AND a < TIMESTAMP '2024-01-02 03:00:00.000'",
		"'from ${start} it''s ${end}.'": "'from 2024-01-01 03:00:00.000 it''s 2024-01-02 03:00:00.000.'",
		"-- ${start}\n${end}":           "-- ${start}\nTIMESTAMP '2024-01-02 03:00:00.000'",
		"/* ${begin} ' */ 'x' ${start}": "/* ${begin} ' */ 'x' TIMESTAMP '2024-01-01 03:00:00.000'",
		"`${start}` $ {end} '--' $1":    "`${start}` $ {end} '--' $1",
		"1 -- ${":                       "1 -- ${",
	} {
		got, err := Fill(text, s)
		if err != nil || got != want {
			t.Errorf("%s\ngot  %s %v\nwant %s", text, got, err, want)
		}
	}
	for _, text := range []string{"SELECT\n${now}", "SELECT 1,\n ${start", "SELECT\n'${}'"} {
		_, err := Fill(text, s)
		if !errkind.Is(err, errkind.Invalid) || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%s: %v, want Invalid at line 2", text, err)
		}
	}
}

func FuzzFill(f *testing.F) {
	for _, s := range []string{"${start}", "'${end}", "/*", "--", "`${start}`", "${", "'it''s' ${x}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		out, err := Fill(text, sample)
		if err != nil {
			return
		}
		if !strings.Contains(text, "${") && out != text {
			t.Errorf("%q became %q", text, out)
		}
	})
}
