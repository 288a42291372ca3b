package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/weir-lake/weir/compute/bind"
	"github.com/weir-lake/weir/compute/cut"
	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/sql"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/catalog"
	"github.com/weir-lake/weir/table/schema"
)

// Options in which a materialized table keeps its definition.
const (
	OptQuery     = "weir.query"     // the SELECT, as given
	OptFreshness = "weir.freshness" // a duration such as "1s"
	OptDatabase  = "weir.database"  // current when it was created
)

var (
	errExists = errkind.New(errkind.Exists, "session: exists already")
	errTable  = errkind.New(errkind.Invalid, "session: bad table definition")
)

// optionMap is WITH (..) as a map.
func optionMap(opts []sql.Option) map[string]string {
	m := make(map[string]string, len(opts))
	for _, o := range opts {
		m[o.Key] = o.Value
	}
	return m
}

func idents(in []sql.Ident) []string {
	var out []string
	for _, i := range in {
		out = append(out, i.Text)
	}
	return out
}

func (s *Session) createTable(ctx context.Context, text string, st *sql.CreateTable) (*Result, error) {
	id, err := s.identifier(text, st.Name)
	if err != nil {
		return nil, err
	}
	if done, err := s.taken(ctx, text, id, st.Name, st.IfNotExists); done != nil || err != nil {
		return done, err
	}
	opts, err := s.bindOptions(Params{})
	if err != nil {
		return nil, err
	}
	var bound, like *plan.Table
	switch {
	case st.As != nil:
		bound, _, err = bind.TableAs(ctx, s, text, st, opts)
	case st.Like != nil:
		if like, err = s.likeTable(ctx, text, st.Like); err != nil {
			return nil, err
		}
		fallthrough
	default:
		bound, err = bind.Table(ctx, text, st, like, opts)
	}
	if err != nil {
		return nil, err
	}
	if err := s.define(ctx, text, st.At, bound, definedText(st.Columns, st.Watermark, like)); err != nil {
		return nil, err
	}
	if st.As == nil {
		return message("table %s created", id), nil
	}
	return s.insert(ctx, text, &sql.Insert{At: st.At, Table: st.Name, Query: st.As}, Params{})
}

func (s *Session) likeTable(ctx context.Context, text string, l *sql.LikeClause) (*plan.Table, error) {
	id, err := s.identifier(text, l.Table)
	if err != nil {
		return nil, err
	}
	r, err := s.Relation(ctx, id.Database, id.Table)
	if err != nil {
		return nil, err
	}
	if r == nil || r.Table == nil {
		return nil, s.notFound(ctx, text, l.Table, "table")
	}
	return r.Table, nil
}

// taken handles a name that is in use: a result for IF NOT EXISTS, else an error.
func (s *Session) taken(ctx context.Context, text string, id catalog.Identifier, at sql.Name, ifNotExists bool) (*Result, error) {
	r, err := s.Relation(ctx, id.Database, id.Table)
	if r == nil || err != nil {
		return nil, err
	}
	if ifNotExists {
		return message("%s exists already", id), nil
	}
	return nil, sql.NewError(text, at.Pos(), errExists, fmt.Sprintf("%s exists already", id), "use IF NOT EXISTS, or drop it first")
}

// define stores a bound table definition, for the session alone when it is temporary.
func (s *Session) define(ctx context.Context, text string, at sql.Pos, t *plan.Table, texts exprTexts) error {
	if err := s.checkConnector(t); err != nil {
		return sql.NewError(text, at, errTable, err.Error(), "")
	}
	id := catalog.Identifier{Database: t.Database, Table: t.Name}
	if t.Temporary {
		if t.Connector() == "" {
			return sql.NewError(text, at, errTable, "a temporary table needs a connector; tables of the warehouse are not temporary", "")
		}
		s.temporary[id.String()] = &bind.Relation{Table: t}
		return nil
	}
	options := maps.Clone(t.Options)
	storeColumns(options, t, texts)
	if t.Connector() == "" {
		cut.SetOptions(options)
	}
	d := schema.Definition{PrimaryKeys: t.PrimaryKey, PartitionKeys: t.PartitionKeys, Options: options, Comment: t.Comment}
	for _, c := range t.Columns {
		if c.Computed == nil && c.Metadata == "" {
			d.Fields = append(d.Fields, schema.Field{Name: c.Name, Type: c.Type, Description: c.Comment})
		}
	}
	if err := s.ensureDatabase(ctx, id.Database); err != nil {
		return err
	}
	_, err := s.svc.Catalog.CreateTable(ctx, id, d)
	return err
}

// ensureDatabase makes the default database at its first use; others must be created.
func (s *Session) ensureDatabase(ctx context.Context, db string) error {
	if db != catalog.DefaultDatabase {
		return nil
	}
	err := s.svc.Catalog.CreateDatabase(ctx, db, nil)
	if errors.Is(err, catalog.ErrDatabaseExists) {
		return nil
	}
	return err
}

func (s *Session) checkConnector(t *plan.Table) error {
	name := t.Connector()
	if name == "" {
		return nil
	}
	f, ok := s.svc.Connectors[name]
	if !ok {
		names := slices.Sorted(maps.Keys(s.svc.Connectors))
		return errkind.Errorf(errkind.Invalid, "there is no connector '%s'; there are: %s", name, strings.Join(names, ", "))
	}
	if err := catalog.CheckSecrets(t.Options); err != nil {
		return err
	}
	if f.Validate == nil {
		return nil
	}
	return f.Validate(t)
}

func (s *Session) createMaterializedTable(ctx context.Context, text string, st *sql.CreateMaterializedTable) (*Result, error) {
	if s.svc.Jobs == nil {
		return nil, errNoJobs
	}
	if st.RefreshMode == "FULL" {
		return nil, sql.NewError(text, st.At, errUnsupported, "REFRESH_MODE = FULL is not supported; leave it out or use CONTINUOUS", "")
	}
	id, err := s.identifier(text, st.Name)
	if err != nil {
		return nil, err
	}
	if done, err := s.taken(ctx, text, id, st.Name, st.IfNotExists); done != nil || err != nil {
		if err != nil {
			return nil, err
		}
		return s.adopt(ctx, id, done)
	}
	opts, err := s.bindOptions(Params{})
	if err != nil {
		return nil, err
	}
	t, sink, err := bind.MaterializedTable(ctx, s, text, st, opts)
	if err != nil {
		return nil, err
	}
	if err := s.keyOfQuery(text, st, t, plan.Optimize(sink.Input)); err != nil {
		return nil, err
	}
	query, err := bind.Expand(ctx, s, sql.FormatQuery(st.As), opts) // * means the columns of today
	if err != nil {
		return nil, err
	}
	t.Options[OptQuery], t.Options[OptDatabase] = query, s.database
	if st.Freshness != nil {
		ms, months, err := bind.Interval(text, st.Freshness)
		if err != nil {
			return nil, err
		}
		if months || ms <= 0 {
			return nil, sql.NewError(text, st.At, errTable, "FRESHNESS must be an interval of days, hours, minutes or seconds above zero", "")
		}
		t.Options[OptFreshness] = (time.Duration(ms) * time.Millisecond).String()
	}
	if _, set := t.Options[schema.OptChangelogProducer]; !set && len(t.PrimaryKey) > 0 {
		// The job knows the exact changes; other engines get them as Paimon's input changelog.
		t.Options[schema.OptChangelogProducer] = "input"
	}
	if err := s.define(ctx, text, st.At, t, definedText(st.Columns, st.Watermark, nil)); err != nil {
		return nil, err
	}
	j, err := s.keepTable(ctx, id, t.Options)
	if err != nil {
		if dropErr := s.svc.Catalog.DropTable(ctx, id); dropErr != nil {
			err = errors.Join(err, fmt.Errorf("and the table just created could not be dropped: %w", dropErr))
		}
		return nil, err
	}
	return &Result{Message: fmt.Sprintf("materialized table %s created, job %s keeps it", id, j.Name), Job: j.ID}, nil
}

// keepTable starts the job of a materialized table with these options.
func (s *Session) keepTable(ctx context.Context, id catalog.Identifier, options map[string]string) (job.Status, error) {
	insert := fmt.Sprintf("INSERT INTO %s.%s %s", sql.QuoteIdent(id.Database), sql.QuoteIdent(id.Table), options[OptQuery])
	return s.svc.Jobs.Create(ctx, job.Definition{Name: s.jobName(id.String()), Database: options[OptDatabase], SQL: insert,
		Options: s.jobOptions(options), User: s.user})
}

// adopt gives a materialized table that is there but has no job, since its creation was cut short between the two,
// its job. Anything else stays as it is.
func (s *Session) adopt(ctx context.Context, id catalog.Identifier, there *Result) (*Result, error) {
	sc, err := s.svc.Catalog.Table(ctx, id)
	if err != nil || sc.Options[OptQuery] == "" {
		return there, nil // a view, a temporary table, a plain table: nothing is to be kept
	}
	if slices.ContainsFunc(s.svc.Jobs.List(), func(j job.Status) bool { return j.Sink == id.String() }) {
		return there, nil
	}
	j, err := s.keepTable(ctx, id, sc.Options)
	if err != nil {
		return nil, fmt.Errorf("start the job of %s, which has none: %w", id, err)
	}
	return &Result{Message: fmt.Sprintf("%s exists already, job %s keeps it from now on", id, j.Name), Job: j.ID}, nil
}

// keyOfQuery gives a materialized table without PRIMARY KEY the query's own unique key. A query whose rows
// change and that has none cannot be kept.
func (s *Session) keyOfQuery(text string, st *sql.CreateMaterializedTable, t *plan.Table, root plan.Node) error {
	if len(t.PrimaryKey) > 0 {
		return nil
	}
	if keys := plan.UniqueKeys(root); len(keys) > 0 && len(keys[0]) > 0 {
		for _, i := range keys[0] {
			t.PrimaryKey = append(t.PrimaryKey, t.Columns[i].Name)
		}
		return nil
	}
	if plan.AppendOnly(root) {
		return nil
	}
	return sql.NewError(text, st.At, errTable, "the query's rows change and it has no unique key that the table could use",
		"give the table one: CREATE MATERIALIZED TABLE t (PRIMARY KEY (..) NOT ENFORCED) ..")
}

// jobName is the session's pipeline.name, used once, or the default.
func (s *Session) jobName(def string) string {
	name := s.vars[VarPipelineName]
	if name == "" {
		return def
	}
	return name
}

// jobOptions are the session's variables that stay with a job.
func (s *Session) jobOptions(more map[string]string) map[string]string {
	out := maps.Clone(s.vars)
	for _, k := range []string{OptFreshness} {
		if v := more[k]; v != "" {
			out[k] = v
		}
	}
	return out
}

func (s *Session) createView(ctx context.Context, text string, st *sql.CreateView) (*Result, error) {
	id, err := s.identifier(text, st.Name)
	if err != nil {
		return nil, err
	}
	if done, err := s.taken(ctx, text, id, st.Name, st.IfNotExists); done != nil || err != nil {
		return done, err
	}
	root, err := s.bindQuery(ctx, text, st.As, Params{})
	if err != nil {
		return nil, err
	}
	if n := len(root.Columns()); len(st.Columns) > 0 && len(st.Columns) != n {
		return nil, sql.NewError(text, st.At, errTable, fmt.Sprintf("the query has %d columns, the view names %d", n, len(st.Columns)), "")
	}
	opts, err := s.bindOptions(Params{})
	if err != nil {
		return nil, err
	}
	query, err := bind.Expand(ctx, s, sql.FormatQuery(st.As), opts)
	if err != nil {
		return nil, err
	}
	v := storedView{Version: 1, Database: s.database, Columns: idents(st.Columns), Query: query, Comment: st.Comment}
	if st.Temporary {
		s.temporary[id.Database+"."+id.Table] = &bind.Relation{View: &bind.View{Database: v.Database, Columns: v.Columns, Text: v.Query}}
		return message("temporary view %s created", id), nil
	}
	if err := s.ensureDatabase(ctx, id.Database); err != nil {
		return nil, err
	}
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("store view %s: %w", id, err)
	}
	if err := s.svc.Catalog.Store().PutIfAbsent(ctx, viewKey(id.Database, id.Table), data); err != nil {
		return nil, fmt.Errorf("store view %s: %w", id, err)
	}
	return message("view %s created", id), nil
}

func (s *Session) createDatabase(ctx context.Context, text string, st *sql.CreateDatabase) (*Result, error) {
	db := st.Name.Last()
	err := s.svc.Catalog.CreateDatabase(ctx, db, optionMap(st.Options))
	if errors.Is(err, catalog.ErrDatabaseExists) {
		if st.IfNotExists {
			return message("database %s exists already", db), nil
		}
		return nil, sql.NewError(text, st.Name.Pos(), errExists, fmt.Sprintf("database %s exists already", db), "use IF NOT EXISTS")
	}
	if err != nil {
		return nil, err
	}
	return message("database %s created", db), nil
}

func (s *Session) drop(ctx context.Context, text string, st *sql.Drop) (*Result, error) {
	if st.Kind == sql.KindDatabase {
		return s.dropDatabase(ctx, text, st)
	}
	id, err := s.identifier(text, st.Name)
	if err != nil {
		return nil, err
	}
	if _, ok := s.temporary[id.Database+"."+id.Table]; ok {
		delete(s.temporary, id.Database+"."+id.Table)
		return message("temporary %s dropped", id), nil
	}
	r, err := s.Relation(ctx, id.Database, id.Table)
	if err != nil {
		return nil, err
	}
	if r == nil || (r.View != nil) != (st.Kind == sql.KindView) {
		if st.IfExists {
			return message("%s does not exist", id), nil
		}
		return nil, s.notFound(ctx, text, st.Name, strings.ToLower(string(st.Kind)))
	}
	if r.View != nil {
		if err := s.svc.Catalog.Store().Delete(ctx, viewKey(id.Database, id.Table)); err != nil {
			return nil, fmt.Errorf("drop view %s: %w", id, err)
		}
		return message("view %s dropped", id), nil
	}
	if err := s.dropJobs(ctx, text, st, id); err != nil {
		return nil, err
	}
	if err := s.svc.Catalog.DropTable(ctx, id); err != nil {
		return nil, err
	}
	return message("table %s dropped", id), nil
}

// dropJobs drops the job that keeps a materialized table. Other jobs that use the table must be dropped
// by whoever made them.
func (s *Session) dropJobs(ctx context.Context, text string, st *sql.Drop, id catalog.Identifier) error {
	if s.svc.Jobs == nil {
		return nil
	}
	sc, err := s.svc.Catalog.Table(ctx, id)
	if err != nil {
		return err
	}
	own := sc.Options[OptQuery] != ""
	for _, j := range s.svc.Jobs.List() {
		writes := j.Sink == id.String()
		reads := slices.ContainsFunc(j.Inputs, func(i job.InputStatus) bool { return i.Table == id.String() })
		switch {
		case writes && own:
			if err := s.svc.Jobs.Drop(ctx, j.ID); err != nil {
				return err
			}
		case (writes || reads) && j.State != job.Stopped && j.State != job.Finished:
			return sql.NewError(text, st.At, errTable, fmt.Sprintf("table %s is used by job %s", id, j.Name), "stop the job first")
		}
	}
	return nil
}

func (s *Session) dropDatabase(ctx context.Context, text string, st *sql.Drop) (*Result, error) {
	db := st.Name.Last()
	err := s.svc.Catalog.DropDatabase(ctx, db, st.Cascade)
	switch {
	case errors.Is(err, catalog.ErrNoDatabase) && st.IfExists:
		return message("database %s does not exist", db), nil
	case errors.Is(err, catalog.ErrNoDatabase):
		dbs, _ := s.databases(ctx)
		return nil, sql.NewError(text, st.Name.Pos(), bind.ErrName, fmt.Sprintf("database %s does not exist", db), suggest(db, dbs))
	case err != nil:
		return nil, err
	}
	return message("database %s dropped", db), nil
}

func (s *Session) alter(ctx context.Context, text string, st *sql.Alter) (*Result, error) {
	id, err := s.identifier(text, st.Name)
	if err != nil {
		return nil, err
	}
	if st.Action == sql.AlterSuspend || st.Action == sql.AlterResume {
		return s.suspendResume(ctx, text, st, id)
	}
	var changes []schema.Change
	switch st.Action {
	case sql.AlterSet:
		for _, o := range st.Options {
			changes = append(changes, schema.SetOption{Name: o.Key, Value: o.Value})
		}
	case sql.AlterReset:
		for _, k := range st.Keys {
			changes = append(changes, schema.ResetOption{Name: k})
		}
	case sql.AlterRenameColumn:
		changes = append(changes, schema.RenameColumn{From: st.From.Text, To: st.To.Text})
	case sql.AlterDropColumns:
		for _, c := range st.Drops {
			changes = append(changes, schema.DropColumn{Name: c.Text})
		}
	case sql.AlterAdd:
		for _, c := range st.Columns {
			if c.Type == nil {
				return nil, sql.NewError(text, c.Name.At, errUnsupported, "a computed column cannot be added later", "create a view over the table")
			}
			changes = append(changes, schema.AddColumn{Field: schema.Field{Name: c.Name.Text, Type: c.Type.Type, Description: c.Comment}})
		}
	default:
		return nil, sql.NewError(text, st.At, errUnsupported, fmt.Sprintf("ALTER %s .. %s is not supported", st.Kind, st.Action), "")
	}
	_, err = s.svc.Catalog.AlterTable(ctx, id, changes...)
	if errkind.Is(err, errkind.NotFound) {
		if st.IfExists {
			return message("%s does not exist", id), nil
		}
		return nil, s.notFound(ctx, text, st.Name, "table")
	}
	if err != nil {
		return nil, err
	}
	return message("table %s altered", id), nil
}

func (s *Session) suspendResume(ctx context.Context, text string, st *sql.Alter, id catalog.Identifier) (*Result, error) {
	if s.svc.Jobs == nil {
		return nil, errNoJobs
	}
	for _, j := range s.svc.Jobs.List() {
		if j.Sink != id.String() {
			continue
		}
		var err error
		if st.Action == sql.AlterSuspend {
			_, err = s.svc.Jobs.StopJob(ctx, j.ID)
		} else {
			_, err = s.svc.Jobs.Restart(ctx, j.ID)
		}
		if err != nil {
			return nil, err
		}
		return message("materialized table %s: job %s %s", id, j.Name, map[bool]string{true: "stopped", false: "started"}[st.Action == sql.AlterSuspend]), nil
	}
	return nil, sql.NewError(text, st.At, errTable, fmt.Sprintf("no job keeps %s", id), "")
}
