package job

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
)

func goodRecord() RevisionRecord {
	return RevisionRecord{Version: revisionVersion, ID: "r1", Table: "default.db/t", CommitUser: "u", Epoch: 7, ClockMs: 1,
		Base: snapshot.Identity{Table: "default.db/t", ID: 3, Hash: "h"}, Range: RevisionRange{Column: "at", From: 1, To: 2}, Removed: 1, Added: 2}
}

func TestRevisionRecordsAreChecked(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*RevisionRecord)
		want   errkind.Kind
	}{
		"whole":      {func(*RevisionRecord) {}, 0},
		"later":      {func(r *RevisionRecord) { r.Version++ }, errkind.Invalid},
		"no epoch":   {func(r *RevisionRecord) { r.Epoch = 0 }, errkind.Corrupt},
		"no user":    {func(r *RevisionRecord) { r.CommitUser = "" }, errkind.Corrupt},
		"way out":    {func(r *RevisionRecord) { r.Table = "../secret" }, errkind.Corrupt},
		"no table":   {func(r *RevisionRecord) { r.Table = "" }, errkind.Corrupt},
		"void":       {func(r *RevisionRecord) { r.Void = true }, errkind.NotFound},
		"without id": {func(r *RevisionRecord) { r.ID = "" }, errkind.Corrupt},
	} {
		r := goodRecord()
		c.change(&r)
		data, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeRevision(data)
		if c.want == 0 && (err != nil || got.Base != r.Base || got.Range != r.Range) || c.want != 0 && !errkind.Is(err, c.want) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func FuzzDecodeRevision(f *testing.F) {
	good, err := json.Marshal(goodRecord())
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range [][]byte{good, []byte(`{}`), []byte(`{"version":1,"epoch":-1}`), []byte(`[`), nil} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		rec, err := decodeRevision(data)
		if err != nil {
			return
		}
		again, err := json.Marshal(rec)
		if err != nil {
			t.Fatal(err)
		}
		if other, err := decodeRevision(again); err != nil || other.ID != rec.ID || other.Epoch != rec.Epoch {
			t.Fatalf("%+v became %+v, %v", rec, other, err)
		}
	})
}

// keyedApplication is an application over a table (k BIGINT key, a BIGINT, b BIGINT).
func keyedApplication(t *testing.T, keepNewer bool) *application {
	t.Helper()
	s, err := schema.New(schema.Definition{PrimaryKeys: []string{"k"}, Fields: []schema.Field{
		{Name: "k", Type: schema.TBigInt}, {Name: "a", Type: schema.TBigInt}, {Name: "b", Type: schema.TBigInt}}}, 0)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := newTableRows(s)
	if err != nil {
		t.Fatal(err)
	}
	return &application{rows: rows, schema: s, rec: &RevisionRecord{KeepNewer: keepNewer}}
}

// row encodes a row of it; nil for none.
func (a *application) row(t *testing.T, values ...int64) []byte {
	t.Helper()
	return encodeNullable(t, a, values, [3]bool{})
}

func TestRebase(t *testing.T) {
	type r = []int64
	for name, c := range map[string]struct {
		before, after, current r
		forward, undo          r
	}{
		"untouched":               {r{1, 1, 1}, r{1, 2, 1}, r{1, 1, 1}, r{1, 2, 1}, r{1, 2, 1}},
		"other column changed":    {r{1, 1, 1}, r{1, 2, 1}, r{1, 1, 9}, r{1, 2, 9}, r{1, 2, 9}},
		"same column changed":     {r{1, 1, 1}, r{1, 2, 1}, r{1, 5, 1}, r{1, 2, 1}, r{1, 5, 1}},
		"removed since":           {r{1, 1, 1}, r{1, 2, 1}, nil, r{1, 2, 1}, nil},
		"to go, untouched":        {r{1, 1, 1}, nil, r{1, 1, 1}, nil, nil},
		"to go, changed since":    {r{1, 1, 1}, nil, r{1, 1, 9}, nil, r{1, 1, 9}},
		"to go, gone":             {r{1, 1, 1}, nil, nil, nil, nil},
		"to come":                 {nil, r{1, 2, 1}, nil, r{1, 2, 1}, r{1, 2, 1}},
		"to come, came meanwhile": {nil, r{1, 2, 1}, r{1, 7, 7}, r{1, 2, 1}, r{1, 7, 7}},
	} {
		for _, keepNewer := range []bool{false, true} {
			a := keyedApplication(t, keepNewer)
			k := &keyChange{before: a.row(t, c.before...), after: a.row(t, c.after...), current: a.row(t, c.current...)}
			if err := a.rebase(k); err != nil {
				t.Fatal(err)
			}
			want := c.forward
			if keepNewer {
				want = c.undo
			}
			if !bytes.Equal(k.next, a.row(t, want...)) {
				t.Errorf("%s, keep newer %v: got %x, want %v", name, keepNewer, k.next, want)
			}
			if k.skipped == bytes.Equal(k.before, k.current) {
				t.Errorf("%s: skipped is %v", name, k.skipped)
			}
		}
	}
}

// What is stored for a replaced key: the job's values, those of others in columns the job never set, and no row when
// nothing is left.
func TestFinalRowOfAReplacedKey(t *testing.T) {
	a := keyedApplication(t, false)
	u := &undoing{rows: a.rows}
	isKey := []bool{true, false, false}
	for name, c := range map[string]struct {
		cleared              []bool
		own, stored, want    []int64
		ownNull, storedNulls [3]bool
		wantNull             [3]bool
	}{
		"own value":           {cleared: []bool{true, true, false}, own: []int64{1, 5, 0}, ownNull: [3]bool{false, false, true}, stored: []int64{1, 4, 8}, want: []int64{1, 5, 8}},
		"cleared":             {cleared: []bool{true, true, false}, own: []int64{1, 0, 0}, ownNull: [3]bool{false, true, true}, stored: []int64{1, 4, 8}, want: []int64{1, 0, 8}, wantNull: [3]bool{false, true, false}},
		"gone, others remain": {cleared: []bool{true, true, false}, stored: []int64{1, 4, 8}, want: []int64{1, 0, 8}, wantNull: [3]bool{false, true, false}},
		"gone":                {cleared: []bool{true, true, true}, stored: []int64{1, 4, 8}},
		"nowhere":             {cleared: []bool{true, true, true}},
	} {
		got, err := u.final(&replacement{cleared: c.cleared}, encodeNullable(t, a, c.own, c.ownNull), encodeNullable(t, a, c.stored, c.storedNulls), isKey)
		if err != nil {
			t.Fatal(err)
		}
		if want := encodeNullable(t, a, c.want, c.wantNull); !bytes.Equal(got, want) {
			t.Errorf("%s: got %x, want %x", name, got, want)
		}
	}
}

// encodeNullable encodes a row of BIGINTs; nil for none.
func encodeNullable(t *testing.T, a *application, values []int64, null [3]bool) []byte {
	t.Helper()
	if values == nil {
		return nil
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, a.rows.arrow)
	defer b.Release()
	for i, v := range values {
		if null[i] {
			b.Field(i).AppendNull()
		} else {
			b.Field(i).(*array.Int64Builder).Append(v)
		}
	}
	rec := b.NewRecordBatch()
	defer rec.Release()
	var out []byte
	err := a.rows.each(rec, func(_ int, _, row []byte) error {
		out = bytes.Clone(row)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
