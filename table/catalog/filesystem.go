package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/schema"
)

// Options of Open; the zero value is right for users' sessions.
type Options struct {
	// System lets the caller create and drop in SystemDatabase.
	System bool
	// Now is the clock of schema files; nil: time.Now.
	Now func() time.Time
}

// Catalog is a warehouse folder. It holds no state of the warehouse and is safe
// for concurrent use.
type Catalog struct {
	store objstore.Store
	opts  Options
}

// Open checks that store, rooted at the warehouse, is one or is empty.
func Open(ctx context.Context, store objstore.Store, opts Options) (*Catalog, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	names, err := store.ListDirs(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("open warehouse %s: %w", store.URI(""), err)
	}
	if err := checkWarehouse(names); err != nil {
		return nil, errkind.Errorf(errkind.Invalid, "open warehouse %s: %w", store.URI(""), err)
	}
	return &Catalog{store: store, opts: opts}, nil
}

// checkWarehouse judges a folder by what it holds.
func checkWarehouse(names []string) error {
	has := func(n string) bool { return slices.Contains(names, n) }
	foreign := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return strings.HasPrefix(n, ".") })
	switch {
	case has(InternalDir), len(foreign) == 0:
		return nil
	case slices.ContainsFunc(names, func(n string) bool { return strings.HasSuffix(n, databaseSuffix) }):
		return nil
	case has(schema.DirSchema):
		return errors.New("it is the folder of one table: name the folder that holds <database>.db/<table>, or use `weir table` on the table itself")
	}
	const shown = 5
	list := strings.Join(foreign[:min(shown, len(foreign))], ", ")
	return fmt.Errorf("it is not a warehouse: it holds %s, but no folder <database>.db: name an empty folder or a Paimon warehouse", list)
}

// Store is the warehouse's.
func (c *Catalog) Store() objstore.Store { return c.store }

// TableStore is the store rooted at a table's folder.
func (c *Catalog) TableStore(id Identifier) objstore.Store { return objstore.Sub(c.store, id.Path()) }

func (c *Catalog) files(id Identifier) *schema.Files { return schema.NewFiles(c.TableStore(id), "") }

// Databases lists the databases' names, sorted; DefaultDatabase is always there.
func (c *Catalog) Databases(ctx context.Context) ([]string, error) {
	names, err := c.store.ListDirs(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("list databases: %w", err)
	}
	out := []string{DefaultDatabase}
	for _, n := range names {
		if db, ok := strings.CutSuffix(n, databaseSuffix); ok && db != "" && db != DefaultDatabase {
			out = append(out, db)
		}
	}
	slices.Sort(out)
	return out, nil
}

func (c *Catalog) needDatabase(ctx context.Context, db string) error {
	all, err := c.Databases(ctx)
	if err != nil {
		return err
	}
	if db != SystemDatabase && !slices.Contains(all, db) {
		return fmt.Errorf("database %q: %w: there are %s", db, ErrNoDatabase, strings.Join(all, ", "))
	}
	return nil
}

func (c *Catalog) writable(db string) error {
	if db == SystemDatabase && !c.opts.System {
		return errkind.Errorf(errkind.Denied, "database %q is reserved for weir's own tables: choose another name", db)
	}
	return nil
}

// CreateDatabase makes an empty database, or returns ErrDatabaseExists.
func (c *Catalog) CreateDatabase(ctx context.Context, db string, properties map[string]string) error {
	if err := checkName("database", db); err != nil {
		return err
	}
	if err := c.writable(db); err != nil {
		return err
	}
	all, err := c.Databases(ctx)
	if err != nil {
		return err
	}
	if slices.Contains(all, db) {
		return fmt.Errorf("create database %q: %w", db, ErrDatabaseExists)
	}
	data, err := json.Marshal(map[string]any{"properties": properties})
	if err != nil {
		return fmt.Errorf("create database %q: %w", db, err)
	}
	err = c.store.PutIfAbsent(ctx, db+databaseSuffix+"/"+databaseFile, data)
	if errors.Is(err, objstore.ErrExists) {
		return fmt.Errorf("create database %q: %w", db, ErrDatabaseExists)
	}
	if err != nil {
		return fmt.Errorf("create database %q: %w", db, err)
	}
	return nil
}

// DropDatabase removes a database; with tables in it only if cascade is set,
// else it returns ErrNotEmpty.
func (c *Catalog) DropDatabase(ctx context.Context, db string, cascade bool) error {
	if err := c.writable(db); err != nil {
		return err
	}
	if err := c.needDatabase(ctx, db); err != nil {
		return err
	}
	tables, err := c.Tables(ctx, db)
	if err != nil {
		return err
	}
	if len(tables) > 0 && !cascade {
		return fmt.Errorf("drop database %q: %w: it has %d tables: drop them first or say CASCADE", db, ErrNotEmpty, len(tables))
	}
	if err := objstore.RemoveAll(ctx, c.store, db+databaseSuffix); err != nil {
		return fmt.Errorf("drop database %q: %w", db, err)
	}
	return nil
}

// Tables lists the names of a database's tables, connector tables included, sorted.
func (c *Catalog) Tables(ctx context.Context, db string) ([]string, error) {
	if err := c.needDatabase(ctx, db); err != nil {
		return nil, err
	}
	names, err := c.store.ListDirs(ctx, db+databaseSuffix)
	if err != nil {
		return nil, fmt.Errorf("list tables of %q: %w", db, err)
	}
	var out []string
	for _, n := range names {
		if checkName("table", n) != nil {
			continue
		}
		versions, err := c.files(Identifier{db, n}).List(ctx)
		if err != nil {
			return nil, err
		}
		if len(versions) > 0 {
			out = append(out, n)
		}
	}
	return out, nil
}

// Table reads a table's newest schema, or returns schema.ErrNoTable or
// ErrNoDatabase.
func (c *Catalog) Table(ctx context.Context, id Identifier) (*schema.Schema, error) {
	if err := id.check(); err != nil {
		return nil, err
	}
	s, err := c.files(id).Latest(ctx)
	if errors.Is(err, schema.ErrNoTable) {
		if dbErr := c.needDatabase(ctx, id.Database); dbErr != nil {
			return nil, dbErr
		}
		return nil, fmt.Errorf("table %q: %w", id.String(), schema.ErrNoTable)
	}
	return s, err
}

// CreateTable makes a table and returns its schema; schema.ErrTableExists if it
// is there. A definition with option connector is stored without data.
func (c *Catalog) CreateTable(ctx context.Context, id Identifier, d schema.Definition) (*schema.Schema, error) {
	if err := id.check(); err != nil {
		return nil, err
	}
	if err := c.writable(id.Database); err != nil {
		return nil, err
	}
	if err := c.needDatabase(ctx, id.Database); err != nil {
		return nil, err
	}
	if err := CheckSecrets(d.Options); err != nil {
		return nil, fmt.Errorf("create table %q: %w", id.String(), err)
	}
	s, err := schema.New(d, c.opts.Now().UnixMilli())
	if err != nil {
		return nil, fmt.Errorf("create table %q: %w", id.String(), err)
	}
	if err := c.files(id).Create(ctx, s); err != nil {
		return nil, fmt.Errorf("create table %q: %w", id.String(), err)
	}
	return s, nil
}

// AlterTable applies changes as one new version of the schema and returns it.
func (c *Catalog) AlterTable(ctx context.Context, id Identifier, changes ...schema.Change) (*schema.Schema, error) {
	if err := id.check(); err != nil {
		return nil, err
	}
	if err := c.writable(id.Database); err != nil {
		return nil, err
	}
	next, err := c.files(id).Update(ctx, func(cur *schema.Schema) (*schema.Schema, error) {
		next, err := schema.Apply(cur, c.opts.Now().UnixMilli(), changes...)
		if err != nil {
			return nil, err
		}
		if err := CheckSecrets(next.Options); err != nil {
			return nil, err
		}
		return next, next.Validate()
	})
	if err != nil {
		return nil, fmt.Errorf("alter table %q: %w", id.String(), err)
	}
	return next, nil
}

// DropTable removes the table and all its files; schema.ErrNoTable if there is none.
func (c *Catalog) DropTable(ctx context.Context, id Identifier) error {
	if err := c.writable(id.Database); err != nil {
		return err
	}
	if _, err := c.Table(ctx, id); err != nil {
		return err
	}
	// An empty database stays one after its last table is gone.
	mark := id.Database + databaseSuffix + "/" + databaseFile
	if err := c.store.PutIfAbsent(ctx, mark, []byte(`{"properties":{}}`)); err != nil && !errors.Is(err, objstore.ErrExists) {
		return fmt.Errorf("drop table %q: %w", id.String(), err)
	}
	// Schemas go first: without them the table is gone, whatever stops the rest.
	if err := objstore.RemoveAll(ctx, c.store, id.Path()+"/"+schema.DirSchema); err != nil {
		return fmt.Errorf("drop table %q: %w", id.String(), err)
	}
	if err := objstore.RemoveAll(ctx, c.store, id.Path()); err != nil {
		return fmt.Errorf("drop table %q: %w", id.String(), err)
	}
	return nil
}
