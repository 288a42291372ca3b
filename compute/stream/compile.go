package stream

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/rowkey"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

// Compile turns a bound plan into a dataflow with empty state. A Sink at the root widens
// rows to the table's stored columns, NULL where the query gives none. Errors are of kind
// invalid and say which operator cannot run as a stream and why.
func Compile(root plan.Node, opts Options) (*Dataflow, error) {
	c := &compiler{opts: opts, d: &Dataflow{opts: opts}}
	if sink, ok := root.(*plan.Sink); ok {
		root = widen(sink)
	}
	if s, ok := root.(*plan.Sort); ok && s.Limit < 0 && s.Offset == 0 {
		root = s.Input // a stream's result has no order but the canonical one
	}
	if _, err := c.compile(root); err != nil {
		return nil, err
	}
	c.d.fingerprint = fingerprint(root, opts)
	return c.d, nil
}

// StoredColumns are the columns of a table that rows are written with: neither computed nor virtual.
func StoredColumns(t *plan.Table) []int {
	var out []int
	for i, c := range t.Columns {
		if c.Computed == nil && !c.Virtual {
			out = append(out, i)
		}
	}
	return out
}

func widen(sink *plan.Sink) plan.Node {
	in := sink.Input.Columns()
	p := &plan.Project{Input: sink.Input}
	for _, col := range StoredColumns(sink.Table) {
		c := sink.Table.Columns[col]
		var e expr.Expr = &expr.Literal{T: c.Type.WithNotNull(false)}
		if i := slices.Index(sink.Target, col); i >= 0 {
			e = &expr.Column{Index: i, Name: in[i].Name, T: in[i].Type}
			if !in[i].Type.SameRoot(c.Type) {
				e = &expr.Call{Fn: "CAST", Args: []expr.Expr{e}, T: c.Type.WithNotNull(in[i].Type.NotNull)}
			}
		}
		p.Exprs = append(p.Exprs, e)
		p.Names = append(p.Names, c.Name)
	}
	return p
}

type compiler struct {
	opts Options
	d    *Dataflow
}

func (c *compiler) compile(n plan.Node) (*task, error) {
	if err := checkColumns(n); err != nil {
		return nil, err
	}
	t := &task{node: n}
	for _, input := range inputsOf(n) {
		in, err := c.compile(input)
		if err != nil {
			return nil, err
		}
		t.inputs = append(t.inputs, in)
		t.sources = append(t.sources, in.sources...)
	}
	op, err := c.operator(n, t)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", kindName(n), err)
	}
	t.op = op
	t.label = fmt.Sprintf("%d %s", len(c.d.tasks), kindName(n))
	if scan, ok := n.(*plan.Scan); ok {
		t.label += " " + scan.Table.Name
	}
	c.d.tasks = append(c.d.tasks, t)
	return t, nil
}

func inputsOf(n plan.Node) []plan.Node {
	in := slices.Clone(n.Inputs())
	for i, input := range in {
		if s, ok := input.(*plan.Sort); ok && s.Limit < 0 && s.Offset == 0 {
			in[i] = s.Input // an order without a limit means nothing below another operator
		}
	}
	return in
}

func checkColumns(n plan.Node) error {
	for _, col := range n.Columns() {
		if _, err := col.Type.ArrowType(); err != nil {
			return errkind.Errorf(errkind.Invalid, "%s: column %s: %w", kindName(n), col.Name, err)
		}
	}
	return nil
}

func (c *compiler) operator(n plan.Node, t *task) (operator, error) {
	switch n := n.(type) {
	case *plan.Scan:
		s := &scanOp{source: len(c.d.scans)}
		t.sources = []int{s.source}
		c.d.scans = append(c.d.scans, n)
		return s, nil
	case *plan.Values:
		return newValues(n)
	case *plan.Filter:
		return c.filter(n)
	case *plan.Project:
		return c.project(n)
	case *plan.Unnest:
		return c.unnest(n)
	case *plan.SetOp:
		if n.Kind == plan.Union && n.All {
			return &unionOp{schemaOf(n.Columns())}, nil
		}
		return newSetOp(n), nil
	case *plan.Aggregate:
		return c.aggregate(n)
	case *plan.Join:
		return c.join(n)
	default:
		return c.orderedOperator(n)
	}
}

// orderedOperator compiles the operators that depend on an order of rows or on time.
func (c *compiler) orderedOperator(n plan.Node) (operator, error) {
	switch n := n.(type) {
	case *plan.Window:
		return c.window(n)
	case *plan.TopN:
		return c.topN(n)
	case *plan.Sort:
		if n.Limit < 0 {
			return nil, errkind.New(errkind.Invalid, "OFFSET without LIMIT cannot run as a stream: add a LIMIT")
		}
		return c.topN(&plan.TopN{Input: n.Input, OrderBy: n.Keys, Limit: n.Limit, Offset: n.Offset})
	case *plan.Over:
		return c.over(n)
	case *plan.ClockFilter:
		return c.clockFilter(n)
	case *plan.Sink:
		return nil, errkind.New(errkind.Invalid, "a sink must be the root of the plan")
	default:
		return nil, errkind.Errorf(errkind.Bug, "no stream operator for %T", n)
	}
}

// stable refuses expressions whose value for one row may differ from epoch to epoch, where
// rows may be taken away again: the withdrawn row would not be the one that was given.
func (c *compiler) stable(input plan.Node, exprs ...expr.Expr) error {
	if c.appendOnly(input) {
		return nil
	}
	for _, e := range exprs {
		if name := clockFunction(e); name != "" {
			return errkind.Errorf(errkind.Invalid,
				"%s has another value when a row changes than it had when the row came, so it cannot be used over changing input: "+
					"compare it with a column in WHERE, or use an append-only input", name)
		}
	}
	return nil
}

// clockFunction returns the name of a function in e that depends on clock, watermark or seed.
func clockFunction(e expr.Expr) string {
	call, ok := e.(*expr.Call)
	if !ok {
		return ""
	}
	switch call.Fn {
	case "NOW", "CURRENT_TIMESTAMP", "LOCALTIMESTAMP", "CURRENT_ROW_TIMESTAMP", "CURRENT_DATE", "CURRENT_TIME", "LOCALTIME",
		"PROCTIME", "CURRENT_WATERMARK", "RAND", "RAND_INTEGER", "UUID":
		return call.Fn
	case "UNIX_TIMESTAMP":
		if len(call.Args) == 0 {
			return call.Fn
		}
	}
	for _, a := range call.Args {
		if name := clockFunction(a); name != "" {
			return name
		}
	}
	return ""
}

// appendOnly tells whether a node's result only ever gains rows.
func (c *compiler) appendOnly(n plan.Node) bool {
	switch n := n.(type) {
	case *plan.Scan:
		return c.opts.AppendOnly != nil && c.opts.AppendOnly(n)
	case *plan.Values:
		return true
	case *plan.Filter, *plan.Project, *plan.Unnest:
		return c.appendOnly(n.Inputs()[0])
	case *plan.Sort:
		return n.Limit < 0 && c.appendOnly(n.Input)
	case *plan.Window:
		return n.Kind != plan.Session && c.appendOnly(n.Input)
	case *plan.Aggregate:
		return c.emitsOnce(n)
	case *plan.SetOp:
		return n.Kind == plan.Union && !slices.ContainsFunc(n.Input, func(in plan.Node) bool { return !c.appendOnly(in) })
	case *plan.Join:
		return (n.Kind == plan.Inner || n.Kind == plan.Semi) && c.appendOnly(n.Left) && c.appendOnly(n.Right)
	default:
		return false
	}
}

// emitsOnce tells whether an aggregate gives each window once, when it is closed.
func (c *compiler) emitsOnce(n *plan.Aggregate) bool {
	return c.opts.AppendOnlySink && n.WindowEnd >= 0 && n.Sets == nil && len(n.GroupBy) > 0
}

// atMostOneRow tells whether a node's result never has two rows, so that joining with it is cheap.
func atMostOneRow(n plan.Node) bool {
	switch n := n.(type) {
	case *plan.Aggregate:
		return len(n.GroupBy) == 0 && len(n.Sets) <= 1
	case *plan.Values:
		return len(n.Rows) <= 1
	case *plan.Filter, *plan.Project:
		return atMostOneRow(n.Inputs()[0])
	case *plan.Sort:
		return n.Limit >= 0 && n.Limit <= 1 || atMostOneRow(n.Input)
	case *plan.TopN:
		return len(n.PartitionBy) == 0 && n.Limit <= 1
	default:
		return false
	}
}

func kindName(n plan.Node) string {
	return strings.TrimPrefix(fmt.Sprintf("%T", n), "*plan.")
}

func ordered(t schema.Type) error {
	dt, err := t.ArrowType()
	if err == nil {
		err = rowkey.CheckType(dt)
	}
	return err
}

// fingerprint identifies what a checkpoint's bytes mean: operators, expressions, types and
// the options that shape state. It changes whenever a plan does.
func fingerprint(root plan.Node, opts Options) string {
	h := sha256.New()
	fmt.Fprintf(h, "v%d zone=%v append=%v\n", checkpointVersion, opts.Zone, opts.AppendOnlySink)
	var walk func(n plan.Node, depth int)
	walk = func(n plan.Node, depth int) {
		fmt.Fprintf(h, "%*s%s\n", depth, "", describe(n))
		if s, ok := n.(*plan.Scan); ok && len(s.Table.PrimaryKey) == 0 && (opts.AppendOnly == nil || !opts.AppendOnly(s)) {
			fmt.Fprintf(h, "%*staken away\n", depth, "") // operators above keep more than of rows that only come
		}
		for _, in := range n.Inputs() {
			walk(in, depth+1)
		}
	}
	walk(root, 0)
	return hex.EncodeToString(h.Sum(nil))
}

// describe is one line with everything of a node but its inputs.
func describe(n plan.Node) string {
	cols := make([]string, 0, 8)
	for _, c := range n.Columns() {
		cols = append(cols, c.Name+" "+c.Type.String())
	}
	var what string
	switch n := n.(type) {
	case *plan.Scan:
		what = fmt.Sprintf("%q.%q %v", n.Table.Database, n.Table.Name, n.Out)
	case *plan.Values:
		what = fmt.Sprint(n.Rows)
	case *plan.Filter:
		what = n.Pred.String()
	case *plan.ClockFilter:
		what = fmt.Sprint(n.From, n.Until, n.Watermark, n.NullClock)
	case *plan.Project:
		what = fmt.Sprint(n.Exprs)
	case *plan.Aggregate:
		what = fmt.Sprint(n.GroupBy, n.Sets, n.WindowEnd)
		for _, a := range n.Aggs {
			what += fmt.Sprintf(" %s(%v distinct=%v filter=%v order=%v)", a.Fn, a.Args, a.Distinct, a.Filter, a.OrderBy)
		}
	case *plan.Join:
		what = fmt.Sprint(n.Kind, n.LeftKeys, n.RightKeys, n.NullSafe, n.Residual)
	case *plan.SetOp:
		what = fmt.Sprint(n.Kind, n.All)
	case *plan.Window:
		what = fmt.Sprint(n.Kind, n.Time, n.Size, n.Slide, n.Offset, n.PartitionBy)
	case *plan.TopN:
		what = fmt.Sprint(n.PartitionBy, n.OrderBy, n.Limit, n.Offset, n.Rank)
	case *plan.Over:
		what = fmt.Sprint(n.PartitionBy, n.OrderBy)
		for _, call := range n.Calls {
			what += fmt.Sprintf(" %s(%v rows=%v %s..%s)", call.Fn, call.Args, call.Rows, bound(call.Lower), bound(call.Upper))
		}
	case *plan.Sort:
		what = fmt.Sprint(n.Keys, n.Limit, n.Offset)
	case *plan.Unnest:
		what = fmt.Sprint(n.Expr, n.Ordinality, n.Outer)
	}
	return kindName(n) + " " + what + " -> " + strings.Join(cols, ", ")
}

func bound(b *int64) string {
	if b == nil {
		return "unbounded"
	}
	return fmt.Sprint(*b)
}
