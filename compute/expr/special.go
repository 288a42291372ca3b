package expr

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/table/schema"
)

// specialNode makes the nodes of forms that evaluate only the arguments a row needs; nil for others.
func specialNode(e *Call, args []node) (node, error) {
	want := func(int) schema.Type { return e.T }
	var n node
	switch e.Fn {
	case "AND", "OR":
		n = &logicNode{args: args, stop: e.Fn == "OR"}
	case "CASE", "IF":
		n = &caseNode{args: args, t: e.T}
		want = func(i int) schema.Type {
			if isWhen(i, len(args)) {
				return schema.TBoolean
			}
			return e.T
		}
	case "COALESCE", "IFNULL":
		n = &coalesceNode{args: args, t: e.T}
	default:
		return nil, nil
	}
	// A NULL without a type takes the one of its place.
	for i, a := range e.Args {
		if a.Type().Kind == schema.Null && e.T.Kind != schema.Null {
			v, err := nullConst(want(i))
			if err != nil {
				return nil, err
			}
			args[i] = constNode{v}
		}
	}
	return n, nil
}

// logicNode is AND (stop = false) or OR (stop = true) in three-valued logic: an argument
// is evaluated for the rows in which none before it was stop.
type logicNode struct {
	args []node
	stop bool
}

func (l *logicNode) eval(f *frame, sel []bool) (vec, error) {
	data := make([]bool, f.n)
	var valid []bool // made when the first NULL is met
	open := sel
	for k, a := range l.args {
		v, err := a.eval(f, open)
		if err != nil {
			return vec{}, err
		}
		x := colOf[bool](v)
		next := make([]bool, f.n)
		more := false
		for i := range next {
			if open != nil && !open[i] {
				continue
			}
			switch {
			case v.isNull(i):
				if valid == nil {
					valid = repeat(true, f.n)
				}
				valid[i] = false
				next[i], more = true, true
			case x.at(i) == l.stop:
				data[i] = l.stop
				if valid != nil {
					valid[i] = true
				}
			default:
				data[i] = !l.stop
				next[i], more = true, true
			}
		}
		if !more || k == len(l.args)-1 {
			break
		}
		open = next
	}
	return vec{data: data, valid: valid}, nil
}

// caseNode is CASE: (when1, then1, ..., else). IF(c, a, b) has the same shape.
type caseNode struct {
	args []node
	t    schema.Type
}

func (c *caseNode) eval(f *frame, sel []bool) (vec, error) {
	pick := make([]int32, f.n)
	for i := range pick {
		pick[i] = -1
	}
	open, left := append([]bool(nil), sel...), f.n
	if sel == nil {
		open = repeat(true, f.n)
	} else {
		left = countTrue(sel)
	}
	var branches []vec
	for k := 0; k < len(c.args) && left > 0; k += 2 {
		hit, value := open, c.args[len(c.args)-1]
		if k+1 < len(c.args) {
			cond, err := c.args[k].eval(f, open)
			if err != nil {
				return vec{}, err
			}
			hit, value = takeTrue(cond, open), c.args[k+1]
		}
		hits := countTrue(hit)
		if hits == 0 {
			continue
		}
		if k+1 < len(c.args) {
			left -= hits
		}
		v, err := value.eval(f, maskOf(hit, hits))
		if err != nil {
			return vec{}, err
		}
		for i, h := range hit {
			if h {
				pick[i] = int32(len(branches))
			}
		}
		branches = append(branches, v)
	}
	return choose(c.t, pick, branches)
}

// maskOf is hit as a selection: nil when every row is in it.
func maskOf(hit []bool, hits int) []bool {
	if hits == len(hit) {
		return nil
	}
	return hit
}

// takeTrue returns the open rows for which cond is TRUE and closes them.
func takeTrue(cond vec, open []bool) []bool {
	b := colOf[bool](cond)
	hit := make([]bool, len(open))
	for i, o := range open {
		if o && b.at(i) && !cond.isNull(i) {
			hit[i], open[i] = true, false
		}
	}
	return hit
}

func countTrue(b []bool) int {
	n := 0
	for _, x := range b {
		if x {
			n++
		}
	}
	return n
}

// coalesceNode is the first argument that is not NULL.
type coalesceNode struct {
	args []node
	t    schema.Type
}

func (c *coalesceNode) eval(f *frame, sel []bool) (vec, error) {
	pick := make([]int32, f.n)
	for i := range pick {
		pick[i] = -1
	}
	open := sel
	var branches []vec
	for _, a := range c.args {
		v, err := a.eval(f, open)
		if err != nil {
			return vec{}, err
		}
		if v.valid == nil && len(branches) == 0 && !v.konst {
			return v, nil
		}
		next := make([]bool, f.n)
		more := false
		for i := range next {
			if open != nil && !open[i] {
				continue
			}
			if v.isNull(i) {
				next[i], more = true, true
			} else {
				pick[i] = int32(len(branches))
			}
		}
		branches = append(branches, v)
		if !more {
			break
		}
		open = next
	}
	return choose(c.t, pick, branches)
}

// choose makes the vec whose row i is row i of branches[pick[i]]; NULL where pick is negative.
func choose(t schema.Type, pick []int32, branches []vec) (vec, error) {
	if len(branches) == 0 {
		return nullConst(t)
	}
	valid := make([]bool, len(pick))
	nulls := false
	for i, p := range pick {
		valid[i] = p >= 0 && !branches[p].isNull(i)
		nulls = nulls || !valid[i]
	}
	if !nulls {
		valid = nil
	}
	switch branches[0].data.(type) {
	case []bool:
		return chooseFixed[bool](pick, branches, valid), nil
	case []int8:
		return chooseFixed[int8](pick, branches, valid), nil
	case []int16:
		return chooseFixed[int16](pick, branches, valid), nil
	case []int32:
		return chooseFixed[int32](pick, branches, valid), nil
	case []int64:
		return chooseFixed[int64](pick, branches, valid), nil
	case []float32:
		return chooseFixed[float32](pick, branches, valid), nil
	case []float64:
		return chooseFixed[float64](pick, branches, valid), nil
	case []decimal128.Num:
		return chooseFixed[decimal128.Num](pick, branches, valid), nil
	case text:
		return chooseText(pick, branches, valid)
	default:
		return chooseNested(t, pick, branches, valid)
	}
}

func chooseFixed[T fixed](pick []int32, branches []vec, valid []bool) vec {
	out := make([]T, len(pick))
	cols := make([]col[T], len(branches))
	for k, b := range branches {
		cols[k] = colOf[T](b)
	}
	for i, p := range pick {
		if p >= 0 {
			out[i] = cols[p].at(i)
		}
	}
	return vec{data: out, valid: valid}
}

func chooseText(pick []int32, branches []vec, valid []bool) (vec, error) {
	out := newTextBuilder(len(pick))
	cols := make([]textCol, len(branches))
	for k, b := range branches {
		cols[k] = textOf(b)
	}
	for i, p := range pick {
		if valid == nil || valid[i] {
			out.buf = append(out.buf, cols[p].bytes(i)...)
		}
		if err := out.end(); err != nil {
			return vec{}, err
		}
	}
	return out.vec(valid), nil
}

func chooseNested(t schema.Type, pick []int32, branches []vec, valid []bool) (vec, error) {
	at, err := t.ArrowType()
	if err != nil {
		return vec{}, err
	}
	b := array.NewBuilder(memory.DefaultAllocator, at)
	defer b.Release()
	for i, p := range pick {
		if valid != nil && !valid[i] {
			b.AppendNull()
			continue
		}
		row := i
		if branches[p].konst {
			row = 0
		}
		if err := appendArrow(b, branches[p].data.(arrow.Array), row); err != nil {
			return vec{}, err
		}
	}
	return vec{data: b.NewArray(), valid: valid}, nil
}
