package interop

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table"
	"github.com/weir-lake/weir/table/predicate"
	"github.com/weir-lake/weir/table/rowjson"
	"github.com/weir-lake/weir/table/scan"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
)

// expectation is one case of cases.json.
type expectation struct {
	File string `json:"file"` // rows, sorted
	Kind string `json:"kind"` // rows or changelog
	Read struct {
		Snapshot   snapshot.ID `json:"snapshot"`
		Tag        string      `json:"tag"`
		Branch     string      `json:"branch"`
		Filter     string      `json:"filter"` // as filter reads it
		Projection string      `json:"projection"`
	} `json:"read"`
}

func TestReadsWhatJavaReads(t *testing.T) { readAll(t, "testdata") }

func readAll(t *testing.T, root string) {
	dirs, err := filepath.Glob(filepath.Join(root, "*", "cases.json"))
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no tables in %s: %v", root, err)
	}
	for _, d := range dirs {
		dir := filepath.Dir(d)
		data, err := os.ReadFile(d)
		if err != nil {
			t.Fatal(err)
		}
		var cases []expectation
		if err := json.Unmarshal(data, &cases); err != nil {
			t.Fatal(err)
		}
		for _, c := range cases {
			t.Run(filepath.Base(dir)+"/"+strings.TrimSuffix(c.File, ".jsonl"), func(t *testing.T) { check(t, dir, c) })
		}
	}
}

func check(t *testing.T, dir string, c expectation) {
	want, err := os.ReadFile(filepath.Join(dir, c.File))
	if err != nil {
		t.Fatal(err)
	}
	tab := open(t, dir, c.Read.Branch)
	var got []string
	if c.Kind == "changelog" {
		got = changelog(t, tab)
	} else {
		got = rows(t, tab, c)
	}
	wantLines := strings.Split(strings.TrimSuffix(string(want), "\n"), "\n")
	if len(want) == 0 {
		wantLines = nil
	}
	slices.Sort(wantLines)
	slices.Sort(got)
	if !slices.Equal(got, wantLines) {
		t.Errorf("%d rows, want %d%s", len(got), len(wantLines), firstDifference(got, wantLines))
	}
}

func firstDifference(got, want []string) string {
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			return "\nmissing " + want[i]
		case i >= len(want):
			return "\nunexpected " + got[i]
		case got[i] != want[i]:
			return fmt.Sprintf("\ngot  %s\nwant %s", got[i], want[i])
		}
	}
	return ""
}

func open(t *testing.T, dir, branch string) *table.Table {
	t.Helper()
	store, err := objstore.NewLocal(filepath.Join(dir, "table"), objstore.LocalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	tab, err := table.Open(t.Context(), store, "", table.Options{Branch: branch})
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

func rows(t *testing.T, tab *table.Table, c expectation) []string {
	t.Helper()
	req := scan.Request{}
	if c.Read.Projection != "" {
		req.Columns = strings.Split(c.Read.Projection, ",")
	}
	keep := func(map[string]any) bool { return true }
	if c.Read.Filter != "" {
		req.Filter, keep = filter(t, tab.Schema(), c.Read.Filter)
	}
	plan, err := tab.Scan(t.Context(), snapshot.Ref{ID: c.Read.Snapshot, Tag: c.Read.Tag}, req)
	if err != nil {
		t.Fatal(err)
	}
	r, err := plan.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Release()
	enc, err := rowjson.NewEncoder(plan.Fields, rowjson.EncodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		for i := range int(rec.NumRows()) {
			row := string(enc.AppendRow(nil, rec, i))
			var cells map[string]any
			if err := json.Unmarshal([]byte(row), &cells); err != nil {
				t.Fatal(err)
			}
			if keep(cells) {
				out = append(out, row)
			}
		}
		rec.Release()
	}
}

// filter parses "a=1&b>=x" and "c is null": what is pushed down, and what is
// applied to the rows that come, because pruning is advisory.
func filter(t *testing.T, s *schema.Schema, text string) (predicate.And, func(map[string]any) bool) {
	t.Helper()
	var push predicate.And
	var tests []func(map[string]any) bool
	for _, term := range strings.Split(text, "&") {
		if column, ok := strings.CutSuffix(term, " is null"); ok {
			push = append(push, predicate.Compare{Column: column, Op: predicate.IsNull})
			tests = append(tests, func(row map[string]any) bool { return row[column] == nil })
			continue
		}
		at := strings.IndexAny(term, "<>=")
		column, op := term[:at], strings.TrimRight(term[at:], "-0123456789abcdefghijklmnopqrstuvwxyz")
		value := term[at+len(op):]
		c := predicate.Compare{Column: column, Op: map[string]predicate.Op{"=": predicate.Eq, "<": predicate.Lt, ">=": predicate.Ge}[op]}
		if i := s.FieldIndex(column); s.Fields[i].Type.IsString() {
			c.Values = []any{value}
			tests = append(tests, func(row map[string]any) bool { return row[column] == value })
		} else {
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				t.Fatalf("filter %s: %v", term, err)
			}
			c.Values = []any{n}
			tests = append(tests, func(row map[string]any) bool {
				f, ok := row[column].(float64)
				return ok && (op == "=" && f == float64(n) || op == "<" && f < float64(n) || op == ">=" && f >= float64(n))
			})
		}
		push = append(push, c)
	}
	return push, func(row map[string]any) bool {
		return !slices.ContainsFunc(tests, func(ok func(map[string]any) bool) bool { return !ok(row) })
	}
}

// changelog reads the stored changelog files from the first snapshot on.
func changelog(t *testing.T, tab *table.Table) []string {
	t.Helper()
	enc, err := rowjson.NewEncoder(tab.Schema().Fields, rowjson.EncodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	err = tab.StoredChanges(t.Context(), 1, nil, func(c table.Change) error {
		for i := range int(c.Rows.NumRows()) {
			head := fmt.Sprintf(`{"_snapshot":%d,"_kind":%q,`, c.Snapshot.ID, []string{"+I", "-U", "+U", "-D"}[c.Kinds[i]])
			out = append(out, string(enc.AppendMembers([]byte(head), c.Rows, i))+"}")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
