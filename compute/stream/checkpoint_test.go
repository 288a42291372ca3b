package stream

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

// everyState is a plan with an operator of each kind that keeps state.
func everyState() (root plan.Node, in *plan.Scan) {
	in = scanOf("t", bigint("k"), bigint("v"), text("s"), stamp("ts"))
	right := scanOf("u", bigint("k"), plan.Column{Name: "x", Type: schema.TDouble})
	f := &plan.ClockFilter{Input: in, From: colRef(in, 3), Watermark: true}
	w := &plan.Window{Input: f, Kind: plan.Session, Time: 3, Size: 5 * time.Millisecond}
	j := &plan.Join{Left: w, Right: right, Kind: plan.Left, LeftKeys: []expr.Expr{colRef(w, 0)}, RightKeys: []expr.Expr{colRef(right, 0)}}
	x := []expr.Expr{colRef(j, len(j.Columns())-1)}
	v, s := []expr.Expr{colRef(j, 1)}, []expr.Expr{colRef(j, 2)}
	a := agg(j,
		plan.AggCall{Fn: "COUNT", T: schema.TBigInt}, plan.AggCall{Fn: "SUM", Args: x, T: schema.TDouble},
		plan.AggCall{Fn: "VAR_POP", Args: x, T: schema.TDouble}, plan.AggCall{Fn: "MIN", Args: s, T: schema.TString},
		plan.AggCall{Fn: "LISTAGG", Args: s, T: schema.TString}, plan.AggCall{Fn: "COUNT", Args: v, Distinct: true, T: schema.TBigInt},
		plan.AggCall{Fn: "AVG", Args: v, T: schema.TBigInt})
	o := &plan.Over{Input: a, PartitionBy: []expr.Expr{colRef(a, 1)}, Calls: []plan.OverCall{{Fn: "ROW_NUMBER", T: schema.TBigInt, Name: "rn"}}}
	set := &plan.SetOp{Kind: plan.Union, Input: []plan.Node{o, o}}
	return &plan.TopN{Input: set, OrderBy: []plan.SortKey{{Expr: colRef(set, 0)}}, Limit: 100}, in
}

func filled(t testing.TB) (d *Dataflow, root plan.Node, checkpoint []byte) {
	root, in := everyState()
	d = mustCompile(t, root, Options{})
	feed := map[int][]Delta{}
	for i, s := range d.Sources() {
		var rows []change
		for k := range int64(6) {
			if len(s.Columns()) == len(in.Columns()) {
				rows = append(rows, ins(k%3, k, strings.Repeat("s", int(k)), 10*k))
			} else {
				rows = append(rows, ins(k%2, 0.1*float64(k)))
			}
		}
		feed[i] = []Delta{toDelta(t, s.Columns(), rows)}
	}
	if out := stepAll(t, d, Epoch{ID: 1, Watermark: map[int]time.Time{0: millis(35), 2: millis(35)}}, feed); len(out) == 0 {
		t.Fatal("nothing came out")
	}
	var buf bytes.Buffer
	if err := d.Checkpoint(&buf); err != nil {
		t.Fatal(err)
	}
	return d, root, buf.Bytes()
}

func TestCheckpointIsTheSameAfterRestore(t *testing.T) {
	_, root, first := filled(t)
	d := mustCompile(t, root, Options{})
	if err := d.Restore(bytes.NewReader(first)); err != nil {
		t.Fatal(err)
	}
	var second bytes.Buffer
	if err := d.Checkpoint(&second); err != nil {
		t.Fatal(err)
	}
	third := mustCompile(t, root, Options{})
	if err := third.Restore(&second); err != nil {
		t.Fatal(err)
	}
	a, b := d.Stats(), third.Stats()
	for i := range a {
		if a[i].StateRows != b[i].StateRows {
			t.Errorf("operator %s holds %d rows, then %d", a[i].Operator, a[i].StateRows, b[i].StateRows)
		}
	}
}

func TestDamagedCheckpointsAreRefused(t *testing.T) {
	_, root, data := filled(t)
	restore := func(b []byte) error { return mustCompile(t, root, Options{}).Restore(bytes.NewReader(b)) }
	for i := range data {
		bad := bytes.Clone(data)
		bad[i] ^= 1
		if err := restore(bad); !errkind.Is(err, errkind.Corrupt) {
			t.Errorf("byte %d of %d flipped: %v", i, len(data), err)
		}
		if err := restore(data[:i]); !errkind.Is(err, errkind.Corrupt) {
			t.Errorf("cut to %d of %d bytes: %v", i, len(data), err)
		}
	}
	if err := restore(append(bytes.Clone(data), data...)); !errkind.Is(err, errkind.Corrupt) {
		t.Errorf("twice the bytes: %v", err)
	}
}

func TestCheckpointOfAnotherPlanIsRefused(t *testing.T) {
	_, _, data := filled(t)
	in := scanOf("t", bigint("k"))
	d := mustCompile(t, in, Options{})
	if err := d.Restore(bytes.NewReader(data)); !errors.Is(err, ErrOtherPlan) {
		t.Fatalf("got %v, want ErrOtherPlan", err)
	}
	if _, err := d.Step(testContext, Epoch{}, nil); !errors.Is(err, ErrBroken) {
		t.Errorf("after a refused checkpoint: %v, want ErrBroken", err)
	}
}

func TestPlansThatDifferHaveDifferentFingerprints(t *testing.T) {
	in := scanOf("t", bigint("k"), bigint("v"))
	seen := map[string]string{}
	for name, root := range map[string]plan.Node{
		"count":    agg(in, plan.AggCall{Fn: "COUNT", T: schema.TBigInt}),
		"count v":  agg(in, plan.AggCall{Fn: "COUNT", Args: []expr.Expr{colRef(in, 1)}, T: schema.TBigInt}),
		"distinct": agg(in, plan.AggCall{Fn: "COUNT", Args: []expr.Expr{colRef(in, 1)}, T: schema.TBigInt, Distinct: true}),
		"top 1":    &plan.Sort{Input: in, Limit: 1},
		"top 2":    &plan.Sort{Input: in, Limit: 2},
		"by v":     &plan.Sort{Input: in, Limit: 2, Keys: []plan.SortKey{{Expr: colRef(in, 1)}}},
		"by v desc": &plan.Sort{
			Input: in, Limit: 2, Keys: []plan.SortKey{{Expr: colRef(in, 1), Desc: true}},
		},
	} {
		f := fingerprint(root, Options{})
		if other := seen[f]; other != "" {
			t.Errorf("%s and %s have one fingerprint", name, other)
		}
		seen[f] = name
		if f != fingerprint(root, Options{}) {
			t.Errorf("%s: the fingerprint changes", name)
		}
	}
}

func FuzzRestore(f *testing.F) {
	_, root, data := filled(f)
	f.Add(data)
	f.Add(data[:40])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		d := mustCompile(t, root, Options{})
		if err := d.Restore(bytes.NewReader(b)); err != nil && !errkind.Is(err, errkind.Corrupt) && !errors.Is(err, ErrOtherPlan) {
			t.Fatalf("error %v is of another kind", err)
		}
	})
}

// TestWindowsComeOnceWithAllTheirRows: what an append-only sink got is the batch result over
// the rows that were not late, limited to the windows that were closed.
func TestWindowsComeOnceWithAllTheirRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := scanOf("t", text("id"), stamp("ts"))
		root := windowCount(in)
		compile := func() *Dataflow {
			d, err := Compile(root, Options{AppendOnlySink: true})
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
		d := compile()
		got, onTime := relation{}, relation{}
		truth := &naive{inputs: map[*plan.Scan]relation{in: onTime}}
		wm := int64(-30)
		for ep := range rapid.Int64Range(1, 8).Draw(t, "epochs") {
			var rows []change
			for range rapid.IntRange(0, 5).Draw(t, "rows") {
				row := tuple{rapid.SampledFrom([]string{"a", "b"}).Draw(t, "id"), rapid.Int64Range(-20, 60).Draw(t, "ts")}
				rows = append(rows, change{1, row})
				onTime.add(row, 1)
			}
			wm += rapid.Int64Range(0, 20).Draw(t, "wm")
			truth.watermark = &wm
			out := stepAll(t, d, Epoch{ID: ep, Watermark: map[int]time.Time{0: millis(wm)}},
				map[int][]Delta{0: {toDelta(t, in.Columns(), rows)}})
			for _, c := range out {
				if c.w != 1 {
					t.Fatalf("an append-only sink gets %+d %v", c.w, c.row)
				}
				got.add(c.row, c.w)
			}
			for _, l := range d.Late() {
				for _, c := range fromDelta(l.Delta) {
					onTime.add(c.row[:2], -c.w)
				}
			}
			if want := truth.eval(root).String(); got.String() != want {
				t.Fatalf("watermark %d: got\n%s\nwant\n%s", wm, got, want)
			}
			var buf bytes.Buffer
			if err := d.Checkpoint(&buf); err != nil {
				t.Fatal(err)
			}
			if d = compile(); d.Restore(&buf) != nil {
				t.Fatal("restore")
			}
		}
	})
}
