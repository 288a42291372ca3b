// Package lsm merges sorted runs of Arrow batches and chooses what to compact.
// It does no I/O and knows no table: callers name the columns that are the key,
// the user's sequence fields, the sequence number and the row kind.
//
// Merger is a loser tree over runs. Rows of one key come out of it in the order
// (user sequence, sequence number) and are folded by a merge function into at
// most one row. Rows are never copied one by one: a merge function selects cells,
// and whole columns are then gathered by type.
//
// Invariants: every run is sorted by key and holds a key at most once, unless
// Config.Repeats is set; the output is sorted by key and holds a key at most once.
// Pick is Paimon's universal compaction as a pure function.
package lsm
