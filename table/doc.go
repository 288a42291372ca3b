// Package table reads and writes Apache Paimon tables from Go: open or create a
// table, read any version of it, read the exact changes between versions, write,
// commit, compact, expire, tag, roll back and verify.
//
// It is the front of the packages below it, which can be used by themselves:
// schema (columns, options), snapshot (versions), manifest (files), scan (read),
// write, compact, commit and expire. It needs an object store and nothing else
// of weir, and builds without cgo.
//
// A table is a folder: what this package writes, Java Paimon reads, and the other
// way round. Features that cannot be written yet are refused by the name of their
// option. Errors carry kinds (internal/errkind).
package table
