package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/lineage"
)

// VerifyRequest says what to recompute.
type VerifyRequest struct {
	Job string `json:"job,omitempty" doc:"id or name"`
	All bool   `json:"all,omitempty" doc:"the tables of all jobs"`
	Tag string `json:"tag,omitempty" doc:"as they are in the cut of this name; default: the newest commits"`
}

func (a *API) lineageRoutes(h huma.API) {
	huma.Register(h, a.op(h, http.MethodGet, "/v1/lineage", "show-lineage", "Where tables and columns come from and go to"), limited(a.lineage))
	huma.Register(h, a.op(h, http.MethodPost, "/v1/verify", "verify", "Recompute tables from their recorded inputs and compare"),
		func(ctx context.Context, in *struct{ Body VerifyRequest }) (*body[any], error) {
			r, err := a.verify(ctx, in.Body)
			return answer(r), problem(err)
		})
}

// lineageInput is a question about lineage.
type lineageInput struct {
	Table     string `query:"table" maxLength:"1000" doc:"table, db.table, table.column or db.table.column; empty: all tables"`
	Column    string `query:"column" maxLength:"1000" doc:"of the table; answers with edges between columns too"`
	Direction string `query:"direction" enum:"up,down,both" default:"both" doc:"up: what it is made from; down: what is made from it"`
	Depth     int    `query:"depth" minimum:"0" maximum:"1000" doc:"steps; 0: all"`
	Snapshot  int64  `query:"snapshot" minimum:"0" doc:"a snapshot of the table: with the versions that it was made from and went into; columns are those of the statements now"`
}

func (a *API) lineage(ctx context.Context, in *lineageInput) (*body[lineage.Graph], error) {
	if a.opts.Lineage == nil {
		return nil, unavailable("lineage")
	}
	g, err := a.opts.Lineage.Lineage(ctx, lineage.Ask{Name: in.Table, Column: in.Column, Direction: in.Direction, Depth: in.Depth, Snapshot: in.Snapshot})
	if err != nil {
		return nil, err
	}
	return answer(*g), nil
}

// verify has no time limit of its own: it takes as long as the tables are large, and ends with its client.
func (a *API) verify(ctx context.Context, r VerifyRequest) (any, error) {
	switch {
	case a.opts.Verifier == nil:
		return nil, unavailable("verification")
	case r.All == (r.Job != ""):
		return nil, errkind.New(errkind.Invalid, `verify: want {"job": ".."} or {"all": true}`)
	}
	return a.opts.Verifier.Verify(ctx, r.Job, r.Tag)
}
