package meta_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/weir-lake/weir/storage/meta"
)

var notes = meta.Migrations{Name: "note", FS: fstest.MapFS{"00001_notes.sql": {Data: []byte(
	"-- +goose Up\nCREATE TABLE weir_note (id BIGINT NOT NULL PRIMARY KEY);\n")}}}

func countNotes(t *testing.T, db *meta.DB) (n, least int64) {
	t.Helper()
	if err := db.Read().QueryRowContext(t.Context(), "SELECT COUNT(*), COALESCE(MIN(id), 0) FROM weir_note").Scan(&n, &least); err != nil {
		t.Fatal(err)
	}
	return n, least
}

func TestJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "meta.db")
	db, err := meta.Open(t.Context(), meta.Options{Path: path}, notes)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	j := meta.NewJournal(db, meta.JournalOptions[int64]{Name: "notes",
		Insert: func(ctx context.Context, tx *sql.Tx, id int64) error {
			_, err := tx.ExecContext(ctx, "INSERT INTO weir_note (id) VALUES ($1)", id)
			return err
		},
		Trim: func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, "DELETE FROM weir_note WHERE id <= (SELECT MAX(id) FROM weir_note) - 100")
			return err
		}})
	for i := range int64(2500) {
		j.Add(i)
		if i%1000 == 0 {
			if err := j.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	j.Stop()
	j.Stop()
	n, least := countNotes(t, db)
	if n > 1100 || n < 100 || least == 0 || j.Dropped() != 0 {
		t.Errorf("%d rows from %d on, %d dropped", n, least, j.Dropped())
	}
	if err := j.Flush(t.Context()); err != nil {
		t.Errorf("after the end: %v", err)
	}
}

// A row that cannot be written is counted, and those after it are written.
func TestJournalLosesLoudly(t *testing.T) {
	db, err := meta.Open(t.Context(), meta.Options{Path: filepath.Join(t.TempDir(), "meta.db")}, notes)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	j := meta.NewJournal(db, meta.JournalOptions[int64]{Name: "notes", Insert: func(ctx context.Context, tx *sql.Tx, id int64) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO weir_note (id) VALUES ($1)", id)
		return err
	}})
	defer j.Stop()
	j.Add(1)
	if err := j.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	j.Add(1) // is there
	if err := j.Flush(t.Context()); err == nil || j.Dropped() != 1 {
		t.Errorf("%v, %d dropped", err, j.Dropped())
	}
	j.Add(2)
	if err := j.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, _ := countNotes(t, db); n != 2 {
		t.Errorf("%d rows", n)
	}
}
