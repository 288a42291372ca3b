package stream

import (
	"encoding/binary"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/rowkey"
	"github.com/weir-lake/weir/compute/state"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

// clockFilterOp lets a row through while From <= clock < Until. Rows that will come in or
// go out later wait in timers. A row's timers follow from the row and the clock alone, so
// a row that is taken away finds them again.
type clockFilterOp struct {
	bounds    [2]*clockBound // From and Until; nil: open
	watermark bool
	nullClock bool
	schema    *arrow.Schema

	known  bool  // a clock was seen
	clock  int64 // microseconds; it never goes back
	timers state.Tree
	buf    []byte
}

// clockBound is one side of the interval.
type clockBound struct {
	prog  program
	local bool // wall clock values, compared with an instant
	zone  localClock
}

// A timer is due (8 bytes), Until (8 bytes), its kind and the row.
const (
	openFrom   = -1 << 63
	openUntil  = 1<<63 - 1
	kindComing = 'e' // the row comes in when due
	kindInside = 'l' // the row goes out when due
	timerUntil = 8
	timerKind  = 16
	timerRow   = 17
)

func (c *compiler) clockFilter(n *plan.ClockFilter) (operator, error) {
	f := &clockFilterOp{watermark: n.Watermark, nullClock: n.NullClock && n.Watermark, schema: schemaOf(n.Columns())}
	for _, col := range n.Columns() {
		if err := ordered(col.Type); err != nil {
			return nil, err
		}
	}
	for i, e := range []expr.Expr{n.From, n.Until} {
		if e == nil {
			continue
		}
		if name := clockFunction(e); name != "" {
			return nil, errkind.Errorf(errkind.Invalid, "%s stands on both sides of a comparison with the clock", name)
		}
		if !e.Type().IsTimestamp() {
			return nil, errkind.Errorf(errkind.Invalid, "the clock is compared with %s: a TIMESTAMP is needed", e.Type())
		}
		p, err := newProgram(e)
		if err != nil {
			return nil, err
		}
		local := e.Type().Kind == schema.Timestamp && !n.Watermark
		f.bounds[i] = &clockBound{p, local, newLocalClock(c.opts.Zone)}
	}
	return f, nil
}

// now is the moment that decides in this epoch, and whether there is one yet.
func (f *clockFilterOp) now(x *epoch) (int64, bool) {
	t := x.Clock
	if f.watermark {
		if x.watermark == nil {
			return f.clock, f.known
		}
		t = *x.watermark
	}
	if f.known {
		return max(f.clock, t.UnixMicro()), true
	}
	return t.UnixMicro(), true
}

func (f *clockFilterOp) due(x *epoch) bool {
	now, known := f.now(x)
	first := f.timers.First()
	return known && first.Valid() && (!f.known || timerEnd(first.Key()) <= now)
}

func (f *clockFilterOp) step(x *epoch, in [][]Delta) ([]Delta, error) {
	out, err := newRowOutput(x.mem, f.schema)
	if err != nil {
		return nil, err
	}
	err = f.advance(x, out)
	for i := 0; err == nil && i < len(in[0]); i++ {
		err = f.take(x, in[0][i], out)
	}
	if err != nil {
		out.discard()
		return nil, err
	}
	return out.finish(), nil
}

// advance moves the clock and lets rows come and go.
func (f *clockFilterOp) advance(x *epoch, out *rowOutput) error {
	now, known := f.now(x)
	if !known {
		return nil
	}
	if !f.known && f.nullClock {
		if err := f.endNullClock(out); err != nil {
			return err
		}
	}
	f.known, f.clock = true, now
	var key []byte
	for c := f.timers.First(); c.Valid() && timerEnd(c.Key()) <= now; c = f.timers.First() {
		w := c.Weight()
		key = append(key[:0], c.Key()...)
		f.timers.Add(key, 0, -w)
		row := key[timerRow:]
		if key[timerKind] == kindInside {
			if err := out.add(-w, row); err != nil {
				return err
			}
			continue
		}
		if err := f.enter(row, timerEnd(key[timerUntil:]), w, out); err != nil {
			return err
		}
	}
	return nil
}

// endNullClock withdraws the rows that were let through while no clock was known, and
// forgets those that no clock lets through.
func (f *clockFilterOp) endNullClock(out *rowOutput) error {
	var never [][]byte
	for c := f.timers.First(); c.Valid(); c.Next() {
		if err := out.add(-c.Weight(), c.Key()[timerRow:]); err != nil {
			return err
		}
		if timerEnd(c.Key()[timerUntil:]) == openFrom {
			never = append(never, append([]byte(nil), c.Key()...))
		}
	}
	for _, key := range never {
		f.timers.Add(key, 0, -f.timers.Weight(key))
	}
	return nil
}

// enter lets a row through from now on, unless its time is over.
func (f *clockFilterOp) enter(row []byte, until, w int64, out *rowOutput) error {
	if until <= f.clock {
		return nil
	}
	if until != openUntil {
		f.setTimer(until, until, kindInside, row, w)
	}
	return out.add(w, row)
}

func (f *clockFilterOp) setTimer(due, until int64, kind byte, row []byte, w int64) {
	f.buf = binary.BigEndian.AppendUint64(f.buf[:0], rowkey.OrderInt64(due))
	f.buf = binary.BigEndian.AppendUint64(f.buf, rowkey.OrderInt64(until))
	f.buf = append(append(f.buf, kind), row...)
	f.timers.Add(f.buf, 0, w)
}

func (f *clockFilterOp) take(x *epoch, d Delta, out *rowOutput) error {
	from, err := f.bounds[0].values(x, d.Rows, openFrom)
	if err != nil {
		return err
	}
	until, err := f.bounds[1].values(x, d.Rows, openUntil)
	if err != nil {
		return err
	}
	enc, err := rowkey.NewEncoder(d.Rows.Columns())
	if err != nil {
		return err
	}
	var row []byte
	for i := range int(d.Rows.NumRows()) {
		row = enc.Append(row[:0], i)
		begin, beginOK := from(i)
		end, endOK := until(i)
		if err := f.one(row, span{from: begin, to: end}, beginOK && endOK, d.weight(i), out); err != nil {
			return err
		}
	}
	return nil
}

// one takes a row that is visible in [s.from, s.to), or never unless ever.
func (f *clockFilterOp) one(row []byte, s span, ever bool, w int64, out *rowOutput) error {
	switch {
	case !f.known && f.nullClock:
		if !ever {
			s = span{from: openUntil, to: openFrom}
		}
		f.setTimer(s.from, s.to, kindComing, row, w)
		return out.add(w, row)
	case !ever:
		return nil
	case !f.known || s.from > f.clock:
		f.setTimer(s.from, s.to, kindComing, row, w)
		return nil
	default:
		return f.enter(row, s.to, w, out)
	}
}

// values returns the bound of each row in microseconds, false for NULL. A nil bound is open.
func (b *clockBound) values(x *epoch, rows arrow.RecordBatch, open int64) (func(i int) (int64, bool), error) {
	if b == nil {
		return func(int) (int64, bool) { return open, true }, nil
	}
	a, err := b.prog.eval(x, rows)
	if err != nil {
		return nil, err
	}
	times, ok := a.(*array.Timestamp)
	if !ok {
		return nil, errkind.Errorf(errkind.Bug, "the clock is compared with %s", a.DataType())
	}
	unit := times.DataType().(*arrow.TimestampType).Unit
	return func(i int) (int64, bool) {
		if times.IsNull(i) {
			return 0, false
		}
		v := microsUp(int64(times.Value(i)), unit)
		if b.local && b.zone.zone != time.UTC {
			v = b.zone.instant(v)
		}
		return v, true
	}, nil
}

func (f *clockFilterOp) save(w stateWriter) {
	w.Bool(f.known)
	w.Varint(f.clock)
	f.timers.Save(w)
}

func (f *clockFilterOp) load(r stateReader) error {
	f.known, f.clock = r.Bool(), r.Varint()
	return f.timers.Load(r)
}

func (f *clockFilterOp) size() (int64, int64) { return int64(f.timers.Len()), f.timers.SizeBytes() }
