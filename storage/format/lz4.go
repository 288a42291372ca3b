package format

import (
	"encoding/binary"
	"errors"
	"sync"

	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/pierrec/lz4/v4"
)

// registerLZ4 teaches arrow-go Parquet's old LZ4 codec, which parquet-mr (and so
// Java Paimon) writes for file.compression=lz4 and arrow-go leaves out. The
// library keeps its codecs in one table for the process, which it does not lock;
// Open and NewWriter fill in the one that is missing before they first look there.
var registerLZ4 = sync.OnceFunc(func() { compress.RegisterCodec(compress.Codecs.Lz4, hadoopLZ4{}) })

// lz4RatioMax is the most that LZ4 can expand: a block cannot claim more.
const lz4RatioMax = 255

var errLZ4 = errors.New("malformed LZ4 block")

// hadoopLZ4 is LZ4 in Hadoop's framing: big-endian uncompressed length, then
// big-endian compressed length and a block, until the length is reached; several
// such frames may follow each other. Some writers left the framing out.
type hadoopLZ4 struct{}

// Decode implements compress.Codec; the library prefers DecodeWithError.
func (c hadoopLZ4) Decode(dst, src []byte) []byte {
	out, err := c.DecodeWithError(dst, src)
	if err != nil {
		panic(err) // the interface's way; the library recovers it
	}
	return out
}

// DecodeWithError implements compress.ErrorCodec.
func (hadoopLZ4) DecodeWithError(dst, src []byte) ([]byte, error) {
	if out, ok := unframe(dst[:0], src); ok {
		return out, nil
	}
	if cap(dst) == 0 {
		return nil, errLZ4
	}
	n, err := lz4.UncompressBlock(src, dst[:cap(dst)])
	if err != nil {
		return nil, errLZ4
	}
	return dst[:n], nil
}

// unframe decodes Hadoop frames; false if the bytes are none.
func unframe(out, src []byte) ([]byte, bool) {
	if len(src) == 0 {
		return out, true
	}
	for len(src) > 0 {
		if len(src) < 8 {
			return nil, false
		}
		want := int(binary.BigEndian.Uint32(src))
		src = src[4:]
		for want > 0 {
			if len(src) < 4 {
				return nil, false
			}
			size := int(binary.BigEndian.Uint32(src))
			if src = src[4:]; size == 0 || size > len(src) || want > lz4RatioMax*len(src) {
				return nil, false
			}
			at := len(out)
			out = append(out, make([]byte, want)...)
			n, err := lz4.UncompressBlock(src[:size], out[at:])
			if err != nil || n == 0 {
				return nil, false
			}
			out, src, want = out[:at+n], src[size:], want-n
		}
	}
	return out, true
}

// Encode implements compress.Codec.
func (hadoopLZ4) Encode(dst, src []byte) []byte {
	out := make([]byte, 8+lz4.CompressBlockBound(len(src)))
	n, err := lz4.CompressBlock(src, out[8:], nil)
	if err != nil {
		panic(err) // the buffer has the bound's size
	}
	binary.BigEndian.PutUint32(out, uint32(len(src)))
	binary.BigEndian.PutUint32(out[4:], uint32(n))
	return append(dst[:0], out[:8+n]...)
}

// EncodeLevel implements compress.Codec; LZ4 has one level here.
func (c hadoopLZ4) EncodeLevel(dst, src []byte, _ int) []byte { return c.Encode(dst, src) }

// CompressBound implements compress.Codec.
func (hadoopLZ4) CompressBound(n int64) int64 { return 8 + int64(lz4.CompressBlockBound(int(n))) }
