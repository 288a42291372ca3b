package schedule

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/catalog"
	"github.com/weir-lake/weir/table/snapshot"
)

// Cuts knows which versions of tables belong together; tables are named by their paths below the warehouse.
type Cuts interface {
	// Cut is the newest epoch servable for all the tables.
	Cut(ctx context.Context, tables []string) (epoch int64, age time.Duration, heldBy string, err error)
	// At is the newest snapshot of the table up to the epoch; ok is false for one whose versions belong to no epoch.
	At(ctx context.Context, table string, epoch int64) (s *snapshot.Snapshot, ok bool, err error)
}

// clockOf is what a backfill's clock shows; ok is false while it shows nothing, as a table without rows.
//
// The watermark of a table is that of its version in the newest cut with all tables that the statement reads: when it
// has passed a tick, a query sees everything that came before the tick in all of them.
func (s *Scheduler) clockOf(ctx context.Context, e *entry) (now time.Time, ok bool, err error) {
	name, data := strings.CutPrefix(e.def.Clock, clockWatermark)
	if !data {
		return s.opts.Now(), true, nil
	}
	id, err := catalog.ParseIdentifier(name, e.def.Database)
	if err != nil {
		return time.Time{}, false, err
	}
	path := id.Path()
	snap, err := s.inCut(ctx, path, append([]string{path}, e.inputs...))
	if err != nil || snap == nil || snap.Watermark == nil {
		return time.Time{}, false, err
	}
	return time.UnixMilli(*snap.Watermark).UTC(), true, nil
}

// checkClock refuses the watermark of a table that is not there.
func (s *Scheduler) checkClock(ctx context.Context, d Definition) error {
	name, data := strings.CutPrefix(d.Clock, clockWatermark)
	if !data {
		return nil
	}
	id, err := catalog.ParseIdentifier(name, d.Database)
	if err == nil {
		_, err = s.opts.Services.Catalog.Table(ctx, id)
	}
	if err != nil {
		return errkind.Errorf(errkind.Invalid, "clock %s: %w", d.Clock, err)
	}
	return nil
}

// inCut is the version of a table in the newest cut of several; nil: it has none.
func (s *Scheduler) inCut(ctx context.Context, path string, tables []string) (*snapshot.Snapshot, error) {
	e, _, _, err := s.opts.Cuts.Cut(ctx, tables)
	if err != nil {
		return nil, err
	}
	snap, ok, err := s.opts.Cuts.At(ctx, path, e)
	if err != nil || ok {
		return snap, err
	}
	return s.latest(ctx, path) // of other engines, which have no epochs
}

// latest is a table's newest snapshot; nil: it has none.
func (s *Scheduler) latest(ctx context.Context, path string) (*snapshot.Snapshot, error) {
	snap, err := snapshot.NewManager(objstore.Sub(s.opts.Store, path), "").Latest(ctx)
	if errors.Is(err, snapshot.ErrNone) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("newest snapshot of %s: %w", path, err)
	}
	return snap, nil
}

// tablesOf are the paths of the tables of the warehouse that a plan reads.
func tablesOf(root plan.Node) []string {
	var out []string
	plan.Walk(root, func(n plan.Node) {
		if sc, ok := n.(*plan.Scan); ok && sc.Table.Path != "" {
			out = append(out, sc.Table.Path)
		}
	})
	return out
}
