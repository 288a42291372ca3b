package scan

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/weir-lake/weir/storage/lsm"
	"github.com/weir-lake/weir/table/manifest"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
)

// StoredChanges streams what other engines read as the changelog of snapshot s:
// its changelog files, or for tables without a changelog producer the rows that
// an APPEND added, each with the kind it was written with, ordered by partition
// and bucket. For such tables these need not be exact changes: see Changes.
func (x *Scanner) StoredChanges(ctx context.Context, s *snapshot.Snapshot, columns []string, fn func(rows arrow.RecordBatch, kinds []int8) error) error {
	fields := x.schema.Fields
	if columns != nil {
		var err error
		if fields, err = x.schema.Select(columns); err != nil {
			return err
		}
	}
	c := &changes{x: x, ctx: ctx, fields: fields, fn: fn}
	if err := c.stored(s); err != nil {
		return fmt.Errorf("changelog of snapshot %d of %s: %w", s.ID, x.store.URI(""), err)
	}
	return nil
}

func (c *changes) stored(s *snapshot.Snapshot) error {
	list := s.ChangelogManifestList
	if list == "" {
		if s.CommitKind != snapshot.Append || c.x.opts.ChangelogProducer != "none" {
			return nil
		}
		list = s.DeltaManifestList
	}
	return c.rowsOf(list)
}

// rowsOf streams the rows of a list's files as they were written.
func (c *changes) rowsOf(list string) error {
	entries, err := c.x.manifests.ReadLive(c.ctx, []string{list}, nil)
	if err != nil {
		return err
	}
	entries, err = c.inPathOrder(entries)
	if err != nil {
		return err
	}
	if !c.x.schema.HasPrimaryKey() {
		return c.each(entries, c.fields, func(rec arrow.RecordBatch) error {
			return c.fn(rec, slices.Repeat([]int8{lsm.Insert}, int(rec.NumRows())))
		})
	}
	sc, err := schema.ArrowSchema(c.fields)
	if err != nil {
		return err
	}
	return c.each(entries, fieldsWithKind(c.fields), func(rec arrow.RecordBatch) error {
		kinds := rec.Column(len(c.fields)).(*array.Int8).Int8Values()
		rec.Retain()
		rows := narrow(rec, sc)
		defer rows.Release()
		return c.fn(rows, kinds)
	})
}

// inPathOrder sorts files by partition path and bucket, as readers of other
// engines go through them; postponed rows are no rows yet.
func (c *changes) inPathOrder(entries []manifest.Entry) ([]manifest.Entry, error) {
	paths := map[string]string{}
	out := slices.DeleteFunc(slices.Clone(entries), func(e manifest.Entry) bool { return e.Bucket < 0 })
	for i := range out {
		p := string(out[i].Partition)
		if _, ok := paths[p]; ok {
			continue
		}
		path, err := c.x.schema.PartitionPath(out[i].Partition)
		if err != nil {
			return nil, err
		}
		paths[p] = path
	}
	slices.SortStableFunc(out, func(a, b manifest.Entry) int {
		return cmp.Or(cmp.Compare(paths[string(a.Partition)], paths[string(b.Partition)]), cmp.Compare(a.Bucket, b.Bucket))
	})
	return out, nil
}
