package plan

import (
	"slices"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/table/schema"
)

// push moves conditions over n's columns as far down as they keep their meaning, and
// rebuilds n with the conditions found on the way.
func push(n Node, preds []expr.Expr) Node {
	switch n := n.(type) {
	case *Filter:
		return push(n.Input, append(Conjuncts(n.Pred), preds...))
	case *Project:
		return pushProject(n, preds)
	case *Join:
		return pushJoin(n, preds)
	case *Aggregate:
		return pushAggregate(n, preds)
	case *SetOp:
		return pushSetOp(n, preds)
	case *Over:
		return pushOver(n, preds)
	case *TopN:
		down, stay := split(preds, partitionColumns(n.PartitionBy))
		return filter(WithInputs(n, []Node{push(n.Input, down)}), stay)
	case *Window:
		width := len(n.Input.Columns())
		down, stay := split(preds, func(i int) bool { return i < width && (n.Kind != Session || slices.Contains(n.PartitionBy, i)) })
		return filter(WithInputs(n, []Node{push(n.Input, down)}), stay)
	case *Unnest:
		width := len(n.Input.Columns())
		down, stay := split(preds, func(i int) bool { return i < width })
		return filter(WithInputs(n, []Node{push(n.Input, down)}), stay)
	case *Sort:
		if n.Limit < 0 && n.Offset == 0 {
			return WithInputs(n, []Node{push(n.Input, preds)})
		}
		return filter(WithInputs(n, []Node{push(n.Input, nil)}), preds)
	case *ClockFilter:
		return WithInputs(n, []Node{push(n.Input, preds)})
	case *Sink:
		return WithInputs(n, []Node{push(n.Input, nil)})
	default:
		return filter(n, preds)
	}
}

// fixed reports a condition that must stay above operators that change which rows meet
// the clock: it depends on the watermark of its place, or on chance.
func fixed(e expr.Expr) bool {
	found := false
	WalkExpr(e, func(x expr.Expr) {
		if c, ok := x.(*expr.Call); ok && (c.Fn == "CURRENT_WATERMARK" || c.Fn == "RAND" || c.Fn == "RAND_INTEGER" || c.Fn == "UUID") {
			found = true
		}
	})
	return found
}

// split sorts conditions into those over columns that may go down and the rest.
func split(preds []expr.Expr, may func(int) bool) (down, stay []expr.Expr) {
	for _, p := range preds {
		used := map[int]bool{}
		UsedColumns(p, used)
		ok := !fixed(p) && len(used) > 0
		for i := range used {
			ok = ok && may(i)
		}
		if ok {
			down = append(down, p)
		} else {
			stay = append(stay, p)
		}
	}
	return down, stay
}

func partitionColumns(keys []expr.Expr) func(int) bool {
	cols := map[int]bool{}
	for _, e := range keys {
		if c, ok := e.(*expr.Column); ok {
			cols[c.Index] = true
		}
	}
	return func(i int) bool { return cols[i] }
}

// filter puts conditions above a node: those against the clock as ClockFilter.
func filter(n Node, preds []expr.Expr) Node {
	var plain []expr.Expr
	var clocks []*ClockFilter
	for _, p := range preds {
		if isTrue(p) {
			continue
		}
		if c, ok := clockCondition(p); ok {
			clocks = mergeClock(clocks, c)
			continue
		}
		plain = append(plain, p)
	}
	if p := And(plain...); p != nil {
		n = &Filter{Input: n, Pred: p}
	}
	for _, c := range clocks {
		c.Input = n
		n = c
	}
	return n
}

func pushProject(p *Project, preds []expr.Expr) Node {
	var down, stay []expr.Expr
	for _, e := range preds {
		used := map[int]bool{}
		UsedColumns(e, used)
		random := false
		for i := range used {
			random = random || isRandom(p.Exprs[i])
		}
		if random {
			stay = append(stay, e)
		} else {
			down = append(down, foldTyped(inline(e, p.Exprs)))
		}
	}
	return filter(&Project{Input: push(p.Input, down), Exprs: p.Exprs, Names: p.Names}, stay)
}

func isRandom(e expr.Expr) bool {
	found := false
	WalkExpr(e, func(x expr.Expr) {
		if c, ok := x.(*expr.Call); ok && (c.Fn == "RAND" || c.Fn == "RAND_INTEGER" || c.Fn == "UUID") {
			found = true
		}
	})
	return found
}

// pushJoin sends conditions to the side they are about and makes equalities keys. A
// condition that no NULL passes turns an outer join inside.
func pushJoin(j *Join, preds []expr.Expr) Node {
	nl := len(j.Left.Columns())
	total := nl + len(j.Right.Columns())
	kind := j.Kind
	for _, p := range preds {
		kind = narrow(kind, p, nl, total)
	}
	c := *j
	c.Kind = kind
	var left, right, stay []expr.Expr
	for _, p := range preds {
		switch {
		case fixed(p) || !hasColumn(p):
			stay = append(stay, p)
		case within(p, 0, nl) && kind != Right && kind != Full:
			left = append(left, p)
		case within(p, nl, total) && (kind == Inner || kind == Right):
			right = append(right, Shift(p, -nl))
		case kind == Inner && !usesClock(p):
			c.Residual = And(c.Residual, p)
		default:
			stay = append(stay, p)
		}
	}
	residual := Conjuncts(c.Residual)
	c.Residual = nil
	for _, p := range residual {
		switch {
		case fixed(p) || !hasColumn(p):
			c.Residual = And(c.Residual, p)
		case within(p, 0, nl) && (kind == Inner || kind == Right || kind == Semi):
			left = append(left, p)
		case within(p, nl, total) && (kind == Inner || kind == Left || kind == Semi || kind == Anti):
			right = append(right, Shift(p, -nl))
		default:
			c.addCondition(p)
		}
	}
	c.Left, c.Right = push(c.Left, left), push(c.Right, right)
	return filter(&c, stay)
}

// narrow is the join's kind once rows with NULLs on a side fail the condition.
func narrow(kind JoinKind, p expr.Expr, nl, total int) JoinKind {
	rejectsLeft := rejectsNull(p, 0, nl)
	rejectsRight := rejectsNull(p, nl, total)
	switch {
	case kind == Left && rejectsRight, kind == Right && rejectsLeft:
		return Inner
	case kind == Full && rejectsLeft && rejectsRight:
		return Inner
	case kind == Full && rejectsLeft:
		return Left
	case kind == Full && rejectsRight:
		return Right
	}
	return kind
}

// strictFns give NULL when any argument is NULL.
var strictFns = map[string]bool{
	"=": true, "<>": true, "<": true, "<=": true, ">": true, ">=": true, "+": true, "-": true, "*": true, "/": true,
	"%": true, "NEG": true, "CAST": true, "LIKE": true, "NOT": true, "EXTRACT": true, "UPPER": true, "LOWER": true,
	"ABS": true, "FLOOR": true, "CEIL": true,
}

// rejectsNull reports that the condition is not TRUE when the columns [lo, hi) are NULL.
func rejectsNull(e expr.Expr, lo, hi int) bool {
	c, ok := e.(*expr.Call)
	if !ok {
		col, isCol := e.(*expr.Column)
		return isCol && col.Index >= lo && col.Index < hi
	}
	switch {
	case c.Fn == "IS_NOT_NULL" || c.Fn == "IS_TRUE" || c.Fn == "IS_FALSE" || strictFns[c.Fn]:
		return slices.ContainsFunc(c.Args, func(a expr.Expr) bool { return nullWith(a, lo, hi) })
	case c.Fn == "AND":
		return slices.ContainsFunc(c.Args, func(a expr.Expr) bool { return rejectsNull(a, lo, hi) })
	case c.Fn == "OR":
		return !slices.ContainsFunc(c.Args, func(a expr.Expr) bool { return !rejectsNull(a, lo, hi) })
	}
	return false
}

// nullWith reports that the expression is NULL when the columns [lo, hi) are.
func nullWith(e expr.Expr, lo, hi int) bool {
	switch e := e.(type) {
	case *expr.Column:
		return e.Index >= lo && e.Index < hi
	case *expr.Call:
		return strictFns[e.Fn] && slices.ContainsFunc(e.Args, func(a expr.Expr) bool { return nullWith(a, lo, hi) })
	}
	return false
}

// pushAggregate sends conditions over group columns below the grouping.
func pushAggregate(a *Aggregate, preds []expr.Expr) Node {
	groups := len(a.GroupBy)
	if a.Sets != nil {
		groups = 0
	}
	down, stay := split(preds, func(i int) bool { return i < groups && !isRandom(a.GroupBy[i]) })
	for i, p := range down {
		down[i] = inline(p, a.GroupBy)
	}
	return filter(WithInputs(a, []Node{push(a.Input, down)}), stay)
}

func pushSetOp(s *SetOp, preds []expr.Expr) Node {
	down, stay := split(preds, func(int) bool { return true })
	in := make([]Node, len(s.Input))
	for i, c := range s.Input {
		own := make([]expr.Expr, len(down))
		for k, p := range down {
			own[k] = MapColumns(p, func(col *expr.Column) expr.Expr { return Col(c, col.Index) })
		}
		in[i] = push(c, own)
	}
	return filter(WithInputs(s, in), stay)
}

// pushOver sends conditions over partition columns below, and turns a bound on
// ROW_NUMBER into a TopN.
func pushOver(o *Over, preds []expr.Expr) Node {
	down, stay := split(preds, partitionColumns(o.PartitionBy))
	c := *o
	c.Input = push(o.Input, down)
	width := len(c.Input.Columns())
	if len(c.Calls) != 1 || c.Calls[0].Fn != "ROW_NUMBER" {
		return filter(&c, stay)
	}
	first, last := int64(1), int64(-1)
	var rest []expr.Expr
	for _, p := range stay {
		lo, hi, ok := rankBound(p, width)
		if !ok {
			rest = append(rest, p)
			continue
		}
		first = max(first, lo)
		if hi >= 0 && (last < 0 || hi < last) {
			last = hi
		}
	}
	if last < 0 {
		return filter(&c, stay)
	}
	t := &TopN{Input: c.Input, PartitionBy: c.PartitionBy, OrderBy: c.OrderBy, Limit: max(0, last-first+1), Offset: first - 1, Rank: c.Calls[0].Name}
	return filter(t, rest)
}

// rankBound reads rank <= n and its like as the range lo..hi; hi -1 is open.
func rankBound(e expr.Expr, rank int) (lo, hi int64, ok bool) {
	c, is := e.(*expr.Call)
	if !is || len(c.Args) != 2 {
		return 0, 0, false
	}
	l, r, fn := c.Args[0], c.Args[1], c.Fn
	if _, swap := l.(*expr.Literal); swap {
		l, r, fn = r, l, mirror[fn]
	}
	col, isCol := l.(*expr.Column)
	lit, isLit := r.(*expr.Literal)
	if !isCol || !isLit || col.Index != rank || lit.T.Kind != schema.BigInt {
		return 0, 0, false
	}
	v, isInt := lit.Value.(int64)
	if !isInt {
		return 0, 0, false
	}
	switch fn {
	case "<=":
		return 1, max(v, 0), true
	case "<":
		return 1, max(v-1, 0), true
	case "=":
		return v, max(v, 0), true
	case ">=":
		return v, -1, true
	case ">":
		return v + 1, -1, true
	}
	return 0, 0, false
}

// mirror is the comparison with its sides exchanged.
var mirror = map[string]string{"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
