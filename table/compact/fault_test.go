package compact_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/storage/objstore/faultstore"
	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/compact"
	"github.com/weir-lake/weir/table/scan"
	"github.com/weir-lake/weir/table/snapshot"
	"github.com/weir-lake/weir/table/tabletest"
	"github.com/weir-lake/weir/table/write"
)

// A compaction that fails at any operation leaves the table and its folder as
// they were, and succeeds when it is run again.
func TestEveryFaultLeavesTheTableAsItWas(t *testing.T) {
	for _, fault := range []string{"enospc", "error", "lost-reply", "truncate 50", "cut 50"} {
		failed := 0
		for step := 1; step <= 25; step++ {
			if fails(t, fmt.Sprintf("any **.parquet @%d: %s", step, fault)) {
				failed++
			}
		}
		if failed == 0 {
			t.Errorf("%s: no step failed", fault)
		}
	}
}

func fails(t *testing.T, rules string) bool {
	t.Helper()
	base := objstore.NewMem()
	f := tabletest.On(t, base, []string{"k"}, nil, map[string]string{"bucket": "1"})
	w := f.Writer(write.Options{})
	f.Put(w, "+I 1 a one 1", "+I 2 b two 2")
	s := f.Put(w, "+U 1 a uno 1", "-D 2 b two 2", "+I 3 a three 3")
	plan, err := compactor(f).Plan(t.Context(), s, compact.Full)
	if err != nil || len(plan) != 1 {
		t.Fatal(plan, err)
	}
	before := tabletest.Count(t, base, "bucket-0/")
	store, err := faultstore.New(base, faultstore.Options{Rules: rules})
	if err != nil {
		t.Fatal(err)
	}
	c, err := compact.New(store, f.Schema, compact.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := c.Run(t.Context(), plan[0])
	failed := err != nil
	if failed {
		if k := errkind.Of(err); k == errkind.Bug || !strings.Contains(err.Error(), "bucket-0/") {
			t.Errorf("%s: kind %s: %v", rules, k, err)
		}
		if transient := strings.HasSuffix(rules, "error") || strings.HasSuffix(rules, "cut 50"); transient && errkind.Of(err) != errkind.Unavailable {
			t.Errorf("%s: a store that does not answer gives kind %s: %v", rules, errkind.Of(err), err)
		}
		if n := tabletest.Count(t, base, "bucket-0/"); n != before {
			t.Errorf("%s: %d files, were %d", rules, n, before)
		}
		if m, err = c.Run(t.Context(), plan[0]); err != nil {
			t.Fatalf("%s: again: %v", rules, err)
		}
	}
	s = f.Commit("compactor", snapshot.Compact, []commit.Message{m}, nil)
	f.Want(rules, f.Read(s, scan.Request{}), "1 a uno 1", "3 a three 3")
	return failed
}
