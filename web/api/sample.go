package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weir-lake/weir/compute/session"
	"github.com/weir-lake/weir/compute/sql"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table"
	"github.com/weir-lake/weir/table/snapshot"
)

// timeLayouts are the forms in which requests name a time; without a zone it is UTC.
var timeLayouts = []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999", "2006-01-02 15:04", time.DateOnly}

func parseTime(text string) (time.Time, error) {
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, errkind.Errorf(errkind.Invalid, "timestamp %q: want a time like 2013-01-31 10:00:00 (UTC) or 2013-01-31T10:00:00Z", text)
}

func (a *API) sampleRoutes(h huma.API) {
	sample := a.op(h, http.MethodGet, "/v1/tables/{db}/{table}/sample", "sample-table", "Some rows of a table, of any version")
	sample.Description = "Answers as POST /v1/query does with format json. Tables behind connectors are read up to their present end."
	sample.Responses["200"] = rowsResponse(h)
	huma.Register(h, sample, func(ctx context.Context, in *sampleInput) (*huma.StreamResponse, error) {
		out, err := a.sample(ctx, in)
		return out, noted(ctx, err)
	})
	diff := a.op(h, http.MethodGet, "/v1/tables/{db}/{table}/diff", "diff-table", "The rows in which two versions of a table differ")
	diff.Description = "Rows carry _kind: +I is only in the later version, -D only in the earlier one; -U and +U, one after the other, are a row of one key before and after. What came and went in between is left out."
	huma.Register(h, diff, limited(func(ctx context.Context, in *diffInput) (*body[DiffAnswer], error) {
		d, err := a.diff(ctx, in)
		return answer(d), err
	}))
}

type sampleInput struct {
	TableAt
	Limit  int    `query:"limit" minimum:"1" maximum:"10000" default:"100"`
	BigInt string `query:"bigint" enum:"string,number" doc:"string: BIGINT values as strings"`
}

// sample asks for the rows as a query of the caller: it is admitted, bounded and remembered as one.
func (a *API) sample(ctx context.Context, in *sampleInput) (*huma.StreamResponse, error) {
	text := "SELECT * FROM " + sql.QuoteIdent(in.Database) + "." + sql.QuoteIdent(in.Table)
	ref, err := in.ref()
	if err != nil {
		return nil, err
	}
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
	named := 0
	if ref.ID > 0 {
		text += fmt.Sprintf(" AS OF SNAPSHOT %d", ref.ID)
		named++
	}
	if ref.Tag != "" {
		text += " AS OF TAG " + quote(ref.Tag)
		named++
	}
	if !ref.At.IsZero() {
		text += " AS OF TIMESTAMP " + quote(ref.At.Format("2006-01-02 15:04:05.000"))
		named++
	}
	if named > 1 {
		return nil, errkind.New(errkind.Invalid, "more than one version is named: choose one of snapshot, tag and timestamp")
	}
	text += fmt.Sprintf(" LIMIT %d", in.Limit)
	return a.query(ctx, &queryInput{BigInt: in.BigInt, Body: QueryRequest{SQL: text, Format: formatJSON, Timeout: requestTimeout.String(),
		Variables: map[string]string{session.VarRuntimeMode: "batch", session.VarConsistency: "latest"}}})
}

// DiffAnswer is what differs between two versions.
type DiffAnswer struct {
	From    int64    `json:"from" doc:"snapshot; 0: the empty table"`
	To      int64    `json:"to" doc:"snapshot"`
	Columns []Column `json:"columns" nullable:"false"`
	Rows    []Row    `json:"rows" nullable:"false" doc:"objects with _kind and the columns, at most limit"`
	Added   int64    `json:"added"`
	Removed int64    `json:"removed"`
	Updated int64    `json:"updated" doc:"rows of a key that is in both"`
}

type diffInput struct {
	TablePath
	From   int64  `query:"from" minimum:"0" doc:"snapshot; 0: the empty table"`
	To     int64  `query:"to" minimum:"0" doc:"snapshot; 0: the newest"`
	Limit  int    `query:"limit" minimum:"1" maximum:"10000" default:"100"`
	BigInt string `query:"bigint" enum:"string,number" doc:"string: BIGINT values as strings"`
}

func (a *API) diff(ctx context.Context, in *diffInput) (DiffAnswer, error) {
	id := in.id()
	if _, err := a.stored(ctx, id); err != nil {
		return DiffAnswer{}, err
	}
	if jobs := a.opts.Services.Jobs; jobs != nil {
		// What the way from one to the other reads must not expire meanwhile.
		defer jobs.Hold(fmt.Sprintf("diff %p", in), map[string]int64{id.Path(): max(1, in.From)})()
	}
	t, err := table.Open(ctx, a.opts.Services.Catalog.Store(), id.Path(), table.Options{Now: a.opts.Now})
	if err != nil {
		return DiffAnswer{}, err
	}
	to, err := t.Snapshot(ctx, snapshot.Ref{ID: snapshot.ID(in.To)})
	if err != nil {
		return DiffAnswer{}, err
	}
	out := DiffAnswer{From: in.From, Rows: []Row{}, Columns: columnsOf(t.Schema().Fields)}
	if to == nil {
		if in.From > 0 {
			return out, errkind.Errorf(errkind.NotFound, "%s has no snapshot yet", id)
		}
		return out, nil
	}
	out.To = int64(to.ID)
	if in.From > out.To {
		return out, errkind.Errorf(errkind.Invalid, "from=%d comes after to=%d: swap them", in.From, out.To)
	}
	d, err := newDiffer(t.Schema(), in.BigInt == "string")
	if err != nil {
		return out, err
	}
	if err := t.Changes(ctx, snapshot.ID(in.From), to.ID, nil, d.add); err != nil {
		return out, err
	}
	d.result(&out, in.Limit)
	return out, nil
}
