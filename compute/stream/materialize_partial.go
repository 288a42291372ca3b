package stream

import (
	"bytes"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weir-lake/weir/compute/rowkey"
	"github.com/weir-lake/weir/compute/state"
	"github.com/weir-lake/weir/internal/errkind"
)

// partialMerger is the merge engine partial-update: a row sets the columns in which it is
// not NULL. The merged row of every key is kept, to know the exact change. Rows of one
// epoch are folded in their canonical order.
type partialMerger struct {
	opts   SinkOptions
	split  *rowkey.Splitter
	merged keyRows // seq is not used

	touched state.Index
	was     state.Blobs // per touched key: the merged row before
	set     state.Blobs // per touched key: the fold of the epoch's rows
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
	return &partialMerger{opts: opts, split: split}, err
}

func (m *partialMerger) apply(in []Delta, out *sinkOutput) error {
	m.touched, m.was, m.set = state.Index{}, state.Blobs{}, state.Blobs{}
	err := keyed(&m.opts, in, func(key, _, row []byte, w int64) error {
		if w < 0 {
			return ErrNotInsertOnly
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
	return err
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
