package expr

import "github.com/weir-lake/weir/table/schema"

// castNeedsZone reports whether a cast depends on the session time zone.
func castNeedsZone(from, to schema.Type) bool {
	if from.Kind == to.Kind {
		switch from.Kind {
		case schema.Array, schema.Multiset:
			return castNeedsZone(*from.Elem, *to.Elem)
		case schema.Map:
			return castNeedsZone(*from.Key, *to.Key) || castNeedsZone(*from.Elem, *to.Elem)
		case schema.Row:
			for i := range min(len(from.Fields), len(to.Fields)) {
				if castNeedsZone(from.Fields[i].Type, to.Fields[i].Type) {
					return true
				}
			}
		}
		return false
	}
	return hasZone(from) != hasZone(to)
}

func hasZone(t schema.Type) bool {
	switch t.Kind {
	case schema.TimestampLTZ:
		return true
	case schema.Array, schema.Multiset:
		return hasZone(*t.Elem)
	case schema.Map:
		return hasZone(*t.Key) || hasZone(*t.Elem)
	case schema.Row:
		for _, f := range t.Fields {
			if hasZone(f.Type) {
				return true
			}
		}
	}
	return false
}

// CanCast reports whether CAST from one type to the other exists; it may still fail
// for a value.
func CanCast(from, to schema.Type) bool {
	switch {
	case from.Kind == schema.Null || from.SameRoot(to):
		return to.Kind != schema.Invalid && to.Kind != schema.Null
	case to.IsString():
		return from.Kind != schema.Variant && from.Kind != schema.Blob
	case from.IsString():
		return to.IsNumeric() || to.Kind == schema.Boolean || to.IsBinary() || isDatetime(to) || to.Kind == schema.Time
	case from.IsNumeric() && to.IsNumeric():
		return true
	case from.Kind == schema.Boolean:
		return to.IsNumeric()
	case to.Kind == schema.Boolean:
		return from.IsNumeric()
	case from.IsBinary() && to.IsBinary():
		return true
	case isDatetime(from) && isDatetime(to):
		return true
	case from.Kind == schema.Time:
		return to.Kind == schema.Time || to.IsTimestamp()
	case to.Kind == schema.Time:
		return from.IsTimestamp()
	default:
		return canCastNested(from, to)
	}
}

func canCastNested(from, to schema.Type) bool {
	if from.Kind != to.Kind {
		return false
	}
	switch from.Kind {
	case schema.Array, schema.Multiset:
		return CanCast(*from.Elem, *to.Elem)
	case schema.Map:
		return CanCast(*from.Key, *to.Key) && CanCast(*from.Elem, *to.Elem)
	case schema.Row:
		if len(from.Fields) != len(to.Fields) {
			return false
		}
		for i := range from.Fields {
			if !CanCast(from.Fields[i].Type, to.Fields[i].Type) {
				return false
			}
		}
		return true
	default:
		return false
	}
}
