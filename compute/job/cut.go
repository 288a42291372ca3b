package job

import (
	"context"
	"errors"
	"time"

	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/snapshot"
)

// Cut is the newest epoch servable for all the tables (by path), how long ago it stopped being the newest
// there is, and the name of the job that holds it back. Age 0 means that nothing newer exists.
func (m *Manager) Cut(_ context.Context, tables []string) (epoch int64, age time.Duration, heldBy string, err error) {
	e, blame := m.frontier.Servable(tables...)
	if e >= m.frontier.Clock() {
		return e, 0, "", nil
	}
	clock, _ := m.log.ClockAt(e)
	if clock.UnixMilli() > 0 {
		age = max(0, m.now().Sub(clock))
	}
	if blame != "" {
		heldBy = string(blame)
		if s, err := m.Show(heldBy); err == nil {
			heldBy = s.Name
		}
	}
	return e, age, heldBy, nil
}

// At is the newest snapshot of the table with everything up to epoch e and nothing after it; nil: it had none
// then. ok is false for a table whose versions belong to no epoch: only other engines write it, and no
// job reads it.
func (m *Manager) At(ctx context.Context, table string, e int64) (s *snapshot.Snapshot, ok bool, err error) {
	snaps := snapshot.NewManager(objstore.Sub(m.opts.Store, table), "")
	newest, err := snaps.Latest(ctx)
	if errors.Is(err, snapshot.ErrNone) {
		return nil, true, nil
	}
	if err != nil {
		return nil, false, err
	}
	if _, listed := m.log.Foreign()[table]; !listed && newest.Properties[commit.PropEpoch] == "" {
		own, err := newestOf(ctx, snaps, func(s *snapshot.Snapshot) bool {
			return s.CommitKind != snapshot.Compact && s.CommitKind != snapshot.Analyze
		})
		if err != nil {
			return nil, false, err
		}
		if own == nil || own.Properties[commit.PropEpoch] == "" {
			return nil, false, nil
		}
	}
	s, err = m.log.At(ctx, snaps, table, e)
	return s, true, err
}
