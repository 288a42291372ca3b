package commit

import (
	"context"
	"errors"

	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/manifest"
	"github.com/weir-lake/weir/table/snapshot"
)

// tail is what a Committer remembers of the table's newest snapshot, so that a
// commit reads only what is new: per bucket the highest sequence number, per
// partition the number of buckets.
type tail struct {
	id      snapshot.ID // 0: nothing is known
	hash    string
	highest map[manifest.BucketID]int64
	totals  map[string]int
}

func (t *tail) reset() {
	*t = tail{highest: map[manifest.BucketID]int64{}, totals: map[string]int{}}
}

// take counts in added files; highest numbers never sink, for numbers below may
// still lie in older snapshots.
func (t *tail) take(entries []manifest.Entry) {
	for i := range entries {
		e := &entries[i]
		if e.Kind != manifest.Add {
			continue
		}
		id := e.BucketID()
		if old, ok := t.highest[id]; !ok || e.File.MaxSequence > old {
			t.highest[id] = e.File.MaxSequence
		}
		if e.TotalBuckets > 0 {
			t.totals[id.Partition] = e.TotalBuckets
		}
	}
}

// apply counts in the snapshot that this Committer published on what it knew.
func (t *tail) apply(s *snapshot.Snapshot, delta []manifest.Entry) {
	if t.highest == nil || t.id != s.ID-1 {
		return // unaware tables keep no tail
	}
	t.take(delta)
	t.id, t.hash = s.ID, s.Hash
	if s.CommitKind == snapshot.Overwrite {
		t.id, t.hash = 0, "" // a partition may be gone: read anew
	}
}

// advance brings the tail to latest, by the changes since where it can.
func (t *tail) advance(ctx context.Context, r *run, latest *snapshot.Snapshot) error {
	if r.opts.Bucket < 1 {
		return nil // no buckets to keep apart, no order among files
	}
	if latest == nil {
		t.reset()
		return nil
	}
	if t.id == latest.ID && t.hash == latest.Hash {
		return nil
	}
	if t.id > 0 && t.id < latest.ID {
		done, err := t.follow(ctx, r, latest)
		// Snapshots on the way may be expiring: their files go before they do.
		if err != nil && !errors.Is(err, objstore.ErrNotFound) {
			return err
		}
		if done {
			return nil
		}
	}
	live, err := r.c.manifests.ReadLive(ctx, []string{latest.BaseManifestList, latest.DeltaManifestList}, nil)
	if err != nil {
		return err
	}
	t.reset()
	t.take(live)
	t.id, t.hash = latest.ID, latest.Hash
	return nil
}

// follow reads the changes from t.id to latest; false if the way is broken.
func (t *tail) follow(ctx context.Context, r *run, latest *snapshot.Snapshot) (bool, error) {
	between, err := r.c.snaps.Range(ctx, t.id, latest.ID)
	if errors.Is(err, snapshot.ErrNotFound) {
		return false, nil // expired or rolled back
	}
	if err != nil {
		return false, err
	}
	if between[0].Hash != t.hash {
		return false, nil
	}
	for _, s := range between[1:] {
		if s.CommitKind == snapshot.Overwrite {
			return false, nil // buckets may have changed in number
		}
		metas, err := r.c.manifests.ReadList(ctx, s.DeltaManifestList)
		if err != nil {
			return false, err
		}
		for i := range metas {
			entries, err := r.c.manifests.ReadManifest(ctx, &metas[i])
			if err != nil {
				return false, err
			}
			t.take(entries)
		}
	}
	t.id, t.hash = latest.ID, latest.Hash
	return true, nil
}
