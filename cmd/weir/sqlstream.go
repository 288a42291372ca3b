package main

import (
	"context"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/rowkey"
	"github.com/weir-lake/weir/compute/stream"
	"github.com/weir-lake/weir/table/schema"
)

// stream drives a streaming query: it prints each change as it leaves the engine, or the final rows.
func (r *localScript) stream(ctx context.Context, s *job.Stream) error {
	if r.changelog {
		return r.changes(ctx, s)
	}
	final := newFinalRows(s.Columns())
	if err := s.Run(ctx, func(_ int64, ds []stream.Delta) error { return final.add(ds) }); err != nil {
		return err
	}
	rec, err := final.batch()
	if err != nil {
		return err
	}
	defer rec.Release()
	if err := r.out.begin(s.Columns()); err != nil {
		return err
	}
	if err := r.out.batch(rec); err != nil {
		return err
	}
	return r.out.end()
}

// changes prints _epoch and _kind first; an update of a printed row is -U and +U where the query has a unique key,
// else -D and +I.
func (r *localScript) changes(ctx context.Context, s *job.Stream) error {
	cols := append([]plan.Column{{Name: "_epoch", Type: schema.TBigInt}, {Name: "_kind", Type: schema.TString}}, s.Columns()...)
	if err := r.out.begin(cols); err != nil {
		return err
	}
	err := s.Changelog(ctx, func(epoch int64, list []stream.RowChanges) error {
		for _, c := range list {
			rec, err := withKinds(cols, epoch, c)
			if err != nil {
				return err
			}
			err = r.out.batch(rec)
			rec.Release()
			if err != nil {
				return err
			}
		}
		return r.out.flush()
	})
	if err != nil {
		return err
	}
	return r.out.end()
}

func withKinds(cols []plan.Column, epoch int64, c stream.RowChanges) (arrow.RecordBatch, error) {
	sc, err := arrowSchema(cols)
	if err != nil {
		return nil, err
	}
	eb, kb := array.NewInt64Builder(memory.DefaultAllocator), array.NewStringBuilder(memory.DefaultAllocator)
	defer eb.Release()
	defer kb.Release()
	for _, k := range c.Kinds {
		eb.Append(epoch)
		kb.Append(connector.KindText(k))
	}
	e, k := eb.NewArray(), kb.NewArray()
	defer e.Release()
	defer k.Release()
	return array.NewRecordBatch(sc, append([]arrow.Array{e, k}, c.Rows.Columns()...), c.Rows.NumRows()), nil
}

func arrowSchema(cols []plan.Column) (*arrow.Schema, error) {
	fields := make([]schema.Field, len(cols))
	for i, c := range cols {
		fields[i] = schema.Field{Name: c.Name, Type: c.Type}
	}
	return schema.ArrowSchema(fields)
}

// finalRows sums a stream's changes into its rows, as a multiset.
type finalRows struct {
	cols    []plan.Column
	weights map[string]int64 // by encoded row
}

func newFinalRows(cols []plan.Column) *finalRows {
	return &finalRows{cols: cols, weights: map[string]int64{}}
}

func (f *finalRows) add(ds []stream.Delta) error {
	var buf []byte
	for _, d := range ds {
		enc, err := rowkey.NewEncoder(d.Rows.Columns())
		if err != nil {
			return err
		}
		for i := range int(d.Rows.NumRows()) {
			w := int64(1)
			if d.Weights != nil {
				w = int64(d.Weights[i])
			}
			buf = enc.Append(buf[:0], i)
			if f.weights[string(buf)] += w; f.weights[string(buf)] == 0 {
				delete(f.weights, string(buf))
			}
		}
	}
	return nil
}

// batch is the rows in canonical order.
func (f *finalRows) batch() (arrow.RecordBatch, error) {
	keys := make([]string, 0, len(f.weights))
	for k := range f.weights {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	sc, err := arrowSchema(f.cols)
	if err != nil {
		return nil, err
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, sc)
	defer b.Release()
	dec, err := rowkey.NewDecoder(b.Fields())
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		for range f.weights[k] {
			if _, err := dec.Append([]byte(k)); err != nil {
				return nil, err
			}
		}
	}
	return b.NewRecordBatch(), nil
}
