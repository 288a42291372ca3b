package table_test

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
	"github.com/google/go-cmp/cmp"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table"
	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/expire"
	"github.com/weir-lake/weir/table/scan"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
)

// rows builds a batch of (k BIGINT, v STRING).
func rows(pairs ...any) arrow.RecordBatch {
	s := arrow.NewSchema([]arrow.Field{{Name: "k", Type: arrow.PrimitiveTypes.Int64}, {Name: "v", Type: arrow.BinaryTypes.String, Nullable: true}}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, s)
	for i := 0; i < len(pairs); i += 2 {
		b.Field(0).(*array.Int64Builder).Append(int64(pairs[i].(int)))
		if pairs[i+1] == nil {
			b.Field(1).AppendNull()
			continue
		}
		b.Field(1).(*array.StringBuilder).Append(pairs[i+1].(string))
	}
	return b.NewRecordBatch()
}

func keyed(options map[string]string) schema.Definition {
	return schema.Definition{Fields: []schema.Field{{Name: "k", Type: schema.TBigInt}, {Name: "v", Type: schema.TString}}, PrimaryKeys: []string{"k"}, Options: options}
}

// read gives the rows of a version as sorted text.
func read(ctx context.Context, t *table.Table, ref snapshot.Ref) ([]string, error) {
	plan, err := t.Scan(ctx, ref, scan.Request{})
	if err != nil {
		return nil, err
	}
	r, err := plan.Read(ctx)
	if err != nil {
		return nil, err
	}
	defer r.Release()
	out := []string{}
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			slices.Sort(out)
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		for i := range int(rec.NumRows()) {
			var cells []string
			for c := range int(rec.NumCols()) {
				cells = append(cells, rec.Column(c).ValueStr(i))
			}
			out = append(out, strings.Join(cells, " "))
		}
		rec.Release()
	}
}

func mustRead(t *testing.T, tb *table.Table, ref snapshot.Ref, want ...string) {
	t.Helper()
	got, err := read(t.Context(), tb, ref)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(append([]string{}, want...), got); diff != "" {
		t.Errorf("%s: %s", ref, diff)
	}
}

func mustWrite(t *testing.T, tb *table.Table, kinds []int8, pairs ...any) {
	t.Helper()
	rec := rows(pairs...)
	defer rec.Release()
	if _, err := tb.Write(t.Context(), []arrow.RecordBatch{rec}, [][]int8{kinds}); err != nil {
		t.Fatal(err)
	}
}

func create(t *testing.T, d schema.Definition) (*table.Table, objstore.Store) {
	t.Helper()
	store, err := objstore.NewLocal(t.TempDir(), objstore.LocalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	tb, err := table.Create(t.Context(), store, "default.db/t", d, table.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return tb, store
}

func TestWriteReadTravel(t *testing.T) {
	tb, store := create(t, keyed(map[string]string{"bucket": "2"}))
	mustRead(t, tb, snapshot.Ref{})
	mustWrite(t, tb, nil, 1, "a", 2, "b", 3, nil)
	mustWrite(t, tb, []int8{0, 3, 0}, 1, "a2", 2, "b", 4, "d")
	mustRead(t, tb, snapshot.Ref{}, "1 a2", "3 (null)", "4 d")
	mustRead(t, tb, snapshot.Ref{ID: 1}, "1 a", "2 b", "3 (null)")
	if err := tb.CreateTag(t.Context(), "first", snapshot.Ref{ID: 1}, 0); err != nil {
		t.Fatal(err)
	}
	other, err := table.Open(t.Context(), store, "default.db/t", table.Options{})
	if err != nil {
		t.Fatal(err)
	}
	mustRead(t, other, snapshot.Ref{Tag: "first"}, "1 a", "2 b", "3 (null)")
	if _, err := other.Rollback(t.Context(), snapshot.Ref{Tag: "first"}); err != nil {
		t.Fatal(err)
	}
	mustRead(t, tb, snapshot.Ref{}, "1 a", "2 b", "3 (null)")
	if _, err := table.Open(t.Context(), store, "default.db/none", table.Options{}); !errors.Is(err, schema.ErrNoTable) {
		t.Errorf("no table: %v", err)
	}
	if _, err := table.Create(t.Context(), store, "default.db/t", keyed(nil), table.Options{}); !errors.Is(err, schema.ErrTableExists) {
		t.Errorf("created twice: %v", err)
	}
}

func TestChanges(t *testing.T) {
	tb, _ := create(t, keyed(nil))
	mustWrite(t, tb, nil, 1, "a", 2, "b")
	mustWrite(t, tb, []int8{0, 3, 0}, 1, "a2", 2, "b", 4, "d")
	var got []string
	err := tb.Changes(t.Context(), 0, 0, nil, func(c table.Change) error {
		for i, k := range c.Kinds {
			got = append(got, fmt.Sprintf("%d %s %s %s", c.Snapshot.ID, [...]string{"+I", "-U", "+U", "-D"}[k], c.Rows.Column(0).ValueStr(i), c.Rows.Column(1).ValueStr(i)))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	if diff := cmp.Diff([]string{"1 +I 1 a", "1 +I 2 b", "2 +I 4 d", "2 +U 1 a2", "2 -D 2 b", "2 -U 1 a"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestTimeTravelKeepsTheColumnsOfThen(t *testing.T) {
	tb, _ := create(t, keyed(nil))
	mustWrite(t, tb, nil, 1, "a")
	if err := tb.Alter(t.Context(), schema.AddColumn{Field: schema.Field{Name: "n", Type: schema.TInt}}); err != nil {
		t.Fatal(err)
	}
	mustRead(t, tb, snapshot.Ref{}, "1 a (null)")
	mustRead(t, tb, snapshot.Ref{ID: 1}, "1 a")
}

func TestOverwrite(t *testing.T) {
	tb, _ := create(t, keyed(nil))
	mustWrite(t, tb, nil, 1, "a", 2, "b")
	rec := rows(3, "c")
	defer rec.Release()
	if _, err := tb.Overwrite(t.Context(), []arrow.RecordBatch{rec}, nil); err != nil {
		t.Fatal(err)
	}
	mustRead(t, tb, snapshot.Ref{}, "3 c")
}

func TestExpireKeepsTheNewest(t *testing.T) {
	tb, _ := create(t, keyed(nil))
	for i := range 5 {
		mustWrite(t, tb, nil, i, "x")
	}
	done, err := tb.Expire(t.Context(), expire.Options{Policy: &snapshot.Policy{RetainedMin: 2, RetainedMax: 2}})
	if err != nil || len(done.Snapshots) != 3 {
		t.Fatalf("%+v, %v", done, err)
	}
	mustRead(t, tb, snapshot.Ref{}, "0 x", "1 x", "2 x", "3 x", "4 x")
	if _, err := read(t.Context(), tb, snapshot.Ref{ID: 1}); !errors.Is(err, snapshot.ErrNotFound) {
		t.Errorf("expired snapshot: %v", err)
	}
	report, err := tb.Verify(t.Context(), table.VerifyOptions{})
	if err != nil || len(report.Problems) > 0 || report.Versions != 2 {
		t.Errorf("%+v, %v", report, err)
	}
}

// A writer whose rows do not fit leaves nothing behind.
func TestFailedWriteLeavesNoFiles(t *testing.T) {
	tb, _ := create(t, keyed(nil))
	rec := rows(1, "a")
	defer rec.Release()
	bad := array.NewRecordBatch(arrow.NewSchema([]arrow.Field{{Name: "x", Type: arrow.BinaryTypes.String}}, nil), []arrow.Array{rec.Column(1)}, 1)
	if _, err := tb.Write(t.Context(), []arrow.RecordBatch{rec, bad}, nil); err == nil {
		t.Fatal("a batch of other columns was written")
	}
	if err := tb.Store().List(t.Context(), "bucket-", func(i objstore.Info) error { t.Errorf("%s was left", i.Key); return nil }); err != nil {
		t.Fatal(err)
	}
	mustRead(t, tb, snapshot.Ref{})
}

// Each fault that is put into a table is found and named.
func TestVerifyFindsFaults(t *testing.T) {
	first := func(ctx context.Context, s objstore.Store, prefix string) string {
		key := ""
		if err := s.List(ctx, prefix, func(i objstore.Info) error {
			if key == "" {
				key = i.Key
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return key
	}
	flip := func(ctx context.Context, s objstore.Store, key string, at int) error {
		data, err := objstore.ReadAll(ctx, s, key)
		if err != nil {
			return err
		}
		data[at] ^= 0x10
		return s.Put(ctx, key, data)
	}
	for want, fault := range map[string]func(context.Context, objstore.Store) error{
		"is missing": func(ctx context.Context, s objstore.Store) error { return s.Delete(ctx, first(ctx, s, "bucket-0/")) },
		"the manifest says": func(ctx context.Context, s objstore.Store) error {
			key := first(ctx, s, "bucket-0/")
			data, err := objstore.ReadAll(ctx, s, key)
			if err != nil {
				return err
			}
			return s.Put(ctx, key, data[:len(data)-1])
		},
		"bucket-0/data-": func(ctx context.Context, s objstore.Store) error { return flip(ctx, s, first(ctx, s, "bucket-0/"), 60) },
		"object not found": func(ctx context.Context, s objstore.Store) error {
			return s.Delete(ctx, first(ctx, s, "manifest/manifest-list-"))
		},
		"avro": func(ctx context.Context, s objstore.Store) error {
			return flip(ctx, s, first(ctx, s, "manifest/manifest-list-"), 25)
		},
		"files hold 2 rows": func(ctx context.Context, s objstore.Store) error {
			data, err := objstore.ReadAll(ctx, s, "snapshot/snapshot-1")
			if err != nil {
				return err
			}
			return s.Put(ctx, "snapshot/snapshot-1", []byte(strings.Replace(string(data), `"totalRecordCount": 2`, `"totalRecordCount": 9`, 1)))
		},
	} {
		tb, store := create(t, keyed(nil))
		mustWrite(t, tb, nil, 1, "a", 2, "b")
		if err := fault(t.Context(), tb.Store()); err != nil {
			t.Fatal(err)
		}
		fresh, err := table.Open(t.Context(), store, "default.db/t", table.Options{})
		if err != nil {
			t.Fatal(err)
		}
		report, err := fresh.Verify(t.Context(), table.VerifyOptions{})
		if err != nil || len(report.Problems) != 1 || !strings.Contains(report.Problems[0].What+report.Problems[0].File, want) {
			t.Errorf("want %q, got %+v, %v", want, report, err)
		}
	}
}

func TestBranchesAreNotExpired(t *testing.T) {
	_, store := create(t, keyed(nil))
	data, err := objstore.ReadAll(t.Context(), store, "default.db/t/schema/schema-0")
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Put(t.Context(), "default.db/t/branch/branch-b/schema/schema-0", data); err != nil {
		t.Fatal(err)
	}
	b, err := table.Open(t.Context(), store, "default.db/t", table.Options{Branch: "b"})
	if err != nil {
		t.Fatal(err)
	}
	mustWrite(t, b, nil, 7, "on the branch")
	mustRead(t, b, snapshot.Ref{}, "7 on the branch")
	main, err := table.Open(t.Context(), store, "default.db/t", table.Options{})
	if err != nil {
		t.Fatal(err)
	}
	mustRead(t, main, snapshot.Ref{})
	if _, err := b.Expire(t.Context(), expire.Options{}); errkind.Of(err) != errkind.Invalid {
		t.Errorf("%v", err)
	}
	if _, err := b.Rollback(t.Context(), snapshot.Ref{ID: 1}); errkind.Of(err) != errkind.Invalid {
		t.Errorf("%v", err)
	}
}

// A commit of a job carries its own user, identifier and properties.
func TestJobCommit(t *testing.T) {
	tb, _ := create(t, keyed(nil))
	props, err := commit.Provenance{Job: "j1", Term: 3, EpochFrom: 4, Epoch: 7, Changes: commit.ChangesExact}.Properties()
	if err != nil {
		t.Fatal(err)
	}
	res, err := tb.Commit(t.Context(), commit.Request{User: "u-j1", Identifier: 7, Kind: snapshot.Append, Properties: props, Force: true})
	if err != nil {
		t.Fatal(err)
	}
	last, err := tb.Snapshots().LastOf(t.Context(), "u-j1")
	if err != nil || tb.Identity(last) != tb.Identity(res.Snapshot) {
		t.Fatalf("%+v, %v", last, err)
	}
	p, err := commit.ProvenanceOf(last)
	if diff := cmp.Diff(commit.Provenance{Job: "j1", Term: 3, EpochFrom: 4, Epoch: 7, Changes: "exact"}, p); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
}

func ExampleOpen() {
	ctx := context.Background()
	store := objstore.NewMem()
	t, err := table.Create(ctx, store, "default.db/people", schema.Definition{
		Fields:      []schema.Field{{Name: "k", Type: schema.TBigInt}, {Name: "v", Type: schema.TString}},
		PrimaryKeys: []string{"k"},
	}, table.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	batch := rows(1, "Ada", 2, "Grace")
	defer batch.Release()
	if _, err := t.Write(ctx, []arrow.RecordBatch{batch}, nil); err != nil {
		fmt.Println(err)
		return
	}
	t, err = table.Open(ctx, store, "default.db/people", table.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	lines, err := read(ctx, t, snapshot.Ref{})
	fmt.Println(lines, err)
	// Output: [1 Ada 2 Grace] <nil>
}
