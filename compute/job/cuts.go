package job

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/weir-lake/weir/compute/cut"
	"github.com/weir-lake/weir/compute/epoch"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/catalog"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
)

// CutRequest asks for a cut with a name.
type CutRequest struct {
	Name   string
	Tables []catalog.Identifier // empty: all tables of the warehouse
	// Epoch of all tables; 0: the newest servable for all of them.
	Epoch int64
	// Retained is how long the tags are kept; 0: until the cut is removed.
	Retained time.Duration
	By       string // who asks
}

// MakeCut tags one version of each table, all at one epoch, so that other engines read the same cut. Tables without
// a snapshot are in the cut as empty ones.
func (m *Manager) MakeCut(ctx context.Context, q CutRequest) (*cut.Record, error) {
	tables, err := m.tablesNamed(ctx, q.Tables)
	if err != nil {
		return nil, err
	}
	paths := slices.Sorted(maps.Keys(tables))
	release := m.holdAll("cut "+q.Name, paths)
	defer release()
	servable, blame := m.frontier.Servable(paths...)
	switch {
	case q.Epoch == 0:
		q.Epoch = servable
	case q.Epoch > servable:
		return nil, errkind.Errorf(errkind.Invalid, "epoch %d is not complete: the newest cut of these tables is epoch %d%s", q.Epoch, servable, m.heldBy(blame))
	}
	r := cut.Record{Name: q.Name, Epoch: q.Epoch, By: q.By, Tables: map[string]cut.Table{}}
	retained := map[string]time.Duration{}
	for _, path := range paths {
		if r.Tables[path], err = m.cutTable(ctx, path, q.Epoch); err != nil {
			return nil, fmt.Errorf("table %s: %w", path, err)
		}
		retained[path] = q.Retained
	}
	out, err := m.putCut(ctx, r, retained)
	select {
	case m.cutMade <- struct{}{}: // its end may come before that of the hour
	default:
	}
	return out, err
}

func (m *Manager) heldBy(w epoch.Writer) string {
	if w == "" {
		return ""
	}
	s, err := m.Show(string(w))
	if err != nil {
		return fmt.Sprintf(", held by writer %s", w)
	}
	return fmt.Sprintf(", held by job %s", s.Name)
}

// putCut makes the cut of r. Retained are the tags' times by path.
func (m *Manager) putCut(ctx context.Context, r cut.Record, retained map[string]time.Duration) (*cut.Record, error) {
	m.cutting.Lock()
	defer m.cutting.Unlock()
	clock, _ := m.log.ClockAt(r.Epoch)
	r.ClockMs = clock.UnixMilli()
	now := m.now()
	for path, d := range retained {
		if d > 0 {
			t := r.Tables[path]
			t.RetainedMs, t.UntilMs = d.Milliseconds(), now.Add(max(d-cutMargin, d/2)).UnixMilli()
			r.Tables[path] = t
		}
	}
	o := cut.MakeOptions{Fence: m.log.CheckTerm, Now: func() time.Time { return now }}
	if err := m.cuts.Make(ctx, r, o); err != nil {
		return nil, err
	}
	m.opts.Logger.Info("cut_made", "cut", r.Name, "epoch", r.Epoch, "tables", len(r.Tables), "left_out", len(r.LeftOut))
	return m.cuts.Get(ctx, r.Name)
}

// holdAll keeps every snapshot of the tables from weir's expiry until release is called.
func (m *Manager) holdAll(holder string, paths []string) (release func()) {
	need := make(map[string]int64, len(paths))
	for _, p := range paths {
		need[p] = 1
	}
	return m.Hold(holder, need)
}

// Cuts are the cuts with a name, oldest first.
func (m *Manager) Cuts(ctx context.Context) ([]cut.Record, error) { return m.cuts.List(ctx) }

// Cut is the cut of that name.
func (m *Manager) Cut(ctx context.Context, name string) (*cut.Record, error) {
	return m.cuts.Get(ctx, name)
}

// CutVersion is the snapshot of the table at path in the cut; nil: it had none.
func (m *Manager) CutVersion(ctx context.Context, r *cut.Record, path string) (*snapshot.Snapshot, error) {
	return m.cuts.Version(ctx, r, path)
}

// RemoveCut ends a cut and deletes its tags.
func (m *Manager) RemoveCut(ctx context.Context, name string) error {
	if err := m.log.CheckTerm(ctx); err != nil {
		return err
	}
	m.cutting.Lock()
	defer m.cutting.Unlock()
	delete(m.cutEnds, name)
	return m.cuts.Remove(ctx, name)
}

// tablesNamed are tables by path with their newest schemas; of all tables those behind connectors are left away.
func (m *Manager) tablesNamed(ctx context.Context, ids []catalog.Identifier) (map[string]*schema.Schema, error) {
	out := map[string]*schema.Schema{}
	for _, id := range ids {
		s, err := m.opts.Catalog.Table(ctx, id)
		if err != nil {
			return nil, err
		}
		if c := s.Options[schema.OptConnector]; c != "" {
			return nil, errkind.Errorf(errkind.Invalid, "%s is behind connector '%s', which keeps no versions", id, c)
		}
		out[id.Path()] = s
	}
	if len(ids) > 0 {
		return out, nil
	}
	dbs, err := m.opts.Catalog.Databases(ctx)
	if err != nil {
		return nil, err
	}
	for _, db := range dbs {
		names, err := m.opts.Catalog.Tables(ctx, db)
		if err != nil {
			return nil, err
		}
		for _, n := range names {
			id := catalog.Identifier{Database: db, Table: n}
			s, err := m.opts.Catalog.Table(ctx, id)
			if errkind.Is(err, errkind.NotFound) {
				continue // dropped meanwhile
			}
			if err != nil {
				return nil, err
			}
			if s.Options[schema.OptConnector] == "" && s.Options[schema.OptType] != "view" {
				out[id.Path()] = s
			}
		}
	}
	return out, nil
}

// cutTable is the table's version at the epoch, with what its jobs say of it.
func (m *Manager) cutTable(ctx context.Context, path string, e int64) (cut.Table, error) {
	snaps := snapshot.NewManager(objstore.Sub(m.opts.Store, path), "")
	s, ok, err := m.log.Version(ctx, snaps, path, e)
	if err == nil && !ok {
		s, err = snaps.Latest(ctx)
	}
	if err != nil || s == nil {
		return cut.Table{}, err
	}
	t := cut.Table{Snapshot: s.ID, Hash: s.Hash, Delta: s.DeltaManifestList, Newest: !ok}
	for _, rec := range sortedJobs(m.log.State().Jobs) {
		db, name, _ := strings.Cut(rec.Sink, ".")
		if (catalog.Identifier{Database: db, Table: name}).Path() != path {
			continue
		}
		own, err := ownUpTo(ctx, snaps, rec, s)
		if err != nil {
			return t, fmt.Errorf("last commit of job %s: %w", rec.Name, err)
		}
		if own != nil {
			t.Made = append(t.Made, cut.Commit{Job: rec.ID, Snapshot: own.ID, Hash: own.Hash, Properties: own.Properties})
		}
	}
	return t, nil
}
