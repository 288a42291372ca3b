// Package plan is the logical algebra between the SQL front end and the engines:
// immutable operator trees with typed columns, rewrites over them, EXPLAIN, unique keys
// and column lineage. It knows neither SQL text nor how rows move.
//
// compute/bind makes plans, Optimize rewrites them, compute/duck prints them as DuckDB
// SQL, compute/stream runs them on changes, lineage reads Lineage. All functions are pure.
//
// Invariants: a node's expressions refer to the columns of its input by index, those of a
// Join to left ++ right; the sides of a join key, the inputs of a set operation and a
// sink's columns have equal types but for nullability; names are for people and repeat.
// A plan that breaks them is a bug of its maker, and what reads it may panic.
//
// Table.Columns lists computed columns too, but a Scan never reads one: the binder
// computes them in a Project above it.
package plan
