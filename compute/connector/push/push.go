package push

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/internal/errkind"
)

// ErrFull: the buffer holds as much as it may; the sender should wait and try again.
var ErrFull = errkind.New(errkind.Exhausted, "push: too many rows wait to be committed; try again later")

// ErrNotCommitted: the job stopped, or the buffer was closed, before the rows were committed.
// They may still be committed if the job was just about to: only a repeated request with the
// same idempotency key is safe.
var ErrNotCommitted = errkind.New(errkind.Unavailable, "push: the rows were not committed")

// The default limits of a buffer: at 5,000 rows a second this is most of a minute of a stalled job.
const (
	defaultRows  = 256 << 10
	defaultBytes = 64 << 20
)

// Options of a Buffer.
type Options struct {
	// Incarnation tells this buffer from earlier ones of the same table: a value that no other
	// process start uses, such as the job's term. Required.
	Incarnation string
	// MaxRows and MaxBytes bound what waits to be committed; 0 means 262,144 rows and 64 MiB.
	MaxRows  int64
	MaxBytes int64
}

// split is the one split of a buffer.
const split = "push"

// batch is one request's rows, numbers [first, first+len).
type batch struct {
	first int64
	rows  arrow.RecordBatch
	kinds []int8
	bytes int64
	done  chan struct{} // closed when decided
	err   error         // set before done is closed
}

func (b *batch) end() int64 { return b.first + b.rows.NumRows() }

// Buffer holds the pushed rows of one table until they are committed. It is a
// connector.Source for its one reading job; Push is safe for concurrent use.
type Buffer struct {
	opts   Options
	schema *arrow.Schema
	wake   chan struct{}

	state struct {
		sync.Mutex
		batches []*batch // not yet committed, in order
		next    int64    // number of the next row
		bytes   int64
		rows    int64
		closed  bool
	}
}

// NewBuffer makes an empty buffer for rows of the fields.
func NewBuffer(fields []connector.Field, opts Options) (*Buffer, error) {
	if opts.Incarnation == "" || strings.Contains(opts.Incarnation, "/") {
		return nil, fmt.Errorf("push: incarnation %q is empty or contains a slash", opts.Incarnation)
	}
	if opts.MaxRows == 0 {
		opts.MaxRows = defaultRows
	}
	if opts.MaxBytes == 0 {
		opts.MaxBytes = defaultBytes
	}
	s, err := connector.ArrowSchema(fields)
	if err != nil {
		return nil, err
	}
	return &Buffer{opts: opts, schema: s, wake: make(chan struct{}, 1)}, nil
}

// Schema is what pushed records must have.
func (b *Buffer) Schema() *arrow.Schema { return b.schema }

// Wake receives a value after rows were pushed, so that the job need not wait for its next
// tick. It holds at most one value.
func (b *Buffer) Wake() <-chan struct{} { return b.wake }

// Ticket waits for the rows of one Push.
type Ticket struct {
	b     *batch
	Rows  int64
	First int64 // number of the first row in the buffer's incarnation
}

// Wait returns nil once the rows are committed, ErrNotCommitted if they will not be, or ctx's error.
func (t *Ticket) Wait(ctx context.Context) error {
	select {
	case <-t.b.done:
		return t.b.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Push takes the rows of one request whole, or returns ErrFull or ErrNotCommitted and takes
// none. Kinds is nil for inserts. The buffer keeps its own reference to rec.
func (b *Buffer) Push(rec arrow.RecordBatch, kinds []int8) (*Ticket, error) {
	if !rec.Schema().Equal(b.schema) {
		return nil, fmt.Errorf("push: record of schema %s for a table of %s", rec.Schema(), b.schema)
	}
	if kinds != nil && int64(len(kinds)) != rec.NumRows() {
		return nil, fmt.Errorf("push: %d kinds for %d rows", len(kinds), rec.NumRows())
	}
	size := recordBytes(rec)
	nb := &batch{rows: rec, kinds: kinds, bytes: size, done: make(chan struct{})}
	s := &b.state
	s.Lock()
	defer s.Unlock()
	switch {
	case s.closed:
		return nil, fmt.Errorf("%w: the job that stores them is not running", ErrNotCommitted)
	case rec.NumRows() > b.opts.MaxRows || size > b.opts.MaxBytes:
		return nil, errkind.Errorf(errkind.Invalid, "push: %d rows of %d bytes in one request; at most %d rows and %d bytes are taken: send smaller batches",
			rec.NumRows(), size, b.opts.MaxRows, b.opts.MaxBytes)
	case s.rows+rec.NumRows() > b.opts.MaxRows || s.bytes+size > b.opts.MaxBytes:
		return nil, ErrFull
	}
	nb.first = s.next
	t := &Ticket{b: nb, Rows: rec.NumRows(), First: nb.first}
	if rec.NumRows() == 0 {
		close(nb.done)
		return t, nil
	}
	rec.Retain()
	s.next = nb.end()
	s.rows += rec.NumRows()
	s.bytes += size
	s.batches = append(s.batches, nb)
	select {
	case b.wake <- struct{}{}:
	default:
	}
	return t, nil
}

// recordBytes is the memory a record holds on to.
func recordBytes(rec arrow.RecordBatch) int64 {
	n := int64(0)
	for _, c := range rec.Columns() {
		n += int64(c.Data().SizeInBytes())
	}
	return n
}

// position is "<incarnation>/<row number>".
func (b *Buffer) position(row int64) connector.Offsets {
	return connector.Offsets{split: connector.Position(b.opts.Incarnation + "/" + strconv.FormatInt(row, 10))}
}

// row is the row number of a position of this incarnation; 0 for the start and for earlier
// incarnations, whose rows are all decided.
func (b *Buffer) row(o connector.Offsets) (int64, error) {
	p, ok := o[split]
	if !ok {
		return 0, nil
	}
	inc, row, _ := strings.Cut(string(p), "/")
	n, err := strconv.ParseInt(row, 10, 64)
	if err != nil || n < 0 {
		return 0, errkind.Errorf(errkind.Corrupt, "push: position %q is not <incarnation>/<row>", p)
	}
	if inc != b.opts.Incarnation {
		return 0, nil
	}
	return n, nil
}

// Poll implements connector.Source. Requests are not cut: the epoch ends with a whole one,
// at the first that reaches maxRows.
func (b *Buffer) Poll(ctx context.Context, from connector.Offsets, maxRows int) (connector.Offsets, bool, error) {
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	row, err := b.row(from)
	if err != nil {
		return nil, false, err
	}
	s := &b.state
	s.Lock()
	defer s.Unlock()
	to := row
	for _, nb := range s.batches {
		if nb.end() > row && to-row < int64(maxRows) {
			to = nb.end()
		}
	}
	if to == row {
		return from, false, nil
	}
	return b.position(to), false, nil
}

// Read implements connector.Source. Committed rows are dropped from memory and cannot be read again.
func (b *Buffer) Read(ctx context.Context, from, to connector.Offsets, fn func(connector.Chunk) error) error {
	start, err := b.row(from)
	if err != nil {
		return err
	}
	end, err := b.row(to)
	if err != nil {
		return err
	}
	batches := b.take(start, end)
	defer func() {
		for _, nb := range batches {
			nb.rows.Release()
		}
	}()
	for _, nb := range batches {
		if err := b.hand(ctx, nb, start, end, fn); err != nil {
			return err
		}
	}
	return nil
}

// take references the batches that overlap [start, end).
func (b *Buffer) take(start, end int64) []*batch {
	s := &b.state
	s.Lock()
	defer s.Unlock()
	var out []*batch
	for _, nb := range s.batches {
		if nb.end() > start && nb.first < end {
			nb.rows.Retain()
			out = append(out, nb)
		}
	}
	return out
}

func (b *Buffer) hand(ctx context.Context, nb *batch, start, end int64, fn func(connector.Chunk) error) error {
	lo, hi := max(start, nb.first)-nb.first, min(end, nb.end())-nb.first
	for lo < hi {
		if err := ctx.Err(); err != nil {
			return err
		}
		stop := min(hi, lo+connector.MaxChunkRows)
		c := connector.Chunk{Rows: nb.rows.NewSlice(lo, stop)}
		if nb.kinds != nil {
			c.Kinds = nb.kinds[lo:stop]
		}
		err := fn(c)
		c.Rows.Release()
		if err != nil {
			return err
		}
		lo = stop
	}
	return nil
}

// Commit implements connector.Source: rows before upTo are durable, their tickets are done.
// It must be called after every commit of the reading job, not only at checkpoints.
func (b *Buffer) Commit(_ context.Context, upTo connector.Offsets) error {
	row, err := b.row(upTo)
	if err != nil {
		return err
	}
	s := &b.state
	s.Lock()
	defer s.Unlock()
	n := 0
	for n < len(s.batches) && s.batches[n].end() <= row {
		b.decideLocked(s.batches[n], nil)
		n++
	}
	s.batches = append(s.batches[:0:0], s.batches[n:]...)
	return nil
}

func (b *Buffer) decideLocked(nb *batch, err error) {
	nb.err = err
	close(nb.done)
	b.state.rows -= nb.rows.NumRows()
	b.state.bytes -= nb.bytes
	nb.rows.Release()
}

// Close implements connector.Source: what waits gets ErrNotCommitted, later pushes too.
func (b *Buffer) Close() error {
	s := &b.state
	s.Lock()
	defer s.Unlock()
	s.closed = true
	for _, nb := range s.batches {
		b.decideLocked(nb, ErrNotCommitted)
	}
	s.batches = nil
	return nil
}

// Waiting is how many rows wait to be committed.
func (b *Buffer) Waiting() int64 {
	b.state.Lock()
	defer b.state.Unlock()
	return b.state.rows
}
