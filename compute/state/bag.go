package state

import "encoding/binary"

// Entry addresses a row of a Bag; NoEntry ends an iteration.
type Entry = uint32

// NoEntry is no row.
const NoEntry Entry = 1<<32 - 1

// Bag holds, per key, a multiset of rows with weights and one number of the owner's per
// row (a join's match count). Rows with weight zero are not held. Weights may be negative
// while an epoch is under way.
type Bag struct {
	groups Index
	heads  []Entry
	totals []int64 // per group: sum of weights

	rows       Index // group number and row bytes
	next, prev []Entry
	weights    []int64
	aux        []int64

	scratch []byte
}

const groupPrefix = 4 // bytes of the group number before a row in Bag.rows

// Group returns the group of key.
func (b *Bag) Group(key []byte) (Slot, bool) { return b.groups.Find(key) }

// Total is the sum of the weights of the group's rows.
func (b *Bag) Total(g Slot) int64 { return b.totals[g] }

// First returns the first row of a group; rows follow in no particular order.
func (b *Bag) First(g Slot) Entry { return b.heads[g] }

// Next returns the row after e in its group, or NoEntry.
func (b *Bag) Next(e Entry) Entry { return b.next[e] }

// Row returns the bytes of a row.
func (b *Bag) Row(e Entry) []byte { return b.rows.Key(e)[groupPrefix:] }

// Weight returns a row's weight.
func (b *Bag) Weight(e Entry) int64 { return b.weights[e] }

// Aux returns the owner's number of a row, zero for a new one.
func (b *Bag) Aux(e Entry) int64 { return b.aux[e] }

// SetAux sets the owner's number of a row.
func (b *Bag) SetAux(e Entry, v int64) { b.aux[e] = v }

// Len is the number of different rows held.
func (b *Bag) Len() int { return b.rows.Len() }

// SizeBytes is the memory held.
func (b *Bag) SizeBytes() int64 {
	return b.groups.SizeBytes() + b.rows.SizeBytes() +
		int64(cap(b.heads)+cap(b.next)+cap(b.prev))*4 + int64(cap(b.totals)+cap(b.weights)+cap(b.aux))*8
}

// Add adds w to the weight of row under key. It returns the row's entry, or NoEntry when
// the weight became zero and the row was removed.
func (b *Bag) Add(key, row []byte, w int64) Entry {
	if w == 0 {
		return NoEntry
	}
	g, added := b.groups.Put(key)
	if int(g) >= len(b.heads) {
		b.heads, b.totals = append(b.heads, NoEntry), append(b.totals, 0)
	}
	if added {
		b.heads[g], b.totals[g] = NoEntry, 0
	}
	b.scratch = append(binary.BigEndian.AppendUint32(b.scratch[:0], g), row...)
	e, added := b.rows.Put(b.scratch)
	if added {
		b.link(g, e)
	}
	b.weights[e] += w
	b.totals[g] += w
	if b.weights[e] != 0 {
		return e
	}
	b.unlink(g, e)
	b.rows.Delete(e)
	if b.heads[g] == NoEntry {
		b.groups.Delete(g)
	}
	return NoEntry
}

func (b *Bag) link(g Slot, e Entry) {
	if int(e) >= len(b.next) {
		b.next, b.prev = append(b.next, 0), append(b.prev, 0)
		b.weights, b.aux = append(b.weights, 0), append(b.aux, 0)
	}
	b.weights[e], b.aux[e] = 0, 0
	b.prev[e], b.next[e] = NoEntry, b.heads[g]
	if h := b.heads[g]; h != NoEntry {
		b.prev[h] = e
	}
	b.heads[g] = e
}

func (b *Bag) unlink(g Slot, e Entry) {
	if p := b.prev[e]; p != NoEntry {
		b.next[p] = b.next[e]
	} else {
		b.heads[g] = b.next[e]
	}
	if n := b.next[e]; n != NoEntry {
		b.prev[n] = b.prev[e]
	}
}

// EachKey calls fn with every key and its group until it returns false.
func (b *Bag) EachKey(fn func(key []byte, g Slot) bool) {
	b.groups.Each(func(g Slot) bool { return fn(b.groups.Key(g), g) })
}

// Save writes the bag.
func (b *Bag) Save(w *Writer) {
	w.Uvarint(uint64(b.groups.Len()))
	b.EachKey(func(key []byte, g Slot) bool {
		w.Bytes(key)
		for e := b.First(g); e != NoEntry; e = b.Next(e) {
			w.Bool(true)
			w.Bytes(b.Row(e))
			w.Varint(b.Weight(e))
			w.Varint(b.Aux(e))
		}
		w.Bool(false)
		return w.Err() == nil
	})
}

// Load replaces the bag by a saved one.
func (b *Bag) Load(r *Reader) error {
	*b = Bag{}
	var key []byte
	for range r.Uvarint() {
		key = append(key[:0], r.Bytes()...)
		for r.Bool() {
			row, w, aux := r.Bytes(), r.Varint(), r.Varint()
			if r.Err() != nil {
				break
			}
			e := b.Add(key, row, w)
			if e == NoEntry || b.weights[e] != w {
				r.Fail("a row of a bag is held twice or with weight zero")
				break
			}
			b.SetAux(e, aux)
		}
		if r.Err() != nil {
			return r.Err()
		}
	}
	return r.Err()
}
