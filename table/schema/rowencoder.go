package schema

import (
	"encoding/binary"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
)

// RowEncoder encodes rows of Arrow columns as BinaryRows without allocating
// for each row. It is not safe for concurrent use.
type RowEncoder struct {
	types []Type
	cols  []arrow.Array
	set   []func(w *rowWriter, col, row int)
	w     rowWriter
}

// NewRowEncoder makes an encoder of rows of the types.
func NewRowEncoder(types []Type) (*RowEncoder, error) {
	for i, t := range types {
		if !Rowable(t) {
			return nil, fmt.Errorf("field %d: %s cannot be part of a key, partition or statistics", i, t)
		}
	}
	return &RowEncoder{types: types}, nil
}

// Bind sets the columns that rows are read from, one a type, in the Arrow form
// of the type. The encoder keeps no reference count: the caller holds cols.
func (e *RowEncoder) Bind(cols []arrow.Array) error {
	if len(cols) != len(e.types) {
		return fmt.Errorf("bind row encoder: %d columns for %d fields", len(cols), len(e.types))
	}
	e.cols = cols
	e.set = e.set[:0]
	for i, t := range e.types {
		want, err := t.ArrowType()
		if err != nil {
			return err
		}
		if got := cols[i].DataType(); !arrow.TypeEqual(got, want) {
			return fmt.Errorf("bind row encoder: field %d is %s, which is Arrow %s, not %s", i, t, want, got)
		}
		e.set = append(e.set, setterOf(t, cols[i]))
	}
	return nil
}

// Append appends the row's bytes, without arity, to dst.
func (e *RowEncoder) Append(dst []byte, row int) []byte {
	e.w.reset(dst, len(e.types))
	for i, set := range e.set {
		if e.cols[i].IsNull(row) {
			e.w.setNull(i, e.types[i])
			continue
		}
		set(&e.w, i, row)
	}
	return e.w.buf
}

// AppendStored appends the row in stored form, arity first.
func (e *RowEncoder) AppendStored(dst []byte, row int) []byte {
	return e.Append(binary.BigEndian.AppendUint32(dst, uint32(len(e.types))), row)
}

// intSetter reads integers out of a column's values.
func intSetter[T int8 | int16 | int32 | int64 | arrow.Date32 | arrow.Time32 | arrow.Timestamp](t Type, values []T) func(*rowWriter, int, int) {
	return func(w *rowWriter, col, row int) { w.setInt(col, t, int64(values[row])) }
}

// setterOf picks the typed reader of a column once, so that rows need no type switch.
func setterOf(t Type, col arrow.Array) func(w *rowWriter, col, row int) {
	switch a := col.(type) {
	case *array.Boolean:
		return func(w *rowWriter, c, r int) { w.setBool(c, a.Value(r)) }
	case *array.Int8:
		return intSetter(t, a.Int8Values())
	case *array.Int16:
		return intSetter(t, a.Int16Values())
	case *array.Int32:
		return intSetter(t, a.Int32Values())
	case *array.Int64:
		return intSetter(t, a.Int64Values())
	case *array.Date32:
		return intSetter(t, a.Date32Values())
	case *array.Time32:
		return intSetter(t, a.Time32Values())
	case *array.Timestamp:
		return intSetter(t, a.TimestampValues())
	case *array.Float32:
		return func(w *rowWriter, c, r int) { w.setFloat(c, t, float64(a.Value(r))) }
	case *array.Float64:
		return func(w *rowWriter, c, r int) { w.setFloat(c, t, a.Value(r)) }
	case *array.Decimal128:
		return func(w *rowWriter, c, r int) { w.setDecimal(c, t, a.Value(r)) }
	case *array.String:
		return func(w *rowWriter, c, r int) { setBytes(w, c, a.Value(r)) }
	case *array.Binary:
		return func(w *rowWriter, c, r int) { setBytes(w, c, a.Value(r)) }
	default:
		panic(fmt.Sprintf("schema: no row setter for %s, which Bind accepted", col.DataType()))
	}
}

// ValueAt is the Go form of one cell of a column of type t; nil for NULL. The
// string or bytes are copied.
func ValueAt(t Type, col arrow.Array, row int) (any, error) {
	if col.IsNull(row) {
		return nil, nil
	}
	switch a := col.(type) {
	case *array.Boolean:
		return a.Value(row), nil
	case *array.Int8:
		return int64(a.Value(row)), nil
	case *array.Int16:
		return int64(a.Value(row)), nil
	case *array.Int32:
		return int64(a.Value(row)), nil
	case *array.Int64:
		return a.Value(row), nil
	case *array.Date32:
		return int64(a.Value(row)), nil
	case *array.Time32:
		return int64(a.Value(row)), nil
	case *array.Timestamp:
		return int64(a.Value(row)), nil
	case *array.Float32:
		return float64(a.Value(row)), nil
	case *array.Float64:
		return a.Value(row), nil
	case *array.Decimal128:
		return a.Value(row), nil
	case *array.String:
		return string(append([]byte(nil), a.Value(row)...)), nil
	case *array.Binary:
		return append([]byte{}, a.Value(row)...), nil
	default:
		return nil, fmt.Errorf("%s (Arrow %s) has no scalar value", t, col.DataType())
	}
}

// decimalCompare orders unscaled values of one scale.
func decimalCompare(a, b decimal128.Num) int {
	switch {
	case a.Less(b):
		return -1
	case b.Less(a):
		return 1
	default:
		return 0
	}
}
