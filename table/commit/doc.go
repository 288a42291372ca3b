// Package commit publishes new snapshots of a table, one after the other, with
// optimistic concurrency.
//
// table/write and table/compact hand over Messages whose files lie in place;
// Commit builds the manifests, checks for conflicts (pure, conflict.go), and
// puts the snapshot's file if nobody else took its number; else it reads what
// came in between, decides again and retries. The put is the only moment at
// which anything becomes visible. Whatever fails before leaves the table as it
// was; files of failed tries are deleted when it is certain that no snapshot
// names them.
//
// Errors: ErrReplaced, ErrConflict, ErrRetries and what Fence returns mean that
// nothing was committed. ErrUnknown means that it may have been: keep the files
// and look again (Find). provenance.go defines the snapshot properties by which
// a snapshot says what it was made from.
package commit
