package auth_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/internal/testpeer"
	"github.com/weir-lake/weir/storage/meta"
	"github.com/weir-lake/weir/web/auth"
)

const password = "correct horse"

func TestRoles(t *testing.T) {
	all := auth.Roles()
	for i, have := range all {
		for j, least := range all {
			if got := have.Includes(least); got != (i >= j) {
				t.Errorf("%s does what %s may: %t", have, least, got)
			}
		}
		if got, err := auth.ParseRole(string(have)); err != nil || got != have {
			t.Errorf("%s: %s %v", have, got, err)
		}
	}
	if auth.Role("").Includes(auth.Reader) || auth.Role("root").Includes(auth.Reader) || auth.Admin.Includes("root") {
		t.Error("an unknown role may do something")
	}
	if _, err := auth.ParseRole("root"); !errkind.Is(err, errkind.Invalid) || !strings.Contains(err.Error(), "operator") {
		t.Error(err)
	}
}

func TestTokensExpire(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	s, db := open(t, filepath.Join(t.TempDir(), "meta.db"), func() time.Time { return now })
	defer db.Close()
	secret, made, err := s.Create(t.Context(), auth.Grant{Name: "short", Role: auth.Reader, Expires: time.Second})
	if err != nil || made.Expires == nil {
		t.Fatal(made, err)
	}
	if _, err := s.Check(t.Context(), secret); err != nil {
		t.Error(err)
	}
	now = now.Add(time.Second) // although it is remembered for longer
	if _, err := s.Check(t.Context(), secret); !errors.Is(err, auth.ErrDenied) {
		t.Errorf("at its end: %v", err)
	}
	for _, g := range []auth.Grant{{Name: "x", Role: "root"}, {Name: "x"}, {Name: "x", Role: auth.Reader, Expires: -1}, {Name: "x", Role: auth.Reader, Expires: 100_000 * time.Hour}} {
		if _, _, err := s.Create(t.Context(), g); !errkind.Is(err, errkind.Invalid) {
			t.Errorf("%+v: %v", g, err)
		}
	}
}

func TestUsersLogIn(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) { usersLogIn(t, meta.Options{Path: filepath.Join(t.TempDir(), "meta.db")}) })
	t.Run("PostgreSQL", func(t *testing.T) { usersLogIn(t, meta.Options{DSN: testpeer.Postgres(t)}) })
}

func usersLogIn(t *testing.T, o meta.Options) {
	now := time.Unix(1_000_000, 0)
	db, err := meta.Open(t.Context(), o, auth.Migrations())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	s := auth.New(db, func() time.Time { return now })
	ctx := t.Context()
	ann, err := s.CreateUser(ctx, "ann", password, auth.Writer)
	if err != nil || ann.Role != auth.Writer {
		t.Fatal(ann, err)
	}
	if _, err := s.CreateUser(ctx, "ann", password, auth.Reader); !errors.Is(err, auth.ErrUserExists) {
		t.Errorf("twice: %v", err)
	}
	var hash string
	if err := db.Read().QueryRow(`SELECT hash FROM weir_auth_user`).Scan(&hash); err != nil || !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("stored %q %v", hash, err)
	}
	login := func(name, pass string) (string, error) {
		secret, _, err := s.Login(ctx, name, pass, "127.0.0.1")
		now = now.Add(time.Minute) // so that tries are not what is refused
		return secret, err
	}
	secret, err := login("ann", password)
	if err != nil {
		t.Fatal(err)
	}
	tok, err := s.Check(ctx, secret)
	if err != nil || tok.Role != auth.Writer || tok.User != "ann" || !tok.Session || auth.User(auth.WithToken(ctx, tok)) != "ann" {
		t.Errorf("%+v %v", tok, err)
	}
	for _, bad := range [][2]string{{"ann", "wrong horses"}, {"bob", password}, {"ann", strings.Repeat("x", 1000)}, {"a\x00b", password}, {"", ""}} {
		if _, err := login(bad[0], bad[1]); !errors.Is(err, auth.ErrLogin) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	// A new password or role ends the logins that have the old one.
	if err := s.SetRole(ctx, "ann", auth.Reader); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Check(ctx, secret); !errors.Is(err, auth.ErrDenied) {
		t.Errorf("with the old role: %v", err)
	}
	if secret, err = login("ann", password); err != nil {
		t.Fatal(err)
	}
	if err := s.ChangeOwn(ctx, "ann", "wrong horses", "another one", "x"); !errors.Is(err, auth.ErrLogin) {
		t.Errorf("without the old password: %v", err)
	}
	if err := s.ChangeOwn(ctx, "ann", password, "another one", "x"); err != nil {
		t.Error(err)
	}
	if _, err := s.Check(ctx, secret); !errors.Is(err, auth.ErrDenied) {
		t.Errorf("with the old password: %v", err)
	}
	if secret, err = login("ann", "another one"); err != nil {
		t.Fatal(err)
	}
	now = now.Add(auth.SessionTTL)
	if _, err := s.Check(ctx, secret); !errors.Is(err, auth.ErrDenied) {
		t.Errorf("the next day: %v", err)
	}
	if err := s.DeleteUser(ctx, "ann"); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{s.DeleteUser(ctx, "ann"), s.SetRole(ctx, "ann", auth.Reader), s.SetPassword(ctx, "a\x00b", password)} {
		if !errors.Is(err, auth.ErrNoUser) {
			t.Errorf("nobody: %v", err)
		}
	}
	if us, err := s.Users(ctx); err != nil || len(us) != 0 {
		t.Errorf("%+v %v", us, err)
	}
}

func TestBadUsers(t *testing.T) {
	s, db := open(t, filepath.Join(t.TempDir(), "meta.db"), nil)
	defer db.Close()
	for _, bad := range []struct {
		name, password string
		role           auth.Role
	}{{"", password, auth.Reader}, {"a\nb", password, auth.Reader}, {"ann", "short", auth.Reader}, {"ann", strings.Repeat("x", 257), auth.Reader}, {"ann", password, "root"}} {
		if _, err := s.CreateUser(t.Context(), bad.name, bad.password, bad.role); !errkind.Is(err, errkind.Invalid) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

// Guessing is slow, for one name from anywhere and from one address for any name.
func TestTriesAreBounded(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	s, db := open(t, filepath.Join(t.TempDir(), "meta.db"), func() time.Time { return now })
	defer db.Close()
	try := func(name, addr string) error {
		_, _, err := s.Login(t.Context(), name, strings.Repeat("x", 300), addr) // refused before it is hashed
		return err
	}
	for i := range 10 {
		if err := try("ann", "a"); !errors.Is(err, auth.ErrLogin) {
			t.Fatalf("try %d: %v", i, err)
		}
	}
	if err := try("ann", "b"); !errors.Is(err, auth.ErrTries) {
		t.Errorf("the name: %v", err)
	}
	if err := try("bob", "a"); !errors.Is(err, auth.ErrTries) {
		t.Errorf("the address: %v", err)
	}
	now = now.Add(7 * time.Second)
	if err := try("ann", "c"); !errors.Is(err, auth.ErrLogin) {
		t.Errorf("after a while: %v", err)
	}
}

// A database of the time before roles: its tokens could do everything, and go on.
func TestOldTokensAreAdmins(t *testing.T) {
	path := filepath.Join(t.TempDir(), "meta.db")
	old := meta.Migrations{Name: "auth", FS: fstest.MapFS{"00001_tokens.sql": {Data: []byte("-- +goose Up\nCREATE TABLE weir_auth_token (\n" +
		"    id         TEXT   NOT NULL PRIMARY KEY,\n    name       TEXT   NOT NULL,\n    hash       TEXT   NOT NULL UNIQUE,\n    created_ms BIGINT NOT NULL\n);\n")}}}
	db, err := meta.Open(t.Context(), meta.Options{Path: path}, old)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec(`INSERT INTO weir_auth_token (id, name, hash, created_ms) VALUES ('1', 'old', 'hash', 5)`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s, db := open(t, path, nil)
	defer db.Close()
	all, err := s.List(t.Context())
	if err != nil || len(all) != 1 || all[0].Role != auth.Admin || all[0].Name != "old" || all[0].Expires != nil {
		t.Errorf("%+v %v", all, err)
	}
}

func TestCaller(t *testing.T) {
	ctx := auth.WithToken(auth.WithRemote(context.Background(), "10.0.0.1"), auth.Token{ID: "7", Name: "dash", Role: auth.Operator})
	if auth.User(ctx) != "dash" || auth.RoleOf(ctx) != auth.Operator || auth.Remote(ctx) != "10.0.0.1" || auth.TokenOf(ctx).ID != "7" {
		t.Errorf("%s %s %s", auth.User(ctx), auth.RoleOf(ctx), auth.Remote(ctx))
	}
	if auth.RoleOf(context.Background()) != "" || auth.User(context.Background()) != "" {
		t.Error("somebody calls outside of requests")
	}
}
