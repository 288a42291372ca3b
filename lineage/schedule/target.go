package schedule

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/weir-lake/weir/compute/epoch"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/internal/errkind"
)

// target is what a backfill's statement reads and which partitions of its table a slice replaces.
type target struct {
	table  string   // db.table
	path   string   // below the warehouse
	inputs []string // paths of the tables that are read
	// parts is nil when PARTITION (..) in the statement, or the table as a whole, says what is replaced.
	parts *Partitions
	slice Length // zero: a run is one slice
}

// replaces is which partitions a slice replaces, for job.OverwriteOptions; nil: the statement says it.
func (t *target) replaces(s Span) func([]string) bool {
	if t.parts == nil {
		return nil
	}
	return func(values []string) bool { return t.parts.EndsIn(values, s) }
}

// sample is a span to bind a statement with, before there is one to run.
var sample = Span{time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2020, 1, 2, 0, 0, 0, 0, time.UTC)}

// target binds the statement and judges it.
func (s *Scheduler) target(ctx context.Context, d Definition) (*target, error) {
	text, err := Fill(d.SQL, sample)
	if err != nil {
		return nil, err
	}
	sink, err := s.opts.Services.PlanOverwrite(ctx, d.Database, text)
	if err != nil {
		return nil, err
	}
	t := &target{table: sink.Table.Database + "." + sink.Table.Name, path: sink.Table.Path, inputs: tablesOf(sink.Input)}
	if slices.Contains(t.inputs, t.path) {
		return nil, errkind.Errorf(errkind.Invalid, "the statement reads %s, which it writes: a slice that is computed again would give other rows; read from another table", t.table)
	}
	for _, j := range s.opts.Jobs.List() {
		if j.Sink == t.table && j.Desired == epoch.Running {
			return nil, errkind.Errorf(errkind.Invalid, "table %s is written by job %s, which alone says what is in it: let the backfill write a table of its own", t.table, j.Name)
		}
	}
	if t.slice, err = ParseLength(d.Slice); err != nil {
		return nil, err
	}
	return t, t.partitions(sink, d)
}

// partitions decides what a slice replaces.
func (t *target) partitions(sink *plan.Sink, d Definition) error {
	keys := sink.Table.PartitionKeys
	if len(keys) == 0 {
		if d.Slice != "" || d.Together > 1 {
			return errkind.Errorf(errkind.Invalid, "table %s has no partitions, so each statement replaces all of it: it cannot be run in slices", t.table)
		}
		return nil
	}
	var cols []PartitionColumn
	for _, k := range keys {
		i := slices.IndexFunc(sink.Table.Columns, func(c plan.TableColumn) bool { return c.Name == k })
		cols = append(cols, PartitionColumn{k, sink.Table.Columns[i].Type})
	}
	parts, err := NewPartitions(cols, sink.Table.Options)
	named, dynamic := 0, 0 // columns of the partition's time that PARTITION names, and that it does not
	for _, k := range keys {
		if err == nil && !parts.Uses(k) {
			continue
		}
		if _, ok := sink.Partition[k]; ok {
			named++
		} else {
			dynamic++
		}
	}
	if dynamic > 0 {
		if err != nil {
			return fmt.Errorf("which partitions of %s a slice replaces cannot be told: %w, or name them, as in PARTITION (%s = ${start})", t.table, err, keys[0])
		}
		t.parts = parts
	}
	if named > 0 && d.Together > 1 {
		return errkind.Errorf(errkind.Invalid, "together %d: PARTITION (..) names the partition of one slice; leave it out to compute several at once", d.Together)
	}
	if t.slice.IsZero() && err == nil {
		t.slice = parts.Unit()
	}
	return nil
}
