package tabletest

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/scan"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
	"github.com/weir-lake/weir/table/write"
)

// kindNames are row kinds as text, by their number.
var kindNames = []string{"+I", "-U", "+U", "-D"}

// Fixture is a table with the columns k BIGINT NOT NULL, p STRING NOT NULL,
// v STRING, n INT. Failures end the test.
type Fixture struct {
	T      testing.TB
	Store  objstore.Store
	Schema *schema.Schema
	epoch  int64
}

// New makes the table in memory.
func New(t testing.TB, primary, partition []string, options map[string]string) *Fixture {
	t.Helper()
	return On(t, objstore.NewMem(), primary, partition, options)
}

// On makes the table in a store.
func On(t testing.TB, store objstore.Store, primary, partition []string, options map[string]string) *Fixture {
	t.Helper()
	s := &schema.Schema{Version: schema.FileVersion, HighestFieldID: 3, PrimaryKeys: primary, PartitionKeys: partition, Options: options,
		Fields: []schema.Field{{ID: 0, Name: "k", Type: schema.TBigInt.WithNotNull(true)}, {ID: 1, Name: "p", Type: schema.TString.WithNotNull(true)},
			{ID: 2, Name: "v", Type: schema.TString}, {ID: 3, Name: "n", Type: schema.TInt}}}
	if err := schema.NewFiles(store, "").Create(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	return &Fixture{T: t, Store: store, Schema: s}
}

// Rows parses lines "kind k p v n"; "-" is NULL.
func (f *Fixture) Rows(lines ...string) (arrow.RecordBatch, []int8) {
	f.T.Helper()
	sc, err := schema.ArrowSchema(f.Schema.Fields)
	if err != nil {
		f.T.Fatal(err)
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, sc)
	defer b.Release()
	var kinds []int8
	for _, l := range lines {
		c := strings.Fields(l)
		kinds = append(kinds, int8(slices.Index(kindNames, c[0])))
		for i, text := range c[1:] {
			if text == "-" {
				b.Field(i).AppendNull()
			} else if err := b.Field(i).AppendValueFromString(text); err != nil {
				f.T.Fatal(err)
			}
		}
	}
	return b.NewRecordBatch(), kinds
}

// Writer makes a writer of the table.
func (f *Fixture) Writer(opts write.Options) *write.Writer {
	f.T.Helper()
	w, err := write.New(f.Store, f.Schema, opts)
	if err != nil {
		f.T.Fatal(err)
	}
	return w
}

// Prepare writes the lines and prepares a commit of them.
func (f *Fixture) Prepare(w *write.Writer, lines ...string) []commit.Message {
	f.T.Helper()
	rec, kinds := f.Rows(lines...)
	defer rec.Release()
	if err := w.Write(f.T.Context(), rec, kinds); err != nil {
		f.T.Fatal(err)
	}
	ms, err := w.Prepare(f.T.Context())
	if err != nil {
		f.T.Fatal(err)
	}
	return ms
}

// Commit publishes messages as the next epoch.
func (f *Fixture) Commit(user string, kind snapshot.CommitKind, ms []commit.Message, props map[string]string) *snapshot.Snapshot {
	f.T.Helper()
	f.epoch++
	res, err := commit.New(f.Store, commit.Options{}).Commit(f.T.Context(), commit.Request{User: user, Identifier: f.epoch, Kind: kind, Messages: ms, Properties: props, Force: true})
	if err != nil {
		f.T.Fatal(err)
	}
	return res.Snapshot
}

// Put writes and commits the lines.
func (f *Fixture) Put(w *write.Writer, lines ...string) *snapshot.Snapshot {
	f.T.Helper()
	return f.Commit("writer", snapshot.Append, f.Prepare(w, lines...), nil)
}

// Scanner of the table.
func (f *Fixture) Scanner() *scan.Scanner {
	f.T.Helper()
	x, err := scan.New(f.Store, f.Schema, nil)
	if err != nil {
		f.T.Fatal(err)
	}
	return x
}

// Read gives the sorted rows of a snapshot as "k p v n", of a request's columns.
func (f *Fixture) Read(s *snapshot.Snapshot, req scan.Request) []string {
	f.T.Helper()
	p, err := f.Scanner().Plan(f.T.Context(), s, req)
	if err != nil {
		f.T.Fatal(err)
	}
	r, err := p.Read(f.T.Context())
	if err != nil {
		f.T.Fatal(err)
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
			f.T.Fatal(err)
		}
		out = append(out, Text(rec)...)
		rec.Release()
	}
}

// Text gives the rows of a batch, cells separated by spaces, NULL as "-".
func Text(rec arrow.RecordBatch) []string {
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

// Changes gives the sorted exact changes of snapshot s as "kind k p v n".
func (f *Fixture) Changes(prev, s *snapshot.Snapshot) []string {
	f.T.Helper()
	var out []string
	err := f.Scanner().Changes(f.T.Context(), prev, s, nil, func(rec arrow.RecordBatch, kinds []int8) error {
		for i, t := range Text(rec) {
			out = append(out, kindNames[kinds[i]]+" "+t)
		}
		return nil
	})
	if err != nil {
		f.T.Fatal(err)
	}
	slices.Sort(out)
	return out
}

// Want compares lines.
func (f *Fixture) Want(what string, got []string, want ...string) {
	f.T.Helper()
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		f.T.Errorf("%s\n%s\nwant\n%s", what, g, w)
	}
}

// Count is the number of objects below a prefix.
func Count(t testing.TB, s objstore.Store, prefix string) int {
	t.Helper()
	n := 0
	if err := s.List(t.Context(), prefix, func(objstore.Info) error { n++; return nil }); err != nil {
		t.Fatal(err)
	}
	return n
}
