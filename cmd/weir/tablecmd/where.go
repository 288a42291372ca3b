package tablecmd

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weir-lake/weir/compute/bind"
	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/sql"
	"github.com/weir-lake/weir/table/predicate"
	"github.com/weir-lake/weir/table/rowjson"
	"github.com/weir-lake/weir/table/schema"
)

// view is what of a table is printed: columns and a condition.
type view struct {
	shown []schema.Field // columns to print
	read  []string       // columns to read for it, each once
	where *expr.Program  // over read; nil: all rows
	prune predicate.And  // what of where the scan can use
	enc   *rowjson.Encoder
}

func newView(ctx context.Context, s *schema.Schema, columns []string, where string) (*view, error) {
	shown, err := pick(s, columns)
	if err != nil {
		return nil, err
	}
	v := &view{shown: shown}
	for _, f := range shown {
		if !slices.Contains(v.read, f.Name) {
			v.read = append(v.read, f.Name)
		}
	}
	if v.enc, err = newEncoder(shown); err != nil {
		return nil, err
	}
	if where == "" {
		return v, nil
	}
	if err := v.bind(ctx, s, where); err != nil {
		return nil, fmt.Errorf("--where: %w", err)
	}
	return v, nil
}

// bind compiles the condition over all columns of the table, of which it then
// reads those it uses.
func (v *view) bind(ctx context.Context, s *schema.Schema, where string) error {
	parsed, err := sql.ParseExpr(where)
	if err != nil {
		return err
	}
	cols := make([]plan.Column, len(s.Fields))
	for i, f := range s.Fields {
		cols[i] = plan.Column{Name: f.Name, Type: f.Type}
	}
	cond, err := bind.Condition(ctx, where, parsed, cols, bind.Options{})
	if err != nil {
		return err
	}
	v.prune = prunable(s, cond)
	moved := plan.MapColumns(cond, func(c *expr.Column) expr.Expr {
		name := s.Fields[c.Index].Name
		at := slices.Index(v.read, name)
		if at < 0 {
			at = len(v.read)
			v.read = append(v.read, name)
		}
		m := *c
		m.Index = at
		return &m
	})
	v.where, err = expr.Compile(moved)
	return err
}

// prunable lets the planner find the comparisons with constants.
func prunable(s *schema.Schema, cond expr.Expr) predicate.And {
	t := &plan.Table{}
	in := &plan.Scan{Table: t}
	for i, f := range s.Fields {
		t.Columns = append(t.Columns, plan.TableColumn{Column: plan.Column{Name: f.Name, Type: f.Type}})
		in.Out = append(in.Out, i)
	}
	var found predicate.And
	plan.Walk(plan.Optimize(&plan.Filter{Input: in, Pred: cond}), func(n plan.Node) {
		if scan, ok := n.(*plan.Scan); ok {
			found = scan.Filter
		}
	})
	return found
}

// matching marks the rows for which the condition is true; nil: all.
func (v *view) matching(rec arrow.RecordBatch) ([]bool, error) {
	if v.where == nil {
		return nil, nil
	}
	hits, err := v.where.EvalBool(rec, &expr.Env{Clock: time.Now()})
	if err != nil {
		return nil, fmt.Errorf("--where: %w", err)
	}
	out := make([]bool, rec.NumRows())
	for _, i := range hits {
		out[i] = true
	}
	return out, nil
}
