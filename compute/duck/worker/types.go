//go:build duckdb_arrow && cgo

package worker

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	ddb "github.com/duckdb/duckdb-go-bindings"

	"github.com/weir-lake/weir/internal/errkind"
)

// plainTypes are the DuckDB types of Arrow types without parameters, as DuckDB
// itself imports them.
var plainTypes = map[arrow.Type]ddb.Type{
	arrow.BOOL: ddb.TypeBoolean, arrow.INT8: ddb.TypeTinyInt, arrow.INT16: ddb.TypeSmallInt,
	arrow.INT32: ddb.TypeInteger, arrow.INT64: ddb.TypeBigInt, arrow.FLOAT32: ddb.TypeFloat,
	arrow.FLOAT64: ddb.TypeDouble, arrow.STRING: ddb.TypeVarchar, arrow.BINARY: ddb.TypeBlob,
	arrow.DATE32: ddb.TypeDate, arrow.TIME32: ddb.TypeTime, arrow.NULL: ddb.TypeSQLNull,
}

var timestampTypes = map[arrow.TimeUnit]ddb.Type{
	arrow.Second: ddb.TypeTimestampS, arrow.Millisecond: ddb.TypeTimestampMS,
	arrow.Microsecond: ddb.TypeTimestamp, arrow.Nanosecond: ddb.TypeTimestampNS,
}

// logicalType is DuckDB's type for columns of an Arrow type of weir's (schema.ArrowType).
// The caller destroys it. Timestamps with a zone lose it: they stay instants in UTC, which
// is how the printer treats them, and keep their nanoseconds.
func logicalType(t arrow.DataType) (ddb.LogicalType, error) {
	if k, ok := plainTypes[t.ID()]; ok {
		return ddb.CreateLogicalType(k), nil
	}
	switch t := t.(type) {
	case *arrow.TimestampType:
		return ddb.CreateLogicalType(timestampTypes[t.Unit]), nil
	case *arrow.Decimal128Type:
		return ddb.CreateDecimalType(uint8(t.Precision), uint8(t.Scale)), nil
	case *arrow.ListType:
		return wrapType([]arrow.DataType{t.Elem()}, func(c []ddb.LogicalType) ddb.LogicalType { return ddb.CreateListType(c[0]) })
	case *arrow.MapType:
		return wrapType([]arrow.DataType{t.KeyType(), t.ItemType()},
			func(c []ddb.LogicalType) ddb.LogicalType { return ddb.CreateMapType(c[0], c[1]) })
	case *arrow.StructType:
		children := make([]arrow.DataType, t.NumFields())
		names := make([]string, t.NumFields())
		for i, f := range t.Fields() {
			children[i], names[i] = f.Type, f.Name
		}
		return wrapType(children, func(c []ddb.LogicalType) ddb.LogicalType { return ddb.CreateStructType(c, names) })
	default:
		return ddb.LogicalType{}, errkind.Errorf(errkind.Bug, "Arrow type %s has no form in DuckDB", t)
	}
}

// wrapType builds a nested type from its children's.
func wrapType(children []arrow.DataType, build func([]ddb.LogicalType) ddb.LogicalType) (ddb.LogicalType, error) {
	out := make([]ddb.LogicalType, 0, len(children))
	defer func() {
		for i := range out {
			ddb.DestroyLogicalType(&out[i])
		}
	}()
	for _, c := range children {
		t, err := logicalType(c)
		if err != nil {
			return ddb.LogicalType{}, fmt.Errorf("inside %s: %w", c, err)
		}
		out = append(out, t)
	}
	return build(out), nil
}

// withoutZones is the type with every timestamp as one without zone.
func withoutZones(t arrow.DataType) arrow.DataType {
	switch t := t.(type) {
	case *arrow.TimestampType:
		return &arrow.TimestampType{Unit: t.Unit}
	case *arrow.MapType:
		m := arrow.MapOf(withoutZones(t.KeyType()), withoutZones(t.ItemType()))
		m.SetItemNullable(t.ItemField().Nullable)
		return m
	case *arrow.ListType:
		f := t.ElemField()
		f.Type = withoutZones(f.Type)
		return arrow.ListOfField(f)
	case *arrow.StructType:
		fields := make([]arrow.Field, t.NumFields())
		for i, f := range t.Fields() {
			f.Type = withoutZones(f.Type)
			fields[i] = f
		}
		return arrow.StructOf(fields...)
	default:
		return t
	}
}
