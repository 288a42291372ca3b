package plan

import (
	"cmp"
	"slices"

	"github.com/weir-lake/weir/compute/expr"
)

// Source is a column of a table.
type Source struct{ Database, Table, Column string }

// Kind says how a column matters to another one.
type Kind string

// The kinds. The first three make a value, the more they change it the later they stand; the others decide which
// rows there are, or which rows meet.
const (
	Identity       Kind = "identity"
	Transformation Kind = "transformation"
	Aggregation    Kind = "aggregation"

	FilterBy    Kind = "filter"
	JoinBy      Kind = "join"
	GroupBy     Kind = "group"
	OrderBy     Kind = "order"     // of a limit, or within a window function or aggregate
	PartitionBy Kind = "partition" // of a top-N or window function
	DistinctBy  Kind = "distinct"  // compared as a whole row by UNION, INTERSECT or EXCEPT
)

// Direct reports a kind that makes a value.
func (k Kind) Direct() bool { return k == Identity || k == Transformation || k == Aggregation }

// Then is the kind of two steps one after the other, of which k is nearer to the source: what makes a value keeps its
// strongest change, and once a column only decides about rows it does so for all that follows.
func (k Kind) Then(next Kind) Kind {
	switch {
	case !k.Direct():
		return k
	case !next.Direct():
		return next
	case k == Aggregation || next == Aggregation:
		return Aggregation
	case k == Transformation || next == Transformation:
		return Transformation
	}
	return Identity
}

// Influence is a column and how it matters.
type Influence struct {
	Source
	Kind Kind
}

// ColumnLineage says from which columns an output column comes: Direct ones make its
// value, Indirect ones decide which rows there are. Both are sorted and without repetition.
type ColumnLineage struct {
	Name     string
	Direct   []Influence
	Indirect []Influence
}

// Lineage follows each output column of a plan to the tables. The columns of a Sink are
// named as in its table.
func Lineage(root Node) []ColumnLineage {
	l := follow(root)
	cols := root.Columns()
	out := make([]ColumnLineage, len(cols))
	for i, c := range cols {
		direct, indirect := sources{}, sources{}
		indirect.add(l.indirect)
		for k := range l.columns[i] {
			if k.Kind.Direct() {
				direct[k] = true
			} else {
				indirect[k] = true
			}
		}
		out[i] = ColumnLineage{Name: c.Name, Direct: sorted(direct), Indirect: sorted(indirect)}
		if s, ok := root.(*Sink); ok {
			out[i].Name = s.Table.Columns[s.Target[i]].Name
		}
	}
	return out
}

// lineage of a node: sources of each column, those included that decide which rows count for it alone, and of its rows.
type lineage struct {
	columns  []sources
	indirect sources
}

type sources map[Influence]bool

func (s sources) add(o sources) {
	for k := range o {
		s[k] = true
	}
}

// through takes sources one step further.
func (s sources) through(next Kind) sources {
	out := make(sources, len(s))
	for k := range s {
		k.Kind = k.Kind.Then(next)
		out[k] = true
	}
	return out
}

func sorted(s sources) []Influence {
	out := make([]Influence, 0, len(s))
	for k := range s {
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b Influence) int {
		return cmp.Or(cmp.Compare(a.Database, b.Database), cmp.Compare(a.Table, b.Table), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Kind, b.Kind))
	})
	return out
}

// of are the sources of the columns that expressions use, and how they matter to what the expressions are for.
func (l *lineage) of(next Kind, es ...expr.Expr) sources {
	out := sources{}
	for _, e := range es {
		used := map[int]bool{}
		UsedColumns(e, used)
		for i := range used {
			out.add(l.columns[i].through(next))
		}
	}
	return out
}

// value are the sources of what an expression computes; a bare column is passed on as it is.
func (l *lineage) value(e expr.Expr) sources {
	if _, ok := e.(*expr.Column); ok {
		return l.of(Identity, e)
	}
	return l.of(Transformation, e)
}

// order are the sources of sort keys.
func (l *lineage) order(next Kind, keys []SortKey) sources {
	out := sources{}
	for _, k := range keys {
		out.add(l.of(next, k.Expr))
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
			l.columns = append(l.columns, sources{})
		}
		return l
	case *Join:
		return followJoin(n)
	case *SetOp:
		return followSetOp(n)
	}
	in := follow(n.Inputs()[0])
	out := &lineage{columns: in.columns, indirect: sources{}}
	out.indirect.add(in.indirect)
	switch n := n.(type) {
	case *Project:
		out.columns = nil
		for _, e := range n.Exprs {
			out.columns = append(out.columns, in.value(e))
		}
	case *Aggregate:
		followAggregate(n, in, out)
	case *Window:
		time := in.columns[n.Time].through(Transformation)
		out.columns = append(slices.Clone(in.columns), time, time, time)
	case *TopN:
		out.indirect.add(in.of(PartitionBy, n.PartitionBy...))
		out.indirect.add(in.order(OrderBy, n.OrderBy))
		if n.Rank != "" {
			rank := in.of(PartitionBy, n.PartitionBy...)
			rank.add(in.order(OrderBy, n.OrderBy))
			out.columns = append(slices.Clone(in.columns), rank)
		}
	case *Over:
		followOver(n, in, out)
	case *Unnest:
		out.columns = slices.Clone(in.columns)
		for range len(n.Columns()) - len(in.columns) {
			out.columns = append(out.columns, in.of(Transformation, n.Expr))
		}
	case *Sort:
		if n.Limit >= 0 || n.Offset > 0 {
			out.indirect.add(in.order(OrderBy, n.Keys))
		}
	default:
		out.indirect.add(in.of(FilterBy, Exprs(n)...))
	}
	return out
}

// followOver: a window function's value comes from its arguments, over the rows that its frame chooses.
func followOver(n *Over, in, out *lineage) {
	out.columns = slices.Clone(in.columns)
	for _, c := range n.Calls {
		s := in.of(Aggregation, c.Args...)
		s.add(in.of(PartitionBy, n.PartitionBy...))
		s.add(in.order(OrderBy, n.OrderBy))
		out.columns = append(out.columns, s)
	}
}

// followScan: a computed column comes from the stored ones that it is made of.
func followScan(n *Scan) *lineage {
	l := &lineage{indirect: sources{}}
	at := func(i int, k Kind) Influence {
		return Influence{Source{n.Table.Database, n.Table.Name, n.Table.Columns[i].Name}, k}
	}
	for _, i := range n.Out {
		e := n.Table.Columns[i].Computed
		if e == nil {
			l.columns = append(l.columns, sources{at(i, Identity): true})
			continue
		}
		used, s := map[int]bool{}, sources{}
		UsedColumns(e, used)
		for u := range used {
			s[at(u, Transformation)] = true
		}
		l.columns = append(l.columns, s)
	}
	return l
}

func followAggregate(n *Aggregate, in, out *lineage) {
	out.columns = nil
	for _, e := range n.GroupBy {
		out.columns = append(out.columns, in.value(e))
	}
	out.indirect.add(in.of(GroupBy, n.GroupBy...))
	for _, a := range n.Aggs {
		value := in.of(Aggregation, a.Args...)
		value.add(in.of(FilterBy, a.Filter))
		value.add(in.order(OrderBy, a.OrderBy))
		out.columns = append(out.columns, value)
	}
}

func followJoin(n *Join) *lineage {
	l, r := follow(n.Left), follow(n.Right)
	both := &lineage{columns: slices.Concat(l.columns, r.columns)}
	out := &lineage{columns: both.columns, indirect: sources{}}
	if n.Kind >= Semi {
		out.columns = l.columns
	}
	out.indirect.add(l.indirect)
	out.indirect.add(r.indirect)
	out.indirect.add(l.of(JoinBy, n.LeftKeys...))
	out.indirect.add(r.of(JoinBy, n.RightKeys...))
	out.indirect.add(both.of(JoinBy, n.Residual))
	return out
}

func followSetOp(n *SetOp) *lineage {
	out := &lineage{indirect: sources{}}
	for range n.Columns() {
		out.columns = append(out.columns, sources{})
	}
	for _, in := range n.Input {
		l := follow(in)
		out.indirect.add(l.indirect)
		for i, s := range l.columns {
			out.columns[i].add(s)
			if n.Kind != Union || !n.All {
				out.indirect.add(s.through(DistinctBy))
			}
		}
	}
	return out
}
