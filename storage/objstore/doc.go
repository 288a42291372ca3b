// Package objstore is the one contract through which weir touches stored bytes:
// a flat namespace of immutable objects with an atomic put-if-absent.
//
// Keys are slash-separated relative paths ("db.db/t/snapshot/snapshot-1") without
// leading slash, empty segments, "." or "..". Backends: local disk, S3 and memory;
// Open chooses by URI. Every backend passes objstoretest; a backend whose
// put-if-absent is not atomic is refused (ErrNoConditionalPut).
//
// Invariants the layers above build on:
//
//   - a reader sees a whole object or none, also after kill -9 and power loss;
//   - of any number of concurrent PutIfAbsent calls for a key exactly one returns nil;
//   - a nil from Put, PutIfAbsent or Writer.Close means the bytes are durable;
//   - an error that is neither ErrExists nor of kind Invalid or Denied leaves the
//     outcome of a write open: read back before deciding.
//
// Errors carry kinds of internal/errkind: NotFound, Conflict (ErrExists), Invalid
// (a bad key or range), Denied, Exhausted (disk full) and Unavailable.
package objstore
