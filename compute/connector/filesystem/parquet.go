package filesystem

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/internal/errkind"
	storage "github.com/weir-lake/weir/storage/format"
)

// parquetReader reads Parquet files of any writer: columns by name, converted to the
// table's types where no value is lost. A column a file lacks is NULL, as in Flink; a
// key or NOT NULL column must be there.
type parquetReader struct {
	fields []connector.Field
	schema *arrow.Schema
}

func newParquetReader(fields []connector.Field) (*parquetReader, error) {
	s, err := connector.ArrowSchema(fields)
	return &parquetReader{fields: fields, schema: s}, err
}

// openParquet opens a file; the caller closes it.
func openParquet(f file) (*os.File, *storage.File, error) {
	fh, err := os.Open(f.path)
	if err != nil {
		return nil, nil, fileError("open", f.path, err)
	}
	pf, err := storage.Open(f.path, fh, f.size)
	if err != nil {
		_ = fh.Close()
		return nil, nil, err
	}
	return fh, pf, nil
}

// skip implements reader.
func (r *parquetReader) skip(ctx context.Context, f file, from position, n int) (position, int, bool, error) {
	fh, pf, err := openParquet(f)
	if err != nil {
		return from, 0, false, err
	}
	defer fh.Close()
	if _, err := r.columns(f, pf); err != nil { // a file that does not fit is named before an epoch is logged for it
		return from, 0, false, err
	}
	to := from
	to.records = min(pf.NumRows(), from.records+int64(n))
	return to, int(to.records - from.records), to.records == pf.NumRows(), ctx.Err()
}

// columns maps each field to the file's column, -1 for absent and metadata columns.
func (r *parquetReader) columns(f file, pf *storage.File) ([]int, error) {
	cols := make([]int, len(r.fields))
	found := 0
	for i, field := range r.fields {
		cols[i] = -1
		if field.Metadata != "" {
			continue
		}
		at := pf.Schema().FieldIndices(field.Name)
		if len(at) == 1 {
			cols[i] = at[0]
			found++
			if got := pf.Schema().Field(at[0]).Type; !convertible(got, r.schema.Field(i).Type) {
				return nil, errkind.Errorf(errkind.Invalid, "filesystem: %s: column %s: the file has %s, the table %s", f.path, field.Name, got, field.Type.WithNotNull(false))
			}
		} else if field.Required {
			return nil, errkind.Errorf(errkind.Invalid, "filesystem: %s: key or NOT NULL column %s is not in the file; it has %s", f.path, field.Name, fieldNames(pf.Schema()))
		}
	}
	if found == 0 && len(physical(r.fields)) > 0 {
		return nil, errkind.Errorf(errkind.Invalid, "filesystem: %s: no column of the table is in the file; it has %s", f.path, fieldNames(pf.Schema()))
	}
	return cols, nil
}

func fieldNames(s *arrow.Schema) []string {
	out := make([]string, s.NumFields())
	for i, f := range s.Fields() {
		out[i] = f.Name
	}
	return out
}

// family groups Arrow types between which values convert.
func family(t arrow.DataType) int {
	switch id := t.ID(); {
	case arrow.IsInteger(id) || arrow.IsFloating(id) || arrow.IsDecimal(id):
		return 1
	case id == arrow.STRING || id == arrow.LARGE_STRING || id == arrow.STRING_VIEW:
		return 2
	case id == arrow.BINARY || id == arrow.LARGE_BINARY || id == arrow.FIXED_SIZE_BINARY || id == arrow.BINARY_VIEW:
		return 3
	case id == arrow.TIMESTAMP:
		return 4
	case id == arrow.TIME32 || id == arrow.TIME64:
		return 5
	case id == arrow.DATE32 || id == arrow.DATE64:
		return 6
	}
	return 0
}

func convertible(from, to arrow.DataType) bool {
	if d, ok := from.(*arrow.DictionaryType); ok {
		from = d.ValueType
	}
	if arrow.TypeEqual(from, to) || family(from) != 0 && family(from) == family(to) {
		return true
	}
	switch to := to.(type) {
	case *arrow.ListType:
		l, ok := from.(arrow.ListLikeType)
		return ok && from.ID() != arrow.MAP && convertible(l.Elem(), to.Elem())
	case *arrow.MapType:
		m, ok := from.(*arrow.MapType)
		return ok && arrow.TypeEqual(m.KeyType(), to.KeyType()) && arrow.TypeEqual(m.ItemType(), to.ItemType())
	}
	return false
}

// read implements reader.
func (r *parquetReader) read(ctx context.Context, f file, from, to position, fn func(connector.Chunk) error) error {
	fh, pf, err := openParquet(f)
	if err != nil {
		return err
	}
	defer fh.Close()
	cols, err := r.columns(f, pf)
	if err != nil {
		return err
	}
	want := slices.DeleteFunc(slices.Clone(cols), func(c int) bool { return c < 0 })
	slices.Sort(want)
	rows, err := pf.Read(ctx, storage.ReadOptions{
		Fields: slices.Compact(want), Ranges: storage.Ranges{{From: from.records, To: to.records}}, BatchRows: connector.MaxChunkRows,
	})
	if err != nil {
		return err
	}
	defer rows.Release()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		rec, first, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		err = r.chunk(ctx, f, rec, first, fn)
		rec.Release()
		if err != nil {
			return err
		}
	}
}

// chunk converts a batch of a file to the table's columns and hands it on.
func (r *parquetReader) chunk(ctx context.Context, f file, rec arrow.RecordBatch, first int64, fn func(connector.Chunk) error) error {
	cols := make([]arrow.Array, len(r.fields))
	defer func() {
		for _, c := range cols {
			if c != nil {
				c.Release()
			}
		}
	}()
	for i, field := range r.fields {
		var err error
		switch at := rec.Schema().FieldIndices(field.Name); {
		case field.Metadata != "":
			cols[i], err = metadataColumn(field, f, int(rec.NumRows()))
		case len(at) == 1:
			cols[i], err = convert(ctx, rec.Column(at[0]), r.schema.Field(i).Type)
		default:
			cols[i] = array.MakeArrayOfNull(memory.DefaultAllocator, r.schema.Field(i).Type, int(rec.NumRows()))
		}
		if err == nil && field.Required && cols[i].NullN() > 0 {
			err = errors.New("a key or NOT NULL column holds NULL")
		}
		if err != nil {
			return errkind.Errorf(errkind.Invalid, "filesystem: %s: column %s, rows %d to %d: %w", f.path, field.Name, first+1, first+rec.NumRows(), err)
		}
	}
	out := array.NewRecordBatch(r.schema, cols, rec.NumRows())
	defer out.Release()
	return connector.Cut(connector.Chunk{Rows: out}, fn)
}

// convert casts without losing values; timestamps and times are cut to the table's precision.
func convert(ctx context.Context, a arrow.Array, to arrow.DataType) (arrow.Array, error) {
	if arrow.TypeEqual(a.DataType(), to) {
		a.Retain()
		return a, nil
	}
	if arrow.IsNested(to.ID()) && nestedEqual(a.DataType(), to) {
		return retyped(a, to), nil
	}
	opts := compute.SafeCastOptions(to)
	opts.AllowTimeTruncate = true
	return compute.CastArray(ctx, a, opts)
}

// nestedEqual: the same layout under other names of list elements and map entries.
func nestedEqual(a, b arrow.DataType) bool {
	if !arrow.IsNested(a.ID()) {
		return arrow.TypeEqual(a, b)
	}
	if a.ID() != b.ID() {
		return false
	}
	x, y := a.(arrow.NestedType).Fields(), b.(arrow.NestedType).Fields()
	if len(x) != len(y) {
		return false
	}
	for i := range x {
		if a.ID() == arrow.STRUCT && x[i].Name != y[i].Name || !nestedEqual(x[i].Type, y[i].Type) {
			return false
		}
	}
	return true
}

// retyped is the same data under an equally laid out type.
func retyped(a arrow.Array, to arrow.DataType) arrow.Array {
	d := retypedData(a.Data(), to)
	defer d.Release()
	return array.MakeFromData(d)
}

func retypedData(d arrow.ArrayData, to arrow.DataType) arrow.ArrayData {
	children := d.Children()
	if nested, ok := to.(arrow.NestedType); ok {
		children = make([]arrow.ArrayData, len(d.Children()))
		for i, c := range d.Children() {
			children[i] = retypedData(c, nested.Fields()[i].Type)
			defer children[i].Release()
		}
	}
	return array.NewData(to, d.Len(), d.Buffers(), children, d.NullN(), d.Offset())
}
