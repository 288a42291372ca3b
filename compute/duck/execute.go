package duck

import (
	"context"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
)

// Resolver says where the rows of a plan's scans come from. The engine above
// implements it over a pinned cut.
type Resolver interface {
	// Resolve returns the rows of scan, with Scan.Columns() as columns. Rows may
	// be pruned by Scan.Filter but need not be: the plan filters again.
	Resolve(ctx context.Context, scan *plan.Scan) (Source, error)
}

// Source is where rows of a scan come from: exactly one of Files and Arrow is set.
type Source struct {
	// Files are Parquet files which DuckDB may read untouched (see ReadsFiles): local, immutable while
	// the query runs, all with the columns named Columns[i] for column i of
	// the scan and of its type, and with no rows to hide. An empty, non-nil slice is an empty table.
	Files   []string
	Columns []string
	// Arrow pulls the rows in batches whose columns are those of the
	// scan at the asked positions, as schema.ArrowFields types them. A scan without
	// columns, whose rows are only counted, may have batches without columns.
	Arrow *ArrowInput
}

// ExecOptions are choices of one execution. The zero value works.
type ExecOptions struct {
	// Env is the recorded clock, zone and seed.
	Env expr.Env
	// Exact makes SUM and AVG of FLOAT and DOUBLE independent of the order of rows, as
	// streams, batch jobs and verification need; interactive queries may do without.
	Exact bool
}

// Execute runs a bound plan and streams its rows. The names and types of the
// result are root.Columns(). Rows come in the order of a Sort at the root, else in any order.
func Execute(ctx context.Context, pool *Pool, root plan.Node, r Resolver, o ExecOptions) (*Result, error) {
	q, err := Print(ctx, root, r, o)
	if err != nil {
		return nil, err
	}
	return pool.Run(ctx, q)
}
