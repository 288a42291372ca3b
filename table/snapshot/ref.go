package snapshot

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/weir-lake/weir/internal/errkind"
)

// Ref says which version of a table is meant; the zero Ref is the newest. At
// most one of ID, Tag, At and Watermark is set.
type Ref struct {
	ID        ID        // a snapshot
	Tag       string    // a tag
	At        time.Time // the newest snapshot committed at or before it
	Watermark *int64    // the oldest snapshot whose watermark reaches it, Unix milliseconds
}

// String names the version for people.
func (r Ref) String() string {
	switch {
	case r.ID != 0:
		return "snapshot " + strconv.FormatInt(int64(r.ID), 10)
	case r.Tag != "":
		return "tag " + r.Tag
	case !r.At.IsZero():
		return "timestamp " + r.At.UTC().Format(time.RFC3339Nano)
	case r.Watermark != nil:
		return "watermark " + strconv.FormatInt(*r.Watermark, 10)
	default:
		return "latest"
	}
}

func (r Ref) count() int {
	n := 0
	for _, set := range []bool{r.ID != 0, r.Tag != "", !r.At.IsZero(), r.Watermark != nil} {
		if set {
			n++
		}
	}
	return n
}

// Resolve reads the version that ref means. The table without snapshots gives
// ErrNone, a version that is not there ErrNotFound.
func (m *Manager) Resolve(ctx context.Context, ref Ref) (*Snapshot, error) {
	switch {
	case ref.count() > 1:
		return nil, errkind.Errorf(errkind.Invalid, "more than one version is named: choose one of snapshot, tag, timestamp and watermark")
	case ref.ID < 0:
		return nil, errkind.Errorf(errkind.Invalid, "snapshot %d: snapshots are numbered from 1", ref.ID)
	case ref.ID > 0:
		return m.Get(ctx, ref.ID)
	case ref.Tag != "":
		t, err := m.Tag(ctx, ref.Tag)
		if err != nil {
			return nil, err
		}
		return t.Snapshot, nil
	case !ref.At.IsZero():
		return m.Before(ctx, ref.At)
	case ref.Watermark != nil:
		return m.atWatermark(ctx, *ref.Watermark)
	default:
		return m.Latest(ctx)
	}
}

func (m *Manager) atWatermark(ctx context.Context, watermark int64) (*Snapshot, error) {
	all, err := m.All(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range all {
		if s.Watermark != nil && *s.Watermark >= watermark {
			return s, nil
		}
	}
	return nil, fmt.Errorf("watermark %d: %w: no snapshot has reached it", watermark, ErrNotFound)
}
