package stream

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/table/schema"
)

// narrowed is a window query over a source of four columns of which it reads two: the plan as it comes from the
// optimizer.
func narrowed(shape string) *plan.Sink {
	src := scanOf("clicks", text("id"), stamp("ts"), bigint("v"), text("note"))
	src.Out = []int{1, 2} // ts, v
	var in plan.Node = src
	if shape == "filtered" || shape == "projected" {
		in = &plan.Filter{Input: in, Pred: callOf("<>", schema.TBoolean, colRef(in, 1), intLit(13))}
	}
	if shape == "projected" {
		in = &plan.Project{Input: in, Exprs: []expr.Expr{colRef(in, 0), callOf("+", schema.TBigInt, colRef(in, 1), intLit(1))}, Names: []string{"ts", "w"}}
	}
	w := &plan.Window{Input: in, Kind: plan.Hop, Time: 0, Size: 20 * time.Millisecond, Slide: 10 * time.Millisecond}
	if shape == "tumbling" {
		w.Kind, w.Slide = plan.Tumble, 0
	}
	var below plan.Node = w
	if shape == "above" {
		below = &plan.Filter{Input: w, Pred: callOf("<>", schema.TBoolean, colRef(w, 1), intLit(13))}
	}
	agg := &plan.Aggregate{
		Input: below, GroupBy: []expr.Expr{colRef(below, 2), colRef(below, 3)}, Names: []string{"ws", "we"}, WindowEnd: 1,
		Aggs: []plan.AggCall{{Fn: "SUM", Args: []expr.Expr{colRef(below, 1)}, T: schema.TBigInt, Name: "s"}, {Fn: "COUNT", T: schema.TBigInt, Name: "n"}},
	}
	cols := agg.Columns()
	t := &plan.Table{Database: "d", Name: "sink"}
	sink := &plan.Sink{Table: t, Input: agg}
	for i, c := range cols {
		t.Columns = append(t.Columns, plan.TableColumn{Column: c})
		sink.Target = append(sink.Target, i)
	}
	return sink
}

// Whole rows change nothing of the result: the same windows come out at the same time, and what is late is late with
// all columns of its table; taken together again, without the late rows, the input gives the same result at once.
func TestWholeLateRowsChangeNothingElse(t *testing.T) {
	for _, shape := range []string{"plain", "tumbling", "filtered", "projected", "above"} {
		t.Run(shape, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				sink := narrowed(shape)
				kept := KeepWhole(sink)
				opts := Options{AppendOnlySink: true, AppendOnly: func(*plan.Scan) bool { return true }}
				narrow, whole, again := mustPlan(t, sink, opts), mustPlan(t, kept, opts), mustPlan(t, kept, opts)
				sum, late, lateCount := relation{}, map[string]int{}, 0
				var all []change
				wm := int64(0)
				for ep := range rapid.Int64Range(1, 6).Draw(t, "epochs") {
					var rows, short []change
					for range rapid.IntRange(0, 5).Draw(t, "rows") {
						row := tuple{fmt.Sprint("id", len(all)+len(rows)), rapid.Int64Range(0, 60).Draw(t, "ts"), rapid.Int64Range(11, 14).Draw(t, "v"), "n"}
						rows, short = append(rows, change{1, row}), append(short, change{1, row[1:3]})
					}
					wm += rapid.Int64Range(0, 30).Draw(t, "wm")
					at := Epoch{ID: ep, Watermark: map[int]time.Time{0: millis(wm)}}
					want := printChanges(stepAll(t, narrow, at, map[int][]Delta{0: {toDelta(t, narrow.Sources()[0].Columns(), short)}}))
					// The scan has the columns that are read first, then the others.
					out := stepAll(t, whole, at, map[int][]Delta{0: {toDelta(t, whole.Sources()[0].Columns(), asScanned(rows))}})
					if got := printChanges(out); got != want {
						t.Fatalf("watermark %d: got\n%s\nwant\n%s", wm, got, want)
					}
					for _, c := range out {
						sum.add(c.row, c.w)
					}
					for _, l := range whole.Late() {
						if len(l.Columns) != 4 || l.Columns[0].Name != "id" || l.Columns[3].Name != "note" {
							t.Fatalf("late rows have columns %v", l.Columns)
						}
						for i, c := range fromDelta(l.Delta) {
							late[fmt.Sprint(c.row, l.Until[i])]++
							if !slices.ContainsFunc(rows, func(r change) bool { return fmt.Sprint(r.row) == fmt.Sprint(c.row) }) {
								t.Fatalf("late row %v never came", c.row)
							}
						}
					}
					if got, want := countLate(whole), countLate(narrow); got != want {
						t.Fatalf("%d rows are late whole, %d without", got, want)
					}
					lateCount += countLate(whole)
					all = append(all, rows...)
				}
				again.KnowLate(func(l LateRows) []bool {
					out := make([]bool, len(l.Until))
					for i, c := range fromDelta(l.Delta) {
						if k := fmt.Sprint(c.row, l.Until[i]); late[k] > 0 {
							late[k]--
							lateCount--
							out[i] = true
						}
					}
					return out
				})
				once := relation{}
				for _, c := range stepAll(t, again, Epoch{ID: 9, Watermark: map[int]time.Time{0: millis(wm)}}, map[int][]Delta{0: {toDelta(t, again.Sources()[0].Columns(), asScanned(all))}}) {
					once.add(c.row, c.w)
				}
				if once.String() != sum.String() || lateCount != 0 {
					t.Fatalf("at once, with %d late rows left: got\n%s\nwant\n%s", lateCount, once, sum)
				}
			})
		})
	}
}

func mustPlan(t tester, sink *plan.Sink, opts Options) *Dataflow {
	d, err := Compile(sink.Input, opts)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return d
}

// asScanned brings rows of the table into the order of the widened scan: ts, v, id, note.
func asScanned(rows []change) []change {
	out := make([]change, len(rows))
	for i, c := range rows {
		out[i] = change{c.w, tuple{c.row[1], c.row[2], c.row[0], c.row[3]}}
	}
	return out
}

func countLate(d *Dataflow) (n int) {
	for _, l := range d.Late() {
		n += int(l.Delta.Rows.NumRows())
	}
	return n
}

func TestPlansWithoutClosingWindowsStayAsTheyAre(t *testing.T) {
	sink := narrowed("plain")
	sink.Table.PrimaryKey = []string{"we"}
	if KeepWhole(sink) != sink {
		t.Error("a sink with a key got another plan")
	}
	sink = narrowed("plain")
	sink.Input = sink.Input.(*plan.Aggregate).Input
	if KeepWhole(sink) != sink {
		t.Error("a plan without aggregate got another one")
	}
}

// The last open window ends where the session's wall clock says, also around a change of the clocks.
func TestOpenUntil(t *testing.T) {
	in := scanOf("t", text("id"), plan.Column{Name: "ts", Type: schema.TTimestampLTZ(3)})
	const hour = int64(3_600_000)
	w := &plan.Window{Input: in, Kind: plan.Tumble, Time: 1, Size: time.Hour}
	root := &plan.Aggregate{
		Input: w, GroupBy: []expr.Expr{colRef(w, 3)}, Names: []string{"we"}, WindowEnd: 0,
		Aggs: []plan.AggCall{{Fn: "COUNT", T: schema.TBigInt, Name: "n"}},
	}
	shift := time.Date(2026, 3, 8, 7, 0, 0, 0, time.UTC).UnixMilli() // New York skips from 2:00 to 3:00
	for _, at := range []int64{0, shift - hour, shift - 1, shift, shift + hour, time.Date(2026, 11, 1, 5, 30, 0, 0, time.UTC).UnixMilli(), time.Date(2026, 11, 1, 6, 30, 0, 0, time.UTC).UnixMilli()} {
		d := mustCompile(t, root, Options{AppendOnlySink: true, Zone: newYork(t)})
		if _, open := d.OpenUntil(); open {
			t.Fatal("a window is open before any row")
		}
		stepAll(t, d, Epoch{ID: 1}, map[int][]Delta{0: {toDelta(t, in.Columns(), []change{ins("a", at)})}})
		until, open := d.OpenUntil()
		if !open {
			t.Fatalf("row at %v: no window is open", millis(at))
		}
		if out := stepAll(t, d, Epoch{ID: 2, Watermark: map[int]time.Time{0: until}}, nil); len(out) != 1 {
			t.Errorf("row at %v: the watermark %v closes %d windows", millis(at), until, len(out))
		}
		if _, open := d.OpenUntil(); open {
			t.Errorf("row at %v: its window is still open", millis(at))
		}
	}
}
