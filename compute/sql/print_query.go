package sql

import "strings"

func (p *printer) query(q *Query) {
	if len(q.With) > 0 {
		p.w("WITH ")
		p.list(len(q.With), ", ", func(i int) {
			c := q.With[i]
			p.w(quoteIdent(c.Name.Text))
			if c.Columns != nil {
				p.w(" ")
				p.idents(c.Columns)
			}
			p.w(" AS (")
			p.query(c.Query)
			p.w(")")
		})
		p.w(" ")
	}
	p.body(q.Body, 0)
	p.orderBy(" ORDER BY ", q.OrderBy)
	p.clause(" LIMIT ", q.Limit)
	p.clause(" OFFSET ", q.Offset)
}

func (p *printer) orderBy(word string, items []OrderItem) {
	if len(items) == 0 {
		return
	}
	p.w(word)
	p.list(len(items), ", ", func(i int) {
		p.expr(items[i].Expr, precOr)
		p.opt(items[i].Desc, " DESC")
		p.opt(items[i].Nulls == NullsFirst, " NULLS FIRST")
		p.opt(items[i].Nulls == NullsLast, " NULLS LAST")
	})
}

// body prints an operand of a set operation; level 0 takes UNION and EXCEPT without
// parentheses, level 1 INTERSECT, level 2 no set operation. The parser makes a tree
// that needs parentheses only from a *Query, which brings its own.
func (p *printer) body(b QueryBody, level int) {
	switch b := b.(type) {
	case *Query:
		p.w("(")
		p.query(b)
		p.w(")")
	case *SetOp:
		own := 0
		if b.Op == Intersect {
			own = 1
		}
		p.opt(own < level, "(")
		p.body(b.Left, own)
		p.w(" ", string(b.Op), " ")
		p.opt(b.All, "ALL ")
		p.body(b.Right, own+1)
		p.opt(own < level, ")")
	case *Values:
		p.w("VALUES ")
		p.list(len(b.Rows), ", ", func(i int) {
			p.w("(")
			p.exprs(b.Rows[i])
			p.w(")")
		})
	case *Select:
		p.selectBlock(b)
	}
}

func (p *printer) selectBlock(s *Select) {
	p.w("SELECT")
	p.hints(s.Hints)
	p.w(" ")
	p.opt(s.Distinct, "DISTINCT ")
	p.list(len(s.Items), ", ", func(i int) {
		p.expr(s.Items[i].Expr, precOr)
		if a := s.Items[i].Alias; a != nil {
			p.w(" AS ", quoteIdent(a.Text))
		}
	})
	if s.From != nil {
		p.w(" FROM ")
		p.tableRef(s.From, 0)
	}
	p.clause(" WHERE ", s.Where)
	if s.GroupBy != nil {
		p.w(" GROUP BY ")
		p.groupItems(s.GroupBy.Items)
	}
	p.clause(" HAVING ", s.Having)
	if s.Windows != nil {
		p.w(" WINDOW ")
		p.list(len(s.Windows), ", ", func(i int) {
			p.w(quoteIdent(s.Windows[i].Name.Text), " AS ")
			p.windowSpec(s.Windows[i].Spec)
		})
	}
	p.clause(" QUALIFY ", s.Qualify)
}

func (p *printer) groupItems(items []GroupItem) {
	p.list(len(items), ", ", func(i int) {
		it := items[i]
		switch it.Kind {
		case GroupExpr:
			p.expr(it.Exprs[0], precOr)
		case GroupTuple:
			p.w("(")
			p.exprs(it.Exprs)
			p.w(")")
		default:
			p.w(map[GroupKind]string{GroupRollup: "ROLLUP", GroupCube: "CUBE", GroupSets: "GROUPING SETS"}[it.Kind], " (")
			p.groupItems(it.Items)
			p.w(")")
		}
	})
}

// hints prints each hint in a block of its own, so that hints never run together.
func (p *printer) hints(hints []Hint) {
	for _, h := range hints {
		p.w(" /*+ ", h.Name)
		switch {
		case h.Name == "OPTIONS":
			p.options(h.Options)
		case len(h.Args) > 0:
			p.w("(")
			p.list(len(h.Args), ", ", func(i int) { p.w(quoteString(h.Args[i])) })
			p.w(")")
		}
		p.w(" */")
	}
}

// tableRef prints a table expression; level 0 takes commas, level 1 joins, level 2 none.
func (p *printer) tableRef(t TableRef, level int) {
	switch t := t.(type) {
	case *TableName:
		p.w(t.Name.String())
		p.hints(t.Hints)
		if t.AsOf != nil {
			p.asOf(t.AsOf)
		}
		p.alias(t.Alias)
	case *Derived:
		p.opt(t.Lateral, "LATERAL ")
		p.w("(")
		p.query(t.Query)
		p.w(")")
		p.alias(t.Alias)
	case *TableFunc:
		p.opt(t.Lateral, "LATERAL ")
		p.w("TABLE(")
		if n := t.Call.Name; len(n) == 1 && isPlainWord(n[0].Text) && !reserved[strings.ToUpper(n[0].Text)] {
			p.w(n[0].Text)
		} else {
			p.w(n.String())
		}
		p.w("(")
		p.args(t.Call.Args)
		p.w("))")
		p.alias(t.Alias)
	case *Unnest:
		p.w("UNNEST(")
		p.exprs(t.Exprs)
		p.w(")")
		p.opt(t.Ordinality, " WITH ORDINALITY")
		p.alias(t.Alias)
	case *Join:
		p.join(t, level)
	}
}

func (p *printer) join(j *Join, level int) {
	own := 1
	if j.Kind == JoinComma {
		own = 0
	}
	p.opt(own < level, "(")
	p.tableRef(j.Left, own)
	if j.Kind == JoinComma {
		p.w(", ")
		p.tableRef(j.Right, 1)
	} else {
		p.w(" ")
		p.opt(j.Natural, "NATURAL ")
		p.w(string(j.Kind), " JOIN ")
		p.tableRef(j.Right, 2)
	}
	p.clause(" ON ", j.On)
	if j.Using != nil {
		p.w(" USING ")
		p.idents(j.Using)
	}
	p.opt(own < level, ")")
}

func (p *printer) asOf(a *AsOf) {
	switch {
	case a.Kind == "SYSTEM_TIME":
		p.w(" FOR SYSTEM_TIME AS OF ")
	case a.Kind == "TIMESTAMP" && isTimestamp(a.Value):
		p.w(" AS OF ")
	default:
		p.w(" AS OF ", a.Kind, " ")
	}
	p.expr(a.Value, precAdditive)
}

// isTimestamp reports an expression whose text begins with TIMESTAMP '..'.
func isTimestamp(e Expr) bool {
	for {
		switch x := e.(type) {
		case *Literal:
			return x.Kind == LitTimestamp
		case *Binary:
			e = x.L
		default:
			return false
		}
	}
}

func (p *printer) alias(a *Alias) {
	if a == nil {
		return
	}
	p.w(" AS ", quoteIdent(a.Name.Text))
	if a.Columns != nil {
		p.w(" ")
		p.idents(a.Columns)
	}
}
