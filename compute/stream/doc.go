// Package stream is the incremental engine: it turns a bound plan into a dataflow
// that takes the changes of one epoch and returns the changes of the result, at a cost
// that follows the size of the change. Its caller is compute/job.
//
// Changes are Z-sets: rows with integer weights, an update is -1 old, +1 new. A Dataflow is
// driven synchronously, one epoch after the other: Step hands the changes of each source
// through the operators, inputs first, and consolidates what comes out. It does no I/O,
// holds no clock and draws no random numbers: given the same epochs it makes the same
// changes, whatever the batches, the order of rows within an epoch, or restarts in between.
//
// Reading order: dataflow.go (a step), compile.go (plan to operators, what is refused and
// why), aggregate.go and join.go (keyed state), topn.go (affected partitions, which over.go
// shares), session.go, clockfilter.go and windowclose.go (time), materialize.go (from
// changes of a result to rows of a table). One operator stands in one file.
//
// Invariants: the sum of all output changes after an epoch is the query over the sum of all
// input changes so far, limited, for windows of an append-only sink, to the closed windows
// and without the rows Late gave. Within an epoch weights may be negative for a while; at
// its end a negative count is an error (ErrRetraction), never a wrong result. Rows are kept
// and compared as compute/rowkey encodes them, so every tie is broken the same way.
//
// A step that fails leaves the state between two epochs, and the dataflow refuses to go on
// (ErrBroken): the job compiles the plan anew and restores a checkpoint or rebuilds. Plans
// that cannot run are refused by Compile with kind invalid and the reason.
package stream
