package schema

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
)

// Directories of a table, relative to its path.
const (
	DirSchema    = "schema"
	DirManifest  = "manifest"
	DirIndex     = "index"
	DirBranch    = "branch"
	BucketPrefix = "bucket-"
	// BucketPostpone is the entry bucket of files that are not yet bucketed;
	// readers ignore them.
	BucketPostpone = -2
)

// SchemaKey is the key of schema version id, relative to the table (or branch).
func SchemaKey(id ID) string { return fmt.Sprintf("%s/schema-%d", DirSchema, id) }

// PartitionPath is a partition's folder text "p1=v1/p2=v2", without slash at
// the end; "" for a table without partitions. partition is in stored form.
func (s *Schema) PartitionPath(partition []byte) (string, error) {
	fields := s.PartitionFields()
	values, err := DecodeRow(TypesOf(fields), partition)
	if err != nil {
		return "", fmt.Errorf("partition: %w", err)
	}
	opts, err := s.TableOptions()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for i, f := range fields {
		if i > 0 {
			b.WriteByte('/')
		}
		text, err := PartitionText(f.Type, values[i], opts)
		if err != nil {
			return "", fmt.Errorf("partition column %s: %w", f.Name, err)
		}
		b.WriteString(EscapePath(f.Name))
		b.WriteByte('=')
		b.WriteString(EscapePath(text))
	}
	return b.String(), nil
}

// PartitionText is a partition value before escaping. NULL, empty and blank
// strings share the default name.
func PartitionText(t Type, v any, opts Options) (string, error) {
	if v == nil {
		return opts.PartitionDefaultName, nil
	}
	var text string
	switch x := v.(type) {
	case bool:
		text = strconv.FormatBool(x)
	case string:
		text = x
	case []byte:
		text = string(x)
	case float64:
		text = javaFloat(t, x)
	case decimal128.Num:
		text = x.ToString(int32(t.Scale))
	case int64:
		text = integerText(t, x, opts.PartitionLegacyName)
	default:
		return "", fmt.Errorf("%s cannot be a partition value", t)
	}
	if strings.TrimSpace(text) == "" {
		return opts.PartitionDefaultName, nil
	}
	return text, nil
}

func integerText(t Type, v int64, legacy bool) string {
	switch {
	case t.Kind == Date && !legacy:
		return time.Unix(v*24*60*60, 0).UTC().Format(time.DateOnly)
	case t.Kind == Time && !legacy:
		return fractionText(time.UnixMilli(v).UTC(), "15:04:05", t.Precision)
	case t.IsTimestamp() && !legacy:
		return fractionText(timestampTime(t, v), time.DateTime, t.Precision)
	case t.IsTimestamp():
		return legacyTimestamp(timestampTime(t, v))
	default:
		return strconv.FormatInt(v, 10)
	}
}

func timestampTime(t Type, v int64) time.Time {
	return arrow.Timestamp(v).ToTime(t.TimestampUnit())
}

func fractionText(at time.Time, layout string, precision int) string {
	if precision > 0 {
		layout += "." + strings.Repeat("0", precision)
	}
	return at.Format(layout)
}

// legacyTimestamp is Java's LocalDateTime.toString: seconds are left out when
// zero, the fraction has 0, 3, 6 or 9 digits.
func legacyTimestamp(at time.Time) string {
	switch n := at.Nanosecond(); {
	case n == 0 && at.Second() == 0:
		return at.Format("2006-01-02T15:04")
	case n == 0:
		return at.Format("2006-01-02T15:04:05")
	case n%1_000_000 == 0:
		return at.Format("2006-01-02T15:04:05.000")
	case n%1_000 == 0:
		return at.Format("2006-01-02T15:04:05.000000")
	default:
		return at.Format("2006-01-02T15:04:05.000000000")
	}
}

// FloatText is a FLOAT or DOUBLE as Java prints it, and so casts it to STRING.
func FloatText(t Type, v float64) string { return javaFloat(t, v) }

// javaFloat is Java's Float.toString and Double.toString for the values that
// stand in paths.
func javaFloat(t Type, v float64) string {
	bits := 64
	if t.Kind == Float {
		bits = 32
	}
	abs := v
	if abs < 0 {
		abs = -abs
	}
	if abs != 0 && (abs < 1e-3 || abs >= 1e7) && !math.IsNaN(abs) && !math.IsInf(abs, 0) {
		text := strconv.FormatFloat(v, 'E', -1, bits)
		mantissa, exp, _ := strings.Cut(text, "E")
		if !strings.Contains(mantissa, ".") {
			mantissa += ".0"
		}
		n, err := strconv.Atoi(exp)
		if err != nil {
			return text
		}
		return mantissa + "E" + strconv.Itoa(n)
	}
	text := strconv.FormatFloat(v, 'f', -1, bits)
	switch text {
	case "NaN":
		return text
	case "+Inf":
		return "Infinity"
	case "-Inf":
		return "-Infinity"
	}
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}

// escaped are the printable characters that Paimon, after Hive, writes as %XX.
const escaped = "\"#%'*/:=?\\{}[]^\x7f"

// EscapePath writes a partition name or value as a folder name.
func EscapePath(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= 0x01 && c <= 0x1f || strings.IndexByte(escaped, c) >= 0 {
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// BucketDir is the folder of a partition's bucket, relative to the table.
func (s *Schema) BucketDir(partition []byte, bucket int) (string, error) {
	path, err := s.PartitionPath(partition)
	if err != nil {
		return "", err
	}
	if dir := strings.Trim(s.Options[OptDataFilePathDirectory], "/"); dir != "" {
		path = strings.TrimSuffix(dir+"/"+path, "/")
	}
	name := BucketPrefix + strconv.Itoa(max(bucket, 0))
	if bucket == BucketPostpone {
		name = BucketPrefix + "postpone"
	}
	if path == "" {
		return name, nil
	}
	return path + "/" + name, nil
}
