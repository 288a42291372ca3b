package plan

import (
	"github.com/weir-lake/weir/compute/expr"
)

// Optimize rewrites a bound plan to one with the same result and the same columns that
// costs less and that the engines know: constants are folded, filters moved towards the
// scans, equalities made join keys, ROW_NUMBER filters made TopN, filters against the
// clock made ClockFilter, unused columns dropped and scans told what they may skip.
func Optimize(root Node) Node {
	root = Transform(root, foldNode)
	root = push(root, nil)
	root = Transform(root, mergeProjects)
	names := Names(root)
	root = pruneRoot(root)
	root = Transform(root, mergeProjects)
	root = Transform(root, pruneScan)
	return rename(root, names)
}

// rename gives the root its names back, where rewrites took a projection away.
func rename(n Node, names []string) Node {
	if _, ok := n.(*Sink); ok {
		return n
	}
	for i, c := range n.Columns() {
		if c.Name != names[i] {
			return &Project{Input: n, Exprs: Cols(n), Names: names}
		}
	}
	return n
}

// Transform rebuilds a plan bottom-up with fn applied to every node.
func Transform(n Node, fn func(Node) Node) Node {
	in := n.Inputs()
	if len(in) > 0 {
		out := make([]Node, len(in))
		changed := false
		for i, c := range in {
			out[i] = Transform(c, fn)
			changed = changed || out[i] != c
		}
		if changed {
			n = WithInputs(n, out)
		}
	}
	return fn(n)
}

// foldNode computes constant parts of expressions and drops filters that are TRUE.
func foldNode(n Node) Node {
	if _, ok := n.(*Scan); ok {
		return n
	}
	n = MapExprs(n, foldTyped)
	if f, ok := n.(*Filter); ok && isTrue(f.Pred) {
		return f.Input
	}
	return n
}

// foldTyped folds without changing the type's nullability, which others have read.
func foldTyped(e expr.Expr) expr.Expr {
	f := expr.Fold(e)
	if l, ok := f.(*expr.Literal); ok && !l.T.Equal(e.Type()) && l.T.SameRoot(e.Type()) {
		return &expr.Literal{Value: l.Value, T: e.Type()}
	}
	return f
}

// mergeProjects joins two projections into one and removes those that change nothing.
func mergeProjects(n Node) Node {
	p, ok := n.(*Project)
	if !ok {
		return n
	}
	if isIdentity(p) {
		return p.Input
	}
	in, ok := p.Input.(*Project)
	if !ok || !mayInline(p.Exprs, in.Exprs) {
		return p
	}
	out := &Project{Input: in.Input, Names: p.Names, Exprs: make([]expr.Expr, len(p.Exprs))}
	for i, e := range p.Exprs {
		out.Exprs[i] = foldTyped(inline(e, in.Exprs))
	}
	if isIdentity(out) {
		return out.Input
	}
	return out
}

// isIdentity reports a projection that passes its input on, names included.
func isIdentity(p *Project) bool {
	cols := p.Input.Columns()
	if len(cols) != len(p.Exprs) {
		return false
	}
	for i, e := range p.Exprs {
		if c, ok := e.(*expr.Column); !ok || c.Index != i || p.Names[i] != cols[i].Name {
			return false
		}
	}
	return true
}

// mayInline reports whether replacing columns by the expressions below computes nothing
// twice that costs, and evaluates nothing random twice.
func mayInline(above, below []expr.Expr) bool {
	uses := map[int]int{}
	for _, e := range above {
		WalkExpr(e, func(x expr.Expr) {
			if c, ok := x.(*expr.Column); ok {
				uses[c.Index]++
			}
		})
	}
	for i, n := range uses {
		if _, isCall := below[i].(*expr.Call); isCall && n > 1 {
			return false
		}
	}
	return true
}

func inline(e expr.Expr, below []expr.Expr) expr.Expr {
	return MapColumns(e, func(c *expr.Column) expr.Expr { return below[c.Index] })
}
