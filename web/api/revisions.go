package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weir-lake/weir/compute/ledger"
	"github.com/weir-lake/weir/lineage/revision"
	"github.com/weir-lake/weir/web/auth"
)

// Revisions repair rows of tables; package lineage/revision implements it.
type Revisions interface {
	// DryRun says what a revision would change.
	DryRun(ctx context.Context, r revision.Request) (*revision.Plan, error)
	// Revise starts a revision and returns before its end.
	Revise(ctx context.Context, r revision.Request, user string) (*revision.Entry, error)
	List(ctx context.Context) ([]revision.Entry, error)
	Get(ctx context.Context, id string) (*revision.Entry, error)
}

// RevisionInfo is a revision in the ledger.
type RevisionInfo struct {
	ID           string              `json:"id"`
	Table        string              `json:"table"`
	State        revision.State      `json:"state" enum:"comparing,committing,following,done,failed" doc:"comparing: nothing is changed yet; committing: decided, waits for its turn; following: tables downstream take it in"`
	Who          string              `json:"who,omitempty"`
	Why          string              `json:"why,omitempty"`
	SQL          string              `json:"sql,omitempty"`
	Column       string              `json:"range_column,omitempty"`
	From         *time.Time          `json:"range_from,omitempty"`
	To           *time.Time          `json:"range_to,omitempty"`
	UndoOf       string              `json:"undo_of,omitempty"`
	BaseSnapshot int64               `json:"base_snapshot" doc:"version the difference was made from"`
	Epoch        int64               `json:"epoch"`
	Snapshot     int64               `json:"snapshot" doc:"0: none, nothing differed"`
	Added        int64               `json:"rows_added"`
	Removed      int64               `json:"rows_removed"`
	Changed      int64               `json:"rows_changed"`
	Skipped      int64               `json:"rows_skipped" doc:"rows of the difference that others had changed meanwhile"`
	Downstream   []revision.Followed `json:"downstream" nullable:"false"`
	Error        string              `json:"error,omitempty"`
	Created      *time.Time          `json:"created,omitempty"`
	Ended        *time.Time          `json:"ended,omitempty"`
}

func revisionInfo(e *revision.Entry) RevisionInfo {
	at := func(t ledger.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		return &t.Time
	}
	down := e.Followers()
	if down == nil {
		down = []revision.Followed{}
	}
	return RevisionInfo{ID: e.ID, Table: e.Table, State: e.State, Who: e.Who, Why: e.Why, SQL: e.SQL, Column: e.Column, From: at(e.From), To: at(e.To),
		UndoOf: e.UndoOf, BaseSnapshot: e.BaseSnapshot, Epoch: e.Epoch, Snapshot: e.Snapshot, Added: e.Added, Removed: e.Removed, Changed: e.Changed,
		Skipped: e.Skipped, Downstream: down, Error: e.Error, Created: at(e.Created), Ended: at(e.Ended)}
}

func (a *API) revisions() (Revisions, error) {
	if a.opts.Revisions == nil {
		return nil, unavailable("revisions")
	}
	return a.opts.Revisions, nil
}

func (a *API) revisionRoutes(h huma.API) {
	// A dry run has no time limit of its own: it takes as long as the range is large, and ends with its client.
	huma.Register(h, a.op(h, http.MethodPost, "/v1/revisions/plan", "plan-revision", "What a revision would change: counts, samples and the tables that could follow"),
		func(ctx context.Context, in *struct{ Body revision.Request }) (*body[revision.Plan], error) {
			r, err := a.revisions()
			if err != nil {
				return nil, problem(err)
			}
			p, err := r.DryRun(ctx, in.Body)
			if err != nil {
				return nil, problem(err)
			}
			return answer(*p), nil
		})
	create := a.op(h, http.MethodPost, "/v1/revisions", "create-revision", "Repair the rows of a range, or undo a revision; the answer comes before its end")
	create.DefaultStatus = http.StatusAccepted
	huma.Register(h, create, limited(func(ctx context.Context, in *struct{ Body revision.Request }) (*body[RevisionInfo], error) {
		r, err := a.revisions()
		if err != nil {
			return nil, err
		}
		e, err := r.Revise(ctx, in.Body, auth.User(ctx))
		if err != nil {
			return nil, err
		}
		return answer(revisionInfo(e)), nil
	}))
	huma.Register(h, a.op(h, http.MethodGet, "/v1/revisions", "list-revisions", "List revisions, newest first"),
		limited(func(ctx context.Context, _ *struct{}) (*body[list[RevisionInfo]], error) {
			r, err := a.revisions()
			if err != nil {
				return nil, err
			}
			all, err := r.List(ctx)
			out := make([]RevisionInfo, len(all))
			for i := range all {
				out[i] = revisionInfo(&all[i])
			}
			return listing(out), err
		}))
	type byID struct {
		ID string `path:"id"`
	}
	huma.Register(h, a.op(h, http.MethodGet, "/v1/revisions/{id}", "show-revision", "Show a revision: its state, rows and what followed"),
		limited(func(ctx context.Context, in *byID) (*body[RevisionInfo], error) {
			r, err := a.revisions()
			if err != nil {
				return nil, err
			}
			e, err := r.Get(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			return answer(revisionInfo(e)), nil
		}))
}
