package rowkey

import (
	"bytes"
	"cmp"
	"math"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"pgregory.net/rapid"

	"github.com/weir-lake/weir/internal/errkind"
)

// sample is one type under test: how to draw values, append and compare them.
type sample struct {
	dt      arrow.DataType
	draw    func(t *rapid.T) any
	append  func(b array.Builder, v any)
	compare func(a, b any) int
}

func ordered[T cmp.Ordered](dt arrow.DataType, gen *rapid.Generator[T], app func(array.Builder, T)) sample {
	return sample{
		dt:      dt,
		draw:    func(t *rapid.T) any { return gen.Draw(t, "v") },
		append:  func(b array.Builder, v any) { app(b, v.(T)) },
		compare: func(a, b any) int { return cmp.Compare(a.(T), b.(T)) },
	}
}

func canonicalFloat(a, b any) int {
	x, y := a.(float64), b.(float64)
	if math.IsNaN(x) || math.IsNaN(y) { // NaN is the greatest here, the least for cmp
		return -cmp.Compare(x, y)
	}
	if c := cmp.Compare(x, y); c != 0 {
		return c
	}
	return cmp.Compare(signOf(x), signOf(y))
}

// signOf tells -0.0 from 0.0, which are equal as numbers.
func signOf(x float64) int {
	if math.Signbit(x) {
		return -1
	}
	return 1
}

func samples() []sample {
	strs := rapid.SampledFrom([]string{"", "a", "ab", "a\x00", "a\x00b", "\x00", "\x00\x00", "\xff", "é", "b"})
	floats := rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{0, math.Copysign(0, -1), math.NaN(), math.Inf(1), math.Inf(-1), 1, -1}))
	f64 := ordered(arrow.PrimitiveTypes.Float64, floats, func(b array.Builder, v float64) { b.(*array.Float64Builder).Append(v) })
	f64.compare = canonicalFloat
	f32 := sample{
		dt: arrow.PrimitiveTypes.Float32, compare: canonicalFloat,
		draw:   func(t *rapid.T) any { return float64(float32(floats.Draw(t, "v"))) },
		append: func(b array.Builder, v any) { b.(*array.Float32Builder).Append(float32(v.(float64))) },
	}
	dec := ordered(&arrow.Decimal128Type{Precision: 38, Scale: 2}, rapid.Int64(), func(b array.Builder, v int64) {
		b.(*array.Decimal128Builder).Append(decimal128.FromI64(v))
	})
	list := sample{
		dt: arrow.ListOf(arrow.BinaryTypes.String),
		draw: func(t *rapid.T) any {
			return rapid.SliceOfN(strs, 0, 3).Draw(t, "l")
		},
		append: func(b array.Builder, v any) {
			lb := b.(*array.ListBuilder)
			lb.Append(true)
			for _, s := range v.([]string) {
				lb.ValueBuilder().(*array.StringBuilder).Append(s)
			}
		},
		compare: func(a, b any) int {
			x, y := a.([]string), b.([]string)
			for i := 0; i < len(x) && i < len(y); i++ {
				if c := cmp.Compare(x[i], y[i]); c != 0 {
					return c
				}
			}
			return cmp.Compare(len(x), len(y))
		},
	}
	row := sample{
		dt:   arrow.StructOf(arrow.Field{Name: "a", Type: arrow.PrimitiveTypes.Int64, Nullable: true}),
		draw: func(t *rapid.T) any { return rapid.Int64Range(-2, 2).Draw(t, "s") },
		append: func(b array.Builder, v any) {
			sb := b.(*array.StructBuilder)
			sb.Append(true)
			sb.FieldBuilder(0).(*array.Int64Builder).Append(v.(int64))
		},
		compare: func(a, b any) int { return cmp.Compare(a.(int64), b.(int64)) },
	}
	return []sample{
		ordered(arrow.PrimitiveTypes.Int8, rapid.Int8(), func(b array.Builder, v int8) { b.(*array.Int8Builder).Append(v) }),
		ordered(arrow.PrimitiveTypes.Int16, rapid.Int16(), func(b array.Builder, v int16) { b.(*array.Int16Builder).Append(v) }),
		ordered(arrow.PrimitiveTypes.Int32, rapid.Int32(), func(b array.Builder, v int32) { b.(*array.Int32Builder).Append(v) }),
		ordered(arrow.PrimitiveTypes.Int64, rapid.Int64(), func(b array.Builder, v int64) { b.(*array.Int64Builder).Append(v) }),
		ordered(arrow.BinaryTypes.String, strs, func(b array.Builder, v string) { b.(*array.StringBuilder).Append(v) }),
		ordered(arrow.BinaryTypes.Binary, strs, func(b array.Builder, v string) { b.(*array.BinaryBuilder).Append([]byte(v)) }),
		ordered(arrow.FixedWidthTypes.Date32, rapid.Int32(), func(b array.Builder, v int32) { b.(*array.Date32Builder).Append(arrow.Date32(v)) }),
		ordered(arrow.FixedWidthTypes.Time32ms, rapid.Int32(), func(b array.Builder, v int32) { b.(*array.Time32Builder).Append(arrow.Time32(v)) }),
		ordered(arrow.FixedWidthTypes.Timestamp_us, rapid.Int64(), func(b array.Builder, v int64) {
			b.(*array.TimestampBuilder).Append(arrow.Timestamp(v))
		}),
		{
			dt: arrow.FixedWidthTypes.Boolean, draw: func(t *rapid.T) any { return rapid.IntRange(0, 1).Draw(t, "b") },
			append:  func(b array.Builder, v any) { b.(*array.BooleanBuilder).Append(v.(int) == 1) },
			compare: func(a, b any) int { return cmp.Compare(a.(int), b.(int)) },
		},
		f64, f32, dec, list, row,
	}
}

// drawRows draws rows of a few random columns; nil is NULL.
func drawRows(t *rapid.T) ([]sample, [][]any) {
	all := samples()
	cols := make([]sample, rapid.IntRange(1, 3).Draw(t, "columns"))
	for i := range cols {
		cols[i] = all[rapid.IntRange(0, len(all)-1).Draw(t, "type")]
	}
	rows := make([][]any, rapid.IntRange(1, 8).Draw(t, "rows"))
	for r := range rows {
		rows[r] = make([]any, len(cols))
		for c := range cols {
			if rapid.IntRange(0, 4).Draw(t, "null") > 0 {
				rows[r][c] = cols[c].draw(t)
			}
		}
	}
	return cols, rows
}

// build makes the columns as slices with an offset, as operators may see them.
func build(cols []sample, rows [][]any) []arrow.Array {
	out := make([]arrow.Array, len(cols))
	for c, s := range cols {
		b := array.NewBuilder(memory.DefaultAllocator, s.dt)
		b.AppendNull()
		for _, r := range rows {
			if r[c] == nil {
				b.AppendNull()
			} else {
				s.append(b, r[c])
			}
		}
		out[c] = array.NewSlice(b.NewArray(), 1, int64(len(rows)+1))
	}
	return out
}

func compareValue(s sample, a, b any, o Order) int {
	if a == nil || b == nil {
		if a == nil && b == nil {
			return 0
		}
		if (a == nil) == o.NullsFirst {
			return -1
		}
		return 1
	}
	if o.Desc {
		return s.compare(b, a)
	}
	return s.compare(a, b)
}

func equalZeros(a, b any) bool { return a == 0.0 && b == 0.0 }

func TestOrderOfBytesIsOrderOfRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cols, rows := drawRows(t)
		orders := make([]Order, len(cols))
		for i := range orders {
			orders[i] = Order{Desc: rapid.Bool().Draw(t, "desc"), NullsFirst: rapid.Bool().Draw(t, "nf")}
		}
		arrays := build(cols, rows)
		keys, err := NewKeyEncoder(arrays)
		if err != nil {
			t.Fatal(err)
		}
		sorted, err := NewSortEncoder(arrays, orders)
		if err != nil {
			t.Fatal(err)
		}
		canonical, err := NewEncoder(arrays)
		if err != nil {
			t.Fatal(err)
		}
		for i := range rows {
			for j := range rows {
				want, wantCanonical := 0, 0
				for c := range cols {
					if want == 0 && !equalZeros(rows[i][c], rows[j][c]) {
						want = compareValue(cols[c], rows[i][c], rows[j][c], orders[c])
					}
					if wantCanonical == 0 {
						wantCanonical = compareValue(cols[c], rows[i][c], rows[j][c], Canonical)
					}
				}
				if got := bytes.Compare(sorted.Append(nil, i), sorted.Append(nil, j)); got != want {
					t.Fatalf("%v ? %v by %v: got %d, want %d", rows[i], rows[j], orders, got, want)
				}
				if got := bytes.Equal(keys.Append(nil, i), keys.Append(nil, j)); got != (want == 0) {
					t.Fatalf("%v = %v as keys: got %v", rows[i], rows[j], got)
				}
				if got := bytes.Compare(canonical.Append(nil, i), canonical.Append(nil, j)); got != wantCanonical {
					t.Fatalf("%v ? %v canonical: got %d, want %d", rows[i], rows[j], got, wantCanonical)
				}
			}
		}
	})
}

func TestDecodeEncodeIsIdentity(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cols, rows := drawRows(t)
		arrays := build(cols, rows)
		enc, err := NewEncoder(arrays)
		if err != nil {
			t.Fatal(err)
		}
		builders := make([]array.Builder, len(cols))
		for i, c := range cols {
			builders[i] = array.NewBuilder(memory.DefaultAllocator, c.dt)
		}
		dec, err := NewDecoder(builders)
		if err != nil {
			t.Fatal(err)
		}
		var all []byte
		for r := range rows {
			all = enc.Append(all, r)
		}
		for range rows {
			if all, err = dec.Append(all); err != nil {
				t.Fatal(err)
			}
		}
		if len(all) != 0 {
			t.Fatalf("%d bytes left over", len(all))
		}
		back := make([]arrow.Array, len(cols))
		for i, b := range builders {
			back[i] = b.NewArray()
		}
		// Compare by the encoding, which the other test ties to the values.
		again, err := NewEncoder(back)
		if err != nil {
			t.Fatal(err)
		}
		for r := range rows {
			if a, b := enc.Append(nil, r), again.Append(nil, r); !bytes.Equal(a, b) {
				t.Fatalf("row %d: %x came back as %x", r, a, b)
			}
			for c := range cols {
				if arrays[c].IsNull(r) != back[c].IsNull(r) {
					t.Fatalf("row %d column %d: NULL changed", r, c)
				}
			}
		}
	})
}

func TestSplitFindsTheColumns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cols, rows := drawRows(t)
		arrays := build(cols, rows)
		types := make([]arrow.DataType, len(cols))
		for i, c := range cols {
			types[i] = c.dt
		}
		split, err := NewSplitter(types)
		if err != nil {
			t.Fatal(err)
		}
		enc, err := NewEncoder(arrays)
		if err != nil {
			t.Fatal(err)
		}
		for r := range rows {
			parts, err := split.Split(nil, enc.Append(nil, r))
			if err != nil {
				t.Fatal(err)
			}
			for c := range cols {
				one, err := NewEncoder(arrays[c : c+1])
				if err != nil {
					t.Fatal(err)
				}
				if want := one.Append(nil, r); !bytes.Equal(parts[c], want) || IsNull(parts[c]) != (rows[r][c] == nil) {
					t.Fatalf("column %d of row %d is %x, want %x", c, r, parts[c], want)
				}
			}
		}
	})
}

func TestMapsAreEqualInAnyEntryOrder(t *testing.T) {
	b := array.NewMapBuilder(memory.DefaultAllocator, arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int32, false)
	for _, keys := range [][]string{{"a", "b"}, {"b", "a"}} {
		b.Append(true)
		for _, k := range keys {
			b.KeyBuilder().(*array.StringBuilder).Append(k)
			b.ItemBuilder().(*array.Int32Builder).Append(int32(k[0]))
		}
	}
	enc, err := NewEncoder([]arrow.Array{b.NewArray()})
	if err != nil {
		t.Fatal(err)
	}
	if x, y := enc.Append(nil, 0), enc.Append(nil, 1); !bytes.Equal(x, y) {
		t.Fatalf("%x and %x differ", x, y)
	}
}

func TestTypesWithoutOrderAreRefused(t *testing.T) {
	b := array.NewBuilder(memory.DefaultAllocator, arrow.FixedWidthTypes.Duration_s)
	if _, err := NewEncoder([]arrow.Array{b.NewArray()}); !errkind.Is(err, errkind.Invalid) {
		t.Errorf("encoder: got %v, want an error of kind invalid", err)
	}
	if _, err := NewDecoder([]array.Builder{b}); !errkind.Is(err, errkind.Invalid) {
		t.Errorf("decoder: got %v, want an error of kind invalid", err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte{0x01, 'a', 0x00, 0x01, 0x01, 0x80, 0, 0, 0, 0, 0, 0, 7, 0x01, 0x01, 0x00, 0x00})
	f.Add([]byte{0x00, 0x00, 0x00})
	f.Add([]byte{0x01, 'a', 0x00, 0xFF, 'b', 0x00, 0x01, 0x00, 0x01, 0x01, 0x01, 'x', 0x00, 0x01, 0x00})
	types := []arrow.DataType{arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int64, arrow.ListOf(arrow.BinaryTypes.Binary)}
	split, err := NewSplitter(types)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		builders := make([]array.Builder, len(types))
		for i, dt := range types {
			builders[i] = array.NewBuilder(memory.DefaultAllocator, dt)
		}
		dec, err := NewDecoder(builders)
		if err != nil {
			t.Fatal(err)
		}
		rest, err := dec.Append(src)
		if _, splitErr := split.Split(nil, src); (splitErr == nil) != (err == nil && len(rest) == 0) {
			t.Fatalf("decoding says %v with %d bytes over, splitting says %v", err, len(rest), splitErr)
		}
		if err != nil {
			if !errkind.Is(err, errkind.Corrupt) {
				t.Fatalf("error %v is not of kind corrupt", err)
			}
			return
		}
		cols := make([]arrow.Array, len(types))
		for i, b := range builders {
			cols[i] = b.NewArray()
		}
		enc, err := NewEncoder(cols)
		if err != nil {
			t.Fatal(err)
		}
		if got := enc.Append(nil, 0); !bytes.Equal(got, src[:len(src)-len(rest)]) {
			t.Fatalf("%x encodes again as %x", src, got)
		}
	})
}
