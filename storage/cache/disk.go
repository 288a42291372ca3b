package cache

import (
	"container/list"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sync"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/internal/filelock"
	"github.com/weir-lake/weir/storage/objstore"
)

// fillsMax bounds how many objects are fetched or checked at once: enough to hide
// the store's latency, few enough not to starve queries of memory and connections.
const fillsMax = 16

// Stats counts what a Disk did since Open.
type Stats struct {
	Hits, Misses int64 // calls of Path answered from disk, and by fetching
	Evicted      int64 // files removed to make room
	Damaged      int64 // files whose length or hash was wrong
	Bytes, Files int64 // now on disk, including those being fetched
}

// Disk is a bounded folder of copies.
type Disk struct {
	dir      string
	bytesMax int64
	lock     *filelock.Lock
	slots    chan struct{} // fillsMax tokens
	fills    sync.WaitGroup
	stop     context.CancelFunc
	ctx      context.Context // ends at Close; the parent of all fills

	mu struct {
		sync.Mutex
		closed  bool
		entries map[string]*entry // by identity
		lru     list.List         // of *entry, the most recently used in front
		stats   Stats
	}
}

// entry is one object's copy. Its fields are guarded by Disk.mu, except that path
// and sum belong to the fill until done is closed.
type entry struct {
	id     string
	path   string // of the copy
	size   int64  // bytes
	sum    uint64 // xxhash of the bytes; meant when onDisk
	onDisk bool   // a copy is there, perhaps not checked yet
	ready  bool   // fetched or checked by this process
	refs   int    // callers using or waiting for it
	elem   *list.Element
	done   chan struct{} // closed when the running fill ends; nil while none runs
	err    error         // of that fill; set before done is closed
	cancel context.CancelFunc
}

// Open takes dir, made if missing, as a cache of at most bytesMax bytes of objects.
// One process owns a cache folder; a second one gets an error of kind Conflict.
func Open(dir string, bytesMax int64) (*Disk, error) {
	if bytesMax <= 0 {
		return nil, errkind.Errorf(errkind.Invalid, "open cache %s: size limit %d must be positive", dir, bytesMax)
	}
	dir, err := filepath.Abs(dir) // DuckDB may run in another folder
	if err != nil {
		return nil, fmt.Errorf("open cache: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("open cache: %w", err)
	}
	lock, err := filelock.Acquire(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("open cache: %w", err)
	}
	d := &Disk{dir: dir, bytesMax: bytesMax, lock: lock, slots: make(chan struct{}, fillsMax)}
	d.ctx, d.stop = context.WithCancel(context.Background())
	d.mu.entries = make(map[string]*entry)
	if err := d.load(); err != nil {
		d.stop()
		return nil, errors.Join(fmt.Errorf("open cache: %w", err), lock.Close())
	}
	return d, nil
}

// Close ends running fetches, waits for them, and gives the folder up. Files handed
// out stay; the next Open may remove them.
func (d *Disk) Close() error {
	d.mu.Lock()
	d.mu.closed = true
	d.mu.Unlock()
	d.stop()
	d.fills.Wait()
	return d.lock.Close()
}

// Stats returns the counters.
func (d *Disk) Stats() Stats {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.mu.stats
	s.Files = int64(len(d.mu.entries))
	return s
}

// Path returns a local file with the object's bytes, fetching it if needed; several
// callers share one fetch. size is the object's length in bytes, or negative if
// unknown. The file stays until release is called; release may be called twice.
// An object of another length than size is of kind Corrupt.
func (d *Disk) Path(ctx context.Context, store objstore.Store, key string, size int64) (path string, release func(), err error) {
	if lp, ok := store.(objstore.LocalPather); ok {
		return lp.LocalPath(key), func() {}, nil
	}
	id := store.URI(key)
	if size < 0 || !Immutable(key) {
		info, err := store.Stat(ctx, key)
		if err != nil {
			return "", nil, fmt.Errorf("cache: %w", err)
		}
		if size >= 0 && info.Size != size {
			return "", nil, lengthError(id, info.Size, size)
		}
		size = info.Size
		if !Immutable(key) {
			id += "\x00" + info.ETag
		}
	}
	e, victims, err := d.acquire(ctx, id, size, store, key)
	removeFiles(victims)
	if err != nil {
		return "", nil, err
	}
	select {
	case <-e.done:
	case <-ctx.Done():
		d.release(e)
		return "", nil, fmt.Errorf("cache %s: %w", store.URI(key), ctx.Err())
	}
	if e.err != nil {
		d.release(e)
		return "", nil, e.err
	}
	var once sync.Once
	return e.path, func() { once.Do(func() { d.release(e) }) }, nil
}

// acquire returns the entry with one more reference and its fill running or done,
// and the files that had to go for it.
func (d *Disk) acquire(ctx context.Context, id string, size int64, store objstore.Store, key string) (*entry, []string, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, fmt.Errorf("cache %s: %w", store.URI(key), err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.mu.closed {
		return nil, nil, errkind.Errorf(errkind.Unavailable, "cache %s: the cache is closed", store.URI(key))
	}
	e, ok := d.mu.entries[id]
	if ok && e.size != size {
		return nil, nil, lengthError(store.URI(key), e.size, size)
	}
	var victims []string
	if !ok {
		var fits bool
		if victims, fits = d.makeRoomLocked(size); !fits {
			return nil, victims, errkind.Errorf(errkind.Exhausted, "cache %s: %d bytes do not fit: %d of %d bytes are in use by queries: raise the cache size",
				store.URI(key), size, d.mu.stats.Bytes, d.bytesMax)
		}
		e = &entry{id: id, size: size}
		d.insertLocked(e)
	}
	e.refs++
	d.mu.lru.MoveToFront(e.elem)
	if e.onDisk {
		d.mu.stats.Hits++
	} else if e.done == nil {
		d.mu.stats.Misses++
	}
	if e.done == nil {
		e.done = make(chan struct{})
		fctx, cancel := context.WithCancel(d.ctx)
		e.cancel = cancel
		d.fills.Add(1)
		go d.fill(fctx, e, store, key)
	}
	return e, victims, nil
}

func (d *Disk) insertLocked(e *entry) {
	e.elem = d.mu.lru.PushFront(e)
	d.mu.entries[e.id] = e
	d.mu.stats.Bytes += e.size
}

// dropLocked forgets the entry; its file is the caller's to remove.
func (d *Disk) dropLocked(e *entry) {
	if e.elem == nil {
		return
	}
	d.mu.lru.Remove(e.elem)
	e.elem = nil
	delete(d.mu.entries, e.id)
	d.mu.stats.Bytes -= e.size
}

// makeRoomLocked forgets the least recently used files until size bytes fit.
func (d *Disk) makeRoomLocked(size int64) (victims []string, fits bool) {
	for el := d.mu.lru.Back(); el != nil && d.mu.stats.Bytes+size > d.bytesMax; {
		e := el.Value.(*entry)
		el = el.Prev()
		if e.refs > 0 {
			continue
		}
		d.dropLocked(e)
		d.mu.stats.Evicted++
		victims = append(victims, e.path)
	}
	return victims, d.mu.stats.Bytes+size <= d.bytesMax
}

// release drops one reference. A fetch nobody waits for any more is given up.
func (d *Disk) release(e *entry) {
	d.mu.Lock()
	e.refs--
	abandoned := e.refs == 0 && !e.ready && e.cancel != nil
	if abandoned {
		d.dropLocked(e) // the next caller starts afresh
	}
	d.mu.Unlock()
	if abandoned {
		e.cancel()
	}
}

var uuidRE = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}[^/]*$`)

// Immutable reports whether the object's name carries a uuid, so that its bytes
// never change.
func Immutable(key string) bool { return uuidRE.MatchString(key) }

// newPath names a file for a copy. It is new for every fetch, so that removing an
// evicted copy never meets its successor.
func (d *Disk) newPath(id string) string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	h := sha256.Sum256([]byte(id))
	return filepath.Join(d.dir, hex.EncodeToString(h[:16])+"-"+hex.EncodeToString(b[:]))
}

func removeFiles(paths []string) {
	for _, p := range paths {
		// A file that cannot be removed is found and counted by the next Open.
		_ = os.Remove(p + sumSuffix)
		_ = os.Remove(p)
	}
}

func lengthError(uri string, got, want int64) error {
	return errkind.Errorf(errkind.Corrupt, "cache %s: has %d bytes, but its manifest says %d", uri, got, want)
}

// diskError sorts an error of the cache's own disk.
func diskError(op string, err error) error {
	if err == nil {
		return nil
	}
	if isDiskFull(err) {
		return errkind.Errorf(errkind.Exhausted, "cache: %s: disk full: free some space or lower the cache size: %w", op, err)
	}
	if errors.Is(err, fs.ErrPermission) {
		return errkind.Errorf(errkind.Denied, "cache: %s: %w", op, err)
	}
	return errkind.Errorf(errkind.Unavailable, "cache: %s: %w", op, err)
}
