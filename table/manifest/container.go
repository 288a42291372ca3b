package manifest

import (
	"bytes"
	"compress/flate"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sync"

	"github.com/hamba/avro/v2"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

// Avro object container: "Obj" 1, a map of metadata, 16 bytes of sync marker;
// then blocks of row count, byte count, compressed rows, sync marker. Numbers
// are zigzag varints. We frame it ourselves because schemas and compressors are
// then made once for a table and not once a file, which is most of the cost.
const (
	containerMagic = "Obj\x01"
	syncBytes      = 16
	metaSchema     = "avro.schema"
	metaCodec      = "avro.codec"

	blockBytes    = 64 << 10  // rows of this size make a block, as Java's writer does
	blockBytesMax = 256 << 20 // a block that decompresses to more is refused
	metaBytesMax  = 1 << 20   // schemas are a few KiB
	metaCountMax  = 64        // entries of the metadata map
	windowBytes   = 512 << 10 // of zstd; larger ones only cost memory on such small files
)

// container reads and writes Avro files; safe for concurrent use. Compressors
// take some 300 KiB: they are pooled, so that those of idle tables go with the
// next garbage collections.
type container struct {
	enc sync.Pool // of *zstd.Encoder
	dec sync.Pool // of *zstd.Decoder

	mu struct {
		sync.Mutex
		schemas map[string]avro.Schema // parsed, by their text
	}
}

// schemasMax bounds the writers' schemas remembered: one a kind of file and version.
const schemasMax = 32

func newContainer() *container {
	c := &container{}
	c.mu.schemas = map[string]avro.Schema{}
	return c
}

func (c *container) encoder() *zstd.Encoder {
	if enc, ok := c.enc.Get().(*zstd.Encoder); ok {
		return enc
	}
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(windowBytes), zstd.WithLowerEncoderMem(true))
	if err != nil {
		panic(fmt.Sprintf("manifest: zstd options: %v", err))
	}
	return enc
}

func (c *container) decoder() *zstd.Decoder {
	if dec, ok := c.dec.Get().(*zstd.Decoder); ok {
		return dec
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(blockBytesMax))
	if err != nil {
		panic(fmt.Sprintf("manifest: zstd options: %v", err))
	}
	return dec
}

// parse gives the schema of a text, parsed once. Every text has a cache of its
// own: files of all writers use the same record names.
func (c *container) parse(text string) (avro.Schema, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.mu.schemas[text]; s != nil {
		return s, nil
	}
	s, err := avro.ParseWithCache(text, "", &avro.SchemaCache{})
	if err != nil {
		return nil, err
	}
	if len(c.mu.schemas) >= schemasMax {
		clear(c.mu.schemas)
	}
	c.mu.schemas[text] = s
	return s, nil
}

// cursor reads a container's framing and keeps the first error.
type cursor struct {
	data []byte
	err  error
}

var errShort = errors.New("the file ends too early")

func (r *cursor) take(n int64) []byte {
	if r.err == nil && (n < 0 || n > int64(len(r.data))) {
		r.err = errShort
	}
	if r.err != nil {
		return nil
	}
	out := r.data[:n]
	r.data = r.data[n:]
	return out
}

func (r *cursor) long() int64 {
	if r.err != nil {
		return 0
	}
	v, n := binary.Varint(r.data)
	if n <= 0 {
		r.err = errShort
		return 0
	}
	r.data = r.data[n:]
	return v
}

// header reads the metadata map and returns schema text, codec and sync marker.
func (r *cursor) header() (text, codec string, sync []byte) {
	if string(r.take(int64(len(containerMagic)))) != containerMagic && r.err == nil {
		r.err = errors.New("it is no Avro object container")
	}
	for seen := int64(0); r.err == nil; {
		n := r.long()
		if n == 0 {
			break
		}
		if n < 0 { // a block of the map with its size in bytes
			n = -n
			r.long()
		}
		if seen += n; n < 0 || seen > metaCountMax {
			r.err = fmt.Errorf("%d metadata entries", seen)
			break
		}
		for ; n > 0 && r.err == nil; n-- {
			key, value := string(r.take(r.long())), r.take(r.long())
			if len(value) > metaBytesMax {
				r.err = fmt.Errorf("metadata %s of %d bytes", key, len(value))
			}
			switch key {
			case metaSchema:
				text = string(value)
			case metaCodec:
				codec = string(value)
			}
		}
	}
	return text, codec, r.take(syncBytes)
}

// decode reads every row of a container and hands it to row.
func decode[W any](c *container, data []byte, row func(W) error) (err error) {
	defer func() {
		// The Avro library reads through unsafe pointers guided by the file's own
		// schema; a schema that does not fit makes it panic.
		if p := recover(); p != nil {
			err = errkind.Errorf(errkind.Corrupt, "avro: the file's schema does not fit: %v", p)
		}
	}()
	r := cursor{data: data}
	text, codec, sync := r.header()
	if r.err != nil {
		return errkind.Errorf(errkind.Corrupt, "avro: %w", r.err)
	}
	s, err := c.parse(text)
	if err != nil {
		return errkind.Errorf(errkind.Corrupt, "avro: %w", err)
	}
	if err := checkRecord(s); err != nil {
		return err
	}
	reader := avro.NewReader(nil, 0, avro.WithReaderConfig(decoderLimits))
	for len(r.data) > 0 {
		count := r.long()
		packed := r.take(r.long())
		if end := r.take(syncBytes); r.err == nil && !bytes.Equal(end, sync) {
			r.err = errors.New("a block does not end in the sync marker")
		}
		if r.err != nil {
			return errkind.Errorf(errkind.Corrupt, "avro: %w", r.err)
		}
		block, err := c.unpack(codec, packed)
		if err != nil {
			return errkind.Errorf(errkind.Corrupt, "avro: %w", err)
		}
		if count < 0 || count > int64(len(block)) { // a row has at least a byte
			return errkind.Errorf(errkind.Corrupt, "avro: %d rows in %d bytes", count, len(block))
		}
		reader.Reset(block)
		for range count {
			var w W
			if reader.ReadVal(s, &w); reader.Error != nil {
				return errkind.Errorf(errkind.Corrupt, "avro: %w", reader.Error)
			}
			if err := row(w); err != nil {
				return err
			}
		}
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

func (c *container) unpack(codec string, data []byte) ([]byte, error) {
	switch codec {
	case "", "null":
		return data, nil
	case "zstandard":
		dec := c.decoder()
		defer c.dec.Put(dec)
		return dec.DecodeAll(data, nil)
	case "deflate":
		out, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(data)), blockBytesMax+1))
		if err == nil && len(out) > blockBytesMax {
			err = fmt.Errorf("a block of more than %d bytes", blockBytesMax)
		}
		return out, err
	case "snappy":
		const sumBytes = 4
		if len(data) < sumBytes {
			return nil, errShort
		}
		body, sum := data[:len(data)-sumBytes], data[len(data)-sumBytes:]
		n, err := snappy.DecodedLen(body)
		if err == nil && n > blockBytesMax {
			err = fmt.Errorf("a block of %d bytes", n)
		}
		if err != nil {
			return nil, err
		}
		out, err := snappy.Decode(nil, body)
		if err == nil && crc32.ChecksumIEEE(out) != binary.BigEndian.Uint32(sum) {
			err = errors.New("a block's checksum does not match")
		}
		return out, err
	default:
		return nil, fmt.Errorf("codec %q is not known", codec)
	}
}

func (c *container) pack(codec string, data []byte) ([]byte, error) {
	switch codec {
	case "null":
		return data, nil
	case "zstandard":
		enc := c.encoder()
		defer c.enc.Put(enc)
		return enc.EncodeAll(data, nil), nil
	case "deflate":
		var buf bytes.Buffer
		w, err := flate.NewWriter(&buf, flate.DefaultCompression)
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(data); err != nil {
			return nil, err
		}
		err = w.Close()
		return buf.Bytes(), err
	case "snappy":
		return binary.BigEndian.AppendUint32(snappy.Encode(nil, data), crc32.ChecksumIEEE(data)), nil
	default:
		return nil, fmt.Errorf("codec %q is not known", codec)
	}
}

// codecName maps option manifest.compression to Avro's codec.
func codecName(option string) (string, error) {
	switch option {
	case "", "zstd", "zstandard":
		return "zstandard", nil
	case "none", "null":
		return "null", nil
	case "snappy", "deflate":
		return option, nil
	default:
		return "", errkind.Errorf(errkind.Invalid, "table option '%s' = '%s': it must be one of zstd, snappy, deflate, none", schema.OptManifestCompression, option)
	}
}

// encode writes rows as a container of the schema.
func encode[W any](c *container, text, option string, rows []W) ([]byte, error) {
	codec, err := codecName(option)
	if err != nil {
		return nil, err
	}
	s, err := c.parse(text)
	if err != nil {
		return nil, fmt.Errorf("avro schema: %w", err)
	}
	sync := make([]byte, syncBytes)
	rand.Read(sync)
	out := []byte(containerMagic)
	meta := [][2]string{{metaSchema, text}, {metaCodec, codec}}
	out = binary.AppendVarint(out, int64(len(meta)))
	for _, kv := range meta {
		for _, v := range kv {
			out = append(binary.AppendVarint(out, int64(len(v))), v...)
		}
	}
	out = append(append(out, 0), sync...)
	w := avro.NewWriter(nil, blockBytes)
	count := int64(0)
	flush := func() error {
		packed, err := c.pack(codec, w.Buffer())
		if err != nil {
			return err
		}
		out = binary.AppendVarint(out, count)
		out = append(binary.AppendVarint(out, int64(len(packed))), packed...)
		out = append(out, sync...)
		count = 0
		w.Reset(nil)
		return nil
	}
	for i := range rows {
		if w.WriteVal(s, rows[i]); w.Error != nil {
			return nil, fmt.Errorf("avro row %d: %w", i, w.Error)
		}
		count++
		if len(w.Buffer()) >= blockBytes || i == len(rows)-1 {
			if err := flush(); err != nil {
				return nil, fmt.Errorf("avro: %w", err)
			}
		}
	}
	return out, nil
}
