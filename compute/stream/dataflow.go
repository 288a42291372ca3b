package stream

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/internal/errkind"
)

// ErrBroken: an earlier step failed and left the state between two epochs. The job
// compiles the plan anew and restores a checkpoint or rebuilds.
var ErrBroken = errkind.New(errkind.Invalid, "stream: the dataflow failed in an earlier epoch and must be rebuilt")

// ErrRetraction: an operator was told to take away a row it never got.
var ErrRetraction = errkind.New(errkind.Corrupt, "stream: a row is taken away that was never there")

// Options configure a dataflow. The zero value works.
type Options struct {
	// Zone is the session time zone, nil means UTC.
	Zone *time.Location
	// Allocator of Arrow memory, nil means the default one.
	Allocator memory.Allocator
	// AllowFullRecompute accepts operators whose cost follows the state, not the change.
	AllowFullRecompute bool
	// AppendOnlySink makes window aggregates emit each window once, when the watermark
	// closes it; rows for closed windows come out of Late.
	AppendOnlySink bool
	// AppendOnly tells whether a source only ever inserts; nil means none is known to.
	AppendOnly func(*plan.Scan) bool
	// StateBytesMax fails a step with kind exhausted when state is larger; zero means no limit.
	StateBytesMax int64
}

// Dataflow is a compiled plan with its state. It is driven by one goroutine.
type Dataflow struct {
	tasks       []*task // inputs before the tasks that read them; the root is last
	scans       []*plan.Scan
	fingerprint string
	opts        Options
	late        []LateRows
	isLate      func(LateRows) []bool
	broken      bool
}

// task is one operator at work.
type task struct {
	op      operator
	inputs  []*task
	node    plan.Node
	label   string
	sources []int // of all scans below
	out     []Delta
	stats   Stats
	tap     func(Tapped)
}

// Tapped is what an operator gave in one epoch. It is valid during the call.
type Tapped struct {
	Epoch   Epoch
	Columns []plan.Column
	Changes []Delta
}

// Stats are an operator's counters since the dataflow was compiled or restored.
type Stats struct {
	Operator   string // "3 Aggregate"
	Inputs     []int  // positions of the operators it reads
	Sources    []int  // source indexes of all scans below
	RowsIn     int64
	RowsOut    int64
	StateRows  int64
	StateBytes int64
	Busy       time.Duration
}

// operator takes the changes of one epoch. It does not release in; its result is new.
type operator interface {
	step(x *epoch, in [][]Delta) ([]Delta, error)
}

// keeper is an operator with state.
type keeper interface {
	save(w stateWriter)
	load(r stateReader) error
	size() (rows, bytes int64)
}

// waker is an operator that may have something to do without input.
type waker interface {
	due(x *epoch) bool
}

// epoch is what operators see of a step.
type epoch struct {
	context.Context
	Epoch
	env       expr.Env
	mem       memory.Allocator
	task      *task
	watermark *time.Time // of the running task's sources; nil: none yet
	late      func(LateRows)
	isLate    func(LateRows) []bool // nil: only the watermark decides
}

// Sources lists the scans; the position is the source index of Step and Epoch.Watermark.
func (d *Dataflow) Sources() []*plan.Scan { return d.scans }

// Columns are the columns of the result.
func (d *Dataflow) Columns() []plan.Column { return d.root().node.Columns() }

func (d *Dataflow) root() *task { return d.tasks[len(d.tasks)-1] }

// Step runs one epoch: in holds the changes per source index, with the columns of the
// scan; the caller keeps its own reference to them. The result is consolidated: every row
// once, with the sum of its weights, in the canonical order of rows. After an error the
// dataflow refuses to go on (ErrBroken).
func (d *Dataflow) Step(ctx context.Context, ep Epoch, in map[int][]Delta) ([]Delta, error) {
	if d.broken {
		return nil, ErrBroken
	}
	d.broken = true
	d.releaseLate()
	defer d.releaseOutputs()
	if err := d.takeInput(in); err != nil {
		return nil, err
	}
	for _, t := range d.tasks {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("epoch %d: %w", ep.ID, err)
		}
		if err := d.run(ctx, ep, t); err != nil {
			return nil, fmt.Errorf("epoch %d: operator %s: %w", ep.ID, t.label, err)
		}
	}
	out, err := consolidate(d.allocator(), schemaOf(d.Columns()), d.root().out)
	if err != nil {
		return nil, fmt.Errorf("epoch %d: result: %w", ep.ID, err)
	}
	if err := d.checkMemory(); err != nil {
		releaseAll(out)
		return nil, err
	}
	d.broken = false
	return out, nil
}

// takeInput hands the caller's changes to the scans.
func (d *Dataflow) takeInput(in map[int][]Delta) error {
	for src, deltas := range in {
		if src < 0 || src >= len(d.scans) {
			return errkind.Errorf(errkind.Bug, "input for source %d of a dataflow with %d sources", src, len(d.scans))
		}
		want := schemaOf(d.scans[src].Columns())
		for _, delta := range deltas {
			if err := checkInput(want, delta); err != nil {
				return fmt.Errorf("source %d (table %s): %w", src, d.scans[src].Table.Name, err)
			}
		}
	}
	for _, t := range d.tasks {
		if s, ok := t.op.(*scanOp); ok {
			s.pending = in[s.source]
		}
	}
	return nil
}

func checkInput(want *arrow.Schema, delta Delta) error {
	got := delta.Rows.Schema()
	if got.NumFields() != want.NumFields() {
		return errkind.Errorf(errkind.Bug, "%d columns where the scan has %d", got.NumFields(), want.NumFields())
	}
	for i, f := range want.Fields() {
		if !arrow.TypeEqual(f.Type, got.Field(i).Type) {
			return errkind.Errorf(errkind.Bug, "column %s is %s where the scan has %s", f.Name, got.Field(i).Type, f.Type)
		}
	}
	if delta.Weights != nil && int64(len(delta.Weights)) != delta.Rows.NumRows() {
		return errkind.Errorf(errkind.Bug, "%d weights for %d rows", len(delta.Weights), delta.Rows.NumRows())
	}
	return nil
}

func (d *Dataflow) run(ctx context.Context, ep Epoch, t *task) error {
	x := &epoch{Context: ctx, Epoch: ep, mem: d.allocator(), task: t, watermark: d.watermarkOf(t, ep)}
	x.env = expr.Env{Clock: ep.Clock, Watermark: x.watermark, Zone: d.opts.Zone, Seed: ep.Seed}
	x.late = func(l LateRows) { d.late = append(d.late, l) }
	x.isLate = d.isLate
	in := make([][]Delta, len(t.inputs))
	var rows int64
	for i, input := range t.inputs {
		in[i] = input.out
		rows += countRows(input.out)
	}
	w, wakes := t.op.(waker)
	if rows == 0 && (!wakes || !w.due(x)) {
		return nil
	}
	start := time.Now()
	out, err := t.op.step(x, in)
	t.stats.Busy += time.Since(start)
	t.out = out
	t.stats.RowsIn += rows
	t.stats.RowsOut += countRows(out)
	if t.tap != nil && len(out) > 0 {
		t.tap(Tapped{ep, t.node.Columns(), out})
	}
	for _, input := range t.inputs {
		releaseAll(input.out)
		input.out = nil
	}
	return err
}

// watermarkOf is the least watermark of the sources below that have one by declaration.
// A table without a watermark does not hold back the others.
func (d *Dataflow) watermarkOf(t *task, ep Epoch) *time.Time {
	var least *time.Time
	for _, src := range t.sources {
		w, ok := ep.Watermark[src]
		if !ok {
			if d.scans[src].Table.Watermark != nil {
				return nil
			}
			continue
		}
		if least == nil || w.Before(*least) {
			least = &w
		}
	}
	return least
}

func (d *Dataflow) allocator() memory.Allocator {
	if d.opts.Allocator == nil {
		return memory.DefaultAllocator
	}
	return d.opts.Allocator
}

// Tap calls fn with what the operator at a position of Stats gives in every epoch in which
// it gives something; a nil fn ends it.
func (d *Dataflow) Tap(op int, fn func(Tapped)) error {
	if op < 0 || op >= len(d.tasks) {
		return errkind.Errorf(errkind.NotFound, "there is no operator %d: the dataflow has operators 0 to %d", op, len(d.tasks)-1)
	}
	d.tasks[op].tap = fn
	return nil
}

// Late returns the rows of the last step that came after their window was closed. They are
// valid until the next Step.
func (d *Dataflow) Late() []LateRows { return d.late }

func (d *Dataflow) releaseLate() {
	for _, l := range d.late {
		l.Delta.Rows.Release()
	}
	d.late = nil
}

func (d *Dataflow) releaseOutputs() {
	for _, t := range d.tasks {
		releaseAll(t.out)
		t.out = nil
	}
}

// Stats returns the counters of every operator, inputs before the operators that read them.
func (d *Dataflow) Stats() []Stats {
	out := make([]Stats, len(d.tasks))
	for i, t := range d.tasks {
		s := t.stats
		s.Operator, s.Sources = t.label, t.sources
		for _, in := range t.inputs {
			s.Inputs = append(s.Inputs, slices.Index(d.tasks, in))
		}
		if k, ok := t.op.(keeper); ok {
			s.StateRows, s.StateBytes = k.size()
		}
		out[i] = s
	}
	return out
}

// Stateless tells whether no operator keeps anything between two epochs, so that the dataflow
// needs no checkpoint and no replay.
func (d *Dataflow) Stateless() bool {
	for _, t := range d.tasks {
		if _, ok := t.op.(keeper); ok {
			return false
		}
	}
	return true
}

// StateBytes is the memory all state holds.
func (d *Dataflow) StateBytes() int64 {
	var sum int64
	for _, t := range d.tasks {
		if k, ok := t.op.(keeper); ok {
			_, n := k.size()
			sum += n
		}
	}
	return sum
}

func (d *Dataflow) checkMemory() error {
	if d.opts.StateBytesMax <= 0 {
		return nil
	}
	total := d.StateBytes()
	if total <= d.opts.StateBytesMax {
		return nil
	}
	largest := slices.MaxFunc(d.Stats(), func(a, b Stats) int { return int(a.StateBytes>>10 - b.StateBytes>>10) })
	return errkind.Errorf(errkind.Exhausted,
		"state of %d bytes is over the limit of %d; operator %s holds %d bytes: raise the job's memory or narrow the query",
		total, d.opts.StateBytesMax, largest.Operator, largest.StateBytes)
}

// scanOp hands on what the caller gave for its source.
type scanOp struct {
	source  int
	pending []Delta
}

func (s *scanOp) due(*epoch) bool { return len(s.pending) > 0 }

func (s *scanOp) step(x *epoch, _ [][]Delta) ([]Delta, error) {
	out := make([]Delta, 0, len(s.pending))
	for _, d := range s.pending {
		d.Rows.Retain()
		out = append(out, d)
	}
	x.task.stats.RowsIn += countRows(out)
	s.pending = nil
	return out, nil
}
