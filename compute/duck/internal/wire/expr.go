package wire

import (
	"encoding/base64"
	"fmt"
	"math/big"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

// Expr is an expression tree of compute/expr as JSON: exactly one of Col, Lit and Fn is set.
type Expr struct {
	Col  *int   `json:",omitempty"`
	Lit  *Lit   `json:",omitempty"`
	Fn   string `json:",omitempty"`
	Args []Expr `json:",omitempty"`
	T    schema.Type
}

// Lit is a constant. Form is empty for NULL, else the Go form of the value:
// b bool, i int64, f float64, d decimal128, s string (base64), x bytes (base64).
type Lit struct {
	Form string `json:",omitempty"`
	Text string `json:",omitempty"`
}

// depthMax bounds the nesting of a tree, as the SQL parser does.
const depthMax = 1000

// EncodeExpr makes the message of e.
func EncodeExpr(e expr.Expr) (Expr, error) {
	switch e := e.(type) {
	case *expr.Column:
		i := e.Index
		return Expr{Col: &i, T: e.T}, nil
	case *expr.Literal:
		l, err := encodeLit(e.Value)
		return Expr{Lit: &l, T: e.T}, err
	case *expr.Call:
		out := Expr{Fn: e.Fn, T: e.T, Args: make([]Expr, len(e.Args))}
		for i, a := range e.Args {
			var err error
			if out.Args[i], err = EncodeExpr(a); err != nil {
				return Expr{}, err
			}
		}
		return out, nil
	default:
		return Expr{}, errkind.Errorf(errkind.Bug, "encode expression: unknown node %T", e)
	}
}

func encodeLit(v any) (Lit, error) {
	switch v := v.(type) {
	case nil:
		return Lit{}, nil
	case bool:
		return Lit{"b", strconv.FormatBool(v)}, nil
	case int64:
		return Lit{"i", strconv.FormatInt(v, 10)}, nil
	case float64:
		return Lit{"f", strconv.FormatFloat(v, 'g', -1, 64)}, nil
	case decimal128.Num:
		return Lit{"d", v.BigInt().String()}, nil
	case string: // JSON would replace bytes that are no UTF-8
		return Lit{"s", base64.StdEncoding.EncodeToString([]byte(v))}, nil
	case []byte:
		return Lit{"x", base64.StdEncoding.EncodeToString(v)}, nil
	default:
		return Lit{}, errkind.Errorf(errkind.Bug, "encode expression: a literal holds a %T", v)
	}
}

// DecodeExpr makes the tree of a message.
func DecodeExpr(m Expr) (expr.Expr, error) { return decodeExpr(m, 0) }

func decodeExpr(m Expr, depth int) (expr.Expr, error) {
	if depth > depthMax {
		return nil, errkind.Errorf(errkind.Corrupt, "decode expression: it is nested deeper than %d", depthMax)
	}
	switch {
	case m.Col != nil:
		if *m.Col < 0 {
			return nil, errkind.Errorf(errkind.Corrupt, "decode expression: column %d", *m.Col)
		}
		return &expr.Column{Index: *m.Col, Name: fmt.Sprintf("a%d", *m.Col), T: m.T}, nil
	case m.Lit != nil:
		v, err := decodeLit(*m.Lit)
		if err != nil {
			return nil, errkind.Errorf(errkind.Corrupt, "decode literal of type %s: %w", m.T, err)
		}
		return &expr.Literal{Value: v, T: m.T}, nil
	case m.Fn != "":
		out := &expr.Call{Fn: m.Fn, T: m.T, Args: make([]expr.Expr, len(m.Args))}
		for i, a := range m.Args {
			var err error
			if out.Args[i], err = decodeExpr(a, depth+1); err != nil {
				return nil, err
			}
		}
		return out, nil
	default:
		return nil, errkind.Errorf(errkind.Corrupt, "decode expression: a node without column, literal and function")
	}
}

func decodeLit(l Lit) (any, error) {
	switch l.Form {
	case "":
		return nil, nil
	case "b":
		return strconv.ParseBool(l.Text)
	case "i":
		return strconv.ParseInt(l.Text, 10, 64)
	case "f":
		return strconv.ParseFloat(l.Text, 64)
	case "d":
		n, ok := new(big.Int).SetString(l.Text, 10)
		if !ok || n.BitLen() > 127 {
			return nil, fmt.Errorf("%q is no 128-bit number", l.Text)
		}
		return decimal128.FromBigInt(n), nil
	case "s":
		b, err := base64.StdEncoding.DecodeString(l.Text)
		return string(b), err
	case "x":
		return base64.StdEncoding.DecodeString(l.Text)
	default:
		return nil, fmt.Errorf("unknown form %q", l.Form)
	}
}
