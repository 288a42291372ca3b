// Package inspect tells people how a version of a table lies in its files: partitions, buckets and their
// levels, files with column statistics, and whether compaction is due.
//
// web/api calls it. It reads no data file: everything comes from the live entries of a snapshot's manifests
// and the schema, and nothing but Live does I/O. Tables whose rows weir cannot read (deletion vectors, data
// evolution) can be inspected all the same.
package inspect
