package table

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/compact"
	"github.com/weir-lake/weir/table/snapshot"
)

// CompactOptions of Compact; the zero value does what the table's options ask for.
type CompactOptions struct {
	// Full merges every bucket into one run at the top level.
	Full bool
}

// Compacted is what Compact did.
type Compacted struct {
	Snapshots int   `json:"snapshots"`
	Removed   int   `json:"filesRemoved"`
	Added     int   `json:"filesAdded"`
	Bytes     int64 `json:"bytesRead"`
}

// compactRoundsMax bounds plans in one call: each round leaves less to do, and
// a table that others write to all the time never comes to an end.
const compactRoundsMax = 10

// Compact merges files until there is nothing left to do. Each bucket is
// committed by itself, so what is done stays done if ctx ends; it may run beside
// writers and other compactions.
func (t *Table) Compact(ctx context.Context, opts CompactOptions) (Compacted, error) {
	var done Compacted
	if err := t.mainOnly("compact"); err != nil {
		return done, err
	}
	c, err := compact.New(t.store, t.Schema(), compact.Options{Now: t.opts.Now, Manifests: t.manifests})
	if err != nil {
		return done, err
	}
	mode := compact.Auto
	if opts.Full {
		mode = compact.Full
	}
	w := compaction{t: t, c: c, user: uuid.NewString(), done: &done}
	for range compactRoundsMax {
		s, err := t.Snapshot(ctx, snapshot.Ref{})
		if err != nil {
			return done, err
		}
		tasks, err := c.Plan(ctx, s, mode)
		if err != nil {
			return done, fmt.Errorf("plan compaction of %s: %w", t.path, err)
		}
		if len(tasks) == 0 {
			break
		}
		for _, task := range tasks {
			if err := w.run(ctx, s, task); err != nil {
				return done, fmt.Errorf("compact %s: %w", t.path, err)
			}
		}
	}
	return done, nil
}

// compaction commits tasks under a user of its own, as snapshots without epoch.
type compaction struct {
	t      *Table
	c      *compact.Compactor
	user   string
	serial int64
	done   *Compacted
}

func (w *compaction) run(ctx context.Context, s *snapshot.Snapshot, task compact.Task) error {
	m, err := w.c.Run(ctx, task)
	if err != nil {
		return err
	}
	if len(m.Added)+len(m.Removed) == 0 {
		return nil
	}
	w.serial++
	_, err = w.t.commits.Commit(ctx, commit.Request{User: w.user, Identifier: w.serial, Kind: snapshot.Compact, Messages: []commit.Message{m}, Since: s.ID})
	switch {
	case err == nil:
		w.done.Snapshots++
		w.done.Removed += len(m.Removed)
		w.done.Added += len(m.Added)
		w.done.Bytes += task.Bytes()
		return nil
	case errors.Is(err, commit.ErrUnknown):
		return err
	}
	discarded := w.c.Discard(context.WithoutCancel(ctx), m)
	if errors.Is(err, commit.ErrConflict) {
		return discarded // somebody else compacted or overwrote the bucket: the next round sees what is left
	}
	return errors.Join(err, discarded)
}
