package job

import (
	"context"
	"errors"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/rowkey"
	"github.com/weir-lake/weir/storage/lsm"
	"github.com/weir-lake/weir/table/predicate"
	"github.com/weir-lake/weir/table/scan"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
)

// tableRows turns rows of a table's columns into bytes that compare, and back.
type tableRows struct {
	arrow *arrow.Schema
	key   []int // columns of the primary key; empty for append tables
	split *rowkey.Splitter
}

func newTableRows(s *schema.Schema) (*tableRows, error) {
	sc, err := schema.ArrowSchema(s.Fields)
	if err != nil {
		return nil, err
	}
	t := &tableRows{arrow: sc}
	types := make([]arrow.DataType, len(s.Fields))
	for i := range types {
		types[i] = sc.Field(i).Type
	}
	for _, k := range s.PrimaryKeys {
		t.key = append(t.key, s.FieldIndex(k))
	}
	t.split, err = rowkey.NewSplitter(types)
	return t, err
}

// each calls fn with the encoded key (nil for append tables) and row of every row. They are valid during the call.
func (t *tableRows) each(rec arrow.RecordBatch, fn func(i int, key, row []byte) error) error {
	enc, err := rowkey.NewEncoder(rec.Columns())
	if err != nil {
		return err
	}
	cols := make([]arrow.Array, len(t.key))
	for i, c := range t.key {
		cols[i] = rec.Column(c)
	}
	keys, err := rowkey.NewKeyEncoder(cols)
	if err != nil {
		return err
	}
	var key, row []byte
	for i := range int(rec.NumRows()) {
		row = enc.Append(row[:0], i)
		if len(cols) > 0 {
			key = keys.Append(key[:0], i)
		}
		if err := fn(i, key, row); err != nil {
			return err
		}
	}
	return nil
}

// batch makes a batch of encoded rows.
func (t *tableRows) batch(rows [][]byte) (arrow.RecordBatch, error) {
	b := array.NewRecordBuilder(memory.DefaultAllocator, t.arrow)
	defer b.Release()
	dec, err := rowkey.NewDecoder(b.Fields())
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		if rest, err := dec.Append(row); err != nil || len(rest) != 0 {
			return nil, rowkey.ErrCorrupt
		}
	}
	return b.NewRecordBatch(), nil
}

// firstKeyRange is the range that the first column of the primary key has in the batches, as a filter; nil: none can be
// said.
func (t *tableRows) firstKeyRange(s *schema.Schema, batches []arrow.RecordBatch) predicate.And {
	f := s.Fields[t.key[0]]
	var out predicate.And
	for _, rec := range batches {
		if rec.NumRows() == 0 {
			continue
		}
		r := rangeOf(f.Name, f.Type, rec.Column(t.key[0]))
		switch {
		case r == nil:
			return nil
		case out == nil:
			out = r
		default:
			if schema.CompareValues(r[0].Values[0], out[0].Values[0]) < 0 {
				out[0] = r[0]
			}
			if schema.CompareValues(r[1].Values[0], out[1].Values[0]) > 0 {
				out[1] = r[1]
			}
		}
	}
	return out
}

// goneRows are the rows that an append table is to lose, as a multiset; it is a rewrite.Gone.
type goneRows struct {
	rows *tableRows
	left map[string]int64
}

func (g *goneRows) add(rec arrow.RecordBatch) error {
	return g.rows.each(rec, func(_ int, _, row []byte) error {
		g.left[string(row)]++
		return nil
	})
}

// Any implements rewrite.Gone.
func (g *goneRows) Any(rec arrow.RecordBatch) (bool, error) {
	if len(g.left) == 0 {
		return false, nil
	}
	err := g.rows.each(rec, func(_ int, _, row []byte) error {
		if g.left[string(row)] > 0 {
			return errFound
		}
		return nil
	})
	if errors.Is(err, errFound) {
		return true, nil
	}
	return false, err
}

var errFound = errors.New("found")

// Keep implements rewrite.Gone.
func (g *goneRows) Keep(rec arrow.RecordBatch) ([]lsm.Ref, error) {
	var keep []lsm.Ref
	err := g.rows.each(rec, func(i int, _, row []byte) error {
		n, ok := g.left[string(row)]
		switch {
		case !ok:
			keep = append(keep, lsm.Ref{Row: int32(i)})
		case n == 1:
			delete(g.left, string(row))
		default:
			g.left[string(row)] = n - 1
		}
		return nil
	})
	return keep, err
}

// rowsOfKeys reads the merged rows of the table at s whose encoded key is wanted. where is what is known of the keys, to
// read less.
func rowsOfKeys(ctx context.Context, x *scan.Scanner, t *tableRows, s *snapshot.Snapshot, where predicate.And, wanted func(key []byte) bool) (map[string][]byte, error) {
	out := map[string][]byte{}
	p, err := x.Plan(ctx, s, scan.Request{Filter: where})
	if err != nil {
		return nil, err
	}
	return out, p.Each(ctx, func(rec arrow.RecordBatch) error {
		return t.each(rec, func(_ int, key, row []byte) error {
			if wanted(key) {
				out[string(key)] = append([]byte(nil), row...)
			}
			return nil
		})
	})
}
