package stream

import (
	"math"
	"sort"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/rowkey"
	"github.com/weir-lake/weir/compute/state"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

// frameCall is an aggregate over a frame of rows around each row. Frames move forward, so
// rows enter and leave an aggregate that takes both.
type frameCall struct {
	agg          *plan.AggCall
	rows         bool
	lower, upper *int64
	dt           arrow.DataType
	desc         bool
}

func newFrameCall(n *plan.Over, call *plan.OverCall) (overCall, error) {
	c := &frameCall{
		agg:  &plan.AggCall{Fn: call.Fn, Args: call.Args, T: call.T, OrderBy: n.OrderBy},
		rows: call.Rows, lower: call.Lower, upper: call.Upper,
	}
	dt, err := call.T.ArrowType()
	if err != nil {
		return nil, err
	}
	c.dt = dt
	if _, err := newAggCall(c.agg, false); err != nil {
		return nil, err
	}
	if c.rows || offsetOf(c.lower) == 0 && offsetOf(c.upper) == 0 {
		return c, nil
	}
	if len(n.OrderBy) != 1 {
		return nil, errkind.New(errkind.Invalid, "RANGE with an offset needs exactly one ORDER BY column")
	}
	c.desc = n.OrderBy[0].Desc
	if t := n.OrderBy[0].Expr.Type(); !t.IsInteger() && !t.IsTimestamp() && t.Kind != schema.Date {
		return nil, errkind.Errorf(errkind.Invalid, "RANGE with an offset needs an integer, DATE or TIMESTAMP to order by, not %s", t)
	}
	return c, nil
}

func offsetOf(b *int64) int64 {
	if b == nil {
		return 0
	}
	return *b
}

func (c *frameCall) values(x *epoch, p *partition) (func([]byte, int) ([]byte, error), error) {
	call, err := newAggCall(c.agg, false)
	if err != nil {
		return nil, err
	}
	call.grow(1)
	from, to, err := c.frames(p)
	if err != nil {
		return nil, err
	}
	args, err := evalAll(x, call.args, p.rows)
	if err != nil {
		return nil, err
	}
	defer releaseArrays(args)
	n := p.len()
	run := &aggRows{slots: make([]state.Slot, n), args: args, whole: p.whole, sort: p.sort}
	plus, minus := make([]int64, n), make([]int64, n)
	for i := range n {
		plus[i], minus[i] = 1, -1
	}
	b := array.NewBuilder(x.mem, c.dt)
	defer b.Release()
	start, end := 0, 0 // rows in the aggregate
	for i := range n {
		if run.from, run.to, run.w = end, max(end, to[i]), plus; run.from < run.to {
			if err := call.fn.update(run); err != nil {
				return nil, err
			}
			end = run.to
		}
		if run.from, run.to, run.w = start, min(max(start, from[i]), end), minus; run.from < run.to {
			if err := call.fn.update(run); err != nil {
				return nil, err
			}
			start = run.to
		}
		if err := call.fn.result(0, b); err != nil {
			return nil, err
		}
	}
	results := b.NewArray()
	p.own(results)
	enc, err := rowkey.NewEncoder([]arrow.Array{results})
	if err != nil {
		return nil, err
	}
	return func(dst []byte, i int) ([]byte, error) { return enc.Append(dst, i), nil }, nil
}

// frames returns each row's frame [from, to). Both ends never go back.
func (c *frameCall) frames(p *partition) (from, to []int, err error) {
	n := p.len()
	from, to = make([]int, n), make([]int, n)
	first, last, _ := peers(p)
	var orders []int64
	if !c.rows && (offsetOf(c.lower) != 0 || offsetOf(c.upper) != 0) {
		if orders, err = orderValues(p.order, c.desc); err != nil {
			return nil, nil, err
		}
	}
	for i := range n {
		from[i], to[i] = 0, n
		switch {
		case c.lower == nil:
		case c.rows:
			from[i] = clamp(int64(i)+*c.lower, n)
		case *c.lower == 0 || p.order.IsNull(i):
			from[i] = first[i]
		default:
			from[i] = c.search(p, orders, i, *c.lower, 0)
		}
		switch {
		case c.upper == nil:
		case c.rows:
			to[i] = clamp(int64(i)+*c.upper+1, n)
		case *c.upper == 0 || p.order.IsNull(i):
			to[i] = last[i]
		default:
			to[i] = c.search(p, orders, i, *c.upper, 1)
		}
	}
	return from, to, nil
}

func clamp(v int64, n int) int { return int(min(max(v, 0), int64(n))) }

// search returns the first row of the not NULL ones whose order is at least that of row i
// plus offset plus extra. orders ascend over the rows that are not NULL.
func (c *frameCall) search(p *partition, orders []int64, i int, offset, extra int64) int {
	lo, hi := 0, p.len()
	for lo < hi && p.order.IsNull(lo) {
		lo++
	}
	for hi > lo && p.order.IsNull(hi-1) {
		hi--
	}
	bound := orders[i] + offset*orderUnit(p.order) + extra
	return lo + sort.Search(hi-lo, func(k int) bool { return orders[lo+k] >= bound })
}

// orderUnit is how many units of the order column one of the frame's units is: interval
// offsets are milliseconds.
func orderUnit(a arrow.Array) int64 {
	t, ok := a.DataType().(*arrow.TimestampType)
	if !ok {
		return 1
	}
	return int64(time.Millisecond / t.Unit.Multiplier())
}

// orderValues returns the order column as ascending numbers.
func orderValues(a arrow.Array, desc bool) ([]int64, error) {
	out := make([]int64, a.Len())
	for i := range out {
		switch a := a.(type) {
		case *array.Timestamp:
			out[i] = int64(a.Value(i))
		case *array.Date32:
			out[i] = int64(a.Value(i)) * millisPerDay
		default:
			v, ok := intAt(a, i)
			if !ok && a.IsValid(i) {
				return nil, errkind.Errorf(errkind.Bug, "RANGE over %s", a.DataType())
			}
			out[i] = v
		}
		if desc {
			out[i] = -max(out[i], -math.MaxInt64)
		}
	}
	return out, nil
}

const millisPerDay = 24 * 60 * 60 * 1000
