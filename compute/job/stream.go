package job

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/stream"
	"github.com/weir-lake/weir/internal/errkind"
)

// epochRowsDefault is how many source rows an epoch takes at most when nothing else is asked for: enough to
// be efficient, little enough to hold in memory several times over.
const epochRowsDefault = 200_000

// idlePause is how long a stream waits before it asks sources that had nothing again.
const idlePause = 10 * time.Millisecond

// firstWait is how long the first epoch waits for sources that are slow to open, so that they do not decide by chance
// whether it is empty. After it a query shows what it gives for no input.
const firstWait = time.Second

// optEpochRows is the variable that bounds an epoch's source rows.
const optEpochRows = "execution.epoch.max-rows"

// rowsMax reads the bound from a job's options.
func rowsMax(options map[string]string) int {
	if n, err := strconv.Atoi(options[optEpochRows]); err == nil && n > 0 {
		return n
	}
	return epochRowsDefault
}

// Stream is a query that runs for one client: epochs are counted, not recorded, and nothing is committed.
// Tables of the warehouse are read as they are when the stream starts; it ends when all sources have.
type Stream struct {
	m      *Manager
	root   plan.Node
	flow   *stream.Dataflow
	inputs []*input
	rows   int
	zone   *time.Location
}

// NewStream compiles a query as a stream. Run opens its sources.
func (m *Manager) NewStream(ctx context.Context, root plan.Node, options map[string]string) (*Stream, error) {
	zone, err := zoneOf(options)
	if err != nil {
		return nil, err
	}
	flow, err := stream.Compile(root, stream.Options{Zone: zone, AppendOnly: appendOnlySource, AllowFullRecompute: options[optFull] == "true"})
	if err != nil {
		return nil, err
	}
	s := &Stream{m: m, root: root, flow: flow, rows: rowsMax(options), zone: zone}
	if s.inputs, err = newInputs(flow); err != nil {
		return nil, err
	}
	return s, nil
}

// newInputs makes one input per source of a dataflow.
func newInputs(flow *stream.Dataflow) ([]*input, error) {
	var out []*input
	for i, scan := range flow.Sources() {
		in, err := newInput(i, scan)
		if err != nil {
			return nil, err
		}
		out = append(out, in)
	}
	return out, nil
}

// Columns are the columns of the result.
func (s *Stream) Columns() []plan.Column { return s.root.Columns() }

// Run drives the stream to its end, calling fn with each epoch's changes as they leave the engine. The changes
// are released after fn returns.
func (s *Stream) Run(ctx context.Context, fn func(epoch int64, changes []stream.Delta) error) error {
	defer func() {
		for _, in := range s.inputs {
			in.close()
		}
		s.m.memory.set(s.holder(), 0)
	}()
	for _, in := range s.inputs {
		if err := s.m.openInput(ctx, in, "", false); err != nil { // a source that never ends must not be cut
			return err
		}
	}
	first, opened := true, time.Now()
	for e := int64(1); ; e++ {
		env := &expr.Env{Clock: s.m.now(), Zone: s.zone, Seed: e}
		changes, more, err := s.next(ctx, env)
		if err != nil {
			return err
		}
		if !more && len(changes) == 0 && !first {
			return nil
		}
		if len(changes) == 0 && (!first || more && time.Since(opened) < firstWait) {
			e--
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(idlePause):
			}
			continue
		}
		first = false
		ep := stream.Epoch{ID: e, Clock: env.Clock, Seed: env.Seed, Watermark: watermarks(s.inputs)}
		out, err := s.flow.Step(ctx, ep, changes)
		if err == nil {
			if err = s.account(); err != nil {
				release(out)
			}
		}
		for _, ds := range changes {
			release(ds)
		}
		if err != nil {
			return err
		}
		err = fn(e, out)
		release(out)
		if err != nil {
			return err
		}
	}
}

// next reads up to the bound of rows over all sources, the sources in turn.
func (s *Stream) next(ctx context.Context, env *expr.Env) (changes map[int][]stream.Delta, more bool, err error) {
	changes = map[int][]stream.Delta{}
	left := s.rows
	for _, in := range s.inputs {
		if left <= 0 {
			return changes, true, nil
		}
		take := func(d stream.Delta) {
			if d.Rows != nil {
				left -= int(d.Rows.NumRows())
				changes[in.index] = append(changes[in.index], d)
			}
		}
		rest, err := s.read(ctx, in, left, env, take)
		if err != nil {
			return nil, false, fmt.Errorf("read %s: %w", in.scan.Table.Name, err)
		}
		more = more || rest
	}
	return changes, more, nil
}

func (s *Stream) read(ctx context.Context, in *input, limit int, env *expr.Env, take func(stream.Delta)) (more bool, err error) {
	if in.table != nil {
		return in.table.readSome(ctx, in, limit, env, take)
	}
	if in.conn.ended {
		return false, nil
	}
	to, end, err := in.conn.src.Poll(ctx, in.conn.offsets, limit)
	if err != nil {
		return false, err
	}
	if !maps.Equal(to, in.conn.offsets) {
		err = in.readConn(ctx, in.conn.offsets, to, env, func(d stream.Delta, dead []connector.DeadLetter) error {
			if len(dead) > 0 {
				return errkind.Errorf(errkind.Invalid, "%s position %s: %s", dead[0].Split, dead[0].Position, dead[0].Reason)
			}
			take(d)
			return nil
		})
		if err != nil {
			return false, err
		}
	}
	in.conn.offsets, in.conn.ended = to, end
	return !end, nil
}

// watermarks are those reached, by source index.
func watermarks(inputs []*input) map[int]time.Time {
	out := map[int]time.Time{}
	for _, in := range inputs {
		if in.now != nil {
			out[in.index] = *in.now
		}
	}
	return out
}

// Options of a job that change how its plan is compiled.
const (
	optFull = "allow-full-recompute"
	optZone = "table.local-time-zone"
)

func zoneOf(options map[string]string) (*time.Location, error) {
	name := options[optZone]
	if name == "" {
		return time.UTC, nil
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, errkind.Errorf(errkind.Invalid, "%s = '%s': %w", optZone, name, err)
	}
	return loc, nil
}

// appendOnlySource reports sources taken to only ever insert: tables without primary key. One of the warehouse can
// still lose rows, by a revision or an INSERT OVERWRITE; the job then starts over with operators that can follow that.
func appendOnlySource(s *plan.Scan) bool { return len(s.Table.PrimaryKey) == 0 }

// outsideSource is appendOnlySource once a table of the warehouse has lost rows.
func outsideSource(s *plan.Scan) bool { return appendOnlySource(s) && s.Table.Connector() != "" }

// compile makes the dataflow of a job's query and checks that its sink can take what comes out. appendOnly says which
// sources only ever insert.
func compile(sink *plan.Sink, options map[string]string, appendOnly func(*plan.Scan) bool) (*stream.Dataflow, error) {
	zone, err := zoneOf(options)
	if err != nil {
		return nil, err
	}
	keyed := len(sink.Table.PrimaryKey) > 0
	if !keyed && sink.Table.Connector() == "" && !plan.AppendOnly(sink.Input) && !windowed(sink.Input) {
		return nil, errkind.Errorf(errkind.Invalid, "table %s.%s has no primary key, so it cannot take a query whose rows change; declare PRIMARY KEY (..) NOT ENFORCED",
			sink.Table.Database, sink.Table.Name)
	}
	return stream.Compile(sink.Input, stream.Options{
		Zone: zone, AllowFullRecompute: options[optFull] == "true" || sink.Table.Options[optFull] == "true",
		AppendOnlySink: !keyed, AppendOnly: appendOnly,
	})
}

// windowed reports a query whose rows become final when the watermark closes their window.
func windowed(n plan.Node) bool {
	found := false
	plan.Walk(n, func(n plan.Node) {
		if a, ok := n.(*plan.Aggregate); ok && a.WindowEnd >= 0 {
			found = true
		}
	})
	return found
}

// Interval of epochs that a job's freshness allows between its commits: the greatest power of two.
func commitEvery(freshness, interval time.Duration) int64 {
	every := int64(1)
	for time.Duration(2*every)*interval <= freshness {
		every *= 2
	}
	return every
}
