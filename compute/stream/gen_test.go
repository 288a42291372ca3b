package stream

import (
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/table/schema"
)

// generator draws random plans over two or more sources of random rows.
type generator struct {
	t     *rapid.T
	scans []*plan.Scan

	noEmptySet bool
}

func (g *generator) pick(n int, what string) int { return rapid.IntRange(0, n-1).Draw(g.t, what) }
func (g *generator) flip(what string) bool       { return rapid.Bool().Draw(g.t, what) }

func (g *generator) scan() plan.Node {
	s := scanOf(fmt.Sprintf("t%d", len(g.scans)), bigint("k"), bigint("v"), text("s"), stamp("ts"), double("x"))
	g.scans = append(g.scans, s)
	return s
}

// columnsOf lists the columns of a kind.
func columnsOf(n plan.Node, kind schema.Kind) []int {
	var out []int
	for i, c := range n.Columns() {
		if c.Type.Kind == kind {
			out = append(out, i)
		}
	}
	return out
}

func (g *generator) column(n plan.Node, kind schema.Kind) (expr.Expr, bool) {
	cols := columnsOf(n, kind)
	if len(cols) == 0 {
		return nil, false
	}
	return colRef(n, cols[g.pick(len(cols), "column")]), true
}

func (g *generator) anyColumn(n plan.Node) expr.Expr {
	return colRef(n, g.pick(len(n.Columns()), "any column"))
}

func (g *generator) number(n plan.Node) expr.Expr {
	e, ok := g.column(n, schema.BigInt)
	if !ok {
		return intLit(1)
	}
	if g.flip("plus") {
		return callOf("+", schema.TBigInt, e, intLit(int64(g.pick(3, "added"))))
	}
	return e
}

func (g *generator) condition(n plan.Node) expr.Expr {
	op := []string{"=", "<"}[g.pick(2, "operator")]
	return callOf(op, schema.TBoolean, g.number(n), intLit(int64(g.pick(4, "constant"))))
}

// narrow keeps five columns at most, so that plans do not grow without end.
func (g *generator) narrow(n plan.Node) plan.Node {
	cols := n.Columns()
	if len(cols) <= 5 {
		return n
	}
	p := &plan.Project{Input: n}
	at := map[int]bool{}
	for _, kind := range []schema.Kind{schema.BigInt, schema.BigInt, schema.VarChar, schema.Timestamp, schema.Double} {
		of := slices.DeleteFunc(columnsOf(n, kind), func(c int) bool { return at[c] })
		if len(of) == 0 {
			continue
		}
		c := of[g.pick(len(of), "kept")]
		at[c] = true
		p.Exprs = append(p.Exprs, colRef(n, c))
		p.Names = append(p.Names, fmt.Sprintf("c%d", len(p.Names)))
	}
	return p
}

func (g *generator) node(depth int) plan.Node {
	if depth == 0 {
		return g.scan()
	}
	in := g.narrow(g.node(depth - 1))
	switch g.pick(11, "operator") {
	case 0:
		return &plan.Filter{Input: in, Pred: g.condition(in)}
	case 1:
		return &plan.Project{Input: in, Exprs: []expr.Expr{g.number(in), g.anyColumn(in)}, Names: []string{"a", "b"}}
	case 2, 3:
		return g.aggregate(in)
	case 4, 5:
		return g.join(in, g.narrow(g.node(depth-1)))
	case 6:
		return g.setOp(in)
	case 7:
		return g.window(in)
	case 8:
		return g.topN(in)
	case 9:
		return g.over(in)
	default:
		return g.clockFilter(in)
	}
}

func (g *generator) aggregate(in plan.Node) plan.Node {
	a := &plan.Aggregate{Input: in, WindowEnd: -1}
	for i := range g.pick(3, "groups") {
		a.GroupBy = append(a.GroupBy, g.anyColumn(in))
		a.Names = append(a.Names, fmt.Sprintf("g%d", i))
	}
	same := len(a.GroupBy) == 2 && a.GroupBy[0].String() == a.GroupBy[1].String() // SQL sets name a column once
	if len(a.GroupBy) > 0 && !same && g.flip("sets") {
		a.Sets = [][]int{{0}}
		if !g.noEmptySet {
			a.Sets = append(a.Sets, []int{})
		}
		if len(a.GroupBy) > 1 {
			a.Sets = append(a.Sets, []int{1}, []int{0, 1})
		}
		a.Aggs = append(a.Aggs, plan.AggCall{Fn: "GROUPING_ID", T: schema.TBigInt, Name: "gid"})
	}
	for i := range 1 + g.pick(3, "aggregates") {
		call := g.aggCall(in)
		call.Name = fmt.Sprintf("a%d", i)
		a.Aggs = append(a.Aggs, call)
	}
	return a
}

func (g *generator) aggCall(in plan.Node) plan.AggCall {
	call := plan.AggCall{T: schema.TBigInt}
	switch fns := []string{"COUNT*", "COUNT", "SUM", "AVG", "MIN", "MAX", "FIRST_VALUE", "LAST_VALUE", "LISTAGG"}; fns[g.pick(len(fns), "fn")] {
	case "COUNT*":
		call.Fn = "COUNT"
	case "COUNT":
		call.Fn, call.Args = "COUNT", []expr.Expr{g.anyColumn(in)}
	case "SUM":
		call.Fn, call.Args = "SUM", []expr.Expr{g.summand(in)}
	case "AVG":
		call.Fn, call.Args = "AVG", []expr.Expr{g.summand(in)}
	case "MIN":
		call.Fn, call.Args = "MIN", []expr.Expr{g.anyColumn(in)}
	case "MAX":
		call.Fn, call.Args = "MAX", []expr.Expr{g.anyColumn(in)}
	case "FIRST_VALUE":
		call.Fn, call.Args = "FIRST_VALUE", []expr.Expr{g.anyColumn(in)}
		call.OrderBy = g.order(in, 1)
	case "LAST_VALUE":
		call.Fn, call.Args = "LAST_VALUE", []expr.Expr{g.anyColumn(in)}
	case "LISTAGG":
		call.Fn = "COUNT"
		if s, ok := g.column(in, schema.VarChar); ok {
			call.Fn, call.Args = "LISTAGG", []expr.Expr{s}
		}
	}
	if len(call.Args) > 0 {
		if call.Fn != "COUNT" {
			call.T = call.Args[0].Type()
		}
		call.Distinct = g.flip("distinct") && call.OrderBy == nil
	}
	if g.flip("filter") {
		call.Filter = g.condition(in)
	}
	return call
}

// summand is a number of either kind.
func (g *generator) summand(in plan.Node) expr.Expr {
	if x, ok := g.column(in, schema.Double); ok && g.flip("double") {
		return x
	}
	return g.number(in)
}

func (g *generator) order(in plan.Node, most int) []plan.SortKey {
	var keys []plan.SortKey
	for range g.pick(most+1, "keys") {
		keys = append(keys, plan.SortKey{Expr: g.anyColumn(in), Desc: g.flip("desc"), NullsFirst: g.flip("nulls first")})
	}
	return keys
}

func (g *generator) join(l, r plan.Node) plan.Node {
	j := &plan.Join{Left: l, Right: r, Kind: plan.JoinKind(g.pick(7, "kind"))}
	keys := 1 + g.pick(2, "keys")
	if j.Kind == plan.NullAwareAnti {
		keys = 1
	}
	for range keys {
		j.LeftKeys = append(j.LeftKeys, g.number(l))
		j.RightKeys = append(j.RightKeys, g.number(r))
	}
	if j.Kind == plan.NullAwareAnti {
		return j
	}
	if g.flip("null safe") {
		j.NullSafe = make([]bool, keys)
		j.NullSafe[0] = true
	}
	if g.flip("residual") {
		both := &plan.Join{Left: l, Right: r}
		j.Residual = callOf("<", schema.TBoolean, g.number(both), g.number(both))
	}
	return j
}

func (g *generator) setOp(in plan.Node) plan.Node {
	op := &plan.SetOp{Kind: plan.SetKind(g.pick(3, "set")), All: g.flip("all")}
	two := func(n plan.Node) plan.Node {
		return &plan.Project{Input: n, Exprs: []expr.Expr{g.number(n), g.number(n)}, Names: []string{"x", "y"}}
	}
	op.Input = []plan.Node{two(in), two(g.node(1))}
	return op
}

func (g *generator) timed(in plan.Node) (plan.Node, int) {
	for _, c := range columnsOf(in, schema.Timestamp) {
		return in, c
	}
	s := g.scan()
	return s, 3
}

func (g *generator) window(in plan.Node) plan.Node {
	in, at := g.timed(in)
	w := &plan.Window{Input: in, Time: at, Kind: plan.WindowKind(g.pick(4, "window"))}
	w.Size = time.Duration(1+g.pick(4, "size")) * 10 * time.Millisecond
	switch w.Kind {
	case plan.Hop:
		w.Slide = []time.Duration{10, 5, 20}[g.pick(3, "slide")] * time.Millisecond
	case plan.Cumulate:
		w.Slide = 10 * time.Millisecond
	case plan.Session:
		w.Size = time.Duration(1+g.pick(8, "gap")) * time.Millisecond
		if g.flip("by") {
			w.PartitionBy = []int{0}
		}
	}
	return w
}

func (g *generator) topN(in plan.Node) plan.Node {
	if g.flip("sort") {
		return &plan.Sort{Input: in, Keys: g.order(in, 2), Limit: int64(g.pick(5, "limit")), Offset: int64(g.pick(3, "offset"))}
	}
	p := &plan.TopN{Input: in, OrderBy: g.order(in, 2), Limit: int64(1 + g.pick(3, "limit")), Offset: int64(g.pick(2, "offset"))}
	if g.flip("by") {
		p.PartitionBy = []expr.Expr{g.anyColumn(in)}
	}
	if g.flip("rank") {
		p.Rank = "rn"
	}
	return p
}

func (g *generator) over(in plan.Node) plan.Node {
	o := &plan.Over{Input: in, PartitionBy: []expr.Expr{g.anyColumn(in)}, OrderBy: g.order(in, 2)}
	for i := range 1 + g.pick(3, "calls") {
		c := plan.OverCall{Name: fmt.Sprintf("o%d", i), T: schema.TBigInt, Rows: true}
		c.Fn = []string{"ROW_NUMBER", "RANK", "DENSE_RANK", "LAG", "LEAD", "SUM", "MIN", "COUNT", "LAST_VALUE"}[g.pick(9, "over")]
		switch c.Fn {
		case "LAG", "LEAD", "MIN", "LAST_VALUE":
			c.Args = []expr.Expr{g.anyColumn(in)}
			c.T = c.Args[0].Type()
		case "SUM", "COUNT":
			c.Args = []expr.Expr{g.number(in)}
		}
		g.frame(o, &c)
		o.Calls = append(o.Calls, c)
	}
	return o
}

func (g *generator) frame(o *plan.Over, c *plan.OverCall) {
	low, up := int64(-g.pick(3, "lower")), int64(g.pick(2, "upper"))
	numeric := len(o.OrderBy) == 1 && o.OrderBy[0].Expr.Type().Kind == schema.BigInt
	if len(o.OrderBy) > 0 && g.flip("range") {
		c.Rows = false
		if !numeric {
			low, up = 0, 0
			if len(o.OrderBy) > 1 { // the naive evaluator knows peers of one key only
				c.Rows = true
			}
		}
	}
	if g.flip("bounded below") {
		c.Lower = &low
	}
	if g.flip("bounded above") {
		c.Upper = &up
	}
}

func (g *generator) clockFilter(in plan.Node) plan.Node {
	in, at := g.timed(in)
	f := &plan.ClockFilter{Input: in, Watermark: g.flip("watermark"), NullClock: g.flip("null clock")}
	later := func(ms int64) expr.Expr {
		return callOf("+", in.Columns()[at].Type, colRef(in, at), &expr.Literal{Value: ms, T: schema.Type{Kind: schema.IntervalDayTime}})
	}
	if g.flip("from") {
		f.From = colRef(in, at)
	}
	if f.From == nil || g.flip("until") {
		f.Until = later(int64(g.pick(30, "alive")))
	}
	return f
}
