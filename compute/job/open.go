package job

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/epoch"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/stream"
	"github.com/weir-lake/weir/internal/errkind"
)

// optFreshness is how old a job's table may be: its commits are spaced by it.
const optFreshness = "weir.freshness"

// freshnessDefault is what a job without FRESHNESS commits at.
const freshnessDefault = time.Second

func newRunner(m *Manager, rec epoch.JobRecord) *runner {
	r := &runner{m: m, rec: rec, writer: epoch.Writer(rec.ID), ended: make(chan struct{})}
	freshness := freshnessDefault
	if d, err := time.ParseDuration(rec.Options[optFreshness]); err == nil {
		freshness = d
	}
	r.every = commitEvery(freshness, m.opts.Interval)
	r.history = m.historyOf(rec.ID)
	r.logs = r.history.logs
	r.mu.status = Status{JobRecord: rec, State: Starting, StateSince: m.now()}
	return r
}

// registration says what the job reads and writes, for the frontier. A statement that does not bind any
// more (a table was dropped) still holds its table back.
func (r *runner) registration(ctx context.Context) (inputs []string, sink string) {
	sink = sinkPath(r.rec)
	p, err := r.m.plan(ctx, r.rec)
	if err != nil {
		return nil, sink
	}
	return tablesRead(p), p.Table.Path
}

// tablesRead are the paths of the warehouse's tables that the statement reads.
func tablesRead(p *plan.Sink) (paths []string) {
	plan.Walk(p.Input, func(n plan.Node) {
		if s, ok := n.(*plan.Scan); ok && s.Table.Connector() == "" && s.Table.Path != "" {
			paths = append(paths, s.Table.Path)
		}
	})
	return paths
}

// sinkPath is the folder of the job's table; empty for one that is not named.
func sinkPath(rec epoch.JobRecord) string {
	if rec.Sink == "" {
		return ""
	}
	db, name, _ := strings.Cut(rec.Sink, ".")
	return db + ".db/" + name
}

// plan binds the job's statement; a job started with a script's temporary tables keeps the plan it came with.
func (m *Manager) plan(ctx context.Context, rec epoch.JobRecord) (*plan.Sink, error) {
	m.mu.Lock()
	given := m.mu.plans[rec.ID]
	m.mu.Unlock()
	if given == nil {
		var err error
		if given, err = m.opts.Planner.PlanJob(ctx, rec.Database, rec.SQL, rec.Options); err != nil {
			return nil, err
		}
	}
	return stream.KeepWhole(given), nil
}

// open binds the statement, compiles the dataflow and opens sources and sink.
func (r *runner) open(ctx context.Context) error {
	sink, err := r.m.plan(ctx, r.rec)
	if err != nil {
		return err
	}
	r.sink = sink
	if err := r.reopen(ctx); err != nil {
		return err
	}
	for _, in := range r.inputs {
		if err := r.m.openInput(ctx, in, r.rec.ID, false); err != nil {
			return err
		}
	}
	return nil
}

// reopen makes an empty dataflow and sink state; sources stay open.
func (r *runner) reopen(ctx context.Context) error {
	appendOnly := appendOnlySource
	if r.retracting {
		appendOnly = outsideSource
	}
	flow, err := compile(r.sink, r.rec.Options, appendOnly)
	if err != nil {
		return err
	}
	if r.flow == nil {
		if r.inputs, err = newInputs(flow); err != nil {
			return err
		}
	}
	for _, in := range r.inputs {
		in.now = nil
	}
	r.flow = flow
	if r.out != nil {
		r.out.close()
	}
	r.out, err = r.m.openSink(ctx, r)
	return err
}

// openInput opens what an input reads from.
func (m *Manager) openInput(ctx context.Context, in *input, jobID string, bounded bool) error {
	t := in.scan.Table
	name := t.Connector()
	if name == "" {
		reader, err := m.openReader(ctx, t)
		in.table = reader
		return err
	}
	f, ok := m.opts.Connectors[name]
	if !ok || f.OpenSource == nil {
		return errkind.Errorf(errkind.Invalid, "table %s.%s: connector '%s' cannot be read", t.Database, t.Name, name)
	}
	opts, err := m.resolve(t.Options)
	if err != nil {
		return fmt.Errorf("table %s.%s: %w", t.Database, t.Name, err)
	}
	src, err := f.OpenSource(ctx, connector.Context{Table: t, Options: opts, JobID: jobID, Bounded: bounded, Now: m.opts.Now, RunQuery: m.opts.Query})
	if err != nil {
		return fmt.Errorf("open %s.%s: %w", t.Database, t.Name, err)
	}
	in.conn = &connInput{src: src}
	return nil
}

// resolve replaces ${env:X} and ${file:X} in options.
func (m *Manager) resolve(options map[string]string) (map[string]string, error) {
	out := make(map[string]string, len(options))
	for k, v := range options {
		if m.opts.Secret != nil {
			var err error
			if v, err = m.opts.Secret(v); err != nil {
				return nil, fmt.Errorf("option '%s': %w", k, err)
			}
		}
		out[k] = v
	}
	return out, nil
}

func (in *input) close() {
	if in.conn != nil && in.conn.src != nil {
		in.conn.mu.Lock()
		_ = in.conn.src.Close() // nothing is lost: positions are ours
		in.conn.mu.Unlock()
	}
	in.conn, in.table = nil, nil
}

// closeAll ends an attempt; the next one starts from what is durable.
func (r *runner) closeAll() {
	r.upload.Wait()
	r.polling.Lock()
	defer r.polling.Unlock()
	for _, in := range r.inputs {
		in.close()
	}
	if r.out != nil {
		r.out.close()
	}
	for _, side := range []*sideTable{r.dead, r.late} {
		if err := side.close(r.m.ctx); err != nil {
			r.logs.add("warn", "files of an uncommitted epoch are left behind: %v", err)
		}
	}
	r.m.memory.set(r.rec.ID, 0)
	r.flow, r.out, r.inputs, r.dead, r.late = nil, nil, nil, nil, nil
	r.done, r.held = 0, 0
	r.dirty.Store(false)
}

func (r *runner) setReady(ready bool) {
	r.polling.Lock()
	defer r.polling.Unlock()
	r.polling.ready = ready && r.flow != nil
	if !r.polling.ready {
		return
	}
	r.polling.clock = readsClock(r.sink.Input)
	for _, in := range r.inputs {
		if in.conn == nil {
			continue
		}
		// The log may be ahead of what the runner has read. Whether the source has ended it says again: a bounded
		// one may have got a later end since.
		at, _ := r.m.log.InputAt(r.rec.ID, r.m.frontier.Clock())
		in.conn.polled = at.Offsets[in.index].Clone()
	}
	r.m.Nudge()
}

// readsClock reports a filter against the wall clock, whose rows come and go with time alone.
func readsClock(n plan.Node) bool {
	found := false
	plan.Walk(n, func(n plan.Node) {
		if c, ok := n.(*plan.ClockFilter); ok && !c.Watermark {
			found = true
		}
	})
	return found
}

// fail ends the present attempt with an error found outside its goroutine.
func (r *runner) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.failed == nil {
		r.mu.failed = err
	}
	r.m.frontier.Wake()
}

// clocked reports a running job whose result changes with the wall clock alone.
func (r *runner) clocked() bool {
	r.polling.Lock()
	defer r.polling.Unlock()
	return r.polling.ready && r.polling.clock
}

func (r *runner) epochRowsMax() int { return rowsMax(r.rec.Options) }

// watched are the tables of the warehouse whose foreign snapshots the job must be told of.
func (r *runner) watched() []*tableReader {
	r.polling.Lock()
	defer r.polling.Unlock()
	if !r.polling.ready {
		return nil
	}
	var out []*tableReader
	for _, in := range r.inputs {
		if in.table != nil {
			out = append(out, in.table)
		}
	}
	return out
}

func (r *runner) setState(s State, err error) {
	r.mu.Lock()
	r.mu.status.State, r.mu.status.StateSince, r.mu.status.Error = s, r.m.now().UTC(), ""
	if err != nil {
		r.mu.status.Error = err.Error()
		r.mu.last = err
	}
	r.mu.failed = nil
	r.mu.Unlock()
	r.m.frontier.Wake()
}
