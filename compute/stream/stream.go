// Package stream is the incremental engine: it turns a bound plan into a dataflow
// that takes the changes of one epoch and returns the changes of the result, at a cost
// that follows the size of the change.
//
// A dataflow is driven synchronously by its job (compute/job), one epoch after the other:
// it does no I/O but its state's, holds no clock, and given the same epochs it makes the
// same changes. Changes are Z-sets: rows with integer weights, an update is -1 old, +1 new.
package stream

import (
	"time"

	"github.com/apache/arrow-go/v18/arrow"
)

// Delta is a batch of changes. Weights is nil when every row's weight is +1.
// The holder of a Delta releases Rows.
type Delta struct {
	Rows    arrow.RecordBatch
	Weights []int32
}

// Epoch is the recorded context of one step.
type Epoch struct {
	ID    int64
	Clock time.Time // wall clock of the log record
	// Watermark per source index, after this epoch's rows; missing: none yet. It is an instant for
	// TIMESTAMP_LTZ event time and, as Flink counts, the wall clock read as UTC for TIMESTAMP.
	Watermark map[int]time.Time
	Seed      int64
}
