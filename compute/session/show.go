package session

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/sql"
	"github.com/weir-lake/weir/table/catalog"
)

func (s *Session) show(ctx context.Context, text string, st *sql.Show) (*Result, error) {
	keep, err := likeFilter(st)
	if err != nil {
		return nil, sql.NewError(text, st.At, errVariable, err.Error(), "")
	}
	one := func(header string, names []string) (*Result, error) {
		rows := make([][]any, 0, len(names))
		for _, n := range names {
			if keep(n) {
				rows = append(rows, []any{n})
			}
		}
		return s.listing([]string{header}, rows)
	}
	db := s.database
	if n := st.Name.Last(); n != "" {
		db = n
	}
	switch st.What {
	case "DATABASES":
		dbs, err := s.databases(ctx)
		if err != nil {
			return nil, err
		}
		return one("database name", dbs)
	case "TABLES", "MATERIALIZED TABLES", "VIEWS":
		names, err := s.objects(ctx, db, st.What)
		if err != nil {
			return nil, err
		}
		return one(strings.ToLower(strings.TrimSuffix(st.What, "S"))+" name", names)
	case "CATALOGS", "CURRENT CATALOG":
		return one("catalog name", []string{catalog.Name})
	case "CURRENT DATABASE":
		return one("current database name", []string{s.database})
	case "FUNCTIONS":
		names := append(expr.Functions(), expr.Aggregates()...)
		slices.Sort(names)
		return one("function name", slices.Compact(names))
	case "PROCEDURES":
		return one("procedure name", slices.Sorted(maps.Keys(s.svc.Procedures)))
	case "JOBS":
		return s.showJobs(keep)
	case "COLUMNS":
		return s.describe(ctx, text, &sql.Describe{At: st.At, Name: st.Name})
	case "CREATE TABLE", "CREATE MATERIALIZED TABLE", "CREATE VIEW":
		return s.showCreate(ctx, text, st)
	}
	return nil, sql.NewError(text, st.At, errUnsupported, "SHOW "+st.What+" is not supported", "")
}

// objects lists tables, materialized tables or views of a database.
func (s *Session) objects(ctx context.Context, db, what string) ([]string, error) {
	all, err := s.Relations(ctx, db)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, n := range all {
		r, err := s.Relation(ctx, db, n)
		if err != nil {
			return nil, err
		}
		if r == nil {
			continue
		}
		isView := r.View != nil
		materialized := r.Table != nil && r.Table.Options[OptQuery] != ""
		if what == "VIEWS" && isView || what == "TABLES" || what == "MATERIALIZED TABLES" && materialized {
			out = append(out, n)
		}
	}
	return out, nil
}

// likeFilter compiles LIKE of a SHOW.
func likeFilter(st *sql.Show) (func(string) bool, error) {
	if st.Like == nil {
		return func(string) bool { return true }, nil
	}
	var b strings.Builder
	if st.ILike {
		b.WriteString("(?i)")
	}
	b.WriteString("^")
	for _, c := range *st.Like {
		switch c {
		case '%':
			b.WriteString(".*")
		case '_':
			b.WriteString(".")
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	re, err := regexp.Compile(b.String() + "$")
	if err != nil {
		return nil, err
	}
	return func(n string) bool { return re.MatchString(n) != st.NotLike }, nil
}

func (s *Session) showJobs(keep func(string) bool) (*Result, error) {
	if s.svc.Jobs == nil {
		return nil, errNoJobs
	}
	rows := [][]any{}
	for _, j := range s.svc.Jobs.List() {
		if keep(j.Name) {
			rows = append(rows, []any{j.ID, j.Name, string(j.State), j.Sink, j.Epoch, j.RowsIn, j.RowsOut, j.Error})
		}
	}
	return s.listing([]string{"job id", "job name", "status", "sink", "epoch", "rows in", "rows out", "error"}, rows)
}

func (s *Session) describe(ctx context.Context, text string, st *sql.Describe) (*Result, error) {
	if st.Kind == sql.KindJob {
		return s.showJobs(func(n string) bool { return n == st.Name.Last() })
	}
	id, err := s.identifier(text, st.Name)
	if err != nil {
		return nil, err
	}
	r, err := s.Relation(ctx, id.Database, id.Table)
	if err != nil {
		return nil, err
	}
	if r == nil {
		return nil, s.notFound(ctx, text, st.Name, "table or view")
	}
	header := []string{"name", "type", "null", "key", "extras", "watermark"}
	rows := [][]any{}
	if r.View != nil {
		cols, err := s.Columns(ctx, id.Database, id.Table)
		if err != nil {
			return nil, err
		}
		for _, c := range cols {
			rows = append(rows, []any{c.Name, c.Type.WithNotNull(false).String(), !c.Type.NotNull, nil, nil, nil})
		}
		return s.listing(header, rows)
	}
	for i, c := range r.Table.Columns {
		var key, extras, wm any
		if slices.Contains(r.Table.PrimaryKey, c.Name) {
			key = "PRI(" + strings.Join(r.Table.PrimaryKey, ", ") + ")"
		}
		switch {
		case c.Computed != nil:
			extras = "AS " + c.Computed.String()
		case c.Metadata != "":
			extras = "METADATA FROM '" + c.Metadata + "'"
		case slices.Contains(r.Table.PartitionKeys, c.Name):
			extras = "PARTITIONED BY"
		}
		if w := r.Table.Watermark; w != nil && w.Column == i {
			wm = cmpOr(r.Table.Options[optWatermarkExpr], w.Expr.String())
		}
		rows = append(rows, []any{c.Name, c.Type.WithNotNull(false).String(), !c.Type.NotNull, key, extras, wm})
	}
	return s.listing(header, rows)
}

func (s *Session) showCreate(ctx context.Context, text string, st *sql.Show) (*Result, error) {
	id, err := s.identifier(text, st.Name)
	if err != nil {
		return nil, err
	}
	r, err := s.Relation(ctx, id.Database, id.Table)
	if err != nil {
		return nil, err
	}
	if r == nil {
		return nil, s.notFound(ctx, text, st.Name, "table or view")
	}
	return s.listing([]string{"result"}, [][]any{{ddlText(id.Database, id.Table, r)}})
}

func quoted(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = sql.QuoteIdent(n)
	}
	return out
}

// createText is the statement that makes a table like t.
func createText(t *plan.Table) string {
	name := sql.QuoteIdent(t.Database) + "." + sql.QuoteIdent(t.Name)
	var lines []string
	query := t.Options[OptQuery]
	for i, c := range t.Columns {
		switch {
		case query != "":
		case c.Computed != nil:
			lines = append(lines, fmt.Sprintf("%s AS %s", sql.QuoteIdent(c.Name), t.Options[fmt.Sprintf("%s%d.expr", optSchema, i)]))
		case c.Metadata != "":
			l := fmt.Sprintf("%s %s METADATA FROM '%s'", sql.QuoteIdent(c.Name), c.Type, c.Metadata)
			if c.Virtual {
				l += " VIRTUAL"
			}
			lines = append(lines, l)
		default:
			lines = append(lines, sql.QuoteIdent(c.Name)+" "+c.Type.String())
		}
	}
	if e := t.Options[optWatermarkExpr]; e != "" {
		lines = append(lines, fmt.Sprintf("WATERMARK FOR %s AS %s", sql.QuoteIdent(t.Options[optWatermarkTime]), e))
	}
	if len(t.PrimaryKey) > 0 {
		lines = append(lines, "PRIMARY KEY ("+strings.Join(quoted(t.PrimaryKey), ", ")+") NOT ENFORCED")
	}
	kind, tail := "TABLE", ""
	if query != "" {
		kind = "MATERIALIZED TABLE"
		if f := t.Options[OptFreshness]; f != "" {
			tail += "\nFRESHNESS = " + freshnessText(f)
		}
		tail += "\nAS " + query
	}
	out := fmt.Sprintf("CREATE %s %s", kind, name)
	if len(lines) > 0 {
		out += " (\n  " + strings.Join(lines, ",\n  ") + "\n)"
	}
	if len(t.PartitionKeys) > 0 {
		out += "\nPARTITIONED BY (" + strings.Join(quoted(t.PartitionKeys), ", ") + ")"
	}
	var opts []string
	for _, k := range slices.Sorted(maps.Keys(t.Options)) {
		if k == OptQuery || k == OptFreshness || k == OptDatabase || strings.HasPrefix(k, optSchema) {
			continue
		}
		opts = append(opts, fmt.Sprintf("  '%s' = '%s'", k, strings.ReplaceAll(t.Options[k], "'", "''")))
	}
	if len(opts) > 0 {
		out += "\nWITH (\n" + strings.Join(opts, ",\n") + "\n)"
	}
	return out + tail
}

// freshnessText writes a duration of whole milliseconds as an interval.
func freshnessText(d string) string {
	sec, ok := strings.CutSuffix(d, "s")
	if ok && !strings.ContainsAny(sec, "hm") {
		return "INTERVAL '" + sec + "' SECOND"
	}
	return "INTERVAL '" + d + "' SECOND"
}
