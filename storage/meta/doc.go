// Package meta is the handle on the service's metadata database: SQLite in one file
// by default, PostgreSQL by DSN. Jobs, users, schedules, query history and indexes
// live there; nothing that only the warehouse should hold does, so an empty database
// loses no table data, no progress and no job's definition.
//
// The package knows no tables but its own leases. Each layer owns its tables and
// hands in its Migrations; each has a version table of its own, and a database that
// a newer weir has migrated is refused with a sentence.
//
// SQL is the part both databases share: $1 parameters, TEXT, BIGINT, BOOLEAN, DOUBLE
// PRECISION, INSERT .. ON CONFLICT, RETURNING; times are BIGINT milliseconds since
// 1970 in UTC.
//
// One process at a time owns a SQLite database: a second one is refused and told
// the first one's process id and address. Several processes need PostgreSQL and
// share work by leases. Leases only save work; what must not happen twice is decided
// by put-if-absent in the warehouse.
//
// Errors carry kinds: Conflict (the database or lease is somebody else's, or a
// transaction lost a race more often than the retries allow), Unavailable (no answer),
// Invalid (settings, newer database), Corrupt (a damaged SQLite file).
package meta
