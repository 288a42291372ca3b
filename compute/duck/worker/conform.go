//go:build duckdb_arrow && cgo

package worker

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/internal/errkind"
)

const microsPerMilli = 1000

// conformBatch gives a batch another schema whose columns have the same layout: names,
// nullability, zones of timestamps. Values stay, except that DuckDB's TIME in microseconds
// becomes one in milliseconds. The caller releases the result.
func conformBatch(b arrow.RecordBatch, want *arrow.Schema) (arrow.RecordBatch, error) {
	if int(b.NumCols()) != want.NumFields() {
		return nil, errkind.Errorf(errkind.Bug, "query returned %d columns, %d were announced", b.NumCols(), want.NumFields())
	}
	cols := make([]arrow.Array, 0, want.NumFields())
	defer func() {
		for _, c := range cols {
			c.Release()
		}
	}()
	for i, f := range want.Fields() {
		d, err := conform(b.Column(i).Data(), f.Type)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", f.Name, err)
		}
		cols = append(cols, array.MakeFromData(d))
		d.Release()
	}
	return array.NewRecordBatch(want, cols, b.NumRows()), nil
}

// conform returns the data as the wanted type; the caller releases it.
func conform(d arrow.ArrayData, want arrow.DataType) (arrow.ArrayData, error) {
	have := d.DataType()
	switch w := want.(type) {
	case *arrow.NullType: // DuckDB returns columns of untyped NULLs as INTEGER
		if d.NullN() == d.Len() {
			return array.NewData(want, d.Len(), []*memory.Buffer{nil}, nil, d.Len(), 0), nil
		}
	case *arrow.Time32Type:
		if _, ok := have.(*arrow.Time64Type); ok {
			return timeMillis(d, w), nil
		}
	case *arrow.ListType, *arrow.MapType:
		if have.ID() == want.ID() {
			return conformNested(d, want, []arrow.DataType{want.(arrow.ListLikeType).Elem()})
		}
	case *arrow.StructType:
		if s, ok := have.(*arrow.StructType); ok && s.NumFields() == w.NumFields() {
			children := make([]arrow.DataType, w.NumFields())
			for i, f := range w.Fields() {
				children[i] = f.Type
			}
			return conformNested(d, want, children)
		}
	case *arrow.TimestampType:
		if t, ok := have.(*arrow.TimestampType); ok && t.Unit == w.Unit {
			return conformNested(d, want, nil)
		}
	default:
		if arrow.TypeEqual(have, want) {
			d.Retain()
			return d, nil
		}
	}
	if arrow.TypeEqual(have, want) {
		d.Retain()
		return d, nil
	}
	return nil, errkind.Errorf(errkind.Bug, "DuckDB has %s where %s is wanted", have, want)
}

func conformNested(d arrow.ArrayData, want arrow.DataType, children []arrow.DataType) (arrow.ArrayData, error) {
	kids := make([]arrow.ArrayData, 0, len(children))
	defer func() {
		for _, k := range kids {
			k.Release()
		}
	}()
	for i, t := range children {
		k, err := conform(d.Children()[i], t)
		if err != nil {
			return nil, fmt.Errorf("inside %s: %w", want, err)
		}
		kids = append(kids, k)
	}
	return array.NewData(want, d.Len(), d.Buffers(), kids, d.NullN(), d.Offset()), nil
}

// timeMillis cuts the microseconds, which a TIME of the language never has.
func timeMillis(d arrow.ArrayData, want *arrow.Time32Type) arrow.ArrayData {
	in := array.NewTime64Data(d)
	defer in.Release()
	b := array.NewTime32Builder(memory.DefaultAllocator, want)
	defer b.Release()
	b.Reserve(in.Len())
	for i := range in.Len() {
		if in.IsNull(i) {
			b.AppendNull()
			continue
		}
		b.Append(arrow.Time32(in.Value(i) / microsPerMilli))
	}
	out := b.NewArray()
	defer out.Release()
	out.Data().Retain()
	return out.Data()
}
