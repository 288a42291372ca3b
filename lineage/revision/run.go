package revision

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/weir-lake/weir/compute/epoch"
	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/compute/ledger"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/snapshot"
)

// followMax bounds the wait for the tables downstream. A table that is later is noted; it follows all the same.
const followMax = 15 * time.Minute

// Revise starts the revision and returns its entry; Wait waits for its end. What cannot be done is refused here, but
// for what only the rows show.
func (s *Service) Revise(ctx context.Context, r Request, user string) (*Entry, error) {
	if err := s.check(ctx, r); err != nil {
		return nil, err
	}
	e := Entry{ID: uuid.NewString(), Table: r.Table, State: Comparing, Who: user, Why: r.Why, SQL: r.SQL, UndoOf: r.Undo, Created: ledger.At(s.opts.Now())}
	if err := s.describe(ctx, r, &e); err != nil {
		return nil, err
	}
	if err := s.admit(ctx); err != nil {
		return nil, err
	}
	if err := s.ledger.Put(ctx, e); err != nil {
		return nil, err
	}
	s.wg.Add(1)
	go func() {
		defer s.wg.Done()
		if err := s.run(s.ctx, r, e); err != nil {
			s.opts.Logger.Error("revision_ledger", "revision", e.ID, "error", err)
		}
	}()
	return &e, nil
}

// describe fills in what the request says of table and range.
func (s *Service) describe(ctx context.Context, r Request, e *Entry) error {
	if r.Undo != "" {
		t, rec, err := s.undone(ctx, r, "")
		if err != nil {
			return err
		}
		e.Table, e.Column = t.id.String(), rec.Range.Column
		if of, err := s.Get(ctx, r.Undo); err == nil {
			e.From, e.To = of.From, of.To
		}
		return nil
	}
	t, err := s.resolve(ctx, r)
	if err != nil {
		return err
	}
	e.Table, e.Column, e.From, e.To = t.id.String(), t.rng.Column, ledger.At(t.from), ledger.At(t.to)
	return nil
}

// admit bounds the revisions under way.
func (s *Service) admit(ctx context.Context) error {
	running, err := s.ledger.List(ctx, unfinished)
	if err != nil {
		return err
	}
	if len(running) >= runningMax {
		return errkind.Errorf(errkind.Exhausted, "revise: %d revisions are under way: wait until one is done", len(running))
	}
	return nil
}

// run takes a revision from its difference to its end and keeps the entry.
func (s *Service) run(ctx context.Context, r Request, e Entry) error {
	p, err := s.prepare(ctx, r, e.ID)
	if err != nil {
		return s.failed(ctx, e, err)
	}
	defer p.close()
	p.change.User = e.Who
	e.BaseSnapshot, e.Added, e.Removed, e.Changed = p.plan.BaseSnapshot, p.plan.Added, p.plan.Removed, p.plan.Changed
	if p.plan.Added+p.plan.Removed+p.plan.Changed == 0 {
		e.State, e.Downstream, e.Ended = Done, "[]", ledger.At(s.opts.Now())
		return s.ledger.Put(ctx, e)
	}
	rec, err := s.opts.Jobs.Revise(ctx, p.change, func(rec *job.RevisionRecord) {
		e.State, e.Epoch = Committing, rec.Epoch
		if err := s.ledger.Put(ctx, e); err != nil {
			s.opts.Logger.Warn("revision_ledger", "revision", e.ID, "error", err)
		}
	})
	if err != nil {
		return s.failed(ctx, e, err)
	}
	return s.finish(ctx, e, rec)
}

// failed ends an entry, unless the service stops with the revision decided: the next start goes on then.
func (s *Service) failed(ctx context.Context, e Entry, cause error) error {
	if ctx.Err() != nil && e.State != Comparing {
		return nil
	}
	e.State, e.Error, e.Ended = Failed, cause.Error(), ledger.At(s.opts.Now())
	if ctx.Err() != nil {
		e.Error = "the service was stopped before the revision was decided: nothing was changed"
	}
	return s.ledger.Put(context.WithoutCancel(ctx), e)
}

// finish waits for the tables downstream of a committed revision and closes the entry.
func (s *Service) finish(ctx context.Context, e Entry, rec *job.RevisionRecord) error {
	d := rec.Done
	e.Epoch, e.Snapshot, e.Added, e.Removed, e.Changed, e.Skipped = rec.Epoch, d.Snapshot, d.Added, d.Removed, d.Changed, d.Skipped
	e.State, e.BaseSnapshot = Following, int64(rec.Base.ID)
	if err := s.ledger.Put(ctx, e); err != nil {
		return err
	}
	followers := []Followed{}
	if d.Snapshot != 0 {
		var err error
		if followers, err = s.followers(ctx, e); err != nil {
			return err
		}
	}
	text, err := json.Marshal(followers)
	if err != nil {
		return err
	}
	e.State, e.Downstream, e.Ended = Done, string(text), ledger.At(s.opts.Now())
	return s.ledger.Put(ctx, e)
}

// followers waits until each job downstream has completed the revision's epoch, and finds its snapshot of it.
func (s *Service) followers(ctx context.Context, e Entry) ([]Followed, error) {
	out := []Followed{}
	patient, cancel := context.WithTimeout(ctx, followMax)
	defer cancel()
	for _, j := range s.jobs(ctx).downstream(e.Table) {
		f := Followed{Table: j.status.Sink}
		f.Note = s.await(patient, j, e.Epoch)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if f.Note == "" && j.sink.Table.Connector() == "" {
			var err error
			if f.Snapshot, err = s.snapshotOf(ctx, j, e.Epoch); err != nil {
				f.Note = err.Error()
			}
		}
		out = append(out, f)
	}
	return out, nil
}

// await waits until the job has completed the epoch; it returns why it has not.
func (s *Service) await(ctx context.Context, j jobPlan, upTo int64) string {
	f := s.opts.Jobs.Frontier()
	for {
		changed := f.Changed()
		st, err := s.opts.Jobs.Show(j.status.ID)
		switch {
		case err != nil:
			return "the job is gone"
		case st.State == job.Stopped || st.State == job.Finished:
			return "the job is " + string(st.State)
		case st.State == job.Failed:
			return "the job has failed: " + st.Error
		case f.Completed(epoch.Writer(j.status.ID)) >= upTo:
			return ""
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return "not yet when the wait ended"
		case <-time.After(time.Second): // its state may have changed without an epoch
		}
	}
}

// snapshotOf is the job's snapshot that holds the epoch; 0 when it made none.
func (s *Service) snapshotOf(ctx context.Context, j jobPlan, epoch int64) (int64, error) {
	snaps := snapshot.NewManager(objstore.Sub(s.opts.Store, j.sink.Table.Path), "")
	at, err := snaps.Latest(ctx)
	for err == nil {
		p, perr := commit.ProvenanceOf(at)
		if perr != nil {
			return 0, perr
		}
		if at.CommitUser == j.status.CommitUser && at.CommitKind != snapshot.Compact {
			if p.EpochFrom <= epoch && epoch <= p.Epoch {
				return int64(at.ID), nil
			}
			if p.Epoch < epoch {
				return 0, nil
			}
		}
		if at.ID == 1 {
			return 0, nil
		}
		at, err = snaps.Get(ctx, at.ID-1)
	}
	if errors.Is(err, snapshot.ErrNone) {
		return 0, nil
	}
	if errkind.Is(err, errkind.NotFound) {
		return 0, fmt.Errorf("its snapshots of the epoch have expired")
	}
	return 0, err
}

// Wait waits until the revision is at its end and returns its entry then. Progress, if not nil, is told each new state.
func (s *Service) Wait(ctx context.Context, id string, progress func(*Entry)) (*Entry, error) {
	last := State("")
	for {
		e, err := s.Get(ctx, id)
		if err != nil {
			return nil, err
		}
		if progress != nil && e.State != last {
			progress(e)
		}
		last = e.State
		if last.Final() {
			return e, nil
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-s.ctx.Done():
			return e, errkind.New(errkind.Unavailable, "the service is stopping; a decided revision goes on with the next start")
		case <-ctx.Done():
			return e, ctx.Err()
		}
	}
}

// Start makes the ledger readable and closes the entries that an earlier process left open: what was decided goes on in
// compute/job and is followed here; what was not never happened. Call it after the jobs are started.
func (s *Service) Start(ctx context.Context) error {
	if err := s.ledger.Create(ctx); err != nil {
		return err
	}
	all, err := s.ledger.List(ctx, unfinished)
	if err != nil {
		return err
	}
	for _, e := range all {
		rec, err := s.opts.Jobs.RevisionRecord(ctx, e.ID)
		if errkind.Is(err, errkind.NotFound) {
			e.State, e.Error, e.Ended = Failed, "the service ended before the revision was decided: nothing was changed", ledger.At(s.opts.Now())
			if err := errors.Join(s.ledger.Put(ctx, e), s.opts.Jobs.ForgetRevision(ctx, e.ID, e.Table)); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		s.wg.Add(1)
		go func() {
			defer s.wg.Done()
			if err := s.takeUp(s.ctx, e, rec); err != nil && s.ctx.Err() == nil {
				s.opts.Logger.Error("revision_ledger", "revision", e.ID, "error", err)
			}
		}()
	}
	return nil
}

// takeUp follows a decided revision of an earlier process to its end.
func (s *Service) takeUp(ctx context.Context, e Entry, rec *job.RevisionRecord) error {
	f := s.opts.Jobs.Frontier()
	for rec.Done == nil {
		changed := f.Changed()
		var err error
		if rec, err = s.opts.Jobs.RevisionRecord(ctx, e.ID); err != nil {
			return err
		}
		if rec.Done != nil {
			break
		}
		select {
		case <-changed:
		case <-time.After(time.Second): // its outcome is an object, not an epoch
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if rec.Done.Error != "" {
		return s.failed(ctx, e, errkind.New(errkind.Conflict, rec.Done.Error))
	}
	return s.finish(ctx, e, rec)
}
