package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/lineage"
	"github.com/weir-lake/weir/web/auth"
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
	Snapshot  int64  `query:"snapshot" minimum:"0" doc:"a snapshot of the table: with the versions that it was made from and went into"`
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

// NewToken asks for a token.
type NewToken struct {
	Name string `json:"name" minLength:"1" maxLength:"100" doc:"who or what will use it"`
}

// CreatedToken is a token with its secret, which is told this once.
type CreatedToken struct {
	auth.Token
	Secret string `json:"token"`
}

func (a *API) tokenRoutes(h huma.API) {
	huma.Register(h, a.op(h, http.MethodGet, "/v1/tokens", "list-tokens", "List tokens, without their secrets"),
		limited(func(ctx context.Context, _ *struct{}) (*body[list[auth.Token]], error) {
			if a.opts.Tokens == nil {
				return nil, unavailable("tokens")
			}
			ts, err := a.opts.Tokens.List(ctx)
			return listing(ts), err
		}))
	create := a.op(h, http.MethodPost, "/v1/tokens", "create-token", "Make a token")
	create.DefaultStatus = http.StatusCreated
	huma.Register(h, create, limited(func(ctx context.Context, in *struct{ Body NewToken }) (*body[CreatedToken], error) {
		if a.opts.Tokens == nil {
			return nil, unavailable("tokens")
		}
		secret, t, err := a.opts.Tokens.Create(ctx, in.Body.Name)
		return answer(CreatedToken{t, secret}), err
	}))
	type byID struct {
		ID string `path:"id"`
	}
	huma.Register(h, a.op(h, http.MethodDelete, "/v1/tokens/{id}", "revoke-token", "Revoke a token"),
		limited(func(ctx context.Context, in *byID) (*struct{}, error) {
			if a.opts.Tokens == nil {
				return nil, unavailable("tokens")
			}
			return nil, a.opts.Tokens.Revoke(ctx, in.ID)
		}))
}
