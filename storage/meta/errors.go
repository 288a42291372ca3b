package meta

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/weir-lake/weir/internal/errkind"
)

// primaryCode strips SQLite's extended result code.
const primaryCode = 0xff

// wrap names the database and operation and sorts the error. Errors which already
// have a kind, are of the caller's own making or say "no rows" pass as they are.
func (d *DB) wrap(op string, err error) error {
	if err == nil || errors.Is(err, sql.ErrNoRows) || errkind.Of(err) != errkind.Bug {
		return err
	}
	kind, ok := databaseKind(err)
	if !ok {
		return err
	}
	hint := ""
	if kind == errkind.Corrupt {
		hint = " (move the file away: weir makes a new one and rebuilds its indexes from the warehouse)"
	}
	return errkind.Errorf(kind, "metadata %s: %s: %w%s", d.name, op, err, hint)
}

// databaseKind sorts errors of the drivers; ok is false for all others.
func databaseKind(err error) (kind errkind.Kind, ok bool) {
	var se *sqlite.Error
	if errors.As(err, &se) {
		switch se.Code() & primaryCode {
		case sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT:
			return errkind.Corrupt, true
		case sqlite3.SQLITE_FULL:
			return errkind.Exhausted, true
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN:
			return errkind.Unavailable, true
		case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM:
			return errkind.Denied, true
		case sqlite3.SQLITE_CONSTRAINT:
			return errkind.Conflict, true
		}
		return errkind.Bug, true
	}
	var pe *pgconn.PgError
	if errors.As(err, &pe) {
		switch pe.Code[:min(2, len(pe.Code))] {
		case "08", "57", "58", "40":
			return errkind.Unavailable, true
		case "53":
			return errkind.Exhausted, true
		case "28", "42":
			if strings.HasPrefix(pe.Code, "28") || pe.Code == "42501" {
				return errkind.Denied, true
			}
		case "23":
			return errkind.Conflict, true
		case "3D":
			return errkind.Invalid, true
		}
		return errkind.Bug, true
	}
	var ce *pgconn.ConnectError
	if errors.As(err, &ce) || pgconn.SafeToRetry(err) {
		return errkind.Unavailable, true
	}
	return errkind.Bug, false
}

// isRace reports whether another transaction was in the way, so that the same
// work may succeed when tried again.
func isRace(err error) bool {
	var se *sqlite.Error
	if errors.As(err, &se) {
		code := se.Code() & primaryCode
		return code == sqlite3.SQLITE_BUSY || code == sqlite3.SQLITE_LOCKED
	}
	var pe *pgconn.PgError
	if errors.As(err, &pe) {
		return pe.Code == "40001" || pe.Code == "40P01" // serialization failure, deadlock
	}
	return false
}

// IsUnique reports whether a statement failed because the key exists already.
func IsUnique(err error) bool {
	var se *sqlite.Error
	if errors.As(err, &se) {
		return se.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || se.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
	}
	var pe *pgconn.PgError
	return errors.As(err, &pe) && pe.Code == "23505"
}

// contextError keeps a cancelled call recognisable whatever the driver made of it.
func contextError(ctx context.Context, op string, err error) error {
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("metadata: %s: %w", op, ctx.Err())
	}
	return err
}
