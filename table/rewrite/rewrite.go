package rewrite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/lsm"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/manifest"
	"github.com/weir-lake/weir/table/predicate"
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

// Rewriter rewrites files of one table. It is not safe for concurrent use.
type Rewriter struct {
	schema    *schema.Schema
	opts      schema.Options
	files     *write.Files
	scan      *scan.Scanner
	manifests *manifest.Files
}

// New makes a rewriter of the table of schema s over a store rooted at it. Tables that cannot be written are
// refused naming the option.
func New(store objstore.Store, s *schema.Schema, o Options) (*Rewriter, error) {
	opts, err := s.TableOptions()
	if err != nil {
		return nil, err
	}
	if o.Manifests == nil {
		o.Manifests = manifest.NewFiles(store, opts.ManifestCompression)
	}
	r := &Rewriter{schema: s, opts: opts, manifests: o.Manifests}
	if r.files, err = write.NewFiles(store, s, o.Now); err != nil {
		return nil, err
	}
	if r.scan, err = scan.New(store, s, o.Manifests); err != nil {
		return nil, err
	}
	return r, nil
}

// Gone says which rows of an append table are to go.
type Gone interface {
	// Any reports whether some row of the batch may be one. It changes nothing.
	Any(rows arrow.RecordBatch) (bool, error)
	// Keep gives the rows that stay. Each row of the table comes at most once.
	Keep(rows arrow.RecordBatch) ([]lsm.Ref, error)
}

// Drop rewrites the files of the append table at s that hold rows to take away. The filter says where such rows can
// be; files that cannot hold one are not read. It returns no message for a bucket that keeps all its files.
func (r *Rewriter) Drop(ctx context.Context, s *snapshot.Snapshot, filter predicate.And, gone Gone) ([]commit.Message, error) {
	if r.schema.HasPrimaryKey() {
		return nil, errkind.Errorf(errkind.Bug, "rewrite: rows of a primary-key table go by their key")
	}
	p, err := r.scan.Plan(ctx, s, scan.Request{Filter: filter})
	if err != nil {
		return nil, err
	}
	var out []commit.Message
	for _, split := range p.Splits {
		var m *commit.Message
		for i := range split.Files {
			e := &split.Files[i]
			added, hit, err := r.without(ctx, e, gone)
			if err == nil && !hit {
				continue
			}
			if m == nil {
				out = append(out, commit.Message{Partition: e.Partition, Bucket: e.Bucket, TotalBuckets: e.TotalBuckets})
				m = &out[len(out)-1]
			}
			m.Added = append(m.Added, added...)
			if err != nil {
				return nil, errors.Join(fmt.Errorf("rewrite file %s: %w", e.File.Name, err), r.Discard(ctx, out))
			}
			m.Removed = append(m.Removed, e.File)
		}
	}
	return out, nil
}

// DropFresh does the same to files that wait to be committed. It returns the messages to commit in their place, one for
// each in order, and messages with the files it wrote, for Discard. The files it replaced are the caller's to delete.
func (r *Rewriter) DropFresh(ctx context.Context, messages []commit.Message, gone Gone) (out, written []commit.Message, err error) {
	for _, m := range messages {
		made := commit.Message{Partition: m.Partition, Bucket: m.Bucket, TotalBuckets: m.TotalBuckets}
		files := m.Added
		m.Added = nil
		for _, f := range files {
			e := &manifest.Entry{Kind: manifest.Add, Partition: m.Partition, Bucket: m.Bucket, TotalBuckets: m.TotalBuckets, File: f}
			added, hit, err := r.without(ctx, e, gone)
			made.Added = append(made.Added, added...)
			if err != nil {
				return nil, nil, errors.Join(fmt.Errorf("rewrite file %s: %w", f.Name, err), r.Discard(ctx, append(written, made)))
			}
			if !hit {
				added = []manifest.DataFile{f}
			}
			m.Added = append(m.Added, added...)
		}
		out, written = append(out, m), append(written, made)
	}
	return out, written, nil
}

// without copies a file but for the rows that are to go; hit is false when there is none and nothing was written.
func (r *Rewriter) without(ctx context.Context, e *manifest.Entry, gone Gone) (added []manifest.DataFile, hit bool, err error) {
	if hit, err = r.holds(ctx, e, gone); err != nil || !hit {
		return nil, false, err
	}
	run := r.scan.FileRun(ctx, []manifest.Entry{*e}, r.schema.Fields)
	defer run.Release()
	added, err = r.write(ctx, write.Spec{Place: placeOf(e), Source: manifest.SourceAppend}, func() (arrow.RecordBatch, error) {
		rec, err := run.Next()
		if err != nil {
			return nil, err
		}
		defer rec.Release()
		keep, err := gone.Keep(rec)
		if err != nil {
			return nil, err
		}
		return lsm.GatherBatch(rec.Schema(), []arrow.RecordBatch{rec}, keep)
	})
	return added, true, err
}

// holds reports whether the file may hold a row that is to go, reading no further than needed.
func (r *Rewriter) holds(ctx context.Context, e *manifest.Entry, gone Gone) (bool, error) {
	run := r.scan.FileRun(ctx, []manifest.Entry{*e}, r.schema.Fields)
	defer run.Release()
	for {
		rec, err := run.Next()
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		any, err := gone.Any(rec)
		rec.Release()
		if any || err != nil {
			return any, err
		}
	}
}

func placeOf(e *manifest.Entry) write.Place {
	return write.Place{Partition: e.Partition, Bucket: e.Bucket}
}

// write puts the batches into files of the target size; next ends with io.EOF. The files written so far are
// returned with an error too.
func (r *Rewriter) write(ctx context.Context, spec write.Spec, next func() (arrow.RecordBatch, error)) (out []manifest.DataFile, err error) {
	var d *write.DataWriter
	defer func() {
		if d != nil {
			d.Abort()
		}
	}()
	end := func() error {
		f, err := d.Close()
		if err == nil {
			d, out = nil, append(out, f)
		}
		return err
	}
	for {
		if err := ctx.Err(); err != nil {
			return out, err
		}
		rec, err := next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return out, err
		}
		if d == nil && rec.NumRows() > 0 {
			d, err = r.files.Create(ctx, spec)
		}
		if err == nil && d != nil {
			err = d.Write(rec)
		}
		rec.Release()
		if err != nil {
			return out, err
		}
		if d != nil && d.Bytes() >= r.opts.TargetFileSize {
			if err := end(); err != nil {
				return out, err
			}
		}
	}
	if d != nil {
		return out, end()
	}
	return out, nil
}

// Discard deletes the files that messages of this rewriter would have added.
func (r *Rewriter) Discard(ctx context.Context, messages []commit.Message) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	var errs []error
	for _, m := range messages {
		for _, f := range m.Added {
			errs = append(errs, r.files.Delete(ctx, write.Place{Partition: m.Partition, Bucket: m.Bucket}, f.Name))
		}
	}
	return errors.Join(errs...)
}
