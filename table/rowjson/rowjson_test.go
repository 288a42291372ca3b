package rowjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

var (
	tRow = schema.Type{Kind: schema.Row, Fields: []schema.Field{{ID: 100, Name: "ra", Type: schema.TInt}, {ID: 101, Name: "rb", Type: schema.TString},
		{ID: 102, Name: "rc", Type: schema.TArray(schema.TBigInt)}}}
	multiset = schema.Type{Kind: schema.Multiset, Elem: &schema.TString}
)

func named(pairs ...any) []schema.Field {
	var out []schema.Field
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, schema.Field{ID: i / 2, Name: pairs[i].(string), Type: pairs[i+1].(schema.Type)})
	}
	return out
}

func chars(k schema.Kind, n int) schema.Type { return schema.Type{Kind: k, Length: n} }

// everyType are the columns of testdata/types.jsonl, whose rows were encoded by a Java program.
func everyType() []schema.Field {
	return named("c_bool", schema.TBoolean, "c_tiny", schema.TTinyInt, "c_small", schema.TSmallInt, "c_int", schema.TInt, "c_big", schema.TBigInt,
		"c_float", schema.TFloat, "c_double", schema.TDouble, "c_dec5", schema.TDecimal(5, 2), "c_dec18", schema.TDecimal(18, 6), "c_dec38", schema.TDecimal(38, 10),
		"c_char", chars(schema.Char, 6), "c_varchar", chars(schema.VarChar, 12), "c_string", schema.TString,
		"c_binary", chars(schema.Binary, 5), "c_varbinary", chars(schema.VarBinary, 16), "c_bytes", schema.TBytes,
		"c_date", schema.TDate, "c_time0", schema.TTime(0), "c_time3", schema.TTime(3),
		"c_ts0", schema.TTimestamp(0), "c_ts3", schema.TTimestamp(3), "c_ts6", schema.TTimestamp(6), "c_ts9", schema.TTimestamp(9),
		"c_ltz0", schema.TTimestampLTZ(0), "c_ltz3", schema.TTimestampLTZ(3), "c_ltz6", schema.TTimestampLTZ(6), "c_ltz9", schema.TTimestampLTZ(9),
		"c_arr_int", schema.TArray(schema.TInt), "c_arr_str", schema.TArray(schema.TString), "c_map", schema.TMap(schema.TString, schema.TInt),
		"c_map_arr", schema.TMap(schema.TInt, schema.TArray(schema.TString)), "c_row", tRow, "c_arr_row", schema.TArray(tRow),
		"c_map_row", schema.TMap(schema.TString, tRow), "c_arr_arr", schema.TArray(schema.TArray(schema.TDouble)),
		"c_arr_dec", schema.TArray(schema.TDecimal(20, 3)), "c_arr_ts", schema.TArray(schema.TTimestamp(6)))
}

func extremes() []schema.Field {
	return named("n", schema.TInt, "b", schema.TTinyInt, "s", schema.TSmallInt, "i", schema.TInt, "l", schema.TBigInt, "f", schema.TFloat, "d", schema.TDouble,
		"dec", schema.TDecimal(38, 18), "dec18", schema.TDecimal(18, 0), "dec9", schema.TDecimal(9, 9), "str", schema.TString, "bin", schema.TBytes,
		"dt", schema.TDate, "t", schema.TTime(3), "ts9", schema.TTimestamp(9), "ts0", schema.TTimestamp(0))
}

func decoder(t testing.TB, fields []schema.Field, opts DecodeOptions) *Decoder {
	t.Helper()
	d, err := NewDecoder(fields, opts)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// recode decodes and encodes again.
func recode(t testing.TB, fields []schema.Field, data []byte) []byte {
	t.Helper()
	d := decoder(t, fields, DecodeOptions{RefuseUnknown: true, RefuseMissing: true})
	if _, err := d.AppendAll(data, nil); err != nil {
		t.Fatal(err)
	}
	rec, _, err := d.Flush()
	if err != nil {
		t.Fatal(err)
	}
	defer rec.Release()
	e, err := NewEncoder(fields, EncodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return e.AppendLines(nil, rec)
}

func TestJavaRowsComeBackEqual(t *testing.T) {
	for file, fields := range map[string][]schema.Field{"types.jsonl": everyType(), "extremes.jsonl": extremes()} {
		want, err := os.ReadFile("testdata/" + file)
		if err != nil {
			t.Fatal(err)
		}
		got := bytes.Split(recode(t, fields, want), []byte("\n"))
		for i, line := range bytes.Split(want, []byte("\n")) {
			if !bytes.Equal(line, got[i]) {
				t.Errorf("%s line %d\n%s\nwant\n%s", file, i+1, got[i], line)
			}
		}
	}
}

func TestFormsThatAreTaken(t *testing.T) {
	for _, tc := range []struct {
		typ      schema.Type
		in, want string
	}{
		{schema.TBigInt, `"9007199254740993"`, `9007199254740993`},
		{schema.TDouble, `"1.5"`, `1.5`},
		{schema.TDouble, `-0.0`, `-0`},
		{schema.TDouble, `1e21`, `1e+21`},
		{schema.TDouble, `1e-9`, `1e-9`},
		{schema.TFloat, `0.1`, `0.1`},
		{schema.TDecimal(5, 2), `12.3`, `"12.30"`},
		{schema.TDecimal(5, 2), `"-1.2300e2"`, `"-123.00"`},
		{schema.TBoolean, `"true"`, `true`},
		{schema.TTimestamp(3), `"2024-02-29T10:11:12.5"`, `"2024-02-29 10:11:12.500"`},
		{schema.TTimestamp(0), `"2024-02-29 10:11:12.000"`, `"2024-02-29 10:11:12"`},
		{schema.TTimestampLTZ(3), `"2024-02-29T10:11:12+01:30"`, `"2024-02-29 08:41:12.000Z"`},
		{schema.TTimestampLTZ(0), `"1969-12-31 23:59:59Z"`, `"1969-12-31 23:59:59Z"`},
		{schema.TString, `"a\u00e9\ud83d\ude00\n\/\ud800"`, "\"aé😀\\n/\ufffd\""},
		{schema.TString, "\"\xff\"", "\"\ufffd\""},
		{schema.TMap(schema.TString, schema.TInt), `{"b":1,"a":null}`, `[["a",null],["b",1]]`},
		{multiset, `[["x",2]]`, `[["x",2]]`},
		{tRow, `{"rb":"x","other":1}`, `{"ra":null,"rb":"x","rc":null}`},
		{schema.TArray(schema.TInt), ` [ 1 , null ] `, `[1,null]`},
		{schema.TInt, `null`, `null`},
	} {
		got := recode(t, named("c", tc.typ), []byte(`{"c":`+tc.in+`}`))
		if want := `{"c":` + tc.want + "}\n"; string(got) != want {
			t.Errorf("%s %s gives %s want %s", tc.typ, tc.in, got, want)
		}
	}
}

func TestBadValuesAreNamed(t *testing.T) {
	for _, tc := range []struct {
		typ schema.Type
		in  string
	}{
		{schema.TInt, `1.5`}, {schema.TInt, `2147483648`}, {schema.TTinyInt, `128`}, {schema.TInt, `"x"`}, {schema.TInt, `true`}, {schema.TBigInt, `9223372036854775808`},
		{schema.TDouble, `"0x1p3"`}, {schema.TDouble, `"inf"`}, {schema.TDouble, `1e999`}, {schema.TBoolean, `1`},
		{schema.TDecimal(5, 2), `1000`}, {schema.TDecimal(5, 2), `0.001`}, {schema.TDecimal(5, 2), `1e999999999`}, {schema.TDecimal(5, 2), `"1-2"`}, {schema.TDecimal(5, 2), `""`},
		{schema.TString, `1`}, {chars(schema.VarChar, 2), `"abc"`}, {schema.TBytes, `"***"`}, {chars(schema.Binary, 1), `"AAAA"`},
		{schema.TDate, `"2024-02-30"`}, {schema.TDate, `19000`}, {schema.TTime(0), `"24:00:00"`}, {schema.TTime(0), `"10:00:00.5"`}, {schema.TTime(3), `"1:00:00"`},
		{schema.TTimestamp(3), `"2024-01-01"`}, {schema.TTimestamp(3), `"2024-01-01 00:00:00Z"`}, {schema.TTimestamp(3), `"2024-01-01 00:00:00.0001"`},
		{schema.TTimestamp(9), `"1600-01-01 00:00:00"`}, {schema.TTimestamp(3), `5`}, {schema.TTimestampLTZ(3), `"2024-01-01 00:00:00X"`},
		{schema.TArray(schema.TInt), `[1,"x"]`}, {schema.TArray(schema.TInt.WithNotNull(true)), `[null]`}, {schema.TArray(schema.TInt), `{}`},
		{schema.TMap(schema.TString, schema.TInt), `[["a"]]`}, {schema.TMap(schema.TString, schema.TInt), `[[null,1]]`}, {schema.TMap(schema.TString, schema.TInt), `{"a":"b"}`},
		{tRow, `[]`}, {tRow, `{"ra":"x"}`}, {schema.TInt.WithNotNull(true), `null`},
	} {
		d := decoder(t, named("ok", schema.TInt, "c", tc.typ), DecodeOptions{})
		n, err := d.AppendAll([]byte(`[{"ok":1},{"ok":2,"c":`+tc.in+`}]`), func(e *RowError, _ []byte) error { return e })
		if tc.typ.NotNull {
			n, err = d.AppendAll([]byte(`{"c":1}`+"\n"+`{"c":`+tc.in+`}`), func(e *RowError, _ []byte) error { return e })
		}
		var re *RowError
		if !errors.As(err, &re) || n != 1 || re.Row != 1 || re.Column != "c" {
			t.Errorf("%s %s: %d rows, %v", tc.typ, tc.in, n, err)
			continue
		}
		if !strings.Contains(re.Error(), "row 1: column c: expected "+strings.Fields(tc.typ.String())[0]) {
			t.Errorf("%s %s: %v", tc.typ, tc.in, re)
		}
	}
}

func TestBadRowsLeaveNoTrace(t *testing.T) {
	fields := append(everyType(), schema.Field{ID: 99, Name: "last", Type: schema.TInt})
	data, err := os.ReadFile("testdata/types.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	good := bytes.Split(bytes.TrimSpace(data), []byte("\n"))
	var in, want []byte
	for i, line := range good {
		in = append(append(in, line[:len(line)-1]...), `,"last":`...)
		if i%2 == 1 {
			in = append(in, "\"bad\"}\n"...)
			continue
		}
		in = append(in, "7}\n"...)
		want = append(append(want, line[:len(line)-1]...), ",\"last\":7}\n"...)
	}
	d := decoder(t, fields, DecodeOptions{})
	bad := 0
	n, err := d.AppendAll(in, func(*RowError, []byte) error { bad++; return nil })
	if err != nil || n != len(good)/2 || bad != len(good)/2 || d.Rows() != n {
		t.Fatalf("%d good, %d bad, %v", n, bad, err)
	}
	rec, kinds, err := d.Flush()
	if err != nil || len(kinds) != n {
		t.Fatal(err)
	}
	e, err := NewEncoder(fields, EncodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := e.AppendLines(nil, rec); !bytes.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if rec, _, err := d.Flush(); err != nil || rec.NumRows() != 0 {
		t.Errorf("after Flush %d rows, %v", rec.NumRows(), err)
	}
}

func TestSyntaxAndMembers(t *testing.T) {
	fields := named("a", schema.TInt.WithNotNull(true), "b", schema.TInt)
	for _, tc := range []struct {
		opts     DecodeOptions
		in, want string
	}{
		{DecodeOptions{}, `{"a":1`, "row 0: expected JSON, found byte 6: expected ',' or '}', found the end"},
		{DecodeOptions{}, `{"a":1}}`, "byte 7"},
		{DecodeOptions{}, `[{"a":1},{"a":2},`, "row 2: expected JSON"},
		{DecodeOptions{}, `[{"a":1}] x`, "expected the end"},
		{DecodeOptions{}, `17`, "row 0: expected an object, found 17"},
		{DecodeOptions{}, `[1]`, "row 0: expected an object"},
		{DecodeOptions{}, `{"b":1}`, "column a: expected INT NOT NULL, found no such member"},
		{DecodeOptions{}, `{"a":01}`, "byte 6"},
		{DecodeOptions{}, "{\"a\":1,\"b\":\"\x01\"}", "control character"},
		{DecodeOptions{}, `{"a":"\x"}`, "bad escape"},
		{DecodeOptions{}, strings.Repeat("[", 200), "nested deeper"},
		{DecodeOptions{RefuseUnknown: true}, `{"a":1,"c":2}`, "column c: expected a column of the table"},
		{DecodeOptions{RefuseMissing: true}, `{"a":1}`, "column b"},
		{DecodeOptions{Kinds: true}, `{"a":1,"_kind":"X"}`, "column _kind"},
	} {
		_, err := decoder(t, fields, tc.opts).AppendAll([]byte(tc.in), nil)
		if errkind.Of(err) != errkind.Invalid || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%.40s: %v", tc.in, err)
		}
	}
	d := decoder(t, fields, DecodeOptions{Kinds: true, AllowNull: []string{"a"}})
	if n, err := d.AppendAll([]byte("{\"_kind\":\"-D\",\"a\":3,\"a\":4}\n\n{\"a\":null}\n"), nil); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	rec, kinds, err := d.Flush()
	if err != nil || kinds[0] != 3 || kinds[1] != 0 || rec.Column(0).ValueStr(0) != "4" {
		t.Errorf("%v %v %v", rec, kinds, err)
	}
}

func TestMembersAndBigInts(t *testing.T) {
	fields := named("a", schema.TBigInt, "b", schema.TString)
	d := decoder(t, fields, DecodeOptions{})
	if err := d.Append([]byte(`{"a":9007199254740993,"b":"x"}`)); err != nil {
		t.Fatal(err)
	}
	rec, _, err := d.Flush()
	if err != nil {
		t.Fatal(err)
	}
	e, err := NewEncoder(fields, EncodeOptions{BigIntString: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := string(e.AppendMembers([]byte(`{"_kind":"+I",`), rec, 0)) + "}"; got != `{"_kind":"+I","a":"9007199254740993","b":"x"}` {
		t.Error(got)
	}
}

// What is taken encodes to JSON that is taken again and encodes the same.
func FuzzDecode(f *testing.F) {
	for _, name := range []string{"types.jsonl", "extremes.jsonl"} {
		data, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		for _, line := range bytes.Split(data, []byte("\n")) {
			f.Add(line)
		}
	}
	f.Add([]byte(`[{"c_int":"7"},{"c_row":{"rc":[1,null]}},{"c_map":{"a":1}}]`))
	fields := everyType()
	f.Fuzz(func(t *testing.T, data []byte) {
		d := decoder(t, fields, DecodeOptions{Kinds: true})
		if _, err := d.AppendAll(data, func(*RowError, []byte) error { return nil }); err != nil && errkind.Of(err) != errkind.Invalid {
			t.Fatalf("kind %s: %v", errkind.Of(err), err)
		}
		rec, kinds, err := d.Flush()
		if err != nil || len(kinds) != int(rec.NumRows()) {
			t.Fatal(err)
		}
		e, err := NewEncoder(fields, EncodeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		once := e.AppendLines(nil, rec)
		for _, l := range bytes.Split(bytes.TrimSpace(once), []byte("\n")) {
			if len(l) > 0 && !json.Valid(l) {
				t.Fatalf("not JSON: %s", l)
			}
		}
		if twice := recode(t, fields, once); !bytes.Equal(once, twice) {
			t.Fatalf("%s\nthen\n%s", once, twice)
		}
	})
}

func benchRows(b *testing.B) ([]schema.Field, []byte) {
	fields := named("id", schema.TBigInt, "name", schema.TString, "qty", schema.TInt, "price", schema.TDouble, "at", schema.TTimestamp(3))
	row := []byte(`{"id":123456789,"name":"some name of a thing","qty":12,"price":19.99,"at":"2024-02-29 10:11:12.500"}` + "\n")
	return fields, bytes.Repeat(row, 1000)
}

func BenchmarkDecode(b *testing.B) {
	fields, data := benchRows(b)
	d := decoder(b, fields, DecodeOptions{})
	for b.Loop() {
		if _, err := d.AppendAll(data, nil); err != nil {
			b.Fatal(err)
		}
		rec, _, _ := d.Flush()
		rec.Release()
	}
	b.ReportMetric(float64(1000*b.N)/b.Elapsed().Seconds()/1e6, "Mrows/s")
}

func BenchmarkEncode(b *testing.B) {
	fields, data := benchRows(b)
	d := decoder(b, fields, DecodeOptions{})
	if _, err := d.AppendAll(data, nil); err != nil {
		b.Fatal(err)
	}
	rec, _, _ := d.Flush()
	e, err := NewEncoder(fields, EncodeOptions{})
	if err != nil {
		b.Fatal(err)
	}
	var buf []byte
	for b.Loop() {
		buf = e.AppendLines(buf[:0], rec)
	}
	b.ReportMetric(float64(1000*b.N)/b.Elapsed().Seconds()/1e6, "Mrows/s")
}
