package cut_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/weir-lake/weir/compute/cut"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/storage/objstore/faultstore"
	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/expire"
	"github.com/weir-lake/weir/table/manifest"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
)

var paths = []string{"default.db/a", "default.db/b", "default.db/c"}

// warehouse has tables whose data files are stand-ins.
type warehouse struct {
	t     *testing.T
	store objstore.Store
	now   time.Time
	n     int64
}

func newWarehouse(t *testing.T, store objstore.Store) *warehouse {
	w := &warehouse{t: t, store: store, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	for _, p := range paths {
		s, err := schema.New(schema.Definition{Fields: []schema.Field{{Name: "k", Type: schema.TBigInt}}, Options: map[string]string{"bucket": "-1"}}, 0)
		if err == nil {
			err = schema.NewFiles(objstore.Sub(store, p), "").Create(context.Background(), s)
		}
		if err != nil {
			t.Fatal(err)
		}
		if p != paths[2] { // the last one stays without a snapshot
			w.commit(p)
		}
	}
	return w
}

// commit adds a file to the table.
func (w *warehouse) commit(path string) {
	w.t.Helper()
	w.n++
	store := objstore.Sub(w.store, path)
	name := fmt.Sprintf("data-%d.parquet", w.n)
	if err := store.Put(context.Background(), "bucket-0/"+name, []byte(name)); err != nil {
		w.t.Fatal(err)
	}
	m := commit.Message{Partition: schema.EmptyRow(), TotalBuckets: -1, Added: []manifest.DataFile{{Name: name, Size: 1, RowCount: 1, MinKey: schema.EmptyRow(), MaxKey: schema.EmptyRow(), ValueStatsCols: []string{}}}}
	c := commit.New(store, commit.Options{Path: path, Now: func() time.Time { return w.now }})
	if _, err := c.Commit(context.Background(), commit.Request{User: "u", Identifier: w.n, Kind: snapshot.Append, Messages: []commit.Message{m}}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *warehouse) snaps(path string) *snapshot.Manager {
	return snapshot.NewManager(objstore.Sub(w.store, path), "")
}

// record is a cut of the newest versions.
func (w *warehouse) record(name string) cut.Record {
	w.t.Helper()
	r := cut.Record{Name: name, Epoch: 7, Tables: map[string]cut.Table{}}
	for _, p := range paths {
		s, err := w.snaps(p).Latest(context.Background())
		if errors.Is(err, snapshot.ErrNone) {
			r.Tables[p] = cut.Table{}
			continue
		}
		if err != nil {
			w.t.Fatal(err)
		}
		r.Tables[p] = cut.Table{Snapshot: s.ID, Hash: s.Hash, Delta: s.DeltaManifestList}
	}
	return r
}

func (w *warehouse) options() cut.MakeOptions {
	return cut.MakeOptions{Now: func() time.Time { return w.now }}
}

// expireAll lets every snapshot but the newest go.
func (w *warehouse) expireAll() {
	w.t.Helper()
	for _, p := range paths {
		_, err := expire.New(objstore.Sub(w.store, p)).Run(context.Background(), expire.Options{
			Policy: &snapshot.Policy{RetainedMin: 1, RetainedMax: 1}, Now: func() time.Time { return w.now }})
		if err != nil {
			w.t.Fatal(err)
		}
	}
}

// whole fails unless the cut is there with all its versions, or gone with all its tags.
func (w *warehouse) whole(c *cut.Cuts, name string, tables []string, what string) (there bool) {
	w.t.Helper()
	r, err := c.Get(context.Background(), name)
	if err != nil && !errors.Is(err, cut.ErrNotFound) {
		w.t.Fatalf("%s: %v", what, err)
	}
	for _, p := range tables {
		tag, terr := w.snaps(p).Tag(context.Background(), name)
		switch {
		case r != nil && p == paths[2]: // no snapshot, no tag
		case r != nil && terr != nil:
			w.t.Fatalf("%s: the cut is there without the tag of %s: %v", what, p, terr)
		case r == nil && terr == nil:
			w.t.Fatalf("%s: a tag of %s without a cut", what, p)
		case r != nil:
			if _, err := manifest.NewFiles(objstore.Sub(w.store, p), "").ReadLive(context.Background(), []string{tag.Snapshot.BaseManifestList, tag.Snapshot.DeltaManifestList}, nil); err != nil {
				w.t.Fatalf("%s: %s: %v", what, p, err)
			}
		}
	}
	return r != nil
}

func TestCutOutlivesItsSnapshots(t *testing.T) {
	w := newWarehouse(t, objstore.NewMem())
	c := cut.New(w.store)
	r := w.record("release")
	if err := c.Make(t.Context(), r, w.options()); err != nil {
		t.Fatal(err)
	}
	for _, p := range paths {
		w.commit(p)
		w.commit(p)
	}
	w.expireAll()
	got, err := c.Get(t.Context(), "release")
	if err != nil {
		t.Fatal(err)
	}
	if got.Epoch != 7 || got.CreatedMs != w.now.UnixMilli() || len(got.Tables) != 3 {
		t.Fatalf("%+v", got)
	}
	for _, p := range paths[:2] {
		s, err := c.Version(t.Context(), got, p)
		if err != nil {
			t.Fatal(err)
		}
		if s.ID != r.Tables[p].Snapshot {
			t.Errorf("%s: snapshot %d", p, s.ID)
		}
	}
	if s, err := c.Version(t.Context(), got, paths[2]); s != nil || err != nil {
		t.Errorf("a table without snapshots: %v, %v", s, err)
	}
	if _, err := c.Version(t.Context(), got, "default.db/other"); !errkind.Is(err, errkind.NotFound) {
		t.Errorf("a table outside the cut: %v", err)
	}
	if err := c.Remove(t.Context(), "release"); err != nil {
		t.Fatal(err)
	}
	if w.whole(c, "release", paths, "removed") {
		t.Fatal("the cut is still there")
	}
	// What only the tag kept is gone with it.
	var data []string
	err = w.store.List(t.Context(), paths[0]+"/bucket-0/", func(i objstore.Info) error { data = append(data, i.Key); return nil })
	if err != nil || len(data) != 3 { // append tables keep every file: each later version reads them
		t.Errorf("files %v, %v", data, err)
	}
	if err := c.Remove(t.Context(), "release"); !errors.Is(err, cut.ErrNotFound) {
		t.Errorf("removed twice: %v", err)
	}
}

// Stopped at any moment, a cut is made or not made after Recover, never half.
func TestMakeStoppedAnywhere(t *testing.T) {
	stoppedAnywhere(t, func(*warehouse, *cut.Cuts) error { return nil }, func(w *warehouse, c *cut.Cuts, r cut.Record) error {
		return c.Make(context.Background(), r, w.options())
	})
}

func TestRemoveStoppedAnywhere(t *testing.T) {
	before := func(w *warehouse, c *cut.Cuts) error {
		if err := c.Make(context.Background(), w.record("x"), w.options()); err != nil {
			return err
		}
		w.commit(paths[0])
		w.expireAll()
		return nil
	}
	stoppedAnywhere(t, before, func(_ *warehouse, c *cut.Cuts, _ cut.Record) error { return c.Remove(context.Background(), "x") })
}

func stoppedAnywhere(t *testing.T, before func(*warehouse, *cut.Cuts) error, do func(*warehouse, *cut.Cuts, cut.Record) error) {
	made, gone, ops := 0, 0, int64(1)
	for _, fault := range []string{"crash", "crash-after", "lost-reply", "error"} {
		for n := int64(0); n <= ops; n++ {
			store, err := faultstore.New(objstore.NewMem(), faultstore.Options{})
			if err != nil {
				t.Fatal(err)
			}
			w := newWarehouse(t, store)
			c := cut.New(store)
			if err := before(w, c); err != nil {
				t.Fatal(err)
			}
			r := w.record("x")
			first := store.Ops()
			if n > 0 {
				if err := store.SetRules(fmt.Sprintf("any ** @%d: %s", first+n, fault)); err != nil {
					t.Fatal(err)
				}
			}
			err = do(w, c, r)
			if n == 0 {
				if err != nil {
					t.Fatal(err)
				}
				ops = store.Ops() - first
			}
			store.Revive()
			if err := store.SetRules(""); err != nil {
				t.Fatal(err)
			}
			what := fmt.Sprintf("%s at operation %d of %d", fault, n, ops)
			if _, err := c.Recover(t.Context(), w.options()); err != nil {
				t.Fatalf("%s: recover: %v", what, err)
			}
			if w.whole(c, "x", paths, what) {
				made++
			} else {
				gone++
			}
			// Nothing stands in the way of doing it again.
			if err := c.Make(t.Context(), w.record("again"), w.options()); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
		}
	}
	t.Logf("%d operations; the cut was there %d times, %d times not", ops, made, gone)
	if made == 0 || gone == 0 || ops < 8 {
		t.Errorf("there %d times, %d times not, of %d operations: the test looks at one side only", made, gone, ops)
	}
}

func TestNamesInUse(t *testing.T) {
	w := newWarehouse(t, objstore.NewMem())
	c := cut.New(w.store)
	one, err := w.snaps(paths[1]).Get(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.snaps(paths[1]).CreateTag(t.Context(), snapshot.Tag{Name: "mine", Snapshot: one}); err != nil {
		t.Fatal(err)
	}
	err = c.Make(t.Context(), w.record("mine"), w.options())
	var bad *cut.TableError
	if !errors.Is(err, cut.ErrExists) || !errors.As(err, &bad) || bad.Path != paths[1] {
		t.Fatalf("a tag of the name: %v", err)
	}
	if _, err := w.snaps(paths[1]).Tag(t.Context(), "mine"); err != nil {
		t.Errorf("somebody's tag is gone: %v", err)
	}
	for _, name := range []string{"", "a/b", "..", " x"} {
		if err := c.Make(t.Context(), w.record(name), w.options()); err == nil {
			t.Errorf("cut %q was made", name)
		}
	}
	if err := c.Make(t.Context(), w.record("v1"), w.options()); err != nil {
		t.Fatal(err)
	}
	if err := c.Make(t.Context(), w.record("v1"), w.options()); !errors.Is(err, cut.ErrExists) {
		t.Errorf("made twice: %v", err)
	}
}

// An hourly tag that another engine made first is moved to the cut's version while its own is there.
func TestAutomaticTagsAreMoved(t *testing.T) {
	w := newWarehouse(t, objstore.NewMem())
	c := cut.New(w.store)
	name := cut.HourName(w.now)
	one, err := w.snaps(paths[0]).Get(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	tag := snapshot.Tag{Name: name, Snapshot: one}
	if err := w.snaps(paths[0]).CreateTag(t.Context(), tag); err != nil {
		t.Fatal(err)
	}
	w.commit(paths[0])
	r := w.record(name)
	r.Automatic = true
	a := r.Tables[paths[0]]
	a.RetainedMs = (24 * time.Hour).Milliseconds()
	r.Tables[paths[0]] = a
	if err := c.Make(t.Context(), r, w.options()); err != nil {
		t.Fatal(err)
	}
	moved, err := w.snaps(paths[0]).Tag(t.Context(), name)
	if err != nil || moved.Snapshot.ID != 2 || moved.Retained != 24*time.Hour {
		t.Fatalf("%+v, %v", moved, err)
	}
	// Once the other version has expired only its tag keeps it, and nobody may take that away.
	w2 := newWarehouse(t, objstore.NewMem())
	c2 := cut.New(w2.store)
	if one, err = w2.snaps(paths[0]).Get(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	tag.Snapshot = one
	if err := w2.snaps(paths[0]).CreateTag(t.Context(), tag); err != nil {
		t.Fatal(err)
	}
	w2.commit(paths[0])
	w2.expireAll()
	r = w2.record(name)
	r.Automatic = true
	if err := c2.Make(t.Context(), r, w2.options()); !errors.Is(err, cut.ErrExists) {
		t.Fatalf("the only tag of an expired version was moved: %v", err)
	}
	if w2.whole(c2, name, paths[1:], "refused") {
		t.Error("there is a cut though one table refused")
	}
}

func TestTablesLeaveACut(t *testing.T) {
	w := newWarehouse(t, objstore.NewMem())
	c := cut.New(w.store)
	r := w.record("x")
	a := r.Tables[paths[0]]
	a.UntilMs = w.now.Add(time.Hour).UnixMilli()
	r.Tables[paths[0]] = a
	if err := c.Make(t.Context(), r, w.options()); err != nil {
		t.Fatal(err)
	}
	got, err := c.Get(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	if over, next := got.Over(w.now); len(over) != 0 || !next.Equal(w.now.Add(time.Hour)) {
		t.Fatalf("over %v, next %v", over, next)
	}
	over, next := got.Over(w.now.Add(time.Hour))
	if len(over) != 1 || over[0] != paths[0] || !next.IsZero() {
		t.Fatalf("over %v, next %v", over, next)
	}
	if err := c.Drop(t.Context(), "x", over); err != nil {
		t.Fatal(err)
	}
	if got, err = c.Get(t.Context(), "x"); err != nil || len(got.Tables) != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	if _, err := w.snaps(paths[0]).Tag(t.Context(), "x"); !errors.Is(err, snapshot.ErrNotFound) {
		t.Errorf("its tag: %v", err)
	}
	if _, err := w.snaps(paths[1]).Tag(t.Context(), "x"); err != nil {
		t.Errorf("the other tag: %v", err)
	}
	if err := c.Drop(t.Context(), "x", paths); err != nil {
		t.Fatal(err)
	}
	if w.whole(c, "x", paths, "all dropped") {
		t.Error("the cut is there without tables")
	}
}

// A fenced process leaves what it began to the new owner.
func TestFenced(t *testing.T) {
	w := newWarehouse(t, objstore.NewMem())
	c := cut.New(w.store)
	lost, asked := errors.New("another owner"), 0
	o := w.options()
	o.Fence = func(context.Context) error {
		if asked++; asked > 1 {
			return lost
		}
		return nil
	}
	r := w.record("x")
	a := r.Tables[paths[0]]
	a.RetainedMs = (48 * time.Hour).Milliseconds()
	r.Tables[paths[0]] = a
	if err := c.Make(t.Context(), r, o); !errors.Is(err, lost) {
		t.Fatal(err)
	}
	if err := w.snaps(paths[0]).DeleteTag(t.Context(), "x"); err != nil { // as if it had stopped before it
		t.Fatal(err)
	}
	if _, err := c.Get(t.Context(), "x"); !errors.Is(err, cut.ErrUnfinished) {
		t.Fatalf("between the owners: %v", err)
	}
	done, err := c.Recover(t.Context(), w.options())
	if err != nil || done.Finished != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
	if !w.whole(c, "x", paths, "recovered") {
		t.Error("the new owner did not finish it")
	}
	if tag, err := w.snaps(paths[0]).Tag(t.Context(), "x"); err != nil || tag.Retained != 48*time.Hour || tag.Created.IsZero() {
		t.Errorf("a tag made by the new owner: %+v, %v", tag, err)
	}
}

// What was planned of versions that have gone since is undone.
func TestRecoverRemovesWhatCannotBeFinished(t *testing.T) {
	store, err := faultstore.New(objstore.NewMem(), faultstore.Options{Rules: "absent default.db/b/tag/*: crash"})
	if err != nil {
		t.Fatal(err)
	}
	w := newWarehouse(t, store)
	c := cut.New(store)
	if err := c.Make(t.Context(), w.record("x"), w.options()); err == nil {
		t.Fatal("made without tags")
	}
	store.Revive()
	if err := store.SetRules(""); err != nil {
		t.Fatal(err)
	}
	w.commit(paths[1])
	w.expireAll()
	done, err := c.Recover(t.Context(), w.options())
	if err != nil || done.Removed != 1 || done.Finished != 0 {
		t.Fatalf("%+v, %v", done, err)
	}
	if w.whole(c, "x", paths, "recovered") {
		t.Error("a cut of versions that are gone")
	}
}

func TestMovedTagIsNoVersion(t *testing.T) {
	w := newWarehouse(t, objstore.NewMem())
	c := cut.New(w.store)
	if err := c.Make(t.Context(), w.record("x"), w.options()); err != nil {
		t.Fatal(err)
	}
	w.commit(paths[0])
	two, err := w.snaps(paths[0]).Latest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.snaps(paths[0]).PutTag(t.Context(), snapshot.Tag{Name: "x", Snapshot: two}); err != nil {
		t.Fatal(err)
	}
	r, err := c.Get(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Version(t.Context(), r, paths[0]); !errors.Is(err, cut.ErrLost) {
		t.Errorf("a tag that was moved: %v", err)
	}
}
