package job

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/google/uuid"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/epoch"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/stream"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
	"github.com/weir-lake/weir/table/write"
)

// RowSource is a query's result as it streams; Next returns io.EOF at the end.
type RowSource interface {
	Next(ctx context.Context) (arrow.RecordBatch, error)
}

// InsertOptions say who inserts, for the record.
type InsertOptions struct {
	SQL      string // the statement as it can be bound again
	Database string // that its names without one are of
	User     string
	Inputs   []commit.Input // versions the rows were made from
	// Outside gives the positions up to which connectors were read. It is called when the rows have ended; nil: none.
	Outside func() []commit.Input
}

// Inserted is what a batch INSERT did. Snapshot is 0 when there was nothing to write.
type Inserted struct {
	Rows     int64 `json:"rows"`
	Epoch    int64 `json:"epoch"`
	Snapshot int64 `json:"snapshot"`
}

// Insert writes the rows of a batch query as one commit in the next epoch.
func (m *Manager) Insert(ctx context.Context, s *plan.Sink, rows RowSource, o InsertOptions) (Inserted, error) {
	if s.Table.Connector() != "" {
		return m.insertOutside(ctx, s, rows)
	}
	w, err := m.oneShot(ctx, s.Table.Path)
	if err != nil {
		return Inserted{}, err
	}
	defer w.abort(ctx)
	var done Inserted
	if done.Rows, err = w.drain(ctx, s, rows); err != nil {
		return Inserted{}, err
	}
	if done.Rows == 0 && !s.Overwrite {
		return done, nil
	}
	if s.Overwrite {
		w.overwrite = s
	}
	at, err := m.commitNext(ctx, w, o)
	done.Epoch, done.Snapshot = at.Epoch, at.Snapshot
	return done, err
}

// oneShotWriter is a writer that commits once.
type oneShotWriter struct {
	m         *Manager
	path      string
	store     objstore.Store
	schema    *schema.Schema
	writer    *write.Writer
	user      string
	rows      int64
	changelog bool
	overwrite *plan.Sink // set for INSERT OVERWRITE
}

// oneShot opens the table at path for one commit.
func (m *Manager) oneShot(ctx context.Context, path string) (*oneShotWriter, error) {
	w := &oneShotWriter{m: m, path: path, store: objstore.Sub(m.opts.Store, path), user: uuid.NewString()}
	var err error
	if w.schema, err = schema.NewFiles(w.store, "").Latest(ctx); err != nil {
		return nil, fmt.Errorf("open table %s: %w", path, err)
	}
	opts, err := w.schema.TableOptions()
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", path, err)
	}
	w.changelog = opts.ChangelogProducer == "input" && w.schema.HasPrimaryKey()
	if w.writer, err = write.New(w.store, w.schema, write.Options{Now: m.opts.Now}); err != nil {
		return nil, fmt.Errorf("write to table %s: %w", path, err)
	}
	return w, nil
}

func (w *oneShotWriter) add(ctx context.Context, merge *stream.Materializer, rec arrow.RecordBatch) error {
	out, err := merge.Apply([]stream.Delta{{Rows: rec}})
	if err != nil {
		return err
	}
	defer out.Release()
	for _, c := range out.Write {
		if err := w.put(ctx, c.Rows, c.Kinds); err != nil {
			return err
		}
	}
	return nil
}

// put writes rows, and their changelog as Paimon's writer does with changelog-producer=input: as they came. It is
// not marked exact, so weir's own readers compare versions instead.
func (w *oneShotWriter) put(ctx context.Context, rows arrow.RecordBatch, kinds []int8) error {
	w.rows += rows.NumRows()
	if err := w.writer.Write(ctx, rows, kinds); err != nil || !w.changelog {
		return err
	}
	return w.writer.WriteChangelog(ctx, rows, kinds)
}

func (w *oneShotWriter) abort(ctx context.Context) {
	if err := w.writer.Abort(context.WithoutCancel(ctx)); err != nil {
		w.m.opts.Logger.Warn("abort_write", "table", w.path, "error", err)
	}
}

// commitNext commits in the next epoch, decided for this writer alone.
func (m *Manager) commitNext(ctx context.Context, w *oneShotWriter, o InsertOptions) (Pushed, error) {
	writer := epoch.Writer("insert:" + w.user)
	e, err := m.openEpoch(ctx, writer, w.path)
	if err != nil {
		return Pushed{}, err
	}
	at, err := w.commit(ctx, writer, e, o, nil)
	m.frontier.Done(writer, epoch.Interval{From: e, To: e}, at.Snapshot != 0)
	m.frontier.Remove(writer)
	return at, err
}

// openEpoch decides an epoch in which the writer, and nobody else, has something for its table.
func (m *Manager) openEpoch(ctx context.Context, w epoch.Writer, table string) (int64, error) {
	m.deciding.Lock()
	defer m.deciding.Unlock()
	e := m.frontier.Clock() + 1
	if err := m.log.RecordEpoch(ctx, m.newRecord(e, []string{table})); err != nil {
		return 0, err
	}
	m.frontier.Register(w, table, nil, e)
	m.frontier.Pending(w, e)
	m.frontier.Advance(e)
	return e, nil
}

// commit waits for its turn and publishes what was written as epoch e.
func (w *oneShotWriter) commit(ctx context.Context, writer epoch.Writer, e int64, o InsertOptions, properties map[string]string) (Pushed, error) {
	if err := w.m.frontier.Gate(ctx, writer, e); err != nil {
		return Pushed{}, err
	}
	messages, err := w.writer.Prepare(ctx)
	if err != nil {
		return Pushed{}, err
	}
	var over *commit.Overwrite
	if w.overwrite != nil {
		if over, err = w.replaced(w.overwrite, messages); err != nil {
			return Pushed{}, err
		}
	}
	return w.publish(ctx, e, messages, over, o, properties)
}

// publish commits the messages as epoch e, whose turn it is; over says what they replace, nil for rows that are added.
func (w *oneShotWriter) publish(ctx context.Context, e int64, messages []commit.Message, over *commit.Overwrite, o InsertOptions, properties map[string]string) (Pushed, error) {
	clock, _ := w.m.log.ClockAt(e)
	req := commit.Request{User: w.user, NewUser: true, Identifier: e, Kind: snapshot.Append, Messages: messages, Overwrite: over,
		Fence: func(ctx context.Context, _ []*snapshot.Snapshot) error { return w.m.log.CheckTerm(ctx) }}
	if over != nil {
		req.Kind = snapshot.Overwrite
	}
	p := commit.Provenance{Term: w.m.log.Term(), EpochFrom: e, Epoch: e, Inputs: o.Inputs, Clock: clock.UnixMilli(),
		Statement: o.SQL, Database: o.Database, User: o.User}
	if o.Outside != nil {
		p.Inputs = slices.Concat(p.Inputs, o.Outside())
	}
	var err error
	if req.Properties, err = p.Properties(); err != nil {
		return Pushed{}, err
	}
	for k, v := range properties {
		req.Properties[k] = v
	}
	res, err := commit.New(w.store, commit.Options{Path: w.path, Now: w.m.opts.Now}).Commit(ctx, req)
	if err != nil {
		return Pushed{}, translate(err)
	}
	at := Pushed{Epoch: e, Rows: w.rows}
	if res.Snapshot != nil {
		at.Snapshot = int64(res.Snapshot.ID)
		w.m.upkeep.committed(w.path)
	}
	return at, nil
}

// insertOutside writes to a connector's table, as one commit of a job of its own.
func (m *Manager) insertOutside(ctx context.Context, s *plan.Sink, rows RowSource) (Inserted, error) {
	f, ok := m.opts.Connectors[s.Table.Connector()]
	if !ok || f.OpenSink == nil {
		return Inserted{}, errkind.Errorf(errkind.Invalid, "table %s.%s: connector '%s' cannot be written", s.Table.Database, s.Table.Name, s.Table.Connector())
	}
	opts, err := m.resolve(s.Table.Options)
	if err != nil {
		return Inserted{}, err
	}
	out, err := f.OpenSink(ctx, connector.Context{Table: s.Table, Options: opts, JobID: uuid.NewString(), Now: m.opts.Now})
	if err != nil {
		return Inserted{}, err
	}
	defer out.Close()
	var done Inserted
	var chunks []connector.Chunk
	defer func() {
		for _, c := range chunks {
			c.Rows.Release()
		}
	}()
	for {
		rec, err := rows.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Inserted{}, err
		}
		done.Rows += rec.NumRows()
		chunks = append(chunks, connector.Chunk{Rows: rec})
	}
	done.Epoch = 1
	return done, out.Write(ctx, connector.Progress{Epoch: done.Epoch, Term: m.log.Term()}, chunks)
}

// commit stores the pushes of one table and epoch.
func (p *pushes) commit(ctx context.Context, writer epoch.Writer, e int64, b *pushBatch) (Pushed, error) {
	w, err := p.m.oneShot(ctx, b.table)
	if err != nil {
		return Pushed{}, err
	}
	defer w.abort(ctx)
	w.user = p.user(b.table)
	if err := p.note(ctx, b, w.user, e, 0); err != nil {
		return Pushed{}, err
	}
	for _, r := range b.requests {
		if err := w.put(ctx, r.rows, r.kinds); err != nil {
			return Pushed{}, err
		}
	}
	at, err := w.commit(ctx, writer, e, InsertOptions{}, map[string]string{commit.PropPush: "1"})
	if err != nil {
		return Pushed{}, err
	}
	if err := p.note(ctx, b, w.user, e, at.Snapshot); err != nil {
		// The rows are stored and the key can still be resolved from the table's history.
		p.m.opts.Logger.Warn("push_key", "table", b.table, "error", err)
	}
	return at, nil
}
