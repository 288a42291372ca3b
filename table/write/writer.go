package write

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/lsm"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/index"
	"github.com/weir-lake/weir/table/manifest"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
)

// defaultMemoryBytes is write-buffer-size of Paimon.
const defaultMemoryBytes = 256 << 20

// maxPrecision is DECIMAL's; all that Arrow's 128 bits hold passes for it.
const maxPrecision = 38

// Options of New; the zero value works.
type Options struct {
	// MemoryBytes bounds the buffered rows; beyond it buckets are written to
	// files before Prepare. 0 means 256 MiB.
	MemoryBytes int64
	// Now is the clock of file creation times; nil means time.Now.
	Now func() time.Time
	// Manifests shares a cache with others of the table; nil makes a new one.
	Manifests *manifest.Files
	// Branch written to; empty means main.
	Branch string
	// FromEmpty says that sequence numbers begin at 0 whatever the table holds:
	// for OVERWRITE of everything that is written.
	FromEmpty bool
}

// Writer buffers rows and turns them into files. It is not safe for concurrent
// use. One Writer lives as long as its job: sequence numbers go on from Prepare
// to Prepare.
type Writer struct {
	store   objstore.Store
	files   *Files
	opts    Options
	buckets map[manifest.BucketID]*bucket
	bytes   int64

	partEnc  *schema.RowEncoder
	partCols []int
	bucketer *index.Bucketer
	total    int                         // _TOTAL_BUCKETS of new entries
	highest  map[manifest.BucketID]int64 // highest sequence number known
	loaded   bool
}

// bucket is what waits for one partition and bucket.
type bucket struct {
	id      manifest.BucketID
	rows    []arrow.RecordBatch // table columns and, with a primary key, sequence and kind
	changes []arrow.RecordBatch // exact changes, the same layout
	bytes   int64
	added   []manifest.DataFile
	logs    []manifest.DataFile
}

// New makes a writer of a table of schema s over a store rooted at the table.
// Tables that cannot be written are refused naming the option.
func New(store objstore.Store, s *schema.Schema, opts Options) (*Writer, error) {
	if opts.MemoryBytes <= 0 {
		opts.MemoryBytes = defaultMemoryBytes
	}
	files, err := NewFiles(store, s, opts.Now)
	if err != nil {
		return nil, err
	}
	w := &Writer{store: store, files: files, opts: opts, buckets: map[manifest.BucketID]*bucket{}, highest: map[manifest.BucketID]int64{}}
	topts := files.layout.opts
	w.total = topts.Bucket
	if w.bucketer, err = index.NewBucketer(s, w.total); err != nil {
		return nil, err
	}
	if s.HasPrimaryKey() {
		if _, err := mergeConfig(s); err != nil {
			return nil, err
		}
	}
	for _, p := range s.PartitionKeys {
		w.partCols = append(w.partCols, s.FieldIndex(p))
	}
	if w.partEnc, err = schema.NewRowEncoder(schema.TypesOf(s.PartitionFields())); err != nil {
		return nil, err
	}
	if w.opts.Manifests == nil {
		w.opts.Manifests = manifest.NewFiles(store, topts.ManifestCompression)
	}
	return w, nil
}

// Files of the writer, for compactions beside it.
func (w *Writer) Files() *Files { return w.files }

// Write buffers rows in the columns of the table; kinds (lsm.Insert..Delete) has
// one a row, nil means all +I. Append tables take +I only. The batch is retained
// until the next Prepare. A row that cannot be stored is an Invalid error naming
// row and column, and nothing of the batch is kept.
func (w *Writer) Write(ctx context.Context, rec arrow.RecordBatch, kinds []int8) error {
	if err := w.check(rec, kinds); err != nil {
		return err
	}
	if err := w.route(ctx, rec, kinds, false); err != nil {
		return err
	}
	return w.limit(ctx)
}

// WriteChangelog buffers the exact changes (+I, -U, +U, -D) that rows given to
// Write make to the table; Prepare puts them into changelog files, and the
// commit's properties must say so (commit.ChangesExact).
func (w *Writer) WriteChangelog(ctx context.Context, rec arrow.RecordBatch, kinds []int8) error {
	if !w.files.layout.schema.HasPrimaryKey() {
		return errkind.Errorf(errkind.Bug, "write changelog: an append table's files are its changes")
	}
	if err := w.check(rec, kinds); err != nil {
		return err
	}
	return w.route(ctx, rec, kinds, true)
}

func (w *Writer) check(rec arrow.RecordBatch, kinds []int8) error {
	s := w.files.layout.schema
	if kinds != nil && len(kinds) != int(rec.NumRows()) {
		return errkind.Errorf(errkind.Bug, "write: %d kinds for %d rows", len(kinds), rec.NumRows())
	}
	if int(rec.NumCols()) != len(s.Fields) {
		return errkind.Errorf(errkind.Invalid, "write: %d columns, the table has %d", rec.NumCols(), len(s.Fields))
	}
	for i, f := range s.Fields {
		col := rec.Column(i)
		if want := w.files.layout.merged.Field(i).Type; !arrow.TypeEqual(col.DataType(), want) {
			return errkind.Errorf(errkind.Invalid, "write: column %s is Arrow %s, %s needs %s", f.Name, col.DataType(), f.Type, want)
		}
		if err := checkDecimals(f, col); err != nil {
			return err
		}
		if !f.Type.NotNull || col.NullN() == 0 {
			continue
		}
		for row := range col.Len() {
			if col.IsNull(row) {
				return errkind.Errorf(errkind.Invalid, "write: row %d: column %s is NOT NULL and the row has none", row, f.Name)
			}
		}
	}
	if s.HasPrimaryKey() {
		return nil
	}
	for row, k := range kinds {
		if k != lsm.Insert {
			return errkind.Errorf(errkind.Invalid, "write: row %d is an update or a deletion, an append table takes inserts only: give the table a primary key", row)
		}
	}
	return nil
}

// checkDecimals refuses values with more digits than the type, which Arrow holds
// but no file does.
func checkDecimals(f schema.Field, col arrow.Array) error {
	d, ok := col.(*array.Decimal128)
	if !ok || f.Type.Precision >= maxPrecision {
		return nil
	}
	for row, v := range d.Values() {
		if d.IsValid(row) && !v.FitsInPrecision(int32(f.Type.Precision)) {
			return errkind.Errorf(errkind.Invalid, "write: row %d: column %s: %s has more digits than %s", row, f.Name, v.ToString(int32(f.Type.Scale)), f.Type)
		}
	}
	return nil
}

// route appends the rows to their buckets.
func (w *Writer) route(ctx context.Context, rec arrow.RecordBatch, kinds []int8, changes bool) error {
	if rec.NumRows() == 0 {
		return nil
	}
	groups, err := w.group(rec)
	if err != nil {
		return err
	}
	for _, g := range groups {
		part, partKinds := rec, kinds
		if len(groups) > 1 {
			if part, err = lsm.GatherBatch(rec.Schema(), []arrow.RecordBatch{rec}, g.rows); err != nil {
				return err
			}
			partKinds = pick(kinds, g.rows)
		} else {
			part.Retain()
		}
		err := w.buffer(ctx, w.bucketOf(g.id), part, partKinds, changes)
		part.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

func pick(kinds []int8, rows []lsm.Ref) []int8 {
	if kinds == nil {
		return nil
	}
	out := make([]int8, len(rows))
	for i, r := range rows {
		out[i] = kinds[r.Row]
	}
	return out
}

type group struct {
	id   manifest.BucketID
	rows []lsm.Ref
}

// group sorts rows into partitions and buckets, in the order of first sight.
func (w *Writer) group(rec arrow.RecordBatch) ([]group, error) {
	if len(w.partCols) == 0 && w.total <= 1 {
		return []group{{id: manifest.BucketID{Partition: string(schema.EmptyRow())}}}, nil
	}
	cols := make([]arrow.Array, len(w.partCols))
	for i, c := range w.partCols {
		cols[i] = rec.Column(c)
	}
	if err := w.partEnc.Bind(cols); err != nil {
		return nil, fmt.Errorf("partition: %w", err)
	}
	if err := w.bucketer.Bind(rec); err != nil {
		return nil, err
	}
	type key struct {
		part   int
		bucket int
	}
	parts := map[string]int{}
	var names []string
	at := map[key]int{}
	var out []group
	var buf []byte
	for row := range int(rec.NumRows()) {
		buf = w.partEnc.AppendStored(buf[:0], row)
		p, ok := parts[string(buf)]
		if !ok {
			p = len(names)
			names = append(names, string(buf))
			parts[names[p]] = p
		}
		k := key{p, w.bucketer.Bucket(row)}
		g, ok := at[k]
		if !ok {
			g = len(out)
			at[k] = g
			out = append(out, group{id: manifest.BucketID{Partition: names[p], Bucket: k.bucket}})
		}
		out[g].rows = append(out[g].rows, lsm.Ref{Row: int32(row)})
	}
	return out, nil
}

// Places says in which partition and bucket each row of the batch lies.
func (w *Writer) Places(rec arrow.RecordBatch) ([]manifest.BucketID, error) {
	out := make([]manifest.BucketID, rec.NumRows())
	groups, err := w.group(rec)
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		if g.rows == nil { // the one group of a table with one place
			for i := range out {
				out[i] = g.id
			}
		}
		for _, r := range g.rows {
			out[r.Row] = g.id
		}
	}
	return out, nil
}

func (w *Writer) bucketOf(id manifest.BucketID) *bucket {
	b := w.buckets[id]
	if b == nil {
		b = &bucket{id: id}
		w.buckets[id] = b
	}
	return b
}

// buffer keeps the rows with their sequence numbers and kinds.
func (w *Writer) buffer(ctx context.Context, b *bucket, rec arrow.RecordBatch, kinds []int8, changes bool) error {
	if !w.files.layout.schema.HasPrimaryKey() {
		rec = array.NewRecordBatch(w.files.layout.merged, rec.Columns(), rec.NumRows())
		b.rows = append(b.rows, rec)
	} else {
		if err := w.load(ctx); err != nil {
			return err
		}
		first := w.highest[b.id] + 1
		if _, ok := w.highest[b.id]; !ok {
			first = 0
		}
		if changes {
			first = 0 // only their order counts
			for _, c := range b.changes {
				first += c.NumRows()
			}
		} else {
			w.highest[b.id] = first + rec.NumRows() - 1
		}
		rec = w.number(rec, kinds, first)
		if changes {
			b.changes = append(b.changes, rec)
		} else {
			b.rows = append(b.rows, rec)
		}
	}
	n := batchBytes(rec)
	b.bytes += n
	w.bytes += n
	return nil
}

// number adds sequence and kind columns.
func (w *Writer) number(rec arrow.RecordBatch, kinds []int8, first int64) arrow.RecordBatch {
	n := int(rec.NumRows())
	sb := array.NewInt64Builder(memory.DefaultAllocator)
	defer sb.Release()
	sb.Reserve(n)
	for i := range n {
		sb.UnsafeAppend(first + int64(i))
	}
	kb := array.NewInt8Builder(memory.DefaultAllocator)
	defer kb.Release()
	if kinds == nil {
		kinds = make([]int8, n)
	}
	kb.AppendValues(kinds, nil)
	seq, kind := sb.NewArray(), kb.NewArray()
	defer seq.Release()
	defer kind.Release()
	cols := append(slices.Clone(rec.Columns()), seq, kind)
	return array.NewRecordBatch(w.files.layout.merged, cols, int64(n))
}

// load learns the highest sequence number of each bucket from the newest snapshot, once.
func (w *Writer) load(ctx context.Context) error {
	if w.loaded || w.opts.FromEmpty {
		return nil
	}
	s, err := snapshot.NewManager(w.store, w.opts.Branch).Latest(ctx)
	if errors.Is(err, snapshot.ErrNone) {
		w.loaded = true
		return nil
	}
	if err != nil {
		return fmt.Errorf("find the newest snapshot of %s: %w", w.store.URI(""), err)
	}
	live, err := w.opts.Manifests.ReadLive(ctx, []string{s.BaseManifestList, s.DeltaManifestList}, nil)
	if err != nil {
		return fmt.Errorf("read the files of snapshot %d: %w", s.ID, err)
	}
	for i := range live {
		id := live[i].BucketID()
		if old, ok := w.highest[id]; !ok || live[i].File.MaxSequence > old {
			w.highest[id] = live[i].File.MaxSequence
		}
	}
	w.loaded = true
	return nil
}

// limit writes the largest buckets to files while memory is over its bound.
func (w *Writer) limit(ctx context.Context) error {
	if w.bytes <= w.opts.MemoryBytes {
		return nil
	}
	all := w.sorted()
	slices.SortStableFunc(all, func(a, b *bucket) int { return cmp.Compare(b.bytes, a.bytes) })
	for _, b := range all {
		if w.bytes <= w.opts.MemoryBytes/2 {
			break
		}
		if err := w.flush(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

// sorted are the buckets in a stable order.
func (w *Writer) sorted() []*bucket {
	out := make([]*bucket, 0, len(w.buckets))
	for _, b := range w.buckets {
		out = append(out, b)
	}
	slices.SortFunc(out, func(a, b *bucket) int {
		return cmp.Or(cmp.Compare(a.id.Partition, b.id.Partition), a.id.Bucket-b.id.Bucket)
	})
	return out
}

// BufferedBytes is the memory that buffered rows take.
func (w *Writer) BufferedBytes() int64 { return w.bytes }

// Prepare writes what is buffered and returns the messages to commit, ordered by
// partition and bucket. After an error nothing is lost: Prepare may be called
// again, or Abort. The files are the commit's from now on; if it never
// comes, Discard deletes them.
func (w *Writer) Prepare(ctx context.Context) ([]commit.Message, error) {
	var out []commit.Message
	for _, b := range w.sorted() {
		if err := w.flush(ctx, b); err != nil {
			return nil, err
		}
		if len(b.added)+len(b.logs) == 0 {
			continue
		}
		m := commit.Message{Partition: []byte(b.id.Partition), Bucket: b.id.Bucket, TotalBuckets: w.total, Added: b.added, Changelog: b.logs}
		if w.files.layout.schema.HasPrimaryKey() && !w.opts.FromEmpty {
			m.Rebase = w.rebaser(b.id, b.added, b.logs)
		}
		out = append(out, m)
	}
	clear(w.buckets)
	return out, nil
}

// Discard deletes the files of messages that will not be committed.
func (w *Writer) Discard(ctx context.Context, messages []commit.Message) error {
	var errs []error
	for _, m := range messages {
		for _, f := range slices.Concat(m.Added, m.Changelog) {
			errs = append(errs, w.files.Delete(ctx, Place{m.Partition, m.Bucket}, f.Name))
		}
	}
	return errors.Join(errs...)
}

// Abort drops everything buffered and the files written since the last Prepare.
func (w *Writer) Abort(ctx context.Context) error {
	var errs []error
	for _, b := range w.sorted() {
		w.drop(b, &b.rows)
		w.drop(b, &b.changes)
		for _, f := range slices.Concat(b.added, b.logs) {
			errs = append(errs, w.files.Delete(ctx, Place{[]byte(b.id.Partition), b.id.Bucket}, f.Name))
		}
	}
	clear(w.buckets)
	return errors.Join(errs...)
}

// drop frees buffered batches of the bucket.
func (w *Writer) drop(b *bucket, rows *[]arrow.RecordBatch) {
	for _, r := range *rows {
		n := batchBytes(r)
		b.bytes -= n
		w.bytes -= n
		r.Release()
	}
	*rows = nil
}

// batchBytes is the memory that a batch keeps alive.
func batchBytes(rec arrow.RecordBatch) int64 {
	n := int64(0)
	for _, c := range rec.Columns() {
		n += dataBytes(c.Data())
	}
	return n
}

func dataBytes(d arrow.ArrayData) int64 {
	n := int64(0)
	for _, b := range d.Buffers() {
		if b != nil {
			n += int64(b.Len())
		}
	}
	for _, c := range d.Children() {
		n += dataBytes(c)
	}
	return n
}
