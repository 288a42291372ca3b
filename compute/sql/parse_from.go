package sql

// from demands the table expressions of FROM; commas bind looser than joins.
func (p *parser) from() TableRef {
	if !p.enter() {
		return nil
	}
	defer p.leave()
	left := p.joins(p.tablePrimary())
	for n := 0; p.at(","); {
		p.link(&n, "tables")
		at := p.advance().at
		left = &Join{At: at, Kind: JoinComma, Left: left, Right: p.joins(p.tablePrimary())}
	}
	return left
}

// joins continues a table expression with joins.
func (p *parser) joins(left TableRef) TableRef {
	for n := 0; ; {
		j := &Join{At: p.tok.at, Left: left, Kind: JoinInner}
		j.Natural = p.accept("NATURAL")
		switch {
		case p.accept("JOIN") || p.accept("INNER", "JOIN"):
		case p.accept("CROSS", "JOIN"):
			j.Kind = JoinCross
		case p.at("LEFT") || p.at("RIGHT") || p.at("FULL"):
			j.Kind = JoinKind(p.advance().upper)
			p.accept("OUTER")
			p.expect("JOIN")
		default:
			if j.Natural {
				p.unexpected("JOIN")
			}
			return left
		}
		p.link(&n, "joins")
		j.Right = p.tablePrimary()
		p.joinCondition(j)
		left = j
	}
}

// joinCondition reads ON or USING. A join to a table function or UNNEST may go
// without (LEFT JOIN UNNEST(..) ON TRUE is the long form).
func (p *parser) joinCondition(j *Join) {
	switch {
	case j.Kind == JoinCross || j.Natural:
	case p.accept("ON"):
		j.On = p.expr()
	case p.at("USING"):
		p.advance()
		j.Using = p.identList(" of a column")
	default:
		if p.at("JOIN") || p.at("LEFT") || p.at("INNER") || p.at("RIGHT") || p.at("FULL") {
			// a JOIN b JOIN c ON .. ON ..: the inner join is the right side.
			j.Right = p.joins(j.Right)
			p.joinCondition(j)
			return
		}
		p.unexpected("ON or USING (or CROSS JOIN)")
	}
}

func (p *parser) tablePrimary() TableRef {
	if !p.enter() {
		return nil
	}
	defer p.leave()
	at := p.tok.at
	lateral := p.accept("LATERAL")
	switch {
	case p.at("TABLE", "("):
		p.expect("TABLE", "(")
		f := &TableFunc{At: at, Lateral: lateral}
		f.Call = p.tableCall(p.name(" of a table function"))
		p.expect(")")
		f.Alias = p.alias()
		return f
	case p.at("UNNEST", "("):
		return p.unnest(at)
	case p.at("("):
		return p.parenTable(at, lateral)
	}
	n := p.name(" of a table")
	if p.at("(") {
		f := &TableFunc{At: at, Lateral: lateral}
		f.Call = p.tableCall(n)
		f.Alias = p.alias()
		return f
	}
	t := &TableName{Name: n, Hints: p.hints()}
	t.AsOf = p.asOf()
	if t.Hints == nil {
		t.Hints = p.hints()
	}
	t.Alias = p.alias()
	if p.at("MATCH_RECOGNIZE", "(") || p.at("TABLESAMPLE", "(") {
		p.fail(p.tok.at, p.tok.upper+" is not supported", "")
	}
	return t
}

// parenTable is a query or a join in parentheses.
func (p *parser) parenTable(at Pos, lateral bool) TableRef {
	p.expect("(")
	var q *Query
	if p.startsQuery() {
		q = p.query()
	} else {
		inner := p.from()
		d, ok := inner.(*Derived)
		if ok && d.Alias == nil && !d.Lateral && p.continues() {
			q = p.continueQuery(d.Query)
		} else if ok && d.Alias == nil && !d.Lateral {
			q = d.Query // ((query)) alias
		} else {
			p.expect(")")
			if lateral {
				p.fail(at, "LATERAL needs a query, a table function or UNNEST", "")
			}
			return inner
		}
	}
	p.expect(")")
	return &Derived{At: at, Lateral: lateral, Query: q, Alias: p.alias()}
}

func (p *parser) unnest(at Pos) TableRef {
	p.expect("UNNEST", "(")
	u := &Unnest{At: at, Exprs: p.exprList()}
	p.expect(")")
	u.Ordinality = p.accept("WITH", "ORDINALITY")
	u.Alias = p.alias()
	return u
}

// tableCall reads the arguments of a table function: TABLE t, DESCRIPTOR(c) and values.
func (p *parser) tableCall(n Name) *Call {
	c := &Call{Name: n}
	p.expect("(")
	for !p.at(")") && p.err == nil {
		a := Arg{}
		if p.peek(1).is("=>") {
			id := p.part()
			a.Name = &id
			p.advance()
		}
		a.Value = p.tableArg()
		c.Args = append(c.Args, a)
		if !p.accept(",") {
			break
		}
	}
	p.expect(")")
	return c
}

func (p *parser) tableArg() Expr {
	switch {
	case p.at("TABLE"):
		t := &TableArg{At: p.advance().at}
		if p.accept("(") {
			t.Query = p.query()
			p.expect(")")
		} else {
			t.Table = p.name(" of a table")
		}
		if p.accept("PARTITION", "BY") {
			if p.accept("(") {
				t.PartitionBy = p.exprList()
				p.expect(")")
			} else {
				// Without parentheses one column: the comma belongs to the arguments.
				t.PartitionBy = []Expr{p.expr()}
			}
		}
		return t
	case p.at("DESCRIPTOR", "("):
		return p.descriptor()
	}
	return p.expr()
}

func (p *parser) descriptor() Expr {
	return &Descriptor{At: p.advance().at, Columns: p.identList(" of a column")}
}

// asOf reads FOR SYSTEM_TIME AS OF expr or AS OF kind expr.
func (p *parser) asOf() *AsOf {
	if p.accept("FOR", "SYSTEM_TIME") {
		p.expect("AS", "OF")
		return &AsOf{Kind: "SYSTEM_TIME", Value: p.exprAt(precAdditive)}
	}
	if !p.accept("AS", "OF") {
		return nil
	}
	if p.at("TIMESTAMP") && p.peek(1).kind == tokString {
		return &AsOf{Kind: "TIMESTAMP", Value: p.exprAt(precAdditive)}
	}
	kind := p.oneOf("EPOCH", "SNAPSHOT", "TAG", "TIMESTAMP", "WATERMARK")
	return &AsOf{Kind: kind, Value: p.exprAt(precAdditive)}
}

// alias reads [AS] name [(cols)].
func (p *parser) alias() *Alias {
	switch {
	case p.accept("AS"):
	case p.tok.kind == tokQuoted:
	case p.tok.kind == tokWord && !reserved[p.tok.upper] && !p.at("MATCH_RECOGNIZE", "(") && !p.at("TABLESAMPLE", "("):
	default:
		return nil
	}
	a := &Alias{Name: p.ident(" for the table")}
	if p.at("(") {
		a.Columns = p.identList(" of a column")
	}
	return a
}
