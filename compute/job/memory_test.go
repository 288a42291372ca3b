package job

import (
	"errors"
	"strings"
	"testing"

	"github.com/weir-lake/weir/internal/errkind"
)

func TestBudgetBlamesWhoGrows(t *testing.T) {
	b := newBudget(100)
	for _, c := range []struct {
		holder string
		bytes  int64
		total  int64
		ok     bool
	}{
		{"a", 60, 60, true},
		{"b", 40, 100, true},
		{"b", 50, 110, false}, // b grew over the limit
		{"a", 60, 110, true},  // a did not
		{"a", 55, 105, true},  // nor when it shrinks
		{"a", 56, 106, false},
		{"b", 0, 56, true}, // b is stopped
		{"a", 99, 99, true},
		{"a", 0, 0, true},
	} {
		if total, ok := b.set(c.holder, c.bytes); total != c.total || ok != c.ok {
			t.Errorf("%s %d: total %d, ok %v; want %d, %v", c.holder, c.bytes, total, ok, c.total, c.ok)
		}
	}
	if b.used() != 0 || len(b.mu.held) != 0 {
		t.Errorf("%d bytes of %v are left", b.used(), b.mu.held)
	}
}

func TestOverBudgetNamesTheLargestOperatorAndIsFinal(t *testing.T) {
	err := overBudget([]Operator{{Name: "0 Scan"}, {Name: "2 Join", StateBytes: 3 << 20, StateRows: 77}, {Name: "sink default.t", StateBytes: 1 << 20}}, 4<<20, 9<<30, 8<<30)
	for _, part := range []string{"operator 2 Join holds 3.0 MiB in 77 rows", "over the limit of 8.0 GiB", "--state-memory"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in: %v", part, err)
		}
	}
	if !errors.Is(err, ErrStateMemory) || !errkind.Is(err, errkind.Exhausted) || !final(err) {
		t.Errorf("kind %v, final %v", errkind.Of(err), final(err))
	}
}
