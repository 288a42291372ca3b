package expr

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// jsonPath is a path "[lax|strict] $.a['b'][0][*]" into JSON; a path that does not start with $
// starts with a member. In strict mode, the default, a
// member that is not there is an error; in lax mode it is empty.
type jsonPath struct {
	lax   bool
	steps []jsonStep
}

// jsonStep is one of: a member of an object, an element of an array, all of either.
type jsonStep struct {
	key      string
	index    int
	isIndex  bool
	wildcard bool
}

// errNoJSONMember: a strict path leads to nothing.
var errNoJSONMember = errors.New("the path leads to nothing")

func parseJSONPath(s string) (*jsonPath, error) {
	p := &jsonPath{}
	rest := strings.TrimSpace(s)
	if mode, after, ok := strings.Cut(rest, " "); ok && (strings.EqualFold(mode, "lax") || strings.EqualFold(mode, "strict")) {
		p.lax, rest = strings.EqualFold(mode, "lax"), strings.TrimSpace(after)
	}
	if rest == "" {
		return nil, errors.New("the JSON path is empty; $ is the whole value")
	}
	if rest[0] != '$' {
		rest = "$." + rest
	}
	for rest = rest[1:]; rest != ""; {
		var step jsonStep
		var err error
		if rest, step, err = parseJSONStep(rest); err != nil {
			return nil, fmt.Errorf("JSON path %q: %w", s, err)
		}
		p.steps = append(p.steps, step)
	}
	return p, nil
}

func parseJSONStep(s string) (rest string, step jsonStep, err error) {
	if strings.HasPrefix(s, ".[") {
		s = s[1:]
	}
	switch {
	case strings.HasPrefix(s, ".."):
		return s, step, errors.New(".. is not supported")
	case s[0] == '.':
		end := strings.IndexAny(s[1:], ".[")
		if end < 0 {
			end = len(s) - 1
		}
		step.key = s[1 : 1+end]
		step.wildcard = step.key == "*"
		if step.key == "" || strings.ContainsAny(step.key, "()?@") {
			return s, step, fmt.Errorf("%q is not a member; quote it as ['name']", step.key)
		}
		return s[1+end:], step, nil
	case s[0] != '[':
		return s, step, fmt.Errorf("unexpected %q", s)
	case len(s) > 2 && (s[1] == '\'' || s[1] == '"'):
		end := strings.IndexByte(s[2:], s[1])
		if end < 0 || !strings.HasPrefix(s[2+end+1:], "]") {
			return s, step, fmt.Errorf("%q is not closed", s)
		}
		return s[2+end+2:], jsonStep{key: s[2 : 2+end]}, nil
	}
	end := strings.IndexByte(s, ']')
	if end < 0 {
		return s, step, errors.New("missing ]")
	}
	inner := strings.TrimSpace(s[1:end])
	if inner == "*" {
		return s[end+1:], jsonStep{wildcard: true}, nil
	}
	n, err := strconv.Atoi(inner)
	if err != nil {
		return s, step, fmt.Errorf("[%s] is not supported; use [0], [*] or ['name']", inner)
	}
	return s[end+1:], jsonStep{index: n, isIndex: true}, nil
}

// find follows the path. A path with wildcards finds the list of all it leads to. found is
// false where a lax path leads to nothing.
func (p *jsonPath) find(root any) (v any, found bool, err error) {
	values, many := []any{root}, false
	for _, step := range p.steps {
		var next []any
		for _, x := range values {
			next = append(next, step.of(x)...)
		}
		many = many || step.wildcard
		if len(next) == 0 && !many {
			if p.lax {
				return nil, false, nil
			}
			return nil, false, errNoJSONMember
		}
		values = next
	}
	if many {
		return values, true, nil
	}
	return values[0], true, nil
}

func (s jsonStep) of(x any) []any {
	switch x := x.(type) {
	case map[string]any:
		if s.wildcard {
			return sortedValues(x)
		}
		if v, ok := x[s.key]; ok && !s.isIndex {
			return []any{v}
		}
	case []any:
		if s.wildcard {
			return x
		}
		i := s.index
		if i < 0 {
			i += len(x)
		}
		if s.isIndex && i >= 0 && i < len(x) {
			return []any{x[i]}
		}
	}
	return nil
}
