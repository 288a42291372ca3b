package expr

import (
	"crypto/md5"  //nolint:gosec // MD5 and SHA-1 are SQL functions here, not protection
	"crypto/sha1" //nolint:gosec // as above
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/weir-lake/weir/table/schema"
)

// digest appends the hash of s under one of Java's algorithm names; false for an unknown one.
func digest(dst []byte, algorithm string, s []byte) ([]byte, bool) {
	switch algorithm {
	case "MD5":
		h := md5.Sum(s) //nolint:gosec // see the import
		return append(dst, h[:]...), true
	case "SHA1":
		h := sha1.Sum(s) //nolint:gosec // see the import
		return append(dst, h[:]...), true
	case "SHA224":
		h := sha256.Sum224(s)
		return append(dst, h[:]...), true
	case "SHA256":
		h := sha256.Sum256(s)
		return append(dst, h[:]...), true
	case "SHA384":
		h := sha512.Sum384(s)
		return append(dst, h[:]...), true
	case "SHA512":
		h := sha512.Sum512(s)
		return append(dst, h[:]...), true
	default:
		return dst, false
	}
}

// prepDigest is MD5, SHA1, SHA224 .. SHA512 and SHA2(text, bits), in lower-case hex digits.
func prepDigest(p *prep) (kernel, error) {
	return func(c *call) (vec, error) {
		x := textOf(c.args[0])
		var sum []byte
		return mapText(c, func(dst []byte, i int) ([]byte, bool, error) {
			algorithm := p.fn
			if p.fn == "SHA2" {
				bits := colOf[int64](c.args[1]).at(i)
				if bits != 224 && bits != 256 && bits != 384 && bits != 512 {
					return dst, false, fmt.Errorf("the length must be 224, 256, 384 or 512, not %d", bits)
				}
				algorithm = "SHA" + strconv.FormatInt(bits, 10)
			}
			sum, _ = digest(sum[:0], algorithm, x.bytes(i))
			return hex.AppendEncode(dst, sum), true, nil
		})
	}, nil
}

// prepHashCode is HASH_CODE: Java's hashCode, not negative for text.
func prepHashCode(p *prep) (kernel, error) {
	switch t := p.args[0]; {
	case t.IsString():
		return func(c *call) (vec, error) {
			x := textOf(c.args[0])
			return mapFixedTotal(c, func(i int) int32 {
				h := int32(0)
				for _, u := range utf16Of(x.bytes(i)) {
					h = 31*h + int32(u)
				}
				if h < 0 {
					return -h
				}
				return h
			})
		}, nil
	case t.Kind == schema.BigInt:
		return hashFixed(func(v int64) int32 { return int32(v ^ int64(uint64(v)>>32)) }), nil
	case t.Kind == schema.Int || t.Kind == schema.Date || t.Kind == schema.Time:
		return hashFixed(func(v int32) int32 { return v }), nil
	case t.Kind == schema.SmallInt:
		return hashFixed(func(v int16) int32 { return int32(v) }), nil
	case t.Kind == schema.TinyInt:
		return hashFixed(func(v int8) int32 { return int32(v) }), nil
	case t.Kind == schema.Float:
		return hashFixed(func(v float32) int32 { return int32(math.Float32bits(v)) }), nil
	case t.Kind == schema.Double:
		return hashFixed(func(v float64) int32 { b := math.Float64bits(v); return int32(b ^ b>>32) }), nil
	case t.Kind == schema.Boolean:
		return hashFixed(func(v bool) int32 {
			if v {
				return 1231
			}
			return 1237
		}), nil
	default:
		return nil, fmt.Errorf("a %s has no hash code", t)
	}
}

func hashFixed[T fixed](f func(T) int32) kernel {
	return func(c *call) (vec, error) {
		x := colOf[T](c.args[0])
		return mapFixedTotal(c, func(i int) int32 { return f(x.at(i)) })
	}
}

func toBase64(dst, s []byte) []byte { return base64.StdEncoding.AppendEncode(dst, s) }

func evalFromBase64(c *call) (vec, error) {
	x := textOf(c.args[0])
	return mapText(c, func(dst []byte, i int) ([]byte, bool, error) {
		s := x.bytes(i)
		enc := base64.StdEncoding
		if len(s)%4 != 0 {
			enc = base64.RawStdEncoding // Java reads it with or without padding
		}
		out, err := enc.AppendDecode(dst, s)
		if err != nil {
			return dst, false, fmt.Errorf("%q is not base64", s)
		}
		return out, true, nil
	})
}

// prepHex is HEX of text, by its UTF-8 bytes, or of a number, as 64-bit two's complement.
func prepHex(p *prep) (kernel, error) {
	if p.args[0].IsInteger() {
		return func(c *call) (vec, error) {
			x := colOf[int64](c.args[0])
			return mapText(c, func(dst []byte, i int) ([]byte, bool, error) {
				return append(dst, strings.ToUpper(strconv.FormatUint(uint64(x.at(i)), 16))...), true, nil
			})
		}, nil
	}
	return text1(func(dst, s []byte) []byte {
		return append(dst, strings.ToUpper(hex.EncodeToString(s))...)
	})(p)
}

// evalUnhex is UNHEX; an odd digit count gets a zero in front; NULL if a digit is wrong.
func evalUnhex(c *call) (vec, error) {
	x := textOf(c.args[0])
	return mapText(c, func(dst []byte, i int) ([]byte, bool, error) {
		s := x.string(i)
		if len(s)%2 == 1 {
			s = "0" + s
		}
		out, err := hex.AppendDecode(dst, []byte(s))
		return out, err == nil, nil
	})
}

// appendEncoded writes s in one of Java's standard charsets; '?' for what it lacks.
func appendEncoded(dst []byte, s, charset string) ([]byte, error) {
	limit := rune(0)
	bigEndian := true
	switch strings.ToUpper(charset) {
	case "UTF-8", "UTF8":
		return append(dst, s...), nil
	case "US-ASCII", "ASCII":
		limit = 0x7F
	case "ISO-8859-1", "LATIN1":
		limit = 0xFF
	case "UTF-16":
		dst = append(dst, 0xFE, 0xFF)
	case "UTF-16BE":
	case "UTF-16LE":
		bigEndian = false
	default:
		return dst, fmt.Errorf("there is no charset %q", charset)
	}
	if limit > 0 {
		for _, r := range s {
			if r > limit {
				r = '?'
			}
			dst = append(dst, byte(r))
		}
		return dst, nil
	}
	for _, u := range utf16.Encode([]rune(s)) {
		if bigEndian {
			dst = append(dst, byte(u>>8), byte(u))
		} else {
			dst = append(dst, byte(u), byte(u>>8))
		}
	}
	return dst, nil
}

func appendDecoded(dst, b []byte, charset string) ([]byte, error) {
	bigEndian := true
	switch strings.ToUpper(charset) {
	case "UTF-8", "UTF8":
		return append(dst, strings.ToValidUTF8(string(b), "\uFFFD")...), nil
	case "US-ASCII", "ASCII":
		for _, c := range b {
			if c > 0x7F {
				dst = utf8.AppendRune(dst, utf8.RuneError)
			} else {
				dst = append(dst, c)
			}
		}
		return dst, nil
	case "ISO-8859-1", "LATIN1":
		for _, c := range b {
			dst = utf8.AppendRune(dst, rune(c))
		}
		return dst, nil
	case "UTF-16":
		if len(b) >= 2 && b[0] == 0xFF && b[1] == 0xFE {
			b, bigEndian = b[2:], false
		} else if len(b) >= 2 && b[0] == 0xFE && b[1] == 0xFF {
			b = b[2:]
		}
	case "UTF-16BE":
	case "UTF-16LE":
		bigEndian = false
	default:
		return dst, fmt.Errorf("there is no charset %q", charset)
	}
	units := make([]uint16, 0, len(b)/2)
	for i := 0; i+1 < len(b); i += 2 {
		hi, lo := b[i], b[i+1]
		if !bigEndian {
			hi, lo = lo, hi
		}
		units = append(units, uint16(hi)<<8|uint16(lo))
	}
	for _, r := range utf16.Decode(units) {
		dst = utf8.AppendRune(dst, r)
	}
	return dst, nil
}

func evalEncode(c *call) (vec, error) {
	x, charset := textOf(c.args[0]), textOf(c.args[1])
	return mapText(c, func(dst []byte, i int) ([]byte, bool, error) {
		out, err := appendEncoded(dst, x.string(i), charset.string(i))
		return out, true, err
	})
}

func evalDecode(c *call) (vec, error) {
	x, charset := textOf(c.args[0]), textOf(c.args[1])
	return mapText(c, func(dst []byte, i int) ([]byte, bool, error) {
		out, err := appendDecoded(dst, x.bytes(i), charset.string(i))
		return out, true, err
	})
}

func urlEncode(dst, s []byte) []byte {
	// Java's URLEncoder leaves * and encodes ~; Go's does the opposite.
	return append(dst, strings.NewReplacer("%2A", "*", "~", "%7E").Replace(url.QueryEscape(string(s)))...)
}

func evalURLDecode(c *call) (vec, error) {
	x := textOf(c.args[0])
	return mapText(c, func(dst []byte, i int) ([]byte, bool, error) {
		s, err := url.QueryUnescape(x.string(i))
		return append(dst, s...), err == nil, nil
	})
}

// evalParseURL is PARSE_URL(url, part[, key of the query]); NULL for what is not there.
func evalParseURL(c *call) (vec, error) {
	x, part := textOf(c.args[0]), textOf(c.args[1])
	return mapText(c, func(dst []byte, i int) ([]byte, bool, error) {
		u, ok := splitURL(x.string(i))
		if !ok {
			return dst, false, nil
		}
		v, ok := u.part(part.string(i))
		if len(c.args) == 3 {
			if part.string(i) != "QUERY" || !ok {
				return dst, false, nil
			}
			v, ok = queryValue(v, textOf(c.args[2]).string(i))
		}
		return append(dst, v...), ok, nil
	})
}

// urlPattern takes a URL apart as RFC 3986, appendix B, does.
var urlPattern = regexp.MustCompile(`^([a-zA-Z][a-zA-Z0-9+.-]*):(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?$`)

// urlParts holds the pieces of a URL; has tells which were there.
type urlParts struct {
	protocol, authority, path, query, ref string

	hasAuthority, hasQuery, hasRef bool
}

func splitURL(s string) (urlParts, bool) {
	m := urlPattern.FindStringSubmatchIndex(strings.TrimSpace(s))
	if m == nil {
		return urlParts{}, false
	}
	get := func(g int) (string, bool) {
		if m[2*g] < 0 {
			return "", false
		}
		return strings.TrimSpace(s)[m[2*g]:m[2*g+1]], true
	}
	var u urlParts
	u.protocol, _ = get(1)
	u.authority, u.hasAuthority = get(2)
	u.path, _ = get(3)
	u.query, u.hasQuery = get(4)
	u.ref, u.hasRef = get(5)
	return u, true
}

func (u urlParts) part(name string) (string, bool) {
	user, host, hasUser := strings.Cut(u.authority, "@")
	if !hasUser {
		user, host = "", u.authority
	}
	switch name {
	case "HOST":
		if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.Contains(host[i:], "]") {
			host = host[:i]
		}
		return host, true
	case "PATH":
		return u.path, true
	case "QUERY":
		return u.query, u.hasQuery
	case "REF":
		return u.ref, u.hasRef
	case "PROTOCOL":
		return u.protocol, true
	case "FILE":
		if u.hasQuery {
			return u.path + "?" + u.query, true
		}
		return u.path, true
	case "AUTHORITY":
		return u.authority, u.hasAuthority
	case "USERINFO":
		return user, hasUser
	default:
		return "", false
	}
}

// queryValue is the value of the first pair with the key.
func queryValue(query, key string) (string, bool) {
	for pair := range strings.SplitSeq(query, "&") {
		if k, v, ok := strings.Cut(pair, "="); ok && k == key {
			return v, true
		}
	}
	return "", false
}
