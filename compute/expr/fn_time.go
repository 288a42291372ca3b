package expr

import (
	"fmt"
	"time"

	"github.com/weir-lake/weir/table/schema"
)

// moment is a datetime taken apart in its local calendar.
type moment struct {
	days  int64 // since 1970-01-01
	sec   int64 // of the day
	nanos int
}

// momentReader returns the function that takes row i apart: a TIMESTAMP_LTZ in the session zone,
// a TIME on day 0.
func momentReader(v vec, t schema.Type, zone *time.Location) (func(i int) moment, error) {
	switch {
	case t.Kind == schema.Date:
		x := colOf[int32](v)
		return func(i int) moment { return moment{days: int64(x.at(i))} }, nil
	case t.Kind == schema.Time:
		x := colOf[int32](v)
		return func(i int) moment {
			ms := x.at(i)
			return moment{sec: int64(ms / 1000), nanos: int(ms%1000) * 1_000_000}
		}, nil
	case t.IsTimestamp():
		x, perSecond := colOf[int64](v), unitsPerSecond(t)
		ltz := t.Kind == schema.TimestampLTZ
		return func(i int) moment {
			sec, nanos := splitTimestamp(x.at(i), perSecond)
			if ltz {
				sec += offsetAt(sec, zone)
			}
			return moment{floorDiv(sec, secondsPerDay), floorMod(sec, secondsPerDay), nanos}
		}, nil
	default:
		return nil, fmt.Errorf("a %s is not a date or time", t)
	}
}

// extract reads a unit of a moment; false for a unit it does not know.
func extract(unit string, m moment) (int64, bool) {
	switch unit {
	case "HOUR":
		return m.sec / 3600, true
	case "MINUTE":
		return m.sec / 60 % 60, true
	case "SECOND":
		return m.sec % 60, true
	case "MILLISECOND":
		return int64(m.nanos) / 1_000_000, true
	case "MICROSECOND":
		return int64(m.nanos) / 1000, true
	case "NANOSECOND":
		return int64(m.nanos), true
	case "EPOCH":
		return m.days*secondsPerDay + m.sec, true
	case "DOW":
		return floorMod(m.days+4, 7) + 1, true // 1970-01-01 was a Thursday; Sunday is 1
	case "ISODOW":
		return floorMod(m.days+3, 7) + 1, true
	case "WEEK", "ISOYEAR":
		year, week := isoWeek(m.days)
		if unit == "WEEK" {
			return week, true
		}
		return year, true
	}
	return extractCivil(unit, m)
}

func extractCivil(unit string, m moment) (int64, bool) {
	c := civilOf(m.days)
	switch unit {
	case "YEAR":
		return int64(c.year), true
	case "QUARTER":
		return int64(c.month+2) / 3, true
	case "MONTH":
		return int64(c.month), true
	case "DAY":
		return int64(c.day), true
	case "DOY":
		return m.days - civil{c.year, 1, 1}.days() + 1, true
	case "DECADE":
		return floorDiv(int64(c.year), 10), true
	case "CENTURY":
		return int64(floorDiv(int64(c.year)+99, 100)), true
	case "MILLENNIUM":
		return int64(floorDiv(int64(c.year)+999, 1000)), true
	default:
		return 0, false
	}
}

// isoWeek is the ISO 8601 year and week: the week belongs to the year of its Thursday.
func isoWeek(days int64) (year, week int64) {
	thursday := days - floorMod(days+3, 7) + 3
	y := civilOf(thursday).year
	return int64(y), (thursday-civil{y, 1, 1}.days())/7 + 1
}

// unitFunctions are the functions that extract one unit.
var unitFunctions = map[string]string{
	"YEAR": "YEAR", "QUARTER": "QUARTER", "MONTH": "MONTH", "WEEK": "WEEK", "DAYOFYEAR": "DOY",
	"DAYOFMONTH": "DAY", "DAYOFWEEK": "DOW", "HOUR": "HOUR", "MINUTE": "MINUTE", "SECOND": "SECOND",
}

func prepExtract(p *prep) (kernel, error) {
	unit, arg := unitFunctions[p.fn], 0
	if p.fn == "EXTRACT" {
		var err error
		if unit, err = p.symbol(0); err != nil {
			return nil, err
		}
		arg = 1
	}
	t := p.args[arg]
	if isInterval(t) {
		return extractInterval(unit, t)
	}
	if _, ok := extract(unit, moment{}); !ok {
		return nil, fmt.Errorf("there is no unit %s", unit)
	}
	return func(c *call) (vec, error) {
		read, err := momentReader(c.args[arg], t, c.env.zone())
		if err != nil {
			return vec{}, err
		}
		return mapFixedTotal(c, func(i int) int64 {
			v, _ := extract(unit, read(i))
			return v
		})
	}, nil
}

// intervalUnits are how many of an interval's steps make a unit and how many units make the next.
var intervalUnits = map[string]struct{ div, mod int64 }{
	"YEAR": {12, 0}, "MONTH": {1, 12},
	"DAY": {millisPerDay, 0}, "HOUR": {3600_000, 24}, "MINUTE": {60_000, 60}, "SECOND": {1000, 60}, "MILLISECOND": {1, 1000},
}

func extractInterval(unit string, t schema.Type) (kernel, error) {
	u, ok := intervalUnits[unit]
	if months := unit == "YEAR" || unit == "MONTH"; !ok || months != (t.Kind == schema.IntervalYearMonth) {
		return nil, fmt.Errorf("an %s has no unit %s", t.WithNotNull(false), unit)
	}
	return func(c *call) (vec, error) {
		x := colOf[int64](c.args[1])
		return mapFixedTotal(c, func(i int) int64 {
			v := x.at(i) / u.div
			if u.mod > 0 {
				v %= u.mod
			}
			return v
		})
	}, nil
}

// prepFloorTime is FLOOR(x TO unit) and CEIL(x TO unit).
func prepFloorTime(p *prep) (kernel, error) {
	unit, err := p.symbol(1)
	if err != nil {
		return nil, err
	}
	if _, err := floorMoment(unit, moment{}, false); err != nil {
		return nil, err
	}
	up, t := p.fn == "CEIL", p.args[0]
	return func(c *call) (vec, error) {
		zone := c.env.zone()
		read, err := momentReader(c.args[0], t, zone)
		if err != nil {
			return vec{}, err
		}
		if t.Kind == schema.Date || t.Kind == schema.Time {
			return mapFixed(c, func(i int) (int32, bool, error) {
				m, err := floorMoment(unit, read(i), up)
				if t.Kind == schema.Date {
					return int32(m.days), true, err
				}
				return int32((m.days*secondsPerDay + m.sec) * 1000 % millisPerDay), true, err
			})
		}
		return mapFixed(c, func(i int) (int64, bool, error) {
			m, err := floorMoment(unit, read(i), up)
			if err != nil {
				return 0, false, err
			}
			sec := m.days*secondsPerDay + m.sec
			if t.Kind == schema.TimestampLTZ {
				sec = localToUTC(sec, zone)
			}
			v, err := joinTimestamp(sec, m.nanos, unitsPerSecond(t))
			return v, true, err
		})
	}, nil
}

// floorMoment rounds down, or up, to a unit. Weeks start on Sunday, as in Flink.
func floorMoment(unit string, m moment, up bool) (moment, error) {
	if unit == "MILLISECOND" {
		step := 1_000_000
		rest := m.nanos % step
		m.nanos -= rest
		if up && rest > 0 {
			m.nanos += step
		}
		return m.normal(), nil
	}
	if step := map[string]int64{"SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": secondsPerDay}[unit]; step > 0 {
		f := moment{days: m.days, sec: m.sec - m.sec%step}
		if up && (f.sec != m.sec || m.nanos != 0) {
			f.sec += step
		}
		return f.normal(), nil
	}
	f, err := floorDay(unit, m.days, 0)
	if err != nil {
		return m, err
	}
	if up && (f != m.days || m.sec != 0 || m.nanos != 0) {
		f, err = floorDay(unit, m.days, 1)
	}
	return moment{days: f}, err
}

func (m moment) normal() moment {
	m.sec += int64(m.nanos / nanosPerSec)
	m.nanos %= nanosPerSec
	m.days += floorDiv(m.sec, secondsPerDay)
	m.sec = floorMod(m.sec, secondsPerDay)
	return m
}

// floorDay is the first day of the unit that holds days, or of one that many units later.
func floorDay(unit string, days int64, later int) (int64, error) {
	c := civilOf(days)
	first := func(size int) int64 {
		return civil{int(floorDiv(int64(c.year-1), int64(size)))*size + 1 + later*size, 1, 1}.days()
	}
	switch unit {
	case "YEAR":
		return civil{c.year + later, 1, 1}.days(), nil
	case "QUARTER":
		return civil{c.year, (c.month-1)/3*3 + 1 + 3*later, 1}.days(), nil
	case "MONTH":
		return civil{c.year, c.month + later, 1}.days(), nil
	case "WEEK":
		return days - floorMod(days+4, 7) + 7*int64(later), nil
	case "DECADE":
		return civil{int(floorDiv(int64(c.year), 10))*10 + 10*later, 1, 1}.days(), nil
	case "CENTURY":
		return first(100), nil
	case "MILLENNIUM":
		return first(1000), nil
	default:
		return 0, fmt.Errorf("cannot round to a %s", unit)
	}
}

// prepTimestampAdd is TIMESTAMPADD(unit, n, x).
func prepTimestampAdd(p *prep) (kernel, error) {
	unit, err := p.symbol(0)
	if err != nil {
		return nil, err
	}
	t := p.ret
	interval, per := schema.IntervalDayTime, int64(0)
	switch unit {
	case "YEAR", "QUARTER", "MONTH":
		interval, per = schema.IntervalYearMonth, map[string]int64{"YEAR": 12, "QUARTER": 3, "MONTH": 1}[unit]
	case "WEEK":
		per = 7 * millisPerDay
	default:
		per = intervalUnits[unit].div
	}
	if per == 0 {
		return nil, fmt.Errorf("there is no unit %s", unit)
	}
	shift, err := shiftKernel(t, interval, 1)
	if err != nil {
		return nil, err
	}
	return func(c *call) (vec, error) {
		n := colOf[int64](c.args[1])
		by := make([]int64, c.n)
		for i := range by {
			by[i] = n.at(i) * per
		}
		return shift(&call{env: c.env, n: c.n, args: []vec{c.args[2], {data: by}}, live: c.live})
	}, nil
}

// prepTimestampDiff is TIMESTAMPDIFF(unit, from, to): whole units between, toward zero.
func prepTimestampDiff(p *prep) (kernel, error) {
	unit, err := p.symbol(0)
	if err != nil {
		return nil, err
	}
	months := map[string]int64{"MONTH": 1, "QUARTER": 3, "YEAR": 12}[unit]
	millis := intervalUnits[unit].div
	if unit == "WEEK" {
		millis = 7 * millisPerDay
	}
	if months == 0 && (millis == 0 || unit == "MILLISECOND") {
		return nil, fmt.Errorf("TIMESTAMPDIFF has no unit %s", unit)
	}
	return func(c *call) (vec, error) {
		from, err := momentReader(c.args[1], p.args[1], c.env.zone())
		if err != nil {
			return vec{}, err
		}
		to, err := momentReader(c.args[2], p.args[2], c.env.zone())
		if err != nil {
			return vec{}, err
		}
		return mapFixedTotal(c, func(i int) int32 {
			a, b := from(i), to(i)
			if months > 0 {
				return int32(monthsBetween(a, b) / months)
			}
			return int32((b.millis() - a.millis()) / millis)
		})
	}, nil
}

func (m moment) millis() int64 {
	return m.days*millisPerDay + m.sec*1000 + int64(m.nanos)/1_000_000
}

// monthsBetween counts whole months from a to b, negative if b is earlier.
func monthsBetween(a, b moment) int64 {
	if b.millis() < a.millis() {
		return -monthsBetween(b, a)
	}
	ca, cb := civilOf(a.days), civilOf(b.days)
	n := int64(cb.year-ca.year)*12 + int64(cb.month-ca.month)
	end := moment{days: addMonths(a.days, n), sec: a.sec, nanos: a.nanos}
	if end.millis() > b.millis() {
		n--
	}
	return n
}

// prepOverlaps is (s1, e1) OVERLAPS (s2, e2); an end may be an interval from the start.
func prepOverlaps(p *prep) (kernel, error) {
	return func(c *call) (vec, error) {
		ends := [4]func(i int) int64{}
		for k := 0; k < 4; k += 2 {
			start, err := momentReader(c.args[k], p.args[k], c.env.zone())
			if err != nil {
				return vec{}, err
			}
			ends[k] = func(i int) int64 { return start(i).millis() }
			if !isInterval(p.args[k+1]) {
				end, err := momentReader(c.args[k+1], p.args[k+1], c.env.zone())
				if err != nil {
					return vec{}, err
				}
				ends[k+1] = func(i int) int64 { return end(i).millis() }
				continue
			}
			by, months := colOf[int64](c.args[k+1]), p.args[k+1].Kind == schema.IntervalYearMonth
			ends[k+1] = func(i int) int64 {
				m := start(i)
				if months {
					m.days = addMonths(m.days, by.at(i))
					return m.millis()
				}
				return m.millis() + by.at(i)
			}
		}
		return mapFixedTotal(c, func(i int) bool {
			s1, e1, s2, e2 := ends[0](i), ends[1](i), ends[2](i), ends[3](i)
			if s1 > e1 {
				s1, e1 = e1, s1
			}
			if s2 > e2 {
				s2, e2 = e2, s2
			}
			return s1 <= e2 && s2 <= e1
		})
	}, nil
}

// prepClock makes the functions that read the recorded clock.
func prepClock(p *prep) (kernel, error) {
	return func(c *call) (vec, error) {
		now := c.env.Clock.UnixMilli()
		local := now + offsetAt(floorDiv(now, 1000), c.env.zone())*1000
		switch p.fn {
		case "CURRENT_DATE":
			return vec{data: repeat(int32(floorDiv(local, millisPerDay)), c.n)}, nil
		case "CURRENT_TIME":
			return vec{data: repeat(int32(floorMod(local, millisPerDay)/1000*1000), c.n)}, nil
		case "LOCALTIMESTAMP":
			return vec{data: repeat(local, c.n)}, nil
		default:
			return vec{data: repeat(now, c.n)}, nil
		}
	}, nil
}

// evalWatermark is CURRENT_WATERMARK(x): NULL while there is none.
func evalWatermark(c *call) (vec, error) {
	if c.env.Watermark == nil {
		return vec{data: make([]int64, c.n), valid: make([]bool, c.n)}, nil
	}
	return vec{data: repeat(c.env.Watermark.UnixMilli(), c.n)}, nil
}
