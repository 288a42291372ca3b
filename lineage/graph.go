package lineage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/snapshot"
)

// Edge says that a job makes one table from another.
type Edge struct {
	From string `json:"from"` // database.table
	To   string `json:"to"`
	Job  string `json:"job"`
	// Snapshot of To is the job's newest, made from Version of From.
	Snapshot int64  `json:"snapshot,omitempty"`
	Version  string `json:"version,omitempty"` // snapshot id, or positions of a connector
}

// Graph is tables and how they are made.
type Graph struct {
	Tables []string `json:"tables"`
	Edges  []Edge   `json:"edges"`
}

// Planner binds a job's statement; compute/session implements it.
type Planner interface {
	PlanJob(ctx context.Context, database, sql string, options map[string]string) (*plan.Sink, error)
}

// Index answers where tables come from and go to. It reads the jobs and the snapshots each time: what it says is
// what the warehouse says.
type Index struct {
	store   objstore.Store // the warehouse's root
	jobs    *job.Manager
	planner Planner
}

// NewIndex makes an index over the jobs of a service.
func NewIndex(store objstore.Store, jobs *job.Manager, planner Planner) *Index {
	return &Index{store: store, jobs: jobs, planner: planner}
}

// Lineage is what is up- and downstream of a table ("db.table"; empty: of all), at most depth steps away (0: no
// limit). The result is a *Graph.
func (x *Index) Lineage(ctx context.Context, table string, depth int) (any, error) {
	edges, err := x.Edges(ctx)
	if err != nil {
		return nil, err
	}
	g := &Graph{Tables: []string{}, Edges: edges}
	if table != "" {
		if !strings.Contains(table, ".") {
			table = "default." + table
		}
		g.Edges = near(edges, table, depth)
		if len(g.Edges) == 0 {
			return nil, errkind.Errorf(errkind.NotFound, "lineage: no job reads or writes %s", table)
		}
	}
	for _, e := range g.Edges {
		g.Tables = append(g.Tables, e.From, e.To)
	}
	slices.Sort(g.Tables)
	g.Tables = slices.Compact(g.Tables)
	return g, nil
}

// near keeps the edges up to depth steps up- or downstream of the table.
func near(edges []Edge, table string, depth int) []Edge {
	keep := make([]bool, len(edges))
	walk := func(next func(e Edge, at string) (string, bool)) {
		at := map[string]bool{table: true}
		for step := 0; len(at) > 0 && (depth == 0 || step < depth); step++ {
			found := map[string]bool{}
			for i, e := range edges {
				for t := range at {
					if to, ok := next(e, t); ok && !keep[i] {
						keep[i], found[to] = true, true
					}
				}
			}
			at = found
		}
	}
	walk(func(e Edge, at string) (string, bool) { return e.To, e.From == at })
	walk(func(e Edge, at string) (string, bool) { return e.From, e.To == at })
	var out []Edge
	for i, e := range edges {
		if keep[i] {
			out = append(out, e)
		}
	}
	return out
}

// Edges are all edges of all jobs, in the order of the jobs.
func (x *Index) Edges(ctx context.Context) ([]Edge, error) {
	var out []Edge
	for _, j := range x.jobs.List() {
		made, err := x.jobs.Made(ctx, j.ID)
		switch {
		case err == nil:
			for i, in := range made.Provenance.Inputs {
				t := made.Scans[i].Table
				e := Edge{From: t.Database + "." + t.Name, To: j.Sink, Job: j.Name, Snapshot: int64(made.Snapshot.ID)}
				if in.Table != "" {
					e.Version = fmt.Sprint(in.ID)
				} else {
					e.Version = positions(in.End)
				}
				out = append(out, e)
			}
		case ctx.Err() != nil:
			return nil, err
		default:
			planned, err := x.planned(ctx, j)
			if err != nil {
				continue // a statement that does not bind any more has no edges to show
			}
			out = append(out, planned...)
		}
	}
	return out, nil
}

// planned are the edges of a job that has not committed.
func (x *Index) planned(ctx context.Context, j job.Status) ([]Edge, error) {
	sink, err := x.planner.PlanJob(ctx, j.Database, j.SQL, j.Options)
	if err != nil {
		return nil, err
	}
	var out []Edge
	plan.Walk(sink.Input, func(n plan.Node) {
		if s, ok := n.(*plan.Scan); ok {
			out = append(out, Edge{From: s.Table.Database + "." + s.Table.Name, To: j.Sink, Job: j.Name})
		}
	})
	return out, nil
}

func positions(end map[string]string) string {
	splits := make([]string, 0, len(end))
	for s, p := range end {
		splits = append(splits, s+"="+p)
	}
	slices.Sort(splits)
	return strings.Join(splits, ",")
}

// SnapshotInput is one input of one snapshot.
type SnapshotInput struct {
	Table    string
	Snapshot int64
	Kind     string
	Job      string
	Epoch    int64
	Input    string
	Version  string
	Made     int64 // Unix milliseconds
}

// snapshotsMax bounds the snapshots read per table for the listing: an hour of one a second.
const snapshotsMax = 4096

// Snapshots lists the inputs of the retained snapshots of the tables that jobs write, newest first per table.
func (x *Index) Snapshots(ctx context.Context) ([]SnapshotInput, error) {
	var out []SnapshotInput
	seen := map[string]bool{}
	for _, j := range x.jobs.List() {
		if seen[j.Sink] {
			continue
		}
		seen[j.Sink] = true
		db, name, _ := strings.Cut(j.Sink, ".")
		snaps := snapshot.NewManager(objstore.Sub(x.store, db+".db/"+name), "")
		s, err := snaps.Latest(ctx)
		for n := 0; err == nil && n < snapshotsMax; n++ {
			rows, perr := inputsOf(j.Sink, s)
			if perr != nil {
				return nil, perr
			}
			out = append(out, rows...)
			if s.ID == 1 {
				break
			}
			s, err = snaps.Get(ctx, s.ID-1)
		}
		if err != nil && !errors.Is(err, snapshot.ErrNone) && !errkind.Is(err, errkind.NotFound) {
			return nil, err
		}
	}
	return out, nil
}

func inputsOf(table string, s *snapshot.Snapshot) ([]SnapshotInput, error) {
	p, err := commit.ProvenanceOf(s)
	if err != nil {
		return nil, err
	}
	row := SnapshotInput{Table: table, Snapshot: int64(s.ID), Kind: string(s.CommitKind), Job: p.Job, Epoch: p.Epoch, Made: s.TimeMillis}
	if len(p.Inputs) == 0 {
		return []SnapshotInput{row}, nil
	}
	var out []SnapshotInput
	for _, in := range p.Inputs {
		r := row
		if in.Table != "" {
			r.Input, r.Version = strings.Replace(in.Table, ".db/", ".", 1), fmt.Sprint(in.ID)
		} else {
			r.Input, r.Version = in.Source, positions(in.End)
		}
		out = append(out, r)
	}
	return out, nil
}
