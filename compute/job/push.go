package job

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/google/uuid"

	"github.com/weir-lake/weir/compute/epoch"
	"github.com/weir-lake/weir/internal/errkind"
)

// Limits of pushed rows waiting for their epoch, per table. A caller over them waits outside.
const (
	pushBytesMax    = 256 << 20
	pushRequestsMax = 10_000
)

// ErrPushFull: too many pushed rows wait for their commit; send again later.
var ErrPushFull = errkind.New(errkind.Exhausted, "push: too many rows are waiting to be committed; send again later")

// Pushed is what became of a push.
type Pushed struct {
	Epoch    int64 `json:"epoch"`
	Snapshot int64 `json:"snapshot"`
	Rows     int64 `json:"rows"`
	Repeated bool  `json:"repeated,omitempty"` // the idempotency key's rows were stored before
}

// pushes collects pushed rows per table; each epoch commits what came before it, as one snapshot a
// table. A push is answered when that commit is durable.
type pushes struct {
	m      *Manager
	wg     sync.WaitGroup
	claims pushClaims
	mu     struct {
		sync.Mutex
		waiting map[string]*pushBatch // by table path
		users   map[string]string     // commit user per table path
		bytes   int64                 // waiting and being committed
		closed  bool
	}
}

// pushBatch is the pushes of one table for one epoch.
type pushBatch struct {
	table    string
	requests []*pushRequest
}

type pushRequest struct {
	rows  arrow.RecordBatch
	kinds []int8
	bytes int64
	key   *pushKey
	done  chan pushAnswer
}

type pushAnswer struct {
	at  Pushed
	err error
}

func newPushes(m *Manager) *pushes {
	p := &pushes{m: m}
	p.mu.waiting = map[string]*pushBatch{}
	p.mu.users = map[string]string{}
	return p
}

// Push stores rows of the table at path (all its columns, in order; kinds nil means inserts) and returns
// when they are committed. With an idempotency key the same key and body store once within a day; the
// same key with another body is refused. The rows are retained until then and released by Push.
func (m *Manager) Push(ctx context.Context, path string, rows arrow.RecordBatch, kinds []int8, key, body string) (Pushed, error) {
	rows.Retain()
	req := &pushRequest{rows: rows, kinds: kinds, bytes: recordBytes(rows), done: make(chan pushAnswer, 1)}
	if key != "" {
		k, before, err := m.pushes.claim(ctx, path, key, body)
		if err != nil || before != nil {
			rows.Release()
			if err != nil {
				return Pushed{}, err
			}
			return *before, nil
		}
		defer k.release()
		req.key = k
	}
	if err := m.pushes.add(path, req); err != nil {
		rows.Release()
		return Pushed{}, err
	}
	// The request is now the epoch's; it is answered even if the caller has gone.
	select {
	case a := <-req.done:
		return a.at, a.err
	case <-ctx.Done():
		return Pushed{}, fmt.Errorf("push: the rows may be stored, the answer was not awaited: %w", ctx.Err())
	}
}

func (p *pushes) add(path string, req *pushRequest) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.closed {
		return errkind.New(errkind.Unavailable, "push: the service is stopping")
	}
	b := p.mu.waiting[path]
	if b == nil {
		b = &pushBatch{table: path}
		p.mu.waiting[path] = b
	}
	if p.mu.bytes+req.bytes > pushBytesMax || len(b.requests) >= pushRequestsMax {
		return ErrPushFull
	}
	p.mu.bytes += req.bytes
	b.requests = append(b.requests, req)
	return nil
}

// seal takes what waits as the input of epoch e. The writers are live from then on, so no reader
// takes the epoch for complete before they are done.
func (p *pushes) seal(e int64) []*pushBatch {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []*pushBatch
	for t, b := range p.mu.waiting {
		out = append(out, b)
		delete(p.mu.waiting, t)
		w := pushWriter(t, e)
		p.m.frontier.Register(w, t, nil, e)
		p.m.frontier.Pending(w, e)
	}
	return out
}

// pushWriter names the one-shot writer of a table's pushes in an epoch.
func pushWriter(table string, e int64) epoch.Writer {
	return epoch.Writer(fmt.Sprintf("push:%s:%d", table, e))
}

// unseal answers the requests of an epoch that could not be recorded.
func (p *pushes) unseal(batches []*pushBatch, err error) {
	e := p.m.frontier.Clock() + 1
	for _, b := range batches {
		p.m.frontier.Remove(pushWriter(b.table, e))
		p.answer(b, Pushed{}, fmt.Errorf("push: the epoch could not be recorded: %w", err))
	}
}

// start commits the sealed batches in the background.
func (p *pushes) start(ctx context.Context, e int64, batches []*pushBatch) {
	for _, b := range batches {
		p.wg.Add(1)
		go func() {
			defer p.wg.Done()
			w := pushWriter(b.table, e)
			at, err := p.commit(ctx, w, e, b)
			p.m.frontier.Done(w, epoch.Interval{From: e, To: e}, err == nil)
			p.m.frontier.Remove(w)
			p.answer(b, at, err)
			if errors.Is(err, epoch.ErrFenced) {
				p.m.lost(err)
			}
		}()
	}
}

func (p *pushes) answer(b *pushBatch, at Pushed, err error) {
	var bytes int64
	for _, r := range b.requests {
		bytes += r.bytes
		a := at
		a.Rows = r.rows.NumRows()
		r.rows.Release()
		r.done <- pushAnswer{a, err}
	}
	p.mu.Lock()
	p.mu.bytes -= bytes
	p.mu.Unlock()
}

// drain takes no more pushes, and waits until those accepted are committed.
func (p *pushes) drain(ctx context.Context) {
	p.mu.Lock()
	p.mu.closed = true
	p.mu.Unlock()
	for ctx.Err() == nil {
		ch := p.m.frontier.Changed()
		p.mu.Lock()
		n := p.mu.bytes
		p.mu.Unlock()
		if n == 0 {
			break
		}
		p.m.Nudge()
		select {
		case <-ch:
		case <-ctx.Done():
		}
	}
	p.wg.Wait()
}

// user is the commit user of this process's pushes to a table: a push is one-shot and never
// resumed, so it needs no identity beyond the process.
func (p *pushes) user(table string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	u := p.mu.users[table]
	if u == "" {
		u = uuid.NewString()
		p.mu.users[table] = u
	}
	return u
}

func recordBytes(r arrow.RecordBatch) int64 {
	var n int64
	for _, c := range r.Columns() {
		n += int64(c.Data().SizeInBytes())
	}
	return n
}
