package sql

import (
	"strconv"
	"strings"

	"github.com/weir-lake/weir/table/schema"
)

// Format prints a statement as text that parses to the same tree, in Flink's spelling.
func Format(s Statement) string {
	p := &printer{}
	p.statement(s)
	return p.String()
}

// FormatQuery prints a query.
func FormatQuery(q *Query) string {
	p := &printer{}
	p.query(q)
	return p.String()
}

// FormatExpr prints an expression.
func FormatExpr(e Expr) string {
	p := &printer{}
	p.expr(e, precOr)
	return p.String()
}

// QuoteIdent is the name in backquotes, where it needs them.
func QuoteIdent(s string) string { return quoteIdent(s) }

type printer struct{ strings.Builder }

// w writes the parts.
func (p *printer) w(parts ...string) {
	for _, s := range parts {
		p.WriteString(s)
	}
}

// list writes n items with a separator.
func (p *printer) list(n int, sep string, item func(i int)) {
	for i := range n {
		if i > 0 {
			p.w(sep)
		}
		item(i)
	}
}

func (p *printer) idents(ids []Ident) {
	p.w("(")
	p.list(len(ids), ", ", func(i int) { p.w(quoteIdent(ids[i].Text)) })
	p.w(")")
}

func (p *printer) options(opts []Option) {
	p.w("(")
	p.list(len(opts), ", ", func(i int) { p.w(quoteString(opts[i].Key), " = ", quoteString(opts[i].Value)) })
	p.w(")")
}

// opt writes the text if the condition holds.
func (p *printer) opt(cond bool, text string) {
	if cond {
		p.w(text)
	}
}

func (p *printer) statement(s Statement) {
	switch s := s.(type) {
	case *QueryStatement:
		p.query(s.Query)
	case *CreateTable:
		p.createTable(s)
	case *CreateMaterializedTable:
		p.createMaterialized(s)
	case *CreateView:
		p.w("CREATE ")
		p.opt(s.Temporary, "TEMPORARY ")
		p.w("VIEW ")
		p.opt(s.IfNotExists, "IF NOT EXISTS ")
		p.w(s.Name.String())
		if s.Columns != nil {
			p.w(" ")
			p.idents(s.Columns)
		}
		p.comment(s.Comment)
		p.w(" AS ")
		p.query(s.As)
	case *CreateDatabase:
		p.w("CREATE DATABASE ")
		p.opt(s.IfNotExists, "IF NOT EXISTS ")
		p.w(s.Name.String())
		p.comment(s.Comment)
		if s.Options != nil {
			p.w(" WITH ")
			p.options(s.Options)
		}
	case *Drop:
		p.w("DROP ")
		p.opt(s.Temporary, "TEMPORARY ")
		p.w(string(s.Kind), " ")
		p.opt(s.IfExists, "IF EXISTS ")
		p.w(s.Name.String())
		p.opt(s.Cascade, " CASCADE")
	case *Alter:
		p.alter(s)
	case *Insert:
		p.insert(s)
	case *StatementSet:
		p.w("EXECUTE STATEMENT SET BEGIN ")
		for _, ins := range s.Inserts {
			p.insert(ins)
			p.w("; ")
		}
		p.w("END")
	default:
		p.command(s)
	}
}

// command prints the statements without columns or queries.
func (p *printer) command(s Statement) {
	switch s := s.(type) {
	case *Use:
		p.w("USE ")
		p.opt(s.Catalog, "CATALOG ")
		p.w(s.Name.String())
	case *Show:
		p.show(s)
	case *Describe:
		p.w("DESCRIBE ")
		p.opt(s.Kind != KindTable, string(s.Kind)+" ")
		p.opt(s.Extended, "EXTENDED ")
		if s.Kind == KindJob {
			p.w(quoteString(s.Name.Last()))
		} else {
			p.w(s.Name.String())
		}
	case *Explain:
		p.w("EXPLAIN ")
		if len(s.Details) > 0 {
			p.w(strings.Join(s.Details, ", "), " ")
		} else {
			p.w("PLAN FOR ")
		}
		p.statement(s.Statement)
	case *Set:
		p.w("SET")
		p.opt(s.Key != "", " "+quoteString(s.Key)+" = "+quoteString(s.Value))
	case *Reset:
		p.w("RESET")
		p.opt(s.Key != "", " "+quoteString(s.Key))
	case *CallProcedure:
		p.w("CALL ", s.Name.String(), "(")
		p.args(s.Args)
		p.w(")")
	case *Delete:
		p.w("DELETE FROM ", s.Table.String())
		p.clause(" WHERE ", s.Where)
	case *Update:
		p.w("UPDATE ", s.Table.String(), " SET ")
		p.list(len(s.Sets), ", ", func(i int) {
			p.w(quoteIdent(s.Sets[i].Column.Text), " = ")
			p.expr(s.Sets[i].Value, precOr)
		})
		p.clause(" WHERE ", s.Where)
	case *Truncate:
		p.w("TRUNCATE TABLE ", s.Table.String())
	case *StopJob:
		p.w("STOP JOB ", quoteString(s.ID))
		p.opt(s.Savepoint, " WITH SAVEPOINT")
		p.opt(s.Drain, " WITH DRAIN")
	}
}

func (p *printer) show(s *Show) {
	p.w("SHOW ", s.What)
	if s.Name != nil {
		switch {
		case strings.HasPrefix(s.What, "CREATE") || s.What == "PARTITIONS":
			p.w(" ", s.Name.String())
		default:
			p.w(" FROM ", s.Name.String())
		}
	}
	if s.Like != nil {
		p.opt(s.NotLike, " NOT")
		if s.ILike {
			p.w(" ILIKE ", quoteString(*s.Like))
		} else {
			p.w(" LIKE ", quoteString(*s.Like))
		}
	}
}

func (p *printer) comment(c string) {
	if c != "" {
		p.w(" COMMENT ", quoteString(c))
	}
}

func (p *printer) clause(word string, e Expr) {
	if e != nil {
		p.w(word)
		p.expr(e, precOr)
	}
}

// elements prints columns, watermark and key in parentheses, if there are any.
func (p *printer) elements(cols []ColumnDef, wm *Watermark, key []Ident) {
	if len(cols) == 0 && wm == nil && key == nil {
		return
	}
	p.w(" (")
	p.elementList(cols, wm, key)
	p.w(")")
}

func (p *printer) elementList(cols []ColumnDef, wm *Watermark, key []Ident) {
	p.list(len(cols), ", ", func(i int) { p.column(cols[i]) })
	sep := ""
	if len(cols) > 0 {
		sep = ", "
	}
	if wm != nil {
		p.w(sep, "WATERMARK FOR ", wm.Column.String(), " AS ")
		p.expr(wm.Expr, precOr)
		sep = ", "
	}
	if key != nil {
		p.w(sep, "PRIMARY KEY ")
		p.idents(key)
		p.w(" NOT ENFORCED")
	}
}

func (p *printer) column(c ColumnDef) {
	p.w(quoteIdent(c.Name.Text))
	switch {
	case c.Computed != nil:
		p.w(" AS ")
		p.expr(c.Computed, precOr)
	case c.Type != nil:
		p.w(" ")
		p.dataType(c.Type.Type)
	}
	if c.Metadata {
		p.w(" METADATA")
		p.opt(c.MetaKey != "", " FROM "+quoteString(c.MetaKey))
		p.opt(c.Virtual, " VIRTUAL")
	}
	if c.Default != nil {
		p.w(" DEFAULT ")
		p.expr(c.Default, precAdditive)
	}
	p.comment(c.Comment)
	p.opt(c.First, " FIRST")
	if c.After != nil {
		p.w(" AFTER ", quoteIdent(c.After.Text))
	}
}

func (p *printer) createTable(s *CreateTable) {
	p.w("CREATE ")
	p.opt(s.Temporary, "TEMPORARY ")
	p.w("TABLE ")
	p.opt(s.IfNotExists, "IF NOT EXISTS ")
	p.w(s.Name.String())
	p.elements(s.Columns, s.Watermark, s.PrimaryKey)
	p.tableClauses(s.Comment, s.Distributed, s.PartitionBy, s.Options)
	if s.Like != nil {
		p.w(" LIKE ", s.Like.Table.String())
		if s.Like.Options != nil {
			p.w(" (")
			p.list(len(s.Like.Options), " ", func(i int) { p.w(s.Like.Options[i].Mode, " ", s.Like.Options[i].What) })
			p.w(")")
		}
	}
	if s.As != nil {
		p.w(" AS ")
		p.query(s.As)
	}
}

func (p *printer) tableClauses(comment string, d *Distribution, partition []Ident, opts []Option) {
	p.comment(comment)
	if d != nil {
		p.w(" DISTRIBUTED")
		if d.Columns != nil {
			p.w(" BY ")
			p.opt(d.Kind != "", d.Kind)
			p.idents(d.Columns)
		}
		p.opt(d.Buckets > 0, " INTO "+strconv.Itoa(d.Buckets)+" BUCKETS")
	}
	if partition != nil {
		p.w(" PARTITIONED BY ")
		p.idents(partition)
	}
	if len(opts) > 0 {
		p.w(" WITH ")
		p.options(opts)
	}
}

func (p *printer) createMaterialized(s *CreateMaterializedTable) {
	p.w("CREATE ")
	p.opt(s.OrAlter, "OR ALTER ")
	p.w("MATERIALIZED TABLE ")
	p.opt(s.IfNotExists, "IF NOT EXISTS ")
	p.w(s.Name.String())
	p.elements(s.Columns, s.Watermark, s.PrimaryKey)
	p.tableClauses(s.Comment, s.Distributed, s.PartitionBy, s.Options)
	if s.Freshness != nil {
		p.w(" FRESHNESS = ")
		p.interval(s.Freshness)
	}
	p.opt(s.RefreshMode != "", " REFRESH_MODE = "+s.RefreshMode)
	p.w(" AS ")
	p.query(s.As)
}

func (p *printer) alter(s *Alter) {
	p.w("ALTER ", string(s.Kind), " ")
	p.opt(s.IfExists, "IF EXISTS ")
	p.w(s.Name.String(), " ")
	switch s.Action {
	case AlterSet:
		p.w("SET ")
		p.options(s.Options)
	case AlterReset:
		p.w("RESET (")
		p.list(len(s.Keys), ", ", func(i int) { p.w(quoteString(s.Keys[i])) })
		p.w(")")
	case AlterRenameTo:
		p.w("RENAME TO ", s.NewName.String())
	case AlterRenameColumn:
		p.w("RENAME ", quoteIdent(s.From.Text), " TO ", quoteIdent(s.To.Text))
	case AlterAdd, AlterModify:
		p.w(string(s.Action), " (")
		p.elementList(s.Columns, s.Watermark, s.PrimaryKey)
		p.w(")")
	case AlterDropColumns:
		p.w("DROP ")
		p.idents(s.Drops)
	case AlterAddPartition, AlterDropPartition:
		p.w(strings.TrimSuffix(string(s.Action), "PARTITION"))
		p.list(len(s.Partitions), ", ", func(i int) { p.partition(s.Partitions[i]) })
	case AlterRefresh:
		p.w("REFRESH")
		for _, part := range s.Partitions {
			p.w(" ")
			p.partition(part)
		}
	case AlterResume:
		p.w("RESUME")
		if len(s.Options) > 0 {
			p.w(" WITH ")
			p.options(s.Options)
		}
	case AlterAs:
		p.w("AS ")
		p.query(s.As)
	case AlterFreshness:
		p.w("SET FRESHNESS = ")
		p.interval(s.Freshness)
	case AlterRefreshMode:
		p.w("SET REFRESH_MODE = ", s.RefreshMode)
	default:
		p.w(string(s.Action))
	}
}

func (p *printer) partition(vals []PartitionValue) {
	p.w("PARTITION (")
	p.list(len(vals), ", ", func(i int) {
		p.w(quoteIdent(vals[i].Column.Text))
		p.clause(" = ", vals[i].Value)
	})
	p.w(")")
}

func (p *printer) insert(s *Insert) {
	p.w("INSERT ")
	if s.Overwrite {
		p.w("OVERWRITE ")
	} else {
		p.w("INTO ")
	}
	p.w(s.Table.String())
	p.hints(s.Hints)
	if s.Partition != nil {
		p.w(" ")
		p.partition(s.Partition)
	}
	if s.Columns != nil {
		p.w(" ")
		p.idents(s.Columns)
	}
	p.w(" ")
	p.query(s.Query)
}

// dataType prints a type with the comments of ROW fields, which Type.String leaves out.
func (p *printer) dataType(t schema.Type) {
	switch t.Kind {
	case schema.Array, schema.Multiset:
		p.w(map[schema.Kind]string{schema.Array: "ARRAY<", schema.Multiset: "MULTISET<"}[t.Kind])
		p.dataType(*t.Elem)
		p.w(">")
	case schema.Map:
		p.w("MAP<")
		p.dataType(*t.Key)
		p.w(", ")
		p.dataType(*t.Elem)
		p.w(">")
	case schema.Row:
		p.w("ROW<")
		p.list(len(t.Fields), ", ", func(i int) {
			p.w(quoteIdent(t.Fields[i].Name), " ")
			p.dataType(t.Fields[i].Type)
			p.opt(t.Fields[i].Description != "", " "+quoteString(t.Fields[i].Description))
		})
		p.w(">")
	default:
		p.w(t.WithNotNull(false).String())
	}
	p.opt(t.NotNull, " NOT NULL")
}
