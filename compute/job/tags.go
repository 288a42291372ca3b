package job

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/weir-lake/weir/compute/cut"
	"github.com/weir-lake/weir/compute/epoch"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/schema"
)

const (
	// hourRetry is the pause before a cut that did not come about is tried again.
	hourRetry = time.Minute
	// cutMargin is how long before its tags a cut ends: a cut is given up before its files may go.
	cutMargin = cut.Hour
)

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
