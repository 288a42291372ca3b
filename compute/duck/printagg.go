package duck

import (
	"fmt"
	"strings"

	"github.com/weir-lake/weir/compute/duck/internal/wire"
	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

func (p *printer) aggregate(n *plan.Aggregate) string {
	in := p.node(n.Input)
	groups := p.exprs(single, n.GroupBy)
	// Aggregates are made first and finished above: DuckDB folds no Go function of an
	// aggregate together with grouping sets otherwise.
	exprs := append([]string(nil), groups...)
	for i := range n.Aggs {
		exprs = append(exprs, p.agg(n, &n.Aggs[i], groups))
	}
	text := "SELECT " + p.columns(exprs) + " FROM " + in
	switch {
	case n.Sets != nil:
		text += " GROUP BY GROUPING SETS (" + strings.Join(groupingSets(n.Sets, groups), ", ") + ")"
	case len(groups) > 0:
		text += " GROUP BY " + strings.Join(parenthesised(groups), ", ")
	case len(n.Aggs) == 0:
		text = "SELECT TRUE AS z" // no groups and no aggregates: one row
	}
	return text
}

// parenthesised keeps constants from being read as column numbers.
func parenthesised(list []string) []string {
	out := make([]string, len(list))
	for i, g := range list {
		out[i] = "(" + g + ")"
	}
	return out
}

func groupingSets(sets [][]int, groups []string) []string {
	out := make([]string, len(sets))
	for i, set := range sets {
		cols := make([]string, len(set))
		for j, g := range set {
			cols[j] = "(" + groups[g] + ")"
		}
		out[i] = "(" + strings.Join(cols, ", ") + ")"
	}
	return out
}

// aggParts is what the functions of an aggregate are printed from.
type aggParts struct {
	p      *printer
	a      *plan.AggCall
	args   []string
	types  []schema.Type
	typ    string   // DuckDB type of the result
	order  []string // ORDER BY inside the function
	filter []string // conditions of the FILTER clause
}

// text is fn([DISTINCT] args [ORDER BY ..]) [FILTER (WHERE ..)].
func (x *aggParts) text(fn string, ordered bool, args ...string) string {
	distinct := ""
	if x.a.Distinct {
		distinct = "DISTINCT "
	}
	inner := distinct + strings.Join(args, ", ")
	if ordered && len(x.order) > 0 {
		inner += " ORDER BY " + strings.Join(x.order, ", ")
	}
	out := fn + "(" + inner + ")"
	if len(x.filter) > 0 {
		out += " FILTER (WHERE " + strings.Join(x.filter, " AND ") + ")"
	}
	return out
}

func (p *printer) agg(n *plan.Aggregate, a *plan.AggCall, groups []string) string {
	typ, err := sqlType(a.T)
	p.fail(err)
	x := &aggParts{p: p, a: a, args: p.exprs(single, a.Args), typ: typ}
	for _, e := range a.Args {
		x.types = append(x.types, e.Type())
	}
	if a.Filter != nil {
		x.filter = append(x.filter, p.expr(single, a.Filter))
	}
	x.order = p.sortKeys(single, a.OrderBy)
	if a.Distinct && len(x.args) > 0 && len(a.OrderBy) == 0 {
		x.order = []string{x.args[0] + " ASC NULLS FIRST"} // DuckDB orders distinct values by themselves only
	} else {
		x.order = append(x.order, p.canonical(single, n.Input.Columns())...)
	}
	switch a.Fn {
	case "GROUPING", "GROUPING_ID":
		return x.grouping(n, groups)
	case "SUM", "SUM0":
		return x.sum()
	case "AVG":
		return x.avg()
	case "STDDEV_POP", "STDDEV_SAMP", "VAR_POP", "VAR_SAMP":
		return x.moment()
	default:
		return x.plain()
	}
}

// plain are the functions that need no arithmetic.
func (x *aggParts) plain() string {
	switch x.a.Fn {
	case "COUNT":
		return x.count()
	case "APPROX_COUNT_DISTINCT":
		x.a = &plan.AggCall{Distinct: true}
		return x.text("count", false, x.args[0])
	case "MIN", "MAX":
		return x.text(strings.ToLower(x.a.Fn), false, x.args[0])
	case "FIRST_VALUE", "LAST_VALUE":
		x.filter = append(x.filter, x.args[0]+" IS NOT NULL")
		fn := map[string]string{"FIRST_VALUE": "first", "LAST_VALUE": "last"}[x.a.Fn]
		return x.text(fn, true, x.args[0])
	case "SINGLE_VALUE":
		return fmt.Sprintf("CASE WHEN %s > 1 THEN error('a subquery used as a value returned more than one row') ELSE %s END",
			x.text("count", false, "*"), x.text("first", false, x.args[0]))
	case "LISTAGG":
		sep := "','"
		if len(x.args) > 1 {
			sep = x.args[1]
		}
		return x.text("string_agg", true, x.args[0], sep)
	case "ARRAY_AGG":
		return cast(x.text("list", true, x.args[0]), x.typ)
	case "COLLECT":
		x.filter = append(x.filter, x.args[0]+" IS NOT NULL")
		return cast("COALESCE("+x.text("histogram", false, x.args[0])+", MAP {})", x.typ)
	default:
		x.p.fail(errkind.Errorf(errkind.Invalid, "batch query: the aggregate function %s is not known here", x.a.Fn))
		return ""
	}
}

func (x *aggParts) count() string {
	switch {
	case len(x.args) == 0:
		return x.text("count", false, "*")
	case len(x.args) == 1:
		return x.text("count", false, x.args[0])
	default: // rows in which no argument is NULL
		for _, a := range x.args {
			x.filter = append(x.filter, a+" IS NOT NULL")
		}
		return x.text("count", false, "("+strings.Join(x.args, ", ")+")")
	}
}

func (x *aggParts) grouping(n *plan.Aggregate, groups []string) string {
	if n.Sets == nil {
		return cast("0", x.typ)
	}
	args := x.args
	if len(args) == 0 {
		args = groups
	}
	return cast("GROUPING("+strings.Join(parenthesised(args), ", ")+")", x.typ)
}

// sum keeps the argument's type: integers wrap, a DECIMAL has 38 digits, floating numbers are exact on demand.
func (x *aggParts) sum() string {
	t := x.types[0]
	var out string
	switch {
	case t.IsInteger():
		out = wrap(cast(x.text("sum", false, x.args[0]), "HUGEINT"), x.a.T)
		if x.a.T.Kind != schema.BigInt {
			out = wrap("CAST("+x.text("sum", false, x.args[0])+" % 4294967296::HUGEINT AS BIGINT)", x.a.T)
		}
	case isFloat(t):
		out = cast(x.float("sum"), x.typ)
	default:
		out = cast(x.decimalSum(), x.typ)
	}
	if x.a.Fn == "SUM0" {
		return "COALESCE(" + out + ", " + cast("0", x.typ) + ")"
	}
	return out
}

// safeDigits of a DECIMAL leave ten more for the sum, and so room for 10^10 rows.
const safeDigits = decimalMax - 10

// decimalSum is the sum as DECIMAL(38, s). DuckDB's own raises an error where there are more
// digits; the language has NULL.
func (x *aggParts) decimalSum() string {
	t := x.types[0]
	if t.Precision <= safeDigits {
		return x.text("sum", false, x.args[0])
	}
	wide := schema.TDecimal(decimalMax, t.Scale)
	typ, _ := sqlType(wide)
	return x.text(x.p.name(UDF{Kind: wire.DecimalSumUDF, Args: []schema.Type{wide}, Result: wide}), false, cast(x.args[0], typ))
}

// float is SUM or AVG of floating numbers: the worker's own aggregate if the result must
// not depend on the order of rows, else DuckDB's.
func (x *aggParts) float(fn string) string {
	if x.p.opts.Exact {
		fn = "weir_" + fn
	}
	return x.text(fn, false, cast(x.args[0], "DOUBLE"))
}

// avg of integers is truncated, that of a DECIMAL is rounded to the result's scale.
func (x *aggParts) avg() string {
	t := x.types[0]
	count := x.text("count", false, x.args[0])
	switch {
	case t.IsInteger():
		sum := cast(x.text("sum", false, x.args[0]), "HUGEINT")
		return cast(wrap(sum, schema.TBigInt)+" // nullif("+count+", 0)", x.typ)
	case isFloat(t):
		return cast(x.float("avg"), x.typ)
	default:
		wide := schema.TDecimal(decimalMax, t.Scale)
		wideText, _ := sqlType(wide)
		u := UDF{Kind: wire.DecimalAvgUDF, Args: []schema.Type{wide, schema.TBigInt}, Result: x.a.T.WithNotNull(false)}
		return x.p.call(u, []string{cast(x.decimalSum(), wideText), count})
	}
}

var momentKinds = map[string]wire.UDFKind{
	"STDDEV_POP": wire.StddevPopUDF, "STDDEV_SAMP": wire.StddevSampUDF, "VAR_POP": wire.VarPopUDF, "VAR_SAMP": wire.VarSampUDF,
}

// moment is a variance or deviation in DOUBLE, cast to the result's type in Go.
func (x *aggParts) moment() string {
	value := cast(x.args[0], "DOUBLE")
	text := x.text(strings.ToLower(x.a.Fn), false, value)
	if x.p.opts.Exact {
		u := UDF{Kind: momentKinds[x.a.Fn], Args: []schema.Type{schema.TArray(schema.TDouble)}, Result: schema.TDouble}
		text = x.p.call(u, []string{x.text("list", false, value)})
	}
	if x.a.T.Kind == schema.Double {
		return text
	}
	to := &expr.Call{Fn: "CAST", Args: []expr.Expr{&expr.Column{T: schema.TDouble}}, T: x.a.T.WithNotNull(false)}
	return x.p.expr(func(int) string { return text }, to)
}
