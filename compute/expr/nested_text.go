package expr

import (
	"fmt"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/weir-lake/weir/table/schema"
)

// notation is how arrays, maps and rows are written as text.
type notation struct {
	comma, colon string
	null         string
	row          [2]byte // brackets around a row
	named        bool    // a row's fields come with their names
	value        func(v vec, t schema.Type, zone *time.Location) (appender, error)
}

// textNotation writes [a, b], {k=v, k=v} and (a, b), with NULL for a missing value, as CAST does in Flink.
func textNotation() notation {
	return notation{comma: ", ", colon: "=", null: "NULL", row: [2]byte{'(', ')'}, value: textAppender}
}

// jsonNotation writes [a,b], {"k":v} and {"name":a}.
func jsonNotation() notation {
	return notation{comma: ",", colon: ":", null: "null", row: [2]byte{'{', '}'}, named: true, value: jsonAppender}
}

func (n notation) appender(v vec, t schema.Type, zone *time.Location) (appender, error) {
	var rows appender
	switch x := v.data.(type) {
	case *array.Map:
		keyType, itemType := mapTypes(t)
		keys, err := n.child(x.Keys(), keyType, zone)
		if err != nil {
			return nil, err
		}
		items, err := n.child(x.Items(), itemType, zone)
		if err != nil {
			return nil, err
		}
		rows = n.list(x.List, '{', '}', func(dst []byte, i int) []byte { return items(append(keys(dst, i), n.colon...), i) })
	case *array.List:
		elem, err := n.child(x.ListValues(), *t.Elem, zone)
		if err != nil {
			return nil, err
		}
		rows = n.list(x, '[', ']', elem)
	case *array.Struct:
		fields := make([]appender, x.NumField())
		for f := range fields {
			var err error
			if fields[f], err = n.child(x.Field(f), t.Fields[f].Type, zone); err != nil {
				return nil, err
			}
		}
		rows = func(dst []byte, i int) []byte { return n.fields(dst, i, t, fields) }
	default:
		return nil, fmt.Errorf("a %s has no text", t)
	}
	if v.konst {
		return func(dst []byte, _ int) []byte { return rows(dst, 0) }, nil
	}
	return rows, nil
}

// child writes the elements of a nested value.
func (n notation) child(a arrow.Array, t schema.Type, zone *time.Location) (appender, error) {
	v, err := vecOf(a, t)
	if err != nil {
		return nil, err
	}
	write, err := n.value(v, t, zone)
	if err != nil {
		return nil, err
	}
	return func(dst []byte, i int) []byte {
		if v.isNull(i) {
			return append(dst, n.null...)
		}
		return write(dst, i)
	}, nil
}

func (n notation) list(l *array.List, open, end byte, elem appender) appender {
	return func(dst []byte, i int) []byte {
		dst = append(dst, open)
		from, to := l.ValueOffsets(i)
		for k := from; k < to; k++ {
			if k > from {
				dst = append(dst, n.comma...)
			}
			dst = elem(dst, int(k))
		}
		return append(dst, end)
	}
}

func (n notation) fields(dst []byte, i int, t schema.Type, fields []appender) []byte {
	dst = append(dst, n.row[0])
	for f, field := range fields {
		if f > 0 {
			dst = append(dst, n.comma...)
		}
		if n.named {
			dst = append(jsonQuote(dst, []byte(t.Fields[f].Name)), n.colon...)
		}
		dst = field(dst, i)
	}
	return append(dst, n.row[1])
}

// mapTypes are the types of a MAP's or MULTISET's keys and values in Arrow.
func mapTypes(t schema.Type) (key, item schema.Type) {
	if t.Kind == schema.Multiset {
		return *t.Elem, schema.TInt
	}
	return *t.Key, *t.Elem
}
