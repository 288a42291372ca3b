package job

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/google/uuid"

	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/predicate"
	"github.com/weir-lake/weir/table/rewrite"
	"github.com/weir-lake/weir/table/snapshot"
)

// finish takes the letters of a decided replay out of the dead letters, however often it is called.
func (v *replays) finish(ctx context.Context, rec *replayRecord, e int64) error {
	for try := 1; ; try++ {
		err := v.remove(ctx, rec, e)
		if err == nil {
			break
		}
		if !errors.Is(err, commit.ErrConflict) || try == rewriteTriesMax {
			return fmt.Errorf("remove dead letters of %s: %w", rec.Table, err)
		}
	}
	if err := v.m.opts.Store.Put(ctx, replayDone(rec.Job, rec.ID), nil); err != nil {
		return fmt.Errorf("record that replay %s is done: %w", rec.ID, err)
	}
	return nil
}

// remove commits the dead letters without the replay's, if any of them is still there.
func (v *replays) remove(ctx context.Context, rec *replayRecord, e int64) error {
	t, err := v.m.openDead(ctx, rec.Table)
	if err != nil || t == nil {
		return err
	}
	gone := &goneRows{rows: t.rows, left: map[string]int64{}}
	taken := map[string]bool{}
	for _, d := range rec.Letters {
		taken[d.ID] = true
	}
	err = t.each(ctx, rec.Table, func(d DeadLetter, in arrow.RecordBatch, row int) error {
		if !taken[d.ID] {
			return nil
		}
		one := in.NewSlice(int64(row), int64(row)+1)
		defer one.Release()
		return gone.add(one)
	})
	if err != nil || len(gone.left) == 0 {
		return err
	}
	w, err := rewrite.New(t.store, t.schema, rewrite.Options{Now: v.m.opts.Now})
	if err != nil {
		return err
	}
	messages, err := w.Drop(ctx, t.at, predicate.And{}, gone)
	if err != nil {
		return err
	}
	clock, _ := v.m.log.ClockAt(e)
	props, err := commit.Provenance{Term: v.m.log.Term(), EpochFrom: e, Epoch: e, Clock: clock.UnixMilli(), User: rec.User}.Properties()
	if err == nil {
		_, err = commit.New(t.store, commit.Options{Path: deadPath(rec.Table), Now: v.m.opts.Now}).Commit(ctx, commit.Request{
			User: uuid.NewString(), NewUser: true, Identifier: e, Kind: snapshot.Overwrite, Messages: messages, Properties: props,
			Fence: func(ctx context.Context, _ []*snapshot.Snapshot) error { return v.m.log.CheckTerm(ctx) }})
	}
	if err != nil && !errors.Is(err, commit.ErrUnknown) {
		err = errors.Join(err, w.Discard(context.WithoutCancel(ctx), messages))
	}
	return err
}

// finishAll ends replays that were decided and not done when a process ended, and lets go of those never decided. What
// is decided stands in the epoch log.
func (v *replays) finishAll(ctx context.Context) error {
	open, err := v.open(ctx)
	if err != nil {
		return err
	}
	now := v.m.frontier.Clock()
	for _, rec := range open {
		if v.m.decided(rec) {
			err = v.finish(ctx, rec, now)
		} else {
			err = v.m.dropFolder(ctx, replayDir(rec.Job, rec.ID)+"/")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// resume does so when the service starts.
func (v *replays) resume(ctx context.Context) {
	select {
	case v.slot <- struct{}{}:
	case <-ctx.Done():
		return
	}
	defer func() { <-v.slot }()
	if err := v.finishAll(ctx); err != nil && ctx.Err() == nil {
		v.m.opts.Logger.Warn("replays_unfinished", "error", err) // the next replay, or the next start, tries again
	}
}

// open are the replays that are not done.
func (v *replays) open(ctx context.Context) ([]*replayRecord, error) {
	done, made := map[string]bool{}, []string(nil)
	err := v.m.opts.Store.List(ctx, replayRoot+"/", func(i objstore.Info) error {
		if dir, ok := strings.CutSuffix(i.Key, "/done"); ok {
			done[dir] = true
		}
		if isReplay(i.Key) {
			made = append(made, i.Key)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list replays: %w", err)
	}
	var out []*replayRecord
	for _, key := range made {
		if done[strings.TrimSuffix(key, "/replay.json")] {
			continue
		}
		rec, err := v.m.readReplayRecord(ctx, key)
		if err != nil {
			return nil, err
		}
		out = append(out, rec)
	}
	return out, nil
}

// dropFolder deletes all objects below a folder of weir's own.
func (m *Manager) dropFolder(ctx context.Context, folder string) error {
	var keys []string
	err := m.opts.Store.List(ctx, folder, func(i objstore.Info) error {
		keys = append(keys, i.Key)
		return nil
	})
	for _, k := range keys {
		if err == nil {
			err = m.opts.Store.Delete(ctx, k)
		}
	}
	if err != nil {
		return fmt.Errorf("delete %s: %w", m.opts.Store.URI(folder), err)
	}
	return nil
}
