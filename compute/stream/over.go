package stream

import (
	"bytes"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/rowkey"
	"github.com/weir-lake/weir/compute/state"
	"github.com/weir-lake/weir/internal/errkind"
)

// overOp appends window functions to each row. It computes a touched partition as it was
// and as it is, and emits the difference.
type overOp struct {
	*partitions
	calls  []overCall
	input  *arrow.Schema
	schema *arrow.Schema
	diff   changes
	row    []byte
}

// overCall is one window function: it returns an encoder of its value for a row of the partition.
type overCall interface {
	values(x *epoch, p *partition) (func(dst []byte, row int) ([]byte, error), error)
}

// partition is the rows of one partition in order, each as often as its weight.
type partition struct {
	rows  arrow.RecordBatch
	enc   [][]byte // per row
	sorts [][]byte // sort key per row: equal for peers
	whole *rowkey.Encoder
	sort  *rowkey.Encoder
	order arrow.Array // the values of a single sort key, for RANGE with offsets
	owned []arrow.Array
}

// own keeps arrays until the partition is done.
func (p *partition) own(arrs ...arrow.Array) { p.owned = append(p.owned, arrs...) }

func (p *partition) release() {
	releaseArrays(p.owned)
	if p.rows != nil {
		p.rows.Release()
	}
}

func (p *partition) len() int { return len(p.enc) }

func (c *compiler) over(n *plan.Over) (operator, error) {
	if len(n.PartitionBy) == 0 && !c.opts.AllowFullRecompute {
		return nil, errkind.New(errkind.Invalid, "OVER without PARTITION BY recomputes all rows at every change (class full): "+
			"add PARTITION BY, or allow it with 'allow-full-recompute'='true'")
	}
	p, err := c.newPartitions(n.Input, n.PartitionBy, n.OrderBy)
	if err != nil {
		return nil, err
	}
	o := &overOp{partitions: p, input: schemaOf(n.Input.Columns()), schema: schemaOf(n.Columns())}
	for i := range n.Calls {
		call, err := newOverCall(n, &n.Calls[i])
		if err != nil {
			return nil, err
		}
		if err := c.stable(n.Input, n.Calls[i].Args...); err != nil {
			return nil, err
		}
		o.calls = append(o.calls, call)
	}
	return o, nil
}

func (o *overOp) step(x *epoch, in [][]Delta) ([]Delta, error) {
	for _, d := range in[0] {
		err := o.update(x, d, func(part []byte) error { return o.list(x, part, -1) })
		if err != nil {
			return nil, err
		}
	}
	if err := o.each(func(part []byte) error { return o.list(x, part, 1) }); err != nil {
		return nil, err
	}
	return o.diff.flush(x.mem, o.schema, false)
}

// list adds the partition's result, with sign, to the difference.
func (o *overOp) list(x *epoch, part []byte, sign int64) error {
	p := &partition{}
	defer p.release()
	if err := o.read(x, part, p); err != nil || p.len() == 0 {
		return err
	}
	var err error
	values := make([]func([]byte, int) ([]byte, error), len(o.calls))
	for i, call := range o.calls {
		if values[i], err = call.values(x, p); err != nil {
			return err
		}
	}
	for i := range p.len() {
		o.row = append(o.row[:0], p.enc[i]...)
		for _, v := range values {
			if o.row, err = v(o.row, i); err != nil {
				return err
			}
		}
		o.diff.add(o.row, sign)
	}
	return nil
}

// read fills p with the rows of a partition.
func (o *overOp) read(x *epoch, part []byte, p *partition) error {
	b := array.NewRecordBuilder(x.mem, o.input)
	defer b.Release()
	dec, err := rowkey.NewDecoder(b.Fields())
	if err != nil {
		return err
	}
	var decodeErr error
	err = o.scan(part, func(c *state.Cursor) bool {
		key, sorts := c.Key()[c.Aux():], c.Key()[len(part):c.Aux()]
		for range c.Weight() {
			if _, decodeErr = dec.Append(key); decodeErr != nil {
				return false
			}
			p.enc, p.sorts = append(p.enc, bytes.Clone(key)), append(p.sorts, bytes.Clone(sorts))
		}
		return true
	})
	if err = firstError(err, decodeErr); err != nil || p.len() == 0 {
		return err
	}
	p.rows = b.NewRecordBatch()
	if p.whole, err = rowkey.NewEncoder(p.rows.Columns()); err != nil {
		return err
	}
	sorts, err := evalAll(x, o.sort.progs, p.rows)
	if err != nil {
		return err
	}
	p.own(sorts...)
	if len(sorts) == 1 {
		p.order = sorts[0]
	}
	p.sort, err = rowkey.NewSortEncoder(sorts, o.sort.orders)
	return err
}

func (o *overOp) save(w stateWriter)       { o.rows.Save(w) }
func (o *overOp) load(r stateReader) error { return o.rows.Load(r) }
func (o *overOp) size() (int64, int64)     { return int64(o.rows.Len()), o.rows.SizeBytes() }

func newOverCall(n *plan.Over, call *plan.OverCall) (overCall, error) {
	switch call.Fn {
	case "ROW_NUMBER", "RANK", "DENSE_RANK", "PERCENT_RANK", "CUME_DIST", "NTILE":
		return newRankCall(call)
	case "LAG", "LEAD":
		return newShiftCall(call)
	default:
		return newFrameCall(n, call)
	}
}
