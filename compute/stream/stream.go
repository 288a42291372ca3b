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
