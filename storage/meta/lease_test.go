package meta_test

import (
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/internal/testpeer"
	"github.com/weir-lake/weir/storage/meta"
)

func onEachWithClock(t *testing.T, fn func(t *testing.T, db *meta.DB, c *clock)) {
	run := func(t *testing.T, opts meta.Options) {
		c := &clock{now: time.UnixMilli(1_700_000_000_000)}
		opts.Now = c.Now
		db, err := meta.Open(t.Context(), opts)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		fn(t, db, c)
	}
	t.Run("SQLite", func(t *testing.T) { run(t, meta.Options{Path: filepath.Join(t.TempDir(), "m.db")}) })
	t.Run("PostgreSQL", func(t *testing.T) { run(t, meta.Options{DSN: testpeer.Postgres(t)}) })
}

func TestLeaseLife(t *testing.T) {
	onEachWithClock(t, func(t *testing.T, db *meta.DB, c *clock) {
		ctx := t.Context()
		a, err := db.Acquire(ctx, "compact/t", "a", time.Minute)
		if err != nil || a.Term != 1 || !a.Expires.Equal(c.Now().Add(time.Minute)) {
			t.Fatalf("got %+v, %v", a, err)
		}
		_, err = db.Acquire(ctx, "compact/t", "b", time.Minute)
		if !errors.Is(err, meta.ErrLeaseHeld) || !errkind.Is(err, errkind.Conflict) || !strings.Contains(err.Error(), "a has it until 2023-11-14T22:14:20Z") {
			t.Errorf("held: %v", err)
		}
		if _, err := db.Acquire(ctx, "compact/other", "b", time.Minute); err != nil {
			t.Errorf("another name: %v", err)
		}
		c.add(50 * time.Second)
		if a, err = db.Renew(ctx, a, time.Minute); err != nil {
			t.Fatal(err)
		}
		c.add(50 * time.Second)
		if _, err := db.Acquire(ctx, "compact/t", "b", time.Minute); !errors.Is(err, meta.ErrLeaseHeld) {
			t.Errorf("renewed: %v", err)
		}
		c.add(10 * time.Second) // exactly its end
		b, err := db.Acquire(ctx, "compact/t", "b", time.Minute)
		if err != nil || b.Term != 2 {
			t.Fatalf("expired: %+v, %v", b, err)
		}
		if _, err := db.Renew(ctx, a, time.Minute); !errors.Is(err, meta.ErrLeaseLost) {
			t.Errorf("renew of a lost lease: %v", err)
		}
		if err := db.Release(ctx, a); !errors.Is(err, meta.ErrLeaseLost) {
			t.Errorf("release of a lost lease: %v", err)
		}
		if err := db.Release(ctx, b); err != nil {
			t.Fatal(err)
		}
		if err := db.Release(ctx, b); !errors.Is(err, meta.ErrLeaseLost) {
			t.Errorf("released twice: %v", err)
		}
		if a, err = db.Acquire(ctx, "compact/t", "a", time.Minute); err != nil || a.Term != 3 {
			t.Errorf("after release: %+v, %v", a, err)
		}
	})
}

// An owner that comes back takes its own lease at once, with a new term that shuts
// its earlier self out.
func TestLeaseTakenAgainByItsOwner(t *testing.T) {
	onEachWithClock(t, func(t *testing.T, db *meta.DB, _ *clock) {
		first, err := db.Acquire(t.Context(), "n", "a", time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		second, err := db.Acquire(t.Context(), "n", "a", time.Minute)
		if err != nil || second.Term != first.Term+1 {
			t.Errorf("got %+v, %v", second, err)
		}
		if _, err := db.Renew(t.Context(), first, time.Minute); !errors.Is(err, meta.ErrLeaseLost) {
			t.Errorf("the earlier self renewed: %v", err)
		}
	})
}

func TestLeaseRenewedAfterItsEndIfNobodyTookIt(t *testing.T) {
	onEachWithClock(t, func(t *testing.T, db *meta.DB, c *clock) {
		l, err := db.Acquire(t.Context(), "n", "a", time.Second)
		if err != nil {
			t.Fatal(err)
		}
		c.add(time.Hour)
		if l, err = db.Renew(t.Context(), l, time.Second); err != nil || !l.Expires.After(c.Now()) {
			t.Errorf("got %+v, %v", l, err)
		}
	})
}

func TestLeaseHasOneWinner(t *testing.T) {
	onEachWithClock(t, func(t *testing.T, db *meta.DB, c *clock) {
		for range 10 {
			var won atomic.Int64
			var wg sync.WaitGroup
			for _, owner := range strings.Split("abcdefgh", "") {
				wg.Go(func() {
					_, err := db.Acquire(t.Context(), "n", owner, time.Minute)
					switch {
					case err == nil:
						won.Add(1)
					case !errors.Is(err, meta.ErrLeaseHeld):
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if won.Load() != 1 {
				t.Fatalf("%d winners", won.Load())
			}
			c.add(time.Hour)
		}
	})
}

func TestLeaseMisuse(t *testing.T) {
	onEachWithClock(t, func(t *testing.T, db *meta.DB, _ *clock) {
		for _, err := range []error{
			second(db.Acquire(t.Context(), "", "a", time.Minute)),
			second(db.Acquire(t.Context(), "n", "", time.Minute)),
			second(db.Acquire(t.Context(), "n", "a", 0)),
		} {
			if !errkind.Is(err, errkind.Bug) {
				t.Errorf("got %v", err)
			}
		}
	})
}

func second(_ meta.Lease, err error) error { return err }

// Without a clock of its own a PostgreSQL lease goes by the server's.
func TestLeaseByServerClock(t *testing.T) {
	db, err := meta.Open(t.Context(), meta.Options{DSN: testpeer.Postgres(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	l, err := db.Acquire(t.Context(), "n", "a", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(l.Expires); left < 30*time.Second || left > 90*time.Second {
		t.Errorf("expires in %s", left)
	}
}
