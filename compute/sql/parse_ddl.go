package sql

import "strings"

func (p *parser) create(at Pos) Statement {
	orAlter := p.accept("OR", "ALTER")
	if p.at("OR", "REPLACE") {
		p.fail(p.tok.at, "CREATE OR REPLACE is not supported", "DROP the object first")
		return nil
	}
	temporary := p.accept("TEMPORARY")
	switch {
	case p.accept("MATERIALIZED", "TABLE") && !temporary:
		return p.createMaterialized(at, orAlter)
	case orAlter:
		p.unexpected("MATERIALIZED TABLE")
	case p.accept("TABLE"):
		return p.createTable(at, temporary)
	case p.accept("VIEW"):
		v := &CreateView{At: at, Temporary: temporary, IfNotExists: p.ifNotExists(), Name: p.name(" of the view")}
		if p.at("(") {
			v.Columns = p.identList(" of a column")
		}
		v.Comment = p.comment()
		p.expect("AS")
		v.As = p.query()
		return v
	case p.at("DATABASE") && !temporary:
		p.advance()
		d := &CreateDatabase{At: at, IfNotExists: p.ifNotExists(), Name: p.name(" of the database")}
		d.Comment = p.comment()
		if p.accept("WITH") {
			d.Options = p.options()
		}
		return d
	case p.at("CATALOG") || p.at("FUNCTION") || p.at("SYSTEM") || p.at("MODEL"):
		p.fail(p.tok.at, "CREATE "+p.tok.upper+" is not supported", "")
	default:
		p.unexpected("TABLE, MATERIALIZED TABLE, VIEW, DATABASE or TEMPORARY")
	}
	return nil
}

func (p *parser) ifNotExists() bool { return p.accept("IF", "NOT", "EXISTS") }

func (p *parser) comment() string {
	if p.accept("COMMENT") {
		return p.stringLit(" (the comment)")
	}
	return ""
}

// tableElements is what stands between the parentheses of a CREATE or ALTER TABLE.
type tableElements struct {
	columns    []ColumnDef
	watermark  *Watermark
	primaryKey []Ident
}

func (p *parser) createTable(at Pos, temporary bool) Statement {
	c := &CreateTable{At: at, Temporary: temporary, IfNotExists: p.ifNotExists(), Name: p.name(" of the table")}
	if p.accept("(") {
		e := p.elements()
		c.Columns, c.Watermark, c.PrimaryKey = e.columns, e.watermark, e.primaryKey
		p.expect(")")
	}
	for cl := (clauses{&c.Comment, &c.PartitionBy, &c.Distributed, &c.Options}); p.clause(cl); {
	}
	switch {
	case p.accept("LIKE"):
		c.Like = p.likeClause()
		if c.Options == nil && p.accept("WITH") {
			c.Options = p.options()
		}
	case p.accept("AS"):
		c.As = p.query()
	default:
		if p.err == nil && c.Columns == nil {
			p.unexpected("a column list, LIKE or AS")
		}
		p.needTypes(c.Columns)
	}
	return c
}

// needTypes refuses columns without type where no query gives them one.
func (p *parser) needTypes(cols []ColumnDef) {
	for _, col := range cols {
		if col.Type == nil && col.Computed == nil {
			p.fail(col.Name.At, "column '"+col.Name.Text+"' has no type", "write one, such as "+quoteIdent(col.Name.Text)+" STRING")
		}
	}
}

// clauses are the places of the clauses after a table's columns.
type clauses struct {
	comment     *string
	partitionBy *[]Ident
	distributed **Distribution
	options     *[]Option
}

// clause reads one clause if there is one.
func (p *parser) clause(c clauses) bool {
	at := p.tok.at
	switch {
	case p.at("COMMENT"):
		if *c.comment != "" {
			p.duplicate(at, "COMMENT")
		}
		*c.comment = p.comment()
	case p.accept("PARTITIONED", "BY"):
		if *c.partitionBy != nil {
			p.duplicate(at, "PARTITIONED BY")
		}
		*c.partitionBy = p.identList(" of a column")
	case p.accept("DISTRIBUTED"):
		if *c.distributed != nil {
			p.duplicate(at, "DISTRIBUTED")
		}
		*c.distributed = p.distribution()
	case p.accept("WITH"):
		if *c.options != nil {
			p.duplicate(at, "WITH")
		}
		*c.options = p.options()
		if *c.options == nil {
			*c.options = []Option{}
		}
	default:
		return false
	}
	return p.err == nil
}

// maxBuckets bounds DISTRIBUTED INTO, as Paimon stores the number in 32 bits.
const maxBuckets = 1<<31 - 1

func (p *parser) distribution() *Distribution {
	d := &Distribution{At: p.last.at}
	if p.accept("BY") {
		if p.at("HASH") || p.at("RANGE") {
			d.Kind = p.advance().upper
		}
		d.Columns = p.identList(" of a column")
		if !p.accept("INTO") {
			return d
		}
	} else {
		p.expect("INTO")
	}
	d.Buckets = p.number("the number of buckets", 1, maxBuckets)
	p.expect("BUCKETS")
	return d
}

// elements reads columns, watermark and keys up to the closing parenthesis.
func (p *parser) elements() tableElements {
	var e tableElements
	for {
		p.element(&e)
		if !p.accept(",") {
			return e
		}
	}
}

func (p *parser) element(e *tableElements) {
	at := p.tok.at
	switch {
	case p.at("WATERMARK", "FOR"):
		if e.watermark != nil {
			p.duplicate(at, "WATERMARK")
		}
		e.watermark = p.watermark()
	case p.at("CONSTRAINT") && p.peek(2).is("PRIMARY"):
		p.advance()
		p.ident(" of the constraint")
		p.primaryKey(e)
	case p.at("PRIMARY", "KEY"):
		p.primaryKey(e)
	case p.at("UNIQUE", "("):
		p.fail(at, "UNIQUE is not supported", "use PRIMARY KEY (..) NOT ENFORCED")
	default:
		e.columns = append(e.columns, p.column(e))
	}
}

func (p *parser) watermark() *Watermark {
	p.expect("WATERMARK", "FOR")
	w := &Watermark{Column: p.name(" of a column")}
	p.expect("AS")
	w.Expr = p.expr()
	return w
}

func (p *parser) primaryKey(e *tableElements) {
	at := p.tok.at
	p.expect("PRIMARY", "KEY")
	if e.primaryKey != nil {
		p.duplicate(at, "PRIMARY KEY")
	}
	e.primaryKey = p.identList(" of a column")
	p.notEnforced(at)
}

func (p *parser) notEnforced(at Pos) {
	if p.err == nil && !p.accept("NOT", "ENFORCED") {
		p.fail(at, "PRIMARY KEY needs NOT ENFORCED", "write PRIMARY KEY (..) NOT ENFORCED")
	}
}

// column reads one column of a CREATE or ALTER TABLE.
func (p *parser) column(e *tableElements) ColumnDef {
	c := ColumnDef{Name: p.ident(" of a column")}
	if p.at(",") || p.at(")") {
		return c
	}
	if p.accept("AS") {
		c.Computed = p.expr()
		c.Comment = p.comment()
		p.place(&c)
		return c
	}
	t := p.dataType()
	c.Type = &t
	if p.accept("METADATA") {
		c.Metadata = true
		if p.accept("FROM") {
			c.MetaKey = p.stringLit(" (the metadata key)")
		}
		c.Virtual = p.accept("VIRTUAL")
	}
	for p.err == nil {
		at := p.tok.at
		switch {
		case p.accept("PRIMARY", "KEY"):
			if e.primaryKey != nil {
				p.duplicate(at, "PRIMARY KEY")
			}
			e.primaryKey = []Ident{c.Name}
			p.notEnforced(at)
		case p.at("NOT", "NULL") || p.at("NULL"):
			c.Type.Type.NotNull = p.nullability()
		case p.accept("DEFAULT"):
			c.Default = p.exprAt(precAdditive)
		case p.at("COMMENT"):
			c.Comment = p.comment()
		default:
			p.place(&c)
			return c
		}
	}
	return c
}

// place reads FIRST or AFTER column (ALTER TABLE).
func (p *parser) place(c *ColumnDef) {
	if p.accept("FIRST") {
		c.First = true
	} else if p.accept("AFTER") {
		id := p.ident(" of a column")
		c.After = &id
	}
}

func (p *parser) likeClause() *LikeClause {
	l := &LikeClause{Table: p.name(" of a table")}
	if !p.accept("(") {
		return l
	}
	for p.at("INCLUDING") || p.at("EXCLUDING") || p.at("OVERWRITING") {
		o := LikeOption{Mode: p.advance().upper}
		o.What = p.oneOf("ALL", "CONSTRAINTS", "DISTRIBUTION", "GENERATED", "METADATA", "OPTIONS", "PARTITIONS", "WATERMARKS")
		l.Options = append(l.Options, o)
	}
	p.expect(")")
	return l
}

func (p *parser) createMaterialized(at Pos, orAlter bool) Statement {
	m := &CreateMaterializedTable{At: at, OrAlter: orAlter, IfNotExists: p.ifNotExists(), Name: p.name(" of the table")}
	if p.accept("(") {
		e := p.elements()
		m.Columns, m.Watermark, m.PrimaryKey = e.columns, e.watermark, e.primaryKey
		p.expect(")")
	}
	cl := clauses{&m.Comment, &m.PartitionBy, &m.Distributed, &m.Options}
	for p.err == nil {
		clauseAt := p.tok.at
		switch {
		case p.accept("FRESHNESS"):
			if m.Freshness != nil {
				p.duplicate(clauseAt, "FRESHNESS")
			}
			m.Freshness = p.freshness()
		case p.accept("REFRESH_MODE"):
			p.expect("=")
			m.RefreshMode = p.oneOf("FULL", "CONTINUOUS")
		case p.clause(cl):
		case p.accept("AS"):
			m.As = p.query()
			return m
		default:
			p.unexpected("AS and a query")
		}
	}
	return m
}

func (p *parser) freshness() *Interval {
	p.expect("=")
	if !p.at("INTERVAL") {
		p.unexpected("INTERVAL '..' unit")
		return nil
	}
	i, _ := p.interval().(*Interval)
	return i
}

func (p *parser) drop(at Pos) Statement {
	d := &Drop{At: at, Temporary: p.accept("TEMPORARY")}
	if p.at("CATALOG") || p.at("FUNCTION") {
		p.fail(p.tok.at, "DROP "+strings.ToUpper(p.tok.text)+" is not supported", "")
		return d
	}
	d.Kind = p.objectKind(KindTable, KindView, KindDatabase, KindMaterializedTable)
	d.IfExists = p.accept("IF", "EXISTS")
	d.Name = p.name("")
	if d.Kind == KindDatabase {
		if d.Cascade = p.accept("CASCADE"); !d.Cascade {
			p.accept("RESTRICT")
		}
	}
	return d
}
