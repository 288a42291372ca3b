package plan

import (
	"time"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/table/predicate"
	"github.com/weir-lake/weir/table/schema"
)

// Column is one output column of a node.
type Column struct {
	Name string
	Type schema.Type
}

// Node is one operator. Expressions of a node index its input's columns; those of
// a Join index left's columns followed by right's.
type Node interface {
	Columns() []Column
	Inputs() []Node
}

// Table is a table as the binder sees it: of the warehouse or behind a connector.
type Table struct {
	Database, Name string
	Path           string // key of the Paimon table directory below the warehouse; empty for connector tables
	Columns        []TableColumn
	PrimaryKey     []string
	PartitionKeys  []string
	Watermark      *Watermark
	Options        map[string]string // WITH options, hints applied
	Temporary      bool
	Comment        string
}

// Connector is the value of the 'connector' option; empty for a Paimon table of the warehouse.
func (t *Table) Connector() string {
	if c := t.Options["connector"]; c != "paimon" {
		return c
	}
	return ""
}

// TableColumn is a physical, computed or metadata column.
type TableColumn struct {
	Column
	Computed expr.Expr // over Table.Columns, of which it uses no computed ones; nil for physical ones
	Metadata string    // key of a metadata column, else empty
	Virtual  bool      // not written by INSERT
	Default  *string   // text form of the value INSERT gives a column it leaves out; nil is NULL
	Comment  string
}

// Watermark says how event time is derived: max of Expr over the rows seen.
type Watermark struct {
	Column int       // index of the event-time column in Table.Columns
	Expr   expr.Expr // over Table.Columns, of which it uses no computed ones; TIMESTAMP or TIMESTAMP_LTZ
}

// Scan reads a table. Out are indexes into Table.Columns (after pruning).
type Scan struct {
	Table *Table
	Out   []int
	// Filter is the pushed-down part for pruning; the Filter node above stays.
	Filter predicate.And
	// AsOf is the time travel of this scan; nil reads the query's cut.
	AsOf *AsOf
}

// AsOf names a version of a table: exactly one field is set.
type AsOf struct {
	Snapshot  int64
	Tag       string
	Timestamp *time.Time
	Epoch     int64
}

// Values is a constant relation.
type Values struct {
	Cols []Column
	Rows [][]expr.Expr // no column references
}

// Filter keeps rows whose Pred is TRUE.
type Filter struct {
	Input Node
	Pred  expr.Expr
}

// ClockFilter keeps a row while From <= clock < Until (either may be nil = open; a NULL
// value of From or Until hides the row). Clock is the watermark of the input or the epoch's
// wall clock. It is the `delta` form, with timers, of a filter against the clock.
type ClockFilter struct {
	Input       Node
	From, Until expr.Expr // TIMESTAMP or TIMESTAMP_LTZ over the input
	Watermark   bool      // true: CURRENT_WATERMARK; false: wall clock
	// NullClock is whether rows pass before any watermark is known
	// (`CURRENT_WATERMARK(c) IS NULL OR ...`).
	NullClock bool
}

// Project computes columns.
type Project struct {
	Input Node
	Exprs []expr.Expr
	Names []string
}

// AggCall is one aggregate of an Aggregate.
type AggCall struct {
	Fn       string // canonical: COUNT SUM AVG MIN MAX FIRST_VALUE LAST_VALUE LISTAGG COLLECT ARRAY_AGG STDDEV_POP STDDEV_SAMP VAR_POP VAR_SAMP ...; SINGLE_VALUE checks a scalar subquery
	Args     []expr.Expr
	Distinct bool
	Filter   expr.Expr // nil: all rows
	OrderBy  []SortKey // of order-dependent functions; canonical order breaks ties
	T        schema.Type
	Name     string
}

// Aggregate groups by the GroupBy expressions; output columns are the groups, then the
// aggregates. No GroupBy and no Sets: one row even for empty input.
type Aggregate struct {
	Input   Node
	GroupBy []expr.Expr
	Names   []string // of the group columns
	Aggs    []AggCall
	// Sets are GROUPING SETS as lists of GroupBy indexes; nil is the one full set.
	// Columns outside a set are NULL; GROUPING_ID is available as aggregate "GROUPING_ID".
	Sets [][]int
	// WindowEnd is the index in GroupBy of a window's window_end when this aggregates a
	// window TVF; -1 otherwise. An append-only sink emits such a group once, when the watermark passes it.
	WindowEnd int
	// Whole are the columns of Input that a row which comes too late for its window is kept with; nil is all.
	Whole []int
}

// JoinKind is how unmatched rows are treated.
type JoinKind uint8

// The kinds. NullAwareAnti is NOT IN: a NULL on the right matches nothing and everything.
const (
	Inner JoinKind = iota
	Left
	Right
	Full
	Semi
	Anti
	NullAwareAnti
)

// Join combines two inputs: equality of key pairs AND Residual.
type Join struct {
	Left, Right         Node
	Kind                JoinKind
	LeftKeys, RightKeys []expr.Expr // over each side's own columns, same types pairwise
	NullSafe            []bool      // per pair: IS NOT DISTINCT FROM; nil = all plain equality
	Residual            expr.Expr   // over left++right; nil = TRUE
}

// SetKind is UNION, INTERSECT or EXCEPT.
type SetKind uint8

// The set operations.
const (
	Union SetKind = iota
	Intersect
	Except
)

// SetOp combines inputs of equal column types; All keeps multiplicities.
type SetOp struct {
	Kind  SetKind
	All   bool
	Input []Node // two or more for Union All, else two
}

// WindowKind is a window table function.
type WindowKind uint8

// The window functions.
const (
	Tumble WindowKind = iota
	Hop
	Cumulate
	Session
)

// Window appends window_start, window_end (TIMESTAMP(3)) and window_time to each input row,
// one output row per window the row falls in.
type Window struct {
	Input               Node
	Kind                WindowKind
	Time                int           // index of the event-time column
	Size, Slide, Offset time.Duration // Slide is HOP's slide or CUMULATE's step; Session: Size is the gap
	PartitionBy         []int         // SESSION only
}

// SortKey orders by a column expression.
type SortKey struct {
	Expr       expr.Expr
	Desc       bool
	NullsFirst bool // bound from the dialect's default: NULLs are smallest in Flink
}

// TopN keeps, per partition, the rows ranked Offset+1 .. Offset+Limit. Ties are broken by the
// canonical row order. With Rank it appends the row number (BIGINT) as last column.
type TopN struct {
	Input         Node
	PartitionBy   []expr.Expr
	OrderBy       []SortKey
	Limit, Offset int64
	Rank          string // name of the rank column; empty: none
}

// OverCall is one window function of an Over.
type OverCall struct {
	Fn    string // ROW_NUMBER RANK DENSE_RANK LAG LEAD SUM ...
	Args  []expr.Expr
	Rows  bool // ROWS frame; false RANGE
	Lower *int64
	// Lower and Upper are offsets from the current row, preceding negative; nil unbounded.
	// Unit: rows for ROWS; for RANGE the order key's, milliseconds where that is a timestamp.
	Upper *int64
	T     schema.Type
	Name  string
}

// Over appends window function results to each row.
type Over struct {
	Input       Node
	PartitionBy []expr.Expr
	OrderBy     []SortKey
	Calls       []OverCall
}

// Sort orders the result; with Limit >= 0 it also cuts it. Only meaningful at the root of a
// query or, with a limit, anywhere (it is then a TopN without partition).
type Sort struct {
	Input         Node
	Keys          []SortKey
	Limit, Offset int64 // Limit -1: none
}

// Unnest appends the elements of an array (or map: key, value; multiset) expression.
type Unnest struct {
	Input      Node
	Expr       expr.Expr
	Cols       []Column // of the elements
	Ordinality bool
	Outer      bool // LEFT JOIN UNNEST: keep rows of empty collections
}

// Sink writes Input's columns, in order, to the table's insertable columns Target.
type Sink struct {
	Input     Node
	Table     *Table
	Target    []int // indexes into Table.Columns, one per input column
	Overwrite bool
	Partition map[string]string // static partition of INSERT OVERWRITE
}

func (n *Scan) Columns() []Column {
	out := make([]Column, len(n.Out))
	for i, c := range n.Out {
		out[i] = n.Table.Columns[c].Column
	}
	return out
}
func (n *Values) Columns() []Column      { return n.Cols }
func (n *Filter) Columns() []Column      { return n.Input.Columns() }
func (n *ClockFilter) Columns() []Column { return n.Input.Columns() }
func (n *Project) Columns() []Column {
	out := make([]Column, len(n.Exprs))
	for i, e := range n.Exprs {
		out[i] = Column{Name: n.Names[i], Type: e.Type()}
	}
	return out
}
func (n *Aggregate) Columns() []Column {
	out := make([]Column, 0, len(n.GroupBy)+len(n.Aggs))
	for i, e := range n.GroupBy {
		t := e.Type()
		if n.Sets != nil {
			t.NotNull = false
		}
		out = append(out, Column{Name: n.Names[i], Type: t})
	}
	for _, a := range n.Aggs {
		out = append(out, Column{Name: a.Name, Type: a.T})
	}
	return out
}
func (n *Join) Columns() []Column {
	left := n.Left.Columns()
	if n.Kind >= Semi {
		return left
	}
	out := make([]Column, 0, len(left)+4)
	for _, c := range left {
		if n.Kind == Right || n.Kind == Full {
			c.Type.NotNull = false
		}
		out = append(out, c)
	}
	for _, c := range n.Right.Columns() {
		if n.Kind == Left || n.Kind == Full {
			c.Type.NotNull = false
		}
		out = append(out, c)
	}
	return out
}

// Columns of a set operation take the first input's names; a column is nullable if it is in any input.
func (n *SetOp) Columns() []Column {
	out := append([]Column(nil), n.Input[0].Columns()...)
	for _, in := range n.Input[1:] {
		for i, c := range in.Columns() {
			out[i].Type.NotNull = out[i].Type.NotNull && c.Type.NotNull
		}
	}
	return out
}
func (n *Window) Columns() []Column {
	ts := schema.TTimestamp(3).WithNotNull(true)
	wt := n.Input.Columns()[n.Time].Type.WithNotNull(true)
	wt.Precision = 3
	return append(append([]Column(nil), n.Input.Columns()...),
		Column{"window_start", ts}, Column{"window_end", ts}, Column{"window_time", wt})
}
func (n *TopN) Columns() []Column {
	cols := append([]Column(nil), n.Input.Columns()...)
	if n.Rank != "" {
		cols = append(cols, Column{n.Rank, schema.TBigInt.WithNotNull(true)})
	}
	return cols
}
func (n *Over) Columns() []Column {
	cols := append([]Column(nil), n.Input.Columns()...)
	for _, c := range n.Calls {
		cols = append(cols, Column{c.Name, c.T})
	}
	return cols
}
func (n *Sort) Columns() []Column { return n.Input.Columns() }
func (n *Unnest) Columns() []Column {
	cols := append([]Column(nil), n.Input.Columns()...)
	for _, c := range n.Cols {
		if n.Outer {
			c.Type.NotNull = false
		}
		cols = append(cols, c)
	}
	return cols
}
func (n *Sink) Columns() []Column { return n.Input.Columns() }

func (n *Scan) Inputs() []Node        { return nil }
func (n *Values) Inputs() []Node      { return nil }
func (n *Filter) Inputs() []Node      { return []Node{n.Input} }
func (n *ClockFilter) Inputs() []Node { return []Node{n.Input} }
func (n *Project) Inputs() []Node     { return []Node{n.Input} }
func (n *Aggregate) Inputs() []Node   { return []Node{n.Input} }
func (n *Join) Inputs() []Node        { return []Node{n.Left, n.Right} }
func (n *SetOp) Inputs() []Node       { return n.Input }
func (n *Window) Inputs() []Node      { return []Node{n.Input} }
func (n *TopN) Inputs() []Node        { return []Node{n.Input} }
func (n *Over) Inputs() []Node        { return []Node{n.Input} }
func (n *Sort) Inputs() []Node        { return []Node{n.Input} }
func (n *Unnest) Inputs() []Node      { return []Node{n.Input} }
func (n *Sink) Inputs() []Node        { return []Node{n.Input} }
