package stream

import (
	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/rowkey"
	"github.com/weir-lake/weir/compute/state"
)

// setOp is UNION DISTINCT, INTERSECT and EXCEPT: it counts every row on both sides.
type setOp struct {
	kind   plan.SetKind
	all    bool
	schema *arrow.Schema

	rows   state.Index
	counts [2][]int64 // by side; all inputs of a UNION are side 0

	touched []state.Slot
	before  []int64
	marked  []bool
}

func newSetOp(n *plan.SetOp) operator {
	return &setOp{kind: n.Kind, all: n.All, schema: schemaOf(n.Columns())}
}

// times is how often a row is in the result.
func (o *setOp) times(s state.Slot) int64 {
	l, r := max(o.counts[0][s], 0), max(o.counts[1][s], 0)
	switch {
	case o.kind == plan.Union:
		return present(l)
	case o.kind == plan.Intersect && o.all:
		return min(l, r)
	case o.kind == plan.Intersect:
		return present(l) * present(r)
	case o.all:
		return max(l-r, 0)
	default:
		return present(l) * (1 - present(r))
	}
}

func (o *setOp) step(x *epoch, in [][]Delta) ([]Delta, error) {
	var buf []byte
	for side, deltas := range in {
		if o.kind == plan.Union {
			side = 0
		}
		for _, d := range deltas {
			enc, err := rowkey.NewKeyEncoder(d.Rows.Columns())
			if err != nil {
				return nil, err
			}
			for i := range int(d.Rows.NumRows()) {
				buf = enc.Append(buf[:0], i)
				o.counts[side][o.slot(buf)] += d.weight(i)
			}
		}
	}
	return o.emit(x)
}

// slot returns the row's slot and remembers how often the row was in the result.
func (o *setOp) slot(row []byte) state.Slot {
	s, _ := o.rows.Put(row)
	o.grow(int(s) + 1)
	if !o.marked[s] {
		o.marked[s] = true
		o.touched = append(o.touched, s)
		o.before = append(o.before, o.times(s))
	}
	return s
}

func (o *setOp) grow(n int) {
	if n <= len(o.marked) {
		return
	}
	n = max(n, 2*len(o.marked), 16)
	o.marked = resized(o.marked, n)
	for i := range o.counts {
		o.counts[i] = resized(o.counts[i], n)
	}
}

func (o *setOp) emit(x *epoch) ([]Delta, error) {
	out, err := newRowOutput(x.mem, o.schema)
	if err != nil {
		return nil, err
	}
	for i, s := range o.touched {
		l, r := o.counts[0][s], o.counts[1][s]
		if l < 0 || r < 0 {
			out.discard()
			return nil, ErrRetraction
		}
		if err := out.add(o.times(s)-o.before[i], o.rows.Key(s)); err != nil {
			out.discard()
			return nil, err
		}
		o.marked[s] = false
		if l == 0 && r == 0 {
			o.rows.Delete(s)
		}
	}
	o.touched, o.before = o.touched[:0], o.before[:0]
	return out.finish(), nil
}

func (o *setOp) save(w stateWriter) {
	o.rows.Save(w)
	o.rows.Each(func(s state.Slot) bool {
		w.Varint(o.counts[0][s])
		w.Varint(o.counts[1][s])
		return w.Err() == nil
	})
}

func (o *setOp) load(r stateReader) error {
	if err := o.rows.Load(r); err != nil {
		return err
	}
	o.grow(o.rows.Slots())
	o.rows.Each(func(s state.Slot) bool {
		o.counts[0][s], o.counts[1][s] = r.Varint(), r.Varint()
		return r.Err() == nil
	})
	return r.Err()
}

func (o *setOp) size() (int64, int64) {
	return int64(o.rows.Len()), o.rows.SizeBytes() + int64(cap(o.counts[0]))*17
}
