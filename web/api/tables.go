package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weir-lake/weir/compute/session"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/catalog"
	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/manifest"
	"github.com/weir-lake/weir/table/scan"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
)

// TableSummary is a table in a list.
type TableSummary struct {
	Database string `json:"database"`
	Name     string `json:"name"`
	Kind     string `json:"kind" enum:"table,materialized,connector" doc:"materialized: kept by a job; connector: lies outside the warehouse"`
	Comment  string `json:"comment,omitempty"`
	Snapshot int64  `json:"snapshot,omitempty"`
	// Rows are those of the live files.
	Rows         int64 `json:"rows" doc:"in the live files, before merging rows of one key"`
	CommittedMs  int64 `json:"committed_ms,omitempty" doc:"when the newest snapshot was made, Unix milliseconds"`
	AgeMillis    int64 `json:"age_ms,omitempty" doc:"how long ago that was"`
	DefinitionMs int64 `json:"definition_ms,omitempty" doc:"when the schema was last changed, Unix milliseconds"`
}

// TableColumn is a stored column.
type TableColumn struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Nullable bool   `json:"nullable"`
	Comment  string `json:"comment,omitempty"`
}

// TableDetail is all about a table.
type TableDetail struct {
	TableSummary
	Columns       []TableColumn     `json:"columns" nullable:"false"`
	PrimaryKey    []string          `json:"primary_key" nullable:"false"`
	PartitionKeys []string          `json:"partition_keys" nullable:"false"`
	Options       map[string]string `json:"options"`
	Query         string            `json:"query,omitempty" doc:"of a materialized table"`
	Files         int               `json:"files"`
	Bytes         int64             `json:"bytes" doc:"of the live files"`
	Epoch         int64             `json:"epoch,omitempty" doc:"of the newest snapshot, when weir made it"`
	Watermark     *int64            `json:"watermark,omitempty" doc:"Unix milliseconds"`
}

// SnapshotInfo is a version of a table.
type SnapshotInfo struct {
	ID          int64             `json:"id"`
	Kind        string            `json:"kind"`
	CommittedMs int64             `json:"committed_ms"`
	Rows        int64             `json:"rows" doc:"in the live files, before merging"`
	DeltaRows   int64             `json:"delta_rows"`
	CommitUser  string            `json:"commit_user"`
	SchemaID    int64             `json:"schema_id"`
	Watermark   *int64            `json:"watermark,omitempty"`
	Properties  map[string]string `json:"properties,omitempty" doc:"what it was made from"`
}

// FileInfo is a data file.
type FileInfo struct {
	Path    string `json:"path" doc:"below the table"`
	Bucket  int    `json:"bucket"`
	Level   int    `json:"level"`
	Rows    int64  `json:"rows"`
	Bytes   int64  `json:"bytes"`
	Deletes *int64 `json:"deletes,omitempty" doc:"rows that remove others"`
}

// TablePath names a table in a route.
type TablePath struct {
	Database string `path:"db"`
	Table    string `path:"table"`
}

func (p TablePath) id() catalog.Identifier {
	return catalog.Identifier{Database: p.Database, Table: p.Table}
}

// snapshotsMax bounds a list of versions.
const snapshotsMax = 1000

func (a *API) tableRoutes(h huma.API) {
	huma.Register(h, a.op(h, http.MethodGet, "/v1/databases", "list-databases", "List databases"),
		limited(func(ctx context.Context, _ *struct{}) (*body[list[string]], error) {
			dbs, err := a.opts.Services.Catalog.Databases(ctx)
			return listing(dbs), err
		}))
	type inDatabase struct {
		Database string `query:"database" doc:"only tables of this one"`
	}
	huma.Register(h, a.op(h, http.MethodGet, "/v1/tables", "list-tables", "List tables"),
		limited(func(ctx context.Context, in *inDatabase) (*body[list[TableSummary]], error) {
			ts, err := a.tables(ctx, in.Database)
			return listing(ts), err
		}))
	huma.Register(h, a.op(h, http.MethodGet, "/v1/tables/{db}/{table}", "show-table", "Show a table"),
		limited(func(ctx context.Context, in *TablePath) (*body[TableDetail], error) {
			t, err := a.table(ctx, in.id())
			return answer(t), err
		}))
	type page struct {
		TablePath
		Limit int `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	}
	huma.Register(h, a.op(h, http.MethodGet, "/v1/tables/{db}/{table}/snapshots", "list-snapshots", "List versions of a table, newest first"),
		limited(func(ctx context.Context, in *page) (*body[list[SnapshotInfo]], error) {
			ss, err := a.snapshots(ctx, in.id(), min(in.Limit, snapshotsMax))
			return listing(ss), err
		}))
	huma.Register(h, a.op(h, http.MethodGet, "/v1/tables/{db}/{table}/files", "list-files", "List the data files of the newest version"),
		limited(func(ctx context.Context, in *TablePath) (*body[list[FileInfo]], error) {
			p, err := a.plan(ctx, in.id())
			if err != nil {
				return nil, err
			}
			fs, err := filesOf(p)
			return listing(fs), err
		}))
	a.rowRoutes(h)
}

func (a *API) tables(ctx context.Context, only string) ([]TableSummary, error) {
	cat := a.opts.Services.Catalog
	dbs, err := cat.Databases(ctx)
	if err != nil {
		return nil, err
	}
	if only != "" {
		if !slices.Contains(dbs, only) {
			return nil, fmt.Errorf("%w: %s", catalog.ErrNoDatabase, only)
		}
		dbs = []string{only}
	}
	var out []TableSummary
	for _, db := range dbs {
		names, err := cat.Tables(ctx, db)
		if errors.Is(err, catalog.ErrNoDatabase) {
			continue // the first database is listed before its folder is made
		}
		if err != nil {
			return nil, err
		}
		for _, n := range names {
			id := catalog.Identifier{Database: db, Table: n}
			sc, err := cat.Table(ctx, id)
			if errkind.Is(err, errkind.NotFound) {
				continue // dropped meanwhile
			}
			if err != nil {
				// One broken table must not hide the others.
				out = append(out, TableSummary{Database: db, Name: n, Kind: "table", Comment: err.Error()})
				continue
			}
			s, _, err := a.summaryOf(ctx, id, sc)
			if err != nil {
				s.Comment = err.Error()
			}
			out = append(out, s)
		}
	}
	return out, nil
}

// summaryOf tells what the schema and the newest snapshot say; the snapshot is nil when there is none.
func (a *API) summaryOf(ctx context.Context, id catalog.Identifier, sc *schema.Schema) (TableSummary, *snapshot.Snapshot, error) {
	t := TableSummary{Database: id.Database, Name: id.Table, Kind: "table", Comment: sc.Comment, DefinitionMs: sc.TimeMillis}
	switch {
	case sc.Connector():
		t.Kind = "connector"
		return t, nil, nil
	case sc.Options[session.OptQuery] != "":
		t.Kind = "materialized"
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
	return t, s, nil
}

func (a *API) table(ctx context.Context, id catalog.Identifier) (TableDetail, error) {
	sc, err := a.opts.Services.Catalog.Table(ctx, id)
	if err != nil {
		return TableDetail{}, err
	}
	sum, s, err := a.summaryOf(ctx, id, sc)
	if err != nil {
		return TableDetail{}, err
	}
	t := TableDetail{TableSummary: sum, PrimaryKey: list0(sc.PrimaryKeys), PartitionKeys: list0(sc.PartitionKeys), Options: sc.Options, Query: sc.Options[session.OptQuery]}
	for _, f := range sc.Fields {
		t.Columns = append(t.Columns, TableColumn{f.Name, f.Type.WithNotNull(false).String(), !f.Type.NotNull, f.Description})
	}
	if s == nil {
		return t, nil
	}
	t.Watermark = s.Watermark
	if p, err := commit.ProvenanceOf(s); err == nil {
		t.Epoch = p.Epoch
	}
	p, err := a.planAt(ctx, id, sc, s)
	if err != nil {
		return t, err
	}
	files, err := filesOf(p)
	t.Files = len(files)
	for _, f := range files {
		t.Bytes += f.Bytes
	}
	return t, err
}

func list0(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

func (a *API) snapshots(ctx context.Context, id catalog.Identifier, limit int) ([]SnapshotInfo, error) {
	if _, err := a.opts.Services.Catalog.Table(ctx, id); err != nil {
		return nil, err
	}
	snaps := snapshot.NewManager(a.opts.Services.Catalog.TableStore(id), "")
	s, err := snaps.Latest(ctx)
	if errors.Is(err, snapshot.ErrNone) {
		return nil, nil
	}
	var out []SnapshotInfo
	for err == nil {
		out = append(out, SnapshotInfo{
			ID: int64(s.ID), Kind: string(s.CommitKind), CommittedMs: s.TimeMillis, Rows: s.TotalRecordCount, DeltaRows: s.DeltaRecordCount,
			CommitUser: s.CommitUser, SchemaID: s.SchemaID, Watermark: s.Watermark, Properties: s.Properties,
		})
		if len(out) == limit || s.ID == 1 {
			return out, nil
		}
		s, err = snaps.Get(ctx, s.ID-1)
	}
	if errkind.Is(err, errkind.NotFound) {
		err = nil // the rest has expired
	}
	return out, err
}

// plan is the newest version of a table.
func (a *API) plan(ctx context.Context, id catalog.Identifier) (*scan.Plan, error) {
	sc, err := a.opts.Services.Catalog.Table(ctx, id)
	if err != nil {
		return nil, err
	}
	if sc.Connector() {
		return nil, errkind.Errorf(errkind.Invalid, "%s lies behind a connector: it has no files here", id)
	}
	s, err := snapshot.NewManager(a.opts.Services.Catalog.TableStore(id), "").Latest(ctx)
	if err != nil && !errors.Is(err, snapshot.ErrNone) {
		return nil, err
	}
	return a.planAt(ctx, id, sc, s)
}

func (a *API) planAt(ctx context.Context, id catalog.Identifier, sc *schema.Schema, s *snapshot.Snapshot) (*scan.Plan, error) {
	x, err := scan.New(a.opts.Services.Catalog.TableStore(id), sc, nil)
	if err != nil {
		return nil, err
	}
	return x.Plan(ctx, s, scan.Request{})
}

func filesOf(p *scan.Plan) ([]FileInfo, error) {
	keys, _, err := p.Keys()
	if err != nil {
		return nil, err
	}
	var out []FileInfo
	for i := range p.Splits {
		for j := range p.Splits[i].Files {
			out = append(out, fileOf(keys[len(out)], &p.Splits[i].Files[j]))
		}
	}
	return out, nil
}

func fileOf(key string, e *manifest.Entry) FileInfo {
	return FileInfo{Path: key, Bucket: e.Bucket, Level: e.File.Level, Rows: e.File.RowCount, Bytes: e.File.Size, Deletes: e.File.DeleteRowCount}
}

// CutInfo is a cut over tables.
type CutInfo struct {
	Epoch     int64            `json:"epoch"`
	AgeMillis int64            `json:"age_ms"`
	HeldBy    string           `json:"held_by,omitempty" doc:"the job that holds it back"`
	Tables    map[string]int64 `json:"tables" doc:"table to snapshot; 0: it was empty"`
}

// cut is the newest cut over the tables ("db.t,db.u"; empty: all).
func (a *API) cut(ctx context.Context, names string) (CutInfo, error) {
	if a.opts.Cuts == nil {
		return CutInfo{}, unavailable("cuts")
	}
	ids, err := a.identifiers(ctx, names)
	if err != nil {
		return CutInfo{}, err
	}
	paths := make([]string, len(ids))
	for i, id := range ids {
		paths[i] = id.Path()
	}
	e, age, heldBy, err := a.opts.Cuts.Cut(ctx, paths)
	if err != nil {
		return CutInfo{}, err
	}
	out := CutInfo{Epoch: e, AgeMillis: age.Milliseconds(), HeldBy: heldBy, Tables: map[string]int64{}}
	for _, id := range ids {
		s, ok, err := a.opts.Cuts.At(ctx, id.Path(), e)
		if err == nil && !ok {
			s, err = snapshot.NewManager(a.opts.Services.Catalog.TableStore(id), "").Latest(ctx)
		}
		if err != nil {
			return CutInfo{}, fmt.Errorf("table %s: %w", id, err)
		}
		out.Tables[id.String()] = 0
		if s != nil {
			out.Tables[id.String()] = int64(s.ID)
		}
	}
	return out, nil
}

// identifiers are the tables of the warehouse that names lists; empty: all.
func (a *API) identifiers(ctx context.Context, names string) ([]catalog.Identifier, error) {
	var out []catalog.Identifier
	if names == "" {
		ts, err := a.tables(ctx, "")
		for _, t := range ts {
			if t.Kind != "connector" {
				out = append(out, catalog.Identifier{Database: t.Database, Table: t.Name})
			}
		}
		return out, err
	}
	for _, n := range strings.Split(names, ",") {
		id, err := catalog.ParseIdentifier(strings.TrimSpace(n), catalog.DefaultDatabase)
		if err != nil {
			return nil, err
		}
		sc, err := a.opts.Services.Catalog.Table(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", id, err)
		}
		if sc.Connector() {
			return nil, errkind.Errorf(errkind.Invalid, "%s lies behind a connector: it has no versions", id)
		}
		out = append(out, id)
	}
	return out, nil
}

// sinceMillis is a time as Unix milliseconds, 0 for none.
func sinceMillis(t *time.Time) int64 {
	if t == nil {
		return 0
	}
	return t.UnixMilli()
}
