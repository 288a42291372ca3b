// Command bench measures a real weir service from outside, through its HTTP API alone, and prints figures.
//
//	go run -tags duckdb_arrow ./bench freshness [--weir FILE] [--for 30s]
//
// freshness: how long after a change was sent its row is visible to a query.
package main
