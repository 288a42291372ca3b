package stream_test

import (
	"context"
	"fmt"
	"log"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/stream"
	"github.com/weir-lake/weir/table/schema"
)

// orders is a source and the running total per customer over it.
func orders() (*plan.Scan, plan.Node) {
	table := &plan.Table{Name: "orders", Columns: []plan.TableColumn{
		{Column: plan.Column{Name: "customer", Type: schema.TString.WithNotNull(true)}},
		{Column: plan.Column{Name: "amount", Type: schema.TBigInt}},
	}}
	scan := &plan.Scan{Table: table, Out: []int{0, 1}}
	total := &plan.Aggregate{
		Input: scan, GroupBy: []expr.Expr{&expr.Column{Index: 0, Name: "customer", T: schema.TString}},
		Names: []string{"customer"}, WindowEnd: -1,
		Aggs: []plan.AggCall{{
			Fn: "SUM", Args: []expr.Expr{&expr.Column{Index: 1, Name: "amount", T: schema.TBigInt}}, T: schema.TBigInt, Name: "total",
		}},
	}
	return scan, total
}

func batch(d *stream.Dataflow, customer string, amount int64) stream.Delta {
	cols := d.Sources()[0].Columns()
	fields := make([]schema.Field, len(cols))
	for i, c := range cols {
		fields[i] = schema.Field{Name: c.Name, Type: c.Type}
	}
	as, err := schema.ArrowSchema(fields)
	if err != nil {
		log.Fatal(err)
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, as)
	b.Field(0).(*array.StringBuilder).Append(customer)
	b.Field(1).(*array.Int64Builder).Append(amount)
	return stream.Delta{Rows: b.NewRecordBatch()}
}

func ExampleCompile() {
	_, query := orders()
	d, err := stream.Compile(query, stream.Options{})
	if err != nil {
		log.Fatal(err)
	}
	for i, amount := range []int64{10, 5} {
		out, err := d.Step(context.Background(), stream.Epoch{ID: int64(i + 1)}, map[int][]stream.Delta{0: {batch(d, "ada", amount)}})
		if err != nil {
			log.Fatal(err)
		}
		for _, delta := range out {
			for row := range int(delta.Rows.NumRows()) {
				weight := int32(1)
				if delta.Weights != nil {
					weight = delta.Weights[row]
				}
				fmt.Printf("epoch %d: %+d %s %s\n", i+1, weight, delta.Rows.Column(0).ValueStr(row), delta.Rows.Column(1).ValueStr(row))
			}
			delta.Rows.Release()
		}
	}
	// Output:
	// epoch 1: +1 ada 10
	// epoch 2: -1 ada 10
	// epoch 2: +1 ada 15
}

func ExampleNewMaterializer() {
	_, query := orders()
	d, err := stream.Compile(query, stream.Options{})
	if err != nil {
		log.Fatal(err)
	}
	m, err := stream.NewMaterializer(stream.SinkOptions{Columns: d.Columns(), Key: []int{0}, Unique: true})
	if err != nil {
		log.Fatal(err)
	}
	kinds := []string{"+I", "-U", "+U", "-D"}
	for i, amount := range []int64{10, 5} {
		out, err := d.Step(context.Background(), stream.Epoch{ID: int64(i + 1)}, map[int][]stream.Delta{0: {batch(d, "ada", amount)}})
		if err != nil {
			log.Fatal(err)
		}
		changes, err := m.Apply(out)
		if err != nil {
			log.Fatal(err)
		}
		for _, c := range changes.Changelog {
			for row, kind := range c.Kinds {
				fmt.Println(kinds[kind], c.Rows.Column(0).ValueStr(row), c.Rows.Column(1).ValueStr(row))
			}
		}
		changes.Release()
	}
	// Output:
	// +I ada 10
	// -U ada 10
	// +U ada 15
}
