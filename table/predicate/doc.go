// Package predicate is the small filter language that prunes partitions, buckets,
// files and pages: a conjunction of comparisons of a column with constants.
// Pruning is advisory: the reader of rows applies the whole filter itself.
package predicate
