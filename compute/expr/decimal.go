package expr

import (
	"fmt"
	"math"
	"math/big"
	"math/bits"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/decimal128"
)

// A DECIMAL(p, s) value is an integer of up to p digits times 10^-s. The operations below
// compute as Flink does on java.math.BigDecimal: exactly, or for a division to 38 digits, then
// rounded half up to the result's scale; a result with more than p digits is no value (NULL).

// pow10 are the powers of ten which a BIGINT holds.
var pow10 = func() (p [19]int64) {
	p[0] = 1
	for i := 1; i < len(p); i++ {
		p[i] = p[i-1] * 10
	}
	return p
}()

// bigPow10 is 10^n.
func bigPow10(n int) *big.Int {
	if n < len(pow10) {
		return big.NewInt(pow10[n])
	}
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil)
}

func asInt64(n decimal128.Num) (int64, bool) {
	v := int64(n.LowBits())
	return v, n.HighBits() == v>>63
}

// digitsOf is the number of decimal digits of |v|; 1 for 0.
func digitsOf(v *big.Int) int {
	// log10(2) bounds the count from above by at most one too many.
	n := int(float64(v.BitLen())*math.Log10(2)) + 1
	if n > 1 && v.CmpAbs(bigPow10(n-1)) < 0 {
		n--
	}
	return n
}

// roundOff divides v, which is not negative, by 10^n, rounding half up. It changes v.
func roundOff(v *big.Int, n int) *big.Int {
	if n <= 0 {
		return v
	}
	p := bigPow10(n)
	rem := new(big.Int)
	v.QuoRem(v, p, rem)
	if rem.Lsh(rem, 1).Cmp(p) >= 0 {
		v.Add(v, big.NewInt(1))
	}
	return v
}

// decimalOf brings v times 10^-from to DECIMAL(precision, scale). It changes v.
func decimalOf(v *big.Int, from, precision, scale int) (decimal128.Num, bool) {
	neg := v.Sign() < 0
	v.Abs(v)
	if scale >= from {
		v.Mul(v, bigPow10(scale-from))
	} else {
		roundOff(v, from-scale)
	}
	if v.BitLen() > 127 || v.CmpAbs(bigPow10(precision)) >= 0 {
		return decimal128.Num{}, false
	}
	if neg {
		v.Neg(v)
	}
	return decimal128.FromBigInt(v), true
}

// rescale brings a DECIMAL of one scale to DECIMAL(precision, scale), rounding half up.
func rescale(n decimal128.Num, from, precision, scale int) (decimal128.Num, bool) {
	if from == scale {
		return n, n.FitsInPrecision(int32(precision))
	}
	if v, ok := asInt64(n); ok && scale > from && scale-from < len(pow10) {
		r := mul64(v, pow10[scale-from])
		return r, r.FitsInPrecision(int32(precision))
	}
	return decimalOf(n.BigInt(), from, precision, scale)
}

// mul64 is the 128-bit product.
func mul64(a, b int64) decimal128.Num {
	neg := (a < 0) != (b < 0)
	hi, lo := bits.Mul64(absU64(a), absU64(b))
	n := decimal128.New(int64(hi), lo)
	if neg {
		return n.Negate()
	}
	return n
}

func absU64(a int64) uint64 {
	if a < 0 {
		return -uint64(a)
	}
	return uint64(a)
}

// timesPow10 is n times 10^k, which fits 128 bits.
func timesPow10(n decimal128.Num, k int) decimal128.Num {
	for ; k > 0; k -= len(pow10) - 1 {
		n = times(n, uint64(pow10[min(k, len(pow10)-1)]))
	}
	return n
}

// times is the low 128 bits of n * f. Two's complement needs no care for the sign.
func times(n decimal128.Num, f uint64) decimal128.Num {
	hi, lo := bits.Mul64(n.LowBits(), f)
	return decimal128.New(int64(hi+uint64(n.HighBits())*f), lo)
}

// decimalForm is the precision and scale of an operand or result.
type decimalForm struct{ precision, scale int }

// addDecimal is x + y, or x - y.
func addDecimal(x decimal128.Num, fx decimalForm, y decimal128.Num, fy, ret decimalForm, minus bool) (decimal128.Num, bool) {
	if minus {
		y = y.Negate()
	}
	// Up to 37 digits a sum fits 128 bits.
	const safe = decimalPrecisionMax - 1
	scale := max(fx.scale, fy.scale)
	if scale == ret.scale && fx.precision+scale-fx.scale <= safe && fy.precision+scale-fy.scale <= safe {
		sum := timesPow10(x, scale-fx.scale).Add(timesPow10(y, scale-fy.scale))
		return sum, sum.FitsInPrecision(int32(ret.precision))
	}
	a, b := x.BigInt(), y.BigInt()
	a.Mul(a, bigPow10(scale-fx.scale))
	b.Mul(b, bigPow10(scale-fy.scale))
	return decimalOf(a.Add(a, b), scale, ret.precision, ret.scale)
}

func mulDecimal(x decimal128.Num, fx decimalForm, y decimal128.Num, fy, ret decimalForm) (decimal128.Num, bool) {
	if fx.scale+fy.scale == ret.scale {
		a, ok1 := asInt64(x)
		b, ok2 := asInt64(y)
		if ok1 && ok2 {
			p := mul64(a, b)
			return p, p.FitsInPrecision(int32(ret.precision))
		}
	}
	a := x.BigInt()
	return decimalOf(a.Mul(a, y.BigInt()), fx.scale+fy.scale, ret.precision, ret.scale)
}

// divDecimal rounds the quotient to 38 digits first and to the scale then, as Flink does.
// The divisor is not zero.
func divDecimal(x decimal128.Num, fx decimalForm, y decimal128.Num, fy, ret decimalForm) (decimal128.Num, bool) {
	num, den := x.BigInt(), y.BigInt()
	if num.Sign() == 0 {
		return decimal128.Num{}, true
	}
	neg := num.Sign() != den.Sign()
	num.Abs(num)
	den.Abs(den)
	// The quotient gets at least 39 digits, so that the 39th decides the rounding.
	k := max(0, decimalPrecisionMax+1+digitsOf(den)-digitsOf(num))
	num.Mul(num, bigPow10(k)).Quo(num, den)
	drop := max(0, digitsOf(num)-decimalPrecisionMax)
	roundOff(num, drop)
	scale := k - drop + fx.scale - fy.scale
	if neg {
		num.Neg(num)
	}
	if scale < 0 {
		num.Mul(num, bigPow10(-scale))
		scale = 0
	}
	return decimalOf(num, scale, ret.precision, ret.scale)
}

// modDecimal is the remainder with the sign of x. The divisor is not zero.
func modDecimal(x decimal128.Num, fx decimalForm, y decimal128.Num, fy, ret decimalForm) (decimal128.Num, bool) {
	scale := max(fx.scale, fy.scale)
	a, b := x.BigInt(), y.BigInt()
	a.Mul(a, bigPow10(scale-fx.scale))
	b.Mul(b, bigPow10(scale-fy.scale))
	return decimalOf(a.Rem(a, b), scale, ret.precision, ret.scale)
}

// appendDecimal appends the plain text of n with its scale.
func appendDecimal(dst []byte, n decimal128.Num, scale int) []byte {
	if n.Sign() < 0 {
		dst = append(dst, '-')
	}
	var digits []byte
	if v, ok := asInt64(n); ok {
		digits = strconv.AppendUint(nil, absU64(v), 10)
	} else {
		v := n.BigInt()
		digits = v.Abs(v).Append(nil, 10)
	}
	if scale == 0 {
		return append(dst, digits...)
	}
	for len(digits) <= scale {
		digits = append([]byte{'0'}, digits...)
	}
	dst = append(dst, digits[:len(digits)-scale]...)
	dst = append(dst, '.')
	return append(dst, digits[len(digits)-scale:]...)
}

// exponentMax bounds the exponents parseDecimal accepts: beyond, no DECIMAL can hold the
// value, and computing it would take memory without end.
const exponentMax = 1000

// parseDecimal reads [+-]digits[.digits][e[+-]digits] as an integer and its scale.
func parseDecimal(s string) (v *big.Int, scale int, err error) {
	mantissa, exp := s, 0
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		mantissa = s[:i]
		if exp, err = strconv.Atoi(s[i+1:]); err != nil || exp > exponentMax || exp < -exponentMax {
			return nil, 0, fmt.Errorf("%q is not a decimal number", s)
		}
	}
	digits := strings.TrimLeft(mantissa, "+-")
	whole, frac, _ := strings.Cut(digits, ".")
	if len(mantissa)-len(digits) > 1 || whole+frac == "" || strings.Trim(whole+frac, "0123456789") != "" || len(digits) > exponentMax {
		return nil, 0, fmt.Errorf("%q is not a decimal number", s)
	}
	v, _ = new(big.Int).SetString(whole+frac, 10)
	if mantissa[0] == '-' {
		v.Neg(v)
	}
	scale = len(frac) - exp
	if scale < 0 {
		v.Mul(v, bigPow10(-scale))
		scale = 0
	}
	return v, scale, nil
}

// ParseDecimal reads a number as DECIMAL(precision, scale), rounding half up. It fails if the
// text is not a number or the value has too many digits.
func ParseDecimal(s string, precision, scale int) (decimal128.Num, error) {
	v, from, err := parseDecimal(s)
	if err != nil {
		return decimal128.Num{}, err
	}
	n, ok := decimalOf(v, from, precision, scale)
	if !ok {
		return n, fmt.Errorf("%s does not fit DECIMAL(%d, %d)", s, precision, scale)
	}
	return n, nil
}

// FormatDecimal is the plain text of a DECIMAL with all fraction digits of its scale.
func FormatDecimal(n decimal128.Num, scale int) string { return string(appendDecimal(nil, n, scale)) }

// decimalOfFloat converts by the shortest text of f, as BigDecimal.valueOf does.
func decimalOfFloat(f float64, precision, scale int) (decimal128.Num, bool, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return decimal128.Num{}, false, fmt.Errorf("%s has no decimal value", FormatDouble(f))
	}
	v, from, err := parseDecimal(strconv.FormatFloat(f, 'e', -1, 64))
	if err != nil {
		return decimal128.Num{}, false, err
	}
	n, ok := decimalOf(v, from, precision, scale)
	return n, ok, nil
}

// floatOfDecimal converts to the nearest double; values of up to 18 digits by one division, as Flink does.
func floatOfDecimal(n decimal128.Num, f decimalForm) float64 {
	if v, ok := asInt64(n); ok && f.precision <= 18 {
		return float64(v) / float64(pow10[f.scale])
	}
	// The text of a decimal always parses.
	x, _ := strconv.ParseFloat(FormatDecimal(n, f.scale), 64)
	return x
}

// intOfDecimal truncates to an integer; one too large for 64 bits wraps, as Java's does.
func intOfDecimal(n decimal128.Num, scale int) int64 {
	if v, ok := asInt64(n); ok && scale < len(pow10) {
		return v / pow10[scale]
	}
	v := n.BigInt()
	v.Quo(v, bigPow10(scale))
	low := new(big.Int).And(v, new(big.Int).SetUint64(math.MaxUint64))
	return int64(low.Uint64())
}
