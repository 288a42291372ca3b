//go:build duckdb_arrow

package duck_test

import (
	"context"
	"errors"
	"io"
	"os"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"go.uber.org/goleak"

	"github.com/weir-lake/weir/compute/duck"
	"github.com/weir-lake/weir/compute/duck/worker"
	"github.com/weir-lake/weir/table/schema"
)

// TestMain lets the test binary be its own worker, and fails if a goroutine is left.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == duck.WorkerCommand {
		os.Exit(worker.Main())
	}
	goleak.VerifyTestMain(m)
}

func newPool(t *testing.T, o duck.Options) *duck.Pool {
	t.Helper()
	o.TempDir = t.TempDir()
	p, err := duck.NewPool(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p
}

// rowsOf reads a result to its end, each value as Arrow prints it.
func rowsOf(r *duck.Result) ([][]string, error) {
	defer r.Close()
	var out [][]string
	for {
		b, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		for i := range int(b.NumRows()) {
			row := make([]string, b.NumCols())
			for j := range row {
				row[j] = b.Column(j).ValueStr(i)
			}
			out = append(out, row)
		}
		b.Release()
	}
}

func run(t *testing.T, p *duck.Pool, q duck.Query) ([][]string, error) {
	t.Helper()
	r, err := p.Run(t.Context(), q)
	if err != nil {
		return nil, err
	}
	return rowsOf(r)
}

func fields(types ...schema.Type) []schema.Field {
	out := make([]schema.Field, len(types))
	for i, t := range types {
		out[i] = schema.Field{ID: i, Name: string(rune('a' + i)), Type: t}
	}
	return out
}

// batches is an input of ready batches.
func batches(s *arrow.Schema, all ...arrow.RecordBatch) duck.ArrowInput {
	var rows int64
	for _, b := range all {
		rows += b.NumRows()
	}
	return duck.ArrowInput{Schema: s, Rows: rows, Open: func(_ context.Context, columns []int) (array.RecordReader, error) {
		cut := make([]arrow.RecordBatch, len(all))
		var want *arrow.Schema
		for i, b := range all {
			cut[i] = project(b, columns)
			want = cut[i].Schema()
		}
		if want == nil {
			want = project(array.NewRecordBatch(s, emptyColumns(s), 0), columns).Schema()
		}
		return array.NewRecordReader(want, cut)
	}}
}

func emptyColumns(s *arrow.Schema) []arrow.Array {
	out := make([]arrow.Array, s.NumFields())
	for i, f := range s.Fields() {
		out[i] = array.MakeArrayOfNull(memory.DefaultAllocator, f.Type, 0)
	}
	return out
}

func project(b arrow.RecordBatch, columns []int) arrow.RecordBatch {
	fs := make([]arrow.Field, len(columns))
	cols := make([]arrow.Array, len(columns))
	for i, c := range columns {
		fs[i], cols[i] = b.Schema().Field(c), b.Column(c)
	}
	return array.NewRecordBatch(arrow.NewSchema(fs, nil), cols, b.NumRows())
}
