package epoch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"sort"
	"strconv"
	"sync"
	"time"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
)

// logDir is the log's folder below the warehouse.
const logDir = ".weir/log"

// baseEvery is how many entries are written before the log is folded into a base entry:
// large enough to be rare, small enough that opening reads few objects.
const baseEvery = 4096

// ErrFenced: another coordinator took a higher term. The holder of the log stops without
// writing anything more.
var ErrFenced = errkind.New(errkind.Conflict, "epoch log: another coordinator has taken over")

// Log is the epoch log as held by one coordinator. Its methods are safe for concurrent use.
type Log struct {
	store objstore.Store
	now   func() time.Time
	owner string

	mu struct {
		sync.Mutex
		state   *State
		fenced  bool
		basedAt int64 // entry number of the newest base
	}
}

// Options of Open. The zero value works.
type Options struct {
	Now   func() time.Time // clock; default time.Now
	Owner string           // who holds the term, for people: "host:pid"; default "weir"
}

// Open folds the log below the warehouse root of store and takes the next term, so that every
// earlier holder is fenced from then on. An empty folder is an empty log.
func Open(ctx context.Context, store objstore.Store, opts Options) (*Log, error) {
	l := &Log{store: store, now: opts.Now, owner: opts.Owner}
	if l.now == nil {
		l.now = time.Now
	}
	if l.owner == "" {
		l.owner = "weir"
	}
	for {
		if err := l.load(ctx); err != nil {
			return nil, err
		}
		err := l.append(ctx, Entry{Kind: KindTerm, Owner: l.owner}, true)
		if err == nil {
			return l, nil
		}
		if !errors.Is(err, ErrFenced) {
			return nil, err
		}
	}
}

// Read folds the log without taking a term: for tools that only look.
func Read(ctx context.Context, store objstore.Store) (*State, error) {
	l := &Log{store: store, now: time.Now}
	if err := l.load(ctx); err != nil {
		return nil, err
	}
	return l.mu.state, nil
}

// load folds all entries, from the newest base on.
func (l *Log) load(ctx context.Context) error {
	var ns []int64
	err := l.store.List(ctx, logDir+"/", func(i objstore.Info) error {
		n, err := strconv.ParseInt(path.Base(i.Key), 10, 64)
		if err != nil {
			return errkind.Errorf(errkind.Corrupt, "epoch log: %s is not a log entry", l.store.URI(i.Key))
		}
		ns = append(ns, n)
		return nil
	})
	if err != nil {
		return fmt.Errorf("list epoch log: %w", err)
	}
	slices.Sort(ns)
	// Backwards to the newest base: entries below it may be half deleted.
	var entries []Entry
	for i := len(ns) - 1; i >= 0; i-- {
		e, err := l.read(ctx, ns[i])
		if err != nil {
			return err
		}
		entries = append(entries, e)
		if e.Kind == KindBase {
			break
		}
	}
	slices.Reverse(entries)
	state := NewState()
	var basedAt int64
	for _, e := range entries {
		if err := state.Apply(e); err != nil {
			return err
		}
		if e.Kind == KindBase {
			basedAt = e.N
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.state, l.mu.basedAt = state, basedAt
	return nil
}

func (l *Log) read(ctx context.Context, n int64) (Entry, error) {
	key := entryKey(n)
	data, err := objstore.ReadAll(ctx, l.store, key)
	if err != nil {
		return Entry{}, fmt.Errorf("read epoch log %s: %w", l.store.URI(key), err)
	}
	e, err := decode(data)
	if err != nil {
		return Entry{}, fmt.Errorf("%s: %w", l.store.URI(key), err)
	}
	if e.N != n {
		return Entry{}, errkind.Errorf(errkind.Corrupt, "%s says it is entry %d", l.store.URI(key), e.N)
	}
	return e, nil
}

// entryKey pads the number so that listing order is entry order.
func entryKey(n int64) string { return fmt.Sprintf("%s/%012d", logDir, n) }

// append writes the next entry. Appends are serialised; the put is atomic, so of two
// coordinators one loses and is fenced.
func (l *Log) append(ctx context.Context, e Entry, newTerm bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.fenced {
		return ErrFenced
	}
	s := l.mu.state
	e.Version, e.N, e.Term, e.TimeMs = formatVersion, s.N+1, s.Term, l.now().UnixMilli()
	if newTerm {
		e.Term++
	}
	if e.Kind == KindBase {
		e.Base = s.clone() // folded here, under the lock, so that no entry falls between
	}
	data, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode log entry %d: %w", e.N, err)
	}
	// The lock is held across this put on purpose: entries must be written one after the
	// other, and nothing else may read a state whose next entry is in flight.
	err = l.store.PutIfAbsent(ctx, entryKey(e.N), data)
	if errors.Is(err, objstore.ErrExists) {
		l.mu.fenced = !newTerm
		return fmt.Errorf("write epoch log entry %d: %w", e.N, ErrFenced)
	}
	if err != nil {
		return fmt.Errorf("write epoch log entry %d: %w", e.N, err)
	}
	if e.Kind == KindBase {
		l.mu.basedAt = e.N
	}
	return s.Apply(e)
}

// Term is the term this holder took.
func (l *Log) Term() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.state.Term
}

// State returns a copy of the folded log.
func (l *Log) State() *State {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.state.clone()
}

// RecordEpoch writes what epoch r.Epoch holds. It returns after the record is durable;
// nothing of the epoch may be committed before.
func (l *Log) RecordEpoch(ctx context.Context, r Record) error {
	return l.append(ctx, Entry{Kind: KindEpoch, Epoch: &r}, false)
}

// RecordJob writes a job's definition or new desired state.
func (l *Log) RecordJob(ctx context.Context, j JobRecord) error {
	return l.append(ctx, Entry{Kind: KindJob, Job: &j}, false)
}

// Record is what the epoch holds for the job; false when it had no input of its own.
func (l *Log) Record(jobID string, epoch int64) (JobInput, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	rs := l.mu.state.Records
	i := sort.Search(len(rs), func(i int) bool { return rs[i].Epoch >= epoch })
	if i == len(rs) || rs[i].Epoch != epoch {
		return JobInput{}, false
	}
	in, ok := rs[i].Jobs[jobID]
	return in, ok
}

// Since returns the epochs above after whose records name the job, or list a foreign snapshot of one
// of the tables, ascending.
func (l *Log) Since(jobID string, tables []string, after int64) []int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	rs := l.mu.state.Records
	i := sort.Search(len(rs), func(i int) bool { return rs[i].Epoch > after })
	var out []int64
	for _, r := range rs[i:] {
		_, named := r.Jobs[jobID]
		for _, t := range tables {
			_, foreign := r.Foreign[t]
			named = named || foreign
		}
		if named {
			out = append(out, r.Epoch)
		}
	}
	return out
}

// ForeignEpoch is the epoch whose record lists the foreign snapshot of the table first: the first one
// that reaches up to it. Snapshots older than the log belong to epoch 0; ones no record lists yet to none.
func (l *Log) ForeignEpoch(table string, snapshot int64) (epoch int64, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.mu.state
	newest, seen := s.Foreign[table]
	if !seen || newest < snapshot {
		return 0, false
	}
	for i := range s.Records {
		if upTo, has := s.Records[i].Foreign[table]; has && upTo >= snapshot {
			return s.Records[i].Epoch, true
		}
	}
	return s.FloorEpoch, true
}

// InputAt is State.InputAt of the log as it is now.
func (l *Log) InputAt(jobID string, epoch int64) (JobInput, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.state.InputAt(jobID, epoch)
}

// Replays is State.Replays of the log as it is now.
func (l *Log) Replays(jobID string, source int, epoch int64) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.state.Replays(jobID, source, epoch)
}

// Foreign is the newest foreign snapshot listed per table path.
func (l *Log) Foreign() map[string]int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.mu.state.Foreign)
}

// ClockAt is the recorded wall clock and seed of the newest record at or below the epoch: what NOW()
// means in it. Before the first record it is the Unix epoch.
func (l *Log) ClockAt(epoch int64) (time.Time, int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	rs := l.mu.state.Records
	i := sort.Search(len(rs), func(i int) bool { return rs[i].Epoch > epoch })
	if i == 0 {
		return time.UnixMilli(l.mu.state.FloorClockMs).UTC(), l.mu.state.FloorEpoch
	}
	return time.UnixMilli(rs[i-1].ClockMs).UTC(), rs[i-1].Seed
}

// DecidedAfter is the recorded clock of the oldest record above the epoch; false when there is none.
func (l *Log) DecidedAfter(epoch int64) (time.Time, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	rs := l.mu.state.Records
	i := sort.Search(len(rs), func(i int) bool { return rs[i].Epoch > epoch })
	if i == len(rs) {
		return time.Time{}, false
	}
	return time.UnixMilli(rs[i].ClockMs), true
}

// CheckTerm reads whether a newer term exists. The commit path calls it before each attempt.
func (l *Log) CheckTerm(ctx context.Context) error {
	l.mu.Lock()
	next, fenced := l.mu.state.N+1, l.mu.fenced
	l.mu.Unlock()
	if fenced {
		return ErrFenced
	}
	// Entries are only ever written by the holder, so an entry this holder did not write at its
	// next number is a newer term's.
	_, err := l.store.Stat(ctx, entryKey(next))
	if errors.Is(err, objstore.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("check epoch log term: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.state.N >= next {
		return nil // our own append got there meanwhile
	}
	l.mu.fenced = true
	return ErrFenced
}

// Truncate lets go of records below keepFrom, the oldest epoch that a checkpoint, pin or
// servable cut may replay. When many entries have come since the last base it writes a new
// one and deletes the entries before it.
func (l *Log) Truncate(ctx context.Context, keepFrom int64) error {
	l.mu.Lock()
	l.mu.state.raiseFloor(keepFrom)
	from, n := l.mu.basedAt, l.mu.state.N
	l.mu.Unlock()
	if n-from < baseEvery {
		return nil
	}
	if err := l.append(ctx, Entry{Kind: KindBase}, false); err != nil {
		return err
	}
	return l.deleteBefore(ctx, l.basedAt())
}

func (l *Log) basedAt() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.basedAt
}

// deleteBefore removes entries newest first, so that a crash in between leaves a gap only
// below the base, where load does not look.
func (l *Log) deleteBefore(ctx context.Context, base int64) error {
	var keys []string
	err := l.store.List(ctx, logDir+"/", func(i objstore.Info) error {
		if i.Key < entryKey(base) {
			keys = append(keys, i.Key)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("list epoch log: %w", err)
	}
	slices.Reverse(keys)
	for _, k := range keys {
		if err := l.store.Delete(ctx, k); err != nil {
			return fmt.Errorf("truncate epoch log: %w", err)
		}
	}
	return nil
}
