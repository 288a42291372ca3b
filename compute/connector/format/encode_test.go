package format

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"pgregory.net/rapid"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

// record builds rows from one function per column.
func record(t testing.TB, fields []connector.Field, rows int, fill func(col int, b array.Builder)) arrow.RecordBatch {
	t.Helper()
	s, err := connector.ArrowSchema(fields)
	if err != nil {
		t.Fatal(err)
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, s)
	defer b.Release()
	for range rows {
		for i := range fields {
			fill(i, b.Field(i))
		}
	}
	return b.NewRecordBatch()
}

func encoder(t testing.TB, name string, fields []connector.Field, opts map[string]string) (*Format, Encoder) {
	t.Helper()
	r := connector.ReadOptions(opts)
	f := Read(r, "", name)
	if err := r.Done(); err != nil {
		t.Fatal(err)
	}
	e, err := f.Encoder(fields, columns(fields))
	if err != nil {
		t.Fatal(err)
	}
	return f, e
}

func TestEncodedText(t *testing.T) {
	type c struct {
		typ  schema.Type
		add  func(b array.Builder)
		json string
		csv  string
	}
	ts := func(v arrow.Timestamp) func(array.Builder) {
		return func(b array.Builder) { b.(*array.TimestampBuilder).Append(v) }
	}
	double := func(v float64) func(array.Builder) {
		return func(b array.Builder) { b.(*array.Float64Builder).Append(v) }
	}
	str := func(v string) func(array.Builder) {
		return func(b array.Builder) { b.(*array.StringBuilder).Append(v) }
	}
	for _, c := range []c{
		{schema.TInt, func(b array.Builder) { b.AppendNull() }, `null`, ``},
		{schema.TBoolean, func(b array.Builder) { b.(*array.BooleanBuilder).Append(true) }, `true`, `true`},
		{schema.TBigInt, func(b array.Builder) { b.(*array.Int64Builder).Append(math.MinInt64) }, `-9223372036854775808`, `-9223372036854775808`},
		{schema.TFloat, func(b array.Builder) { b.(*array.Float32Builder).Append(0.1) }, `0.1`, `0.1`},
		{schema.TDouble, double(1e21), `1e+21`, `1e+21`},
		{schema.TDouble, double(math.NaN()), `"NaN"`, `NaN`},
		{schema.TDouble, double(math.Inf(-1)), `"-Infinity"`, `-Infinity`},
		{schema.TDecimal(10, 3), func(b array.Builder) { b.(*array.Decimal128Builder).Append(decimal128.FromI64(-5)) }, `-0.005`, `-0.005`},
		{schema.TString, str("a\"\x01\n\\é"), `"a\"\u0001\n\\é"`, "\"a\"\"\x01\n\\é\""},
		{schema.TString, str(""), `""`, `""`},
		{schema.TString, str("x,y"), `"x,y"`, `"x,y"`},
		{schema.TString, str("bad\xffutf8"), `"bad` + "\ufffd" + `utf8"`, "bad\xffutf8"},
		{schema.TBytes, func(b array.Builder) { b.(*array.BinaryBuilder).Append([]byte{0, 1, 2}) }, `"AAEC"`, `AAEC`},
		{schema.TDate, func(b array.Builder) { b.(*array.Date32Builder).Append(-1) }, `"1969-12-31"`, `1969-12-31`},
		{schema.TTime(3), func(b array.Builder) { b.(*array.Time32Builder).Append(3_723_004) }, `"01:02:03.004"`, `01:02:03.004`},
		{schema.TTimestamp(3), ts(-1), `"1969-12-31 23:59:59.999"`, `1969-12-31 23:59:59.999`},
		{schema.TTimestampLTZ(6), ts(1_000_000), `"1970-01-01 00:00:01Z"`, `1970-01-01 00:00:01Z`},
	} {
		fields := []connector.Field{field("v", c.typ)}
		rec := record(t, fields, 1, func(_ int, b array.Builder) { c.add(b) })
		for name, want := range map[string]string{"json": `{"v":` + c.json + `}`, "csv": c.csv} {
			_, e := encoder(t, name, fields, nil)
			if got, err := e.Encode(nil, rec, 0, connector.Insert); err != nil || string(got) != want {
				t.Errorf("%s of %s: %q, %v; want %q", name, c.typ, got, err, want)
			}
		}
	}
}

func TestEncodeOptions(t *testing.T) {
	fields := []connector.Field{field("a", schema.TInt), field("at", schema.TTimestamp(3))}
	rec := record(t, fields, 1, func(i int, b array.Builder) {
		if i == 0 {
			b.AppendNull()
		} else {
			b.(*array.TimestampBuilder).Append(0)
		}
	})
	for _, c := range []struct {
		format, want string
		kind         int8
		opts         map[string]string
	}{
		{"json", `{"at":"1970-01-01T00:00:00"}`, connector.Insert, map[string]string{"json.encode.ignore-null-fields": "true", "json.timestamp-format.standard": "ISO-8601"}},
		{"debezium-json", `{"before":{"a":null,"at":"1970-01-01 00:00:00"},"after":null,"op":"d"}`, connector.UpdateBefore, nil},
		{"debezium-json", `{"before":null,"after":{"a":null,"at":"1970-01-01 00:00:00"},"op":"c"}`, connector.UpdateAfter, nil},
		{"csv", `n/a|1970-01-01 00:00:00`, connector.Insert, map[string]string{"csv.null-literal": "n/a", "csv.field-delimiter": "|"}},
	} {
		_, e := encoder(t, c.format, fields, c.opts)
		if got, err := e.Encode(nil, rec, 0, c.kind); err != nil || string(got) != c.want {
			t.Errorf("%s %v: %s, %v; want %s", c.format, c.opts, got, err, c.want)
		}
	}
	for _, name := range []string{"json", "csv"} {
		_, e := encoder(t, name, fields, nil)
		if _, err := e.Encode(nil, rec, 0, connector.Delete); !errkind.Is(err, errkind.Invalid) {
			t.Errorf("%s of a deletion: %v", name, err)
		}
	}
	_, e := encoder(t, "csv", []connector.Field{field("s", schema.TString)}, map[string]string{"csv.disable-quote-character": "true"})
	comma := record(t, []connector.Field{field("s", schema.TString)}, 1, func(_ int, b array.Builder) { b.(*array.StringBuilder).Append("a,b") })
	if _, err := e.Encode(nil, comma, 0, connector.Insert); !errkind.Is(err, errkind.Invalid) || !strings.Contains(err.Error(), "needs quoting") {
		t.Errorf("a comma without quotes: %v", err)
	}
	if _, err := (&Format{Name: "csv"}).Encoder([]connector.Field{field("m", schema.TMap(schema.TString, schema.TInt))}, []int{0}); !errkind.Is(err, errkind.Invalid) {
		t.Errorf("a map as csv: %v", err)
	}
}

// draw appends a random value of the type.
func draw(t *rapid.T, b array.Builder, ty *schema.Type) {
	if !ty.NotNull && rapid.IntRange(0, 4).Draw(t, "null") == 0 {
		b.AppendNull()
		return
	}
	switch b := b.(type) {
	case *array.BooleanBuilder:
		b.Append(rapid.Bool().Draw(t, "b"))
	case *array.Int8Builder:
		b.Append(rapid.Int8().Draw(t, "i8"))
	case *array.Int16Builder:
		b.Append(rapid.Int16().Draw(t, "i16"))
	case *array.Int32Builder:
		b.Append(rapid.Int32().Draw(t, "i32"))
	case *array.Int64Builder:
		b.Append(rapid.Int64().Draw(t, "i64"))
	case *array.Float32Builder:
		b.Append(rapid.Float32().Draw(t, "f32"))
	case *array.Float64Builder:
		b.Append(rapid.Float64().Draw(t, "f64"))
	case *array.Decimal128Builder:
		limit := int64(math.Pow10(min(ty.Precision, 18))) - 1
		b.Append(decimal128.FromI64(rapid.Int64Range(-limit, limit).Draw(t, "dec")))
	case *array.StringBuilder:
		b.Append(rapid.StringOf(rapid.SampledFrom([]rune("ab,;\"'\\#\n\r\t é😀\x00"))).Draw(t, "str"))
	case *array.BinaryBuilder:
		b.Append(rapid.SliceOfN(rapid.Byte(), 0, 8).Draw(t, "bin"))
	case *array.Date32Builder:
		b.Append(arrow.Date32(rapid.Int32Range(-719162, 2932896).Draw(t, "date"))) // years 1 to 9999
	case *array.Time32Builder:
		b.Append(arrow.Time32(rapid.Int32Range(0, 86399999).Draw(t, "time")))
	case *array.TimestampBuilder:
		sec := rapid.Int64Range(-62135596800, 253402300799).Draw(t, "sec")
		if ty.Precision > 6 {
			sec = rapid.Int64Range(-9e9, 9e9).Draw(t, "sec9")
		}
		v, _ := toUnit(sec, rapid.Int64Range(0, 999999999).Draw(t, "nanos"), ty)
		b.Append(v)
	case *array.ListBuilder:
		b.Append(true)
		for range rapid.IntRange(0, 3).Draw(t, "n") {
			draw(t, b.ValueBuilder(), ty.Elem)
		}
	case *array.StructBuilder:
		b.Append(true)
		for i := range ty.Fields {
			draw(t, b.FieldBuilder(i), &ty.Fields[i].Type)
		}
	default:
		t.Fatalf("no values of %s", ty)
	}
}

// What is encoded decodes to the same row, whatever stands beside it in the file.
func TestRoundTrip(t *testing.T) {
	scalars := allTypes
	nested := append([]connector.Field{
		field("p", row(schema.Field{Name: "x", Type: schema.TInt}, schema.Field{Name: "ys", Type: schema.TArray(schema.TString)})),
		field("a", schema.TArray(schema.TTimestamp(6))),
	}, allTypes...)
	quoting := map[string]string{"csv.null-literal": "#", "csv.allow-comments": "true"}
	for _, c := range []struct {
		format string
		fields []connector.Field
		opts   map[string]string
	}{
		{"json", nested, nil}, {"debezium-json", nested, nil}, {"json", nested, map[string]string{"json.timestamp-format.standard": "ISO-8601"}},
		{"csv", scalars, quoting}, {"csv", scalars, map[string]string{"csv.escape-character": "\\", "csv.field-delimiter": ";", "csv.null-literal": "\\N"}},
	} {
		t.Run(fmt.Sprint(c.format, len(c.opts)), func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				n := rapid.IntRange(1, 4).Draw(rt, "rows")
				rec := record(t, c.fields, n, func(i int, b array.Builder) { draw(rt, b, &c.fields[i].Type) })
				defer rec.Release()
				f, e := encoder(t, c.format, c.fields, c.opts)
				var file []byte
				for i := range n {
					var err error
					if file, err = e.Encode(file, rec, i, connector.Insert); err != nil {
						rt.Fatal(err)
					}
					file = append(file, '\n')
				}
				got := readFile(rt, f, c.fields, file)
				defer got.Release()
				if !array.RecordEqual(rec, got) {
					rt.Fatalf("wrote %v\nread %v\nfile %q", rec, got, file)
				}
			})
		})
	}
}

// readFile splits and decodes a file's bytes.
func readFile(t *rapid.T, f *Format, fields []connector.Field, file []byte) arrow.RecordBatch {
	d, err := f.Decoder(fields, columns(fields))
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewBatch(memory.DefaultAllocator, fields)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Release()
	for len(file) > 0 {
		n, rec, err := f.Split(file, true)
		if err != nil || n == 0 {
			t.Fatalf("split %q: %d %v", file, n, err)
		}
		file = file[n:]
		if f.Blank(rec) {
			continue
		}
		if err := d.Decode(rec, b); err != nil {
			t.Fatalf("%q: %v", rec, err)
		}
	}
	c, err := b.Flush()
	if err != nil {
		t.Fatal(err)
	}
	return c.Rows
}
