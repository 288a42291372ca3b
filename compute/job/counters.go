package job

import (
	"slices"
	"time"

	"github.com/weir-lake/weir/compute/epoch"
	"github.com/weir-lake/weir/compute/stream"
)

// rateSeconds is the time over which rates are taken: long enough to be steady with commits once a second.
const rateSeconds = 10

// meter adds up over the last rateSeconds.
type meter struct {
	seconds [rateSeconds]int64
	at      int64 // Unix second of the newest slot
}

func (m *meter) add(now time.Time, n int64) {
	m.advance(now)
	m.seconds[m.at%rateSeconds] += n
}

func (m *meter) advance(now time.Time) {
	sec := now.Unix()
	for i := max(m.at+1, sec-rateSeconds+1); i <= sec; i++ {
		m.seconds[i%rateSeconds] = 0
	}
	m.at = max(m.at, sec)
}

// rate is the sum divided by the time it was taken over.
func (m *meter) rate(now time.Time) float64 {
	m.advance(now)
	var n int64
	for _, s := range m.seconds {
		n += s
	}
	return float64(n) / rateSeconds
}

// opMeters are the rates of one operator; busy counts nanoseconds.
type opMeters struct {
	in, out, busy meter
}

// activity is what a job's goroutine is at, for people who ask why it does not go on.
type activity string

const (
	idle       activity = "waiting for input"
	reading    activity = "reading"
	computing  activity = "computing"
	gated      activity = "waiting for other writers of its table"
	compacting activity = "waiting for a compaction of its table"
	publishing activity = "committing"
	capturing  activity = "capturing its state"
)

// doing notes what the job's goroutine turns to.
func (r *runner) doing(a activity) {
	now := r.m.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.status.Doing != string(a) {
		r.mu.status.Doing, r.mu.status.DoingSince = string(a), &now
	}
}

// count adds a step's rows to the counters.
func (r *runner) count(in int64, out []stream.Delta) {
	var n int64
	for _, d := range out {
		n += d.Rows.NumRows()
	}
	r.tally.Epochs++
	r.tally.RowsIn += in
	r.tally.RowsOut += n
	inputs := make([]InputStatus, len(r.inputs))
	for i, x := range r.inputs {
		t := x.scan.Table
		inputs[i] = InputStatus{Table: t.Database + "." + t.Name, Connector: t.Connector(), Watermark: x.now}
		if x.table != nil {
			inputs[i].Snapshot, _ = x.table.position()
		} else {
			inputs[i].Offsets, inputs[i].Ended = x.conn.offsets.Clone(), x.conn.ended
		}
	}
	ops := r.operators()
	low := lowest(r.inputs)
	now := r.m.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &r.mu.status
	r.mu.meter.add(now, in)
	r.meterLocked(now, ops)
	s.Guarantee, s.Inputs, s.Operators, s.Watermark = r.out.guarantee(), inputs, ops, low
	s.RowsIn, s.RowsOut, s.StateBytes = s.RowsIn+in, s.RowsOut+n, 0
	for _, o := range ops {
		s.StateBytes += o.StateBytes
	}
}

// operators are the counters of the dataflow's operators, and of the sink, which comes last.
func (r *runner) operators() []Operator {
	out := operators(r.flow, r.inputs)
	root := len(out) - 1
	return append(out, Operator{
		Name: "sink " + r.rec.Sink, Inputs: []int{root}, RowsIn: out[root].RowsOut, RowsOut: r.written,
		StateBytes: r.out.stateBytes(), BusySec: r.sinkBusy.Seconds(), Watermark: out[root].Watermark,
	})
}

func operators(flow *stream.Dataflow, inputs []*input) []Operator {
	stats := flow.Stats()
	out := make([]Operator, 0, len(stats)+1)
	for _, o := range stats {
		op := Operator{Name: o.Operator, Inputs: o.Inputs, RowsIn: o.RowsIn, RowsOut: o.RowsOut, StateRows: o.StateRows, StateBytes: o.StateBytes, BusySec: o.Busy.Seconds()}
		var below []*input
		for _, src := range o.Sources {
			below = append(below, inputs[src])
		}
		op.Watermark = lowest(below)
		out = append(out, op)
	}
	return out
}

// meterLocked adds what the operators did since the last time to their rates. Counters that went back are of a new attempt.
func (r *runner) meterLocked(now time.Time, ops []Operator) {
	if len(r.mu.ops) != len(ops) {
		r.mu.ops = make([]opMeters, len(ops))
	}
	before := r.mu.status.Operators
	for i, o := range ops {
		var was Operator
		if i < len(before) && before[i].RowsIn <= o.RowsIn && before[i].BusySec <= o.BusySec {
			was = before[i]
		}
		m := &r.mu.ops[i]
		m.in.add(now, o.RowsIn-was.RowsIn)
		m.out.add(now, max(0, o.RowsOut-was.RowsOut))
		m.busy.add(now, int64((o.BusySec-was.BusySec)*float64(time.Second)))
	}
}

// lowest is the least of the inputs' watermarks, nil while one has none.
func lowest(inputs []*input) *time.Time {
	var low *time.Time
	for _, in := range inputs {
		if in.watermark == nil {
			continue
		}
		if in.now == nil {
			return nil
		}
		if low == nil || in.now.Before(*low) {
			low = in.now
		}
	}
	return low
}

// committed keeps the facts of a commit for people.
func (r *runner) committed(iv epoch.Interval, c commitResult) {
	now := r.m.now().UTC()
	r.tally.From, r.tally.To, r.tally.Snapshot, r.tally.At = iv.From, iv.To, c.snapshot, now
	r.history.committed(r.tally)
	r.tally = CommitInfo{}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.status.Epoch = iv.To
	if c.snapshot != 0 {
		r.mu.status.Snapshot, r.mu.status.LastCommit = c.snapshot, &now
	}
}

// status is a copy of the job's status as of now.
func (r *runner) status() Status {
	at := r.m.frontier.Standing(r.writer)
	now := r.m.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.mu.status
	s.Pending, s.RowsPerSec = at.Pending, r.mu.meter.rate(now)
	if at.Pending > 0 {
		if decided, ok := r.m.log.DecidedAfter(at.Oldest - 1); ok {
			s.LagMs = max(0, now.Sub(decided).Milliseconds())
		}
	}
	s.Inputs = slices.Clone(s.Inputs)
	for i := range s.Inputs {
		if n, ok := r.mu.behind[i]; ok {
			s.Inputs[i].RowsBehind = &n
		}
	}
	s.Operators = slices.Clone(s.Operators)
	for i := range s.Operators {
		if i < len(r.mu.ops) {
			m, o := &r.mu.ops[i], &s.Operators[i]
			o.RowsInPerSec, o.RowsOutPerSec, o.Busy = m.in.rate(now), m.out.rate(now), m.busy.rate(now)/float64(time.Second)
		}
	}
	return s
}
