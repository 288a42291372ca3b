package bind

import (
	"strings"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/sql"
	"github.com/weir-lake/weir/table/schema"
)

// scope is what names mean in one place: the relations of a FROM clause over one input
// node, and the scope of the query around it.
type scope struct {
	rels  []rel
	outer *scope
	// merged are the columns that USING and NATURAL made one of, in order: unqualified,
	// they are found here only, and * shows them first.
	merged []mergedColumn
}

type mergedColumn struct {
	name  string
	index int
}

// rel is a relation visible under an alias: its columns are consecutive in the input.
type rel struct {
	alias    string
	database string // of a table by name without alias: db.t.c is allowed
	first    int    // index of its first column in the input
	cols     []plan.Column
	hidden   []bool // columns that * leaves out; nil: none
}

func newScope(outer *scope, alias string, cols []plan.Column) *scope {
	return &scope{outer: outer, rels: []rel{{alias: alias, cols: cols}}}
}

// join is the scope of two inputs side by side.
func (s *scope) join(right *scope, leftWidth int) *scope {
	out := &scope{outer: s.outer}
	out.rels = append(out.rels, s.rels...)
	for _, r := range right.rels {
		r.first += leftWidth
		out.rels = append(out.rels, r)
	}
	out.merged = append(out.merged, s.merged...)
	for _, m := range right.merged {
		out.merged = append(out.merged, mergedColumn{m.name, m.index + leftWidth})
	}
	return out
}

// findMerged is the index of a merged column, or -1; ambiguous ones (merged on both
// sides of a join) are left to the relations, where they are ambiguous too.
func (s *scope) findMerged(name string) int {
	found := -1
	for _, m := range s.merged {
		if m.name == name {
			if found >= 0 {
				return -1
			}
			found = m.index
		}
	}
	return found
}

// retype gives the columns the types of a node, after a join has changed nullability.
func (s *scope) retype(cols []plan.Column) {
	for i := range s.rels {
		r := &s.rels[i]
		own := make([]plan.Column, len(r.cols))
		for j, c := range r.cols {
			own[j] = plan.Column{Name: c.Name, Type: cols[r.first+j].Type}
		}
		r.cols = own
	}
}

// outerRef is a column of a query around the one being bound. Decorrelation removes it.
type outerRef struct {
	depth int // 1: the query directly around
	col   *expr.Column
}

func (o *outerRef) Type() schema.Type { return o.col.T }
func (o *outerRef) String() string    { return strings.Repeat("^", o.depth) + o.col.String() }

// found is what a name resolves to.
type found struct {
	col   *expr.Column
	depth int
	used  int // parts of the name used; the rest are fields
}

// resolve looks a name up, inner scopes first. Within a scope table.column wins over column.field.
func (b *binder) resolve(s *scope, n sql.Name) (found, error) {
	depth := 0
	for sc := s; sc != nil; sc = sc.outer {
		f, err := b.resolveIn(sc, n)
		if err != nil || f.col != nil {
			f.depth = depth
			return f, err
		}
		depth++
	}
	return found{}, b.unknownColumn(s, n)
}

func (b *binder) resolveIn(s *scope, n sql.Name) (found, error) {
	for qualifiers := min(len(n)-1, 3); qualifiers >= 0; qualifiers-- {
		name := n[qualifiers].Text
		if qualifiers == 0 {
			if i := s.findMerged(name); i >= 0 {
				return found{col: s.column(i), used: 1}, nil
			}
		}
		var hits []found
		var owners []string
		for _, r := range s.rels {
			if !r.matches(n[:qualifiers]) {
				continue
			}
			for i, c := range r.cols {
				if c.Name == name {
					hits = append(hits, found{col: &expr.Column{Index: r.first + i, Name: c.Name, T: c.Type}, used: qualifiers + 1})
					owners = append(owners, r.alias)
				}
			}
		}
		if len(hits) > 1 {
			return found{}, b.failHint(n.Pos(), ErrName, "write "+sql.QuoteIdent(owners[0])+"."+sql.QuoteIdent(name),
				"column '%s' is ambiguous: it is in %s", name, strings.Join(owners, " and "))
		}
		if len(hits) == 1 {
			return hits[0], nil
		}
	}
	return found{}, nil
}

func (s *scope) column(i int) *expr.Column {
	for _, r := range s.rels {
		if i >= r.first && i < r.first+len(r.cols) {
			c := r.cols[i-r.first]
			return &expr.Column{Index: i, Name: c.Name, T: c.Type}
		}
	}
	return nil
}

// matches reports whether the qualifiers name the relation: none, alias, db.table, weir.db.table.
func (r *rel) matches(q []sql.Ident) bool {
	switch len(q) {
	case 0:
		return true
	case 1:
		return q[0].Text == r.alias
	case 2:
		return r.database != "" && q[0].Text == r.database && q[1].Text == r.alias
	default:
		return q[0].Text == CatalogName && r.database != "" && q[1].Text == r.database && q[2].Text == r.alias
	}
}

// unknownColumn names the column, the table where one was given, and the nearest name.
func (b *binder) unknownColumn(s *scope, n sql.Name) error {
	var names, tables []string
	col := n[0].Text
	for sc := s; sc != nil; sc = sc.outer {
		for _, r := range sc.rels {
			tables = append(tables, r.alias)
			if len(n) > 1 && r.alias == n[0].Text {
				col = n[1].Text
				return b.failHint(n[1].At, ErrName, didYouMean(col, columnNames(r.cols)), "table '%s' has no column '%s'", r.alias, col)
			}
			names = append(names, columnNames(r.cols)...)
		}
	}
	if len(n) > 1 {
		if hint := didYouMean(n[0].Text, tables); hint != "" {
			return b.failHint(n.Pos(), ErrName, hint, "there is no table or alias '%s' in this query", n[0].Text)
		}
	}
	hint := didYouMean(col, names)
	if hint == "" && len(names) > 0 && len(names) <= maxListed {
		hint = "there are " + strings.Join(names, ", ")
	}
	return b.failHint(n.Pos(), ErrName, hint, "there is no column '%s'", n.String())
}

// maxListed bounds the names listed in an error: more than that nobody reads.
const maxListed = 20

func columnNames(cols []plan.Column) []string {
	out := make([]string, len(cols))
	for i, c := range cols {
		out[i] = c.Name
	}
	return out
}

func didYouMean(word string, names []string) string {
	if near := sql.Nearest(word, names); near != "" {
		return "did you mean " + sql.QuoteIdent(near) + "?"
	}
	return ""
}

// ctes are the WITH queries visible in a place, innermost first.
type ctes struct {
	name  string
	def   sql.CTE
	outer *ctes
}

func (c *ctes) find(name string) *ctes {
	for ; c != nil; c = c.outer {
		if c.name == name {
			return c
		}
	}
	return nil
}
