package duck

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/table/schema"
)

// proofs is the table of functions that DuckDB computes as compute/expr does, type by
// type and with the rewrite that makes it so. The differential test runs every
// entry against the Go code; a function without an entry runs as that Go code.
func proofs() map[string]proof {
	m := map[string]proof{
		"AND": logic, "OR": logic, "NOT": wrapped("(NOT %s)"),
		"IS_NULL": wrapped("(%s IS NULL)"), "IS_NOT_NULL": wrapped("(%s IS NOT NULL)"),
		"IS_TRUE": wrapped("(%s IS NOT DISTINCT FROM TRUE)"), "IS_NOT_TRUE": wrapped("(%s IS DISTINCT FROM TRUE)"),
		"IS_FALSE": wrapped("(%s IS NOT DISTINCT FROM FALSE)"), "IS_NOT_FALSE": wrapped("(%s IS DISTINCT FROM FALSE)"),
		"IS_DISTINCT_FROM": distinctness("IS DISTINCT FROM"), "IS_NOT_DISTINCT_FROM": distinctness("IS NOT DISTINCT FROM"),
		"IN": membership, "CASE": caseWhen, "IF": caseWhen, "COALESCE": coalesce, "IFNULL": coalesce, "NULLIF": nullIf,
		"+": plus, "-": minus, "*": times, "/": divide, "%": modulo, "NEG": negate,
		"CAST": provedCast, "TRY_CAST": provedCast, "FIELD": field,
		"||": concat, "CONCAT": concat, "LIKE": like, "REPLACE": replace,
		"STARTSWITH": onText("starts_with(%s, %s)"), "ENDSWITH": onText("ends_with(%s, %s)"),
		"MD5": onText("md5(%s)"), "SHA1": onText("sha1(%s)"), "SHA256": onText("sha256(%s)"),
		"EXTRACT": extract, "FLOOR": floor, "CEIL": onDouble("ceil(%s)"), "ABS": onDouble("abs(%s)"),
	}
	for _, op := range []string{"=", "<>", "<", "<=", ">", ">="} {
		m[op] = compare
	}
	for fn, unit := range map[string]string{
		"YEAR": "YEAR", "QUARTER": "QUARTER", "MONTH": "MONTH", "WEEK": "WEEK", "DAYOFYEAR": "DOY",
		"DAYOFMONTH": "DAY", "HOUR": "HOUR", "MINUTE": "MINUTE", "SECOND": "SECOND",
	} {
		m[fn] = func(p *printer, s scope, c *expr.Call) (string, bool) { return p.part(s, unit, c.Args[0]) }
	}
	return m
}

// wrapped fills the arguments into a format; any type will do.
func wrapped(format string) proof {
	return func(p *printer, s scope, c *expr.Call) (string, bool) {
		return fill(format, p.exprs(s, c.Args)), true
	}
}

func fill(format string, args []string) string {
	list := make([]any, len(args))
	for i, a := range args {
		list[i] = a
	}
	return fmt.Sprintf(format, list...)
}

// ifArgs is wrapped for calls with as many arguments as the format has places, all ok.
func ifArgs(format string, ok func(schema.Type) bool) proof {
	return func(p *printer, s scope, c *expr.Call) (string, bool) {
		if len(c.Args) != strings.Count(format, "%s") {
			return "", false
		}
		for _, a := range c.Args {
			if !ok(a.Type()) {
				return "", false
			}
		}
		return fill(format, p.exprs(s, c.Args)), true
	}
}

func onText(format string) proof { return ifArgs(format, schema.Type.IsString) }

func onDouble(format string) proof {
	return ifArgs(format, func(t schema.Type) bool { return t.Kind == schema.Double })
}

// plainOrder are types whose values DuckDB compares as Go does: without NaN and
// without the NULLs inside nested values.
func plainOrder(t schema.Type) bool {
	switch t.Kind {
	case schema.Array, schema.Map, schema.Multiset, schema.Row, schema.Variant, schema.Float, schema.Double, schema.Null:
		return false
	default:
		return true
	}
}

func isFloat(t schema.Type) bool { return t.Kind == schema.Float || t.Kind == schema.Double }

// comparable reports that two arguments are compared without a conversion by DuckDB.
func comparable(a, b schema.Type) bool {
	x, errX := sqlType(a)
	y, errY := sqlType(b)
	return errX == nil && errY == nil && (x == y || a.Kind == schema.Decimal && b.Kind == schema.Decimal && a.Scale == b.Scale)
}

func compare(p *printer, s scope, c *expr.Call) (string, bool) {
	a, b := c.Args[0], c.Args[1]
	if !comparable(a.Type(), b.Type()) {
		return "", false
	}
	if isFloat(a.Type()) {
		return compareFloats(c.Fn, a, b, p.expr(s, a), p.expr(s, b)), true
	}
	if !plainOrder(a.Type()) {
		return "", false
	}
	return fmt.Sprintf("(%s %s %s)", p.expr(s, a), c.Fn, p.expr(s, b)), true
}

// compareFloats makes NaN unequal to everything and neither less nor greater; for DuckDB
// it equals itself and is above everything. The guards keep NULL where an argument is NULL.
func compareFloats(op string, a, b expr.Expr, x, y string) string {
	text := fmt.Sprintf("(%s %s %s)", x, op, y)
	constA, constB := isNumber(a), isNumber(b)
	guard := func(nan, other string, constant bool) string {
		if constant {
			return fmt.Sprintf("(%s AND NOT isnan(%s))", text, nan)
		}
		return fmt.Sprintf("(%s AND NOT (isnan(%s) AND %s IS NOT NULL))", text, nan, other)
	}
	switch op {
	case "=":
		if constA || constB {
			return text
		}
		return fmt.Sprintf("(%s AND NOT (isnan(%s) AND isnan(%s)))", text, x, y)
	case "<>":
		if constA || constB {
			return text
		}
		return fmt.Sprintf("(%s OR (isnan(%s) AND isnan(%s)))", text, x, y)
	case "<", "<=":
		if constB {
			return text // NaN, being above, is not less
		}
		return guard(y, x, constA)
	default:
		if constA {
			return text
		}
		return guard(x, y, constB)
	}
}

// isNumber reports a constant that is neither NULL nor NaN.
func isNumber(e expr.Expr) bool {
	l, ok := e.(*expr.Literal)
	if !ok {
		return false
	}
	v, ok := l.Value.(float64)
	return ok && !math.IsNaN(v)
}

func distinctness(op string) proof {
	return func(p *printer, s scope, c *expr.Call) (string, bool) {
		a, b := c.Args[0].Type(), c.Args[1].Type()
		if !comparable(a, b) || !plainOrder(a) {
			return "", false
		}
		return fmt.Sprintf("(%s %s %s)", p.expr(s, c.Args[0]), op, p.expr(s, c.Args[1])), true
	}
}

func membership(p *printer, s scope, c *expr.Call) (string, bool) {
	for _, a := range c.Args {
		if !plainOrder(a.Type()) || !comparable(c.Args[0].Type(), a.Type()) {
			return "", false
		}
	}
	args := p.exprs(s, c.Args)
	return "(" + args[0] + " IN (" + strings.Join(args[1:], ", ") + "))", true
}

// logic keeps an argument that can fail from rows for which those before it decide.
func logic(p *printer, s scope, c *expr.Call) (string, bool) {
	text := p.expr(s, c.Args[0])
	decided, skip := "FALSE", "TRUE"
	if c.Fn == "OR" {
		decided, skip = "TRUE", "FALSE"
	}
	for _, a := range c.Args[1:] {
		next := p.expr(s, a)
		if p.mayFail(a) {
			next = fmt.Sprintf("(CASE WHEN %s IS NOT DISTINCT FROM %s THEN %s ELSE %s END)", text, decided, skip, next)
		}
		text = fmt.Sprintf("(%s %s %s)", text, c.Fn, next)
	}
	return text, true
}

// neverFails are proved functions whose DuckDB text raises no error for any values.
var neverFails = map[string]bool{
	"AND": true, "OR": true, "NOT": true, "IS_NULL": true, "IS_NOT_NULL": true, "IS_TRUE": true, "IS_NOT_TRUE": true,
	"IS_FALSE": true, "IS_NOT_FALSE": true, "IS_DISTINCT_FROM": true, "IS_NOT_DISTINCT_FROM": true, "IN": true,
	"CASE": true, "IF": true, "COALESCE": true, "IFNULL": true, "NULLIF": true, "+": true, "-": true, "*": true, "NEG": true,
	"||": true, "CONCAT": true, "LIKE": true, "FIELD": true, "EXTRACT": true, "YEAR": true, "MONTH": true, "DAYOFMONTH": true, "HOUR": true,
	"=": true, "<>": true, "<": true, "<=": true, ">": true, ">=": true, "STARTSWITH": true, "ENDSWITH": true,
}

func (p *printer) mayFail(e expr.Expr) bool {
	c, ok := e.(*expr.Call)
	if !ok {
		return false
	}
	if !neverFails[c.Fn] || !c.T.IsNumeric() && (c.Fn == "+" || c.Fn == "-") {
		return true
	}
	for _, a := range c.Args {
		if p.mayFail(a) {
			return true
		}
	}
	return false
}

// caseWhen is CASE and IF: DuckDB too evaluates a branch only for its rows.
func caseWhen(p *printer, s scope, c *expr.Call) (string, bool) {
	t, err := sqlType(c.T)
	if err != nil {
		return "", false
	}
	var b strings.Builder
	b.WriteString("CASE")
	last := len(c.Args) - 1
	for i := 0; i < last; i += 2 {
		fmt.Fprintf(&b, " WHEN %s THEN %s", p.expr(s, c.Args[i]), p.expr(s, c.Args[i+1]))
	}
	fmt.Fprintf(&b, " ELSE %s END", p.expr(s, c.Args[last]))
	return cast(b.String(), t), true
}

func coalesce(p *printer, s scope, c *expr.Call) (string, bool) {
	t, err := sqlType(c.T)
	if err != nil {
		return "", false
	}
	return cast("COALESCE("+strings.Join(p.exprs(s, c.Args), ", ")+")", t), true
}

func nullIf(p *printer, s scope, c *expr.Call) (string, bool) {
	eq, ok := compare(p, s, &expr.Call{Fn: "=", Args: c.Args, T: schema.TBoolean})
	t, err := sqlType(c.T)
	if !ok || err != nil {
		return "", false
	}
	return fmt.Sprintf("CASE WHEN %s THEN %s ELSE %s END", eq, cast("NULL", t), p.expr(s, c.Args[0])), true
}

// field is FIELD(row, index) by name: DuckDB's positions are for rows without names only.
func field(p *printer, s scope, c *expr.Call) (string, bool) {
	i, ok := c.Args[1].(*expr.Literal)
	row := c.Args[0].Type()
	if !ok || row.Kind != schema.Row {
		return "", false
	}
	n, ok := i.Value.(int64)
	if !ok || n < 0 || int(n) >= len(row.Fields) {
		return "", false
	}
	return fmt.Sprintf("struct_extract(%s, %s)", p.expr(s, c.Args[0]), quoteText(row.Fields[n].Name)), true
}

func concat(p *printer, s scope, c *expr.Call) (string, bool) {
	for _, a := range c.Args {
		if !a.Type().IsString() {
			return "", false
		}
	}
	if len(c.Args) == 0 {
		return "", false
	}
	return "(" + strings.Join(p.exprs(s, c.Args), " || ") + ")", true
}

// like is proved for constant patterns of plain ASCII and %: an underscore stands for a UTF-16
// unit in the language but for a character in DuckDB, and a backslash may escape.
func like(p *printer, s scope, c *expr.Call) (string, bool) {
	if len(c.Args) != 2 {
		return "", false
	}
	l, ok := c.Args[1].(*expr.Literal)
	if !ok {
		return "", false
	}
	pattern, ok := l.Value.(string)
	if !ok || strings.ContainsAny(pattern, "_\\\x00") {
		return "", false
	}
	return fmt.Sprintf("(%s LIKE %s)", p.expr(s, c.Args[0]), quoteText(pattern)), true
}

// replace is proved for a constant search text that is not empty.
func replace(p *printer, s scope, c *expr.Call) (string, bool) {
	l, ok := c.Args[1].(*expr.Literal)
	if !ok {
		return "", false
	}
	if text, ok := l.Value.(string); !ok || text == "" || !utf8.ValidString(text) {
		return "", false
	}
	return fill("replace(%s, %s, %s)", p.exprs(s, c.Args)), true
}
