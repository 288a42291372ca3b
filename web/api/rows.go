package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/compute/session"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/rowjson"
	"github.com/weir-lake/weir/web/auth"
)

type pushInput struct {
	TablePath
	Key     string `header:"Idempotency-Key" maxLength:"255" doc:"the same key with the same body stores the rows once within 24 hours"`
	RawBody []byte `contentType:"application/json"`
}

func (a *API) rowRoutes(h huma.API) {
	op := as(auth.Writer, a.op(h, http.MethodPost, "/v1/tables/{db}/{table}/rows", "push-rows", "Store rows"))
	op.Description = "The body is a JSON array of rows, or a row a line (NDJSON). Rows of a table with a primary key may carry _kind (+I, -U, +U, -D). The answer comes when the rows are committed. A row that does not fit answers 422 with its index, and nothing of the request is stored."
	op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		typeJSON:   {Schema: &huma.Schema{Type: "array", Items: &huma.Schema{Type: "object"}}},
		typeNDJSON: {Schema: &huma.Schema{Type: "string"}},
	}}
	op.SkipValidateBody = true // rows are checked against the table, not against this contract
	huma.Register(h, op, func(ctx context.Context, in *pushInput) (*body[job.Pushed], error) {
		at, err := a.push(ctx, in)
		return answer(at), noted(ctx, err)
	})
}

// push decodes all rows before any is stored.
func (a *API) push(ctx context.Context, in *pushInput) (job.Pushed, error) {
	jobs := a.opts.Services.Jobs
	if jobs == nil {
		return job.Pushed{}, unavailable("jobs: send rows to one with role ingest")
	}
	id := in.id()
	sc, err := a.opts.Services.Catalog.Table(ctx, id)
	if err != nil {
		return job.Pushed{}, err
	}
	switch {
	case sc.Connector():
		return job.Pushed{}, errkind.Errorf(errkind.Invalid, "%s lies behind a connector: rows cannot be pushed to it", id)
	case sc.Options[session.OptQuery] != "":
		return job.Pushed{}, errkind.Errorf(errkind.Invalid, "%s is a materialized table, which its query keeps: push to the tables it reads", id)
	}
	keyed := len(sc.PrimaryKeys) > 0
	dec, err := rowjson.NewDecoder(sc.Fields, rowjson.DecodeOptions{RefuseUnknown: true, Kinds: keyed})
	if err != nil {
		return job.Pushed{}, err
	}
	n, err := dec.AppendAll(in.RawBody, nil)
	if err != nil {
		return job.Pushed{}, err
	}
	if n == 0 {
		return job.Pushed{}, errkind.New(errkind.Invalid, "the body has no rows; send a JSON array of objects, or an object a line")
	}
	rows, kinds, err := dec.Flush()
	if err != nil {
		return job.Pushed{}, err
	}
	defer rows.Release()
	if !keyed {
		kinds = nil
	}
	sum := sha256.Sum256(in.RawBody)
	return jobs.Push(ctx, id.Path(), rows, kinds, in.Key, hex.EncodeToString(sum[:]))
}
