package plan

import (
	"slices"

	"github.com/weir-lake/weir/compute/expr"
)

// maxKeys bounds the unique keys followed per node: joins multiply them.
const maxKeys = 16

// UniqueKeys are sets of columns on which no two rows of the node agree, each sorted.
// The empty set means at most one row. A key is unique in the result at every epoch,
// which is what lets changes be paired by it.
func UniqueKeys(n Node) [][]int {
	return trimKeys(uniqueKeys(n))
}

func uniqueKeys(n Node) [][]int {
	switch n := n.(type) {
	case *Scan:
		return scanKeys(n)
	case *Values:
		if len(n.Rows) <= 1 {
			return [][]int{{}}
		}
	case *Filter:
		return addConstants(UniqueKeys(n.Input), n.Pred)
	case *ClockFilter:
		return UniqueKeys(n.Input)
	case *Project:
		return projectKeys(n)
	case *Aggregate:
		return aggregateKeys(n)
	case *Join:
		return joinKeys(n)
	case *SetOp:
		if !n.All {
			all := make([]int, len(n.Columns()))
			for i := range all {
				all[i] = i
			}
			keys := [][]int{all}
			if n.Kind != Union {
				keys = append(keys, UniqueKeys(n.Input[0])...)
			}
			return keys
		}
		if n.Kind != Union {
			return UniqueKeys(n.Input[0])
		}
	case *Window:
		return windowKeys(n)
	case *TopN:
		return topNKeys(n)
	case *Over:
		return UniqueKeys(n.Input)
	case *Sort:
		if n.Limit == 0 || n.Limit == 1 {
			return [][]int{{}}
		}
		return UniqueKeys(n.Input)
	case *Unnest:
		if n.Ordinality {
			var out [][]int
			for _, k := range UniqueKeys(n.Input) {
				out = append(out, append(slices.Clone(k), len(n.Columns())-1))
			}
			return out
		}
	case *Sink:
		return UniqueKeys(n.Input)
	}
	return nil
}

// trimKeys sorts, removes supersets and bounds the keys.
func trimKeys(keys [][]int) [][]int {
	for i, k := range keys {
		k = slices.Clone(k)
		slices.Sort(k)
		keys[i] = slices.Compact(k)
	}
	slices.SortStableFunc(keys, func(a, b []int) int {
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return slices.Compare(a, b)
	})
	var out [][]int
	for _, k := range keys {
		if len(out) < maxKeys && !slices.ContainsFunc(out, func(o []int) bool { return subset(o, k) }) {
			out = append(out, k)
		}
	}
	return out
}

// subset reports whether every element of a is in b.
func subset(a, b []int) bool {
	for _, x := range a {
		if !slices.Contains(b, x) {
			return false
		}
	}
	return true
}

// scanKeys: a primary key holds for tables of the warehouse, whose reader merges by it.
func scanKeys(n *Scan) [][]int {
	if len(n.Table.PrimaryKey) == 0 || n.Table.Connector() != "" {
		return nil
	}
	var key []int
	for _, name := range n.Table.PrimaryKey {
		i := slices.IndexFunc(n.Out, func(c int) bool { return n.Table.Columns[c].Name == name })
		if i < 0 {
			return nil
		}
		key = append(key, i)
	}
	return [][]int{key}
}

// addConstants drops columns from keys that the condition fixes to one value.
func addConstants(keys [][]int, pred expr.Expr) [][]int {
	fixed := map[int]bool{}
	for _, c := range Conjuncts(pred) {
		call, ok := c.(*expr.Call)
		if !ok || call.Fn != "=" {
			continue
		}
		for i := range 2 {
			col, isCol := call.Args[i].(*expr.Column)
			if lit, isLit := call.Args[1-i].(*expr.Literal); isCol && isLit && lit.Value != nil {
				fixed[col.Index] = true
			}
		}
	}
	out := make([][]int, len(keys))
	for i, k := range keys {
		for _, c := range k {
			if !fixed[c] {
				out[i] = append(out[i], c)
			}
		}
	}
	return out
}

// projectKeys follows columns that are passed on unchanged.
func projectKeys(n *Project) [][]int {
	to := map[int]int{}
	for i, e := range n.Exprs {
		if c, ok := lossless(e).(*expr.Column); ok {
			if _, seen := to[c.Index]; !seen {
				to[c.Index] = i
			}
		}
	}
	return mapKeys(UniqueKeys(n.Input), to)
}

// lossless looks through casts under which different values stay different.
func lossless(e expr.Expr) expr.Expr {
	c, ok := e.(*expr.Call)
	if !ok || c.Fn != "CAST" {
		return e
	}
	from, to := c.Args[0].Type(), c.T
	switch {
	case from.IsInteger() && to.IsInteger() && from.Kind <= to.Kind,
		from.IsString() && to.IsString() && to.Length >= from.Length && from.Kind != to.Kind && to.Length == maxStringLength:
		return lossless(c.Args[0])
	}
	return e
}

// maxStringLength is STRING's: a cast to it keeps every text.
const maxStringLength = 2147483647

func mapKeys(keys [][]int, to map[int]int) [][]int {
	var out [][]int
	for _, k := range keys {
		m := []int{}
		for _, c := range k {
			i, ok := to[c]
			if !ok {
				m = nil
				break
			}
			m = append(m, i)
		}
		if m != nil {
			out = append(out, m)
		}
	}
	return out
}

// aggregateKeys: the groups; also a key of the input that is grouped by.
func aggregateKeys(n *Aggregate) [][]int {
	if n.Sets != nil {
		// Only with GROUPING_ID do equal keys of different sets differ.
		for i, a := range n.Aggs {
			if a.Fn == "GROUPING_ID" {
				key := []int{len(n.GroupBy) + i}
				for g := range n.GroupBy {
					key = append(key, g)
				}
				return [][]int{key}
			}
		}
		return nil
	}
	all := []int{}
	to := map[int]int{}
	for i, e := range n.GroupBy {
		if _, constant := e.(*expr.Literal); !constant {
			all = append(all, i)
		}
		if c, ok := e.(*expr.Column); ok {
			to[c.Index] = i
		}
	}
	keys := append(mapKeys(UniqueKeys(n.Input), to), all)
	for _, part := range []WindowPart{WindowStart, WindowEnd} {
		if k := fixedWindowKey(n, part); k != nil {
			keys = append(keys, k)
		}
	}
	return keys
}

// joinKeys: a side whose key the condition fixes leaves the other's rows single.
func joinKeys(n *Join) [][]int {
	left := UniqueKeys(n.Left)
	if n.Kind >= Semi {
		return left
	}
	right := UniqueKeys(n.Right)
	width := len(n.Left.Columns())
	leftOne, rightOne := keyed(left, n.LeftKeys), keyed(right, n.RightKeys)
	var out [][]int
	if rightOne && (n.Kind == Inner || n.Kind == Left) {
		out = append(out, left...)
	}
	if leftOne && (n.Kind == Inner || n.Kind == Right) {
		out = append(out, shiftKeys(right, width)...)
	}
	for _, l := range left {
		for _, r := range right {
			if n.Kind == Full && allNullable(n.Left, l) && allNullable(n.Right, r) {
				// A group of NULL on each side: both rows stay alone and look alike.
				continue
			}
			out = append(out, slices.Concat(l, shiftKeys([][]int{r}, width)[0]))
		}
	}
	return out
}

func allNullable(n Node, key []int) bool {
	cols := n.Columns()
	return !slices.ContainsFunc(key, func(i int) bool { return cols[i].Type.NotNull })
}

func shiftKeys(keys [][]int, n int) [][]int {
	out := make([][]int, len(keys))
	for i, k := range keys {
		for _, c := range k {
			out[i] = append(out[i], c+n)
		}
	}
	return out
}

// keyed reports whether the join's columns contain a unique key.
func keyed(keys [][]int, exprs []expr.Expr) bool {
	var cols []int
	for _, e := range exprs {
		if c, ok := lossless(e).(*expr.Column); ok {
			cols = append(cols, c.Index)
		}
	}
	return slices.ContainsFunc(keys, func(k []int) bool { return subset(k, cols) })
}

// windowKeys: a row is in one window of TUMBLE and SESSION, in several of the others.
func windowKeys(n *Window) [][]int {
	keys := UniqueKeys(n.Input)
	if n.Kind == Tumble || n.Kind == Session {
		return keys
	}
	width := len(n.Input.Columns())
	out := make([][]int, len(keys))
	for i, k := range keys {
		out[i] = append(slices.Clone(k), width, width+1)
	}
	return out
}

// topNKeys: the first of each partition, or partition and rank, besides the input's keys.
func topNKeys(n *TopN) [][]int {
	keys := UniqueKeys(n.Input)
	part := []int{}
	for _, e := range n.PartitionBy {
		c, ok := e.(*expr.Column)
		if !ok {
			return keys
		}
		part = append(part, c.Index)
	}
	if n.Limit == 1 {
		keys = append(keys, part)
	} else if n.Rank != "" {
		keys = append(keys, append(slices.Clone(part), len(n.Columns())-1))
	}
	return keys
}

// AppendOnly reports that the node's result only ever grows: no row of it is changed or
// taken back by later input. Tables of the warehouse with a primary key change;
// connector tables do where their format carries changes.
func AppendOnly(n Node) bool {
	switch n := n.(type) {
	case *Scan:
		return scanAppendOnly(n)
	case *Values:
		return true
	case *Filter:
		return AppendOnly(n.Input) && !usesClock(n.Pred)
	case *Project:
		return AppendOnly(n.Input)
	case *Join:
		return n.Kind == Inner && AppendOnly(n.Left) && AppendOnly(n.Right) ||
			n.Kind == Semi && AppendOnly(n.Left) && AppendOnly(n.Right)
	case *SetOp:
		if n.Kind == Except || n.All && n.Kind == Intersect {
			return false
		}
		return !slices.ContainsFunc(n.Input, func(in Node) bool { return !AppendOnly(in) })
	case *Window:
		return n.Kind != Session && AppendOnly(n.Input)
	case *Aggregate:
		// DISTINCT of growing input grows; groups with aggregates change.
		return len(n.Aggs) == 0 && len(n.GroupBy) > 0 && n.Sets == nil && AppendOnly(n.Input)
	case *Unnest:
		return AppendOnly(n.Input)
	case *Sort:
		return n.Limit < 0 && n.Offset == 0 && AppendOnly(n.Input)
	case *Sink:
		return AppendOnly(n.Input)
	default:
		return false
	}
}

// changeFormats are the formats whose rows say insert, update or delete.
var changeFormats = []string{"debezium-json", "canal-json", "maxwell-json", "ogg-json"}

func scanAppendOnly(n *Scan) bool {
	t := n.Table
	if n.AsOf != nil {
		return true // one version, which does not change
	}
	if t.Connector() == "" {
		return len(t.PrimaryKey) == 0
	}
	for _, k := range []string{"format", "value.format"} {
		if slices.Contains(changeFormats, t.Options[k]) {
			return false
		}
	}
	switch t.Connector() {
	case "upsert-kafka", "postgres-cdc", "mysql-cdc", "push":
		return t.Connector() == "push" && len(t.PrimaryKey) == 0
	}
	return true
}

// UniqueOn reports whether a node is unique on the named columns: some unique key lies
// within them. A sink with that key then needs no materializer.
func UniqueOn(n Node, columns []string) bool {
	names := Names(n)
	var cols []int
	for _, c := range columns {
		i := slices.Index(names, c)
		if i < 0 {
			return false
		}
		cols = append(cols, i)
	}
	return slices.ContainsFunc(UniqueKeys(n), func(k []int) bool { return subset(k, cols) })
}

// SinkUnique reports whether the sink's query is unique on the sink table's primary key.
func SinkUnique(s *Sink) bool {
	var cols []int
	for _, key := range s.Table.PrimaryKey {
		i := slices.IndexFunc(s.Target, func(c int) bool { return s.Table.Columns[c].Name == key })
		if i < 0 {
			return false
		}
		cols = append(cols, i)
	}
	return len(cols) > 0 && slices.ContainsFunc(UniqueKeys(s.Input), func(k []int) bool { return subset(k, cols) })
}
