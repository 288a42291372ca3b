package expr

import (
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/table/schema"
)

// castNested converts the elements of arrays, maps and rows.
func castNested(from, to schema.Type) (kernel, error) {
	switch from.Kind {
	case schema.Array:
		elem, err := castKernel(*from.Elem, *to.Elem)
		if err != nil {
			return nil, err
		}
		return func(c *call) (vec, error) {
			l := c.args[0].data.(*array.List)
			child, err := castChild(c, elem, l.ListValues(), *from.Elem, *to.Elem, listMask(l, c.live))
			if err != nil {
				return vec{}, err
			}
			defer child.Release()
			return relist(l.Data(), to, c, child.Data())
		}, nil
	case schema.Map, schema.Multiset:
		return castMap(from, to)
	case schema.Row:
		return castRow(from, to)
	default:
		return nil, fmt.Errorf("a %s cannot be cast to %s", from, to)
	}
}

// castChild converts the values of a nested column; only those of live rows may fail.
func castChild(c *call, k kernel, child arrow.Array, from, to schema.Type, live []bool) (arrow.Array, error) {
	v, err := vecOf(child, from)
	if err != nil {
		return nil, err
	}
	n := child.Len()
	sub := &call{env: c.env, n: n, args: []vec{v}, live: liveRows(live, []vec{v}, n), try: c.try}
	out, err := k(sub)
	if err != nil {
		// Its row is an element's, not one of the batch.
		var re *rowError
		if errors.As(err, &re) {
			err = re.err
		}
		return nil, err
	}
	if from.Kind == schema.Null {
		out = expand(out, n)
	}
	return arrayOf(out, to, n)
}

// listMask marks the values of live rows; nil if all rows are live.
func listMask(l *array.List, live []bool) []bool {
	if live == nil {
		return nil
	}
	mask := make([]bool, l.ListValues().Len())
	for i, ok := range live {
		if !ok {
			continue
		}
		from, to := l.ValueOffsets(i)
		for k := from; k < to; k++ {
			mask[k] = true
		}
	}
	return mask
}

// relist puts converted values under the offsets of a list or map.
func relist(d arrow.ArrayData, to schema.Type, c *call, child arrow.ArrayData) (vec, error) {
	at, err := to.ArrowType()
	if err != nil {
		return vec{}, err
	}
	offsets := make([]int32, d.Len()+1)
	if b := d.Buffers()[1]; b != nil && b.Len() > 0 {
		copy(offsets, arrow.GetData[int32](b.Bytes())[d.Offset():])
	}
	nulls, bitmap := bitmapOf(c.live)
	data := array.NewData(at, d.Len(), []*memory.Buffer{bitmap, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(offsets))},
		[]arrow.ArrayData{child}, nulls, 0)
	defer data.Release()
	return vec{data: array.MakeFromData(data), valid: c.live}, nil
}

func castMap(from, to schema.Type) (kernel, error) {
	fromKey, fromItem := mapTypes(from)
	toKey, toItem := mapTypes(to)
	keys, err := castKernel(fromKey, toKey)
	if err != nil {
		return nil, err
	}
	items, err := castKernel(fromItem, toItem)
	if err != nil {
		return nil, err
	}
	at, err := to.ArrowType()
	if err != nil {
		return nil, err
	}
	entry := at.(*arrow.MapType).Elem()
	return func(c *call) (vec, error) {
		m := c.args[0].data.(*array.Map)
		mask := listMask(m.List, c.live)
		k, err := castChild(c, keys, m.Keys(), fromKey, toKey, mask)
		if err != nil {
			return vec{}, err
		}
		defer k.Release()
		v, err := castChild(c, items, m.Items(), fromItem, toItem, mask)
		if err != nil {
			return vec{}, err
		}
		defer v.Release()
		entries := array.NewData(entry, k.Len(), []*memory.Buffer{nil}, []arrow.ArrayData{k.Data(), v.Data()}, 0, 0)
		defer entries.Release()
		return relist(m.Data(), to, c, entries)
	}, nil
}

func castRow(from, to schema.Type) (kernel, error) {
	kernels := make([]kernel, len(from.Fields))
	for i := range kernels {
		var err error
		if kernels[i], err = castKernel(from.Fields[i].Type, to.Fields[i].Type); err != nil {
			return nil, err
		}
	}
	at, err := to.ArrowType()
	if err != nil {
		return nil, err
	}
	return func(c *call) (vec, error) {
		s := c.args[0].data.(*array.Struct)
		children := make([]arrow.ArrayData, len(kernels))
		for i, k := range kernels {
			child, err := castChild(c, k, s.Field(i), from.Fields[i].Type, to.Fields[i].Type, c.live)
			if err != nil {
				return vec{}, err
			}
			defer child.Release()
			children[i] = child.Data()
		}
		nulls, bitmap := bitmapOf(c.live)
		data := array.NewData(at, s.Len(), []*memory.Buffer{bitmap}, children, nulls, 0)
		defer data.Release()
		return vec{data: array.MakeFromData(data), valid: c.live}, nil
	}, nil
}

// prepField reads a field of a ROW: FIELD(row, index).
func prepField(p *prep) (kernel, error) {
	if len(p.args) != 2 || p.args[0].Kind != schema.Row || p.lits[1] == nil {
		return nil, fmt.Errorf("wants a ROW and the index of a field")
	}
	l, _ := literalOf(*p.lits[1], p.args[1])
	index, ok := l.Value.(int64)
	if !ok || index < 0 || int(index) >= len(p.args[0].Fields) {
		return nil, fmt.Errorf("the ROW has no field %v", l.Value)
	}
	t := p.args[0].Fields[index].Type
	return func(c *call) (vec, error) {
		s, ok := c.args[0].data.(*array.Struct)
		if !ok {
			return vec{}, fmt.Errorf("a ROW is held as %T", c.args[0].data)
		}
		field, err := vecOf(s.Field(int(index)), t)
		if err != nil {
			return vec{}, err
		}
		field.konst = c.args[0].konst
		pick := make([]int32, c.n)
		for i := range pick {
			if !c.isLive(i) {
				pick[i] = -1
			}
		}
		// A copy: the values belong to the input.
		return choose(t, pick, []vec{field})
	}, nil
}
