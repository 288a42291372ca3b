package manifest

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"sync/atomic"

	"github.com/google/uuid"
	"github.com/hamba/avro/v2"
	"github.com/hamba/avro/v2/ocf"
	"github.com/klauspost/compress/zstd"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/schema"
)

// blockBytesMax bounds one decompressed Avro block. Java writes blocks of 64 KiB.
const blockBytesMax = 256 << 20

// decode reads every row of an Avro container and hands it to row.
func decode[W any](data []byte, row func(W) error) (err error) {
	defer func() {
		// The Avro library reads through unsafe pointers guided by the file's own
		// schema; a schema that does not fit makes it panic.
		if p := recover(); p != nil {
			err = errkind.Errorf(errkind.Corrupt, "avro: the file's schema does not fit: %v", p)
		}
	}()
	dec, err := ocf.NewDecoder(bytes.NewReader(data),
		ocf.WithDecoderConfig(decoderLimits),
		ocf.WithDecoderSchemaCache(&avro.SchemaCache{}), // files of all writers share record names
		ocf.WithZStandardDecoderOptions(zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(blockBytesMax)))
	if err != nil {
		return errkind.Errorf(errkind.Corrupt, "avro: %w", err)
	}
	defer dec.Close()
	if err := checkRecord(dec.Schema()); err != nil {
		return err
	}
	for dec.HasNext() {
		var w W
		if err := dec.Decode(&w); err != nil {
			return errkind.Errorf(errkind.Corrupt, "avro: %w", err)
		}
		if err := row(w); err != nil {
			return err
		}
	}
	if err := dec.Error(); err != nil {
		return errkind.Errorf(errkind.Corrupt, "avro: %w", err)
	}
	return nil
}

// checkRecord asks for _VERSION, which all our files have: it makes every row at
// least a byte long, so that a short file cannot claim endless rows.
func checkRecord(s avro.Schema) error {
	if r, ok := s.(*avro.RecordSchema); ok {
		for _, f := range r.Fields() {
			if f.Name() == "_VERSION" && f.Type().Type() == avro.Int {
				return nil
			}
		}
	}
	return errkind.Errorf(errkind.Corrupt, "avro: the file holds no versioned records")
}

func encode[W any](schemaText, codec string, rows []W) ([]byte, error) {
	name, err := codecName(codec)
	if err != nil {
		return nil, err
	}
	s, err := avro.ParseWithCache(schemaText, "", &avro.SchemaCache{})
	if err != nil {
		return nil, fmt.Errorf("avro schema: %w", err)
	}
	var buf bytes.Buffer
	enc, err := ocf.NewEncoderWithSchema(s, &buf, ocf.WithCodec(name),
		ocf.WithEncoderSchemaCache(&avro.SchemaCache{}),
		// The default would write the canonical form, which drops defaults and logical types.
		ocf.WithSchemaMarshaler(func(avro.Schema) ([]byte, error) { return []byte(schemaText), nil }),
		ocf.WithZStandardEncoderOptions(zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest)))
	if err != nil {
		return nil, fmt.Errorf("avro encoder: %w", err)
	}
	for i := range rows {
		if err := enc.Encode(rows[i]); err != nil {
			return nil, fmt.Errorf("avro row %d: %w", i, err)
		}
	}
	if err := enc.Close(); err != nil {
		return nil, fmt.Errorf("avro encoder: %w", err)
	}
	return buf.Bytes(), nil
}

// codecName maps option manifest.compression to Avro's codec.
func codecName(option string) (ocf.CodecName, error) {
	switch option {
	case "", "zstd", "zstandard":
		return ocf.ZStandard, nil
	case "none", "null":
		return ocf.Null, nil
	case "snappy":
		return ocf.Snappy, nil
	case "deflate":
		return ocf.Deflate, nil
	default:
		return "", errkind.Errorf(errkind.Invalid, "table option '%s' = '%s': it must be one of zstd, snappy, deflate, none", schema.OptManifestCompression, option)
	}
}

// DecodeEntries reads a manifest.
func DecodeEntries(data []byte) ([]Entry, error) {
	var out []Entry
	err := decode(data, func(w wireEntry) error {
		e, err := entryFromWire(w)
		out = append(out, e)
		return err
	})
	return out, err
}

// EncodeEntries writes a manifest; codec is the value of manifest.compression.
func EncodeEntries(entries []Entry, codec string) ([]byte, error) {
	rows := make([]wireEntry, len(entries))
	for i := range entries {
		rows[i] = entryToWire(&entries[i])
	}
	return encode(entrySchemaText, codec, rows)
}

// DecodeList reads a manifest list.
func DecodeList(data []byte) ([]Meta, error) {
	var out []Meta
	err := decode(data, func(w wireMeta) error {
		m, err := metaFromWire(w)
		out = append(out, m)
		return err
	})
	return out, err
}

// EncodeList writes a manifest list.
func EncodeList(metas []Meta, codec string) ([]byte, error) {
	rows := make([]wireMeta, len(metas))
	for i := range metas {
		rows[i] = metaToWire(&metas[i])
	}
	return encode(metaSchemaText, codec, rows)
}

// DecodeIndex reads an index manifest.
func DecodeIndex(data []byte) ([]IndexEntry, error) {
	var out []IndexEntry
	err := decode(data, func(w wireIndex) error {
		e, err := indexFromWire(w)
		out = append(out, e)
		return err
	})
	return out, err
}

// EncodeIndex writes an index manifest.
func EncodeIndex(entries []IndexEntry, codec string) ([]byte, error) {
	rows := make([]wireIndex, len(entries))
	for i := range entries {
		rows[i] = indexToWire(&entries[i])
	}
	return encode(indexSchemaText, codec, rows)
}

// Files reads and writes the metadata files in a table's manifest folder. It is
// safe for concurrent use.
type Files struct {
	store objstore.Store
	codec atomic.Value // string
	run   string
	count *atomic.Int64
	cache *entryCache
}

// NewFiles makes an accessor over a store rooted at the table. codec is the
// value of manifest.compression, "" being zstd.
func NewFiles(store objstore.Store, codec string) *Files {
	f := &Files{store: store, run: uuid.NewString(), count: new(atomic.Int64), cache: newEntryCache()}
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
	entries, err := read(ctx, f, name, DecodeEntries)
	if err == nil {
		f.cache.put(name, entries)
	}
	return entries, err
}

// ReadList reads a manifest list by its name; "" is the empty list.
func (f *Files) ReadList(ctx context.Context, name string) ([]Meta, error) {
	if name == "" {
		return nil, nil
	}
	return read(ctx, f, name, DecodeList)
}

// ReadIndex reads an index manifest by its name; "" is the empty one.
func (f *Files) ReadIndex(ctx context.Context, name string) ([]IndexEntry, error) {
	if name == "" {
		return nil, nil
	}
	return read(ctx, f, name, DecodeIndex)
}

// WriteList writes a manifest list and returns its name and size in bytes.
func (f *Files) WriteList(ctx context.Context, metas []Meta) (string, int64, error) {
	data, err := EncodeList(metas, f.codec.Load().(string))
	if err != nil {
		return "", 0, fmt.Errorf("manifest list: %w", err)
	}
	name := f.name("manifest-list")
	size, err := f.write(ctx, name, data)
	return name, size, err
}

// WriteIndex writes an index manifest and returns its name.
func (f *Files) WriteIndex(ctx context.Context, entries []IndexEntry) (string, error) {
	data, err := EncodeIndex(entries, f.codec.Load().(string))
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
	data, err := EncodeEntries(entries, f.codec.Load().(string))
	if err != nil {
		return Meta{}, fmt.Errorf("manifest: %w", err)
	}
	m.FileName = f.name("manifest")
	m.FileSize, err = f.write(ctx, m.FileName, data)
	return m, err
}

// Delete removes a metadata file; a missing one is no error.
func (f *Files) Delete(ctx context.Context, name string) error {
	if err := f.store.Delete(ctx, Key(name)); err != nil {
		return fmt.Errorf("delete manifest %s: %w", f.store.URI(Key(name)), err)
	}
	return nil
}
