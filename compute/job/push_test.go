package job

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/catalog"
	"github.com/weir-lake/weir/table/schema"
)

// clock can be set forward.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) forward(d time.Duration) { c.ahead.Add(int64(d)) }

// noTables is the planner of a warehouse whose jobs read tables that were dropped.
type noTables struct{}

func (noTables) PlanJob(_ context.Context, _, sql string, _ map[string]string) (*plan.Sink, error) {
	return nil, errkind.Errorf(errkind.NotFound, "%s: no such table", sql)
}

// manager owns a warehouse without jobs; the one before it on the same store is fenced.
func manager(t *testing.T, store objstore.Store, c *clock) *Manager {
	t.Helper()
	cat, err := catalog.Open(t.Context(), store, catalog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := Open(t.Context(), Options{Store: store, Catalog: cat, Planner: noTables{}, Interval: 10 * time.Millisecond, Now: c.now, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Stop(t.Context()) })
	return m
}

// pushTable makes default.t (id INT, name STRING) and returns its path.
func pushTable(t *testing.T, m *Manager) string {
	t.Helper()
	id := catalog.Identifier{Database: catalog.DefaultDatabase, Table: "t"}
	_, err := m.opts.Catalog.CreateTable(t.Context(), id, schema.Definition{Fields: []schema.Field{{Name: "id", Type: schema.TInt}, {Name: "name", Type: schema.TString}}})
	if err != nil {
		t.Fatal(err)
	}
	return id.Path()
}

func pushRows(t *testing.T, n int) arrow.RecordBatch {
	t.Helper()
	sc := arrow.NewSchema([]arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int32, Nullable: true}, {Name: "name", Type: arrow.BinaryTypes.String, Nullable: true}}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, sc)
	defer b.Release()
	for i := range n {
		b.Field(0).(*array.Int32Builder).Append(int32(i))
		b.Field(1).(*array.StringBuilder).Append(fmt.Sprint("row ", i))
	}
	rec := b.NewRecordBatch()
	t.Cleanup(rec.Release)
	return rec
}

func TestAPushWithAKeyIsStoredOnceWithinItsDay(t *testing.T) {
	c, store := &clock{}, objstore.NewMem()
	m := manager(t, store, c)
	path := pushTable(t, m)
	rows := pushRows(t, 3)
	push := func(m *Manager, key, body string) (Pushed, error) {
		return m.Push(t.Context(), path, rows, nil, key, body)
	}
	first, err := push(m, "k", "body")
	if err != nil || first.Rows != 3 || first.Snapshot == 0 || first.Repeated {
		t.Fatalf("%+v, %v", first, err)
	}
	again, err := push(m, "k", "body")
	if err != nil || !again.Repeated || again.Snapshot != first.Snapshot || again.Epoch != first.Epoch || again.Rows != 3 {
		t.Errorf("again %+v, %v; first %+v", again, err, first)
	}
	if _, err := push(m, "k", "another"); !errors.Is(err, ErrKeyReused) {
		t.Errorf("another body: %v", err)
	}
	// The next owner knows the key too, and so it does when the answer was lost before the key got its snapshot.
	m.Stop(t.Context())
	key, err := m.pushes.keyOf(path, "k")
	if err != nil {
		t.Fatal(err)
	}
	data, err := objstore.ReadAll(t.Context(), store, key)
	if err != nil {
		t.Fatal(err)
	}
	f, err := decodePushKey(data)
	if err != nil {
		t.Fatal(err)
	}
	f.Snapshot = 0
	if err := putPushKey(t.Context(), store, key, f); err != nil {
		t.Fatal(err)
	}
	m = manager(t, store, c)
	if again, err := push(m, "k", "body"); err != nil || !again.Repeated || again.Snapshot != first.Snapshot {
		t.Errorf("after a restart %+v, %v", again, err)
	}
	c.forward(pushKeyTTL + time.Minute)
	if late, err := push(m, "k", "body"); err != nil || late.Repeated || late.Snapshot == first.Snapshot {
		t.Errorf("after its day %+v, %v", late, err)
	}
}

func TestOldPushKeysAreRemovedSliceBySlice(t *testing.T) {
	c, store := &clock{}, objstore.NewMem()
	m := manager(t, store, c)
	path := pushTable(t, m)
	const n = 40
	for i := range n {
		if _, err := m.Push(t.Context(), path, pushRows(t, 1), nil, fmt.Sprint("key ", i), "b"); err != nil {
			t.Fatal(err)
		}
	}
	count := func() (left int) {
		if err := store.List(t.Context(), pushRoot, func(objstore.Info) error { left++; return nil }); err != nil {
			t.Fatal(err)
		}
		return left
	}
	round := func(slices int) (removed int) {
		for range slices {
			k, err := m.pushes.sweep(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			removed += k
			c.forward(choresEvery)
		}
		return removed
	}
	if got := round(pushKeySlices); got != 0 || count() != n {
		t.Fatalf("%d of %d keys of today removed", got, n)
	}
	c.forward(pushKeyTTL + pushKeyGrace)
	busy, err := m.pushes.keyOf(path, "key 7") // a request uses it again just now
	if err != nil || !m.pushes.claims.take(busy) {
		t.Fatalf("key is held: %v", err)
	}
	if got := round(1); got >= n/4 {
		t.Errorf("one round removed %d of %d keys", got, n)
	}
	round(pushKeySlices - 1)
	if left := count(); left != 1 {
		t.Errorf("%d keys left, want the one in use", left)
	}
	m.pushes.claims.drop(busy)
	round(pushKeySlices)
	if left := count(); left != 0 {
		t.Errorf("%d keys left", left)
	}
}

func TestPushesAreBounded(t *testing.T) {
	m := manager(t, objstore.NewMem(), &clock{})
	path := pushTable(t, m)
	p := newPushes(m) // which no epoch takes anything from
	if err := p.add(path, &pushRequest{bytes: pushBytesMax}); err != nil {
		t.Fatal(err)
	}
	if err := p.add(path, &pushRequest{bytes: 1}); !errors.Is(err, ErrPushFull) {
		t.Errorf("over the bytes: %v", err)
	}
	if _, err := m.Push(t.Context(), path, pushRows(t, 1), nil, string(make([]byte, pushKeyLenMax+1)), "b"); !errkind.Is(err, errkind.Invalid) {
		t.Errorf("a long key: %v", err)
	}
}

func FuzzDecodePushKey(f *testing.F) {
	f.Add([]byte(`{"table":"default.db/t","body":"b","commit_user":"u","epoch":3,"time_ms":1,"rows":2}`))
	f.Add([]byte(`{"table":1}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := decodePushKey(b)
		if err != nil && !errkind.Is(err, errkind.Corrupt) {
			t.Fatalf("error %v is of another kind", err)
		}
		if err == nil && (k.Table == "" || k.User == "") {
			t.Fatalf("%q gave %+v", b, k)
		}
	})
}
