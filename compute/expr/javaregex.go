package expr

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// regexLengthMax bounds a pattern's length; translated patterns are compiled into memory
// proportional to it.
const regexLengthMax = 4096

// compileJavaRegex compiles a Java regular expression to one of Go, which matches in linear
// time. What Go cannot do (look-around, back references, possessive quantifiers, atomic
// groups, set operations in classes) is an error that names it. `$` means the end of the text
// only, not before a last line break.
func compileJavaRegex(pattern string) (*regexp.Regexp, error) {
	if len(pattern) > regexLengthMax {
		return nil, fmt.Errorf("the regular expression is longer than %d bytes", regexLengthMax)
	}
	t := regexTranslator{in: pattern}
	out, err := t.translate()
	if err != nil {
		return nil, fmt.Errorf("regular expression %q: %w", pattern, err)
	}
	re, err := regexp.Compile(out)
	if err != nil {
		return nil, fmt.Errorf("regular expression %q: %w", pattern, err)
	}
	return re, nil
}

type regexTranslator struct {
	in     string
	pos    int
	out    strings.Builder
	dotAll bool
}

func (t *regexTranslator) translate() (string, error) {
	for t.pos < len(t.in) {
		var err error
		switch c := t.in[t.pos]; c {
		case '\\':
			err = t.escape(false)
		case '[':
			err = t.class()
		case '(':
			err = t.group()
		case '.':
			t.pos++
			if t.dotAll {
				t.out.WriteByte('.')
			} else {
				t.out.WriteString(`[^\n\r\x{85}\x{2028}\x{2029}]`)
			}
		case '*', '+', '?', '}':
			t.out.WriteByte(c)
			t.pos++
			if t.pos < len(t.in) && t.in[t.pos] == '+' {
				err = fmt.Errorf("possessive quantifiers are not supported")
			}
		default:
			t.out.WriteByte(c)
			t.pos++
		}
		if err != nil {
			return "", err
		}
	}
	return t.out.String(), nil
}

// group translates "(" with what may follow it.
func (t *regexTranslator) group() error {
	rest := t.in[t.pos:]
	switch {
	case !strings.HasPrefix(rest, "(?"):
		t.out.WriteByte('(')
		t.pos++
		return nil
	case strings.HasPrefix(rest, "(?:"):
		t.out.WriteString("(?:")
		t.pos += 3
		return nil
	case strings.HasPrefix(rest, "(?=") || strings.HasPrefix(rest, "(?!"):
		return fmt.Errorf("look-ahead %.3s is not supported", rest)
	case strings.HasPrefix(rest, "(?<=") || strings.HasPrefix(rest, "(?<!"):
		return fmt.Errorf("look-behind %.4s is not supported", rest)
	case strings.HasPrefix(rest, "(?>"):
		return fmt.Errorf("atomic groups (?> are not supported")
	case strings.HasPrefix(rest, "(?<"):
		t.out.WriteString("(?P<")
		t.pos += 3
		return nil
	}
	end := strings.IndexAny(rest, ":)")
	if end < 0 {
		return fmt.Errorf("missing )")
	}
	flags := rest[2:end]
	if strings.Trim(flags, "ims-") != "" {
		return fmt.Errorf("the flags (?%s) are not supported; i, m and s are", flags)
	}
	on, _, _ := strings.Cut(flags, "-")
	t.dotAll = t.dotAll || strings.Contains(on, "s")
	t.out.WriteString(rest[:end+1])
	t.pos += end + 1
	return nil
}

// class translates a bracket expression.
func (t *regexTranslator) class() error {
	t.out.WriteByte('[')
	t.pos++
	if t.pos < len(t.in) && t.in[t.pos] == '^' {
		t.out.WriteByte('^')
		t.pos++
	}
	for first := true; t.pos < len(t.in); first = false {
		c := t.in[t.pos]
		switch {
		case c == ']' && !first:
			t.out.WriteByte(']')
			t.pos++
			return nil
		case c == '[':
			return fmt.Errorf("classes inside classes are not supported; write \\[ for the character")
		case strings.HasPrefix(t.in[t.pos:], "&&"):
			return fmt.Errorf("&& in a class is not supported")
		case c == '\\':
			if err := t.escape(true); err != nil {
				return err
			}
		default:
			t.out.WriteByte(c)
			t.pos++
		}
	}
	return fmt.Errorf("missing ]")
}

// Java's predefined classes that Go lacks, without brackets.
const (
	horizontalSpace = ` \t\x{A0}\x{1680}\x{180e}\x{2000}-\x{200a}\x{202f}\x{205f}\x{3000}`
	verticalSpace   = `\n\x0B\f\r\x{85}\x{2028}\x{2029}`
	anySpace        = `\s\x0B`

	notHorizontalSpace = `\x00-\x08\x0A-\x1F!-\x{9F}\x{A1}-\x{167F}\x{1681}-\x{180D}\x{180F}-\x{1FFF}` +
		`\x{200B}-\x{202E}\x{2030}-\x{205E}\x{2060}-\x{2FFF}\x{3001}-\x{10FFFF}`
	notVerticalSpace = `\x00-\x09\x0E-\x{84}\x{86}-\x{2027}\x{202A}-\x{10FFFF}`
	notAnySpace      = `\x00-\x08\x0E-\x1F!-\x{10FFFF}`
)

// posixClasses are Java's \p{..} for ASCII.
var posixClasses = map[string]string{
	"Lower": "a-z", "Upper": "A-Z", "Alpha": "a-zA-Z", "Digit": "0-9", "Alnum": "a-zA-Z0-9", "ASCII": `\x00-\x7F`,
	"Punct": `!-/:-@\[-` + "`" + `{-~`, "Graph": "!-~", "Print": " -~", "Blank": ` \t`, "Cntrl": `\x00-\x1F\x7F`,
	"XDigit": "0-9a-fA-F", "Space": ` \t\n\x0B\f\r`, "IsAlphabetic": `\p{L}\p{Nl}`, "IsLetter": `\p{L}`, "IsDigit": `\p{Nd}`,
	"IsUppercase": `\p{Lu}`, "IsLowercase": `\p{Ll}`, "IsPunctuation": `\p{P}`,
	"IsWhite_Space": `\s\x0B\x{85}\p{Z}`, "javaLowerCase": `\p{Ll}`, "javaUpperCase": `\p{Lu}`,
}

// escape translates a backslash sequence, inside a class or outside.
func (t *regexTranslator) escape(inClass bool) error {
	if t.pos+1 >= len(t.in) {
		return fmt.Errorf("it ends in a backslash")
	}
	c := t.in[t.pos+1]
	rest := t.in[t.pos+2:]
	switch {
	case c >= '1' && c <= '9' || c == 'k':
		return fmt.Errorf("the back reference \\%c is not supported", c)
	case c == '0':
		n := 0
		for n < len(rest) && n < 3 && rest[n] >= '0' && rest[n] <= '7' {
			n++
		}
		return t.codePoint(rest[:n], 8, 2+n)
	case c == 'u' && len(rest) >= 4:
		return t.codePoint(rest[:4], 16, 6)
	case c == 'p' || c == 'P':
		return t.property(c == 'P', inClass)
	case strings.IndexByte("hHvVsS", c) >= 0:
		set := map[byte]string{
			'h': horizontalSpace, 'H': notHorizontalSpace, 'v': verticalSpace, 'V': notVerticalSpace, 's': anySpace, 'S': notAnySpace,
		}[c]
		t.pos += 2
		return t.set(set, false, inClass)
	case c == 'Q':
		text, _, _ := strings.Cut(rest, `\E`)
		t.out.WriteString(regexp.QuoteMeta(text))
		t.pos = min(t.pos+2+len(text)+2, len(t.in))
		return nil
	case c == 'Z':
		return fmt.Errorf("\\Z is not supported; use \\z")
	case c == 'e':
		t.out.WriteString(`\x1B`)
	case strings.IndexByte("tnrfadDwWbBAzxE", c) >= 0:
		t.out.WriteString(t.in[t.pos : t.pos+2])
	case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
		return fmt.Errorf("\\%c is not supported", c)
	default:
		r, size := utf8.DecodeRuneInString(t.in[t.pos+1:])
		if inClass && r == '-' {
			t.out.WriteString(`\-`)
		} else {
			t.out.WriteString(regexp.QuoteMeta(string(r)))
		}
		t.pos += 1 + size
		return nil
	}
	t.pos += 2
	return nil
}

func (t *regexTranslator) codePoint(digits string, base, length int) error {
	n, err := strconv.ParseUint(digits, base, 21)
	if err != nil {
		return fmt.Errorf("%q is not the number of a character", digits)
	}
	fmt.Fprintf(&t.out, `\x{%x}`, n)
	t.pos += length
	return nil
}

// set writes the members of a predefined class.
func (t *regexTranslator) set(members string, negate, inClass bool) error {
	switch {
	case inClass && negate:
		return fmt.Errorf("a negated predefined class inside a class is not supported")
	case inClass:
		t.out.WriteString(members)
	case negate:
		t.out.WriteString("[^" + members + "]")
	default:
		t.out.WriteString("[" + members + "]")
	}
	return nil
}

func (t *regexTranslator) property(negate, inClass bool) error {
	rest := t.in[t.pos+2:]
	if !strings.HasPrefix(rest, "{") {
		t.out.WriteString(t.in[t.pos : t.pos+2])
		t.pos += 2
		return nil
	}
	end := strings.IndexByte(rest, '}')
	if end < 0 {
		return fmt.Errorf("missing } after \\p{")
	}
	name := rest[1:end]
	if members, ok := posixClasses[name]; ok {
		t.pos += 2 + end + 1
		return t.set(members, negate, inClass)
	}
	// Java writes scripts as IsLatin; Go as Latin.
	t.out.WriteString(t.in[t.pos:t.pos+2] + "{" + strings.TrimPrefix(name, "Is") + "}")
	t.pos += 2 + end + 1
	return nil
}
