package manifest_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/manifest"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
)

const golden = "../testdata/java-1.4.2/"

// javaFiles calls fn for every metadata file that Java wrote.
func javaFiles(t testing.TB, fn func(path, kind string, data []byte)) {
	t.Helper()
	paths, err := filepath.Glob(golden + "*/manifest/*")
	if err != nil || len(paths) < 50 {
		t.Fatalf("%d files, %v", len(paths), err)
	}
	for _, p := range paths {
		data, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		kind := "entries"
		if b := filepath.Base(p); strings.HasPrefix(b, "manifest-list") {
			kind = "list"
		} else if strings.HasPrefix(b, "index-") {
			kind = "index"
		}
		fn(p, kind, data)
	}
}

func again[T any](t *testing.T, path string, data []byte, decode func([]byte) ([]T, error), encode func([]T, string) ([]byte, error)) {
	t.Helper()
	rows, err := decode(data)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	for _, codec := range []string{"zstd", "none", "snappy", "deflate"} {
		out, err := encode(rows, codec)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		back, err := decode(out)
		if err != nil {
			t.Fatalf("%s with %s: %v", path, codec, err)
		}
		if diff := cmp.Diff(rows, back); diff != "" {
			t.Errorf("%s with %s: %s", path, codec, diff)
		}
	}
}

func TestJavaFilesRoundTrip(t *testing.T) {
	javaFiles(t, func(path, kind string, data []byte) {
		switch kind {
		case "list":
			again(t, path, data, manifest.DecodeList, manifest.EncodeList)
		case "index":
			again(t, path, data, manifest.DecodeIndex, manifest.EncodeIndex)
		default:
			again(t, path, data, manifest.DecodeEntries, manifest.EncodeEntries)
		}
	})
}

// The schema in our files is the one in Java's, to the byte, so Java resolves it.
func TestSchemasAreJavas(t *testing.T) {
	head := func(data []byte) string {
		text := string(data)
		from := strings.Index(text, `{"type":"record"`)
		depth := 0
		for i := from; i < len(text); i++ {
			switch text[i] {
			case '{':
				depth++
			case '}':
				if depth--; depth == 0 {
					return text[from : i+1]
				}
			}
		}
		return ""
	}
	ours := map[string]string{}
	for kind, encode := range map[string]func() ([]byte, error){
		"list":    func() ([]byte, error) { return manifest.EncodeList(nil, "") },
		"index":   func() ([]byte, error) { return manifest.EncodeIndex(nil, "") },
		"entries": func() ([]byte, error) { return manifest.EncodeEntries(nil, "") },
	} {
		data, err := encode()
		if err != nil {
			t.Fatal(err)
		}
		ours[kind] = head(data)
	}
	javaFiles(t, func(path, kind string, data []byte) {
		if java := head(data); java != ours[kind] {
			t.Errorf("%s:\n%s\n%s", path, java, ours[kind])
		}
	})
}

// Every live file of every snapshot lies where FileKey says, the snapshot's
// totals agree, and what a list says of a manifest is what Summarize says.
func TestJavaTablesAreConsistent(t *testing.T) {
	root, err := objstore.NewLocal(golden, objstore.LocalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	tables, err := root.ListDirs(t.Context(), "")
	if err != nil || len(tables) < 10 {
		t.Fatalf("%v, %v", tables, err)
	}
	for _, name := range tables {
		t.Run(name, func(t *testing.T) { checkTable(t, objstore.Sub(root, name)) })
	}
}

func checkTable(t *testing.T, store objstore.Store) {
	listed, err := objstore.ReadAll(t.Context(), store, "files.txt")
	if err != nil {
		t.Fatal(err)
	}
	there := strings.Split(strings.TrimSpace(string(listed)), "\n")
	schemas, files := schema.NewFiles(store, ""), manifest.NewFiles(store, "")
	all, err := snapshot.NewManager(store, "").All(t.Context())
	if err != nil || len(all) == 0 {
		t.Fatal(err)
	}
	for _, v := range all {
		s, err := schemas.Get(t.Context(), schema.ID(v.SchemaID))
		if err != nil {
			t.Fatal(err)
		}
		live, err := files.ReadLive(t.Context(), []string{v.BaseManifestList, v.DeltaManifestList}, nil)
		if err != nil {
			t.Fatal(err)
		}
		rows := int64(0)
		for i := range live {
			rows += live[i].File.RowCount
			keys, err := manifest.FileKeys(s, &live[i])
			if err != nil {
				t.Fatal(err)
			}
			for _, k := range keys {
				if !slices.Contains(there, k) {
					t.Errorf("snapshot %d: there is no %s", v.ID, k)
				}
			}
		}
		if rows != v.TotalRecordCount {
			t.Errorf("snapshot %d: files hold %d rows, it says %d", v.ID, rows, v.TotalRecordCount)
		}
		for _, list := range []string{v.BaseManifestList, v.DeltaManifestList} {
			metas, err := files.ReadList(t.Context(), list)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range metas {
				entries, err := files.ReadEntries(t.Context(), m.FileName)
				if err != nil {
					t.Fatal(err)
				}
				ours, err := manifest.Summarize(entries, schema.TypesOf(s.PartitionFields()), m.SchemaID)
				if err != nil {
					t.Fatal(err)
				}
				ours.FileName, ours.FileSize = m.FileName, m.FileSize
				if diff := cmp.Diff(m, ours); diff != "" {
					t.Errorf("snapshot %d, %s: %s", v.ID, m.FileName, diff)
				}
			}
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	good, err := manifest.EncodeEntries([]manifest.Entry{{File: manifest.DataFile{Name: "a", Size: 1}}}, "none")
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < len(good); n++ {
		rows, err := manifest.DecodeEntries(good[:n])
		if err == nil && len(rows) == 0 {
			continue // between header and block: whole, but not what the list says
		}
		if errkind.Of(err) != errkind.Corrupt {
			t.Errorf("cut at %d of %d: %v", n, len(good), err)
		}
	}
	list, err := manifest.EncodeList([]manifest.Meta{{FileName: "m"}}, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := manifest.DecodeEntries(list); errkind.Of(err) != errkind.Corrupt {
		t.Errorf("a list read as a manifest: %v", err)
	}
	for name, e := range map[string]manifest.Entry{
		"no name": {}, "negative size": {File: manifest.DataFile{Name: "a", Size: -1}}, "kind": {Kind: 7, File: manifest.DataFile{Name: "a"}},
	} {
		data, err := manifest.EncodeEntries([]manifest.Entry{e}, "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := manifest.DecodeEntries(data); errkind.Of(err) != errkind.Corrupt {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := manifest.EncodeEntries(nil, "lzo"); errkind.Of(err) != errkind.Invalid {
		t.Errorf("unknown codec: %v", err)
	}
}

// A manifest cut between blocks reads well, so its list has the last word.
func TestCutManifestIsNoticed(t *testing.T) {
	store := objstore.NewMem()
	f := manifest.NewFiles(store, "none")
	m, err := f.WriteEntries(t.Context(), []manifest.Entry{entry(manifest.Add, "a", 0)}, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	list, _, err := f.WriteList(t.Context(), []manifest.Meta{m})
	if err != nil {
		t.Fatal(err)
	}
	none, err := manifest.EncodeEntries(nil, "none")
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Put(t.Context(), manifest.Key(m.FileName), none); err != nil {
		t.Fatal(err)
	}
	if _, err := manifest.NewFiles(store, "").ReadLive(t.Context(), []string{list}, nil); errkind.Of(err) != errkind.Corrupt || !strings.Contains(err.Error(), m.FileName) {
		t.Errorf("%v", err)
	}
}

func entry(kind manifest.EntryKind, name string, level int) manifest.Entry {
	return manifest.Entry{Kind: kind, Partition: schema.EmptyRow(), TotalBuckets: 1, File: manifest.DataFile{Name: name, Level: level}}
}

func TestLive(t *testing.T) {
	add, del := manifest.Add, manifest.Delete
	for name, c := range map[string]struct {
		entries []manifest.Entry
		want    []string
		corrupt bool
	}{
		"add and delete": {[]manifest.Entry{entry(add, "a", 0), entry(add, "b", 0), entry(del, "a", 0)}, []string{"b"}, false},
		"upgrade":        {[]manifest.Entry{entry(add, "a", 0), entry(del, "a", 0), entry(add, "a", 5)}, []string{"a"}, false},
		"added twice":    {[]manifest.Entry{entry(add, "a", 0), entry(add, "a", 0)}, nil, true},
		"never added":    {[]manifest.Entry{entry(del, "a", 0)}, nil, true},
		"removed twice":  {[]manifest.Entry{entry(add, "a", 0), entry(del, "a", 0), entry(del, "a", 0)}, nil, true},
	} {
		live, err := manifest.Live(c.entries)
		if c.corrupt {
			if errkind.Of(err) != errkind.Corrupt {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		var got []string
		for _, e := range live {
			got = append(got, e.File.Name)
		}
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
}

// Merged by any policy, manifests hold the same live files.
func TestMergeKeepsLiveFiles(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		store := objstore.NewMem()
		f := manifest.NewFiles(store, "none")
		var metas []manifest.Meta
		live := map[string]bool{}
		for i := range rapid.IntRange(0, 12).Draw(r, "manifests") {
			var entries []manifest.Entry
			for j := range rapid.IntRange(1, 6).Draw(r, "entries") {
				name := fmt.Sprintf("f%d-%d", i, j)
				entries = append(entries, entry(manifest.Add, name, 0))
				live[name] = true
			}
			for _, name := range slices.Sorted(mapKeys(live)) {
				if !strings.HasPrefix(name, fmt.Sprintf("f%d-", i)) && rapid.IntRange(0, 3).Draw(r, "delete") == 0 {
					entries = append(entries, entry(manifest.Delete, name, 0))
					delete(live, name)
				}
			}
			m, err := f.WriteEntries(t.Context(), entries, nil, 0)
			if err != nil {
				r.Fatal(err)
			}
			metas = append(metas, m)
		}
		policy := manifest.MergePolicy{
			TargetSize: rapid.Int64Range(1, 8000).Draw(r, "target"), MinCount: rapid.IntRange(1, 8).Draw(r, "count"),
			FullSize: rapid.Int64Range(1, 20000).Draw(r, "full"),
		}
		merged, created, err := f.Merge(t.Context(), metas, policy, nil)
		if err != nil {
			r.Fatal(err)
		}
		list, _, err := f.WriteList(t.Context(), merged)
		if err != nil {
			r.Fatal(err)
		}
		entries, err := manifest.NewFiles(store, "").ReadLive(t.Context(), []string{list}, nil)
		if err != nil {
			r.Fatal(err)
		}
		got := map[string]bool{}
		for _, e := range entries {
			got[e.File.Name] = true
		}
		if diff := cmp.Diff(live, got); diff != "" {
			r.Fatal(diff)
		}
		for _, name := range created {
			if !slices.ContainsFunc(merged, func(m manifest.Meta) bool { return m.FileName == name }) {
				r.Fatalf("%s was written and is not listed", name)
			}
		}
	})
}

func mapKeys(m map[string]bool) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// What a Files has written it knows as if it had read it.
func TestWrittenFilesAreCachedAsRead(t *testing.T) {
	store := objstore.NewMem()
	f := manifest.NewFiles(store, "")
	one := int64(1)
	entries := []manifest.Entry{{File: manifest.DataFile{Name: "a", ExtraFiles: []string{"a.index"}, DeleteRowCount: &one, ValueStatsCols: []string{}, Source: manifest.SourceCompact}}, entry(manifest.Delete, "b", 3)}
	m, err := f.WriteEntries(t.Context(), entries, nil, 4)
	if err != nil {
		t.Fatal(err)
	}
	list, _, err := f.WriteList(t.Context(), []manifest.Meta{m})
	if err != nil {
		t.Fatal(err)
	}
	other := manifest.NewFiles(store, "")
	for i, get := range []func(f *manifest.Files) (any, error){
		func(f *manifest.Files) (any, error) { return f.ReadEntries(t.Context(), m.FileName) },
		func(f *manifest.Files) (any, error) { return f.ReadList(t.Context(), list) },
	} {
		cached, err1 := get(f)
		read, err2 := get(other)
		if diff := cmp.Diff(read, cached); err1 != nil || err2 != nil || diff != "" {
			t.Errorf("%d: %v, %v: read (-), cached (+):\n%s", i, err1, err2, diff)
		}
	}
}

func TestCacheIsBounded(t *testing.T) {
	store := objstore.NewMem()
	f := manifest.NewFiles(store, "none")
	var names []string
	for i := range 3 {
		var entries []manifest.Entry
		for j := range 30_000 {
			entries = append(entries, entry(manifest.Add, fmt.Sprintf("f%d-%d", i, j), 0))
		}
		m, err := f.WriteEntries(t.Context(), entries, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, m.FileName)
		if _, err := f.ReadEntries(t.Context(), m.FileName); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range names {
		if err := f.Delete(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.ReadEntries(t.Context(), names[0]); !errors.Is(err, objstore.ErrNotFound) {
		t.Errorf("the oldest of 90,000 entries is still in memory: %v", err)
	}
	if _, err := f.ReadEntries(t.Context(), names[2]); err != nil {
		t.Errorf("the newest is not: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	n := 0
	javaFiles(f, func(_, kind string, data []byte) {
		if n++; n%20 == 0 || kind == "index" { // a few of each; more only slow the start
			f.Add(data)
		}
	})
	f.Fuzz(func(t *testing.T, data []byte) {
		for name, decode := range map[string]func([]byte) error{
			"entries": func(b []byte) error { _, err := manifest.DecodeEntries(b); return err },
			"list":    func(b []byte) error { _, err := manifest.DecodeList(b); return err },
			"index":   func(b []byte) error { _, err := manifest.DecodeIndex(b); return err },
		} {
			if err := decode(data); err != nil && errkind.Of(err) != errkind.Corrupt && errkind.Of(err) != errkind.Invalid {
				t.Errorf("%s: %v is of kind %v", name, err, errkind.Of(err))
			}
		}
	})
}
