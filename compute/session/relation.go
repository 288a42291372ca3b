package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/weir-lake/weir/compute/bind"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/sql"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/catalog"
	"github.com/weir-lake/weir/table/schema"
)

// connectorSystem marks the computed tables of database sys in plans.
const connectorSystem = "weir-system"

// viewsDir holds the views of a warehouse; Paimon's file system catalog knows none.
const viewsDir = ".weir/views"

// Relation implements bind.Catalog: temporary objects first, then computed tables of sys, tables, views.
func (s *Session) Relation(ctx context.Context, database, name string) (*bind.Relation, error) {
	if r := s.temporary[database+"."+name]; r != nil {
		return r, nil
	}
	if st := s.svc.System[name]; st != nil && database == catalog.SystemDatabase {
		t := &plan.Table{Database: database, Name: name, Options: map[string]string{"connector": connectorSystem}}
		for _, c := range st.Columns() {
			t.Columns = append(t.Columns, plan.TableColumn{Column: c})
		}
		return &bind.Relation{Table: t}, nil
	}
	id := catalog.Identifier{Database: database, Table: name}
	sc, err := s.svc.Catalog.Table(ctx, id)
	if err == nil {
		t, err := s.planTable(ctx, id, sc)
		if err != nil {
			return nil, err
		}
		return &bind.Relation{Table: t}, nil
	}
	if !errkind.Is(err, errkind.NotFound) && !errkind.Is(err, errkind.Invalid) {
		return nil, err
	}
	v, err := s.view(ctx, database, name)
	if err != nil || v == nil {
		return nil, err
	}
	return &bind.Relation{View: v}, nil
}

// Relations implements bind.Catalog.
func (s *Session) Relations(ctx context.Context, database string) ([]string, error) {
	var out []string
	for k := range s.temporary {
		if db, n, _ := strings.Cut(k, "."); db == database {
			out = append(out, n)
		}
	}
	if database == catalog.SystemDatabase {
		out = append(out, slices.Collect(maps.Keys(s.svc.System))...)
	}
	tables, err := s.svc.Catalog.Tables(ctx, database)
	if err != nil && !errors.Is(err, catalog.ErrNoDatabase) {
		return nil, err
	}
	out = append(out, tables...)
	views, err := s.views(ctx, database)
	if err != nil {
		return nil, err
	}
	out = append(out, views...)
	slices.Sort(out)
	return slices.Compact(out), nil
}

// Keys under which Flink's Paimon catalog stores what a Paimon schema has no place for; weir uses the same, so
// that Flink sees the columns and watermarks of weir's tables and the other way round.
const (
	optSchema        = "schema."
	optWatermarkTime = "schema.watermark.0.rowtime"
	optWatermarkExpr = "schema.watermark.0.strategy.expr"
	optWatermarkType = "schema.watermark.0.strategy.data-type"
)

// planTable makes the planner's table of a stored schema.
func (s *Session) planTable(ctx context.Context, id catalog.Identifier, sc *schema.Schema) (*plan.Table, error) {
	t := &plan.Table{Database: id.Database, Name: id.Table, Path: id.Path(), PrimaryKey: sc.PrimaryKeys,
		PartitionKeys: sc.PartitionKeys, Options: maps.Clone(sc.Options)}
	if sc.Connector() {
		t.Path = ""
	}
	def := &sql.CreateTable{Name: sql.Name{{Text: id.Database}, {Text: id.Table}}}
	for _, f := range sc.Fields {
		typ := sql.DataType{Type: f.Type}
		def.Columns = append(def.Columns, sql.ColumnDef{Name: sql.Ident{Text: f.Name}, Type: &typ})
	}
	if err := storedColumns(def, sc.Options); err != nil {
		return nil, fmt.Errorf("table %s: %w", id, err)
	}
	for _, k := range sc.PrimaryKeys {
		def.PrimaryKey = append(def.PrimaryKey, sql.Ident{Text: k})
	}
	if expr := sc.Options[optWatermarkExpr]; expr != "" {
		e, err := sql.ParseExpr(expr)
		if err != nil {
			return nil, fmt.Errorf("table %s: watermark: %w", id, err)
		}
		var col sql.Name
		for _, p := range strings.Split(sc.Options[optWatermarkTime], ".") {
			col = append(col, sql.Ident{Text: p})
		}
		def.Watermark = &sql.Watermark{Column: col, Expr: e}
	}
	zone, err := s.zone()
	if err != nil {
		return nil, err
	}
	bound, err := bind.Table(ctx, "", def, nil, bind.Options{Database: id.Database, Zone: zone})
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", id, err)
	}
	t.Columns, t.Watermark, t.Comment = bound.Columns, bound.Watermark, sc.Comment
	return t, nil
}

// storedColumns inserts the computed and metadata columns that options hold at their places.
func storedColumns(def *sql.CreateTable, options map[string]string) error {
	at := map[int]string{}
	for k, v := range options {
		rest, ok := strings.CutPrefix(k, optSchema)
		num, field, _ := strings.Cut(rest, ".")
		if n, err := strconv.Atoi(num); ok && err == nil && field == "name" {
			at[n] = v
		}
	}
	for _, n := range slices.Sorted(maps.Keys(at)) {
		key := func(f string) string { return options[fmt.Sprintf("%s%d.%s", optSchema, n, f)] }
		c := sql.ColumnDef{Name: sql.Ident{Text: at[n]}}
		switch {
		case key("expr") != "":
			e, err := sql.ParseExpr(key("expr"))
			if err != nil {
				return fmt.Errorf("column %s: %w", at[n], err)
			}
			c.Computed = e
		case key("metadata") != "":
			typ, err := sql.ParseType(key("data-type"))
			if err != nil {
				return fmt.Errorf("column %s: %w", at[n], err)
			}
			c.Type, c.Metadata, c.MetaKey, c.Virtual = &sql.DataType{Type: typ}, true, key("metadata"), key("virtual") == "true"
		default:
			continue
		}
		def.Columns = slices.Insert(def.Columns, min(n, len(def.Columns)), c)
	}
	return nil
}

// exprTexts are the texts of a definition's expressions, which a plan does not keep.
type exprTexts struct {
	computed  map[string]string // by column
	rowtime   string
	watermark string
}

// definedText collects the texts from a statement, and those of the table it is LIKE.
func definedText(cols []sql.ColumnDef, w *sql.Watermark, like *plan.Table) exprTexts {
	out := exprTexts{computed: map[string]string{}}
	if like != nil {
		for i, c := range like.Columns {
			if e := like.Options[fmt.Sprintf("%s%d.expr", optSchema, i)]; e != "" {
				out.computed[c.Name] = e
			}
		}
		out.rowtime, out.watermark = like.Options[optWatermarkTime], like.Options[optWatermarkExpr]
	}
	for _, c := range cols {
		if c.Computed != nil {
			out.computed[c.Name.Text] = sql.FormatExpr(c.Computed)
		}
	}
	if w != nil {
		parts := make([]string, len(w.Column))
		for i, p := range w.Column {
			parts[i] = p.Text
		}
		out.rowtime, out.watermark = strings.Join(parts, "."), sql.FormatExpr(w.Expr)
	}
	return out
}

// storeColumns writes computed and metadata columns and the watermark into options.
func storeColumns(options map[string]string, t *plan.Table, texts exprTexts) {
	for k := range options {
		if strings.HasPrefix(k, optSchema) {
			delete(options, k)
		}
	}
	for i, c := range t.Columns {
		key := func(f string) string { return fmt.Sprintf("%s%d.%s", optSchema, i, f) }
		switch {
		case c.Computed != nil:
			options[key("name")], options[key("expr")] = c.Name, texts.computed[c.Name]
			options[key("data-type")] = c.Type.String()
		case c.Metadata != "":
			options[key("name")], options[key("metadata")] = c.Name, c.Metadata
			options[key("data-type")], options[key("virtual")] = c.Type.String(), strconv.FormatBool(c.Virtual)
		}
	}
	if t.Watermark != nil {
		options[optWatermarkTime], options[optWatermarkExpr] = texts.rowtime, texts.watermark
		options[optWatermarkType] = t.Watermark.Expr.Type().String()
	}
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// storedView is the file of a view.
type storedView struct {
	Version  int      `json:"version"`
	Database string   `json:"database"` // current when it was created
	Columns  []string `json:"columns,omitempty"`
	Query    string   `json:"query"`
	Comment  string   `json:"comment,omitempty"`
}

func viewKey(db, name string) string { return path.Join(viewsDir, db, name) }

func (s *Session) view(ctx context.Context, db, name string) (*bind.View, error) {
	v, err := s.loadView(ctx, db, name)
	if v == nil || err != nil {
		return nil, err
	}
	return &bind.View{Database: v.Database, Columns: v.Columns, Text: v.Query}, nil
}

func (s *Session) loadView(ctx context.Context, db, name string) (*storedView, error) {
	if strings.ContainsAny(db+name, "/\\") || strings.HasPrefix(name, ".") || name == "" {
		return nil, nil // cannot be the name of a view
	}
	data, err := objstore.ReadAll(ctx, s.svc.Catalog.Store(), viewKey(db, name))
	if errors.Is(err, objstore.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read view %s.%s: %w", db, name, err)
	}
	var v storedView
	if err := json.Unmarshal(data, &v); err != nil {
		return nil, errkind.Errorf(errkind.Corrupt, "view %s.%s: %w", db, name, err)
	}
	if v.Version != 1 {
		return nil, errkind.Errorf(errkind.Invalid, "view %s.%s has version %d: update weir", db, name, v.Version)
	}
	return &v, nil
}

func (s *Session) views(ctx context.Context, db string) ([]string, error) {
	var out []string
	err := s.svc.Catalog.Store().List(ctx, viewsDir+"/"+db+"/", func(i objstore.Info) error {
		out = append(out, path.Base(i.Key))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list views: %w", err)
	}
	return out, nil
}
