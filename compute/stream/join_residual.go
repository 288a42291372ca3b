package stream

import (
	"github.com/weir-lake/weir/compute/state"
)

// withResidual joins a batch when a further condition decides: candidate pairs of equal
// keys are collected, checked together, and then met one by one.
func (p *probe) withResidual() error {
	n := int(p.d.Rows.NumRows())
	from := 0
	for i := range n {
		if !p.join.hasNullKey(p.keys, i) && !hasNaNKey(p.keys, i) {
			p.key = p.keyEnc.Append(p.key[:0], i)
			p.candidates(i)
		}
		if len(p.pairRow) >= batchRowsMax || i == n-1 {
			if err := p.flush(from, i+1); err != nil {
				return err
			}
			from = i + 1
		}
	}
	return nil
}

func (p *probe) candidates(i int) {
	other := &p.join.sides[1-p.side].rows
	g, ok := other.Group(p.key)
	if !ok {
		return
	}
	for e := other.First(g); e != state.NoEntry; e = other.Next(e) {
		p.pairRow = append(p.pairRow, int32(i))
		p.pairOther = append(p.pairOther, e)
	}
}

// flush meets the pairs of the rows [from, to) that pass and settles the rows. The other
// side does not change while a batch of this side is at work, so its entries hold.
func (p *probe) flush(from, to int) error {
	pass, err := p.passing()
	if err != nil {
		return err
	}
	j, other, at := p.join, &p.join.sides[1-p.side].rows, 0
	for i := from; i < to; i++ {
		w := p.d.weight(i)
		p.row = p.rowEnc.Append(p.row[:0], i)
		if j.hasNullKey(p.keys, i) {
			if err := p.nullKey(w); err != nil {
				return err
			}
			continue
		}
		p.key = p.keyEnc.Append(p.key[:0], i)
		if hasNaNKey(p.keys, i) {
			if err := p.nanKey(w); err != nil {
				return err
			}
			continue
		}
		matches := int64(0)
		for ; at < len(pass) && int(p.pairRow[pass[at]]) == i; at++ {
			e := p.pairOther[pass[at]]
			matches += other.Weight(e)
			if err := p.meet(e, w); err != nil {
				return err
			}
		}
		if err := p.settle(w, matches); err != nil {
			return err
		}
	}
	p.pairRow, p.pairOther = p.pairRow[:0], p.pairOther[:0]
	return nil
}

// passing evaluates the residual over the candidate pairs and returns the indexes of those
// for which it is TRUE.
func (p *probe) passing() ([]int32, error) {
	var pass []int32
	for from := 0; from < len(p.pairRow); from += batchRowsMax {
		to := min(from+batchRowsMax, len(p.pairRow))
		part, err := p.passingPart(from, to)
		if err != nil {
			return nil, err
		}
		for _, i := range part {
			pass = append(pass, int32(from)+i)
		}
	}
	return pass, nil
}

func (p *probe) passingPart(from, to int) ([]int32, error) {
	j := p.join
	pairs, err := newRowOutput(p.x.mem, j.pair)
	if err != nil {
		return nil, err
	}
	other := &j.sides[1-p.side].rows
	last := int32(-1)
	for k := from; k < to; k++ {
		if p.pairRow[k] != last {
			last = p.pairRow[k]
			p.row = p.rowEnc.Append(p.row[:0], int(last))
		}
		left, right := p.row, other.Row(p.pairOther[k])
		if p.side != leftSide {
			left, right = right, left
		}
		p.buf = append(append(p.buf[:0], left...), right...)
		if err := pairs.add(1, p.buf); err != nil {
			pairs.discard()
			return nil, err
		}
	}
	batches := pairs.finish()
	defer releaseAll(batches)
	return j.residual.EvalBool(batches[0].Rows, &p.x.env) // batchRowsMax pairs are one batch
}
