package stream

import (
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/rowkey"
	"github.com/weir-lake/weir/compute/state"
	"github.com/weir-lake/weir/internal/errkind"
)

// joinOp keeps both inputs as multisets by key. A change of one side is joined with the
// other side as it is at that moment, the left side first; so each pair of rows is met once.
//
// For sides that are padded or filtered by whether a row has a match (outer, semi and anti
// joins) each row carries the number of its matches; the padded row's contribution
// changes with it, and every change of a contribution is emitted. Sums of such
// differences are right whatever passes in between, even weights below zero.
type joinOp struct {
	kind     plan.JoinKind
	sides    [2]joinSide
	nullSafe []bool
	residual *expr.Program
	pair     *arrow.Schema // left and right columns
	out      *arrow.Schema
	padLeft  bool // left rows without a match come out with NULLs
	padRight bool
	count    int64 // rows of the right side, for NOT IN
	nulls    int64 // rows of the right side with a NULL key, for NOT IN
}

// joinSide is one input: its key, its rows by key, and the encoding of its row of NULLs.
type joinSide struct {
	key  *keyer
	rows state.Bag
	null []byte
}

func (c *compiler) join(n *plan.Join) (operator, error) {
	if err := c.checkJoin(n); err != nil {
		return nil, err
	}
	j := &joinOp{
		kind: n.Kind, nullSafe: n.NullSafe, out: schemaOf(n.Columns()),
		pair:    schemaOf(append(append([]plan.Column(nil), n.Left.Columns()...), n.Right.Columns()...)),
		padLeft: n.Kind == plan.Left || n.Kind == plan.Full, padRight: n.Kind == plan.Right || n.Kind == plan.Full,
	}
	for i, side := range []struct {
		in   plan.Node
		keys []expr.Expr
	}{{n.Left, n.LeftKeys}, {n.Right, n.RightKeys}} {
		if err := c.stable(side.in, side.keys...); err != nil {
			return nil, err
		}
		key, err := newKeyer(side.keys)
		if err != nil {
			return nil, err
		}
		j.sides[i].key = key
		j.sides[i].null = make([]byte, len(side.in.Columns())) // a NULL is one zero byte
		for _, col := range side.in.Columns() {
			if err := ordered(col.Type); err != nil {
				return nil, err
			}
		}
	}
	if n.Residual == nil {
		return j, nil
	}
	if name := clockFunction(n.Residual); name != "" {
		return nil, errkind.Errorf(errkind.Invalid, "%s cannot be used in a join condition: compare it with a column in WHERE", name)
	}
	var err error
	j.residual, err = expr.Compile(n.Residual)
	return j, err
}

func (c *compiler) checkJoin(n *plan.Join) error {
	if n.Kind == plan.NullAwareAnti && (len(n.LeftKeys) != 1 || n.Residual != nil) {
		return errkind.New(errkind.Invalid, "NOT IN with a correlated or multi-column subquery cannot run as a stream: use NOT EXISTS")
	}
	if len(n.LeftKeys) > 0 || c.opts.AllowFullRecompute || atMostOneRow(n.Left) || atMostOneRow(n.Right) {
		return nil
	}
	return errkind.New(errkind.Invalid, "a join without an equality condition compares every row with every row (class full): "+
		"add an equality, or allow it with 'allow-full-recompute'='true'")
}

const (
	leftSide  = 0
	rightSide = 1
)

func (j *joinOp) step(x *epoch, in [][]Delta) ([]Delta, error) {
	out, err := newRowOutput(x.mem, j.out)
	if err != nil {
		return nil, err
	}
	for side := range j.sides {
		for _, d := range in[side] {
			p := &probe{join: j, x: x, out: out, side: side, d: d}
			if err := firstError(x.Err(), p.run()); err != nil {
				out.discard()
				return nil, err
			}
		}
	}
	return out.finish(), nil
}

// matching reports whether side's rows need to know how many matches they have.
func (j *joinOp) matching(side int) bool {
	if side == leftSide {
		return j.padLeft || j.kind >= plan.Semi
	}
	return j.padRight
}

// emitsPairs reports whether matched pairs come out.
func (j *joinOp) emitsPairs() bool { return j.kind < plan.Semi }

// contributes tells how often a row of side with the given number of matches comes out
// by itself: padded, or as the result of a semi or anti join.
func (j *joinOp) contributes(side int, matches int64, nullKey bool) bool {
	switch {
	case side == rightSide:
		return j.padRight && matches <= 0
	case j.kind == plan.Semi:
		return matches > 0
	case j.kind == plan.Anti:
		return matches <= 0
	case j.kind == plan.NullAwareAnti:
		return j.count <= 0 || matches <= 0 && j.nulls <= 0 && !nullKey
	default:
		return j.padLeft && matches <= 0
	}
}

// hasNullKey reports whether the row's key is not to be compared: it is NULL.
func (j *joinOp) hasNullKey(keys []arrow.Array, row int) bool {
	for i, k := range keys {
		if k.IsNull(row) && (j.nullSafe == nil || !j.nullSafe[i]) {
			return true
		}
	}
	return false
}

// hasNaNKey reports whether the row's key equals no key at all, not even its own: NaN = NaN is FALSE in a join as it is
// in WHERE, also where NULL is the same as NULL. Groups take NaN as one value.
func hasNaNKey(keys []arrow.Array, row int) bool {
	for _, k := range keys {
		switch k := k.(type) {
		case *array.Float64:
			if k.IsValid(row) && math.IsNaN(k.Value(row)) {
				return true
			}
		case *array.Float32:
			if k.IsValid(row) && k.Value(row) != k.Value(row) {
				return true
			}
		}
	}
	return false
}

func (j *joinOp) save(w stateWriter) {
	w.Varint(j.count)
	w.Varint(j.nulls)
	for i := range j.sides {
		j.sides[i].rows.Save(w)
	}
}

func (j *joinOp) load(r stateReader) error {
	j.count, j.nulls = r.Varint(), r.Varint()
	for i := range j.sides {
		if err := j.sides[i].rows.Load(r); err != nil {
			return err
		}
	}
	return r.Err()
}

func (j *joinOp) size() (rows, bytes int64) {
	for i := range j.sides {
		rows += int64(j.sides[i].rows.Len())
		bytes += j.sides[i].rows.SizeBytes()
	}
	return rows, bytes
}

// probe joins one batch of one side with the state of the other.
type probe struct {
	join *joinOp
	x    *epoch
	out  *rowOutput
	side int
	d    Delta

	keyEnc, rowEnc *rowkey.Encoder
	keys           []arrow.Array
	key, row, buf  []byte

	// candidate pairs of the batch, checked against the residual together
	pairRow   []int32
	pairOther []state.Entry
}

func (p *probe) run() error {
	j := p.join
	var err error
	if p.keyEnc, p.keys, err = j.sides[p.side].key.encoder(p.x, p.d.Rows); err != nil {
		return err
	}
	defer releaseArrays(p.keys)
	if p.rowEnc, err = rowkey.NewEncoder(p.d.Rows.Columns()); err != nil {
		return err
	}
	if j.residual == nil {
		for i := range int(p.d.Rows.NumRows()) {
			if err := p.one(i); err != nil {
				return err
			}
		}
		return nil
	}
	return p.withResidual()
}

// one joins a row when the key alone decides.
func (p *probe) one(i int) error {
	j, w := p.join, p.d.weight(i)
	p.row = p.rowEnc.Append(p.row[:0], i)
	if j.hasNullKey(p.keys, i) {
		return p.nullKey(w)
	}
	p.key = p.keyEnc.Append(p.key[:0], i)
	if hasNaNKey(p.keys, i) {
		return p.nanKey(w)
	}
	other := &j.sides[1-p.side].rows
	matches := int64(0)
	if g, ok := other.Group(p.key); ok {
		matches = other.Total(g)
		if j.emitsPairs() || j.matching(1-p.side) {
			for e := other.First(g); e != state.NoEntry; e = other.Next(e) {
				if err := p.meet(e, w); err != nil {
					return err
				}
			}
		}
	}
	return p.settle(w, matches)
}

// meet joins the current row, of weight w, with a row of the other side.
func (p *probe) meet(e state.Entry, w int64) error {
	j, other := p.join, &p.join.sides[1-p.side].rows
	if j.emitsPairs() {
		if err := p.pair(other.Row(e), w*other.Weight(e)); err != nil {
			return err
		}
	}
	if !j.matching(1 - p.side) {
		return nil
	}
	was := other.Aux(e)
	other.SetAux(e, was+w)
	before, after := j.contributes(1-p.side, was, false), j.contributes(1-p.side, was+w, false)
	if before == after {
		return nil
	}
	sign := other.Weight(e)
	if before {
		sign = -sign
	}
	return p.alone(1-p.side, other.Row(e), sign)
}

// settle emits the row by itself, if its matches say so, and stores it.
func (p *probe) settle(w, matches int64) error {
	j := p.join
	if p.side == rightSide && j.kind == plan.NullAwareAnti {
		if err := p.countRight(w, 0); err != nil {
			return err
		}
	}
	if j.contributes(p.side, matches, false) {
		if err := p.alone(p.side, p.row, w); err != nil {
			return err
		}
	}
	rows, row := &j.sides[p.side].rows, p.row
	if p.side == rightSide && !j.emitsPairs() && j.residual == nil {
		row = nil // only the number of rows per key matters
	}
	if e := rows.Add(p.key, row, w); e != state.NoEntry && j.matching(p.side) {
		rows.SetAux(e, matches)
	}
	return nil
}

// nullKey handles a row whose key matches nothing. It needs no state, except in NOT IN.
func (p *probe) nullKey(w int64) error {
	j := p.join
	if j.kind == plan.NullAwareAnti {
		return p.nullKeyNotIn(w)
	}
	if j.contributes(p.side, 0, true) {
		return p.alone(p.side, p.row, w)
	}
	return nil
}

// nanKey handles a row whose key differs from every key. In NOT IN it still depends on whether the right side is empty
// or has a NULL.
func (p *probe) nanKey(w int64) error {
	switch {
	case p.join.kind != plan.NullAwareAnti:
		return p.nullKey(w)
	case p.side == rightSide:
		return p.countRight(w, 0)
	default:
		return p.settle(w, 0)
	}
}

// pair emits the current row with a row of the other side.
func (p *probe) pair(other []byte, w int64) error {
	if p.side == leftSide {
		p.buf = append(append(p.buf[:0], p.row...), other...)
	} else {
		p.buf = append(append(p.buf[:0], other...), p.row...)
	}
	return p.out.add(w, p.buf)
}

// alone emits a row of side without a partner.
func (p *probe) alone(side int, row []byte, w int64) error {
	j := p.join
	switch {
	case !j.emitsPairs():
		p.buf = append(p.buf[:0], row...)
	case side == leftSide:
		p.buf = append(append(p.buf[:0], row...), j.sides[rightSide].null...)
	default:
		p.buf = append(append(p.buf[:0], j.sides[leftSide].null...), row...)
	}
	return p.out.add(w, p.buf)
}
