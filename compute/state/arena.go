package state

const (
	// chunkBytes is large enough that chunks are few and small enough that a group of
	// idle jobs does not hold much: the first chunk of an arena is smaller.
	chunkBytes      = 1 << 20
	firstChunkBytes = 4 << 10
	// compactMinBytes of garbage are worth rewriting an arena for.
	compactMinBytes = 1 << 20
)

// arena holds byte strings addressed by handles: chunk number and offset within the chunk.
// Freed bytes are only counted; the owner rewrites the arena when wasteful says so.
type arena struct {
	chunks  [][]byte
	garbage int64 // bytes of freed strings
	total   int64 // capacity of all chunks in bytes
}

type handle uint64

func makeHandle(chunk, off int) handle { return handle(uint64(chunk)<<32 | uint64(off)) }

func (a *arena) put(b []byte) handle {
	n := len(a.chunks)
	if n == 0 || cap(a.chunks[n-1])-len(a.chunks[n-1]) < len(b) {
		size := chunkBytes
		if n == 0 {
			size = firstChunkBytes
		} else if n < 8 { // grow gently: 4K, 16K, 64K, 256K, then full chunks
			size = min(chunkBytes, firstChunkBytes<<(2*n))
		}
		a.chunks = append(a.chunks, make([]byte, 0, max(size, len(b))))
		a.total += int64(cap(a.chunks[n]))
		n++
	}
	c := a.chunks[n-1]
	h := makeHandle(n-1, len(c))
	a.chunks[n-1] = append(c, b...)
	return h
}

func (a *arena) get(h handle, n uint32) []byte {
	off := uint32(h)
	return a.chunks[h>>32][off : off+n : off+n]
}

func (a *arena) free(n uint32) { a.garbage += int64(n) }

func (a *arena) wasteful() bool { return a.garbage > compactMinBytes && a.garbage*2 > a.total }
