package consistency

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weir-lake/weir/compute/epoch"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/snapshot"
)

// Cuts resolves cuts of one warehouse. It is safe for concurrent use.
type Cuts struct {
	store    objstore.Store // the warehouse's root
	log      *epoch.Log
	frontier *epoch.Frontier
	name     func(writer string) string // of a job, for people
	now      func() time.Time
}

// New makes a resolver. Name gives a writer's name for people; nil leaves its id.
func New(store objstore.Store, log *epoch.Log, frontier *epoch.Frontier, name func(string) string, now func() time.Time) *Cuts {
	if name == nil {
		name = func(s string) string { return s }
	}
	return &Cuts{store: store, log: log, frontier: frontier, name: name, now: now}
}

// Cut is the newest epoch servable for all the tables (by path). While a job holds it below the clock, age is how long
// ago the first epoch above it was decided, and heldBy names the job.
func (c *Cuts) Cut(_ context.Context, tables []string) (e int64, age time.Duration, heldBy string, err error) {
	e, blame := c.frontier.Servable(tables...)
	if e >= c.frontier.Clock() {
		return e, 0, "", nil
	}
	if at, ok := c.log.DecidedAfter(e); ok {
		age = max(c.now().Sub(at), 0)
	}
	if blame != "" {
		heldBy = c.name(string(blame))
	}
	return e, age, heldBy, nil
}

// At is the newest snapshot of the table with everything up to the epoch. ok is false for a table that no weir writer
// has committed to and whose snapshots no log record lists: its newest version is all there is to say.
func (c *Cuts) At(ctx context.Context, table string, e int64) (s *snapshot.Snapshot, ok bool, err error) {
	snaps := snapshot.NewManager(objstore.Sub(c.store, table), "")
	latest, err := snaps.Latest(ctx)
	if errors.Is(err, snapshot.ErrNone) {
		return nil, true, nil
	}
	if err != nil {
		return nil, false, err
	}
	if c.foreign(table, latest) {
		return nil, false, nil
	}
	s, err = c.log.At(ctx, snaps, table, e)
	if err != nil {
		return nil, false, fmt.Errorf("cut at epoch %d: %w", e, err)
	}
	return s, true, nil
}

// foreign reports a table of other engines: its newest snapshot is not weir's and no job has taken note of any.
func (c *Cuts) foreign(table string, latest *snapshot.Snapshot) bool {
	if latest.Properties[commit.PropEpoch] != "" || latest.CommitKind == snapshot.Compact {
		return false
	}
	_, known := c.log.Foreign()[table]
	return !known
}
