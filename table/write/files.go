package write

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/google/uuid"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/format"
	"github.com/weir-lake/weir/storage/lsm"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/manifest"
	"github.com/weir-lake/weir/table/schema"
)

// Files creates data and changelog files of one schema version of a table. It is
// safe for concurrent use.
type Files struct {
	store  objstore.Store // rooted at the table
	layout *layout
	stats  *statsPlan
	now    func() time.Time
	id     string
	next   atomic.Int64
}

// NewFiles makes a creator of files over a store rooted at the table. now is the
// clock of creation times; nil means time.Now. File formats other than Parquet
// are refused by name.
func NewFiles(store objstore.Store, s *schema.Schema, now func() time.Time) (*Files, error) {
	l, err := newLayout(s)
	if err != nil {
		return nil, err
	}
	if l.opts.FileFormat != "parquet" {
		return nil, errkind.Errorf(errkind.Invalid, "table option '%s' = '%s': only parquet files are written", schema.OptFileFormat, l.opts.FileFormat)
	}
	for opt, on := range map[string]bool{schema.OptDeletionVectors: l.opts.DeletionVectors, schema.OptRowTracking: l.opts.RowTracking, schema.OptDataEvolution: l.opts.DataEvolution} {
		if on {
			return nil, errkind.Errorf(errkind.Invalid, "table option '%s' = 'true': such tables are not written yet", opt)
		}
	}
	st, err := newStatsPlan(s, l.opts)
	if err != nil {
		return nil, err
	}
	if now == nil {
		now = time.Now
	}
	return &Files{store: store, layout: l, stats: st, now: now, id: uuid.NewString()}, nil
}

// Schema of the batches that files take: the table's columns, and for primary-key
// tables _SEQUENCE_NUMBER and _VALUE_KIND after them.
func (f *Files) Schema() *arrow.Schema { return f.layout.merged }

// Place is where a file lies.
type Place struct {
	Partition []byte // stored form
	Bucket    int
}

// Spec of a new file.
type Spec struct {
	Place     Place
	Level     int
	Source    manifest.FileSource
	Changelog bool
}

// DataWriter writes one data or changelog file. It is not safe for concurrent use.
type DataWriter struct {
	f        *Files
	ctx      context.Context // of Create, for the clean-up of Close, which has none
	spec     Spec
	name     string
	key      string
	out      objstore.Writer
	pq       *format.Writer
	minKey   []byte
	maxKey   []byte
	keyEnc   *schema.RowEncoder
	minSeq   int64
	maxSeq   int64
	retracts int64
}

// Create starts a file under a new name.
func (f *Files) Create(ctx context.Context, spec Spec) (*DataWriter, error) {
	dir, err := f.layout.schema.BucketDir(spec.Place.Partition, spec.Place.Bucket)
	if err != nil {
		return nil, err
	}
	w := &DataWriter{f: f, ctx: ctx, spec: spec, name: f.newName(spec.Changelog)}
	w.key = dir + "/" + w.name
	if f.layout.schema.HasPrimaryKey() {
		if w.keyEnc, err = schema.NewRowEncoder(schema.TypesOf(f.layout.schema.KeyFields())); err != nil {
			return nil, err
		}
	}
	if w.out, err = f.store.Create(ctx, w.key); err != nil {
		return nil, fmt.Errorf("create data file %s: %w", f.store.URI(w.key), err)
	}
	opts := format.Options{Compression: f.layout.opts.FileCompression, CompressionLevel: f.layout.opts.ZstdLevel}
	if w.pq, err = format.NewWriter(w.out, f.layout.file, opts); err != nil {
		w.out.Abort()
		return nil, err
	}
	return w, nil
}

func (f *Files) newName(changelog bool) string {
	prefix := f.layout.opts.DataFilePrefix
	if changelog {
		prefix = f.layout.opts.ChangelogFilePrefix
	}
	name := prefix + f.id + "-" + strconv.FormatInt(f.next.Add(1)-1, 10)
	if ext := compressionExtension(f.layout.opts.FileCompression); f.layout.opts.SuffixCompression && ext != "" {
		name += "." + ext
	}
	return name + ".parquet"
}

// compressionExtension is what file.suffix.include.compression puts into names.
func compressionExtension(codec string) string {
	switch codec {
	case "zstd":
		return "zst"
	case "gzip":
		return "gz"
	case "snappy", "lz4":
		return codec
	default:
		return ""
	}
}

// Write appends rows in the layout of Files.Schema, in key order for data files
// of primary-key tables.
func (w *DataWriter) Write(rec arrow.RecordBatch) error {
	if rec.NumRows() == 0 {
		return nil
	}
	l := w.f.layout
	if w.keyEnc != nil {
		if err := w.observe(rec); err != nil {
			return err
		}
	}
	file := array.NewRecordBatch(l.file, l.fileColumns(rec), rec.NumRows())
	defer file.Release()
	if err := w.pq.Write(file); err != nil {
		return fmt.Errorf("data file %s: %w", w.f.store.URI(w.key), err)
	}
	return nil
}

// observe keeps key and sequence bounds and counts deletions.
func (w *DataWriter) observe(rec arrow.RecordBatch) error {
	l := w.f.layout
	cols := make([]arrow.Array, len(l.keys))
	for i, k := range l.keys {
		cols[i] = rec.Column(k)
	}
	if err := w.keyEnc.Bind(cols); err != nil {
		return err
	}
	if w.minKey == nil {
		w.minKey = w.keyEnc.AppendStored(nil, 0)
	}
	w.maxKey = w.keyEnc.AppendStored(w.maxKey[:0], int(rec.NumRows())-1)
	n := len(l.schema.Fields)
	seqs := rec.Column(n).(*array.Int64).Int64Values()
	if w.pq.Rows() == 0 {
		w.minSeq, w.maxSeq = seqs[0], seqs[0]
	}
	for _, s := range seqs {
		w.minSeq, w.maxSeq = min(w.minSeq, s), max(w.maxSeq, s)
	}
	for _, k := range rec.Column(n + 1).(*array.Int8).Int8Values() {
		if lsm.IsRetract(k) {
			w.retracts++
		}
	}
	return nil
}

// Rows written so far.
func (w *DataWriter) Rows() int64 { return w.pq.Rows() }

// Bytes written so far, estimated for the open row group.
func (w *DataWriter) Bytes() int64 { return w.pq.Bytes() }

// Close makes the file durable and describes it. After an error it is gone.
func (w *DataWriter) Close() (manifest.DataFile, error) {
	if err := w.pq.Close(); err != nil {
		w.out.Abort()
		return manifest.DataFile{}, fmt.Errorf("data file %s: %w", w.f.store.URI(w.key), err)
	}
	if err := w.out.Close(); err != nil {
		w.out.Abort()
		// The reply alone may be lost and the file there. Not deleting it is no harm
		// but space, so an error here changes nothing.
		_ = w.f.store.Delete(context.WithoutCancel(w.ctx), w.key)
		return manifest.DataFile{}, fmt.Errorf("write data file %s: %w", w.f.store.URI(w.key), err)
	}
	return w.describe()
}

// Abort drops the file; after Close it does nothing.
func (w *DataWriter) Abort() { w.out.Abort() }

func (w *DataWriter) describe() (manifest.DataFile, error) {
	l := w.f.layout
	deleted := w.retracts
	d := manifest.DataFile{
		Name: w.name, Size: w.pq.Bytes(), RowCount: w.pq.Rows(), MinKey: schema.EmptyRow(), MaxKey: schema.EmptyRow(),
		KeyStats: emptyStats(), SchemaID: int64(l.schema.ID), Level: w.spec.Level, ExtraFiles: []string{},
		CreationTime: wallClock(w.f.now()), DeleteRowCount: &deleted, Source: w.spec.Source,
	}
	stats := w.pq.Stats()
	values := stats[len(stats)-len(l.schema.Fields):]
	var err error
	if d.ValueStats, d.ValueStatsCols, err = w.f.stats.values(values); err != nil {
		return d, err
	}
	if w.keyEnc == nil {
		// Of append files, sequence numbers only say in which order rows came.
		d.MinSequence, d.MaxSequence = 0, max(d.RowCount-1, 0)
		return d, nil
	}
	d.MinKey, d.MaxKey, d.MinSequence, d.MaxSequence = w.minKey, w.maxKey, w.minSeq, w.maxSeq
	keyStats := make([]format.ColumnStats, len(l.keys))
	for i, k := range l.keys {
		keyStats[i] = values[k]
	}
	d.KeyStats, err = encodeStats(l.schema.KeyFields(), keyStats)
	return d, err
}

// wallClock is the local wall clock as if UTC, in milliseconds, as Paimon stores it.
func wallClock(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond()/1e6*1e6, time.UTC)
}

// Delete removes a file that no snapshot refers to.
func (f *Files) Delete(ctx context.Context, p Place, name string) error {
	dir, err := f.layout.schema.BucketDir(p.Partition, p.Bucket)
	if err != nil {
		return err
	}
	return f.store.Delete(ctx, dir+"/"+name)
}
