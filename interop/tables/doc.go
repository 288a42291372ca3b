// Package tables runs Java Paimon and pypaimon on tables that weir writes and
// weir on what they write: the same rows come out of every engine, whoever wrote
// or compacted last. The engines are installed by scripts/peers.sh.
package tables
