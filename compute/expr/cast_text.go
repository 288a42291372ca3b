package expr

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/weir-lake/weir/table/schema"
)

// appender appends the text of row i.
type appender func(dst []byte, i int) []byte

// castToText makes the text of any value, cut to VARCHAR(n) or CHAR(n) and padded to CHAR(n).
func castToText(from, to schema.Type) (kernel, error) {
	return func(c *call) (vec, error) {
		text, err := textAppender(c.args[0], from, c.env.zone())
		if err != nil {
			return vec{}, err
		}
		return mapText(c, func(dst []byte, i int) ([]byte, bool, error) {
			mark := len(dst)
			dst = text(dst, i)
			if to.Length < schema.MaxLength {
				dst = fitText(dst, mark, to)
			}
			return dst, true, nil
		})
	}, nil
}

// fitText cuts dst[mark:] to to's length in characters and pads a CHAR with spaces.
func fitText(dst []byte, mark int, to schema.Type) []byte {
	n := utf8.RuneCount(dst[mark:])
	switch {
	case n > to.Length:
		return dst[:mark+charOffset(dst[mark:], to.Length)]
	case to.Kind == schema.Char:
		return append(dst, bytes.Repeat([]byte{' '}, to.Length-n)...)
	default:
		return dst
	}
}

// charOffset is the byte offset of character n of s, at most its length.
func charOffset(s []byte, n int) int {
	off := 0
	for ; n > 0 && off < len(s); n-- {
		_, size := utf8.DecodeRune(s[off:])
		off += size
	}
	return off
}

// fitBytes appends b cut to the target's length; a BINARY is filled with zero bytes.
func fitBytes(dst, b []byte, to schema.Type) []byte {
	if len(b) > to.Length {
		return append(dst, b[:to.Length]...)
	}
	dst = append(dst, b...)
	if to.Kind == schema.Binary && to.Length < schema.MaxLength {
		dst = append(dst, make([]byte, to.Length-len(b))...)
	}
	return dst
}

// textAppender returns the function that writes rows of v as CAST to STRING does.
func textAppender(v vec, t schema.Type, zone *time.Location) (appender, error) {
	switch t.Kind {
	case schema.Null:
		return func(dst []byte, _ int) []byte { return append(dst, "NULL"...) }, nil
	case schema.Boolean:
		x := colOf[bool](v)
		return func(dst []byte, i int) []byte {
			if x.at(i) {
				return append(dst, "TRUE"...)
			}
			return append(dst, "FALSE"...)
		}, nil
	case schema.TinyInt:
		return intAppender[int8](v), nil
	case schema.SmallInt:
		return intAppender[int16](v), nil
	case schema.Int:
		return intAppender[int32](v), nil
	case schema.BigInt:
		return intAppender[int64](v), nil
	case schema.Float:
		x := colOf[float32](v)
		return func(dst []byte, i int) []byte { return appendJavaFloat(dst, float64(x.at(i)), 32) }, nil
	case schema.Double:
		x := colOf[float64](v)
		return func(dst []byte, i int) []byte { return appendJavaFloat(dst, x.at(i), 64) }, nil
	case schema.Decimal:
		x := colOf[decimal128.Num](v)
		return func(dst []byte, i int) []byte { return appendDecimal(dst, x.at(i), t.Scale) }, nil
	case schema.Char, schema.VarChar:
		x := textOf(v)
		return func(dst []byte, i int) []byte { return append(dst, x.bytes(i)...) }, nil
	case schema.Binary, schema.VarBinary:
		x := textOf(v)
		return func(dst []byte, i int) []byte { return append(dst, bytes.ToValidUTF8(x.bytes(i), []byte("\uFFFD"))...) }, nil
	case schema.IntervalYearMonth:
		x := colOf[int64](v)
		return func(dst []byte, i int) []byte { return appendMonths(dst, x.at(i)) }, nil
	case schema.IntervalDayTime:
		x := colOf[int64](v)
		return func(dst []byte, i int) []byte { return appendMillis(dst, x.at(i)) }, nil
	default:
		if isDatetime(t) || t.Kind == schema.Time {
			return timeAppender(v, t, zone), nil
		}
		return textNotation().appender(v, t, zone)
	}
}

func intAppender[T integer](v vec) appender {
	x := colOf[T](v)
	return func(dst []byte, i int) []byte { return strconv.AppendInt(dst, int64(x.at(i)), 10) }
}

func timeAppender(v vec, t schema.Type, zone *time.Location) appender {
	switch t.Kind {
	case schema.Date:
		x := colOf[int32](v)
		return func(dst []byte, i int) []byte { return appendDate(dst, int64(x.at(i))) }
	case schema.Time:
		x := colOf[int32](v)
		return func(dst []byte, i int) []byte {
			ms := x.at(i)
			return appendClock(dst, int64(ms)/1000, int(ms%1000)*1_000_000, t.Precision)
		}
	default:
		x, perSecond := colOf[int64](v), unitsPerSecond(t)
		return func(dst []byte, i int) []byte {
			sec, nanos := splitTimestamp(x.at(i), perSecond)
			if t.Kind == schema.TimestampLTZ {
				sec += offsetAt(sec, zone)
			}
			return appendTimestamp(dst, sec, nanos, t.Precision)
		}
	}
}

func appendMonths(dst []byte, v int64) []byte {
	dst, v = appendSign(dst, v)
	dst = append(strconv.AppendInt(dst, v/12, 10), '-')
	return appendInt(dst, int(v%12), 2)
}

func appendMillis(dst []byte, v int64) []byte {
	dst, v = appendSign(dst, v)
	dst = append(strconv.AppendInt(dst, v/millisPerDay, 10), ' ')
	return appendClock(dst, v%millisPerDay/1000, int(v%1000)*1_000_000, 3)
}

func appendSign(dst []byte, v int64) ([]byte, int64) {
	if v < 0 {
		return append(dst, '-'), -v
	}
	return append(dst, '+'), v
}

// FormatDouble is the text of a DOUBLE as Java writes it: "1.0", "1.0E10", "NaN", "Infinity".
func FormatDouble(f float64) string { return string(appendJavaFloat(nil, f, 64)) }

// FormatFloat is FormatDouble for a FLOAT.
func FormatFloat(f float32) string { return string(appendJavaFloat(nil, float64(f), 32)) }

// Java writes magnitudes from 10^-3 up to 10^7 plainly, others with an exponent.
const (
	javaPlainMin = 1e-3
	javaPlainMax = 1e7
)

func appendJavaFloat(dst []byte, f float64, bits int) []byte {
	switch abs := math.Abs(f); {
	case f != f:
		return append(dst, "NaN"...)
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	case abs == 0 || abs >= javaPlainMin && abs < javaPlainMax:
		mark := len(dst)
		dst = strconv.AppendFloat(dst, f, 'f', -1, bits)
		if bytes.IndexByte(dst[mark:], '.') < 0 {
			dst = append(dst, ".0"...)
		}
		return dst
	}
	mantissa, exp, _ := strings.Cut(strconv.FormatFloat(f, 'e', -1, bits), "e")
	if !strings.Contains(mantissa, ".") {
		// Java writes two digits at least, the nearest ones: 4.9E-324, not 5.0E-324.
		mantissa, exp, _ = strings.Cut(strconv.FormatFloat(f, 'e', 1, bits), "e")
	}
	dst = append(dst, mantissa...)
	dst = append(dst, 'E')
	if exp[0] == '-' {
		dst = append(dst, '-')
	}
	return append(dst, strings.TrimLeft(exp[1:], "0")...)
}

// castFromText parses text; spaces around it do not count.
func castFromText(to schema.Type) (kernel, error) {
	switch to.Kind {
	case schema.Boolean:
		return parseFixed(func(_ *call, s string) (bool, error) { return parseBool(s) }), nil
	case schema.TinyInt:
		return parseFixed(func(_ *call, s string) (int8, error) { return parseInteger[int8](s, 8, to) }), nil
	case schema.SmallInt:
		return parseFixed(func(_ *call, s string) (int16, error) { return parseInteger[int16](s, 16, to) }), nil
	case schema.Int:
		return parseFixed(func(_ *call, s string) (int32, error) { return parseInteger[int32](s, 32, to) }), nil
	case schema.BigInt:
		return parseFixed(func(_ *call, s string) (int64, error) { return parseInteger[int64](s, 64, to) }), nil
	case schema.Float:
		return parseFixed(func(_ *call, s string) (float32, error) {
			f, err := ParseFloat(s, 32)
			return float32(f), err
		}), nil
	case schema.Double:
		return parseFixed(func(_ *call, s string) (float64, error) { return ParseFloat(s, 64) }), nil
	case schema.Decimal:
		return parseFixed(func(_ *call, s string) (decimal128.Num, error) {
			return ParseDecimal(s, to.Precision, to.Scale)
		}), nil
	case schema.Date:
		return parseFixed(func(_ *call, s string) (int32, error) { return ParseDate(s) }), nil
	case schema.Time:
		return parseFixed(func(_ *call, s string) (int32, error) {
			ms, err := ParseTime(s)
			step := int32(pow10[max(0, 3-to.Precision)])
			return ms / step * step, err
		}), nil
	case schema.Timestamp, schema.TimestampLTZ:
		return parseFixed(func(c *call, s string) (int64, error) { return ParseTimestamp(s, to, c.env.zone()) }), nil
	default:
		return func(c *call) (vec, error) {
			x := textOf(c.args[0])
			return mapText(c, func(dst []byte, i int) ([]byte, bool, error) {
				return fitBytes(dst, x.bytes(i), to), true, nil
			})
		}, nil
	}
}

func parseFixed[T fixed](parse func(c *call, s string) (T, error)) kernel {
	return func(c *call) (vec, error) {
		x := textOf(c.args[0])
		return mapFixed(c, func(i int) (T, bool, error) {
			v, err := parse(c, strings.Trim(x.string(i), " "))
			return v, true, err
		})
	}
}

func parseBool(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "t", "true", "y", "yes", "1":
		return true, nil
	case "f", "false", "n", "no", "0":
		return false, nil
	default:
		return false, fmt.Errorf("%q is not a BOOLEAN", s)
	}
}

// parseInteger reads [+-]digits[.digits]; the fraction is dropped.
func parseInteger[T integer](s string, bits int, t schema.Type) (T, error) {
	whole, frac, _ := strings.Cut(s, ".")
	n, err := strconv.ParseInt(strings.TrimPrefix(whole, "+"), 10, bits)
	if err == nil && (strings.HasPrefix(whole, "+-") || strings.Trim(frac, "0123456789") != "") {
		err = strconv.ErrSyntax
	}
	if err != nil {
		if ne, ok := err.(*strconv.NumError); ok && ne.Err == strconv.ErrRange {
			return 0, fmt.Errorf("%q does not fit %s", s, t.WithNotNull(false))
		}
		return 0, fmt.Errorf("%q is not an integer", s)
	}
	return T(n), nil
}

// ParseFloat reads a FLOAT (bits 32) or DOUBLE (bits 64) as Java does: decimal digits with an
// optional exponent, "NaN", "Infinity"; a value too large becomes infinite.
func ParseFloat(s string, bits int) (float64, error) {
	s = strings.TrimSpace(s)
	digits := strings.TrimRight(s, "fFdD")
	switch body := strings.TrimLeft(s, "+-"); {
	case len(s)-len(body) > 1:
	case body == "NaN" || body == "Infinity":
		f, err := strconv.ParseFloat(s, bits)
		if body == "NaN" {
			return math.NaN(), nil
		}
		return f, err
	case len(s)-len(digits) > 1 || strings.Trim(digits, "0123456789.eE+-") != "":
	default:
		f, err := strconv.ParseFloat(digits, bits)
		if ne, ok := err.(*strconv.NumError); ok && ne.Err == strconv.ErrRange {
			return f, nil
		}
		if err == nil {
			return f, nil
		}
	}
	return 0, fmt.Errorf("%q is not a number", s)
}
