package bind

import (
	"errors"
	"strconv"
	"strings"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/sql"
)

// selectBinder binds one SELECT block. node grows from the input of FROM to the
// projection; expressions are bound over it by in (before grouping) and out (after).
type selectBinder struct {
	b     *binder
	s     *sql.Select
	order order
	scope *scope
	node  plan.Node
	in    *exprBinder // over FROM
	out   *exprBinder // over the groups and window functions, for SELECT, HAVING, ORDER BY
}

func sqlName(pos int) string { return "EXPR$" + strconv.Itoa(pos) }

func (b *binder) selectBlock(s *sql.Select, o order, at place) (plan.Node, error) {
	sb := &selectBinder{b: b, s: s, order: o}
	if s.From == nil {
		sb.node, sb.scope = &plan.Values{Rows: [][]expr.Expr{{}}}, &scope{outer: at.outer}
	} else {
		var err error
		if sb.node, sb.scope, err = b.from(s.From, at); err != nil {
			return nil, err
		}
	}
	sb.in = &exprBinder{b: b, scope: sb.scope, ctes: at.ctes, node: &sb.node, clause: "this clause"}
	if s.Where != nil {
		sb.in.clause = "WHERE"
		if err := sb.in.filter(s.Where, "the WHERE condition"); err != nil {
			return nil, sb.aliasHint(err, "WHERE")
		}
	}
	if err := sb.group(); err != nil {
		return nil, sb.aliasHint(err, "GROUP BY")
	}
	if s.Having != nil {
		sb.out.clause = "HAVING"
		if err := sb.out.filter(s.Having, "the HAVING condition"); err != nil {
			return nil, sb.aliasHint(err, "HAVING")
		}
	}
	if err := sb.overs(); err != nil {
		return nil, err
	}
	if s.Qualify != nil {
		sb.out.clause = "QUALIFY"
		if err := sb.out.filter(s.Qualify, "the QUALIFY condition"); err != nil {
			return nil, err
		}
	}
	return sb.project()
}

// aliasHint tells, where an unknown name is an alias of the select list, that Flink knows
// aliases in ORDER BY only.
func (sb *selectBinder) aliasHint(err error, clause string) error {
	var e *sql.Error
	if !errors.As(err, &e) || !errors.Is(err, ErrName) || e.At.Offset >= len(sb.b.text) {
		return err
	}
	at := strings.TrimPrefix(sb.b.text[e.At.Offset:], "`")
	for _, it := range sb.s.Items {
		if it.Alias != nil && strings.HasPrefix(at, it.Alias.Text) && it.Alias.At != e.At {
			e.Hint = clause + " cannot use the alias '" + it.Alias.Text + "' of the select list: repeat its expression or use a subquery"
		}
	}
	return err
}

// outputs are the expressions that are evaluated after grouping.
func (sb *selectBinder) outputs() []sql.Expr {
	var out []sql.Expr
	for _, it := range sb.s.Items {
		out = append(out, it.Expr)
	}
	if sb.s.Having != nil {
		out = append(out, sb.s.Having)
	}
	if sb.s.Qualify != nil {
		out = append(out, sb.s.Qualify)
	}
	for _, o := range sb.order.items {
		out = append(out, o.Expr)
	}
	return out
}

// project computes the select list, then DISTINCT, ORDER BY and LIMIT.
func (sb *selectBinder) project() (plan.Node, error) {
	sb.out.clause = "SELECT"
	var exprs []expr.Expr
	var names []string
	for i, it := range sb.s.Items {
		if star, ok := it.Expr.(*sql.Star); ok {
			es, ns, err := sb.star(star)
			if err != nil {
				return nil, err
			}
			exprs, names = append(exprs, es...), append(names, ns...)
			continue
		}
		e, err := sb.out.bind(it.Expr)
		if err != nil {
			return nil, err
		}
		name := itemName(it, i)
		if it.Alias != nil {
			name = it.Alias.Text
		}
		exprs, names = append(exprs, e), append(names, name)
	}
	if len(exprs) > maxColumns {
		return nil, sb.b.fail(sb.s.At, ErrQuery, "the query has %d columns, the limit is %d", len(exprs), maxColumns)
	}
	sb.recordStars()
	keys, hidden, err := sb.sortKeys(exprs, names)
	if err != nil {
		return nil, err
	}
	visible := len(exprs)
	for i, h := range hidden {
		exprs, names = append(exprs, h), append(names, "$order"+strconv.Itoa(i))
	}
	var n plan.Node = &plan.Project{Input: sb.node, Exprs: exprs, Names: names}
	if sb.s.Distinct {
		if len(hidden) > 0 {
			return nil, sb.b.fail(sb.order.items[0].Expr.Pos(), ErrQuery, "with DISTINCT, ORDER BY takes expressions of the select list only")
		}
		n = distinct(n)
	}
	if !sb.order.needed() {
		return n, nil
	}
	for i := range keys {
		keys[i].Expr = plan.Col(n, keys[i].Expr.(*expr.Column).Index)
	}
	n = &plan.Sort{Input: n, Keys: keys, Limit: sb.order.limit, Offset: sb.order.offset}
	if len(hidden) > 0 {
		n = &plan.Project{Input: n, Exprs: plan.Cols(n)[:visible], Names: names[:visible]}
	}
	return n, nil
}

func distinct(n plan.Node) plan.Node {
	return &plan.Aggregate{Input: n, GroupBy: plan.Cols(n), Names: plan.Names(n), WindowEnd: -1}
}

// star expands * and t.*: merged columns first, then the relations in order.
func (sb *selectBinder) star(s *sql.Star) ([]expr.Expr, []string, error) {
	var exprs []expr.Expr
	var names []string
	add := func(c *expr.Column) error {
		var e expr.Expr = c
		if sb.out.mapOuter != nil {
			var err error
			if e, err = sb.out.mapOuter(s.At, c); err != nil {
				return err
			}
		}
		exprs, names = append(exprs, e), append(names, c.Name)
		return nil
	}
	if s.Qualifier == nil {
		for _, m := range sb.scope.merged {
			if err := add(sb.scope.column(m.index)); err != nil {
				return nil, nil, err
			}
		}
	}
	matched := false
	var aliases []string
	for _, r := range sb.scope.rels {
		aliases = append(aliases, r.alias)
		if s.Qualifier != nil && !r.matches(s.Qualifier) {
			continue
		}
		matched = true
		for i, c := range r.cols {
			if s.Qualifier == nil && r.hidden != nil && r.hidden[i] {
				continue
			}
			if err := add(&expr.Column{Index: r.first + i, Name: c.Name, T: c.Type}); err != nil {
				return nil, nil, err
			}
		}
	}
	if s.Qualifier != nil && !matched {
		return nil, nil, sb.b.failHint(s.At, ErrName, didYouMean(s.Qualifier.Last(), aliases), "there is no table or alias '%s' in this query", s.Qualifier)
	}
	if len(exprs) == 0 {
		return nil, nil, sb.b.fail(s.At, ErrQuery, "* has no columns here: there is no FROM")
	}
	return exprs, names, nil
}

// sortKeys resolves ORDER BY to columns of the projection: an alias, a position, an
// expression of the select list, or a hidden column for any other expression.
func (sb *selectBinder) sortKeys(exprs []expr.Expr, names []string) (keys []plan.SortKey, hidden []expr.Expr, err error) {
	if !sb.order.needed() {
		return nil, nil, nil
	}
	sb.out.clause = "ORDER BY"
	for _, it := range sb.order.items {
		at, err := sb.sortColumn(it.Expr, exprs, names)
		if err != nil {
			return nil, nil, err
		}
		var e expr.Expr
		if at >= 0 {
			e = exprs[at]
		} else {
			if e, err = sb.out.bind(it.Expr); err != nil {
				return nil, nil, err
			}
			if at = sameExpr(e, exprs); at < 0 {
				at = len(exprs) + len(hidden)
				hidden = append(hidden, e)
			}
		}
		key, err := sb.b.sortKey(it, e)
		if err != nil {
			return nil, nil, err
		}
		key.Expr = &expr.Column{Index: at, T: e.Type()}
		keys = append(keys, key)
	}
	return keys, hidden, nil
}

// sortColumn is the output column that a position or an alias names; -1 for none.
func (sb *selectBinder) sortColumn(e sql.Expr, exprs []expr.Expr, names []string) (int, error) {
	i, ok, err := sb.b.ordinal(e, len(exprs))
	if ok || err != nil {
		return i, err
	}
	c, ok := e.(*sql.ColumnRef)
	if !ok || len(c.Name) != 1 {
		return -1, nil
	}
	found := -1
	for i, n := range names {
		if n != c.Name[0].Text {
			continue
		}
		if found >= 0 && exprs[found].String() != exprs[i].String() {
			return 0, sb.b.fail(c.Pos(), ErrName, "column '%s' of ORDER BY is ambiguous: the select list has it twice", n)
		}
		found = i
	}
	return found, nil
}

func sameExpr(e expr.Expr, list []expr.Expr) int {
	text := e.String()
	for i, o := range list {
		if o.String() == text && o.Type().Equal(e.Type()) {
			return i
		}
	}
	return -1
}
