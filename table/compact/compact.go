package compact

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/manifest"
	"github.com/weir-lake/weir/table/scan"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
	"github.com/weir-lake/weir/table/write"
)

// cleanupTime bounds the deletion of half-done files after a cancel.
const cleanupTime = 30 * time.Second

// Options of New; the zero value works.
type Options struct {
	Now       func() time.Time // clock of file creation times; nil means time.Now
	Manifests *manifest.Files  // shared cache of the table; nil makes a new one
}

// Compactor rewrites files of one table. It is safe for concurrent use.
type Compactor struct {
	schema    *schema.Schema
	opts      schema.Options
	files     *write.Files
	scan      *scan.Scanner
	manifests *manifest.Files
}

// New makes a compactor of the table of schema s over a store rooted at it.
// Tables whose compaction must write a changelog for other engines are refused.
func New(store objstore.Store, s *schema.Schema, opts Options) (*Compactor, error) {
	topts, err := s.TableOptions()
	if err != nil {
		return nil, err
	}
	if p := topts.ChangelogProducer; p == "lookup" || p == "full-compaction" {
		return nil, errkind.Errorf(errkind.Invalid, "table option '%s' = '%s': compaction of such a table writes its changelog, which only Java Paimon does: let it compact the table", schema.OptChangelogProducer, p)
	}
	if opts.Manifests == nil {
		opts.Manifests = manifest.NewFiles(store, topts.ManifestCompression)
	}
	c := &Compactor{schema: s, opts: topts, manifests: opts.Manifests}
	if c.files, err = write.NewFiles(store, s, opts.Now); err != nil {
		return nil, err
	}
	if c.scan, err = scan.New(store, s, opts.Manifests); err != nil {
		return nil, err
	}
	return c, nil
}

// Plan reads the files of the snapshot and decides what to compact.
func (c *Compactor) Plan(ctx context.Context, s *snapshot.Snapshot, mode Mode) ([]Task, error) {
	live, err := c.Live(ctx, s)
	if err != nil {
		return nil, err
	}
	return Plan(c.schema, live, mode)
}

// Live are the files of the snapshot; none for nil.
func (c *Compactor) Live(ctx context.Context, s *snapshot.Snapshot) ([]manifest.Entry, error) {
	if s == nil {
		return nil, nil
	}
	live, err := c.manifests.ReadLive(ctx, []string{s.BaseManifestList, s.DeltaManifestList}, nil)
	if err != nil {
		return nil, fmt.Errorf("read the files of snapshot %d: %w", s.ID, err)
	}
	return live, nil
}

// Run does the task and returns the message of its COMPACT commit. If it fails or
// ctx ends, the files written until then are deleted. A message that changes
// nothing has neither Added nor Removed files.
func (c *Compactor) Run(ctx context.Context, t Task) (commit.Message, error) {
	w := &work{c: c, t: t, place: write.Place{Partition: t.Partition, Bucket: t.Bucket}}
	w.msg = commit.Message{Partition: t.Partition, Bucket: t.Bucket, TotalBuckets: t.TotalBuckets}
	run := w.merge
	if !c.schema.HasPrimaryKey() {
		run = w.join
	}
	if err := run(ctx); err != nil {
		err = fmt.Errorf("compact bucket %d: %w", t.Bucket, err)
		return commit.Message{}, errors.Join(err, w.cleanup(ctx))
	}
	return w.msg, nil
}

// Discard deletes the files of a message that will not be committed.
func (c *Compactor) Discard(ctx context.Context, m commit.Message) error {
	kept := map[string]bool{}
	for _, f := range m.Removed {
		kept[f.Name] = true // upgraded files are in both lists
	}
	var errs []error
	for _, f := range m.Added {
		if !kept[f.Name] {
			errs = append(errs, c.files.Delete(ctx, write.Place{Partition: m.Partition, Bucket: m.Bucket}, f.Name))
		}
	}
	return errors.Join(errs...)
}

// work is one run of a task.
type work struct {
	c       *Compactor
	t       Task
	place   write.Place
	msg     commit.Message
	written []manifest.DataFile
}

// cleanup deletes what was written, also after the caller gave up.
func (w *work) cleanup(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	var errs []error
	for _, f := range w.written {
		errs = append(errs, w.c.files.Delete(ctx, w.place, f.Name))
	}
	return errors.Join(errs...)
}

// merge rewrites the sections whose files overlap or are small, and only moves
// large files that overlap nothing.
func (w *work) merge(ctx context.Context) error {
	parts, err := sections(w.c.schema, w.t.Files)
	if err != nil {
		return err
	}
	small := w.c.opts.TargetFileSize * smallPercent / 100
	var pending []section
	for _, p := range parts {
		if len(p.files) > 1 || p.files[0].File.Size < small || !w.movable(&p.files[0].File) {
			pending = append(pending, p)
			continue
		}
		if err := w.rewrite(ctx, pending); err != nil {
			return err
		}
		pending = pending[:0]
		w.move(p.files[0].File)
	}
	return w.rewrite(ctx, pending)
}

// movable reports whether the file can lie on the output level as it is.
func (w *work) movable(f *manifest.DataFile) bool {
	return !w.t.DropDeletes || (f.DeleteRowCount != nil && *f.DeleteRowCount == 0)
}

func (w *work) move(f manifest.DataFile) {
	if f.Level == w.t.Output {
		return
	}
	w.msg.Removed = append(w.msg.Removed, f)
	f.Level = w.t.Output
	w.msg.Added = append(w.msg.Added, f)
}

func (w *work) rewrite(ctx context.Context, parts []section) error {
	if len(parts) == 0 {
		return nil
	}
	if len(parts) == 1 && len(parts[0].files) == 1 && w.movable(&parts[0].files[0].File) {
		w.move(parts[0].files[0].File)
		return nil
	}
	var files []manifest.Entry
	for _, p := range parts {
		files = append(files, p.files...)
	}
	fields, err := scan.MergeFields(w.c.schema, w.c.schema.Fields)
	if err != nil {
		return err
	}
	cfg, err := scan.MergeConfig(w.c.schema, fields)
	if err != nil {
		return err
	}
	cfg.KeepRetracts = !w.t.DropDeletes
	m, err := w.c.scan.Merger(ctx, files, fields, cfg, nil)
	if err != nil {
		return err
	}
	defer m.Release()
	return w.replace(ctx, files, m)
}

// join copies small files of an append table into one.
func (w *work) join(ctx context.Context) error {
	run := w.c.scan.FileRun(ctx, w.t.Files, w.c.schema.Fields)
	defer run.Release()
	return w.replace(ctx, w.t.Files, run)
}

// replace writes the rows to files of the target size in place of the old files.
func (w *work) replace(ctx context.Context, old []manifest.Entry, rows interface {
	Next() (arrow.RecordBatch, error)
}) (err error) {
	var d *write.DataWriter
	defer func() {
		if d != nil {
			d.Abort()
		}
	}()
	end := func() error {
		f, err := d.Close()
		if err != nil {
			return err
		}
		d = nil
		w.written, w.msg.Added = append(w.written, f), append(w.msg.Added, f)
		return nil
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		rec, err := rows.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if d == nil {
			d, err = w.c.files.Create(ctx, write.Spec{Place: w.place, Level: w.t.Output, Source: manifest.SourceCompact})
		}
		if err == nil {
			err = d.Write(rec)
		}
		rec.Release()
		if err != nil {
			return err
		}
		if d.Bytes() >= w.c.opts.TargetFileSize {
			if err := end(); err != nil {
				return err
			}
		}
	}
	if d != nil {
		if err := end(); err != nil {
			return err
		}
	}
	for i := range old {
		w.msg.Removed = append(w.msg.Removed, old[i].File)
	}
	return nil
}
