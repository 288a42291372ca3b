package expr

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestForeignNames: each hint names functions that are there, for a name that is not.
func TestForeignNames(t *testing.T) {
	called := regexp.MustCompile(`^([A-Z_]+)\(`)
	for name, here := range foreign {
		if Known(name) == nil || IsAggregate(name) {
			t.Errorf("%s is a function: it needs no hint", name)
		}
		m := called.FindStringSubmatch(here)
		if m != nil && Known(m[1]) != nil && !IsAggregate(m[1]) {
			t.Errorf("%s: the hint %s names no function", name, here)
		}
	}
	if err := Known("date_trunc"); err == nil || !strings.Contains(err.Error(), "no function DATE_TRUNC; write FLOOR(t TO DAY)") {
		t.Errorf("got %v", err)
	}
	if err := Known("uper"); err == nil || !strings.Contains(err.Error(), "did you mean UPPER?") {
		t.Errorf("got %v", err)
	}
	if !slices.Contains(Functions(), "UPPER") || Known("upper") != nil {
		t.Error("UPPER is unknown")
	}
}
