package ledger

import (
	"slices"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/predicate"
	"github.com/weir-lake/weir/table/schema"
)

// matches evaluates a filter on a row: a scan only leaves out files and pages that cannot match.
func matches(fields []schema.Field, filter predicate.And, rec arrow.RecordBatch, row int) (bool, error) {
	for _, c := range filter {
		i := slices.IndexFunc(fields, func(f schema.Field) bool { return f.Name == c.Column })
		if i < 0 {
			return false, errkind.Errorf(errkind.Invalid, "filter: there is no column %s", c.Column)
		}
		v, err := schema.ValueAt(fields[i].Type, rec.Column(i), row)
		if err != nil {
			return false, err
		}
		if !holds(c, v) {
			return false, nil
		}
	}
	return true, nil
}

// holds evaluates one comparison; one with NULL is never true.
func holds(c predicate.Compare, v any) bool {
	switch c.Op {
	case predicate.IsNull:
		return v == nil
	case predicate.IsNotNull:
		return v != nil
	}
	if v == nil || len(c.Values) == 0 {
		return false
	}
	if c.Op == predicate.In {
		return slices.ContainsFunc(c.Values, func(w any) bool { return w != nil && schema.CompareValues(v, w) == 0 })
	}
	if c.Values[0] == nil {
		return false
	}
	order := schema.CompareValues(v, c.Values[0])
	switch c.Op {
	case predicate.Eq:
		return order == 0
	case predicate.Ne:
		return order != 0
	case predicate.Lt:
		return order < 0
	case predicate.Le:
		return order <= 0
	case predicate.Gt:
		return order > 0
	default:
		return order >= 0
	}
}
