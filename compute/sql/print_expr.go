package sql

import (
	"strconv"
	"strings"
)

func (p *printer) exprs(list []Expr) {
	p.list(len(list), ", ", func(i int) { p.expr(list[i], precOr) })
}

// expr prints an expression, in parentheses if it binds weaker than prec.
func (p *printer) expr(e Expr, prec int) {
	own := precedence(e)
	if own < prec {
		p.w("(")
		p.operator(e, own)
		p.w(")")
		return
	}
	p.operator(e, own)
}

// precPrimary is above every operator.
const precPrimary = precUnary + 1

func precedence(e Expr) int {
	switch e := e.(type) {
	case *Binary:
		if bp, ok := binaryPrec[e.Op]; ok {
			return bp
		}
		return precIs
	case *Unary:
		if e.Op == "NOT" {
			return precNot
		}
		return precUnary
	case *Is:
		return precIs
	case *Between, *In, *Like:
		return precLike
	case *Quantified:
		return precCompare
	case *Interval:
		if e.Negative {
			return precPrimary
		}
	}
	return precPrimary
}

func (p *printer) operator(e Expr, own int) {
	switch e := e.(type) {
	case *Binary:
		p.expr(e.L, own)
		p.w(" ", e.Op, " ")
		if own == precIs {
			p.expr(e.R, precAdditive)
		} else {
			p.expr(e.R, own+1)
		}
	case *Unary:
		if e.Op == "NOT" {
			p.w("NOT ")
			p.expr(e.X, precIs)
			return
		}
		// A space keeps - - x from becoming a comment.
		p.w(e.Op, " ")
		p.expr(e.X, precUnary)
	case *Is:
		p.expr(e.X, precIs)
		p.w(" IS ")
		p.opt(e.Not, "NOT ")
		p.w(e.What)
	case *Between:
		p.expr(e.X, precLike)
		p.opt(e.Not, " NOT")
		p.w(" BETWEEN ")
		p.opt(e.Symmetric, "SYMMETRIC ")
		p.expr(e.Lo, precAdditive)
		p.w(" AND ")
		p.expr(e.Hi, precAdditive)
	case *In:
		p.expr(e.X, precLike)
		p.opt(e.Not, " NOT")
		p.w(" IN (")
		if e.Query != nil {
			p.query(e.Query)
		} else {
			p.exprs(e.List)
		}
		p.w(")")
	case *Like:
		p.expr(e.X, precLike)
		p.opt(e.Not, " NOT")
		if e.Similar {
			p.w(" SIMILAR TO ")
		} else {
			p.w(" LIKE ")
		}
		p.expr(e.Pattern, precAdditive)
		if e.Escape != nil {
			p.w(" ESCAPE ")
			p.expr(e.Escape, precAdditive)
		}
	case *Quantified:
		p.expr(e.X, own)
		p.w(" ", e.Op, " ")
		if e.All {
			p.w("ALL (")
		} else {
			p.w("ANY (")
		}
		p.query(e.Query)
		p.w(")")
	default:
		p.primary(e)
	}
}

func (p *printer) primary(e Expr) {
	switch e := e.(type) {
	case *ColumnRef:
		p.w(e.Name.String())
	case *Star:
		if e.Qualifier != nil {
			p.w(e.Qualifier.String(), ".")
		}
		p.w("*")
	case *Literal:
		p.literal(e)
	case *Interval:
		p.interval(e)
	case *Param:
		if e.Name == "" {
			p.w("?")
		} else {
			p.w(":", e.Name)
		}
	case *Exists:
		p.w("EXISTS (")
		p.query(e.Query)
		p.w(")")
	case *Subquery:
		p.w("(")
		p.query(e.Query)
		p.w(")")
	case *Case:
		p.caseExpr(e)
	case *Cast:
		p.opt(e.Try, "TRY_")
		p.w("CAST(")
		p.expr(e.X, precOr)
		p.w(" AS ")
		p.dataType(e.Type.Type)
		p.w(")")
	case *Call:
		p.call(e)
	case *Row:
		p.opt(e.Explicit, "ROW")
		p.w("(")
		p.exprs(e.Items)
		p.w(")")
	case *Array:
		if e.Query != nil {
			p.w("ARRAY(")
			p.query(e.Query)
			p.w(")")
			return
		}
		p.w("ARRAY[")
		p.exprs(e.Items)
		p.w("]")
	case *Map:
		p.w("MAP[")
		p.exprs(e.Items)
		p.w("]")
	case *Index:
		p.expr(e.X, precPrimary)
		p.w("[")
		p.expr(e.I, precOr)
		p.w("]")
	case *Field:
		p.fieldBase(e.X)
		p.w(".", quoteIdent(e.Name.Text))
	case *Symbol:
		p.w(e.Text)
	case *Descriptor:
		p.w("DESCRIPTOR")
		p.idents(e.Columns)
	case *TableArg:
		p.tableArg(e)
	}
}

// fieldBase prints what a field is taken of; a plain name or number needs parentheses,
// or the field would become part of it.
func (p *printer) fieldBase(x Expr) {
	switch l := x.(type) {
	case *ColumnRef:
		p.w("(", l.Name.String(), ")")
	case *Literal:
		p.w("(")
		p.literal(l)
		p.w(")")
	default:
		p.expr(x, precPrimary)
	}
}

func (p *printer) literal(l *Literal) {
	switch l.Kind {
	case LitNull:
		p.w("NULL")
	case LitTrue:
		p.w("TRUE")
	case LitFalse:
		p.w("FALSE")
	case LitUnknown:
		p.w("UNKNOWN")
	case LitString:
		p.w(quoteString(l.Text))
	case LitBytes:
		p.w("X'", l.Text, "'")
	case LitDate:
		p.w("DATE ", quoteString(l.Text))
	case LitTime:
		p.w("TIME ", quoteString(l.Text))
	case LitTimestamp:
		p.w("TIMESTAMP ", quoteString(l.Text))
	default:
		p.w(l.Text)
	}
}

func (p *printer) interval(i *Interval) {
	p.w("INTERVAL ")
	p.opt(i.Negative, "- ")
	p.w(quoteString(i.Value), " ", i.From)
	digits := func(n int) {
		p.opt(n > 0, "("+strconv.Itoa(n)+")")
	}
	if i.To != "" {
		digits(i.Precision)
		p.w(" TO ", i.To)
		digits(i.FracPrecision)
		return
	}
	if i.FracPrecision > 0 {
		p.w("(", strconv.Itoa(max(i.Precision, 1)), ", ", strconv.Itoa(i.FracPrecision), ")")
		return
	}
	digits(i.Precision)
}

func (p *printer) caseExpr(c *Case) {
	p.w("CASE")
	if c.Operand != nil {
		p.w(" ")
		p.expr(c.Operand, precOr)
	}
	for _, w := range c.Whens {
		p.w(" WHEN ")
		p.expr(w.Cond, precOr)
		p.w(" THEN ")
		p.expr(w.Then, precOr)
	}
	p.clause(" ELSE ", c.Else)
	p.w(" END")
}

func (p *printer) args(args []Arg) {
	p.list(len(args), ", ", func(i int) {
		if args[i].Name != nil {
			p.w(quoteIdent(args[i].Name.Text), " => ")
		}
		p.expr(args[i].Value, precOr)
	})
}

func (p *printer) tableArg(t *TableArg) {
	p.w("TABLE ")
	if t.Query != nil {
		p.w("(")
		p.query(t.Query)
		p.w(")")
	} else {
		p.w(t.Table.String())
	}
	if t.PartitionBy != nil {
		p.w(" PARTITION BY (")
		p.exprs(t.PartitionBy)
		p.w(")")
	}
}

func (p *printer) call(c *Call) {
	if c.NoParens {
		p.w(c.Name[0].Text)
		return
	}
	if !p.specialCall(c) {
		p.functionName(c.Name)
		p.w("(")
		switch {
		case c.Star:
			p.w("*")
		case len(c.Args) > 0:
			p.opt(c.Distinct, "DISTINCT ")
			p.args(c.Args)
			p.orderBy(" ORDER BY ", c.OrderBy)
		}
		p.w(")")
	}
	if c.WithinGroup != nil {
		p.orderBy(" WITHIN GROUP (ORDER BY ", c.WithinGroup)
		p.w(")")
	}
	p.opt(c.IgnoreNulls, " IGNORE NULLS")
	p.opt(c.RespectNulls, " RESPECT NULLS")
	if c.Filter != nil {
		p.clause(" FILTER (WHERE ", c.Filter)
		p.w(")")
	}
	if c.Over == nil {
		return
	}
	p.w(" OVER ")
	if c.Over.Name != nil {
		p.w(quoteIdent(c.Over.Name.Text))
		return
	}
	p.windowSpec(c.Over)
}

// functionName prints a plain name as it is, so that FLOOR or LEFT need no quotes;
// names that begin a special form or are reserved are quoted.
func (p *printer) functionName(n Name) {
	if len(n) == 1 && isPlainWord(n[0].Text) {
		up := strings.ToUpper(n[0].Text)
		if !specialNames[up] && (!reserved[up] || callableReserved[up]) {
			p.w(n[0].Text)
			return
		}
	}
	p.w(n.String())
}

// specialCall prints the functions with a syntax of their own, unless a quoted name
// was called like any other function.
func (p *printer) specialCall(c *Call) bool {
	if len(c.Name) != 1 || c.Star || c.Distinct || c.OrderBy != nil || len(c.Args) == 0 {
		return false
	}
	for _, a := range c.Args {
		if a.Name != nil {
			return false
		}
	}
	name, up := c.Name[0].Text, strings.ToUpper(c.Name[0].Text)
	sym, isSym := c.Args[0].Value.(*Symbol)
	x := func(i, prec int) { p.expr(c.Args[i].Value, prec) }
	switch {
	case up == "EXTRACT" && isSym && len(c.Args) == 2:
		p.w(name, "(", sym.Text, " FROM ")
		x(1, precOr)
	case up == "TRIM" && isSym && len(c.Args) == 3:
		p.w(name, "(", sym.Text)
		if c.Args[1].Value != nil {
			p.w(" ")
			x(1, precOr)
		}
		p.w(" FROM ")
		x(2, precOr)
	case up == "POSITION" && !isSym:
		p.w(name, "(")
		x(0, precAdditive)
		for i := 1; i < len(c.Args); i++ {
			p.w([]string{" IN ", " FROM ", ", "}[min(i-1, 2)])
			x(i, precOr)
		}
	case plainSpecial[up] && (isSym == (up == "TIMESTAMPADD" || up == "TIMESTAMPDIFF")):
		p.w(name, "(")
		x(0, precOr)
		for i := 1; i < len(c.Args); i++ {
			if _, unit := c.Args[i].Value.(*Symbol); unit {
				p.w(" TO ")
			} else {
				p.w(", ")
			}
			x(i, precOr)
		}
	default:
		return false
	}
	p.w(")")
	return true
}

// plainSpecial are special functions whose printed form is that of a plain call.
var plainSpecial = words("SUBSTRING TRIM OVERLAY CEIL CEILING FLOOR TIMESTAMPADD TIMESTAMPDIFF JSON_VALUE")

func (p *printer) windowSpec(w *WindowSpec) {
	p.w("(")
	sep := ""
	if w.Base != nil {
		p.w(quoteIdent(w.Base.Text))
		sep = " "
	}
	if w.PartitionBy != nil {
		p.w(sep, "PARTITION BY ")
		p.exprs(w.PartitionBy)
		sep = " "
	}
	if w.OrderBy != nil {
		p.orderBy(sep+"ORDER BY ", w.OrderBy)
		sep = " "
	}
	if w.Frame != nil {
		p.w(sep)
		p.frame(w.Frame)
	}
	p.w(")")
}

func (p *printer) frame(f *Frame) {
	if f.Rows {
		p.w("ROWS BETWEEN ")
	} else {
		p.w("RANGE BETWEEN ")
	}
	p.bound(f.Start)
	p.w(" AND ")
	p.bound(f.End)
}

func (p *printer) bound(b FrameBound) {
	switch b.Kind {
	case UnboundedPreceding:
		p.w("UNBOUNDED PRECEDING")
	case CurrentRow:
		p.w("CURRENT ROW")
	case UnboundedFollowing:
		p.w("UNBOUNDED FOLLOWING")
	default:
		p.expr(b.Offset, precAdditive)
		if b.Kind == Preceding {
			p.w(" PRECEDING")
		} else {
			p.w(" FOLLOWING")
		}
	}
}
