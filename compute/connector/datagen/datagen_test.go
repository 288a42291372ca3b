package datagen

import (
	"strings"
	"testing"
	"time"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/connector/connectortest"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

func table(opts map[string]string, cols ...plan.Column) *plan.Table {
	t := &plan.Table{Name: "t", Options: opts}
	for _, c := range cols {
		t.Columns = append(t.Columns, plan.TableColumn{Column: c})
	}
	return t
}

var everyType = []plan.Column{
	{Name: "id", Type: schema.TInt.WithNotNull(true)}, {Name: "b", Type: schema.TBoolean}, {Name: "i", Type: schema.TSmallInt}, {Name: "l", Type: schema.TBigInt},
	{Name: "f", Type: schema.TFloat}, {Name: "d", Type: schema.TDouble}, {Name: "dec", Type: schema.TDecimal(12, 3)}, {Name: "s", Type: schema.TString},
	{Name: "bin", Type: schema.TBytes}, {Name: "dt", Type: schema.TDate}, {Name: "tm", Type: schema.TTime(3)}, {Name: "ts", Type: schema.TTimestamp(3)}, {Name: "ltz", Type: schema.TTimestampLTZ(6)},
}

func opened(t *testing.T, tb *plan.Table, bounded bool, now func() time.Time) connector.Source {
	t.Helper()
	f := Factory()
	if err := f.Validate(tb); err != nil {
		t.Fatal(err)
	}
	s, err := f.OpenSource(t.Context(), connector.Context{Table: tb, Options: tb.Options, Bounded: bounded, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func fixed() time.Time { return time.Date(2024, 3, 1, 12, 0, 0, 0, time.UTC) }

func TestConformance(t *testing.T) {
	opts := map[string]string{"fields.s.length": "5", "fields.s.var-len": "true", "fields.l.null-rate": "0.5", "fields.i.min": "-3", "fields.i.max": "3"}
	connectortest.Source(t, connectortest.SourceSpec{
		Rows: 200,
		Open: func(t *testing.T) connector.Source {
			o := map[string]string{}
			for k, v := range opts {
				o[k] = v
			}
			o["number-of-rows"] = "200"
			return opened(t, table(o, everyType...), true, fixed)
		},
	})
}

func TestValuesRespectTheirOptions(t *testing.T) {
	src := opened(t, table(map[string]string{
		"number-of-rows": "1000", "fields.id.kind": "sequence", "fields.id.start": "10", "fields.id.end": "5000",
		"fields.i.min": "-3", "fields.i.max": "3", "fields.dec.min": "1.5", "fields.dec.max": "2.5", "fields.s.length": "4", "fields.l.null-rate": "1", "rows-per-second": "10",
	}, everyType...), true, fixed)
	to, end, err := src.Poll(t.Context(), nil, 1<<20)
	if err != nil || !end {
		t.Fatalf("poll: %v %v %v", to, end, err)
	}
	rows := connectortest.Read(t, src, nil, to)
	seen := map[string]bool{}
	for i, r := range rows {
		f := strings.Split(strings.TrimPrefix(r, "+I "), "|")
		if want := 10 + i; f[0] != itoa(want) {
			t.Fatalf("row %d: sequence %s, want %d", i, f[0], want)
		}
		if f[3] != "(null)" || len(f[7]) != 4 || len(f[2]) > 2 || f[6] < "1.5" || f[6] > "2.5" {
			t.Fatalf("row %d: %v", i, f)
		}
		seen[f[2]] = true
	}
	if len(seen) != 7 {
		t.Errorf("values of i: %v, want all of -3..3", seen)
	}
	if last := strings.Split(rows[999], "|")[11]; last != "2024-03-01T12:01:39.9" {
		t.Errorf("row 999 at 10 rows a second is due at %s", last)
	}
}

func itoa(n int) string {
	var b []byte
	for ; n > 0; n /= 10 {
		b = append([]byte{byte('0' + n%10)}, b...)
	}
	return string(b)
}

func TestPace(t *testing.T) {
	now := fixed()
	src := opened(t, table(map[string]string{"rows-per-second": "100"}, everyType[0]), false, func() time.Time { return now })
	to, end, err := src.Poll(t.Context(), nil, 1000)
	if err != nil || end || to[split] != connector.Position("1@"+itoa(int(now.UnixMilli()))) {
		t.Fatalf("first poll: %v %v %v", to, end, err)
	}
	now = now.Add(500 * time.Millisecond)
	to, _, _ = src.Poll(t.Context(), to, 1000)
	if !strings.HasPrefix(string(to[split]), "51@") {
		t.Errorf("after half a second: %v, want row 51", to)
	}
	if again, _, _ := src.Poll(t.Context(), to, 1000); !connectortest.Equal(again, to) {
		t.Errorf("nothing is due: %v", again)
	}
	// A restart goes on at the pace of a new start: the hour it was down is not made up for.
	now = now.Add(time.Hour)
	src = opened(t, table(map[string]string{"rows-per-second": "100"}, everyType[0]), false, func() time.Time { return now })
	to, _, _ = src.Poll(t.Context(), to, 1000)
	if !strings.HasPrefix(string(to[split]), "52@") {
		t.Errorf("after a restart: %v, want row 52", to)
	}
}

func TestWrongOptionsAreNamed(t *testing.T) {
	id, s, m := everyType[0], everyType[7], plan.Column{Name: "m", Type: schema.TMap(schema.TString, schema.TInt)}
	for _, c := range []struct {
		opts map[string]string
		col  plan.Column
		want string
	}{
		{map[string]string{"rows-per-second": "0"}, id, "'rows-per-second' = '0'"},
		{map[string]string{"fields.nope.min": "1"}, id, "option 'fields.nope.min' is unknown"},
		{map[string]string{"fields.id.mim": "1"}, id, "option 'fields.id.mim' is unknown"},
		{map[string]string{"fields.id.kind": "sequence"}, id, "option 'fields.id.start' is missing"},
		{map[string]string{"fields.id.kind": "sequence", "fields.id.start": "5", "fields.id.end": "1"}, id, "'fields.id.end' = '1'"},
		{map[string]string{"fields.id.null-rate": "0.1"}, id, "key or NOT NULL"},
		{map[string]string{"fields.id.min": "9", "fields.id.max": "8"}, id, "'fields.id.max' = '8'"},
		{map[string]string{"fields.s.length": "9999999"}, s, "'fields.s.length'"},
		{nil, m, "column m: datagen does not make values of type MAP"},
	} {
		err := Factory().Validate(table(c.opts, c.col))
		if err == nil || !strings.Contains(err.Error(), c.want) || !errkind.Is(err, errkind.Invalid) {
			t.Errorf("%v: got %v, want %q", c.opts, err, c.want)
		}
	}
	if _, err := Factory().OpenSource(t.Context(), connector.Context{Table: table(nil, id), Bounded: true}); err == nil || !strings.Contains(err.Error(), "number-of-rows") {
		t.Errorf("an endless table in a batch: %v", err)
	}
}

func FuzzPosition(f *testing.F) {
	f.Add("10@1700000000000")
	f.Add("@")
	f.Fuzz(func(t *testing.T, text string) {
		p, ok, err := parsePosition(connector.Offsets{split: connector.Position(text)})
		if err == nil && ok {
			if again, _, err := parsePosition(connector.Offsets{split: connector.Position(p.String())}); err != nil || again != p {
				t.Fatalf("%q: %v, %v", text, again, err)
			}
		}
	})
}
