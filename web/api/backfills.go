package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weir-lake/weir/lineage/schedule"
	"github.com/weir-lake/weir/web/auth"
)

// Backfills run statements over ranges of partitions, by schedule and by hand; schedule.Scheduler implements it.
type Backfills interface {
	Create(ctx context.Context, d schedule.Definition) (schedule.Backfill, error)
	List() []schedule.Backfill
	Show(name string) (schedule.Backfill, error)
	Pause(ctx context.Context, name string) (schedule.Backfill, error)
	Resume(ctx context.Context, name string) (schedule.Backfill, error)
	Drop(ctx context.Context, name string) error
	Run(ctx context.Context, name string, span schedule.Span, user string) (schedule.Run, error)
	History(ctx context.Context, name string, limit int) ([]schedule.Run, error)
	RunOf(ctx context.Context, name, id string) (schedule.Run, error)
	Cancel(ctx context.Context, name, id string) (schedule.Run, error)
}

// NewRun asks for a range to be computed.
type NewRun struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to" doc:"the range is up to this, without it"`
}

// BackfillPath names a backfill in a route. It is exported because fields of embedded types that are not are no parameters.
type BackfillPath struct {
	Name string `path:"name"`
}

type runPath struct {
	BackfillPath
	ID string `path:"id"`
}

func (a *API) backfillRoutes(h huma.API) {
	huma.Register(h, a.op(h, http.MethodGet, "/v1/backfills", "list-backfills", "List backfills"),
		limited(func(context.Context, *struct{}) (*body[list[schedule.Backfill]], error) {
			b, err := a.backfills()
			if err != nil {
				return nil, err
			}
			return listing(b.List()), nil
		}))
	create := a.op(h, http.MethodPost, "/v1/backfills", "create-backfill", "Create a backfill")
	create.DefaultStatus = http.StatusCreated
	huma.Register(h, create, limited(func(ctx context.Context, in *struct{ Body schedule.Definition }) (*body[schedule.Backfill], error) {
		b, err := a.backfills()
		if err != nil {
			return nil, err
		}
		in.Body.User = auth.User(ctx)
		made, err := b.Create(ctx, in.Body)
		return answer(made), err
	}))
	for _, o := range []struct {
		op huma.Operation
		do func(ctx context.Context, b Backfills, name string) (schedule.Backfill, error)
	}{
		{a.op(h, http.MethodGet, "/v1/backfills/{name}", "show-backfill", "Show a backfill"),
			func(_ context.Context, b Backfills, name string) (schedule.Backfill, error) { return b.Show(name) }},
		{a.op(h, http.MethodPost, "/v1/backfills/{name}/pause", "pause-backfill", "Let ticks pass"),
			func(ctx context.Context, b Backfills, name string) (schedule.Backfill, error) {
				return b.Pause(ctx, name)
			}},
		{a.op(h, http.MethodPost, "/v1/backfills/{name}/resume", "resume-backfill", "Follow the clock again; missed ticks are made up as catch_up says"),
			func(ctx context.Context, b Backfills, name string) (schedule.Backfill, error) {
				return b.Resume(ctx, name)
			}},
	} {
		huma.Register(h, o.op, limited(func(ctx context.Context, in *BackfillPath) (*body[schedule.Backfill], error) {
			b, err := a.backfills()
			if err != nil {
				return nil, err
			}
			s, err := o.do(ctx, b, in.Name)
			return answer(s), err
		}))
	}
	huma.Register(h, a.op(h, http.MethodDelete, "/v1/backfills/{name}", "drop-backfill", "Drop a backfill; its table and the record of its runs stay"),
		limited(func(ctx context.Context, in *BackfillPath) (*struct{}, error) {
			b, err := a.backfills()
			if err != nil {
				return nil, err
			}
			return nil, b.Drop(ctx, in.Name)
		}))
	a.runRoutes(h)
}

func (a *API) runRoutes(h huma.API) {
	start := a.op(h, http.MethodPost, "/v1/backfills/{name}/runs", "run-backfill", "Compute a range by hand")
	start.Description = "Answers when the run is recorded. Ask for the run to see how far it is."
	start.DefaultStatus = http.StatusAccepted
	huma.Register(h, start, limited(func(ctx context.Context, in *struct {
		BackfillPath
		Body NewRun
	},
	) (*body[schedule.Run], error) {
		b, err := a.backfills()
		if err != nil {
			return nil, err
		}
		r, err := b.Run(ctx, in.Name, schedule.Span{From: in.Body.From, To: in.Body.To}, auth.User(ctx))
		return answer(r), err
	}))
	huma.Register(h, a.op(h, http.MethodGet, "/v1/backfills/{name}/runs", "list-backfill-runs", "The newest runs of a backfill, newest first"),
		limited(func(ctx context.Context, in *struct {
			BackfillPath
			Limit int `query:"limit" minimum:"1" maximum:"1000" default:"100"`
		},
		) (*body[list[schedule.Run]], error) {
			b, err := a.backfills()
			if err != nil {
				return nil, err
			}
			runs, err := b.History(ctx, in.Name, in.Limit)
			return listing(runs), err
		}))
	for _, o := range []struct {
		op huma.Operation
		do func(ctx context.Context, b Backfills, name, id string) (schedule.Run, error)
	}{
		{a.op(h, http.MethodGet, "/v1/backfills/{name}/runs/{id}", "show-backfill-run", "Show a run: state, slices, inputs, log"),
			func(ctx context.Context, b Backfills, name, id string) (schedule.Run, error) {
				return b.RunOf(ctx, name, id)
			}},
		{a.op(h, http.MethodDelete, "/v1/backfills/{name}/runs/{id}", "cancel-backfill-run", "End a run after what it is committing"),
			func(ctx context.Context, b Backfills, name, id string) (schedule.Run, error) {
				return b.Cancel(ctx, name, id)
			}},
	} {
		huma.Register(h, o.op, limited(func(ctx context.Context, in *runPath) (*body[schedule.Run], error) {
			b, err := a.backfills()
			if err != nil {
				return nil, err
			}
			r, err := o.do(ctx, b, in.Name, in.ID)
			return answer(r), err
		}))
	}
}

func (a *API) backfills() (Backfills, error) {
	if a.opts.Backfills == nil {
		return nil, unavailable("backfills")
	}
	return a.opts.Backfills, nil
}
