// Package worker is the process that runs DuckDB: one query at a time, asked for by
// compute/duck over stdin and stdout (compute/duck/internal/wire), inside
// limits of the operating system.
//
// cmd/weir calls Main for the hidden subcommand `__duck-worker`; nothing else
// imports the package, because it links DuckDB (build tag duckdb_arrow and cgo; without
// them Main says that the binary cannot run queries).
//
// Each query gets a fresh in-memory database in which only the files of the query can be
// opened, extensions cannot be loaded and settings are locked. Arrow inputs are read
// by the table function weir_arrow, functions of compute/expr are registered as scalar
// functions. A query that fails for memory taints the process: its parent replaces it.
//
// The process ends when its stdin does, so it never outlives its parent.
package worker
