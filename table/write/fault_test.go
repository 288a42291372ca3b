package write_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/storage/objstore/faultstore"
	"github.com/weir-lake/weir/table/scan"
	"github.com/weir-lake/weir/table/snapshot"
	"github.com/weir-lake/weir/table/tabletest"
	"github.com/weir-lake/weir/table/write"
)

// faultSteps is more operations than the write below makes.
const faultSteps = 60

// Whatever operation fails in whatever way, the error says what and where, a
// second Prepare writes the rest, the rows are all there once, and no file is left over.
func TestEveryFaultIsSurvived(t *testing.T) {
	lines := []string{"+I 1 a one 1", "+I 2 b two 2", "+I 3 a three 3", "+I 1 a uno 1", "+I 4 b four 4"}
	for _, fault := range []string{"enospc", "error", "lost-reply"} {
		failed := 0
		for step := 1; step <= faultSteps; step++ {
			failed += survive(t, fmt.Sprintf("write-any ** @%d: %s", step, fault), lines)
		}
		if failed < 6 {
			t.Errorf("%s: only %d steps failed", fault, failed)
		}
	}
}

func survive(t *testing.T, rules string, lines []string) (failed int) {
	t.Helper()
	base := objstore.NewMem()
	f := tabletest.On(t, base, []string{"p", "k"}, []string{"p"}, map[string]string{"bucket": "2"})
	store, err := faultstore.New(base, faultstore.Options{Rules: rules})
	if err != nil {
		t.Fatal(err)
	}
	w, err := write.New(store, f.Schema, write.Options{})
	if err != nil {
		t.Fatal(err)
	}
	rec, kinds := f.Rows(lines...)
	defer rec.Release()
	if err := errors.Join(w.Write(t.Context(), rec, kinds), w.WriteChangelog(t.Context(), rec, kinds)); err != nil {
		t.Fatal(err)
	}
	ms, err := w.Prepare(t.Context())
	if err != nil {
		failed++
		if k := errkind.Of(err); k != errkind.Exhausted && k != errkind.Unavailable || !strings.Contains(err.Error(), "bucket-") {
			t.Errorf("%s: kind %s: %v", rules, k, err)
		}
		if ms, err = w.Prepare(t.Context()); err != nil {
			t.Fatalf("%s: again: %v", rules, err)
		}
	}
	s := f.Commit("u", snapshot.Append, ms, nil)
	f.Want(rules, f.Read(s, scan.Request{}), "1 a uno 1", "2 b two 2", "3 a three 3", "4 b four 4")
	var known []string
	for _, m := range ms {
		for _, d := range slices.Concat(m.Added, m.Changelog) {
			known = append(known, d.Name)
		}
	}
	if n := tabletest.Count(t, base, "p="); n != len(known) {
		t.Errorf("%s: %d files, %d belong to the commit", rules, n, len(known))
	}
	if w.BufferedBytes() != 0 {
		t.Errorf("%s: %d bytes are left buffered", rules, w.BufferedBytes())
	}
	return failed
}
