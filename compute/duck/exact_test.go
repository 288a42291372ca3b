//go:build duckdb_arrow

package duck_test

import (
	"math"
	"math/big"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/duck"
	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/table/schema"
)

var groupSchema = arrow.NewSchema([]arrow.Field{{Name: "g", Type: arrow.PrimitiveTypes.Int64}, {Name: "d", Type: arrow.PrimitiveTypes.Float64, Nullable: true}}, nil)

func groupBatch(g []int64, d []float64, valid []bool) arrow.RecordBatch {
	gb, db := array.NewInt64Builder(memory.DefaultAllocator), array.NewFloat64Builder(memory.DefaultAllocator)
	gb.AppendValues(g, nil)
	db.AppendValues(d, valid)
	return array.NewRecordBatch(groupSchema, []arrow.Array{gb.NewArray(), db.NewArray()}, int64(len(g)))
}

// bigSum is the sum by another way: big floats wide enough for every double, rounded once.
func bigSum(values []float64) float64 {
	sum, special := new(big.Float).SetPrec(2200), 0.0
	for _, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			special += v
			continue
		}
		sum.Add(sum, new(big.Float).SetFloat64(v))
	}
	f, _ := sum.Float64()
	return f + special
}

func doubleOf(rnd *rand.Rand, kind int) float64 {
	switch kind {
	case 0: // any finite bits, subnormal ones too
		for {
			if v := math.Float64frombits(rnd.Uint64()); !math.IsNaN(v) && !math.IsInf(v, 0) {
				return v
			}
		}
	case 1: // cancelling
		return []float64{1e300, -1e300, 1, -1, 1e-300, 0.1}[rnd.IntN(6)]
	case 2: // halfway cases
		return []float64{1, math.Ldexp(1, -53), math.Ldexp(1, -54), -math.Ldexp(1, -53), math.Ldexp(3, -54)}[rnd.IntN(5)]
	case 3:
		return math.Float64frombits(rnd.Uint64N(1 << 53)) // tiny
	default:
		return rnd.NormFloat64() * 1000
	}
}

func TestExactSums(t *testing.T) {
	p := newPool(t, duck.Options{Workers: 1, Threads: 4})
	rnd := rand.New(rand.NewPCG(3, 4))
	const groups, rows = 60, 200_000
	var g []int64
	var d []float64
	var valid []bool
	values := make([][]float64, groups+3)
	add := func(group int, v float64, ok bool) {
		g, d, valid = append(g, int64(group)), append(d, v), append(valid, ok)
		if ok {
			values[group] = append(values[group], v)
		}
	}
	for range rows {
		group := rnd.IntN(groups)
		if group%7 == 6 && len(values[group]) > 3 {
			continue // small groups
		}
		add(group, doubleOf(rnd, group%5), rnd.IntN(20) > 0)
	}
	add(groups, math.NaN(), true)
	add(groups, 1, true)
	add(groups+1, math.Inf(-1), true)
	add(groups+1, 1e308, true)
	add(groups+2, 0, false)
	b := groupBatch(g, d, valid)
	in := batches(groupSchema, b)
	got, err := run(t, p, duck.Query{
		SQL:    "SELECT c0, weir_sum(c1), weir_avg(c1), count(c1) FROM weir_arrow(0) GROUP BY c0 ORDER BY c0",
		Inputs: []duck.ArrowInput{in}, Output: fields(schema.TBigInt, schema.TDouble, schema.TDouble, schema.TBigInt),
	})
	if err != nil || len(got) != groups+3 {
		t.Fatalf("%d groups, %v", len(got), err)
	}
	for i, row := range got[:groups+2] {
		want := bigSum(values[i])
		sum, err1 := strconv.ParseFloat(row[1], 64)
		avg, err2 := strconv.ParseFloat(row[2], 64)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		if !same(sum, want) || !same(avg, want/float64(len(values[i]))) {
			t.Errorf("group %d of %d values: sum %g, average %g, want %g", i, len(values[i]), sum, avg, want)
		}
	}
	if last := got[groups+2]; last[1] != "(null)" || last[2] != "(null)" {
		t.Errorf("a group of NULL: %v", last)
	}
}

func same(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }

// A DECIMAL sum may pass through more than 38 digits, but not end there.
func TestDecimalSums(t *testing.T) {
	p := newPool(t, duck.Options{Workers: 1})
	w := warehouse{}
	high, err := decimal128.FromString("99999999999999999999999999999999999.999", 38, 3)
	if err != nil {
		t.Fatal(err)
	}
	in := w.add("t", []plan.Column{{Name: "g", Type: schema.TInt}, {Name: "m", Type: schema.TDecimal(38, 3)}},
		row(1, high), row(1, dec(1)), row(2, high), row(2, high), row(2, high), row(2, high.Negate()), row(2, high.Negate()),
		row(3, high.Negate()), row(3, dec(-1)), row(4, high.Negate()), row(4, nil), row(5, nil), row(6, dec(1)), row(6, dec(-1)), row(7, dec(-5)))
	check(t, p, w, &plan.Aggregate{Input: in, GroupBy: []expr.Expr{at(in, 0)}, Names: []string{"g"}, WindowEnd: -1,
		Aggs: []plan.AggCall{agg(t, "SUM", at(in, 1))}}, duck.ExecOptions{},
		"1 ~", "2 99999999999999999999999999999999999.999", "3 ~", "4 -99999999999999999999999999999999999.999", "5 ~", "6 0", "7 -0.005")
}

// Over a sliding frame the sum forgets what has left it.
func TestExactSumsOver(t *testing.T) {
	p := newPool(t, duck.Options{Workers: 1})
	w := warehouse{}
	in := w.add("t", []plan.Column{{Name: "i", Type: schema.TInt}, {Name: "d", Type: schema.TDouble}},
		row(1, 1e300), row(2, 1.0), row(3, -1e300), row(4, 0.1), row(5, 0.2), row(6, 0.3))
	lower, upper := int64(-2), int64(0)
	over := &plan.Over{Input: in, OrderBy: []plan.SortKey{{Expr: at(in, 0)}}, Calls: []plan.OverCall{
		{Fn: "SUM", Args: []expr.Expr{at(in, 1)}, Rows: true, Lower: &lower, Upper: &upper, T: schema.TDouble, Name: "s"},
	}}
	check(t, p, w, over, duck.ExecOptions{Exact: true}, "1 1e+300 1e+300", "2 1 1e+300", "3 -1e+300 1", "4 0.1 -1e+300", "5 0.2 -1e+300", "6 0.3 0.6")
}
