package lsm

import (
	"io"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

func newBatch(sc *arrow.Schema, cols []arrow.Array, rows int) arrow.RecordBatch {
	return array.NewRecordBatch(sc, cols, int64(rows))
}

// Sort orders the rows of the batches by key, then user sequence, then sequence
// number, stably, and returns them as a selection for GatherBatch.
func Sort(batches []arrow.RecordBatch, cfg Config) ([]Ref, error) {
	type part struct {
		key, seq []column
		number   []int64
	}
	type row struct {
		prefix uint64
		ref    Ref
	}
	parts := make([]part, len(batches))
	var rows []row
	m := Merger{cfg: cfg}
	for b, rec := range batches {
		var p part
		var err error
		if p.key, err = columnsOf(rec, cfg.Key); err != nil {
			return nil, err
		}
		if p.seq, err = columnsOf(rec, cfg.UserSequence); err != nil {
			return nil, err
		}
		if cfg.Sequence >= 0 {
			p.number = rec.Column(cfg.Sequence).(*array.Int64).Int64Values()
		}
		parts[b] = p
		for i := range int(rec.NumRows()) {
			rows = append(rows, row{p.key[0].prefix(i), Ref{int32(b), int32(i)}})
		}
	}
	slices.SortStableFunc(rows, func(x, y row) int {
		if x.prefix != y.prefix {
			if x.prefix < y.prefix {
				return -1
			}
			return 1
		}
		px, py := &parts[x.ref.Batch], &parts[y.ref.Batch]
		i, j := int(x.ref.Row), int(y.ref.Row)
		for k := range px.key {
			if c := compareCells(px.key[k], i, py.key[k], j); c != 0 {
				return c
			}
		}
		for k := range px.seq {
			if c := m.compareSequence(px.seq[k], i, py.seq[k], j); c != 0 {
				return c
			}
		}
		if cfg.Sequence < 0 {
			return 0
		}
		if px.number[i] < py.number[j] {
			return -1
		}
		if px.number[i] > py.number[j] {
			return 1
		}
		return 0
	})
	out := make([]Ref, len(rows))
	for i, r := range rows {
		out[i] = r.ref
	}
	return out, nil
}

// Batches is a Run over batches in memory, which it retains.
type Batches struct {
	recs []arrow.RecordBatch
	next int
}

// NewBatches makes a Run of the batches.
func NewBatches(recs ...arrow.RecordBatch) *Batches {
	for _, r := range recs {
		r.Retain()
	}
	return &Batches{recs: recs}
}

// Next implements Run.
func (b *Batches) Next() (arrow.RecordBatch, error) {
	if b.next == len(b.recs) {
		return nil, io.EOF
	}
	rec := b.recs[b.next]
	rec.Retain()
	b.next++
	return rec, nil
}

// Release implements Run.
func (b *Batches) Release() {
	for _, r := range b.recs {
		r.Release()
	}
	b.recs, b.next = nil, 0
}
