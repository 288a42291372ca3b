package wire

import (
	"time"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

// SetupMsg configures a worker for its life.
type SetupMsg struct {
	MemoryBytes  int64  // RLIMIT_DATA of the process; 0 means none
	DuckBytes    int64  // DuckDB's own memory_limit
	Threads      int    // DuckDB's threads
	TempDir      string // DuckDB spills here; the worker's own directory
	TempBytesMax int64  // most bytes spilled
	// Dirs are directories below which any query may read files, so that
	// queries can share a database. Files elsewhere are allowed one by one.
	Dirs []string
}

// RequestMsg is one query.
type RequestMsg struct {
	SQL    string
	Inputs []InputMsg
	Paths  []string // files DuckDB may read
	Output []schema.Field
	UDFs   []UDF
	Env    Env
}

// InputMsg describes an Arrow input; SQL reads it as weir_arrow(index).
type InputMsg struct {
	Schema []byte // IPC stream with the schema only
	Rows   int64  // estimate for DuckDB's planner; negative means unknown
}

// Env is the recorded context of an evaluation (expr.Env).
type Env struct {
	Clock     time.Time
	Watermark *time.Time
	Zone      string // IANA name; empty means UTC
	Seed      int64
}

// UDF is a function that SQL calls by Name and Go code of weir computes.
type UDF struct {
	Name   string // says all the rest: equal names are equal functions
	Kind   UDFKind
	Args   []schema.Type // of SQL's arguments
	Result schema.Type
	// Expr is what an ExprUDF computes: columns are the arguments.
	Expr Expr
	// Volatile functions are called for every row and never folded.
	Volatile bool
}

// UDFKind says what a UDF computes.
type UDFKind string

// The kinds of functions.
const (
	ExprUDF UDFKind = "expr" // an expression of compute/expr
	// The moments of a list of DOUBLE, from exact sums: variance and deviation.
	VarPopUDF     UDFKind = "var_pop"
	VarSampUDF    UDFKind = "var_samp"
	StddevPopUDF  UDFKind = "stddev_pop"
	StddevSampUDF UDFKind = "stddev_samp"
	// DecimalSumUDF is an aggregate: the sum of DECIMAL(38, s), NULL if it has more digits.
	DecimalSumUDF UDFKind = "decimal_sum"
	// DecimalAvgUDF divides a DECIMAL sum by a BIGINT count into the result's scale, half up.
	DecimalAvgUDF UDFKind = "decimal_avg"
)

// OpenMsg asks for a new pass over an input.
type OpenMsg struct {
	Input   int
	Columns []int // needed columns, in this order
}

// DoneMsg ends a result.
type DoneMsg struct {
	Rows int64
}

// FailedMsg is an error with its kind.
type FailedMsg struct {
	Kind errkind.Kind
	Text string
	// Tainted says that the worker must not be used again.
	Tainted bool
}
