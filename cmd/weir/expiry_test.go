package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-lake/weir/table/expire"
)

// expiryPause lies between two forced expiries of all tables: short enough that versions go while readers work.
const expiryPause = 300 * time.Millisecond

// retainedBeside is how many versions stay while jobs write: Paimon's own minimum.
const retainedBeside = 10

// forcedExpiry takes every version and file away that nothing holds, again and again, from outside the service.
type forcedExpiry struct {
	warehouse string
	tables    []string
	done      map[string]*expire.Done // by table, summed up
}

func newForcedExpiry(warehouse string, tables []string) *forcedExpiry {
	f := &forcedExpiry{warehouse: warehouse, tables: tables, done: map[string]*expire.Done{}}
	for _, name := range tables {
		f.done[name] = &expire.Done{}
	}
	return f
}

func (f *forcedExpiry) path(table string) string {
	return filepath.Join(f.warehouse, "default.db", table)
}

// once expires every table that has a version, down to so many versions.
func (f *forcedExpiry) once(ctx context.Context, retain int) error {
	for _, name := range f.tables {
		if _, err := os.Stat(filepath.Join(f.path(name), "snapshot")); err != nil {
			continue // nothing committed yet
		}
		var out, errs bytes.Buffer
		args := []string{"--json", "table", "expire", f.path(name), "--retain-min", fmt.Sprint(retain), "--retain-max", fmt.Sprint(retain), "--older-than", "1ms"}
		if code := run(ctx, args, strings.NewReader(""), &out, &errs); code != exitDone {
			return fmt.Errorf("expire %s: exit %d: %s", name, code, errs.String())
		}
		var d expire.Done
		if err := json.Unmarshal(out.Bytes(), &d); err != nil {
			return fmt.Errorf("expire %s: %q: %w", name, out.String(), err)
		}
		sum := f.done[name]
		sum.Snapshots = append(sum.Snapshots, d.Snapshots...)
		sum.DataFiles += d.DataFiles
		sum.MetaFiles += d.MetaFiles
	}
	return nil
}

// during expires until the returned function is called, which reports the first error.
func (f *forcedExpiry) during(ctx context.Context) (stop func() error) {
	quit, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-quit:
				ended <- nil
				return
			case <-time.After(expiryPause):
			}
			if err := f.once(ctx, retainedBeside); err != nil {
				ended <- err
				return
			}
		}
	}()
	return func() error {
		close(quit)
		return <-ended
	}
}

// check proves that the table has lost versions and files, has been compacted, and holds just the data files that its
// versions and tags read.
func (f *forcedExpiry) check(t *testing.T, name string) {
	t.Helper()
	ids := numbersOf(t, filepath.Join(f.path(name), "snapshot"), "snapshot-")
	gone := f.done[name]
	levels := map[int]int{}
	newest := f.files(t, name, "--snapshot", fmt.Sprint(ids[len(ids)-1]))
	for _, file := range newest {
		levels[file.Level]++
	}
	read := map[string]bool{}
	for _, id := range ids {
		for _, file := range f.files(t, name, "--snapshot", fmt.Sprint(id)) {
			read[file.File] = true
		}
	}
	for _, line := range strings.Split(strings.TrimSpace(must(t, "", "table", "tag", f.path(name))), "\n") {
		tag, _, _ := strings.Cut(line, "\t")
		if tag == "" {
			continue
		}
		for _, file := range f.files(t, name, "--tag", tag) {
			read[file.File] = true
		}
	}
	t.Logf("%s: versions %d to %d are kept; %d versions, %d data files and %d metadata files are gone; files by level: %v",
		name, ids[0], ids[len(ids)-1], len(gone.Snapshots), gone.DataFiles, gone.MetaFiles, levels)
	if ids[0] == 1 || len(gone.Snapshots) == 0 || gone.DataFiles == 0 || gone.MetaFiles == 0 {
		t.Errorf("%s: nothing has expired", name)
	}
	for _, id := range gone.Snapshots {
		if slices.Contains(ids, int64(id)) {
			t.Errorf("%s: version %d is said to be gone", name, id)
		}
	}
	if len(levels) == 0 || len(levels) == 1 && levels[0] > 0 {
		t.Errorf("%s: it was not compacted", name)
	}
	for _, file := range dataFiles(t, f.path(name)) {
		if !read[file] {
			t.Errorf("%s: data file %s is left and nothing reads it", name, file)
		}
		delete(read, file)
	}
	for file := range read {
		t.Errorf("%s: data file %s is read by a version or a tag and is not there", name, file)
	}
}

// files are the data files that a version of the table reads.
func (f *forcedExpiry) files(t *testing.T, name string, version ...string) []fileInfo {
	t.Helper()
	var out []fileInfo
	text := must(t, "", append([]string{"--json", "table", "files", f.path(name)}, version...)...)
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		var file fileInfo
		if err := json.Unmarshal([]byte(line), &file); err != nil {
			t.Fatalf("%s: %q: %v", name, line, err)
		}
		out = append(out, file)
	}
	return out
}

// fileInfo is what `weir table files --json` says of a file.
type fileInfo struct {
	File  string `json:"file"`
	Level int    `json:"level"`
}

// numbersOf are the numbers in the names of a folder's files, ascending.
func numbersOf(t *testing.T, dir, prefix string) []int64 {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []int64
	for _, e := range entries {
		var n int64
		if _, err := fmt.Sscanf(e.Name(), prefix+"%d", &n); err == nil {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	if len(out) == 0 {
		t.Fatalf("%s: no %s*", dir, prefix)
	}
	return out
}

// dataFiles are the names of the data files under a table's folder.
func dataFiles(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(e.Name(), "data-") {
			out = append(out, e.Name())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
