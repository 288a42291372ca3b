package bind

import (
	"strings"
	"time"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/sql"
)

// groupWindow is a window in GROUP BY, Flink's older form: GROUP BY TUMBLE(ts, INTERVAL ..)
// with TUMBLE_START(ts, INTERVAL ..) in the select list. It becomes a window function
// below the aggregate.
type groupWindow struct {
	call  *sql.Call
	name  string // TUMBLE, HOP or SESSION
	args  string // text, which TUMBLE_START and its like must repeat
	keys  []int  // group keys of window_start, window_end, window_time
	width int    // index of window_start in the input
	node  plan.Node
}

// groupWindows puts the window below the aggregate, if GROUP BY has one.
func (g *grouping) groupWindows() error {
	b := g.sb.b
	for _, it := range g.sb.s.GroupBy.Items {
		if it.Kind != sql.GroupExpr {
			continue
		}
		c, ok := it.Exprs[0].(*sql.Call)
		if !ok || !isWindowTVF(c) || strings.EqualFold(c.Name.Last(), "CUMULATE") {
			continue
		}
		if g.wins != nil {
			return b.fail(c.Pos(), ErrQuery, "GROUP BY takes one window")
		}
		w, err := g.window(c)
		if err != nil {
			return err
		}
		width := len(g.sb.node.Columns())
		g.wins = &groupWindow{call: c, name: strings.ToUpper(c.Name.Last()), args: argText(c), width: width, node: w}
		g.sb.node = w
		for i := range 3 {
			col := plan.Col(w, width+i)
			g.texts[col.String()] = len(g.keys)
			g.wins.keys = append(g.wins.keys, len(g.keys))
			g.keys, g.names = append(g.keys, col), append(g.names, col.Name)
		}
	}
	return nil
}

func argText(c *sql.Call) string {
	var parts []string
	for _, a := range c.Args {
		parts = append(parts, sql.FormatExpr(a.Value))
	}
	return strings.Join(parts, ", ")
}

func (g *grouping) window(c *sql.Call) (*plan.Window, error) {
	b := g.sb.b
	form := windowForms[strings.ToUpper(c.Name.Last())]
	if len(c.Args) != form.need {
		return nil, b.fail(c.Pos(), ErrQuery, "%s in GROUP BY takes %d arguments", c.Name, form.need)
	}
	e, err := g.sb.in.bind(c.Args[0].Value)
	if err != nil {
		return nil, err
	}
	col, ok := e.(*expr.Column)
	if !ok || !col.T.IsTimestamp() {
		return nil, b.fail(c.Args[0].Value.Pos(), ErrType, "%s needs a TIMESTAMP column", c.Name)
	}
	w := &plan.Window{Input: g.sb.node, Kind: form.kind, Time: col.Index}
	for i, dst := range map[string]*time.Duration{"SIZE": &w.Size, "GAP": &w.Size, "SLIDE": &w.Slide} {
		for k, p := range form.params[:form.need] {
			if p != i {
				continue
			}
			if *dst, err = b.duration(c.Args[k].Value, p, false); err != nil {
				return nil, err
			}
		}
	}
	if form.kind == plan.Session {
		return w, g.sessionKeys(w, c)
	}
	return w, nil
}

// sessionKeys: a session is one of its group, so the other group columns partition it.
func (g *grouping) sessionKeys(w *plan.Window, c *sql.Call) error {
	for _, it := range g.sb.s.GroupBy.Items {
		if it.Kind == sql.GroupExpr && it.Exprs[0] == sql.Expr(c) {
			continue
		}
		for _, e := range it.Exprs {
			k, err := g.sb.in.bind(e)
			if err != nil {
				return err
			}
			col, ok := k.(*expr.Column)
			if !ok {
				return g.sb.b.failHint(e.Pos(), ErrQuery, "compute it in a subquery", "with SESSION, GROUP BY takes columns only")
			}
			w.PartitionBy = append(w.PartitionBy, col.Index)
		}
	}
	return nil
}

// replace finds the input column of TUMBLE_START(..) and its like.
func (w *groupWindow) replace(e sql.Expr) (*expr.Column, bool) {
	c, ok := e.(*sql.Call)
	if !ok || len(c.Name) != 1 {
		return nil, false
	}
	suffix, ok := strings.CutPrefix(strings.ToUpper(c.Name.Last()), w.name+"_")
	if !ok || argText(c) != w.args {
		return nil, false
	}
	i, ok := map[string]int{"START": 0, "END": 1, "ROWTIME": 2, "PROCTIME": 2}[suffix]
	if !ok {
		return nil, false
	}
	return plan.Col(w.node, w.width+i), true
}
