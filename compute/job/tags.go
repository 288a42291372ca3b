package job

import (
	"context"
	"errors"
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

const (
	// hourRetry is the pause before a cut that did not come about is tried again.
	hourRetry = time.Minute
	// cutMargin is how long before its tags a cut ends: a cut is given up before its files may go.
	cutMargin = cut.Hour
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
			t.UntilMs = now.Add(max(d-cutMargin, d/2)).UnixMilli()
			r.Tables[path] = t
		}
	}
	o := cut.MakeOptions{Retained: retained, Fence: m.log.CheckTerm, Now: func() time.Time { return now }}
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

// cutLoop makes the hourly cuts and ends those whose time is over.
func (m *Manager) cutLoop(ctx context.Context) {
	for {
		next, err := m.tendCuts(ctx)
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, epoch.ErrFenced) {
				return
			}
			m.opts.Logger.Warn("hourly_cut", "error", err)
			next = m.now().Add(hourRetry)
		}
		select {
		case <-time.After(next.Sub(m.now())):
		case <-m.cutMade:
		case <-ctx.Done():
			return
		}
	}
}

// tendCuts finishes cuts that were left half made, ends old ones, and makes the one of the last hour if it is missing.
// Next is when there is something to do again.
func (m *Manager) tendCuts(ctx context.Context) (next time.Time, err error) {
	if next, err = m.settleCuts(ctx); err != nil {
		return next, err
	}
	return next, m.hourly(ctx)
}

// settleCuts finishes what was left half made and ends what is over.
func (m *Manager) settleCuts(ctx context.Context) (next time.Time, err error) {
	m.cutting.Lock()
	defer m.cutting.Unlock()
	if err := m.log.CheckTerm(ctx); err != nil {
		return next, err
	}
	done, err := m.cuts.Recover(ctx, cut.MakeOptions{Fence: m.log.CheckTerm, Now: m.opts.Now})
	if err != nil {
		return next, err
	}
	if done.Finished+done.Removed > 0 {
		m.opts.Logger.Info("cuts_recovered", "finished", done.Finished, "removed", done.Removed)
	}
	return m.endCuts(ctx)
}

// endCuts takes tables whose time is over out of the cuts. Next is when that is due again, an hour's end at the latest.
func (m *Manager) endCuts(ctx context.Context) (next time.Time, err error) {
	now := m.now()
	next = now.Truncate(cut.Hour).Add(cut.Hour)
	names, err := m.cuts.Names(ctx)
	if err != nil {
		return next, err
	}
	known := m.cutEnds
	m.cutEnds = make(map[string]time.Time, len(names))
	for _, name := range names {
		until, ok := known[name]
		if !ok || !until.IsZero() && !now.Before(until) {
			if until, err = m.endCut(ctx, name, now); err != nil {
				return next, err
			}
		}
		m.cutEnds[name] = until
		if !until.IsZero() && until.Before(next) {
			next = until
		}
	}
	return next, nil
}

// endCut takes the tables whose time is over out of one cut, and says when that of the next one is; zero: never.
func (m *Manager) endCut(ctx context.Context, name string, now time.Time) (until time.Time, err error) {
	r, err := m.cuts.Get(ctx, name)
	if errkind.Is(err, errkind.NotFound) || errors.Is(err, cut.ErrUnfinished) {
		return until, nil // removed meanwhile
	}
	if err != nil {
		return until, err
	}
	over, until := r.Over(now)
	if len(over) == 0 {
		return until, nil
	}
	if err := m.cuts.Drop(ctx, name, over); err != nil {
		return until, err
	}
	m.opts.Logger.Info("cut_ended", "cut", name, "tables", len(over))
	return until, nil
}

// hourly makes the cut of the hour that is over, of the tables that ask for hourly tags and were there at its end.
// Nothing is made when no table has changed since the last one.
func (m *Manager) hourly(ctx context.Context) error {
	now := m.now()
	name := cut.HourName(now)
	last, err := m.lastHourly(ctx)
	if err != nil || last != nil && last.Name >= name {
		return err
	}
	all, err := m.tablesNamed(ctx, nil)
	if err != nil {
		return err
	}
	started := now.Truncate(cut.Hour).UnixMilli()
	retained := map[string]time.Duration{}
	for path, s := range all {
		if !cut.Hourly(s.Options) {
			continue
		}
		first, err := schema.NewFiles(objstore.Sub(m.opts.Store, path), "").Get(ctx, 0)
		if err != nil && !errkind.Is(err, errkind.NotFound) {
			return fmt.Errorf("table %s: %w", path, err)
		}
		if first != nil && first.TimeMillis >= started {
			continue // made since
		}
		o, err := s.TableOptions()
		if err != nil {
			m.opts.Logger.Warn("hourly_cut_without_table", "table", path, "error", err)
			continue
		}
		retained[path] = o.TagRetained
	}
	if len(retained) == 0 {
		return nil
	}
	return m.makeHourly(ctx, name, last, retained)
}

// lastHourly is the newest automatic cut, nil when there is none. One of the future, which a clock has left that was
// wrong, does not count.
func (m *Manager) lastHourly(ctx context.Context) (*cut.Record, error) {
	names, err := m.cuts.Names(ctx)
	if err != nil {
		return nil, err
	}
	for _, n := range slices.Backward(names) {
		if at, ok := cut.HourOf(n); !ok || at.After(m.now()) {
			continue
		}
		r, err := m.cuts.Get(ctx, n)
		if err != nil || r.Automatic {
			return r, err
		}
	}
	return nil, nil
}

func (m *Manager) makeHourly(ctx context.Context, name string, last *cut.Record, retained map[string]time.Duration) error {
	paths := slices.Sorted(maps.Keys(retained))
	release := m.holdAll("cut "+name, paths)
	defer release()
	r := cut.Record{Name: name, Automatic: true, Tables: map[string]cut.Table{}, LeftOut: map[string]string{}}
	in, err := m.servableSoon(ctx, paths, &r)
	if err != nil {
		return err
	}
	changed := false
	for _, path := range in {
		t, err := m.cutTable(ctx, path, r.Epoch)
		if err != nil {
			r.LeftOut[path] = err.Error()
			continue
		}
		r.Tables[path] = t
		changed = changed || last == nil || last.Tables[path].Hash != t.Hash
	}
	for changed && len(r.Tables) > 0 {
		keep := map[string]time.Duration{}
		for path := range r.Tables {
			keep[path] = retained[path]
		}
		_, err := m.putCut(ctx, r, keep)
		var bad *cut.TableError
		if !errors.As(err, &bad) || errkind.Is(err, errkind.Unavailable) || errkind.Is(err, errkind.Canceled) {
			return err
		}
		// Another program is in this table's way; the others are tagged without it.
		r.LeftOut[bad.Path] = bad.Err.Error()
		delete(r.Tables, bad.Path)
	}
	return nil
}

// servableSoon waits until all the tables have completed the present epoch, for some time; tables that have not
// then are left out of r. It sets the epoch of r and gives the tables that are in.
func (m *Manager) servableSoon(ctx context.Context, paths []string, r *cut.Record) ([]string, error) {
	target := m.frontier.Clock()
	patience := time.NewTimer(m.opts.CutPatience)
	defer patience.Stop()
	for {
		changed := m.frontier.Changed()
		e, _ := m.frontier.Servable(paths...)
		if e >= target {
			r.Epoch = e
			return paths, nil
		}
		select {
		case <-changed:
			continue
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-patience.C:
		}
		break
	}
	in := slices.DeleteFunc(slices.Clone(paths), func(path string) bool {
		e, blame := m.frontier.Servable(path)
		if e >= target || !m.stuck(e, blame) {
			return false
		}
		r.LeftOut[path] = fmt.Sprintf("it had completed epoch %d of %d%s", e, target, m.heldBy(blame))
		return true
	})
	r.Epoch, _ = m.frontier.Servable(in...)
	return in, nil
}

// stuck tells a writer that stopped at the epoch from one that only commits rarely.
func (m *Manager) stuck(e int64, w epoch.Writer) bool {
	if s, err := m.Show(string(w)); err == nil && s.State == Failed {
		return true
	}
	at, behind := m.log.DecidedAfter(e)
	return behind && m.now().Sub(at) > cut.Hour
}
