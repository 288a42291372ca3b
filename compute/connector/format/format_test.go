package format

import (
	"bufio"
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/table/schema"
)

func field(name string, t schema.Type) connector.Field {
	return connector.Field{Name: name, Type: t, Required: t.NotNull}
}

func row(fields ...schema.Field) schema.Type { return schema.Type{Kind: schema.Row, Fields: fields} }

// allTypes is a table with every type the text formats read.
var allTypes = []connector.Field{
	field("id", schema.TInt.WithNotNull(true)),
	field("b", schema.TBoolean), field("t", schema.TTinyInt), field("s", schema.TSmallInt), field("l", schema.TBigInt),
	field("f", schema.TFloat), field("d", schema.TDouble), field("dec", schema.TDecimal(10, 2)), field("big", schema.TDecimal(38, 3)),
	field("str", schema.TString), field("bin", schema.TBytes), field("dt", schema.TDate), field("tm", schema.TTime(3)),
	field("ts", schema.TTimestamp(3)), field("ts6", schema.TTimestamp(6)), field("ts9", schema.TTimestamp(9)), field("ltz", schema.TTimestampLTZ(3)),
}

func columns(fields []connector.Field) []int {
	cols := make([]int, len(fields))
	for i := range cols {
		cols[i] = i
	}
	return cols
}

func open(t testing.TB, name string, fields []connector.Field, opts map[string]string) (*Format, Decoder, *Batch) {
	t.Helper()
	r := connector.ReadOptions(opts)
	f := Read(r, "", name)
	if err := r.Done(); err != nil {
		t.Fatal(err)
	}
	d, err := f.Decoder(fields, columns(fields))
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewBatch(memory.DefaultAllocator, fields)
	if err != nil {
		t.Fatal(err)
	}
	return f, d, b
}

// lines renders a chunk as kind and JSON, one line a row.
func lines(t testing.TB, c connector.Chunk, fields []connector.Field) []string {
	t.Helper()
	e := &jsonEncoder{fields: fields, cols: columns(fields)}
	for _, f := range fields {
		e.names = append(e.names, append(appendQuoted(nil, f.Name), ':'))
	}
	out := []string{}
	for i := range int(c.Rows.NumRows()) {
		s, err := e.Encode(nil, c.Rows, i, connector.Insert)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, connector.KindText(c.KindAt(i))+string(s))
	}
	return out
}

// decode takes the messages and returns rows and, for bad ones, "!reason".
func decode(t testing.TB, name string, fields []connector.Field, opts map[string]string, msgs ...string) []string {
	t.Helper()
	f, d, b := open(t, name, fields, opts)
	defer b.Release()
	for i, m := range msgs {
		raw := []byte(m)
		if m == "\x00nil" {
			raw = nil
		}
		if err := f.Take(d, raw, Place{"in", fmt.Sprint(i)}, b); err != nil {
			return []string{"fail: " + err.Error()}
		}
	}
	c, err := b.Flush()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Rows.Release()
	out := lines(t, c, fields)
	for _, d := range c.Dead {
		out = append(out, "!"+d.Position+": "+d.Reason)
	}
	return out
}

func check(t *testing.T, got []string, want ...string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		g, w := "", ""
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w && !(strings.HasPrefix(w, "!") && strings.Contains(g, w[1:])) && !(strings.HasPrefix(w, "fail:") && strings.HasPrefix(g, w)) {
			t.Errorf("row %d:\n got %s\nwant %s", i, g, w)
		}
	}
}

func TestJSONEveryType(t *testing.T) {
	in := `{"id":1,"b":true,"t":-128,"s":32767,"l":9223372036854775807,"f":0.1,"d":-1.5e300,"dec":12.345,"big":"-12345678901234567890123456789012345.6785",
		"str":"a\"\\\n\u00e9\ud83d\ude00","bin":"AAEC","dt":"2024-02-29","tm":"23:59:59.5","ts":"1969-12-31 23:59:59.999","ts6":"2024-01-01 00:00:00.1234567","ts9":"2024-01-01 00:00:00.123456789","ltz":"2024-06-01 12:00:00Z","unknown":[{}]}`
	check(t, decode(t, "json", allTypes, nil, in, `{"id":"2"}`),
		`+I{"id":1,"b":true,"t":-128,"s":32767,"l":9223372036854775807,"f":0.1,"d":-1.5e+300,"dec":12.35,"big":-12345678901234567890123456789012345.679,`+
			`"str":"a\"\\\né😀","bin":"AAEC","dt":"2024-02-29","tm":"23:59:59.5","ts":"1969-12-31 23:59:59.999","ts6":"2024-01-01 00:00:00.123456","ts9":"2024-01-01 00:00:00.123456789","ltz":"2024-06-01 12:00:00Z"}`,
		`+I{"id":2,"b":null,"t":null,"s":null,"l":null,"f":null,"d":null,"dec":null,"big":null,"str":null,"bin":null,"dt":null,"tm":null,"ts":null,"ts6":null,"ts9":null,"ltz":null}`)
}

func TestJSONBadRowsSayColumnExpectedAndFound(t *testing.T) {
	for in, want := range map[string]string{
		`{"b":true}`:                           "column id: is missing, but it is a key or NOT NULL column of type INT",
		`{"id":null}`:                          "column id: is null",
		`{"id":"x"}`:                           `column id: expected INT, found text "x"`,
		`{"id":1.5}`:                           "column id: expected INT, found number 1.5",
		`{"id":2147483648}`:                    "column id: expected INT, found number 2147483648: out of range",
		`{"id":{}}`:                            "column id: expected INT, found object {}",
		`{"id":1,"b":1}`:                       "column b: expected BOOLEAN, found number 1",
		`{"id":1,"t":128}`:                     "column t: expected TINYINT, found number 128: out of range",
		`{"id":1,"d":"1x"}`:                    `column d: expected DOUBLE, found text "1x"`,
		`{"id":1,"d":1e999}`:                   "out of range",
		`{"id":1,"dec":123456789}`:             "column dec: expected DECIMAL(10, 2), found number 123456789: out of range",
		`{"id":1,"dec":99999999.995}`:          "out of range",
		`{"id":1,"dec":"--1"}`:                 "not a number",
		`{"id":1,"bin":"%%"}`:                  "base64",
		`{"id":1,"dt":"2023-02-29"}`:           `column dt: expected DATE, found text "2023-02-29"`,
		`{"id":1,"dt":5}`:                      "column dt: expected DATE, found number 5",
		`{"id":1,"tm":"24:00:00"}`:             "times are written",
		`{"id":1,"ts":"2024-01-01T00:00:00"}`:  "timestamp-format.standard",
		`{"id":1,"ts":"2024-01-01 00:00:00Z"}`: "timestamps are written",
		`{"id":1,"ltz":"2024-01-01 00:00:00"}`: "timestamps are written 2026-01-31 23:59:59.123Z",
		`{"id":1,"ts9":"2300-01-01 00:00:00"}`: "TIMESTAMP(7..9) reaches",
		`{"id":1,"str":"\ud800"}`:              "surrogate",
		`{"id":1`:                              "malformed JSON at byte 7: expected ',' or '}', found the end",
		`{"id":01}`:                            "malformed JSON",
		`[1]`:                                  "element 0: expected a JSON object, found number 1",
		`"x"`:                                  "expected a JSON object",
		``:                                     "malformed JSON at byte 0: expected a value, found the end",
		`{"id":1} {}`:                          "expected the end",
		strings.Repeat("[", 70) + strings.Repeat("]", 70): "nested deeper than 64",
		"{\"id\":1,\"str\":\"\xff\"}":                     "not UTF-8",
		"{\"id\":1,\"str\":\"a\nb\"}":                     "control character",
		`{"id":1,"str":"` + strings.Repeat("x", 99) + `","dt":"` + strings.Repeat("y", 99) + `"}`: `yyy"...`,
	} {
		check(t, decode(t, "json", allTypes, nil, in), "!"+want)
	}
}

func TestJSONNested(t *testing.T) {
	point := row(schema.Field{Name: "x", Type: schema.TInt.WithNotNull(true)}, schema.Field{Name: "tags", Type: schema.TArray(schema.TString)})
	fields := []connector.Field{
		field("p", point), field("ps", schema.TArray(point)), field("m", schema.TMap(schema.TInt.WithNotNull(true), schema.TArray(point))),
		field("ms", schema.Type{Kind: schema.Multiset, Elem: &schema.TString}),
	}
	ok := `{"p":{"x":1,"tags":["a",null]},"ps":[{"x":2},null,{"tags":[],"x":3}],"m":{"7":[{"x":4}]},"ms":{"k":2}}`
	want := `+I{"p":{"x":1,"tags":["a",null]},"ps":[{"x":2,"tags":null},null,{"x":3,"tags":[]}],"m":{"7":[{"x":4,"tags":null}]},"ms":{"k":2}}`
	check(t, decode(t, "json", fields, nil,
		ok, `{"p":{"tags":["q"]}}`, `{"ps":[{"x":1,"tags":["z"]},{"x":2,"tags":[1,{"a":1},`, `{"ps":[{"x":1},{"x":"bad"}]}`, ok,
		`{"m":{"7":[],"x":[]}}`, `{"m":{"7":[],"7":[]}}`, `{"m":{"7":[{"x":null}]}}`, `{"p":[]}`, `{"ms":{"k":null}}`, `{}`, ok),
		want, want, `+I{"p":null,"ps":null,"m":null,"ms":null}`, want,
		"!column p: field x: is missing", "!malformed JSON", `!column ps: element 1: field x: expected INT, found text "bad"`,
		`!column m: map key: expected INT, found text "x"`, `!map key "7" occurs twice`, `!column m: map key "7": element 0: field x: is null`,
		"!column p: expected ROW<", `!column ms: map key "k": expected INT NOT NULL, found null`)
}

func TestJSONOptions(t *testing.T) {
	fields := []connector.Field{field("id", schema.TInt.WithNotNull(true)), field("ts", schema.TTimestamp(3)), field("s", schema.TString)}
	check(t, decode(t, "json", fields, map[string]string{"json.timestamp-format.standard": "ISO-8601"}, `{"id":1,"ts":"2024-01-01T10:00:00.5","s":{"a":[1, 2]}}`),
		`+I{"id":1,"ts":"2024-01-01 10:00:00.5","s":"{\"a\":[1, 2]}"}`)
	check(t, decode(t, "json", fields, map[string]string{"json.fail-on-missing-field": "true"}, `{"id":1,"ts":null}`),
		"!column s: is missing, and 'json.fail-on-missing-field' is set")
	check(t, decode(t, "json", fields, map[string]string{"json.ignore-parse-errors": "true"}, `{"id":1,"ts":"x","s":"y"}`, `{"id":"x"}`, `{`),
		`+I{"id":1,"ts":null,"s":"y"}`)
	check(t, decode(t, "json", fields, map[string]string{"bad-rows": "fail"}, `{"id":1}`, `{"id":"x"}`), "fail: in at 1: column id: expected INT")
	check(t, decode(t, "json", fields, nil, `[{"id":1},{"id":2}]`, `[{"id":3},{"id":"x"},{"id":4}]`, `[]`, `{"id":1,"id":9}`),
		`+I{"id":1,"ts":null,"s":null}`, `+I{"id":2,"ts":null,"s":null}`, `+I{"id":9,"ts":null,"s":null}`, `!element 1: column id: expected INT`)
}

func TestDebezium(t *testing.T) {
	fields := []connector.Field{field("id", schema.TInt.WithNotNull(true)), field("v", schema.TString)}
	check(t, decode(t, "debezium-json", fields, nil,
		`{"before":null,"after":{"id":1,"v":"a"},"op":"c","ts_ms":1}`, `{"op":"r","after":{"id":2,"v":"b"}}`,
		`{"before":{"id":1,"v":"a"},"after":{"id":1,"v":"c"},"op":"u"}`, `{"before":{"id":2,"v":"b"},"after":null,"op":"d"}`, ``,
		`{"before":null,"after":{"id":1,"v":"c"},"op":"u"}`, `{"before":{"id":1,"v":"a"},"after":{"v":"c"},"op":"u"}`, `{"op":"t"}`, `{"after":{"id":1}}`, `[]`),
		`+I{"id":1,"v":"a"}`, `+I{"id":2,"v":"b"}`, `-U{"id":1,"v":"a"}`, `+U{"id":1,"v":"c"}`, `-D{"id":2,"v":"b"}`,
		`!5: operation "u" without "before": the captured table must log full rows`, `!after: column id: is missing`,
		`!member "op": expected "c", "r", "u" or "d", found string "t"`, `!found nothing`, "!expected a Debezium envelope")
	check(t, decode(t, "debezium-json", fields, map[string]string{"debezium-json.schema-include": "true"},
		`{"schema":{},"payload":{"op":"c","after":{"id":1}}}`, `{"op":"c","after":{"id":1}}`),
		`+I{"id":1,"v":null}`, `!expected an object with member "payload"`)
}

func TestCSV(t *testing.T) {
	fields := []connector.Field{field("id", schema.TInt.WithNotNull(true)), field("s", schema.TString), field("n", schema.TBigInt), field("a", schema.TArray(schema.TInt))}
	check(t, decode(t, "csv", fields, nil, "1,abc,2,1;2;3", `2,"a ""q"", b",,`, "3,\"two\nlines\", 7 ,5\r", "4,,,",
		"5,x", "6,a,b,c,d", `7,"open,1,1`, `8,"a"b,1,1`, `9,a"b,1,1`, ",x,1,1", "10,x,zz,1", "11,x,1,1;q", "12,\xff,1,1"),
		`+I{"id":1,"s":"abc","n":2,"a":[1,2,3]}`, `+I{"id":2,"s":"a \"q\", b","n":null,"a":[]}`, `+I{"id":3,"s":"two\nlines","n":7,"a":[5]}`, `+I{"id":4,"s":"","n":null,"a":[]}`,
		"!expected 4 fields, found 2", "!expected 4 fields, found 5", "!field 2: the closing quote is missing", "!field 2: text after the closing quote",
		"!field 2: a quote inside a field", "!column id (field 1): is empty", `!column n (field 3): expected BIGINT, found text "zz"`, `!column a (field 4): element 1: expected INT, found text "q"`, "!not UTF-8")
	check(t, decode(t, "csv", fields[:3], map[string]string{"csv.field-delimiter": ";", "csv.null-literal": "n/a", "csv.escape-character": "\\", "csv.quote-character": "'"},
		`1;n/a;n/a`, `2;'n/a';5`, `3;a\;b;6`, `4;'it''s';7`, `5;'it\'s';8`),
		`+I{"id":1,"s":null,"n":null}`, `+I{"id":2,"s":"n/a","n":5}`, `+I{"id":3,"s":"a;b","n":6}`, `+I{"id":4,"s":"it's","n":7}`, `+I{"id":5,"s":"it's","n":8}`)
	check(t, decode(t, "csv", fields[:3], map[string]string{"csv.ignore-parse-errors": "true", "csv.disable-quote-character": "true"}, `1,"x",oops`, `x,y,1`),
		`+I{"id":1,"s":"\"x\"","n":null}`)
}

func TestCSVHeader(t *testing.T) {
	fields := []connector.Field{field("id", schema.TInt.WithNotNull(true)), field("s", schema.TString), field("n", schema.TBigInt)}
	f, d, b := open(t, "csv", fields, map[string]string{"csv.header": "true"})
	defer b.Release()
	h := d.(HeaderDecoder)
	if err := h.Header([]byte("s,x")); err == nil || !strings.Contains(err.Error(), "column id is not named") {
		t.Errorf("header without the key: %v", err)
	}
	if err := h.Header([]byte("id,s,id")); err == nil || !strings.Contains(err.Error(), "named twice") {
		t.Errorf("repeated column: %v", err)
	}
	if err := h.Header([]byte("\ufeffs,other,id")); err != nil || !f.HasHeader() {
		t.Fatal(err)
	}
	for _, l := range []string{"a,zz,1", "b,zz,2"} {
		if err := d.Decode([]byte(l), b); err != nil {
			t.Fatal(err)
		}
	}
	c, err := b.Flush()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Rows.Release()
	check(t, lines(t, c, fields), `+I{"id":1,"s":"a","n":null}`, `+I{"id":2,"s":"b","n":null}`)
	if got := string(f.CSVHeader(fields, columns(fields))); got != "id,s,n" {
		t.Errorf("written header: %q", got)
	}
}

func TestRaw(t *testing.T) {
	check(t, decode(t, "raw", []connector.Field{field("s", schema.TString)}, nil, "line", "", "\x00nil", "\xff"), `+I{"s":"line"}`, `+I{"s":""}`, `+I{"s":null}`, "!not UTF-8")
	check(t, decode(t, "raw", []connector.Field{field("n", schema.TBigInt.WithNotNull(true))}, nil, "\x00\x00\x00\x00\x00\x00\x01\x00", "abc", "\x00nil"),
		`+I{"n":256}`, "!expected BIGINT NOT NULL of 8 bytes, found 3 bytes", "!is null")
	check(t, decode(t, "raw", []connector.Field{field("n", schema.TInt)}, map[string]string{"raw.endianness": "little-endian"}, "\x01\x00\x00\x00"), `+I{"n":1}`)
}

func TestWrongOptionsAndTypesAreRefused(t *testing.T) {
	for _, c := range []struct {
		format string
		opts   map[string]string
		field  connector.Field
		want   string
	}{
		{"xml", map[string]string{"format": "xml"}, field("a", schema.TInt), "expected one of [json debezium-json csv raw]"},
		{"json", map[string]string{"json.timestamp-format.standard": "RFC"}, field("a", schema.TInt), "expected one of SQL, ISO-8601"},
		{"json", map[string]string{"json.fail-on-missing-field": "true", "json.ignore-parse-errors": "true"}, field("a", schema.TInt), "cannot be combined"},
		{"json", map[string]string{"json.nope": "1"}, field("a", schema.TInt), "option 'json.nope' is unknown"},
		{"csv", map[string]string{"csv.field-delimiter": "ab"}, field("a", schema.TInt), "one ASCII character"},
		{"csv", map[string]string{"csv.field-delimiter": `"`}, field("a", schema.TInt), "also the quote"},
		{"csv", nil, field("a", row(schema.Field{Name: "x", Type: schema.TInt})), "cannot be read from csv"},
		{"raw", nil, field("a", schema.TDate), "no form for type DATE"},
		{"json", nil, field("a", schema.Type{Kind: schema.Variant}), "VARIANT"},
	} {
		r := connector.ReadOptions(c.opts)
		f := Read(r, "", c.format)
		err := r.Done()
		if err == nil {
			_, err = f.Decoder([]connector.Field{c.field}, []int{0})
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %v: got %v, want %q", c.format, c.opts, err, c.want)
		}
	}
}

func TestSplitKeepsQuotedLineEnds(t *testing.T) {
	for name, want := range map[string]int{"csv": 4, "json": 6} {
		f, _, b := open(t, name, []connector.Field{field("s", schema.TString)}, nil)
		b.Release()
		s := bufio.NewScanner(strings.NewReader("a\r\n\"b\nb\"\"\n\"\n\nlast"))
		s.Split(f.Split)
		var got []string
		for s.Scan() {
			got = append(got, s.Text())
		}
		if len(got) != want || got[0] != "a" || got[len(got)-1] != "last" || s.Err() != nil {
			t.Errorf("%s: %q, %v; want %d records", name, got, s.Err(), want)
		}
	}
}

func TestMarkAndFailKeepOtherColumnsLevel(t *testing.T) {
	fields := []connector.Field{field("id", schema.TInt.WithNotNull(true)), {Name: "offset", Type: schema.TBigInt, Metadata: "offset"}}
	r := connector.ReadOptions(nil)
	f := Read(r, "", "json")
	d, err := f.Decoder(fields, []int{0})
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewBatch(memory.DefaultAllocator, fields)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Release()
	for i, m := range []string{`{"id":"bad"}`, `{"id":1}`, `[{"id":2},{"id":"x"}]`, `[{"id":3},{"id":4}]`, `{"id":[]}`} {
		mark := b.Mark()
		if err := f.Take(d, []byte(m), Place{"t", fmt.Sprint(i)}, b); err != nil {
			t.Fatal(err)
		}
		for b.Column(1).Len() < b.Mark() {
			_ = b.Column(1).AppendValueFromString(fmt.Sprint(100 + i))
		}
		if i == 1 && (mark == b.Mark() || b.Len() != 1) {
			t.Errorf("mark %d, len %d after the first good row", b.Mark(), b.Len())
		}
	}
	c, err := b.Flush()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Rows.Release()
	check(t, append(lines(t, c, fields), fmt.Sprint(len(c.Dead))), `+I{"id":1,"offset":101}`, `+I{"id":3,"offset":103}`, `+I{"id":4,"offset":103}`, "3")
}
