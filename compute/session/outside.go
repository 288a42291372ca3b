package session

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/commit"
)

// batchRows is how many rows a bounded read asks a source for at once.
const batchRows = 100_000

// errChanges: rows that replace others cannot be read as a plain list of rows.
var errChanges = errkind.New(errkind.Invalid, "its rows are changes of rows, which a batch query cannot fold; SET 'execution.runtime-mode' = 'streaming'")

// ReadOutside reads a table that is not of the warehouse: a computed one, or one behind a connector up to its
// present end. Batches have all columns that are not computed, in order, and are valid during the call only. It returns
// the positions at the end of a connector's splits.
func (svc *Services) ReadOutside(ctx context.Context, sc *plan.Scan, fn func(arrow.RecordBatch) error) (map[string]string, error) {
	if sc.Table.Connector() == connectorSystem {
		return nil, svc.readSystem(ctx, sc, fn)
	}
	at, err := svc.readConnector(ctx, sc.Table, fn)
	out := map[string]string{}
	for split, pos := range at {
		out[split] = string(pos)
	}
	return out, err
}

// readSystem computes a table of database sys.
func (svc *Services) readSystem(ctx context.Context, sc *plan.Scan, fn func(arrow.RecordBatch) error) error {
	var rec arrow.RecordBatch
	var err error
	switch t := svc.System[sc.Table.Name].(type) {
	case NarrowTable:
		rec, err = t.RowsWhere(ctx, sc.Filter)
	default:
		rec, err = t.Rows(ctx)
	}
	if err != nil {
		return fmt.Errorf("table %s.%s: %w", sc.Table.Database, sc.Table.Name, err)
	}
	defer rec.Release()
	return fn(rec)
}

func (svc *Services) readConnector(ctx context.Context, t *plan.Table, fn func(arrow.RecordBatch) error) (connector.Offsets, error) {
	f, ok := svc.Connectors[t.Connector()]
	if !ok || f.OpenSource == nil {
		return nil, errkind.Errorf(errkind.Invalid, "table %s.%s: connector '%s' cannot be read", t.Database, t.Name, t.Connector())
	}
	opts, err := svc.resolve(t.Options)
	if err != nil {
		return nil, fmt.Errorf("table %s.%s: %w", t.Database, t.Name, err)
	}
	src, err := f.OpenSource(ctx, connector.Context{Table: t, Options: opts, Bounded: true, Now: svc.Now, RunQuery: svc.RunQuery})
	if err != nil {
		return nil, fmt.Errorf("open %s.%s: %w", t.Database, t.Name, err)
	}
	defer src.Close()
	var at connector.Offsets
	for {
		to, end, err := src.Poll(ctx, at, batchRows)
		if err != nil {
			return nil, fmt.Errorf("read %s.%s: %w", t.Database, t.Name, err)
		}
		err = src.Read(ctx, at, to, func(c connector.Chunk) error {
			if len(c.Dead) > 0 {
				return errkind.Errorf(errkind.Invalid, "%s position %s: %s", c.Dead[0].Split, c.Dead[0].Position, c.Dead[0].Reason)
			}
			if slices.ContainsFunc(c.Kinds, func(k int8) bool { return k != connector.Insert }) {
				return errChanges
			}
			if c.Rows == nil || c.Rows.NumRows() == 0 {
				return nil
			}
			return fn(c.Rows)
		})
		if err != nil {
			return nil, fmt.Errorf("read %s.%s: %w", t.Database, t.Name, err)
		}
		if end || ctx.Err() != nil {
			return to, ctx.Err()
		}
		at = to
	}
}

// resolve replaces ${env:X} and ${file:X} in options.
func (svc *Services) resolve(options map[string]string) (map[string]string, error) {
	if svc.Secret == nil {
		return options, nil
	}
	out := make(map[string]string, len(options))
	for k, v := range options {
		r, err := svc.Secret(v)
		if err != nil {
			return nil, fmt.Errorf("option '%s': %w", k, err)
		}
		out[k] = r
	}
	return out, nil
}

// outsideReads collects how far a statement read tables outside the warehouse.
type outsideReads struct {
	mu   sync.Mutex
	read []commit.Input
}

func (o *outsideReads) ended(t *plan.Table, at map[string]string) {
	if t.Connector() == connectorSystem {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.read = append(o.read, commit.Input{Source: t.Database + "." + t.Name, Kind: t.Connector(), End: at})
}

// inputs are the reads that have ended, by name.
func (o *outsideReads) inputs() []commit.Input {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := slices.Clone(o.read)
	slices.SortFunc(out, func(a, b commit.Input) int { return strings.Compare(a.Source, b.Source) })
	return slices.CompactFunc(out, func(a, b commit.Input) bool { return a.Source == b.Source })
}
