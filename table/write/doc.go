// Package write turns rows into data files: it routes Arrow batches to partitions
// and buckets, sorts and merges them per bucket, and hands over one file a bucket
// and flush as commit messages.
//
// Sinks of compute, the command line and the facade table call it; table/commit
// publishes what it prepares. Nothing is visible before the commit, and files of a
// Writer that is aborted are deleted.
//
// Invariants: a level-0 file holds a key once, its rows sorted by key; its
// sequence numbers lie above the bucket's highest that the writer knew, and Rebase
// of a message writes the same rows anew if another writer was faster. Memory is
// bounded by Options.MemoryBytes.
package write
