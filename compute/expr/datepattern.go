package expr

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// datePattern is a Java date pattern ("yyyy-MM-dd HH:mm:ss.SSS"), as DateTimeFormatter and
// SimpleDateFormat understand it. Letters: y u year, Q quarter, M L month, d day, D day of
// the year, E day of the week, a AM/PM, H 0-23, k 1-24, K 0-11, h 1-12, m minute, s second,
// S fraction, n nanosecond, G era, X x Z z V zone; '..' quotes text. Names are English.
type datePattern struct {
	pieces []datePiece
	// lenient is SimpleDateFormat's reading: numbers of any width, days and hours that
	// carry over, S in milliseconds, and text after the pattern is ignored.
	lenient bool
}

// datePiece is a run of one pattern letter, or literal text if letter is 0.
type datePiece struct {
	letter byte
	count  int
	text   string
}

var (
	monthNames = [...]string{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"}
	dayNames   = [...]string{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"}
)

// shortName is the length of abbreviated names of months and days.
const shortName = 3

func parseDatePattern(s string, lenient bool) (*datePattern, error) {
	p := &datePattern{lenient: lenient}
	literal := func(t string) {
		if n := len(p.pieces); n > 0 && p.pieces[n-1].letter == 0 {
			p.pieces[n-1].text += t
		} else {
			p.pieces = append(p.pieces, datePiece{text: t})
		}
	}
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '\'':
			end := strings.IndexByte(s[i+1:], '\'')
			if end < 0 {
				return nil, fmt.Errorf("date pattern %q: a quote is not closed", s)
			}
			if end == 0 {
				literal("'")
			} else {
				literal(s[i+1 : i+1+end])
			}
			i += end + 2
			// '' inside quoted text is a quote.
			if end > 0 && i < len(s) && s[i] == '\'' {
				literal("'")
			}
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			if strings.IndexByte("yuQMLdDEaHkKhmsSnGXxZzV", c) < 0 {
				return nil, fmt.Errorf("date pattern %q: the letter %c is not supported", s, c)
			}
			n := 1
			for i+n < len(s) && s[i+n] == c {
				n++
			}
			p.pieces = append(p.pieces, datePiece{letter: c, count: n})
			i += n
		case strings.IndexByte("[]{}#", c) >= 0:
			return nil, fmt.Errorf("date pattern %q: %c is not supported; quote it to mean the character", s, c)
		default:
			literal(string(c))
			i++
		}
	}
	return p, nil
}

// format appends the text of a moment; zone and offset (seconds) fill the zone letters.
func (p *datePattern) format(dst []byte, m moment, zone *time.Location, offset int64) []byte {
	c := civilOf(m.days)
	for _, piece := range p.pieces {
		n := piece.count
		switch piece.letter {
		case 0:
			dst = append(dst, piece.text...)
		case 'y', 'u':
			if n == 2 {
				dst = appendInt(dst, c.year%100, 2)
			} else {
				dst = appendInt(dst, c.year, n)
			}
		case 'Q':
			dst = appendInt(dst, (c.month+2)/3, n)
		case 'M', 'L':
			dst = appendName(dst, monthNames[c.month-1], c.month, n)
		case 'd':
			dst = appendInt(dst, c.day, n)
		case 'D':
			dst = appendInt(dst, int(m.days-civil{c.year, 1, 1}.days())+1, n)
		case 'E':
			dst = appendName(dst, dayNames[floorMod(m.days+4, 7)], 0, max(n, shortName))
		case 'a':
			dst = append(dst, "AMPM"[m.sec/43200*2:][:2]...)
		case 'G':
			dst = append(dst, "AD"...)
		case 'X', 'x', 'Z', 'z', 'V':
			dst = appendZone(dst, piece, zone, offset)
		default:
			dst = p.formatClock(dst, piece, m)
		}
	}
	return dst
}

func (p *datePattern) formatClock(dst []byte, piece datePiece, m moment) []byte {
	hour, n := int(m.sec/3600), piece.count
	switch piece.letter {
	case 'H':
		return appendInt(dst, hour, n)
	case 'k':
		return appendInt(dst, (hour+23)%24+1, n)
	case 'K':
		return appendInt(dst, hour%12, n)
	case 'h':
		return appendInt(dst, (hour+11)%12+1, n)
	case 'm':
		return appendInt(dst, int(m.sec/60%60), n)
	case 's':
		return appendInt(dst, int(m.sec%60), n)
	case 'n':
		return appendInt(dst, m.nanos, n)
	default: // S
		if p.lenient {
			return appendInt(dst, m.nanos/1_000_000, n)
		}
		digits := fmt.Sprintf("%09d", m.nanos)
		for len(digits) < n {
			digits += "0"
		}
		return append(dst, digits[:n]...)
	}
}

// appendName writes a number for one or two letters, else the short or full name.
func appendName(dst []byte, name string, number, n int) []byte {
	switch {
	case n < shortName:
		return appendInt(dst, number, n)
	case n == shortName:
		return append(dst, name[:shortName]...)
	default:
		return append(dst, name...)
	}
}

func appendZone(dst []byte, piece datePiece, zone *time.Location, offset int64) []byte {
	if piece.letter == 'V' || piece.letter == 'z' {
		return append(dst, zone.String()...)
	}
	if piece.letter == 'X' && offset == 0 {
		return append(dst, 'Z')
	}
	dst, offset = appendSign(dst, offset)
	dst = appendInt(dst, int(offset/3600), 2)
	if piece.letter != 'Z' && piece.count == 1 && offset%3600 == 0 {
		return dst
	}
	if piece.letter != 'Z' && piece.count == 3 {
		dst = append(dst, ':')
	}
	return appendInt(dst, int(offset/60%60), 2)
}

// dateFields are what a text said.
type dateFields struct {
	year, month, day, dayOfYear, hour, minute, second, nanos int

	pm, hasPM, hour12 bool
	offset            int64
	hasOffset         bool
}

// parse reads s. ok is false if it does not match the pattern or names no date.
func (p *datePattern) parse(s string) (m moment, offset int64, hasOffset, ok bool) {
	f := dateFields{year: 1970, month: 1, day: 1}
	for i, piece := range p.pieces {
		var good bool
		if s, good = p.parsePiece(&f, piece, s, p.adjacent(i)); !good {
			return moment{}, 0, false, false
		}
	}
	if s != "" && !p.lenient {
		return moment{}, 0, false, false
	}
	m, ok = f.moment(p.lenient)
	return m, f.offset, f.hasOffset, ok
}

// adjacent reports whether a number follows piece i directly, so that its width must count.
func (p *datePattern) adjacent(i int) bool {
	return i+1 < len(p.pieces) && p.pieces[i+1].letter != 0
}

func (p *datePattern) parsePiece(f *dateFields, piece datePiece, s string, adjacent bool) (rest string, ok bool) {
	switch piece.letter {
	case 0:
		return strings.CutPrefix(s, piece.text)
	case 'M', 'L', 'E':
		if piece.count >= shortName || piece.letter == 'E' {
			return parseName(f, piece, s)
		}
	case 'a':
		if len(s) < 2 || !strings.EqualFold(s[:2], "AM") && !strings.EqualFold(s[:2], "PM") {
			return s, false
		}
		f.hasPM, f.pm = true, s[0] == 'P' || s[0] == 'p'
		return s[2:], true
	case 'G':
		return strings.CutPrefix(s, "AD")
	case 'X', 'x', 'Z', 'z', 'V':
		return parseOffset(f, s)
	}
	return p.parseNumber(f, piece, s, adjacent)
}

func parseName(f *dateFields, piece datePiece, s string) (string, bool) {
	names := monthNames[:]
	if piece.letter == 'E' {
		names = dayNames[:]
	}
	for i, name := range names {
		short := name[:shortName]
		if piece.count > shortName && len(s) >= len(name) && strings.EqualFold(s[:len(name)], name) {
			short = name
		} else if piece.count > shortName && piece.letter != 'E' || len(s) < shortName || !strings.EqualFold(s[:shortName], short) {
			continue
		}
		if piece.letter != 'E' {
			f.month = i + 1
		}
		return s[len(short):], true
	}
	return s, false
}

// parseOffset reads Z, +hh, +hhmm, +hh:mm or the name of a zone that is an offset.
func parseOffset(f *dateFields, s string) (string, bool) {
	end := strings.IndexAny(s, " ,)]")
	if end < 0 {
		end = len(s)
	}
	zone, err := LoadZone(s[:end])
	if err != nil {
		return s, false
	}
	f.offset, f.hasOffset = offsetAt(0, zone), true
	return s[end:], true
}

// widestNumber is how many digits a number that stands alone may have.
const widestNumber = 9

func (p *datePattern) parseNumber(f *dateFields, piece datePiece, s string, adjacent bool) (string, bool) {
	digits := 0
	for digits < len(s) && digits < widestNumber && s[digits] >= '0' && s[digits] <= '9' {
		digits++
	}
	fixed := adjacent || !p.lenient && piece.count > 1 && (piece.letter != 'y' && piece.letter != 'u' || piece.count == 2)
	if !p.lenient && piece.letter == 'S' {
		fixed = true
	}
	if fixed {
		if digits < piece.count {
			return s, false
		}
		digits = piece.count
	}
	if digits == 0 || !p.lenient && digits < piece.count {
		return s, false
	}
	v, err := parseDigits(s[:digits])
	if err != nil {
		return s, false
	}
	switch piece.letter {
	case 'y', 'u':
		if piece.count == 2 && digits <= 2 {
			v += 2000
			if p.lenient && v > time2DigitPivot {
				v -= 100
			}
		}
		f.year = v
	case 'S':
		if p.lenient {
			f.nanos = v * 1_000_000
		} else {
			f.nanos = v * int(pow10[9-digits])
		}
	case 'n':
		f.nanos = v
	default:
		f.setNumber(piece.letter, v)
	}
	return s[digits:], true
}

// time2DigitPivot splits the centuries of a two-digit year. SimpleDateFormat's window moves with
// the machine's clock (80 years back, 20 ahead); results must not, so it stands still.
const time2DigitPivot = 2044

func (f *dateFields) setNumber(letter byte, v int) {
	switch letter {
	case 'M', 'L':
		f.month = v
	case 'd':
		f.day = v
	case 'D':
		f.dayOfYear = v
	case 'H':
		f.hour = v
	case 'k':
		f.hour = v % 24
	case 'K':
		f.hour, f.hour12 = v, true
	case 'h':
		f.hour, f.hour12 = v%12, true
	case 'm':
		f.minute = v
	case 's':
		f.second = v
	}
}

// moment checks the fields. A day beyond its month's end is the last one, or, leniently, carries over.
func (f *dateFields) moment(lenient bool) (moment, bool) {
	if f.hasPM && f.pm && f.hour12 {
		f.hour += 12
	}
	if !lenient {
		if f.month < 1 || f.month > 12 || f.day < 1 || f.day > 31 || f.hour > 23 || f.minute > 59 || f.second > 59 {
			return moment{}, false
		}
		f.day = min(f.day, daysInMonth(f.year, f.month))
	}
	days := civil{f.year, f.month, 1}.days() + int64(f.day) - 1
	if f.dayOfYear > 0 {
		days = civil{f.year, 1, 1}.days() + int64(f.dayOfYear) - 1
	}
	m := moment{days: days, sec: int64(f.hour*3600 + f.minute*60 + f.second), nanos: f.nanos}
	return m.normal(), true
}

// patterns compiles the pattern arguments of a function: a constant once, others by batch.
type patterns struct {
	lenient bool
	konst   *datePattern
	seen    map[string]*datePattern
}

// patternsMax bounds the patterns kept while one batch is evaluated.
const patternsMax = 256

// get returns the compiled pattern; nil if it is wrong.
func (ps *patterns) get(text []byte) *datePattern {
	if ps.konst != nil {
		return ps.konst
	}
	if p, ok := ps.seen[string(text)]; ok {
		return p
	}
	p, err := parseDatePattern(string(text), ps.lenient)
	if err != nil || !utf8.Valid(text) {
		p = nil
	}
	if len(ps.seen) < patternsMax {
		ps.seen[string(text)] = p
	}
	return p
}
