package lineage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/catalog"
	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/snapshot"
)

const (
	// snapshotsMax bounds the snapshots kept per table: an hour of one a second. Older ones are not shown.
	snapshotsMax = 4096
	// factsMax bounds those of all tables, some hundred megabytes; where there are many tables each keeps fewer,
	// but snapshotsMin.
	factsMax     = 200_000
	snapshotsMin = 64
	// readersMax is how many tables are looked at at once.
	readersMax = 8
	// lookMax is a look at all tables that no request minds waiting for. A warehouse that takes longer is looked at
	// beside the requests for the graph, which may then be looksOld times that old.
	lookMax  = 50 * time.Millisecond
	looksOld = 20
	// lookTimeout bounds a look beside the requests.
	lookTimeout = 5 * time.Minute
)

// fact is what one snapshot says of itself.
type fact struct {
	id     int64
	hash   string
	kind   snapshot.CommitKind
	user   string
	made   int64 // Unix milliseconds
	engine string
	own    bool // of a table of database sys: the service's books, which have no epochs
	commit.Provenance
	properties map[string]string
}

// moves reports a snapshot that changed rows: the others arrange or describe what is there.
func (f *fact) moves() bool { return f.kind != snapshot.Compact && f.kind != snapshot.Analyze }

// history is the retained snapshots of one table, oldest first, and before them those that only tags retain. It is
// never changed.
type history struct {
	facts  []*fact
	tagged int                // of them at the beginning
	last   objstore.Info      // of the newest snapshot's file
	tags   *snapshot.TagCache // of the table
}

// live are the facts whose snapshots are retained themselves.
func (h *history) live() []*fact { return h.facts[h.tagged:] }

// at is the place of the snapshot, or of the first one after it.
func (h *history) at(id int64) (int, bool) {
	return slices.BinarySearchFunc(h.facts, id, func(f *fact, id int64) int { return int(f.id - id) })
}

// within are the facts of (from, to].
func (h *history) within(from, to int64) []*fact {
	a, _ := h.at(from + 1)
	b, _ := h.at(to + 1)
	return h.facts[min(a, b):b]
}

// upTo is the newest fact up to id that changed rows; nil when none is retained. Between snapshots that only tags
// retain there are gaps, about which nothing is known.
func (h *history) upTo(id int64) *fact {
	n, _ := h.at(id + 1)
	if n > 0 && n <= h.tagged && h.facts[n-1].id != id {
		return nil
	}
	for _, f := range slices.Backward(h.facts[:n]) {
		if f.moves() {
			return f
		}
	}
	return nil
}

// newest is the newest fact that changed rows.
func (h *history) newest() *fact {
	if len(h.facts) == 0 {
		return nil
	}
	return h.upTo(h.facts[len(h.facts)-1].id)
}

// shelf is the histories of all tables at one look. It is never changed.
type shelf struct {
	tables  map[string]*history // by "db.table"; connector tables have an empty one
	names   []string            // sorted
	outside map[string]string   // connector of tables that have one
	number  int                 // of the look
	began   time.Time
	took    time.Duration
}

// of is the history of a table; one that is not there is empty.
func (s *shelf) of(table string) *history {
	if h := s.tables[table]; h != nil {
		return h
	}
	return &history{}
}

// histories looks at the snapshots of all tables, and remembers them: a look reads only what is new.
type histories struct {
	cat  *catalog.Catalog
	now  func() time.Time
	turn chan struct{} // of who looks
	mu   struct {
		sync.Mutex
		shelf *shelf
		begun int  // looks so far
		busy  bool // a look beside the requests is under way
		ended bool // no look beside the requests may begin any more
	}
	ctx  context.Context // of looks beside the requests
	stop context.CancelFunc
	done sync.WaitGroup
}

func newHistories(cat *catalog.Catalog, now func() time.Time) *histories {
	h := &histories{cat: cat, now: now, turn: make(chan struct{}, 1)}
	h.ctx, h.stop = context.WithCancel(context.Background())
	return h
}

// end stops a look beside the requests. It may be called twice; looks for requests go on.
func (h *histories) end() {
	h.mu.Lock()
	h.mu.ended = true
	h.mu.Unlock()
	h.stop()
	h.done.Wait()
}

func (h *histories) current() *shelf {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.mu.shelf
}

// fresh is a look that began after it was asked for. Those who ask meanwhile share the next one.
func (h *histories) fresh(ctx context.Context) (*shelf, error) {
	h.mu.Lock()
	asked := h.mu.begun
	h.mu.Unlock()
	select {
	case h.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-h.turn }()
	old := h.current()
	if old != nil && old.number > asked {
		return old, nil
	}
	h.mu.Lock()
	h.mu.begun++
	number := h.mu.begun
	h.mu.Unlock()
	s, err := h.look(ctx, old)
	if err != nil {
		return nil, fmt.Errorf("look at the snapshots of the warehouse: %w", err)
	}
	s.number = number
	h.mu.Lock()
	h.mu.shelf = s
	h.mu.Unlock()
	return s, nil
}

// recent is a look that is new enough for a picture: a new one where that is soon done, else the last one, while
// the next is under way.
func (h *histories) recent(ctx context.Context) (*shelf, error) {
	s := h.current()
	if s == nil || s.took <= lookMax || h.now().Sub(s.began) > looksOld*s.took {
		return h.fresh(ctx)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.mu.busy && !h.mu.ended {
		h.mu.busy = true
		h.done.Add(1)
		go h.beside()
	}
	return s, nil
}

func (h *histories) beside() {
	defer h.done.Done()
	ctx, cancel := context.WithTimeout(h.ctx, lookTimeout)
	defer cancel()
	_, _ = h.fresh(ctx) // the request that needs it will meet the error itself
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.busy = false
}

// look reads what is new since old, which may be nil.
func (h *histories) look(ctx context.Context, old *shelf) (*shelf, error) {
	s := &shelf{tables: map[string]*history{}, outside: map[string]string{}, began: h.now()}
	if old == nil {
		old = &shelf{}
	}
	ids, err := h.list(ctx)
	if err != nil {
		return nil, err
	}
	keep := min(snapshotsMax, max(snapshotsMin, factsMax/max(1, len(ids))))
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readersMax)
	for _, id := range ids {
		name := id.String()
		s.names = append(s.names, name)
		g.Go(func() error {
			next, connector, err := h.table(ctx, id, old, keep)
			if errkind.Is(err, errkind.NotFound) {
				return nil // dropped meanwhile
			}
			if err != nil {
				return fmt.Errorf("table %s: %w", name, err)
			}
			mu.Lock()
			defer mu.Unlock()
			s.tables[name] = next
			if connector != "" {
				s.outside[name] = connector
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	s.took = h.now().Sub(s.began)
	return s, nil
}

func (h *histories) list(ctx context.Context) ([]catalog.Identifier, error) {
	dbs, err := h.cat.Databases(ctx)
	if err != nil {
		return nil, err
	}
	var out []catalog.Identifier
	for _, db := range dbs {
		tables, err := h.cat.Tables(ctx, db)
		if errors.Is(err, catalog.ErrNoDatabase) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, t := range tables {
			out = append(out, catalog.Identifier{Database: db, Table: t})
		}
	}
	return out, nil
}

// table looks at one table. Whether it is behind a connector is asked as long as it has no snapshot.
func (h *histories) table(ctx context.Context, id catalog.Identifier, old *shelf, keep int) (*history, string, error) {
	next, err := h.refresh(ctx, id, old.of(id.String()), keep)
	if err != nil || len(next.facts) > 0 {
		return next, "", err
	}
	if c := old.outside[id.String()]; c != "" {
		return next, c, nil
	}
	sc, err := h.cat.Table(ctx, id)
	if err != nil {
		return nil, "", err
	}
	if sc.Connector() {
		return next, sc.Options["connector"], nil
	}
	return next, "", nil
}

// refresh brings a history up to date: newer snapshots are added and expired ones leave. When the newest one that is
// known is not the same file any more (a rollback, another table of the name), all are read again.
func (h *histories) refresh(ctx context.Context, id catalog.Identifier, old *history, keep int) (*history, error) {
	store := h.cat.TableStore(id)
	snaps := snapshot.NewManager(store, "")
	latest, err := snaps.LatestID(ctx)
	if errors.Is(err, snapshot.ErrNone) {
		return &history{}, nil
	}
	if err != nil {
		return nil, err
	}
	first := snapshot.ID(1)
	var facts []*fact
	if live := old.live(); len(live) > 0 {
		known := snapshot.ID(live[len(live)-1].id)
		info, err := store.Stat(ctx, snaps.Key(known))
		if err != nil && !errors.Is(err, objstore.ErrNotFound) {
			return nil, err
		}
		if err == nil && info == old.last {
			first, facts = known+1, live
		}
	}
	earliest, err := snaps.EarliestID(ctx)
	if err != nil {
		return nil, err
	}
	oldest := max(earliest, latest-snapshot.ID(keep)+1)
	add, err := readFacts(ctx, snaps, max(first, oldest), latest)
	if err != nil {
		return nil, err
	}
	n, _ := slices.BinarySearchFunc(facts, int64(oldest), func(f *fact, id int64) int { return int(f.id - id) })
	next := &history{facts: slices.Concat(facts[n:], add), tags: old.tags, last: old.last}
	if len(next.facts) == 0 {
		return next, nil
	}
	if len(add) > 0 {
		next.last, err = store.Stat(ctx, snaps.Key(snapshot.ID(add[len(add)-1].id)))
		if errors.Is(err, objstore.ErrNotFound) {
			return &history{}, nil // expired or rolled back in this moment; the next look sees it
		}
		if err != nil {
			return nil, err
		}
	}
	own := id.Database == catalog.SystemDatabase
	for _, f := range add {
		f.own = own
	}
	return next, next.addTagged(ctx, snaps, old, keep, own)
}

// addTagged puts the snapshots before the others that only tags retain.
func (h *history) addTagged(ctx context.Context, snaps *snapshot.Manager, old *history, keep int, own bool) error {
	if h.tags == nil {
		h.tags = &snapshot.TagCache{}
	}
	tags, err := snaps.TagsCached(ctx, h.tags)
	if err != nil {
		return err
	}
	var older []*fact
	for _, t := range tags {
		if int64(t.Snapshot.ID) >= h.facts[0].id {
			continue
		}
		if i, ok := old.at(int64(t.Snapshot.ID)); ok && old.facts[i].hash == t.Snapshot.Hash {
			older = append(older, old.facts[i])
			continue
		}
		f, err := factOf(t.Snapshot)
		if err != nil {
			return fmt.Errorf("tag %s: %w", t.Name, err)
		}
		f.own = own
		older = append(older, f)
	}
	slices.SortFunc(older, func(a, b *fact) int { return int(a.id - b.id) })
	older = slices.CompactFunc(older, func(a, b *fact) bool { return a.id == b.id })
	older = older[max(0, len(older)-keep):]
	h.facts, h.tagged = slices.Concat(older, h.facts), len(older)
	return nil
}

// readFacts reads snapshots; those that expire meanwhile are left out.
func readFacts(ctx context.Context, snaps *snapshot.Manager, first, last snapshot.ID) ([]*fact, error) {
	var out []*fact
	for id := first; id <= last; id++ {
		s, err := snaps.Get(ctx, id)
		if errkind.Is(err, errkind.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		f, err := factOf(s)
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

// Prefixes of snapshot properties by which other engines are known.
var enginePrefixes = []string{"flink", "spark"}

func factOf(s *snapshot.Snapshot) (*fact, error) {
	p, err := commit.ProvenanceOf(s)
	if err != nil {
		return nil, err
	}
	f := &fact{id: int64(s.ID), hash: s.Hash, kind: s.CommitKind, user: s.CommitUser, made: s.TimeMillis, Provenance: p}
	for name, value := range s.Properties {
		for _, e := range enginePrefixes {
			if strings.HasPrefix(strings.ToLower(name), e) {
				f.engine = e
			}
		}
		if name == propRevision || name == propBackfill {
			if f.properties == nil {
				f.properties = map[string]string{}
			}
			f.properties[name] = value
		}
	}
	return f, nil
}
