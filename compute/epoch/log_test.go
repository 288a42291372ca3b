package epoch

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
)

func fixedNow() time.Time { return time.UnixMilli(1_700_000_000_000) }

func mustOpen(t *testing.T, store objstore.Store, owner string) *Log {
	t.Helper()
	l, err := Open(t.Context(), store, Options{Now: fixedNow, Owner: owner})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func record(e int64, job, split, pos string) Record {
	return Record{Epoch: e, ClockMs: e * 1000, Seed: e,
		Jobs: map[string]JobInput{job: {Offsets: map[int]connector.Offsets{0: {split: connector.Position(pos)}}}}}
}

func TestReopenFoldsTheSameState(t *testing.T) {
	store := objstore.NewMem()
	l := mustOpen(t, store, "a")
	must(t, l.RecordJob(t.Context(), JobRecord{ID: "j", SQL: "INSERT ..", Desired: Running, FromEpoch: 1}))
	must(t, l.RecordEpoch(t.Context(), record(3, "j", "t/0", "10")))
	must(t, l.RecordEpoch(t.Context(), record(5, "j", "t/1", "7")))
	want := l.State()

	l2 := mustOpen(t, store, "b")
	got := l2.State()
	if got.Term != want.Term+1 || got.N != want.N+1 {
		t.Fatalf("reopened at entry %d term %d, want one above %d, %d", got.N, got.Term, want.N, want.Term)
	}
	got.Term, got.N = want.Term, want.N
	if d := cmp.Diff(want, got); d != "" {
		t.Fatal(d)
	}
	in, ok := l2.InputAt("j", 5)
	if d := cmp.Diff(connector.Offsets{"t/0": "10", "t/1": "7"}, in.Offsets[0]); !ok || d != "" {
		t.Fatal(ok, d)
	}
	if in, _ := l2.InputAt("j", 4); len(in.Offsets[0]) != 1 {
		t.Fatalf("input at epoch 4: %v", in)
	}
}

// An owner that was replaced must not decide one more epoch, even if it did not notice.
func TestReplacedOwnerIsFenced(t *testing.T) {
	store := objstore.NewMem()
	old := mustOpen(t, store, "old")
	must(t, old.CheckTerm(t.Context()))
	mustOpen(t, store, "new")
	if err := old.CheckTerm(t.Context()); !errors.Is(err, ErrFenced) {
		t.Fatalf("check term: %v", err)
	}
	old2 := mustOpen(t, store, "third")
	mustOpen(t, store, "fourth")
	if err := old2.RecordEpoch(t.Context(), record(1, "j", "s", "1")); !errors.Is(err, ErrFenced) {
		t.Fatalf("record by a replaced owner: %v", err)
	}
	if err := old2.RecordJob(t.Context(), JobRecord{ID: "x"}); !errors.Is(err, ErrFenced) {
		t.Fatalf("second try of a replaced owner: %v", err)
	}
}

func TestEpochsOnlyGrow(t *testing.T) {
	l := mustOpen(t, objstore.NewMem(), "a")
	must(t, l.RecordEpoch(t.Context(), record(3, "j", "s", "1")))
	if err := l.RecordEpoch(t.Context(), record(3, "j", "s", "2")); errkind.Of(err) != errkind.Corrupt {
		t.Fatalf("recording an epoch twice: %v", err)
	}
}

func TestTruncateKeepsWhatMayBeReplayed(t *testing.T) {
	store := objstore.NewMem()
	l := mustOpen(t, store, "a")
	must(t, l.RecordJob(t.Context(), JobRecord{ID: "j", Desired: Running}))
	for e := int64(1); e <= baseEvery+10; e++ {
		must(t, l.RecordEpoch(t.Context(), record(e, "j", "s", string(rune('0'+e%10)))))
	}
	keep := int64(baseEvery)
	must(t, l.Truncate(t.Context(), keep))
	n := 0
	must(t, store.List(t.Context(), logDir+"/", func(objstore.Info) error { n++; return nil }))
	if n != 1 {
		t.Fatalf("%d entries left, want the base alone", n)
	}
	l2 := mustOpen(t, store, "b")
	if got := l2.Since("j", nil, 0); len(got) != 11 || got[0] != keep {
		t.Fatalf("%d records from %v", len(got), got[0])
	}
	if _, ok := l2.InputAt("j", keep-2); ok {
		t.Fatal("input below the floor must be unknown")
	}
	in, ok := l2.InputAt("j", keep)
	if !ok || in.Offsets[0]["s"] != connector.Position(rune('0'+keep%10)) {
		t.Fatalf("input at %d: %v %v", keep, in, ok)
	}
}

// A crash between the deletions of a truncation leaves entries below the base with gaps.
func TestLoadIgnoresHalfDeletedEntries(t *testing.T) {
	store := objstore.NewMem()
	l := mustOpen(t, store, "a")
	must(t, l.RecordEpoch(t.Context(), record(1, "j", "s", "1")))
	must(t, l.append(t.Context(), Entry{Kind: KindBase}, false))
	must(t, store.Delete(t.Context(), entryKey(2)))
	if got := mustOpen(t, store, "b").State(); got.Epoch != 1 {
		t.Fatalf("epoch %d", got.Epoch)
	}
}

func TestBadEntriesAreNamed(t *testing.T) {
	for name, body := range map[string]string{
		"not json": "{", "newer": `{"version":99,"n":1,"kind":"term","term":1,"owner":"x"}`,
		"empty epoch": `{"version":1,"n":1,"kind":"epoch","term":1}`, "wrong number": `{"version":1,"n":7,"kind":"term","term":1,"owner":"x"}`,
	} {
		store := objstore.NewMem()
		must(t, store.Put(t.Context(), entryKey(1), []byte(body)))
		_, err := Open(t.Context(), store, Options{})
		if errkind.Of(err) != errkind.Corrupt {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"version":1,"n":1,"kind":"epoch","term":1,"epoch":{"epoch":4,"jobs":{"j":{"offsets":{"0":{"s":"1"}}}}}}`))
	f.Add([]byte(`{"version":1,"kind":"base","base":{"jobs":null}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := decode(data)
		if err != nil {
			return
		}
		s := NewState()
		s.N = e.N - 1
		_ = s.Apply(e) // must not panic
		_, _ = s.InputAt("j", 1)
	})
}

func TestAppendHonoursContext(t *testing.T) {
	l := mustOpen(t, objstore.NewMem(), "a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.RecordEpoch(ctx, record(1, "j", "s", "1")); err == nil {
		t.Fatal("recorded under a cancelled context")
	}
	must(t, l.RecordEpoch(t.Context(), record(1, "j", "s", "1")))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestReplaysOutliveTheFoldedLog(t *testing.T) {
	store := objstore.NewMem()
	l := mustOpen(t, store, "a")
	must(t, l.RecordJob(t.Context(), JobRecord{ID: "j", Name: "j", Desired: Running}))
	must(t, l.RecordEpoch(t.Context(), record(1, "j", "s", "10")))
	must(t, l.RecordEpoch(t.Context(), Record{Epoch: 2, Jobs: map[string]JobInput{"j": {Replays: map[int][]string{0: {"r1"}, 1: {"other"}}}}}))
	must(t, l.RecordEpoch(t.Context(), record(3, "j", "s", "20")))
	must(t, l.RecordEpoch(t.Context(), Record{Epoch: 4, Jobs: map[string]JobInput{"j": {Replays: map[int][]string{0: {"r2"}}}}}))
	check := func(l *Log, epoch int64, want ...string) {
		t.Helper()
		if got := l.Replays("j", 0, epoch); !slices.Equal(got, want) {
			t.Errorf("up to epoch %d: %v, want %v", epoch, got, want)
		}
	}
	check(l, 1)
	check(l, 3, "r1")
	check(l, 9, "r1", "r2")
	s := l.State()
	s.raiseFloor(4)
	if got := s.Replays("j", 0, 3); !slices.Equal(got, []string{"r1"}) {
		t.Errorf("folded: %v", got)
	}
	if got := s.clone().Replays("j", 0, 4); !slices.Equal(got, []string{"r1", "r2"}) {
		t.Errorf("folded and copied: %v", got)
	}
	if in, ok := s.InputAt("j", 4); !ok || in.Offsets[0]["s"] != "20" || !slices.Equal(in.Replays[1], []string{"other"}) {
		t.Errorf("input %+v %v", in, ok)
	}
	check(mustOpen(t, store, "b"), 9, "r1", "r2")
}
