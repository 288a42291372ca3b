package session

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/bind"
	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/sql"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/catalog"
	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
)

var errNoQuerier = errkind.New(errkind.Unavailable, "session: this service answers no queries; send it to one with role query")

// bindQuery binds and rewrites a query; scans of connector tables get their secrets resolved later, at open.
func (s *Session) bindQuery(ctx context.Context, text string, q *sql.Query, p Params) (plan.Node, error) {
	opts, err := s.bindOptions(p)
	if err != nil {
		return nil, err
	}
	root, err := bind.Query(ctx, s, text, q, opts)
	if err != nil {
		return nil, err
	}
	return plan.Optimize(root), s.guard(ctx, root)
}

func (s *Session) query(ctx context.Context, text string, q *sql.Query, p Params) (*Result, error) {
	root, err := s.bindQuery(ctx, text, q, p)
	if err != nil {
		return nil, err
	}
	if s.streams(root) {
		if s.svc.Jobs == nil {
			return nil, errNoJobs
		}
		st, err := s.svc.Jobs.NewStream(ctx, root, s.jobOptions(nil))
		if err != nil {
			return nil, err
		}
		return &Result{Stream: st}, nil
	}
	rows, err := s.run(ctx, text, root, false, nil)
	if err != nil {
		return nil, err
	}
	return &Result{Rows: rows}, nil
}

// run answers a plan as a batch over the session's consistency level.
// ended, if not nil, is told how far tables outside the warehouse were read.
func (s *Session) run(ctx context.Context, text string, root plan.Node, exact bool, ended func(*plan.Table, map[string]string)) (Rows, error) {
	if s.svc.Querier == nil {
		return nil, errNoQuerier
	}
	zone, err := s.zone()
	if err != nil {
		return nil, err
	}
	level, err := s.consistency()
	if err != nil {
		return nil, err
	}
	rows, err := s.svc.Querier.Query(ctx, Query{Root: root, SQL: text, Exact: exact, User: s.user, Ended: ended,
		Consistency: level, Env: expr.Env{Clock: s.svc.Now(), Zone: zone}})
	if err != nil {
		return nil, err
	}
	if c := rows.Cut(); c != nil {
		s.saw(c.Epoch)
	}
	return rows, nil
}

// unbounded reports whether the plan reads something that does not end by itself.
func (s *Session) unbounded(root plan.Node) bool {
	found := false
	plan.Walk(root, func(n plan.Node) {
		if sc, ok := n.(*plan.Scan); ok {
			if f, ok := s.svc.Connectors[sc.Table.Connector()]; ok && f.Unbounded != nil && f.Unbounded(sc.Table) {
				found = true
			}
		}
	})
	return found
}

// bindInsert binds an INSERT and prepares its query.
func (s *Session) bindInsert(ctx context.Context, text string, st *sql.Insert, p Params) (*plan.Sink, error) {
	opts, err := s.bindOptions(p)
	if err != nil {
		return nil, err
	}
	sink, err := bind.Insert(ctx, s, text, st, opts)
	if err != nil {
		return nil, err
	}
	if err := s.guard(ctx, sink); err != nil {
		return nil, err
	}
	sink.Input = plan.Optimize(sink.Input)
	return sink, nil
}

func (s *Session) insert(ctx context.Context, text string, st *sql.Insert, p Params) (*Result, error) {
	sink, err := s.bindInsert(ctx, text, st, p)
	if err != nil {
		return nil, err
	}
	if s.svc.Jobs == nil {
		return nil, errNoJobs
	}
	streaming := s.streams(sink.Input)
	if streaming && sink.Overwrite {
		return nil, sql.NewError(text, st.At, errUnsupported, "INSERT OVERWRITE is a batch statement", "SET 'execution.runtime-mode' = 'batch'")
	}
	if !streaming {
		kept, err := s.batchText(ctx, st, sink, p)
		if err != nil {
			return nil, err
		}
		read := &outsideReads{}
		rows, err := s.run(ctx, text, sink.Input, true, read.ended)
		if err != nil {
			return nil, err
		}
		defer rows.Close()
		done, err := s.svc.Jobs.Insert(ctx, sink, rows, job.InsertOptions{SQL: kept, Database: s.database, User: s.user,
			Inputs: inputsOf(rows.Cut()), Outside: read.inputs})
		if err != nil {
			return nil, err
		}
		s.saw(done.Epoch)
		return message("%d rows inserted into %s.%s, snapshot %d", done.Rows, sink.Table.Database, sink.Table.Name, done.Snapshot), nil
	}
	if err := s.allowed(Manage); err != nil {
		return nil, err // a job is started
	}
	if err := s.refuseTemporary(text, st, sink); err != nil {
		return nil, err
	}
	if len(p.Positional)+len(p.Named) > 0 {
		return nil, sql.NewError(text, st.At, errUnsupported, "a job's statement cannot have parameters: it is bound again whenever the job starts", "write the values into the statement")
	}
	kept, err := s.keptInsert(ctx, st, p)
	if err != nil {
		return nil, err
	}
	return s.startJob(ctx, sql.Format(kept), sink)
}

// batchText is what is recorded of a batch statement: nothing of one that reads no table, whose text says nothing
// about where its rows come from, nor of a very long one.
func (s *Session) batchText(ctx context.Context, st *sql.Insert, sink *plan.Sink, p Params) (string, error) {
	reads := false
	plan.Walk(sink.Input, func(n plan.Node) {
		if _, ok := n.(*plan.Scan); ok {
			reads = true
		}
	})
	if !reads || len(sql.FormatQuery(st.Query)) > commit.StatementMax {
		return "", nil
	}
	kept, err := s.keptInsert(ctx, st, p)
	if err != nil {
		return "", err
	}
	return sql.Format(kept), nil
}

// keptInsert is the statement as it is kept to be bound again: with today's columns in the place of *.
func (s *Session) keptInsert(ctx context.Context, st *sql.Insert, p Params) (*sql.Insert, error) {
	opts, err := s.bindOptions(p)
	if err != nil {
		return nil, err
	}
	expanded, err := bind.Expand(ctx, s, sql.FormatQuery(st.Query), opts)
	if err != nil {
		return nil, err
	}
	kept := *st
	kept.Query, err = sql.ParseQuery(expanded)
	return &kept, err
}

// inputsOf are the versions a batch read, for the record of what it wrote.
func inputsOf(c *Cut) []commit.Input {
	if c == nil {
		return nil
	}
	var out []commit.Input
	for _, name := range slices.Sorted(maps.Keys(c.Snapshots)) {
		if db, table, ok := strings.Cut(name, "."); ok {
			out = append(out, commit.Input{Table: catalog.Identifier{Database: db, Table: table}.Path(), ID: snapshot.ID(c.Snapshots[name])})
		}
	}
	return out
}

// refuseTemporary: a job outlives the session, so what it reads and writes must too, unless the script waits for it.
func (s *Session) refuseTemporary(text string, st *sql.Insert, sink *plan.Sink) error {
	if s.attached {
		return nil
	}
	temporary := ""
	if sink.Table.Temporary {
		temporary = sink.Table.Name
	}
	plan.Walk(sink.Input, func(n plan.Node) {
		if sc, ok := n.(*plan.Scan); ok && sc.Table.Temporary {
			temporary = sc.Table.Name
		}
	})
	if temporary == "" {
		return nil
	}
	return sql.NewError(text, st.At, errUnsupported, fmt.Sprintf("a job cannot use the temporary table %s, which ends with the session", temporary), "create the table without TEMPORARY")
}

// startJob creates the job, or goes on with the one of that pipeline.name; attached sessions wait for its end.
func (s *Session) startJob(ctx context.Context, text string, sink *plan.Sink) (*Result, error) {
	name := s.vars[VarPipelineName]
	d := job.Definition{Name: name, Database: s.database, SQL: text, Options: s.jobOptions(nil), User: s.user}
	var j job.Status
	var err error
	if s.attached {
		d.Sink = sink
		if j, err = s.svc.Jobs.Resume(ctx, d); err != nil {
			return nil, err
		}
		if j, err = s.svc.Jobs.Wait(ctx, j.ID, s.progress); err != nil {
			return nil, err
		}
		return &Result{Job: j.ID, Message: fmt.Sprintf("job %s finished at epoch %d: %d rows in, %d out", j.Name, j.Epoch, j.RowsIn, j.RowsOut)}, nil
	}
	if j, err = s.svc.Jobs.Create(ctx, d); err != nil {
		return nil, err
	}
	return &Result{Job: j.ID, Message: fmt.Sprintf("job %s (%s) started", j.Name, j.ID)}, nil
}

func (s *Session) statementSet(ctx context.Context, text string, st *sql.StatementSet, p Params) (*Result, error) {
	var msgs []string
	last := &Result{}
	for _, in := range st.Inserts {
		r, err := s.insert(ctx, text, in, p)
		if err != nil {
			return nil, err
		}
		msgs = append(msgs, r.Message)
		last = r
	}
	return &Result{Message: strings.Join(msgs, "\n"), Job: last.Job}, nil
}

func (s *Session) explain(ctx context.Context, text string, st *sql.Explain, p Params) (*Result, error) {
	root, _, err := s.Plan(ctx, text, st.Statement, p)
	if err != nil {
		return nil, err
	}
	return s.listing([]string{"plan"}, [][]any{{plan.Explain(root)}})
}

func (s *Session) call(ctx context.Context, text string, st *sql.CallProcedure) (*Result, error) {
	name := st.Name.Last()
	p := s.svc.Procedures[name]
	if p == nil || (len(st.Name) > 1 && st.Name[len(st.Name)-2].Text != "sys") {
		return nil, sql.NewError(text, st.Name.Pos(), bind.ErrName, fmt.Sprintf("there is no procedure %s", st.Name),
			suggest(name, slices.Sorted(maps.Keys(s.svc.Procedures))))
	}
	opts, err := s.bindOptions(Params{})
	if err != nil {
		return nil, err
	}
	var args []expr.Literal
	named := map[string]expr.Literal{}
	for _, a := range st.Args {
		e, err := bind.Scalar(ctx, text, a.Value, nil, opts)
		if err != nil {
			return nil, err
		}
		l, err := expr.Const(e, &expr.Env{Clock: s.svc.Now(), Zone: opts.Zone})
		if err != nil {
			return nil, sql.NewError(text, st.At, bind.ErrType, "arguments of a procedure are constants: "+err.Error(), "")
		}
		if a.Name != nil {
			named[a.Name.Text] = *l
		} else {
			args = append(args, *l)
		}
	}
	rows, err := p.Call(ctx, s.user, args, named)
	return &Result{Rows: rows}, err
}

// PlanJob implements job.Planner: a job's statement bound again, as at its creation.
func (svc *Services) PlanJob(ctx context.Context, database, text string, options map[string]string) (*plan.Sink, error) {
	st, err := sql.Parse(text)
	if err != nil {
		return nil, err
	}
	ins, ok := st.(*sql.Insert)
	if !ok {
		return nil, sql.NewError(text, st.Pos(), errUnsupported, "a job is an INSERT INTO", "")
	}
	s := New(svc, Options{Database: database, Variables: options})
	sink, err := s.bindInsert(ctx, text, ins, Params{})
	if err != nil {
		return nil, err
	}
	sink.Input, err = s.land(ctx, sink.Input)
	return sink, err
}

// RunQuery implements connector.QueryRunner for replay sources.
func (svc *Services) RunQuery(ctx context.Context, text string, out []plan.Column) (array.RecordReader, error) {
	s := New(svc, Options{})
	q, err := sql.ParseQuery(text)
	if err != nil {
		return nil, err
	}
	root, err := s.bindQuery(ctx, text, q, Params{})
	if err != nil {
		return nil, err
	}
	t := &plan.Table{Name: "the replay"}
	for _, c := range out {
		t.Columns = append(t.Columns, plan.TableColumn{Column: c})
	}
	cast, err := bind.Sink(t, root) // the casts of an INSERT into the columns asked for
	if err != nil {
		return nil, err
	}
	rows, err := s.run(ctx, text, cast.Input, true, nil)
	if err != nil {
		return nil, err
	}
	return newRowsReader(ctx, rows)
}

// rowsReader turns Rows into Arrow's reader.
type rowsReader struct {
	ctx    context.Context
	rows   Rows
	schema *arrow.Schema
	cur    arrow.RecordBatch
	err    error
	refs   int
}

func newRowsReader(ctx context.Context, rows Rows) (array.RecordReader, error) {
	sc, err := arrowSchema(rows.Columns())
	if err != nil {
		rows.Close()
		return nil, err
	}
	return &rowsReader{ctx: ctx, rows: rows, schema: sc, refs: 1}, nil
}

func arrowSchema(cols []plan.Column) (*arrow.Schema, error) {
	fields := make([]schema.Field, len(cols))
	for i, c := range cols {
		fields[i] = schema.Field{Name: c.Name, Type: c.Type}
	}
	return schema.ArrowSchema(fields)
}

func (r *rowsReader) Schema() *arrow.Schema          { return r.schema }
func (r *rowsReader) RecordBatch() arrow.RecordBatch { return r.cur }
func (r *rowsReader) Record() arrow.RecordBatch      { return r.cur }
func (r *rowsReader) Err() error                     { return r.err }
func (r *rowsReader) Retain()                        { r.refs++ }

func (r *rowsReader) Next() bool {
	r.drop()
	r.cur, r.err = r.rows.Next(r.ctx)
	if r.err == io.EOF {
		r.err = nil
		return false
	}
	return r.err == nil
}

func (r *rowsReader) drop() {
	if r.cur != nil {
		r.cur.Release()
		r.cur = nil
	}
}

func (r *rowsReader) Release() {
	r.refs--
	if r.refs == 0 {
		r.drop()
		_ = r.rows.Close() // everything it could report was reported by Next
	}
}

// listing is a small answer computed here: strings, int64 and bool columns.
func (s *Session) listing(names []string, rows [][]any) (*Result, error) {
	cols := make([]plan.Column, len(names))
	for i, n := range names {
		cols[i] = plan.Column{Name: n, Type: schema.TString}
		if len(rows) > 0 {
			switch rows[0][i].(type) {
			case int64:
				cols[i].Type = schema.TBigInt
			case bool:
				cols[i].Type = schema.TBoolean
			}
		}
	}
	sc, err := arrowSchema(cols)
	if err != nil {
		return nil, err
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, sc)
	defer b.Release()
	for _, r := range rows {
		for i, v := range r {
			switch f := b.Field(i).(type) {
			case *array.Int64Builder:
				f.Append(v.(int64))
			case *array.BooleanBuilder:
				f.Append(v.(bool))
			case *array.StringBuilder:
				if v == nil {
					f.AppendNull()
				} else {
					f.Append(fmt.Sprint(v))
				}
			}
		}
	}
	return &Result{Rows: NewStaticRows(cols, b.NewRecordBatch())}, nil
}

// staticRows is one batch held in memory.
type staticRows struct {
	cols  []plan.Column
	batch arrow.RecordBatch
}

// NewStaticRows makes Rows of one batch, which it takes over.
func NewStaticRows(cols []plan.Column, batch arrow.RecordBatch) Rows {
	return &staticRows{cols: cols, batch: batch}
}

func (r *staticRows) Columns() []plan.Column { return r.cols }
func (r *staticRows) Cut() *Cut              { return nil }

func (r *staticRows) Next(context.Context) (arrow.RecordBatch, error) {
	if r.batch == nil {
		return nil, io.EOF
	}
	b := r.batch
	r.batch = nil
	return b, nil
}

func (r *staticRows) Close() error {
	if r.batch != nil {
		r.batch.Release()
		r.batch = nil
	}
	return nil
}
