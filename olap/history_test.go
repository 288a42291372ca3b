package olap

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-lake/weir/compute/session"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/internal/testpeer"
	"github.com/weir-lake/weir/storage/meta"
)

// openHistory opens the database of a history anew.
func openHistory(t *testing.T, o meta.Options, now func() time.Time) (h *History, end func()) {
	t.Helper()
	db, err := meta.Open(t.Context(), o, Migrations())
	if err != nil {
		t.Fatal(err)
	}
	h = NewHistory(db, now, nil)
	return h, func() {
		h.Stop()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestHistoryOutlivesTheProcess(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) { historyOutlives(t, meta.Options{Path: filepath.Join(t.TempDir(), "meta.db")}) })
	t.Run("PostgreSQL", func(t *testing.T) { historyOutlives(t, meta.Options{DSN: testpeer.Postgres(t)}) })
}

func historyOutlives(t *testing.T, db meta.Options) {
	now := time.UnixMilli(1_700_000_000_000).UTC()
	h, end := openHistory(t, db, func() time.Time { return now })
	r := newRegistry(func() time.Time { return now }, h, nil)
	for i, q := range []struct {
		user, sql string
		err       error
	}{{"ann", "SELECT 1", nil}, {"bob", "SELECT 100%_of", errkind.New(errkind.Invalid, "no")}, {"ann", "select\x00 TWO", errkind.New(errkind.Canceled, "gone")}} {
		rec := r.add(Info{ID: fmt.Sprint("q", i), User: q.user, SQL: q.sql, Engine: engine, Class: "stateless"}, func(error) {})
		now = now.Add(time.Second)
		r.running(rec)
		r.setCut(rec, &session.Cut{Level: "cut", Epoch: 7, Snapshots: map[string]int64{"default.t": int64(i)}})
		r.count(rec, int64(10*i), 100)
		now = now.Add(time.Second)
		r.end(rec, q.err)
	}
	live := r.add(Info{ID: "q9", User: "ann", SQL: "SELECT 9", Engine: engine}, func(error) {})
	s := &Service{opts: Options{History: h}, queries: r}
	find := func(f Filter) string {
		t.Helper()
		got, err := s.Find(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		out := ""
		for _, q := range got {
			out += strings.TrimPrefix(q.ID, "q")
		}
		return out
	}
	for want, f := range map[string]Filter{"9210": {}, "920": {User: "ann"}, "1": {State: Failed}, "2": {State: Canceled}, "92": {Limit: 2},
		"0": {Before: now.Add(-3 * time.Second)}, "": {Search: "0__of"}} {
		if got := find(f); got != want {
			t.Errorf("%+v: %s, want %s", f, got, want)
		}
	}
	if got := find(Filter{Search: "100%_OF"}); got != "1" {
		t.Errorf("search: %s", got)
	}
	now = now.Add(time.Second)
	r.end(live, nil)
	end()

	h, end = openHistory(t, db, func() time.Time { return now })
	defer end()
	s = &Service{opts: Options{History: h}, queries: newRegistry(func() time.Time { return now }, h, nil)}
	if got := find(Filter{}); got != "9210" {
		t.Errorf("after a restart: %s", got)
	}
	q, err := s.Show(t.Context(), "q2")
	if err != nil || q.State != Canceled || q.Rows != 20 || q.Cut == nil || q.Cut.Snapshots["default.t"] != 2 || q.SQL != "select TWO" || q.Engine != "duckdb" ||
		q.Class != "stateless" || q.Started == nil || !q.Ended.After(*q.Started) || q.Error != "gone" {
		t.Errorf("%+v %v", q, err)
	}
	for _, id := range []string{"none", "a\x00b", "\xff"} {
		if _, err := s.Show(t.Context(), id); !errors.Is(err, ErrNoQuery) {
			t.Errorf("%q: %v", id, err)
		}
	}
}

// Old queries go when new ones come.
func TestHistoryIsBounded(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000).UTC()
	h, end := openHistory(t, meta.Options{Path: filepath.Join(t.TempDir(), "meta.db")}, func() time.Time { return now })
	defer end()
	add := func(id string, at time.Time) {
		h.journal.Add(Info{ID: id, State: Done, QueuedAt: at, Ended: &at})
	}
	add("old", now.Add(-historyAge-time.Second))
	add("new", now)
	got, err := h.find(context.Background(), Filter{}, 10)
	if err != nil || len(got) != 1 || got[0].ID != "new" {
		t.Errorf("%+v %v", got, err)
	}
	for i := range historyRowsMax + 1500 {
		if add(fmt.Sprint(i), now.Add(time.Duration(i)*time.Millisecond)); i%2000 == 0 {
			if err := h.journal.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := h.journal.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := h.db.Read().QueryRowContext(t.Context(), "SELECT COUNT(*) FROM weir_query_history").Scan(&n); err != nil || n > historyRowsMax+1000 || n < historyRowsMax {
		t.Errorf("%d kept, %v", n, err)
	}
}
