package schema

import (
	"fmt"
	"strings"
)

// Kind is a type's root.
type Kind uint8

// The kinds, in Paimon's words. Null is the type of an untyped NULL and
// IntervalYearMonth/IntervalDayTime exist in expressions only; none is stored.
const (
	Invalid Kind = iota
	Boolean
	TinyInt
	SmallInt
	Int
	BigInt
	Float
	Double
	Decimal
	Char
	VarChar
	Binary
	VarBinary
	Date
	Time
	Timestamp
	TimestampLTZ
	Array
	Map
	Multiset
	Row
	Variant
	Blob
	Null
	IntervalYearMonth // int64 months
	IntervalDayTime   // int64 milliseconds
)

// MaxLength is the length of STRING (VARCHAR(2147483647)) and BYTES.
const MaxLength = 2147483647

// Type is one data type. The zero Type is Invalid.
type Type struct {
	Kind      Kind
	NotNull   bool    // the zero value is nullable, as in SQL
	Length    int     // CHAR, VARCHAR, BINARY, VARBINARY: characters or bytes
	Precision int     // DECIMAL digits; TIME, TIMESTAMP: fraction digits 0..9
	Scale     int     // DECIMAL
	Elem      *Type   // ARRAY and MULTISET element, MAP value
	Key       *Type   // MAP key
	Fields    []Field // ROW
}

// Field is a column of a table or of a ROW. ID is Paimon's field id, stable over renames.
type Field struct {
	ID          int
	Name        string
	Type        Type
	Description string
	Default     string // defaultValue of the schema file; empty means none
}

// Constructors of the common types; all nullable.
var (
	TBoolean  = Type{Kind: Boolean}
	TTinyInt  = Type{Kind: TinyInt}
	TSmallInt = Type{Kind: SmallInt}
	TInt      = Type{Kind: Int}
	TBigInt   = Type{Kind: BigInt}
	TFloat    = Type{Kind: Float}
	TDouble   = Type{Kind: Double}
	TString   = Type{Kind: VarChar, Length: MaxLength}
	TBytes    = Type{Kind: VarBinary, Length: MaxLength}
	TDate     = Type{Kind: Date}
	TNull     = Type{Kind: Null}
)

// TDecimal is DECIMAL(p, s).
func TDecimal(p, s int) Type { return Type{Kind: Decimal, Precision: p, Scale: s} }

// TTime is TIME(p).
func TTime(p int) Type { return Type{Kind: Time, Precision: p} }

// TTimestamp is TIMESTAMP(p).
func TTimestamp(p int) Type { return Type{Kind: Timestamp, Precision: p} }

// TTimestampLTZ is TIMESTAMP(p) WITH LOCAL TIME ZONE.
func TTimestampLTZ(p int) Type { return Type{Kind: TimestampLTZ, Precision: p} }

// TArray is ARRAY<e>.
func TArray(e Type) Type { return Type{Kind: Array, Elem: &e} }

// TMap is MAP<k, v>.
func TMap(k, v Type) Type { return Type{Kind: Map, Key: &k, Elem: &v} }

// WithNotNull returns the type with its nullability set.
func (t Type) WithNotNull(notNull bool) Type { t.NotNull = notNull; return t }

// String is the SQL text of the type, as Paimon writes scalar types into
// schema files: "BIGINT NOT NULL", "DECIMAL(20, 3)", "TIMESTAMP(6) WITH LOCAL TIME ZONE".
func (t Type) String() string {
	s := t.root()
	if t.NotNull {
		s += " NOT NULL"
	}
	return s
}

func (t Type) root() string {
	switch t.Kind {
	case Boolean:
		return "BOOLEAN"
	case TinyInt:
		return "TINYINT"
	case SmallInt:
		return "SMALLINT"
	case Int:
		return "INT"
	case BigInt:
		return "BIGINT"
	case Float:
		return "FLOAT"
	case Double:
		return "DOUBLE"
	case Decimal:
		return fmt.Sprintf("DECIMAL(%d, %d)", t.Precision, t.Scale)
	case Char:
		return fmt.Sprintf("CHAR(%d)", t.Length)
	case VarChar:
		if t.Length == MaxLength {
			return "STRING"
		}
		return fmt.Sprintf("VARCHAR(%d)", t.Length)
	case Binary:
		return fmt.Sprintf("BINARY(%d)", t.Length)
	case VarBinary:
		if t.Length == MaxLength {
			return "BYTES"
		}
		return fmt.Sprintf("VARBINARY(%d)", t.Length)
	case Date:
		return "DATE"
	case Time:
		return fmt.Sprintf("TIME(%d)", t.Precision)
	case Timestamp:
		return fmt.Sprintf("TIMESTAMP(%d)", t.Precision)
	case TimestampLTZ:
		return fmt.Sprintf("TIMESTAMP(%d) WITH LOCAL TIME ZONE", t.Precision)
	case Array:
		return "ARRAY<" + t.Elem.String() + ">"
	case Multiset:
		return "MULTISET<" + t.Elem.String() + ">"
	case Map:
		return "MAP<" + t.Key.String() + ", " + t.Elem.String() + ">"
	case Row:
		parts := make([]string, len(t.Fields))
		for i, f := range t.Fields {
			parts[i] = "`" + strings.ReplaceAll(f.Name, "`", "``") + "` " + f.Type.String()
		}
		return "ROW<" + strings.Join(parts, ", ") + ">"
	case Variant:
		return "VARIANT"
	case Blob:
		return "BLOB"
	case Null:
		return "NULL"
	case IntervalYearMonth:
		return "INTERVAL YEAR TO MONTH"
	case IntervalDayTime:
		return "INTERVAL DAY TO SECOND(3)"
	default:
		return fmt.Sprintf("INVALID(%d)", t.Kind)
	}
}

// Equal compares types without field ids, descriptions and defaults.
func (t Type) Equal(o Type) bool { return t.String() == o.String() }

// SameRoot compares types without their own nullability.
func (t Type) SameRoot(o Type) bool { return t.root() == o.root() }

// IsInteger reports TINYINT, SMALLINT, INT or BIGINT.
func (t Type) IsInteger() bool { return t.Kind >= TinyInt && t.Kind <= BigInt }

// IsNumeric reports an integer, FLOAT, DOUBLE or DECIMAL.
func (t Type) IsNumeric() bool { return t.Kind >= TinyInt && t.Kind <= Decimal }

// IsString reports CHAR or VARCHAR.
func (t Type) IsString() bool { return t.Kind == Char || t.Kind == VarChar }

// IsBinary reports BINARY or VARBINARY.
func (t Type) IsBinary() bool { return t.Kind == Binary || t.Kind == VarBinary }

// IsTimestamp reports TIMESTAMP or TIMESTAMP WITH LOCAL TIME ZONE.
func (t Type) IsTimestamp() bool { return t.Kind == Timestamp || t.Kind == TimestampLTZ }
