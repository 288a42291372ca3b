package stream

import (
	"bytes"
	"encoding/binary"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/rowkey"
	"github.com/weir-lake/weir/compute/state"
	"github.com/weir-lake/weir/internal/errkind"
)

// sessionOp gives each row the session it is in: rows of one partition belong together
// when no gap between neighbours is longer than the window's gap. A change makes only the
// sessions around it anew.
type sessionOp struct {
	win         *windowOp
	gap         int64
	partitionBy []int
	rows        state.Tree // partition, local time (8 bytes), row; aux is where the row starts
	out         *arrow.Schema

	diff  changes
	spans []span
	seen  state.Index // sessions listed in this epoch: partition and start
	buf   []byte
	probe []byte
	row   []byte
}

// span is a stretch of time of a partition, both ends included.
type span struct {
	part     []byte
	from, to int64
}

func (c *compiler) session(n *plan.Window, w *windowOp) (operator, error) {
	for _, col := range n.Input.Columns() {
		if err := ordered(col.Type); err != nil {
			return nil, err
		}
	}
	return &sessionOp{win: w, gap: w.size, partitionBy: n.PartitionBy, out: w.schema}, nil
}

func (s *sessionOp) step(x *epoch, in [][]Delta) ([]Delta, error) {
	s.spans = s.spans[:0]
	for _, d := range in[0] {
		if err := s.rowsOf(d, s.before); err != nil {
			return nil, err
		}
	}
	s.seen.Clear()
	for _, d := range in[0] {
		err := s.rowsOf(d, func(part []byte, t int64, row []byte, w int64) error {
			s.buf = binary.BigEndian.AppendUint64(append(s.buf[:0], part...), rowkey.OrderInt64(t))
			at := len(s.buf)
			s.buf = append(s.buf, row...)
			s.rows.Add(s.buf, uint32(at), w)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	for _, sp := range s.spans {
		if err := s.list(sp, 1, nil); err != nil {
			return nil, err
		}
	}
	s.seen.Clear()
	return s.diff.flush(x.mem, s.out, false)
}

// rowsOf calls fn with partition, time, encoding and weight of every row that has a time.
func (s *sessionOp) rowsOf(d Delta, fn func(part []byte, t int64, row []byte, w int64) error) error {
	times, ok := d.Rows.Column(s.win.time).(*array.Timestamp)
	if !ok {
		return errkind.Errorf(errkind.Bug, "window over %s", d.Rows.Column(s.win.time).DataType())
	}
	unit := times.DataType().(*arrow.TimestampType).Unit
	parts := make([]arrow.Array, len(s.partitionBy))
	for i, c := range s.partitionBy {
		parts[i] = d.Rows.Column(c)
	}
	partEnc, err := rowkey.NewKeyEncoder(parts)
	if err != nil {
		return err
	}
	rowEnc, err := rowkey.NewEncoder(d.Rows.Columns())
	if err != nil {
		return err
	}
	var part, row []byte
	for i := range times.Len() {
		if times.IsNull(i) {
			continue
		}
		part, row = partEnc.Append(part[:0], i), rowEnc.Append(row[:0], i)
		if err := fn(part, s.win.millis(times, unit, i), row, d.weight(i)); err != nil {
			return err
		}
	}
	return nil
}

// before withdraws the sessions that a change at t may touch, and notes where they were.
func (s *sessionOp) before(part []byte, t int64, _ []byte, _ int64) error {
	sp := span{bytes.Clone(part), t, t}
	err := s.list(span{part, t - s.gap, t + s.gap}, -1, func(from, to int64) {
		sp.from, sp.to = min(sp.from, from), max(sp.to, to)
	})
	s.spans = append(s.spans, sp)
	return err
}

// list adds the rows of all sessions that reach into the span to the difference, each
// session once an epoch and side, and tells found where they start and end.
func (s *sessionOp) list(sp span, sign int64, found func(from, to int64)) error {
	start := s.sessionStart(sp.part, sp.from)
	for start <= sp.to {
		end, next, rows := s.sessionEnd(sp.part, start)
		if !rows {
			return nil
		}
		if found != nil {
			found(start, end)
		}
		s.probe = binary.BigEndian.AppendUint64(append(s.probe[:0], sp.part...), uint64(start))
		if _, added := s.seen.Put(s.probe); added {
			if err := s.emit(sp.part, start, end, sign); err != nil {
				return err
			}
		}
		start = next
	}
	return nil
}

func (s *sessionOp) seek(part []byte, t int64) state.Cursor {
	s.probe = binary.BigEndian.AppendUint64(append(s.probe[:0], part...), rowkey.OrderInt64(t))
	return s.rows.Seek(s.probe)
}

func timeAt(c *state.Cursor, part []byte) int64 {
	return rowkey.UnorderInt64(binary.BigEndian.Uint64(c.Key()[len(part):]))
}

const noTime = 1<<63 - 1

// sessionStart is the time of the first row of the session around t, or of the first row after it.
func (s *sessionOp) sessionStart(part []byte, t int64) int64 {
	c := s.seek(part, t)
	start := int64(noTime)
	if c.Valid() && bytes.HasPrefix(c.Key(), part) {
		start = timeAt(&c, part)
	}
	s.probe = binary.BigEndian.AppendUint64(append(s.probe[:0], part...), rowkey.OrderInt64(t))
	for c = s.rows.SeekBefore(s.probe); c.Valid() && bytes.HasPrefix(c.Key(), part); c.Prev() {
		at := timeAt(&c, part)
		if start != noTime && start-at > s.gap || start == noTime && t-at > s.gap {
			break
		}
		start = at
	}
	return start
}

// sessionEnd walks from a session's first row to its last and returns the next session's start.
func (s *sessionOp) sessionEnd(part []byte, start int64) (end, next int64, rows bool) {
	end = start
	for c := s.seek(part, start); c.Valid() && bytes.HasPrefix(c.Key(), part); c.Next() {
		at := timeAt(&c, part)
		if at-end > s.gap {
			return end, at, rows
		}
		end, rows = at, true
	}
	return end, noTime, rows
}

func (s *sessionOp) emit(part []byte, start, end, sign int64) error {
	tail := make([]byte, 0, 27)
	for _, v := range []int64{start, end + s.gap, s.win.windowTime(end + s.gap)} {
		tail = binary.BigEndian.AppendUint64(append(tail, 1), rowkey.OrderInt64(v))
	}
	for c := s.seek(part, start); c.Valid() && bytes.HasPrefix(c.Key(), part) && timeAt(&c, part) <= end; c.Next() {
		if c.Weight() < 0 {
			return ErrRetraction
		}
		s.row = append(append(s.row[:0], c.Key()[c.Aux():]...), tail...)
		s.diff.add(s.row, sign*c.Weight())
	}
	return nil
}

func (s *sessionOp) save(w stateWriter)       { s.rows.Save(w) }
func (s *sessionOp) load(r stateReader) error { return s.rows.Load(r) }
func (s *sessionOp) size() (int64, int64)     { return int64(s.rows.Len()), s.rows.SizeBytes() }
