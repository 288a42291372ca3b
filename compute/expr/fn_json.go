package expr

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/weir-lake/weir/table/schema"
)

// parseJSON reads the first value of a text, numbers as they are written.
func parseJSON(s []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(s))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	return javaNumbers(v), nil
}

// javaNumbers rewrites numbers with an exponent as BigDecimal does: 1e3 becomes 1E+3, 15e-1 1.5.
func javaNumbers(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			v[k] = javaNumbers(x)
		}
	case []any:
		for i, x := range v {
			v[i] = javaNumbers(x)
		}
	case json.Number:
		if strings.ContainsAny(v.String(), "eE") {
			return javaNumber(v)
		}
	}
	return v
}

// plainExponentMin is the exponent from which on BigDecimal writes small numbers plainly.
const plainExponentMin = -6

func javaNumber(n json.Number) json.Number {
	mantissa, exponent, _ := strings.Cut(strings.ToUpper(n.String()), "E")
	exp, err := strconv.Atoi(exponent)
	if err != nil || exp > exponentMax || exp < -exponentMax {
		return n
	}
	digits, neg := strings.CutPrefix(mantissa, "-")
	whole, frac, _ := strings.Cut(digits, ".")
	scale := len(frac) - exp
	digits = strings.TrimLeft(whole+frac, "0")
	if digits == "" {
		digits = "0"
	}
	adjusted := len(digits) - 1 - scale
	var out string
	switch {
	case scale == 0:
		out = digits
	case scale > 0 && adjusted >= plainExponentMin:
		for len(digits) <= scale {
			digits = "0" + digits
		}
		out = digits[:len(digits)-scale] + "." + digits[len(digits)-scale:]
	default:
		out = digits[:1]
		if len(digits) > 1 {
			out += "." + digits[1:]
		}
		if adjusted != 0 {
			out += fmt.Sprintf("E%+d", adjusted)
		}
	}
	if neg {
		out = "-" + out
	}
	return json.Number(out)
}

// appendJSON writes a parsed value; members of objects in the order of their names.
func appendJSON(dst []byte, v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return dst, err
	}
	return append(dst, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...), nil
}

func sortedValues(m map[string]any) []any {
	out := make([]any, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, m[k])
	}
	return out
}

func isJSONScalar(v any) bool {
	switch v.(type) {
	case map[string]any, []any:
		return false
	default:
		return true
	}
}

// prepIsJSON is IS JSON [VALUE|SCALAR|ARRAY|OBJECT]; a NULL is not JSON.
func prepIsJSON(p *prep) (kernel, error) {
	kind := "VALUE"
	if len(p.args) == 2 {
		var err error
		if kind, err = p.symbol(1); err != nil {
			return nil, err
		}
	}
	return func(c *call) (vec, error) {
		x := textOf(c.args[0])
		return mapFixedTotal(c, func(i int) bool {
			if c.args[0].isNull(i) {
				return false
			}
			v, err := parseJSON(x.bytes(i))
			if err != nil {
				return false
			}
			switch v.(type) {
			case map[string]any:
				return kind == "VALUE" || kind == "OBJECT"
			case []any:
				return kind == "VALUE" || kind == "ARRAY"
			default:
				return kind == "VALUE" || kind == "SCALAR"
			}
		})
	}, nil
}

// jsonReader evaluates the first two arguments, JSON text and path. An error is one that ON
// ERROR decides about; a path that cannot be parsed is an error of the expression.
func jsonReader(p *prep) (func(c *call) func(i int) (v any, found bool, err error), error) {
	text, ok := p.constText(1)
	if !ok {
		return nil, errors.New("the JSON path must be a constant")
	}
	path, err := parseJSONPath(text)
	if err != nil {
		return nil, err
	}
	return func(c *call) func(i int) (any, bool, error) {
		x := textOf(c.args[0])
		return func(i int) (any, bool, error) {
			root, err := parseJSON(x.bytes(i))
			if err != nil {
				if path.lax {
					return nil, false, nil
				}
				return nil, false, err
			}
			return path.find(root)
		}
	}, nil
}

// optionalSymbol is keyword argument i, or fallback if it is left out.
func optionalSymbol(p *prep, i int, fallback string) (string, error) {
	if i >= len(p.args) {
		return fallback, nil
	}
	return p.symbol(i)
}

// prepJSONExists is JSON_EXISTS(json, path[, on error: TRUE, FALSE, UNKNOWN, ERROR]).
func prepJSONExists(p *prep) (kernel, error) {
	onError, err := optionalSymbol(p, 2, "FALSE")
	if err != nil {
		return nil, err
	}
	read, err := jsonReader(p)
	if err != nil {
		return nil, err
	}
	return func(c *call) (vec, error) {
		get := read(c)
		return mapFixed(c, func(i int) (bool, bool, error) {
			v, found, err := get(i)
			if err == nil {
				return found && v != nil, true, nil
			}
			if onError == "ERROR" {
				return false, false, err
			}
			return onError == "TRUE", onError != "UNKNOWN", nil
		})
	}, nil
}

// jsonBehaviour is what JSON_VALUE gives on empty or on error: NULL, ERROR or DEFAULT value.
type jsonBehaviour struct {
	kind string
	arg  int // of the default
}

// prepJSONValue is JSON_VALUE(json, path[, on empty, value, on error, value]); the result type is the
// call's, STRING unless RETURNING says otherwise.
func prepJSONValue(p *prep) (kernel, error) {
	kinds := [2]string{}
	for k := range kinds {
		var err error
		if kinds[k], err = optionalSymbol(p, 2+2*k, "NULL"); err != nil {
			return nil, err
		}
	}
	onEmpty, onError := jsonBehaviour{kinds[0], 3}, jsonBehaviour{kinds[1], 5}
	read, err := jsonReader(p)
	if err != nil {
		return nil, err
	}
	lax := strings.HasPrefix(strings.ToLower(strings.TrimSpace(textConst(p, 1))), "lax")
	text := func(c *call) (vec, error) {
		if c.args[0].valid != nil {
			c.live = liveRows(c.live, c.args[:1], c.n)
		}
		get := read(c)
		return mapText(c, func(dst []byte, i int) ([]byte, bool, error) {
			v, found, err := get(i)
			switch {
			case err == nil && (!found || v == nil || lax && !isJSONScalar(v)):
				return onEmpty.value(c, dst, i, errors.New("the path leads to nothing"))
			case err == nil && !isJSONScalar(v):
				err = errors.New("the path does not lead to a scalar")
			}
			if err != nil {
				return onError.value(c, dst, i, err)
			}
			return appendScalar(dst, v), true, nil
		})
	}
	if p.ret.IsString() {
		return text, nil
	}
	return then(text, schema.TString, p.ret, castKernel)
}

func textConst(p *prep, i int) string {
	s, _ := p.constText(i)
	return s
}

func appendScalar(dst []byte, v any) []byte {
	switch v := v.(type) {
	case string:
		return append(dst, v...)
	case json.Number:
		return append(dst, v.String()...)
	case bool:
		return strconv.AppendBool(dst, v)
	default:
		return dst
	}
}

func (b jsonBehaviour) value(c *call, dst []byte, i int, why error) ([]byte, bool, error) {
	switch b.kind {
	case "ERROR":
		return dst, false, why
	case "DEFAULT":
		if b.arg >= len(c.args) || c.args[b.arg].isNull(i) {
			return dst, false, nil
		}
		if _, ok := c.args[b.arg].data.(text); !ok {
			return dst, false, errors.New("the default must be a string")
		}
		return append(dst, textOf(c.args[b.arg]).bytes(i)...), true, nil
	default:
		return dst, false, nil
	}
}

// prepJSONQuery is JSON_QUERY(json, path[, wrapper, on empty, on error]).
func prepJSONQuery(p *prep) (kernel, error) {
	symbols := [3]string{"WITHOUT", "NULL", "NULL"}
	for k := range symbols {
		var err error
		if symbols[k], err = optionalSymbol(p, 2+k, symbols[k]); err != nil {
			return nil, err
		}
	}
	read, err := jsonReader(p)
	if err != nil {
		return nil, err
	}
	lax := strings.HasPrefix(strings.ToLower(strings.TrimSpace(textConst(p, 1))), "lax")
	return func(c *call) (vec, error) {
		get := read(c)
		return mapText(c, func(dst []byte, i int) ([]byte, bool, error) {
			v, found, err := get(i)
			if err != nil {
				return jsonFallback(dst, symbols[2], err)
			}
			found = found && v != nil
			if _, list := v.([]any); found && (symbols[0] == "UNCONDITIONAL" || symbols[0] == "CONDITIONAL" && !list) {
				v = []any{v}
			}
			switch {
			case !found || lax && isJSONScalar(v):
				return jsonFallback(dst, symbols[1], errors.New("the path leads to nothing"))
			case isJSONScalar(v):
				return jsonFallback(dst, symbols[2], errors.New("the path does not lead to an array or object"))
			}
			out, err := appendJSON(dst, v)
			return out, true, err
		})
	}, nil
}

func jsonFallback(dst []byte, kind string, why error) ([]byte, bool, error) {
	switch kind {
	case "ERROR":
		return dst, false, why
	case "EMPTY ARRAY":
		return append(dst, "[]"...), true, nil
	case "EMPTY OBJECT":
		return append(dst, "{}"...), true, nil
	default:
		return dst, false, nil
	}
}

// jsonQuote makes a JSON string that is plain ASCII.
func jsonQuote(dst, s []byte) []byte {
	dst = append(dst, '"')
	for _, r := range string(s) {
		switch {
		case r == '"' || r == '\\' || r == '/':
			dst = append(dst, '\\', byte(r))
		case r == '\b':
			dst = append(dst, `\b`...)
		case r == '\f':
			dst = append(dst, `\f`...)
		case r == '\n':
			dst = append(dst, `\n`...)
		case r == '\r':
			dst = append(dst, `\r`...)
		case r == '\t':
			dst = append(dst, `\t`...)
		case r < utf8.RuneSelf:
			dst = append(dst, byte(r))
		default:
			for _, u := range utf16Of([]byte(string(r))) {
				dst = fmt.Appendf(dst, `\u%04x`, u)
			}
		}
	}
	return append(dst, '"')
}

// jsonUnquote reads a JSON string; other text stays as it is.
func jsonUnquote(dst, s []byte) []byte {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		var v string
		if err := json.Unmarshal(s, &v); err == nil {
			return append(dst, v...)
		}
	}
	return append(dst, s...)
}

// prepJSONString is JSON_STRING(value): the value as JSON; NULL stays NULL.
func prepJSONString(p *prep) (kernel, error) {
	t := p.args[0]
	return func(c *call) (vec, error) {
		write, err := jsonAppender(c.args[0], t, time.UTC)
		if err != nil {
			return vec{}, err
		}
		return mapText(c, func(dst []byte, i int) ([]byte, bool, error) { return write(dst, i), true, nil })
	}, nil
}

// jsonAppender writes rows of v as JSON: numbers and booleans bare, dates and times as ISO 8601
// text, binaries as base64.
func jsonAppender(v vec, t schema.Type, zone *time.Location) (appender, error) {
	switch {
	case t.Kind == schema.Array || t.Kind == schema.Map || t.Kind == schema.Row || t.Kind == schema.Multiset:
		if t.Kind == schema.Map || t.Kind == schema.Multiset {
			if key, _ := mapTypes(t); !key.IsString() {
				return nil, fmt.Errorf("a %s has no JSON form; the keys must be strings", t)
			}
		}
		return jsonNotation().appender(v, t, zone)
	case t.IsBinary():
		x := textOf(v)
		return func(dst []byte, i int) []byte { return append(toBase64(append(dst, '"'), x.bytes(i)), '"') }, nil
	}
	text, err := textAppender(v, t, zone)
	if err != nil {
		return nil, err
	}
	var buf []byte
	return func(dst []byte, i int) []byte {
		buf = text(buf[:0], i)
		switch {
		case t.IsNumeric():
			return append(dst, buf...)
		case t.Kind == schema.Boolean:
			return append(dst, bytes.ToLower(buf)...)
		case t.IsTimestamp():
			buf = bytes.Replace(buf, []byte(" "), []byte("T"), 1)
			if t.Kind == schema.TimestampLTZ {
				buf = append(buf, 'Z')
			}
		}
		// Marshalling a string cannot fail.
		out, _ := appendJSON(dst, string(buf))
		return out
	}, nil
}
