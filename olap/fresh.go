package olap

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/session"
	"github.com/weir-lake/weir/internal/errkind"
)

// freshPause is the pause between two looks for a cut that is fresh enough: a fraction of the shortest epoch that makes
// sense.
const freshPause = 10 * time.Millisecond

// cutOf is the newest cut of the tables, and why it is not what the query asks for; empty: it is.
func (s *Service) cutOf(ctx context.Context, c session.Consistency, paths []string) (cut session.Cut, short string, err error) {
	e, age, heldBy, err := s.opts.Cuts.Cut(ctx, paths)
	if err != nil {
		return cut, "", err
	}
	cut = session.Cut{Level: c.Level, Epoch: e, AgeMillis: age.Milliseconds(), HeldBy: heldBy}
	switch {
	case e < c.AtLeast:
		short = "epoch " + number(c.AtLeast) + " is not complete for these tables"
	case c.AgeMax > 0 && age > c.AgeMax:
		short = "the newest cut of these tables is " + age.Round(time.Millisecond).String() + " old, more than " + c.AgeMax.String()
	default:
		return cut, "", nil
	}
	if heldBy != "" {
		short += ": job " + heldBy + " holds it at epoch " + number(e)
	}
	return cut, short, nil
}

func errStale(short string) error {
	return errkind.Errorf(errkind.Unavailable, "query: %s; read at level cut or latest, or see to the job", short)
}

// await waits, before the query takes a slot, until the tables have a cut as fresh as it asks for.
func (s *Service) await(ctx context.Context, q session.Query) error {
	c, err := levelOf(q)
	if err != nil || s.opts.Cuts == nil || c.AtLeast == 0 && c.AgeMax == 0 {
		return err
	}
	paths := cutPaths(q.Root)
	if len(paths) == 0 {
		return nil
	}
	var give <-chan time.Time
	for {
		_, short, err := s.cutOf(ctx, c, paths)
		if err != nil || short == "" {
			return err
		}
		if give == nil {
			select {
			case s.stale <- struct{}{}:
				defer func() { <-s.stale }()
			default:
				return ErrBusy
			}
			give = time.After(s.opts.FreshWait)
		}
		select {
		case <-time.After(freshPause):
		case <-give:
			return errStale(short)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// levelOf is the query's level of consistency.
func levelOf(q session.Query) (session.Consistency, error) {
	if q.Consistency == "" {
		return session.Consistency{Level: session.LevelCut}, nil
	}
	return session.ParseConsistency(q.Consistency)
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

// cutPaths are the tables that a query reads at its cut.
func cutPaths(root plan.Node) (paths []string) {
	plan.Walk(root, func(n plan.Node) {
		if sc, ok := n.(*plan.Scan); ok && sc.Table.Path != "" && sc.AsOf == nil && !slices.Contains(paths, sc.Table.Path) {
			paths = append(paths, sc.Table.Path)
		}
	})
	return paths
}
