package expr

import (
	"errors"
	"fmt"
	"math"

	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/weir-lake/weir/table/schema"
)

// errDivideByZero: an integer or DECIMAL was divided by zero; FLOAT and DOUBLE give infinity or NaN.
var errDivideByZero = errors.New("division by zero")

type integer interface{ int8 | int16 | int32 | int64 }

type float interface{ float32 | float64 }

// prepArith makes + - * / %. Integers wrap on overflow, as in Java.
func prepArith(p *prep) (kernel, error) {
	if isInterval(p.args[0]) || isInterval(p.args[1]) || isInterval(p.ret) {
		return prepIntervalArith(p)
	}
	switch p.args[0].Kind {
	case schema.TinyInt:
		return arithInteger[int8](p)
	case schema.SmallInt:
		return arithInteger[int16](p)
	case schema.Int:
		return arithInteger[int32](p)
	case schema.BigInt:
		return arithInteger[int64](p)
	case schema.Float:
		return arithFloat[float32](p)
	case schema.Double:
		return arithFloat[float64](p)
	case schema.Decimal:
		return prepDecimalArith(p)
	default:
		return nil, fmt.Errorf("cannot be applied to %s", p.args[0])
	}
}

func arithInteger[T integer](p *prep) (kernel, error) {
	if p.args[0].Kind != p.args[1].Kind {
		return nil, fmt.Errorf("the arguments have types %s and %s", p.args[0], p.args[1])
	}
	switch p.fn {
	case "+", "-", "*":
		op := p.fn[0]
		return func(c *call) (vec, error) { return ringOp[T](c, op), nil }, nil
	case "/":
		return func(c *call) (vec, error) { return divInteger[T](c, false) }, nil
	default: // the remainder fits the divisor's type
		return then(func(c *call) (vec, error) { return divInteger[T](c, true) }, p.args[0], p.ret, numberCast)
	}
}

// ringOp is + - * on the whole column: rows that are NULL or unwanted are computed too.
func ringOp[T integer | float](c *call, op byte) vec {
	out := make([]T, c.n)
	a, b := c.args[0], c.args[1]
	x, y := a.data.([]T), b.data.([]T)
	switch {
	case a.konst && b.konst:
		x, y = repeat(x[0], c.n), repeat(y[0], c.n)
		ringPairs(out, op, x, y)
	case b.konst && op != '-':
		ringWith(out, op, x, y[0])
	case b.konst:
		k := y[0]
		for i, v := range x[:len(out)] {
			out[i] = v - k
		}
	case a.konst && op != '-':
		ringWith(out, op, y, x[0])
	case a.konst:
		k := x[0]
		for i, v := range y[:len(out)] {
			out[i] = k - v
		}
	default:
		ringPairs(out, op, x, y)
	}
	return vec{data: out, valid: c.live}
}

func ringWith[T integer | float](out []T, op byte, x []T, k T) {
	x = x[:len(out)]
	if op == '+' {
		for i, v := range x {
			out[i] = v + k
		}
		return
	}
	for i, v := range x {
		out[i] = v * k
	}
}

func ringPairs[T integer | float](out []T, op byte, x, y []T) {
	x, y = x[:len(out)], y[:len(out)]
	switch op {
	case '+':
		for i, v := range x {
			out[i] = v + y[i]
		}
	case '-':
		for i, v := range x {
			out[i] = v - y[i]
		}
	default:
		for i, v := range x {
			out[i] = v * y[i]
		}
	}
}

func divInteger[T integer](c *call, rem bool) (vec, error) {
	x, y := colOf[T](c.args[0]), colOf[T](c.args[1])
	out := make([]T, c.n)
	for i := range out {
		if !c.isLive(i) {
			continue
		}
		d := y.at(i)
		switch {
		case d == 0:
			return vec{}, c.failed(i, errDivideByZero)
		case rem:
			out[i] = x.at(i) % d
		default:
			out[i] = x.at(i) / d
		}
	}
	return vec{data: out, valid: c.live}, nil
}

func arithFloat[T float](p *prep) (kernel, error) {
	if p.args[0].Kind != p.args[1].Kind {
		return nil, fmt.Errorf("the arguments have types %s and %s", p.args[0], p.args[1])
	}
	switch p.fn {
	case "+", "-", "*":
		op := p.fn[0]
		return func(c *call) (vec, error) { return ringOp[T](c, op), nil }, nil
	case "/":
		return func(c *call) (vec, error) {
			x, y := colOf[T](c.args[0]), colOf[T](c.args[1])
			out := make([]T, c.n)
			for i := range out {
				out[i] = x.at(i) / y.at(i)
			}
			return vec{data: out, valid: c.live}, nil
		}, nil
	default:
		return func(c *call) (vec, error) {
			x, y := colOf[T](c.args[0]), colOf[T](c.args[1])
			return mapFixedTotal(c, func(i int) T { return T(math.Mod(float64(x.at(i)), float64(y.at(i)))) })
		}, nil
	}
}

func formOf(t schema.Type) decimalForm { return decimalForm{t.Precision, t.Scale} }

// prepDecimalArith: a result with too many digits is NULL.
func prepDecimalArith(p *prep) (kernel, error) {
	if p.args[1].Kind != schema.Decimal || p.ret.Kind != schema.Decimal {
		return nil, fmt.Errorf("the arguments have types %s and %s", p.args[0], p.args[1])
	}
	fx, fy, ret := formOf(p.args[0]), formOf(p.args[1]), formOf(p.ret)
	fn := p.fn
	return func(c *call) (vec, error) {
		x, y := colOf[decimal128.Num](c.args[0]), colOf[decimal128.Num](c.args[1])
		return mapFixed(c, func(i int) (decimal128.Num, bool, error) {
			a, b := x.at(i), y.at(i)
			var r decimal128.Num
			var ok bool
			switch fn {
			case "+", "-":
				r, ok = addDecimal(a, fx, b, fy, ret, fn == "-")
			case "*":
				r, ok = mulDecimal(a, fx, b, fy, ret)
			case "/":
				if b.Sign() == 0 {
					return r, false, errDivideByZero
				}
				r, ok = divDecimal(a, fx, b, fy, ret)
			default:
				if b.Sign() == 0 {
					return r, false, errDivideByZero
				}
				r, ok = modDecimal(a, fx, b, fy, ret)
			}
			return r, ok, nil
		})
	}, nil
}

func prepNegate(p *prep) (kernel, error) {
	switch p.args[0].Kind {
	case schema.TinyInt:
		return negate[int8], nil
	case schema.SmallInt:
		return negate[int16], nil
	case schema.Int:
		return negate[int32], nil
	case schema.BigInt, schema.IntervalDayTime, schema.IntervalYearMonth:
		return negate[int64], nil
	case schema.Float:
		return negate[float32], nil
	case schema.Double:
		return negate[float64], nil
	case schema.Decimal:
		return func(c *call) (vec, error) {
			x := colOf[decimal128.Num](c.args[0])
			return mapFixedTotal(c, func(i int) decimal128.Num { return x.at(i).Negate() })
		}, nil
	default:
		return nil, fmt.Errorf("cannot be applied to %s", p.args[0])
	}
}

func negate[T integer | float](c *call) (vec, error) {
	x := colOf[T](c.args[0])
	return mapFixedTotal(c, func(i int) T { return -x.at(i) })
}
