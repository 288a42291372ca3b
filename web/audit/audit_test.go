package audit_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-lake/weir/internal/testpeer"
	"github.com/weir-lake/weir/storage/meta"
	"github.com/weir-lake/weir/web/audit"
)

func TestEntries(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) { entries(t, meta.Options{Path: filepath.Join(t.TempDir(), "meta.db")}) })
	t.Run("PostgreSQL", func(t *testing.T) { entries(t, meta.Options{DSN: testpeer.Postgres(t)}) })
}

func entries(t *testing.T, o meta.Options) {
	db, err := meta.Open(t.Context(), o, audit.Migrations())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	now := time.UnixMilli(1_700_000_000_000)
	var lines bytes.Buffer
	l := audit.New(db, func() time.Time { return now }, slog.New(slog.NewJSONHandler(&lines, nil)))
	for i, e := range []audit.Entry{
		{User: "ann", Operation: "query", Statement: "SELECT 1", Outcome: audit.OK, Status: 200},
		{User: "bob", Operation: "query", Statement: "CREATE TABLE t WITH ('password' = 'geheim', 'path' = '/x')", Outcome: audit.Denied, Status: 403, Error: "no\x00"},
		{User: "ann", Operation: "push-rows", Path: "/v1/tables/a_b/t/rows", Outcome: audit.OK, Status: 200, Millis: 1.5},
		{User: "ann", Operation: "query", Statement: strings.Repeat("é", 10_000), Outcome: audit.Failed, Status: 500},
	} {
		e.At = now.Add(time.Duration(i) * time.Minute)
		l.Add(e)
	}
	ids := func(f audit.Filter) string {
		t.Helper()
		got, err := l.Find(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		out := ""
		for _, e := range got {
			out += string("0123456789"[e.ID-now.UnixMicro()])
		}
		return out
	}
	for want, f := range map[string]audit.Filter{
		"3210": {}, "320": {User: "ann"}, "1": {Outcome: audit.Denied}, "2": {Search: "A_B"}, "32": {From: now.Add(2 * time.Minute)},
		"0": {Before: now.UnixMicro() + 1}, "10": {To: now.Add(2 * time.Minute)}, "3": {Limit: 1}, "": {Search: "a%b"},
	} {
		if got := ids(f); got != want {
			t.Errorf("%+v: %s, want %s", f, got, want)
		}
	}
	all, err := l.Find(t.Context(), audit.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	if s := all[2].Statement; strings.Contains(s, "geheim") || !strings.Contains(s, "'/x'") || strings.Contains(lines.String(), "geheim") {
		t.Errorf("the secret is kept: %s", s)
	}
	if n := len(all[0].Statement); n > 9<<10 || !strings.HasPrefix(all[0].Statement, "éé") {
		t.Errorf("%d bytes kept", n)
	}
	if n := strings.Count(lines.String(), `"msg":"audit"`); n != 4 {
		t.Errorf("%d lines in the log", n)
	}
	// They are there after a restart; the old ones go.
	l.Stop()
	l = audit.New(db, func() time.Time { return now.Add(100 * 24 * time.Hour) }, nil)
	defer l.Stop()
	if got := ids(audit.Filter{}); got != "3210" {
		t.Errorf("after the restart: %s", got)
	}
	l.Add(audit.Entry{At: now.Add(100 * 24 * time.Hour), User: "new", Outcome: audit.OK})
	if got, err := l.Find(t.Context(), audit.Filter{}); err != nil || len(got) != 1 || got[0].User != "new" {
		t.Errorf("%+v %v", got, err)
	}
}

func TestNotes(t *testing.T) {
	ctx, done := audit.With(t.Context(), audit.Entry{Operation: "query"})
	audit.NoteStatement(ctx, "SELECT 1")
	audit.NoteError(ctx, errors.New("gone"))
	audit.NoteUser(ctx, "ann")
	if e := done(); e.Statement != "SELECT 1" || e.Error != "gone" || e.User != "ann" || e.Operation != "query" {
		t.Errorf("%+v", e)
	}
	audit.NoteStatement(context.Background(), "outside of requests") // does nothing
}
