package job

import (
	"cmp"
	"fmt"
	"slices"
	"sync"

	"github.com/weir-lake/weir/internal/errkind"
)

// stateMemoryDefault bounds the state of all jobs where the caller says nothing: what a small machine can spare.
const stateMemoryDefault = 4 << 30

// ErrStateMemory: the state of all jobs together went over its limit by this job's doing. The job is stopped, the others go on.
var ErrStateMemory = errkind.New(errkind.Exhausted, "job: no memory left for state")

// budget counts the bytes of state of all jobs and streams against one limit.
type budget struct {
	limit int64
	mu    struct {
		sync.Mutex
		held  map[string]int64 // by job, or by stream
		total int64
	}
}

func newBudget(limit int64) *budget {
	b := &budget{limit: limit}
	b.mu.held = map[string]int64{}
	return b
}

// set says what the holder has now. It reports false, with the total, when all together are over the limit and this
// holder is one that grew: who did not grow is not to blame.
func (b *budget) set(holder string, bytes int64) (total int64, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	was := b.mu.held[holder]
	b.mu.total += bytes - was
	if bytes == 0 {
		delete(b.mu.held, holder)
	} else {
		b.mu.held[holder] = bytes
	}
	return b.mu.total, bytes <= was || b.mu.total <= b.limit
}

// used is what all together hold.
func (b *budget) used() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mu.total
}

// account counts the job's state, and fails the job when there is no room for it.
func (r *runner) account() error {
	own := r.flow.StateBytes() + r.out.stateBytes()
	total, ok := r.m.memory.set(r.rec.ID, own)
	if ok {
		return nil
	}
	return overBudget(r.operators(), own, total, r.m.memory.limit)
}

// holder names the stream among those that hold state.
func (s *Stream) holder() string { return fmt.Sprintf("stream:%p", s) }

// account counts the stream's state, and fails the stream when there is no room for it.
func (s *Stream) account() error {
	own := s.flow.StateBytes()
	total, ok := s.m.memory.set(s.holder(), own)
	if ok {
		return nil
	}
	return overBudget(operators(s.flow, s.inputs), own, total, s.m.memory.limit)
}

// overBudget says what takes the memory and what to do.
func overBudget(ops []Operator, own, total, limit int64) error {
	most := slices.MaxFunc(ops, func(a, b Operator) int { return cmp.Compare(a.StateBytes, b.StateBytes) })
	return fmt.Errorf("%w: the state of all jobs is %s, over the limit of %s; of this job's %s operator %s holds %s in %d rows: "+
		"narrow the query (fewer columns, a window, a filter before the join) or start weir with more --state-memory, then restart the job",
		ErrStateMemory, size(total), size(limit), size(own), most.Name, size(most.StateBytes), most.StateRows)
}

// size is a number of bytes as people say it.
func size(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d bytes", n)
}

// Memory is what the state of all jobs holds, and its limit, in bytes.
func (m *Manager) Memory() (used, limit int64) { return m.memory.used(), m.memory.limit }
