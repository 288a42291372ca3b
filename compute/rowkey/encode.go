package rowkey

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/internal/errkind"
)

// Bytes of the encoding. A string's end (endMark, endTerm) sorts below a continued
// string whose next byte is zero (endMark, endEscape).
const (
	tagNull     = 0x00
	tagValue    = 0x01
	tagNullLast = 0x02
	moreMark    = 0x01 // before each element of a list or entry of a map
	endMark     = 0x00
	endTerm     = 0x01
	endEscape   = 0xFF
)

// Order is the direction of one sort key. The zero value is ascending with NULL last;
// Canonical is ascending with NULL first.
type Order struct {
	Desc       bool
	NullsFirst bool
}

// Canonical is the direction of every column in the canonical order.
var Canonical = Order{NullsFirst: true}

type appendFunc func(dst []byte, row int) []byte

// Encoder encodes rows of the columns it was made for.
type Encoder struct {
	cols []appendFunc
}

// zeros says what becomes of -0.0, which SQL calls equal to 0.0 although it is another number.
type zeros bool

const (
	zerosKept  zeros = false // rows come back as they were; -0.0 sorts right before 0.0
	zerosEqual zeros = true  // keys that SQL calls equal have equal bytes
)

// NewEncoder returns an encoder of rows of cols in the canonical order: they decode to what
// they were. Arrays may be slices. It fails with kind invalid for a type without an order.
func NewEncoder(cols []arrow.Array) (*Encoder, error) { return newEncoder(cols, zerosKept) }

// NewKeyEncoder returns an encoder of keys: values that SQL calls equal have equal bytes, so
// -0.0 comes back as 0.0.
func NewKeyEncoder(cols []arrow.Array) (*Encoder, error) { return newEncoder(cols, zerosEqual) }

func newEncoder(cols []arrow.Array, z zeros) (*Encoder, error) {
	e := &Encoder{cols: make([]appendFunc, len(cols))}
	for i, c := range cols {
		f, err := z.column(c, tagNull)
		if err != nil {
			return nil, err
		}
		e.cols[i] = f
	}
	return e, nil
}

// NewSortEncoder returns an encoder whose bytes sort rows by cols in the given directions.
// Its bytes do not decode.
func NewSortEncoder(cols []arrow.Array, orders []Order) (*Encoder, error) {
	e := &Encoder{cols: make([]appendFunc, len(cols))}
	for i, c := range cols {
		// Inverting a descending column's bytes also turns its NULL round.
		nullTag := byte(tagNullLast)
		if orders[i].NullsFirst != orders[i].Desc {
			nullTag = tagNull
		}
		f, err := zerosEqual.column(c, nullTag)
		if err != nil {
			return nil, err
		}
		if orders[i].Desc {
			f = inverted(f)
		}
		e.cols[i] = f
	}
	return e, nil
}

// Append appends the encoding of the row to dst.
func (e *Encoder) Append(dst []byte, row int) []byte {
	for _, f := range e.cols {
		dst = f(dst, row)
	}
	return dst
}

func inverted(f appendFunc) appendFunc {
	return func(dst []byte, row int) []byte {
		from := len(dst)
		dst = f(dst, row)
		for i := from; i < len(dst); i++ {
			dst[i] = ^dst[i]
		}
		return dst
	}
}

func (z zeros) column(a arrow.Array, nullTag byte) (appendFunc, error) {
	f, err := z.value(a)
	if err != nil {
		return nil, err
	}
	if a.NullN() == 0 && a.DataType().ID() != arrow.NULL {
		return func(dst []byte, row int) []byte { return f(append(dst, tagValue), row) }, nil
	}
	return func(dst []byte, row int) []byte {
		if a.IsNull(row) {
			return append(dst, nullTag)
		}
		return f(append(dst, tagValue), row)
	}, nil
}

// value encodes a value known not to be NULL, without a tag.
func (z zeros) value(a arrow.Array) (appendFunc, error) {
	switch a := a.(type) {
	case *array.Null:
		return func(dst []byte, _ int) []byte { return dst }, nil
	case *array.Boolean:
		return func(dst []byte, row int) []byte {
			if a.Value(row) {
				return append(dst, 1)
			}
			return append(dst, 0)
		}, nil
	case *array.Int8:
		v := a.Int8Values()
		return func(dst []byte, row int) []byte { return append(dst, byte(v[row])^0x80) }, nil
	case *array.Int16:
		v := a.Int16Values()
		return func(dst []byte, row int) []byte {
			return binary.BigEndian.AppendUint16(dst, uint16(v[row])^1<<15)
		}, nil
	case *array.Int32:
		return int32Encoder(a.Int32Values()), nil
	case *array.Date32:
		return int32Encoder(a.Date32Values()), nil
	case *array.Time32:
		return int32Encoder(a.Time32Values()), nil
	case *array.Int64:
		return int64Encoder(a.Int64Values()), nil
	case *array.Timestamp:
		return int64Encoder(a.TimestampValues()), nil
	case *array.Float32:
		v := a.Float32Values()
		return func(dst []byte, row int) []byte {
			x := v[row]
			if x == 0 && z == zerosEqual {
				x = 0
			}
			return binary.BigEndian.AppendUint32(dst, orderFloat32(x))
		}, nil
	case *array.Float64:
		v := a.Float64Values()
		return func(dst []byte, row int) []byte {
			x := v[row]
			if x == 0 && z == zerosEqual {
				x = 0
			}
			return binary.BigEndian.AppendUint64(dst, OrderFloat64(x))
		}, nil
	case *array.Decimal128:
		v := a.Values()
		return func(dst []byte, row int) []byte {
			dst = binary.BigEndian.AppendUint64(dst, uint64(v[row].HighBits())^1<<63)
			return binary.BigEndian.AppendUint64(dst, v[row].LowBits())
		}, nil
	case *array.String:
		return func(dst []byte, row int) []byte { return appendEscaped(dst, a.Value(row)) }, nil
	case *array.Binary:
		return func(dst []byte, row int) []byte { return appendEscaped(dst, a.ValueString(row)) }, nil
	default:
		return z.nested(a)
	}
}

func (z zeros) nested(a arrow.Array) (appendFunc, error) {
	switch a := a.(type) {
	case *array.Map: // before List: a Map is one too
		return z.mapEntries(a)
	case *array.List:
		elem, err := z.column(a.ListValues(), tagNull)
		if err != nil {
			return nil, err
		}
		return func(dst []byte, row int) []byte {
			from, to := a.ValueOffsets(row)
			for i := from; i < to; i++ {
				dst = elem(append(dst, moreMark), int(i))
			}
			return append(dst, endMark)
		}, nil
	case *array.Struct:
		fields := make([]appendFunc, a.NumField())
		for i := range fields {
			f, err := z.column(a.Field(i), tagNull)
			if err != nil {
				return nil, err
			}
			fields[i] = f
		}
		return func(dst []byte, row int) []byte {
			for _, f := range fields {
				dst = f(dst, row)
			}
			return dst
		}, nil
	default:
		return nil, errkind.Errorf(errkind.Invalid, "encode rows: values of type %s have no order", a.DataType())
	}
}

// mapEntries writes the entries sorted, because two maps with the same entries are equal
// whatever the order they were built in.
func (z zeros) mapEntries(a *array.Map) (appendFunc, error) {
	key, err := z.column(a.Keys(), tagNull)
	if err != nil {
		return nil, err
	}
	item, err := z.column(a.Items(), tagNull)
	if err != nil {
		return nil, err
	}
	return func(dst []byte, row int) []byte {
		from, to := a.ValueOffsets(row)
		entries := make([][]byte, 0, to-from)
		for i := from; i < to; i++ {
			entries = append(entries, item(key([]byte{moreMark}, int(i)), int(i)))
		}
		slices.SortFunc(entries, bytes.Compare)
		for _, e := range entries {
			dst = append(dst, e...)
		}
		return append(dst, endMark)
	}, nil
}

func int32Encoder[T ~int32](v []T) appendFunc {
	return func(dst []byte, row int) []byte {
		return binary.BigEndian.AppendUint32(dst, uint32(v[row])^1<<31)
	}
}

func int64Encoder[T ~int64](v []T) appendFunc {
	return func(dst []byte, row int) []byte {
		return binary.BigEndian.AppendUint64(dst, OrderInt64(int64(v[row])))
	}
}

// OrderInt64 maps v so that unsigned order is the order of the values.
func OrderInt64(v int64) uint64 { return uint64(v) ^ 1<<63 }

// UnorderInt64 is the inverse of OrderInt64.
func UnorderInt64(u uint64) int64 { return int64(u ^ 1<<63) }

// OrderFloat64 maps v so that unsigned order is the canonical order: -0.0 is right below 0.0
// and NaN is above +Inf.
func OrderFloat64(v float64) uint64 {
	if v != v {
		return math.MaxUint64
	}
	b := math.Float64bits(v)
	if b>>63 != 0 {
		return ^b
	}
	return b | 1<<63
}

// UnorderFloat64 is the inverse of OrderFloat64.
func UnorderFloat64(u uint64) float64 {
	switch {
	case u == math.MaxUint64:
		return math.NaN()
	case u>>63 != 0:
		return math.Float64frombits(u &^ (1 << 63))
	default:
		return math.Float64frombits(^u)
	}
}

func orderFloat32(v float32) uint32 {
	if v != v {
		return math.MaxUint32
	}
	b := math.Float32bits(v)
	if b>>31 != 0 {
		return ^b
	}
	return b | 1<<31
}

func unorderFloat32(u uint32) float32 {
	switch {
	case u == math.MaxUint32:
		return float32(math.NaN())
	case u>>31 != 0:
		return math.Float32frombits(u &^ (1 << 31))
	default:
		return math.Float32frombits(^u)
	}
}

func appendEscaped(dst []byte, s string) []byte {
	for {
		i := indexZero(s)
		if i < 0 {
			dst = append(dst, s...)
			return append(dst, endMark, endTerm)
		}
		dst = append(dst, s[:i]...)
		dst = append(dst, endMark, endEscape)
		s = s[i+1:]
	}
}

// CheckType reports, with kind invalid, a type whose values have no order.
func CheckType(dt arrow.DataType) error {
	b := array.NewBuilder(memory.DefaultAllocator, dt)
	defer b.Release()
	_, err := columnDecoder(b)
	return err
}
