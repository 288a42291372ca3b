package job

import (
	"context"
	"fmt"
	"time"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/stream"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/snapshot"
)

// Made is what a job's table was made from, as its own last snapshot there says.
type Made struct {
	Sink       *plan.Sink
	Snapshot   *snapshot.Snapshot
	Provenance commit.Provenance
	// Scans are the query's sources; Provenance.Inputs has one entry for each, in this order.
	Scans []*plan.Scan
	// Watermarks reached, by source.
	Watermarks map[int]time.Time
	flow       *stream.Dataflow
}

// ErrNothingMade: the job has not committed anything yet.
var ErrNothingMade = errkind.New(errkind.NotFound, "job: it has committed nothing yet")

// Made finds a job's last snapshot and the plan that made it.
func (m *Manager) Made(ctx context.Context, idOrName string) (*Made, error) {
	s, err := m.Show(idOrName)
	if err != nil {
		return nil, err
	}
	sink, err := m.plan(ctx, s.JobRecord)
	if err != nil {
		return nil, err
	}
	out := &Made{Sink: sink, Watermarks: map[int]time.Time{}}
	if sink.Table.Connector() != "" {
		return nil, errkind.Errorf(errkind.Invalid, "job %s writes to connector '%s', which keeps no record of what it was made from", s.Name, sink.Table.Connector())
	}
	if out.flow, err = compile(sink, s.Options, appendOnlySource); err != nil {
		return nil, err
	}
	out.Scans = out.flow.Sources()
	last, err := lastOwn(ctx, snapshot.NewManager(objstore.Sub(m.opts.Store, sink.Table.Path), ""), s.JobRecord)
	if err != nil {
		return nil, err
	}
	if last == nil {
		return nil, fmt.Errorf("%w: %s", ErrNothingMade, s.Name)
	}
	out.Snapshot = last
	if out.Provenance, err = commit.ProvenanceOf(last); err != nil {
		return nil, err
	}
	if len(out.Provenance.Inputs) != len(out.Scans) {
		return nil, errkind.Errorf(errkind.Corrupt, "snapshot %d of %s names %d inputs, the statement has %d", last.ID, s.Sink, len(out.Provenance.Inputs), len(out.Scans))
	}
	for i, ms := range parseWatermarks(last.Properties[propWatermarks]) {
		out.Watermarks[i] = time.UnixMilli(ms).UTC()
	}
	return out, nil
}

// Recompute runs the query of m afresh over the recorded versions of all its inputs, connectors included, with
// no state but what it builds. It is the way to recompute what DuckDB cannot read.
func (m *Manager) Recompute(ctx context.Context, made *Made, fn func(stream.Delta) error) error {
	inputs, err := newInputs(made.flow)
	if err != nil {
		return err
	}
	defer func() {
		for _, in := range inputs {
			in.close()
		}
	}()
	env := &expr.Env{Clock: time.UnixMilli(made.Provenance.Clock).UTC(), Zone: time.UTC}
	changes := map[int][]stream.Delta{}
	defer func() {
		for _, ds := range changes {
			release(ds)
		}
	}()
	for i, in := range inputs {
		if err := m.openInput(ctx, in, "", false); err != nil {
			return err
		}
		take := func(d stream.Delta) error {
			if d.Rows != nil {
				changes[i] = append(changes[i], d)
			}
			return nil
		}
		from := made.Provenance.Inputs[i]
		if in.table != nil {
			err = in.table.readAt(ctx, in, int64(from.ID), env, take)
		} else {
			end := connector.Offsets{}
			for split, pos := range from.End {
				end[split] = connector.Position(pos)
			}
			err = in.readConn(ctx, nil, end, env, func(d stream.Delta, _ []connector.DeadLetter) error { return take(d) })
		}
		if err != nil {
			return fmt.Errorf("read %s.%s: %w", in.scan.Table.Database, in.scan.Table.Name, err)
		}
	}
	out, err := made.flow.Step(ctx, stream.Epoch{ID: made.Provenance.Epoch, Clock: env.Clock, Watermark: made.Watermarks}, changes)
	if err != nil {
		return err
	}
	defer release(out)
	for _, d := range out {
		if err := fn(d); err != nil {
			return err
		}
	}
	return nil
}

// Materialize brings recomputed rows into the form of the sink table, as a job does.
func (made *Made) Materialize() (*stream.Materializer, error) { return materializer(made.Sink) }
