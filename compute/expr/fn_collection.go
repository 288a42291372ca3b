package expr

import (
	"errors"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/table/schema"
)

// lists reads an ARRAY column row by row.
type lists struct {
	l    *array.List
	step int
}

func listsOf(v vec) lists {
	l := v.data.(*array.List)
	if v.konst {
		return lists{l, 0}
	}
	return lists{l, 1}
}

// bounds are the positions of row i's elements in values().
func (x lists) bounds(i int) (from, to int) {
	f, t := x.l.ValueOffsets(i * x.step)
	return int(f), int(t)
}

func (x lists) values() arrow.Array { return x.l.ListValues() }

// arrays are the arguments as Arrow arrays of c.n rows.
func (c *call) arrays(types []schema.Type) ([]arrow.Array, error) {
	out := make([]arrow.Array, len(c.args))
	for i, v := range c.args {
		var err error
		if out[i], err = arrayOf(v, types[i], c.n); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// buildNested makes a column of a nested type: f appends the value of row i.
func buildNested(c *call, t schema.Type, f func(b array.Builder, i int) error) (vec, error) {
	at, err := t.ArrowType()
	if err != nil {
		return vec{}, err
	}
	b := array.NewBuilder(memory.DefaultAllocator, at)
	defer b.Release()
	for i := range c.n {
		if !c.isLive(i) {
			b.AppendNull()
		} else if err := f(b, i); err != nil {
			return vec{}, c.failed(i, err)
		}
	}
	return vecOf(b.NewArray(), t)
}

// prepArray makes ARRAY(a, b, ...).
func prepArray(p *prep) (kernel, error) {
	return func(c *call) (vec, error) {
		args, err := c.arrays(p.args)
		if err != nil {
			return vec{}, err
		}
		return buildNested(c, p.ret, func(b array.Builder, i int) error {
			l := b.(*array.ListBuilder)
			l.Append(true)
			for _, a := range args {
				if err := appendArrow(l.ValueBuilder(), a, i); err != nil {
					return err
				}
			}
			return nil
		})
	}, nil
}

// prepMap makes MAP(key, value, ...). The last of equal keys wins; a NULL key is an error.
func prepMap(p *prep) (kernel, error) {
	return func(c *call) (vec, error) {
		args, err := c.arrays(p.args)
		if err != nil {
			return vec{}, err
		}
		return buildNested(c, p.ret, func(b array.Builder, i int) error {
			m := b.(*array.MapBuilder)
			m.Append(true)
			for k := 0; k < len(args); k += 2 {
				if args[k].IsNull(i) {
					return errors.New("a key is NULL")
				}
				last := true
				for later := k + 2; later < len(args); later += 2 {
					last = last && compareArrow(args[k], i, args[later], i) != 0
				}
				if !last {
					continue
				}
				if err := appendArrow(m.KeyBuilder(), args[k], i); err != nil {
					return err
				}
				if err := appendArrow(m.ItemBuilder(), args[k+1], i); err != nil {
					return err
				}
			}
			return nil
		})
	}, nil
}

func prepRow(p *prep) (kernel, error) {
	return func(c *call) (vec, error) {
		args, err := c.arrays(p.args)
		if err != nil {
			return vec{}, err
		}
		return buildNested(c, p.ret, func(b array.Builder, i int) error {
			s := b.(*array.StructBuilder)
			s.Append(true)
			for f, a := range args {
				if err := appendArrow(s.FieldBuilder(f), a, i); err != nil {
					return err
				}
			}
			return nil
		})
	}, nil
}

// pickChild makes the column whose row i is child[at(i)], NULL where at is negative.
func pickChild(c *call, child arrow.Array, t schema.Type, at func(i int) (int, error)) (vec, error) {
	values, err := vecOf(child, t)
	if err != nil {
		return vec{}, err
	}
	rows := make([]int, c.n)
	for i := range rows {
		rows[i] = -1
		if c.isLive(i) {
			if rows[i], err = at(i); err != nil {
				return vec{}, c.failed(i, err)
			}
		}
	}
	return gather(values, t, rows)
}

// gather makes the column whose row i is v[rows[i]], NULL where that is negative.
func gather(v vec, t schema.Type, rows []int) (vec, error) {
	a, err := arrayOf(v, t, v.length())
	if err != nil {
		return vec{}, err
	}
	defer a.Release()
	b := array.NewBuilder(memory.DefaultAllocator, a.DataType())
	defer b.Release()
	for _, r := range rows {
		if r < 0 {
			b.AppendNull()
		} else if err := appendArrow(b, a, r); err != nil {
			return vec{}, err
		}
	}
	return vecOf(b.NewArray(), t)
}

// prepItem is array[i], with positions from 1, and map[key]; NULL if there is none.
func prepItem(p *prep) (kernel, error) {
	if p.args[0].Kind == schema.Array {
		return func(c *call) (vec, error) {
			x, at := listsOf(c.args[0]), colOf[int64](c.args[1])
			return pickChild(c, x.values(), *p.args[0].Elem, func(i int) (int, error) {
				from, to := x.bounds(i)
				k := at.at(i)
				if k < 1 || k > int64(to-from) {
					return -1, nil
				}
				return from + int(k) - 1, nil
			})
		}, nil
	}
	return func(c *call) (vec, error) {
		m := c.args[0].data.(*array.Map)
		step := 1
		if c.args[0].konst {
			step = 0
		}
		keys, err := arrayOf(c.args[1], p.args[1], c.n)
		if err != nil {
			return vec{}, err
		}
		defer keys.Release()
		return pickChild(c, m.Items(), *p.args[0].Elem, func(i int) (int, error) {
			from, to := m.ValueOffsets(i * step)
			for k := from; k < to; k++ {
				if compareArrow(m.Keys(), int(k), keys, i) == 0 {
					return int(k), nil
				}
			}
			return -1, nil
		})
	}, nil
}

func evalCardinality(c *call) (vec, error) {
	var l *array.List
	switch a := c.args[0].data.(type) {
	case *array.List:
		l = a
	case *array.Map:
		l = a.List
	default:
		return vec{}, fmt.Errorf("a collection is held as %T", a)
	}
	x := lists{l, 1}
	if c.args[0].konst {
		x.step = 0
	}
	return mapFixedTotal(c, func(i int) int32 {
		from, to := x.bounds(i)
		return int32(to - from)
	})
}

// prepElement is the only element of an array; NULL of an empty one.
func prepElement(p *prep) (kernel, error) {
	return func(c *call) (vec, error) {
		x := listsOf(c.args[0])
		return pickChild(c, x.values(), p.ret, func(i int) (int, error) {
			from, to := x.bounds(i)
			switch to - from {
			case 0:
				return -1, nil
			case 1:
				return from, nil
			default:
				return 0, fmt.Errorf("the array has %d elements, not one", to-from)
			}
		})
	}, nil
}

// prepExtremeElement is ARRAY_MAX or ARRAY_MIN; NULLs do not count.
func prepExtremeElement(p *prep) (kernel, error) {
	sign := 1
	if p.fn == "ARRAY_MIN" {
		sign = -1
	}
	return func(c *call) (vec, error) {
		x := listsOf(c.args[0])
		v := x.values()
		return pickChild(c, v, p.ret, func(i int) (int, error) {
			best := -1
			from, to := x.bounds(i)
			for k := from; k < to; k++ {
				if !v.IsNull(k) && (best < 0 || sign*compareArrow(v, k, v, best) > 0) {
					best = k
				}
			}
			return best, nil
		})
	}, nil
}

// prepArrayFind is ARRAY_CONTAINS and ARRAY_POSITION. A NULL needle finds a NULL element.
func prepArrayFind(p *prep) (kernel, error) {
	find := func(c *call) (func(i int) int, error) {
		x := listsOf(c.args[0])
		needle, err := arrayOf(c.args[1], p.args[1], c.n)
		if err != nil {
			return nil, err
		}
		return func(i int) int {
			from, to := x.bounds(i)
			for k := from; k < to; k++ {
				if compareArrow(x.values(), k, needle, i) == 0 {
					return k - from + 1
				}
			}
			return 0
		}, nil
	}
	return func(c *call) (vec, error) {
		at, err := find(c)
		if err != nil {
			return vec{}, err
		}
		if p.fn == "ARRAY_POSITION" {
			return mapFixedTotal(c, func(i int) int32 { return int32(at(i)) })
		}
		c.live = liveRows(c.live, c.args[:1], c.n)
		return mapFixedTotal(c, func(i int) bool { return at(i) > 0 })
	}, nil
}

// elements appends elements of several arrays of one row to a list.
type elements struct {
	src []arrow.Array
	pos []int
}

func (e *elements) add(a arrow.Array, from, to int) {
	for k := from; k < to; k++ {
		e.src, e.pos = append(e.src, a), append(e.pos, k)
	}
}

func (e *elements) contains(a arrow.Array, k int) bool {
	for j, p := range e.pos {
		if compareArrow(e.src[j], p, a, k) == 0 {
			return true
		}
	}
	return false
}

// prepRearrange makes functions whose result is an array of elements of their arguments: f
// collects those of row i.
func prepRearrange(f func(e *elements, x []lists, c *call, i int)) prepFunc {
	return func(p *prep) (kernel, error) {
		return func(c *call) (vec, error) {
			var x []lists
			for k, v := range c.args {
				if p.args[k].Kind == schema.Array {
					x = append(x, listsOf(v))
				}
			}
			c.live = liveRows(c.live, c.args[:1], c.n)
			return buildNested(c, p.ret, func(b array.Builder, i int) error {
				var e elements
				f(&e, x, c, i)
				l := b.(*array.ListBuilder)
				l.Append(true)
				for j, a := range e.src {
					if err := appendArrow(l.ValueBuilder(), a, e.pos[j]); err != nil {
						return err
					}
				}
				return nil
			})
		}, nil
	}
}

func collectConcat(e *elements, x []lists, _ *call, i int) {
	for _, l := range x {
		from, to := l.bounds(i)
		e.add(l.values(), from, to)
	}
}

func collectDistinct(e *elements, x []lists, _ *call, i int) {
	for _, l := range x {
		from, to := l.bounds(i)
		for k := from; k < to; k++ {
			if !e.contains(l.values(), k) {
				e.add(l.values(), k, k+1)
			}
		}
	}
}

// collectExcept and collectIntersect compare the first array with the second; equal elements count once.
func collectExcept(e *elements, x []lists, _ *call, i int) { collectMatching(e, x, i, false) }

func collectIntersect(e *elements, x []lists, _ *call, i int) { collectMatching(e, x, i, true) }

func collectMatching(e *elements, x []lists, i int, want bool) {
	var other elements
	from, to := x[1].bounds(i)
	other.add(x[1].values(), from, to)
	from, to = x[0].bounds(i)
	for k := from; k < to; k++ {
		if v := x[0].values(); other.contains(v, k) == want && !e.contains(v, k) {
			e.add(v, k, k+1)
		}
	}
}

func collectReverse(e *elements, x []lists, _ *call, i int) {
	from, to := x[0].bounds(i)
	for k := to - 1; k >= from; k-- {
		e.add(x[0].values(), k, k+1)
	}
}

// collectSlice: positions from 1, negative ones from the end, both ends included; 0 is the first.
func collectSlice(e *elements, x []lists, c *call, i int) {
	from, to := x[0].bounds(i)
	n := int64(to - from)
	start, end := colOf[int64](c.args[1]).at(i), n
	if len(c.args) == 3 {
		end = colOf[int64](c.args[2]).at(i)
	}
	position := func(k int64) int64 {
		switch {
		case k < 0:
			return k + n + 1
		case k == 0:
			return 1
		default:
			return k
		}
	}
	start, end = max(position(start), 1), min(position(end), n)
	if start <= end {
		e.add(x[0].values(), from+int(start)-1, from+int(end))
	}
}

// collectSort: ascending with NULLs first unless the second and third argument say otherwise.
func collectSort(e *elements, x []lists, c *call, i int) {
	asc := len(c.args) < 2 || colOf[bool](c.args[1]).at(i)
	nullsFirst := asc
	if len(c.args) == 3 {
		nullsFirst = colOf[bool](c.args[2]).at(i)
	}
	v := x[0].values()
	from, to := x[0].bounds(i)
	rows := make([]int, 0, to-from)
	for k := from; k < to; k++ {
		rows = append(rows, k)
	}
	slices.SortStableFunc(rows, func(a, b int) int {
		cmp := compareArrow(v, a, v, b)
		if v.IsNull(a) || v.IsNull(b) {
			if nullsFirst {
				return cmp
			}
			return -cmp
		}
		if asc {
			return cmp
		}
		return -cmp
	})
	for _, k := range rows {
		e.add(v, k, k+1)
	}
}

// prepArrayEdit is ARRAY_REMOVE, ARRAY_APPEND and ARRAY_PREPEND: the second argument is an element, maybe NULL.
func prepArrayEdit(p *prep) (kernel, error) {
	return func(c *call) (vec, error) {
		needle, err := arrayOf(c.args[1], p.args[1], c.n)
		if err != nil {
			return vec{}, err
		}
		edit := func(e *elements, x []lists, _ *call, i int) {
			from, to := x[0].bounds(i)
			switch p.fn {
			case "ARRAY_APPEND":
				e.add(x[0].values(), from, to)
				e.add(needle, i, i+1)
			case "ARRAY_PREPEND":
				e.add(needle, i, i+1)
				e.add(x[0].values(), from, to)
			default:
				for k := from; k < to; k++ {
					if compareArrow(x[0].values(), k, needle, i) != 0 {
						e.add(x[0].values(), k, k+1)
					}
				}
			}
		}
		q := *p
		q.args = []schema.Type{p.args[0], schema.TNull} // only the first is read as a list
		k, err := prepRearrange(edit)(&q)
		if err != nil {
			return vec{}, err
		}
		return k(c)
	}, nil
}

// prepArrayJoin joins the texts of the elements; NULLs are left out or replaced by the third argument.
func prepArrayJoin(p *prep) (kernel, error) {
	return func(c *call) (vec, error) {
		x, sep := listsOf(c.args[0]), textOf(c.args[1])
		elem, err := vecOf(x.values(), *p.args[0].Elem)
		if err != nil {
			return vec{}, err
		}
		text, err := textAppender(elem, *p.args[0].Elem, c.env.zone())
		if err != nil {
			return vec{}, err
		}
		return mapText(c, func(dst []byte, i int) ([]byte, bool, error) {
			from, to := x.bounds(i)
			first := true
			for k := from; k < to; k++ {
				if elem.isNull(k) && len(c.args) < 3 {
					continue
				}
				if !first {
					dst = append(dst, sep.bytes(i)...)
				}
				first = false
				if elem.isNull(k) {
					dst = append(dst, textOf(c.args[2]).bytes(i)...)
				} else {
					dst = text(dst, k)
				}
			}
			return dst, true, nil
		})
	}, nil
}

// prepMapParts is MAP_KEYS, MAP_VALUES and MAP_ENTRIES, in the stored order.
func prepMapParts(p *prep) (kernel, error) {
	return func(c *call) (vec, error) {
		m := c.args[0].data.(*array.Map)
		switch p.fn {
		case "MAP_KEYS":
			return relist(m.Data(), p.ret, c, m.Keys().Data())
		case "MAP_VALUES":
			return relist(m.Data(), p.ret, c, m.Items().Data())
		}
		et, err := p.ret.Elem.ArrowType()
		if err != nil {
			return vec{}, err
		}
		entries := array.NewData(et, m.Keys().Len(), []*memory.Buffer{nil}, []arrow.ArrayData{m.Keys().Data(), m.Items().Data()}, 0, 0)
		defer entries.Release()
		return relist(m.Data(), p.ret, c, entries)
	}, nil
}

// prepMapUnion merges maps; the value of a later map wins.
func prepMapUnion(p *prep) (kernel, error) {
	return func(c *call) (vec, error) {
		args, err := c.arrays(p.args)
		if err != nil {
			return vec{}, err
		}
		return buildNested(c, p.ret, func(b array.Builder, i int) error {
			out := b.(*array.MapBuilder)
			out.Append(true)
			var keys elements
			for k := len(args) - 1; k >= 0; k-- {
				m := args[k].(*array.Map)
				from, to := m.ValueOffsets(i)
				for j := int(from); j < int(to); j++ {
					if keys.contains(m.Keys(), j) {
						continue
					}
					if err := appendArrow(out.KeyBuilder(), m.Keys(), j); err != nil {
						return err
					}
					if err := appendArrow(out.ItemBuilder(), m.Items(), j); err != nil {
						return err
					}
				}
				keys.add(m.Keys(), int(from), int(to))
			}
			return nil
		})
	}, nil
}

func prepMapFromArrays(p *prep) (kernel, error) {
	return func(c *call) (vec, error) {
		keys, items := listsOf(c.args[0]), listsOf(c.args[1])
		return buildNested(c, p.ret, func(b array.Builder, i int) error {
			m := b.(*array.MapBuilder)
			kf, kt := keys.bounds(i)
			vf, vt := items.bounds(i)
			if kt-kf != vt-vf {
				return fmt.Errorf("there are %d keys and %d values", kt-kf, vt-vf)
			}
			m.Append(true)
			for k := range kt - kf {
				if keys.values().IsNull(kf + k) {
					return errors.New("a key is NULL")
				}
				if err := appendArrow(m.KeyBuilder(), keys.values(), kf+k); err != nil {
					return err
				}
				if err := appendArrow(m.ItemBuilder(), items.values(), vf+k); err != nil {
					return err
				}
			}
			return nil
		})
	}, nil
}
