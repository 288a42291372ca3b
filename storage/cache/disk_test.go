package cache_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/cache"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/storage/objstore/faultstore"
)

// dataKey returns a name as Paimon gives data files, the same for one n.
func dataKey(n int) string {
	return fmt.Sprintf("db.db/t/bucket-0/data-%s-0.parquet", uuid.NewSHA1(uuid.Nil, fmt.Append(nil, n)))
}

func newStore(t *testing.T, rules string) *faultstore.Store {
	t.Helper()
	s, err := faultstore.New(objstore.NewMem(), faultstore.Options{Rules: rules})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t *testing.T, s objstore.Store, key, data string) {
	t.Helper()
	if err := s.Put(t.Context(), key, []byte(data)); err != nil {
		t.Fatal(err)
	}
}

func openCache(t *testing.T, dir string, bytesMax int64) *cache.Disk {
	t.Helper()
	d, err := cache.Open(dir, bytesMax)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// read takes the object through the cache and gives the file back at once.
func read(t *testing.T, d *cache.Disk, s objstore.Store, key string, size int64) string {
	t.Helper()
	path, release, err := d.Path(t.Context(), s, key, size)
	if err != nil {
		t.Fatalf("path of %s: %v", key, err)
	}
	defer release()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestPathFetchesOnce(t *testing.T) {
	s := newStore(t, "")
	put(t, s, dataKey(1), "hello")
	d := openCache(t, t.TempDir(), 1000)
	for range 3 {
		if got := read(t, d, s, dataKey(1), 5); got != "hello" {
			t.Errorf("got %q", got)
		}
	}
	if got := read(t, d, s, dataKey(1), -1); got != "hello" { // length unknown
		t.Errorf("got %q", got)
	}
	if n := s.Counts()[faultstore.OpGet]; n != 1 {
		t.Errorf("%d gets", n)
	}
	if st := d.Stats(); st.Hits != 3 || st.Misses != 1 || st.Bytes != 5 || st.Files != 1 {
		t.Errorf("stats %+v", st)
	}
}

func TestPathOfLocalStoreIsTheFile(t *testing.T) {
	local, err := objstore.NewLocal(t.TempDir(), objstore.LocalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	put(t, local, "t/"+dataKey(1), "x")
	d := openCache(t, t.TempDir(), 1)
	path, release, err := d.Path(t.Context(), objstore.Sub(local, "t"), dataKey(1), 1)
	if err != nil || path != local.LocalPath("t/"+dataKey(1)) {
		t.Errorf("got %s, %v", path, err)
	}
	release()
}

func TestChangedObjectIsFetchedAgain(t *testing.T) {
	s := newStore(t, "")
	d := openCache(t, t.TempDir(), 1000)
	for _, text := range []string{"first", "second", "third"} {
		put(t, s, "files/flights.parquet", text)
		for range 2 {
			if got := read(t, d, s, "files/flights.parquet", int64(len(text))); got != text {
				t.Errorf("got %q, want %q", got, text)
			}
		}
	}
	if n := s.Counts()[faultstore.OpGet]; n != 3 {
		t.Errorf("%d gets", n)
	}
}

func TestEvictionKeepsUsedFiles(t *testing.T) {
	s := newStore(t, "")
	for i := range 5 {
		put(t, s, dataKey(i), strings.Repeat("x", 40))
	}
	d := openCache(t, t.TempDir(), 100) // two fit
	inUse, release, err := d.Path(t.Context(), s, dataKey(0), 40)
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i < 5; i++ {
		read(t, d, s, dataKey(i), 40)
	}
	if _, err := os.Stat(inUse); err != nil {
		t.Errorf("a file in use was removed: %v", err)
	}
	if st := d.Stats(); st.Evicted != 3 || st.Bytes != 80 {
		t.Errorf("stats %+v", st)
	}
	other, otherRelease, err := d.Path(t.Context(), s, dataKey(4), 40)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.Path(t.Context(), s, dataKey(1), 40); !errkind.Is(err, errkind.Exhausted) {
		t.Errorf("all room in use: %v", err)
	}
	release()
	release() // a second time does not free another caller's file
	read(t, d, s, dataKey(1), 40)
	if _, err := os.Stat(inUse); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the released file stayed: %v", err)
	}
	if _, err := os.Stat(other); err != nil {
		t.Error(err)
	}
	otherRelease()
	if _, _, err := d.Path(t.Context(), s, dataKey(2), 40_000); !errkind.Is(err, errkind.Exhausted) {
		t.Errorf("larger than the cache: %v", err)
	}
}

func TestLeastRecentlyUsedGoesFirst(t *testing.T) {
	s := newStore(t, "")
	for i := range 4 {
		put(t, s, dataKey(i), strings.Repeat("x", 30))
	}
	d := openCache(t, t.TempDir(), 100) // three fit
	for _, i := range []int{0, 1, 2, 0, 3, 0, 2, 3} {
		read(t, d, s, dataKey(i), 30)
	}
	if n := s.Counts()[faultstore.OpGet]; n != 4 { // 1 went, nobody asked for it again
		t.Errorf("%d gets", n)
	}
}

func TestConcurrentCallersShareOneFetch(t *testing.T) {
	gate := make(chan struct{})
	s, err := faultstore.New(objstore.NewMem(), faultstore.Options{
		Rules: "get **: delay 1s",
		Sleep: func(ctx context.Context, _ time.Duration) error {
			select {
			case <-gate:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, dataKey(1), "hello")
	d := openCache(t, t.TempDir(), 1000)
	var ok, cancelled atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	var open sync.Once
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			c := t.Context()
			if i%2 == 0 {
				c = ctx
			}
			_, release, err := d.Path(c, s, dataKey(1), 5)
			switch {
			case err == nil:
				release()
				ok.Add(1)
			case errors.Is(err, context.Canceled) && i%2 == 0:
				cancelled.Add(1)
			default:
				t.Error(err)
			}
			if i%2 == 0 && cancelled.Load() == 10 {
				open.Do(func() { close(gate) }) // all callers that give up have; the others still wait
			}
		})
	}
	cancel()
	wg.Wait()
	if ok.Load() != 10 || cancelled.Load() != 10 {
		t.Errorf("%d served, %d cancelled", ok.Load(), cancelled.Load())
	}
	if got := read(t, d, s, dataKey(1), 5); got != "hello" {
		t.Errorf("got %q", got)
	}
}

// A fetch all callers have given up ends, and frees its room.
func TestAbandonedFetchEnds(t *testing.T) {
	s := newStore(t, "get **: delay 1h")
	put(t, s, dataKey(1), "hello")
	d := openCache(t, t.TempDir(), 1000)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, _, err := d.Path(ctx, s, dataKey(1), 5)
		done <- err
	}()
	for s.Counts()[faultstore.OpGet] == 0 { // until the fetch is under way
		runtime.Gosched()
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if st := d.Stats(); st.Bytes != 0 || st.Files != 0 {
		t.Errorf("stats %+v", st)
	}
	if err := s.SetRules(""); err != nil {
		t.Fatal(err)
	}
	if got := read(t, d, s, dataKey(1), 5); got != "hello" {
		t.Errorf("got %q", got)
	}
}

func TestFetchFaults(t *testing.T) {
	for rule, kind := range map[string]errkind.Kind{
		"get ** 1st: error":      errkind.Unavailable,
		"get ** 1st: not-found":  errkind.NotFound,
		"get ** 1st: cut 3":      errkind.Unavailable,
		"get ** 1st: truncate 3": errkind.Corrupt,
	} {
		s := newStore(t, rule)
		put(t, s, dataKey(1), "hello")
		dir := t.TempDir()
		d := openCache(t, dir, 1000)
		_, _, err := d.Path(t.Context(), s, dataKey(1), 5)
		if errkind.Of(err) != kind || !strings.Contains(fmt.Sprint(err), dataKey(1)) {
			t.Errorf("%s: %v", rule, err)
		}
		if st := d.Stats(); st.Bytes != 0 || st.Files != 0 {
			t.Errorf("%s: stats %+v", rule, st)
		}
		if left := files(t, dir); len(left) != 0 {
			t.Errorf("%s: left %q", rule, left)
		}
		if got := read(t, d, s, dataKey(1), 5); got != "hello" { // an error is not remembered
			t.Errorf("%s: then %q", rule, got)
		}
	}
}

func TestWrongLength(t *testing.T) {
	s := newStore(t, "")
	put(t, s, dataKey(1), "hello")
	d := openCache(t, t.TempDir(), 1000)
	for _, size := range []int64{0, 4, 6, 100} {
		if _, _, err := d.Path(t.Context(), s, dataKey(1), size); !errkind.Is(err, errkind.Corrupt) {
			t.Errorf("size %d: %v", size, err)
		}
	}
	read(t, d, s, dataKey(1), 5)
	if _, _, err := d.Path(t.Context(), s, dataKey(1), 4); !errkind.Is(err, errkind.Corrupt) {
		t.Errorf("another length than before: %v", err)
	}
}

// files lists what is in the folder besides the lock.
func files(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if e.Name() != "lock" {
			names = append(names, e.Name())
		}
	}
	return names
}

// fillThenClose leaves a cache with n copies of 10 bytes and returns their paths.
func fillThenClose(t *testing.T, dir string, s objstore.Store, n int) []string {
	t.Helper()
	d, err := cache.Open(dir, 1000)
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for i := range n {
		put(t, s, dataKey(i), fmt.Sprintf("object %03d", i))
		path, release, err := d.Path(t.Context(), s, dataKey(i), 10)
		if err != nil {
			t.Fatal(err)
		}
		release()
		paths = append(paths, path)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	return paths
}

func TestReopenUsesAndChecksCopies(t *testing.T) {
	s, dir := newStore(t, ""), t.TempDir()
	paths := fillThenClose(t, dir, s, 6)
	damage := []func() error{
		func() error { return os.WriteFile(paths[1], []byte("objecT 001"), 0o600) }, // same length
		func() error { return os.Truncate(paths[2], 4) },
		func() error { return os.Remove(paths[3] + ".sum") },
		func() error { return os.WriteFile(paths[4]+".sum", []byte("weir-cache-1 zz"), 0o600) },
		func() error { return os.Remove(paths[5]) },
		func() error { return os.WriteFile(filepath.Join(dir, "half.tmp"), []byte("x"), 0o600) },
	}
	for _, fn := range damage {
		if err := fn(); err != nil {
			t.Fatal(err)
		}
	}
	before := s.Counts()[faultstore.OpGet]
	d := openCache(t, dir, 1000)
	if st := d.Stats(); st.Files != 2 || st.Bytes != 20 { // 0, and 1 whose damage shows at its use
		t.Errorf("stats after open %+v; files %q", st, files(t, dir))
	}
	for i := range paths {
		if got, want := read(t, d, s, dataKey(i), 10), fmt.Sprintf("object %03d", i); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if n := s.Counts()[faultstore.OpGet] - before; n != 5 {
		t.Errorf("%d gets, want one for each damaged copy", n)
	}
	if st := d.Stats(); st.Damaged != 1 || st.Files != 6 {
		t.Errorf("stats %+v", st)
	}
	if left := files(t, dir); len(left) != 12 {
		t.Errorf("files %q", left)
	}
}

func TestReopenWithLessRoom(t *testing.T) {
	s, dir := newStore(t, ""), t.TempDir()
	fillThenClose(t, dir, s, 6)
	d := openCache(t, dir, 25)
	if st := d.Stats(); st.Files != 2 || st.Bytes != 20 {
		t.Errorf("stats %+v", st)
	}
	if left := files(t, dir); len(left) != 4 {
		t.Errorf("files %q", left)
	}
}

func TestOneProcessOwnsTheFolder(t *testing.T) {
	dir := t.TempDir()
	d := openCache(t, dir, 10)
	if _, err := cache.Open(dir, 10); !errkind.Is(err, errkind.Conflict) {
		t.Errorf("second owner: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	s := newStore(t, "")
	put(t, s, dataKey(1), "x")
	if _, _, err := d.Path(t.Context(), s, dataKey(1), 1); !errkind.Is(err, errkind.Unavailable) {
		t.Errorf("after Close: %v", err)
	}
	again := openCache(t, dir, 10)
	read(t, again, s, dataKey(1), 1)
	if _, err := cache.Open(t.TempDir(), 0); !errkind.Is(err, errkind.Invalid) {
		t.Errorf("no room: %v", err)
	}
}

func TestImmutable(t *testing.T) {
	for key, want := range map[string]bool{
		dataKey(1): true,
		"manifest/manifest-0f8fad5b-d9cb-469f-a165-70867728950e-0": true,
		"0f8fad5b-d9cb-469f-a165-70867728950e/LATEST":              false,
		"snapshot/snapshot-1":                                      false,
		"flights.parquet":                                          false,
	} {
		if cache.Immutable(key) != want {
			t.Errorf("%s: want %t", key, want)
		}
	}
}

// TestDiskModel: whatever is asked, used and released in whatever order, the cache
// hands out the right bytes, keeps what is in use and stays within its limit.
func TestDiskModel(t *testing.T) {
	const limit, objects = 100, 12
	s := newStore(t, "get ** 10%: error\nget ** 10%: cut 3")
	body := func(i int) string { return strings.Repeat(string(rune('a'+i)), 5+i*4) }
	for i := range objects {
		put(t, s, dataKey(i), body(i))
	}
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		d, err := cache.Open(dir, limit)
		if err != nil {
			rt.Fatal(err)
		}
		defer d.Close()
		type use struct {
			path    string
			object  int
			release func()
		}
		var uses []use
		check := func(u use) {
			if data, err := os.ReadFile(u.path); err != nil || string(data) != body(u.object) {
				rt.Fatalf("object %d: %q, %v", u.object, data, err)
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"path": func(rt *rapid.T) {
				i := rapid.IntRange(0, objects-1).Draw(rt, "object")
				path, release, err := d.Path(t.Context(), s, dataKey(i), int64(len(body(i))))
				switch errkind.Of(err) {
				case errkind.Exhausted, errkind.Unavailable:
					return
				}
				if err != nil {
					rt.Fatal(err)
				}
				uses = append(uses, use{path, i, release})
			},
			"release": func(rt *rapid.T) {
				if len(uses) == 0 {
					rt.Skip("nothing in use")
				}
				i := rapid.IntRange(0, len(uses)-1).Draw(rt, "use")
				check(uses[i])
				uses[i].release()
				uses = append(uses[:i], uses[i+1:]...)
			},
			"": func(rt *rapid.T) {
				for _, u := range uses {
					check(u)
				}
				if st := d.Stats(); st.Bytes > limit {
					rt.Fatalf("over the limit: %+v", st)
				}
			},
		})
	})
}

func TestPathAgainstBadStore(t *testing.T) {
	d := openCache(t, t.TempDir(), 100)
	if _, _, err := d.Path(t.Context(), objstore.NewMem(), "../x", 1); !errkind.Is(err, errkind.Invalid) {
		t.Errorf("bad key: %v", err)
	}
	if _, _, err := d.Path(t.Context(), objstore.NewMem(), "missing", 1); !errors.Is(err, objstore.ErrNotFound) {
		t.Errorf("missing: %v", err)
	}
}
