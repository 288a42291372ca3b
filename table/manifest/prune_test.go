package manifest_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/index"
	"github.com/weir-lake/weir/table/manifest"
	"github.com/weir-lake/weir/table/predicate"
	"github.com/weir-lake/weir/table/schema"
)

func cmpOf(column string, op predicate.Op, values ...any) predicate.Compare {
	return predicate.Compare{Column: column, Op: op, Values: values}
}

func TestRangeMayMatch(t *testing.T) {
	r := manifest.Range{Min: int64(10), Max: int64(20), Nulls: 0, Rows: 5}
	nulls := manifest.Range{Nulls: 5, Rows: 5}
	unknown := manifest.Range{Nulls: -1, Rows: 5}
	for _, c := range []struct {
		r    manifest.Range
		c    predicate.Compare
		want bool
	}{
		{r, cmpOf("", predicate.Eq, int64(10)), true}, {r, cmpOf("", predicate.Eq, int64(9)), false}, {r, cmpOf("", predicate.Eq, int64(21)), false},
		{r, cmpOf("", predicate.Ne, int64(10)), true}, {manifest.Range{Min: int64(1), Max: int64(1), Rows: 1}, cmpOf("", predicate.Ne, int64(1)), false},
		{r, cmpOf("", predicate.Lt, int64(10)), false}, {r, cmpOf("", predicate.Le, int64(10)), true},
		{r, cmpOf("", predicate.Gt, int64(20)), false}, {r, cmpOf("", predicate.Ge, int64(20)), true},
		{r, cmpOf("", predicate.In, int64(1), int64(15)), true}, {r, cmpOf("", predicate.In, int64(1), int64(99)), false}, {r, cmpOf("", predicate.In), false},
		{r, cmpOf("", predicate.Eq, nil), false}, {r, cmpOf("", predicate.IsNull), false}, {r, cmpOf("", predicate.IsNotNull), true},
		{nulls, cmpOf("", predicate.IsNull), true}, {nulls, cmpOf("", predicate.IsNotNull), false}, {nulls, cmpOf("", predicate.Lt, int64(1)), false},
		{unknown, cmpOf("", predicate.IsNull), true}, {unknown, cmpOf("", predicate.IsNotNull), true}, {unknown, cmpOf("", predicate.Eq, int64(1)), true},
		// A constant of another Go form says nothing.
		{r, cmpOf("", predicate.Eq, "10"), true},
		// Engines disagree on NaN, and -0 equals 0.
		{manifest.Range{Min: 1.0, Max: 2.0, Rows: 2}, cmpOf("", predicate.Gt, 5.0), true},
		{manifest.Range{Min: 1.0, Max: 2.0, Rows: 2}, cmpOf("", predicate.Eq, 5.0), false},
		{manifest.Range{Min: 1.0, Max: math.NaN(), Rows: 2}, cmpOf("", predicate.Eq, 5.0), true},
		{manifest.Range{Min: math.Copysign(0, -1), Max: math.Copysign(0, -1), Rows: 2}, cmpOf("", predicate.Eq, 0.0), true},
	} {
		if got := c.r.MayMatch(c.c); got != c.want {
			t.Errorf("%+v %+v: %v", c.r, c.c, got)
		}
	}
}

func fields(spec ...any) []schema.Field {
	var out []schema.Field
	for i := 0; i < len(spec); i += 2 {
		out = append(out, schema.Field{Name: spec[i].(string), Type: spec[i+1].(schema.Type)})
	}
	return out
}

func mustRow(t *testing.T, types []schema.Type, values ...any) []byte {
	t.Helper()
	row, err := schema.EncodeRow(types, values)
	if err != nil {
		t.Fatal(err)
	}
	return row
}

func versions(all ...*schema.Schema) func(int64) (*schema.Schema, error) {
	return func(id int64) (*schema.Schema, error) {
		if id < int64(len(all)) {
			return all[id], nil
		}
		return nil, fmt.Errorf("no schema %d", id)
	}
}

func mustPruner(t *testing.T, s *schema.Schema, filter predicate.And, of func(int64) (*schema.Schema, error)) *manifest.Pruner {
	t.Helper()
	p, err := manifest.NewPruner(s, filter, of)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPruneByPartitionAndBucket(t *testing.T) {
	s, err := schema.New(schema.Definition{Fields: fields("p", schema.TString, "k", schema.TBigInt, "v", schema.TInt),
		PartitionKeys: []string{"p"}, PrimaryKeys: []string{"p", "k"}, Options: map[string]string{"bucket": "8"}}, 0)
	if err != nil {
		t.Fatal(err)
	}
	str := []schema.Type{schema.TString}
	p := mustPruner(t, s, predicate.And{cmpOf("p", predicate.Eq, "b"), cmpOf("k", predicate.In, int64(1000), int64(1))}, versions(s))
	for _, c := range []struct {
		lo, hi any
		nulls  int64
		want   bool
	}{{"a", "c", 0, true}, {"c", "d", 0, false}, {nil, nil, 3, false}} {
		m := manifest.Meta{NumAdded: 3, PartitionStats: manifest.Stats{Min: mustRow(t, str, c.lo), Max: mustRow(t, str, c.hi), NullCounts: []int64{c.nulls}}}
		if got := p.Manifest(&m); got != c.want {
			t.Errorf("manifest of %v to %v: %v", c.lo, c.hi, got)
		}
	}
	b, err := index.NewBucketer(s, 8)
	if err != nil {
		t.Fatal(err)
	}
	want := map[int]bool{}
	for _, k := range []int64{1000, 1} {
		n, err := b.Of([]any{k})
		if err != nil {
			t.Fatal(err)
		}
		want[n] = true
	}
	for bucket := range 8 {
		for _, part := range []any{"b", "a", nil} {
			e := manifest.Entry{Partition: mustRow(t, str, part), Bucket: bucket, TotalBuckets: 8}
			if got := p.Place(&e); got != (part == "b" && want[bucket]) {
				t.Errorf("partition %v bucket %d: %v", part, bucket, got)
			}
		}
	}
}

// Files are judged by their own schema: columns by id, not by name.
func TestPruneFollowsSchemaEvolution(t *testing.T) {
	v0, err := schema.New(schema.Definition{Fields: fields("a", schema.TInt, "b", schema.TInt)}, 0)
	if err != nil {
		t.Fatal(err)
	}
	// a is renamed to x and widened; a new column takes the name a; b becomes a string.
	v1, err := schema.Apply(v0, 0, schema.RenameColumn{From: "a", To: "x"}, schema.WidenColumn{Name: "x", Type: schema.TBigInt},
		schema.AddColumn{Field: schema.Field{Name: "a", Type: schema.TInt}})
	if err != nil {
		t.Fatal(err)
	}
	v1.Fields[1].Type = schema.TString // as Java's ALTER may: a cast on read
	ints := []schema.Type{schema.TInt, schema.TInt}
	e := manifest.Entry{File: manifest.DataFile{Name: "f", RowCount: 10, ValueStats: manifest.Stats{
		Min: mustRow(t, ints, int64(1), int64(1)), Max: mustRow(t, ints, int64(5), int64(5)), NullCounts: []int64{0, 0}}}}
	for _, c := range []struct {
		c    predicate.Compare
		want bool
	}{
		{cmpOf("x", predicate.Eq, int64(3)), true}, {cmpOf("x", predicate.Eq, int64(9)), false},
		{cmpOf("a", predicate.Eq, int64(3)), false}, {cmpOf("a", predicate.IsNull), true}, // not in the file: NULL
		{cmpOf("b", predicate.Eq, "99"), true}, // numbers say nothing of their texts
	} {
		p := mustPruner(t, v1, predicate.And{c.c}, versions(v0, v1))
		if got := p.File(&e); got != c.want {
			t.Errorf("%+v: %v", c.c, got)
		}
	}
	missing := e
	missing.File.SchemaID = 7
	if p := mustPruner(t, v1, predicate.And{cmpOf("x", predicate.Eq, int64(9))}, versions(v0, v1)); !p.File(&missing) {
		t.Error("a file of an unknown schema was left out")
	}
	if _, err := manifest.NewPruner(v1, predicate.And{cmpOf("zz", predicate.IsNull)}, versions(v0)); err == nil {
		t.Errorf("unknown column: %v", errkind.Of(err))
	}
}

// A row that fails a filter on a value may hide an older one that passes it.
func TestPrunePrimaryKeyTablesByKeyOnly(t *testing.T) {
	s, err := schema.New(schema.Definition{Fields: fields("k", schema.TInt, "v", schema.TInt), PrimaryKeys: []string{"k"}}, 0)
	if err != nil {
		t.Fatal(err)
	}
	ints := []schema.Type{schema.TInt, schema.TInt}
	e := manifest.Entry{File: manifest.DataFile{Name: "f", RowCount: 10, ValueStats: manifest.Stats{
		Min: mustRow(t, ints, int64(1), int64(1)), Max: mustRow(t, ints, int64(5), int64(5)), NullCounts: []int64{0, 0}}}}
	byValue := mustPruner(t, s, predicate.And{cmpOf("v", predicate.Eq, int64(9))}, versions(s))
	if !byValue.File(&e) || byValue.FileValues(&e) {
		t.Errorf("by value: File %v, FileValues %v", byValue.File(&e), byValue.FileValues(&e))
	}
	if mustPruner(t, s, predicate.And{cmpOf("k", predicate.Eq, int64(9))}, versions(s)).File(&e) {
		t.Error("a file without the key was kept")
	}
	var none *manifest.Pruner
	if !none.File(&e) || !none.Place(&e) || !none.Manifest(&manifest.Meta{}) {
		t.Error("the nil pruner leaves something out")
	}
}
