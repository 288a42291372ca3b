package format

import (
	"fmt"
	"io"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/weir-lake/weir/internal/errkind"
)

// fieldIDKey is the Arrow field metadata from which pqarrow takes a column's Parquet field id.
const fieldIDKey = "PARQUET:field_id"

// Defaults of Options.
const (
	defaultRowGroupRows  = 1 << 20   // keeps one row group of narrow rows within the byte limit
	defaultRowGroupBytes = 128 << 20 // parquet-mr's parquet.block.size, which Paimon keeps
	defaultPageBytes     = 16 << 10  // small pages make point look-ups cheap; parquet-mr's 1 MiB decodes far too much
	defaultZstdLevel     = 1         // file.compression.zstd-level
	writeBatchRows       = 16 << 10  // pages are cut between batches of this many rows only
)

// Options of a Writer. The zero value writes what Paimon writes by default.
type Options struct {
	Compression      string   // none, snappy, gzip, lz4, zstd; empty means zstd
	CompressionLevel int      // zstd only; 0 means 1
	RowGroupRows     int64    // rows; 0 means 1,048,576
	RowGroupBytes    int64    // encoded bytes after which a row group ends; 0 means 128 MiB
	PageBytes        int64    // encoded bytes of a page; 0 means 64 KiB
	BloomColumns     []string // columns that get a Parquet bloom filter
	NoDictionary     bool     // write every column plain
}

func (o Options) withDefaults() Options {
	if o.Compression == "" {
		o.Compression = "zstd"
	}
	if o.CompressionLevel == 0 {
		o.CompressionLevel = defaultZstdLevel
	}
	if o.RowGroupRows <= 0 {
		o.RowGroupRows = defaultRowGroupRows
	}
	if o.RowGroupBytes <= 0 {
		o.RowGroupBytes = defaultRowGroupBytes
	}
	if o.PageBytes <= 0 {
		o.PageBytes = defaultPageBytes
	}
	return o
}

func codecOf(name string) (compress.Compression, error) {
	switch name {
	case "none", "uncompressed":
		return compress.Codecs.Uncompressed, nil
	case "snappy":
		return compress.Codecs.Snappy, nil
	case "gzip":
		return compress.Codecs.Gzip, nil
	case "lz4":
		return compress.Codecs.Lz4Raw, nil
	case "zstd":
		return compress.Codecs.Zstd, nil
	default:
		return 0, errkind.Errorf(errkind.Invalid, "file.compression %q is not supported for Parquet: use none, snappy, gzip, lz4 or zstd", name)
	}
}

// FieldMeta is the Arrow metadata that gives a field its Parquet field id.
func FieldMeta(id int) arrow.Metadata {
	return arrow.NewMetadata([]string{fieldIDKey}, []string{strconv.Itoa(id)})
}

// FieldID returns the Parquet field id of an Arrow field.
func FieldID(f arrow.Field) (int, bool) {
	v, ok := f.Metadata.GetValue(fieldIDKey)
	if !ok {
		return 0, false
	}
	id, err := strconv.Atoi(v)
	return id, err == nil && id >= 0
}

// Writer writes one Parquet file. It is not safe for concurrent use.
type Writer struct {
	schema  *arrow.Schema
	opts    Options
	out     *countingWriter
	file    *pqarrow.FileWriter
	stats   []statsCollector
	rows    int64
	inGroup bool
}

type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// NewWriter starts a file with the columns of sc, whose field ids come from
// FieldMeta. Timestamps of milliseconds and microseconds are INT64, those of
// nanoseconds INT96, decimals INT32, INT64 or FIXED by precision, as Paimon writes
// them. The caller closes w after Close.
func NewWriter(w io.Writer, sc *arrow.Schema, opts Options) (*Writer, error) {
	registerLZ4()
	opts = opts.withDefaults()
	codec, err := codecOf(opts.Compression)
	if err != nil {
		return nil, err
	}
	props := []parquet.WriterProperty{
		parquet.WithRootName("paimon_schema"),
		parquet.WithRootRepetition(parquet.Repetitions.Required),
		parquet.WithVersion(parquet.V2_LATEST),
		parquet.WithDataPageVersion(parquet.DataPageV1),
		parquet.WithStoreDecimalAsInteger(true),
		parquet.WithCompression(codec),
		parquet.WithMaxRowGroupLength(opts.RowGroupRows),
		parquet.WithDataPageSize(opts.PageBytes),
		parquet.WithBatchSize(min(writeBatchRows, max(opts.PageBytes/8, 64))),
		parquet.WithPageIndexEnabled(true),
		parquet.WithDictionaryDefault(!opts.NoDictionary),
		parquet.WithCreatedBy("weir"),
	}
	if codec == compress.Codecs.Zstd {
		props = append(props, parquet.WithCompressionLevel(opts.CompressionLevel))
	}
	for _, c := range opts.BloomColumns {
		props = append(props, parquet.WithBloomFilterEnabledFor(c, true))
	}
	out := &countingWriter{w: w}
	// INT96 is deprecated in Parquet, yet it is what Paimon's readers expect above 6 digits.
	arrowProps := pqarrow.NewArrowWriterProperties(pqarrow.WithDeprecatedInt96Timestamps(true))
	fw, err := pqarrow.NewFileWriter(sc, out, parquet.NewWriterProperties(props...), arrowProps)
	if err != nil {
		return nil, fmt.Errorf("start parquet file: %w", err)
	}
	return &Writer{schema: sc, opts: opts, out: out, file: fw, stats: newCollectors(sc)}, nil
}

// Write appends the batch, whose schema must equal the writer's apart from nullability.
func (w *Writer) Write(rec arrow.RecordBatch) (err error) {
	defer recoverTo(&err, errkind.Bug, "write parquet")
	if rec.NumRows() == 0 {
		return nil
	}
	if !rec.Schema().Equal(w.schema) {
		return errkind.Errorf(errkind.Bug, "write parquet: batch has columns %s, file has %s", rec.Schema(), w.schema)
	}
	for i := range w.stats {
		w.stats[i].add(rec.Column(i))
	}
	if err := w.file.WriteBuffered(rec); err != nil {
		return fmt.Errorf("write parquet: %w", err)
	}
	w.rows += rec.NumRows()
	w.inGroup = true
	if w.file.RowGroupTotalBytesWritten() >= w.opts.RowGroupBytes {
		if err := w.file.NewBufferedRowGroupChecked(); err != nil {
			return fmt.Errorf("end parquet row group: %w", err)
		}
		w.inGroup = false
	}
	return nil
}

// Rows is the number of rows written.
func (w *Writer) Rows() int64 { return w.rows }

// Bytes is the size of the file so far in bytes, the pages of the open row group included.
func (w *Writer) Bytes() int64 {
	n := w.out.n
	if w.inGroup {
		n += w.file.RowGroupTotalCompressedBytes()
	}
	return n
}

// Close writes the footer. The file is complete only if it returns nil.
func (w *Writer) Close() (err error) {
	defer recoverTo(&err, errkind.Bug, "close parquet")
	w.inGroup = false
	if err := w.file.Close(); err != nil {
		return fmt.Errorf("close parquet: %w", err)
	}
	return nil
}

// Stats describes the columns written so far, in schema order.
func (w *Writer) Stats() []ColumnStats {
	out := make([]ColumnStats, len(w.stats))
	for i := range w.stats {
		out[i] = w.stats[i].result()
	}
	return out
}

// recoverTo turns a panic of a Parquet library into an error of the kind.
func recoverTo(err *error, kind errkind.Kind, doing string) {
	if r := recover(); r != nil {
		*err = errkind.Errorf(kind, "%s: %v", doing, r)
	}
}
