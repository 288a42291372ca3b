package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// nestingMax bounds the depth of nested types, so that a hostile schema file
// cannot exhaust the stack; real tables nest a handful deep.
const nestingMax = 64

// fieldFile is a column as schema files hold it.
type fieldFile struct {
	ID          int             `json:"id"`
	Name        string          `json:"name"`
	Type        json.RawMessage `json:"type"`
	Description string          `json:"description,omitempty"`
	Default     *string         `json:"defaultValue,omitempty"`
}

// nestedFile is a nested type as schema files hold it; scalar types are strings.
type nestedFile struct {
	Type    string          `json:"type"`
	Element json.RawMessage `json:"element,omitempty"`
	Key     json.RawMessage `json:"key,omitempty"`
	Value   json.RawMessage `json:"value,omitempty"`
	Fields  []fieldFile     `json:"fields,omitempty"`
}

func fieldsFromFile(in []fieldFile) ([]Field, error) { return fieldsFromFileAt(in, 0) }

func fieldsFromFileAt(in []fieldFile, depth int) ([]Field, error) {
	out := make([]Field, len(in))
	for i, f := range in {
		t, err := typeFromFile(f.Type, depth)
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", f.Name, err)
		}
		out[i] = Field{ID: f.ID, Name: f.Name, Type: t, Description: f.Description}
		if f.Default != nil {
			out[i].Default = *f.Default
		}
	}
	return out, nil
}

func typeFromFile(raw json.RawMessage, depth int) (Type, error) {
	if depth > nestingMax {
		return Type{}, fmt.Errorf("type is nested deeper than %d", nestingMax)
	}
	var text string
	if json.Unmarshal(raw, &text) == nil && len(raw) > 0 && raw[0] == '"' {
		return ParseType(text)
	}
	var n nestedFile
	if err := json.Unmarshal(raw, &n); err != nil {
		return Type{}, fmt.Errorf("type %.80s is neither a string nor an object", raw)
	}
	root, notNull := strings.CutSuffix(n.Type, " NOT NULL")
	t := Type{NotNull: notNull}
	inner := func(part string, raw json.RawMessage) (*Type, error) {
		if len(raw) == 0 {
			return nil, fmt.Errorf("%s has no %s", root, part)
		}
		e, err := typeFromFile(raw, depth+1)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", root, part, err)
		}
		return &e, nil
	}
	var err error
	switch root {
	case "ARRAY", "MULTISET":
		t.Kind = Array
		if root == "MULTISET" {
			t.Kind = Multiset
		}
		t.Elem, err = inner("element", n.Element)
	case "MAP":
		t.Kind = Map
		if t.Key, err = inner("key", n.Key); err == nil {
			t.Elem, err = inner("value", n.Value)
		}
	case "ROW":
		t.Kind = Row
		t.Fields, err = fieldsFromFileAt(n.Fields, depth+1)
	default:
		err = fmt.Errorf("unknown nested type %q", n.Type)
	}
	return t, err
}

func fieldsToFile(fields []Field) []fieldFile {
	out := make([]fieldFile, len(fields))
	for i, f := range fields {
		out[i] = fieldFile{ID: f.ID, Name: f.Name, Type: typeToFile(f.Type), Description: f.Description}
		if f.Default != "" {
			d := f.Default
			out[i].Default = &d
		}
	}
	return out
}

func typeToFile(t Type) json.RawMessage {
	suffix := ""
	if t.NotNull {
		suffix = " NOT NULL"
	}
	var v any = t.String()
	switch t.Kind {
	case Array:
		v = nestedFile{Type: "ARRAY" + suffix, Element: typeToFile(*t.Elem)}
	case Multiset:
		v = nestedFile{Type: "MULTISET" + suffix, Element: typeToFile(*t.Elem)}
	case Map:
		v = nestedFile{Type: "MAP" + suffix, Key: typeToFile(*t.Key), Value: typeToFile(*t.Elem)}
	case Row:
		v = struct {
			Type   string      `json:"type"`
			Fields []fieldFile `json:"fields"`
		}{"ROW" + suffix, fieldsToFile(t.Fields)}
	}
	raw, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("schema: marshal of strings: %v", err))
	}
	return raw
}

// ParseType reads a type's SQL text, scalar or nested, as String prints it and
// as Paimon's schema files and Flink SQL write it. Field ids inside ROW are
// numbered from 0 and are the caller's to replace.
func ParseType(text string) (Type, error) {
	p := typeParser{toks: lexType(text)}
	t, err := p.parse(0)
	if err == nil && p.pos < len(p.toks) {
		err = fmt.Errorf("%q is not expected", p.toks[p.pos].text)
	}
	if err != nil {
		return Type{}, fmt.Errorf("type %q: %w", text, err)
	}
	return t, nil
}

type typeToken struct {
	text   string
	quoted bool // `name`
}

func lexType(s string) []typeToken {
	var out []typeToken
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case c == '`':
			var name strings.Builder
			for i++; i < len(s); i++ {
				if s[i] == '`' {
					if i+1 >= len(s) || s[i+1] != '`' {
						break
					}
					i++
				}
				name.WriteByte(s[i])
			}
			i++
			out = append(out, typeToken{name.String(), true})
		case strings.IndexByte("(),<>:", c) >= 0:
			out = append(out, typeToken{string(c), false})
			i++
		default:
			j := i
			for j < len(s) && strings.IndexByte(" \t\r\n`(),<>:", s[j]) < 0 {
				j++
			}
			out = append(out, typeToken{s[i:j], false})
			i = j
		}
	}
	return out
}

var errTypeEnd = errors.New("it ends too early")
