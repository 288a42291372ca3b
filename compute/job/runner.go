package job

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/epoch"
	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/stream"
	"github.com/weir-lake/weir/internal/errkind"
)

// Pauses between the attempts of a failing job: short enough that a passing fault is soon over,
// long enough that a lasting one costs nothing.
const (
	retryFirst = 500 * time.Millisecond
	retryMax   = 30 * time.Second
)

// checkpointEvery is the pause between state checkpoints: recovery replays about this much.
const checkpointEvery = 30 * time.Second

// epochsPerCommitMax bounds how many epochs a lagging job takes into one commit.
const epochsPerCommitMax = 256

// runner is one running job. All fields but those in mu belong to its goroutine.
type runner struct {
	m      *Manager
	rec    epoch.JobRecord
	writer epoch.Writer
	every  int64    // commits end at multiples of it: 2^k epochs
	logs   *logRing // of history
	// history is what people may ask of earlier attempts; tally is of the commit under way.
	history  *history
	tally    CommitInfo
	written  int64         // rows committed since the start
	sinkBusy time.Duration // in the sink, since the start

	sink   *plan.Sink
	flow   *stream.Dataflow
	inputs []*input
	out    sink
	dead   *sideTable // dead letters; opened when the first one comes
	late   *sideTable

	done int64 // every epoch up to it is in the state
	// letters are the dead letters of epochs that may be read again, by epoch.
	letters map[int64][]connector.DeadLetter
	held    int64 // every epoch up to it is in the sink
	// retracting: an append table it reads has lost rows, so its operators are those that can follow that.
	retracting bool
	env        *expr.Env // of the epoch being stepped
	revised    string    // the revision that epochs since the last commit follow; empty: none
	lastCkpt   time.Time
	dirty      atomic.Bool // stepped since the last checkpoint

	stop   context.CancelFunc // orderly: finish the work at hand, commit, end
	kill   context.CancelFunc // at once
	ended  chan struct{}
	upload sync.WaitGroup
	// backlog: the last epoch was full, so the sources have more; epochs then follow each other without pause.
	backlog atomic.Bool
	// recovered: it has found its place at least once and holds the versions of its inputs.
	recovered atomic.Bool

	mu struct {
		sync.Mutex
		status Status
		meter  meter
		ops    []opMeters    // by operator
		behind map[int]int64 // rows the sources had beyond what was recorded, by input
		last   error         // that ended an attempt
		failed error         // found outside the job's goroutine, which ends its attempt with it
	}
	// polling guards what the coordinator uses of an attempt, which begins and ends under it.
	polling struct {
		sync.Mutex
		ready bool
		clock bool // the result changes with the wall clock alone
	}
}

// run keeps the job going until it is stopped, finished or failed for good.
func (r *runner) run(ctx, orderly context.Context) {
	defer close(r.ended)
	pause := retryFirst
	for {
		err := r.attempt(ctx, orderly)
		if errors.Is(err, errFinished) {
			r.setState(Finished, nil)
			r.m.finished(r.rec.ID)
			return
		}
		if ctx.Err() != nil || (err == nil && orderly.Err() != nil) {
			r.setState(Stopped, nil)
			return
		}
		r.history.failed(r.m.now(), err, final(err))
		if final(err) {
			r.setState(Failed, err)
			r.logs.add("error", "stopped for good: %v", err)
			if errors.Is(err, epoch.ErrFenced) || errors.Is(err, ErrReplaced) {
				r.m.lost(err)
			}
			return
		}
		r.setState(Failing, err)
		r.logs.add("warn", "attempt failed, next in %s: %v", pause, err)
		select {
		case <-time.After(pause):
		case <-orderly.Done():
			r.setState(Stopped, err)
			return
		}
		pause = min(2*pause, retryMax)
		r.mu.Lock()
		r.mu.status.Restarts++
		if time.Since(r.mu.status.StateSince) > 10*retryMax {
			pause = retryFirst
		}
		r.mu.Unlock()
	}
}

// errFinished: all sources are bounded and at their end, and everything is committed.
var errFinished = errors.New("finished")

// final reports errors that trying again cannot mend.
func final(err error) bool {
	if errors.Is(err, ErrStateMemory) {
		return true // it would only grow again, and press the others meanwhile
	}
	switch errkind.Of(err) {
	case errkind.Corrupt, errkind.Conflict, errkind.Invalid, errkind.NotFound, errkind.Denied:
		return true
	}
	return false
}

// attempt opens, recovers and runs the job until something ends it.
func (r *runner) attempt(ctx, orderly context.Context) error {
	r.setState(Starting, nil)
	defer r.closeAll()
	if err := r.open(ctx); err != nil {
		return err
	}
	r.setState(Restoring, nil)
	if err := r.recover(ctx); err != nil {
		return err
	}
	r.setState(Running, nil)
	r.setReady(true)
	defer r.setReady(false)
	for {
		changed := r.m.frontier.Changed()
		worked, err := r.work(ctx, false)
		if err != nil {
			return err
		}
		if err := r.reported(); err != nil {
			return err
		}
		if worked {
			continue
		}
		if r.inputsEnded() {
			return r.finish(ctx)
		}
		if err := r.checkpointIfDue(ctx); err != nil {
			return err
		}
		r.doing(idle)
		select {
		case <-changed:
		case <-orderly.Done():
			return r.windDown(ctx)
		}
	}
}

// reported is an error found outside the job's goroutine.
func (r *runner) reported() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mu.failed
}

// work processes the epochs that are ready and commits them. It reports whether there was anything.
func (r *runner) work(ctx context.Context, last bool) (bool, error) {
	upTo, pending := r.m.frontier.Inputs(r.writer)
	boundary := upTo - upTo%r.every
	if last {
		boundary = upTo
	}
	pending = slices.DeleteFunc(pending, func(e int64) bool { return e > boundary })
	if len(pending) == 0 {
		return false, nil
	}
	if len(pending) > epochsPerCommitMax {
		// An interval must still end at a boundary, so the cut falls on a multiple.
		cut := pending[epochsPerCommitMax-1]
		cut -= cut % r.every
		if i := slices.IndexFunc(pending, func(e int64) bool { return e > cut }); i > 0 {
			pending = pending[:i]
			boundary = cut
		}
	}
	iv := epoch.Interval{From: r.held + 1, To: pending[len(pending)-1]}
	if r.every > 1 {
		iv.To = boundary
	}
	iv.From = max(iv.From, r.rec.FromEpoch)
	for _, e := range pending {
		if e <= r.done {
			continue
		}
		if err := r.step(ctx, e, false); err != nil {
			return false, err
		}
	}
	return true, r.commit(ctx, iv)
}

// step takes the changes of one epoch through the dataflow. With replay set, the sink holds the
// result already and it is dropped.
func (r *runner) step(ctx context.Context, e int64, replay bool) error {
	clock, seed := r.m.log.ClockAt(e)
	env := &expr.Env{Clock: clock, Zone: time.UTC, Seed: seed}
	r.env = env
	changes := map[int][]stream.Delta{}
	defer func() {
		for _, ds := range changes {
			for _, d := range ds {
				d.Rows.Release()
			}
		}
	}()
	var rows int64
	started := time.Now()
	r.doing(reading)
	for _, in := range r.inputs {
		take := func(d stream.Delta, dead []connector.DeadLetter) error {
			if d.Rows != nil {
				rows += d.Rows.NumRows()
				changes[in.index] = append(changes[in.index], d)
			}
			if len(dead) > 0 && !replay {
				return r.deadLetters(ctx, e, dead)
			}
			return nil
		}
		if err := r.readEpoch(ctx, in, e, env, take); err != nil {
			return fmt.Errorf("epoch %d: read %s: %w", e, in.scan.Table.Name, err)
		}
	}
	r.passLetters(e)
	r.tally.ReadMs += millisSince(started)
	started = time.Now()
	r.doing(computing)
	r.passEnded()
	res, err := r.flow.Step(ctx, r.epochAt(e, env), changes)
	if errors.Is(err, stream.ErrRetraction) && !r.retracting {
		r.retracting = true
		return errkind.Errorf(errkind.Unavailable, "epoch %d: a table that only gained rows has lost some; starting over with state that can follow that", e)
	}
	if err != nil {
		return fmt.Errorf("epoch %d: %w", e, err)
	}
	defer func() { release(res) }()
	r.tally.StepMs += millisSince(started)
	r.done = e
	r.dirty.Store(true)
	if !replay {
		r.backlog.Store(rows >= int64(r.epochRowsMax())*9/10)
		r.count(rows, res)
		if err := r.takeLate(ctx, e); err != nil {
			return err
		}
	}
	rest, err := r.closeOpen(ctx, e, env, replay)
	if err != nil {
		return fmt.Errorf("epoch %d: %w", e, err)
	}
	res = append(res, rest...)
	started = time.Now()
	err = r.out.fold(res, replay, r.follows(replay))
	r.sinkBusy += time.Since(started)
	if err != nil {
		return err
	}
	return r.account()
}

// millisSince is a time in milliseconds, as people read it.
func millisSince(t time.Time) float64 { return float64(time.Since(t).Microseconds()) / 1000 }

func (r *runner) epochAt(e int64, env *expr.Env) stream.Epoch {
	return stream.Epoch{ID: e, Clock: env.Clock, Seed: env.Seed, Watermark: watermarks(r.inputs)}
}

// readEpoch streams what the input got in the epoch: the log says it for connectors, the
// table's snapshots for tables.
func (r *runner) readEpoch(ctx context.Context, in *input, e int64, env *expr.Env, take func(stream.Delta, []connector.DeadLetter) error) error {
	if in.table != nil {
		return in.table.changesUpTo(ctx, in, e, env, func(d stream.Delta) error { return take(d, nil) })
	}
	if err := r.m.readReplays(ctx, r.rec.ID, in, e, env, func(d stream.Delta) error { return take(d, nil) }); err != nil {
		return err
	}
	rec, ok := r.m.log.Record(r.rec.ID, e)
	if !ok || rec.Offsets[in.index] == nil {
		return nil
	}
	to := in.conn.offsets.Clone()
	maps.Copy(to, rec.Offsets[in.index])
	forgotten, err := in.forget(ctx, r.lettersUpTo(e), env)
	if err != nil {
		return err
	}
	err = in.readConn(ctx, in.conn.offsets, to, env, func(d stream.Delta, dead []connector.DeadLetter) error {
		if d, err = forgotten.without(d); err != nil {
			return err
		}
		return take(d, dead)
	})
	if err != nil {
		return err
	}
	in.conn.offsets = to
	in.conn.ended = in.conn.ended || slices.Contains(rec.Ended, in.index)
	return nil
}

// follows reports whether the changes just read are of a revision, which the next commit then says.
func (r *runner) follows(replay bool) bool {
	for _, in := range r.inputs {
		if in.table == nil || in.table.revised == "" {
			continue
		}
		if !replay {
			r.revised = in.table.revised
		}
		return true
	}
	return false
}

// commit makes everything stepped since the last commit visible and tells the others.
func (r *runner) commit(ctx context.Context, iv epoch.Interval) error {
	started := time.Now()
	r.doing(gated)
	if err := r.m.frontier.Gate(ctx, r.writer, iv.From); err != nil {
		return err
	}
	r.doing(compacting)
	err := r.m.upkeep.breathe(ctx, r.sink.Table.Path, func() { r.logs.add("info", "waiting for the compaction of %s", r.rec.Sink) })
	if err != nil {
		return err
	}
	r.tally.WaitMs += millisSince(started)
	started = time.Now()
	r.doing(publishing)
	for _, s := range []*sideTable{r.dead, r.late} {
		if err := s.commit(ctx, iv); err != nil {
			return err
		}
	}
	c, err := r.out.commit(ctx, r.facts(iv))
	if err != nil {
		return fmt.Errorf("commit epochs %d to %d: %w", iv.From, iv.To, err)
	}
	r.held, r.done, r.revised = iv.To, max(r.done, iv.To), ""
	r.tally.CommitMs = millisSince(started)
	r.sinkBusy += time.Since(started)
	r.written += r.tally.RowsOut
	r.committed(iv, c)
	if c.snapshot != 0 {
		r.m.upkeep.committed(r.sink.Table.Path)
	}
	r.m.frontier.Done(r.writer, iv, c.snapshot != 0)
	if r.backlog.Load() {
		r.m.Nudge()
	}
	return r.checkpointIfDue(ctx)
}

// checkpointIfDue captures the state when it has changed and the last time was long enough ago.
func (r *runner) checkpointIfDue(ctx context.Context) error {
	if r.dirty.Load() && r.m.now().Sub(r.lastCkpt) >= r.m.opts.CheckpointEvery {
		return r.checkpoint(ctx, false)
	}
	return nil
}

// windDown commits what is there, whatever the freshness, and checkpoints the state.
func (r *runner) windDown(ctx context.Context) error {
	for {
		worked, err := r.work(ctx, true)
		if err != nil {
			return err
		}
		if !worked {
			break
		}
	}
	if r.dirty.Load() {
		return r.checkpoint(ctx, true)
	}
	r.upload.Wait()
	r.m.pins.set(ctx, r.rec.ID, r.needed()) // the sink is not written any more
	return nil
}

func (r *runner) finish(ctx context.Context) error {
	if err := r.windDown(ctx); err != nil {
		return err
	}
	return errFinished
}

// inputsEnded reports whether every input is a bounded source whose end is committed.
func (r *runner) inputsEnded() bool {
	if len(r.inputs) == 0 {
		return false
	}
	for _, in := range r.inputs {
		if in.conn == nil || !in.conn.ended {
			return false
		}
	}
	return true
}

func release(ds []stream.Delta) {
	for _, d := range ds {
		d.Rows.Release()
	}
}
