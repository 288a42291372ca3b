// Package epoch is the one clock of a warehouse: the epoch log, terms, and the
// frontiers of tables.
//
// The log is part of the warehouse (<warehouse>/.weir/log/<n>), one small object per
// entry, written by put-if-absent by the coordinator that holds the current term. It
// is the truth about which offsets an epoch holds and which jobs exist; everything in
// memory or in a metadata database is an index over it. docs/protocol.md gives the rules.
//
// compute/job drives it: Log records what an epoch is made of before anything of the
// epoch is committed, Frontier says which epochs a table's writers have completed.
package epoch
