package rowjson

import (
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// depthMax bounds nesting, so that hostile input cannot exhaust the stack.
const depthMax = 100

// token kinds of a value, by its first byte.
const (
	kindObject  = '{'
	kindArray   = '['
	kindString  = '"'
	kindNumber  = '0'
	kindTrue    = 't'
	kindFalse   = 'f'
	kindNull    = 'n'
	kindInvalid = 0
)

// value is one JSON value: its kind and its checked text.
type value struct {
	kind byte
	raw  []byte
}

// SyntaxError says where text stops being JSON.
type SyntaxError struct {
	Offset int // bytes from the beginning of the row
	Reason string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("byte %d: %s", e.Offset, e.Reason) }

// parser walks over JSON text without building values.
type parser struct {
	data []byte
	pos  int
}

func (p *parser) fail(format string, args ...any) error {
	return &SyntaxError{p.pos, fmt.Sprintf(format, args...)}
}

func (p *parser) space() {
	for p.pos < len(p.data) {
		switch p.data[p.pos] {
		case ' ', '\t', '\r', '\n':
			p.pos++
		default:
			return
		}
	}
}

func (p *parser) peek() byte {
	if p.pos < len(p.data) {
		return p.data[p.pos]
	}
	return 0
}

func (p *parser) found() string {
	if p.pos >= len(p.data) {
		return "the end"
	}
	r, _ := utf8.DecodeRune(p.data[p.pos:])
	return fmt.Sprintf("%q", r)
}

func (p *parser) expect(c byte) error {
	p.space()
	if p.peek() != c {
		return p.fail("expected %q, found %s", rune(c), p.found())
	}
	p.pos++
	return nil
}

// value reads one value of any kind.
func (p *parser) value(depth int) (value, error) {
	p.space()
	start := p.pos
	var err error
	kind := p.peek()
	switch {
	case kind == kindObject || kind == kindArray:
		if depth >= depthMax {
			return value{}, p.fail("nested deeper than %d", depthMax)
		}
		if kind == kindObject {
			err = p.object(depth, func([]byte, value) error { return nil })
		} else {
			err = p.array(depth, func(value) error { return nil })
		}
	case kind == kindString:
		err = p.skipString()
	case kind == '-' || kind >= '0' && kind <= '9':
		kind = kindNumber
		err = p.skipNumber()
	case kind == kindTrue:
		err = p.word("true")
	case kind == kindFalse:
		err = p.word("false")
	case kind == kindNull:
		err = p.word("null")
	default:
		return value{}, p.fail("expected a value, found %s", p.found())
	}
	return value{kind, p.data[start:p.pos]}, err
}

// object calls fn for each member with its quoted name.
func (p *parser) object(depth int, fn func(name []byte, v value) error) error {
	if err := p.expect('{'); err != nil {
		return err
	}
	p.space()
	if p.peek() == '}' {
		p.pos++
		return nil
	}
	for {
		p.space()
		start := p.pos
		if p.peek() != '"' {
			return p.fail("expected a member name, found %s", p.found())
		}
		if err := p.skipString(); err != nil {
			return err
		}
		name := p.data[start:p.pos]
		if err := p.expect(':'); err != nil {
			return err
		}
		v, err := p.value(depth + 1)
		if err != nil {
			return err
		}
		if err := fn(name, v); err != nil {
			return err
		}
		if done, err := p.more('}'); done || err != nil {
			return err
		}
	}
}

// array calls fn for each element.
func (p *parser) array(depth int, fn func(v value) error) error {
	if err := p.expect('['); err != nil {
		return err
	}
	p.space()
	if p.peek() == ']' {
		p.pos++
		return nil
	}
	for {
		v, err := p.value(depth + 1)
		if err != nil {
			return err
		}
		if err := fn(v); err != nil {
			return err
		}
		if done, err := p.more(']'); done || err != nil {
			return err
		}
	}
}

func (p *parser) more(end byte) (done bool, err error) {
	p.space()
	switch p.peek() {
	case ',':
		p.pos++
		return false, nil
	case end:
		p.pos++
		return true, nil
	default:
		return false, p.fail("expected ',' or %q, found %s", rune(end), p.found())
	}
}

func (p *parser) word(w string) error {
	if len(p.data)-p.pos < len(w) || string(p.data[p.pos:p.pos+len(w)]) != w {
		return p.fail("expected %s", w)
	}
	p.pos += len(w)
	return nil
}

func (p *parser) digits() bool {
	start := p.pos
	for p.pos < len(p.data) && p.data[p.pos] >= '0' && p.data[p.pos] <= '9' {
		p.pos++
	}
	return p.pos > start
}

func (p *parser) skipNumber() error {
	if p.peek() == '-' {
		p.pos++
	}
	if p.peek() == '0' {
		p.pos++
	} else if !p.digits() {
		return p.fail("expected a digit, found %s", p.found())
	}
	if p.peek() == '.' {
		p.pos++
		if !p.digits() {
			return p.fail("expected a digit, found %s", p.found())
		}
	}
	if c := p.peek(); c == 'e' || c == 'E' {
		p.pos++
		if c := p.peek(); c == '+' || c == '-' {
			p.pos++
		}
		if !p.digits() {
			return p.fail("expected a digit, found %s", p.found())
		}
	}
	return nil
}

func (p *parser) skipString() error {
	for p.pos++; p.pos < len(p.data); p.pos++ {
		switch c := p.data[p.pos]; {
		case c == '"':
			p.pos++
			return nil
		case c < 0x20:
			return p.fail("control character in a string")
		case c == '\\':
			p.pos++
			if err := p.escape(); err != nil {
				return err
			}
		}
	}
	return p.fail("the string does not end")
}

// escape checks what follows a backslash and stops at its last byte.
func (p *parser) escape() error {
	switch p.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return nil
	case 'u':
		if len(p.data)-p.pos < 5 {
			return p.fail("the escape does not end")
		}
		if _, ok := hex4(p.data[p.pos+1:]); !ok {
			return p.fail("bad \\u escape")
		}
		p.pos += 4
		return nil
	default:
		return p.fail("bad escape")
	}
}

func hex4(b []byte) (rune, bool) {
	var r rune
	for _, c := range b[:4] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

// unquote gives the text of a checked string; the result may share raw's memory.
// Lone surrogates become U+FFFD, and so do bytes that are not UTF-8.
func unquote(raw []byte) []byte {
	raw = raw[1 : len(raw)-1]
	simple := true
	for _, c := range raw {
		if c == '\\' || c >= utf8.RuneSelf {
			simple = false
			break
		}
	}
	if simple {
		return raw
	}
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); {
		c := raw[i]
		switch {
		case c == '\\':
			n, size := unescape(raw[i:])
			out, i = utf8.AppendRune(out, n), i+size
		case c < utf8.RuneSelf:
			out, i = append(out, c), i+1
		default:
			r, size := utf8.DecodeRune(raw[i:])
			out, i = utf8.AppendRune(out, r), i+size
		}
	}
	return out
}

// unescape reads the escape at the beginning of a checked string.
func unescape(b []byte) (r rune, size int) {
	switch b[1] {
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
		r, _ = hex4(b[2:])
		if !utf16.IsSurrogate(r) {
			return r, 6
		}
		if len(b) >= 12 && b[6] == '\\' && b[7] == 'u' {
			low, _ := hex4(b[8:])
			if both := utf16.DecodeRune(r, low); both != utf8.RuneError {
				return both, 12
			}
		}
		return utf8.RuneError, 6
	default:
		return rune(b[1]), 2
	}
}
