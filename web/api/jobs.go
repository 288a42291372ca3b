package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/internal/layout"
	"github.com/weir-lake/weir/table/catalog"
	"github.com/weir-lake/weir/web/auth"
)

// NewJob asks for a job.
type NewJob struct {
	Name     string            `json:"name,omitempty" doc:"unique among jobs; default: made from the sink's name"`
	Database string            `json:"database,omitempty" doc:"current database of the statement"`
	SQL      string            `json:"sql" minLength:"1" doc:"INSERT INTO .. SELECT .."`
	Options  map[string]string `json:"options,omitempty" doc:"as SET does"`
}

// JobPath names a job in a route.
type JobPath struct {
	ID string `path:"id" maxLength:"255" doc:"id or name" example:"default.flights"`
}

func (a *API) jobRoutes(h huma.API) {
	huma.Register(h, a.op(h, http.MethodGet, "/v1/jobs", "list-jobs", "List jobs"),
		limited(func(context.Context, *struct{}) (*body[list[job.Status]], error) {
			m, err := a.jobs()
			if err != nil {
				return nil, err
			}
			return listing(m.List()), nil
		}))
	create := a.op(h, http.MethodPost, "/v1/jobs", "create-job", "Start a job")
	create.DefaultStatus = http.StatusCreated
	huma.Register(h, create, limited(a.createJob))
	huma.Register(h, a.op(h, http.MethodGet, "/v1/jobs/{id}", "show-job", "Show a job: its operators as a graph, its last commits and failures, and how it is"), limited(a.jobDetail))
	huma.Register(h, a.op(h, http.MethodPost, "/v1/jobs/{id}/stop", "stop-job", "Stop a job after its last epoch"), limited(a.onJob(func(ctx context.Context, m *job.Manager, id string) (job.Status, error) { return m.StopJob(ctx, id) })))
	huma.Register(h, a.op(h, http.MethodPost, "/v1/jobs/{id}/restart", "restart-job", "Start a job again where it was"), limited(a.onJob(func(ctx context.Context, m *job.Manager, id string) (job.Status, error) { return m.Restart(ctx, id) })))
	huma.Register(h, a.op(h, http.MethodDelete, "/v1/jobs/{id}", "drop-job", "Drop a job; its table stays"),
		limited(func(ctx context.Context, in *JobPath) (*struct{}, error) {
			m, err := a.jobs()
			if err != nil {
				return nil, err
			}
			return nil, m.Drop(ctx, in.ID)
		}))
	huma.Register(h, a.op(h, http.MethodGet, "/v1/jobs/{id}/logs", "job-logs", "The newest lines of a job's log"), limited(a.jobLogs))
	events := a.op(h, http.MethodGet, "/v1/jobs/events", "job-events", "Counters of all jobs, once a second")
	events.Description = "Server-sent events named jobs; data is an array of counters."
	events.Responses["200"] = &huma.Response{Description: "The events.", Content: map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{Type: "string"}}}}
	huma.Register(h, events, func(ctx context.Context, _ *struct{}) (*huma.StreamResponse, error) {
		m, err := a.jobs()
		if err != nil {
			return nil, problem(err)
		}
		return &huma.StreamResponse{Body: func(hc huma.Context) { a.sendEvents(ctx, hc, m) }}, nil
	})
}

func (a *API) jobs() (*job.Manager, error) {
	if a.opts.Services.Jobs == nil {
		return nil, unavailable("jobs: ask one with role ingest")
	}
	return a.opts.Services.Jobs, nil
}

// JobDetail is all about a job.
type JobDetail struct {
	job.Detail
	Graph JobGraph `json:"graph"`
}

// JobGraph is a job's operators as they are drawn; what each does is in operators at its id.
type JobGraph struct {
	Nodes []JobNode   `json:"nodes" nullable:"false"`
	Edges []GraphEdge `json:"edges" nullable:"false"`
}

// JobNode is an operator in the graph.
type JobNode struct {
	ID   int    `json:"id" doc:"position in operators"`
	Name string `json:"name"`
	Kind string `json:"kind" enum:"source,operator,sink"`
	layout.Point
}

func (a *API) jobDetail(_ context.Context, in *JobPath) (*body[JobDetail], error) {
	m, err := a.jobs()
	if err != nil {
		return nil, err
	}
	d, err := m.Detail(in.ID)
	return answer(JobDetail{d, jobGraph(d.Operators)}), err
}

// jobGraph places operators; the last one is the sink.
func jobGraph(ops []job.Operator) JobGraph {
	g := JobGraph{Nodes: []JobNode{}}
	inputs := make([][]int, len(ops))
	for i, o := range ops {
		inputs[i] = o.Inputs
		kind := "operator"
		switch {
		case len(o.Inputs) == 0:
			kind = "source"
		case i == len(ops)-1:
			kind = "sink"
		}
		g.Nodes = append(g.Nodes, JobNode{ID: i, Name: o.Name, Kind: kind})
	}
	places, edges := layered(inputs)
	for i, at := range places {
		g.Nodes[i].Point = at
	}
	g.Edges = edges
	return g
}

// logsInput says which lines of a log are wanted.
type logsInput struct {
	JobPath
	Search string `query:"search" maxLength:"200" doc:"only lines with this text, capital or not"`
	Level  string `query:"level" enum:"info,warn,error" doc:"only lines of this level or above"`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"1000" doc:"the newest"`
}

// logLevels are the levels of a job's log, least first.
var logLevels = []string{"info", "warn", "error"}

func (a *API) jobLogs(_ context.Context, in *logsInput) (*body[list[job.LogLine]], error) {
	m, err := a.jobs()
	if err != nil {
		return nil, err
	}
	lines, err := m.Logs(in.ID)
	if err != nil {
		return nil, err
	}
	least, search := slices.Index(logLevels, in.Level), strings.ToLower(in.Search)
	lines = slices.DeleteFunc(slices.Clone(lines), func(l job.LogLine) bool {
		return slices.Index(logLevels, l.Level) < least || !strings.Contains(strings.ToLower(l.Text), search)
	})
	return listing(lines[max(0, len(lines)-in.Limit):]), nil
}

func (a *API) createJob(ctx context.Context, in *struct{ Body NewJob }) (*body[job.Status], error) {
	m, err := a.jobs()
	if err != nil {
		return nil, err
	}
	d := job.Definition{Name: in.Body.Name, Database: in.Body.Database, SQL: in.Body.SQL, Options: in.Body.Options, User: auth.User(ctx)}
	if d.Database == "" {
		d.Database = catalog.DefaultDatabase
	}
	s, err := m.Create(ctx, d)
	return answer(s), err
}

// onJob makes a handler of something done to one job.
func (a *API) onJob(fn func(context.Context, *job.Manager, string) (job.Status, error)) func(context.Context, *JobPath) (*body[job.Status], error) {
	return func(ctx context.Context, in *JobPath) (*body[job.Status], error) {
		m, err := a.jobs()
		if err != nil {
			return nil, err
		}
		s, err := fn(ctx, m, in.ID)
		return answer(s), err
	}
}

// JobCounters are the live figures of a job.
type JobCounters struct {
	ID         string    `json:"id"`
	Name       string    `json:"name"`
	Sink       string    `json:"sink"`
	State      job.State `json:"state"`
	Error      string    `json:"error,omitempty"`
	Epoch      int64     `json:"epoch"`
	Pending    int       `json:"pending"`
	RowsIn     int64     `json:"rows_in"`
	RowsOut    int64     `json:"rows_out"`
	RowsPerSec float64   `json:"rows_per_second"`
	CommitMs   int64     `json:"last_commit_ms,omitempty"`
	StateBytes int64     `json:"state_bytes"`
	Dead       int64     `json:"dead_letters"`
	Late       int64     `json:"late_rows"`
}

// eventsEvery is the pause between events.
const eventsEvery = time.Second

// sendEvents sends counters until the client or the service goes.
func (a *API) sendEvents(ctx context.Context, hc huma.Context, m *job.Manager) {
	_, w := humachi.Unwrap(hc)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	to := http.NewResponseController(w)
	tick := time.NewTicker(eventsEvery)
	defer tick.Stop()
	for {
		data, err := json.Marshal(counters(m))
		if err != nil {
			return // counters are numbers and strings
		}
		_ = to.SetWriteDeadline(time.Now().Add(writeTimeout)) // not supported by recorders in tests
		if _, err := fmt.Fprintf(w, "event: jobs\ndata: %s\n\n", data); err != nil {
			return
		}
		if err := to.Flush(); err != nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		case <-a.closing:
			return
		}
	}
}

func counters(m *job.Manager) []JobCounters {
	out := []JobCounters{}
	for _, s := range m.List() {
		out = append(out, JobCounters{
			ID: s.ID, Name: s.Name, Sink: s.Sink, State: s.State, Error: s.Error, Epoch: s.Epoch, Pending: s.Pending,
			RowsIn: s.RowsIn, RowsOut: s.RowsOut, RowsPerSec: s.RowsPerSec, CommitMs: sinceMillis(s.LastCommit),
			StateBytes: s.StateBytes, Dead: s.DeadLetters, Late: s.LateRows,
		})
	}
	return out
}
