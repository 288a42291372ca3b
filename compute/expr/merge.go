package expr

import (
	"github.com/weir-lake/weir/table/schema"
)

// Limits of DECIMAL, as in Flink.
const (
	decimalPrecisionMax = 38
	decimalScaleKept    = 6 // fraction digits that survive when a result's precision is cut to 38
)

// exactDigits is how many decimal digits an integer type holds as DECIMAL(n, 0).
func exactDigits(t schema.Type) (precision, scale int, ok bool) {
	switch t.Kind {
	case schema.TinyInt:
		return 3, 0, true
	case schema.SmallInt:
		return 5, 0, true
	case schema.Int:
		return 10, 0, true
	case schema.BigInt:
		return 19, 0, true
	case schema.Decimal:
		return t.Precision, t.Scale, true
	default:
		return 0, 0, false
	}
}

func adjustDecimal(precision, scale int) schema.Type {
	if precision <= decimalPrecisionMax {
		return schema.TDecimal(precision, scale)
	}
	whole := precision - scale
	return schema.TDecimal(decimalPrecisionMax, max(decimalPrecisionMax-whole, min(scale, decimalScaleKept)))
}

// numericResult is the type of l op r for numbers: op is one of + - * / %.
// Integers keep the wider type, FLOAT and DOUBLE win over integers, and a DECIMAL
// with an exact number follows the rules of LogicalTypeMerging.
func numericResult(op string, l, r schema.Type) (schema.Type, bool) {
	if !l.IsNumeric() || !r.IsNumeric() {
		return schema.Type{}, false
	}
	p1, s1, exact1 := exactDigits(l)
	p2, s2, exact2 := exactDigits(r)
	if (l.Kind != schema.Decimal && r.Kind != schema.Decimal) || !exact1 || !exact2 {
		if op == "%" && l.IsInteger() && r.IsInteger() {
			return r, true
		}
		return CommonType(l, r)
	}
	switch op {
	case "*":
		return adjustDecimal(p1+p2+1, s1+s2), true
	case "/":
		scale := max(6, s1+p2+1)
		return adjustDecimal(p1-s1+s2+scale, scale), true
	case "%":
		scale := max(s1, s2)
		return adjustDecimal(min(p1-s1, p2-s2)+scale, scale), true
	default:
		scale := max(s1, s2)
		return adjustDecimal(max(p1-s1, p2-s2)+scale+1, scale), true
	}
}

// roundResult is the type of ROUND and TRUNCATE of a DECIMAL to n fraction digits.
func roundResult(t schema.Type, n int) schema.Type {
	switch {
	case n >= t.Scale:
		return schema.TDecimal(t.Precision, t.Scale)
	case n < 0:
		return schema.TDecimal(min(decimalPrecisionMax, 1+t.Precision-t.Scale), 0)
	default:
		return schema.TDecimal(1+t.Precision-t.Scale+n, n)
	}
}

// CommonType is the type that values of all the given types are brought to in CASE,
// COALESCE, IN, UNION and array constructors. It is nullable if one of them is; NULL
// literals take any type. ok is false if there is none.
func CommonType(types ...schema.Type) (t schema.Type, ok bool) {
	notNull := true
	for _, o := range types {
		notNull = notNull && o.NotNull && o.Kind != schema.Null
		switch {
		case o.Kind == schema.Null:
		case t.Kind == schema.Invalid:
			t = o
		default:
			if t, ok = commonPair(t, o); !ok {
				return schema.Type{}, false
			}
		}
	}
	if t.Kind == schema.Invalid {
		if len(types) == 0 {
			return t, false
		}
		t = schema.TNull
	}
	return t.WithNotNull(notNull), true
}

func commonPair(a, b schema.Type) (schema.Type, bool) {
	switch {
	case a.SameRoot(b):
		return a, true
	case a.IsNumeric() && b.IsNumeric():
		return commonNumeric(a, b), true
	case a.IsString() && b.IsString():
		return commonText(a, b, schema.Char, schema.VarChar), true
	case a.IsBinary() && b.IsBinary():
		return commonText(a, b, schema.Binary, schema.VarBinary), true
	case a.Kind == schema.Time && b.Kind == schema.Time:
		return schema.TTime(max(a.Precision, b.Precision)), true
	case isDatetime(a) && isDatetime(b):
		return commonDatetime(a, b), true
	case a.Kind != b.Kind:
		return schema.Type{}, false
	}
	return commonNested(a, b)
}

func commonNumeric(a, b schema.Type) schema.Type {
	p1, s1, exact1 := exactDigits(a)
	p2, s2, exact2 := exactDigits(b)
	if exact1 && exact2 {
		if a.Kind != schema.Decimal && b.Kind != schema.Decimal {
			return schema.Type{Kind: max(a.Kind, b.Kind)}
		}
		scale := max(s1, s2)
		return schema.TDecimal(min(max(p1-s1, p2-s2)+scale, decimalPrecisionMax), scale)
	}
	if a.Kind == schema.Double || b.Kind == schema.Double || a.Kind == schema.Decimal || b.Kind == schema.Decimal {
		return schema.TDouble
	}
	return schema.TFloat
}

func commonText(a, b schema.Type, fixed, varying schema.Kind) schema.Type {
	if a.Kind == fixed && b.Kind == fixed && a.Length == b.Length {
		return a
	}
	// CHAR(1) and CHAR(2) meet in VARCHAR(2): padding one of them would change its value.
	return schema.Type{Kind: varying, Length: max(a.Length, b.Length)}
}

func isDatetime(t schema.Type) bool { return t.Kind == schema.Date || t.IsTimestamp() }

func commonDatetime(a, b schema.Type) schema.Type {
	precision := max(a.Precision, b.Precision)
	if a.Kind == schema.TimestampLTZ || b.Kind == schema.TimestampLTZ {
		return schema.TTimestampLTZ(precision)
	}
	return schema.TTimestamp(precision)
}

func commonNested(a, b schema.Type) (schema.Type, bool) {
	switch a.Kind {
	case schema.Array, schema.Multiset:
		e, ok := CommonType(*a.Elem, *b.Elem)
		return schema.Type{Kind: a.Kind, Elem: &e}, ok
	case schema.Map:
		k, ok1 := CommonType(*a.Key, *b.Key)
		v, ok2 := CommonType(*a.Elem, *b.Elem)
		return schema.TMap(k, v), ok1 && ok2
	case schema.Row:
		if len(a.Fields) != len(b.Fields) {
			return schema.Type{}, false
		}
		out := schema.Type{Kind: schema.Row, Fields: make([]schema.Field, len(a.Fields))}
		for i := range a.Fields {
			t, ok := CommonType(a.Fields[i].Type, b.Fields[i].Type)
			if !ok {
				return schema.Type{}, false
			}
			out.Fields[i] = schema.Field{ID: a.Fields[i].ID, Name: a.Fields[i].Name, Type: t}
		}
		return out, true
	default:
		return schema.Type{}, false
	}
}

// ComparableType is the type in which = <> < <= > >= and IS DISTINCT FROM compare two
// values: their common type, or the other's type when one of them is a string.
func ComparableType(a, b schema.Type) (schema.Type, bool) {
	if t, ok := CommonType(a, b); ok {
		return t, true
	}
	switch {
	case a.IsString() && isScalar(b):
		return b, true
	case b.IsString() && isScalar(a):
		return a, true
	default:
		return schema.Type{}, false
	}
}

func isScalar(t schema.Type) bool {
	return t.Kind >= schema.Boolean && t.Kind <= schema.Decimal || t.IsString() || t.IsBinary() || t.Kind >= schema.Date && t.Kind <= schema.TimestampLTZ
}
