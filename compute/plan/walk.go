package plan

import (
	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/table/schema"
)

// MapLeaves rebuilds an expression with every leaf (column, literal, or a leaf of
// another package's making) replaced by fn's result. Unchanged parts are shared.
func MapLeaves(e expr.Expr, fn func(expr.Expr) expr.Expr) expr.Expr {
	c, ok := e.(*expr.Call)
	if !ok {
		if e == nil {
			return nil
		}
		return fn(e)
	}
	var args []expr.Expr
	for i, a := range c.Args {
		n := MapLeaves(a, fn)
		if n != a && args == nil {
			args = append(make([]expr.Expr, 0, len(c.Args)), c.Args[:i]...)
		}
		if args != nil {
			args = append(args, n)
		}
	}
	if args == nil {
		return e
	}
	return &expr.Call{Fn: c.Fn, Args: args, T: c.T}
}

// MapColumns rebuilds an expression with every column replaced.
func MapColumns(e expr.Expr, fn func(*expr.Column) expr.Expr) expr.Expr {
	return MapLeaves(e, func(l expr.Expr) expr.Expr {
		if c, ok := l.(*expr.Column); ok {
			return fn(c)
		}
		return l
	})
}

// Shift moves every column reference by n.
func Shift(e expr.Expr, n int) expr.Expr {
	if n == 0 {
		return e
	}
	return MapColumns(e, func(c *expr.Column) expr.Expr {
		return &expr.Column{Index: c.Index + n, Name: c.Name, T: c.T}
	})
}

// WalkExpr calls fn for the expression and all its parts.
func WalkExpr(e expr.Expr, fn func(expr.Expr)) {
	if e == nil {
		return
	}
	fn(e)
	if c, ok := e.(*expr.Call); ok {
		for _, a := range c.Args {
			WalkExpr(a, fn)
		}
	}
}

// UsedColumns adds the column indexes of the expression to the set.
func UsedColumns(e expr.Expr, set map[int]bool) {
	WalkExpr(e, func(x expr.Expr) {
		if c, ok := x.(*expr.Column); ok {
			set[c.Index] = true
		}
	})
}

// within reports whether all columns of the expression lie in [lo, hi).
func within(e expr.Expr, lo, hi int) bool {
	ok := true
	WalkExpr(e, func(x expr.Expr) {
		if c, is := x.(*expr.Column); is && (c.Index < lo || c.Index >= hi) {
			ok = false
		}
	})
	return ok
}

// Conjuncts splits an AND into its parts; nil has none.
func Conjuncts(e expr.Expr) []expr.Expr {
	if e == nil {
		return nil
	}
	c, ok := e.(*expr.Call)
	if !ok || c.Fn != "AND" {
		return []expr.Expr{e}
	}
	var out []expr.Expr
	for _, a := range c.Args {
		out = append(out, Conjuncts(a)...)
	}
	return out
}

// And joins conjuncts; nil for none.
func And(list ...expr.Expr) expr.Expr {
	var out expr.Expr
	for _, e := range list {
		switch {
		case e == nil:
		case out == nil:
			out = e
		default:
			t := schema.TBoolean.WithNotNull(out.Type().NotNull && e.Type().NotNull)
			out = &expr.Call{Fn: "AND", Args: []expr.Expr{out, e}, T: t}
		}
	}
	return out
}

// Col is a reference to a node's column.
func Col(n Node, i int) *expr.Column {
	c := n.Columns()[i]
	return &expr.Column{Index: i, Name: c.Name, T: c.Type}
}

// Cols are references to all of a node's columns.
func Cols(n Node) []expr.Expr {
	cols := n.Columns()
	out := make([]expr.Expr, len(cols))
	for i, c := range cols {
		out[i] = &expr.Column{Index: i, Name: c.Name, T: c.Type}
	}
	return out
}

// Names are the names of a node's columns.
func Names(n Node) []string {
	cols := n.Columns()
	out := make([]string, len(cols))
	for i, c := range cols {
		out[i] = c.Name
	}
	return out
}

// Walk calls fn for the node and everything below it, parents first.
func Walk(n Node, fn func(Node)) {
	fn(n)
	for _, in := range n.Inputs() {
		Walk(in, fn)
	}
}

// WithInputs is a copy of the node with other inputs, in the order of Inputs.
func WithInputs(n Node, in []Node) Node {
	switch n := n.(type) {
	case *Filter:
		c := *n
		c.Input = in[0]
		return &c
	case *ClockFilter:
		c := *n
		c.Input = in[0]
		return &c
	case *Project:
		c := *n
		c.Input = in[0]
		return &c
	case *Aggregate:
		c := *n
		c.Input = in[0]
		return &c
	case *Join:
		c := *n
		c.Left, c.Right = in[0], in[1]
		return &c
	case *SetOp:
		c := *n
		c.Input = in
		return &c
	case *Window:
		c := *n
		c.Input = in[0]
		return &c
	case *TopN:
		c := *n
		c.Input = in[0]
		return &c
	case *Over:
		c := *n
		c.Input = in[0]
		return &c
	case *Sort:
		c := *n
		c.Input = in[0]
		return &c
	case *Unnest:
		c := *n
		c.Input = in[0]
		return &c
	case *Sink:
		c := *n
		c.Input = in[0]
		return &c
	default:
		return n
	}
}

// Exprs are all expressions of a node, in a fixed order.
func Exprs(n Node) []expr.Expr {
	var out []expr.Expr
	MapExprs(n, func(e expr.Expr) expr.Expr { out = append(out, e); return e })
	return out
}

// MapExprs is a copy of the node with every expression replaced; nil ones stay nil.
func MapExprs(n Node, fn func(expr.Expr) expr.Expr) Node {
	one := func(e expr.Expr) expr.Expr {
		if e == nil {
			return nil
		}
		return fn(e)
	}
	list := func(in []expr.Expr) []expr.Expr {
		if in == nil {
			return nil
		}
		out := make([]expr.Expr, len(in))
		for i, e := range in {
			out[i] = one(e)
		}
		return out
	}
	keys := func(in []SortKey) []SortKey {
		out := append([]SortKey(nil), in...)
		for i := range out {
			out[i].Expr = one(out[i].Expr)
		}
		return out
	}
	switch n := n.(type) {
	case *Values:
		c := *n
		c.Rows = make([][]expr.Expr, len(n.Rows))
		for i, r := range n.Rows {
			c.Rows[i] = list(r)
		}
		return &c
	case *Filter:
		return &Filter{Input: n.Input, Pred: one(n.Pred)}
	case *ClockFilter:
		c := *n
		c.From, c.Until = one(n.From), one(n.Until)
		return &c
	case *Project:
		return &Project{Input: n.Input, Exprs: list(n.Exprs), Names: n.Names}
	case *Aggregate:
		c := *n
		c.GroupBy = list(n.GroupBy)
		c.Aggs = append([]AggCall(nil), n.Aggs...)
		for i, a := range c.Aggs {
			c.Aggs[i].Args, c.Aggs[i].Filter, c.Aggs[i].OrderBy = list(a.Args), one(a.Filter), keys(a.OrderBy)
		}
		return &c
	case *Join:
		c := *n
		c.LeftKeys, c.RightKeys, c.Residual = list(n.LeftKeys), list(n.RightKeys), one(n.Residual)
		return &c
	case *TopN:
		c := *n
		c.PartitionBy, c.OrderBy = list(n.PartitionBy), keys(n.OrderBy)
		return &c
	case *Over:
		c := *n
		c.PartitionBy, c.OrderBy = list(n.PartitionBy), keys(n.OrderBy)
		c.Calls = append([]OverCall(nil), n.Calls...)
		for i, call := range c.Calls {
			c.Calls[i].Args = list(call.Args)
		}
		return &c
	case *Sort:
		c := *n
		c.Keys = keys(n.Keys)
		return &c
	case *Unnest:
		c := *n
		c.Expr = one(n.Expr)
		return &c
	default:
		return n
	}
}
