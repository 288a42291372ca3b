package state

import (
	"bufio"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math"

	"github.com/weir-lake/weir/internal/errkind"
)

// A checkpoint is a stream of frames: payload length and CRC-32C (both 32 bit, little
// endian), then the payload. Values run on from one frame into the next.
const (
	frameHeader   = 8
	framePayload  = 256 << 10 // written; large enough that headers do not matter
	frameMax      = 1 << 20   // accepted; bounds what a damaged length can allocate
	maxBytesValue = 1 << 31   // one value; a row is far below it
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Writer writes a checkpoint. After an error all further calls do nothing; Close reports it.
type Writer struct {
	out io.Writer
	buf []byte // frame header and payload so far
	err error
	n   int64
}

// NewWriter returns a Writer to out.
func NewWriter(out io.Writer) *Writer {
	return &Writer{out: out, buf: make([]byte, frameHeader, frameHeader+framePayload)}
}

// Err is the first error of the destination.
func (w *Writer) Err() error { return w.err }

// Close writes the last frame.
func (w *Writer) Close() error {
	w.flush()
	return w.err
}

func (w *Writer) flush() {
	if len(w.buf) == frameHeader || w.err != nil {
		return
	}
	payload := w.buf[frameHeader:]
	binary.LittleEndian.PutUint32(w.buf, uint32(len(payload)))
	binary.LittleEndian.PutUint32(w.buf[4:], crc32.Checksum(payload, castagnoli))
	n, err := w.out.Write(w.buf)
	w.n += int64(n)
	w.err = err
	w.buf = w.buf[:frameHeader]
}

func (w *Writer) raw(b []byte) {
	for len(b) > 0 && w.err == nil {
		n := min(len(b), cap(w.buf)-len(w.buf))
		w.buf = append(w.buf, b[:n]...)
		b = b[n:]
		if len(w.buf) == cap(w.buf) {
			w.flush()
		}
	}
}

// Uvarint writes an unsigned number.
func (w *Writer) Uvarint(v uint64) {
	var b [binary.MaxVarintLen64]byte
	w.raw(b[:binary.PutUvarint(b[:], v)])
}

// Varint writes a signed number.
func (w *Writer) Varint(v int64) {
	var b [binary.MaxVarintLen64]byte
	w.raw(b[:binary.PutVarint(b[:], v)])
}

// Bool writes a flag.
func (w *Writer) Bool(v bool) {
	if v {
		w.Uvarint(1)
	} else {
		w.Uvarint(0)
	}
}

// Float64 writes a number's bits.
func (w *Writer) Float64(v float64) { w.Uvarint(math.Float64bits(v)) }

// Bytes writes a byte string.
func (w *Writer) Bytes(b []byte) {
	w.Uvarint(uint64(len(b)))
	w.raw(b)
}

// Reader reads a checkpoint. After an error all calls return zero values; Err reports it.
type Reader struct {
	in    *bufio.Reader
	frame []byte // unread payload
	buf   []byte
	value []byte // of the last Bytes
	err   error
}

// NewReader returns a Reader of in.
func NewReader(in io.Reader) *Reader { return &Reader{in: bufio.NewReaderSize(in, 64<<10)} }

// Err is the first error: of kind corrupt for damage, else the source's.
func (r *Reader) Err() error { return r.err }

// Fail records that the bytes, though whole, make no sense.
func (r *Reader) Fail(format string, args ...any) {
	if r.err == nil {
		r.err = errkind.Errorf(errkind.Corrupt, "read state: "+format, args...)
	}
}

// End checks that nothing follows.
func (r *Reader) End() error {
	if r.err == nil && len(r.frame) > 0 {
		r.Fail("%d bytes too many", len(r.frame))
	}
	if r.err == nil {
		if _, err := r.in.ReadByte(); !errors.Is(err, io.EOF) {
			r.Fail("more frames than expected")
		}
	}
	return r.err
}

func (r *Reader) fill() bool {
	if r.err != nil {
		return false
	}
	var head [frameHeader]byte
	if _, err := io.ReadFull(r.in, head[:]); err != nil {
		r.broken("ends in the middle", err)
		return false
	}
	n := binary.LittleEndian.Uint32(head[:])
	if n == 0 || n > frameMax {
		r.Fail("a frame of %d bytes", n)
		return false
	}
	if cap(r.buf) < int(n) {
		r.buf = make([]byte, n)
	}
	r.buf = r.buf[:n]
	if _, err := io.ReadFull(r.in, r.buf); err != nil {
		r.broken("ends in the middle", err)
		return false
	}
	if crc32.Checksum(r.buf, castagnoli) != binary.LittleEndian.Uint32(head[4:]) {
		r.Fail("checksum of a frame differs")
		return false
	}
	r.frame = r.buf
	return true
}

func (r *Reader) broken(what string, err error) {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		r.Fail("%s", what)
		return
	}
	r.err = err
}

func (r *Reader) readByte() byte {
	if len(r.frame) == 0 && !r.fill() {
		return 0
	}
	b := r.frame[0]
	r.frame = r.frame[1:]
	return b
}

// Uvarint reads an unsigned number.
func (r *Reader) Uvarint() uint64 {
	var v uint64
	for shift := uint(0); ; shift += 7 {
		b := r.readByte()
		if r.err != nil {
			return 0
		}
		if shift == 63 && b > 1 {
			r.Fail("a number does not fit 64 bits")
			return 0
		}
		v |= uint64(b&0x7F) << shift
		if b < 0x80 {
			return v
		}
	}
}

// Varint reads a signed number.
func (r *Reader) Varint() int64 {
	u := r.Uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

// Bool reads a flag.
func (r *Reader) Bool() bool {
	v := r.Uvarint()
	if v > 1 {
		r.Fail("a flag of value %d", v)
	}
	return v == 1
}

// Float64 reads a number's bits.
func (r *Reader) Float64() float64 { return math.Float64frombits(r.Uvarint()) }

// Bytes reads a byte string, valid until the next Bytes; callers copy what they keep.
func (r *Reader) Bytes() []byte {
	n := r.Uvarint()
	if r.err == nil && n > maxBytesValue {
		r.Fail("a value of %d bytes", n)
	}
	if r.err != nil {
		return nil
	}
	r.value = r.value[:0]
	for n > 0 {
		if len(r.frame) == 0 && !r.fill() {
			return nil
		}
		k := min(n, uint64(len(r.frame)))
		r.value = append(r.value, r.frame[:k]...)
		r.frame = r.frame[k:]
		n -= k
	}
	return r.value
}
