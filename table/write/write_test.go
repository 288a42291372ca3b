package write_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/manifest"
	"github.com/weir-lake/weir/table/scan"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
	"github.com/weir-lake/weir/table/tabletest"
	"github.com/weir-lake/weir/table/write"
)

func TestUpsertsAndDeletes(t *testing.T) {
	f := tabletest.New(t, []string{"k"}, nil, map[string]string{"bucket": "3"})
	w := f.Writer(write.Options{})
	s1 := f.Commit("u", snapshot.Append, f.Prepare(w, "+I 1 a one 1", "+I 2 a two 2", "+I 1 a uno 1", "+I 3 a three -"), nil)
	f.Want("first", f.Read(s1, scan.Request{}), "1 a uno 1", "2 a two 2", "3 a three -")
	s2 := f.Commit("u", snapshot.Append, f.Prepare(w, "-D 2 a two 2", "+U 1 b eins 1", "+I 4 a four 4"), nil)
	f.Want("second", f.Read(s2, scan.Request{}), "1 b eins 1", "3 a three -", "4 a four 4")
	f.Want("first is unchanged", f.Read(s1, scan.Request{}), "1 a uno 1", "2 a two 2", "3 a three -")
	f.Want("changes of the first", f.Changes(nil, s1), "+I 1 a uno 1", "+I 2 a two 2", "+I 3 a three -")
	f.Want("changes of the second", f.Changes(s1, s2), "+I 4 a four 4", "+U 1 b eins 1", "-D 2 a two 2", "-U 1 a uno 1")
	s3 := f.Commit("u", snapshot.Append, f.Prepare(w, "+I 4 a four 4", "-D 99 a x 1"), nil)
	f.Want("no change, no row", f.Changes(s2, s3))
}

func TestOneFileABucketWithOneRowAKey(t *testing.T) {
	f := tabletest.New(t, []string{"p", "k"}, []string{"p"}, map[string]string{"bucket": "2"})
	w := f.Writer(write.Options{})
	ms := f.Prepare(w, "+I 1 a x 1", "+I 1 b x 1", "+I 1 a y 2", "+I 2 a z 3", "-D 5 a - -")
	rows, total := 0, 0
	for _, m := range ms {
		if len(m.Added) != 1 {
			t.Errorf("bucket %d: %d files", m.Bucket, len(m.Added))
		}
		if m.TotalBuckets != 2 {
			t.Errorf("total buckets %d", m.TotalBuckets)
		}
		for _, d := range m.Added {
			rows += int(d.RowCount)
			total += int(*d.DeleteRowCount)
			lo, err := schema.DecodeRow([]schema.Type{schema.TBigInt}, d.MinKey)
			if err != nil || lo[0] == nil {
				t.Errorf("min key %v, %v", lo, err)
			}
			if d.Level != 0 || d.Source != manifest.SourceAppend || d.MinSequence > d.MaxSequence {
				t.Errorf("file %+v", d)
			}
		}
	}
	if rows != 4 || total != 1 {
		t.Errorf("%d rows, %d deletions", rows, total)
	}
	s := f.Commit("u", snapshot.Append, ms, nil)
	f.Want("rows", f.Read(s, scan.Request{}), "1 a y 2", "1 b x 1", "2 a z 3")
	p, err := f.Scanner().Plan(t.Context(), s, scan.Request{})
	if err != nil {
		t.Fatal(err)
	}
	keys, _, err := p.Keys()
	if err != nil || !slices.ContainsFunc(keys, func(k string) bool { return strings.HasPrefix(k, "p=a/bucket-") }) {
		t.Errorf("keys %v, %v", keys, err)
	}
}

func TestPartialUpdateFillsColumns(t *testing.T) {
	f := tabletest.New(t, []string{"k"}, nil, map[string]string{"bucket": "1", "merge-engine": "partial-update"})
	w := f.Writer(write.Options{})
	s1 := f.Commit("u", snapshot.Append, f.Prepare(w, "+I 1 a one -", "+I 1 a - 7"), nil)
	f.Want("in one buffer", f.Read(s1, scan.Request{}), "1 a one 7")
	s2 := f.Commit("u", snapshot.Append, f.Prepare(w, "+I 1 b - 8", "+I 2 b - -"), nil)
	f.Want("over files", f.Read(s2, scan.Request{}), "1 b one 8", "2 b - -")
	f.Want("changes", f.Changes(s1, s2), "+I 2 b - -", "+U 1 b one 8", "-U 1 a one 7")
	rec, kinds := f.Rows("-D 1 a - -")
	if err := w.Write(t.Context(), rec, kinds); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Prepare(t.Context()); errkind.Of(err) != errkind.Invalid || !strings.Contains(err.Error(), "ignore-delete") {
		t.Errorf("a deletion: %v", err)
	}
	if err := w.Abort(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestSequenceFieldDecides(t *testing.T) {
	f := tabletest.New(t, []string{"k"}, nil, map[string]string{"bucket": "1", "sequence.field": "n"})
	w := f.Writer(write.Options{})
	s := f.Commit("u", snapshot.Append, f.Prepare(w, "+I 1 a new 9", "+I 1 a old 3", "+I 2 a x 1"), nil)
	f.Want("in a buffer", f.Read(s, scan.Request{}), "1 a new 9", "2 a x 1")
	s = f.Commit("u", snapshot.Append, f.Prepare(w, "+I 1 a older 5", "+I 2 a y 1"), nil)
	f.Want("over files, the later write wins a tie", f.Read(s, scan.Request{}), "1 a new 9", "2 a y 1")
}

// A second writer that knows nothing of the first must not lose against it.
func TestRebaseRaisesSequenceNumbers(t *testing.T) {
	f := tabletest.New(t, []string{"k"}, nil, map[string]string{"bucket": "1"})
	a, b := f.Writer(write.Options{}), f.Writer(write.Options{})
	late := f.Prepare(b, "+I 1 a late 1")
	f.Commit("a", snapshot.Append, f.Prepare(a, "+I 1 a one 1", "+I 2 a two 2", "+I 3 a three 3"), nil)
	s := f.Commit("b", snapshot.Append, late, nil)
	f.Want("the later commit wins", f.Read(s, scan.Request{}), "1 a late 1", "2 a two 2", "3 a three 3")
	s = f.Commit("b", snapshot.Append, f.Prepare(b, "+I 2 a later 2"), nil)
	f.Want("and goes on above", f.Read(s, scan.Request{}), "1 a late 1", "2 a later 2", "3 a three 3")
	if n := tabletest.Count(t, f.Store, "bucket-0/"); n != 3 {
		t.Errorf("%d data files, the replaced one should be gone", n)
	}
}

func TestChangelogFilesAreTheChanges(t *testing.T) {
	f := tabletest.New(t, []string{"k"}, nil, map[string]string{"bucket": "1"})
	w := f.Writer(write.Options{})
	f.Commit("u", snapshot.Append, f.Prepare(w, "+I 1 a one 1"), nil)
	rec, kinds := f.Rows("-U 1 a one 1", "+U 1 a two 2", "+I 7 a x 1")
	if err := w.WriteChangelog(t.Context(), rec, kinds); err != nil {
		t.Fatal(err)
	}
	ms := f.Prepare(w, "+U 1 a two 2", "+I 7 a x 1")
	if len(ms) != 1 || len(ms[0].Changelog) != 1 || !strings.HasPrefix(ms[0].Changelog[0].Name, "changelog-") {
		t.Fatalf("messages %+v", ms)
	}
	props, err := commit.Provenance{Job: "j", Changes: commit.ChangesExact}.Properties()
	if err != nil {
		t.Fatal(err)
	}
	s := f.Commit("u", snapshot.Append, ms, props)
	f.Want("changes", f.Changes(nil, s), "+I 7 a x 1", "+U 1 a two 2", "-U 1 a one 1")
}

func TestAppendTable(t *testing.T) {
	f := tabletest.New(t, nil, []string{"p"}, map[string]string{"bucket": "-1"})
	w := f.Writer(write.Options{})
	s1 := f.Commit("u", snapshot.Append, f.Prepare(w, "+I 1 a one 1", "+I 2 b/c two 2", "+I 1 a one 1"), nil)
	f.Want("rows", f.Read(s1, scan.Request{}), "1 a one 1", "1 a one 1", "2 b/c two 2")
	f.Want("changes", f.Changes(nil, s1), "+I 1 a one 1", "+I 1 a one 1", "+I 2 b/c two 2")
	rec, kinds := f.Rows("-D 1 a one 1")
	if err := w.Write(t.Context(), rec, kinds); errkind.Of(err) != errkind.Invalid || !strings.Contains(err.Error(), "row 0") {
		t.Errorf("a deletion: %v", err)
	}
	if n := tabletest.Count(t, f.Store, "p=b%2Fc/bucket-0/"); n != 1 {
		t.Errorf("%d files in the escaped partition", n)
	}
}

func TestBadRowsAreNamed(t *testing.T) {
	f := tabletest.New(t, []string{"k"}, nil, map[string]string{"bucket": "1"})
	w := f.Writer(write.Options{})
	rec, kinds := f.Rows("+I 1 a x 1", "+I - a x 1")
	err := w.Write(t.Context(), rec, kinds)
	if errkind.Of(err) != errkind.Invalid || !strings.Contains(err.Error(), "row 1: column k") {
		t.Errorf("null key: %v", err)
	}
	if w.BufferedBytes() != 0 {
		t.Error("a refused batch is kept")
	}
	dec := tabletest.New(t, []string{"k"}, nil, map[string]string{"bucket": "1"})
	dec.Schema.Fields[3].Type = schema.TDecimal(4, 2)
	rec, kinds = dec.Rows("+I 1 a x 99.99", "+I 2 a x 0.01")
	wide := array.NewRecordBatch(rec.Schema(), append(rec.Columns()[:3:3], decimals(t, 9999, 10000)), 2)
	if err := dec.Writer(write.Options{}).Write(t.Context(), wide, kinds); errkind.Of(err) != errkind.Invalid || !strings.Contains(err.Error(), "row 1: column n: 100.00") {
		t.Errorf("too many digits: %v", err)
	}
	for option, value := range map[string]string{"merge-engine": "aggregation", "bucket": "-1", "file.format": "orc", "deletion-vectors.enabled": "true", "metadata.stats-mode": "some"} {
		g := tabletest.New(t, []string{"k"}, nil, map[string]string{"bucket": "1", option: value})
		if _, err := write.New(g.Store, g.Schema, write.Options{}); errkind.Of(err) != errkind.Invalid || !strings.Contains(err.Error(), option) {
			t.Errorf("%s=%s: %v", option, value, err)
		}
	}
}

func decimals(t *testing.T, unscaled ...int64) arrow.Array {
	t.Helper()
	b := array.NewDecimal128Builder(memory.DefaultAllocator, &arrow.Decimal128Type{Precision: 4, Scale: 2})
	for _, v := range unscaled {
		b.Append(decimal128.FromI64(v))
	}
	return b.NewArray()
}

// A writer under its memory bound writes several files and keeps few rows.
func TestMemoryIsBounded(t *testing.T) {
	f := tabletest.New(t, []string{"k"}, nil, map[string]string{"bucket": "2"})
	const limit = 64 << 10
	w := f.Writer(write.Options{MemoryBytes: limit})
	for i := range 40 {
		var lines []string
		for j := range 200 {
			lines = append(lines, fmt.Sprintf("+I %d a value-%d %d", (i*200+j)%500, i, i))
		}
		rec, kinds := f.Rows(lines...)
		if err := w.Write(t.Context(), rec, kinds); err != nil {
			t.Fatal(err)
		}
		rec.Release()
		if w.BufferedBytes() > limit {
			t.Fatalf("%d bytes buffered", w.BufferedBytes())
		}
	}
	ms, err := w.Prepare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(ms) != 2 || len(ms[0].Added) < 2 {
		t.Fatalf("%d messages", len(ms))
	}
	s := f.Commit("u", snapshot.Append, ms, nil)
	if rows := f.Read(s, scan.Request{}); len(rows) != 500 || !slices.Contains(rows, "0 a value-37 37") {
		t.Errorf("%d rows, first %v", len(rows), rows[0])
	}
}

func TestAbortLeavesNoFile(t *testing.T) {
	f := tabletest.New(t, nil, nil, map[string]string{"bucket": "-1"})
	w := f.Writer(write.Options{MemoryBytes: 1})
	rec, kinds := f.Rows("+I 1 a one 1")
	if err := w.Write(t.Context(), rec, kinds); err != nil {
		t.Fatal(err)
	}
	if n := tabletest.Count(t, f.Store, "bucket-0/"); n != 1 {
		t.Fatalf("%d files", n)
	}
	if err := w.Abort(context.Background()); err != nil {
		t.Fatal(err)
	}
	ms := f.Prepare(w, "+I 2 a two 2")
	if err := w.Discard(t.Context(), ms); err != nil {
		t.Fatal(err)
	}
	if n := tabletest.Count(t, f.Store, "bucket-0/"); n != 0 {
		t.Errorf("%d files are left", n)
	}
}

// Statistics prune files by the values in them, long texts are cut.
func TestStatistics(t *testing.T) {
	f := tabletest.New(t, nil, nil, map[string]string{"bucket": "-1", "fields.n.stats-mode": "none"})
	w := f.Writer(write.Options{})
	ms := f.Prepare(w, "+I 5 a "+strings.Repeat("x", 40)+" 1", "+I 9 a "+strings.Repeat("é", 20)+" 1", "+I 7 a - 1")
	d := ms[0].Added[0]
	if !slices.Equal(d.ValueStatsCols, []string{"k", "p", "v"}) {
		t.Fatalf("columns %v", d.ValueStatsCols)
	}
	types := []schema.Type{schema.TBigInt, schema.TString, schema.TString}
	lo, err := schema.DecodeRow(types, d.ValueStats.Min)
	if err != nil {
		t.Fatal(err)
	}
	hi, err := schema.DecodeRow(types, d.ValueStats.Max)
	if err != nil {
		t.Fatal(err)
	}
	if lo[0] != int64(5) || hi[0] != int64(9) || lo[2] != strings.Repeat("x", 16) || hi[2] != strings.Repeat("é", 15)+"ê" {
		t.Errorf("bounds %v to %v", lo, hi)
	}
	if !slices.Equal(d.ValueStats.NullCounts, []int64{0, 0, 1}) {
		t.Errorf("null counts %v", d.ValueStats.NullCounts)
	}
}
