package scan

import (
	"context"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weir-lake/weir/storage/lsm"
	"github.com/weir-lake/weir/table/manifest"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
)

// Mode says how Between reads the way from one snapshot to another, in Paimon's
// words (incremental-between-scan-mode).
type Mode string

// The modes.
const (
	ModeAuto      Mode = "auto"      // changelog if the table has a producer, else delta
	ModeDelta     Mode = "delta"     // the rows that APPENDs added, as they were written
	ModeChangelog Mode = "changelog" // the rows of changelog files
	ModeDiff      Mode = "diff"      // rows that are new or changed, as +I; no removals, as Java gives it
)

// Between streams what came between two snapshots: way holds the snapshots after
// from (nil: the empty table), ascending; the last one is the end.
func (x *Scanner) Between(ctx context.Context, mode Mode, from *snapshot.Snapshot, way []*snapshot.Snapshot, columns []string, fn func(rows arrow.RecordBatch, kinds []int8) error) error {
	fields := x.schema.Fields
	if columns != nil {
		var err error
		if fields, err = x.schema.Select(columns); err != nil {
			return err
		}
	}
	if mode == ModeAuto || mode == "" {
		if mode = ModeDelta; x.opts.ChangelogProducer != "none" {
			mode = ModeChangelog
		}
	}
	c := &changes{x: x, ctx: ctx, fields: fields, fn: fn}
	if len(way) == 0 {
		return nil
	}
	var err error
	if mode == ModeDiff && x.schema.HasPrimaryKey() {
		err = c.diff(from, way)
	} else {
		err = c.along(mode, way)
	}
	if err != nil {
		return fmt.Errorf("%s of snapshots to %d of %s: %w", mode, way[len(way)-1].ID, x.store.URI(""), err)
	}
	return nil
}

// along reads the stored rows of each snapshot in turn. The difference of an
// append table is what was added.
func (c *changes) along(mode Mode, way []*snapshot.Snapshot) error {
	for _, s := range way {
		list := ""
		switch {
		case mode == ModeChangelog && s.CommitKind != snapshot.Overwrite:
			list = s.ChangelogManifestList
		case mode != ModeChangelog && s.CommitKind == snapshot.Append:
			list = s.DeltaManifestList
		}
		if list == "" {
			continue
		}
		if err := c.rowsOf(list); err != nil {
			return err
		}
	}
	return nil
}

// diff compares the merged rows at both ends, for the keys in the files between.
func (c *changes) diff(from *snapshot.Snapshot, way []*snapshot.Snapshot) error {
	touched := map[manifest.BucketID]*keySet{}
	for _, s := range way {
		if s.CommitKind == snapshot.Compact || s.CommitKind == snapshot.Analyze {
			continue
		}
		added, removed, err := c.delta(s)
		if err != nil {
			return err
		}
		for _, e := range slices.Concat(removed, added) {
			id := e.BucketID()
			if touched[id] == nil {
				touched[id] = &keySet{keys: map[string]bool{}}
			}
			if err := c.addKeys(touched[id], &e); err != nil {
				return err
			}
		}
	}
	place := placeKeep{touched}
	before, err := c.live(from, place)
	if err != nil {
		return err
	}
	after, err := c.live(way[len(way)-1], place)
	if err != nil {
		return err
	}
	give := c.fn
	c.fn = func(rows arrow.RecordBatch, kinds []int8) error { return arrived(rows, kinds, give) }
	defer func() { c.fn = give }()
	for id, set := range touched {
		if err := c.compare(before[id], after[id], set); err != nil {
			return err
		}
	}
	return nil
}

// arrived hands on the rows that are new or have new values, as +I.
func arrived(rows arrow.RecordBatch, kinds []int8, fn func(arrow.RecordBatch, []int8) error) error {
	var sel []lsm.Ref
	for i, k := range kinds {
		if k == lsm.Insert || k == lsm.UpdateAfter {
			sel = append(sel, lsm.Ref{Row: int32(i)})
		}
	}
	if len(sel) == 0 {
		return nil
	}
	rec, err := lsm.GatherBatch(rows.Schema(), []arrow.RecordBatch{rows}, sel)
	if err != nil {
		return err
	}
	defer rec.Release()
	return fn(rec, make([]int8, len(sel)))
}

// fieldsWithKind are the columns to read and the kind behind them.
func fieldsWithKind(fields []schema.Field) []schema.Field {
	return append(slices.Clone(fields), kindField)
}
