package duck

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/weir-lake/weir/compute/duck/internal/wire"
	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/table/schema"
)

// scope names the input columns an expression may use.
type scope func(index int) string

// single is the scope of one input relation.
func single(i int) string { return fmt.Sprintf("c%d", i) }

// under is the scope of an input with an alias.
func under(alias string) scope {
	return func(i int) string { return fmt.Sprintf("%s.c%d", alias, i) }
}

// proof prints a call as DuckDB's own function. It returns false where that is not
// proved to mean the same for these types; then the call runs in Go.
type proof func(p *printer, s scope, c *expr.Call) (string, bool)

// expr prints e. The text has exactly the DuckDB type sqlType(e.Type()).
func (p *printer) expr(s scope, e expr.Expr) string {
	switch e := e.(type) {
	case *expr.Column:
		return s(e.Index)
	case *expr.Literal:
		text, err := sqlLiteral(e)
		p.fail(err)
		return text
	case *expr.Call:
		if envOnly[e.Fn] && len(expr.Columns(nil, e)) == 0 {
			return p.constant(s, e)
		}
		if text, ok := p.proved(s, e); ok {
			return text
		}
		return p.udf(s, e)
	default:
		p.fail(fmt.Errorf("print expression: unknown node %T", e))
		return ""
	}
}

func (p *printer) exprs(s scope, list []expr.Expr) []string {
	out := make([]string, len(list))
	for i, e := range list {
		out[i] = p.expr(s, e)
	}
	return out
}

// envOnly are functions of the recorded context: they are constants of one query.
var envOnly = map[string]bool{
	"NOW": true, "CURRENT_TIMESTAMP": true, "PROCTIME": true, "LOCALTIMESTAMP": true,
	"CURRENT_DATE": true, "CURRENT_TIME": true, "CURRENT_WATERMARK": true,
}

// perRow are functions whose value differs from row to row without any argument.
var perRow = map[string]bool{"RAND": true, "RAND_INTEGER": true, "UUID": true}

func isPerRow(e expr.Expr) bool {
	c, ok := e.(*expr.Call)
	if !ok {
		return false
	}
	if perRow[c.Fn] {
		return true
	}
	for _, a := range c.Args {
		if isPerRow(a) {
			return true
		}
	}
	return false
}

// constant evaluates e now.
func (p *printer) constant(s scope, e expr.Expr) string {
	l, err := expr.Const(e, &p.opts.Env)
	if err != nil {
		p.fail(fmt.Errorf("evaluate %s: %w", e, err))
		return ""
	}
	return p.expr(s, l)
}

func (p *printer) proved(s scope, c *expr.Call) (string, bool) {
	f := p.proofs[c.Fn]
	if f == nil {
		return "", false
	}
	return f(p, s, c)
}

// udf runs e in Go: what DuckDB can compute of it becomes an argument, the rest one function.
func (p *printer) udf(s scope, c *expr.Call) string {
	b := &udfBuilder{p: p, scope: s, seen: make(map[string]int)}
	tree := b.call(c)
	body, err := wire.EncodeExpr(tree)
	p.fail(err)
	u := UDF{Kind: wire.ExprUDF, Args: b.types, Result: c.T, Expr: body, Volatile: isPerRow(c)}
	if len(b.args) == 0 {
		// DuckDB would call a function without arguments once per chunk; the argument
		// says how many rows there are.
		b.args, u.Args = []string{"TRUE"}, []schema.Type{schema.TBoolean}
	}
	return p.call(u, b.args)
}

// call prints a call of a Go function.
func (p *printer) call(u UDF, args []string) string {
	return p.name(u) + "(" + strings.Join(args, ", ") + ")"
}

// name registers a function with the query. The name is made of all that the function is, so
// that workers can keep functions from query to query.
func (p *printer) name(u UDF) string {
	key, err := json.Marshal(u)
	p.fail(err)
	sum := sha256.Sum256(key)
	u.Name = "weir_" + hex.EncodeToString(sum[:nameBytes])
	if !p.registered[u.Name] {
		p.registered[u.Name] = true
		p.q.UDFs = append(p.q.UDFs, u)
	}
	return u.Name
}

// nameBytes of a hash keep two functions from ever sharing a name.
const nameBytes = 16

// udfBuilder splits a call into SQL arguments and a tree over them.
type udfBuilder struct {
	p     *printer
	scope scope
	args  []string
	types []schema.Type
	seen  map[string]int // SQL text -> argument
}

func (b *udfBuilder) call(c *expr.Call) expr.Expr {
	out := &expr.Call{Fn: c.Fn, T: c.T, Args: make([]expr.Expr, len(c.Args))}
	for i, a := range c.Args {
		out.Args[i] = b.arg(a)
	}
	return out
}

func (b *udfBuilder) arg(e expr.Expr) expr.Expr {
	switch e := e.(type) {
	case *expr.Literal:
		return e
	case *expr.Call:
		if text, ok := b.p.proved(b.scope, e); ok {
			return b.param(text, e.T)
		}
		if envOnly[e.Fn] && len(expr.Columns(nil, e)) == 0 {
			return b.param(b.p.constant(b.scope, e), e.T)
		}
		return b.call(e)
	default:
		return b.param(b.p.expr(b.scope, e), e.Type())
	}
}

func (b *udfBuilder) param(text string, t schema.Type) expr.Expr {
	i, ok := b.seen[text]
	if !ok {
		i = len(b.args)
		b.seen[text] = i
		b.args, b.types = append(b.args, text), append(b.types, t)
	}
	return &expr.Column{Index: i, T: t}
}
