package olap

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weir-lake/weir/compute/session"
	"github.com/weir-lake/weir/internal/errkind"
)

// engine answers all queries of this package.
const engine = "duckdb"

// historyMax bounds the ended queries that are remembered here: some minutes of a busy service, in a few MB.
const historyMax = 1000

// sqlMax bounds the text kept of a query, in bytes.
const sqlMax = 8 << 10

// ErrNoQuery: no query of that id waits, runs, or is remembered.
var ErrNoQuery = errkind.New(errkind.NotFound, "query: no such query")

// State is what a query is doing.
type State string

// The states.
const (
	Queued   State = "queued"
	Running  State = "running"
	Done     State = "done"
	Failed   State = "failed"
	Canceled State = "canceled"
)

// Info is a query as people and the API see it.
type Info struct {
	ID       string       `json:"id"`
	User     string       `json:"user,omitempty"`
	SQL      string       `json:"sql"`
	State    State        `json:"state"`
	QueuedAt time.Time    `json:"queued_at"`
	Started  *time.Time   `json:"started_at,omitempty"`
	Ended    *time.Time   `json:"ended_at,omitempty"`
	Rows     int64        `json:"rows"`
	Bytes    int64        `json:"bytes"` // of Arrow data handed out
	Cut      *session.Cut `json:"cut,omitempty"`
	Engine   string       `json:"engine"` // who answers
	Class    string       `json:"class"`  // what a change would cost the query as a stream
	Error    string       `json:"error,omitempty"`
}

// record is a query in the registry; info is guarded by the registry's lock.
type record struct {
	info   Info
	seq    int64
	cancel context.CancelCauseFunc
}

// registry knows the queries that wait or run and the last that ended.
type registry struct {
	now   func() time.Time
	onEnd func(Info)
	keep  *History // nil: none
	mu    struct {
		sync.Mutex
		seq     int64
		live    map[string]*record
		history []Info // oldest first
	}
}

func newRegistry(now func() time.Time, keep *History, onEnd func(Info)) *registry {
	r := &registry{now: now, keep: keep, onEnd: onEnd}
	r.mu.live = map[string]*record{}
	return r
}

// add takes up a query of which id, user, text, engine and class are known.
func (r *registry) add(q Info, cancel context.CancelCauseFunc) *record {
	if len(q.SQL) > sqlMax {
		q.SQL = strings.ToValidUTF8(q.SQL[:sqlMax], "") + " .."
	}
	q.SQL = strings.ReplaceAll(q.SQL, "\x00", "") // no database stores it
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.seq++
	q.State, q.QueuedAt = Queued, r.now().UTC()
	rec := &record{seq: r.mu.seq, cancel: cancel, info: q}
	r.mu.live[q.ID] = rec
	return rec
}

func (r *registry) running(rec *record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := r.now().UTC()
	rec.info.State, rec.info.Started = Running, &at
}

func (r *registry) setCut(rec *record, cut *session.Cut) {
	r.mu.Lock()
	defer r.mu.Unlock()
	rec.info.Cut = cut
}

// count adds to what the query has handed out and returns the sums.
func (r *registry) count(rec *record, rows, bytes int64) (allRows, allBytes int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	rec.info.Rows += rows
	rec.info.Bytes += bytes
	return rec.info.Rows, rec.info.Bytes
}

// end moves the query to the history; the first call decides.
func (r *registry) end(rec *record, err error) {
	r.mu.Lock()
	if r.mu.live[rec.info.ID] != rec {
		r.mu.Unlock()
		return
	}
	delete(r.mu.live, rec.info.ID)
	at := r.now().UTC()
	rec.info.Ended, rec.info.State = &at, Done
	if err != nil {
		rec.info.State, rec.info.Error = Failed, err.Error()
		if errkind.Is(err, errkind.Canceled) {
			rec.info.State = Canceled
		}
	}
	info := rec.info
	if len(r.mu.history) == historyMax {
		r.mu.history = append(r.mu.history[:0], r.mu.history[historyMax/4:]...)
	}
	r.mu.history = append(r.mu.history, info)
	r.mu.Unlock()
	if r.keep != nil {
		r.keep.journal.Add(info)
	}
	if r.onEnd != nil {
		r.onEnd(info)
	}
}

func (r *registry) list() []Info {
	r.mu.Lock()
	defer r.mu.Unlock()
	live := make([]*record, 0, len(r.mu.live))
	for _, rec := range r.mu.live {
		live = append(live, rec)
	}
	slices.SortFunc(live, func(a, b *record) int { return int(b.seq - a.seq) })
	out := make([]Info, 0, len(live)+len(r.mu.history))
	for _, rec := range live {
		out = append(out, rec.info)
	}
	for _, info := range slices.Backward(r.mu.history) {
		out = append(out, info)
	}
	return out
}

func (r *registry) show(id string) (Info, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if rec := r.mu.live[id]; rec != nil {
		return rec.info, nil
	}
	for _, info := range slices.Backward(r.mu.history) {
		if info.ID == id {
			return info, nil
		}
	}
	return Info{}, fmt.Errorf("%w: %s", ErrNoQuery, id)
}

func (r *registry) cancel(id, user string) error {
	r.mu.Lock()
	rec := r.mu.live[id]
	r.mu.Unlock()
	if rec != nil {
		reason := "query: canceled"
		if user != "" {
			reason += " by " + user
		}
		rec.cancel(errkind.New(errkind.Canceled, reason))
		return nil
	}
	_, err := r.show(id) // one that has ended needs nothing more
	return err
}
