package expr

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// likePattern is a LIKE pattern in parts: text that stands between wildcards. A part that is
// nil is a % (any text); in the text of a part, anyRune stands for _ (one character).
type likePattern struct {
	parts []likePart
	// plain is set for patterns without _: they are matched by searching bytes.
	plain bool
}

type likePart struct {
	any  bool   // %
	text []rune // anyRune is _
	raw  []byte // text, if it has no _
}

// anyRune cannot be in valid text.
const anyRune = utf8.MaxRune + 1

// compileLike parses a LIKE pattern; without an escape character none is special.
func compileLike(pattern, escape string) (*likePattern, error) {
	esc := rune(-1)
	if escape != "" {
		if utf8.RuneCountInString(escape) != 1 {
			return nil, fmt.Errorf("the escape %q is not one character", escape)
		}
		esc, _ = utf8.DecodeRuneInString(escape)
	}
	p := &likePattern{plain: true}
	var text []rune
	flush := func() {
		if len(text) > 0 {
			part := likePart{text: text}
			part.raw = []byte(string(text))
			p.parts = append(p.parts, part)
			text = nil
		}
	}
	runes := []rune(pattern)
	for i := 0; i < len(runes); i++ {
		switch r := runes[i]; {
		case r == esc:
			i++
			if i == len(runes) || runes[i] != '%' && runes[i] != '_' && runes[i] != esc {
				return nil, fmt.Errorf("in the pattern %q the escape character must be followed by %%, _ or itself", pattern)
			}
			text = append(text, runes[i])
		case r == '%':
			flush()
			if n := len(p.parts); n == 0 || !p.parts[n-1].any {
				p.parts = append(p.parts, likePart{any: true})
			}
		case r == '_':
			text = append(text, anyRune)
			p.plain = false
		default:
			text = append(text, r)
		}
	}
	flush()
	return p, nil
}

func (p *likePattern) match(s []byte) bool {
	if !p.plain {
		return matchRunes(p.parts, []rune(string(s)))
	}
	parts := p.parts
	if len(parts) == 0 {
		return len(s) == 0
	}
	if !parts[0].any {
		if !bytes.HasPrefix(s, parts[0].raw) {
			return false
		}
		s = s[len(parts[0].raw):]
		if parts = parts[1:]; len(parts) == 0 {
			return len(s) == 0
		}
	}
	// parts starts with a %.
	for len(parts) > 1 {
		raw := parts[1].raw
		if len(parts) == 2 {
			return bytes.HasSuffix(s, raw)
		}
		i := bytes.Index(s, raw)
		if i < 0 {
			return false
		}
		s = s[i+len(raw):]
		parts = parts[2:]
	}
	return true
}

// matchRunes matches parts with _ wildcards: a part after a % takes its first fit, which leaves
// the most for the parts behind it; the last part must end the text.
func matchRunes(parts []likePart, s []rune) bool {
	for len(parts) > 0 {
		if !parts[0].any {
			if !fitsAt(parts[0].text, s) {
				return false
			}
			s = s[len(parts[0].text):]
			parts = parts[1:]
			continue
		}
		if len(parts) == 1 {
			return true
		}
		text := parts[1].text
		if len(parts) == 2 {
			return len(s) >= len(text) && fitsAt(text, s[len(s)-len(text):])
		}
		at := 0
		for ; !fitsAt(text, s[at:]); at++ {
			if at == len(s) {
				return false
			}
		}
		s = s[at+len(text):]
		parts = parts[2:]
	}
	return len(s) == 0
}

func fitsAt(text, s []rune) bool {
	if len(text) > len(s) {
		return false
	}
	for i, r := range text {
		if r != anyRune && r != s[i] {
			return false
		}
	}
	return true
}

// prepLike is LIKE(text, pattern[, escape]).
func prepLike(p *prep) (kernel, error) {
	var konst *likePattern
	pattern, ok1 := p.constText(1)
	escape, ok2 := "", true
	if len(p.args) == 3 {
		escape, ok2 = p.constText(2)
	}
	if ok1 && ok2 {
		var err error
		if konst, err = compileLike(pattern, escape); err != nil {
			return nil, err
		}
	}
	return func(c *call) (vec, error) {
		x := textOf(c.args[0])
		if konst != nil {
			return mapFixedTotal(c, func(i int) bool { return konst.match(x.bytes(i)) })
		}
		return mapFixed(c, func(i int) (bool, bool, error) {
			like, err := compileLike(string(patternAt(c, 1, i)), string(patternAt(c, 2, i)))
			if err != nil {
				return false, false, err
			}
			return like.match(x.bytes(i)), true, nil
		})
	}, nil
}

// compileSimilar translates a SIMILAR TO pattern: % and _ as in LIKE; | * + ? {} () [] and, as
// in Flink though not in the standard, . and ^ as in regular expressions; the whole text must match.
func compileSimilar(pattern, escape string) (*regexp.Regexp, error) {
	if len(pattern) > regexLengthMax {
		return nil, fmt.Errorf("the pattern is longer than %d bytes", regexLengthMax)
	}
	esc := rune(-1)
	if escape != "" {
		esc, _ = utf8.DecodeRuneInString(escape)
	}
	var b strings.Builder
	b.WriteString(`\A(?:`)
	runes, inClass := []rune(pattern), false
	for i := 0; i < len(runes); i++ {
		switch r := runes[i]; {
		case r == esc:
			i++
			if i == len(runes) {
				return nil, fmt.Errorf("the pattern %q ends in its escape character", pattern)
			}
			b.WriteString(regexp.QuoteMeta(string(runes[i])))
		case inClass:
			if r == ']' {
				inClass = false
			} else if r == '\\' {
				b.WriteByte('\\')
			}
			b.WriteRune(r)
		case r == '%':
			b.WriteString("(?s:.*)")
		case r == '_':
			b.WriteString("(?s:.)")
		case r == '[':
			inClass = true
			b.WriteRune(r)
		case strings.ContainsRune("|*+?{}().^", r):
			b.WriteRune(r)
		default:
			b.WriteString(regexp.QuoteMeta(string(r)))
		}
	}
	b.WriteString(`)\z`)
	re, err := regexp.Compile(b.String())
	if err != nil {
		return nil, fmt.Errorf("SIMILAR TO pattern %q: %w", pattern, err)
	}
	return re, nil
}
