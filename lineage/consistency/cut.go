package consistency

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weir-lake/weir/compute/cut"
	"github.com/weir-lake/weir/compute/epoch"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/snapshot"
)

// Cuts resolves cuts of one warehouse. It is safe for concurrent use.
type Cuts struct {
	store    objstore.Store // the warehouse's root
	named    *cut.Cuts
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
	return &Cuts{store: store, named: cut.New(store), log: log, frontier: frontier, name: name, now: now}
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
	s, ok, err = c.log.Version(ctx, snapshot.NewManager(objstore.Sub(c.store, table), ""), table, e)
	if err != nil {
		return nil, false, fmt.Errorf("cut at epoch %d: %w", e, err)
	}
	return s, ok, nil
}

// Tagged is the table's version in the cut of that name. ok is false when there is no such cut, or it was made of
// other tables: a tag of the name is the table's own then.
func (c *Cuts) Tagged(ctx context.Context, table, name string) (s *snapshot.Snapshot, ok bool, err error) {
	r, err := c.named.Get(ctx, name)
	if errors.Is(err, cut.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	_, in := r.Tables[table]
	if _, out := r.LeftOut[table]; !in && !out {
		return nil, false, nil
	}
	s, err = c.named.Version(ctx, r, table)
	return s, err == nil, err
}
