// Package peer runs the other engines that weir's tables and streams are checked
// against, for tests in every folder: Java Paimon, pypaimon, and a real Kafka broker.
// scripts/peers.sh brings them; a peer that is not there skips the test, or fails it
// when WEIR_REQUIRE_PEERS=1.
//
// Rows are JSON objects in weir's row encoding (docs/format), one string a row, sorted
// as strings so that two readers' rows compare with slices.Equal.
//
// What pypaimon 2.1.0 cannot read although Java can: partial-update with sequence
// groups, ignore-delete or aggregate functions; aggregation with ignore-retract;
// 64-bit deletion vectors of merge-on-read; MULTISET. Nanoseconds are cut to
// microseconds where it merges files. VARIANT is not printed by read.py.
package peer
