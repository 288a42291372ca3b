//go:build duckdb_arrow

package duck_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/duck"
	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

// sample is a column with the values at which engines differ.
type sample struct {
	name   string
	t      schema.Type
	values []any // nil, bool, int64, float64, string, []byte, decimal128.Num
}

func dec(n int64) decimal128.Num { return decimal128.FromI64(n) }

var samples = []sample{
	{"b1", schema.TBoolean, []any{nil, true, false}},
	{"b2", schema.TBoolean, []any{nil, true, false}},
	{"y", schema.TTinyInt, []any{nil, int64(0), int64(1), int64(-1), int64(127), int64(-128), int64(50)}},
	{"h", schema.TSmallInt, []any{nil, int64(0), int64(-1), int64(32767), int64(-32768), int64(300)}},
	{"i1", schema.TInt, []any{nil, int64(0), int64(1), int64(-1), int64(7), int64(-7), int64(math.MaxInt32), int64(math.MinInt32), int64(65536)}},
	{"i2", schema.TInt, []any{nil, int64(0), int64(1), int64(-1), int64(2), int64(-2), int64(3), int64(math.MaxInt32), int64(math.MinInt32)}},
	{"l1", schema.TBigInt, []any{nil, int64(0), int64(1), int64(-1), int64(-17), int64(math.MaxInt64), int64(math.MinInt64), int64(1) << 40}},
	{"l2", schema.TBigInt, []any{nil, int64(0), int64(1), int64(-1), int64(5), int64(math.MaxInt64), int64(math.MinInt64), int64(-3) << 33}},
	{"f", schema.TFloat, []any{nil, 0.0, 1.5, -2.25, math.Inf(1), math.NaN(), float64(math.MaxFloat32), 0.1}},
	{"d1", schema.TDouble, []any{nil, 0.0, 1.5, -1.5, 2.5, math.Inf(1), math.Inf(-1), math.NaN(), math.MaxFloat64, 1e-300, 0.1, 1e20}},
	{"d2", schema.TDouble, []any{nil, 0.0, 1.0, -3.0, math.Inf(1), math.NaN(), 5e-324, 0.1, 1e20}},
	{"m1", schema.TDecimal(10, 2), []any{nil, dec(0), dec(1), dec(-1), dec(9999999999), dec(-9999999999), dec(12345), dec(50)}},
	{"m2", schema.TDecimal(12, 4), []any{nil, dec(0), dec(1), dec(-25000), dec(999999999999), dec(10000), dec(33333)}},
	{"s1", schema.TString, []any{nil, "", "a", "abc", "ABC", "%", "_", "ä€", "a\x00b", "𝒳y", "  x ", "10", "zebra", "a'b\\c", "straße"}},
	{"s2", schema.TString, []any{nil, "", "a", "b", "bc", "ab%", "€", "x", "2024-02-29", "-5"}},
	{"x", schema.TBytes, []any{nil, []byte{}, []byte{0, 255}, []byte("abc")}},
	{"dt", schema.TDate, []any{nil, int64(0), int64(-1), int64(19782), int64(11016), int64(-25567), int64(2932896)}},
	{"tm", schema.TTime(3), []any{nil, int64(0), int64(1), int64(86399999), int64(43200000)}},
	{"t3", schema.TTimestamp(3), []any{nil, int64(0), int64(-1), int64(1709251199999), int64(-86400001), int64(951868800000), int64(-2208988800000)}},
	{"u3", schema.TTimestamp(3), []any{nil, int64(0), int64(86399999), int64(1709251200000), int64(-62135596800000)}},
	{"t6", schema.TTimestamp(6), []any{nil, int64(0), int64(-1), int64(1709251199999999), int64(1), int64(-86400000001)}},
	{"t9", schema.TTimestamp(9), []any{nil, int64(0), int64(-1), int64(1709251199999999999), int64(-86400000000001)}},
	{"z3", schema.TTimestampLTZ(3), []any{nil, int64(0), int64(-1), int64(1709251199999)}},
	{"iv", schema.Type{Kind: schema.IntervalDayTime}, []any{nil, int64(0), int64(1), int64(-86400000), int64(3600000)}},
}

func sampleSchema() *arrow.Schema {
	fs := make([]schema.Field, len(samples))
	for i, s := range samples {
		fs[i] = schema.Field{ID: i, Name: s.name, Type: s.t}
	}
	as, err := schema.ArrowSchema(fs)
	if err != nil {
		panic(err)
	}
	return as
}

// sampleRows picks values at random, every value of a column at least once.
func sampleRows(n int) arrow.RecordBatch {
	rnd := rand.New(rand.NewPCG(1, 2))
	b := array.NewRecordBuilder(memory.DefaultAllocator, sampleSchema())
	for i, s := range samples {
		for r := range n {
			v := s.values[rnd.IntN(len(s.values))]
			if r < len(s.values) {
				v = s.values[r]
			}
			appendValue(b.Field(i), v)
		}
	}
	return b.NewRecordBatch()
}

func appendValue(b array.Builder, v any) {
	if v == nil {
		b.AppendNull()
		return
	}
	switch b := b.(type) {
	case *array.BooleanBuilder:
		b.Append(v.(bool))
	case *array.Int8Builder:
		b.Append(int8(v.(int64)))
	case *array.Int16Builder:
		b.Append(int16(v.(int64)))
	case *array.Int32Builder:
		b.Append(int32(v.(int64)))
	case *array.Int64Builder:
		b.Append(v.(int64))
	case *array.Float32Builder:
		b.Append(float32(v.(float64)))
	case *array.Float64Builder:
		b.Append(v.(float64))
	case *array.Decimal128Builder:
		b.Append(v.(decimal128.Num))
	case *array.StringBuilder:
		b.Append(v.(string))
	case *array.BinaryBuilder:
		b.Append(v.([]byte))
	case *array.Date32Builder:
		b.Append(arrow.Date32(v.(int64)))
	case *array.Time32Builder:
		b.Append(arrow.Time32(v.(int64)))
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(v.(int64)))
	default:
		panic(fmt.Sprintf("no value for %T", b))
	}
}

func col(name string) expr.Expr {
	for i, s := range samples {
		if s.name == name {
			return &expr.Column{Index: i, Name: name, T: s.t}
		}
	}
	panic("no sample " + name)
}

func text(s string) expr.Expr {
	return &expr.Literal{Value: s, T: schema.Type{Kind: schema.VarChar, Length: schema.MaxLength, NotNull: true}}
}
func num(n int64) expr.Expr {
	return &expr.Literal{Value: n, T: schema.TInt.WithNotNull(true)}
}

func apply(t *testing.T, fn string, args ...expr.Expr) expr.Expr {
	t.Helper()
	e, err := expr.Apply(fn, args...)
	if err != nil {
		t.Fatalf("%s%v: %v", fn, args, err)
	}
	return e
}

func castTo(e expr.Expr, to schema.Type) expr.Expr {
	return &expr.Call{Fn: "CAST", Args: []expr.Expr{e}, T: to}
}

// oneTable resolves every scan to one batch.
type oneTable struct{ b arrow.RecordBatch }

func (o oneTable) Resolve(_ context.Context, s *plan.Scan) (duck.Source, error) {
	b := project(o.b, s.Out)
	in := batches(b.Schema(), b)
	return duck.Source{Arrow: &in}, nil
}

func sampleScan() *plan.Scan {
	tb := &plan.Table{Database: "default", Name: "samples"}
	sc := &plan.Scan{Table: tb}
	for i, s := range samples {
		tb.Columns = append(tb.Columns, plan.TableColumn{Column: plan.Column{Name: s.name, Type: s.t}})
		sc.Out = append(sc.Out, i)
	}
	return sc
}

var testEnv = expr.Env{Clock: time.Date(2024, 2, 29, 12, 34, 56, 789e6, time.UTC), Seed: 7}

// differential evaluates e in Go and as printed for DuckDB, row by row the same. It returns
// the rows for which Go fails.
func differential(t *testing.T, p *duck.Pool, rows arrow.RecordBatch, e expr.Expr, env expr.Env) (bad []arrow.RecordBatch) {
	t.Helper()
	prog, err := expr.Compile(e)
	if err != nil {
		t.Errorf("%s: %v", e, err)
		return nil
	}
	var want []string
	var good []arrow.RecordBatch
	for i := range rows.NumRows() {
		row := rows.NewSlice(i, i+1)
		v, err := prog.Eval(row, &env)
		if err != nil {
			bad = append(bad, row)
			continue
		}
		good = append(good, row)
		want = append(want, v.ValueStr(0))
	}
	got, err := through(t, p, good, e, env)
	if err != nil {
		t.Errorf("%s: %v", e, err)
		return nil
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%s: Go says %s, DuckDB %s for %s", e, want[i], got[i], rowText(good[i], e))
			return nil
		}
	}
	return bad
}

// failing checks that some of the rows for which Go fails make DuckDB fail.
func failing(t *testing.T, p *duck.Pool, bad []arrow.RecordBatch, e expr.Expr, env expr.Env) {
	t.Helper()
	for i := range min(len(bad), 3) {
		if got, err := through(t, p, bad[i:i+1], e, env); errkind.Of(err) != errkind.Invalid {
			t.Errorf("%s: Go fails, DuckDB says %v, %v for %s", e, got, err, rowText(bad[i], e))
			return
		}
	}
}

func rowText(b arrow.RecordBatch, e expr.Expr) string {
	var out []string
	for _, c := range expr.Columns(nil, e) {
		out = append(out, b.ColumnName(c)+"="+b.Column(c).ValueStr(0))
	}
	return strings.Join(out, " ")
}

// through computes e in DuckDB, keeping the order of the rows by a number beside it.
func through(t *testing.T, p *duck.Pool, rows []arrow.RecordBatch, e expr.Expr, env expr.Env) ([]string, error) {
	t.Helper()
	if len(rows) == 0 {
		return nil, nil
	}
	cols := make([]arrow.Array, 0, len(samples)+1)
	one := concatenated(rows)
	for i := range int(one.NumCols()) {
		cols = append(cols, one.Column(i))
	}
	nb := array.NewInt64Builder(memory.DefaultAllocator)
	for i := range one.NumRows() {
		nb.Append(i)
	}
	fs := append(append([]arrow.Field(nil), one.Schema().Fields()...), arrow.Field{Name: "n", Type: arrow.PrimitiveTypes.Int64})
	batch := array.NewRecordBatch(arrow.NewSchema(fs, nil), append(cols, nb.NewArray()), one.NumRows())
	sc := sampleScan()
	sc.Table.Columns = append(sc.Table.Columns, plan.TableColumn{Column: plan.Column{Name: "n", Type: schema.TBigInt}})
	sc.Out = append(sc.Out, len(samples))
	n := &expr.Column{Index: len(samples), Name: "n", T: schema.TBigInt}
	root := &plan.Sort{
		Input: &plan.Project{Input: sc, Exprs: []expr.Expr{e, n}, Names: []string{"v", "n"}}, Limit: -1,
		Keys: []plan.SortKey{{Expr: &expr.Column{Index: 1, T: schema.TBigInt}}},
	}
	r, err := duck.Execute(t.Context(), p, root, oneTable{batch}, duck.ExecOptions{Env: env})
	if err != nil {
		return nil, err
	}
	got, err := rowsOf(r)
	if err != nil {
		return nil, err
	}
	if len(got) != len(rows) {
		return nil, fmt.Errorf("%d rows for %d", len(got), len(rows))
	}
	out := make([]string, len(got))
	for i, g := range got {
		out[i] = g[0]
	}
	return out, nil
}

func concatenated(rows []arrow.RecordBatch) arrow.RecordBatch {
	cols := make([]arrow.Array, rows[0].NumCols())
	for i := range cols {
		parts := make([]arrow.Array, len(rows))
		for j, r := range rows {
			parts[j] = r.Column(i)
		}
		c, err := array.Concatenate(parts, memory.DefaultAllocator)
		if err != nil {
			panic(err)
		}
		cols[i] = c
	}
	return array.NewRecordBatch(rows[0].Schema(), cols, int64(cols[0].Len()))
}

func TestExpressionsMeanTheSame(t *testing.T) {
	p := newPool(t, duck.Options{Workers: 1})
	n := 200
	if testing.Short() {
		n = 40
	}
	rows := sampleRows(n)
	for _, e := range expressions(t) {
		failing(t, p, differential(t, p, rows, e, testEnv), e, testEnv)
	}
}

func expressions(t *testing.T) []expr.Expr {
	var out []expr.Expr
	add := func(fn string, args ...expr.Expr) { out = append(out, apply(t, fn, args...)) }
	pairs := [][2]string{{"y", "h"}, {"i1", "i2"}, {"l1", "l2"}, {"i1", "l2"}, {"d1", "d2"}, {"f", "d1"}, {"f", "f"}, {"i1", "d1"}, {"m1", "m2"}, {"m1", "i1"}, {"m2", "m1"}, {"m1", "d2"}}
	for _, pr := range pairs {
		for _, op := range []string{"+", "-", "*", "/", "%", "=", "<>", "<", "<=", ">", ">=", "IS_DISTINCT_FROM", "IS_NOT_DISTINCT_FROM", "NULLIF"} {
			add(op, col(pr[0]), col(pr[1]))
		}
		add("COALESCE", col(pr[0]), col(pr[1]))
		add("IF", col("b1"), col(pr[0]), col(pr[1]))
		add("GREATEST", col(pr[0]), col(pr[1]))
		add("IN", col(pr[0]), col(pr[1]), num(1))
	}
	for _, pr := range [][2]string{{"s1", "s2"}, {"b1", "b2"}, {"dt", "dt"}, {"t3", "u3"}, {"t3", "t6"}, {"t6", "t9"}, {"dt", "t3"}, {"tm", "tm"}, {"z3", "z3"}, {"x", "x"}} {
		for _, op := range []string{"=", "<>", "<", "<=", ">", ">=", "IS_DISTINCT_FROM"} {
			add(op, col(pr[0]), col(pr[1]))
		}
		add("COALESCE", col(pr[0]), col(pr[1]))
	}
	for _, c := range []string{"y", "h", "i1", "l1", "f", "d1", "m1"} {
		add("NEG", col(c))
		add("ABS", col(c))
		add("FLOOR", col(c))
		add("CEIL", col(c))
		add("ROUND", col(c), num(1))
		add("/", col(c), num(2))
		add("%", col(c), num(3))
		add("=", col(c), num(1))
		add(">", col(c), num(1))
		add("<", num(1), col(c))
	}
	add("AND", col("b1"), col("b2"))
	add("OR", col("b1"), col("b2"), apply(t, "=", col("i1"), num(7)))
	add("NOT", col("b1"))
	for _, op := range []string{"IS_NULL", "IS_NOT_NULL", "IS_TRUE", "IS_NOT_TRUE", "IS_FALSE", "IS_NOT_FALSE"} {
		add(op, col("b1"))
	}
	// An argument that would fail is not evaluated where an earlier one decides.
	quotient := apply(t, ">", apply(t, "/", col("i1"), col("i2")), num(1))
	add("AND", apply(t, "<>", col("i2"), num(0)), quotient)
	add("OR", apply(t, "=", col("i2"), num(0)), quotient)
	add("CASE", apply(t, "=", col("i2"), num(0)), num(0), apply(t, "/", col("i1"), col("i2")))
	add("CASE", apply(t, "=", col("i2"), num(0)), text("none"), castTo(apply(t, "/", col("i1"), col("i2")), schema.TString))
	// Constants of every kind, and comparisons with them.
	for _, s := range samples {
		for _, v := range s.values {
			lit := &expr.Literal{Value: v, T: s.t}
			out = append(out, lit)
			if v != nil && s.t.Kind != schema.IntervalDayTime {
				add("=", col(s.name), lit)
				add("<=", lit, col(s.name))
			}
		}
	}
	out = append(out, stringExpressions(t)...)
	out = append(out, timeExpressions(t)...)
	return append(out, castExpressions()...)
}

func stringExpressions(t *testing.T) []expr.Expr {
	var out []expr.Expr
	add := func(fn string, args ...expr.Expr) { out = append(out, apply(t, fn, args...)) }
	for _, fn := range []string{"||", "CONCAT", "STARTSWITH", "ENDSWITH", "POSITION", "LIKE"} {
		add(fn, col("s1"), col("s2"))
	}
	for _, fn := range []string{"UPPER", "LOWER", "TRIM", "LTRIM", "RTRIM", "CHAR_LENGTH", "REVERSE", "MD5", "SHA1", "SHA256", "INITCAP"} {
		add(fn, col("s1"))
	}
	for _, pattern := range []string{"a%", "%b%", "", "%", "_", "a_c", "ä%", "%\\%%"} {
		add("LIKE", col("s1"), text(pattern))
	}
	add("REPLACE", col("s1"), text("a"), col("s2"))
	add("REPLACE", col("s1"), col("s2"), text("-"))
	add("SUBSTRING", col("s1"), num(2))
	add("SUBSTRING", col("s1"), num(-2), num(1))
	add("LPAD", col("s1"), num(5), text("*"))
	add("REGEXP_REPLACE", col("s1"), text("[a-c]+"), text("<$0>"))
	add("REGEXP_EXTRACT", apply(t, "UPPER", col("s1")), text("(B)(C)?"), num(1))
	add("SPLIT_INDEX", col("s1"), text("b"), num(0))
	add("IN", col("s1"), text("a"), text("abc"))
	add("CONCAT", col("s1"), text("a\x00'\\"), castTo(col("i1"), schema.TString))
	return out
}

func timeExpressions(t *testing.T) []expr.Expr {
	var out []expr.Expr
	add := func(fn string, args ...expr.Expr) { out = append(out, apply(t, fn, args...)) }
	for _, c := range []string{"t3", "t6", "t9", "dt", "z3"} {
		for _, unit := range []string{"YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "DOY", "HOUR", "MINUTE", "SECOND"} {
			if c == "dt" && (unit == "HOUR" || unit == "MINUTE" || unit == "SECOND") {
				continue
			}
			add("EXTRACT", text(unit), col(c))
			if unit != "DOY" && unit != "WEEK" {
				add("FLOOR", col(c), text(unit))
				add("CEIL", col(c), text(unit))
			}
		}
		add("YEAR", col(c))
		add("DAYOFMONTH", col(c))
		add("+", col(c), col("iv"))
		add("-", col(c), col("iv"))
	}
	add("-", col("t3"), col("u3"))
	add("-", col("t6"), col("t3"))
	add("DATE_FORMAT", col("t3"), text("yyyy-MM-dd HH:mm:ss"))
	add("TIMESTAMPDIFF", text("HOUR"), col("t3"), col("u3"))
	add("TIMESTAMPADD", text("MONTH"), num(1), col("t3"))
	add("TO_TIMESTAMP", col("s2"))
	add("NOW")
	add("CURRENT_DATE")
	add("LOCALTIMESTAMP")
	add("<", col("z3"), apply(t, "NOW"))
	return out
}

// castExpressions is every cast there is between the samples' types.
func castExpressions() []expr.Expr {
	targets := []schema.Type{
		schema.TBoolean, schema.TTinyInt, schema.TSmallInt, schema.TInt, schema.TBigInt, schema.TFloat, schema.TDouble,
		schema.TDecimal(10, 2), schema.TDecimal(20, 4), schema.TDecimal(38, 10), schema.TString, {Kind: schema.VarChar, Length: 3}, schema.TBytes,
		schema.TDate, schema.TTime(3), schema.TTimestamp(0), schema.TTimestamp(3), schema.TTimestamp(6), schema.TTimestamp(9), schema.TTimestampLTZ(3), schema.TTimestampLTZ(6),
	}
	var out []expr.Expr
	for _, s := range samples {
		for _, to := range targets {
			if s.t.Kind != schema.IntervalDayTime && !s.t.SameRoot(to) && expr.CanCast(s.t, to) {
				out = append(out, castTo(col(s.name), to), &expr.Call{Fn: "TRY_CAST", Args: []expr.Expr{col(s.name)}, T: to})
			}
		}
	}
	return out
}

// Zones other than UTC take the Go path.
func TestExpressionsInZone(t *testing.T) {
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Skip("no time zone database:", err)
	}
	p := newPool(t, duck.Options{Workers: 1})
	rows := sampleRows(60)
	env := testEnv
	env.Zone = zone
	for _, e := range []expr.Expr{
		castTo(col("z3"), schema.TTimestamp(3)), castTo(col("t3"), schema.TTimestampLTZ(3)), castTo(col("z3"), schema.TDate),
		castTo(col("z3"), schema.TString), apply(t, "EXTRACT", text("HOUR"), col("z3")), apply(t, "LOCALTIMESTAMP"), apply(t, "CURRENT_DATE"),
	} {
		differential(t, p, rows, e, env)
	}
}
