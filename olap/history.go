package olap

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/weir-lake/weir/compute/session"
	"github.com/weir-lake/weir/storage/meta"
)

//go:embed migrations/*.sql
var migrationsFS embed.FS

// Migrations are the tables of a History, for meta.Open.
func Migrations() meta.Migrations {
	sub, err := fs.Sub(migrationsFS, "migrations")
	if err != nil {
		panic(err) // the embedded folder has another name than the code says
	}
	return meta.Migrations{Name: "query", FS: sub}
}

const (
	// historyRowsMax and historyAge bound the queries kept in the database: some KB each.
	historyRowsMax = 10_000
	historyAge     = 30 * 24 * time.Hour
	// findMax bounds one answer.
	findMax = 1000
)

// History keeps ended queries in the metadata database.
type History struct {
	db      *meta.DB
	journal *meta.Journal[Info]
	now     func() time.Time
}

// NewHistory keeps queries in a database that was opened with Migrations. Stop it before the database is closed.
// A nil now is time.Now.
func NewHistory(db *meta.DB, now func() time.Time, logger *slog.Logger) *History {
	if now == nil {
		now = time.Now
	}
	h := &History{db: db, now: now}
	h.journal = meta.NewJournal(db, meta.JournalOptions[Info]{Name: "query history", Insert: insertQuery, Trim: h.trim, Logger: logger})
	return h
}

// Stop writes what is left. It may be called twice.
func (h *History) Stop() { h.journal.Stop() }

func insertQuery(ctx context.Context, tx *sql.Tx, q Info) error {
	cut := ""
	if q.Cut != nil {
		data, err := json.Marshal(q.Cut)
		if err != nil {
			return fmt.Errorf("encode cut: %w", err)
		}
		cut = string(data)
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO weir_query_history
		(id, user_name, state, queued_ms, started_ms, ended_ms, row_count, byte_count, engine, class, error, cut, sql_text)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		q.ID, q.User, string(q.State), q.QueuedAt.UnixMilli(), millis(q.Started), millis(q.Ended), q.Rows, q.Bytes, q.Engine, q.Class, q.Error, cut, q.SQL)
	return err
}

func millis(t *time.Time) any {
	if t == nil {
		return nil
	}
	return t.UnixMilli()
}

func (h *History) trim(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM weir_query_history WHERE ended_ms < $1`, h.now().Add(-historyAge).UnixMilli())
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM weir_query_history WHERE id IN (SELECT id FROM weir_query_history ORDER BY ended_ms DESC, id LIMIT 1000000 OFFSET $1)`, historyRowsMax)
	return err
}

// Filter says which queries are wanted; the zero value is all of them.
type Filter struct {
	User   string
	State  State
	Search string    // in the SQL text, capital or not
	Before time.Time // only those that ended before; running ones are left out then
	Limit  int       // 0: 1000, which is the most
}

func (f Filter) matches(q *Info) bool {
	switch {
	case f.User != "" && q.User != f.User, f.State != "" && q.State != f.State:
		return false
	case f.Search != "" && !strings.Contains(strings.ToLower(q.SQL), strings.ToLower(f.Search)):
		return false
	case !f.Before.IsZero():
		return q.Ended != nil && q.Ended.Before(f.Before)
	}
	return true
}

const queryColumns = `id, user_name, state, queued_ms, started_ms, ended_ms, row_count, byte_count, engine, class, error, cut, sql_text`

// find gives ended queries, newest first.
func (h *History) find(ctx context.Context, f Filter, limit int) ([]Info, error) {
	if err := h.journal.Flush(ctx); err != nil {
		return nil, err
	}
	where, args := "1 = 1", []any{}
	add := func(cond string, v any) {
		if s, ok := v.(string); ok {
			v = strings.ReplaceAll(strings.ToValidUTF8(s, "?"), "\x00", "?") // no database looks for a NUL
		}
		args = append(args, v)
		where += fmt.Sprintf(" AND "+cond, len(args))
	}
	if f.User != "" {
		add("user_name = $%d", f.User)
	}
	if f.State != "" {
		add("state = $%d", string(f.State))
	}
	if f.Search != "" {
		add(`LOWER(sql_text) LIKE $%d ESCAPE '\'`, "%"+strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(strings.ToLower(f.Search))+"%")
	}
	if !f.Before.IsZero() {
		add("ended_ms < $%d", f.Before.UnixMilli())
	}
	args = append(args, limit)
	rows, err := h.db.Read().QueryContext(ctx, fmt.Sprintf(`SELECT %s FROM weir_query_history WHERE %s ORDER BY ended_ms DESC, id LIMIT $%d`, queryColumns, where, len(args)), args...)
	if err != nil {
		return nil, fmt.Errorf("read the query history: %w", err)
	}
	defer rows.Close()
	var out []Info
	for rows.Next() {
		q, err := scanQuery(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, q)
	}
	return out, rows.Err()
}

// show is one ended query, or ErrNoQuery.
func (h *History) show(ctx context.Context, id string) (Info, error) {
	if !utf8.ValidString(id) || strings.ContainsRune(id, 0) { // nobody's, and no database looks for it
		return Info{}, fmt.Errorf("%w: %q", ErrNoQuery, id)
	}
	if err := h.journal.Flush(ctx); err != nil {
		return Info{}, err
	}
	q, err := scanQuery(h.db.Read().QueryRowContext(ctx, `SELECT `+queryColumns+` FROM weir_query_history WHERE id = $1`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return Info{}, fmt.Errorf("%w: %s", ErrNoQuery, id)
	}
	return q, err
}

func scanQuery(row interface{ Scan(...any) error }) (Info, error) {
	var q Info
	var state, cut string
	var queued, ended int64
	var started sql.NullInt64
	err := row.Scan(&q.ID, &q.User, &state, &queued, &started, &ended, &q.Rows, &q.Bytes, &q.Engine, &q.Class, &q.Error, &cut, &q.SQL)
	if err != nil {
		return q, fmt.Errorf("read the query history: %w", err)
	}
	at := func(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
	q.State, q.QueuedAt = State(state), at(queued)
	end := at(ended)
	q.Ended = &end
	if started.Valid {
		begin := at(started.Int64)
		q.Started = &begin
	}
	if cut != "" {
		q.Cut = &session.Cut{}
		if err := json.Unmarshal([]byte(cut), q.Cut); err != nil {
			return q, fmt.Errorf("read the query history: cut of %s: %w", q.ID, err)
		}
	}
	return q, nil
}

// Find lists queries: those that wait or run, newest first, then those that ended, newest first.
func (s *Service) Find(ctx context.Context, f Filter) ([]Info, error) {
	limit := f.Limit
	if limit <= 0 || limit > findMax {
		limit = findMax
	}
	var out []Info
	known := map[string]bool{}
	for _, q := range s.queries.list() {
		if s.opts.History != nil && q.Ended != nil {
			continue // the history has it
		}
		if known[q.ID] = true; f.matches(&q) && len(out) < limit {
			out = append(out, q)
		}
	}
	if s.opts.History == nil || len(out) == limit {
		return out, nil
	}
	ended, err := s.opts.History.find(ctx, f, limit)
	if err != nil {
		return nil, err
	}
	for _, q := range ended {
		if !known[q.ID] && len(out) < limit { // it may have ended between the two looks
			out = append(out, q)
		}
	}
	return out, nil
}
