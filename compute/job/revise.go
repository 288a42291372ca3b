package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/google/uuid"

	"github.com/weir-lake/weir/compute/epoch"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
)

// propRevision names the revision that a snapshot is, and propRevisionRows the folder of the rows it changed in fact.
const (
	propRevision     = "weir.revision"
	propRevisionRows = "weir.revision.rows"
	// propRevised is on a job's snapshot that follows a revision of a table it reads.
	propRevised = "weir.revised"
)

// revisionOf is the revision that a snapshot is, or follows; empty: none.
func revisionOf(s *snapshot.Snapshot) string {
	if id := s.Properties[propRevision]; id != "" {
		return id
	}
	return s.Properties[propRevised]
}

// Revision is a change of a table's rows, made from one version of it.
type Revision struct {
	ID    string            // a UUID
	Table string            // path
	Base  snapshot.Identity // the version it was made from, which the caller holds; ID 0: the empty table
	Range RevisionRange
	// KeepNewer leaves alone what changed since the base: an undo takes back what the revision did, not what came after.
	KeepNewer bool
	Inputs    []commit.Input // versions the added rows were made from
	User      string
	Removed   []arrow.RecordBatch // the table's columns
	Added     []arrow.RecordBatch
}

// revisions carries out decided revisions, one at a time: each is one epoch's change of its table.
type revisions struct {
	m    *Manager
	slot chan struct{}
}

func newRevisions(m *Manager) *revisions {
	return &revisions{m: m, slot: make(chan struct{}, 1)}
}

// RevisionTag and RevisionBaseTag name the tags that keep a revision's snapshot and the one it was made from.
func RevisionTag(id string) string     { return "weir-revision-" + id }
func RevisionBaseTag(id string) string { return RevisionTag(id) + "-base" }

func revisionWriter(id string) epoch.Writer { return epoch.Writer("revision:" + id) }

// Revise decides the revision and commits it in the next epoch. Once it is decided it happens, whether or not the
// caller waits: decided is called then, with the record. It returns the record with its outcome; an error before
// decided means that nothing happened.
func (m *Manager) Revise(ctx context.Context, r Revision, decided func(*RevisionRecord)) (*RevisionRecord, error) {
	v := m.revisions
	select {
	case v.slot <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("revise: another revision is under way: %w", ctx.Err())
	case <-m.ctx.Done():
		return nil, errStopping
	}
	rec, err := v.decide(ctx, r)
	if err != nil {
		<-v.slot
		if ferr := m.forget(context.WithoutCancel(ctx), r.ID, r.Table); ferr != nil {
			m.opts.Logger.Warn("revision_left_behind", "revision", r.ID, "error", ferr)
		}
		return nil, fmt.Errorf("revise %s: nothing was changed: %w", r.Table, err)
	}
	if decided != nil {
		decided(rec)
	}
	ended := v.carryOut(rec, true)
	select {
	case err = <-ended:
	case <-ctx.Done():
		return rec, fmt.Errorf("revise %s: revision %s is decided and goes on: %w", r.Table, rec.ID, ctx.Err())
	}
	return rec, err
}

var errStopping = errkind.New(errkind.Unavailable, "the service is stopping")

// decide makes the revision durable: its rows, the tag of its base, an epoch, and the record that says it happens.
func (v *revisions) decide(ctx context.Context, r Revision) (*RevisionRecord, error) {
	m := v.m
	rec := &RevisionRecord{Version: revisionVersion, ID: r.ID, Table: r.Table, Base: r.Base, CommitUser: uuid.NewString(), Range: r.Range,
		KeepNewer: r.KeepNewer, Inputs: r.Inputs, User: r.User, Removed: countBatches(r.Removed), Added: countBatches(r.Added)}
	store := objstore.Sub(m.opts.Store, r.Table)
	s, err := schema.NewFiles(store, "").Latest(ctx)
	if err != nil {
		return nil, fmt.Errorf("open table %s: %w", r.Table, err)
	}
	if err := writeDifference(ctx, m.opts.Store, revisionRows(rec.ID), s, r.Removed, r.Added); err != nil {
		return nil, err
	}
	if err := v.tagBase(ctx, store, rec); err != nil {
		return nil, err
	}
	writer := revisionWriter(rec.ID)
	m.pins.hold(string(writer), map[string]int64{rec.Table: int64(rec.Base.ID)})
	if rec.Epoch, err = m.openEpoch(ctx, writer, rec.Table); err != nil {
		return nil, err
	}
	clock, _ := m.log.ClockAt(rec.Epoch)
	rec.ClockMs = clock.UnixMilli()
	certain, err := v.record(rec)
	if err != nil && !certain {
		m.opts.Logger.Error("revision_in_doubt", "revision", rec.ID, "table", rec.Table, "error", err)
		return nil, fmt.Errorf("it cannot be told whether revision %s was decided; the table's writers wait until the service is started again: %w", rec.ID, err)
	}
	if err != nil {
		m.frontier.Done(writer, epoch.Interval{From: rec.Epoch, To: rec.Epoch}, false)
		m.frontier.Remove(writer)
		m.pins.hold(string(writer), nil)
		return nil, fmt.Errorf("record the decision: %w", err)
	}
	return rec, nil
}

// recordTriesMax is how often the decision is written while the store does not answer: about five minutes.
const recordTriesMax = 15

// record makes the decision durable. Once the first put is sent it may have been taken, so it goes on until the store
// says which; certain is false if it never did. It does not end with the caller.
func (v *revisions) record(rec *RevisionRecord) (certain bool, err error) {
	m, ctx := v.m, v.m.ctx
	data, err := json.Marshal(rec)
	if err != nil {
		return true, err
	}
	pause := retryFirst
	for try := 1; ; try++ {
		if err := m.log.CheckTerm(ctx); err != nil {
			return try == 1 || errors.Is(err, epoch.ErrFenced), err // a new owner settles it
		}
		err = m.opts.Store.PutIfAbsent(ctx, revisionKey(rec.ID), data)
		if err == nil {
			return true, nil
		}
		if errors.Is(err, objstore.ErrExists) {
			there, rerr := m.RevisionRecord(ctx, rec.ID)
			if rerr == nil && there.CommitUser == rec.CommitUser {
				return true, nil
			}
			return rerr == nil || errkind.Is(rerr, errkind.NotFound), errors.Join(err, rerr)
		}
		if try == recordTriesMax {
			return false, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return false, err
		}
		pause = min(2*pause, retryMax)
	}
}

// tagBase keeps the version the revision was made from.
func (v *revisions) tagBase(ctx context.Context, store objstore.Store, rec *RevisionRecord) error {
	if rec.Base.ID == 0 {
		return nil
	}
	snaps := snapshot.NewManager(store, "")
	s, err := snaps.Get(ctx, rec.Base.ID)
	if err != nil {
		return err
	}
	if s.Hash != rec.Base.Hash {
		return fmt.Errorf("%w: snapshot %d of %s is not the one that was read", ErrRolledBack, rec.Base.ID, rec.Table)
	}
	return snaps.PutTag(ctx, snapshot.Tag{Name: RevisionBaseTag(rec.ID), Snapshot: s})
}

func countBatches(list []arrow.RecordBatch) int64 {
	var n int64
	for _, b := range list {
		n += b.NumRows()
	}
	return n
}

// resume takes up the revisions that were decided and not done when the process ended. It runs before any job: their
// writers are live again, so no job gets past their epochs first.
func (v *revisions) resume(ctx context.Context) error {
	open, err := v.m.listRevisions(ctx, "", true)
	if err != nil {
		return err
	}
	for _, rec := range open {
		w := revisionWriter(rec.ID)
		v.m.frontier.Register(w, rec.Table, nil, rec.Epoch)
		v.m.frontier.Pending(w, rec.Epoch)
		v.m.pins.hold(string(w), map[string]int64{rec.Table: int64(rec.Base.ID)})
	}
	if len(open) == 0 {
		return nil
	}
	v.m.wg.Add(1)
	go func() {
		defer v.m.wg.Done()
		for _, rec := range open {
			select {
			case v.slot <- struct{}{}:
			case <-v.m.ctx.Done():
				return
			}
			v.m.opts.Logger.Info("revision_resumed", "revision", rec.ID, "table", rec.Table, "epoch", rec.Epoch)
			if err := <-v.carryOut(rec, false); err != nil && v.m.ctx.Err() == nil {
				v.m.opts.Logger.Error("revision_failed", "revision", rec.ID, "table", rec.Table, "error", err)
			}
		}
	}()
	return nil
}

// carryOut commits a decided revision, however often it takes, and gives the slot back. Fresh says that it was decided
// by this process just now, so it cannot have been committed.
func (v *revisions) carryOut(rec *RevisionRecord, fresh bool) <-chan error {
	ended := make(chan error, 1)
	v.m.wg.Add(1)
	go func() {
		defer v.m.wg.Done()
		defer func() { <-v.slot }()
		ended <- v.persist(rec, fresh)
	}()
	return ended
}

// persist tries until the outcome is certain and recorded. It gives up when the service stops; the next start goes on.
func (v *revisions) persist(rec *RevisionRecord, fresh bool) error {
	m, writer := v.m, revisionWriter(rec.ID)
	pause := retryFirst
	for {
		done, err := v.attempt(m.ctx, rec, fresh)
		if err != nil && hopeless(err) {
			// It cannot happen any more, and the table's other writers must not wait for it for ever.
			done, err = RevisionDone{Error: err.Error()}, nil
		}
		if err == nil {
			err = m.putDone(m.ctx, rec, done)
		}
		if err == nil {
			rec.Done = &done
			m.frontier.Done(writer, epoch.Interval{From: rec.Epoch, To: rec.Epoch}, done.Snapshot != 0)
			m.frontier.Remove(writer)
			m.pins.hold(string(writer), nil)
			if done.Snapshot != 0 {
				m.upkeep.committed(rec.Table)
			}
			if done.Error != "" {
				return errkind.Errorf(errkind.Conflict, "revision %s of %s: %s", rec.ID, rec.Table, done.Error)
			}
			return nil
		}
		if errors.Is(err, epoch.ErrFenced) {
			m.lost(err)
			return err
		}
		m.opts.Logger.Warn("revision_retried", "revision", rec.ID, "table", rec.Table, "error", err)
		fresh = false
		select {
		case <-time.After(pause):
		case <-m.ctx.Done():
			return err
		}
		pause = min(2*pause, retryMax)
	}
}

// hopeless reports errors after which a decided revision can never be committed. That others were faster is none.
func hopeless(err error) bool {
	for _, passing := range []error{epoch.ErrFenced, commit.ErrConflict, commit.ErrRetries} {
		if errors.Is(err, passing) {
			return false
		}
	}
	return final(err)
}

// attempt waits for the revision's turn and commits it, unless that has happened.
func (v *revisions) attempt(ctx context.Context, rec *RevisionRecord, fresh bool) (RevisionDone, error) {
	if err := v.m.frontier.Gate(ctx, revisionWriter(rec.ID), rec.Epoch); err != nil {
		return RevisionDone{}, err
	}
	if !fresh {
		if done, err := v.find(ctx, rec); err != nil || done != nil {
			if err != nil {
				return RevisionDone{}, err
			}
			return *done, nil
		}
	}
	a, err := v.newApplication(ctx, rec)
	if err != nil {
		return RevisionDone{}, err
	}
	defer a.release()
	return a.run(ctx)
}

// find looks for the revision's snapshot between the newest one and its base; nil if it was not committed. Where that
// part of the history has expired nothing can be told, and nothing is done twice.
func (v *revisions) find(ctx context.Context, rec *RevisionRecord) (*RevisionDone, error) {
	snaps := snapshot.NewManager(objstore.Sub(v.m.opts.Store, rec.Table), "")
	s, err := snaps.Latest(ctx)
	for err == nil && s.ID > rec.Base.ID {
		if s.CommitUser == rec.CommitUser {
			return v.outcome(ctx, rec, s)
		}
		if s.ID == 1 {
			return nil, nil
		}
		s, err = snaps.Get(ctx, s.ID-1)
	}
	if errors.Is(err, snapshot.ErrNone) || err == nil {
		return nil, nil
	}
	if errkind.Is(err, errkind.NotFound) {
		return nil, errkind.Errorf(errkind.NotFound, "the snapshots since its base %d have expired, so it cannot be told whether it was committed: %w", rec.Base.ID, err)
	}
	return nil, err
}

// outcome reads back what a committed revision did.
func (v *revisions) outcome(ctx context.Context, rec *RevisionRecord, s *snapshot.Snapshot) (*RevisionDone, error) {
	done := &RevisionDone{Snapshot: int64(s.ID), Hash: s.Hash, Rows: s.Properties[propRevisionRows]}
	sc, err := schema.NewFiles(objstore.Sub(v.m.opts.Store, rec.Table), "").Latest(ctx)
	if err != nil {
		return nil, err
	}
	count, err := v.m.countDifference(ctx, &RevisionRecord{ID: rec.ID, Done: done}, sc)
	if err != nil {
		return nil, err
	}
	done.Removed, done.Added, done.Changed = count.Removed, count.Added, count.Changed
	done.Skipped = max(rec.Removed+rec.Added-done.Removed-done.Added-2*done.Changed, 0)
	return done, v.m.tagRevision(ctx, rec, s)
}

// tagRevision keeps the revision's snapshot.
func (m *Manager) tagRevision(ctx context.Context, rec *RevisionRecord, s *snapshot.Snapshot) error {
	snaps := snapshot.NewManager(objstore.Sub(m.opts.Store, rec.Table), "")
	return snaps.PutTag(ctx, snapshot.Tag{Name: RevisionTag(rec.ID), Snapshot: s})
}
