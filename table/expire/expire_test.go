package expire_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/storage/objstore/faultstore"
	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/expire"
	"github.com/weir-lake/weir/table/manifest"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
)

// world is a table whose data files are stand-ins, and a clock.
type world struct {
	t       rapid.TB
	store   objstore.Store
	commits *commit.Committer
	snaps   *snapshot.Manager
	now     time.Time
	files   int
	id      int64
}

func newWorld(t rapid.TB, store objstore.Store, options map[string]string) *world {
	w := &world{t: t, store: store, snaps: snapshot.NewManager(store, ""), now: time.UnixMilli(1_700_000_000_000)}
	s, err := schema.New(schema.Definition{Fields: []schema.Field{{Name: "k", Type: schema.TBigInt}}, PrimaryKeys: []string{"k"}, Options: options}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.NewFiles(store, "").Create(context.Background(), s); err != nil {
		t.Fatal(err)
	}
	w.commits = commit.New(store, commit.Options{Now: func() time.Time { return w.now }})
	return w
}

// file puts a data file and describes it.
func (w *world) file(level int, key int64) manifest.DataFile {
	w.files++
	name := fmt.Sprintf("data-%d.parquet", w.files)
	if err := w.store.Put(context.Background(), "bucket-0/"+name, []byte(name)); err != nil {
		w.t.Fatal(err)
	}
	row, err := schema.EncodeRow([]schema.Type{schema.TBigInt}, []any{key})
	if err != nil {
		w.t.Fatal(err)
	}
	return manifest.DataFile{Name: name, Size: 1, RowCount: 1, Level: level, MinKey: row, MaxKey: row, ValueStatsCols: []string{}}
}

func (w *world) commit(kind snapshot.CommitKind, m commit.Message, o *commit.Overwrite) {
	w.id++
	w.now = w.now.Add(time.Minute)
	m.Partition, m.TotalBuckets = schema.EmptyRow(), 1
	if _, err := w.commits.Commit(context.Background(), commit.Request{User: "u", Identifier: w.id, Kind: kind, Messages: []commit.Message{m}, Overwrite: o, Force: true}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) append(changelog bool) {
	m := commit.Message{Added: []manifest.DataFile{w.file(0, int64(w.files))}}
	if changelog {
		m.Changelog = []manifest.DataFile{w.file(0, int64(w.files))}
	}
	w.commit(snapshot.Append, m, nil)
}

// live are the files of the newest snapshot.
func (w *world) live() []manifest.DataFile {
	s, err := w.snaps.Latest(context.Background())
	if errors.Is(err, snapshot.ErrNone) {
		return nil
	}
	if err != nil {
		w.t.Fatal(err)
	}
	entries, err := manifest.NewFiles(w.store, "").ReadLive(context.Background(), []string{s.BaseManifestList, s.DeltaManifestList}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	var out []manifest.DataFile
	for _, e := range entries {
		out = append(out, e.File)
	}
	return out
}

// compact joins the files of level 0 into one, or moves a single one up as it is.
func (w *world) compact(upgrade bool) {
	var old []manifest.DataFile
	for _, f := range w.live() {
		if f.Level == 0 {
			old = append(old, f)
		}
	}
	if len(old) == 0 {
		return
	}
	if upgrade {
		old = old[:1]
		up := old[0]
		up.Level = 5
		w.commit(snapshot.Compact, commit.Message{Removed: old, Added: []manifest.DataFile{up}}, nil)
		return
	}
	w.commit(snapshot.Compact, commit.Message{Removed: old, Added: []manifest.DataFile{w.file(5, int64(w.files))}}, nil)
}

// versions are all versions that are kept, by what keeps them.
func (w *world) versions() map[string]*snapshot.Snapshot {
	out := map[string]*snapshot.Snapshot{}
	all, err := w.snaps.All(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, s := range all {
		out[fmt.Sprint("snapshot ", s.ID)] = s
	}
	tags, err := w.snaps.Tags(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, tag := range tags {
		out["tag "+tag.Name] = tag.Snapshot
	}
	return out
}

// check makes sure that every kept version finds its files, and that there are
// no others.
func (w *world) check(what string) {
	ctx := context.Background()
	needed := map[string]string{}
	for name, s := range w.versions() {
		// A tag keeps rows, not changes; a fresh reader has no cache to hide behind.
		files := manifest.NewFiles(w.store, "")
		for _, list := range []string{s.BaseManifestList, s.DeltaManifestList, s.ChangelogManifestList} {
			if list == "" || list == s.ChangelogManifestList && strings.HasPrefix(name, "tag") {
				continue
			}
			needed["manifest/"+list] = name
			metas, err := files.ReadList(ctx, list)
			if err != nil {
				w.t.Fatalf("after %s: %s: %v", what, name, err)
			}
			for _, m := range metas {
				needed["manifest/"+m.FileName] = name
			}
		}
		entries, err := files.ReadLive(ctx, []string{s.BaseManifestList, s.DeltaManifestList}, nil)
		if err != nil {
			w.t.Fatalf("after %s: %s: %v", what, name, err)
		}
		if s.ChangelogManifestList != "" && strings.HasPrefix(name, "snapshot") {
			logs, err := files.ReadLive(ctx, []string{s.ChangelogManifestList}, nil)
			if err != nil {
				w.t.Fatalf("after %s: %s: %v", what, name, err)
			}
			entries = append(entries, logs...)
		}
		for _, e := range entries {
			needed["bucket-0/"+e.File.Name] = name
		}
	}
	there := map[string]string{}
	for _, dir := range []string{"manifest/", "bucket-0/"} {
		if err := w.store.List(ctx, dir, func(i objstore.Info) error { there[i.Key] = needed[i.Key]; return nil }); err != nil {
			w.t.Fatal(err)
		}
	}
	if diff := cmp.Diff(needed, there); diff != "" {
		w.t.Fatalf("after %s: needed (-) and there (+):\n%s", what, diff)
	}
}

// Any order of commits, compactions, overwrites, tags, expiry and rollbacks
// leaves exactly the files that the kept versions need.
func TestOnlyNeededFilesStay(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		w := newWorld(r, objstore.NewMem(), map[string]string{"manifest.merge-min-count": "3", "snapshot.num-retained.min": "1"})
		x := expire.New(w.store)
		for i := range rapid.IntRange(1, 30).Draw(r, "steps") {
			step := rapid.SampledFrom([]string{"append", "append", "append", "changes", "compact", "upgrade", "overwrite", "tag", "untag", "expire", "expire", "rollback", "rollback-tag"}).Draw(r, "step")
			w.step(r, x, step, i)
			w.check(fmt.Sprintf("step %d, %s", i, step))
		}
	})
}

func (w *world) step(r *rapid.T, x *expire.Expirer, step string, i int) {
	ctx := context.Background()
	var err error
	switch step {
	case "append":
		w.append(false)
	case "changes":
		w.append(true)
	case "compact":
		w.compact(false)
	case "upgrade":
		w.compact(true)
	case "overwrite":
		w.commit(snapshot.Overwrite, commit.Message{Added: []manifest.DataFile{w.file(0, int64(w.files))}}, &commit.Overwrite{Match: func([]byte) bool { return true }})
	case "tag":
		if s := w.pick(r, "snapshot"); s != nil {
			err = w.snaps.CreateTag(ctx, snapshot.Tag{Name: fmt.Sprintf("t%02d", i), Snapshot: s})
		}
	case "untag":
		if name := w.pickTag(r); name != "" {
			_, err = x.DeleteTag(ctx, name)
		}
	case "expire":
		keep := rapid.IntRange(1, 5).Draw(r, "keep")
		_, err = x.Run(ctx, expire.Options{Policy: &snapshot.Policy{RetainedMin: keep, RetainedMax: keep}, Now: func() time.Time { return w.now }})
	case "rollback":
		if s := w.pick(r, "snapshot"); s != nil {
			_, err = x.Rollback(ctx, s.ID)
		}
	case "rollback-tag":
		if name := w.pickTag(r); name != "" {
			_, err = x.RollbackToTag(ctx, name)
		}
	}
	if err != nil {
		r.Fatal(err)
	}
}

func (w *world) pick(r *rapid.T, prefix string) *snapshot.Snapshot {
	all := w.versions()
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(all)), func(n string) bool { return !strings.HasPrefix(n, prefix) })
	if len(names) == 0 {
		return nil
	}
	return all[rapid.SampledFrom(names).Draw(r, "which")]
}

func (w *world) pickTag(r *rapid.T) string {
	tags, err := w.snaps.Tags(context.Background())
	if err != nil {
		r.Fatal(err)
	}
	if len(tags) == 0 {
		return ""
	}
	return rapid.SampledFrom(tags).Draw(r, "tag").Name
}

// Expiry stopped at any operation leaves whole versions only, and the next run
// finishes the work.
func TestExpiryStoppedAnywhere(t *testing.T) {
	ops, step := int64(1), int64(1)
	if testing.Short() {
		step = 9
	}
	for n := int64(0); n <= ops; n += step {
		store, err := faultstore.New(objstore.NewMem(), faultstore.Options{})
		if err != nil {
			t.Fatal(err)
		}
		w := newWorld(t, store, map[string]string{"manifest.merge-min-count": "3"})
		for range 4 {
			w.append(true)
			w.append(false)
			w.compact(false)
		}
		two, err := w.snaps.Get(t.Context(), 2)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.snaps.CreateTag(t.Context(), snapshot.Tag{Name: "keep", Snapshot: two}); err != nil {
			t.Fatal(err)
		}
		run := func() error {
			_, err := expire.New(store).Run(t.Context(), expire.Options{Policy: &snapshot.Policy{RetainedMin: 3, RetainedMax: 3}, Now: func() time.Time { return w.now }})
			return err
		}
		start := store.Ops()
		if n > 0 {
			if err := store.SetRules(fmt.Sprintf("any ** @%d: crash", start+n)); err != nil {
				t.Fatal(err)
			}
		}
		err = run()
		if n == 0 {
			ops = store.Ops() - start
		} else if err == nil {
			// Reading a hint may fail without harm.
			t.Logf("operation %d of %d was not needed", n, ops)
		}
		store.Revive()
		if err := store.SetRules(""); err != nil {
			t.Fatal(err)
		}
		newest := expireNewest(t, w, 3)
		for _, s := range newest { // what stays is whole, however far the run came
			if _, err := manifest.NewFiles(store, "").ReadLive(context.Background(), []string{s.BaseManifestList, s.DeltaManifestList}, nil); err != nil {
				t.Fatalf("operation %d: snapshot %d: %v", n, s.ID, err)
			}
		}
		if err := run(); err != nil {
			t.Fatalf("operation %d: the next run: %v", n, err)
		}
		w.check(fmt.Sprintf("a crash at operation %d", n))
	}
	if ops < 20 {
		t.Errorf("only %d operations", ops)
	}
}

func expireNewest(t *testing.T, w *world, n int) []*snapshot.Snapshot {
	t.Helper()
	all, err := w.snaps.All(t.Context())
	if err != nil || len(all) < n {
		t.Fatalf("%d snapshots, %v", len(all), err)
	}
	return all[len(all)-n:]
}

// Changelogs outlive their snapshots if the table asks for it, with the files
// they need, and go by their own policy.
func TestChangelogsOutliveSnapshots(t *testing.T) {
	w := newWorld(t, objstore.NewMem(), map[string]string{
		"changelog-producer": "input", "snapshot.num-retained.min": "2", "snapshot.num-retained.max": "2", "changelog.num-retained.min": "4", "changelog.num-retained.max": "4",
	})
	for range 6 {
		w.append(true)
	}
	x := expire.New(w.store)
	now := func() time.Time { return w.now }
	if _, err := x.Run(t.Context(), expire.Options{Now: now}); err != nil {
		t.Fatal(err)
	}
	done, err := x.Run(t.Context(), expire.Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]snapshot.ID{1, 2}, done.Changelogs); diff != "" {
		t.Error(diff)
	}
	logs, err := w.snaps.Changelogs(t.Context())
	if err != nil || len(logs) != 2 || logs[0].ID != 3 {
		t.Fatalf("%v, %v", logs, err)
	}
	for _, v := range logs {
		entries, err := manifest.NewFiles(w.store, "").ReadLive(t.Context(), []string{v.ChangelogManifestList}, nil)
		if err != nil || len(entries) != 1 {
			t.Fatalf("changelog %d: %v, %v", v.ID, entries, err)
		}
		if _, err := w.store.Stat(t.Context(), "bucket-0/"+entries[0].File.Name); err != nil {
			t.Errorf("changelog %d: %v", v.ID, err)
		}
	}
}

func TestRefusals(t *testing.T) {
	w := newWorld(t, objstore.NewMem(), nil)
	x := expire.New(w.store)
	if _, err := x.Rollback(t.Context(), 3); !errors.Is(err, snapshot.ErrNone) {
		t.Errorf("%v", err)
	}
	w.append(false)
	if _, err := x.Rollback(t.Context(), 3); !errors.Is(err, snapshot.ErrNotFound) {
		t.Errorf("%v", err)
	}
	if _, err := x.DeleteTag(t.Context(), "none"); !errors.Is(err, snapshot.ErrNotFound) {
		t.Errorf("%v", err)
	}
	if _, err := expire.New(objstore.NewMem()).Run(t.Context(), expire.Options{}); !errors.Is(err, schema.ErrNoTable) {
		t.Errorf("%v", err)
	}
}
