package schema_test

import (
	"bytes"
	"encoding/hex"
	"math"
	"math/big"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

// rowTypes are all types that can stand in a row.
var rowTypes = []schema.Type{
	schema.TBoolean, schema.TTinyInt, schema.TSmallInt, schema.TInt, schema.TBigInt, schema.TFloat, schema.TDouble,
	schema.TDecimal(9, 2), schema.TDecimal(18, 0), schema.TDecimal(19, 3), schema.TDecimal(38, 10),
	schema.TString, {Kind: schema.Char, Length: 3}, schema.TBytes, {Kind: schema.Binary, Length: 4},
	schema.TDate, schema.TTime(3), schema.TTimestamp(0), schema.TTimestamp(3), schema.TTimestamp(6), schema.TTimestamp(9),
	schema.TTimestampLTZ(3), schema.TTimestampLTZ(6),
}

func genValue(t schema.Type) *rapid.Generator[any] {
	return rapid.Custom(func(r *rapid.T) any {
		if rapid.IntRange(0, 4).Draw(r, "null") == 0 {
			return nil
		}
		switch {
		case t.Kind == schema.Boolean:
			return rapid.Bool().Draw(r, "v")
		case t.Kind == schema.TinyInt:
			return int64(rapid.Int8().Draw(r, "v"))
		case t.Kind == schema.SmallInt:
			return int64(rapid.Int16().Draw(r, "v"))
		case t.Kind == schema.Int, t.Kind == schema.Date, t.Kind == schema.Time:
			return int64(rapid.Int32().Draw(r, "v"))
		case t.Kind == schema.BigInt, t.IsTimestamp() && t.Precision <= 3:
			return rapid.Int64().Draw(r, "v")
		case t.IsTimestamp():
			return rapid.Int64Range(math.MinInt64+2_000_000, math.MaxInt64-2_000_000).Draw(r, "v")
		case t.Kind == schema.Float:
			return float64(rapid.Float32().Draw(r, "v"))
		case t.Kind == schema.Double:
			return rapid.Float64().Draw(r, "v")
		case t.IsString():
			return rapid.String().Draw(r, "v")
		case t.IsBinary():
			return rapid.SliceOf(rapid.Byte()).Draw(r, "v")
		default:
			limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(t.Precision)), nil)
			raw := new(big.Int).SetBytes(rapid.SliceOfN(rapid.Byte(), 0, 16).Draw(r, "v"))
			raw.Mod(raw, limit)
			if rapid.Bool().Draw(r, "negative") {
				raw.Neg(raw)
			}
			return decimal128.FromBigInt(raw)
		}
	})
}

var sameValue = cmp.Options{
	cmp.Comparer(func(a, b decimal128.Num) bool { return a == b }),
	cmp.Comparer(func(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }),
}

// What is encoded decodes to the same values, and the Arrow encoder gives the
// same bytes as the one of Go values.
func TestRowsRoundTrip(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		n := rapid.IntRange(0, 70).Draw(r, "fields") // beyond one word of null bits
		types, values := make([]schema.Type, n), make([]any, n)
		for i := range types {
			types[i] = rapid.SampledFrom(rowTypes).Draw(r, "type")
			values[i] = genValue(types[i]).Draw(r, "value")
		}
		row, err := schema.EncodeRow(types, values)
		if err != nil {
			r.Fatal(err)
		}
		got, err := schema.DecodeRow(types, row)
		if err != nil {
			r.Fatal(err)
		}
		if diff := cmp.Diff(values, got, sameValue); diff != "" {
			r.Fatal(diff)
		}
		if schema.CompareRows(values, got) != 0 {
			r.Fatal("equal rows compare as different")
		}
		if viaArrow := encodeArrow(r, types, values); !bytes.Equal(row, viaArrow) {
			r.Fatalf("Go values %x\nArrow     %x", row, viaArrow)
		}
	})
}

// encodeArrow puts the values into the second row of Arrow columns and encodes it.
func encodeArrow(t rapid.TB, types []schema.Type, values []any) []byte {
	cols := make([]arrow.Array, len(types))
	for i, typ := range types {
		at, err := typ.ArrowType()
		if err != nil {
			t.Fatal(err)
		}
		b := array.NewBuilder(memory.DefaultAllocator, at)
		b.AppendEmptyValue()
		appendValue(t, b, values[i])
		cols[i] = b.NewArray()
		back, err := schema.ValueAt(typ, cols[i], 1)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(values[i], back, sameValue); diff != "" {
			t.Fatalf("ValueAt of %s: %s", typ, diff)
		}
	}
	enc, err := schema.NewRowEncoder(types)
	if err != nil {
		t.Fatal(err)
	}
	if err := enc.Bind(cols); err != nil {
		t.Fatal(err)
	}
	return enc.AppendStored(nil, 1)
}

func appendValue(t rapid.TB, b array.Builder, v any) {
	if v == nil {
		b.AppendNull()
		return
	}
	switch b := b.(type) {
	case *array.BooleanBuilder:
		b.Append(v.(bool))
	case *array.Int8Builder:
		b.Append(int8(v.(int64)))
	case *array.Int16Builder:
		b.Append(int16(v.(int64)))
	case *array.Int32Builder:
		b.Append(int32(v.(int64)))
	case *array.Int64Builder:
		b.Append(v.(int64))
	case *array.Date32Builder:
		b.Append(arrow.Date32(v.(int64)))
	case *array.Time32Builder:
		b.Append(arrow.Time32(v.(int64)))
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(v.(int64)))
	case *array.Float32Builder:
		b.Append(float32(v.(float64)))
	case *array.Float64Builder:
		b.Append(v.(float64))
	case *array.Decimal128Builder:
		b.Append(v.(decimal128.Num))
	case *array.StringBuilder:
		b.Append(v.(string))
	case *array.BinaryBuilder:
		b.Append(v.([]byte))
	default:
		t.Fatalf("no builder for %T", b)
	}
}

// NULLs of large decimals and precise timestamps keep their room: the hash of a
// key depends on it.
func TestNullsKeepTheirRoom(t *testing.T) {
	for _, c := range []struct {
		typ  schema.Type
		want string
	}{
		{schema.TBigInt, "00000001" + "0001000000000000" + "0000000000000000"},
		{schema.TTimestamp(3), "00000001" + "0001000000000000" + "0000000000000000"},
		{schema.TTimestamp(6), "00000001" + "0001000000000000" + "0000000010000000" + "0000000000000000"},
		{schema.TDecimal(18, 0), "00000001" + "0001000000000000" + "0000000000000000"},
		{schema.TDecimal(19, 0), "00000001" + "0001000000000000" + "0000000010000000" + "00000000000000000000000000000000"},
	} {
		row, err := schema.EncodeRow([]schema.Type{c.typ}, []any{nil})
		if got := hex.EncodeToString(row); err != nil || got != c.want {
			t.Errorf("%s: %s, want %s, %v", c.typ, got, c.want, err)
		}
	}
	if got := hex.EncodeToString(schema.EmptyRow()); got != "000000000000000000000000" {
		t.Errorf("empty row %s", got)
	}
}

func TestEncodeRowRefuses(t *testing.T) {
	for _, c := range []struct {
		typ schema.Type
		v   any
	}{
		{schema.TInt, "1"}, {schema.TString, int64(1)}, {schema.TBytes, "x"}, {schema.TBoolean, int64(1)},
		{schema.TDouble, int64(1)}, {schema.TDecimal(5, 2), int64(1)}, {schema.TInt, int32(1)},
		{schema.TArray(schema.TInt), nil},
	} {
		if _, err := schema.EncodeRow([]schema.Type{c.typ}, []any{c.v}); errkind.Of(err) != errkind.Invalid {
			t.Errorf("%T as %s: %v", c.v, c.typ, err)
		}
	}
	if _, err := schema.EncodeRow([]schema.Type{schema.TInt}, nil); err == nil {
		t.Error("a row of too few values was encoded")
	}
}

func TestDecodeRowRefuses(t *testing.T) {
	good, err := schema.EncodeRow([]schema.Type{schema.TString, schema.TDecimal(30, 0)}, []any{"longer than seven", decimal128.FromI64(5)})
	if err != nil {
		t.Fatal(err)
	}
	types := []schema.Type{schema.TString, schema.TDecimal(30, 0)}
	for n := range len(good) - 15 { // the rest pads the decimal
		if _, err := schema.DecodeRow(types, good[:n]); errkind.Of(err) != errkind.Corrupt {
			t.Errorf("cut at %d of %d: %v", n, len(good), err)
		}
	}
	if _, err := schema.DecodeRow(types[:1], good); errkind.Of(err) != errkind.Corrupt {
		t.Errorf("wrong arity: %v", err)
	}
}

func TestCompareValues(t *testing.T) {
	nan := math.NaN()
	// Each list ascends.
	for _, list := range [][]any{
		{nil, false, true},
		{nil, int64(math.MinInt64), int64(-1), int64(0), int64(7)},
		{nil, math.Inf(-1), -1.5, math.Copysign(0, -1), 0.0, 2.0, math.Inf(1), nan},
		{nil, "", "Z", "a", "aa", "\u00e9", "\U0001F600"},
		{nil, []byte{}, []byte{1}, []byte{0x7f}, []byte{0x80}},
		{nil, decimal128.FromI64(-5), decimal128.FromI64(3), decimal128.New(1, 0)},
	} {
		for i := range list {
			for j := range list {
				got := schema.CompareValues(list[i], list[j])
				if (got < 0) != (i < j) || (got > 0) != (i > j) {
					t.Errorf("%v against %v: %d", list[i], list[j], got)
				}
			}
		}
	}
}

func FuzzDecodeRow(f *testing.F) {
	row, err := schema.EncodeRow([]schema.Type{schema.TString, schema.TBytes, schema.TDecimal(38, 2), schema.TTimestamp(9), schema.TInt},
		[]any{"hello world", []byte("short"), decimal128.FromI64(-7), int64(1), nil})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(row)
	f.Add(schema.EmptyRow())
	f.Fuzz(func(t *testing.T, data []byte) {
		types := []schema.Type{schema.TString, schema.TBytes, schema.TDecimal(38, 2), schema.TTimestamp(9), schema.TInt}
		values, err := schema.DecodeRow(types, data)
		if err != nil {
			if k := errkind.Of(err); k != errkind.Corrupt && k != errkind.Invalid {
				t.Errorf("%v is of kind %v", err, k)
			}
			return
		}
		again, err := schema.EncodeRow(types, values)
		if err != nil {
			t.Fatal(err)
		}
		back, err := schema.DecodeRow(types, again)
		if err != nil || schema.CompareRows(values, back) != 0 {
			t.Errorf("%v became %v, %v", values, back, err)
		}
	})
}
