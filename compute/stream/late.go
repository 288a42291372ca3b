package stream

import (
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
)

// LateRows are rows that came after their window was closed, whole: with all columns of the table that they came from,
// or, where several tables meet below the window, with all columns that meet.
type LateRows struct {
	Operator string
	Columns  []plan.Column
	Delta    Delta
	// Until is each row's window_end in milliseconds. A row of several windows is late for some of them perhaps.
	Until []int64
}

// KeepWhole gives a plan in which rows that come too late for a window of an append-only sink are whole: their other
// columns are carried up to the window's aggregate, behind those that it uses. Sinks with a primary key keep their
// plan, since their windows never close.
func KeepWhole(sink *plan.Sink) *plan.Sink {
	if len(sink.Table.PrimaryKey) > 0 {
		return sink
	}
	input := wholeBelow(sink.Input)
	if input == sink.Input {
		return sink
	}
	out := *sink
	out.Input = input
	return &out
}

// wholeBelow rewrites the aggregates that emit windows once.
func wholeBelow(n plan.Node) plan.Node {
	if a, ok := n.(*plan.Aggregate); ok && emitsWindows(a) {
		c := *a
		c.Input, c.Whole = carry(a.Input)
		return &c
	}
	inputs := n.Inputs()
	changed := false
	out := make([]plan.Node, len(inputs))
	for i, in := range inputs {
		out[i] = wholeBelow(in)
		changed = changed || out[i] != in
	}
	if !changed {
		return n
	}
	return plan.WithInputs(n, out)
}

func emitsWindows(a *plan.Aggregate) bool {
	return a.WindowEnd >= 0 && a.Sets == nil && len(a.GroupBy) > 0
}

// carry gives a node with the same first columns as n, and where in its columns the whole rows are.
func carry(n plan.Node) (out plan.Node, whole []int) {
	switch n := n.(type) {
	case *plan.Scan:
		c := *n
		c.Out = slices.Clone(n.Out)
		for _, col := range StoredColumns(n.Table) {
			at := slices.Index(c.Out, col)
			if at < 0 {
				at, c.Out = len(c.Out), append(c.Out, col)
			}
			whole = append(whole, at)
		}
		return &c, whole
	case *plan.Filter:
		in, whole := carry(n.Input)
		return plan.WithInputs(n, []plan.Node{in}), whole
	case *plan.Project:
		in, below := carry(n.Input)
		c := *n
		c.Input, c.Exprs, c.Names = in, slices.Clone(n.Exprs), slices.Clone(n.Names)
		cols := in.Columns()
		for _, at := range below {
			whole = append(whole, len(c.Exprs))
			c.Exprs = append(c.Exprs, &expr.Column{Index: at, Name: cols[at].Name, T: cols[at].Type})
			c.Names = append(c.Names, cols[at].Name)
		}
		return &c, whole
	case *plan.Window:
		return carryWindow(n)
	default:
		out = wholeBelow(n)
		for i := range out.Columns() {
			whole = append(whole, i)
		}
		return out, whole
	}
}

// carryWindow moves the window's own columns back to where they are without what is carried.
func carryWindow(n *plan.Window) (plan.Node, []int) {
	in, whole := carry(n.Input)
	w := plan.WithInputs(n, []plan.Node{in})
	had, has := len(n.Input.Columns()), len(in.Columns())
	if had == has {
		return w, whole
	}
	cols := w.Columns()
	own := len(cols) - has
	p := &plan.Project{Input: w}
	add := func(from, to int) {
		for i := from; i < to; i++ {
			p.Exprs = append(p.Exprs, &expr.Column{Index: i, Name: cols[i].Name, T: cols[i].Type})
			p.Names = append(p.Names, cols[i].Name)
		}
	}
	add(0, had)
	add(has, len(cols))
	add(had, has)
	out := make([]int, len(whole))
	for i, at := range whole {
		if out[i] = at; at >= had {
			out[i] = at + own
		}
	}
	return p, out
}

// lateRows picks the whole rows out of an aggregate's late input.
func lateRows(n *plan.Aggregate, label string, d Delta, until []int64) LateRows {
	cols := n.Input.Columns()
	out := LateRows{Operator: label, Until: until}
	if n.Whole == nil {
		out.Columns, out.Delta = cols, d
		d.Rows.Retain()
		return out
	}
	fields, arrs := make([]arrow.Field, len(n.Whole)), make([]arrow.Array, len(n.Whole))
	for i, at := range n.Whole {
		out.Columns = append(out.Columns, cols[at])
		fields[i], arrs[i] = d.Rows.Schema().Field(at), d.Rows.Column(at)
	}
	out.Delta = Delta{array.NewRecordBatch(arrow.NewSchema(fields, nil), arrs, d.Rows.NumRows()), d.Weights}
	return out
}

// KnowLate makes fn say which rows of a window aggregate's input were late when they came: for a dataflow that takes in
// one epoch what came in many. Rows without a window_end, or that are no rows of the input, have neverClosed there.
func (d *Dataflow) KnowLate(fn func(LateRows) []bool) { d.isLate = fn }

// OpenUntil is an instant at which the last window that is open now ends; false when no window waits for its end.
// Who knows that no more rows come takes the watermark there.
func (d *Dataflow) OpenUntil() (time.Time, bool) {
	var last time.Time
	found := false
	for _, t := range d.tasks {
		a, ok := t.op.(*aggregateOp)
		if !ok || a.window == nil {
			continue
		}
		if at, ok := a.window.openUntil(); ok && (!found || at.After(last)) {
			last, found = at, true
		}
	}
	return last, found
}

// openUntil is the first watermark that closes every window.
func (c *windowClose) openUntil() (time.Time, bool) {
	cur := c.timers.SeekBefore([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	if !cur.Valid() {
		return time.Time{}, false
	}
	last := timerEnd(cur.Key()) - lastOfWindow
	at := time.UnixMilli(last).UTC()
	if !c.local {
		return at, true
	}
	at = time.Date(at.Year(), at.Month(), at.Day(), at.Hour(), at.Minute(), at.Second(), at.Nanosecond(), c.clock.zone)
	for c.clock.localMillis(at) < last { // a wall clock that is skipped
		at = at.Add(time.Hour)
	}
	return at.UTC(), true
}
