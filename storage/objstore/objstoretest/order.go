package objstoretest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/weir-lake/weir/storage/objstore"
)

// orderKeys sort differently as keys and as paths: "-" and "." come before "/".
var orderKeys = []string{"a-b", "a/c", "a.b/d", "a0", "a/b/e", "a/b-f", "A", "b/snapshot-10", "b/snapshot-9", "b/snapshot-1", "b/EARLIEST", "é"}

func testListOrder(t *testing.T, s objstore.Store) {
	want := slices.Clone(orderKeys)
	for _, key := range want {
		put(t, s, key, key)
	}
	slices.Sort(want)
	wantKeys(t, "list", list(t, s, ""), want)
}

func testListPrefix(t *testing.T, s objstore.Store) {
	for _, key := range orderKeys {
		put(t, s, key, key)
	}
	for prefix, want := range map[string][]string{
		"a/":            {"a/b-f", "a/b/e", "a/c"},
		"a":             {"a-b", "a.b/d", "a/b-f", "a/b/e", "a/c", "a0"},
		"a/b":           {"a/b-f", "a/b/e"},
		"a/b/":          {"a/b/e"},
		"b/snapshot-1":  {"b/snapshot-1", "b/snapshot-10"},
		"b/snapshot-10": {"b/snapshot-10"},
		"A":             {"A"},
		"A/":            nil,
		"zz":            nil,
	} {
		wantKeys(t, "prefix "+prefix, list(t, s, prefix), want)
	}
}

// listManyObjects is more than one page of an S3 listing (1,000 keys).
const listManyObjects = 1_050

func testListMany(t *testing.T, s objstore.Store) {
	if testing.Short() {
		t.Skip("puts a thousand objects")
	}
	var want []string
	for i := range listManyObjects {
		key := fmt.Sprintf("m/%05d", i)
		if i%50 == 0 {
			key = fmt.Sprintf("m/%05d/below", i)
		}
		put(t, s, key, "")
		want = append(want, key)
	}
	wantKeys(t, "list of many", list(t, s, "m/"), want)
	dirs, err := s.ListDirs(t.Context(), "m")
	if err != nil || len(dirs) != listManyObjects || !slices.IsSorted(dirs) {
		t.Errorf("ListDirs of many: %d names, sorted %t, %v", len(dirs), slices.IsSorted(dirs), err)
	}
}

func testListDirs(t *testing.T, s objstore.Store) {
	for _, key := range []string{"db.db/t/schema/schema-0", "db.db/t/snapshot/snapshot-1", "db.db/t-b/x", "db.db/file", "other.db/y", "top"} {
		put(t, s, key, "")
	}
	for dir, want := range map[string][]string{
		"":           {"db.db", "other.db", "top"},
		"db.db":      {"file", "t", "t-b"},
		"db.db/":     {"file", "t", "t-b"},
		"db.db/t":    {"schema", "snapshot"},
		"db.db/file": nil,
		"db":         nil,
	} {
		got, err := s.ListDirs(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		wantKeys(t, "dirs of "+dir, got, want)
	}
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
