package state

// Blobs holds one byte string per slot of an Index. The zero value holds empty strings.
type Blobs struct {
	at    []handle
	lens  []uint32
	room  []uint32 // bytes reserved at the handle: shorter and equal values overwrite in place
	bytes arena
}

// Get returns the slot's bytes, nil if none were set.
func (b *Blobs) Get(s Slot) []byte {
	if int(s) >= len(b.lens) || b.lens[s] == 0 {
		return nil
	}
	return b.bytes.get(b.at[s], b.lens[s])
}

// Set replaces the slot's bytes. v may not point into b.
func (b *Blobs) Set(s Slot, v []byte) {
	for int(s) >= len(b.lens) {
		b.at, b.lens, b.room = append(b.at, 0), append(b.lens, 0), append(b.room, 0)
	}
	if len(v) == 0 {
		b.lens[s] = 0
		return
	}
	if n := uint32(len(v)); n <= b.room[s] {
		copy(b.bytes.get(b.at[s], n), v)
		b.lens[s] = n
		return
	}
	b.bytes.free(b.room[s])
	b.at[s], b.lens[s], b.room[s] = b.bytes.put(v), uint32(len(v)), uint32(len(v))
	if b.bytes.wasteful() {
		b.compact()
	}
}

// Delete empties the slot.
func (b *Blobs) Delete(s Slot) {
	if int(s) < len(b.lens) {
		b.bytes.free(b.room[s])
		b.lens[s], b.room[s] = 0, 0
	}
}

func (b *Blobs) compact() {
	var fresh arena
	for s := range b.lens {
		v := b.Get(uint32(s))
		b.room[s] = uint32(len(v))
		if len(v) > 0 {
			b.at[s] = fresh.put(v)
		}
	}
	b.bytes = fresh
}

// SizeBytes is the memory held.
func (b *Blobs) SizeBytes() int64 {
	return b.bytes.total + int64(cap(b.at))*8 + int64(cap(b.lens)+cap(b.room))*4
}
