package schedule

import (
	"context"
	"strconv"
	"time"

	"github.com/weir-lake/weir/compute/session"
	"github.com/weir-lake/weir/internal/errkind"
)

// Procedures are what CALL sys.* does with backfills:
//
//	sys.create_backfill(name, sql [, cron => ..] [, timezone => ..] [, clock => ..] [, catch_up => ..] [, slice => ..]
//	    [, delay => ..] [, together => '7'] [, priority => ..] [, start => ..] [, database => ..])
//	sys.run_backfill(name, from, to)
//	sys.pause_backfill(name), sys.resume_backfill(name), sys.drop_backfill(name)
//	sys.cancel_backfill_run(name, run)
//
// A run goes on after the call: sys.backfill_runs says how far it is.
func (s *Scheduler) Procedures() map[string]session.Procedure {
	out := map[string]session.Procedure{}
	add := func(name string, params, needed []string, run func(ctx context.Context, user string, a map[string]string) ([]string, error)) {
		out[name] = session.TextProcedure{Name: name, Params: params, Needed: needed, Columns: []string{"name", "state"}, Run: run}
	}
	add("create_backfill", []string{"name", "sql", "cron", "timezone", "clock", "catch_up", "slice", "delay", "together", "priority", "start", "database"},
		[]string{"name", "sql"}, s.callCreate)
	add("run_backfill", []string{"name", "from", "to"}, []string{"name", "from", "to"}, func(ctx context.Context, user string, a map[string]string) ([]string, error) {
		var span Span
		var err error
		if span.From, err = ParseTime(a["from"]); err != nil {
			return nil, err
		}
		if span.To, err = ParseTime(a["to"]); err != nil {
			return nil, err
		}
		r, err := s.Run(ctx, a["name"], span, user)
		return []string{r.ID, string(r.State)}, err
	})
	for name, do := range map[string]func(context.Context, string) (Backfill, error){"pause_backfill": s.Pause, "resume_backfill": s.Resume} {
		add(name, []string{"name"}, []string{"name"}, func(ctx context.Context, _ string, a map[string]string) ([]string, error) {
			b, err := do(ctx, a["name"])
			return []string{b.Name, string(b.State)}, err
		})
	}
	add("drop_backfill", []string{"name"}, []string{"name"}, func(ctx context.Context, _ string, a map[string]string) ([]string, error) {
		return []string{a["name"], string(Dropped)}, s.Drop(ctx, a["name"])
	})
	add("cancel_backfill_run", []string{"name", "run"}, []string{"name", "run"}, func(ctx context.Context, _ string, a map[string]string) ([]string, error) {
		r, err := s.Cancel(ctx, a["name"], a["run"])
		return []string{r.ID, string(r.State)}, err
	})
	return out
}

func (s *Scheduler) callCreate(ctx context.Context, user string, a map[string]string) ([]string, error) {
	d := Definition{Name: a["name"], SQL: a["sql"], Cron: a["cron"], Timezone: a["timezone"], Clock: a["clock"], CatchUp: a["catch_up"], Slice: a["slice"],
		Delay: a["delay"], Priority: a["priority"], Database: a["database"], User: user}
	if text := a["together"]; text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, errkind.Errorf(errkind.Invalid, "together '%s': want a number of slices", text)
		}
		d.Together = n
	}
	if text := a["start"]; text != "" {
		start, err := ParseTime(text)
		if err != nil {
			return nil, err
		}
		d.Start = &start
	}
	b, err := s.Create(ctx, d)
	return []string{b.Name, string(b.State)}, err
}

// timeLayouts are the forms of ParseTime.
var timeLayouts = []string{time.RFC3339, "2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04", time.DateOnly}

// ParseTime reads a moment as people write it, in UTC unless it names an offset.
func ParseTime(text string) (time.Time, error) {
	for _, l := range timeLayouts {
		if t, err := time.Parse(l, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, errkind.Errorf(errkind.Invalid, "'%s' is no time: want 2013-07-01, '2013-07-01 03:00:00' (UTC) or 2013-07-01T03:00:00+02:00", text)
}
