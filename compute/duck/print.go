package duck

import (
	"context"
	"fmt"
	"strings"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

// Print turns a bound plan into DuckDB SQL with its inputs, without running it. Every
// operator becomes one common table expression with columns c0, c1, ...
func Print(ctx context.Context, root plan.Node, r Resolver, o ExecOptions) (Query, error) {
	if s, ok := root.(*plan.Sink); ok {
		root = s.Input
	}
	p := &printer{
		ctx: ctx, resolver: r, opts: o, zoneUTC: o.Env.Zone == nil || o.Env.Zone.String() == "UTC",
		proofs: proofs(), uses: make(map[plan.Node]int), names: make(map[plan.Node]string), registered: make(map[string]bool),
	}
	p.q.Env = o.Env
	p.count(root)
	final := p.root(root)
	if p.err != nil {
		return Query{}, p.err
	}
	if len(p.ctes) > 0 {
		final = "WITH " + strings.Join(p.ctes, ",\n") + "\n" + final
	}
	p.q.SQL = final
	for i, c := range root.Columns() {
		p.q.Output = append(p.q.Output, schema.Field{ID: i, Name: c.Name, Type: c.Type})
	}
	return p.q, nil
}

// printer collects the text of one plan. The first error stays and ends the printing.
type printer struct {
	ctx        context.Context
	resolver   Resolver
	opts       ExecOptions
	zoneUTC    bool
	proofs     map[string]proof
	q          Query
	ctes       []string
	uses       map[plan.Node]int    // how often a node is somebody's input
	names      map[plan.Node]string // of nodes already printed
	registered map[string]bool      // names of Go functions in q
	err        error
}

func (p *printer) fail(err error) {
	if p.err == nil && err != nil {
		p.err = err
	}
}

func (p *printer) count(n plan.Node) {
	p.uses[n]++
	if p.uses[n] > 1 {
		return
	}
	for _, in := range n.Inputs() {
		p.count(in)
	}
}

// node prints n and what it needs and returns the name of its relation.
func (p *printer) node(n plan.Node) string {
	if name, ok := p.names[n]; ok {
		return name
	}
	body := p.body(n)
	name := p.cte(body, p.uses[n] > 1)
	p.names[n] = name
	return name
}

// cte adds a relation. One that is used twice is computed once.
func (p *printer) cte(body string, shared bool) string {
	name := fmt.Sprintf("q%d", len(p.ctes))
	how := "NOT MATERIALIZED"
	if shared {
		how = "MATERIALIZED"
	}
	p.ctes = append(p.ctes, name+" AS "+how+" ("+body+")")
	return name
}

func (p *printer) body(n plan.Node) string {
	if p.err != nil {
		return ""
	}
	switch n := n.(type) {
	case *plan.Scan:
		return p.scan(n)
	case *plan.Values:
		return p.values(n)
	case *plan.Filter:
		return fmt.Sprintf("SELECT * FROM %s WHERE %s", p.node(n.Input), p.expr(single, n.Pred))
	case *plan.ClockFilter:
		return p.clockFilter(n)
	case *plan.Project:
		return "SELECT " + p.columns(p.exprs(single, n.Exprs)) + " FROM " + p.node(n.Input)
	case *plan.Aggregate:
		return p.aggregate(n)
	case *plan.Join:
		return p.join(n)
	case *plan.SetOp:
		return p.setOp(n)
	case *plan.Window:
		return p.window(n)
	case *plan.TopN:
		return p.topN(n)
	case *plan.Over:
		return p.over(n)
	case *plan.Sort:
		in := p.node(n.Input)
		return "SELECT * FROM " + in + p.ordering(single, n)
	case *plan.Unnest:
		return p.unnest(n)
	default:
		p.fail(errkind.Errorf(errkind.Bug, "print plan: operator %T is not known", n))
		return ""
	}
}

// columns names expressions c0, c1, ... A relation has at least one column.
func (p *printer) columns(exprs []string) string {
	if len(exprs) == 0 {
		return "TRUE AS z"
	}
	out := make([]string, len(exprs))
	for i, e := range exprs {
		out[i] = fmt.Sprintf("%s AS c%d", e, i)
	}
	return strings.Join(out, ", ")
}

// list is c0 .. c(n-1) in a scope.
func list(s scope, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = s(i)
	}
	return out
}

// root prints the statement itself: projections above a sort are computed in the sorted
// statement, since an order lasts no longer than the statement it stands in.
func (p *printer) root(n plan.Node) string {
	exprs := make([]expr.Expr, len(n.Columns()))
	for i, c := range n.Columns() {
		exprs[i] = &expr.Column{Index: i, Name: c.Name, T: c.Type}
	}
	top := n
	for {
		pr, ok := top.(*plan.Project)
		if !ok {
			break
		}
		exprs = substitute(exprs, pr.Exprs)
		top = pr.Input
	}
	sort, ok := top.(*plan.Sort)
	if !ok {
		in := p.node(n)
		return "SELECT " + p.outputs(n, list(single, len(n.Columns()))) + " FROM " + in
	}
	in := p.node(sort.Input)
	s := under("s")
	return "SELECT " + p.outputs(n, p.exprs(s, exprs)) + " FROM " + in + " s" + p.ordering(s, sort)
}

// substitute replaces columns by the expressions of the projection below.
func substitute(exprs, below []expr.Expr) []expr.Expr {
	out := make([]expr.Expr, len(exprs))
	for i, e := range exprs {
		out[i] = expr.Rewrite(e, func(e expr.Expr) expr.Expr {
			if c, ok := e.(*expr.Column); ok {
				return below[c.Index]
			}
			return e
		})
	}
	return out
}

func (p *printer) outputs(n plan.Node, exprs []string) string {
	out := make([]string, len(exprs))
	for i, c := range n.Columns() {
		t, err := sqlType(c.Type)
		p.fail(err)
		out[i] = fmt.Sprintf("%s AS o%d", cast(exprs[i], t), i)
	}
	return strings.Join(out, ", ")
}

// ordering is the ORDER BY and LIMIT of a Sort; the canonical order breaks ties.
func (p *printer) ordering(s scope, n *plan.Sort) string {
	keys := append(p.sortKeys(s, n.Keys), p.canonical(s, n.Input.Columns())...)
	text := ""
	if len(keys) > 0 {
		text = " ORDER BY " + strings.Join(keys, ", ")
	}
	if n.Limit >= 0 {
		text += fmt.Sprintf(" LIMIT %d", n.Limit)
	}
	if n.Offset > 0 {
		text += fmt.Sprintf(" OFFSET %d", n.Offset)
	}
	return text
}

func (p *printer) sortKeys(s scope, keys []plan.SortKey) []string {
	out := make([]string, len(keys))
	for i, k := range keys {
		dir, nulls := "ASC", "LAST"
		if k.Desc {
			dir = "DESC"
		}
		if k.NullsFirst {
			nulls = "FIRST"
		}
		// Parentheses keep a constant from being read as a column number.
		out[i] = fmt.Sprintf("(%s) %s NULLS %s", p.expr(s, k.Expr), dir, nulls)
	}
	return out
}

// canonical is the order of rows that decides where the statement does not: columns
// left to right, NULL first, strings by bytes.
func (p *printer) canonical(s scope, cols []plan.Column) []string {
	out := make([]string, len(cols))
	for i := range cols {
		out[i] = s(i) + " ASC NULLS FIRST"
	}
	return out
}
