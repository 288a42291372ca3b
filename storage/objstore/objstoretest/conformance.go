package objstoretest

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
)

// Run checks one backend. open returns a new, empty store at each call.
func Run(t *testing.T, open func(t *testing.T) objstore.Store) {
	tests := []struct {
		name string
		fn   func(t *testing.T, s objstore.Store)
	}{
		{"PutGet", testPutGet},
		{"Ranges", testRanges},
		{"PutReplaces", testPutReplaces},
		{"PutIfAbsentKeepsFirst", testPutIfAbsent},
		{"CallerMayReuseBuffer", testBufferReuse},
		{"Create", testCreate},
		{"CreateTakenKey", testCreateTaken},
		{"Abort", testAbort},
		{"BigObject", testBigObject},
		{"ListOrder", testListOrder},
		{"ListPrefix", testListPrefix},
		{"ListManyPages", testListMany},
		{"ListStops", testListStops},
		{"ListDirs", testListDirs},
		{"Delete", testDelete},
		{"RemoveAll", testRemoveAll},
		{"Stat", testStat},
		{"Missing", testMissing},
		{"UnicodeKeys", testUnicode},
		{"BadKeys", testBadKeys},
		{"Cancelled", testCancelled},
		{"Sub", testSub},
		{"RacingWriters", testRace},
		{"RacingCreators", testRaceCreate},
		{"ReadersSeeWholeObjects", testWhole},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) { tc.fn(t, open(t)) })
	}
}

func put(t *testing.T, s objstore.Store, key, data string) {
	t.Helper()
	if err := s.Put(t.Context(), key, []byte(data)); err != nil {
		t.Fatalf("put %s: %v", key, err)
	}
}

func get(t *testing.T, s objstore.Store, key string) string {
	t.Helper()
	data, err := objstore.ReadAll(t.Context(), s, key)
	if err != nil {
		t.Fatalf("get %s: %v", key, err)
	}
	return string(data)
}

func list(t *testing.T, s objstore.Store, prefix string) []string {
	t.Helper()
	var keys []string
	err := s.List(t.Context(), prefix, func(i objstore.Info) error {
		keys = append(keys, i.Key)
		return nil
	})
	if err != nil {
		t.Fatalf("list %q: %v", prefix, err)
	}
	return keys
}

func wantKeys(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func testPutGet(t *testing.T, s objstore.Store) {
	for key, data := range map[string]string{"a": "one", "dir/b": "two", "dir/deep/er/c": "", "x.y-z_0=1": "\x00\xff"} {
		put(t, s, key, data)
		if got := get(t, s, key); got != data {
			t.Errorf("%s: got %q, want %q", key, got, data)
		}
	}
}

func testRanges(t *testing.T, s objstore.Store) {
	const data = "0123456789"
	put(t, s, "d/k", data)
	for _, tc := range []struct {
		offset, length int64
		want           string
	}{
		{0, -1, data}, {0, 10, data}, {0, 4, "0123"}, {3, 4, "3456"}, {3, -1, "3456789"},
		{9, 1, "9"}, {8, 100, "89"}, {10, -1, ""}, {10, 5, ""}, {500, 5, ""}, {500, -1, ""}, {4, 0, ""},
	} {
		r, err := s.Get(t.Context(), "d/k", tc.offset, tc.length)
		if err != nil {
			t.Fatalf("get(%d, %d): %v", tc.offset, tc.length, err)
		}
		got, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil {
			t.Fatalf("read(%d, %d): %v", tc.offset, tc.length, err)
		}
		if string(got) != tc.want {
			t.Errorf("get(%d, %d): got %q, want %q", tc.offset, tc.length, got, tc.want)
		}
	}
	if _, err := s.Get(t.Context(), "d/k", -1, 2); !errkind.Is(err, errkind.Invalid) {
		t.Errorf("negative offset: %v", err)
	}
}

func testPutReplaces(t *testing.T, s objstore.Store) {
	put(t, s, "k", "first, and longer")
	before, err := s.Stat(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "k", "second")
	if got := get(t, s, "k"); got != "second" {
		t.Errorf("got %q", got)
	}
	after, err := s.Stat(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	if before.ETag != "" && before.ETag == after.ETag {
		t.Errorf("ETag %q did not change with the content", after.ETag)
	}
}

func testPutIfAbsent(t *testing.T, s objstore.Store) {
	if err := s.PutIfAbsent(t.Context(), "snapshot/snapshot-1", []byte("mine")); err != nil {
		t.Fatal(err)
	}
	for _, data := range []string{"yours", "mine", ""} {
		err := s.PutIfAbsent(t.Context(), "snapshot/snapshot-1", []byte(data))
		if !errors.Is(err, objstore.ErrExists) || errkind.Of(err) != errkind.Conflict {
			t.Errorf("second put of %q: got %v, want ErrExists", data, err)
		}
		if err != nil && !strings.Contains(err.Error(), "snapshot-1") {
			t.Errorf("error does not name the key: %v", err)
		}
	}
	if got := get(t, s, "snapshot/snapshot-1"); got != "mine" {
		t.Errorf("got %q, want the first writer's", got)
	}
	if err := s.Delete(t.Context(), "snapshot/snapshot-1"); err != nil {
		t.Fatal(err)
	}
	if err := s.PutIfAbsent(t.Context(), "snapshot/snapshot-1", []byte("again")); err != nil {
		t.Errorf("after delete: %v", err)
	}
}

func testBufferReuse(t *testing.T, s objstore.Store) {
	buf := []byte("before")
	if err := s.Put(t.Context(), "put", buf); err != nil {
		t.Fatal(err)
	}
	if err := s.PutIfAbsent(t.Context(), "absent", buf); err != nil {
		t.Fatal(err)
	}
	w, err := s.Create(t.Context(), "create")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(buf); err != nil {
		t.Fatal(err)
	}
	copy(buf, "AFTER!")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"put", "absent", "create"} {
		if got := get(t, s, key); got != "before" {
			t.Errorf("%s: got %q", key, got)
		}
	}
}

func testDelete(t *testing.T, s objstore.Store) {
	put(t, s, "d/a", "1")
	put(t, s, "d/b", "2")
	for range 2 { // the second time it is gone already
		if err := s.Delete(t.Context(), "d/a"); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Delete(t.Context(), "no/such/key"); err != nil {
		t.Errorf("delete of a missing key: %v", err)
	}
	wantKeys(t, "after delete", list(t, s, ""), []string{"d/b"})
	if _, err := objstore.ReadAll(t.Context(), s, "d/a"); !errors.Is(err, objstore.ErrNotFound) {
		t.Errorf("get after delete: %v", err)
	}
}

func testRemoveAll(t *testing.T, s objstore.Store) {
	for _, key := range []string{"db.db/t/snapshot/snapshot-1", "db.db/t/bucket-0/x", "db.db/t2/y", "db.db/t-2"} {
		put(t, s, key, "x")
	}
	if err := objstore.RemoveAll(t.Context(), s, "db.db/t"); err != nil {
		t.Fatal(err)
	}
	wantKeys(t, "after RemoveAll", list(t, s, ""), []string{"db.db/t-2", "db.db/t2/y"})
	dirs, err := s.ListDirs(t.Context(), "db.db")
	if err != nil {
		t.Fatal(err)
	}
	wantKeys(t, "folders after RemoveAll", dirs, []string{"t-2", "t2"})
}

func testStat(t *testing.T, s objstore.Store) {
	put(t, s, "dir/k", "12345")
	info, err := s.Stat(t.Context(), "dir/k")
	if err != nil {
		t.Fatal(err)
	}
	if info.Key != "dir/k" || info.Size != 5 {
		t.Errorf("got %+v", info)
	}
	if age := time.Since(info.ModTime); age < -time.Minute || age > 10*time.Minute {
		t.Errorf("ModTime %s is not about now", info.ModTime)
	}
	err = s.List(t.Context(), "", func(listed objstore.Info) error {
		if listed.Key != info.Key || listed.Size != info.Size || listed.ETag != info.ETag || listed.ModTime.Sub(info.ModTime).Abs() > time.Second {
			t.Errorf("List says %+v, Stat %+v", listed, info)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if uri := s.URI("dir/k"); !strings.HasSuffix(uri, "dir/k") {
		t.Errorf("URI %q", uri)
	}
}

func testSub(t *testing.T, s objstore.Store) {
	put(t, s, "db.db/t/schema/schema-0", "{}")
	put(t, s, "db.db/t2/x", "other")
	table := objstore.Sub(objstore.Sub(s, "db.db/"), "t")
	put(t, table, "snapshot/snapshot-1", "one")
	if got := get(t, s, "db.db/t/snapshot/snapshot-1"); got != "one" {
		t.Errorf("got %q", got)
	}
	wantKeys(t, "list", list(t, table, ""), []string{"schema/schema-0", "snapshot/snapshot-1"})
	wantKeys(t, "list snapshot-", list(t, table, "snapshot/snap"), []string{"snapshot/snapshot-1"})
	dirs, err := table.ListDirs(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	wantKeys(t, "dirs", dirs, []string{"schema", "snapshot"})
	info, err := table.Stat(t.Context(), "schema/schema-0")
	if err != nil || info.Key != "schema/schema-0" || info.Size != 2 {
		t.Errorf("stat: %+v, %v", info, err)
	}
	for _, key := range []string{"../t2/x", "", "/x"} {
		if _, err := table.Stat(t.Context(), key); !errkind.Is(err, errkind.Invalid) {
			t.Errorf("key %q out of the view: %v", key, err)
		}
	}
	_, base := s.(objstore.LocalPather)
	if _, sub := table.(objstore.LocalPather); sub != base {
		t.Errorf("LocalPather: store %t, view %t", base, sub)
	}
	if table.URI("a") != s.URI("db.db/t/a") {
		t.Errorf("URI %q, want %q", table.URI("a"), s.URI("db.db/t/a"))
	}
	if err := objstore.RemoveAll(t.Context(), table, ""); err != nil {
		t.Fatal(err)
	}
	wantKeys(t, "after RemoveAll of the view", list(t, s, ""), []string{"db.db/t2/x"})
}
