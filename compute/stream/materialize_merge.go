package stream

import (
	"bytes"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/rowkey"
	"github.com/weir-lake/weir/compute/state"
	"github.com/weir-lake/weir/internal/errkind"
)

// ErrSequenceBack: a key's row would be replaced by one that the table's sequence.field calls older.
var ErrSequenceBack = errkind.New(errkind.Invalid,
	"the query replaces a row by one with a smaller value of the table's sequence.field, which readers of the table would ignore: "+
		"drop 'sequence.field' or choose a column that only grows")

// appendMerger writes every row of a result that only gains rows. Rows are taken away only where somebody repairs a
// table that the result is made from; the sink then takes them out of its files.
type appendMerger struct{}

func (appendMerger) apply(in []Delta, out *sinkOutput) error {
	var row []byte
	for _, d := range in {
		enc, err := rowkey.NewEncoder(d.Rows.Columns())
		if err != nil {
			return err
		}
		for i := range int(d.Rows.NumRows()) {
			row = enc.Append(row[:0], i)
			for range -d.weight(i) {
				if err := out.removed.add(KindDelete, row); err != nil {
					return err
				}
			}
			for range d.weight(i) {
				if err := out.replace(nil, row, nil); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (appendMerger) save(stateWriter)       {}
func (appendMerger) load(stateReader) error { return nil }
func (appendMerger) size() (int64, int64)   { return 0, 0 }

// keyed calls fn with the encoded key, sequence value and row of every change.
func keyed(opts *SinkOptions, in []Delta, fn func(key, seq, row []byte, w int64) error) error {
	var key, seq, row []byte
	for _, d := range in {
		keyEnc, err := rowkey.NewKeyEncoder(pick(d.Rows, opts.Key))
		if err != nil {
			return err
		}
		seqEnc, err := rowkey.NewSortEncoder(pick(d.Rows, opts.Sequence), sequenceOrders(opts))
		if err != nil {
			return err
		}
		rowEnc, err := rowkey.NewEncoder(d.Rows.Columns())
		if err != nil {
			return err
		}
		for i := range int(d.Rows.NumRows()) {
			key, seq, row = keyEnc.Append(key[:0], i), seqEnc.Append(seq[:0], i), rowEnc.Append(row[:0], i)
			if err := fn(key, seq, row, d.weight(i)); err != nil {
				return err
			}
		}
	}
	return nil
}

func pick(rows arrow.RecordBatch, cols []int) []arrow.Array {
	out := make([]arrow.Array, len(cols))
	for i, c := range cols {
		out[i] = rows.Column(c)
	}
	return out
}

// sequenceOrders makes the row that wins the last one; NULL loses in both directions.
func sequenceOrders(opts *SinkOptions) []rowkey.Order {
	out := make([]rowkey.Order, len(opts.Sequence))
	for i := range out {
		out[i] = rowkey.Order{Desc: opts.SequenceDescending, NullsFirst: true}
	}
	return out
}

// uniqueMerger passes on the changes of a result with one row per key.
type uniqueMerger struct {
	opts   SinkOptions
	mem    memory.Allocator
	schema *arrow.Schema
}

func (m *uniqueMerger) apply(in []Delta, out *sinkOutput) error {
	if len(in) > 1 { // rows that one epoch gave and a later one took cancel
		merged, err := consolidate(m.mem, m.schema, in)
		if err != nil {
			return err
		}
		defer releaseAll(merged)
		in = merged
	}
	var before, after keyRows // the slots of a key are the same in both
	err := keyed(&m.opts, in, func(key, seq, row []byte, w int64) error {
		s := before.slot(key)
		after.slot(key)
		side := &after
		if w < 0 {
			side = &before
		}
		if w*w != 1 || side.row.Get(s) != nil {
			return ErrNotUnique
		}
		side.set(s, seq, row)
		return nil
	})
	if err != nil {
		return err
	}
	before.keys.Each(func(s state.Slot) bool {
		was, row := before.row.Get(s), after.row.Get(s)
		if was != nil && row != nil && bytes.Compare(after.seq.Get(s), before.seq.Get(s)) < 0 {
			err = ErrSequenceBack
			return false
		}
		err = out.replace(was, row, nil)
		return err == nil
	})
	return err
}

// keyRows is one row, with its sequence value, per key.
type keyRows struct {
	keys     state.Index
	seq, row state.Blobs
}

func (k *keyRows) slot(key []byte) state.Slot {
	s, _ := k.keys.Put(key)
	return s
}

func (k *keyRows) set(s state.Slot, seq, row []byte) {
	k.seq.Set(s, seq)
	k.row.Set(s, row)
}

func (*uniqueMerger) save(stateWriter)       {}
func (*uniqueMerger) load(stateReader) error { return nil }
func (*uniqueMerger) size() (int64, int64)   { return 0, 0 }

// keepMerger keeps all rows of each key; the table holds the greatest by sequence value, then
// by the canonical order.
type keepMerger struct {
	opts    SinkOptions
	rows    state.Tree // key, sequence value, row; aux is where the row starts
	touched keyRows    // the winners before the epoch
	buf     []byte
	end     []byte
}

func (m *keepMerger) apply(in []Delta, out *sinkOutput) error {
	m.touched = keyRows{}
	err := keyed(&m.opts, in, func(key, seq, row []byte, w int64) error {
		if s, added := m.touched.keys.Put(key); added {
			seq, row := m.winner(key)
			m.touched.set(s, seq, row)
		}
		m.buf = append(append(append(m.buf[:0], key...), seq...), row...)
		m.rows.Add(m.buf, uint32(len(key)+len(seq)), w)
		return nil
	})
	if err != nil {
		return err
	}
	m.touched.keys.Each(func(s state.Slot) bool {
		err = m.settle(s, out)
		return err == nil
	})
	return err
}

// winner returns the sequence value and the row that the table holds for a key, nil for none.
func (m *keepMerger) winner(key []byte) (seq, row []byte) {
	m.end = state.PrefixEnd(m.end, key)
	c := m.rows.SeekBefore(m.end)
	if !c.Valid() || !bytes.HasPrefix(c.Key(), key) {
		return nil, nil
	}
	return c.Key()[len(key):c.Aux()], c.Key()[c.Aux():]
}

func (m *keepMerger) settle(s state.Slot, out *sinkOutput) error {
	key := m.touched.keys.Key(s)
	for c := m.rows.Seek(key); c.Valid() && bytes.HasPrefix(c.Key(), key); c.Next() {
		if c.Weight() < 0 {
			return ErrRetraction
		}
	}
	was := m.touched.row.Get(s)
	seq, row := m.winner(key)
	if was != nil && row != nil && bytes.Compare(seq, m.touched.seq.Get(s)) < 0 {
		return ErrSequenceBack
	}
	return out.replace(was, row, nil)
}

func (m *keepMerger) save(w stateWriter)       { m.rows.Save(w) }
func (m *keepMerger) load(r stateReader) error { return m.rows.Load(r) }
func (m *keepMerger) size() (int64, int64)     { return int64(m.rows.Len()), m.rows.SizeBytes() }
