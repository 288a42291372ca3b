package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/stream"
	"github.com/weir-lake/weir/lineage"
)

// plantInState adds one row to the operator state in a job's newest checkpoint, as a bug in an operator would.
func plantInState(t *testing.T, e *engine, warehouse, jobID string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(warehouse, ".weir/state", jobID, "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no checkpoint: %v", err)
	}
	slices.Sort(files)
	file := files[len(files)-1]
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseUint(string(data[8:16]), 16, 31)
	if err != nil {
		t.Fatal(err)
	}
	var head map[string]any
	if err := json.Unmarshal(data[16:16+n], &head); err != nil {
		t.Fatal(err)
	}
	flowBytes := data[16+n : 16+n+uint64(head["flow"].(float64))]
	rest := data[16+n+uint64(head["flow"].(float64)) : len(data)-8]

	s, err := e.jobs.Show(jobID)
	if err != nil {
		t.Fatal(err)
	}
	sink, err := e.svc.PlanJob(t.Context(), s.Database, s.SQL, s.Options)
	if err != nil {
		t.Fatal(err)
	}
	flow, err := stream.Compile(sink.Input, stream.Options{AppendOnly: func(s *plan.Scan) bool { return len(s.Table.PrimaryKey) == 0 }}) // as the job does
	if err != nil {
		t.Fatal(err)
	}
	if err := flow.Restore(bytes.NewReader(flowBytes)); err != nil {
		t.Fatal(err)
	}
	sc, err := arrowSchema(flow.Sources()[0].Columns())
	if err != nil {
		t.Fatal(err)
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, sc)
	defer b.Release()
	b.Field(0).(*array.Int32Builder).Append(1)
	b.Field(1).(*array.Int64Builder).Append(1000)
	rec := b.NewRecordBatch()
	defer rec.Release()
	out, err := flow.Step(t.Context(), stream.Epoch{ID: int64(head["epoch"].(float64))}, map[int][]stream.Delta{0: {{Rows: rec}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range out {
		d.Rows.Release()
	}
	var planted bytes.Buffer
	if err := flow.Checkpoint(&planted); err != nil {
		t.Fatal(err)
	}
	head["flow"] = planted.Len()
	h, err := json.Marshal(head)
	if err != nil {
		t.Fatal(err)
	}
	whole := slices.Concat(data[:8], fmt.Appendf(nil, "%08x", len(h)), h, planted.Bytes(), rest)
	whole = fmt.Appendf(whole, "%08x", crc32.ChecksumIEEE(whole))
	if err := os.WriteFile(file, whole, 0o644); err != nil {
		t.Fatal(err)
	}
}

// One row too many in an operator's state makes its next results wrong; verify does not look at state and finds them.
func TestVerifyFindsAWrongRowFromState(t *testing.T) {
	warehouse := t.TempDir()
	e := testEngine(t, warehouse)
	if err := e.jobs.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	runSQL(t, e, `
		CREATE TABLE src (k INT, v BIGINT);
		CREATE MATERIALIZED TABLE sums AS SELECT k, SUM(v) AS s FROM src GROUP BY k;
		INSERT INTO src VALUES (1, 10), (2, 5)`)
	becomes(t, e, "SELECT * FROM sums", []string{`{"k":1,"s":10}`, `{"k":2,"s":5}`})
	j, err := e.jobs.Show("default.sums")
	if err != nil {
		t.Fatal(err)
	}
	e.close(t.Context())
	plantInState(t, e, warehouse, j.ID)

	e = testEngine(t, warehouse)
	if err := e.jobs.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := verifyAll(t, e)["default.sums"]; r.Answer != lineage.Equal {
		t.Fatalf("the table is still right: %+v", r)
	}
	runSQL(t, e, "INSERT INTO src VALUES (1, 1)")
	becomes(t, e, "SELECT * FROM sums", []string{`{"k":1,"s":1011}`, `{"k":2,"s":5}`})
	deadline := time.Now().Add(10 * time.Second)
	r := verifyAll(t, e)["default.sums"]
	for r.Answer == lineage.Equal && time.Now().Before(deadline) {
		r = verifyAll(t, e)["default.sums"]
	}
	if r.Answer != lineage.Differs || len(r.Examples) != 2 {
		t.Fatalf("%+v", r)
	}
}
