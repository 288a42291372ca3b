package duck

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/weir-lake/weir/compute/duck/internal/wire"
	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/table/schema"
)

// Query is DuckDB SQL with all it depends on.
type Query struct {
	// SQL is one SELECT. It reads input i as `weir_arrow(i)`, whose columns
	// are c0, c1, ... in the order of the input's schema.
	SQL string
	// Inputs are Arrow inputs by number.
	Inputs []ArrowInput
	// Paths are the local files that the text reads itself (read_parquet). DuckDB can
	// open no other file.
	Paths []string
	// Output are the result's columns in order. DuckDB's columns must have types of
	// the same form (the printer casts them); names are taken from here.
	Output []schema.Field
	// UDFs are functions of compute/expr that the text calls.
	UDFs []UDF
	// Env is the recorded context of clock and random functions.
	Env expr.Env
}

// UDF is a function of compute/expr callable from SQL under a name of its own.
type UDF = wire.UDF

// ArrowInput is rows pulled on demand. The reader is opened once per scan
// of the input in DuckDB's plan, perhaps at the same time for two scans, and
// perhaps never.
type ArrowInput struct {
	Schema *arrow.Schema
	// Rows is the estimated number of rows; negative means unknown.
	Rows int64
	// Open starts a pass that returns only the schema's columns of the given positions,
	// in that order (at least one, unless the schema has none).
	Open func(ctx context.Context, columns []int) (array.RecordReader, error)
}
