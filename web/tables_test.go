//go:build duckdb_arrow

package web_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/web/api"
)

const rowsPath = "/v1/tables/default/orders/rows"

func TestPush(t *testing.T) {
	s := start(t, config{api: api.Options{BodyMax: 1 << 20}})
	s.query(t, ordersDDL)
	var at job.Pushed
	s.post(t, rowsPath, []object{{"id": 1, "item": "a", "n": "1.5"}, {"id": 2, "n": 2}}).want(t, http.StatusOK, &at)
	if at.Rows != 2 || at.Epoch < 1 || at.Snapshot != 1 {
		t.Errorf("%+v", at)
	}
	// Committed means visible.
	if r := s.query(t, "SELECT COUNT(*) AS n FROM orders"); r.Data[0]["n"] != float64(2) || r.Cut.Snapshots["default.orders"] != 1 {
		t.Errorf("%+v", r)
	}
	s.do(t, http.MethodPost, rowsPath, "application/x-ndjson", `{"id": 3, "item": "c"}`+"\n\n"+`{"_kind": "-D", "id": 1}`+"\n").want(t, http.StatusOK, &at)
	if r := s.query(t, "SELECT id FROM orders ORDER BY id"); fmt.Sprint(r.Data) != "[map[id:2] map[id:3]]" {
		t.Errorf("%+v", r.Data)
	}
	for _, c := range []struct {
		body   string
		row    int
		column string
	}{
		{`[{"id": 7}, {"id": 8, "n": "many"}]`, 1, "n"},
		{`[{"item": "no key"}]`, 0, "id"},
		{`[{"id": 7}, {"id": 8}, {"id": 9, "colour": "red"}]`, 2, "colour"},
		{`{"id": 7}` + "\n" + `{"id": `, 1, ""},
		{`[{"id": 7, "_kind": "+X"}]`, 0, "_kind"},
		{`[7]`, 0, ""},
	} {
		p := s.problem(t, s.do(t, http.MethodPost, rowsPath, "application/json", c.body), http.StatusUnprocessableEntity)
		if p.Row == nil || *p.Row != c.row || p.RowColumn != c.column || p.Reason == "" {
			t.Errorf("%s: %+v", c.body, p)
		}
	}
	if r := s.query(t, "SELECT COUNT(*) AS n FROM orders WHERE id >= 7"); r.Data[0]["n"] != float64(0) {
		t.Error("a refused request stored rows")
	}
	s.problem(t, s.do(t, http.MethodPost, rowsPath, "application/json", "[]"), http.StatusBadRequest)
	s.problem(t, s.do(t, http.MethodPost, rowsPath, "application/json", "["+strings.Repeat(" ", 1<<20)+"]"), http.StatusRequestEntityTooLarge)
	s.problem(t, s.do(t, http.MethodPost, "/v1/tables/default/none/rows", "application/json", `[{"id":1}]`), http.StatusNotFound)
	s.gen(t, "gen", 10)
	s.problem(t, s.do(t, http.MethodPost, "/v1/tables/default/gen/rows", "application/json", `[{"id":1}]`), http.StatusBadRequest)
}

func TestPushOnce(t *testing.T) {
	s := start(t, config{})
	s.query(t, "CREATE TABLE log (line STRING)")
	push := func(key, body string) answer {
		return s.do(t, http.MethodPost, "/v1/tables/default/log/rows", "application/json", body, "Idempotency-Key", key)
	}
	var first, second job.Pushed
	push("k1", `[{"line":"a"}]`).want(t, http.StatusOK, &first)
	push("k1", `[{"line":"a"}]`).want(t, http.StatusOK, &second)
	if first.Repeated || !second.Repeated || second.Snapshot != first.Snapshot || second.Epoch != first.Epoch {
		t.Errorf("%+v, then %+v", first, second)
	}
	if p := s.problem(t, push("k1", `[{"line":"b"}]`), http.StatusConflict); p.Kind != "conflict" {
		t.Errorf("%+v", p)
	}
	push("k2", `[{"line":"a"}]`).want(t, http.StatusOK, nil)
	if r := s.query(t, "SELECT COUNT(*) AS n FROM log"); r.Data[0]["n"] != float64(2) {
		t.Errorf("%v", r.Data)
	}
}

func TestTablesAndJobs(t *testing.T) {
	s := start(t, config{})
	s.query(t, ordersDDL)
	made := s.query(t, "CREATE MATERIALIZED TABLE items FRESHNESS = INTERVAL '0.02' SECOND AS SELECT item, COUNT(*) AS n FROM orders GROUP BY item")
	if made.Job == "" {
		t.Fatalf("%+v", made)
	}
	s.post(t, rowsPath, []object{{"id": 1, "item": "a"}, {"id": 2, "item": "a"}}).want(t, http.StatusOK, nil)
	await(t, func() bool { return fmt.Sprint(s.query(t, "SELECT * FROM items").Data) == "[map[item:a n:2]]" })

	var dbs struct{ Items []string }
	if s.get(t, "/v1/databases", &dbs); fmt.Sprint(dbs.Items) != "[default]" {
		t.Errorf("%+v", dbs)
	}
	var tables struct{ Items []api.TableSummary }
	s.get(t, "/v1/tables?database=default", &tables)
	if len(tables.Items) != 2 || tables.Items[0].Kind != "materialized" || tables.Items[1].Rows != 2 || tables.Items[1].Snapshot != 1 {
		t.Errorf("%+v", tables)
	}
	var d api.TableDetail
	s.get(t, "/v1/tables/default/orders", &d)
	if len(d.Columns) != 3 || d.PrimaryKey[0] != "id" || d.Files != 1 || d.Bytes == 0 || d.Epoch == 0 || d.Columns[0].Nullable {
		t.Errorf("%+v", d)
	}
	var snaps struct{ Items []api.SnapshotInfo }
	s.get(t, "/v1/tables/default/orders/snapshots", &snaps)
	if len(snaps.Items) != 1 || snaps.Items[0].Kind != "APPEND" || snaps.Items[0].Properties["weir.epoch"] == "" {
		t.Errorf("%+v", snaps)
	}
	var cut api.CutInfo
	s.get(t, "/v1/cut?tables=orders,default.items", &cut)
	if len(cut.Tables) != 2 || cut.Tables["default.orders"] != 1 || cut.Tables["default.items"] < 1 {
		t.Errorf("%+v", cut)
	}
	for _, path := range []string{"/v1/tables/default/none", "/v1/tables?database=none", "/v1/tables/default/none/files", "/v1/tables/default/none/snapshots", "/v1/cut?tables=none"} {
		s.problem(t, s.do(t, http.MethodGet, path, "", ""), http.StatusNotFound)
	}
	s.problem(t, s.post(t, "/v1/tables/default/items/rows", []object{{"item": "b"}}), http.StatusBadRequest)
	s.problem(t, s.do(t, http.MethodGet, "/v1/lineage", "", ""), http.StatusServiceUnavailable)
	s.problem(t, s.post(t, "/v1/verify", object{"all": true}), http.StatusServiceUnavailable)
	s.jobRoutes(t, made.Job)
}

// jobRoutes stops, starts and drops the job of items.
func (s *service) jobRoutes(t *testing.T, id string) {
	t.Helper()
	var j job.Status
	s.get(t, "/v1/jobs/"+id, &j)
	if j.Name != "default.items" || j.State != job.Running || j.RowsIn < 2 || j.User != "first" {
		t.Errorf("%+v", j)
	}
	var logs struct{ Items []job.LogLine }
	if s.get(t, "/v1/jobs/"+id+"/logs", &logs); len(logs.Items) == 0 {
		t.Error("no log")
	}
	s.do(t, http.MethodPost, "/v1/jobs/"+id+"/stop", "", "").want(t, http.StatusOK, &j)
	if j.State != job.Stopped {
		t.Errorf("%+v", j)
	}
	s.do(t, http.MethodPost, "/v1/jobs/default.items/restart", "", "").want(t, http.StatusOK, &j)
	await(t, func() bool { s.get(t, "/v1/jobs/"+id, &j); return j.State == job.Running })

	s.query(t, "CREATE TABLE copy (id BIGINT, item STRING)")
	const insert = "INSERT INTO copy SELECT id, item FROM orders WHERE id > 1"
	var refused, mine job.Status
	s.problem(t, s.post(t, "/v1/jobs", object{"sql": "SELECT 1"}), http.StatusBadRequest)
	s.problem(t, s.post(t, "/v1/jobs", object{"name": "default.items", "sql": insert}), http.StatusBadRequest)
	_ = refused
	s.query(t, "CREATE TABLE copy2 (id BIGINT, item STRING, PRIMARY KEY (id) NOT ENFORCED)")
	s.post(t, "/v1/jobs", object{"name": "copying", "sql": strings.Replace(insert, "copy", "copy2", 1)}).want(t, http.StatusCreated, &mine)
	s.problem(t, s.post(t, "/v1/jobs", object{"name": "copying", "sql": strings.Replace(insert, "copy", "copy2", 1)}), http.StatusConflict)
	await(t, func() bool { return fmt.Sprint(s.query(t, "SELECT id FROM copy2").Data) == "[map[id:2]]" })
	s.do(t, http.MethodDelete, "/v1/jobs/"+mine.ID, "", "").want(t, http.StatusNoContent, nil)
	var all struct{ Items []job.Status }
	if s.get(t, "/v1/jobs", &all); len(all.Items) != 1 {
		t.Errorf("%+v", all.Items)
	}
	s.problem(t, s.do(t, http.MethodGet, "/v1/jobs/nobody", "", ""), http.StatusNotFound)
}
