package expr

import (
	"slices"
	"strings"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

// aggregate is one row of the table of aggregate and window functions. Evaluation is
// the stream engine's and DuckDB's; the types are decided here.
type aggregate struct {
	sig        string
	aliases    []string
	ret        func(args []schema.Type) (schema.Type, bool) // nil: what sig says
	windowOnly bool                                         // needs OVER
	noDistinct bool

	name       string
	signatures []signature
}

var aggregates = indexAggregates([]aggregate{
	{sig: "COUNT() BIGINT | COUNT(ANY...) BIGINT"},
	{sig: "APPROX_COUNT_DISTINCT(ANY) BIGINT"},
	{sig: "SUM(NUMERIC) -", ret: sumType},
	{sig: "SUM0(NUMERIC) -", ret: sum0Type, aliases: []string{"$SUM0"}},
	{sig: "AVG(NUMERIC) -", ret: avgType},
	{sig: "MIN(ANY) -", ret: extremeType},
	{sig: "MAX(ANY) -", ret: extremeType},
	{sig: "SINGLE_VALUE(ANY) -", ret: arg0Type, noDistinct: true},
	{sig: "FIRST_VALUE(ANY) -", ret: arg0Type},
	{sig: "LAST_VALUE(ANY) -", ret: arg0Type},
	{sig: "LISTAGG(STRING [, STRING]) STRING?"},
	{sig: "COLLECT(ANY) -", ret: collectType},
	{sig: "ARRAY_AGG(ANY) -", ret: arrayAggType},
	{sig: "STDDEV_POP(NUMERIC) -", ret: avgType},
	{sig: "STDDEV_SAMP(NUMERIC) -", ret: avgType, aliases: []string{"STDDEV"}},
	{sig: "VAR_POP(NUMERIC) -", ret: avgType},
	{sig: "VAR_SAMP(NUMERIC) -", ret: avgType, aliases: []string{"VARIANCE"}},
	{sig: "ROW_NUMBER() BIGINT", windowOnly: true},
	{sig: "RANK() BIGINT", windowOnly: true},
	{sig: "DENSE_RANK() BIGINT", windowOnly: true},
	{sig: "PERCENT_RANK() DOUBLE", windowOnly: true},
	{sig: "CUME_DIST() DOUBLE", windowOnly: true},
	{sig: "NTILE(INTEGER) BIGINT", windowOnly: true},
	{sig: "LAG(ANY [, INTEGER, ANY]) -", ret: shiftType, windowOnly: true},
	{sig: "LEAD(ANY [, INTEGER, ANY]) -", ret: shiftType, windowOnly: true},
})

func indexAggregates(list []aggregate) map[string]*aggregate {
	out := map[string]*aggregate{}
	for i := range list {
		a := &list[i]
		a.signatures = parseSignatures(a.sig)
		a.name = a.signatures[0].name
		for _, name := range append([]string{a.name}, a.aliases...) {
			out[name] = a
		}
	}
	return out
}

// IsAggregate reports whether name (in any case) is an aggregate or window function.
func IsAggregate(name string) bool { return aggregates[strings.ToUpper(name)] != nil }

// IsWindowOnly reports whether name is a function that needs an OVER clause.
func IsWindowOnly(name string) bool {
	a := aggregates[strings.ToUpper(name)]
	return a != nil && a.windowOnly
}

// Aggregates lists the canonical names of the aggregate and window functions, sorted.
func Aggregates() []string {
	var out []string
	for name, a := range aggregates {
		if name == a.name {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// LookupAgg finds the aggregate or window function called name for the argument types.
// COUNT(*) has no arguments. A result is nullable unless the function says otherwise
// (COUNT, ROW_NUMBER, ...). Errors are of kind Invalid, as from Lookup.
func LookupAgg(name string, args []schema.Type, distinct bool) (Resolved, error) {
	a := aggregates[strings.ToUpper(name)]
	if a == nil {
		names := make([]string, 0, len(aggregates))
		for n := range aggregates {
			names = append(names, n)
		}
		return Resolved{}, unknownFunction(name, names)
	}
	if distinct && (a.windowOnly || a.noDistinct || len(args) == 0) {
		return Resolved{}, errkind.Errorf(errkind.Invalid, "%s cannot be applied with DISTINCT", a.name)
	}
	for i := range a.signatures {
		s := &a.signatures[i]
		want, ok := s.match(args)
		if !ok {
			continue
		}
		if a.ret == nil {
			return Resolved{Fn: a.name, Ret: s.result(want, args, true), ArgTypes: want}, nil
		}
		if ret, ok := a.ret(want); ok {
			return Resolved{Fn: a.name, Ret: ret, ArgTypes: want}, nil
		}
	}
	return Resolved{}, misfit(a.name, args, a.sig)
}

func arg0Type(args []schema.Type) (schema.Type, bool) { return args[0].WithNotNull(false), true }

// sumType keeps integers and floats; a DECIMAL sum has 38 digits.
func sumType(args []schema.Type) (schema.Type, bool) {
	t := args[0]
	if t.Kind == schema.Decimal {
		t = schema.TDecimal(decimalPrecisionMax, t.Scale)
	}
	return t.WithNotNull(false), true
}

func sum0Type(args []schema.Type) (schema.Type, bool) {
	t, ok := sumType(args)
	return t.WithNotNull(true), ok
}

// avgType keeps integers (the average is truncated) and floats; a DECIMAL average has
// at least six fraction digits. Flink types variance and deviation the same way.
func avgType(args []schema.Type) (schema.Type, bool) {
	t := args[0]
	if t.Kind == schema.Decimal {
		t = adjustDecimal(decimalPrecisionMax-t.Scale+max(6, t.Scale+21), max(6, t.Scale+21))
	}
	return t.WithNotNull(false), true
}

func extremeType(args []schema.Type) (schema.Type, bool) {
	return args[0].WithNotNull(false), hasOrder(args[0])
}

func collectType(args []schema.Type) (schema.Type, bool) {
	e := args[0]
	return schema.Type{Kind: schema.Multiset, Elem: &e}, true
}

func arrayAggType(args []schema.Type) (schema.Type, bool) { return schema.TArray(args[0]), true }

// shiftType is LAG's and LEAD's: nullable unless a default that is not NULL is given.
func shiftType(args []schema.Type) (schema.Type, bool) {
	t := args[0].WithNotNull(false)
	if len(args) < 3 {
		return t, true
	}
	c, ok := CommonType(args[0], args[2])
	return c, ok && c.SameRoot(args[0])
}
