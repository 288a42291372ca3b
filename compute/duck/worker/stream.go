//go:build duckdb_arrow && cgo

package worker

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/duck/internal/wire"
	"github.com/weir-lake/weir/internal/errkind"
)

// creditsAhead is how many batches of an input may be under way: one is read
// while the next travels.
const creditsAhead = 2

var errCanceled = errkind.New(errkind.Canceled, "query canceled")

// stream is one pass over an input. The listening goroutine pushes, DuckDB's threads pull.
type stream struct {
	srv *server
	id  uint32

	reading sync.Mutex  // held while a batch is decoded
	reader  *ipc.Reader // guarded by reading; nil before the first batch
	rest    []byte      // of the piece being read; guarded by reading

	mu struct {
		sync.Mutex
		pieces [][]byte // bounded by the credits given
		err    error    // io.EOF after the last piece
	}
	arrived sync.Cond
}

func newStream(s *server, id uint32) *stream {
	st := &stream{srv: s, id: id}
	st.arrived.L = &st.mu
	return st
}

func (st *stream) push(piece []byte) {
	st.mu.Lock()
	st.mu.pieces = append(st.mu.pieces, piece)
	st.mu.Unlock()
	st.arrived.Signal()
}

// end makes reads fail with err once the pieces are used up; the first end counts,
// except that a cancel ends at once.
func (st *stream) end(err error) {
	st.mu.Lock()
	if st.mu.err == nil || errors.Is(err, errCanceled) {
		st.mu.err = err
	}
	if errors.Is(err, errCanceled) {
		st.mu.pieces = nil
	}
	st.mu.Unlock()
	st.arrived.Broadcast()
}

func (st *stream) ask(n int) error {
	for range n {
		if err := st.srv.w.Write(wire.Credit, st.id, nil); err != nil {
			return err
		}
	}
	return nil
}

// Read gives the IPC reader the stream's bytes.
func (st *stream) Read(b []byte) (int, error) {
	if len(st.rest) == 0 {
		st.mu.Lock()
		for len(st.mu.pieces) == 0 && st.mu.err == nil {
			st.arrived.Wait()
		}
		if len(st.mu.pieces) == 0 {
			err := st.mu.err
			st.mu.Unlock()
			return 0, err
		}
		st.rest = st.mu.pieces[0]
		st.mu.pieces = st.mu.pieces[1:]
		st.mu.Unlock()
	}
	n := copy(b, st.rest)
	st.rest = st.rest[n:]
	return n, nil
}

// next returns the next batch, which the caller releases, or io.EOF. Threads take turns.
func (st *stream) next(mem memory.Allocator) (arrow.RecordBatch, error) {
	st.reading.Lock()
	defer st.reading.Unlock()
	if st.reader == nil {
		r, err := ipc.NewReader(st, ipc.WithAllocator(mem))
		if err != nil {
			return nil, st.cause(err)
		}
		st.reader = r
	}
	if !st.reader.Next() {
		err := st.reader.Err()
		if err == nil {
			return nil, io.EOF
		}
		return nil, st.cause(err)
	}
	b := st.reader.RecordBatch()
	b.Retain()
	return b, st.ask(1)
}

// cause prefers the reason the stream ended for over what that did to the decoder.
func (st *stream) cause(err error) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.mu.err != nil && !errors.Is(st.mu.err, io.EOF) {
		return st.mu.err
	}
	return fmt.Errorf("decode query input: %w", err)
}

func (st *stream) destroy() {
	st.srv.close(st)
	st.reading.Lock()
	defer st.reading.Unlock()
	if st.reader != nil {
		st.reader.Release()
	}
}
