package olap

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// A query of the low class starts when no other runs, and one at a time.
func TestLowClassStandsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAdmission(2, 4)
		leave, err := a.enter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		started := make(chan func(), 2)
		for range 2 {
			go func() {
				l, err := a.enterLow(t.Context())
				if err != nil {
					t.Error(err)
				}
				started <- l
			}()
		}
		time.Sleep(lowWaitMax / 2)
		if len(started) != 0 {
			t.Fatal("it started beside another query, with a slot free")
		}
		leave()
		time.Sleep(2 * lowLook)
		if len(started) != 1 {
			t.Fatalf("%d of the low class run, want 1", len(started))
		}
		first := <-started
		if other, err := a.enter(t.Context()); err != nil {
			t.Fatal(err)
		} else {
			other()
		}
		first()
		first()
		time.Sleep(2 * lowLook)
		(<-started)()
		if running, waiting := a.load(); running+waiting != 0 {
			t.Fatalf("%d run, %d wait at the end", running, waiting)
		}
	})
}

// Standing back ends: a service that is never idle still answers it.
func TestLowClassEndsStandingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAdmission(2, 4)
		leave, err := a.enter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer leave()
		from := time.Now()
		low, err := a.enterLow(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		low()
		if waited := time.Since(from); waited != lowWaitMax {
			t.Errorf("it stood back for %s, want %s", waited, lowWaitMax)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := a.enterLow(ctx); err == nil {
			t.Error("it started although its context ended while it stood back")
		}
		if len(a.low) != 0 {
			t.Error("the place of the low class is not given back")
		}
	})
}
