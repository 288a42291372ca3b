//go:build duckdb_arrow

package web_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/web/api"
)

func TestCompletion(t *testing.T) {
	s := start(t, config{})
	s.query(t, ordersDDL)
	s.query(t, "CREATE VIEW v AS SELECT item, COUNT(*) AS n FROM orders GROUP BY item")
	var c api.Completion
	a := s.do(t, http.MethodGet, "/v1/catalog/completion", "", "").want(t, http.StatusOK, &c)
	if fmt.Sprint(c.Databases) != "[default sys]" || fmt.Sprint(c.Tables) != "[{default orders [{id BIGINT} {item STRING} {n DECIMAL(10, 2)}]} {default v [{item STRING} {n BIGINT}]}]" {
		t.Errorf("%v %v", c.Databases, c.Tables)
	}
	for _, want := range []string{"SUBSTRING", "COUNT", "TUMBLE"} {
		i := slices.IndexFunc(c.Functions, func(f api.CompletionFunction) bool { return f.Name == want })
		if i < 0 || c.Functions[i].Signature == "" || c.Functions[i].Summary == "" {
			t.Errorf("function %s: %d", want, i)
		}
	}
	if !slices.Contains(c.Keywords, "SELECT") || !slices.Contains(c.Keywords, "MATERIALIZED") || slices.ContainsFunc(c.Functions, func(f api.CompletionFunction) bool { return f.Name == "IS_NULL" }) {
		t.Errorf("keywords %v", c.Keywords)
	}
	tag := a.Header.Get("ETag")
	s.do(t, http.MethodGet, "/v1/catalog/completion", "", "", "If-None-Match", `"x", `+tag).want(t, http.StatusNotModified, nil)
	s.query(t, "DROP VIEW v")
	s.do(t, http.MethodGet, "/v1/catalog/completion", "", "", "If-None-Match", tag).want(t, http.StatusOK, &c)
	if len(c.Tables) != 1 {
		t.Errorf("%v", c.Tables)
	}
}

func TestExplainGraph(t *testing.T) {
	s := start(t, config{})
	s.query(t, ordersDDL)
	s.gen(t, "gen", 10)
	var p api.PlanAnswer
	s.post(t, "/v1/explain", object{"sql": "EXPLAIN SELECT o.item, COUNT(*) AS n FROM orders o JOIN gen g ON o.id = g.id WHERE g.id > ? GROUP BY o.item", "params": []any{3}}).want(t, http.StatusOK, &p)
	if p.Mode != "batch" || p.Engine != "duckdb" || p.Class != "delta" || len(p.Edges) != len(p.Nodes)-1 || !strings.Contains(p.Text, "InnerJoin") {
		t.Errorf("%+v", p)
	}
	tables := 0
	for _, n := range p.Nodes {
		if n.Operator == "Scan" {
			tables++
			if n.Table == "" || n.Class != "stateless" {
				t.Errorf("%+v", n)
			}
		}
		if n.Operator == "Aggregate" && (n.Cost == "" || len(n.Columns) != 2) {
			t.Errorf("%+v", n)
		}
		for _, e := range p.Edges {
			if e.To == n.ID && p.Nodes[e.From].X >= n.X {
				t.Errorf("%s stands left of its input", n.Operator)
			}
		}
	}
	if tables != 2 {
		t.Errorf("%d scans", tables)
	}
	s.post(t, "/v1/explain", object{"sql": "INSERT INTO orders SELECT id, item, n FROM orders", "mode": "streaming"}).want(t, http.StatusOK, &p)
	if p.Mode != "streaming" || p.Nodes[0].Operator != "Sink" || p.Nodes[0].Table != "default.orders" {
		t.Errorf("%+v", p)
	}
	if p := s.problem(t, s.post(t, "/v1/explain", object{"sql": "SELECT id,\n nope FROM orders"}), http.StatusBadRequest); p.Line != 2 || p.Column != 2 {
		t.Errorf("%+v", p)
	}
	s.problem(t, s.post(t, "/v1/explain", object{"sql": "SHOW TABLES"}), http.StatusBadRequest)
}

func TestHealthAndJobDetail(t *testing.T) {
	s := start(t, config{api: api.Options{Settings: []api.Setting{{Name: "epoch", Value: "1s"}}}})
	s.query(t, ordersDDL)
	s.query(t, "CREATE MATERIALIZED TABLE items FRESHNESS = INTERVAL '0.02' SECOND AS SELECT item, COUNT(*) AS n FROM orders GROUP BY item")
	s.post(t, rowsPath, []object{{"id": 1, "item": "a"}}).want(t, http.StatusOK, nil)
	var d api.JobDetail
	await(t, func() bool {
		s.get(t, "/v1/jobs/default.items", &d)
		return len(d.Commits) > 0 && d.State == job.Running && d.Snapshot > 0
	})
	if len(d.Graph.Nodes) != len(d.Operators) || len(d.Graph.Nodes) < 2 || d.Graph.Nodes[0].Kind != "source" || d.Graph.Nodes[len(d.Graph.Nodes)-1].Kind != "sink" || len(d.Graph.Edges) == 0 || d.Diagnosis == "" {
		t.Errorf("%+v", d.Graph)
	}
	var all, some struct{ Items []job.LogLine }
	s.get(t, "/v1/jobs/default.items/logs", &all)
	if s.get(t, "/v1/jobs/default.items/logs?level=error", &some); len(all.Items) == 0 || len(some.Items) != 0 {
		t.Errorf("%d lines, %d errors", len(all.Items), len(some.Items))
	}
	word := strings.ToUpper(strings.Fields(all.Items[0].Text)[0])
	if s.get(t, "/v1/jobs/default.items/logs?limit=1&search="+word, &some); len(some.Items) != 1 || !strings.Contains(strings.ToUpper(some.Items[0].Text), word) {
		t.Errorf("%q: %+v", word, some.Items)
	}
	var h api.HealthSummary
	s.get(t, "/v1/health/summary", &h)
	if h.Status != "ok" || h.Jobs["running"] != 1 || len(h.Tables) != 1 || h.Tables[0].Table != "default.items" || h.Tables[0].Job.Name != "default.items" || len(h.Problems) != 0 {
		t.Errorf("%+v", h)
	}
	var tables items[api.TableSummary]
	s.get(t, "/v1/tables?database=default", &tables)
	if it := tables.Items[0]; it.Name != "items" || it.Job == nil || it.Job.Name != "default.items" || it.FreshnessMs == nil || it.Files == 0 {
		t.Errorf("%+v", it)
	}
	var read api.TableDetail
	if s.get(t, "/v1/tables/default/orders", &read); len(read.Readers) != 1 || read.Readers[0].Name != "default.items" {
		t.Errorf("%+v", read.Readers)
	}
	var v api.VersionInfo
	if s.get(t, "/v1/version", &v); v.Version != "dev" || v.Started.IsZero() {
		t.Errorf("%+v", v)
	}
	var settings items[api.Setting]
	if s.get(t, "/v1/config", &settings); fmt.Sprint(settings.Items) != "[{epoch 1s}]" {
		t.Errorf("%+v", settings)
	}
}
