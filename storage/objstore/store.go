package objstore

import (
	"context"
	"io"
	"time"

	"github.com/weir-lake/weir/internal/errkind"
)

// Sentinels of the contract; wrapped with the key and operation.
var (
	// ErrNotFound: no object has that key.
	ErrNotFound = errkind.New(errkind.NotFound, "objstore: object not found")
	// ErrExists: PutIfAbsent lost; another writer's object is there, unchanged.
	ErrExists = errkind.New(errkind.Conflict, "objstore: object exists")
	// ErrNoConditionalPut: the store ignores If-None-Match, so commits would be lost.
	ErrNoConditionalPut = errkind.New(errkind.Unavailable, "objstore: store does not honour conditional puts")
)

// Info describes a stored object.
type Info struct {
	Key     string
	Size    int64     // bytes
	ModTime time.Time // when it was put, by the store's clock
	ETag    string    // changes whenever the content does; opaque, may be empty on local disk
}

// Store is a flat object namespace. All methods are safe for concurrent use and
// honour ctx. Readers never see a partly written object.
type Store interface {
	// Get returns length bytes from offset; length < 0 means to the end.
	// Reading past the end returns the bytes there are. The caller closes.
	Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error)
	// Put writes the whole object durably, replacing any before.
	Put(ctx context.Context, key string, data []byte) error
	// PutIfAbsent writes the object durably if no object has the key, else returns
	// ErrExists. Of any number of concurrent callers exactly one wins. A reply lost
	// after the put succeeded is resolved by reading back: the winner gets nil.
	PutIfAbsent(ctx context.Context, key string, data []byte) error
	// Create streams a new object; it appears at Close, durably, or not at all
	// (after Abort). Meant for data files under unique names.
	Create(ctx context.Context, key string) (Writer, error)
	// List calls fn for every object whose key begins with prefix, in key order.
	List(ctx context.Context, prefix string, fn func(Info) error) error
	// ListDirs returns the distinct next path segments below dir (one level,
	// names without slash), objects and folders alike, sorted.
	ListDirs(ctx context.Context, dir string) ([]string, error)
	// Delete removes the object; deleting a missing one is no error.
	Delete(ctx context.Context, key string) error
	// Stat describes the object or returns ErrNotFound.
	Stat(ctx context.Context, key string) (Info, error)
	// URI names the key for people ("/data/wh/x", "s3://bucket/wh/x"), without secrets.
	URI(key string) string
}

// Writer is an object being written. Close publishes it; Abort drops it and may
// be called after Close without effect.
type Writer interface {
	io.WriteCloser
	Abort()
}

// LocalPather is implemented by stores whose objects are plain files that other
// libraries (DuckDB) may read in place.
type LocalPather interface{ LocalPath(key string) string }

// ReadAll reads a whole object.
func ReadAll(ctx context.Context, s Store, key string) ([]byte, error) {
	r, err := s.Get(ctx, key, 0, -1)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}
