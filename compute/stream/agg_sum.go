package stream

import (
	"math/big"
	"math/bits"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/state"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

// countAgg is COUNT: rows in which no argument is NULL.
type countAgg struct{ n []int64 }

func (c *countAgg) grow(n int)         { c.n = resized(c.n, n) }
func (c *countAgg) clear(s state.Slot) { c.n[s] = 0 }
func (c *countAgg) update(r *aggRows) error {
	nullable := false
	for _, a := range r.args {
		nullable = nullable || a.NullN() > 0 || a.DataType().ID() == arrow.NULL
	}
	for i := r.from; i < r.to; i++ {
		if nullable && anyNull(r.args, i) {
			continue
		}
		c.n[r.slots[i]] += r.w[i]
	}
	return nil
}

func anyNull(args []arrow.Array, row int) bool {
	for _, a := range args {
		if a.IsNull(row) {
			return true
		}
	}
	return false
}

func (c *countAgg) result(s state.Slot, b array.Builder) error {
	b.(*array.Int64Builder).Append(c.n[s])
	return nil
}

func (c *countAgg) save(w stateWriter, slots []state.Slot) {
	for _, s := range slots {
		w.Varint(c.n[s])
	}
}

func (c *countAgg) load(r stateReader, slots []state.Slot) error {
	for _, s := range slots {
		c.n[s] = r.Varint()
	}
	return r.Err()
}

func (c *countAgg) size() (int64, int64) { return 0, int64(cap(c.n)) * 8 }

func newSum(a *plan.AggCall, arg schema.Type) (aggregator, bool, error) {
	avg, zero := a.Fn == "AVG", a.Fn == "SUM0"
	switch {
	case arg.IsInteger() && a.T.IsInteger():
		return &intSum{avg: avg, zero: zero}, false, nil
	case arg.Kind == schema.Decimal && a.T.Kind == schema.Decimal:
		return &decimalSum{avg: avg, zero: zero, in: arg, out: a.T}, false, nil
	case (arg.Kind == schema.Float || arg.Kind == schema.Double) && (a.T.Kind == schema.Float || a.T.Kind == schema.Double):
		return &floatSum{avg: avg, zero: zero}, false, nil
	default:
		return nil, false, errkind.Errorf(errkind.Invalid, "%s of %s giving %s cannot run as a stream", a.Fn, arg, a.T)
	}
}

// intSum is SUM and AVG of integers. It wraps around as Java's long does, which taking rows
// away undoes; the result is cut to its type.
type intSum struct {
	avg, zero bool
	sum, n    []int64
}

func (a *intSum) grow(n int)         { a.sum, a.n = resized(a.sum, n), resized(a.n, n) }
func (a *intSum) clear(s state.Slot) { a.sum[s], a.n[s] = 0, 0 }

func (a *intSum) update(r *aggRows) error {
	switch v := r.args[0].(type) {
	case *array.Int8:
		addInts(a, r, v.Int8Values())
	case *array.Int16:
		addInts(a, r, v.Int16Values())
	case *array.Int32:
		addInts(a, r, v.Int32Values())
	case *array.Int64:
		addInts(a, r, v.Int64Values())
	default:
		return errkind.Errorf(errkind.Bug, "sum of %s", r.args[0].DataType())
	}
	return nil
}

func addInts[T int8 | int16 | int32 | int64](a *intSum, r *aggRows, v []T) {
	arg, nullable := r.args[0], r.args[0].NullN() > 0
	for i := r.from; i < r.to; i++ {
		if nullable && arg.IsNull(i) {
			continue
		}
		s := r.slots[i]
		a.sum[s] += int64(v[i]) * r.w[i]
		a.n[s] += r.w[i]
	}
}

func (a *intSum) result(s state.Slot, b array.Builder) error {
	switch {
	case a.n[s] == 0 && a.zero:
		return appendInt(b, 0)
	case a.n[s] == 0:
		b.AppendNull()
		return nil
	case a.avg:
		return appendInt(b, a.sum[s]/a.n[s])
	default:
		return appendInt(b, a.sum[s])
	}
}

// appendInt appends v cut to the builder's width.
func appendInt(b array.Builder, v int64) error {
	switch b := b.(type) {
	case *array.Int8Builder:
		b.Append(int8(v))
	case *array.Int16Builder:
		b.Append(int16(v))
	case *array.Int32Builder:
		b.Append(int32(v))
	case *array.Int64Builder:
		b.Append(v)
	default:
		return errkind.Errorf(errkind.Bug, "an integer for a column of type %s", b.Type())
	}
	return nil
}

func (a *intSum) save(w stateWriter, slots []state.Slot) {
	for _, s := range slots {
		w.Varint(a.sum[s])
		w.Varint(a.n[s])
	}
}

func (a *intSum) load(r stateReader, slots []state.Slot) error {
	for _, s := range slots {
		a.sum[s], a.n[s] = r.Varint(), r.Varint()
	}
	return r.Err()
}

func (a *intSum) size() (int64, int64) { return 0, int64(cap(a.sum)+cap(a.n)) * 8 }

// int192 is a two's complement number, least significant word first: 2^63 values of 38
// digits cannot overflow it, so the order of a sum does not matter.
type int192 [3]uint64

// add adds d times w.
func (x *int192) add(d decimal128.Num, w int64) {
	switch w {
	case 1:
		x.plus(d.LowBits(), uint64(d.HighBits()), uint64(d.HighBits()>>63))
	case -1:
		n := d.Negate()
		x.plus(n.LowBits(), uint64(n.HighBits()), uint64(n.HighBits()>>63))
	default:
		neg := (w < 0) != (d.Sign() < 0)
		m := d.Abs()
		u := uint64(w)
		if w < 0 {
			u = -u
		}
		h0, l0 := bits.Mul64(m.LowBits(), u)
		h1, l1 := bits.Mul64(uint64(m.HighBits()), u)
		mid, c := bits.Add64(h0, l1, 0)
		p := int192{l0, mid, h1 + c}
		if neg {
			p.negate()
		}
		x.plus(p[0], p[1], p[2])
	}
}

func (x *int192) plus(lo, mid, hi uint64) {
	var c uint64
	x[0], c = bits.Add64(x[0], lo, 0)
	x[1], c = bits.Add64(x[1], mid, c)
	x[2], _ = bits.Add64(x[2], hi, c)
}

func (x *int192) negate() {
	for i := range x {
		x[i] = ^x[i]
	}
	x.plus(1, 0, 0)
}

func (x int192) big() *big.Int {
	neg := x[2]>>63 != 0
	if neg {
		x.negate()
	}
	v := new(big.Int).SetUint64(x[2])
	v.Lsh(v, 64).Or(v, new(big.Int).SetUint64(x[1]))
	v.Lsh(v, 64).Or(v, new(big.Int).SetUint64(x[0]))
	if neg {
		v.Neg(v)
	}
	return v
}

// decimalSum is SUM and AVG of DECIMAL; a result that does not fit its type is NULL.
type decimalSum struct {
	avg, zero bool
	in, out   schema.Type
	sum       []int192
	n         []int64
}

func (a *decimalSum) grow(n int)         { a.sum, a.n = resized(a.sum, n), resized(a.n, n) }
func (a *decimalSum) clear(s state.Slot) { a.sum[s], a.n[s] = int192{}, 0 }

func (a *decimalSum) update(r *aggRows) error {
	v, ok := r.args[0].(*array.Decimal128)
	if !ok {
		return errkind.Errorf(errkind.Bug, "decimal sum of %s", r.args[0].DataType())
	}
	for i := r.from; i < r.to; i++ {
		if r.w[i] == 0 || v.IsNull(i) {
			continue
		}
		s := r.slots[i]
		a.sum[s].add(v.Value(i), r.w[i])
		a.n[s] += r.w[i]
	}
	return nil
}

func (a *decimalSum) result(s state.Slot, b array.Builder) error {
	db := b.(*array.Decimal128Builder)
	if a.n[s] == 0 && !a.zero {
		db.AppendNull()
		return nil
	}
	num, den := a.sum[s].big(), big.NewInt(1)
	if a.avg {
		den.SetInt64(a.n[s])
	}
	v, ok := rescale(num, den, a.out.Scale-a.in.Scale, a.out.Precision)
	if !ok {
		db.AppendNull()
		return nil
	}
	db.Append(decimal128.FromBigInt(v))
	return nil
}

// rescale returns num / den * 10^shift rounded half away from zero, and whether it has at
// most the given digits.
func rescale(num, den *big.Int, shift, digits int) (*big.Int, bool) {
	pow := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(shift, -shift))), nil)
	if shift >= 0 {
		num = new(big.Int).Mul(num, pow)
	} else {
		den = new(big.Int).Mul(den, pow)
	}
	q, rem := new(big.Int).QuoRem(num, den, new(big.Int))
	if rem.Abs(rem).Lsh(rem, 1).CmpAbs(den) >= 0 {
		q.Add(q, big.NewInt(int64(num.Sign()*den.Sign())))
	}
	limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)), nil)
	return q, q.CmpAbs(limit) < 0
}

func (a *decimalSum) save(w stateWriter, slots []state.Slot) {
	for _, s := range slots {
		for _, word := range a.sum[s] {
			w.Uvarint(word)
		}
		w.Varint(a.n[s])
	}
}

func (a *decimalSum) load(r stateReader, slots []state.Slot) error {
	for _, s := range slots {
		for i := range a.sum[s] {
			a.sum[s][i] = r.Uvarint()
		}
		a.n[s] = r.Varint()
	}
	return r.Err()
}

func (a *decimalSum) size() (int64, int64) { return 0, int64(cap(a.sum))*24 + int64(cap(a.n))*8 }
