package predicate

// Op is a comparison.
type Op uint8

// The comparisons.
const (
	Eq Op = iota
	Ne
	Lt
	Le
	Gt
	Ge
	In
	IsNull
	IsNotNull
)

// Compare is column Op values. Values are Go forms of the column's type:
// bool, int64 (all integers; DATE days; TIME milliseconds; TIMESTAMP in the
// Arrow unit of its precision), float64, string, []byte, decimal128.Num (of the
// column's scale). Eq..Ge take one value, In any number, IsNull none.
// A comparison with NULL is never true.
type Compare struct {
	Column string
	Op     Op
	Values []any
}

// And is a conjunction; the empty one is true.
type And []Compare
