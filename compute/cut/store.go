package cut

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/expire"
	"github.com/weir-lake/weir/table/snapshot"
)

// Sentinels of the package.
var (
	// ErrNotFound: there is no cut of that name.
	ErrNotFound = errkind.New(errkind.NotFound, "cut: there is no such cut")
	// ErrExists: a cut, or a tag on one of its tables, has that name already.
	ErrExists = errkind.New(errkind.Exists, "cut: the name is in use")
	// ErrUnfinished: a cut of that name is being made or removed.
	ErrUnfinished = errkind.New(errkind.Unavailable, "cut: it is being made or removed")
	// ErrLost: a version of the cut is not there any more.
	ErrLost = errkind.New(errkind.NotFound, "cut: a version of it is gone")
)

const (
	folder       = ".weir/cuts"
	recordSuffix = ".json"
	planSuffix   = ".plan"
	// tablesAtOnce bounds the tables worked on at the same time: enough to hide a far store's latency.
	tablesAtOnce = 8
)

// Cuts are the cuts of one warehouse. One process may change them: the one that owns the warehouse. Reading is safe
// everywhere.
type Cuts struct {
	store objstore.Store // the warehouse's root
	tags  func(path string) *snapshot.TagCache
}

// New gives access to the cuts of the warehouse at the store's root.
func New(store objstore.Store) *Cuts { return &Cuts{store: store} }

// KnowTags makes c look at the tags of a table through a cache, where fn has one, and returns c: without it the removal
// of one tag reads all others of the table.
func (c *Cuts) KnowTags(fn func(path string) *snapshot.TagCache) *Cuts {
	c.tags = fn
	return c
}

// expirer is what deletes the table's tags.
func (c *Cuts) expirer(path string) *expire.Expirer {
	x := expire.New(objstore.Sub(c.store, path))
	if c.tags != nil {
		if known := c.tags(path); known != nil {
			x.KnowTags(known)
		}
	}
	return x
}

func recordKey(name string) string { return folder + "/" + name + recordSuffix }
func planKey(name string) string   { return folder + "/" + name + planSuffix }

func (c *Cuts) snapshots(path string) *snapshot.Manager {
	return snapshot.NewManager(objstore.Sub(c.store, path), "")
}

// Get reads the cut of that name: ErrNotFound, or ErrUnfinished while it is being made.
func (c *Cuts) Get(ctx context.Context, name string) (*Record, error) {
	if err := snapshot.CheckName("cut", name); err != nil {
		return nil, err
	}
	data, err := objstore.ReadAll(ctx, c.store, recordKey(name))
	if errors.Is(err, objstore.ErrNotFound) {
		_, err := c.store.Stat(ctx, planKey(name))
		switch {
		case err == nil:
			return nil, fmt.Errorf("%w: %s", ErrUnfinished, name)
		case !errors.Is(err, objstore.ErrNotFound):
			return nil, fmt.Errorf("look for cut %q: %w", name, err)
		}
		return nil, fmt.Errorf("%w: %s", ErrNotFound, name)
	}
	if err != nil {
		return nil, fmt.Errorf("read cut %q: %w", name, err)
	}
	r, err := decodeRecord(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.store.URI(recordKey(name)), err)
	}
	return r, nil
}

// List reads all cuts, oldest first.
func (c *Cuts) List(ctx context.Context) ([]Record, error) {
	names, _, err := c.names(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]Record, 0, len(names))
	for _, n := range names {
		r, err := c.Get(ctx, n)
		if errkind.Is(err, errkind.NotFound) || errors.Is(err, ErrUnfinished) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		out = append(out, *r)
	}
	slices.SortStableFunc(out, func(a, b Record) int { return int(a.CreatedMs - b.CreatedMs) })
	return out, nil
}

// Names of all cuts, in the order of their text, which is that of time for automatic ones.
func (c *Cuts) Names(ctx context.Context) ([]string, error) {
	names, _, err := c.names(ctx)
	return names, err
}

// names are those of records and of plans.
func (c *Cuts) names(ctx context.Context) (records, plans []string, err error) {
	all, err := c.store.ListDirs(ctx, folder)
	if err != nil {
		return nil, nil, fmt.Errorf("list cuts: %w", err)
	}
	for _, n := range all {
		if name, ok := strings.CutSuffix(n, recordSuffix); ok {
			records = append(records, name)
		} else if name, ok := strings.CutSuffix(n, planSuffix); ok {
			plans = append(plans, name)
		}
	}
	slices.Sort(records)
	return records, plans, nil
}

// Version is the snapshot of the table at path in the cut; nil: it had none. ErrLost when neither tag nor snapshot
// is there any more, or the tag names another version.
func (c *Cuts) Version(ctx context.Context, r *Record, path string) (*snapshot.Snapshot, error) {
	t, ok := r.Tables[path]
	if !ok {
		if why := r.LeftOut[path]; why != "" {
			return nil, errkind.Errorf(errkind.NotFound, "cut %s has no version of %s: %s", r.Name, path, why)
		}
		return nil, errkind.Errorf(errkind.NotFound, "cut %s has no version of %s", r.Name, path)
	}
	if t.Snapshot == 0 {
		return nil, nil
	}
	snaps := c.snapshots(path)
	tag, err := snaps.Tag(ctx, r.Name)
	switch {
	case err == nil && t.names(tag.Snapshot):
		return tag.Snapshot, nil
	case err == nil:
		return nil, fmt.Errorf("%w: tag %q of %s was moved from snapshot %d to %d", ErrLost, r.Name, path, t.Snapshot, tag.Snapshot.ID)
	case !errors.Is(err, snapshot.ErrNotFound):
		return nil, err
	}
	s, err := snaps.Get(ctx, t.Snapshot)
	if err == nil && t.names(s) {
		return s, nil
	}
	if err != nil && !gone(err) {
		return nil, err
	}
	return nil, fmt.Errorf("%w: tag %q of %s was deleted by another program, and snapshot %d has expired", ErrLost, r.Name, path, t.Snapshot)
}

func gone(err error) bool {
	return errors.Is(err, snapshot.ErrNotFound) || errors.Is(err, snapshot.ErrNone) || errors.Is(err, objstore.ErrNotFound)
}

// TableError says which table of a cut is in the way.
type TableError struct {
	Path string
	Err  error
}

func (e *TableError) Error() string { return fmt.Sprintf("table %s: %v", e.Path, e.Err) }
func (e *TableError) Unwrap() error { return e.Err }

// each runs fn for every table, several at once; the first error ends it.
func each(ctx context.Context, tables map[string]Table, fn func(ctx context.Context, path string, t Table) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(tablesAtOnce)
	for path, t := range tables {
		g.Go(func() error {
			if err := fn(ctx, path, t); err != nil {
				return &TableError{path, err}
			}
			return nil
		})
	}
	return g.Wait()
}
