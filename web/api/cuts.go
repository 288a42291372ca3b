package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weir-lake/weir/compute/cut"
	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/catalog"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
	"github.com/weir-lake/weir/web/auth"
)

// CutInfo is a cut over tables.
type CutInfo struct {
	Epoch     int64            `json:"epoch"`
	AgeMillis int64            `json:"age_ms"`
	HeldBy    string           `json:"held_by,omitempty"`
	Tables    map[string]int64 `json:"tables" doc:"snapshot of each table; 0: it has none"`
}

// NewCut asks for a cut with a name.
type NewCut struct {
	Name   string   `json:"name" minLength:"1" maxLength:"200" doc:"of the cut and of its tags"`
	Tables []string `json:"tables,omitempty" doc:"db.table; empty: all"`
	Epoch  int64    `json:"epoch,omitempty" minimum:"0" doc:"default: the newest that is complete for all the tables"`
	Retain string   `json:"retain,omitempty" doc:"how long the tags are kept, like 30 d; default: until the cut is deleted"`
}

// NamedCut is a cut with a name: every table has a tag of it.
type NamedCut struct {
	Name       string    `json:"name"`
	Epoch      int64     `json:"epoch"`
	Clock      time.Time `json:"clock" doc:"of the epoch"`
	Created    time.Time `json:"created"`
	Automatic  bool      `json:"automatic" doc:"made by the clock, for the hour of its name"`
	By         string    `json:"by,omitempty" doc:"who made it"`
	TableCount int       `json:"table_count"`
	// The details of one cut.
	Tables  map[string]int64  `json:"tables,omitempty" doc:"snapshot of each table; 0: it had none; not in lists"`
	LeftOut map[string]string `json:"left_out,omitempty" doc:"tables that should have been in it, and why they are not; not in lists"`
}

func namedCut(r *cut.Record, details bool) NamedCut {
	c := NamedCut{Name: r.Name, Epoch: r.Epoch, Clock: time.UnixMilli(r.ClockMs).UTC(), Created: time.UnixMilli(r.CreatedMs).UTC(),
		Automatic: r.Automatic, By: r.By, TableCount: len(r.Tables)}
	if !details {
		return c
	}
	c.Tables, c.LeftOut = map[string]int64{}, map[string]string{}
	for path, t := range r.Tables {
		c.Tables[nameOf(path)] = int64(t.Snapshot)
	}
	for path, why := range r.LeftOut {
		c.LeftOut[nameOf(path)] = why
	}
	return c
}

// nameOf is the db.table of a path in the warehouse.
func nameOf(path string) string { return strings.Replace(path, ".db/", ".", 1) }

type cutPath struct {
	Name string `path:"name"`
}

func (a *API) cutRoutes(h huma.API) {
	type cutInput struct {
		Tables string `query:"tables" doc:"db.table, separated by commas; empty: all"`
	}
	huma.Register(h, a.op(h, http.MethodGet, "/v1/cut", "show-cut", "The newest versions of tables that belong together"),
		limited(func(ctx context.Context, in *cutInput) (*body[CutInfo], error) {
			c, err := a.cut(ctx, in.Tables)
			return answer(c), err
		}))
	huma.Register(h, a.op(h, http.MethodGet, "/v1/cuts", "list-cuts", "List the cuts with a name, oldest first"), limited(a.listCuts))
	huma.Register(h, a.op(h, http.MethodGet, "/v1/cuts/{name}", "show-named-cut", "Show a cut with a name"),
		limited(func(ctx context.Context, in *cutPath) (*body[NamedCut], error) {
			m, err := a.jobs()
			if err != nil {
				return nil, err
			}
			r, err := m.Cut(ctx, in.Name)
			if err != nil {
				return nil, err
			}
			return answer(namedCut(r, true)), nil
		}))
	create := a.op(h, http.MethodPost, "/v1/cuts", "create-cut", "Tag one version of each table, all at one epoch")
	create.DefaultStatus = http.StatusCreated
	huma.Register(h, create, limited(a.createCut))
	huma.Register(h, a.op(h, http.MethodDelete, "/v1/cuts/{name}", "delete-cut", "Delete a cut and its tags"),
		limited(func(ctx context.Context, in *cutPath) (*struct{}, error) {
			m, err := a.jobs()
			if err != nil {
				return nil, err
			}
			return nil, m.RemoveCut(ctx, in.Name)
		}))
}

func (a *API) listCuts(ctx context.Context, _ *struct{}) (*body[list[NamedCut]], error) {
	m, err := a.jobs()
	if err != nil {
		return nil, err
	}
	all, err := m.Cuts(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]NamedCut, len(all))
	for i := range all {
		out[i] = namedCut(&all[i], false)
	}
	return listing(out), nil
}

func (a *API) createCut(ctx context.Context, in *struct{ Body NewCut }) (*body[NamedCut], error) {
	m, err := a.jobs()
	if err != nil {
		return nil, err
	}
	q := job.CutRequest{Name: in.Body.Name, Epoch: in.Body.Epoch, By: auth.User(ctx)}
	if in.Body.Retain != "" {
		if q.Retained, err = schema.ParseDuration(in.Body.Retain); err != nil {
			return nil, errkind.Errorf(errkind.Invalid, "retain: %w: want a time like 30 d or 12 h", err)
		}
	}
	for _, name := range in.Body.Tables {
		id, err := catalog.ParseIdentifier(name, catalog.DefaultDatabase)
		if err != nil {
			return nil, err
		}
		q.Tables = append(q.Tables, id)
	}
	r, err := m.MakeCut(ctx, q)
	if err != nil {
		return nil, err
	}
	return answer(namedCut(r, true)), nil
}

// cut is the newest cut of the tables named.
func (a *API) cut(ctx context.Context, names string) (CutInfo, error) {
	if a.opts.Cuts == nil {
		return CutInfo{}, unavailable("cuts")
	}
	ids, err := a.identifiers(ctx, names)
	if err != nil {
		return CutInfo{}, err
	}
	paths := make([]string, len(ids))
	for i, id := range ids {
		paths[i] = id.Path()
	}
	e, age, heldBy, err := a.opts.Cuts.Cut(ctx, paths)
	if err != nil {
		return CutInfo{}, err
	}
	out := CutInfo{Epoch: e, AgeMillis: age.Milliseconds(), HeldBy: heldBy, Tables: map[string]int64{}}
	for _, id := range ids {
		s, ok, err := a.opts.Cuts.At(ctx, id.Path(), e)
		if err == nil && !ok {
			s, err = snapshot.NewManager(a.opts.Services.Catalog.TableStore(id), "").Latest(ctx)
		}
		if err != nil {
			return CutInfo{}, fmt.Errorf("table %s: %w", id, err)
		}
		out.Tables[id.String()] = 0
		if s != nil {
			out.Tables[id.String()] = int64(s.ID)
		}
	}
	return out, nil
}

// identifiers are the tables of the warehouse that names lists; empty: all.
func (a *API) identifiers(ctx context.Context, names string) ([]catalog.Identifier, error) {
	var out []catalog.Identifier
	if names == "" {
		ts, err := a.tables(ctx, "")
		for _, t := range ts {
			if t.Kind == kindTable || t.Kind == kindMaterialized {
				out = append(out, catalog.Identifier{Database: t.Database, Table: t.Name})
			}
		}
		return out, err
	}
	for _, n := range strings.Split(names, ",") {
		id, err := catalog.ParseIdentifier(strings.TrimSpace(n), catalog.DefaultDatabase)
		if err != nil {
			return nil, err
		}
		sc, err := a.opts.Services.Catalog.Table(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", id, err)
		}
		if sc.Connector() {
			return nil, errkind.Errorf(errkind.Invalid, "%s lies behind a connector: it has no versions", id)
		}
		out = append(out, id)
	}
	return out, nil
}
