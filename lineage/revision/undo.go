package revision

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/compute/rowkey"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/catalog"
	"github.com/weir-lake/weir/table/predicate"
)

// undone finds the revision that a request undoes, and its table. id is the undo's own, if it has one.
func (s *Service) undone(ctx context.Context, r Request, id string) (*target, *job.RevisionRecord, error) {
	if r.SQL != "" || r.From != "" || r.To != "" || r.Column != "" {
		return nil, nil, errkind.New(errkind.Invalid, "revise: an undo takes nothing but the id of the revision: its range and rows are known")
	}
	rec, err := s.opts.Jobs.RevisionRecord(ctx, r.Undo)
	if errkind.Is(err, errkind.NotFound) {
		return nil, nil, notFound(r.Undo)
	}
	if err != nil {
		return nil, nil, err
	}
	switch {
	case rec.Done == nil:
		return nil, nil, errkind.Errorf(errkind.Conflict, "revision %s is not committed yet: wait for it", r.Undo)
	case rec.Done.Snapshot == 0:
		return nil, nil, errkind.Errorf(errkind.Invalid, "revision %s changed nothing: there is nothing to undo", r.Undo)
	}
	undos, err := s.ledger.List(ctx, predicate.And{{Column: "undo_of", Op: predicate.Eq, Values: []any{r.Undo}}})
	if err != nil {
		return nil, nil, err
	}
	for _, e := range undos {
		if e.State != Failed && e.ID != id {
			return nil, nil, errkind.Errorf(errkind.Conflict, "revision %s is undone by %s: to have it back, undo that one", r.Undo, e.ID)
		}
	}
	t, err := s.lookup(ctx, tableName(rec.Table))
	if err != nil {
		return nil, nil, err
	}
	if r.Table != "" {
		if named, err := catalog.ParseIdentifier(r.Table, catalog.DefaultDatabase); err != nil || named != t.id {
			return nil, nil, errkind.Errorf(errkind.Invalid, "revision %s is of %s, not of %s", r.Undo, t.id, r.Table)
		}
	}
	t.rng = rec.Range
	return t, rec, nil
}

// tableName is the name of the table at a path.
func tableName(path string) string {
	for i := range len(path) - 3 {
		if path[i:i+4] == ".db/" {
			return path[:i] + "." + path[i+4:]
		}
	}
	return path
}

// prepareUndo makes the inverse difference.
func (s *Service) prepareUndo(ctx context.Context, r Request, id string) (*prepared, error) {
	t, rec, err := s.undone(ctx, r, id)
	if err != nil {
		return nil, err
	}
	p, err := s.open(ctx, t, id)
	if err != nil {
		return nil, err
	}
	p.change.KeepNewer = true
	d, err := newDifference(t)
	if err != nil {
		p.close()
		return nil, err
	}
	var removed, added [][]byte
	err = s.opts.Jobs.RevisionRows(ctx, rec, func(was bool, rows arrow.RecordBatch) error {
		if !sameTypes(rows.Schema(), d.schema) {
			return errkind.Errorf(errkind.Invalid, "revise %s: the table has other columns than when it was revised", t.id)
		}
		enc, err := rowkey.NewEncoder(rows.Columns())
		if err != nil {
			return err
		}
		for i := range int(rows.NumRows()) {
			if was {
				removed = append(removed, enc.Append(nil, i))
			} else {
				added = append(added, enc.Append(nil, i))
			}
		}
		return nil
	})
	if err == nil {
		err = p.take(d, removed, added)
	}
	if err != nil {
		p.close()
		return nil, fmt.Errorf("undo revision %s: %w", r.Undo, err)
	}
	return p, nil
}

func sameTypes(a, b *arrow.Schema) bool {
	return slices.EqualFunc(a.Fields(), b.Fields(), func(x, y arrow.Field) bool { return x.Name == y.Name && arrow.TypeEqual(x.Type, y.Type) })
}

func sortedNames(m map[string]int64) []string { return slices.Sorted(maps.Keys(m)) }
