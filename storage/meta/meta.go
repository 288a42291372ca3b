package meta

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite" // registers the database/sql driver "sqlite"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/internal/filelock"
)

const (
	busyTimeout = 10 * time.Second // how long SQLite waits for its file lock
	// pgConns bounds connections to PostgreSQL; its own default limit is 100 for all.
	pgConns = 8
	// txAttemptsMax bounds the retries of a transaction that lost a race.
	txAttemptsMax = 10
	txBackoff     = 10 * time.Millisecond // before the second attempt; doubles
	dirMode       = 0o700                 // job options and token hashes are in there
	openTimeout   = 15 * time.Second      // for the first answer of PostgreSQL
)

// Dialect is the kind of database.
type Dialect uint8

// The databases.
const (
	SQLite Dialect = iota
	PostgreSQL
)

// String returns the database's name.
func (d Dialect) String() string {
	if d == PostgreSQL {
		return "PostgreSQL"
	}
	return "SQLite"
}

// Options says which database to open. Exactly one of Path and DSN is set.
type Options struct {
	// Path is the SQLite file; its folder is made if missing. Beside it stand its
	// -wal and -shm files and the lock file.
	Path string
	// DSN names a PostgreSQL database ("postgres://user@host/db" or "host=.. dbname=..").
	DSN string
	// Address is where this process answers, for the message to a second one. It may
	// be set later with SetAddress.
	Address string
	// Now is the clock of leases; nil is time.Now for SQLite and the server's clock
	// for PostgreSQL, which all its processes share.
	Now func() time.Time
}

func (o Options) validate() error {
	if (o.Path == "") == (o.DSN == "") {
		return errkind.Errorf(errkind.Invalid, "metadata: name either a SQLite file or a PostgreSQL DSN")
	}
	return nil
}

// DB is an open metadata database; safe for concurrent use.
type DB struct {
	dialect Dialect
	name    string         // for messages, without secrets
	read    *sql.DB        // SQLite: several readers
	write   *sql.DB        // SQLite: one connection; PostgreSQL: the same as read
	lock    *filelock.Lock // SQLite only
	now     func() time.Time
}

// Open connects and brings the schema of every layer up to date.
func Open(ctx context.Context, opts Options, layers ...Migrations) (*DB, error) {
	if err := opts.validate(); err != nil {
		return nil, err
	}
	db, err := open(ctx, opts)
	if err != nil {
		return nil, err
	}
	for _, m := range append([]Migrations{ownMigrations()}, layers...) {
		if err := db.Migrate(ctx, m); err != nil {
			return nil, errors.Join(err, db.Close())
		}
	}
	return db, nil
}

func open(ctx context.Context, opts Options) (*DB, error) {
	if opts.DSN != "" {
		return openPostgres(ctx, opts)
	}
	return openSQLite(ctx, opts)
}

func openSQLite(ctx context.Context, opts Options) (*DB, error) {
	path, err := filepath.Abs(opts.Path)
	if err != nil {
		return nil, fmt.Errorf("open metadata %s: %w", opts.Path, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), dirMode); err != nil {
		return nil, fmt.Errorf("open metadata %s: %w", path, err)
	}
	lock, err := filelock.Acquire(path + ".lock")
	if err != nil {
		var held *filelock.HeldError
		if errors.As(err, &held) {
			return nil, errkind.Errorf(errkind.Conflict, "open metadata %s: %s uses it: stop that one, use its address, or give both a PostgreSQL DSN: %w", path, held.Holder, err)
		}
		return nil, fmt.Errorf("open metadata %s: %w", path, err)
	}
	db := &DB{dialect: SQLite, name: path, lock: lock, now: opts.Now}
	if db.now == nil {
		db.now = time.Now
	}
	if err := errors.Join(lock.SetAddress(opts.Address), db.connectSQLite(ctx, path)); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func (d *DB) connectSQLite(ctx context.Context, path string) error {
	q := url.Values{"_pragma": {
		fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()),
		"journal_mode(WAL)", "foreign_keys(1)",
		// Metadata can be rebuilt or is re-entered; NORMAL survives kill -9 and loses
		// at most the last transactions, never the file, at power loss.
		"synchronous(NORMAL)",
	}}
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
	var err error
	// Immediate: a transaction that begins by reading would otherwise fail when it
	// writes after another one's commit, and no busy timeout helps.
	if d.write, err = sql.Open("sqlite", dsn+"&_txlock=immediate"); err != nil {
		return fmt.Errorf("open metadata %s: %w", path, err)
	}
	d.write.SetMaxOpenConns(1)
	if d.read, err = sql.Open("sqlite", dsn+"&_pragma=query_only(1)"); err != nil {
		return fmt.Errorf("open metadata %s: %w", path, err)
	}
	d.read.SetMaxOpenConns(max(4, runtime.GOMAXPROCS(0)))
	// The first query makes the file, and is where a file of another kind shows.
	var version int
	if err := d.write.QueryRowContext(ctx, "PRAGMA schema_version").Scan(&version); err != nil {
		return d.wrap("open", err)
	}
	return nil
}

func openPostgres(ctx context.Context, opts Options) (*DB, error) {
	cfg, err := pgx.ParseConfig(opts.DSN)
	if err != nil {
		return nil, errkind.Errorf(errkind.Invalid, "open metadata: PostgreSQL DSN: %w", err)
	}
	name := fmt.Sprintf("postgres://%s:%d/%s", cfg.Host, cfg.Port, cfg.Database)
	db := &DB{dialect: PostgreSQL, name: name, now: opts.Now, write: stdlib.OpenDB(*cfg)}
	db.read = db.write
	db.write.SetMaxOpenConns(pgConns)
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	if err := db.write.PingContext(ctx); err != nil {
		return nil, errors.Join(db.wrap("open", err), db.Close())
	}
	return db, nil
}

// Close ends all connections and gives a SQLite file up for other processes.
func (d *DB) Close() error {
	var err error
	if d.read != nil && d.read != d.write {
		err = d.read.Close()
	}
	if d.write != nil {
		err = errors.Join(err, d.write.Close())
	}
	if d.lock != nil {
		err = errors.Join(err, d.lock.Close())
	}
	return err
}

// Dialect tells which database this is, for the rare statement that differs.
func (d *DB) Dialect() Dialect { return d.dialect }

// Name names the database for people, without secrets.
func (d *DB) Name() string { return d.name }

// SetAddress tells a second process on the same SQLite file where this one answers.
func (d *DB) SetAddress(address string) error {
	if d.lock == nil {
		return nil
	}
	return d.lock.SetAddress(address)
}

// Read returns the connections for queries outside a transaction. On SQLite they
// cannot write; use Write for that.
func (d *DB) Read() *sql.DB { return d.read }

// Write runs fn in a transaction and commits it. If the database says that another
// transaction was in the way, it runs fn again, so fn must not act outside tx. fn
// must not use the DB itself: SQLite has one writer.
func (d *DB) Write(ctx context.Context, fn func(tx *sql.Tx) error) error {
	backoff := txBackoff
	for attempt := 1; ; attempt++ {
		err := d.writeOnce(ctx, fn)
		if err == nil || !isRace(err) {
			return err
		}
		if attempt == txAttemptsMax {
			return errkind.Errorf(errkind.Conflict, "metadata: gave up after %d tries: %w", attempt, err)
		}
		t := time.NewTimer(backoff)
		select {
		case <-ctx.Done():
			t.Stop()
			return fmt.Errorf("metadata: %w", ctx.Err())
		case <-t.C:
		}
		backoff *= 2
	}
}

func (d *DB) writeOnce(ctx context.Context, fn func(tx *sql.Tx) error) error {
	tx, err := d.write.BeginTx(ctx, nil)
	if err != nil {
		return d.wrap("begin", err)
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing; also if fn panics
	if err := fn(tx); err != nil {
		return d.wrap("write", err)
	}
	return d.wrap("commit", tx.Commit())
}
