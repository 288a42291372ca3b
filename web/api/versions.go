package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/catalog"
	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/snapshot"
)

// SnapshotInfo is a version of a table.
type SnapshotInfo struct {
	ID          int64             `json:"id"`
	Kind        string            `json:"kind" doc:"APPEND, COMPACT, OVERWRITE or ANALYZE"`
	CommittedMs int64             `json:"committed_ms" doc:"Unix milliseconds"`
	Rows        int64             `json:"rows" doc:"in the live files, before merging"`
	DeltaRows   int64             `json:"delta_rows"`
	CommitUser  string            `json:"commit_user"`
	Job         string            `json:"job,omitempty" doc:"name of the job that made it"`
	Epoch       int64             `json:"epoch,omitempty" doc:"the last one in it, when weir made it"`
	SchemaID    int64             `json:"schema_id"`
	Watermark   *int64            `json:"watermark,omitempty" doc:"Unix milliseconds"`
	Properties  map[string]string `json:"properties,omitempty" doc:"what it was made from"`
}

// TagInfo is a named version.
type TagInfo struct {
	Name       string `json:"name"`
	Snapshot   int64  `json:"snapshot"`
	SnapshotMs int64  `json:"snapshot_ms" doc:"when the snapshot was committed, Unix milliseconds"`
	Rows       int64  `json:"rows"`
	CreatedMs  int64  `json:"created_ms,omitempty" doc:"the writer's clock; not stored for tags without retention"`
	RetainedMs int64  `json:"retained_ms,omitempty" doc:"how long it is kept; 0: until deleted"`
}

// BranchInfo is a branch of a table.
type BranchInfo struct {
	Name        string `json:"name"`
	Snapshot    int64  `json:"snapshot,omitempty"`
	CommittedMs int64  `json:"committed_ms,omitempty" doc:"Unix milliseconds"`
	Rows        int64  `json:"rows"`
}

// snapshotsMax bounds a list of versions.
const snapshotsMax = 1000

func (a *API) versionRoutes(h huma.API) {
	type page struct {
		TablePath
		Limit  int   `query:"limit" minimum:"1" maximum:"1000" default:"100"`
		Before int64 `query:"before" minimum:"0" doc:"only ids below this one: the next page"`
	}
	huma.Register(h, a.op(h, http.MethodGet, "/v1/tables/{db}/{table}/snapshots", "list-snapshots", "List versions of a table, newest first"),
		limited(func(ctx context.Context, in *page) (*body[list[SnapshotInfo]], error) {
			ss, err := a.snapshots(ctx, in.id(), snapshot.ID(in.Before), min(in.Limit, snapshotsMax))
			return listing(ss), err
		}))
	huma.Register(h, a.op(h, http.MethodGet, "/v1/tables/{db}/{table}/tags", "list-tags", "List the named versions of a table"),
		limited(func(ctx context.Context, in *TablePath) (*body[list[TagInfo]], error) {
			ts, err := a.tags(ctx, in.id())
			return listing(ts), err
		}))
	huma.Register(h, a.op(h, http.MethodGet, "/v1/tables/{db}/{table}/branches", "list-branches", "List the branches of a table"),
		limited(func(ctx context.Context, in *TablePath) (*body[list[BranchInfo]], error) {
			bs, err := a.branches(ctx, in.id())
			return listing(bs), err
		}))
}

func (a *API) snapshots(ctx context.Context, id catalog.Identifier, before snapshot.ID, limit int) ([]SnapshotInfo, error) {
	if _, err := a.stored(ctx, id); err != nil {
		return nil, err
	}
	snaps := snapshot.NewManager(a.opts.Services.Catalog.TableStore(id), "")
	s, err := snaps.Latest(ctx)
	if errors.Is(err, snapshot.ErrNone) {
		return nil, nil
	}
	if err == nil && before > 0 && s.ID >= before {
		if before == 1 {
			return nil, nil
		}
		s, err = snaps.Get(ctx, before-1)
	}
	names := a.commitUsers()
	var out []SnapshotInfo
	for err == nil {
		out = append(out, snapshotInfo(s, names))
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

func snapshotInfo(s *snapshot.Snapshot, jobs map[string]string) SnapshotInfo {
	out := SnapshotInfo{
		ID: int64(s.ID), Kind: string(s.CommitKind), CommittedMs: s.TimeMillis, Rows: s.TotalRecordCount, DeltaRows: s.DeltaRecordCount,
		CommitUser: s.CommitUser, Job: jobs[s.CommitUser], SchemaID: s.SchemaID, Watermark: s.Watermark, Properties: s.Properties,
	}
	if p, err := commit.ProvenanceOf(s); err == nil { // else another engine's words under our names
		out.Epoch = p.Epoch
	}
	return out
}

// commitUsers are the names of jobs by the user they commit as.
func (a *API) commitUsers() map[string]string {
	out := map[string]string{}
	if a.opts.Services.Jobs != nil {
		for _, s := range a.opts.Services.Jobs.List() {
			out[s.CommitUser] = s.Name
		}
	}
	return out
}

func (a *API) tags(ctx context.Context, id catalog.Identifier) ([]TagInfo, error) {
	if _, err := a.stored(ctx, id); err != nil {
		return nil, err
	}
	tags, err := snapshot.NewManager(a.opts.Services.Catalog.TableStore(id), "").Tags(ctx)
	var out []TagInfo
	for _, t := range tags {
		info := TagInfo{Name: t.Name, Snapshot: int64(t.Snapshot.ID), SnapshotMs: t.Snapshot.TimeMillis, Rows: t.Snapshot.TotalRecordCount,
			RetainedMs: int64(t.Retained / time.Millisecond)}
		if !t.Created.IsZero() {
			info.CreatedMs = t.Created.UnixMilli()
		}
		out = append(out, info)
	}
	return out, err
}

func (a *API) branches(ctx context.Context, id catalog.Identifier) ([]BranchInfo, error) {
	if _, err := a.stored(ctx, id); err != nil {
		return nil, err
	}
	store := a.opts.Services.Catalog.TableStore(id)
	names, err := snapshot.NewManager(store, "").Branches(ctx)
	if err != nil {
		return nil, err
	}
	var out []BranchInfo
	for _, name := range names {
		b := BranchInfo{Name: name}
		s, err := snapshot.NewManager(store, name).Latest(ctx)
		switch {
		case err == nil:
			b.Snapshot, b.CommittedMs, b.Rows = int64(s.ID), s.TimeMillis, s.TotalRecordCount
		case !errors.Is(err, snapshot.ErrNone):
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}
