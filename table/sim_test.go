package table_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/storage/objstore/faultstore"
	"github.com/weir-lake/weir/table"
	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/expire"
	"github.com/weir-lake/weir/table/snapshot"
)

// world is one table under a store with faults, two handles that know nothing of
// each other, and what must be in it.
type world struct {
	t       *rapid.T
	store   *faultstore.Store
	handles []*table.Table
	rows    map[int]string
	pinned  map[snapshot.ID][]string // versions that a reader holds, as they were
	next    int
	keep    int // snapshots that expiry keeps
}

const simRules = `absent snapshot/** 15%: lost-reply
absent snapshot/** 10%: error
write-any bucket-** 4%: error
overwrite ** 4%: error
get ** 1%: error
delete ** 5%: error`

// Any order of writes, deletes, compactions, expiries and reads by two handles,
// on a store that fails and loses replies, keeps every acknowledged row once and
// lets every pinned version be read as it was.
func TestSimulation(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		store, err := faultstore.New(objstore.NewMem(), faultstore.Options{Seed: rapid.Uint64().Draw(r, "seed")})
		if err != nil {
			r.Fatal(err)
		}
		w := &world{t: r, store: store, rows: map[int]string{}, pinned: map[snapshot.ID][]string{}, keep: rapid.IntRange(1, 4).Draw(r, "keep")}
		options := map[string]string{
			"bucket": "2", "num-sorted-run.compaction-trigger": "3", "manifest.merge-min-count": "4", "commit.max-retries": "50", "commit.min-retry-wait": "1 ns", "commit.max-retry-wait": "1 ns",
		}
		first, err := table.Create(context.Background(), store, "", keyed(options), table.Options{})
		if err != nil {
			r.Fatal(err)
		}
		second, err := table.Open(context.Background(), store, "", table.Options{})
		if err != nil {
			r.Fatal(err)
		}
		w.handles = []*table.Table{first, second}
		if err := store.SetRules(simRules); err != nil {
			r.Fatal(err)
		}
		for range rapid.IntRange(5, 25).Draw(r, "steps") {
			w.step()
		}
		if err := store.SetRules(""); err != nil {
			r.Fatal(err)
		}
		w.check()
	})
}

func (w *world) step() {
	h := w.handles[rapid.IntRange(0, len(w.handles)-1).Draw(w.t, "handle")]
	switch rapid.SampledFrom([]string{"write", "write", "write", "compact", "expire", "pin", "unpin"}).Draw(w.t, "step") {
	case "write":
		w.write(h)
	case "compact":
		_, err := h.Compact(context.Background(), table.CompactOptions{Full: rapid.Bool().Draw(w.t, "full")})
		w.tolerate("compact", err)
	case "expire":
		w.tolerate("expire", w.expire(h))
	case "pin":
		s, err := h.Snapshot(context.Background(), snapshot.Ref{})
		if w.tolerate("pin", err); err == nil && s != nil {
			w.pinned[s.ID] = w.model()
		}
	case "unpin":
		for id := range w.pinned {
			delete(w.pinned, id)
			break
		}
	}
}

func (w *world) expire(h *table.Table) error {
	_, err := h.Expire(context.Background(), expire.Options{
		Policy: &snapshot.Policy{RetainedMin: 1, RetainedMax: w.keep},
		Pins: func(context.Context) ([]snapshot.ID, error) {
			var ids []snapshot.ID
			for id := range w.pinned {
				ids = append(ids, id)
			}
			return ids, nil
		},
	})
	return err
}

// tolerate lets the injected faults pass; anything else is a fault of ours.
func (w *world) tolerate(what string, err error) {
	if err != nil && !errors.Is(err, faultstore.ErrInjected) && !errors.Is(err, commit.ErrConflict) {
		w.t.Fatalf("%s: %v (%v)", what, err, errkind.Of(err))
	}
}

func (w *world) write(h *table.Table) {
	after := map[int]string{}
	for k, v := range w.rows {
		after[k] = v
	}
	var pairs []any
	var kinds []int8
	for range rapid.IntRange(1, 4).Draw(w.t, "rows") {
		k := rapid.IntRange(0, 9).Draw(w.t, "k")
		w.next++
		v := fmt.Sprint("v", w.next)
		pairs = append(pairs, k, v)
		if rapid.IntRange(0, 3).Draw(w.t, "delete") == 0 {
			kinds = append(kinds, 3)
			delete(after, k)
			continue
		}
		kinds = append(kinds, 0)
		after[k] = v
	}
	rec := rows(pairs...)
	defer rec.Release()
	_, err := h.Write(context.Background(), []arrow.RecordBatch{rec}, [][]int8{kinds})
	w.tolerate("write", err)
	switch {
	case err == nil:
		w.rows = after
	case errors.Is(err, commit.ErrUnknown):
		w.settle(h, after)
	}
}

// settle looks, without faults, which way an unknown outcome went.
func (w *world) settle(h *table.Table, after map[int]string) {
	if err := w.store.SetRules(""); err != nil {
		w.t.Fatal(err)
	}
	got, err := read(context.Background(), h, snapshot.Ref{})
	if err != nil {
		w.t.Fatal(err)
	}
	before := w.rows
	w.rows = after
	if !slices.Equal(got, w.model()) {
		w.rows = before
	}
	if err := w.store.SetRules(simRules); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) model() []string {
	out := []string{}
	for k, v := range w.rows {
		out = append(out, fmt.Sprintf("%d %s", k, v))
	}
	slices.Sort(out)
	return out
}

func (w *world) check() {
	for _, h := range w.handles {
		got, err := read(context.Background(), h, snapshot.Ref{})
		if err != nil {
			w.t.Fatal(err)
		}
		if diff := cmp.Diff(w.model(), got); diff != "" {
			w.t.Fatalf("rows that must be there (-) and are (+):\n%s", diff)
		}
		for id, want := range w.pinned {
			got, err := read(context.Background(), h, snapshot.Ref{ID: id})
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				w.t.Fatalf("pinned snapshot %d: %v\n%s", id, err, diff)
			}
		}
	}
	// An expiry that was stopped is finished by the next one.
	if err := w.expire(w.handles[0]); err != nil {
		w.t.Fatal(err)
	}
	report, err := w.handles[0].Verify(context.Background(), table.VerifyOptions{})
	if err != nil || len(report.Problems) > 0 {
		w.t.Fatalf("%+v, %v", report, err)
	}
}

// Writers, a compactor and an expirer run at once; no acknowledged row is lost
// or doubled, and sequence numbers keep their order for each key.
func TestWritersBesideCompactionAndExpiry(t *testing.T) {
	const writers, commits = 4, 12
	store := objstore.NewMem()
	if _, err := table.Create(t.Context(), store, "", keyed(map[string]string{"bucket": "2", "commit.max-retries": "1000", "num-sorted-run.compaction-trigger": "3"}), table.Options{}); err != nil {
		t.Fatal(err)
	}
	open := func() *table.Table {
		h, err := table.Open(context.Background(), store, "", table.Options{})
		if err != nil {
			t.Error(err)
		}
		return h
	}
	var wg, helpers sync.WaitGroup
	stop := make(chan struct{})
	for w := range writers {
		wg.Go(func() {
			h := open()
			for i := range commits {
				// Each writer owns a key, which it overwrites, and adds one more.
				rec := rows(w, fmt.Sprint("v", i), 1000*(w+1)+i, "x")
				_, err := h.Write(context.Background(), []arrow.RecordBatch{rec}, nil)
				rec.Release()
				if err != nil {
					t.Errorf("writer %d: %v", w, err)
				}
			}
		})
	}
	beside := func(work func(h *table.Table) error) {
		helpers.Go(func() {
			h := open()
			for {
				select {
				case <-stop:
					return
				default:
					if err := work(h); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	beside(func(h *table.Table) error {
		_, err := h.Compact(context.Background(), table.CompactOptions{})
		return err
	})
	beside(func(h *table.Table) error {
		// Young snapshots stay: the compactor reads the one it works on.
		_, err := h.Expire(context.Background(), expire.Options{Policy: &snapshot.Policy{RetainedMin: 1, RetainedMax: 1000, TimeRetained: time.Second}})
		return err
	})
	wg.Wait()
	close(stop)
	helpers.Wait()
	var want []string
	for w := range writers {
		want = append(want, fmt.Sprintf("%d v%d", w, commits-1))
		for i := range commits {
			want = append(want, fmt.Sprintf("%d x", 1000*(w+1)+i))
		}
	}
	slices.Sort(want)
	mustRead(t, open(), snapshot.Ref{}, want...)
}
