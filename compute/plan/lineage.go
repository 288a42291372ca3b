package plan

import (
	"cmp"
	"slices"

	"github.com/weir-lake/weir/compute/expr"
)

// Source is a column of a table.
type Source struct{ Database, Table, Column string }

// ColumnLineage says from which columns an output column comes: Direct ones make its
// value, Indirect ones decide which rows there are (filters, join keys, group keys,
// order of a limit). Both are sorted and without repetition.
type ColumnLineage struct {
	Name     string
	Direct   []Source
	Indirect []Source
}

// Lineage follows each output column of a plan to the tables. The columns of a Sink are
// named as in its table.
func Lineage(root Node) []ColumnLineage {
	l := follow(root)
	cols := root.Columns()
	out := make([]ColumnLineage, len(cols))
	indirect := sorted(l.indirect)
	for i, c := range cols {
		out[i] = ColumnLineage{Name: c.Name, Direct: sorted(l.direct[i]), Indirect: indirect}
		if s, ok := root.(*Sink); ok {
			out[i].Name = s.Table.Columns[s.Target[i]].Name
		}
	}
	return out
}

// lineage of a node: sources of each column, and of its rows.
type lineage struct {
	direct   []sources
	indirect sources
}

type sources map[Source]bool

func (s sources) add(o sources) {
	for k := range o {
		s[k] = true
	}
}

func sorted(s sources) []Source {
	out := make([]Source, 0, len(s))
	for k := range s {
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b Source) int {
		return cmp.Or(cmp.Compare(a.Database, b.Database), cmp.Compare(a.Table, b.Table), cmp.Compare(a.Column, b.Column))
	})
	return out
}

// of are the sources of the columns an expression uses.
func (l *lineage) of(es ...expr.Expr) sources {
	out := sources{}
	for _, e := range es {
		used := map[int]bool{}
		UsedColumns(e, used)
		for i := range used {
			out.add(l.direct[i])
		}
	}
	return out
}

func follow(n Node) *lineage {
	switch n := n.(type) {
	case *Scan:
		return followScan(n)
	case *Values:
		l := &lineage{indirect: sources{}}
		for range n.Cols {
			l.direct = append(l.direct, sources{})
		}
		return l
	case *Join:
		return followJoin(n)
	case *SetOp:
		return followSetOp(n)
	}
	in := follow(n.Inputs()[0])
	out := &lineage{direct: in.direct, indirect: sources{}}
	out.indirect.add(in.indirect)
	switch n := n.(type) {
	case *Project:
		out.direct = nil
		for _, e := range n.Exprs {
			out.direct = append(out.direct, in.of(e))
		}
	case *Aggregate:
		followAggregate(n, in, out)
	case *Window:
		time := in.direct[n.Time]
		out.direct = append(slices.Clone(in.direct), time, time, time)
	case *TopN:
		out.indirect.add(in.of(Exprs(n)...))
		if n.Rank != "" {
			out.direct = append(slices.Clone(in.direct), in.of(Exprs(n)...))
		}
	case *Over:
		out.direct = slices.Clone(in.direct)
		frame := in.of(n.PartitionBy...)
		for _, k := range n.OrderBy {
			frame.add(in.of(k.Expr))
		}
		for _, c := range n.Calls {
			s := in.of(c.Args...)
			if len(c.Args) == 0 {
				s.add(frame)
			}
			out.direct = append(out.direct, s)
		}
		out.indirect.add(frame)
	case *Unnest:
		out.direct = slices.Clone(in.direct)
		for range len(n.Columns()) - len(in.direct) {
			out.direct = append(out.direct, in.of(n.Expr))
		}
	case *Sort:
		if n.Limit >= 0 || n.Offset > 0 {
			out.indirect.add(in.of(Exprs(n)...))
		}
	default:
		out.indirect.add(in.of(Exprs(n)...))
	}
	return out
}

func followScan(n *Scan) *lineage {
	l := &lineage{indirect: sources{}}
	for _, i := range n.Out {
		l.direct = append(l.direct, sources{{n.Table.Database, n.Table.Name, n.Table.Columns[i].Name}: true})
	}
	return l
}

func followAggregate(n *Aggregate, in, out *lineage) {
	out.direct = nil
	for _, e := range n.GroupBy {
		out.direct = append(out.direct, in.of(e))
	}
	out.indirect.add(in.of(n.GroupBy...))
	for _, a := range n.Aggs {
		out.direct = append(out.direct, in.of(a.Args...))
		out.indirect.add(in.of(a.Filter))
		for _, k := range a.OrderBy {
			out.indirect.add(in.of(k.Expr))
		}
	}
}

func followJoin(n *Join) *lineage {
	l, r := follow(n.Left), follow(n.Right)
	both := &lineage{direct: slices.Concat(l.direct, r.direct)}
	out := &lineage{direct: both.direct, indirect: sources{}}
	if n.Kind >= Semi {
		out.direct = l.direct
	}
	out.indirect.add(l.indirect)
	out.indirect.add(r.indirect)
	out.indirect.add(l.of(n.LeftKeys...))
	out.indirect.add(r.of(n.RightKeys...))
	out.indirect.add(both.of(n.Residual))
	return out
}

func followSetOp(n *SetOp) *lineage {
	out := &lineage{indirect: sources{}}
	for range n.Columns() {
		out.direct = append(out.direct, sources{})
	}
	for _, in := range n.Input {
		l := follow(in)
		out.indirect.add(l.indirect)
		for i, s := range l.direct {
			out.direct[i].add(s)
			if n.Kind != Union || !n.All {
				out.indirect.add(s)
			}
		}
	}
	return out
}
