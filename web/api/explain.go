package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/session"
	"github.com/weir-lake/weir/compute/sql"
	"github.com/weir-lake/weir/internal/layout"
	"github.com/weir-lake/weir/web/audit"
	"github.com/weir-lake/weir/web/auth"
)

// ExplainRequest is a statement to plan and not to run.
type ExplainRequest struct {
	SQL       string            `json:"sql" minLength:"1" doc:"a query, an INSERT or a CREATE MATERIALIZED TABLE; EXPLAIN before it may be left out" example:"SELECT carrier, COUNT(*) AS n FROM flights GROUP BY carrier"`
	Mode      string            `json:"mode,omitempty" enum:"auto,batch,streaming" doc:"how it would run; auto (default): as a stream when it reads something without end"`
	Params    *Params           `json:"params,omitempty"`
	Database  string            `json:"database,omitempty" doc:"current database; default: default"`
	Variables map[string]string `json:"variables,omitempty" doc:"as SET does"`
}

// PlanNode is an operator of a plan.
type PlanNode struct {
	ID       int      `json:"id"`
	Operator string   `json:"operator" doc:"such as Scan, InnerJoin, Aggregate"`
	Detail   string   `json:"detail" doc:"the operator as EXPLAIN prints it"`
	Table    string   `json:"table,omitempty" doc:"what a scan reads or a sink writes"`
	Class    string   `json:"class" enum:"stateless,delta,affected keys,full" doc:"what a change costs as a stream: nothing kept; the change; the touched keys anew; everything anew"`
	Cost     string   `json:"cost,omitempty" doc:"what it keeps and recomputes"`
	Columns  []Column `json:"columns" nullable:"false"`
	layout.Point
}

// PlanAnswer is a plan as a graph.
type PlanAnswer struct {
	Mode   string      `json:"mode" enum:"batch,streaming" doc:"how it would run"`
	Engine string      `json:"engine" enum:"duckdb,weir" doc:"who would run it"`
	Class  string      `json:"class" doc:"of the costliest operator"`
	Text   string      `json:"text" doc:"as EXPLAIN prints it"`
	Nodes  []PlanNode  `json:"nodes" nullable:"false"`
	Edges  []GraphEdge `json:"edges" nullable:"false"`
}

// Engines that answer.
const (
	engineDuck = "duckdb"
	engineWeir = "weir"
)

func (a *API) explainRoutes(h huma.API) {
	op := as(auth.Reader, a.op(h, http.MethodPost, "/v1/explain", "explain", "Plan a statement without running it"))
	huma.Register(h, op, limited(func(ctx context.Context, in *struct{ Body ExplainRequest }) (*body[PlanAnswer], error) {
		p, err := a.explain(ctx, &in.Body)
		return answer(p), err
	}))
}

func (a *API) explain(ctx context.Context, r *ExplainRequest) (PlanAnswer, error) {
	audit.NoteStatement(ctx, r.SQL)
	vars := map[string]string{}
	for k, v := range r.Variables {
		vars[k] = v
	}
	if r.Mode != "" {
		vars[session.VarRuntimeMode] = r.Mode
	}
	var params session.Params
	if r.Params != nil {
		var err error
		if params, err = r.Params.literals(); err != nil {
			return PlanAnswer{}, err
		}
	}
	st, err := sql.Parse(r.SQL)
	if err != nil {
		return PlanAnswer{}, err
	}
	s := session.New(a.opts.Services, session.Options{User: auth.User(ctx), Database: r.Database, Variables: vars, Allow: allow(auth.RoleOf(ctx))})
	root, stream, err := s.Plan(ctx, r.SQL, st, params)
	if err != nil {
		return PlanAnswer{}, err
	}
	return planGraph(root, stream), nil
}

// planGraph draws a plan. Nodes are numbered from the root.
func planGraph(root plan.Node, stream bool) PlanAnswer {
	out := PlanAnswer{Mode: "batch", Engine: engineDuck, Class: plan.WorstClass(root).String(), Text: plan.Explain(root)}
	if stream {
		out.Mode, out.Engine = "streaming", engineWeir
	}
	var inputs [][]int
	var visit func(n plan.Node) int
	visit = func(n plan.Node) int {
		id := len(out.Nodes)
		out.Nodes = append(out.Nodes, planNode(id, n))
		inputs = append(inputs, nil)
		for _, in := range n.Inputs() {
			from := visit(in)
			inputs[id] = append(inputs[id], from)
		}
		return id
	}
	visit(root)
	places, edges := layered(inputs)
	for i, at := range places {
		out.Nodes[i].Point = at
	}
	out.Edges = edges
	return out
}

func planNode(id int, n plan.Node) PlanNode {
	class, note := plan.ClassOf(n)
	out := PlanNode{ID: id, Detail: plan.Describe(n), Class: class.String(), Cost: note, Columns: []Column{}}
	out.Operator, _, _ = strings.Cut(out.Detail, " ")
	for _, c := range n.Columns() {
		out.Columns = append(out.Columns, Column{c.Name, c.Type.String()})
	}
	switch n := n.(type) {
	case *plan.Scan:
		out.Table = n.Table.Database + "." + n.Table.Name
	case *plan.Sink:
		out.Table = n.Table.Database + "." + n.Table.Name
	}
	return out
}
