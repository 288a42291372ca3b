package meta_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/goleak"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/internal/testpeer"
	"github.com/weir-lake/weir/storage/meta"
)

const childEnv = "META_TEST_CHILD"

// TestMain runs this binary as a second process on the database when childEnv is set.
func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		db, err := meta.Open(context.Background(), meta.Options{Path: path}, counters(1))
		if err != nil {
			fmt.Println(err)
			os.Exit(3)
		}
		// Commits until it is killed.
		for i := 0; ; i++ {
			if err := db.Write(context.Background(), insertCounter(fmt.Sprintf("child-%d", i))); err != nil {
				fmt.Println(err)
				os.Exit(4)
			}
			fmt.Println(i)
		}
	}
	goleak.VerifyTestMain(m)
}

// counters is a layer with up to three migrations.
func counters(versions int) meta.Migrations {
	files := fstest.MapFS{}
	for i, stmt := range []string{
		"CREATE TABLE weir_counters_counter (name TEXT NOT NULL PRIMARY KEY, n BIGINT NOT NULL);",
		"ALTER TABLE weir_counters_counter ADD COLUMN note TEXT;",
		"CREATE INDEX weir_counters_note ON weir_counters_counter (note);",
	}[:versions] {
		files[fmt.Sprintf("%05d_step.sql", i+1)] = &fstest.MapFile{Data: []byte("-- +goose Up\n" + stmt + "\n")}
	}
	return meta.Migrations{Name: "counters", FS: files}
}

func insertCounter(name string) func(*sql.Tx) error {
	return func(tx *sql.Tx) error {
		_, err := tx.Exec(`INSERT INTO weir_counters_counter (name, n) VALUES ($1, $2)`, name, 0)
		return err
	}
}

// onEach runs fn on a fresh database of each kind. open opens it again.
func onEach(t *testing.T, fn func(t *testing.T, open func(layers ...meta.Migrations) (*meta.DB, error))) {
	t.Run("SQLite", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "new folder", "meta.db")
		fn(t, func(layers ...meta.Migrations) (*meta.DB, error) {
			return meta.Open(t.Context(), meta.Options{Path: path}, layers...)
		})
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		dsn := testpeer.Postgres(t)
		fn(t, func(layers ...meta.Migrations) (*meta.DB, error) {
			return meta.Open(t.Context(), meta.Options{DSN: dsn}, layers...)
		})
	})
}

func mustOpen(t *testing.T, open func(...meta.Migrations) (*meta.DB, error), layers ...meta.Migrations) *meta.DB {
	t.Helper()
	db, err := open(layers...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func count(t *testing.T, db *meta.DB) int {
	t.Helper()
	var n int
	if err := db.Read().QueryRowContext(t.Context(), `SELECT count(*) FROM weir_counters_counter`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestMigrations(t *testing.T) {
	onEach(t, func(t *testing.T, open func(...meta.Migrations) (*meta.DB, error)) {
		for version := 1; version <= 3; version++ {
			for range 2 { // the second time nothing is left to do
				db, err := open(counters(version))
				if err != nil {
					t.Fatal(err)
				}
				if version == 1 && count(t, db) == 0 {
					if err := db.Write(t.Context(), insertCounter("kept")); err != nil {
						t.Fatal(err)
					}
				}
				if n := count(t, db); n != 1 {
					t.Errorf("version %d: %d rows", version, n)
				}
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_, err := open(counters(2))
		if !errkind.Is(err, errkind.Invalid) || !strings.Contains(err.Error(), "newer weir") || !strings.Contains(err.Error(), "counters") {
			t.Errorf("a newer weir's database: %v", err)
		}
		_, err = open(meta.Migrations{Name: "empty", FS: fstest.MapFS{}})
		if err == nil {
			t.Error("a layer without migrations was taken")
		}
		_, err = open(meta.Migrations{Name: "x; DROP TABLE y", FS: fstest.MapFS{}})
		if !errkind.Is(err, errkind.Bug) {
			t.Errorf("bad layer name: %v", err)
		}
		broken := meta.Migrations{Name: "broken", FS: fstest.MapFS{"00001_x.sql": {Data: []byte("-- +goose Up\nCREATE TABEL x (y INT);\n")}}}
		if _, err = open(broken); err == nil || !strings.Contains(err.Error(), "00001_x.sql") {
			t.Errorf("broken migration: %v", err)
		}
	})
}

func TestWriteCommitsOrRollsBack(t *testing.T) {
	onEach(t, func(t *testing.T, open func(...meta.Migrations) (*meta.DB, error)) {
		db := mustOpen(t, open, counters(1))
		mine := errors.New("mine")
		err := db.Write(t.Context(), func(tx *sql.Tx) error {
			return errors.Join(insertCounter("a")(tx), mine)
		})
		if !errors.Is(err, mine) || count(t, db) != 0 {
			t.Errorf("after an error: %v, %d rows", err, count(t, db))
		}
		if err := db.Write(t.Context(), insertCounter("a")); err != nil || count(t, db) != 1 {
			t.Errorf("%v, %d rows", err, count(t, db))
		}
		err = db.Write(t.Context(), insertCounter("a"))
		if !meta.IsUnique(err) || !errkind.Is(err, errkind.Conflict) {
			t.Errorf("the same key: %v", err)
		}
		err = db.Write(t.Context(), func(tx *sql.Tx) error { _, err := tx.Exec(`SELECT nonsense FROM nowhere`); return err })
		if err == nil || meta.IsUnique(err) {
			t.Errorf("bad statement: %v", err)
		}
		err = db.Write(t.Context(), func(tx *sql.Tx) error {
			return tx.QueryRow(`SELECT n FROM weir_counters_counter WHERE name = $1`, "none").Scan(new(int))
		})
		if !errors.Is(err, sql.ErrNoRows) {
			t.Errorf("no rows: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := db.Write(ctx, insertCounter("b")); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		func() {
			defer func() { _ = recover() }()
			_ = db.Write(t.Context(), func(tx *sql.Tx) error { _ = insertCounter("c")(tx); panic("x") })
		}()
		if err := db.Write(t.Context(), insertCounter("d")); err != nil || count(t, db) != 2 {
			t.Errorf("after a panic: %v, %d rows", err, count(t, db))
		}
	})
}

// Parameters may be used out of order and twice, in both databases.
func TestNumberedParameters(t *testing.T) {
	onEach(t, func(t *testing.T, open func(...meta.Migrations) (*meta.DB, error)) {
		db := mustOpen(t, open, counters(1))
		for _, name := range []string{"a", "b", "c"} {
			if err := db.Write(t.Context(), insertCounter(name)); err != nil {
				t.Fatal(err)
			}
		}
		var got string
		err := db.Read().QueryRowContext(t.Context(),
			`SELECT name FROM weir_counters_counter WHERE name <> $2 AND name >= $1 AND name <> $2 ORDER BY name LIMIT 1`, "a", "a").Scan(&got)
		if err != nil || got != "b" {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

// Transactions that read and then write do not lose each other's work.
func TestConcurrentWriters(t *testing.T) {
	onEach(t, func(t *testing.T, open func(...meta.Migrations) (*meta.DB, error)) {
		db := mustOpen(t, open, counters(1))
		if err := db.Write(t.Context(), insertCounter("n")); err != nil {
			t.Fatal(err)
		}
		const writers, rounds = 8, 10
		var wg sync.WaitGroup
		for range writers {
			wg.Go(func() {
				for range rounds {
					err := db.Write(t.Context(), func(tx *sql.Tx) error {
						var n int
						lock := ""
						if db.Dialect() == meta.PostgreSQL {
							lock = " FOR UPDATE"
						}
						if err := tx.QueryRow(`SELECT n FROM weir_counters_counter WHERE name = 'n'` + lock).Scan(&n); err != nil {
							return err
						}
						_, err := tx.Exec(`UPDATE weir_counters_counter SET n = $1 WHERE name = 'n'`, n+1)
						return err
					})
					if err != nil {
						t.Error(err)
					}
					_ = count(t, db) // readers go on beside the writer
				}
			})
		}
		wg.Wait()
		var n int
		if err := db.Read().QueryRowContext(t.Context(), `SELECT n FROM weir_counters_counter`).Scan(&n); err != nil || n != writers*rounds {
			t.Errorf("got %d, %v", n, err)
		}
	})
}

func TestSQLiteReadCannotWrite(t *testing.T) {
	db, err := meta.Open(t.Context(), meta.Options{Path: filepath.Join(t.TempDir(), "m.db")}, counters(1))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Read().ExecContext(t.Context(), `DELETE FROM weir_counters_counter`); err == nil {
		t.Error("a reader wrote")
	}
}

func TestSecondProcessIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.db")
	db, err := meta.Open(t.Context(), meta.Options{Path: path}, counters(1))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.SetAddress("http://127.0.0.1:8480"); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+path)
	out, err := cmd.Output()
	want := fmt.Sprintf("process %d at http://127.0.0.1:8480", os.Getpid())
	if err == nil || !strings.Contains(string(out), want) || !strings.Contains(string(out), "PostgreSQL") {
		t.Errorf("second process: %v: %s", err, out)
	}
	if _, err := meta.Open(t.Context(), meta.Options{Path: path}); !errkind.Is(err, errkind.Conflict) {
		t.Errorf("twice in one process: %v", err)
	}
}

// What a killed process had committed is there; its lock is not.
func TestKilledProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.db")
	for kill := range 3 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childEnv+"="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var last int
		for last < 5+kill*20 {
			if _, err := fmt.Fscanln(out, &last); err != nil {
				t.Fatal(err)
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // reports the kill
		db, err := meta.Open(t.Context(), meta.Options{Path: path}, counters(1))
		if err != nil {
			t.Fatal(err)
		}
		if n := count(t, db); n <= last {
			t.Errorf("%d rows after %d were reported", n, last+1)
		}
		if err := db.Write(t.Context(), func(tx *sql.Tx) error { _, err := tx.Exec(`DELETE FROM weir_counters_counter`); return err }); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	garbage := filepath.Join(dir, "garbage.db")
	if err := os.WriteFile(garbage, []byte(strings.Repeat("this is no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		opts meta.Options
		kind errkind.Kind
		want string
	}{
		{"neither", meta.Options{}, errkind.Invalid, "SQLite"},
		{"both", meta.Options{Path: "x", DSN: "y"}, errkind.Invalid, "SQLite"},
		{"not a database", meta.Options{Path: garbage}, errkind.Corrupt, "move the file away"},
		{"bad DSN", meta.Options{DSN: "postgres://u:verysecret@:bad/x"}, errkind.Invalid, "DSN"},
		{"nobody listens", meta.Options{DSN: "postgres://u:verysecret@127.0.0.1:1/x"}, errkind.Unavailable, "127.0.0.1:1"},
	} {
		_, err := meta.Open(t.Context(), tc.opts)
		if errkind.Of(err) != tc.kind || err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: kind %v: %v", tc.name, errkind.Of(err), err)
		}
		if strings.Contains(fmt.Sprint(err), "verysecret") {
			t.Errorf("%s: the error shows the password: %v", tc.name, err)
		}
	}
	// The failed attempt gave the lock up.
	if err := os.Remove(garbage); err != nil {
		t.Fatal(err)
	}
	db, err := meta.Open(t.Context(), meta.Options{Path: garbage})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestPathsThatLookLikeURIs(t *testing.T) {
	for _, name := range []string{"a b.db", "q?x=1.db", "100%.db", "h#.db"} {
		path := filepath.Join(t.TempDir(), name)
		db, err := meta.Open(t.Context(), meta.Options{Path: path})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := os.Stat(path); err != nil {
			t.Errorf("%s: the file is elsewhere: %v", name, err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

// clock is a clock that a test moves by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
