// Package olap answers queries. A Service admits a bounded number of them at once, pins one version of
// every table a query reads, so that its answer is of one moment, runs the plan in the worker processes
// of compute/duck and streams the rows.
//
// compute/session calls it as its Querier; web lists and cancels what runs. Versions come from a
// CutResolver (what the writers have completed), pins go to whoever expires snapshots.
//
// Invariants:
//   - All tables of a query are read at one epoch (level cut) unless the query names versions or asks
//     for latest; the answer says which snapshots it read.
//   - Snapshots that a running query reads are held from before they are chosen until its rows
//     are closed.
//   - Nothing is unbounded: running queries, waiting ones, their time, rows and bytes have limits, and the
//     memory of each is that of its worker process, which dies alone.
//
// Failures: exhausted for a full queue or a result over its limit, canceled for a query that was
// canceled or ran out of time, ErrLost when another engine removed a version that was being read.
package olap
