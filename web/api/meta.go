package api

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/web/auth"
)

// Setting is a setting of the service. Values that may hold a secret are not told.
type Setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// VersionInfo is what runs.
type VersionInfo struct {
	Version string    `json:"version"`
	Go      string    `json:"go"`
	OS      string    `json:"os"`
	Arch    string    `json:"arch"`
	Started time.Time `json:"started"`
	Now     time.Time `json:"now" doc:"the service's clock"`
}

// HealthSummary is how the service is, for people.
type HealthSummary struct {
	Status   string           `json:"status" enum:"ok,degraded"`
	Version  string           `json:"version"`
	UptimeMs int64            `json:"uptime_ms"`
	Jobs     map[string]int   `json:"jobs" doc:"how many are in each state"`
	Queries  QueryLoad        `json:"queries"`
	Tables   []TableFreshness `json:"tables" nullable:"false" doc:"that jobs keep"`
	Problems []Trouble        `json:"problems" nullable:"false" doc:"a line for each thing that is not well"`
}

// QueryLoad is how many queries run and wait.
type QueryLoad struct {
	Running int `json:"running"`
	Waiting int `json:"waiting"`
}

// TableFreshness is how far a table is behind its inputs.
type TableFreshness struct {
	Table       string     `json:"table" doc:"db.table"`
	Job         JobRef     `json:"job"`
	FreshnessMs int64      `json:"freshness_ms" doc:"0: it is not behind"`
	HeldBy      string     `json:"held_by,omitempty" doc:"the job that keeps it behind"`
	Watermark   *time.Time `json:"watermark,omitempty"`
}

// Trouble is something that is not well.
type Trouble struct {
	Kind  string `json:"kind" enum:"job,table,service"`
	Name  string `json:"name"`
	ID    string `json:"id,omitempty" doc:"of a job"`
	Cause string `json:"cause" doc:"what is the matter, and what to do"`
}

func (a *API) metaRoutes(h huma.API) {
	huma.Register(h, a.op(h, http.MethodGet, "/v1/version", "version", "What runs"),
		limited(func(context.Context, *struct{}) (*body[VersionInfo], error) {
			return answer(VersionInfo{a.opts.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH, a.started.UTC(), a.opts.Now().UTC()}), nil
		}))
	huma.Register(h, as(auth.Operator, a.op(h, http.MethodGet, "/v1/config", "show-config", "The settings of the service, without secrets")),
		limited(func(context.Context, *struct{}) (*body[list[Setting]], error) {
			return listing(a.opts.Settings), nil
		}))
	huma.Register(h, a.op(h, http.MethodGet, "/v1/health/summary", "health-summary", "How jobs and tables are, and what is not well"),
		limited(func(ctx context.Context, _ *struct{}) (*body[HealthSummary], error) {
			s, err := a.health(ctx)
			return answer(s), err
		}))
}

func (a *API) health(ctx context.Context) (HealthSummary, error) {
	out := HealthSummary{Status: "ok", Version: a.opts.Version, UptimeMs: a.opts.Now().Sub(a.started).Milliseconds(),
		Jobs: map[string]int{}, Tables: []TableFreshness{}, Problems: []Trouble{}}
	out.Queries.Running, out.Queries.Waiting = a.opts.Queries.Load()
	if a.opts.Ready != nil {
		if err := a.opts.Ready(ctx); err != nil {
			out.Problems = append(out.Problems, Trouble{Kind: "service", Name: "weir", Cause: sentence(err.Error())})
		}
	}
	if m := a.opts.Services.Jobs; m != nil {
		for _, s := range m.List() {
			out.Jobs[string(s.State)]++
			if err := a.jobHealth(ctx, m, s, &out); err != nil {
				return out, err
			}
		}
	}
	if len(out.Problems) > 0 {
		out.Status = "degraded"
	}
	return out, nil
}

// jobHealth adds what is to be told about a job and its table.
func (a *API) jobHealth(ctx context.Context, m *job.Manager, s job.Status, out *HealthSummary) error {
	d, err := m.Detail(s.ID)
	if errkind.Is(err, errkind.NotFound) {
		return nil // dropped meanwhile
	}
	if err != nil {
		return err
	}
	ref := JobRef{s.ID, s.Name, s.State}
	if !d.Healthy {
		out.Problems = append(out.Problems, Trouble{Kind: "job", Name: s.Name, ID: s.ID, Cause: d.Diagnosis})
	}
	if n := s.DeadLetters; n > 0 {
		out.Problems = append(out.Problems, Trouble{Kind: "job", Name: s.Name, ID: s.ID,
			Cause: fmt.Sprintf("%d rows could not be decoded and lie beside %s as dead letters: look at their reasons, and replay them once the cause is mended.", n, s.Sink)})
	}
	if s.State == job.Stopped || s.State == job.Finished || a.opts.Cuts == nil {
		return nil
	}
	db, name, _ := strings.Cut(s.Sink, ".")
	id := TablePath{db, name}.id()
	_, age, heldBy, err := a.opts.Cuts.Cut(ctx, []string{id.Path()})
	if err != nil {
		return err
	}
	out.Tables = append(out.Tables, TableFreshness{Table: s.Sink, Job: ref, FreshnessMs: age.Milliseconds(), HeldBy: heldBy, Watermark: s.Watermark})
	return nil
}

// sentence makes an error's text one.
func sentence(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + strings.TrimSuffix(s[1:], ".") + "."
}
