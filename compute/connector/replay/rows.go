package replay

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/cespare/xxhash/v2"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/rowkey"
	"github.com/weir-lake/weir/internal/errkind"
)

// Limits of what is held in memory; a larger set is better read as a stream of files.
const (
	maxRows  = 50_000_000
	maxBytes = 4 << 30
)

// Rows gives all rows of the set, in any order, with the columns of the table's fields.
type Rows func(ctx context.Context) (array.RecordReader, error)

// rowSet is the sorted set. It is immutable.
type rowSet struct {
	rec         arrow.RecordBatch
	times       []int64 // of the time column, in its unit, ascending
	unit        arrow.TimeUnit
	fingerprint string
}

func load(ctx context.Context, fields []connector.Field, timeColumn string, rows Rows) (*rowSet, error) {
	schema, err := connector.ArrowSchema(fields)
	if err != nil {
		return nil, err
	}
	rec, err := collect(ctx, schema, rows)
	if err != nil {
		return nil, err
	}
	defer rec.Release()
	col := slices.IndexFunc(fields, func(f connector.Field) bool { return f.Name == timeColumn })
	times := rec.Column(col).(*array.Timestamp)
	for i := range times.Len() {
		if times.IsNull(i) {
			return nil, errkind.Errorf(errkind.Invalid, "replay: row %d has no %s, which 'replay.time' orders by: %s", i+1, timeColumn, rowText(rec, i))
		}
	}
	order, err := sortOrder(ctx, rec, times)
	if err != nil {
		return nil, err
	}
	s := &rowSet{unit: times.DataType().(*arrow.TimestampType).Unit}
	if s.rec, err = gather(ctx, rec, order); err != nil {
		return nil, err
	}
	sorted := s.rec.Column(col).(*array.Timestamp)
	s.times = make([]int64, sorted.Len())
	for i := range s.times {
		s.times[i] = int64(sorted.Value(i))
	}
	s.fingerprint, err = fingerprint(s.rec)
	return s, err
}

func rowText(rec arrow.RecordBatch, row int) string {
	var b bytes.Buffer
	for i, f := range rec.Schema().Fields() {
		fmt.Fprintf(&b, "%s=%s ", f.Name, rec.Column(i).ValueStr(row))
	}
	return b.String()
}

// collect reads all records into one.
func collect(ctx context.Context, schema *arrow.Schema, rows Rows) (arrow.RecordBatch, error) {
	r, err := rows(ctx)
	if err != nil {
		return nil, err
	}
	defer r.Release()
	parts := make([][]arrow.Array, schema.NumFields())
	defer func() {
		for _, p := range parts {
			for _, a := range p {
				a.Release()
			}
		}
	}()
	n, size := int64(0), uint64(0)
	for r.Next() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		rec := r.RecordBatch()
		if err := sameTypes(schema, rec.Schema()); err != nil {
			return nil, err
		}
		for i, c := range rec.Columns() {
			c.Retain()
			parts[i] = append(parts[i], c)
			size += c.Data().SizeInBytes()
		}
		if n += rec.NumRows(); n > maxRows || size > maxBytes {
			return nil, errkind.Errorf(errkind.Exhausted, "replay: more than %d rows or %d GiB; a replay is held in memory", maxRows, maxBytes>>30)
		}
	}
	if err := r.Err(); err != nil {
		return nil, fmt.Errorf("replay: read rows: %w", err)
	}
	return join(schema, parts, n)
}

func sameTypes(want, got *arrow.Schema) error {
	if want.NumFields() != got.NumFields() {
		return fmt.Errorf("replay: rows of %d columns for a table of %d", got.NumFields(), want.NumFields())
	}
	for i, f := range want.Fields() {
		if !arrow.TypeEqual(f.Type, got.Field(i).Type) {
			return fmt.Errorf("replay: column %s: rows have type %s, the table %s", f.Name, got.Field(i).Type, f.Type)
		}
	}
	return nil
}

func join(schema *arrow.Schema, parts [][]arrow.Array, rows int64) (arrow.RecordBatch, error) {
	cols := make([]arrow.Array, len(parts))
	for i, p := range parts {
		if len(p) == 0 {
			b := array.NewBuilder(memory.DefaultAllocator, schema.Field(i).Type)
			defer b.Release()
			p = []arrow.Array{b.NewArray()}
		}
		joined, err := array.Concatenate(p, memory.DefaultAllocator)
		if err != nil {
			return nil, fmt.Errorf("replay: join column %s: %w", schema.Field(i).Name, err)
		}
		defer joined.Release()
		cols[i] = joined
	}
	return array.NewRecordBatch(schema, cols, rows), nil
}

// sortOrder is the row numbers by time, ties by the canonical row order. Rows that are
// equal in all columns cannot be told apart, so their order does not matter.
func sortOrder(ctx context.Context, rec arrow.RecordBatch, times *array.Timestamp) ([]int64, error) {
	order := make([]int64, rec.NumRows())
	for i := range order {
		order[i] = int64(i)
	}
	slices.SortStableFunc(order, func(a, b int64) int { return cmp.Compare(times.Value(int(a)), times.Value(int(b))) })
	enc, err := rowkey.NewEncoder(rec.Columns())
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	var arena []byte
	type keyed struct {
		row      int64
		from, to int
	}
	var ties []keyed
	for from := 0; from < len(order); {
		to := from + 1
		for to < len(order) && times.Value(int(order[to])) == times.Value(int(order[from])) {
			to++
		}
		if to-from > 1 {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			arena, ties = arena[:0], ties[:0]
			for _, row := range order[from:to] {
				start := len(arena)
				arena = enc.Append(arena, int(row))
				ties = append(ties, keyed{row, start, len(arena)})
			}
			slices.SortFunc(ties, func(a, b keyed) int { return bytes.Compare(arena[a.from:a.to], arena[b.from:b.to]) })
			for i, k := range ties {
				order[from+i] = k.row
			}
		}
		from = to
	}
	return order, nil
}

func gather(ctx context.Context, rec arrow.RecordBatch, order []int64) (arrow.RecordBatch, error) {
	b := array.NewInt64Builder(memory.DefaultAllocator)
	defer b.Release()
	b.AppendValues(order, nil)
	idx := b.NewArray()
	defer idx.Release()
	cols := make([]arrow.Array, rec.NumCols())
	for i, c := range rec.Columns() {
		out, err := compute.TakeArray(ctx, c, idx)
		if err != nil {
			return nil, fmt.Errorf("replay: sort column %s: %w", rec.ColumnName(i), err)
		}
		defer out.Release()
		cols[i] = out
	}
	return array.NewRecordBatch(rec.Schema(), cols, rec.NumRows()), nil
}

// fingerprint is a hash of all rows in order.
func fingerprint(rec arrow.RecordBatch) (string, error) {
	enc, err := rowkey.NewEncoder(rec.Columns())
	if err != nil {
		return "", fmt.Errorf("replay: %w", err)
	}
	h := xxhash.New()
	_, _ = h.WriteString(rec.Schema().String())
	var buf []byte
	for i := range int(rec.NumRows()) {
		buf = enc.Append(buf[:0], i)
		_, _ = h.Write(buf)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// before is the number of rows whose time is before t.
func (s *rowSet) before(t time.Time) int64 {
	return int64(sort.Search(len(s.times), func(i int) bool { return !s.at(int64(i)).Before(t) }))
}

// at is the time of a row.
func (s *rowSet) at(row int64) time.Time { return arrow.Timestamp(s.times[row]).ToTime(s.unit) }
