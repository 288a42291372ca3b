package rowkey

import (
	"bytes"
	"encoding/binary"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/weir-lake/weir/internal/errkind"
)

// ErrCorrupt: the bytes are not an encoding of the wanted types.
var ErrCorrupt = errkind.New(errkind.Corrupt, "rowkey: bytes are not an encoded row of these types")

type decodeFunc func(src []byte) ([]byte, error)

// Decoder appends encoded columns to the builders it was made for.
type Decoder struct {
	cols []decodeFunc
}

func indexZero(s string) int { return strings.IndexByte(s, 0) }

// NewDecoder returns a decoder into the builders, one per encoded column.
func NewDecoder(builders []array.Builder) (*Decoder, error) {
	d := &Decoder{cols: make([]decodeFunc, len(builders))}
	for i, b := range builders {
		f, err := columnDecoder(b)
		if err != nil {
			return nil, err
		}
		d.cols[i] = f
	}
	return d, nil
}

// Append decodes one row from the front of src into the builders and returns the bytes
// after it. After an error the builders hold a part of the row.
func (d *Decoder) Append(src []byte) ([]byte, error) {
	var err error
	for _, f := range d.cols {
		if src, err = f(src); err != nil {
			return nil, err
		}
	}
	return src, nil
}

func columnDecoder(b array.Builder) (decodeFunc, error) {
	f, err := valueDecoder(b)
	if err != nil {
		return nil, err
	}
	return func(src []byte) ([]byte, error) {
		if len(src) == 0 {
			return nil, ErrCorrupt
		}
		switch src[0] {
		case tagNull:
			b.AppendNull()
			return src[1:], nil
		case tagValue:
			return f(src[1:])
		default:
			return nil, ErrCorrupt
		}
	}, nil
}

// fixed decodes n bytes with put.
func fixed(n int, put func(src []byte)) decodeFunc {
	return func(src []byte) ([]byte, error) {
		if len(src) < n {
			return nil, ErrCorrupt
		}
		put(src)
		return src[n:], nil
	}
}

func fixed32(put func(v int32)) decodeFunc {
	return fixed(4, func(src []byte) { put(int32(binary.BigEndian.Uint32(src) ^ 1<<31)) })
}

func fixed64(put func(v int64)) decodeFunc {
	return fixed(8, func(src []byte) { put(UnorderInt64(binary.BigEndian.Uint64(src))) })
}

func valueDecoder(b array.Builder) (decodeFunc, error) {
	switch b := b.(type) {
	case *array.NullBuilder:
		return func([]byte) ([]byte, error) { return nil, ErrCorrupt }, nil // only NULL has the type
	case *array.BooleanBuilder:
		return fixed(1, func(src []byte) { b.Append(src[0] != 0) }), nil
	case *array.Int8Builder:
		return fixed(1, func(src []byte) { b.Append(int8(src[0] ^ 0x80)) }), nil
	case *array.Int16Builder:
		return fixed(2, func(src []byte) { b.Append(int16(binary.BigEndian.Uint16(src) ^ 1<<15)) }), nil
	case *array.Int32Builder:
		return fixed32(b.Append), nil
	case *array.Date32Builder:
		return fixed32(func(v int32) { b.Append(arrow.Date32(v)) }), nil
	case *array.Time32Builder:
		return fixed32(func(v int32) { b.Append(arrow.Time32(v)) }), nil
	case *array.Int64Builder:
		return fixed64(b.Append), nil
	case *array.TimestampBuilder:
		return fixed64(func(v int64) { b.Append(arrow.Timestamp(v)) }), nil
	case *array.Float32Builder:
		return fixed(4, func(src []byte) { b.Append(unorderFloat32(binary.BigEndian.Uint32(src))) }), nil
	case *array.Float64Builder:
		return fixed(8, func(src []byte) { b.Append(UnorderFloat64(binary.BigEndian.Uint64(src))) }), nil
	case *array.Decimal128Builder:
		return fixed(16, func(src []byte) {
			b.Append(decimal128.New(int64(binary.BigEndian.Uint64(src)^1<<63), binary.BigEndian.Uint64(src[8:])))
		}), nil
	case *array.StringBuilder:
		return stringDecoder(func(v []byte) { b.BinaryBuilder.Append(v) }), nil
	case *array.BinaryBuilder:
		return stringDecoder(b.Append), nil
	default:
		return nestedDecoder(b)
	}
}

func nestedDecoder(b array.Builder) (decodeFunc, error) {
	switch b := b.(type) {
	case *array.MapBuilder:
		key, err := columnDecoder(b.KeyBuilder())
		if err != nil {
			return nil, err
		}
		item, err := columnDecoder(b.ItemBuilder())
		if err != nil {
			return nil, err
		}
		return repeated(func() { b.Append(true) }, key, item), nil
	case *array.ListBuilder:
		elem, err := columnDecoder(b.ValueBuilder())
		if err != nil {
			return nil, err
		}
		return repeated(func() { b.Append(true) }, elem), nil
	case *array.StructBuilder:
		return structDecoder(b)
	default:
		return nil, errkind.Errorf(errkind.Invalid, "decode rows: values of type %s have no order", b.Type())
	}
}

func structDecoder(b *array.StructBuilder) (decodeFunc, error) {
	fields := make([]decodeFunc, b.NumField())
	for i := range fields {
		f, err := columnDecoder(b.FieldBuilder(i))
		if err != nil {
			return nil, err
		}
		fields[i] = f
	}
	return func(src []byte) ([]byte, error) {
		var err error
		b.Append(true)
		for _, f := range fields {
			if src, err = f(src); err != nil {
				return nil, err
			}
		}
		return src, nil
	}, nil
}

// repeated decodes elements, each by all of parts, until the end mark.
func repeated(begin func(), parts ...decodeFunc) decodeFunc {
	return func(src []byte) ([]byte, error) {
		begin()
		for {
			if len(src) == 0 {
				return nil, ErrCorrupt
			}
			mark := src[0]
			src = src[1:]
			if mark == endMark {
				return src, nil
			}
			if mark != moreMark {
				return nil, ErrCorrupt
			}
			var err error
			for _, f := range parts {
				if src, err = f(src); err != nil {
					return nil, err
				}
			}
		}
	}
}

func stringDecoder(put func(v []byte)) decodeFunc {
	var scratch []byte // reused: builders copy
	return func(src []byte) ([]byte, error) {
		i := bytes.IndexByte(src, endMark)
		if i < 0 || i+1 >= len(src) {
			return nil, ErrCorrupt
		}
		if src[i+1] == endTerm { // the common case: no zero byte inside
			put(src[:i])
			return src[i+2:], nil
		}
		scratch = scratch[:0]
		for {
			scratch = append(scratch, src[:i]...)
			switch src[i+1] {
			case endTerm:
				put(scratch)
				return src[i+2:], nil
			case endEscape:
				scratch = append(scratch, 0)
			default:
				return nil, ErrCorrupt
			}
			src = src[i+2:]
			i = bytes.IndexByte(src, endMark)
			if i < 0 || i+1 >= len(src) {
				return nil, ErrCorrupt
			}
		}
	}
}
