package audit

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-lake/weir/storage/meta"
	"github.com/weir-lake/weir/table/catalog"
)

//go:embed migrations/*.sql
var migrationsFS embed.FS

// Migrations are the tables of a Log, for meta.Open.
func Migrations() meta.Migrations {
	sub, err := fs.Sub(migrationsFS, "migrations")
	if err != nil {
		panic(err) // the embedded folder has another name than the code says
	}
	return meta.Migrations{Name: "audit", FS: sub}
}

const (
	// rowsMax and age bound the entries kept in the database: some hundred bytes each, with long statements
	// some KB.
	rowsMax = 100_000
	age     = 90 * 24 * time.Hour
	// statementMax bounds the text kept of a statement, in bytes.
	statementMax = 8 << 10
	// errorMax bounds the text kept of an error, in bytes.
	errorMax = 1 << 10
	// FindMax bounds one answer.
	FindMax = 1000
)

// Outcomes of a request.
const (
	OK      = "ok"
	Denied  = "denied"
	Refused = "refused" // it was wrong, or not possible now
	Failed  = "failed"  // weir's fault
)

// Entry is one request.
type Entry struct {
	ID        int64     `json:"id"`
	At        time.Time `json:"at"`
	User      string    `json:"user" doc:"who: the user logged in, else the token's name"`
	TokenID   string    `json:"token_id,omitempty"`
	Role      string    `json:"role,omitempty"`
	Operation string    `json:"operation" doc:"as the contract calls it"`
	Method    string    `json:"method"`
	Path      string    `json:"path"`
	Statement string    `json:"statement,omitempty" doc:"SQL, cut short, without secrets"`
	Outcome   string    `json:"outcome" enum:"ok,denied,refused,failed"`
	Status    int       `json:"status"`
	Error     string    `json:"error,omitempty"`
	Millis    float64   `json:"ms" doc:"how long it took"`
	Remote    string    `json:"remote,omitempty" doc:"address it came from"`
}

// entryKey marks the context of a request with its entry.
type entryKey struct{}

// open is the entry of a request under way. Handlers of one request may run goroutines.
type open struct {
	mu    sync.Mutex
	entry Entry
}

// With opens an entry in ctx; done gives it with what handlers have noted.
func With(ctx context.Context, e Entry) (_ context.Context, done func() Entry) {
	o := &open{entry: e}
	return context.WithValue(ctx, entryKey{}, o), func() Entry {
		o.mu.Lock()
		defer o.mu.Unlock()
		return o.entry
	}
}

// NoteStatement adds the statement that the request runs. Outside of requests it does nothing.
func NoteStatement(ctx context.Context, text string) {
	note(ctx, func(e *Entry) { e.Statement = text })
}

// NoteError adds what ended the request after its status was sent.
func NoteError(ctx context.Context, err error) {
	note(ctx, func(e *Entry) { e.Error = err.Error() })
}

// NoteUser names who calls where no token says it: a login.
func NoteUser(ctx context.Context, name string) {
	note(ctx, func(e *Entry) { e.User = name })
}

func note(ctx context.Context, fn func(*Entry)) {
	if o, ok := ctx.Value(entryKey{}).(*open); ok {
		o.mu.Lock()
		defer o.mu.Unlock()
		fn(&o.entry)
	}
}

// Log keeps entries. It is safe for concurrent use.
type Log struct {
	db      *meta.DB
	journal *meta.Journal[Entry]
	logger  *slog.Logger
	now     func() time.Time
	last    atomic.Int64 // id given last
}

// New keeps entries in a database that was opened with Migrations, and sends them to the logger. Stop it before the
// database is closed. A nil now is time.Now, a nil logger none.
func New(db *meta.DB, now func() time.Time, logger *slog.Logger) *Log {
	if now == nil {
		now = time.Now
	}
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	l := &Log{db: db, logger: logger, now: now}
	l.journal = meta.NewJournal(db, meta.JournalOptions[Entry]{Name: "audit", Insert: insert, Trim: l.trim, Logger: logger})
	return l
}

// Stop writes what is left. It may be called twice.
func (l *Log) Stop() { l.journal.Stop() }

// Add remembers an entry.
func (l *Log) Add(e Entry) {
	e.Statement = clean(catalog.RedactSQL(e.Statement), statementMax)
	e.Error, e.Path, e.User = clean(e.Error, errorMax), clean(e.Path, errorMax), clean(e.User, errorMax)
	e.ID = l.nextID()
	l.logger.Info("audit", "user", e.User, "token", e.TokenID, "role", e.Role, "operation", e.Operation, "path", e.Path, "statement", e.Statement,
		"outcome", e.Outcome, "status", e.Status, "error", e.Error, "ms", e.Millis, "remote", e.Remote)
	l.journal.Add(e)
}

// nextID counts the microseconds since 1970, so that ids grow over restarts; two processes may share one, which does
// no harm.
func (l *Log) nextID() int64 {
	for {
		last := l.last.Load()
		id := max(last+1, l.now().UnixMicro())
		if l.last.CompareAndSwap(last, id) {
			return id
		}
	}
}

// clean makes a text that every database stores.
func clean(s string, bytesMax int) string {
	if len(s) > bytesMax {
		s = s[:bytesMax] + " .."
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "?"), "\x00", "?")
}

func insert(ctx context.Context, tx *sql.Tx, e Entry) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO weir_audit_entry
		(id, at_ms, user_name, token_id, role, operation, method, path, statement, outcome, status, error, ms, remote)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
		e.ID, e.At.UnixMilli(), e.User, e.TokenID, e.Role, e.Operation, e.Method, e.Path, e.Statement, e.Outcome, e.Status, e.Error, e.Millis, e.Remote)
	return err
}

func (l *Log) trim(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM weir_audit_entry WHERE at_ms < $1 OR id <= (SELECT COALESCE(MAX(id), 0) FROM
		(SELECT id FROM weir_audit_entry ORDER BY id DESC LIMIT 1 OFFSET $2) AS old)`,
		l.now().Add(-age).UnixMilli(), rowsMax)
	return err
}

// Filter says which entries are wanted; the zero value is all of them.
type Filter struct {
	User      string
	Operation string
	Outcome   string
	Search    string // in statement and path, capital or not
	From, To  time.Time
	Before    int64 // only ids below; 0: all
	Limit     int   // 0: FindMax, which is the most
}

// Find gives entries, newest first.
func (l *Log) Find(ctx context.Context, f Filter) ([]Entry, error) {
	if err := l.journal.Flush(ctx); err != nil {
		return nil, err
	}
	where, args := f.where()
	limit := f.Limit
	if limit <= 0 || limit > FindMax {
		limit = FindMax
	}
	args = append(args, limit)
	rows, err := l.db.Read().QueryContext(ctx, fmt.Sprintf(`SELECT id, at_ms, user_name, token_id, role, operation, method, path, statement, outcome, status, error, ms, remote
		FROM weir_audit_entry WHERE %s ORDER BY id DESC LIMIT $%d`, where, len(args)), args...)
	if err != nil {
		return nil, fmt.Errorf("read the audit log: %w", err)
	}
	defer rows.Close()
	var out []Entry
	for rows.Next() {
		var e Entry
		var at int64
		if err := rows.Scan(&e.ID, &at, &e.User, &e.TokenID, &e.Role, &e.Operation, &e.Method, &e.Path, &e.Statement, &e.Outcome, &e.Status, &e.Error, &e.Millis, &e.Remote); err != nil {
			return nil, fmt.Errorf("read the audit log: %w", err)
		}
		e.At = time.UnixMilli(at).UTC()
		out = append(out, e)
	}
	return out, rows.Err()
}

func (f Filter) where() (string, []any) {
	where, args := "1 = 1", []any{}
	add := func(cond string, v any) {
		args = append(args, v)
		where += " AND " + strings.ReplaceAll(cond, "?", fmt.Sprintf("$%d", len(args)))
	}
	for _, c := range []struct{ column, value string }{{"user_name", f.User}, {"operation", f.Operation}, {"outcome", f.Outcome}} {
		if c.value != "" {
			add(c.column+" = ?", clean(c.value, errorMax))
		}
	}
	if f.Search != "" {
		text := strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(strings.ToLower(clean(f.Search, errorMax)))
		add(`(LOWER(statement) LIKE ? ESCAPE '\' OR LOWER(path) LIKE ? ESCAPE '\')`, "%"+text+"%")
	}
	if !f.From.IsZero() {
		add("at_ms >= ?", f.From.UnixMilli())
	}
	if !f.To.IsZero() {
		add("at_ms < ?", f.To.UnixMilli())
	}
	if f.Before > 0 {
		add("id < ?", f.Before)
	}
	return where, args
}
