package write

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/format"
	"github.com/weir-lake/weir/table/manifest"
	"github.com/weir-lake/weir/table/schema"
)

// statsMode says what a column's manifest statistics hold (metadata.stats-mode).
type statsMode struct {
	counts bool // null counts
	bounds bool // minima and maxima
	chars  int  // longest string or bytes; 0: no limit
}

func parseStatsMode(option, text string) (statsMode, error) {
	switch t := strings.ToLower(strings.TrimSpace(text)); {
	case t == "none":
		return statsMode{}, nil
	case t == "counts":
		return statsMode{counts: true}, nil
	case t == "full":
		return statsMode{counts: true, bounds: true}, nil
	case strings.HasPrefix(t, "truncate(") && strings.HasSuffix(t, ")"):
		n, err := strconv.Atoi(t[len("truncate(") : len(t)-1])
		if err == nil && n > 0 {
			return statsMode{counts: true, bounds: true, chars: n}, nil
		}
	}
	return statsMode{}, errkind.Errorf(errkind.Invalid, "table option '%s' = '%s': use none, counts, full or truncate(n)", option, text)
}

// statsPlan is which statistics the entries of a table's files carry.
type statsPlan struct {
	dense  bool
	fields []schema.Field
	modes  []statsMode
}

func newStatsPlan(s *schema.Schema, opts schema.Options) (*statsPlan, error) {
	p := &statsPlan{dense: opts.StatsDenseStore, fields: s.Fields}
	for _, f := range s.Fields {
		option, text := schema.OptStatsMode, opts.StatsMode
		if own := "fields." + f.Name + ".stats-mode"; s.Options[own] != "" {
			option, text = own, s.Options[own]
		}
		m, err := parseStatsMode(option, text)
		if err != nil {
			return nil, err
		}
		if !schema.Rowable(f.Type) {
			m = statsMode{counts: m.counts}
		}
		p.modes = append(p.modes, m)
	}
	return p, nil
}

// values makes _VALUE_STATS and _VALUE_STATS_COLS out of what the file writer
// counted, one per table column.
func (p *statsPlan) values(cols []format.ColumnStats) (manifest.Stats, []string, error) {
	var fields []schema.Field
	var picked []format.ColumnStats
	var names []string
	for i, f := range p.fields {
		if p.dense && !p.modes[i].counts {
			continue
		}
		// Nested columns have no slot in the row; the dense form leaves them out.
		if p.dense && !schema.Rowable(f.Type) {
			continue
		}
		fields, names = append(fields, f), append(names, f.Name)
		picked = append(picked, limitStats(cols[i], p.modes[i]))
	}
	st, err := encodeStats(fields, picked)
	if !p.dense || len(names) == len(p.fields) {
		return st, nil, err
	}
	if names == nil {
		names = []string{}
	}
	return st, names, err
}

func limitStats(c format.ColumnStats, m statsMode) format.ColumnStats {
	if !m.counts {
		return format.ColumnStats{NullCount: -1}
	}
	if !m.bounds {
		c.Min, c.Max = nil, nil
	}
	if m.chars == 0 || c.Min == nil {
		return c
	}
	switch lo := c.Min.(type) {
	case string:
		c.Min = firstChars(lo, m.chars)
		hi, ok := upperString(c.Max.(string), m.chars)
		if !ok {
			c.Min, c.Max = nil, nil
			return c
		}
		c.Max = hi
	case []byte:
		c.Min = lo[:min(len(lo), m.chars)]
		hi, ok := upperBytes(c.Max.([]byte), m.chars)
		if !ok {
			c.Min, c.Max = nil, nil
			return c
		}
		c.Max = hi
	}
	return c
}

func firstChars(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}

// upperString is a text of at most n characters not below s, as Paimon rounds up:
// the last character that can be raised is. Surrogates are no characters.
func upperString(s string, n int) (string, bool) {
	cut := firstChars(s, n)
	if len(cut) == len(s) {
		return s, true
	}
	r := []rune(cut)
	for i := len(r) - 1; i >= 0; i-- {
		next := r[i] + 1
		if next >= 0xD800 && next <= 0xDFFF {
			next = 0xE000
		}
		if next <= utf8.MaxRune {
			return string(append(slices.Clone(r[:i]), next)), true
		}
	}
	return "", false
}

func upperBytes(b []byte, n int) ([]byte, bool) {
	if len(b) <= n {
		return b, true
	}
	for i := n - 1; i >= 0; i-- {
		if b[i] != 0xff {
			out := slices.Clone(b[:i+1])
			out[i]++
			return out, true
		}
	}
	return nil, false
}

// encodeStats makes statistics rows of the fields.
func encodeStats(fields []schema.Field, cols []format.ColumnStats) (manifest.Stats, error) {
	lo, hi := make([]any, len(fields)), make([]any, len(fields))
	types := make([]schema.Type, len(fields))
	st := manifest.Stats{NullCounts: make([]int64, len(fields))}
	for i, f := range fields {
		types[i] = f.Type.WithNotNull(false) // a row of statistics may lack any bound
		lo[i], hi[i], st.NullCounts[i] = cols[i].Min, cols[i].Max, cols[i].NullCount
		if !schema.Rowable(f.Type) {
			types[i] = schema.TBigInt // a slot that stays null
			lo[i], hi[i] = nil, nil
		}
	}
	var err error
	if st.Min, err = schema.EncodeRow(types, lo); err != nil {
		return st, fmt.Errorf("statistics: %w", err)
	}
	if st.Max, err = schema.EncodeRow(types, hi); err != nil {
		return st, fmt.Errorf("statistics: %w", err)
	}
	return st, nil
}

// emptyStats are the key statistics of append tables.
func emptyStats() manifest.Stats {
	return manifest.Stats{Min: schema.EmptyRow(), Max: schema.EmptyRow(), NullCounts: []int64{}}
}
