package format

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/table/schema"
)

// jsonOptions are the options of json and debezium-json.
type jsonOptions struct {
	failOnMissing bool
	ignoreErrors  bool // a bad scalar that is not required becomes NULL
	iso           bool // timestamp-format.standard is ISO-8601
	schemaInclude bool // debezium-json only
}

// jsonColumn is one column or ROW field to be found in an object.
type jsonColumn struct {
	name     string
	typ      schema.Type
	required bool
	index    int // of the batch's column, or of the struct's field
	nested   *jsonRow
}

// jsonRow finds the columns of an object by name.
type jsonRow struct {
	cols  []jsonColumn
	find  map[string]int // name -> index in cols
	spans []jsonSpan     // scratch: the value of each column, zero if missing
}

func newJSONRow(cols []jsonColumn) *jsonRow {
	r := &jsonRow{cols: cols, find: make(map[string]int, len(cols)), spans: make([]jsonSpan, len(cols))}
	for i := range cols {
		c := &cols[i]
		r.find[c.name] = i
		c.nested = nestedRow(c.typ)
	}
	return r
}

// nestedRow is the field finder of a ROW, or of the ROW inside a collection.
func nestedRow(t schema.Type) *jsonRow {
	switch t.Kind {
	case schema.Row:
		cols := make([]jsonColumn, len(t.Fields))
		for i, f := range t.Fields {
			cols[i] = jsonColumn{name: f.Name, typ: f.Type, required: f.Type.NotNull, index: i}
		}
		return newJSONRow(cols)
	case schema.Array, schema.Map:
		return nestedRow(*t.Elem)
	}
	return nil
}

// jsonDecoder decodes the format json: one object, or an array of objects, a message.
type jsonDecoder struct {
	opts jsonOptions
	row  *jsonRow
}

func newJSONDecoder(fields []connector.Field, cols []int, opts jsonOptions) (*jsonDecoder, error) {
	jc := make([]jsonColumn, len(cols))
	for i, c := range cols {
		f := fields[c]
		if err := jsonReadable(f.Type); err != nil {
			return nil, fmt.Errorf("column %s: %w", f.Name, err)
		}
		jc[i] = jsonColumn{name: f.Name, typ: f.Type, required: f.Required, index: c}
	}
	return &jsonDecoder{opts: opts, row: newJSONRow(jc)}, nil
}

// jsonReadable refuses types that have no JSON form here.
func jsonReadable(t schema.Type) error {
	switch t.Kind {
	case schema.Variant:
		return errors.New("type VARIANT cannot be read from json; declare it STRING and use PARSE_JSON")
	case schema.Array:
		return jsonReadable(*t.Elem)
	case schema.Multiset:
		return jsonReadable(*t.Elem)
	case schema.Map:
		if t.Key.Elem != nil || t.Key.Fields != nil {
			return fmt.Errorf("a map with key type %s cannot be read from a JSON object", t.Key)
		}
		return jsonReadable(*t.Elem)
	case schema.Row:
		for _, f := range t.Fields {
			if err := jsonReadable(f.Type); err != nil {
				return err
			}
		}
	}
	return nil
}

// Decode implements Decoder.
func (d *jsonDecoder) Decode(msg []byte, b *Batch) error {
	v, err := parseJSON(msg)
	if err != nil {
		return err
	}
	if v.kind != jsonArray {
		return d.decodeRow(v, b, connector.Insert)
	}
	mark, i := b.Mark(), 0
	err = v.elements(func(v jsonSpan) error {
		if err := d.decodeRow(v, b, connector.Insert); err != nil {
			return fmt.Errorf("element %d: %w", i, err)
		}
		i++
		return nil
	})
	if err != nil {
		b.Fail(mark)
	}
	return err
}

// decodeRow appends one object as a row, or nothing.
func (d *jsonDecoder) decodeRow(v jsonSpan, b *Batch, kind int8) error {
	if v.kind != jsonObject {
		return fmt.Errorf("expected a JSON object, found %s", v)
	}
	if err := d.row.collect(v); err != nil {
		return err
	}
	mark := b.Mark()
	for i := range d.row.cols {
		c := &d.row.cols[i]
		if err := d.column(b.Column(c.index), c, d.row.spans[i]); err != nil {
			b.Fail(mark)
			return fmt.Errorf("column %s: %w", c.name, err)
		}
	}
	b.EndRow(kind)
	return nil
}

// collect finds the members of an object that are columns; of a repeated one the last counts.
func (r *jsonRow) collect(v jsonSpan) error {
	clear(r.spans)
	return v.members(func(name []byte, v jsonSpan) error {
		if i, ok := r.find[string(name)]; ok {
			r.spans[i] = v
		}
		return nil
	})
}

func (d *jsonDecoder) column(b array.Builder, c *jsonColumn, v jsonSpan) error {
	if v.kind == jsonInvalid || v.kind == jsonNull {
		switch {
		case c.required && v.kind == jsonNull:
			return fmt.Errorf("is null, but it is a key or NOT NULL column of type %s", c.typ.WithNotNull(false))
		case c.required:
			return fmt.Errorf("is missing, but it is a key or NOT NULL column of type %s", c.typ.WithNotNull(false))
		case v.kind == jsonInvalid && d.opts.failOnMissing:
			return errors.New("is missing, and 'json.fail-on-missing-field' is set")
		}
		b.AppendNull()
		return nil
	}
	n := b.Len()
	err := d.value(b, &c.typ, v, c.nested)
	if err != nil && d.opts.ignoreErrors && !c.required && b.Len() == n {
		b.AppendNull()
		return nil
	}
	return err
}

// value appends a value that is not null at the top; nested holds the finder of a ROW in t.
func (d *jsonDecoder) value(b array.Builder, t *schema.Type, v jsonSpan, nested *jsonRow) error {
	if v.kind == jsonNull {
		if t.NotNull {
			return fmt.Errorf("expected %s, found null", t)
		}
		b.AppendNull()
		return nil
	}
	switch t.Kind {
	case schema.Array:
		return d.list(b.(*array.ListBuilder), t, v, nested)
	case schema.Map:
		return d.mapping(b.(*array.MapBuilder), t.Key, t.Elem, v, nested)
	case schema.Multiset:
		count := schema.TInt.WithNotNull(true)
		return d.mapping(b.(*array.MapBuilder), t.Elem, &count, v, nil)
	case schema.Row:
		return d.structure(b.(*array.StructBuilder), t, v, nested)
	case schema.Char, schema.VarChar:
		return appendJSONText(b.(*array.StringBuilder), v)
	}
	switch {
	case v.kind == jsonString:
		s, err := unquote(v.raw)
		if err != nil {
			return err
		}
		return appendText(b, t, s, d.opts.iso)
	case v.kind == jsonNumber && t.IsNumeric(), v.kind == jsonBool && t.Kind == schema.Boolean:
		if err := appendText(b, t, v.raw, d.opts.iso); err != nil {
			var m *mismatch
			if errors.As(err, &m) {
				m.found = v.String()
			}
			return err
		}
		return nil
	}
	return &mismatch{want: *t, found: v.String()}
}

// appendJSONText appends strings unquoted and any other value as its JSON text, as Flink does.
func appendJSONText(b *array.StringBuilder, v jsonSpan) error {
	if v.kind != jsonString {
		b.BinaryBuilder.Append(v.raw)
		return nil
	}
	s, err := unquote(v.raw)
	if err == nil {
		b.BinaryBuilder.Append(s)
	}
	return err
}

func (d *jsonDecoder) list(b *array.ListBuilder, t *schema.Type, v jsonSpan, nested *jsonRow) error {
	if v.kind != jsonArray {
		return &mismatch{want: *t, found: v.String()}
	}
	b.Append(true)
	i := 0
	return v.elements(func(e jsonSpan) error {
		if err := d.value(b.ValueBuilder(), t.Elem, e, nested); err != nil {
			return fmt.Errorf("element %d: %w", i, err)
		}
		i++
		return nil
	})
}

func (d *jsonDecoder) mapping(b *array.MapBuilder, key, elem *schema.Type, v jsonSpan, nested *jsonRow) error {
	if v.kind != jsonObject {
		return &mismatch{want: schema.TMap(*key, *elem), found: v.String()}
	}
	b.Append(true)
	seen := map[string]bool{}
	return v.members(func(name []byte, e jsonSpan) error {
		if seen[string(name)] {
			return fmt.Errorf("map key %q occurs twice", name)
		}
		seen[string(name)] = true
		if err := appendText(b.KeyBuilder(), key, name, d.opts.iso); err != nil {
			return fmt.Errorf("map key: %w", err)
		}
		if err := d.value(b.ItemBuilder(), elem, e, nested); err != nil {
			return fmt.Errorf("map key %q: %w", name, err)
		}
		return nil
	})
}

func (d *jsonDecoder) structure(b *array.StructBuilder, t *schema.Type, v jsonSpan, nested *jsonRow) error {
	if v.kind != jsonObject {
		return &mismatch{want: *t, found: v.String()}
	}
	// The scratch spans are taken over before descending: an array of rows uses the same finder again.
	if err := nested.collect(v); err != nil {
		return err
	}
	spans := append([]jsonSpan(nil), nested.spans...)
	b.Append(true)
	for i := range nested.cols {
		c := &nested.cols[i]
		if err := d.column(b.FieldBuilder(i), c, spans[i]); err != nil {
			return fmt.Errorf("field %s: %w", c.name, err)
		}
	}
	return nil
}

// debeziumDecoder decodes the format debezium-json: an envelope of before, after and op.
type debeziumDecoder struct{ json *jsonDecoder }

// Decode implements Decoder.
func (d *debeziumDecoder) Decode(msg []byte, b *Batch) error {
	if len(bytes.TrimSpace(msg)) == 0 {
		return nil // the tombstone that follows a deletion
	}
	v, err := parseJSON(msg)
	if err != nil {
		return err
	}
	if d.json.opts.schemaInclude {
		if v, err = member(v, "payload"); err != nil {
			return err
		}
	}
	var before, after, op jsonSpan
	if v.kind != jsonObject {
		return fmt.Errorf("expected a Debezium envelope, found %s", v)
	}
	err = v.members(func(name []byte, v jsonSpan) error {
		switch string(name) {
		case "before":
			before = v
		case "after":
			after = v
		case "op":
			op = v
		}
		return nil
	})
	if err != nil {
		return err
	}
	return d.change(b, op, before, after)
}

func member(v jsonSpan, name string) (jsonSpan, error) {
	var out jsonSpan
	if v.kind == jsonObject {
		if err := v.members(func(n []byte, m jsonSpan) error {
			if string(n) == name {
				out = m
			}
			return nil
		}); err != nil {
			return out, err
		}
	}
	if out.kind == jsonInvalid {
		return out, fmt.Errorf("expected an object with member %q, found %s", name, v)
	}
	return out, nil
}

func (d *debeziumDecoder) change(b *Batch, op, before, after jsonSpan) error {
	mark := b.Mark()
	row := func(part string, v jsonSpan, kind int8) error {
		if v.kind == jsonInvalid || v.kind == jsonNull {
			return fmt.Errorf("operation %s without %q: the captured table must log full rows (PostgreSQL: REPLICA IDENTITY FULL)", op.raw, part)
		}
		if err := d.json.decodeRow(v, b, kind); err != nil {
			b.Fail(mark)
			return fmt.Errorf("%s: %w", part, err)
		}
		return nil
	}
	switch string(op.raw) {
	case `"c"`, `"r"`:
		return row("after", after, connector.Insert)
	case `"u"`:
		if err := row("before", before, connector.UpdateBefore); err != nil {
			return err
		}
		if err := row("after", after, connector.UpdateAfter); err != nil {
			b.Fail(mark)
			return err
		}
		return nil
	case `"d"`:
		return row("before", before, connector.Delete)
	}
	return fmt.Errorf(`member "op": expected "c", "r", "u" or "d", found %s`, op)
}
