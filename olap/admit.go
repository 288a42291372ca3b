package olap

import (
	"context"
	"fmt"
	"sync"

	"github.com/weir-lake/weir/internal/errkind"
)

// ErrBusy: all slots are taken and the queue is full.
var ErrBusy = errkind.New(errkind.Exhausted, "query: too many queries wait; try again later")

// admission lets a number of queries run and a bounded number wait, in order of arrival as far as the
// runtime's channels keep it.
type admission struct {
	slots    chan struct{}
	queueMax int
	mu       struct {
		sync.Mutex
		waiting int
	}
}

func newAdmission(slots, queueMax int) *admission {
	return &admission{slots: make(chan struct{}, slots), queueMax: queueMax}
}

// enter waits for a slot. leave gives it back and may be called twice.
func (a *admission) enter(ctx context.Context) (leave func(), err error) {
	select {
	case a.slots <- struct{}{}:
	default:
		if err := a.wait(ctx); err != nil {
			return nil, err
		}
	}
	var once sync.Once
	return func() { once.Do(func() { <-a.slots }) }, nil
}

func (a *admission) wait(ctx context.Context) error {
	a.mu.Lock()
	if a.mu.waiting >= a.queueMax {
		n := a.mu.waiting
		a.mu.Unlock()
		return fmt.Errorf("%w (%d run, %d wait)", ErrBusy, cap(a.slots), n)
	}
	a.mu.waiting++
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		a.mu.waiting--
		a.mu.Unlock()
	}()
	select {
	case a.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for a query slot: %w", context.Cause(ctx))
	}
}

func (a *admission) load() (running, waiting int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.slots), a.mu.waiting
}
