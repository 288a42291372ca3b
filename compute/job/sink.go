package job

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/epoch"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/stream"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
)

// sink is where a job's result goes. It is used by the job's goroutine alone.
type sink interface {
	// recover finds what the sink holds of the job.
	recover(ctx context.Context) (held, error)
	// fold takes the changes of one more epoch; with replay set the sink holds them already and only
	// its own state follows. revised says that they follow a revision: rows came out of their order.
	fold(changes []stream.Delta, replay, revised bool) error
	// commit makes everything folded since the last commit visible at once.
	commit(ctx context.Context, f facts) (commitResult, error)
	// needsReplay: state lost without a checkpoint needs the whole result folded again.
	needsReplay() bool
	// rebuild loads state from the sink's own rows, where that is how it is rebuilt.
	rebuild(ctx context.Context) error
	checkpoint(w io.Writer) error
	restore(r io.Reader) error
	// mark returns what protects the last commit from every engine's expiry: recovery starts from it.
	mark() func(ctx context.Context) error
	// hold adds to need the version of the sink's own table from which later commits lie, so that none of them
	// expires before it is marked.
	hold(ctx context.Context, need map[string]int64) error
	guarantee() string
	stateBytes() int64
	// last is the snapshot of the last commit, 0 for none.
	last() int64
	close()
}

// held is what a sink says of the job's last commit.
type held struct {
	epoch      int64                     // 0: none
	inputs     map[int]int64             // snapshot of each table input
	offsets    map[int]connector.Offsets // of each connector input
	watermarks map[int]time.Time
}

// facts are recorded with a commit.
type facts struct {
	interval   epoch.Interval
	clock      time.Time
	inputs     []commit.Input // by source index
	watermarks map[int]time.Time
	watermark  *time.Time // the least of them
	revised    string     // the revision that the interval follows; empty: none
}

// commitResult is what became of a commit; snapshot 0 means that nothing changed.
type commitResult struct{ snapshot int64 }

// facts collects what the commit of an interval is made from.
func (r *runner) facts(iv epoch.Interval) facts {
	clock, _ := r.m.log.ClockAt(iv.To)
	f := facts{interval: iv, clock: clock, revised: r.revised, watermarks: watermarks(r.inputs), watermark: lowest(r.inputs)}
	for _, in := range r.inputs {
		t := in.scan.Table
		c := commit.Input{}
		if in.table != nil {
			id, hash := in.table.position()
			c.Table, c.Hash = t.Path, hash
			c.ID = snapshot.ID(id)
		} else {
			c.Source, c.Kind, c.End = t.Database+"."+t.Name, t.Connector(), map[string]string{}
			for split, pos := range in.conn.offsets {
				c.End[split] = string(pos)
			}
		}
		f.inputs = append(f.inputs, c)
	}
	return f
}

// openSink opens what the job writes to.
func (m *Manager) openSink(ctx context.Context, r *runner) (sink, error) {
	t := r.sink.Table
	name := t.Connector()
	if name == "" {
		return m.openTableSink(ctx, r)
	}
	f, ok := m.opts.Connectors[name]
	if !ok || f.OpenSink == nil {
		return nil, errkind.Errorf(errkind.Invalid, "table %s.%s: connector '%s' cannot be written", t.Database, t.Name, name)
	}
	opts, err := m.resolve(t.Options)
	if err != nil {
		return nil, fmt.Errorf("table %s.%s: %w", t.Database, t.Name, err)
	}
	s, err := f.OpenSink(ctx, connector.Context{Table: t, Options: opts, JobID: r.rec.ID, Now: m.opts.Now})
	if err != nil {
		return nil, fmt.Errorf("open %s.%s: %w", t.Database, t.Name, err)
	}
	out := &connectorSink{sink: s, term: m.log.Term()}
	if out.merge, err = materializer(r.sink, nil); err != nil {
		_ = s.Close() // the first error is the one to tell
		return nil, err
	}
	return out, nil
}

// materializer brings a query's changes into the form of its sink table. refold is as in stream.SinkOptions.
func materializer(s *plan.Sink, refold func(arrow.RecordBatch) ([]stream.Delta, error)) (*stream.Materializer, error) {
	t := s.Table
	o := stream.SinkOptions{Unique: plan.SinkUnique(s), InsertOnly: len(t.PrimaryKey) == 0 || plan.AppendOnly(s.Input),
		MergeEngine: t.Options[schema.OptMergeEngine], Refold: refold, SequenceDescending: t.Options[schema.OptSequenceSortOrder] == "descending"}
	at := func(name string) int {
		return slices.IndexFunc(s.Target, func(c int) bool { return t.Columns[c].Name == name })
	}
	for _, c := range s.Target {
		o.Columns = append(o.Columns, t.Columns[c].Column)
	}
	for _, k := range t.PrimaryKey {
		o.Key = append(o.Key, at(k))
	}
	for _, k := range splitNames(t.Options[schema.OptSequenceField]) {
		i := at(k)
		if i < 0 {
			return nil, errkind.Errorf(errkind.Invalid, "table %s.%s: %s names column %s, which the query does not give", t.Database, t.Name, schema.OptSequenceField, k)
		}
		o.Sequence = append(o.Sequence, i)
	}
	return stream.NewMaterializer(o)
}

func applied(m *stream.Materializer, changes []stream.Delta, revised bool) (stream.SinkChanges, error) {
	if revised {
		return m.ApplyRevised(changes)
	}
	return m.Apply(changes)
}

// connectorSink writes each commit's changes to a system outside.
type connectorSink struct {
	sink  connector.Sink
	merge *stream.Materializer
	term  int64
	rows  []connector.Chunk
}

func (s *connectorSink) recover(ctx context.Context) (held, error) {
	if c, ok := s.sink.(connector.Claimer); ok {
		if err := c.Claim(ctx, s.term); err != nil {
			return held{}, fmt.Errorf("take the sink over: %w", err)
		}
	}
	p, err := s.sink.Progress(ctx)
	if err != nil {
		return held{}, fmt.Errorf("ask the sink for its progress: %w", err)
	}
	if p.Term > s.term {
		return held{}, ErrReplaced
	}
	return held{epoch: p.Epoch}, nil
}

func (s *connectorSink) fold(changes []stream.Delta, replay, revised bool) error {
	out, err := applied(s.merge, changes, revised)
	if err != nil {
		return err
	}
	defer out.Release()
	if replay {
		return nil
	}
	if len(out.Removed) > 0 {
		return stream.ErrNotInsertOnly
	}
	list := out.Changelog
	if len(list) == 0 {
		list = out.Write
	}
	for _, c := range list {
		c.Rows.Retain()
		s.rows = append(s.rows, connector.Chunk{Rows: c.Rows, Kinds: c.Kinds})
	}
	return nil
}

func (s *connectorSink) commit(ctx context.Context, f facts) (commitResult, error) {
	err := s.sink.Write(ctx, connector.Progress{Epoch: f.interval.To, Term: s.term}, s.rows)
	if err != nil {
		return commitResult{}, err
	}
	s.drop()
	return commitResult{}, nil
}

func (s *connectorSink) drop() {
	for _, c := range s.rows {
		c.Rows.Release()
	}
	s.rows = nil
}

func (s *connectorSink) needsReplay() bool             { return s.merge.NeedsReplay() }
func (s *connectorSink) rebuild(context.Context) error { return nil }
func (s *connectorSink) checkpoint(w io.Writer) error  { return s.merge.Checkpoint(w) }
func (s *connectorSink) restore(r io.Reader) error     { return s.merge.Restore(r) }
func (s *connectorSink) guarantee() string             { return s.sink.Guarantee() }

func (s *connectorSink) stateBytes() int64 { return s.merge.StateBytes() }
func (s *connectorSink) last() int64       { return 0 }

func (s *connectorSink) mark() func(context.Context) error {
	return func(context.Context) error { return nil }
}

func (s *connectorSink) hold(context.Context, map[string]int64) error { return nil }

func (s *connectorSink) close() {
	s.drop()
	_ = s.sink.Close() // what was not committed is written again
}

// splitNames reads a list of column names as options hold it.
func splitNames(list string) []string {
	var out []string
	for _, n := range strings.Split(list, ",") {
		if n = strings.TrimSpace(n); n != "" {
			out = append(out, n)
		}
	}
	return out
}
