package job

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/cut"
	"github.com/weir-lake/weir/compute/epoch"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/stream"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/rowjson"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
	"github.com/weir-lake/weir/table/write"
)

// Suffixes of the tables beside a sink that keep what could not go into it.
const (
	DeadLetterSuffix = "$dead_letter" // rows that could not be decoded
	LateSuffix       = "$late"        // rows that came after their window was closed
)

// deadFields and lateFields are their columns.
var (
	deadFields = []schema.Field{
		{Name: "job", Type: schema.TString}, {Name: "epoch", Type: schema.TBigInt}, {Name: "split", Type: schema.TString},
		{Name: "position", Type: schema.TString}, {Name: "reason", Type: schema.TString}, {Name: "raw", Type: schema.TBytes},
	}
	lateFields = []schema.Field{
		{Name: "job", Type: schema.TString}, {Name: "epoch", Type: schema.TBigInt}, {Name: "operator", Type: schema.TString},
		{Name: "weight", Type: schema.TInt}, {Name: "row", Type: schema.TString}, {Name: "window_end", Type: schema.TTimestamp(3)},
	}
)

// sideTable is such a table, written by one job. It commits before the job's sink with the same identifier, so
// that a replay finds its rows and does not store them again.
type sideTable struct {
	committer *commit.Committer
	writer    *write.Writer
	builder   *array.RecordBuilder
	user      string
	job       string
	term      int64
	rows      int64
}

// openSide opens the table at path, creating it at its first row.
func (m *Manager) openSide(ctx context.Context, path string, fields []schema.Field, r *runner) (*sideTable, error) {
	store := objstore.Sub(m.opts.Store, path)
	files := schema.NewFiles(store, "")
	s, err := files.Latest(ctx)
	if errors.Is(err, schema.ErrNoTable) {
		options := map[string]string{}
		cut.SetOptions(options)
		if s, err = schema.New(schema.Definition{Fields: fields, Options: options}, m.now().UnixMilli()); err == nil {
			err = files.Create(ctx, s)
		}
	} else if err == nil && len(s.Fields) < len(fields) {
		s, err = files.Update(ctx, func(latest *schema.Schema) (*schema.Schema, error) { // made by an older weir
			var add []schema.Change
			for _, f := range fields[len(latest.Fields):] {
				add = append(add, schema.AddColumn{Field: f})
			}
			return schema.Apply(latest, m.now().UnixMilli(), add...)
		})
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	w, err := write.New(store, s, write.Options{Now: m.opts.Now})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	sc, err := schema.ArrowSchema(s.Fields)
	if err != nil {
		return nil, err
	}
	return &sideTable{committer: commit.New(store, commit.Options{Path: path, Now: m.opts.Now}), writer: w,
		builder: array.NewRecordBuilder(memory.DefaultAllocator, sc), user: r.rec.CommitUser, job: r.rec.ID, term: m.log.Term()}, nil
}

// flush hands the built rows to the writer.
func (s *sideTable) flush(ctx context.Context) error {
	rec := s.builder.NewRecordBatch()
	defer rec.Release()
	s.rows += rec.NumRows()
	return s.writer.Write(ctx, rec, nil)
}

// commit publishes the rows of the interval; a nil table has none.
func (s *sideTable) commit(ctx context.Context, iv epoch.Interval) error {
	if s == nil || s.rows == 0 {
		return nil
	}
	messages, err := s.writer.Prepare(ctx)
	if err != nil {
		return err
	}
	props, err := commit.Provenance{Job: s.job, Term: s.term, EpochFrom: iv.From, Epoch: iv.To}.Properties()
	if err != nil {
		return err
	}
	res, err := s.committer.Commit(ctx, commit.Request{User: s.user, Identifier: iv.To, Kind: snapshot.Append, Messages: messages, Properties: props})
	if err != nil {
		return err
	}
	if res.Already {
		err = s.writer.Discard(ctx, messages)
	}
	s.rows = 0
	return err
}

func (s *sideTable) close(ctx context.Context) error {
	if s == nil {
		return nil
	}
	s.builder.Release()
	return s.writer.Abort(context.WithoutCancel(ctx))
}

// sidePath is the path of a table beside a job's sink.
func sidePath(t *plan.Table, suffix string) string {
	return t.Database + ".db/" + t.Name + suffix
}

// deadLetters keeps rows that could not be decoded with where they were and why.
func (r *runner) deadLetters(ctx context.Context, e int64, dead []connector.DeadLetter) error {
	if r.dead == nil {
		var err error
		if r.dead, err = r.m.openSide(ctx, sidePath(r.sink.Table, DeadLetterSuffix), deadFields, r); err != nil {
			return err
		}
	}
	b := r.dead.builder
	for _, d := range dead {
		b.Field(0).(*array.StringBuilder).Append(r.rec.Name)
		b.Field(1).(*array.Int64Builder).Append(e)
		b.Field(2).(*array.StringBuilder).Append(d.Split)
		b.Field(3).(*array.StringBuilder).Append(d.Position)
		b.Field(4).(*array.StringBuilder).Append(d.Reason)
		b.Field(5).(*array.BinaryBuilder).Append(d.Raw)
	}
	r.mu.Lock()
	r.mu.status.DeadLetters += int64(len(dead))
	r.mu.Unlock()
	r.logs.add("warn", "%d rows could not be decoded, the first at %s %s: %s", len(dead), dead[0].Split, dead[0].Position, dead[0].Reason)
	return r.dead.flush(ctx)
}

// takeLate keeps rows that came after their window was closed, whole.
func (r *runner) takeLate(ctx context.Context, e int64) error {
	for _, l := range r.flow.Late() {
		if r.late == nil {
			var err error
			if r.late, err = r.m.openSide(ctx, sidePath(r.sink.Table, LateSuffix), lateFields, r); err != nil {
				return err
			}
		}
		if err := r.addLate(e, l); err != nil {
			return err
		}
		r.mu.Lock()
		r.mu.status.LateRows += l.Delta.Rows.NumRows()
		r.mu.Unlock()
		if err := r.late.flush(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (r *runner) addLate(e int64, l stream.LateRows) error {
	text, err := jsonRows(l)
	if err != nil {
		return err
	}
	b := r.late.builder
	for i := range int(l.Delta.Rows.NumRows()) {
		b.Field(0).(*array.StringBuilder).Append(r.rec.Name)
		b.Field(1).(*array.Int64Builder).Append(e)
		b.Field(2).(*array.StringBuilder).Append(l.Operator)
		weight := int32(1)
		if l.Delta.Weights != nil {
			weight = l.Delta.Weights[i]
		}
		b.Field(3).(*array.Int32Builder).Append(weight)
		b.Field(4).(*array.StringBuilder).Append(text(i))
		b.Field(5).(*array.TimestampBuilder).Append(arrow.Timestamp(l.Until[i]))
	}
	return nil
}

// jsonRows gives late rows as JSON objects, by number.
func jsonRows(l stream.LateRows) (func(row int) string, error) {
	fields := make([]schema.Field, len(l.Columns))
	for i, c := range l.Columns {
		fields[i] = schema.Field{Name: c.Name, Type: c.Type}
	}
	enc, err := rowjson.NewEncoder(fields, rowjson.EncodeOptions{})
	if err != nil {
		return nil, fmt.Errorf("keep late rows: %w", err)
	}
	return func(row int) string { return string(enc.AppendRow(nil, l.Delta.Rows, row)) }, nil
}
