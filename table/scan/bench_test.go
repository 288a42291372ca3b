package scan_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/compact"
	"github.com/weir-lake/weir/table/predicate"
	"github.com/weir-lake/weir/table/scan"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
	"github.com/weir-lake/weir/table/tabletest"
	"github.com/weir-lake/weir/table/write"
)

const benchRows = 1_000_000

// bigTable is compacted and holds benchRows rows with even keys.
func bigTable(b *testing.B) (*tabletest.Fixture, *write.Writer, *snapshot.Snapshot) {
	b.Helper()
	f := tabletest.New(b, []string{"k"}, nil, map[string]string{"bucket": "2"})
	w := f.Writer(write.Options{})
	sc, err := schema.ArrowSchema(f.Schema.Fields)
	if err != nil {
		b.Fatal(err)
	}
	for from := 0; from < benchRows; from += 100_000 {
		rb := array.NewRecordBuilder(memory.DefaultAllocator, sc)
		for i := from; i < from+100_000; i++ {
			rb.Field(0).(*array.Int64Builder).Append(int64(i) * 2)
			rb.Field(1).(*array.StringBuilder).Append("p")
			rb.Field(2).(*array.StringBuilder).Append(fmt.Sprintf("value %d", i*7919%benchRows))
			rb.Field(3).(*array.Int32Builder).Append(int32(i % 1000))
		}
		if err := w.Write(b.Context(), rb.NewRecordBatch(), nil); err != nil {
			b.Fatal(err)
		}
	}
	ms, err := w.Prepare(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	s := f.Commit("u", snapshot.Append, ms, nil)
	c, err := compact.New(f.Store, f.Schema, compact.Options{})
	if err != nil {
		b.Fatal(err)
	}
	tasks, err := c.Plan(b.Context(), s, compact.Full)
	if err != nil {
		b.Fatal(err)
	}
	var done []commit.Message
	for _, t := range tasks {
		m, err := c.Run(b.Context(), t)
		if err != nil {
			b.Fatal(err)
		}
		done = append(done, m)
	}
	return f, w, f.Commit("c", snapshot.Compact, done, nil)
}

func BenchmarkChangesOf500KeysAmongAMillion(b *testing.B) {
	f, w, prev := bigTable(b)
	var lines []string
	for i := range 500 {
		lines = append(lines, fmt.Sprintf("+I %d p new 1", (i*3989)%benchRows*2+i%2))
	}
	s := f.Put(w, lines...)
	x := f.Scanner()
	rows := 0
	for b.Loop() {
		rows = 0
		if err := x.Changes(b.Context(), prev, s, nil, func(rec arrow.RecordBatch, _ []int8) error { rows += int(rec.NumRows()); return nil }); err != nil {
			b.Fatal(err)
		}
	}
	if rows != 750 {
		b.Errorf("%d changes", rows)
	}
}

func BenchmarkPointLookup(b *testing.B) {
	f, _, s := bigTable(b)
	x := f.Scanner()
	i := 0
	for b.Loop() {
		i = (i + 7919) % benchRows
		if n := drain(b, x, s, scan.Request{Filter: predicate.And{{Column: "k", Op: predicate.Eq, Values: []any{int64(i) * 2}}}}); n == 0 || n > 20000 {
			b.Fatalf("%d rows read", n)
		}
	}
}

func BenchmarkFullScan(b *testing.B) {
	f, _, s := bigTable(b)
	x := f.Scanner()
	for b.Loop() {
		if n := drain(b, x, s, scan.Request{}); n != benchRows {
			b.Fatalf("%d rows", n)
		}
	}
	b.ReportMetric(float64(benchRows*b.N)/b.Elapsed().Seconds()/1e6, "Mrows/s")
}

func drain(b *testing.B, x *scan.Scanner, s *snapshot.Snapshot, req scan.Request) int {
	b.Helper()
	p, err := x.Plan(b.Context(), s, req)
	if err != nil {
		b.Fatal(err)
	}
	r, err := p.Read(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer r.Release()
	n := 0
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return n
		}
		if err != nil {
			b.Fatal(err)
		}
		n += int(rec.NumRows())
		rec.Release()
	}
}
