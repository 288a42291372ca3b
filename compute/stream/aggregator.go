package stream

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/rowkey"
	"github.com/weir-lake/weir/compute/state"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

// aggregator keeps one aggregate function for many groups, addressed by slot.
type aggregator interface {
	// grow makes room for slots below n.
	grow(n int)
	// update adds each row with its weight to its group. Rows of weight zero are not looked at.
	update(r *aggRows) error
	// result appends the group's value to the builder of the function's type.
	result(s state.Slot, b array.Builder) error
	// clear makes the slot an empty group.
	clear(s state.Slot)
	// save and load keep the given slots.
	save(w stateWriter, slots []state.Slot)
	load(r stateReader, slots []state.Slot) error
	size() (rows, bytes int64)
}

// aggRows are the rows of one batch as an aggregate function sees them.
type aggRows struct {
	from, to int // the rows to look at
	slots    []state.Slot
	w        []int64
	args     []arrow.Array
	// whole encodes the whole input row, for functions whose result depends on an order.
	whole *rowkey.Encoder
	// sort encodes the function's ORDER BY; nil without.
	sort *rowkey.Encoder

	encoder *rowkey.Encoder // of args, once asked for
}

// argEncoder encodes the arguments.
func (r *aggRows) argEncoder() (*rowkey.Encoder, error) {
	if r.encoder == nil {
		enc, err := rowkey.NewEncoder(r.args)
		if err != nil {
			return nil, err
		}
		r.encoder = enc
	}
	return r.encoder, nil
}

// aggCall is an aggregate call ready to run: arguments, filter, DISTINCT and the function.
type aggCall struct {
	fn       aggregator
	args     []program
	filter   *expr.Program
	distinct *distinctRows
	sorter   *sorter
	ordered  bool // needs aggRows.whole
	w        []int64
}

// newAggCall prepares a call. appendOnly says that no row is ever taken away.
func newAggCall(a *plan.AggCall, appendOnly bool) (*aggCall, error) {
	c := &aggCall{}
	var err error
	if c.args, err = newPrograms(a.Args); err != nil {
		return nil, err
	}
	if a.Filter != nil {
		if c.filter, err = expr.Compile(a.Filter); err != nil {
			return nil, err
		}
	}
	if len(a.OrderBy) > 0 {
		if c.sorter, err = newSorter(a.OrderBy); err != nil {
			return nil, err
		}
	}
	distinct := a.Distinct && a.Fn != "MIN" && a.Fn != "MAX" || a.Fn == "APPROX_COUNT_DISTINCT"
	if distinct {
		for _, arg := range a.Args {
			if err := ordered(arg.Type()); err != nil {
				return nil, err
			}
		}
		c.distinct = &distinctRows{}
	}
	c.fn, c.ordered, err = newAggregator(a, appendOnly && !distinct, distinct)
	return c, err
}

// newAggregator returns the function and whether it needs the rows' order.
func newAggregator(a *plan.AggCall, appendOnly, distinct bool) (aggregator, bool, error) {
	var arg schema.Type
	if len(a.Args) > 0 {
		arg = a.Args[0].Type()
	}
	switch a.Fn {
	case "COUNT", "APPROX_COUNT_DISTINCT":
		return &countAgg{}, false, nil
	case "SUM", "SUM0", "AVG":
		return newSum(a, arg)
	case "STDDEV_POP", "STDDEV_SAMP", "VAR_POP", "VAR_SAMP":
		return newVariance(a, arg)
	case "MIN", "MAX":
		if err := ordered(arg); err != nil {
			return nil, false, err
		}
		if appendOnly {
			return &extremeAgg{max: a.Fn == "MAX"}, false, nil
		}
		return &multisetExtremeAgg{max: a.Fn == "MAX"}, false, nil
	case "FIRST_VALUE", "LAST_VALUE", "LISTAGG", "ARRAY_AGG", "COLLECT", "SINGLE_VALUE":
		l, err := newListAgg(a, distinct)
		return l, true, err
	default:
		return nil, false, errkind.Errorf(errkind.Invalid, "aggregate function %s cannot run as a stream", a.Fn)
	}
}

// run feeds a batch to the function. slots and w are per row; whole may be nil if no call is ordered.
func (c *aggCall) run(x *epoch, rows arrow.RecordBatch, slots []state.Slot, w []int64, whole *rowkey.Encoder) error {
	args, err := evalAll(x, c.args, rows)
	if err != nil {
		return err
	}
	defer releaseArrays(args)
	r := &aggRows{to: len(slots), slots: slots, w: w, args: args, whole: whole}
	if c.filter != nil {
		keep, err := c.filter.EvalBool(rows, &x.env)
		if err != nil {
			return err
		}
		c.own(r)
		clear(c.w)
		for _, i := range keep {
			c.w[i] = w[i]
		}
	}
	if c.distinct != nil {
		c.own(r)
		if err := c.distinct.transitions(r); err != nil {
			return err
		}
	}
	if c.sorter != nil {
		enc, cols, err := c.sorter.encoder(x, rows)
		if err != nil {
			return err
		}
		defer releaseArrays(cols)
		r.sort = enc
	}
	return c.fn.update(r)
}

// own gives r weights of the call's own, to be changed.
func (c *aggCall) own(r *aggRows) {
	if len(c.w) > 0 && len(r.w) > 0 && &c.w[0] == &r.w[0] {
		return
	}
	c.w = append(c.w[:0], r.w...)
	r.w = c.w
}

func (c *aggCall) grow(n int) { c.fn.grow(n) }

func (c *aggCall) clear(s state.Slot) {
	c.fn.clear(s)
	if c.distinct != nil {
		c.distinct.clear(s)
	}
}

func (c *aggCall) save(w stateWriter, slots []state.Slot) {
	c.fn.save(w, slots)
	if c.distinct != nil {
		c.distinct.rows.Save(w)
	}
}

func (c *aggCall) load(r stateReader, slots []state.Slot) error {
	if err := c.fn.load(r, slots); err != nil || c.distinct == nil {
		return err
	}
	return c.distinct.rows.Load(r)
}

func (c *aggCall) size() (int64, int64) {
	rows, bytes := c.fn.size()
	if c.distinct != nil {
		rows += int64(c.distinct.rows.Len())
		bytes += c.distinct.rows.SizeBytes()
	}
	return rows, bytes
}

// distinctRows counts the values of each group and lets a value through when it first
// comes and when it last goes. NULLs pass: functions ignore them.
type distinctRows struct {
	rows state.Bag
	key  []byte
	val  []byte
}

// transitions replaces the weights by the changes of the sets of values.
func (d *distinctRows) transitions(r *aggRows) error {
	enc, err := rowkey.NewKeyEncoder(r.args)
	if err != nil {
		return err
	}
	for i := r.from; i < r.to; i++ {
		w := r.w[i]
		if w == 0 {
			continue
		}
		d.key = slotKey(d.key[:0], r.slots[i])
		d.val = enc.Append(d.val[:0], i)
		after := int64(0)
		if e := d.rows.Add(d.key, d.val, w); e != state.NoEntry {
			after = d.rows.Weight(e)
		}
		r.w[i] = present(after) - present(after-w)
	}
	return nil
}

func (d *distinctRows) clear(s state.Slot) {
	d.key = slotKey(d.key[:0], s)
	for {
		g, ok := d.rows.Group(d.key)
		if !ok {
			return
		}
		e := d.rows.First(g)
		d.val = append(d.val[:0], d.rows.Row(e)...)
		d.rows.Add(d.key, d.val, -d.rows.Weight(e))
	}
}

func present(n int64) int64 {
	if n > 0 {
		return 1
	}
	return 0
}

func slotKey(dst []byte, s state.Slot) []byte {
	return append(dst, byte(s>>24), byte(s>>16), byte(s>>8), byte(s))
}

// resized returns s with at least n elements, new ones zero.
func resized[T any](s []T, n int) []T {
	if n <= len(s) {
		return s
	}
	return append(s, make([]T, n-len(s))...)
}
