package scan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/weir-lake/weir/storage/lsm"
	"github.com/weir-lake/weir/table/manifest"
	"github.com/weir-lake/weir/table/predicate"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
)

// propChanges and changesExact mark snapshots whose changelog files hold their exact changes
// (docs/format/properties.md).
const (
	propChanges  = "weir.changes"
	changesExact = "exact"
)

// keysInFilterMax bounds the key values that a key-restricted read hands to page pruning; more of them
// reach nearly every page anyway, so only their range is used.
const keysInFilterMax = 1000

// Changes streams the exact changes that snapshot s made to the one before it, in batches of the columns
// asked for with a kind (+I 0, -U 1, +U 2, -D 3) per row. A compaction changes nothing. For an append table
// they are the rows of files added minus those of files removed; for a primary-key table the merged rows
// after minus those before, of the keys in the files between. prev is the snapshot before s, nil for none.
func (x *Scanner) Changes(ctx context.Context, prev, s *snapshot.Snapshot, columns []string, fn func(rows arrow.RecordBatch, kinds []int8) error) error {
	if s.CommitKind == snapshot.Compact || s.CommitKind == snapshot.Analyze {
		return nil
	}
	fields := x.schema.Fields
	if columns != nil {
		var err error
		if fields, err = x.schema.Select(columns); err != nil {
			return err
		}
	}
	c := &changes{x: x, ctx: ctx, fields: fields, fn: fn}
	var err error
	switch {
	case s.ChangelogManifestList != "" && s.Properties[propChanges] == changesExact:
		err = c.changelog(s)
	case !x.schema.HasPrimaryKey():
		err = c.appended(s)
	default:
		err = c.difference(prev, s)
	}
	if err != nil {
		return fmt.Errorf("changes of snapshot %d of %s: %w", s.ID, x.store.URI(""), err)
	}
	return nil
}

type changes struct {
	x      *Scanner
	ctx    context.Context
	fields []schema.Field
	fn     func(arrow.RecordBatch, []int8) error
}

// changelog reads the snapshot's changelog files, whose rows carry their kinds.
func (c *changes) changelog(s *snapshot.Snapshot) error {
	entries, err := c.x.manifests.ReadLive(c.ctx, []string{s.ChangelogManifestList}, nil)
	if err != nil {
		return err
	}
	fields := append(append([]schema.Field(nil), c.fields...), kindField)
	sc, err := schema.ArrowSchema(c.fields)
	if err != nil {
		return err
	}
	return c.each(entries, fields, func(rec arrow.RecordBatch) error {
		kinds := rec.Column(len(c.fields)).(*array.Int8).Int8Values()
		rec.Retain()
		rows := narrow(rec, sc)
		defer rows.Release()
		return c.fn(rows, kinds)
	})
}

// each streams files one after the other as the given fields.
func (c *changes) each(entries []manifest.Entry, fields []schema.Field, fn func(arrow.RecordBatch) error) error {
	run := &fileRun{ctx: c.ctx, x: c.x, files: entries, fields: fields}
	defer run.Release()
	for {
		rec, err := run.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		err = fn(rec)
		rec.Release()
		if err != nil {
			return err
		}
	}
}

// delta are the files that the snapshot added and removed.
func (c *changes) delta(s *snapshot.Snapshot) (added, removed []manifest.Entry, err error) {
	metas, err := c.x.manifests.ReadList(c.ctx, s.DeltaManifestList)
	if err != nil {
		return nil, nil, err
	}
	for _, m := range metas {
		entries, err := c.x.manifests.ReadEntries(c.ctx, m.FileName)
		if err != nil {
			return nil, nil, err
		}
		for _, e := range entries {
			switch {
			case e.Bucket < 0:
			case e.Kind == manifest.Add:
				added = append(added, e)
			default:
				removed = append(removed, e)
			}
		}
	}
	return added, removed, nil
}

func (c *changes) appended(s *snapshot.Snapshot) error {
	added, removed, err := c.delta(s)
	if err != nil {
		return err
	}
	give := func(kind int8) func(arrow.RecordBatch) error {
		return func(rec arrow.RecordBatch) error {
			kinds := make([]int8, rec.NumRows())
			for i := range kinds {
				kinds[i] = kind
			}
			return c.fn(rec, kinds)
		}
	}
	if len(removed) == 0 {
		return c.each(added, c.fields, give(lsm.Insert))
	}
	return c.net(added, removed)
}

// difference compares the merged rows before and after for the keys that the snapshot's files hold.
func (c *changes) difference(prev, s *snapshot.Snapshot) error {
	added, removed, err := c.delta(s)
	if err != nil {
		return err
	}
	touched := map[manifest.BucketID]*keySet{}
	for _, e := range append(removed, added...) {
		id := e.BucketID()
		if touched[id] == nil {
			touched[id] = &keySet{keys: map[string]bool{}}
		}
		if err := c.addKeys(touched[id], &e); err != nil {
			return err
		}
	}
	place := placeKeep{touched}
	before, err := c.live(prev, place)
	if err != nil {
		return err
	}
	after, err := c.live(s, place)
	if err != nil {
		return err
	}
	fresh := map[manifest.BucketID][]manifest.Entry{}
	for _, e := range added {
		fresh[e.BucketID()] = append(fresh[e.BucketID()], e)
	}
	ids := slices.SortedFunc(maps.Keys(touched), func(a, b manifest.BucketID) int {
		return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Bucket, b.Bucket))
	})
	onTop := c.stacks(added, removed)
	for _, id := range ids {
		if onTop {
			touched[id].top = fresh[id]
		}
		if err := c.compare(before[id], after[id], touched[id]); err != nil {
			return err
		}
	}
	return nil
}

// stacks reports whether the rows after are the rows before with the added files merged over them, so that
// the older files need not be read twice. That holds where folding in steps gives the same as at once: not
// with a sequence field, whose late rows go below others, nor where removals leave values behind.
func (c *changes) stacks(added, removed []manifest.Entry) bool {
	if len(removed) > 0 || slices.ContainsFunc(added, func(e manifest.Entry) bool { return e.File.Level != 0 }) {
		return false
	}
	cfg, err := MergeConfig(c.x.schema, nil)
	if err != nil || cfg.UpperOnce {
		return false
	}
	return len(cfg.UserSequence) == 0 && (cfg.Engine == lsm.Deduplicate || cfg.Engine == lsm.PartialUpdate && !cfg.RemoveOnDelete && len(cfg.Groups) == 0)
}

// keySet is the keys of a bucket that a snapshot touched, as BinaryRow bytes, and their first columns.
type keySet struct {
	keys  map[string]bool
	first []any // values of the first key column; nil once there are too many
	lo    any
	hi    any
	ints  map[int64]bool // all values of the first key column, by its type
	texts map[string]bool
	// top, if any, are the files of after that lie over those of before.
	top []manifest.Entry
}

// remember keeps a value of the first key column for may.
func (set *keySet) remember(v any) {
	switch v := v.(type) {
	case int64:
		if set.ints == nil {
			set.ints = map[int64]bool{}
		}
		set.ints[v] = true
	case string:
		if set.texts == nil {
			set.texts = map[string]bool{}
		}
		set.texts[v] = true
	}
}

// may reports cheaply, by the first key column, which rows can have a key of the set; nil: all.
func (set *keySet) may(col arrow.Array) func(row int) bool {
	switch a := col.(type) {
	case *array.Int64:
		return among(a.Int64Values(), set.ints)
	case *array.Int32:
		return among(a.Int32Values(), set.ints)
	case *array.Date32:
		return among(a.Date32Values(), set.ints)
	case *array.Timestamp:
		return among(a.TimestampValues(), set.ints)
	case *array.String:
		return func(row int) bool { return set.texts[a.Value(row)] }
	default:
		return nil
	}
}

func among[T ~int32 | ~int64](values []T, set map[int64]bool) func(row int) bool {
	return func(row int) bool { return set[int64(values[row])] }
}

func (c *changes) addKeys(set *keySet, e *manifest.Entry) error {
	fields := c.x.schema.KeyFields()
	enc, err := schema.NewRowEncoder(schema.TypesOf(fields))
	if err != nil {
		return err
	}
	many := len(set.keys) > keysInFilterMax
	return c.each([]manifest.Entry{*e}, fields, func(rec arrow.RecordBatch) error {
		if err := enc.Bind(rec.Columns()); err != nil {
			return err
		}
		for i := range int(rec.NumRows()) {
			key := string(enc.Append(nil, i))
			if set.keys[key] {
				continue
			}
			set.keys[key] = true
			v, err := schema.ValueAt(fields[0].Type, rec.Column(0), i)
			if err != nil {
				return err
			}
			set.remember(v)
			if set.lo == nil || schema.CompareValues(v, set.lo) < 0 {
				set.lo = v
			}
			if set.hi == nil || schema.CompareValues(v, set.hi) > 0 {
				set.hi = v
			}
			if many = many || len(set.keys) > keysInFilterMax; many {
				set.first = nil
			} else {
				set.first = append(set.first, v)
			}
		}
		return nil
	})
}

// filter prunes files and pages to those that can hold one of the keys.
func (set *keySet) filter(column string) predicate.And {
	if set.lo == nil {
		return nil
	}
	if len(set.first) > 0 {
		return predicate.And{{Column: column, Op: predicate.In, Values: set.first}}
	}
	return predicate.And{{Column: column, Op: predicate.Ge, Values: []any{set.lo}}, {Column: column, Op: predicate.Le, Values: []any{set.hi}}}
}

// placeKeep keeps the files of touched buckets.
type placeKeep struct{ touched map[manifest.BucketID]*keySet }

func (placeKeep) Manifest(*manifest.Meta) bool   { return true }
func (k placeKeep) Place(e *manifest.Entry) bool { return k.touched[e.BucketID()] != nil }
func (placeKeep) File(*manifest.Entry) bool      { return true }

func (c *changes) live(s *snapshot.Snapshot, keep manifest.Keep) (map[manifest.BucketID][]manifest.Entry, error) {
	out := map[manifest.BucketID][]manifest.Entry{}
	if s == nil {
		return out, nil
	}
	entries, err := c.x.manifests.ReadLive(c.ctx, []string{s.BaseManifestList, s.DeltaManifestList}, keep)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		out[e.BucketID()] = append(out[e.BucketID()], e)
	}
	return out, nil
}

// compare gives the difference of a bucket's merged rows before and after, for the keys of the set.
func (c *changes) compare(before, after []manifest.Entry, set *keySet) error {
	fields, err := MergeFields(c.x.schema, c.fields)
	if err != nil {
		return err
	}
	old, err := c.pick(nil, before, fields, set)
	if err != nil {
		return err
	}
	defer old.release()
	var base []arrow.RecordBatch
	if len(set.top) > 0 {
		base, after = old.batches, set.top
	}
	now, err := c.pick(base, after, fields, set)
	if err != nil {
		return err
	}
	defer now.release()
	var batches []arrow.RecordBatch
	batches = append(append(batches, old.batches...), now.batches...)
	shift := int32(len(old.batches))
	var sel []lsm.Ref
	var kinds []int8
	for _, k := range now.order {
		ref := now.at[k]
		ref.Batch += shift
		was, had := old.at[k]
		switch {
		case !had:
			sel, kinds = append(sel, ref), append(kinds, lsm.Insert)
		case !sameRow(batches[was.Batch], int(was.Row), batches[ref.Batch], int(ref.Row), len(c.fields)):
			sel, kinds = append(sel, was, ref), append(kinds, lsm.UpdateBefore, lsm.UpdateAfter)
		}
	}
	for _, k := range old.order {
		if _, still := now.at[k]; !still {
			sel, kinds = append(sel, old.at[k]), append(kinds, lsm.Delete)
		}
	}
	if len(sel) == 0 {
		return nil
	}
	sc, err := schema.ArrowSchema(c.fields)
	if err != nil {
		return err
	}
	for i := range batches {
		batches[i].Retain()
		batches[i] = narrow(batches[i], sc)
		defer batches[i].Release()
	}
	for len(sel) > 0 {
		n := min(len(sel), lsm.DefaultBatchRows)
		if n < len(sel) && kinds[n-1] == lsm.UpdateBefore {
			n-- // the two halves of an update stay together
		}
		rec, err := lsm.GatherBatch(sc, batches, sel[:n])
		if err != nil {
			return err
		}
		err = c.fn(rec, kinds[:n])
		rec.Release()
		if err != nil {
			return err
		}
		sel, kinds = sel[n:], kinds[n:]
	}
	return nil
}

// picked is the merged rows of some keys.
type picked struct {
	batches []arrow.RecordBatch
	at      map[string]lsm.Ref
	order   []string // keys in the order of the merge
}

func (p *picked) release() {
	for _, b := range p.batches {
		b.Release()
	}
}

// pick merges files and keeps the rows whose key is in the set.
// base, if any, are rows below the files, sorted and one a key.
func (c *changes) pick(base []arrow.RecordBatch, files []manifest.Entry, fields []schema.Field, set *keySet) (*picked, error) {
	p := &picked{at: map[string]lsm.Ref{}}
	if len(files)+len(base) == 0 {
		return p, nil
	}
	keyFields := c.x.schema.KeyFields()
	enc, err := schema.NewRowEncoder(schema.TypesOf(keyFields))
	if err != nil {
		return nil, err
	}
	var keyCols []int
	for _, k := range keyFields {
		for i, f := range fields {
			if f.Name == k.Name {
				keyCols = append(keyCols, i)
				break
			}
		}
	}
	cfg, err := MergeConfig(c.x.schema, fields)
	if err != nil {
		return nil, err
	}
	m, err := c.x.mergerOver(c.ctx, base, files, fields, cfg, set.filter(keyFields[0].Name))
	if err != nil {
		return nil, err
	}
	defer m.Release()
	for {
		rec, err := m.Next()
		if errors.Is(err, io.EOF) {
			return p, nil
		}
		if err == nil {
			err = p.take(rec, keyCols, enc, set)
			rec.Release()
		}
		if err != nil {
			p.release()
			return nil, err
		}
	}
}

// take keeps the rows of rec whose key is in the set, in a batch of their own.
func (p *picked) take(rec arrow.RecordBatch, keyCols []int, enc *schema.RowEncoder, set *keySet) error {
	cols := make([]arrow.Array, len(keyCols))
	for i, k := range keyCols {
		cols[i] = rec.Column(k)
	}
	if err := enc.Bind(cols); err != nil {
		return err
	}
	var sel []lsm.Ref
	var keys []string
	var buf []byte
	may := set.may(cols[0])
	for i := range int(rec.NumRows()) {
		if may != nil && !may(i) {
			continue
		}
		buf = enc.Append(buf[:0], i)
		if set.keys[string(buf)] {
			sel = append(sel, lsm.Ref{Row: int32(i)})
			keys = append(keys, string(buf))
		}
	}
	if len(sel) == 0 {
		return nil
	}
	kept, err := lsm.GatherBatch(rec.Schema(), []arrow.RecordBatch{rec}, sel)
	if err != nil {
		return err
	}
	for i, k := range keys {
		p.at[k] = lsm.Ref{Batch: int32(len(p.batches)), Row: int32(i)}
		p.order = append(p.order, k)
	}
	p.batches = append(p.batches, kept)
	return nil
}

// sameRow compares the first n columns of two rows.
func sameRow(a arrow.RecordBatch, i int, b arrow.RecordBatch, j, n int) bool {
	for c := range n {
		x, y := a.Column(c), b.Column(c)
		if x.IsNull(i) != y.IsNull(j) {
			return false
		}
		if x.IsNull(i) {
			continue
		}
		if !array.SliceEqual(x, int64(i), int64(i+1), y, int64(j), int64(j+1)) {
			return false
		}
	}
	return true
}
