package job

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/weir-lake/weir/compute/epoch"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/compact"
	"github.com/weir-lake/weir/table/expire"
	"github.com/weir-lake/weir/table/manifest"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
)

// expireEvery is the pause between two expiries of a table: a default table keeps an hour of snapshots, so a
// minute more or less does not matter, and listing them costs.
const expireEvery = time.Minute

// maintenance compacts and expires the tables that this service writes, out of the writers' way. One table at
// a time: compaction is work for the whole machine.
type maintenance struct {
	m    *Manager
	wake chan struct{}
	mu   struct {
		sync.Mutex
		tables map[string]*upkeep // by path
	}
}

// upkeep is what is known of one table.
type upkeep struct {
	dirty    bool // committed to since it was last looked at
	runs     int  // sorted runs of its fullest bucket, as far as known
	stop     int  // num-sorted-run.stop-trigger
	expired  time.Time
	user     string // commit user of its compactions
	serial   int64
	refused  bool // cannot be compacted by weir
	manifest *manifest.Files
	tags     snapshot.TagCache
}

func newMaintenance(m *Manager) *maintenance {
	k := &maintenance{m: m, wake: make(chan struct{}, 1)}
	k.mu.tables = map[string]*upkeep{}
	return k
}

// committed says that the table got a new snapshot with rows.
func (k *maintenance) committed(path string) {
	k.mu.Lock()
	u := k.mu.tables[path]
	if u == nil {
		u = &upkeep{user: uuid.NewString(), stop: 8, tags: snapshot.TagCache{Lean: true}}
		k.mu.tables[path] = u
	}
	u.dirty = true
	u.runs++
	k.mu.Unlock()
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// tagsOf are the tags of a table as they were read before; nil: the table has not been looked after yet.
func (k *maintenance) tagsOf(path string) *snapshot.TagCache {
	k.mu.Lock()
	defer k.mu.Unlock()
	if u := k.mu.tables[path]; u != nil {
		return &u.tags
	}
	return nil
}

// pressed reports whether writers of the table must wait for its compaction.
func (k *maintenance) pressed(path string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	u := k.mu.tables[path]
	return u != nil && !u.refused && u.runs > u.stop
}

// pressure is how many sorted runs the table's fullest bucket has, as far as known, and how many make writers wait.
func (k *maintenance) pressure(path string) (runs, stop int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if u := k.mu.tables[path]; u != nil {
		return u.runs, u.stop
	}
	return 0, 0
}

// breathe waits while the table has too many sorted runs: commits are spaced out, then, since the job does
// not take its next epoch, its sources are left alone.
func (k *maintenance) breathe(ctx context.Context, path string, say func()) error {
	if !k.pressed(path) {
		return nil
	}
	say()
	for k.pressed(path) {
		ch := k.m.frontier.Changed()
		select {
		case <-ch:
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// choresEvery is the pause between two rounds of what has to be done now and then whatever is committed.
const choresEvery = time.Minute

// chores do a bounded piece of the work that no commit asks for.
func (k *maintenance) chores(ctx context.Context) {
	if _, err := k.m.pushes.sweep(ctx); err != nil && ctx.Err() == nil {
		k.m.opts.Logger.Warn("push_keys", "error", err)
	}
	if err := k.m.agePins(ctx); err != nil && ctx.Err() == nil {
		k.m.opts.Logger.Warn("pin_ages", "error", err)
	}
}

// run is the maintenance loop.
func (k *maintenance) run(ctx context.Context) {
	var chored time.Time
	for {
		if now := time.Now(); now.Sub(chored) >= choresEvery {
			chored = now
			k.chores(ctx)
		}
		path, u := k.next()
		if path == "" {
			select {
			case <-k.wake:
				continue
			case <-time.After(expireEvery):
				continue
			case <-ctx.Done():
				return
			}
		}
		if err := k.tend(ctx, path, u); err != nil && ctx.Err() == nil {
			k.m.opts.Logger.Warn("maintenance_failed", "table", path, "error", err)
			if errors.Is(err, epoch.ErrFenced) {
				return
			}
			select {
			case <-time.After(time.Second): // a passing fault is tried again with the next commit
			case <-ctx.Done():
				return
			}
		}
	}
}

// next takes the dirty table with the most runs.
func (k *maintenance) next() (string, *upkeep) {
	k.mu.Lock()
	defer k.mu.Unlock()
	best := ""
	for p, u := range k.mu.tables {
		if u.dirty && (best == "" || u.runs > k.mu.tables[best].runs) {
			best = p
		}
	}
	if best == "" {
		return "", nil
	}
	u := k.mu.tables[best]
	u.dirty = false
	return best, u
}

// tend compacts what universal compaction asks for and expires what may go.
func (k *maintenance) tend(ctx context.Context, path string, u *upkeep) error {
	store := objstore.Sub(k.m.opts.Store, path)
	s, err := schema.NewFiles(store, "").Latest(ctx)
	if errors.Is(err, schema.ErrNoTable) {
		return nil // dropped meanwhile
	}
	if err != nil {
		return err
	}
	opts, err := s.TableOptions()
	if err != nil {
		return err
	}
	if !opts.WriteOnly && !u.refused {
		if err := k.compact(ctx, store, s, path, u); err != nil {
			return fmt.Errorf("compact: %w", err)
		}
	}
	k.mu.Lock()
	u.stop = opts.SortedRunStop
	due := k.m.now().Sub(u.expired) >= expireEvery
	k.mu.Unlock()
	if !due || opts.WriteOnly {
		return nil
	}
	done, err := expire.New(store).KnowTags(&u.tags).Run(ctx, expire.Options{Now: k.m.opts.Now, Pins: func(context.Context) ([]snapshot.ID, error) {
		if id, ok := k.m.pins.oldest(path); ok {
			return []snapshot.ID{snapshot.ID(id)}, nil
		}
		return nil, nil
	}})
	if err != nil {
		return fmt.Errorf("expire: %w", err)
	}
	k.mu.Lock()
	u.expired = k.m.now()
	k.mu.Unlock()
	if len(done.Snapshots) > 0 {
		k.m.opts.Logger.Info("snapshots_expired", "table", path, "snapshots", len(done.Snapshots), "files", done.DataFiles+done.MetaFiles)
	}
	return nil
}

// compact runs the tasks that are due, each committed as a COMPACT snapshot of its own user.
func (k *maintenance) compact(ctx context.Context, store objstore.Store, s *schema.Schema, path string, u *upkeep) error {
	if u.manifest == nil {
		u.manifest = manifest.NewFiles(store, "")
	}
	c, err := compact.New(store, s, compact.Options{Now: k.m.opts.Now, Manifests: u.manifest})
	if errkind.Is(err, errkind.Invalid) {
		k.mu.Lock()
		u.refused = true
		k.mu.Unlock()
		k.m.opts.Logger.Warn("compaction_left_to_others", "table", path, "reason", err)
		return nil
	}
	if err != nil {
		return err
	}
	snaps := snapshot.NewManager(store, "")
	latest, err := snaps.Latest(ctx)
	if errors.Is(err, snapshot.ErrNone) {
		return nil
	}
	if err != nil {
		return err
	}
	live, err := c.Live(ctx, latest)
	if err != nil {
		return err
	}
	k.note(u, compact.Pressure(s, live))
	tasks, err := compact.Plan(s, live, compact.Auto)
	if err != nil || len(tasks) == 0 {
		return err
	}
	committer := commit.New(store, commit.Options{Path: path, Now: k.m.opts.Now})
	for _, t := range tasks {
		if err := k.one(ctx, c, committer, t, u, latest.ID); err != nil {
			return err
		}
	}
	if latest, err = snaps.Latest(ctx); err != nil {
		return err
	}
	if live, err = c.Live(ctx, latest); err != nil {
		return err
	}
	k.note(u, compact.Pressure(s, live))
	k.m.frontier.Wake()
	return nil
}

func (k *maintenance) note(u *upkeep, runs int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	u.runs = runs
}

// one does one task. Another compactor that was faster makes it a conflict, which is no fault.
func (k *maintenance) one(ctx context.Context, c *compact.Compactor, committer *commit.Committer, t compact.Task, u *upkeep, since snapshot.ID) error {
	msg, err := c.Run(ctx, t)
	if err != nil {
		return err
	}
	if len(msg.Added)+len(msg.Removed) == 0 {
		return nil
	}
	u.serial++
	_, err = committer.Commit(ctx, commit.Request{User: u.user, Identifier: u.serial, Kind: snapshot.Compact, Messages: []commit.Message{msg}, Since: since,
		Fence: func(ctx context.Context, _ []*snapshot.Snapshot) error { return k.m.log.CheckTerm(ctx) }})
	if errors.Is(err, commit.ErrConflict) {
		return c.Discard(context.WithoutCancel(ctx), msg)
	}
	return err
}
