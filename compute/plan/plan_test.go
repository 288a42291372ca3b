package plan_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/weir-lake/weir/compute/bind/bindtest"
	"github.com/weir-lake/weir/compute/plan"
)

func testCatalog(t testing.TB) *bindtest.Catalog {
	t.Helper()
	ddl, err := os.ReadFile("testdata/tables.sql")
	if err != nil {
		t.Fatal(err)
	}
	c, err := bindtest.New(string(ddl))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestFiles: "explain" prints the rewritten plan, "keys" its unique keys and whether it
// only appends, "lineage" the sources of its columns.
func TestFiles(t *testing.T) {
	datadriven.Walk(t, "testdata/golden", func(t *testing.T, path string) {
		c := testCatalog(t)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			n, err := c.Plan(d.Input)
			if err != nil {
				return err.Error() + "\n"
			}
			if a, b := plan.Explain(n), plan.Explain(plan.Optimize(n)); a != b {
				t.Fatalf("rewriting again changes the plan from\n%s\nto\n%s", a, b)
			}
			switch d.Cmd {
			case "explain":
				return plan.Explain(n)
			case "keys":
				return keysText(n)
			case "lineage":
				return lineageText(n)
			}
			t.Fatalf("unknown command %s", d.Cmd)
			return ""
		})
	})
}

func keysText(n plan.Node) string {
	names := plan.Names(n)
	var parts []string
	for _, k := range plan.UniqueKeys(n) {
		cols := make([]string, len(k))
		for i, c := range k {
			cols[i] = names[c]
		}
		parts = append(parts, "("+strings.Join(cols, ", ")+")")
	}
	out := fmt.Sprintf("keys: %s; append-only: %v", strings.Join(parts, " "), plan.AppendOnly(n))
	if s, ok := n.(*plan.Sink); ok {
		out += fmt.Sprintf("; unique on the sink's key: %v", plan.SinkUnique(s))
	}
	if f := plan.NeedsFullRecompute(n); f != nil {
		out += "; full: " + plan.Describe(f)
	}
	return out + "\n"
}

func lineageText(n plan.Node) string {
	var b strings.Builder
	for _, c := range plan.Lineage(n) {
		fmt.Fprintf(&b, "%s <- %s | %s\n", c.Name, sourcesText(c.Direct), sourcesText(c.Indirect))
	}
	return b.String()
}

func sourcesText(s []plan.Influence) string {
	parts := make([]string, len(s))
	for i, x := range s {
		parts[i] = x.Table + "." + x.Column
		if x.Kind != plan.Identity {
			parts[i] += ":" + string(x.Kind)
		}
	}
	return strings.Join(parts, " ")
}
