package bind

import (
	"context"
	"fmt"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/sql"
	"github.com/weir-lake/weir/table/schema"
)

// Insert binds an INSERT: the query's columns are cast to the table's, columns left out
// get their default or NULL, static partition columns their constant.
func Insert(ctx context.Context, cat Catalog, text string, ins *sql.Insert, opts Options) (*plan.Sink, error) {
	b := newBinder(ctx, cat, text, opts)
	db, name, err := b.qualify(ins.Table)
	if err != nil {
		return nil, err
	}
	r, err := cat.Relation(ctx, db, name)
	if err != nil {
		return nil, err
	}
	if r == nil {
		return nil, b.unknownTable(ins.Table, db, name, nil)
	}
	if r.View != nil {
		return nil, b.fail(ins.Table.Pos(), ErrQuery, "'%s' is a view: rows can be inserted into tables only", ins.Table)
	}
	table, _, err := b.applyHints(&sql.TableName{Name: ins.Table, Hints: ins.Hints}, r.Table, nil)
	if err != nil {
		return nil, err
	}
	n, _, err := b.query(ins.Query, nil, nil, false)
	if err != nil {
		return nil, err
	}
	return b.sink(ins, table, n)
}

// target says what one column of the sink is given.
type target struct {
	column int
	from   int       // column of the query, or -1
	value  expr.Expr // constant, where from is -1
}

func (b *binder) sink(ins *sql.Insert, table *plan.Table, n plan.Node) (*plan.Sink, error) {
	s := &plan.Sink{Table: table, Overwrite: ins.Overwrite}
	static, err := b.staticPartition(ins, table, s)
	if err != nil {
		return nil, err
	}
	targets, err := b.targets(ins, table, static, n)
	if err != nil {
		return nil, err
	}
	return s, b.fillSink(s, ins.At, n, targets)
}

// Sink writes a query to a table column by column, as INSERT INTO table query does.
func Sink(table *plan.Table, n plan.Node) (*plan.Sink, error) {
	b := newBinder(context.Background(), emptyCatalog{}, "", Options{})
	return b.sink(&sql.Insert{Table: sql.Name{{Text: table.Name}}}, table, n)
}

// insertable reports a column that INSERT writes.
func insertable(c plan.TableColumn) bool { return c.Computed == nil && !c.Virtual }

// staticPartition binds PARTITION (column = constant).
func (b *binder) staticPartition(ins *sql.Insert, table *plan.Table, s *plan.Sink) (map[int]expr.Expr, error) {
	out := map[int]expr.Expr{}
	for _, v := range ins.Partition {
		i, err := b.tableColumn(table, v.Column)
		if err != nil {
			return nil, err
		}
		if !contains(table.PartitionKeys, v.Column.Text) {
			return nil, b.fail(v.Column.At, ErrQuery, "'%s' is no partition column of %s", v.Column.Text, table.Name)
		}
		if v.Value == nil {
			continue
		}
		x := &exprBinder{b: b, scope: &scope{}, clause: "PARTITION"}
		e, err := x.bind(v.Value)
		if err != nil {
			return nil, err
		}
		t := table.Columns[i].Type
		if !expr.CanCast(e.Type(), t) {
			return nil, b.fail(v.Value.Pos(), ErrType, "partition column '%s' is %s, not %s", v.Column.Text, t, e.Type())
		}
		e = expr.CastTo(e, t)
		text, err := expr.Const(expr.CastTo(e, schema.TString), &expr.Env{Zone: b.opts.Zone})
		if err != nil {
			return nil, b.wrap(v.Value.Pos(), err)
		}
		if s.Partition == nil {
			s.Partition = map[string]string{}
		}
		s.Partition[v.Column.Text], _ = text.Value.(string)
		out[i] = expr.Fold(e)
	}
	return out, nil
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

func (b *binder) tableColumn(table *plan.Table, id sql.Ident) (int, error) {
	var names []string
	for i, c := range table.Columns {
		if names = append(names, c.Name); c.Name == id.Text {
			return i, nil
		}
	}
	return 0, b.failHint(id.At, ErrName, didYouMean(id.Text, names), "table '%s' has no column '%s'", table.Name, id.Text)
}

// targets pairs every stored column with a column of the query or a constant.
func (b *binder) targets(ins *sql.Insert, table *plan.Table, static map[int]expr.Expr, n plan.Node) ([]target, error) {
	var wanted []int // columns the query gives, in its order
	if ins.Columns == nil {
		for i, c := range table.Columns {
			if insertable(c) && static[i] == nil {
				wanted = append(wanted, i)
			}
		}
	}
	seen := map[int]bool{}
	for _, id := range ins.Columns {
		i, err := b.tableColumn(table, id)
		if err != nil {
			return nil, err
		}
		switch {
		case !insertable(table.Columns[i]):
			return nil, b.fail(id.At, ErrQuery, "column '%s' is computed or virtual: it cannot be inserted into", id.Text)
		case seen[i] || static[i] != nil:
			return nil, b.fail(id.At, ErrQuery, "column '%s' is given twice", id.Text)
		}
		seen[i] = true
		wanted = append(wanted, i)
	}
	if got := len(n.Columns()); got != len(wanted) {
		return nil, b.failHint(insertPlace(ins), ErrQuery, fmt.Sprintf("it must give %s", columnList(table, wanted)),
			"the query has %d columns, table '%s' takes %d", got, table.Name, len(wanted))
	}
	return b.pairColumns(ins.At, table, static, wanted)
}

func columnList(table *plan.Table, cols []int) string {
	s := ""
	for k, i := range cols {
		if k >= maxListed {
			return s + ", .."
		}
		if k > 0 {
			s += ", "
		}
		s += table.Columns[i].Name + " " + table.Columns[i].Type.String()
	}
	return s
}

func (b *binder) pairColumns(at sql.Pos, table *plan.Table, static map[int]expr.Expr, wanted []int) ([]target, error) {
	from := map[int]int{}
	for k, i := range wanted {
		from[i] = k
	}
	var out []target
	for i, c := range table.Columns {
		if !insertable(c) {
			continue
		}
		if k, ok := from[i]; ok {
			out = append(out, target{column: i, from: k})
			continue
		}
		v := static[i]
		if v == nil {
			var err error
			if v, err = b.defaultValue(at, table, c); err != nil {
				return nil, err
			}
		}
		out = append(out, target{column: i, from: -1, value: v})
	}
	return out, nil
}

func (b *binder) defaultValue(at sql.Pos, table *plan.Table, c plan.TableColumn) (expr.Expr, error) {
	if c.Default == nil {
		if c.Type.NotNull {
			return nil, b.fail(at, ErrQuery, "column '%s' of %s is NOT NULL, has no default and is not given", c.Name, table.Name)
		}
		return &expr.Literal{T: c.Type}, nil
	}
	e := expr.CastTo(constant(*c.Default, schema.TString), c.Type)
	l, err := expr.Const(e, &expr.Env{Zone: b.opts.Zone})
	if err != nil {
		return nil, b.fail(at, ErrType, "default '%s' of column '%s': %v", *c.Default, c.Name, err)
	}
	return &expr.Literal{Value: l.Value, T: c.Type}, nil
}

// fillSink projects the query to the targets, unless it is in shape already.
func (b *binder) fillSink(s *plan.Sink, at sql.Pos, n plan.Node, targets []target) error {
	cols := n.Columns()
	p := &plan.Project{Input: n}
	same := len(targets) == len(cols)
	for k, t := range targets {
		c := s.Table.Columns[t.column]
		e := t.value
		if t.from >= 0 {
			col := plan.Col(n, t.from)
			if e = assign(n, col, c.Type); e == nil {
				return b.failHint(at, ErrType, "CAST it", "column %d of the query, '%s', is %s and cannot be stored in column '%s', which is %s",
					t.from+1, col.Name, col.T.WithNotNull(false), c.Name, c.Type.WithNotNull(false))
			}
			same = same && t.from == k && e == expr.Expr(col)
		} else {
			same = false
		}
		p.Exprs, p.Names = append(p.Exprs, e), append(p.Names, c.Name)
		s.Target = append(s.Target, t.column)
	}
	s.Input = p
	if same {
		s.Input = n
	}
	return nil
}

// assign is the column as a table's type by an implicit cast; nil if there is none.
// Constants of VALUES may be narrowed where they fit.
func assign(n plan.Node, c *expr.Column, t schema.Type) expr.Expr {
	if Assignable(c.T, t) {
		return expr.CastTo(c, t)
	}
	v, ok := n.(*plan.Values)
	if !ok || !c.T.IsNumeric() || !t.IsNumeric() {
		return nil
	}
	for _, r := range v.Rows {
		l, ok := r[c.Index].(*expr.Literal)
		if !ok || l.Value == nil {
			continue
		}
		back, err := expr.Const(expr.CastTo(expr.CastTo(l, t), c.T), nil)
		if err != nil || back.String() != l.String() {
			return nil
		}
	}
	return expr.CastTo(c, t)
}

// Assignable reports an implicit cast of INSERT, as Flink has them: to a wider number,
// among texts, binaries and timestamps, and of the parts of nested types.
func Assignable(from, to schema.Type) bool {
	switch {
	case from.Kind == schema.Null || from.SameRoot(to):
		return true
	case to.Kind == schema.Decimal || to.Kind == schema.Double:
		return from.IsNumeric()
	case to.Kind == schema.Float:
		return from.IsInteger() || from.Kind == schema.Float || from.Kind == schema.Decimal
	case to.IsInteger():
		return from.IsInteger() && from.Kind <= to.Kind
	case to.IsString():
		return from.IsString()
	case to.IsBinary():
		return from.IsBinary()
	case to.Kind == schema.Blob:
		return from.IsBinary()
	case to.Kind == schema.Date:
		return from.Kind == schema.Timestamp
	case to.Kind == schema.Time:
		return from.Kind == schema.Time || from.Kind == schema.Timestamp
	case to.IsTimestamp():
		return from.IsTimestamp() || from.Kind == schema.Date
	}
	return assignableParts(from, to)
}

func assignableParts(from, to schema.Type) bool {
	if from.Kind != to.Kind {
		return false
	}
	switch to.Kind {
	case schema.Array, schema.Multiset:
		return Assignable(*from.Elem, *to.Elem)
	case schema.Map:
		return Assignable(*from.Key, *to.Key) && Assignable(*from.Elem, *to.Elem)
	case schema.Row:
		if len(from.Fields) != len(to.Fields) {
			return false
		}
		for i := range to.Fields {
			if !Assignable(from.Fields[i].Type, to.Fields[i].Type) {
				return false
			}
		}
		return true
	}
	return false
}

// insertPlace is the query, or the statement where the query has no text.
func insertPlace(ins *sql.Insert) sql.Pos {
	if ins.Query != nil {
		return ins.Query.At
	}
	return ins.At
}
