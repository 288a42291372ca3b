package bind

import (
	"strconv"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/sql"
	"github.com/weir-lake/weir/table/schema"
)

// subquery is a bound subquery whose references to the query around it have been pulled
// out: preds are over the columns of node followed by nothing, plus outerRefs.
type subquery struct {
	node  plan.Node
	width int // visible columns; more may follow for preds
	preds []expr.Expr
	bound plan.Node // before pulling, to know what it gives for no rows
}

// subplan binds a subquery of an expression.
func (x *exprBinder) subplan(q *sql.Query, valueMatters bool) (*subquery, error) {
	at := q.At
	if x.node == nil {
		return nil, x.b.fail(at, ErrQuery, "a subquery is not allowed in %s", x.place())
	}
	n, _, err := x.b.query(q, x.scope, x.ctes, false)
	if err != nil {
		return nil, err
	}
	s := &subquery{node: n, width: len(n.Columns()), bound: n}
	if !valueMatters {
		s.node = stripForExists(n)
	}
	p, err := x.b.pull(at, s.node)
	if err != nil {
		return nil, err
	}
	s.node, s.preds = p.node, p.preds
	return s, nil
}

// stripForExists drops what does not change whether there are rows.
func stripForExists(n plan.Node) plan.Node {
	for {
		switch x := n.(type) {
		case *plan.Project:
			n = x.Input
		case *plan.Aggregate:
			if len(x.GroupBy) == 0 || x.Sets != nil {
				return n
			}
			n = x.Input
		case *plan.Sort:
			if x.Offset > 0 || x.Limit == 0 {
				return n
			}
			n = x.Input
		default:
			return n
		}
	}
}

// outside brings a pulled predicate over the join of the present input (width columns)
// with the subquery: the subquery's columns move right, the outer ones become columns.
func (x *exprBinder) outside(at sql.Pos, e expr.Expr, width int) (expr.Expr, error) {
	var failed error
	out := plan.MapLeaves(e, func(l expr.Expr) expr.Expr {
		switch l := l.(type) {
		case *expr.Column:
			return &expr.Column{Index: l.Index + width, Name: l.Name, T: l.T}
		case *outerRef:
			if l.depth > 1 {
				return &outerRef{depth: l.depth - 1, col: l.col}
			}
			if x.mapOuter == nil {
				return l.col
			}
			c, err := x.mapOuter(at, l.col)
			if err != nil {
				failed = err
				return l
			}
			return c
		case markKey:
			return l.e
		}
		return l
	})
	return out, failed
}

// joinSub joins a subquery to the input on the given conditions (over input ++ subquery) and its own.
func (x *exprBinder) joinSub(at sql.Pos, kind plan.JoinKind, s *subquery, conds ...expr.Expr) error {
	width := len((*x.node).Columns())
	for _, p := range s.preds {
		c, err := x.outside(at, p, width)
		if err != nil {
			return err
		}
		conds = append(conds, c)
	}
	*x.node = plan.NewJoin(kind, *x.node, s.node, plan.And(conds...))
	return nil
}

// filter adds a condition to the input. EXISTS and IN (query) that stand alone or under
// AND become semi and anti joins; the rest is one Filter.
func (x *exprBinder) filter(e sql.Expr, what string) error {
	var plain []expr.Expr
	for _, c := range conjuncts(e, nil) {
		done, err := x.semiJoin(c)
		if err != nil {
			return err
		}
		if done {
			continue
		}
		p, err := x.condition(c, what)
		if err != nil {
			return err
		}
		plain = append(plain, p)
	}
	if p := plan.And(plain...); p != nil {
		*x.node = &plan.Filter{Input: *x.node, Pred: p}
	}
	return nil
}

// conjuncts splits an AND of the tree, iteratively on the long left side.
func conjuncts(e sql.Expr, tail []sql.Expr) []sql.Expr {
	for {
		b, ok := e.(*sql.Binary)
		if !ok || b.Op != "AND" {
			return append([]sql.Expr{e}, tail...)
		}
		tail = conjuncts(b.R, tail)
		e = b.L
	}
}

// semiJoin turns [NOT] EXISTS and [NOT] IN (query) into a join.
func (x *exprBinder) semiJoin(e sql.Expr) (bool, error) {
	not := false
	for {
		u, ok := e.(*sql.Unary)
		if !ok || u.Op != "NOT" {
			break
		}
		not, e = !not, u.X
	}
	switch e := e.(type) {
	case *sql.Exists:
		s, err := x.subplan(e.Query, false)
		if err != nil {
			return false, err
		}
		kind := plan.Semi
		if not {
			kind = plan.Anti
		}
		return true, x.joinSub(e.At, kind, s)
	case *sql.In:
		if e.Query == nil {
			return false, nil
		}
		return true, x.inJoin(e, not != e.Not)
	case *sql.Quantified:
		in, negated, ok := quantifiedIn(e)
		if !ok {
			return false, nil
		}
		return true, x.inJoin(in, not != negated)
	}
	return false, nil
}

// inPairs binds the left side and equates it with the subquery's columns, over input ++ subquery.
func (x *exprBinder) inPairs(e *sql.In, s *subquery) ([]expr.Expr, error) {
	items := []sql.Expr{e.X}
	if r, ok := e.X.(*sql.Row); ok {
		items = r.Items
	}
	if len(items) != s.width {
		return nil, x.b.fail(e.At, ErrQuery, "IN compares %d values with a query of %d columns", len(items), s.width)
	}
	left, err := x.list(items)
	if err != nil {
		return nil, err
	}
	width := len((*x.node).Columns())
	var out []expr.Expr
	for i, l := range left {
		eq, err := x.b.apply(e.At, "=", l, plan.Shift(plan.Col(s.node, i), width))
		if err != nil {
			return nil, err
		}
		out = append(out, eq)
	}
	return out, nil
}

func (x *exprBinder) inJoin(e *sql.In, not bool) error {
	s, err := x.subplan(e.Query, true)
	if err != nil {
		return err
	}
	pairs, err := x.inPairs(e, s)
	if err != nil {
		return err
	}
	if !not {
		return x.joinSub(e.At, plan.Semi, s, pairs...)
	}
	nullable := false
	for _, p := range pairs {
		nullable = nullable || !p.Type().NotNull
	}
	if !nullable {
		return x.joinSub(e.At, plan.Anti, s, pairs...)
	}
	if len(s.preds) == 0 && len(pairs) == 1 {
		return x.joinSub(e.At, plan.NullAwareAnti, s, pairs...)
	}
	// NOT IN is TRUE where no row has a comparison that is TRUE or NULL.
	var maybe []expr.Expr
	for _, p := range pairs {
		unknown, err := x.b.apply(e.At, "IS_NOT_FALSE", p)
		if err != nil {
			return err
		}
		maybe = append(maybe, unknown)
	}
	return x.joinSub(e.At, plan.Anti, s, maybe...)
}

// scalarSubquery joins a query of one column and at most one row.
func (x *exprBinder) scalarSubquery(e *sql.Subquery) (expr.Expr, error) {
	at := e.Query.At
	s, err := x.subplan(e.Query, true)
	if err != nil {
		return nil, err
	}
	if s.width != 1 {
		return nil, x.b.fail(at, ErrQuery, "a subquery used as a value must have one column, this has %d", s.width)
	}
	if len(s.preds) > 0 {
		return x.correlatedScalar(at, s)
	}
	if !oneRow(s.node) {
		s.node = single(s.node, nil)
	}
	width := len((*x.node).Columns())
	c := plan.Col(s.node, 0)
	if err := x.joinSub(at, plan.Inner, s); err != nil {
		return nil, err
	}
	return plan.Shift(c, width), nil
}

// single keeps one row per group and fails for a second one.
func single(n plan.Node, groups []expr.Expr) plan.Node {
	c := plan.Col(n, 0)
	a := &plan.Aggregate{Input: n, GroupBy: groups, WindowEnd: -1,
		Aggs: []plan.AggCall{{Fn: "SINGLE_VALUE", Args: []expr.Expr{c}, T: c.T.WithNotNull(false), Name: c.Name}}}
	for i := range groups {
		a.Names = append(a.Names, "$key"+strconv.Itoa(i))
	}
	return a
}

// oneRow reports a node that has exactly one row.
func oneRow(n plan.Node) bool {
	switch n := n.(type) {
	case *plan.Project:
		return oneRow(n.Input)
	case *plan.Aggregate:
		return len(n.GroupBy) == 0 && n.Sets == nil
	case *plan.Values:
		return len(n.Rows) == 1
	}
	return false
}

// correlatedScalar joins a subquery per value of the columns it is correlated on.
func (x *exprBinder) correlatedScalar(at sql.Pos, s *subquery) (expr.Expr, error) {
	keys, outers, err := x.b.equalities(at, s.preds)
	if err != nil {
		return nil, err
	}
	value := 0
	if !uniquePerKey(s.bound) {
		s.node = single(s.node, keys)
		value = len(keys)
		keys = plan.Cols(s.node)[:len(keys)]
	}
	s.preds = nil
	for i, k := range keys {
		eq, err := x.b.apply(at, "=", k, outers[i])
		if err != nil {
			return nil, err
		}
		s.preds = append(s.preds, eq)
	}
	empty := emptyValue(s.bound)
	marker := -1
	if empty != nil {
		marker = len(s.node.Columns())
		s.node = &plan.Project{Input: s.node, Exprs: append(plan.Cols(s.node), expr.True()), Names: append(plan.Names(s.node), "$found")}
	}
	width := len((*x.node).Columns())
	if err := x.joinSub(at, plan.Left, s); err != nil {
		return nil, err
	}
	col := plan.Col(*x.node, width+value)
	if marker < 0 {
		return col, nil
	}
	missing, err := x.b.apply(at, "IS_NULL", plan.Col(*x.node, width+marker))
	if err != nil {
		return nil, err
	}
	return x.b.apply(at, "CASE", missing, empty, col)
}

// uniquePerKey reports a subquery that is one aggregate over all its rows, and so has
// one row per correlation value once that groups it.
func uniquePerKey(n plan.Node) bool {
	for {
		switch x := n.(type) {
		case *plan.Project:
			n = x.Input
		case *plan.Aggregate:
			return len(x.GroupBy) == 0 && x.Sets == nil
		default:
			return false
		}
	}
}

// emptyValue is what the query gives for no input rows, where that is not NULL: COUNT is 0.
func emptyValue(n plan.Node) expr.Expr {
	p, ok := n.(*plan.Project)
	if !ok || !uniquePerKey(n) {
		return nil
	}
	e := p.Exprs[0]
	for {
		switch in := p.Input.(type) {
		case *plan.Project:
			e = plan.MapColumns(e, func(c *expr.Column) expr.Expr { return in.Exprs[c.Index] })
			p = in
			continue
		case *plan.Aggregate:
			e = plan.MapColumns(e, func(c *expr.Column) expr.Expr {
				a := in.Aggs[c.Index]
				if a.Fn == "COUNT" || a.Fn == "SUM0" || a.Fn == "APPROX_COUNT_DISTINCT" {
					return constant(int64(0), a.T)
				}
				return &expr.Literal{T: a.T.WithNotNull(false)}
			})
		}
		break
	}
	e = expr.Fold(e)
	if l, ok := e.(*expr.Literal); ok && l.Value == nil {
		return nil
	}
	return e
}

// existsValue is EXISTS as a Boolean value: a left join with a marker.
func (x *exprBinder) existsValue(e *sql.Exists) (expr.Expr, error) {
	s, err := x.subplan(e.Query, false)
	if err != nil {
		return nil, err
	}
	keys, outers, err := x.b.equalities(e.At, s.preds)
	if err != nil {
		return nil, err
	}
	return x.markJoin(e.At, s, keys, outers)
}

// markJoin tells for each input row whether the subquery has a row with the same keys.
func (x *exprBinder) markJoin(at sql.Pos, s *subquery, keys, outers []expr.Expr) (expr.Expr, error) {
	if len(keys) == 0 {
		one := &plan.Aggregate{Input: s.node, WindowEnd: -1, Aggs: []plan.AggCall{{Fn: "COUNT", T: schema.TBigInt.WithNotNull(true), Name: "$count"}}}
		width := len((*x.node).Columns())
		if err := x.joinSub(at, plan.Inner, &subquery{node: one}); err != nil {
			return nil, err
		}
		return x.b.apply(at, ">", plan.Col(*x.node, width), constant(int64(0), schema.TBigInt))
	}
	d := &plan.Aggregate{Input: s.node, GroupBy: keys, WindowEnd: -1}
	for i := range keys {
		d.Names = append(d.Names, "$key"+strconv.Itoa(i))
	}
	m := &plan.Project{Input: d, Exprs: append(plan.Cols(d), expr.True()), Names: append(plan.Names(d), "$found")}
	sub := &subquery{node: m}
	for i := range keys {
		eq, err := x.b.apply(at, "=", plan.Col(m, i), outers[i])
		if err != nil {
			return nil, err
		}
		sub.preds = append(sub.preds, eq)
	}
	if err := x.joinSub(at, plan.Left, sub); err != nil {
		return nil, err
	}
	return x.b.apply(at, "IS_NOT_NULL", plan.Col(*x.node, len((*x.node).Columns())-1))
}

// inValue is x IN (query) as a value with its three outcomes.
func (x *exprBinder) inValue(e *sql.In) (expr.Expr, error) {
	if _, ok := e.X.(*sql.Row); ok {
		return nil, x.b.failHint(e.At, ErrQuery, "use it alone or under AND in WHERE", "a row IN (query) is not supported as a value")
	}
	s, err := x.subplan(e.Query, true)
	if err != nil {
		return nil, err
	}
	if len(s.preds) > 0 {
		return nil, x.b.failHint(e.At, ErrQuery, "use it alone or under AND in WHERE, or write EXISTS", "a correlated IN (query) is not supported as a value")
	}
	if s.width != 1 {
		return nil, x.b.fail(e.At, ErrQuery, "IN compares 1 value with a query of %d columns", s.width)
	}
	v, err := x.bind(e.X)
	if err != nil {
		return nil, err
	}
	c := plan.Col(s.node, 0)
	t, ok := expr.ComparableType(v.Type(), c.T)
	if !ok {
		return nil, x.b.fail(e.At, ErrType, "IN cannot compare %s with %s", v.Type().WithNotNull(false), c.T.WithNotNull(false))
	}
	big := schema.TBigInt.WithNotNull(true)
	counts := &plan.Aggregate{Input: s.node, WindowEnd: -1, Aggs: []plan.AggCall{
		{Fn: "COUNT", T: big, Name: "$rows"}, {Fn: "COUNT", Args: []expr.Expr{c}, T: big, Name: "$values"}}}
	width := len((*x.node).Columns())
	if err := x.joinSub(e.At, plan.Inner, &subquery{node: counts}); err != nil {
		return nil, err
	}
	rows, values := plan.Col(*x.node, width), plan.Col(*x.node, width+1)
	outer := markKey{v}
	found, err := x.markJoin(e.At, s, []expr.Expr{expr.CastTo(c, t)}, []expr.Expr{outer})
	if err != nil {
		return nil, err
	}
	out, err := x.b.inOutcome(e.At, v, found, rows, values)
	if err == nil && e.Not {
		out, err = x.b.apply(e.At, "NOT", out)
	}
	return out, err
}

// inOutcome: no rows FALSE, found TRUE, a NULL on either side NULL, else FALSE.
func (b *binder) inOutcome(at sql.Pos, v, found, rows, values expr.Expr) (expr.Expr, error) {
	none, err := b.apply(at, "=", rows, constant(int64(0), schema.TBigInt))
	if err != nil {
		return nil, err
	}
	isNull, err := b.apply(at, "IS_NULL", v)
	if err != nil {
		return nil, err
	}
	hasNull, err := b.apply(at, "<", values, rows)
	if err != nil {
		return nil, err
	}
	return b.apply(at, "CASE", none, expr.False(), found, expr.True(),
		isNull, &expr.Literal{T: schema.TBoolean}, hasNull, &expr.Literal{T: schema.TBoolean}, expr.False())
}

// markKey is an expression over the present input that stands in a predicate of a
// subquery, like an outerRef whose column is computed.
type markKey struct{ e expr.Expr }

func (m markKey) Type() schema.Type { return m.e.Type() }
func (m markKey) String() string    { return "^" + m.e.String() }

// quantified is x op ANY|ALL (query) where that is an IN.
func (x *exprBinder) quantified(e *sql.Quantified) (expr.Expr, error) {
	in, not, ok := quantifiedIn(e)
	if !ok {
		return nil, x.b.failHint(e.At, ErrQuery, "compare with (SELECT MIN(..)) or (SELECT MAX(..))", "%s %s (query) is not supported", e.Op, map[bool]string{true: "ALL", false: "ANY"}[e.All])
	}
	in.Not = not
	return x.bind(in)
}

// quantifiedIn reads = ANY as IN and <> ALL as NOT IN.
func quantifiedIn(e *sql.Quantified) (in *sql.In, not, ok bool) {
	switch {
	case e.Op == "=" && !e.All:
		return &sql.In{At: e.At, X: e.X, Query: e.Query}, false, true
	case e.Op == "<>" && e.All:
		return &sql.In{At: e.At, X: e.X, Query: e.Query}, true, true
	}
	return nil, false, false
}
