package bind

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/sql"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

// Sentinels of binding errors; all are of kind invalid.
var (
	// ErrName: a table, column, function or parameter has an unknown or ambiguous name.
	ErrName = errkind.New(errkind.Invalid, "bind: unknown name")
	// ErrType: an expression has a type that does not fit.
	ErrType = errkind.New(errkind.Invalid, "bind: type mismatch")
	// ErrQuery: the query is not valid or not supported.
	ErrQuery = errkind.New(errkind.Invalid, "bind: invalid query")
)

// Catalog knows the tables and views of a session, temporary ones first.
type Catalog interface {
	// Relation returns a table or view; nil and no error if there is none of that name.
	Relation(ctx context.Context, database, name string) (*Relation, error)
	// Relations lists the names in a database, for suggestions; nil if there is no such database.
	Relations(ctx context.Context, database string) ([]string, error)
}

// Relation is a table or a view: exactly one field is set.
type Relation struct {
	Table *plan.Table
	View  *View
}

// View is a stored query.
type View struct {
	Database string   // where its unqualified names are looked up
	Columns  []string // names of its columns; nil: those of the query
	Text     string   // of the query
}

// CatalogName is the one catalog: db.t and weir.db.t are the same table.
const CatalogName = "weir"

// Options are what a session knows besides its catalog. The zero value is valid.
type Options struct {
	Database string         // current database; "" is "default"
	Params   []expr.Literal // values of ? in order
	Named    map[string]expr.Literal
	Zone     *time.Location // session time zone; nil is UTC
}

func (o Options) withDefaults() Options {
	if o.Database == "" {
		o.Database = "default"
	}
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	return o
}

const (
	// maxRelations bounds the tables of one bound query after views and WITH queries are
	// expanded: a few lines of SQL can double their uses at each step.
	maxRelations = 1000
	// maxViewDepth bounds views over views.
	maxViewDepth = 32
	// maxColumns bounds the columns of one relation, as a star over joins of wide tables.
	maxColumns = 10_000
)

// binder binds one statement. It is not used again.
type binder struct {
	ctx  context.Context
	cat  Catalog
	opts Options

	text      string // of the statement or view being bound, for error messages
	relations int
	views     []string // being expanded, outermost first
	// expanded collects the select lists whose stars have been resolved; nil: nobody asks.
	expanded map[*sql.Select][]sql.SelectItem
}

func newBinder(ctx context.Context, cat Catalog, text string, opts Options) *binder {
	return &binder{ctx: ctx, cat: cat, text: text, opts: opts.withDefaults()}
}

// Query binds a query. Text is the text it was parsed from, for error messages.
func Query(ctx context.Context, cat Catalog, text string, q *sql.Query, opts Options) (plan.Node, error) {
	b := newBinder(ctx, cat, text, opts)
	n, _, err := b.query(q, nil, nil, true)
	return n, err
}

// Scalar binds an expression over columns, such as a --where of a table.
func Scalar(ctx context.Context, text string, e sql.Expr, cols []plan.Column, opts Options) (expr.Expr, error) {
	b := newBinder(ctx, emptyCatalog{}, text, opts)
	eb := &exprBinder{b: b, scope: newScope(nil, "", cols)}
	return eb.bind(e)
}

// Condition binds a Boolean expression over columns.
func Condition(ctx context.Context, text string, e sql.Expr, cols []plan.Column, opts Options) (expr.Expr, error) {
	b := newBinder(ctx, emptyCatalog{}, text, opts)
	eb := &exprBinder{b: b, scope: newScope(nil, "", cols)}
	return eb.condition(e, "the condition")
}

// emptyCatalog has no tables.
type emptyCatalog struct{}

func (emptyCatalog) Relation(context.Context, string, string) (*Relation, error) { return nil, nil }
func (emptyCatalog) Relations(context.Context, string) ([]string, error)         { return nil, nil }

// fail makes an error at a place of the text being bound.
func (b *binder) fail(at sql.Pos, sentinel error, format string, args ...any) error {
	return b.failHint(at, sentinel, "", format, args...)
}

func (b *binder) failHint(at sql.Pos, sentinel error, hint, format string, args ...any) error {
	msg := fmt.Sprintf(format, args...)
	if len(b.views) > 0 {
		msg = "in view " + b.views[len(b.views)-1] + ": " + msg
	}
	return sql.NewError(b.text, at, sentinel, msg, hint)
}

// wrap gives an error of the function table a place; errors with a place keep theirs.
func (b *binder) wrap(at sql.Pos, err error) error {
	if err == nil {
		return nil
	}
	var placed *sql.Error
	if errors.As(err, &placed) || errkind.Of(err) != errkind.Invalid {
		return err
	}
	return b.fail(at, ErrType, "%s", err.Error())
}

// columnType is the type without the parts that only values have.
func storable(t schema.Type) schema.Type {
	if t.Kind == schema.Char && t.Length == 0 {
		return schema.Type{Kind: schema.VarChar, Length: schema.MaxLength, NotNull: t.NotNull}
	}
	return t
}
