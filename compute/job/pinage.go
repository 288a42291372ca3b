package job

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weir-lake/weir/compute/epoch"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/snapshot"
)

// pinAgeDefault is how long a job that does not go on may keep versions of its inputs from expiring: a week covers a
// long holiday, and what is kept meanwhile still fits most disks.
const pinAgeDefault = 7 * 24 * time.Hour

// pinAlarm is the share of the limit at which a pin's age is logged, as a fraction, so that somebody can act in time.
const pinAlarm = 0.75

// pinLooksMax bounds how many compactions behind a pinned version are passed over to find the first real change.
const pinLooksMax = 64

// ErrInputsExpired: the versions of its inputs that a job's state is made from are gone.
var ErrInputsExpired = errkind.New(errkind.NotFound, "job: its inputs have expired")

// pinAge is how long the oldest version that a job needs has been kept for it.
type pinAge struct {
	table    string
	snapshot int64
	since    time.Time // when the next version of the table was made
	alarmed  bool
}

// restorePins registers what the jobs of the log need of tables, before any of them runs: a job that is stopped or that
// does not come up must not lose its inputs to expiry meanwhile.
func (m *Manager) restorePins(ctx context.Context, jobs []epoch.JobRecord) {
	for _, rec := range jobs {
		if rec.Desired == epoch.Dropped {
			continue
		}
		need, err := m.neededBy(ctx, rec)
		if err != nil {
			// Until it is known what this job needs no pin moves up; the files that an earlier process wrote hold.
			m.opts.Logger.Warn("pins_unknown", "job", rec.Name, "error", err)
			m.pins.unsure(rec.ID)
			continue
		}
		m.pins.hold(rec.ID, need)
	}
}

// neededBy finds the oldest versions from which the job's state can be brought up: those of its newest checkpoint, else
// those of its last commit, else what an earlier process held of its inputs.
func (m *Manager) neededBy(ctx context.Context, rec epoch.JobRecord) (map[string]int64, error) {
	need := map[string]int64{}
	lower := func(table string, id int64) {
		if was, ok := need[table]; !ok || id < was {
			need[table] = id
		}
	}
	var last *snapshot.Snapshot
	var err error
	if path := sinkPath(rec); path != "" {
		if last, err = lastOwn(ctx, snapshot.NewManager(objstore.Sub(m.opts.Store, path), ""), rec); err != nil {
			return nil, fmt.Errorf("last commit: %w", err)
		}
		if last != nil && rec.Desired == epoch.Running {
			lower(path, int64(last.ID)) // until its tag is on it again
		}
	}
	h, ok, err := states{m.opts.Store, rec.ID}.newestHeader(ctx)
	switch {
	case err != nil:
		return nil, err
	case ok && len(h.Paths) == len(h.Tables):
		for i, id := range h.Tables {
			lower(h.Paths[i], id)
		}
	case last != nil:
		p, err := commit.ProvenanceOf(last)
		if err != nil {
			return nil, err
		}
		for _, in := range p.Inputs {
			if in.Table != "" {
				lower(in.Table, int64(in.ID))
			}
		}
	default:
		p, err := m.plan(ctx, rec)
		if err != nil {
			return nil, err
		}
		for _, t := range tablesRead(p) {
			consumers, err := snapshot.NewManager(objstore.Sub(m.opts.Store, t), "").Consumers(ctx)
			if err != nil {
				return nil, err
			}
			for _, c := range consumers {
				if c.ID == consumerID {
					lower(t, int64(c.Next))
				}
			}
		}
	}
	return need, nil
}

// agePins measures how long jobs have kept old versions of their inputs. Over the limit the pins are let go and the
// job is stopped by name; before that there is an alarm.
func (m *Manager) agePins(ctx context.Context) error {
	for _, rec := range m.log.State().Jobs {
		var oldest *pinAge
		for table, id := range m.pins.of(rec.ID) {
			if table == sinkPath(rec) {
				continue // its own table is held for the moment between commit and tag only
			}
			since, ok, err := m.supersededAt(ctx, table, snapshot.ID(id))
			if err != nil {
				return fmt.Errorf("age of the pin on %s: %w", table, err)
			}
			if ok && (oldest == nil || since.Before(oldest.since)) {
				oldest = &pinAge{table: table, snapshot: id, since: since}
			}
		}
		m.aged(ctx, rec, oldest)
	}
	return nil
}

// aged notes the age and acts on it.
func (m *Manager) aged(ctx context.Context, rec epoch.JobRecord, oldest *pinAge) {
	before := m.pins.age(rec.ID)
	if oldest == nil {
		m.pins.setAge(rec.ID, nil)
		return
	}
	age, limit := m.now().Sub(oldest.since), m.opts.PinAgeMax
	oldest.alarmed = before != nil && before.alarmed
	if float64(age) > pinAlarm*float64(limit) && !oldest.alarmed {
		oldest.alarmed = true
		m.opts.Logger.Error("pin_old", "job", rec.Name, "table", oldest.table, "snapshot", oldest.snapshot, "kept_since", oldest.since, "let_go_after", limit)
	}
	m.pins.setAge(rec.ID, oldest)
	if age <= limit {
		return
	}
	m.opts.Logger.Error("pin_released", "job", rec.Name, "table", oldest.table, "snapshot", oldest.snapshot, "kept_since", oldest.since)
	m.pins.released.Add(1)
	m.pins.setAge(rec.ID, nil)
	m.pins.set(ctx, rec.ID, nil)
	m.historyOf(rec.ID).logs.add("error", "it has not gone on for %s: snapshot %d of %s and later ones are not kept for it any more", span(age), oldest.snapshot, oldest.table)
	m.mu.Lock()
	r := m.mu.runners[rec.ID]
	m.mu.Unlock()
	if r != nil {
		r.fail(fmt.Errorf("%w: snapshot %d of %s was kept for it for %s, longer than the limit of %s; drop the job and create it anew",
			ErrInputsExpired, oldest.snapshot, oldest.table, span(age), span(limit)))
	}
}

// supersededAt is when the table got its first change after the snapshot; false when there is none, or the snapshot is
// gone and nothing is kept for its sake.
func (m *Manager) supersededAt(ctx context.Context, table string, id snapshot.ID) (time.Time, bool, error) {
	snaps := snapshot.NewManager(objstore.Sub(m.opts.Store, table), "")
	earliest, err := snaps.EarliestID(ctx)
	if errors.Is(err, snapshot.ErrNone) || err == nil && id > 0 && id < earliest {
		return time.Time{}, false, nil
	}
	if err != nil {
		return time.Time{}, false, err
	}
	from := max(id+1, earliest)
	for next := from; next < from+pinLooksMax; next++ {
		s, err := snaps.Find(ctx, next)
		if err != nil || s == nil {
			return time.Time{}, false, err
		}
		if s.CommitKind != snapshot.Compact && s.CommitKind != snapshot.Analyze {
			return time.UnixMilli(s.TimeMillis), true, nil
		}
	}
	return time.Time{}, false, nil
}

// expired names the job whose inputs are gone.
func (r *runner) expired(in *input, id int64, err error) error {
	if !errors.Is(err, snapshot.ErrNotFound) {
		return err
	}
	return fmt.Errorf("%w: job %s needs snapshot %d of %s, which is not kept any more (%w); drop the job and create it anew, or restore the table",
		ErrInputsExpired, r.rec.Name, id, in.scan.Table.Name, err)
}
