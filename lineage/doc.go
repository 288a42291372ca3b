// Package lineage explains where tables come from and proves it: the graph of tables, columns and snapshots, and
// verify, which recomputes a table from its recorded inputs and compares.
//
// Index answers the questions. Edges between tables and columns come from the plans of the statements (compute/plan
// follows columns), edges between snapshots from what every snapshot records about itself. It is an index over the
// warehouse: it keeps what it has read in memory, within limits, and deleting it loses nothing. web and cmd/weir ask it,
// SQL through the tables of database sys; compute/job tells what runs, compute/session binds, olap computes.
package lineage
