package bind

import (
	"encoding/hex"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/sql"
	"github.com/weir-lake/weir/table/schema"
)

// literal types a constant as Flink does: 'abc' is CHAR(3), 1 INT, 1.50 DECIMAL(3, 2),
// TIMESTAMP '.. 12:00:00.5' TIMESTAMP(1); all NOT NULL but NULL.
func (b *binder) literal(l *sql.Literal) (*expr.Literal, error) {
	switch l.Kind {
	case sql.LitNull:
		return &expr.Literal{T: schema.TNull}, nil
	case sql.LitUnknown:
		return &expr.Literal{T: schema.TBoolean}, nil
	case sql.LitTrue, sql.LitFalse:
		return constant(l.Kind == sql.LitTrue, schema.TBoolean), nil
	case sql.LitNumber:
		return b.number(l)
	case sql.LitApprox:
		f, err := strconv.ParseFloat(l.Text, 64)
		if err != nil {
			return nil, b.fail(l.At, ErrType, "number %s is out of the range of DOUBLE", l.Text)
		}
		return constant(f, schema.TDouble), nil
	case sql.LitString:
		return stringLiteral(l.Text), nil
	case sql.LitBytes:
		data, err := hex.DecodeString(l.Text)
		if err != nil {
			return nil, b.fail(l.At, ErrType, "binary string: %v", err)
		}
		return constant(data, schema.Type{Kind: schema.Binary, Length: max(1, len(data))}), nil
	default:
		return b.timeLiteral(l)
	}
}

func constant(v any, t schema.Type) *expr.Literal {
	return &expr.Literal{Value: v, T: t.WithNotNull(true)}
}

// stringLiteral is CHAR(n); the empty string, for which no CHAR exists, is a STRING.
func stringLiteral(s string) *expr.Literal {
	n := 0
	for range s {
		n++
	}
	if n == 0 {
		return constant(s, schema.TString)
	}
	return constant(s, schema.Type{Kind: schema.Char, Length: n})
}

// maxDecimalDigits is the most digits a DECIMAL holds.
const maxDecimalDigits = 38

// number is INT, BIGINT or DECIMAL by its digits.
func (b *binder) number(l *sql.Literal) (*expr.Literal, error) {
	whole, frac, dotted := strings.Cut(l.Text, ".")
	if !dotted {
		n, err := strconv.ParseInt(whole, 10, 64)
		switch {
		case err == nil && n <= 1<<31-1:
			return constant(n, schema.TInt), nil
		case err == nil:
			return constant(n, schema.TBigInt), nil
		}
	}
	// As in Flink, leading zeros count: 0.5 is DECIMAL(2, 1), .5 is DECIMAL(1, 1).
	digits := whole + frac
	precision := max(len(digits), 1)
	if precision > maxDecimalDigits {
		return nil, b.failHint(l.At, ErrType, "write it as a DOUBLE, such as 1e40", "number %s has more than 38 digits", l.Text)
	}
	v, ok := new(big.Int).SetString(digits, 10)
	if !ok {
		return nil, b.fail(l.At, ErrType, "number %s is malformed", l.Text)
	}
	return constant(decimal128.FromBigInt(v), schema.TDecimal(precision, len(frac))), nil
}

// timeLayouts of Flink's literals; fractions are cut off before.
const (
	dateLayout      = "2006-01-02"
	timestampLayout = "2006-01-02 15:04:05"
	timeLayout      = "15:04:05"
)

func (b *binder) timeLiteral(l *sql.Literal) (*expr.Literal, error) {
	text, frac, dotted := strings.Cut(l.Text, ".")
	bad := func(want string) error {
		return b.failHint(l.At, ErrType, "write it as "+want, "'%s' is no valid value", l.Text)
	}
	if dotted && (len(frac) == 0 || len(frac) > 9 || strings.Trim(frac, "0123456789") != "") {
		return nil, bad("TIMESTAMP '2020-01-01 12:00:00.123', with at most 9 fraction digits")
	}
	nanos, _ := strconv.ParseInt((frac + "000000000")[:9], 10, 64)
	switch l.Kind {
	case sql.LitDate:
		t, err := time.Parse(dateLayout, l.Text)
		if err != nil {
			return nil, bad("DATE '2020-01-31'")
		}
		return constant(t.Unix()/86400, schema.TDate), nil
	case sql.LitTime:
		t, err := time.Parse(timeLayout, text)
		if err != nil {
			return nil, bad("TIME '12:00:00'")
		}
		ms := int64(t.Hour()*3600+t.Minute()*60+t.Second())*1000 + nanos/1e6
		return constant(ms, schema.TTime(min(len(frac), 3))), nil
	default:
		t, err := time.Parse(timestampLayout, text)
		if err != nil {
			return nil, bad("TIMESTAMP '2020-01-31 12:00:00'")
		}
		typ := schema.TTimestamp(len(frac))
		v, ok := timestampValue(t.Add(time.Duration(nanos)), typ)
		if !ok {
			return nil, bad("a timestamp between 1677-09-21 and 2262-04-11 where it has more than 6 fraction digits")
		}
		return constant(v, typ), nil
	}
}

// timestampValue is the instant in the Arrow unit of the type.
func timestampValue(t time.Time, typ schema.Type) (int64, bool) {
	switch {
	case typ.Precision <= 3:
		return t.UnixMilli(), true
	case typ.Precision <= 6:
		return t.UnixMicro(), true
	default:
		n := t.UnixNano()
		return n, time.Unix(0, n).Equal(t)
	}
}

// Milliseconds and months of the units of intervals.
var (
	unitMillis = map[string]int64{"WEEK": 7 * 86400_000, "DAY": 86400_000, "HOUR": 3600_000, "MINUTE": 60_000, "SECOND": 1000}
	unitMonths = map[string]int64{"YEAR": 12, "QUARTER": 3, "MONTH": 1}
)

// Interval is the value of an interval literal: months, or milliseconds. Text is what it was parsed from.
func Interval(text string, i *sql.Interval) (value int64, months bool, err error) {
	b := &binder{text: text}
	l, err := b.interval(i)
	if err != nil {
		return 0, false, err
	}
	return l.Value.(int64), l.T.Kind == schema.IntervalYearMonth, nil
}

func (b *binder) interval(i *sql.Interval) (*expr.Literal, error) {
	bad := func() error {
		return b.failHint(i.At, ErrType, "write it as INTERVAL '1' DAY, INTERVAL '1.5' SECOND, INTERVAL '1-6' YEAR TO MONTH or INTERVAL '1 02:03:04' DAY TO SECOND",
			"'%s' is no valid interval of %s", i.Value, strings.TrimSuffix(i.From+" TO "+i.To, " TO "))
	}
	text := strings.TrimSpace(i.Value)
	negative := i.Negative
	if strings.HasPrefix(text, "-") {
		negative, text = !negative, text[1:]
	}
	text = strings.TrimPrefix(text, "+")
	parts := []string{text}
	if i.To != "" {
		parts = strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ':' || r == '-' })
	}
	order := []string{"YEAR", "MONTH"}
	if unitMonths[i.From] == 0 {
		order = []string{"DAY", "HOUR", "MINUTE", "SECOND"}
	}
	units := unitRange(order, i.From, i.To)
	if len(units) != len(parts) {
		return nil, bad()
	}
	total, ok := sumUnits(parts, units)
	if !ok {
		return nil, bad()
	}
	if negative {
		total = -total
	}
	kind := schema.IntervalDayTime
	if unitMonths[i.From] != 0 {
		kind = schema.IntervalYearMonth
	}
	return constant(total, schema.Type{Kind: kind}), nil
}

// unitRange lists the units from..to; from alone if to is empty.
func unitRange(order []string, from, to string) []string {
	if to == "" {
		return []string{from}
	}
	var out []string
	for _, u := range order {
		if u == from || len(out) > 0 {
			out = append(out, u)
		}
		if u == to {
			break
		}
	}
	return out
}

// maxIntervalParts bounds each number of an interval so that sums stay far from overflow.
const maxIntervalPart = int64(1e10)

func sumUnits(parts, units []string) (int64, bool) {
	var total int64
	for k, p := range parts {
		whole, frac, dotted := strings.Cut(p, ".")
		if dotted && (units[k] != "SECOND" || len(frac) == 0 || strings.Trim(frac, "0123456789") != "") {
			return 0, false
		}
		n, err := strconv.ParseInt(whole, 10, 64)
		if err != nil || n < 0 || n > maxIntervalPart || whole[0] == '+' {
			return 0, false
		}
		if m := unitMonths[units[k]]; m != 0 {
			total += n * m
			continue
		}
		total += n * unitMillis[units[k]]
		if dotted {
			ms, _ := strconv.ParseInt((frac + "000")[:3], 10, 64)
			total += ms
		}
	}
	return total, true
}
