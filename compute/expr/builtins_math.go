package expr

import (
	"math"

	"github.com/weir-lake/weir/table/schema"
)

// mathBuiltins are functions of numbers.
func mathBuiltins() []builtin {
	return []builtin{
		{sig: "ABS(NUMERIC) ARG0", prep: prepAbs},
		{sig: "SIGN(NUMERIC) ARG0", prep: prepSign},
		{sig: "ROUND(NUMERIC [, INTEGER]) -", prep: prepRound, bind: bindRound},
		{sig: "TRUNCATE(NUMERIC [, INTEGER]) -", prep: prepRound, bind: bindRound},
		{sig: "FLOOR(NUMERIC) - | FLOOR(DATETIME, SYMBOL) ARG0 | FLOOR(TIME, SYMBOL) ARG0", prep: prepFloor, bind: bindFloor, zoned: true},
		{sig: "CEIL(NUMERIC) - | CEIL(DATETIME, SYMBOL) ARG0 | CEIL(TIME, SYMBOL) ARG0", prep: prepFloor, aliases: []string{"CEILING"}, bind: bindFloor, zoned: true},
		{sig: "POWER(DOUBLE, DOUBLE) DOUBLE", prep: double2(math.Pow)},
		{sig: "SQRT(DOUBLE) DOUBLE", prep: double1(math.Sqrt)},
		{sig: "EXP(DOUBLE) DOUBLE", prep: double1(math.Exp)},
		{sig: "LN(DOUBLE) DOUBLE", prep: double1(math.Log)},
		{sig: "LOG(DOUBLE) DOUBLE | LOG(DOUBLE, DOUBLE) DOUBLE", prep: run(evalLog)},
		{sig: "LOG10(DOUBLE) DOUBLE", prep: double1(log10)},
		{sig: "LOG2(DOUBLE) DOUBLE", prep: double1(log2)},
		{sig: "SIN(DOUBLE) DOUBLE", prep: double1(math.Sin)},
		{sig: "COS(DOUBLE) DOUBLE", prep: double1(math.Cos)},
		{sig: "TAN(DOUBLE) DOUBLE", prep: double1(math.Tan)},
		{sig: "COT(DOUBLE) DOUBLE", prep: double1(func(x float64) float64 { return 1 / math.Tan(x) })},
		{sig: "ASIN(DOUBLE) DOUBLE", prep: double1(math.Asin)},
		{sig: "ACOS(DOUBLE) DOUBLE", prep: double1(math.Acos)},
		{sig: "ATAN(DOUBLE) DOUBLE", prep: double1(math.Atan)},
		{sig: "ATAN2(DOUBLE, DOUBLE) DOUBLE", prep: double2(math.Atan2)},
		{sig: "SINH(DOUBLE) DOUBLE", prep: double1(math.Sinh)},
		{sig: "COSH(DOUBLE) DOUBLE", prep: double1(math.Cosh)},
		{sig: "TANH(DOUBLE) DOUBLE", prep: double1(math.Tanh)},
		{sig: "DEGREES(DOUBLE) DOUBLE", prep: double1(func(x float64) float64 { return x * (180 / math.Pi) })},
		{sig: "RADIANS(DOUBLE) DOUBLE", prep: double1(func(x float64) float64 { return x * (math.Pi / 180) })},
		{sig: "PI() DOUBLE", prep: constDouble(math.Pi)},
		{sig: "E() DOUBLE", prep: constDouble(math.E)},
		{sig: "BIN(INTEGER) STRING", prep: run(evalBin)},
		{sig: "RAND([INTEGER]) DOUBLE", prep: run(evalRand), volatile: true},
		{sig: "RAND_INTEGER(INTEGER) INT | RAND_INTEGER(INTEGER, INTEGER) INT", prep: run(evalRandInteger), volatile: true},
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
