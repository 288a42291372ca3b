package state

import "bytes"

const (
	leafItems = 32 // 768 bytes: a few cache lines moved by an insert, few levels
	innerKids = 32
	// A tree is rebuilt when its leaves are filled less than 1/sparseFactor on average.
	sparseFactor    = 8
	rebuildMinLeafs = 16
)

type item struct {
	key    handle
	len    uint32
	aux    uint32
	weight int64
}

type leaf struct {
	n          int32
	next, prev int32 // leaf numbers, -1 none
	items      [leafItems]item
}

// inner holds kids and, for each but the first, a key that is <= all keys of the kid and
// > all keys of the kid before. The bytes of such a key outlive the item until a rebuild.
type inner struct {
	n    int32
	kids [innerKids]int32
	seps [innerKids]sep
}

type sep struct {
	key handle
	len uint32
}

// Tree is an ordered multiset of keys: each has a weight and one number of the owner's.
// Keys with weight zero are not held. The zero value is empty and ready.
type Tree struct {
	leaves []leaf
	inners []inner
	height int // levels of inner nodes; the root is inners[root] or leaves[0]
	root   int32
	live   int
	bytes  arena
	path   [16]step // of the last descent
}

type step struct{ node, pos int32 }

// Cursor is a position in a Tree, valid until the tree's next change.
type Cursor struct {
	t    *Tree
	leaf int32
	pos  int32
}

// Len is the number of different keys.
func (t *Tree) Len() int { return t.live }

// SizeBytes is the memory held.
func (t *Tree) SizeBytes() int64 {
	const leafBytes, innerBytes = 16 + leafItems*24, 8 + innerKids*(4+16)
	return t.bytes.total + int64(cap(t.leaves))*leafBytes + int64(cap(t.inners))*innerBytes
}

func (t *Tree) itemKey(it *item) []byte { return t.bytes.get(it.key, it.len) }

// descend finds the leaf for key and remembers the path to it.
func (t *Tree) descend(key []byte) int32 {
	node := t.root
	for level := range t.height {
		in := &t.inners[node]
		lo, hi := int32(0), in.n-1 // the last kid whose separator is <= key
		for lo < hi {
			mid := (lo + hi + 1) / 2
			if bytes.Compare(t.bytes.get(in.seps[mid].key, in.seps[mid].len), key) <= 0 {
				lo = mid
			} else {
				hi = mid - 1
			}
		}
		t.path[level] = step{node, lo}
		node = in.kids[lo]
	}
	return node
}

// lower returns the position of the first item >= key in the leaf.
func (t *Tree) lower(l *leaf, key []byte) (pos int32, equal bool) {
	lo, hi := int32(0), l.n
	for lo < hi {
		mid := (lo + hi) / 2
		switch c := bytes.Compare(t.itemKey(&l.items[mid]), key); {
		case c == 0:
			return mid, true
		case c < 0:
			lo = mid + 1
		default:
			hi = mid
		}
	}
	return lo, false
}

// Add adds w to the weight of key and returns the new weight; aux is kept for a new key.
func (t *Tree) Add(key []byte, aux uint32, w int64) int64 {
	if w == 0 {
		return t.Weight(key)
	}
	if len(t.leaves) == 0 {
		t.leaves = append(t.leaves, leaf{next: -1, prev: -1})
	}
	li := t.descend(key)
	pos, equal := t.lower(&t.leaves[li], key)
	if equal {
		it := &t.leaves[li].items[pos]
		it.weight += w
		if it.weight == 0 {
			t.remove(li, pos)
			return 0
		}
		return it.weight
	}
	if t.leaves[li].n == leafItems {
		li, pos = t.splitLeaf(li, pos)
	}
	l := &t.leaves[li]
	copy(l.items[pos+1:l.n+1], l.items[pos:l.n])
	l.items[pos] = item{key: t.bytes.put(key), len: uint32(len(key)), aux: aux, weight: w}
	l.n++
	t.live++
	return w
}

// Weight returns the weight of key, zero if it is not held.
func (t *Tree) Weight(key []byte) int64 {
	if t.live == 0 {
		return 0
	}
	l := &t.leaves[t.descend(key)]
	if pos, equal := t.lower(l, key); equal {
		return l.items[pos].weight
	}
	return 0
}

func (t *Tree) remove(li, pos int32) {
	l := &t.leaves[li]
	t.bytes.free(l.items[pos].len)
	copy(l.items[pos:], l.items[pos+1:l.n])
	l.n--
	t.live--
	sparse := len(t.leaves) > rebuildMinLeafs && t.live*sparseFactor < len(t.leaves)*leafItems
	if sparse || t.bytes.wasteful() {
		t.rebuild()
	}
}

// splitLeaf halves a full leaf and returns where pos went. The path must lead to the leaf.
func (t *Tree) splitLeaf(li, pos int32) (int32, int32) {
	ri := int32(len(t.leaves))
	t.leaves = append(t.leaves, leaf{next: t.leaves[li].next, prev: li})
	l, r := &t.leaves[li], &t.leaves[ri]
	half := int32(leafItems / 2)
	if pos == leafItems && r.next < 0 {
		half = leafItems - 1 // keys that come in order fill their leaves
	}
	r.n = l.n - half
	copy(r.items[:], l.items[half:l.n])
	l.n = half
	if r.next >= 0 {
		t.leaves[r.next].prev = ri
	}
	l.next = ri
	t.insertKid(t.height-1, li, ri, sep{r.items[0].key, r.items[0].len})
	if pos > half {
		return ri, pos - half
	}
	return li, pos
}

// insertKid puts a new right neighbour after the kid on the path at the level.
func (t *Tree) insertKid(level int, left, right int32, s sep) {
	if level < 0 {
		t.inners = append(t.inners, inner{n: 2})
		in := &t.inners[len(t.inners)-1]
		in.kids[0], in.kids[1], in.seps[1] = left, right, s
		t.root = int32(len(t.inners) - 1)
		t.height++
		return
	}
	node, at := t.path[level].node, t.path[level].pos+1
	if t.inners[node].n == innerKids {
		ri := int32(len(t.inners))
		t.inners = append(t.inners, inner{})
		l, r := &t.inners[node], &t.inners[ri]
		const half = innerKids / 2
		r.n = l.n - half
		copy(r.kids[:], l.kids[half:l.n])
		copy(r.seps[:], l.seps[half:l.n])
		l.n = half
		up := r.seps[0]
		if at > half {
			t.putKid(ri, at-half, right, s)
		} else {
			t.putKid(node, at, right, s)
		}
		t.insertKid(level-1, node, ri, up)
		return
	}
	t.putKid(node, at, right, s)
}

func (t *Tree) putKid(node, at, kid int32, s sep) {
	in := &t.inners[node]
	copy(in.kids[at+1:in.n+1], in.kids[at:in.n])
	copy(in.seps[at+1:in.n+1], in.seps[at:in.n])
	in.kids[at], in.seps[at] = kid, s
	in.n++
}

// rebuild writes the live keys into a fresh tree.
func (t *Tree) rebuild() {
	var fresh Tree
	for c := t.First(); c.Valid(); c.Next() {
		fresh.Add(c.Key(), c.Aux(), c.Weight())
	}
	*t = fresh
}

// First returns a cursor at the smallest key.
func (t *Tree) First() Cursor { return t.Seek(nil) }

// Seek returns a cursor at the first key >= key.
func (t *Tree) Seek(key []byte) Cursor {
	if t.live == 0 {
		return Cursor{t: t, leaf: -1}
	}
	li := t.descend(key)
	pos, _ := t.lower(&t.leaves[li], key)
	c := Cursor{t: t, leaf: li, pos: pos}
	c.skipForward()
	return c
}

// SeekBefore returns a cursor at the last key < key.
func (t *Tree) SeekBefore(key []byte) Cursor {
	if t.live == 0 {
		return Cursor{t: t, leaf: -1}
	}
	li := t.descend(key)
	pos, _ := t.lower(&t.leaves[li], key)
	c := Cursor{t: t, leaf: li, pos: pos}
	c.Prev()
	return c
}

// Valid reports whether the cursor is at a key.
func (c *Cursor) Valid() bool { return c.leaf >= 0 }

// Next moves to the following key.
func (c *Cursor) Next() {
	c.pos++
	c.skipForward()
}

func (c *Cursor) skipForward() {
	for c.leaf >= 0 && c.pos >= c.t.leaves[c.leaf].n {
		c.leaf, c.pos = c.t.leaves[c.leaf].next, 0
	}
}

// Prev moves to the key before.
func (c *Cursor) Prev() {
	c.pos--
	for c.leaf >= 0 && c.pos < 0 {
		if c.leaf = c.t.leaves[c.leaf].prev; c.leaf >= 0 {
			c.pos = c.t.leaves[c.leaf].n - 1
		}
	}
}

func (c *Cursor) item() *item { return &c.t.leaves[c.leaf].items[c.pos] }

// Key returns the key at the cursor.
func (c *Cursor) Key() []byte { return c.t.itemKey(c.item()) }

// Weight returns the weight at the cursor.
func (c *Cursor) Weight() int64 { return c.item().weight }

// Aux returns the owner's number at the cursor.
func (c *Cursor) Aux() uint32 { return c.item().aux }

// PrefixEnd returns into dst the smallest key above all keys that start with prefix, or
// nil if there is none (the prefix is all 0xFF).
func PrefixEnd(dst, prefix []byte) []byte {
	dst = append(dst[:0], prefix...)
	for i := len(dst) - 1; i >= 0; i-- {
		if dst[i] != 0xFF {
			dst[i]++
			return dst[:i+1]
		}
	}
	return nil
}

// Save writes the tree.
func (t *Tree) Save(w *Writer) {
	w.Uvarint(uint64(t.live))
	for c := t.First(); c.Valid() && w.Err() == nil; c.Next() {
		w.Bytes(c.Key())
		w.Uvarint(uint64(c.Aux()))
		w.Varint(c.Weight())
	}
}

// Load replaces the tree by a saved one.
func (t *Tree) Load(r *Reader) error {
	*t = Tree{}
	for range r.Uvarint() {
		key, aux, w := r.Bytes(), r.Uvarint(), r.Varint()
		if r.Err() != nil {
			break
		}
		if aux > 1<<32-1 || w == 0 || t.Add(key, uint32(aux), w) != w {
			r.Fail("a key of a tree is held twice or with weight zero")
			break
		}
	}
	return r.Err()
}
