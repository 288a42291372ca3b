package revision

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

// jobPlan is a job with what it reads and writes.
type jobPlan struct {
	status job.Status
	sink   *plan.Sink
	reads  []string // tables, connectors' among them
}

// network is all jobs that are not dropped, bound.
type network []jobPlan

// jobs binds the statements of all jobs. One that does not bind any more reads nothing.
func (s *Service) jobs(ctx context.Context) network {
	var out network
	for _, st := range s.opts.Jobs.List() {
		sink, err := s.opts.Services.PlanJob(ctx, st.Database, st.SQL, st.Options)
		if err != nil {
			continue
		}
		j := jobPlan{status: st, sink: sink}
		plan.Walk(sink.Input, func(n plan.Node) {
			if sc, ok := n.(*plan.Scan); ok {
				j.reads = append(j.reads, sc.Table.Database+"."+sc.Table.Name)
			}
		})
		out = append(out, j)
	}
	return out
}

// copies reports a job that lands a connector's rows as they come: no state, nothing but new rows, no table read.
func (j *jobPlan) copies() bool {
	if len(j.sink.Table.PrimaryKey) > 0 || !plan.AppendOnly(j.sink.Input) {
		return false
	}
	ok := true
	plan.Walk(j.sink.Input, func(n plan.Node) {
		switch n := n.(type) {
		case *plan.Scan:
			ok = ok && n.Table.Connector() != ""
		case *plan.Filter, *plan.Project, *plan.SetOp, *plan.Unnest, *plan.Values:
		default:
			ok = false
		}
	})
	return ok
}

// revisable refuses tables whose rows a job computes: the job would go on from what it had computed.
func (n network) revisable(table string) error {
	for _, j := range n {
		if j.status.Sink != table || j.copies() {
			continue
		}
		if roots := n.roots(table, map[string]bool{}); len(roots) > 0 {
			return errkind.Errorf(errkind.Invalid, "revise %s: job %s computes its rows: revise %s instead, and %s follows", table, j.status.Name, strings.Join(roots, " or "), table)
		}
		return errkind.Errorf(errkind.Invalid, "revise %s: job %s computes its rows from %s, which is not in the warehouse: land it in a table without primary key first, and revise that",
			table, j.status.Name, strings.Join(j.reads, ", "))
	}
	return nil
}

// roots are the tables upstream of the table that can be revised.
func (n network) roots(table string, seen map[string]bool) []string {
	var out []string
	for _, j := range n {
		if j.status.Sink != table {
			continue
		}
		plan.Walk(j.sink.Input, func(node plan.Node) {
			sc, ok := node.(*plan.Scan)
			if !ok || sc.Table.Connector() != "" {
				return
			}
			name := sc.Table.Database + "." + sc.Table.Name
			if seen[name] {
				return
			}
			seen[name] = true
			if n.revisable(name) == nil {
				out = append(out, name)
			} else {
				out = append(out, n.roots(name, seen)...)
			}
		})
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// downstream are the jobs that read the table, and those that read what these write, upstream first.
func (n network) downstream(table string) network {
	reached, taken := map[string]bool{table: true}, map[string]bool{}
	var out network
	for again := true; again; {
		again = false
		for _, j := range n {
			if taken[j.status.ID] || !slices.ContainsFunc(j.reads, func(t string) bool { return reached[t] }) {
				continue
			}
			taken[j.status.ID], reached[j.status.Sink], again = true, true, true
			out = append(out, j)
		}
	}
	return out
}

// sinks are the tables that the jobs write.
func (n network) sinks() []string {
	out := []string{}
	for _, j := range n {
		out = append(out, j.status.Sink)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// follow refuses a revision that a job downstream could not follow, before anything is changed.
func (n network) follow(table string) error {
	for _, j := range n.downstream(table) {
		t := j.sink.Table
		if why := cannotFollow(j.sink); why != "" {
			return errkind.Errorf(errkind.Invalid, "revise %s: job %s writes what it reads there to %s.%s, %s: drop the job, revise, and create it anew", table, j.status.Name, t.Database, t.Name, why)
		}
	}
	return nil
}

// cannotFollow says why a sink cannot take rows back; empty: it can.
func cannotFollow(s *plan.Sink) string {
	t := s.Table
	if c := t.Connector(); c != "" {
		if len(t.PrimaryKey) == 0 && plan.AppendOnly(s.Input) {
			return fmt.Sprintf("where connector '%s' takes new rows only", c)
		}
		return ""
	}
	if t.Options[schema.OptSequenceField] != "" {
		return "whose '" + schema.OptSequenceField + "' makes readers ignore a row that takes the place of a newer one"
	}
	if t.Options[schema.OptMergeEngine] != "partial-update" {
		return ""
	}
	outside := ""
	plan.Walk(s.Input, func(n plan.Node) {
		if sc, ok := n.(*plan.Scan); ok && sc.Table.Connector() != "" {
			outside = sc.Table.Database + "." + sc.Table.Name
		}
	})
	if outside != "" {
		return fmt.Sprintf("a partial-update table, whose rows cannot be folded anew as they come from %s too, which is not in the warehouse", outside)
	}
	return ""
}
