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

// UDF is one function of the registry of compute/expr that SQL calls by Name.
type UDF struct {
	Name   string        // unique within the query
	Fn     string        // canonical name in the registry
	Args   []schema.Type // of all arguments
	Consts []Const       // arguments that are constants of the plan and not passed by SQL
	Result schema.Type
	// Volatile functions are called per row and never folded.
	Volatile bool
	// Aggregate functions take one list argument per row of a group and fold it.
	Aggregate bool
}

// Const is a literal argument. Text is its value as compute/duck encodes it.
type Const struct {
	Index int
	Null  bool
	Text  string
}

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
