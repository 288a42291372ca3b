package expr

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/weir-lake/weir/table/schema"
)

const (
	defaultDatePattern      = "yyyy-MM-dd"
	defaultTimestampPattern = "yyyy-MM-dd HH:mm:ss"
	// Instants TO_TIMESTAMP_LTZ accepts, in seconds: the years 0 to 9999.
	instantMin = -62167219200
	instantMax = 253402300799
)

// preparePattern compiles the constant pattern argument i, or the default if it is left out. Patterns
// that come from columns are compiled in fresh, which one evaluation keeps to itself.
func preparePattern(p *prep, i int, fallback string, lenient bool) (fresh func() *patterns, err error) {
	text, ok := fallback, len(p.args) <= i
	if !ok {
		text, ok = p.constText(i)
	}
	if !ok {
		return func() *patterns { return &patterns{lenient: lenient, seen: map[string]*datePattern{}} }, nil
	}
	konst, err := parseDatePattern(text, lenient)
	if err != nil {
		return nil, err
	}
	ps := &patterns{lenient: lenient, konst: konst}
	return func() *patterns { return ps }, nil
}

// patternAt is the text of the pattern argument of row i; empty if it is left out.
func patternAt(c *call, arg, i int) []byte {
	if arg >= len(c.args) {
		return nil
	}
	return textOf(c.args[arg]).bytes(i)
}

// prepDateFormat is DATE_FORMAT(timestamp or text, pattern).
func prepDateFormat(p *prep) (kernel, error) {
	if p.args[0].IsString() {
		return prepReformat(p)
	}
	fresh, err := preparePattern(p, 1, "", false)
	if err != nil {
		return nil, err
	}
	return func(c *call) (vec, error) {
		zone, ps := c.env.zone(), fresh()
		read, err := momentReader(c.args[0], p.args[0], zone)
		if err != nil {
			return vec{}, err
		}
		return mapText(c, func(dst []byte, i int) ([]byte, bool, error) {
			pattern := ps.get(patternAt(c, 1, i))
			if pattern == nil {
				_, err := parseDatePattern(string(patternAt(c, 1, i)), false)
				return dst, false, err
			}
			return pattern.format(dst, read(i), time.UTC, 0), true, nil
		})
	}, nil
}

// prepReformat reads text as yyyy-MM-dd HH:mm:ss and writes it in another pattern; NULL if it is no timestamp.
func prepReformat(p *prep) (kernel, error) {
	fresh, err := preparePattern(p, 1, "", true)
	if err != nil {
		return nil, err
	}
	from, err := parseDatePattern(defaultTimestampPattern, true)
	if err != nil {
		return nil, err
	}
	return func(c *call) (vec, error) {
		x, ps := textOf(c.args[0]), fresh()
		return mapText(c, func(dst []byte, i int) ([]byte, bool, error) {
			m, _, _, ok := from.parse(x.string(i))
			pattern := ps.get(patternAt(c, 1, i))
			if !ok || pattern == nil {
				return dst, false, nil
			}
			return pattern.format(dst, m, time.UTC, 0), true, nil
		})
	}, nil
}

// prepToDate is TO_DATE(text[, pattern]).
func prepToDate(p *prep) (kernel, error) {
	fresh, err := preparePattern(p, 1, defaultDatePattern, true)
	if err != nil {
		return nil, err
	}
	return func(c *call) (vec, error) {
		x, ps := textOf(c.args[0]), fresh()
		return mapFixed(c, func(i int) (int32, bool, error) {
			if len(c.args) == 1 {
				d, err := ParseDate(x.string(i))
				return d, err == nil, nil
			}
			pattern := ps.get(patternAt(c, 1, i))
			if pattern == nil {
				return 0, false, nil
			}
			m, offset, has, ok := pattern.parse(x.string(i))
			if has {
				m.sec -= offset
				m = m.normal()
			}
			return int32(m.days), ok, nil
		})
	}, nil
}

// readTimestamp reads text by a pattern, or else as yyyy-MM-dd[ HH:mm:ss[.fraction]].
func readTimestamp(pattern *datePattern, s string) (sec int64, nanos int, ok bool) {
	if pattern == nil {
		return 0, 0, false
	}
	m, _, _, ok := pattern.parse(s)
	if ok {
		return m.days*secondsPerDay + m.sec, m.nanos, true
	}
	sec, nanos, err := parseTimestampText(s)
	return sec, nanos, err == nil
}

// prepToTimestamp is TO_TIMESTAMP(text[, pattern]), a TIMESTAMP(3).
func prepToTimestamp(p *prep) (kernel, error) {
	fresh, err := preparePattern(p, 1, defaultTimestampPattern, false)
	if err != nil {
		return nil, err
	}
	return func(c *call) (vec, error) {
		x, ps := textOf(c.args[0]), fresh()
		return mapFixed(c, func(i int) (int64, bool, error) {
			sec, nanos, ok := readTimestamp(ps.get(patternAt(c, 1, i)), x.string(i))
			return sec*1000 + int64(nanos)/1_000_000, ok, nil
		})
	}, nil
}

// prepToTimestampLTZ is TO_TIMESTAMP_LTZ(number[, precision]) or (text[, pattern[, zone]]), a TIMESTAMP_LTZ(3).
func prepToTimestampLTZ(p *prep) (kernel, error) {
	if p.args[0].IsNumeric() {
		return prepInstant(p)
	}
	fresh, err := preparePattern(p, 1, "yyyy-MM-dd HH:mm:ss.SSS", false)
	if err != nil {
		return nil, err
	}
	return func(c *call) (vec, error) {
		x, ps, zones := textOf(c.args[0]), fresh(), zoneCache{}
		return mapFixed(c, func(i int) (int64, bool, error) {
			zone := time.UTC
			if len(c.args) == 3 {
				var err error
				if zone, err = zones.get(textOf(c.args[2]).string(i)); err != nil {
					return 0, false, err
				}
			}
			sec, nanos, ok := readTimestamp(ps.get(patternAt(c, 1, i)), x.string(i))
			return localToUTC(sec, zone)*1000 + int64(nanos)/1_000_000, ok, nil
		})
	}, nil
}

// prepInstant reads a number as milliseconds (precision 3, the default) or seconds (0).
func prepInstant(p *prep) (kernel, error) {
	t := p.args[0]
	toMillis, err := numberCast(t, schema.TBigInt)
	if err != nil {
		return nil, err
	}
	return func(c *call) (vec, error) {
		v, err := toMillis(&call{env: c.env, n: c.n, args: c.args[:1], live: c.live})
		if err != nil {
			return vec{}, err
		}
		whole := colOf[int64](v)
		return mapFixed(c, func(i int) (int64, bool, error) {
			precision := int64(3)
			if len(c.args) == 2 {
				precision = colOf[int64](c.args[1]).at(i)
			}
			n := whole.at(i)
			switch precision {
			case 3:
			case 0:
				if n < instantMin || n > instantMax {
					return 0, false, nil
				}
				n *= 1000
				if t.Kind == schema.Double {
					n = saturate64(colOf[float64](c.args[0]).at(i) * 1000)
				}
			default:
				return 0, false, fmt.Errorf("precision %d is neither 0 (seconds) nor 3 (milliseconds)", precision)
			}
			return n, n >= instantMin*1000 && n <= instantMax*1000+999, nil
		})
	}, nil
}

// prepUnixTimestamp is UNIX_TIMESTAMP([text[, pattern]]): seconds; text that is no timestamp gives
// the least BIGINT, as in Flink.
func prepUnixTimestamp(p *prep) (kernel, error) {
	if len(p.args) == 0 {
		return func(c *call) (vec, error) { return vec{data: repeat(c.env.Clock.Unix(), c.n)}, nil }, nil
	}
	fresh, err := preparePattern(p, 1, defaultTimestampPattern, true)
	if err != nil {
		return nil, err
	}
	return func(c *call) (vec, error) {
		x, zone, ps := textOf(c.args[0]), c.env.zone(), fresh()
		return mapFixedTotal(c, func(i int) int64 {
			pattern := ps.get(patternAt(c, 1, i))
			if pattern == nil {
				return math.MinInt64
			}
			m, offset, has, ok := pattern.parse(x.string(i))
			sec := m.days*secondsPerDay + m.sec
			switch {
			case !ok:
				return math.MinInt64
			case has:
				return sec - offset
			default:
				return localToUTC(sec, zone)
			}
		})
	}, nil
}

// prepFromUnixtime is FROM_UNIXTIME(seconds[, pattern]) in the session time zone.
func prepFromUnixtime(p *prep) (kernel, error) {
	fresh, err := preparePattern(p, 1, defaultTimestampPattern, true)
	if err != nil {
		return nil, err
	}
	return func(c *call) (vec, error) {
		x, zone, ps := colOf[int64](c.args[0]), c.env.zone(), fresh()
		return mapText(c, func(dst []byte, i int) ([]byte, bool, error) {
			pattern := ps.get(patternAt(c, 1, i))
			if pattern == nil || x.at(i) < instantMin || x.at(i) > instantMax {
				return dst, false, nil
			}
			offset := offsetAt(x.at(i), zone)
			local := x.at(i) + offset
			m := moment{days: floorDiv(local, secondsPerDay), sec: floorMod(local, secondsPerDay)}
			return pattern.format(dst, m, zone, offset), true, nil
		})
	}, nil
}

// zoneCache keeps the zones one evaluation has looked up.
type zoneCache map[string]*time.Location

func (z zoneCache) get(name string) (*time.Location, error) {
	if loc, ok := z[name]; ok {
		return loc, nil
	}
	loc, err := LoadZone(name)
	if err != nil {
		return nil, err
	}
	if len(z) < patternsMax {
		z[name] = loc
	}
	return loc, nil
}

// evalConvertTZ is CONVERT_TZ(text, from, to); NULL if the text is no timestamp.
func evalConvertTZ(c *call) (vec, error) {
	pattern, err := parseDatePattern(defaultTimestampPattern, true)
	if err != nil {
		return vec{}, err
	}
	x, zones := textOf(c.args[0]), zoneCache{}
	return mapText(c, func(dst []byte, i int) ([]byte, bool, error) {
		from, err := zones.get(textOf(c.args[1]).string(i))
		if err != nil {
			return dst, false, err
		}
		to, err := zones.get(textOf(c.args[2]).string(i))
		if err != nil {
			return dst, false, err
		}
		m, _, _, ok := pattern.parse(strings.TrimSpace(x.string(i)))
		if !ok {
			return dst, false, nil
		}
		sec := localToUTC(m.days*secondsPerDay+m.sec, from)
		return appendTimestamp(dst, sec+offsetAt(sec, to), 0, 0), true, nil
	})
}
