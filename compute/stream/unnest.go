package stream

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/internal/errkind"
)

// unnestOp repeats each row for every element of a collection and appends the element:
// an array's element (its fields, if it is a row), a map's key and value, a multiset's
// element as often as it is in.
type unnestOp struct {
	expr       program
	ordinality bool
	outer      bool
	multiset   bool
	schema     *arrow.Schema
}

func (c *compiler) unnest(n *plan.Unnest) (operator, error) {
	if err := c.stable(n.Input, n.Expr); err != nil {
		return nil, err
	}
	p, err := newProgram(n.Expr)
	if err != nil {
		return nil, err
	}
	elements := len(n.Cols)
	if n.Ordinality {
		elements--
	}
	dt, err := n.Expr.Type().ArrowType()
	if err != nil {
		return nil, err
	}
	u := &unnestOp{expr: p, ordinality: n.Ordinality, outer: n.Outer, schema: schemaOf(n.Columns())}
	want := 1
	switch dt := dt.(type) {
	case *arrow.MapType:
		u.multiset = n.Expr.Type().Key == nil
		if !u.multiset {
			want = 2
		}
	case *arrow.ListType:
		if s, ok := dt.Elem().(*arrow.StructType); ok {
			want = s.NumFields()
		}
	default:
		return nil, errkind.Errorf(errkind.Invalid, "UNNEST needs an ARRAY, MAP or MULTISET, not %s", n.Expr.Type())
	}
	if want != elements {
		return nil, errkind.Errorf(errkind.Invalid, "UNNEST of %s gives %d columns, not %d", n.Expr.Type(), want, elements)
	}
	return u, nil
}

// picks says, per output row, which input row and which element (-1: none) it is made of.
type picks struct {
	rows     []int32
	elements []int32
	ordinals []int32
}

func (u *unnestOp) step(x *epoch, in [][]Delta) ([]Delta, error) {
	var out []Delta
	for _, d := range in[0] {
		got, err := u.batch(x, d)
		if err != nil {
			releaseAll(out)
			return nil, err
		}
		out = append(out, got...)
	}
	return out, nil
}

func (u *unnestOp) batch(x *epoch, d Delta) ([]Delta, error) {
	coll, err := u.expr.eval(x, d.Rows)
	if err != nil {
		return nil, err
	}
	defer coll.Release()
	p := u.pick(coll.(array.ListLike))
	var out []Delta
	for from := 0; from < len(p.rows); from += batchRowsMax {
		to := min(from+batchRowsMax, len(p.rows))
		part, err := u.build(x, d, coll, picks{p.rows[from:to], p.elements[from:to], p.ordinals[from:to]})
		if err != nil {
			releaseAll(out)
			return nil, err
		}
		out = append(out, part)
	}
	return out, nil
}

func (u *unnestOp) pick(coll array.ListLike) picks {
	var p picks
	var counts *array.Int32
	if u.multiset {
		counts, _ = coll.(*array.Map).Items().(*array.Int32)
	}
	for i := range coll.Len() {
		var from, to int64
		if coll.IsValid(i) {
			from, to = coll.ValueOffsets(i)
		}
		n := int32(0)
		for e := from; e < to; e++ {
			times := int32(1)
			if counts != nil {
				times = counts.Value(int(e))
			}
			for range times {
				n++
				p.rows, p.elements, p.ordinals = append(p.rows, int32(i)), append(p.elements, int32(e)), append(p.ordinals, n)
			}
		}
		if n == 0 && u.outer {
			p.rows, p.elements, p.ordinals = append(p.rows, int32(i)), append(p.elements, -1), append(p.ordinals, 0)
		}
	}
	return p
}

func (u *unnestOp) build(x *epoch, d Delta, coll arrow.Array, p picks) (Delta, error) {
	part, err := take(x, x.mem, d, p.rows)
	if err != nil {
		return Delta{}, err
	}
	defer part.Rows.Release()
	cols := append([]arrow.Array(nil), part.Rows.Columns()...)
	elements, err := u.elements(x, coll, p)
	if err != nil {
		return Delta{}, err
	}
	if u.ordinality {
		elements = append(elements, ordinals(x.mem, u.schema.Field(u.schema.NumFields()-1).Type, p))
	}
	defer releaseArrays(elements)
	return Delta{array.NewRecordBatch(u.schema, append(cols, elements...), int64(len(p.rows))), part.Weights}, nil
}

// elements takes the picked elements, NULL where there is none.
func (u *unnestOp) elements(x *epoch, coll arrow.Array, p picks) ([]arrow.Array, error) {
	values, rows := elementColumns(coll, u.multiset)
	ib := array.NewInt32Builder(x.mem)
	defer ib.Release()
	for _, e := range p.elements {
		if e < 0 || rows != nil && rows.IsNull(int(e)) {
			ib.AppendNull()
		} else {
			ib.Append(e)
		}
	}
	at := ib.NewArray()
	defer at.Release()
	ctx := compute.WithAllocator(x, x.mem)
	var out []arrow.Array
	for _, v := range values {
		a, err := compute.TakeArrayOpts(ctx, v, at, compute.TakeOptions{})
		if err != nil {
			releaseArrays(out)
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}

// elementColumns are the columns an element becomes; rows is set if elements are rows
// that may be NULL as a whole.
func elementColumns(coll arrow.Array, multiset bool) (cols []arrow.Array, rows arrow.Array) {
	if m, ok := coll.(*array.Map); ok {
		if multiset {
			return []arrow.Array{m.Keys()}, nil
		}
		return []arrow.Array{m.Keys(), m.Items()}, nil
	}
	values := coll.(*array.List).ListValues()
	s, ok := values.(*array.Struct)
	if !ok {
		return []arrow.Array{values}, nil
	}
	for i := range s.NumField() {
		cols = append(cols, s.Field(i))
	}
	return cols, s
}

func ordinals(mem memory.Allocator, dt arrow.DataType, p picks) arrow.Array {
	b := array.NewBuilder(mem, dt)
	defer b.Release()
	for i, o := range p.ordinals {
		if p.elements[i] < 0 {
			b.AppendNull()
			continue
		}
		switch b := b.(type) {
		case *array.Int64Builder:
			b.Append(int64(o))
		case *array.Int32Builder:
			b.Append(o)
		}
	}
	return b.NewArray()
}
