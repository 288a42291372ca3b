package auth

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/alexedwards/argon2id"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/meta"
)

// Sentinels of users.
var (
	// ErrNoUser: there is no user of that name.
	ErrNoUser = errkind.New(errkind.NotFound, "auth: no such user")
	// ErrUserExists: the name is taken.
	ErrUserExists = errkind.New(errkind.Exists, "auth: a user of that name exists")
	// ErrLogin: the name or the password is wrong; which of them is not told.
	ErrLogin = errkind.New(errkind.Denied, "auth: wrong name or password")
	// ErrTries: too many tries to log in.
	ErrTries = errkind.New(errkind.Exhausted, "auth: too many tries to log in; wait a minute")
)

const (
	passwordLeast = 10  // characters
	passwordMost  = 256 // bytes: hashing must stay cheap
	// SessionTTL is how long a login is good for.
	SessionTTL = 12 * time.Hour
	// hashingMax bounds the passwords that are hashed at once, with the memory of each.
	hashingMax = 2
	// sessionsOfUserMax bounds the logins of one user at a time; the oldest end.
	sessionsOfUserMax = 50
)

// hashParams are those that OWASP asks for at least: 19 MiB, two passes, one thread.
var hashParams = &argon2id.Params{Memory: 19 << 10, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// nobody is a hash that no password has: checking against it takes as long as checking a user's.
const nobody = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// Account is a user as people see it: without the password's hash.
type Account struct {
	Name    string    `json:"name"`
	Role    Role      `json:"role" enum:"reader,writer,operator,admin"`
	Created time.Time `json:"created"`
	Changed time.Time `json:"changed" doc:"when password or role was last set"`
}

func checkPassword(password string) error {
	if utf8.RuneCountInString(password) < passwordLeast || len(password) > passwordMost {
		return errkind.Errorf(errkind.Invalid, "auth: a password has at least %d characters and at most %d bytes", passwordLeast, passwordMost)
	}
	return nil
}

// hash hashes a password, waiting for a slot.
func (s *Store) hash(ctx context.Context, password string) (string, error) {
	if err := s.enter(ctx); err != nil {
		return "", err
	}
	defer func() { <-s.hashing }()
	h, err := argon2id.CreateHash(password, hashParams)
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	return h, nil
}

func (s *Store) enter(ctx context.Context) error {
	select {
	case s.hashing <- struct{}{}:
		return nil
	case <-ctx.Done():
		return errkind.Errorf(errkind.Unavailable, "wait to hash a password: %w", context.Cause(ctx))
	}
}

// CreateUser makes a user, or ErrUserExists.
func (s *Store) CreateUser(ctx context.Context, name, password string, role Role) (Account, error) {
	if err := checkName("a user's name", name); err != nil {
		return Account{}, err
	}
	if err := checkPassword(password); err != nil {
		return Account{}, err
	}
	if _, err := ParseRole(string(role)); err != nil {
		return Account{}, err
	}
	h, err := s.hash(ctx, password)
	if err != nil {
		return Account{}, err
	}
	now := s.now().UTC().Truncate(time.Millisecond)
	u := Account{Name: name, Role: role, Created: now, Changed: now}
	err = s.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO weir_auth_user (name, role, hash, created_ms, changed_ms) VALUES ($1, $2, $3, $4, $4)`,
			name, string(role), h, now.UnixMilli())
		return err
	})
	if meta.IsUnique(err) {
		return Account{}, fmt.Errorf("%w: %s", ErrUserExists, name)
	}
	if err != nil {
		return Account{}, fmt.Errorf("store user %s: %w", name, err)
	}
	return u, nil
}

// Users gives all users by name.
func (s *Store) Users(ctx context.Context) ([]Account, error) {
	rows, err := s.db.Read().QueryContext(ctx, `SELECT name, role, created_ms, changed_ms FROM weir_auth_user ORDER BY name`)
	if err != nil {
		return nil, fmt.Errorf("list users: %w", err)
	}
	defer rows.Close()
	out := []Account{}
	for rows.Next() {
		u, err := scanUser(rows)
		if err != nil {
			return nil, fmt.Errorf("list users: %w", err)
		}
		out = append(out, u)
	}
	return out, rows.Err()
}

func scanUser(row interface{ Scan(...any) error }) (Account, error) {
	var u Account
	var role string
	var created, changed int64
	if err := row.Scan(&u.Name, &role, &created, &changed); err != nil {
		return u, err
	}
	u.Role, u.Created, u.Changed = Role(role), time.UnixMilli(created).UTC(), time.UnixMilli(changed).UTC()
	return u, nil
}

// User is one user, or ErrNoUser.
func (s *Store) User(ctx context.Context, name string) (Account, error) {
	if checkName("name", name) != nil { // nobody's, and no database looks for a NUL
		return Account{}, fmt.Errorf("%w: %q", ErrNoUser, name)
	}
	u, err := scanUser(s.db.Read().QueryRowContext(ctx, `SELECT name, role, created_ms, changed_ms FROM weir_auth_user WHERE name = $1`, name))
	if errors.Is(err, sql.ErrNoRows) {
		return u, fmt.Errorf("%w: %s", ErrNoUser, name)
	}
	if err != nil {
		return u, fmt.Errorf("read user %s: %w", name, err)
	}
	return u, nil
}

// DeleteUser removes a user and ends the user's logins.
func (s *Store) DeleteUser(ctx context.Context, name string) error {
	return s.change(ctx, name, `DELETE FROM weir_auth_user WHERE name = $1`)
}

// SetPassword replaces a user's password and ends the user's logins.
func (s *Store) SetPassword(ctx context.Context, name, password string) error {
	if err := checkPassword(password); err != nil {
		return err
	}
	h, err := s.hash(ctx, password)
	if err != nil {
		return err
	}
	return s.change(ctx, name, `UPDATE weir_auth_user SET hash = $2, changed_ms = $3 WHERE name = $1`, h, s.now().UnixMilli())
}

// SetRole gives a user another role and ends the user's logins, which have the old one.
func (s *Store) SetRole(ctx context.Context, name string, role Role) error {
	if _, err := ParseRole(string(role)); err != nil {
		return err
	}
	return s.change(ctx, name, `UPDATE weir_auth_user SET role = $2, changed_ms = $3 WHERE name = $1`, string(role), s.now().UnixMilli())
}

// change runs a statement about the user named by its first argument, and ends the user's logins with it.
func (s *Store) change(ctx context.Context, name, stmt string, args ...any) error {
	if checkName("name", name) != nil {
		return fmt.Errorf("%w: %q", ErrNoUser, name)
	}
	err := s.db.Write(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, stmt, append([]any{name}, args...)...)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("%w: %s", ErrNoUser, name)
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM weir_auth_token WHERE user_name = $1`, name)
		return err
	})
	s.forget()
	if err != nil && !errors.Is(err, ErrNoUser) {
		return fmt.Errorf("change user %s: %w", name, err)
	}
	return err
}

// Login checks a password and gives a token for a while. Tries are bounded by name and by address.
func (s *Store) Login(ctx context.Context, name, password, remote string) (secret string, t Token, err error) {
	if !s.tries.allow("name "+name, s.now()) || !s.tries.allow("addr "+remote, s.now()) {
		return "", Token{}, ErrTries
	}
	u, err := s.verify(ctx, name, password)
	if err != nil {
		return "", Token{}, err
	}
	// Logins that are over go now: nothing else looks for them.
	_, err = s.remove(ctx, `DELETE FROM weir_auth_token WHERE session = 1 AND (expires_ms <= $2 OR id IN
		(SELECT id FROM weir_auth_token WHERE session = 1 AND user_name = $1 ORDER BY created_ms DESC, id LIMIT 1000000 OFFSET $3))`,
		name, s.now().UnixMilli(), sessionsOfUserMax-1)
	if err != nil {
		return "", Token{}, fmt.Errorf("end old logins: %w", err)
	}
	return s.Create(ctx, Grant{Name: "login of " + shorten(name), Role: u.Role, Expires: SessionTTL, user: name, session: true})
}

// shorten leaves room for words around a name.
func shorten(name string) string {
	const most = nameMax - 20
	if r := []rune(name); len(r) > most {
		return string(r[:most])
	}
	return name
}

// verify checks a password, or ErrLogin. A name that is nobody's takes as long as a wrong password.
func (s *Store) verify(ctx context.Context, name, password string) (Account, error) {
	if len(password) > passwordMost || checkName("name", name) != nil {
		return Account{}, ErrLogin
	}
	stored := nobody
	err := s.db.Read().QueryRowContext(ctx, `SELECT hash FROM weir_auth_user WHERE name = $1`, name).Scan(&stored)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return Account{}, errkind.Errorf(errkind.Unavailable, "look up user: %w", err)
	}
	if err := s.enter(ctx); err != nil {
		return Account{}, err
	}
	defer func() { <-s.hashing }()
	ok, err := argon2id.ComparePasswordAndHash(password, stored)
	if err != nil {
		return Account{}, errkind.Errorf(errkind.Corrupt, "check password of %s: %w", name, err)
	}
	if !ok || stored == nobody {
		return Account{}, ErrLogin
	}
	return s.User(ctx, name)
}

// ChangeOwn replaces the password of a user who knows the old one.
func (s *Store) ChangeOwn(ctx context.Context, name, old, password, remote string) error {
	if !s.tries.allow("name "+name, s.now()) || !s.tries.allow("addr "+remote, s.now()) {
		return ErrTries
	}
	if _, err := s.verify(ctx, name, old); err != nil {
		return err
	}
	return s.SetPassword(ctx, name, password)
}
