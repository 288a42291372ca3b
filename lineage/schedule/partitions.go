package schedule

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

// Options of a table that say which time a partition is of; the names and meaning are Paimon's (PartitionTimeExtractor).
const (
	optTimePattern   = "partition.timestamp-pattern"
	optTimeFormatter = "partition.timestamp-formatter"
)

// Partitions tells the times of a table's partitions. They are taken as UTC.
type Partitions struct {
	keys    []string
	pattern string // "$dt $hour:00:00"; empty: the first column
	layouts []string
	unit    Length // of one partition
}

// PartitionColumn is a column that a table is partitioned by.
type PartitionColumn struct {
	Name string
	Type schema.Type
}

// NewPartitions reads how the times of a table's partitions are written: partition.timestamp-pattern puts the columns
// together, partition.timestamp-formatter says how to read that. Without them the first column is a date.
func NewPartitions(cols []PartitionColumn, options map[string]string) (*Partitions, error) {
	p := &Partitions{pattern: options[optTimePattern]}
	for _, c := range cols {
		p.keys = append(p.keys, c.Name)
	}
	if len(cols) == 0 {
		return nil, errkind.New(errkind.Invalid, "the table has no partitions")
	}
	formatter := options[optTimeFormatter]
	first := cols[0].Type
	if formatter == "" && p.pattern == "" && first.Kind != schema.Date && !first.IsString() {
		return nil, errkind.Errorf(errkind.Invalid, "partition column %s is %s: say with table option '%s' which time a partition is of", cols[0].Name, first, optTimeFormatter)
	}
	units := []Length{{Time: day}, {Time: time.Hour}, {Time: time.Minute}} // what "yyyy-MM-dd HH:mm" ends with
	switch {
	case formatter != "":
		layout, fields, err := goLayout(formatter)
		if err != nil {
			return nil, err
		}
		p.layouts, units = []string{layout}, fields
	case p.pattern == "":
		p.layouts, units = []string{"2006-1-2"}, units[:1]
	default:
		p.layouts = []string{"2006-1-2 15:4:5", "2006-1-2"}
		if strings.Contains(p.pattern, ":") {
			units = append(units, Length{Time: time.Second})
		} else {
			units = units[:1]
		}
	}
	// Digits that the pattern itself ends with are the same in every partition: "$dt $hour:00:00" is an hour long.
	if n := len(units) - len(constantTail(p.pattern)); n > 0 {
		units = units[:n]
	}
	p.unit = units[len(units)-1]
	return p, nil
}

var (
	digitGroups = regexp.MustCompile(`\d+`)
	variables   = regexp.MustCompile(`\$\w+`)
)

// constantTail are the groups of digits after the last column of a pattern.
func constantTail(pattern string) []string {
	at := variables.FindAllStringIndex(pattern, -1)
	if len(at) == 0 {
		return nil
	}
	return digitGroups.FindAllString(pattern[at[len(at)-1][1]:], -1)
}

// Unit is how long the time of one partition is.
func (p *Partitions) Unit() Length { return p.unit }

// Uses reports whether the partition's time depends on a column.
func (p *Partitions) Uses(column string) bool {
	if p.pattern == "" {
		return column == p.keys[0]
	}
	return strings.Contains(p.pattern, "$"+column)
}

// Span is the time of the partition with these values.
func (p *Partitions) Span(values []string) (Span, error) {
	text := values[0]
	if p.pattern != "" {
		text = p.expand(values)
	}
	for _, l := range p.layouts {
		if at, err := time.Parse(l, text); err == nil {
			return Span{at, p.unit.After(at)}, nil
		}
	}
	return Span{}, errkind.Errorf(errkind.Invalid, "the time of partition %s cannot be read from '%s': see table options '%s' and '%s'",
		strings.Join(values, "/"), text, optTimePattern, optTimeFormatter)
}

// expand puts values into the pattern; of columns whose names begin alike the longest is meant.
func (p *Partitions) expand(values []string) string {
	pairs := make([][2]string, len(p.keys))
	for i, k := range p.keys {
		pairs[i] = [2]string{"$" + k, values[i]}
	}
	slices.SortStableFunc(pairs, func(a, b [2]string) int { return cmp.Compare(len(b[0]), len(a[0])) })
	var flat []string
	for _, kv := range pairs {
		flat = append(flat, kv[0], kv[1])
	}
	return strings.NewReplacer(flat...).Replace(p.pattern)
}

// EndsIn reports whether the partition's time ends in a span, after its start and not after its end: a slice replaces
// the partitions that became whole in it, so that slices side by side replace each partition once.
func (p *Partitions) EndsIn(values []string, s Span) bool {
	of, err := p.Span(values)
	return err == nil && of.To.After(s.From) && !of.To.After(s.To)
}

// fields of Java's DateTimeFormatter, in Go's layout, and how long one is.
var layoutFields = []struct {
	java, goes string
	unit       Length
}{
	{"yyyy", "2006", Length{Months: 12}}, {"uuuu", "2006", Length{Months: 12}}, {"MM", "01", Length{Months: 1}}, {"dd", "02", Length{Time: day}},
	{"HH", "15", Length{Time: time.Hour}}, {"mm", "04", Length{Time: time.Minute}}, {"ss", "05", Length{Time: time.Second}},
}

// goLayout turns a Java format into Go's, with the units of its fields, the longest first.
func goLayout(format string) (string, []Length, error) {
	out := ""
	var units []Length
next:
	for i := 0; i < len(format); {
		for _, f := range layoutFields {
			if strings.HasPrefix(format[i:], f.java) {
				out += f.goes
				units = append(units, f.unit)
				i += len(f.java)
				continue next
			}
		}
		switch c := format[i]; {
		case c == '\'':
			quoted, _, closed := strings.Cut(format[i+1:], "'")
			if !closed || digitGroups.MatchString(quoted) {
				return "", nil, badFormatter(format)
			}
			out += quoted
			i += len(quoted) + 2
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9':
			return "", nil, badFormatter(format)
		default:
			out += string(c)
			i++
		}
	}
	slices.SortStableFunc(units, func(a, b Length) int {
		return cmp.Or(cmp.Compare(b.Months, a.Months), cmp.Compare(b.Time, a.Time))
	})
	if len(units) == 0 {
		return "", nil, badFormatter(format)
	}
	return out, units, nil
}

func badFormatter(format string) error {
	return errkind.Errorf(errkind.Invalid, "table option '%s' = '%s' cannot be used: of Java's fields yyyy, MM, dd, HH, mm and ss are known", optTimeFormatter, format)
}
