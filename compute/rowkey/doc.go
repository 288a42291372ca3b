// Package rowkey holds the canonical row order and its byte form.
//
// A row becomes bytes whose bytes.Compare order is the canonical order of rows: columns
// left to right, NULL first, FALSE before TRUE, strings and binaries by their bytes, NaN
// after +Inf, lists by element and a prefix first, maps by their entries sorted by key.
// The stream engine uses the bytes as state keys, as stored rows and as the total order
// that breaks ties (docs/semantics.md, "Order is total"); they decode back into builders.
//
// Rows decode to what they were, except that there is one NaN. Keys (NewKeyEncoder, for
// grouping, joining, partitions and DISTINCT) have equal bytes where SQL calls the values
// equal: in them -0.0 is 0.0. Every column is self-delimiting: the encoding of a row is the
// concatenation of its columns, and no encoding is a proper prefix of another of the same types.
//
// Decoding bytes that were not encoded with the same types fails with an error of kind
// corrupt and never panics.
package rowkey
