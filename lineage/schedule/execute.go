package schedule

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/weir-lake/weir/compute/session"
	"github.com/weir-lake/weir/internal/errkind"
)

const (
	// attemptsMax is how often a slice is tried: what still fails then needs a person.
	attemptsMax = 3
	// saveEvery is the least time between two records of a run under way: a crash costs little work, and a run of
	// many slices writes its ledger seldom.
	saveEvery = time.Second
)

// piece is a slice of a run.
type piece struct {
	l     *live
	index int
	span  Span
}

// execution is a batch being worked off.
type execution struct {
	s     *Scheduler
	b     *batch
	saved time.Time
}

// execute works a batch off. An error is of the ledger or the store, and the runs that have not ended stay in the
// queue; what is wrong with a run is recorded in it.
func (s *Scheduler) execute(ctx context.Context, b *batch) error {
	work, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	x := &execution{s: s, b: b, saved: time.Now()}
	now := s.opts.Now().UTC()
	x.each(func(l *live) {
		if l.run.State == Running && l.spans == nil {
			l.run.say(now, "it goes on after the process that ran it ended")
		}
		if l.run.Started == nil {
			l.run.Started = &now
		}
		l.run.State, l.run.Attempts, l.cancel = Running, l.run.Attempts+1, cancel
	})
	defer x.each(func(l *live) { l.cancel = nil })
	if err := x.save(ctx); err != nil {
		return err
	}
	if err := x.slices(work); err != nil && work.Err() == nil {
		return err
	}
	x.each(func(l *live) {
		if l.canceled && !l.run.State.Ended() {
			x.endLocked(l, Canceled, errCanceled)
		}
	})
	if ctx.Err() != nil {
		return nil // the service ends; what is done is found again in the table's history
	}
	return x.save(ctx)
}

// each changes the runs of the batch under the lock.
func (x *execution) each(fn func(*live)) {
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	for _, l := range x.b.runs {
		fn(l)
	}
}

// endLocked ends a run.
func (x *execution) endLocked(l *live, state RunState, err error) {
	now := x.s.opts.Now().UTC()
	l.run.State, l.run.Ended = state, &now
	if err != nil {
		l.run.Error = err.Error()
		l.run.say(now, string(state)+": "+err.Error())
	}
}

// save records how the runs stand; those that ended leave the queue.
func (x *execution) save(ctx context.Context) error {
	var rows []Run
	x.each(func(l *live) { rows = append(rows, l.run.clone()) })
	if err := x.s.book.saveRuns(ctx, rows...); err != nil {
		return err
	}
	x.saved = time.Now()
	s := x.s
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, r := range rows {
		if !r.State.Ended() {
			continue
		}
		delete(s.mu.live, r.ID)
		s.mu.queue = slices.DeleteFunc(s.mu.queue, func(id string) bool { return id == r.ID })
		x.b.e.def.Last = &rows[i]
	}
	x.b.runs = slices.DeleteFunc(x.b.runs, func(l *live) bool { return s.mu.live[l.run.ID] == nil })
	return nil
}

// slices computes what is pending, group after group. Its errors are of the ledger or the store.
func (x *execution) slices(ctx context.Context) error {
	t, err := x.s.target(ctx, x.b.def.Definition)
	if err != nil {
		if ctx.Err() == nil {
			x.each(func(l *live) { x.endLocked(l, Failed, err) })
		}
		return nil
	}
	if err := x.adopt(ctx, t); err != nil {
		return err
	}
	for ctx.Err() == nil {
		group := x.group(t)
		if len(group) == 0 {
			return nil
		}
		if x.b.def.Priority == PriorityLow {
			x.s.yield(ctx)
		}
		err := x.tried(ctx, t, group)
		if ctx.Err() != nil {
			return nil
		}
		x.each(func(l *live) {
			switch {
			case err != nil && slices.ContainsFunc(group, func(p piece) bool { return p.l == l }):
				x.endLocked(l, Failed, err)
			case l.run.State == Running && l.run.Finished == l.run.Slices:
				x.endLocked(l, Done, nil)
			}
		})
		if time.Since(x.saved) >= saveEvery {
			if err := x.save(context.WithoutCancel(ctx)); err != nil { // who cancels the run wants it recorded
				return err
			}
		}
	}
	return nil
}

// adopt cuts the runs into slices, as before for those that go on, and takes over what is in the table already.
func (x *execution) adopt(ctx context.Context, t *target) error {
	made, err := x.s.made(ctx, x.b.def, t, x.b.runs)
	if err != nil {
		return err
	}
	x.each(func(l *live) {
		spans, err := Slices(Span{l.run.From, l.run.To}, t.slice)
		if err != nil {
			x.endLocked(l, Failed, err)
			return
		}
		l.spans = spans
		if len(l.run.Progress) != len(spans) {
			l.run.Progress, l.run.Slices, l.run.Finished = string(slices.Repeat([]byte{markPending}, len(spans))), len(spans), 0
		}
		found := 0
		for i, span := range spans {
			if id := made.of(&l.run, span); id != 0 && l.run.Progress[i] == markPending {
				l.run.mark(i, markWritten)
				l.run.note(id)
				found++
			}
		}
		if found > 0 {
			l.run.say(x.s.opts.Now(), fmt.Sprintf("%d slices that were not recorded are in the table's history", found))
		}
		if l.run.Finished == l.run.Slices {
			x.endLocked(l, Done, nil)
		}
	})
	return nil
}

// group is the slices to compute next: the first that is pending, and those that follow it without a gap, as many as
// one statement may compute.
func (x *execution) group(t *target) []piece {
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	var out []piece
	for _, l := range x.b.runs {
		if l.run.State.Ended() {
			continue
		}
		for i, span := range l.spans {
			pending := l.run.Progress[i] == markPending
			switch {
			case len(out) == x.b.def.Together || len(out) > 0 && (!pending || !span.From.Equal(out[len(out)-1].span.To)):
				return out
			case pending:
				out = append(out, piece{l, i, span})
			}
		}
	}
	return out
}

// tried computes a group, again when that may help.
func (x *execution) tried(ctx context.Context, t *target, group []piece) error {
	for n := 1; ; n++ {
		err := x.compute(ctx, t, group)
		if err == nil || ctx.Err() != nil || n == attemptsMax || !passing(err) {
			return err
		}
		x.s.opts.Logger.Warn("backfill_slice", "name", x.b.def.Name, "slice", spanOf(group).String(), "attempt", n, "error", err)
		now := x.s.opts.Now()
		x.each(func(l *live) {
			if l == group[0].l {
				l.run.say(now, fmt.Sprintf("slice %s, attempt %d: %v", spanOf(group), n, err))
			}
		})
		x.s.pause(ctx, time.Duration(n)*x.s.opts.Pause)
		if err := x.adopt(ctx, t); err != nil { // the attempt may have committed and lost the reply
			return err
		}
		if group = x.group(t); len(group) == 0 {
			return nil
		}
	}
}

// passing reports an error that may go away by itself.
func passing(err error) bool {
	return !errkind.Is(err, errkind.Invalid) && !errkind.Is(err, errkind.NotFound) && !errkind.Is(err, errkind.Denied) && !errkind.Is(err, errkind.Corrupt)
}

// spanOf is the time of a group.
func spanOf(group []piece) Span { return Span{group[0].span.From, group[len(group)-1].span.To} }

// compute runs the statement over a group and notes what it did.
func (x *execution) compute(ctx context.Context, t *target, group []piece) error {
	span, def := spanOf(group), x.b.def
	text, err := Fill(def.SQL, span)
	if err != nil {
		return err
	}
	first, last := group[0].l, group[len(group)-1].l
	rows := first.run.Rows
	done, err := x.s.opts.Services.Overwrite(ctx, session.Overwrite{
		Database: def.Database, SQL: text, User: "backfill " + def.Name, Clock: span.To, Replaces: t.replaces(span),
		Properties: properties(def, &first.run, &last.run, span), Low: def.Priority == PriorityLow,
		Progress: func(n int64) {
			x.s.mu.Lock()
			defer x.s.mu.Unlock()
			first.run.Rows = rows + n
		}})
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return errors.Join(cause, err)
		}
		return err
	}
	mark := markEqual
	if done.Snapshot != 0 {
		mark = markWritten
	}
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	first.run.Rows = rows + done.Rows
	for _, p := range group {
		p.l.run.mark(p.index, mark)
		p.l.run.note(done.Snapshot)
		p.l.run.Inputs = p.l.run.Inputs[:0]
		for _, in := range done.Inputs {
			p.l.run.Inputs = append(p.l.run.Inputs, Input{Table: in.Table, Snapshot: int64(in.ID)})
		}
	}
	return nil
}
