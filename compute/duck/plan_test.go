//go:build duckdb_arrow

package duck_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/weir-lake/weir/compute/duck"
	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

// relation is a small table for tests.
type relation struct {
	name string
	cols []plan.Column
	rows [][]any
}

// warehouse resolves scans to relations by name.
type warehouse map[string]relation

func (w warehouse) Resolve(_ context.Context, s *plan.Scan) (duck.Source, error) {
	r, ok := w[s.Table.Name]
	if !ok {
		return duck.Source{}, errkind.Errorf(errkind.NotFound, "there is no table %s", s.Table.Name)
	}
	b := r.batch()
	in := batches(b.Schema(), b)
	return duck.Source{Arrow: &in}, nil
}

func (r relation) batch() arrow.RecordBatch {
	fs := make([]schema.Field, len(r.cols))
	for i, c := range r.cols {
		fs[i] = schema.Field{ID: i, Name: c.Name, Type: c.Type}
	}
	as, err := schema.ArrowSchema(fs)
	if err != nil {
		panic(err)
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, as)
	for _, row := range r.rows {
		for i, v := range row {
			if js, ok := v.(jsonValue); ok {
				if err := b.Field(i).AppendValueFromString(string(js)); err != nil {
					panic(err)
				}
				continue
			}
			appendValue(b.Field(i), v)
		}
	}
	return b.NewRecordBatch()
}

// jsonValue is a nested value as Arrow reads it.
type jsonValue string

func (w warehouse) add(name string, cols []plan.Column, rows ...[]any) *plan.Scan {
	w[name] = relation{name, cols, rows}
	t := &plan.Table{Database: "default", Name: name}
	s := &plan.Scan{Table: t}
	for i, c := range cols {
		t.Columns = append(t.Columns, plan.TableColumn{Column: c})
		s.Out = append(s.Out, i)
	}
	return s
}

func at(n plan.Node, i int) expr.Expr {
	c := n.Columns()[i]
	return &expr.Column{Index: i, Name: c.Name, T: c.Type}
}

func ints(names ...string) []plan.Column {
	out := make([]plan.Column, len(names))
	for i, n := range names {
		out[i] = plan.Column{Name: n, Type: schema.TInt}
	}
	return out
}

func row(v ...any) []any {
	for i, x := range v {
		if n, ok := x.(int); ok {
			v[i] = int64(n)
		}
	}
	return v
}

// check runs a plan and compares its rows, sorted unless the plan sorts.
func check(t *testing.T, p *duck.Pool, w duck.Resolver, root plan.Node, o duck.ExecOptions, want ...string) {
	t.Helper()
	r, err := duck.Execute(t.Context(), p, root, w, o)
	if err != nil {
		t.Errorf("%T: %v", root, err)
		return
	}
	got, err := rowsOf(r)
	if err != nil {
		t.Errorf("%T: %v", root, err)
		return
	}
	lines := make([]string, len(got))
	for i, g := range got {
		lines[i] = strings.ReplaceAll(strings.Join(g, " "), "(null)", "~")
	}
	if !sorted(root) {
		slices.Sort(lines)
		slices.Sort(want)
	}
	if !slices.Equal(lines, want) {
		t.Errorf("%T:\n got %q\nwant %q", root, lines, want)
	}
}

func sorted(n plan.Node) bool {
	if p, ok := n.(*plan.Project); ok {
		return sorted(p.Input)
	}
	_, ok := n.(*plan.Sort)
	return ok
}

func TestJoins(t *testing.T) {
	p := newPool(t, duck.Options{Workers: 1})
	w := warehouse{}
	l := w.add("l", ints("k", "v"), row(1, 10), row(2, 20), row(2, 21), row(nil, 30), row(4, 40))
	r := w.add("r", ints("k", "u"), row(1, 5), row(2, 25), row(3, 35), row(nil, 45))
	nn := &plan.Filter{Input: r, Pred: apply(t, "IS_NOT_NULL", at(r, 0))}
	none := &plan.Filter{Input: r, Pred: expr.False()}
	lt := apply(t, "<", &expr.Column{Index: 1, T: schema.TInt}, &expr.Column{Index: 3, T: schema.TInt})
	for _, c := range []struct {
		kind     plan.JoinKind
		right    plan.Node
		nullSafe []bool
		residual expr.Expr
		want     []string
	}{
		{plan.Inner, r, nil, nil, []string{"1 10 1 5", "2 20 2 25", "2 21 2 25"}},
		{plan.Inner, r, []bool{true}, nil, []string{"1 10 1 5", "2 20 2 25", "2 21 2 25", "~ 30 ~ 45"}},
		{plan.Inner, r, nil, lt, []string{"2 20 2 25", "2 21 2 25"}},
		{plan.Left, r, nil, lt, []string{"1 10 ~ ~", "2 20 2 25", "2 21 2 25", "~ 30 ~ ~", "4 40 ~ ~"}},
		{plan.Right, r, nil, lt, []string{"2 20 2 25", "2 21 2 25", "~ ~ 1 5", "~ ~ 3 35", "~ ~ ~ 45"}},
		{plan.Full, r, nil, nil, []string{"1 10 1 5", "2 20 2 25", "2 21 2 25", "4 40 ~ ~", "~ 30 ~ ~", "~ ~ 3 35", "~ ~ ~ 45"}},
		{plan.Full, r, nil, lt, []string{"1 10 ~ ~", "2 20 2 25", "2 21 2 25", "4 40 ~ ~", "~ 30 ~ ~", "~ ~ 1 5", "~ ~ 3 35", "~ ~ ~ 45"}},
		{plan.Semi, r, nil, lt, []string{"2 20", "2 21"}},
		{plan.Anti, r, nil, lt, []string{"1 10", "4 40", "~ 30"}},
		{plan.NullAwareAnti, r, nil, nil, nil},
		{plan.NullAwareAnti, nn, nil, nil, []string{"4 40"}},
		{plan.NullAwareAnti, none, nil, nil, []string{"1 10", "2 20", "2 21", "4 40", "~ 30"}},
		{plan.NullAwareAnti, nn, nil, lt, []string{"1 10", "4 40"}},
	} {
		check(t, p, w, &plan.Join{
			Left: l, Right: c.right, Kind: c.kind, NullSafe: c.nullSafe, Residual: c.residual,
			LeftKeys: []expr.Expr{at(l, 0)}, RightKeys: []expr.Expr{at(r, 0)},
		}, duck.ExecOptions{}, c.want...)
	}
	check(t, p, w, &plan.Join{Left: l, Right: none, Kind: plan.Left}, duck.ExecOptions{},
		"1 10 ~ ~", "2 20 ~ ~", "2 21 ~ ~", "4 40 ~ ~", "~ 30 ~ ~")
	// Joins without a key compare all pairs.
	for kind, want := range map[plan.JoinKind][]string{
		plan.Inner: {"1 10 2 25", "2 20 2 25", "2 21 2 25"}, plan.Left: {"1 10 2 25", "2 20 2 25", "2 21 2 25", "~ 30 ~ ~", "4 40 ~ ~"},
		plan.Full: {"1 10 2 25", "2 20 2 25", "2 21 2 25", "~ 30 ~ ~", "4 40 ~ ~"}, plan.Semi: {"1 10", "2 20", "2 21"}, plan.Anti: {"~ 30", "4 40"},
	} {
		two := &plan.Filter{Input: r, Pred: apply(t, "=", at(r, 0), num(2))}
		check(t, p, w, &plan.Join{Left: l, Right: two, Kind: kind, Residual: lt}, duck.ExecOptions{}, want...)
	}
	// A condition that must run in Go.
	inGo := apply(t, "=", &expr.Call{Fn: "CAST", T: schema.TTinyInt, Args: []expr.Expr{&expr.Column{Index: 1, T: schema.TInt}}}, num(20))
	check(t, p, w, &plan.Join{Left: l, Right: r, Kind: plan.Left, LeftKeys: []expr.Expr{at(l, 0)}, RightKeys: []expr.Expr{at(r, 0)}, Residual: inGo}, duck.ExecOptions{},
		"1 10 ~ ~", "2 20 2 25", "2 21 ~ ~", "~ 30 ~ ~", "4 40 ~ ~")
	d := []plan.Column{{Name: "d", Type: schema.TDouble}}
	a, b := w.add("a", d, row(math.NaN()), row(1.5), row(0.0)), w.add("b", d, row(math.NaN()), row(1.5), row(math.Copysign(0, -1)))
	keys := func(kind plan.JoinKind) *plan.Join {
		return &plan.Join{Left: a, Right: b, Kind: kind, LeftKeys: []expr.Expr{at(a, 0)}, RightKeys: []expr.Expr{at(b, 0)}}
	}
	for _, safe := range [][]bool{nil, {true}} { // NaN equals nothing, -0.0 equals 0.0
		for kind, want := range map[plan.JoinKind][]string{
			plan.Inner: {"1.5 1.5", "0 -0"}, plan.Left: {"1.5 1.5", "0 -0", "NaN ~"}, plan.Right: {"1.5 1.5", "0 -0", "~ NaN"},
			plan.Full: {"1.5 1.5", "0 -0", "NaN ~", "~ NaN"}, plan.Semi: {"1.5", "0"}, plan.Anti: {"NaN"},
		} {
			j := keys(kind)
			j.NullSafe = safe
			check(t, p, w, j, duck.ExecOptions{}, want...)
		}
	}
	check(t, p, w, keys(plan.NullAwareAnti), duck.ExecOptions{}, "NaN")
}

func call(fn string, t schema.Type, args ...expr.Expr) plan.AggCall {
	return plan.AggCall{Fn: fn, Args: args, T: t, Name: strings.ToLower(fn)}
}

func agg(t *testing.T, fn string, args ...expr.Expr) plan.AggCall {
	t.Helper()
	types := make([]schema.Type, len(args))
	for i, a := range args {
		types[i] = a.Type()
	}
	r, err := expr.LookupAgg(fn, types, false)
	if err != nil {
		t.Fatal(err)
	}
	return call(r.Fn, r.Ret, args...)
}

func TestAggregates(t *testing.T) {
	p := newPool(t, duck.Options{Workers: 1})
	w := warehouse{}
	cols := []plan.Column{
		{Name: "g", Type: schema.TString}, {Name: "i", Type: schema.TInt}, {Name: "l", Type: schema.TBigInt},
		{Name: "d", Type: schema.TDouble}, {Name: "m", Type: schema.TDecimal(10, 2)}, {Name: "s", Type: schema.TString},
	}
	in := w.add("t", cols,
		row("a", 3, int64(math.MaxInt64), 0.1, dec(100), "x"), row("a", math.MaxInt32, 1, 0.2, dec(101), "y"), row("a", 3, nil, 0.3, nil, "x"),
		row("b", -7, -2, 1e300, dec(-5), nil), row("b", 2, 5, -1e300, dec(10), "z"), row(nil, nil, nil, nil, nil, nil))
	by := []expr.Expr{at(in, 0)}
	distinct, filtered, listed := agg(t, "COUNT", at(in, 1)), agg(t, "SUM", at(in, 1)), agg(t, "LISTAGG", at(in, 5), text("|"))
	distinct.Distinct = true
	filtered.Filter = apply(t, "<", at(in, 1), num(100))
	listed.OrderBy = []plan.SortKey{{Expr: at(in, 5), Desc: true}}
	listDistinct := listed
	listDistinct.OrderBy, listDistinct.Distinct = nil, true
	group := func(aggs ...plan.AggCall) *plan.Aggregate {
		return &plan.Aggregate{Input: in, GroupBy: by, Names: []string{"g"}, Aggs: aggs, WindowEnd: -1}
	}
	check(t, p, w, group(agg(t, "COUNT"), agg(t, "COUNT", at(in, 1)), distinct, agg(t, "COUNT", at(in, 1), at(in, 2))), duck.ExecOptions{},
		"a 3 3 2 2", "b 2 2 2 2", "~ 1 0 0 0")
	// Sums keep their type and wrap; averages of integers are cut.
	check(t, p, w, group(agg(t, "SUM", at(in, 1)), agg(t, "SUM", at(in, 2)), filtered, agg(t, "AVG", at(in, 1)), agg(t, "SUM0", at(in, 1))), duck.ExecOptions{},
		"a -2147483643 -9223372036854775808 6 715827884 -2147483643", "b -5 3 -5 -2 -5", "~ ~ ~ ~ ~ 0")
	check(t, p, w, group(agg(t, "SUM", at(in, 4)), agg(t, "AVG", at(in, 4)), agg(t, "MIN", at(in, 5)), agg(t, "MAX", at(in, 3))), duck.ExecOptions{},
		"a 2.01 1.005 x 0.3", "b 0.05 0.025 z 1e+300", "~ ~ ~ ~ ~")
	// Exact sums do not depend on the order of rows: 0.1 + 0.2 + 0.3 rounded once.
	check(t, p, w, group(agg(t, "SUM", at(in, 3)), agg(t, "AVG", at(in, 3)), agg(t, "VAR_POP", at(in, 3))), duck.ExecOptions{Exact: true},
		"a 0.6 0.19999999999999998 0.006666666666666665", "b 0 0 +Inf", "~ ~ ~ ~")
	check(t, p, w, group(listed, listDistinct, agg(t, "FIRST_VALUE", at(in, 5)), agg(t, "LAST_VALUE", at(in, 1))), duck.ExecOptions{},
		"a y|x|x x|y x 2147483647", "b z z z 2", "~ ~ ~ ~ ~")
	check(t, p, w, group(agg(t, "COLLECT", at(in, 5)), agg(t, "ARRAY_AGG", at(in, 1))), duck.ExecOptions{},
		`a [{"key":"x","value":2},{"key":"y","value":1}] [3,3,2147483647]`, `b [{"key":"z","value":1}] [-7,2]`, "~ [] [null]")
	check(t, p, w, &plan.Aggregate{Input: &plan.Filter{Input: in, Pred: expr.False()}, Aggs: []plan.AggCall{agg(t, "COUNT"), agg(t, "SUM", at(in, 1)), agg(t, "SUM0", at(in, 1))}, WindowEnd: -1},
		duck.ExecOptions{}, "0 ~ 0")
	sets := &plan.Aggregate{
		Input: in, GroupBy: []expr.Expr{at(in, 0), at(in, 5)}, Names: []string{"g", "s"}, Sets: [][]int{{0, 1}, {0}, {}}, WindowEnd: -1,
		Aggs: []plan.AggCall{call("GROUPING_ID", schema.TBigInt, at(in, 0), at(in, 5)), agg(t, "COUNT")},
	}
	check(t, p, w, sets, duck.ExecOptions{}, "a x 0 2", "a y 0 1", "a ~ 1 3", "b z 0 1", "b ~ 0 1", "b ~ 1 2", "~ ~ 0 1", "~ ~ 1 1", "~ ~ 3 6")
}

func TestScalarSubqueryChecksRows(t *testing.T) {
	p := newPool(t, duck.Options{Workers: 1})
	w := warehouse{}
	in := w.add("t", ints("a"), row(1), row(2))
	single := &plan.Aggregate{Input: in, Aggs: []plan.AggCall{agg(t, "SINGLE_VALUE", at(in, 0))}, WindowEnd: -1}
	r, err := duck.Execute(t.Context(), p, single, w, duck.ExecOptions{})
	if err == nil {
		_, err = rowsOf(r)
	}
	if errkind.Of(err) != errkind.Invalid || !strings.Contains(err.Error(), "more than one row") {
		t.Errorf("got %v", err)
	}
	single.Input = &plan.Filter{Input: in, Pred: apply(t, "=", at(in, 0), num(2))}
	check(t, p, w, single, duck.ExecOptions{}, "2")
}

func TestOrders(t *testing.T) {
	p := newPool(t, duck.Options{Workers: 1})
	w := warehouse{}
	in := w.add("t", ints("g", "a", "b"), row(1, 5, 2), row(1, 5, 1), row(1, nil, 9), row(2, 7, 3), row(2, 1, 4), row(1, 4, 0))
	key := func(i int, desc, nullsFirst bool) plan.SortKey {
		return plan.SortKey{Expr: at(in, i), Desc: desc, NullsFirst: nullsFirst}
	}
	top := &plan.TopN{Input: in, PartitionBy: []expr.Expr{at(in, 0)}, OrderBy: []plan.SortKey{key(1, true, false)}, Limit: 2, Rank: "rn"}
	check(t, p, w, top, duck.ExecOptions{}, "1 5 1 1", "1 5 2 2", "2 7 3 1", "2 1 4 2")
	top.Offset, top.Rank = 1, ""
	check(t, p, w, top, duck.ExecOptions{}, "1 5 2", "1 4 0", "2 1 4")
	check(t, p, w, &plan.Sort{Input: in, Keys: []plan.SortKey{key(1, false, true)}, Limit: 4, Offset: 1}, duck.ExecOptions{}, "2 1 4", "1 4 0", "1 5 1", "1 5 2")
	check(t, p, w, &plan.Sort{Input: in, Limit: 2}, duck.ExecOptions{}, "1 ~ 9", "1 4 0")
	// The order outlives a projection that drops its key.
	hidden := &plan.Sort{Input: in, Keys: []plan.SortKey{key(2, true, false)}, Limit: -1}
	check(t, p, w, &plan.Project{Input: hidden, Exprs: []expr.Expr{apply(t, "+", at(in, 1), num(1))}, Names: []string{"x"}}, duck.ExecOptions{},
		"~", "2", "8", "6", "6", "5")
	n := func(v int64) *int64 { return &v }
	over := &plan.Over{Input: in, PartitionBy: []expr.Expr{at(in, 0)}, OrderBy: []plan.SortKey{key(1, false, true)}, Calls: []plan.OverCall{
		{Fn: "ROW_NUMBER", T: schema.TBigInt, Name: "rn"}, {Fn: "RANK", T: schema.TBigInt, Name: "r"},
		{Fn: "LAG", Args: []expr.Expr{at(in, 2)}, T: schema.TInt, Name: "lag"},
		{Fn: "SUM", Args: []expr.Expr{at(in, 2)}, Rows: true, Lower: n(-1), Upper: n(0), T: schema.TInt, Name: "s"},
		{Fn: "SUM", Args: []expr.Expr{at(in, 2)}, Upper: n(0), T: schema.TInt, Name: "run"},
		{Fn: "COUNT", T: schema.TBigInt, Name: "n"},
	}}
	check(t, p, w, over, duck.ExecOptions{},
		"1 ~ 9 1 1 ~ 9 9 4", "1 4 0 2 2 9 9 9 4", "1 5 1 3 3 0 1 12 4", "1 5 2 4 3 1 3 12 4", "2 1 4 1 1 ~ 4 4 2", "2 7 3 2 2 4 7 7 2")
}

func TestWindows(t *testing.T) {
	p := newPool(t, duck.Options{Workers: 1})
	w := warehouse{}
	in := w.add("t", []plan.Column{{Name: "ts", Type: schema.TTimestamp(3)}, {Name: "v", Type: schema.TInt}},
		row(-1, 1), row(0, 2), row(59_999, 3), row(150_000, 4), row(nil, 5))
	of := func(k plan.WindowKind, size, slide, offset time.Duration) plan.Node {
		win := &plan.Window{Input: in, Kind: k, Size: size, Slide: slide, Offset: offset}
		return &plan.Project{Input: win, Names: []string{"v", "s", "e", "t"}, Exprs: []expr.Expr{at(win, 1), at(win, 2), at(win, 3), at(win, 4)}}
	}
	check(t, p, w, of(plan.Tumble, time.Minute, 0, 0), duck.ExecOptions{},
		"1 1969-12-31T23:59:00 1970-01-01T00:00:00 1969-12-31T23:59:59.999", "2 1970-01-01T00:00:00 1970-01-01T00:01:00 1970-01-01T00:00:59.999",
		"3 1970-01-01T00:00:00 1970-01-01T00:01:00 1970-01-01T00:00:59.999", "4 1970-01-01T00:02:00 1970-01-01T00:03:00 1970-01-01T00:02:59.999")
	short := func(n plan.Node) plan.Node {
		return &plan.Project{Input: n, Names: []string{"v", "s", "e"}, Exprs: []expr.Expr{
			at(n, 0), apply(t, "-", at(n, 1), epoch()), apply(t, "-", at(n, 2), epoch()),
		}}
	}
	check(t, p, w, short(of(plan.Tumble, time.Minute, 0, 30*time.Second)), duck.ExecOptions{}, "1 -30000 30000", "2 -30000 30000", "3 30000 90000", "4 150000 210000")
	check(t, p, w, short(of(plan.Hop, 2*time.Minute, time.Minute, 0)), duck.ExecOptions{},
		"1 -60000 60000", "1 -120000 0", "2 0 120000", "2 -60000 60000", "3 0 120000", "3 -60000 60000", "4 120000 240000", "4 60000 180000")
	check(t, p, w, short(of(plan.Cumulate, 3*time.Minute, time.Minute, 0)), duck.ExecOptions{},
		"1 -180000 0", "2 0 120000", "2 0 180000", "2 0 60000", "3 0 120000", "3 0 180000", "3 0 60000", "4 0 180000")
	check(t, p, w, short(of(plan.Session, time.Minute, 0, 0)), duck.ExecOptions{}, "1 -1 119999", "2 -1 119999", "3 -1 119999", "4 150000 210000")
}

// epoch is 1970-01-01 00:00:00 as TIMESTAMP(3).
func epoch() expr.Expr {
	return &expr.Literal{Value: int64(0), T: schema.TTimestamp(3).WithNotNull(true)}
}

// A day of a TIMESTAMP_LTZ begins at midnight of the session zone.
func TestWindowInZone(t *testing.T) {
	zone, err := time.LoadLocation("Asia/Tokyo")
	if err != nil {
		t.Skip("no time zone database:", err)
	}
	p := newPool(t, duck.Options{Workers: 1})
	w := warehouse{}
	in := w.add("t", []plan.Column{{Name: "ts", Type: schema.TTimestampLTZ(3)}}, row(15*3600*1000-1), row(15*3600*1000))
	check(t, p, w, &plan.Window{Input: in, Kind: plan.Tumble, Size: 24 * time.Hour}, duck.ExecOptions{Env: expr.Env{Zone: zone}},
		"1970-01-01T14:59:59.999Z 1970-01-01T00:00:00 1970-01-02T00:00:00 1970-01-01T14:59:59.999Z",
		"1970-01-01T15:00:00Z 1970-01-02T00:00:00 1970-01-03T00:00:00 1970-01-02T14:59:59.999Z")
}

func TestSetsAndUnnest(t *testing.T) {
	p := newPool(t, duck.Options{Workers: 1})
	w := warehouse{}
	a, b := w.add("a", ints("x"), row(1), row(1), row(2), row(nil)), w.add("b", ints("x"), row(1), row(3), row(nil))
	op := func(k plan.SetKind, all bool) plan.Node {
		return &plan.SetOp{Kind: k, All: all, Input: []plan.Node{a, b}}
	}
	check(t, p, w, op(plan.Union, true), duck.ExecOptions{}, "1", "1", "2", "~", "1", "3", "~")
	check(t, p, w, op(plan.Union, false), duck.ExecOptions{}, "1", "2", "3", "~")
	check(t, p, w, op(plan.Intersect, false), duck.ExecOptions{}, "1", "~")
	check(t, p, w, op(plan.Intersect, true), duck.ExecOptions{}, "1", "~")
	check(t, p, w, op(plan.Except, false), duck.ExecOptions{}, "2")
	check(t, p, w, op(plan.Except, true), duck.ExecOptions{}, "1", "2")
	point := rowType(schema.Field{Name: "x", Type: schema.TInt}, schema.Field{Name: "y", Type: schema.TString})
	in := w.add("n", []plan.Column{{Name: "id", Type: schema.TInt}, {Name: "l", Type: schema.TArray(schema.TInt)}, {Name: "p", Type: schema.TArray(point)}, {Name: "m", Type: schema.TMap(schema.TString, schema.TInt)}},
		row(1, jsonValue("[10, null]"), jsonValue(`[{"x": 1, "y": "a"}]`), jsonValue(`[{"key": "k", "value": 5}]`)),
		row(2, jsonValue("[]"), jsonValue("[]"), jsonValue("[]")), row(3, nil, nil, nil))
	ids := func(n plan.Node) plan.Node {
		out := &plan.Project{Input: n, Exprs: []expr.Expr{at(n, 0)}, Names: []string{"id"}}
		for i := 4; i < len(n.Columns()); i++ {
			out.Exprs, out.Names = append(out.Exprs, at(n, i)), append(out.Names, fmt.Sprint("e", i))
		}
		return out
	}
	one := []plan.Column{{Name: "e", Type: schema.TInt}}
	check(t, p, w, ids(&plan.Unnest{Input: in, Expr: at(in, 1), Cols: one}), duck.ExecOptions{}, "1 10", "1 ~")
	check(t, p, w, ids(&plan.Unnest{Input: in, Expr: at(in, 1), Cols: append(one, plan.Column{Name: "o", Type: schema.TInt}), Ordinality: true}), duck.ExecOptions{}, "1 10 1", "1 ~ 2")
	check(t, p, w, ids(&plan.Unnest{Input: in, Expr: at(in, 1), Cols: one, Outer: true}), duck.ExecOptions{}, "1 10", "1 ~", "2 ~", "3 ~")
	check(t, p, w, ids(&plan.Unnest{Input: in, Expr: at(in, 2), Cols: []plan.Column{{Name: "x", Type: schema.TInt}, {Name: "y", Type: schema.TString}}}), duck.ExecOptions{}, "1 1 a")
	check(t, p, w, ids(&plan.Unnest{Input: in, Expr: at(in, 3), Cols: []plan.Column{{Name: "k", Type: schema.TString}, {Name: "v", Type: schema.TInt}}}), duck.ExecOptions{}, "1 k 5")
}

func TestValuesAndClock(t *testing.T) {
	p := newPool(t, duck.Options{Workers: 1})
	w := warehouse{}
	v := &plan.Values{Cols: ints("a", "b"), Rows: [][]expr.Expr{{num(1), &expr.Literal{T: schema.TInt}}, {num(2), num(3)}}}
	check(t, p, w, v, duck.ExecOptions{}, "1 ~", "2 3")
	check(t, p, w, &plan.Values{Cols: ints("a")}, duck.ExecOptions{})
	check(t, p, w, &plan.Values{Cols: []plan.Column{{Name: "n", Type: schema.TNull}}, Rows: [][]expr.Expr{{&expr.Literal{T: schema.TNull}}}}, duck.ExecOptions{}, "~")
	noFrom := &plan.Project{Input: &plan.Values{Rows: [][]expr.Expr{{}}}, Exprs: []expr.Expr{num(7)}, Names: []string{"x"}}
	check(t, p, w, noFrom, duck.ExecOptions{}, "7")
	check(t, p, w, &plan.Sink{Input: noFrom}, duck.ExecOptions{}, "7")
	in := w.add("t", []plan.Column{{Name: "f", Type: schema.TTimestampLTZ(3)}, {Name: "u", Type: schema.TTimestampLTZ(6)}},
		row(1000, 3_000_000), row(2000, 2_000_000), row(3000, 9_000_000), row(nil, 9_000_000))
	env := expr.Env{Clock: time.UnixMilli(2000)}
	check(t, p, w, &plan.ClockFilter{Input: in, From: at(in, 0), Until: at(in, 1)}, duck.ExecOptions{Env: env}, "1970-01-01T00:00:01Z 1970-01-01T00:00:03Z")
	check(t, p, w, &plan.ClockFilter{Input: in, From: at(in, 0), Watermark: true}, duck.ExecOptions{Env: env})
	check(t, p, w, &plan.Aggregate{Input: &plan.ClockFilter{Input: in, From: at(in, 0), Watermark: true, NullClock: true}, Aggs: []plan.AggCall{agg(t, "COUNT")}, WindowEnd: -1}, duck.ExecOptions{Env: env}, "4")
}

// A relation used twice is computed once, so that volatile columns agree.
func TestSharedInput(t *testing.T) {
	p := newPool(t, duck.Options{Workers: 1})
	w := warehouse{}
	in := w.add("t", ints("a"), row(1), row(2), row(3))
	rnd := &plan.Project{Input: in, Exprs: []expr.Expr{at(in, 0), apply(t, "RAND")}, Names: []string{"a", "r"}}
	self := &plan.Join{Left: rnd, Right: rnd, LeftKeys: []expr.Expr{at(rnd, 0), at(rnd, 1)}, RightKeys: []expr.Expr{at(rnd, 0), at(rnd, 1)}}
	check(t, p, w, &plan.Aggregate{Input: self, Aggs: []plan.AggCall{agg(t, "COUNT")}, WindowEnd: -1}, duck.ExecOptions{}, "3")
}

// files resolves every scan to Parquet files.
type files struct {
	paths []string
	cols  []string
}

func (f files) Resolve(context.Context, *plan.Scan) (duck.Source, error) {
	return duck.Source{Files: f.paths, Columns: f.cols}, nil
}

func writeParquet(t *testing.T, path string, b arrow.RecordBatch) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w, err := pqarrow.NewFileWriter(b.Schema(), f, parquet.NewWriterProperties(), pqarrow.DefaultWriterProps())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func withoutNanos(s *plan.Scan) *plan.Scan {
	s.Out = slices.DeleteFunc(s.Out, func(c int) bool { return s.Table.Columns[c].Type.Precision == 9 })
	return s
}

// Files mean what their rows mean as Arrow, for every scalar type.
func TestFiles(t *testing.T) {
	p := newPool(t, duck.Options{Workers: 1})
	rows := sampleRows(100)
	dir := filepath.Join(t.TempDir(), "it's a dir")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	one, two := filepath.Join(dir, "one.parquet"), filepath.Join(dir, "two.parquet")
	writeParquet(t, one, rows.NewSlice(0, 60))
	writeParquet(t, two, rows.NewSlice(60, 100))
	sc := withoutNanos(sampleScan())
	var names []string
	for _, c := range sc.Columns() {
		names = append(names, c.Name)
	}
	get := func(r duck.Resolver) []string {
		res, err := duck.Execute(t.Context(), p, sc, r, duck.ExecOptions{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := rowsOf(res)
		if err != nil {
			t.Fatal(err)
		}
		lines := make([]string, len(got))
		for i, g := range got {
			lines[i] = strings.Join(g, " ")
		}
		slices.Sort(lines)
		return lines
	}
	a, b := get(oneTable{rows}), get(files{[]string{one, two}, names})
	if !slices.Equal(a, b) {
		t.Errorf("files and rows differ: %d and %d rows, first %q and %q", len(b), len(a), b[0], a[0])
	}
	if n := len(get(files{[]string{}, names})); n != 0 {
		t.Errorf("no files have %d rows", n)
	}
	bad := filepath.Join(dir, "bad.parquet")
	data, err := os.ReadFile(one)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bad, data[:len(data)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = duck.Execute(t.Context(), p, sc, files{[]string{bad}, names}, duck.ExecOptions{})
	if errkind.Of(err) != errkind.Corrupt || !strings.Contains(err.Error(), "bad.parquet") {
		t.Errorf("a truncated file: %s %v", errkind.Of(err), err)
	}
	_, err = duck.Execute(t.Context(), p, sc, files{[]string{filepath.Join(dir, "gone.parquet")}, names}, duck.ExecOptions{})
	if err == nil || !strings.Contains(err.Error(), "gone.parquet") {
		t.Errorf("a missing file: %v", err)
	}
}

// DuckDB would cut nanoseconds that files keep as INT96.
func TestFilesWithNanosecondsAreRefused(t *testing.T) {
	w := warehouse{}
	for _, typ := range []schema.Type{schema.TTimestamp(9), schema.TArray(schema.TTimestampLTZ(7))} {
		sc := w.add("t", []plan.Column{{Name: "t", Type: typ}})
		if duck.ReadsFiles(sc.Columns()) {
			t.Errorf("%s may be read from files", typ)
		}
		if _, err := duck.Print(t.Context(), sc, files{[]string{"x.parquet"}, []string{"t"}}, duck.ExecOptions{}); err == nil {
			t.Errorf("%s was printed", typ)
		}
	}
}

func TestUnknownTable(t *testing.T) {
	w := warehouse{}
	sc := w.add("t", ints("a"))
	delete(w, "t")
	_, err := duck.Print(t.Context(), sc, w, duck.ExecOptions{})
	if errkind.Of(err) != errkind.NotFound || !strings.Contains(err.Error(), "default.t") {
		t.Errorf("got %v", err)
	}
}

// rowsOnly resolves every scan to rows without columns.
type rowsOnly int64

func (n rowsOnly) Resolve(context.Context, *plan.Scan) (duck.Source, error) {
	s := arrow.NewSchema(nil, nil)
	in := batches(s, array.NewRecordBatch(s, nil, int64(n)), array.NewRecordBatch(s, nil, 1))
	return duck.Source{Arrow: &in}, nil
}

func TestRowsAreCountedWithoutColumns(t *testing.T) {
	p := newPool(t, duck.Options{Workers: 1})
	sc := warehouse{}.add("t", ints("a"))
	sc.Out = nil
	count := &plan.Aggregate{Input: sc, Aggs: []plan.AggCall{agg(t, "COUNT")}, WindowEnd: -1}
	check(t, p, rowsOnly(70_000), count, duck.ExecOptions{}, "70001")
	check(t, p, files{[]string{}, nil}, count, duck.ExecOptions{}, "0")
}
