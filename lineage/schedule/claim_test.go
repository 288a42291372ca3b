package schedule

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
)

func TestATickIsClaimedOnce(t *testing.T) {
	c := claims{objstore.NewMem()}
	b := &Backfill{ID: "0123456789", Definition: Definition{Name: "days"}}
	tick := at3339(t, "2024-01-02T03:00:00Z")
	if held, taken, err := c.take(t.Context(), b, tick, claim{Run: "one", Base: 7}); err != nil || !taken || held.Run != "one" {
		t.Fatalf("%+v %v %v", held, taken, err)
	}
	if held, taken, err := c.take(t.Context(), b, tick, claim{Run: "two"}); err != nil || taken || held != (claim{"one", 7}) {
		t.Errorf("the second one got %+v %v %v", held, taken, err)
	}
	// One of that name that is created later has ticks of its own.
	later := &Backfill{ID: "9876543210", Definition: b.Definition}
	if _, taken, err := c.take(t.Context(), later, tick, claim{Run: "three"}); err != nil || !taken {
		t.Errorf("a later backfill: %v %v", taken, err)
	}
	if err := c.store.Put(t.Context(), claimKey(b, tick), []byte("{")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.take(t.Context(), b, tick, claim{Run: "two"}); !errkind.Is(err, errkind.Corrupt) {
		t.Errorf("a damaged claim: %v", err)
	}
}

func TestOldClaimsGo(t *testing.T) {
	c := claims{objstore.NewMem()}
	b := &Backfill{ID: "0123456789", Definition: Definition{Name: "days"}}
	first := at3339(t, "2024-01-02T03:00:00Z")
	tick := func(i int) time.Time { return first.Add(time.Duration(i) * time.Hour) }
	for i := range claimsKept + 10 {
		if _, _, err := c.take(t.Context(), b, tick(i), claim{Run: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	until := tick(claimsKept + 4) // five more are claimed and not recorded yet
	if err := c.prune(t.Context(), b, until); err != nil {
		t.Fatal(err)
	}
	for i, kept := range map[int]bool{0: false, 4: false, 5: true, claimsKept + 4: true, claimsKept + 9: true} {
		if _, err := c.store.Stat(t.Context(), claimKey(b, tick(i))); (err == nil) != kept || err != nil && !errors.Is(err, objstore.ErrNotFound) {
			t.Errorf("claim %d: %v, want kept %v", i, err, kept)
		}
	}
}

func TestWhatSnapshotsSayOfSlices(t *testing.T) {
	def := Backfill{ID: "0123456789ab", Definition: Definition{Name: "days"}}
	tick := func(text string) *Run {
		at := at3339(t, text)
		return &Run{ID: runID(at, def), Tick: &at}
	}
	one, three := tick("2024-01-02T03:00:00Z"), tick("2024-01-04T03:00:00Z")
	hand := &Run{ID: "hand-1"}
	span := Span{at3339(t, "2024-01-01T03:00:00Z"), at3339(t, "2024-01-04T03:00:00Z")}
	var made madeSlices
	for i, p := range []map[string]string{properties(def, one, three, span), properties(def, hand, hand, span)} {
		m, err := parseMade(p)
		if err != nil {
			t.Fatal(err)
		}
		m.id = int64(i + 1)
		made = append(made, m)
	}
	inside := Span{span.From.Add(24 * time.Hour), span.From.Add(48 * time.Hour)}
	other := Backfill{ID: "ffffffffffff", Definition: def.Definition}
	at := at3339(t, "2024-01-02T03:00:00Z")
	for _, c := range []struct {
		run   *Run
		slice Span
		want  int64
	}{
		{one, inside, 1}, {tick("2024-01-03T03:00:00Z"), span, 1}, {three, inside, 1}, {tick("2024-01-05T03:00:00Z"), inside, 0},
		{one, Span{span.From, span.To.Add(1)}, 0}, {hand, inside, 2}, {&Run{ID: "hand-2"}, inside, 0}, {&Run{ID: runID(at, other), Tick: &at}, inside, 0},
	} {
		if got := made.of(c.run, c.slice); got != c.want {
			t.Errorf("%s of run %s is in snapshot %d, want %d", c.slice, c.run.ID, got, c.want)
		}
	}
}

func FuzzParseClaim(f *testing.F) {
	f.Add([]byte(`{"run":"2024-01-02T03:00:00Z-01234567","base_snapshot":7}`))
	f.Add([]byte(`{"run":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parseClaim(data)
		if err == nil && c.Run == "" {
			t.Error("a claim without run was taken")
		}
		if err != nil && !errkind.Is(err, errkind.Corrupt) {
			t.Errorf("%v is not Corrupt", err)
		}
	})
}

func FuzzParseMade(f *testing.F) {
	f.Add("2024-01-01T00:00:00Z/2024-01-02T00:00:00Z", "2024-01-02T03:00:00Z")
	f.Add("x/y", "a/b")
	f.Fuzz(func(t *testing.T, slice, tick string) {
		if _, err := parseMade(map[string]string{PropSlice: slice, PropTick: tick}); err != nil && !errkind.Is(err, errkind.Corrupt) {
			t.Errorf("%v is not Corrupt", err)
		}
	})
}
