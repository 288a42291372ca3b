package epoch

import (
	"context"
	"slices"
	"sort"
	"sync"
)

// Writer names who commits to a table: a job id, or a push or one-shot writer's id.
type Writer string

// intervalsMax bounds the commit intervals remembered per table. Older ones lie below every
// cut that is still chosen.
const intervalsMax = 4096

// Interval is one commit: the epochs From..To became visible together.
type Interval struct{ From, To int64 }

// Frontier tracks which epochs the writers of tables have completed. A writer that has nothing
// to do completes epochs as the clock and its inputs do, without being asked: idle jobs cost
// nothing and never hold a cut.
type Frontier struct {
	mu struct {
		sync.Mutex
		clock   int64 // the newest epoch that may hold input
		writers map[Writer]*writerState
		tables  map[string]*tableState
		changed chan struct{} // closed and replaced at every change
	}
}

type writerState struct {
	table   string   // what it writes; "" for sinks outside the warehouse
	inputs  []string // tables it reads
	pending []int64  // epochs with input not yet committed, ascending
	from    int64    // the first epoch it takes part in
}

type tableState struct {
	writers   []Writer
	readers   []Writer
	intervals []Interval // ascending by To
}

// NewFrontier starts at an epoch: the newest one in the log and in any snapshot.
func NewFrontier(clock int64) *Frontier {
	f := &Frontier{}
	f.mu.clock = clock
	f.mu.writers = map[Writer]*writerState{}
	f.mu.tables = map[string]*tableState{}
	f.mu.changed = make(chan struct{})
	return f
}

func (f *Frontier) tableLocked(t string) *tableState {
	ts := f.mu.tables[t]
	if ts == nil {
		ts = &tableState{}
		f.mu.tables[t] = ts
	}
	return ts
}

func (f *Frontier) broadcastLocked() {
	close(f.mu.changed)
	f.mu.changed = make(chan struct{})
}

// Register makes w a live writer of table (empty: a sink outside) that reads inputs and takes
// part from epoch `from` on. Registering a live writer again only replaces its inputs.
func (f *Frontier) Register(w Writer, table string, inputs []string, from int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.removeLocked(w)
	f.mu.writers[w] = &writerState{table: table, inputs: slices.Clone(inputs), from: from}
	if table != "" {
		ts := f.tableLocked(table)
		ts.writers = append(ts.writers, w)
	}
	for _, in := range inputs {
		ts := f.tableLocked(in)
		if !slices.Contains(ts.readers, w) {
			ts.readers = append(ts.readers, w)
		}
	}
	f.broadcastLocked()
}

// Remove forgets a stopped, dropped or finished writer: its table counts as frozen by it.
func (f *Frontier) Remove(w Writer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.removeLocked(w)
	f.broadcastLocked()
}

func (f *Frontier) removeLocked(w Writer) {
	ws := f.mu.writers[w]
	if ws == nil {
		return
	}
	delete(f.mu.writers, w)
	is := func(o Writer) bool { return o == w }
	if ts := f.mu.tables[ws.table]; ts != nil {
		ts.writers = slices.DeleteFunc(ts.writers, is)
	}
	for _, in := range ws.inputs {
		f.mu.tables[in].readers = slices.DeleteFunc(f.mu.tables[in].readers, is)
	}
}

// Pending says that the writer has input of its own in the epoch (the log's record names it, or
// an upstream table it reads has a version of that epoch it did not process).
func (f *Frontier) Pending(w Writer, epochs ...int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if ws := f.mu.writers[w]; ws != nil {
		for _, e := range epochs {
			ws.addPending(e)
		}
	}
	f.broadcastLocked()
}

func (ws *writerState) addPending(e int64) {
	if e < ws.from {
		return
	}
	i := sort.Search(len(ws.pending), func(i int) bool { return ws.pending[i] >= e })
	if i == len(ws.pending) || ws.pending[i] != e {
		ws.pending = slices.Insert(ws.pending, i, e)
	}
}

// Advance moves the clock: every input of epochs up to e has been made pending.
func (f *Frontier) Advance(e int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if e > f.mu.clock {
		f.mu.clock = e
		f.broadcastLocked()
	}
}

// Clock is the newest epoch that may hold input.
func (f *Frontier) Clock() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mu.clock
}

// Foreign makes the readers of table pending in epoch e, whose record lists a foreign snapshot of it.
func (f *Frontier) Foreign(table string, e int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.tableLocked(table).readers {
		f.mu.writers[r].addPending(e)
	}
	f.broadcastLocked()
}

// Done says that w has completed every epoch up to iv.To: with a snapshot covering iv when
// committed, else because nothing changed. Readers of the table become pending first, so
// no moment exists in which a cut could miss the change.
func (f *Frontier) Done(w Writer, iv Interval, committed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	ws := f.mu.writers[w]
	if ws == nil {
		return
	}
	if committed && ws.table != "" {
		ts := f.tableLocked(ws.table)
		for _, r := range ts.readers {
			f.mu.writers[r].addPending(iv.To)
		}
		ts.intervals = append(ts.intervals, iv)
		if len(ts.intervals) > intervalsMax {
			ts.intervals = slices.Clone(ts.intervals[len(ts.intervals)-intervalsMax/2:])
		}
	}
	i := sort.Search(len(ws.pending), func(i int) bool { return ws.pending[i] > iv.To })
	ws.pending = ws.pending[i:]
	f.broadcastLocked()
}

// completedLocked is the newest epoch w has completed, and who holds it back when that is not the clock.
func (f *Frontier) completedLocked(w Writer, seen map[Writer]bool) (int64, Writer) {
	ws := f.mu.writers[w]
	if ws == nil || seen[w] {
		return f.mu.clock, ""
	}
	seen[w] = true
	defer delete(seen, w)
	e, blame := f.mu.clock, Writer("")
	if len(ws.pending) > 0 && ws.pending[0]-1 < e {
		e, blame = ws.pending[0]-1, w
	}
	for _, in := range ws.inputs {
		if te, tb := f.tableEpochLocked(in, seen); te < e {
			e, blame = te, tb
		}
	}
	return e, blame
}

func (f *Frontier) tableEpochLocked(t string, seen map[Writer]bool) (int64, Writer) {
	e, blame := f.mu.clock, Writer("")
	ts := f.mu.tables[t]
	if ts == nil {
		return e, blame
	}
	for _, w := range ts.writers {
		if we, wb := f.completedLocked(w, seen); we < e {
			e, blame = we, wb
		}
	}
	return e, blame
}

// Table is the newest epoch that all live writers of the table have completed.
func (f *Frontier) Table(t string) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	e, _ := f.tableEpochLocked(t, map[Writer]bool{})
	return e
}

// Completed is the newest epoch that the writer has completed; the clock for one that is not live.
func (f *Frontier) Completed(w Writer) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	e, _ := f.completedLocked(w, map[Writer]bool{})
	return e
}

// Inputs is the newest epoch completed by everything w reads, and the epochs pending for w up to it.
func (f *Frontier) Inputs(w Writer) (upTo int64, pending []int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	ws := f.mu.writers[w]
	if ws == nil {
		return 0, nil
	}
	upTo = f.mu.clock
	for _, in := range ws.inputs {
		if e, _ := f.tableEpochLocked(in, map[Writer]bool{}); e < upTo {
			upTo = e
		}
	}
	i := sort.Search(len(ws.pending), func(i int) bool { return ws.pending[i] > upTo })
	return upTo, slices.Clone(ws.pending[:i])
}

// Standing is where a writer is.
type Standing struct {
	UpTo    int64 // the newest epoch completed by everything it reads
	Pending int   // epochs with input that it has not completed
	Oldest  int64 // the first of them
	// HeldBy is the writer of a table it reads that holds UpTo below the clock; Beside is another writer of its own
	// table that has completed less than it. Empty: nobody.
	HeldBy, Beside Writer
}

// Standing tells where w is and who holds it up.
func (f *Frontier) Standing(w Writer) Standing {
	f.mu.Lock()
	defer f.mu.Unlock()
	ws := f.mu.writers[w]
	if ws == nil {
		return Standing{}
	}
	s := Standing{UpTo: f.mu.clock, Pending: len(ws.pending)}
	if s.Pending > 0 {
		s.Oldest = ws.pending[0]
	}
	for _, in := range ws.inputs {
		if e, by := f.tableEpochLocked(in, map[Writer]bool{}); e < s.UpTo {
			s.UpTo, s.HeldBy = e, by
		}
	}
	if ts := f.mu.tables[ws.table]; ts != nil && s.Pending > 0 {
		least := s.Oldest - 1
		for _, o := range ts.writers {
			if e, by := f.completedLocked(o, map[Writer]bool{w: true}); o != w && e < least {
				least, s.Beside = e, by
			}
		}
	}
	return s
}

// Servable is the newest epoch servable for all the tables together: completed by all their
// live writers and inside no commit. Blame is the writer that holds it below the clock, if any.
func (f *Frontier) Servable(tables ...string) (e int64, blame Writer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	e = f.mu.clock
	for _, t := range tables {
		if te, tb := f.tableEpochLocked(t, map[Writer]bool{}); te < e {
			e, blame = te, tb
		}
	}
	for again := true; again; {
		again = false
		for _, t := range tables {
			ts := f.mu.tables[t]
			if ts == nil {
				continue
			}
			for i := len(ts.intervals) - 1; i >= 0; i-- {
				if iv := ts.intervals[i]; iv.From <= e && e < iv.To {
					e, again = iv.From-1, true
				}
			}
		}
	}
	return e, blame
}

// PendingCount is how many epochs with input the writer has not completed.
func (f *Frontier) PendingCount(w Writer) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if ws := f.mu.writers[w]; ws != nil {
		return len(ws.pending)
	}
	return 0
}

// Wake wakes everybody who waits for a change, to look again at something else.
func (f *Frontier) Wake() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.broadcastLocked()
}

// Changed returns a channel closed at the next change of anything. Take it before looking.
func (f *Frontier) Changed() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mu.changed
}

// Gate waits until every other live writer of w's table has completed every epoch below `from`,
// so that the newest snapshot up to an epoch always holds exactly the epochs up to it.
func (f *Frontier) Gate(ctx context.Context, w Writer, from int64) error {
	for {
		ch := f.Changed()
		if f.gateOpen(w, from) {
			return nil
		}
		select {
		case <-ch:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (f *Frontier) gateOpen(w Writer, from int64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	ws := f.mu.writers[w]
	if ws == nil || ws.table == "" {
		return true
	}
	for _, o := range f.mu.tables[ws.table].writers {
		if o == w {
			continue
		}
		if e, _ := f.completedLocked(o, map[Writer]bool{w: true}); e < from-1 {
			return false
		}
	}
	return true
}
