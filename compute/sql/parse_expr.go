package sql

import "fmt"

// Binding strength, weakest first, as in Flink's planner: IS binds weaker than a
// comparison, LIKE, IN and BETWEEN stronger.
const (
	precOr = iota + 1
	precAnd
	precNot
	precIs
	precCompare
	precLike
	precAdditive
	precMultiply
	precUnary
)

// expr demands an expression.
func (p *parser) expr() Expr { return p.exprAt(precOr) }

// exprAt demands an expression whose operators bind at least as strong as prec.
func (p *parser) exprAt(prec int) Expr {
	if !p.enter() {
		return nil
	}
	defer p.leave()
	left := p.prefix()
	for n := 0; ; {
		next, ok := p.infix(left, prec)
		if !ok {
			return left
		}
		p.link(&n, "operators")
		left = next
	}
}

func (p *parser) prefix() Expr {
	switch {
	case p.at("NOT"):
		at := p.advance().at
		return &Unary{At: at, Op: "NOT", X: p.exprAt(precIs)}
	case p.at("-") || p.at("+"):
		t := p.advance()
		return &Unary{At: t.at, Op: t.text, X: p.exprAt(precUnary)}
	}
	return p.postfix(p.primary())
}

// postfix reads x[i] and x.field.
func (p *parser) postfix(x Expr) Expr {
	for n := 0; ; {
		switch {
		case p.at("["):
			p.link(&n, "subscripts")
			p.advance()
			x = &Index{X: x, I: p.expr()}
			p.expect("]")
		case p.at("."):
			p.link(&n, "fields")
			p.advance()
			x = &Field{X: x, Name: p.part()}
		default:
			return x
		}
	}
}

var binaryPrec = map[string]int{
	"OR": precOr, "AND": precAnd,
	"=": precCompare, "<>": precCompare, "<": precCompare, "<=": precCompare, ">": precCompare, ">=": precCompare,
	"OVERLAPS": precCompare,
	"+":        precAdditive, "-": precAdditive,
	"*": precMultiply, "/": precMultiply, "%": precMultiply, "||": precMultiply,
}

// infix continues left with one operator that binds at least as strong as prec.
func (p *parser) infix(left Expr, prec int) (Expr, bool) {
	op := p.tok.text
	if p.tok.kind == tokWord {
		op = p.tok.upper
	} else if p.tok.kind != tokSymbol {
		return nil, false
	}
	if bp, ok := binaryPrec[op]; ok {
		if bp < prec {
			return nil, false
		}
		at := p.advance().at
		if bp == precCompare && (p.at("ANY", "(") || p.at("SOME", "(") || p.at("ALL", "(")) {
			return p.quantified(at, left, op), true
		}
		return &Binary{At: at, Op: op, L: left, R: p.exprAt(bp + 1)}, true
	}
	switch {
	case op == "IS" && prec <= precIs:
		return p.is(left), true
	case prec > precLike:
		return nil, false
	case op == "BETWEEN" || op == "IN" || op == "LIKE" || op == "SIMILAR" || op == "ILIKE" || op == "RLIKE":
		return p.likeOp(left, false), true
	case op == "NOT" && (p.at("NOT", "BETWEEN") || p.at("NOT", "IN") || p.at("NOT", "LIKE") || p.at("NOT", "SIMILAR")):
		return p.likeOp(left, true), true
	}
	return nil, false
}

// is reads IS [NOT] NULL|TRUE|FALSE|UNKNOWN|JSON .. |DISTINCT FROM x.
func (p *parser) is(left Expr) Expr {
	at := p.advance().at
	not := p.accept("NOT")
	if p.accept("DISTINCT", "FROM") {
		op := "IS DISTINCT FROM"
		if not {
			op = "IS NOT DISTINCT FROM"
		}
		return &Binary{At: at, Op: op, L: left, R: p.exprAt(precAdditive)}
	}
	if p.accept("JSON") {
		what := "JSON"
		if p.at("VALUE") || p.at("SCALAR") || p.at("ARRAY") || p.at("OBJECT") {
			what += " " + p.advance().upper
		}
		return &Is{X: left, Not: not, What: what}
	}
	return &Is{X: left, Not: not, What: p.oneOf("NULL", "TRUE", "FALSE", "UNKNOWN", "DISTINCT", "JSON")}
}

func (p *parser) likeOp(left Expr, not bool) Expr {
	at := p.tok.at
	if not {
		p.advance()
	}
	switch word := p.advance(); word.upper {
	case "BETWEEN":
		b := &Between{X: left, Not: not}
		if b.Symmetric = p.accept("SYMMETRIC"); !b.Symmetric {
			p.accept("ASYMMETRIC")
		}
		b.Lo = p.exprAt(precAdditive)
		p.expect("AND")
		b.Hi = p.exprAt(precAdditive)
		return b
	case "IN":
		return p.in(at, left, not)
	case "ILIKE", "RLIKE":
		p.fail(word.at, word.upper+" is not supported", "use LIKE with LOWER(), or REGEXP(value, pattern)")
		return nil
	default:
		l := &Like{At: at, X: left, Not: not, Similar: word.upper == "SIMILAR"}
		if l.Similar {
			p.expect("TO")
		}
		l.Pattern = p.exprAt(precAdditive)
		if p.accept("ESCAPE") {
			l.Escape = p.exprAt(precAdditive)
		}
		return l
	}
}

func (p *parser) in(at Pos, left Expr, not bool) Expr {
	in := &In{At: at, X: left, Not: not}
	p.expect("(")
	if p.startsQuery() {
		in.Query = p.query()
	} else {
		in.List = p.exprList()
		if s, ok := in.List[0].(*Subquery); ok && len(in.List) == 1 {
			in.List, in.Query = nil, s.Query
			if p.continues() {
				in.Query = p.continueQuery(s.Query)
			}
		}
	}
	p.expect(")")
	return in
}

func (p *parser) quantified(at Pos, left Expr, op string) Expr {
	q := &Quantified{At: at, X: left, Op: op}
	q.All = p.advance().upper == "ALL"
	p.expect("(")
	q.Query = p.query()
	p.expect(")")
	return q
}

func (p *parser) primary() Expr {
	t := p.tok
	switch t.kind {
	case tokNumber, tokApprox, tokString, tokBytes:
		p.advance()
		kind := map[tokenKind]LiteralKind{tokNumber: LitNumber, tokApprox: LitApprox, tokString: LitString, tokBytes: LitBytes}[t.kind]
		return &Literal{At: t.at, Kind: kind, Text: t.text}
	case tokParam:
		p.advance()
		if t.text != "" {
			return &Param{At: t.at, Name: t.text}
		}
		p.params++
		return &Param{At: t.at, Index: p.params - 1}
	case tokQuoted:
		return p.nameOrCall()
	case tokWord:
		return p.wordPrimary()
	}
	switch {
	case p.at("("):
		return p.paren()
	case p.at("*"):
		p.fail(t.at, "unexpected '*', expected an expression", "* stands alone in SELECT or COUNT(*)")
	default:
		p.unexpected("an expression")
	}
	return nil
}

// paren is a subquery, a row or an expression in parentheses.
func (p *parser) paren() Expr {
	at := p.advance().at
	if p.startsQuery() {
		q := p.query()
		p.expect(")")
		return &Subquery{Query: q}
	}
	items := p.exprList()
	if s, ok := items[0].(*Subquery); ok && len(items) == 1 && p.continues() {
		items[0] = &Subquery{Query: p.continueQuery(s.Query)}
	}
	p.expect(")")
	if len(items) == 1 {
		return items[0]
	}
	return &Row{At: at, Items: items}
}

// nameOrCall is a column, a qualified star or a function call.
func (p *parser) nameOrCall() Expr {
	first := p.part()
	n := Name{first}
	for p.at(".") && len(n) < maxNameParts {
		if p.peek(1).is("*") {
			p.advance()
			p.advance()
			return &Star{At: first.At, Qualifier: n}
		}
		p.advance()
		n = append(n, p.part())
	}
	if p.at("(") {
		return p.call(n)
	}
	return &ColumnRef{Name: n}
}

var callableReserved = words("LEFT RIGHT GROUPING ANY SOME")

var noParens = words("CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP CURRENT_ROW_TIMESTAMP LOCALTIME LOCALTIMESTAMP")

// wordPrimary is a keyword's special form, or a name.
func (p *parser) wordPrimary() Expr {
	t := p.tok
	if form, ok := p.specialForm(t.upper); ok {
		return form()
	}
	if noParens[t.upper] {
		p.advance()
		c := &Call{Name: Name{{Text: t.text, At: t.at}}, NoParens: true}
		if p.accept("(") {
			if p.tok.kind == tokNumber {
				p.advance() // the precision is Flink's default whatever is asked for
			}
			p.expect(")")
		}
		return c
	}
	if reserved[t.upper] && !(callableReserved[t.upper] && p.peek(1).is("(")) {
		p.unexpected("an expression")
		return nil
	}
	return p.nameOrCall()
}

// call reads the arguments and clauses of a function call; the current token is its parenthesis.
func (p *parser) call(n Name) *Call {
	c := &Call{Name: n}
	p.expect("(")
	switch {
	case p.at("*"):
		p.advance()
		c.Star = true
	case p.at(")"):
	default:
		if !p.accept("ALL") {
			c.Distinct = p.accept("DISTINCT")
		}
		c.Args = p.args()
		if p.accept("ORDER", "BY") {
			c.OrderBy = p.orderItems()
		}
	}
	p.nullTreatment(c)
	p.expect(")")
	p.callClauses(c)
	return c
}

func (p *parser) args() []Arg {
	var out []Arg
	for {
		a := Arg{}
		if (p.tok.kind == tokWord || p.tok.kind == tokQuoted) && p.peek(1).is("=>") {
			id := p.part()
			a.Name = &id
			p.advance()
		}
		a.Value = p.argument()
		out = append(out, a)
		if !p.accept(",") {
			return out
		}
	}
}

// argument is an expression or what only arguments may be: DESCRIPTOR(..), TABLE t.
func (p *parser) argument() Expr {
	if p.at("DESCRIPTOR", "(") || p.at("TABLE") && !p.startsQuery() || p.at("TABLE") && p.peek(1).kind != tokSymbol {
		return p.tableArg()
	}
	if p.startsQuery() {
		return &Subquery{Query: p.query()}
	}
	return p.expr()
}

func (p *parser) nullTreatment(c *Call) {
	if p.accept("IGNORE", "NULLS") {
		c.IgnoreNulls = true
	} else if p.accept("RESPECT", "NULLS") {
		c.RespectNulls = true
	}
}

// callClauses reads WITHIN GROUP, FILTER, null treatment and OVER.
func (p *parser) callClauses(c *Call) {
	if p.accept("WITHIN", "GROUP") {
		p.expect("(", "ORDER", "BY")
		c.WithinGroup = p.orderItems()
		p.expect(")")
	}
	p.nullTreatment(c)
	if p.accept("FILTER") {
		p.expect("(", "WHERE")
		c.Filter = p.expr()
		p.expect(")")
	}
	if !p.at("OVER") {
		return
	}
	at := p.advance().at
	if p.at("(") {
		c.Over = p.windowParens()
		c.Over.At = at
		return
	}
	id := p.ident(" of a window")
	c.Over = &WindowSpec{At: at, Name: &id}
}

// windowParens reads ([base] [PARTITION BY ..] [ORDER BY ..] [frame]).
func (p *parser) windowParens() *WindowSpec {
	w := &WindowSpec{At: p.tok.at}
	p.expect("(")
	if p.tok.kind == tokQuoted || p.tok.kind == tokWord && !reserved[p.tok.upper] && !p.at("ROWS") && !p.at("RANGE") {
		id := p.ident("")
		w.Base = &id
	}
	if p.accept("PARTITION", "BY") {
		w.PartitionBy = p.exprList()
	}
	if p.accept("ORDER", "BY") {
		w.OrderBy = p.orderItems()
	}
	if p.at("ROWS") || p.at("RANGE") {
		f := &Frame{Rows: p.advance().upper == "ROWS", End: FrameBound{Kind: CurrentRow}}
		if p.accept("BETWEEN") {
			f.Start = p.frameBound()
			p.expect("AND")
			f.End = p.frameBound()
		} else {
			f.Start = p.frameBound()
		}
		w.Frame = f
	}
	p.expect(")")
	return w
}

func (p *parser) frameBound() FrameBound {
	switch {
	case p.accept("UNBOUNDED", "PRECEDING"):
		return FrameBound{Kind: UnboundedPreceding}
	case p.accept("UNBOUNDED", "FOLLOWING"):
		return FrameBound{Kind: UnboundedFollowing}
	case p.accept("CURRENT", "ROW"):
		return FrameBound{Kind: CurrentRow}
	}
	b := FrameBound{Kind: Preceding, Offset: p.exprAt(precAdditive)}
	if p.oneOf("PRECEDING", "FOLLOWING") == "FOLLOWING" {
		b.Kind = Following
	}
	return b
}

// duplicate says that a clause is there twice.
func (p *parser) duplicate(at Pos, clause string) {
	p.fail(at, fmt.Sprintf("%s is given twice", clause), "remove one")
}
