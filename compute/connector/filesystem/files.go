package filesystem

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/internal/errkind"
)

// maxFiles bounds one table's files: each has an entry in every epoch record.
const maxFiles = 100_000

// splitPrefix begins a file's split id.
const splitPrefix = "file:"

// file is a file of a table as it was listed.
type file struct {
	path string
	size int64
	etag string // modification time in nanoseconds, hexadecimal
	mod  int64  // milliseconds since 1970
}

func (f file) split() string { return splitPrefix + filepath.ToSlash(f.path) }

func describe(path string, info fs.FileInfo) file {
	return file{path: path, size: info.Size(), etag: strconv.FormatInt(info.ModTime().UnixNano(), 16), mod: info.ModTime().UnixMilli()}
}

// list finds the files of a path, which is a file, a directory (read recursively) or a glob,
// in path order. Names that begin with "." or "_" are not data, as for Flink.
func list(path string) ([]file, error) {
	roots := []string{path}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) && strings.ContainsAny(path, "*?[") {
		var err error
		if roots, err = filepath.Glob(path); err != nil {
			return nil, errkind.Errorf(errkind.Invalid, "filesystem: pattern %s: %w", path, err)
		}
	}
	var out []file
	for _, root := range roots {
		if root != path && hidden(filepath.Base(root)) {
			continue
		}
		if err := walk(root, &out); err != nil {
			return nil, err
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].path < out[j].path })
	return out, nil
}

func hidden(name string) bool { return name[0] == '.' || name[0] == '_' }

func walk(root string, out *[]file) error {
	return filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) && p != root {
				return nil // removed while we were listing
			}
			return fileError("list", p, err)
		}
		skip := p != root && hidden(d.Name())
		switch {
		case skip && d.IsDir():
			return fs.SkipDir
		case skip || d.IsDir():
			return nil
		case len(*out) >= maxFiles:
			return errkind.Errorf(errkind.Exhausted, "filesystem: more than %d files below %s", maxFiles, root)
		}
		info, err := os.Stat(p) // follows links
		if err != nil {
			return fileError("stat", p, err)
		}
		if info.Mode().IsRegular() {
			*out = append(*out, describe(p, info))
		}
		return nil
	})
}

// fileError gives an error of the operating system its kind and names the file.
func fileError(op, path string, err error) error {
	kind := errkind.Unavailable
	switch {
	case errors.Is(err, fs.ErrNotExist):
		kind = errkind.NotFound
	case errors.Is(err, fs.ErrPermission):
		kind = errkind.Denied
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return errkind.Errorf(kind, "filesystem: %s %s: %w", op, path, err)
}

// position is how far a file was read: records counts rows of Parquet and lines of text,
// bytes is the offset behind them in text and 0 in Parquet.
type position struct {
	records, bytes, size int64
	etag                 string
}

func (p position) String() connector.Position {
	return connector.Position(fmt.Sprintf("%d:%d:%d:%s", p.records, p.bytes, p.size, p.etag))
}

func parsePosition(split string, text connector.Position) (position, error) {
	bad := errkind.Errorf(errkind.Corrupt, "filesystem: position %q of %s is not <records>:<bytes>:<size>:<etag>", text, split)
	parts := strings.Split(string(text), ":")
	if len(parts) != 4 || parts[3] == "" {
		return position{}, bad
	}
	var n [3]int64
	for i := range n {
		v, err := strconv.ParseInt(parts[i], 10, 64)
		if err != nil || v < 0 {
			return position{}, bad
		}
		n[i] = v
	}
	return position{n[0], n[1], n[2], parts[3]}, nil
}

// at is the position of a file in offsets, its start if it has none. The file must be what was recorded.
func (f file) at(o connector.Offsets) (position, error) {
	text, ok := o[f.split()]
	if !ok {
		return position{size: f.size, etag: f.etag}, nil
	}
	p, err := parsePosition(f.split(), text)
	if err != nil {
		return p, err
	}
	if p.size != f.size || p.etag != f.etag {
		return p, errkind.Errorf(errkind.Corrupt, "%w: file %s has changed since it was read (was %d bytes, is %d; modification times differ: %v); "+
			"restore it, or start the job over", connector.ErrPositionLost, f.path, p.size, f.size, p.etag != f.etag)
	}
	return p, nil
}

// lost says that a recorded file is gone.
func lost(split string) error {
	return errkind.Errorf(errkind.Corrupt, "%w: file %s was read before and is gone; restore it, or start the job over",
		connector.ErrPositionLost, strings.TrimPrefix(split, splitPrefix))
}

// find stats the file of a split.
func find(split string) (file, error) {
	path := filepath.FromSlash(strings.TrimPrefix(split, splitPrefix))
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return file{}, lost(split)
	}
	if err != nil {
		return file{}, fileError("stat", path, err)
	}
	return describe(path, info), nil
}
