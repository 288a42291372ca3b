package job

import (
	"context"
	"time"

	"github.com/weir-lake/weir/compute/epoch"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/internal/errkind"
)

// waitEvery is how often somebody who waits for a job is shown its status.
const waitEvery = 200 * time.Millisecond

// Resume goes on with the job of that name and statement, or creates it. A name that another statement has is
// refused. Without a name it is always a new job.
func (m *Manager) Resume(ctx context.Context, d Definition) (Status, error) {
	if d.Name != "" {
		if s, err := m.find(d.Name); err == nil {
			if s.SQL != d.SQL || s.Database != d.Database {
				return Status{}, errkind.Errorf(errkind.Conflict, "%w: %s runs another statement: %s", ErrExists, d.Name, s.SQL)
			}
			m.keepPlan(s.ID, d.Sink)
			if s.Desired == epoch.Running && s.State != Failed {
				return s, nil
			}
			return m.Restart(ctx, s.ID)
		}
	}
	return m.Create(ctx, d)
}

// keepPlan remembers the plan of a statement over temporary tables for the life of this process.
func (m *Manager) keepPlan(id string, sink *plan.Sink) {
	if sink == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.plans[id] = sink
}

// Wait returns when the job has ended, or has taken all that is there: its bounded sources to their end and its
// tables to their newest version. A failed job's error is returned. Progress, if not nil, is called meanwhile.
func (m *Manager) Wait(ctx context.Context, id string, progress func(Status)) (Status, error) {
	tick := time.NewTicker(waitEvery)
	defer tick.Stop()
	for {
		changed := m.frontier.Changed()
		s, err := m.Show(id)
		if err != nil {
			return s, err
		}
		switch s.State {
		case Finished, Stopped:
			return s, nil
		case Failed:
			return s, m.failure(id, s)
		case Running:
			if m.caughtUp(id) {
				return m.StopJob(ctx, id)
			}
		}
		select {
		case <-changed:
			continue
		case <-tick.C:
			if progress != nil {
				progress(s)
			}
		case <-m.down:
			return s, m.Cause()
		case <-ctx.Done():
			return s, ctx.Err()
		}
	}
}

// failure is the error that ended the job.
func (m *Manager) failure(id string, s Status) error {
	m.mu.Lock()
	r := m.mu.runners[id]
	m.mu.Unlock()
	if r != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.mu.last != nil {
			return r.mu.last
		}
	}
	return errkind.New(errkind.Unavailable, s.Error)
}

// caughtUp reports a job over tables alone, or over tables and ended sources, with nothing left to do.
func (m *Manager) caughtUp(id string) bool {
	m.mu.Lock()
	r := m.mu.runners[id]
	m.mu.Unlock()
	if r == nil {
		return false
	}
	r.polling.Lock()
	defer r.polling.Unlock()
	if !r.polling.ready {
		return false
	}
	tables := false
	for _, in := range r.inputs {
		if in.conn != nil && !in.conn.exhausted {
			return false
		}
		tables = tables || in.table != nil
	}
	return tables && m.frontier.PendingCount(r.writer) == 0
}
