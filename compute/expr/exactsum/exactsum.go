package exactsum

import (
	"encoding/binary"
	"math"
	"math/big"
	"math/bits"

	"github.com/weir-lake/weir/internal/errkind"
)

// A Sum's bytes: lowest limb in use, number of limbs, whether counts of special values
// follow, one unused byte, additions since the last carry (32 bits); then the limbs, 64 bit
// each, little endian; then the counts of NaN, +Inf and -Inf.
//
// Limb i counts multiples of 2^(32 i - 1074). It may hold more than 32 bits, of either
// sign, until carries are moved up.
const (
	headBytes    = 8
	limbBytes    = 8
	specialBytes = 24

	atLow, atCount, atSpecial, atPending = 0, 1, 2, 4

	lowestBit = -1074 // exponent of the least bit of a float64
	limbBits  = 32
	// limbsMax holds the largest float64 (2^1024) times 2^63 terms: 2161 bits.
	limbsMax = 70
	// pendingMax additions of less than 2^32 each fit a limb's 63 bits.
	pendingMax = 1 << 30
	// weightBits of a weight are added at once; a larger one is added in parts.
	weightBits = 20
)

// ErrCorrupt: bytes given to Check are no Sum.
var ErrCorrupt = errkind.New(errkind.Corrupt, "exactsum: bytes are not a sum")

// Sum is an exact sum. The nil Sum is zero and ready.
type Sum []byte

// Add adds x w times; a negative w takes it away. The result is s itself, changed in
// place, or a longer copy, so use it like append.
func (s Sum) Add(x float64, w int64) Sum {
	if w == 0 || x == 0 {
		return s
	}
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return s.addSpecial(x, w)
	}
	b := math.Float64bits(x)
	negative := (b>>63 != 0) != (w < 0)
	u := uint64(w)
	if w < 0 {
		u = -u
	}
	for up := 0; u != 0; up += weightBits {
		part := int64(u & (1<<weightBits - 1))
		u >>= weightBits
		if negative {
			part = -part
		}
		if part != 0 {
			s = s.addFinite(b, up, part)
		}
	}
	return s
}

// addFinite adds w * 2^up times the absolute value of the number with the given bits.
func (s Sum) addFinite(b uint64, up int, w int64) Sum {
	mant, exp := b&(1<<52-1), int(b>>52&0x7FF)
	if exp == 0 {
		exp = 1
	} else {
		mant |= 1 << 52
	}
	shift := exp - 1 + up // of the mantissa above 2^-1074
	limb, in := shift/limbBits, uint(shift%limbBits)
	lo, hi := mant<<in, mant>>(64-in) // for in = 0 the second shift gives 0
	s = s.cover(limb, 3)
	at := headBytes + (limb-int(s[atLow]))*limbBytes
	s.plus(at, int64(lo&0xFFFFFFFF)*w)
	s.plus(at+limbBytes, int64(lo>>32)*w)
	s.plus(at+2*limbBytes, int64(hi)*w)
	pending := binary.LittleEndian.Uint32(s[atPending:]) + uint32(max(w, -w))
	if pending < pendingMax {
		binary.LittleEndian.PutUint32(s[atPending:], pending)
		return s
	}
	return s.Canonical()
}

func (s Sum) plus(at int, v int64) {
	binary.LittleEndian.PutUint64(s[at:], binary.LittleEndian.Uint64(s[at:])+uint64(v))
}

func (s Sum) count() int { return int(s[atCount]) }

func (s Sum) limb(i int) int64 {
	return int64(binary.LittleEndian.Uint64(s[headBytes+i*limbBytes:]))
}

// cover makes the limbs [limb, limb+n) part of s.
func (s Sum) cover(limb, n int) Sum {
	if len(s) == 0 {
		s = make(Sum, headBytes+n*limbBytes)
		s[atLow], s[atCount] = byte(limb), byte(n)
		return s
	}
	low, count := int(s[atLow]), s.count()
	from, to := min(low, limb), max(low+count, limb+n)
	if count == 0 {
		from, to = limb, limb+n
	}
	if from == low && to == low+count {
		return s
	}
	out := make(Sum, headBytes+(to-from)*limbBytes, len(s)+(to-from)*limbBytes)
	copy(out, s[:headBytes])
	out[atLow], out[atCount] = byte(from), byte(to-from)
	if count > 0 {
		copy(out[headBytes+(low-from)*limbBytes:], s[headBytes:headBytes+count*limbBytes])
	}
	return append(out, s[headBytes+count*limbBytes:]...)
}

func (s Sum) addSpecial(x float64, w int64) Sum {
	if len(s) == 0 {
		s = make(Sum, headBytes)
	}
	if s[atSpecial] == 0 {
		s = append(s[:len(s):len(s)], make([]byte, specialBytes)...)
		s[atSpecial] = 1
	}
	at := len(s) - specialBytes
	switch {
	case math.IsInf(x, 1):
		at += 8
	case math.IsInf(x, -1):
		at += 16
	}
	s.plus(at, w)
	return s
}

// Canonical returns s with carries moved up and in the least space: equal sums have equal
// bytes. The sum of nothing is nil.
func (s Sum) Canonical() Sum {
	if len(s) == 0 {
		return nil
	}
	limbs, low := s.carried()
	for len(limbs) > 0 && limbs[0] == 0 {
		limbs, low = limbs[1:], low+1
	}
	special := s.special()
	if special == [3]int64{} && len(limbs) == 0 {
		return nil
	}
	if len(limbs) == 0 {
		low = 0
	}
	out := make(Sum, headBytes, headBytes+len(limbs)*limbBytes+specialBytes)
	out[atLow], out[atCount] = byte(low), byte(len(limbs))
	for _, l := range limbs {
		out = binary.LittleEndian.AppendUint64(out, uint64(l))
	}
	if special != [3]int64{} {
		out[atSpecial] = 1
		for _, n := range special {
			out = binary.LittleEndian.AppendUint64(out, uint64(n))
		}
	}
	return out
}

// carried returns the limbs in two's complement: all but the last within [0, 2^32), the last
// within [-2^31, 2^31), and none needless at the top.
func (s Sum) carried() (limbs []int64, low int) {
	limbs = make([]int64, s.count(), s.count()+3)
	carry := int64(0)
	for i := range limbs {
		v := s.limb(i) + carry
		limbs[i] = v & 0xFFFFFFFF
		carry = v >> limbBits
	}
	limbs = append(limbs, carry&0xFFFFFFFF, carry>>limbBits)
	top := len(limbs) - 1 // holds the sign: 0 or -1 or a little more
	for top > 0 {
		if next := limbs[top-1]; limbs[top] == 0 && next < 1<<31 {
			top--
		} else if limbs[top] == -1 && next >= 1<<31 {
			limbs[top-1] = next - 1<<32
			top--
		} else {
			break
		}
	}
	limbs = limbs[:top+1]
	if top == 0 && limbs[0] == 0 {
		limbs = limbs[:0]
	}
	return limbs, int(s[atLow])
}

// special returns the counts of NaN, +Inf and -Inf.
func (s Sum) special() (n [3]int64) {
	if len(s) == 0 || s[atSpecial] == 0 {
		return n
	}
	for i := range n {
		n[i] = int64(binary.LittleEndian.Uint64(s[len(s)-specialBytes+8*i:]))
	}
	return n
}

// Finite reports whether no NaN or infinity is among the terms.
func (s Sum) Finite() bool { return s.special() == [3]int64{} }

// Value is the sum rounded once, to the nearest float64, ties to even.
func (s Sum) Value() float64 {
	switch n := s.special(); {
	case n[0] > 0 || n[1] > 0 && n[2] > 0:
		return math.NaN()
	case n[1] > 0:
		return math.Inf(1)
	case n[2] > 0:
		return math.Inf(-1)
	}
	if len(s) == 0 {
		return 0
	}
	limbs, low := s.carried()
	if len(limbs) == 0 {
		return 0
	}
	negative := limbs[len(limbs)-1] < 0
	if negative {
		negate(limbs)
	}
	v := round(limbs, low)
	if negative {
		return -v
	}
	return v
}

// negate turns carried limbs of a negative number into those of its absolute value.
func negate(limbs []int64) {
	carry := int64(1)
	for i := range limbs {
		v := (^limbs[i])&0xFFFFFFFF + carry
		limbs[i], carry = v&0xFFFFFFFF, v>>limbBits
	}
}

// round returns the nearest float64 of non-negative limbs of 32 bits.
func round(limbs []int64, low int) float64 {
	top := len(limbs) - 1
	for top > 0 && limbs[top] == 0 {
		top--
	}
	at := func(i int) uint64 {
		if i < 0 {
			return 0
		}
		return uint64(limbs[i])
	}
	// The 64 bits from the highest one down, and whether any bit below is set.
	lead := bits.LeadingZeros32(uint32(limbs[top]))
	word := at(top)<<32 | at(top-1)
	word = word<<lead | at(top-2)>>(32-lead)
	sticky := lead > 0 && at(top-2)<<(32+lead) != 0 || lead == 0 && at(top-2) != 0
	for i := top - 3; i >= 0 && !sticky; i-- {
		sticky = limbs[i] != 0
	}
	// The highest bit's exponent above 2^-1074; below 53 bits the value is exact.
	exp := (low+top)*limbBits + 31 - lead
	keep := min(53, exp+1)
	drop := uint(64 - keep)
	mant, rest := word>>drop, word<<(64-drop)
	if half := uint64(1) << 63; rest > half || rest == half && (sticky || mant&1 != 0) {
		mant++
	}
	return math.Ldexp(float64(mant), exp-(keep-1)+lowestBit)
}

// Int returns the sum of the finite terms in units of 2^-1074.
func (s Sum) Int() *big.Int {
	v := new(big.Int)
	if len(s) == 0 {
		return v
	}
	limbs, low := s.carried()
	for i := len(limbs) - 1; i >= 0; i-- {
		v.Lsh(v, limbBits).Add(v, big.NewInt(limbs[i]))
	}
	return v.Lsh(v, uint(low*limbBits))
}

// Check reports, with kind corrupt, bytes that are not a Sum.
func Check(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if len(b) < headBytes || b[atSpecial] > 1 || int(b[atLow])+int(b[atCount]) > limbsMax+3 {
		return ErrCorrupt
	}
	want := headBytes + int(b[atCount])*limbBytes + int(b[atSpecial])*specialBytes
	if len(b) != want || binary.LittleEndian.Uint32(b[atPending:]) > pendingMax {
		return ErrCorrupt
	}
	for i := range Sum(b).count() {
		if l := Sum(b).limb(i); l > 1<<62 || l < -1<<62 {
			return ErrCorrupt
		}
	}
	return nil
}

// Variance returns the variance of n terms from their sum and the sum of their squares:
// rounded once from the exact quotient. sample divides by n-1, else by n. It is NaN if a term is.
func Variance(n int64, sum, squares Sum, sample bool) float64 {
	if !sum.Finite() || !squares.Finite() {
		return math.NaN()
	}
	// (squares - sum*sum/n) / d = (n*squares - sum*sum) / (n*d), in units of 2^-2148.
	one := sum.Int()
	num := squares.Int()
	num.Mul(num, big.NewInt(n)).Lsh(num, -lowestBit)
	num.Sub(num, one.Mul(one, one))
	d := n
	if sample {
		d--
	}
	den := new(big.Int).Mul(big.NewInt(n), big.NewInt(d))
	den.Lsh(den, -2*lowestBit)
	v, _ := new(big.Rat).SetFrac(num, den).Float64()
	return v
}

// AddSquare adds x*x, exactly, w times.
func (s Sum) AddSquare(x float64, w int64) Sum {
	hi := x * x
	s = s.Add(hi, w)
	if math.IsInf(hi, 0) || math.IsNaN(hi) {
		return s
	}
	return s.Add(math.FMA(x, x, -hi), w)
}
