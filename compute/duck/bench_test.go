//go:build duckdb_arrow

package duck_test

import (
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weir-lake/weir/compute/duck"
	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/table/schema"
)

func benchPool(b *testing.B) *duck.Pool {
	b.Helper()
	p, err := duck.NewPool(duck.Options{TempDir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	if err := p.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(p.Stop)
	return p
}

func benchQuery(b *testing.B, p *duck.Pool, q duck.Query) {
	b.Helper()
	var rows int64
	for b.Loop() {
		r, err := p.Run(b.Context(), q)
		if err != nil {
			b.Fatal(err)
		}
		for {
			batch, err := r.Next()
			if err != nil {
				break
			}
			rows += batch.NumRows()
			batch.Release()
		}
		if err := r.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
}

func BenchmarkFloor(b *testing.B) {
	benchQuery(b, benchPool(b), duck.Query{SQL: "SELECT 1::BIGINT", Output: fields(schema.TBigInt)})
}

func BenchmarkResult(b *testing.B) {
	benchQuery(b, benchPool(b), duck.Query{SQL: "SELECT x, x * 2, 'row ' || x FROM range(1000000) r(x)", Output: fields(schema.TBigInt, schema.TBigInt, schema.TString)})
}

const benchRows = 1_000_000

func benchInput() (*plan.Scan, oneTable) {
	var parts []arrow.RecordBatch
	for i := range int64(benchRows / 50_000) {
		parts = append(parts, numbers(i*50_000, 50_000))
	}
	t := &plan.Table{Name: "t", Columns: []plan.TableColumn{{Column: plan.Column{Name: "n", Type: schema.TBigInt}}, {Column: plan.Column{Name: "s", Type: schema.TString}}}}
	return &plan.Scan{Table: t, Out: []int{0, 1}}, oneTable{concatenated(parts)}
}

func benchExpr(b *testing.B, exprs func(*plan.Scan) []expr.Expr) {
	b.Helper()
	p := benchPool(b)
	scan, table := benchInput()
	names := []string{"a", "b", "c"}
	list := exprs(scan)
	proj := &plan.Project{Input: scan, Exprs: list, Names: names[:len(list)]}
	counts := make([]plan.AggCall, len(list))
	for i := range counts {
		counts[i] = plan.AggCall{Fn: "MAX", Args: []expr.Expr{at(proj, i)}, T: list[i].Type().WithNotNull(false), Name: names[i]}
	}
	root := &plan.Aggregate{Input: proj, Aggs: counts, WindowEnd: -1}
	q, err := duck.Print(b.Context(), root, table, duck.ExecOptions{})
	if err != nil {
		b.Fatal(err)
	}
	benchQuery(b, p, q)
	b.ReportMetric(float64(benchRows*b.N)/b.Elapsed().Seconds(), "in-rows/s")
}

func BenchmarkScanInt(b *testing.B) {
	benchExpr(b, func(s *plan.Scan) []expr.Expr { return []expr.Expr{at(s, 0)} })
}

func BenchmarkScanText(b *testing.B) {
	benchExpr(b, func(s *plan.Scan) []expr.Expr { return []expr.Expr{at(s, 0), at(s, 1)} })
}

func BenchmarkBigintPlus(b *testing.B) {
	benchExpr(b, func(s *plan.Scan) []expr.Expr {
		return []expr.Expr{&expr.Call{Fn: "+", T: schema.TBigInt, Args: []expr.Expr{at(s, 0), &expr.Literal{Value: int64(3), T: schema.TBigInt}}}}
	})
}

func BenchmarkGoInt(b *testing.B) {
	benchExpr(b, func(s *plan.Scan) []expr.Expr {
		return []expr.Expr{&expr.Call{Fn: "CAST", T: schema.TInt, Args: []expr.Expr{at(s, 0)}}}
	})
}

func BenchmarkGoText(b *testing.B) {
	benchExpr(b, func(s *plan.Scan) []expr.Expr {
		return []expr.Expr{&expr.Call{Fn: "CAST", T: schema.Type{Kind: schema.VarChar, Length: 10}, Args: []expr.Expr{at(s, 1)}}}
	})
}

func benchSum(b *testing.B, exact bool) {
	b.Helper()
	p := benchPool(b)
	scan, table := benchInput()
	d := &expr.Call{Fn: "CAST", T: schema.TDouble, Args: []expr.Expr{at(scan, 0)}}
	root := &plan.Aggregate{Input: scan, Aggs: []plan.AggCall{{Fn: "SUM", Args: []expr.Expr{d}, T: schema.TDouble, Name: "s"}}, WindowEnd: -1}
	q, err := duck.Print(b.Context(), root, table, duck.ExecOptions{Exact: exact})
	if err != nil {
		b.Fatal(err)
	}
	benchQuery(b, p, q)
	b.ReportMetric(float64(benchRows*b.N)/b.Elapsed().Seconds(), "in-rows/s")
}

func BenchmarkSumPlain(b *testing.B) { benchSum(b, false) }
func BenchmarkSumExact(b *testing.B) { benchSum(b, true) }
