package commit

import (
	"errors"
	"strings"
	"testing"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/manifest"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
)

var keyTypes = []schema.Type{schema.TBigInt}

// entries reads "+a0[1,5] -b5[2,3]": kind, name, level, keys.
func entries(t *testing.T, text string) []manifest.Entry {
	t.Helper()
	var out []manifest.Entry
	for word := range strings.FieldsSeq(text) {
		e := manifest.Entry{Partition: schema.EmptyRow(), TotalBuckets: 1}
		if word[0] == '-' {
			e.Kind = manifest.Delete
		}
		key := func(c byte) []byte {
			row, err := schema.EncodeRow(keyTypes, []any{int64(c - '0')})
			if err != nil {
				t.Fatal(err)
			}
			return row
		}
		e.File = manifest.DataFile{Name: word[1:2], Level: int(word[2] - '0'), MinKey: key(word[4]), MaxKey: key(word[6])}
		out = append(out, e)
	}
	return out
}

func TestCheckBase(t *testing.T) {
	for _, c := range []struct{ base, delta, want string }{
		{"+a0[1,5] +b0[2,6]", "-a0[1,5] -b0[2,6] +c5[1,6]", ""},
		{"+b0[2,6]", "-a0[1,5] -b0[2,6] +c5[1,6]", "file a, which is to be replaced, is gone"},
		{"+a5[1,5]", "-a0[1,5] +c5[1,6]", "file a, which is to be replaced, is gone"}, // upgraded meanwhile
		{"+a0[1,5]", "+a0[1,5]", "in the table already"},
		{"+a0[1,5]", "-a0[1,5] +a5[1,5]", ""},                                    // upgrade
		{"+c5[1,4]", "+d5[5,9]", ""},                                             // side by side
		{"+c5[1,4]", "+d5[4,9]", "files c and d of bucket 0 overlap at level 5"}, // share key 4
		{"+c5[1,4] +x5[2,3]", "+d4[1,9]", ""},                                    // an old overlap elsewhere is not this commit's
		{"+c5[1,4]", "-c5[1,4] +d5[1,9]", ""},
		{"", "+d5[1,4] +e5[3,9]", "overlap"},
		{"+c0[1,9]", "+d0[1,9]", ""}, // level 0 may overlap
	} {
		err := checkBase(entries(t, c.base), entries(t, c.delta), keyTypes)
		if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, ErrConflict) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%q on %q: %v, want %q", c.delta, c.base, err, c.want)
		}
	}
	if err := checkBase(entries(t, "+c5[1,4]"), entries(t, "+d5[4,9]"), nil); err != nil {
		t.Errorf("an append table has no keys to overlap: %v", err)
	}
	bad := entries(t, "+d5[4,9]")
	bad[0].File.MinKey = []byte{1, 2}
	if err := checkBase(nil, bad, keyTypes); errkind.Of(err) != errkind.Corrupt {
		t.Errorf("a key that cannot be read: %v", err)
	}
}

func TestNeedsBase(t *testing.T) {
	for _, c := range []struct {
		kind  snapshot.CommitKind
		delta string
		want  bool
	}{
		{snapshot.Append, "+a0[1,5]", false}, {snapshot.Append, "", false}, {snapshot.Append, "+a1[1,5]", true}, {snapshot.Append, "-a0[1,5]", true},
		{snapshot.Compact, "", true}, {snapshot.Overwrite, "+a0[1,5]", true},
	} {
		if got := needsBase(c.kind, entries(t, c.delta)); got != c.want {
			t.Errorf("%s %q: %v", c.kind, c.delta, got)
		}
	}
}

func TestCheckTotals(t *testing.T) {
	delta := entries(t, "+a0[1,5]")
	there := map[string]int{string(schema.EmptyRow()): 4}
	if err := checkTotals(snapshot.Append, delta, there); !errors.Is(err, ErrConflict) {
		t.Errorf("%v", err)
	}
	if err := checkTotals(snapshot.Overwrite, delta, there); err != nil {
		t.Errorf("%v", err)
	}
	delta[0].TotalBuckets = -1 // unaware
	if err := checkTotals(snapshot.Append, delta, there); err != nil {
		t.Errorf("%v", err)
	}
}
