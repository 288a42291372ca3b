package rowjson

import (
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/weir-lake/weir/table/schema"
)

// Setters of nested types keep builders whole after an error: the children of a
// struct and a map's keys and items stay of equal length.

func arraySetter(t schema.Type) (setter, error) {
	elem, err := elementSetter(*t.Elem)
	if err != nil {
		return nil, err
	}
	return func(b array.Builder, v value) error {
		lb := b.(*array.ListBuilder)
		if v.kind != kindArray {
			lb.AppendNull()
			return errType
		}
		lb.Append(true)
		n := 0
		p := parser{data: v.raw}
		return p.array(0, func(e value) error {
			n++
			return within(fmt.Sprintf("element %d", n-1), elem(lb.ValueBuilder(), e))
		})
	}, nil
}

// elementSetter also takes null, as the type allows.
func elementSetter(t schema.Type) (setter, error) {
	set, err := setterOf(t)
	if err != nil {
		return nil, err
	}
	return func(b array.Builder, v value) error {
		if v.kind != kindNull {
			return set(b, v)
		}
		b.AppendNull()
		if t.NotNull {
			return errors.New("null is not allowed")
		}
		return nil
	}, nil
}

func within(where string, err error) error {
	switch {
	case err == nil:
		return nil
	case err == errType:
		return errors.New(where)
	default:
		return fmt.Errorf("%s: %w", where, err)
	}
}

func mapSetter(t schema.Type) (setter, error) {
	key, val := t.Key, t.Elem
	if t.Kind == schema.Multiset {
		n := schema.TInt.WithNotNull(true)
		key, val = t.Elem, &n
	}
	setKey, err := setterOf(*key)
	if err != nil {
		return nil, err
	}
	setVal, err := elementSetter(*val)
	if err != nil {
		return nil, err
	}
	pair := func(mb *array.MapBuilder, k, v value) error {
		kerr := errors.New("a key cannot be null")
		if k.kind != kindNull {
			kerr = setKey(mb.KeyBuilder(), k)
		} else {
			mb.KeyBuilder().AppendEmptyValue()
		}
		return errors.Join(within("key", kerr), within("value", setVal(mb.ItemBuilder(), v)))
	}
	return func(b array.Builder, v value) error {
		mb := b.(*array.MapBuilder)
		p := parser{data: v.raw}
		switch v.kind {
		case kindArray:
			mb.Append(true)
			return p.array(0, func(e value) error {
				k, item, err := readPair(e)
				if err != nil {
					return err
				}
				return pair(mb, k, item)
			})
		case kindObject:
			mb.Append(true)
			return p.object(0, func(name []byte, item value) error { return pair(mb, value{kindString, name}, item) })
		default:
			mb.AppendNull()
			return errType
		}
	}, nil
}

func readPair(e value) (k, v value, err error) {
	bad := errors.New("each entry is [key, value]")
	if e.kind != kindArray {
		return k, v, bad
	}
	n := 0
	p := parser{data: e.raw}
	if err := p.array(0, func(x value) error {
		switch n {
		case 0:
			k = x
		case 1:
			v = x
		}
		n++
		return nil
	}); err != nil {
		return k, v, err
	}
	if n != 2 {
		return k, v, bad
	}
	return k, v, nil
}

func rowSetter(t schema.Type) (setter, error) {
	set := make([]setter, len(t.Fields))
	at := make(map[string]int, len(t.Fields))
	for i, f := range t.Fields {
		var err error
		if set[i], err = elementSetter(f.Type); err != nil {
			return nil, err
		}
		at[f.Name] = i
	}
	return func(b array.Builder, v value) error {
		sb := b.(*array.StructBuilder)
		if v.kind != kindObject {
			sb.AppendNull()
			return errType
		}
		sb.Append(true)
		seen := make([]value, len(set))
		p := parser{data: v.raw}
		bad := p.object(0, func(name []byte, x value) error {
			if i, ok := at[string(unquote(name))]; ok {
				seen[i] = x
			}
			return nil
		})
		for i, x := range seen {
			if x.kind == kindInvalid {
				x = value{kindNull, []byte("null")}
			}
			if err := set[i](sb.FieldBuilder(i), x); err != nil && bad == nil {
				bad = within("field "+t.Fields[i].Name, err)
			}
		}
		return bad
	}, nil
}
