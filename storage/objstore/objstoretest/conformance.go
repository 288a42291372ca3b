package objstoretest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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

func testCreate(t *testing.T, s objstore.Store) {
	w, err := s.Create(t.Context(), "bucket-0/data-1.parquet")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"PAR1", "", "body", "PAR1"} {
		if n, err := io.WriteString(w, part); err != nil || n != len(part) {
			t.Fatalf("write: %d, %v", n, err)
		}
	}
	if keys := list(t, s, ""); len(keys) != 0 {
		t.Errorf("listed before Close: %q", keys)
	}
	if dirs, err := s.ListDirs(t.Context(), "bucket-0"); err != nil || len(dirs) != 0 {
		t.Errorf("ListDirs before Close: %q, %v", dirs, err)
	}
	if _, err := s.Stat(t.Context(), "bucket-0/data-1.parquet"); !errors.Is(err, objstore.ErrNotFound) {
		t.Errorf("visible before Close: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	w.Abort() // without effect
	if got := get(t, s, "bucket-0/data-1.parquet"); got != "PAR1bodyPAR1" {
		t.Errorf("got %q", got)
	}
	if _, err := w.Write([]byte("x")); err == nil {
		t.Error("write after Close succeeded")
	}
	if err := w.Close(); err == nil {
		t.Error("second Close succeeded")
	}
	empty, err := s.Create(t.Context(), "empty")
	if err != nil {
		t.Fatal(err)
	}
	if err := empty.Close(); err != nil {
		t.Fatal(err)
	}
	if got := get(t, s, "empty"); got != "" {
		t.Errorf("empty object has %q", got)
	}
}

func testCreateTaken(t *testing.T, s objstore.Store) {
	w, err := s.Create(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, "late"); err != nil {
		t.Fatal(err)
	}
	put(t, s, "k", "early")
	if err := w.Close(); !errors.Is(err, objstore.ErrExists) {
		t.Errorf("Close over another's object: %v", err)
	}
	if got := get(t, s, "k"); got != "early" {
		t.Errorf("got %q", got)
	}
}

func testAbort(t *testing.T, s objstore.Store) {
	for _, size := range []int{0, 10, bigBytes} {
		w, err := s.Create(t.Context(), "aborted")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		w.Abort()
		w.Abort()
		if err := w.Close(); err == nil {
			t.Error("Close after Abort succeeded")
		}
		if keys := list(t, s, ""); len(keys) != 0 {
			t.Errorf("after Abort of %d bytes: %q", size, keys)
		}
	}
}

// bigBytes is more than two parts of a multipart upload at S3's smallest part size.
const bigBytes = 11 << 20

func bigData() []byte {
	data := make([]byte, bigBytes)
	x := uint32(1)
	for i := range data {
		x = x*1664525 + 1013904223
		data[i] = byte(x >> 24)
	}
	return data
}

func testBigObject(t *testing.T, s objstore.Store) {
	data := bigData()
	w, err := s.Create(t.Context(), "big")
	if err != nil {
		t.Fatal(err)
	}
	// Pieces that do not divide the part size.
	for rest := data; len(rest) > 0; {
		n := min(len(rest), 1_000_003)
		if _, err := w.Write(rest[:n]); err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got := get(t, s, "big"); got != string(data) {
		t.Errorf("big object differs (%d of %d bytes)", len(got), len(data))
	}
	r, err := s.Get(t.Context(), "big", 5<<20-3, 7)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(got, data[5<<20-3:5<<20+4]) {
		t.Errorf("range over a part's edge: %x, %v", got, err)
	}
	second, err := s.Create(t.Context(), "big")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := second.Write(make([]byte, bigBytes)); err != nil {
		t.Fatal(err)
	}
	if err := second.Close(); !errors.Is(err, objstore.ErrExists) {
		t.Errorf("second big object under one key: %v", err)
	}
	if got := get(t, s, "big"); got != string(data) {
		t.Error("the loser changed the object")
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

func testMissing(t *testing.T, s objstore.Store) {
	put(t, s, "dir/file", "x")
	for _, key := range []string{"none", "dir", "dir/none", "dir/file/below", "no/such/folder/x"} {
		if _, err := s.Get(t.Context(), key, 0, -1); !errors.Is(err, objstore.ErrNotFound) || errkind.Of(err) != errkind.NotFound {
			t.Errorf("get %s: %v", key, err)
		}
		if _, err := s.Get(t.Context(), key, 0, 0); !errors.Is(err, objstore.ErrNotFound) {
			t.Errorf("get of no bytes of %s: %v", key, err)
		}
		_, err := s.Stat(t.Context(), key)
		if !errors.Is(err, objstore.ErrNotFound) || !strings.Contains(err.Error(), key) {
			t.Errorf("stat %s: %v", key, err)
		}
	}
	wantKeys(t, "list of a missing folder", list(t, s, "no/such/"), nil)
	if dirs, err := s.ListDirs(t.Context(), "no/such"); err != nil || len(dirs) != 0 {
		t.Errorf("ListDirs of a missing folder: %q, %v", dirs, err)
	}
}

func testUnicode(t *testing.T, s objstore.Store) {
	keys := []string{"dt=2024-01-01 %20+&?#/k", "Zürich/Ω", "日本/データ", "emoji/😀", "quote'\"/<x>"}
	for _, key := range keys {
		put(t, s, key, key)
	}
	slices.Sort(keys)
	wantKeys(t, "list", list(t, s, ""), keys)
	for _, key := range keys {
		if got := get(t, s, key); got != key {
			t.Errorf("%s: got %q", key, got)
		}
		if err := s.PutIfAbsent(t.Context(), key, nil); !errors.Is(err, objstore.ErrExists) {
			t.Errorf("%s: %v", key, err)
		}
	}
	dirs, err := s.ListDirs(t.Context(), "日本")
	if err != nil {
		t.Fatal(err)
	}
	wantKeys(t, "ListDirs", dirs, []string{"データ"})
}

func testBadKeys(t *testing.T, s objstore.Store) {
	for _, key := range []string{
		"", "/", "/abs", "a//b", "a/", "../up", "a/../b", "a/.", ".", "..", "nul\x00", "\xff\xfe",
		strings.Repeat("k/", 600) + "k", strings.Repeat("s", 256), "a/.weir-tmp-x",
	} {
		_, getErr := s.Get(t.Context(), key, 0, -1)
		_, statErr := s.Stat(t.Context(), key)
		_, createErr := s.Create(t.Context(), key)
		for op, err := range map[string]error{
			"get": getErr, "stat": statErr, "create": createErr,
			"put": s.Put(t.Context(), key, nil), "putIfAbsent": s.PutIfAbsent(t.Context(), key, nil), "delete": s.Delete(t.Context(), key),
		} {
			if !errkind.Is(err, errkind.Invalid) {
				t.Errorf("%s %.30q: got %v, want kind invalid", op, key, err)
			}
		}
	}
	nop := func(objstore.Info) error { return nil }
	for _, prefix := range []string{"/", "/a", "a//", "../", "a/../b"} {
		if err := s.List(t.Context(), prefix, nop); !errkind.Is(err, errkind.Invalid) {
			t.Errorf("list %q: %v", prefix, err)
		}
		if _, err := s.ListDirs(t.Context(), prefix); !errkind.Is(err, errkind.Invalid) && prefix != "/" {
			t.Errorf("ListDirs %q: %v", prefix, err)
		}
	}
	wantKeys(t, "after bad keys", list(t, s, ""), nil)
}

func testCancelled(t *testing.T, s objstore.Store) {
	put(t, s, "k", "data")
	ctx, cancel := context.WithCancel(t.Context())
	w, err := s.Create(ctx, "w")
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	_, getErr := s.Get(ctx, "k", 0, -1)
	_, statErr := s.Stat(ctx, "k")
	_, dirsErr := s.ListDirs(ctx, "")
	_, createErr := s.Create(ctx, "n")
	_, writeErr := w.Write([]byte("x"))
	for op, err := range map[string]error{
		"get": getErr, "stat": statErr, "listDirs": dirsErr, "create": createErr, "write": writeErr, "close": w.Close(),
		"put": s.Put(ctx, "n", nil), "putIfAbsent": s.PutIfAbsent(ctx, "n", nil), "delete": s.Delete(ctx, "k"),
		"list": s.List(ctx, "", func(objstore.Info) error { return nil }),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a cancelled ctx: %v", op, err)
		}
	}
	wantKeys(t, "after cancelled calls", list(t, s, ""), []string{"k"})
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

func testListStops(t *testing.T, s objstore.Store) {
	for i := range 5 {
		put(t, s, fmt.Sprintf("k%d", i), "")
	}
	stop, seen := errors.New("stop"), 0
	err := s.List(t.Context(), "k", func(objstore.Info) error {
		if seen++; seen == 2 {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) || seen != 2 {
		t.Errorf("got %v after %d", err, seen)
	}
}
