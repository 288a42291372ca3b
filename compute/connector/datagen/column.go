package datagen

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

// defaultLength is Flink's length of generated STRING and BYTES.
const defaultLength = 100

// maxLength bounds a generated value, so that one row cannot take all memory.
const maxLength = 1 << 20

// column generates one column.
type column struct {
	field    connector.Field
	salt     uint64
	sequence bool
	lo, hi   int64 // integers, and digits of a decimal; inclusive
	flo, fhi float64
	size     int // characters or bytes
	varSize  bool
	nullRate float64
	maxPast  time.Duration
}

// place is the row to make: its number and the time of row 0 in milliseconds.
type place struct{ row, epoch int64 }

func parseColumn(r *connector.OptionReader, f connector.Field, i int) (column, error) {
	p := "fields." + f.Name + "."
	c := column{field: f, salt: uint64(i+1) * 0x9e3779b97f4a7c15}
	c.sequence = r.Enum(p+"kind", "random", "sequence") == "sequence"
	if c.sequence {
		if !f.Type.IsNumeric() && !f.Type.IsString() {
			return c, errkind.Errorf(errkind.Invalid, "column %s: a sequence cannot be of type %s", f.Name, f.Type)
		}
		r.Required(p + "start")
		r.Required(p + "end")
		c.lo = r.Int(p+"start", 0, math.MinInt64, math.MaxInt64)
		c.hi = r.Int(p+"end", c.lo, c.lo, math.MaxInt64)
		if c.hi-c.lo < 0 || c.hi-c.lo == math.MaxInt64 { // the count does not fit
			r.Fail(p+"end", "the sequence is longer than 2^63-1")
		}
		return c, nil
	}
	if err := c.parseRandom(r, p); err != nil {
		return c, err
	}
	rate := r.String(p+"null-rate", "0")
	var err error
	if c.nullRate, err = strconv.ParseFloat(rate, 64); err != nil || !(c.nullRate >= 0 && c.nullRate <= 1) {
		r.Fail(p+"null-rate", "expected a number from 0 to 1")
	}
	if f.Required && c.nullRate > 0 {
		r.Fail(p+"null-rate", "the column is a key or NOT NULL column")
	}
	return c, nil
}

func (c *column) parseRandom(r *connector.OptionReader, p string) error {
	t := c.field.Type
	switch t.Kind {
	case schema.Boolean, schema.Date, schema.Time:
	case schema.TinyInt, schema.SmallInt, schema.Int, schema.BigInt:
		bits := 8 << (t.Kind - schema.TinyInt)
		lo, hi := int64(math.MinInt64)>>(64-bits), int64(math.MaxInt64)>>(64-bits)
		c.lo = r.Int(p+"min", lo, lo, hi)
		c.hi = r.Int(p+"max", hi, c.lo, hi)
	case schema.Float, schema.Double:
		c.fhi = math.MaxFloat32
		if t.Kind == schema.Double {
			c.fhi = math.MaxFloat64
		}
		c.flo = c.float(r, p+"min", 0)
		c.fhi = c.float(r, p+"max", c.fhi)
		if c.flo > c.fhi {
			r.Fail(p+"max", "is below '%smin'", p)
		}
	case schema.Decimal:
		scale := math.Pow10(t.Scale)
		limit := math.Pow10(min(t.Precision, 18)) - 1
		c.lo = int64(max(c.float(r, p+"min", 0)*scale, -limit))
		c.hi = int64(min(c.float(r, p+"max", limit/scale)*scale, limit))
		if c.lo > c.hi {
			r.Fail(p+"max", "is below '%smin'", p)
		}
	case schema.Char, schema.VarChar, schema.Binary, schema.VarBinary:
		def := min(t.Length, maxLength)
		if t.Length == schema.MaxLength {
			def = defaultLength
		}
		c.size = int(r.Int(p+"length", int64(def), 0, int64(min(t.Length, maxLength))))
		c.varSize = r.Bool(p+"var-len", false)
	case schema.Timestamp, schema.TimestampLTZ:
		c.maxPast = r.Duration(p+"max-past", 0)
	default:
		return errkind.Errorf(errkind.Invalid, "column %s: datagen does not make values of type %s", c.field.Name, t)
	}
	return nil
}

func (c *column) float(r *connector.OptionReader, key string, def float64) float64 {
	if !r.Has(key) {
		return def
	}
	v, err := strconv.ParseFloat(strings.TrimSpace(r.String(key, "")), 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		r.Fail(key, "expected a finite number")
	}
	return v
}

// length is how many rows a sequence gives; -1 for random columns.
func (c *column) length() int64 {
	if !c.sequence {
		return -1
	}
	return c.hi - c.lo + 1
}

// random is a hash of (seed, column, row, draw): splitmix64's finaliser, whose outputs pass as independent.
func (c *column) random(s *spec, row int64, draw uint64) uint64 {
	x := s.seed ^ c.salt ^ uint64(row)*0xbf58476d1ce4e5b9 ^ draw*0xd6e8feb86659fd93
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// unit is in [0, 1).
func unit(x uint64) float64 { return float64(x>>11) / (1 << 53) }

// between is in [lo, hi].
func between(x uint64, lo, hi int64) int64 {
	span := uint64(hi) - uint64(lo) + 1
	if span == 0 {
		return int64(x)
	}
	return int64(uint64(lo) + x%span)
}

// nullDraw and sizeDraw keep the draws for NULL and for a length apart from those for the value.
const (
	nullDraw = math.MaxUint64 - iota
	sizeDraw
)

func (c *column) append(b array.Builder, s *spec, at place) {
	if c.nullRate > 0 && unit(c.random(s, at.row, nullDraw)) < c.nullRate {
		b.AppendNull()
		return
	}
	x := c.random(s, at.row, 0)
	switch b := b.(type) {
	case *array.BooleanBuilder:
		b.Append(x&1 == 1)
	case *array.Int8Builder:
		b.Append(int8(c.integer(x, at)))
	case *array.Int16Builder:
		b.Append(int16(c.integer(x, at)))
	case *array.Int32Builder:
		b.Append(int32(c.integer(x, at)))
	case *array.Int64Builder:
		b.Append(c.integer(x, at))
	case *array.Float32Builder:
		b.Append(float32(c.real(x, at)))
	case *array.Float64Builder:
		b.Append(c.real(x, at))
	case *array.Decimal128Builder:
		b.Append(c.decimal(x, at))
	case *array.StringBuilder:
		b.Append(c.text(s, at))
	case *array.BinaryBuilder:
		b.Append([]byte(c.text(s, at)))
	case *array.Date32Builder:
		b.Append(arrow.Date32FromTime(c.clock(s, at)))
	case *array.Time32Builder:
		t := c.clock(s, at)
		b.Append(arrow.Time32(t.Sub(t.Truncate(24 * time.Hour)).Milliseconds()))
	case *array.TimestampBuilder:
		v, _ := arrow.TimestampFromTime(c.clock(s, at), c.field.Type.TimestampUnit())
		b.Append(v)
	}
}

func (c *column) integer(x uint64, at place) int64 {
	if c.sequence {
		return c.lo + at.row
	}
	return between(x, c.lo, c.hi)
}

func (c *column) real(x uint64, at place) float64 {
	if c.sequence {
		return float64(c.lo + at.row)
	}
	u := unit(x)
	return c.flo*(1-u) + c.fhi*u // the difference of the bounds may overflow
}

func (c *column) decimal(x uint64, at place) decimal128.Num {
	if c.sequence {
		return decimal128.FromI64(c.lo + at.row).IncreaseScaleBy(int32(c.field.Type.Scale))
	}
	return decimal128.FromI64(between(x, c.lo, c.hi))
}

// text is hexadecimal digits, as Flink makes them.
func (c *column) text(s *spec, at place) string {
	if c.sequence {
		return strconv.FormatInt(c.lo+at.row, 10)
	}
	n := c.size
	if c.varSize && n > 0 {
		n = int(between(c.random(s, at.row, sizeDraw), 1, int64(n)))
	}
	out := make([]byte, 0, n+16)
	for draw := uint64(1); len(out) < n; draw++ {
		x := c.random(s, at.row, draw)
		for range 16 {
			out = append(out, "0123456789abcdef"[x&15])
			x >>= 4
		}
	}
	return string(out[:n])
}

// clock is the time the row is due at the table's rate, less a random part of max-past.
func (c *column) clock(s *spec, at place) time.Time {
	t := time.UnixMilli(at.epoch).UTC()
	t = t.Add(time.Duration(at.row/s.rate) * time.Second).Add(time.Duration(at.row%s.rate) * time.Second / time.Duration(s.rate))
	if c.maxPast > 0 {
		t = t.Add(-time.Duration(between(c.random(s, at.row, 0), 0, int64(c.maxPast))))
	}
	return t
}
