package plan

import (
	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/table/schema"
)

// clockCondition reads a comparison of the clock with an expression over the row as the
// span of time in which the row passes:
//
//	ts > clock - i  is  clock < ts + i
//
// The clock has milliseconds, so its bounds that are not strict as ClockFilter has them
// become the next millisecond. `CURRENT_WATERMARK(c) IS NULL OR ..` lets rows pass before
// the first watermark.
func clockCondition(e expr.Expr) (*ClockFilter, bool) {
	c, ok := e.(*expr.Call)
	if !ok || len(c.Args) != 2 {
		return nil, false
	}
	if c.Fn == "OR" {
		for i := range 2 {
			if isNoWatermark(c.Args[i]) {
				f, ok := clockCondition(c.Args[1-i])
				if !ok || !f.Watermark {
					return nil, false
				}
				f.NullClock = true
				return f, true
			}
		}
		return nil, false
	}
	fn, clock, row := c.Fn, c.Args[0], c.Args[1]
	if mirror[fn] == "" || fn == "<>" {
		return nil, false
	}
	if !usesClock(clock) {
		fn, clock, row = mirror[fn], row, clock
	}
	if usesClock(row) || !hasColumn(row) {
		return nil, false
	}
	name, row, ok := peelClock(clock, row)
	if !ok {
		return nil, false
	}
	f := &ClockFilter{Watermark: name == "CURRENT_WATERMARK"}
	return f, f.bound(fn, name, row)
}

// isNoWatermark reports CURRENT_WATERMARK(..) IS NULL.
func isNoWatermark(e expr.Expr) bool {
	c, ok := e.(*expr.Call)
	if !ok || c.Fn != "IS_NULL" {
		return false
	}
	w, ok := c.Args[0].(*expr.Call)
	return ok && w.Fn == "CURRENT_WATERMARK"
}

// instants are the clock functions with time of day.
var instants = map[string]bool{"NOW": true, "CURRENT_TIMESTAMP": true, "LOCALTIMESTAMP": true, "PROCTIME": true, "CURRENT_WATERMARK": true}

// peelClock brings intervals beside the clock function to the other side.
func peelClock(clock, row expr.Expr) (name string, out expr.Expr, ok bool) {
	for {
		c, is := clock.(*expr.Call)
		if !is {
			return "", nil, false
		}
		if instants[c.Fn] || c.Fn == "CURRENT_DATE" {
			return c.Fn, row, true
		}
		switch {
		case c.Fn == "CAST" && c.T.IsTimestamp() && c.Args[0].Type().IsTimestamp():
			clock = c.Args[0]
		case (c.Fn == "-" || c.Fn == "+") && isDayTime(c.Args[1]):
			moved, err := expr.Apply(map[string]string{"-": "+", "+": "-"}[c.Fn], row, c.Args[1])
			if err != nil {
				return "", nil, false
			}
			clock, row = c.Args[0], moved
		default:
			return "", nil, false
		}
	}
}

func isDayTime(e expr.Expr) bool {
	l, ok := e.(*expr.Literal)
	return ok && l.Value != nil && l.T.Kind == schema.IntervalDayTime
}

// bound sets From and Until for `clock fn row`.
func (f *ClockFilter) bound(fn, name string, row expr.Expr) bool {
	const dayMillis = 86_400_000
	step := int64(1)
	if name == "CURRENT_DATE" {
		if row.Type().Kind != schema.Date {
			return false
		}
		step = dayMillis
		row = expr.CastTo(row, schema.TTimestamp(3))
	} else if !row.Type().IsTimestamp() {
		return false
	}
	next := func() expr.Expr {
		t := row.Type()
		t.Precision = 3
		e, err := expr.Apply("+", expr.CastTo(row, t), &expr.Literal{Value: step, T: schema.Type{Kind: schema.IntervalDayTime, NotNull: true}})
		if err != nil {
			return nil
		}
		return e
	}
	switch fn {
	case "<":
		f.Until = row
	case "<=":
		f.Until = next()
	case ">=":
		f.From = row
	case ">":
		f.From = next()
	case "=":
		if name != "CURRENT_DATE" {
			return false
		}
		f.From, f.Until = row, next()
	}
	return f.From != nil || f.Until != nil
}

// mergeClock joins a lower with an upper bound on the same clock.
func mergeClock(list []*ClockFilter, c *ClockFilter) []*ClockFilter {
	for _, o := range list {
		if o.Watermark == c.Watermark && o.NullClock == c.NullClock && (o.From == nil || c.From == nil) && (o.Until == nil || c.Until == nil) {
			if c.From != nil {
				o.From = c.From
			}
			if c.Until != nil {
				o.Until = c.Until
			}
			return list
		}
	}
	return append(list, c)
}
