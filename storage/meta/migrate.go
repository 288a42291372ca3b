package meta

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"regexp"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"github.com/pressly/goose/v3/lock"

	"github.com/weir-lake/weir/internal/errkind"
)

//go:embed migrations/*.sql
var ownFS embed.FS

func ownMigrations() Migrations {
	sub, err := fs.Sub(ownFS, "migrations")
	if err != nil {
		panic(err) // the embedded folder has another name than the code says
	}
	return Migrations{Name: "meta", FS: sub}
}

// Migrations is one layer's schema: goose SQL files "00001_what.sql" in the root of
// FS, in the SQL both databases share. A released file is never changed.
type Migrations struct {
	// Name is the layer's: lower-case letters and underscores. Its version table is
	// weir_<Name>_version; begin the layer's tables with weir_<Name>_ or its own word.
	Name string
	FS   fs.FS
}

var layerNameRE = regexp.MustCompile(`^[a-z][a-z_]{0,31}$`)

// Migrate brings one layer's tables up to date. A database that a newer weir has
// migrated is of kind Invalid.
func (d *DB) Migrate(ctx context.Context, m Migrations) error {
	if !layerNameRE.MatchString(m.Name) {
		return errkind.Errorf(errkind.Bug, "metadata: layer name %q: want lower-case letters and underscores", m.Name)
	}
	p, err := d.provider(m)
	if err != nil {
		return fmt.Errorf("migrate %s of metadata %s: %w", m.Name, d.name, err)
	}
	newest := int64(0)
	for _, s := range p.ListSources() {
		newest = max(newest, s.Version)
	}
	there, err := p.GetDBVersion(ctx)
	if err != nil {
		return contextError(ctx, "migrate", d.wrap("migrate "+m.Name, err))
	}
	if there > newest {
		return errkind.Errorf(errkind.Invalid, "metadata %s: its %s tables have version %d, this weir knows %d: a newer weir wrote them; start that one, or another database", d.name, m.Name, there, newest)
	}
	if _, err := p.Up(ctx); err != nil {
		what := "migrate " + m.Name
		var pe *goose.PartialError
		if errors.As(err, &pe) && pe.Failed != nil && pe.Failed.Source != nil {
			what += ": " + pe.Failed.Source.Path
		}
		return contextError(ctx, "migrate", d.wrap(what, err))
	}
	return nil
}

func (d *DB) provider(m Migrations) (*goose.Provider, error) {
	dialect := database.DialectSQLite3
	opts := []goose.ProviderOption{goose.WithDisableGlobalRegistry(true), goose.WithTableName("weir_" + m.Name + "_version")}
	if d.dialect == PostgreSQL {
		dialect = database.DialectPostgres
		// Several processes may start at once.
		locker, err := lock.NewPostgresSessionLocker()
		if err != nil {
			return nil, err
		}
		opts = append(opts, goose.WithSessionLocker(locker))
	}
	p, err := goose.NewProvider(dialect, d.write, m.FS, opts...)
	if errors.Is(err, goose.ErrNoMigrations) {
		return nil, errkind.Errorf(errkind.Bug, "no migrations in its file system")
	}
	return p, err
}
