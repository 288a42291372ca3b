package expire

import (
	"context"
	"errors"
	"fmt"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/manifest"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
)

// DeleteTag removes a tag and, if its snapshot has expired, the files that only
// the tag kept; snapshot.ErrNotFound if there is no such tag.
func (x *Expirer) DeleteTag(ctx context.Context, name string) (Done, error) {
	var done Done
	t, err := x.snaps.Tag(ctx, name)
	if err != nil {
		return done, err
	}
	if err := x.freeTag(ctx, t, &done); err != nil {
		return done, fmt.Errorf("delete tag %q: %w", name, err)
	}
	if !x.dry {
		if err := x.snaps.DeleteTag(ctx, name); err != nil {
			return done, err
		}
	}
	done.Tags = []string{name}
	return done, nil
}

// freeTag deletes the files of an expired snapshot that only the tag t reads.
func (x *Expirer) freeTag(ctx context.Context, t *snapshot.Tag, done *Done) error {
	_, err := x.snaps.Get(ctx, t.Snapshot.ID)
	if err == nil {
		return nil // the snapshot is there: expiry will deal with its files
	}
	if !errors.Is(err, snapshot.ErrNotFound) && !errors.Is(err, snapshot.ErrNone) {
		return err
	}
	s, err := x.schemas.Latest(ctx)
	if err != nil {
		return err
	}
	stay, err := x.besideTag(ctx, t)
	if err != nil {
		return err
	}
	data, meta := fileSet{}, fileSet{}
	err = x.dataFiles(ctx, s, t.Snapshot, data)
	if errors.Is(err, objstore.ErrNotFound) {
		data, err = fileSet{}, nil // a run that was stopped: metadata goes after all data
	}
	if err != nil {
		return err
	}
	if err := x.metaFiles(ctx, t.Snapshot, false, meta); err != nil {
		return err
	}
	for _, set := range []fileSet{data, meta} {
		if err := x.spare(ctx, s, set, stay); err != nil {
			return err
		}
	}
	return x.removeBoth(ctx, data, meta, done)
}

// besideTag finds the versions that can share files with an expired tag: the
// nearest tags on both sides, the oldest snapshot, and the branches.
func (x *Expirer) besideTag(ctx context.Context, t *snapshot.Tag) ([]*snapshot.Snapshot, error) {
	stay, err := x.branchVersions(ctx)
	if err != nil {
		return nil, err
	}
	tags, err := x.snaps.TagsCached(ctx, x.tags)
	if err != nil {
		return nil, err
	}
	var left, right *snapshot.Snapshot
	for _, other := range tags {
		switch v := other.Snapshot; {
		case other.Name == t.Name:
		case v.ID <= t.Snapshot.ID && (left == nil || v.ID > left.ID):
			left = v
		case v.ID > t.Snapshot.ID && (right == nil || v.ID < right.ID):
			right = v
		}
	}
	first, err := x.snaps.EarliestID(ctx)
	switch {
	case err == nil:
		oldest, err := x.snaps.Get(ctx, first)
		if err != nil {
			return nil, err
		}
		stay = append(stay, oldest)
	case !errors.Is(err, snapshot.ErrNone):
		return nil, err
	}
	for _, v := range []*snapshot.Snapshot{left, right} {
		if v != nil {
			stay = append(stay, v)
		}
	}
	return stay, nil
}

// Rollback makes snapshot to the newest: later snapshots go, with their tags
// and the files that only they had. Jobs that wrote them will stop and say so.
// Java writers do the same.
func (x *Expirer) Rollback(ctx context.Context, to snapshot.ID) (Done, error) {
	var done Done
	target, err := x.snaps.Get(ctx, to)
	if err != nil {
		return done, fmt.Errorf("roll back to snapshot %d: %w", to, err)
	}
	if err := x.rollback(ctx, target, &done); err != nil {
		return done, fmt.Errorf("roll back to snapshot %d: %w", to, err)
	}
	return done, nil
}

// RollbackToTag is Rollback to the tag's snapshot, which is put back if it has
// expired.
func (x *Expirer) RollbackToTag(ctx context.Context, name string) (Done, error) {
	t, err := x.snaps.Tag(ctx, name)
	if err != nil {
		return Done{}, err
	}
	_, err = x.snaps.Get(ctx, t.Snapshot.ID)
	if errors.Is(err, snapshot.ErrNotFound) || errors.Is(err, snapshot.ErrNone) {
		err = x.putBack(ctx, t.Snapshot.Clone())
	}
	if err != nil {
		return Done{}, fmt.Errorf("roll back to tag %q: %w", name, err)
	}
	return x.Rollback(ctx, t.Snapshot.ID)
}

// putBack publishes an expired snapshot again. Its changelog may be gone: a tag
// keeps rows, not changes.
func (x *Expirer) putBack(ctx context.Context, s *snapshot.Snapshot) error {
	if s.ChangelogManifestList != "" {
		_, err := x.store.Stat(ctx, manifest.Key(s.ChangelogManifestList))
		if errors.Is(err, objstore.ErrNotFound) {
			s.ChangelogManifestList, s.ChangelogManifestListSize, s.ChangelogRecordCount, err = "", nil, nil, nil
		}
		if err != nil {
			return err
		}
	}
	if err := x.snaps.Publish(ctx, s); err != nil {
		return err
	}
	return x.snaps.PutEarliestHint(ctx, s.ID)
}

func (x *Expirer) rollback(ctx context.Context, target *snapshot.Snapshot, done *Done) error {
	s, err := x.schemas.Latest(ctx)
	if err != nil {
		return err
	}
	all, err := x.snaps.All(ctx)
	if err != nil {
		return err
	}
	if len(all) == 0 || all[0].ID > target.ID {
		return errkind.Errorf(errkind.NotFound, "snapshot %d is gone", target.ID)
	}
	stay, err := x.branchVersions(ctx)
	if err != nil {
		return err
	}
	tags, err := x.snaps.Tags(ctx)
	if err != nil {
		return err
	}
	data, meta := fileSet{}, fileSet{}
	later := map[string]bool{} // tags of versions that go
	for _, t := range tags {
		if t.Snapshot.ID > target.ID {
			later[t.Name] = true
			if err := x.wholeVersion(ctx, s, t.Snapshot, data, meta); err != nil {
				return err
			}
		}
	}
	if err := x.doomedAfter(ctx, s, all, target, data, meta); err != nil {
		return err
	}
	// Older versions that share a file with a later one share it with the target.
	stay = append(stay, target)
	for _, set := range []fileSet{data, meta} {
		if err := x.spare(ctx, s, set, stay); err != nil {
			return err
		}
	}
	return x.cutBack(ctx, all, target, later, data, meta, done)
}

// wholeVersion collects all that a version reads.
func (x *Expirer) wholeVersion(ctx context.Context, s *schema.Schema, v *snapshot.Snapshot, data, meta fileSet) error {
	if err := x.dataFiles(ctx, s, v, data); err != nil {
		return err
	}
	return x.metaFiles(ctx, v, true, meta)
}

// doomedAfter collects the files of the snapshots after target: what the oldest
// of them reads (versions between may have expired) and what all have added.
func (x *Expirer) doomedAfter(ctx context.Context, s *schema.Schema, all []*snapshot.Snapshot, target *snapshot.Snapshot, data, meta fileSet) error {
	first := true
	for _, v := range all {
		if v.ID <= target.ID {
			continue
		}
		if first {
			first = false
			if err := x.dataFiles(ctx, s, v, data); err != nil {
				return err
			}
		}
		for _, list := range []string{v.DeltaManifestList, v.ChangelogManifestList} {
			err := x.entriesOf(ctx, list, func(e *manifest.Entry) error { return addKeys(s, e, data) })
			if err != nil {
				return err
			}
		}
		if err := x.metaFiles(ctx, v, true, meta); err != nil {
			return err
		}
	}
	return nil
}

// cutBack removes the later versions, newest first so that no gap appears, and
// then their files.
func (x *Expirer) cutBack(ctx context.Context, all []*snapshot.Snapshot, target *snapshot.Snapshot, tags map[string]bool, data, meta fileSet, done *Done) error {
	if err := x.snaps.PutLatestHint(ctx, target.ID); err != nil {
		return err
	}
	for i := len(all) - 1; i >= 0 && all[i].ID > target.ID; i-- {
		if err := x.snaps.Delete(ctx, all[i].ID); err != nil {
			return err
		}
		done.Snapshots = append(done.Snapshots, all[i].ID)
	}
	for name := range tags {
		if err := x.snaps.DeleteTag(ctx, name); err != nil && !errors.Is(err, snapshot.ErrNotFound) {
			return err
		}
		done.Tags = append(done.Tags, name)
	}
	return x.removeBoth(ctx, data, meta, done)
}
