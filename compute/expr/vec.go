package expr

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/table/schema"
)

// vec is a column during evaluation: plain Go slices, so that kernels are plain loops.
//
// data is []bool, []int8, []int16, []int32 (INT, DATE, TIME), []int64 (BIGINT, timestamps,
// intervals), []float32, []float64, []decimal128.Num, text (CHAR, VARCHAR and binaries) or an
// arrow.Array (nested types). Values of NULL rows, and of rows outside the selection under
// which the vec was made, are unspecified.
type vec struct {
	data  any
	valid []bool // nil: no NULL
	konst bool   // data and valid have one row, which stands for every row
}

// text is a column of strings or bytes: value i is data[off[i]:off[i+1]].
type text struct {
	off  []int32
	data []byte
}

func (t text) at(i int) []byte { return t.data[t.off[i]:t.off[i+1]] }

// fixed are the element types of fixed-width columns.
type fixed interface {
	bool | int8 | int16 | int32 | int64 | float32 | float64 | decimal128.Num
}

// col reads a fixed-width vec row by row; a constant has step 0.
type col[T any] struct {
	v    []T
	step int
}

func (c col[T]) at(i int) T { return c.v[i*c.step] }

func colOf[T fixed](v vec) col[T] {
	if v.konst {
		return col[T]{v.data.([]T), 0}
	}
	return col[T]{v.data.([]T), 1}
}

// textCol reads a text vec row by row.
type textCol struct {
	t    text
	step int
}

func textOf(v vec) textCol {
	if v.konst {
		return textCol{v.data.(text), 0}
	}
	return textCol{v.data.(text), 1}
}

func (c textCol) bytes(i int) []byte  { return c.t.at(i * c.step) }
func (c textCol) string(i int) string { return string(c.t.at(i * c.step)) }

// isNull reports whether row i is NULL.
func (v *vec) isNull(i int) bool {
	if v.valid == nil {
		return false
	}
	if v.konst {
		i = 0
	}
	return !v.valid[i]
}

// nullConst is the constant NULL of type t.
func nullConst(t schema.Type) (vec, error) {
	at, err := t.ArrowType()
	if err != nil {
		return vec{}, err
	}
	b := array.NewBuilder(memory.DefaultAllocator, at)
	defer b.Release()
	b.AppendNull()
	v, err := vecOf(b.NewArray(), t)
	v.konst = true
	if t.Kind == schema.Null {
		v.valid = []bool{false}
	}
	return v, err
}

// vecOf views an Arrow array of t's form as a vec, without copying fixed-width and text
// values. The vec is good as long as the array is not released.
func vecOf(a arrow.Array, t schema.Type) (vec, error) {
	want, err := t.ArrowType()
	if err != nil {
		return vec{}, err
	}
	if a.DataType().ID() != want.ID() {
		return vec{}, fmt.Errorf("evaluate: a column of type %s is held as Arrow %s, not %s", t, a.DataType(), want)
	}
	v := vec{valid: validOf(a)}
	n, d := a.Len(), a.Data()
	switch x := a.(type) {
	case *array.Boolean:
		b := make([]bool, n)
		for i := range b {
			b[i] = x.Value(i)
		}
		v.data = b
	case *array.Int8:
		v.data = fixedData[int8](d, n)
	case *array.Int16:
		v.data = fixedData[int16](d, n)
	case *array.Int32, *array.Date32, *array.Time32:
		v.data = fixedData[int32](d, n)
	case *array.Int64:
		v.data = fixedData[int64](d, n)
	case *array.Timestamp:
		if unit := want.(*arrow.TimestampType).Unit; x.DataType().(*arrow.TimestampType).Unit != unit {
			return vec{}, fmt.Errorf("evaluate: a column of type %s is held as Arrow %s, not in %s", t, a.DataType(), unit)
		}
		v.data = fixedData[int64](d, n)
	case *array.Float32:
		v.data = fixedData[float32](d, n)
	case *array.Float64:
		v.data = fixedData[float64](d, n)
	case *array.Decimal128:
		if scale := x.DataType().(*arrow.Decimal128Type).Scale; scale != int32(t.Scale) {
			return vec{}, fmt.Errorf("evaluate: a column of type %s is held as Arrow %s", t, a.DataType())
		}
		v.data = fixedData[decimal128.Num](d, n)
	case *array.String, *array.Binary:
		v.data = textData(d, n)
	default:
		v.data = a
	}
	return v, nil
}

func fixedData[T interface {
	int8 | int16 | int32 | int64 | float32 | float64 | decimal128.Num
}](d arrow.ArrayData, n int) []T {
	buf := d.Buffers()[1]
	if n == 0 || buf == nil {
		return make([]T, n)
	}
	return arrow.GetData[T](buf.Bytes())[d.Offset() : d.Offset()+n]
}

func textData(d arrow.ArrayData, n int) text {
	offsets := d.Buffers()[1]
	if n == 0 || offsets == nil || offsets.Len() == 0 {
		return text{off: make([]int32, n+1)}
	}
	t := text{off: arrow.GetData[int32](offsets.Bytes())[d.Offset() : d.Offset()+n+1]}
	if b := d.Buffers()[2]; b != nil {
		t.data = b.Bytes()
	}
	return t
}

// validOf expands an array's validity bitmap; nil if no row is NULL.
func validOf(a arrow.Array) []bool {
	if a.NullN() == 0 {
		return nil
	}
	n := a.Len()
	valid := make([]bool, n)
	if a.DataType().ID() == arrow.NULL {
		return valid
	}
	bits, off := a.NullBitmapBytes(), a.Data().Offset()
	for i := range valid {
		valid[i] = bitutil.BitIsSet(bits, off+i)
	}
	return valid
}

// arrayOf makes the Arrow array of n rows; a constant is repeated. The array shares the
// vec's memory. The caller releases it.
func arrayOf(v vec, t schema.Type, n int) (arrow.Array, error) {
	at, err := t.ArrowType()
	if err != nil {
		return nil, err
	}
	if v.konst && n != 1 {
		v = expand(v, n)
	}
	if a, ok := v.data.(arrow.Array); ok {
		return nestedArray(a, v.valid)
	}
	nulls, bitmap := bitmapOf(v.valid)
	buffers := []*memory.Buffer{bitmap, nil}
	switch x := v.data.(type) {
	case []bool:
		b := make([]byte, bitutil.BytesForBits(int64(n)))
		for i, set := range x[:n] {
			if set {
				b[i>>3] |= 1 << (i & 7)
			}
		}
		buffers[1] = memory.NewBufferBytes(b)
	case []int8:
		buffers[1] = memory.NewBufferBytes(arrow.Int8Traits.CastToBytes(x))
	case []int16:
		buffers[1] = memory.NewBufferBytes(arrow.Int16Traits.CastToBytes(x))
	case []int32:
		buffers[1] = memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(x))
	case []int64:
		buffers[1] = memory.NewBufferBytes(arrow.Int64Traits.CastToBytes(x))
	case []float32:
		buffers[1] = memory.NewBufferBytes(arrow.Float32Traits.CastToBytes(x))
	case []float64:
		buffers[1] = memory.NewBufferBytes(arrow.Float64Traits.CastToBytes(x))
	case []decimal128.Num:
		buffers[1] = memory.NewBufferBytes(arrow.Decimal128Traits.CastToBytes(x))
	case text:
		buffers[1] = memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(x.off))
		buffers = append(buffers, memory.NewBufferBytes(x.data))
	default:
		return nil, fmt.Errorf("evaluate: no Arrow form of %T", v.data)
	}
	data := array.NewData(at, n, buffers, nil, nulls, 0)
	defer data.Release()
	return array.MakeFromData(data), nil
}

// bitmapOf packs validity; no buffer if no row is NULL.
func bitmapOf(valid []bool) (nulls int, bitmap *memory.Buffer) {
	if valid == nil {
		return 0, nil
	}
	bits := make([]byte, bitutil.BytesForBits(int64(len(valid))))
	for i, ok := range valid {
		if ok {
			bits[i>>3] |= 1 << (i & 7)
		} else {
			nulls++
		}
	}
	return nulls, memory.NewBufferBytes(bits)
}

// nestedArray is a with rows outside valid made NULL.
func nestedArray(a arrow.Array, valid []bool) (arrow.Array, error) {
	same := true
	for i := range a.Len() {
		if valid != nil && !valid[i] && !a.IsNull(i) {
			same = false
			break
		}
	}
	if same {
		a.Retain()
		return a, nil
	}
	b := array.NewBuilder(memory.DefaultAllocator, a.DataType())
	defer b.Release()
	for i := range a.Len() {
		if !valid[i] {
			b.AppendNull()
		} else if err := appendArrow(b, a, i); err != nil {
			return nil, err
		}
	}
	return b.NewArray(), nil
}

// expand repeats a constant n times.
func expand(v vec, n int) vec {
	out := vec{}
	if v.isNull(0) {
		out.valid = make([]bool, n)
	}
	switch x := v.data.(type) {
	case []bool:
		out.data = repeat(x[0], n)
	case []int8:
		out.data = repeat(x[0], n)
	case []int16:
		out.data = repeat(x[0], n)
	case []int32:
		out.data = repeat(x[0], n)
	case []int64:
		out.data = repeat(x[0], n)
	case []float32:
		out.data = repeat(x[0], n)
	case []float64:
		out.data = repeat(x[0], n)
	case []decimal128.Num:
		out.data = repeat(x[0], n)
	case text:
		one := x.at(0)
		t := text{off: make([]int32, n+1), data: make([]byte, 0, n*len(one))}
		for i := range n {
			t.data = append(t.data, one...)
			t.off[i+1] = int32(len(t.data))
		}
		out.data = t
	case arrow.Array:
		b := array.NewBuilder(memory.DefaultAllocator, x.DataType())
		defer b.Release()
		for range n {
			// Appending a value of the builder's own type cannot fail.
			if err := appendArrow(b, x, 0); err != nil {
				panic(err)
			}
		}
		out.data = b.NewArray()
	}
	return out
}

func repeat[T any](x T, n int) []T {
	out := make([]T, n)
	for i := range out {
		out[i] = x
	}
	return out
}

// sharesMemory reports whether two columns are the same memory.
func sharesMemory(a, b any) bool {
	switch a := a.(type) {
	case []int8:
		return sameStart(a, b)
	case []int16:
		return sameStart(a, b)
	case []int32:
		return sameStart(a, b)
	case []int64:
		return sameStart(a, b)
	case []float32:
		return sameStart(a, b)
	case []float64:
		return sameStart(a, b)
	case []decimal128.Num:
		return sameStart(a, b)
	case text:
		t, ok := b.(text)
		return ok && sameStart(a.off, t.off)
	default:
		return false
	}
}

func sameStart[T any](a []T, b any) bool {
	x, ok := b.([]T)
	return ok && len(a) > 0 && len(x) > 0 && &a[0] == &x[0]
}

// copyColumn is the result for a vec that is an input column, maybe of another type or with
// more NULLs: the column itself, or a copy, so that it outlives the input.
func copyColumn(c arrow.Array, v vec, t schema.Type) (arrow.Array, error) {
	at, err := t.ArrowType()
	if err != nil {
		return nil, err
	}
	if arrow.TypeEqual(at, c.DataType()) && (v.valid == nil) == (c.NullN() == 0) {
		c.Retain()
		return c, nil
	}
	switch x := v.data.(type) {
	case []int8:
		v.data = append([]int8(nil), x...)
	case []int16:
		v.data = append([]int16(nil), x...)
	case []int32:
		v.data = append([]int32(nil), x...)
	case []int64:
		v.data = append([]int64(nil), x...)
	case []float32:
		v.data = append([]float32(nil), x...)
	case []float64:
		v.data = append([]float64(nil), x...)
	case []decimal128.Num:
		v.data = append([]decimal128.Num(nil), x...)
	case text:
		v.data = text{off: append([]int32(nil), x.off...), data: append([]byte(nil), x.data...)}
	}
	return arrayOf(v, t, c.Len())
}

func emptyArray(t schema.Type) (arrow.Array, error) {
	at, err := t.ArrowType()
	if err != nil {
		return nil, err
	}
	b := array.NewBuilder(memory.DefaultAllocator, at)
	defer b.Release()
	return b.NewArray(), nil
}

// length is how many rows the vec's data holds.
func (v *vec) length() int {
	switch x := v.data.(type) {
	case []bool:
		return len(x)
	case []int8:
		return len(x)
	case []int16:
		return len(x)
	case []int32:
		return len(x)
	case []int64:
		return len(x)
	case []float32:
		return len(x)
	case []float64:
		return len(x)
	case []decimal128.Num:
		return len(x)
	case text:
		return len(x.off) - 1
	default:
		return v.data.(arrow.Array).Len()
	}
}
