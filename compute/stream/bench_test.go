package stream

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/table/schema"
)

const benchBatch = 8192

// benchDelta makes a batch of rows (k, v, s); sign takes them away again.
func benchDelta(s *plan.Scan, from, keys int, sign int32) Delta {
	b := array.NewRecordBuilder(memory.DefaultAllocator, schemaOf(s.Columns()))
	d := Delta{Weights: make([]int32, benchBatch)}
	for i := range benchBatch {
		n := uint64(from+i) * 0x9E3779B97F4A7C15
		b.Field(0).(*array.Int64Builder).Append(int64(n>>20) % int64(keys))
		b.Field(1).(*array.Int64Builder).Append(int64(n >> 40))
		b.Field(2).(*array.StringBuilder).Append([]string{"red", "green", "blue"}[n>>33%3])
		b.Field(3).(*array.TimestampBuilder).Append(arrow.Timestamp(from + i))
		d.Weights[i] = sign
	}
	d.Rows = b.NewRecordBatch()
	return d
}

func benchScan(name string) *plan.Scan {
	return scanOf(name, bigint("k"), bigint("v"), text("s"), stamp("ts"))
}

// runBench feeds batches; a window of the last ones is taken away again, so that half of
// the changes are retractions.
func runBench(b *testing.B, root plan.Node, keys int, taking bool) {
	d := mustCompile(b, root, Options{AppendOnly: func(*plan.Scan) bool { return !taking }})
	sources := d.Sources()
	const ring = 64
	plus, minus := make([][ring]Delta, len(sources)), make([][ring]Delta, len(sources))
	for s := range sources {
		for i := range ring {
			plus[s][i] = benchDelta(sources[s], i*benchBatch, keys, 1)
			minus[s][i] = benchDelta(sources[s], i*benchBatch, keys, -1)
		}
	}
	rows, cpu := 0, cpuTime(b)
	for i := 0; b.Loop(); i++ {
		in := map[int][]Delta{}
		for s := range sources {
			at := i / 2
			if !taking {
				in[s] = []Delta{plus[s][i%ring]}
			} else if i%2 == 0 || at < ring/2 {
				in[s] = []Delta{plus[s][i%ring]}
			} else {
				in[s] = []Delta{minus[s][(i-1)%ring]}
			}
			rows += benchBatch
		}
		out, err := d.Step(testContext, Epoch{ID: int64(i)}, in)
		if err != nil {
			b.Fatal(err)
		}
		releaseAll(out)
	}
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(float64(rows)/(cpuTime(b)-cpu).Seconds(), "rows/cpu-s")
	b.ReportMetric(float64(d.StateBytes())/(1<<20), "state-MiB")
}

// cpuTime is what this process has used of all processors: on a busy machine it says more
// than the time that passed.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkGroupBy(b *testing.B) {
	for _, keys := range []int{100, 10_000, 100_000} {
		s := benchScan("t")
		a := &plan.Aggregate{
			Input: s, GroupBy: []expr.Expr{colRef(s, 0)}, Names: []string{"k"}, WindowEnd: -1,
			Aggs: []plan.AggCall{
				{Fn: "COUNT", T: schema.TBigInt, Name: "n"},
				{Fn: "SUM", Args: []expr.Expr{colRef(s, 1)}, T: schema.TBigInt, Name: "sum"},
			},
		}
		b.Run(fmt.Sprintf("count+sum/keys=%d", keys), func(b *testing.B) { runBench(b, a, keys, true) })
	}
	s := benchScan("t")
	a := &plan.Aggregate{
		Input: s, GroupBy: []expr.Expr{colRef(s, 0)}, Names: []string{"k"}, WindowEnd: -1,
		Aggs: []plan.AggCall{{Fn: "MAX", Args: []expr.Expr{colRef(s, 1)}, T: schema.TBigInt, Name: "m"}},
	}
	b.Run("max/keys=10000", func(b *testing.B) { runBench(b, a, 10_000, true) })
}

func BenchmarkJoin(b *testing.B) {
	for _, kind := range []plan.JoinKind{plan.Inner, plan.Left} {
		l, r := benchScan("l"), benchScan("r")
		j := &plan.Join{Left: l, Right: r, Kind: kind, LeftKeys: []expr.Expr{colRef(l, 3)}, RightKeys: []expr.Expr{colRef(r, 3)}}
		b.Run(fmt.Sprintf("kind=%d", kind), func(b *testing.B) { runBench(b, j, 1000, true) })
	}
}

func BenchmarkTopN(b *testing.B) {
	s := benchScan("t")
	top := &plan.TopN{
		Input: s, PartitionBy: []expr.Expr{colRef(s, 0)},
		OrderBy: []plan.SortKey{{Expr: colRef(s, 1), Desc: true}}, Limit: 10, Rank: "rn",
	}
	b.Run("10 of 1000 partitions", func(b *testing.B) { runBench(b, top, 1000, true) })
}

func BenchmarkProjectFilter(b *testing.B) {
	s := benchScan("t")
	f := &plan.Filter{Input: s, Pred: callOf("<", schema.TBoolean, colRef(s, 0), intLit(500))}
	b.Run("filter", func(b *testing.B) { runBench(b, f, 1000, false) })
}
