package stream

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/rowkey"
	"github.com/weir-lake/weir/compute/state"
	"github.com/weir-lake/weir/internal/errkind"
)

// partialMerger is the merge engine partial-update: a row sets the columns in which it is
// not NULL. The merged row of every key is kept, to know the exact change. Rows of one
// epoch are folded in their canonical order.
type partialMerger struct {
	opts   SinkOptions
	schema *arrow.Schema
	mem    memory.Allocator
	split  *rowkey.Splitter
	merged keyRows // seq is not used

	touched state.Index
	was     state.Blobs // per touched key: the merged row before
	set     state.Blobs // per touched key: the fold of the epoch's rows
	undone  state.Index // keys to fold anew in the epoch; they are in none of the above
	revised bool        // all keys of the epoch are
	a, b    [][]byte
	buf     []byte
}

func newPartialMerger(opts SinkOptions, schema *arrow.Schema) (*partialMerger, error) {
	if !opts.InsertOnly {
		return nil, errkind.New(errkind.Invalid,
			"the query takes rows away or changes them, which the merge engine 'partial-update' cannot undo: write an insert-only query")
	}
	if len(opts.Sequence) > 0 {
		return nil, errkind.New(errkind.Invalid,
			"'sequence.field' with the merge engine 'partial-update' cannot be written by a streaming query: rows are folded in the order of the epochs")
	}
	types := make([]arrow.DataType, schema.NumFields())
	for i, f := range schema.Fields() {
		types[i] = f.Type
	}
	split, err := rowkey.NewSplitter(types)
	return &partialMerger{opts: opts, schema: schema, mem: opts.Allocator, split: split}, err
}

func (m *partialMerger) apply(in []Delta, out *sinkOutput) error {
	m.touched, m.was, m.set, m.undone = state.Index{}, state.Blobs{}, state.Blobs{}, state.Index{}
	if err := m.findUndone(in); err != nil {
		return err
	}
	err := keyed(&m.opts, in, func(key, _, row []byte, w int64) error {
		if _, undone := m.undone.Find(key); undone {
			return nil
		}
		t, added := m.touched.Put(key)
		s := m.merged.slot(key)
		if added {
			m.was.Set(t, m.merged.row.Get(s))
		}
		if err := m.fold(&m.merged.row, s, row); err != nil {
			return err
		}
		return m.fold(&m.set, t, row)
	})
	if err != nil {
		return err
	}
	m.touched.Each(func(t state.Slot) bool {
		s, _ := m.merged.keys.Find(m.touched.Key(t))
		err = out.replace(m.was.Get(t), m.merged.row.Get(s), m.set.Get(t))
		return err == nil
	})
	if err != nil || m.undone.Len() == 0 {
		return err
	}
	return m.refold(out)
}

// findUndone notes the keys that rows are taken away from, or come to out of their order.
func (m *partialMerger) findUndone(in []Delta) error {
	losing := slices.ContainsFunc(in, retracts)
	switch {
	case m.opts.Refold == nil && losing:
		return ErrNotInsertOnly
	case m.opts.Refold == nil || !losing && !m.revised:
		return nil
	}
	return keyed(&m.opts, in, func(key, _, _ []byte, w int64) error {
		if w < 0 || m.revised {
			m.undone.Put(key)
		}
		return nil
	})
}

// refold folds all rows of the keys that lost some anew, in their canonical order: what a row had set cannot be taken
// out of the fold.
func (m *partialMerger) refold(out *sinkOutput) error {
	keys, err := m.undoneKeys()
	if err != nil {
		return err
	}
	defer keys.Release()
	rows, err := m.opts.Refold(keys)
	if err != nil {
		return fmt.Errorf("fold the rows of %d keys anew: %w", keys.NumRows(), err)
	}
	defer releaseAll(rows)
	lists := map[string][][]byte{}
	err = keyed(&m.opts, rows, func(key, _, row []byte, w int64) error {
		if _, wanted := m.undone.Find(key); wanted && w > 0 {
			lists[string(key)] = append(lists[string(key)], bytes.Clone(row))
		}
		return nil
	})
	if err != nil {
		return err
	}
	m.undone.Each(func(u state.Slot) bool {
		key := m.undone.Key(u)
		list := lists[string(key)]
		slices.SortFunc(list, bytes.Compare)
		err = m.renew(key, list, out)
		return err == nil
	})
	return err
}

// undoneKeys are the keys as a batch of the key columns.
func (m *partialMerger) undoneKeys() (arrow.RecordBatch, error) {
	fields := make([]arrow.Field, len(m.opts.Key))
	for i, k := range m.opts.Key {
		fields[i] = m.schema.Field(k)
	}
	b := array.NewRecordBuilder(m.mem, arrow.NewSchema(fields, nil))
	defer b.Release()
	dec, err := rowkey.NewDecoder(b.Fields())
	if err != nil {
		return nil, err
	}
	m.undone.Each(func(u state.Slot) bool {
		_, err = dec.Append(m.undone.Key(u))
		return err == nil
	})
	if err != nil {
		return nil, err
	}
	return b.NewRecordBatch(), nil
}

// renew puts the fold of the rows in the place of the key's merged row.
func (m *partialMerger) renew(key []byte, rows [][]byte, out *sinkOutput) error {
	s := m.merged.slot(key)
	was := bytes.Clone(m.merged.row.Get(s))
	m.merged.row.Delete(s)
	for _, row := range rows {
		if err := m.fold(&m.merged.row, s, row); err != nil {
			return err
		}
	}
	now := m.merged.row.Get(s)
	if now == nil {
		m.merged.keys.Delete(s)
	}
	possible, err := m.settable(was, now)
	if err != nil {
		return err
	}
	if possible || bytes.Equal(was, now) {
		return out.replace(was, now, nil)
	}
	out.replaced = append(out.replaced, Replaced{Key: bytes.Clone(key), Was: was, Now: bytes.Clone(now)})
	if now == nil {
		return out.changelog.add(KindDelete, was)
	}
	return firstError(out.changelog.add(KindUpdateBefore, was), out.changelog.add(KindUpdateAfter, now))
}

// settable tells whether writing now over was gives now: no value becomes NULL again.
func (m *partialMerger) settable(was, now []byte) (bool, error) {
	if now == nil {
		return was == nil, nil
	}
	if was == nil {
		return true, nil
	}
	var err error
	if m.a, err = m.split.Split(m.a[:0], was); err != nil {
		return false, err
	}
	if m.b, err = m.split.Split(m.b[:0], now); err != nil {
		return false, err
	}
	for i := range m.a {
		if rowkey.IsNull(m.b[i]) && !rowkey.IsNull(m.a[i]) {
			return false, nil
		}
	}
	return true, nil
}

// fold sets the columns of the slot's row in which row is not NULL.
func (m *partialMerger) fold(rows *state.Blobs, s state.Slot, row []byte) error {
	old := rows.Get(s)
	if old == nil {
		rows.Set(s, row)
		return nil
	}
	var err error
	if m.a, err = m.split.Split(m.a[:0], old); err != nil {
		return err
	}
	if m.b, err = m.split.Split(m.b[:0], row); err != nil {
		return err
	}
	m.buf = m.buf[:0]
	for i := range m.a {
		if rowkey.IsNull(m.b[i]) {
			m.buf = append(m.buf, m.a[i]...)
		} else {
			m.buf = append(m.buf, m.b[i]...)
		}
	}
	if !bytes.Equal(m.buf, old) {
		rows.Set(s, m.buf)
	}
	return nil
}

// seed takes rows of the table.
func (m *partialMerger) seed(rows arrow.RecordBatch) error {
	d := Delta{Rows: rows}
	if err := checkInput(schemaOf(m.opts.Columns), d); err != nil {
		return err
	}
	return keyed(&m.opts, []Delta{d}, func(key, _, row []byte, _ int64) error {
		m.merged.set(m.merged.slot(key), nil, row)
		return nil
	})
}

func (m *partialMerger) save(w stateWriter) {
	m.merged.keys.Save(w)
	m.merged.keys.Each(func(s state.Slot) bool {
		w.Bytes(m.merged.row.Get(s))
		return w.Err() == nil
	})
}

func (m *partialMerger) load(r stateReader) error {
	m.merged = keyRows{}
	if err := m.merged.keys.Load(r); err != nil {
		return err
	}
	m.merged.keys.Each(func(s state.Slot) bool {
		m.merged.row.Set(s, r.Bytes())
		return r.Err() == nil
	})
	return r.Err()
}

func (m *partialMerger) size() (int64, int64) {
	return int64(m.merged.keys.Len()), m.merged.keys.SizeBytes() + m.merged.row.SizeBytes()
}
