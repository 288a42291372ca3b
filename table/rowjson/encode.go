package rowjson

import (
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/parquet/variant"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

// EncodeOptions of an Encoder; the zero value is the plain encoding.
type EncodeOptions struct {
	BigIntString bool // BIGINT as a string, for readers whose numbers are doubles
}

// Encoder writes rows of Arrow batches as JSON. It is safe for concurrent use.
type Encoder struct {
	names [][]byte // quoted, with colon
	types []schema.Type
	opts  EncodeOptions
}

// NewEncoder makes an encoder of rows with the columns. A type without an
// encoding is Invalid.
func NewEncoder(fields []schema.Field, opts EncodeOptions) (*Encoder, error) {
	e := &Encoder{opts: opts}
	for _, f := range fields {
		if _, err := f.Type.ArrowType(); err != nil {
			return nil, errkind.Errorf(errkind.Invalid, "column %s: %w", f.Name, err)
		}
		e.names = append(e.names, append(appendString(nil, f.Name), ':'))
		e.types = append(e.types, f.Type)
	}
	return e, nil
}

// AppendRow appends the row as one object, without newline. rec has the
// encoder's columns in order.
func (e *Encoder) AppendRow(dst []byte, rec arrow.RecordBatch, row int) []byte {
	dst = append(dst, '{')
	for i := range e.types {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, e.names[i]...)
		dst = e.AppendCell(dst, i, rec.Column(i), row)
	}
	return append(dst, '}')
}

// AppendMembers is AppendRow without braces, for callers that put members before.
func (e *Encoder) AppendMembers(dst []byte, rec arrow.RecordBatch, row int) []byte {
	n := len(dst)
	dst = e.AppendRow(dst, rec, row)
	copy(dst[n:], dst[n+1:])
	return dst[:len(dst)-2]
}

// AppendLines appends every row as an object with a newline.
func (e *Encoder) AppendLines(dst []byte, rec arrow.RecordBatch) []byte {
	for i := range int(rec.NumRows()) {
		dst = append(e.AppendRow(dst, rec, i), '\n')
	}
	return dst
}

// AppendCell appends one value of column i.
func (e *Encoder) AppendCell(dst []byte, i int, col arrow.Array, row int) []byte {
	return e.value(dst, &e.types[i], col, row)
}

func (e *Encoder) value(dst []byte, t *schema.Type, col arrow.Array, row int) []byte {
	if col.IsNull(row) {
		return append(dst, "null"...)
	}
	switch a := col.(type) {
	case *array.Boolean:
		return strconv.AppendBool(dst, a.Value(row))
	case *array.Int8:
		return strconv.AppendInt(dst, int64(a.Value(row)), 10)
	case *array.Int16:
		return strconv.AppendInt(dst, int64(a.Value(row)), 10)
	case *array.Int32:
		return strconv.AppendInt(dst, int64(a.Value(row)), 10)
	case *array.Int64:
		if e.opts.BigIntString {
			return append(strconv.AppendInt(append(dst, '"'), a.Value(row), 10), '"')
		}
		return strconv.AppendInt(dst, a.Value(row), 10)
	case *array.Float32:
		return appendFloat(dst, float64(a.Value(row)), 32)
	case *array.Float64:
		return appendFloat(dst, a.Value(row), 64)
	case *array.Decimal128:
		dst = append(dst, '"')
		dst = append(dst, a.Value(row).ToString(a.DataType().(*arrow.Decimal128Type).Scale)...)
		return append(dst, '"')
	case *array.String:
		return appendString(dst, a.Value(row))
	case *array.Binary:
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, a.Value(row))
		return append(dst, '"')
	case *array.Date32:
		return appendTime(dst, time.Unix(int64(a.Value(row))*86400, 0).UTC(), "2006-01-02", 0, false)
	case *array.Time32:
		return appendTime(dst, time.UnixMilli(int64(a.Value(row))).UTC(), "15:04:05", t.Precision, false)
	case *array.Timestamp:
		unit := a.DataType().(*arrow.TimestampType).Unit
		return appendTime(dst, instant(int64(a.Value(row)), unit), "2006-01-02 15:04:05", t.Precision, t.Kind == schema.TimestampLTZ)
	default:
		return e.nested(dst, t, col, row)
	}
}

func (e *Encoder) nested(dst []byte, t *schema.Type, col arrow.Array, row int) []byte {
	switch a := col.(type) {
	case *array.Map:
		return e.pairs(dst, t, a, row)
	case *array.List:
		from, to := a.ValueOffsets(row)
		dst = append(dst, '[')
		for i := from; i < to; i++ {
			if i > from {
				dst = append(dst, ',')
			}
			dst = e.value(dst, t.Elem, a.ListValues(), int(i))
		}
		return append(dst, ']')
	case *array.Struct:
		if t.Kind == schema.Variant {
			return appendVariant(dst, a, row)
		}
		dst = append(dst, '{')
		for i := range t.Fields {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendString(dst, t.Fields[i].Name), ':')
			dst = e.value(dst, &t.Fields[i].Type, a.Field(i), row)
		}
		return append(dst, '}')
	default:
		return appendString(dst, col.ValueStr(row))
	}
}

func (e *Encoder) pairs(dst []byte, t *schema.Type, a *array.Map, row int) []byte {
	key, val := t.Key, t.Elem
	if t.Kind == schema.Multiset {
		n := schema.TInt
		key, val = t.Elem, &n
	}
	from, to := a.ValueOffsets(row)
	texts := make([]string, 0, to-from)
	var buf []byte
	for i := from; i < to; i++ {
		buf = e.value(append(buf[:0], '['), key, a.Keys(), int(i))
		buf = append(e.value(append(buf, ','), val, a.Items(), int(i)), ']')
		texts = append(texts, string(buf))
	}
	slices.Sort(texts)
	dst = append(dst, '[')
	for i, p := range texts {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, p...)
	}
	return append(dst, ']')
}

func appendVariant(dst []byte, a *array.Struct, row int) []byte {
	st := a.DataType().(*arrow.StructType)
	var value, metadata []byte
	for i := range st.NumFields() {
		b, ok := a.Field(i).(*array.Binary)
		if !ok || b.IsNull(row) {
			continue
		}
		switch st.Field(i).Name {
		case "value":
			value = b.Value(row)
		case "metadata":
			metadata = b.Value(row)
		}
	}
	v, err := variant.New(metadata, value)
	if err != nil {
		return appendString(dst, fmt.Sprintf("invalid variant: %v", err))
	}
	text, err := v.MarshalJSON()
	if err != nil {
		return appendString(dst, fmt.Sprintf("invalid variant: %v", err))
	}
	return appendString(dst, string(text))
}

// appendFloat is encoding/json's layout; values without JSON form are strings.
func appendFloat(dst []byte, f float64, bits int) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(dst, `"-Infinity"`...)
	}
	abs, format := math.Abs(f), byte('f')
	if abs != 0 {
		if bits == 64 && (abs < 1e-6 || abs >= 1e21) || bits == 32 && (float32(abs) < 1e-6 || float32(abs) >= 1e21) {
			format = 'e'
		}
	}
	dst = strconv.AppendFloat(dst, f, format, -1, bits)
	if n := len(dst); format == 'e' && n >= 4 && dst[n-4] == 'e' && dst[n-3] == '-' && dst[n-2] == '0' {
		dst[n-2] = dst[n-1] // e-09 becomes e-9
		dst = dst[:n-1]
	}
	return dst
}

func instant(v int64, unit arrow.TimeUnit) time.Time {
	switch unit {
	case arrow.Second:
		return time.Unix(v, 0).UTC()
	case arrow.Millisecond:
		return time.UnixMilli(v).UTC()
	case arrow.Microsecond:
		return time.UnixMicro(v).UTC()
	default:
		return time.Unix(0, v).UTC()
	}
}

const zeros = ".000000000"

func appendTime(dst []byte, at time.Time, layout string, precision int, utc bool) []byte {
	if precision > 0 {
		layout += zeros[:1+min(precision, 9)]
	}
	if utc {
		layout += "Z"
	}
	dst = append(dst, '"')
	dst = at.AppendFormat(dst, layout)
	return append(dst, '"')
}

const hexDigits = "0123456789abcdef"

// appendString quotes s; bytes that are not UTF-8 become U+FFFD.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c < utf8.RuneSelf && c != '"' && c != '\\' {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r != utf8.RuneError || n != 1 {
				i += n
				continue
			}
			dst = append(append(dst, s[start:i]...), "\ufffd"...)
			i++
			start = i
			continue
		}
		dst = append(dst, s[start:i]...)
		dst = appendEscape(dst, c)
		i++
		start = i
	}
	return append(append(dst, s[start:]...), '"')
}

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	default:
		return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
	}
}
