package job

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/epoch"
	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/stream"
	"github.com/weir-lake/weir/internal/errkind"
)

// recover brings the dataflow to the epoch the sink holds: from the newest state checkpoint and a
// replay of the epochs since, or, without one, from the inputs as they were at that epoch.
func (r *runner) recover(ctx context.Context) error {
	defer func() { r.tally = CommitInfo{} }() // what was replayed is no commit's work
	held, err := r.out.recover(ctx)
	if err != nil {
		return err
	}
	r.held = max(held.epoch, r.rec.FromEpoch-1)
	if err := r.load(ctx, held); err != nil {
		return err
	}
	epochs, err := r.epochsSince(ctx, r.done)
	if err != nil {
		return err
	}
	for _, e := range epochs {
		if e > r.held {
			break
		}
		if err := r.step(ctx, e, true); err != nil {
			return fmt.Errorf("replay: %w", err)
		}
	}
	r.done = max(r.done, r.held)
	need := r.needed()
	if err := r.out.hold(ctx, need); err != nil {
		return err
	}
	r.m.pins.hold(r.rec.ID, need)
	r.recovered.Store(true)
	r.m.pins.flush(ctx) // what an earlier process held moves up, unless another job's needs are not known
	// What stood for the unknown until now is known.
	r.m.frontier.Done(r.writer, epoch.Interval{From: r.held, To: r.held}, false)
	r.m.frontier.Pending(r.writer, slices.DeleteFunc(epochs, func(e int64) bool { return e <= r.held })...)
	r.logs.add("info", "recovered at epoch %d", r.held)
	return nil
}

// load restores the newest usable checkpoint or rebuilds the state.
func (r *runner) load(ctx context.Context, held held) error {
	ck := states{r.m.opts.Store, r.rec.ID}
	warn := func(name string, err error) { r.logs.add("warn", "state checkpoint %s is unusable: %v", name, err) }
	h, flow, out, ok, err := ck.newest(ctx, r.held, warn)
	if err != nil {
		return err
	}
	if ok {
		if err := r.knowLetters(ctx, h.Epoch+1); err != nil {
			return err
		}
		if err = r.restore(ctx, h, flow, out); err == nil {
			return nil
		}
		if ctx.Err() != nil || errors.Is(err, ErrStateMemory) {
			return err
		}
		r.logs.add("warn", "state checkpoint of epoch %d is unusable, rebuilding: %v", h.Epoch, err)
		if err := r.reopen(ctx); err != nil {
			return err
		}
		if _, err := r.out.recover(ctx); err != nil { // the sink is a new one
			return err
		}
	}
	if err := r.knowLetters(ctx, r.rec.FromEpoch); err != nil {
		return err
	}
	if held.epoch == 0 {
		r.done = r.rec.FromEpoch - 1
		return r.neverCommitted(ctx)
	}
	return r.rebuild(ctx, held)
}

// neverCommitted refuses to start over a job whose table says nothing of it, though a state checkpoint of its own
// says that it has committed: absence is an error, never the beginning.
func (r *runner) neverCommitted(ctx context.Context) error {
	h, _, _, ok, err := states{r.m.opts.Store, r.rec.ID}.newest(ctx, math.MaxInt64, func(string, error) {})
	if err != nil || !ok || h.Snapshot == 0 {
		return err
	}
	return fmt.Errorf("%w: job %s committed snapshot %d to %s before epoch %d, and the table has no snapshot of it any more: restore the table, or drop the job and create it anew",
		ErrNoProgress, r.rec.Name, h.Snapshot, r.rec.Sink, h.Epoch)
}

func (r *runner) restore(ctx context.Context, h checkpointHeader, flow, out []byte) error {
	for _, in := range r.inputs {
		if in.table != nil {
			if err := in.table.seek(ctx, h.Tables[in.index], h.TableHash[in.index]); err != nil {
				return err
			}
		} else {
			in.conn.offsets, in.conn.replays = h.Offsets[in.index].Clone(), slices.Clone(h.Replays[in.index])
		}
		if wm, ok := h.Watermarks[in.index]; ok {
			in.raise(wm)
		}
	}
	if err := r.flow.Restore(bytes.NewReader(flow)); err != nil {
		return err
	}
	if err := r.out.restore(bytes.NewReader(out)); err != nil {
		return err
	}
	r.done, r.lastCkpt = h.Epoch, r.m.now()
	r.mu.Lock()
	r.mu.status.CheckpointAt = h.Epoch
	r.mu.Unlock()
	return r.account()
}

// rebuild makes the state at the held epoch from the inputs' recorded versions, in one step whose
// output is dropped: the sink has it.
func (r *runner) rebuild(ctx context.Context, held held) error {
	r.logs.add("info", "rebuilding state at epoch %d from the inputs", held.epoch)
	clock, seed := r.m.log.ClockAt(held.epoch)
	env := &expr.Env{Clock: clock, Zone: time.UTC, Seed: seed}
	changes := map[int][]stream.Delta{}
	defer func() {
		for _, ds := range changes {
			release(ds)
		}
	}()
	stateless := r.flow.Stateless() && !r.out.needsReplay()
	for _, in := range r.inputs {
		take := func(d stream.Delta) error {
			if d.Rows != nil {
				changes[in.index] = append(changes[in.index], d)
			}
			return nil
		}
		if in.table != nil {
			id := held.inputs[in.index]
			if stateless {
				if err := in.table.seek(ctx, id, ""); err != nil {
					return r.expired(in, id, err)
				}
			} else if err := in.table.readAt(ctx, in, id, env, take); err != nil {
				return fmt.Errorf("rebuild from %s: %w", in.scan.Table.Name, r.expired(in, id, err))
			}
		} else if err := r.rebuildConn(ctx, in, held, env, stateless, take); err != nil {
			return err
		}
		if wm, ok := held.watermarks[in.index]; ok {
			in.raise(wm)
		}
	}
	if !stateless {
		res, err := r.flow.Step(ctx, r.epochAt(held.epoch, env), changes)
		if err != nil {
			return fmt.Errorf("rebuild state: %w", err)
		}
		if r.out.needsReplay() {
			err = r.out.fold(res, true, false)
		}
		release(res)
		if err != nil {
			return fmt.Errorf("rebuild sink state: %w", err)
		}
	}
	if err := r.out.rebuild(ctx); err != nil {
		return fmt.Errorf("rebuild sink state: %w", err)
	}
	r.done = held.epoch
	r.dirty.Store(true)
	r.passLetters(held.epoch)
	return r.account()
}

func (r *runner) rebuildConn(ctx context.Context, in *input, held held, env *expr.Env, stateless bool, take func(stream.Delta) error) error {
	at, ok := r.m.log.InputAt(r.rec.ID, held.epoch)
	if !ok || at.Offsets[in.index] == nil && held.offsets[in.index] != nil {
		at = epoch.JobInput{Offsets: held.offsets, Ended: at.Ended}
	}
	to := at.Offsets[in.index]
	in.conn.offsets = to.Clone()
	if stateless {
		in.conn.replays = r.m.log.Replays(r.rec.ID, in.index, held.epoch)
		return nil
	}
	err := r.m.readAll(ctx, in, upTo{r.rec.ID, held.epoch, to, r.letters}, env, take)
	if errors.Is(err, connector.ErrPositionLost) {
		return errkind.Errorf(errkind.Corrupt, "rebuild from %s: its first rows are gone and no state checkpoint is usable: %w", in.scan.Table.Name, err)
	}
	return err
}

// epochsSince are the epochs above after that hold input for the job: those whose log record names
// it, and those of new snapshots of the tables it reads.
func (r *runner) epochsSince(ctx context.Context, after int64) ([]int64, error) {
	out := r.m.log.Since(r.rec.ID, r.tablePaths(), after)
	if after < r.rec.FromEpoch {
		out = append(out, r.rec.FromEpoch) // what the tables held when the job began
	}
	for _, in := range r.inputs {
		if in.table == nil {
			continue
		}
		es, err := in.table.epochsAbove(ctx, after)
		if err != nil {
			return nil, fmt.Errorf("look for new snapshots of %s: %w", in.scan.Table.Name, err)
		}
		out = append(out, es...)
	}
	out = slices.DeleteFunc(out, func(e int64) bool { return e <= after })
	slices.Sort(out)
	return slices.Compact(out), nil
}

func (r *runner) tablePaths() []string {
	var out []string
	for _, in := range r.inputs {
		if in.table != nil {
			out = append(out, in.scan.Table.Path)
		}
	}
	return out
}

// checkpoint captures the state between two steps and uploads it; wait says whether to wait for that.
// When it is durable, pins on the inputs move up to it, and, unless it is the last before an end, the one on the sink.
func (r *runner) checkpoint(ctx context.Context, wait bool) error {
	r.upload.Wait() // one at a time
	h := checkpointHeader{Job: r.rec.ID, Epoch: r.done, Snapshot: r.out.last(), Tables: map[int]int64{}, TableHash: map[int]string{}, Paths: map[int]string{},
		Offsets: map[int]connector.Offsets{}, Replays: map[int][]string{}, Watermarks: map[int]time.Time{}}
	pins := r.needed()
	if !wait {
		if err := r.out.hold(ctx, pins); err != nil {
			return err
		}
	}
	for _, in := range r.inputs {
		if in.table != nil {
			h.Tables[in.index], h.TableHash[in.index] = in.table.position()
			h.Paths[in.index] = in.scan.Table.Path
		} else {
			h.Offsets[in.index] = in.conn.offsets.Clone()
			if len(in.conn.replays) > 0 {
				h.Replays[in.index] = slices.Clone(in.conn.replays)
			}
		}
		if in.now != nil {
			h.Watermarks[in.index] = *in.now
		}
	}
	r.doing(capturing)
	flow, err := captured(r.flow.Checkpoint)
	if err != nil {
		return err
	}
	out, err := captured(func(w io.Writer) error { return r.out.checkpoint(w) })
	if err != nil {
		return err
	}
	r.lastCkpt = r.m.now()
	r.dirty.Store(false)
	offsets, mark := maps.Clone(h.Offsets), r.out.mark()
	r.upload.Add(1)
	go func() {
		defer r.upload.Done()
		if err := r.store(ctx, h, flow, out, mark); err != nil {
			r.logs.add("warn", "state checkpoint of epoch %d: %v", h.Epoch, err)
			return
		}
		r.m.pins.set(ctx, r.rec.ID, pins)
		r.acknowledge(ctx, offsets)
		r.m.truncateLog(ctx)
	}()
	if wait {
		r.upload.Wait()
	}
	return nil
}

// needed are the oldest snapshots of the input tables from which the present state can be replayed or rebuilt.
func (r *runner) needed() map[string]int64 {
	need := map[string]int64{}
	for _, in := range r.inputs {
		if in.table == nil {
			continue
		}
		id, _ := in.table.position()
		if p, ok := need[in.scan.Table.Path]; !ok || id < p {
			need[in.scan.Table.Path] = id
		}
	}
	return need
}

func (r *runner) store(ctx context.Context, h checkpointHeader, flow, out []byte, mark func(context.Context) error) error {
	data, err := encodeCheckpoint(h, flow, out)
	if err != nil {
		return err
	}
	if err := (states{r.m.opts.Store, r.rec.ID}).put(ctx, h.Epoch, data); err != nil {
		return err
	}
	if err := mark(ctx); err != nil {
		return err
	}
	r.mu.Lock()
	r.mu.status.CheckpointAt = h.Epoch
	r.mu.Unlock()
	return nil
}

// acknowledge tells sources what is durable. Losing it costs nothing but retention outside.
func (r *runner) acknowledge(ctx context.Context, offsets map[int]connector.Offsets) {
	for _, in := range r.inputs {
		if in.conn == nil {
			continue
		}
		in.conn.mu.Lock()
		err := in.conn.src.Commit(ctx, offsets[in.index])
		in.conn.mu.Unlock()
		if err != nil && ctx.Err() == nil {
			r.logs.add("warn", "acknowledge to %s: %v", in.scan.Table.Name, err)
		}
	}
}
