package bind

import (
	"strings"
	"time"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/sql"
	"github.com/weir-lake/weir/table/schema"
)

// windowForm says how a window function is called: its named arguments after DATA, and
// how many of them are needed.
type windowForm struct {
	kind   plan.WindowKind
	params []string
	need   int
}

var windowForms = map[string]windowForm{
	"TUMBLE":   {plan.Tumble, []string{"TIMECOL", "SIZE", "OFFSET"}, 2},
	"HOP":      {plan.Hop, []string{"TIMECOL", "SLIDE", "SIZE", "OFFSET"}, 3},
	"CUMULATE": {plan.Cumulate, []string{"TIMECOL", "STEP", "SIZE", "OFFSET"}, 3},
	"SESSION":  {plan.Session, []string{"TIMECOL", "GAP"}, 2},
}

func isWindowTVF(c *sql.Call) bool {
	_, ok := windowForms[strings.ToUpper(c.Name.Last())]
	return ok && len(c.Name) == 1
}

// windowTVF binds TUMBLE, HOP, CUMULATE and SESSION in FROM.
func (b *binder) windowTVF(t *sql.TableFunc, at place) (plan.Node, *scope, error) {
	name := strings.ToUpper(t.Call.Name.Last())
	form, ok := windowForms[name]
	if !ok || len(t.Call.Name) != 1 {
		hint := didYouMean(name, []string{"TUMBLE", "HOP", "CUMULATE", "SESSION"})
		return nil, nil, b.failHint(t.At, ErrName, hint, "there is no table function %s", t.Call.Name)
	}
	args, err := b.windowArgs(t, form)
	if err != nil {
		return nil, nil, err
	}
	in, s, partition, err := b.windowInput(args["DATA"], at)
	if err != nil {
		return nil, nil, err
	}
	w := &plan.Window{Input: in, Kind: form.kind}
	if w.Time, err = b.windowTime(s, args["TIMECOL"]); err != nil {
		return nil, nil, err
	}
	for param, dst := range map[string]*time.Duration{"SIZE": &w.Size, "GAP": &w.Size, "SLIDE": &w.Slide, "STEP": &w.Slide, "OFFSET": &w.Offset} {
		if e := args[param]; e != nil {
			if *dst, err = b.duration(e, param, param == "OFFSET"); err != nil {
				return nil, nil, err
			}
		}
	}
	if form.kind == plan.Cumulate && w.Size%w.Slide != 0 {
		return nil, nil, b.fail(t.At, ErrQuery, "CUMULATE needs a SIZE that is a multiple of its STEP")
	}
	if partition != nil && form.kind != plan.Session {
		return nil, nil, b.fail(t.At, ErrQuery, "PARTITION BY is for SESSION only")
	}
	x := &exprBinder{b: b, scope: s, ctes: at.ctes, clause: "PARTITION BY"}
	for _, e := range partition {
		c, err := x.bind(e)
		if err != nil {
			return nil, nil, err
		}
		col, ok := c.(*expr.Column)
		if !ok {
			return nil, nil, b.fail(e.Pos(), ErrQuery, "PARTITION BY of SESSION takes columns")
		}
		w.PartitionBy = append(w.PartitionBy, col.Index)
	}
	return b.aliased(w, t.Alias, "", at)
}

// windowArgs brings positional and named arguments to names.
func (b *binder) windowArgs(t *sql.TableFunc, form windowForm) (map[string]sql.Expr, error) {
	params := append([]string{"DATA"}, form.params...)
	usage := strings.ToUpper(t.Call.Name.Last()) + "(TABLE t, DESCRIPTOR(time), " + strings.Join(form.params[1:form.need], " interval, ") + " interval)"
	args := map[string]sql.Expr{}
	for i, a := range t.Call.Args {
		if i >= len(params) {
			return nil, b.failHint(a.Value.Pos(), ErrQuery, "write "+usage, "too many arguments")
		}
		name := params[i]
		if a.Name != nil {
			name = strings.ToUpper(a.Name.Text)
			known := false
			for _, p := range params {
				known = known || p == name
			}
			if !known {
				return nil, b.failHint(a.Name.At, ErrName, didYouMean(name, params), "there is no argument %s", a.Name.Text)
			}
		}
		if args[name] != nil {
			return nil, b.fail(a.Value.Pos(), ErrQuery, "argument %s is given twice", name)
		}
		args[name] = a.Value
	}
	for _, p := range params[:form.need+1] {
		if args[p] == nil {
			return nil, b.failHint(t.At, ErrQuery, "write "+usage, "argument %s is missing", p)
		}
	}
	return args, nil
}

func (b *binder) windowInput(e sql.Expr, at place) (plan.Node, *scope, []sql.Expr, error) {
	switch e := e.(type) {
	case *sql.TableArg:
		if e.Query != nil {
			n, _, err := b.query(e.Query, at.outer, at.ctes, false)
			if err != nil {
				return nil, nil, nil, err
			}
			return n, newScope(at.outer, "", n.Columns()), e.PartitionBy, nil
		}
		n, s, err := b.tableName(&sql.TableName{Name: e.Table}, at)
		return n, s, e.PartitionBy, err
	case *sql.Subquery:
		n, _, err := b.query(e.Query, at.outer, at.ctes, false)
		if err != nil {
			return nil, nil, nil, err
		}
		return n, newScope(at.outer, "", n.Columns()), nil, nil
	}
	return nil, nil, nil, b.failHint(e.Pos(), ErrQuery, "write TABLE name", "the first argument must be a table")
}

func (b *binder) windowTime(s *scope, e sql.Expr) (int, error) {
	d, ok := e.(*sql.Descriptor)
	if !ok || len(d.Columns) != 1 {
		return 0, b.failHint(e.Pos(), ErrQuery, "write DESCRIPTOR(column)", "the time column must be given by DESCRIPTOR")
	}
	f, err := b.resolve(s, sql.Name{d.Columns[0]})
	if err != nil {
		return 0, err
	}
	if f.depth > 0 || !f.col.T.IsTimestamp() {
		return 0, b.failHint(d.Columns[0].At, ErrType, "use a TIMESTAMP or TIMESTAMP_LTZ column, with a WATERMARK where windows are to close",
			"the time column '%s' has type %s", f.col.Name, f.col.T.WithNotNull(false))
	}
	return f.col.Index, nil
}

// duration is a constant interval of days and less.
func (b *binder) duration(e sql.Expr, param string, anySign bool) (time.Duration, error) {
	x := &exprBinder{b: b, scope: &scope{}, clause: param}
	v, err := x.bind(e)
	if err != nil {
		return 0, err
	}
	l, err := expr.Const(v, nil)
	if err != nil || l.Value == nil || l.T.Kind != schema.IntervalDayTime {
		return 0, b.failHint(e.Pos(), ErrType, "write INTERVAL '10' MINUTE", "%s must be a constant interval of days or less", param)
	}
	ms := l.Value.(int64)
	if ms <= 0 && !anySign {
		return 0, b.fail(e.Pos(), ErrType, "%s must be longer than nothing", param)
	}
	return time.Duration(ms) * time.Millisecond, nil
}
