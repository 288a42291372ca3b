package stream

import (
	"bytes"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/weir-lake/weir/compute/rowkey"
	"github.com/weir-lake/weir/compute/state"
)

// valueReader decodes encoded values into a builder, remembering the decoder of the last one.
type valueReader struct {
	b   array.Builder
	dec *rowkey.Decoder
}

func (v *valueReader) read(b array.Builder, value []byte) error {
	if v.b != b {
		dec, err := rowkey.NewDecoder([]array.Builder{b})
		if err != nil {
			return err
		}
		v.b, v.dec = b, dec
	}
	_, err := v.dec.Append(value)
	return err
}

// extremeAgg is MIN and MAX over rows that are never taken away.
type extremeAgg struct {
	max  bool
	best state.Blobs
	out  valueReader
	buf  []byte
}

func (a *extremeAgg) grow(int)           {}
func (a *extremeAgg) clear(s state.Slot) { a.best.Delete(s) }

func (a *extremeAgg) update(r *aggRows) error {
	enc, err := r.argEncoder()
	if err != nil {
		return err
	}
	for i := r.from; i < r.to; i++ {
		s := r.slots[i]
		if r.w[i] == 0 || r.args[0].IsNull(i) {
			continue
		}
		if r.w[i] < 0 {
			return ErrRetraction
		}
		a.buf = enc.Append(a.buf[:0], i)
		best := a.best.Get(s)
		if c := bytes.Compare(a.buf, best); best == nil || (c > 0) == a.max && c != 0 {
			a.best.Set(s, a.buf)
		}
	}
	return nil
}

func (a *extremeAgg) result(s state.Slot, b array.Builder) error {
	if v := a.best.Get(s); v != nil {
		return a.out.read(b, v)
	}
	b.AppendNull()
	return nil
}

func (a *extremeAgg) save(w stateWriter, slots []state.Slot) {
	for _, s := range slots {
		w.Bytes(a.best.Get(s))
	}
}

func (a *extremeAgg) load(r stateReader, slots []state.Slot) error {
	for _, s := range slots {
		a.best.Set(s, r.Bytes())
	}
	return r.Err()
}

func (a *extremeAgg) size() (int64, int64) { return 0, a.best.SizeBytes() }

// multisetExtremeAgg is MIN and MAX over rows that may be taken away: it keeps every value.
type multisetExtremeAgg struct {
	max    bool
	values state.Tree // slot, value
	out    valueReader
	buf    []byte
	end    []byte
}

func (a *multisetExtremeAgg) grow(int)           {}
func (a *multisetExtremeAgg) clear(s state.Slot) { clearPrefix(&a.values, slotKey(nil, s)) }

func (a *multisetExtremeAgg) update(r *aggRows) error {
	enc, err := r.argEncoder()
	if err != nil {
		return err
	}
	for i := r.from; i < r.to; i++ {
		s := r.slots[i]
		if r.w[i] == 0 || r.args[0].IsNull(i) {
			continue
		}
		a.buf = enc.Append(slotKey(a.buf[:0], s), i)
		a.values.Add(a.buf, 0, r.w[i])
	}
	return nil
}

func (a *multisetExtremeAgg) result(s state.Slot, b array.Builder) error {
	prefix := slotKey(a.buf[:0], s)
	a.buf = prefix
	var c state.Cursor
	if a.max {
		a.end = state.PrefixEnd(a.end, prefix)
		c = a.values.SeekBefore(a.end)
	} else {
		c = a.values.Seek(prefix)
	}
	if !c.Valid() || !bytes.HasPrefix(c.Key(), prefix) {
		b.AppendNull()
		return nil
	}
	return a.out.read(b, c.Key()[len(prefix):])
}

func (a *multisetExtremeAgg) save(w stateWriter, _ []state.Slot)       { a.values.Save(w) }
func (a *multisetExtremeAgg) load(r stateReader, _ []state.Slot) error { return a.values.Load(r) }
func (a *multisetExtremeAgg) size() (int64, int64) {
	return int64(a.values.Len()), a.values.SizeBytes()
}

// clearPrefix removes all keys that start with prefix.
func clearPrefix(t *state.Tree, prefix []byte) {
	var key []byte
	for {
		c := t.Seek(prefix)
		if !c.Valid() || !bytes.HasPrefix(c.Key(), prefix) {
			return
		}
		key = append(key[:0], c.Key()...)
		t.Add(key, 0, -c.Weight())
	}
}
