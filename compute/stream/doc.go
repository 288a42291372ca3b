// Package stream is the incremental engine: it turns a bound plan into a dataflow
// that takes the changes of one epoch and returns the changes of the result, at a cost
// that follows the size of the change.
//
// A dataflow is driven synchronously by its job (compute/job), one epoch after the other:
// it does no I/O but its state's, holds no clock, and given the same epochs it makes the
// same changes. Changes are Z-sets: rows with integer weights, an update is -1 old, +1 new.
package stream
