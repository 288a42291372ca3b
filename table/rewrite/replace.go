package rewrite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/lsm"
	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/manifest"
	"github.com/weir-lake/weir/table/scan"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
	"github.com/weir-lake/weir/table/write"
)

// Bucket is what Replace does to one bucket.
type Bucket struct {
	Total int // _TOTAL_BUCKETS of the entries
	// Fresh are files of level 0 that wait to be committed and lie over the live ones. Their rows are taken in; the
	// files themselves are the caller's to delete.
	Fresh []manifest.DataFile
	// Keys are the keys to replace, as BinaryRow bytes of the trimmed primary key.
	Keys map[string]bool
	// Rows have the table's columns, in any order, at most one row a key; keys without a row are removed.
	Rows []arrow.RecordBatch
}

// Replace merges each bucket whole, as it is at s with the fresh files over it, puts the rows in the place of their
// keys and writes the result to the top level. Deletions are gone from it. A nil snapshot is an empty table.
func (r *Rewriter) Replace(ctx context.Context, s *snapshot.Snapshot, buckets map[manifest.BucketID]Bucket) ([]commit.Message, error) {
	if !r.schema.HasPrimaryKey() {
		return nil, errkind.Errorf(errkind.Bug, "rewrite: an append table has no keys")
	}
	live := map[manifest.BucketID][]manifest.Entry{}
	if s != nil {
		entries, err := r.manifests.ReadLive(ctx, []string{s.BaseManifestList, s.DeltaManifestList}, placed(buckets))
		if err != nil {
			return nil, fmt.Errorf("read the files of snapshot %d: %w", s.ID, err)
		}
		for _, e := range entries {
			live[e.BucketID()] = append(live[e.BucketID()], e)
		}
	}
	ids := slices.SortedFunc(maps.Keys(buckets), func(a, b manifest.BucketID) int {
		return cmp.Or(cmp.Compare(a.Partition, b.Partition), a.Bucket-b.Bucket)
	})
	var out []commit.Message
	for _, id := range ids {
		b := buckets[id]
		m := commit.Message{Partition: []byte(id.Partition), Bucket: id.Bucket, TotalBuckets: b.Total}
		for _, e := range live[id] {
			m.Removed = append(m.Removed, e.File)
			m.TotalBuckets = e.TotalBuckets
		}
		var err error
		m.Added, err = r.merge(ctx, id, live[id], b)
		out = append(out, m)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("rewrite bucket %d: %w", id.Bucket, err), r.Discard(ctx, out))
		}
	}
	return out, nil
}

// placed keeps the files of some buckets.
type placed map[manifest.BucketID]Bucket

func (placed) Manifest(*manifest.Meta) bool   { return true }
func (placed) File(*manifest.Entry) bool      { return true }
func (p placed) Place(e *manifest.Entry) bool { _, ok := p[e.BucketID()]; return ok }

// merge writes the rows of one bucket.
func (r *Rewriter) merge(ctx context.Context, id manifest.BucketID, live []manifest.Entry, b Bucket) ([]manifest.DataFile, error) {
	fields, err := scan.MergeFields(r.schema, r.schema.Fields)
	if err != nil {
		return nil, err
	}
	cfg, err := scan.MergeConfig(r.schema, fields)
	if err != nil {
		return nil, err
	}
	files, highest := slices.Clone(live), int64(0)
	for _, f := range b.Fresh {
		files = append(files, manifest.Entry{Kind: manifest.Add, Partition: []byte(id.Partition), Bucket: id.Bucket, TotalBuckets: b.Total, File: f})
	}
	for i := range files {
		highest = max(highest, files[i].File.MaxSequence)
	}
	inner, err := r.scan.Merger(ctx, files, fields, cfg, nil)
	if err != nil {
		return nil, err
	}
	rest, err := newOthers(r.schema, inner, b.Keys)
	if err != nil {
		inner.Release()
		return nil, err
	}
	given, err := r.numbered(b.Rows, highest)
	if err != nil {
		rest.Release()
		return nil, err
	}
	// Every key comes from one side only, so nothing is folded here.
	one := lsm.Config{Engine: lsm.Deduplicate, Key: cfg.Key, Sequence: cfg.Sequence, Kind: cfg.Kind}
	sorted, err := sortRows(inner.Schema(), given, one)
	if err != nil {
		rest.Release()
		return nil, err
	}
	outer, err := lsm.NewMerger([]lsm.Input{{Run: rest}, {Run: sorted}}, inner.Schema(), one)
	if err != nil {
		return nil, err
	}
	defer outer.Release()
	spec := write.Spec{Place: write.Place{Partition: []byte(id.Partition), Bucket: id.Bucket}, Level: r.opts.NumLevels - 1, Source: manifest.SourceCompact}
	return r.write(ctx, spec, outer.Next)
}

// sortRows makes a sorted run of the batches, which it takes over.
func sortRows(sc *arrow.Schema, rows []arrow.RecordBatch, cfg lsm.Config) (lsm.Run, error) {
	defer func() {
		for _, rec := range rows {
			rec.Release()
		}
	}()
	if len(rows) == 0 {
		return lsm.NewBatches(), nil
	}
	sel, err := lsm.Sort(rows, cfg)
	if err != nil {
		return nil, err
	}
	rec, err := lsm.GatherBatch(sc, rows, sel)
	if err != nil {
		return nil, err
	}
	defer rec.Release()
	return lsm.NewBatches(rec), nil
}

// numbered adds sequence numbers and kinds. The number is that of the newest row there is: rows written later are
// above it.
func (r *Rewriter) numbered(rows []arrow.RecordBatch, sequence int64) ([]arrow.RecordBatch, error) {
	out := make([]arrow.RecordBatch, 0, len(rows))
	for _, rec := range rows {
		if int(rec.NumCols()) != len(r.schema.Fields) {
			return nil, errkind.Errorf(errkind.Bug, "rewrite: rows of %d columns, the table has %d", rec.NumCols(), len(r.schema.Fields))
		}
		n := int(rec.NumRows())
		seqs, kinds := array.NewInt64Builder(memory.DefaultAllocator), array.NewInt8Builder(memory.DefaultAllocator)
		for range n {
			seqs.Append(sequence)
			kinds.Append(lsm.Insert)
		}
		seq, kind := seqs.NewArray(), kinds.NewArray()
		out = append(out, array.NewRecordBatch(r.files.Schema(), append(slices.Clone(rec.Columns()), seq, kind), int64(n)))
		seq.Release()
		kind.Release()
		seqs.Release()
		kinds.Release()
	}
	return out, nil
}

// others is the merged rows of a bucket but for some keys; it is an lsm.Run.
type others struct {
	in   *lsm.Merger
	keys map[string]bool
	at   []int
	enc  *schema.RowEncoder
	buf  []byte
}

func newOthers(s *schema.Schema, in *lsm.Merger, keys map[string]bool) (*others, error) {
	o := &others{in: in, keys: keys}
	for _, f := range s.KeyFields() {
		o.at = append(o.at, s.FieldIndex(f.Name))
	}
	var err error
	o.enc, err = schema.NewRowEncoder(schema.TypesOf(s.KeyFields()))
	return o, err
}

// Next implements lsm.Run.
func (o *others) Next() (arrow.RecordBatch, error) {
	rec, err := o.in.Next()
	if err != nil {
		return nil, err
	}
	defer rec.Release()
	cols := make([]arrow.Array, len(o.at))
	for i, c := range o.at {
		cols[i] = rec.Column(c)
	}
	if err := o.enc.Bind(cols); err != nil {
		return nil, err
	}
	var keep []lsm.Ref
	for i := range int(rec.NumRows()) {
		o.buf = o.enc.Append(o.buf[:0], i)
		if !o.keys[string(o.buf)] {
			keep = append(keep, lsm.Ref{Row: int32(i)})
		}
	}
	return lsm.GatherBatch(rec.Schema(), []arrow.RecordBatch{rec}, keep)
}

// Release implements lsm.Run.
func (o *others) Release() { o.in.Release() }
