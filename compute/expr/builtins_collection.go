package expr

import (
	"strconv"

	"github.com/weir-lake/weir/table/schema"
)

// collectionBuiltins make and read arrays, maps and rows. Array positions start at 1.
func collectionBuiltins() []builtin {
	return []builtin{
		{sig: "ARRAY(SAME...) -", prep: prepArray, bind: bindArray, nulls: true},
		{sig: "MAP(ANY...) -", prep: prepMap, bind: bindMap, nulls: true},
		{sig: "ROW(ANY...) -", prep: prepRow, bind: bindRow, nulls: true},
		{sig: "ITEM(ARRAY, INTEGER) - | ITEM(MAP, ANY) -", prep: prepItem, bind: bindItem},
		{sig: "CARDINALITY(COLLECTION) INT", prep: run(evalCardinality)},
		{sig: "ELEMENT(ARRAY) -", prep: prepElement, bind: bindElement},
		{sig: "ARRAY_CONTAINS(ARRAY, ANY) BOOLEAN", prep: prepArrayFind, bind: bindArrayContains, nulls: true},
		{sig: "ARRAY_POSITION(ARRAY, ANY) INT", prep: prepArrayFind, bind: bindArrayNeedle},
		{sig: "ARRAY_REMOVE(ARRAY, ANY) ARG0", prep: prepArrayEdit, bind: bindArrayRemove, nulls: true},
		{sig: "ARRAY_APPEND(ARRAY, ANY) ARG0", prep: prepArrayEdit, bind: bindArrayAdd, nulls: true},
		{sig: "ARRAY_PREPEND(ARRAY, ANY) ARG0", prep: prepArrayEdit, bind: bindArrayAdd, nulls: true},
		{sig: "ARRAY_CONCAT(SAME...) SAME", prep: prepRearrange(collectConcat), bind: bindArrays},
		{sig: "ARRAY_UNION(SAME, SAME) SAME", prep: prepRearrange(collectDistinct), bind: bindArrays},
		{sig: "ARRAY_EXCEPT(SAME, SAME) SAME", prep: prepRearrange(collectExcept), bind: bindArrays},
		{sig: "ARRAY_INTERSECT(SAME, SAME) SAME", prep: prepRearrange(collectIntersect), bind: bindArrays},
		{sig: "ARRAY_DISTINCT(ARRAY) ARG0", prep: prepRearrange(collectDistinct)},
		{sig: "ARRAY_REVERSE(ARRAY) ARG0", prep: prepRearrange(collectReverse)},
		{sig: "ARRAY_SLICE(ARRAY, INTEGER [, INTEGER]) ARG0", prep: prepRearrange(collectSlice)},
		{sig: "ARRAY_MAX(ARRAY) -", prep: prepExtremeElement, bind: bindElement},
		{sig: "ARRAY_MIN(ARRAY) -", prep: prepExtremeElement, bind: bindElement},
		{sig: "ARRAY_SORT(ARRAY [, BOOLEAN, BOOLEAN]) ARG0", prep: prepRearrange(collectSort)},
		{sig: "ARRAY_JOIN(ARRAY, STRING [, STRING]) STRING", prep: prepArrayJoin, zoned: true},
		{sig: "MAP_KEYS(MAP) -", prep: prepMapParts, bind: bindMapKeys},
		{sig: "MAP_VALUES(MAP) -", prep: prepMapParts, bind: bindMapValues},
		{sig: "MAP_ENTRIES(MAP) -", prep: prepMapParts, bind: bindMapEntries},
		{sig: "MAP_UNION(SAME...) SAME", prep: prepMapUnion, bind: bindMaps},
		{sig: "MAP_FROM_ARRAYS(ARRAY, ARRAY) -", prep: prepMapFromArrays, bind: bindMapFromArrays},
	}
}

// miscBuiltins are what fits no family.
func miscBuiltins() []builtin {
	return []builtin{
		{sig: "TYPEOF(ANY [, BOOLEAN]) STRING", prep: prepTypeof, nulls: true},
		{sig: "UUID() STRING", prep: run(evalUUID), volatile: true},
	}
}

func bindArray(args []schema.Type, _ []*Literal) (schema.Type, []schema.Type, bool) {
	t, ok := CommonType(args...)
	if !ok {
		return schema.Type{}, nil, false
	}
	want := make([]schema.Type, len(args))
	for i, a := range args {
		want[i] = t.WithNotNull(a.NotNull)
	}
	return schema.TArray(t).WithNotNull(true), want, true
}

// bindMap types key1, value1, key2, value2, ...
func bindMap(args []schema.Type, _ []*Literal) (schema.Type, []schema.Type, bool) {
	if len(args)%2 != 0 {
		return schema.Type{}, nil, false
	}
	var keys, values []schema.Type
	for i := 0; i < len(args); i += 2 {
		keys, values = append(keys, args[i]), append(values, args[i+1])
	}
	k, ok1 := CommonType(keys...)
	v, ok2 := CommonType(values...)
	if !ok1 || !ok2 {
		return schema.Type{}, nil, false
	}
	want := make([]schema.Type, len(args))
	for i := range args {
		want[i] = k.WithNotNull(args[i].NotNull)
		if i%2 == 1 {
			want[i] = v.WithNotNull(args[i].NotNull)
		}
	}
	return schema.TMap(k, v).WithNotNull(true), want, true
}

func bindRow(args []schema.Type, _ []*Literal) (schema.Type, []schema.Type, bool) {
	t := schema.Type{Kind: schema.Row, NotNull: true}
	for i, a := range args {
		t.Fields = append(t.Fields, schema.Field{ID: i, Name: "EXPR$" + strconv.Itoa(i), Type: a})
	}
	return t, args, true
}

func bindItem(args []schema.Type, _ []*Literal) (schema.Type, []schema.Type, bool) {
	switch {
	case args[0].Kind == schema.Array && (args[1].IsInteger() || args[1].Kind == schema.Null):
		return args[0].Elem.WithNotNull(false), []schema.Type{args[0], schema.TBigInt.WithNotNull(args[1].NotNull)}, true
	case args[0].Kind == schema.Map:
		if _, ok := CommonType(*args[0].Key, args[1]); !ok {
			return schema.Type{}, nil, false
		}
		return args[0].Elem.WithNotNull(false), []schema.Type{args[0], args[0].Key.WithNotNull(args[1].NotNull)}, true
	default:
		return schema.Type{}, nil, false
	}
}

func bindElement(args []schema.Type, _ []*Literal) (schema.Type, []schema.Type, bool) {
	return args[0].Elem.WithNotNull(false), args, true
}

// bindArrayNeedle casts the second argument to the element type.
func bindArrayNeedle(args []schema.Type, _ []*Literal) (schema.Type, []schema.Type, bool) {
	t, ok := CommonType(*args[0].Elem, args[1])
	if !ok || !t.SameRoot(*args[0].Elem) {
		return schema.Type{}, nil, false
	}
	return schema.Type{}, []schema.Type{args[0], args[0].Elem.WithNotNull(args[1].NotNull)}, true
}

func bindArrayContains(args []schema.Type, lits []*Literal) (schema.Type, []schema.Type, bool) {
	_, want, ok := bindArrayNeedle(args, lits)
	return schema.TBoolean.WithNotNull(args[0].NotNull), want, ok
}

func bindArrayRemove(args []schema.Type, lits []*Literal) (schema.Type, []schema.Type, bool) {
	_, want, ok := bindArrayNeedle(args, lits)
	return args[0], want, ok
}

func bindArrayAdd(args []schema.Type, _ []*Literal) (schema.Type, []schema.Type, bool) {
	t, ok := CommonType(*args[0].Elem, args[1])
	if !ok {
		return schema.Type{}, nil, false
	}
	arr := schema.TArray(t).WithNotNull(args[0].NotNull)
	return arr, []schema.Type{arr, t.WithNotNull(args[1].NotNull)}, true
}

// bindArrays wants arrays of one type.
func bindArrays(args []schema.Type, _ []*Literal) (schema.Type, []schema.Type, bool) {
	return bindSameKind(args, schema.Array)
}

func bindMaps(args []schema.Type, _ []*Literal) (schema.Type, []schema.Type, bool) {
	return bindSameKind(args, schema.Map)
}

func bindSameKind(args []schema.Type, kind schema.Kind) (schema.Type, []schema.Type, bool) {
	t, ok := CommonType(args...)
	want := make([]schema.Type, len(args))
	for i, a := range args {
		want[i] = t.WithNotNull(a.NotNull)
	}
	return t, want, ok && t.Kind == kind
}

func bindMapKeys(args []schema.Type, _ []*Literal) (schema.Type, []schema.Type, bool) {
	return schema.TArray(*args[0].Key).WithNotNull(args[0].NotNull), args, true
}

func bindMapValues(args []schema.Type, _ []*Literal) (schema.Type, []schema.Type, bool) {
	return schema.TArray(*args[0].Elem).WithNotNull(args[0].NotNull), args, true
}

func bindMapEntries(args []schema.Type, _ []*Literal) (schema.Type, []schema.Type, bool) {
	entry := schema.Type{Kind: schema.Row, Fields: []schema.Field{
		{ID: 0, Name: "key", Type: *args[0].Key}, {ID: 1, Name: "value", Type: *args[0].Elem},
	}}
	return schema.TArray(entry).WithNotNull(args[0].NotNull), args, true
}

func bindMapFromArrays(args []schema.Type, _ []*Literal) (schema.Type, []schema.Type, bool) {
	return schema.TMap(*args[0].Elem, *args[1].Elem).WithNotNull(allNotNull(args)), args, true
}
