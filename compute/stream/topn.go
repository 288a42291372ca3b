package stream

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/rowkey"
	"github.com/weir-lake/weir/compute/state"
	"github.com/weir-lake/weir/internal/errkind"
)

// partitions keeps rows ordered within partitions: the key is partition, sort key and the
// row itself, which makes the order total. aux is where the row starts.
//
// An epoch first notes the partitions it touches, each as it was, then changes them, then
// looks at them again: the operator emits the difference.
type partitions struct {
	by   *keyer
	sort *sorter
	rows state.Tree

	touched state.Index // partition keys of this epoch
	buf     []byte
}

func (c *compiler) newPartitions(input plan.Node, by []expr.Expr, order []plan.SortKey) (*partitions, error) {
	p := &partitions{}
	var err error
	exprs := append([]expr.Expr(nil), by...)
	for _, k := range order {
		exprs = append(exprs, k.Expr)
	}
	for _, e := range exprs {
		if err := ordered(e.Type()); err != nil {
			return nil, err
		}
	}
	if err := c.stable(input, exprs...); err != nil {
		return nil, err
	}
	for _, col := range input.Columns() {
		if err := ordered(col.Type); err != nil {
			return nil, err
		}
	}
	if p.by, err = newKeyer(by); err != nil {
		return nil, err
	}
	p.sort, err = newSorter(order)
	return p, err
}

// update applies a batch. before is called with a partition's key before its first change.
func (p *partitions) update(x *epoch, d Delta, before func(part []byte) error) error {
	partEnc, parts, err := p.by.encoder(x, d.Rows)
	if err != nil {
		return err
	}
	defer releaseArrays(parts)
	sortEnc, sorts, err := p.sort.encoder(x, d.Rows)
	if err != nil {
		return err
	}
	defer releaseArrays(sorts)
	rowEnc, err := rowkey.NewEncoder(d.Rows.Columns())
	if err != nil {
		return err
	}
	for i := range int(d.Rows.NumRows()) {
		p.buf = partEnc.Append(p.buf[:0], i)
		if _, added := p.touched.Put(p.buf); added {
			if err := before(p.buf); err != nil {
				return err
			}
		}
		p.buf = sortEnc.Append(p.buf, i)
		at := len(p.buf)
		p.buf = rowEnc.Append(p.buf, i)
		p.rows.Add(p.buf, uint32(at), d.weight(i))
	}
	return nil
}

// each calls after with every touched partition and ends the epoch.
func (p *partitions) each(after func(part []byte) error) error {
	var err error
	p.touched.Each(func(s state.Slot) bool {
		err = after(p.touched.Key(s))
		return err == nil
	})
	p.touched.Clear()
	return err
}

// scan calls fn with the partition's rows in order until it returns false.
func (p *partitions) scan(part []byte, fn func(c *state.Cursor) bool) error {
	for c := p.rows.Seek(part); c.Valid() && bytes.HasPrefix(c.Key(), part); c.Next() {
		if c.Weight() < 0 {
			return ErrRetraction
		}
		if !fn(&c) {
			break
		}
	}
	return nil
}

// topNOp keeps the rows ranked Offset+1 .. Offset+Limit of each partition.
type topNOp struct {
	*partitions
	limit, offset int64
	rank          bool
	trim          bool // rows beyond the last rank can never come back: nothing is taken away
	schema        *arrow.Schema
	diff          changes
	row           []byte
}

func (c *compiler) topN(n *plan.TopN) (operator, error) {
	if n.Limit < 0 || n.Offset < 0 {
		return nil, errkind.Errorf(errkind.Invalid, "LIMIT %d OFFSET %d: neither can be negative", n.Limit, n.Offset)
	}
	p, err := c.newPartitions(n.Input, n.PartitionBy, n.OrderBy)
	if err != nil {
		return nil, err
	}
	return &topNOp{
		partitions: p, limit: n.Limit, offset: n.Offset, rank: n.Rank != "",
		trim: c.appendOnly(n.Input), schema: schemaOf(n.Columns()),
	}, nil
}

func (t *topNOp) step(x *epoch, in [][]Delta) ([]Delta, error) {
	for _, d := range in[0] {
		if t.trim && retracts(d) {
			return nil, ErrRetraction // what would move up was dropped
		}
		err := t.update(x, d, func(part []byte) error { return t.list(part, -1) })
		if err != nil {
			return nil, err
		}
	}
	err := t.each(func(part []byte) error {
		if err := t.list(part, 1); err != nil {
			return err
		}
		if t.trim {
			t.cut(part)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return t.diff.flush(x.mem, t.schema, false)
}

func retracts(d Delta) bool {
	return slices.ContainsFunc(d.Weights, func(w int32) bool { return w < 0 })
}

// list adds the partition's result rows, with sign, to the difference.
func (t *topNOp) list(part []byte, sign int64) error {
	at := int64(0) // rows before the current one
	return t.scan(part, func(c *state.Cursor) bool {
		from, to := max(at, t.offset), min(at+c.Weight(), t.offset+t.limit)
		at += c.Weight()
		if from < to {
			row := c.Key()[c.Aux():]
			if !t.rank {
				t.diff.add(row, sign*(to-from))
			}
			for r := from; t.rank && r < to; r++ {
				t.row = append(append(t.row[:0], row...), 1)
				t.row = binary.BigEndian.AppendUint64(t.row, rowkey.OrderInt64(r+1))
				t.diff.add(t.row, sign)
			}
		}
		return at < t.offset+t.limit
	})
}

// cut drops the rows behind the last rank.
func (t *topNOp) cut(part []byte) {
	at := int64(0)
	var gone [][]byte
	_ = t.scan(part, func(c *state.Cursor) bool { // weights were checked by list
		if at >= t.offset+t.limit {
			gone = append(gone, bytes.Clone(c.Key()))
		}
		at += c.Weight()
		return true
	})
	for _, key := range gone {
		t.rows.Add(key, 0, -t.rows.Weight(key))
	}
}

func (t *topNOp) save(w stateWriter)       { t.rows.Save(w) }
func (t *topNOp) load(r stateReader) error { return t.rows.Load(r) }
func (t *topNOp) size() (int64, int64)     { return int64(t.rows.Len()), t.rows.SizeBytes() }
