package expr

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow/array"
	"golang.org/x/text/cases"
	"golang.org/x/text/language"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

// stringBytesMax bounds one string that a function makes longer than its arguments.
const stringBytesMax = 64 << 20

// errLongString: REPEAT, LPAD or RPAD was asked for more than stringBytesMax.
var errLongString = errkind.New(errkind.Exhausted, "the result would be longer than 64 MiB")

// text1 makes a function of one text that always has a value.
func text1(f func(dst, s []byte) []byte) prepFunc {
	return run(func(c *call) (vec, error) {
		x := textOf(c.args[0])
		return mapText(c, func(dst []byte, i int) ([]byte, bool, error) { return f(dst, x.bytes(i)), true, nil })
	})
}

// int1 makes a function of one text with an INT result.
func int1(f func(s []byte) int32) prepFunc {
	return run(func(c *call) (vec, error) {
		x := textOf(c.args[0])
		return mapFixedTotal(c, func(i int) int32 { return f(x.bytes(i)) })
	})
}

// bool2 makes a predicate of two texts.
func bool2(f func(a, b []byte) bool) prepFunc {
	return run(func(c *call) (vec, error) {
		x, y := textOf(c.args[0]), textOf(c.args[1])
		return mapFixedTotal(c, func(i int) bool { return f(x.bytes(i), y.bytes(i)) })
	})
}

func isASCII(s []byte) bool {
	for _, b := range s {
		if b >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// prepCase is UPPER and LOWER with the full Unicode mappings ("ß" becomes "SS").
func prepCase(p *prep) (kernel, error) {
	upper := p.fn == "UPPER"
	return func(c *call) (vec, error) {
		x := textOf(c.args[0])
		caser := cases.Lower(language.Und)
		if upper {
			caser = cases.Upper(language.Und)
		}
		return mapText(c, func(dst []byte, i int) ([]byte, bool, error) {
			s := x.bytes(i)
			if !isASCII(s) {
				return append(dst, caser.Bytes(s)...), true, nil
			}
			for _, b := range s {
				switch {
				case upper && b >= 'a' && b <= 'z':
					b -= 'a' - 'A'
				case !upper && b >= 'A' && b <= 'Z':
					b += 'a' - 'A'
				}
				dst = append(dst, b)
			}
			return dst, true, nil
		})
	}, nil
}

// initcap raises the first letter of each run of ASCII letters and digits and lowers the others.
func initcap(dst, s []byte) []byte {
	start := true
	for _, b := range s {
		upper, lower := b >= 'A' && b <= 'Z', b >= 'a' && b <= 'z'
		switch {
		case start && lower:
			b -= 'a' - 'A'
		case !start && upper:
			b += 'a' - 'A'
		}
		start = !upper && !lower && !(b >= '0' && b <= '9')
		dst = append(dst, b)
	}
	return dst
}

func evalConcat(c *call) (vec, error) {
	cols := make([]textCol, len(c.args))
	for k, a := range c.args {
		cols[k] = textOf(a)
	}
	return mapText(c, func(dst []byte, i int) ([]byte, bool, error) {
		for _, x := range cols {
			dst = append(dst, x.bytes(i)...)
		}
		return dst, true, nil
	})
}

// evalConcatWS joins by the first argument and leaves NULLs out; a NULL separator makes NULL.
func evalConcatWS(c *call) (vec, error) {
	return mapText(c, func(dst []byte, i int) ([]byte, bool, error) {
		if c.args[0].isNull(i) {
			return dst, false, nil
		}
		first := true
		for _, a := range c.args[1:] {
			if a.isNull(i) {
				continue
			}
			if !first {
				dst = append(dst, textOf(c.args[0]).bytes(i)...)
			}
			first = false
			dst = append(dst, textOf(a).bytes(i)...)
		}
		return dst, true, nil
	})
}

// prepTrim is TRIM(text), TRIM(LEADING|TRAILING|BOTH, chars, text), BTRIM, LTRIM and RTRIM: it
// removes characters that occur in chars.
func prepTrim(p *prep) (kernel, error) {
	side, text, chars := "BOTH", 0, 1
	switch {
	case p.fn == "LTRIM":
		side = "LEADING"
	case p.fn == "RTRIM":
		side = "TRAILING"
	case p.fn == "TRIM" && len(p.args) == 3:
		var err error
		if side, err = p.symbol(0); err != nil {
			return nil, err
		}
		text, chars = 2, 1
	}
	if side != "BOTH" && side != "LEADING" && side != "TRAILING" {
		return nil, fmt.Errorf("there is no side %s", side)
	}
	return func(c *call) (vec, error) {
		x := textOf(c.args[text])
		return mapText(c, func(dst []byte, i int) ([]byte, bool, error) {
			s, set := x.bytes(i), " "
			if chars < len(c.args) {
				set = textOf(c.args[chars]).string(i)
			}
			if side != "TRAILING" {
				s = bytes.TrimLeft(s, set)
			}
			if side != "LEADING" {
				s = bytes.TrimRight(s, set)
			}
			return append(dst, s...), true, nil
		})
	}, nil
}

// substring is SQL's: pos counts from 1, from the end if negative, 0 is 1; n < 0 is NULL.
func substring(s []byte, pos, n int64) ([]byte, bool) {
	if n < 0 {
		return nil, false
	}
	if pos < 0 {
		if pos += int64(utf8.RuneCount(s)); pos < 0 {
			return nil, true
		}
	} else if pos > 0 {
		pos--
	}
	s = s[charOffset(s, int(min(pos, int64(len(s))))):]
	return s[:charOffset(s, int(min(n, int64(len(s)))))], true
}

func evalSubstring(c *call) (vec, error) {
	x, pos := textOf(c.args[0]), colOf[int64](c.args[1])
	return mapText(c, func(dst []byte, i int) ([]byte, bool, error) {
		n := int64(schema.MaxLength)
		if len(c.args) == 3 {
			n = colOf[int64](c.args[2]).at(i)
		}
		s, ok := substring(x.bytes(i), pos.at(i), n)
		return append(dst, s...), ok, nil
	})
}

func prepEnd(p *prep) (kernel, error) {
	right := p.fn == "RIGHT"
	return func(c *call) (vec, error) {
		x, n := textOf(c.args[0]), colOf[int64](c.args[1])
		return mapText(c, func(dst []byte, i int) ([]byte, bool, error) {
			s, k := x.bytes(i), n.at(i)
			switch {
			case k <= 0:
				return dst, true, nil
			case !right:
				s, _ = substring(s, 1, k)
			case k < int64(utf8.RuneCount(s)):
				s, _ = substring(s, -k, k)
			}
			return append(dst, s...), true, nil
		})
	}, nil
}

// indexFrom finds sub at character from (counted from 0) or later; -1 if it is not there. An
// empty sub is at 0.
func indexFrom(s, sub []byte, from int64) int64 {
	if len(sub) == 0 {
		return 0
	}
	from = max(0, min(from, int64(len(s))))
	skip := charOffset(s, int(from))
	i := bytes.Index(s[skip:], sub)
	if i < 0 {
		return -1
	}
	return int64(utf8.RuneCount(s[:skip+i]))
}

// evalLocate is POSITION(sub, text) and LOCATE(sub, text[, from]).
func evalLocate(c *call) (vec, error) {
	sub, x := textOf(c.args[0]), textOf(c.args[1])
	return mapFixedTotal(c, func(i int) int32 {
		from := int64(1)
		if len(c.args) == 3 {
			from = colOf[int64](c.args[2]).at(i)
		}
		return int32(indexFrom(x.bytes(i), sub.bytes(i), from-1) + 1)
	})
}

// evalInstr is INSTR(text, sub[, from[, n]]): the n-th occurrence from a character on, searching
// backwards if from is negative.
func evalInstr(c *call) (vec, error) {
	x, sub := textOf(c.args[0]), textOf(c.args[1])
	return mapFixed(c, func(i int) (int32, bool, error) {
		from, n := int64(1), int64(1)
		if len(c.args) > 2 {
			from = colOf[int64](c.args[2]).at(i)
		}
		if len(c.args) > 3 {
			n = colOf[int64](c.args[3]).at(i)
		}
		if n <= 0 {
			return 0, false, errors.New("the occurrence must be positive")
		}
		return int32(instr(x.bytes(i), sub.bytes(i), from, n)), true, nil
	})
}

func instr(s, sub []byte, from, n int64) int64 {
	if from == 0 {
		return 0
	}
	if from < 0 {
		pos := instr(reverse(nil, s), reverse(nil, sub), -from, n)
		if pos == 0 {
			return 0
		}
		return int64(utf8.RuneCount(s)) + 2 - pos - int64(utf8.RuneCount(sub))
	}
	index := int64(0)
	for range n {
		if index = indexFrom(s, sub, from-1) + 1; index == 0 {
			return 0
		}
		if len(sub) == 0 {
			return index
		}
		from = index + 1
	}
	return index
}

func reverse(dst, s []byte) []byte {
	for len(s) > 0 {
		_, n := utf8.DecodeLastRune(s)
		dst = append(dst, s[len(s)-n:]...)
		s = s[:len(s)-n]
	}
	return dst
}

func evalReplace(c *call) (vec, error) {
	x, from, to := textOf(c.args[0]), textOf(c.args[1]), textOf(c.args[2])
	return mapText(c, func(dst []byte, i int) ([]byte, bool, error) {
		return append(dst, bytes.ReplaceAll(x.bytes(i), from.bytes(i), to.bytes(i))...), true, nil
	})
}

// evalTranslate replaces each character of the second argument by the one at its place in the third.
func evalTranslate(c *call) (vec, error) {
	return mapText(c, func(dst []byte, i int) ([]byte, bool, error) {
		if c.args[0].isNull(i) {
			return dst, false, nil
		}
		s := textOf(c.args[0]).bytes(i)
		if c.args[1].isNull(i) {
			return append(dst, s...), true, nil
		}
		var to []rune
		if !c.args[2].isNull(i) {
			to = []rune(textOf(c.args[2]).string(i))
		}
		dict := map[rune]rune{}
		for k, r := range []rune(textOf(c.args[1]).string(i)) {
			if _, ok := dict[r]; ok {
				continue
			}
			dict[r] = -1 // removed
			if k < len(to) {
				dict[r] = to[k]
			}
		}
		return append(dst, bytes.Map(func(r rune) rune {
			if t, ok := dict[r]; ok {
				return t
			}
			return r
		}, s)...), true, nil
	})
}

// appendUTF16 appends UTF-16 units; half a surrogate pair becomes '?', as Flink writes it.
func appendUTF16(dst []byte, units []uint16) []byte {
	for k := 0; k < len(units); k++ {
		r := rune(units[k])
		if utf16.IsSurrogate(r) {
			if k+1 < len(units) {
				if r = utf16.DecodeRune(r, rune(units[k+1])); r != unicode.ReplacementChar {
					dst = utf8.AppendRune(dst, r)
					k++
					continue
				}
			}
			r = '?'
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}

func utf16Of(s []byte) []uint16 { return utf16.Encode([]rune(string(s))) }

// prepPad is LPAD and RPAD to a length in UTF-16 units; longer text is cut at the end.
func prepPad(p *prep) (kernel, error) {
	left := p.fn == "LPAD"
	return func(c *call) (vec, error) {
		x, length, pad := textOf(c.args[0]), colOf[int64](c.args[1]), textOf(c.args[2])
		return mapText(c, func(dst []byte, i int) ([]byte, bool, error) {
			n, fill := length.at(i), utf16Of(pad.bytes(i))
			if n < 0 || len(fill) == 0 {
				return dst, false, nil
			}
			if n > stringBytesMax {
				return dst, false, errLongString
			}
			base := utf16Of(x.bytes(i))
			if int64(len(base)) >= n {
				return appendUTF16(dst, base[:n]), true, nil
			}
			missing := make([]uint16, int(n)-len(base))
			for k := range missing {
				missing[k] = fill[k%len(fill)]
			}
			if left {
				return appendUTF16(dst, append(missing, base...)), true, nil
			}
			return appendUTF16(dst, append(base, missing...)), true, nil
		})
	}, nil
}

func evalRepeat(c *call) (vec, error) {
	x, times := textOf(c.args[0]), colOf[int64](c.args[1])
	return mapText(c, func(dst []byte, i int) ([]byte, bool, error) {
		s, n := x.bytes(i), max(times.at(i), 0)
		if n > stringBytesMax || n*int64(len(s)) > stringBytesMax {
			return dst, false, errLongString
		}
		return append(dst, bytes.Repeat(s, int(n))...), true, nil
	})
}

// ascii is the first byte, as a signed one.
func ascii(s []byte) int32 {
	if len(s) == 0 {
		return 0
	}
	return int32(int8(s[0]))
}

// evalChr is the character of the lowest eight bits.
func evalChr(c *call) (vec, error) {
	x := colOf[int64](c.args[0])
	return mapText(c, func(dst []byte, i int) ([]byte, bool, error) {
		if x.at(i) < 0 {
			return dst, true, nil
		}
		return utf8.AppendRune(dst, rune(x.at(i)&0xFF)), true, nil
	})
}

// evalOverlay is OVERLAY(text, new, start[, length]) in UTF-16 units.
func evalOverlay(c *call) (vec, error) {
	x, with, start := textOf(c.args[0]), textOf(c.args[1]), colOf[int64](c.args[2])
	return mapText(c, func(dst []byte, i int) ([]byte, bool, error) {
		s, r, from := utf16Of(x.bytes(i)), utf16Of(with.bytes(i)), start.at(i)
		n := int64(len(r))
		if len(c.args) == 4 {
			n = colOf[int64](c.args[3]).at(i)
		}
		if from <= 0 || from > int64(len(s)) {
			return append(dst, x.bytes(i)...), true, nil
		}
		out := append(append([]uint16(nil), s[:from-1]...), r...)
		// Flink drops the rest for a length of zero or less.
		if n > 0 && from+n <= int64(len(s)) {
			out = append(out, s[from-1+n:]...)
		}
		return appendUTF16(dst, out), true, nil
	})
}

// splitAll splits at every sep; an empty text has no parts.
func splitAll(s, sep string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, sep)
}

// splitSpaces splits at every white space character, keeping empty parts.
func splitSpaces(s string) []string {
	if s == "" {
		return nil
	}
	parts := []string{""}
	for _, r := range s {
		if unicode.IsSpace(r) {
			parts = append(parts, "")
		} else {
			parts[len(parts)-1] += string(r)
		}
	}
	return parts
}

// evalSplitIndex is SPLIT_INDEX(text, separator or character code, index from 0).
func evalSplitIndex(c *call) (vec, error) {
	x, index := textOf(c.args[0]), colOf[int64](c.args[2])
	_, byCode := c.args[1].data.([]int64)
	return mapText(c, func(dst []byte, i int) ([]byte, bool, error) {
		var parts []string
		if byCode {
			code := colOf[int64](c.args[1]).at(i)
			if code < 1 || code > 255 {
				return dst, false, nil
			}
			parts = splitAll(x.string(i), string(rune(code)))
		} else if sep := textOf(c.args[1]).string(i); sep == "" {
			parts = splitSpaces(x.string(i))
		} else {
			parts = splitAll(x.string(i), sep)
		}
		if k := index.at(i); k >= 0 && k < int64(len(parts)) {
			return append(dst, parts[k]...), true, nil
		}
		return dst, false, nil
	})
}

// prepSplit is SPLIT(text, separator) to an array; an empty separator splits into characters.
func prepSplit(p *prep) (kernel, error) {
	return func(c *call) (vec, error) {
		x, sep := textOf(c.args[0]), textOf(c.args[1])
		return buildNested(c, p.ret, func(b array.Builder, i int) error {
			l := b.(*array.ListBuilder)
			l.Append(true)
			l.ValueBuilder().(*array.StringBuilder).AppendStringValues(splitAll(x.string(i), sep.string(i)), nil)
			return nil
		})
	}, nil
}

// evalElt is ELT(n, a, b, ...): the n-th of the texts.
func evalElt(c *call) (vec, error) {
	index := colOf[int64](c.args[0])
	return mapText(c, func(dst []byte, i int) ([]byte, bool, error) {
		if c.args[0].isNull(i) {
			return dst, false, nil
		}
		k := index.at(i)
		if k < 1 || k >= int64(len(c.args)) || c.args[k].isNull(i) {
			return dst, false, nil
		}
		return append(dst, textOf(c.args[k]).bytes(i)...), true, nil
	})
}

// prepIsKind is IS_ALPHA, IS_DIGIT and IS_DECIMAL; NULL and empty text are FALSE.
func prepIsKind(p *prep) (kernel, error) {
	if p.args[0].IsNumeric() {
		yes := p.fn == "IS_DECIMAL" || p.args[0].IsInteger()
		return func(c *call) (vec, error) {
			return mapFixedTotal(c, func(i int) bool { return yes && !c.args[0].isNull(i) })
		}, nil
	}
	test := func(s string) bool {
		return strings.IndexFunc(s, func(r rune) bool { return !unicode.IsLetter(r) }) < 0
	}
	switch p.fn {
	case "IS_DIGIT":
		test = func(s string) bool { return strings.IndexFunc(s, func(r rune) bool { return !unicode.IsDigit(r) }) < 0 }
	case "IS_DECIMAL":
		test = func(s string) bool {
			_, err := ParseFloat(s, 64)
			return err == nil
		}
	}
	return func(c *call) (vec, error) {
		x := textOf(c.args[0])
		return mapFixedTotal(c, func(i int) bool {
			return !c.args[0].isNull(i) && len(x.bytes(i)) > 0 && test(x.string(i))
		})
	}, nil
}
