//go:build duckdb_arrow

package web_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/weir-lake/weir/olap"
	"github.com/weir-lake/weir/storage/format"
)

func TestQueryFormats(t *testing.T) {
	s := start(t, config{})
	if r := s.query(t, ordersDDL); r.Message != "table default.orders created" || r.Columns != nil {
		t.Errorf("%+v", r)
	}
	if r := s.query(t, "INSERT INTO orders VALUES (9007199254740993, 'a \"quoted\", b', 1.5), (2, '', NULL), (3, NULL, 30)"); !strings.HasPrefix(r.Message, "3 rows inserted") {
		t.Errorf("%+v", r)
	}
	const text = "SELECT id, item, n FROM orders ORDER BY id"
	r := s.query(t, text)
	if got := fmt.Sprint(r.Columns); got != "[{id BIGINT NOT NULL} {item STRING} {n DECIMAL(10, 2)}]" {
		t.Errorf("columns %s", got)
	}
	if r.Rows != 3 || r.Cut == nil || r.Cut.Level != "cut" || r.Cut.Snapshots["default.orders"] != 1 || r.Stats.QueryID == "" || r.Data[2]["n"] != "1.50" || r.Data[0]["n"] != nil {
		t.Errorf("%+v", r)
	}
	a := s.post(t, "/v1/query?bigint=string", object{"sql": text, "format": "ndjson"}).want(t, http.StatusOK, nil)
	want := `{"id":"2","item":"","n":null}
{"id":"3","item":null,"n":"30.00"}
{"id":"9007199254740993","item":"a \"quoted\", b","n":"1.50"}
`
	if string(a.body) != want || a.Header.Get("Content-Type") != "application/x-ndjson" || !strings.Contains(a.Header.Get("Weir-Cut"), `"level":"cut"`) {
		t.Errorf("%s%v", a.body, a.Header)
	}
	a = s.post(t, "/v1/query", object{"sql": text}, "Accept", "text/csv").want(t, http.StatusOK, nil)
	if string(a.body) != "id,item,n\r\n2,\"\",\r\n3,,30.00\r\n9007199254740993,\"a \"\"quoted\"\", b\",1.50\r\n" {
		t.Errorf("CSV %q", a.body)
	}
	if recs, err := csv.NewReader(bytes.NewReader(a.body)).ReadAll(); err != nil || len(recs) != 4 {
		t.Errorf("CSV: %v %v", recs, err)
	}
	a = s.post(t, "/v1/query", object{"sql": text}, "Accept", "application/vnd.apache.arrow.stream").want(t, http.StatusOK, nil)
	rd, err := ipc.NewReader(bytes.NewReader(a.body))
	if err != nil {
		t.Fatal(err)
	}
	defer rd.Release()
	n := int64(0)
	for rd.Next() {
		n += rd.RecordBatch().NumRows()
	}
	if rd.Err() != nil || n != 3 || rd.Schema().Field(1).Name != "item" {
		t.Errorf("Arrow: %d rows of %s: %v", n, rd.Schema(), rd.Err())
	}
	a = s.post(t, "/v1/query", object{"sql": text, "format": "parquet"}).want(t, http.StatusOK, nil)
	file, err := format.Open("answer", bytes.NewReader(a.body), int64(len(a.body)))
	if err != nil {
		t.Fatal(err)
	}
	all, err := file.ReadAll(t.Context(), format.ReadOptions{})
	if err != nil || all.NumRows() != 3 || all.ColumnName(2) != "n" || all.Column(1).IsNull(1) == false || a.Header.Get("Content-Type") != "application/vnd.apache.parquet" || a.Header.Get("Weir-Engine") != "duckdb" {
		t.Errorf("Parquet: %v %v %v", all, a.Header, err)
	}
	all.Release()
	s.problem(t, s.post(t, "/v1/query", object{"sql": text}, "Accept", "image/png"), http.StatusBadRequest)
	// An answer without rows is whole in every format.
	for kind, want := range map[string]string{"ndjson": "", "csv": "id\r\n"} {
		a := s.post(t, "/v1/query", object{"sql": "SELECT id FROM orders WHERE id = 77", "format": kind}).want(t, http.StatusOK, nil)
		if string(a.body) != want {
			t.Errorf("%s: %q", kind, a.body)
		}
	}
}

func TestQueryErrorsNameThePlace(t *testing.T) {
	s := start(t, config{})
	s.query(t, ordersDDL)
	for _, c := range []struct {
		sql          string
		status       int
		line, column int
		detail, hint string
	}{
		{"SELECT 1\n  FORM orders o p", http.StatusBadRequest, 2, 8, "", ""},
		{"SELECT\n id, itm FROM orders", http.StatusBadRequest, 2, 6, "itm", "item"},
		{"SELECT * FROM order", http.StatusBadRequest, 1, 15, "", ""},
		{"SELECT * FROM ordes", http.StatusBadRequest, 1, 15, "ordes", "orders"},
		{ordersDDL, http.StatusConflict, 1, 14, "exists already", ""},
		{"SELECT 1 / (id - id) FROM (VALUES (1)) AS t (id)", http.StatusBadRequest, 0, 0, "zero", ""},
	} {
		p := s.problem(t, s.post(t, "/v1/query", object{"sql": c.sql}), c.status)
		if p.Line != c.line || p.Column != c.column || !strings.Contains(p.Detail, c.detail) || !strings.Contains(p.Hint, c.hint) {
			t.Errorf("%s: %+v", c.sql, p)
		}
	}
	s.do(t, http.MethodPost, "/v1/query", "application/json", "{not json").want(t, http.StatusBadRequest, nil)
	s.post(t, "/v1/query", object{"sql": ""}).want(t, http.StatusUnprocessableEntity, nil)
	s.problem(t, s.post(t, "/v1/query", object{"sql": "SELECT 1", "timeout": "soon"}), http.StatusBadRequest)
}

func TestQueryParams(t *testing.T) {
	s := start(t, config{})
	for _, c := range []struct {
		sql    string
		params any
		want   any
	}{
		{"SELECT ? + 1 AS v", []any{41}, float64(42)},
		{"SELECT CAST(? AS STRING) AS v", []any{json.Number("9007199254740993")}, "9007199254740993"},
		{"SELECT :who || '!' AS v", object{"who": "it's"}, "it's!"},
		{"SELECT ? AS v", []any{1.25}, "1.25"},
		{"SELECT ? AS v", []any{json.Number("1e3")}, float64(1000)},
		{"SELECT ? AS v", []any{true}, true},
		{"SELECT COALESCE(CAST(? AS INT), 7) AS v", []any{nil}, float64(7)},
		{"SELECT ? AS v", []any{object{"type": "DATE", "value": "2026-01-31"}}, "2026-01-31"},
	} {
		var r rows
		s.post(t, "/v1/query", object{"sql": c.sql, "params": c.params}).want(t, http.StatusOK, &r)
		if len(r.Data) != 1 || r.Data[0]["v"] != c.want {
			t.Errorf("%s with %v: %v", c.sql, c.params, r.Data)
		}
	}
	for _, bad := range []any{"x", []any{[]any{1}}, []any{object{"type": "DATE"}}, []any{object{"type": "DATE", "value": "soon"}}, []any{json.Number("1" + strings.Repeat("0", 60))}, []any{}} {
		s.problem(t, s.post(t, "/v1/query", object{"sql": "SELECT ? AS v", "params": bad}), http.StatusBadRequest)
	}
}

func TestSessions(t *testing.T) {
	s := start(t, config{})
	run := func(session, text string) answer {
		return s.post(t, "/v1/query", object{"sql": text, "session": session})
	}
	run("one", "SET 'weir.consistency' = 'latest'").want(t, http.StatusOK, nil)
	run("one", "CREATE TEMPORARY VIEW v AS SELECT 7 AS x").want(t, http.StatusOK, nil)
	run("one", "SELECT * FROM v").want(t, http.StatusOK, nil)
	s.problem(t, run("two", "SELECT * FROM v"), http.StatusBadRequest)
	s.problem(t, run("", "SELECT * FROM v"), http.StatusBadRequest)
	s.problem(t, s.post(t, "/v1/query", object{"sql": "SELECT 1", "session": "one", "consistency": "cut"}), http.StatusBadRequest)
	s.query(t, ordersDDL)
	var r rows
	s.post(t, "/v1/query", object{"sql": "SELECT * FROM orders", "consistency": "latest"}).want(t, http.StatusOK, &r)
	if r.Cut.Level != "latest" {
		t.Errorf("%+v", r.Cut)
	}
}

// gen makes a table of n rows that are made as they are read.
func (s *service) gen(t *testing.T, name string, n int) {
	t.Helper()
	s.query(t, fmt.Sprintf(`CREATE TABLE %s (id BIGINT) WITH ('connector'='datagen', 'number-of-rows'='%d',
	  'fields.id.kind'='sequence', 'fields.id.start'='1', 'fields.id.end'='%d')`, name, n, n))
}

func TestLargeAndBrokenAnswers(t *testing.T) {
	s := start(t, config{olap: olap.Options{RowsMax: 60_000}})
	s.gen(t, "gen", 200_000)
	vars := object{"execution.runtime-mode": "batch"}
	ask := func(text, kind string) answer {
		return s.post(t, "/v1/query", object{"sql": text, "format": kind, "variables": vars})
	}
	const wide = "SELECT id, REPEAT('x', 60) AS pad FROM gen"
	var r rows
	ask(wide+" WHERE id <= 50000", "json").want(t, http.StatusOK, &r)
	if len(r.Data) != 50_000 || r.Rows != 50_000 || r.Error != nil {
		t.Errorf("%d rows, %+v", len(r.Data), r.Error)
	}
	// Over the limit, after the status was sent: every format shows it.
	r = rows{}
	a := ask(wide, "json").want(t, http.StatusOK, &r)
	if r.Error == nil || r.Error.Kind != "exhausted" || !strings.Contains(a.Trailer.Get("Weir-Error"), "60000 rows") {
		t.Errorf("%+v %v", r.Error, a.Trailer)
	}
	a = ask(wide, "ndjson").want(t, http.StatusOK, nil)
	lines := bytes.Split(bytes.TrimSpace(a.body), []byte("\n"))
	if last := lines[len(lines)-1]; !bytes.HasPrefix(last, []byte(`{"error":{`)) {
		t.Errorf("last line %s", last)
	}
	for _, kind := range []string{"csv", "arrow"} {
		if a := ask(wide, kind); a.StatusCode != http.StatusOK || !errors.Is(a.err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %d %v", kind, a.StatusCode, a.err)
		}
	}
	// Before, it is a status. Parquet sends nothing before its first group of rows is complete.
	s.problem(t, ask(wide, "parquet"), http.StatusTooManyRequests)
	s.problem(t, ask("SELECT id / 0 FROM gen", "json"), http.StatusBadRequest)
	var all struct{ Items []olap.Info }
	s.get(t, "/v1/queries", &all)
	for _, q := range all.Items {
		if q.State == olap.Running || q.State == olap.Queued {
			t.Errorf("still there: %+v", q)
		}
	}
}

const slowQuery = "SELECT COUNT(*) FROM gen a, gen b, gen c WHERE a.id + b.id + c.id = 7"

func TestCancelAndTimeout(t *testing.T) {
	s := start(t, config{})
	s.gen(t, "gen", 5000)
	vars := object{"execution.runtime-mode": "batch"}
	begin := time.Now()
	p := s.problem(t, s.post(t, "/v1/query", object{"sql": slowQuery, "variables": vars, "timeout": "200ms"}), http.StatusGatewayTimeout)
	if p.Kind != "canceled" || time.Since(begin) > 5*time.Second {
		t.Errorf("%+v after %s", p, time.Since(begin))
	}
	got := make(chan answer, 1)
	go func() { got <- s.post(t, "/v1/query", object{"sql": slowQuery, "variables": vars}) }()
	var all struct{ Items []olap.Info }
	await(t, func() bool {
		s.get(t, "/v1/queries", &all)
		return len(all.Items) > 0 && all.Items[0].State == olap.Running
	})
	id := all.Items[0].ID
	if all.Items[0].User != "first" || all.Items[0].SQL != slowQuery {
		t.Errorf("%+v", all.Items[0])
	}
	s.do(t, http.MethodDelete, "/v1/queries/"+id, "", "").want(t, http.StatusNoContent, nil)
	if p := s.problem(t, <-got, 499); !strings.Contains(p.Detail, "canceled by first") {
		t.Errorf("%+v", p)
	}
	var q olap.Info
	if s.get(t, "/v1/queries/"+id, &q); q.State != olap.Canceled {
		t.Errorf("%+v", q)
	}
	s.problem(t, s.do(t, http.MethodDelete, "/v1/queries/none", "", ""), http.StatusNotFound)
}

func TestStreamingQuery(t *testing.T) {
	s := start(t, config{})
	s.query(t, `CREATE TABLE endless (id BIGINT, grp INT) WITH ('connector'='datagen', 'rows-per-second'='1000',
	  'fields.id.kind'='random', 'fields.grp.min'='1', 'fields.grp.max'='1')`)
	const text = "SELECT grp, COUNT(*) AS n FROM endless GROUP BY grp"
	p := s.problem(t, s.post(t, "/v1/query", object{"sql": text}), http.StatusBadRequest)
	if !strings.Contains(p.Detail, "ndjson") {
		t.Errorf("%+v", p)
	}
	a := s.post(t, "/v1/query", object{"sql": text, "format": "ndjson", "timeout": "500ms"}).want(t, http.StatusOK, nil)
	lines := strings.Split(strings.TrimSpace(string(a.body)), "\n")
	if len(lines) < 4 || !strings.HasPrefix(lines[0], `{"_epoch":1,"_kind":"+I","grp":1,"n":`) || !strings.HasPrefix(lines[len(lines)-1], `{"error":{`) {
		t.Errorf("%d lines: %v", len(lines), lines[:min(4, len(lines))])
	}
	for i := 1; i+1 < len(lines)-1; i += 2 { // an update by the group's key is a pair
		if !strings.Contains(lines[i], `"_kind":"-U"`) || !strings.Contains(lines[i+1], `"_kind":"+U"`) {
			t.Fatalf("lines %d and %d: %q, %q", i, i+1, lines[i], lines[i+1])
		}
	}
}

// A query that never ends is listed while it runs, canceled, and remembered as others are.
func TestStreamingQueryIsListed(t *testing.T) {
	s := start(t, config{})
	s.query(t, `CREATE TABLE endless (id BIGINT) WITH ('connector'='datagen', 'rows-per-second'='1000', 'fields.id.kind'='random')`)
	const text = "SELECT id FROM endless"
	got := make(chan answer, 1)
	go func() { got <- s.post(t, "/v1/query", object{"sql": text, "format": "ndjson"}) }()
	var all struct{ Items []olap.Info }
	await(t, func() bool {
		s.get(t, "/v1/queries?state=running", &all)
		return len(all.Items) == 1 && all.Items[0].Rows > 0
	})
	q := all.Items[0]
	if q.SQL != text || q.Engine != "weir" || q.User != "first" {
		t.Errorf("%+v", q)
	}
	s.do(t, http.MethodDelete, "/v1/queries/"+q.ID, "", "").want(t, http.StatusNoContent, nil)
	a := <-got
	if last := a.body[max(0, len(a.body)-300):]; !strings.Contains(string(last), "canceled by first") || a.Header.Get("Weir-Query-Id") != q.ID {
		t.Errorf("%s", last)
	}
	if s.get(t, "/v1/queries/"+q.ID, &q); q.State != olap.Canceled || q.Rows == 0 {
		t.Errorf("%+v", q)
	}
}
