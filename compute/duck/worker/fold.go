//go:build duckdb_arrow && cgo

package worker

import (
	"math"
	"math/big"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/duck/internal/wire"
	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/internal/errkind"
)

// foldOf is the functions over the list of a group's values.
func foldOf(u wire.UDF) (evaluator, error) {
	if u.Kind == wire.DecimalAvgUDF {
		shift, digits := u.Result.Scale-u.Args[0].Scale, u.Result.Precision
		return func(args arrow.RecordBatch, _ *expr.Env) (arrow.Array, error) {
			return averageDecimals(args, shift, digits, u.Result.Scale)
		}, nil
	}
	fold, ok := map[wire.UDFKind]func([]float64) (float64, bool){
		wire.VarPopUDF: variance(0, false), wire.VarSampUDF: variance(1, false),
		wire.StddevPopUDF: variance(0, true), wire.StddevSampUDF: variance(1, true),
	}[u.Kind]
	if !ok {
		return nil, errkind.Errorf(errkind.Bug, "unknown kind %q", u.Kind)
	}
	return func(args arrow.RecordBatch, _ *expr.Env) (arrow.Array, error) { return foldLists(args, fold) }, nil
}

// foldLists applies fold to the values that are not NULL of each list.
func foldLists(args arrow.RecordBatch, fold func([]float64) (float64, bool)) (arrow.Array, error) {
	lists, ok := args.Column(0).(*array.List)
	if !ok {
		return nil, errkind.Errorf(errkind.Bug, "fold of %s", args.Column(0).DataType())
	}
	values := lists.ListValues().(*array.Float64)
	b := array.NewFloat64Builder(memory.DefaultAllocator)
	defer b.Release()
	var group []float64
	for i := range lists.Len() {
		group = group[:0]
		if lists.IsValid(i) {
			from, to := lists.ValueOffsets(i)
			for j := int(from); j < int(to); j++ {
				if values.IsValid(j) {
					group = append(group, values.Value(j))
				}
			}
		}
		if v, ok := fold(group); ok {
			b.Append(v)
		} else {
			b.AppendNull()
		}
	}
	return b.NewArray(), nil
}

// sumPrecision holds every sum of doubles: exponents from -1074 to 1023 and 2^64 values, in bits.
const sumPrecision = 2200

// total adds values without rounding. special is set if one of them is not finite; then it
// is the sum.
func total(values []float64) (sum *big.Float, special *float64) {
	sum = new(big.Float).SetPrec(sumPrecision)
	var odd float64
	term := new(big.Float).SetPrec(sumPrecision)
	for _, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			odd += v
			special = &odd
			continue
		}
		sum.Add(sum, term.SetFloat64(v))
	}
	return sum, special
}

// variance divides the exact squared deviations by the count less ddof.
func variance(ddof int, root bool) func([]float64) (float64, bool) {
	return func(values []float64) (float64, bool) {
		n := len(values)
		if n <= ddof {
			return 0, false
		}
		sum, special := total(values)
		if special != nil {
			return math.NaN(), true
		}
		// n times the sum of squares less the square of the sum, all exact.
		squares := new(big.Float).SetPrec(2 * sumPrecision)
		term := new(big.Float).SetPrec(2 * sumPrecision)
		for _, v := range values {
			term.SetFloat64(v)
			squares.Add(squares, term.Mul(term, term))
		}
		count := new(big.Float).SetPrec(2 * sumPrecision).SetInt64(int64(n))
		squares.Mul(squares, count)
		square := new(big.Float).SetPrec(2*sumPrecision).Mul(sum, sum)
		squares.Sub(squares, square)
		v, _ := squares.Quo(squares, count.Mul(count, new(big.Float).SetInt64(int64(n-ddof)))).Float64()
		if root {
			v = math.Sqrt(v)
		}
		return v, true
	}
}

// averageDecimals divides sums by counts, rounded half away from zero; NULL where the
// count is zero or the digits do not suffice.
func averageDecimals(args arrow.RecordBatch, shift, digits, scale int) (arrow.Array, error) {
	sums, ok := args.Column(0).(*array.Decimal128)
	counts, ok2 := args.Column(1).(*array.Int64)
	if !ok || !ok2 {
		return nil, errkind.Errorf(errkind.Bug, "average of %s over %s", args.Column(0).DataType(), args.Column(1).DataType())
	}
	b := array.NewDecimal128Builder(memory.DefaultAllocator, &arrow.Decimal128Type{Precision: int32(digits), Scale: int32(scale)})
	defer b.Release()
	limit := power(digits)
	for i := range sums.Len() {
		if sums.IsNull(i) || counts.IsNull(i) || counts.Value(i) == 0 {
			b.AppendNull()
			continue
		}
		v := quotient(sums.Value(i).BigInt(), big.NewInt(counts.Value(i)), shift)
		if v.CmpAbs(limit) >= 0 {
			b.AppendNull()
			continue
		}
		b.Append(decimal128.FromBigInt(v))
	}
	return b.NewArray(), nil
}

const decimalBase = 10

func power(n int) *big.Int {
	return new(big.Int).Exp(big.NewInt(decimalBase), big.NewInt(int64(n)), nil)
}

// quotient is num / den * 10^shift, rounded half away from zero; den is positive.
func quotient(num, den *big.Int, shift int) *big.Int {
	if shift >= 0 {
		num = new(big.Int).Mul(num, power(shift))
	} else {
		den = new(big.Int).Mul(den, power(-shift))
	}
	q, rem := new(big.Int).QuoRem(num, den, new(big.Int))
	if rem.Abs(rem).Lsh(rem, 1).Cmp(den) >= 0 {
		q.Add(q, big.NewInt(int64(num.Sign())))
	}
	return q
}
