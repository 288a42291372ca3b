package snapshot_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/storage/objstore/faultstore"
	"github.com/weir-lake/weir/table/snapshot"
)

const golden = "../testdata/java-1.4.2/"

func tree(t *testing.T, data []byte) any {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

const future = `{"version":3,"id":9,"schemaId":0,"baseManifestList":"b","deltaManifestList":"d","commitUser":"u","commitIdentifier":9223372036854775807,
	"commitKind":"ANALYZE","timeMillis":5,"totalRecordCount":1,"deltaRecordCount":-1,"watermark":-9223372036854775808,"properties":{"a":"b"},"fromTheFuture":[1.50]}`

func TestSnapshotFilesRoundTrip(t *testing.T) {
	inputs := map[string][]byte{"future": []byte(future)}
	for _, glob := range []string{"*/snapshot/snapshot-*", "*/changelog/changelog-*"} {
		paths, err := filepath.Glob(golden + glob)
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s: %v, %v", glob, paths, err)
		}
		for _, p := range paths {
			if inputs[p], err = os.ReadFile(p); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, data := range inputs {
		s, err := snapshot.Parse(data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		before := s.Hash
		again, err := s.Clone().Seal()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tree(t, data), tree(t, again)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if before != snapshot.HashOf(data) || len(before) != 32 {
			t.Errorf("%s: hash %q", name, before)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for text, kind := range map[string]errkind.Kind{
		"": errkind.Corrupt, "{}": errkind.Corrupt, "null": errkind.Corrupt, strings.Replace(future, `"id":9`, `"id":0`, 1): errkind.Corrupt,
		strings.Replace(future, `"id":9`, `"id":"x"`, 1): errkind.Corrupt, strings.Replace(future, `"version":3`, `"version":4`, 1): errkind.Invalid,
		future + "x": errkind.Corrupt,
	} {
		if _, err := snapshot.Parse([]byte(text)); err == nil || errkind.Of(err) != kind {
			t.Errorf("%.40q: %v", text, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	paths, err := filepath.Glob(golden + "*/tag/*")
	if err != nil {
		f.Fatal(err)
	}
	for _, p := range paths {
		data, err := os.ReadFile(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(future))
	f.Add([]byte(`{"nextSnapshot":4}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := snapshot.Parse(data); err == nil {
			again, err := s.Clone().Seal()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := snapshot.Parse(again); err != nil {
				t.Errorf("what was written is not read: %v\n%s", err, again)
			}
		}
		if tag, err := snapshot.ParseTag("t", data); err == nil && tag.Retained < 0 {
			t.Errorf("retained %v", tag.Retained)
		}
		if next, err := snapshot.ParseConsumer(data); err == nil && next < 0 {
			t.Errorf("next %d", next)
		}
	})
}

// fill makes snapshots first..last, one a second from the epoch, and no hints.
func fill(t *testing.T, store objstore.Store, first, last snapshot.ID) *snapshot.Manager {
	t.Helper()
	m := snapshot.NewManager(store, "")
	for id := first; id <= last; id++ {
		water := int64(id) * 10
		if err := m.Publish(t.Context(), &snapshot.Snapshot{Version: 3, ID: id, BaseManifestList: "b", DeltaManifestList: "d",
			CommitUser: fmt.Sprint("u", id%2), CommitKind: snapshot.Append, TimeMillis: int64(id) * 1000, Watermark: &water}); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// Hints may be right, stale, ahead, nonsense or missing: the answer is the same.
func TestHintsAreOnlyHints(t *testing.T) {
	for _, latest := range []string{"", "12", "11", "5", "3", "13", "99", "1", "x", "-4", "12\n"} {
		for _, earliest := range []string{"", "3", "4", "1", "99", "x"} {
			store := objstore.NewMem()
			m := fill(t, store, 3, 12)
			for name, v := range map[string]string{"LATEST": latest, "EARLIEST": earliest} {
				if v != "" {
					if err := store.Put(t.Context(), "snapshot/"+name, []byte(v)); err != nil {
						t.Fatal(err)
					}
				}
			}
			last, err := m.LatestID(t.Context())
			if err != nil || last != 12 {
				t.Errorf("LATEST %q: %d, %v", latest, last, err)
			}
			first, err := m.EarliestID(t.Context())
			if err != nil || first != 3 {
				t.Errorf("EARLIEST %q: %d, %v", earliest, first, err)
			}
		}
	}
}

func TestEmptyTable(t *testing.T) {
	m := snapshot.NewManager(objstore.NewMem(), "")
	for name, err := range map[string]error{
		"latest": second(m.Latest(t.Context())), "id": second(m.LatestID(t.Context())), "earliest": second(m.EarliestID(t.Context())),
		"get": second(m.Get(t.Context(), 1)), "before": second(m.Before(t.Context(), time.Now())), "resolve": second(m.Resolve(t.Context(), snapshot.Ref{})),
	} {
		if !errors.Is(err, snapshot.ErrNone) || errkind.Of(err) != errkind.NotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestResolve(t *testing.T) {
	store := objstore.NewMem()
	m := fill(t, store, 3, 6)
	four, err := m.Get(t.Context(), 4)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.CreateTag(t.Context(), snapshot.Tag{Name: "t", Snapshot: four}); err != nil {
		t.Fatal(err)
	}
	water := int64(45)
	for _, c := range []struct {
		ref  snapshot.Ref
		want snapshot.ID
		err  string
	}{
		{snapshot.Ref{}, 6, ""}, {snapshot.Ref{ID: 3}, 3, ""}, {snapshot.Ref{Tag: "t"}, 4, ""}, {snapshot.Ref{Watermark: &water}, 5, ""},
		{snapshot.Ref{At: time.UnixMilli(5000)}, 5, ""}, {snapshot.Ref{At: time.UnixMilli(5999)}, 5, ""}, {snapshot.Ref{At: time.UnixMilli(99999)}, 6, ""},
		{snapshot.Ref{At: time.UnixMilli(2999)}, 0, "oldest snapshot 3 is newer"}, {snapshot.Ref{ID: 2}, 0, "it has snapshots 3 to 6"},
		{snapshot.Ref{ID: 7}, 0, "snapshots 3 to 6"}, {snapshot.Ref{Tag: "none"}, 0, `tag "none"`}, {snapshot.Ref{ID: -1}, 0, "numbered from 1"},
		{snapshot.Ref{ID: 1, Tag: "t"}, 0, "more than one"}, {snapshot.Ref{Tag: "../x"}, 0, "slash"},
	} {
		s, err := m.Resolve(t.Context(), c.ref)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v, want %q", c.ref, err, c.err)
			}
			continue
		}
		if err != nil || s.ID != c.want {
			t.Errorf("%s: %+v, %v", c.ref, s, err)
		}
	}
}

func TestPublishTakesANumberOnce(t *testing.T) {
	store := objstore.NewMem()
	m := fill(t, store, 1, 1)
	if err := m.Publish(t.Context(), &snapshot.Snapshot{ID: 1, BaseManifestList: "x", DeltaManifestList: "y"}); !errors.Is(err, objstore.ErrExists) {
		t.Errorf("%v", err)
	}
	if s, err := m.Get(t.Context(), 1); err != nil || s.CommitUser != "u1" {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestJavaTagsAndConsumers(t *testing.T) {
	root, err := objstore.NewLocal(golden, objstore.LocalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	m := snapshot.NewManager(objstore.Sub(root, "tags_branches"), "")
	tags, err := m.Tags(t.Context())
	if err != nil || len(tags) == 0 {
		t.Fatalf("%v, %v", tags, err)
	}
	retained := 0
	for _, tag := range tags {
		if tag.Retained > 0 {
			retained++
			if tag.Created.Year() < 2024 || !tag.Expired(tag.Created.Add(tag.Retained+1)) || tag.Expired(tag.Created) {
				t.Errorf("%+v", tag)
			}
		}
	}
	branches, err := m.Branches(t.Context())
	if err != nil || len(branches) == 0 {
		t.Errorf("branches %v, %v", branches, err)
	}
	for _, b := range branches {
		if _, err := snapshot.NewManager(objstore.Sub(root, "tags_branches"), b).Latest(t.Context()); err != nil && (b != "empty" || !errors.Is(err, snapshot.ErrNone)) {
			t.Errorf("branch %s: %v", b, err)
		}
	}
	consumers, err := snapshot.NewManager(objstore.Sub(root, "consumer_statistics"), "").Consumers(t.Context())
	if err != nil || len(consumers) == 0 || consumers[0].Next < 1 {
		t.Errorf("consumers %v, %v", consumers, err)
	}
	logs, err := snapshot.NewManager(objstore.Sub(root, "expired_changelog"), "").Changelogs(t.Context())
	if err != nil || len(logs) == 0 {
		t.Errorf("changelogs %v, %v", logs, err)
	}
}

func TestTags(t *testing.T) {
	store := objstore.NewMem()
	m := fill(t, store, 1, 2)
	one, err := m.Get(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 4, 5, 6, 7, 8, time.UTC)
	if err := m.CreateTag(t.Context(), snapshot.Tag{Name: "plain", Snapshot: one}); err != nil {
		t.Fatal(err)
	}
	if err := m.CreateTag(t.Context(), snapshot.Tag{Name: "timed", Snapshot: one, Created: at, Retained: 90*time.Minute + 5}); err != nil {
		t.Fatal(err)
	}
	if err := m.CreateTag(t.Context(), snapshot.Tag{Name: "plain", Snapshot: one}); !errors.Is(err, snapshot.ErrExists) {
		t.Errorf("tag made twice: %v", err)
	}
	plain, err := m.Tag(t.Context(), "plain")
	if err != nil || plain.Snapshot.Hash != one.Hash || plain.Retained != 0 {
		t.Errorf("%+v, %v", plain, err)
	}
	timed, err := m.Tag(t.Context(), "timed")
	if err != nil || !timed.Created.Equal(at) || timed.Retained != 90*time.Minute+5 || len(timed.Snapshot.Extra) > 0 {
		t.Errorf("%+v, %v", timed, err)
	}
	if err := m.DeleteTag(t.Context(), "plain"); err != nil {
		t.Fatal(err)
	}
	if err := m.DeleteTag(t.Context(), "plain"); !errors.Is(err, snapshot.ErrNotFound) {
		t.Errorf("deleted twice: %v", err)
	}
	for _, bad := range []string{"", "a/b", "..", " a", "a\\b"} {
		if err := m.CreateTag(t.Context(), snapshot.Tag{Name: bad, Snapshot: one}); errkind.Of(err) != errkind.Invalid {
			t.Errorf("tag %q: %v", bad, err)
		}
	}
}

func TestLastOf(t *testing.T) {
	store := objstore.NewMem()
	m := fill(t, store, 1, 6)
	compact := &snapshot.Snapshot{Version: 3, ID: 7, BaseManifestList: "b", DeltaManifestList: "d", CommitUser: "u0", CommitKind: snapshot.Compact}
	if err := m.Publish(t.Context(), compact); err != nil {
		t.Fatal(err)
	}
	if s, err := m.LastOf(t.Context(), "u0"); err != nil || s.ID != 6 {
		t.Errorf("%+v, %v", s, err)
	}
	five, err := m.Get(t.Context(), 5)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.CreateTag(t.Context(), snapshot.Tag{Name: "weir-job-1", Snapshot: five}); err != nil {
		t.Fatal(err)
	}
	for id := snapshot.ID(1); id <= 6; id++ {
		if err := m.Delete(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	if s, err := m.LastOf(t.Context(), "u1"); err != nil || s.ID != 5 || s.Hash != five.Hash {
		t.Errorf("through its tag: %+v, %v", s, err)
	}
	if _, err := m.LastOf(t.Context(), "nobody"); !errors.Is(err, snapshot.ErrNotFound) {
		t.Errorf("%v", err)
	}
}

func TestConsumers(t *testing.T) {
	m := snapshot.NewManager(objstore.NewMem(), "")
	for _, next := range []snapshot.ID{4, 7} {
		if err := m.PutConsumer(t.Context(), "weir", next); err != nil {
			t.Fatal(err)
		}
	}
	got, err := m.Consumers(t.Context())
	if err != nil || len(got) != 1 || got[0].ID != "weir" || got[0].Next != 7 || got[0].Updated.IsZero() {
		t.Errorf("%+v, %v", got, err)
	}
	if err := m.DeleteConsumer(t.Context(), "weir"); err != nil {
		t.Fatal(err)
	}
	if got, err := m.Consumers(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

// A cached look through the tags gives what an uncached one gives, whatever was made, moved and deleted in between, and
// reads only what is new.
func TestTagsCached(t *testing.T) {
	base, err := objstore.NewLocal(t.TempDir(), objstore.LocalOptions{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	for name, store := range map[string]objstore.Store{"memory": objstore.NewMem(), "local": base} {
		t.Run(name, func(t *testing.T) {
			counted, err := faultstore.New(store, faultstore.Options{})
			if err != nil {
				t.Fatal(err)
			}
			m, cache := snapshot.NewManager(counted, ""), &snapshot.TagCache{}
			version := func(id snapshot.ID) *snapshot.Snapshot {
				return &snapshot.Snapshot{Version: 3, ID: id, BaseManifestList: "b", DeltaManifestList: fmt.Sprintf("d%d", id), CommitUser: "u", CommitKind: snapshot.Append}
			}
			same := func() {
				t.Helper()
				want, err := m.Tags(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				got, err := m.TagsCached(t.Context(), cache)
				if err != nil || !cmp.Equal(got, want) {
					t.Fatalf("%v\n%s", err, cmp.Diff(want, got))
				}
			}
			same()
			for i := range 20 {
				if err := m.PutTag(t.Context(), snapshot.Tag{Name: fmt.Sprintf("t %d", i), Snapshot: version(snapshot.ID(i + 1))}); err != nil {
					t.Fatal(err)
				}
			}
			same()
			if err := m.PutTag(t.Context(), snapshot.Tag{Name: "t 3", Snapshot: version(7)}); err != nil { // the same size
				t.Fatal(err)
			}
			if err := m.DeleteTag(t.Context(), "t 4"); err != nil {
				t.Fatal(err)
			}
			same()
			before := counted.Counts()[faultstore.OpGet]
			if _, err := m.TagsCached(t.Context(), cache); err != nil {
				t.Fatal(err)
			}
			if n := counted.Counts()[faultstore.OpGet] - before; n != 0 {
				t.Errorf("%d tags that did not change were read again", n)
			}
		})
	}
}
