package connector

import (
	"context"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/internal/errkind"
)

// ErrPositionLost: a recorded position cannot be read any more (offset below earliest,
// topic recreated, file gone or changed). The job stops by name; there is never a silent reset.
var ErrPositionLost = errkind.New(errkind.Corrupt, "connector: recorded position is gone")

// Position is where a split has been read up to, exclusive, in the source's own text
// (a Kafka offset, a row count of a file, a replay's event number). It is stored in the
// epoch log and in snapshots, so its form is stable.
type Position string

// Offsets maps split ids ("topic/0", "file:flights.parquet") to positions.
type Offsets map[string]Position

// Clone copies the map.
func (o Offsets) Clone() Offsets {
	c := make(Offsets, len(o))
	for k, v := range o {
		c[k] = v
	}
	return c
}

// Chunk is what a source hands out: rows of the table's physical and metadata columns
// (all of plan.Table.Columns that are not Computed, in table order). Kinds is nil for
// insert-only data, else one of +I(0) -U(1) +U(2) -D(3) per row.
type Chunk struct {
	Rows  arrow.RecordBatch
	Kinds []int8
	// Dead are rows the format could not decode; they go to the dead-letter table.
	Dead []DeadLetter
}

// DeadLetter is a row that could not be taken, with its place and the reason.
type DeadLetter struct {
	Split    string // topic/partition or file
	Position string // offset or line
	Reason   string
	Raw      []byte // bounded by MaxRawBytes
}

// MaxRawBytes bounds the raw bytes kept of a dead letter.
const MaxRawBytes = 64 << 10

// Source reads one table. It is used by one goroutine at a time.
//
// The engine calls Poll to learn how far it could read from `from`, at most maxRows
// rows, decides and logs the epoch's end offsets, then Reads exactly [from, to): the same
// pair of offsets always yields the same rows in the same order, also after a restart.
type Source interface {
	// Poll returns the offsets reachable from `from` (nil or missing split: the start) within
	// about maxRows rows and whether the source is Bounded and ends there. It returns `from`
	// unchanged when there is nothing new; it waits no longer than a few milliseconds for data.
	Poll(ctx context.Context, from Offsets, maxRows int) (to Offsets, end bool, err error)
	// Read streams the rows of [from, to) through fn in chunks of bounded size.
	Read(ctx context.Context, from, to Offsets, fn func(Chunk) error) error
	// Commit tells the outside that everything before `upTo` is durable (Kafka groups). Advisory.
	Commit(ctx context.Context, upTo Offsets) error
	Close() error
}

// Lagging is a Source that knows how much more it has than it was asked for.
type Lagging interface {
	// Behind is how many rows there were beyond the offsets that the last Poll returned; -1 when that is not known. It
	// may be called at any time and waits for nothing.
	Behind() int64
}

// ErrOtherTable: a dead letter is of another table than the source reads.
var ErrOtherTable = errkind.New(errkind.NotFound, "connector: the dead letter is of another table")

// Redecoder is a Source that can take a dead letter once more, as its table is defined now.
type Redecoder interface {
	// Redecode gives the rows of the dead letter's message, which the caller releases, or it as the chunk's one Dead
	// with the reason why it still cannot be taken. A message of another table is ErrOtherTable.
	Redecode(ctx context.Context, d DeadLetter) (Chunk, error)
}

// Progress is what a sink says it holds.
type Progress struct{ Epoch, Term int64 }

// Sink takes an epoch's changes of a job. Kinds as in Chunk.
type Sink interface {
	// Progress is the last epoch committed by the job, from the outside system itself.
	Progress(ctx context.Context) (Progress, error)
	// Write commits the changes of epochs (last, at.Epoch] atomically with at; calling it
	// again with an epoch already held does nothing.
	Write(ctx context.Context, at Progress, rows []Chunk) error
	// Guarantee is "exactly-once" or "at-least-once".
	Guarantee() string
	Close() error
}

// Claimer is a Sink whose outside system can keep earlier owners of the job from writing.
type Claimer interface {
	// Claim takes the job's rows for the term: when it has returned, no Write of a lower term succeeds any more. It comes
	// before Progress, so that what Progress says stays true. A term below the one that holds the rows is a conflict.
	Claim(ctx context.Context, term int64) error
}

// Context is what a connector may know of its surroundings.
type Context struct {
	Table   *plan.Table
	Options map[string]string // secrets already resolved
	JobID   string
	Bounded bool // batch statement: read to the present end, then end
	Now     func() time.Time
	// RunQuery is wired by the session; nil where no session is (a replay query is then refused).
	RunQuery QueryRunner
}

// Factory opens sources and sinks of one connector name. A nil function means the
// connector cannot be read or written. Validate checks options at CREATE TABLE and
// names the unknown, missing or malformed one.
type Factory struct {
	Name       string
	Validate   func(t *plan.Table) error
	OpenSource func(ctx context.Context, c Context) (Source, error)
	OpenSink   func(ctx context.Context, c Context) (Sink, error)
	// Passing is true where positions vanish by themselves (Kafka): a stateful job reads
	// such a source through a landing table.
	Passing bool
	// Unbounded reports whether the table, read as a stream, never ends by itself. Nil: it always ends.
	Unbounded func(t *plan.Table) bool
}

// Registry finds factories by the 'connector' option. cmd/weir builds it once.
type Registry map[string]Factory
