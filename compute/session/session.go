package session

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weir-lake/weir/compute/bind"
	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/sql"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/catalog"
	"github.com/weir-lake/weir/table/predicate"
)

// Variables that a session acts on. Others are kept for the job that a statement starts.
const (
	VarRuntimeMode  = "execution.runtime-mode" // auto (default), batch or streaming
	VarPipelineName = "pipeline.name"          // name of the next job
	VarZone         = "table.local-time-zone"  // default UTC
	VarEpochRows    = "execution.epoch.max-rows"
	VarConsistency  = "weir.consistency" // as ParseConsistency reads it; default cut
)

// Rows is the result of a query, streamed. Next returns io.EOF at the end; the caller releases
// batches and closes.
type Rows interface {
	Columns() []plan.Column
	Next(ctx context.Context) (arrow.RecordBatch, error)
	Close() error
	// Cut says which versions answered; nil for answers that read no table.
	Cut() *Cut
}

// Cut is the versions a query read.
type Cut struct {
	Level     string           `json:"level"` // latest, cut, session, bounded, as_of
	Epoch     int64            `json:"epoch,omitempty"`
	AgeMillis int64            `json:"age_ms"`
	HeldBy    string           `json:"held_by,omitempty"` // the job that holds the cut back
	Snapshots map[string]int64 `json:"snapshots"`         // table to snapshot id
}

// Query is a bound query with how to answer it.
type Query struct {
	Root        plan.Node
	SQL         string
	Env         expr.Env // Clock is set; it is what NOW() means
	Consistency string   // as ParseConsistency reads it; empty: cut
	Exact       bool     // exact floating-point sums, as streams and batch jobs have
	Low         bool     // others go first, for a time
	User        string
	// Ended, if not nil, is told of each table outside the warehouse that was read to its end, and of the positions
	// there by split. It may be called from several goroutines.
	Ended func(t *plan.Table, at map[string]string)
}

// Querier answers bound queries over a pinned cut. olap implements it.
type Querier interface {
	Query(ctx context.Context, q Query) (Rows, error)
}

// Procedure is what CALL sys.name(..) runs. Arguments are bound constants, by position and by name.
type Procedure interface {
	Call(ctx context.Context, user string, args []expr.Literal, named map[string]expr.Literal) (Rows, error)
}

// SystemTable is a table of database sys computed when it is read.
type SystemTable interface {
	Columns() []plan.Column
	Rows(ctx context.Context) (arrow.RecordBatch, error)
}

// NarrowTable is a SystemTable that can leave out rows which a query's conditions would drop anyway: a table whose
// whole content is large. What it leaves in is filtered again.
type NarrowTable interface {
	SystemTable
	RowsWhere(ctx context.Context, where predicate.And) (arrow.RecordBatch, error)
}

// Services are what sessions share. Catalog and Connectors are needed; without Jobs no streaming
// statement runs, without Querier no query.
type Services struct {
	Catalog    *catalog.Catalog
	Connectors connector.Registry
	Querier    Querier
	Jobs       *job.Manager
	Procedures map[string]Procedure   // by name without "sys."
	System     map[string]SystemTable // by name without "sys."
	Now        func() time.Time
	// Secret resolves ${env:X} and ${file:X} in connector options.
	Secret func(value string) (string, error)
}

// Session is one client's state. It is not safe for concurrent use.
type Session struct {
	svc       *Services
	user      string
	database  string
	vars      map[string]string
	temporary map[string]*bind.Relation // by "db.name"
	// attached makes streaming INSERTs over bounded sources wait for their end, as a script wants.
	attached bool
	progress func(job.Status)
	seen     int64              // the newest epoch read or written, for level session
	looking  bool               // nothing may be created
	allow    func(Action) error // nil: everything is allowed
}

// Options of New. The zero value works.
type Options struct {
	User      string
	Database  string // default "default"
	Variables map[string]string
	// Attached waits for streaming INSERTs to end; Progress is called while it waits.
	Attached bool
	Progress func(job.Status)
	// Allow says why the session may not do something; nil: it may do everything.
	Allow func(Action) error
}

// New starts a session.
func New(svc *Services, o Options) *Session {
	s := &Session{svc: svc, user: o.User, database: o.Database, vars: maps.Clone(o.Variables),
		temporary: map[string]*bind.Relation{}, attached: o.Attached, progress: o.Progress, allow: o.Allow}
	if s.database == "" {
		s.database = catalog.DefaultDatabase
	}
	if s.vars == nil {
		s.vars = map[string]string{}
	}
	return s
}

// Result is what a statement gives: rows, or a message about what was done.
type Result struct {
	Rows    Rows   // nil: none
	Message string // "table default.t created"
	Job     string // id of the job started
	// Stream is set for a streaming SELECT instead of Rows: the caller drives it.
	Stream *job.Stream
}

// Params are values for ? and :name in a statement.
type Params struct {
	Positional []expr.Literal
	Named      map[string]expr.Literal
}

// Execute runs one statement. Text is what it was parsed from: errors name places in it.
func (s *Session) Execute(ctx context.Context, text string, st sql.Statement, p Params) (*Result, error) {
	if err := s.allowed(ActionOf(st)); err != nil {
		return nil, err
	}
	switch st := st.(type) {
	case *sql.QueryStatement:
		return s.query(ctx, text, st.Query, p)
	case *sql.Insert:
		return s.insert(ctx, text, st, p)
	case *sql.StatementSet:
		return s.statementSet(ctx, text, st, p)
	case *sql.CreateTable:
		return s.createTable(ctx, text, st)
	case *sql.CreateMaterializedTable:
		return s.createMaterializedTable(ctx, text, st)
	case *sql.CreateView:
		return s.createView(ctx, text, st)
	case *sql.CreateDatabase:
		return s.createDatabase(ctx, text, st)
	case *sql.Drop:
		return s.drop(ctx, text, st)
	case *sql.Alter:
		return s.alter(ctx, text, st)
	case *sql.Use:
		return s.use(ctx, text, st)
	case *sql.Set:
		return s.set(text, st)
	case *sql.Reset:
		return s.reset(st)
	case *sql.Show:
		return s.show(ctx, text, st)
	case *sql.Describe:
		return s.describe(ctx, text, st)
	case *sql.Explain:
		return s.explain(ctx, text, st, p)
	case *sql.CallProcedure:
		return s.call(ctx, text, st)
	case *sql.StopJob:
		if s.svc.Jobs == nil {
			return nil, errNoJobs
		}
		j, err := s.svc.Jobs.StopJob(ctx, st.ID)
		if err != nil {
			return nil, err
		}
		return message("job %s stopped at epoch %d", j.Name, j.Epoch), nil
	default:
		return nil, sql.NewError(text, st.Pos(), errUnsupported, "this statement is not supported", unsupportedHint(st))
	}
}

// unsupportedHint says what to do instead of a statement that only parses.
func unsupportedHint(st sql.Statement) string {
	switch st.(type) {
	case *sql.Update:
		return "INSERT the rows again with their key, which replaces them"
	case *sql.Delete:
		return "push the rows with \"_kind\": \"-D\", or INSERT OVERWRITE the partition"
	case *sql.Truncate:
		return "INSERT OVERWRITE the table with a query that gives no rows"
	}
	return ""
}

var (
	errUnsupported = errkind.New(errkind.Invalid, "session: statement not supported")
	errNoJobs      = errkind.New(errkind.Unavailable, "session: this service runs no jobs; send the statement to one with role ingest")
)

func message(format string, args ...any) *Result {
	return &Result{Message: fmt.Sprintf(format, args...)}
}

// zone is the session's time zone: UTC unless set, never the machine's.
func (s *Session) zone() (*time.Location, error) {
	name := s.vars[VarZone]
	if name == "" || name == "UTC" {
		return time.UTC, nil
	}
	loc, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return nil, errkind.Errorf(errkind.Invalid, "%s = '%s': not a time zone; use a name such as 'Europe/Berlin' or 'UTC'", VarZone, name)
	}
	return loc, nil
}

func (s *Session) bindOptions(p Params) (bind.Options, error) {
	zone, err := s.zone()
	return bind.Options{Database: s.database, Params: p.Positional, Named: p.Named, Zone: zone}, err
}

// runtime modes.
const (
	modeAuto      = "auto"
	modeBatch     = "batch"
	modeStreaming = "streaming"
)

func (s *Session) mode() string {
	if m := s.vars[VarRuntimeMode]; m != "" {
		return m
	}
	return modeAuto
}

func (s *Session) set(text string, st *sql.Set) (*Result, error) {
	if st.Key == "" {
		rows := make([][]any, 0, len(s.vars))
		for _, k := range slices.Sorted(maps.Keys(s.vars)) {
			rows = append(rows, []any{k, s.vars[k]})
		}
		return s.listing([]string{"key", "value"}, rows)
	}
	if err := checkVariable(st.Key, st.Value); err != nil {
		return nil, sql.NewError(text, st.At, errVariable, err.Error(), "")
	}
	s.vars[st.Key] = st.Value
	return message("'%s' is set to '%s'", st.Key, st.Value), nil
}

var errVariable = errkind.New(errkind.Invalid, "session: bad variable")

func checkVariable(key, value string) error {
	switch key {
	case VarRuntimeMode:
		if !slices.Contains([]string{modeAuto, modeBatch, modeStreaming}, value) {
			return fmt.Errorf("'%s' is '%s', want auto, batch or streaming", key, value)
		}
	case VarZone:
		if _, err := time.LoadLocation(value); err != nil || value == "Local" {
			return fmt.Errorf("'%s' is not a time zone; use a name such as 'Europe/Berlin'", value)
		}
	case VarEpochRows:
		var n int64
		if _, err := fmt.Sscan(value, &n); err != nil || n < 1 {
			return fmt.Errorf("'%s' is '%s', want a number of rows, at least 1", key, value)
		}
	case VarConsistency:
		if _, err := ParseConsistency(value); err != nil {
			return err
		}
	}
	return nil
}

func (s *Session) reset(st *sql.Reset) (*Result, error) {
	if st.Key == "" {
		clear(s.vars)
		return message("all variables are reset"), nil
	}
	delete(s.vars, st.Key)
	return message("'%s' is reset", st.Key), nil
}

func (s *Session) use(ctx context.Context, text string, st *sql.Use) (*Result, error) {
	if st.Catalog {
		if st.Name.Last() != catalog.Name {
			return nil, sql.NewError(text, st.Name.Pos(), bind.ErrName, fmt.Sprintf("catalog %s does not exist; the only one is %s", st.Name, catalog.Name), "")
		}
		return message("using catalog %s", catalog.Name), nil
	}
	db := st.Name.Last()
	dbs, err := s.databases(ctx)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(dbs, db) {
		return nil, sql.NewError(text, st.Name.Pos(), bind.ErrName, fmt.Sprintf("database %s does not exist", db), suggest(db, dbs))
	}
	s.database = db
	return message("using database %s", db), nil
}

func (s *Session) databases(ctx context.Context) ([]string, error) {
	dbs, err := s.svc.Catalog.Databases(ctx)
	if err != nil {
		return nil, err
	}
	for _, db := range []string{catalog.DefaultDatabase, catalog.SystemDatabase} {
		if !slices.Contains(dbs, db) {
			dbs = append(dbs, db)
		}
	}
	slices.Sort(dbs)
	return dbs, nil
}

func suggest(word string, candidates []string) string {
	if n := sql.Nearest(word, candidates); n != "" {
		return "did you mean " + n + "?"
	}
	return ""
}

// notFound turns a catalog's answer into an error with a place and a suggestion.
func (s *Session) notFound(ctx context.Context, text string, n sql.Name, what string) error {
	id, err := s.identifier(text, n)
	if err != nil {
		return err
	}
	names, err := s.svc.Catalog.Tables(ctx, id.Database)
	if err != nil && !errors.Is(err, catalog.ErrNoDatabase) {
		return err
	}
	return sql.NewError(text, n.Pos(), bind.ErrName, fmt.Sprintf("%s %s does not exist", what, id), suggest(id.Table, names))
}

// identifier resolves a name as written against the current database.
func (s *Session) identifier(text string, n sql.Name) (catalog.Identifier, error) {
	parts := n
	if len(parts) == 3 {
		if parts[0].Text != catalog.Name {
			return catalog.Identifier{}, sql.NewError(text, n.Pos(), bind.ErrName, fmt.Sprintf("catalog %s does not exist; the only one is %s", parts[0].Text, catalog.Name), "")
		}
		parts = parts[1:]
	}
	switch len(parts) {
	case 1:
		return catalog.Identifier{Database: s.database, Table: parts[0].Text}, nil
	case 2:
		return catalog.Identifier{Database: parts[0].Text, Table: parts[1].Text}, nil
	}
	return catalog.Identifier{}, sql.NewError(text, n.Pos(), bind.ErrName, fmt.Sprintf("%s has too many parts: want table, database.table or weir.database.table", n), "")
}
