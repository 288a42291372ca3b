//go:build duckdb_arrow

package duck_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/duck"
	"github.com/weir-lake/weir/table/schema"
)

// shimCase is a type with values in three forms: as Arrow JSON, which makes the input, and as
// DuckDB constants, which are inserted row by row.
type shimCase struct {
	t    schema.Type
	json []string
	sql  []string
}

func rowType(fields ...schema.Field) schema.Type {
	return schema.Type{Kind: schema.Row, Fields: fields}
}

func shimCases() []shimCase {
	i, s := schema.TInt, schema.TString
	point := rowType(schema.Field{ID: 1, Name: "x", Type: i}, schema.Field{ID: 2, Name: "Label", Type: s})
	ticks := func(name string, values ...string) (js, sql []string) {
		for _, v := range values {
			js, sql = append(js, v), append(sql, fmt.Sprintf(name, v))
		}
		return js, sql
	}
	msJ, msS := ticks("make_timestamp(%s * 1000)::TIMESTAMP_MS", "0", "-1", "1709251199999", "-62135596800000")
	usJ, usS := ticks("make_timestamp(%s)", "0", "-1", "1709251199999999", "-62135596800000000")
	nsJ, nsS := ticks("make_timestamp_ns(%s)", "0", "-1", "1709251199999999999", "-9000000000000000000")
	return []shimCase{
		{schema.TBoolean, []string{"true", "false"}, []string{"true", "false"}},
		{schema.TTinyInt, []string{"-128", "127"}, []string{"(-128)::TINYINT", "127::TINYINT"}},
		{schema.TSmallInt, []string{"-32768", "5"}, []string{"(-32768)::SMALLINT", "5::SMALLINT"}},
		{i, []string{"-2147483648", "7"}, []string{"(-2147483648)::INTEGER", "7::INTEGER"}},
		{schema.TBigInt, []string{"-9223372036854775808", "9223372036854775807"}, []string{"(-9223372036854775808)::BIGINT", "9223372036854775807::BIGINT"}},
		{schema.TFloat, []string{"1.5", "-0.25"}, []string{"1.5::FLOAT", "(-0.25)::FLOAT"}},
		{schema.TDouble, []string{"0.1", "1e300"}, []string{"0.1::DOUBLE", "1e300::DOUBLE"}},
		{schema.TDecimal(4, 1), []string{`"12.5"`, `"-999.9"`}, []string{"12.5::DECIMAL(4,1)", "(-999.9)::DECIMAL(4,1)"}},
		{schema.TDecimal(9, 2), []string{`"1.25"`, `"-9999999.99"`}, []string{"1.25::DECIMAL(9,2)", "(-9999999.99)::DECIMAL(9,2)"}},
		{schema.TDecimal(18, 6), []string{`"0.000001"`, `"-999999999999.999999"`}, []string{"0.000001::DECIMAL(18,6)", "(-999999999999.999999)::DECIMAL(18,6)"}},
		{schema.TDecimal(38, 10), []string{`"9999999999999999999999999999.9999999999"`, `"-1.0000000001"`}, []string{"'9999999999999999999999999999.9999999999'::DECIMAL(38,10)", "'-1.0000000001'::DECIMAL(38,10)"}},
		{s, []string{`""`, `"short"`, `"longer than twelve bytes, äöü"`}, []string{"''", "'short'", "'longer than twelve bytes, äöü'"}},
		{schema.TBytes, []string{`""`, `"AP8="`, `"AAECAwQFBgcICQoLDA0ODw=="`}, []string{"''::BLOB", `unhex('00ff')`, `unhex('000102030405060708090a0b0c0d0e0f')`}},
		{schema.TDate, []string{`"1970-01-01"`, `"1582-10-04"`}, []string{"DATE '1970-01-01'", "DATE '1582-10-04'"}},
		{schema.TTime(3), []string{`"00:00:00"`, `"23:59:59.999"`}, []string{"TIME '00:00:00'", "TIME '23:59:59.999'"}},
		{schema.TTimestamp(3), msJ, msS}, {schema.TTimestamp(6), usJ, usS}, {schema.TTimestamp(9), nsJ, nsS},
		{schema.TTimestampLTZ(3), msJ, msS}, {schema.TTimestampLTZ(6), usJ, usS}, {schema.TTimestampLTZ(9), nsJ, nsS},
		{schema.TArray(i), []string{"[]", "[1, null, 3]"}, []string{"[]::INTEGER[]", "[1, NULL, 3]::INTEGER[]"}},
		{schema.TArray(schema.TArray(s)), []string{`[["a"], [], null, ["bcdefghijklmnopq", null]]`}, []string{"[['a'], [], NULL, ['bcdefghijklmnopq', NULL]]::VARCHAR[][]"}},
		{schema.TMap(s, schema.TBigInt), []string{`[]`, `[{"key": "a", "value": 1}, {"key": "b", "value": null}]`}, []string{"MAP {}::MAP(VARCHAR, BIGINT)", "MAP {'a': 1, 'b': NULL}::MAP(VARCHAR, BIGINT)"}},
		{point, []string{`{"x": 1, "Label": "one"}`, `{"x": null, "Label": null}`}, []string{`{'x': 1::INTEGER, 'Label': 'one'}`, `{'x': NULL::INTEGER, 'Label': NULL::VARCHAR}`}},
		{schema.TArray(point), []string{`[{"x": 1, "Label": "one"}, null]`}, []string{`[{'x': 1::INTEGER, 'Label': 'one'}, NULL]`}},
		{rowType(schema.Field{ID: 1, Name: "t", Type: schema.TTimestampLTZ(3)}, schema.Field{ID: 2, Name: "l", Type: schema.TArray(schema.TDecimal(9, 2))}),
			[]string{`{"t": 5, "l": ["1.25"]}`}, []string{`{'t': make_timestamp(5000)::TIMESTAMP_MS, 'l': [1.25::DECIMAL(9,2)]}`}},
	}
}

// shimRows is how often the values are repeated, NULL among them: more than a DuckDB vector
// and no multiple of it.
const shimRows = 5001

// What the table function hands over is what row-by-row insertion makes: all types,
// NULLs, batches of any length, slices, with and without a projection.
func TestShimAgainstInsertion(t *testing.T) {
	p := newPool(t, duck.Options{Workers: 1})
	for _, c := range shimCases() {
		in := shimInput(t, c)
		values := append(append([]string(nil), c.sql...), "NULL")
		for i, v := range values {
			values[i] = fmt.Sprintf("(%d, %s)", i, v)
		}
		inserted := fmt.Sprintf("(SELECT r.n, v.v FROM range(%d) r(n) JOIN (VALUES %s) v(i, v) ON v.i = r.n %% %d)", shimRows, strings.Join(values, ", "), len(values))
		for name, sql := range map[string]string{
			"differences": fmt.Sprintf("SELECT count(*) FROM %s a FULL JOIN (SELECT c0, c1 FROM weir_arrow(0)) b ON a.n = b.c0 WHERE a.v IS DISTINCT FROM b.c1 OR a.n IS NULL OR b.c0 IS NULL", inserted),
			"alone":       fmt.Sprintf("SELECT count(c1) - %d FROM weir_arrow(0)", shimRows-shimRows/len(values)),
		} {
			got, err := run(t, p, duck.Query{SQL: sql, Inputs: []duck.ArrowInput{in}, Output: fields(schema.TBigInt)})
			if err != nil || got[0][0] != "0" {
				t.Errorf("%s, %s: %v, %v", c.t, name, got, err)
			}
		}
		there, err := run(t, p, duck.Query{SQL: "SELECT c1 FROM weir_arrow(0) ORDER BY c0", Inputs: []duck.ArrowInput{in}, Output: fields(c.t)})
		if err != nil || len(there) != shimRows {
			t.Errorf("%s: %d rows back, %v", c.t, len(there), err)
			continue
		}
		want := shimColumn(t, c)
		for i, row := range there {
			if row[0] != want.ValueStr(i%want.Len()) {
				t.Errorf("%s: row %d came back as %s, was %s", c.t, i, row[0], want.ValueStr(i%want.Len()))
				break
			}
		}
	}
}

// shimColumn is the case's values, a NULL last.
func shimColumn(t *testing.T, c shimCase) arrow.Array {
	t.Helper()
	at, err := c.t.ArrowType()
	if err != nil {
		t.Fatal(err)
	}
	js := "[" + strings.Join(append(append([]string(nil), c.json...), "null"), ", ") + "]"
	a, _, err := array.FromJSON(memory.DefaultAllocator, at, strings.NewReader(js))
	if err != nil {
		t.Fatalf("%s: %s: %v", c.t, js, err)
	}
	return a
}

func shimInput(t *testing.T, c shimCase) duck.ArrowInput {
	t.Helper()
	one := shimColumn(t, c)
	parts := make([]arrow.Array, shimRows/one.Len()+1)
	for i := range parts {
		parts[i] = one
	}
	all, err := array.Concatenate(parts, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	nb := array.NewInt64Builder(memory.DefaultAllocator)
	for i := range shimRows {
		nb.Append(int64(i))
	}
	s := arrow.NewSchema([]arrow.Field{{Name: "n", Type: arrow.PrimitiveTypes.Int64}, {Name: "v", Type: one.DataType(), Nullable: true}}, nil)
	b := array.NewRecordBatch(s, []arrow.Array{nb.NewArray(), array.NewSlice(all, 0, shimRows)}, shimRows)
	// Cut so that slices start anywhere, at odd bits too.
	return batches(s, b.NewSlice(0, 1), b.NewSlice(1, 3), b.NewSlice(3, 3000), b.NewSlice(3000, 3000), b.NewSlice(3000, shimRows))
}

// Floating values that JSON cannot hold.
func TestShimSpecialFloats(t *testing.T) {
	p := newPool(t, duck.Options{Workers: 1})
	b := array.NewFloat64Builder(memory.DefaultAllocator)
	b.AppendValues([]float64{math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), 5e-324}, nil)
	s := arrow.NewSchema([]arrow.Field{{Name: "d", Type: arrow.PrimitiveTypes.Float64}}, nil)
	in := batches(s, array.NewRecordBatch(s, []arrow.Array{b.NewArray()}, 5))
	got, err := run(t, p, duck.Query{
		SQL: "SELECT c0, isnan(c0), c0::VARCHAR FROM weir_arrow(0)", Inputs: []duck.ArrowInput{in},
		Output: fields(schema.TDouble, schema.TBoolean, schema.TString),
	})
	if want := "[[NaN true nan] [+Inf false inf] [-Inf false -inf] [-0 false -0.0] [5e-324 false 5e-324]]"; err != nil || fmt.Sprint(got) != want {
		t.Errorf("got %v, %v", got, err)
	}
}

// Rows that are only counted, and values that outlive their chunk.
func TestShimKeepsMemory(t *testing.T) {
	p := newPool(t, duck.Options{Workers: 1, Threads: 4})
	in := batches(numberSchema, numbers(0, 200_000))
	in.Rows = -1
	got, err := run(t, p, duck.Query{
		SQL:    "SELECT count(*), count(DISTINCT c1), max(length(l)) FROM (SELECT c0 % 100 AS g, list(c1) AS l FROM weir_arrow(0) GROUP BY 1), weir_arrow(0) WHERE c0 < 5",
		Inputs: []duck.ArrowInput{in}, Output: fields(schema.TBigInt, schema.TBigInt, schema.TBigInt),
	})
	if want := "[[500 5 2000]]"; err != nil || fmt.Sprint(got) != want {
		t.Errorf("got %v, %v", got, err)
	}
}
