package sql

import (
	"slices"
	"strconv"
	"strings"

	"github.com/weir-lake/weir/table/schema"
)

const (
	// maxDepth bounds nesting of expressions, queries and types: generated SQL stays
	// below 50, and the recursive walkers of a tree this deep need little stack.
	maxDepth = 200
	// maxChain bounds a row of operators of one level (a OR b OR ..), of set operations
	// and of joins, which make trees as deep as they are long.
	maxChain = 2000
)

// parser reads one statement after the other from a lexer. Its error is sticky: after
// the first one every token is the end, so all loops stop and callers check once.
type parser struct {
	lex    *lexer
	tok    token   // the current one
	ahead  []token // looked at already, after tok
	last   token   // the one before tok
	err    error
	depth  int
	params int
}

func newParser(l *lexer) *parser {
	p := &parser{lex: l}
	if len(l.text) > MaxTextBytes {
		p.fail(Pos{}, "the text has "+strconv.Itoa(len(l.text))+" bytes, the limit is "+strconv.Itoa(MaxTextBytes), "send it in parts")
		return p
	}
	p.tok = p.read()
	return p
}

// Parse reads exactly one statement; a semicolon after it is allowed.
func Parse(text string) (Statement, error) {
	p := newParser(newLexer(text))
	for p.tok.is(";") {
		p.advance()
	}
	if p.tok.kind == tokEOF && p.err == nil {
		p.fail(p.tok.at, "there is no statement", "write one, such as SELECT 1")
	}
	s := p.statement()
	for p.tok.is(";") {
		p.advance()
	}
	p.end()
	return result(p, s)
}

// ParseScript reads all statements of a script.
func ParseScript(text string) ([]Statement, error) {
	p := newParser(newLexer(text))
	var out []Statement
	for {
		for p.tok.is(";") {
			p.advance()
		}
		if p.tok.kind == tokEOF {
			return result(p, out)
		}
		out = append(out, p.statement())
		if !p.tok.is(";") {
			p.end()
		}
	}
}

// ParseQuery reads one query.
func ParseQuery(text string) (*Query, error) {
	p := newParser(newLexer(text))
	q := p.query()
	p.end()
	return result(p, q)
}

// ParseExpr reads one expression.
func ParseExpr(text string) (Expr, error) {
	p := newParser(newLexer(text))
	e := p.expr()
	p.end()
	return result(p, e)
}

// ParseType reads one type, such as "DECIMAL(10, 2) NOT NULL".
func ParseType(text string) (schema.Type, error) {
	p := newParser(newLexer(text))
	t := p.dataType()
	p.end()
	return result(p, t.Type)
}

func result[T any](p *parser, v T) (T, error) {
	if p.err != nil {
		var zero T
		return zero, p.err
	}
	return v, nil
}

// end demands the end of the text.
func (p *parser) end() {
	if p.tok.kind != tokEOF {
		p.unexpected("end of statement")
	}
}

func (p *parser) read() token {
	if p.err != nil {
		return token{at: p.tok.at, end: p.tok.end}
	}
	t, err := p.lex.next()
	if err != nil {
		p.err = err
		return token{at: t.at, end: t.end}
	}
	return t
}

// advance moves to the next token and returns the one passed.
func (p *parser) advance() token {
	p.last = p.tok
	if len(p.ahead) > 0 {
		p.tok = p.ahead[0]
		p.ahead = p.ahead[1:]
	} else {
		p.tok = p.read()
	}
	return p.last
}

// peek is the n-th token after the current one, from 1.
func (p *parser) peek(n int) token {
	for len(p.ahead) < n {
		p.ahead = append(p.ahead, p.read())
	}
	return p.ahead[n-1]
}

// at reports whether the coming tokens are the given keywords or symbols.
func (p *parser) at(seq ...string) bool {
	if !p.tok.is(seq[0]) {
		return false
	}
	for i, s := range seq[1:] {
		if !p.peek(i + 1).is(s) {
			return false
		}
	}
	return true
}

// accept passes the given keywords or symbols if they come next.
func (p *parser) accept(seq ...string) bool {
	if !p.at(seq...) {
		return false
	}
	for range seq {
		p.advance()
	}
	return true
}

// expect demands the given keywords or symbols.
func (p *parser) expect(seq ...string) {
	for _, s := range seq {
		if !p.tok.is(s) {
			p.unexpected("'" + s + "'")
			return
		}
		p.advance()
	}
}

func (p *parser) fail(at Pos, msg, hint string) {
	if p.err == nil {
		p.err = p.lex.fail(at, msg, hint)
	}
	p.tok = token{at: p.tok.at, end: p.tok.end}
	p.ahead = nil
}

// unexpected fails at the current token. Where the word before it is nearly a
// keyword (GRUOP BY), that is the likely mistake and is said.
func (p *parser) unexpected(want string) {
	hint := ""
	for _, t := range []token{p.last, p.tok} {
		if t.kind == tokWord && !reserved[t.upper] {
			if near := Nearest(t.upper, clauseWords); near != "" && near != t.upper {
				hint = "did you mean " + near + " instead of '" + t.text + "'?"
				break
			}
		}
	}
	if hint == "" && p.tok.kind == tokWord && reserved[p.tok.upper] && (strings.HasPrefix(want, "a name") || strings.HasPrefix(want, "the name")) {
		hint = "a reserved word used as a name needs backquotes: `" + p.tok.text + "`"
	}
	p.fail(p.tok.at, "unexpected "+p.tok.describe()+", expected "+want, hint)
}

var clauseWords = strings.Fields(`SELECT FROM WHERE GROUP ORDER HAVING LIMIT OFFSET UNION INTERSECT EXCEPT JOIN LEFT RIGHT
FULL INNER CROSS WINDOW VALUES INSERT INTO CREATE TABLE VIEW DATABASE MATERIALIZED TEMPORARY DROP ALTER DISTINCT PARTITIONED
WATERMARK PRIMARY COMMENT FRESHNESS INTERVAL BETWEEN DESCRIBE EXPLAIN EXECUTE OVERWRITE STATEMENT BEGIN UPDATE DELETE
SHOW RESET TABLES DATABASES VIEWS JOBS FUNCTIONS COLUMNS PARTITIONS`)

// enter counts a level of nesting; the caller calls leave if it returned true.
func (p *parser) enter() bool {
	if p.depth >= maxDepth {
		p.fail(p.tok.at, "the statement is nested more than "+strconv.Itoa(maxDepth)+" levels deep", "split it with WITH or views")
		return false
	}
	p.depth++
	return true
}

func (p *parser) leave() { p.depth-- }

// link counts one more operator of a chain.
func (p *parser) link(n *int, what string) {
	if *n++; *n > maxChain {
		p.fail(p.tok.at, "more than "+strconv.Itoa(maxChain)+" "+what+" in a row", "use IN, a VALUES list or parentheses")
	}
}

// ident demands a name: a quoted identifier or a word that is not reserved.
func (p *parser) ident(what string) Ident {
	if p.tok.kind == tokQuoted || p.tok.kind == tokWord && !reserved[p.tok.upper] {
		t := p.advance()
		return Ident{Text: t.text, At: t.at}
	}
	if what == "" || strings.HasPrefix(what, " for") {
		p.unexpected("a name" + what)
	} else {
		p.unexpected("the name" + what)
	}
	return Ident{At: p.tok.at}
}

// name demands a qualified name. After a dot reserved words are allowed.
func (p *parser) name(what string) Name {
	n := Name{p.ident(what)}
	for p.tok.is(".") && len(n) < maxNameParts {
		p.advance()
		n = append(n, p.part())
	}
	return n
}

// maxNameParts bounds a dotted name: catalog, database, table, column and nested fields.
const maxNameParts = 64

// part demands a name after a dot.
func (p *parser) part() Ident {
	if p.tok.kind != tokQuoted && p.tok.kind != tokWord {
		p.unexpected("a name after '.'")
	}
	t := p.advance()
	return Ident{Text: t.text, At: t.at}
}

// identList demands (a, b, ..).
func (p *parser) identList(what string) []Ident {
	p.expect("(")
	out := []Ident{p.ident(what)}
	for p.accept(",") {
		out = append(out, p.ident(what))
	}
	p.expect(")")
	return out
}

// stringLit demands a string.
func (p *parser) stringLit(what string) string {
	if p.tok.kind != tokString {
		p.unexpected("a string in single quotes" + what)
		return ""
	}
	return p.advance().text
}

// number demands a whole number from lo to hi.
func (p *parser) number(what string, lo, hi int) int {
	if p.tok.kind != tokNumber {
		p.unexpected(what)
		return lo
	}
	n, err := strconv.Atoi(p.tok.text)
	if err != nil || n < lo || n > hi {
		p.fail(p.tok.at, what+" must be a whole number from "+strconv.Itoa(lo)+" to "+strconv.Itoa(hi)+", not "+shorten(p.tok.text), "")
		return lo
	}
	p.advance()
	return n
}

// word demands one of the given keywords and returns it.
func (p *parser) oneOf(choices ...string) string {
	if p.tok.kind == tokWord && slices.Contains(choices, p.tok.upper) {
		return p.advance().upper
	}
	p.unexpected(orList(choices))
	return ""
}

// orList is "A, B or C".
func orList(words []string) string {
	if len(words) == 1 {
		return words[0]
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}
