package index

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/RoaringBitmap/roaring/v2/roaring64"

	"github.com/weir-lake/weir/internal/errkind"
)

// Layout of a deletion vector in its index file: int32 size (big-endian), int32
// magic, bitmap, int32 CRC-32 of magic and bitmap (big-endian). Size counts
// magic and bitmap. Version 2 writes its magic little-endian.
const (
	vectorMagicV1 = 1581511376
	vectorMagicV2 = 1681511377
	vectorFrame   = 8 // size and checksum around magic and bitmap
	vectorMagic   = 4
)

// Vector is the set of deleted row positions of one data file. Exactly one of
// the two forms is set, as the file stores it.
type Vector struct {
	narrow *roaring.Bitmap
	wide   *roaring64.Bitmap
}

// Deleted reports whether the row at the position, counted from 0, is deleted.
func (v *Vector) Deleted(position int64) bool {
	if v.wide != nil {
		return position >= 0 && v.wide.Contains(uint64(position))
	}
	return position >= 0 && position <= math.MaxUint32 && v.narrow.Contains(uint32(position))
}

// Count is how many rows are deleted.
func (v *Vector) Count() int64 {
	if v.wide != nil {
		return int64(v.wide.GetCardinality())
	}
	return int64(v.narrow.GetCardinality())
}

// VectorBytes is how many bytes to read at a vector's offset, given the length
// that its index entry stores: version 1 stores it without size and checksum,
// version 2 with both. One read of it is enough for either.
func VectorBytes(length int) int { return length + vectorFrame }

// ReadVector reads the vector at the begin of data, which VectorBytes(length)
// bytes at its offset hold (less at the end of the file). length is as in the
// index entry.
func ReadVector(data []byte, length int) (*Vector, error) {
	if len(data) < vectorFrame+vectorMagic {
		return nil, corruptVector("%d bytes, shorter than its frame", len(data))
	}
	size := int64(binary.BigEndian.Uint32(data))
	if size < vectorMagic || size > int64(len(data)-vectorFrame) {
		return nil, corruptVector("it says %d bytes, there are %d", size, len(data)-vectorFrame)
	}
	body := data[4:][:size]
	if sum := binary.BigEndian.Uint32(data[4+size:]); sum != crc32.ChecksumIEEE(body) {
		return nil, corruptVector("its checksum does not match")
	}
	want, wide := int64(length), false
	switch {
	case binary.BigEndian.Uint32(body) == vectorMagicV1:
	case binary.LittleEndian.Uint32(body) == vectorMagicV2:
		want, wide = int64(length)-vectorFrame, true
	default:
		return nil, corruptVector("magic number %08x is not known", binary.BigEndian.Uint32(body))
	}
	if size != want {
		return nil, corruptVector("it says %d bytes, the index manifest %d", size, want)
	}
	return readBitmap(body[vectorMagic:], wide)
}

// readBitmap reads a bitmap in Roaring's portable form; wide is the 64-bit form.
func readBitmap(data []byte, wide bool) (v *Vector, err error) {
	defer func() {
		if p := recover(); p != nil { // the library trusts offsets inside the bitmap
			v, err = nil, corruptVector("bitmap: %v", p)
		}
	}()
	v = &Vector{}
	if wide {
		v.wide = roaring64.New()
		_, err = v.wide.ReadFrom(bytes.NewReader(data))
		if err == nil {
			err = v.wide.Validate()
		}
	} else {
		v.narrow = roaring.New()
		_, err = v.narrow.ReadFrom(bytes.NewReader(data))
		if err == nil {
			err = v.narrow.Validate()
		}
	}
	if err != nil {
		return nil, corruptVector("bitmap: %w", err)
	}
	return v, nil
}

func corruptVector(format string, args ...any) error {
	return errkind.Errorf(errkind.Corrupt, "deletion vector: "+format, args...)
}
