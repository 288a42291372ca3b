package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/meta"
)

//go:embed migrations/*.sql
var migrationsFS embed.FS

// Migrations are the tables of this package, for meta.Open.
func Migrations() meta.Migrations {
	sub, err := fs.Sub(migrationsFS, "migrations")
	if err != nil {
		panic(err) // the embedded folder has another name than the code says
	}
	return meta.Migrations{Name: "auth", FS: sub}
}

// Sentinels of the package.
var (
	// ErrDenied: the token is missing, wrong, expired or revoked.
	ErrDenied = errkind.New(errkind.Denied, "auth: no valid token; send the header Authorization: Bearer TOKEN (the first token is in the file `token` of the service's data folder)")
	// ErrNoToken: there is no token of that id.
	ErrNoToken = errkind.New(errkind.NotFound, "auth: no such token")
)

const (
	tokenPrefix = "weir_" // so that scanners for leaked secrets recognise one
	tokenBytes  = 20      // 160 random bits
	// cacheTTL is how long another process's revocation may go unnoticed.
	cacheTTL = 5 * time.Second
	// cacheMax bounds the tokens remembered.
	cacheMax    = 10_000
	nameMax     = 100 // characters
	tokenLenMax = 200
	// usedEvery is how exactly the time of a token's last use is kept: each note is a write.
	usedEvery = time.Minute
	// expiryMax bounds how long a token with an expiry may live.
	expiryMax = 10 * 365 * 24 * time.Hour
)

// Token is a token as people see it: without its secret.
type Token struct {
	ID      string     `json:"id"`
	Name    string     `json:"name"`
	Role    Role       `json:"role" enum:"reader,writer,operator,admin"`
	User    string     `json:"user,omitempty" doc:"whose login made it"`
	Session bool       `json:"session,omitempty" doc:"made by a login"`
	Created time.Time  `json:"created"`
	Expires *time.Time `json:"expires,omitempty" doc:"none: it is good until it is revoked"`
	Used    *time.Time `json:"used,omitempty" doc:"when it was last used, to the minute"`
}

// expired reports whether the token's time is over.
func (t *Token) expired(now time.Time) bool { return t.Expires != nil && !now.Before(*t.Expires) }

// Grant says what a new token is good for.
type Grant struct {
	Name    string
	Role    Role
	Expires time.Duration // from now; 0: until revoked
	user    string
	session bool
}

// Store keeps tokens and users. It is safe for concurrent use.
type Store struct {
	db      *meta.DB
	now     func() time.Time
	hashing chan struct{} // one slot a password that is hashed at once
	tries   *tries
	mu      struct {
		sync.Mutex
		known map[string]*cached // by hash
	}
}

type cached struct {
	token Token
	until time.Time
	used  time.Time // as stored
}

// New makes a store over a database that was opened with Migrations. A nil now is time.Now.
func New(db *meta.DB, now func() time.Time) *Store {
	if now == nil {
		now = time.Now
	}
	s := &Store{db: db, now: now, hashing: make(chan struct{}, hashingMax), tries: newTries()}
	s.mu.known = map[string]*cached{}
	return s
}

func hashOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// Create makes a token; the secret is told this once.
func (s *Store) Create(ctx context.Context, g Grant) (secret string, t Token, err error) {
	b := make([]byte, tokenBytes)
	if _, err := rand.Read(b); err != nil {
		return "", Token{}, fmt.Errorf("make a token: %w", err)
	}
	secret = tokenPrefix + strings.ToLower(base32.StdEncoding.EncodeToString(b))
	t, err = s.register(ctx, g, secret)
	return secret, t, err
}

func (s *Store) register(ctx context.Context, g Grant, secret string) (Token, error) {
	if err := checkName("a token's name", g.Name); err != nil {
		return Token{}, err
	}
	if _, err := ParseRole(string(g.Role)); err != nil {
		return Token{}, err
	}
	if g.Expires < 0 || g.Expires > expiryMax {
		return Token{}, errkind.Errorf(errkind.Invalid, "auth: a token expires after 0 (never) to %d hours, not %s", int(expiryMax.Hours()), g.Expires)
	}
	t := Token{ID: uuid.NewString(), Name: g.Name, Role: g.Role, User: g.user, Session: g.session, Created: s.now().UTC().Truncate(time.Millisecond)}
	var expires any
	if g.Expires > 0 {
		at := t.Created.Add(g.Expires)
		t.Expires, expires = &at, at.UnixMilli()
	}
	err := s.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO weir_auth_token (id, name, hash, created_ms, role, user_name, session, expires_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			t.ID, t.Name, hashOf(secret), t.Created.UnixMilli(), string(t.Role), t.User, boolInt(t.Session), expires)
		return err
	})
	if err != nil {
		return Token{}, fmt.Errorf("store token: %w", err)
	}
	return t, nil
}

func boolInt(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// checkName bounds what people call things. Control characters would forge lines in logs.
func checkName(what, name string) error {
	n := utf8.RuneCountInString(name)
	if n < 1 || n > nameMax || !utf8.ValidString(name) || strings.TrimSpace(name) != name ||
		strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return errkind.Errorf(errkind.Invalid, "auth: %s has 1 to %d characters, without control characters and blanks at its ends", what, nameMax)
	}
	return nil
}

// Check says whose token it is, or ErrDenied.
func (s *Store) Check(ctx context.Context, secret string) (Token, error) {
	if secret == "" || len(secret) > tokenLenMax {
		return Token{}, ErrDenied
	}
	h := hashOf(secret)
	now := s.now()
	s.mu.Lock()
	c, ok := s.mu.known[h]
	s.mu.Unlock()
	if !ok || !now.Before(c.until) {
		t, err := s.find(ctx, h)
		if err != nil {
			return Token{}, err
		}
		c = &cached{token: t, until: now.Add(cacheTTL)}
		if t.Used != nil {
			c.used = *t.Used
		}
		if now.Sub(c.used) >= usedEvery {
			s.noteUse(ctx, t.ID, now)
			c.used = now
		}
		s.mu.Lock()
		if len(s.mu.known) >= cacheMax {
			clear(s.mu.known)
		}
		s.mu.known[h] = c
		s.mu.Unlock()
	}
	if c.token.expired(now) {
		return Token{}, ErrDenied
	}
	return c.token, nil
}

// noteUse stores when a token was used. It is for people only: a failure is none of the caller's.
func (s *Store) noteUse(ctx context.Context, id string, now time.Time) {
	_ = s.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE weir_auth_token SET used_ms = $2 WHERE id = $1`, id, now.UnixMilli())
		return err
	})
}

const tokenColumns = `id, name, created_ms, role, user_name, session, expires_ms, used_ms`

func scanToken(row interface{ Scan(...any) error }) (Token, error) {
	var t Token
	var created, session int64
	var expires, used sql.NullInt64
	var role string
	if err := row.Scan(&t.ID, &t.Name, &created, &role, &t.User, &session, &expires, &used); err != nil {
		return t, err
	}
	t.Role, t.Session, t.Created = Role(role), session != 0, time.UnixMilli(created).UTC()
	for _, at := range []struct {
		ms  sql.NullInt64
		dst **time.Time
	}{{expires, &t.Expires}, {used, &t.Used}} {
		if at.ms.Valid {
			v := time.UnixMilli(at.ms.Int64).UTC()
			*at.dst = &v
		}
	}
	return t, nil
}

func (s *Store) find(ctx context.Context, hash string) (Token, error) {
	t, err := scanToken(s.db.Read().QueryRowContext(ctx, `SELECT `+tokenColumns+` FROM weir_auth_token WHERE hash = $1`, hash))
	if errors.Is(err, sql.ErrNoRows) {
		return Token{}, ErrDenied
	}
	if err != nil {
		return Token{}, errkind.Errorf(errkind.Unavailable, "look up token: %w", err)
	}
	return t, nil
}

// List gives all tokens, oldest first.
func (s *Store) List(ctx context.Context) ([]Token, error) {
	rows, err := s.db.Read().QueryContext(ctx, `SELECT `+tokenColumns+` FROM weir_auth_token ORDER BY created_ms, id`)
	if err != nil {
		return nil, fmt.Errorf("list tokens: %w", err)
	}
	defer rows.Close()
	out := []Token{}
	for rows.Next() {
		t, err := scanToken(rows)
		if err != nil {
			return nil, fmt.Errorf("list tokens: %w", err)
		}
		out = append(out, t)
	}
	return out, rows.Err()
}

// Revoke ends a token. This process notices at once, others within 5 s.
func (s *Store) Revoke(ctx context.Context, id string) error {
	if checkName("id", id) != nil { // nobody's, and no database looks for a NUL
		return fmt.Errorf("%w: %q", ErrNoToken, id)
	}
	n, err := s.remove(ctx, `DELETE FROM weir_auth_token WHERE id = $1`, id)
	switch {
	case err != nil:
		return fmt.Errorf("revoke token %s: %w", id, err)
	case n == 0:
		return fmt.Errorf("%w: %s", ErrNoToken, id)
	}
	return nil
}

// remove deletes tokens and forgets all that is known of tokens.
func (s *Store) remove(ctx context.Context, stmt string, args ...any) (n int64, err error) {
	err = s.db.Write(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, stmt, args...)
		if err != nil {
			return err
		}
		n, err = res.RowsAffected()
		return err
	})
	s.forget()
	return n, err
}

func (s *Store) forget() {
	s.mu.Lock()
	clear(s.mu.known)
	s.mu.Unlock()
}

// firstName is the name of the token in the service's data folder.
const firstName = "first"

// tokenMode: only the service's own user reads the token.
const tokenMode = 0o600

// EnsureFile returns the token in the file, making it if there is none, and sees to it that the
// database knows it, as an administrator's: after the database was lost the clients' token still works.
func (s *Store) EnsureFile(ctx context.Context, path string) (string, error) {
	first := Grant{Name: firstName, Role: Admin}
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read token file: %w", err)
	}
	if secret := strings.TrimSpace(string(data)); secret != "" {
		if _, err := s.Check(ctx, secret); err == nil || !errors.Is(err, ErrDenied) {
			return secret, err
		}
		if len(secret) < tokenBytes || len(secret) > tokenLenMax {
			return "", errkind.Errorf(errkind.Invalid, "token file %s holds no token: delete it, a new one is made", path)
		}
		_, err := s.register(ctx, first, secret)
		return secret, err
	}
	secret, _, err := s.Create(ctx, first)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", fmt.Errorf("write token file: %w", err)
	}
	if err := os.WriteFile(path, []byte(secret+"\n"), tokenMode); err != nil {
		return "", fmt.Errorf("write token file: %w", err)
	}
	return secret, nil
}
