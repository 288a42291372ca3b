package write

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/storage/format"
	"github.com/weir-lake/weir/storage/lsm"
	"github.com/weir-lake/weir/table/manifest"
	"github.com/weir-lake/weir/table/scan"
	"github.com/weir-lake/weir/table/schema"
)

// mergeConfig is how the table merges rows in the layout of Files.Schema.
func mergeConfig(s *schema.Schema) (lsm.Config, error) {
	fields, err := scan.MergeFields(s, s.Fields)
	if err != nil {
		return lsm.Config{}, err
	}
	cfg, err := scan.MergeConfig(s, fields)
	cfg.KeepRetracts, cfg.Repeats, cfg.UpperOnce = true, true, false
	return cfg, err
}

// flush writes the bucket's buffered rows and changes to files. After an error
// what was not written is still buffered, and flush may be called again.
func (w *Writer) flush(ctx context.Context, b *bucket) error {
	place := Place{[]byte(b.id.Partition), b.id.Bucket}
	if len(b.rows) > 0 {
		write := w.writeMerged
		if !w.files.layout.schema.HasPrimaryKey() {
			write = w.writeAppended
		}
		added, err := write(ctx, place, b.rows)
		if err != nil {
			return err
		}
		b.added = append(b.added, added...)
		w.drop(b, &b.rows) // at once: a retry after an error below must not write them again
	}
	if len(b.changes) > 0 {
		log, err := w.writeChanges(ctx, place, b.changes)
		if err != nil {
			return err
		}
		b.logs = append(b.logs, log)
		w.drop(b, &b.changes)
	}
	return nil
}

// writeAppended writes rows in their order, in files of the target size.
func (w *Writer) writeAppended(ctx context.Context, p Place, rows []arrow.RecordBatch) (out []manifest.DataFile, err error) {
	var d *DataWriter
	defer func() {
		if err == nil {
			return
		}
		if d != nil {
			d.Abort()
		}
		for _, f := range out {
			err = errors.Join(err, w.files.Delete(ctx, p, f.Name))
		}
	}()
	for _, rec := range rows {
		if d == nil {
			if d, err = w.files.Create(ctx, Spec{Place: p, Source: manifest.SourceAppend}); err != nil {
				return out, err
			}
		}
		if err = d.Write(rec); err != nil {
			return out, err
		}
		if d.Bytes() >= w.files.layout.opts.TargetFileSize {
			f, err := d.Close()
			if err != nil {
				return out, err
			}
			out, d = append(out, f), nil
		}
	}
	if d == nil {
		return out, nil
	}
	f, err := d.Close()
	if err != nil {
		return out, err
	}
	return append(out, f), nil
}

// writeMerged sorts the rows, folds those of one key and writes one level-0 file.
func (w *Writer) writeMerged(ctx context.Context, p Place, rows []arrow.RecordBatch) ([]manifest.DataFile, error) {
	cfg, err := mergeConfig(w.files.layout.schema)
	if err != nil {
		return nil, err
	}
	sel, err := lsm.Sort(rows, cfg)
	if err != nil {
		return nil, err
	}
	m, err := lsm.NewMerger([]lsm.Input{{Run: &sortedRun{sc: w.files.Schema(), rows: rows, sel: sel}}}, w.files.Schema(), cfg)
	if err != nil {
		return nil, err
	}
	defer m.Release()
	d, err := w.files.Create(ctx, Spec{Place: p, Source: manifest.SourceAppend})
	if err != nil {
		return nil, err
	}
	defer d.Abort()
	for {
		rec, err := m.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("merge buffered rows: %w", err)
		}
		err = d.Write(rec)
		rec.Release()
		if err != nil {
			return nil, err
		}
	}
	if d.Rows() == 0 {
		return nil, nil // deletions that the table ignores
	}
	f, err := d.Close()
	if err != nil {
		return nil, err
	}
	return []manifest.DataFile{f}, nil
}

// writeChanges writes a changelog file: by key, the changes of a key in their order.
func (w *Writer) writeChanges(ctx context.Context, p Place, rows []arrow.RecordBatch) (manifest.DataFile, error) {
	cfg, err := mergeConfig(w.files.layout.schema)
	if err != nil {
		return manifest.DataFile{}, err
	}
	cfg.UserSequence = nil
	sel, err := lsm.Sort(rows, cfg)
	if err != nil {
		return manifest.DataFile{}, err
	}
	run := &sortedRun{sc: w.files.Schema(), rows: rows, sel: sel}
	d, err := w.files.Create(ctx, Spec{Place: p, Source: manifest.SourceAppend, Changelog: true})
	if err != nil {
		return manifest.DataFile{}, err
	}
	defer d.Abort()
	for {
		rec, err := run.Next()
		if errors.Is(err, io.EOF) {
			return d.Close()
		}
		if err != nil {
			return manifest.DataFile{}, err
		}
		err = d.Write(rec)
		rec.Release()
		if err != nil {
			return manifest.DataFile{}, err
		}
	}
}

// sortedRun gives buffered rows in the order of a selection, batch by batch, so
// that they are never copied as a whole.
type sortedRun struct {
	sc   *arrow.Schema
	rows []arrow.RecordBatch
	sel  []lsm.Ref
}

// Next implements lsm.Run.
func (r *sortedRun) Next() (arrow.RecordBatch, error) {
	if len(r.sel) == 0 {
		return nil, io.EOF
	}
	n := min(len(r.sel), lsm.DefaultBatchRows)
	rec, err := lsm.GatherBatch(r.sc, r.rows, r.sel[:n])
	r.sel = r.sel[n:]
	return rec, err
}

// Release implements lsm.Run; the rows are the bucket's.
func (r *sortedRun) Release() {}

// rebaser makes the Rebase of a message: the files' rows with higher numbers.
func (w *Writer) rebaser(id manifest.BucketID, added, logs []manifest.DataFile) func(context.Context, int64) ([]manifest.DataFile, []manifest.DataFile, error) {
	return func(ctx context.Context, above int64) ([]manifest.DataFile, []manifest.DataFile, error) {
		lowest := added[0].MinSequence
		for _, f := range added {
			lowest = min(lowest, f.MinSequence)
		}
		shift := above + 1 - lowest
		p := Place{[]byte(id.Partition), id.Bucket}
		out := make([]manifest.DataFile, 0, len(added))
		for i := range added {
			f, err := w.rewrite(ctx, p, &added[i], shift)
			if err != nil {
				for _, done := range out {
					err = errors.Join(err, w.files.Delete(ctx, p, done.Name))
				}
				return nil, nil, fmt.Errorf("raise sequence numbers of %s: %w", added[i].Name, err)
			}
			out = append(out, f)
			w.highest[id] = max(w.highest[id], f.MaxSequence)
		}
		added = out
		return out, logs, nil
	}
}

// rewrite copies a level-0 file with all sequence numbers shifted.
func (w *Writer) rewrite(ctx context.Context, p Place, f *manifest.DataFile, shift int64) (manifest.DataFile, error) {
	e := manifest.Entry{Partition: p.Partition, Bucket: p.Bucket, File: *f}
	key, err := manifest.FileKey(w.files.layout.schema, &e)
	if err != nil {
		return manifest.DataFile{}, err
	}
	pq, err := format.Open(w.store.URI(key), format.OpenObject(ctx, w.store, key, f.Size), f.Size)
	if err != nil {
		return manifest.DataFile{}, err
	}
	rows, err := pq.Read(ctx, format.ReadOptions{})
	if err != nil {
		return manifest.DataFile{}, err
	}
	defer rows.Release()
	d, err := w.files.Create(ctx, Spec{Place: p, Source: manifest.SourceAppend})
	if err != nil {
		return manifest.DataFile{}, err
	}
	defer d.Abort()
	for {
		rec, _, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return d.Close()
		}
		if err != nil {
			return manifest.DataFile{}, err
		}
		err = w.writeShifted(d, rec, shift)
		rec.Release()
		if err != nil {
			return manifest.DataFile{}, err
		}
	}
}

func (w *Writer) writeShifted(d *DataWriter, rec arrow.RecordBatch, shift int64) error {
	n := len(w.files.layout.schema.Fields)
	at := int(rec.NumCols()) - n - 2
	old := rec.Column(at).(*array.Int64).Int64Values()
	b := array.NewInt64Builder(memory.DefaultAllocator)
	defer b.Release()
	b.Reserve(len(old))
	for _, s := range old {
		b.UnsafeAppend(s + shift)
	}
	seq := b.NewArray()
	defer seq.Release()
	cols := make([]arrow.Array, 0, n+2)
	for i := range n {
		c, err := scan.CastColumn(rec.Column(at+2+i), w.files.Schema().Field(i).Type)
		if err != nil {
			return err
		}
		defer c.Release()
		cols = append(cols, c)
	}
	cols = append(cols, seq, rec.Column(at+1))
	out := array.NewRecordBatch(w.files.Schema(), cols, rec.NumRows())
	defer out.Release()
	return d.Write(out)
}
