package format

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/weir-lake/weir/internal/errkind"
)

const (
	// DefaultBatchRows is the number of rows in a batch of a RowReader.
	DefaultBatchRows = 8192
	// streamBufferBytes is the buffer of one column of a range read, about one page.
	streamBufferBytes = 64 << 10
	// wholeBytesMax is the file size up to which column chunks are read whole, in
	// one request each; beyond it they are streamed, so that a merge of many large
	// files does not hold a row group of each.
	wholeBytesMax    = 32 << 20
	wholeBufferBytes = 1 << 20
	// footerBytesMax refuses footers that no real file has before memory is taken.
	footerBytesMax = 256 << 20
)

// File is an open Parquet file. It is safe for concurrent use.
type File struct {
	name   string
	src    io.ReaderAt
	size   int64
	meta   *file.Reader
	schema *arrow.Schema
	stream int64 // size in bytes above which column chunks are streamed
}

// Open reads the footer of the file src of size bytes; name stands in errors.
func Open(name string, src io.ReaderAt, size int64) (f *File, err error) {
	defer recoverTo(&err, errkind.Corrupt, "read parquet "+name)
	registerLZ4()
	if err := checkEnvelope(name, src, size); err != nil {
		return nil, err
	}
	rd, err := file.NewParquetReader(io.NewSectionReader(src, 0, size))
	if err != nil {
		return nil, asCorrupt(err, name, "its footer cannot be read")
	}
	pr, err := pqarrow.NewFileReader(rd, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		return nil, asCorrupt(err, name, "its schema cannot be read")
	}
	sc, err := pr.Schema()
	if err != nil {
		return nil, asCorrupt(err, name, "its schema cannot be read")
	}
	f = &File{name: name, src: src, size: size, meta: rd, schema: sc, stream: wholeBytesMax}
	all := make([]int, sc.NumFields())
	for i := range all {
		all[i] = i
	}
	f.schema = f.project(all)
	return f, nil
}

// checkEnvelope finds truncation before a library meets the bytes.
func checkEnvelope(name string, src io.ReaderAt, size int64) error {
	if size < 12 {
		return errkind.Errorf(errkind.Corrupt, "parquet file %s has %d bytes, the least is 12; the file is truncated", name, size)
	}
	var tail [8]byte
	if n, err := src.ReadAt(tail[:], size-8); n < 8 {
		return asCorrupt(err, name, "its end cannot be read")
	}
	if string(tail[4:]) != "PAR1" {
		return errkind.Errorf(errkind.Corrupt, "parquet file %s does not end in PAR1; the file is truncated or not Parquet", name)
	}
	n := int64(tail[0]) | int64(tail[1])<<8 | int64(tail[2])<<16 | int64(tail[3])<<24
	if n > size-12 || n > footerBytesMax {
		return errkind.Errorf(errkind.Corrupt, "parquet file %s of %d bytes claims a footer of %d bytes", name, size, n)
	}
	return nil
}

// asCorrupt gives the kind Corrupt to errors of a library; errors of the store keep theirs.
func asCorrupt(err error, name, what string) error {
	if err == nil {
		return errkind.Errorf(errkind.Corrupt, "parquet file %s: %s", name, what)
	}
	if k := errkind.Of(err); k != errkind.Bug {
		return fmt.Errorf("read parquet %s: %w", name, err)
	}
	return errkind.Errorf(errkind.Corrupt, "parquet file %s: %s: %w", name, what, err)
}

// Schema is the Arrow schema of the file; field ids are found with FieldID.
func (f *File) Schema() *arrow.Schema { return f.schema }

// NumRows is the number of rows.
func (f *File) NumRows() int64 { return f.meta.NumRows() }

// Column names a column to read: by ID, or by Name where the file has no field ids.
type Column struct {
	ID   int
	Name string
}

// Find returns the position of the column in the file's schema, or -1. A file
// with field ids is searched by id only, so that a dropped and re-added name is
// not mistaken for the old column; others by name.
func (f *File) Find(c Column) int {
	ids := false
	for i, fd := range f.schema.Fields() {
		if id, ok := FieldID(fd); ok {
			ids = true
			if id == c.ID {
				return i
			}
		}
	}
	if ids {
		return -1
	}
	if at := f.schema.FieldIndices(c.Name); len(at) == 1 {
		return at[0]
	}
	return -1
}

// ReadOptions of Read. The zero value reads every row and column.
type ReadOptions struct {
	Fields    []int  // positions in Schema, in ascending order; nil means all
	Ranges    Ranges // rows to read, ascending; nil means all (an empty one means none)
	BatchRows int    // 0 means DefaultBatchRows
}

// RowReader streams batches of a file. It is not safe for concurrent use.
type RowReader struct {
	f      *File
	ctx    context.Context
	rd     pqarrow.RecordReader // nil if it has no column to read
	plain  int                  // columns of rd
	place  []int                // of each output column: its column of rd, or -1-i for int96[i]
	int96  []*int96Column
	schema *arrow.Schema
	ranges Ranges
	batch  int64
	pos    int64 // row delivered next
	whole  bool
	held   arrow.RecordBatch // read from the file, partly handed out
	heldAt int64             // file row of held's first row
}

// Read starts reading. The caller releases the reader.
func (f *File) Read(ctx context.Context, opts ReadOptions) (r *RowReader, err error) {
	defer recoverTo(&err, errkind.Corrupt, "read parquet "+f.name)
	if opts.BatchRows <= 0 {
		opts.BatchRows = DefaultBatchRows
	}
	if opts.Fields == nil {
		opts.Fields = make([]int, f.schema.NumFields())
		for i := range opts.Fields {
			opts.Fields[i] = i
		}
	}
	r = &RowReader{f: f, ctx: ctx, ranges: opts.Ranges, whole: opts.Ranges == nil, batch: int64(opts.BatchRows)}
	r.schema = f.project(opts.Fields)
	if f.NumRows() == 0 || (!r.whole && len(opts.Ranges) == 0) {
		r.pos = f.NumRows()
		return r, nil
	}
	props := parquet.NewReaderProperties(memory.DefaultAllocator)
	if f.size > f.stream {
		props.BufferedStreamEnabled = true
		props.BufferSize = wholeBufferBytes
	}
	if !r.whole {
		// Column chunks are then read page by page instead of whole.
		props.BufferedStreamEnabled = true
		props.BufferSize = streamBufferBytes
		r.batch = min(r.batch, opts.Ranges.longest())
	}
	rd, err := file.NewParquetReader(io.NewSectionReader(f.src, 0, f.size), file.WithReadProps(props), file.WithMetadata(f.meta.MetaData()))
	if err != nil {
		return nil, asCorrupt(err, f.name, "its footer cannot be read")
	}
	leaves := r.splitColumns(rd, opts.Fields)
	if r.plain == 0 {
		return r, nil
	}
	pr, err := pqarrow.NewFileReader(rd, pqarrow.ArrowReadProperties{BatchSize: r.batch}, memory.DefaultAllocator)
	if err != nil {
		return nil, asCorrupt(err, f.name, "its schema cannot be read")
	}
	r.rd, err = pr.GetRecordReader(ctx, leaves, nil)
	if err != nil {
		return nil, asCorrupt(err, f.name, "its columns cannot be read")
	}
	return r, nil
}

func (f *File) project(fields []int) *arrow.Schema {
	out := make([]arrow.Field, len(fields))
	for i, at := range fields {
		out[i] = f.schema.Field(at)
		if f.int96Leaf(at) >= 0 {
			// INT96 carries no zone; whether it is local time is the table's to say.
			out[i].Type = &arrow.TimestampType{Unit: arrow.Nanosecond}
		}
	}
	return arrow.NewSchema(out, nil)
}

// int96Leaf is the leaf of top-level column at if it is INT96, else -1.
func (f *File) int96Leaf(at int) int {
	sc := f.meta.MetaData().Schema
	for leaf := range sc.NumColumns() {
		col := sc.Column(leaf)
		if sc.Root().FieldIndexByField(sc.ColumnRoot(leaf)) == at {
			if col.PhysicalType() == parquet.Types.Int96 && col.MaxRepetitionLevel() == 0 && len(col.ColumnPath()) == 1 {
				return leaf
			}
			return -1
		}
	}
	return -1
}

// splitColumns decides who reads each column and returns the leaves for pqarrow.
func (r *RowReader) splitColumns(rd *file.Reader, fields []int) []int {
	want := map[int]bool{}
	for i, at := range fields {
		if leaf := r.f.int96Leaf(at); leaf >= 0 {
			r.place = append(r.place, -1-len(r.int96))
			r.int96 = append(r.int96, &int96Column{f: r.f, leaf: leaf, field: r.schema.Field(i), rd: rd})
			continue
		}
		want[at] = true
		r.place = append(r.place, r.plain)
		r.plain++
	}
	var leaves []int
	sc := rd.MetaData().Schema
	for leaf := range sc.NumColumns() {
		if want[sc.Root().FieldIndexByField(sc.ColumnRoot(leaf))] {
			leaves = append(leaves, leaf)
		}
	}
	return leaves
}

// Schema of the batches.
func (r *RowReader) Schema() *arrow.Schema { return r.schema }

// Next returns the next batch and the file row of its first row, or io.EOF. The
// rows of a batch are consecutive. The caller releases the batch.
func (r *RowReader) Next() (rec arrow.RecordBatch, first int64, err error) {
	defer recoverTo(&err, errkind.Corrupt, "read parquet "+r.f.name)
	if err := r.ctx.Err(); err != nil {
		return nil, 0, err
	}
	if r.whole {
		first = r.pos
		rec, err = r.read()
		if err != nil {
			return nil, 0, err
		}
		r.pos += rec.NumRows()
		return rec, first, nil
	}
	return r.nextInRange()
}

func (r *RowReader) nextInRange() (arrow.RecordBatch, int64, error) {
	for len(r.ranges) > 0 {
		want := r.ranges[0]
		if r.held != nil && want.From >= r.heldAt && want.From < r.heldAt+r.held.NumRows() {
			to := min(want.To, r.heldAt+r.held.NumRows())
			out := r.held.NewSlice(want.From-r.heldAt, to-r.heldAt)
			r.advance(to)
			return out, want.From, nil
		}
		if want.From != r.pos {
			if r.rd != nil {
				if err := r.rd.SeekToRow(want.From); err != nil {
					return nil, 0, asCorrupt(err, r.f.name, fmt.Sprintf("row %d cannot be reached", want.From))
				}
			}
			r.pos = want.From
		}
		rec, err := r.read()
		if errors.Is(err, io.EOF) {
			return nil, 0, errkind.Errorf(errkind.Corrupt, "parquet file %s ends before row %d of %d", r.f.name, want.From, r.f.NumRows())
		}
		if err != nil {
			return nil, 0, err
		}
		r.hold(rec)
	}
	return nil, 0, io.EOF
}

func (r *RowReader) hold(rec arrow.RecordBatch) {
	if r.held != nil {
		r.held.Release()
	}
	r.held, r.heldAt = rec, r.pos
	r.pos += rec.NumRows()
}

func (r *RowReader) advance(to int64) {
	if r.ranges[0].To <= to {
		r.ranges = r.ranges[1:]
		return
	}
	rest := append(Ranges{{to, r.ranges[0].To}}, r.ranges[1:]...)
	r.ranges = rest
}

// read returns the batch at pos; the caller owns it.
func (r *RowReader) read() (arrow.RecordBatch, error) {
	n := min(r.batch, r.f.NumRows()-r.pos)
	if r.rd != nil {
		if !r.rd.Next() {
			return nil, r.endOfFile()
		}
		n = r.rd.RecordBatch().NumRows()
	}
	if n == 0 {
		return nil, io.EOF
	}
	cols := make([]arrow.Array, len(r.place))
	for i, p := range r.place {
		if p >= 0 {
			cols[i] = r.rd.RecordBatch().Column(p)
			continue
		}
		c, err := r.int96[-1-p].read(r.pos, n)
		if err != nil {
			return nil, err
		}
		defer c.Release()
		cols[i] = c
	}
	return array.NewRecordBatch(r.schema, cols, n), nil
}

func (r *RowReader) endOfFile() error {
	if err := r.rd.Err(); err != nil {
		return asCorrupt(err, r.f.name, fmt.Sprintf("rows from %d cannot be read", r.pos))
	}
	if r.whole && r.pos != r.f.NumRows() {
		return errkind.Errorf(errkind.Corrupt, "parquet file %s holds %d rows, its footer says %d", r.f.name, r.pos, r.f.NumRows())
	}
	return io.EOF
}

// Release frees the reader; it may be called once.
func (r *RowReader) Release() {
	if r.held != nil {
		r.held.Release()
		r.held = nil
	}
	if r.rd != nil {
		r.rd.Release()
		r.rd = nil
	}
}

// ReadAll reads the selected rows as one batch, for small files and tests.
func (f *File) ReadAll(ctx context.Context, opts ReadOptions) (arrow.RecordBatch, error) {
	r, err := f.Read(ctx, opts)
	if err != nil {
		return nil, err
	}
	defer r.Release()
	var recs []arrow.RecordBatch
	defer func() {
		for _, rec := range recs {
			rec.Release()
		}
	}()
	for {
		rec, _, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		recs = append(recs, rec)
	}
	return concat(r.Schema(), recs)
}

func concat(sc *arrow.Schema, recs []arrow.RecordBatch) (arrow.RecordBatch, error) {
	cols := make([]arrow.Array, sc.NumFields())
	rows := int64(0)
	for _, rec := range recs {
		rows += rec.NumRows()
	}
	for i := range cols {
		if len(recs) == 0 {
			cols[i] = array.MakeArrayOfNull(memory.DefaultAllocator, sc.Field(i).Type, 0)
			continue
		}
		parts := make([]arrow.Array, len(recs))
		for j, rec := range recs {
			parts[j] = rec.Column(i)
		}
		c, err := array.Concatenate(parts, memory.DefaultAllocator)
		if err != nil {
			return nil, fmt.Errorf("join batches: %w", err)
		}
		cols[i] = c
	}
	return array.NewRecordBatch(sc, cols, rows), nil
}
