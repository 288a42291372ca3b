package plan

import (
	"github.com/weir-lake/weir/compute/expr"
)

// NewJoin makes a join from its whole condition over left ++ right: equalities of a
// left with a right expression become keys, the rest is the residual.
func NewJoin(kind JoinKind, left, right Node, cond expr.Expr) *Join {
	j := &Join{Left: left, Right: right, Kind: kind}
	j.addCondition(cond)
	return j
}

func (j *Join) addCondition(cond expr.Expr) {
	nl := len(j.Left.Columns())
	nr := len(j.Right.Columns())
	rest := Conjuncts(j.Residual)
	for _, c := range Conjuncts(cond) {
		if l, r, nullSafe, ok := equiPair(c, nl, nr); ok {
			j.addKey(l, Shift(r, -nl), nullSafe)
			continue
		}
		if !isTrue(c) {
			rest = append(rest, c)
		}
	}
	j.Residual = And(rest...)
}

func (j *Join) addKey(l, r expr.Expr, nullSafe bool) {
	if nullSafe && j.NullSafe == nil {
		j.NullSafe = make([]bool, len(j.LeftKeys))
	}
	j.LeftKeys, j.RightKeys = append(j.LeftKeys, l), append(j.RightKeys, r)
	if j.NullSafe != nil {
		j.NullSafe = append(j.NullSafe, nullSafe)
	}
}

// equiPair recognises l = r (or IS NOT DISTINCT FROM) with one side on each input.
func equiPair(e expr.Expr, nl, nr int) (l, r expr.Expr, nullSafe, ok bool) {
	c, is := e.(*expr.Call)
	if !is || c.Fn != "=" && c.Fn != "IS_NOT_DISTINCT_FROM" || expr.Volatile(c) && usesClock(c) {
		return nil, nil, false, false
	}
	l, r = c.Args[0], c.Args[1]
	if !onlyColumns(l) || !onlyColumns(r) {
		return nil, nil, false, false
	}
	if within(l, nl, nl+nr) && within(r, 0, nl) {
		l, r = r, l
	}
	if !within(l, 0, nl) || !within(r, nl, nl+nr) || !hasColumn(l) || !hasColumn(r) || !l.Type().SameRoot(r.Type()) {
		return nil, nil, false, false
	}
	return l, r, c.Fn != "=", true
}

// onlyColumns reports that all leaves are columns and literals: other leaves (an outer
// query's columns while binding) cannot be keys.
func onlyColumns(e expr.Expr) bool {
	ok := true
	WalkExpr(e, func(x expr.Expr) {
		switch x.(type) {
		case *expr.Column, *expr.Literal, *expr.Call:
		default:
			ok = false
		}
	})
	return ok
}

func hasColumn(e expr.Expr) bool {
	set := map[int]bool{}
	UsedColumns(e, set)
	return len(set) > 0
}

func isTrue(e expr.Expr) bool {
	l, ok := e.(*expr.Literal)
	return ok && l.Value == true
}

// clockFns read the clock or the watermark.
var clockFns = map[string]bool{
	"NOW": true, "CURRENT_TIMESTAMP": true, "LOCALTIMESTAMP": true, "CURRENT_DATE": true, "CURRENT_TIME": true,
	"PROCTIME": true, "CURRENT_WATERMARK": true, "UNIX_TIMESTAMP": true,
}

// usesClock reports a clock, watermark or random function anywhere in the expression.
func usesClock(e expr.Expr) bool {
	found := false
	WalkExpr(e, func(x expr.Expr) {
		if c, ok := x.(*expr.Call); ok && (clockFns[c.Fn] && (c.Fn != "UNIX_TIMESTAMP" || len(c.Args) == 0) || c.Fn == "RAND" || c.Fn == "RAND_INTEGER" || c.Fn == "UUID") {
			found = true
		}
	})
	return found
}
