package tables

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weir-lake/weir/interop/peer"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table"
	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/compact"
	"github.com/weir-lake/weir/table/rowjson"
	"github.com/weir-lake/weir/table/scan"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
	"github.com/weir-lake/weir/table/write"
)

// subject is a table on local disk that several engines work on.
type subject struct {
	t     *testing.T
	path  string
	table *table.Table
}

func create(t *testing.T, d schema.Definition) *subject {
	t.Helper()
	s := &subject{t: t, path: filepath.Join(t.TempDir(), "t")}
	store, err := objstore.NewLocal(s.path, objstore.LocalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if s.table, err = table.Create(t.Context(), store, "", d, table.Options{}); err != nil {
		t.Fatal(err)
	}
	return s
}

// put commits JSON rows, which may have _kind, as one snapshot.
func (s *subject) put(lines []string) *snapshot.Snapshot {
	s.t.Helper()
	d, err := rowjson.NewDecoder(s.table.Schema().Fields, rowjson.DecodeOptions{Kinds: true})
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := d.AppendAll([]byte(strings.Join(lines, "\n")), nil); err != nil {
		s.t.Fatal(err)
	}
	rec, kinds, err := d.Flush()
	if err != nil {
		s.t.Fatal(err)
	}
	defer rec.Release()
	w, err := s.table.NewWriter(write.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	if err := w.Write(s.t.Context(), rec, kinds); err != nil {
		s.t.Fatal(err)
	}
	if s.table.Schema().Options[schema.OptChangelogProducer] == "input" {
		if err := w.WriteChangelog(s.t.Context(), rec, kinds); err != nil {
			s.t.Fatal(err)
		}
	}
	ms, err := w.Prepare(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return s.commit(snapshot.Append, ms)
}

func (s *subject) commit(kind snapshot.CommitKind, ms []commit.Message) *snapshot.Snapshot {
	s.t.Helper()
	res, err := s.table.CommitMessages(s.t.Context(), kind, ms, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return res.Snapshot
}

// compact compacts everything with weir.
func (s *subject) compact() {
	s.t.Helper()
	c, err := compact.New(s.table.Store(), s.table.Schema(), compact.Options{Manifests: s.table.Manifests()})
	if err != nil {
		s.t.Fatal(err)
	}
	newest, err := s.table.Snapshots().Latest(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	tasks, err := c.Plan(s.t.Context(), newest, compact.Full)
	if err != nil {
		s.t.Fatal(err)
	}
	var ms []commit.Message
	for _, task := range tasks {
		m, err := c.Run(s.t.Context(), task)
		if err != nil {
			s.t.Fatal(err)
		}
		ms = append(ms, m)
	}
	if len(ms) > 0 {
		s.commit(snapshot.Compact, ms)
	}
}

// rows of the newest snapshot as weir reads them, sorted.
func (s *subject) rows() []string {
	s.t.Helper()
	plan, err := s.table.Scan(s.t.Context(), snapshot.Ref{}, scan.Request{})
	if err != nil {
		s.t.Fatal(err)
	}
	r, err := plan.Read(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Release()
	enc, err := rowjson.NewEncoder(plan.Fields, rowjson.EncodeOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	var out []string
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			slices.Sort(out)
			return out
		}
		if err != nil {
			s.t.Fatal(err)
		}
		for i := range int(rec.NumRows()) {
			out = append(out, string(enc.AppendRow(nil, rec, i)))
		}
		rec.Release()
	}
}

func (s *subject) same(what string, got, want []string) {
	s.t.Helper()
	got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			g, w := "(nothing)", "(nothing)"
			if i < len(got) {
				g = got[i]
			}
			if i < len(want) {
				w = want[i]
			}
			s.t.Errorf("%s: %d rows, want %d; first difference\ngot  %s\nwant %s", what, len(got), len(want), g, w)
			return
		}
	}
}

// columns are all scalar types after a key and a partition column.
func columns(nested bool) []schema.Field {
	types := []schema.Type{schema.TBoolean, schema.TTinyInt, schema.TSmallInt, schema.TInt, schema.TBigInt, schema.TFloat, schema.TDouble,
		schema.TDecimal(5, 2), schema.TDecimal(18, 6), schema.TDecimal(38, 10), {Kind: schema.Char, Length: 6}, {Kind: schema.VarChar, Length: 12}, schema.TString,
		{Kind: schema.Binary, Length: 5}, {Kind: schema.VarBinary, Length: 16}, schema.TBytes, schema.TDate, schema.TTime(0), schema.TTime(3),
		schema.TTimestamp(0), schema.TTimestamp(3), schema.TTimestamp(6), schema.TTimestamp(9),
		schema.TTimestampLTZ(0), schema.TTimestampLTZ(3), schema.TTimestampLTZ(6), schema.TTimestampLTZ(9)}
	names := strings.Fields("c_bool c_tiny c_small c_int c_big c_float c_double c_dec5 c_dec18 c_dec38 c_char c_varchar c_string c_binary c_varbinary c_bytes c_date c_time0 c_time3 c_ts0 c_ts3 c_ts6 c_ts9 c_ltz0 c_ltz3 c_ltz6 c_ltz9")
	if nested {
		row := schema.Type{Kind: schema.Row, Fields: []schema.Field{{Name: "ra", Type: schema.TInt}, {Name: "rb", Type: schema.TString}, {Name: "rc", Type: schema.TArray(schema.TBigInt)}}}
		types = append(types, schema.TArray(schema.TInt), schema.TArray(schema.TString), schema.TMap(schema.TString, schema.TInt),
			schema.TMap(schema.TInt, schema.TArray(schema.TString)), row)
		names = append(names, "c_arr_int", "c_arr_str", "c_map", "c_map_arr", "c_row")
	}
	out := []schema.Field{{Name: "k", Type: schema.TBigInt.WithNotNull(true)}, {Name: "p", Type: schema.TString.WithNotNull(true)}}
	for i, t := range types {
		out = append(out, schema.Field{Name: names[i], Type: t})
	}
	return out
}

// sample are rows with every type, encoded by a Java program, under keys from first on.
func sample(t *testing.T, s *subject, first int) []string {
	t.Helper()
	data, err := os.ReadFile("../../table/rowjson/testdata/types.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	d, err := rowjson.NewDecoder(s.table.Schema().Fields, rowjson.DecodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range bytes.Split(bytes.TrimSpace(data), []byte("\n")) {
		text := fmt.Sprintf(`{"k":%d,"p":%q,%s`, first+i, []string{"a", "b/ü%"}[i%2], line[1:])
		if err := d.Append([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	rec, _, err := d.Flush()
	if err != nil {
		t.Fatal(err)
	}
	enc, err := rowjson.NewEncoder(s.table.Schema().Fields, rowjson.EncodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for i := range int(rec.NumRows()) {
		out = append(out, string(enc.AppendRow(nil, rec, i)))
	}
	return out
}

// skipShort leaves the engines, which take seconds to start, to the full run.
func skipShort(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts other engines")
	}
}

func TestJavaReadsEveryType(t *testing.T) {
	skipShort(t)
	java := peer.Java(t)
	for name, d := range map[string]schema.Definition{
		"append":             {Fields: columns(true), Options: map[string]string{"bucket": "-1"}},
		"append partitioned": {Fields: columns(true), PartitionKeys: []string{"p"}, Options: map[string]string{"bucket": "-1"}},
		"append bucketed":    {Fields: columns(false), Options: map[string]string{"bucket": "3", "bucket-key": "k", "file.compression": "lz4"}},
		"primary key":        {Fields: columns(true), PrimaryKeys: []string{"k"}, Options: map[string]string{"bucket": "2"}},
		"partitioned":        {Fields: columns(false), PrimaryKeys: []string{"k", "p"}, PartitionKeys: []string{"p"}, Options: map[string]string{"bucket": "2", "file.compression": "snappy"}},
		"own names":          {Fields: columns(false), PrimaryKeys: []string{"p", "k"}, Options: map[string]string{"bucket": "1", "data-file.prefix": "d-", "file.suffix.include.compression": "true", "file.compression": "gzip"}},
		"plain":              {Fields: columns(false), PrimaryKeys: []string{"k"}, Options: map[string]string{"bucket": "1", "file.compression": "none", "metadata.stats-dense-store": "false"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := create(t, d)
			first, second := sample(t, s, 0), sample(t, s, 6)
			s.put(first)
			s.put(second)
			want := append(slices.Clone(first), second...)
			if len(d.PrimaryKeys) > 0 {
				want = append(slices.Clone(first[:6]), second...) // later rows replace earlier ones
			}
			s.same("weir", s.rows(), want)
			s.same("Java", java.Read(s.path), want)
			s.compact()
			s.same("weir, compacted", s.rows(), want)
			s.same("Java, compacted", java.Read(s.path), want)
			s.same("Java, older snapshot", java.ReadSnapshot(s.path, 1), first)
		})
	}
}

func simple(primary []string, options map[string]string) schema.Definition {
	return schema.Definition{PrimaryKeys: primary, Options: options, Fields: []schema.Field{{Name: "k", Type: schema.TInt.WithNotNull(true)}, {Name: "v", Type: schema.TString},
		{Name: "n", Type: schema.TBigInt}, {Name: "at", Type: schema.TTimestamp(3)}}}
}

func line(kind string, k int, v string, n int) string {
	return fmt.Sprintf(`{"_kind":%q,"k":%d,"v":%q,"n":%d,"at":"2024-01-01 00:00:00.%03d"}`, kind, k, v, n, n)
}

// removing leaves deletions out where the table takes none.
func removing(options map[string]string, lines ...string) []string {
	if options["merge-engine"] != "partial-update" {
		return lines
	}
	return slices.DeleteFunc(lines, func(l string) bool { return strings.Contains(l, `"-D"`) })
}

// One table is written and compacted in turn by weir and Java; all engines agree
// after every step.
func TestWrittenInTurn(t *testing.T) {
	skipShort(t)
	java, python := peer.Java(t), peer.Pypaimon(t)
	for name, options := range map[string]map[string]string{
		"deduplicate":    {"bucket": "2"},
		"sequence field": {"bucket": "1", "sequence.field": "n"},
		"partial update": {"bucket": "2", "merge-engine": "partial-update"},
		"sequence group": {"bucket": "1", "merge-engine": "partial-update", "fields.n.sequence-group": "v"},
	} {
		t.Run(name, func(t *testing.T) {
			s := create(t, simple([]string{"k"}, options))
			agree := func(step string) {
				t.Helper()
				want := s.rows()
				s.same(step+": Java", java.Read(s.path), want)
				if name != "sequence group" { // pypaimon has none
					s.same(step+": pypaimon", python.Read(s.path), want)
				}
			}
			var some []string
			for k := range 50 {
				some = append(some, line("+I", k, fmt.Sprint("weir ", k), 10))
			}
			s.put(some)
			agree("weir wrote")
			java.Write(s.path, removing(options, line("+I", 1, "java 1", 11), line("-D", 2, "", 11), line("+I", 100, "java 100", 1), `{"k":3,"n":12}`))
			agree("Java wrote")
			s.put(removing(options, line("+U", 1, "weir again", 12), line("+I", 2, "back", 13), line("-D", 100, "", 14), `{"k":4,"v":null,"n":9}`))
			agree("weir wrote again")
			s.compact()
			agree("weir compacted")
			java.Write(s.path, removing(options, line("+I", 5, "java 5", 20), line("-D", 6, "", 20)))
			s.put([]string{line("+I", 5, "weir 5", 21)})
			agree("both wrote")
			java.Compact(s.path)
			agree("Java compacted")
			s.put([]string{line("+I", 7, "last", 30)})
			agree("weir wrote last")
		})
	}
}

func TestJavaReadsTheChangelog(t *testing.T) {
	skipShort(t)
	java := peer.Java(t)
	s := create(t, simple([]string{"k"}, map[string]string{"bucket": "1", "changelog-producer": "input"}))
	s.put([]string{line("+I", 1, "one", 1), line("+I", 2, "two", 1)})
	s.put([]string{line("-U", 1, "one", 1), line("+U", 1, "uno", 2), line("-D", 2, "two", 1)})
	want := []string{`"_snapshot":1,"_kind":"+I","k":1`, `"_snapshot":1,"_kind":"+I","k":2`, `"_snapshot":2,"_kind":"-U","k":1,"v":"one"`, `"_snapshot":2,"_kind":"+U","k":1,"v":"uno"`, `"_snapshot":2,"_kind":"-D","k":2`}
	got := java.Changelog(s.path, 1)
	if len(got) != len(want) {
		t.Fatalf("Java reads %d changes: %v", len(got), got)
	}
	for i := range want {
		if !strings.Contains(got[i], want[i]) {
			t.Errorf("change %d is %s, want %s", i, got[i], want[i])
		}
	}
	s.same("rows", java.Read(s.path), s.rows())
}
