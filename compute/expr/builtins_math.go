package expr

import "github.com/weir-lake/weir/table/schema"

// mathBuiltins are functions of numbers.
func mathBuiltins() []builtin {
	return []builtin{
		{sig: "ABS(NUMERIC) ARG0"},
		{sig: "SIGN(NUMERIC) ARG0"},
		{sig: "ROUND(NUMERIC [, INTEGER]) -", bind: bindRound},
		{sig: "TRUNCATE(NUMERIC [, INTEGER]) -", bind: bindRound},
		{sig: "FLOOR(NUMERIC) - | FLOOR(DATETIME, SYMBOL) ARG0 | FLOOR(TIME, SYMBOL) ARG0", bind: bindFloor},
		{sig: "CEIL(NUMERIC) - | CEIL(DATETIME, SYMBOL) ARG0 | CEIL(TIME, SYMBOL) ARG0", aliases: []string{"CEILING"}, bind: bindFloor},
		{sig: "POWER(DOUBLE, DOUBLE) DOUBLE"},
		{sig: "SQRT(DOUBLE) DOUBLE"},
		{sig: "EXP(DOUBLE) DOUBLE"},
		{sig: "LN(DOUBLE) DOUBLE"},
		{sig: "LOG(DOUBLE) DOUBLE | LOG(DOUBLE, DOUBLE) DOUBLE"},
		{sig: "LOG10(DOUBLE) DOUBLE"},
		{sig: "LOG2(DOUBLE) DOUBLE"},
		{sig: "SIN(DOUBLE) DOUBLE"},
		{sig: "COS(DOUBLE) DOUBLE"},
		{sig: "TAN(DOUBLE) DOUBLE"},
		{sig: "COT(DOUBLE) DOUBLE"},
		{sig: "ASIN(DOUBLE) DOUBLE"},
		{sig: "ACOS(DOUBLE) DOUBLE"},
		{sig: "ATAN(DOUBLE) DOUBLE"},
		{sig: "ATAN2(DOUBLE, DOUBLE) DOUBLE"},
		{sig: "SINH(DOUBLE) DOUBLE"},
		{sig: "COSH(DOUBLE) DOUBLE"},
		{sig: "TANH(DOUBLE) DOUBLE"},
		{sig: "DEGREES(DOUBLE) DOUBLE"},
		{sig: "RADIANS(DOUBLE) DOUBLE"},
		{sig: "PI() DOUBLE"},
		{sig: "E() DOUBLE"},
		{sig: "BIN(INTEGER) STRING"},
		{sig: "RAND([INTEGER]) DOUBLE", volatile: true},
		{sig: "RAND_INTEGER(INTEGER) INT | RAND_INTEGER(INTEGER, INTEGER) INT", volatile: true},
	}
}

// bindRound keeps the type of all numbers but DECIMAL, whose scale follows a literal digit count.
func bindRound(args []schema.Type, lits []*Literal) (schema.Type, []schema.Type, bool) {
	want := append([]schema.Type(nil), args...)
	if want[0].Kind == schema.Null {
		want[0] = schema.TInt
	}
	ret := want[0]
	digits := 0
	if len(args) == 2 {
		want[1] = schema.TBigInt.WithNotNull(args[1].NotNull)
		digits = ret.Scale
		if lits[1] != nil {
			if n, ok := lits[1].Value.(int64); ok {
				digits = int(max(min(n, decimalPrecisionMax), -decimalPrecisionMax))
			}
		}
	}
	if ret.Kind == schema.Decimal {
		ret = roundResult(ret, digits)
	}
	return ret.WithNotNull(allNotNull(args)), want, true
}

// bindFloor drops a DECIMAL's scale; datetimes keep their type.
func bindFloor(args []schema.Type, _ []*Literal) (schema.Type, []schema.Type, bool) {
	want := append([]schema.Type(nil), args...)
	if len(args) == 2 && (isDatetime(args[0]) || args[0].Kind == schema.Time) {
		return args[0].WithNotNull(allNotNull(args)), want, true
	}
	if len(args) == 2 {
		return schema.Type{}, nil, false
	}
	if want[0].Kind == schema.Null {
		want[0] = schema.TInt
	}
	ret := want[0]
	if ret.Kind == schema.Decimal {
		ret = schema.TDecimal(ret.Precision, 0)
	}
	return ret.WithNotNull(args[0].NotNull), want, true
}
