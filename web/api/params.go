package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/session"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

// Params are the values of a statement's parameters: an array for ?, an object for :name.
type Params struct{ raw json.RawMessage }

// UnmarshalJSON keeps the text: numbers must not pass through float64.
func (p *Params) UnmarshalJSON(data []byte) error {
	p.raw = bytes.Clone(data)
	return nil
}

// MarshalJSON gives the text back.
func (p Params) MarshalJSON() ([]byte, error) {
	if p.raw == nil {
		return []byte("null"), nil
	}
	return p.raw, nil
}

// Schema implements huma.SchemaProvider.
func (Params) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Description: `Values of the statement's parameters: an array for ?, an object for :name. A value is a string, number, boolean or null, or {"type": "DATE", "value": "2026-01-31"} for other types.`}
}

// literals reads the values.
func (p Params) literals() (session.Params, error) {
	var out session.Params
	text := bytes.TrimSpace(p.raw)
	if len(text) == 0 || bytes.Equal(text, []byte("null")) {
		return out, nil
	}
	if text[0] == '[' {
		var values []json.RawMessage
		if err := json.Unmarshal(text, &values); err != nil {
			return out, errkind.Errorf(errkind.Invalid, "params: %w", err)
		}
		for i, v := range values {
			l, err := literal(v)
			if err != nil {
				return out, fmt.Errorf("params: value %d: %w", i+1, err)
			}
			out.Positional = append(out.Positional, l)
		}
		return out, nil
	}
	var values map[string]json.RawMessage
	if err := json.Unmarshal(text, &values); err != nil {
		return out, errkind.New(errkind.Invalid, "params: want an array for ?, or an object for :name")
	}
	out.Named = map[string]expr.Literal{}
	for name, v := range values {
		l, err := literal(v)
		if err != nil {
			return out, fmt.Errorf("params: value of :%s: %w", name, err)
		}
		out.Named[name] = l
	}
	return out, nil
}

// typedValue is a parameter of a type that JSON has not.
type typedValue struct {
	Type  string          `json:"type"`
	Value json.RawMessage `json:"value"`
}

// literal is a JSON value as SQL would take it.
func literal(v json.RawMessage) (expr.Literal, error) {
	v = bytes.TrimSpace(v)
	switch {
	case len(v) == 0 || v[0] == '[':
		return expr.Literal{}, errkind.New(errkind.Invalid, "want a string, number, boolean, null or {\"type\":..,\"value\":..}")
	case v[0] == 'n':
		return expr.Literal{T: schema.TNull}, nil
	case v[0] == 't' || v[0] == 'f':
		return expr.Literal{Value: v[0] == 't', T: schema.TBoolean}, nil
	case v[0] == '"':
		var s string
		err := json.Unmarshal(v, &s)
		return expr.Literal{Value: s, T: schema.TString}, errkind.Wrap(errkind.Invalid, err)
	case v[0] == '{':
		return typedLiteral(v)
	}
	return number(string(v))
}

func typedLiteral(v json.RawMessage) (expr.Literal, error) {
	var tv typedValue
	if err := json.Unmarshal(v, &tv); err != nil || tv.Type == "" || len(tv.Value) == 0 || tv.Value[0] == '{' {
		return expr.Literal{}, errkind.New(errkind.Invalid, "want {\"type\": \"DATE\", \"value\": \"2026-01-31\"}")
	}
	t, err := schema.ParseType(tv.Type)
	if err != nil {
		return expr.Literal{}, errkind.Wrap(errkind.Invalid, err)
	}
	l, err := literal(tv.Value)
	if err != nil {
		return expr.Literal{}, err
	}
	if !expr.CanCast(l.T, t) {
		return expr.Literal{}, errkind.Errorf(errkind.Invalid, "%s is not a %s", tv.Value, t)
	}
	c, err := expr.Const(expr.CastTo(&l, t), &expr.Env{})
	if err != nil {
		return expr.Literal{}, errkind.Wrap(errkind.Invalid, err)
	}
	return *c, nil
}

// decimalDigitsMax is the widest DECIMAL.
const decimalDigitsMax = 38

// number is INT, BIGINT, DECIMAL or, with an exponent, DOUBLE, as a literal in SQL is.
func number(s string) (expr.Literal, error) {
	bad := func() (expr.Literal, error) {
		return expr.Literal{}, errkind.Errorf(errkind.Invalid, "%s is out of range", s)
	}
	if strings.ContainsAny(s, "eE") {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return bad()
		}
		return expr.Literal{Value: f, T: schema.TDouble}, nil
	}
	_, fraction, dot := strings.Cut(s, ".")
	if !dot {
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			if n >= math.MinInt32 && n <= math.MaxInt32 {
				return expr.Literal{Value: n, T: schema.TInt}, nil
			}
			return expr.Literal{Value: n, T: schema.TBigInt}, nil
		}
	}
	digits := len(strings.Trim(strings.ReplaceAll(s, ".", ""), "-"))
	if digits > decimalDigitsMax {
		return bad()
	}
	d, err := expr.ParseDecimal(s, digits, len(fraction))
	if err != nil {
		return bad()
	}
	return expr.Literal{Value: d, T: schema.TDecimal(digits, len(fraction))}, nil
}
