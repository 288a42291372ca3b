package schedule

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/snapshot"
)

// Properties of the snapshots that slices make; docs/format/properties.md describes them.
const (
	PropBackfill = "weir.backfill"       // its name
	PropRun      = "weir.backfill.run"   // id of the run; the first one's when one statement computed slices of several
	PropTick     = "weir.backfill.tick"  // the tick, or first/last when there are several; none of runs by hand
	PropSlice    = "weir.backfill.slice" // from/to: the slice, or several side by side
)

// properties say which slices a snapshot holds.
func properties(def Backfill, first, last *Run, span Span) map[string]string {
	out := map[string]string{PropBackfill: def.Name, PropRun: first.ID, PropSlice: span.String()}
	switch {
	case first.Tick == nil:
	case first == last:
		out[PropTick] = stamp(*first.Tick)
	default:
		out[PropTick] = Span{*first.Tick, *last.Tick}.String()
	}
	return out
}

// lookBackMax bounds the snapshots that a run going on looks at: a table that got more since it began is written by
// others all the time, and its slices are compared anyway before they are committed.
const lookBackMax = 10_000

// madeSlice is what one snapshot says it holds.
type madeSlice struct {
	run   string
	ticks *Span
	slice Span
	id    int64
}

type madeSlices []madeSlice

// made reads which slices the snapshots since the runs began hold.
func (s *Scheduler) made(ctx context.Context, def Backfill, t *target, runs []*live) (madeSlices, error) {
	base := int64(-1)
	for _, l := range runs {
		if base < 0 || l.run.base < base {
			base = l.run.base
		}
	}
	latest, err := s.latest(ctx, t.path)
	if err != nil || latest == nil {
		return nil, err
	}
	snaps := snapshot.NewManager(objstore.Sub(s.opts.Store, t.path), "")
	var out madeSlices
	for n, id := 0, latest.ID; int64(id) > base && n < lookBackMax; n, id = n+1, id-1 {
		snap := latest
		if id != latest.ID {
			if snap, err = snaps.Get(ctx, id); errkind.Is(err, errkind.NotFound) {
				break // expired, and so are those before
			}
			if err != nil {
				return nil, err
			}
		}
		if snap.Properties[PropBackfill] != def.Name || snap.CommitKind == snapshot.Compact {
			continue
		}
		m, err := parseMade(snap.Properties)
		if err != nil {
			return nil, errkind.Errorf(errkind.Corrupt, "snapshot %d of %s: %w", id, t.table, err)
		}
		m.id = int64(id)
		out = append(out, m)
	}
	return out, nil
}

// of is the snapshot that holds a slice of a run; 0: none does.
func (m madeSlices) of(r *Run, slice Span) int64 {
	for _, s := range m {
		same := s.run == r.ID
		if r.Tick != nil && s.ticks != nil {
			// The id of a tick's run ends with its backfill's: one of an earlier backfill of that name is another.
			same = s.ticks.Covers(Span{*r.Tick, *r.Tick}) && s.run[max(len(s.run)-8, 0):] == r.ID[max(len(r.ID)-8, 0):]
		}
		if same && s.slice.Covers(slice) {
			return s.id
		}
	}
	return 0
}

// parseMade reads the properties of a snapshot that a slice made.
func parseMade(p map[string]string) (madeSlice, error) {
	m := madeSlice{run: p[PropRun]}
	var err error
	if m.slice, err = parseSpan(p[PropSlice]); err != nil {
		return madeSlice{}, err
	}
	tick, ok := p[PropTick]
	if !ok {
		return m, nil
	}
	if !strings.Contains(tick, "/") {
		tick += "/" + tick
	}
	ticks, err := parseSpan(tick)
	m.ticks = &ticks
	return m, err
}

var errSpan = errors.New("want two times, as in 2013-01-01T00:00:00Z/2013-01-02T00:00:00Z")

// parseSpan reads what Span.String writes.
func parseSpan(text string) (Span, error) {
	a, b, ok := strings.Cut(text, "/")
	if !ok {
		return Span{}, errkind.Errorf(errkind.Corrupt, "interval '%s': %w", text, errSpan)
	}
	from, err := time.Parse(time.RFC3339, a)
	if err != nil {
		return Span{}, errkind.Errorf(errkind.Corrupt, "interval '%s': %w", text, errSpan)
	}
	to, err := time.Parse(time.RFC3339, b)
	if err != nil {
		return Span{}, errkind.Errorf(errkind.Corrupt, "interval '%s': %w", text, errSpan)
	}
	return Span{from.UTC(), to.UTC()}, nil
}
