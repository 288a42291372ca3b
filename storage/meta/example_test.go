package meta_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"testing/fstest"
	"time"

	"github.com/weir-lake/weir/storage/meta"
)

func ExampleOpen() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "meta")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	// A layer embeds its migrations; here they are written out.
	layer := meta.Migrations{Name: "note", FS: fstest.MapFS{"00001_notes.sql": {Data: []byte(
		"-- +goose Up\nCREATE TABLE weir_note (id BIGINT NOT NULL PRIMARY KEY, body TEXT NOT NULL);\n")}}}
	db, err := meta.Open(ctx, meta.Options{Path: filepath.Join(dir, "meta.db")}, layer)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	err = db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO weir_note (id, body) VALUES ($1, $2)`, 1, "hello")
		return err
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	var body string
	err = db.Read().QueryRowContext(ctx, `SELECT body FROM weir_note WHERE id = $1`, 1).Scan(&body)
	fmt.Println(body, err)
	lease, err := db.Acquire(ctx, "compact/db.t", "worker-1", time.Minute)
	fmt.Println(lease.Term, err)
	// Output:
	// hello <nil>
	// 1 <nil>
}
