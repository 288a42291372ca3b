package stream

import (
	"bytes"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/state"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

// ErrManyRows: a scalar subquery has more than one row.
var ErrManyRows = errkind.New(errkind.Invalid, "a scalar subquery returned more than one row: aggregate it or add LIMIT 1")

// listAgg is the functions whose result depends on the order of the rows: it keeps the
// group's rows ordered by ORDER BY, then canonically by the whole row, and the argument last.
type listAgg struct {
	fn        string
	separator string
	distinct  bool // equal arguments are one row: the rest of the row does not order them
	arg       schema.Type
	rows      state.Tree // slot, order, row, argument; aux is where the argument starts
	out       valueReader
	buf, end  []byte
}

func newListAgg(a *plan.AggCall, distinct bool) (*listAgg, error) {
	l := &listAgg{fn: a.Fn, distinct: distinct, arg: a.Args[0].Type(), separator: ","}
	if a.Fn == "LISTAGG" && len(a.Args) > 1 {
		lit, ok := a.Args[1].(*expr.Literal)
		if !ok {
			return nil, errkind.New(errkind.Invalid, "LISTAGG: the separator must be a constant")
		}
		l.separator, _ = lit.Value.(string)
	}
	return l, ordered(l.arg)
}

func (l *listAgg) grow(int)           {}
func (l *listAgg) clear(s state.Slot) { clearPrefix(&l.rows, slotKey(nil, s)) }

func (l *listAgg) update(r *aggRows) error {
	r.args = r.args[:1] // a separator is a constant
	enc, err := r.argEncoder()
	if err != nil {
		return err
	}
	keepNull := l.fn == "ARRAY_AGG" || l.fn == "SINGLE_VALUE"
	for i := r.from; i < r.to; i++ {
		s := r.slots[i]
		if r.w[i] == 0 || !keepNull && r.args[0].IsNull(i) {
			continue
		}
		l.buf = slotKey(l.buf[:0], s)
		if r.sort != nil {
			l.buf = r.sort.Append(l.buf, i)
		}
		if !l.distinct && l.fn != "COLLECT" {
			l.buf = r.whole.Append(l.buf, i)
		}
		at := len(l.buf)
		l.buf = enc.Append(l.buf, i)
		l.rows.Add(l.buf, uint32(at), r.w[i])
	}
	return nil
}

// each calls fn with the group's arguments in order.
func (l *listAgg) each(s state.Slot, fn func(arg []byte, w int64) error) error {
	prefix := slotKey(nil, s)
	for c := l.rows.Seek(prefix); c.Valid() && bytes.HasPrefix(c.Key(), prefix); c.Next() {
		if err := fn(c.Key()[c.Aux():], c.Weight()); err != nil {
			return err
		}
	}
	return nil
}

func (l *listAgg) result(s state.Slot, b array.Builder) error {
	switch l.fn {
	case "LISTAGG":
		return l.joined(s, b.(*array.StringBuilder))
	case "ARRAY_AGG":
		return l.array(s, b.(*array.ListBuilder))
	case "COLLECT":
		return l.multiset(s, b.(*array.MapBuilder))
	case "SINGLE_VALUE":
		return l.single(s, b)
	}
	prefix := slotKey(l.buf[:0], s)
	l.buf = prefix
	c := l.rows.Seek(prefix)
	if l.fn == "LAST_VALUE" {
		l.end = state.PrefixEnd(l.end, prefix)
		c = l.rows.SeekBefore(l.end)
	}
	if !c.Valid() || !bytes.HasPrefix(c.Key(), prefix) {
		b.AppendNull()
		return nil
	}
	return l.out.read(b, c.Key()[c.Aux():])
}

func (l *listAgg) joined(s state.Slot, b *array.StringBuilder) error {
	sb := array.NewStringBuilder(memory.DefaultAllocator)
	defer sb.Release()
	err := l.each(s, func(arg []byte, w int64) error {
		for range w {
			if err := l.out.read(sb, arg); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	parts := sb.NewStringArray()
	defer parts.Release()
	if parts.Len() == 0 {
		b.AppendNull()
		return nil
	}
	var text strings.Builder
	for i := range parts.Len() {
		if i > 0 {
			text.WriteString(l.separator)
		}
		text.WriteString(parts.Value(i))
	}
	b.Append(text.String())
	return nil
}

func (l *listAgg) array(s state.Slot, b *array.ListBuilder) error {
	empty := true
	err := l.each(s, func(arg []byte, w int64) error {
		if empty {
			b.Append(true)
			empty = false
		}
		for range w {
			if err := l.out.read(b.ValueBuilder(), arg); err != nil {
				return err
			}
		}
		return nil
	})
	if empty {
		b.AppendNull()
	}
	return err
}

func (l *listAgg) multiset(s state.Slot, b *array.MapBuilder) error {
	b.Append(true)
	return l.each(s, func(arg []byte, w int64) error {
		if err := l.out.read(b.KeyBuilder(), arg); err != nil {
			return err
		}
		b.ItemBuilder().(*array.Int32Builder).Append(int32(w))
		return nil
	})
}

func (l *listAgg) single(s state.Slot, b array.Builder) error {
	var rows int64
	err := l.each(s, func(arg []byte, w int64) error {
		if rows += w; rows > 1 {
			return ErrManyRows
		}
		return l.out.read(b, arg)
	})
	if rows == 0 && err == nil {
		b.AppendNull()
	}
	return err
}

func (l *listAgg) save(w stateWriter, _ []state.Slot)       { l.rows.Save(w) }
func (l *listAgg) load(r stateReader, _ []state.Slot) error { return l.rows.Load(r) }
func (l *listAgg) size() (int64, int64)                     { return int64(l.rows.Len()), l.rows.SizeBytes() }
