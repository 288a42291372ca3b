package expr

import (
	"strings"
	"testing"
)

// Editors show a line for each function; a new function needs one.
func TestEveryFunctionHasASummary(t *testing.T) {
	known := map[string]bool{}
	for _, name := range append(Functions(), Aggregates()...) {
		known[name] = true
		if s := Summary(name); s == "" || strings.HasSuffix(s, ".") || strings.Contains(s, "\n") {
			t.Errorf("%s: summary %q", name, s)
		}
	}
	for _, name := range Aggregates() {
		if f := AggregateForm(name); !strings.HasPrefix(f, name+"(") {
			t.Errorf("%s: form %q", name, f)
		}
	}
	for name := range summaries {
		if !known[name] {
			t.Errorf("%s is no function", name)
		}
	}
	if Summary("mod") != Summary("%") || len(Aliases("SUBSTRING")) == 0 || Summary("no such") != "" {
		t.Error("aliases are not followed")
	}
}
