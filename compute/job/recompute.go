package job

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/cut"
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
	// Table and Inputs are the versions that belong together: of the job's table, and of each of Scans. Pinned and
	// MadeIn fill them.
	Table  Version
	Inputs []Version
	Epoch  int64
	Clock  time.Time // what the query's clock is, UTC
	flow   *stream.Dataflow
	late   *lateSet // rows that count for nothing; nil: none
	// letters are the rows of connectors that were dead letters, by epoch.
	letters map[int64][]connector.DeadLetter
}

// ByWatermark reports a table into which windows are written once, when the watermark closes them: only Recompute knows
// which are closed, and which rows came too late for them.
func (made *Made) ByWatermark() bool {
	return len(made.Sink.Table.PrimaryKey) == 0 && windowed(made.Sink.Input)
}

// Version is one version of a table.
type Version struct {
	Snapshot *snapshot.Snapshot // nil: the table had none, or lies behind a connector
	AsOf     plan.AsOf          // names it in a query
}

var (
	// ErrNothingMade: the job has not committed anything yet.
	ErrNothingMade = errkind.New(errkind.NotFound, "job: it has committed nothing yet")
	// ErrExpired: a version that is needed is not kept any more.
	ErrExpired = errkind.New(errkind.NotFound, "job: a version has expired")
)

// Made finds a job's last snapshot and the plan that made it.
func (m *Manager) Made(ctx context.Context, idOrName string) (*Made, error) {
	s, out, err := m.made(ctx, idOrName)
	if err != nil {
		return nil, err
	}
	last, err := lastOwn(ctx, m.snapshots(out.Sink.Table.Path), s.JobRecord)
	if err != nil {
		return nil, err
	}
	if last == nil {
		return nil, fmt.Errorf("%w: %s", ErrNothingMade, s.Name)
	}
	out.Table.AsOf = plan.AsOf{Snapshot: int64(last.ID)}
	if err := out.says(last); err != nil {
		return nil, fmt.Errorf("job %s: %w", s.Name, err)
	}
	return out, nil
}

func (m *Manager) snapshots(path string) *snapshot.Manager {
	return snapshot.NewManager(objstore.Sub(m.opts.Store, path), "")
}

// made is a job's plan.
func (m *Manager) made(ctx context.Context, idOrName string) (Status, *Made, error) {
	s, err := m.Show(idOrName)
	if err != nil {
		return s, nil, err
	}
	sink, err := m.plan(ctx, s.JobRecord)
	if err != nil {
		return s, nil, err
	}
	out := &Made{Sink: sink, Watermarks: map[int]time.Time{}}
	if sink.Table.Connector() != "" {
		return s, nil, errkind.Errorf(errkind.Invalid, "job %s writes to connector '%s', which keeps no record of what it was made from", s.Name, sink.Table.Connector())
	}
	if out.flow, err = compile(sink, s.Options, appendOnlySource); err != nil {
		return s, nil, err
	}
	out.Scans = out.flow.Sources()
	return s, out, nil
}

// says takes over what a job's own snapshot says.
func (made *Made) says(own *snapshot.Snapshot) (err error) {
	made.Snapshot = own
	if made.Provenance, err = commit.ProvenanceOf(own); err != nil {
		return err
	}
	if len(made.Provenance.Inputs) != len(made.Scans) {
		return errkind.Errorf(errkind.Corrupt, "snapshot %d names %d inputs, the statement has %d", own.ID, len(made.Provenance.Inputs), len(made.Scans))
	}
	for i, ms := range parseWatermarks(own.Properties[propWatermarks]) {
		made.Watermarks[i] = time.UnixMilli(ms).UTC()
	}
	made.Epoch, made.Clock = made.Provenance.Epoch, time.UnixMilli(made.Provenance.Clock).UTC()
	return nil
}

// Pinned finds the recorded versions of the inputs, or fails with ErrExpired.
func (m *Manager) Pinned(ctx context.Context, made *Made) (err error) {
	path := made.Sink.Table.Path
	if made.Table, err = m.version(ctx, path, made.Snapshot.Identity(path)); errors.Is(err, ErrExpired) {
		// The job's tag keeps it.
		tag := jobTag(made.Provenance.Job)
		t, terr := m.snapshots(path).Tag(ctx, tag)
		if terr == nil && t.Snapshot.ID == made.Snapshot.ID {
			made.Table, err = Version{made.Snapshot, plan.AsOf{Tag: tag}}, nil
		}
	}
	if err != nil {
		return err
	}
	made.Inputs = make([]Version, len(made.Scans))
	for i, sc := range made.Scans {
		in := made.Provenance.Inputs[i]
		if sc.Table.Connector() != "" || in.ID == 0 {
			continue
		}
		if made.Inputs[i], err = m.version(ctx, sc.Table.Path, snapshot.Identity{Table: sc.Table.Path, ID: in.ID, Hash: in.Hash}); err != nil {
			return err
		}
	}
	s, err := m.Show(made.Provenance.Job)
	if err == nil {
		made.late, err = m.lateUpTo(ctx, s, made)
	}
	return err
}

// version is a snapshot that is still in its table's history.
func (m *Manager) version(ctx context.Context, path string, id snapshot.Identity) (Version, error) {
	snaps := m.snapshots(path)
	s, err := snaps.Get(ctx, id.ID)
	if errkind.Is(err, errkind.NotFound) {
		return Version{}, m.expired(ctx, snaps, path, id.ID)
	}
	if err != nil {
		return Version{}, err
	}
	if id.Hash != "" && s.Hash != id.Hash {
		return Version{}, fmt.Errorf("%w: snapshot %d of %s is another one than was read: the table was rolled back or replaced", ErrExpired, id.ID, tableName(path))
	}
	return Version{s, plan.AsOf{Snapshot: int64(id.ID)}}, nil
}

// expired says since when a snapshot is gone.
func (m *Manager) expired(ctx context.Context, snaps *snapshot.Manager, path string, id snapshot.ID) error {
	first, err := snaps.EarliestID(ctx)
	if err == nil {
		var s *snapshot.Snapshot
		if s, err = snaps.Get(ctx, first); err == nil {
			return fmt.Errorf("%w: snapshot %d of %s: what is kept of it begins with snapshot %d of %s", ErrExpired, id, tableName(path), first, s.Time().UTC().Format("2006-01-02 15:04:05Z"))
		}
	}
	return fmt.Errorf("%w: snapshot %d of %s: the table has no snapshots any more (%w)", ErrExpired, id, tableName(path), err)
}

// tableName is the db.table of a path.
func tableName(path string) string { return strings.Replace(path, ".db/", ".", 1) }

// MadeIn is Made for the cut r: the job's table and its inputs as they are there. An input that is not in the cut is
// taken as the job's snapshot in it recorded it.
func (m *Manager) MadeIn(ctx context.Context, idOrName string, r *cut.Record) (*Made, error) {
	s, out, err := m.made(ctx, idOrName)
	if err != nil {
		return nil, err
	}
	path := out.Sink.Table.Path
	at, ok := r.Tables[path]
	if !ok {
		why := r.LeftOut[path]
		if why == "" {
			why = "it was not there, or not asked for"
		}
		return nil, errkind.Errorf(errkind.Invalid, "table %s is not in cut %s: %s", tableName(path), r.Name, why)
	}
	i := slices.IndexFunc(at.Made, func(c cut.Commit) bool { return c.Job == s.ID })
	if i < 0 {
		return nil, fmt.Errorf("%w: %s, up to cut %s", ErrNothingMade, s.Name, r.Name)
	}
	own := &snapshot.Snapshot{ID: at.Made[i].Snapshot, Hash: at.Made[i].Hash, Properties: at.Made[i].Properties}
	if err := out.says(own); err != nil {
		return nil, fmt.Errorf("job %s in cut %s: %w", s.Name, r.Name, err)
	}
	out.Epoch = r.Epoch
	if readsClock(out.Sink.Input) {
		out.Clock = time.UnixMilli(r.ClockMs).UTC()
	}
	if out.Table, err = m.inCut(ctx, r, path); err != nil {
		return nil, err
	}
	out.Inputs = make([]Version, len(out.Scans))
	for i, sc := range out.Scans {
		if sc.Table.Connector() != "" {
			continue
		}
		in := out.Provenance.Inputs[i]
		switch _, there := r.Tables[sc.Table.Path]; {
		case there:
			out.Inputs[i], err = m.inCut(ctx, r, sc.Table.Path)
		case in.ID > 0:
			out.Inputs[i], err = m.version(ctx, sc.Table.Path, snapshot.Identity{Table: sc.Table.Path, ID: in.ID, Hash: in.Hash})
		}
		if err != nil {
			return nil, err
		}
	}
	out.late, err = m.lateUpTo(ctx, s, out)
	return out, err
}

// inCut is a table's version in a cut, by its tag, or by its snapshot in a cut that has no name.
func (m *Manager) inCut(ctx context.Context, r *cut.Record, path string) (Version, error) {
	at := r.Tables[path]
	if at.Snapshot == 0 {
		return Version{}, nil
	}
	if r.Name == "" {
		return m.version(ctx, path, snapshot.Identity{Table: path, ID: at.Snapshot, Hash: at.Hash})
	}
	s, err := m.cuts.Version(ctx, r, path)
	if errors.Is(err, cut.ErrLost) {
		return Version{}, fmt.Errorf("%w: %w", ErrExpired, err)
	}
	return Version{s, plan.AsOf{Tag: r.Name}}, err
}

// PresentCut is the newest cut of tables, by path, without a name. Who uses it holds the tables' snapshots.
func (m *Manager) PresentCut(ctx context.Context, paths []string) (*cut.Record, error) {
	r := &cut.Record{Tables: map[string]cut.Table{}}
	r.Epoch, _ = m.frontier.Servable(paths...)
	clock, _ := m.log.ClockAt(r.Epoch)
	r.ClockMs = clock.UnixMilli()
	for _, path := range paths {
		t, err := m.cutTable(ctx, path, r.Epoch)
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", tableName(path), err)
		}
		r.Tables[path] = t
	}
	return r, nil
}

// Recompute runs the query of made afresh over made.Inputs, and connectors up to the recorded positions, with no state
// but what it builds. It is the way to recompute what DuckDB cannot read.
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
	env := &expr.Env{Clock: made.Clock, Zone: time.UTC}
	var failed error
	if made.late != nil {
		made.flow.KnowLate(made.late.filter(&failed))
	}
	changes := map[int][]stream.Delta{}
	defer func() {
		for _, ds := range changes {
			release(ds)
		}
	}()
	if s, err := m.Show(made.Provenance.Job); err == nil {
		if made.letters, err = m.lettersFrom(ctx, s.JobRecord, s.FromEpoch); err != nil {
			return err
		}
	}
	for i, in := range inputs {
		take := func(d stream.Delta) error {
			if d.Rows != nil {
				changes[i] = append(changes[i], d)
			}
			return nil
		}
		if err := m.readMade(ctx, made, in, env, take); err != nil {
			return fmt.Errorf("read %s.%s: %w", in.scan.Table.Database, in.scan.Table.Name, err)
		}
	}
	out, err := made.flow.Step(ctx, stream.Epoch{ID: made.Epoch, Clock: env.Clock, Watermark: made.Watermarks}, changes)
	if err = errors.Join(err, failed); err != nil {
		release(out)
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

// readMade reads one of the inputs of made, as it was.
func (m *Manager) readMade(ctx context.Context, made *Made, in *input, env *expr.Env, take func(stream.Delta) error) error {
	if err := m.openInput(ctx, in, "", false); err != nil {
		return err
	}
	if in.table != nil {
		at := made.Inputs[in.index].Snapshot
		if at == nil {
			return nil
		}
		return in.table.readSnapshot(ctx, in, at, env, take)
	}
	end := connector.Offsets{}
	for split, pos := range made.Provenance.Inputs[in.index].End {
		end[split] = connector.Position(pos)
	}
	return m.readAll(ctx, in, upTo{made.Provenance.Job, made.Epoch, end, made.letters}, env, take)
}

// Materialize brings recomputed rows into the form of the sink table, as a job does.
func (made *Made) Materialize() (*stream.Materializer, error) { return materializer(made.Sink, nil) }
