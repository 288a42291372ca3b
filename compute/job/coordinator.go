package job

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/epoch"
	"github.com/weir-lake/weir/internal/errkind"
)

// pendingMax is how many epochs of input a job may have before its sources are left alone: enough to
// keep it busy while the next epoch is decided, little enough that memory stays bounded.
const pendingMax = 2

// busyPause is how soon the next tick comes while sources give full epochs.
const busyPause = time.Millisecond

// foreignEvery is how often tables are looked at for snapshots of other engines.
const foreignEvery = 2 * time.Second

// termEvery is how often an owner asks whether it was replaced. One that has something to write finds out by that; one
// that is idle would answer queries for ever from what it last knew.
const termEvery = 2 * time.Second

// tick is the coordinator's loop: decide what the next epoch holds, record it, wake the jobs.
func (m *Manager) tick(ctx context.Context) {
	timer := time.NewTimer(m.opts.Interval)
	defer timer.Stop()
	for {
		started := time.Now()
		more, err := m.decide(ctx)
		if errors.Is(err, epoch.ErrFenced) {
			m.lost(err)
			return
		}
		if err != nil && ctx.Err() == nil {
			m.opts.Logger.Warn("epoch_failed", "error", err)
		}
		pause := max(m.opts.Interval-time.Since(started), busyPause)
		if more {
			pause = busyPause
		}
		timer.Reset(pause)
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-m.nudge:
			// Somebody waits for an epoch now: a job just became able to take more input.
		}
	}
}

// decide makes one epoch. More reports that sources have input left and their jobs could take it soon.
func (m *Manager) decide(ctx context.Context) (more bool, err error) {
	m.deciding.Lock()
	defer m.deciding.Unlock()
	now := m.now()
	if now.Sub(m.termAt) >= termEvery {
		m.termAt = now
		if err := m.log.CheckTerm(ctx); errors.Is(err, epoch.ErrFenced) {
			return false, err
		}
	}
	e := m.frontier.Clock() + 1
	rec := m.newRecord(e, nil)
	var polled []func()
	for _, r := range m.runners() {
		in, took, rest := r.poll(ctx)
		more = more || rest
		if in != nil {
			if rec.Jobs == nil {
				rec.Jobs = map[string]epoch.JobInput{}
			}
			rec.Jobs[r.rec.ID] = *in
			polled = append(polled, took)
		}
	}
	sealed := m.pushes.seal(e)
	for _, p := range sealed {
		rec.Pushes = append(rec.Pushes, p.table)
	}
	if now.Sub(m.foreignAt) >= foreignEvery {
		m.foreignAt = now
		if rec.Foreign, err = m.foreignSnapshots(ctx); err != nil {
			m.opts.Logger.Warn("foreign_snapshots", "error", err)
		}
	}
	if rec.Jobs == nil && len(sealed) == 0 && len(rec.Foreign) == 0 && !m.clockNeeded() {
		m.frontier.Advance(e)
		return more, nil
	}
	if err := m.log.RecordEpoch(ctx, rec); err != nil {
		m.pushes.unseal(sealed, err)
		return false, fmt.Errorf("epoch %d: %w", e, err)
	}
	for _, took := range polled {
		took()
	}
	for id := range rec.Jobs {
		m.frontier.Pending(epoch.Writer(id), e)
	}
	for t := range rec.Foreign {
		m.frontier.Foreign(t, e)
	}
	m.pushes.start(ctx, e, sealed)
	m.frontier.Advance(e)
	return more, nil
}

// newRecord is the record of an epoch as of now.
func (m *Manager) newRecord(e int64, pushes []string) epoch.Record {
	now := m.now()
	return epoch.Record{Epoch: e, ClockMs: now.UnixMilli(), Seed: now.UnixNano() ^ e<<40, Pushes: pushes}
}

// clockNeeded reports whether some job filters by the wall clock, so that epochs pass for it
// though nothing comes in.
func (m *Manager) clockNeeded() bool {
	needed := false
	for _, r := range m.runners() {
		if r.clocked() {
			m.frontier.Pending(r.writer, m.frontier.Clock()+1)
			needed = true
		}
	}
	return needed
}

// poll asks the job's sources how far they can be read. It returns nil when the job takes no
// input now; took is called once the epoch is recorded.
func (r *runner) poll(ctx context.Context) (in *epoch.JobInput, took func(), more bool) {
	r.polling.Lock()
	defer r.polling.Unlock()
	if !r.polling.ready {
		return nil, nil, false
	}
	if r.m.frontier.PendingCount(r.writer) >= pendingMax {
		return nil, nil, false // it nudges when it has done some
	}
	rec := epoch.JobInput{Offsets: map[int]connector.Offsets{}}
	var ends []func()
	for _, i := range r.inputs {
		if i.conn == nil || i.conn.exhausted || !i.conn.mu.TryLock() {
			continue // being read: the next tick is soon enough
		}
		to, end, err := i.conn.src.Poll(ctx, i.conn.polled, r.epochRowsMax())
		r.lags(i)
		i.conn.mu.Unlock()
		if err != nil {
			r.pollFailed(i, err)
			continue
		}
		if maps.Equal(to, i.conn.polled) && !end {
			continue
		}
		rec.Offsets[i.index] = to
		if end {
			rec.Ended = append(rec.Ended, i.index)
		}
		conn := i.conn
		ends = append(ends, func() { conn.polled, conn.exhausted = to, end })
	}
	if len(rec.Offsets) == 0 {
		return nil, nil, false
	}
	return &rec, func() {
		for _, f := range ends {
			f()
		}
	}, r.backlog.Load()
}

// lags notes how much the source has beyond what it was asked for, if it knows.
func (r *runner) lags(i *input) {
	src, ok := i.conn.src.(connector.Lagging)
	if !ok {
		return
	}
	n := src.Behind()
	r.mu.Lock()
	defer r.mu.Unlock()
	if n < 0 {
		delete(r.mu.behind, i.index)
		return
	}
	if r.mu.behind == nil {
		r.mu.behind = map[int]int64{}
	}
	r.mu.behind[i.index] = n
}

// pollFailed keeps the job's error for people; the runner meets the same error when it reads, and a
// source that only cannot be asked right now is asked again at the next tick.
func (r *runner) pollFailed(i *input, err error) {
	if errkind.Is(err, errkind.Canceled) {
		return
	}
	r.logs.add("warn", "poll %s: %v", i.scan.Table.Name, err)
	if final(err) {
		r.fail(fmt.Errorf("poll %s: %w", i.scan.Table.Name, err))
	}
}

// foreignSnapshots finds snapshots of tables that jobs read which no weir writer made, newer than any
// the log lists.
func (m *Manager) foreignSnapshots(ctx context.Context) (map[string]int64, error) {
	known := m.log.Foreign()
	var found map[string]int64
	seen := map[string]bool{}
	for _, r := range m.runners() {
		for _, t := range r.watched() {
			if seen[t.path] {
				continue
			}
			seen[t.path] = true
			id, err := t.newestForeign(ctx, known[t.path])
			if err != nil {
				return found, fmt.Errorf("table %s: %w", t.path, err)
			}
			if id > known[t.path] {
				if found == nil {
					found = map[string]int64{}
				}
				found[t.path] = id
			}
		}
	}
	return found, nil
}
