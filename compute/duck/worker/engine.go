//go:build duckdb_arrow && cgo

package worker

import (
	"fmt"
	"strconv"
	"strings"

	ddb "github.com/duckdb/duckdb-go-bindings"

	"github.com/weir-lake/weir/compute/duck/internal/wire"
	"github.com/weir-lake/weir/internal/errkind"
)

// database is one in-memory DuckDB with a connection for the query and one for
// conversions, which may happen while the first is busy.
type database struct {
	db         ddb.Database
	conn, conv ddb.Connection
}

func openDatabase(s wire.SetupMsg) (*database, error) {
	settings := [][2]string{
		{"temp_directory", s.TempDir},
		{"max_temp_directory_size", strconv.FormatInt(s.TempBytesMax, 10) + "B"},
		{"memory_limit", strconv.FormatInt(s.DuckBytes, 10) + "B"},
		{"threads", strconv.Itoa(s.Threads)},
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
	d := &database{}
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
	return d, nil
}

func (d *database) close() {
	ddb.Disconnect(&d.conn)
	ddb.Disconnect(&d.conv)
	ddb.Close(&d.db)
}

// lock leaves the query only its own files and no way to change settings.
func (d *database) lock(paths []string) error {
	quoted := make([]string, len(paths))
	for i, p := range paths {
		quoted[i] = quote(p)
	}
	for _, text := range []string{
		"SET TimeZone = 'UTC'",
		"SET allowed_paths = [" + strings.Join(quoted, ", ") + "]",
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
	if head, tail, ok := strings.Cut(text, "Error: "); ok && len(head) < len("Parameter Not Resolved ") {
		text = tail
		if head == "Out of Memory " {
			text = "out of memory: " + tail
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
