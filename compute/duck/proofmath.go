package duck

import (
	"fmt"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/table/schema"
)

// intBits are the widths of the integer types. DuckDB refuses to overflow where the language
// wraps, so sums and products are made in a wider type and cut.
var intBits = map[schema.Kind]int{schema.TinyInt: 8, schema.SmallInt: 16, schema.Int: 32, schema.BigInt: 64}

// intDigits are the decimal digits an integer type may need.
var intDigits = map[schema.Kind]int{schema.TinyInt: 3, schema.SmallInt: 5, schema.Int: 10, schema.BigInt: 19}

// wide is an integer text in a type in which no sum or product of two of t overflows.
func wide(text string, t schema.Type) string {
	if t.Kind == schema.BigInt {
		return cast(text, "HUGEINT")
	}
	return cast(text, "BIGINT")
}

// wrap cuts a wide integer to t as two's complement.
func wrap(text string, t schema.Type) string {
	typ, _ := sqlType(t) // integers have one
	switch intBits[t.Kind] {
	case 8:
		return fmt.Sprintf("CAST(((%s + 128) & 255) - 128 AS %s)", text, typ)
	case 16:
		return fmt.Sprintf("CAST(((%s + 32768) & 65535) - 32768 AS %s)", text, typ)
	case 32:
		return fmt.Sprintf("CAST(((%s + 2147483648) & 4294967295) - 2147483648 AS %s)", text, typ)
	default:
		return fmt.Sprintf("CAST(((%s + 9223372036854775808::HUGEINT) & 18446744073709551615::HUGEINT) - 9223372036854775808::HUGEINT AS %s)", text, typ)
	}
}

// sameNumbers reports arguments of the result's own integer or floating type.
func sameNumbers(c *expr.Call) bool {
	for _, a := range c.Args {
		if a.Type().Kind != c.T.Kind {
			return false
		}
	}
	return c.T.IsInteger() || isFloat(c.T)
}

func plus(p *printer, s scope, c *expr.Call) (string, bool) {
	if ts, ok := p.shift(s, c, "+"); ok {
		return ts, true
	}
	return p.sum(s, c)
}

func minus(p *printer, s scope, c *expr.Call) (string, bool) {
	if ts, ok := p.shift(s, c, "-"); ok {
		return ts, true
	}
	a, b := c.Args[0].Type(), c.Args[1].Type()
	if c.T.Kind == schema.IntervalDayTime && a.IsTimestamp() && b.Kind == a.Kind && a.Precision <= 3 && b.Precision <= 3 {
		return fmt.Sprintf("(epoch_ms(%s) - epoch_ms(%s))", p.expr(s, c.Args[0]), p.expr(s, c.Args[1])), true
	}
	return p.sum(s, c)
}

// sum is + and - of numbers.
func (p *printer) sum(s scope, c *expr.Call) (string, bool) {
	a, b := c.Args[0].Type(), c.Args[1].Type()
	switch {
	case sameNumbers(c) && c.T.IsInteger():
		x, y := wide(p.expr(s, c.Args[0]), a), wide(p.expr(s, c.Args[1]), b)
		return wrap("("+x+" "+c.Fn+" "+y+")", c.T), true
	case sameNumbers(c):
		return fmt.Sprintf("(%s %s %s)", p.expr(s, c.Args[0]), c.Fn, p.expr(s, c.Args[1])), true
	case exactDecimals(a, b, c.T) && c.T.Scale >= max(a.Scale, b.Scale) && c.T.Precision-c.T.Scale > max(a.Precision-a.Scale, b.Precision-b.Scale):
		t, _ := sqlType(c.T)
		return cast(fmt.Sprintf("%s %s %s", cast(p.expr(s, c.Args[0]), t), c.Fn, cast(p.expr(s, c.Args[1]), t)), t), true
	default:
		return "", false
	}
}

const (
	decimalMax  = 38 // the largest precision of a DECIMAL
	int64Digits = 18 // the most digits of a DECIMAL that DuckDB keeps in 64 bits
)

// exactDecimals reports a DECIMAL operation whose result type has room for every result. One
// digit less than DuckDB's limit leaves its own intermediate type that room too.
func exactDecimals(a, b, t schema.Type) bool {
	return a.Kind == schema.Decimal && b.Kind == schema.Decimal && t.Kind == schema.Decimal && t.Precision < decimalMax
}

func times(p *printer, s scope, c *expr.Call) (string, bool) {
	a, b := c.Args[0].Type(), c.Args[1].Type()
	switch {
	case sameNumbers(c) && c.T.IsInteger():
		return wrap("("+wide(p.expr(s, c.Args[0]), a)+" * "+wide(p.expr(s, c.Args[1]), b)+")", c.T), true
	case sameNumbers(c):
		return fmt.Sprintf("(%s * %s)", p.expr(s, c.Args[0]), p.expr(s, c.Args[1])), true
	case exactDecimals(a, b, c.T) && c.T.Scale == a.Scale+b.Scale && c.T.Precision >= a.Precision+b.Precision:
		t, _ := sqlType(c.T)
		// DuckDB keeps a product of short decimals in 64 bits unless one has more digits.
		x := schema.TDecimal(max(a.Precision, int64Digits+1), a.Scale)
		xt, _ := sqlType(x)
		return cast(fmt.Sprintf("%s * %s", cast(p.expr(s, c.Args[0]), xt), p.expr(s, c.Args[1])), t), true
	default:
		return "", false
	}
}

// nonZero reports a constant divisor that needs no check, and for which the
// smallest integer cannot overflow.
func nonZero(e expr.Expr) bool {
	l, ok := e.(*expr.Literal)
	if !ok {
		return false
	}
	v, ok := l.Value.(int64)
	return ok && v != 0 && v != -1
}

func divide(p *printer, s scope, c *expr.Call) (string, bool) {
	return p.quotient(s, c, "//")
}

func modulo(p *printer, s scope, c *expr.Call) (string, bool) {
	if isFloat(c.T) {
		return "", false
	}
	return p.quotient(s, c, "%")
}

// quotient is / and % of integers and / of floating numbers.
func (p *printer) quotient(s scope, c *expr.Call, op string) (string, bool) {
	if !sameNumbers(c) {
		return "", false
	}
	x, y := p.expr(s, c.Args[0]), p.expr(s, c.Args[1])
	if isFloat(c.T) {
		return fmt.Sprintf("(%s / %s)", x, y), true
	}
	if nonZero(c.Args[1]) {
		t, _ := sqlType(c.T)
		return cast(x+" "+op+" "+y, t), true
	}
	return fmt.Sprintf("CASE WHEN %s = 0 AND %s IS NOT NULL THEN error('%s: division by zero') ELSE %s END",
		y, x, c.Fn, wrap("("+wide(x, c.T)+" "+op+" "+wide(y, c.T)+")", c.T)), true
}

func negate(p *printer, s scope, c *expr.Call) (string, bool) {
	x := p.expr(s, c.Args[0])
	switch {
	case c.T.IsInteger():
		return wrap("(-"+wide(x, c.T)+")", c.T), true
	case isFloat(c.T), c.T.Kind == schema.Decimal:
		return "(-" + x + ")", true
	default:
		return "", false
	}
}

// provedCast covers conversions that lose nothing and cannot fail, and cuts a timestamp to its date.
func provedCast(p *printer, s scope, c *expr.Call) (string, bool) {
	from, to := c.Args[0].Type(), c.T
	typ, err := sqlType(to)
	if err != nil {
		return "", false
	}
	if from.SameRoot(to) {
		return p.expr(s, c.Args[0]), true
	}
	switch castHow(from, to, p.zoneUTC) {
	case castSame:
		return p.expr(s, c.Args[0]), true
	case castDuck:
		return cast(p.expr(s, c.Args[0]), typ), true
	default:
		return "", false
	}
}

type castMode uint8

const (
	castInGo castMode = iota
	castSame          // the value is the same in DuckDB
	castDuck          // DuckDB's CAST means the same
)

func castHow(from, to schema.Type, zoneUTC bool) castMode {
	switch {
	case from.Kind == schema.Null:
		return castDuck
	case from.IsInteger() && to.IsInteger():
		return when(castDuck, intBits[from.Kind] <= intBits[to.Kind])
	case from.IsInteger() && isFloat(to), from.Kind == schema.Float && to.Kind == schema.Double:
		return castDuck
	case from.IsInteger() && to.Kind == schema.Decimal:
		return when(castDuck, to.Precision-to.Scale >= intDigits[from.Kind])
	case from.Kind == schema.Decimal && to.Kind == schema.Decimal:
		return when(castDuck, to.Scale >= from.Scale && to.Precision-to.Scale >= from.Precision-from.Scale)
	case from.IsInteger() && isText(to):
		return castDuck
	case from.Kind == schema.VarChar && to.Kind == schema.VarChar:
		return when(castSame, to.Length >= from.Length)
	case from.Kind == schema.VarBinary && to.Kind == schema.VarBinary:
		return when(castSame, to.Length >= from.Length)
	case from.Kind == schema.Date && to.Kind == schema.Timestamp:
		return when(castDuck, to.Precision <= 6)
	case from.Kind == schema.Timestamp && to.Kind == schema.Date:
		return when(castDuck, from.Precision <= 6)
	case from.IsTimestamp() && to.IsTimestamp() && (from.Kind == to.Kind || zoneUTC):
		return castTimestamp(from, to)
	default:
		return castInGo
	}
}

func castTimestamp(from, to schema.Type) castMode {
	switch {
	case to.Precision < from.Precision:
		return castInGo
	case timestampType(from.Precision) == timestampType(to.Precision):
		return castSame
	default:
		return when(castDuck, to.Precision <= 6)
	}
}

func when(m castMode, ok bool) castMode {
	if ok {
		return m
	}
	return castInGo
}

// isText is STRING: a VARCHAR without a length to cut at.
func isText(t schema.Type) bool { return t.Kind == schema.VarChar && t.Length == schema.MaxLength }
