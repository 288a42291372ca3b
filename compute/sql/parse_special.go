package sql

import "strings"

// specialForm returns the reader of a keyword's own syntax, if the coming tokens are one.
func (p *parser) specialForm(word string) (func() Expr, bool) {
	switch word {
	case "CASE":
		return p.caseExpr, true
	case "TRUE":
		return p.constant(LitTrue), true
	case "FALSE":
		return p.constant(LitFalse), true
	case "NULL":
		return p.constant(LitNull), true
	case "UNKNOWN":
		return p.constant(LitUnknown), true
	case "INTERVAL":
		return p.interval, true
	}
	next := p.peek(1)
	switch {
	case next.kind == tokString:
		switch word {
		case "DATE":
			return p.prefixed(LitDate), true
		case "TIME":
			return p.prefixed(LitTime), true
		case "TIMESTAMP":
			return p.prefixed(LitTimestamp), true
		}
	case next.is("["):
		switch word {
		case "ARRAY":
			return p.arrayExpr, true
		case "MAP":
			return p.mapExpr, true
		}
	case next.is("("):
		form, ok := p.functionForm(word)
		return form, ok
	}
	return nil, false
}

// specialNames are the functions whose arguments have a syntax of their own, and the
// words that begin an expression when a parenthesis follows.
var specialNames = words(`CAST TRY_CAST EXISTS EXTRACT POSITION SUBSTRING TRIM OVERLAY CEIL CEILING FLOOR TIMESTAMPADD TIMESTAMPDIFF ROW ARRAY JSON_VALUE UNNEST
DESCRIPTOR TABLE`)

func (p *parser) functionForm(word string) (func() Expr, bool) {
	switch word {
	case "CAST", "TRY_CAST":
		return p.cast, true
	case "EXISTS":
		return p.exists, true
	case "EXTRACT":
		return p.extract, true
	case "POSITION":
		return p.position, true
	case "SUBSTRING":
		return p.substring, true
	case "TRIM":
		return p.trim, true
	case "OVERLAY":
		return p.overlay, true
	case "CEIL", "CEILING", "FLOOR":
		return p.roundTo, true
	case "TIMESTAMPADD", "TIMESTAMPDIFF":
		return p.timestampFunc, true
	case "JSON_VALUE":
		return p.jsonValue, true
	case "ROW":
		return p.rowExpr, true
	case "ARRAY":
		return p.arrayExpr, true
	}
	return nil, false
}

func (p *parser) constant(kind LiteralKind) func() Expr {
	return func() Expr { return &Literal{At: p.advance().at, Kind: kind} }
}

func (p *parser) prefixed(kind LiteralKind) func() Expr {
	return func() Expr {
		at := p.advance().at
		return &Literal{At: at, Kind: kind, Text: p.advance().text}
	}
}

func (p *parser) caseExpr() Expr {
	c := &Case{At: p.advance().at}
	if !p.at("WHEN") {
		c.Operand = p.expr()
	}
	for p.accept("WHEN") {
		w := When{Cond: p.expr()}
		p.expect("THEN")
		w.Then = p.expr()
		c.Whens = append(c.Whens, w)
	}
	if len(c.Whens) == 0 {
		p.unexpected("WHEN")
	}
	if p.accept("ELSE") {
		c.Else = p.expr()
	}
	if !p.accept("END") {
		p.unexpected("WHEN, ELSE or END of the CASE")
	}
	return c
}

func (p *parser) cast() Expr {
	t := p.advance()
	c := &Cast{At: t.at, Try: t.upper == "TRY_CAST"}
	p.expect("(")
	c.X = p.expr()
	p.expect("AS")
	c.Type = p.dataType()
	p.expect(")")
	return c
}

func (p *parser) exists() Expr {
	e := &Exists{At: p.advance().at}
	p.expect("(")
	e.Query = p.query()
	p.expect(")")
	return e
}

// open passes a function's name and parenthesis.
func (p *parser) open() *Call {
	t := p.advance()
	p.expect("(")
	return &Call{Name: Name{{Text: t.text, At: t.at}}}
}

// add appends positional arguments.
func (c *Call) add(values ...Expr) *Call {
	for _, v := range values {
		c.Args = append(c.Args, Arg{Value: v})
	}
	return c
}

// rest reads ", expr .." up to the closing parenthesis, then the clauses.
func (p *parser) rest(c *Call) Expr {
	for p.accept(",") {
		c.add(p.expr())
	}
	p.expect(")")
	p.callClauses(c)
	return c
}

func (p *parser) extract() Expr {
	c := p.open()
	c.add(p.unitSymbol())
	p.expect("FROM")
	return p.rest(c.add(p.expr()))
}

func (p *parser) position() Expr {
	c := p.open()
	// IN is the separator here, so the first operand stops before comparisons.
	c.add(p.exprAt(precAdditive))
	if p.accept("IN") {
		c.add(p.expr())
		if p.accept("FROM") {
			c.add(p.expr())
		}
	}
	return p.rest(c)
}

func (p *parser) substring() Expr {
	c := p.open()
	c.add(p.expr())
	if p.accept("FROM") {
		c.add(p.expr())
		if p.accept("FOR") {
			c.add(p.expr())
		}
	}
	return p.rest(c)
}

func (p *parser) trim() Expr {
	c := p.open()
	switch {
	case p.at("BOTH") || p.at("LEADING") || p.at("TRAILING"):
		t := p.advance()
		c.add(&Symbol{At: t.at, Text: t.upper})
		if p.accept("FROM") {
			return p.rest(c.add(nil, p.expr()))
		}
		c.add(p.expr())
		p.expect("FROM")
		return p.rest(c.add(p.expr()))
	default:
		at := p.tok.at
		x := p.expr()
		if p.accept("FROM") {
			return p.rest(c.add(&Symbol{At: at, Text: "BOTH"}, x, p.expr()))
		}
		return p.rest(c.add(x))
	}
}

func (p *parser) overlay() Expr {
	c := p.open()
	c.add(p.expr())
	if p.accept("PLACING") {
		c.add(p.expr())
		p.expect("FROM")
		c.add(p.expr())
		if p.accept("FOR") {
			c.add(p.expr())
		}
	}
	return p.rest(c)
}

// roundTo is FLOOR|CEIL(x [TO unit]).
func (p *parser) roundTo() Expr {
	c := p.open()
	c.add(p.expr())
	if p.accept("TO") {
		c.add(p.unitSymbol())
	}
	return p.rest(c)
}

func (p *parser) timestampFunc() Expr {
	c := p.open()
	return p.rest(c.add(p.unitSymbol()))
}

// jsonValue is JSON_VALUE(x, path [RETURNING type]); RETURNING becomes a TRY_CAST,
// because a value of another type is NULL by default.
func (p *parser) jsonValue() Expr {
	c := p.open()
	c.add(p.expr())
	p.expect(",")
	c.add(p.expr())
	var ret *DataType
	if p.accept("RETURNING") {
		t := p.dataType()
		ret = &t
	}
	p.accept("NULL", "ON", "EMPTY")
	p.accept("NULL", "ON", "ERROR")
	if p.at("DEFAULT") || p.at("ERROR") {
		p.fail(p.tok.at, "JSON_VALUE with "+p.tok.upper+" ON EMPTY|ERROR is not supported", "use COALESCE(JSON_VALUE(..), default)")
	}
	x := p.rest(c)
	if ret == nil {
		return x
	}
	return &Cast{At: c.Name.Pos(), X: x, Type: *ret, Try: true}
}

func (p *parser) rowExpr() Expr {
	r := &Row{At: p.advance().at, Explicit: true}
	p.expect("(")
	r.Items = p.exprList()
	p.expect(")")
	return r
}

func (p *parser) arrayExpr() Expr {
	a := &Array{At: p.advance().at}
	if p.accept("(") {
		a.Query = p.query()
		p.expect(")")
		return a
	}
	a.Items = p.brackets()
	return a
}

func (p *parser) mapExpr() Expr {
	m := &Map{At: p.advance().at}
	m.Items = p.brackets()
	if len(m.Items)%2 != 0 {
		p.fail(m.At, "MAP has a key without a value", "write MAP[key, value, ..]")
	}
	return m
}

func (p *parser) brackets() []Expr {
	p.expect("[")
	var items []Expr
	if !p.at("]") {
		items = p.exprList()
	}
	p.expect("]")
	return items
}

// units by their singular; plurals are accepted as Flink does.
var units = words(`YEAR QUARTER MONTH WEEK DAY HOUR MINUTE SECOND MILLISECOND MICROSECOND NANOSECOND
DOW ISODOW DOY ISOYEAR EPOCH CENTURY DECADE MILLENNIUM`)

func (p *parser) unit() string {
	if p.tok.kind == tokWord {
		for _, u := range []string{p.tok.upper, strings.TrimSuffix(p.tok.upper, "S")} {
			if units[u] {
				p.advance()
				return u
			}
		}
	}
	p.unexpected("a unit such as SECOND, MINUTE, HOUR, DAY, MONTH or YEAR")
	return ""
}

func (p *parser) unitSymbol() Expr {
	at := p.tok.at
	return &Symbol{At: at, Text: p.unit()}
}

// interval is INTERVAL [-] 'value' unit [TO unit].
func (p *parser) interval() Expr {
	i := &Interval{At: p.advance().at}
	if p.accept("-") {
		i.Negative = true
	} else {
		p.accept("+")
	}
	if p.tok.kind == tokNumber {
		p.fail(p.tok.at, "the value of INTERVAL needs quotes", "write INTERVAL '"+p.tok.text+"' "+p.peek(1).upper)
		return i
	}
	i.Value = p.stringLit(" (the value of INTERVAL)")
	unitAt := p.tok.at
	i.From = p.unit()
	if p.accept("(") {
		i.Precision = p.number("the precision of "+i.From, 1, maxTimePrecision)
		if i.From == "SECOND" && p.accept(",") {
			i.FracPrecision = p.number("the fraction digits of SECOND", 0, maxTimePrecision)
		}
		p.expect(")")
	}
	if p.at("TO") {
		p.advance()
		i.To = p.unit()
		i.FracPrecision = p.optionalNumber("the fraction digits of "+i.To, 0, 0, maxTimePrecision)
	}
	if p.err == nil && !intervalUnits[i.From] || i.To != "" && !intervalRanges[i.From+" "+i.To] {
		p.fail(unitAt, "INTERVAL cannot have the unit "+strings.TrimSuffix(i.From+" TO "+i.To, " TO "), "use YEAR, MONTH, DAY, HOUR, MINUTE, SECOND or a range such as DAY TO SECOND")
	}
	return i
}

var intervalUnits = words("YEAR QUARTER MONTH WEEK DAY HOUR MINUTE SECOND")

var intervalRanges = map[string]bool{
	"YEAR MONTH": true, "DAY HOUR": true, "DAY MINUTE": true, "DAY SECOND": true,
	"HOUR MINUTE": true, "HOUR SECOND": true, "MINUTE SECOND": true,
}
