package expr

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/weir-lake/weir/table/schema"
)

func double1(f func(float64) float64) prepFunc {
	return run(func(c *call) (vec, error) {
		x := colOf[float64](c.args[0])
		return mapFixedTotal(c, func(i int) float64 { return f(x.at(i)) })
	})
}

func double2(f func(a, b float64) float64) prepFunc {
	return run(func(c *call) (vec, error) {
		x, y := colOf[float64](c.args[0]), colOf[float64](c.args[1])
		return mapFixedTotal(c, func(i int) float64 { return f(x.at(i), y.at(i)) })
	})
}

func constDouble(f float64) prepFunc {
	return run(func(c *call) (vec, error) { return vec{data: repeat(f, c.n)}, nil })
}

// evalLog is the natural logarithm, or the logarithm of the second argument to the base of the first.
func evalLog(c *call) (vec, error) {
	x := colOf[float64](c.args[0])
	if len(c.args) == 1 {
		return mapFixedTotal(c, func(i int) float64 { return math.Log(x.at(i)) })
	}
	y := colOf[float64](c.args[1])
	return mapFixedTotal(c, func(i int) float64 { return math.Log(y.at(i)) / math.Log(x.at(i)) })
}

func log2(x float64) float64 { return math.Log(x) / math.Log(2) }

// log10 is exact for powers of ten, as Java's Math.log10 is.
func log10(x float64) float64 {
	r := math.Log10(x)
	if n := math.Round(r); n != r && math.Abs(n) < 23 && math.Pow(10, n) == x {
		return n
	}
	return r
}

// numbers dispatches a function that keeps the type of its first argument.
func numbers(ints func(bits int) kernel, floats func(bits int) kernel, dec func(p *prep) kernel) prepFunc {
	return func(p *prep) (kernel, error) {
		switch p.args[0].Kind {
		case schema.TinyInt:
			return ints(8), nil
		case schema.SmallInt:
			return ints(16), nil
		case schema.Int:
			return ints(32), nil
		case schema.BigInt:
			return ints(64), nil
		case schema.Float:
			return floats(32), nil
		case schema.Double:
			return floats(64), nil
		case schema.Decimal:
			return dec(p), nil
		default:
			return nil, fmt.Errorf("a %s is not a number", p.args[0])
		}
	}
}

// intKernel applies f in the width of the argument; the result wraps to it.
func intKernel(f func(c *call, v int64, i int) (int64, error)) func(bits int) kernel {
	return func(bits int) kernel {
		switch bits {
		case 8:
			return eachInt[int8](f)
		case 16:
			return eachInt[int16](f)
		case 32:
			return eachInt[int32](f)
		default:
			return eachInt[int64](f)
		}
	}
}

func eachInt[T integer](f func(c *call, v int64, i int) (int64, error)) kernel {
	return func(c *call) (vec, error) {
		x := colOf[T](c.args[0])
		return mapFixed(c, func(i int) (T, bool, error) {
			v, err := f(c, int64(x.at(i)), i)
			return T(v), true, err
		})
	}
}

func floatKernel(f func(c *call, v float64, i, bits int) (float64, error)) func(bits int) kernel {
	return func(bits int) kernel {
		if bits == 32 {
			return eachFloat[float32](f, 32)
		}
		return eachFloat[float64](f, 64)
	}
}

func eachFloat[T float](f func(c *call, v float64, i, bits int) (float64, error), bits int) kernel {
	return func(c *call) (vec, error) {
		x := colOf[T](c.args[0])
		return mapFixed(c, func(i int) (T, bool, error) {
			v, err := f(c, float64(x.at(i)), i, bits)
			return T(v), true, err
		})
	}
}

// decimalKernel: ok = false is NULL.
func decimalKernel(f func(c *call, p *prep, n decimal128.Num, i int) (decimal128.Num, bool)) func(p *prep) kernel {
	return func(p *prep) kernel {
		return func(c *call) (vec, error) {
			x := colOf[decimal128.Num](c.args[0])
			return mapFixed(c, func(i int) (decimal128.Num, bool, error) {
				n, ok := f(c, p, x.at(i), i)
				return n, ok, nil
			})
		}
	}
}

func prepAbs(p *prep) (kernel, error) {
	return numbers(
		intKernel(func(_ *call, v int64, _ int) (int64, error) {
			if v < 0 {
				return -v, nil
			}
			return v, nil
		}),
		floatKernel(func(_ *call, v float64, _, _ int) (float64, error) { return math.Abs(v), nil }),
		decimalKernel(func(_ *call, _ *prep, n decimal128.Num, _ int) (decimal128.Num, bool) { return n.Abs(), true }),
	)(p)
}

// prepSign is -1, 0 or 1 in the type of the argument.
func prepSign(p *prep) (kernel, error) {
	return numbers(
		intKernel(func(_ *call, v int64, _ int) (int64, error) {
			switch {
			case v > 0:
				return 1, nil
			case v < 0:
				return -1, nil
			default:
				return 0, nil
			}
		}),
		floatKernel(func(_ *call, v float64, _, _ int) (float64, error) {
			switch {
			case v > 0:
				return 1, nil
			case v < 0:
				return -1, nil
			default:
				return v, nil // 0, -0 and NaN are their own sign
			}
		}),
		decimalKernel(func(_ *call, p *prep, n decimal128.Num, _ int) (decimal128.Num, bool) {
			f := formOf(p.args[0])
			return rescale(decimal128.FromI64(int64(n.Sign())), 0, f.precision, f.scale)
		}),
	)(p)
}

// digitsArg is the second argument of ROUND and TRUNCATE, kept to what any number can have.
func digitsArg(c *call, i int) int {
	if len(c.args) < 2 {
		return 0
	}
	const most = 400 // more digits than a DOUBLE has on either side of the point
	return int(max(min(colOf[int64](c.args[1]).at(i), most), -most))
}

// prepRound rounds half away from zero on the decimal text of a number; TRUNCATE cuts.
func prepRound(p *prep) (kernel, error) {
	cut := p.fn == "TRUNCATE"
	return numbers(
		intKernel(func(c *call, v int64, i int) (int64, error) {
			n := digitsArg(c, i)
			if n >= 0 {
				return v, nil
			}
			r := roundTo(big.NewInt(v), 0, n, cut)
			low := new(big.Int).And(r, new(big.Int).SetUint64(math.MaxUint64))
			return int64(low.Uint64()), nil
		}),
		floatKernel(func(c *call, v float64, i, bits int) (float64, error) {
			return roundFloat(v, digitsArg(c, i), bits, cut)
		}),
		decimalKernel(func(c *call, p *prep, n decimal128.Num, i int) (decimal128.Num, bool) {
			f, ret := formOf(p.args[0]), formOf(p.ret)
			d := digitsArg(c, i)
			if d >= f.scale {
				return rescale(n, f.scale, ret.precision, ret.scale)
			}
			return decimalOf(roundTo(n.BigInt(), f.scale, d, cut), f.scale, ret.precision, ret.scale)
		}),
	)(p)
}

// roundTo rounds v * 10^-scale to n fraction digits (negative: before the point), or cuts
// there, and keeps the scale.
func roundTo(v *big.Int, scale, n int, cut bool) *big.Int {
	drop := scale - n
	if drop <= 0 {
		return v
	}
	neg := v.Sign() < 0
	v.Abs(v)
	if cut {
		v.Quo(v, bigPow10(drop))
	} else {
		roundOff(v, drop)
	}
	v.Mul(v, bigPow10(drop))
	if neg {
		v.Neg(v)
	}
	return v
}

func roundFloat(v float64, n, bits int, cut bool) (float64, error) {
	if v == 0 || v != v || math.IsInf(v, 0) {
		if v == 0 {
			return 0, nil
		}
		return 0, fmt.Errorf("%s has no decimal value", FormatDouble(v))
	}
	digits, scale, err := parseDecimal(strconv.FormatFloat(v, 'e', -1, bits))
	if err != nil {
		return 0, err
	}
	if n >= scale {
		return v, nil
	}
	r := roundTo(digits, scale, n, cut)
	return strconv.ParseFloat(r.String()+"e"+strconv.Itoa(-scale), bits)
}

// prepFloor is FLOOR and CEIL of a number, or of a datetime to a unit.
func prepFloor(p *prep) (kernel, error) {
	if len(p.args) == 2 {
		return prepFloorTime(p)
	}
	up := p.fn == "CEIL"
	return numbers(
		intKernel(func(_ *call, v int64, _ int) (int64, error) { return v, nil }),
		floatKernel(func(_ *call, v float64, _, _ int) (float64, error) {
			if up {
				return math.Ceil(v), nil
			}
			return math.Floor(v), nil
		}),
		decimalKernel(func(_ *call, p *prep, n decimal128.Num, _ int) (decimal128.Num, bool) {
			v, unit := n.BigInt(), bigPow10(p.args[0].Scale)
			q, rem := new(big.Int).DivMod(v, unit, new(big.Int))
			if up && rem.Sign() != 0 {
				q.Add(q, big.NewInt(1))
			}
			return decimalOf(q, 0, p.ret.Precision, 0)
		}),
	)(p)
}

func evalBin(c *call) (vec, error) {
	x := colOf[int64](c.args[0])
	return mapText(c, func(dst []byte, i int) ([]byte, bool, error) {
		return strconv.AppendUint(dst, uint64(x.at(i)), 2), true, nil
	})
}

// mix64 is the finaliser of splitmix64: it turns a counter into well spread bits.
func mix64(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// randomBits are the bits of row i of the batch, decided by Env.Seed and, if given, a seed argument.
func randomBits(c *call, seed int64, i int) uint64 {
	return mix64(mix64(uint64(c.env.Seed)^mix64(uint64(seed))) + uint64(i))
}

func evalRand(c *call) (vec, error) {
	return mapFixedTotal(c, func(i int) float64 {
		seed := int64(0)
		if len(c.args) == 1 {
			seed = colOf[int64](c.args[0]).at(i)
		}
		return float64(randomBits(c, seed, i)>>11) / (1 << 53)
	})
}

// evalRandInteger is a number from 0 up to, not including, the last argument.
func evalRandInteger(c *call) (vec, error) {
	bound := colOf[int64](c.args[len(c.args)-1])
	return mapFixed(c, func(i int) (int32, bool, error) {
		seed := int64(0)
		if len(c.args) == 2 {
			seed = colOf[int64](c.args[0]).at(i)
		}
		b := bound.at(i)
		if b <= 0 || b > math.MaxInt32 {
			return 0, false, errors.New("the bound must be a positive INT")
		}
		return int32(randomBits(c, seed, i) % uint64(b)), true, nil
	})
}
