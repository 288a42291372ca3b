package commit_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/storage/objstore/faultstore"
	"github.com/weir-lake/weir/storage/objstore/s3test"
	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/manifest"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
)

// newTable makes a table k BIGINT primary key, v STRING, partitioned by p if asked.
func newTable(t *testing.T, store objstore.Store, options map[string]string, partitioned bool) {
	t.Helper()
	d := schema.Definition{
		Fields:      []schema.Field{{Name: "p", Type: schema.TString}, {Name: "k", Type: schema.TBigInt}, {Name: "v", Type: schema.TString}},
		PrimaryKeys: []string{"k"}, Options: options,
	}
	if partitioned {
		d.PartitionKeys, d.PrimaryKeys = []string{"p"}, []string{"p", "k"}
	}
	s, err := schema.New(d, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.NewFiles(store, "").Create(t.Context(), s); err != nil {
		t.Fatal(err)
	}
}

func key(t testing.TB, k int64) []byte {
	row, err := schema.EncodeRow([]schema.Type{schema.TBigInt}, []any{k})
	if err != nil {
		t.Fatal(err)
	}
	return row
}

func part(t testing.TB, p string) []byte {
	row, err := schema.EncodeRow([]schema.Type{schema.TString}, []any{p})
	if err != nil {
		t.Fatal(err)
	}
	return row
}

// file describes a data file of keys lo..hi; its sequence numbers are seq.
func file(t testing.TB, name string, level int, lo, hi, seq int64) manifest.DataFile {
	return manifest.DataFile{
		Name: name, Size: 100, RowCount: hi - lo + 1, Level: level, MinKey: key(t, lo), MaxKey: key(t, hi),
		MinSequence: seq, MaxSequence: seq + hi - lo, Source: manifest.SourceAppend, ValueStatsCols: []string{},
	}
}

func add(bucket int, files ...manifest.DataFile) commit.Message {
	return commit.Message{Partition: schema.EmptyRow(), Bucket: bucket, TotalBuckets: 1, Added: files}
}

func noWait(context.Context, time.Duration) error { return nil }

func options() commit.Options {
	clock := time.UnixMilli(1_700_000_000_000)
	return commit.Options{Sleep: noWait, Now: func() time.Time { return clock }, Rand: func() float64 { return 0 }}
}

func mustCommit(t *testing.T, c *commit.Committer, req commit.Request) *commit.Result {
	t.Helper()
	res, err := c.Commit(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// live lists the names of the newest snapshot's files, and checks its row counts.
func live(t testing.TB, store objstore.Store) []string {
	t.Helper()
	s, err := snapshot.NewManager(store, "").Latest(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	entries, err := manifest.NewFiles(store, "").ReadLive(context.Background(), []string{s.BaseManifestList, s.DeltaManifestList}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	rows := int64(0)
	for _, e := range entries {
		names = append(names, fmt.Sprintf("%s@%d", e.File.Name, e.File.Level))
		rows += e.File.RowCount
	}
	if rows != s.TotalRecordCount {
		t.Errorf("snapshot %d says %d rows, its files hold %d", s.ID, s.TotalRecordCount, rows)
	}
	slices.Sort(names)
	return names
}

func TestFirstAndNextSnapshot(t *testing.T) {
	store := objstore.NewMem()
	newTable(t, store, nil, false)
	c := commit.New(store, options())
	water := int64(77)
	first := mustCommit(t, c, commit.Request{User: "u", Identifier: 5, Kind: snapshot.Append, Watermark: &water,
		Messages: []commit.Message{add(0, file(t, "a", 0, 1, 3, 1))}, Properties: map[string]string{"weir.epoch": "5"}})
	second := mustCommit(t, c, commit.Request{User: "u", Identifier: 6, Kind: snapshot.Append,
		Messages: []commit.Message{{Partition: schema.EmptyRow(), TotalBuckets: 1, Added: []manifest.DataFile{file(t, "b", 0, 2, 5, 10)},
			Changelog: []manifest.DataFile{file(t, "log", 0, 2, 3, 10)}}}})
	if first.Snapshot.ID != 1 || second.Snapshot.ID != 2 || first.Tries != 1 {
		t.Fatalf("ids %d, %d, tries %d", first.Snapshot.ID, second.Snapshot.ID, first.Tries)
	}
	got, err := snapshot.NewManager(store, "").Get(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(second.Snapshot, got); diff != "" {
		t.Errorf("the returned snapshot is not the stored one:\n%s", diff)
	}
	if got.TotalRecordCount != 7 || got.DeltaRecordCount != 4 || *got.ChangelogRecordCount != 2 || *got.Watermark != 77 || got.Properties != nil {
		t.Errorf("snapshot 2: %+v", got)
	}
	for _, hint := range []string{"snapshot/LATEST", "snapshot/EARLIEST"} {
		data, err := objstore.ReadAll(t.Context(), store, hint)
		if want := map[string]string{"snapshot/LATEST": "2", "snapshot/EARLIEST": "1"}[hint]; err != nil || string(data) != want {
			t.Errorf("%s = %q, %v", hint, data, err)
		}
	}
	if diff := cmp.Diff([]string{"a@0", "b@0"}, live(t, store)); diff != "" {
		t.Error(diff)
	}
}

func TestNothingToCommitIsSkippedUnlessForced(t *testing.T) {
	store := objstore.NewMem()
	newTable(t, store, nil, false)
	c := commit.New(store, options())
	if res := mustCommit(t, c, commit.Request{User: "u", Identifier: 1, Kind: snapshot.Append}); !res.Skipped || res.Snapshot != nil {
		t.Errorf("%+v", res)
	}
	if res := mustCommit(t, c, commit.Request{User: "u", Identifier: 1, Kind: snapshot.Append, Force: true}); res.Skipped || res.Snapshot.ID != 1 {
		t.Errorf("%+v", res)
	}
}

func TestSameCommitAgainIsFound(t *testing.T) {
	store := objstore.NewMem()
	newTable(t, store, nil, false)
	req := commit.Request{User: "u", Identifier: 1, Kind: snapshot.Append, Messages: []commit.Message{add(0, file(t, "a", 0, 1, 1, 1))}}
	first := mustCommit(t, commit.New(store, options()), req)
	again := mustCommit(t, commit.New(store, options()), req)
	if !again.Already || again.Snapshot.ID != first.Snapshot.ID {
		t.Errorf("%+v", again)
	}
	// The same identifier with another kind is another commit, as Java makes an
	// APPEND and a COMPACT of one identifier.
	req.Kind, req.Messages = snapshot.Compact, []commit.Message{{Partition: schema.EmptyRow(), TotalBuckets: 1,
		Removed: []manifest.DataFile{file(t, "a", 0, 1, 1, 1)}, Added: []manifest.DataFile{file(t, "a", 5, 1, 1, 1)}}}
	if res := mustCommit(t, commit.New(store, options()), req); res.Already || res.Snapshot.ID != 2 {
		t.Errorf("%+v", res)
	}
	if diff := cmp.Diff([]string{"a@5"}, live(t, store)); diff != "" {
		t.Error(diff)
	}
}

// How far back a commit looks is what it costs on a table with a long history.
func TestHowFarACommitLooksBack(t *testing.T) {
	store, err := faultstore.New(objstore.NewMem(), faultstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	newTable(t, store, nil, false)
	c := commit.New(store, options())
	next := int64(0)
	gets := func(c *commit.Committer, req commit.Request) int64 {
		next++
		name := fmt.Sprint("f", next)
		req.Identifier, req.Kind, req.Messages = next, snapshot.Append, []commit.Message{add(0, file(t, name, 0, 1, 1, next))}
		before := store.Counts()["get"]
		if res := mustCommit(t, c, req); res.Already || res.Skipped {
			t.Fatalf("%+v", res)
		}
		return store.Counts()["get"] - before
	}
	for range 40 {
		gets(c, commit.Request{User: "u"})
	}
	if n := gets(c, commit.Request{User: "u"}); n > 12 {
		t.Errorf("the same user's next commit reads %d objects", n)
	}
	if n := gets(c, commit.Request{User: "fresh", NewUser: true}); n > 12 {
		t.Errorf("a new user's commit reads %d objects", n)
	}
	if n := gets(c, commit.Request{User: "unknown"}); n < 40 {
		t.Errorf("a user that may have committed before is looked for in %d objects only", n)
	}
	// The same commit again by the same Committer is found, though it looks no further.
	req := commit.Request{User: "unknown", Identifier: next, Kind: snapshot.Append, Messages: []commit.Message{add(0, file(t, "x", 0, 1, 1, 99))}}
	if res := mustCommit(t, c, req); !res.Already {
		t.Errorf("%+v", res)
	}
}

// A paused owner goes on after another has taken its job over: the fence sees
// the other's snapshot before every try and nothing is written.
func TestFenceSeesWhatCameSincePrev(t *testing.T) {
	store := objstore.NewMem()
	newTable(t, store, nil, false)
	c := commit.New(store, options())
	first := mustCommit(t, c, commit.Request{User: "job", Identifier: 1, Kind: snapshot.Append, Messages: []commit.Message{add(0, file(t, "a", 0, 1, 1, 1))}})
	prev := c.Identity(first.Snapshot)
	mustCommit(t, commit.New(store, options()), commit.Request{User: "job", Identifier: 2, Kind: snapshot.Append, Messages: []commit.Message{add(0, file(t, "b", 0, 1, 1, 2))}})
	replaced := errors.New("replaced")
	var seen []snapshot.ID
	_, err := c.Commit(t.Context(), commit.Request{User: "job", Identifier: 2, Kind: snapshot.Append, Prev: &prev,
		Messages: []commit.Message{add(0, file(t, "c", 0, 1, 1, 3))},
		Fence: func(_ context.Context, newer []*snapshot.Snapshot) error {
			for _, s := range newer {
				seen = append(seen, s.ID)
				if s.CommitUser == "job" {
					return replaced
				}
			}
			return nil
		}})
	if !errors.Is(err, replaced) || !slices.Equal(seen, []snapshot.ID{2}) {
		t.Fatalf("error %v, seen %v", err, seen)
	}
	if diff := cmp.Diff([]string{"a@0", "b@0"}, live(t, store)); diff != "" {
		t.Error(diff)
	}
}

func TestRolledBackTableIsNoticed(t *testing.T) {
	store := objstore.NewMem()
	newTable(t, store, nil, false)
	c := commit.New(store, options())
	mustCommit(t, c, commit.Request{User: "x", Identifier: 1, Kind: snapshot.Append, Messages: []commit.Message{add(0, file(t, "a", 0, 1, 1, 1))}})
	mine := mustCommit(t, c, commit.Request{User: "job", Identifier: 1, Kind: snapshot.Append, Messages: []commit.Message{add(0, file(t, "b", 0, 1, 1, 2))}})
	prev := c.Identity(mine.Snapshot)
	if err := store.Delete(t.Context(), "snapshot/snapshot-2"); err != nil {
		t.Fatal(err)
	}
	next := commit.Request{User: "job", Identifier: 2, Kind: snapshot.Append, Prev: &prev, Messages: []commit.Message{add(0, file(t, "c", 0, 1, 1, 3))}}
	if _, err := c.Commit(t.Context(), next); !errors.Is(err, commit.ErrReplaced) {
		t.Errorf("rolled back: %v", err)
	}
	mustCommit(t, commit.New(store, options()), commit.Request{User: "x", Identifier: 2, Kind: snapshot.Append, Messages: []commit.Message{add(0, file(t, "d", 0, 1, 1, 4))}})
	if _, err := c.Commit(t.Context(), next); !errors.Is(err, commit.ErrReplaced) || errkind.Of(err) != errkind.Conflict {
		t.Errorf("number taken by another: %v", err)
	}
}

// Two writers number their rows from the same maximum; the second's file is
// written anew above the first's, and its first version goes.
func TestRebaseKeepsSequenceNumbersAboveTheBucket(t *testing.T) {
	store := objstore.NewMem()
	newTable(t, store, nil, false)
	put := func(name string) {
		if err := store.Put(t.Context(), "bucket-0/"+name, []byte(name)); err != nil {
			t.Fatal(err)
		}
	}
	put("a")
	mustCommit(t, commit.New(store, options()), commit.Request{User: "one", Identifier: 1, Kind: snapshot.Append, Messages: []commit.Message{add(0, file(t, "a", 0, 1, 3, 1))}})
	m := add(0, file(t, "b", 0, 1, 2, 1))
	put("b")
	m.Rebase = func(_ context.Context, highest int64) ([]manifest.DataFile, []manifest.DataFile, error) {
		put("b2")
		return []manifest.DataFile{file(t, "b2", 0, 1, 2, highest+1)}, nil, nil
	}
	mustCommit(t, commit.New(store, options()), commit.Request{User: "two", Identifier: 1, Kind: snapshot.Append, Messages: []commit.Message{m}})
	if diff := cmp.Diff([]string{"a@0", "b2@0"}, live(t, store)); diff != "" {
		t.Error(diff)
	}
	if _, err := store.Stat(t.Context(), "bucket-0/b"); !errors.Is(err, objstore.ErrNotFound) {
		t.Errorf("the file that was replaced is still there: %v", err)
	}
	if m.Added[0].Name != "b" {
		t.Error("the caller's message was changed")
	}
}

func TestOverwriteReplacesPartitions(t *testing.T) {
	store := objstore.NewMem()
	newTable(t, store, nil, true)
	c := commit.New(store, options())
	msg := func(p, name string, total int) commit.Message {
		return commit.Message{Partition: part(t, p), TotalBuckets: total, Added: []manifest.DataFile{file(t, name, 0, 1, 2, 1)}}
	}
	mustCommit(t, c, commit.Request{User: "u", Identifier: 1, Kind: snapshot.Append, Messages: []commit.Message{msg("x", "x1", 1), msg("y", "y1", 1)}})
	only := func(p []byte) bool { return string(p) == string(part(t, "x")) }
	// An OVERWRITE may change the number of buckets of the partition, an APPEND may not.
	res := mustCommit(t, c, commit.Request{User: "u", Identifier: 2, Kind: snapshot.Overwrite, Overwrite: &commit.Overwrite{Match: only}, Messages: []commit.Message{msg("x", "x2", 4)}})
	if res.Snapshot.DeltaRecordCount != 0 || res.Snapshot.TotalRecordCount != 4 {
		t.Errorf("%+v", res.Snapshot)
	}
	if diff := cmp.Diff([]string{"x2@0", "y1@0"}, live(t, store)); diff != "" {
		t.Error(diff)
	}
	_, err := c.Commit(t.Context(), commit.Request{User: "u", Identifier: 3, Kind: snapshot.Append, Messages: []commit.Message{msg("x", "x3", 1)}})
	if !errors.Is(err, commit.ErrConflict) || !strings.Contains(err.Error(), "4 buckets") {
		t.Errorf("append with another number of buckets: %v", err)
	}
	mustCommit(t, c, commit.Request{User: "u", Identifier: 4, Kind: snapshot.Overwrite, Overwrite: &commit.Overwrite{Match: func([]byte) bool { return true }}})
	if left := live(t, store); len(left) != 0 {
		t.Errorf("left after truncating: %v", left)
	}
}

func TestSecondCompactionOfTheSameFilesConflicts(t *testing.T) {
	store := objstore.NewMem()
	newTable(t, store, nil, false)
	c := commit.New(store, options())
	old := []manifest.DataFile{file(t, "a", 0, 1, 3, 1), file(t, "b", 0, 2, 4, 4)}
	mustCommit(t, c, commit.Request{User: "u", Identifier: 1, Kind: snapshot.Append, Messages: []commit.Message{add(0, old...)}})
	compact := func(name string) commit.Request {
		return commit.Request{User: name, Identifier: 1, Kind: snapshot.Compact, Messages: []commit.Message{{
			Partition: schema.EmptyRow(), TotalBuckets: 1, Removed: old, Added: []manifest.DataFile{file(t, name, 5, 1, 4, 1)}}}}
	}
	mustCommit(t, c, compact("c1"))
	if _, err := c.Commit(t.Context(), compact("c2")); !errors.Is(err, commit.ErrConflict) {
		t.Fatalf("%v", err)
	}
	if diff := cmp.Diff([]string{"c1@5"}, live(t, store)); diff != "" {
		t.Error(diff)
	}
}

// Manifests are merged as they become many, and the files stay the same.
func TestManifestsAreMerged(t *testing.T) {
	store := objstore.NewMem()
	newTable(t, store, map[string]string{"manifest.merge-min-count": "4"}, false)
	c := commit.New(store, options())
	var want []string
	for i := range 20 {
		name := fmt.Sprintf("f%02d", i)
		want = append(want, name+"@0")
		mustCommit(t, c, commit.Request{User: "u", Identifier: int64(i + 1), Kind: snapshot.Append, Messages: []commit.Message{add(0, file(t, name, 0, 1, 1, int64(i)))}})
	}
	if diff := cmp.Diff(want, live(t, store)); diff != "" {
		t.Error(diff)
	}
	s, err := snapshot.NewManager(store, "").Latest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	metas, err := manifest.NewFiles(store, "").ReadList(t.Context(), s.BaseManifestList)
	if err != nil || len(metas) > 4 {
		t.Errorf("%d base manifests, %v", len(metas), err)
	}
}

func TestRefusals(t *testing.T) {
	store := objstore.NewMem()
	newTable(t, store, map[string]string{"commit.max-retries": "0"}, false)
	c := commit.New(store, options())
	msg := []commit.Message{add(0, file(t, "a", 0, 1, 1, 1))}
	for name, req := range map[string]commit.Request{
		"no commit user":     {Identifier: 1, Kind: snapshot.Append, Messages: msg},
		"does not tell":      {User: "u", Identifier: snapshot.BatchIdentifier, Kind: snapshot.Append, Messages: msg},
		"kind":               {User: "u", Identifier: 1, Kind: "MERGE", Messages: msg},
		"removes no files":   {User: "u", Identifier: 1, Kind: snapshot.Append, Messages: []commit.Message{{Removed: msg[0].Added}}},
		"appears twice":      {User: "u", Identifier: 1, Kind: snapshot.Append, Messages: append(msg, msg...)},
		"both 1 and 2":       {User: "u", Identifier: 1, Kind: snapshot.Append, Messages: []commit.Message{msg[0], {Partition: schema.EmptyRow(), TotalBuckets: 2, Added: []manifest.DataFile{file(t, "b", 0, 1, 1, 1)}}}},
		"which is to be rep": {User: "u", Identifier: 1, Kind: snapshot.Compact, Messages: []commit.Message{{Partition: schema.EmptyRow(), TotalBuckets: 1, Removed: msg[0].Added}}},
	} {
		if name == "which is to be rep" {
			mustCommit(t, c, commit.Request{User: "u", Identifier: 9, Kind: snapshot.Append, Messages: []commit.Message{add(0, file(t, "other", 0, 1, 1, 1))}})
		}
		if _, err := c.Commit(t.Context(), req); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("want %q, got %v", name, err)
		}
	}
	if _, err := commit.New(objstore.NewMem(), options()).Commit(t.Context(), commit.Request{User: "u", Kind: snapshot.Append}); !errors.Is(err, schema.ErrNoTable) {
		t.Errorf("no table: %v", err)
	}
}

// Writers race; puts lose their replies, fail, or their hints do. Every commit
// that was acknowledged is there once, and none that was refused.
func TestConcurrentWriters(t *testing.T) {
	const rules = `absent snapshot/snapshot-* 15%: lost-reply
absent snapshot/snapshot-* 10%: error
overwrite snapshot/* 30%: error
overwrite manifest/* 2%: error
stat snapshot/** 2%: error`
	const writers, commits = 6, 15
	stores := map[string]func(t *testing.T) objstore.Store{
		"mem": func(*testing.T) objstore.Store { return objstore.NewMem() },
		"local": func(t *testing.T) objstore.Store {
			s, err := objstore.NewLocal(t.TempDir(), objstore.LocalOptions{})
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
		"s3": func(t *testing.T) objstore.Store { return s3test.Start(t).Store(t) },
		"faults": func(t *testing.T) objstore.Store {
			s, err := faultstore.New(objstore.NewMem(), faultstore.Options{Seed: 3})
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
	}
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			store := open(t)
			newTable(t, store, map[string]string{"commit.max-retries": "500", "bucket": "2"}, false)
			if f, ok := store.(*faultstore.Store); ok {
				if err := f.SetRules(rules); err != nil {
					t.Fatal(err)
				}
			}
			var wg sync.WaitGroup
			var mu sync.Mutex
			var want []string
			for w := range writers {
				wg.Go(func() {
					c := commit.New(store, commit.Options{Sleep: noWait})
					var prev *snapshot.Identity
					for i := range commits {
						name := fmt.Sprintf("w%d-%02d", w, i)
						m := add(w%2, file(t, name, 0, 1, 1, int64(i)))
						m.TotalBuckets = 2
						res, err := c.Commit(context.Background(), commit.Request{User: fmt.Sprint("w", w), Identifier: int64(i + 1), Kind: snapshot.Append, Messages: []commit.Message{m}, Prev: prev,
							Fence: func(_ context.Context, newer []*snapshot.Snapshot) error {
								for _, s := range newer {
									if s.CommitUser == fmt.Sprint("w", w) {
										return fmt.Errorf("own snapshot %d after prev", s.ID)
									}
								}
								return nil
							}})
						if err != nil {
							t.Errorf("writer %d commit %d: %v", w, i, err)
							return
						}
						id := c.Identity(res.Snapshot)
						prev = &id
						mu.Lock()
						want = append(want, name+"@0")
						mu.Unlock()
					}
				})
			}
			wg.Wait()
			if f, ok := store.(*faultstore.Store); ok {
				if err := f.SetRules(""); err != nil {
					t.Fatal(err)
				}
			}
			slices.Sort(want)
			if diff := cmp.Diff(want, live(t, store)); diff != "" {
				t.Error(diff)
			}
			all, err := snapshot.NewManager(store, "").All(t.Context())
			if err != nil || len(all) != writers*commits {
				t.Errorf("%d snapshots, %v", len(all), err)
			}
			noGarbage(t, store)
		})
	}
}

// noGarbage checks that every metadata file is named by some snapshot.
func noGarbage(t *testing.T, store objstore.Store) {
	t.Helper()
	named := map[string]bool{}
	all, err := snapshot.NewManager(store, "").All(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	files := manifest.NewFiles(store, "")
	for _, s := range all {
		for _, l := range []string{s.BaseManifestList, s.DeltaManifestList, s.ChangelogManifestList} {
			named[l] = true
			metas, err := files.ReadList(t.Context(), l)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range metas {
				named[m.FileName] = true
			}
		}
	}
	if err := store.List(t.Context(), "manifest/", func(i objstore.Info) error {
		if !named[strings.TrimPrefix(i.Key, "manifest/")] {
			t.Errorf("%s is left over", i.Key)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// The disk fills up at every operation in turn: the commit fails with that
// reason, the table is as before, and works on once there is room.
func TestDiskFullAtEveryOperation(t *testing.T) {
	ops := int64(1)
	for n := int64(0); n <= ops; n++ {
		store, err := faultstore.New(objstore.NewMem(), faultstore.Options{})
		if err != nil {
			t.Fatal(err)
		}
		newTable(t, store, map[string]string{"manifest.merge-min-count": "2"}, false)
		c := commit.New(store, options())
		for i := range 3 {
			mustCommit(t, c, commit.Request{User: "u", Identifier: int64(i + 1), Kind: snapshot.Append, Messages: []commit.Message{add(0, file(t, fmt.Sprint("f", i), 0, 1, 1, int64(i)))}})
		}
		before, start := live(t, store), store.Ops()
		rule := ""
		if n > 0 {
			rule = fmt.Sprintf("write-any ** @%d+: enospc", start+n)
		}
		if err := store.SetRules(rule); err != nil {
			t.Fatal(err)
		}
		_, err = c.Commit(t.Context(), commit.Request{User: "u", Identifier: 4, Kind: snapshot.Append, Messages: []commit.Message{add(0, file(t, "new", 0, 1, 1, 9))}})
		if n == 0 {
			ops = store.Ops() - start
			continue
		}
		if err := store.SetRules(""); err != nil {
			t.Fatal(err)
		}
		want := before
		if err == nil { // only hints were left to write
			want = append(slices.Clone(before), "new@0")
		} else if !errors.Is(err, syscall.ENOSPC) || errkind.Of(err) != errkind.Exhausted {
			t.Errorf("operation %d: %v", n, err)
		}
		if diff := cmp.Diff(want, live(t, store)); diff != "" {
			t.Errorf("operation %d: %s", n, diff)
		}
		if err != nil {
			mustCommit(t, c, commit.Request{User: "u", Identifier: 4, Kind: snapshot.Append, Messages: []commit.Message{add(0, file(t, "new", 0, 1, 1, 9))}})
		}
	}
	if ops < 5 {
		t.Errorf("only %d operations were tried", ops)
	}
}

// A store that fails for a moment, whatever is being read, does not fail the commit.
func TestPassingOutagesAreOutlived(t *testing.T) {
	for _, rule := range []string{"listdirs schema 1st: error", "get schema/** 1st: error", "get snapshot/** 1st: error", "get manifest/** 1st: error", "overwrite manifest/** 1st: error", "absent snapshot/** 1st: error", "stat ** 1st: error"} {
		store, err := faultstore.New(objstore.NewMem(), faultstore.Options{})
		if err != nil {
			t.Fatal(err)
		}
		newTable(t, store, nil, false)
		mustCommit(t, commit.New(store, options()), commit.Request{User: "u", Identifier: 1, Kind: snapshot.Append, Messages: []commit.Message{add(0, file(t, "a", 0, 1, 1, 1))}})
		if err := store.SetRules(rule); err != nil {
			t.Fatal(err)
		}
		_, err = commit.New(store, options()).Commit(t.Context(), commit.Request{User: "u", Identifier: 2, Kind: snapshot.Append, Messages: []commit.Message{add(0, file(t, "b", 0, 1, 1, 2))}})
		if err != nil || len(store.Log()) == 0 {
			t.Errorf("%s: %v, faults %v", rule, err, store.Log())
		}
		if diff := cmp.Diff([]string{"a@0", "b@0"}, live(t, store)); diff != "" {
			t.Errorf("%s: %s", rule, diff)
		}
	}
}

// A Committer that was idle finds snapshots on its way whose files are going.
func TestWayThroughExpiringSnapshots(t *testing.T) {
	store := objstore.NewMem()
	newTable(t, store, map[string]string{"manifest.merge-min-count": "2"}, false)
	idle, busy := commit.New(store, options()), commit.New(store, options())
	next := int64(0)
	do := func(c *commit.Committer) {
		next++
		mustCommit(t, c, commit.Request{User: "u", Identifier: next, Kind: snapshot.Append, Messages: []commit.Message{add(0, file(t, fmt.Sprint("f", next), 0, 1, 1, next))}})
	}
	do(idle)
	for range 4 {
		do(busy)
	}
	three, err := snapshot.NewManager(store, "").Get(t.Context(), 3)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Delete(t.Context(), manifest.Key(three.DeltaManifestList)); err != nil {
		t.Fatal(err)
	}
	do(idle)
	if got := live(t, store); len(got) != 6 {
		t.Errorf("%v", got)
	}
}

// The put that publishes never gets a reply and the store is down afterwards:
// the caller learns that the outcome is open, and Find settles it.
func TestUnknownOutcome(t *testing.T) {
	for _, fault := range []string{"crash", "crash-after"} {
		store, err := faultstore.New(objstore.NewMem(), faultstore.Options{})
		if err != nil {
			t.Fatal(err)
		}
		newTable(t, store, nil, false)
		if err := store.SetRules("absent snapshot/snapshot-1: " + fault); err != nil {
			t.Fatal(err)
		}
		c := commit.New(store, options())
		_, err = c.Commit(t.Context(), commit.Request{User: "u", Identifier: 1, Kind: snapshot.Append, Messages: []commit.Message{add(0, file(t, "a", 0, 1, 1, 1))}})
		if !errors.Is(err, commit.ErrUnknown) {
			t.Fatalf("%s: %v", fault, err)
		}
		store.Revive()
		found, err := c.Find(t.Context(), "u", 1, snapshot.Append, 0)
		if err != nil || (found != nil) != (fault == "crash-after") {
			t.Errorf("%s: found %v, %v", fault, found, err)
		}
	}
}
