package job

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/rowkey"
	"github.com/weir-lake/weir/compute/stream"
)

// Changelog is Run with the changes spelled out, as people read them: where the query has a unique key an update is -U
// and +U, else it is -D and +I. The changes are released after fn returns.
func (s *Stream) Changelog(ctx context.Context, fn func(epoch int64, changes []stream.RowChanges) error) error {
	merge := s.pairing()
	return s.Run(ctx, func(epoch int64, ds []stream.Delta) (err error) {
		var list []stream.RowChanges
		defer func() {
			for _, c := range list {
				c.Rows.Release()
			}
		}()
		if merge != nil {
			var out stream.SinkChanges
			if out, err = merge.Apply(ds); err != nil {
				return err
			}
			list, out.Changelog = out.Changelog, nil
			out.Release()
			return fn(epoch, list)
		}
		for _, d := range ds {
			c, err := spelledOut(d)
			if err != nil {
				return err
			}
			list = append(list, c)
		}
		return fn(epoch, list)
	})
}

// pairing brings the stream's changes into updates of rows by the query's unique key: -U followed by +U. It is
// nil for a query without one.
func (s *Stream) pairing() *stream.Materializer {
	keys := plan.UniqueKeys(s.root)
	if len(keys) == 0 || len(keys[0]) == 0 {
		return nil
	}
	m, err := stream.NewMaterializer(stream.SinkOptions{Columns: s.root.Columns(), Key: keys[0], Unique: true})
	if err != nil {
		return nil // a key of a type without order: changes are shown unpaired
	}
	return m
}

// spelledOut is one change for each time a row comes or goes: equal rows of an epoch are one row with a weight.
func spelledOut(d stream.Delta) (stream.RowChanges, error) {
	c := stream.RowChanges{}
	b := array.NewRecordBuilder(memory.DefaultAllocator, d.Rows.Schema())
	defer b.Release()
	enc, err := rowkey.NewEncoder(d.Rows.Columns())
	if err != nil {
		return c, err
	}
	dec, err := rowkey.NewDecoder(b.Fields())
	if err != nil {
		return c, err
	}
	var row []byte
	for i := range int(d.Rows.NumRows()) {
		w, kind := int64(1), stream.KindInsert
		if d.Weights != nil {
			w = int64(d.Weights[i])
		}
		if w < 0 {
			w, kind = -w, stream.KindDelete
		}
		row = enc.Append(row[:0], i)
		for range w {
			if _, err := dec.Append(row); err != nil {
				return c, err
			}
			c.Kinds = append(c.Kinds, kind)
		}
	}
	c.Rows = b.NewRecordBatch()
	return c, nil
}
