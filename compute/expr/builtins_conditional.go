package expr

import "github.com/weir-lake/weir/table/schema"

// conditionalBuiltins choose among values. They evaluate only the arguments a row needs.
func conditionalBuiltins() []builtin {
	return []builtin{
		{sig: "CASE(ANY, ANY, ANY...) -", bind: bindCase, nulls: true},
		{sig: "IF(BOOLEAN, SAME, SAME) SAME", bind: bindIf, nulls: true},
		{sig: "COALESCE(SAME...) SAME", bind: bindCoalesce, nulls: true},
		{sig: "IFNULL(SAME, SAME) SAME", bind: bindCoalesce, nulls: true},
		{sig: "NULLIF(ANY, ANY) ARG0?", prep: prepNullIf, bind: bindNullIf, nulls: true},
		{sig: "GREATEST(SAME...) SAME", prep: prepExtreme, bind: bindExtreme},
		{sig: "LEAST(SAME...) SAME", prep: prepExtreme, bind: bindExtreme},
	}
}

// bindCase types (when1, then1, ..., else).
func bindCase(args []schema.Type, _ []*Literal) (schema.Type, []schema.Type, bool) {
	if len(args)%2 == 0 {
		return schema.Type{}, nil, false
	}
	var values []schema.Type
	for i, a := range args {
		if isWhen(i, len(args)) {
			if a.Kind != schema.Boolean && a.Kind != schema.Null {
				return schema.Type{}, nil, false
			}
		} else {
			values = append(values, a)
		}
	}
	t, ok := CommonType(values...)
	want := make([]schema.Type, len(args))
	for i, a := range args {
		want[i] = t
		if isWhen(i, len(args)) {
			want[i] = schema.TBoolean
		}
		want[i] = want[i].WithNotNull(a.NotNull)
	}
	return t, want, ok
}

// isWhen reports whether argument i of a CASE with n arguments is a condition.
func isWhen(i, n int) bool { return i%2 == 0 && i < n-1 }

func bindIf(args []schema.Type, _ []*Literal) (schema.Type, []schema.Type, bool) {
	t, ok := CommonType(args[1], args[2])
	if !ok {
		return schema.Type{}, nil, false
	}
	want := []schema.Type{schema.TBoolean, t.WithNotNull(args[1].NotNull), t.WithNotNull(args[2].NotNull)}
	return t, want, true
}

// bindCoalesce is NOT NULL as soon as one argument is.
func bindCoalesce(args []schema.Type, _ []*Literal) (schema.Type, []schema.Type, bool) {
	t, ok := CommonType(args...)
	if !ok {
		return schema.Type{}, nil, false
	}
	notNull := false
	want := make([]schema.Type, len(args))
	for i, a := range args {
		notNull = notNull || a.NotNull
		want[i] = t.WithNotNull(a.NotNull)
	}
	return t.WithNotNull(notNull), want, true
}

// bindNullIf compares in the common type; the result keeps the first argument's type.
func bindNullIf(args []schema.Type, _ []*Literal) (schema.Type, []schema.Type, bool) {
	t, ok := ComparableType(args[0], args[1])
	if !ok {
		return schema.Type{}, nil, false
	}
	return args[0].WithNotNull(false), []schema.Type{args[0], t.WithNotNull(args[1].NotNull)}, true
}

func bindExtreme(args []schema.Type, _ []*Literal) (schema.Type, []schema.Type, bool) {
	t, ok := CommonType(args...)
	if !ok || !isScalar(t) {
		return schema.Type{}, nil, false
	}
	want := make([]schema.Type, len(args))
	for i, a := range args {
		want[i] = t.WithNotNull(a.NotNull)
	}
	return t, want, true
}
