package objstore_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
)

const (
	childDirEnv = "OBJSTORE_TEST_CHILD_DIR"
	childBytes  = 256 << 10
)

// TestMain runs this binary as a writer to be killed when childDirEnv is set.
func TestMain(m *testing.M) {
	if dir := os.Getenv(childDirEnv); dir != "" {
		childWriter(dir)
	}
	os.Exit(m.Run())
}

// childWriter puts objects by every way there is, for ever. Each object holds one
// repeated byte and has one length, so that a part of it shows.
func childWriter(dir string) {
	s, err := objstore.NewLocal(dir, objstore.LocalOptions{})
	if err != nil {
		panic(err)
	}
	ctx := exampleContext()
	for i := 0; ; i++ {
		data := bytes.Repeat([]byte{byte('a' + i%26)}, childBytes)
		if err := s.PutIfAbsent(ctx, fmt.Sprintf("absent/d%d/%d", i%7, i), data); err != nil && !errors.Is(err, objstore.ErrExists) {
			panic(err)
		}
		if err := s.Put(ctx, "put/hint", data); err != nil {
			panic(err)
		}
		w, err := s.Create(ctx, fmt.Sprintf("created/%d-%d", os.Getpid(), i))
		if err != nil {
			panic(err)
		}
		for rest := data; len(rest) > 0; rest = rest[4096:] {
			if _, err := w.Write(rest[:4096]); err != nil {
				panic(err)
			}
		}
		if err := w.Close(); err != nil {
			panic(err)
		}
		fmt.Print(".")
	}
}

func TestLocalKilledWriterLeavesNoHalfObject(t *testing.T) {
	dir := t.TempDir()
	s, err := objstore.NewLocal(dir, objstore.LocalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	kills := 10
	if testing.Short() {
		kills = 3
	}
	for kill := range kills {
		killWriter(t, dir, 1+kill*3)
		err := s.List(t.Context(), "", func(info objstore.Info) error {
			data, err := objstore.ReadAll(t.Context(), s, info.Key)
			if err != nil {
				return err
			}
			if len(data) != childBytes || bytes.Count(data, data[:1]) != childBytes {
				t.Errorf("%s: half an object: %d bytes", info.Key, len(data))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.SweepTemp(t.Context(), "", 0); err != nil {
		t.Fatal(err)
	}
	if left := tempFiles(t, dir); len(left) != 0 {
		t.Errorf("after SweepTemp: %q", left)
	}
}

// killWriter lets a child make some rounds and kills it in the next.
func killWriter(t *testing.T, dir string, rounds int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDirEnv+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, rounds)); err != nil {
		t.Errorf("the writer ended by itself: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait() // reports the kill
}

func tempFiles(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(dir, func(p string, _ os.DirEntry, err error) error {
		if strings.HasPrefix(filepath.Base(p), ".weir-tmp-") {
			found = append(found, p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestLocalTempFilesAreHiddenAndSwept(t *testing.T) {
	s := newLocal(t, objstore.LocalOptions{})
	w, err := s.Create(t.Context(), "a/open")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, "x"); err != nil {
		t.Fatal(err)
	}
	if n := len(tempFiles(t, s.LocalPath(""))); n != 1 {
		t.Fatalf("%d hidden files while one object is open", n)
	}
	if n, err := s.SweepTemp(t.Context(), "a", time.Hour); n != 0 || err != nil {
		t.Errorf("sweep took a living writer's file: %d, %v", n, err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if left := tempFiles(t, s.LocalPath("")); len(left) != 0 {
		t.Errorf("after Close: %q", left)
	}
	stale := s.LocalPath("a/.weir-tmp-0123")
	if err := os.WriteFile(stale, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := s.SweepTemp(t.Context(), "", 0); n != 1 || err != nil {
		t.Errorf("sweep: %d, %v", n, err)
	}
}

func TestLocalFoldersAndFilesInTheWay(t *testing.T) {
	s := newLocal(t, objstore.LocalOptions{})
	if err := s.Put(t.Context(), "d/file", []byte("x")); err != nil {
		t.Fatal(err)
	}
	for op, err := range map[string]error{
		"put over a folder":          s.Put(t.Context(), "d", nil),
		"putIfAbsent over a folder":  s.PutIfAbsent(t.Context(), "d", nil),
		"put below a file":           s.Put(t.Context(), "d/file/x", nil),
		"putIfAbsent below a file":   s.PutIfAbsent(t.Context(), "d/file/x", nil),
		"putIfAbsent deeper, a file": s.PutIfAbsent(t.Context(), "d/file/x/y/z", nil),
	} {
		if err == nil || errors.Is(err, objstore.ErrExists) {
			t.Errorf("%s: %v", op, err)
		}
	}
	if err := s.Delete(t.Context(), "d"); err != nil {
		t.Errorf("delete of a folder: %v", err)
	}
	if data, err := objstore.ReadAll(t.Context(), s, "d/file"); err != nil || string(data) != "x" {
		t.Errorf("got %q, %v", data, err)
	}
}

func TestLocalSymbolicLinks(t *testing.T) {
	s := newLocal(t, objstore.LocalOptions{})
	if err := s.Put(t.Context(), "real/file", []byte("x")); err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{"link": "real", "dangling": "nowhere", "real/alias": "file"} {
		if err := os.Symlink(to, s.LocalPath(from)); err != nil {
			t.Fatal(err)
		}
	}
	var keys []string
	collect := func(i objstore.Info) error { keys = append(keys, i.Key); return nil }
	if err := s.List(t.Context(), "", collect); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(keys); got != "[link/alias link/file real/alias real/file]" {
		t.Errorf("list: %s", got)
	}
	if err := os.Symlink("..", s.LocalPath("real/loop")); err != nil {
		t.Fatal(err)
	}
	if err := s.List(t.Context(), "", collect); !errkind.Is(err, errkind.Invalid) {
		t.Errorf("a link to a folder above: %v", err)
	}
	if err := objstore.RemoveAll(t.Context(), newLocal(t, objstore.LocalOptions{}), ""); err != nil {
		t.Errorf("RemoveAll of an empty store: %v", err)
	}
}

func TestLocalRootThatIsAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := objstore.NewLocal(path, objstore.LocalOptions{}); !errkind.Is(err, errkind.Invalid) {
		t.Errorf("got %v", err)
	}
	if _, err := objstore.NewLocal("", objstore.LocalOptions{}); !errkind.Is(err, errkind.Invalid) {
		t.Errorf("got %v", err)
	}
}

func TestLocalRemovesEmptyFoldersOnlyInRemoveAll(t *testing.T) {
	s := newLocal(t, objstore.LocalOptions{})
	if err := s.Put(t.Context(), "db.db/t/schema/schema-0", nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), "db.db/t/schema/schema-0"); err != nil {
		t.Fatal(err)
	}
	if dirs, err := s.ListDirs(t.Context(), "db.db"); err != nil || len(dirs) != 1 {
		t.Errorf("after Delete: %q, %v", dirs, err)
	}
	if err := objstore.RemoveAll(t.Context(), objstore.Sub(s, "db.db"), "t"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.LocalPath("db.db")); err != nil {
		t.Errorf("the folder above went too: %v", err)
	}
	if _, err := os.Stat(s.LocalPath("db.db/t")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder stayed: %v", err)
	}
}

// A full disk and a folder that may not be written keep the object as it was.
func TestLocalFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full here")
	}
	s := newLocal(t, objstore.LocalOptions{})
	if err := s.Put(t.Context(), "k", []byte("before")); err != nil {
		t.Fatal(err)
	}
	// A limit on file size fails the write as a full disk does: with a short write.
	cmd := exec.Command("sh", "-c", `ulimit -f 1; exec "$0" -test.run '^TestLocalFullDiskChild$' -test.v`, os.Args[0])
	cmd.Env = append(os.Environ(), "OBJSTORE_TEST_FULL="+s.LocalPath(""))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("child: %v\n%s", err, out)
	}
	if data, err := objstore.ReadAll(t.Context(), s, "k"); err != nil || string(data) != "before" {
		t.Errorf("got %.20q, %v", data, err)
	}
	if left := tempFiles(t, s.LocalPath("")); len(left) != 0 {
		t.Errorf("hidden files stayed: %q", left)
	}
}

func TestLocalFullDiskChild(t *testing.T) {
	dir := os.Getenv("OBJSTORE_TEST_FULL")
	if dir == "" {
		t.Skip("run by TestLocalFullDisk")
	}
	s, err := objstore.NewLocal(dir, objstore.LocalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	big := make([]byte, 1<<20)
	if err := s.Put(t.Context(), "k", big); err == nil {
		t.Error("put beyond the limit succeeded")
	}
	if err := s.PutIfAbsent(t.Context(), "n", big); err == nil || errors.Is(err, objstore.ErrExists) {
		t.Errorf("putIfAbsent beyond the limit: %v", err)
	}
}
