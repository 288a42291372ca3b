package bind

import (
	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/sql"
	"github.com/weir-lake/weir/table/schema"
)

// query binds a whole query. outer is the scope it may refer to; root tells that its
// order reaches the reader.
func (b *binder) query(q *sql.Query, outer *scope, with *ctes, root bool) (plan.Node, []string, error) {
	for _, c := range q.With {
		with = &ctes{name: c.Name.Text, def: c, outer: with}
	}
	at := place{outer: outer, ctes: with}
	lim, err := b.limits(q)
	if err != nil {
		return nil, nil, err
	}
	var n plan.Node
	if s, ok := q.Body.(*sql.Select); ok {
		n, err = b.selectBlock(s, order{q.OrderBy, lim, root}, at)
	} else {
		if n, err = b.body(q.Body, at); err == nil {
			n, err = b.orderOutput(n, order{q.OrderBy, lim, root}, at)
		}
	}
	if err != nil {
		return nil, nil, err
	}
	return n, plan.Names(n), nil
}

// order is the ORDER BY and LIMIT of a query.
type order struct {
	items []sql.OrderItem
	limits
	root bool
}

// needed reports whether the order decides anything.
func (o order) needed() bool { return o.limit >= 0 || o.offset > 0 || o.root && len(o.items) > 0 }

// limits are LIMIT (-1: none) and OFFSET.
type limits struct{ limit, offset int64 }

func (b *binder) limits(q *sql.Query) (limits, error) {
	out := limits{limit: -1}
	var err error
	if q.Limit != nil {
		if out.limit, err = b.count(q.Limit, "LIMIT"); err != nil {
			return out, err
		}
	}
	if q.Offset != nil {
		out.offset, err = b.count(q.Offset, "OFFSET")
	}
	return out, err
}

// count is a constant number of rows.
func (b *binder) count(e sql.Expr, what string) (int64, error) {
	x := &exprBinder{b: b, scope: &scope{}, clause: what}
	v, err := x.bind(e)
	if err != nil {
		return 0, err
	}
	l, err := expr.Const(v, nil)
	if err == nil && l.T.IsInteger() {
		if n, ok := l.Value.(int64); ok && n >= 0 {
			return n, nil
		}
	}
	return 0, b.fail(e.Pos(), ErrQuery, "%s needs a constant whole number of rows", what)
}

func (b *binder) body(body sql.QueryBody, at place) (plan.Node, error) {
	switch q := body.(type) {
	case *sql.Select:
		return b.selectBlock(q, order{limits: limits{limit: -1}}, at)
	case *sql.Query:
		n, _, err := b.query(q, at.outer, at.ctes, false)
		return n, err
	case *sql.Values:
		return b.values(q, at)
	case *sql.SetOp:
		return b.setOp(q, at)
	}
	return nil, b.fail(body.Pos(), ErrQuery, "this query is not supported")
}

// orderOutput sorts by output columns: names, positions or expressions over them.
func (b *binder) orderOutput(n plan.Node, o order, at place) (plan.Node, error) {
	if !o.needed() {
		return n, nil
	}
	x := &exprBinder{b: b, scope: newScope(at.outer, "", n.Columns()), ctes: at.ctes, clause: "ORDER BY"}
	var keys []plan.SortKey
	for _, it := range o.items {
		i, isOrdinal, err := b.ordinal(it.Expr, len(n.Columns()))
		if err != nil {
			return nil, err
		}
		var e expr.Expr
		if isOrdinal {
			e = plan.Col(n, i)
		} else if e, err = x.bind(it.Expr); err != nil {
			return nil, err
		}
		key, err := b.sortKey(it, e)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return &plan.Sort{Input: n, Keys: keys, Limit: o.limit, Offset: o.offset}, nil
}

// ordinal is the column that ORDER BY 2 names.
func (b *binder) ordinal(e sql.Expr, columns int) (int, bool, error) {
	l, ok := e.(*sql.Literal)
	if !ok || l.Kind != sql.LitNumber {
		return 0, false, nil
	}
	v, err := b.number(l)
	if err != nil {
		return 0, false, err
	}
	n, ok := v.Value.(int64)
	if !ok || n < 1 || n > int64(columns) {
		return 0, false, b.fail(l.At, ErrQuery, "ORDER BY %s names no column: the query has %d", l.Text, columns)
	}
	return int(n - 1), true, nil
}

// sortKey places NULLs as Flink does: they are smaller than every value.
func (b *binder) sortKey(it sql.OrderItem, e expr.Expr) (plan.SortKey, error) {
	switch e.Type().Kind {
	case schema.Map, schema.Multiset, schema.Variant, schema.Blob:
		return plan.SortKey{}, b.fail(it.Expr.Pos(), ErrType, "%s has no order", e.Type().WithNotNull(false))
	}
	first := !it.Desc
	switch it.Nulls {
	case sql.NullsFirst:
		first = true
	case sql.NullsLast:
		first = false
	}
	return plan.SortKey{Expr: e, Desc: it.Desc, NullsFirst: first}, nil
}

func (b *binder) values(v *sql.Values, at place) (plan.Node, error) {
	x := &exprBinder{b: b, scope: &scope{outer: at.outer}, ctes: at.ctes, clause: "VALUES"}
	width := len(v.Rows[0])
	out := &plan.Values{Cols: make([]plan.Column, width)}
	for i, r := range v.Rows {
		if len(r) != width {
			return nil, b.fail(r[0].Pos(), ErrQuery, "row %d of VALUES has %d values, the first has %d", i+1, len(r), width)
		}
		row, err := x.list(r)
		if err != nil {
			return nil, err
		}
		for k, e := range row {
			row[k] = expr.Fold(e)
		}
		out.Rows = append(out.Rows, row)
	}
	types := make([]schema.Type, len(out.Rows))
	for c := range width {
		for i, r := range out.Rows {
			types[i] = r[c].Type()
		}
		t, ok := expr.CommonType(types...)
		if !ok {
			return nil, b.fail(v.Rows[0][c].Pos(), ErrType, "column %d of VALUES has no type common to all rows", c+1)
		}
		t = storable(t)
		for _, r := range out.Rows {
			r[c] = expr.Fold(expr.CastTo(r[c], t))
		}
		out.Cols[c] = plan.Column{Name: sqlName(c), Type: t}
	}
	return out, nil
}

func (b *binder) setOp(q *sql.SetOp, at place) (plan.Node, error) {
	kinds := map[sql.SetOpKind]plan.SetKind{sql.Union: plan.Union, sql.Intersect: plan.Intersect, sql.Except: plan.Except}
	// A chain of UNION ALL is one node: flatten the left side, which is as deep as the chain is long.
	parts := []sql.QueryBody{q.Right}
	left := q.Left
	for q.Op == sql.Union && q.All {
		l, ok := left.(*sql.SetOp)
		if !ok || l.Op != sql.Union || !l.All {
			break
		}
		parts = append(parts, l.Right)
		left = l.Left
	}
	parts = append(parts, left)
	inputs := make([]plan.Node, len(parts))
	for i := range parts {
		var err error
		if inputs[i], err = b.body(parts[len(parts)-1-i], at); err != nil {
			return nil, err
		}
	}
	if err := b.unifyInputs(q, inputs); err != nil {
		return nil, err
	}
	return &plan.SetOp{Kind: kinds[q.Op], All: q.All, Input: inputs}, nil
}

// unifyInputs casts the columns of all inputs to their common types.
func (b *binder) unifyInputs(q *sql.SetOp, inputs []plan.Node) error {
	width := len(inputs[0].Columns())
	common := make([]schema.Type, width)
	for i, in := range inputs {
		if n := len(in.Columns()); n != width {
			return b.fail(q.At, ErrQuery, "the queries of %s have %d and %d columns", q.Op, width, n)
		}
		for c, col := range in.Columns() {
			if i == 0 {
				common[c] = col.Type
				continue
			}
			t, ok := expr.CommonType(common[c], col.Type)
			if !ok {
				return b.failHint(q.At, ErrType, "CAST one of them", "column %d of %s is %s in one query and %s in another", c+1, q.Op, common[c].WithNotNull(false), col.Type.WithNotNull(false))
			}
			common[c] = t
		}
	}
	for i, in := range inputs {
		inputs[i] = castColumns(in, common)
	}
	return nil
}

// castColumns projects a node to the given types, where any differs.
func castColumns(n plan.Node, types []schema.Type) plan.Node {
	exprs := plan.Cols(n)
	changed := false
	for i, e := range exprs {
		exprs[i] = expr.CastTo(e, types[i])
		changed = changed || exprs[i] != e
	}
	if !changed {
		return n
	}
	return &plan.Project{Input: n, Exprs: exprs, Names: plan.Names(n)}
}
