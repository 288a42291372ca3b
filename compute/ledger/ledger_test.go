package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/weir-lake/weir/compute/ledger"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table"
	"github.com/weir-lake/weir/table/predicate"
	"github.com/weir-lake/weir/table/schema"
)

type entry struct {
	Name  string      `json:"name"`
	Tick  int64       `json:"tick"`
	State string      `json:"state"`
	Rows  int64       `json:"rows"`
	Ended ledger.Time `json:"ended"`
}

var entries = ledger.Definition{Name: "entries", Key: []string{"name", "tick"}, Columns: []schema.Field{
	{Name: "name", Type: schema.TString}, {Name: "tick", Type: schema.TBigInt}, {Name: "state", Type: schema.TString},
	{Name: "rows", Type: schema.TBigInt}, {Name: "ended", Type: schema.TTimestampLTZ(3)},
}}

func openStore(t *testing.T) objstore.Store {
	t.Helper()
	store, err := objstore.Open(context.Background(), t.TempDir(), objstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func TestRowsAreReplacedAndFoundAgain(t *testing.T) {
	ctx, store := t.Context(), openStore(t)
	l := ledger.New[entry](store, entries, ledger.Options{})
	if rows, err := l.List(ctx, nil); err != nil || len(rows) != 0 {
		t.Fatalf("an unwritten ledger gave %v, %v", rows, err)
	}
	if _, ok, err := l.Get(ctx, "a", int64(1)); ok || err != nil {
		t.Fatalf("Get of an unwritten ledger: %v, %v", ok, err)
	}
	at := ledger.At(time.Date(2026, 1, 31, 12, 0, 0, 7e6, time.UTC))
	for i := range int64(40) { // more commits than pass between two compactions
		state := entry{Name: "a", Tick: i / 2, State: "running", Rows: i}
		if i%2 == 1 {
			state.State, state.Ended = "done", at
		}
		if err := l.Put(ctx, state); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Put(ctx, entry{Name: "b", Tick: 1}, entry{Name: "c", Tick: 1}); err != nil {
		t.Fatal(err)
	}
	other := ledger.New[entry](store, entries, ledger.Options{}) // a later process
	rows, err := other.List(ctx, nil)
	if err != nil || len(rows) != 22 {
		t.Fatalf("%d rows, %v, want 22", len(rows), err)
	}
	if want := (entry{Name: "a", Tick: 3, State: "done", Rows: 7, Ended: at}); !reflect.DeepEqual(rows[3], want) {
		t.Errorf("row 3 is %+v, want %+v", rows[3], want)
	}
	rows, err = other.List(ctx, predicate.And{{Column: "name", Op: predicate.Eq, Values: []any{"a"}}, {Column: "tick", Op: predicate.Ge, Values: []any{int64(18)}}})
	if err != nil || len(rows) != 2 {
		t.Errorf("filtered: %v, %v, want 2 rows", rows, err)
	}
	for i := range int64(20) { // most of them lie in one compacted file
		if got, ok, err := other.Get(ctx, "a", i); err != nil || !ok || got.Tick != i || got.Rows != 2*i+1 {
			t.Errorf("Get %d: %+v, %v, %v", i, got, ok, err)
		}
	}
	if _, ok, err := other.Get(ctx, "a", int64(77)); ok || err != nil {
		t.Errorf("Get of a row that is not there: %v, %v", ok, err)
	}
	at18 := predicate.Compare{Column: "tick", Op: predicate.In, Values: []any{int64(18), int64(3), int64(99)}}
	for op, want := range map[predicate.Op]int{predicate.Eq: 1, predicate.Ne: 21, predicate.Lt: 20, predicate.Le: 21, predicate.Gt: 1, predicate.Ge: 2} {
		rows, err := other.List(ctx, predicate.And{{Column: "tick", Op: op, Values: []any{int64(18)}}})
		if err != nil || len(rows) != want {
			t.Errorf("operator %d: %d rows, %v, want %d", op, len(rows), err, want)
		}
	}
	for column, want := range map[string][2]int{"ended": {2, 20}, "name": {0, 22}} {
		null, err := other.List(ctx, predicate.And{{Column: column, Op: predicate.IsNull}})
		some, err2 := other.List(ctx, predicate.And{{Column: column, Op: predicate.IsNotNull}})
		if err != nil || err2 != nil || len(null) != want[0] || len(some) != want[1] {
			t.Errorf("%s: %d and %d rows, %v, %v, want %v", column, len(null), len(some), err, err2, want)
		}
	}
	if rows, err := other.List(ctx, predicate.And{at18}); err != nil || len(rows) != 2 {
		t.Errorf("IN: %v, %v", rows, err)
	}
	got, ok, err := other.Get(ctx, "b", int64(1))
	if err != nil || !ok || got.Name != "b" || !got.Ended.IsZero() {
		t.Errorf("Get: %+v, %v, %v", got, ok, err)
	}
	if _, _, err := other.Get(ctx, "b"); err == nil {
		t.Error("half a key was taken")
	}
}

func TestFenceStopsAReplacedOwner(t *testing.T) {
	ctx, store := t.Context(), openStore(t)
	gone := errors.New("another owner")
	var fenced error
	l := ledger.New[entry](store, entries, ledger.Options{Fence: func(context.Context) error { return fenced }})
	if err := l.Put(ctx, entry{Name: "a", Tick: 1, State: "kept"}); err != nil {
		t.Fatal(err)
	}
	fenced = gone
	if err := l.Put(ctx, entry{Name: "a", Tick: 1, State: "stale"}); !errors.Is(err, gone) {
		t.Fatalf("Put: %v, want the fence's error", err)
	}
	fenced = nil
	if got, _, err := l.Get(ctx, "a", int64(1)); err != nil || got.State != "kept" {
		t.Errorf("%+v, %v", got, err)
	}
	if err := l.Put(ctx, entry{Name: "a", Tick: 2}); err != nil {
		t.Error(err)
	}
}

// wider is a later program's row.
type wider struct {
	entry
	Note string `json:"note,omitempty"`
}

func TestColumnsOfALaterProgram(t *testing.T) {
	ctx, store := t.Context(), openStore(t)
	old := ledger.New[entry](store, entries, ledger.Options{})
	if err := old.Put(ctx, entry{Name: "a", Tick: 1}); err != nil {
		t.Fatal(err)
	}
	def := entries
	def.Columns = append(def.Columns[:len(def.Columns):len(def.Columns)], schema.Field{Name: "note", Type: schema.TString})
	l := ledger.New[wider](store, def, ledger.Options{})
	if err := l.Put(ctx, wider{entry{Name: "b", Tick: 1}, "hello"}); err != nil {
		t.Fatal(err)
	}
	rows, err := l.List(ctx, nil)
	if err != nil || len(rows) != 2 || rows[0].Note != "" || rows[1].Note != "hello" {
		t.Errorf("%+v, %v", rows, err)
	}
	narrow := ledger.New[wider](store, entries, ledger.Options{})
	if err := narrow.Put(ctx, wider{entry{Name: "c"}, "x"}); err != nil {
		t.Errorf("the table has the column: %v", err)
	}
	fresh := ledger.New[wider](openStore(t), entries, ledger.Options{})
	if err := fresh.Put(ctx, wider{entry{Name: "c"}, "x"}); !errkind.Is(err, errkind.Invalid) {
		t.Errorf("a member without column: %v", err)
	}
}

func ExampleLedger() {
	ctx := context.Background()
	store := objstore.NewMem()
	l := ledger.New[entry](store, entries, ledger.Options{})
	fmt.Println(l.Put(ctx, entry{Name: "nightly", Tick: 1, State: "running"}))
	fmt.Println(l.Put(ctx, entry{Name: "nightly", Tick: 1, State: "done", Rows: 12}))
	row, ok, err := l.Get(ctx, "nightly", int64(1))
	fmt.Println(row.State, row.Rows, ok, err)
	t, err := table.Open(ctx, store, "sys.db/entries", table.Options{})
	fmt.Println(t.Schema().PrimaryKeys, err)
	// Output:
	// <nil>
	// <nil>
	// done 12 true <nil>
	// [name tick] <nil>
}
