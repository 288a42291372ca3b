package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weir-lake/weir/table"
)

// CompactRequest says how far to compact.
type CompactRequest struct {
	Full bool `json:"full,omitempty" doc:"merge every bucket into one run at the top level"`
}

// CompactDone is what a compaction did.
type CompactDone struct {
	Snapshots int   `json:"snapshots"`
	Removed   int   `json:"files_removed"`
	Added     int   `json:"files_added"`
	Bytes     int64 `json:"bytes_read"`
}

// ExpireRequest says whether to only look.
type ExpireRequest struct {
	DryRun bool `json:"dry_run,omitempty" doc:"count what would go and delete nothing"`
}

// ExpireDone is what an expiry deleted.
type ExpireDone struct {
	Snapshots int    `json:"snapshots"`
	Tags      int    `json:"tags"`
	DataFiles int    `json:"data_files"`
	MetaFiles int    `json:"metadata_files"`
	HeldBy    string `json:"held_by,omitempty" doc:"what keeps snapshots that are old enough to go"`
}

func (a *API) upkeepRoutes(h huma.API) {
	compact := a.op(h, http.MethodPost, "/v1/tables/{db}/{table}/compact", "compact-table", "Merge files now")
	compact.Description = "Answers when there is nothing left to do. What is done stays done if the request is given up."
	huma.Register(h, compact, func(ctx context.Context, in *struct {
		TablePath
		Body *CompactRequest
	},
	) (*body[CompactDone], error) {
		done, err := a.compact(ctx, in.TablePath, in.Body != nil && in.Body.Full)
		return answer(done), noted(ctx, err)
	})
	expire := a.op(h, http.MethodPost, "/v1/tables/{db}/{table}/expire", "expire-table", "Remove versions by the table's options now")
	huma.Register(h, expire, func(ctx context.Context, in *struct {
		TablePath
		Body *ExpireRequest
	},
	) (*body[ExpireDone], error) {
		done, err := a.expire(ctx, in.TablePath, in.Body != nil && in.Body.DryRun)
		return answer(done), noted(ctx, err)
	})
}

// compact has no time limit of its own: it takes as long as the table is large, and ends with its client.
func (a *API) compact(ctx context.Context, in TablePath, full bool) (CompactDone, error) {
	id := in.id()
	if _, err := a.stored(ctx, id); err != nil {
		return CompactDone{}, err
	}
	t, err := table.Open(ctx, a.opts.Services.Catalog.Store(), id.Path(), table.Options{Now: a.opts.Now})
	if err != nil {
		return CompactDone{}, err
	}
	done, err := t.Compact(ctx, table.CompactOptions{Full: full})
	return CompactDone{done.Snapshots, done.Removed, done.Added, done.Bytes}, err
}

func (a *API) expire(ctx context.Context, in TablePath, dry bool) (ExpireDone, error) {
	m, err := a.jobs()
	if err != nil {
		return ExpireDone{}, err
	}
	if _, err := a.stored(ctx, in.id()); err != nil {
		return ExpireDone{}, err
	}
	done, err := m.Expire(ctx, in.id().Path(), dry)
	return ExpireDone{Snapshots: len(done.Snapshots), Tags: len(done.Tags), DataFiles: done.DataFiles, MetaFiles: done.MetaFiles, HeldBy: done.HeldBy}, err
}
