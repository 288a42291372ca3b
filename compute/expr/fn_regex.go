package expr

import (
	"fmt"
	"math"
	"regexp"

	"github.com/apache/arrow-go/v18/arrow/array"
)

// regexes compiles the pattern arguments of a function: a constant once, others by batch.
type regexes struct {
	konst   *regexp.Regexp
	seen    map[string]*regexp.Regexp
	compile func(string) (*regexp.Regexp, error)
}

// prepareRegex compiles the constant pattern argument i. Other patterns are compiled in fresh, which
// one evaluation keeps to itself.
func prepareRegex(p *prep, i int, compile func(string) (*regexp.Regexp, error)) (fresh func() *regexes, err error) {
	text, ok := p.constText(i)
	if !ok {
		return func() *regexes { return &regexes{seen: map[string]*regexp.Regexp{}, compile: compile} }, nil
	}
	re, err := compile(text)
	if err != nil {
		return nil, err
	}
	rs := &regexes{konst: re}
	return func() *regexes { return rs }, nil
}

func (r *regexes) get(pattern []byte) (*regexp.Regexp, error) {
	if r.konst != nil {
		return r.konst, nil
	}
	if re := r.seen[string(pattern)]; re != nil {
		return re, nil
	}
	re, err := r.compile(string(pattern))
	if err != nil {
		return nil, err
	}
	if len(r.seen) < patternsMax {
		r.seen[string(pattern)] = re
	}
	return re, nil
}

// prepRegexp is REGEXP(text, pattern): whether the pattern is found. An empty pattern is never found.
func prepRegexp(p *prep) (kernel, error) {
	fresh, err := prepareRegex(p, 1, compileJavaRegex)
	if err != nil {
		return nil, err
	}
	return func(c *call) (vec, error) {
		x, pattern, rs := textOf(c.args[0]), textOf(c.args[1]), fresh()
		return mapFixed(c, func(i int) (bool, bool, error) {
			re, err := rs.get(pattern.bytes(i))
			if err != nil {
				return false, false, err
			}
			return len(pattern.bytes(i)) > 0 && re.Match(x.bytes(i)), true, nil
		})
	}, nil
}

// groupArg is the group argument of row i; -1 if it is no group of the pattern.
func groupArg(c *call, re *regexp.Regexp, fallback int64, i int) int {
	g := fallback
	if len(c.args) > 2 {
		g = colOf[int64](c.args[2]).at(i)
	}
	if g < 0 || g > int64(re.NumSubexp()) {
		return -1
	}
	return int(g)
}

// prepRegexpExtract is REGEXP_EXTRACT(text, pattern[, group]) and REGEXP_SUBSTR(text, pattern): the
// first match or a group of it; NULL without one.
func prepRegexpExtract(p *prep) (kernel, error) {
	fresh, err := prepareRegex(p, 1, compileJavaRegex)
	if err != nil {
		return nil, err
	}
	return func(c *call) (vec, error) {
		x, pattern, rs := textOf(c.args[0]), textOf(c.args[1]), fresh()
		return mapText(c, func(dst []byte, i int) ([]byte, bool, error) {
			re, err := rs.get(pattern.bytes(i))
			if err != nil {
				return dst, false, err
			}
			s, g := x.bytes(i), groupArg(c, re, 0, i)
			m := re.FindSubmatchIndex(s)
			if m == nil || g < 0 || m[2*g] < 0 {
				return dst, false, nil
			}
			return append(dst, s[m[2*g]:m[2*g+1]]...), true, nil
		})
	}, nil
}

// prepRegexpExtractAll is REGEXP_EXTRACT_ALL(text, pattern[, group]): the group, 1 if none is given, of every match.
func prepRegexpExtractAll(p *prep) (kernel, error) {
	fresh, err := prepareRegex(p, 1, compileJavaRegex)
	if err != nil {
		return nil, err
	}
	return func(c *call) (vec, error) {
		x, pattern, rs := textOf(c.args[0]), textOf(c.args[1]), fresh()
		return buildNested(c, p.ret, func(b array.Builder, i int) error {
			re, err := rs.get(pattern.bytes(i))
			if err != nil {
				return err
			}
			g := groupArg(c, re, 1, i)
			if g < 0 {
				b.AppendNull()
				return nil
			}
			l := b.(*array.ListBuilder)
			l.Append(true)
			values := l.ValueBuilder().(*array.StringBuilder)
			s := x.string(i)
			for _, m := range re.FindAllStringSubmatchIndex(s, -1) {
				if m[2*g] < 0 {
					values.AppendNull()
				} else {
					values.Append(s[m[2*g]:m[2*g+1]])
				}
			}
			return nil
		})
	}, nil
}

// prepRegexpReplace is REGEXP_REPLACE(text, pattern, replacement); the replacement is plain text.
func prepRegexpReplace(p *prep) (kernel, error) {
	fresh, err := prepareRegex(p, 1, compileJavaRegex)
	if err != nil {
		return nil, err
	}
	return func(c *call) (vec, error) {
		x, pattern, with, rs := textOf(c.args[0]), textOf(c.args[1]), textOf(c.args[2]), fresh()
		return mapText(c, func(dst []byte, i int) ([]byte, bool, error) {
			re, err := rs.get(pattern.bytes(i))
			if err != nil {
				return dst, false, err
			}
			s, last := x.bytes(i), 0
			for _, m := range re.FindAllIndex(s, -1) {
				dst = append(append(dst, s[last:m[0]]...), with.bytes(i)...)
				last = m[1]
			}
			return append(dst, s[last:]...), true, nil
		})
	}, nil
}

// prepRegexpCount is REGEXP_COUNT(text, pattern) and REGEXP_INSTR(text, pattern), the position of
// the first match in UTF-16 units from 1, 0 without one.
func prepRegexpCount(p *prep) (kernel, error) {
	fresh, err := prepareRegex(p, 1, compileJavaRegex)
	if err != nil {
		return nil, err
	}
	return func(c *call) (vec, error) {
		x, pattern, rs := textOf(c.args[0]), textOf(c.args[1]), fresh()
		return mapFixed(c, func(i int) (int32, bool, error) {
			re, err := rs.get(pattern.bytes(i))
			if err != nil {
				return 0, false, err
			}
			s := x.bytes(i)
			if p.fn == "REGEXP_COUNT" {
				return int32(min(len(re.FindAllIndex(s, -1)), math.MaxInt32)), true, nil
			}
			m := re.FindIndex(s)
			if m == nil {
				return 0, true, nil
			}
			return int32(len(utf16Of(s[:m[0]]))) + 1, true, nil
		})
	}, nil
}

// prepStrToMap is STR_TO_MAP(text[, pairs, keyvalue]); the delimiters are regular expressions.
func prepStrToMap(p *prep) (kernel, error) {
	kernels := [2]func() *regexes{}
	for k, fallback := range []string{",", "="} {
		arg := k + 1
		if len(p.args) == 1 {
			rs := &regexes{konst: regexp.MustCompile(fallback)}
			kernels[k] = func() *regexes { return rs }
			continue
		}
		var err error
		if kernels[k], err = prepareRegex(p, arg, compileJavaRegex); err != nil {
			return nil, err
		}
	}
	return func(c *call) (vec, error) {
		x, pairs, values := textOf(c.args[0]), kernels[0](), kernels[1]()
		return buildNested(c, p.ret, func(b array.Builder, i int) error {
			between, err := pairs.get(patternAt(c, 1, i))
			if err != nil {
				return err
			}
			inside, err := values.get(patternAt(c, 2, i))
			if err != nil {
				return err
			}
			appendPairs(b.(*array.MapBuilder), x.string(i), between, inside)
			return nil
		})
	}, nil
}

// appendPairs splits as Java does: empty parts at the end do not count, of equal keys the last wins.
func appendPairs(b *array.MapBuilder, s string, between, inside *regexp.Regexp) {
	b.Append(true)
	if s == "" {
		return
	}
	parts := between.Split(s, -1)
	for len(parts) > 0 && parts[len(parts)-1] == "" {
		parts = parts[:len(parts)-1]
	}
	type entry struct {
		value string
		ok    bool
	}
	var keys []string
	entries := map[string]entry{}
	for _, part := range parts {
		kv := inside.Split(part, 2)
		e := entry{}
		if len(kv) == 2 {
			e = entry{kv[1], true}
		} else {
			kv = []string{part}
		}
		if _, seen := entries[kv[0]]; !seen {
			keys = append(keys, kv[0])
		}
		entries[kv[0]] = e
	}
	for _, k := range keys {
		b.KeyBuilder().(*array.StringBuilder).Append(k)
		if e := entries[k]; e.ok {
			b.ItemBuilder().(*array.StringBuilder).Append(e.value)
		} else {
			b.ItemBuilder().AppendNull()
		}
	}
}

// prepSimilar is SIMILAR TO.
func prepSimilar(p *prep) (kernel, error) {
	escape, konstEscape := "", true
	if len(p.args) == 3 {
		escape, konstEscape = p.constText(2)
	}
	if !konstEscape {
		return nil, fmt.Errorf("the escape character must be a constant")
	}
	fresh, err := prepareRegex(p, 1, func(s string) (*regexp.Regexp, error) { return compileSimilar(s, escape) })
	if err != nil {
		return nil, err
	}
	return func(c *call) (vec, error) {
		x, pattern, rs := textOf(c.args[0]), textOf(c.args[1]), fresh()
		return mapFixed(c, func(i int) (bool, bool, error) {
			re, err := rs.get(pattern.bytes(i))
			if err != nil {
				return false, false, err
			}
			return re.Match(x.bytes(i)), true, nil
		})
	}, nil
}
