package stream

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
)

// filterOp keeps the rows whose predicate is TRUE.
type filterOp struct{ pred *expr.Program }

func (c *compiler) filter(n *plan.Filter) (operator, error) {
	if err := c.stable(n.Input, n.Pred); err != nil {
		return nil, err
	}
	p, err := expr.Compile(n.Pred)
	return &filterOp{p}, err
}

func (f *filterOp) step(x *epoch, in [][]Delta) ([]Delta, error) {
	var out []Delta
	for _, d := range in[0] {
		keep, err := f.pred.EvalBool(d.Rows, &x.env)
		if err != nil {
			releaseAll(out)
			return nil, err
		}
		switch int64(len(keep)) {
		case 0:
		case d.Rows.NumRows():
			d.Rows.Retain()
			out = append(out, d)
		default:
			kept, err := take(x, x.mem, d, keep)
			if err != nil {
				releaseAll(out)
				return nil, err
			}
			out = append(out, kept)
		}
	}
	return out, nil
}

// projectOp computes columns.
type projectOp struct {
	progs  []program
	schema *arrow.Schema
}

func (c *compiler) project(n *plan.Project) (operator, error) {
	if err := c.stable(n.Input, n.Exprs...); err != nil {
		return nil, err
	}
	progs, err := newPrograms(n.Exprs)
	return &projectOp{progs, schemaOf(n.Columns())}, err
}

func (p *projectOp) step(x *epoch, in [][]Delta) ([]Delta, error) {
	out := make([]Delta, 0, len(in[0]))
	for _, d := range in[0] {
		cols, err := evalAll(x, p.progs, d.Rows)
		if err != nil {
			releaseAll(out)
			return nil, err
		}
		out = append(out, Delta{array.NewRecordBatch(p.schema, cols, d.Rows.NumRows()), d.Weights})
		releaseArrays(cols)
	}
	return out, nil
}

// unionOp is UNION ALL.
type unionOp struct{ schema *arrow.Schema }

func (u *unionOp) step(_ *epoch, in [][]Delta) ([]Delta, error) {
	var out []Delta
	for _, deltas := range in {
		for _, d := range deltas {
			out = append(out, Delta{array.NewRecordBatch(u.schema, d.Rows.Columns(), d.Rows.NumRows()), d.Weights})
		}
	}
	return out, nil
}

// valuesOp gives its constant rows in the first epoch.
type valuesOp struct {
	rows   [][]program
	schema *arrow.Schema
	done   bool
}

func newValues(n *plan.Values) (operator, error) {
	v := &valuesOp{schema: schemaOf(n.Cols)}
	for _, row := range n.Rows {
		progs, err := newPrograms(row)
		if err != nil {
			return nil, err
		}
		v.rows = append(v.rows, progs)
	}
	return v, nil
}

func (v *valuesOp) due(*epoch) bool { return !v.done }

func (v *valuesOp) step(x *epoch, _ [][]Delta) ([]Delta, error) {
	v.done = true
	one := array.NewRecordBatch(arrow.NewSchema(nil, nil), nil, 1)
	var out []Delta
	for _, row := range v.rows {
		cols, err := evalAll(x, row, one)
		if err != nil {
			releaseAll(out)
			return nil, err
		}
		out = append(out, Delta{Rows: array.NewRecordBatch(v.schema, cols, 1)})
		releaseArrays(cols)
	}
	return out, nil
}

func (v *valuesOp) save(w stateWriter)       { w.Bool(v.done) }
func (v *valuesOp) load(r stateReader) error { v.done = r.Bool(); return r.Err() }
func (v *valuesOp) size() (int64, int64)     { return 0, 0 }
