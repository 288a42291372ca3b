package catalog

import (
	"strings"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/snapshot"
)

// Names that are fixed.
const (
	// Name of the catalog in SQL.
	Name = "weir"
	// DefaultDatabase is the database of a new session.
	DefaultDatabase = "default"
	// SystemDatabase holds weir's own tables and views; users cannot create there.
	SystemDatabase = "sys"
	// InternalDir of a warehouse holds the epoch log and state checkpoints.
	InternalDir = ".weir"

	databaseSuffix = ".db"
	// databaseFile marks a database that has no table yet: object stores have no
	// empty folders. Other engines take folders for tables and ignore files.
	databaseFile = "_database.json"
)

// Sentinels of the package.
var (
	// ErrNoDatabase: there is no database of that name.
	ErrNoDatabase = errkind.New(errkind.NotFound, "catalog: there is no such database")
	// ErrDatabaseExists: a database of that name is there already.
	ErrDatabaseExists = errkind.New(errkind.Exists, "catalog: the database exists already")
	// ErrNotEmpty: the database to drop still has tables.
	ErrNotEmpty = errkind.New(errkind.Conflict, "catalog: the database is not empty")
)

// Identifier names a table.
type Identifier struct{ Database, Table string }

// String is "database.table".
func (i Identifier) String() string { return i.Database + "." + i.Table }

// Path of the table below the warehouse.
func (i Identifier) Path() string { return i.Database + databaseSuffix + "/" + i.Table }

// ParseIdentifier reads "table" (of database def), "db.table" or "weir.db.table".
func ParseIdentifier(text, def string) (Identifier, error) {
	parts := strings.Split(text, ".")
	if len(parts) == 3 && parts[0] == Name {
		parts = parts[1:]
	}
	var id Identifier
	switch len(parts) {
	case 1:
		id = Identifier{def, parts[0]}
	case 2:
		id = Identifier{parts[0], parts[1]}
	default:
		return id, errkind.Errorf(errkind.Invalid, "table name %q: want table, database.table or %s.database.table", text, Name)
	}
	return id, id.check()
}

func (i Identifier) check() error {
	if err := checkName("database", i.Database); err != nil {
		return err
	}
	return checkName("table", i.Table)
}

// checkName refuses what cannot be a folder name or has a meaning of its own:
// "$" begins the names of system tables (t$late).
func checkName(what, name string) error {
	if err := snapshot.CheckName(what, name); err != nil {
		return err
	}
	if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || strings.ContainsAny(name, "%?*:|\"<>") {
		return errkind.Errorf(errkind.Invalid, "%s name %q: it must not begin with '.' or '_' nor contain any of %%?*:|\"<>", what, name)
	}
	return nil
}
