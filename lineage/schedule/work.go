package schedule

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/weir-lake/weir/compute/job"
)

// batch is what the worker does at once: runs of one backfill, the first to begin first.
type batch struct {
	e    *entry
	def  Backfill // as it was when the batch was made
	runs []*live
}

// work follows the clocks and runs what is due, one batch after the other, until ctx ends.
func (s *Scheduler) work(ctx context.Context) {
	look := time.NewTicker(s.opts.LookEvery)
	defer look.Stop()
	for ctx.Err() == nil {
		b, err := s.next(ctx)
		if err == nil && b != nil {
			err = s.execute(ctx, b)
		}
		if err != nil && ctx.Err() == nil {
			// The store or the ledger did not answer. What was not recorded is found again by the claims.
			s.opts.Logger.Warn("backfill", "error", err)
			s.pause(ctx, s.opts.Pause)
			continue
		}
		if b != nil {
			continue
		}
		select {
		case <-look.C:
		case <-s.nudge:
		case <-ctx.Done():
		}
	}
}

func (s *Scheduler) pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// next is the work to do now: runs that wait, then ticks; nil: none.
func (s *Scheduler) next(ctx context.Context) (*batch, error) {
	s.mu.Lock()
	if b := s.queuedLocked(); b != nil {
		s.mu.Unlock()
		return b, nil
	}
	var turn []*entry
	for _, e := range s.mu.backfills {
		if e.def.State == Active && e.policy.Line != nil {
			turn = append(turn, e)
		}
	}
	s.mu.turn++
	first := s.mu.turn
	s.mu.Unlock()
	slices.SortFunc(turn, func(a, b *entry) int { return a.def.Created.Compare(b.def.Created) })
	for i := range turn {
		e := turn[(i+first)%len(turn)]
		b, err := s.due(ctx, e)
		if ctx.Err() != nil {
			return nil, nil // that the service ends is no error of the backfill
		}
		s.note(e, err)
		if b != nil {
			return b, nil
		}
	}
	return nil, nil
}

// queuedLocked is the first run that waits, and with the run of a tick those of other ticks that one statement may
// compute with it; nil: none waits.
func (s *Scheduler) queuedLocked() *batch {
	var b *batch
	for _, id := range s.mu.queue {
		l := s.mu.live[id]
		e := s.mu.backfills[l.run.Backfill]
		switch {
		case e == nil: // it is being dropped
		case b == nil:
			b = &batch{e: e, def: e.def, runs: []*live{l}}
		case b.e == e && b.runs[0].run.Tick != nil && l.run.Tick != nil && len(b.runs) < b.def.Together:
			b.runs = append(b.runs, l)
		}
	}
	return b
}

// note keeps, for people, why a backfill's ticks cannot be decided.
func (s *Scheduler) note(e *entry, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if text != "" && e.def.Error != text {
		s.opts.Logger.Warn("backfill", "name", e.def.Name, "error", text)
	}
	e.def.Error = text
}

// due decides the ticks that a backfill's clock has passed, and claims those to run. A batch has as many ticks as one
// statement may compute.
func (s *Scheduler) due(ctx context.Context, e *entry) (*batch, error) {
	t, err := s.bind(ctx, e)
	if err != nil {
		return nil, err
	}
	now, ok, err := s.clockOf(ctx, e)
	if err != nil || !ok {
		return nil, err
	}
	s.mu.Lock()
	e.def.Now = &now
	if e.def.Until == nil {
		e.def.Until = &now // the first that its clock shows
	}
	def := e.def
	s.mu.Unlock()
	ticks, skip := e.policy.Due(now, *def.Until, def.Together)
	if len(ticks) == 0 && skip == nil {
		return nil, nil
	}
	if t == nil {
		if t, err = s.target(ctx, def.Definition); err != nil {
			return nil, err
		}
	}
	return s.claimTicks(ctx, e, def, t, ticks, skip)
}

// bind finds which tables a backfill reads, once, for its clock.
func (s *Scheduler) bind(ctx context.Context, e *entry) (*target, error) {
	if e.inputs != nil {
		return nil, nil
	}
	t, err := s.target(ctx, e.def.Definition)
	if err != nil {
		return nil, err
	}
	e.inputs = append([]string{}, t.inputs...)
	return t, nil
}

// claimTicks claims ticks and records that they are decided. The record of a run follows its claim, and how far ticks
// are decided follows both: a crash between them leaves a tick that is claimed by the run that it will be given again.
func (s *Scheduler) claimTicks(ctx context.Context, e *entry, def Backfill, t *target, ticks []Tick, skip *Skipped) (*batch, error) {
	var record []Run
	until := *def.Until
	if skip != nil {
		r := Run{ID: runID(skip.First, def) + "-skipped", Kind: KindSkipped, State: Skip, From: skip.First, To: skip.Last, Ended: new(time.Time)}
		if err := s.fresh(ctx, &r, def, t); err != nil {
			return nil, err
		}
		*r.Ended = r.Created
		if skip.Count > 0 {
			r.say(r.Created, fmt.Sprintf("%d ticks from %s to %s were missed; catch-up is %s", skip.Count, stamp(skip.First), stamp(skip.Last), def.CatchUp))
		} else {
			r.say(r.Created, fmt.Sprintf("ticks from %s to %s were missed: the clock went on by more than a year", stamp(skip.First), stamp(skip.Last)))
		}
		record, until = append(record, r), skip.Last
	}
	b := &batch{e: e, def: def}
	for _, tick := range ticks {
		r := Run{ID: runID(tick.At, def), Kind: KindTick, State: Queued, Tick: &tick.At, From: tick.From, To: tick.At}
		if err := s.fresh(ctx, &r, def, t); err != nil {
			return nil, err
		}
		held, taken, err := s.claims.take(ctx, &def, tick.At, claim{Run: r.ID, Base: r.base})
		if err != nil {
			return nil, err
		}
		until = tick.At
		if !taken {
			old, ok, err := s.book.run(ctx, held.Run)
			if err != nil {
				return nil, err
			}
			if ok && old.State.Ended() {
				continue
			}
			r.base = held.Base
			r.say(r.Created, "it was claimed before by a process that ended")
		}
		record = append(record, r)
		b.runs = append(b.runs, &live{run: r})
	}
	if err := s.book.saveRuns(ctx, record...); err != nil {
		return nil, err
	}
	if err := s.decided(ctx, e, until, b.runs); err != nil || len(b.runs) == 0 {
		return nil, err
	}
	return b, s.claims.prune(ctx, &def, until)
}

// decided records that ticks up to until are, and puts their runs into the queue.
func (s *Scheduler) decided(ctx context.Context, e *entry, until time.Time, runs []*live) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	s.mu.Lock()
	def := e.def
	s.mu.Unlock()
	def.Until = &until
	if err := s.book.saveBackfill(ctx, def); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e.def.Until = &until
	if s.mu.backfills[def.Name] != e {
		return nil // it was dropped meanwhile
	}
	for _, l := range runs {
		s.mu.live[l.run.ID] = l
		s.mu.queue = append(s.mu.queue, l.run.ID)
	}
	return nil
}

// runID is the id of the run of a tick: the same whoever makes it.
func runID(tick time.Time, def Backfill) string { return stamp(tick) + "-" + def.ID[:8] }

const (
	// behindEpochs is how many epochs a live job may have before it for a slice to begin all the same: one that keeps up
	// has one or two.
	behindEpochs = 3
	// yieldMax bounds how long a slice waits for jobs and queries: a service that is always busy must get to its
	// backfills as well.
	yieldMax = 30 * time.Second
	// yieldLook is how often it looks whether they are still busy.
	yieldLook = 100 * time.Millisecond
)

// yield waits until no query waits and no job is behind, for yieldMax at most.
func (s *Scheduler) yield(ctx context.Context) {
	deadline := time.Now().Add(yieldMax)
	for s.busy() && time.Now().Before(deadline) && ctx.Err() == nil {
		s.pause(ctx, yieldLook)
	}
}

func (s *Scheduler) busy() bool {
	if _, waiting := s.opts.Load(); waiting > 0 {
		return true
	}
	return slices.ContainsFunc(s.opts.Jobs.List(), func(j job.Status) bool { return j.State == job.Running && j.Pending > behindEpochs })
}
