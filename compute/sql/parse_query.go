package sql

import (
	"slices"
	"strings"
)

// startsQuery reports whether the current token begins a query without parenthesis.
func (p *parser) startsQuery() bool {
	return p.at("SELECT") || p.at("WITH") || p.at("VALUES") || p.at("TABLE") && p.peek(1).kind != tokSymbol
}

// query demands [WITH ..] body [ORDER BY] [LIMIT] [OFFSET].
func (p *parser) query() *Query {
	q := &Query{At: p.tok.at}
	if !p.enter() {
		return q
	}
	defer p.leave()
	if p.accept("WITH") {
		q.With = p.ctes()
	}
	q.Body = p.setOps(0, p.queryPrimary)
	p.queryTail(q)
	return q
}

// continueQuery goes on with a query whose first operand has been read.
func (p *parser) continueQuery(first *Query) *Query {
	q := &Query{At: first.At}
	if !p.enter() {
		return q
	}
	defer p.leave()
	used := false
	q.Body = p.setOps(0, func() QueryBody {
		if used {
			return p.queryPrimary()
		}
		used = true
		return first
	})
	p.queryTail(q)
	return q
}

// continues reports whether what follows a query in parentheses belongs to a larger query.
func (p *parser) continues() bool {
	return p.at("UNION") || p.at("INTERSECT") || p.at("EXCEPT") || p.at("MINUS") || p.at("ORDER") || p.at("LIMIT") || p.at("OFFSET") || p.at("FETCH")
}

func (p *parser) ctes() []CTE {
	if p.at("RECURSIVE") && p.peek(1).kind == tokWord {
		p.fail(p.tok.at, "WITH RECURSIVE is not supported", "")
	}
	var out []CTE
	for {
		c := CTE{Name: p.ident(" of a WITH query")}
		if p.at("(") {
			c.Columns = p.identList(" of a column")
		}
		p.expect("AS", "(")
		c.Query = p.query()
		p.expect(")")
		out = append(out, c)
		if !p.accept(",") {
			return out
		}
	}
}

// queryTail reads ORDER BY, LIMIT, OFFSET and FETCH, in any order of the last three.
func (p *parser) queryTail(q *Query) {
	if p.accept("ORDER", "BY") {
		q.OrderBy = p.orderItems()
	}
	for {
		switch {
		case p.at("LIMIT") && q.Limit == nil:
			p.advance()
			if p.accept("ALL") {
				continue
			}
			q.Limit = p.expr()
			if p.accept(",") { // LIMIT offset, count
				q.Offset, q.Limit = q.Limit, p.expr()
			}
		case p.at("OFFSET") && q.Offset == nil:
			p.advance()
			q.Offset = p.expr()
			if !p.accept("ROWS") {
				p.accept("ROW")
			}
		case p.at("FETCH") && q.Limit == nil:
			p.advance()
			p.oneOf("FIRST", "NEXT")
			q.Limit = p.expr()
			p.oneOf("ROWS", "ROW")
			p.expect("ONLY")
		default:
			q.End = Pos{Offset: p.last.end, Line: p.last.at.Line, Col: p.last.at.Col}
			return
		}
	}
}

// setOps reads operands joined by UNION and EXCEPT (level 0) or INTERSECT (level 1), which binds tighter.
func (p *parser) setOps(level int, operand func() QueryBody) QueryBody {
	next := operand
	if level == 0 {
		next = func() QueryBody { return p.setOps(1, operand) }
	}
	left := next()
	for n := 0; ; {
		op := SetOpKind(p.tok.upper)
		if op == "MINUS" {
			op = Except
		}
		if p.tok.kind != tokWord || level == 0 && op != Union && op != Except || level == 1 && op != Intersect {
			return left
		}
		p.link(&n, "set operations")
		at := p.advance().at
		all := p.accept("ALL")
		if !all {
			p.accept("DISTINCT")
		}
		left = &SetOp{At: at, Op: op, All: all, Left: left, Right: next()}
	}
}

func (p *parser) queryPrimary() QueryBody {
	switch {
	case p.at("SELECT"):
		return p.selectBlock()
	case p.at("VALUES"):
		return p.values()
	case p.at("TABLE"):
		at := p.advance().at
		return &Select{At: at, Items: []SelectItem{{Expr: &Star{At: at}}}, From: &TableName{Name: p.name(" of a table")}}
	case p.accept("("):
		q := p.query()
		p.expect(")")
		return q
	}
	p.unexpected("a query (SELECT, WITH, VALUES or a parenthesis)")
	return nil
}

func (p *parser) values() QueryBody {
	v := &Values{At: p.advance().at}
	for {
		switch {
		case p.at("(") || p.at("ROW", "("):
			p.accept("ROW")
			p.expect("(")
			v.Rows = append(v.Rows, p.exprList())
			p.expect(")")
		default:
			v.Rows = append(v.Rows, []Expr{p.expr()})
		}
		if !p.accept(",") {
			return v
		}
	}
}

func (p *parser) exprList() []Expr {
	out := []Expr{p.expr()}
	for p.accept(",") {
		out = append(out, p.expr())
	}
	return out
}

func (p *parser) selectBlock() QueryBody {
	s := &Select{At: p.advance().at}
	s.Hints = p.hints()
	if !p.accept("ALL") {
		s.Distinct = p.accept("DISTINCT")
	}
	for {
		s.Items = append(s.Items, p.selectItem())
		if !p.accept(",") {
			break
		}
	}
	if p.accept("FROM") {
		s.From = p.from()
	}
	if p.accept("WHERE") {
		s.Where = p.expr()
	}
	if p.at("GROUP", "BY") {
		s.GroupBy = p.groupBy()
	}
	if p.accept("HAVING") {
		s.Having = p.expr()
	}
	if p.accept("WINDOW") {
		for {
			w := NamedWindow{Name: p.ident(" of a window")}
			p.expect("AS")
			w.Spec = p.windowParens()
			s.Windows = append(s.Windows, w)
			if !p.accept(",") {
				break
			}
		}
	}
	if p.accept("QUALIFY") {
		s.Qualify = p.expr()
	}
	return s
}

func (p *parser) selectItem() SelectItem {
	if p.at("*") {
		return SelectItem{Expr: &Star{At: p.advance().at}}
	}
	it := SelectItem{Expr: p.expr()}
	if _, ok := it.Expr.(*Star); ok {
		return it
	}
	if p.accept("AS") {
		id := p.ident(" after AS")
		it.Alias = &id
	} else if p.tok.kind == tokQuoted || p.tok.kind == tokWord && !reserved[p.tok.upper] {
		id := p.ident("")
		it.Alias = &id
	}
	return it
}

func (p *parser) groupBy() *GroupBy {
	g := &GroupBy{At: p.advance().at}
	p.expect("BY")
	if !p.accept("ALL") {
		p.accept("DISTINCT")
	}
	g.Items = p.groupItems()
	return g
}

func (p *parser) groupItems() []GroupItem {
	if !p.enter() {
		return nil
	}
	defer p.leave()
	out := []GroupItem{p.groupItem()}
	for p.accept(",") {
		out = append(out, p.groupItem())
	}
	return out
}

func (p *parser) groupItem() GroupItem {
	kind := GroupExpr
	switch {
	case p.accept("ROLLUP"):
		kind = GroupRollup
	case p.accept("CUBE"):
		kind = GroupCube
	case p.accept("GROUPING", "SETS"):
		kind = GroupSets
	case p.at("(", ")"):
		p.expect("(", ")")
		return GroupItem{Kind: GroupTuple}
	}
	if kind != GroupExpr {
		p.expect("(")
		items := p.groupItems()
		p.expect(")")
		return GroupItem{Kind: kind, Items: items}
	}
	e := p.expr()
	if r, ok := e.(*Row); ok && !r.Explicit {
		return GroupItem{Kind: GroupTuple, Exprs: r.Items}
	}
	return GroupItem{Kind: GroupExpr, Exprs: []Expr{e}}
}

func (p *parser) orderItems() []OrderItem {
	var out []OrderItem
	for {
		o := OrderItem{Expr: p.expr()}
		if !p.accept("ASC") {
			o.Desc = p.accept("DESC")
		}
		if p.accept("NULLS", "FIRST") {
			o.Nulls = NullsFirst
		} else if p.accept("NULLS", "LAST") {
			o.Nulls = NullsLast
		}
		out = append(out, o)
		if !p.accept(",") {
			return out
		}
	}
}

// hints reads /*+ NAME(args), NAME(args) */ blocks. OPTIONS takes 'k'='v' pairs, all
// others names or strings.
func (p *parser) hints() []Hint {
	var out []Hint
	for p.tok.kind == tokHint {
		t := p.advance()
		inner := newLexer(p.lex.text[:t.end-len("*/")])
		inner.pos, inner.line = t.at.Offset+len("/*+"), t.at.Line
		inner.lineStart = strings.LastIndexByte(inner.text[:t.at.Offset], '\n') + 1
		h := newParser(inner)
		for h.err == nil && h.tok.kind != tokEOF {
			out = append(out, h.hint())
			h.accept(",")
		}
		if h.err != nil && p.err == nil {
			p.err = h.err
			p.fail(t.at, "", "")
		}
	}
	return out
}

func (p *parser) hint() Hint {
	if p.tok.kind != tokWord {
		p.unexpected("the name of a hint, such as OPTIONS")
		return Hint{}
	}
	h := Hint{Name: p.advance().upper}
	if h.Name == "OPTIONS" {
		h.Options = p.options()
		return h
	}
	if !p.accept("(") {
		return h
	}
	for p.err == nil && !p.at(")") {
		if p.tok.kind != tokWord && p.tok.kind != tokString && p.tok.kind != tokQuoted && p.tok.kind != tokNumber && !slices.Contains([]string{".", "="}, p.tok.text) {
			p.unexpected("an argument of hint " + h.Name)
			return h
		}
		if text := p.advance().text; len(h.Args) > 0 && (text == "." || text == "=" || strings.HasSuffix(h.Args[len(h.Args)-1], ".") || strings.HasSuffix(h.Args[len(h.Args)-1], "=")) {
			h.Args[len(h.Args)-1] += text
		} else {
			h.Args = append(h.Args, text)
		}
		p.accept(",")
	}
	p.expect(")")
	return h
}

// options demands ('k' = 'v', ..), possibly empty.
func (p *parser) options() []Option {
	p.expect("(")
	var out []Option
	if p.accept(")") {
		return out
	}
	seen := map[string]bool{}
	for {
		o := Option{At: p.tok.at}
		o.Key = p.stringLit(" (an option's key)")
		if seen[o.Key] {
			p.fail(o.At, "option '"+shorten(o.Key)+"' is given twice", "remove one")
		}
		seen[o.Key] = true
		p.expect("=")
		o.Value = p.stringLit(" (the value of option '" + shorten(o.Key) + "')")
		out = append(out, o)
		if !p.accept(",") {
			break
		}
	}
	p.expect(")")
	return out
}
