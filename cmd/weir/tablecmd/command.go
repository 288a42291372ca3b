package tablecmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
)

// Command is the command group.
type Command struct {
	Cat      Cat      `cmd:"" help:"Print the rows of a table, its changelog, or what changed between two snapshots."`
	Create   Create   `cmd:"" help:"Make an empty table."`
	Write    Write    `cmd:"" help:"Write JSON rows and commit them as one snapshot."`
	Compact  Compact  `cmd:"" help:"Merge files, so that reads have less to do."`
	Expire   Expire   `cmd:"" help:"Remove old snapshots and the files that nothing else needs."`
	Tag      Tag      `cmd:"" help:"List tags, or name or unname a snapshot."`
	Rollback Rollback `cmd:"" help:"Make an earlier snapshot the newest; later ones are removed."`
	Files    Files    `cmd:"" help:"List the files of a snapshot."`
	Verify   Verify   `cmd:"" help:"Check that every file is there with the rows and checksums it must have."`
}

// Env is what a command works with; cmd/weir binds it.
type Env struct {
	Ctx    context.Context
	Stdin  io.Reader
	Stdout io.Writer
	// Note receives remarks that are not the answer (progress); io.Discard when
	// stderr must stay empty.
	Note io.Writer
	JSON bool // --json
}

// result prints an answer: v as JSON with --json, else text.
func (e *Env) result(v any, text string) error {
	if !e.JSON {
		_, err := fmt.Fprintln(e.Stdout, text)
		return err
	}
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.Stdout, "%s\n", data)
	return err
}

// Path names the table.
type Path struct {
	Path string `arg:"" help:"The table's folder, or s3://bucket/path."`
}

// read opens the table for commands that change nothing: they need no right to
// write, and no proof that a store honours conditional puts.
func (p Path) read(env *Env, opts table.Options) (*table.Table, error) {
	return p.openWith(env, opts, objstore.Options{S3: objstore.S3Options{ReadOnly: true}})
}

// open opens the table for commands that change it.
func (p Path) open(env *Env, opts table.Options) (*table.Table, error) {
	return p.openWith(env, opts, objstore.Options{})
}

// openWith opens the table; a folder that is none is an error that says what is there.
func (p Path) openWith(env *Env, opts table.Options, how objstore.Options) (*table.Table, error) {
	store, err := objstore.Open(env.Ctx, p.Path, how)
	if err != nil {
		return nil, err
	}
	t, err := table.Open(env.Ctx, store, "", opts)
	if errors.Is(err, schema.ErrNoTable) {
		return nil, errkind.Errorf(errkind.NotFound, "open table: %s: there is no table%s", p.Path, hint(env, store))
	}
	return t, err
}

// hint says what a folder without table seems to be instead.
func hint(env *Env, store objstore.Store) string {
	names, err := store.ListDirs(env.Ctx, "")
	switch {
	case err != nil || len(names) == 0:
		return ": the folder is missing or empty; make a table with `weir table create`"
	case len(names) > 0 && strings.HasSuffix(names[0], ".db"):
		return ": it is a warehouse; name a table in it, such as " + names[0] + "/TABLE"
	default:
		return ": a table's folder holds a folder `schema`; this one holds " + strings.Join(names[:min(5, len(names))], ", ")
	}
}

// Version picks a version of the table.
type Version struct {
	Snapshot  int64  `help:"Read snapshot N." placeholder:"N" group:"version"`
	Tag       string `help:"Read the snapshot of a tag." placeholder:"NAME" group:"version"`
	Timestamp string `help:"Read the newest snapshot at or before a time: RFC 3339, 'yyyy-MM-dd HH:mm:ss[.SSS]' in UTC, or Unix milliseconds." placeholder:"TS" group:"version"`
}

func (v Version) ref() (snapshot.Ref, error) {
	ref := snapshot.Ref{ID: snapshot.ID(v.Snapshot), Tag: v.Tag}
	if v.Timestamp != "" {
		at, err := parseTime(v.Timestamp)
		if err != nil {
			return ref, err
		}
		ref.At = at
	}
	return ref, nil
}

func parseTime(text string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999", time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	var ms int64
	if n, err := fmt.Sscanf(text, "%d", &ms); err == nil && n == 1 && fmt.Sprint(ms) == text {
		return time.UnixMilli(ms), nil
	}
	return time.Time{}, errkind.Errorf(errkind.Invalid, "--timestamp: %q is no time: write 2026-01-31T12:00:00Z, '2026-01-31 12:00:00' (UTC) or Unix milliseconds", text)
}
