//go:build duckdb_arrow && cgo && !linux

package worker

// limitMemory does nothing where the data limit of a process is not enforced:
// DuckDB's own limit is the only one.
func limitMemory(int64) error { return nil }
