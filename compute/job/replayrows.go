package job

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/stream"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table"
	"github.com/weir-lake/weir/table/scan"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
)

// Objects of replays in the warehouse, below <job>/<id>: replay.json says what it is, done that its rows are gone from
// the dead letters, and the folders 0, 1, .. hold the rows for each source as Paimon tables.
const (
	replayRoot    = ".weir/replays"
	replayVersion = 1
)

// kindColumn stands before the columns of a source in a replay's rows: as in connector.Chunk.Kinds.
const kindColumn = "weir_kind"

// replayRecord is a replay as its object says. It happens once the epoch log names it, and is never rewritten.
type replayRecord struct {
	Version int    `json:"version"`
	ID      string `json:"id"`
	Job     string `json:"job"`
	Table   string `json:"table"`   // db.table whose dead letters they are
	Sources []int  `json:"sources"` // of the job's plan, that get rows
	User    string `json:"user,omitempty"`
	TimeMs  int64  `json:"time_ms"`
	// Letters are the dead letters that are taken. They are kept for recoveries, which must not take them from the source.
	Letters []DeadLetter `json:"letters"`
}

func replayDir(job, id string) string  { return path.Join(replayRoot, job, id) }
func replayKey(job, id string) string  { return replayDir(job, id) + "/replay.json" }
func replayDone(job, id string) string { return replayDir(job, id) + "/done" }
func replayTable(job, id string, source int) string {
	return fmt.Sprintf("%s/%d", replayDir(job, id), source)
}

// isReplay reports the key of a record.
func isReplay(key string) bool { return strings.HasSuffix(key, "/replay.json") }

func (m *Manager) readReplayRecord(ctx context.Context, key string) (*replayRecord, error) {
	data, err := objstore.ReadAll(ctx, m.opts.Store, key)
	if err != nil {
		return nil, fmt.Errorf("read replay: %w", err)
	}
	rec, err := decodeReplay(data)
	if err != nil {
		return nil, fmt.Errorf("replay %s: %w", m.opts.Store.URI(key), err)
	}
	return rec, nil
}

// decodeReplay reads a record's bytes.
func decodeReplay(data []byte) (*replayRecord, error) {
	var r replayRecord
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, errkind.Wrap(errkind.Corrupt, err)
	}
	if r.Version != replayVersion {
		return nil, errkind.Errorf(errkind.Invalid, "it has version %d, this program reads %d: update weir", r.Version, replayVersion)
	}
	if r.ID == "" || r.Job == "" || r.Table == "" || strings.ContainsAny(r.ID+r.Job, "/\\") {
		return nil, errkind.New(errkind.Corrupt, "it lacks its id, job or table")
	}
	return &r, nil
}

// physicalFields are the kind and the columns of a source, by name and all nullable.
func physicalFields(t *plan.Table) []schema.Field {
	out := []schema.Field{{Name: kindColumn, Type: schema.TTinyInt}}
	for _, f := range connector.Fields(t) {
		nullable := f.Type
		nullable.NotNull = false
		out = append(out, schema.Field{Name: f.Name, Type: nullable})
	}
	return out
}

// writeReplay stores a source's rows, durably.
func writeReplay(ctx context.Context, store objstore.Store, folder string, t *plan.Table, chunks []connector.Chunk) error {
	to, err := table.Create(ctx, store, folder, schema.Definition{Fields: physicalFields(t)}, table.Options{})
	if err != nil {
		return err
	}
	sc, err := schema.ArrowSchema(to.Schema().Fields)
	if err != nil {
		return err
	}
	var batches []arrow.RecordBatch
	defer func() {
		for _, b := range batches {
			b.Release()
		}
	}()
	for _, c := range chunks {
		if int(c.Rows.NumCols()) != sc.NumFields()-1 {
			return errkind.Errorf(errkind.Bug, "source of %s gave %d columns, the table has %d", t.Name, c.Rows.NumCols(), sc.NumFields()-1)
		}
		batches = append(batches, withKinds(sc, c))
	}
	_, err = to.Write(ctx, batches, nil)
	return err
}

func withKinds(sc *arrow.Schema, c connector.Chunk) arrow.RecordBatch {
	b := array.NewInt8Builder(memory.DefaultAllocator)
	defer b.Release()
	for i := range int(c.Rows.NumRows()) {
		b.Append(c.KindAt(i))
	}
	kinds := b.NewArray()
	defer kinds.Release()
	return array.NewRecordBatch(sc, append([]arrow.Array{kinds}, c.Rows.Columns()...), c.Rows.NumRows())
}

// readReplay streams the rows that a replay holds for the input.
func (in *input) readReplay(ctx context.Context, store objstore.Store, folder string, env *expr.Env, fn func(stream.Delta) error) error {
	t, err := table.Open(ctx, store, folder, table.Options{})
	if err != nil {
		return fmt.Errorf("rows of a replay: %w", err)
	}
	p, err := t.Scan(ctx, snapshot.Ref{}, scan.Request{})
	if err != nil {
		return err
	}
	return p.Each(ctx, func(rec arrow.RecordBatch) error { return in.replayed(rec, env, fn) })
}

// replayed turns stored rows into the scan's columns.
func (in *input) replayed(rec arrow.RecordBatch, env *expr.Env, fn func(stream.Delta) error) error {
	kinds, ok := rec.Column(0).(*array.Int8)
	if !ok {
		return errkind.Errorf(errkind.Corrupt, "rows of a replay do not begin with %s", kindColumn)
	}
	fields, arrs := make([]arrow.Field, len(in.need)), make([]arrow.Array, len(in.need))
	for i, name := range in.neededNames() {
		at := rec.Schema().FieldIndices(name)
		if len(at) != 1 {
			return errkind.Errorf(errkind.Invalid, "rows of a replay have no column %s, which table %s has now", name, in.scan.Table.Name)
		}
		fields[i], arrs[i] = rec.Schema().Field(at[0]), rec.Column(at[0])
	}
	picked := array.NewRecordBatch(arrow.NewSchema(fields, nil), arrs, rec.NumRows())
	defer picked.Release()
	d, err := in.delta(picked, kinds.Int8Values(), env)
	if err != nil {
		return err
	}
	return fn(d)
}

// readAll streams what a job has got of the input up to an epoch, from the beginning: the connector's rows but for those
// of dead letters, and the rows of replays.
func (m *Manager) readAll(ctx context.Context, in *input, up upTo, env *expr.Env, fn func(stream.Delta) error) error {
	var letters []connector.DeadLetter
	for e, ds := range up.letters {
		if e <= up.epoch {
			letters = append(letters, ds...)
		}
	}
	forgotten, err := in.forget(ctx, letters, env)
	if err != nil {
		return err
	}
	if up.offsets != nil {
		err = in.readConn(ctx, nil, up.offsets, env, func(d stream.Delta, _ []connector.DeadLetter) error {
			if d, err = forgotten.without(d); err != nil {
				return err
			}
			return fn(d)
		})
		if err != nil {
			return err
		}
	}
	return m.readReplays(ctx, up.job, in, up.epoch, env, fn)
}

// upTo is the place up to which a job has got its input.
type upTo struct {
	job     string // id
	epoch   int64
	offsets connector.Offsets
	letters map[int64][]connector.DeadLetter // by epoch
}

// readReplays streams the rows of the job's replays up to the epoch that the input has not taken yet.
func (m *Manager) readReplays(ctx context.Context, job string, in *input, e int64, env *expr.Env, fn func(stream.Delta) error) error {
	for _, id := range m.log.Replays(job, in.index, e) {
		if slices.Contains(in.conn.replays, id) {
			continue
		}
		if err := in.readReplay(ctx, m.opts.Store, replayTable(job, id, in.index), env, fn); err != nil {
			return fmt.Errorf("replay %s: %w", id, err)
		}
		in.conn.replays = append(in.conn.replays, id)
	}
	return nil
}
