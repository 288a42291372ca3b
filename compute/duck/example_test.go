//go:build duckdb_arrow

package duck_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/weir-lake/weir/compute/duck"
	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/table/schema"
)

// A plan over a table of rows in memory, in a worker process of this binary.
func ExampleExecute() {
	dir, err := os.MkdirTemp("", "duck-example-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	pool, err := duck.NewPool(duck.Options{Workers: 1, TempDir: dir})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	if err := pool.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Stop()

	tables := warehouse{}
	scan := tables.add("flights", []plan.Column{{Name: "carrier", Type: schema.TString}, {Name: "delay", Type: schema.TInt}},
		row("AA", 10), row("UA", -3), row("AA", 5))
	carrier, delay := at(scan, 0), at(scan, 1)
	root := &plan.Sort{Limit: -1, Keys: []plan.SortKey{{Expr: carrier}}, Input: &plan.Aggregate{
		Input: scan, GroupBy: []expr.Expr{carrier}, Names: []string{"carrier"}, WindowEnd: -1,
		Aggs: []plan.AggCall{{Fn: "SUM", Args: []expr.Expr{delay}, T: schema.TInt, Name: "total"}},
	}}
	rows, err := duck.Execute(ctx, pool, root, tables, duck.ExecOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer rows.Close()
	for {
		b, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		for i := range int(b.NumRows()) {
			fmt.Println(b.Column(0).ValueStr(i), b.Column(1).ValueStr(i))
		}
		b.Release()
	}
	// Output:
	// AA 15
	// UA -3
}
