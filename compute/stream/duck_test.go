//go:build duckdb_arrow

package stream

import (
	"context"
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"pgregory.net/rapid"

	"github.com/weir-lake/weir/compute/duck"
	"github.com/weir-lake/weir/compute/duck/worker"
	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
)

// TestMain lets the test binary be its own DuckDB worker.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == duck.WorkerCommand {
		os.Exit(worker.Main())
	}
	os.Exit(m.Run())
}

// inputsOfHistory resolves scans to the rows a history has collected.
type inputsOfHistory struct {
	t      tester
	inputs map[*plan.Scan]relation
}

func (h inputsOfHistory) Resolve(_ context.Context, s *plan.Scan) (duck.Source, error) {
	var rows []change
	for _, r := range h.inputs[s].rows() {
		rows = append(rows, change{1, r})
	}
	all := toDelta(h.t, s.Columns(), rows).Rows
	in := duck.ArrowInput{Schema: all.Schema(), Rows: all.NumRows()}
	in.Open = func(_ context.Context, columns []int) (array.RecordReader, error) {
		fields, cols := make([]arrow.Field, len(columns)), make([]arrow.Array, len(columns))
		for i, c := range columns {
			fields[i], cols[i] = all.Schema().Field(c), all.Column(c)
		}
		part := array.NewRecordBatch(arrow.NewSchema(fields, nil), cols, all.NumRows())
		return array.NewRecordReader(part.Schema(), []arrow.RecordBatch{part})
	}
	return duck.Source{Arrow: &in}, nil
}

// batchResult runs the plan as a batch query over the same inputs and the same clock.
func (h *history) batchResult(pool *duck.Pool) relation {
	env := expr.Env{Clock: millis(h.clock)}
	if h.truth.watermark != nil {
		wm := millis(*h.truth.watermark)
		env.Watermark = &wm
	}
	ctx, cancel := context.WithTimeout(testContext, time.Minute)
	defer cancel()
	res, err := duck.Execute(ctx, pool, h.root, inputsOfHistory{h.t, h.truth.inputs}, duck.ExecOptions{Env: env, Exact: true})
	if err != nil {
		h.t.Fatalf("batch query of\n%s\n%v", describeAll(h.root), err)
	}
	defer res.Close()
	out := relation{}
	for {
		b, err := res.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			h.t.Fatalf("batch query of\n%s\n%v", describeAll(h.root), err)
		}
		for _, c := range fromDelta(Delta{Rows: b}) {
			out.add(c.row, 1)
		}
		b.Release()
	}
}

// TestStreamEqualsBatch: the sum of a stream's changes is the batch query over its inputs, by
// the other engine.
func TestStreamEqualsBatch(t *testing.T) {
	pool, err := duck.NewPool(duck.Options{TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if err := pool.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer pool.Stop()
	rapid.Check(t, func(t *rapid.T) {
		g := &generator{t: t, noEmptySet: true}
		h := newHistory(t, g, g.node(rapid.IntRange(1, 3).Draw(t, "depth")), Options{})
		for range rapid.IntRange(1, 3).Draw(t, "epochs") {
			h.step(false)
		}
		if want := h.batchResult(pool).String(); h.got.String() != want {
			t.Fatalf("%s\ninputs %v\nclock %d watermark %v\nstream\n%s\nbatch\n%s",
				describeAll(h.root), h.log, h.clock, h.truth.watermark, h.got, want)
		}
	})
}
