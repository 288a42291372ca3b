package sql

import "strings"

// statementWords begin a statement.
var statementWords = strings.Fields(`SELECT WITH VALUES CREATE DROP ALTER INSERT UPDATE DELETE USE SHOW DESCRIBE DESC EXPLAIN SET RESET CALL
EXECUTE BEGIN TRUNCATE STOP`)

func (p *parser) statement() Statement {
	at := p.tok.at
	switch {
	case p.startsQuery() || p.at("("):
		return &QueryStatement{Query: p.query()}
	case p.accept("CREATE"):
		return p.create(at)
	case p.accept("DROP"):
		return p.drop(at)
	case p.accept("ALTER"):
		return p.alter(at)
	case p.at("INSERT"):
		return p.insert()
	case p.accept("DELETE"):
		p.expect("FROM")
		d := &Delete{At: at, Table: p.name(" of a table")}
		if p.accept("WHERE") {
			d.Where = p.expr()
		}
		return d
	case p.accept("UPDATE"):
		return p.update(at)
	case p.accept("USE"):
		return &Use{At: at, Catalog: p.accept("CATALOG"), Name: p.name(" of a database")}
	case p.accept("SHOW"):
		return p.show(at)
	case p.accept("DESCRIBE") || p.accept("DESC"):
		return p.describe(at)
	case p.accept("EXPLAIN"):
		return p.explain(at)
	case p.accept("SET"):
		return p.set(at)
	case p.accept("RESET"):
		r := &Reset{At: at}
		if p.tok.kind == tokString {
			r.Key = p.advance().text
		}
		return r
	case p.accept("CALL"):
		c := &CallProcedure{At: at, Name: p.name(" of a procedure")}
		p.expect("(")
		if !p.at(")") {
			c.Args = p.args()
		}
		p.expect(")")
		return c
	case p.accept("EXECUTE", "STATEMENT", "SET") || p.accept("STATEMENT", "SET"):
		return p.statementSet(at)
	case p.at("BEGIN", "STATEMENT", "SET"):
		return p.statementSet(at)
	case p.accept("EXECUTE"):
		return p.executed(at)
	case p.accept("TRUNCATE"):
		p.expect("TABLE")
		return &Truncate{At: at, Table: p.name(" of a table")}
	case p.accept("STOP"):
		p.expect("JOB")
		s := &StopJob{At: at, ID: p.stringLit(" (the job's id)")}
		s.Savepoint = p.accept("WITH", "SAVEPOINT")
		s.Drain = p.accept("WITH", "DRAIN")
		return s
	}
	p.unknownStatement()
	return nil
}

// executed is the statement after EXECUTE, which must be an INSERT or a query.
func (p *parser) executed(at Pos) Statement {
	if p.at("INSERT") {
		ins := p.insert()
		ins.At = at
		return ins
	}
	if p.startsQuery() {
		q := p.query()
		q.At = at
		return &QueryStatement{Query: q}
	}
	p.unexpected("INSERT, a query or STATEMENT SET")
	return nil
}

func (p *parser) unknownStatement() {
	hint := ""
	if p.tok.kind == tokWord {
		if near := Nearest(p.tok.upper, statementWords); near != "" {
			hint = "did you mean " + near + "?"
		}
	}
	p.fail(p.tok.at, "unexpected "+p.tok.describe()+", expected a statement (SELECT, CREATE, INSERT, ..)", hint)
}

func (p *parser) insert() *Insert {
	ins := &Insert{At: p.tok.at}
	p.expect("INSERT")
	if p.accept("OVERWRITE") {
		ins.Overwrite = true
		p.accept("INTO")
	} else {
		p.expect("INTO")
	}
	p.accept("TABLE")
	ins.Table = p.name(" of a table")
	ins.Hints = p.hints()
	if p.at("PARTITION") {
		ins.Partition = p.partitionSpec()
	}
	if p.at("(") && !p.parenQuery() {
		ins.Columns = p.identList(" of a column")
	}
	ins.Query = p.query()
	return ins
}

// parenQuery reports whether the current parenthesis opens a query and not a column list.
func (p *parser) parenQuery() bool {
	n := 1
	for p.peek(n).is("(") && n <= maxDepth {
		n++
	}
	t := p.peek(n)
	return t.is("SELECT") || t.is("WITH") || t.is("VALUES") || t.is("TABLE")
}

// partitionSpec reads PARTITION (a = 1, b).
func (p *parser) partitionSpec() []PartitionValue {
	p.expect("PARTITION", "(")
	var out []PartitionValue
	for {
		v := PartitionValue{Column: p.ident(" of a partition column")}
		if p.accept("=") {
			v.Value = p.expr()
		}
		out = append(out, v)
		if !p.accept(",") {
			break
		}
	}
	p.expect(")")
	return out
}

func (p *parser) update(at Pos) Statement {
	u := &Update{At: at, Table: p.name(" of a table")}
	p.expect("SET")
	for {
		a := Assignment{Column: p.ident(" of a column")}
		p.expect("=")
		a.Value = p.expr()
		u.Sets = append(u.Sets, a)
		if !p.accept(",") {
			break
		}
	}
	if p.accept("WHERE") {
		u.Where = p.expr()
	}
	return u
}

// statementSet reads BEGIN insert; .. END, also in the older form BEGIN STATEMENT SET; .. END.
func (p *parser) statementSet(at Pos) Statement {
	s := &StatementSet{At: at}
	p.expect("BEGIN")
	if p.accept("STATEMENT", "SET") {
		p.expect(";")
	}
	for p.err == nil && !p.at("END") {
		if p.accept(";") {
			continue
		}
		if !p.at("INSERT") {
			p.unexpected("INSERT or END in the statement set")
			return s
		}
		s.Inserts = append(s.Inserts, p.insert())
		if !p.at("END") {
			p.expect(";")
		}
	}
	if p.err == nil && len(s.Inserts) == 0 {
		p.fail(p.tok.at, "the statement set is empty", "put at least one INSERT between BEGIN and END")
	}
	p.expect("END")
	return s
}

func (p *parser) set(at Pos) Statement {
	s := &Set{At: at}
	if p.tok.kind == tokEOF || p.at(";") {
		return s
	}
	if p.tok.kind == tokWord {
		p.fail(p.tok.at, "the key of SET needs quotes", "write SET 'key' = 'value'")
		return s
	}
	s.Key = p.stringLit(" (the key)")
	if s.Key == "" {
		p.fail(p.last.at, "the key of SET is empty", "write SET 'key' = 'value'")
	}
	p.expect("=")
	s.Value = p.stringLit(" (the value)")
	return s
}

func (p *parser) explain(at Pos) Statement {
	e := &Explain{At: at}
	for p.at("ESTIMATED_COST") || p.at("CHANGELOG_MODE") || p.at("JSON_EXECUTION_PLAN") || p.at("PLAN_ADVICE") {
		e.Details = append(e.Details, p.advance().upper)
		if !p.accept(",") {
			break
		}
	}
	p.accept("PLAN", "FOR")
	if !p.enter() {
		return e
	}
	defer p.leave()
	e.Statement = p.statement()
	return e
}

func (p *parser) describe(at Pos) Statement {
	d := &Describe{At: at, Kind: KindTable}
	for _, k := range []ObjectKind{KindDatabase, KindJob, KindCatalog, KindFunction, KindView, KindTable} {
		if next := p.peek(1); p.at(string(k)) && (next.kind == tokWord || next.kind == tokQuoted || next.kind == tokString) {
			p.advance()
			d.Kind = k
			break
		}
	}
	if p.at("EXTENDED") && (p.peek(1).kind == tokWord || p.peek(1).kind == tokQuoted) {
		p.advance()
		d.Extended = true
	}
	if d.Kind == KindJob && p.tok.kind == tokString {
		t := p.advance()
		d.Name = Name{{Text: t.text, At: t.at}}
		return d
	}
	d.Name = p.name("")
	return d
}

func (p *parser) show(at Pos) Statement {
	s := &Show{At: at}
	switch {
	case p.accept("CREATE"):
		kind := p.objectKind(KindTable, KindView, KindMaterializedTable, KindCatalog)
		s.What = "CREATE " + string(kind)
		s.Name = p.name("")
		return s
	case p.accept("CURRENT"):
		s.What = "CURRENT " + p.oneOf("DATABASE", "CATALOG")
		return s
	case p.accept("MATERIALIZED"):
		p.expect("TABLES")
		s.What = "MATERIALIZED TABLES"
	case p.accept("USER"):
		p.expect("FUNCTIONS")
		s.What = "FUNCTIONS"
	case p.accept("PARTITIONS"):
		s.What = "PARTITIONS"
		s.Name = p.name(" of a table")
		return s
	default:
		s.What = p.oneOf("TABLES", "DATABASES", "VIEWS", "JOBS", "FUNCTIONS", "COLUMNS", "CATALOGS", "PROCEDURES", "CREATE", "PARTITIONS", "CURRENT", "MATERIALIZED")
	}
	if p.accept("FROM") || p.accept("IN") {
		s.Name = p.name("")
	} else if s.What == "COLUMNS" {
		p.unexpected("FROM or IN")
	}
	s.NotLike = p.at("NOT") && p.accept("NOT")
	if p.at("LIKE") || p.at("ILIKE") || s.NotLike {
		s.ILike = p.oneOf("LIKE", "ILIKE") == "ILIKE"
		text := p.stringLit(" (the pattern)")
		s.Like = &text
	}
	return s
}

// objectKind demands one of the kinds.
func (p *parser) objectKind(kinds ...ObjectKind) ObjectKind {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		if p.accept(strings.Fields(string(k))...) {
			return k
		}
		names[i] = string(k)
	}
	p.unexpected(orList(names))
	return ""
}
