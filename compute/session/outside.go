package session

import (
	"context"
	"fmt"
	"maps"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/internal/errkind"
)

// outsideRowsMax is how many rows a source is asked for at a time.
const outsideRowsMax = 64 << 10

// ReadOutside streams the rows of a table that is not of the warehouse: a computed one of sys, or one behind a
// connector up to its present end. Batches have all columns that are not computed, in table order, and
// are valid during the call only. It implements olap.Outside.
func (svc *Services) ReadOutside(ctx context.Context, t *plan.Table, fn func(arrow.RecordBatch) error) error {
	if t.Connector() == connectorSystem {
		return svc.readSystem(ctx, t, fn)
	}
	f, ok := svc.Connectors[t.Connector()]
	if !ok || f.OpenSource == nil {
		return errkind.Errorf(errkind.Invalid, "table %s.%s: connector '%s' cannot be read", t.Database, t.Name, t.Connector())
	}
	opts, err := svc.resolved(t)
	if err != nil {
		return err
	}
	src, err := f.OpenSource(ctx, connector.Context{Table: t, Options: opts, Bounded: true, Now: svc.Now, RunQuery: svc.RunQuery})
	if err != nil {
		return fmt.Errorf("open %s.%s: %w", t.Database, t.Name, err)
	}
	defer src.Close()
	return readToEnd(ctx, t, src, fn)
}

// readToEnd reads a source until it says that it ends, or has nothing more now.
func readToEnd(ctx context.Context, t *plan.Table, src connector.Source, fn func(arrow.RecordBatch) error) error {
	var at connector.Offsets
	for {
		to, end, err := src.Poll(ctx, at, outsideRowsMax)
		if err != nil {
			return fmt.Errorf("read %s.%s: %w", t.Database, t.Name, err)
		}
		if maps.Equal(to, at) {
			return nil
		}
		err = src.Read(ctx, at, to, func(c connector.Chunk) error {
			if len(c.Dead) > 0 {
				d := c.Dead[0]
				return errkind.Errorf(errkind.Invalid, "%s position %s: %s", d.Split, d.Position, d.Reason)
			}
			for _, k := range c.Kinds {
				if k != connector.Insert {
					return errkind.New(errkind.Invalid, "its rows are changes of rows, which a batch query cannot fold; SET 'execution.runtime-mode' = 'streaming'")
				}
			}
			if c.Rows == nil || c.Rows.NumRows() == 0 {
				return nil
			}
			return fn(c.Rows)
		})
		if err != nil {
			return fmt.Errorf("read %s.%s: %w", t.Database, t.Name, err)
		}
		if end {
			return nil
		}
		at = to
	}
}

func (svc *Services) readSystem(ctx context.Context, t *plan.Table, fn func(arrow.RecordBatch) error) error {
	st := svc.System[t.Name]
	if st == nil {
		return errkind.Errorf(errkind.NotFound, "table sys.%s does not exist", t.Name)
	}
	b, err := st.Rows(ctx)
	if err != nil {
		return fmt.Errorf("read sys.%s: %w", t.Name, err)
	}
	defer b.Release()
	return fn(b)
}

// resolved are a table's options with references to secrets replaced.
func (svc *Services) resolved(t *plan.Table) (map[string]string, error) {
	if svc.Secret == nil {
		return t.Options, nil
	}
	out := make(map[string]string, len(t.Options))
	for k, v := range t.Options {
		var err error
		if out[k], err = svc.Secret(v); err != nil {
			return nil, fmt.Errorf("table %s.%s: option '%s': %w", t.Database, t.Name, k, err)
		}
	}
	return out, nil
}
