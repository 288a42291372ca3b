// Package state is the memory of the stream operators: keyed state over byte arenas that
// holds no pointers per entry, so the garbage collector has nothing to walk.
//
// Index maps key bytes to small dense slots; operators keep their own values in slices by
// slot (counters, sums). Blobs adds one byte string per slot. Bag holds, per key, a multiset
// of rows. Tree is an ordered multiset of keys for minima, ranks, windows and timers.
// All of them count their bytes, give garbage back when it outweighs what lives, and write
// themselves into a checkpoint with Writer and Reader.
//
// Nothing here is safe for concurrent use: a dataflow is driven by one goroutine. Byte
// slices returned point into the state and are valid until its next change.
//
// Reading a damaged checkpoint fails with an error of kind corrupt: every frame carries
// its checksum, and every length is checked against the frame it stands in.
package state
