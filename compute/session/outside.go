package session

import (
	"context"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/internal/errkind"
)

// batchRows is how many rows a bounded read asks a source for at once.
const batchRows = 100_000

// errChanges: rows that replace others cannot be read as a plain list of rows.
var errChanges = errkind.New(errkind.Invalid, "its rows are changes of rows, which a batch query cannot fold; SET 'execution.runtime-mode' = 'streaming'")

// ReadOutside reads a table that is not of the warehouse: a computed one, or one behind a connector up to its
// present end. Batches have all columns that are not computed, in order, and are valid during the call only.
func (svc *Services) ReadOutside(ctx context.Context, t *plan.Table, fn func(arrow.RecordBatch) error) error {
	if t.Connector() == connectorSystem {
		rec, err := svc.System[t.Name].Rows(ctx)
		if err != nil {
			return fmt.Errorf("table %s.%s: %w", t.Database, t.Name, err)
		}
		defer rec.Release()
		return fn(rec)
	}
	f, ok := svc.Connectors[t.Connector()]
	if !ok || f.OpenSource == nil {
		return errkind.Errorf(errkind.Invalid, "table %s.%s: connector '%s' cannot be read", t.Database, t.Name, t.Connector())
	}
	opts, err := svc.resolve(t.Options)
	if err != nil {
		return fmt.Errorf("table %s.%s: %w", t.Database, t.Name, err)
	}
	src, err := f.OpenSource(ctx, connector.Context{Table: t, Options: opts, Bounded: true, Now: svc.Now, RunQuery: svc.RunQuery})
	if err != nil {
		return fmt.Errorf("open %s.%s: %w", t.Database, t.Name, err)
	}
	defer src.Close()
	var at connector.Offsets
	for {
		to, end, err := src.Poll(ctx, at, batchRows)
		if err != nil {
			return fmt.Errorf("read %s.%s: %w", t.Database, t.Name, err)
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
			return fmt.Errorf("read %s.%s: %w", t.Database, t.Name, err)
		}
		if end || ctx.Err() != nil {
			return ctx.Err()
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
