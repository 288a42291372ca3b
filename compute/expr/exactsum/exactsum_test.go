package exactsum

import (
	"bytes"
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/weir-lake/weir/internal/errkind"
)

type term struct {
	x float64
	w int64
}

func drawTerms(t *rapid.T) []term {
	values := rapid.OneOf(rapid.Float64(), rapid.Float64Range(-1e3, 1e3), rapid.SampledFrom([]float64{
		0, math.Copysign(0, -1), 1, -1, 0.1, math.SmallestNonzeroFloat64, -math.SmallestNonzeroFloat64, math.MaxFloat64,
		-math.MaxFloat64, 1 << 53, 1, 1e-300, 0x1p-1022, 0x1p-1023, 1e16,
	}))
	out := make([]term, rapid.IntRange(0, 12).Draw(t, "n"))
	for i := range out {
		out[i].x = values.Draw(t, "x")
		out[i].w = rapid.SampledFrom([]int64{1, 1, 1, -1, 2, -3, 1 << 40, -12345678901234, math.MaxInt64, math.MinInt64 + 1}).Draw(t, "w")
		if math.IsNaN(out[i].x) || math.IsInf(out[i].x, 0) {
			out[i].x = 1
		}
	}
	return out
}

func add(s Sum, terms []term) Sum {
	for _, t := range terms {
		s = s.Add(t.x, t.w)
	}
	return s
}

// exact is the sum by math/big with room for every bit.
func exact(terms []term) *big.Float {
	sum := new(big.Float).SetPrec(2400)
	for _, t := range terms {
		p := new(big.Float).SetPrec(2400).SetFloat64(t.x)
		sum.Add(sum, p.Mul(p, new(big.Float).SetInt64(t.w)))
	}
	return sum
}

func TestSumIsExactAndRoundedOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		terms := drawTerms(t)
		want, _ := exact(terms).Float64()
		if got := add(nil, terms).Value(); got != want {
			t.Fatalf("%v: got %v, want %v", terms, got, want)
		}
	})
}

func TestOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		terms := drawTerms(t)
		other := rapid.Permutation(terms).Draw(t, "other")
		a, b := add(nil, terms).Canonical(), add(nil, other).Canonical()
		if !bytes.Equal(a, b) {
			t.Fatalf("%x and %x", a, b)
		}
		if err := Check(a); err != nil {
			t.Fatal(err)
		}
		if a.Value() != add(nil, terms).Value() {
			t.Fatal("the canonical form has another value")
		}
	})
}

func TestTakingAwayLeavesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		terms := drawTerms(t)
		s := add(nil, terms)
		for _, k := range terms {
			s = s.Add(k.x, -k.w)
		}
		if c := s.Canonical(); c != nil {
			t.Fatalf("%x is left", c)
		}
	})
}

func TestSpecialValuesComeAndGo(t *testing.T) {
	inf := math.Inf(1)
	s := Sum(nil).Add(2, 1).Add(inf, 1)
	if !math.IsInf(s.Value(), 1) {
		t.Errorf("2 + Inf is %v", s.Value())
	}
	if s = s.Add(-inf, 2); !math.IsNaN(s.Value()) {
		t.Errorf("Inf - Inf is %v", s.Value())
	}
	if s = s.Add(inf, -1); !math.IsInf(s.Value(), -1) {
		t.Errorf("2 - Inf is %v", s.Value())
	}
	if s = s.Add(math.NaN(), 1); !math.IsNaN(s.Value()) {
		t.Errorf("NaN is %v", s.Value())
	}
	if s = s.Add(math.NaN(), -1).Add(-inf, -2).Add(0.5, 1); s.Value() != 2.5 || !s.Finite() {
		t.Errorf("2 + 0.5 is %v after special values went", s.Value())
	}
	if v := Sum(nil).Add(math.MaxFloat64, 2).Value(); !math.IsInf(v, 1) {
		t.Errorf("twice the largest is %v", v)
	}
}

func TestManyAdditionsCarry(t *testing.T) {
	var s Sum
	const w = 1<<weightBits - 1
	for range 3000 {
		s = s.Add(math.MaxFloat64, w)
	}
	s = s.Add(math.MaxFloat64, -3000*w).Add(1.5, 1)
	if s.Value() != 1.5 {
		t.Errorf("got %v", s.Value())
	}
}

func TestVarianceIsRoundedOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		xs := rapid.SliceOfN(rapid.Float64Range(-1e6, 1e6), 2, 10).Draw(t, "xs")
		var sum, squares Sum
		n, mean := new(big.Rat).SetInt64(int64(len(xs))), new(big.Rat)
		for _, x := range xs {
			sum, squares = sum.Add(x, 1), squares.AddSquare(x, 1)
			mean.Add(mean, new(big.Rat).SetFloat64(x))
		}
		mean.Quo(mean, n)
		want := new(big.Rat)
		for _, x := range xs {
			d := new(big.Rat).SetFloat64(x)
			d.Sub(d, mean)
			want.Add(want, d.Mul(d, d))
		}
		// The products' errors below 2^-1074 are lost: compare to the last few bits.
		w, _ := want.Quo(want, n).Float64()
		got := Variance(int64(len(xs)), sum, squares, false)
		if math.Abs(got-w) > 4*math.Abs(w)*0x1p-52+1e-290 {
			t.Fatalf("variance of %v: got %v, want %v", xs, got, w)
		}
	})
}

func FuzzCheck(f *testing.F) {
	f.Add([]byte(Sum(nil).Add(1.5, 3).Canonical()), 2.5)
	f.Add([]byte(Sum(nil).Add(math.Inf(1), 3).Add(-1e300, 1)), -0.1)
	f.Add([]byte{1, 2, 3}, 0.0)
	f.Fuzz(func(t *testing.T, b []byte, x float64) {
		if err := Check(b); err != nil {
			if !errkind.Is(err, errkind.Corrupt) {
				t.Fatal(err)
			}
			return
		}
		s := Sum(b)
		s.Value()
		s.Int()
		sum := s.Canonical().Add(x, 1).Add(x, -1).Canonical()
		if err := Check(sum); err != nil && len(b) > 0 && int(b[atLow])+int(b[atCount]) < limbsMax { // above is no sum of floats
			t.Fatalf("%x is no sum after an addition", b)
		}
	})
}

func BenchmarkAdd(b *testing.B) {
	var s Sum
	x := 1.25
	for b.Loop() {
		s = s.Add(x, 1)
		x += 0.37
	}
}
