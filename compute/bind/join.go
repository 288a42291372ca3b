package bind

import (
	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/sql"
	"github.com/weir-lake/weir/table/schema"
)

var joinKinds = map[sql.JoinKind]plan.JoinKind{
	sql.JoinInner: plan.Inner, sql.JoinCross: plan.Inner, sql.JoinComma: plan.Inner,
	sql.JoinLeft: plan.Left, sql.JoinRight: plan.Right, sql.JoinFull: plan.Full,
}

func (b *binder) join(j *sql.Join, at place) (plan.Node, *scope, error) {
	left, ls, err := b.from(j.Left, at)
	if err != nil {
		return nil, nil, err
	}
	if isLateral(j.Right) {
		return b.lateral(j, left, ls, at)
	}
	right, rs, err := b.from(j.Right, at)
	if err != nil {
		return nil, nil, err
	}
	if err := b.uniqueAliases(ls, rs, j); err != nil {
		return nil, nil, err
	}
	s := ls.join(rs, len(left.Columns()))
	kind := joinKinds[j.Kind]
	if j.Using != nil || j.Natural {
		return b.usingJoin(j, kind, side{left, ls}, side{right, rs})
	}
	var cond expr.Expr
	if j.On != nil {
		x := &exprBinder{b: b, scope: s, ctes: at.ctes, clause: "ON"}
		if cond, err = x.condition(j.On, "the ON condition"); err != nil {
			return nil, nil, err
		}
	}
	n := plan.NewJoin(kind, left, right, cond)
	s.retype(n.Columns())
	return n, s, nil
}

// uniqueAliases refuses two relations of one name, which no column could tell apart.
func (b *binder) uniqueAliases(ls, rs *scope, j *sql.Join) error {
	for _, l := range ls.rels {
		for _, r := range rs.rels {
			if l.alias != "" && l.alias == r.alias && l.database == r.database {
				return b.failHint(j.Right.Pos(), ErrName, "give it another alias with AS", "two tables of the query are called '%s'", l.alias)
			}
		}
	}
	return nil
}

// side is one input of a join.
type side struct {
	node  plan.Node
	scope *scope
}

// usingJoin joins on columns of the same names, which become one column each.
func (b *binder) usingJoin(j *sql.Join, kind plan.JoinKind, l, r side) (plan.Node, *scope, error) {
	names := j.Using
	if j.Natural {
		names = b.commonColumns(j, l.scope, r.scope)
	}
	width := len(l.node.Columns())
	s := l.scope.join(r.scope, width)
	var conds []expr.Expr
	var pairs [][2]int
	for _, name := range names {
		lf, err := b.usingColumn(l.scope, name, "left")
		if err != nil {
			return nil, nil, err
		}
		rf, err := b.usingColumn(r.scope, name, "right")
		if err != nil {
			return nil, nil, err
		}
		eq, err := b.apply(name.At, "=", lf, plan.Shift(rf, width))
		if err != nil {
			return nil, nil, err
		}
		conds = append(conds, eq)
		pairs = append(pairs, [2]int{lf.Index, rf.Index + width})
	}
	var n plan.Node = plan.NewJoin(kind, l.node, r.node, plan.And(conds...))
	s.retype(n.Columns())
	n, err := b.mergeUsing(n, s, kind, names, pairs)
	return n, s, err
}

// mergeUsing makes one column of each pair: the side that is never missing, or the first
// that is not NULL in a full join.
func (b *binder) mergeUsing(n plan.Node, s *scope, kind plan.JoinKind, names []sql.Ident, pairs [][2]int) (plan.Node, error) {
	var merged []mergedColumn
	exprs, outNames := plan.Cols(n), plan.Names(n)
	width := len(exprs)
	for k, p := range pairs {
		index := p[0]
		switch kind {
		case plan.Right:
			index = p[1]
		case plan.Full:
			both, err := b.apply(names[k].At, "COALESCE", exprs[p[0]], exprs[p[1]])
			if err != nil {
				return nil, err
			}
			index = len(exprs)
			exprs, outNames = append(exprs, both), append(outNames, names[k].Text)
		}
		merged = append(merged, mergedColumn{names[k].Text, index})
		s.hide(p[0])
		s.hide(p[1])
	}
	for _, old := range s.merged {
		if !containsName(names, old.name) {
			merged = append(merged, old)
		}
	}
	s.merged = merged
	if len(exprs) == width {
		return n, nil
	}
	n = &plan.Project{Input: n, Exprs: exprs, Names: outNames}
	extra := rel{first: width, cols: n.Columns()[width:], hidden: make([]bool, len(exprs)-width)}
	for i := range extra.hidden {
		extra.hidden[i] = true
	}
	s.rels = append(s.rels, extra)
	return n, nil
}

func containsName(ids []sql.Ident, name string) bool {
	for _, id := range ids {
		if id.Text == name {
			return true
		}
	}
	return false
}

// hide keeps a column out of *.
func (s *scope) hide(i int) {
	for k := range s.rels {
		r := &s.rels[k]
		if i < r.first || i >= r.first+len(r.cols) {
			continue
		}
		hidden := make([]bool, len(r.cols))
		copy(hidden, r.hidden)
		hidden[i-r.first] = true
		r.hidden = hidden
	}
}

func (b *binder) usingColumn(s *scope, name sql.Ident, which string) (*expr.Column, error) {
	f, err := b.resolveIn(s, sql.Name{name})
	if err != nil {
		return nil, err
	}
	if f.col == nil {
		return nil, b.fail(name.At, ErrName, "there is no column '%s' on the %s side of the join", name.Text, which)
	}
	return f.col, nil
}

func (b *binder) commonColumns(j *sql.Join, ls, rs *scope) []sql.Ident {
	var out []sql.Ident
	right := map[string]bool{}
	for _, r := range rs.rels {
		for _, c := range r.cols {
			right[c.Name] = true
		}
	}
	for _, l := range ls.rels {
		for i, c := range l.cols {
			if right[c.Name] && (l.hidden == nil || !l.hidden[i]) {
				out = append(out, sql.Ident{Text: c.Name, At: j.At})
			}
		}
	}
	return out
}

func isLateral(t sql.TableRef) bool {
	switch t := t.(type) {
	case *sql.Unnest:
		return true
	case *sql.Derived:
		return t.Lateral
	case *sql.TableFunc:
		return t.Lateral && !isWindowTVF(t.Call)
	}
	return false
}

// lateral joins a relation that refers to the tables before it.
func (b *binder) lateral(j *sql.Join, left plan.Node, ls *scope, at place) (plan.Node, *scope, error) {
	if j.Kind == sql.JoinRight || j.Kind == sql.JoinFull || j.Natural || j.Using != nil {
		return nil, nil, b.fail(j.At, ErrQuery, "LATERAL and UNNEST can be joined with CROSS, INNER and LEFT JOIN .. ON only")
	}
	if err := b.countRelation(j.Right.Pos()); err != nil {
		return nil, nil, err
	}
	switch r := j.Right.(type) {
	case *sql.Unnest:
		n, s, err := b.unnest(left, ls, r, at, j.Kind == sql.JoinLeft)
		if err != nil || j.On == nil {
			return n, s, err
		}
		return b.unnestCondition(j, n, s, at)
	case *sql.Derived:
		return b.lateralQuery(j, r, side{left, ls}, at)
	case *sql.TableFunc:
		return nil, nil, b.fail(r.At, ErrName, "there is no table function %s", r.Call.Name)
	}
	return nil, nil, b.fail(j.Right.Pos(), ErrQuery, "this table expression is not supported")
}

func (b *binder) unnestCondition(j *sql.Join, n plan.Node, s *scope, at place) (plan.Node, *scope, error) {
	x := &exprBinder{b: b, scope: s, ctes: at.ctes, clause: "ON"}
	cond, err := x.condition(j.On, "the ON condition")
	if err != nil {
		return nil, nil, err
	}
	if l, ok := cond.(*expr.Literal); ok && l.Value == true {
		return n, s, nil
	}
	if j.Kind == sql.JoinLeft {
		return nil, nil, b.failHint(j.On.Pos(), ErrQuery, "use ON TRUE", "LEFT JOIN UNNEST takes no condition")
	}
	return &plan.Filter{Input: n, Pred: cond}, s, nil
}

// unnest appends the elements of a collection to each row of left.
func (b *binder) unnest(left plan.Node, ls *scope, u *sql.Unnest, at place, outer bool) (plan.Node, *scope, error) {
	if len(u.Exprs) != 1 {
		return nil, nil, b.fail(u.At, ErrQuery, "UNNEST takes one collection")
	}
	x := &exprBinder{b: b, scope: ls, ctes: at.ctes, clause: "UNNEST"}
	e, err := x.bind(u.Exprs[0])
	if err != nil {
		return nil, nil, err
	}
	cols, err := b.elementColumns(u, e.Type())
	if err != nil {
		return nil, nil, err
	}
	if u.Ordinality {
		cols = append(cols, plan.Column{Name: "ORDINALITY", Type: schema.TInt.WithNotNull(true)})
	}
	alias := ""
	if u.Alias != nil {
		alias = u.Alias.Name.Text
		if u.Alias.Columns != nil {
			if len(u.Alias.Columns) != len(cols) {
				return nil, nil, b.fail(u.Alias.Name.At, ErrQuery, "alias %s names %d columns, UNNEST gives %d", alias, len(u.Alias.Columns), len(cols))
			}
			for i, c := range u.Alias.Columns {
				cols[i].Name = c.Text
			}
		} else if len(cols) == 1 {
			cols[0].Name = alias
		}
	}
	n := &plan.Unnest{Input: left, Expr: e, Cols: cols, Ordinality: u.Ordinality, Outer: outer}
	width := len(left.Columns())
	s := ls.join(newScope(nil, alias, n.Columns()[width:]), width)
	return n, s, nil
}

func (b *binder) elementColumns(u *sql.Unnest, t schema.Type) ([]plan.Column, error) {
	switch t.Kind {
	case schema.Map:
		return []plan.Column{{Name: "KEY", Type: *t.Key}, {Name: "VALUE", Type: *t.Elem}}, nil
	case schema.Array, schema.Multiset:
		if t.Elem.Kind != schema.Row {
			return []plan.Column{{Name: "EXPR$0", Type: *t.Elem}}, nil
		}
		var out []plan.Column
		for _, f := range t.Elem.Fields {
			out = append(out, plan.Column{Name: f.Name, Type: f.Type.WithNotNull(f.Type.NotNull && t.Elem.NotNull)})
		}
		return out, nil
	default:
		return nil, b.fail(u.Exprs[0].Pos(), ErrType, "UNNEST needs an ARRAY, MAP or MULTISET, not %s", t.WithNotNull(false))
	}
}
