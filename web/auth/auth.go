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
	// ErrDenied: the token is missing, wrong or revoked.
	ErrDenied = errkind.New(errkind.Denied, "auth: no valid token; send the header Authorization: Bearer TOKEN (the first token is in the file `token` of the service's data folder)")
	// ErrNoToken: there is no token of that id.
	ErrNoToken = errkind.New(errkind.NotFound, "auth: no such token")
)

const (
	tokenPrefix = "weir_" // so that scanners for leaked secrets recognise one
	tokenBytes  = 20      // 160 random bits
	// cacheTTL is how long another process's revocation may go unnoticed.
	cacheTTL = 5 * time.Second
	// cacheMax bounds the tokens remembered, right and wrong ones apart from each other.
	cacheMax    = 10_000
	nameMax     = 100
	tokenLenMax = 200
)

// Token is a token as people see it: without its secret.
type Token struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
}

// Store keeps tokens. It is safe for concurrent use.
type Store struct {
	db  *meta.DB
	now func() time.Time
	mu  struct {
		sync.Mutex
		known map[string]cached // by hash
	}
}

type cached struct {
	token Token
	until time.Time
}

// New makes a store over a database that was opened with Migrations. A nil now is time.Now.
func New(db *meta.DB, now func() time.Time) *Store {
	if now == nil {
		now = time.Now
	}
	s := &Store{db: db, now: now}
	s.mu.known = map[string]cached{}
	return s
}

func hashOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// Create makes a token; the secret is told this once.
func (s *Store) Create(ctx context.Context, name string) (secret string, t Token, err error) {
	b := make([]byte, tokenBytes)
	if _, err := rand.Read(b); err != nil {
		return "", Token{}, fmt.Errorf("make a token: %w", err)
	}
	secret = tokenPrefix + strings.ToLower(base32.StdEncoding.EncodeToString(b))
	t, err = s.register(ctx, name, secret)
	return secret, t, err
}

func (s *Store) register(ctx context.Context, name, secret string) (Token, error) {
	if name == "" || len(name) > nameMax {
		return Token{}, errkind.Errorf(errkind.Invalid, "auth: a token's name has 1 to %d characters, not %d", nameMax, len(name))
	}
	t := Token{ID: uuid.NewString(), Name: name, Created: s.now().UTC().Truncate(time.Millisecond)}
	err := s.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO weir_auth_token (id, name, hash, created_ms) VALUES ($1, $2, $3, $4)`,
			t.ID, t.Name, hashOf(secret), t.Created.UnixMilli())
		return err
	})
	if err != nil {
		return Token{}, fmt.Errorf("store token: %w", err)
	}
	return t, nil
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
	if ok && now.Before(c.until) {
		return c.token, nil
	}
	t, err := s.find(ctx, h)
	if err != nil {
		return Token{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.mu.known) >= cacheMax {
		clear(s.mu.known)
	}
	s.mu.known[h] = cached{t, now.Add(cacheTTL)}
	return t, nil
}

func (s *Store) find(ctx context.Context, hash string) (Token, error) {
	var t Token
	var ms int64
	err := s.db.Read().QueryRowContext(ctx, `SELECT id, name, created_ms FROM weir_auth_token WHERE hash = $1`, hash).Scan(&t.ID, &t.Name, &ms)
	if errors.Is(err, sql.ErrNoRows) {
		return Token{}, ErrDenied
	}
	if err != nil {
		return Token{}, errkind.Errorf(errkind.Unavailable, "look up token: %w", err)
	}
	t.Created = time.UnixMilli(ms).UTC()
	return t, nil
}

// List gives all tokens, oldest first.
func (s *Store) List(ctx context.Context) ([]Token, error) {
	rows, err := s.db.Read().QueryContext(ctx, `SELECT id, name, created_ms FROM weir_auth_token ORDER BY created_ms, id`)
	if err != nil {
		return nil, fmt.Errorf("list tokens: %w", err)
	}
	defer rows.Close()
	out := []Token{}
	for rows.Next() {
		var t Token
		var ms int64
		if err := rows.Scan(&t.ID, &t.Name, &ms); err != nil {
			return nil, fmt.Errorf("list tokens: %w", err)
		}
		t.Created = time.UnixMilli(ms).UTC()
		out = append(out, t)
	}
	return out, rows.Err()
}

// Revoke ends a token. This process notices at once, others within 5 s.
func (s *Store) Revoke(ctx context.Context, id string) error {
	var n int64
	err := s.db.Write(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `DELETE FROM weir_auth_token WHERE id = $1`, id)
		if err != nil {
			return err
		}
		n, err = res.RowsAffected()
		return err
	})
	s.mu.Lock()
	clear(s.mu.known)
	s.mu.Unlock()
	switch {
	case err != nil:
		return fmt.Errorf("revoke token %s: %w", id, err)
	case n == 0:
		return fmt.Errorf("%w: %s", ErrNoToken, id)
	}
	return nil
}

// firstName is the name of the token in the service's data folder.
const firstName = "first"

// tokenMode: only the service's own user reads the token.
const tokenMode = 0o600

// EnsureFile returns the token in the file, making it if there is none, and sees to it that the
// database knows it: after the database was lost the clients' token still works.
func (s *Store) EnsureFile(ctx context.Context, path string) (string, error) {
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
		_, err := s.register(ctx, firstName, secret)
		return secret, err
	}
	secret, _, err := s.Create(ctx, firstName)
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

// userKey marks the context of a request with who makes it.
type userKey struct{}

// WithToken says in ctx who calls.
func WithToken(ctx context.Context, t Token) context.Context {
	return context.WithValue(ctx, userKey{}, t)
}

// User is the name of the caller's token; empty outside of requests.
func User(ctx context.Context) string {
	t, _ := ctx.Value(userKey{}).(Token)
	return t.Name
}
