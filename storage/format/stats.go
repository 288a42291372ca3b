package format

import (
	"bytes"
	"cmp"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
)

// ColumnStats are the bounds of one column of one file.
type ColumnStats struct {
	Name string
	// Min and Max are nil if there is no value, the type has no order (nested
	// types) or a NaN was met. Forms as in Condition: bool, int64, float64,
	// string, []byte, decimal128.Num; FLOAT is widened to float64.
	Min, Max  any
	NullCount int64
}

// statsCollector keeps the bounds of one column while it is written.
type statsCollector struct {
	name     string
	nulls    int64
	min, max any
	nan      bool
	ordered  bool
}

func newCollectors(sc *arrow.Schema) []statsCollector {
	out := make([]statsCollector, sc.NumFields())
	for i, f := range sc.Fields() {
		_, nested := f.Type.(arrow.NestedType)
		out[i] = statsCollector{name: f.Name, ordered: !nested}
	}
	return out
}

func (s *statsCollector) result() ColumnStats {
	r := ColumnStats{Name: s.name, NullCount: s.nulls}
	if !s.nan {
		r.Min, r.Max = s.min, s.max
	}
	return r
}

func (s *statsCollector) merge(lo, hi any) {
	if s.min == nil {
		s.min, s.max = lo, hi
		return
	}
	if c, ok := Compare(lo, s.min); ok && c < 0 {
		s.min = lo
	}
	if c, ok := Compare(hi, s.max); ok && c > 0 {
		s.max = hi
	}
}

func (s *statsCollector) add(arr arrow.Array) {
	s.nulls += int64(arr.NullN())
	if !s.ordered || arr.NullN() == arr.Len() {
		return
	}
	switch a := arr.(type) {
	case *array.Boolean:
		s.addBools(a)
	case *array.Int8:
		addInts(s, a, a.Int8Values())
	case *array.Int16:
		addInts(s, a, a.Int16Values())
	case *array.Int32:
		addInts(s, a, a.Int32Values())
	case *array.Int64:
		addInts(s, a, a.Int64Values())
	case *array.Date32:
		addInts(s, a, a.Date32Values())
	case *array.Time32:
		addInts(s, a, a.Time32Values())
	case *array.Timestamp:
		addInts(s, a, a.TimestampValues())
	case *array.Float32:
		addFloats(s, a, a.Float32Values())
	case *array.Float64:
		addFloats(s, a, a.Float64Values())
	case *array.Decimal128:
		s.addDecimals(a)
	case *array.String:
		lo, hi := stringBounds(a)
		s.merge(lo, hi)
	case *array.Binary:
		lo, hi := binaryBounds(a)
		s.merge(bytes.Clone(lo), bytes.Clone(hi))
	}
}

func (s *statsCollector) addBools(a *array.Boolean) {
	for i := range a.Len() {
		if a.IsValid(i) {
			s.merge(a.Value(i), a.Value(i))
		}
	}
}

func addInts[T ~int8 | ~int16 | ~int32 | ~int64](s *statsCollector, arr arrow.Array, vals []T) {
	lo, hi := int64(math.MaxInt64), int64(math.MinInt64)
	noNulls := arr.NullN() == 0
	for i, v := range vals {
		if noNulls || arr.IsValid(i) {
			lo, hi = min(lo, int64(v)), max(hi, int64(v))
		}
	}
	s.merge(lo, hi)
}

// addFloats follows parquet-mr: a NaN voids the bounds, zero bounds are -0.0 and +0.0.
func addFloats[T ~float32 | ~float64](s *statsCollector, arr arrow.Array, vals []T) {
	lo, hi := math.Inf(1), math.Inf(-1)
	for i, v := range vals {
		if arr.IsNull(i) {
			continue
		}
		f := float64(v)
		if math.IsNaN(f) {
			s.nan = true
			return
		}
		lo, hi = min(lo, f), max(hi, f)
	}
	if lo == 0 {
		lo = math.Copysign(0, -1)
	}
	if hi == 0 {
		hi = 0
	}
	s.merge(lo, hi)
}

func (s *statsCollector) addDecimals(a *array.Decimal128) {
	var lo, hi decimal128.Num
	seen := false
	for i, v := range a.Values() {
		if a.IsNull(i) {
			continue
		}
		if !seen || v.Cmp(lo) < 0 {
			lo = v
		}
		if !seen || v.Cmp(hi) > 0 {
			hi = v
		}
		seen = true
	}
	s.merge(lo, hi)
}

func stringBounds(a *array.String) (lo, hi string) {
	seen := false
	for i := range a.Len() {
		if a.IsNull(i) {
			continue
		}
		v := a.Value(i)
		if !seen {
			lo, hi, seen = v, v, true
		} else if v < lo {
			lo = v
		} else if v > hi {
			hi = v
		}
	}
	return string([]byte(lo)), string([]byte(hi)) // copies: the array's memory is not ours to keep
}

func binaryBounds(a *array.Binary) (lo, hi []byte) {
	seen := false
	for i := range a.Len() {
		if a.IsNull(i) {
			continue
		}
		v := a.Value(i)
		if !seen {
			lo, hi, seen = v, v, true
		} else if bytes.Compare(v, lo) < 0 {
			lo = v
		} else if bytes.Compare(v, hi) > 0 {
			hi = v
		}
	}
	return lo, hi
}

// Compare orders two values of the same Go form; ok is false for different forms
// or a NaN. Strings and bytes compare bytewise and with each other.
func Compare(a, b any) (order int, ok bool) {
	switch x := a.(type) {
	case bool:
		y, ok := b.(bool)
		return boolRank(x) - boolRank(y), ok
	case int64:
		y, ok := b.(int64)
		return cmp.Compare(x, y), ok
	case float64:
		y, ok := b.(float64)
		if !ok || math.IsNaN(x) || math.IsNaN(y) {
			return 0, false
		}
		if x == y { // -0.0 equals 0.0, as in SQL
			return 0, true
		}
		return cmp.Compare(x, y), true
	case string:
		switch y := b.(type) {
		case string:
			return cmp.Compare(x, y), true
		case []byte:
			return cmp.Compare(x, string(y)), true
		}
	case []byte:
		switch y := b.(type) {
		case string:
			return cmp.Compare(string(x), y), true
		case []byte:
			return bytes.Compare(x, y), true
		}
	case decimal128.Num:
		y, ok := b.(decimal128.Num)
		return x.Cmp(y), ok
	}
	return 0, false
}

func boolRank(b bool) int {
	if b {
		return 1
	}
	return 0
}
