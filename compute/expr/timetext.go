package expr

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weir-lake/weir/table/schema"
)

const (
	secondsPerDay = 86400
	millisPerDay  = secondsPerDay * 1000
	nanosPerSec   = 1_000_000_000
)

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

func floorMod(a, b int64) int64 { return a - floorDiv(a, b)*b }

// unitsPerSecond is how many steps of a TIMESTAMP's Arrow unit make a second.
func unitsPerSecond(t schema.Type) int64 {
	switch t.TimestampUnit() {
	case arrow.Millisecond:
		return 1000
	case arrow.Microsecond:
		return 1_000_000
	default:
		return nanosPerSec
	}
}

// civil is a date of the proleptic Gregorian calendar.
type civil struct{ year, month, day int }

// civilOf converts days since 1970-01-01. It works in eras of 400 years that start in March,
// so that the leap day ends a year.
func civilOf(days int64) civil {
	z := days + 719468
	era := floorDiv(z, 146097)
	doe := z - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	c := civil{year: int(yoe + era*400), month: int(mp + 3), day: int(doy - (153*mp+2)/5 + 1)}
	if c.month > 12 {
		c.month -= 12
		c.year++
	}
	return c
}

// days is the inverse of civilOf. Months outside 1..12 carry into the year.
func (c civil) days() int64 {
	y, m := int64(c.year)+floorDiv(int64(c.month)-1, 12), floorMod(int64(c.month)-1, 12)+1
	if m <= 2 {
		y--
	}
	era := floorDiv(y, 400)
	yoe := y - era*400
	mp := (m + 9) % 12
	doy := (153*mp+2)/5 + int64(c.day) - 1
	return era*146097 + yoe*365 + yoe/4 - yoe/100 + doy - 719468
}

func daysInMonth(year, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	default:
		return 31
	}
}

// appendInt appends v with at least width digits.
func appendInt(dst []byte, v, width int) []byte {
	if v < 0 {
		dst = append(dst, '-')
		v = -v
	}
	digits := 1
	for x := v; x >= 10; x /= 10 {
		digits++
	}
	for range width - digits {
		dst = append(dst, '0')
	}
	return strconv.AppendInt(dst, int64(v), 10)
}

func appendDate(dst []byte, days int64) []byte {
	c := civilOf(days)
	dst = append(appendInt(dst, c.year, 4), '-')
	dst = append(appendInt(dst, c.month, 2), '-')
	return appendInt(dst, c.day, 2)
}

// appendClock appends HH:mm:ss of a second of the day and precision digits of the nanoseconds.
func appendClock(dst []byte, sec int64, nanos, precision int) []byte {
	dst = append(appendInt(dst, int(sec/3600), 2), ':')
	dst = append(appendInt(dst, int(sec/60%60), 2), ':')
	dst = appendInt(dst, int(sec%60), 2)
	if precision > 0 {
		digits := fmt.Sprintf("%09d", nanos)
		dst = append(append(dst, '.'), digits[:precision]...)
	}
	return dst
}

// appendTimestamp appends "yyyy-MM-dd HH:mm:ss" and precision fraction digits.
func appendTimestamp(dst []byte, sec int64, nanos, precision int) []byte {
	dst = append(appendDate(dst, floorDiv(sec, secondsPerDay)), ' ')
	return appendClock(dst, floorMod(sec, secondsPerDay), nanos, precision)
}

// FormatDate is the text of a DATE, "yyyy-MM-dd".
func FormatDate(days int32) string { return string(appendDate(nil, int64(days))) }

// FormatTime is the text of a TIME(precision) of millis milliseconds: "HH:mm:ss" and fraction digits.
func FormatTime(millis int32, precision int) string {
	return string(appendClock(nil, int64(millis)/1000, int(millis%1000)*1_000_000, precision))
}

// FormatTimestamp is the text of a TIMESTAMP or TIMESTAMP_LTZ value of type t, given in t's
// Arrow unit, as CAST to STRING makes it: a TIMESTAMP_LTZ in zone (nil means UTC).
func FormatTimestamp(v int64, t schema.Type, zone *time.Location) string {
	sec, nanos := splitTimestamp(v, unitsPerSecond(t))
	if t.Kind == schema.TimestampLTZ {
		sec += offsetAt(sec, zone)
	}
	return string(appendTimestamp(nil, sec, nanos, t.Precision))
}

// splitTimestamp is the second since the epoch and the nanoseconds in it.
func splitTimestamp(v, perSecond int64) (sec int64, nanos int) {
	sec = floorDiv(v, perSecond)
	return sec, int((v - sec*perSecond) * (nanosPerSec / perSecond))
}

// ErrTimestampRange: a timestamp lies outside what its unit can hold.
var ErrTimestampRange = errors.New("timestamp out of range")

// joinTimestamp is the inverse of splitTimestamp; digits the unit lacks are cut off.
func joinTimestamp(sec int64, nanos int, perSecond int64) (int64, error) {
	const room = 1<<63 - 1
	if sec > room/perSecond-1 || sec < -(room/perSecond-1) {
		return 0, ErrTimestampRange
	}
	return sec*perSecond + int64(nanos)/(nanosPerSec/perSecond), nil
}

// cutFraction drops the fraction digits a precision has not.
func cutFraction(nanos, precision int) int {
	if precision >= 9 {
		return nanos
	}
	p := int(pow10[9-precision])
	return nanos / p * p
}

// ParseDate reads a DATE as CAST does: "yyyy-[M]M-[d]d", "yyyy-M" or "yyyy"; what follows a space is ignored.
func ParseDate(s string) (int32, error) {
	text, _, _ := strings.Cut(s, " ")
	if strings.HasPrefix(s, " ") {
		text = s
	}
	parts := strings.SplitN(text, "-", 3)
	c := civil{month: 1, day: 1}
	for i, p := range []*int{&c.year, &c.month, &c.day} {
		if i >= len(parts) {
			break
		}
		n, err := parseDigits(strings.TrimSpace(parts[i]))
		if err != nil {
			return 0, fmt.Errorf("%q is not a date; write yyyy-MM-dd", s)
		}
		*p = n
	}
	if !validDate(c) {
		return 0, fmt.Errorf("%q is not a date of the calendar", s)
	}
	return int32(c.days()), nil
}

func validDate(c civil) bool {
	return c.year >= 0 && c.year <= 9999 && c.month >= 1 && c.month <= 12 && c.day >= 1 && c.day <= daysInMonth(c.year, c.month)
}

// parseDigits reads one to nine decimal digits.
func parseDigits(s string) (int, error) {
	if len(s) == 0 || len(s) > 9 || strings.Trim(s, "0123456789") != "" {
		return 0, strconv.ErrSyntax
	}
	return strconv.Atoi(s)
}

// ParseTime reads a TIME as CAST does, "HH[:mm[:ss[.fraction]]]", in milliseconds.
func ParseTime(s string) (int32, error) {
	clock, frac, _ := strings.Cut(strings.TrimSpace(s), ".")
	parts := strings.Split(clock, ":")
	units := [3]int{}
	bad := len(parts) > 3 || frac != "" && len(parts) < 3
	for i := 0; i < len(parts) && !bad; i++ {
		var err error
		units[i], err = parseDigits(strings.TrimSpace(parts[i]))
		bad = err != nil
	}
	nanos, err := parseFraction(frac)
	if bad || err != nil || units[0] > 23 || units[1] > 59 || units[2] > 59 {
		return 0, fmt.Errorf("%q is not a time; write HH:mm:ss", s)
	}
	return int32((units[0]*3600+units[1]*60+units[2])*1000 + nanos/1_000_000), nil
}

// parseFraction reads up to nine digits as nanoseconds.
func parseFraction(frac string) (int, error) {
	if frac == "" {
		return 0, nil
	}
	n, err := parseDigits(frac)
	if err != nil {
		return 0, err
	}
	return n * int(pow10[9-len(frac)]), nil
}

// ParseTimestamp reads "yyyy-[M]M-[d]d[ [H]H:[m]m:[s]s[.fraction]]" as a TIMESTAMP of type t, in
// t's Arrow unit; digits beyond its precision are cut off. The text of a TIMESTAMP_LTZ is
// local time in zone (nil means UTC).
func ParseTimestamp(s string, t schema.Type, zone *time.Location) (int64, error) {
	sec, nanos, err := parseTimestampText(s)
	if err != nil {
		return 0, err
	}
	if t.Kind == schema.TimestampLTZ {
		sec = localToUTC(sec, zone)
	}
	v, err := joinTimestamp(sec, cutFraction(nanos, t.Precision), unitsPerSecond(t))
	if err != nil {
		return 0, fmt.Errorf("%q: %w", s, err)
	}
	return v, nil
}

func parseTimestampText(s string) (sec int64, nanos int, err error) {
	bad := func() (int64, int, error) {
		return 0, 0, fmt.Errorf("%q is not a timestamp; write yyyy-MM-dd HH:mm:ss", s)
	}
	date, clock, hasClock := strings.Cut(strings.TrimSpace(s), " ")
	parts := strings.Split(date, "-")
	if len(parts) != 3 || len(parts[0]) != 4 {
		return bad()
	}
	var c civil
	if c.year, err = parseDigits(parts[0]); err != nil {
		return bad()
	}
	if c.month, err = parseShort(parts[1]); err != nil {
		return bad()
	}
	if c.day, err = parseShort(parts[2]); err != nil {
		return bad()
	}
	if !validDate(c) {
		return 0, 0, fmt.Errorf("%q is not a date of the calendar", s)
	}
	sec = c.days() * secondsPerDay
	if !hasClock {
		return sec, 0, nil
	}
	hms, frac, hasFrac := strings.Cut(clock, ".")
	parts = strings.Split(hms, ":")
	if len(parts) != 3 || hasFrac && frac == "" {
		return bad()
	}
	limits := [3]int{23, 59, 59}
	units := [3]int{}
	for i, p := range parts {
		if units[i], err = parseShort(p); err != nil || units[i] > limits[i] {
			return bad()
		}
	}
	if nanos, err = parseFraction(frac); err != nil {
		return bad()
	}
	return sec + int64(units[0]*3600+units[1]*60+units[2]), nanos, nil
}

// parseShort reads one or two digits.
func parseShort(s string) (int, error) {
	if len(s) > 2 {
		return 0, strconv.ErrSyntax
	}
	return parseDigits(s)
}

// offsetAt is zone's offset from UTC at an instant, in seconds.
func offsetAt(sec int64, zone *time.Location) int64 {
	if zone == nil || zone == time.UTC {
		return 0
	}
	_, off := time.Unix(sec, 0).In(zone).Zone()
	return int64(off)
}

// localToUTC finds the instant of a local time. A time that occurs twice is the first of the
// two; one that is skipped is moved on by the length of the gap. Both as java.time does.
func localToUTC(local int64, zone *time.Location) int64 {
	if zone == nil || zone == time.UTC {
		return local
	}
	before, after := offsetAt(local-secondsPerDay, zone), offsetAt(local+secondsPerDay, zone)
	early, late := local-before, local-after
	if offsetAt(early, zone) != before && offsetAt(late, zone) == after {
		return late
	}
	return early
}

// LoadZone finds a time zone by its name in the IANA database ("Europe/Zurich") or by its
// offset ("+08:00", "GMT-8", "UTC+01:30").
func LoadZone(name string) (*time.Location, error) {
	offset := strings.TrimPrefix(strings.TrimPrefix(name, "GMT"), "UTC")
	if offset == "" && name != "" || name == "Z" {
		return time.UTC, nil
	}
	if offset != "" && (offset[0] == '+' || offset[0] == '-') {
		hour, minute, _ := strings.Cut(offset[1:], ":")
		if minute == "" && len(hour) == 4 {
			hour, minute = hour[:2], hour[2:]
		}
		if minute == "" {
			minute = "0"
		}
		h, err1 := parseShort(hour)
		m, err2 := parseShort(minute)
		if err1 != nil || err2 != nil || h > 18 || m > 59 {
			return nil, fmt.Errorf("unknown time zone %q", name)
		}
		sec := h*3600 + m*60
		if offset[0] == '-' {
			sec = -sec
		}
		return time.FixedZone(name, sec), nil
	}
	if name == "" || name == "Local" {
		return nil, fmt.Errorf("unknown time zone %q", name)
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("unknown time zone %q", name)
	}
	return loc, nil
}
