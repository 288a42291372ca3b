//go:build duckdb_arrow

package web_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/weir-lake/weir/table/inspect"
	"github.com/weir-lake/weir/table/snapshot"
	"github.com/weir-lake/weir/web/api"
)

// items of an answer.
type items[T any] struct{ Items []T }

func TestBrowseTable(t *testing.T) {
	s := start(t, config{})
	s.query(t, ordersDDL)
	const base = "/v1/tables/default/orders"
	s.post(t, rowsPath, []object{{"id": 1, "item": "a"}, {"id": 2, "item": "b", "n": "2.50"}}).want(t, http.StatusOK, nil)
	between := time.Now().UTC()
	s.post(t, rowsPath, []object{{"id": 2, "item": "b2"}, {"id": 3, "item": "c"}, {"id": 1, "_kind": "-D"}}).want(t, http.StatusOK, nil)
	s.query(t, "ALTER TABLE orders ADD (note STRING)")

	var d api.TableDetail
	s.get(t, base, &d)
	if len(d.History) != 2 || fmt.Sprint(d.History[0].Changes) != "[column note STRING added]" || fmt.Sprint(d.History[1].Changes) != "[created]" ||
		!strings.HasPrefix(d.DDL, "CREATE TABLE `default`.orders") && !strings.Contains(d.DDL, "orders") || d.Files != 2 || d.Bytes == 0 {
		t.Errorf("%+v", d)
	}
	var parts items[inspect.Partition]
	if s.get(t, base+"/partitions", &parts); len(parts.Items) != 1 || parts.Items[0].Files != 2 || parts.Items[0].Path != "" {
		t.Errorf("%+v", parts)
	}
	var buckets items[inspect.Bucket]
	if s.get(t, base+"/buckets?snapshot=1", &buckets); len(buckets.Items) != 1 || buckets.Items[0].Runs != 1 || buckets.Items[0].Rows != 2 {
		t.Errorf("%+v", buckets)
	}
	var files api.FileList
	if s.get(t, base+"/files?limit=1", &files); len(files.Items) != 1 || files.Total != 2 || !strings.HasPrefix(files.Items[0].Name, "bucket-0/") || len(files.Items[0].Columns) != 3 {
		t.Errorf("%+v", files)
	}
	var score inspect.Score
	if s.get(t, base+"/score", &score); score.Files != 2 || score.Runs != 2 || score.Sentence == "" {
		t.Errorf("%+v", score)
	}
	var snaps items[api.SnapshotInfo]
	if s.get(t, base+"/snapshots?before=2", &snaps); len(snaps.Items) != 1 || snaps.Items[0].ID != 1 || snaps.Items[0].Epoch == 0 {
		t.Errorf("%+v", snaps)
	}
	for version, want := range map[string]string{
		"": "[2 b2] [3 c] ", "?snapshot=1": "[1 a] [2 b] ", "?timestamp=" + url.QueryEscape(between.Format(time.RFC3339Nano)): "[1 a] [2 b] ",
		"?limit=1&snapshot=1": "[1 a] ",
	} {
		var r rows
		s.get(t, base+"/sample"+version, &r)
		got := ""
		for _, row := range r.Data {
			got += fmt.Sprintf("[%v %v] ", row["id"], row["item"])
		}
		if got != want {
			t.Errorf("sample%s: %s, want %s", version, got, want)
		}
	}
	s.problem(t, s.do(t, http.MethodGet, base+"/sample?snapshot=1&tag=x", "", ""), http.StatusBadRequest)
	s.problem(t, s.do(t, http.MethodGet, base+"/sample?timestamp=soon", "", ""), http.StatusBadRequest)
	s.problem(t, s.do(t, http.MethodGet, base+"/buckets?snapshot=9", "", ""), http.StatusNotFound)
}

func TestDiffAndUpkeep(t *testing.T) {
	s := start(t, config{})
	s.query(t, ordersDDL)
	const base = "/v1/tables/default/orders"
	var none api.DiffAnswer
	if s.get(t, base+"/diff", &none); none.To != 0 || len(none.Columns) != 3 {
		t.Errorf("%+v", none)
	}
	for _, batch := range [][]object{
		{{"id": 1, "item": "a"}, {"id": 2, "item": "b"}, {"id": 3, "item": "c"}},
		{{"id": 2, "item": "x"}, {"id": 4, "item": "d"}},
		{{"id": 2, "item": "b2"}, {"id": 4, "_kind": "-D"}, {"id": 3, "_kind": "-D"}, {"id": 5, "item": "e"}},
	} {
		s.post(t, rowsPath, batch).want(t, http.StatusOK, nil)
	}
	var d struct {
		Added, Removed, Updated int
		Rows                    []object
	}
	s.get(t, base+"/diff?from=1&to=3", &d)
	got := ""
	for _, r := range d.Rows {
		got += fmt.Sprint(r["_kind"], r["id"], r["item"], " ")
	}
	// What came and went in between (4) and what stayed the same is not there.
	if d.Added != 1 || d.Removed != 1 || d.Updated != 1 || got != "-U2b +U2b2 +I5e -D3c " && got != "-U2b +U2b2 -D3c +I5e " {
		t.Errorf("%+v: %s", d, got)
	}
	if s.get(t, base+"/diff?from=0&to=1&limit=2", &d); d.Added != 3 || len(d.Rows) != 2 {
		t.Errorf("%+v", d)
	}
	s.problem(t, s.do(t, http.MethodGet, base+"/diff?from=3&to=1", "", ""), http.StatusBadRequest)
	s.problem(t, s.do(t, http.MethodGet, base+"/diff?from=1&to=99", "", ""), http.StatusNotFound)

	var done api.CompactDone
	s.post(t, base+"/compact", object{"full": true}).want(t, http.StatusOK, &done)
	if done.Snapshots != 1 || done.Removed != 3 || done.Added != 1 {
		t.Errorf("%+v", done)
	}
	s.do(t, http.MethodPost, base+"/compact", "", "").want(t, http.StatusOK, &done)
	if done.Snapshots != 0 {
		t.Errorf("compacted twice: %+v", done)
	}
	s.query(t, "ALTER TABLE orders SET ('snapshot.num-retained.min'='1', 'snapshot.num-retained.max'='1')")
	var gone api.ExpireDone
	s.post(t, base+"/expire", object{"dry_run": true}).want(t, http.StatusOK, &gone)
	if gone.Snapshots != 3 {
		t.Errorf("dry: %+v", gone)
	}
	s.post(t, base+"/expire", object{}).want(t, http.StatusOK, &gone)
	if gone.Snapshots != 3 || gone.DataFiles != 3 {
		t.Errorf("%+v", gone)
	}
	s.problem(t, s.do(t, http.MethodGet, base+"/diff?from=1&to=4", "", ""), http.StatusNotFound)
	if r := s.query(t, "SELECT id FROM orders ORDER BY id"); fmt.Sprint(r.Data) != "[map[id:1] map[id:2] map[id:5]]" {
		t.Errorf("%v", r.Data)
	}
}

func TestTagsAndViews(t *testing.T) {
	s := start(t, config{})
	s.query(t, ordersDDL)
	s.post(t, rowsPath, []object{{"id": 1, "item": "a"}}).want(t, http.StatusOK, nil)
	snaps := snapshot.NewManager(s.cat.TableStore(ordersID), "")
	latest, err := snaps.Latest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := snaps.CreateTag(t.Context(), snapshot.Tag{Name: "it's", Snapshot: latest, Created: time.Now(), Retained: time.Hour}); err != nil {
		t.Fatal(err)
	}
	s.post(t, rowsPath, []object{{"id": 2, "item": "b"}}).want(t, http.StatusOK, nil)
	var tags items[api.TagInfo]
	if s.get(t, "/v1/tables/default/orders/tags", &tags); len(tags.Items) != 1 || tags.Items[0].Snapshot != 1 || tags.Items[0].RetainedMs != 3_600_000 || tags.Items[0].CreatedMs == 0 {
		t.Errorf("%+v", tags)
	}
	var r rows
	if s.get(t, "/v1/tables/default/orders/sample?tag=it%27s", &r); len(r.Data) != 1 {
		t.Errorf("%+v", r.Data)
	}
	var branches items[api.BranchInfo]
	if s.get(t, "/v1/tables/default/orders/branches", &branches); len(branches.Items) != 0 {
		t.Errorf("%+v", branches)
	}
	s.query(t, "CREATE VIEW big AS SELECT id, item || '!' AS loud FROM orders WHERE id > 1")
	s.gen(t, "gen", 10)
	var d api.TableDetail
	if s.get(t, "/v1/tables/default/big", &d); d.Kind != "view" || len(d.Columns) != 2 || d.Columns[1].Name != "loud" || !strings.HasPrefix(d.DDL, "CREATE VIEW") {
		t.Errorf("%+v", d)
	}
	var all items[api.TableSummary]
	kinds := map[string]string{}
	s.get(t, "/v1/tables", &all)
	for _, x := range all.Items {
		kinds[x.Name] = x.Kind
	}
	if fmt.Sprint(kinds) != "map[big:view gen:connector orders:table]" {
		t.Errorf("%v", kinds)
	}
	if s.get(t, "/v1/tables/default/gen/sample?limit=3", &r); len(r.Data) != 3 {
		t.Errorf("connector: %+v", r.Data)
	}
	s.problem(t, s.do(t, http.MethodGet, "/v1/tables/default/gen/files", "", ""), http.StatusBadRequest)
	s.problem(t, s.do(t, http.MethodGet, "/v1/tables/default/big/files", "", ""), http.StatusNotFound)
}
