package bind

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/sql"
	"github.com/weir-lake/weir/table/schema"
)

// Table binds the columns, key, partitions and watermark of CREATE TABLE .. (..). With
// LIKE, like is the table it names; the statement's own parts win.
func Table(ctx context.Context, text string, c *sql.CreateTable, like *plan.Table, opts Options) (*plan.Table, error) {
	b := newBinder(ctx, emptyCatalog{}, text, opts)
	d := definition{c.Name, c.Columns, c.Watermark, c.PrimaryKey, c.PartitionBy, c.Options, c.Comment, c.Distributed}
	t := &plan.Table{Temporary: c.Temporary}
	if like != nil {
		if err := b.copyLike(t, c.Like, like); err != nil {
			return nil, err
		}
	}
	return t, b.define(t, d)
}

// TableAs binds CREATE TABLE .. AS query: the table and the query that fills it.
func TableAs(ctx context.Context, cat Catalog, text string, c *sql.CreateTable, opts Options) (*plan.Table, *plan.Sink, error) {
	d := definition{c.Name, c.Columns, c.Watermark, c.PrimaryKey, c.PartitionBy, c.Options, c.Comment, c.Distributed}
	t := &plan.Table{Temporary: c.Temporary}
	return newBinder(ctx, cat, text, opts).tableAs(t, d, c.As)
}

// MaterializedTable binds CREATE MATERIALIZED TABLE: the table and the query that keeps it.
func MaterializedTable(ctx context.Context, cat Catalog, text string, c *sql.CreateMaterializedTable, opts Options) (*plan.Table, *plan.Sink, error) {
	d := definition{c.Name, c.Columns, c.Watermark, c.PrimaryKey, c.PartitionBy, c.Options, c.Comment, c.Distributed}
	return newBinder(ctx, cat, text, opts).tableAs(&plan.Table{}, d, c.As)
}

// definition is what the forms of CREATE TABLE have in common.
type definition struct {
	name        sql.Name
	columns     []sql.ColumnDef
	watermark   *sql.Watermark
	primaryKey  []sql.Ident
	partitionBy []sql.Ident
	options     []sql.Option
	comment     string
	distributed *sql.Distribution
}

// define adds a definition to a table that may have parts already.
func (b *binder) define(t *plan.Table, d definition) error {
	var err error
	if t.Database, t.Name, err = b.qualify(d.name); err != nil {
		return err
	}
	if err := b.defineColumns(t, d.columns); err != nil {
		return err
	}
	if t.Options == nil {
		t.Options = map[string]string{}
	}
	for _, o := range d.options {
		t.Options[o.Key] = o.Value
	}
	if d.comment != "" {
		t.Comment = d.comment
	}
	if err := b.distribute(t, d.distributed); err != nil {
		return err
	}
	if d.primaryKey != nil {
		if t.PrimaryKey, err = b.keyColumns(t, d.primaryKey, "PRIMARY KEY"); err != nil {
			return err
		}
	}
	if d.partitionBy != nil {
		if t.PartitionKeys, err = b.keyColumns(t, d.partitionBy, "PARTITIONED BY"); err != nil {
			return err
		}
	}
	for i, c := range t.Columns {
		if slices.Contains(t.PrimaryKey, c.Name) {
			t.Columns[i].Type.NotNull = true
		}
	}
	if d.watermark != nil {
		return b.defineWatermark(t, d.watermark)
	}
	return nil
}

// distribute turns DISTRIBUTED BY (..) INTO n BUCKETS into Paimon's options.
func (b *binder) distribute(t *plan.Table, d *sql.Distribution) error {
	if d == nil {
		return nil
	}
	var names []string
	for _, id := range d.Columns {
		if _, err := b.tableColumn(t, id); err != nil {
			return err
		}
		names = append(names, id.Text)
	}
	set := func(key, value string) error {
		if old, ok := t.Options[key]; ok && old != value {
			return b.fail(d.At, ErrQuery, "DISTRIBUTED says '%s' = '%s', WITH says '%s'", key, value, old)
		}
		t.Options[key] = value
		return nil
	}
	if names != nil {
		if err := set("bucket-key", strings.Join(names, ",")); err != nil {
			return err
		}
	}
	if d.Buckets > 0 {
		return set("bucket", strconv.Itoa(d.Buckets))
	}
	return nil
}

// defineColumns adds stored columns first, since computed ones may use any of them.
func (b *binder) defineColumns(t *plan.Table, cols []sql.ColumnDef) error {
	place := make([]int, len(cols))
	for i, c := range cols {
		place[i] = slices.IndexFunc(t.Columns, func(o plan.TableColumn) bool { return o.Name == c.Name.Text })
		if place[i] >= 0 {
			return b.fail(c.Name.At, ErrQuery, "column '%s' is defined twice", c.Name.Text)
		}
		place[i] = len(t.Columns)
		t.Columns = append(t.Columns, plan.TableColumn{Column: plan.Column{Name: c.Name.Text}, Comment: c.Comment})
		if c.Type == nil {
			continue
		}
		if err := b.defineStored(&t.Columns[place[i]], c); err != nil {
			return err
		}
	}
	for i, c := range cols {
		if c.Computed == nil {
			continue
		}
		e, err := b.overStored(t, c.Computed, "a computed column")
		if err != nil {
			return err
		}
		t.Columns[place[i]].Computed, t.Columns[place[i]].Virtual = e, true
		t.Columns[place[i]].Type = storable(e.Type())
	}
	return nil
}

func (b *binder) defineStored(out *plan.TableColumn, c sql.ColumnDef) error {
	out.Type = c.Type.Type
	if out.Type.Kind == schema.Null || out.Type.Kind == schema.IntervalDayTime || out.Type.Kind == schema.IntervalYearMonth {
		return b.fail(c.Type.At, ErrType, "column '%s' cannot be of type %s", c.Name.Text, out.Type)
	}
	if c.Metadata {
		out.Virtual = c.Virtual
		if out.Metadata = c.MetaKey; c.MetaKey == "" {
			out.Metadata = c.Name.Text
		}
	}
	if c.Default == nil {
		return nil
	}
	x := &exprBinder{b: b, scope: &scope{}, clause: "DEFAULT"}
	e, err := x.bind(c.Default)
	if err != nil {
		return err
	}
	if !expr.CanCast(e.Type(), out.Type) {
		return b.fail(c.Default.Pos(), ErrType, "the default of column '%s' is %s, not %s", c.Name.Text, e.Type().WithNotNull(false), out.Type.WithNotNull(false))
	}
	v, err := expr.Const(expr.CastTo(expr.CastTo(e, out.Type), schema.TString), &expr.Env{Zone: b.opts.Zone})
	if err != nil {
		return b.wrap(c.Default.Pos(), err)
	}
	if s, ok := v.Value.(string); ok {
		out.Default = &s
	}
	return nil
}

// overStored binds an expression over the table's columns and replaces computed ones by
// their expressions. A column computed later is not there yet.
func (b *binder) overStored(t *plan.Table, e sql.Expr, clause string) (expr.Expr, error) {
	cols := make([]plan.Column, len(t.Columns))
	for i, c := range t.Columns {
		cols[i] = c.Column
	}
	x := &exprBinder{b: b, scope: newScope(nil, t.Name, cols), clause: clause}
	bound, err := x.bind(e)
	if err != nil {
		return nil, err
	}
	var missing string
	out := plan.MapColumns(bound, func(c *expr.Column) expr.Expr {
		switch col := t.Columns[c.Index]; {
		case col.Computed != nil:
			return col.Computed
		case col.Type.Kind == schema.Invalid:
			missing = col.Name
		}
		return c
	})
	if missing != "" {
		return nil, b.failHint(e.Pos(), ErrQuery, "define it before", "column '%s' is computed later", missing)
	}
	return out, nil
}

func (b *binder) keyColumns(t *plan.Table, ids []sql.Ident, clause string) ([]string, error) {
	var out []string
	for _, id := range ids {
		i, err := b.tableColumn(t, id)
		if err != nil {
			return nil, err
		}
		c := t.Columns[i]
		switch {
		case c.Computed != nil || c.Metadata != "":
			return nil, b.fail(id.At, ErrQuery, "column '%s' of %s is computed or metadata; it must be stored", id.Text, clause)
		case slices.Contains(out, id.Text):
			return nil, b.fail(id.At, ErrQuery, "column '%s' is in %s twice", id.Text, clause)
		}
		switch c.Type.Kind {
		case schema.Array, schema.Map, schema.Multiset, schema.Row, schema.Variant, schema.Blob:
			return nil, b.fail(id.At, ErrType, "column '%s' of %s cannot be of type %s", id.Text, clause, c.Type.WithNotNull(false))
		}
		out = append(out, id.Text)
	}
	return out, nil
}

func (b *binder) defineWatermark(t *plan.Table, w *sql.Watermark) error {
	if len(w.Column) > 1 {
		return b.failHint(w.Column.Pos(), ErrQuery, "compute it into a column: ts AS r.ts", "WATERMARK FOR a nested field is not supported")
	}
	i, err := b.tableColumn(t, w.Column[0])
	if err != nil {
		return err
	}
	if k := t.Columns[i].Type; !k.IsTimestamp() || k.Precision > 3 {
		return b.failHint(w.Column.Pos(), ErrType, "use TIMESTAMP(3) or TIMESTAMP_LTZ(3)", "WATERMARK FOR '%s': a time attribute cannot be %s", w.Column[0].Text, k.WithNotNull(false))
	}
	e, err := b.overStored(t, w.Expr, "WATERMARK")
	if err != nil {
		return err
	}
	if !e.Type().IsTimestamp() {
		return b.fail(w.Expr.Pos(), ErrType, "a watermark must be a TIMESTAMP, not %s", e.Type().WithNotNull(false))
	}
	t.Watermark = &plan.Watermark{Column: i, Expr: e}
	return nil
}

// copyLike takes over the parts of another table that LIKE includes: all but what the
// clause excludes.
func (b *binder) copyLike(t *plan.Table, l *sql.LikeClause, from *plan.Table) error {
	include := map[string]bool{"CONSTRAINTS": true, "GENERATED": true, "METADATA": true, "OPTIONS": true, "PARTITIONS": true, "WATERMARKS": true}
	for _, o := range l.Options {
		if o.What == "ALL" {
			for k := range include {
				include[k] = o.Mode != "EXCLUDING"
			}
			continue
		}
		include[o.What] = o.Mode != "EXCLUDING"
	}
	for _, c := range from.Columns {
		if c.Computed != nil && !include["GENERATED"] || c.Metadata != "" && !include["METADATA"] {
			return b.failHint(l.Table.Pos(), ErrQuery, "list the columns instead", "LIKE cannot exclude the computed or metadata column '%s'", c.Name)
		}
		t.Columns = append(t.Columns, c)
	}
	if include["CONSTRAINTS"] {
		t.PrimaryKey = from.PrimaryKey
	}
	if include["PARTITIONS"] {
		t.PartitionKeys = from.PartitionKeys
	}
	if include["WATERMARKS"] {
		t.Watermark = from.Watermark
	}
	t.Options = map[string]string{}
	if include["OPTIONS"] {
		for k, v := range from.Options {
			t.Options[k] = v
		}
	}
	return nil
}

// tableAs makes a table for a query. Listed columns come first, in their order, and may
// set a type; the query's other columns follow.
func (b *binder) tableAs(t *plan.Table, d definition, q *sql.Query) (*plan.Table, *plan.Sink, error) {
	n, _, err := b.query(q, nil, nil, false)
	if err != nil {
		return nil, nil, err
	}
	cols, order, err := b.mergeColumns(d, q, n)
	if err != nil {
		return nil, nil, err
	}
	d.columns = cols
	if err := b.define(t, d); err != nil {
		return nil, nil, err
	}
	s := &plan.Sink{Table: t}
	var targets []target
	for i, c := range t.Columns {
		if !insertable(c) {
			continue
		}
		tg := target{column: i, from: order[i]}
		if tg.from < 0 {
			if tg.value, err = b.defaultValue(q.At, t, c); err != nil {
				return nil, nil, err
			}
		}
		targets = append(targets, tg)
	}
	return t, s, b.fillSink(s, q.At, n, targets)
}

// mergeColumns joins listed columns with those of the query; order is the query's column
// of each, or -1.
func (b *binder) mergeColumns(d definition, q *sql.Query, n plan.Node) (cols []sql.ColumnDef, order []int, err error) {
	qcols := n.Columns()
	names := columnNames(qcols)
	used := map[int]bool{}
	for _, c := range d.columns {
		i := slices.Index(names, c.Name.Text)
		if i >= 0 {
			used[i] = true
			if c.Type == nil && c.Computed == nil {
				c.Type = &sql.DataType{At: c.Name.At, Type: storable(qcols[i].Type)}
			}
		} else if c.Type == nil && c.Computed == nil {
			return nil, nil, b.failHint(c.Name.At, ErrName, didYouMean(c.Name.Text, names), "the query has no column '%s'", c.Name.Text)
		}
		cols, order = append(cols, c), append(order, i)
	}
	for i, c := range qcols {
		if used[i] {
			continue
		}
		if c.Type.Kind == schema.Null {
			return nil, nil, b.failHint(q.At, ErrType, "CAST it", "column '%s' of the query is NULL without a type", c.Name)
		}
		cols = append(cols, sql.ColumnDef{Name: sql.Ident{Text: c.Name, At: q.At}, Type: &sql.DataType{At: q.At, Type: storable(c.Type)}})
		order = append(order, i)
	}
	return cols, order, nil
}
