package lsm

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/internal/errkind"
)

// Ref is one cell's row: a batch of a list and a row in it.
type Ref struct{ Batch, Row int32 }

// NullRef selects NULL.
var NullRef = Ref{-1, 0}

// offsetsMax is what Arrow's 32-bit offsets can address in one array.
const offsetsMax = 1<<31 - 1

// Gather copies the selected cells of one column of the batches into a new array.
func Gather(parts []arrow.Array, dt arrow.DataType, sel []Ref) (arrow.Array, error) {
	if first, last, ok := oneSlice(sel); ok && last <= int64(parts[sel[0].Batch].Len()) {
		return array.NewSlice(parts[sel[0].Batch], first, last), nil
	}
	switch t := dt.(type) {
	case *arrow.BooleanType:
		return gatherBool(parts, sel), nil
	case *arrow.StringType, *arrow.BinaryType:
		return gatherBinary(parts, dt, sel)
	case arrow.NestedType, *arrow.NullType:
		return gatherSlices(parts, dt, sel)
	case arrow.FixedWidthDataType:
		return gatherFixed(parts, dt, t.BitWidth()/8, sel), nil
	default:
		return nil, errkind.Errorf(errkind.Invalid, "rows of Arrow type %s cannot be merged", dt)
	}
}

// GatherBatch gathers every column of the batches with one selection.
func GatherBatch(sc *arrow.Schema, batches []arrow.RecordBatch, sel []Ref) (arrow.RecordBatch, error) {
	cols := make([]arrow.Array, sc.NumFields())
	parts := make([]arrow.Array, len(batches))
	defer func() {
		for _, c := range cols {
			if c != nil {
				c.Release()
			}
		}
	}()
	for i := range cols {
		for j, b := range batches {
			parts[j] = b.Column(i)
		}
		c, err := Gather(parts, sc.Field(i).Type, sel)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", sc.Field(i).Name, err)
		}
		cols[i] = c
	}
	return array.NewRecordBatch(sc, cols, int64(len(sel))), nil
}

// oneSlice reports a selection of consecutive rows of one batch.
func oneSlice(sel []Ref) (first, last int64, ok bool) {
	if len(sel) == 0 || sel[0].Batch < 0 {
		return 0, 0, false
	}
	a, b := sel[0], sel[len(sel)-1]
	if a.Batch != b.Batch || int(b.Row-a.Row) != len(sel)-1 {
		return 0, 0, false
	}
	for i, s := range sel {
		if s.Batch != a.Batch || s.Row != a.Row+int32(i) {
			return 0, 0, false
		}
	}
	return int64(a.Row), int64(b.Row) + 1, true
}

// validity gathers the null bitmap; nil if no cell is null.
func validity(parts []arrow.Array, sel []Ref) (*memory.Buffer, int) {
	anyNull := false
	hasNull := make([]bool, len(parts))
	for i, p := range parts {
		hasNull[i] = p.NullN() > 0
		anyNull = anyNull || hasNull[i]
	}
	var bits []byte
	n := 0
	for i, s := range sel {
		if s.Batch >= 0 && (!anyNull || !hasNull[s.Batch] || parts[s.Batch].IsValid(int(s.Row))) {
			continue
		}
		if bits == nil {
			bits = make([]byte, bitutil.BytesForBits(int64(len(sel))))
			bitutil.SetBitsTo(bits, 0, int64(len(sel)), true)
		}
		bitutil.ClearBit(bits, i)
		n++
	}
	if bits == nil {
		return nil, 0
	}
	return memory.NewBufferBytes(bits), n
}

func gatherBool(parts []arrow.Array, sel []Ref) arrow.Array {
	valid, nullN := validity(parts, sel)
	out := make([]byte, bitutil.BytesForBits(int64(len(sel))))
	for i, s := range sel {
		if s.Batch >= 0 && parts[s.Batch].(*array.Boolean).Value(int(s.Row)) {
			bitutil.SetBit(out, i)
		}
	}
	d := array.NewData(arrow.FixedWidthTypes.Boolean, len(sel), []*memory.Buffer{valid, memory.NewBufferBytes(out)}, nil, nullN, 0)
	defer d.Release()
	return array.NewBooleanData(d)
}

func gatherFixed(parts []arrow.Array, dt arrow.DataType, width int, sel []Ref) arrow.Array {
	valid, nullN := validity(parts, sel)
	out := make([]byte, len(sel)*width)
	switch width {
	case 1:
		gatherTyped(out, parts, sel, arrow.Uint8Traits.CastFromBytes)
	case 2:
		gatherTyped(out, parts, sel, arrow.Uint16Traits.CastFromBytes)
	case 4:
		gatherTyped(out, parts, sel, arrow.Uint32Traits.CastFromBytes)
	case 8:
		gatherTyped(out, parts, sel, arrow.Uint64Traits.CastFromBytes)
	default:
		gatherWide(out, parts, width, sel)
	}
	d := array.NewData(dt, len(sel), []*memory.Buffer{valid, memory.NewBufferBytes(out)}, nil, nullN, 0)
	defer d.Release()
	return array.MakeFromData(d)
}

func gatherTyped[T uint8 | uint16 | uint32 | uint64](out []byte, parts []arrow.Array, sel []Ref, cast func([]byte) []T) {
	src := make([][]T, len(parts))
	for i, p := range parts {
		if b := p.Data().Buffers()[1]; b != nil {
			src[i] = cast(b.Bytes())[p.Data().Offset():]
		}
	}
	dst := cast(out)
	for i, s := range sel {
		if s.Batch >= 0 {
			dst[i] = src[s.Batch][s.Row]
		}
	}
}

func gatherWide(out []byte, parts []arrow.Array, width int, sel []Ref) {
	for i, s := range sel {
		if s.Batch < 0 {
			continue
		}
		d := parts[s.Batch].Data()
		from := (d.Offset() + int(s.Row)) * width
		copy(out[i*width:(i+1)*width], d.Buffers()[1].Bytes()[from:from+width])
	}
}

type offsetArray interface {
	ValueOffsets() []int32
}

func gatherBinary(parts []arrow.Array, dt arrow.DataType, sel []Ref) (arrow.Array, error) {
	valid, nullN := validity(parts, sel)
	offs := make([][]int32, len(parts))
	data := make([][]byte, len(parts))
	for i, p := range parts {
		offs[i] = p.(offsetArray).ValueOffsets()
		if b := p.Data().Buffers()[2]; b != nil {
			data[i] = b.Bytes()
		}
	}
	total := 0
	for _, s := range sel {
		if s.Batch >= 0 {
			o := offs[s.Batch]
			total += int(o[s.Row+1] - o[s.Row])
		}
	}
	if total > offsetsMax {
		return nil, errkind.Errorf(errkind.Exhausted, "a batch of %d rows holds %d bytes in one column, more than an array can: use fewer rows a batch", len(sel), total)
	}
	bytes := make([]byte, 0, total)
	outOffs := make([]int32, len(sel)+1)
	for i, s := range sel {
		if s.Batch >= 0 {
			o := offs[s.Batch]
			bytes = append(bytes, data[s.Batch][o[s.Row]:o[s.Row+1]]...)
		}
		outOffs[i+1] = int32(len(bytes))
	}
	d := array.NewData(dt, len(sel), []*memory.Buffer{valid, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(outOffs)), memory.NewBufferBytes(bytes)}, nil, nullN, 0)
	defer d.Release()
	return array.MakeFromData(d), nil
}

// gatherSlices joins slices of consecutive rows: for nested columns, which are rare.
func gatherSlices(parts []arrow.Array, dt arrow.DataType, sel []Ref) (arrow.Array, error) {
	var pieces []arrow.Array
	defer func() {
		for _, p := range pieces {
			p.Release()
		}
	}()
	for i := 0; i < len(sel); {
		j := i + 1
		for j < len(sel) && sel[j].Batch == sel[i].Batch && (sel[i].Batch < 0 || sel[j].Row == sel[j-1].Row+1) {
			j++
		}
		if sel[i].Batch < 0 {
			pieces = append(pieces, array.MakeArrayOfNull(memory.DefaultAllocator, dt, j-i))
		} else {
			pieces = append(pieces, array.NewSlice(parts[sel[i].Batch], int64(sel[i].Row), int64(sel[j-1].Row)+1))
		}
		i = j
	}
	if len(pieces) == 0 {
		return array.MakeArrayOfNull(memory.DefaultAllocator, dt, 0), nil
	}
	return array.Concatenate(pieces, memory.DefaultAllocator)
}
