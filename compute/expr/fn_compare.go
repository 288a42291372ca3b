package expr

import (
	"bytes"
	"cmp"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/weir-lake/weir/table/schema"
)

// relation is what a comparison operator asks of the order of its arguments.
type relation uint8

const (
	relEQ relation = iota
	relNE
	relLT
	relLE
	relGT
	relGE
)

func relationOf(fn string) relation {
	switch fn {
	case "=":
		return relEQ
	case "<>":
		return relNE
	case "<":
		return relLT
	case "<=":
		return relLE
	case ">":
		return relGT
	default:
		return relGE
	}
}

// flipped is the relation with its arguments exchanged.
func (r relation) flipped() relation {
	switch r {
	case relLT:
		return relGT
	case relLE:
		return relGE
	case relGT:
		return relLT
	case relGE:
		return relLE
	default:
		return r
	}
}

// holds tests the relation on a three-way comparison.
func (r relation) holds(c int) bool {
	switch r {
	case relEQ:
		return c == 0
	case relNE:
		return c != 0
	case relLT:
		return c < 0
	case relLE:
		return c <= 0
	case relGT:
		return c > 0
	default:
		return c >= 0
	}
}

func prepCompare(p *prep) (kernel, error) {
	rel := relationOf(p.fn)
	if !p.args[0].SameRoot(p.args[1]) && !sameForm(p.args[0], p.args[1]) {
		return nil, fmt.Errorf("the arguments have types %s and %s", p.args[0], p.args[1])
	}

	return func(c *call) (vec, error) { return compareVecs(c, rel) }, nil
}

// sameForm reports types whose values compare as they are: text of any length, times of any
// precision and timestamps of one unit.
func sameForm(a, b schema.Type) bool {
	switch {
	case a.IsString() && b.IsString(), a.IsBinary() && b.IsBinary():
		return true
	case a.Kind == schema.Decimal && b.Kind == schema.Decimal:
		return a.Scale == b.Scale
	case a.IsTimestamp() && a.Kind == b.Kind:
		return a.TimestampUnit() == b.TimestampUnit()
	case a.Kind == schema.Row || a.Kind == schema.Array || a.Kind == schema.Map:
		return true
	default:
		return a.Kind == b.Kind
	}
}

func compareVecs(c *call, rel relation) (vec, error) {
	out := make([]bool, c.n)
	a, b := c.args[0], c.args[1]
	switch a.data.(type) {
	case []bool:
		x, y := colOf[bool](a), colOf[bool](b)
		for i := range out {
			out[i] = rel.holds(compareBool(x.at(i), y.at(i)))
		}
	case []int8:
		compareFixed[int8](out, rel, a, b)
	case []int16:
		compareFixed[int16](out, rel, a, b)
	case []int32:
		compareFixed[int32](out, rel, a, b)
	case []int64:
		compareFixed[int64](out, rel, a, b)
	case []float32:
		compareFixed[float32](out, rel, a, b)
	case []float64:
		compareFixed[float64](out, rel, a, b)
	case []decimal128.Num:
		x, y := colOf[decimal128.Num](a), colOf[decimal128.Num](b)
		for i := range out {
			out[i] = rel.holds(x.at(i).Cmp(y.at(i)))
		}
	case text:
		compareText(out, rel, textOf(a), textOf(b))
	default:
		return mapFixedTotal(c, func(i int) bool { return rel.holds(compareRow(a, b, i)) })
	}
	return vec{data: out, valid: c.live}, nil
}

// compareFixed follows Java's primitives: NaN is unequal to everything and not less or greater.
func compareFixed[T cmp.Ordered](out []bool, rel relation, a, b vec) {
	x, y := a.data.([]T), b.data.([]T)
	switch {
	case a.konst && b.konst:
		y = []T{y[0]}
		compareWith(out[:1], rel, x, y[0])
		for i := range out {
			out[i] = out[0]
		}
	case b.konst:
		compareWith(out, rel, x, y[0])
	case a.konst:
		compareWith(out, rel.flipped(), y, x[0])
	default:
		comparePairs(out, rel, x, y)
	}
}

func compareWith[T cmp.Ordered](out []bool, rel relation, x []T, y T) {
	x = x[:len(out)]
	switch rel {
	case relEQ:
		for i, v := range x {
			out[i] = v == y
		}
	case relNE:
		for i, v := range x {
			out[i] = v != y
		}
	case relLT:
		for i, v := range x {
			out[i] = v < y
		}
	case relLE:
		for i, v := range x {
			out[i] = v <= y
		}
	case relGT:
		for i, v := range x {
			out[i] = v > y
		}
	case relGE:
		for i, v := range x {
			out[i] = v >= y
		}
	}
}

func comparePairs[T cmp.Ordered](out []bool, rel relation, x, y []T) {
	if rel == relGT || rel == relGE {
		x, y, rel = y, x, rel.flipped()
	}
	x, y = x[:len(out)], y[:len(out)]
	switch rel {
	case relEQ:
		for i, v := range x {
			out[i] = v == y[i]
		}
	case relNE:
		for i, v := range x {
			out[i] = v != y[i]
		}
	case relLT:
		for i, v := range x {
			out[i] = v < y[i]
		}
	default:
		for i, v := range x {
			out[i] = v <= y[i]
		}
	}
}

// compareText orders by bytes, which is the order of code points.
func compareText(out []bool, rel relation, x, y textCol) {
	if rel == relEQ || rel == relNE {
		for i := range out {
			out[i] = bytes.Equal(x.bytes(i), y.bytes(i)) == (rel == relEQ)
		}
		return
	}
	for i := range out {
		out[i] = rel.holds(bytes.Compare(x.bytes(i), y.bytes(i)))
	}
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	default:
		return 1
	}
}

// compareRow compares row i of two nested columns of one type.
func compareRow(a, b vec, i int) int {
	ia, ib := i, i
	if a.konst {
		ia = 0
	}
	if b.konst {
		ib = 0
	}
	return compareArrow(a.data.(arrow.Array), ia, b.data.(arrow.Array), ib)
}

func prepDistinct(p *prep) (kernel, error) {
	same := p.fn == "IS_NOT_DISTINCT_FROM"
	return func(c *call) (vec, error) {
		v, err := compareVecs(c, relEQ)
		if err != nil {
			return vec{}, err
		}
		out := v.data.([]bool)
		a, b := &c.args[0], &c.args[1]
		for i := range out {
			if na, nb := a.isNull(i), b.isNull(i); na || nb {
				out[i] = na && nb
			}
			out[i] = out[i] == same
		}
		return vec{data: out}, nil
	}, nil
}

// prepIn tests membership: NULL if nothing matches and a NULL was compared.
func prepIn(p *prep) (kernel, error) {

	set := constSet(p)
	return func(c *call) (vec, error) {
		if set != nil {
			return set.test(c)
		}
		out := make([]bool, c.n)
		unknown := make([]bool, c.n)
		for k := 1; k < len(c.args); k++ {
			pair := call{env: c.env, n: c.n, args: []vec{c.args[0], c.args[k]}}
			pair.live = liveRows(c.live, pair.args, c.n)
			v, err := compareVecs(&pair, relEQ)
			if err != nil {
				return vec{}, err
			}
			for i, eq := range v.data.([]bool) {
				switch {
				case c.args[0].isNull(i) || c.args[k].isNull(i):
					unknown[i] = true
				case eq:
					out[i] = true
				}
			}
		}
		valid := repeat(true, c.n)
		for i := range out {
			valid[i] = out[i] || !unknown[i]
		}
		return vec{data: out, valid: valid}, nil
	}, nil
}

// inSetMin is the length of an IN list from which a hash set is faster than comparing one by one.
const inSetMin = 4

// inSet is a constant IN list of integers or text.
type inSet struct {
	ints    map[int64]bool
	texts   map[string]bool
	hasNull bool
}

// constSet makes the set of a long constant list of integers or text; nil for others.
func constSet(p *prep) *inSet {
	if len(p.args)-1 < inSetMin {
		return nil
	}
	s := &inSet{ints: map[int64]bool{}, texts: map[string]bool{}}
	for _, l := range p.lits[1:] {
		if l == nil {
			return nil
		}
		if l.isNull(0) {
			s.hasNull = true
			continue
		}
		switch x := l.data.(type) {
		case []int32:
			s.ints[int64(x[0])] = true
		case []int64:
			s.ints[x[0]] = true
		case text:
			s.texts[string(x.at(0))] = true
		default:
			return nil
		}
	}
	return s
}

func (s *inSet) test(c *call) (vec, error) {
	out := make([]bool, c.n)
	switch x := c.args[0].data.(type) {
	case []int32:
		at := colOf[int32](c.args[0])
		for i := range out {
			out[i] = s.ints[int64(at.at(i))]
		}
	case []int64:
		at := colOf[int64](c.args[0])
		for i := range out {
			out[i] = s.ints[at.at(i)]
		}
	case text:
		at := textOf(c.args[0])
		for i := range out {
			out[i] = s.texts[string(at.bytes(i))]
		}
	default:
		return vec{}, fmt.Errorf("IN over %T", x)
	}
	valid := c.args[0].valid
	if c.args[0].konst && valid != nil && c.n != 1 {
		valid = repeat(valid[0], c.n)
	}
	if s.hasNull {
		valid = copyValid(valid, c.n)
		for i := range valid {
			valid[i] = valid[i] && out[i]
		}
	}
	return vec{data: out, valid: valid}, nil
}

func prepIsNull(p *prep) (kernel, error) {
	want := p.fn == "IS_NULL"
	return func(c *call) (vec, error) {
		out := make([]bool, c.n)
		for i := range out {
			out[i] = c.args[0].isNull(i) == want
		}
		return vec{data: out}, nil
	}, nil
}

// prepIsTrue makes IS [NOT] TRUE and IS [NOT] FALSE, which are never NULL.
func prepIsTrue(p *prep) (kernel, error) {
	want := p.fn == "IS_TRUE" || p.fn == "IS_NOT_TRUE"
	not := p.fn == "IS_NOT_TRUE" || p.fn == "IS_NOT_FALSE"
	return func(c *call) (vec, error) {
		x := colOf[bool](c.args[0])
		out := make([]bool, c.n)
		for i := range out {
			is := !c.args[0].isNull(i) && x.at(i) == want
			out[i] = is != not
		}
		return vec{data: out}, nil
	}, nil
}

func evalNot(c *call) (vec, error) {
	x := colOf[bool](c.args[0])
	out := make([]bool, c.n)
	for i := range out {
		out[i] = !x.at(i)
	}
	return vec{data: out, valid: c.live}, nil
}
