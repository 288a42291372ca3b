package duck

import (
	"fmt"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/table/schema"
)

// wallTime reports types whose calendar fields do not depend on a zone and which
// DuckDB's calendar functions take without loss.
func wallTime(t schema.Type) bool {
	return t.Kind == schema.Date || t.Kind == schema.Timestamp && t.Precision <= 6
}

// partFunctions are DuckDB's functions of calendar fields; WEEK is ISO 8601's.
var partFunctions = map[string]string{
	"YEAR": "year", "QUARTER": "quarter", "MONTH": "month", "WEEK": "week", "DAY": "day", "DOY": "dayofyear",
	"HOUR": "hour", "MINUTE": "minute", "SECOND": "second",
}

var timeOfDay = map[string]bool{"HOUR": true, "MINUTE": true, "SECOND": true}

func symbol(e expr.Expr) string {
	if l, ok := e.(*expr.Literal); ok {
		s, _ := l.Value.(string)
		return s
	}
	return ""
}

func extract(p *printer, s scope, c *expr.Call) (string, bool) {
	return p.part(s, symbol(c.Args[0]), c.Args[1])
}

// part is a calendar field of x as BIGINT.
func (p *printer) part(s scope, unit string, x expr.Expr) (string, bool) {
	f, ok := partFunctions[unit]
	t := x.Type()
	if !ok || !wallTime(t) || t.Kind == schema.Date && timeOfDay[unit] {
		return "", false
	}
	text := p.expr(s, x)
	if t.Kind == schema.Timestamp {
		text = cast(text, "TIMESTAMP")
	}
	return cast(f+"("+text+")", "BIGINT"), true
}

var floorUnits = map[string]string{
	"YEAR": "year", "QUARTER": "quarter", "MONTH": "month", "DAY": "day", "HOUR": "hour", "MINUTE": "minute", "SECOND": "second",
}

// floor is FLOOR of a DOUBLE, and FLOOR(x, unit) of wall time.
func floor(p *printer, s scope, c *expr.Call) (string, bool) {
	if len(c.Args) == 1 {
		return onDouble("floor(%s)")(p, s, c)
	}
	unit, ok := floorUnits[symbol(c.Args[1])]
	t := c.Args[0].Type()
	if !ok || !wallTime(t) || t.Kind == schema.Date && timeOfDay[symbol(c.Args[1])] {
		return "", false
	}
	typ, _ := sqlType(t)
	text := p.expr(s, c.Args[0])
	if t.Kind == schema.Timestamp {
		text = cast(text, "TIMESTAMP")
	}
	return cast(fmt.Sprintf("date_trunc('%s', %s)", unit, text), typ), true
}

// shift is a timestamp plus or minus an interval of milliseconds.
func (p *printer) shift(s scope, c *expr.Call, op string) (string, bool) {
	ts, by := c.Args[0], c.Args[1]
	if op == "+" && by.Type().IsTimestamp() {
		ts, by = by, ts
	}
	t := ts.Type()
	if !t.IsTimestamp() || by.Type().Kind != schema.IntervalDayTime || t.Precision > 6 {
		return "", false
	}
	n := p.expr(s, by)
	if timestampType(t.Precision) == "TIMESTAMP" {
		n = "(" + n + ") * 1000"
	}
	return timestampOf(ticksOf(p.expr(s, ts), t)+" "+op+" "+n, t), true
}
