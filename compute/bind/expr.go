package bind

import (
	"fmt"
	"strings"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/sql"
	"github.com/weir-lake/weir/table/schema"
)

// exprBinder binds expressions over one input.
type exprBinder struct {
	b     *binder
	scope *scope
	ctes  *ctes
	// node is the input; subqueries are joined to it and so append columns. nil where
	// there can be none (constants, DDL).
	node *plan.Node
	// replace gives the column of an expression that has been computed already: an
	// aggregate, a group key, a window function.
	replace func(sql.Expr) (expr.Expr, bool, error)
	// mapOuter brings a column of scope to the present input, where an aggregate lies
	// between; nil: they are the same.
	mapOuter func(sql.Pos, *expr.Column) (expr.Expr, error)
	// clause names the place in errors about aggregates, such as "WHERE".
	clause string
}

// condition binds a Boolean.
func (x *exprBinder) condition(e sql.Expr, what string) (expr.Expr, error) {
	c, err := x.bind(e)
	if err != nil {
		return nil, err
	}
	switch t := c.Type(); t.Kind {
	case schema.Boolean:
		return c, nil
	case schema.Null:
		return expr.CastTo(c, schema.TBoolean), nil
	default:
		return nil, x.b.fail(e.Pos(), ErrType, "%s must be BOOLEAN, not %s", what, t.WithNotNull(false))
	}
}

func (x *exprBinder) bind(e sql.Expr) (expr.Expr, error) {
	if x.replace != nil {
		if r, ok, err := x.replace(e); ok || err != nil {
			return r, err
		}
	}
	switch e := e.(type) {
	case *sql.ColumnRef:
		return x.column(e)
	case *sql.Literal:
		return x.b.literal(e)
	case *sql.Interval:
		return x.b.interval(e)
	case *sql.Param:
		return x.b.param(e)
	case *sql.Unary:
		return x.unary(e)
	case *sql.Binary:
		return x.binary(e)
	case *sql.Is:
		return x.is(e)
	case *sql.Between:
		return x.between(e)
	case *sql.In:
		return x.in(e)
	case *sql.Like:
		return x.like(e)
	case *sql.Case:
		return x.caseExpr(e)
	case *sql.Cast:
		return x.cast(e)
	case *sql.Call:
		return x.call(e)
	case *sql.Row:
		return x.apply(e.At, "ROW", e.Items...)
	case *sql.Array:
		return x.array(e)
	case *sql.Map:
		return x.apply(e.At, "MAP", e.Items...)
	case *sql.Index:
		return x.apply(e.X.Pos(), "ITEM", e.X, e.I)
	case *sql.Field:
		return x.fieldOf(e)
	case *sql.Symbol:
		return constant(e.Text, schema.TString), nil
	default:
		return x.bindQueryExpr(e)
	}
}

// bindQueryExpr binds what contains a query, and refuses what is no value.
func (x *exprBinder) bindQueryExpr(e sql.Expr) (expr.Expr, error) {
	switch e := e.(type) {
	case *sql.Subquery:
		return x.scalarSubquery(e)
	case *sql.Exists:
		return x.existsValue(e)
	case *sql.Quantified:
		return x.quantified(e)
	case *sql.Star:
		return nil, x.b.fail(e.At, ErrQuery, "* is only allowed in SELECT and COUNT(*)")
	case *sql.Descriptor, *sql.TableArg:
		return nil, x.b.fail(e.Pos(), ErrQuery, "TABLE and DESCRIPTOR are arguments of window functions in FROM only")
	default:
		return nil, x.b.fail(e.Pos(), ErrQuery, "this expression is not supported")
	}
}

// list binds expressions in order.
func (x *exprBinder) list(es []sql.Expr) ([]expr.Expr, error) {
	out := make([]expr.Expr, len(es))
	for i, e := range es {
		var err error
		if out[i], err = x.bind(e); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// apply binds the arguments and calls the function.
func (x *exprBinder) apply(at sql.Pos, fn string, args ...sql.Expr) (expr.Expr, error) {
	bound, err := x.list(args)
	if err != nil {
		return nil, err
	}
	return x.b.apply(at, fn, bound...)
}

func (b *binder) apply(at sql.Pos, fn string, args ...expr.Expr) (expr.Expr, error) {
	e, err := expr.Apply(fn, args...)
	return e, b.wrap(at, err)
}

func (x *exprBinder) column(e *sql.ColumnRef) (expr.Expr, error) {
	f, err := x.b.resolve(x.scope, e.Name)
	if err != nil {
		return nil, err
	}
	var col expr.Expr = f.col
	switch {
	case f.depth > 0:
		col = &outerRef{depth: f.depth, col: f.col}
	case x.mapOuter != nil:
		if col, err = x.mapOuter(e.Pos(), f.col); err != nil {
			return nil, err
		}
	}
	for _, part := range e.Name[f.used:] {
		if col, err = x.b.field(col, part); err != nil {
			return nil, err
		}
	}
	return col, nil
}

func (x *exprBinder) fieldOf(e *sql.Field) (expr.Expr, error) {
	base, err := x.bind(e.X)
	if err != nil {
		return nil, err
	}
	return x.b.field(base, e.Name)
}

// field takes a field of a ROW by name.
func (b *binder) field(base expr.Expr, name sql.Ident) (expr.Expr, error) {
	t := base.Type()
	if t.Kind != schema.Row {
		return nil, b.fail(name.At, ErrType, "%s has type %s and so no field '%s'", base, t.WithNotNull(false), name.Text)
	}
	names := make([]string, len(t.Fields))
	for i, f := range t.Fields {
		if names[i] = f.Name; f.Name == name.Text {
			ft := f.Type.WithNotNull(f.Type.NotNull && t.NotNull)
			return &expr.Call{Fn: "FIELD", Args: []expr.Expr{base, constant(int64(i), schema.TInt)}, T: ft}, nil
		}
	}
	return nil, b.failHint(name.At, ErrName, didYouMean(name.Text, names), "there is no field '%s' in %s", name.Text, t.WithNotNull(false))
}

func (b *binder) param(p *sql.Param) (expr.Expr, error) {
	if p.Name != "" {
		l, ok := b.opts.Named[p.Name]
		if !ok {
			return nil, b.fail(p.At, ErrName, "parameter :%s has no value", p.Name)
		}
		return &l, nil
	}
	if p.Index >= len(b.opts.Params) {
		return nil, b.fail(p.At, ErrName, "parameter ? number %d has no value: %d were given", p.Index+1, len(b.opts.Params))
	}
	l := b.opts.Params[p.Index]
	return &l, nil
}

func (x *exprBinder) unary(e *sql.Unary) (expr.Expr, error) {
	if e.Op == "NOT" {
		if in, ok := e.X.(*sql.In); ok && in.Query != nil {
			flipped := *in
			flipped.Not = !in.Not
			return x.bind(&flipped)
		}
		v, err := x.condition(e.X, "the operand of NOT")
		if err != nil {
			return nil, err
		}
		return x.b.apply(e.At, "NOT", v)
	}
	// -9223372036854775808 and -2147483648 are one literal.
	if l, ok := e.X.(*sql.Literal); ok && e.Op == "-" && l.Kind == sql.LitNumber {
		return x.b.negative(l)
	}
	v, err := x.bind(e.X)
	if err != nil {
		return nil, err
	}
	if e.Op == "-" {
		return x.b.apply(e.At, "NEG", v)
	}
	if t := v.Type(); !t.IsNumeric() && t.Kind != schema.IntervalDayTime && t.Kind != schema.IntervalYearMonth {
		return nil, x.b.fail(e.At, ErrType, "+ cannot be applied to %s", t.WithNotNull(false))
	}
	return v, nil
}

func (b *binder) negative(l *sql.Literal) (expr.Expr, error) {
	n, err := b.number(l)
	if err != nil {
		return nil, err
	}
	if v, ok := n.Value.(int64); ok {
		t := n.T
		if v == 1<<31 {
			t = schema.TInt
		}
		return constant(-v, t), nil
	}
	if l.Text == "9223372036854775808" {
		return constant(int64(-1<<63), schema.TBigInt), nil
	}
	return b.apply(l.At, "NEG", n)
}

func (x *exprBinder) binary(e *sql.Binary) (expr.Expr, error) {
	lr, lok := e.L.(*sql.Row)
	rr, rok := e.R.(*sql.Row)
	if lok && rok {
		switch e.Op {
		case "OVERLAPS":
			if len(lr.Items) == 2 && len(rr.Items) == 2 {
				return x.apply(e.At, "OVERLAPS", append(append([]sql.Expr(nil), lr.Items...), rr.Items...)...)
			}
		case "=", "<>":
			return x.rowEquality(e, lr, rr)
		}
	}
	fn := e.Op
	switch e.Op {
	case "IS DISTINCT FROM":
		fn = "IS_DISTINCT_FROM"
	case "IS NOT DISTINCT FROM":
		fn = "IS_NOT_DISTINCT_FROM"
	case "AND", "OR":
		return x.logic(e)
	case "OVERLAPS":
		return nil, x.b.failHint(e.At, ErrQuery, "write (start, end) OVERLAPS (start, end)", "OVERLAPS needs two pairs")
	}
	return x.apply(e.At, fn, e.L, e.R)
}

// logic binds chains of AND and OR without recursion on the left, where parsed chains are long.
func (x *exprBinder) logic(e *sql.Binary) (expr.Expr, error) {
	var operands []sql.Expr
	var left sql.Expr = e
	for {
		b, ok := left.(*sql.Binary)
		if !ok || b.Op != e.Op {
			break
		}
		operands = append(operands, b.R)
		left = b.L
	}
	acc, err := x.condition(left, "an operand of "+e.Op)
	if err != nil {
		return nil, err
	}
	for i := len(operands) - 1; i >= 0; i-- {
		next, err := x.condition(operands[i], "an operand of "+e.Op)
		if err != nil {
			return nil, err
		}
		if acc, err = x.b.apply(e.At, e.Op, acc, next); err != nil {
			return nil, err
		}
	}
	return acc, nil
}

// rowEquality is (a, b) = (c, d).
func (x *exprBinder) rowEquality(e *sql.Binary, l, r *sql.Row) (expr.Expr, error) {
	if len(l.Items) != len(r.Items) {
		return nil, x.b.fail(e.At, ErrType, "rows of %d and %d values cannot be compared", len(l.Items), len(r.Items))
	}
	var all []expr.Expr
	for i := range l.Items {
		eq, err := x.apply(e.At, "=", l.Items[i], r.Items[i])
		if err != nil {
			return nil, err
		}
		all = append(all, eq)
	}
	out := plan.And(all...)
	if e.Op == "<>" {
		return x.b.apply(e.At, "NOT", out)
	}
	return out, nil
}

func (x *exprBinder) is(e *sql.Is) (expr.Expr, error) {
	v, err := x.bind(e.X)
	if err != nil {
		return nil, err
	}
	at := e.X.Pos()
	if what, ok := strings.CutPrefix(e.What, "JSON"); ok {
		args := []expr.Expr{v}
		if what != "" {
			args = append(args, constant(strings.TrimSpace(what), schema.TString))
		}
		out, err := x.b.apply(at, "IS_JSON", args...)
		if err == nil && e.Not {
			out, err = x.b.apply(at, "NOT", out)
		}
		return out, err
	}
	what := e.What
	if what == "UNKNOWN" {
		what = "NULL"
	}
	if e.Not {
		what = "NOT_" + what
	}
	return x.b.apply(at, "IS_"+what, v)
}

func (x *exprBinder) between(e *sql.Between) (expr.Expr, error) {
	v, err := x.list([]sql.Expr{e.X, e.Lo, e.Hi})
	if err != nil {
		return nil, err
	}
	at := e.X.Pos()
	rangeOf := func(lo, hi expr.Expr) (expr.Expr, error) {
		ge, err := x.b.apply(at, ">=", v[0], lo)
		if err != nil {
			return nil, err
		}
		le, err := x.b.apply(at, "<=", v[0], hi)
		if err != nil {
			return nil, err
		}
		return x.b.apply(at, "AND", ge, le)
	}
	out, err := rangeOf(v[1], v[2])
	if err == nil && e.Symmetric {
		var other expr.Expr
		if other, err = rangeOf(v[2], v[1]); err == nil {
			out, err = x.b.apply(at, "OR", out, other)
		}
	}
	if err == nil && e.Not {
		out, err = x.b.apply(at, "NOT", out)
	}
	return out, err
}

func (x *exprBinder) in(e *sql.In) (expr.Expr, error) {
	if e.Query != nil {
		return x.inValue(e)
	}
	if row, ok := e.X.(*sql.Row); ok {
		return x.rowIn(e, row)
	}
	out, err := x.apply(e.At, "IN", append([]sql.Expr{e.X}, e.List...)...)
	if err == nil && e.Not {
		out, err = x.b.apply(e.At, "NOT", out)
	}
	return out, err
}

// rowIn is (a, b) IN ((1, 2), (3, 4)).
func (x *exprBinder) rowIn(e *sql.In, row *sql.Row) (expr.Expr, error) {
	var any expr.Expr
	for _, item := range e.List {
		r, ok := item.(*sql.Row)
		if !ok {
			return nil, x.b.fail(item.Pos(), ErrType, "a row can only be IN a list of rows")
		}
		eq, err := x.rowEquality(&sql.Binary{At: e.At, Op: "="}, row, r)
		if err != nil {
			return nil, err
		}
		if any == nil {
			any = eq
		} else if any, err = x.b.apply(e.At, "OR", any, eq); err != nil {
			return nil, err
		}
	}
	if e.Not {
		return x.b.apply(e.At, "NOT", any)
	}
	return any, nil
}

func (x *exprBinder) like(e *sql.Like) (expr.Expr, error) {
	fn, args := "LIKE", []sql.Expr{e.X, e.Pattern}
	if e.Similar {
		fn = "SIMILAR_TO"
	}
	if e.Escape != nil {
		args = append(args, e.Escape)
	}
	out, err := x.apply(e.At, fn, args...)
	if err == nil && e.Not {
		out, err = x.b.apply(e.At, "NOT", out)
	}
	return out, err
}

func (x *exprBinder) caseExpr(e *sql.Case) (expr.Expr, error) {
	var operand expr.Expr
	var err error
	if e.Operand != nil {
		if operand, err = x.bind(e.Operand); err != nil {
			return nil, err
		}
	}
	var args []expr.Expr
	for _, w := range e.Whens {
		var cond expr.Expr
		if operand != nil {
			v, err := x.bind(w.Cond)
			if err != nil {
				return nil, err
			}
			if cond, err = x.b.apply(w.Cond.Pos(), "=", operand, v); err != nil {
				return nil, err
			}
		} else if cond, err = x.condition(w.Cond, "a condition of CASE"); err != nil {
			return nil, err
		}
		then, err := x.bind(w.Then)
		if err != nil {
			return nil, err
		}
		args = append(args, cond, then)
	}
	var last expr.Expr = &expr.Literal{T: schema.TNull}
	if e.Else != nil {
		if last, err = x.bind(e.Else); err != nil {
			return nil, err
		}
	}
	return x.b.apply(e.At, "CASE", append(args, last)...)
}

func (x *exprBinder) cast(e *sql.Cast) (expr.Expr, error) {
	v, err := x.bind(e.X)
	if err != nil {
		return nil, err
	}
	from, to := v.Type(), e.Type.Type
	fn := "CAST"
	if e.Try {
		fn = "TRY_CAST"
	}
	if to.Kind == schema.Null || !expr.CanCast(from, to) {
		return nil, x.b.fail(e.At, ErrType, "%s cannot cast %s to %s", fn, from.WithNotNull(false), to.WithNotNull(false))
	}
	notNull := from.NotNull && !e.Try
	if from.SameRoot(to) {
		return v, nil
	}
	if l, ok := v.(*expr.Literal); ok && l.Value == nil {
		return &expr.Literal{T: to.WithNotNull(false)}, nil
	}
	return &expr.Call{Fn: fn, Args: []expr.Expr{v}, T: to.WithNotNull(notNull)}, nil
}

func (x *exprBinder) array(e *sql.Array) (expr.Expr, error) {
	if e.Query != nil {
		return nil, x.b.failHint(e.At, ErrQuery, "use ARRAY_AGG in a subquery", "ARRAY(query) is not supported")
	}
	if len(e.Items) == 0 {
		return nil, x.b.failHint(e.At, ErrType, "write CAST(NULL AS ARRAY<..>) or give it an element", "an empty ARRAY[] has no element type")
	}
	return x.apply(e.At, "ARRAY", e.Items...)
}

// call binds a scalar function. Aggregates and window functions have been replaced
// where they are allowed; here they are an error.
func (x *exprBinder) call(c *sql.Call) (expr.Expr, error) {
	name := strings.ToUpper(c.Name.Last())
	at := c.Name.Pos()
	switch {
	case len(c.Name) > 1:
		return nil, x.b.fail(at, ErrName, "there is no function %s", c.Name)
	case c.Over != nil:
		return nil, x.b.fail(at, ErrQuery, "%s OVER is not allowed in %s", name, x.place())
	case expr.IsWindowOnly(name):
		return nil, x.b.failHint(at, ErrQuery, "write "+name+"(..) OVER (PARTITION BY .. ORDER BY ..)", "%s needs an OVER clause", name)
	case expr.IsAggregate(name):
		return nil, x.b.fail(at, ErrQuery, "aggregate %s is not allowed in %s", name, x.place())
	case groupFns[name]:
		return nil, x.b.fail(at, ErrQuery, "%s is allowed in queries with GROUP BY only", name)
	case c.Star || c.Distinct || c.Filter != nil || c.WithinGroup != nil || c.OrderBy != nil:
		return nil, x.b.fail(at, ErrQuery, "%s is no aggregate: it takes no *, DISTINCT, FILTER or ORDER BY", name)
	}
	// Before its arguments: a misspelt aggregate's argument is no group key, and that is not what is wrong.
	if err := expr.Known(name); err != nil {
		return nil, x.b.wrap(at, err)
	}
	args := make([]expr.Expr, len(c.Args))
	for i, a := range c.Args {
		if a.Name != nil {
			return nil, x.b.fail(a.Name.At, ErrQuery, "%s takes no named arguments", name)
		}
		if a.Value == nil { // TRIM(BOTH FROM x): blanks
			args[i] = stringLiteral(" ")
			continue
		}
		var err error
		if args[i], err = x.bind(a.Value); err != nil {
			return nil, err
		}
	}
	return x.b.apply(at, name, args...)
}

func (x *exprBinder) place() string {
	if x.clause == "" {
		return "this expression"
	}
	return x.clause
}

// groupFns tell which grouping set a row belongs to.
var groupFns = map[string]bool{"GROUPING": true, "GROUPING_ID": true, "GROUP_ID": true}

// name is the name an unnamed select item gets, as in Flink.
func itemName(it sql.SelectItem, pos int) string {
	switch e := it.Expr.(type) {
	case *sql.ColumnRef:
		return e.Name.Last()
	case *sql.Field:
		return e.Name.Text
	}
	return fmt.Sprintf("EXPR$%d", pos)
}
