package duck

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/weir-lake/weir/compute/duck/internal/wire"
	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/internal/errkind"
)

// Result streams the rows of a query. It holds a worker until its end or Close.
type Result struct {
	conv   *conversation
	reader *ipc.Reader
	schema *arrow.Schema
	once   sync.Once
}

// Run sends the query to a worker, waits for its first rows and returns a stream
// of the rest. ctx bounds the whole query, not only this call. While no worker is free, Run
// waits; callers that want a bounded queue keep it themselves.
func (p *Pool) Run(ctx context.Context, q Query) (*Result, error) {
	req, err := requestOf(q)
	if err != nil {
		return nil, err
	}
	c, err := p.converse(ctx, q, req)
	if err != nil {
		return nil, err
	}
	reader, err := ipc.NewReader(c, ipc.WithDelayReadSchema(false))
	if err != nil {
		return nil, c.finish(err)
	}
	return &Result{conv: c, reader: reader, schema: reader.Schema()}, nil
}

// converse gives the request to a worker. One that dies before it takes it, as one that died
// while idle does, is replaced.
func (p *Pool) converse(ctx context.Context, q Query, req wire.RequestMsg) (*conversation, error) {
	for {
		w, err := p.acquire(ctx)
		if err != nil {
			return nil, err
		}
		w.stderr.reset()
		err = w.w.WriteJSON(wire.Request, 0, req)
		if errkind.Is(err, errkind.Exhausted) { // it is too long; the worker saw nothing of it
			p.release(w, true)
			return nil, fmt.Errorf("run query: %w", err)
		}
		if err == nil {
			if err = w.taken(ctx); err == nil {
				c := newConversation(ctx, p, w, q)
				go c.run()
				return c, nil
			}
		}
		w.kill("it took no request")
		p.release(w, false)
		if w.fresh || ctx.Err() != nil {
			return nil, err
		}
	}
}

// taken waits until the worker has the request.
func (p *process) taken(ctx context.Context) error {
	for {
		select {
		case f, ok := <-p.frames:
			switch {
			case !ok:
				return p.death("run query")
			case f.Kind == wire.Taken:
				return nil
			case f.Kind != wire.Credit && f.Kind != wire.Close: // these may be late
				return errkind.Errorf(errkind.Bug, "run query: worker answers a request with frame kind %d", f.Kind)
			}
		case <-ctx.Done():
			return errorOf(ctx, "run query")
		}
	}
}

// Schema is the result's schema: the query's Output.
func (r *Result) Schema() *arrow.Schema { return r.schema }

// Next returns the next batch, which the caller releases, or io.EOF.
func (r *Result) Next() (arrow.RecordBatch, error) {
	if r.reader.Next() {
		b := r.reader.RecordBatch()
		b.Retain()
		return b, nil
	}
	err := r.reader.Err()
	if err == nil {
		err = io.EOF
	}
	return nil, r.conv.finish(err)
}

// Close cancels what still runs and frees the worker. It may be called more than once.
func (r *Result) Close() error {
	r.once.Do(func() {
		r.conv.stop()
		<-r.conv.done
		r.reader.Release()
	})
	return nil
}

func requestOf(q Query) (wire.RequestMsg, error) {
	req := wire.RequestMsg{SQL: q.SQL, Paths: q.Paths, Output: q.Output, UDFs: q.UDFs, Env: envMsg(q.Env)}
	if len(q.Output) == 0 {
		return req, errkind.Errorf(errkind.Bug, "duck: a query needs at least one output column")
	}
	for i, in := range q.Inputs {
		if in.Schema == nil || in.Schema.NumFields() == 0 || in.Open == nil {
			return req, errkind.Errorf(errkind.Bug, "duck: input %d has no columns or cannot be opened", i)
		}
		var buf bytes.Buffer
		if err := ipc.NewWriter(&buf, ipc.WithSchema(in.Schema)).Close(); err != nil {
			return req, fmt.Errorf("encode schema of input %d: %w", i, err)
		}
		req.Inputs = append(req.Inputs, wire.InputMsg{Schema: buf.Bytes(), Rows: in.Rows})
	}
	return req, nil
}

func envMsg(e expr.Env) wire.Env {
	m := wire.Env{Clock: e.Clock, Watermark: e.Watermark, Seed: e.Seed}
	if e.Zone != nil {
		m.Zone = e.Zone.String()
	}
	return m
}

// conversation is one query with one worker: it answers the worker's demands for
// input and passes on pieces of the result.
type conversation struct {
	ctx    context.Context // ends with the query
	stop   context.CancelFunc
	pool   *Pool
	w      *process
	q      Query
	pumps  map[uint32]*pump
	wg     sync.WaitGroup // pumps
	pieces chan []byte    // of the result's IPC stream; closed at the end
	rest   []byte         // of the piece being read
	done   chan struct{}  // closed after the worker was given back
	err    error          // of the query; valid after done
}

// One piece is read while the next is fetched.
const pieceQueue = 1

func newConversation(ctx context.Context, p *Pool, w *process, q Query) *conversation {
	c := &conversation{
		pool: p, w: w, q: q,
		pumps: make(map[uint32]*pump), pieces: make(chan []byte, pieceQueue), done: make(chan struct{}),
	}
	c.ctx, c.stop = context.WithCancel(ctx)
	return c
}

// Read gives the IPC reader the bytes of the result.
func (c *conversation) Read(b []byte) (int, error) {
	for len(c.rest) == 0 {
		piece, ok := <-c.pieces
		if !ok {
			<-c.done
			if c.err != nil {
				return 0, c.err
			}
			return 0, io.EOF
		}
		c.rest = piece
	}
	n := copy(b, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// finish turns the reader's end into the query's: io.EOF, or the worker's error.
func (c *conversation) finish(readErr error) error {
	if !errors.Is(readErr, io.EOF) && c.queryErr() == nil {
		// The bytes themselves are wrong: do not wait for more of them.
		c.stop()
	}
	<-c.done
	switch {
	case c.err != nil:
		return c.err
	case errors.Is(readErr, io.EOF):
		return io.EOF
	default:
		return fmt.Errorf("read query result: %w", readErr)
	}
}

func (c *conversation) queryErr() error {
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}

// run owns the worker until the query's end.
func (c *conversation) run() {
	healthy := c.converse()
	c.stop()
	c.wg.Wait()
	c.pool.release(c.w, healthy)
	close(c.pieces)
	close(c.done)
}

// converse handles frames until the query ended; it reports whether the worker can be used again.
func (c *conversation) converse() bool {
	canceled := c.ctx.Done()
	var grace <-chan time.Time
	for {
		select {
		case f, ok := <-c.w.frames:
			if !ok {
				<-c.w.exited
				c.err = c.endError(c.w.death("run query"))
				return false
			}
			if ended, healthy := c.handle(f); ended {
				return healthy
			}
		case <-canceled:
			canceled = nil
			timer := time.NewTimer(c.pool.opts.CancelGrace)
			defer timer.Stop()
			grace = timer.C
			if err := c.w.w.Write(wire.Cancel, 0, nil); err != nil {
				c.w.kill("it could not be interrupted")
			}
		case <-grace:
			grace = nil
			c.w.kill(fmt.Sprintf("its query did not end within %s of being canceled", c.pool.opts.CancelGrace))
		}
	}
}

// endError prefers the caller's own cancel over what became of the worker.
func (c *conversation) endError(err error) error {
	if c.ctx.Err() != nil {
		return errorOf(c.ctx, "run query")
	}
	return err
}

func (c *conversation) handle(f wire.Frame) (ended, healthy bool) {
	switch f.Kind {
	case wire.Open:
		return c.open(f)
	case wire.Credit:
		if p := c.pumps[f.Stream]; p != nil {
			p.credit()
		}
	case wire.Close:
		if p := c.pumps[f.Stream]; p != nil {
			p.stop() // it stays known: its error may be the query's
		}
	case wire.Result:
		select {
		case c.pieces <- f.Payload:
		case <-c.ctx.Done(): // nobody reads; the worker is being interrupted
		}
	case wire.Done:
		if c.ctx.Err() != nil {
			c.err = errorOf(c.ctx, "run query")
		}
		return true, true
	case wire.Failed:
		return true, c.failed(f)
	default:
		return c.broken(errkind.Errorf(errkind.Bug, "run query: worker sent frame kind %d", f.Kind))
	}
	return false, false
}

func (c *conversation) open(f wire.Frame) (ended, healthy bool) {
	var msg wire.OpenMsg
	if err := f.Decode(&msg); err != nil {
		return c.broken(err)
	}
	if msg.Input < 0 || msg.Input >= len(c.q.Inputs) {
		return c.broken(errkind.Errorf(errkind.Bug, "run query: worker opens input %d of %d", msg.Input, len(c.q.Inputs)))
	}
	p := newPump(c.ctx, c.w.w, f.Stream, c.q.Inputs[msg.Input], msg.Columns)
	c.pumps[f.Stream] = p
	c.wg.Add(1)
	go func() {
		defer c.wg.Done()
		p.run()
	}()
	return false, false
}

func (c *conversation) failed(f wire.Frame) (healthy bool) {
	var msg wire.FailedMsg
	if err := f.Decode(&msg); err != nil {
		_, healthy = c.broken(err)
		return healthy
	}
	c.err = c.endError(errkind.Errorf(msg.Kind, "%s", msg.Text))
	for _, p := range c.pumps {
		// The input's own error carries the chain of causes that text has lost.
		if err := p.failure(); err != nil && c.ctx.Err() == nil {
			c.err = err
		}
	}
	return !msg.Tainted
}

// broken ends the query because the worker does not keep the protocol.
func (c *conversation) broken(err error) (ended, healthy bool) {
	c.err = err
	c.w.kill(err.Error())
	return true, false
}
