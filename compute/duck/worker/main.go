//go:build duckdb_arrow && cgo

package worker

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"sync"
	"syscall"

	"github.com/weir-lake/weir/compute/duck/internal/wire"
	"github.com/weir-lake/weir/internal/errkind"
)

// Main serves queries until stdin ends and returns the exit code.
func Main() int {
	in, out, err := takeStdio()
	if err == nil {
		err = serve(in, out)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error: query worker:", err)
		return 1
	}
	return 0
}

// takeStdio keeps stdout for frames only: whatever a library prints goes to stderr.
func takeStdio() (in, out *os.File, err error) {
	fd, err := syscall.Dup(1)
	if err != nil {
		return nil, nil, fmt.Errorf("keep stdout: %w", err)
	}
	syscall.CloseOnExec(fd)
	if err := syscall.Dup2(2, 1); err != nil {
		return nil, nil, fmt.Errorf("redirect stdout: %w", err)
	}
	return os.Stdin, os.NewFile(uintptr(fd), "frames"), nil
}

// server is the worker's side of the conversation.
type server struct {
	w     *wire.Writer
	setup wire.SetupMsg

	mu struct {
		sync.Mutex
		query      *query // running, or nil
		streams    map[uint32]*stream
		lastStream uint32
	}
}

func serve(in io.Reader, out io.Writer) error {
	r := wire.NewReader(in)
	s := &server{w: wire.NewWriter(out)}
	s.mu.streams = make(map[uint32]*stream)
	f, err := r.Next()
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return err
	}
	if f.Kind != wire.Setup {
		return errkind.Errorf(errkind.Bug, "the first frame is of kind %d, not a setup", f.Kind)
	}
	if err := f.Decode(&s.setup); err != nil {
		return err
	}
	db, err := s.prepare()
	if err != nil {
		return errors.Join(err, s.w.WriteJSON(wire.Failed, 0, wire.FailedMsg{Kind: errkind.Of(err), Text: err.Error()}))
	}
	if err := s.w.Write(wire.Ready, 0, nil); err != nil {
		return err
	}
	requests := make(chan wire.RequestMsg)
	go s.work(db, requests)
	return s.listen(r, requests)
}

// prepare sets limits and opens the shared database before any query arrives.
func (s *server) prepare() (*database, error) {
	db, err := s.openShared()
	if err != nil {
		return nil, err
	}
	if s.setup.MemoryBytes > 0 {
		// Go holds little here; collecting early leaves the memory to DuckDB.
		debug.SetMemoryLimit(s.setup.MemoryBytes / 4)
		if err := limitMemory(s.setup.MemoryBytes); err != nil {
			return nil, err
		}
	}
	return db, nil
}

// listen takes the parent's frames; it never waits for the query, so that data and
// cancels always get through.
func (s *server) listen(r *wire.Reader, requests chan<- wire.RequestMsg) error {
	for {
		f, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch f.Kind {
		case wire.Request:
			var msg wire.RequestMsg
			if err := f.Decode(&msg); err != nil {
				return err
			}
			if err := s.w.Write(wire.Taken, 0, nil); err != nil {
				return err
			}
			requests <- msg
		case wire.Data:
			if st := s.stream(f.Stream); st != nil {
				st.push(f.Payload)
			}
		case wire.End:
			if st := s.stream(f.Stream); st != nil {
				st.end(io.EOF)
			}
		case wire.Fault:
			if st := s.stream(f.Stream); st != nil {
				st.end(faultOf(f))
			}
		case wire.Cancel:
			s.cancel()
		default:
			return errkind.Errorf(errkind.Bug, "unexpected frame of kind %d", f.Kind)
		}
	}
}

func faultOf(f wire.Frame) error {
	var msg wire.FailedMsg
	if err := f.Decode(&msg); err != nil {
		return err
	}
	return errkind.New(msg.Kind, msg.Text)
}

func (s *server) stream(id uint32) *stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.streams[id]
}

// open starts a stream of an input's columns.
func (s *server) open(input int, columns []int) (*stream, error) {
	s.mu.Lock()
	s.mu.lastStream++
	st := newStream(s, s.mu.lastStream)
	s.mu.streams[st.id] = st
	s.mu.Unlock()
	if err := s.w.WriteJSON(wire.Open, st.id, wire.OpenMsg{Input: input, Columns: columns}); err != nil {
		return nil, err
	}
	return st, st.ask(creditsAhead)
}

func (s *server) close(st *stream) {
	s.mu.Lock()
	delete(s.mu.streams, st.id)
	s.mu.Unlock()
	// A parent that is gone needs no close.
	_ = s.w.Write(wire.Close, st.id, nil)
}

func (s *server) cancel() {
	s.mu.Lock()
	q := s.mu.query
	streams := make([]*stream, 0, len(s.mu.streams))
	for _, st := range s.mu.streams {
		streams = append(streams, st)
	}
	s.mu.Unlock()
	if q == nil {
		return // it ended while the cancel was under way
	}
	q.cancel()
	for _, st := range streams {
		st.end(errCanceled)
	}
}

func (s *server) setQuery(q *query) {
	s.mu.Lock()
	s.mu.query = q
	s.mu.Unlock()
}

// work runs the queries.
func (s *server) work(shared *database, requests <-chan wire.RequestMsg) {
	for req := range requests {
		err := s.answer(shared, req)
		if err == nil && len(shared.functions) > functionsMax {
			shared.close()
			shared, err = s.openShared()
		}
		if err != nil {
			// Without a pipe or a database there is nothing more to do here.
			fmt.Fprintln(os.Stderr, "error: query worker:", err)
			os.Exit(1)
		}
	}
}

// answer runs one query and sends its end. Its error is one of the worker, not the query's.
func (s *server) answer(shared *database, req wire.RequestMsg) error {
	db := shared
	if !s.shares(req.Paths) {
		own, err := s.openOwn(req.Paths)
		if err != nil {
			return err
		}
		defer own.close()
		db = own
	}
	q := newQuery(s, db, req)
	s.setQuery(q)
	rows, err := q.run()
	s.setQuery(nil)
	if err == nil {
		return s.w.WriteJSON(wire.Done, 0, wire.DoneMsg{Rows: rows})
	}
	kind := errkind.Of(err)
	return s.w.WriteJSON(wire.Failed, 0, wire.FailedMsg{Kind: kind, Text: err.Error(), Tainted: kind == errkind.Exhausted || q.fatal})
}
