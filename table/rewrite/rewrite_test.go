package rewrite_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/lsm"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/storage/objstore/faultstore"
	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/manifest"
	"github.com/weir-lake/weir/table/predicate"
	"github.com/weir-lake/weir/table/rewrite"
	"github.com/weir-lake/weir/table/scan"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
	"github.com/weir-lake/weir/table/tabletest"
	"github.com/weir-lake/weir/table/write"
)

// keys takes away one row of each key, however many there are.
type keys map[int64]int

func (k keys) Any(rec arrow.RecordBatch) (bool, error) {
	return slices.ContainsFunc(rec.Column(0).(*array.Int64).Int64Values(), func(v int64) bool { return k[v] > 0 }), nil
}

func (k keys) Keep(rec arrow.RecordBatch) ([]lsm.Ref, error) {
	var out []lsm.Ref
	for i, v := range rec.Column(0).(*array.Int64).Int64Values() {
		if k[v] > 0 {
			k[v]--
			continue
		}
		out = append(out, lsm.Ref{Row: int32(i)})
	}
	return out, nil
}

func rewriter(t *testing.T, f *tabletest.Fixture) *rewrite.Rewriter {
	t.Helper()
	r, err := rewrite.New(f.Store, f.Schema, rewrite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func from(k int64) predicate.And {
	return predicate.And{{Column: "k", Op: predicate.Ge, Values: []any{k}}}
}

func TestDropRewritesOnlyFilesThatHoldRows(t *testing.T) {
	f := tabletest.New(t, nil, []string{"p"}, map[string]string{"bucket": "-1"})
	w := f.Writer(write.Options{})
	f.Put(w, "+I 1 a x 1", "+I 2 a x 2", "+I 2 b x 3")
	f.Put(w, "+I 2 a y 4", "+I 3 a y 5")
	s := f.Put(w, "+I 9 a z 6")
	r := rewriter(t, f)
	gone := keys{2: 2, 9: 1, 77: 1}
	ms, err := r.Drop(t.Context(), s, from(2), gone)
	if err != nil {
		t.Fatal(err)
	}
	removed, added := 0, 0
	for _, m := range ms {
		removed, added = removed+len(m.Removed), added+len(m.Added)
	}
	if removed != 3 || added != 2 { // the file of 9 is empty now and has no successor
		t.Errorf("%d files removed, %d added", removed, added)
	}
	next := f.Commit("reviser", snapshot.Overwrite, ms, nil)
	f.Want("rows", f.Read(next, scan.Request{}), "1 a x 1", "2 b x 3", "3 a y 5")
	f.Want("changes", f.Changes(s, next), "-D 2 a x 2", "-D 2 a y 4", "-D 9 a z 6")
	if gone[77] != 1 || gone[2] != 0 {
		t.Errorf("left: %v", gone)
	}
	if ms, err = r.Drop(t.Context(), next, from(3), keys{1: 1}); err != nil || len(ms) != 0 {
		t.Errorf("a file outside of the filter was rewritten: %v, %v", ms, err)
	}
}

func TestDropFreshTakesRowsOutOfFilesNotCommitted(t *testing.T) {
	f := tabletest.New(t, nil, nil, map[string]string{"bucket": "-1"})
	w := f.Writer(write.Options{})
	ms := f.Prepare(w, "+I 1 a x 1", "+I 2 a x 2")
	r := rewriter(t, f)
	out, written, err := r.DropFresh(t.Context(), ms, keys{2: 1})
	if err != nil || len(written[0].Added) != 1 {
		t.Fatalf("%v, %v", written, err)
	}
	s := f.Commit("writer", snapshot.Append, out, nil)
	f.Want("rows", f.Read(s, scan.Request{}), "1 a x 1")
	same, written, err := r.DropFresh(t.Context(), out, keys{2: 1})
	if err != nil || len(written[0].Added) != 0 || same[0].Added[0].Name != out[0].Added[0].Name {
		t.Errorf("a file without such rows was rewritten: %v, %v", same, err)
	}
}

// bucketOf are the keys, and the rows in their places, of the one bucket.
func bucketOf(t *testing.T, f *tabletest.Fixture, gone []string, lines ...string) map[manifest.BucketID]rewrite.Bucket {
	t.Helper()
	b := rewrite.Bucket{Total: 1, Keys: map[string]bool{}}
	enc, err := schema.NewRowEncoder(schema.TypesOf(f.Schema.KeyFields()))
	if err != nil {
		t.Fatal(err)
	}
	for i, list := range [][]string{gone, lines} {
		if len(list) == 0 {
			continue
		}
		rec, _ := f.Rows(list...)
		if err := enc.Bind([]arrow.Array{rec.Column(0)}); err != nil {
			t.Fatal(err)
		}
		for row := range int(rec.NumRows()) {
			b.Keys[string(enc.Append(nil, row))] = true
		}
		if i == 1 {
			b.Rows = append(b.Rows, rec)
		}
	}
	return map[manifest.BucketID]rewrite.Bucket{{Partition: string(schema.EmptyRow())}: b}
}

func TestReplaceSaysWhatAnUpsertCannot(t *testing.T) {
	for _, engine := range []string{"partial-update", "deduplicate"} {
		t.Run(engine, func(t *testing.T) {
			f := tabletest.New(t, []string{"k"}, nil, map[string]string{"bucket": "1", "merge-engine": engine})
			w := f.Writer(write.Options{})
			f.Put(w, "+I 1 a x 1", "+I 3 a x 3", "+I 5 a x 5")
			s := f.Put(w, "+I 1 a y 1", "+I 4 a x 4")
			r := rewriter(t, f)
			// A value becomes NULL, a row goes, one comes between the others.
			ms, err := r.Replace(t.Context(), s, bucketOf(t, f, []string{"+I 5 a - -"}, "+I 4 a - 40", "+I 2 a n 2", "+I 1 a - 1"))
			if err != nil {
				t.Fatal(err)
			}
			if len(ms) != 1 || len(ms[0].Removed) != 2 || len(ms[0].Added) != 1 || ms[0].Added[0].Level == 0 {
				t.Fatalf("%+v", ms)
			}
			next := f.Commit("reviser", snapshot.Overwrite, ms, nil)
			f.Want("rows", f.Read(next, scan.Request{}), "1 a - 1", "2 a n 2", "3 a x 3", "4 a - 40")
			f.Want("changes", f.Changes(s, next), "+I 2 a n 2", "+U 1 a - 1", "+U 4 a - 40", "-D 5 a x 5", "-U 1 a y 1", "-U 4 a x 4")
			after := f.Put(f.Writer(write.Options{}), "+I 4 a late -")
			want := "4 a late -"
			if engine == "partial-update" {
				want = "4 a late 40"
			}
			f.Want("a row written later wins", f.Read(after, scan.Request{})[3:], want)
		})
	}
}

func TestReplaceTakesFreshFilesIn(t *testing.T) {
	f := tabletest.New(t, []string{"k"}, nil, map[string]string{"bucket": "1", "merge-engine": "partial-update"})
	w := f.Writer(write.Options{})
	s := f.Put(w, "+I 1 a x 1", "+I 2 a x 2")
	fresh := f.Prepare(w, "+I 1 a stale 7", "+I 2 a - 20", "+I 3 a x 3")
	buckets := bucketOf(t, f, nil, "+I 1 a - 1")
	for id, b := range buckets {
		b.Fresh = fresh[0].Added
		buckets[id] = b
	}
	ms, err := rewriter(t, f).Replace(t.Context(), s, buckets)
	if err != nil {
		t.Fatal(err)
	}
	next := f.Commit("reviser", snapshot.Overwrite, ms, nil)
	f.Want("rows", f.Read(next, scan.Request{}), "1 a - 1", "2 a x 20", "3 a x 3")
	// Over an empty table.
	empty, err := rewriter(t, f).Replace(t.Context(), nil, bucketOf(t, f, nil, "+I 8 a x 8"))
	if err != nil || len(empty) != 1 || len(empty[0].Removed) != 0 || empty[0].Added[0].RowCount != 1 {
		t.Errorf("%+v, %v", empty, err)
	}
}

func TestACompactionThatWasFasterIsAConflict(t *testing.T) {
	f := tabletest.New(t, nil, nil, map[string]string{"bucket": "-1"})
	w := f.Writer(write.Options{})
	s := f.Put(w, "+I 1 a x 1", "+I 2 a x 2")
	r := rewriter(t, f)
	first, err := r.Drop(t.Context(), s, nil, keys{1: 1})
	if err != nil {
		t.Fatal(err)
	}
	second, err := r.Drop(t.Context(), s, nil, keys{2: 1})
	if err != nil {
		t.Fatal(err)
	}
	f.Commit("one", snapshot.Overwrite, first, nil)
	_, err = commit.New(f.Store, commit.Options{}).Commit(t.Context(), commit.Request{User: "two", Identifier: 1, Kind: snapshot.Overwrite, Messages: second})
	if !errors.Is(err, commit.ErrConflict) {
		t.Fatalf("got %v, want a conflict", err)
	}
	if err := r.Discard(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	if n := countFiles(t, f.Store); n != 2 {
		t.Errorf("%d data files after the discard, want the old one and its successor", n)
	}
}

func TestFailedRewritesLeaveNoFiles(t *testing.T) {
	base := objstore.NewMem()
	faults, err := faultstore.New(base, faultstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f := tabletest.On(t, faults, nil, []string{"p"}, map[string]string{"bucket": "-1"})
	s := f.Put(f.Writer(write.Options{}), "+I 1 a x 1", "+I 2 a x 2", "+I 1 b x 1", "+I 2 b x 2")
	if err := faults.SetRules("close p=b/** 1st: enospc"); err != nil {
		t.Fatal(err)
	}
	if _, err := rewriter(t, f).Drop(t.Context(), s, nil, keys{1: 2}); !errkind.Is(err, errkind.Exhausted) {
		t.Fatalf("got %v", err)
	}
	if n := countFiles(t, base); n != 2 {
		t.Errorf("%d data files, want the 2 of before", n)
	}
}

func TestTablesOfTheOtherKindAreRefused(t *testing.T) {
	keyed := tabletest.New(t, []string{"k"}, nil, map[string]string{"bucket": "1"})
	if _, err := rewriter(t, keyed).Drop(t.Context(), nil, nil, keys{}); err == nil {
		t.Error("Drop took a table with primary key")
	}
	plain := tabletest.New(t, nil, nil, map[string]string{"bucket": "-1"})
	if _, err := rewriter(t, plain).Replace(t.Context(), nil, nil); err == nil {
		t.Error("Replace took an append table")
	}
}

func countFiles(t *testing.T, store objstore.Store) int {
	t.Helper()
	n := 0
	err := store.List(t.Context(), "", func(i objstore.Info) error {
		if strings.HasSuffix(i.Key, ".parquet") {
			n++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
