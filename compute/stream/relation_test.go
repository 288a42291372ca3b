package stream

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/table/schema"
)

// tester is what *testing.T and *rapid.T have in common.
type tester interface {
	Helper()
	Fatalf(format string, args ...any)
}

// tuple is a row of plain values: nil, int64 (integers, and timestamps in milliseconds),
// float64, string.
type tuple []any

// relation is a multiset of rows.
type relation map[string]*counted

type counted struct {
	row tuple
	n   int64
}

func (r relation) add(row tuple, n int64) {
	key := fmt.Sprintf("%#v", row)
	c := r[key]
	if c == nil {
		c = &counted{row: slices.Clone(row)}
		r[key] = c
	}
	if c.n += n; c.n == 0 {
		delete(r, key)
	}
}

// rows returns every row as often as it is in, in canonical order.
func (r relation) rows() []tuple {
	var out []tuple
	for _, c := range r {
		for range c.n {
			out = append(out, c.row)
		}
	}
	slices.SortFunc(out, compareTuples)
	return out
}

func (r relation) String() string {
	var b strings.Builder
	var all []*counted
	for _, c := range r {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b *counted) int { return compareTuples(a.row, b.row) })
	for _, c := range all {
		fmt.Fprintf(&b, "%+d %v\n", c.n, c.row)
	}
	return b.String()
}

func compareTuples(a, b tuple) int {
	for i := range a {
		if c := compareValues(a[i], b[i]); c != 0 {
			return c
		}
	}
	return 0
}

// compareValues orders NULL first.
func compareValues(a, b any) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	}
	switch a := a.(type) {
	case int64:
		return cmp.Compare(a, b.(int64))
	case float64:
		if c := b.(float64); math.IsNaN(a) || math.IsNaN(c) { // NaN is the greatest
			return -cmp.Compare(a, c)
		} else if a == 0 && c == 0 { // -0.0 is right below 0.0
			return cmp.Compare(1/a, 1/c)
		}
		return cmp.Compare(a, b.(float64))
	case string:
		return cmp.Compare(a, b.(string))
	default:
		panic(fmt.Sprintf("compare %T", a))
	}
}

// change is a row with a weight, as a test writes it.
type change struct {
	w   int64
	row tuple
}

func toDelta(t tester, cols []plan.Column, changes []change) Delta {
	t.Helper()
	b := array.NewRecordBuilder(memory.DefaultAllocator, schemaOf(cols))
	d := Delta{}
	for _, c := range changes {
		for i, v := range c.row {
			appendValue(t, b.Field(i), v)
		}
		d.Weights = append(d.Weights, int32(c.w))
	}
	if len(cols) == 0 {
		d.Rows = array.NewRecordBatch(schemaOf(cols), nil, int64(len(changes)))
		return d
	}
	d.Rows = b.NewRecordBatch()
	return d
}

func appendValue(t tester, b array.Builder, v any) {
	t.Helper()
	if v == nil {
		b.AppendNull()
		return
	}
	switch b := b.(type) {
	case *array.Int32Builder:
		b.Append(int32(v.(int64)))
	case *array.Int64Builder:
		b.Append(v.(int64))
	case *array.Float64Builder:
		b.Append(v.(float64))
	case *array.StringBuilder:
		b.Append(v.(string))
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(v.(int64)))
	case *array.ListBuilder:
		b.Append(true)
		for _, e := range v.(tuple) {
			appendValue(t, b.ValueBuilder(), e)
		}
	case *array.MapBuilder:
		b.Append(true)
		entries := v.(tuple)
		for i := 0; i < len(entries); i += 2 {
			appendValue(t, b.KeyBuilder(), entries[i])
			appendValue(t, b.ItemBuilder(), entries[i+1])
		}
	case *array.StructBuilder:
		b.Append(true)
		for i, e := range v.(tuple) {
			appendValue(t, b.FieldBuilder(i), e)
		}
	default:
		t.Fatalf("no test value for %s", b.Type())
	}
}

func fromDelta(d Delta) []change {
	out := make([]change, d.Rows.NumRows())
	for i := range out {
		out[i].w = d.weight(i)
		for _, col := range d.Rows.Columns() {
			out[i].row = append(out[i].row, valueAt(col, i))
		}
	}
	return out
}

func valueAt(a arrow.Array, i int) any {
	if a.IsNull(i) {
		return nil
	}
	switch a := a.(type) {
	case *array.Int8:
		return int64(a.Value(i))
	case *array.Int32:
		return int64(a.Value(i))
	case *array.Int64:
		return a.Value(i)
	case *array.Float32:
		return float64(a.Value(i))
	case *array.Float64:
		return a.Value(i)
	case *array.String:
		return a.Value(i)
	case *array.Timestamp:
		return int64(a.Value(i))
	case *array.Boolean:
		return a.Value(i)
	default:
		return nested(a.ValueStr(i))
	}
}

func bigint(name string) plan.Column { return plan.Column{Name: name, Type: schema.TBigInt} }
func double(name string) plan.Column { return plan.Column{Name: name, Type: schema.TDouble} }
func text(name string) plan.Column   { return plan.Column{Name: name, Type: schema.TString} }
func stamp(name string) plan.Column  { return plan.Column{Name: name, Type: schema.TTimestamp(3)} }

func scanOf(name string, cols ...plan.Column) *plan.Scan {
	s := &plan.Scan{Table: &plan.Table{Name: name}}
	for i, c := range cols {
		s.Table.Columns = append(s.Table.Columns, plan.TableColumn{Column: c})
		s.Out = append(s.Out, i)
	}
	return s
}

func colRef(n plan.Node, i int) expr.Expr {
	c := n.Columns()[i]
	return &expr.Column{Index: i, Name: c.Name, T: c.Type}
}

func intLit(v int64) expr.Expr { return &expr.Literal{Value: v, T: schema.TBigInt.WithNotNull(true)} }

func callOf(fn string, t schema.Type, args ...expr.Expr) expr.Expr {
	return &expr.Call{Fn: fn, Args: args, T: t}
}

// stepAll runs one epoch and returns its changes, checking that they are consolidated.
func stepAll(t tester, d *Dataflow, ep Epoch, in map[int][]Delta) []change {
	t.Helper()
	out, err := d.Step(testContext, ep, in)
	if err != nil {
		t.Fatalf("epoch %d: %v", ep.ID, err)
	}
	var all []change
	for _, delta := range out {
		all = append(all, fromDelta(delta)...)
		delta.Rows.Release()
	}
	for i, c := range all {
		if c.w == 0 {
			t.Fatalf("epoch %d: row %v comes out with weight zero", ep.ID, c.row)
		}
		if i > 0 && plainTuple(c.row) && compareTuples(all[i-1].row, c.row) >= 0 {
			t.Fatalf("epoch %d: row %v after %v: not consolidated in canonical order", ep.ID, c.row, all[i-1].row)
		}
	}
	return all
}

// plainTuple tells whether compareTuples knows the canonical order of the row.
func plainTuple(r tuple) bool {
	return !slices.ContainsFunc(r, func(v any) bool {
		switch v.(type) {
		case nil, int64, string, float64:
			return false
		default:
			return true
		}
	})
}

// nested is a value printed by Arrow.
type nested string

// mustCompile compiles a plan that has to compile.
func mustCompile(t testing.TB, root plan.Node, opts Options) *Dataflow {
	t.Helper()
	d, err := Compile(root, opts)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
