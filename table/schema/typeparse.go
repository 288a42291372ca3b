package schema

import (
	"fmt"
	"strconv"
	"strings"
)

// typeParser reads the tokens of one type by recursive descent.
type typeParser struct {
	toks []typeToken
	pos  int
}

// accept consumes the words, compared without case, if they come next.
func (p *typeParser) accept(words ...string) bool {
	if p.pos+len(words) > len(p.toks) {
		return false
	}
	for i, w := range words {
		if t := p.toks[p.pos+i]; t.quoted || !strings.EqualFold(t.text, w) {
			return false
		}
	}
	p.pos += len(words)
	return true
}

func (p *typeParser) expect(word string) error {
	if p.accept(word) {
		return nil
	}
	if p.pos >= len(p.toks) {
		return fmt.Errorf("%w: %q is missing", errTypeEnd, word)
	}
	return fmt.Errorf("%q where %q is expected", p.toks[p.pos].text, word)
}

func (p *typeParser) next() (typeToken, error) {
	if p.pos >= len(p.toks) {
		return typeToken{}, errTypeEnd
	}
	p.pos++
	return p.toks[p.pos-1], nil
}

func (p *typeParser) parse(depth int) (Type, error) {
	if depth > nestingMax {
		return Type{}, fmt.Errorf("nested deeper than %d", nestingMax)
	}
	t, err := p.root(depth)
	if err != nil {
		return Type{}, err
	}
	switch {
	case p.accept("NOT", "NULL"):
		t.NotNull = true
	case p.accept("NULL"):
	}
	return t, nil
}

// simpleTypes are the types without parameters.
var simpleTypes = map[string]Type{
	"BOOLEAN": TBoolean, "TINYINT": TTinyInt, "SMALLINT": TSmallInt, "INT": TInt, "INTEGER": TInt, "BIGINT": TBigInt,
	"FLOAT": TFloat, "DOUBLE": TDouble, "STRING": TString, "BYTES": TBytes, "DATE": TDate,
	"VARIANT": {Kind: Variant}, "BLOB": {Kind: Blob}, "NULL": TNull,
}

func (p *typeParser) root(depth int) (Type, error) {
	tok, err := p.next()
	if err != nil {
		return Type{}, err
	}
	word := strings.ToUpper(tok.text)
	if t, ok := simpleTypes[word]; ok && !tok.quoted {
		if word == "DOUBLE" {
			p.accept("PRECISION")
		}
		return t, nil
	}
	switch word {
	case "CHAR", "VARCHAR", "BINARY", "VARBINARY":
		kind := map[string]Kind{"CHAR": Char, "VARCHAR": VarChar, "BINARY": Binary, "VARBINARY": VarBinary}[word]
		n, err := p.params(1, 1, MaxLength)
		return Type{Kind: kind, Length: n[0]}, err
	case "DECIMAL", "NUMERIC", "DEC":
		n, err := p.params(10, 0, MaxLength)
		if err == nil && (n[0] < 1 || n[0] > 38 || n[1] > n[0]) {
			err = fmt.Errorf("DECIMAL(%d, %d): precision is 1 to 38, scale at most the precision", n[0], n[1])
		}
		return TDecimal(n[0], n[1]), err
	case "TIME", "TIMESTAMP", "TIMESTAMP_LTZ":
		return p.temporal(word)
	case "ARRAY", "MULTISET", "MAP", "ROW":
		return p.nested(word, depth)
	}
	return Type{}, fmt.Errorf("unknown type %q", tok.text)
}

// params reads up to two numbers in parentheses; what is missing has the given
// default (for lengths the second is unused).
func (p *typeParser) params(first, second, limit int) ([2]int, error) {
	n := [2]int{first, second}
	if !p.accept("(") {
		return n, nil
	}
	for i := range n {
		tok, err := p.next()
		if err != nil {
			return n, err
		}
		v, err := strconv.Atoi(tok.text)
		if err != nil || v < 0 || v > limit {
			return n, fmt.Errorf("%q is not a number from 0 to %d", tok.text, limit)
		}
		n[i] = v
		if !p.accept(",") {
			break
		}
	}
	return n, p.expect(")")
}

func (p *typeParser) temporal(word string) (Type, error) {
	precision := 6
	if word == "TIME" {
		precision = 0
	}
	n, err := p.params(precision, 0, 9)
	if err != nil {
		return Type{}, err
	}
	t := Type{Kind: Timestamp, Precision: n[0]}
	switch {
	case word == "TIME":
		t.Kind = Time
		p.accept("WITHOUT", "TIME", "ZONE")
	case word == "TIMESTAMP_LTZ":
		t.Kind = TimestampLTZ
	case p.accept("WITH", "LOCAL", "TIME", "ZONE"):
		t.Kind = TimestampLTZ
	default:
		p.accept("WITHOUT", "TIME", "ZONE")
	}
	return t, nil
}

func (p *typeParser) nested(word string, depth int) (Type, error) {
	if err := p.expect("<"); err != nil {
		return Type{}, err
	}
	if word == "ROW" {
		fields, err := p.rowFields(depth)
		return Type{Kind: Row, Fields: fields}, err
	}
	first, err := p.parse(depth + 1)
	if err != nil {
		return Type{}, err
	}
	t := Type{Kind: Array, Elem: &first}
	switch word {
	case "MULTISET":
		t.Kind = Multiset
	case "MAP":
		if err := p.expect(","); err != nil {
			return Type{}, err
		}
		val, err := p.parse(depth + 1)
		if err != nil {
			return Type{}, err
		}
		t = Type{Kind: Map, Key: &first, Elem: &val}
	}
	return t, p.expect(">")
}

func (p *typeParser) rowFields(depth int) ([]Field, error) {
	var out []Field
	if p.accept(">") {
		return out, nil
	}
	for {
		name, err := p.next()
		if err != nil {
			return nil, err
		}
		p.accept(":")
		t, err := p.parse(depth + 1)
		if err != nil {
			return nil, fmt.Errorf("field %q: %w", name.text, err)
		}
		out = append(out, Field{ID: len(out), Name: name.text, Type: t})
		if p.accept(">") {
			return out, nil
		}
		if err := p.expect(","); err != nil {
			return nil, err
		}
	}
}
