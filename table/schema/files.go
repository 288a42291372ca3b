package schema

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
)

// Sentinels of Files.
var (
	// ErrNoTable: there is no schema, so there is no table.
	ErrNoTable = errkind.New(errkind.NotFound, "schema: there is no table")
	// ErrTableExists: the table has a schema already.
	ErrTableExists = errkind.New(errkind.Exists, "schema: the table exists already")
)

// updateTriesMax bounds the attempts against other writers of new versions,
// which are people's ALTER statements: few and rare.
const updateTriesMax = 20

// Files reads and writes the schema files of one table or branch. Versions are
// cached: after a table was dropped and made again, open it anew. Safe for
// concurrent use.
type Files struct {
	store  objstore.Store
	prefix string // "" or the branch's folder with a slash

	mu struct {
		sync.Mutex
		known map[ID]*Schema // versions read; never changed
	}
}

// NewFiles makes an accessor over a store rooted at the table; prefix is
// snapshot.BranchPrefix of the branch.
func NewFiles(store objstore.Store, prefix string) *Files {
	f := &Files{store: store, prefix: prefix}
	f.mu.known = map[ID]*Schema{}
	return f
}

// Get reads version id.
func (f *Files) Get(ctx context.Context, id ID) (*Schema, error) {
	f.mu.Lock()
	s := f.mu.known[id]
	f.mu.Unlock()
	if s != nil {
		return s, nil
	}
	key := f.prefix + SchemaKey(id)
	data, err := objstore.ReadAll(ctx, f.store, key)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", f.store.URI(key), err)
	}
	if s, err = Parse(data); err != nil {
		return nil, fmt.Errorf("%s: %w", f.store.URI(key), err)
	}
	if s.ID != id {
		return nil, errkind.Errorf(errkind.Corrupt, "%s holds schema %d", f.store.URI(key), s.ID)
	}
	f.mu.Lock()
	f.mu.known[id] = s
	f.mu.Unlock()
	return s, nil
}

// Latest reads the newest version, or returns ErrNoTable.
func (f *Files) Latest(ctx context.Context) (*Schema, error) {
	if newest := f.newestKnown(); newest != nil {
		// Versions have no gaps: one look instead of a listing.
		_, err := f.store.Stat(ctx, f.prefix+SchemaKey(newest.ID+1))
		if errors.Is(err, objstore.ErrNotFound) {
			return newest, nil
		}
	}
	ids, err := f.List(ctx)
	if err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("%s: %w", f.store.URI(f.prefix), ErrNoTable)
	}
	return f.Get(ctx, ids[len(ids)-1])
}

func (f *Files) newestKnown() *Schema {
	f.mu.Lock()
	defer f.mu.Unlock()
	var newest *Schema
	for _, s := range f.mu.known {
		if newest == nil || s.ID > newest.ID {
			newest = s
		}
	}
	return newest
}

// List gives the ids of all versions, ascending.
func (f *Files) List(ctx context.Context) ([]ID, error) {
	names, err := f.store.ListDirs(ctx, f.prefix+DirSchema)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", f.store.URI(f.prefix+DirSchema), err)
	}
	var ids []ID
	for _, n := range names {
		text, ok := strings.CutPrefix(n, "schema-")
		if id, err := strconv.ParseInt(text, 10, 64); ok && err == nil && id >= 0 {
			ids = append(ids, ID(id))
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// Create writes version 0, or returns ErrTableExists.
func (f *Files) Create(ctx context.Context, s *Schema) error {
	_, err := f.Latest(ctx)
	if err == nil {
		return fmt.Errorf("create %s: %w", f.store.URI(f.prefix), ErrTableExists)
	}
	if !errors.Is(err, ErrNoTable) {
		return err
	}
	err = f.put(ctx, s)
	if errors.Is(err, objstore.ErrExists) {
		return fmt.Errorf("create %s: %w", f.store.URI(f.prefix), ErrTableExists)
	}
	return err
}

func (f *Files) put(ctx context.Context, s *Schema) error {
	data, err := s.JSON()
	if err != nil {
		return err
	}
	key := f.prefix + SchemaKey(s.ID)
	if err := f.store.PutIfAbsent(ctx, key, data); err != nil {
		return fmt.Errorf("write %s: %w", f.store.URI(key), err)
	}
	return nil
}

// Update writes the next version: decide gets the newest and returns the one
// to write, with the id above it. It is asked again if somebody else was first.
func (f *Files) Update(ctx context.Context, decide func(latest *Schema) (*Schema, error)) (*Schema, error) {
	for range updateTriesMax {
		cur, err := f.Latest(ctx)
		if err != nil {
			return nil, err
		}
		next, err := decide(cur)
		if err != nil {
			return nil, err
		}
		err = f.put(ctx, next)
		if err == nil {
			return next, nil
		}
		if !errors.Is(err, objstore.ErrExists) {
			return nil, err
		}
	}
	return nil, errkind.Errorf(errkind.Conflict, "change schema of %s: others changed it %d times meanwhile: try again", f.store.URI(f.prefix), updateTriesMax)
}
