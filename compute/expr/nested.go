package expr

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// appendArrow appends row i of a to b, which has the same type.
func appendArrow(b array.Builder, a arrow.Array, i int) error {
	if a.IsNull(i) {
		b.AppendNull()
		return nil
	}
	switch b := b.(type) {
	case *array.BooleanBuilder:
		b.Append(a.(*array.Boolean).Value(i))
	case *array.Int8Builder:
		b.Append(a.(*array.Int8).Value(i))
	case *array.Int16Builder:
		b.Append(a.(*array.Int16).Value(i))
	case *array.Int32Builder:
		b.Append(a.(*array.Int32).Value(i))
	case *array.Int64Builder:
		b.Append(a.(*array.Int64).Value(i))
	case *array.Float32Builder:
		b.Append(a.(*array.Float32).Value(i))
	case *array.Float64Builder:
		b.Append(a.(*array.Float64).Value(i))
	case *array.Decimal128Builder:
		b.Append(a.(*array.Decimal128).Value(i))
	case *array.StringBuilder:
		b.Append(a.(*array.String).Value(i))
	case *array.BinaryBuilder:
		b.Append(a.(*array.Binary).Value(i))
	case *array.Date32Builder:
		b.Append(a.(*array.Date32).Value(i))
	case *array.Time32Builder:
		b.Append(a.(*array.Time32).Value(i))
	case *array.TimestampBuilder:
		b.Append(a.(*array.Timestamp).Value(i))
	case *array.NullBuilder:
		b.AppendNull()
	default:
		return appendNested(b, a, i)
	}
	return nil
}

func appendNested(b array.Builder, a arrow.Array, i int) error {
	switch b := b.(type) {
	case *array.MapBuilder:
		m := a.(*array.Map)
		from, to := m.ValueOffsets(i)
		b.Append(true)
		for j := int(from); j < int(to); j++ {
			if err := appendArrow(b.KeyBuilder(), m.Keys(), j); err != nil {
				return err
			}
			if err := appendArrow(b.ItemBuilder(), m.Items(), j); err != nil {
				return err
			}
		}
	case *array.ListBuilder:
		l := a.(*array.List)
		from, to := l.ValueOffsets(i)
		b.Append(true)
		for j := int(from); j < int(to); j++ {
			if err := appendArrow(b.ValueBuilder(), l.ListValues(), j); err != nil {
				return err
			}
		}
	case *array.StructBuilder:
		s := a.(*array.Struct)
		b.Append(true)
		for f := range s.NumField() {
			if err := appendArrow(b.FieldBuilder(f), s.Field(f), i); err != nil {
				return err
			}
		}
	default:
		return fmt.Errorf("evaluate: cannot copy a value of Arrow %s", a.DataType())
	}
	return nil
}

// compareArrow orders two values of one type: NULL first, NaN last among numbers, lists and
// structs element by element.
func compareArrow(a arrow.Array, i int, b arrow.Array, j int) int {
	switch an, bn := a.IsNull(i), b.IsNull(j); {
	case an && bn:
		return 0
	case an:
		return -1
	case bn:
		return 1
	}
	switch x := a.(type) {
	case *array.Boolean:
		return compareBool(x.Value(i), b.(*array.Boolean).Value(j))
	case *array.Int8:
		return cmp.Compare(x.Value(i), b.(*array.Int8).Value(j))
	case *array.Int16:
		return cmp.Compare(x.Value(i), b.(*array.Int16).Value(j))
	case *array.Int32:
		return cmp.Compare(x.Value(i), b.(*array.Int32).Value(j))
	case *array.Int64:
		return cmp.Compare(x.Value(i), b.(*array.Int64).Value(j))
	case *array.Float32:
		return compareFloat(float64(x.Value(i)), float64(b.(*array.Float32).Value(j)))
	case *array.Float64:
		return compareFloat(x.Value(i), b.(*array.Float64).Value(j))
	case *array.Date32:
		return cmp.Compare(x.Value(i), b.(*array.Date32).Value(j))
	case *array.Time32:
		return cmp.Compare(x.Value(i), b.(*array.Time32).Value(j))
	case *array.Timestamp:
		return cmp.Compare(x.Value(i), b.(*array.Timestamp).Value(j))
	case *array.Decimal128:
		return x.Value(i).Cmp(b.(*array.Decimal128).Value(j))
	case *array.String:
		return cmp.Compare(x.Value(i), b.(*array.String).Value(j))
	case *array.Binary:
		return bytes.Compare(x.Value(i), b.(*array.Binary).Value(j))
	default:
		return compareNested(a, i, b, j)
	}
}

// compareFloat is a total order in which -0 = 0 and NaN is above everything.
func compareFloat(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	case a == b:
		return 0
	case a == a:
		return -1
	case b == b:
		return 1
	default:
		return 0
	}
}

func compareNested(a arrow.Array, i int, b arrow.Array, j int) int {
	switch x := a.(type) {
	case *array.Map:
		return compareMaps(x, i, b.(*array.Map), j)
	case *array.List:
		y := b.(*array.List)
		from, to := x.ValueOffsets(i)
		bfrom, bto := y.ValueOffsets(j)
		for k := int64(0); k < min(to-from, bto-bfrom); k++ {
			if c := compareArrow(x.ListValues(), int(from+k), y.ListValues(), int(bfrom+k)); c != 0 {
				return c
			}
		}
		return cmp.Compare(to-from, bto-bfrom)
	case *array.Struct:
		y := b.(*array.Struct)
		for f := range x.NumField() {
			if c := compareArrow(x.Field(f), i, y.Field(f), j); c != 0 {
				return c
			}
		}
	}
	return 0
}

// compareMaps compares entries in the order of their keys, which is not the stored order.
func compareMaps(a *array.Map, i int, b *array.Map, j int) int {
	ka, kb := sortedEntries(a, i), sortedEntries(b, j)
	for k := range min(len(ka), len(kb)) {
		if c := compareArrow(a.Keys(), ka[k], b.Keys(), kb[k]); c != 0 {
			return c
		}
		if c := compareArrow(a.Items(), ka[k], b.Items(), kb[k]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(ka), len(kb))
}

func sortedEntries(m *array.Map, i int) []int {
	from, to := m.ValueOffsets(i)
	out := make([]int, 0, to-from)
	for k := from; k < to; k++ {
		out = append(out, int(k))
	}
	slices.SortFunc(out, func(x, y int) int { return compareArrow(m.Keys(), x, m.Keys(), y) })
	return out
}
