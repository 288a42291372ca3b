package api

import (
	"context"
	"net/http"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/web/auth"
)

// DeadLetter is a row that a job could not decode.
type DeadLetter struct {
	ID       string `json:"id" doc:"says the row by its content"`
	Table    string `json:"table" doc:"db.table that the row was meant for"`
	Job      string `json:"job" doc:"name"`
	Epoch    int64  `json:"epoch"`
	Split    string `json:"split" doc:"file, or topic and partition"`
	Position string `json:"position" doc:"line, or offset"`
	Reason   string `json:"reason"`
	Raw      string `json:"raw" doc:"the message, at most its first 64 KiB, where it is text"`
	Binary   []byte `json:"raw_base64,omitempty" doc:"the message where it is no text"`
}

// DeadLetters are some of them.
type DeadLetters struct {
	Items []DeadLetter `json:"items"`
	More  bool         `json:"more" doc:"there are more than were asked for"`
}

// NewReplay says which dead letters to take once more.
type NewReplay struct {
	Job   string   `json:"job,omitempty" doc:"id or name; default: any"`
	Table string   `json:"table,omitempty" doc:"db.table; default: any"`
	IDs   []string `json:"ids,omitempty" maxItems:"10000" doc:"of the dead letters"`
	All   bool     `json:"all,omitempty" doc:"instead of ids: all of the job or table, at most 10,000 at once"`
}

type deadQuery struct {
	Job   string `query:"job" doc:"id or name; default: any"`
	Table string `query:"table" doc:"db.table; default: any"`
	Limit int    `query:"limit" default:"100" minimum:"1" maximum:"10000"`
}

func (a *API) deadLetterRoutes(h huma.API) {
	huma.Register(h, a.op(h, http.MethodGet, "/v1/dead-letters", "list-dead-letters", "Rows that jobs could not decode"), limited(a.deadLetters))
	replay := a.op(h, http.MethodPost, "/v1/dead-letters/replay", "replay-dead-letters", "Take dead letters once more")
	replay.Description = "They are read as their source is defined now. Those that can be taken go through their job in an epoch of their own and are dead letters no more; " +
		"the others stay, and kept says why. Asking again never takes one twice."
	huma.Register(h, replay, limited(a.replayDeadLetters))
}

func (a *API) deadLetters(ctx context.Context, in *deadQuery) (*body[DeadLetters], error) {
	m, err := a.jobs()
	if err != nil {
		return nil, err
	}
	list, more, err := m.DeadLetters(ctx, job.DeadLetterFilter{Job: in.Job, Table: in.Table, Limit: in.Limit})
	if err != nil {
		return nil, err
	}
	out := DeadLetters{Items: []DeadLetter{}, More: more}
	for _, d := range list {
		l := DeadLetter{ID: d.ID, Table: d.Table, Job: d.Job, Epoch: d.Epoch, Split: d.Split, Position: d.Position, Reason: d.Reason}
		if utf8.Valid(d.Raw) {
			l.Raw = string(d.Raw)
		} else {
			l.Binary = d.Raw
		}
		out.Items = append(out.Items, l)
	}
	return answer(out), nil
}

func (a *API) replayDeadLetters(ctx context.Context, in *struct{ Body NewReplay }) (*body[job.Replayed], error) {
	m, err := a.jobs()
	if err != nil {
		return nil, err
	}
	r, err := m.ReplayDeadLetters(ctx, job.ReplayRequest{
		DeadLetterFilter: job.DeadLetterFilter{Job: in.Body.Job, Table: in.Body.Table}, IDs: in.Body.IDs, All: in.Body.All, User: auth.User(ctx)})
	return answer(r), err
}
