package lsm

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/weir-lake/weir/internal/errkind"
)

// column compares cells of one key or sequence column across batches.
type column interface {
	// compare orders non-null cells of two batches of the same column.
	compare(i int, o column, j int) int
	isNull(i int) bool
	// prefix maps a cell to a number so that a smaller cell never has a greater
	// one; NULL maps to 0.
	prefix(i int) uint64
	// exact reports that equal prefixes mean equal cells.
	exact() bool
}

func newColumn(arr arrow.Array) (column, error) {
	n := nulls{arr, arr.NullN() > 0}
	switch a := arr.(type) {
	case *array.Int8:
		return &intColumn[int8]{n, a.Int8Values()}, nil
	case *array.Int16:
		return &intColumn[int16]{n, a.Int16Values()}, nil
	case *array.Int32:
		return &intColumn[int32]{n, a.Int32Values()}, nil
	case *array.Int64:
		return &intColumn[int64]{n, a.Int64Values()}, nil
	case *array.Date32:
		return &intColumn[arrow.Date32]{n, a.Date32Values()}, nil
	case *array.Time32:
		return &intColumn[arrow.Time32]{n, a.Time32Values()}, nil
	case *array.Timestamp:
		return &intColumn[arrow.Timestamp]{n, a.TimestampValues()}, nil
	case *array.Float32:
		return &floatColumn[float32]{n, a.Float32Values()}, nil
	case *array.Float64:
		return &floatColumn[float64]{n, a.Float64Values()}, nil
	case *array.Boolean:
		return &boolColumn{n, a}, nil
	case *array.String:
		return &stringColumn{n, a}, nil
	case *array.Binary:
		return &binaryColumn{n, a}, nil
	case *array.Decimal128:
		return &decimalColumn{n, a.Values()}, nil
	default:
		return nil, errkind.Errorf(errkind.Invalid, "a column of Arrow type %s cannot be a key or sequence field", arr.DataType())
	}
}

type nulls struct {
	arr arrow.Array
	any bool
}

func (n nulls) isNull(i int) bool { return n.any && n.arr.IsNull(i) }

type intColumn[T ~int8 | ~int16 | ~int32 | ~int64] struct {
	nulls
	vals []T
}

func (c *intColumn[T]) compare(i int, o column, j int) int {
	return cmp.Compare(c.vals[i], o.(*intColumn[T]).vals[j])
}

func (c *intColumn[T]) prefix(i int) uint64 {
	if c.isNull(i) {
		return 0
	}
	return uint64(int64(c.vals[i])) ^ 1<<63
}
func (c *intColumn[T]) exact() bool { return !c.any }

type floatColumn[T ~float32 | ~float64] struct {
	nulls
	vals []T
}

// floatBits orders as Java's Double.compare: -0 before 0, NaN last.
func floatBits(f float64) uint64 {
	if math.IsNaN(f) {
		return math.MaxUint64
	}
	b := math.Float64bits(f)
	if b>>63 != 0 {
		return ^b
	}
	return b | 1<<63
}

func (c *floatColumn[T]) compare(i int, o column, j int) int {
	return cmp.Compare(floatBits(float64(c.vals[i])), floatBits(float64(o.(*floatColumn[T]).vals[j])))
}

func (c *floatColumn[T]) prefix(i int) uint64 {
	if c.isNull(i) {
		return 0
	}
	return floatBits(float64(c.vals[i]))
}
func (c *floatColumn[T]) exact() bool { return !c.any }

type boolColumn struct {
	nulls
	vals *array.Boolean
}

func (c *boolColumn) rank(i int) int {
	if c.vals.Value(i) {
		return 1
	}
	return 0
}
func (c *boolColumn) compare(i int, o column, j int) int { return c.rank(i) - o.(*boolColumn).rank(j) }
func (c *boolColumn) prefix(i int) uint64 {
	if c.isNull(i) {
		return 0
	}
	return uint64(1 + c.rank(i))
}
func (c *boolColumn) exact() bool { return true }

type stringColumn struct {
	nulls
	vals *array.String
}

func (c *stringColumn) compare(i int, o column, j int) int {
	return strings.Compare(c.vals.Value(i), o.(*stringColumn).vals.Value(j))
}

func (c *stringColumn) prefix(i int) uint64 {
	if c.isNull(i) {
		return 0
	}
	var b [8]byte
	copy(b[:], c.vals.Value(i))
	return binary.BigEndian.Uint64(b[:])
}
func (c *stringColumn) exact() bool { return false }

type binaryColumn struct {
	nulls
	vals *array.Binary
}

func (c *binaryColumn) compare(i int, o column, j int) int {
	return bytes.Compare(c.vals.Value(i), o.(*binaryColumn).vals.Value(j))
}

func (c *binaryColumn) prefix(i int) uint64 {
	if c.isNull(i) {
		return 0
	}
	var b [8]byte
	copy(b[:], c.vals.Value(i))
	return binary.BigEndian.Uint64(b[:])
}
func (c *binaryColumn) exact() bool { return false }

type decimalColumn struct {
	nulls
	vals []decimal128.Num
}

func (c *decimalColumn) compare(i int, o column, j int) int {
	return c.vals[i].Cmp(o.(*decimalColumn).vals[j])
}

func (c *decimalColumn) prefix(i int) uint64 {
	if c.isNull(i) {
		return 0
	}
	return uint64(c.vals[i].HighBits()) ^ 1<<63
}
func (c *decimalColumn) exact() bool { return false }

// compareCells orders two cells with NULL first.
func compareCells(a column, i int, b column, j int) int {
	an, bn := a.isNull(i), b.isNull(j)
	switch {
	case an && bn:
		return 0
	case an:
		return -1
	case bn:
		return 1
	default:
		return a.compare(i, b, j)
	}
}

func columnsOf(rec arrow.RecordBatch, at []int) ([]column, error) {
	out := make([]column, len(at))
	for k, i := range at {
		c, err := newColumn(rec.Column(i))
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", rec.ColumnName(i), err)
		}
		out[k] = c
	}
	return out, nil
}
