// Package rewrite replaces files of a table so that single rows go or change, where appending cannot say so: an
// append table has no key to delete by, and an upsert of a partial-update table cannot make a value NULL again.
//
// Drop copies the files of an append table that hold rows to take away, without these rows. Replace merges whole
// buckets of a primary-key table and puts given rows in the place of their keys. Both read one snapshot and return
// messages with Added and Removed files for one OVERWRITE commit; if somebody compacted or overwrote one of the
// files meanwhile, the commit is a commit.ErrConflict, and the caller discards the messages and rewrites on the
// newer snapshot. Nothing is committed here.
//
// compute/job calls it for revisions and for what follows from them. After an error the files written until then
// are deleted.
package rewrite
