package rowkey

import (
	"bytes"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weir-lake/weir/internal/errkind"
)

type skipFunc func(src []byte) ([]byte, error)

// Splitter finds the columns of an encoded row.
type Splitter struct{ cols []skipFunc }

// NewSplitter returns a splitter of rows of the types.
func NewSplitter(types []arrow.DataType) (*Splitter, error) {
	s := &Splitter{cols: make([]skipFunc, len(types))}
	for i, dt := range types {
		f, err := columnSkipper(dt)
		if err != nil {
			return nil, err
		}
		s.cols[i] = f
	}
	return s, nil
}

// Split appends the encoding of each column of the row to dst; the parts point into row.
func (s *Splitter) Split(dst [][]byte, row []byte) ([][]byte, error) {
	for _, skip := range s.cols {
		rest, err := skip(row)
		if err != nil {
			return nil, err
		}
		dst = append(dst, row[:len(row)-len(rest)])
		row = rest
	}
	if len(row) != 0 {
		return nil, ErrCorrupt
	}
	return dst, nil
}

// AppendNull appends the encoding of a NULL column.
func AppendNull(dst []byte) []byte { return append(dst, tagNull) }

// IsNull tells whether an encoded column is NULL.
func IsNull(col []byte) bool { return len(col) == 1 && col[0] == tagNull }

func columnSkipper(dt arrow.DataType) (skipFunc, error) {
	value, err := valueSkipper(dt)
	if err != nil {
		return nil, err
	}
	return func(src []byte) ([]byte, error) {
		switch {
		case len(src) == 0:
			return nil, ErrCorrupt
		case src[0] == tagNull:
			return src[1:], nil
		case src[0] == tagValue:
			return value(src[1:])
		default:
			return nil, ErrCorrupt
		}
	}, nil
}

func valueSkipper(dt arrow.DataType) (skipFunc, error) {
	switch dt := dt.(type) {
	case *arrow.NullType:
		return func([]byte) ([]byte, error) { return nil, ErrCorrupt }, nil
	case *arrow.BooleanType:
		return fixedSkipper(1), nil
	case *arrow.StringType, *arrow.BinaryType:
		return skipEscaped, nil
	case *arrow.MapType:
		return repeatedSkipper(dt.KeyType(), dt.ItemType())
	case *arrow.ListType:
		return repeatedSkipper(dt.Elem())
	case *arrow.StructType:
		types := make([]arrow.DataType, dt.NumFields())
		for i, f := range dt.Fields() {
			types[i] = f.Type
		}
		return sequenceSkipper(types)
	case arrow.FixedWidthDataType:
		if err := CheckType(dt); err != nil {
			return nil, err
		}
		return fixedSkipper(dt.BitWidth() / 8), nil
	default:
		return nil, errkind.Errorf(errkind.Invalid, "split rows: values of type %s have no order", dt)
	}
}

func fixedSkipper(n int) skipFunc {
	return func(src []byte) ([]byte, error) {
		if len(src) < n {
			return nil, ErrCorrupt
		}
		return src[n:], nil
	}
}

func skipEscaped(src []byte) ([]byte, error) {
	for {
		i := bytes.IndexByte(src, endMark)
		if i < 0 || i+1 >= len(src) {
			return nil, ErrCorrupt
		}
		switch src[i+1] {
		case endTerm:
			return src[i+2:], nil
		case endEscape:
			src = src[i+2:]
		default:
			return nil, ErrCorrupt
		}
	}
}

func sequenceSkipper(types []arrow.DataType) (skipFunc, error) {
	s, err := NewSplitter(types)
	if err != nil {
		return nil, err
	}
	return func(src []byte) ([]byte, error) {
		var err error
		for _, skip := range s.cols {
			if src, err = skip(src); err != nil {
				return nil, err
			}
		}
		return src, nil
	}, nil
}

func repeatedSkipper(types ...arrow.DataType) (skipFunc, error) {
	one, err := sequenceSkipper(types)
	if err != nil {
		return nil, err
	}
	return func(src []byte) ([]byte, error) {
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
			if src, err = one(src); err != nil {
				return nil, err
			}
		}
	}, nil
}
