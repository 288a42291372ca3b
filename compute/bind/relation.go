package bind

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/sql"
	"github.com/weir-lake/weir/table/schema"
)

// place is what a relation of FROM sees around it.
type place struct {
	outer *scope
	ctes  *ctes
}

// from binds a table expression to an input and the names over it.
func (b *binder) from(t sql.TableRef, at place) (plan.Node, *scope, error) {
	if err := b.countRelation(t.Pos()); err != nil {
		return nil, nil, err
	}
	switch t := t.(type) {
	case *sql.TableName:
		return b.tableName(t, at)
	case *sql.Derived:
		if t.Lateral {
			return nil, nil, b.failHint(t.At, ErrQuery, "put a table before it: FROM t, LATERAL (..)", "LATERAL has nothing to refer to")
		}
		n, _, err := b.query(t.Query, at.outer, at.ctes, false)
		if err != nil {
			return nil, nil, err
		}
		return b.aliased(n, t.Alias, "", at)
	case *sql.TableFunc:
		return b.windowTVF(t, at)
	case *sql.Unnest:
		one := &plan.Values{Rows: [][]expr.Expr{{}}}
		return b.unnest(one, &scope{outer: at.outer}, t, at, false)
	case *sql.Join:
		return b.join(t, at)
	default:
		return nil, nil, b.fail(t.Pos(), ErrQuery, "this table expression is not supported")
	}
}

func (b *binder) countRelation(at sql.Pos) error {
	if b.relations++; b.relations > maxRelations {
		return b.failHint(at, ErrQuery, "store a part of it in a table", "the query uses more than %d tables once its views and WITH queries are expanded", maxRelations)
	}
	return b.ctx.Err()
}

// aliased gives a relation its alias and column names.
func (b *binder) aliased(n plan.Node, a *sql.Alias, name string, at place) (plan.Node, *scope, error) {
	cols := n.Columns()
	if len(cols) > maxColumns {
		return nil, nil, b.fail(sql.Pos{}, ErrQuery, "a relation has %d columns, the limit is %d", len(cols), maxColumns)
	}
	s := newScope(at.outer, name, cols)
	if a == nil {
		return n, s, nil
	}
	s.rels[0].alias = a.Name.Text
	if a.Columns == nil {
		return n, s, nil
	}
	if len(a.Columns) != len(cols) {
		return nil, nil, b.fail(a.Name.At, ErrQuery, "alias %s names %d columns, the relation has %d", a.Name.Text, len(a.Columns), len(cols))
	}
	names := make([]string, len(cols))
	for i, c := range a.Columns {
		names[i] = c.Text
	}
	n = &plan.Project{Input: n, Exprs: plan.Cols(n), Names: names}
	s.rels[0].cols = n.Columns()
	return n, s, nil
}

// qualify is the database and name of a table.
func (b *binder) qualify(n sql.Name) (db, name string, err error) {
	switch {
	case len(n) == 1:
		return b.opts.Database, n[0].Text, nil
	case len(n) == 2:
		return n[0].Text, n[1].Text, nil
	case len(n) == 3 && n[0].Text == CatalogName:
		return n[1].Text, n[2].Text, nil
	}
	return "", "", b.failHint(n.Pos(), ErrName, "write database.table", "there is no catalog '%s'", n[0].Text)
}

func (b *binder) tableName(t *sql.TableName, at place) (plan.Node, *scope, error) {
	if len(t.Name) == 1 {
		if c := at.ctes.find(t.Name[0].Text); c != nil {
			return b.cte(t, c, at)
		}
	}
	db, name, err := b.qualify(t.Name)
	if err != nil {
		return nil, nil, err
	}
	r, err := b.cat.Relation(b.ctx, db, name)
	if err != nil {
		return nil, nil, err
	}
	if r == nil {
		return nil, nil, b.unknownTable(t.Name, db, name, at.ctes)
	}
	var n plan.Node
	if r.View != nil {
		if t.AsOf != nil || len(t.Hints) > 0 {
			return nil, nil, b.failHint(t.Pos(), ErrQuery, "put them on the tables inside", "%s is a view: hints and AS OF are for tables", name)
		}
		n, err = b.view(t, r.View, db+"."+name)
	} else {
		n, err = b.scan(t, r.Table)
	}
	if err != nil {
		return nil, nil, err
	}
	n, s, err := b.aliased(n, t.Alias, name, at)
	if err == nil && t.Alias == nil {
		s.rels[0].database = db
	}
	return n, s, err
}

func (b *binder) unknownTable(n sql.Name, db, name string, with *ctes) error {
	names, err := b.cat.Relations(b.ctx, db)
	if err != nil {
		return err
	}
	if names == nil && len(n) > 1 {
		return b.fail(n.Pos(), ErrName, "there is no database '%s'", db)
	}
	if len(n) == 1 {
		for ; with != nil; with = with.outer {
			names = append(names, with.name)
		}
	}
	return b.failHint(n[len(n)-1].At, ErrName, didYouMean(name, names), "there is no table or view '%s' in database '%s'", name, db)
}

// cte expands a WITH query where it is used.
func (b *binder) cte(t *sql.TableName, c *ctes, at place) (plan.Node, *scope, error) {
	if t.AsOf != nil || len(t.Hints) > 0 {
		return nil, nil, b.failHint(t.Pos(), ErrQuery, "put them on the tables inside", "%s is a WITH query: hints and AS OF are for tables", c.name)
	}
	n, _, err := b.query(c.def.Query, nil, c.outer, false)
	if err != nil {
		return nil, nil, err
	}
	if c.def.Columns != nil {
		if n, _, err = b.aliased(n, &sql.Alias{Name: c.def.Name, Columns: c.def.Columns}, "", at); err != nil {
			return nil, nil, err
		}
	}
	return b.aliased(n, t.Alias, c.name, at)
}

// view expands a view in its own text and database.
func (b *binder) view(t *sql.TableName, v *View, name string) (plan.Node, error) {
	if slices.Contains(b.views, name) || len(b.views) >= maxViewDepth {
		return nil, b.fail(t.Pos(), ErrQuery, "view %s is defined over itself: %s", name, strings.Join(append(b.views, name), " -> "))
	}
	q, err := sql.ParseQuery(v.Text)
	if err != nil {
		return nil, b.fail(t.Pos(), ErrQuery, "view %s: %v", name, err)
	}
	text, db := b.text, b.opts.Database
	b.text, b.opts.Database, b.views = v.Text, v.Database, append(b.views, name)
	n, _, err := b.query(q, nil, nil, false)
	b.text, b.opts.Database, b.views = text, db, b.views[:len(b.views)-1]
	if err != nil {
		return nil, err
	}
	if v.Columns == nil {
		return n, nil
	}
	if len(v.Columns) != len(n.Columns()) {
		return nil, b.fail(t.Pos(), ErrQuery, "view %s names %d columns, its query now has %d", name, len(v.Columns), len(n.Columns()))
	}
	return &plan.Project{Input: n, Exprs: plan.Cols(n), Names: v.Columns}, nil
}

// scan reads a table: its stored columns, and over them the computed ones.
func (b *binder) scan(t *sql.TableName, table *plan.Table) (plan.Node, error) {
	asOf, err := b.asOf(t, table)
	if err != nil {
		return nil, err
	}
	if table, asOf, err = b.applyHints(t, table, asOf); err != nil {
		return nil, err
	}
	return ScanTable(table, asOf), nil
}

// ScanTable is the whole table with its computed columns, in the order of its columns.
func ScanTable(table *plan.Table, asOf *plan.AsOf) plan.Node {
	scan := &plan.Scan{Table: table, AsOf: asOf}
	at := make([]int, len(table.Columns)) // column of the table -> column of the scan
	computed := false
	for i, c := range table.Columns {
		if c.Computed != nil {
			computed = true
			continue
		}
		at[i] = len(scan.Out)
		scan.Out = append(scan.Out, i)
	}
	if !computed {
		return scan
	}
	p := &plan.Project{Input: scan}
	for i, c := range table.Columns {
		e := c.Computed
		if e == nil {
			e = plan.Col(scan, at[i])
		} else {
			e = plan.MapColumns(e, func(x *expr.Column) expr.Expr { return plan.Col(scan, at[x.Index]) })
		}
		p.Exprs, p.Names = append(p.Exprs, e), append(p.Names, c.Name)
	}
	return p
}

// applyHints puts OPTIONS over the table's options; those of Paimon that name a version become AS OF.
func (b *binder) applyHints(t *sql.TableName, table *plan.Table, asOf *plan.AsOf) (*plan.Table, *plan.AsOf, error) {
	for _, h := range t.Hints {
		if h.Name != "OPTIONS" {
			continue // planner hints of Flink choose how, never what
		}
		changed := *table
		changed.Options = map[string]string{}
		for k, v := range table.Options {
			changed.Options[k] = v
		}
		for _, o := range h.Options {
			changed.Options[o.Key] = o.Value
			if table.Connector() != "" || !strings.HasPrefix(o.Key, "scan.") {
				continue
			}
			version, err := b.versionOption(o)
			if err != nil {
				return nil, nil, err
			}
			if version != nil {
				asOf = version
			}
		}
		table = &changed
	}
	return table, asOf, nil
}

func (b *binder) versionOption(o sql.Option) (*plan.AsOf, error) {
	number := func() (int64, error) {
		n, err := strconv.ParseInt(o.Value, 10, 64)
		if err != nil || n < 0 {
			return 0, b.fail(o.At, ErrQuery, "option '%s' must be a whole number, not '%s'", o.Key, o.Value)
		}
		return n, nil
	}
	switch o.Key {
	case "scan.snapshot-id":
		n, err := number()
		return &plan.AsOf{Snapshot: n}, err
	case "scan.tag-name":
		return &plan.AsOf{Tag: o.Value}, nil
	case "scan.version":
		if n, err := number(); err == nil {
			return &plan.AsOf{Snapshot: n}, nil
		}
		return &plan.AsOf{Tag: o.Value}, nil
	case "scan.timestamp-millis":
		n, err := number()
		when := time.UnixMilli(n).UTC()
		return &plan.AsOf{Timestamp: &when}, err
	case "scan.timestamp":
		v, err := expr.ParseTimestamp(o.Value, schema.TTimestamp(3), b.opts.Zone)
		if err != nil {
			return nil, b.fail(o.At, ErrQuery, "option '%s': %v", o.Key, err)
		}
		when := b.wallClock(v)
		return &plan.AsOf{Timestamp: &when}, nil
	}
	return nil, nil
}

// wallClock is the instant of a TIMESTAMP(3) in the session's zone.
func (b *binder) wallClock(ms int64) time.Time {
	u := time.UnixMilli(ms).UTC()
	return time.Date(u.Year(), u.Month(), u.Day(), u.Hour(), u.Minute(), u.Second(), u.Nanosecond(), b.opts.Zone)
}

// asOf is the version that FOR SYSTEM_TIME AS OF or AS OF names; it must be constant.
func (b *binder) asOf(t *sql.TableName, table *plan.Table) (*plan.AsOf, error) {
	if t.AsOf == nil {
		return nil, nil
	}
	at := t.AsOf.Value.Pos()
	if table.Connector() != "" {
		return nil, b.fail(at, ErrQuery, "AS OF needs a table of the warehouse; %s has connector '%s'", table.Name, table.Connector())
	}
	x := &exprBinder{b: b, scope: &scope{}, clause: "AS OF"}
	e, err := x.bind(t.AsOf.Value)
	if err != nil {
		if _, isColumn := t.AsOf.Value.(*sql.ColumnRef); isColumn {
			return nil, b.failHint(at, ErrQuery, "use a constant, or join on the time with conditions", "a temporal join (AS OF a column) is not supported")
		}
		return nil, err
	}
	l, err := expr.Const(e, &expr.Env{Zone: b.opts.Zone})
	if err != nil || l.Value == nil || expr.Volatile(e) {
		return nil, b.failHint(at, ErrQuery, "write a literal", "AS OF needs a constant")
	}
	return b.version(t.AsOf.Kind, at, l)
}

func (b *binder) version(kind string, at sql.Pos, l *expr.Literal) (*plan.AsOf, error) {
	switch kind {
	case "SNAPSHOT", "EPOCH":
		n, ok := l.Value.(int64)
		if !ok || !l.T.IsInteger() || n < 0 {
			return nil, b.fail(at, ErrType, "AS OF %s needs a whole number", kind)
		}
		if kind == "EPOCH" {
			return &plan.AsOf{Epoch: n}, nil
		}
		return &plan.AsOf{Snapshot: n}, nil
	case "TAG":
		s, ok := l.Value.(string)
		if !ok {
			return nil, b.fail(at, ErrType, "AS OF TAG needs a string")
		}
		return &plan.AsOf{Tag: s}, nil
	case "WATERMARK":
		return nil, b.fail(at, ErrQuery, "AS OF WATERMARK is not supported")
	}
	if !l.T.IsTimestamp() && l.T.Kind != schema.Date {
		return nil, b.fail(at, ErrType, "AS OF needs a TIMESTAMP, not %s", l.T.WithNotNull(false))
	}
	ltz, err := expr.Const(expr.CastTo(l, schema.TTimestampLTZ(3)), &expr.Env{Zone: b.opts.Zone})
	if err != nil {
		return nil, b.wrap(at, err)
	}
	when := time.UnixMilli(ltz.Value.(int64)).UTC()
	return &plan.AsOf{Timestamp: &when}, nil
}
