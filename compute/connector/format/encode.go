package format

import (
	"encoding/base64"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

// Encoder writes rows as messages.
type Encoder interface {
	// Encode appends the message of a row, without line end, to dst.
	Encode(dst []byte, rec arrow.RecordBatch, row int, kind int8) ([]byte, error)
}

// Encoder makes an encoder of the columns cols of records of fields. Formats without
// kinds refuse rows that are not inserts.
func (f *Format) Encoder(fields []connector.Field, cols []int) (Encoder, error) {
	switch f.Name {
	case "json", "debezium-json":
		e := &jsonEncoder{fields: fields, cols: cols, iso: f.json.iso, opts: f.encode, envelope: f.Name == "debezium-json"}
		for _, c := range cols {
			e.names = append(e.names, append(appendQuoted(nil, fields[c].Name), ':'))
		}
		return e, nil
	case "csv":
		for _, c := range cols {
			if t := fields[c].Type; t.Elem != nil && t.Kind != schema.Array || t.Fields != nil {
				return nil, errkind.Errorf(errkind.Invalid, "column %s: type %s cannot be written as csv", fields[c].Name, t)
			}
		}
		return &csvEncoder{fields: fields, cols: cols, opts: f.csv}, nil
	case "raw":
		if _, err := newRawDecoder(fields, cols, f.raw); err != nil {
			return nil, err
		}
		return &rawEncoder{col: cols[0]}, nil
	}
	return nil, errkind.Errorf(errkind.Invalid, "format '%s' is unknown; known are %v", f.Name, names)
}

type jsonEncodeOptions struct{ dropNulls bool }

func readJSONEncodeOptions(r *connector.OptionReader, p string) jsonEncodeOptions {
	// Decimals are always plain numbers and Arrow maps have no null keys, so these two change nothing.
	r.Bool(p+"encode.decimal-as-plain-number", true)
	r.Enum(p+"map-null-key.mode", "FAIL", "DROP", "LITERAL")
	r.String(p+"map-null-key.literal", "null")
	return jsonEncodeOptions{dropNulls: r.Bool(p+"encode.ignore-null-fields", false)}
}

type jsonEncoder struct {
	fields   []connector.Field
	cols     []int
	names    [][]byte
	iso      bool
	opts     jsonEncodeOptions
	envelope bool
}

// Encode implements Encoder. An update goes out as a deletion and an insertion, as Flink's debezium-json writes it.
func (e *jsonEncoder) Encode(dst []byte, rec arrow.RecordBatch, row int, kind int8) ([]byte, error) {
	if !e.envelope {
		if kind != connector.Insert {
			return dst, errKind("json", kind)
		}
		return e.object(dst, rec, row)
	}
	gone := kind == connector.UpdateBefore || kind == connector.Delete
	if !gone {
		dst = append(dst, `{"before":null,"after":`...)
	} else {
		dst = append(dst, `{"before":`...)
	}
	dst, err := e.object(dst, rec, row)
	if gone {
		return append(dst, `,"after":null,"op":"d"}`...), err
	}
	return append(dst, `,"op":"c"}`...), err
}

func errKind(format string, kind int8) error {
	return errkind.Errorf(errkind.Invalid, "format %s takes inserts only, found a row of kind %s; use debezium-json for a changing result", format, connector.KindText(kind))
}

func (e *jsonEncoder) object(dst []byte, rec arrow.RecordBatch, row int) ([]byte, error) {
	dst = append(dst, '{')
	first, err := true, error(nil)
	for i, c := range e.cols {
		col := rec.Column(c)
		if e.opts.dropNulls && col.IsNull(row) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(dst, e.names[i]...)
		if dst, err = e.value(dst, col, row, &e.fields[c].Type); err != nil {
			return dst, fmt.Errorf("column %s: %w", e.fields[c].Name, err)
		}
	}
	return append(dst, '}'), nil
}

func (e *jsonEncoder) value(dst []byte, a arrow.Array, i int, t *schema.Type) ([]byte, error) {
	if a.IsNull(i) {
		return append(dst, "null"...), nil
	}
	switch a := a.(type) {
	case *array.List:
		return e.list(dst, a, i, t)
	case *array.Map:
		return e.mapping(dst, a, i, t)
	case *array.Struct:
		return e.structure(dst, a, i, t)
	case *array.String:
		return appendQuoted(dst, a.Value(i)), nil
	case *array.Float64:
		return appendJSONFloat(dst, a.Value(i), 64), nil
	case *array.Float32:
		return appendJSONFloat(dst, float64(a.Value(i)), 32), nil
	case *array.Binary, *array.Date32, *array.Time32, *array.Timestamp:
		dst, err := appendScalar(append(dst, '"'), a, i, t, e.iso)
		return append(dst, '"'), err
	}
	return appendScalar(dst, a, i, t, e.iso)
}

// appendJSONFloat writes the shortest text; NaN and infinities as strings, which JSON numbers lack.
func appendJSONFloat(dst []byte, v float64, bits int) []byte {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return append(appendFloatText(append(dst, '"'), v, bits), '"')
	}
	return appendFloatText(dst, v, bits)
}

func (e *jsonEncoder) list(dst []byte, a *array.List, i int, t *schema.Type) ([]byte, error) {
	from, to := a.ValueOffsets(i)
	dst = append(dst, '[')
	var err error
	for j := from; j < to; j++ {
		if j > from {
			dst = append(dst, ',')
		}
		if dst, err = e.value(dst, a.ListValues(), int(j), t.Elem); err != nil {
			return dst, err
		}
	}
	return append(dst, ']'), nil
}

func (e *jsonEncoder) mapping(dst []byte, a *array.Map, i int, t *schema.Type) ([]byte, error) {
	key, elem := t.Key, t.Elem
	if t.Kind == schema.Multiset {
		count := schema.TInt
		key, elem = t.Elem, &count
	}
	from, to := a.ValueOffsets(i)
	dst = append(dst, '{')
	for j := from; j < to; j++ {
		if j > from {
			dst = append(dst, ',')
		}
		k, err := appendScalar(nil, a.Keys(), int(j), key, e.iso)
		if err != nil {
			return dst, fmt.Errorf("map key: %w", err)
		}
		dst = append(appendQuoted(dst, string(k)), ':')
		if dst, err = e.value(dst, a.Items(), int(j), elem); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

func (e *jsonEncoder) structure(dst []byte, a *array.Struct, i int, t *schema.Type) ([]byte, error) {
	dst = append(dst, '{')
	var err error
	for j := range a.NumField() {
		if j > 0 {
			dst = append(dst, ',')
		}
		f := schema.Field{Name: a.DataType().(*arrow.StructType).Field(j).Name}
		if j < len(t.Fields) {
			f = t.Fields[j]
		}
		dst = append(appendQuoted(dst, f.Name), ':')
		if dst, err = e.value(dst, a.Field(j), i, &f.Type); err != nil {
			return dst, fmt.Errorf("field %s: %w", f.Name, err)
		}
	}
	return append(dst, '}'), nil
}

// appendScalar writes a scalar that is not null as plain text, the form appendText reads.
func appendScalar(dst []byte, a arrow.Array, i int, t *schema.Type, iso bool) ([]byte, error) {
	switch a := a.(type) {
	case *array.Boolean:
		return strconv.AppendBool(dst, a.Value(i)), nil
	case *array.Int8:
		return strconv.AppendInt(dst, int64(a.Value(i)), 10), nil
	case *array.Int16:
		return strconv.AppendInt(dst, int64(a.Value(i)), 10), nil
	case *array.Int32:
		return strconv.AppendInt(dst, int64(a.Value(i)), 10), nil
	case *array.Int64:
		return strconv.AppendInt(dst, a.Value(i), 10), nil
	case *array.Float32:
		return appendFloatText(dst, float64(a.Value(i)), 32), nil
	case *array.Float64:
		return appendFloatText(dst, a.Value(i), 64), nil
	case *array.Decimal128:
		return append(dst, a.Value(i).ToString(int32(t.Scale))...), nil
	case *array.String:
		return append(dst, a.Value(i)...), nil
	case *array.Binary:
		return base64.StdEncoding.AppendEncode(dst, a.Value(i)), nil
	case *array.Date32:
		return a.Value(i).ToTime().AppendFormat(dst, time.DateOnly), nil
	case *array.Time32:
		return a.Value(i).ToTime(arrow.Millisecond).AppendFormat(dst, "15:04:05.999"), nil
	case *array.Timestamp:
		at := a.Value(i).ToTime(a.DataType().(*arrow.TimestampType).Unit)
		layout := "2006-01-02 15:04:05.999999999"
		if iso {
			layout = "2006-01-02T15:04:05.999999999"
		}
		dst = at.AppendFormat(dst, layout)
		if t.Kind == schema.TimestampLTZ {
			dst = append(dst, 'Z')
		}
		return dst, nil
	}
	return dst, fmt.Errorf("a value of type %s has no text form here", a.DataType())
}

// appendFloatText writes the shortest text that parses back, infinities and NaN in Java's words.
func appendFloatText(dst []byte, v float64, bits int) []byte {
	switch {
	case math.IsNaN(v):
		return append(dst, "NaN"...)
	case math.IsInf(v, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(v, -1):
		return append(dst, "-Infinity"...)
	}
	verb := byte('f')
	if abs := math.Abs(v); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		verb = 'e'
	}
	return strconv.AppendFloat(dst, v, verb, -1, bits)
}

type csvEncoder struct {
	fields []connector.Field
	cols   []int
	opts   csvOptions
	buf    []byte
}

// Encode implements Encoder.
func (e *csvEncoder) Encode(dst []byte, rec arrow.RecordBatch, row int, kind int8) ([]byte, error) {
	if kind != connector.Insert {
		return dst, errKind("csv", kind)
	}
	for i, c := range e.cols {
		if i > 0 {
			dst = append(dst, e.opts.delimiter)
		}
		col := rec.Column(c)
		if col.IsNull(row) {
			dst = append(dst, e.opts.null...)
			continue
		}
		var err error
		if e.buf, err = e.text(e.buf[:0], col, row, &e.fields[c].Type); err == nil {
			t := e.fields[c].Type
			dst, err = e.opts.appendField(dst, e.buf, t.IsString() || t.IsBinary())
		}
		if err != nil {
			return dst, fmt.Errorf("column %s: %w", e.fields[c].Name, err)
		}
	}
	return dst, nil
}

func (e *csvEncoder) text(dst []byte, a arrow.Array, i int, t *schema.Type) ([]byte, error) {
	l, ok := a.(*array.List)
	if !ok {
		return appendScalar(dst, a, i, t, false)
	}
	from, to := l.ValueOffsets(i)
	var err error
	for j := from; j < to; j++ {
		if j > from {
			dst = append(dst, e.opts.arrayDelim...)
		}
		if l.ListValues().IsNull(int(j)) {
			dst = append(dst, e.opts.null...)
		} else if dst, err = appendScalar(dst, l.ListValues(), int(j), t.Elem, false); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// appendField quotes a field where it must be. Text and bytes that are empty or equal the null
// literal are quoted too, so that they do not come back as NULL.
func (o *csvOptions) appendField(dst, s []byte, text bool) ([]byte, error) {
	need := text && (len(s) == 0 || o.hasNull && string(s) == o.null) || len(s) > 0 && s[0] == '#' && o.comments
	for _, c := range s {
		need = need || c == o.delimiter || c == '\n' || c == '\r' || o.quote != 0 && c == o.quote || o.escape != 0 && c == o.escape
	}
	if !need || o.quote == 0 && len(s) == 0 {
		return append(dst, s...), nil
	}
	if o.quote == 0 {
		return dst, errkind.Errorf(errkind.Invalid, "value %.40q needs quoting, and 'csv.disable-quote-character' is set", s)
	}
	dst = append(dst, o.quote)
	for _, c := range s {
		if c == o.quote || o.escape != 0 && c == o.escape {
			if o.escape != 0 {
				dst = append(dst, o.escape)
			} else {
				dst = append(dst, o.quote)
			}
		}
		dst = append(dst, c)
	}
	return append(dst, o.quote), nil
}

// CSVHeader is the first line a csv sink with 'csv.header' writes; nil without it.
func (f *Format) CSVHeader(fields []connector.Field, cols []int) []byte {
	if !f.csv.header {
		return nil
	}
	var dst []byte
	for i, c := range cols {
		if i > 0 {
			dst = append(dst, f.csv.delimiter)
		}
		dst, _ = f.csv.appendField(dst, []byte(fields[c].Name), true)
	}
	return dst
}

// rawEncoder writes text and bytes as they are.
type rawEncoder struct{ col int }

// Encode implements Encoder.
func (e *rawEncoder) Encode(dst []byte, rec arrow.RecordBatch, row int, kind int8) ([]byte, error) {
	if kind != connector.Insert {
		return dst, errKind("raw", kind)
	}
	switch a := rec.Column(e.col).(type) {
	case *array.String:
		return append(dst, a.Value(row)...), nil
	case *array.Binary:
		return append(dst, a.Value(row)...), nil
	}
	return dst, errkind.Errorf(errkind.Invalid, "format raw writes STRING and BYTES only, found %s", rec.Column(e.col).DataType())
}
