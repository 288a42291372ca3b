package epoch

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/snapshot"
)

// Of is the epoch a snapshot of the table at path belongs to. Compactions of weir carry none and belong to
// whatever is before them (inherits is true). A snapshot of another engine belongs to the first epoch whose
// record lists it; before that ok is false.
func (l *Log) Of(path string, s *snapshot.Snapshot) (epoch int64, inherits, ok bool) {
	if text := s.Properties[commit.PropEpoch]; text != "" && s.CommitKind != snapshot.Compact {
		if e, err := strconv.ParseInt(text, 10, 64); err == nil {
			return e, false, true
		}
	}
	if s.CommitKind == snapshot.Compact || s.CommitKind == snapshot.Analyze {
		return 0, true, true
	}
	e, ok := l.ForeignEpoch(path, int64(s.ID))
	return e, false, ok
}

// At is S(t, e): the newest snapshot of the table at path with everything up to epoch e and nothing
// after it. It is nil when the table had no snapshot then.
func (l *Log) At(ctx context.Context, snaps *snapshot.Manager, path string, e int64) (*snapshot.Snapshot, error) {
	s, err := snaps.Latest(ctx)
	if errors.Is(err, snapshot.ErrNone) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	// Walk back while a snapshot, or what a compaction stands on, is of a later epoch.
	candidate := s
	for {
		of, inherits, ok := l.Of(path, s)
		if !inherits {
			if ok && of <= e {
				return candidate, nil
			}
			candidate = nil
		}
		if s.ID == 1 {
			if inherits {
				return candidate, nil
			}
			return nil, nil
		}
		prev, err := snaps.Get(ctx, s.ID-1)
		if errkind.Is(err, errkind.NotFound) {
			if inherits && candidate != nil {
				return candidate, nil // all older ones have expired: they were of earlier epochs
			}
			return nil, fmt.Errorf("epoch %d of %s: %w", e, path, err)
		}
		if err != nil {
			return nil, err
		}
		s = prev
		if candidate == nil {
			candidate = s
		}
	}
}

// Version is At for tables of any kind. ok is false for a table that no weir writer has committed to and whose
// snapshots no record lists: its newest version is all there is to say.
func (l *Log) Version(ctx context.Context, snaps *snapshot.Manager, path string, e int64) (s *snapshot.Snapshot, ok bool, err error) {
	latest, err := snaps.Latest(ctx)
	if errors.Is(err, snapshot.ErrNone) {
		return nil, true, nil
	}
	if err != nil {
		return nil, false, err
	}
	if latest.Properties[commit.PropEpoch] == "" && latest.CommitKind != snapshot.Compact {
		if _, known := l.Foreign()[path]; !known {
			return nil, false, nil
		}
	}
	s, err = l.At(ctx, snaps, path, e)
	return s, err == nil, err
}

// After lists the snapshots of the table at path above the one with id `after` whose epoch is known and
// at most upTo, ascending, with their epochs; compactions are left out. It stops at the first of a later
// epoch: snapshots become visible in order.
func (l *Log) After(ctx context.Context, snaps *snapshot.Manager, path string, after snapshot.ID, upTo int64) ([]Version, error) {
	var out []Version
	for id := after + 1; ; id++ {
		s, err := snaps.Find(ctx, id)
		if err == nil && s == nil {
			latest, lerr := snaps.LatestID(ctx)
			if errors.Is(lerr, snapshot.ErrNone) || (lerr == nil && latest < id) {
				return out, nil
			}
			if lerr != nil {
				return nil, lerr
			}
			// Below the newest: it came between the two looks, or it has expired.
			s, err = snaps.Get(ctx, id)
		}
		if err != nil {
			return nil, err
		}
		e, inherits, ok := l.Of(path, s)
		if !ok || e > upTo {
			return out, nil
		}
		if !inherits {
			out = append(out, Version{Epoch: e, Snapshot: s})
		}
	}
}

// Version is a snapshot with the epoch it belongs to.
type Version struct {
	Epoch    int64
	Snapshot *snapshot.Snapshot
}
