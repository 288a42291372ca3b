package stream

import (
	"bytes"
	"context"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weir-lake/weir/compute/plan"
)

var testContext = context.Background()

// history drives a dataflow and the naive evaluator with the same random changes.
type history struct {
	t     *rapid.T
	root  plan.Node
	d     *Dataflow
	opts  Options
	truth *naive
	got   relation
	epoch int64
	clock int64
	log   []map[int][]change
}

func newHistory(t *rapid.T, g *generator, root plan.Node, opts Options) *history {
	d, err := Compile(root, opts)
	if err != nil {
		t.Fatalf("compile %s: %v", describeAll(root), err)
	}
	h := &history{t: t, root: root, d: d, opts: opts, truth: &naive{inputs: map[*plan.Scan]relation{}}, got: relation{}}
	for _, s := range d.Sources() {
		h.truth.inputs[s] = relation{}
	}
	return h
}

func describeAll(n plan.Node) string {
	s := describe(n)
	for _, in := range n.Inputs() {
		s += "\n  " + describeAll(in)
	}
	return s
}

func drawTuple(t *rapid.T) tuple {
	row := tuple{nil, nil, nil, nil, nil}
	if rapid.IntRange(0, 5).Draw(t, "k null") > 0 {
		row[0] = rapid.Int64Range(0, 3).Draw(t, "k")
	}
	if rapid.IntRange(0, 5).Draw(t, "v null") > 0 {
		row[1] = rapid.Int64Range(-2, 3).Draw(t, "v")
	}
	if rapid.IntRange(0, 5).Draw(t, "s null") > 0 {
		row[2] = rapid.SampledFrom([]string{"", "a", "b", "a\x00"}).Draw(t, "s")
	}
	if rapid.IntRange(0, 8).Draw(t, "ts null") > 0 {
		row[3] = rapid.Int64Range(-20, 60).Draw(t, "ts")
	}
	if rapid.IntRange(0, 5).Draw(t, "x null") > 0 {
		row[4] = rapid.SampledFrom([]float64{0, 0.1, 0.2, -2.5, 1e16, 1e300, -1e300, math.NaN(), math.Inf(1), math.Inf(-1)}).Draw(t, "x")
	}
	return row
}

// drawChanges draws changes of one source that leave no row with a negative weight, in an
// order in which a row may go before it comes.
func (h *history) drawChanges(r relation, insertOnly bool) []change {
	var out []change
	for range rapid.IntRange(0, 6).Draw(h.t, "changes") {
		rows := r.rows()
		if len(rows) > 0 && !insertOnly && rapid.IntRange(0, 2).Draw(h.t, "delete") == 0 {
			row := rows[rapid.IntRange(0, len(rows)-1).Draw(h.t, "row")]
			r.add(row, -1)
			out = append(out, change{-1, row})
			continue
		}
		row, n := drawTuple(h.t), int64(rapid.IntRange(1, 2).Draw(h.t, "n"))
		r.add(row, n)
		out = append(out, change{n, row})
	}
	return rapid.Permutation(out).Draw(h.t, "order")
}

func (h *history) step(insertOnly bool) {
	h.epoch++
	h.clock += int64(rapid.IntRange(0, 15).Draw(h.t, "clock"))
	changes := map[int][]change{}
	for i, s := range h.d.Sources() {
		if c := h.drawChanges(h.truth.inputs[s], insertOnly); len(c) > 0 {
			changes[i] = c
		}
	}
	var wm *int64
	if h.truth.watermark != nil || rapid.Bool().Draw(h.t, "has watermark") {
		v := h.clock - 20
		wm = &v
	}
	h.truth.clock, h.truth.watermark = h.clock, wm
	h.run(changes)
}

func (h *history) at() Epoch {
	ep := Epoch{ID: h.epoch, Clock: millis(h.clock), Watermark: map[int]time.Time{}}
	for i := range h.d.Sources() {
		if h.truth.watermark != nil {
			ep.Watermark[i] = millis(*h.truth.watermark)
		}
	}
	return ep
}

func (h *history) run(changes map[int][]change) {
	h.log = append(h.log, changes)
	in := map[int][]Delta{}
	for i, c := range changes {
		cols := h.d.Sources()[i].Columns()
		cut := rapid.IntRange(0, len(c)).Draw(h.t, "batches")
		for _, part := range [][]change{c[:cut], c[cut:]} {
			if len(part) > 0 {
				in[i] = append(in[i], toDelta(h.t, cols, part))
			}
		}
	}
	for _, c := range stepAll(h.t, h.d, h.at(), in) {
		h.got.add(c.row, c.w)
	}
	if want := h.truth.eval(h.root).String(); h.got.String() != want {
		h.t.Fatalf("epoch %d of\n%s\ninputs %v\nclock %d watermark %v\ngot\n%s\nwant\n%s",
			h.epoch, describeAll(h.root), h.log, h.clock, h.truth.watermark, h.got, want)
	}
}

// restart carries the state over into a dataflow compiled anew.
func (h *history) restart() {
	var buf bytes.Buffer
	if err := h.d.Checkpoint(&buf); err != nil {
		h.t.Fatalf("checkpoint: %v", err)
	}
	d, err := Compile(h.root, h.opts)
	if err != nil {
		h.t.Fatal(err)
	}
	if err := d.Restore(&buf); err != nil {
		h.t.Fatalf("restore: %v", err)
	}
	h.d = d
}

func runHistory(t *rapid.T, g *generator, root plan.Node, opts Options, insertOnly bool) {
	h := newHistory(t, g, root, opts)
	for range rapid.IntRange(1, 6).Draw(t, "epochs") {
		h.step(insertOnly)
		if rapid.IntRange(0, 3).Draw(t, "restart") == 0 {
			h.restart()
		}
	}
}

// TestStreamEqualsRecompute is the engine's main property: after every epoch the sum of all
// output changes is the query over all input so far, whatever the plan, the changes, the
// batches and the restarts.
func TestStreamEqualsRecompute(t *testing.T) {
	kinds := map[string]func(g *generator) plan.Node{
		"filter":       func(g *generator) plan.Node { s := g.scan(); return &plan.Filter{Input: s, Pred: g.condition(s)} },
		"aggregate":    func(g *generator) plan.Node { return g.aggregate(g.scan()) },
		"join":         func(g *generator) plan.Node { return g.join(g.scan(), g.scan()) },
		"set":          func(g *generator) plan.Node { return g.setOp(g.scan()) },
		"window":       func(g *generator) plan.Node { return g.window(g.scan()) },
		"topn":         func(g *generator) plan.Node { return g.topN(g.scan()) },
		"over":         func(g *generator) plan.Node { return g.over(g.scan()) },
		"clock filter": func(g *generator) plan.Node { return g.clockFilter(g.scan()) },
		"two levels":   func(g *generator) plan.Node { return g.node(2) },
		"three levels": func(g *generator) plan.Node { return g.node(3) },
	}
	for name, draw := range kinds {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				g := &generator{t: t}
				runHistory(t, g, draw(g), Options{}, false)
			})
		})
	}
}

// TestAppendOnlyStreamEqualsRecompute is the same for sources that only insert, for which
// some operators keep less.
func TestAppendOnlyStreamEqualsRecompute(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := &generator{t: t}
		runHistory(t, g, g.node(2), Options{AppendOnly: func(*plan.Scan) bool { return true }}, true)
	})
}

// TestEpochsDoNotMatter: one row an epoch and all rows at once end in the same result.
func TestEpochsDoNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := &generator{t: t}
		root := g.node(2)
		one := newHistory(t, g, root, Options{})
		all := newHistory(t, g, root, Options{})
		total := map[int][]change{}
		ep := Epoch{ID: 1, Clock: millis(30), Watermark: map[int]time.Time{}}
		for i, s := range one.d.Sources() {
			ep.Watermark[i] = millis(10)
			total[i] = one.drawChanges(one.truth.inputs[s], true)
		}
		in := map[int][]Delta{}
		for i, changes := range total {
			cols := one.d.Sources()[i].Columns()
			for _, c := range changes {
				for _, out := range stepAll(t, one.d, ep, map[int][]Delta{i: {toDelta(t, cols, []change{c})}}) {
					one.got.add(out.row, out.w)
				}
				ep.ID++
			}
			in[i] = []Delta{toDelta(t, cols, changes)}
		}
		for _, out := range stepAll(t, one.d, ep, nil) {
			one.got.add(out.row, out.w)
		}
		for _, out := range stepAll(t, all.d, ep, in) {
			all.got.add(out.row, out.w)
		}
		if one.got.String() != all.got.String() {
			t.Fatalf("%s\nrow by row\n%s\nat once\n%s", describeAll(root), one.got, all.got)
		}
	})
}
