package plan

import (
	"maps"
	"slices"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/table/predicate"
	"github.com/weir-lake/weir/table/schema"
)

// pruneRoot drops the columns that nothing above uses; the root keeps all of its own.
func pruneRoot(root Node) Node {
	need := map[int]bool{}
	for i := range root.Columns() {
		need[i] = true
	}
	n, at := prune(root, need)
	order := make([]int, len(root.Columns()))
	same := len(n.Columns()) == len(order)
	for i := range order {
		order[i] = at[i]
		same = same && at[i] == i
	}
	if same {
		return n
	}
	return pickColumns(n, order, Names(root))
}

func pickColumns(n Node, order []int, names []string) Node {
	p := &Project{Input: n, Names: names}
	for _, i := range order {
		p.Exprs = append(p.Exprs, Col(n, i))
	}
	return p
}

// places maps columns of a node before pruning to columns after; pruned ones are missing.
type places map[int]int

func (p places) move(e expr.Expr) expr.Expr {
	if e == nil {
		return nil
	}
	return MapColumns(e, func(c *expr.Column) expr.Expr {
		return &expr.Column{Index: p[c.Index], Name: c.Name, T: c.T}
	})
}

// same is the mapping of a node that keeps all columns of which need are used.
func identity(n int) places {
	p := places{}
	for i := range n {
		p[i] = i
	}
	return p
}

// prune rebuilds n with at least the needed columns and tells where each of them is.
func prune(n Node, need map[int]bool) (Node, places) {
	switch n := n.(type) {
	case *Scan:
		return pruneScanColumns(n, need)
	case *Values:
		return pruneValues(n, need)
	case *Filter, *ClockFilter:
		return prunePassing(n, need)
	case *Sort:
		return prunePassing(n, need)
	case *Project:
		return pruneProject(n, need)
	case *Aggregate:
		return pruneAggregate(n, need)
	case *Join:
		return pruneJoin(n, need)
	case *SetOp:
		return pruneSetOp(n, need)
	case *TopN:
		return pruneTopN(n, need)
	case *Over, *Unnest:
		return pruneAppending(n, need)
	case *Window:
		return pruneWindow(n, need)
	case *Sink:
		s := *n
		s.Input = pruneRoot(n.Input)
		return &s, identity(len(n.Columns()))
	default:
		return n, identity(len(n.Columns()))
	}
}

// pruneScanColumns keeps at least one column: rows without any cannot be counted.
func pruneScanColumns(n *Scan, need map[int]bool) (Node, places) {
	c := *n
	c.Out = nil
	at := places{}
	for i, col := range n.Out {
		if need[i] {
			at[i] = len(c.Out)
			c.Out = append(c.Out, col)
		}
	}
	if len(c.Out) == 0 && len(n.Out) > 0 {
		c.Out = []int{n.Out[narrowest(n)]}
	}
	return &c, at
}

// narrowest is the cheapest column to read when only rows count.
func narrowest(n *Scan) int {
	best := 0
	for i, c := range n.Out {
		if cheap(n.Table.Columns[c].Type) && !cheap(n.Table.Columns[n.Out[best]].Type) {
			best = i
		}
	}
	return best
}

func cheap(t schema.Type) bool { return t.Kind <= schema.Double || t.Kind == schema.Date }

func pruneValues(n *Values, need map[int]bool) (Node, places) {
	c := &Values{Rows: make([][]expr.Expr, len(n.Rows))}
	at := places{}
	for i, col := range n.Cols {
		if !need[i] && (len(need) > 0 || i > 0) {
			continue
		}
		at[i] = len(c.Cols)
		c.Cols = append(c.Cols, col)
		for r := range n.Rows {
			c.Rows[r] = append(c.Rows[r], n.Rows[r][i])
		}
	}
	return c, at
}

// prunePassing prunes below an operator that passes its input's columns on.
func prunePassing(n Node, need map[int]bool) (Node, places) {
	below := maps.Clone(need)
	for _, e := range Exprs(n) {
		UsedColumns(e, below)
	}
	in, at := prune(n.Inputs()[0], below)
	return WithInputs(MapExprs(n, at.move), []Node{in}), at
}

func pruneProject(n *Project, need map[int]bool) (Node, places) {
	below := map[int]bool{}
	for i := range need {
		UsedColumns(n.Exprs[i], below)
	}
	in, at := prune(n.Input, below)
	if len(need) == 0 {
		return in, places{} // rows without columns: the input's own serve as well
	}
	c := &Project{Input: in}
	out := places{}
	for i, e := range n.Exprs {
		if need[i] {
			out[i] = len(c.Exprs)
			c.Exprs, c.Names = append(c.Exprs, at.move(e)), append(c.Names, n.Names[i])
		}
	}
	return c, out
}

// pruneAggregate keeps all groups, which make the rows, and the aggregates in use.
func pruneAggregate(n *Aggregate, need map[int]bool) (Node, places) {
	c := *n
	c.Aggs = nil
	out := identity(len(n.GroupBy))
	for i, a := range n.Aggs {
		k := len(n.GroupBy) + i
		if need[k] || len(n.GroupBy) == 0 && i == len(n.Aggs)-1 && len(c.Aggs) == 0 {
			out[k] = len(n.GroupBy) + len(c.Aggs)
			c.Aggs = append(c.Aggs, a)
		}
	}
	below := map[int]bool{}
	for _, e := range Exprs(&c) {
		UsedColumns(e, below)
	}
	in, at := prune(n.Input, below)
	return WithInputs(MapExprs(&c, at.move), []Node{in}), out
}

func pruneJoin(n *Join, need map[int]bool) (Node, places) {
	nl := len(n.Left.Columns())
	all := maps.Clone(need)
	UsedColumns(n.Residual, all)
	left, right := map[int]bool{}, map[int]bool{}
	for i := range all {
		if i < nl {
			left[i] = true
		} else {
			right[i-nl] = true
		}
	}
	for i := range n.LeftKeys {
		UsedColumns(n.LeftKeys[i], left)
		UsedColumns(n.RightKeys[i], right)
	}
	l, la := prune(n.Left, left)
	r, ra := prune(n.Right, right)
	c := *n
	c.Left, c.Right = l, r
	c.LeftKeys, c.RightKeys = make([]expr.Expr, len(n.LeftKeys)), make([]expr.Expr, len(n.RightKeys))
	for i := range n.LeftKeys {
		c.LeftKeys[i], c.RightKeys[i] = la.move(n.LeftKeys[i]), ra.move(n.RightKeys[i])
	}
	at := places{}
	width := len(l.Columns())
	maps.Copy(at, la)
	for i, k := range ra {
		at[nl+i] = width + k
	}
	c.Residual = at.move(n.Residual)
	if n.Kind >= Semi {
		return &c, la
	}
	return &c, at
}

// pruneSetOp prunes UNION ALL only: the other operations compare whole rows.
func pruneSetOp(n *SetOp, need map[int]bool) (Node, places) {
	if n.Kind != Union || !n.All {
		in := make([]Node, len(n.Input))
		for i, c := range n.Input {
			in[i] = pruneRoot(c)
		}
		return WithInputs(n, in), identity(len(n.Columns()))
	}
	order := slices.Sorted(maps.Keys(need))
	if len(order) == 0 {
		order = []int{0}
		need = map[int]bool{0: true}
	}
	at := places{}
	names := make([]string, len(order))
	for k, i := range order {
		at[i] = k
		names[k] = n.Columns()[i].Name
	}
	in := make([]Node, len(n.Input))
	for i, c := range n.Input {
		p, pa := prune(c, need)
		cols := make([]int, len(order))
		same := len(p.Columns()) == len(order)
		for k, o := range order {
			cols[k] = pa[o]
			same = same && pa[o] == k
		}
		if in[i] = p; !same {
			in[i] = pickColumns(p, cols, names)
		}
	}
	return WithInputs(n, in), at
}

func pruneTopN(n *TopN, need map[int]bool) (Node, places) {
	c := *n
	width := len(n.Input.Columns())
	if c.Rank != "" && !need[width] {
		c.Rank = ""
	}
	return pruneAppending(&c, need)
}

// pruneAppending prunes below an operator that appends columns to its input's.
func pruneAppending(n Node, need map[int]bool) (Node, places) {
	input := n.Inputs()[0]
	width, total := len(input.Columns()), len(n.Columns())
	below := map[int]bool{}
	for i := range need {
		if i < width {
			below[i] = true
		}
	}
	for _, e := range Exprs(n) {
		UsedColumns(e, below)
	}
	in, at := prune(input, below)
	out := maps.Clone(at)
	for i := width; i < total; i++ {
		out[i] = len(in.Columns()) + i - width
	}
	return WithInputs(MapExprs(n, at.move), []Node{in}), out
}

func pruneWindow(n *Window, need map[int]bool) (Node, places) {
	width := len(n.Input.Columns())
	below := map[int]bool{n.Time: true}
	for _, i := range n.PartitionBy {
		below[i] = true
	}
	for i := range need {
		if i < width {
			below[i] = true
		}
	}
	in, at := prune(n.Input, below)
	c := *n
	c.Input, c.Time, c.PartitionBy = in, at[n.Time], nil
	for _, i := range n.PartitionBy {
		c.PartitionBy = append(c.PartitionBy, at[i])
	}
	out := maps.Clone(at)
	for i := range 3 {
		out[width+i] = len(in.Columns()) + i
	}
	return &c, out
}

// pruneScan tells a scan below a filter what it may skip.
func pruneScan(n Node) Node {
	f, ok := n.(*Filter)
	if !ok {
		return n
	}
	s, ok := f.Input.(*Scan)
	if !ok {
		return n
	}
	var and predicate.And
	for _, c := range Conjuncts(f.Pred) {
		if p, ok := comparison(s, c); ok {
			and = append(and, p)
		}
	}
	if and == nil {
		return n
	}
	c := *s
	c.Filter = and
	return &Filter{Input: &c, Pred: f.Pred}
}

var compareOps = map[string]predicate.Op{"=": predicate.Eq, "<>": predicate.Ne, "<": predicate.Lt, "<=": predicate.Le, ">": predicate.Gt, ">=": predicate.Ge}

// comparison reads column op literal, column IN (literals) and IS [NOT] NULL.
func comparison(s *Scan, e expr.Expr) (predicate.Compare, bool) {
	c, ok := e.(*expr.Call)
	if !ok {
		return predicate.Compare{}, false
	}
	args, fn := c.Args, c.Fn
	if len(args) == 2 && mirror[fn] != "" {
		if _, isLit := args[0].(*expr.Literal); isLit {
			args, fn = []expr.Expr{args[1], args[0]}, mirror[fn]
		}
	}
	col, ok := args[0].(*expr.Column)
	if !ok {
		return predicate.Compare{}, false
	}
	out := predicate.Compare{Column: s.Table.Columns[s.Out[col.Index]].Name}
	switch op, isCompare := compareOps[fn]; {
	case fn == "IS_NULL":
		out.Op = predicate.IsNull
		return out, true
	case fn == "IS_NOT_NULL":
		out.Op = predicate.IsNotNull
		return out, true
	case fn == "IN":
		out.Op = predicate.In
	case isCompare:
		out.Op = op
	default:
		return out, false
	}
	for _, a := range args[1:] {
		l, ok := a.(*expr.Literal)
		if !ok || l.Value == nil || !sameValues(l.T, col.T) {
			return out, false
		}
		out.Values = append(out.Values, l.Value)
	}
	return out, true
}

// sameValues reports types whose literals have the same Go form and unit.
func sameValues(a, b schema.Type) bool {
	switch {
	case a.IsTimestamp():
		return a.Kind == b.Kind && a.TimestampUnit() == b.TimestampUnit()
	case a.Kind == schema.Decimal:
		return b.Kind == schema.Decimal && a.Scale == b.Scale
	case a.IsInteger():
		return b.IsInteger()
	case a.Kind == schema.VarChar || a.Kind == schema.Char:
		return b.IsString()
	default:
		return a.Kind == b.Kind && a.Kind >= schema.Boolean && a.Kind <= schema.Time
	}
}
