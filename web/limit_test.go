package web

import (
	"fmt"
	"testing"
)

func TestLimiterCountsClientsApart(t *testing.T) {
	l := newLimiter(0.001, 3)
	for i := range 3 {
		if !l.allow("a") {
			t.Errorf("request %d was refused", i)
		}
	}
	if l.allow("a") {
		t.Error("a fourth request passed")
	}
	if !l.allow("b") {
		t.Error("another client pays for the first")
	}
	for i := range clientsMax + 10 {
		l.allow(fmt.Sprint(i))
	}
	if n := len(l.mu.clients); n > clientsMax {
		t.Errorf("%d clients are remembered", n)
	}
	none := newLimiter(-1, 1)
	for range 3 {
		if !none.allow("a") {
			t.Error("a limit that is off refuses")
		}
	}
}
