package job

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/snapshot"
)

// consumerID is the one Paimon consumer through which weir holds snapshots of a table: every engine's
// expiry respects it.
const consumerID = "weir"

// pins hold the snapshots that jobs and queries still need.
type pins struct {
	store  objstore.Store // the warehouse's root
	logger *slog.Logger
	// released counts the jobs whose pins were let go for their age.
	released atomic.Int64
	// writing lets one flush write at a time: of two at once, the slower would put an older decision over a newer one.
	writing sync.Mutex
	mu      struct {
		sync.Mutex
		held    map[string]map[string]int64 // table path -> holder -> oldest snapshot needed
		written map[string]int64            // as the consumer file says
		// unknown are jobs of which it is not known what they need: until it is, a pin an earlier process wrote must
		// not move up.
		unknown map[string]bool
		ages    map[string]*pinAge // by job, of those that keep something that has been replaced
	}
}

func newPins(store objstore.Store, logger *slog.Logger) *pins {
	p := &pins{store: store, logger: logger}
	p.mu.held = map[string]map[string]int64{}
	p.mu.written = map[string]int64{}
	p.mu.unknown = map[string]bool{}
	p.mu.ages = map[string]*pinAge{}
	return p
}

// unsure says that what the holder needs is not known.
func (p *pins) unsure(holder string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.unknown[holder] = true
}

// of is what the holder needs, by table.
func (p *pins) of(holder string) map[string]int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := map[string]int64{}
	for t, hs := range p.mu.held {
		if id, ok := hs[holder]; ok {
			out[t] = id
		}
	}
	return out
}

func (p *pins) age(holder string) *pinAge {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mu.ages[holder]
}

func (p *pins) setAge(holder string, a *pinAge) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if a == nil {
		delete(p.mu.ages, holder)
		return
	}
	p.mu.ages[holder] = a
}

// set replaces what the holder needs, durably; an empty map lets go of everything.
func (p *pins) set(ctx context.Context, holder string, need map[string]int64) {
	p.hold(holder, need)
	p.flush(ctx)
}

// hold replaces what the holder needs in this process only: for queries, which end before a restart.
func (p *pins) hold(holder string, need map[string]int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.mu.unknown, holder)
	for t, hs := range p.mu.held {
		if _, still := need[t]; !still {
			delete(hs, holder)
		}
	}
	for t, id := range need {
		if p.mu.held[t] == nil {
			p.mu.held[t] = map[string]int64{}
		}
		p.mu.held[t][holder] = id
	}
}

// oldest is the oldest snapshot of the table that somebody needs; ok is false when nobody does.
func (p *pins) oldest(table string) (id int64, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.oldestLocked(table)
}

func (p *pins) oldestLocked(table string) (id int64, ok bool) {
	for _, n := range p.mu.held[table] {
		if !ok || n < id {
			id, ok = n, true
		}
	}
	return id, ok
}

// flush writes the consumers that changed. A failure is logged and tried again at the next change: an old
// pin only keeps more than needed.
func (p *pins) flush(ctx context.Context) {
	p.writing.Lock()
	defer p.writing.Unlock()
	p.mu.Lock()
	if len(p.mu.unknown) > 0 {
		p.mu.Unlock()
		return
	}
	changes := map[string]int64{}
	for t := range p.mu.held {
		id, ok := p.oldestLocked(t)
		if !ok {
			id = -1
		}
		if was, known := p.mu.written[t]; !known || was != id {
			changes[t] = id
		}
	}
	p.mu.Unlock()
	for t, id := range changes {
		snaps := snapshot.NewManager(objstore.Sub(p.store, t), "")
		var err error
		if id < 0 {
			err = snaps.DeleteConsumer(ctx, consumerID)
		} else {
			// A consumer names the snapshot it reads next; the pinned one must stay too.
			err = snaps.PutConsumer(ctx, consumerID, snapshot.ID(id))
		}
		if err != nil {
			if ctx.Err() == nil {
				p.logger.Warn("pin_failed", "table", t, "error", err)
			}
			continue
		}
		p.mu.Lock()
		p.mu.written[t] = id
		p.mu.Unlock()
	}
}

// Hold keeps the given snapshots of tables (by path) from weir's expiry until release is called.
func (m *Manager) Hold(holder string, need map[string]int64) (release func()) {
	m.pins.hold(holder, need)
	return func() { m.pins.hold(holder, nil) }
}
