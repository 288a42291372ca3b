package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/table/predicate"
)

// Class is how an operator runs as a stream, and what a change costs it.
type Class uint8

// The classes, cheapest first.
const (
	Stateless    Class = iota // no state; the cost is the size of the change
	Delta                     // keyed state; the cost is the size of the change
	AffectedKeys              // the touched keys are recomputed
	FullClass                 // everything is recomputed at each change
)

// String is the class as EXPLAIN shows it.
func (c Class) String() string {
	return [...]string{"stateless", "delta", "affected keys", "full"}[c]
}

// ClassOf is the class of an operator and a note on its cost and state. Retracting
// input makes some aggregates keep every value.
func ClassOf(n Node) (Class, string) {
	switch n := n.(type) {
	case *Aggregate:
		return aggregateClass(n)
	case *Join:
		return joinClass(n)
	case *SetOp:
		if n.Kind == Union && n.All {
			return Stateless, ""
		}
		return Delta, "state: one count per distinct row"
	case *ClockFilter:
		return Delta, "state: a timer per row"
	case *Sink:
		return sinkClass(n)
	case *Window:
		if n.Kind == Session {
			return AffectedKeys, "state: rows by session key; a change recomputes its key's sessions"
		}
		return Stateless, ""
	case *TopN:
		if len(n.PartitionBy) == 0 {
			return AffectedKeys, "state: all input in one ordered set"
		}
		return AffectedKeys, "state: input by partition, ordered"
	case *Over:
		if len(n.PartitionBy) == 0 {
			return FullClass, "no PARTITION BY: every change recomputes all rows"
		}
		return AffectedKeys, "state: input by partition; a change recomputes its partition"
	case *Sort:
		if n.Limit >= 0 {
			return AffectedKeys, "state: all input in one ordered set"
		}
		return Stateless, "order of the final result"
	default:
		return Stateless, ""
	}
}

// sinkClass: where the query is not unique on the table's key, the rows of each key are
// kept to know which of them the table holds.
func sinkClass(n *Sink) (Class, string) {
	switch engine := n.Table.Options["merge-engine"]; {
	case len(n.Table.PrimaryKey) == 0 || n.Table.Connector() != "":
		return Stateless, ""
	case engine == "partial-update" || engine == "aggregation":
		return Delta, "state: the merged row by key"
	case SinkUnique(n):
		return Stateless, "unique on the key"
	default:
		return Delta, "state: rows by key, as the query is not unique on it"
	}
}

func aggregateClass(n *Aggregate) (Class, string) {
	notes := []string{"state: one row per group"}
	if len(n.GroupBy) == 0 {
		notes = []string{"state: one row"}
	}
	retracting := !AppendOnly(n.Input)
	class := Delta
	for _, a := range n.Aggs {
		switch {
		case keepsGroup[a.Fn]:
			class = AffectedKeys
			notes = append(notes, a.Fn+" keeps all rows of a group")
		case a.Distinct:
			notes = append(notes, a.Fn+"(DISTINCT) keeps the distinct values")
		case (a.Fn == "MIN" || a.Fn == "MAX") && retracting:
			notes = append(notes, a.Fn+" keeps all values, as the input retracts")
		}
	}
	return class, strings.Join(slices.Compact(notes), "; ")
}

// keepsGroup are the aggregates that are recomputed from the rows of their group.
var keepsGroup = map[string]bool{"LISTAGG": true, "ARRAY_AGG": true, "COLLECT": true, "FIRST_VALUE": true, "LAST_VALUE": true}

func joinClass(n *Join) (Class, string) {
	if len(n.LeftKeys) > 0 {
		return Delta, "state: both inputs by key"
	}
	if singleRow(n.Left) || singleRow(n.Right) {
		return AffectedKeys, "no equality, one side has one row: its change recomputes all rows"
	}
	return FullClass, "no equality in the condition: every change meets all rows of the other side"
}

// singleRow reports a node with at most one row.
func singleRow(n Node) bool {
	switch n := n.(type) {
	case *Values:
		return len(n.Rows) <= 1
	case *Aggregate:
		return len(n.GroupBy) == 0 && n.Sets == nil
	case *Project:
		return singleRow(n.Input)
	case *Filter:
		return singleRow(n.Input)
	case *Sort:
		return n.Limit == 0 || n.Limit == 1 || singleRow(n.Input)
	default:
		return false
	}
}

// NeedsFullRecompute reports the first operator of class full, for the option
// 'allow-full-recompute'; nil if there is none.
func NeedsFullRecompute(root Node) Node {
	var found Node
	Walk(root, func(n Node) {
		if c, _ := ClassOf(n); c == FullClass && found == nil {
			found = n
		}
	})
	return found
}

// Explain prints a plan as stable text, one operator a line, inputs indented below,
// each with its class and cost.
func Explain(root Node) string {
	var b strings.Builder
	explain(&b, root, 0)
	return b.String()
}

func explain(b *strings.Builder, n Node, depth int) {
	class, note := ClassOf(n)
	b.WriteString(strings.Repeat("  ", depth) + Describe(n) + "  [" + class.String())
	if note != "" {
		b.WriteString(": " + note)
	}
	b.WriteString("]\n")
	for _, in := range n.Inputs() {
		explain(b, in, depth+1)
	}
}

// Describe is one operator in a line, without its inputs.
func Describe(n Node) string {
	switch n := n.(type) {
	case *Scan:
		return describeScan(n)
	case *Values:
		return fmt.Sprintf("Values rows=%d cols=(%s)", len(n.Rows), strings.Join(Names(n), ", "))
	case *Filter:
		return "Filter " + n.Pred.String()
	case *ClockFilter:
		return describeClock(n)
	case *Project:
		return "Project " + named(n.Exprs, n.Names)
	case *Aggregate:
		return describeAggregate(n)
	case *Join:
		return describeJoin(n)
	case *SetOp:
		name := [...]string{"Union", "Intersect", "Except"}[n.Kind]
		if n.All {
			name += "All"
		}
		return name
	case *Window:
		return describeWindow(n)
	case *TopN:
		return describeTopN(n)
	case *Over:
		calls := make([]string, len(n.Calls))
		for i, c := range n.Calls {
			calls[i] = c.String()
		}
		return fmt.Sprintf("Over partition=(%s) order=(%s) calls=(%s)", exprList(n.PartitionBy), SortText(n.OrderBy), strings.Join(calls, ", "))
	case *Sort:
		return fmt.Sprintf("Sort order=(%s)%s", SortText(n.Keys), limitText(n.Limit, n.Offset))
	case *Unnest:
		return describeUnnest(n)
	case *Sink:
		return describeSink(n)
	default:
		return fmt.Sprintf("%T", n)
	}
}

// named lists expressions, with their names where these say more.
func named(es []expr.Expr, names []string) string {
	parts := make([]string, len(es))
	for i, e := range es {
		parts[i] = e.String()
		if c, ok := e.(*expr.Column); !ok || c.Name != names[i] {
			parts[i] += " AS " + names[i]
		}
	}
	return strings.Join(parts, ", ")
}

func describeScan(n *Scan) string {
	cols := make([]string, len(n.Out))
	for i, c := range n.Out {
		cols[i] = n.Table.Columns[c].Name
	}
	s := fmt.Sprintf("Scan %s.%s cols=(%s)", n.Table.Database, n.Table.Name, strings.Join(cols, ", "))
	if len(n.Filter) > 0 {
		parts := make([]string, len(n.Filter))
		for i, c := range n.Filter {
			parts[i] = compareText(c)
		}
		s += " prune=(" + strings.Join(parts, " AND ") + ")"
	}
	if a := n.AsOf; a != nil {
		switch {
		case a.Tag != "":
			s += " tag=" + a.Tag
		case a.Timestamp != nil:
			s += " timestamp=" + a.Timestamp.UTC().Format("2006-01-02T15:04:05.000Z")
		case a.Epoch > 0:
			s += fmt.Sprintf(" epoch=%d", a.Epoch)
		default:
			s += fmt.Sprintf(" snapshot=%d", a.Snapshot)
		}
	}
	return s
}

func compareText(c predicate.Compare) string {
	op := [...]string{"=", "<>", "<", "<=", ">", ">=", "IN", "IS NULL", "IS NOT NULL"}[c.Op]
	s := c.Column + " " + op
	for i, v := range c.Values {
		if i > 0 {
			s += ","
		}
		if i == maxValuesShown {
			return s + fmt.Sprintf(" .. %d more", len(c.Values)-i)
		}
		s += fmt.Sprintf(" %v", v)
	}
	return s
}

// maxValuesShown bounds the values of an IN list in EXPLAIN.
const maxValuesShown = 8

func describeClock(n *ClockFilter) string {
	s := "ClockFilter clock=wall"
	if n.Watermark {
		s = "ClockFilter clock=watermark"
	}
	if n.From != nil {
		s += " from=" + n.From.String()
	}
	if n.Until != nil {
		s += " until=" + n.Until.String()
	}
	if n.NullClock {
		s += " before-first"
	}
	return s
}

func describeAggregate(n *Aggregate) string {
	aggs := make([]string, len(n.Aggs))
	for i, a := range n.Aggs {
		aggs[i] = a.String()
	}
	s := "Aggregate"
	if len(n.Aggs) == 0 {
		s = "Distinct"
	}
	if len(n.GroupBy) > 0 {
		s += " keys=(" + named(n.GroupBy, n.Names) + ")"
	}
	if n.Sets != nil {
		s += " sets=" + strings.ReplaceAll(fmt.Sprint(n.Sets), " ", ",")
	}
	if len(aggs) > 0 {
		s += " aggs=(" + strings.Join(aggs, ", ") + ")"
	}
	if n.WindowEnd >= 0 {
		s += " window=" + n.Names[n.WindowEnd]
	}
	return s
}

func describeJoin(n *Join) string {
	s := [...]string{"InnerJoin", "LeftJoin", "RightJoin", "FullJoin", "SemiJoin", "AntiJoin", "NullAwareAntiJoin"}[n.Kind]
	pairs := make([]string, len(n.LeftKeys))
	for i := range n.LeftKeys {
		op := " = "
		if n.NullSafe != nil && n.NullSafe[i] {
			op = " IS NOT DISTINCT FROM "
		}
		pairs[i] = n.LeftKeys[i].String() + op + n.RightKeys[i].String()
	}
	if len(pairs) > 0 {
		s += " on=(" + strings.Join(pairs, ", ") + ")"
	}
	if n.Residual != nil {
		s += " if=" + n.Residual.String()
	}
	return s
}

func describeWindow(n *Window) string {
	s := fmt.Sprintf("%s time=%s size=%s", [...]string{"Tumble", "Hop", "Cumulate", "Session"}[n.Kind], n.Input.Columns()[n.Time].Name, n.Size)
	if n.Slide > 0 {
		s += " slide=" + n.Slide.String()
	}
	if n.Offset != 0 {
		s += " offset=" + n.Offset.String()
	}
	for i, c := range n.PartitionBy {
		if i == 0 {
			s += " partition="
		} else {
			s += ","
		}
		s += n.Input.Columns()[c].Name
	}
	return s
}

func describeTopN(n *TopN) string {
	s := fmt.Sprintf("TopN partition=(%s) order=(%s)%s", exprList(n.PartitionBy), SortText(n.OrderBy), limitText(n.Limit, n.Offset))
	if n.Rank != "" {
		s += " rank=" + n.Rank
	}
	return s
}

func limitText(limit, offset int64) string {
	s := ""
	if limit >= 0 {
		s = fmt.Sprintf(" limit=%d", limit)
	}
	if offset > 0 {
		s += fmt.Sprintf(" offset=%d", offset)
	}
	return s
}

func describeUnnest(n *Unnest) string {
	names := make([]string, len(n.Cols))
	for i, c := range n.Cols {
		names[i] = c.Name
	}
	s := fmt.Sprintf("Unnest %s AS (%s)", n.Expr, strings.Join(names, ", "))
	if n.Ordinality {
		s += " ordinality"
	}
	if n.Outer {
		s += " outer"
	}
	return s
}

func describeSink(n *Sink) string {
	cols := make([]string, len(n.Target))
	for i, c := range n.Target {
		cols[i] = n.Table.Columns[c].Name
	}
	s := fmt.Sprintf("Sink %s.%s cols=(%s)", n.Table.Database, n.Table.Name, strings.Join(cols, ", "))
	if n.Overwrite {
		s += " overwrite"
	}
	keys := make([]string, 0, len(n.Partition))
	for k := range n.Partition {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		s += fmt.Sprintf(" %s=%s", k, n.Partition[k])
	}
	return s
}
