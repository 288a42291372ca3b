package bind

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/sql"
	"github.com/weir-lake/weir/table/schema"
)

// maxGroupingSets bounds ROLLUP and CUBE: each set is one more pass over the groups.
const maxGroupingSets = 64

// grouping is the GROUP BY of a block while it is bound.
type grouping struct {
	sb    *selectBinder
	keys  []expr.Expr // over the input
	names []string
	texts map[string]int  // key text -> index
	roots map[string]bool // of the keys, see rootOf
	sets  [][]int
	aggs  []plan.AggCall
	calls map[*sql.Call]int // aggregate -> index in aggs
	gid   int               // index in aggs of GROUPING_ID, or -1
	wins  *groupWindow
}

// group adds the Aggregate, if the block has one, and sets out.
func (sb *selectBinder) group() error {
	var calls []*sql.Call
	usesGrouping := false
	for _, e := range sb.outputs() {
		sql.Walk(e, func(e sql.Expr) bool {
			c, ok := e.(*sql.Call)
			if !ok {
				return true
			}
			name := strings.ToUpper(c.Name.Last())
			usesGrouping = usesGrouping || groupFns[name]
			if c.Over != nil || len(c.Name) > 1 || !expr.IsAggregate(name) || expr.IsWindowOnly(name) {
				return true
			}
			calls = append(calls, c)
			return false
		})
	}
	if sb.s.GroupBy == nil && len(calls) == 0 && sb.s.Having == nil {
		sb.out = sb.in
		return nil
	}
	g := &grouping{sb: sb, texts: map[string]int{}, roots: map[string]bool{}, calls: map[*sql.Call]int{}, gid: -1}
	if err := g.bindKeys(); err != nil {
		return err
	}
	for _, c := range calls {
		if err := g.bindCall(c); err != nil {
			return err
		}
	}
	if usesGrouping {
		g.gid = len(g.aggs)
		g.aggs = append(g.aggs, plan.AggCall{Fn: "GROUPING_ID", T: schema.TBigInt.WithNotNull(true), Name: "GROUPING_ID"})
	}
	n := &plan.Aggregate{Input: sb.node, GroupBy: g.keys, Names: g.names, Aggs: g.aggs, Sets: g.sets, WindowEnd: -1}
	n.WindowEnd = plan.WindowEndKey(n)
	sb.node = n
	out := *sb.in
	out.replace, out.mapOuter = g.replace, g.mapColumn
	sb.out = &out
	return nil
}

func (g *grouping) bindKeys() error {
	x := g.sb.in
	x.clause = "GROUP BY"
	if g.sb.s.GroupBy == nil {
		return nil
	}
	if err := g.groupWindows(); err != nil {
		return err
	}
	sets := [][]int{{}}
	explicit := false
	for _, it := range g.sb.s.GroupBy.Items {
		explicit = explicit || it.Kind != sql.GroupExpr
		next, err := g.itemSets(it)
		if err != nil {
			return err
		}
		sets = crossSets(sets, next)
		if len(sets) > maxGroupingSets {
			return g.sb.b.fail(g.sb.s.GroupBy.At, ErrQuery, "GROUP BY has more than %d grouping sets", maxGroupingSets)
		}
	}
	if explicit && !(len(sets) == 1 && len(sets[0]) == len(g.keys)) {
		g.sets = sets
	}
	return nil
}

// itemSets are the grouping sets that one item of GROUP BY stands for.
func (g *grouping) itemSets(it sql.GroupItem) ([][]int, error) {
	switch it.Kind {
	case sql.GroupExpr, sql.GroupTuple:
		set := []int{}
		for _, e := range it.Exprs {
			if g.wins != nil && e == sql.Expr(g.wins.call) {
				set = append(set, g.wins.keys...)
				continue
			}
			i, err := g.key(e)
			if err != nil {
				return nil, err
			}
			set = append(set, i)
		}
		return [][]int{set}, nil
	}
	var subs [][][]int
	for _, sub := range it.Items {
		s, err := g.itemSets(sub)
		if err != nil {
			return nil, err
		}
		subs = append(subs, s)
	}
	switch it.Kind {
	case sql.GroupSets:
		return slices.Concat(subs...), nil
	case sql.GroupRollup:
		out := [][]int{{}}
		for i := range subs {
			prefix := [][]int{{}}
			for _, s := range subs[:i+1] {
				prefix = crossSets(prefix, s)
			}
			out = append(prefix, out...)
		}
		return out, nil
	default: // CUBE
		if len(subs) > bits.Len(maxGroupingSets) {
			return nil, g.sb.b.fail(g.sb.s.GroupBy.At, ErrQuery, "CUBE of %d columns has more than %d grouping sets", len(subs), maxGroupingSets)
		}
		var out [][]int
		for mask := 1<<len(subs) - 1; mask >= 0; mask-- {
			set := [][]int{{}}
			for i, s := range subs {
				if mask>>(len(subs)-1-i)&1 == 1 {
					set = crossSets(set, s)
				}
			}
			out = append(out, set...)
		}
		return out, nil
	}
}

// crossSets joins every set of one list with every set of the other.
func crossSets(a, b [][]int) [][]int {
	var out [][]int
	for _, x := range a {
		for _, y := range b {
			set := slices.Concat(x, y)
			slices.Sort(set)
			out = append(out, slices.Compact(set))
		}
	}
	return out
}

// key binds a group expression once.
func (g *grouping) key(e sql.Expr) (int, error) {
	bound, err := g.sb.in.bind(e)
	if err != nil {
		return 0, err
	}
	switch bound.Type().Kind {
	case schema.Map, schema.Multiset, schema.Variant, schema.Blob:
		return 0, g.sb.b.fail(e.Pos(), ErrType, "cannot group by %s", bound.Type().WithNotNull(false))
	}
	text := bound.String()
	if i, ok := g.texts[text]; ok {
		return i, nil
	}
	i := len(g.keys)
	g.texts[text] = i
	g.keys = append(g.keys, bound)
	g.roots[rootOf(e)] = true
	name := fmt.Sprintf("$key%d", i)
	if c, ok := bound.(*expr.Column); ok {
		name = c.Name
	}
	g.names = append(g.names, name)
	return i, nil
}

// bindCall types one aggregate over the input.
func (g *grouping) bindCall(c *sql.Call) error {
	a, err := g.sb.in.aggregate(c)
	if err != nil {
		return err
	}
	for i, o := range g.aggs {
		if aggText(o) == aggText(a) {
			g.calls[c] = i
			return nil
		}
	}
	g.calls[c] = len(g.aggs)
	a.Name = fmt.Sprintf("%s$%d", strings.ToLower(a.Fn), len(g.aggs))
	g.aggs = append(g.aggs, a)
	return nil
}

// aggText tells equal aggregates.
func aggText(a plan.AggCall) string {
	a.Name = ""
	return a.String()
}

// aggregate binds an aggregate call's arguments, filter and order.
func (x *exprBinder) aggregate(c *sql.Call) (plan.AggCall, error) {
	name := strings.ToUpper(c.Name.Last())
	at := c.Name.Pos()
	clause := x.clause
	x.clause = "the arguments of an aggregate"
	defer func() { x.clause = clause }()
	if c.Star && name != "COUNT" {
		return plan.AggCall{}, x.b.fail(at, ErrQuery, "%s(*) is not allowed; only COUNT(*) is", name)
	}
	if c.IgnoreNulls {
		return plan.AggCall{}, x.b.fail(at, ErrQuery, "IGNORE NULLS is not supported")
	}
	var args []expr.Expr
	types := []schema.Type{}
	for _, a := range c.Args {
		if a.Name != nil {
			return plan.AggCall{}, x.b.fail(a.Name.At, ErrQuery, "%s takes no named arguments", name)
		}
		e, err := x.bind(a.Value)
		if err != nil {
			return plan.AggCall{}, err
		}
		args, types = append(args, e), append(types, e.Type())
	}
	r, err := expr.LookupAgg(name, types, c.Distinct)
	if err != nil {
		return plan.AggCall{}, x.b.wrap(at, err)
	}
	for i, e := range args {
		args[i] = expr.CastTo(e, r.ArgTypes[i])
	}
	out := plan.AggCall{Fn: r.Fn, Args: args, Distinct: c.Distinct, T: r.Ret}
	if c.Filter != nil {
		if out.Filter, err = x.condition(c.Filter, "the FILTER condition"); err != nil {
			return out, err
		}
	}
	for _, it := range slices.Concat(c.OrderBy, c.WithinGroup) {
		e, err := x.bind(it.Expr)
		if err != nil {
			return out, err
		}
		k, err := x.b.sortKey(it, e)
		if err != nil {
			return out, err
		}
		out.OrderBy = append(out.OrderBy, k)
	}
	return out, nil
}

// replace gives the output column of an aggregate, a GROUPING function or a group key.
func (g *grouping) replace(e sql.Expr) (expr.Expr, bool, error) {
	if c, ok := e.(*sql.Call); ok {
		if i, ok := g.calls[c]; ok {
			a := g.aggs[i]
			return &expr.Column{Index: len(g.keys) + i, Name: a.Name, T: a.T}, true, nil
		}
		if name := strings.ToUpper(c.Name.Last()); groupFns[name] && len(c.Name) == 1 {
			out, err := g.groupingFn(name, c)
			return out, true, err
		}
	}
	if g.wins != nil {
		if col, ok := g.wins.replace(e); ok {
			out, err := g.mapColumn(e.Pos(), col)
			return out, true, err
		}
	}
	if !g.roots[rootOf(e)] || !g.mayBeKey(e) {
		return nil, false, nil
	}
	probe := &exprBinder{b: g.sb.b, scope: g.sb.scope, ctes: g.sb.in.ctes}
	bound, err := probe.bind(e)
	if err != nil {
		return nil, false, nil // the error comes again where it belongs
	}
	i, ok := g.texts[bound.String()]
	if !ok {
		return nil, false, nil
	}
	return g.column(i), true, nil
}

// rootOf names what an expression is at its root. Only expressions with the root of a
// group key are tried for being one: trying all would bind long chains again and again.
func rootOf(e sql.Expr) string {
	switch e := e.(type) {
	case *sql.Call:
		return strings.ToUpper(e.Name.Last())
	case *sql.Binary:
		return e.Op
	case *sql.Unary:
		return "unary " + e.Op
	default:
		return fmt.Sprintf("%T", e)
	}
}

// mayBeKey excludes what cannot be a group key or would be costly to try.
func (g *grouping) mayBeKey(e sql.Expr) bool {
	if len(g.keys) == 0 {
		return false
	}
	switch e.(type) {
	case *sql.Literal, *sql.Interval, *sql.Symbol, *sql.Param:
		return false
	}
	ok := true
	sql.Walk(e, func(e sql.Expr) bool {
		switch e := e.(type) {
		case *sql.Subquery, *sql.Exists, *sql.Quantified:
			ok = false
		case *sql.In:
			ok = ok && e.Query == nil
		case *sql.Call:
			ok = ok && e.Over == nil && !expr.IsAggregate(e.Name.Last())
		}
		return ok
	})
	return ok
}

func (g *grouping) column(i int) expr.Expr {
	t := g.keys[i].Type()
	if g.sets != nil {
		t.NotNull = false
	}
	return &expr.Column{Index: i, Name: g.names[i], T: t}
}

// mapColumn brings an input column to the groups; one that is no key is an error.
func (g *grouping) mapColumn(at sql.Pos, c *expr.Column) (expr.Expr, error) {
	if i, ok := g.texts[c.String()]; ok {
		return g.column(i), nil
	}
	hint := "add it to GROUP BY or put it into an aggregate such as MAX(" + sql.QuoteIdent(c.Name) + ")"
	for _, k := range g.keys {
		if l, ok := k.(*expr.Literal); ok && l.T.IsInteger() {
			hint = "GROUP BY takes no column positions: write the column's name"
		}
	}
	return nil, g.sb.b.failHint(at, ErrQuery, hint, "column '%s' is neither grouped nor aggregated", c.Name)
}

// groupingFn computes GROUPING(a, ..) from the bits of GROUPING_ID, whose highest is the first key.
func (g *grouping) groupingFn(name string, c *sql.Call) (expr.Expr, error) {
	var gid expr.Expr = &expr.Column{Index: len(g.keys) + g.gid, Name: "GROUPING_ID", T: schema.TBigInt.WithNotNull(true)}
	at := c.Name.Pos()
	if name == "GROUP_ID" {
		return constant(int64(0), schema.TBigInt), nil
	}
	if len(c.Args) == 0 {
		return nil, g.sb.b.fail(at, ErrQuery, "%s needs a group column", name)
	}
	var sum expr.Expr = constant(int64(0), schema.TBigInt)
	for _, a := range c.Args {
		bound, err := g.sb.in.bind(a.Value)
		if err != nil {
			return nil, err
		}
		i, ok := g.texts[bound.String()]
		if !ok {
			return nil, g.sb.b.fail(a.Value.Pos(), ErrQuery, "%s needs a column of GROUP BY", name)
		}
		shift := constant(int64(1)<<(len(g.keys)-1-i), schema.TBigInt)
		two := constant(int64(2), schema.TBigInt)
		bit, err := g.arith("%", []expr.Expr{gid, shift, two})
		if err != nil {
			return nil, err
		}
		twice, err := g.sb.b.apply(at, "*", sum, two)
		if err != nil {
			return nil, err
		}
		if sum, err = g.sb.b.apply(at, "+", twice, bit); err != nil {
			return nil, err
		}
	}
	return sum, nil
}

// arith is (a / b) op c.
func (g *grouping) arith(op string, v []expr.Expr) (expr.Expr, error) {
	q, err := expr.Apply("/", v[0], v[1])
	if err != nil {
		return nil, err
	}
	return expr.Apply(op, q, v[2])
}
