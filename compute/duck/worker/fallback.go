//go:build !duckdb_arrow || !cgo

package worker

import (
	"fmt"
	"os"
)

// Main says that this binary has no DuckDB.
func Main() int {
	fmt.Fprintln(os.Stderr, "error: query worker: this binary was built without DuckDB: build it with cgo and -tags duckdb_arrow")
	return 1
}
