package auth_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/meta"
	"github.com/weir-lake/weir/web/auth"
)

func open(t *testing.T, path string, now func() time.Time) (*auth.Store, *meta.DB) {
	t.Helper()
	db, err := meta.Open(t.Context(), meta.Options{Path: path}, auth.Migrations())
	if err != nil {
		t.Fatal(err)
	}
	return auth.New(db, now), db
}

func TestTokens(t *testing.T) {
	s, db := open(t, filepath.Join(t.TempDir(), "meta.db"), nil)
	defer db.Close()
	ctx := t.Context()
	secret, made, err := s.Create(ctx, auth.Grant{Name: "dash", Role: auth.Writer})
	if err != nil || !strings.HasPrefix(secret, "weir_") || len(secret) < 30 {
		t.Fatal(secret, err)
	}
	for range 2 { // from the database, then from memory
		got, err := s.Check(ctx, secret)
		if err != nil || got.ID != made.ID || got.Role != auth.Writer || got.Name != "dash" {
			t.Errorf("%+v %v, want %+v", got, err, made)
		}
	}
	for _, bad := range []string{"", secret[:len(secret)-1], secret + "x", strings.Repeat("x", 1000), strings.ToUpper(secret)} {
		if _, err := s.Check(ctx, bad); !errors.Is(err, auth.ErrDenied) {
			t.Errorf("%.20q: %v", bad, err)
		}
	}
	var stored string
	if err := db.Read().QueryRow(`SELECT hash FROM weir_auth_token`).Scan(&stored); err != nil || strings.Contains(stored, secret[5:]) {
		t.Errorf("stored %q %v", stored, err)
	}
	if all, err := s.List(ctx); err != nil || len(all) != 1 || all[0].ID != made.ID || all[0].Used == nil {
		t.Errorf("%+v %v", all, err)
	}
	if err := s.Revoke(ctx, made.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Check(ctx, secret); !errors.Is(err, auth.ErrDenied) {
		t.Errorf("a revoked token: %v", err)
	}
	if err := s.Revoke(ctx, made.ID); !errors.Is(err, auth.ErrNoToken) {
		t.Errorf("revoked twice: %v", err)
	}
	for _, name := range []string{"", strings.Repeat("n", 101), "two\nlines", " x", "\xff"} {
		if _, _, err := s.Create(ctx, auth.Grant{Name: name, Role: auth.Reader}); !errkind.Is(err, errkind.Invalid) {
			t.Errorf("name of %d characters: %v", len(name), err)
		}
	}
}

// A token revoked by another process is good for a few seconds more, not longer.
func TestRevokedElsewhere(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	s, db := open(t, filepath.Join(t.TempDir(), "meta.db"), func() time.Time { return now })
	defer db.Close()
	secret, made, err := s.Create(t.Context(), auth.Grant{Name: "dash", Role: auth.Writer})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Check(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	if err := db.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec(`DELETE FROM weir_auth_token WHERE id = $1`, made.ID)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Check(t.Context(), secret); err != nil {
		t.Errorf("remembered: %v", err)
	}
	now = now.Add(6 * time.Second)
	if _, err := s.Check(t.Context(), secret); !errors.Is(err, auth.ErrDenied) {
		t.Errorf("after the memory's time: %v", err)
	}
}

func TestFirstToken(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "data", "token")
	s, db := open(t, filepath.Join(dir, "a.db"), nil)
	secret, err := s.EnsureFile(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	if again, err := s.EnsureFile(t.Context(), file); err != nil || again != secret {
		t.Errorf("again: %v", err)
	}
	if all, err := s.List(t.Context()); err != nil || len(all) != 1 {
		t.Errorf("%+v %v", all, err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	// The metadata is lost: clients keep their token.
	s, db = open(t, filepath.Join(dir, "b.db"), nil)
	defer db.Close()
	if again, err := s.EnsureFile(t.Context(), file); err != nil || again != secret {
		t.Errorf("after the loss: %v", err)
	}
	if _, err := s.Check(t.Context(), secret); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(file, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.EnsureFile(t.Context(), file); !errkind.Is(err, errkind.Invalid) {
		t.Errorf("a file without a token: %v", err)
	}
}

func TestUser(t *testing.T) {
	if u := auth.User(context.Background()); u != "" {
		t.Errorf("user %q", u)
	}
	if u := auth.User(auth.WithToken(context.Background(), auth.Token{Name: "dash"})); u != "dash" {
		t.Errorf("user %q", u)
	}
}
