package job

import (
	"context"
	"fmt"

	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/expire"
	"github.com/weir-lake/weir/table/snapshot"
)

// Expire removes what the options of the table at path let go, as the service does by itself every minute, but
// nothing that a running query or job still needs. With dry it only counts.
func (m *Manager) Expire(ctx context.Context, path string, dry bool) (expire.Done, error) {
	done, err := expire.New(objstore.Sub(m.opts.Store, path)).Run(ctx, expire.Options{Now: m.opts.Now, DryRun: dry,
		Pins: func(context.Context) ([]snapshot.ID, error) {
			if id, ok := m.pins.oldest(path); ok {
				return []snapshot.ID{snapshot.ID(id)}, nil
			}
			return nil, nil
		}})
	if err != nil {
		return done, fmt.Errorf("expire %s: %w", path, err)
	}
	return done, nil
}
