package schema

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
)

// ArrowType is the in-memory form of the type everywhere in weir:
//
//	BOOLEAN bool; TINYINT..BIGINT int8..int64; FLOAT float32; DOUBLE float64;
//	DECIMAL decimal128(p, s); CHAR, VARCHAR utf8; BINARY, VARBINARY, BLOB binary;
//	DATE date32; TIME time32[ms]; TIMESTAMP(p) timestamp[ms|us|ns] for p <= 3|6|9
//	without zone, TIMESTAMP_LTZ the same with zone "UTC"; ARRAY list; MAP map;
//	MULTISET map<e, int32>; ROW struct; VARIANT struct<value binary, metadata binary>;
//	INTERVAL YEAR TO MONTH int64 months, INTERVAL DAY TO SECOND int64 milliseconds.
//
// TIMESTAMP(7..9) holds 1677-09-21..2262-04-11 only; values outside are an error on read.
func (t Type) ArrowType() (arrow.DataType, error) {
	switch t.Kind {
	case Boolean:
		return arrow.FixedWidthTypes.Boolean, nil
	case TinyInt:
		return arrow.PrimitiveTypes.Int8, nil
	case SmallInt:
		return arrow.PrimitiveTypes.Int16, nil
	case Int:
		return arrow.PrimitiveTypes.Int32, nil
	case BigInt, IntervalYearMonth, IntervalDayTime:
		return arrow.PrimitiveTypes.Int64, nil
	case Float:
		return arrow.PrimitiveTypes.Float32, nil
	case Double:
		return arrow.PrimitiveTypes.Float64, nil
	case Decimal:
		return &arrow.Decimal128Type{Precision: int32(t.Precision), Scale: int32(t.Scale)}, nil
	case Char, VarChar:
		return arrow.BinaryTypes.String, nil
	case Binary, VarBinary, Blob:
		return arrow.BinaryTypes.Binary, nil
	case Date:
		return arrow.FixedWidthTypes.Date32, nil
	case Time:
		return arrow.FixedWidthTypes.Time32ms, nil
	case Timestamp, TimestampLTZ:
		zone := ""
		if t.Kind == TimestampLTZ {
			zone = "UTC"
		}
		return &arrow.TimestampType{Unit: t.TimestampUnit(), TimeZone: zone}, nil
	case Null:
		return arrow.Null, nil
	case Variant:
		return arrow.StructOf(
			arrow.Field{Name: "value", Type: arrow.BinaryTypes.Binary},
			arrow.Field{Name: "metadata", Type: arrow.BinaryTypes.Binary}), nil
	case Array:
		e, err := t.Elem.ArrowType()
		if err != nil {
			return nil, err
		}
		return arrow.ListOfField(arrow.Field{Name: "element", Type: e, Nullable: !t.Elem.NotNull}), nil
	case Map, Multiset:
		return t.arrowMap()
	case Row:
		fields, err := ArrowFields(t.Fields)
		if err != nil {
			return nil, err
		}
		return arrow.StructOf(fields...), nil
	default:
		return nil, fmt.Errorf("type %s has no Arrow form", t)
	}
}

func (t Type) arrowMap() (arrow.DataType, error) {
	key, val := t.Key, t.Elem
	if t.Kind == Multiset {
		n := TInt.WithNotNull(true)
		key, val = t.Elem, &n
	}
	k, err := key.ArrowType()
	if err != nil {
		return nil, err
	}
	v, err := val.ArrowType()
	if err != nil {
		return nil, err
	}
	m := arrow.MapOf(k, v)
	m.SetItemNullable(!val.NotNull)
	return m, nil
}

// TimestampUnit is the Arrow unit of a TIMESTAMP's precision.
func (t Type) TimestampUnit() arrow.TimeUnit {
	switch {
	case t.Precision <= 3:
		return arrow.Millisecond
	case t.Precision <= 6:
		return arrow.Microsecond
	default:
		return arrow.Nanosecond
	}
}

// ArrowFields maps columns to Arrow fields of the same names.
func ArrowFields(fields []Field) ([]arrow.Field, error) {
	out := make([]arrow.Field, len(fields))
	for i, f := range fields {
		at, err := f.Type.ArrowType()
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", f.Name, err)
		}
		out[i] = arrow.Field{Name: f.Name, Type: at, Nullable: !f.Type.NotNull}
	}
	return out, nil
}

// ArrowSchema maps columns to an Arrow schema.
func ArrowSchema(fields []Field) (*arrow.Schema, error) {
	fs, err := ArrowFields(fields)
	if err != nil {
		return nil, err
	}
	return arrow.NewSchema(fs, nil), nil
}
