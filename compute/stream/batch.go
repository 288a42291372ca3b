package stream

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"math"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/rowkey"
	"github.com/weir-lake/weir/compute/state"
)

// batchRowsMax bounds the batches operators make: large enough that per-batch costs
// vanish, small enough to stay in the cache and to bound memory between operators.
const batchRowsMax = 8192

// schemaOf maps plan columns to Arrow. Types were checked when the plan was compiled.
func schemaOf(cols []plan.Column) *arrow.Schema {
	fields := make([]arrow.Field, len(cols))
	for i, c := range cols {
		dt, err := c.Type.ArrowType()
		if err != nil {
			panic("stream: column " + c.Name + " passed compilation: " + err.Error())
		}
		fields[i] = arrow.Field{Name: c.Name, Type: dt, Nullable: true}
	}
	return arrow.NewSchema(fields, nil)
}

func releaseAll(deltas []Delta) {
	for _, d := range deltas {
		d.Rows.Release()
	}
}

func countRows(deltas []Delta) int64 {
	var n int64
	for _, d := range deltas {
		n += d.Rows.NumRows()
	}
	return n
}

// weight of a row of the delta.
func (d Delta) weight(row int) int64 {
	if d.Weights == nil {
		return 1
	}
	return int64(d.Weights[row])
}

// rowOutput collects encoded rows with weights into batches of a schema.
type rowOutput struct {
	b    *array.RecordBuilder
	dec  *rowkey.Decoder
	w    []int32
	ones bool
	out  []Delta
}

func newRowOutput(mem memory.Allocator, schema *arrow.Schema) (*rowOutput, error) {
	o := &rowOutput{b: array.NewRecordBuilder(mem, schema), ones: true}
	dec, err := rowkey.NewDecoder(o.b.Fields())
	if err != nil {
		o.b.Release()
		return nil, err
	}
	o.dec = dec
	return o, nil
}

// add appends the row made of the parts' encodings, in column order.
func (o *rowOutput) add(w int64, row []byte) error {
	for w != 0 {
		step := max(min(w, math.MaxInt32), math.MinInt32)
		if rest, err := o.dec.Append(row); err != nil || len(rest) != 0 {
			return rowkey.ErrCorrupt
		}
		o.w = append(o.w, int32(step))
		o.ones = o.ones && step == 1
		w -= step
		if len(o.w) >= batchRowsMax {
			o.cut()
		}
	}
	return nil
}

func (o *rowOutput) cut() {
	if len(o.w) == 0 {
		return
	}
	d := Delta{Weights: o.w}
	if schema := o.b.Schema(); schema.NumFields() == 0 { // a builder cannot count rows without columns
		d.Rows = array.NewRecordBatch(schema, nil, int64(len(o.w)))
	} else {
		d.Rows = o.b.NewRecordBatch()
	}
	if o.ones {
		d.Weights = nil
	}
	o.out = append(o.out, d)
	o.w, o.ones = nil, true
}

// finish returns the batches and gives the builder back.
func (o *rowOutput) finish() []Delta {
	o.cut()
	o.b.Release()
	return o.out
}

// discard drops everything after an error.
func (o *rowOutput) discard() { releaseAll(o.finish()) }

// changes sums weights of encoded rows, so that rows that come and go cancel.
type changes struct {
	rows    state.Index
	weights []int64
}

func (c *changes) add(row []byte, w int64) {
	s, added := c.rows.Put(row)
	if int(s) >= len(c.weights) {
		c.weights = append(c.weights, 0)
	}
	if added {
		c.weights[s] = 0
	}
	c.weights[s] += w
}

// prefixed is a row with the first bytes of its first column, which decide most comparisons
// without the row.
type prefixed struct {
	prefix uint64
	slot   state.Slot
}

// left lists the rows whose weights are not zero.
func (c *changes) left() []prefixed {
	out := make([]prefixed, 0, c.rows.Len())
	c.rows.Each(func(s state.Slot) bool {
		if c.weights[s] == 0 {
			return true
		}
		var first [8]byte
		if key := c.rows.Key(s); len(key) > 1 && key[0] != 0 { // behind the tag; NULL comes before all
			copy(first[:], key[1:])
		}
		out = append(out, prefixed{binary.BigEndian.Uint64(first[:]), s})
		return true
	})
	return out
}

// flush returns the rows whose weights are not zero, in canonical order if sorted, and
// empties c.
func (c *changes) flush(mem memory.Allocator, schema *arrow.Schema, sorted bool) ([]Delta, error) {
	defer c.rows.Clear()
	left := c.left()
	if len(left) == 0 {
		return nil, nil
	}
	if sorted {
		slices.SortFunc(left, func(a, b prefixed) int {
			if a.prefix != b.prefix {
				return cmp.Compare(a.prefix, b.prefix)
			}
			return bytes.Compare(c.rows.Key(a.slot), c.rows.Key(b.slot))
		})
	}
	out, err := newRowOutput(mem, schema)
	if err != nil {
		return nil, err
	}
	for _, p := range left {
		if err := out.add(c.weights[p.slot], c.rows.Key(p.slot)); err != nil {
			out.discard()
			return nil, err
		}
	}
	return out.finish(), nil
}

// consolidate sums the weights of equal rows and orders the rest canonically.
func consolidate(mem memory.Allocator, schema *arrow.Schema, in []Delta) ([]Delta, error) {
	if countRows(in) == 0 {
		return nil, nil
	}
	var c changes
	var row []byte
	for _, d := range in {
		enc, err := rowkey.NewEncoder(d.Rows.Columns())
		if err != nil {
			return nil, err
		}
		for i := range int(d.Rows.NumRows()) {
			row = enc.Append(row[:0], i)
			c.add(row, d.weight(i))
		}
	}
	return c.flush(mem, schema, true)
}

// take returns the delta's rows at the indexes, repeated where an index is, with their weights.
func take(ctx context.Context, mem memory.Allocator, d Delta, at []int32) (Delta, error) {
	cols, err := takeColumns(ctx, mem, d.Rows.Columns(), at)
	if err != nil {
		return Delta{}, err
	}
	defer releaseArrays(cols)
	out := Delta{Rows: array.NewRecordBatch(d.Rows.Schema(), cols, int64(len(at)))}
	if d.Weights != nil {
		out.Weights = make([]int32, len(at))
		for i, r := range at {
			out.Weights[i] = d.Weights[r]
		}
	}
	return out, nil
}

func takeColumns(ctx context.Context, mem memory.Allocator, cols []arrow.Array, at []int32) ([]arrow.Array, error) {
	ib := array.NewInt32Builder(mem)
	defer ib.Release()
	ib.AppendValues(at, nil)
	indices := ib.NewArray()
	defer indices.Release()
	ctx = compute.WithAllocator(ctx, mem)
	out := make([]arrow.Array, 0, len(cols))
	for _, c := range cols {
		t, err := compute.TakeArrayOpts(ctx, c, indices, compute.TakeOptions{BoundsCheck: false})
		if err != nil {
			releaseArrays(out)
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

func releaseArrays(arrs []arrow.Array) {
	for _, a := range arrs {
		if a != nil {
			a.Release()
		}
	}
}
