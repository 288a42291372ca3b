package lineage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/google/uuid"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/cut"
	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/session"
	"github.com/weir-lake/weir/compute/stream"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

// The four answers of verify.
const (
	Equal        = "equal"
	Differs      = "differs"
	NotCheckable = "not checkable"
	Expired      = "inputs expired"
)

// Report is what verify says of one job's table at its newest commit.
type Report struct {
	Job      string    `json:"job"`
	Table    string    `json:"table"`
	Answer   string    `json:"answer"`
	Reason   string    `json:"reason,omitempty"` // of not checkable and inputs expired
	Tag      string    `json:"tag,omitempty"`    // of the cut that was checked
	Snapshot int64     `json:"snapshot,omitempty"`
	Epoch    int64     `json:"epoch,omitempty"`
	Rows     int64     `json:"rows"`          // of the table
	Missing  int64     `json:"missing"`       // recomputed rows that the table lacks
	Extra    int64     `json:"unexpected"`    // rows of the table that the recomputation does not give
	Others   int64     `json:"other_writers"` // rows that other writers of an append table, and revisions, put there
	Examples []Example `json:"differences,omitempty"`
	Notes    []string  `json:"notes,omitempty"`
	Millis   int64     `json:"elapsed_ms"`
}

// Example is one row that differs; at most examplesMax are kept.
type Example struct {
	Kind string `json:"kind"` // missing or unexpected
	Row  string `json:"row"`  // as JSON
}

const examplesMax = 20

// OK reports an answer that needs nobody's attention.
func (r *Report) OK() bool { return r.Answer == Equal || r.Answer == NotCheckable }

// Verifier recomputes tables from their recorded inputs.
type Verifier struct {
	jobs    *job.Manager
	querier session.Querier
	now     func() time.Time
}

// NewVerifier makes a verifier over the jobs of a service.
func NewVerifier(jobs *job.Manager, q session.Querier, now func() time.Time) *Verifier {
	return &Verifier{jobs: jobs, querier: q, now: now}
}

// Verify checks the table of a job (by id or name), or of every job when it is empty: its newest commit, or with a tag
// its version in the cut of that name. The result is a []Report.
func (v *Verifier) Verify(ctx context.Context, idOrName, tag string) (any, error) {
	var in *cut.Record
	if tag != "" {
		var err error
		if in, err = v.jobs.Cut(ctx, tag); err != nil {
			return nil, fmt.Errorf("verify: %w", err)
		}
	}
	var names []job.Status
	if idOrName == "" {
		names = v.jobs.List()
	} else {
		s, err := v.jobs.Show(idOrName)
		if errors.Is(err, job.ErrNotFound) {
			return nil, fmt.Errorf("%w; what jobs write can be verified: a table that a backfill keeps is checked by running its range again, which writes nothing where the rows are equal", err)
		}
		if err != nil {
			return nil, err
		}
		names = append(names, s)
	}
	out := make([]Report, 0, len(names))
	for _, s := range names {
		r, err := v.one(ctx, s, in)
		if err != nil {
			return nil, fmt.Errorf("verify %s: %w", s.Name, err)
		}
		out = append(out, *r)
	}
	return out, nil
}

func (v *Verifier) one(ctx context.Context, s job.Status, in *cut.Record) (*Report, error) {
	started := v.now()
	r := &Report{Job: s.Name, Table: s.Sink}
	if in != nil {
		r.Tag = in.Name
	}
	err := v.check(ctx, s, in, r)
	r.Millis = v.now().Sub(started).Milliseconds()
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return nil, err
	case errors.Is(err, job.ErrNothingMade):
		r.Answer, r.Reason = NotCheckable, "the job has committed nothing yet"
	case errors.Is(err, connector.ErrPositionLost), errkind.Is(err, errkind.NotFound):
		r.Answer, r.Reason = Expired, err.Error()
	case errkind.Is(err, errkind.Corrupt):
		r.Answer, r.Reason = Differs, err.Error()
	default:
		r.Answer, r.Reason = NotCheckable, err.Error()
	}
	return r, nil
}

func (v *Verifier) check(ctx context.Context, s job.Status, in *cut.Record, r *Report) error {
	made, release, err := v.basis(ctx, s, in, r)
	defer release()
	if err != nil {
		return err
	}
	if made.Table.Snapshot != nil {
		r.Snapshot = int64(made.Table.Snapshot.ID)
	}
	r.Epoch = made.Epoch
	if why := volatile(made.Sink.Input); why != "" {
		return errkind.New(errkind.Invalid, why)
	}
	cmp, err := newComparison(made)
	if err != nil {
		return err
	}
	if err := v.recompute(ctx, made, cmp.expect); err != nil {
		return fmt.Errorf("recompute: %w", err)
	}
	if cmp.append {
		if err := v.others(ctx, made, s, cmp); err != nil {
			return fmt.Errorf("read what other writers did to %s: %w", r.Table, err)
		}
	}
	if err := v.stored(ctx, made, cmp.found); err != nil {
		return fmt.Errorf("read snapshot %d of %s: %w", r.Snapshot, r.Table, err)
	}
	return cmp.finish(r)
}

// others counts rows of other writers, and revisions, among the inputs of an append table.
func (v *Verifier) others(ctx context.Context, made *job.Made, s job.Status, cmp *comparison) error {
	complete, err := v.jobs.OtherRows(ctx, made, s.ID, func(rows arrow.RecordBatch, weight int64) error {
		cmp.others += weight * rows.NumRows()
		return cmp.count(rows, nil, weight)
	})
	cmp.cutOff = !complete
	return err
}

// basis is what the table is checked against: the recorded inputs of the newest commit, or, when those have expired,
// table and inputs at the newest epoch they share; in a cut, table and inputs as they are there. The versions are held
// until release is called.
func (v *Verifier) basis(ctx context.Context, s job.Status, in *cut.Record, r *Report) (made *job.Made, release func(), err error) {
	release = func() {}
	if in != nil {
		made, err = v.jobs.MadeIn(ctx, s.ID, in)
		return made, release, err
	}
	if made, err = v.jobs.Made(ctx, s.ID); err != nil {
		return nil, release, err
	}
	need := map[string]int64{made.Sink.Table.Path: 1}
	for _, sc := range made.Scans {
		if sc.Table.Connector() == "" {
			need[sc.Table.Path] = 1
		}
	}
	release = v.jobs.Hold("verify "+uuid.NewString(), need)
	err = v.jobs.Pinned(ctx, made)
	if !errors.Is(err, job.ErrExpired) {
		return made, release, err
	}
	expired := err
	present, err := v.jobs.PresentCut(ctx, slices.Sorted(maps.Keys(need)))
	if err == nil {
		made, err = v.jobs.MadeIn(ctx, s.ID, present)
	}
	if err != nil {
		return nil, release, expired
	}
	r.Notes = append(r.Notes, fmt.Sprintf("checked at epoch %d instead of its last commit's: %v", present.Epoch, expired))
	return made, release, nil
}

// volatile names what makes a query's result its own at every run.
func volatile(root plan.Node) string {
	why := ""
	plan.Walk(root, func(n plan.Node) {
		for _, e := range plan.Exprs(n) {
			for _, fn := range []string{"RAND", "RAND_INTEGER", "UUID"} {
				if calls(e, fn) {
					why = fmt.Sprintf("%s calls %s", plan.Describe(n), fn)
				}
			}
		}
	})
	return why
}

func calls(e expr.Expr, fn string) bool {
	found := false
	plan.WalkExpr(e, func(x expr.Expr) {
		if c, ok := x.(*expr.Call); ok && c.Fn == fn {
			found = true
		}
	})
	return found
}

// recompute gives the rows of the query over the recorded versions: by DuckDB where all inputs are tables, else by a
// dataflow that starts from nothing.
func (v *Verifier) recompute(ctx context.Context, made *job.Made, fn func(arrow.RecordBatch, []int32) error) error {
	flow := made.ByWatermark()
	for _, sc := range made.Scans {
		flow = flow || sc.Table.Connector() != ""
	}
	if flow {
		return v.jobs.Recompute(ctx, made, func(d stream.Delta) error { return fn(d.Rows, d.Weights) })
	}
	root, err := asOf(made)
	if err != nil {
		return err
	}
	env := expr.Env{Clock: made.Clock, Zone: time.UTC}
	for _, w := range made.Watermarks {
		if env.Watermark == nil || w.Before(*env.Watermark) {
			env.Watermark = &w
		}
	}
	return v.query(ctx, root, env, fn)
}

func (v *Verifier) query(ctx context.Context, root plan.Node, env expr.Env, fn func(arrow.RecordBatch, []int32) error) error {
	rows, err := v.querier.Query(ctx, session.Query{Root: root, SQL: "verify", Env: env, Consistency: "latest", Exact: true, User: "verify"})
	if err != nil {
		return err
	}
	defer rows.Close()
	for {
		rec, err := rows.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		err = fn(rec, nil)
		rec.Release()
		if err != nil {
			return err
		}
	}
}

// asOf is the query with every scan at its version.
func asOf(made *job.Made) (plan.Node, error) {
	at := map[*plan.Scan]job.Version{}
	for i, sc := range made.Scans {
		at[sc] = made.Inputs[i]
	}
	var rewrite func(n plan.Node) plan.Node
	rewrite = func(n plan.Node) plan.Node {
		if sc, ok := n.(*plan.Scan); ok {
			v := at[sc]
			if v.Snapshot == nil {
				return &plan.Values{Cols: sc.Columns()} // it had none yet
			}
			c := *sc
			c.AsOf = &v.AsOf
			return &c
		}
		in := n.Inputs()
		out := make([]plan.Node, len(in))
		for i, x := range in {
			out[i] = rewrite(x)
		}
		if len(in) == 0 {
			return n
		}
		return plan.WithInputs(n, out)
	}
	return rewrite(made.Sink.Input), nil
}

// stored reads the job's table at its version.
func (v *Verifier) stored(ctx context.Context, made *job.Made, fn func(arrow.RecordBatch, []int32) error) error {
	if made.Table.Snapshot == nil {
		return nil
	}
	t := *made.Sink.Table
	sc := &plan.Scan{Table: &t, Out: made.Sink.Target, AsOf: &made.Table.AsOf}
	return v.query(ctx, sc, expr.Env{Zone: time.UTC}, fn)
}

// fieldsOf are columns as fields, for JSON.
func fieldsOf(cols []plan.Column) []schema.Field {
	out := make([]schema.Field, len(cols))
	for i, c := range cols {
		out[i] = schema.Field{Name: c.Name, Type: c.Type}
	}
	return out
}
