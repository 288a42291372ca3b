package objstore

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/weir-lake/weir/internal/errkind"
)

const (
	dirMode  = 0o755
	fileMode = 0o644
	// mkdirAttemptsMax bounds the race between making a folder for an object and
	// somebody removing that empty folder; one retry is already rare.
	mkdirAttemptsMax = 16
)

// LocalOptions tunes a local store; the zero value is durable.
type LocalOptions struct {
	// NoSync leaves out fsync: whole objects or none after kill -9, but not after
	// power loss. For warehouses that are thrown away at the end.
	NoSync bool
}

// Local keeps each object as one plain file below a root folder.
//
// An object is written to a hidden file beside its place, synced, and published by
// link(2) (put-if-absent, exactly one link of a name succeeds) or rename(2)
// (replace); then the folder is synced. Hidden files of killed writers are never
// listed; SweepTemp removes them.
type Local struct {
	root string // absolute, cleaned
	opts LocalOptions
}

// NewLocal returns the store rooted at the folder root, which is made at the first
// write if it is missing. A root that is a file is of kind Invalid.
func NewLocal(root string, opts LocalOptions) (*Local, error) {
	if root == "" {
		return nil, errkind.Errorf(errkind.Invalid, "objstore: empty path: name a folder")
	}
	abs, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("resolve %s: %w", root, err)
	}
	if fi, err := os.Stat(abs); err == nil && !fi.IsDir() {
		return nil, errkind.Errorf(errkind.Invalid, "open %s: is a file: name a folder", abs)
	}
	return &Local{root: abs, opts: opts}, nil
}

// LocalPath implements LocalPather.
func (l *Local) LocalPath(key string) string { return filepath.Join(l.root, filepath.FromSlash(key)) }

// URI implements Store.
func (l *Local) URI(key string) string { return l.LocalPath(key) }

// Get implements Store.
func (l *Local) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if err := validateRange(key, offset); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("get %s: %w", l.URI(key), err)
	}
	f, err := os.Open(l.LocalPath(key))
	if err != nil {
		return nil, l.wrap("get", key, err)
	}
	fi, err := f.Stat()
	if err == nil && fi.IsDir() {
		err = fs.ErrNotExist
	}
	if err != nil {
		f.Close()
		return nil, l.wrap("get", key, err)
	}
	if length < 0 {
		length = max(0, fi.Size()-offset)
	}
	return &ctxReader{ctx: ctx, r: io.NewSectionReader(f, offset, length), c: f}, nil
}

// Put implements Store.
func (l *Local) Put(ctx context.Context, key string, data []byte) error {
	return l.putBytes(ctx, key, data, true)
}

// PutIfAbsent implements Store.
func (l *Local) PutIfAbsent(ctx context.Context, key string, data []byte) error {
	return l.putBytes(ctx, key, data, false)
}

func (l *Local) putBytes(ctx context.Context, key string, data []byte, replace bool) error {
	w, err := l.create(ctx, key, replace)
	if err != nil {
		return err
	}
	defer w.Abort()
	if _, err := w.Write(data); err != nil {
		return err
	}
	return w.Close()
}

// Create implements Store. Close returns ErrExists if the key is taken by then.
func (l *Local) Create(ctx context.Context, key string) (Writer, error) {
	return l.create(ctx, key, false)
}

func (l *Local) create(ctx context.Context, key string, replace bool) (*localWriter, error) {
	if err := ValidateKey(key); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("put %s: %w", l.URI(key), err)
	}
	final := l.LocalPath(key)
	dir := filepath.Dir(final)
	for attempt := 1; ; attempt++ {
		if err := l.makeDir(dir); err != nil {
			return nil, l.wrap("put", key, err)
		}
		f, err := os.OpenFile(filepath.Join(dir, tempName()), os.O_CREATE|os.O_EXCL|os.O_WRONLY, fileMode)
		if errors.Is(err, fs.ErrNotExist) && attempt < mkdirAttemptsMax {
			continue // the folder was empty and somebody removed it
		}
		if err != nil {
			return nil, l.wrap("put", key, err)
		}
		return &localWriter{ctx: ctx, store: l, key: key, final: final, f: f, replace: replace}, nil
	}
}

func tempName() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return tempPrefix + hex.EncodeToString(b[:])
}

// makeDir makes dir and what is missing above it, each entry durable in its parent.
func (l *Local) makeDir(dir string) error {
	if fi, err := os.Stat(dir); err == nil {
		if !fi.IsDir() {
			return &fs.PathError{Op: "mkdir", Path: dir, Err: syscall.ENOTDIR}
		}
		return nil
	}
	parent := filepath.Dir(dir)
	if parent == dir {
		return &fs.PathError{Op: "mkdir", Path: dir, Err: fs.ErrNotExist}
	}
	if err := l.makeDir(parent); err != nil {
		return err
	}
	err := os.Mkdir(dir, dirMode)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the parent went away again; the caller's open fails and retries
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return l.syncDir(parent)
}

func (l *Local) syncDir(dir string) error {
	if l.opts.NoSync {
		return nil
	}
	d, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// Delete implements Store. The folder stays; RemoveAll removes folders too.
func (l *Local) Delete(ctx context.Context, key string) error {
	if err := ValidateKey(key); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("delete %s: %w", l.URI(key), err)
	}
	p := l.LocalPath(key)
	err := syscall.Unlink(p)
	switch {
	case err == nil:
		return l.wrap("delete", key, l.syncDir(filepath.Dir(p)))
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EISDIR):
		return nil
	}
	if fi, serr := os.Lstat(p); serr == nil && fi.IsDir() {
		return nil // darwin says EPERM for unlink of a folder
	}
	return l.wrap("delete", key, err)
}

// Stat implements Store.
func (l *Local) Stat(ctx context.Context, key string) (Info, error) {
	if err := ValidateKey(key); err != nil {
		return Info{}, err
	}
	if err := ctx.Err(); err != nil {
		return Info{}, fmt.Errorf("stat %s: %w", l.URI(key), err)
	}
	fi, err := os.Stat(l.LocalPath(key))
	if err == nil && fi.IsDir() {
		err = fs.ErrNotExist
	}
	if err != nil {
		return Info{}, l.wrap("stat", key, err)
	}
	return localInfo(key, fi), nil
}

// localInfo derives the ETag from inode, time and size: an object is never changed
// in place, and a replacing rename brings another inode.
func localInfo(key string, fi fs.FileInfo) Info {
	var ino uint64
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		ino = uint64(st.Ino)
	}
	return Info{Key: key, Size: fi.Size(), ModTime: fi.ModTime(), ETag: fmt.Sprintf("%x-%x-%x", ino, fi.ModTime().UnixNano(), fi.Size())}
}

// wrap names the operation and object and sorts the error. A nil err stays nil.
func (l *Local) wrap(op, key string, err error) error {
	if err == nil {
		return nil
	}
	where := fmt.Sprintf("%s %s", op, l.URI(key))
	switch {
	case op != "put" && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)):
		return fmt.Errorf("%s: %w", where, ErrNotFound)
	case errors.Is(err, syscall.ENOTDIR):
		return errkind.Errorf(errkind.Invalid, "%s: a folder of this name is wanted, but a file stands there: %w", where, err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return errkind.Errorf(errkind.Denied, "%s: %w", where, err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return errkind.Errorf(errkind.Exhausted, "%s: disk full: free some space: %w", where, err)
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return errkind.Errorf(errkind.Exhausted, "%s: %w", where, err)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: %w", where, err)
	}
	return errkind.Errorf(errkind.Unavailable, "%s: %w", where, err)
}

// localWriter is a hidden file that Close publishes.
type localWriter struct {
	ctx     context.Context // of Create: an io.Writer has no other way to be cancelled
	store   *Local
	key     string
	final   string   // path of the published file
	f       *os.File // nil after Close and Abort
	replace bool     // rename over what is there instead of link
}

func (w *localWriter) Write(p []byte) (int, error) {
	if w.f == nil {
		return 0, errClosedWriter(w.key)
	}
	if err := w.ctx.Err(); err != nil {
		return 0, fmt.Errorf("write %s: %w", w.store.URI(w.key), err)
	}
	n, err := w.f.Write(p)
	return n, w.store.wrap("write", w.key, err)
}

func (w *localWriter) Close() error {
	if w.f == nil {
		return errClosedWriter(w.key)
	}
	defer w.Abort()
	if err := w.ctx.Err(); err != nil {
		return fmt.Errorf("put %s: %w", w.store.URI(w.key), err)
	}
	if !w.store.opts.NoSync {
		if err := w.f.Sync(); err != nil {
			return w.store.wrap("put", w.key, err)
		}
	}
	if err := w.publish(); err != nil {
		return err
	}
	if err := w.store.syncDir(filepath.Dir(w.final)); err != nil {
		return errkind.Errorf(errkind.Unavailable, "put %s: published, but not known to be durable: %w", w.store.URI(w.key), err)
	}
	return nil
}

func (w *localWriter) publish() error {
	if w.replace {
		return w.store.wrap("put", w.key, os.Rename(w.f.Name(), w.final))
	}
	err := os.Link(w.f.Name(), w.final)
	if err == nil {
		return nil
	}
	there, serr := os.Lstat(w.final)
	if serr != nil || !errors.Is(err, fs.ErrExist) {
		return w.store.wrap("put", w.key, err)
	}
	if there.IsDir() {
		return errkind.Errorf(errkind.Invalid, "put %s: is a folder", w.store.URI(w.key))
	}
	// On network disks the reply to a link that succeeded can be lost and the
	// client's retry says "exists": same file, so it was ours.
	if mine, err := w.f.Stat(); err == nil && os.SameFile(mine, there) {
		return nil
	}
	return fmt.Errorf("put %s: %w", w.store.URI(w.key), ErrExists)
}

// Abort implements Writer.
func (w *localWriter) Abort() {
	if w.f == nil {
		return
	}
	// Nothing useful can be done about errors here: the name is hidden, and
	// SweepTemp removes what stays.
	_ = os.Remove(w.f.Name())
	_ = w.f.Close()
	w.f = nil
}

// SweepTemp removes hidden files below dir that killed writers left more than
// olderThan ago, and returns how many. Take an age no living writer reaches.
func (l *Local) SweepTemp(ctx context.Context, dir string, olderThan time.Duration) (int, error) {
	dir, err := cleanDir(dir)
	if err != nil {
		return 0, err
	}
	removed, limit := 0, time.Now().Add(-olderThan)
	err = filepath.WalkDir(l.LocalPath(dir), func(p string, d fs.DirEntry, err error) error {
		if cerr := ctx.Err(); cerr != nil {
			return cerr
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() || !strings.HasPrefix(path.Base(p), tempPrefix) {
			return err
		}
		fi, err := d.Info()
		if err != nil || fi.ModTime().After(limit) {
			return nil
		}
		if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		removed++
		return nil
	})
	return removed, l.wrap("sweep", dir, err)
}
