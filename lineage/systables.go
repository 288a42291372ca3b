package lineage

import (
	"context"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/session"
	"github.com/weir-lake/weir/table/schema"
)

// Tables are the tables of database sys that lineage computes.
func (x *Index) Tables(now func() time.Time) map[string]session.SystemTable {
	ts := schema.TTimestampLTZ(3)
	return map[string]session.SystemTable{
		"table_lineage": &sysTable{cols: columns("source", schema.TString, "target", schema.TString, "job", schema.TString,
			"snapshot", schema.TBigInt, "source_version", schema.TString), rows: x.edgeRows},
		"snapshot_lineage": &sysTable{cols: columns("table_name", schema.TString, "snapshot", schema.TBigInt, "kind", schema.TString,
			"job", schema.TString, "epoch", schema.TBigInt, "input", schema.TString, "input_version", schema.TString, "committed", ts), rows: x.snapshotRows},
		"jobs": &sysTable{cols: columns("id", schema.TString, "name", schema.TString, "state", schema.TString, "sink", schema.TString,
			"epoch", schema.TBigInt, "pending", schema.TBigInt, "rows_in", schema.TBigInt, "rows_out", schema.TBigInt,
			"watermark", ts, "error", schema.TString), rows: x.jobRows},
		"freshness": &sysTable{cols: columns("table_name", schema.TString, "job", schema.TString, "epoch", schema.TBigInt,
			"pending", schema.TBigInt, "last_commit", ts, "age_ms", schema.TBigInt), rows: func(ctx context.Context) ([][]any, error) { return x.freshnessRows(now()) }},
	}
}

func columns(pairs ...any) []plan.Column {
	var out []plan.Column
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, plan.Column{Name: pairs[i].(string), Type: pairs[i+1].(schema.Type)})
	}
	return out
}

// sysTable is a computed table: rows of string, int64, time.Time or nil.
type sysTable struct {
	cols []plan.Column
	rows func(ctx context.Context) ([][]any, error)
}

// Columns implements session.SystemTable.
func (t *sysTable) Columns() []plan.Column { return t.cols }

// Rows implements session.SystemTable.
func (t *sysTable) Rows(ctx context.Context) (arrow.RecordBatch, error) {
	rows, err := t.rows(ctx)
	if err != nil {
		return nil, err
	}
	sc, err := schema.ArrowSchema(fieldsOf(t.cols))
	if err != nil {
		return nil, err
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, sc)
	defer b.Release()
	for _, r := range rows {
		for i, v := range r {
			switch f := b.Field(i).(type) {
			case *array.StringBuilder:
				if s, _ := v.(string); s != "" {
					f.Append(s)
				} else {
					f.AppendNull()
				}
			case *array.Int64Builder:
				f.Append(v.(int64))
			case *array.TimestampBuilder:
				if at, ok := v.(*time.Time); ok && at != nil {
					f.Append(arrow.Timestamp(at.UnixMilli()))
				} else {
					f.AppendNull()
				}
			}
		}
	}
	return b.NewRecordBatch(), nil
}

func (x *Index) edgeRows(ctx context.Context) ([][]any, error) {
	edges, err := x.Edges(ctx)
	if err != nil {
		return nil, err
	}
	var out [][]any
	for _, e := range edges {
		out = append(out, []any{e.From, e.To, e.Job, e.Snapshot, e.Version})
	}
	return out, nil
}

func (x *Index) snapshotRows(ctx context.Context) ([][]any, error) {
	list, err := x.Snapshots(ctx)
	if err != nil {
		return nil, err
	}
	var out [][]any
	for _, s := range list {
		at := time.UnixMilli(s.Made)
		out = append(out, []any{s.Table, s.Snapshot, s.Kind, s.Job, s.Epoch, s.Input, s.Version, &at})
	}
	return out, nil
}

func (x *Index) jobRows(context.Context) ([][]any, error) {
	var out [][]any
	for _, j := range x.jobs.List() {
		out = append(out, []any{j.ID, j.Name, string(j.State), j.Sink, j.Epoch, int64(j.Pending), j.RowsIn, j.RowsOut, j.Watermark, j.Error})
	}
	return out, nil
}

func (x *Index) freshnessRows(now time.Time) ([][]any, error) {
	var out [][]any
	for _, j := range x.jobs.List() {
		age := int64(0)
		if j.LastCommit != nil {
			age = now.Sub(*j.LastCommit).Milliseconds()
		}
		out = append(out, []any{j.Sink, j.Name, j.Epoch, int64(j.Pending), j.LastCommit, age})
	}
	return out, nil
}
