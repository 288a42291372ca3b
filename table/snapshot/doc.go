// Package snapshot reads and names the versions of a table: snapshot files,
// tags, consumers, branches and kept changelogs, and decides which of them may
// expire.
//
// table/commit publishes snapshots with it, readers find the version they want,
// the expirer asks Decide (pure) and then deletes. The hint files LATEST and
// EARLIEST are hints: an answer never rests on them alone. Fields of the JSON
// files that weir does not know are kept.
//
// A missing version is ErrNotFound with the range there is; a file that is no
// snapshot is an error of kind corrupt.
package snapshot
