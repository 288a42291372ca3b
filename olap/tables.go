package olap

import (
	"context"
	"sync"

	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/scan"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
)

// tablesMax bounds the tables whose scanners are kept: each holds old schemas and a little more.
const tablesMax = 512

// tables opens tables for reading and keeps what can be used again.
type tables struct {
	root objstore.Store
	mu   struct {
		sync.Mutex
		open map[string]openTable
	}
}

// openTable is a scanner of a table at one version of its schema.
type openTable struct {
	schema  *schema.Schema
	scanner *scan.Scanner
}

func newTables(root objstore.Store) *tables {
	t := &tables{root: root}
	t.mu.open = map[string]openTable{}
	return t
}

func (t *tables) store(path string) objstore.Store { return objstore.Sub(t.root, path) }

func (t *tables) snapshots(path string) *snapshot.Manager {
	return snapshot.NewManager(t.store(path), "")
}

// open gives a scanner for the table as it is now.
func (t *tables) open(ctx context.Context, path string) (*scan.Scanner, *schema.Schema, error) {
	store := t.store(path)
	sch, err := schema.NewFiles(store, "").Latest(ctx)
	if err != nil {
		return nil, nil, err
	}
	t.mu.Lock()
	o, ok := t.mu.open[path]
	t.mu.Unlock()
	// A table dropped and made again starts at the same schema id.
	if ok && o.schema.ID == sch.ID && o.schema.TimeMillis == sch.TimeMillis {
		return o.scanner, o.schema, nil
	}
	scanner, err := scan.New(store, sch, nil)
	if err != nil {
		return nil, nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.mu.open) >= tablesMax {
		clear(t.mu.open) // rare; the next queries open their tables again
	}
	t.mu.open[path] = openTable{sch, scanner}
	return scanner, sch, nil
}
