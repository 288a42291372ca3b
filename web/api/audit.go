package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weir-lake/weir/web/audit"
	"github.com/weir-lake/weir/web/auth"
)

// Auditor keeps what was done by whom; package audit implements it.
type Auditor interface {
	Add(e audit.Entry)
	Find(ctx context.Context, f audit.Filter) ([]audit.Entry, error)
}

type auditInput struct {
	User      string `query:"user" maxLength:"100"`
	Operation string `query:"operation" maxLength:"100" doc:"as the contract calls it, such as query"`
	Outcome   string `query:"outcome" enum:"ok,denied,refused,failed"`
	Search    string `query:"search" maxLength:"200" doc:"text in the statement or the path, capital or not"`
	From      string `query:"from" maxLength:"40" doc:"2026-01-31 10:00:00 (UTC) or RFC 3339"`
	To        string `query:"to" maxLength:"40"`
	Before    int64  `query:"before" minimum:"0" doc:"only ids below this one: the next page"`
	Limit     int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}

func (a *API) auditRoutes(h huma.API) {
	op := as(auth.Admin, a.op(h, http.MethodGet, "/v1/audit", "list-audit", "Who did what: changes and statements, newest first"))
	huma.Register(h, op, limited(func(ctx context.Context, in *auditInput) (*body[list[audit.Entry]], error) {
		if a.opts.Audit == nil {
			return nil, unavailable("audit log")
		}
		f := audit.Filter{User: in.User, Operation: in.Operation, Outcome: in.Outcome, Search: in.Search, Before: in.Before, Limit: in.Limit}
		var err error
		if in.From != "" {
			if f.From, err = parseTime(in.From); err != nil {
				return nil, err
			}
		}
		if in.To != "" {
			if f.To, err = parseTime(in.To); err != nil {
				return nil, err
			}
		}
		es, err := a.opts.Audit.Find(ctx, f)
		return listing(es), err
	}))
}
