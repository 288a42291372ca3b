package format

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
)

const (
	// blockBytes is the unit of read-ahead: footers, indexes and small column chunks
	// of a file then cost one or two requests.
	blockBytes = 256 << 10
	// blocksMax bounds the read-ahead of one open file to 4 MiB.
	blocksMax = 16
)

// Object is one stored object as an io.ReaderAt with bounded read-ahead. Reads
// shorter than a block are served from cached blocks, longer ones go through.
// It is safe for concurrent use.
type Object struct {
	ctx   context.Context // of the read that opened it: io.ReaderAt has no room for one
	store objstore.Store
	key   string
	size  int64

	mu struct {
		sync.Mutex
		blocks map[int64][]byte // block number -> bytes
		order  []int64          // least recently filled first
	}
}

// OpenObject opens the object of the size that the manifest or Stat gave. It
// reads nothing; an object of another size shows itself as corrupt when read.
// ctx bounds all reads through the object.
func OpenObject(ctx context.Context, store objstore.Store, key string, size int64) *Object {
	o := &Object{ctx: ctx, store: store, key: key, size: size}
	o.mu.blocks = map[int64][]byte{}
	return o
}

// Name is the object's URI for messages.
func (o *Object) Name() string { return o.store.URI(o.key) }

// Size is the object's size in bytes.
func (o *Object) Size() int64 { return o.size }

// ReadAt implements io.ReaderAt.
func (o *Object) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= o.size {
		return 0, io.EOF
	}
	if len(p) >= blockBytes {
		return o.fetch(p, off)
	}
	n := 0
	for n < len(p) && off+int64(n) < o.size {
		at := off + int64(n)
		b, err := o.block(at / blockBytes)
		if err != nil {
			return n, err
		}
		n += copy(p[n:], b[at%blockBytes:])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (o *Object) block(no int64) ([]byte, error) {
	o.mu.Lock()
	b, ok := o.mu.blocks[no]
	o.mu.Unlock()
	if ok {
		return b, nil
	}
	b = make([]byte, min(blockBytes, o.size-no*blockBytes))
	if _, err := o.fetch(b, no*blockBytes); err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, ok := o.mu.blocks[no]; !ok {
		if len(o.mu.order) >= blocksMax {
			delete(o.mu.blocks, o.mu.order[0])
			o.mu.order = o.mu.order[1:]
		}
		o.mu.blocks[no] = b
		o.mu.order = append(o.mu.order, no)
	}
	return b, nil
}

func (o *Object) fetch(p []byte, off int64) (int, error) {
	want := min(int64(len(p)), o.size-off)
	r, err := o.store.Get(o.ctx, o.key, off, want)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	n, err := io.ReadFull(r, p[:want])
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return n, errkind.Errorf(errkind.Corrupt, "read %s: it ends at byte %d, its manifest says %d bytes; the file is truncated", o.Name(), off+int64(n), o.size)
	}
	if err != nil {
		return n, fmt.Errorf("read %s at byte %d: %w", o.Name(), off, err)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
