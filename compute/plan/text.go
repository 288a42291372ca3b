package plan

import (
	"fmt"
	"strings"

	"github.com/weir-lake/weir/compute/expr"
)

// SortText is the order as EXPLAIN shows it.
func SortText(keys []SortKey) string {
	parts := make([]string, len(keys))
	for i, k := range keys {
		parts[i] = k.Expr.String()
		if k.Desc {
			parts[i] += " DESC"
		}
		if k.NullsFirst == k.Desc { // not Flink's default
			parts[i] += map[bool]string{true: " NULLS FIRST", false: " NULLS LAST"}[k.NullsFirst]
		}
	}
	return strings.Join(parts, ", ")
}

// String is the aggregate as EXPLAIN shows it.
func (a AggCall) String() string {
	var b strings.Builder
	b.WriteString(a.Fn + "(")
	if a.Distinct {
		b.WriteString("DISTINCT ")
	}
	if a.Fn == "COUNT" && len(a.Args) == 0 {
		b.WriteString("*")
	}
	b.WriteString(exprList(a.Args))
	if len(a.OrderBy) > 0 {
		b.WriteString(" ORDER BY " + SortText(a.OrderBy))
	}
	b.WriteString(")")
	if a.Filter != nil {
		b.WriteString(" FILTER " + a.Filter.String())
	}
	return b.String()
}

// String is the window function as EXPLAIN shows it.
func (c OverCall) String() string {
	s := c.Fn + "(" + exprList(c.Args) + ")"
	if !c.Rows && c.Lower == nil && c.Upper == nil {
		return s
	}
	kind := "RANGE"
	if c.Rows {
		kind = "ROWS"
	}
	return s + " " + kind + " " + boundText(c.Lower, "UNBOUNDED PRECEDING") + ".." + boundText(c.Upper, "UNBOUNDED FOLLOWING")
}

func boundText(v *int64, unbounded string) string {
	switch {
	case v == nil:
		return unbounded
	case *v == 0:
		return "CURRENT ROW"
	default:
		return fmt.Sprintf("%+d", *v)
	}
}

func exprList(es []expr.Expr) string {
	parts := make([]string, len(es))
	for i, e := range es {
		parts[i] = e.String()
	}
	return strings.Join(parts, ", ")
}
