package stream

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

// epochCase is one epoch of a script: changes of source 0, the watermark after them (0: none)
// and the changes that must come out, one "+1 [..]" a line.
type epochCase struct {
	in   []change
	wm   int64
	want string
	late string
}

func runScript(t *testing.T, root plan.Node, opts Options, script []epochCase) *Dataflow {
	t.Helper()
	d := mustCompile(t, root, opts)
	for i, e := range script {
		ep := Epoch{ID: int64(i), Clock: millis(0), Watermark: map[int]time.Time{}}
		if e.wm != 0 {
			ep.Watermark[0] = millis(e.wm)
		}
		var in map[int][]Delta
		if len(e.in) > 0 {
			in = map[int][]Delta{0: {toDelta(t, d.Sources()[0].Columns(), e.in)}}
		}
		if got := printChanges(stepAll(t, d, ep, in)); got != strings.TrimSpace(e.want) {
			t.Errorf("epoch %d gives\n%s\nwant\n%s", i, got, e.want)
		}
		var late []change
		for _, l := range d.Late() {
			late = append(late, fromDelta(l.Delta)...)
		}
		if got := printChanges(late); got != e.late {
			t.Errorf("epoch %d leaves late\n%s\nwant\n%s", i, got, e.late)
		}
	}
	return d
}

func printChanges(changes []change) string {
	var lines []string
	for _, c := range changes {
		lines = append(lines, fmt.Sprintf("%+d %v", c.w, c.row))
	}
	return strings.Join(lines, "\n")
}

func ins(row ...any) change { return change{1, row} }
func del(row ...any) change { return change{-1, row} }

func agg(in plan.Node, calls ...plan.AggCall) *plan.Aggregate {
	a := &plan.Aggregate{Input: in, GroupBy: []expr.Expr{colRef(in, 0)}, Names: []string{"k"}, Aggs: calls, WindowEnd: -1}
	for i := range a.Aggs {
		a.Aggs[i].Name = fmt.Sprintf("a%d", i)
	}
	return a
}

func TestListAggregates(t *testing.T) {
	in := scanOf("t", bigint("k"), text("s"))
	arg := []expr.Expr{colRef(in, 1)}
	root := agg(in,
		plan.AggCall{Fn: "ARRAY_AGG", Args: arg, T: schema.TArray(schema.TString)},
		plan.AggCall{Fn: "COLLECT", Args: arg, T: schema.Type{Kind: schema.Multiset, Elem: &schema.TString}},
		plan.AggCall{Fn: "LISTAGG", Args: []expr.Expr{colRef(in, 1), &expr.Literal{Value: "; ", T: schema.TString}}, T: schema.TString},
		plan.AggCall{Fn: "LISTAGG", Args: arg, T: schema.TString, OrderBy: []plan.SortKey{{Expr: colRef(in, 1), Desc: true}}},
		plan.AggCall{Fn: "LISTAGG", Args: arg, T: schema.TString, Distinct: true})
	runScript(t, root, Options{}, []epochCase{
		{in: []change{ins(int64(1), "b"), ins(int64(1), "a"), ins(int64(1), "b"), ins(int64(1), nil)},
			want: `+1 [1 [null,"a","b","b"] [{"key":"a","value":1},{"key":"b","value":2}] a; b; b b,b,a a,b]`},
		{in: []change{del(int64(1), "a"), del(int64(1), "b"), del(int64(1), "b")}, want: `
+1 [1 [null] [] <nil> <nil> <nil>]
-1 [1 [null,"a","b","b"] [{"key":"a","value":1},{"key":"b","value":2}] a; b; b b,b,a a,b]`},
		{in: []change{del(int64(1), nil)}, want: `-1 [1 [null] [] <nil> <nil> <nil>]`},
	})
}

func TestFloatAggregatesAreExact(t *testing.T) {
	in := scanOf("t", bigint("k"), plan.Column{Name: "x", Type: schema.TDouble})
	call := func(fn string) plan.AggCall {
		return plan.AggCall{Fn: fn, Args: []expr.Expr{colRef(in, 1)}, T: schema.TDouble}
	}
	root := agg(in, call("SUM"), call("AVG"), call("VAR_POP"), call("VAR_SAMP"), call("STDDEV_POP"), call("MAX"))
	k := int64(1)
	runScript(t, root, Options{}, []epochCase{
		{in: []change{ins(k, 1e100), ins(k, 1.0), ins(k, 3.0)},
			want: "+1 [1 1e+100 3.333333333333333e+99 2.2222222222222222e+199 3.3333333333333334e+199 4.714045207910317e+99 1e+100]"},
		{in: []change{del(k, 1e100)}, want: `
+1 [1 4 2 1 2 1 3]
-1 [1 1e+100 3.333333333333333e+99 2.2222222222222222e+199 3.3333333333333334e+199 4.714045207910317e+99 1e+100]`},
		{in: []change{ins(k, math.NaN())}, want: `
-1 [1 4 2 1 2 1 3]
+1 [1 NaN NaN NaN NaN NaN NaN]`},
		{in: []change{del(k, math.NaN()), del(k, 1.0)}, want: `
+1 [1 3 3 0 <nil> 0 3]
-1 [1 NaN NaN NaN NaN NaN NaN]`},
	})
}

func TestDecimalSumsDoNotDependOnOrder(t *testing.T) {
	dec := schema.TDecimal(38, 2)
	in := scanOf("t", bigint("k"), text("d"))
	cast := &plan.Project{
		Input: in, Names: []string{"k", "d"},
		Exprs: []expr.Expr{colRef(in, 0), callOf("CAST", dec, colRef(in, 1))},
	}
	sums := agg(cast,
		plan.AggCall{Fn: "SUM", Args: []expr.Expr{colRef(cast, 1)}, T: dec},
		plan.AggCall{Fn: "AVG", Args: []expr.Expr{colRef(cast, 1)}, T: schema.TDecimal(38, 6)})
	root := &plan.Project{
		Input: sums, Names: []string{"sum", "avg"},
		Exprs: []expr.Expr{callOf("CAST", schema.TString, colRef(sums, 1)), callOf("CAST", schema.TString, colRef(sums, 2))},
	}
	big := strings.Repeat("9", 36) + ".00"
	k := int64(1)
	runScript(t, root, Options{}, []epochCase{
		{in: []change{ins(k, "0.10"), ins(k, "-0.25"), ins(k, "2.00")}, want: "+1 [1.85 0.616667]"},
		{in: []change{ins(k, big)}, want: "+1 [<nil> <nil>]\n-1 [1.85 0.616667]"}, // 37 digits before the point
		{in: []change{ins(k, "-"+big)}, want: "-1 [<nil> <nil>]\n+1 [1.85 0.370000]"},
	})
}

func TestIntegerSumsWrapAround(t *testing.T) {
	in := scanOf("t", bigint("k"), bigint("v"))
	root := agg(in, plan.AggCall{Fn: "SUM", Args: []expr.Expr{colRef(in, 1)}, T: schema.TBigInt})
	runScript(t, root, Options{}, []epochCase{
		{in: []change{ins(int64(1), int64(math.MaxInt64)), ins(int64(1), int64(1))}, want: "+1 [1 -9223372036854775808]"},
		{in: []change{del(int64(1), int64(1))}, want: "-1 [1 -9223372036854775808]\n+1 [1 9223372036854775807]"},
	})
}

func TestGlobalAggregateHasARowForEmptyInput(t *testing.T) {
	in := scanOf("t", bigint("v"))
	root := &plan.Aggregate{Input: in, WindowEnd: -1, Aggs: []plan.AggCall{
		{Fn: "COUNT", T: schema.TBigInt, Name: "n"},
		{Fn: "SUM", Args: []expr.Expr{colRef(in, 0)}, T: schema.TBigInt, Name: "s"},
	}}
	runScript(t, root, Options{}, []epochCase{
		{want: "+1 [0 <nil>]"},
		{},
		{in: []change{ins(int64(5))}, want: "-1 [0 <nil>]\n+1 [1 5]"},
		{in: []change{del(int64(5))}, want: "+1 [0 <nil>]\n-1 [1 5]"},
	})
}

// windowCount counts rows per tumbling window of 10 ms.
func windowCount(in *plan.Scan) plan.Node {
	w := &plan.Window{Input: in, Kind: plan.Tumble, Time: 1, Size: 10 * time.Millisecond}
	return &plan.Aggregate{
		Input: w, GroupBy: []expr.Expr{colRef(w, 2), colRef(w, 3)}, Names: []string{"ws", "we"}, WindowEnd: 1,
		Aggs: []plan.AggCall{{Fn: "COUNT", T: schema.TBigInt, Name: "n"}},
	}
}

func TestWindowsOfAnAppendOnlySinkComeOnce(t *testing.T) {
	in := scanOf("t", text("id"), stamp("ts"))
	d := runScript(t, windowCount(in), Options{AppendOnlySink: true}, []epochCase{
		{in: []change{ins("a", int64(1)), ins("b", int64(9)), ins("c", int64(12))}, wm: 8},
		{in: []change{ins("d", int64(5))}, wm: 9, want: "+1 [0 10 3]"}, // 9 is the window's last millisecond
		{in: []change{ins("late", int64(3)), ins("e", int64(15))}, wm: 10, late: "+1 [late 3 0 10 9]"},
		{in: []change{del("e", int64(15))}, wm: 19, want: "+1 [10 20 1]"},
		{in: []change{ins("null", nil)}, wm: 100},
	})
	if got := d.Stats()[2].StateRows; got != 0 {
		t.Errorf("%d groups are kept of closed windows", got)
	}
}

func TestWindowsOfAKeyedSinkAreKeptUpToDate(t *testing.T) {
	in := scanOf("t", text("id"), stamp("ts"))
	runScript(t, windowCount(in), Options{}, []epochCase{
		{in: []change{ins("a", int64(1))}, wm: 50, want: "+1 [0 10 1]"},
		{in: []change{ins("b", int64(2))}, wm: 60, want: "-1 [0 10 1]\n+1 [0 10 2]"},
	})
}

func TestUnnest(t *testing.T) {
	list := plan.Column{Name: "l", Type: schema.TArray(schema.TBigInt)}
	in := scanOf("t", bigint("k"), list)
	cols := []plan.Column{bigint("e"), bigint("n")}
	rows := []change{ins(int64(1), tuple{int64(7), nil}), ins(int64(2), tuple{}), ins(int64(3), nil), {-2, tuple{int64(4), tuple{int64(9)}}}}
	inner := &plan.Project{
		Input: &plan.Unnest{Input: in, Expr: colRef(in, 1), Cols: cols, Ordinality: true}, Names: []string{"k", "e", "n"},
	}
	inner.Exprs = []expr.Expr{colRef(inner.Input, 0), colRef(inner.Input, 2), colRef(inner.Input, 3)}
	runScript(t, inner, Options{}, []epochCase{{in: rows, want: "+1 [1 <nil> 2]\n+1 [1 7 1]\n-2 [4 9 1]"}})
	outer := &plan.Unnest{Input: in, Expr: colRef(in, 1), Cols: cols[:1], Outer: true}
	keep := &plan.Project{Input: outer, Names: []string{"k", "e"}, Exprs: []expr.Expr{colRef(outer, 0), colRef(outer, 2)}}
	runScript(t, keep, Options{}, []epochCase{
		{in: rows, want: "+1 [1 <nil>]\n+1 [1 7]\n+1 [2 <nil>]\n+1 [3 <nil>]\n-2 [4 9]"},
	})
}

func TestUnnestMapsAndRows(t *testing.T) {
	m := plan.Column{Name: "m", Type: schema.TMap(schema.TString, schema.TBigInt)}
	in := scanOf("t", m)
	u := &plan.Unnest{Input: in, Expr: colRef(in, 0), Cols: []plan.Column{text("key"), bigint("value")}}
	keep := &plan.Project{Input: u, Names: []string{"a", "b"}, Exprs: []expr.Expr{colRef(u, 1), colRef(u, 2)}}
	runScript(t, keep, Options{}, []epochCase{{in: []change{ins(tuple{"x", int64(1), "y", nil})}, want: "+1 [x 1]\n+1 [y <nil>]"}})

	row := schema.Type{Kind: schema.Row, Fields: []schema.Field{{Name: "a", Type: schema.TBigInt}, {Name: "b", Type: schema.TString}}}
	in = scanOf("t", plan.Column{Name: "l", Type: schema.TArray(row)})
	u = &plan.Unnest{Input: in, Expr: colRef(in, 0), Cols: []plan.Column{bigint("a"), text("b")}}
	keep = &plan.Project{Input: u, Names: []string{"a", "b"}, Exprs: []expr.Expr{colRef(u, 1), colRef(u, 2)}}
	runScript(t, keep, Options{}, []epochCase{{
		in: []change{ins(tuple{tuple{int64(1), "x"}, nil, tuple{nil, "y"}})}, want: "+1 [<nil> <nil>]\n+1 [<nil> y]\n+1 [1 x]",
	}})
}

func TestWatermarkFilterLetsRowsComeAndGo(t *testing.T) {
	in := scanOf("t", text("id"), stamp("ts"))
	until := callOf("+", schema.TTimestamp(3), colRef(in, 1), &expr.Literal{Value: int64(10), T: schema.Type{Kind: schema.IntervalDayTime}})
	root := &plan.ClockFilter{Input: in, Until: until, Watermark: true, NullClock: true}
	d := runScript(t, root, Options{}, []epochCase{
		{in: []change{ins("a", int64(1)), ins("b", int64(5)), ins("null", nil)}, want: "+1 [a 1]\n+1 [b 5]\n+1 [null <nil>]"},
		{wm: 11, want: "-1 [a 1]\n-1 [null <nil>]"},
		{in: []change{ins("c", int64(1))}, wm: 11},
		{in: []change{del("b", int64(5))}, wm: 12, want: "-1 [b 5]"},
		{in: []change{del("a", int64(1))}, wm: 13},
		{wm: 99},
	})
	if n := d.Stats()[1].StateRows; n != 0 {
		t.Errorf("%d timers are left", n)
	}
}

func TestSinkRootIsWidenedToTheTable(t *testing.T) {
	in := scanOf("t", bigint("k"), text("s"))
	target := &plan.Table{Name: "sink", Columns: []plan.TableColumn{
		{Column: text("s")}, {Column: bigint("unset")}, {Column: bigint("computed"), Computed: intLit(1)}, {Column: text("k")},
	}}
	root := &plan.Sink{Input: in, Table: target, Target: []int{3, 0}}
	d := runScript(t, root, Options{}, []epochCase{{in: []change{ins(int64(7), "x")}, want: "+1 [x <nil> 7]"}})
	if got := len(d.Columns()); got != 3 {
		t.Errorf("%d columns come out, want the 3 stored ones", got)
	}
}

func TestScalarSubqueryWithTwoRowsFails(t *testing.T) {
	in := scanOf("t", bigint("v"))
	root := &plan.Aggregate{Input: in, WindowEnd: -1, Aggs: []plan.AggCall{
		{Fn: "SINGLE_VALUE", Args: []expr.Expr{colRef(in, 0)}, T: schema.TBigInt, Name: "v"},
	}}
	d := runScript(t, root, Options{}, []epochCase{
		{in: []change{ins(int64(1))}, want: "+1 [1]"},
		{in: []change{ins(int64(2)), del(int64(1))}, want: "-1 [1]\n+1 [2]"},
	})
	delta := toDelta(t, in.Columns(), []change{ins(int64(3))})
	if _, err := d.Step(testContext, Epoch{ID: 3}, map[int][]Delta{0: {delta}}); !errors.Is(err, ErrManyRows) {
		t.Fatalf("got %v, want ErrManyRows", err)
	}
	if _, err := d.Step(testContext, Epoch{ID: 4}, nil); !errors.Is(err, ErrBroken) {
		t.Errorf("after a failure: %v, want ErrBroken", err)
	}
	if err := d.Checkpoint(&strings.Builder{}); !errors.Is(err, ErrBroken) {
		t.Errorf("checkpoint after a failure: %v, want ErrBroken", err)
	}
}

func TestWhatCannotRunAsAStreamIsRefused(t *testing.T) {
	in := scanOf("t", bigint("k"), stamp("ts"))
	other := scanOf("o", bigint("k"), stamp("ts"))
	now := callOf("NOW", schema.TTimestampLTZ(3))
	for name, c := range map[string]struct {
		root plan.Node
		says string
	}{
		"cross join":       {&plan.Join{Left: in, Right: other}, "equality"},
		"over everything":  {&plan.Over{Input: in, OrderBy: []plan.SortKey{{Expr: colRef(in, 0)}}}, "PARTITION BY"},
		"clock":            {&plan.Project{Input: in, Exprs: []expr.Expr{now}, Names: []string{"n"}}, "NOW"},
		"window of number": {&plan.Window{Input: in, Kind: plan.Tumble, Time: 0, Size: time.Second}, "TIMESTAMP"},
		"cumulate":         {&plan.Window{Input: in, Kind: plan.Cumulate, Time: 1, Size: 10 * time.Second, Slide: 3 * time.Second}, "multiple"},
		"not in, two keys": {&plan.Join{
			Left: in, Right: other, Kind: plan.NullAwareAnti,
			LeftKeys: []expr.Expr{colRef(in, 0), colRef(in, 1)}, RightKeys: []expr.Expr{colRef(other, 0), colRef(other, 1)},
		}, "NOT EXISTS"},
		"offset alone":     {&plan.Sort{Input: in, Limit: -1, Offset: 3}, "LIMIT"},
		"unknown function": {agg(in, plan.AggCall{Fn: "MEDIAN", T: schema.TDouble}), "MEDIAN"},
		"sums of text":     {agg(in, plan.AggCall{Fn: "SUM", Args: []expr.Expr{colRef(in, 1)}, T: schema.TBigInt}), "SUM"},
	} {
		_, err := Compile(c.root, Options{})
		if !errkind.Is(err, errkind.Invalid) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want an error of kind invalid that says %s", name, err, c.says)
		}
	}
	if _, err := Compile(&plan.Join{Left: in, Right: other}, Options{AllowFullRecompute: true}); err != nil {
		t.Errorf("a cross join that was allowed: %v", err)
	}
}

func TestTakingAwayWhatWasNeverThereIsFound(t *testing.T) {
	in := scanOf("t", bigint("k"))
	for name, root := range map[string]plan.Node{
		"aggregate": agg(in, plan.AggCall{Fn: "COUNT", T: schema.TBigInt}),
		"set":       &plan.SetOp{Kind: plan.Union, Input: []plan.Node{in, in}},
		"top":       &plan.Sort{Input: in, Limit: 3},
		"over":      &plan.Over{Input: in, PartitionBy: []expr.Expr{colRef(in, 0)}},
	} {
		d := mustCompile(t, root, Options{})
		delta := toDelta(t, in.Columns(), []change{del(int64(1))})
		if _, err := d.Step(testContext, Epoch{ID: 1}, map[int][]Delta{0: {delta}}); !errors.Is(err, ErrRetraction) {
			t.Errorf("%s: got %v, want ErrRetraction", name, err)
		}
	}
}

func TestMemoryLimitNamesTheOperator(t *testing.T) {
	in := scanOf("t", bigint("k"))
	d := mustCompile(t, &plan.Sort{Input: in, Limit: 3}, Options{StateBytesMax: 100_000})
	var rows []change
	for i := range int64(10_000) {
		rows = append(rows, ins(i))
	}
	_, err := d.Step(testContext, Epoch{}, map[int][]Delta{0: {toDelta(t, in.Columns(), rows)}})
	if !errkind.Is(err, errkind.Exhausted) || !strings.Contains(err.Error(), "Sort") {
		t.Errorf("got %v, want an error of kind exhausted that names the operator", err)
	}
}

func TestWrongInputIsRefused(t *testing.T) {
	in := scanOf("t", bigint("k"))
	wrong := toDelta(t, []plan.Column{text("k")}, []change{ins("x")})
	for src, deltas := range map[int][]Delta{0: {wrong}, 1: {wrong}} {
		d := mustCompile(t, in, Options{})
		if _, err := d.Step(testContext, Epoch{}, map[int][]Delta{src: deltas}); !errkind.Is(err, errkind.Bug) {
			t.Errorf("source %d: got %v, want an error of kind bug", src, err)
		}
	}
}

// TestMemoryIsGivenBack runs operators on an allocator that counts.
func TestMemoryIsGivenBack(t *testing.T) {
	l, r := scanOf("l", bigint("k"), stamp("ts")), scanOf("r", bigint("k"), text("s"))
	j := &plan.Join{Left: l, Right: r, Kind: plan.Full, LeftKeys: []expr.Expr{colRef(l, 0)}, RightKeys: []expr.Expr{colRef(r, 0)}}
	w := &plan.Window{Input: j, Kind: plan.Hop, Time: 1, Size: 20 * time.Millisecond, Slide: 10 * time.Millisecond}
	f := &plan.Filter{Input: w, Pred: callOf("<", schema.TBoolean, colRef(w, 0), intLit(3))}
	o := &plan.Over{
		Input: f, PartitionBy: []expr.Expr{colRef(f, 0)},
		Calls: []plan.OverCall{{Fn: "LAG", Args: []expr.Expr{colRef(f, 3)}, T: schema.TString, Name: "p"}, {Fn: "COUNT", T: schema.TBigInt, Name: "n"}},
	}
	a := agg(o, plan.AggCall{Fn: "MAX", Args: []expr.Expr{colRef(o, 3)}, T: schema.TString})
	root := &plan.TopN{Input: a, OrderBy: []plan.SortKey{{Expr: colRef(a, 0)}}, Limit: 2}
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	d := mustCompile(t, root, Options{Allocator: mem})
	for i := range int64(20) {
		stepAll(t, d, Epoch{ID: i}, map[int][]Delta{
			0: {toDelta(t, l.Columns(), []change{ins(i%4, i)})}, 1: {toDelta(t, r.Columns(), []change{ins(i%5, "x")})},
		})
	}
}

func TestTapSeesWhatAnOperatorGives(t *testing.T) {
	in := scanOf("t", bigint("k"))
	root := &plan.Filter{Input: in, Pred: callOf("<", schema.TBoolean, colRef(in, 0), intLit(2))}
	d := mustCompile(t, root, Options{})
	var seen []string
	for op := range d.Stats() {
		if err := d.Tap(op, func(tapped Tapped) {
			seen = append(seen, fmt.Sprintf("%d@%d %s", op, tapped.Epoch.ID, printChanges(fromDelta(tapped.Changes[0]))))
		}); err != nil {
			t.Fatal(err)
		}
	}
	step := func(id int64, rows ...change) {
		stepAll(t, d, Epoch{ID: id}, map[int][]Delta{0: {toDelta(t, in.Columns(), rows)}})
	}
	step(1, ins(int64(1)))
	step(2, ins(int64(5)))
	if err := d.Tap(0, nil); err != nil {
		t.Fatal(err)
	}
	step(3, ins(int64(0)))
	want := "0@1 +1 [1]; 1@1 +1 [1]; 0@2 +1 [5]; 1@3 +1 [0]"
	if got := strings.Join(seen, "; "); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if err := d.Tap(9, nil); !errkind.Is(err, errkind.NotFound) {
		t.Errorf("operator 9: got %v, want an error of kind not_found", err)
	}
}

func newYork(t *testing.T) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// Days of instants are the session's days, also those of 23 and 25 hours.
func TestDaysOfInstantsFollowTheSessionZone(t *testing.T) {
	in := scanOf("t", plan.Column{Name: "ts", Type: schema.TTimestampLTZ(3)})
	root := &plan.Window{Input: in, Kind: plan.Tumble, Time: 0, Size: 24 * time.Hour}
	at := func(s string) int64 {
		v, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return v.UnixMilli()
	}
	d := mustCompile(t, root, Options{Zone: newYork(t)})
	rows := []change{ins(at("2013-03-10T04:59:59Z")), ins(at("2013-03-10T05:00:00Z")), ins(at("2013-03-11T03:59:59Z"))}
	out := stepAll(t, d, Epoch{ID: 1}, map[int][]Delta{0: {toDelta(t, in.Columns(), rows)}})
	want := [][3]string{ // wall clock start and end, last instant
		{"2013-03-09T00:00:00Z", "2013-03-10T00:00:00Z", "2013-03-10T04:59:59.999Z"},
		{"2013-03-10T00:00:00Z", "2013-03-11T00:00:00Z", "2013-03-11T03:59:59.999Z"},
		{"2013-03-10T00:00:00Z", "2013-03-11T00:00:00Z", "2013-03-11T03:59:59.999Z"},
	}
	for i, c := range out {
		for j, w := range want[i] {
			if c.row[1+j] != at(w) {
				t.Errorf("row %d column %d is %v, want %s", i, 1+j, millis(c.row[1+j].(int64)), w)
			}
		}
	}
}

// A window of instants closes when the session's wall clock passes its end.
func TestWindowsOfInstantsCloseByTheSessionZone(t *testing.T) {
	in := scanOf("t", text("id"), plan.Column{Name: "ts", Type: schema.TTimestampLTZ(3)})
	const hour = 3_600_000
	w := &plan.Window{Input: in, Kind: plan.Tumble, Time: 1, Size: 24 * time.Hour}
	root := &plan.Aggregate{
		Input: w, GroupBy: []expr.Expr{colRef(w, 3)}, Names: []string{"we"}, WindowEnd: 0,
		Aggs: []plan.AggCall{{Fn: "COUNT", T: schema.TBigInt, Name: "n"}},
	}
	runScript(t, root, Options{AppendOnlySink: true, Zone: newYork(t)}, []epochCase{
		{in: []change{ins("a", int64(6*hour))}, wm: 24 * hour}, // 01:00 of 1 January in New York
		{wm: 29*hour - 2},
		{wm: 29*hour - 1, want: fmt.Sprintf("+1 [%d 1]", 24*hour)},
	})
}

func TestWallClockFilterReadsTimestampsInTheSessionZone(t *testing.T) {
	in := scanOf("t", text("id"), stamp("ts"))
	d := mustCompile(t, &plan.ClockFilter{Input: in, From: colRef(in, 1)}, Options{Zone: newYork(t)})
	const hour = 3_600_000
	rows := map[int][]Delta{0: {toDelta(t, in.Columns(), []change{ins("a", int64(1*hour))})}}
	for _, step := range []struct {
		clock int64
		want  string
	}{{5 * hour, ""}, {6*hour - 1, ""}, {6 * hour, "+1 [a 3600000]"}, {7 * hour, ""}} {
		if got := printChanges(stepAll(t, d, Epoch{Clock: millis(step.clock)}, rows)); got != step.want {
			t.Errorf("at %v: got %q, want %q", millis(step.clock), got, step.want)
		}
		rows = nil
	}
}

// -0.0 equals 0.0 as a key and stays what it is as a value.
func TestTheSignOfZero(t *testing.T) {
	in := scanOf("t", double("x"))
	minus := math.Copysign(0, -1)
	delta := func() map[int][]Delta {
		return map[int][]Delta{0: {toDelta(t, in.Columns(), []change{ins(minus), ins(0.0)})}}
	}
	out := stepAll(t, mustCompile(t, in, Options{}), Epoch{}, delta())
	if len(out) != 2 || !math.Signbit(out[0].row[0].(float64)) || math.Signbit(out[1].row[0].(float64)) {
		t.Errorf("rows -0.0 and 0.0 come out as %v", out)
	}
	for name, root := range map[string]plan.Node{
		"group":    &plan.Aggregate{Input: in, GroupBy: []expr.Expr{colRef(in, 0)}, Names: []string{"x"}, WindowEnd: -1},
		"distinct": &plan.SetOp{Kind: plan.Union, Input: []plan.Node{in, &plan.Filter{Input: in, Pred: expr.False()}}},
	} {
		if out := stepAll(t, mustCompile(t, root, Options{}), Epoch{}, delta()); len(out) != 1 || out[0].w != 1 {
			t.Errorf("%s: -0.0 and 0.0 give %v, want one row", name, out)
		}
	}
	right := scanOf("r", double("x"))
	join := &plan.Join{Left: in, Right: right, LeftKeys: []expr.Expr{colRef(in, 0)}, RightKeys: []expr.Expr{colRef(right, 0)}}
	feed := delta()
	feed[1] = feed[0]
	if out := stepAll(t, mustCompile(t, join, Options{}), Epoch{}, feed); len(out) != 4 {
		t.Errorf("join gives %v, want every pair", out)
	}
}

// A thousand jobs on one machine is a design point: an idle one is small.
func TestIdleDataflowIsSmall(t *testing.T) {
	const jobs, bytesMax = 200, 256 << 10
	root, in := everyState()
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	flows := make([]*Dataflow, jobs)
	for i := range flows {
		flows[i] = mustCompile(t, root, Options{})
		rows := map[int][]Delta{0: {toDelta(t, in.Columns(), []change{ins(int64(1), int64(2), "s", int64(3))})}}
		stepAll(t, flows[i], Epoch{ID: 1, Watermark: map[int]time.Time{0: millis(5), 2: millis(5)}}, rows)
	}
	each := (heap() - before) / jobs
	t.Logf("%d bytes each, of which %d are state", each, flows[0].StateBytes())
	if each > bytesMax {
		t.Errorf("an idle dataflow of %d operators holds %d bytes, more than %d", len(flows[0].Stats()), each, bytesMax)
	}
	runtime.KeepAlive(flows)
}
