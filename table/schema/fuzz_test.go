package schema_test

import (
	"strings"
	"testing"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

// FuzzOptions reads table options, which people and other engines write.
func FuzzOptions(f *testing.F) {
	for _, key := range []string{schema.OptBucket, schema.OptSortedRunTrigger, schema.OptSortedRunStop, schema.OptFileCompression,
		schema.OptMergeEngine, "snapshot.time-retained", "target-file-size", "fields.v.sequence-group", "unknown"} {
		for _, value := range []string{"", "4", "-1", "128 mb", "1 h", "deduplicate", "9999999999999999999", "true"} {
			f.Add(key, value)
		}
	}
	f.Fuzz(func(t *testing.T, key, value string) {
		if n, err := schema.ParseBytes(value); err == nil && n < 0 {
			t.Errorf("%q is %d bytes", value, n)
		}
		if d, err := schema.ParseDuration(value); err == nil && d < 0 {
			t.Errorf("%q is %s", value, d)
		}
		for _, keyed := range []bool{false, true} {
			if _, err := schema.ParseOptions(map[string]string{key: value}, keyed); err != nil && errkind.Of(err) != errkind.Invalid {
				t.Errorf("%q = %q: %v is of kind %s", key, value, err, errkind.Of(err))
			}
		}
	})
}

// FuzzPartitionPath turns the bytes of a partition, which manifests hold, into a folder below the table: never one
// outside, and each value stays one folder.
func FuzzPartitionPath(f *testing.F) {
	s, err := schema.New(schema.Definition{
		Fields:        []schema.Field{{Name: "a", Type: schema.TString}, {Name: "b/..", Type: schema.TTimestamp(9)}, {Name: "c", Type: schema.TDouble}, {Name: "v", Type: schema.TInt}},
		PartitionKeys: []string{"a", "b/..", "c"},
	}, 0)
	if err != nil {
		f.Fatal(err)
	}
	types := schema.TypesOf(s.PartitionFields())
	for _, values := range [][]any{{"x", int64(1), 1.5}, {nil, nil, nil}, {"../../etc", int64(-1), -1e300}, {".", int64(0), 0.0}, {"a long text, kept outside the row's slot", int64(1) << 60, 1e-5}} {
		row, err := schema.EncodeRow(types, values)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(row)
	}
	f.Fuzz(func(t *testing.T, partition []byte) {
		dir, err := s.BucketDir(partition, 3)
		if err != nil {
			return
		}
		parts := strings.Split(dir, "/")
		if len(parts) != 4 {
			t.Fatalf("%q: want a folder a partition column, and the bucket", dir)
		}
		for i, name := range []string{"a=", "b%2F..=", "c=", "bucket-3"} {
			if !strings.HasPrefix(parts[i], name) {
				t.Errorf("%q: folder %d is not %s", dir, i, name)
			}
		}
	})
}
