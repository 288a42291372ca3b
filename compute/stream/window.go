package stream

import (
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

// windowsPerRowMax bounds HOP and CUMULATE: each row is copied into every window it falls in.
const windowsPerRowMax = 100_000

// windowOp is TUMBLE, HOP and CUMULATE: it appends window_start, window_end and
// window_time to each row, once per window. Rows without a time are in no window.
type windowOp struct {
	kind                plan.WindowKind
	time                int
	size, slide, offset int64 // milliseconds
	clock               localClock
	local               bool // the time column is an instant: windows follow the session's wall clock
	schema              *arrow.Schema
}

func (c *compiler) window(n *plan.Window) (operator, error) {
	t := n.Input.Columns()[n.Time].Type
	if !t.IsTimestamp() {
		return nil, errkind.Errorf(errkind.Invalid, "windows need a TIMESTAMP column, not %s", t)
	}
	for _, d := range []time.Duration{n.Size, n.Slide, n.Offset} {
		if d%time.Millisecond != 0 {
			return nil, errkind.Errorf(errkind.Invalid, "window interval %v is finer than a millisecond", d)
		}
	}
	if n.Size <= 0 {
		return nil, errkind.Errorf(errkind.Invalid, "window size %v must be positive", n.Size)
	}
	w := &windowOp{
		kind: n.Kind, time: n.Time, size: n.Size.Milliseconds(), slide: n.Slide.Milliseconds(), offset: n.Offset.Milliseconds(),
		clock: newLocalClock(c.opts.Zone), local: t.Kind == schema.TimestampLTZ, schema: schemaOf(n.Columns()),
	}
	switch n.Kind {
	case plan.Session:
		return c.session(n, w)
	case plan.Tumble:
		w.slide = w.size
	default:
		if w.slide <= 0 || w.size/w.slide > windowsPerRowMax {
			return nil, errkind.Errorf(errkind.Invalid, "window slide %v of size %v: it must be positive and at least 1/%d of the size",
				n.Slide, n.Size, windowsPerRowMax)
		}
		if n.Kind == plan.Cumulate && w.size%w.slide != 0 {
			return nil, errkind.Errorf(errkind.Invalid, "CUMULATE: size %v must be a multiple of step %v", n.Size, n.Slide)
		}
	}
	return w, nil
}

// windowTimes are the appended columns, in wall clock milliseconds.
type windowTimes struct{ start, end []int64 }

func (w *windowOp) step(x *epoch, in [][]Delta) ([]Delta, error) {
	var out []Delta
	for _, d := range in[0] {
		rows, times, err := w.assign(d.Rows.Column(w.time))
		if err != nil {
			releaseAll(out)
			return nil, err
		}
		for from := 0; from < len(rows); from += batchRowsMax {
			to := min(from+batchRowsMax, len(rows))
			part, err := take(x, x.mem, d, rows[from:to])
			if err != nil {
				releaseAll(out)
				return nil, err
			}
			out = append(out, w.widen(x, part, windowTimes{times.start[from:to], times.end[from:to]}))
			part.Rows.Release()
		}
	}
	return out, nil
}

// millis returns the wall clock of a row's time.
func (w *windowOp) millis(times *array.Timestamp, unit arrow.TimeUnit, row int) int64 {
	ms := toMillis(int64(times.Value(row)), unit)
	if w.local {
		return w.clock.localOf(ms)
	}
	return ms
}

func (w *windowOp) assign(col arrow.Array) (rows []int32, out windowTimes, err error) {
	times, ok := col.(*array.Timestamp)
	if !ok {
		return nil, out, errkind.Errorf(errkind.Bug, "window over %s", col.DataType())
	}
	unit := times.DataType().(*arrow.TimestampType).Unit
	add := func(row int, start, end int64) {
		rows = append(rows, int32(row))
		out.start, out.end = append(out.start, start), append(out.end, end)
	}
	for i := range times.Len() {
		if times.IsNull(i) {
			continue
		}
		t := w.millis(times, unit, i)
		if w.kind == plan.Cumulate {
			start := t - floorMod(t-w.offset, w.size)
			for end := start + w.slide*(1+(t-start)/w.slide); end <= start+w.size; end += w.slide {
				add(i, start, end)
			}
			continue
		}
		for start := t - floorMod(t-w.offset, w.slide); start > t-w.size; start -= w.slide {
			add(i, start, start+w.size)
		}
	}
	return rows, out, nil
}

func floorMod(a, b int64) int64 {
	if m := a % b; m < 0 {
		return m + b
	} else {
		return m
	}
}

// widen appends the window columns to a batch.
func (w *windowOp) widen(x *epoch, d Delta, times windowTimes) Delta {
	n := int(d.Rows.NumCols())
	cols := append([]arrow.Array(nil), d.Rows.Columns()...)
	column := func(field int, value func(i int) int64) arrow.Array {
		b := array.NewTimestampBuilder(x.mem, w.schema.Field(field).Type.(*arrow.TimestampType))
		defer b.Release()
		b.Reserve(len(times.start))
		for i := range times.start {
			b.UnsafeAppend(arrow.Timestamp(value(i)))
		}
		return b.NewArray()
	}
	own := []arrow.Array{
		column(n, func(i int) int64 { return times.start[i] }),
		column(n+1, func(i int) int64 { return times.end[i] }),
		column(n+2, func(i int) int64 { return w.windowTime(times.end[i]) }),
	}
	defer releaseArrays(own)
	return Delta{array.NewRecordBatch(w.schema, append(cols, own...), d.Rows.NumRows()), d.Weights}
}

// windowTime is the last instant of a window: wall clock, or an instant if the time column is one.
func (w *windowOp) windowTime(end int64) int64 {
	last := end - lastOfWindow
	if !w.local || w.clock.zone == time.UTC {
		return last
	}
	u := time.UnixMilli(last).UTC()
	return time.Date(u.Year(), u.Month(), u.Day(), u.Hour(), u.Minute(), u.Second(), u.Nanosecond(), w.clock.zone).UnixMilli()
}
