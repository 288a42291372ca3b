package stream

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/rowkey"
)

// program evaluates one expression; a plain column costs nothing.
type program struct {
	column int // -1: not a plain column
	p      *expr.Program
}

func newProgram(e expr.Expr) (program, error) {
	if c, ok := e.(*expr.Column); ok {
		return program{column: c.Index}, nil
	}
	p, err := expr.Compile(e)
	if err != nil {
		return program{}, fmt.Errorf("expression %s: %w", e, err)
	}
	return program{column: -1, p: p}, nil
}

func newPrograms(exprs []expr.Expr) ([]program, error) {
	out := make([]program, len(exprs))
	for i, e := range exprs {
		p, err := newProgram(e)
		if err != nil {
			return nil, err
		}
		out[i] = p
	}
	return out, nil
}

// eval returns a new reference to the values for every row of in.
func (p *program) eval(x *epoch, in arrow.RecordBatch) (arrow.Array, error) {
	if p.p == nil {
		c := in.Column(p.column)
		c.Retain()
		return c, nil
	}
	return p.p.Eval(in, &x.env)
}

func evalAll(x *epoch, ps []program, in arrow.RecordBatch) ([]arrow.Array, error) {
	out := make([]arrow.Array, 0, len(ps))
	for i := range ps {
		a, err := ps[i].eval(x, in)
		if err != nil {
			releaseArrays(out)
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}

// sorter evaluates sort keys and encodes them so that bytes sort the rows.
type sorter struct {
	progs  []program
	orders []rowkey.Order
}

func newSorter(keys []plan.SortKey) (*sorter, error) {
	s := &sorter{}
	for _, k := range keys {
		p, err := newProgram(k.Expr)
		if err != nil {
			return nil, err
		}
		s.progs = append(s.progs, p)
		s.orders = append(s.orders, rowkey.Order{Desc: k.Desc, NullsFirst: k.NullsFirst})
	}
	return s, nil
}

// encoder returns an encoder of the sort key of in's rows; release the arrays after its use.
func (s *sorter) encoder(x *epoch, in arrow.RecordBatch) (*rowkey.Encoder, []arrow.Array, error) {
	cols, err := evalAll(x, s.progs, in)
	if err != nil {
		return nil, nil, err
	}
	enc, err := rowkey.NewSortEncoder(cols, s.orders)
	if err != nil {
		releaseArrays(cols)
		return nil, nil, err
	}
	return enc, cols, nil
}

// keyer evaluates expressions and encodes them canonically.
type keyer struct{ progs []program }

func newKeyer(exprs []expr.Expr) (*keyer, error) {
	progs, err := newPrograms(exprs)
	return &keyer{progs}, err
}

// encoder returns an encoder of the key of in's rows; release the arrays after its use.
func (k *keyer) encoder(x *epoch, in arrow.RecordBatch) (*rowkey.Encoder, []arrow.Array, error) {
	cols, err := evalAll(x, k.progs, in)
	if err != nil {
		return nil, nil, err
	}
	enc, err := rowkey.NewKeyEncoder(cols)
	if err != nil {
		releaseArrays(cols)
		return nil, nil, err
	}
	return enc, cols, nil
}
