package rowjson

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/weir-lake/weir/table/schema"
)

// setter appends one value that is not null, or a NULL and an error whose text is
// a hint beside the expected type (empty if the type says it all).
type setter func(b array.Builder, v value) error

var errType = errors.New("")

// exponentMax bounds decimal exponents, so that 1e999999999 takes no memory.
const exponentMax = 100

func setterOf(t schema.Type) (setter, error) {
	switch t.Kind {
	case schema.Boolean:
		return setBool, nil
	case schema.TinyInt:
		return intSetter(8, func(b *array.Int8Builder, n int64) { b.Append(int8(n)) }), nil
	case schema.SmallInt:
		return intSetter(16, func(b *array.Int16Builder, n int64) { b.Append(int16(n)) }), nil
	case schema.Int:
		return intSetter(32, func(b *array.Int32Builder, n int64) { b.Append(int32(n)) }), nil
	case schema.BigInt, schema.IntervalDayTime, schema.IntervalYearMonth:
		return intSetter(64, func(b *array.Int64Builder, n int64) { b.Append(n) }), nil
	case schema.Float:
		return floatSetter(32, func(b *array.Float32Builder, f float64) { b.Append(float32(f)) }), nil
	case schema.Double:
		return floatSetter(64, func(b *array.Float64Builder, f float64) { b.Append(f) }), nil
	case schema.Decimal:
		return decimalSetter(t), nil
	case schema.Char, schema.VarChar:
		return stringSetter(t), nil
	case schema.Binary, schema.VarBinary, schema.Blob:
		return binarySetter(t), nil
	case schema.Date:
		return textSetter(`"yyyy-MM-dd"`, parseDate, func(b *array.Date32Builder, n int64) { b.Append(arrow.Date32(n)) }), nil
	case schema.Time:
		return textSetter(`"HH:mm:ss"`, timeParser(t), func(b *array.Time32Builder, n int64) { b.Append(arrow.Time32(n)) }), nil
	case schema.Timestamp, schema.TimestampLTZ:
		form := `"yyyy-MM-dd HH:mm:ss"`
		if t.Kind == schema.TimestampLTZ {
			form = `"yyyy-MM-dd HH:mm:ssZ"`
		}
		return textSetter(form, timestampParser(t), func(b *array.TimestampBuilder, n int64) { b.Append(arrow.Timestamp(n)) }), nil
	case schema.Array:
		return arraySetter(t)
	case schema.Map, schema.Multiset:
		return mapSetter(t)
	case schema.Row:
		return rowSetter(t)
	default:
		return nil, fmt.Errorf("%s cannot be read from JSON", t)
	}
}

func setBool(b array.Builder, v value) error {
	bb := b.(*array.BooleanBuilder)
	switch {
	case v.kind == kindTrue || string(v.raw) == `"true"`:
		bb.Append(true)
	case v.kind == kindFalse || string(v.raw) == `"false"`:
		bb.Append(false)
	default:
		bb.AppendNull()
		return errType
	}
	return nil
}

// number is the text of a number, also of one in a string.
func number(v value) (string, bool) {
	switch v.kind {
	case kindNumber:
		return string(v.raw), true
	case kindString:
		return strings.TrimSpace(string(unquote(v.raw))), true
	default:
		return "", false
	}
}

func intSetter[B array.Builder](bits int, app func(b B, n int64)) setter {
	return func(b array.Builder, v value) error {
		text, ok := number(v)
		if !ok {
			b.AppendNull()
			return errType
		}
		n, err := strconv.ParseInt(text, 10, bits)
		if err != nil {
			b.AppendNull()
			if errors.Is(err, strconv.ErrRange) {
				return errors.New("out of range")
			}
			return errType
		}
		app(b.(B), n)
		return nil
	}
}

func floatSetter[B array.Builder](bits int, app func(b B, f float64)) setter {
	return func(b array.Builder, v value) error {
		text, ok := number(v)
		var f float64
		err := errType
		switch {
		case !ok:
		case text == "NaN":
			f, err = math.NaN(), nil
		case text == "Infinity" || text == "-Infinity":
			f, err = math.Inf(1-2*strings.Index(text, "I")), nil
		case strings.ContainsAny(text, "xXpP_iInN"): // forms of Go that are none of JSON's
		default:
			f, err = strconv.ParseFloat(text, bits)
			if errors.Is(err, strconv.ErrRange) {
				err = errors.New("out of range")
			} else if err != nil {
				err = errType
			}
		}
		if err != nil {
			b.AppendNull()
			return err
		}
		app(b.(B), f)
		return nil
	}
}

func decimalSetter(t schema.Type) setter {
	return func(b array.Builder, v value) error {
		db := b.(*array.Decimal128Builder)
		text, ok := number(v)
		if !ok {
			db.AppendNull()
			return errType
		}
		n, err := parseDecimal(text, t.Precision, t.Scale)
		if err != nil {
			db.AppendNull()
			return err
		}
		db.Append(n)
		return nil
	}
}

// parseDecimal is exact: a value with more digits than the type holds is refused.
func parseDecimal(text string, precision, scale int) (decimal128.Num, error) {
	mantissa, exp, hasExp := strings.Cut(strings.ToLower(text), "e")
	e := 0
	if hasExp {
		var err error
		if e, err = strconv.Atoi(exp); err != nil || e > exponentMax || e < -exponentMax {
			return decimal128.Num{}, errType
		}
	}
	whole, frac, _ := strings.Cut(mantissa, ".")
	digits := whole + frac
	if sign := strings.TrimLeft(digits, "+-"); len(digits)-len(sign) > 1 || strings.Trim(sign, "0123456789") != "" || sign == "" || len(sign) > 2*exponentMax {
		return decimal128.Num{}, errType
	}
	n, ok := new(big.Int).SetString(digits, 10)
	if !ok {
		return decimal128.Num{}, errType
	}
	shift := scale - len(frac) + e
	ten := big.NewInt(10)
	if shift >= 0 {
		n.Mul(n, ten.Exp(ten, big.NewInt(int64(shift)), nil))
	} else {
		var rest big.Int
		n.QuoRem(n, ten.Exp(ten, big.NewInt(int64(-shift)), nil), &rest)
		if rest.Sign() != 0 {
			return decimal128.Num{}, fmt.Errorf("more than %d fraction digits", scale)
		}
	}
	if n.BitLen() > 127 {
		return decimal128.Num{}, errors.New("out of range")
	}
	out := decimal128.FromBigInt(n)
	if !out.FitsInPrecision(int32(precision)) {
		return decimal128.Num{}, errors.New("out of range")
	}
	return out, nil
}

func stringSetter(t schema.Type) setter {
	return func(b array.Builder, v value) error {
		sb := b.(*array.StringBuilder)
		if v.kind != kindString {
			sb.AppendNull()
			return errType
		}
		s := unquote(v.raw)
		if t.Length < schema.MaxLength && len(s) > t.Length && utf8.RuneCount(s) > t.Length {
			sb.AppendNull()
			return fmt.Errorf("%d characters", utf8.RuneCount(s))
		}
		sb.BinaryBuilder.Append(s)
		return nil
	}
}

func binarySetter(t schema.Type) setter {
	return func(b array.Builder, v value) error {
		bb := b.(*array.BinaryBuilder)
		if v.kind != kindString {
			bb.AppendNull()
			return errors.New("base64 string")
		}
		data, err := base64.StdEncoding.DecodeString(string(unquote(v.raw)))
		if err != nil {
			bb.AppendNull()
			return errors.New("base64 string")
		}
		if t.Kind != schema.Blob && len(data) > t.Length {
			bb.AppendNull()
			return fmt.Errorf("%d bytes", len(data))
		}
		bb.Append(data)
		return nil
	}
}

func textSetter[B array.Builder](form string, parse func(string) (int64, error), app func(b B, n int64)) setter {
	return func(b array.Builder, v value) error {
		if v.kind != kindString {
			b.AppendNull()
			return errors.New(form)
		}
		n, err := parse(string(unquote(v.raw)))
		if err != nil {
			b.AppendNull()
			if err == errType {
				err = errors.New(form)
			}
			return err
		}
		app(b.(B), n)
		return nil
	}
}

func parseDate(s string) (int64, error) {
	at, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return 0, errType
	}
	return at.Unix() / 86400, nil
}

func timeParser(t schema.Type) func(string) (int64, error) {
	return func(s string) (int64, error) {
		nanos, rest, err := clock(s, t.Precision)
		if err != nil || rest != "" {
			return 0, orType(err)
		}
		return nanos / 1e6, nil
	}
}

func orType(err error) error {
	if err == nil {
		return errType
	}
	return err
}

// clock reads HH:mm:ss with up to nine fraction digits and returns nanoseconds of
// the day and what follows. Digits beyond the precision must be zeros.
func clock(s string, precision int) (nanos int64, rest string, err error) {
	if len(s) < 8 || s[2] != ':' || s[5] != ':' {
		return 0, "", errType
	}
	var part [3]int64
	for i := range part {
		n, err := strconv.ParseUint(s[3*i:3*i+2], 10, 8)
		if err != nil {
			return 0, "", errType
		}
		part[i] = int64(n)
	}
	if part[0] > 23 || part[1] > 59 || part[2] > 59 {
		return 0, "", errType
	}
	nanos = (part[0]*3600 + part[1]*60 + part[2]) * 1e9
	rest = s[8:]
	if rest == "" || rest[0] != '.' {
		return nanos, rest, nil
	}
	unit, n := int64(1e8), 0
	for rest = rest[1:]; rest != "" && rest[0] >= '0' && rest[0] <= '9'; rest = rest[1:] {
		if n >= precision && rest[0] != '0' {
			return 0, "", fmt.Errorf("more than %d fraction digits", precision)
		}
		nanos += int64(rest[0]-'0') * unit
		unit /= 10
		n++
	}
	if n == 0 {
		return 0, "", errType
	}
	return nanos, rest, nil
}

func timestampParser(t schema.Type) func(string) (int64, error) {
	return func(s string) (int64, error) {
		if len(s) < 19 || s[10] != ' ' && s[10] != 'T' {
			return 0, errType
		}
		day, err := time.Parse(time.DateOnly, s[:10])
		if err != nil {
			return 0, errType
		}
		nanos, rest, err := clock(s[11:], t.Precision)
		if err != nil {
			return 0, err
		}
		offset, err := zone(rest, t.Kind == schema.TimestampLTZ)
		if err != nil {
			return 0, err
		}
		return toUnit(day.Unix()-offset, nanos, t.TimestampUnit())
	}
}

// zone reads Z or +hh:mm, in seconds east of UTC. LTZ without a zone is UTC.
func zone(s string, ltz bool) (int64, error) {
	switch {
	case s == "":
		return 0, nil
	case !ltz:
		return 0, errors.New("without time zone")
	case s == "Z":
		return 0, nil
	}
	at, err := time.Parse("-07:00", s)
	if err != nil {
		return 0, errType
	}
	_, off := at.Zone()
	return int64(off), nil
}

func toUnit(seconds, nanos int64, unit arrow.TimeUnit) (int64, error) {
	per := int64(1e9) / int64(unit.Multiplier())
	base := seconds * per
	if seconds != 0 && base/seconds != per {
		return 0, errors.New("out of range: 1677-09-21 to 2262-04-11")
	}
	sum := base + nanos/(1e9/per)
	if base > 0 && sum < 0 {
		return 0, errors.New("out of range: 1677-09-21 to 2262-04-11")
	}
	return sum, nil
}
