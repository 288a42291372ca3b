package schedule

import (
	"strings"
	"testing"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

func TestPartitionTimes(t *testing.T) {
	str, num := schema.TString, schema.TInt
	for _, c := range []struct {
		name    string
		cols    []PartitionColumn
		options map[string]string
		values  string
		want    string
		unit    string
	}{
		{"a date as text", []PartitionColumn{{"dt", str}}, nil, "2024-02-28", "2024-02-28T00:00:00Z/2024-02-29T00:00:00Z", "1d"},
		{"a date", []PartitionColumn{{"d", schema.TDate}, {"region", str}}, nil, "2024-02-28/eu", "2024-02-28T00:00:00Z/2024-02-29T00:00:00Z", "1d"},
		{"short fields", []PartitionColumn{{"dt", str}}, nil, "2024-2-8", "2024-02-08T00:00:00Z/2024-02-09T00:00:00Z", "1d"},
		{"a number", []PartitionColumn{{"dt", num}}, map[string]string{optTimeFormatter: "yyyyMMdd"}, "20240228", "2024-02-28T00:00:00Z/2024-02-29T00:00:00Z", "1d"},
		{"a month", []PartitionColumn{{"m", str}}, map[string]string{optTimeFormatter: "yyyy/MM"}, "2024/02", "2024-02-01T00:00:00Z/2024-03-01T00:00:00Z", "1mo"},
		{"an hour in a column of its own", []PartitionColumn{{"dt", str}, {"hour", str}}, map[string]string{optTimePattern: "$dt $hour:00:00"}, "2024-02-28/07",
			"2024-02-28T07:00:00Z/2024-02-28T08:00:00Z", "1h"},
		{"names that begin alike", []PartitionColumn{{"d", str}, {"dt", str}}, map[string]string{optTimePattern: "$dt"}, "x/2024-02-28", "2024-02-28T00:00:00Z/2024-02-29T00:00:00Z", "1d"},
		{"year, month and day", []PartitionColumn{{"y", num}, {"m", num}, {"d", num}}, map[string]string{optTimePattern: "$y-$m-$d"}, "2024/2/28", "2024-02-28T00:00:00Z/2024-02-29T00:00:00Z", "1d"},
		{"quoted text", []PartitionColumn{{"dt", str}}, map[string]string{optTimeFormatter: "'day' yyyyMMdd'T'HH"}, "day 20240228T05", "2024-02-28T05:00:00Z/2024-02-28T06:00:00Z", "1h"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := NewPartitions(c.cols, c.options)
			if err != nil {
				t.Fatal(err)
			}
			values := strings.Split(c.values, "/")
			if len(c.cols) == 1 {
				values = []string{c.values}
			}
			got, err := p.Span(values)
			if err != nil || got.String() != c.want || p.Unit().String() != c.unit {
				t.Errorf("got %s, a unit of %s, %v; want %s, %s", got, p.Unit(), err, c.want, c.unit)
			}
		})
	}
}

func TestPartitionsOfNoTime(t *testing.T) {
	for name, c := range map[string]struct {
		cols    []PartitionColumn
		options map[string]string
	}{
		"a number without format": {[]PartitionColumn{{"n", schema.TInt}}, nil},
		"no partitions":           {nil, nil},
		"an unknown field":        {[]PartitionColumn{{"dt", schema.TString}}, map[string]string{optTimeFormatter: "yyyy-ww"}},
		"digits":                  {[]PartitionColumn{{"dt", schema.TString}}, map[string]string{optTimeFormatter: "yyyy-01"}},
		"an open quote":           {[]PartitionColumn{{"dt", schema.TString}}, map[string]string{optTimeFormatter: "yyyy'x"}},
		"no field":                {[]PartitionColumn{{"dt", schema.TString}}, map[string]string{optTimeFormatter: "--"}},
	} {
		if _, err := NewPartitions(c.cols, c.options); !errkind.Is(err, errkind.Invalid) {
			t.Errorf("%s: %v, want Invalid", name, err)
		}
	}
	p, err := NewPartitions([]PartitionColumn{{"dt", schema.TString}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := p.Span([]string{"__DEFAULT_PARTITION__"}); !errkind.Is(err, errkind.Invalid) {
		t.Errorf("%v, %v: want Invalid", s, err)
	}
	if p.EndsIn([]string{"__DEFAULT_PARTITION__"}, Span{at3339(t, "0001-01-01T00:00:00Z"), at3339(t, "9999-01-01T00:00:00Z")}) {
		t.Error("a partition without time is in every slice")
	}
}

// A partition belongs to the slice in which it became whole, and to no other.
func TestEachPartitionIsOfOneSlice(t *testing.T) {
	p, err := NewPartitions([]PartitionColumn{{"dt", schema.TString}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{"2024-03-30T00:00:00Z", "2024-03-30T03:00:00Z", "2024-03-29T23:00:01Z"} {
		slices, err := Slices(Span{at3339(t, from), at3339(t, from).AddDate(0, 0, 4)}, Length{Time: day})
		if err != nil {
			t.Fatal(err)
		}
		for _, dt := range []string{"2024-03-30", "2024-03-31", "2024-04-01"} {
			n := 0
			for _, s := range slices {
				if p.EndsIn([]string{dt}, s) {
					n++
				}
			}
			if n != 1 {
				t.Errorf("%s is in %d of the slices from %s", dt, n, from)
			}
		}
	}
}

func FuzzPartitions(f *testing.F) {
	f.Add("yyyy-MM-dd", "$dt", "2024-01-01")
	f.Add("yyyyMMdd'T'HH", "$dt$dt", "20240101T05")
	f.Add("", "$dt 00:00:00", "2024-1-1")
	f.Fuzz(func(t *testing.T, format, pattern, value string) {
		p, err := NewPartitions([]PartitionColumn{{"dt", schema.TString}}, map[string]string{optTimeFormatter: format, optTimePattern: pattern})
		if err != nil {
			return
		}
		if s, err := p.Span([]string{value}); err == nil && !s.To.After(s.From) {
			t.Errorf("format %q, pattern %q: %q is %s", format, pattern, value, s)
		}
	})
}
