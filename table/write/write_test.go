package write_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/manifest"
	"github.com/weir-lake/weir/table/scan"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
	"github.com/weir-lake/weir/table/write"
)

// fixture is a table in memory: columns k BIGINT, p STRING, v STRING, n INT.
type fixture struct {
	t      *testing.T
	store  objstore.Store
	schema *schema.Schema
	epoch  int64
}

func newFixture(t *testing.T, primary, partition []string, options map[string]string) *fixture {
	t.Helper()
	s := &schema.Schema{Version: schema.FileVersion, HighestFieldID: 3, PrimaryKeys: primary, PartitionKeys: partition, Options: options,
		Fields: []schema.Field{{ID: 0, Name: "k", Type: schema.TBigInt.WithNotNull(true)}, {ID: 1, Name: "p", Type: schema.TString.WithNotNull(true)},
			{ID: 2, Name: "v", Type: schema.TString}, {ID: 3, Name: "n", Type: schema.TInt}}}
	store := objstore.NewMem()
	if err := schema.NewFiles(store, "").Create(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	return &fixture{t: t, store: store, schema: s}
}

// rows parses "kind k p v n" lines; "-" is NULL.
func (f *fixture) rows(lines ...string) (arrow.RecordBatch, []int8) {
	f.t.Helper()
	sc, err := schema.ArrowSchema(f.schema.Fields)
	if err != nil {
		f.t.Fatal(err)
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, sc)
	var kinds []int8
	for _, l := range lines {
		c := strings.Fields(l)
		kinds = append(kinds, int8(slices.Index([]string{"+I", "-U", "+U", "-D"}, c[0])))
		for i, text := range c[1:] {
			if text == "-" {
				b.Field(i).AppendNull()
			} else if err := b.Field(i).AppendValueFromString(text); err != nil {
				f.t.Fatal(err)
			}
		}
	}
	return b.NewRecordBatch(), kinds
}

func (f *fixture) writer(opts write.Options) *write.Writer {
	f.t.Helper()
	w, err := write.New(f.store, f.schema, opts)
	if err != nil {
		f.t.Fatal(err)
	}
	return w
}

func (f *fixture) prepare(w *write.Writer, lines ...string) []commit.Message {
	f.t.Helper()
	rec, kinds := f.rows(lines...)
	defer rec.Release()
	if err := w.Write(f.t.Context(), rec, kinds); err != nil {
		f.t.Fatal(err)
	}
	ms, err := w.Prepare(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	return ms
}

func (f *fixture) commit(user string, ms []commit.Message, props map[string]string) *snapshot.Snapshot {
	f.t.Helper()
	f.epoch++
	res, err := commit.New(f.store, commit.Options{}).Commit(f.t.Context(), commit.Request{User: user, Identifier: f.epoch, Kind: snapshot.Append, Messages: ms, Properties: props})
	if err != nil {
		f.t.Fatal(err)
	}
	return res.Snapshot
}

func (f *fixture) scanner() *scan.Scanner {
	f.t.Helper()
	x, err := scan.New(f.store, f.schema, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	return x
}

// read gives the sorted rows of a snapshot as "k p v n".
func (f *fixture) read(s *snapshot.Snapshot) []string {
	f.t.Helper()
	p, err := f.scanner().Plan(f.t.Context(), s, scan.Request{})
	if err != nil {
		f.t.Fatal(err)
	}
	r, err := p.Read(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	defer r.Release()
	var out []string
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			slices.Sort(out)
			return out
		}
		if err != nil {
			f.t.Fatal(err)
		}
		out = append(out, text(rec)...)
		rec.Release()
	}
}

func text(rec arrow.RecordBatch) []string {
	var out []string
	for i := range int(rec.NumRows()) {
		var cells []string
		for _, c := range rec.Columns() {
			if c.IsNull(i) {
				cells = append(cells, "-")
			} else {
				cells = append(cells, c.ValueStr(i))
			}
		}
		out = append(out, strings.Join(cells, " "))
	}
	return out
}

func (f *fixture) changes(prev, s *snapshot.Snapshot) []string {
	f.t.Helper()
	var out []string
	err := f.scanner().Changes(f.t.Context(), prev, s, nil, func(rec arrow.RecordBatch, kinds []int8) error {
		for i, t := range text(rec) {
			out = append(out, []string{"+I", "-U", "+U", "-D"}[kinds[i]]+" "+t)
		}
		return nil
	})
	if err != nil {
		f.t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

func (f *fixture) want(what string, got []string, want ...string) {
	f.t.Helper()
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		f.t.Errorf("%s\n%s\nwant\n%s", what, g, w)
	}
}

func TestUpsertsAndDeletes(t *testing.T) {
	f := newFixture(t, []string{"k"}, nil, map[string]string{"bucket": "3"})
	w := f.writer(write.Options{})
	s1 := f.commit("u", f.prepare(w, "+I 1 a one 1", "+I 2 a two 2", "+I 1 a uno 1", "+I 3 a three -"), nil)
	f.want("first", f.read(s1), "1 a uno 1", "2 a two 2", "3 a three -")
	s2 := f.commit("u", f.prepare(w, "-D 2 a two 2", "+U 1 b eins 1", "+I 4 a four 4"), nil)
	f.want("second", f.read(s2), "1 b eins 1", "3 a three -", "4 a four 4")
	f.want("first is unchanged", f.read(s1), "1 a uno 1", "2 a two 2", "3 a three -")
	f.want("changes of the first", f.changes(nil, s1), "+I 1 a uno 1", "+I 2 a two 2", "+I 3 a three -")
	f.want("changes of the second", f.changes(s1, s2), "+I 4 a four 4", "+U 1 b eins 1", "-D 2 a two 2", "-U 1 a uno 1")
	s3 := f.commit("u", f.prepare(w, "+I 4 a four 4", "-D 99 a x 1"), nil)
	f.want("no change, no row", f.changes(s2, s3))
}

func TestOneFileABucketWithOneRowAKey(t *testing.T) {
	f := newFixture(t, []string{"p", "k"}, []string{"p"}, map[string]string{"bucket": "2"})
	w := f.writer(write.Options{})
	ms := f.prepare(w, "+I 1 a x 1", "+I 1 b x 1", "+I 1 a y 2", "+I 2 a z 3", "-D 5 a - -")
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
	s := f.commit("u", ms, nil)
	f.want("rows", f.read(s), "1 a y 2", "1 b x 1", "2 a z 3")
	p, err := f.scanner().Plan(t.Context(), s, scan.Request{})
	if err != nil {
		t.Fatal(err)
	}
	keys, _, err := p.Keys()
	if err != nil || !slices.ContainsFunc(keys, func(k string) bool { return strings.HasPrefix(k, "p=a/bucket-") }) {
		t.Errorf("keys %v, %v", keys, err)
	}
}

func TestPartialUpdateFillsColumns(t *testing.T) {
	f := newFixture(t, []string{"k"}, nil, map[string]string{"bucket": "1", "merge-engine": "partial-update"})
	w := f.writer(write.Options{})
	s1 := f.commit("u", f.prepare(w, "+I 1 a one -", "+I 1 a - 7"), nil)
	f.want("in one buffer", f.read(s1), "1 a one 7")
	s2 := f.commit("u", f.prepare(w, "+I 1 b - 8", "+I 2 b - -"), nil)
	f.want("over files", f.read(s2), "1 b one 8", "2 b - -")
	f.want("changes", f.changes(s1, s2), "+I 2 b - -", "+U 1 b one 8", "-U 1 a one 7")
	rec, kinds := f.rows("-D 1 a - -")
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
	f := newFixture(t, []string{"k"}, nil, map[string]string{"bucket": "1", "sequence.field": "n"})
	w := f.writer(write.Options{})
	s := f.commit("u", f.prepare(w, "+I 1 a new 9", "+I 1 a old 3", "+I 2 a x 1"), nil)
	f.want("in a buffer", f.read(s), "1 a new 9", "2 a x 1")
	s = f.commit("u", f.prepare(w, "+I 1 a older 5", "+I 2 a y 1"), nil)
	f.want("over files, the later write wins a tie", f.read(s), "1 a new 9", "2 a y 1")
}

// A second writer that knows nothing of the first must not lose against it.
func TestRebaseRaisesSequenceNumbers(t *testing.T) {
	f := newFixture(t, []string{"k"}, nil, map[string]string{"bucket": "1"})
	a, b := f.writer(write.Options{}), f.writer(write.Options{})
	late := f.prepare(b, "+I 1 a late 1")
	f.commit("a", f.prepare(a, "+I 1 a one 1", "+I 2 a two 2", "+I 3 a three 3"), nil)
	s := f.commit("b", late, nil)
	f.want("the later commit wins", f.read(s), "1 a late 1", "2 a two 2", "3 a three 3")
	s = f.commit("b", f.prepare(b, "+I 2 a later 2"), nil)
	f.want("and goes on above", f.read(s), "1 a late 1", "2 a later 2", "3 a three 3")
	if n := count(t, f.store, "bucket-0/"); n != 3 {
		t.Errorf("%d data files, the replaced one should be gone", n)
	}
}

func count(t *testing.T, s objstore.Store, prefix string) int {
	t.Helper()
	n := 0
	if err := s.List(t.Context(), prefix, func(objstore.Info) error { n++; return nil }); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestChangelogFilesAreTheChanges(t *testing.T) {
	f := newFixture(t, []string{"k"}, nil, map[string]string{"bucket": "1"})
	w := f.writer(write.Options{})
	f.commit("u", f.prepare(w, "+I 1 a one 1"), nil)
	rec, kinds := f.rows("-U 1 a one 1", "+U 1 a two 2", "+I 7 a x 1")
	if err := w.WriteChangelog(t.Context(), rec, kinds); err != nil {
		t.Fatal(err)
	}
	ms := f.prepare(w, "+U 1 a two 2", "+I 7 a x 1")
	if len(ms) != 1 || len(ms[0].Changelog) != 1 || !strings.HasPrefix(ms[0].Changelog[0].Name, "changelog-") {
		t.Fatalf("messages %+v", ms)
	}
	props, err := commit.Provenance{Job: "j", Changes: commit.ChangesExact}.Properties()
	if err != nil {
		t.Fatal(err)
	}
	s := f.commit("u", ms, props)
	f.want("changes", f.changes(nil, s), "+I 7 a x 1", "+U 1 a two 2", "-U 1 a one 1")
}

func TestAppendTable(t *testing.T) {
	f := newFixture(t, nil, []string{"p"}, map[string]string{"bucket": "-1"})
	w := f.writer(write.Options{})
	s1 := f.commit("u", f.prepare(w, "+I 1 a one 1", "+I 2 b/c two 2", "+I 1 a one 1"), nil)
	f.want("rows", f.read(s1), "1 a one 1", "1 a one 1", "2 b/c two 2")
	f.want("changes", f.changes(nil, s1), "+I 1 a one 1", "+I 1 a one 1", "+I 2 b/c two 2")
	rec, kinds := f.rows("-D 1 a one 1")
	if err := w.Write(t.Context(), rec, kinds); errkind.Of(err) != errkind.Invalid || !strings.Contains(err.Error(), "row 0") {
		t.Errorf("a deletion: %v", err)
	}
	if n := count(t, f.store, "p=b%2Fc/bucket-0/"); n != 1 {
		t.Errorf("%d files in the escaped partition", n)
	}
}

func TestBadRowsAreNamed(t *testing.T) {
	f := newFixture(t, []string{"k"}, nil, map[string]string{"bucket": "1"})
	w := f.writer(write.Options{})
	rec, kinds := f.rows("+I 1 a x 1", "+I - a x 1")
	err := w.Write(t.Context(), rec, kinds)
	if errkind.Of(err) != errkind.Invalid || !strings.Contains(err.Error(), "row 1: column k") {
		t.Errorf("null key: %v", err)
	}
	if w.BufferedBytes() != 0 {
		t.Error("a refused batch is kept")
	}
	for option, value := range map[string]string{"merge-engine": "aggregation", "bucket": "-1", "file.format": "orc", "deletion-vectors.enabled": "true", "metadata.stats-mode": "some"} {
		g := newFixture(t, []string{"k"}, nil, map[string]string{"bucket": "1", option: value})
		if _, err := write.New(g.store, g.schema, write.Options{}); errkind.Of(err) != errkind.Invalid || !strings.Contains(err.Error(), option) {
			t.Errorf("%s=%s: %v", option, value, err)
		}
	}
}

// A writer under its memory bound writes several files and keeps few rows.
func TestMemoryIsBounded(t *testing.T) {
	f := newFixture(t, []string{"k"}, nil, map[string]string{"bucket": "2"})
	const limit = 64 << 10
	w := f.writer(write.Options{MemoryBytes: limit})
	for i := range 40 {
		var lines []string
		for j := range 200 {
			lines = append(lines, fmt.Sprintf("+I %d a value-%d %d", (i*200+j)%500, i, i))
		}
		rec, kinds := f.rows(lines...)
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
	s := f.commit("u", ms, nil)
	if rows := f.read(s); len(rows) != 500 || !slices.Contains(rows, "0 a value-37 37") {
		t.Errorf("%d rows, first %v", len(rows), rows[0])
	}
}

func TestAbortLeavesNoFile(t *testing.T) {
	f := newFixture(t, nil, nil, map[string]string{"bucket": "-1"})
	w := f.writer(write.Options{MemoryBytes: 1})
	rec, kinds := f.rows("+I 1 a one 1")
	if err := w.Write(t.Context(), rec, kinds); err != nil {
		t.Fatal(err)
	}
	if n := count(t, f.store, "bucket-0/"); n != 1 {
		t.Fatalf("%d files", n)
	}
	if err := w.Abort(context.Background()); err != nil {
		t.Fatal(err)
	}
	ms := f.prepare(w, "+I 2 a two 2")
	if err := w.Discard(t.Context(), ms); err != nil {
		t.Fatal(err)
	}
	if n := count(t, f.store, "bucket-0/"); n != 0 {
		t.Errorf("%d files are left", n)
	}
}

// Statistics prune files by the values in them, long texts are cut.
func TestStatistics(t *testing.T) {
	f := newFixture(t, nil, nil, map[string]string{"bucket": "-1", "fields.n.stats-mode": "none"})
	w := f.writer(write.Options{})
	ms := f.prepare(w, "+I 5 a "+strings.Repeat("x", 40)+" 1", "+I 9 a "+strings.Repeat("é", 20)+" 1", "+I 7 a - 1")
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
