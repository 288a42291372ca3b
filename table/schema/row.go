package schema

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/weir-lake/weir/internal/errkind"
)

// A BinaryRow is Paimon's row encoding, little-endian: null bits (bit 8+i for
// field i, byte 0 the row kind), one 8-byte slot a field, then the variable
// part. Manifests store partitions, keys and statistics as the row behind a
// big-endian int32 arity ("stored form"); hashes cover the row alone.
//
// Go forms of values, the same as in table/predicate: bool; int64 for every
// integer, DATE (days), TIME (ms), TIMESTAMP (the Arrow unit of its precision);
// float64 for FLOAT and DOUBLE; string; []byte; decimal128.Num; nil for NULL.

const (
	arityBytes       = 4  // stored form's prefix
	headerBits       = 8  // the row kind's byte, before the null bits
	inlineMax        = 7  // longest string kept in its slot
	compactDecimal   = 18 // largest precision kept in a slot as int64
	compactTimestamp = 3  // largest timestamp precision kept in a slot
	decimalRoom      = 16 // variable bytes of a large decimal
)

// EmptyRow is the stored form of the row without fields.
func EmptyRow() []byte { return make([]byte, arityBytes+8) }

// Rowable reports whether values of the type can stand in partitions, keys and
// statistics. Paimon keeps nested types, VARIANT and BLOB out of them.
func Rowable(t Type) bool { return t.Kind >= Boolean && t.Kind <= TimestampLTZ }

func nullBitsBytes(arity int) int { return (arity + headerBits + 63) / 64 * 8 }

// rowWriter builds one row at the end of buf.
type rowWriter struct {
	buf   []byte
	start int // of the row in buf
	nulls int // bytes of null bits
}

func (w *rowWriter) reset(buf []byte, arity int) {
	w.start, w.nulls = len(buf), nullBitsBytes(arity)
	w.buf = append(buf, make([]byte, w.nulls+8*arity)...)
}

func (w *rowWriter) slot(i int) []byte { return w.buf[w.start+w.nulls+8*i:][:8] }

func (w *rowWriter) setNull(i int, t Type) {
	bit := i + headerBits
	w.buf[w.start+bit/8] |= 1 << (bit % 8)
	// Java reserves the variable part of these two even for NULL; hashes depend on it.
	switch {
	case t.Kind == Decimal && t.Precision > compactDecimal:
		w.setVar(i, make([]byte, decimalRoom), 0)
	case t.IsTimestamp() && t.Precision > compactTimestamp:
		w.setVar(i, make([]byte, 8), 0)
	}
}

// setVar appends data to the variable part, padded to 8 bytes, and points the
// slot to it; low is the slot's low half.
func (w *rowWriter) setVar(i int, data []byte, low uint32) {
	offset := len(w.buf) - w.start
	w.buf = append(w.buf, data...)
	if pad := len(data) % 8; pad != 0 {
		w.buf = append(w.buf, make([]byte, 8-pad)...)
	}
	binary.LittleEndian.PutUint64(w.slot(i), uint64(offset)<<32|uint64(low))
}

func (w *rowWriter) setInt(i int, t Type, v int64) {
	s := w.slot(i)
	switch t.Kind {
	case TinyInt:
		s[0] = byte(v)
	case SmallInt:
		binary.LittleEndian.PutUint16(s, uint16(v))
	case Int, Date, Time:
		binary.LittleEndian.PutUint32(s, uint32(v))
	case Timestamp, TimestampLTZ:
		w.setTimestamp(i, t, v)
	default:
		binary.LittleEndian.PutUint64(s, uint64(v))
	}
}

func (w *rowWriter) setTimestamp(i int, t Type, v int64) {
	perMilli := int64(1)
	nanosPer := uint32(0)
	switch t.TimestampUnit() {
	case arrow.Microsecond:
		perMilli, nanosPer = 1_000, 1_000
	case arrow.Nanosecond:
		perMilli, nanosPer = 1_000_000, 1
	}
	millis := v / perMilli
	rest := v % perMilli
	if rest < 0 {
		millis--
		rest += perMilli
	}
	if t.Precision <= compactTimestamp {
		binary.LittleEndian.PutUint64(w.slot(i), uint64(millis))
		return
	}
	w.setVar(i, binary.LittleEndian.AppendUint64(nil, uint64(millis)), uint32(rest)*nanosPer)
}

func (w *rowWriter) setFloat(i int, t Type, v float64) {
	if t.Kind == Float {
		binary.LittleEndian.PutUint32(w.slot(i), math.Float32bits(float32(v)))
		return
	}
	binary.LittleEndian.PutUint64(w.slot(i), math.Float64bits(v))
}

func (w *rowWriter) setBool(i int, v bool) {
	if v {
		w.slot(i)[0] = 1
	}
}

func (w *rowWriter) setDecimal(i int, t Type, v decimal128.Num) {
	if t.Precision <= compactDecimal {
		binary.LittleEndian.PutUint64(w.slot(i), v.LowBits())
		return
	}
	var room [decimalRoom]byte
	b := bigEndianMinimal(v)
	copy(room[:], b)
	w.setVar(i, room[:], uint32(len(b)))
}

// bigEndianMinimal is the shortest two's complement form, as Java's
// BigInteger.toByteArray gives it.
func bigEndianMinimal(v decimal128.Num) []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(v.HighBits()))
	b = binary.BigEndian.AppendUint64(b, v.LowBits())
	for len(b) > 1 && (b[0] == 0 && b[1] < 0x80 || b[0] == 0xff && b[1] >= 0x80) {
		b = b[1:]
	}
	return b
}

func setBytes[T string | []byte](w *rowWriter, i int, v T) {
	if len(v) <= inlineMax {
		s := w.slot(i)
		copy(s, v)
		s[7] = 0x80 | byte(len(v))
		return
	}
	w.setVar(i, []byte(v), uint32(len(v)))
}

// setValue writes a Go form; the error names what does not fit.
func (w *rowWriter) setValue(i int, t Type, v any) error {
	if !Rowable(t) {
		return errkind.Errorf(errkind.Invalid, "%s cannot be part of a key, partition or statistics", t)
	}
	ok := true
	switch x := v.(type) {
	case nil:
		w.setNull(i, t)
	case bool:
		if ok = t.Kind == Boolean; ok {
			w.setBool(i, x)
		}
	case int64:
		if ok = t.IsInteger() || t.IsTimestamp() || t.Kind == Date || t.Kind == Time; ok {
			w.setInt(i, t, x)
		}
	case float64:
		if ok = t.Kind == Float || t.Kind == Double; ok {
			w.setFloat(i, t, x)
		}
	case string:
		if ok = t.IsString(); ok {
			setBytes(w, i, x)
		}
	case []byte:
		if ok = t.IsBinary(); ok {
			setBytes(w, i, x)
		}
	case decimal128.Num:
		if ok = t.Kind == Decimal; ok {
			w.setDecimal(i, t, x)
		}
	default:
		ok = false
	}
	if !ok {
		return errkind.Errorf(errkind.Invalid, "a Go %T is not a value of %s", v, t)
	}
	return nil
}

// EncodeRow gives the stored form of values, one a type.
func EncodeRow(types []Type, values []any) ([]byte, error) {
	if len(types) != len(values) {
		return nil, fmt.Errorf("encode row: %d values for %d fields", len(values), len(types))
	}
	var w rowWriter
	w.reset(binary.BigEndian.AppendUint32(nil, uint32(len(types))), len(types))
	for i, t := range types {
		if err := w.setValue(i, t, values[i]); err != nil {
			return nil, fmt.Errorf("encode row: field %d: %w", i, err)
		}
	}
	return w.buf, nil
}

// RowBytes strips the arity off a stored row: what hashes cover.
func RowBytes(stored []byte) []byte {
	if len(stored) < arityBytes {
		return nil
	}
	return stored[arityBytes:]
}

// DecodeRow reads a stored row of the given types. Bytes that are no such row
// are an error of kind corrupt; it never reads outside data.
func DecodeRow(types []Type, data []byte) ([]any, error) {
	return decodeRow(types, data, func(Type) bool { return true })
}

// DecodeStats is DecodeRow for statistics, in which columns of types that have
// none keep a slot without meaning: they read as nil.
func DecodeStats(types []Type, data []byte) ([]any, error) {
	return decodeRow(types, data, Rowable)
}

func decodeRow(types []Type, data []byte, want func(Type) bool) ([]any, error) {
	if len(data) < arityBytes {
		return nil, corruptRow("%d bytes, shorter than its arity", len(data))
	}
	arity := binary.BigEndian.Uint32(data)
	if int64(arity) != int64(len(types)) {
		return nil, corruptRow("it has %d fields, not %d", arity, len(types))
	}
	row := data[arityBytes:]
	nulls := nullBitsBytes(len(types))
	if len(row) < nulls+8*len(types) {
		return nil, corruptRow("%d bytes, shorter than %d fields", len(row), len(types))
	}
	out := make([]any, len(types))
	for i, t := range types {
		if bit := i + headerBits; row[bit/8]>>(bit%8)&1 == 1 || !want(t) {
			continue
		}
		v, err := decodeSlot(t, row, row[nulls+8*i:][:8])
		if err != nil {
			return nil, fmt.Errorf("field %d (%s): %w", i, t, err)
		}
		out[i] = v
	}
	return out, nil
}

func corruptRow(format string, args ...any) error {
	return errkind.Errorf(errkind.Corrupt, "binary row: "+format, args...)
}

func decodeSlot(t Type, row, slot []byte) (any, error) {
	word := binary.LittleEndian.Uint64(slot)
	switch t.Kind {
	case Boolean:
		return slot[0] != 0, nil
	case TinyInt:
		return int64(int8(slot[0])), nil
	case SmallInt:
		return int64(int16(word)), nil
	case Int, Date, Time:
		return int64(int32(word)), nil
	case BigInt:
		return int64(word), nil
	case Float:
		return float64(math.Float32frombits(uint32(word))), nil
	case Double:
		return math.Float64frombits(word), nil
	case Char, VarChar:
		b, err := varPart(row, slot)
		return string(b), err
	case Binary, VarBinary:
		b, err := varPart(row, slot)
		return append([]byte{}, b...), err
	case Decimal:
		return decodeDecimal(t, row, word)
	case Timestamp, TimestampLTZ:
		return decodeTimestamp(t, row, word)
	default:
		return nil, errkind.Errorf(errkind.Invalid, "%s cannot be part of a key, partition or statistics", t)
	}
}

// at returns n bytes at the offset in word's high half.
func at(row []byte, word uint64, n int) ([]byte, error) {
	offset := word >> 32
	if offset > uint64(len(row)) || uint64(n) > uint64(len(row))-offset {
		return nil, corruptRow("%d bytes at %d lie outside the row's %d", n, offset, len(row))
	}
	return row[offset:][:n], nil
}

func varPart(row, slot []byte) ([]byte, error) {
	if slot[7]&0x80 != 0 {
		n := int(slot[7] & 0x7f)
		if n > inlineMax {
			return nil, corruptRow("inline length %d", n)
		}
		return slot[:n], nil
	}
	word := binary.LittleEndian.Uint64(slot)
	return at(row, word, int(uint32(word)))
}

func decodeDecimal(t Type, row []byte, word uint64) (any, error) {
	if t.Precision <= compactDecimal {
		return decimal128.FromI64(int64(word)), nil
	}
	n := int(uint32(word))
	if n < 1 || n > decimalRoom {
		return nil, corruptRow("decimal of %d bytes", n)
	}
	b, err := at(row, word, n)
	if err != nil {
		return nil, err
	}
	v := new(big.Int).SetBytes(b)
	if b[0]&0x80 != 0 {
		v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(8*n)))
	}
	return decimal128.FromBigInt(v), nil
}

func decodeTimestamp(t Type, row []byte, word uint64) (any, error) {
	if t.Precision <= compactTimestamp {
		return int64(word), nil
	}
	nanos := int64(uint32(word))
	if nanos > 999_999 {
		return nil, corruptRow("%d nanoseconds of a millisecond", nanos)
	}
	b, err := at(row, word, 8)
	if err != nil {
		return nil, err
	}
	millis := int64(binary.LittleEndian.Uint64(b))
	perMilli := int64(1_000)
	if t.TimestampUnit() == arrow.Nanosecond {
		perMilli = 1_000_000
	}
	if millis > math.MaxInt64/perMilli-1 || millis < math.MinInt64/perMilli+1 {
		return nil, errkind.Errorf(errkind.Invalid, "timestamp %d ms is outside what %s holds in memory", millis, t)
	}
	return millis*perMilli + nanos*perMilli/1_000_000, nil
}
