package job

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/lsm"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/scan"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
)

// OtherRows streams what writers other than the job made of its append table up to the version it was made for: rows
// pushed, inserted by statements or written by other jobs as their snapshots say, and revisions as their difference
// says. Weight is 1 for a row that came and -1 for one that went; batches have the table's columns and are valid during
// the call. complete is false when older snapshots have expired, so that rows of other writers may be missing.
func (m *Manager) OtherRows(ctx context.Context, made *Made, jobID string, fn func(rows arrow.RecordBatch, weight int64) error) (complete bool, err error) {
	if made.Table.Snapshot == nil {
		return true, nil
	}
	path, upTo := made.Sink.Table.Path, made.Table.Snapshot.ID
	revised, err := m.Revisions(ctx, path)
	if err != nil {
		return false, err
	}
	for _, rec := range revised {
		if rec.Done == nil || rec.Done.Snapshot == 0 || snapshot.ID(rec.Done.Snapshot) > upTo {
			continue
		}
		err := m.RevisionRows(ctx, rec, func(added bool, rows arrow.RecordBatch) error {
			if added {
				return fn(rows, 1)
			}
			return fn(rows, -1)
		})
		if err != nil {
			return false, err
		}
	}
	return m.otherCommits(ctx, path, made.Table.Snapshot, jobID, fn)
}

// otherCommits streams the changes of the snapshots up to s that are neither the job's nor revisions.
func (m *Manager) otherCommits(ctx context.Context, path string, s *snapshot.Snapshot, jobID string, fn func(rows arrow.RecordBatch, weight int64) error) (complete bool, err error) {
	rec, ok := m.log.State().Jobs[jobID]
	if !ok {
		return false, errkind.Errorf(errkind.NotFound, "%w: %s", ErrNotFound, jobID)
	}
	store := objstore.Sub(m.opts.Store, path)
	snaps := snapshot.NewManager(store, "")
	sc, err := schema.NewFiles(store, "").Latest(ctx)
	if err != nil {
		return false, err
	}
	x, err := scan.New(store, sc, nil)
	if err != nil {
		return false, err
	}
	for ; ; s, err = snaps.Get(ctx, s.ID-1) {
		if errkind.Is(err, errkind.NotFound) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if s.CommitUser != rec.CommitUser && s.Properties[propRevision] == "" {
			err := x.Changes(ctx, nil, s, nil, func(rows arrow.RecordBatch, kinds []int8) error { return weighted(rows, kinds, fn) })
			if err != nil {
				return false, err
			}
		}
		if s.ID == 1 {
			return true, nil
		}
	}
}

// weighted hands on runs of rows of one kind.
func weighted(rows arrow.RecordBatch, kinds []int8, fn func(rows arrow.RecordBatch, weight int64) error) error {
	for from := 0; from < len(kinds); {
		to := from + 1
		for to < len(kinds) && lsm.IsRetract(kinds[to]) == lsm.IsRetract(kinds[from]) {
			to++
		}
		weight := int64(1)
		if lsm.IsRetract(kinds[from]) {
			weight = -1
		}
		part := rows.NewSlice(int64(from), int64(to))
		err := fn(part, weight)
		part.Release()
		if err != nil {
			return err
		}
		from = to
	}
	return nil
}
