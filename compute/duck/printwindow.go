package duck

import (
	"fmt"
	"strings"
	"time"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

// window appends window_start, window_end and window_time. Windows are aligned to the wall
// clock of the session zone, in milliseconds; rows without a time are in no window.
func (p *printer) window(n *plan.Window) string {
	in := p.node(n.Input)
	cols := n.Input.Columns()
	width := len(cols)
	ms := p.wallMillis(n.Time, cols[n.Time].Type)
	src := fmt.Sprintf("(SELECT *, %s AS t FROM %s)", ms, in)
	src = fmt.Sprintf("(SELECT * FROM %s WHERE t IS NOT NULL)", src)
	size, slide, offset := n.Size.Milliseconds(), n.Slide.Milliseconds(), n.Offset.Milliseconds()
	if size <= 0 || (n.Kind == plan.Hop || n.Kind == plan.Cumulate) && slide <= 0 {
		p.fail(errkind.Errorf(errkind.Invalid, "window of size %s and step %s: both must be at least a millisecond", n.Size, n.Slide))
		return ""
	}
	switch n.Kind {
	case plan.Tumble:
		src = fmt.Sprintf("(SELECT *, %s AS ws FROM %s)", floorTo("t", size, offset), src)
		src = fmt.Sprintf("(SELECT *, ws + %d AS we FROM %s)", size, src)
	case plan.Hop:
		count := (size + slide - 1) / slide
		src = fmt.Sprintf("(SELECT *, %s - %d * unnest(range(%d)) AS ws FROM %s)", floorTo("t", slide, offset), slide, count, src)
		src = fmt.Sprintf("(SELECT *, ws + %d AS we FROM %s WHERE ws + %d > t)", size, src, size)
	case plan.Cumulate:
		src = fmt.Sprintf("(SELECT *, %s AS ws FROM %s)", floorTo("t", size, offset), src)
		src = fmt.Sprintf("(SELECT *, ws + %d * unnest(range((t - ws) // %d + 1, %d)) AS we FROM %s)", slide, slide, size/slide+1, src)
	case plan.Session:
		src = p.session(n, src, size)
	}
	exprs := append(list(single, width),
		timestampOf("ws", schema.TTimestamp(3)), timestampOf("we", schema.TTimestamp(3)), p.windowTime(n))
	return "SELECT " + p.columns(exprs) + " FROM " + src
}

// floorTo is the greatest multiple of step (plus offset) not above t, also for negative t.
func floorTo(t string, step, offset int64) string {
	return fmt.Sprintf("(%s - (((%s - %d) %% %d) + %d) %% %d)", t, t, offset, step, step, step)
}

// wallMillis is column i in milliseconds of the wall clock.
func (p *printer) wallMillis(i int, t schema.Type) string {
	col := expr.Expr(&expr.Column{Index: i, T: t})
	if t.Kind == schema.TimestampLTZ {
		col = &expr.Call{Fn: "CAST", Args: []expr.Expr{col}, T: schema.TTimestamp(t.Precision)}
		t = col.Type()
	}
	ticks := ticksOf(p.expr(single, col), t)
	switch timestampType(t.Precision) {
	case "TIMESTAMP":
		return floorDiv(ticks, time.Millisecond/time.Microsecond)
	case "TIMESTAMP_NS":
		return floorDiv(ticks, time.Millisecond/time.Nanosecond)
	default:
		return ticks
	}
}

func floorDiv(text string, by time.Duration) string {
	return fmt.Sprintf("((%s - ((%s %% %d) + %d) %% %d) // %d)", text, text, by, by, by, by)
}

// windowTime is the last millisecond of the window, as the time column's kind.
func (p *printer) windowTime(n *plan.Window) string {
	cols := n.Columns()
	last := timestampOf("we - 1", schema.TTimestamp(3))
	want := cols[len(cols)-1].Type
	if want.Kind == schema.Timestamp {
		return last
	}
	in := func(int) string { return last }
	return p.expr(in, &expr.Call{Fn: "CAST", Args: []expr.Expr{&expr.Column{T: schema.TTimestamp(3)}}, T: want})
}

// session numbers the runs of rows at most a gap apart: windows that touch are merged.
func (p *printer) session(n *plan.Window, src string, gap int64) string {
	keys := make([]string, len(n.PartitionBy))
	for i, c := range n.PartitionBy {
		keys[i] = single(c)
	}
	part := partition(keys)
	src = fmt.Sprintf("(SELECT *, CASE WHEN t - lag(t) OVER (%sORDER BY t) <= %d THEN 0 ELSE 1 END AS fresh FROM %s)", part, gap, src)
	src = fmt.Sprintf("(SELECT *, sum(fresh) OVER (%sORDER BY t ROWS UNBOUNDED PRECEDING) AS run FROM %s)", part, src)
	over := "OVER (" + partition(append(keys, "run")) + ")"
	return fmt.Sprintf("(SELECT *, min(t) %s AS ws, max(t) %s + %d AS we FROM %s)", over, over, gap, src)
}

func partition(keys []string) string {
	if len(keys) == 0 {
		return ""
	}
	return "PARTITION BY " + strings.Join(keys, ", ") + " "
}

func (p *printer) topN(n *plan.TopN) string {
	in := p.node(n.Input)
	cols := n.Input.Columns()
	order := append(p.sortKeys(single, n.OrderBy), p.canonical(single, cols)...)
	rank := fmt.Sprintf("row_number() OVER (%sORDER BY %s)", partition(parenthesised(p.exprs(single, n.PartitionBy))), strings.Join(order, ", "))
	exprs := list(single, len(cols))
	if n.Rank != "" {
		exprs = append(exprs, "n")
	}
	cond := fmt.Sprintf("n <= %d", n.Offset+n.Limit)
	if n.Offset > 0 {
		cond += fmt.Sprintf(" AND n > %d", n.Offset)
	}
	return fmt.Sprintf("SELECT %s FROM (SELECT *, %s AS n FROM %s) WHERE %s", p.columns(exprs), rank, in, cond)
}

func (p *printer) over(n *plan.Over) string {
	in := p.node(n.Input)
	exprs := list(single, len(n.Input.Columns()))
	for i := range n.Calls {
		exprs = append(exprs, p.overCall(n, &n.Calls[i]))
	}
	return "SELECT " + p.columns(exprs) + " FROM " + in
}

// Which functions see equal rows as one, and which take no frame.
var (
	peerFunctions    = map[string]bool{"RANK": true, "DENSE_RANK": true, "PERCENT_RANK": true, "CUME_DIST": true}
	framelessRanking = map[string]bool{"ROW_NUMBER": true, "NTILE": true, "LAG": true, "LEAD": true}
)

func (p *printer) overCall(n *plan.Over, c *plan.OverCall) string {
	order := p.sortKeys(single, n.OrderBy)
	peers := peerFunctions[c.Fn]
	if !peers && (c.Rows || framelessRanking[c.Fn]) {
		order = append(order, p.canonical(single, n.Input.Columns())...)
	}
	window := partition(parenthesised(p.exprs(single, n.PartitionBy)))
	if len(order) > 0 {
		window += "ORDER BY " + strings.Join(order, ", ")
	}
	if !peers && !framelessRanking[c.Fn] && len(order) > 0 {
		window += p.overFrame(n, c)
	}
	typ, err := sqlType(c.T)
	p.fail(err)
	return p.overFunction(c, " OVER ("+window+")", typ)
}

func (p *printer) overFrame(n *plan.Over, c *plan.OverCall) string {
	unit := " RANGE"
	if c.Rows {
		unit = " ROWS"
	} else if (bounded(c.Lower) || bounded(c.Upper)) && len(n.OrderBy) != 1 {
		p.fail(errkind.Errorf(errkind.Invalid, "OVER with a RANGE of an offset needs exactly one ORDER BY column"))
	}
	timed := !c.Rows && len(n.OrderBy) == 1 && n.OrderBy[0].Expr.Type().IsTimestamp()
	return unit + " BETWEEN " + frameEnd(c.Lower, "PRECEDING", timed) + " AND " + frameEnd(c.Upper, "FOLLOWING", timed)
}

func bounded(n *int64) bool { return n != nil && *n != 0 }

// frameEnd is one end of a frame; offsets of a time range are milliseconds.
func frameEnd(n *int64, open string, timed bool) string {
	if n == nil {
		return "UNBOUNDED " + open
	}
	v, side := *n, "FOLLOWING"
	if v == 0 {
		return "CURRENT ROW"
	}
	if v < 0 {
		v, side = -v, "PRECEDING"
	}
	if timed {
		return fmt.Sprintf("to_milliseconds(%d) %s", v, side)
	}
	return fmt.Sprintf("%d %s", v, side)
}

// floating is the name of SUM or AVG: of floating numbers the exact one if asked for.
func (p *printer) floating(fn string, c *plan.OverCall) string {
	if p.opts.Exact && isFloat(c.Args[0].Type()) {
		return "weir_" + fn
	}
	return fn
}

func (p *printer) overFunction(c *plan.OverCall, over, typ string) string {
	args := p.exprs(single, c.Args)
	call := func(fn string, args ...string) string { return fn + "(" + strings.Join(args, ", ") + ")" + over }
	switch c.Fn {
	case "ROW_NUMBER", "RANK", "DENSE_RANK", "PERCENT_RANK", "CUME_DIST", "NTILE", "LAG", "LEAD", "MIN", "MAX":
		return cast(call(strings.ToLower(c.Fn), args...), typ)
	case "FIRST_VALUE", "LAST_VALUE":
		return cast(call(strings.ToLower(c.Fn), args[0]+" IGNORE NULLS"), typ)
	case "COUNT":
		if len(args) == 0 {
			args = []string{"*"}
		}
		return call("count", args[0])
	case "SUM", "SUM0":
		text := call(p.floating("sum", c), args[0])
		if c.Args[0].Type().IsInteger() {
			text = wrap("CAST("+text+" % 18446744073709551616::HUGEINT AS HUGEINT)", schema.TBigInt)
			if c.T.Kind != schema.BigInt {
				text = wrap(text, c.T)
			}
		}
		if c.Fn == "SUM0" {
			text = "COALESCE(" + text + ", 0)"
		}
		return cast(text, typ)
	case "AVG":
		if t := c.Args[0].Type(); t.IsInteger() {
			return cast(cast(call("sum", args[0]), "HUGEINT")+" // nullif("+call("count", args[0])+", 0)", typ)
		} else if isFloat(t) {
			return cast(call(p.floating("avg", c), args[0]), typ)
		}
	case "STDDEV_POP", "STDDEV_SAMP", "VAR_POP", "VAR_SAMP":
		if c.T.Kind == schema.Double {
			return call(strings.ToLower(c.Fn), args[0])
		}
	}
	p.fail(errkind.Errorf(errkind.Invalid, "batch query: %s with these types cannot be used with OVER here", c.Fn))
	return ""
}
