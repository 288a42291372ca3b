package lineage

import (
	"cmp"
	"slices"

	"github.com/weir-lake/weir/compute/plan"
)

// reach is a column that another one comes from, over any number of steps.
type reach struct {
	from, to ColumnRef
	kind     plan.Kind
	depth    int // the fewest steps
}

// reachable follows one column up (to what it comes from) or down, at most depth steps (0: all): each column found
// once for each kind, with the fewest steps.
func (x *columnIndex) reachable(start ColumnRef, up bool, depth int) []reach {
	type at struct {
		col  ColumnRef
		kind plan.Kind
	}
	seen := map[at]int{}
	level := []at{{start, plan.Identity}}
	for d := 1; len(level) > 0 && (depth == 0 || d <= depth); d++ {
		var next []at
		for _, a := range level {
			edges, end := x.from[a.col], func(e ColumnEdge) ColumnRef { return e.To }
			if up {
				edges, end = x.to[a.col], func(e ColumnEdge) ColumnRef { return e.From }
			}
			for _, i := range edges {
				e := x.edges[i]
				kind := a.kind.Then(e.Kind)
				if up {
					kind = e.Kind.Then(a.kind)
				}
				to := at{end(e), kind}
				if _, known := seen[to]; !known {
					seen[to] = d
					next = append(next, to)
				}
			}
		}
		level = next
	}
	out := make([]reach, 0, len(seen))
	for a, d := range seen {
		r := reach{from: start, to: a.col, kind: a.kind, depth: d}
		if up {
			r.from, r.to = a.col, start
		}
		out = append(out, r)
	}
	slices.SortFunc(out, compareReach)
	return out
}

func compareReach(a, b reach) int {
	return cmp.Or(cmp.Compare(a.depth, b.depth), cmp.Compare(a.to.Table, b.to.Table), cmp.Compare(a.to.Name, b.to.Name),
		cmp.Compare(a.from.Table, b.from.Table), cmp.Compare(a.from.Name, b.from.Name), cmp.Compare(a.kind, b.kind))
}

// around are the edges within depth steps of a column, and the columns on the way with their distance, up negative.
func (x *columnIndex) around(start ColumnRef, direction string, depth int) (edges []ColumnEdge, columns map[ColumnRef]int) {
	columns = map[ColumnRef]int{start: 0}
	keep := map[int]bool{}
	walk := func(by map[ColumnRef][]int, end func(ColumnEdge) ColumnRef, sign int) {
		seen := map[ColumnRef]bool{start: true}
		level := []ColumnRef{start}
		for d := 1; len(level) > 0 && (depth == 0 || d <= depth); d++ {
			var next []ColumnRef
			for _, c := range level {
				for _, i := range by[c] {
					keep[i] = true
					to := end(x.edges[i])
					if seen[to] {
						continue
					}
					seen[to] = true
					next = append(next, to)
					if _, known := columns[to]; !known {
						columns[to] = sign * d
					}
				}
			}
			level = next
		}
	}
	if direction != Down {
		walk(x.to, func(e ColumnEdge) ColumnRef { return e.From }, -1)
	}
	if direction != Up {
		walk(x.from, func(e ColumnEdge) ColumnRef { return e.To }, 1)
	}
	for i := range x.edges {
		if keep[i] {
			edges = append(edges, x.edges[i])
		}
	}
	return edges, columns
}
