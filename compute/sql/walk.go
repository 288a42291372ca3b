package sql

// Walk calls fn for the expression and, where fn returns true, for its parts from
// left to right. It does not enter subqueries: their names belong to another scope.
func Walk(e Expr, fn func(Expr) bool) {
	if e == nil || !fn(e) {
		return
	}
	for _, c := range Parts(e) {
		Walk(c, fn)
	}
}

// Parts are the direct sub-expressions of an expression, without subqueries.
func Parts(e Expr) []Expr {
	switch e := e.(type) {
	case *Unary:
		return []Expr{e.X}
	case *Binary:
		return []Expr{e.L, e.R}
	case *Is:
		return []Expr{e.X}
	case *Between:
		return []Expr{e.X, e.Lo, e.Hi}
	case *In:
		return append([]Expr{e.X}, e.List...)
	case *Like:
		if e.Escape != nil {
			return []Expr{e.X, e.Pattern, e.Escape}
		}
		return []Expr{e.X, e.Pattern}
	case *Quantified:
		return []Expr{e.X}
	case *Case:
		return caseParts(e)
	case *Cast:
		return []Expr{e.X}
	case *Call:
		return callParts(e)
	case *Row:
		return e.Items
	case *Array:
		return e.Items
	case *Map:
		return e.Items
	case *Index:
		return []Expr{e.X, e.I}
	case *Field:
		return []Expr{e.X}
	default:
		return nil
	}
}

func caseParts(c *Case) []Expr {
	var out []Expr
	if c.Operand != nil {
		out = append(out, c.Operand)
	}
	for _, w := range c.Whens {
		out = append(out, w.Cond, w.Then)
	}
	if c.Else != nil {
		out = append(out, c.Else)
	}
	return out
}

func callParts(c *Call) []Expr {
	var out []Expr
	for _, a := range c.Args {
		if a.Value != nil {
			out = append(out, a.Value)
		}
	}
	for _, o := range append(append([]OrderItem(nil), c.OrderBy...), c.WithinGroup...) {
		out = append(out, o.Expr)
	}
	if c.Filter != nil {
		out = append(out, c.Filter)
	}
	if c.Over != nil {
		out = append(out, c.Over.PartitionBy...)
		for _, o := range c.Over.OrderBy {
			out = append(out, o.Expr)
		}
	}
	return out
}
