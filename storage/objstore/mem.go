package objstore

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/weir-lake/weir/internal/errkind"
)

// Mem is a Store in memory: for tests, and for weir sql without a warehouse on
// disk. It is as atomic as the others and lasts as long as the process.
type Mem struct {
	mu struct {
		sync.RWMutex
		objects map[string]memObject
		keys    []string // of objects, sorted: a listing reads no more than it gives
		version uint64   // counts puts; the source of ETags
	}
}

type memObject struct {
	data []byte // never changed after the put
	info Info
}

// NewMem returns an empty store.
func NewMem() *Mem {
	m := &Mem{}
	m.mu.objects = make(map[string]memObject)
	return m
}

// Get implements Store.
func (m *Mem) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if err := validateRange(key, offset); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("get %s: %w", m.URI(key), err)
	}
	m.mu.RLock()
	o, ok := m.mu.objects[key]
	m.mu.RUnlock()
	if !ok {
		return nil, fmt.Errorf("get %s: %w", m.URI(key), ErrNotFound)
	}
	data := o.data[min(offset, int64(len(o.data))):]
	if length >= 0 {
		data = data[:min(length, int64(len(data)))]
	}
	return &ctxReader{ctx: ctx, r: bytes.NewReader(data)}, nil
}

// Put implements Store.
func (m *Mem) Put(ctx context.Context, key string, data []byte) error {
	return m.put(ctx, key, bytes.Clone(data), true)
}

// PutIfAbsent implements Store.
func (m *Mem) PutIfAbsent(ctx context.Context, key string, data []byte) error {
	return m.put(ctx, key, bytes.Clone(data), false)
}

func (m *Mem) put(ctx context.Context, key string, data []byte, replace bool) error {
	if err := ValidateKey(key); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("put %s: %w", m.URI(key), err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.mu.objects[key]
	if ok && !replace {
		return fmt.Errorf("put %s: %w", m.URI(key), ErrExists)
	}
	if !ok {
		at, _ := slices.BinarySearch(m.mu.keys, key)
		m.mu.keys = slices.Insert(m.mu.keys, at, key)
	}
	m.mu.version++
	m.mu.objects[key] = memObject{data: data, info: Info{
		Key: key, Size: int64(len(data)), ModTime: time.Now(), ETag: strconv.FormatUint(m.mu.version, 10),
	}}
	return nil
}

// Create implements Store.
func (m *Mem) Create(ctx context.Context, key string) (Writer, error) {
	if err := ValidateKey(key); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("put %s: %w", m.URI(key), err)
	}
	return &memWriter{ctx: ctx, store: m, key: key}, nil
}

// List implements Store. fn sees the objects there were when List began.
func (m *Mem) List(ctx context.Context, prefix string, fn func(Info) error) error {
	if err := validatePrefix(prefix); err != nil {
		return err
	}
	for _, info := range m.snapshot(prefix) {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("list %s: %w", m.URI(prefix), err)
		}
		if err := fn(info); err != nil {
			return err
		}
	}
	return nil
}

func (m *Mem) snapshot(prefix string) []Info {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var infos []Info
	at, _ := slices.BinarySearch(m.mu.keys, prefix)
	for _, key := range m.mu.keys[at:] {
		if !strings.HasPrefix(key, prefix) {
			break
		}
		infos = append(infos, m.mu.objects[key].info)
	}
	return infos
}

// ListDirs implements Store.
func (m *Mem) ListDirs(ctx context.Context, dir string) ([]string, error) {
	prefix, err := cleanDir(dir)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("list %s: %w", m.URI(dir), err)
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	var names []string
	for from := prefix; ; {
		at, _ := slices.BinarySearch(m.mu.keys, from)
		if at == len(m.mu.keys) || !strings.HasPrefix(m.mu.keys[at], prefix) {
			break
		}
		name, _, folder := strings.Cut(m.mu.keys[at][len(prefix):], "/")
		names = append(names, name)
		if from = prefix + name + "\x00"; folder {
			from = prefix + name + "0" // the first key behind all that begin with name/
		}
	}
	slices.Sort(names) // a/b sorts before a-b, the names the other way round
	return slices.Compact(names), nil
}

// Delete implements Store.
func (m *Mem) Delete(ctx context.Context, key string) error {
	if err := ValidateKey(key); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("delete %s: %w", m.URI(key), err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.mu.objects[key]; !ok {
		return nil
	}
	delete(m.mu.objects, key)
	at, _ := slices.BinarySearch(m.mu.keys, key)
	m.mu.keys = slices.Delete(m.mu.keys, at, at+1)
	return nil
}

// Stat implements Store.
func (m *Mem) Stat(ctx context.Context, key string) (Info, error) {
	if err := ValidateKey(key); err != nil {
		return Info{}, err
	}
	if err := ctx.Err(); err != nil {
		return Info{}, fmt.Errorf("stat %s: %w", m.URI(key), err)
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	o, ok := m.mu.objects[key]
	if !ok {
		return Info{}, fmt.Errorf("stat %s: %w", m.URI(key), ErrNotFound)
	}
	return o.info, nil
}

// URI implements Store.
func (m *Mem) URI(key string) string { return "mem:" + key }

// memWriter collects an object; it becomes visible at Close.
type memWriter struct {
	ctx   context.Context // of Create: an io.Writer has no other way to be cancelled
	store *Mem
	key   string
	buf   bytes.Buffer
	done  bool
}

func (w *memWriter) Write(p []byte) (int, error) {
	if w.done {
		return 0, errClosedWriter(w.key)
	}
	if err := w.ctx.Err(); err != nil {
		return 0, fmt.Errorf("write %s: %w", w.store.URI(w.key), err)
	}
	return w.buf.Write(p)
}

func (w *memWriter) Close() error {
	if w.done {
		return errClosedWriter(w.key)
	}
	w.done = true
	return w.store.put(w.ctx, w.key, w.buf.Bytes(), false)
}

func (w *memWriter) Abort() {
	w.done = true
	w.buf = bytes.Buffer{}
}

func errClosedWriter(key string) error {
	return errkind.Errorf(errkind.Bug, "objstore: write %q: writer is closed", key)
}

// ctxReader ends a read when its context does: files and memory never block, so
// a cancelled scan would otherwise run to the object's end.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
	c   io.Closer // nil: nothing to close
}

func (r *ctxReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

func (r *ctxReader) Close() error {
	if r.c == nil {
		return nil
	}
	return r.c.Close()
}
