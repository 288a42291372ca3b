package job

import (
	"fmt"
	"sync"
	"time"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/epoch"
	"github.com/weir-lake/weir/internal/errkind"
)

// Sentinels of the package.
var (
	ErrNotFound = errkind.New(errkind.NotFound, "job: no such job")
	ErrExists   = errkind.New(errkind.Exists, "job: a job of that name exists")
	// ErrReplaced: another owner commits for this job; this one stops without writing.
	ErrReplaced = errkind.New(errkind.Conflict, "job: replaced by another owner")
	// ErrNoProgress: the job has committed before and neither log nor table says how far.
	ErrNoProgress = errkind.New(errkind.Corrupt, "job: its progress is gone")
	// ErrRolledBack: the snapshot the job wrote last is not in its table's history any more.
	ErrRolledBack = errkind.New(errkind.Conflict, "job: table was rolled back or replaced")
)

// State is what a job is doing.
type State string

// The states. Failing restarts by itself after a pause; failed does not.
const (
	Starting  State = "starting"
	Restoring State = "restoring" // rebuilding or loading its state
	Running   State = "running"
	Failing   State = "failing"
	Failed    State = "failed"
	Stopped   State = "stopped"
	Finished  State = "finished" // all its sources are bounded and at their end
)

// Status is a job as people and the API see it.
type Status struct {
	epoch.JobRecord
	State      State     `json:"state"`
	StateSince time.Time `json:"state_since"`
	Error      string    `json:"error,omitempty"`
	Restarts   int       `json:"restarts"`

	// Doing is what the job is at just now, and since when.
	Doing      string     `json:"doing,omitempty"`
	DoingSince *time.Time `json:"doing_since,omitempty"`

	Epoch        int64      `json:"epoch"`   // the newest completed
	Pending      int        `json:"pending"` // epochs with input not completed yet
	LagMs        int64      `json:"lag_ms"`  // since the oldest of them was decided
	Snapshot     int64      `json:"snapshot,omitempty"`
	LastCommit   *time.Time `json:"last_commit,omitempty"`
	Watermark    *time.Time `json:"watermark,omitempty"`
	RowsIn       int64      `json:"rows_in"`
	RowsOut      int64      `json:"rows_out"`
	RowsPerSec   float64    `json:"rows_per_second"`
	DeadLetters  int64      `json:"dead_letters"`
	LateRows     int64      `json:"late_rows"`
	StateBytes   int64      `json:"state_bytes"`
	CheckpointAt int64      `json:"checkpoint_epoch,omitempty"`
	Guarantee    string     `json:"guarantee"`
	// KeptSince is when the oldest version of an input that is kept for the job was replaced by a newer one; nil while
	// the job goes on with its inputs.
	KeptSince *time.Time `json:"inputs_kept_since,omitempty"`

	Inputs    []InputStatus `json:"inputs"`
	Operators []Operator    `json:"operators,omitempty"`
}

// InputStatus is how far one input has been read.
type InputStatus struct {
	Table     string            `json:"table"`
	Connector string            `json:"connector,omitempty"`
	Snapshot  int64             `json:"snapshot,omitempty"`
	Offsets   connector.Offsets `json:"offsets,omitempty"`
	Watermark *time.Time        `json:"watermark,omitempty"`
	// RowsBehind are the rows that the source had beyond the epochs recorded, when it was last asked; nil where it
	// does not know.
	RowsBehind *int64 `json:"rows_behind,omitempty"`
	Ended      bool   `json:"ended,omitempty"`
}

// Operator is the work of one operator of a job's dataflow since its start. The last one is the sink.
type Operator struct {
	Name       string  `json:"name"`
	Inputs     []int   `json:"inputs,omitempty"` // positions of the operators it reads
	RowsIn     int64   `json:"rows_in"`
	RowsOut    int64   `json:"rows_out"`
	StateRows  int64   `json:"state_rows"`
	StateBytes int64   `json:"state_bytes"`
	BusySec    float64 `json:"busy_seconds"`
	// Over the last ten seconds; Busy is the share of one core.
	RowsInPerSec  float64    `json:"rows_in_per_second"`
	RowsOutPerSec float64    `json:"rows_out_per_second"`
	Busy          float64    `json:"busy"`
	Watermark     *time.Time `json:"watermark,omitempty"`
}

// logLinesMax bounds the log lines kept per job: some hours of a quiet job, minutes of a failing one.
const logLinesMax = 1000

// LogLine is one thing that happened to a job.
type LogLine struct {
	Time  time.Time `json:"time"`
	Level string    `json:"level"` // info, warn, error
	Text  string    `json:"text"`
}

// logRing keeps the newest lines.
type logRing struct {
	now func() time.Time
	mu  struct {
		sync.Mutex
		lines []LogLine
	}
}

func (l *logRing) add(level, format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.mu.lines) == logLinesMax {
		l.mu.lines = append(l.mu.lines[:0], l.mu.lines[logLinesMax/4:]...)
	}
	l.mu.lines = append(l.mu.lines, LogLine{Time: l.now().UTC(), Level: level, Text: fmt.Sprintf(format, args...)})
}

func (l *logRing) lines() []LogLine {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]LogLine(nil), l.mu.lines...)
}
