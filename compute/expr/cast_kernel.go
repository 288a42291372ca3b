package expr

import (
	"fmt"
	"math"

	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/weir-lake/weir/table/schema"
)

// prepCast makes CAST: a value that cannot be converted is an error; a number that does not
// fit a DECIMAL is NULL; integers wrap and doubles saturate, as in Java.
func prepCast(p *prep) (kernel, error) { return castKernel(p.args[0], p.ret) }

// prepTryCast makes TRY_CAST: a value that cannot be converted is NULL, an array, map or row
// as a whole.
func prepTryCast(p *prep) (kernel, error) {
	k, err := castKernel(p.args[0], p.ret)
	if err != nil {
		return nil, err
	}
	if isScalar(p.args[0]) || isScalar(p.ret) {
		return func(c *call) (vec, error) {
			c.try = true
			return k(c)
		}, nil
	}
	return func(c *call) (vec, error) {
		if v, err := k(c); err == nil {
			return v, nil
		}
		return castRows(c, k, p.ret)
	}, nil
}

// castRows casts row by row; a row that cannot be converted is NULL.
func castRows(c *call, k kernel, to schema.Type) (vec, error) {
	pick := repeat(int32(-1), c.n)
	var branches []vec
	for i := range pick {
		if !c.isLive(i) {
			continue
		}
		one := make([]bool, c.n)
		one[i] = true
		v, err := k(&call{env: c.env, n: c.n, args: c.args, live: one})
		if err == nil {
			pick[i] = int32(len(branches))
			branches = append(branches, v)
		}
	}
	return choose(to, pick, branches)
}

func castKernel(from, to schema.Type) (kernel, error) {
	switch {
	case !CanCast(from, to):
		return nil, fmt.Errorf("a %s cannot be cast to %s", from.WithNotNull(false), to.WithNotNull(false))
	case from.Kind == schema.Null:
		return func(*call) (vec, error) {
			v, err := nullConst(to)
			return v, err
		}, nil
	case from.SameRoot(to) || to.Kind == schema.VarChar && from.IsString() && to.Length >= from.Length:
		return func(c *call) (vec, error) { return vec{data: c.args[0].data, valid: c.live}, nil }, nil
	case to.IsString():
		return castToText(from, to)
	case from.IsString():
		return castFromText(to)
	case from.IsNumeric() && to.IsNumeric():
		return numberCast(from, to)
	case from.Kind == schema.Boolean:
		return then(boolToInt, schema.TTinyInt, to, numberCast)
	case to.Kind == schema.Boolean:
		return numberToBool(from)
	case to.IsBinary():
		return func(c *call) (vec, error) {
			x := textOf(c.args[0])
			return mapText(c, func(dst []byte, i int) ([]byte, bool, error) {
				return fitBytes(dst, x.bytes(i), to), true, nil
			})
		}, nil
	case isDatetime(from) || from.Kind == schema.Time:
		return castDatetime(from, to)
	default:
		return castNested(from, to)
	}
}

// then feeds k's result of type mid into a conversion to type to.
func then(k kernel, mid, to schema.Type, conv func(from, to schema.Type) (kernel, error)) (kernel, error) {
	if mid.SameRoot(to) {
		return k, nil
	}
	next, err := conv(mid, to)
	if err != nil {
		return nil, err
	}
	return func(c *call) (vec, error) {
		v, err := k(c)
		if err != nil {
			return vec{}, err
		}
		return next(&call{env: c.env, n: c.n, args: []vec{v}, live: v.valid, try: c.try})
	}, nil
}

func boolToInt(c *call) (vec, error) {
	x := colOf[bool](c.args[0])
	return mapFixedTotal(c, func(i int) int8 {
		if x.at(i) {
			return 1
		}
		return 0
	})
}

func numberToBool(from schema.Type) (kernel, error) {
	switch from.Kind {
	case schema.TinyInt:
		return isNotZero[int8], nil
	case schema.SmallInt:
		return isNotZero[int16], nil
	case schema.Int:
		return isNotZero[int32], nil
	case schema.BigInt:
		return isNotZero[int64], nil
	case schema.Float:
		return isNotZero[float32], nil
	case schema.Double:
		return isNotZero[float64], nil
	default:
		return func(c *call) (vec, error) {
			x := colOf[decimal128.Num](c.args[0])
			return mapFixedTotal(c, func(i int) bool { return x.at(i).Sign() != 0 })
		}, nil
	}
}

func isNotZero[T integer | float](c *call) (vec, error) {
	x := colOf[T](c.args[0])
	return mapFixedTotal(c, func(i int) bool { return x.at(i) != 0 })
}

// numberCast converts between number types.
func numberCast(from, to schema.Type) (kernel, error) {
	switch from.Kind {
	case schema.TinyInt:
		return integerCast[int8](to)
	case schema.SmallInt:
		return integerCast[int16](to)
	case schema.Int:
		return integerCast[int32](to)
	case schema.BigInt:
		return integerCast[int64](to)
	case schema.Float:
		return floatCast[float32](to)
	case schema.Double:
		return floatCast[float64](to)
	case schema.Decimal:
		return decimalCast(from, to)
	default:
		return nil, fmt.Errorf("a %s is not a number", from)
	}
}

func integerCast[F integer](to schema.Type) (kernel, error) {
	switch to.Kind {
	case schema.TinyInt:
		return convert[F, int8], nil
	case schema.SmallInt:
		return convert[F, int16], nil
	case schema.Int:
		return convert[F, int32], nil
	case schema.BigInt:
		return convert[F, int64], nil
	case schema.Float:
		return convert[F, float32], nil
	case schema.Double:
		return convert[F, float64], nil
	default:
		return func(c *call) (vec, error) {
			x := colOf[F](c.args[0])
			return mapFixed(c, func(i int) (decimal128.Num, bool, error) {
				n, ok := rescale(decimal128.FromI64(int64(x.at(i))), 0, to.Precision, to.Scale)
				return n, ok, nil
			})
		}, nil
	}
}

// convert is Go's conversion of whole columns, which for these pairs is Java's.
func convert[F integer | float, T integer | float](c *call) (vec, error) {
	x := c.args[0].data.([]F)
	out := make([]T, len(x))
	for i, v := range x {
		out[i] = T(v)
	}
	if len(out) != c.n {
		out = repeat(out[0], c.n)
	}
	return vec{data: out, valid: c.live}, nil
}

// floatCast: to integers Java saturates at INT or BIGINT and then wraps to the smaller types.
func floatCast[F float](to schema.Type) (kernel, error) {
	switch to.Kind {
	case schema.TinyInt:
		return floatToInt[F](func(f float64) int8 { return int8(saturate32(f)) }), nil
	case schema.SmallInt:
		return floatToInt[F](func(f float64) int16 { return int16(saturate32(f)) }), nil
	case schema.Int:
		return floatToInt[F](saturate32), nil
	case schema.BigInt:
		return floatToInt[F](saturate64), nil
	case schema.Float:
		return convert[F, float32], nil
	case schema.Double:
		return convert[F, float64], nil
	default:
		return func(c *call) (vec, error) {
			x := colOf[F](c.args[0])
			return mapFixed(c, func(i int) (decimal128.Num, bool, error) {
				return decimalOfFloat(float64(x.at(i)), to.Precision, to.Scale)
			})
		}, nil
	}
}

func floatToInt[F float, T integer](f func(float64) T) kernel {
	return func(c *call) (vec, error) {
		x := colOf[F](c.args[0])
		return mapFixedTotal(c, func(i int) T { return f(float64(x.at(i))) })
	}
}

func saturate32(f float64) int32 {
	switch {
	case f != f:
		return 0
	case f >= math.MaxInt32:
		return math.MaxInt32
	case f <= math.MinInt32:
		return math.MinInt32
	default:
		return int32(f)
	}
}

func saturate64(f float64) int64 {
	switch {
	case f != f:
		return 0
	case f >= math.MaxInt64:
		return math.MaxInt64
	case f <= math.MinInt64:
		return math.MinInt64
	default:
		return int64(f)
	}
}

func decimalCast(from, to schema.Type) (kernel, error) {
	form := formOf(from)
	switch to.Kind {
	case schema.TinyInt:
		return decimalToInt[int8](form.scale), nil
	case schema.SmallInt:
		return decimalToInt[int16](form.scale), nil
	case schema.Int:
		return decimalToInt[int32](form.scale), nil
	case schema.BigInt:
		return decimalToInt[int64](form.scale), nil
	case schema.Float:
		return decimalToFloat[float32](form), nil
	case schema.Double:
		return decimalToFloat[float64](form), nil
	default:
		return func(c *call) (vec, error) {
			x := colOf[decimal128.Num](c.args[0])
			return mapFixed(c, func(i int) (decimal128.Num, bool, error) {
				n, ok := rescale(x.at(i), form.scale, to.Precision, to.Scale)
				return n, ok, nil
			})
		}, nil
	}
}

func decimalToInt[T integer](scale int) kernel {
	return func(c *call) (vec, error) {
		x := colOf[decimal128.Num](c.args[0])
		return mapFixedTotal(c, func(i int) T { return T(intOfDecimal(x.at(i), scale)) })
	}
}

func decimalToFloat[T float](form decimalForm) kernel {
	return func(c *call) (vec, error) {
		x := colOf[decimal128.Num](c.args[0])
		return mapFixedTotal(c, func(i int) T { return T(floatOfDecimal(x.at(i), form)) })
	}
}
