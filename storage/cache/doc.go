// Package cache keeps immutable objects of a slow store near: whole files on local
// disk (Disk), which DuckDB and the Parquet readers open in place, and small
// metadata objects in memory (Bytes). Callers are table/scan, olap and compute/duck.
//
// An object whose name carries a uuid never changes (that is how Paimon names data,
// index and manifest files), so its copy is valid for ever. Any other object is
// cached by its ETag: Disk asks the store for it at each use, Bytes does not cache it.
//
// Disk writes beside each copy its length and xxhash. A copy left by an earlier
// process is checked against both before its first use; a damaged one is fetched
// again. A file in use is never removed; when all room is in use, Path returns an
// error of kind Exhausted. A store of plain files (objstore.LocalPather) is used in
// place and nothing is copied. Deleting the folder while no process runs is harmless.
package cache
