package lineage

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

// Run is a statement as an observer tells of it: a job, or a batch statement that made a snapshot.
type Run struct {
	Job     *job.Status // nil: a batch statement
	Writer  Writer
	SQL     string
	Inputs  []Dataset
	Output  Dataset
	Columns []ColumnEdge
	// Committed is when Output.Snapshot was made, Unix milliseconds; 0: nothing was yet.
	Committed int64
}

// Dataset is a table that a statement reads or writes, at the version of its newest snapshot.
type Dataset struct {
	Table   string            // database.table
	Path    string            // below the warehouse; empty for a table behind a connector
	Options map[string]string // of a table behind a connector
	Columns []schema.Field
	Version string // snapshot id, or positions by split; empty: not known
}

// Runs are all statements that the warehouse knows of. What a batch statement made comes once for each snapshot.
func (x *Index) Runs(ctx context.Context) ([]Run, error) {
	v, err := x.view(ctx, true)
	if err != nil {
		return nil, err
	}
	sets := x.described()
	var out []Run
	for _, h := range v.hops {
		switch h.writer.Kind {
		case WriterJob:
			r, err := sets.run(ctx, h)
			if err != nil {
				return nil, err
			}
			if last := v.newestBy(h); last != nil {
				r.at(v, last)
			}
			out = append(out, r)
		case WriterBatch, WriterBackfill, WriterRevision:
			for _, f := range v.shelf.of(h.target).facts {
				if w := v.tracer.writers.of(f); w.Kind != h.writer.Kind || f.Statement != h.sql || len(f.Inputs) == 0 {
					continue
				}
				r, err := sets.run(ctx, h)
				if err != nil {
					return nil, err
				}
				r.Writer = v.tracer.writers.of(f)
				r.at(v, f)
				out = append(out, r)
			}
		}
	}
	return out, nil
}

// at fills in the versions that a snapshot was made from.
func (r *Run) at(v *view, f *fact) {
	r.Committed = f.made
	m := v.tracer.one(r.Output.Table, f)
	r.Output.Version = input{kind: inputTable, to: f.id}.version()
	r.Inputs = slices.Clone(r.Inputs)
	for i := range r.Inputs {
		for _, in := range m.inputs {
			if in.name == r.Inputs[i].Table {
				r.Inputs[i].Version = in.version()
			}
		}
	}
}

// describedFor is how long the description of a table is told again: schemas change seldom, and an observer asks often.
const describedFor = time.Minute

// datasets reads the schemas of tables, each once.
type datasets struct {
	x     *Index
	until time.Time
	mu    struct {
		sync.Mutex
		known map[string]Dataset
	}
}

// described is what is known of tables, begun anew every now and then.
func (x *Index) described() *datasets {
	x.mu.Lock()
	defer x.mu.Unlock()
	if now := x.now(); x.mu.datasets == nil || now.After(x.mu.datasets.until) {
		x.mu.datasets = &datasets{x: x, until: now.Add(describedFor)}
		x.mu.datasets.mu.known = map[string]Dataset{}
	}
	return x.mu.datasets
}

func (d *datasets) run(ctx context.Context, h *hop) (Run, error) {
	r := Run{Writer: h.writer, Job: h.status, SQL: h.sql, Columns: h.columns}
	for _, s := range h.sources {
		in, err := d.of(ctx, s)
		if err != nil {
			return Run{}, err
		}
		r.Inputs = append(r.Inputs, in)
	}
	var err error
	r.Output, err = d.of(ctx, h.target)
	return r, err
}

// of describes a table; one that is not there any more has its name only.
func (d *datasets) of(ctx context.Context, table string) (Dataset, error) {
	d.mu.Lock()
	known, ok := d.mu.known[table]
	d.mu.Unlock()
	if ok {
		return known, nil
	}
	out := Dataset{Table: table}
	id, err := parseName(table)
	if err != nil {
		return out, nil // a temporary table of a script
	}
	sc, err := d.x.cat.Table(ctx, id)
	switch {
	case err == nil:
		out.Columns = sc.Fields
		if sc.Connector() {
			out.Options = sc.Options
		} else {
			out.Path = id.Path()
		}
	case !errkind.Is(err, errkind.NotFound):
		return out, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mu.known[table] = out
	return out, nil
}
