package manifest

import (
	"container/list"
	"sync"
)

const (
	// cacheEntriesMax bounds the decoded entries that one Files keeps: about 600
	// bytes each, so some 40 MB at most. Small tables fit whole; of large ones the
	// newest manifests, which every commit and scan reads again, stay.
	cacheEntriesMax = 64 << 10
	// cacheMetasMax bounds the rows of manifest lists kept, some 300 bytes each.
	cacheMetasMax = 8 << 10
)

// cache keeps decoded files, which never change, least recently used out.
type cache[T any] struct {
	max int // rows in all

	mu struct {
		sync.Mutex
		byName map[string]*list.Element
		order  *list.List // of *cached[T], most recently used first
		count  int        // rows in all
	}
}

type cached[T any] struct {
	name string
	rows []T // shared: never changed
}

func newCache[T any](rowsMax int) *cache[T] {
	c := &cache[T]{max: rowsMax}
	c.mu.byName, c.mu.order = map[string]*list.Element{}, list.New()
	return c
}

func (c *cache[T]) get(name string) ([]T, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	el, ok := c.mu.byName[name]
	if !ok {
		return nil, false
	}
	c.mu.order.MoveToFront(el)
	return el.Value.(*cached[T]).rows, true
}

// cost of a file: an empty one takes room too.
func cost[T any](rows []T) int { return len(rows) + 1 }

func (c *cache[T]) put(name string, rows []T) {
	if cost(rows) > c.max {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.mu.byName[name]; ok {
		return
	}
	c.mu.byName[name] = c.mu.order.PushFront(&cached[T]{name, rows})
	c.mu.count += cost(rows)
	for c.mu.count > c.max {
		last := c.mu.order.Back()
		old := c.mu.order.Remove(last).(*cached[T])
		delete(c.mu.byName, old.name)
		c.mu.count -= cost(old.rows)
	}
}

// asRead gives rows the form that decoding their file gives them, so that a
// cached file does not differ from a read one.
func asRead[W, T any](rows []T, to func(*T) W, from func(W) (T, error)) ([]T, error) {
	out := make([]T, len(rows))
	for i := range rows {
		var err error
		if out[i], err = from(to(&rows[i])); err != nil {
			return nil, err
		}
	}
	return out, nil
}
