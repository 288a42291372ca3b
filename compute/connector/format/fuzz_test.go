package format

import (
	"encoding/json"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/table/schema"
)

var fuzzFields = append([]connector.Field{
	field("p", row(schema.Field{Name: "x", Type: schema.TInt}, schema.Field{Name: "ys", Type: schema.TArray(schema.TString)})),
	field("m", schema.TMap(schema.TString.WithNotNull(true), schema.TArray(schema.TDecimal(20, 4)))),
}, allTypes...)

// fuzzDecoder feeds arbitrary bytes between two good rows, which must come out untouched.
func fuzzDecoder(f *testing.F, name string, fields []connector.Field, good string, seeds ...string) {
	for _, s := range append(seeds, good) {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		_, d, b := open(t, name, fields, nil)
		defer b.Release()
		for i, m := range [][]byte{[]byte(good), msg, []byte(good)} {
			if err := d.Decode(m, b); err != nil && i != 1 {
				t.Fatalf("good row: %v", err)
			}
		}
		c, err := b.Flush()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Rows.Release()
		n := int(c.Rows.NumRows())
		if n < 2 || c.Kinds != nil && len(c.Kinds) != n {
			t.Fatalf("%d rows, %d kinds", n, len(c.Kinds))
		}
		got := lines(t, c, fields)
		if got[0] != got[n-1] {
			t.Fatalf("rows around a message differ:\n%s\n%s", got[0], got[n-1])
		}
		for _, l := range got {
			if !json.Valid([]byte(l[2:])) {
				t.Fatalf("not JSON: %s", l)
			}
		}
	})
}

func FuzzJSON(f *testing.F) {
	fuzzDecoder(f, "json", fuzzFields, `{"id":1,"p":{"x":1,"ys":["a"]},"m":{"k":[1.5]},"str":"x"}`,
		`{"id":1,"p":{"ys":[1,{}],"x":"q"}}`, `[{"id":1},{"id":"x"}]`, `{"id":1,"str":"\ud83d\ude00\u0000"}`, `{"id":1,"d":-0.0e-7,"big":"1e35"}`, `{"id":1,"ts9":"2262-04-11 23:47:16.9"}`)
}

func FuzzDebezium(f *testing.F) {
	fuzzDecoder(f, "debezium-json", allTypes, `{"op":"c","after":{"id":1}}`,
		`{"op":"u","before":{"id":1},"after":{"id":"x"}}`, `{"op":"d","before":{"id":3,"str":null}}`, ``)
}

func FuzzCSV(f *testing.F) {
	fields := []connector.Field{field("id", schema.TInt.WithNotNull(true)), field("s", schema.TString), field("a", schema.TArray(schema.TDecimal(5, 2)))}
	fuzzDecoder(f, "csv", fields, `1,"a""b",1;2.5`, `2,x,`, `3,"open`, `,,`, `4,"x"y,1`, "5,\"\n\",7")
}

func FuzzRaw(f *testing.F) {
	fuzzDecoder(f, "raw", []connector.Field{field("s", schema.TString)}, "good", "", "\xff")
}

// FuzzScanner compares the scanner with the standard library on what is JSON at all.
func FuzzScanner(f *testing.F) {
	for _, s := range []string{`{"a":[1,2,{"b":null}],"c":"\u12aB"}`, `-0`, `1e+5`, `01`, `"\x"`, `[,]`, `{"a":1,}`, "\"\t\"", ` true `} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := parseJSON(data)
		if err == nil != json.Valid(data) {
			if deep, _ := parseJSON(data); deep.kind == jsonInvalid && len(data) > maxDepth {
				return // deeper than we allow
			}
			t.Fatalf("%q: we say %v, encoding/json %v", data, err, json.Valid(data))
		}
		if err != nil || v.kind != jsonString {
			return
		}
		s, err := unquote(v.raw)
		var want string
		if err == nil && json.Unmarshal(v.raw, &want) == nil && want != string(s) {
			t.Fatalf("%s: unquoted %q, want %q", v.raw, s, want)
		}
		if err == nil {
			back, err := unquote(appendQuoted(nil, string(s)))
			if err != nil || string(back) != string(s) {
				t.Fatalf("quote and unquote of %q: %q, %v", s, back, err)
			}
		}
	})
}

func BenchmarkJSON(b *testing.B) {
	msg := []byte(`{"id":12345,"l":9223372036854,"str":"some text","d":12.75,"ts":"2024-01-01 00:00:00.123","dec":"12.30","unused":{"x":[1,2,3]}}`)
	fields := []connector.Field{allTypes[0], allTypes[4], allTypes[9], allTypes[6], allTypes[13], allTypes[7]}
	_, d, batch := open(b, "json", fields, nil)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := d.Decode(msg, batch); err != nil {
			b.Fatal(err)
		}
		if i%4096 == 4095 {
			c, _ := batch.Flush()
			c.Rows.Release()
		}
	}
	_ = memory.DefaultAllocator
}
