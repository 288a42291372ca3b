//go:build duckdb_arrow

package duck_test

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/weir-lake/weir/compute/duck"
	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/table/schema"
)

// residentBytes is VmRSS of a process.
func residentBytes(t *testing.T, pid int) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := bytes.Cut(status, []byte("VmRSS:"))
	kb, err := strconv.ParseInt(string(bytes.Fields(rest)[0]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kb << 10
}

// A worker's memory does not grow with the queries it has run: inputs, Go functions,
// nested values, results left unread.
func TestWorkerDoesNotGrow(t *testing.T) {
	if testing.Short() {
		t.Skip("runs 35 large queries")
	}
	p := newPool(t, duck.Options{Workers: 1, MemoryBytes: 512 << 20})
	scan, table := benchInput()
	upper := &expr.Call{Fn: "REVERSE", T: schema.TString, Args: []expr.Expr{at(scan, 1)}}
	list := &expr.Call{Fn: "ARRAY", T: schema.TArray(schema.TString), Args: []expr.Expr{upper, at(scan, 1)}}
	q, err := duck.Print(t.Context(), &plan.Project{Input: scan, Exprs: []expr.Expr{at(scan, 0), upper, list}, Names: []string{"n", "u", "l"}}, table, duck.ExecOptions{})
	if err != nil {
		t.Fatal(err)
	}
	once := func(batches int) {
		r, err := p.Run(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		for range batches {
			b, err := r.Next()
			if err != nil {
				t.Fatal(err)
			}
			b.Release()
		}
	}
	for range 5 {
		once(60)
	}
	before := residentBytes(t, workers(t)[0])
	for i := range 30 {
		once(1 + i)
	}
	after := residentBytes(t, workers(t)[0])
	// 30 queries read some 1 M rows of 60 bytes: a leak would be 60 MB and more.
	if grown := after - before; grown > 48<<20 {
		t.Errorf("the worker grew by %d bytes from %d", grown, before)
	}
	t.Logf("resident %d MB, then %d MB", before>>20, after>>20)
}
