package session

import (
	"context"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weir-lake/weir/compute/bind"
	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/sql"
	"github.com/weir-lake/weir/table/commit"
)

// Overwrite is an INSERT OVERWRITE that the service runs itself, as a schedule does.
type Overwrite struct {
	Database string // current database of the statement
	SQL      string
	User     string
	// Clock is what NOW() means.
	Clock time.Time
	// Replaces says which partitions are replaced; see job.OverwriteOptions.
	Replaces func(values []string) bool
	// Properties are put on the snapshot.
	Properties map[string]string
	// Low lets other queries go first.
	Low bool
	// Progress is told, as rows come, how many have come; may be nil.
	Progress func(rows int64)
}

// Overwritten is what an Overwrite did, and from which versions.
type Overwritten struct {
	job.Overwritten
	Inputs []commit.Input
}

// PlanOverwrite binds an INSERT OVERWRITE and runs nothing.
func (svc *Services) PlanOverwrite(ctx context.Context, database, text string) (*plan.Sink, error) {
	_, _, sink, err := svc.bindOverwrite(ctx, Overwrite{Database: database, SQL: text})
	return sink, err
}

func (svc *Services) bindOverwrite(ctx context.Context, o Overwrite) (*Session, *sql.Insert, *plan.Sink, error) {
	st, err := sql.Parse(o.SQL)
	if err != nil {
		return nil, nil, nil, err
	}
	ins, ok := st.(*sql.Insert)
	if !ok || !ins.Overwrite {
		return nil, nil, nil, sql.NewError(o.SQL, st.Pos(), errUnsupported, "this is not an INSERT OVERWRITE", "write INSERT OVERWRITE table SELECT ..")
	}
	s := New(svc, Options{User: o.User, Database: o.Database})
	sink, err := s.bindInsert(ctx, o.SQL, ins, Params{})
	if err != nil {
		return nil, nil, nil, err
	}
	if sink.Table.Connector() != "" {
		return nil, nil, nil, sql.NewError(o.SQL, ins.Table.Pos(), bind.ErrQuery, "a connector's table has no partitions to overwrite", "write to a table of the warehouse")
	}
	return s, ins, sink, nil
}

// Overwrite runs an INSERT OVERWRITE. Partitions that are equal already are left alone.
func (svc *Services) Overwrite(ctx context.Context, o Overwrite) (Overwritten, error) {
	switch {
	case svc.Jobs == nil:
		return Overwritten{}, errNoJobs
	case svc.Querier == nil:
		return Overwritten{}, errNoQuerier
	}
	s, ins, sink, err := svc.bindOverwrite(ctx, o)
	if err != nil {
		return Overwritten{}, err
	}
	kept, err := s.batchText(ctx, ins, sink, Params{})
	if err != nil {
		return Overwritten{}, err
	}
	zone, err := s.zone()
	if err != nil {
		return Overwritten{}, err
	}
	read := &outsideReads{}
	rows, err := svc.Querier.Query(ctx, Query{Root: sink.Input, SQL: o.SQL, Exact: true, User: o.User, Low: o.Low, Ended: read.ended,
		Consistency: "cut", Env: expr.Env{Clock: o.Clock, Zone: zone}})
	if err != nil {
		return Overwritten{}, err
	}
	defer rows.Close()
	out := Overwritten{Inputs: inputsOf(rows.Cut())}
	src := job.RowSource(rows)
	if o.Progress != nil {
		src = &countedRows{Rows: rows, tell: o.Progress}
	}
	out.Overwritten, err = svc.Jobs.Overwrite(ctx, sink, src, job.OverwriteOptions{
		InsertOptions: job.InsertOptions{SQL: kept, Database: o.Database, User: o.User, Inputs: out.Inputs, Outside: read.inputs},
		Replaces:      o.Replaces, Properties: o.Properties})
	return out, err
}

// countedRows tells how many rows have come.
type countedRows struct {
	Rows
	tell func(int64)
	n    int64
}

// Next implements job.RowSource.
func (r *countedRows) Next(ctx context.Context) (arrow.RecordBatch, error) {
	rec, err := r.Rows.Next(ctx)
	if err == nil {
		r.n += rec.NumRows()
		r.tell(r.n)
	}
	return rec, err
}
