// Package format reads and writes the data files of tables: Parquet, in the
// physical types that Paimon's own writer uses.
//
// arrow-go writes and streams batches; parquet-go reads footers, page indexes and
// bloom filters, from which Prune decides the row ranges worth reading. The
// package is called by table/write, table/scan, table/compact and the file
// connectors. It knows Arrow and bytes, not tables.
//
// A file whose bytes are not what they must be is errkind.Corrupt with the file's
// name, never a panic: both libraries are called behind a recover. A truncated
// object is corrupt, an object that is gone keeps the store's own error.
package format
