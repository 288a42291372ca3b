package scan

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/format"
	"github.com/weir-lake/weir/table/manifest"
	"github.com/weir-lake/weir/table/predicate"
	"github.com/weir-lake/weir/table/schema"
)

// Names and field ids of the columns that data files of primary-key tables have besides the table's.
const (
	sequenceColumn = "_SEQUENCE_NUMBER"
	sequenceID     = 2147483646
	kindColumn     = "_VALUE_KIND"
	kindID         = 2147483645
)

// system are those columns as fields.
var (
	sequenceField = schema.Field{ID: sequenceID, Name: sequenceColumn, Type: schema.TBigInt.WithNotNull(true)}
	kindField     = schema.Field{ID: kindID, Name: kindColumn, Type: schema.TTinyInt.WithNotNull(true)}
)

// fileRows streams one data file as the wanted fields.
type fileRows struct {
	rows   *format.RowReader
	name   string
	fields []schema.Field
	schema *arrow.Schema
	from   []int // per wanted field: column of rows, or -1 for null
}

// openFile opens a data file of the table. Rows outside the filter may be left out only if prune is set.
func (x *Scanner) openFile(ctx context.Context, e *manifest.Entry, fields []schema.Field, prune predicate.And) (*fileRows, error) {
	key, err := manifest.FileKey(x.schema, e)
	if err != nil {
		return nil, err
	}
	if !strings.HasSuffix(key, ".parquet") {
		return nil, fmt.Errorf("%w: data file %s is not Parquet", ErrUnsupported, x.store.URI(key))
	}
	f, err := format.Open(x.store.URI(key), format.OpenObject(ctx, x.store, key, e.File.Size), e.File.Size)
	if err != nil {
		return nil, fmt.Errorf("data file of %s: %w", x.store.URI(""), err)
	}
	if f.NumRows() != e.File.RowCount {
		return nil, errkind.Errorf(errkind.Corrupt, "data file %s has %d rows, its manifest says %d", x.store.URI(key), f.NumRows(), e.File.RowCount)
	}
	out := &fileRows{name: x.store.URI(key), fields: fields}
	if out.schema, err = schema.ArrowSchema(fields); err != nil {
		return nil, err
	}
	var positions []int
	at := make([]int, len(fields))
	for i, want := range fields {
		if at[i] = f.Find(format.Column{ID: want.ID, Name: want.Name}); at[i] >= 0 {
			positions = append(positions, at[i])
		}
	}
	slices.Sort(positions)
	positions = slices.Compact(positions)
	for _, p := range at {
		i := slices.Index(positions, p)
		out.from = append(out.from, i)
	}
	if len(positions) == 0 && f.Schema().NumFields() > 0 {
		positions = []int{0} // something to count rows by
	}
	opts := format.ReadOptions{Fields: positions}
	if len(prune) > 0 {
		if opts.Ranges, err = x.ranges(ctx, f, e, prune); err != nil {
			return nil, err
		}
	}
	if out.rows, err = f.Read(ctx, opts); err != nil {
		return nil, err
	}
	return out, nil
}

// ranges are the rows of the file that can pass the filter, by its page indexes and bloom filters.
func (x *Scanner) ranges(ctx context.Context, f *format.File, e *manifest.Entry, filter predicate.And) (format.Ranges, error) {
	fs, err := x.schemaOf(ctx, e.File.SchemaID)
	if err != nil {
		return nil, nil // an unknown schema prunes nothing
	}
	var conds format.Filter
	for _, c := range filter {
		i := x.schema.FieldIndex(c.Column)
		if i < 0 {
			continue
		}
		want := x.schema.Fields[i]
		old, ok := fs.FieldByID(want.ID)
		if !ok || !old.Type.SameRoot(want.Type) {
			continue // the constants are of another type
		}
		values := slices.Clone(c.Values)
		slices.SortFunc(values, func(a, b any) int { o, _ := format.Compare(a, b); return o })
		conds = append(conds, format.Condition{Column: format.Column{ID: want.ID, Name: old.Name}, Op: format.Op(c.Op), Values: values})
	}
	if len(conds) == 0 {
		return nil, nil
	}
	footer, err := f.Footer()
	if err != nil {
		return nil, err
	}
	r, err := footer.Prune(conds)
	if err != nil {
		return nil, err
	}
	if r == nil {
		r = format.Ranges{}
	}
	return r, nil
}

// next returns the next batch as the wanted fields, or io.EOF.
func (r *fileRows) next() (arrow.RecordBatch, error) {
	rec, _, err := r.rows.Next()
	if err != nil {
		return nil, err
	}
	defer rec.Release()
	cols := make([]arrow.Array, len(r.fields))
	defer func() {
		for _, c := range cols {
			if c != nil {
				c.Release()
			}
		}
	}()
	for i, want := range r.schema.Fields() {
		if r.from[i] < 0 {
			cols[i] = array.MakeArrayOfNull(memory.DefaultAllocator, want.Type, int(rec.NumRows()))
			continue
		}
		if cols[i], err = CastColumn(rec.Column(r.from[i]), want.Type); err != nil {
			return nil, fmt.Errorf("data file %s: column %s: %w", r.name, want.Name, err)
		}
	}
	return array.NewRecordBatch(r.schema, cols, rec.NumRows()), nil
}

func (r *fileRows) release() { r.rows.Release() }

// CastColumn gives a column of an older schema the present type.
func CastColumn(a arrow.Array, to arrow.DataType) (arrow.Array, error) {
	if arrow.TypeEqual(a.DataType(), to) {
		a.Retain()
		return a, nil
	}
	if same, ok := relabelled(a, to); ok {
		return same, nil
	}
	if to.ID() == arrow.STRING && arrow.IsFloating(a.DataType().ID()) {
		return floatTexts(a), nil
	}
	out, err := compute.CastArray(context.Background(), a, compute.SafeCastOptions(to))
	if err != nil {
		return nil, errkind.Errorf(errkind.Corrupt, "stored as %s, the table has %s: %w", a.DataType(), to, err)
	}
	return out, nil
}

// floatTexts casts FLOAT and DOUBLE to STRING as Java does.
func floatTexts(a arrow.Array) arrow.Array {
	b := array.NewStringBuilder(memory.DefaultAllocator)
	defer b.Release()
	for i := range a.Len() {
		switch f := a.(type) {
		case *array.Float32:
			appendFloat(b, schema.TFloat, float64(f.Value(i)), f.IsNull(i))
		case *array.Float64:
			appendFloat(b, schema.TDouble, f.Value(i), f.IsNull(i))
		default:
			b.AppendNull()
		}
	}
	return b.NewArray()
}

func appendFloat(b *array.StringBuilder, t schema.Type, v float64, null bool) {
	if null {
		b.AppendNull()
		return
	}
	b.Append(schema.FloatText(t, v))
}

// relabelled gives a column whose layout is the wanted one its type: files of other writers name list and map
// fields, mark nullability and write time zones differently.
func relabelled(a arrow.Array, to arrow.DataType) (arrow.Array, bool) {
	if !sameLayout(a.DataType(), to) {
		return nil, false
	}
	data := relabel(a.Data(), to)
	defer data.Release()
	return array.MakeFromData(data), true
}

func relabel(d arrow.ArrayData, to arrow.DataType) arrow.ArrayData {
	children := make([]arrow.ArrayData, len(d.Children()))
	for i, c := range d.Children() {
		children[i] = relabel(c, childType(to, i))
	}
	defer func() {
		for _, c := range children {
			c.Release()
		}
	}()
	return array.NewData(to, d.Len(), d.Buffers(), children, d.NullN(), d.Offset())
}

func childType(t arrow.DataType, i int) arrow.DataType {
	switch t := t.(type) {
	case *arrow.ListType:
		return t.Elem()
	case *arrow.MapType:
		return t.Elem()
	case *arrow.StructType:
		return t.Field(i).Type
	}
	return nil
}

// sameLayout reports whether the buffers of type a are those of type b.
func sameLayout(a, b arrow.DataType) bool {
	if a.ID() != b.ID() {
		return false
	}
	switch a := a.(type) {
	case *arrow.TimestampType:
		return a.Unit == b.(*arrow.TimestampType).Unit
	case *arrow.ListType:
		return sameLayout(a.Elem(), b.(*arrow.ListType).Elem())
	case *arrow.MapType:
		return sameLayout(a.Elem(), b.(*arrow.MapType).Elem())
	case *arrow.StructType:
		bs := b.(*arrow.StructType)
		if a.NumFields() != bs.NumFields() {
			return false
		}
		for i := range a.NumFields() {
			if a.Field(i).Name != bs.Field(i).Name && a.Field(i).Name != "" && bs.Field(i).Name != "" && !mapEntry(a.Field(i).Name, i) {
				return false
			}
			if !sameLayout(a.Field(i).Type, bs.Field(i).Type) {
				return false
			}
		}
		return true
	}
	return arrow.TypeEqual(a, b)
}

// mapEntry reports the names that writers give to a map's two columns.
func mapEntry(name string, i int) bool { return name == [...]string{"key", "value"}[min(i, 1)] }
