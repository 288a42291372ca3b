package expire

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/manifest"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
)

// Expirer works on one table. It is safe for concurrent use, also beside
// writers and other expirers.
type Expirer struct {
	store     objstore.Store
	snaps     *snapshot.Manager
	schemas   *schema.Files
	manifests *manifest.Files
	tags      *snapshot.TagCache
	dry       bool // count only
}

// New makes an expirer over a store rooted at the table.
func New(store objstore.Store) *Expirer {
	return &Expirer{
		store: store, snaps: snapshot.NewManager(store, ""), schemas: schema.NewFiles(store, ""),
		manifests: manifest.NewFiles(store, ""), tags: &snapshot.TagCache{Lean: true},
	}
}

// KnowTags makes x look at the table's tags through the cache, which other expirers of the table may share, and
// returns x.
func (x *Expirer) KnowTags(c *snapshot.TagCache) *Expirer {
	x.tags = c
	return x
}

// Done counts what was deleted.
type Done struct {
	Snapshots  []snapshot.ID `json:"snapshots"`
	Changelogs []snapshot.ID `json:"changelogs"`
	Tags       []string      `json:"tags"`
	Consumers  []string      `json:"consumers"`
	DataFiles  int           `json:"dataFiles"`
	MetaFiles  int           `json:"metadataFiles"`
	HeldBy     string        `json:"heldBy,omitempty"` // what keeps snapshots old enough to go
}

// fileSet is a set of keys relative to the table.
type fileSet map[string]bool

// dataFiles collects the files that a version reads: the live ones.
func (x *Expirer) dataFiles(ctx context.Context, s *schema.Schema, v *snapshot.Snapshot, to fileSet) error {
	live, err := x.manifests.ReadLive(ctx, []string{v.BaseManifestList, v.DeltaManifestList}, nil)
	if err != nil {
		return fmt.Errorf("files of snapshot %d: %w", v.ID, err)
	}
	for i := range live {
		if err := addKeys(s, &live[i], to); err != nil {
			return err
		}
	}
	return nil
}

// addKeys takes an entry's files in. Files outside the table are not ours to delete.
func addKeys(s *schema.Schema, e *manifest.Entry, to fileSet) error {
	keys, err := manifest.FileKeys(s, e)
	if errors.Is(err, manifest.ErrExternal) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, k := range keys {
		to[k] = true
	}
	return nil
}

// entriesOf calls fn for every entry of a manifest list, "" being empty. A list
// or manifest that is gone was deleted by a run that was stopped: it is passed over.
func (x *Expirer) entriesOf(ctx context.Context, list string, fn func(e *manifest.Entry) error) error {
	metas, err := x.manifests.ReadList(ctx, list)
	if errors.Is(err, objstore.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	for i := range metas {
		entries, err := x.manifests.ReadManifest(ctx, &metas[i])
		if errors.Is(err, objstore.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		for j := range entries {
			if err := fn(&entries[j]); err != nil {
				return err
			}
		}
	}
	return nil
}

// metaFiles collects the metadata that a version names: lists, manifests, index
// and statistics files; its changelog's only if asked.
func (x *Expirer) metaFiles(ctx context.Context, v *snapshot.Snapshot, changelog bool, to fileSet) error {
	lists := []string{v.BaseManifestList, v.DeltaManifestList}
	if changelog && v.ChangelogManifestList != "" {
		lists = append(lists, v.ChangelogManifestList)
	}
	for _, l := range lists {
		metas, err := x.manifests.ReadList(ctx, l)
		if errors.Is(err, objstore.ErrNotFound) {
			continue // deleted by a run that was stopped
		}
		if err != nil {
			return fmt.Errorf("metadata of snapshot %d: %w", v.ID, err)
		}
		to[manifest.Key(l)] = true
		for i := range metas {
			to[manifest.Key(metas[i].FileName)] = true
		}
	}
	if v.Statistics != "" {
		to["statistics/"+v.Statistics] = true
	}
	if v.IndexManifest == "" {
		return nil
	}
	to[manifest.Key(v.IndexManifest)] = true
	indexes, err := x.manifests.ReadIndex(ctx, v.IndexManifest)
	if errors.Is(err, objstore.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("indexes of snapshot %d: %w", v.ID, err)
	}
	for i := range indexes {
		if key, err := manifest.IndexKey(&indexes[i]); err == nil {
			to[key] = true
		}
	}
	return nil
}

// neighbours picks, of the tags whose versions stay, those that can need files
// which only versions in [from, to) have otherwise: the ones inside and the
// nearest before. A file is live without a break, so an older tag needs of them
// only what the nearest has too. Pure.
func neighbours(tags []*snapshot.Tag, from, to snapshot.ID) []*snapshot.Snapshot {
	var out []*snapshot.Snapshot
	var before *snapshot.Snapshot
	for _, t := range tags {
		switch id := t.Snapshot.ID; {
		case id >= from && id < to:
			out = append(out, t.Snapshot)
		case id < from && (before == nil || id > before.ID):
			before = t.Snapshot
		}
	}
	if before != nil {
		out = append(out, before)
	}
	return out
}

// branchVersions reads the versions of all branches, which count for
// themselves: their numbers say nothing about the table's.
func (x *Expirer) branchVersions(ctx context.Context) ([]*snapshot.Snapshot, error) {
	branches, err := x.snaps.Branches(ctx)
	if err != nil {
		return nil, err
	}
	var out []*snapshot.Snapshot
	for _, b := range branches {
		m := snapshot.NewManager(x.store, b)
		all, err := m.All(ctx)
		if err != nil {
			return nil, fmt.Errorf("branch %s: %w", b, err)
		}
		tags, err := m.Tags(ctx)
		if err != nil {
			return nil, fmt.Errorf("branch %s: %w", b, err)
		}
		out = append(out, all...)
		for _, t := range tags {
			out = append(out, t.Snapshot)
		}
	}
	return out, nil
}

// spare takes out of doomed what a version that stays reads.
func (x *Expirer) spare(ctx context.Context, s *schema.Schema, doomed fileSet, stay []*snapshot.Snapshot) error {
	for _, v := range stay {
		if len(doomed) == 0 {
			return nil
		}
		needed := fileSet{}
		if err := x.dataFiles(ctx, s, v, needed); err != nil {
			return err
		}
		if err := x.metaFiles(ctx, v, false, needed); err != nil { // tags keep rows, not changes
			return err
		}
		for k := range needed {
			delete(doomed, k)
		}
	}
	return nil
}

// remove deletes the files; missing ones are gone already. Files that name
// others go last: a run that is stopped must find what is left to delete.
func (x *Expirer) remove(ctx context.Context, doomed fileSet) (int, error) {
	if x.dry {
		return len(doomed), nil
	}
	n := 0
	for _, naming := range []bool{false, true} {
		for k := range doomed {
			if namesOthers(k) != naming {
				continue
			}
			if err := x.store.Delete(ctx, k); err != nil {
				return n, fmt.Errorf("delete %s: %w", x.store.URI(k), err)
			}
			n++
		}
	}
	return n, nil
}

func namesOthers(key string) bool {
	return strings.HasPrefix(key, manifest.Key("manifest-list-")) || strings.HasPrefix(key, manifest.Key("index-manifest-"))
}
