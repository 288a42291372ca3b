package connector

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/weir-lake/weir/internal/errkind"
)

// engineOptions are table options the engine itself reads on any connector table.
var engineOptions = []string{"connector", "landing", "allow-full-recompute", "late-rows", "sequence.field"}

// OptionReader reads WITH options by type. The first wrong value is kept and returned by
// Done, which also refuses options nobody asked for, so that a misspelt one is never ignored.
type OptionReader struct {
	opts     map[string]string
	known    map[string]bool
	prefixes []string
	err      error
}

// ReadOptions starts reading opts.
func ReadOptions(opts map[string]string) *OptionReader {
	r := &OptionReader{opts: opts, known: map[string]bool{}, prefixes: []string{"landing.", "schema.", "weir."}}
	for _, k := range engineOptions {
		r.known[k] = true
	}
	return r
}

// Fail records that the value of key is wrong; the first failure wins.
func (r *OptionReader) Fail(key, format string, args ...any) {
	if r.err != nil {
		return
	}
	value := r.opts[key]
	for _, s := range secretWords {
		if strings.Contains(strings.ToLower(key), s) {
			value = "***"
		}
	}
	r.err = errkind.Errorf(errkind.Invalid, "option '%s' = '%s': %s", key, value, fmt.Sprintf(format, args...))
}

// secretWords mark options whose values never appear in errors.
var secretWords = []string{"password", "secret", "jaas", "token", "credential"}

// Has reports whether key is set.
func (r *OptionReader) Has(key string) bool {
	r.known[key] = true
	_, ok := r.opts[key]
	return ok
}

// String returns the value of key or def.
func (r *OptionReader) String(key, def string) string {
	r.known[key] = true
	if v, ok := r.opts[key]; ok {
		return v
	}
	return def
}

// Required returns the value of key and fails if it is missing or empty.
func (r *OptionReader) Required(key string) string {
	v := r.String(key, "")
	if v == "" && r.err == nil {
		r.err = errkind.Errorf(errkind.Invalid, "option '%s' is missing", key)
	}
	return v
}

// Enum returns the value of key, which must be one of allowed (the first is the default).
func (r *OptionReader) Enum(key string, allowed ...string) string {
	v := r.String(key, allowed[0])
	for _, a := range allowed {
		if strings.EqualFold(v, a) {
			return a
		}
	}
	r.Fail(key, "expected one of %s", strings.Join(allowed, ", "))
	return allowed[0]
}

// Bool returns the value of key or def.
func (r *OptionReader) Bool(key string, def bool) bool {
	v := r.String(key, strconv.FormatBool(def))
	b, err := strconv.ParseBool(strings.ToLower(strings.TrimSpace(v)))
	if err != nil {
		r.Fail(key, "expected true or false")
	}
	return b
}

// Int returns the value of key or def; it must lie in [lo, hi].
func (r *OptionReader) Int(key string, def, lo, hi int64) int64 {
	if !r.Has(key) {
		return def
	}
	n, err := strconv.ParseInt(strings.TrimSpace(r.opts[key]), 10, 64)
	if err != nil || n < lo || n > hi {
		r.Fail(key, "expected an integer from %d to %d", lo, hi)
		return def
	}
	return n
}

// Duration returns the value of key or def. The text is Flink's: a number and a unit.
func (r *OptionReader) Duration(key string, def time.Duration) time.Duration {
	if !r.Has(key) {
		return def
	}
	d, err := ParseDuration(r.opts[key])
	if err != nil {
		r.Fail(key, "%v", err)
		return def
	}
	return d
}

// Prefix returns the options below prefix with the prefix cut off; all of them count as known.
func (r *OptionReader) Prefix(prefix string) map[string]string {
	r.prefixes = append(r.prefixes, prefix)
	out := map[string]string{}
	for k, v := range r.opts {
		if rest, ok := strings.CutPrefix(k, prefix); ok {
			out[rest] = v
		}
	}
	return out
}

// Known reports whether key was asked for by its full name.
func (r *OptionReader) Known(key string) bool { return r.known[key] }

// Done returns the first failure, or names the first option nobody read.
func (r *OptionReader) Done() error {
	if r.err != nil {
		return r.err
	}
	keys := make([]string, 0, len(r.opts))
	for k := range r.opts {
		if !r.isKnown(k) {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	sort.Strings(keys)
	known := make([]string, 0, len(r.known))
	for k := range r.known {
		known = append(known, k)
	}
	sort.Strings(known)
	return errkind.Errorf(errkind.Invalid, "option '%s' is unknown here; known are %s", keys[0], strings.Join(known, ", "))
}

func (r *OptionReader) isKnown(key string) bool {
	if r.known[key] {
		return true
	}
	for _, p := range r.prefixes {
		if strings.HasPrefix(key, p) {
			return true
		}
	}
	return false
}

// durationUnits are the labels of Flink's TimeUtils.
var durationUnits = map[string]time.Duration{
	"":  time.Millisecond,
	"d": 24 * time.Hour, "day": 24 * time.Hour, "days": 24 * time.Hour,
	"h": time.Hour, "hour": time.Hour, "hours": time.Hour,
	"m": time.Minute, "min": time.Minute, "minute": time.Minute, "minutes": time.Minute,
	"s": time.Second, "sec": time.Second, "second": time.Second, "seconds": time.Second,
	"ms": time.Millisecond, "milli": time.Millisecond, "millis": time.Millisecond,
	"millisecond": time.Millisecond, "milliseconds": time.Millisecond,
	"us": time.Microsecond, "µs": time.Microsecond, "micro": time.Microsecond, "micros": time.Microsecond,
	"microsecond": time.Microsecond, "microseconds": time.Microsecond,
	"ns": time.Nanosecond, "nano": time.Nanosecond, "nanos": time.Nanosecond,
	"nanosecond": time.Nanosecond, "nanoseconds": time.Nanosecond,
}

// ParseDuration reads Flink's duration text: "10 s", "5min", "500 ms"; no unit means milliseconds.
func ParseDuration(s string) (time.Duration, error) {
	s = strings.TrimSpace(s)
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	unit, ok := durationUnits[strings.ToLower(strings.TrimSpace(s[n:]))]
	v, err := strconv.ParseInt(s[:n], 10, 64)
	if err != nil || !ok {
		return 0, errkind.Errorf(errkind.Invalid, "expected a duration like '10 s', '5 min' or '500 ms', found %q", s)
	}
	if v > int64(1<<63-1)/int64(unit) {
		return 0, errkind.Errorf(errkind.Invalid, "duration %q is longer than 292 years", s)
	}
	return time.Duration(v) * unit, nil
}
