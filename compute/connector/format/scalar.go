package format

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/weir-lake/weir/table/schema"
)

// mismatch says that a value is not of its column's type.
type mismatch struct {
	want  schema.Type
	found string
	hint  string
}

func (m *mismatch) Error() string {
	s := fmt.Sprintf("expected %s, found %s", m.want.WithNotNull(false), m.found)
	if m.hint != "" {
		s += ": " + m.hint
	}
	return s
}

// quoted shows text in an error message, cut to a readable length.
func quoted(s []byte) string {
	const shown = 60 // enough to recognise the value, short enough for a log line
	if len(s) > shown {
		return fmt.Sprintf("text %q...", s[:shown])
	}
	return fmt.Sprintf("text %q", s)
}

// appendText parses text as a scalar of type t. Text forms are Flink's: numbers are
// trimmed, BYTES are base64, timestamps follow the standard of the format (iso: with T).
func appendText(b array.Builder, t *schema.Type, s []byte, iso bool) error {
	switch t.Kind {
	case schema.Char, schema.VarChar:
		b.(*array.StringBuilder).BinaryBuilder.Append(s)
		return nil
	case schema.Binary, schema.VarBinary, schema.Blob:
		raw := make([]byte, base64.StdEncoding.DecodedLen(len(s)))
		n, err := base64.StdEncoding.Decode(raw, s)
		if err != nil {
			return &mismatch{*t, quoted(s), "binary values are written in base64"}
		}
		b.(*array.BinaryBuilder).Append(raw[:n])
		return nil
	case schema.Date, schema.Time, schema.Timestamp, schema.TimestampLTZ:
		return appendClock(b, t, s, iso)
	}
	s = bytes.TrimSpace(s)
	switch t.Kind {
	case schema.Boolean:
		switch {
		case bytes.EqualFold(s, []byte("true")):
			b.(*array.BooleanBuilder).Append(true)
		case bytes.EqualFold(s, []byte("false")):
			b.(*array.BooleanBuilder).Append(false)
		default:
			return &mismatch{*t, quoted(s), ""}
		}
		return nil
	case schema.TinyInt, schema.SmallInt, schema.Int, schema.BigInt:
		return appendInteger(b, t, s)
	case schema.Float, schema.Double:
		return appendFloat(b, t, s)
	case schema.Decimal:
		n, why := parseDecimal(s, t.Precision, t.Scale)
		if why != "" {
			return &mismatch{*t, quoted(s), why}
		}
		b.(*array.Decimal128Builder).Append(n)
		return nil
	default:
		return fmt.Errorf("type %s cannot be read from text", t)
	}
}

func appendInteger(b array.Builder, t *schema.Type, s []byte) error {
	bits := 8 << (t.Kind - schema.TinyInt)
	n, err := strconv.ParseInt(string(s), 10, bits)
	if err != nil {
		hint := ""
		if e, ok := err.(*strconv.NumError); ok && e.Err == strconv.ErrRange {
			hint = "out of range"
		}
		return &mismatch{*t, quoted(s), hint}
	}
	switch b := b.(type) {
	case *array.Int8Builder:
		b.Append(int8(n))
	case *array.Int16Builder:
		b.Append(int16(n))
	case *array.Int32Builder:
		b.Append(int32(n))
	case *array.Int64Builder:
		b.Append(n)
	}
	return nil
}

func appendFloat(b array.Builder, t *schema.Type, s []byte) error {
	f32, single := b.(*array.Float32Builder)
	bits := 64
	if single {
		bits = 32
	}
	v, err := strconv.ParseFloat(string(s), bits)
	if e, ok := err.(*strconv.NumError); err != nil && !(ok && e.Err == strconv.ErrRange) || bytes.ContainsAny(s, "xX_pP") {
		return &mismatch{*t, quoted(s), ""}
	}
	if err != nil {
		return &mismatch{*t, quoted(s), "out of range"}
	}
	if single {
		f32.Append(float32(v))
	} else {
		b.(*array.Float64Builder).Append(v)
	}
	return nil
}

// maxExponent bounds the exponent of a decimal's text: 10^±100 is far outside DECIMAL(38).
const maxExponent = 100

// parseDecimal reads plain or scientific text and rounds half up to the scale.
// It returns why the text does not fit; empty if it does.
func parseDecimal(s []byte, precision, scale int) (decimal128.Num, string) {
	var zero decimal128.Num
	mant, exp := string(s), 0
	if i := strings.IndexAny(mant, "eE"); i >= 0 {
		e, err := strconv.Atoi(mant[i+1:])
		if err != nil {
			return zero, "not a number"
		}
		if e > maxExponent || e < -maxExponent {
			return zero, "out of range"
		}
		mant, exp = mant[:i], e
	}
	neg := strings.HasPrefix(mant, "-")
	digits := strings.TrimPrefix(strings.TrimPrefix(mant, "-"), "+")
	if !neg && strings.HasPrefix(digits, "-") || len(mant)-len(digits) > 1 {
		return zero, "not a number"
	}
	if i := strings.IndexByte(digits, '.'); i >= 0 {
		exp -= len(digits) - i - 1
		digits = digits[:i] + digits[i+1:]
	}
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return zero, "not a number"
	}
	return roundDecimal(digits, exp+scale, precision, neg)
}

// roundDecimal is digits * 10^shift, rounded half up, as a number of at most precision digits.
func roundDecimal(digits string, shift, precision int, neg bool) (decimal128.Num, string) {
	digits = strings.TrimLeft(digits, "0")
	up := false
	if shift < 0 {
		cut := len(digits) + shift
		if cut < 0 {
			digits = ""
		} else {
			up = digits[cut:] != "" && digits[cut] >= '5'
			digits = digits[:cut]
		}
	} else if digits != "" {
		if len(digits)+shift > precision {
			return decimal128.Num{}, "out of range"
		}
		digits += strings.Repeat("0", shift)
	}
	if len(digits) > precision {
		return decimal128.Num{}, "out of range"
	}
	var n decimal128.Num
	if len(digits) <= 18 { // fits int64 with room for the rounding
		v, _ := strconv.ParseInt("0"+digits, 10, 64)
		n = decimal128.FromI64(v)
	} else {
		v, _ := new(big.Int).SetString(digits, 10)
		n = decimal128.FromBigInt(v)
	}
	if up {
		n = n.Add(decimal128.FromI64(1))
		if !n.FitsInPrecision(int32(precision)) {
			return n, "out of range"
		}
	}
	if neg {
		n = n.Negate()
	}
	return n, ""
}

const (
	nanosPerSecond = int64(1e9)
	secondsPerDay  = int64(86400)
)

func appendClock(b array.Builder, t *schema.Type, s []byte, iso bool) error {
	switch t.Kind {
	case schema.Date:
		days, rest, ok := parseDate(s)
		if !ok || len(rest) != 0 {
			return &mismatch{*t, quoted(s), "dates are written 2026-01-31"}
		}
		b.(*array.Date32Builder).Append(arrow.Date32(days))
		return nil
	case schema.Time:
		nanos, rest, ok := parseTime(s)
		if !ok || len(rest) != 0 {
			return &mismatch{*t, quoted(s), "times are written 23:59:59.999"}
		}
		b.(*array.Time32Builder).Append(arrow.Time32(nanos / 1e6))
		return nil
	}
	v, hint := parseTimestamp(s, t, iso)
	if hint != "" {
		return &mismatch{*t, quoted(s), hint}
	}
	b.(*array.TimestampBuilder).Append(v)
	return nil
}

// parseTimestamp reads a timestamp in the unit of t; hint is empty if it is one.
func parseTimestamp(s []byte, t *schema.Type, iso bool) (arrow.Timestamp, string) {
	sep, example := byte(' '), "2026-01-31 23:59:59.123"
	if iso {
		sep, example = 'T', "2026-01-31T23:59:59.123"
	}
	ltz := t.Kind == schema.TimestampLTZ
	if ltz {
		example += "Z"
	}
	hint := "timestamps are written " + example
	days, rest, ok := parseDate(s)
	if !ok || len(rest) == 0 {
		return 0, hint
	}
	if rest[0] != sep {
		if rest[0] == 'T' || rest[0] == ' ' {
			hint += ", or set the option timestamp-format.standard to SQL or ISO-8601"
		}
		return 0, hint
	}
	nanos, rest, ok := parseTime(rest[1:])
	if ltz && len(rest) == 1 && rest[0] == 'Z' {
		rest = nil
	} else if ltz {
		ok = false
	}
	if !ok || len(rest) != 0 {
		return 0, hint
	}
	return toUnit(int64(days)*secondsPerDay, nanos, t)
}

// toUnit truncates seconds and nanoseconds to the precision of t, in the unit of t.
func toUnit(sec, nanos int64, t *schema.Type) (arrow.Timestamp, string) {
	sec += nanos / nanosPerSecond
	nanos %= nanosPerSecond
	for p := 9; p > t.Precision; p-- {
		nanos = nanos / pow10[10-p] * pow10[10-p]
	}
	switch t.TimestampUnit() {
	case arrow.Millisecond:
		return arrow.Timestamp(sec*1e3 + nanos/1e6), ""
	case arrow.Microsecond:
		return arrow.Timestamp(sec*1e6 + nanos/1e3), ""
	}
	if sec > math.MaxInt64/nanosPerSecond-1 || sec < math.MinInt64/nanosPerSecond+1 {
		return 0, "TIMESTAMP(7..9) reaches from 1677-09-22 to 2262-04-10"
	}
	return arrow.Timestamp(sec*nanosPerSecond + nanos), ""
}

var pow10 = [...]int64{1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9}

// number reads exactly n digits.
func number(s []byte, n int) (int, []byte, bool) {
	if len(s) < n {
		return 0, s, false
	}
	v := 0
	for _, c := range s[:n] {
		if c < '0' || c > '9' {
			return 0, s, false
		}
		v = v*10 + int(c-'0')
	}
	return v, s[n:], true
}

// parseDate reads yyyy-MM-dd as days since 1970-01-01 and returns the rest.
func parseDate(s []byte) (days int, rest []byte, ok bool) {
	if len(s) < 10 || s[4] != '-' || s[7] != '-' {
		return 0, s, false
	}
	y, _, ok1 := number(s, 4)
	m, _, ok2 := number(s[5:], 2)
	d, _, ok3 := number(s[8:], 2)
	if !ok1 || !ok2 || !ok3 || m < 1 || m > 12 || d < 1 || d > daysIn(y, m) {
		return 0, s, false
	}
	return daysFromCivil(y, m, d), s[10:], true
}

func daysIn(y, m int) int {
	switch m {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if y%4 == 0 && (y%100 != 0 || y%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// daysFromCivil counts days of the proleptic Gregorian calendar from 1970-01-01,
// with years that begin in March so that the leap day comes last.
func daysFromCivil(y, m, d int) int {
	if m <= 2 {
		y, m = y-1, m+12
	}
	era := y / 400
	if y < 0 {
		era = (y - 399) / 400
	}
	yoe := y - era*400
	doy := (153*(m-3)+2)/5 + d - 1
	return era*146097 + yoe*365 + yoe/4 - yoe/100 + doy - 719468
}

// parseTime reads HH:mm:ss with up to nine fraction digits as nanoseconds and returns the rest.
func parseTime(s []byte) (nanos int64, rest []byte, ok bool) {
	if len(s) < 8 || s[2] != ':' || s[5] != ':' {
		return 0, s, false
	}
	h, _, ok1 := number(s, 2)
	m, _, ok2 := number(s[3:], 2)
	sec, _, ok3 := number(s[6:], 2)
	if !ok1 || !ok2 || !ok3 || h > 23 || m > 59 || sec > 59 {
		return 0, s, false
	}
	nanos = int64(h*3600+m*60+sec) * nanosPerSecond
	if s = s[8:]; len(s) == 0 || s[0] != '.' {
		return nanos, s, true
	}
	n := 1
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	if n == 1 || n > 10 {
		return 0, s, false
	}
	frac, _, _ := number(s[1:], n-1)
	return nanos + int64(frac)*pow10[10-n], s[n:], true
}
