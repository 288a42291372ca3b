package expr

import (
	"fmt"

	"github.com/weir-lake/weir/table/schema"
)

// castDatetime converts among DATE, TIME, TIMESTAMP and TIMESTAMP_LTZ. A TIMESTAMP becomes a
// TIMESTAMP_LTZ, and back, through the session time zone; digits the target lacks are cut off.
func castDatetime(from, to schema.Type) (kernel, error) {
	switch from.Kind {
	case schema.Date:
		return castFromDays(to), nil
	case schema.Time:
		if to.Kind == schema.Time {
			step := int32(pow10[max(0, 3-to.Precision)])
			return func(c *call) (vec, error) {
				x := colOf[int32](c.args[0])
				return mapFixedTotal(c, func(i int) int32 { return x.at(i) / step * step })
			}, nil
		}
		return castFromClock(to), nil
	}
	perSecond, ltz := unitsPerSecond(from), from.Kind == schema.TimestampLTZ
	local := func(c *call, v int64) (int64, int) {
		sec, nanos := splitTimestamp(v, perSecond)
		if ltz {
			sec += offsetAt(sec, c.env.zone())
		}
		return sec, nanos
	}
	switch to.Kind {
	case schema.Date:
		return func(c *call) (vec, error) {
			x := colOf[int64](c.args[0])
			return mapFixedTotal(c, func(i int) int32 {
				sec, _ := local(c, x.at(i))
				return int32(floorDiv(sec, secondsPerDay))
			})
		}, nil
	case schema.Time:
		return func(c *call) (vec, error) {
			x := colOf[int64](c.args[0])
			return mapFixedTotal(c, func(i int) int32 {
				sec, nanos := local(c, x.at(i))
				return int32(floorMod(sec, secondsPerDay)*1000) + int32(cutFraction(nanos, min(3, to.Precision))/1_000_000)
			})
		}, nil
	default:
		return castTimestamp(from, to), nil
	}
}

func castTimestamp(from, to schema.Type) kernel {
	perFrom, perTo := unitsPerSecond(from), unitsPerSecond(to)
	if from.Kind == to.Kind && perFrom == perTo && to.Precision >= from.Precision {
		return func(c *call) (vec, error) { return vec{data: c.args[0].data, valid: c.live}, nil }
	}
	return func(c *call) (vec, error) {
		x, zone := colOf[int64](c.args[0]), c.env.zone()
		return mapFixed(c, func(i int) (int64, bool, error) {
			sec, nanos := splitTimestamp(x.at(i), perFrom)
			switch {
			case from.Kind == to.Kind:
			case to.Kind == schema.TimestampLTZ:
				sec = localToUTC(sec, zone)
			default:
				sec += offsetAt(sec, zone)
			}
			v, err := joinTimestamp(sec, cutFraction(nanos, to.Precision), perTo)
			return v, true, err
		})
	}
}

func castFromDays(to schema.Type) kernel {
	perSecond := unitsPerSecond(to)
	return func(c *call) (vec, error) {
		x, zone := colOf[int32](c.args[0]), c.env.zone()
		return mapFixed(c, func(i int) (int64, bool, error) {
			sec := int64(x.at(i)) * secondsPerDay
			if to.Kind == schema.TimestampLTZ {
				sec = localToUTC(sec, zone)
			}
			v, err := joinTimestamp(sec, 0, perSecond)
			return v, true, err
		})
	}
}

// castFromClock puts a time on 1970-01-01.
func castFromClock(to schema.Type) kernel {
	perSecond := unitsPerSecond(to)
	return func(c *call) (vec, error) {
		x, zone := colOf[int32](c.args[0]), c.env.zone()
		return mapFixed(c, func(i int) (int64, bool, error) {
			ms := int64(x.at(i))
			sec := ms / 1000
			if to.Kind == schema.TimestampLTZ {
				sec = localToUTC(sec, zone)
			}
			v, err := joinTimestamp(sec, cutFraction(int(ms%1000)*1_000_000, to.Precision), perSecond)
			return v, true, err
		})
	}
}

// prepIntervalArith makes datetime +- interval, interval +- interval, interval * / number and
// the difference of two timestamps.
func prepIntervalArith(p *prep) (kernel, error) {
	l, r := p.args[0], p.args[1]
	switch {
	case isInterval(l) && isInterval(r):
		op := p.fn[0]
		return func(c *call) (vec, error) { return ringOp[int64](c, op), nil }, nil
	case p.fn == "*" || p.fn == "/":
		return intervalScale(p)
	case isInterval(l):
		k, err := shiftKernel(r, l.Kind, 1)
		if err != nil {
			return nil, err
		}
		return func(c *call) (vec, error) {
			c.args[0], c.args[1] = c.args[1], c.args[0]
			return k(c)
		}, nil
	case isInterval(r):
		sign := int64(1)
		if p.fn == "-" {
			sign = -1
		}
		return shiftKernel(l, r.Kind, sign)
	default:
		return differenceKernel(l)
	}
}

func intervalScale(p *prep) (kernel, error) {
	if p.args[0].Kind == schema.Double || p.args[1].Kind == schema.Double {
		span, factor := 0, 1
		if p.args[0].Kind == schema.Double {
			span, factor = 1, 0
		}
		return func(c *call) (vec, error) {
			x, f := colOf[int64](c.args[span]), colOf[float64](c.args[factor])
			return mapFixedTotal(c, func(i int) int64 { return saturate64(float64(x.at(i)) * f.at(i)) })
		}, nil
	}
	if p.fn == "/" {
		return func(c *call) (vec, error) { return divInteger[int64](c, false) }, nil
	}
	return func(c *call) (vec, error) { return ringOp[int64](c, '*'), nil }, nil
}

// shiftKernel adds sign times an interval (second argument) to a datetime or time. Months keep
// the day, or take the last of a shorter month.
func shiftKernel(t schema.Type, interval schema.Kind, sign int64) (kernel, error) {
	months := interval == schema.IntervalYearMonth
	switch {
	case t.Kind == schema.Date && months:
		return shift32(func(v int32, by int64) int32 { return int32(addMonths(int64(v), sign*by)) }), nil
	case t.Kind == schema.Date:
		return shift32(func(v int32, by int64) int32 { return v + int32(sign*by/millisPerDay) }), nil
	case t.Kind == schema.Time && !months:
		return shift32(func(v int32, by int64) int32 {
			return int32(floorMod(int64(v)+sign*by, millisPerDay))
		}), nil
	case t.IsTimestamp() && months:
		perDay := unitsPerSecond(t) * secondsPerDay
		return func(c *call) (vec, error) {
			x, by := colOf[int64](c.args[0]), colOf[int64](c.args[1])
			return mapFixedTotal(c, func(i int) int64 {
				day := floorDiv(x.at(i), perDay)
				return addMonths(day, sign*by.at(i))*perDay + x.at(i) - day*perDay
			})
		}, nil
	case t.IsTimestamp():
		perMilli := sign * unitsPerSecond(t) / 1000
		return func(c *call) (vec, error) { return shiftMillis(c, perMilli), nil }, nil
	default:
		return nil, fmt.Errorf("an interval cannot be added to a %s", t)
	}
}

func shift32(f func(v int32, by int64) int32) kernel {
	return func(c *call) (vec, error) {
		x, by := colOf[int32](c.args[0]), colOf[int64](c.args[1])
		return mapFixedTotal(c, func(i int) int32 { return f(x.at(i), by.at(i)) })
	}
}

// shiftMillis is the hot path of timestamp +- interval.
func shiftMillis(c *call, perMilli int64) vec {
	out := make([]int64, c.n)
	a, b := c.args[0], c.args[1]
	if !a.konst && b.konst {
		by := b.data.([]int64)[0] * perMilli
		for i, v := range a.data.([]int64)[:len(out)] {
			out[i] = v + by
		}
	} else {
		x, y := colOf[int64](a), colOf[int64](b)
		for i := range out {
			out[i] = x.at(i) + y.at(i)*perMilli
		}
	}
	return vec{data: out, valid: c.live}
}

// addMonths moves a day by months.
func addMonths(day, months int64) int64 {
	c := civilOf(day)
	m := int64(c.year)*12 + int64(c.month-1) + months
	c.year, c.month = int(floorDiv(m, 12)), int(floorMod(m, 12))+1
	c.day = min(c.day, daysInMonth(c.year, c.month))
	return c.days()
}

// differenceKernel is timestamp - timestamp or date - date in milliseconds.
func differenceKernel(t schema.Type) (kernel, error) {
	if t.Kind == schema.Date {
		return func(c *call) (vec, error) {
			x, y := colOf[int32](c.args[0]), colOf[int32](c.args[1])
			return mapFixedTotal(c, func(i int) int64 { return (int64(x.at(i)) - int64(y.at(i))) * millisPerDay })
		}, nil
	}
	perMilli := unitsPerSecond(t) / 1000
	return func(c *call) (vec, error) {
		x, y := colOf[int64](c.args[0]), colOf[int64](c.args[1])
		return mapFixedTotal(c, func(i int) int64 { return floorDiv(x.at(i), perMilli) - floorDiv(y.at(i), perMilli) })
	}, nil
}
