package stream

import (
	"bytes"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/rowkey"
	"github.com/weir-lake/weir/compute/state"
	"github.com/weir-lake/weir/internal/errkind"
)

// The kinds of row changes, as Paimon numbers them.
const (
	KindInsert       int8 = 0 // +I
	KindUpdateBefore int8 = 1 // -U
	KindUpdateAfter  int8 = 2 // +U
	KindDelete       int8 = 3 // -D
)

// ErrNotInsertOnly: the result takes rows away, and the sink cannot.
var ErrNotInsertOnly = errkind.New(errkind.Invalid,
	"the query takes rows away or changes them, which the sink table cannot: it needs a primary key and the merge engine 'deduplicate'")

// ErrNotUnique: a query taken to be unique on the sink's key has two rows for one key.
var ErrNotUnique = errkind.New(errkind.Bug, "stream: two result rows have the same key although the query was proved unique on it")

// SinkOptions describe the table a result goes into. The zero value is an append table.
type SinkOptions struct {
	// Columns are the table's stored columns, as the dataflow gives them.
	Columns []plan.Column
	// Key are the indexes of the primary key columns; empty is an append table.
	Key []int
	// MergeEngine is Paimon's merge-engine: deduplicate (also if empty) or partial-update.
	MergeEngine string
	// Sequence are the indexes of the sequence.field columns; empty means none.
	Sequence []int
	// SequenceDescending is sequence.field.sort-order=descending.
	SequenceDescending bool
	// Unique says that the query was proved to have at most one row per key; else the rows
	// of each key are kept and the greatest is in the table.
	Unique bool
	// InsertOnly says that the query never takes rows away.
	InsertOnly bool
	// Refold gives, of the result as it is at the end of the epoch being applied, the rows that have one of the keys; it
	// may give others too. A partial-update sink needs it when rows are taken away, which merging cannot undo. The keys
	// are a batch of the key columns. Nil: rows of such a result are never taken away.
	Refold func(keys arrow.RecordBatch) ([]Delta, error)
	// Allocator of Arrow memory, nil means the default one.
	Allocator memory.Allocator
}

// RowChanges are rows of the sink's columns with their kinds.
type RowChanges struct {
	Rows  arrow.RecordBatch
	Kinds []int8
}

// SinkChanges are what an epoch means for a table; the holder calls Release.
type SinkChanges struct {
	// Write is for the table's writer: at most one row per key, +I, +U or -D. For
	// partial-update it holds the columns to set, NULL for those to leave.
	Write []RowChanges
	// Changelog is the exact change of the table's rows: -U directly followed by +U.
	Changelog []RowChanges
	// Removed are rows that an append table loses.
	Removed []RowChanges
	// Replaced are keys of a partial-update table whose rows no write can bring about, because values become NULL again
	// or the row goes. Their bucket must be rewritten; they are in Changelog and not in Write.
	Replaced []Replaced
}

// Replaced is the row of a key before and after an epoch, as compute/rowkey encodes rows of the sink's columns. Now is
// nil when the row is gone.
type Replaced struct{ Key, Was, Now []byte }

// Release gives the batches back.
func (c *SinkChanges) Release() {
	for _, list := range [][]RowChanges{c.Write, c.Changelog, c.Removed} {
		for _, r := range list {
			r.Rows.Release()
		}
	}
}

// Materializer turns the changes of a result into the changes of a table that holds at most
// one row per key. Its state, where it has any, is rebuilt by Seed from the table itself
// (partial-update) or by replaying the result (rows kept per key).
type Materializer struct {
	opts   SinkOptions
	schema *arrow.Schema
	merge  merger
	broken bool
}

// merger is one way to bring changes into a table.
type merger interface {
	apply(in []Delta, out *sinkOutput) error
	keeper
}

// NewMaterializer checks that the result can go into the table. Errors are of kind invalid.
func NewMaterializer(opts SinkOptions) (*Materializer, error) {
	m := &Materializer{opts: opts}
	if m.opts.Allocator == nil {
		m.opts.Allocator = memory.DefaultAllocator
	}
	for _, c := range opts.Columns {
		if err := ordered(c.Type); err != nil {
			return nil, fmt.Errorf("sink column %s: %w", c.Name, err)
		}
	}
	m.schema = schemaOf(opts.Columns)
	var err error
	switch {
	case len(opts.Key) == 0:
		if !opts.InsertOnly {
			return nil, ErrNotInsertOnly
		}
		m.merge = &appendMerger{}
	case opts.MergeEngine == "partial-update":
		m.merge, err = newPartialMerger(m.opts, m.schema)
	case opts.MergeEngine != "" && opts.MergeEngine != "deduplicate":
		err = errkind.Errorf(errkind.Invalid, "merge engine %q cannot be written by a streaming query: use deduplicate or partial-update",
			opts.MergeEngine)
	case opts.Unique:
		m.merge = &uniqueMerger{opts: opts, mem: m.opts.Allocator, schema: m.schema}
	default:
		m.merge = &keepMerger{opts: opts}
	}
	return m, err
}

// Apply takes the changes of one or several epochs, as Step gave them (each epoch
// consolidated, epochs in order), and returns the table's changes. After an error the
// materializer refuses to go on, as a dataflow does.
func (m *Materializer) Apply(in []Delta) (SinkChanges, error) { return m.apply(in, false) }

// ApplyRevised is Apply for one epoch whose rows may be older than others of their keys: partial-update folds all
// rows of these keys anew.
func (m *Materializer) ApplyRevised(in []Delta) (SinkChanges, error) { return m.apply(in, true) }

func (m *Materializer) apply(in []Delta, revised bool) (SinkChanges, error) {
	if m.broken {
		return SinkChanges{}, ErrBroken
	}
	out, err := newSinkOutput(m.opts.Allocator, m.schema)
	if err != nil {
		return SinkChanges{}, err
	}
	if p, ok := m.merge.(*partialMerger); ok {
		p.revised = revised
	}
	if err := m.merge.apply(in, out); err != nil {
		m.broken = true
		changes := out.finish()
		changes.Release()
		return SinkChanges{}, err
	}
	return out.finish(), nil
}

// Seed puts rows of the sink table into an empty state. Only partial-update has a use for it.
func (m *Materializer) Seed(rows arrow.RecordBatch) error {
	if p, ok := m.merge.(*partialMerger); ok {
		return p.seed(rows)
	}
	return nil
}

// Merged is the row of an encoded key in a partial-update sink, as compute/rowkey encodes it; nil: there is none.
func (m *Materializer) Merged(key []byte) []byte {
	p, ok := m.merge.(*partialMerger)
	if !ok {
		return nil
	}
	s, ok := p.merged.keys.Find(key)
	if !ok {
		return nil
	}
	return p.merged.row.Get(s)
}

// NeedsSeed tells whether state lost without a checkpoint is rebuilt from the table by Seed.
func (m *Materializer) NeedsSeed() bool {
	_, ok := m.merge.(*partialMerger)
	return ok
}

// NeedsReplay tells whether state lost without a checkpoint needs the whole result again.
func (m *Materializer) NeedsReplay() bool {
	_, ok := m.merge.(*keepMerger)
	return ok
}

// StateBytes is the memory the state holds.
func (m *Materializer) StateBytes() int64 {
	_, n := m.merge.size()
	return n
}

// Checkpoint writes the state.
func (m *Materializer) Checkpoint(out io.Writer) error {
	if m.broken {
		return ErrBroken
	}
	w := state.NewWriter(out)
	w.Bytes([]byte(m.fingerprint()))
	m.merge.save(w)
	if err := w.Close(); err != nil {
		return fmt.Errorf("write sink checkpoint: %w", err)
	}
	return nil
}

// Restore replaces the state by a checkpoint, under the rules of Dataflow.Restore.
func (m *Materializer) Restore(in io.Reader) error {
	m.broken = true
	r := state.NewReader(in)
	if made := r.Bytes(); r.Err() == nil && string(made) != m.fingerprint() {
		return ErrOtherPlan
	}
	if r.Err() == nil {
		if err := m.merge.load(r); err != nil {
			return fmt.Errorf("restore sink checkpoint: %w", err)
		}
	}
	if err := r.End(); err != nil {
		return fmt.Errorf("restore sink checkpoint: %w", err)
	}
	m.broken = false
	return nil
}

func (m *Materializer) fingerprint() string {
	s := fmt.Sprintf("sink v%d %T %v %v %v", checkpointVersion, m.merge, m.opts.Key, m.opts.Sequence, m.opts.SequenceDescending)
	for _, c := range m.opts.Columns {
		s += fmt.Sprintf(" %q %s", c.Name, c.Type)
	}
	return s
}

// sinkOutput collects changes of both kinds.
type sinkOutput struct {
	write, changelog, removed *kindOutput
	replaced                  []Replaced
}

func newSinkOutput(mem memory.Allocator, schema *arrow.Schema) (*sinkOutput, error) {
	w, err := newKindOutput(mem, schema)
	if err != nil {
		return nil, err
	}
	c, err := newKindOutput(mem, schema)
	if err != nil {
		return nil, err
	}
	r, err := newKindOutput(mem, schema)
	return &sinkOutput{write: w, changelog: c, removed: r}, err
}

// replace is the change of one key: a nil row is no row. write is what the writer gets
// for the new row; nil means the row itself.
func (o *sinkOutput) replace(was, row, write []byte) error {
	if write == nil {
		write = row
	}
	switch {
	case was == nil && row == nil, was != nil && bytes.Equal(was, row):
		return nil
	case was == nil:
		return firstError(o.write.add(KindInsert, write), o.changelog.add(KindInsert, row))
	case row == nil:
		return firstError(o.write.add(KindDelete, was), o.changelog.add(KindDelete, was))
	default:
		return firstError(o.write.add(KindUpdateAfter, write),
			o.changelog.add(KindUpdateBefore, was), o.changelog.add(KindUpdateAfter, row))
	}
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (o *sinkOutput) finish() SinkChanges {
	return SinkChanges{Write: o.write.finish(), Changelog: o.changelog.finish(), Removed: o.removed.finish(), Replaced: o.replaced}
}

// kindOutput collects encoded rows with kinds into batches.
type kindOutput struct {
	b     *array.RecordBuilder
	dec   *rowkey.Decoder
	kinds []int8
	out   []RowChanges
}

func newKindOutput(mem memory.Allocator, schema *arrow.Schema) (*kindOutput, error) {
	o := &kindOutput{b: array.NewRecordBuilder(mem, schema)}
	var err error
	o.dec, err = rowkey.NewDecoder(o.b.Fields())
	return o, err
}

func (o *kindOutput) add(kind int8, row []byte) error {
	if rest, err := o.dec.Append(row); err != nil || len(rest) != 0 {
		return rowkey.ErrCorrupt
	}
	o.kinds = append(o.kinds, kind)
	if len(o.kinds) >= batchRowsMax && kind != KindUpdateBefore {
		o.cut()
	}
	return nil
}

func (o *kindOutput) cut() {
	if len(o.kinds) > 0 {
		o.out = append(o.out, RowChanges{o.b.NewRecordBatch(), o.kinds})
		o.kinds = nil
	}
}

func (o *kindOutput) finish() []RowChanges {
	o.cut()
	o.b.Release()
	return o.out
}
