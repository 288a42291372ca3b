package objstoretest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
)

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
