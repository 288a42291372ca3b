package job

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/cut"
	"github.com/weir-lake/weir/compute/epoch"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/catalog"
	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/snapshot"
)

// Planner turns a job's statement into a plan; compute/session implements it.
type Planner interface {
	PlanJob(ctx context.Context, database, sql string, options map[string]string) (*plan.Sink, error)
}

// cutPatience is long enough for jobs that commit every few minutes, and short in an hour.
const cutPatience = 5 * time.Minute

// Options of a Manager. Store, Catalog, Planner and Connectors are needed, the rest has defaults.
type Options struct {
	Store      objstore.Store // the warehouse's root
	Catalog    *catalog.Catalog
	Planner    Planner
	Connectors connector.Registry
	// Query lets replay sources evaluate their query.
	Query connector.QueryRunner
	// Secret resolves ${env:X} and ${file:X} in connector options; nil leaves them.
	Secret func(value string) (string, error)
	// Interval is the length of an epoch; default 1 s, least 10 ms.
	Interval time.Duration
	// StateMemory bounds the bytes of state of all jobs together; default 4 GiB.
	StateMemory int64
	// PinAgeMax is how long a job that does not go on keeps old versions of its inputs from expiring; default 7 days.
	PinAgeMax time.Duration
	// CheckpointEvery is the pause between state checkpoints of a job; default 30 s.
	CheckpointEvery time.Duration
	// CutPatience is how long an hourly cut waits for tables that have not completed the hour. Then it is made without
	// those of failed jobs, which must not keep all others from being tagged. Default 5 min.
	CutPatience time.Duration
	Owner       string
	Now         func() time.Time
	Logger      *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.Interval == 0 {
		o.Interval = time.Second
	}
	if o.CheckpointEvery == 0 {
		o.CheckpointEvery = checkpointEvery
	}
	if o.StateMemory == 0 {
		o.StateMemory = stateMemoryDefault
	}
	if o.PinAgeMax == 0 {
		o.PinAgeMax = pinAgeDefault
	}
	if o.CutPatience == 0 {
		o.CutPatience = cutPatience
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func (o Options) validate() error {
	if o.Interval < 10*time.Millisecond {
		return errkind.Errorf(errkind.Invalid, "epoch interval %s: the least is 10ms", o.Interval)
	}
	if o.StateMemory < 0 || o.PinAgeMax < 0 {
		return errkind.Errorf(errkind.Invalid, "state memory of %d bytes, pin age of %s: they cannot be negative", o.StateMemory, o.PinAgeMax)
	}
	return nil
}

// Manager owns the jobs of one warehouse. Make one per warehouse; a second one takes over and fences
// the first.
type Manager struct {
	opts      Options
	log       *epoch.Log
	frontier  *epoch.Frontier
	pins      *pins
	memory    *budget
	pushes    *pushes
	revisions *revisions
	replays   *replays
	upkeep    *maintenance
	cuts      *cut.Cuts
	cutting   sync.Mutex           // one cut with a name is made or removed at a time
	cutMade   chan struct{}        // wakes the loop that ends them
	cutEnds   map[string]time.Time // when a table leaves each of them next, zero is never; guarded by cutting

	ctx    context.Context // of everything the manager started; ends at once
	cancel context.CancelFunc
	wg     sync.WaitGroup
	nudge  chan struct{}
	down   chan struct{} // closed when fenced

	deciding  sync.Mutex // one epoch is decided at a time
	foreignAt time.Time  // guarded by deciding
	termAt    time.Time  // guarded by deciding

	mu struct {
		sync.Mutex
		runners map[string]*runner
		plans   map[string]*plan.Sink // of jobs over a script's temporary tables
		ended   map[string]Status     // of stopped and finished jobs
		history map[string]*history   // of all jobs that ran in this process
		cause   error                 // why down was closed
		stopped bool
	}
}

// Open takes the warehouse over: it takes a new term, finds the jobs in the log and where each stands. No
// job runs before Start.
func Open(ctx context.Context, opts Options) (*Manager, error) {
	opts = opts.withDefaults()
	if err := opts.validate(); err != nil {
		return nil, err
	}
	log, err := epoch.Open(ctx, opts.Store, epoch.Options{Now: opts.Now, Owner: opts.Owner})
	if err != nil {
		return nil, err
	}
	m := &Manager{opts: opts, log: log, nudge: make(chan struct{}, 1), down: make(chan struct{})}
	newest, err := newestEpoch(ctx, m)
	if err != nil {
		return nil, fmt.Errorf("find the newest epoch: %w", err)
	}
	m.frontier = epoch.NewFrontier(newest)
	m.ctx, m.cancel = context.WithCancel(context.WithoutCancel(ctx))
	m.pins, m.memory = newPins(opts.Store, opts.Logger), newBudget(opts.StateMemory)
	m.pushes = newPushes(m)
	m.revisions, m.replays = newRevisions(m), newReplays(m)
	m.upkeep = newMaintenance(m)
	m.cuts, m.cutMade = cut.New(opts.Store).KnowTags(m.upkeep.tagsOf), make(chan struct{}, 1)
	m.mu.runners, m.mu.ended, m.mu.plans = map[string]*runner{}, map[string]Status{}, map[string]*plan.Sink{}
	m.mu.history = map[string]*history{}
	return m, nil
}

func (m *Manager) now() time.Time { return m.opts.Now() }

// Frontier is which epochs the tables' writers have completed.
func (m *Manager) Frontier() *epoch.Frontier { return m.frontier }

// Log is the warehouse's epoch log as this manager holds it.
func (m *Manager) Log() *epoch.Log { return m.log }

// Lost is closed when another process took the warehouse over; Cause then says so.
func (m *Manager) Lost() <-chan struct{} { return m.down }

// Cause is why Lost was closed.
func (m *Manager) Cause() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mu.cause
}

// Start starts the jobs that should run, and the clock.
func (m *Manager) Start(ctx context.Context) error {
	if err := m.revisions.resume(ctx); err != nil {
		return fmt.Errorf("take up unfinished revisions: %w", err)
	}
	jobs := sortedJobs(m.log.State().Jobs)
	m.restorePins(ctx, jobs)
	for _, rec := range jobs {
		if rec.Desired != epoch.Running {
			m.setEnded(rec)
			continue
		}
		if err := m.launch(ctx, rec); err != nil {
			return fmt.Errorf("start job %s: %w", rec.Name, err)
		}
	}
	for _, run := range []func(context.Context){m.tick, m.upkeep.run, m.cutLoop, m.replays.resume} {
		m.wg.Add(1)
		go func() {
			defer m.wg.Done()
			run(m.ctx)
		}()
	}
	return nil
}

func sortedJobs(jobs map[string]epoch.JobRecord) []epoch.JobRecord {
	var out []epoch.JobRecord
	for _, j := range jobs {
		out = append(out, j)
	}
	slices.SortFunc(out, func(a, b epoch.JobRecord) int {
		if a.CreatedMs != b.CreatedMs {
			return int(a.CreatedMs - b.CreatedMs)
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out
}

// Stop ends all jobs: each commits a last epoch and checkpoints, unless ctx ends first. It may be called
// twice.
func (m *Manager) Stop(ctx context.Context) {
	m.mu.Lock()
	m.mu.stopped = true
	m.mu.Unlock()
	m.stopAll(ctx)
	m.cancel()
	m.wg.Wait()
}

// stopAll winds the jobs down, upstream before downstream, so that all end at one epoch.
func (m *Manager) stopAll(ctx context.Context) {
	rs := m.runners()
	for _, r := range rs {
		r.setReady(false) // no more input
	}
	m.pushes.drain(ctx)
	for _, r := range rs {
		if err := m.settle(ctx, r); err != nil {
			break
		}
	}
	for _, r := range rs {
		r.stop()
	}
	for _, r := range rs {
		select {
		case <-r.ended:
		case <-ctx.Done():
			r.kill()
			<-r.ended
		}
	}
}

// settle waits until the job has nothing ready, or does not run.
func (m *Manager) settle(ctx context.Context, r *runner) error {
	for {
		ch := m.frontier.Changed()
		if s := r.status().State; s != Running && s != Restoring && s != Starting {
			return nil
		}
		if m.frontier.PendingCount(r.writer) == 0 {
			return nil
		}
		if r.every > 1 {
			r.stop() // it commits short of its boundary only when told to end
		}
		select {
		case <-ch:
		case <-r.ended:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond): // its state may have changed without an epoch
		}
	}
}

// lost stops everything without writing: another owner has the warehouse.
func (m *Manager) lost(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mu.cause != nil {
		return
	}
	m.mu.cause = err
	m.opts.Logger.Error("warehouse_taken_over", "error", err)
	close(m.down)
	m.cancel()
}

func (m *Manager) runners() []*runner {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([]*runner, 0, len(m.mu.runners))
	for _, r := range m.mu.runners {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b *runner) int {
		if a.rec.CreatedMs != b.rec.CreatedMs {
			return int(a.rec.CreatedMs - b.rec.CreatedMs)
		}
		return strings.Compare(a.rec.ID, b.rec.ID)
	})
	return out
}

// Definition is what a caller asks for.
type Definition struct {
	Name     string // unique among jobs; empty: made from the sink's name
	Database string // current database of the statement
	SQL      string // INSERT INTO .. or the query of a materialized table as INSERT
	Options  map[string]string
	User     string
	// Sink is the plan of a statement over a script's temporary tables, which cannot be bound again.
	Sink *plan.Sink
}

// Create records the job and starts it. It returns after the job is durable.
func (m *Manager) Create(ctx context.Context, d Definition) (Status, error) {
	sink := d.Sink
	if sink == nil {
		var err error
		if sink, err = m.opts.Planner.PlanJob(ctx, d.Database, d.SQL, d.Options); err != nil {
			return Status{}, err
		}
	}
	if _, err := compile(sink, d.Options, appendOnlySource); err != nil {
		return Status{}, err
	}
	if d.Name == "" {
		d.Name = "insert-into_" + sink.Table.Database + "." + sink.Table.Name
	}
	m.deciding.Lock() // so that FromEpoch is an epoch not decided yet
	defer m.deciding.Unlock()
	if s, err := m.find(d.Name); err == nil && s.Desired != epoch.Stopped {
		return Status{}, fmt.Errorf("%w: %s (%s); stop or drop it first, or choose another pipeline.name", ErrExists, d.Name, s.State)
	}
	rec := epoch.JobRecord{
		ID: uuid.NewString(), Name: d.Name, Database: d.Database, SQL: d.SQL, Options: d.Options,
		CommitUser: uuid.NewString(), Sink: sink.Table.Database + "." + sink.Table.Name, Desired: epoch.Running,
		CreatedMs: m.now().UnixMilli(), FromEpoch: m.frontier.Clock() + 1, User: d.User,
	}
	m.keepPlan(rec.ID, d.Sink)
	if err := m.log.RecordJob(ctx, rec); err != nil {
		return Status{}, err
	}
	if err := m.launch(ctx, rec); err != nil {
		return Status{}, err
	}
	m.Nudge()
	return m.Show(rec.ID)
}

// truncateLog lets go of the log's records that no running job would replay.
func (m *Manager) truncateLog(ctx context.Context) {
	keep := m.frontier.Clock()
	for _, r := range m.runners() {
		if r.recovered.Load() && !r.dirty.Load() && m.frontier.PendingCount(r.writer) == 0 {
			continue // its newest checkpoint has everything there is
		}
		at := r.status().CheckpointAt
		if at == 0 {
			return
		}
		keep = min(keep, at)
	}
	if err := m.log.Truncate(ctx, keep); err != nil && ctx.Err() == nil {
		m.opts.Logger.Warn("truncate_log", "error", err)
	}
}

// Nudge asks for the next epoch now instead of at the end of the interval.
func (m *Manager) Nudge() {
	select {
	case m.nudge <- struct{}{}:
	default:
	}
}

// launch registers the job as a live writer, with what it has to do, and starts its goroutine.
func (m *Manager) launch(ctx context.Context, rec epoch.JobRecord) error {
	r := newRunner(m, rec)
	inputs, sinkPath := r.registration(ctx)
	m.frontier.Register(r.writer, sinkPath, inputs, rec.FromEpoch)
	// Until the job has looked for itself it counts as not having completed anything new.
	m.frontier.Pending(r.writer, max(rec.FromEpoch, m.heldEpoch(ctx, rec, sinkPath)+1))
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mu.stopped {
		return errkind.New(errkind.Unavailable, "the service is stopping")
	}
	m.mu.runners[rec.ID] = r
	delete(m.mu.ended, rec.ID)
	hard, kill := context.WithCancel(m.ctx)
	orderly, stop := context.WithCancel(hard)
	r.stop, r.kill = stop, kill
	m.wg.Add(1)
	go func() {
		defer m.wg.Done()
		defer kill()
		r.run(hard, orderly)
	}()
	return nil
}

// heldEpoch is the last epoch the job's table says it holds; 0 when that cannot be told, which holds cuts back
// until the job has looked for itself.
func (m *Manager) heldEpoch(ctx context.Context, rec epoch.JobRecord, sinkPath string) int64 {
	s, err := lastOwn(ctx, snapshot.NewManager(objstore.Sub(m.opts.Store, sinkPath), ""), rec)
	if err != nil || s == nil {
		return 0
	}
	p, err := commit.ProvenanceOf(s)
	if err != nil {
		return 0
	}
	return p.Epoch
}

// List shows all jobs, oldest first.
func (m *Manager) List() []Status {
	var out []Status
	for _, rec := range sortedJobs(m.log.State().Jobs) {
		if s, err := m.Show(rec.ID); err == nil {
			out = append(out, s)
		}
	}
	return out
}

// Show is a job by id, or by name.
func (m *Manager) Show(idOrName string) (Status, error) {
	if s, ok := m.byID(idOrName); ok {
		return s, nil
	}
	return m.find(idOrName)
}

// find is the newest job of that name.
func (m *Manager) find(name string) (Status, error) {
	var found string
	for _, rec := range sortedJobs(m.log.State().Jobs) {
		if rec.Name == name || rec.ID == name {
			found = rec.ID
		}
	}
	if s, ok := m.byID(found); ok {
		return s, nil
	}
	return Status{}, fmt.Errorf("%w: %s", ErrNotFound, name)
}

func (m *Manager) byID(id string) (Status, bool) {
	m.mu.Lock()
	r, s := m.mu.runners[id], m.mu.ended[id]
	m.mu.Unlock()
	if r != nil {
		s = r.status()
	}
	if a := m.pins.age(id); a != nil {
		s.KeptSince = &a.since
	}
	return s, s.ID != ""
}

// PinsReleased counts the jobs whose inputs are not kept any more because they did not go on.
func (m *Manager) PinsReleased() int64 { return m.pins.released.Load() }

// Logs are the newest lines of a job's log in this process.
func (m *Manager) Logs(idOrName string) ([]LogLine, error) {
	s, err := m.Show(idOrName)
	if err != nil {
		return nil, err
	}
	return m.historyOf(s.ID).logs.lines(), nil
}

// historyOf is what is remembered of the job.
func (m *Manager) historyOf(id string) *history {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.mu.history[id]
	if h == nil {
		h = newHistory(m.now)
		m.mu.history[id] = h
	}
	return h
}

// StopJob ends the job in an orderly way and records that it should not run: its table is frozen.
func (m *Manager) StopJob(ctx context.Context, idOrName string) (Status, error) {
	return m.halt(ctx, idOrName, epoch.Stopped, "stopped")
}

// Drop stops the job and forgets it and its state; its table stays.
func (m *Manager) Drop(ctx context.Context, idOrName string) error {
	s, err := m.halt(ctx, idOrName, epoch.Dropped, "dropped")
	if err != nil {
		return err
	}
	m.pins.set(ctx, s.ID, nil)
	if err := m.dropFolder(ctx, replayRoot+"/"+s.ID+"/"); err != nil {
		return err
	}
	return states{m.opts.Store, s.ID}.drop(ctx)
}

func (m *Manager) halt(ctx context.Context, idOrName string, desired epoch.Desired, reason string) (Status, error) {
	s, err := m.Show(idOrName)
	if err != nil {
		return Status{}, err
	}
	m.mu.Lock()
	r := m.mu.runners[s.ID]
	m.mu.Unlock()
	if r != nil {
		r.stop()
		select {
		case <-r.ended:
		case <-ctx.Done():
			return Status{}, ctx.Err()
		}
	}
	rec := s.JobRecord
	rec.Desired, rec.Reason = desired, reason
	if err := m.log.RecordJob(ctx, rec); err != nil {
		return Status{}, err
	}
	m.frontier.Remove(epoch.Writer(rec.ID))
	m.mu.Lock()
	delete(m.mu.runners, rec.ID)
	m.mu.Unlock()
	m.setEnded(rec)
	s.JobRecord, s.State = rec, Stopped
	return s, nil
}

// Restart starts a stopped, failed or finished job again where it was; a running one is stopped first.
func (m *Manager) Restart(ctx context.Context, idOrName string) (Status, error) {
	s, err := m.Show(idOrName)
	if err != nil {
		return Status{}, err
	}
	if s.Desired == epoch.Running {
		if s, err = m.halt(ctx, s.ID, epoch.Stopped, "restarting"); err != nil {
			return Status{}, err
		}
	}
	rec := s.JobRecord
	rec.Desired, rec.Reason = epoch.Running, ""
	m.deciding.Lock()
	defer m.deciding.Unlock()
	if err := m.log.RecordJob(ctx, rec); err != nil {
		return Status{}, err
	}
	if err := m.launch(ctx, rec); err != nil {
		return Status{}, err
	}
	return m.Show(rec.ID)
}

// finished records that a job whose sources have all ended needs not run again.
func (m *Manager) finished(id string) {
	m.mu.Lock()
	r := m.mu.runners[id]
	m.mu.Unlock()
	if r == nil {
		return
	}
	rec := r.rec
	rec.Desired, rec.Reason = epoch.Stopped, "finished"
	if err := m.log.RecordJob(m.ctx, rec); err != nil {
		if !errors.Is(err, context.Canceled) {
			m.opts.Logger.Warn("record_finished", "job", rec.Name, "error", err)
		}
		return
	}
	m.frontier.Remove(r.writer)
	m.mu.Lock()
	delete(m.mu.runners, id)
	st := r.status()
	st.JobRecord, st.RowsPerSec = rec, 0
	m.mu.ended[id] = st
	m.mu.Unlock()
}

func (m *Manager) setEnded(rec epoch.JobRecord) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if rec.Desired == epoch.Dropped {
		delete(m.mu.ended, rec.ID)
		delete(m.mu.history, rec.ID)
		return
	}
	s := Status{JobRecord: rec, State: Stopped}
	if rec.Reason == "finished" {
		s.State = Finished
	}
	m.mu.ended[rec.ID] = s
}
