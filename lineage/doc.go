// Package lineage explains where tables come from and proves it: the graph of jobs, tables and snapshots
// read from what every snapshot records about itself, and verify, which recomputes a table from its
// recorded inputs and compares.
//
// It is an index over the warehouse: deleting it loses nothing. web and cmd/weir ask it; compute/job tells
// what runs, olap computes.
package lineage
