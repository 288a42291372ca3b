package connector

import (
	"strings"
	"testing"
	"time"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

func TestParseDuration(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"10 s": 10 * time.Second, "5min": 5 * time.Minute, "500 ms": 500 * time.Millisecond, "250": 250 * time.Millisecond,
		"1 d": 24 * time.Hour, " 2 Hours ": 2 * time.Hour, "7 µs": 7 * time.Microsecond, "0 ns": 0,
	} {
		got, err := ParseDuration(in)
		if err != nil || got != want {
			t.Errorf("ParseDuration(%q) = %v, %v; want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "s", "-1 s", "1.5 s", "10 parsec", "99999999999999999999 s", "300000 d"} {
		if got, err := ParseDuration(in); err == nil {
			t.Errorf("ParseDuration(%q) = %v, want an error", in, got)
		}
	}
}

func TestOptionReaderNamesTheFirstWrongOption(t *testing.T) {
	for _, c := range []struct {
		name string
		opts map[string]string
		read func(r *OptionReader)
		want string
	}{
		{"missing", map[string]string{"connector": "x"}, func(r *OptionReader) { r.Required("path") }, "option 'path' is missing"},
		{"unknown", map[string]string{"pth": "x"}, func(r *OptionReader) { r.String("path", "") }, "option 'pth' is unknown"},
		{"enum", map[string]string{"format": "xml"}, func(r *OptionReader) { r.Enum("format", "json", "csv") }, "'format' = 'xml': expected one of json, csv"},
		{"int", map[string]string{"n": "12x"}, func(r *OptionReader) { r.Int("n", 1, 0, 10) }, "'n' = '12x': expected an integer from 0 to 10"},
		{"range", map[string]string{"n": "11"}, func(r *OptionReader) { r.Int("n", 1, 0, 10) }, "expected an integer from 0 to 10"},
		{"bool", map[string]string{"b": "maybe"}, func(r *OptionReader) { r.Bool("b", true) }, "expected true or false"},
		{"duration", map[string]string{"d": "1 furlong"}, func(r *OptionReader) { r.Duration("d", 0) }, "expected a duration"},
	} {
		r := ReadOptions(c.opts)
		c.read(r)
		err := r.Done()
		if err == nil || !strings.Contains(err.Error(), c.want) || !errkind.Is(err, errkind.Invalid) {
			t.Errorf("%s: got %v, want %q of kind invalid", c.name, err, c.want)
		}
	}
	r := ReadOptions(map[string]string{"connector": "x", "properties.a": "1", "properties.b.c": "2"})
	if p := r.Prefix("properties."); len(p) != 2 || p["b.c"] != "2" {
		t.Errorf("prefix: %v", p)
	}
	if err := r.Done(); err != nil {
		t.Errorf("prefixed options must be known: %v", err)
	}
}

func TestFieldsLeaveOutComputedAndMarkKeys(t *testing.T) {
	col := func(n string, ty schema.Type) plan.TableColumn {
		return plan.TableColumn{Column: plan.Column{Name: n, Type: ty}}
	}
	offset := col("offset", schema.TBigInt)
	offset.Metadata, offset.Virtual = "offset", true
	up := col("up", schema.TString)
	up.Computed = &expr.Column{Index: 1, T: schema.TString}
	tb := &plan.Table{Columns: []plan.TableColumn{col("id", schema.TInt), col("v", schema.TString), up, offset}, PrimaryKey: []string{"id"}}
	fs := Fields(tb)
	if len(fs) != 3 || !fs[0].Required || fs[1].Required || fs[2].Metadata != "offset" {
		t.Errorf("source fields: %+v", fs)
	}
	if s := SinkFields(tb); len(s) != 2 {
		t.Errorf("sink fields: %+v", s)
	}
}
