package bind

import (
	"fmt"
	"strings"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/sql"
	"github.com/weir-lake/weir/table/schema"
)

// overs adds the window functions of the block: calls over the same partitions and
// order share one Over.
func (sb *selectBinder) overs() error {
	var calls []*sql.Call
	for _, e := range sb.outputs() {
		sql.Walk(e, func(e sql.Expr) bool {
			c, ok := e.(*sql.Call)
			if ok && c.Over != nil {
				calls = append(calls, c)
				return false
			}
			return true
		})
	}
	if len(calls) == 0 {
		return nil
	}
	sb.out.clause = "the arguments of a window function"
	var nodes []*plan.Over
	byKey := map[string]int{}
	where := map[*sql.Call][2]int{}
	for _, c := range calls {
		o, call, err := sb.overCall(c)
		if err != nil {
			return err
		}
		key := fmt.Sprint(o.PartitionBy, plan.SortText(o.OrderBy))
		i, ok := byKey[key]
		if !ok {
			i = len(nodes)
			byKey[key] = i
			nodes = append(nodes, o)
		}
		where[c] = [2]int{i, len(nodes[i].Calls)}
		call.Name = fmt.Sprintf("%s$%d", strings.ToLower(call.Fn), len(where)-1)
		nodes[i].Calls = append(nodes[i].Calls, call)
	}
	first := make([]int, len(nodes))
	for i, o := range nodes {
		o.Input = sb.node
		first[i] = len(sb.node.Columns())
		sb.node = o
	}
	outer := sb.out.replace
	out := *sb.out
	out.replace = func(e sql.Expr) (expr.Expr, bool, error) {
		if c, ok := e.(*sql.Call); ok {
			if at, ok := where[c]; ok {
				call := nodes[at[0]].Calls[at[1]]
				return &expr.Column{Index: first[at[0]] + at[1], Name: call.Name, T: call.T}, true, nil
			}
		}
		if outer != nil {
			return outer(e)
		}
		return nil, false, nil
	}
	sb.out = &out
	return nil
}

// overCall binds one window function with its window.
func (sb *selectBinder) overCall(c *sql.Call) (*plan.Over, plan.OverCall, error) {
	b, at := sb.b, c.Name.Pos()
	fail := func(err error) (*plan.Over, plan.OverCall, error) { return nil, plan.OverCall{}, err }
	name := strings.ToUpper(c.Name.Last())
	if len(c.Name) > 1 || !expr.IsAggregate(name) {
		return fail(b.fail(at, ErrName, "%s is no aggregate or window function", c.Name))
	}
	if c.Distinct || c.Filter != nil || c.OrderBy != nil || c.WithinGroup != nil {
		return fail(b.fail(at, ErrQuery, "%s OVER takes no DISTINCT, FILTER or ORDER BY of its own", name))
	}
	spec, err := sb.window(c.Over, 0)
	if err != nil {
		return fail(err)
	}
	o := &plan.Over{}
	if o.PartitionBy, err = sb.out.list(spec.PartitionBy); err != nil {
		return fail(err)
	}
	for _, it := range spec.OrderBy {
		e, err := sb.out.bind(it.Expr)
		if err != nil {
			return fail(err)
		}
		k, err := b.sortKey(it, e)
		if err != nil {
			return fail(err)
		}
		o.OrderBy = append(o.OrderBy, k)
	}
	a, err := sb.out.aggregate(&sql.Call{Name: c.Name, Args: c.Args, Star: c.Star, IgnoreNulls: c.IgnoreNulls})
	if err != nil {
		return fail(err)
	}
	call := plan.OverCall{Fn: a.Fn, Args: a.Args, T: a.T}
	if len(o.OrderBy) == 0 && needsOrder[a.Fn] {
		return fail(b.failHint(at, ErrQuery, "add ORDER BY to its OVER", "%s needs an order", a.Fn))
	}
	if expr.IsWindowOnly(a.Fn) {
		if spec.Frame != nil {
			return fail(b.fail(c.Over.At, ErrQuery, "%s takes no ROWS or RANGE", a.Fn))
		}
		return o, call, nil
	}
	return o, call, sb.frame(&call, spec, o)
}

// needsOrder are the functions whose result is nothing without ORDER BY.
var needsOrder = map[string]bool{"RANK": true, "DENSE_RANK": true, "LAG": true, "LEAD": true, "NTILE": true, "PERCENT_RANK": true, "CUME_DIST": true}

// window resolves named and extended windows.
func (sb *selectBinder) window(w *sql.WindowSpec, depth int) (*sql.WindowSpec, error) {
	name := w.Name
	if name == nil {
		name = w.Base
	}
	if name == nil {
		return w, nil
	}
	if depth > len(sb.s.Windows) {
		return nil, sb.b.fail(name.At, ErrQuery, "window '%s' is defined by itself", name.Text)
	}
	var names []string
	for _, d := range sb.s.Windows {
		names = append(names, d.Name.Text)
		if d.Name.Text != name.Text {
			continue
		}
		base, err := sb.window(d.Spec, depth+1)
		if err != nil {
			return nil, err
		}
		return sb.extend(w, base)
	}
	return nil, sb.b.failHint(name.At, ErrName, didYouMean(name.Text, names), "there is no window '%s'", name.Text)
}

func (sb *selectBinder) extend(w, base *sql.WindowSpec) (*sql.WindowSpec, error) {
	out := *base
	if w.Name != nil {
		return &out, nil
	}
	if w.PartitionBy != nil || w.OrderBy != nil && base.OrderBy != nil || base.Frame != nil {
		return nil, sb.b.fail(w.At, ErrQuery, "a window over '%s' can add ORDER BY or a frame where that has none", w.Base.Text)
	}
	if w.OrderBy != nil {
		out.OrderBy = w.OrderBy
	}
	out.Frame = w.Frame
	return &out, nil
}

// frame sets the rows an aggregate sees. Without ORDER BY it is the partition, with it
// the rows up to the current one and its equals.
func (sb *selectBinder) frame(call *plan.OverCall, spec *sql.WindowSpec, o *plan.Over) error {
	zero := int64(0)
	if spec.Frame == nil {
		if len(o.OrderBy) > 0 {
			call.Upper = &zero
		}
		return nil
	}
	f := spec.Frame
	call.Rows = f.Rows
	var err error
	if call.Lower, err = sb.bound(f, f.Start, o); err != nil {
		return err
	}
	if call.Upper, err = sb.bound(f, f.End, o); err != nil {
		return err
	}
	if f.Start.Kind == sql.UnboundedFollowing || f.End.Kind == sql.UnboundedPreceding ||
		call.Lower != nil && call.Upper != nil && *call.Lower > *call.Upper {
		return sb.b.fail(spec.At, ErrQuery, "the frame ends before it starts")
	}
	return nil
}

// bound is an offset from the current row: rows, the order key's unit, or milliseconds.
func (sb *selectBinder) bound(f *sql.Frame, fb sql.FrameBound, o *plan.Over) (*int64, error) {
	switch fb.Kind {
	case sql.UnboundedPreceding, sql.UnboundedFollowing:
		return nil, nil
	case sql.CurrentRow:
		zero := int64(0)
		return &zero, nil
	}
	x := &exprBinder{b: sb.b, scope: &scope{}, clause: "a frame"}
	e, err := x.bind(fb.Offset)
	if err != nil {
		return nil, err
	}
	l, err := expr.Const(e, nil)
	v, isInt := int64(0), false
	if err == nil {
		v, isInt = l.Value.(int64)
	}
	wantInterval := !f.Rows && len(o.OrderBy) == 1 && o.OrderBy[0].Expr.Type().IsTimestamp()
	switch {
	case !isInt || v < 0:
		return nil, sb.b.fail(fb.Offset.Pos(), ErrQuery, "a frame needs constant offsets that are not negative")
	case !f.Rows && len(o.OrderBy) != 1:
		return nil, sb.b.fail(fb.Offset.Pos(), ErrQuery, "RANGE with an offset needs exactly one ORDER BY expression")
	case wantInterval && l.T.Kind != schema.IntervalDayTime, !wantInterval && !l.T.IsInteger():
		return nil, sb.b.fail(fb.Offset.Pos(), ErrType, "the offset of this frame cannot be %s", l.T.WithNotNull(false))
	}
	if fb.Kind == sql.Preceding {
		v = -v
	}
	return &v, nil
}
