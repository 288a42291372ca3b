// Package scan reads versions of a table: it plans which files of a snapshot matter, merges the ones
// that may hold the same keys, and gives rows as Arrow batches in the table's present schema; and it
// gives the exact changes between two snapshots.
//
// Planning prunes by partition, bucket, key range and statistics (table/manifest); reading prunes
// pages (storage/format). Pruning is advisory: rows that fail the filter may come, rows that pass never
// stay away. Files of older schemas are read by field id: absent columns are null, widened ones are cast.
//
// table, table/compact, compute and olap call it. A file that is gone while it is read was expired or
// belongs to a version that was rolled back; the error names it.
package scan
