package commit

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/weir-lake/weir/table/snapshot"
)

// history is what one commit has seen of the table's snapshots.
type history struct {
	snaps *snapshot.Manager
	after snapshot.ID          // snapshots above it matter
	newer []*snapshot.Snapshot // of those, ascending
}

// extend reads the snapshots that came since the last call.
func (h *history) extend(ctx context.Context) error {
	latest, err := h.snaps.LatestID(ctx)
	if errors.Is(err, snapshot.ErrNone) {
		h.newer = nil
		return nil
	}
	if err != nil {
		return err
	}
	last := h.after
	if n := len(h.newer); n > 0 {
		last = h.newer[n-1].ID
	}
	if latest < last {
		h.newer, last = nil, h.after // rolled back meanwhile: what was seen may be gone
	}
	if latest <= last {
		return nil
	}
	more, err := h.snaps.Range(ctx, last+1, latest)
	if errors.Is(err, snapshot.ErrNotFound) {
		return h.fromEarliest(ctx, last, latest)
	}
	if err != nil {
		return err
	}
	h.newer = append(h.newer, more...)
	return nil
}

// fromEarliest is extend where the first snapshots after last have expired.
func (h *history) fromEarliest(ctx context.Context, last, latest snapshot.ID) error {
	first, err := h.snaps.EarliestID(ctx)
	if err != nil {
		return err
	}
	more, err := h.snaps.Range(ctx, max(first, last+1), latest)
	if err != nil {
		return err
	}
	if first > last+1 {
		if err := h.addTagged(ctx, last, first); err != nil {
			return err
		}
	}
	h.newer = append(h.newer, more...)
	return nil
}

// addTagged takes expired snapshots in (last, first) from their tags: jobs tag
// their last snapshot so that it can be found for as long as it matters.
func (h *history) addTagged(ctx context.Context, last, first snapshot.ID) error {
	tags, err := h.snaps.Tags(ctx)
	if err != nil {
		return err
	}
	var found []*snapshot.Snapshot
	for _, t := range tags {
		if id := t.Snapshot.ID; id > last && id < first {
			found = append(found, t.Snapshot)
		}
	}
	slices.SortFunc(found, func(a, b *snapshot.Snapshot) int { return int(a.ID - b.ID) })
	found = slices.CompactFunc(found, func(a, b *snapshot.Snapshot) bool { return a.ID == b.ID })
	h.newer = append(h.newer, found...)
	return nil
}

// latest is the newest snapshot seen; nil if none is above h.after.
func (h *history) latest() *snapshot.Snapshot {
	if len(h.newer) == 0 {
		return nil
	}
	return h.newer[len(h.newer)-1]
}

// find looks for a commit among what was seen.
func (h *history) find(user string, identifier int64, kind snapshot.CommitKind) *snapshot.Snapshot {
	for _, s := range slices.Backward(h.newer) {
		if s.CommitUser == user && s.CommitIdentifier == identifier && s.CommitKind == kind {
			return s
		}
	}
	return nil
}

// look reads what is new and returns the newest snapshot, nil for a table
// without any. It makes sure that the caller's previous snapshot is still there.
func (r *run) look(ctx context.Context) (*snapshot.Snapshot, error) {
	if err := r.history.extend(ctx); err != nil {
		return nil, err
	}
	prev, err := r.checkPrev(ctx)
	if err != nil {
		return nil, err
	}
	if s := r.history.latest(); s != nil {
		return s, nil
	}
	if prev != nil {
		return prev, nil // nothing came after it
	}
	s, err := r.c.snaps.Latest(ctx)
	if errors.Is(err, snapshot.ErrNone) {
		return nil, nil
	}
	return s, err
}

// checkPrev compares Prev with what the table has under its number. A snapshot
// that expired is looked for among the tags; expired without tag it passes,
// since expiry takes the oldest first and a rollback the newest. It returns the
// snapshot if it is there.
func (r *run) checkPrev(ctx context.Context) (*snapshot.Snapshot, error) {
	prev := r.req.Prev
	if prev == nil {
		return nil, nil
	}
	replaced := func(what string) (*snapshot.Snapshot, error) {
		return nil, fmt.Errorf("%w: snapshot %d, committed before, %s", ErrReplaced, prev.ID, what)
	}
	s, err := r.c.snaps.Get(ctx, prev.ID)
	switch {
	case err == nil && s.Hash == prev.Hash:
		return s, nil
	case err == nil:
		return replaced("is now another one")
	case errors.Is(err, snapshot.ErrNone):
		return replaced("is gone: the table has no snapshots")
	case !errors.Is(err, snapshot.ErrNotFound):
		return nil, err
	}
	first, err := r.c.snaps.EarliestID(ctx)
	if err != nil {
		return nil, err
	}
	if prev.ID >= first {
		return replaced("is gone, though older ones are there")
	}
	tags, err := r.c.snaps.Tags(ctx)
	if err != nil {
		return nil, err
	}
	for _, t := range tags {
		if t.Snapshot.ID == prev.ID && t.Retained == 0 && t.Snapshot.Hash != prev.Hash {
			return replaced("is another one in tag " + t.Name)
		}
	}
	return nil, nil
}
