//go:build duckdb_arrow

package schedule_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-lake/weir/lineage/schedule"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/storage/objstore/faultstore"
)

// A backfill of 30 partitions whose process is gone between any two writes, several times, ends like one that was left
// alone: each partition is committed once.
func TestCrashesOfARunByHand(t *testing.T) {
	left := startDaily(t, schedule.Definition{})
	left.byHand(t, "2020-01-01", "2020-01-31")
	want := left.rows(t, "SELECT * FROM daily")

	rounds := 6
	if testing.Short() {
		rounds = 2
	}
	for round := range rounds {
		seed := uint64(time.Now().UnixNano())
		t.Logf("seed %d", seed)
		rng := rand.New(rand.NewPCG(seed, 1))
		base := objstore.NewMem()
		e := open(t, base, &fakeClock{at: utc("2020-01-10 12:00:00")})
		e.run(t, readings)
		e.fill(t, "2020-01-01", 30)
		if _, err := e.back.Create(t.Context(), schedule.Definition{Name: "days", SQL: dailySQL, Together: 1 + round%2}); err != nil {
			t.Fatal(err)
		}
		e.stop()
		id, crashes := "", 0
		for try := 0; crashes < 5; try++ {
			store, crashed := crashing(t, base, seed+uint64(try), 30+rng.IntN(700))
			e, err := tryOpen(t, store, &fakeClock{at: utc("2020-01-10 12:00:00")})
			if err != nil {
				if e != nil {
					e.stop()
				}
				crashes++
				continue // it crashed while it started
			}
			if id == "" {
				if r, err := e.back.Run(t.Context(), "days", schedule.Span{From: utc("2020-01-01 00:00:00"), To: utc("2020-01-31 00:00:00")}, "anna"); err == nil {
					id = r.ID
				}
			}
			ended := func() bool {
				if id == "" {
					return true
				}
				r, err := e.back.RunOf(t.Context(), "days", id)
				return err == nil && r.State.Ended()
			}
			wait(t, "the crash", func() bool { return crashed() || ended() })
			if crashed() {
				crashes++
			}
			e.stop()
			if ended() && !crashed() {
				break
			}
		}
		e = open(t, base, &fakeClock{at: utc("2020-01-10 12:00:00")})
		if id == "" {
			id = e.byHand(t, "2020-01-01", "2020-01-31").ID
		}
		r := e.finish(t, "days", id)
		if r.State != schedule.Done || strings.Contains(r.Progress, ".") {
			t.Errorf("after %d crashes: %+v", crashes, r)
		}
		if got := e.rows(t, "SELECT * FROM daily"); !slices.Equal(got, want) {
			t.Errorf("after %d crashes: got %v, want %v", crashes, got, want)
		}
		e.committedOnce(t, 30)
		t.Logf("%d crashes, attempts %d", crashes, r.Attempts)
		e.stop()
	}
}

// crashing is a store over base from which everything fails from operation n on.
func crashing(t *testing.T, base objstore.Store, seed uint64, n int) (store *faultstore.Store, crashed func() bool) {
	t.Helper()
	store, err := faultstore.New(base, faultstore.Options{Seed: seed, Rules: fmt.Sprintf("any ** @%d: crash", n)})
	if err != nil {
		t.Fatal(err)
	}
	return store, func() bool { return store.Ops() >= int64(n) }
}

// committedOnce holds the history against the slices: each day in one commit.
func (e *engine) committedOnce(t *testing.T, days int) {
	t.Helper()
	n := map[string]int{}
	for slice, times := range e.slicesMade(t, "daily") {
		from, to, _ := strings.Cut(slice, "/")
		end, err := time.Parse(time.RFC3339, to)
		if err != nil {
			t.Fatal(err)
		}
		for at, err := time.Parse(time.RFC3339, from); at.Before(end); at = at.AddDate(0, 0, 1) {
			if err != nil {
				t.Fatal(err)
			}
			n[at.Format(time.DateOnly)] += times
		}
	}
	for day, times := range n {
		if times != 1 {
			t.Errorf("%s was committed %d times", day, times)
		}
	}
	if len(n) != days {
		t.Errorf("%d days were committed, want %d", len(n), days)
	}
}

// The same for the ticks of a schedule: each is run once, whatever the moment at which the process is gone.
func TestCrashesOfTicks(t *testing.T) {
	rounds := 6
	if testing.Short() {
		rounds = 2
	}
	for round := range rounds {
		seed := uint64(time.Now().UnixNano())
		t.Logf("seed %d", seed)
		rng := rand.New(rand.NewPCG(seed, 2))
		base := objstore.NewMem()
		e := open(t, base, &fakeClock{at: utc("2020-01-01 12:00:00")})
		e.run(t, readings)
		e.fill(t, "2020-01-01", 30)
		if _, err := e.back.Create(t.Context(), schedule.Definition{Name: "days", SQL: dailySQL, Cron: "0 3 * * *", CatchUp: "all", Together: 1 + 3*(round%2)}); err != nil {
			t.Fatal(err)
		}
		e.stop()
		day, crashes := 1, 0
		for try := 0; crashes < 6; try++ {
			store, crashed := crashing(t, base, seed+uint64(try), 20+rng.IntN(300))
			day = min(day+1+rng.IntN(5), 29)
			e, err := tryOpen(t, store, &fakeClock{at: utc("2020-01-01 12:00:00").AddDate(0, 0, day-1)})
			if err == nil {
				wait(t, "the crash", func() bool { return crashed() || e.lookedAt(t) })
			}
			if crashed() {
				crashes++
			}
			if e != nil {
				e.stop()
			}
			if day == 29 && !crashed() {
				break
			}
		}
		e = open(t, base, &fakeClock{at: utc("2020-01-31 12:00:00")})
		e.idle(t, "days")
		if got, want := e.rows(t, "SELECT * FROM daily"), e.rows(t, dailyWant); !slices.Equal(got, want) {
			t.Errorf("after %d crashes: got %v, want %v", crashes, got, want)
		}
		e.committedOnce(t, 30)
		if got := strings.Fields(e.ran(t)); len(got) != 30 || got[0] != "02" || got[29] != "31" {
			t.Errorf("ran %v", got)
		}
		t.Logf("%d crashes", crashes)
		e.stop()
	}
}

// lookedAt reports that everything due at the clock has been decided.
func (e *engine) lookedAt(t *testing.T) bool {
	t.Helper()
	b, err := e.back.Show("days")
	if err != nil {
		t.Fatal(err)
	}
	runs, err := e.back.History(t.Context(), "days", 0)
	if err != nil || slices.ContainsFunc(runs, func(r schedule.Run) bool { return !r.State.Ended() }) {
		return false // the store may have crashed
	}
	return b.Now != nil && b.Next != nil && b.Next.After(e.clock.now()) && b.Running == ""
}
