package session

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/weir-lake/weir/compute/cut"
	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/sql"
	"github.com/weir-lake/weir/compute/stream"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/catalog"
	"github.com/weir-lake/weir/table/schema"
)

// LandingSuffix names the table through which stateful jobs read a source whose positions vanish by themselves.
const LandingSuffix = "$landing"

// OptLanding on a connector table opts out of its landing table with 'none'.
const OptLanding = "landing"

// land replaces, in a plan that keeps state, scans of passing sources by scans of their landing tables, which
// all jobs on the source share: only then can the state be rebuilt. Missing landing tables are made, and the jobs that fill them
// started.
func (s *Session) land(ctx context.Context, root plan.Node) (plan.Node, error) {
	passing := false
	plan.Walk(root, func(n plan.Node) {
		if sc, ok := n.(*plan.Scan); ok && s.passing(sc.Table) {
			passing = true
		}
	})
	if !passing {
		return root, nil
	}
	// Whether the plan keeps state is the engine's to say. What does not compile is refused by the job.
	flow, err := stream.Compile(root, stream.Options{AllowFullRecompute: true})
	if err != nil || flow.Stateless() {
		return root, nil
	}
	return s.landScans(ctx, root)
}

func (s *Session) passing(t *plan.Table) bool {
	f, ok := s.svc.Connectors[t.Connector()]
	return ok && f.Passing && !t.Temporary && t.Options[OptLanding] != "none"
}

func (s *Session) landScans(ctx context.Context, n plan.Node) (plan.Node, error) {
	if sc, ok := n.(*plan.Scan); ok {
		if !s.passing(sc.Table) {
			return n, nil
		}
		t, err := s.landing(ctx, sc.Table)
		if err != nil {
			return nil, fmt.Errorf("landing table of %s.%s: %w", sc.Table.Database, sc.Table.Name, err)
		}
		c := *sc
		c.Table = t
		return &c, nil
	}
	in := n.Inputs()
	if len(in) == 0 {
		return n, nil
	}
	out := make([]plan.Node, len(in))
	for i, x := range in {
		var err error
		if out[i], err = s.landScans(ctx, x); err != nil {
			return nil, err
		}
	}
	return plan.WithInputs(n, out), nil
}

// landing is the landing table of a source: the same columns in the same order, metadata stored, computed ones
// computed again.
func (s *Session) landing(ctx context.Context, t *plan.Table) (*plan.Table, error) {
	id := catalog.Identifier{Database: t.Database, Table: t.Name + LandingSuffix}
	sc, err := s.svc.Catalog.Table(ctx, id)
	if errkind.Is(err, errkind.NotFound) && s.looking {
		return t, nil
	}
	if errkind.Is(err, errkind.NotFound) {
		sc, err = s.createLanding(ctx, id, t)
	}
	if err != nil {
		return nil, err
	}
	out, err := s.planTable(ctx, id, sc)
	if err != nil {
		return nil, err
	}
	if len(out.Columns) != len(t.Columns) {
		return nil, errkind.Errorf(errkind.Invalid, "it has %d columns, the source has %d: drop it to land the source anew, or set '%s' = 'none'", len(out.Columns), len(t.Columns), OptLanding)
	}
	return out, nil
}

// createLanding makes the table and starts the job that fills it.
func (s *Session) createLanding(ctx context.Context, id catalog.Identifier, t *plan.Table) (*schema.Schema, error) {
	d := schema.Definition{PrimaryKeys: t.PrimaryKey, Options: map[string]string{}, Comment: "rows of " + t.Database + "." + t.Name + " as they came"}
	var names []string
	for i, c := range t.Columns {
		if c.Computed != nil {
			for _, f := range []string{"name", "expr", "data-type"} {
				key := fmt.Sprintf("%s%d.%s", optSchema, i, f)
				d.Options[key] = t.Options[key]
			}
			continue
		}
		d.Fields = append(d.Fields, schema.Field{Name: c.Name, Type: c.Type, Description: c.Comment})
		names = append(names, sql.QuoteIdent(c.Name))
	}
	for _, k := range []string{optWatermarkTime, optWatermarkExpr, optWatermarkType} {
		if v := t.Options[k]; v != "" {
			d.Options[k] = v
		}
	}
	// 'landing.x' on the source is option x of its landing table, such as retention.
	for k, v := range t.Options {
		if name, ok := strings.CutPrefix(k, OptLanding+"."); ok {
			d.Options[name] = v
		}
	}
	cut.SetOptions(d.Options)
	sc, err := s.svc.Catalog.CreateTable(ctx, id, d)
	if err != nil {
		return nil, err
	}
	insert := fmt.Sprintf("INSERT INTO %s.%s SELECT %s FROM %s.%s", sql.QuoteIdent(id.Database), sql.QuoteIdent(id.Table),
		strings.Join(names, ", "), sql.QuoteIdent(t.Database), sql.QuoteIdent(t.Name))
	vars := maps.Clone(s.vars)
	delete(vars, VarPipelineName)
	_, err = s.svc.Jobs.Create(ctx, job.Definition{Name: id.String(), Database: t.Database, SQL: insert, Options: vars, User: s.user})
	if errors.Is(err, job.ErrExists) {
		err = nil
	}
	return sc, err
}
