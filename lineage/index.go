package lineage

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/catalog"
)

// Jobs knows the jobs of a service; job.Manager implements it.
type Jobs interface {
	List() []job.Status
}

// Index answers where tables come from and go to. What it says is what the warehouse says: the jobs in the log, and
// what every snapshot records about itself. It keeps nothing but what it has read already.
type Index struct {
	cat       *catalog.Catalog
	jobs      Jobs
	now       func() time.Time
	histories *histories
	plans     *plans
	mu        struct {
		sync.Mutex
		sign     uint64
		columns  *columnIndex // of the hops with that signature
		datasets *datasets
	}
}

// NewIndex makes an index over a warehouse and its jobs. now is the clock; nil: time.Now.
func NewIndex(cat *catalog.Catalog, jobs Jobs, planner Planner, now func() time.Time) *Index {
	if now == nil {
		now = time.Now
	}
	return &Index{cat: cat, jobs: jobs, now: now, histories: newHistories(cat, now), plans: newPlans(planner, now)}
}

// Stop ends what the index does beside the requests. It may be called twice; requests are still answered.
func (x *Index) Stop() { x.histories.end() }

// view is everything at one look.
type view struct {
	shelf   *shelf
	jobs    []job.Status
	tracer  *tracer
	hops    []*hop
	columns *columnIndex
}

// view looks at the warehouse; with recent set a look of a moment ago will do where a new one takes long.
func (x *Index) view(ctx context.Context, recent bool) (*view, error) {
	look := x.histories.fresh
	if recent {
		look = x.histories.recent
	}
	v := &view{jobs: x.jobs.List()}
	var err error
	if v.shelf, err = look(ctx); err != nil {
		return nil, err
	}
	v.tracer = newTracer(v.shelf, writersOf(v.jobs))
	if v.hops, err = x.plans.hops(ctx, statements(v.shelf, v.jobs)); err != nil {
		return nil, err
	}
	sign := signature(v.hops)
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.mu.columns == nil || x.mu.sign != sign {
		x.mu.columns, x.mu.sign = newColumnIndex(v.hops), sign
	}
	v.columns = x.mu.columns
	return v, nil
}

// delaysMax bounds the snapshots whose delays are taken together: minutes of the quickest table.
const delaysMax = 256

// edges are all edges between tables, sorted.
func (v *view) edges() []TableEdge {
	var out []TableEdge
	for _, h := range v.hops {
		last := v.newestBy(h)
		var ins []input
		if last != nil {
			ins = v.tracer.writers.inputsOf(last)
		}
		for _, s := range h.sources {
			e := TableEdge{From: s, To: h.target, Job: h.writer.String(), Kind: h.writer.Kind, State: h.state}
			for i := range ins {
				if ins[i].name == s {
					e.Snapshot, e.Version = last.id, ins[i].version()
				}
			}
			if e.Snapshot == 0 && h.status != nil {
				e.Snapshot, e.Version = statusVersion(h.status, s)
			}
			e.Delay = v.delays(h, s)
			out = append(out, e)
		}
	}
	slices.SortStableFunc(out, func(a, b TableEdge) int {
		return cmp.Or(cmp.Compare(a.To, b.To), cmp.Compare(a.From, b.From), cmp.Compare(a.Job, b.Job), cmp.Compare(b.Snapshot, a.Snapshot))
	})
	// Statements of one writer that read the same are one edge: the newest.
	return slices.CompactFunc(out, func(a, b TableEdge) bool {
		return a.To == b.To && a.From == b.From && a.Job == b.Job && a.Kind == b.Kind
	})
}

// newestBy is the newest retained snapshot that the hop's writer made.
func (v *view) newestBy(h *hop) *fact {
	return newestOf(v.shelf.of(h.target), func(f *fact) bool {
		if h.user != "" {
			return f.moves() && f.user == h.user
		}
		return v.tracer.writers.of(f) == h.writer
	})
}

// statusVersion is how far a running job has read a table, where none of its snapshots is retained.
func statusVersion(s *job.Status, source string) (int64, string) {
	for _, in := range s.Inputs {
		name := in.Table
		if !strings.Contains(name, ".") {
			name = s.Database + "." + name
		}
		if name != source {
			continue
		}
		if in.Connector == "" {
			return s.Snapshot, fmt.Sprint(in.Snapshot)
		}
		end := map[string]string{}
		for split, p := range in.Offsets {
			end[split] = string(p)
		}
		return s.Snapshot, positions(end)
	}
	return s.Snapshot, ""
}

// delays are those of a job's snapshots behind one of its inputs; nil where none is known.
func (v *view) delays(h *hop, source string) *HopDelay {
	if h.user == "" {
		return nil
	}
	var all []int64
	for _, f := range slices.Backward(v.shelf.of(h.target).facts) {
		if f.user != h.user || !f.moves() {
			continue
		}
		m := v.tracer.one(h.target, f)
		for i := range m.inputs {
			if m.inputs[i].name != source {
				continue
			}
			if ms, ok := v.tracer.delay(m, &m.inputs[i]); ok {
				all = append(all, ms)
			}
		}
		if len(all) >= delaysMax {
			break
		}
	}
	if len(all) == 0 {
		return nil
	}
	d := &HopDelay{Last: all[0], N: len(all)}
	slices.Sort(all)
	d.P50, d.P99 = all[len(all)/2], all[len(all)*99/100]
	return d
}

// resolve finds the table and column that a name means: the longest table wins, so that "a.b" is column b of
// default.a only where there is no table b in a database a.
func (v *view) resolve(ask Ask) (ColumnRef, error) {
	parts := strings.Split(ask.Name, ".")
	if len(parts) > 3 || slices.Contains(parts, "") {
		return ColumnRef{}, errkind.Errorf(errkind.Invalid, "lineage: %q: want table, db.table, table.column or db.table.column", ask.Name)
	}
	var table, column string
	switch {
	case len(parts) == 1:
		table = catalog.DefaultDatabase + "." + parts[0]
	case len(parts) == 3:
		table, column = parts[0]+"."+parts[1], parts[2]
	case v.exists(ask.Name) || !v.exists(catalog.DefaultDatabase+"."+parts[0]):
		table = ask.Name
	default:
		table, column = catalog.DefaultDatabase+"."+parts[0], parts[1]
	}
	if column == "" {
		column = ask.Column
	}
	if !v.exists(table) {
		return ColumnRef{}, errkind.Errorf(errkind.NotFound, "lineage: there is no table %s, and no job reads or writes one", table)
	}
	return ColumnRef{table, column}, nil
}

func (v *view) exists(table string) bool {
	if v.shelf.tables[table] != nil {
		return true
	}
	return slices.ContainsFunc(v.hops, func(h *hop) bool { return h.target == table || slices.Contains(h.sources, table) })
}
