package schedule

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/compute/ledger"
	"github.com/weir-lake/weir/compute/session"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
)

// Options of New. All but Load, Now, LookEvery, Pause and Logger are needed.
type Options struct {
	Store    objstore.Store // the warehouse's root
	Services *session.Services
	Jobs     *job.Manager
	Cuts     Cuts
	// Load is how many queries run and wait now; nil: none.
	Load func() (running, waiting int)
	// Now is the wall's clock.
	Now func() time.Time
	// LookEvery is the pause between looks at the clocks. Zero means 1 s.
	LookEvery time.Duration
	// Pause is how long a run waits before it is tried again, at first. Zero means 2 s.
	Pause  time.Duration
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.Load == nil {
		o.Load = func() (int, int) { return 0, 0 }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.LookEvery == 0 {
		o.LookEvery = time.Second
	}
	if o.Pause == 0 {
		o.Pause = 2 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

const (
	// backfillsMax bounds the backfills of a warehouse: each one's clock is looked at every second.
	backfillsMax = 1000
	// queueMax bounds the runs by hand that wait: they are run one after the other.
	queueMax = 100
)

// Scheduler runs the backfills of one warehouse. It is safe for concurrent use.
type Scheduler struct {
	opts   Options
	book   *book
	claims claims
	nudge  chan struct{}
	cancel context.CancelFunc
	wg     sync.WaitGroup

	changing sync.Mutex // one change of the definitions at a time; held across I/O
	mu       struct {
		sync.Mutex
		backfills map[string]*entry // by name
		live      map[string]*live  // runs queued and under way, by id
		queue     []string          // ids of runs that wait for the worker
		turn      int               // whose clock is looked at first
		started   bool
	}
}

// entry is a backfill in memory. def is guarded by Scheduler.mu, the rest belongs to the worker.
type entry struct {
	def    Backfill
	policy Policy
	inputs []string // paths of the tables read; nil: not bound yet
}

// live is a run that has not ended; guarded by Scheduler.mu.
type live struct {
	run      Run
	spans    []Span                  // its slices, once it is under way
	cancel   context.CancelCauseFunc // nil: it waits
	canceled bool                    // somebody has asked for its end
}

// New makes a scheduler. It does no I/O.
func New(o Options) *Scheduler {
	o = o.withDefaults()
	s := &Scheduler{opts: o, claims: claims{o.Store}, nudge: make(chan struct{}, 1), cancel: func() {},
		book: newBook(o.Store, ledger.Options{Now: o.Now, Fence: o.Jobs.Log().CheckTerm})}
	s.mu.backfills, s.mu.live = map[string]*entry{}, map[string]*live{}
	return s
}

// Start reads the ledgers and begins to work. Runs that were under way go on.
func (s *Scheduler) Start(ctx context.Context) error {
	defs, err := s.book.loadBackfills(ctx)
	if err != nil {
		return err
	}
	runs, err := s.book.unfinished(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	for _, d := range defs {
		e := &entry{def: d}
		if e.policy, err = d.policy(); err != nil {
			e.def.Error = err.Error()
		}
		s.mu.backfills[d.Name] = e
	}
	for _, r := range runs {
		if e := s.mu.backfills[r.Backfill]; e == nil || e.def.ID != r.backfillID {
			continue // it was dropped
		}
		s.mu.live[r.ID] = &live{run: r}
		s.mu.queue = append(s.mu.queue, r.ID)
	}
	s.mu.started = true
	s.mu.Unlock()
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel = cancel
	s.wg.Add(2)
	go func() {
		defer s.wg.Done()
		select {
		case <-s.opts.Jobs.Lost():
			cancel()
		case <-work.Done():
		}
	}()
	go func() {
		defer s.wg.Done()
		s.work(work)
	}()
	return nil
}

// Started reports whether this process runs backfills.
func (s *Scheduler) Started() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.started
}

// Stop ends the work after what is being committed; a run under way goes on at the next start. It may be called twice.
func (s *Scheduler) Stop() {
	s.cancel()
	s.wg.Wait()
}

func (s *Scheduler) wake() {
	select {
	case s.nudge <- struct{}{}:
	default:
	}
}

// Create records a backfill and begins to follow its clock.
func (s *Scheduler) Create(ctx context.Context, d Definition) (Backfill, error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	d = d.withDefaults()
	p, err := d.policy()
	if err != nil {
		return Backfill{}, err
	}
	t, err := s.target(ctx, d)
	if err != nil {
		return Backfill{}, err
	}
	s.mu.Lock()
	_, exists := s.mu.backfills[d.Name]
	n, started := len(s.mu.backfills), s.mu.started
	s.mu.Unlock()
	switch {
	case !started:
		return Backfill{}, errkind.New(errkind.Unavailable, "this process runs no backfills: ask a service, as `weir serve` starts it")
	case exists:
		return Backfill{}, fmt.Errorf("%w: %s", ErrExists, d.Name)
	case n >= backfillsMax:
		return Backfill{}, errkind.Errorf(errkind.Exhausted, "there are %d backfills, the most there can be: drop some", n)
	}
	if err := s.checkClock(ctx, d); err != nil {
		return Backfill{}, err
	}
	e := &entry{policy: p, inputs: t.inputs, def: Backfill{Definition: d, ID: uuid.NewString(), Table: t.table, State: Active, Created: s.opts.Now().UTC(), Until: d.Start}}
	if now, ok, err := s.clockOf(ctx, e); err != nil {
		return Backfill{}, fmt.Errorf("clock %s: %w", d.Clock, err)
	} else if e.def.Until == nil && ok {
		e.def.Until = &now
	}
	if err := s.book.saveBackfill(ctx, e.def); err != nil {
		return Backfill{}, err
	}
	s.mu.Lock()
	s.mu.backfills[d.Name] = e
	s.mu.Unlock()
	s.wake()
	return s.Show(d.Name)
}

// List is all backfills by name.
func (s *Scheduler) List() []Backfill {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Backfill, 0, len(s.mu.backfills))
	for _, e := range s.mu.backfills {
		out = append(out, s.viewLocked(e))
	}
	slices.SortFunc(out, func(a, b Backfill) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// Show is one backfill.
func (s *Scheduler) Show(name string) (Backfill, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.mu.backfills[name]
	if e == nil {
		return Backfill{}, fmt.Errorf("%w: %s", ErrNotFound, name)
	}
	return s.viewLocked(e), nil
}

func (s *Scheduler) viewLocked(e *entry) Backfill {
	b := e.def
	if e.policy.Line != nil && b.Until != nil && b.State == Active {
		if next := e.policy.Line.Next(*b.Until); !next.IsZero() {
			b.Next = &next
		}
	}
	for id, l := range s.mu.live {
		if l.run.Backfill == b.Name && l.cancel != nil {
			b.Running = id
		}
	}
	return b
}

// Pause stops deciding ticks; those that come meanwhile are missed. A run under way goes on.
func (s *Scheduler) Pause(ctx context.Context, name string) (Backfill, error) {
	return s.setState(ctx, name, Paused)
}

// Resume decides ticks again; of those missed, catch-up says which are made up.
func (s *Scheduler) Resume(ctx context.Context, name string) (Backfill, error) {
	return s.setState(ctx, name, Active)
}

// Drop ends a backfill and what it runs. Its table and the record of its runs stay.
func (s *Scheduler) Drop(ctx context.Context, name string) error {
	if _, err := s.setState(ctx, name, Dropped); err != nil {
		return err
	}
	s.mu.Lock()
	var ids []string
	for id, l := range s.mu.live {
		if l.run.Backfill == name {
			ids = append(ids, id)
		}
	}
	s.mu.Unlock()
	for _, id := range ids {
		if _, err := s.Cancel(ctx, name, id); err != nil && !errors.Is(err, ErrNoRun) {
			return err
		}
	}
	s.mu.Lock()
	delete(s.mu.backfills, name)
	s.mu.Unlock()
	return nil
}

func (s *Scheduler) setState(ctx context.Context, name string, to State) (Backfill, error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	b, err := s.Show(name)
	if err != nil {
		return Backfill{}, err
	}
	b.State = to
	if err := s.book.saveBackfill(ctx, b); err != nil {
		return Backfill{}, err
	}
	s.mu.Lock()
	if e := s.mu.backfills[name]; e != nil {
		e.def.State = to
	}
	s.mu.Unlock()
	s.wake()
	return s.Show(name)
}

// Run asks for a range to be computed by hand, whatever was computed before. It returns when the run is recorded; the
// worker takes it in its turn.
func (s *Scheduler) Run(ctx context.Context, name string, span Span, user string) (Run, error) {
	b, err := s.Show(name)
	if err != nil {
		return Run{}, err
	}
	t, err := s.target(ctx, b.Definition)
	if err != nil {
		return Run{}, err
	}
	span = Span{span.From.UTC(), span.To.UTC()}
	if !span.From.Equal(span.From.Truncate(time.Second)) || !span.To.Equal(span.To.Truncate(time.Second)) {
		return Run{}, errkind.Errorf(errkind.Invalid, "the range %s has fractions of seconds: want whole seconds", span)
	}
	if _, err := Slices(span, t.slice); err != nil {
		return Run{}, err
	}
	r := Run{ID: "hand-" + uuid.NewString()[:8], Kind: KindHand, State: Queued, From: span.From, To: span.To, User: user}
	if err := s.fresh(ctx, &r, b, t); err != nil {
		return Run{}, err
	}
	s.mu.Lock()
	full := len(s.mu.queue) >= queueMax
	s.mu.Unlock()
	if full {
		return Run{}, errkind.Errorf(errkind.Exhausted, "%d runs of backfills wait already: try again later", queueMax)
	}
	if err := s.book.saveRuns(ctx, r); err != nil {
		return Run{}, err
	}
	s.mu.Lock()
	s.mu.live[r.ID] = &live{run: r}
	s.mu.queue = append(s.mu.queue, r.ID)
	s.mu.Unlock()
	s.wake()
	return r.clone(), nil
}

// fresh fills in what a new run knows of its backfill.
func (s *Scheduler) fresh(ctx context.Context, r *Run, b Backfill, t *target) error {
	r.Backfill, r.backfillID, r.Created = b.Name, b.ID, s.opts.Now().UTC()
	snap, err := s.latest(ctx, t.path)
	if err != nil {
		return err
	}
	if snap != nil {
		r.base = int64(snap.ID)
	}
	*r = r.clone()
	return nil
}

// errCanceled ends a run that somebody cancels.
var errCanceled = errkind.New(errkind.Canceled, "backfill: the run was canceled")

// Cancel ends a run: one that waits at once, one under way after what it is committing.
func (s *Scheduler) Cancel(ctx context.Context, name, id string) (Run, error) {
	s.mu.Lock()
	l := s.mu.live[id]
	if l == nil || l.run.Backfill != name {
		s.mu.Unlock()
		return Run{}, fmt.Errorf("%w under way or waiting: %s of %s", ErrNoRun, id, name)
	}
	if l.cancel != nil {
		l.canceled = true
		l.cancel(errCanceled)
		defer s.mu.Unlock()
		return l.run.clone(), nil
	}
	s.mu.queue = slices.DeleteFunc(s.mu.queue, func(q string) bool { return q == id })
	now := s.opts.Now().UTC()
	l.run.State, l.run.Ended = Canceled, &now
	l.run.say(now, "canceled before it began")
	delete(s.mu.live, id)
	r := l.run.clone()
	s.mu.Unlock()
	return r, s.book.saveRuns(ctx, r)
}

// historyMax bounds the runs that History gives.
const historyMax = 1000

// History is the newest runs of a backfill, the newest first; limit 0 means 100.
func (s *Scheduler) History(ctx context.Context, name string, limit int) ([]Run, error) {
	b, err := s.Show(name)
	if err != nil {
		return nil, err
	}
	if limit <= 0 {
		limit = 100
	}
	runs, err := s.book.history(ctx, b.ID, s.opts.Now(), limit)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	recorded := map[string]bool{}
	for i, r := range runs {
		recorded[r.ID] = true
		if l := s.mu.live[r.ID]; l != nil {
			runs[i] = l.run.clone()
		}
	}
	for id, l := range s.mu.live {
		if l.run.backfillID == b.ID && !recorded[id] {
			runs = append(runs, l.run.clone())
		}
	}
	slices.SortStableFunc(runs, func(a, b Run) int { return cmp.Or(b.Created.Compare(a.Created), b.From.Compare(a.From)) })
	return runs[:min(len(runs), limit, historyMax)], nil
}

// RunOf is one run of a backfill.
func (s *Scheduler) RunOf(ctx context.Context, name, id string) (Run, error) {
	s.mu.Lock()
	l := s.mu.live[id]
	if l != nil && l.run.Backfill == name {
		defer s.mu.Unlock()
		return l.run.clone(), nil
	}
	s.mu.Unlock()
	r, ok, err := s.book.run(ctx, id)
	if err == nil && (!ok || r.Backfill != name) {
		err = fmt.Errorf("%w: %s of %s", ErrNoRun, id, name)
	}
	return r, err
}
