package bind

import (
	"strconv"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/sql"
)

// pulled is a node whose references to the query around it are gone: its first columns
// are those of the node it was made from, preds are over its columns and outerRefs.
type pulled struct {
	node  plan.Node
	preds []expr.Expr
}

func isOuter(e expr.Expr) bool {
	found := false
	plan.WalkExpr(e, func(x expr.Expr) {
		switch x.(type) {
		case *outerRef, markKey:
			found = true
		}
	})
	return found
}

func correlated(n plan.Node) bool {
	found := false
	plan.Walk(n, func(n plan.Node) { found = found || ownOuter(n) })
	return found
}

func ownOuter(n plan.Node) bool {
	for _, e := range plan.Exprs(n) {
		if isOuter(e) {
			return true
		}
	}
	return false
}

// pull takes the correlated conditions out of a subquery, so that it can be joined.
func (b *binder) pull(at sql.Pos, n plan.Node) (pulled, error) {
	if !correlated(n) {
		return pulled{node: n}, nil
	}
	switch n := n.(type) {
	case *plan.Filter:
		return b.pullFilter(at, n)
	case *plan.Project:
		return b.pullProject(at, n)
	case *plan.Aggregate:
		return b.pullAggregate(at, n)
	case *plan.Join:
		return b.pullJoin(at, n)
	case *plan.Sort:
		return b.pullSort(at, n)
	case *plan.TopN, *plan.Over:
		return b.pullPartitioned(at, n)
	case *plan.Window, *plan.Unnest:
		if ownOuter(n) {
			break
		}
		in := n.Inputs()[0]
		p, err := b.pull(at, in)
		if err != nil {
			return p, err
		}
		return reorder(plan.WithInputs(n, []plan.Node{p.node}), len(in.Columns()), p), nil
	}
	return pulled{}, b.refuse(at)
}

func (b *binder) refuse(at sql.Pos) error {
	return b.failHint(at, ErrQuery, "write it as a join, or refer to the outer query in = conditions of its WHERE only",
		"the subquery refers to the query around it in a place that is not supported")
}

func (b *binder) pullFilter(at sql.Pos, n *plan.Filter) (pulled, error) {
	p, err := b.pull(at, n.Input)
	if err != nil {
		return p, err
	}
	var keep []expr.Expr
	for _, c := range plan.Conjuncts(n.Pred) {
		if isOuter(c) {
			p.preds = append(p.preds, c)
		} else {
			keep = append(keep, c)
		}
	}
	if k := plan.And(keep...); k != nil {
		p.node = &plan.Filter{Input: p.node, Pred: k}
	}
	return p, nil
}

func (b *binder) pullProject(at sql.Pos, n *plan.Project) (pulled, error) {
	if ownOuter(n) {
		return pulled{}, b.refuse(at)
	}
	p, err := b.pull(at, n.Input)
	if err != nil {
		return p, err
	}
	exprs, names := append([]expr.Expr(nil), n.Exprs...), append([]string(nil), n.Names...)
	place := map[int]int{}
	preds := mapPreds(p.preds, func(c *expr.Column) expr.Expr {
		i, ok := place[c.Index]
		if !ok {
			i = len(exprs)
			place[c.Index] = i
			exprs, names = append(exprs, c), append(names, c.Name)
		}
		return &expr.Column{Index: i, Name: c.Name, T: c.T}
	})
	return pulled{node: &plan.Project{Input: p.node, Exprs: exprs, Names: names}, preds: preds}, nil
}

func mapPreds(preds []expr.Expr, fn func(*expr.Column) expr.Expr) []expr.Expr {
	out := make([]expr.Expr, len(preds))
	for i, p := range preds {
		out[i] = plan.MapColumns(p, fn)
	}
	return out
}

// equalities splits preds into pairs inner = outer; anything else is refused.
func (b *binder) equalities(at sql.Pos, preds []expr.Expr) (inner, outer []expr.Expr, err error) {
	for _, p := range preds {
		c, ok := p.(*expr.Call)
		if !ok || c.Fn != "=" {
			return nil, nil, b.refuse(at)
		}
		l, r := c.Args[0], c.Args[1]
		if isOuter(l) {
			l, r = r, l
		}
		cols := map[int]bool{}
		plan.UsedColumns(r, cols)
		if isOuter(l) || !isOuter(r) || len(cols) > 0 {
			return nil, nil, b.refuse(at)
		}
		inner, outer = append(inner, l), append(outer, r)
	}
	return inner, outer, nil
}

// pullAggregate groups by the correlated columns too.
func (b *binder) pullAggregate(at sql.Pos, n *plan.Aggregate) (pulled, error) {
	if ownOuter(n) || n.Sets != nil {
		return pulled{}, b.refuse(at)
	}
	p, err := b.pull(at, n.Input)
	if err != nil {
		return p, err
	}
	inner, outer, err := b.equalities(at, p.preds)
	if err != nil {
		return p, err
	}
	a := *n
	a.Input = p.node
	groups, k := len(n.GroupBy), len(inner)
	a.GroupBy = append(append([]expr.Expr(nil), n.GroupBy...), inner...)
	a.Names = append([]string(nil), n.Names...)
	for i := range inner {
		a.Names = append(a.Names, "$outer"+strconv.Itoa(i))
	}
	// Groups, aggregates, then the added groups, so that the first columns stay in place.
	var order []int
	for i := range groups {
		order = append(order, i)
	}
	for i := range n.Aggs {
		order = append(order, groups+k+i)
	}
	out := pulled{}
	for i := range inner {
		at := len(order)
		order = append(order, groups+i)
		col := &expr.Column{Index: at, Name: a.Names[groups+i], T: inner[i].Type()}
		eq, err := expr.Apply("=", col, outer[i])
		if err != nil {
			return p, err
		}
		out.preds = append(out.preds, eq)
	}
	out.node = pick(&a, order)
	return out, nil
}

// pick projects columns of a node.
func pick(n plan.Node, order []int) plan.Node {
	p := &plan.Project{Input: n}
	cols := n.Columns()
	for _, i := range order {
		p.Exprs = append(p.Exprs, &expr.Column{Index: i, Name: cols[i].Name, T: cols[i].Type})
		p.Names = append(p.Names, cols[i].Name)
	}
	return p
}

// pullJoin takes conditions from both sides of an inner join, from the left of others.
func (b *binder) pullJoin(at sql.Pos, n *plan.Join) (pulled, error) {
	for _, e := range append(append([]expr.Expr(nil), n.LeftKeys...), n.RightKeys...) {
		if isOuter(e) {
			return pulled{}, b.refuse(at)
		}
	}
	if n.Kind != plan.Inner && (isOuter(n.Residual) || correlated(n.Right)) || n.Kind == plan.Right || n.Kind == plan.Full {
		return pulled{}, b.refuse(at)
	}
	l, err := b.pull(at, n.Left)
	if err != nil {
		return l, err
	}
	r, err := b.pull(at, n.Right)
	if err != nil {
		return r, err
	}
	nl, nr := len(n.Left.Columns()), len(n.Right.Columns())
	wl, wr := len(l.node.Columns()), len(r.node.Columns())
	j := *n
	j.Left, j.Right = l.node, r.node
	var keep, out []expr.Expr
	for _, c := range plan.Conjuncts(n.Residual) {
		c = plan.MapColumns(c, func(c *expr.Column) expr.Expr {
			if c.Index < nl {
				return c
			}
			return &expr.Column{Index: c.Index - nl + wl, Name: c.Name, T: c.T}
		})
		if isOuter(c) {
			out = append(out, c)
		} else {
			keep = append(keep, c)
		}
	}
	j.Residual = plan.And(keep...)
	out = append(out, l.preds...)
	if n.Kind >= plan.Semi {
		return pulled{node: &j, preds: out}, nil
	}
	for _, p := range r.preds {
		out = append(out, plan.Shift(p, wl))
	}
	order, place := []int{}, make([]int, wl+wr)
	for _, span := range [][2]int{{0, nl}, {wl, wl + nr}, {nl, wl}, {wl + nr, wl + wr}} {
		for i := span[0]; i < span[1]; i++ {
			place[i] = len(order)
			order = append(order, i)
		}
	}
	preds := mapPreds(out, func(c *expr.Column) expr.Expr {
		return &expr.Column{Index: place[c.Index], Name: c.Name, T: c.T}
	})
	return pulled{node: pick(&j, order), preds: preds}, nil
}

// pullSort drops an order that decides nothing; LIMIT becomes one per correlation value.
func (b *binder) pullSort(at sql.Pos, n *plan.Sort) (pulled, error) {
	p, err := b.pull(at, n.Input)
	if err != nil || n.Limit < 0 && n.Offset == 0 {
		return p, err
	}
	inner, _, err := b.equalities(at, p.preds)
	if err != nil || n.Limit < 0 {
		return p, b.refuse(at)
	}
	p.node = &plan.TopN{Input: p.node, PartitionBy: inner, OrderBy: n.Keys, Limit: n.Limit, Offset: n.Offset}
	return p, nil
}

// pullPartitioned adds the correlated columns to the partitions of a TopN or Over.
func (b *binder) pullPartitioned(at sql.Pos, n plan.Node) (pulled, error) {
	in := n.Inputs()[0]
	if ownOuter(n) {
		return pulled{}, b.refuse(at)
	}
	p, err := b.pull(at, in)
	if err != nil {
		return p, err
	}
	inner, _, err := b.equalities(at, p.preds)
	if err != nil {
		return p, err
	}
	var out plan.Node
	switch n := n.(type) {
	case *plan.TopN:
		c := *n
		c.Input, c.PartitionBy = p.node, append(append([]expr.Expr(nil), n.PartitionBy...), inner...)
		out = &c
	case *plan.Over:
		c := *n
		c.Input, c.PartitionBy = p.node, append(append([]expr.Expr(nil), n.PartitionBy...), inner...)
		out = &c
	}
	return reorder(out, len(in.Columns()), p), nil
}

// reorder puts the columns that pulling added to the input (from width on) behind those
// the node itself appends.
func reorder(n plan.Node, width int, p pulled) pulled {
	added := len(p.node.Columns()) - width
	total := len(n.Columns())
	var order []int
	for i := range width {
		order = append(order, i)
	}
	for i := width + added; i < total; i++ {
		order = append(order, i)
	}
	own := total - width - added
	for i := width; i < width+added; i++ {
		order = append(order, i)
	}
	preds := mapPreds(p.preds, func(c *expr.Column) expr.Expr {
		if c.Index < width {
			return c
		}
		return &expr.Column{Index: c.Index + own, Name: c.Name, T: c.T}
	})
	if added == 0 {
		return pulled{node: n, preds: preds}
	}
	return pulled{node: pick(n, order), preds: preds}
}

// lateralQuery joins LATERAL (query) on the conditions it was correlated by.
func (b *binder) lateralQuery(j *sql.Join, d *sql.Derived, left side, at place) (plan.Node, *scope, error) {
	n, _, err := b.query(d.Query, left.scope, at.ctes, false)
	if err != nil {
		return nil, nil, err
	}
	width := len(n.Columns())
	p, err := b.pull(d.At, n)
	if err != nil {
		return nil, nil, err
	}
	_, rs, err := b.aliased(&plan.Values{Cols: n.Columns()}, d.Alias, "", at)
	if err != nil {
		return nil, nil, err
	}
	s := left.scope.join(rs, len(left.node.Columns()))
	var cond expr.Expr
	x := &exprBinder{b: b, scope: s, ctes: at.ctes, node: &left.node, clause: "ON"}
	if j.On != nil {
		on := &exprBinder{b: b, scope: s, ctes: at.ctes, clause: "ON"}
		if cond, err = on.condition(j.On, "the ON condition"); err != nil {
			return nil, nil, err
		}
	}
	kind := joinKinds[j.Kind]
	if kind == plan.Left && emptyValue(n) != nil {
		return nil, nil, b.failHint(d.At, ErrQuery, "use a scalar subquery", "LEFT JOIN LATERAL over a COUNT without GROUP BY is not supported")
	}
	if kind == plan.Inner && uniquePerKey(n) && len(p.preds) > 0 {
		return nil, nil, b.failHint(d.At, ErrQuery, "use a scalar subquery, or add GROUP BY", "LATERAL over an aggregate without GROUP BY is not supported")
	}
	if err := x.joinSub(d.At, kind, &subquery{node: p.node, width: width, preds: p.preds}, cond); err != nil {
		return nil, nil, err
	}
	out := left.node
	if added := len(p.node.Columns()) - width; added > 0 {
		order := make([]int, len(out.Columns())-added)
		for i := range order {
			order[i] = i
		}
		out = pick(out, order)
	}
	s.retype(out.Columns())
	return out, s, nil
}
