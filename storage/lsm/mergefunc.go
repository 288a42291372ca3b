package lsm

import (
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/weir-lake/weir/internal/errkind"
)

// Row kinds as _VALUE_KIND holds them.
const (
	Insert       int8 = 0 // +I
	UpdateBefore int8 = 1 // -U
	UpdateAfter  int8 = 2 // +U
	Delete       int8 = 3 // -D
)

// IsRetract reports -U and -D.
func IsRetract(kind int8) bool { return kind == UpdateBefore || kind == Delete }

// Engine is how rows of one key become one row (merge-engine).
type Engine uint8

// The engines that exist here.
const (
	Deduplicate   Engine = iota // the last row
	PartialUpdate               // the last non-null value of each column
	FirstRow                    // the first row
)

// Config of a Merger.
type Config struct {
	Key            []int // key columns, most significant first
	UserSequence   []int // sequence.field columns; NULL loses
	SequenceDesc   bool  // sequence.field.sort-order=descending: the smallest wins
	Sequence       int   // _SEQUENCE_NUMBER column (int64, no nulls)
	Kind           int   // _VALUE_KIND column (int8, no nulls)
	Engine         Engine
	IgnoreDelete   bool // drop -U and -D before merging
	RemoveOnDelete bool // partial-update.remove-record-on-delete
	// Groups are the sequence groups of partial-update (fields.<seq>.sequence-group).
	Groups []SequenceGroup
	// KeepRetracts keeps a row whose result is -U or -D: compaction below the top
	// level and reads of raw changes. Otherwise such keys give no row.
	KeepRetracts bool
	// UpperOnce takes only the row of the smallest level >= 1 beside those of
	// level 0: right for tables whose upper levels hold merged values already
	// (lookup changelogs, deletion vectors, first-row), needed by folding engines.
	UpperOnce bool
	Repeats   bool // runs may hold a key several times, in sequence order
	BatchRows int  // rows of an output batch; 0 means 8192
}

// SequenceGroup is columns of a partial-update table that are replaced together, NULLs
// included, by a row whose sequence is not below theirs. A row in which all
// sequence columns are NULL leaves the group alone; a retraction clears the members.
type SequenceGroup struct {
	Sequence []int // columns, most significant first
	Members  []int // columns
}

// merger folds the rows of one key, oldest first, and selects the cells of the
// result; false means no row.
type merger interface {
	// one selects all columns from the returned row. all: one row for all
	// columns; else cells holds one Ref a column.
	merge(group []Ref, kinds *kindReader) (one Ref, cells []Ref, ok bool, err error)
}

// kindReader looks up row kinds and nulls of batches.
type kindReader struct {
	batches []arrow.RecordBatch
	kinds   [][]int8
	groups  [][][]column // of each batch, per sequence group its sequence columns
}

func (k *kindReader) of(r Ref) int8 { return k.kinds[r.Batch][r.Row] }

func newMerger(cfg Config, columns int) (merger, error) {
	switch cfg.Engine {
	case Deduplicate:
		return deduplicate{ignoreDelete: cfg.IgnoreDelete}, nil
	case FirstRow:
		return firstRow{ignoreDelete: cfg.IgnoreDelete}, nil
	case PartialUpdate:
		fixed := make([]bool, columns)
		for _, i := range append([]int{cfg.Sequence, cfg.Kind}, cfg.Key...) {
			fixed[i] = true
		}
		p := &partialUpdate{cfg: cfg, fixed: fixed, grouped: make([]bool, columns), cells: make([]Ref, columns)}
		for _, g := range cfg.Groups {
			for _, i := range slices.Concat(g.Sequence, g.Members) {
				p.grouped[i] = true
			}
		}
		return p, nil
	default:
		return nil, errkind.Errorf(errkind.Bug, "lsm: engine %d", cfg.Engine)
	}
}

type deduplicate struct{ ignoreDelete bool }

func (d deduplicate) merge(group []Ref, kinds *kindReader) (Ref, []Ref, bool, error) {
	for i := len(group) - 1; i >= 0; i-- {
		if !d.ignoreDelete || !IsRetract(kinds.of(group[i])) {
			return group[i], nil, true, nil
		}
	}
	return Ref{}, nil, false, nil
}

type firstRow struct{ ignoreDelete bool }

func (f firstRow) merge(group []Ref, kinds *kindReader) (Ref, []Ref, bool, error) {
	for _, r := range group {
		if !IsRetract(kinds.of(r)) {
			return r, nil, true, nil
		}
		if !f.ignoreDelete {
			return Ref{}, nil, false, errkind.Errorf(errkind.Invalid, "a first-row table takes no -U or -D row: set 'ignore-delete' = 'true' to drop them")
		}
	}
	return Ref{}, nil, false, nil
}

type partialUpdate struct {
	cfg     Config
	fixed   []bool // key, sequence and kind: always of the newest row
	grouped []bool // in a sequence group
	cells   []Ref
}

func (p *partialUpdate) merge(group []Ref, kinds *kindReader) (Ref, []Ref, bool, error) {
	if len(group) == 1 && !IsRetract(kinds.of(group[0])) {
		return group[0], nil, true, nil
	}
	if len(p.cfg.Groups) > 0 {
		return Ref{}, p.cells, p.mergeGroups(group, kinds), nil
	}
	seen := false
	for _, r := range group {
		kind := kinds.of(r)
		if IsRetract(kind) {
			if p.cfg.IgnoreDelete || (p.cfg.RemoveOnDelete && kind == UpdateBefore) {
				continue
			}
			if !p.cfg.RemoveOnDelete {
				return Ref{}, nil, false, errkind.Errorf(errkind.Invalid, "a partial-update table takes no -U or -D row: set 'ignore-delete' = 'true' to drop them or 'partial-update.remove-record-on-delete' = 'true' to remove the row")
			}
			p.take(r, kinds, true)
			seen = true
			continue
		}
		p.take(r, kinds, !seen)
		seen = true
	}
	return Ref{}, p.cells, seen, nil
}

// take writes the row's values over the result. After reset every column is the
// row's own: a removal leaves the values it came with, as in Java, and a row that
// follows it may leave some of them standing.
func (p *partialUpdate) take(r Ref, kinds *kindReader, reset bool) {
	rec := kinds.batches[r.Batch]
	for i := range p.cells {
		if p.fixed[i] || reset || rec.Column(i).IsValid(int(r.Row)) {
			p.cells[i] = r
		}
	}
}

// mergeGroups folds rows of a table with sequence groups; false if nothing is left.
func (p *partialUpdate) mergeGroups(group []Ref, kinds *kindReader) bool {
	seen, inserted := false, false
	for _, r := range group {
		retract := IsRetract(kinds.of(r))
		if retract && p.cfg.IgnoreDelete {
			continue
		}
		rec := kinds.batches[r.Batch]
		for i := range p.cells {
			switch {
			case i == p.cfg.Kind && inserted && retract:
				// The row stays inserted: only its groups change.
			case p.fixed[i]:
				p.cells[i] = r
			case !seen && (retract || !p.grouped[i]):
				p.cells[i] = r // a first retraction brings its whole row
			case !seen:
				p.cells[i] = NullRef
			case !retract && !p.grouped[i] && rec.Column(i).IsValid(int(r.Row)):
				p.cells[i] = r
			}
		}
		for g := range p.cfg.Groups {
			p.takeGroup(g, r, kinds, retract)
		}
		seen, inserted = true, inserted || !retract
	}
	return seen
}

func (p *partialUpdate) takeGroup(g int, r Ref, kinds *kindReader, retract bool) {
	seq := p.cfg.Groups[g].Sequence
	mine := kinds.groups[r.Batch][g]
	if !slices.ContainsFunc(mine, func(c column) bool { return !c.isNull(int(r.Row)) }) {
		return
	}
	for k, i := range seq {
		have := p.cells[i]
		order := 1 // no value yet
		if have != NullRef {
			order = compareCells(mine[k], int(r.Row), kinds.groups[have.Batch][g][k], int(have.Row))
		} else if mine[k].isNull(int(r.Row)) {
			order = 0
		}
		if order < 0 {
			return
		}
		if order > 0 {
			break
		}
	}
	for _, i := range seq {
		p.cells[i] = r
	}
	for _, i := range p.cfg.Groups[g].Members {
		p.cells[i] = r
		if retract {
			p.cells[i] = NullRef
		}
	}
}

func kindsOf(rec arrow.RecordBatch, at int) ([]int8, error) {
	a, ok := rec.Column(at).(*array.Int8)
	if !ok {
		return nil, errkind.Errorf(errkind.Corrupt, "row kind column is %s, not int8", rec.Column(at).DataType())
	}
	return a.Int8Values(), nil
}
