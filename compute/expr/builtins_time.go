package expr

import "github.com/weir-lake/weir/table/schema"

// timeBuiltins are functions of dates and times. Units are YEAR, QUARTER, MONTH, WEEK, DAY,
// HOUR, MINUTE, SECOND, MILLISECOND, MICROSECOND, NANOSECOND and, for EXTRACT, DECADE,
// CENTURY, MILLENNIUM, DOW, DOY, ISODOW, ISOYEAR, EPOCH too.
func timeBuiltins() []builtin {
	return []builtin{
		{sig: "EXTRACT(SYMBOL, DATETIME) BIGINT | EXTRACT(SYMBOL, TIME) BIGINT | EXTRACT(SYMBOL, INTERVAL) BIGINT", prep: prepExtract, zoned: true},
		{sig: "YEAR(DATETIME) BIGINT", prep: prepExtract, zoned: true},
		{sig: "QUARTER(DATETIME) BIGINT", prep: prepExtract, zoned: true},
		{sig: "MONTH(DATETIME) BIGINT", prep: prepExtract, zoned: true},
		{sig: "WEEK(DATETIME) BIGINT", prep: prepExtract, zoned: true},
		{sig: "DAYOFYEAR(DATETIME) BIGINT", prep: prepExtract, zoned: true},
		{sig: "DAYOFMONTH(DATETIME) BIGINT", prep: prepExtract, zoned: true},
		{sig: "DAYOFWEEK(DATETIME) BIGINT", prep: prepExtract, zoned: true},
		{sig: "HOUR(DATETIME) BIGINT | HOUR(TIME) BIGINT", prep: prepExtract, zoned: true},
		{sig: "MINUTE(DATETIME) BIGINT | MINUTE(TIME) BIGINT", prep: prepExtract, zoned: true},
		{sig: "SECOND(DATETIME) BIGINT | SECOND(TIME) BIGINT", prep: prepExtract, zoned: true},
		{sig: "DATE_FORMAT(TIMESTAMP, STRING) STRING? | DATE_FORMAT(STRING, STRING) STRING?", prep: prepDateFormat, zoned: true},
		{sig: "TO_DATE(STRING [, STRING]) DATE?", prep: prepToDate},
		{sig: "TO_TIMESTAMP(STRING [, STRING]) TIMESTAMP3?", prep: prepToTimestamp},
		{sig: "TO_TIMESTAMP_LTZ(NUMERIC [, INTEGER]) LTZ3? | TO_TIMESTAMP_LTZ(STRING [, STRING, STRING]) LTZ3?", prep: prepToTimestampLTZ},
		{sig: "UNIX_TIMESTAMP() BIGINT | UNIX_TIMESTAMP(STRING [, STRING]) BIGINT", prep: prepUnixTimestamp, volatile: true},
		{sig: "FROM_UNIXTIME(INTEGER [, STRING]) STRING?", prep: prepFromUnixtime, volatile: true},
		{sig: "TIMESTAMPADD(SYMBOL, INTEGER, DATETIME) -", prep: prepTimestampAdd, bind: bindTimestampAdd},
		{sig: "TIMESTAMPDIFF(SYMBOL, DATETIME, DATETIME) INT", prep: prepTimestampDiff, bind: bindTimestampDiff, zoned: true},
		{sig: "CONVERT_TZ(STRING, STRING, STRING) STRING?", prep: run(evalConvertTZ)},
		{sig: "OVERLAPS(DATETIME, ANY, DATETIME, ANY) BOOLEAN", prep: prepOverlaps, bind: bindOverlaps, zoned: true},
		{sig: "CURRENT_DATE() DATE", prep: prepClock, volatile: true},
		{sig: "CURRENT_TIME() TIME", prep: prepClock, aliases: []string{"LOCALTIME"}, volatile: true},
		{sig: "CURRENT_TIMESTAMP() LTZ3", prep: prepClock, aliases: []string{"CURRENT_ROW_TIMESTAMP"}, volatile: true},
		{sig: "NOW() LTZ3", prep: prepClock, volatile: true},
		{sig: "PROCTIME() LTZ3", prep: prepClock, volatile: true},
		{sig: "LOCALTIMESTAMP() TIMESTAMP3", prep: prepClock, volatile: true},
		{sig: "CURRENT_WATERMARK(DATETIME) -", prep: run(evalWatermark), bind: bindWatermark, nulls: true, volatile: true},
	}
}

// isSubDayUnit reports the units that turn a DATE into a TIMESTAMP when added.
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
			t = schema.TTimestamp(6) // the default precision of TIMESTAMP
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
