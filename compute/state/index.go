package state

import (
	"bytes"

	"github.com/cespare/xxhash/v2"
)

// Slot addresses an entry of an Index: small, dense, reused after Delete.
type Slot = uint32

const (
	minTable = 16
	// maxLoadNum/maxLoadDen is the fill at which the table doubles; linear probing
	// stays short below it.
	maxLoadNum, maxLoadDen = 3, 4
)

// Index maps key bytes to slots by open addressing. The zero value is empty and ready.
type Index struct {
	table []uint32 // slot+1, 0 empty; length a power of two
	tags  []uint32 // upper hash bits of table's entries: most misses are told without the key
	live  int

	hashes []uint64 // per slot
	keys   []handle
	lens   []uint32
	used   []bool
	spare  []uint32 // freed slots
	bytes  arena
}

// Len is the number of keys.
func (x *Index) Len() int { return x.live }

// Slots is one more than the largest slot handed out: the length slot-indexed slices need.
func (x *Index) Slots() int { return len(x.keys) }

// SizeBytes is the memory held.
func (x *Index) SizeBytes() int64 {
	return x.bytes.total + int64(cap(x.table)+cap(x.tags)+cap(x.lens)+cap(x.spare))*4 +
		int64(cap(x.hashes)+cap(x.keys))*8 + int64(cap(x.used))
}

// Key returns the key of a live slot.
func (x *Index) Key(s Slot) []byte { return x.bytes.get(x.keys[s], x.lens[s]) }

// Used reports whether the slot holds a key.
func (x *Index) Used(s Slot) bool { return int(s) < len(x.used) && x.used[s] }

// Find returns the slot of key.
func (x *Index) Find(key []byte) (Slot, bool) {
	if x.live == 0 {
		return 0, false
	}
	return x.find(key, xxhash.Sum64(key))
}

func (x *Index) find(key []byte, h uint64) (Slot, bool) {
	mask := uint64(len(x.table) - 1)
	tag := uint32(h >> 32)
	for i := h & mask; ; i = (i + 1) & mask {
		e := x.table[i]
		if e == 0 {
			return 0, false
		}
		if x.tags[i] == tag && bytes.Equal(x.Key(e-1), key) {
			return e - 1, true
		}
	}
}

// Put returns the slot of key and whether it was added.
func (x *Index) Put(key []byte) (s Slot, added bool) {
	h := xxhash.Sum64(key)
	if x.live > 0 {
		if s, ok := x.find(key, h); ok {
			return s, false
		}
	}
	if (x.live+1)*maxLoadDen > len(x.table)*maxLoadNum {
		x.rehash(max(minTable, len(x.table)*2))
	}
	if n := len(x.spare); n > 0 {
		s, x.spare = x.spare[n-1], x.spare[:n-1]
	} else {
		s = uint32(len(x.keys))
		x.keys, x.lens = append(x.keys, 0), append(x.lens, 0)
		x.hashes, x.used = append(x.hashes, 0), append(x.used, false)
	}
	x.keys[s], x.lens[s] = x.bytes.put(key), uint32(len(key))
	x.hashes[s], x.used[s] = h, true
	x.live++
	x.place(s)
	return s, true
}

func (x *Index) place(s Slot) {
	h := x.hashes[s]
	mask := uint64(len(x.table) - 1)
	i := h & mask
	for x.table[i] != 0 {
		i = (i + 1) & mask
	}
	x.table[i], x.tags[i] = s+1, uint32(h>>32)
}

func (x *Index) rehash(n int) {
	x.table, x.tags = make([]uint32, n), make([]uint32, n)
	for s, used := range x.used {
		if used {
			x.place(uint32(s))
		}
	}
}

// Delete removes a live slot; the slot may be handed out again.
func (x *Index) Delete(s Slot) {
	mask := uint64(len(x.table) - 1)
	i := x.hashes[s] & mask
	for x.table[i] != s+1 {
		i = (i + 1) & mask
	}
	// Shift the entries of the probe chain back instead of leaving a tombstone.
	for j := (i + 1) & mask; x.table[j] != 0; j = (j + 1) & mask {
		home := x.hashes[x.table[j]-1] & mask
		if (j-home)&mask >= (j-i)&mask {
			x.table[i], x.tags[i] = x.table[j], x.tags[j]
			i = j
		}
	}
	x.table[i] = 0
	x.bytes.free(x.lens[s])
	x.used[s] = false
	x.spare = append(x.spare, s)
	x.live--
	if x.bytes.wasteful() {
		x.compact()
	}
}

// compact rewrites the keys that live. Slots stay.
func (x *Index) compact() {
	var fresh arena
	for s, used := range x.used {
		if used {
			x.keys[s] = fresh.put(x.Key(uint32(s)))
		}
	}
	x.bytes = fresh
}

// Each calls fn with every live slot in slot order until it returns false.
func (x *Index) Each(fn func(s Slot) bool) {
	for s, used := range x.used {
		if used && !fn(uint32(s)) {
			return
		}
	}
}

// keptTableMax is the largest table that Clear keeps: what it keeps is below 200 KB.
const keptTableMax = 1 << 12

// Clear forgets everything but keeps small tables for the next use.
func (x *Index) Clear() {
	if len(x.table) > keptTableMax {
		*x = Index{}
		return
	}
	clear(x.table)
	x.live = 0
	x.hashes, x.keys, x.lens = x.hashes[:0], x.keys[:0], x.lens[:0]
	x.used, x.spare = x.used[:0], x.spare[:0]
	if len(x.bytes.chunks) > 1 {
		x.bytes = arena{}
	} else if len(x.bytes.chunks) == 1 {
		x.bytes.chunks[0] = x.bytes.chunks[0][:0]
		x.bytes.garbage = 0
	}
}

// Save writes the index: slot numbers are kept, because other slices are addressed by them.
func (x *Index) Save(w *Writer) {
	w.Uvarint(uint64(len(x.keys)))
	w.Uvarint(uint64(x.live))
	x.Each(func(s Slot) bool {
		w.Uvarint(uint64(s))
		w.Bytes(x.Key(s))
		return w.Err() == nil
	})
}

// Load replaces the index by a saved one.
func (x *Index) Load(r *Reader) error {
	*x = Index{}
	slots, live := r.Uvarint(), r.Uvarint()
	if r.Err() == nil && (live > slots || slots > maxSlots) {
		r.Fail("an index of %d slots cannot hold %d keys", slots, live)
	}
	var free []uint32
	next := uint64(0)
	for range live {
		s, key := r.Uvarint(), r.Bytes()
		if r.Err() != nil {
			break
		}
		if s < next || s >= slots {
			r.Fail("slot %d of an index is out of order", s)
			break
		}
		free = x.pad(free, s)
		if _, added := x.Put(key); !added {
			r.Fail("key %x occurs twice in an index", key)
			break
		}
		next = s + 1
	}
	if r.Err() == nil {
		x.spare = x.pad(free, slots)
	}
	return r.Err()
}

// maxSlots bounds an index so that a slot fits 32 bits with room for the table's +1.
const maxSlots = 1<<32 - 2

// pad adds unused slots up to, not including, s and appends them to free.
func (x *Index) pad(free []uint32, s uint64) []uint32 {
	for uint64(len(x.keys)) < s {
		free = append(free, uint32(len(x.keys)))
		x.keys, x.lens = append(x.keys, 0), append(x.lens, 0)
		x.hashes, x.used = append(x.hashes, 0), append(x.used, false)
	}
	return free
}
