package schema

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/decimal128"
)

// CompareValues orders two Go forms of one type as Paimon orders keys: NULL
// first, false before true, strings and bytes by unsigned bytes, -0 before 0,
// NaN last. It panics when the forms are of different types.
func CompareValues(a, b any) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	}
	switch x := a.(type) {
	case bool:
		return boolRank(x) - boolRank(b.(bool))
	case int64:
		return cmp.Compare(x, b.(int64))
	case float64:
		return compareFloat(x, b.(float64))
	case string:
		return strings.Compare(x, b.(string))
	case []byte:
		return bytes.Compare(x, b.([]byte))
	case decimal128.Num:
		return decimalCompare(x, b.(decimal128.Num))
	default:
		panic(fmt.Sprintf("schema: compare of %T", a))
	}
}

func boolRank(b bool) int {
	if b {
		return 1
	}
	return 0
}

// compareFloat is Java's Double.compare.
func compareFloat(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	case math.IsNaN(a) || math.IsNaN(b):
		return boolRank(math.IsNaN(a)) - boolRank(math.IsNaN(b))
	default:
		return boolRank(math.Signbit(b)) - boolRank(math.Signbit(a))
	}
}

// CompareRows orders two decoded rows field by field.
func CompareRows(a, b []any) int {
	for i := range a {
		if c := CompareValues(a[i], b[i]); c != 0 {
			return c
		}
	}
	return 0
}
