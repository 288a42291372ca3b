package job

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weir-lake/weir/compute/rowkey"
	"github.com/weir-lake/weir/compute/stream"
	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/manifest"
	"github.com/weir-lake/weir/table/predicate"
	"github.com/weir-lake/weir/table/rewrite"
	"github.com/weir-lake/weir/table/scan"
	"github.com/weir-lake/weir/table/snapshot"
)

// undoing is what a sink's table must lose with the next commit although no row written to it can say so: rows of an
// append table, and values of a partial-update table that become NULL again. Files are rewritten for it, in the same
// snapshot.
type undoing struct {
	rows     *tableRows
	gone     map[string]int64        // rows of an append table
	where    predicate.And           // that hold them
	replaced map[string]*replacement // keys of a partial-update table
}

// replacement is a key of a partial-update table whose row is replaced.
type replacement struct {
	any     []byte // a row with the key
	cleared []bool // columns in which the job's row had a value: what it has not now is NULL, also if others read it
}

// take notes what an epoch's changes undo.
func (u *undoing) take(s *tableSink, out *stream.SinkChanges) error {
	if len(out.Removed)+len(out.Replaced) == 0 {
		return nil
	}
	if u.rows == nil {
		var err error
		if u.rows, err = newTableRows(s.schema); err != nil {
			return err
		}
		u.gone, u.replaced = map[string]int64{}, map[string]*replacement{}
	}
	for _, c := range out.Removed {
		if err := u.lose(s, c.Rows); err != nil {
			return err
		}
	}
	for _, r := range out.Replaced {
		if err := u.replace(r); err != nil {
			return err
		}
	}
	return nil
}

func (u *undoing) lose(s *tableSink, rec arrow.RecordBatch) error {
	first := s.schema.Fields[0]
	if len(u.gone) == 0 {
		u.where = rangeOf(first.Name, first.Type, rec.Column(0))
	} else {
		u.where = nil // several batches: all files are looked at
	}
	return u.rows.each(rec, func(_ int, _, row []byte) error {
		u.gone[string(row)]++
		return nil
	})
}

func (u *undoing) replace(r stream.Replaced) error {
	at := u.replaced[string(r.Key)]
	if at == nil {
		at = &replacement{any: r.Was, cleared: make([]bool, len(u.rows.arrow.Fields()))}
		u.replaced[string(r.Key)] = at
	}
	cols, err := u.rows.split.Split(nil, r.Was)
	if err != nil {
		return err
	}
	for i, c := range cols {
		at.cleared[i] = at.cleared[i] || !rowkey.IsNull(c)
	}
	return nil
}

func (u *undoing) empty() bool { return len(u.gone)+len(u.replaced) == 0 }

func (u *undoing) clear() { *u = undoing{} }

// commitUndoing publishes messages together with the files rewritten for what is undone, as an OVERWRITE, on the newest
// version each time a compaction was faster.
func (s *tableSink) commitUndoing(ctx context.Context, req commit.Request, messages []commit.Message) (*commit.Result, error) {
	w, err := rewrite.New(s.store, s.schema, rewrite.Options{Now: s.r.m.opts.Now})
	if err != nil {
		return nil, err
	}
	req.Kind = snapshot.Overwrite
	plan := s.undoAppend
	if s.schema.HasPrimaryKey() {
		plan = s.undoKeyed
	}
	for try := 1; ; try++ {
		head, err := s.snaps.Latest(ctx)
		if errors.Is(err, snapshot.ErrNone) {
			head, err = nil, nil
		}
		if err != nil {
			return nil, err
		}
		p, err := plan(ctx, w, head, messages)
		if err != nil {
			return nil, fmt.Errorf("take back rows of %s: %w", s.path, err)
		}
		req.Messages = p.messages
		res, err := s.committer.Commit(ctx, req)
		switch {
		case err == nil && !res.Already:
			return res, w.Discard(ctx, p.superseded)
		case err == nil:
			return res, w.Discard(ctx, p.written)
		case errors.Is(err, commit.ErrUnknown):
			return nil, err
		}
		if derr := w.Discard(ctx, p.written); derr != nil || !errors.Is(err, commit.ErrConflict) || try == rewriteTriesMax {
			return nil, errors.Join(err, derr)
		}
	}
}

// undoPlan is one try.
type undoPlan struct {
	messages   []commit.Message
	written    []commit.Message // with the files made for this try
	superseded []commit.Message // with files of the writer that are in no snapshot then
}

// undoAppend rewrites the files that hold rows to lose, those of this commit among them.
func (s *tableSink) undoAppend(ctx context.Context, w *rewrite.Rewriter, head *snapshot.Snapshot, messages []commit.Message) (*undoPlan, error) {
	u := &s.undoing
	gone := &goneRows{rows: u.rows, left: maps.Clone(u.gone)}
	p := &undoPlan{}
	if head != nil {
		var err error
		if p.written, err = w.Drop(ctx, head, u.where, gone); err != nil {
			return nil, err
		}
	}
	fresh, made, err := w.DropFresh(ctx, messages, gone)
	if err != nil {
		return nil, errors.Join(err, w.Discard(ctx, p.written))
	}
	p.messages = append(slices.Clone(p.written), fresh...)
	p.written = append(p.written, made...)
	for i, m := range messages {
		kept := fresh[i].Added
		m.Added = slices.DeleteFunc(slices.Clone(m.Added), func(f manifest.DataFile) bool {
			return slices.ContainsFunc(kept, func(k manifest.DataFile) bool { return k.Name == f.Name })
		})
		m.Changelog = nil
		p.superseded = append(p.superseded, m)
	}
	if len(gone.left) > 0 {
		s.r.logs.add("warn", "%d rows that were taken away upstream are not in %s any more", len(gone.left), s.path)
	}
	return p, nil
}

// undoKeyed rewrites the buckets of replaced keys, with what this commit writes to them.
func (s *tableSink) undoKeyed(ctx context.Context, w *rewrite.Rewriter, head *snapshot.Snapshot, messages []commit.Message) (*undoPlan, error) {
	buckets, err := s.replacedBuckets(ctx, head)
	if err != nil {
		return nil, err
	}
	p := &undoPlan{}
	changelog := map[manifest.BucketID][]manifest.DataFile{}
	for _, m := range messages {
		id := manifest.BucketID{Partition: string(m.Partition), Bucket: m.Bucket}
		b, ok := buckets[id]
		if !ok {
			p.messages = append(p.messages, m)
			continue
		}
		b.Fresh, b.Total = m.Added, m.TotalBuckets
		buckets[id], changelog[id] = b, m.Changelog
		m.Changelog = nil
		p.superseded = append(p.superseded, m)
	}
	if p.written, err = w.Replace(ctx, head, buckets); err != nil {
		return nil, err
	}
	for _, m := range p.written {
		m.Changelog = changelog[manifest.BucketID{Partition: string(m.Partition), Bucket: m.Bucket}]
		p.messages = append(p.messages, m)
	}
	return p, nil
}

// replacedBuckets are the final rows of the replaced keys, by bucket.
func (s *tableSink) replacedBuckets(ctx context.Context, head *snapshot.Snapshot) (map[manifest.BucketID]rewrite.Bucket, error) {
	u := &s.undoing
	stored := map[string][]byte{}
	if head != nil {
		x, err := scan.New(s.store, s.schema, nil)
		if err != nil {
			return nil, err
		}
		where, err := u.keyRange(s)
		if err != nil {
			return nil, err
		}
		if stored, err = rowsOfKeys(ctx, x, u.rows, head, where, func(key []byte) bool { return u.replaced[string(key)] != nil }); err != nil {
			return nil, err
		}
	}
	var sets []keyedRow
	for _, key := range slices.Sorted(maps.Keys(u.replaced)) {
		r := u.replaced[key]
		next, err := u.final(r, s.merge.Merged([]byte(key)), stored[key], s.keyColumns())
		if err != nil {
			return nil, err
		}
		sets = append(sets, keyedRow{any: r.any, row: next})
	}
	return bucketsOf(s.schema, u.rows, s.writer, sets)
}

// keyRange is the range of the first column of the replaced keys.
func (u *undoing) keyRange(s *tableSink) (predicate.And, error) {
	rows := make([][]byte, 0, len(u.replaced))
	for _, r := range u.replaced {
		rows = append(rows, r.any)
	}
	rec, err := u.rows.batch(rows)
	if err != nil {
		return nil, err
	}
	defer rec.Release()
	return u.rows.firstKeyRange(s.schema, []arrow.RecordBatch{rec}), nil
}

func (s *tableSink) keyColumns() []bool {
	out := make([]bool, len(s.schema.Fields))
	for _, k := range s.schema.PrimaryKeys {
		out[s.schema.FieldIndex(k)] = true
	}
	return out
}

// final is the row to store for a replaced key: the job's own, and in the columns that it never set what others stored
// there. Nil: nothing is left but the key, and the job has no row.
func (u *undoing) final(r *replacement, merged, stored []byte, isKey []bool) ([]byte, error) {
	var parts [2][][]byte
	for i, row := range [][]byte{merged, stored} {
		if row == nil {
			continue
		}
		var err error
		if parts[i], err = u.rows.split.Split(nil, row); err != nil {
			return nil, err
		}
	}
	own, others := parts[0], parts[1]
	if own == nil && others == nil {
		return nil, nil
	}
	var out bytes.Buffer
	values := false
	for i := range isKey {
		switch {
		case own != nil && (isKey[i] || !rowkey.IsNull(own[i])):
			out.Write(own[i])
			values = values || !isKey[i]
		case others != nil && (isKey[i] || !r.cleared[i]):
			out.Write(others[i])
			values = values || !isKey[i] && !rowkey.IsNull(others[i])
		default:
			out.Write(rowkey.AppendNull(nil))
		}
	}
	if own == nil && !values {
		return nil, nil
	}
	return out.Bytes(), nil
}
