package revision

import (
	"context"
	"fmt"
	"strconv"

	"github.com/weir-lake/weir/compute/session"
	"github.com/weir-lake/weir/internal/errkind"
)

// Procedures are what CALL sys.* does with revisions:
//
//	sys.revise(table, from, to, sql [, column => ..] [, why => ..] [, dry_run => 'true'])
//	sys.undo_revision(id [, why => ..] [, dry_run => 'true'])
//
// They return when the revision is at its end.
func (s *Service) Procedures() map[string]session.Procedure {
	columns := []string{"id", "state", "rows_added", "rows_removed", "rows_changed", "epoch", "snapshot"}
	return map[string]session.Procedure{
		"revise": session.TextProcedure{Name: "revise", Params: []string{"table", "from", "to", "sql", "column", "why", "dry_run"},
			Needed: []string{"table", "from", "to", "sql"}, Columns: columns,
			Run: func(ctx context.Context, user string, a map[string]string) ([]string, error) {
				return s.call(ctx, user, a["dry_run"], Request{Table: a["table"], From: a["from"], To: a["to"], SQL: a["sql"], Column: a["column"], Why: a["why"]})
			}},
		"undo_revision": session.TextProcedure{Name: "undo_revision", Params: []string{"id", "why", "dry_run"}, Needed: []string{"id"}, Columns: columns,
			Run: func(ctx context.Context, user string, a map[string]string) ([]string, error) {
				return s.call(ctx, user, a["dry_run"], Request{Undo: a["id"], Why: a["why"]})
			}},
	}
}

func (s *Service) call(ctx context.Context, user, dry string, r Request) ([]string, error) {
	row := func(id, state string, n Counts, epoch, snapshot int64) []string {
		out := []string{id, state}
		for _, v := range []int64{n.Added, n.Removed, n.Changed, epoch, snapshot} {
			out = append(out, strconv.FormatInt(v, 10))
		}
		return out
	}
	switch dry {
	case "", "false":
	case "true":
		p, err := s.DryRun(ctx, r)
		if err != nil {
			return nil, err
		}
		return row("", "dry run", p.Counts, 0, 0), nil
	default:
		return nil, errkind.Errorf(errkind.Invalid, "dry_run = '%s': want 'true' or 'false'", dry)
	}
	e, err := s.Revise(ctx, r, user)
	if err != nil {
		return nil, err
	}
	if e, err = s.Wait(ctx, e.ID, nil); err != nil {
		return nil, err
	}
	if e.State == Failed {
		return nil, fmt.Errorf("revision %s: %w", e.ID, errkind.New(errkind.Invalid, e.Error))
	}
	return row(e.ID, string(e.State), Counts{Added: e.Added, Removed: e.Removed, Changed: e.Changed}, e.Epoch, e.Snapshot), nil
}
