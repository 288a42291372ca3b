package cut

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/snapshot"
)

// MakeOptions of Make.
type MakeOptions struct {
	// Fence is asked before the record is written; an error undoes the cut. Nil: nobody else can own the warehouse.
	Fence func(ctx context.Context) error
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// Make tags every table of r and then writes the record. The caller holds the versions against expiry. If it fails,
// what was done is undone, or left to Recover.
func (c *Cuts) Make(ctx context.Context, r Record, o MakeOptions) error {
	if o.Now == nil {
		o.Now = time.Now
	}
	r.Version, r.CreatedMs = formatVersion, o.Now().UnixMilli()
	if err := r.check(); err != nil {
		return err
	}
	if err := c.free(ctx, &r); err != nil {
		return err
	}
	if o.Fence != nil {
		if err := o.Fence(ctx); err != nil {
			return err
		}
	}
	if err := c.start(ctx, plan{Version: formatVersion, Do: doMake, Cut: r}); err != nil {
		return err
	}
	fenced, err := c.finish(ctx, &r, o)
	if err == nil {
		return c.done(ctx, r.Name)
	}
	if fenced {
		return fmt.Errorf("make cut %q: %w", r.Name, err) // the plan is the new owner's now
	}
	if undo := c.undo(context.WithoutCancel(ctx), &r); undo != nil {
		return fmt.Errorf("make cut %q: %w (undone at the next start: %w)", r.Name, err, undo)
	}
	return fmt.Errorf("make cut %q: %w", r.Name, err)
}

// free refuses a name that is in use, by a cut or by a tag of one of the tables. The tags of an automatic cut have
// names of Paimon's own making: one that is there was made by another engine on the table's behalf.
func (c *Cuts) free(ctx context.Context, r *Record) error {
	switch _, err := c.Get(ctx, r.Name); {
	case err == nil:
		return fmt.Errorf("%w: cut %s", ErrExists, r.Name)
	case !errors.Is(err, ErrNotFound):
		return err
	}
	if r.Automatic {
		return nil
	}
	return each(ctx, r.Tables, func(ctx context.Context, path string, _ Table) error {
		_, err := c.snapshots(path).Tag(ctx, r.Name)
		switch {
		case err == nil:
			return fmt.Errorf("%w: it has a tag %s", ErrExists, r.Name)
		case errors.Is(err, snapshot.ErrNotFound):
			return nil
		}
		return err
	})
}

func (c *Cuts) start(ctx context.Context, p plan) error {
	data, err := encode(p)
	if err != nil {
		return err
	}
	err = c.store.PutIfAbsent(ctx, planKey(p.Cut.Name), data)
	if errors.Is(err, objstore.ErrExists) {
		return fmt.Errorf("%w: %s", ErrUnfinished, p.Cut.Name)
	}
	if err != nil {
		return fmt.Errorf("plan cut %q: %w", p.Cut.Name, err)
	}
	return nil
}

func (c *Cuts) done(ctx context.Context, name string) error {
	if err := c.store.Delete(ctx, planKey(name)); err != nil {
		return fmt.Errorf("finish cut %q: %w", name, err)
	}
	return nil
}

// finish writes the tags that are missing, then the record. Fenced says that the warehouse has another owner.
func (c *Cuts) finish(ctx context.Context, r *Record, o MakeOptions) (fenced bool, err error) {
	err = each(ctx, r.Tables, func(ctx context.Context, path string, t Table) error {
		if t.Snapshot == 0 {
			return nil
		}
		return c.tag(ctx, r, path)
	})
	if err != nil {
		return false, err
	}
	if o.Fence != nil {
		if err := o.Fence(ctx); err != nil {
			return true, err
		}
	}
	return false, c.putRecord(ctx, r)
}

// putRecord makes the cut exist, or replaces its record by one of fewer tables.
func (c *Cuts) putRecord(ctx context.Context, r *Record) error {
	data, err := encode(r)
	if err != nil {
		return err
	}
	if err := c.store.Put(ctx, recordKey(r.Name), data); err != nil {
		return fmt.Errorf("write the record: %w", err)
	}
	return nil
}

// tag names the table's version, unless that is done already.
func (c *Cuts) tag(ctx context.Context, r *Record, path string) error {
	snaps, t := c.snapshots(path), r.Tables[path]
	there, err := snaps.Tag(ctx, r.Name)
	if err == nil && t.names(there.Snapshot) {
		return nil
	}
	if err != nil && !errors.Is(err, snapshot.ErrNotFound) {
		return err
	}
	s, err := snaps.Get(ctx, t.Snapshot)
	if err != nil {
		return err
	}
	if s.Hash != t.Hash {
		return fmt.Errorf("%w: snapshot %d is another one than before: the table was rolled back or replaced", ErrLost, t.Snapshot)
	}
	tag := snapshot.Tag{Name: r.Name, Snapshot: s, Retained: time.Duration(t.RetainedMs) * time.Millisecond,
		Created: snapshot.LocalWall(time.UnixMilli(r.CreatedMs))}
	if there != nil {
		err = c.move(ctx, snaps, there, tag, r.Automatic)
	} else {
		err = snaps.CreateTag(ctx, tag)
	}
	if err != nil {
		return err
	}
	// An expiry that looked at the tags before this one came would not have kept its files.
	if _, err := snaps.Get(ctx, t.Snapshot); err != nil {
		return fmt.Errorf("it expired while it was tagged: %w", err)
	}
	return nil
}

// move puts a tag that another engine made by itself within the hour to the version of the cut. If the old version
// has expired its files have no other keeper, and the tag must stay where it is.
func (c *Cuts) move(ctx context.Context, snaps *snapshot.Manager, there *snapshot.Tag, to snapshot.Tag, automatic bool) error {
	if automatic {
		_, err := snaps.Get(ctx, there.Snapshot.ID)
		if err == nil {
			return snaps.PutTag(ctx, to)
		}
		if !gone(err) {
			return err
		}
	}
	return fmt.Errorf("%w: it has a tag %s at snapshot %d", ErrExists, to.Name, there.Snapshot.ID)
}

// undo takes back what Make did and forgets its plan. A record whose writing was reported failed may be there.
func (c *Cuts) undo(ctx context.Context, r *Record) error {
	if err := c.store.Delete(ctx, recordKey(r.Name)); err != nil {
		return err
	}
	if err := c.untag(ctx, r); err != nil {
		return err
	}
	return c.done(ctx, r.Name)
}

// untag deletes the cut's tags with the files that only they kept. Tags that were moved are somebody else's.
func (c *Cuts) untag(ctx context.Context, r *Record) error {
	return each(ctx, r.Tables, func(ctx context.Context, path string, t Table) error {
		if t.Snapshot == 0 {
			return nil
		}
		tag, err := c.snapshots(path).Tag(ctx, r.Name)
		if errors.Is(err, snapshot.ErrNotFound) || err == nil && !t.names(tag.Snapshot) {
			return nil
		}
		if err != nil {
			return err
		}
		_, err = c.expirer(path).DeleteTag(ctx, r.Name)
		if errors.Is(err, snapshot.ErrNotFound) {
			return nil
		}
		return err
	})
}

// Remove ends a cut: the record goes first, then the tags.
func (c *Cuts) Remove(ctx context.Context, name string) error {
	r, err := c.Get(ctx, name)
	if err != nil {
		return err
	}
	return c.remove(ctx, r, nil)
}

// Drop takes the tables out of a cut, and removes a cut that has none left. The record goes first, then the tags.
func (c *Cuts) Drop(ctx context.Context, name string, tables []string) error {
	r, err := c.Get(ctx, name)
	if err != nil {
		return err
	}
	part, rest := *r, *r
	part.Tables, rest.Tables = map[string]Table{}, map[string]Table{}
	for path, t := range r.Tables {
		rest.Tables[path] = t
	}
	for _, path := range tables {
		if t, ok := rest.Tables[path]; ok {
			part.Tables[path] = t
			delete(rest.Tables, path)
		}
	}
	if len(rest.Tables) == 0 {
		return c.remove(ctx, r, nil)
	}
	return c.remove(ctx, &part, &rest)
}

func (c *Cuts) remove(ctx context.Context, part, rest *Record) error {
	if err := c.start(ctx, plan{Version: formatVersion, Do: doRemove, Cut: *part}); err != nil {
		return err
	}
	if err := c.removeParts(ctx, part, rest); err != nil {
		return fmt.Errorf("remove cut %q: %w", part.Name, err)
	}
	return nil
}

func (c *Cuts) removeParts(ctx context.Context, part, rest *Record) error {
	var err error
	if rest != nil {
		err = c.putRecord(ctx, rest)
	} else {
		err = c.store.Delete(ctx, recordKey(part.Name))
	}
	if err != nil {
		return err
	}
	if err := c.untag(ctx, part); err != nil {
		return err
	}
	return c.done(ctx, part.Name)
}

// Recovered counts what Recover did.
type Recovered struct{ Finished, Removed int }

// Recover finishes or removes what an earlier process left half done. Run it as the owner of the warehouse, before
// anything expires.
func (c *Cuts) Recover(ctx context.Context, o MakeOptions) (Recovered, error) {
	var out Recovered
	_, plans, err := c.names(ctx)
	if err != nil {
		return out, err
	}
	for _, name := range plans {
		made, err := c.recoverOne(ctx, name, o)
		if err != nil {
			return out, fmt.Errorf("recover cut %q: %w", name, err)
		}
		if made {
			out.Finished++
		} else {
			out.Removed++
		}
	}
	return out, nil
}

func (c *Cuts) recoverOne(ctx context.Context, name string, o MakeOptions) (made bool, err error) {
	data, err := objstore.ReadAll(ctx, c.store, planKey(name))
	if err != nil {
		return false, err
	}
	p, err := decodePlan(data)
	if err != nil {
		return false, fmt.Errorf("%s: %w", c.store.URI(planKey(name)), err)
	}
	if p.Do == doMake {
		if _, err := c.finish(ctx, &p.Cut, o); err == nil {
			return true, c.done(ctx, name)
		} else if !gone(err) && !errors.Is(err, ErrLost) && !errors.Is(err, ErrExists) {
			return false, err
		}
		return false, c.undo(ctx, &p.Cut)
	}
	rest, err := c.restOf(ctx, &p.Cut)
	if err != nil {
		return false, err
	}
	return false, c.removeParts(ctx, &p.Cut, rest)
}

// restOf is what stays of a cut of which part is being removed; nil: nothing.
func (c *Cuts) restOf(ctx context.Context, part *Record) (*Record, error) {
	data, err := objstore.ReadAll(ctx, c.store, recordKey(part.Name))
	if errors.Is(err, objstore.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	r, err := decodeRecord(data)
	if err != nil {
		return nil, err
	}
	for path := range part.Tables {
		delete(r.Tables, path)
	}
	if len(r.Tables) == 0 {
		return nil, nil
	}
	return r, nil
}
