package expr

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/table/schema"
)

// parseExpr reads the small expression language of the test files: calls NAME(a, b), infix
// operators, CAST(x AS type), literals ('text', 1, 1.5, 1e3, NULL, TRUE, X'00', DATE '..',
// TIME '..', TIMESTAMP '..', INTERVAL '1' DAY), unit keywords as :DAY, and columns $name.
func parseExpr(text string, cols []schema.Field) (e Expr, err error) {
	p := &exprParser{toks: scanExpr(text), cols: cols}
	defer func() {
		if r := recover(); r != nil {
			if pe, ok := r.(parseError); ok {
				err = pe.err
				return
			}
			panic(r)
		}
	}()
	e = p.infix(0)
	if p.peek() != "" {
		p.fail("unexpected %q", p.peek())
	}
	return e, nil
}

type parseError struct{ err error }

type exprParser struct {
	toks []string
	pos  int
	cols []schema.Field
}

func (p *exprParser) fail(format string, args ...any) { panic(parseError{fmt.Errorf(format, args...)}) }

func (p *exprParser) peek() string {
	if p.pos < len(p.toks) {
		return p.toks[p.pos]
	}
	return ""
}

func (p *exprParser) next() string { t := p.peek(); p.pos++; return t }

func (p *exprParser) accept(t string) bool {
	if strings.EqualFold(p.peek(), t) {
		p.pos++
		return true
	}
	return false
}

func (p *exprParser) expect(t string) {
	if !p.accept(t) {
		p.fail("expected %q, got %q", t, p.peek())
	}
}

func scanExpr(s string) []string {
	var out []string
	for i := 0; i < len(s); {
		c := s[i]
		j := i + 1
		switch {
		case c == ' ' || c == '\n':
			i++
			continue
		case c == '\'' || (c == 'X' || c == 'x') && j < len(s) && s[j] == '\'':
			if c != '\'' {
				j++
			}
			for j < len(s) && (s[j] != '\'' || j+1 < len(s) && s[j+1] == '\'') {
				if s[j] == '\'' {
					j++
				}
				j++
			}
			j++
		case c >= '0' && c <= '9':
			for j < len(s) && (strings.IndexByte("0123456789.eE", s[j]) >= 0 || (s[j] == '-' || s[j] == '+') && (s[j-1] == 'e' || s[j-1] == 'E')) {
				j++
			}
		case isWord(c):
			for j < len(s) && isWord(s[j]) {
				j++
			}
		default:
			for _, op := range []string{"<>", "<=", ">=", "||", "!="} {
				if strings.HasPrefix(s[i:], op) {
					j = i + 2
				}
			}
		}
		out = append(out, s[i:min(j, len(s))])
		i = j
	}
	return out
}

func isWord(c byte) bool {
	return c == '_' || c == '$' || c == ':' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

var infixPrec = map[string]int{
	"OR": 1, "AND": 2, "=": 3, "<>": 3, "<": 3, "<=": 3, ">": 3, ">=": 3,
	"+": 4, "-": 4, "||": 4, "*": 5, "/": 5, "%": 5,
}

func (p *exprParser) infix(min int) Expr {
	l := p.primary()
	for {
		op := strings.ToUpper(p.peek())
		prec := infixPrec[op]
		if prec == 0 || prec < min {
			return l
		}
		p.next()
		l = p.apply(op, l, p.infix(prec+1))
	}
}

func (p *exprParser) apply(fn string, args ...Expr) Expr {
	e, err := Apply(fn, args...)
	if err != nil {
		p.fail("%v", err)
	}
	return e
}

func (p *exprParser) primary() Expr {
	t := p.next()
	switch up := strings.ToUpper(t); {
	case t == "(":
		e := p.infix(0)
		p.expect(")")
		return e
	case t == "-":
		if n := p.peek(); n != "" && n[0] >= '0' && n[0] <= '9' {
			return number("-" + p.next())
		}
		return p.apply("NEG", p.primary())
	case t[0] == '\'':
		return stringLiteral(unquote(t))
	case t[0] >= '0' && t[0] <= '9':
		return number(t)
	case t[0] == '$':
		for i, c := range p.cols {
			if c.Name == t[1:] {
				return &Column{Index: i, Name: c.Name, T: c.Type}
			}
		}
		p.fail("no column %s", t)
	case t[0] == ':':
		return stringLiteral(t[1:])
	case up == "NULL":
		return &Literal{T: schema.TNull}
	case up == "TRUE":
		return True()
	case up == "FALSE":
		return False()
	case (up[0] == 'X') && len(t) > 1 && t[1] == '\'':
		var b []byte
		fmt.Sscanf(unquote(t[1:]), "%x", &b)
		return &Literal{Value: b, T: schema.TBytes.WithNotNull(true)}
	case up == "DATE" || up == "TIME" || up == "TIMESTAMP" || up == "LTZ":
		if strings.HasPrefix(p.peek(), "'") {
			return p.datetime(up, unquote(p.next()))
		}
	case up == "INTERVAL":
		return p.interval(unquote(p.next()))
	case up == "CAST" || up == "TRY_CAST":
		return p.cast(up)
	}
	return p.callOf(t)
}

func (p *exprParser) callOf(name string) Expr {
	p.expect("(")
	var args []Expr
	for p.peek() != ")" {
		args = append(args, p.infix(0))
		if !p.accept(",") {
			break
		}
	}
	p.expect(")")
	if strings.EqualFold(name, "FIELD") {
		t := args[0].Type().Fields[args[1].(*Literal).Value.(int64)].Type
		return &Call{Fn: "FIELD", Args: args, T: t.WithNotNull(false)}
	}
	return p.apply(name, args...)
}

func (p *exprParser) cast(fn string) Expr {
	p.expect("(")
	x := p.infix(0)
	p.expect("AS")
	t := p.typ()
	p.expect(")")
	t.NotNull = x.Type().NotNull && fn == "CAST" && t.Kind != schema.Decimal
	return &Call{Fn: fn, Args: []Expr{x}, T: t}
}

func (p *exprParser) typ() schema.Type {
	name := strings.ToUpper(p.next())
	var nums []int
	switch name {
	case "ARRAY", "MAP", "ROW":
		return p.nestedType(name)
	}
	if p.accept("(") {
		for !p.accept(")") {
			n, _ := strconv.Atoi(p.next())
			nums = append(nums, n)
			p.accept(",")
		}
	}
	nums = append(nums, 0, 0)
	switch name {
	case "CHAR":
		return schema.Type{Kind: schema.Char, Length: nums[0]}
	case "VARCHAR":
		return schema.Type{Kind: schema.VarChar, Length: nums[0]}
	case "BINARY":
		return schema.Type{Kind: schema.Binary, Length: nums[0]}
	case "VARBINARY":
		return schema.Type{Kind: schema.VarBinary, Length: nums[0]}
	case "DECIMAL":
		return schema.TDecimal(nums[0], nums[1])
	case "TIME":
		return schema.TTime(nums[0])
	case "TIMESTAMP":
		return schema.TTimestamp(nums[0])
	case "TIMESTAMP_LTZ":
		return schema.TTimestampLTZ(nums[0])
	}
	for _, t := range []schema.Type{
		schema.TBoolean, schema.TTinyInt, schema.TSmallInt, schema.TInt, schema.TBigInt,
		schema.TFloat, schema.TDouble, schema.TString, schema.TBytes, schema.TDate,
	} {
		if t.String() == name {
			return t
		}
	}
	p.fail("no type %s", name)
	return schema.Type{}
}

func (p *exprParser) nestedType(name string) schema.Type {
	p.expect("<")
	t := p.typ()
	switch name {
	case "ARRAY":
		t = schema.TArray(t)
	case "MAP":
		p.expect(",")
		t = schema.TMap(t, p.typ())
	default:
		t = schema.Type{Kind: schema.Row, Fields: []schema.Field{{Name: "f0", Type: t}}}
		for p.accept(",") {
			t.Fields = append(t.Fields, schema.Field{Name: "f" + strconv.Itoa(len(t.Fields)), Type: p.typ()})
		}
	}
	p.expect(">")
	return t
}

func (p *exprParser) datetime(kind, text string) Expr {
	var v int64
	var err error
	t := schema.TDate
	switch kind {
	case "DATE":
		var d int32
		d, err = ParseDate(text)
		v = int64(d)
	case "TIME":
		var ms int32
		ms, err = ParseTime(text)
		v, t = int64(ms), schema.TTime(0)
	default:
		_, frac, _ := strings.Cut(text, ".")
		t = schema.TTimestamp(len(frac))
		if kind == "LTZ" {
			t = schema.TTimestampLTZ(len(frac))
		}
		v, err = ParseTimestamp(text, t, nil)
	}
	if err != nil {
		p.fail("%v", err)
	}
	return &Literal{Value: v, T: t.WithNotNull(true)}
}

func (p *exprParser) interval(text string) Expr {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		p.fail("interval %q", text)
	}
	unit := strings.ToUpper(p.next())
	millis := map[string]int64{"DAY": millisPerDay, "HOUR": 3600000, "MINUTE": 60000, "SECOND": 1000, "MILLISECOND": 1}
	t := schema.Type{Kind: schema.IntervalDayTime, NotNull: true}
	switch unit {
	case "YEAR":
		t.Kind = schema.IntervalYearMonth
		n *= 12
	case "MONTH":
		t.Kind = schema.IntervalYearMonth
	default:
		n *= millis[unit]
	}
	return &Literal{Value: n, T: t}
}

func unquote(t string) string { return strings.ReplaceAll(t[1:len(t)-1], "''", "'") }

func stringLiteral(s string) *Literal {
	return &Literal{Value: s, T: schema.Type{Kind: schema.Char, Length: len([]rune(s)), NotNull: true}}
}

func number(t string) Expr {
	switch {
	case strings.ContainsAny(t, "eE"):
		f, _ := strconv.ParseFloat(t, 64)
		return &Literal{Value: f, T: schema.TDouble.WithNotNull(true)}
	case strings.Contains(t, "."):
		_, frac, _ := strings.Cut(t, ".")
		digits := len(strings.TrimLeft(strings.TrimPrefix(t, "-"), "0")) - 1
		typ := schema.TDecimal(max(digits, len(frac)), len(frac))
		n, err := ParseDecimal(t, typ.Precision, typ.Scale)
		if err != nil {
			panic(parseError{err})
		}
		return &Literal{Value: n, T: typ.WithNotNull(true)}
	default:
		n, err := strconv.ParseInt(t, 10, 64)
		if err != nil {
			panic(parseError{err})
		}
		typ := schema.TInt
		if int64(int32(n)) != n {
			typ = schema.TBigInt
		}
		return &Literal{Value: n, T: typ.WithNotNull(true)}
	}
}

// valueText is row i of a as CAST to STRING writes it, in UTC; NULL for a missing value.
func valueText(t testing.TB, a arrow.Array, typ schema.Type, i int) string {
	t.Helper()
	if a.IsNull(i) {
		return "NULL"
	}
	v, err := vecOf(a, typ)
	if err != nil {
		t.Fatal(err)
	}
	text, err := textAppender(v, typ, nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(text(nil, i))
}

// oneRow is a batch of one row without columns.
func oneRow() arrow.RecordBatch {
	return array.NewRecordBatch(arrow.NewSchema(nil, nil), nil, 1)
}

// batchOf makes a batch from the texts of its values ("NULL" is missing), one slice a column.
func batchOf(t testing.TB, fields []schema.Field, cols ...[]string) arrow.RecordBatch {
	t.Helper()
	arrays := make([]arrow.Array, len(cols))
	n := 0
	for i, texts := range cols {
		b := array.NewStringBuilder(memory.DefaultAllocator)
		for _, s := range texts {
			if s == "NULL" {
				b.AppendNull()
			} else {
				b.Append(s)
			}
		}
		in := array.NewRecordBatch(arrow.NewSchema([]arrow.Field{{Name: "s", Type: arrow.BinaryTypes.String, Nullable: true}}, nil), []arrow.Array{b.NewArray()}, int64(len(texts)))
		e := &Call{Fn: "CAST", Args: []Expr{&Column{T: schema.TString}}, T: fields[i].Type}
		a, err := Eval(e, in, nil)
		if err != nil {
			t.Fatal(err)
		}
		arrays[i], n = a, len(texts)
	}
	sch, err := schema.ArrowSchema(fields)
	if err != nil {
		t.Fatal(err)
	}
	return array.NewRecordBatch(sch, arrays, int64(n))
}
