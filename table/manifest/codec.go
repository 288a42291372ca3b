package manifest

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"

	"github.com/google/uuid"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/schema"
)

// DecodeEntries reads a manifest.
func DecodeEntries(data []byte) ([]Entry, error) { return newContainer().entries(data) }

// DecodeList reads a manifest list.
func DecodeList(data []byte) ([]Meta, error) { return newContainer().metas(data) }

// DecodeIndex reads an index manifest.
func DecodeIndex(data []byte) ([]IndexEntry, error) { return newContainer().indexes(data) }

// EncodeEntries writes a manifest; codec is the value of manifest.compression.
func EncodeEntries(entries []Entry, codec string) ([]byte, error) {
	return newContainer().fromEntries(entries, codec)
}

// EncodeList writes a manifest list.
func EncodeList(metas []Meta, codec string) ([]byte, error) {
	return newContainer().fromMetas(metas, codec)
}

// EncodeIndex writes an index manifest.
func EncodeIndex(entries []IndexEntry, codec string) ([]byte, error) {
	return newContainer().fromIndexes(entries, codec)
}

func rowsOf[W, T any](c *container, data []byte, from func(W) (T, error)) ([]T, error) {
	var out []T
	err := decode(c, data, func(w W) error {
		v, err := from(w)
		out = append(out, v)
		return err
	})
	return out, err
}

func wires[W, T any](rows []T, to func(*T) W) []W {
	out := make([]W, len(rows))
	for i := range rows {
		out[i] = to(&rows[i])
	}
	return out
}

func (c *container) entries(data []byte) ([]Entry, error) { return rowsOf(c, data, entryFromWire) }
func (c *container) metas(data []byte) ([]Meta, error)    { return rowsOf(c, data, metaFromWire) }

func (c *container) indexes(data []byte) ([]IndexEntry, error) {
	return rowsOf(c, data, indexFromWire)
}

func (c *container) fromEntries(rows []Entry, codec string) ([]byte, error) {
	return encode(c, entrySchemaText, codec, wires(rows, entryToWire))
}

func (c *container) fromMetas(rows []Meta, codec string) ([]byte, error) {
	return encode(c, metaSchemaText, codec, wires(rows, metaToWire))
}

func (c *container) fromIndexes(rows []IndexEntry, codec string) ([]byte, error) {
	return encode(c, indexSchemaText, codec, wires(rows, indexToWire))
}

// Files reads and writes the metadata files in a table's manifest folder. It is
// safe for concurrent use.
type Files struct {
	store objstore.Store
	codec atomic.Value // string
	run   string
	count *atomic.Int64
	cache *cache[Entry]
	lists *cache[Meta]
	avro  *container
}

// NewFiles makes an accessor over a store rooted at the table. codec is the
// value of manifest.compression, "" being zstd.
func NewFiles(store objstore.Store, codec string) *Files {
	f := &Files{store: store, run: uuid.NewString(), count: new(atomic.Int64), cache: newCache[Entry](cacheEntriesMax), lists: newCache[Meta](cacheMetasMax), avro: newContainer()}
	f.codec.Store(codec)
	return f
}

// SetCodec changes the codec of files written from now on.
func (f *Files) SetCodec(codec string) { f.codec.Store(codec) }

// Key is the key of a metadata file, relative to the table.
func Key(name string) string { return schema.DirManifest + "/" + name }

func (f *Files) name(kind string) string {
	return kind + "-" + f.run + "-" + strconv.FormatInt(f.count.Add(1)-1, 10)
}

func read[T any](ctx context.Context, f *Files, name string, decode func([]byte) ([]T, error)) ([]T, error) {
	data, err := objstore.ReadAll(ctx, f.store, Key(name))
	if err != nil {
		return nil, fmt.Errorf("read manifest %s: %w", f.store.URI(Key(name)), err)
	}
	out, err := decode(data)
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", f.store.URI(Key(name)), err)
	}
	return out, nil
}

func (f *Files) write(ctx context.Context, name string, data []byte) (int64, error) {
	if err := f.store.Put(ctx, Key(name), data); err != nil {
		return 0, fmt.Errorf("write manifest %s: %w", f.store.URI(Key(name)), err)
	}
	return int64(len(data)), nil
}

// ReadEntries reads a manifest by its name. The result is shared with other
// callers: it must not be changed.
func (f *Files) ReadEntries(ctx context.Context, name string) ([]Entry, error) {
	if entries, ok := f.cache.get(name); ok {
		return entries, nil
	}
	entries, err := read(ctx, f, name, f.avro.entries)
	if err == nil {
		f.cache.put(name, entries)
	}
	return entries, err
}

// ReadManifest is ReadEntries of a listed manifest; other numbers of entries
// than the list says are an error of kind corrupt.
func (f *Files) ReadManifest(ctx context.Context, m *Meta) ([]Entry, error) {
	entries, err := f.ReadEntries(ctx, m.FileName)
	if err == nil && int64(len(entries)) != m.NumAdded+m.NumDeleted {
		return nil, errkind.Errorf(errkind.Corrupt, "manifest %s holds %d entries, its list says %d", f.store.URI(Key(m.FileName)), len(entries), m.NumAdded+m.NumDeleted)
	}
	return entries, err
}

// ReadList reads a manifest list by its name; "" is the empty list. The result
// is shared with other callers: it must not be changed.
func (f *Files) ReadList(ctx context.Context, name string) ([]Meta, error) {
	if name == "" {
		return nil, nil
	}
	if metas, ok := f.lists.get(name); ok {
		return metas, nil
	}
	metas, err := read(ctx, f, name, f.avro.metas)
	if err == nil {
		f.lists.put(name, metas)
	}
	return metas, err
}

// ReadIndex reads an index manifest by its name; "" is the empty one.
func (f *Files) ReadIndex(ctx context.Context, name string) ([]IndexEntry, error) {
	if name == "" {
		return nil, nil
	}
	return read(ctx, f, name, f.avro.indexes)
}

// WriteList writes a manifest list and returns its name and size in bytes.
func (f *Files) WriteList(ctx context.Context, metas []Meta) (string, int64, error) {
	data, err := f.avro.fromMetas(metas, f.codec.Load().(string))
	if err != nil {
		return "", 0, fmt.Errorf("manifest list: %w", err)
	}
	name := f.name("manifest-list")
	size, err := f.write(ctx, name, data)
	if err == nil { // the next commit reads it
		if kept, err := asRead(metas, metaToWire, metaFromWire); err == nil {
			f.lists.put(name, kept)
		}
	}
	return name, size, err
}

// WriteIndex writes an index manifest and returns its name.
func (f *Files) WriteIndex(ctx context.Context, entries []IndexEntry) (string, error) {
	data, err := f.avro.fromIndexes(entries, f.codec.Load().(string))
	if err != nil {
		return "", fmt.Errorf("index manifest: %w", err)
	}
	name := f.name("index-manifest")
	_, err = f.write(ctx, name, data)
	return name, err
}

// WriteEntries writes one manifest and describes it. partitionTypes are the
// types of the partition columns; schemaID is the newest schema's.
func (f *Files) WriteEntries(ctx context.Context, entries []Entry, partitionTypes []schema.Type, schemaID int64) (Meta, error) {
	m, err := Summarize(entries, partitionTypes, schemaID)
	if err != nil {
		return Meta{}, err
	}
	data, err := f.avro.fromEntries(entries, f.codec.Load().(string))
	if err != nil {
		return Meta{}, fmt.Errorf("manifest: %w", err)
	}
	m.FileName = f.name("manifest")
	m.FileSize, err = f.write(ctx, m.FileName, data)
	if err == nil { // a later commit merges it
		if kept, err := asRead(entries, entryToWire, entryFromWire); err == nil {
			f.cache.put(m.FileName, kept)
		}
	}
	return m, err
}

// Delete removes a metadata file; a missing one is no error.
func (f *Files) Delete(ctx context.Context, name string) error {
	if err := f.store.Delete(ctx, Key(name)); err != nil {
		return fmt.Errorf("delete manifest %s: %w", f.store.URI(Key(name)), err)
	}
	return nil
}
