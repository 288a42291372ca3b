package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"github.com/weir-lake/weir/compute/session"
	"github.com/weir-lake/weir/compute/sql"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/web/audit"
	"github.com/weir-lake/weir/web/auth"
)

// holdBytes is how much of an answer is made before its status is sent: an error up to there has a
// status of its own.
const holdBytes = 1 << 20

// writeTimeout bounds how long a client may take to accept a piece of an answer.
const writeTimeout = 60 * time.Second

// Headers of answers with rows.
const (
	headerQuery = "Weir-Query-Id"
	headerCut   = "Weir-Cut"    // the cut as JSON
	headerAbout = "Weir-Engine" // who answers
	// HeaderError is a trailer: the problem as JSON that ended an answer after its status was sent.
	HeaderError = "Weir-Error"
	// HeaderChanges is set on answers whose lines are changes: the query never ends by itself.
	HeaderChanges = "Weir-Changes"
)

// QueryRequest is one statement of any kind.
type QueryRequest struct {
	SQL         string            `json:"sql" doc:"one statement of any kind" minLength:"1" example:"SELECT carrier, COUNT(*) AS n FROM flights GROUP BY carrier"`
	Params      *Params           `json:"params,omitempty"`
	Format      string            `json:"format,omitempty" enum:"json,ndjson,csv,arrow,parquet" doc:"of the rows; default: what Accept asks for, else json"`
	Timeout     string            `json:"timeout,omitempty" doc:"a duration like 30s"`
	Consistency string            `json:"consistency,omitempty" pattern:"^(latest|cut|session|session\\([0-9]+\\)|bounded\\(.+\\))$" doc:"cut (default): all tables at one epoch; session or session(EPOCH): the same, not before what the session, or that epoch, has; bounded(TIME): the same, not older than the time; latest: each table at its newest"`
	Database    string            `json:"database,omitempty" doc:"current database; default: default"`
	Variables   map[string]string `json:"variables,omitempty" doc:"as SET does"`
	Session     string            `json:"session,omitempty" maxLength:"64" doc:"an id of your choice: what SET, USE and CREATE TEMPORARY do is kept for the next requests with it, 30 minutes long"`
}

// QueryDone is the answer of a statement without rows.
type QueryDone struct {
	Message string `json:"message"`
	Job     string `json:"job,omitempty" doc:"id of the job started"`
}

type queryInput struct {
	Accept string `header:"Accept"`
	BigInt string `query:"bigint" enum:"string,number" doc:"string: BIGINT values as strings"`
	Body   QueryRequest
}

func (a *API) queryRoutes(h huma.API) {
	op := as(auth.Reader, a.op(h, http.MethodPost, "/v1/query", "query", "Run one SQL statement"))
	op.Description = "Rows come as a JSON object, as NDJSON, CSV or an Arrow stream; a statement without rows answers with a message. A query that never ends streams its changes as NDJSON. What a statement does asks for a role of its own: INSERT for writer, definitions, jobs and CALL for operator."
	op.Responses["200"] = rowsResponse(h)
	for _, t := range []string{typeNDJSON, typeCSV, typeArrow, typeParquet} {
		op.Responses["200"].Content[t] = &huma.MediaType{Schema: &huma.Schema{Type: "string"}}
	}
	huma.Register(h, op, func(ctx context.Context, in *queryInput) (*huma.StreamResponse, error) {
		out, err := a.query(ctx, in)
		return out, noted(ctx, err)
	})
	a.queryListRoutes(h)
}

// Answer is how rows come as JSON, and how a statement without rows answers.
type Answer struct {
	Columns    []Column     `json:"columns,omitempty"`
	Data       []Row        `json:"data,omitempty"`
	Rows       int64        `json:"rows,omitempty"`
	Cut        *session.Cut `json:"cut,omitempty" doc:"the versions that answered"`
	Engine     string       `json:"engine,omitempty" doc:"who answered: duckdb, or weir itself"`
	Class      string       `json:"class,omitempty" doc:"what a change would cost the query as a stream: stateless, delta, affected keys or full"`
	Message    string       `json:"message,omitempty" doc:"what was done"`
	Job        string       `json:"job,omitempty" doc:"id of the job started"`
	Statistics *statistics  `json:"statistics,omitempty"`
	Error      *Problem     `json:"error,omitempty" doc:"what ended the answer after its status was sent: it is not complete"`
}

// rowsResponse describes an answer with rows as JSON.
func rowsResponse(h huma.API) *huma.Response {
	schema := h.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Answer](), true, "Answer")
	return &huma.Response{Description: "The rows, or what was done.", Content: map[string]*huma.MediaType{typeJSON: {Schema: schema}}}
}

// query runs the statement up to where its answer's status is known.
func (a *API) query(ctx context.Context, in *queryInput) (*huma.StreamResponse, error) {
	audit.NoteStatement(ctx, in.Body.SQL)
	format, err := formatOf(in.Body.Format, in.Accept)
	if err != nil {
		return nil, err
	}
	params, err := Params{}.literals()
	if in.Body.Params != nil {
		params, err = in.Body.Params.literals()
	}
	if err != nil {
		return nil, err
	}
	ctx, cancel, err := a.queryContext(ctx, in.Body.Timeout)
	if err != nil {
		return nil, err
	}
	sess, back, err := a.session(ctx, &in.Body)
	if err != nil {
		cancel()
		return nil, err
	}
	release := func() { back(); cancel() }
	begin := a.opts.Now()
	res, err := execute(ctx, sess, in.Body.SQL, params)
	if err != nil {
		release()
		return nil, timedOut(ctx, err)
	}
	switch {
	case res.Stream != nil:
		if format != formatNDJSON && (in.Body.Format != "" || !strings.Contains(in.Accept, typeNDJSON)) {
			release()
			return nil, errkind.New(errkind.Invalid, "this query never ends: ask for format ndjson to see its changes, or SET 'execution.runtime-mode' = 'batch' for what there is now")
		}
		return a.streamChanges(ctx, in.Body.SQL, res.Stream, in.BigInt == "string", release), nil
	case res.Rows == nil:
		release()
		return done(QueryDone{res.Message, res.Job}), nil
	}
	x := &result{ctx: ctx, rows: res.Rows, begin: begin, now: a.opts.Now, release: release, message: res.Message}
	if err := x.open(format, in.BigInt == "string"); err != nil {
		x.close()
		return nil, err
	}
	if err := x.hold(); err != nil {
		x.close()
		return nil, timedOut(ctx, err)
	}
	return &huma.StreamResponse{Body: x.send}, nil
}

func execute(ctx context.Context, sess *session.Session, text string, params session.Params) (*session.Result, error) {
	st, err := sql.Parse(text)
	if err != nil {
		return nil, err
	}
	return sess.Execute(ctx, text, st, params)
}

// queryContext bounds a statement's time.
func (a *API) queryContext(ctx context.Context, timeout string) (context.Context, context.CancelFunc, error) {
	limit := a.opts.QueryTimeoutMax
	if timeout != "" {
		d, err := time.ParseDuration(timeout)
		if err != nil || d <= 0 {
			return nil, nil, errkind.Errorf(errkind.Invalid, "timeout %q: want a duration like 30s or 5m", timeout)
		}
		limit = min(d, limit)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errTimeout)
	return ctx, cancel, nil
}

// timedOut names the time limit when it is what ended the statement.
func timedOut(ctx context.Context, err error) error {
	if errkind.Is(err, errkind.Canceled) && errors.Is(context.Cause(ctx), errTimeout) && !errors.Is(err, errTimeout) {
		return fmt.Errorf("%w: %w", errTimeout, err)
	}
	return err
}

// session is the one the request names, or one for it alone.
func (a *API) session(ctx context.Context, r *QueryRequest) (*session.Session, func(), error) {
	vars := map[string]string{}
	for k, v := range r.Variables {
		vars[k] = v
	}
	if r.Consistency != "" {
		vars[session.VarConsistency] = r.Consistency
	}
	if r.Session != "" && (r.Database != "" || len(vars) > 0) {
		return nil, nil, errkind.New(errkind.Invalid, "a request with a session sets database, variables and consistency by statements: USE, SET 'weir.consistency' = 'latest'")
	}
	user, role := auth.User(ctx), auth.RoleOf(ctx)
	return a.sessions.take(string(role)+" "+user, r.Session, func() *session.Session {
		return session.New(a.opts.Services, session.Options{User: user, Database: r.Database, Variables: vars, Allow: allow(role)})
	})
}

// done answers a statement without rows.
func done(d QueryDone) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		ctx.SetHeader("Content-Type", typeJSON)
		_ = json.NewEncoder(ctx.BodyWriter()).Encode(d) // a client that has gone needs no answer
	}}
}

// formatOf chooses the format of the rows.
func formatOf(asked, accept string) (string, error) {
	if asked != "" {
		return asked, nil
	}
	if accept == "" {
		return formatJSON, nil
	}
	known := map[string]string{typeJSON: formatJSON, typeNDJSON: formatNDJSON, "application/jsonl": formatNDJSON,
		typeCSV: formatCSV, typeArrow: formatArrow, typeParquet: formatParquet, "*/*": formatJSON, "application/*": formatJSON, "application/problem+json": formatJSON}
	for _, part := range strings.Split(accept, ",") {
		t, _, err := mime.ParseMediaType(part)
		if f := known[t]; err == nil && f != "" {
			return f, nil
		}
	}
	return "", errkind.Errorf(errkind.Invalid, "Accept %q: rows come as %s, %s, %s, %s or %s", accept, typeJSON, typeNDJSON, typeCSV, typeArrow, typeParquet)
}

// result is an answer with rows under way.
type result struct {
	ctx     context.Context
	rows    session.Rows
	out     rowWriter
	held    holdBuffer
	begin   time.Time
	now     func() time.Time
	count   int64
	ended   bool // all rows are in held
	message string
	release func()
}

func (x *result) open(format string, bigIntString bool) (err error) {
	x.out, err = newRowWriter(format, &x.held, x.rows.Columns(), bigIntString)
	return err
}

// hold makes the first part of the answer.
func (x *result) hold() error {
	for x.held.Len() < holdBytes {
		more, err := x.step()
		if err != nil || !more {
			x.ended = err == nil
			return err
		}
	}
	return nil
}

// step writes one batch; more is false when the answer is complete.
func (x *result) step() (more bool, err error) {
	b, err := x.rows.Next(x.ctx)
	if errors.Is(err, io.EOF) {
		return false, x.out.end(x.summary())
	}
	if err != nil {
		return false, err
	}
	defer b.Release()
	x.count += b.NumRows()
	return true, x.out.batch(b)
}

func (x *result) summary() summary {
	s := summary{Rows: x.count, Cut: x.rows.Cut(), Message: x.message}
	s.Engine, s.Class = about(x.rows)
	s.Statistics = &statistics{ElapsedMillis: x.now().Sub(x.begin).Milliseconds(), QueryID: queryID(x.rows)}
	return s
}

// about tells who answers and what a change would cost the query as a stream; listings are made here.
func about(r session.Rows) (engine, class string) {
	if q, ok := r.(interface{ About() (engine, class string) }); ok {
		return q.About()
	}
	return engineWeir, ""
}

func queryID(r session.Rows) string {
	if q, ok := r.(interface{ QueryID() string }); ok {
		return q.QueryID()
	}
	return ""
}

func (x *result) close() {
	_ = x.rows.Close() // what it could report was reported by Next
	x.release()
}

// send writes the answer out, the held part first.
func (x *result) send(hc huma.Context) {
	defer x.close()
	_, w := humachi.Unwrap(hc)
	header := w.Header()
	header.Set("Content-Type", x.out.contentType())
	if id := queryID(x.rows); id != "" {
		header.Set(headerQuery, id)
	}
	engine, _ := about(x.rows)
	header.Set(headerAbout, engine)
	if cut := x.rows.Cut(); cut != nil {
		if data, err := json.Marshal(cut); err == nil {
			header.Set(headerCut, string(data))
		}
	}
	to := http.NewResponseController(w)
	for {
		// Without a deadline a client that stops reading would hold the query's slot.
		_ = to.SetWriteDeadline(time.Now().Add(writeTimeout)) // not supported by recorders in tests
		if _, err := x.held.WriteTo(w); err != nil {
			return // the client has gone; closing the rows cancels the query
		}
		if x.ended {
			return
		}
		more, err := x.step()
		if err != nil {
			x.fail(w, timedOut(x.ctx, err))
			return
		}
		x.ended = !more
	}
}

// fail ends an answer whose status was sent so that nobody takes it for complete.
func (x *result) fail(w http.ResponseWriter, err error) {
	audit.NoteError(x.ctx, err)
	p := ProblemOf(err)
	if data, err := json.Marshal(p); err == nil {
		w.Header().Set(http.TrailerPrefix+HeaderError, string(data))
	}
	if !x.out.fail(p) {
		panic(http.ErrAbortHandler) // the format has no place for an error: break the connection
	}
	_, _ = x.held.WriteTo(w)
}
