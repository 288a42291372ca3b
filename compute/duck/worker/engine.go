//go:build duckdb_arrow && cgo

package worker

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	ddb "github.com/duckdb/duckdb-go-bindings"

	"github.com/weir-lake/weir/internal/errkind"
)

// functionsMax is how many Go functions a database collects before it is replaced:
// DuckDB cannot forget one.
const functionsMax = 500

// database is one in-memory DuckDB with a connection for the query and one for
// conversions, which may happen while the first is busy.
type database struct {
	srv        *server
	db         ddb.Database
	conn, conv ddb.Connection
	functions  map[string]bool       // Go functions registered so far
	current    atomic.Pointer[query] // the running query, for callbacks
}

// openShared opens the database that queries share: any file below the given directories
// can be read, no other.
func (s *server) openShared() (*database, error) {
	d, err := s.openDatabase()
	if err != nil {
		return nil, err
	}
	if err := d.lock("allowed_directories", s.setup.Dirs); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

// openOwn opens a database for a query with files elsewhere.
func (s *server) openOwn(paths []string) (*database, error) {
	d, err := s.openDatabase()
	if err != nil {
		return nil, err
	}
	if err := d.lock("allowed_paths", paths); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

// shares reports whether all files lie below the shared directories.
func (s *server) shares(paths []string) bool {
	for _, p := range paths {
		below := func(dir string) bool { return strings.HasPrefix(p, strings.TrimSuffix(dir, "/")+"/") }
		if !slices.ContainsFunc(s.setup.Dirs, below) {
			return false
		}
	}
	return true
}

func (s *server) openDatabase() (*database, error) {
	settings := [][2]string{
		{"temp_directory", s.setup.TempDir},
		{"max_temp_directory_size", strconv.FormatInt(s.setup.TempBytesMax, 10) + "B"},
		{"memory_limit", strconv.FormatInt(s.setup.DuckBytes, 10) + "B"},
		{"threads", strconv.Itoa(s.setup.Threads)},
		{"autoinstall_known_extensions", "false"},
		{"autoload_known_extensions", "false"},
		{"allow_community_extensions", "false"},
		// Rows have an order only where the text sorts them.
		{"preserve_insertion_order", "false"},
	}
	var cfg ddb.Config
	if ddb.CreateConfig(&cfg) != ddb.StateSuccess {
		return nil, errkind.Errorf(errkind.Exhausted, "open DuckDB: no memory for its configuration")
	}
	defer ddb.DestroyConfig(&cfg)
	for _, kv := range settings {
		if ddb.SetConfig(cfg, kv[0], kv[1]) != ddb.StateSuccess {
			return nil, errkind.Errorf(errkind.Bug, "open DuckDB: setting %s = %s was refused", kv[0], kv[1])
		}
	}
	d := &database{srv: s, functions: make(map[string]bool)}
	var msg string
	if ddb.OpenExt(":memory:", &d.db, cfg, &msg) != ddb.StateSuccess {
		return nil, errkind.Errorf(errkind.Unavailable, "open DuckDB: %s", msg)
	}
	for _, c := range []*ddb.Connection{&d.conn, &d.conv} {
		if ddb.Connect(d.db, c) != ddb.StateSuccess {
			d.close()
			return nil, errkind.Errorf(errkind.Exhausted, "connect to DuckDB: no memory")
		}
	}
	if err := errors.Join(d.registerScan(), d.registerExact()); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

func (d *database) close() {
	ddb.Disconnect(&d.conn)
	ddb.Disconnect(&d.conv)
	ddb.Close(&d.db)
}

// lock leaves queries only the files of the given setting and no way to change settings.
func (d *database) lock(setting string, paths []string) error {
	quoted := make([]string, len(paths))
	for i, p := range paths {
		quoted[i] = quote(p)
	}
	for _, text := range []string{
		"SET TimeZone = 'UTC'",
		"SET " + setting + " = [" + strings.Join(quoted, ", ") + "]",
		"SET enable_external_access = false",
		"SET lock_configuration = true",
	} {
		if err := d.exec(text); err != nil {
			return fmt.Errorf("lock DuckDB: %w", err)
		}
	}
	return nil
}

func (d *database) exec(text string) error {
	var res ddb.Result
	defer ddb.DestroyResult(&res)
	if ddb.Query(d.conn, text, &res) != ddb.StateSuccess {
		return errorOf(ddb.ResultErrorType(&res), ddb.ResultError(&res))
	}
	return nil
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// errorOf gives a DuckDB error its kind. The text keeps what happened; the excerpt of the
// generated SQL, which nobody wrote, goes.
func errorOf(t ddb.ErrorType, msg string) error {
	text, _, _ := strings.Cut(msg, "\n\nLINE ")
	text, _, _ = strings.Cut(text, "\nLINE ")
	text, _, _ = strings.Cut(text, "\n\nPossible solutions") // they are DuckDB's settings, which nobody can reach
	if head, tail, ok := strings.Cut(text, "Error: "); ok && len(head) < len("Parameter Not Resolved ") {
		text = tail
		if head == "Out of Memory " {
			text, _, _ = strings.Cut(tail, "\n")
			text = "out of memory: " + text + "; ask for less or give query workers more memory"
		}
	}
	return errkind.New(kindOf(t), "DuckDB: "+strings.TrimSpace(text))
}

func kindOf(t ddb.ErrorType) errkind.Kind {
	switch t {
	case ddb.ErrorTypeOutOfRange, ddb.ErrorTypeConversion, ddb.ErrorTypeDecimal, ddb.ErrorTypeDivideByZero,
		ddb.ErrorTypeInvalidInput, ddb.ErrorTypeObjectSize:
		return errkind.Invalid
	case ddb.ErrorTypeOutOfMemory:
		return errkind.Exhausted
	case ddb.ErrorTypeInterrupt:
		return errkind.Canceled
	case ddb.ErrorTypeErrorIO:
		return errkind.Corrupt
	default:
		return errkind.Bug
	}
}
