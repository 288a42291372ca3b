package job

import (
	"context"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/rowkey"
	"github.com/weir-lake/weir/compute/stream"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/lsm"
	"github.com/weir-lake/weir/table/predicate"
	"github.com/weir-lake/weir/table/scan"
	"github.com/weir-lake/weir/table/schema"
)

// refold computes the job's result over its inputs as they are at the epoch being stepped, for the given keys of the
// sink: what a partial-update table needs when rows were taken away from them. It is a computation of its own, from
// nothing, so it can neither see nor disturb the job's state.
func (r *runner) refold(ctx context.Context, env *expr.Env, keys arrow.RecordBatch) ([]stream.Delta, error) {
	flow, err := compile(r.sink, r.rec.Options, appendOnlySource)
	if err != nil {
		return nil, err
	}
	inputs, err := newInputs(flow)
	if err != nil {
		return nil, err
	}
	f := &refolding{r: r, flow: flow, inputs: inputs, env: env, changes: map[int][]stream.Delta{}}
	defer f.release()
	if f.wanted, err = wantedKeys(keys); err != nil {
		return nil, err
	}
	for i, in := range inputs {
		at := r.inputs[i].table
		if at == nil {
			return nil, errkind.Errorf(errkind.Invalid, "rows were taken away from keys whose other rows came from %s.%s, which cannot be read again by key",
				in.scan.Table.Database, in.scan.Table.Name)
		}
		if err := f.read(ctx, in, at, keys); err != nil {
			return nil, fmt.Errorf("read %s.%s: %w", in.scan.Table.Database, in.scan.Table.Name, err)
		}
	}
	if !flow.Stateless() {
		if err := f.step(ctx, f.changes); err != nil {
			return nil, err
		}
	}
	out := f.out
	f.out = nil
	return out, nil
}

// refolding is one such computation.
type refolding struct {
	r       *runner
	flow    *stream.Dataflow
	inputs  []*input
	env     *expr.Env
	wanted  map[string]bool
	changes map[int][]stream.Delta // of a query with state, which sees all of its inputs at once
	out     []stream.Delta
}

func (f *refolding) release() {
	for _, ds := range f.changes {
		release(ds)
	}
	release(f.out)
}

func wantedKeys(keys arrow.RecordBatch) (map[string]bool, error) {
	enc, err := rowkey.NewKeyEncoder(keys.Columns())
	if err != nil {
		return nil, err
	}
	out := map[string]bool{}
	for i := range int(keys.NumRows()) {
		out[string(enc.Append(nil, i))] = true
	}
	return out, nil
}

// read streams one input at its version; rows that surely give none of the keys are left out.
func (f *refolding) read(ctx context.Context, in *input, at *tableReader, keys arrow.RecordBatch) error {
	if at.at == nil {
		return nil
	}
	p, err := at.scanner.Plan(ctx, at.at, scan.Request{Columns: in.neededNames(), Filter: keyFilter(f.r.sink, in.scan, keys)})
	if err != nil {
		return err
	}
	return p.Each(ctx, func(rec arrow.RecordBatch) error {
		d, err := in.delta(rec, nil, f.env)
		if err != nil {
			return err
		}
		if !f.flow.Stateless() {
			f.changes[in.index] = append(f.changes[in.index], d)
			return nil
		}
		defer d.Rows.Release()
		return f.step(ctx, map[int][]stream.Delta{in.index: {d}})
	})
}

// step keeps the rows of the result that have one of the keys.
func (f *refolding) step(ctx context.Context, changes map[int][]stream.Delta) error {
	res, err := f.flow.Step(ctx, stream.Epoch{ID: f.r.done, Clock: f.env.Clock, Seed: f.env.Seed, Watermark: watermarks(f.inputs)}, changes)
	if err != nil {
		return err
	}
	defer release(res)
	at := sinkKey(f.r.sink)
	for _, d := range res {
		cols := make([]arrow.Array, len(at))
		for i, c := range at {
			cols[i] = d.Rows.Column(c)
		}
		enc, err := rowkey.NewKeyEncoder(cols)
		if err != nil {
			return err
		}
		var sel []lsm.Ref
		var weights []int32
		var key []byte
		for i := range int(d.Rows.NumRows()) {
			if key = enc.Append(key[:0], i); !f.wanted[string(key)] {
				continue
			}
			sel = append(sel, lsm.Ref{Row: int32(i)})
			if d.Weights != nil {
				weights = append(weights, d.Weights[i])
			}
		}
		if len(sel) == 0 {
			continue
		}
		rec, err := lsm.GatherBatch(d.Rows.Schema(), []arrow.RecordBatch{d.Rows}, sel)
		if err != nil {
			return err
		}
		f.out = append(f.out, stream.Delta{Rows: rec, Weights: weights})
	}
	return nil
}

// sinkKey are the positions of the primary key among the columns the query gives.
func sinkKey(s *plan.Sink) []int {
	var out []int
	for _, k := range s.Table.PrimaryKey {
		out = append(out, slices.IndexFunc(s.Target, func(c int) bool { return s.Table.Columns[c].Name == k }))
	}
	return out
}

// keyFilter is the range of the first key column as a filter on the scan, where the column comes from there as it is.
func keyFilter(s *plan.Sink, sc *plan.Scan, keys arrow.RecordBatch) predicate.And {
	from, col, ok := origin(s.Input, sinkKey(s)[0])
	if !ok || from.Table.Path != sc.Table.Path {
		return nil
	}
	typ := from.Columns()[col].Type
	return rangeOf(from.Columns()[col].Name, typ, keys.Column(0))
}

// rangeOf is the condition that a column is between the least and the greatest of the values; nil where that cannot be
// said.
func rangeOf(name string, typ schema.Type, values arrow.Array) predicate.And {
	var lo, hi any
	for i := range values.Len() {
		v, err := schema.ValueAt(typ, values, i)
		if err != nil || v == nil {
			return nil
		}
		if lo == nil || schema.CompareValues(v, lo) < 0 {
			lo = v
		}
		if hi == nil || schema.CompareValues(v, hi) > 0 {
			hi = v
		}
	}
	if lo == nil {
		return nil
	}
	return predicate.And{{Column: name, Op: predicate.Ge, Values: []any{lo}}, {Column: name, Op: predicate.Le, Values: []any{hi}}}
}

// origin follows a column down to the scan it is read from, through filters and projections that leave it alone.
func origin(n plan.Node, col int) (*plan.Scan, int, bool) {
	for {
		switch x := n.(type) {
		case *plan.Scan:
			return x, col, x.Table.Columns[x.Out[col]].Computed == nil
		case *plan.Filter:
			n = x.Input
		case *plan.Project:
			c, ok := x.Exprs[col].(*expr.Column)
			if !ok {
				return nil, 0, false
			}
			n, col = x.Input, c.Index
		default:
			return nil, 0, false
		}
	}
}
