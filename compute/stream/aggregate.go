package stream

import (
	"bytes"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/rowkey"
	"github.com/weir-lake/weir/compute/state"
	"github.com/weir-lake/weir/internal/errkind"
)

// setsMax bounds GROUPING SETS: the number of a set is one byte of the group key.
const setsMax = 255

// aggregateOp keeps one row per group and emits its change, or, for windows of an
// append-only sink, the row once when the watermark closes the window.
type aggregateOp struct {
	node    *plan.Aggregate
	schema  *arrow.Schema
	groupBy []program
	groups  []arrow.DataType
	sets    [][]int // nil: one set of all
	calls   []*aggCall
	ids     [][]int64 // per set, per call: value of a GROUPING_ID call
	ordered bool
	window  *windowClose // nil unless windows are emitted once

	index   state.Index // group key
	rows    []int64     // per slot: rows of the group
	totals  [][]byte    // keys of groups that are there without rows: that of no GROUP BY, and empty grouping sets
	started bool        // the rows of totals were emitted

	touched []state.Slot // groups of this epoch, with their old rows in old
	marked  []bool
	old     *array.RecordBuilder
	oldHas  []bool
	keyBuf  []byte
	slots   []state.Slot
	w       []int64
}

func (c *compiler) aggregate(n *plan.Aggregate) (operator, error) {
	if err := c.stable(n.Input, n.GroupBy...); err != nil {
		return nil, err
	}
	if len(n.Sets) > setsMax {
		return nil, errkind.Errorf(errkind.Invalid, "%d grouping sets: at most %d are possible", len(n.Sets), setsMax)
	}
	op := &aggregateOp{node: n, schema: schemaOf(n.Columns()), sets: n.Sets}
	var err error
	if op.groupBy, err = newPrograms(n.GroupBy); err != nil {
		return nil, err
	}
	for i, g := range n.GroupBy {
		if err := ordered(g.Type()); err != nil {
			return nil, err
		}
		op.groups = append(op.groups, op.schema.Field(i).Type)
	}
	for i := range n.Aggs {
		a := &n.Aggs[i]
		inputs := slices.Clone(a.Args)
		if a.Filter != nil {
			inputs = append(inputs, a.Filter)
		}
		if err := c.stable(n.Input, inputs...); err != nil {
			return nil, err
		}
		if a.Fn == "GROUPING_ID" || a.Fn == "GROUPING" {
			op.calls = append(op.calls, nil)
			continue
		}
		call, err := newAggCall(a, c.appendOnly(n.Input))
		if err != nil {
			return nil, err
		}
		op.calls = append(op.calls, call)
		op.ordered = op.ordered || call.ordered
	}
	if err := op.groupingIDs(); err != nil {
		return nil, err
	}
	op.totals = op.totalKeys()
	if c.emitsOnce(n) {
		if err := refuseSession(n.Input); err != nil {
			return nil, err
		}
		op.window = newWindowClose(n, c.opts.Zone)
	}
	return op, nil
}

// groupingIDs computes, per set, the bit pattern of columns that are left out of it.
func (a *aggregateOp) groupingIDs() error {
	sets := a.sets
	if sets == nil {
		all := make([]int, len(a.groupBy))
		for i := range all {
			all[i] = i
		}
		sets = [][]int{all}
	}
	for _, set := range sets {
		ids := make([]int64, len(a.calls))
		for c, call := range a.calls {
			if call != nil {
				continue
			}
			cols, err := a.groupingArgs(&a.node.Aggs[c])
			if err != nil {
				return err
			}
			for _, col := range cols {
				ids[c] <<= 1
				if !slices.Contains(set, col) {
					ids[c] |= 1
				}
			}
		}
		a.ids = append(a.ids, ids)
	}
	return nil
}

// groupingArgs are the group columns a GROUPING_ID call asks about, in its order; all without
// arguments.
func (a *aggregateOp) groupingArgs(call *plan.AggCall) ([]int, error) {
	var cols []int
	if len(call.Args) == 0 {
		for i := range a.groupBy {
			cols = append(cols, i)
		}
		return cols, nil
	}
	for _, arg := range call.Args {
		i := slices.IndexFunc(a.node.GroupBy, func(g expr.Expr) bool { return g.String() == arg.String() })
		if i < 0 {
			return nil, errkind.Errorf(errkind.Invalid, "%s: %s is not a column of GROUP BY", call.Fn, arg)
		}
		cols = append(cols, i)
	}
	return cols, nil
}

// totalKeys are the keys of groups over all rows, which have a result though there be none.
func (a *aggregateOp) totalKeys() (out [][]byte) {
	if a.sets == nil && len(a.groupBy) == 0 {
		return [][]byte{{}}
	}
	for i, set := range a.sets {
		if len(set) == 0 {
			out = append(out, append([]byte{byte(i)}, make([]byte, len(a.groups))...)) // a NULL is one zero byte
		}
	}
	return out
}

// total reports a group that is there without rows.
func (a *aggregateOp) total(s state.Slot) bool {
	if a.sets == nil {
		return len(a.groupBy) == 0
	}
	return len(a.totals) > 0 && len(a.sets[a.index.Key(s)[0]]) == 0
}

func (a *aggregateOp) due(x *epoch) bool {
	return len(a.totals) > 0 && !a.started || a.window != nil && a.window.due(x.watermark)
}

func (a *aggregateOp) step(x *epoch, in [][]Delta) ([]Delta, error) {
	a.old = array.NewRecordBuilder(x.mem, a.schema)
	defer func() { a.old.Release(); a.old = nil }()
	if !a.started {
		for _, key := range a.totals {
			if _, _, err := a.slot(key); err != nil {
				return nil, err
			}
		}
	}
	for _, d := range in[0] {
		if err := firstError(x.Err(), a.take(x, d)); err != nil {
			return nil, err
		}
	}
	if a.window != nil {
		return a.closeWindows(x)
	}
	return a.emit(x)
}

// take adds a batch to the groups.
func (a *aggregateOp) take(x *epoch, d Delta) error {
	groups, err := evalAll(x, a.groupBy, d.Rows)
	if err != nil {
		return err
	}
	defer releaseArrays(groups)
	var whole *rowkey.Encoder
	if a.ordered {
		if whole, err = rowkey.NewEncoder(d.Rows.Columns()); err != nil {
			return err
		}
	}
	n := int(d.Rows.NumRows())
	a.w = a.w[:0]
	for i := range n {
		a.w = append(a.w, d.weight(i))
	}
	if a.window != nil {
		if err := a.divert(x, d, groups); err != nil {
			return err
		}
	}
	for set := range max(1, len(a.sets)) {
		if err := a.findSlots(x.mem, set, groups, n); err != nil {
			return err
		}
		for _, call := range a.calls {
			if call == nil {
				continue
			}
			if err := call.run(x, d.Rows, a.slots, a.w, whole); err != nil {
				return err
			}
		}
		for i, s := range a.slots {
			a.rows[s] += a.w[i]
		}
	}
	return nil
}

// findSlots fills slots with the group of every row for one grouping set.
func (a *aggregateOp) findSlots(mem memory.Allocator, set int, groups []arrow.Array, n int) error {
	key := a.keyBuf[:0]
	if a.sets != nil {
		key = append(key, byte(set))
		masked := make([]arrow.Array, len(groups))
		for i, g := range groups {
			if masked[i] = g; !slices.Contains(a.sets[set], i) {
				masked[i] = array.MakeArrayOfNull(mem, a.groups[i], n)
				defer masked[i].Release()
			}
		}
		groups = masked
	}
	enc, err := rowkey.NewKeyEncoder(groups)
	if err != nil {
		return err
	}
	prefix := len(key)
	a.slots = a.slots[:0]
	for i := range n {
		if a.w[i] == 0 { // a late row: no group is made for it, slot 0 gets weight zero
			a.slots = append(a.slots, 0)
			continue
		}
		key = enc.Append(key[:prefix], i)
		s, added, err := a.slot(key)
		if err != nil {
			return err
		}
		if added && a.window != nil {
			a.window.open(groups, i, key)
		}
		a.slots = append(a.slots, s)
	}
	a.keyBuf = key
	if len(a.rows) == 0 && n > 0 { // only late rows so far: slot 0 must exist to take their zeros
		a.grow(1)
	}
	return nil
}

// slot returns the group of key and remembers its row as it was before the epoch.
func (a *aggregateOp) slot(key []byte) (s state.Slot, added bool, err error) {
	s, added = a.index.Put(key)
	if int(s) >= len(a.rows) {
		a.grow(a.index.Slots())
	}
	if a.marked[s] {
		return s, added, nil
	}
	a.marked[s] = true
	a.touched = append(a.touched, s)
	has := a.window == nil && (a.rows[s] > 0 || a.started && a.total(s))
	a.oldHas = append(a.oldHas, has)
	if has {
		err = a.appendAggs(a.old, s)
	}
	return s, added, err
}

func (a *aggregateOp) grow(n int) {
	n = max(n, 2*len(a.rows), 16)
	a.rows, a.marked = resized(a.rows, n), resized(a.marked, n)
	for _, call := range a.calls {
		if call != nil {
			call.grow(n)
		}
	}
}

// appendAggs appends the aggregates of a group; its key columns are left to appendGroup.
func (a *aggregateOp) appendAggs(b *array.RecordBuilder, s state.Slot) error {
	set := 0
	if a.sets != nil {
		set = int(a.index.Key(s)[0])
	}
	for i, call := range a.calls {
		fb := b.Field(len(a.groups) + i)
		if call == nil {
			fb.(*array.Int64Builder).Append(a.ids[set][i])
			continue
		}
		if err := call.fn.result(s, fb); err != nil {
			return err
		}
	}
	return nil
}

// emit gives the changes of the touched groups.
func (a *aggregateOp) emit(x *epoch) ([]Delta, error) {
	fresh := array.NewRecordBuilder(x.mem, a.schema)
	defer fresh.Release()
	freshHas := make([]bool, len(a.touched))
	for i, s := range a.touched {
		if a.rows[s] < 0 {
			return nil, ErrRetraction
		}
		if freshHas[i] = a.rows[s] > 0 || a.total(s); freshHas[i] {
			if err := a.appendAggs(fresh, s); err != nil {
				return nil, err
			}
		}
	}
	a.started = true
	out, err := a.difference(x.mem, fresh, freshHas)
	if err != nil {
		return nil, err
	}
	for i, s := range a.touched {
		a.marked[s] = false
		if !freshHas[i] {
			a.drop(s)
		}
	}
	a.touched, a.oldHas = a.touched[:0], a.oldHas[:0]
	return out, nil
}

// drop forgets an empty group.
func (a *aggregateOp) drop(s state.Slot) {
	for _, call := range a.calls {
		if call != nil {
			call.clear(s)
		}
	}
	a.rows[s] = 0
	a.index.Delete(s)
}

// difference pairs the old and new aggregates of the touched groups and leaves out equal ones.
func (a *aggregateOp) difference(mem memory.Allocator, fresh *array.RecordBuilder, freshHas []bool) ([]Delta, error) {
	oldCols, freshCols := a.builtAggs(a.old), a.builtAggs(fresh)
	defer releaseArrays(oldCols)
	defer releaseArrays(freshCols)
	oldEnc, err := rowkey.NewEncoder(oldCols)
	if err != nil {
		return nil, err
	}
	freshEnc, err := rowkey.NewEncoder(freshCols)
	if err != nil {
		return nil, err
	}
	out, err := newRowOutput(mem, a.schema)
	if err != nil {
		return nil, err
	}
	var row, was []byte
	iOld, iFresh := 0, 0
	for i, s := range a.touched {
		key := a.index.Key(s)
		if a.sets != nil {
			key = key[1:]
		}
		row = append(row[:0], key...)
		was = append(was[:0], key...)
		if a.oldHas[i] {
			was = oldEnc.Append(was, iOld)
			iOld++
		}
		if freshHas[i] {
			row = freshEnc.Append(row, iFresh)
			iFresh++
		}
		if a.oldHas[i] && freshHas[i] && bytes.Equal(row, was) {
			continue
		}
		if a.oldHas[i] {
			err = out.add(-1, was)
		}
		if freshHas[i] && err == nil {
			err = out.add(1, row)
		}
		if err != nil {
			out.discard()
			return nil, err
		}
	}
	return out.finish(), nil
}

// builtAggs takes the aggregate columns out of a builder whose group columns are empty.
func (a *aggregateOp) builtAggs(b *array.RecordBuilder) []arrow.Array {
	out := make([]arrow.Array, len(a.calls))
	for i := range out {
		out[i] = b.Field(len(a.groups) + i).NewArray()
	}
	return out
}

func (a *aggregateOp) liveSlots() []state.Slot {
	out := make([]state.Slot, 0, a.index.Len())
	a.index.Each(func(s state.Slot) bool {
		out = append(out, s)
		return true
	})
	return out
}

func (a *aggregateOp) save(w stateWriter) {
	w.Bool(a.started)
	a.index.Save(w)
	live := a.liveSlots()
	for _, s := range live {
		w.Varint(a.rows[s])
	}
	for _, call := range a.calls {
		if call != nil {
			call.save(w, live)
		}
	}
	if a.window != nil {
		a.window.save(w)
	}
}

func (a *aggregateOp) load(r stateReader) error {
	a.started = r.Bool()
	if err := a.index.Load(r); err != nil {
		return err
	}
	a.grow(a.index.Slots())
	live := a.liveSlots()
	for _, s := range live {
		a.rows[s] = r.Varint()
	}
	for _, call := range a.calls {
		if call == nil {
			continue
		}
		if err := call.load(r, live); err != nil {
			return err
		}
	}
	if a.window != nil {
		return a.window.load(r)
	}
	return r.Err()
}

func (a *aggregateOp) size() (int64, int64) {
	rows := int64(a.index.Len())
	bytes := a.index.SizeBytes() + int64(cap(a.rows))*8 + int64(cap(a.marked))
	for _, call := range a.calls {
		if call != nil {
			r, n := call.size()
			rows += r
			bytes += n
		}
	}
	if a.window != nil {
		bytes += a.window.timers.SizeBytes()
	}
	return rows, bytes
}
