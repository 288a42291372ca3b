package job

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weir-lake/weir/compute/epoch"
	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/stream"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/scan"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
)

// errInputGone: a version the job needs has expired under it. Its state is rebuilt from what is there.
var errInputGone = errkind.New(errkind.Unavailable, "job: a version of an input has expired")

// tableReader reads the versions of one table of the warehouse for one input.
type tableReader struct {
	log     *epoch.Log
	path    string
	snaps   *snapshot.Manager
	scanner *scan.Scanner
	at      *snapshot.Snapshot // read up to here; nil: nothing yet
	begun   bool               // something was read or sought, even of an empty table
	looked  int64              // snapshots up to here were looked at for other engines
	rows    *scan.Rows         // of readSome
	rest    arrow.RecordBatch  // of the batch that readSome cut
	revised string             // the revision that the last changes read are of, or follow; empty: none
}

// openReader opens a table as it is now; the job keeps this version of its schema.
func (m *Manager) openReader(ctx context.Context, t *plan.Table) (*tableReader, error) {
	store := objstore.Sub(m.opts.Store, t.Path)
	sc, err := schema.NewFiles(store, "").Latest(ctx)
	if err != nil {
		return nil, fmt.Errorf("open table %s.%s: %w", t.Database, t.Name, err)
	}
	x, err := scan.New(store, sc, nil)
	if err != nil {
		return nil, fmt.Errorf("open table %s.%s: %w", t.Database, t.Name, err)
	}
	return &tableReader{log: m.log, path: t.Path, snaps: snapshot.NewManager(store, ""), scanner: x}, nil
}

// position is the snapshot read up to; 0 for none.
func (t *tableReader) position() (id int64, hash string) {
	if t.at == nil {
		return 0, ""
	}
	return int64(t.at.ID), t.at.Hash
}

// seek sets the position without reading. A hash must be the snapshot's.
func (t *tableReader) seek(ctx context.Context, id int64, hash string) error {
	t.begun = true
	if id == 0 {
		t.at = nil
		return nil
	}
	s, err := t.snaps.Get(ctx, snapshot.ID(id))
	if err != nil {
		return err
	}
	if hash != "" && s.Hash != hash {
		return fmt.Errorf("%w: snapshot %d of %s is not the one that was read", ErrRolledBack, id, t.path)
	}
	t.at = s
	return nil
}

// changesUpTo streams what the table got since the position up to epoch e; the first time, all its rows.
func (t *tableReader) changesUpTo(ctx context.Context, in *input, e int64, env *expr.Env, fn func(stream.Delta) error) error {
	t.revised = ""
	if t.at == nil {
		s, err := t.log.At(ctx, t.snaps, t.path, e)
		if err != nil || s == nil {
			t.begun = t.begun || err == nil
			return err
		}
		return t.readSnapshot(ctx, in, s, env, fn)
	}
	versions, err := t.log.After(ctx, t.snaps, t.path, t.at.ID, e)
	if errkind.Is(err, errkind.NotFound) {
		return fmt.Errorf("%w: %s after snapshot %d: %w", errInputGone, t.path, t.at.ID, err)
	}
	if err != nil {
		return err
	}
	for _, v := range versions {
		prev, err := t.snaps.Get(ctx, v.Snapshot.ID-1)
		if err != nil {
			return fmt.Errorf("%w: %s: %w", errInputGone, t.path, err)
		}
		err = t.scanner.Changes(ctx, prev, v.Snapshot, in.neededNames(), func(rows arrow.RecordBatch, kinds []int8) error {
			d, err := in.delta(rows, kinds, env)
			if err != nil {
				return err
			}
			return fn(d)
		})
		if err != nil {
			return err
		}
		t.at = v.Snapshot
		if id := revisionOf(v.Snapshot); id != "" {
			t.revised = id
		}
	}
	return nil
}

// readAt streams all rows of snapshot id as inserts and makes it the position.
func (t *tableReader) readAt(ctx context.Context, in *input, id int64, env *expr.Env, fn func(stream.Delta) error) error {
	if err := t.seek(ctx, id, ""); err != nil || id == 0 {
		return err
	}
	return t.readSnapshot(ctx, in, t.at, env, fn)
}

func (t *tableReader) readSnapshot(ctx context.Context, in *input, s *snapshot.Snapshot, env *expr.Env, fn func(stream.Delta) error) error {
	p, err := t.plan(ctx, in, s)
	if err != nil {
		return err
	}
	err = p.Each(ctx, func(rec arrow.RecordBatch) error {
		d, err := in.delta(rec, nil, env)
		if err != nil {
			return err
		}
		return fn(d)
	})
	if err == nil {
		t.at, t.begun = s, true
	}
	return err
}

func (t *tableReader) plan(ctx context.Context, in *input, s *snapshot.Snapshot) (*scan.Plan, error) {
	return t.scanner.Plan(ctx, s, scan.Request{Columns: in.neededNames()})
}

// readSome streams about limit rows more of the table as it was at the first call. more is false at the end.
func (t *tableReader) readSome(ctx context.Context, in *input, limit int, env *expr.Env, take func(stream.Delta)) (more bool, err error) {
	if t.begun && t.rows == nil {
		return false, nil
	}
	if t.rows == nil {
		s, err := t.snaps.Latest(ctx)
		t.begun = true
		if errors.Is(err, snapshot.ErrNone) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		p, err := t.plan(ctx, in, s)
		if err != nil {
			return false, err
		}
		if t.rows, err = p.Read(ctx); err != nil {
			return false, err
		}
	}
	for limit > 0 {
		rec, err := t.next(limit)
		if errors.Is(err, io.EOF) {
			t.rows.Release()
			t.rows = nil
			return false, nil
		}
		if err != nil {
			return false, err
		}
		limit -= int(rec.NumRows())
		d, err := in.delta(rec, nil, env)
		rec.Release()
		if err != nil {
			return false, err
		}
		take(d)
	}
	return true, nil
}

// next is the next batch of at most limit rows; the rest of a longer one waits.
func (t *tableReader) next(limit int) (arrow.RecordBatch, error) {
	rec := t.rest
	t.rest = nil
	if rec == nil {
		var err error
		if rec, err = t.rows.Next(); err != nil {
			return nil, err
		}
	}
	if n := int64(limit); rec.NumRows() > n {
		defer rec.Release()
		t.rest = rec.NewSlice(n, rec.NumRows())
		return rec.NewSlice(0, n), nil
	}
	return rec, nil
}

// epochsAbove are the epochs above `after` in which the table got a new version since the position.
func (t *tableReader) epochsAbove(ctx context.Context, after int64) ([]int64, error) {
	from := snapshot.ID(0)
	switch {
	case t.at != nil:
		from = t.at.ID
	default:
		// Nothing read yet: what is there up to `after` comes with the first read.
		s, err := t.log.At(ctx, t.snaps, t.path, after)
		if err != nil {
			return nil, err
		}
		if s != nil {
			from = s.ID
		} else if first, err := t.snaps.EarliestID(ctx); err == nil {
			from = first - 1
		}
	}
	versions, err := t.log.After(ctx, t.snaps, t.path, from, math.MaxInt64)
	if err != nil {
		return nil, err
	}
	var out []int64
	for _, v := range versions {
		if v.Epoch > after {
			out = append(out, v.Epoch)
		}
	}
	return out, nil
}

// newestForeign is the newest snapshot another engine made, or known if there is none newer.
func (t *tableReader) newestForeign(ctx context.Context, known int64) (int64, error) {
	s, err := t.snaps.Latest(ctx)
	if errors.Is(err, snapshot.ErrNone) {
		return known, nil
	}
	for err == nil && int64(s.ID) > known {
		weirs := s.Properties[commit.PropEpoch] != ""
		if !weirs && s.CommitKind != snapshot.Compact && s.CommitKind != snapshot.Analyze {
			return int64(s.ID), nil
		}
		if int64(s.ID) <= t.looked {
			break
		}
		if s.ID == 1 {
			break
		}
		s, err = t.snaps.Get(ctx, s.ID-1)
	}
	if errkind.Is(err, errkind.NotFound) {
		err = nil // the rest has expired
	}
	if latest, lerr := t.snaps.LatestID(ctx); lerr == nil && err == nil {
		t.looked = max(t.looked, int64(latest)-1) // one before: the newest may have come after this look
	}
	return known, err
}

// newestEpoch is the newest epoch in the log, in any state checkpoint and in any snapshot of the warehouse: the next
// one is above it. Epochs without input are in no record, so a checkpoint may be of a later epoch than the log
// knows; one decided anew under its number would seem to be in it.
func newestEpoch(ctx context.Context, m *Manager) (int64, error) {
	state := m.log.State()
	newest := state.Epoch
	for _, j := range state.Jobs {
		newest = max(newest, j.FromEpoch-1)
	}
	err := m.opts.Store.List(ctx, stateRoot+"/", func(i objstore.Info) error {
		if e, err := strconv.ParseInt(path.Base(i.Key), 10, 64); err == nil {
			newest = max(newest, e)
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("list state checkpoints: %w", err)
	}
	dbs, err := m.opts.Catalog.Databases(ctx)
	if err != nil {
		return 0, err
	}
	for _, db := range dbs {
		tables, err := m.opts.Catalog.Tables(ctx, db)
		if err != nil {
			return 0, err
		}
		for _, name := range tables {
			e, err := tableEpoch(ctx, m, db, name)
			if err != nil {
				m.opts.Logger.Warn("table_unreadable", "table", db+"."+name, "error", err)
				continue // one broken table must not keep the others from being served
			}
			newest = max(newest, e)
		}
	}
	return newest, nil
}

// tableEpoch is the epoch of the newest snapshots of a table; compactions carry none, so a few are tried.
func tableEpoch(ctx context.Context, m *Manager, db, name string) (int64, error) {
	snaps := snapshot.NewManager(objstore.Sub(m.opts.Store, db+".db/"+name), "")
	s, err := snaps.Latest(ctx)
	var newest int64
	for range 16 {
		if err != nil {
			break
		}
		if e, inherits, ok := m.log.Of(db+".db/"+name, s); ok && !inherits {
			newest = max(newest, e)
		}
		if s.ID == 1 {
			break
		}
		s, err = snaps.Get(ctx, s.ID-1)
	}
	if errkind.Is(err, errkind.NotFound) {
		err = nil
	}
	return newest, err
}
