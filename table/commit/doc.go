// Package commit publishes new snapshots of a table, one after the other, with
// optimistic concurrency.
package commit
