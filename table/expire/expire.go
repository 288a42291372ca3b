package expire

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/manifest"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
)

// Options of Run; the zero value follows the table's options.
type Options struct {
	// Policy replaces that of the table's options; nil: the table's.
	Policy *snapshot.Policy
	// Pins asks for the oldest snapshots that running readers need; nil: none.
	Pins func(ctx context.Context) ([]snapshot.ID, error)
	// DryRun counts what would go and deletes nothing.
	DryRun bool
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// Run expires what the policy lets go and returns what it deleted. Stopped in
// the middle it can simply be run again.
func (x *Expirer) Run(ctx context.Context, opts Options) (Done, error) {
	var done Done
	x = &Expirer{store: x.store, snaps: x.snaps, schemas: x.schemas, manifests: x.manifests, tags: x.tags, dry: opts.DryRun}
	s, err := x.schemas.Latest(ctx)
	if err != nil {
		return done, err
	}
	facts, policy, err := x.observe(ctx, s, opts)
	if err != nil {
		return done, err
	}
	d := snapshot.Decide(facts, policy)
	done.HeldBy = d.HeldBy
	for _, id := range d.Consumers {
		if !x.dry {
			if err := x.snaps.DeleteConsumer(ctx, id); err != nil {
				return done, err
			}
		}
		done.Consumers = append(done.Consumers, id)
	}
	for _, name := range d.Tags {
		one, err := x.DeleteTag(ctx, name)
		if err != nil && !errors.Is(err, snapshot.ErrNotFound) {
			return done, err
		}
		done.Tags = append(done.Tags, name)
		done.DataFiles += one.DataFiles
		done.MetaFiles += one.MetaFiles
	}
	if d.Until > 0 {
		if err := x.expireSnapshots(ctx, s, facts.Snapshots, d.Until, policy, &done); err != nil {
			return done, fmt.Errorf("expire snapshots below %d of %s: %w", d.Until, x.store.URI(""), err)
		}
	}
	if d.ChangelogsUntil > 0 {
		if err := x.expireChangelogs(ctx, s, facts.Changelogs, d.ChangelogsUntil, &done); err != nil {
			return done, fmt.Errorf("expire changelogs below %d of %s: %w", d.ChangelogsUntil, x.store.URI(""), err)
		}
	}
	return done, nil
}

func (x *Expirer) observe(ctx context.Context, s *schema.Schema, opts Options) (snapshot.Facts, snapshot.Policy, error) {
	var f snapshot.Facts
	o, err := s.TableOptions()
	if err != nil {
		return f, snapshot.Policy{}, err
	}
	policy := snapshot.PolicyOf(o)
	if opts.Policy != nil {
		policy = *opts.Policy
	}
	f.Now = time.Now()
	if opts.Now != nil {
		f.Now = opts.Now()
	}
	if err := x.oldest(ctx, &f, policy); err != nil {
		return f, policy, err
	}
	if f.Changelogs, err = x.snaps.Changelogs(ctx); err != nil {
		return f, policy, err
	}
	if f.Tags, err = x.snaps.TagsCached(ctx, x.tags); err != nil {
		return f, policy, err
	}
	if f.Consumers, err = x.snaps.Consumers(ctx); err != nil {
		return f, policy, err
	}
	if opts.Pins != nil {
		if f.Pins, err = opts.Pins(ctx); err != nil {
			return f, policy, fmt.Errorf("ask for pins: %w", err)
		}
	}
	return f, policy, nil
}

// oldest reads snapshots from the oldest on, as many as the decision needs: a
// table that commits every second has thousands.
func (x *Expirer) oldest(ctx context.Context, f *snapshot.Facts, p snapshot.Policy) error {
	ids, err := x.snaps.List(ctx)
	if err != nil || len(ids) == 0 {
		return err
	}
	f.Latest = ids[len(ids)-1]
	for _, id := range ids {
		s, err := x.snaps.Get(ctx, id)
		if errors.Is(err, snapshot.ErrNotFound) && len(f.Snapshots) == 0 {
			continue // another expirer was faster
		}
		if err != nil {
			return err
		}
		f.Snapshots = append(f.Snapshots, s)
		if p.Enough(s, f.Snapshots[0].ID, f.Latest, f.Now) {
			return nil
		}
	}
	return nil
}

// expireSnapshots deletes the versions below until, oldest first.
func (x *Expirer) expireSnapshots(ctx context.Context, s *schema.Schema, all []*snapshot.Snapshot, until snapshot.ID, p snapshot.Policy, done *Done) error {
	var old []*snapshot.Snapshot
	var first *snapshot.Snapshot // the oldest that stays
	for _, v := range all {
		if v.ID < until {
			old = append(old, v)
		} else if first == nil {
			first = v
		}
	}
	if first == nil || len(old) == 0 {
		return nil
	}
	// Asked anew: a tag made since the decision keeps its files too.
	tags, err := x.snaps.TagsCached(ctx, x.tags)
	if err != nil {
		return err
	}
	stay, err := x.branchVersions(ctx)
	if err != nil {
		return err
	}
	stay = append(append(stay, first), neighbours(tags, old[0].ID, first.ID)...)
	data, meta, err := x.doomedBy(ctx, s, old, first, p)
	if err != nil {
		return err
	}
	for _, set := range []fileSet{data, meta} {
		if err := x.spare(ctx, s, set, stay); err != nil {
			return err
		}
	}
	if err := x.removeBoth(ctx, data, meta, done); err != nil {
		return err
	}
	for _, v := range old {
		done.Snapshots = append(done.Snapshots, v.ID)
		if x.dry {
			continue
		}
		if p.KeepChangelogs {
			if err := x.keepChangelog(ctx, v); err != nil {
				return err
			}
		}
		if err := x.snaps.Delete(ctx, v.ID); err != nil {
			return err
		}
	}
	if x.dry {
		return nil
	}
	return x.snaps.PutEarliestHint(ctx, first.ID)
}

func (x *Expirer) removeBoth(ctx context.Context, data, meta fileSet, done *Done) error {
	n, err := x.remove(ctx, data)
	done.DataFiles += n
	if err != nil {
		return err
	}
	n, err = x.remove(ctx, meta)
	done.MetaFiles += n
	return err
}

// doomedBy collects the files that only the old versions can need: data files
// removed up to the first that stays, changelog files, and all metadata.
func (x *Expirer) doomedBy(ctx context.Context, s *schema.Schema, old []*snapshot.Snapshot, first *snapshot.Snapshot, p snapshot.Policy) (data, meta fileSet, err error) {
	data, meta = fileSet{}, fileSet{}
	for _, v := range append(old[1:len(old):len(old)], first) {
		err := x.entriesOf(ctx, v.DeltaManifestList, func(e *manifest.Entry) error {
			if e.Kind == manifest.Delete {
				return addKeys(s, e, data)
			}
			return nil
		})
		if err != nil {
			return nil, nil, err
		}
	}
	for _, v := range old {
		if err := x.metaFiles(ctx, v, !p.KeepChangelogs, meta); err != nil {
			return nil, nil, err
		}
		if p.KeepChangelogs || v.ChangelogManifestList == "" {
			continue
		}
		logs := fileSet{}
		err := x.entriesOf(ctx, v.ChangelogManifestList, func(e *manifest.Entry) error { return addKeys(s, e, logs) })
		if err != nil {
			return nil, nil, err
		}
		maps.Copy(data, logs)
	}
	return data, meta, nil
}

// keepChangelog writes the snapshot's JSON under changelog/, where readers of
// changes find it after the snapshot is gone. Snapshots without changelog are
// kept too, as Java does: readers count through the numbers.
func (x *Expirer) keepChangelog(ctx context.Context, v *snapshot.Snapshot) error {
	data, err := v.Clone().Seal()
	if err != nil {
		return err
	}
	key := x.snaps.ChangelogKey(v.ID)
	if err := x.store.PutIfAbsent(ctx, key, data); err != nil && !errors.Is(err, objstore.ErrExists) {
		return fmt.Errorf("write %s: %w", x.store.URI(key), err)
	}
	return nil
}

// expireChangelogs deletes kept changelogs below until. Nothing else names
// their files.
func (x *Expirer) expireChangelogs(ctx context.Context, s *schema.Schema, all []*snapshot.Snapshot, until snapshot.ID, done *Done) error {
	for _, v := range all {
		if v.ID >= until {
			return nil
		}
		data, meta := fileSet{}, fileSet{}
		if v.ChangelogManifestList != "" {
			err := x.entriesOf(ctx, v.ChangelogManifestList, func(e *manifest.Entry) error {
				return addKeys(s, e, data)
			})
			if err != nil {
				return err
			}
			metas, err := x.manifests.ReadList(ctx, v.ChangelogManifestList)
			if err != nil && !errors.Is(err, objstore.ErrNotFound) {
				return err
			}
			for i := range metas {
				meta[manifest.Key(metas[i].FileName)] = true
			}
			meta[manifest.Key(v.ChangelogManifestList)] = true
		}
		if err := x.removeBoth(ctx, data, meta, done); err != nil {
			return err
		}
		if !x.dry {
			if err := x.store.Delete(ctx, x.snaps.ChangelogKey(v.ID)); err != nil {
				return fmt.Errorf("delete changelog %d: %w", v.ID, err)
			}
		}
		done.Changelogs = append(done.Changelogs, v.ID)
	}
	return nil
}
