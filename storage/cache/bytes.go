package cache

import (
	"container/list"
	"context"
	"fmt"
	"sync"

	"golang.org/x/sync/singleflight"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
)

// shareMax keeps one large object from emptying a Bytes cache: an object of more
// than 1/shareMax of the limit is read but not kept.
const shareMax = 8

// Bytes caches small immutable objects (manifests, manifest lists, schemas) whole
// in memory, the least recently used going first. Objects are told apart by URI, so
// one Bytes serves at most one objstore.Mem.
type Bytes struct {
	bytesMax int64
	flight   singleflight.Group

	mu struct {
		sync.Mutex
		used    int64 // bytes of values
		entries map[string]*list.Element
		lru     list.List // of bytesEntry, the most recently used in front
		hits    int64
		misses  int64
	}
}

type bytesEntry struct {
	id   string
	data []byte
}

// NewBytes returns a cache of at most bytesMax bytes; 0 caches nothing.
func NewBytes(bytesMax int64) *Bytes {
	b := &Bytes{bytesMax: bytesMax}
	b.mu.entries = make(map[string]*list.Element)
	return b
}

// Get returns the whole object. The bytes are shared: do not change them. Callers
// asking for one object at once share one read.
func (b *Bytes) Get(ctx context.Context, store objstore.Store, key string) ([]byte, error) {
	if !Immutable(key) {
		return objstore.ReadAll(ctx, store, key)
	}
	id := store.URI(key)
	if data, ok := b.lookup(id); ok {
		return data, nil
	}
	// The read serves all callers, so no single caller's end may end it.
	ch := b.flight.DoChan(id, func() (any, error) {
		if data, ok := b.peek(id); ok {
			return data, nil
		}
		data, err := objstore.ReadAll(context.WithoutCancel(ctx), store, key)
		if err == nil {
			b.keep(id, data)
		}
		return data, err
	})
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("read %s: %w", store.URI(key), ctx.Err())
	case r := <-ch:
		if r.Err != nil {
			return nil, r.Err
		}
		data, ok := r.Val.([]byte)
		if !ok {
			return nil, errkind.Errorf(errkind.Bug, "cache: %T instead of bytes", r.Val)
		}
		return data, nil
	}
}

// Stats returns how many calls of Get were answered from memory, how many read the
// store, and the bytes now held.
func (b *Bytes) Stats() (hits, misses, used int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mu.hits, b.mu.misses, b.mu.used
}

func (b *Bytes) lookup(id string) ([]byte, bool) {
	data, ok := b.peek(id)
	b.mu.Lock()
	defer b.mu.Unlock()
	if ok {
		b.mu.hits++
	} else {
		b.mu.misses++
	}
	return data, ok
}

func (b *Bytes) peek(id string) ([]byte, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	el, ok := b.mu.entries[id]
	if !ok {
		return nil, false
	}
	b.mu.lru.MoveToFront(el)
	return el.Value.(bytesEntry).data, true
}

func (b *Bytes) keep(id string, data []byte) {
	size := int64(len(data))
	if size > b.bytesMax/shareMax {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.mu.entries[id]; ok {
		return
	}
	b.mu.entries[id] = b.mu.lru.PushFront(bytesEntry{id: id, data: data})
	b.mu.used += size
	for b.mu.used > b.bytesMax {
		last := b.mu.lru.Back()
		e := last.Value.(bytesEntry)
		b.mu.lru.Remove(last)
		delete(b.mu.entries, e.id)
		b.mu.used -= int64(len(e.data))
	}
}
