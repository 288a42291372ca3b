package stream

import (
	"bytes"

	"github.com/weir-lake/weir/compute/state"
)

// nullGroup is the key under which NOT IN keeps left rows whose key is NULL: they come out
// only while the right side is empty. It is no encoding of a key that is not NULL.
var nullGroup = []byte{0}

// nullKeyNotIn handles a row with a NULL key in NOT IN.
func (p *probe) nullKeyNotIn(w int64) error {
	j := p.join
	if p.side == rightSide {
		return p.countRight(w, w)
	}
	if j.contributes(leftSide, 0, true) {
		if err := p.alone(leftSide, p.row, w); err != nil {
			return err
		}
	}
	j.sides[leftSide].rows.Add(nullGroup, p.row, w)
	return nil
}

// countRight changes the number of right rows and of those with a NULL key. Whether the
// right side is empty, and whether it holds a NULL, decides over every left row: when
// one of the two changes, all left rows are looked at.
func (p *probe) countRight(rows, nulls int64) error {
	j := p.join
	empty, hasNull := j.count <= 0, j.nulls > 0
	if (j.count+rows <= 0) == empty && (j.nulls+nulls > 0) == hasNull {
		j.count += rows
		j.nulls += nulls
		return nil
	}
	if err := p.eachLeft(-1); err != nil {
		return err
	}
	j.count += rows
	j.nulls += nulls
	return p.eachLeft(1)
}

// eachLeft emits, with sign, every left row that now contributes.
func (p *probe) eachLeft(sign int64) error {
	j := p.join
	left := &j.sides[leftSide].rows
	var err error
	left.EachKey(func(key []byte, g state.Slot) bool {
		isNull := bytes.Equal(key, nullGroup)
		for e := left.First(g); e != state.NoEntry; e = left.Next(e) {
			if !j.contributes(leftSide, left.Aux(e), isNull) {
				continue
			}
			if err = p.alone(leftSide, left.Row(e), sign*left.Weight(e)); err != nil {
				return false
			}
		}
		return true
	})
	return err
}
