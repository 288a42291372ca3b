package scan_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/predicate"
	"github.com/weir-lake/weir/table/scan"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
	"github.com/weir-lake/weir/table/tabletest"
	"github.com/weir-lake/weir/table/write"
)

func eq(column string, v any) predicate.And {
	return predicate.And{{Column: column, Op: predicate.Eq, Values: []any{v}}}
}

func plan(t *testing.T, f *tabletest.Fixture, s *snapshot.Snapshot, req scan.Request) *scan.Plan {
	t.Helper()
	p, err := f.Scanner().Plan(t.Context(), s, req)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestProjectionKeepsTheOrderAskedFor(t *testing.T) {
	f := tabletest.New(t, []string{"k"}, nil, map[string]string{"bucket": "1"})
	w := f.Writer(write.Options{})
	f.Put(w, "+I 1 a one 10", "+I 2 a two 20")
	s := f.Put(w, "+U 1 b uno 11", "-D 2 a two 20")
	f.Want("columns that merging needs are not given", f.Read(s, scan.Request{Columns: []string{"n", "v"}}), "11 uno")
	if _, err := f.Scanner().Plan(t.Context(), s, scan.Request{Columns: []string{"nope"}}); errkind.Of(err) != errkind.NotFound || !strings.Contains(err.Error(), "nope") {
		t.Errorf("unknown column: %v", err)
	}
	if _, err := f.Scanner().Plan(t.Context(), s, scan.Request{Filter: eq("nope", int64(1))}); err == nil {
		t.Error("a filter on an unknown column is taken")
	}
	f.Want("a table without snapshot", f.Read(nil, scan.Request{}))
}

func TestPruning(t *testing.T) {
	f := tabletest.New(t, []string{"p", "k"}, []string{"p"}, map[string]string{"bucket": "4"})
	w := f.Writer(write.Options{})
	var lines []string
	for i := range 400 {
		lines = append(lines, fmt.Sprintf("+I %d %s v%d %d", i, []string{"a", "b"}[i%2], i, i%10))
	}
	s := f.Put(w, lines...)
	if p := plan(t, f, s, scan.Request{}); len(p.Splits) != 8 || p.Rows() != 400 || !p.Raw() {
		t.Errorf("%d splits, %d rows, raw %v", len(p.Splits), p.Rows(), p.Raw())
	}
	if p := plan(t, f, s, scan.Request{Filter: eq("p", "a")}); len(p.Splits) != 4 {
		t.Errorf("by partition: %d splits", len(p.Splits))
	}
	if p := plan(t, f, s, scan.Request{Filter: append(eq("p", "a"), eq("k", int64(42))...)}); len(p.Splits) != 1 {
		t.Errorf("by bucket: %d splits", len(p.Splits))
	}
	if p := plan(t, f, s, scan.Request{Filter: eq("k", int64(100000))}); len(p.Splits) != 0 {
		t.Errorf("by key range: %d splits", len(p.Splits))
	}
	if p := plan(t, f, s, scan.Request{Filter: eq("n", int64(77))}); p.Rows() != 0 {
		t.Errorf("by statistics of raw files: %d rows", p.Rows())
	}
}

// A file whose values fail the filter may hide an older row that passes it.
func TestStatisticsDoNotUncoverOldRows(t *testing.T) {
	f := tabletest.New(t, []string{"k"}, nil, map[string]string{"bucket": "1"})
	w := f.Writer(write.Options{})
	f.Put(w, "+I 1 a one 10", "+I 2 a two 20")
	s := f.Put(w, "+U 1 a one 99")
	f.Want("rows", f.Read(s, scan.Request{Filter: eq("n", int64(10))}), "1 a one 99", "2 a two 20")
	if plan(t, f, s, scan.Request{}).Raw() {
		t.Error("overlapping files are raw")
	}
	s = f.Put(w, "-D 2 a two 20")
	f.Want("nor deleted ones", f.Read(s, scan.Request{Filter: eq("v", "two")}), "1 a one 99")
}

// Files written before a column existed give NULL, also after a rename.
func TestSchemaEvolution(t *testing.T) {
	f := tabletest.New(t, []string{"k"}, nil, map[string]string{"bucket": "1"})
	s := f.Put(f.Writer(write.Options{}), "+I 1 a one 10", "+I 2 a two -")
	evolved := f.Schema.Clone()
	evolved.ID = 1
	evolved.Fields[2].Name = "renamed"
	evolved.Fields[3].Type = schema.TBigInt
	evolved.Fields = append(evolved.Fields, schema.Field{ID: 4, Name: "v", Type: schema.TDouble})
	evolved.HighestFieldID = 4
	f.Schema = evolved
	f.Want("rows", f.Read(s, scan.Request{}), "1 a one 10 -", "2 a two - -")
	f.Want("the new v is not the old one", f.Read(s, scan.Request{Columns: []string{"v", "renamed"}}), "- one", "- two")
	if plan(t, f, s, scan.Request{}).Raw() {
		t.Error("files of an older schema are raw")
	}
}

func TestDamagedFilesAreNamed(t *testing.T) {
	for _, tc := range []struct {
		name string
		harm func(t *testing.T, s objstore.Store, key string)
		kind errkind.Kind
	}{
		{"truncated", func(t *testing.T, s objstore.Store, key string) {
			data, err := objstore.ReadAll(t.Context(), s, key)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Put(t.Context(), key, data[:len(data)/2]); err != nil {
				t.Fatal(err)
			}
		}, errkind.Corrupt},
		{"missing", func(t *testing.T, s objstore.Store, key string) {
			if err := s.Delete(t.Context(), key); err != nil {
				t.Fatal(err)
			}
		}, errkind.NotFound},
	} {
		f := tabletest.New(t, []string{"k"}, nil, map[string]string{"bucket": "1"})
		s := f.Put(f.Writer(write.Options{}), "+I 1 a one 10")
		p := plan(t, f, s, scan.Request{})
		keys, _, err := p.Keys()
		if err != nil || len(keys) != 1 {
			t.Fatal(keys, err)
		}
		tc.harm(t, f.Store, keys[0])
		r, err := p.Read(t.Context())
		if err == nil {
			_, err = r.Next()
		}
		if errors.Is(err, io.EOF) || errkind.Of(err) != tc.kind || !strings.Contains(err.Error(), keys[0]) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

func TestUnsupportedEnginesAreNamed(t *testing.T) {
	for option, value := range map[string]string{"merge-engine": "aggregation", "fields.n.aggregate-function": "sum"} {
		f := tabletest.New(t, []string{"k"}, nil, map[string]string{"bucket": "1"})
		w := f.Writer(write.Options{})
		f.Put(w, "+I 1 a one 10")
		s := f.Put(w, "+I 1 a one 11")
		f.Schema = f.Schema.Clone()
		if option != "merge-engine" {
			f.Schema.Options["merge-engine"] = "partial-update"
		}
		f.Schema.Options[option] = value
		r, err := plan(t, f, s, scan.Request{}).Read(t.Context())
		if err == nil {
			_, err = r.Next()
		}
		if !errors.Is(err, scan.ErrUnsupported) || !strings.Contains(err.Error(), option) {
			t.Errorf("%s: %v", option, err)
		}
	}
}

// Changes of an overwrite: the rows that are no more go, the others come.
func TestChangesOfAnOverwrite(t *testing.T) {
	f := tabletest.New(t, nil, nil, map[string]string{"bucket": "-1"})
	w := f.Writer(write.Options{})
	s1 := f.Put(w, "+I 1 a one 1", "+I 2 a two 2")
	ms := f.Prepare(w, "+I 2 a two 2", "+I 3 a three 3")
	for _, e := range plan(t, f, s1, scan.Request{}).Splits[0].Files {
		ms[0].Removed = append(ms[0].Removed, e.File)
	}
	s2 := f.Commit("writer", snapshot.Overwrite, ms, nil)
	f.Want("rows", f.Read(s2, scan.Request{}), "2 a two 2", "3 a three 3")
	f.Want("changes, without what only moved to another file", f.Changes(s1, s2), "+I 3 a three 3", "-D 1 a one 1")
}
