package stream

import (
	"encoding/binary"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/rowkey"
	"github.com/weir-lake/weir/compute/state"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

// windowClose knows which windows of an aggregate are open. A window is closed by the
// first watermark at or after its last millisecond.
type windowClose struct {
	column int // of window_end among the group columns
	clock  localClock
	local  bool       // windows follow the wall clock of instants
	closed int64      // milliseconds as window_end counts: windows that end here or before are closed
	timers state.Tree // window end (8 bytes), group key
	buf    []byte
}

const neverClosed = -1 << 63

// lastOfWindow is how far before its end a window's last instant lies, in milliseconds:
// event time counts milliseconds, as in Flink.
const lastOfWindow = 1

func newWindowClose(n *plan.Aggregate, zone *time.Location) *windowClose {
	return &windowClose{column: n.WindowEnd, clock: newLocalClock(zone), local: instantWindows(n.Input), closed: neverClosed}
}

// instantWindows tells whether the windows below are over a column of instants.
func instantWindows(n plan.Node) bool {
	if w, ok := n.(*plan.Window); ok {
		return w.Input.Columns()[w.Time].Type.Kind == schema.TimestampLTZ
	}
	return len(n.Inputs()) > 0 && instantWindows(n.Inputs()[0])
}

// refuseSession refuses session windows below an aggregate that emits once: a session may
// still grow together with another one.
func refuseSession(n plan.Node) error {
	switch n := n.(type) {
	case *plan.Window:
		if n.Kind == plan.Session {
			return errkind.New(errkind.Invalid,
				"SESSION windows into an append-only sink are not possible: sessions grow together; write into a table with a primary key")
		}
		return nil
	case *plan.Filter, *plan.Project:
		return refuseSession(n.Inputs()[0])
	default:
		return nil
	}
}

func (c *windowClose) limit(watermark *time.Time) int64 {
	if watermark == nil {
		return c.closed
	}
	now := watermark.UnixMilli()
	if c.local {
		now = c.clock.localMillis(*watermark)
	}
	return max(c.closed, now+lastOfWindow)
}

func (c *windowClose) due(watermark *time.Time) bool {
	first := c.timers.First()
	return first.Valid() && timerEnd(first.Key()) <= c.limit(watermark)
}

// divert takes the rows of closed windows out of the batch: weight zero, and kept as late.
func (a *aggregateOp) divert(x *epoch, d Delta, groups []arrow.Array) error {
	c := a.window
	ends, ok := groups[c.column].(*array.Timestamp)
	if !ok {
		return errkind.Errorf(errkind.Bug, "window_end of type %s", groups[c.column].DataType())
	}
	unit := ends.DataType().(*arrow.TimestampType).Unit
	var late []int32
	var until []int64
	for i := range a.w {
		if ends.IsNull(i) {
			continue
		}
		if end := toMillis(int64(ends.Value(i)), unit); end <= c.closed {
			late, until = append(late, int32(i)), append(until, end)
			a.w[i] = 0
		}
	}
	if x.isLate != nil {
		a.divertKnown(x, d, ends, unit)
	}
	if late == nil {
		return nil
	}
	rows, err := take(x, x.mem, d, late)
	if err != nil {
		return err
	}
	defer rows.Rows.Release()
	x.late(lateRows(a.node, x.task.label, rows, until))
	return nil
}

// divertKnown takes out the rows of which others know that they came late.
func (a *aggregateOp) divertKnown(x *epoch, d Delta, ends *array.Timestamp, unit arrow.TimeUnit) {
	until := make([]int64, len(a.w))
	for i := range until {
		if until[i] = neverClosed; ends.IsValid(i) && a.w[i] > 0 {
			until[i] = toMillis(int64(ends.Value(i)), unit)
		}
	}
	l := lateRows(a.node, x.task.label, d, until)
	defer l.Delta.Rows.Release()
	for i, late := range x.isLate(l) {
		if late {
			a.w[i] = 0
		}
	}
}

// open notes the group of a row; key is its group key.
func (c *windowClose) open(groups []arrow.Array, row int, key []byte) {
	ends := groups[c.column].(*array.Timestamp)
	if ends.IsNull(row) {
		return // such a window never closes
	}
	end := toMillis(int64(ends.Value(row)), ends.DataType().(*arrow.TimestampType).Unit)
	c.buf = binary.BigEndian.AppendUint64(c.buf[:0], rowkey.OrderInt64(end))
	c.timers.Add(append(c.buf, key...), 0, 1)
}

// pop returns the group key of the next window to close, or nil.
func (c *windowClose) pop() []byte {
	first := c.timers.First()
	if !first.Valid() || timerEnd(first.Key()) > c.closed {
		return nil
	}
	c.buf = append(c.buf[:0], first.Key()...)
	c.timers.Add(c.buf, 0, -first.Weight())
	return c.buf[timerBytes:]
}

const timerBytes = 8

// closeWindows emits the groups of the windows that the epoch's watermark closes.
func (a *aggregateOp) closeWindows(x *epoch) ([]Delta, error) {
	for _, s := range a.touched {
		a.marked[s] = false
	}
	a.touched, a.oldHas = a.touched[:0], a.oldHas[:0]
	a.window.closed = a.window.limit(x.watermark)
	fresh := array.NewRecordBuilder(x.mem, a.schema)
	defer fresh.Release()
	var closing []state.Slot
	for key := a.window.pop(); key != nil; key = a.window.pop() {
		s, ok := a.index.Find(key)
		if !ok {
			return nil, errkind.New(errkind.Bug, "a window closes that has no group")
		}
		if a.rows[s] < 0 {
			return nil, ErrRetraction
		}
		if a.rows[s] == 0 {
			a.drop(s)
			continue
		}
		if err := a.appendAggs(fresh, s); err != nil {
			return nil, err
		}
		closing = append(closing, s)
	}
	aggs := a.builtAggs(fresh)
	defer releaseArrays(aggs)
	enc, err := rowkey.NewEncoder(aggs)
	if err != nil {
		return nil, err
	}
	out, err := newRowOutput(x.mem, a.schema)
	if err != nil {
		return nil, err
	}
	var row []byte
	for i, s := range closing {
		row = enc.Append(append(row[:0], a.index.Key(s)...), i)
		if err := out.add(1, row); err != nil {
			out.discard()
			return nil, err
		}
		a.drop(s)
	}
	return out.finish(), nil
}

func (c *windowClose) save(w stateWriter) {
	w.Varint(c.closed)
	c.timers.Save(w)
}

func (c *windowClose) load(r stateReader) error {
	c.closed = r.Varint()
	return c.timers.Load(r)
}

func timerEnd(key []byte) int64 { return rowkey.UnorderInt64(binary.BigEndian.Uint64(key)) }
