package expr

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/weir-lake/weir/table/schema"
)

func FuzzParseDecimal(f *testing.F) {
	for _, s := range []string{"0", "-1.50", "1e10", "1e-10", ".5", "5.", "", "+", "1e", "1e99999", "--1", "1.2.3", "0x1", "１"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, scale, err := parseDecimal(s)
		if err != nil {
			return
		}
		want, ok := new(big.Rat).SetString(s)
		if !ok || want.Cmp(new(big.Rat).SetFrac(v, bigPow10(scale))) != 0 {
			t.Errorf("%q is read as %s at scale %d", s, v, scale)
		}
	})
}

func FuzzTimeText(f *testing.F) {
	for _, s := range []string{"2024-02-29", "2024-02-29 12:34:56.789", "0000-01-01", "9999-12-31 23:59:59.999999999", "2024-2-3 4:5:6", " ", "-", "2024-02-30", "12:34", "12:34:56.7"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if d, err := ParseDate(s); err == nil {
			if back, err := ParseDate(FormatDate(d)); err != nil || back != d {
				t.Errorf("ParseDate(%q) = %d, back %d, %v", s, d, back, err)
			}
		}
		if ms, err := ParseTime(s); err == nil && (ms < 0 || ms >= millisPerDay) {
			t.Errorf("ParseTime(%q) = %d", s, ms)
		}
		typ := schema.TTimestamp(6)
		if v, err := ParseTimestamp(s, typ, nil); err == nil {
			if back, err := ParseTimestamp(FormatTimestamp(v, typ, nil), typ, nil); err != nil || back != v {
				t.Errorf("ParseTimestamp(%q) = %d, back %d, %v", s, v, back, err)
			}
		}
	})
}

func FuzzDatePattern(f *testing.F) {
	f.Add("yyyy-MM-dd HH:mm:ss.SSS", "2024-02-29 12:34:56.789")
	f.Add("EEE, d MMM yy h:mm a XXX", "Fri, 1 Mar 24 1:02 PM +01:00")
	f.Add("'a''b'yyyyMMdd", "a'b20240229")
	f.Add("''", "'")
	f.Add("DDD G Q n k K", "001 AD 1 5 24 0")
	f.Add("'", "")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		for _, lenient := range []bool{false, true} {
			p, err := parseDatePattern(pattern, lenient)
			if err != nil {
				continue
			}
			if len(pattern) < 100 {
				p.format(nil, moment{days: 19782, sec: 45296, nanos: 789_000_000}, time.UTC, 0)
			}
			if m, _, _, ok := p.parse(text); ok && (m.sec < 0 || m.sec >= secondsPerDay || m.nanos < 0 || m.nanos >= nanosPerSec) {
				t.Errorf("%q by %q is %v", text, pattern, m)
			}
		}
	})
}

func FuzzJavaRegex(f *testing.F) {
	for _, s := range []string{`a(b|c)*\d+`, `\Qa.b\E`, `[a-z&&[^b]]`, `(?=x)`, `(?i)ab`, `\u00e9`, `\p{Alpha}`, `[\w\-]`, `a*+`, `(?<n>a)`, `\`, `[`, `(?`, `\0`, `\p{`, `.\h\R`} {
		f.Add(s, "abc")
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if re, err := compileJavaRegex(pattern); err == nil && len(text) < 1000 {
			re.MatchString(text)
		}
		if re, err := compileSimilar(pattern, `\`); err == nil && len(text) < 1000 {
			re.MatchString(text)
		}
		if like, err := compileLike(pattern, "!"); err == nil {
			like.match([]byte(text))
		}
	})
}

func FuzzJSON(f *testing.F) {
	f.Add(`{"a": [1, {"b": null}]}`, `$.a[1].b`)
	f.Add(`[1, 2]`, `lax $[*]`)
	f.Add(`{"a b": 1}`, `strict $['a b']`)
	f.Add(`nonsense`, `$..x`)
	f.Add(``, `$[-1]`)
	f.Add(strings.Repeat("[", 100), `$`)
	f.Fuzz(func(t *testing.T, text, path string) {
		p, err := parseJSONPath(path)
		if err != nil {
			return
		}
		root, err := parseJSON([]byte(text))
		if err != nil {
			return
		}
		v, found, err := p.find(root)
		if err != nil || !found {
			return
		}
		out, err := appendJSON(nil, v)
		if err != nil {
			t.Fatalf("%s of %s: %v", path, text, err)
		}
		if _, err := parseJSON(out); err != nil {
			t.Errorf("%s of %s is %s, which is not JSON", path, text, out)
		}
	})
}

func FuzzLoadZone(f *testing.F) {
	for _, s := range []string{"UTC", "Europe/Zurich", "+08:00", "GMT-8", "UTC+01:30", "Z", "", "Local", "../etc/passwd", "+99:99", "GMT"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if loc, err := LoadZone(name); err == nil {
			if off := offsetAt(0, loc); off < -19*3600 || off > 19*3600 {
				t.Errorf("%q is %d seconds from UTC", name, off)
			}
		}
	})
}
