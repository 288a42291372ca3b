package job

import (
	"bytes"
	"context"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weir-lake/weir/storage/lsm"
	"github.com/weir-lake/weir/table/manifest"
	"github.com/weir-lake/weir/table/rewrite"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
	"github.com/weir-lake/weir/table/write"
)

// keyChange is what the revision means for one key; nil is no row.
type keyChange struct {
	key           string
	before, after []byte // as decided
	current, next []byte // as the table is and is to be
	skipped       bool   // somebody else changed it since the base
}

// planKeyed brings the rows of each key to what the revision wants.
func (a *application) planKeyed(ctx context.Context, s *snapshot.Snapshot) (*planned, error) {
	changes, err := a.keyChanges(ctx, s)
	if err != nil {
		return nil, err
	}
	p := &planned{kind: snapshot.Append, discard: func(context.Context) error { return nil }}
	var old, new [][]byte
	for _, c := range changes {
		if c.skipped {
			p.done.Skipped++
		}
		if bytes.Equal(c.current, c.next) {
			continue
		}
		switch {
		case c.current == nil:
			p.done.Added++
		case c.next == nil:
			p.done.Removed++
		default:
			p.done.Changed++
		}
		if c.current != nil {
			old = append(old, c.current)
		}
		if c.next != nil {
			new = append(new, c.next)
		}
	}
	if len(old)+len(new) == 0 {
		return p, nil
	}
	for rows, to := range map[*[][]byte]*[]arrow.RecordBatch{&old: &p.removed, &new: &p.added} {
		b, err := a.rows.batch(*rows)
		if err != nil {
			return nil, err
		}
		*to = append(*to, b)
	}
	if a.upserts {
		err = a.planUpserts(ctx, p, changes)
	} else {
		err = a.planReplace(ctx, s, p, changes)
	}
	if err != nil {
		p.release()
		return nil, err
	}
	return p, nil
}

// keyChanges pairs the decided rows by key and rebases them on the table as it is.
func (a *application) keyChanges(ctx context.Context, s *snapshot.Snapshot) ([]*keyChange, error) {
	byKey := map[string]*keyChange{}
	var order []*keyChange
	take := func(list []arrow.RecordBatch, set func(*keyChange, []byte)) error {
		for _, rec := range list {
			err := a.rows.each(rec, func(_ int, key, row []byte) error {
				c := byKey[string(key)]
				if c == nil {
					c = &keyChange{key: string(key)}
					byKey[c.key] = c
					order = append(order, c)
				}
				set(c, bytes.Clone(row))
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	}
	if err := take(a.removed, func(c *keyChange, row []byte) { c.before = row }); err != nil {
		return nil, err
	}
	if err := take(a.added, func(c *keyChange, row []byte) { c.after = row }); err != nil {
		return nil, err
	}
	if s != nil {
		where := a.rows.firstKeyRange(a.schema, slices.Concat(a.removed, a.added))
		current, err := rowsOfKeys(ctx, a.scan, a.rows, s, where, func(key []byte) bool { return byKey[string(key)] != nil })
		if err != nil {
			return nil, err
		}
		for k, row := range current {
			byKey[k].current = row
		}
	}
	for _, c := range order {
		if err := a.rebase(c); err != nil {
			return nil, err
		}
	}
	return order, nil
}

// rebase decides what a key's row is to be. Where nobody changed it since the base that is what was decided. A row
// changed since keeps the columns that the revision leaves alone; of those that both changed the revision's count, or,
// for an undo, the newer ones. What the revision removes is removed, unless an undo finds that it changed.
func (a *application) rebase(c *keyChange) error {
	c.next = c.after
	if bytes.Equal(c.current, c.before) {
		return nil
	}
	c.skipped = true
	switch {
	case c.current == nil && a.rec.KeepNewer && c.before != nil:
		c.next = nil // removed since: it stays away
	case c.current == nil || c.before == nil && !a.rec.KeepNewer:
		// what was decided
	case c.before == nil, c.after == nil && a.rec.KeepNewer:
		c.next = c.current
	case c.after == nil:
		c.next = nil
	default:
		return a.mergeColumns(c)
	}
	return nil
}

// mergeColumns lays the columns that the revision changes over the current row.
func (a *application) mergeColumns(c *keyChange) error {
	var parts [3][][]byte
	for i, row := range [][]byte{c.before, c.after, c.current} {
		var err error
		if parts[i], err = a.rows.split.Split(nil, row); err != nil {
			return err
		}
	}
	c.next = nil
	for i := range parts[0] {
		was, want, now := parts[0][i], parts[1][i], parts[2][i]
		if bytes.Equal(was, want) || a.rec.KeepNewer && !bytes.Equal(was, now) {
			want = now
		}
		c.next = append(c.next, want...)
	}
	return nil
}

// planUpserts writes the changes to level 0.
func (a *application) planUpserts(ctx context.Context, p *planned, changes []*keyChange) error {
	var rows, logged [][]byte
	var kinds, logKinds []int8
	for _, c := range changes {
		switch {
		case bytes.Equal(c.current, c.next):
		case c.current == nil:
			rows, kinds = append(rows, c.next), append(kinds, lsm.Insert)
			logged, logKinds = append(logged, c.next), append(logKinds, lsm.Insert)
		case c.next == nil:
			rows, kinds = append(rows, c.current), append(kinds, lsm.Delete)
			logged, logKinds = append(logged, c.current), append(logKinds, lsm.Delete)
		default:
			rows, kinds = append(rows, c.next), append(kinds, lsm.UpdateAfter)
			logged, logKinds = append(logged, c.current, c.next), append(logKinds, lsm.UpdateBefore, lsm.UpdateAfter)
		}
	}
	if err := a.write(ctx, rows, kinds, a.writer.Write); err != nil {
		return err
	}
	if err := a.writeChangelog(ctx, logged, logKinds); err != nil {
		return err
	}
	messages, err := a.writer.Prepare(ctx)
	p.messages = messages
	p.discard = func(ctx context.Context) error { return a.writer.Discard(ctx, messages) }
	return err
}

func (a *application) write(ctx context.Context, rows [][]byte, kinds []int8, to func(context.Context, arrow.RecordBatch, []int8) error) error {
	rec, err := a.rows.batch(rows)
	if err != nil {
		return err
	}
	defer rec.Release()
	return to(ctx, rec, kinds)
}

// writeChangelog writes the exact changes for engines that follow the table's changelog, if it has one.
func (a *application) writeChangelog(ctx context.Context, rows [][]byte, kinds []int8) error {
	opts, err := a.schema.TableOptions()
	if err != nil || opts.ChangelogProducer != "input" {
		return err
	}
	return a.write(ctx, rows, kinds, a.writer.WriteChangelog)
}

// planReplace rewrites the buckets of the keys, where level 0 cannot say what changes.
func (a *application) planReplace(ctx context.Context, s *snapshot.Snapshot, p *planned, changes []*keyChange) error {
	var sets []keyedRow
	for _, c := range changes {
		if !bytes.Equal(c.current, c.next) {
			sets = append(sets, keyedRow{any: firstRow(c.next, c.current), row: c.next})
		}
	}
	buckets, err := bucketsOf(a.schema, a.rows, a.writer, sets)
	if err != nil {
		return err
	}
	p.kind = snapshot.Overwrite
	if p.messages, err = a.rewrite.Replace(ctx, s, buckets); err != nil {
		return err
	}
	p.discard = func(ctx context.Context) error { return a.rewrite.Discard(ctx, p.messages) }
	return nil
}

func firstRow(rows ...[]byte) []byte {
	for _, r := range rows {
		if r != nil {
			return r
		}
	}
	return nil
}

// keyedRow is a row to put in the place of a key; row is nil to remove the key, which any row of it names.
type keyedRow struct{ any, row []byte }

// bucketsOf sorts rows into the buckets they are to be put into.
func bucketsOf(s *schema.Schema, t *tableRows, w *write.Writer, sets []keyedRow) (map[manifest.BucketID]rewrite.Bucket, error) {
	all := make([][]byte, len(sets))
	for i, set := range sets {
		all[i] = set.any
	}
	rec, err := t.batch(all)
	if err != nil {
		return nil, err
	}
	defer rec.Release()
	places, err := w.Places(rec)
	if err != nil {
		return nil, err
	}
	enc, err := schema.NewRowEncoder(schema.TypesOf(s.KeyFields()))
	if err != nil {
		return nil, err
	}
	var cols []arrow.Array
	for _, f := range s.KeyFields() {
		cols = append(cols, rec.Column(s.FieldIndex(f.Name)))
	}
	if err := enc.Bind(cols); err != nil {
		return nil, err
	}
	opts, err := s.TableOptions()
	if err != nil {
		return nil, err
	}
	out := map[manifest.BucketID]rewrite.Bucket{}
	rows := map[manifest.BucketID][][]byte{}
	for i, set := range sets {
		b, ok := out[places[i]]
		if !ok {
			b = rewrite.Bucket{Total: opts.Bucket, Keys: map[string]bool{}}
		}
		b.Keys[string(enc.Append(nil, i))] = true
		out[places[i]] = b
		if set.row != nil {
			rows[places[i]] = append(rows[places[i]], set.row)
		}
	}
	for id, list := range rows {
		b := out[id]
		rec, err := t.batch(list)
		if err != nil {
			return nil, err
		}
		b.Rows = append(b.Rows, rec)
		out[id] = b
	}
	return out, nil
}

// difference counts of a revision.
type differenceCount struct{ Removed, Added, Changed int64 }

// countDifference counts the rows of a revision's difference; keys on both sides are changed.
func (m *Manager) countDifference(ctx context.Context, rec *RevisionRecord, s *schema.Schema) (differenceCount, error) {
	var n differenceCount
	t, err := newTableRows(s)
	if err != nil {
		return n, err
	}
	keys := map[string]bool{}
	err = m.RevisionRows(ctx, rec, func(added bool, rows arrow.RecordBatch) error {
		if len(t.key) == 0 {
			if added {
				n.Added += rows.NumRows()
			} else {
				n.Removed += rows.NumRows()
			}
			return nil
		}
		return t.each(rows, func(_ int, key, _ []byte) error {
			other, there := keys[string(key)]
			switch {
			case there && other != added:
				n.Changed++
				delete(keys, string(key))
			default:
				keys[string(key)] = added
			}
			return nil
		})
	})
	for _, added := range keys {
		if added {
			n.Added++
		} else {
			n.Removed++
		}
	}
	return n, err
}
