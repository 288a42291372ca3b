package sql

import "strings"

// Fragment is the text of one statement inside a script, without its semicolon.
type Fragment struct {
	Script string
	At     Pos // of the first token
	End    Pos // just after the last token
}

// Text is the statement's own text.
func (f Fragment) Text() string { return f.Script[f.At.Offset:f.End.Offset] }

// Parse reads the statement; places are places in the script.
func (f Fragment) Parse() (Statement, error) {
	l := newLexer(f.Script[:f.End.Offset])
	l.pos, l.line = f.At.Offset, f.At.Line
	l.lineStart = strings.LastIndexByte(f.Script[:f.At.Offset], '\n') + 1
	p := newParser(l)
	s := p.statement()
	p.end()
	return result(p, s)
}

// Split cuts a script into statements at semicolons, so that those before a syntax
// error can run. Semicolons inside a statement set do not cut. Only errors of the
// lexer are reported, together with the statements before the one that has it.
func Split(script string) ([]Fragment, error) {
	p := newParser(newLexer(script))
	var out []Fragment
	for p.err == nil {
		for p.tok.is(";") {
			p.advance()
		}
		if p.tok.kind == tokEOF {
			break
		}
		f := Fragment{Script: script, At: p.tok.at}
		p.skipStatement()
		if p.err != nil {
			break
		}
		f.End = Pos{Offset: p.last.end, Line: p.last.at.Line, Col: p.last.at.Col}
		out = append(out, f)
	}
	return out, p.err
}

// skipStatement passes tokens up to the semicolon that ends the statement. In a
// statement set that is the one after END; the END of a CASE does not count.
func (p *parser) skipStatement() {
	inSet := p.at("EXECUTE", "STATEMENT", "SET") || p.at("BEGIN", "STATEMENT", "SET") ||
		p.at("EXPLAIN", "STATEMENT", "SET") || p.at("STATEMENT", "SET")
	cases := 0
	for p.tok.kind != tokEOF {
		switch {
		case p.tok.is("CASE"):
			cases++
		case p.tok.is("END") && cases > 0:
			cases--
		case p.tok.is("END"):
			inSet = false
		case p.tok.is(";") && !inSet:
			return
		}
		p.advance()
	}
}
