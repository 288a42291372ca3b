// Package index computes which bucket a row belongs to and reads deletion
// vectors, as Paimon does both, bit for bit.
//
// table/write and table/scan use it; it needs no store: callers bring the bytes.
// A deletion vector whose magic, size or checksum is wrong is an error of kind
// corrupt.
package index
