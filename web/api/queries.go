package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weir-lake/weir/olap"
	"github.com/weir-lake/weir/web/auth"
)

// queriesInput says which queries are wanted.
type queriesInput struct {
	User   string `query:"user" maxLength:"100" doc:"who asked"`
	State  string `query:"state" enum:"queued,running,done,failed,canceled"`
	Search string `query:"search" maxLength:"200" doc:"text in the SQL, capital or not"`
	Before int64  `query:"before_ms" minimum:"0" maximum:"253402300799999" doc:"only those that ended before, Unix milliseconds: the next page"`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"1000"`
}

// queryInfoInput names a query in a route.
type queryInfoInput struct {
	ID string `path:"id" maxLength:"64"`
}

func (a *API) queryListRoutes(h huma.API) {
	op := a.op(h, http.MethodGet, "/v1/queries", "list-queries", "List queries that wait or run, then those that ended, newest first")
	op.Description = "Callers below operator see their own."
	huma.Register(h, op, limited(a.listQueries))
	op = a.op(h, http.MethodGet, "/v1/queries/{id}", "show-query", "Show a query")
	op.Description = "Callers below operator see their own."
	huma.Register(h, op, limited(func(ctx context.Context, in *queryInfoInput) (*body[olap.Info], error) {
		q, err := a.ownQuery(ctx, in.ID)
		return answer(q), err
	}))
	op = as(auth.Reader, a.op(h, http.MethodDelete, "/v1/queries/{id}", "cancel-query", "Cancel a query"))
	op.Description = "Callers below operator can cancel their own."
	huma.Register(h, op, limited(func(ctx context.Context, in *queryInfoInput) (*struct{}, error) {
		if _, err := a.ownQuery(ctx, in.ID); err != nil {
			return nil, err
		}
		return nil, a.opts.Queries.Cancel(in.ID, auth.User(ctx))
	}))
}

func (a *API) listQueries(ctx context.Context, in *queriesInput) (*body[list[olap.Info]], error) {
	f := olap.Filter{User: in.User, State: olap.State(in.State), Search: in.Search, Limit: in.Limit}
	if in.Before > 0 {
		f.Before = time.UnixMilli(in.Before)
	}
	if me := auth.User(ctx); !auth.RoleOf(ctx).Includes(auth.Operator) {
		if f.User != "" && f.User != me {
			return listing[olap.Info](nil), nil
		}
		f.User = me
	}
	qs, err := a.opts.Queries.Find(ctx, f)
	return listing(qs), err
}

// ownQuery is a query that the caller may see; others are said not to be there.
func (a *API) ownQuery(ctx context.Context, id string) (olap.Info, error) {
	q, err := a.opts.Queries.Show(ctx, id)
	if err == nil && q.User != auth.User(ctx) && !auth.RoleOf(ctx).Includes(auth.Operator) {
		return olap.Info{}, fmt.Errorf("%w: %s", olap.ErrNoQuery, id)
	}
	return q, err
}
