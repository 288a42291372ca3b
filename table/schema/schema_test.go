package schema_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/schema"
)

func TestTypesRoundTripAsText(t *testing.T) {
	types := append([]schema.Type{
		schema.TArray(schema.TInt.WithNotNull(true)), schema.TMap(schema.TString, schema.TArray(schema.TDouble)),
		{Kind: schema.Multiset, Elem: &schema.TString}, {Kind: schema.Variant}, {Kind: schema.Blob}, {Kind: schema.VarChar, Length: 30},
		{Kind: schema.Row, NotNull: true, Fields: []schema.Field{{ID: 0, Name: "a b", Type: schema.TInt}, {ID: 1, Name: "tick`s", Type: schema.TArray(schema.TBigInt)}}},
	}, rowTypes...)
	for _, typ := range types {
		for _, notNull := range []bool{false, true} {
			want := typ.WithNotNull(notNull)
			got, err := schema.ParseType(want.String())
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("%s: %v %s", want, err, diff)
			}
		}
	}
}

func TestParseTypeSpellings(t *testing.T) {
	for text, want := range map[string]string{
		"integer": "INT", "double precision": "DOUBLE", "numeric(5)": "DECIMAL(5, 0)", "dec": "DECIMAL(10, 0)", "char": "CHAR(1)",
		"TIMESTAMP": "TIMESTAMP(6)", "TIMESTAMP_LTZ(3)": "TIMESTAMP(3) WITH LOCAL TIME ZONE", "TIMESTAMP(9) WITHOUT TIME ZONE NOT NULL": "TIMESTAMP(9) NOT NULL",
		"time": "TIME(0)", "ROW<a INT, `b` ARRAY<STRING NOT NULL>>": "ROW<`a` INT, `b` ARRAY<STRING NOT NULL>>", "map<string,int>": "MAP<STRING, INT>",
		"INT NULL": "INT", "ROW<>": "ROW<>",
	} {
		got, err := schema.ParseType(text)
		if err != nil || got.String() != want {
			t.Errorf("%q: %s, %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "FOO", "DECIMAL(39)", "DECIMAL(3,4)", "DECIMAL(0)", "VARCHAR(-1)", "VARCHAR(x)", "ARRAY", "ARRAY<INT", "MAP<INT>", "INT INT", "TIMESTAMP(10)",
		"ROW<a>", "ROW<a INT", "CHAR(1", strings.Repeat("ARRAY<", 100) + "INT" + strings.Repeat(">", 100),
	} {
		if got, err := schema.ParseType(text); err == nil {
			t.Errorf("%q parsed as %s", text, got)
		}
	}
}

const golden = "../testdata/java-1.4.2/"

// Schema files of Java, and one with fields nobody knows yet, are written back
// with the same content.
func TestSchemaFilesRoundTrip(t *testing.T) {
	files, err := filepath.Glob(golden + "*/schema/schema-*")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d schema files, %v", len(files), err)
	}
	future := `{"version":3,"id":4,"fields":[{"id":2,"name":"a","type":"INT","defaultValue":"7","description":"d"}],"highestFieldId":9,
		"partitionKeys":[],"primaryKeys":[],"options":{"some.future.option":"1"},"comment":"c","timeMillis":5,"fromTheFuture":{"x":[1,2.50]}}`
	inputs := map[string][]byte{"future": []byte(future)}
	for _, f := range files {
		if inputs[f], err = os.ReadFile(f); err != nil {
			t.Fatal(err)
		}
	}
	for name, data := range inputs {
		s, err := schema.Parse(data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		again, err := s.JSON()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tree(t, data), tree(t, again)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func tree(t *testing.T, data []byte) any {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestParseRefuses(t *testing.T) {
	for text, kind := range map[string]errkind.Kind{
		`{`: errkind.Corrupt, `null`: errkind.Corrupt, `[]`: errkind.Corrupt, `{} x`: errkind.Corrupt,
		`{"version":99,"fields":[]}`:                                                                    errkind.Invalid,
		`{"fields":[{"id":0,"name":"a","type":"WHAT"}]}`:                                                errkind.Corrupt,
		`{"fields":[{"id":0,"name":"a","type":7}]}`:                                                     errkind.Corrupt,
		`{"fields":[{"id":0,"name":"a","type":{"type":"ARRAY"}}]}`:                                      errkind.Corrupt,
		`{"fields":[{"id":0,"name":"a","type":"INT"},{"id":1,"name":"a","type":"INT"}]}`:                errkind.Corrupt,
		`{"fields":[{"id":0,"name":"a","type":"INT"}],"primaryKeys":["b"]}`:                             errkind.Corrupt,
		`{"fields":[{"id":0,"name":"a","type":"INT"}],"partitionKeys":["a","a"]}`:                       errkind.Corrupt,
		`{"fields":` + strings.Repeat(`[{"id":0,"name":"a","type":{"type":"ROW","fields":`, 100) + `]}`: errkind.Corrupt,
	} {
		if _, err := schema.Parse([]byte(text)); errkind.Of(err) != kind || err == nil {
			t.Errorf("%.60s: %v (%v), want %v", text, err, errkind.Of(err), kind)
		}
	}
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob(golden + "*/schema/schema-0")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := schema.Parse(data)
		if err != nil {
			return
		}
		again, err := s.JSON()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := schema.Parse(again); err != nil {
			t.Errorf("what was written is not read: %v\n%s", err, again)
		}
	})
}

func FuzzParseType(f *testing.F) {
	for _, s := range []string{"ROW<`a` INT, b MAP<STRING, ARRAY<DECIMAL(38, 2)>> NOT NULL>", "TIMESTAMP(3) WITH LOCAL TIME ZONE", "CHAR(3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		typ, err := schema.ParseType(text)
		if err != nil {
			return
		}
		again, err := schema.ParseType(typ.String())
		if err != nil || !again.Equal(typ) {
			t.Errorf("%q is %s, read again %s, %v", text, typ, again, err)
		}
	})
}

func define(t *testing.T, d schema.Definition) *schema.Schema {
	t.Helper()
	s, err := schema.New(d, 100)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func cols(spec ...string) []schema.Field {
	var out []schema.Field
	for _, s := range spec {
		name, text, _ := strings.Cut(s, " ")
		typ, err := schema.ParseType(text)
		if err != nil {
			panic(err)
		}
		out = append(out, schema.Field{Name: name, Type: typ})
	}
	return out
}

func TestNewAssignsIdsAndDefaults(t *testing.T) {
	s := define(t, schema.Definition{Fields: cols("k INT", "r ROW<x INT, y ROW<z INT>>", "v STRING"), PrimaryKeys: []string{"k"}})
	var ids []int
	for _, f := range s.Fields {
		ids = append(ids, f.ID)
		for _, g := range f.Type.Fields {
			ids = append(ids, g.ID)
			for _, h := range g.Type.Fields {
				ids = append(ids, h.ID)
			}
		}
	}
	if diff := cmp.Diff([]int{0, 1, 2, 3, 4, 5}, ids); diff != "" || s.HighestFieldID != 5 {
		t.Errorf("ids %s, highest %d", diff, s.HighestFieldID)
	}
	if !s.Fields[0].Type.NotNull || s.Options["bucket"] != "1" {
		t.Errorf("key nullable or no bucket: %v %v", s.Fields[0], s.Options)
	}
	if a := define(t, schema.Definition{Fields: cols("k INT")}); len(a.Options) != 0 {
		t.Errorf("append table got options %v", a.Options)
	}
}

func TestNewRefuses(t *testing.T) {
	kv := func(pairs ...string) map[string]string {
		out := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			out[pairs[i]] = pairs[i+1]
		}
		return out
	}
	pk := []string{"k"}
	fields := cols("k INT", "p STRING", "a ARRAY<INT>", "v STRING")
	for want, d := range map[string]schema.Definition{
		"at least one column":          {},
		"\"x\" does not exist":         {Fields: fields, PrimaryKeys: []string{"x"}},
		"exists twice":                 {Fields: cols("k INT", "k INT")},
		"reserved":                     {Fields: cols("_KEY_a INT")},
		"twice":                        {Fields: fields, PrimaryKeys: []string{"k", "k"}},
		"cannot be part of a key":      {Fields: fields, PrimaryKeys: []string{"a"}},
		"one row only":                 {Fields: fields, PrimaryKeys: []string{"p"}, PartitionKeys: []string{"p"}},
		"lacks a partition column":     {Fields: fields, PrimaryKeys: pk, PartitionKeys: []string{"p"}},
		"'bucket' = '-1'":              {Fields: fields, PrimaryKeys: pk, Options: kv("bucket", "-1")},
		"'bucket' = '-2'":              {Fields: fields, PrimaryKeys: pk, Options: kv("bucket", "-2")},
		"'bucket' = '0'":               {Fields: fields, PrimaryKeys: pk, Options: kv("bucket", "0")},
		"needs option 'bucket-key'":    {Fields: fields, Options: kv("bucket", "2")},
		"column \"y\" does not":        {Fields: fields, Options: kv("bucket", "2", "bucket-key", "y")},
		"not in the primary key":       {Fields: fields, PrimaryKeys: pk, Options: kv("bucket", "2", "bucket-key", "v")},
		"partition column \"p\"":       {Fields: fields, PartitionKeys: []string{"p"}, Options: kv("bucket", "2", "bucket-key", "p")},
		"needs a fixed number":         {Fields: fields, Options: kv("bucket-key", "k")},
		"needs a primary key":          {Fields: fields, Options: kv("changelog-producer", "input")},
		"one of none, input":           {Fields: fields, Options: kv("changelog-producer", "magic")},
		"'merge-engine' = 'first-row'": {Fields: fields, PrimaryKeys: pk, Options: kv("merge-engine", "first-row")},
		"'deletion-vectors.enabled'":   {Fields: fields, PrimaryKeys: pk, Options: kv("deletion-vectors.enabled", "true")},
		"'row-tracking.enabled'":       {Fields: fields, Options: kv("row-tracking.enabled", "true")},
		"'file.format' = 'orc'":        {Fields: fields, Options: kv("file.format", "orc")},
		"column \"seq\" does not":      {Fields: fields, PrimaryKeys: pk, Options: kv("sequence.field", "seq")},
		"a size such as":               {Fields: fields, Options: kv("target-file-size", "many")},
		"a time such as":               {Fields: fields, Options: kv("snapshot.time-retained", "long")},
		"a whole number":               {Fields: fields, Options: kv("bucket", "two")},
		"true or false":                {Fields: fields, Options: kv("write-only", "maybe")},
		"does not write VARIANT":       {Fields: cols("v VARIANT")},
		"cannot be stored":             {Fields: cols("v ARRAY<NULL>")},
	} {
		_, err := schema.New(d, 0)
		if err == nil || !strings.Contains(err.Error(), want) || errkind.Of(err) != errkind.Invalid {
			t.Errorf("want %q, got %v (%v)", want, err, errkind.Of(err))
		}
	}
	if _, err := schema.New(schema.Definition{Fields: fields, PrimaryKeys: pk, Options: kv("connector", "kafka", "bucket", "-1")}, 0); err != nil {
		t.Errorf("a connector's table: %v", err)
	}
}

func TestApplyChanges(t *testing.T) {
	base := define(t, schema.Definition{Fields: cols("k INT", "v INT", "w STRING"), PrimaryKeys: []string{"k"}, Options: map[string]string{"sequence.field": "w"}})
	next, err := schema.Apply(base, 7,
		schema.AddColumn{Field: schema.Field{Name: "n", Type: schema.TString}, After: "k"},
		schema.RenameColumn{From: "v", To: "v2"}, schema.WidenColumn{Name: "v2", Type: schema.TBigInt},
		schema.SetOption{Name: "x", Value: "1"}, schema.SetComment{Comment: "hi"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range next.Fields {
		got = append(got, f.Name+" "+f.Type.String())
	}
	if diff := cmp.Diff([]string{"k INT NOT NULL", "n STRING", "v2 BIGINT", "w STRING"}, got); diff != "" {
		t.Error(diff)
	}
	if next.ID != 1 || next.TimeMillis != 7 || next.HighestFieldID != 3 || next.Comment != "hi" || next.Fields[2].ID != 1 {
		t.Errorf("%+v", next)
	}
	if len(base.Fields) != 3 || base.Fields[1].Name != "v" || base.Options["x"] != "" {
		t.Error("Apply changed its argument")
	}
	dropped, err := schema.Apply(next, 8, schema.DropColumn{Name: "n"}, schema.AddColumn{Field: schema.Field{Name: "n", Type: schema.TInt}})
	if err != nil || dropped.Fields[3].ID != 4 {
		t.Errorf("a dropped name came back with an old id: %+v, %v", dropped.Fields, err)
	}
	for want, c := range map[string]schema.Change{
		"exists already":         schema.AddColumn{Field: schema.Field{Name: "v", Type: schema.TInt}},
		"must be nullable":       schema.AddColumn{Field: schema.Field{Name: "z", Type: schema.TInt.WithNotNull(true)}},
		"no such column":         schema.DropColumn{Name: "zz"},
		"part of a key":          schema.DropColumn{Name: "k"},
		"'sequence.field' = 'w'": schema.RenameColumn{From: "w", To: "w2"},
		"taken":                  schema.RenameColumn{From: "v", To: "w"},
		"not every old value":    schema.WidenColumn{Name: "v", Type: schema.TSmallInt},
		"rows may hold NULL":     schema.WidenColumn{Name: "v", Type: schema.TBigInt.WithNotNull(true)},
		"cannot be changed":      schema.SetOption{Name: "merge-engine", Value: "partial-update"},
		"'sequence.field' cann":  schema.ResetOption{Name: "sequence.field"},
		"a whole number":         schema.SetOption{Name: "bucket", Value: "x"},
	} {
		if _, err := schema.Apply(base, 0, c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: want %q, got %v", c, want, err)
		}
	}
}

func TestSizesAndTimes(t *testing.T) {
	for text, want := range map[string]int64{"1": 1, "2 b": 2, "3kb": 3 << 10, "8 MB": 8 << 20, "1gb": 1 << 30, "1 tb": 1 << 40} {
		if got, err := schema.ParseBytes(text); err != nil || got != want {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
	for text, want := range map[string]time.Duration{
		"10": 10 * time.Millisecond, "1 h": time.Hour, "5 min": 5 * time.Minute, "2m": 2 * time.Minute, "3 d": 72 * time.Hour, "7 s": 7 * time.Second,
		"2 days": 48 * time.Hour, "9ms": 9 * time.Millisecond, "4 minutes": 4 * time.Minute, "1 ns": 1, "30 seconds": 30 * time.Second,
	} {
		if got, err := schema.ParseDuration(text); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, bad := range []string{"", "h", "-1 h", "1 fortnight", "1.5 h", "99999999999999 d"} {
		if d, err := schema.ParseDuration(bad); err == nil {
			t.Errorf("%q is %v", bad, d)
		}
		if n, err := schema.ParseBytes(bad); err == nil {
			t.Errorf("%q is %d bytes", bad, n)
		}
	}
}

func TestPartitionPaths(t *testing.T) {
	fields := cols("d DATE", "ts TIMESTAMP(3)", "s STRING", "b BOOLEAN", "f DOUBLE", "v INT")
	keys := []string{"d", "ts", "s", "b", "f"}
	row := func(values ...any) []byte {
		stored, err := schema.EncodeRow(schema.TypesOf(fields[:5]), values)
		if err != nil {
			t.Fatal(err)
		}
		return stored
	}
	legacy := define(t, schema.Definition{Fields: fields, PartitionKeys: keys})
	named := define(t, schema.Definition{Fields: fields, PartitionKeys: keys, Options: map[string]string{"partition.legacy-name": "false"}})
	for _, c := range []struct {
		s    *schema.Schema
		row  []byte
		want string
	}{
		{legacy, row(int64(19782), int64(1740823200000), "ü%20", true, 1.5), "d=19782/ts=2025-03-01T10%3A00/s=ü%2520/b=true/f=1.5/bucket-0"},
		{legacy, row(nil, int64(1740823200001), " ", nil, 1e10), "d=__DEFAULT_PARTITION__/ts=2025-03-01T10%3A00%3A00.001/s=__DEFAULT_PARTITION__/b=__DEFAULT_PARTITION__/f=1.0E10/bucket-0"},
		{named, row(int64(20148), int64(1740823200000), "a=b/c", false, 2.0), "d=2025-03-01/ts=2025-03-01 10%3A00%3A00.000/s=a%3Db%2Fc/b=false/f=2.0/bucket-0"},
	} {
		got, err := c.s.BucketDir(c.row, 0)
		if err != nil || got != c.want {
			t.Errorf("%s, %v, want %s", got, err, c.want)
		}
	}
	plain := define(t, schema.Definition{Fields: cols("v INT"), Options: map[string]string{"data-file.path-directory": "data/"}})
	for bucket, want := range map[int]string{3: "data/bucket-3", -1: "data/bucket-0", -2: "data/bucket-postpone"} {
		if got, err := plain.BucketDir(schema.EmptyRow(), bucket); err != nil || got != want {
			t.Errorf("bucket %d: %s, %v", bucket, got, err)
		}
	}
}

func TestFiles(t *testing.T) {
	store := objstore.NewMem()
	files := schema.NewFiles(store, "")
	if _, err := files.Latest(t.Context()); !errors.Is(err, schema.ErrNoTable) {
		t.Errorf("no table: %v", err)
	}
	s := define(t, schema.Definition{Fields: cols("v INT")})
	if err := files.Create(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if err := schema.NewFiles(store, "").Create(t.Context(), s); !errors.Is(err, schema.ErrTableExists) {
		t.Errorf("created twice: %v", err)
	}
	if _, err := files.Latest(t.Context()); err != nil { // now it is cached
		t.Fatal(err)
	}
	other, calls := schema.NewFiles(store, ""), 0
	addColumn := func(name string) func(*schema.Schema) (*schema.Schema, error) {
		return func(cur *schema.Schema) (*schema.Schema, error) {
			return schema.Apply(cur, 1, schema.AddColumn{Field: schema.Field{Name: name, Type: schema.TInt}})
		}
	}
	// Another session adds a column while this one decides.
	got, err := files.Update(t.Context(), func(cur *schema.Schema) (*schema.Schema, error) {
		if calls++; calls == 1 {
			if _, err := other.Update(t.Context(), addColumn("theirs")); err != nil {
				t.Fatal(err)
			}
		}
		return addColumn("ours")(cur)
	})
	if err != nil || calls != 2 || got.ID != 2 || len(got.Fields) != 3 {
		t.Errorf("%+v after %d calls, %v", got, calls, err)
	}
	if latest, err := other.Latest(t.Context()); err != nil || latest.ID != 2 {
		t.Errorf("the other session sees %+v, %v", latest, err)
	}
}
