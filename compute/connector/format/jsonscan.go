package format

import (
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds the nesting of a message: deeper ones are refused before the stack grows.
const maxDepth = 64

// jsonKind is the kind of a JSON value by its first byte.
type jsonKind uint8

const (
	jsonInvalid jsonKind = iota
	jsonNull
	jsonBool
	jsonNumber
	jsonString
	jsonArray
	jsonObject
)

var jsonKindNames = [...]string{"nothing", "null", "boolean", "number", "string", "array", "object"}

// String is the kind in words.
func (k jsonKind) String() string { return jsonKindNames[k] }

// jsonSpan is one value: its bytes, checked to be well-formed.
type jsonSpan struct {
	raw  []byte
	kind jsonKind
}

// String is the value for error messages, cut to a readable length.
func (s jsonSpan) String() string {
	const shown = 60 // enough to recognise the value, short enough for a log line
	if s.kind == jsonNull {
		return "null"
	}
	if len(s.raw) > shown {
		return fmt.Sprintf("%s %s...", s.kind, s.raw[:shown])
	}
	return fmt.Sprintf("%s %s", s.kind, s.raw)
}

// scanner walks JSON text (RFC 8259) without building a tree.
type scanner struct {
	data []byte
	pos  int
}

func (s *scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\r', '\n':
			s.pos++
		default:
			return
		}
	}
}

func (s *scanner) fail(want string) error {
	if s.pos >= len(s.data) {
		return fmt.Errorf("malformed JSON at byte %d: expected %s, found the end", s.pos, want)
	}
	r, _ := utf8.DecodeRune(s.data[s.pos:])
	return fmt.Errorf("malformed JSON at byte %d: expected %s, found %q", s.pos, want, r)
}

// parseJSON checks that data is one JSON value and returns it.
func parseJSON(data []byte) (jsonSpan, error) {
	s := scanner{data: data}
	v, err := s.value(0)
	if err != nil {
		return v, err
	}
	if s.space(); s.pos != len(data) {
		return v, s.fail("the end")
	}
	return v, nil
}

// value checks and passes the next value.
func (s *scanner) value(depth int) (jsonSpan, error) {
	if s.space(); s.pos >= len(s.data) {
		return jsonSpan{}, s.fail("a value")
	}
	start := s.pos
	kind, err := jsonInvalid, error(nil)
	switch c := s.data[s.pos]; {
	case c == '"':
		kind, err = jsonString, s.str()
	case c == '{':
		kind, err = jsonObject, s.object(depth+1, nil)
	case c == '[':
		kind, err = jsonArray, s.array(depth+1, nil)
	case c == '-' || c >= '0' && c <= '9':
		kind, err = jsonNumber, s.number()
	case c == 't':
		kind, err = jsonBool, s.word("true")
	case c == 'f':
		kind, err = jsonBool, s.word("false")
	case c == 'n':
		kind, err = jsonNull, s.word("null")
	default:
		err = s.fail("a value")
	}
	return jsonSpan{raw: s.data[start:s.pos], kind: kind}, err
}

func (s *scanner) word(w string) error {
	if len(s.data)-s.pos < len(w) || string(s.data[s.pos:s.pos+len(w)]) != w {
		return s.fail(w)
	}
	s.pos += len(w)
	return nil
}

func (s *scanner) digits() error {
	start := s.pos
	for s.pos < len(s.data) && s.data[s.pos] >= '0' && s.data[s.pos] <= '9' {
		s.pos++
	}
	if s.pos == start {
		return s.fail("a digit")
	}
	return nil
}

func (s *scanner) number() error {
	if s.data[s.pos] == '-' {
		s.pos++
	}
	if s.pos < len(s.data) && s.data[s.pos] == '0' {
		s.pos++
	} else if err := s.digits(); err != nil {
		return err
	}
	if s.pos < len(s.data) && s.data[s.pos] == '.' {
		s.pos++
		if err := s.digits(); err != nil {
			return err
		}
	}
	if s.pos < len(s.data) && (s.data[s.pos] == 'e' || s.data[s.pos] == 'E') {
		s.pos++
		if s.pos < len(s.data) && (s.data[s.pos] == '+' || s.data[s.pos] == '-') {
			s.pos++
		}
		return s.digits()
	}
	return nil
}

// str passes a string, checking escapes and control characters; UTF-8 is checked by unquote.
func (s *scanner) str() error {
	for s.pos++; s.pos < len(s.data); s.pos++ {
		switch c := s.data[s.pos]; {
		case c == '"':
			s.pos++
			return nil
		case c < 0x20:
			return s.fail("no control character in a string")
		case c == '\\':
			s.pos++
			if s.pos >= len(s.data) {
				return s.fail("an escape")
			}
			if err := s.escape(); err != nil {
				return err
			}
		}
	}
	return s.fail(`"`)
}

func (s *scanner) escape() error {
	switch s.data[s.pos] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return nil
	case 'u':
		for range 4 {
			s.pos++
			if s.pos >= len(s.data) || hexDigit(s.data[s.pos]) < 0 {
				return s.fail("four hexadecimal digits")
			}
		}
		return nil
	}
	return s.fail(`an escape like \n`)
}

// object passes an object and calls member, if any, with each member. The name is unquoted.
func (s *scanner) object(depth int, member func(name []byte, v jsonSpan) error) error {
	if depth > maxDepth {
		return fmt.Errorf("malformed JSON at byte %d: nested deeper than %d levels", s.pos, maxDepth)
	}
	s.pos++
	if s.space(); s.pos < len(s.data) && s.data[s.pos] == '}' {
		s.pos++
		return nil
	}
	for {
		if s.space(); s.pos >= len(s.data) || s.data[s.pos] != '"' {
			return s.fail("a member name")
		}
		start := s.pos
		if err := s.str(); err != nil {
			return err
		}
		quoted := s.data[start:s.pos]
		if s.space(); s.pos >= len(s.data) || s.data[s.pos] != ':' {
			return s.fail("':'")
		}
		s.pos++
		v, err := s.value(depth)
		if err != nil {
			return err
		}
		if member != nil {
			name, err := unquote(quoted)
			if err != nil {
				return err
			}
			if err := member(name, v); err != nil {
				return err
			}
		}
		s.space()
		if s.pos >= len(s.data) || s.data[s.pos] != ',' && s.data[s.pos] != '}' {
			return s.fail("',' or '}'")
		}
		s.pos++
		if s.data[s.pos-1] == '}' {
			return nil
		}
	}
}

// array passes an array and calls element, if any, with each element.
func (s *scanner) array(depth int, element func(v jsonSpan) error) error {
	if depth > maxDepth {
		return fmt.Errorf("malformed JSON at byte %d: nested deeper than %d levels", s.pos, maxDepth)
	}
	s.pos++
	if s.space(); s.pos < len(s.data) && s.data[s.pos] == ']' {
		s.pos++
		return nil
	}
	for {
		v, err := s.value(depth)
		if err != nil {
			return err
		}
		if element != nil {
			if err := element(v); err != nil {
				return err
			}
		}
		s.space()
		if s.pos >= len(s.data) || s.data[s.pos] != ',' && s.data[s.pos] != ']' {
			return s.fail("',' or ']'")
		}
		s.pos++
		if s.data[s.pos-1] == ']' {
			return nil
		}
	}
}

// members walks a checked object.
func (v jsonSpan) members(fn func(name []byte, v jsonSpan) error) error {
	s := scanner{data: v.raw}
	return s.object(0, fn)
}

// elements walks a checked array.
func (v jsonSpan) elements(fn func(v jsonSpan) error) error {
	s := scanner{data: v.raw}
	return s.array(0, fn)
}

// unquote returns the text of a checked string; it aliases the input if nothing is escaped.
func unquote(q []byte) ([]byte, error) {
	in := q[1 : len(q)-1]
	if !utf8.Valid(in) {
		return nil, fmt.Errorf("string %.40q is not UTF-8", in)
	}
	esc := indexByte(in, '\\')
	if esc < 0 {
		return in, nil
	}
	out := append(make([]byte, 0, len(in)), in[:esc]...)
	for i := esc; i < len(in); i++ {
		if in[i] != '\\' {
			out = append(out, in[i])
			continue
		}
		i++
		if in[i] != 'u' {
			out = append(out, unescaped(in[i]))
			continue
		}
		r := hex4(in[i+1:])
		i += 4
		if utf16.IsSurrogate(r) {
			if low := in[i+1:]; len(low) >= 6 && low[0] == '\\' && low[1] == 'u' {
				if pair := utf16.DecodeRune(r, hex4(low[2:])); pair != utf8.RuneError {
					out = utf8.AppendRune(out, pair)
					i += 6
					continue
				}
			}
			return nil, fmt.Errorf("string %.40q has half of a surrogate pair", in)
		}
		out = utf8.AppendRune(out, r)
	}
	return out, nil
}

func unescaped(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}

func indexByte(b []byte, c byte) int {
	for i, x := range b {
		if x == c {
			return i
		}
	}
	return -1
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

func hex4(b []byte) rune {
	r := rune(0)
	for _, c := range b[:4] {
		r = r<<4 | rune(hexDigit(c))
	}
	return r
}

// appendQuoted writes s as a JSON string.
func appendQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		r, n := rune(c), 1
		if c >= utf8.RuneSelf {
			if r, n = utf8.DecodeRuneInString(s[i:]); r != utf8.RuneError || n > 1 {
				i += n
				continue
			}
		}
		dst = append(dst, s[start:i]...)
		switch r {
		case '"', '\\':
			dst = append(dst, '\\', byte(r))
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		case utf8.RuneError:
			dst = append(dst, "\ufffd"...)
		default:
			dst = append(dst, `\u00`...)
			dst = append(dst, strconv.FormatInt(int64(r)|0x100, 16)[1:]...)
		}
		i += n
		start = i
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}
