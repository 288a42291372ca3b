package objstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/weir-lake/weir/internal/errkind"
)

// listDepthMax bounds the walk: a symbolic link to a folder above itself would
// otherwise be followed until the kernel refuses, at 40. Paimon needs about eight.
const listDepthMax = 32

// List implements Store. Objects put or deleted meanwhile may or may not be seen.
func (l *Local) List(ctx context.Context, prefix string, fn func(Info) error) error {
	if err := validatePrefix(prefix); err != nil {
		return err
	}
	dir := prefix[:strings.LastIndexByte(prefix, '/')+1]
	return l.walk(ctx, dir, prefix, fn, 0)
}

// walk visits folder dir ("" or "a/b/") in key order, skipping keys without prefix.
func (l *Local) walk(ctx context.Context, dir, prefix string, fn func(Info) error, depth int) error {
	if depth > listDepthMax {
		return errkind.Errorf(errkind.Invalid, "list %s: folders nest deeper than %d: is there a symbolic link to a folder above?", l.URI(dir), listDepthMax)
	}
	entries, err := l.readDir(ctx, dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		key := dir + e.name
		// Either may be the shorter one: prefix "a/snap" below folder "a/".
		if !strings.HasPrefix(key, prefix) && !strings.HasPrefix(prefix, key) {
			continue
		}
		if strings.HasSuffix(key, "/") {
			if err := l.walk(ctx, key, prefix, fn, depth+1); err != nil {
				return err
			}
			continue
		}
		if !strings.HasPrefix(key, prefix) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("list %s: %w", l.URI(prefix), err)
		}
		if err := fn(localInfo(key, e.info)); err != nil {
			return err
		}
	}
	return nil
}

// ListDirs implements Store. Folders are listed even when they hold no object.
func (l *Local) ListDirs(ctx context.Context, dir string) ([]string, error) {
	dir, err := cleanDir(dir)
	if err != nil {
		return nil, err
	}
	entries, err := l.readDir(ctx, dir)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = strings.TrimSuffix(e.name, "/")
	}
	slices.Sort(names)
	return names, nil
}

// localEntry is a file or folder; a folder's name ends in a slash, so that names
// sort as keys do ("a-b" before "a/c").
type localEntry struct {
	name string
	info fs.FileInfo
}

func (l *Local) readDir(ctx context.Context, dir string) ([]localEntry, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("list %s: %w", l.URI(dir), err)
	}
	list, err := os.ReadDir(l.LocalPath(dir))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, nil
	}
	if err != nil {
		return nil, l.wrap("list", dir, err)
	}
	entries := make([]localEntry, 0, len(list))
	for _, d := range list {
		if strings.HasPrefix(d.Name(), tempPrefix) {
			continue
		}
		e := localEntry{name: d.Name()}
		if d.IsDir() {
			e.name += "/"
			entries = append(entries, e)
			continue
		}
		// Stat, not Lstat: a symbolic link counts as what it points to.
		e.info, err = os.Stat(filepath.Join(l.LocalPath(dir), d.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted since, or a dangling link
		}
		if err != nil {
			return nil, l.wrap("list", dir+d.Name(), err)
		}
		if e.info.IsDir() {
			e.name += "/"
		}
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b localEntry) int { return strings.Compare(a.name, b.name) })
	return entries, nil
}

// removeDirs removes the empty folders below dir ("a/b/") and dir itself.
func (l *Local) removeDirs(ctx context.Context, dir string) error {
	entries, err := l.readDir(ctx, dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.name, "/") {
			continue
		}
		if err := l.removeDirs(ctx, dir+e.name); err != nil {
			return err
		}
	}
	if dir == "" {
		return nil // the root is not ours to remove
	}
	err = os.Remove(l.LocalPath(dir))
	if errors.Is(err, syscall.ENOTEMPTY) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil // somebody put an object meanwhile, or removed the folder, or it is a link
	}
	return l.wrap("remove", dir, err)
}
