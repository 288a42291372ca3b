package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weir-lake/weir/table/inspect"
	"github.com/weir-lake/weir/table/schema"
)

// filesMax bounds a list of files, and with it what is decoded of their statistics.
const filesMax = 1000

// FileList is a page of files.
type FileList struct {
	Items []inspect.File `json:"items" nullable:"false"`
	Total int            `json:"total" doc:"files that match"`
}

func (a *API) layoutRoutes(h huma.API) {
	huma.Register(h, a.op(h, http.MethodGet, "/v1/tables/{db}/{table}/partitions", "list-partitions", "List the partitions of a version"),
		limited(func(ctx context.Context, in *TableAt) (*body[list[inspect.Partition]], error) {
			v, err := a.look(ctx, *in)
			if err != nil {
				return nil, err
			}
			ps, err := inspect.Partitions(v.schema, v.live)
			return listing(ps), err
		}))
	huma.Register(h, a.op(h, http.MethodGet, "/v1/tables/{db}/{table}/buckets", "list-buckets", "List the buckets of a version with their levels"),
		limited(func(ctx context.Context, in *TableAt) (*body[list[inspect.Bucket]], error) {
			v, err := a.look(ctx, *in)
			if err != nil {
				return nil, err
			}
			bs, err := inspect.Buckets(v.schema, v.live)
			return listing(bs), err
		}))
	files := a.op(h, http.MethodGet, "/v1/tables/{db}/{table}/files", "list-files", "List the data files of a version with column statistics")
	huma.Register(h, files, limited(a.files))
	score := a.op(h, http.MethodGet, "/v1/tables/{db}/{table}/score", "score-table", "How far the files are from what compaction makes of them")
	huma.Register(h, score, limited(func(ctx context.Context, in *TablePath) (*body[inspect.Score], error) {
		v, err := a.look(ctx, TableAt{TablePath: *in})
		if err != nil {
			return nil, err
		}
		s, err := inspect.ScoreOf(v.schema, v.live)
		return answer(s), err
	}))
}

// filesInput is a page of the files of a version.
type filesInput struct {
	TableAt
	Partition string `query:"partition" maxLength:"1000" doc:"only of this partition, as its folder is called"`
	Offset    int    `query:"offset" minimum:"0"`
	Limit     int    `query:"limit" minimum:"1" maximum:"1000" default:"1000"`
}

func (a *API) files(ctx context.Context, in *filesInput) (*body[FileList], error) {
	v, err := a.look(ctx, in.TableAt)
	if err != nil {
		return nil, err
	}
	out := FileList{Items: []inspect.File{}}
	schemas := schema.NewFiles(a.opts.Services.Catalog.TableStore(in.id()), "")
	for i := range v.live {
		if in.Partition != "" {
			path, err := v.schema.PartitionPath(v.live[i].Partition)
			if err != nil {
				return nil, err
			}
			if path != in.Partition {
				continue
			}
		}
		out.Total++
		if out.Total <= in.Offset || len(out.Items) == min(in.Limit, filesMax) {
			continue
		}
		f, err := inspect.Describe(ctx, v.schema, &v.live[i], schemas.Get)
		if err != nil {
			return nil, err
		}
		out.Items = append(out.Items, f)
	}
	return answer(out), nil
}
