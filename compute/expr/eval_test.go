package expr

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

func field(name string, t schema.Type) schema.Field { return schema.Field{Name: name, Type: t} }

func mustParse(t testing.TB, text string, cols []schema.Field) Expr {
	t.Helper()
	e, err := parseExpr(text, cols)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return e
}

var mixedFields = []schema.Field{
	field("a", schema.TInt), field("b", schema.TBigInt), field("d", schema.TDouble), field("m", schema.TDecimal(10, 2)),
	field("s", schema.TString), field("t", schema.TTimestamp(3)), field("f", schema.TBoolean),
}

func mixedBatch(t testing.TB) arrow.RecordBatch {
	return batchOf(t, mixedFields,
		[]string{"1", "NULL", "0", "-5", "7"},
		[]string{"10", "20", "NULL", "40", "-50"},
		[]string{"1.5", "NaN", "NULL", "-0.0", "1e10"},
		[]string{"1.50", "NULL", "-2.25", "0.00", "99999999.99"},
		[]string{"x", "", "NULL", "héllo", "x%"},
		[]string{"2024-01-01 00:00:00", "NULL", "1969-12-31 23:59:59.999", "2024-02-29 12:00:00.5", "2000-01-01 00:00:00"},
		[]string{"TRUE", "FALSE", "NULL", "TRUE", "FALSE"},
	)
}

// Values over columns with NULLs, whole and as a slice with an offset.
func TestEvalOverColumns(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"$a", "1 NULL 0 -5 7"},
		{"$a + 1", "2 NULL 1 -4 8"},
		{"100 - $b", "90 80 NULL 60 150"},
		{"$a * $b", "10 NULL NULL -200 -350"},
		{"$b / $a", "10 NULL NULL -8 -7"},
		{"CASE($a = 0, NULL, $b / $a)", "10 NULL NULL -8 -7"},
		{"CASE($a <> 0, 100 / $a, -1)", "100 -1 -1 -20 14"},
		{"COALESCE($a, $b)", "1 20 0 -5 7"},
		{"COALESCE(1 / $a, 0)", "error: division by zero"},
		{"IF($f, $s, 'no')", "x no no héllo no"},
		{"$a > 0 AND $b > 0", "TRUE NULL FALSE FALSE FALSE"},
		{"$a > 0 OR $b > 0", "TRUE TRUE NULL TRUE TRUE"},
		{"$a <> 0 AND $b / $a > 0", "TRUE NULL FALSE FALSE FALSE"},
		{"NOT($f)", "FALSE TRUE NULL FALSE TRUE"},
		{"$d > 0", "TRUE FALSE NULL FALSE TRUE"},
		{"$d = $d", "TRUE FALSE NULL TRUE TRUE"},
		{"IS_NULL($s)", "FALSE FALSE TRUE FALSE FALSE"},
		{"$m * 2", "3.00 NULL -4.50 0.00 199999999.98"},
		{"$m + $a", "2.50 NULL -2.25 -5.00 100000006.99"},
		{"$s || '!'", "x! ! NULL héllo! x%!"},
		{"CHAR_LENGTH($s)", "1 0 NULL 5 2"},
		{"LIKE($s, 'x%')", "TRUE FALSE NULL FALSE TRUE"},
		{"LIKE('x', $s)", "TRUE FALSE NULL FALSE TRUE"},
		{"IN($s, 'x', 'y')", "TRUE FALSE NULL FALSE FALSE"},
		{"IN($a, 1, 2, 3, 7, 9)", "TRUE NULL FALSE FALSE TRUE"},
		{"$t + INTERVAL '1' DAY", "2024-01-02 00:00:00.000,NULL,1970-01-01 23:59:59.999,2024-03-01 12:00:00.500,2000-01-02 00:00:00.000"},
		{"$t < TIMESTAMP '2001-01-01 00:00:00'", "FALSE NULL TRUE FALSE TRUE"},
		{"YEAR($t)", "2024 NULL 1969 2024 2000"},
		{"NULLIF($a, 0)", "1 NULL NULL -5 7"},
		{"GREATEST($a, $b)", "10 NULL NULL 40 7"},
		{"ARRAY($a)", "[1] [NULL] [0] [-5] [7]"},
		{"ITEM(ARRAY($a, 9), 1)", "1 NULL 0 -5 7"},
		{"CARDINALITY(MAP($b, $a))", "error: a key is NULL"},
		{"IS_DISTINCT_FROM($a, $b)", "TRUE TRUE TRUE TRUE TRUE"},
		{"CAST($s AS INT)", "error: is not an integer"},
		{"TRY_CAST($s AS INT)", "NULL NULL NULL NULL NULL"},
		{"FIELD(ROW($a, $s), 1)", "x,,NULL,héllo,x%"},
	} {
		for _, sliced := range []bool{false, true} {
			in := mixedBatch(t)
			want := c.want
			from := 0
			if sliced {
				in, from = in.NewSlice(1, 4), 1
			}
			e := mustParse(t, c.text, mixedFields)
			a, err := Eval(e, in, nil)
			if err != nil {
				if !strings.HasPrefix(want, "error: ") || !strings.Contains(err.Error(), want[len("error: "):]) || !errkind.Is(err, errkind.Invalid) {
					t.Errorf("%s: %v (kind %v)", c.text, err, errkind.Of(err))
				}
				continue
			}
			sep := " "
			if strings.Contains(want, ",") {
				sep = ","
			}
			wants := strings.Split(want, sep)[from:]
			for i := range a.Len() {
				if got := valueText(t, a, e.Type(), i); got != wants[i] {
					t.Errorf("%s row %d (sliced %v) is %q, want %q", c.text, i, sliced, got, wants[i])
				}
			}
		}
	}
}

func TestEvalBool(t *testing.T) {
	in := mixedBatch(t)
	for text, want := range map[string]string{
		"$a > 0": "[0 4]", "$f": "[0 3]", "IS_NULL($a)": "[1]", "TRUE": "[0 1 2 3 4]", "1 = 2": "[]", "NULL AND TRUE": "[]",
		"$a = 99": "[]", "LIKE($s, '%l%')": "[3]",
	} {
		rows, err := EvalBool(mustParse(t, text, mixedFields), in, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(rows); got != want {
			t.Errorf("%s holds for %s, want %s", text, got, want)
		}
	}
	if _, err := EvalBool(mustParse(t, "$a", mixedFields), in, nil); err == nil {
		t.Error("an INT was taken for a condition")
	}
}

func TestEvalEmptyBatch(t *testing.T) {
	in := mixedBatch(t).NewSlice(2, 2)
	for _, text := range []string{"$a + 1", "1 / 0", "ARRAY($s)", "$s", "CASE($f, 1, 2)", "NOW()"} {
		a, err := Eval(mustParse(t, text, mixedFields), in, testEnv())
		if err != nil || a.Len() != 0 {
			t.Errorf("%s over no rows: %v, %v", text, a, err)
		}
	}
}

// What Eval returns must not depend on the memory of its input.
func TestResultOutlivesInput(t *testing.T) {
	for _, text := range []string{"$a", "$s", "COALESCE($s, 'x')", "CAST($t AS TIMESTAMP(3))", "FIELD(ROW($s), 0)", "CAST($a AS INT)", "IFNULL($b, 1)"} {
		mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
		b := array.NewRecordBuilder(mem, mixedBatch(t).Schema())
		for i, f := range b.Fields() {
			src := mixedBatch(t).Column(i)
			for r := range src.Len() {
				if err := appendArrow(f, src, r); err != nil {
					t.Fatal(err)
				}
			}
		}
		in := b.NewRecordBatch()
		b.Release()
		e := mustParse(t, text, mixedFields)
		a, err := Eval(e, in, nil)
		if err != nil {
			t.Fatal(err)
		}
		before := valueText(t, a, e.Type(), 0)
		in.Release()
		if got := valueText(t, a, e.Type(), 0); got != before {
			t.Errorf("%s changed from %s to %s", text, before, got)
		}
		a.Release()
		mem.AssertSize(t, 0)
	}
}

func TestProgramIsSafeForConcurrentUse(t *testing.T) {
	in := mixedBatch(t)
	e := mustParse(t, "REGEXP_REPLACE(UPPER($s), '[A-Z]+', DATE_FORMAT($t, 'yyyy')) || CAST($d AS STRING) || CONVERT_TZ('2020-01-01 00:00:00', 'UTC', 'Asia/Tokyo')", mixedFields)
	p, err := Compile(e)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				a, err := p.Eval(in, nil)
				if err != nil {
					t.Error(err)
					return
				}
				if got := valueText(t, a, e.Type(), 0); got != "20241.52020-01-01 09:00:00" {
					t.Errorf("got %s", got)
				}
			}
		})
	}
	wg.Wait()
}

func TestSessionZone(t *testing.T) {
	zone, err := LoadZone("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	env := testEnv()
	env.Zone = zone
	for text, want := range map[string]string{
		"CAST(TIMESTAMP '2024-01-15 12:00:00' AS TIMESTAMP_LTZ(0))": "2024-01-15 17:00:00",
		"CAST(LTZ '2024-01-15 12:00:00' AS TIMESTAMP(0))":           "2024-01-15 07:00:00",
		"CAST(LTZ '2024-01-15 02:00:00' AS DATE)":                   "2024-01-14",
		"CAST(LTZ '2024-07-15 12:00:00' AS STRING)":                 "2024-07-15 08:00:00",
		"EXTRACT(:HOUR, LTZ '2024-07-15 12:00:00')":                 "8",
		"FLOOR(LTZ '2024-07-15 02:00:00', :DAY)":                    "2024-07-14 04:00:00",
		"DATE_FORMAT(LTZ '2024-07-15 12:00:00', 'HH:mm')":           "08:00",
		"FROM_UNIXTIME(0)":                      "1969-12-31 19:00:00",
		"UNIX_TIMESTAMP('1970-01-01 00:00:00')": "18000",
		"LOCALTIMESTAMP()":                      "2024-05-06 03:08:09.123",
		// Skipped and repeated hours: later by the gap, and the first of the two.
		"CAST(TIMESTAMP '2024-03-10 02:30:00' AS TIMESTAMP_LTZ(0))": "2024-03-10 07:30:00",
		"CAST(TIMESTAMP '2024-11-03 01:30:00' AS TIMESTAMP_LTZ(0))": "2024-11-03 05:30:00",
	} {
		e := mustParse(t, text, nil)
		a, err := Eval(e, oneRow(), env)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := valueText(t, a, e.Type(), 0); got != want {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
	}
}

func TestRandomIsRecorded(t *testing.T) {
	in := mixedBatch(t)
	for _, text := range []string{"RAND()", "UUID()", "RAND_INTEGER(1000000000)"} {
		e := mustParse(t, text, nil)
		values := func(seed int64) string {
			a, err := Eval(e, in, &Env{Seed: seed})
			if err != nil {
				t.Fatal(err)
			}
			seen := map[string]bool{}
			for i := range a.Len() {
				seen[valueText(t, a, e.Type(), i)] = true
			}
			if len(seen) != a.Len() {
				t.Errorf("%s repeats itself", text)
			}
			return fmt.Sprint(a)
		}
		if first, again := values(1), values(1); first != again || first == values(2) {
			t.Errorf("%s does not follow the seed", text)
		}
	}
}

func TestFold(t *testing.T) {
	for text, want := range map[string]string{
		"$a + (1 + 2)":                    "+($a#0, 3:INT)",
		"UPPER('x') || $s":                "||($s#4)",
		"1 / 0":                           "/(1:INT, 0:INT)",
		"NOW()":                           "NOW()",
		"YEAR(DATE '2024-01-01')":         "2024:BIGINT",
		"HOUR(LTZ '2024-01-01 00:00:00')": "HOUR(1704067200000:TIMESTAMP(0) WITH LOCAL TIME ZONE)",
		"CAST(DATE '2024-01-01' AS TIMESTAMP_LTZ(0))": "CAST(19723:DATE AS TIMESTAMP(0) WITH LOCAL TIME ZONE)",
		"ARRAY(1, 2)":      "ARRAY(1:INT, 2:INT)",
		"CAST('1' AS INT)": "1:INT",
		"NULL = 1":         "NULL",
	} {
		e := mustParse(t, text, mixedFields)
		got := Fold(e).String()
		if text == "UPPER('x') || $s" {
			want = "||('X', s#4)"
		}
		if strings.ReplaceAll(want, "$", "") != got {
			t.Errorf("Fold(%s) = %s, want %s", text, got, want)
		}
		if Fold(e).Type().Kind != e.Type().Kind {
			t.Errorf("Fold(%s) changed the type to %s", text, Fold(e).Type())
		}
	}
	l, err := Const(mustParse(t, "INTERVAL '1' DAY * 2", nil), nil)
	if err != nil || l.Value != int64(2*millisPerDay) {
		t.Errorf("Const: %v, %v", l, err)
	}
	if _, err := Const(mustParse(t, "$a", mixedFields), nil); err == nil {
		t.Error("a column was taken for a constant")
	}
	if _, err := Const(mustParse(t, "1 / 0", nil), nil); !errkind.Is(err, errkind.Invalid) {
		t.Errorf("Const(1 / 0): %v", err)
	}
}

func TestCompileErrors(t *testing.T) {
	for _, c := range []struct {
		e    Expr
		want string
	}{
		{&Call{Fn: "NO_SUCH", T: schema.TInt}, "there is no function NO_SUCH"},
		{&Call{Fn: "CAST", Args: []Expr{&Column{T: schema.TDate}}, T: schema.TInt}, "a DATE cannot be cast to INT"},
		{&Call{Fn: "FIELD", Args: []Expr{&Column{T: schema.TInt}, &Literal{Value: int64(0), T: schema.TInt}}, T: schema.TInt}, "wants a ROW"},
		{&Call{Fn: "REGEXP", Args: []Expr{&Column{T: schema.TString}, stringLiteral("(?=x)")}, T: schema.TBoolean}, "look-ahead"},
		{&Literal{Value: "x", T: schema.TInt}, "a literal of type INT holds a string"},
	} {
		if _, err := Compile(c.e); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.e, err, c.want)
		}
	}
	in := mixedBatch(t)
	if _, err := Eval(&Column{Index: 0, T: schema.TString}, in, nil); err == nil {
		t.Error("an INT column passed for a STRING")
	}
	if _, err := Eval(&Column{Index: 99, T: schema.TString}, in, nil); err == nil {
		t.Error("column 99 of 7 was read")
	}
}

func TestFailedRow(t *testing.T) {
	in := mixedBatch(t)
	for text, want := range map[string]int{
		"1 / $a": 2, "CAST($s AS INT)": 0, "CASE(IS_NULL($a), CAST($s AS INT), 0)": 1, "ITEM(MAP($b, 1), 5)": 2, "$m / $a": 2, "1 / 0": -1, "CAST(ARRAY($s) AS ARRAY<INT>)": -1,
	} {
		_, err := Eval(mustParse(t, text, mixedFields), in, nil)
		row, ok := FailedRow(err)
		if err == nil || ok != (want >= 0) || ok && row != want {
			t.Errorf("%s failed in row %d (%v): %v, want %d", text, row, ok, err, want)
		}
	}
}

// A binder may leave a NULL without a type where any type fits.
func TestUntypedNull(t *testing.T) {
	in := mixedBatch(t)
	null := &Literal{T: schema.TNull}
	a := &Column{Index: 0, Name: "a", T: schema.TInt}
	f := &Column{Index: 6, Name: "f", T: schema.TBoolean}
	for _, c := range []struct {
		e    *Call
		want string
	}{
		{&Call{Fn: "CASE", Args: []Expr{f, null, a}, T: schema.TInt}, "NULL NULL 0 NULL 7"},
		{&Call{Fn: "CASE", Args: []Expr{null, a, f, a, null}, T: schema.TInt}, "1 NULL NULL -5 NULL"},
		{&Call{Fn: "COALESCE", Args: []Expr{null, a}, T: schema.TInt}, "1 NULL 0 -5 7"},
		{&Call{Fn: "AND", Args: []Expr{null, f}, T: schema.TBoolean}, "NULL FALSE NULL NULL FALSE"},
		{&Call{Fn: "IF", Args: []Expr{null, null, a}, T: schema.TInt}, "1 NULL 0 -5 7"},
	} {
		got, err := Eval(c.e, in, nil)
		if err != nil {
			t.Errorf("%s: %v", c.e, err)
			continue
		}
		for i, want := range strings.Split(c.want, " ") {
			if text := valueText(t, got, c.e.T, i); text != want {
				t.Errorf("%s row %d is %s, want %s", c.e, i, text, want)
			}
		}
	}
}

func TestTextLimit(t *testing.T) {
	b := newTextBuilder(2)
	b.max = 10
	for _, text := range []string{"12345", "67890"} {
		b.buf = append(b.buf, text...)
		if err := b.end(); err != nil {
			t.Fatal(err)
		}
	}
	b.buf = append(b.buf, 'x')
	if err := b.end(); !errkind.Is(err, errkind.Exhausted) {
		t.Errorf("11 bytes of 10: %v", err)
	}
}

func TestFormatDouble(t *testing.T) {
	for f, want := range map[float64]string{
		1: "1.0", 0: "0.0", math.Copysign(0, -1): "-0.0", 123456.789: "123456.789", 1e7: "1.0E7", 9999999: "9999999.0", 1.5e-3: "0.0015",
		9.99e-4: "9.99E-4", math.MaxFloat64: "1.7976931348623157E308", 5e-324: "4.9E-324", math.Inf(-1): "-Infinity", -1e21: "-1.0E21",
	} {
		if got := FormatDouble(f); got != want {
			t.Errorf("FormatDouble(%g) = %s, want %s", f, got, want)
		}
	}
	if got := FormatFloat(0.1); got != "0.1" {
		t.Errorf("FormatFloat(0.1) = %s", got)
	}
}
