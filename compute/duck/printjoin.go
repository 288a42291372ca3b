package duck

import (
	"fmt"
	"strings"

	"github.com/weir-lake/weir/compute/plan"
)

var joinWords = map[plan.JoinKind]string{
	plan.Inner: "JOIN", plan.Left: "LEFT JOIN", plan.Right: "RIGHT JOIN", plan.Full: "FULL JOIN",
	plan.Semi: "SEMI JOIN", plan.Anti: "ANTI JOIN", plan.NullAwareAnti: "ANTI JOIN",
}

func (p *printer) join(n *plan.Join) string {
	if n.Kind == plan.NullAwareAnti {
		p.uses[n.Right]++ // it is looked at twice
	}
	l, r := p.node(n.Left), p.node(n.Right)
	left := len(n.Left.Columns())
	both := func(i int) string {
		if i < left {
			return fmt.Sprintf("l.c%d", i)
		}
		return fmt.Sprintf("r.c%d", i-left)
	}
	conds := p.joinKeys(n)
	if n.Kind == plan.NullAwareAnti {
		return p.notIn(n, l, r, conds, both)
	}
	if n.Residual != nil {
		conds = append(conds, p.expr(both, n.Residual))
	}
	if len(conds) == 0 {
		conds = []string{"TRUE"}
	}
	return fmt.Sprintf("SELECT %s FROM %s l %s %s r ON %s",
		p.columns(list(both, len(n.Columns()))), l, joinWords[n.Kind], r, strings.Join(conds, " AND "))
}

// joinKeys compares the pairs as '=' compares everywhere: a NaN is equal to nothing, not even where NULL is the same as
// NULL. For DuckDB it equals itself; NULL in its place keeps the join one by hash.
func (p *printer) joinKeys(n *plan.Join) []string {
	out := make([]string, 0, len(n.LeftKeys))
	for i := range n.LeftKeys {
		x, y := p.expr(under("l"), n.LeftKeys[i]), p.expr(under("r"), n.RightKeys[i])
		float := isFloat(n.LeftKeys[i].Type())
		switch safe := n.NullSafe != nil && n.NullSafe[i]; {
		case safe && float:
			out = append(out, fmt.Sprintf("%s IS NOT DISTINCT FROM %s AND isnan(%s) IS NOT TRUE", x, y, y))
		case safe:
			out = append(out, fmt.Sprintf("%s IS NOT DISTINCT FROM %s", x, y))
		case float && n.Kind == plan.NullAwareAnti: // where unknown is not FALSE
			out = append(out, compareFloats("=", n.LeftKeys[i], n.RightKeys[i], x, y))
		case float:
			out = append(out, fmt.Sprintf("CASE WHEN isnan(%s) THEN NULL ELSE %s END = %s", x, x, y))
		default:
			out = append(out, fmt.Sprintf("%s = %s", x, y))
		}
	}
	return out
}

// notIn keeps a left row if the comparison is FALSE with every right row: a NULL on
// either side makes it unknown. The usual case, one key, is a hash join and two looks at
// the right side; others compare all pairs.
func (p *printer) notIn(n *plan.Join, l, r string, conds []string, both scope) string {
	cols := p.columns(list(under("l"), len(n.Left.Columns())))
	if n.Residual != nil || len(conds) != 1 {
		all := make([]string, len(conds), len(conds)+1)
		for i, c := range conds {
			all[i] = "(" + c + ") IS NOT FALSE"
		}
		if n.Residual != nil {
			all = append(all, p.expr(both, n.Residual))
		}
		return fmt.Sprintf("SELECT %s FROM %s l ANTI JOIN %s r ON %s", cols, l, r, strings.Join(all, " AND "))
	}
	key, want := p.expr(under("l"), n.LeftKeys[0]), p.expr(under("r"), n.RightKeys[0])
	facts := p.cte(fmt.Sprintf("SELECT count(*) AS n, count(*) FILTER (%s IS NULL) AS nulls FROM %s r", want, r), true)
	return fmt.Sprintf("SELECT %s FROM %s l ANTI JOIN %s r ON %s WHERE (SELECT n FROM %s) = 0 OR (%s IS NOT NULL AND (SELECT nulls FROM %s) = 0)",
		cols, l, r, conds[0], facts, key, facts)
}
