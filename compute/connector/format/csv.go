package format

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

// csvOptions are Flink's options of csv, and header.
type csvOptions struct {
	delimiter    byte
	quote        byte // 0: no quoting
	escape       byte // 0: none
	null         string
	hasNull      bool
	arrayDelim   string
	comments     bool
	ignoreErrors bool
	header       bool
}

func readCSVOptions(r *connector.OptionReader, p string) csvOptions {
	char := func(key, def string) byte {
		v := r.String(key, def)
		switch {
		case v == `\t`:
			return '\t'
		case len(v) != 1 || v[0] >= 0x80 || v[0] == '\n' || v[0] == '\r':
			r.Fail(key, "expected one ASCII character")
			return 0
		}
		return v[0]
	}
	o := csvOptions{
		delimiter:    char(p+"field-delimiter", ","),
		null:         r.String(p+"null-literal", ""),
		hasNull:      r.Has(p + "null-literal"),
		arrayDelim:   r.String(p+"array-element-delimiter", ";"),
		comments:     r.Bool(p+"allow-comments", false),
		ignoreErrors: r.Bool(p+"ignore-parse-errors", false),
		header:       r.Bool(p+"header", false),
	}
	r.Bool(p+"write-bigdecimal-in-scientific-notation", false)
	if !r.Bool(p+"disable-quote-character", false) {
		o.quote = char(p+"quote-character", `"`)
	} else if r.Has(p + "quote-character") {
		r.Fail(p+"quote-character", "cannot be combined with '%sdisable-quote-character'", p)
	}
	if r.Has(p + "escape-character") {
		o.escape = char(p+"escape-character", "")
	}
	if o.quote == o.delimiter || o.escape != 0 && o.escape == o.delimiter {
		r.Fail(p+"field-delimiter", "is also the quote or escape character")
	}
	if o.arrayDelim == "" {
		r.Fail(p+"array-element-delimiter", "must not be empty")
	}
	return o
}

// recordEnd is the index of the line feed that ends the first record; -1 if it is not there yet.
func (o *csvOptions) recordEnd(data []byte) int {
	inQuotes, fieldStart := false, true
	for i := 0; i < len(data); i++ {
		c := data[i]
		switch {
		case o.escape != 0 && c == o.escape && (o.escape != o.quote):
			i++
		case inQuotes:
			if c != o.quote {
				continue
			}
			if i+1 < len(data) && data[i+1] == o.quote {
				i++
			} else {
				inQuotes = false
			}
		case c == '\n':
			return i
		case o.quote != 0 && c == o.quote && fieldStart:
			inQuotes = true
		}
		fieldStart = c == o.delimiter && !inQuotes
	}
	return -1
}

// csvField is one field of a record; a quoted empty one is the empty string and never NULL by emptiness.
type csvField struct {
	text   []byte
	raw    []byte // of an unquoted field, before escapes: \N is a null literal also where \ escapes
	quoted bool
}

// fields splits a record by RFC 4180. The result is valid until the next call with buf.
func (o *csvOptions) fields(rec []byte, buf []csvField) ([]csvField, error) {
	for i := 0; ; {
		var f csvField
		var err error
		if o.quote != 0 && i < len(rec) && rec[i] == o.quote {
			f, i, err = o.quotedField(rec, i+1, len(buf))
		} else {
			f, i, err = o.plainField(rec, i, len(buf))
		}
		if err != nil {
			return buf, err
		}
		buf = append(buf, f)
		if i >= len(rec) {
			return buf, nil
		}
		i++ // the delimiter
	}
}

func (o *csvOptions) plainField(rec []byte, i, n int) (csvField, int, error) {
	start, escaped := i, false
	for ; i < len(rec) && rec[i] != o.delimiter; i++ {
		if o.quote != 0 && rec[i] == o.quote {
			return csvField{}, i, fmt.Errorf("field %d: a quote inside a field that does not begin with one (byte %d)", n+1, i)
		}
		if o.escape != 0 && rec[i] == o.escape {
			escaped = true
			i++
		}
	}
	i = min(i, len(rec))
	f := csvField{text: rec[start:i], raw: rec[start:i]}
	if escaped {
		f.text = o.unescape(f.text)
	}
	return f, i, nil
}

func (o *csvOptions) quotedField(rec []byte, i, n int) (csvField, int, error) {
	start, doubled := i, false
	for ; i < len(rec); i++ {
		if o.escape != 0 && o.escape != o.quote && rec[i] == o.escape {
			i, doubled = i+1, true
			continue
		}
		if rec[i] != o.quote {
			continue
		}
		if i+1 < len(rec) && rec[i+1] == o.quote {
			i, doubled = i+1, true
			continue
		}
		text := rec[start:i]
		if doubled {
			text = o.unquote(text)
		}
		if i++; i < len(rec) && rec[i] != o.delimiter {
			return csvField{}, i, fmt.Errorf("field %d: text after the closing quote (byte %d)", n+1, i)
		}
		return csvField{text: text, quoted: true}, i, nil
	}
	return csvField{}, i, fmt.Errorf("field %d: the closing quote is missing", n+1)
}

func (o *csvOptions) unescape(s []byte) []byte {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == o.escape && i+1 < len(s) {
			i++
		}
		out = append(out, s[i])
	}
	return out
}

func (o *csvOptions) unquote(s []byte) []byte {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if (s[i] == o.quote || o.escape != 0 && s[i] == o.escape) && i+1 < len(s) {
			i++
		}
		out = append(out, s[i])
	}
	return out
}

// csvDecoder decodes one record into one row, columns by position or as the header says.
type csvDecoder struct {
	opts   csvOptions
	fields []connector.Field
	cols   []int // batch columns of the table, in table order
	order  []int // per field of a record: index in cols, -1 for a field that is no column
	buf    []csvField
}

func newCSVDecoder(fields []connector.Field, cols []int, opts csvOptions) (*csvDecoder, error) {
	d := &csvDecoder{opts: opts, fields: fields, cols: cols, order: make([]int, len(cols))}
	for i, c := range cols {
		d.order[i] = i
		t := fields[c].Type
		if t.Kind == schema.Array {
			t = *t.Elem
		}
		if t.Elem != nil || t.Fields != nil || t.Kind == schema.Variant {
			return nil, errkind.Errorf(errkind.Invalid, "column %s: type %s cannot be read from csv", fields[c].Name, fields[c].Type)
		}
	}
	return d, nil
}

// HeaderDecoder is a decoder whose columns a file's first record names.
type HeaderDecoder interface {
	Decoder
	// Header takes the first record. A key or NOT NULL column that it does not name is an error.
	Header(record []byte) error
}

// Header implements HeaderDecoder.
func (d *csvDecoder) Header(record []byte) error {
	names, err := d.opts.fields(bytes.TrimPrefix(record, []byte("\ufeff")), nil)
	if err != nil {
		return fmt.Errorf("header: %w", err)
	}
	d.order = d.order[:0]
	found := make([]bool, len(d.cols))
	for _, n := range names {
		at := slices.IndexFunc(d.cols, func(c int) bool { return d.fields[c].Name == strings.TrimSpace(string(n.text)) })
		if at >= 0 && found[at] {
			return fmt.Errorf("header: column %s is named twice", d.fields[d.cols[at]].Name)
		}
		if at >= 0 {
			found[at] = true
		}
		d.order = append(d.order, at)
	}
	for i, c := range d.cols {
		if !found[i] && d.fields[c].Required {
			return fmt.Errorf("header: key or NOT NULL column %s is not named", d.fields[c].Name)
		}
	}
	return nil
}

// Decode implements Decoder.
func (d *csvDecoder) Decode(msg []byte, b *Batch) error {
	if !utf8.Valid(msg) {
		return errors.New("the record is not UTF-8")
	}
	var err error
	if d.buf, err = d.opts.fields(bytes.TrimRight(msg, "\r\n"), d.buf[:0]); err != nil {
		return err
	}
	if len(d.buf) != len(d.order) {
		return fmt.Errorf("expected %d fields, found %d", len(d.order), len(d.buf))
	}
	mark := b.Mark()
	for i, f := range d.buf {
		if d.order[i] < 0 {
			continue
		}
		c := d.cols[d.order[i]]
		if err := d.field(b.Column(c), &d.fields[c], f); err != nil {
			b.Fail(mark)
			return fmt.Errorf("column %s (field %d): %w", d.fields[c].Name, i+1, err)
		}
	}
	for _, c := range d.cols { // columns the header does not name
		if b.Column(c).Len() == mark {
			b.Column(c).AppendNull()
		}
	}
	b.EndRow(connector.Insert)
	return nil
}

func (d *csvDecoder) field(b array.Builder, f *connector.Field, v csvField) error {
	if d.isNull(f, v) {
		if f.Required {
			return fmt.Errorf("is empty, but it is a key or NOT NULL column of type %s", f.Type.WithNotNull(false))
		}
		b.AppendNull()
		return nil
	}
	n := b.Len()
	err := d.value(b, f, v)
	if err != nil && d.opts.ignoreErrors && !f.Required && b.Len() == n {
		b.AppendNull()
		return nil
	}
	return err
}

func (d *csvDecoder) value(b array.Builder, f *connector.Field, v csvField) error {
	l, ok := b.(*array.ListBuilder)
	if !ok {
		return appendText(b, &f.Type, v.text, false)
	}
	l.Append(true)
	if len(v.text) == 0 {
		return nil
	}
	for i, e := range bytes.Split(v.text, []byte(d.opts.arrayDelim)) {
		if d.opts.hasNull && string(e) == d.opts.null {
			l.ValueBuilder().AppendNull()
		} else if err := appendText(l.ValueBuilder(), f.Type.Elem, e, false); err != nil {
			return fmt.Errorf("element %d: %w", i, err)
		}
	}
	return nil
}

// isNull: the null literal, and an unquoted empty field of any type but text.
func (d *csvDecoder) isNull(f *connector.Field, v csvField) bool {
	if d.opts.hasNull && !v.quoted && string(v.raw) == d.opts.null {
		return true
	}
	return len(v.text) == 0 && !v.quoted && !f.Type.IsString() && f.Type.Kind != schema.Array
}
