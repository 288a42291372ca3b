package sql

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxTextBytes bounds the text of a script: the largest a person or a tool sends
// as SQL, and small enough that its tokens fit in memory many times over.
const MaxTextBytes = 16 << 20

// lexer cuts text into tokens. base is the place of text[0] in the whole script.
type lexer struct {
	text      string
	pos       int // next byte
	line      int
	lineStart int // byte offset of the line's first byte
	col       int // characters of the line before colAt
	colAt     int // byte offset up to which col counted
}

func newLexer(text string) *lexer { return &lexer{text: text, line: 1} }

// here is the place of byte offset off, which must not lie before the current line.
func (l *lexer) here(off int) Pos {
	if l.colAt < l.lineStart || l.colAt > off {
		l.col, l.colAt = 0, l.lineStart
	}
	l.col += utf8.RuneCountInString(l.text[l.colAt:off])
	l.colAt = off
	return Pos{Offset: off, Line: l.line, Col: l.col + 1}
}

func (l *lexer) fail(at Pos, msg, hint string) error {
	return NewError(l.text, at, ErrSyntax, msg, hint)
}

func (l *lexer) peekByte(ahead int) byte {
	if i := l.pos + ahead; i < len(l.text) {
		return l.text[i]
	}
	return 0
}

// advanceTo moves to a byte offset, counting lines.
func (l *lexer) advanceTo(off int) {
	for {
		i := strings.IndexByte(l.text[l.pos:off], '\n')
		if i < 0 {
			break
		}
		l.pos += i + 1
		l.line++
		l.lineStart = l.pos
	}
	l.pos = off
}

// skipSpace passes blanks and comments and stops at a hint.
func (l *lexer) skipSpace() error {
	for l.pos < len(l.text) {
		c := l.text[l.pos]
		switch {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f':
			l.advanceTo(l.pos + 1)
		case c == '-' && l.peekByte(1) == '-':
			if end := strings.IndexByte(l.text[l.pos:], '\n'); end < 0 {
				l.pos = len(l.text)
			} else {
				l.pos += end
			}
		case c == '/' && l.peekByte(1) == '*' && l.peekByte(2) != '+':
			at := l.here(l.pos)
			end := strings.Index(l.text[l.pos+2:], "*/")
			if end < 0 {
				return l.fail(at, "comment is not closed", "add */")
			}
			l.advanceTo(l.pos + 2 + end + 2)
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRuneInString(l.text[l.pos:])
			if !unicode.IsSpace(r) && r != '\uFEFF' {
				return nil
			}
			l.pos += size
		default:
			return nil
		}
	}
	return nil
}

// next returns the next token, tokEOF at the end.
func (l *lexer) next() (token, error) {
	if err := l.skipSpace(); err != nil {
		return token{}, err
	}
	t := token{at: l.here(l.pos)}
	if l.pos >= len(l.text) {
		t.end = l.pos
		return t, nil
	}
	var err error
	switch c := l.text[l.pos]; {
	case (c == 'x' || c == 'X') && l.peekByte(1) == '\'':
		err = l.bytesLiteral(&t)
	case isWordStart(c):
		err = l.word(&t)
	case isDigit(c) || c == '.' && isDigit(l.peekByte(1)):
		err = l.number(&t)
	case c == '\'':
		t.kind = tokString
		t.text, err = l.quoted('\'', l.pos, "string")
	case c == '`':
		t.kind = tokQuoted
		t.text, err = l.quoted('`', l.pos, "identifier")
		if err == nil && t.text == "" {
			err = l.fail(t.at, "identifier is empty", "write a name between the backquotes")
		}
	case c == '"':
		err = l.fail(t.at, `unexpected character '"'`, "quote names with backquotes (`name`) and strings with single quotes ('text')")
	case c == '/' && l.peekByte(1) == '*':
		err = l.hint(&t)
	case c == '?':
		t.kind = tokParam
		l.pos++
	case c == ':' && isWordStart(l.peekByte(1)):
		t.kind = tokParam
		l.pos++
		err = l.word(&t)
		t.kind = tokParam
	default:
		err = l.symbol(&t)
	}
	t.end = l.pos
	return t, err
}

func (l *lexer) word(t *token) error {
	start := l.pos
	i := start
	for i < len(l.text) && (isWordStart(l.text[i]) || isDigit(l.text[i]) || l.text[i] == '$') {
		i++
	}
	l.pos = i
	t.kind, t.text = tokWord, l.text[start:i]
	for j, r := range t.text {
		if r >= utf8.RuneSelf && (r == utf8.RuneError || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r)) {
			l.pos = start
			return l.fail(l.here(start+j), fmt.Sprintf("unexpected character %q", r), "quote names with special characters in backquotes")
		}
	}
	t.upper = strings.ToUpper(t.text)
	return nil
}

func (l *lexer) number(t *token) error {
	start := l.pos
	i := start
	digits := func() {
		for i < len(l.text) && isDigit(l.text[i]) {
			i++
		}
	}
	t.kind = tokNumber
	digits()
	if i < len(l.text) && l.text[i] == '.' {
		i++
		digits()
	}
	if i < len(l.text) && (l.text[i] == 'e' || l.text[i] == 'E') {
		t.kind = tokApprox
		i++
		if i < len(l.text) && (l.text[i] == '+' || l.text[i] == '-') {
			i++
		}
		before := i
		if digits(); i == before {
			return l.fail(t.at, "number "+shorten(l.text[start:i])+" has no digits in its exponent", "write it as 1e3")
		}
	}
	if i < len(l.text) && isWordStart(l.text[i]) {
		return l.fail(t.at, "number runs into a name: "+shorten(l.text[start:i+1]), "put a space between them, or quote the name in backquotes")
	}
	l.pos = i
	t.text = l.text[start:i]
	return nil
}

// quoted reads text up to the closing quote; a doubled quote stands for one.
func (l *lexer) quoted(quote byte, start int, what string) (string, error) {
	at := l.here(start)
	var parts strings.Builder
	i := start + 1
	for {
		end := strings.IndexByte(l.text[i:], quote)
		if end < 0 {
			return "", l.fail(at, what+" is not closed", "add "+string(quote))
		}
		parts.WriteString(l.text[i : i+end])
		i += end + 1
		if i >= len(l.text) || l.text[i] != quote {
			break
		}
		parts.WriteByte(quote)
		i++
	}
	l.advanceTo(i)
	s := parts.String()
	if !utf8.ValidString(s) {
		return "", l.fail(at, what+" is not valid UTF-8", "write bytes as X'00FF'")
	}
	return s, nil
}

func (l *lexer) bytesLiteral(t *token) error {
	t.kind = tokBytes
	text, err := l.quoted('\'', l.pos+1, "binary string")
	if err != nil {
		return err
	}
	if len(text)%2 != 0 {
		return l.fail(t.at, "binary string has an odd number of hex digits", "write two digits a byte")
	}
	for _, c := range []byte(text) {
		if !isDigit(c) && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return l.fail(t.at, fmt.Sprintf("binary string has %q, which is no hex digit", c), "")
		}
	}
	t.text = strings.ToUpper(text)
	return nil
}

func (l *lexer) hint(t *token) error {
	end := strings.Index(l.text[l.pos:], "*/")
	if end < 0 {
		return l.fail(t.at, "hint is not closed", "add */")
	}
	t.kind = tokHint
	t.text = l.text[l.pos+3 : l.pos+end]
	l.advanceTo(l.pos + end + 2)
	return nil
}

// symbols of more than one character, longest first.
var symbols = []string{"<>", "!=", "<=", ">=", "||", "=>"}

func (l *lexer) symbol(t *token) error {
	t.kind = tokSymbol
	for _, s := range symbols {
		if strings.HasPrefix(l.text[l.pos:], s) {
			l.pos += len(s)
			t.text = s
			if s == "!=" {
				t.text = "<>"
			}
			return nil
		}
	}
	c := l.text[l.pos]
	if !strings.ContainsRune("+-*/%=<>()[]{},.;:", rune(c)) {
		return l.fail(t.at, fmt.Sprintf("unexpected character %q", c), "")
	}
	l.pos++
	t.text = string(c)
	return nil
}
