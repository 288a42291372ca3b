package duck

import (
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

// sqlType is the DuckDB type that holds values of t while a query runs. It has the layout
// of t's Arrow form, so columns pass between DuckDB, Go functions and results without a
// cast. Instants of TIMESTAMP_LTZ are held in UTC as timestamps without zone.
func sqlType(t schema.Type) (string, error) {
	switch t.Kind {
	case schema.Boolean:
		return "BOOLEAN", nil
	case schema.TinyInt:
		return "TINYINT", nil
	case schema.SmallInt:
		return "SMALLINT", nil
	case schema.Int:
		return "INTEGER", nil
	case schema.BigInt, schema.IntervalDayTime, schema.IntervalYearMonth:
		return "BIGINT", nil
	case schema.Float:
		return "FLOAT", nil
	case schema.Double:
		return "DOUBLE", nil
	case schema.Decimal:
		return fmt.Sprintf("DECIMAL(%d, %d)", t.Precision, t.Scale), nil
	case schema.Char, schema.VarChar:
		return "VARCHAR", nil
	case schema.Binary, schema.VarBinary, schema.Blob:
		return "BLOB", nil
	case schema.Date:
		return "DATE", nil
	case schema.Time:
		return "TIME", nil
	case schema.Timestamp, schema.TimestampLTZ:
		return timestampType(t.Precision), nil
	case schema.Null:
		return `"NULL"`, nil
	default:
		return nestedType(t)
	}
}

func timestampType(precision int) string {
	switch {
	case precision <= 3:
		return "TIMESTAMP_MS"
	case precision <= 6:
		return "TIMESTAMP"
	default:
		return "TIMESTAMP_NS"
	}
}

func nestedType(t schema.Type) (string, error) {
	switch t.Kind {
	case schema.Array:
		e, err := sqlType(*t.Elem)
		return e + "[]", err
	case schema.Map:
		k, err := sqlType(*t.Key)
		if err != nil {
			return "", err
		}
		v, err := sqlType(*t.Elem)
		return "MAP(" + k + ", " + v + ")", err
	case schema.Multiset:
		e, err := sqlType(*t.Elem)
		return "MAP(" + e + ", INTEGER)", err
	case schema.Variant:
		return "STRUCT(value BLOB, metadata BLOB)", nil
	case schema.Row:
		parts := make([]string, len(t.Fields))
		seen := make(map[string]bool, len(t.Fields))
		for i, f := range t.Fields {
			low := strings.ToLower(f.Name)
			if seen[low] || f.Name == "" {
				return "", errkind.Errorf(errkind.Invalid, "batch query: field %q of %s is empty or differs from another in case only, which DuckDB cannot hold", f.Name, t)
			}
			seen[low] = true
			ft, err := sqlType(f.Type)
			if err != nil {
				return "", err
			}
			parts[i] = quoteName(f.Name) + " " + ft
		}
		return "STRUCT(" + strings.Join(parts, ", ") + ")", nil
	default:
		return "", errkind.Errorf(errkind.Bug, "type %s has no form in DuckDB", t)
	}
}

func quoteName(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// quoteText is a VARCHAR constant. NUL ends a statement's text in DuckDB's C interface, so it is spelled.
func quoteText(s string) string {
	quoted := "'" + strings.ReplaceAll(s, "'", "''") + "'"
	if strings.IndexByte(s, 0) < 0 {
		return quoted
	}
	return "(" + strings.ReplaceAll(quoted, "\x00", "' || chr(0) || '") + ")"
}

func cast(text, typ string) string { return "CAST(" + text + " AS " + typ + ")" }

// sqlLiteral prints a constant with exactly its type.
func sqlLiteral(l *expr.Literal) (string, error) {
	typ, err := sqlType(l.T)
	if err != nil {
		return "", err
	}
	switch v := l.Value.(type) {
	case nil:
		return cast("NULL", typ), nil
	case bool:
		return strings.ToUpper(strconv.FormatBool(v)), nil
	case int64:
		return intLiteral(v, l.T, typ)
	case float64:
		return cast("'"+floatText(v)+"'", typ), nil
	case decimal128.Num:
		return cast("'"+v.ToString(int32(l.T.Scale))+"'", typ), nil
	case string:
		if !utf8.ValidString(v) {
			return "", errkind.Errorf(errkind.Invalid, "batch query: the constant %q is no valid UTF-8", v)
		}
		return quoteText(v), nil
	case []byte:
		return "unhex('" + hex.EncodeToString(v) + "')", nil
	default:
		return "", errkind.Errorf(errkind.Bug, "print literal: a %s holds a %T", l.T, v)
	}
}

func floatText(v float64) string {
	switch {
	case math.IsNaN(v):
		return "NaN"
	case math.IsInf(v, 0):
		return strings.Replace(strconv.FormatFloat(v, 'g', -1, 64), "Inf", "Infinity", 1)
	default:
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
}

func intLiteral(v int64, t schema.Type, typ string) (string, error) {
	n := strconv.FormatInt(v, 10)
	switch t.Kind {
	case schema.Date:
		return cast("DATE '1970-01-01' + "+parens(n, v), typ), nil
	case schema.Time:
		// A TIME counts from midnight: microseconds of the first day of the epoch.
		return cast("make_timestamp("+n+"000)", typ), nil
	case schema.Timestamp, schema.TimestampLTZ:
		return timestampOf(n, t), nil
	default:
		return cast(n, typ), nil
	}
}

func parens(n string, v int64) string {
	if v < 0 {
		return "(" + n + ")"
	}
	return n
}

// timestampOf makes a timestamp of t's type from a BIGINT in t's unit.
func timestampOf(n string, t schema.Type) string {
	switch timestampType(t.Precision) {
	case "TIMESTAMP_MS":
		// A small constant is an INTEGER to DuckDB, whose product would overflow.
		return "CAST(make_timestamp(CAST(" + n + " AS BIGINT) * 1000) AS TIMESTAMP_MS)"
	case "TIMESTAMP":
		return "make_timestamp(" + n + ")"
	default:
		return "make_timestamp_ns(" + n + ")"
	}
}

// ticksOf is the opposite of timestampOf.
func ticksOf(ts string, t schema.Type) string {
	switch timestampType(t.Precision) {
	case "TIMESTAMP_MS":
		return "epoch_ms(" + ts + ")"
	case "TIMESTAMP":
		return "epoch_us(" + ts + ")"
	default:
		return "epoch_ns(" + ts + ")"
	}
}
