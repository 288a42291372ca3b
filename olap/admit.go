package olap

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/weir-lake/weir/internal/errkind"
)

// ErrBusy: all slots are taken and the queue is full.
var ErrBusy = errkind.New(errkind.Exhausted, "query: too many queries wait; try again later")

// admission lets a number of queries run and a bounded number wait, in order of arrival as far as the
// runtime's channels keep it.
type admission struct {
	slots    chan struct{}
	low      chan struct{} // one of the low class at a time
	queueMax int
	mu       struct {
		sync.Mutex
		waiting int
	}
}

func newAdmission(slots, queueMax int) *admission {
	return &admission{slots: make(chan struct{}, slots), low: make(chan struct{}, 1), queueMax: queueMax}
}

const (
	// lowWaitMax bounds how long a query of the low class stands back for others: it must end some day.
	lowWaitMax = 30 * time.Second
	// lowLook is how often it looks whether others run: soon enough that people see no pause.
	lowLook = 20 * time.Millisecond
)

// enterLow is enter for a query that lets others go first: it starts when no other runs or waits, or in the ordinary
// queue when lowWaitMax has passed. One such query runs at a time.
func (a *admission) enterLow(ctx context.Context) (leave func(), err error) {
	select {
	case a.low <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for a query slot: %w", context.Cause(ctx))
	}
	var out func()
	if err = a.standBack(ctx); err == nil {
		out, err = a.enter(ctx)
	}
	if err != nil {
		<-a.low
		return nil, err
	}
	var once sync.Once
	return func() { once.Do(func() { out(); <-a.low }) }, nil
}

// standBack waits until no query runs or waits, for lowWaitMax at most.
func (a *admission) standBack(ctx context.Context) error {
	enough := time.NewTimer(lowWaitMax)
	defer enough.Stop()
	look := time.NewTicker(lowLook)
	defer look.Stop()
	for {
		if running, waiting := a.load(); running+waiting == 0 {
			return nil
		}
		select {
		case <-look.C:
		case <-enough.C:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("wait for a query slot: %w", context.Cause(ctx))
		}
	}
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
