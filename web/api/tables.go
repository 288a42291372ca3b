package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/session"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/catalog"
	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/inspect"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
)

// Kinds of tables.
const (
	kindTable        = "table"
	kindMaterialized = "materialized"
	kindConnector    = "connector"
	kindView         = "view"
	kindSystem       = "system"
)

// TableSummary is a table in a list.
type TableSummary struct {
	Database string `json:"database"`
	Name     string `json:"name"`
	Kind     string `json:"kind" enum:"table,materialized,connector,view,system" doc:"materialized: kept by a job; connector: lies outside the warehouse; system: computed when it is read"`
	Comment  string `json:"comment,omitempty"`
	Error    string `json:"error,omitempty" doc:"why more cannot be told"`
	Snapshot int64  `json:"snapshot,omitempty"`
	// Rows are those of the live files.
	Rows         int64   `json:"rows" doc:"in the live files, before merging rows of one key"`
	Files        int     `json:"files"`
	Bytes        int64   `json:"bytes" doc:"of the live files"`
	CommittedMs  int64   `json:"committed_ms,omitempty" doc:"when the newest snapshot was made, Unix milliseconds"`
	AgeMillis    int64   `json:"age_ms,omitempty" doc:"how long ago that was"`
	FreshnessMs  *int64  `json:"freshness_ms,omitempty" doc:"how long the table has been behind its inputs, 0: it is not; only of tables that a job keeps"`
	HeldBy       string  `json:"held_by,omitempty" doc:"the job that keeps it behind"`
	DefinitionMs int64   `json:"definition_ms,omitempty" doc:"when the schema was last changed, Unix milliseconds"`
	Job          *JobRef `json:"job,omitempty" doc:"the job that writes it"`
}

// TableColumn is a column.
type TableColumn struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Nullable bool   `json:"nullable"`
	Comment  string `json:"comment,omitempty"`
	Computed string `json:"computed,omitempty" doc:"expression of a computed column"`
	Metadata string `json:"metadata,omitempty" doc:"key of a metadata column"`
}

// SchemaVersion is one version of a table's schema.
type SchemaVersion struct {
	ID        int64    `json:"schema_id"`
	ChangedMs int64    `json:"changed_ms" doc:"Unix milliseconds"`
	Columns   int      `json:"columns"`
	Changes   []string `json:"changes" nullable:"false" doc:"to the version before"`
}

// WatermarkInfo is how a table's event time is told.
type WatermarkInfo struct {
	Column     string `json:"column"`
	Expression string `json:"expression"`
}

// TableDetail is all about a table.
type TableDetail struct {
	TableSummary
	Columns       []TableColumn     `json:"columns" nullable:"false"`
	PrimaryKey    []string          `json:"primary_key" nullable:"false"`
	PartitionKeys []string          `json:"partition_keys" nullable:"false"`
	Options       map[string]string `json:"options"`
	Query         string            `json:"query,omitempty" doc:"of a materialized table or a view"`
	DDL           string            `json:"ddl,omitempty" doc:"the statement that makes a table like it"`
	History       []SchemaVersion   `json:"history" nullable:"false" doc:"of the schema, newest first"`
	Epoch         int64             `json:"epoch,omitempty" doc:"of the newest snapshot, when weir made it"`
	Watermark     *int64            `json:"watermark,omitempty" doc:"of the newest snapshot, Unix milliseconds"`
	EventTime     *WatermarkInfo    `json:"event_time,omitempty" doc:"the watermark's definition"`
	Readers       []JobRef          `json:"readers" nullable:"false" doc:"jobs that read it"`
}

// TablePath names a table in a route.
type TablePath struct {
	Database string `path:"db" maxLength:"255" example:"default"`
	Table    string `path:"table" maxLength:"255" example:"flights"`
}

func (p TablePath) id() catalog.Identifier {
	return catalog.Identifier{Database: p.Database, Table: p.Table}
}

// schemasMax bounds the versions told of a table's schema.
const schemasMax = 100

func (a *API) tableRoutes(h huma.API) {
	huma.Register(h, a.op(h, http.MethodGet, "/v1/databases", "list-databases", "List databases"),
		limited(func(ctx context.Context, _ *struct{}) (*body[list[string]], error) {
			dbs, err := a.opts.Services.Catalog.Databases(ctx)
			return listing(dbs), err
		}))
	type inDatabase struct {
		Database string `query:"database" maxLength:"255" doc:"only tables of this one; sys has the computed ones too"`
	}
	huma.Register(h, a.op(h, http.MethodGet, "/v1/tables", "list-tables", "List tables and views"),
		limited(func(ctx context.Context, in *inDatabase) (*body[list[TableSummary]], error) {
			ts, err := a.tables(ctx, in.Database)
			return listing(ts), err
		}))
	huma.Register(h, a.op(h, http.MethodGet, "/v1/tables/{db}/{table}", "show-table", "Show a table or view"),
		limited(func(ctx context.Context, in *TablePath) (*body[TableDetail], error) {
			t, err := a.table(ctx, in.id())
			return answer(t), err
		}))
	a.versionRoutes(h)
	a.layoutRoutes(h)
	a.sampleRoutes(h)
	a.upkeepRoutes(h)
	a.rowRoutes(h)
}

func (a *API) tables(ctx context.Context, only string) ([]TableSummary, error) {
	dbs, err := a.opts.Services.Catalog.Databases(ctx)
	if err != nil {
		return nil, err
	}
	if only != "" {
		if !slices.Contains(dbs, only) && only != catalog.SystemDatabase {
			return nil, fmt.Errorf("%w: %s", catalog.ErrNoDatabase, only)
		}
		dbs = []string{only}
	}
	sess, jobs := a.fresh(ctx), a.keepers()
	var out []TableSummary
	for _, db := range dbs {
		names, err := sess.Relations(ctx, db)
		if err != nil {
			return nil, err
		}
		for _, n := range names {
			t, found, err := a.inList(ctx, catalog.Identifier{Database: db, Table: n}, jobs)
			if err != nil {
				t.Error = err.Error() // one broken table must not hide the others
			}
			if found && (t.Kind != kindSystem || only == catalog.SystemDatabase) {
				out = append(out, t)
			}
		}
	}
	return out, nil
}

// inList is a relation of any kind; found is false for one that was dropped meanwhile.
func (a *API) inList(ctx context.Context, id catalog.Identifier, jobs map[string][]job.Status) (t TableSummary, found bool, err error) {
	t = TableSummary{Database: id.Database, Name: id.Table, Kind: kindTable}
	if id.Database == catalog.SystemDatabase && a.opts.Services.System[id.Table] != nil {
		t.Kind = kindSystem
		return t, true, nil
	}
	sc, err := a.opts.Services.Catalog.Table(ctx, id)
	if errkind.Is(err, errkind.NotFound) {
		r, err := a.fresh(ctx).Relation(ctx, id.Database, id.Table)
		t.Kind = kindView
		return t, r != nil || err != nil, err
	}
	if err != nil {
		return t, true, err
	}
	t, _, err = a.summaryOf(ctx, id, sc, jobs)
	return t, true, err
}

// summaryOf tells what the schema and the newest snapshot say; the snapshot is nil when there is none.
func (a *API) summaryOf(ctx context.Context, id catalog.Identifier, sc *schema.Schema, jobs map[string][]job.Status) (TableSummary, *snapshot.Snapshot, error) {
	t := TableSummary{Database: id.Database, Name: id.Table, Kind: kindTable, Comment: sc.Comment, DefinitionMs: sc.TimeMillis}
	if keeper := jobs[id.String()]; len(keeper) > 0 {
		t.Job = &JobRef{keeper[0].ID, keeper[0].Name, keeper[0].State}
	}
	switch {
	case sc.Connector():
		t.Kind = kindConnector
		return t, nil, nil
	case sc.Options[session.OptQuery] != "":
		t.Kind = kindMaterialized
	}
	if t.Job != nil && a.opts.Cuts != nil {
		_, age, heldBy, err := a.opts.Cuts.Cut(ctx, []string{id.Path()})
		if err != nil {
			return t, nil, err
		}
		behind := age.Milliseconds()
		t.FreshnessMs, t.HeldBy = &behind, heldBy
	}
	s, err := snapshot.NewManager(a.opts.Services.Catalog.TableStore(id), "").Latest(ctx)
	if errors.Is(err, snapshot.ErrNone) {
		return t, nil, nil
	}
	if err != nil {
		return t, nil, err
	}
	t.Snapshot, t.Rows, t.CommittedMs = int64(s.ID), s.TotalRecordCount, s.TimeMillis
	t.AgeMillis = max(0, a.opts.Now().UnixMilli()-s.TimeMillis)
	size, err := a.shelf.size(ctx, id, s)
	t.Files, t.Bytes = size.Files, size.Bytes
	return t, s, err
}

func (a *API) table(ctx context.Context, id catalog.Identifier) (TableDetail, error) {
	sess := a.fresh(ctx)
	rel, err := sess.Relation(ctx, id.Database, id.Table)
	if err != nil {
		return TableDetail{}, err
	}
	if rel == nil {
		if _, err := a.opts.Services.Catalog.Table(ctx, id); err != nil {
			return TableDetail{}, err // which says whether the database is missing too
		}
		return TableDetail{}, fmt.Errorf("%w: %s", schema.ErrNoTable, id)
	}
	t := TableDetail{TableSummary: TableSummary{Database: id.Database, Name: id.Table, Kind: kindView}, Options: map[string]string{},
		PrimaryKey: []string{}, PartitionKeys: []string{}, History: []SchemaVersion{}, Readers: a.readers(id)}
	if t.DDL, err = sess.DDL(ctx, id.Database, id.Table); err != nil {
		return t, err
	}
	if rel.View != nil {
		t.Query = rel.View.Text
		t.Columns, err = viewColumns(ctx, sess, id)
		return t, err
	}
	t.Columns = tableColumns(rel.Table)
	if id.Database == catalog.SystemDatabase && a.opts.Services.System[id.Table] != nil {
		t.Kind, t.DDL = kindSystem, ""
		return t, nil
	}
	return a.storedTable(ctx, id, t)
}

// storedTable adds what the stored schema and the newest snapshot say.
func (a *API) storedTable(ctx context.Context, id catalog.Identifier, t TableDetail) (TableDetail, error) {
	sc, err := a.opts.Services.Catalog.Table(ctx, id)
	if err != nil {
		return t, err
	}
	sum, s, err := a.summaryOf(ctx, id, sc, a.keepers())
	if err != nil {
		return t, err
	}
	t.TableSummary, t.Options, t.Query = sum, sc.Options, sc.Options[session.OptQuery]
	t.PrimaryKey, t.PartitionKeys = list0(sc.PrimaryKeys), list0(sc.PartitionKeys)
	if col, expr := session.WatermarkText(sc.Options); expr != "" {
		t.EventTime = &WatermarkInfo{col, expr}
	}
	for i := range t.Columns {
		if j := sc.FieldIndex(t.Columns[i].Name); j >= 0 {
			t.Columns[i].Comment = sc.Fields[j].Description
		}
	}
	if t.History, err = a.schemaHistory(ctx, id); err != nil || s == nil {
		return t, err
	}
	t.Watermark = s.Watermark
	if p, err := commit.ProvenanceOf(s); err == nil {
		t.Epoch = p.Epoch
	}
	return t, nil
}

func tableColumns(t *plan.Table) []TableColumn {
	out := make([]TableColumn, 0, len(t.Columns))
	for _, c := range t.Columns {
		col := TableColumn{Name: c.Name, Type: c.Type.WithNotNull(false).String(), Nullable: !c.Type.NotNull, Comment: c.Comment, Metadata: c.Metadata}
		if c.Computed != nil {
			col.Computed = c.Computed.String()
		}
		out = append(out, col)
	}
	return out
}

func viewColumns(ctx context.Context, sess *session.Session, id catalog.Identifier) ([]TableColumn, error) {
	cols, err := sess.Columns(ctx, id.Database, id.Table)
	out := make([]TableColumn, 0, len(cols))
	for _, c := range cols {
		out = append(out, TableColumn{Name: c.Name, Type: c.Type.WithNotNull(false).String(), Nullable: !c.Type.NotNull})
	}
	return out, err
}

// readers are the jobs that read the table.
func (a *API) readers(id catalog.Identifier) []JobRef {
	out := []JobRef{}
	if a.opts.Services.Jobs == nil {
		return out
	}
	for _, s := range a.opts.Services.Jobs.List() {
		if slices.ContainsFunc(s.Inputs, func(i job.InputStatus) bool { return i.Table == id.String() }) {
			out = append(out, JobRef{s.ID, s.Name, s.State})
		}
	}
	return out
}

// schemaHistory is the newest versions of the schema, each with what it changed.
func (a *API) schemaHistory(ctx context.Context, id catalog.Identifier) ([]SchemaVersion, error) {
	files := schema.NewFiles(a.opts.Services.Catalog.TableStore(id), "")
	ids, err := files.List(ctx)
	if err != nil {
		return nil, err
	}
	out := []SchemaVersion{}
	ids = ids[max(0, len(ids)-schemasMax):]
	var old *schema.Schema
	for _, n := range ids {
		sc, err := files.Get(ctx, n)
		if err != nil {
			return nil, err
		}
		v := SchemaVersion{ID: int64(sc.ID), ChangedMs: sc.TimeMillis, Columns: len(sc.Fields), Changes: []string{}}
		switch {
		case old != nil:
			v.Changes = inspect.Changes(old, sc)
		case n == 0:
			v.Changes = []string{"created"}
		}
		out, old = append(out, v), sc
	}
	slices.Reverse(out)
	return out, nil
}

func list0(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

// sinceMillis is a time as Unix milliseconds, 0 for none.
func sinceMillis(t *time.Time) int64 {
	if t == nil {
		return 0
	}
	return t.UnixMilli()
}
