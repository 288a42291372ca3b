package job

import (
	"slices"
	"sync"
	"time"

	"github.com/weir-lake/weir/internal/errkind"
)

// Limits of what is remembered of each job for people, in this process. Beyond them the oldest go.
const (
	commitsKept  = 100 // some minutes of a job that commits once a second
	failuresKept = 50  // half an hour of a job that fails at every attempt
)

// CommitInfo is one commit of a job: the epochs it made visible together, and what they took.
type CommitInfo struct {
	From     int64     `json:"from"` // first epoch of the interval
	To       int64     `json:"to"`   // last
	Epochs   int       `json:"epochs"`
	RowsIn   int64     `json:"rows_in"`
	RowsOut  int64     `json:"rows_out"`
	Snapshot int64     `json:"snapshot,omitempty"` // 0: nothing changed
	At       time.Time `json:"at"`
	// Where the time went, in milliseconds: reading the sources, computing, waiting for other writers or a
	// compaction, publishing.
	ReadMs   float64 `json:"read_ms"`
	StepMs   float64 `json:"step_ms"`
	WaitMs   float64 `json:"wait_ms"`
	CommitMs float64 `json:"commit_ms"`
}

// Failure is an attempt that an error ended.
type Failure struct {
	At    time.Time `json:"at"`
	Kind  string    `json:"kind"` // as in the problem answers of the API
	Error string    `json:"error"`
	Final bool      `json:"final"` // it is not tried again by itself
}

// history is what a job went through in this process. It outlives the job's attempts and restarts.
type history struct {
	logs *logRing
	mu   struct {
		sync.Mutex
		commits  ring[CommitInfo]
		failures ring[Failure]
	}
}

func newHistory(now func() time.Time) *history {
	h := &history{logs: &logRing{now: now}}
	h.mu.commits.limit, h.mu.failures.limit = commitsKept, failuresKept
	return h
}

func (h *history) committed(c CommitInfo) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.commits.add(c)
}

func (h *history) failed(at time.Time, err error, final bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.failures.add(Failure{At: at.UTC(), Kind: errkind.Of(err).String(), Error: err.Error(), Final: final})
}

// newest are the commits and failures kept, newest first.
func (h *history) newest() ([]CommitInfo, []Failure) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.mu.commits.newest(), h.mu.failures.newest()
}

// ring keeps the newest limit items.
type ring[T any] struct {
	limit int
	items []T
	next  int // where the next one goes once items is full
}

func (r *ring[T]) add(x T) {
	if len(r.items) < r.limit {
		r.items = append(r.items, x)
		return
	}
	r.items[r.next] = x
	r.next = (r.next + 1) % r.limit
}

func (r *ring[T]) newest() []T {
	out := append(slices.Clone(r.items[r.next:]), r.items[:r.next]...)
	slices.Reverse(out)
	return out
}
