package stream

import (
	"math"
	"math/big"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/weir-lake/weir/compute/expr/exactsum"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/state"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

// sums is an exact sum per slot.
type sums struct{ blobs state.Blobs }

func (a *sums) update(s state.Slot, add func(exactsum.Sum) exactsum.Sum) {
	was := exactsum.Sum(a.blobs.Get(s))
	now := add(was)
	if len(now) != len(was) || len(now) > 0 && &now[0] != &was[0] { // else changed in place
		a.blobs.Set(s, now)
	}
}

func (a *sums) get(s state.Slot) exactsum.Sum { return a.blobs.Get(s) }

func (a *sums) save(w stateWriter, s state.Slot) { w.Bytes(a.get(s).Canonical()) }

func (a *sums) load(r stateReader, s state.Slot) {
	b := r.Bytes()
	if err := exactsum.Check(b); err != nil {
		r.Fail("%v", err)
		return
	}
	a.blobs.Set(s, b)
}

// float64s returns the values of a numeric array as float64.
func float64s(a arrow.Array) (func(i int) float64, error) {
	switch a := a.(type) {
	case *array.Float64:
		return a.Value, nil
	case *array.Float32:
		return func(i int) float64 { return float64(a.Value(i)) }, nil
	case *array.Decimal128:
		scale := a.DataType().(*arrow.Decimal128Type).Scale
		return func(i int) float64 { return a.Value(i).ToFloat64(scale) }, nil
	case *array.Int8, *array.Int16, *array.Int32, *array.Int64:
		return func(i int) float64 {
			v, _ := intAt(a, i)
			return float64(v)
		}, nil
	default:
		return nil, errkind.Errorf(errkind.Bug, "a number of type %s", a.DataType())
	}
}

// appendNumber appends v in the builder's type: cut to an integer, rounded to a decimal.
// What a DECIMAL cannot hold is NULL.
func appendNumber(b array.Builder, t schema.Type, v float64) error {
	switch b := b.(type) {
	case *array.Float64Builder:
		b.Append(v)
	case *array.Float32Builder:
		b.Append(float32(v))
	case *array.Decimal128Builder:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			b.AppendNull()
			return nil
		}
		r, _ := new(big.Float).SetFloat64(v).Rat(nil)
		d, ok := rescale(r.Num(), r.Denom(), t.Scale, t.Precision)
		if !ok {
			b.AppendNull()
			return nil
		}
		b.Append(decimal128.FromBigInt(d))
	default:
		return appendInt(b, int64(v))
	}
	return nil
}

// floatSum is SUM and AVG of FLOAT and DOUBLE.
type floatSum struct {
	avg, zero bool
	sum       sums
	n         []int64
}

func (a *floatSum) grow(n int)         { a.n = resized(a.n, n) }
func (a *floatSum) clear(s state.Slot) { a.n[s] = 0; a.sum.blobs.Delete(s) }

func (a *floatSum) update(r *aggRows) error {
	v, err := float64s(r.args[0])
	if err != nil {
		return err
	}
	for i := r.from; i < r.to; i++ {
		w := r.w[i]
		if w == 0 || r.args[0].IsNull(i) {
			continue
		}
		s, x := r.slots[i], v(i)
		a.n[s] += w
		a.sum.update(s, func(sum exactsum.Sum) exactsum.Sum { return sum.Add(x, w) })
	}
	return nil
}

func (a *floatSum) result(s state.Slot, b array.Builder) error {
	if a.n[s] == 0 && !a.zero {
		b.AppendNull()
		return nil
	}
	v := a.sum.get(s).Value()
	if a.avg {
		v /= float64(a.n[s])
	}
	return appendNumber(b, schema.TDouble, v)
}

func (a *floatSum) save(w stateWriter, slots []state.Slot) {
	for _, s := range slots {
		w.Varint(a.n[s])
		a.sum.save(w, s)
	}
}

func (a *floatSum) load(r stateReader, slots []state.Slot) error {
	for _, s := range slots {
		a.n[s] = r.Varint()
		a.sum.load(r, s)
	}
	return r.Err()
}

func (a *floatSum) size() (int64, int64) { return 0, int64(cap(a.n))*8 + a.sum.blobs.SizeBytes() }

// varianceAgg is the variances and standard deviations, from exact sums of the values and of
// their squares.
type varianceAgg struct {
	sample, root bool
	out          schema.Type
	sum, squares sums
	n            []int64
}

func newVariance(a *plan.AggCall, arg schema.Type) (aggregator, bool, error) {
	if !arg.IsNumeric() {
		return nil, false, errkind.Errorf(errkind.Invalid, "%s of %s", a.Fn, arg)
	}
	return &varianceAgg{
		sample: a.Fn == "STDDEV_SAMP" || a.Fn == "VAR_SAMP",
		root:   a.Fn == "STDDEV_SAMP" || a.Fn == "STDDEV_POP", out: a.T,
	}, false, nil
}

func (a *varianceAgg) grow(n int) { a.n = resized(a.n, n) }
func (a *varianceAgg) clear(s state.Slot) {
	a.n[s] = 0
	a.sum.blobs.Delete(s)
	a.squares.blobs.Delete(s)
}

func (a *varianceAgg) update(r *aggRows) error {
	v, err := float64s(r.args[0])
	if err != nil {
		return err
	}
	for i := r.from; i < r.to; i++ {
		w := r.w[i]
		if w == 0 || r.args[0].IsNull(i) {
			continue
		}
		s, x := r.slots[i], v(i)
		a.n[s] += w
		a.sum.update(s, func(sum exactsum.Sum) exactsum.Sum { return sum.Add(x, w) })
		a.squares.update(s, func(sum exactsum.Sum) exactsum.Sum { return sum.AddSquare(x, w) })
	}
	return nil
}

func (a *varianceAgg) result(s state.Slot, b array.Builder) error {
	if a.n[s] <= 0 || a.sample && a.n[s] == 1 {
		b.AppendNull()
		return nil
	}
	v := exactsum.Variance(a.n[s], a.sum.get(s), a.squares.get(s), a.sample)
	if a.root {
		v = math.Sqrt(v)
	}
	return appendNumber(b, a.out, v)
}

func (a *varianceAgg) save(w stateWriter, slots []state.Slot) {
	for _, s := range slots {
		w.Varint(a.n[s])
		a.sum.save(w, s)
		a.squares.save(w, s)
	}
}

func (a *varianceAgg) load(r stateReader, slots []state.Slot) error {
	for _, s := range slots {
		a.n[s] = r.Varint()
		a.sum.load(r, s)
		a.squares.load(r, s)
	}
	return r.Err()
}

func (a *varianceAgg) size() (int64, int64) {
	return 0, int64(cap(a.n))*8 + a.sum.blobs.SizeBytes() + a.squares.blobs.SizeBytes()
}
