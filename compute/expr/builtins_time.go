package expr

import "github.com/weir-lake/weir/table/schema"

// timeBuiltins are functions of dates and times. Units are YEAR, QUARTER, MONTH, WEEK, DAY,
// HOUR, MINUTE, SECOND, MILLISECOND, MICROSECOND, NANOSECOND and, for EXTRACT, DECADE,
// CENTURY, MILLENNIUM, DOW, DOY, ISODOW, ISOYEAR, EPOCH too.
func timeBuiltins() []builtin {
	return []builtin{
		{sig: "EXTRACT(SYMBOL, DATETIME) BIGINT | EXTRACT(SYMBOL, TIME) BIGINT | EXTRACT(SYMBOL, INTERVAL) BIGINT", volatile: true},
		{sig: "YEAR(DATETIME) BIGINT", volatile: true},
		{sig: "QUARTER(DATETIME) BIGINT", volatile: true},
		{sig: "MONTH(DATETIME) BIGINT", volatile: true},
		{sig: "WEEK(DATETIME) BIGINT", volatile: true},
		{sig: "DAYOFYEAR(DATETIME) BIGINT", volatile: true},
		{sig: "DAYOFMONTH(DATETIME) BIGINT", volatile: true},
		{sig: "DAYOFWEEK(DATETIME) BIGINT", volatile: true},
		{sig: "HOUR(DATETIME) BIGINT | HOUR(TIME) BIGINT", volatile: true},
		{sig: "MINUTE(DATETIME) BIGINT | MINUTE(TIME) BIGINT", volatile: true},
		{sig: "SECOND(DATETIME) BIGINT | SECOND(TIME) BIGINT", volatile: true},
		{sig: "DATE_FORMAT(TIMESTAMP, STRING) STRING? | DATE_FORMAT(STRING, STRING) STRING?", volatile: true},
		{sig: "TO_DATE(STRING [, STRING]) DATE?"},
		{sig: "TO_TIMESTAMP(STRING [, STRING]) TIMESTAMP3?"},
		{sig: "TO_TIMESTAMP_LTZ(NUMERIC [, INTEGER]) LTZ3? | TO_TIMESTAMP_LTZ(STRING [, STRING, STRING]) LTZ3?"},
		{sig: "UNIX_TIMESTAMP() BIGINT | UNIX_TIMESTAMP(STRING [, STRING]) BIGINT", volatile: true},
		{sig: "FROM_UNIXTIME(INTEGER [, STRING]) STRING?", volatile: true},
		{sig: "TIMESTAMPADD(SYMBOL, INTEGER, DATETIME) -", bind: bindTimestampAdd},
		{sig: "TIMESTAMPDIFF(SYMBOL, DATETIME, DATETIME) INT", bind: bindTimestampDiff, volatile: true},
		{sig: "CONVERT_TZ(STRING, STRING, STRING) STRING?"},
		{sig: "OVERLAPS(DATETIME, ANY, DATETIME, ANY) BOOLEAN", bind: bindOverlaps, volatile: true},
		{sig: "CURRENT_DATE() DATE", volatile: true},
		{sig: "CURRENT_TIME() TIME", aliases: []string{"LOCALTIME"}, volatile: true},
		{sig: "CURRENT_TIMESTAMP() LTZ3", aliases: []string{"CURRENT_ROW_TIMESTAMP"}, volatile: true},
		{sig: "NOW() LTZ3", volatile: true},
		{sig: "PROCTIME() LTZ3", volatile: true},
		{sig: "LOCALTIMESTAMP() TIMESTAMP3", volatile: true},
		{sig: "CURRENT_WATERMARK(DATETIME) -", bind: bindWatermark, nulls: true, volatile: true},
	}
}

// subDayUnits are the units that turn a DATE into a TIMESTAMP when added.
func isSubDayUnit(unit string) bool {
	switch unit {
	case "HOUR", "MINUTE", "SECOND", "MILLISECOND", "MICROSECOND", "NANOSECOND":
		return true
	default:
		return false
	}
}

// bindTimestampAdd keeps the type, but a DATE plus hours or less is a TIMESTAMP.
func bindTimestampAdd(args []schema.Type, lits []*Literal) (schema.Type, []schema.Type, bool) {
	t := args[2]
	if t.Kind == schema.Null {
		t = schema.TTimestamp(3)
	}
	if t.Kind == schema.Date && lits[0] != nil {
		if unit, ok := lits[0].Value.(string); ok && isSubDayUnit(unit) {
			t = schema.TTimestamp(0)
		}
	}
	want := []schema.Type{args[0], schema.TBigInt.WithNotNull(args[1].NotNull), t.WithNotNull(args[2].NotNull)}
	return t.WithNotNull(allNotNull(args)), want, true
}

// bindTimestampDiff compares both in one type.
func bindTimestampDiff(args []schema.Type, _ []*Literal) (schema.Type, []schema.Type, bool) {
	t, ok := CommonType(args[1], args[2])
	if !ok {
		return schema.Type{}, nil, false
	}
	if t.Kind == schema.Null {
		t = schema.TTimestamp(3)
	}
	want := []schema.Type{args[0], t.WithNotNull(args[1].NotNull), t.WithNotNull(args[2].NotNull)}
	return schema.TInt.WithNotNull(allNotNull(args)), want, true
}

// bindOverlaps accepts (start, end, start, end) and (start, interval, start, interval).
func bindOverlaps(args []schema.Type, _ []*Literal) (schema.Type, []schema.Type, bool) {
	want := append([]schema.Type(nil), args...)
	for _, i := range []int{1, 3} {
		if isInterval(args[i]) {
			continue
		}
		if !isDatetime(args[i]) {
			return schema.Type{}, nil, false
		}
	}
	return schema.TBoolean.WithNotNull(allNotNull(args)), want, true
}

func bindWatermark(args []schema.Type, _ []*Literal) (schema.Type, []schema.Type, bool) {
	t := args[0]
	if !t.IsTimestamp() {
		return schema.Type{}, nil, false
	}
	t.Precision = 3
	return t.WithNotNull(false), args, true
}
