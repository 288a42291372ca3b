// Package manifest holds the entries of Paimon's metadata tree and its files:
// a snapshot names manifest lists, a list names manifests, a manifest adds and
// removes data files; an index manifest names index files. All are Avro object
// containers.
//
// table/commit writes them, table/scan and table/snapshot (expiry) read them,
// table/write and table/compact make DataFiles. Codecs resolve by field name, so
// files of older and newer writers are read; what is written, Java reads.
// Replaying entries must find every removed file and no file twice, else the
// error is of kind corrupt. Files are immutable once written.
package manifest
