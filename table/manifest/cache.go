package manifest

import (
	"container/list"
	"sync"
)

// cacheEntriesMax bounds the decoded entries that one Files keeps: about 600
// bytes each, so some 40 MB at most. Small tables fit whole; of large ones the
// newest manifests, which every commit and scan reads again, stay.
const cacheEntriesMax = 64 << 10

// entryCache keeps decoded manifests, which never change, least recently used out.
type entryCache struct {
	mu struct {
		sync.Mutex
		byName map[string]*list.Element
		order  *list.List // of *cached, most recently used first
		count  int        // entries in all
	}
}

type cached struct {
	name    string
	entries []Entry // shared: never changed
}

func newEntryCache() *entryCache {
	c := &entryCache{}
	c.mu.byName, c.mu.order = map[string]*list.Element{}, list.New()
	return c
}

func (c *entryCache) get(name string) ([]Entry, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	el, ok := c.mu.byName[name]
	if !ok {
		return nil, false
	}
	c.mu.order.MoveToFront(el)
	return el.Value.(*cached).entries, true
}

func (c *entryCache) put(name string, entries []Entry) {
	if len(entries) > cacheEntriesMax {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.mu.byName[name]; ok {
		return
	}
	c.mu.byName[name] = c.mu.order.PushFront(&cached{name, entries})
	c.mu.count += len(entries)
	for c.mu.count > cacheEntriesMax {
		last := c.mu.order.Back()
		old := c.mu.order.Remove(last).(*cached)
		delete(c.mu.byName, old.name)
		c.mu.count -= len(old.entries)
	}
}
