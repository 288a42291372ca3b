package bind_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weir-lake/weir/compute/bind/bindtest"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/sql"
)

// BenchmarkPlan is what a statement costs before it runs: parse, bind and rewrite.
func BenchmarkPlan(b *testing.B) {
	c := testCatalog(b)
	for name, text := range map[string]string{
		"point": "SELECT carrier, flight FROM flights WHERE carrier = 'AA' AND flight = 1",
		"join":  "SELECT f.carrier, a.name, COUNT(*) FROM flights f JOIN airlines a ON f.carrier = a.carrier WHERE dep_delay > 10 GROUP BY f.carrier, a.name ORDER BY 3 DESC LIMIT 5",
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := c.Plan(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestLongStatements: statements as generators write them are bound in time that follows
// their length, and chains as deep as the parser lets through do not exhaust anything.
func TestLongStatements(t *testing.T) {
	c, err := bindtest.New("CREATE TABLE a (x INT NOT NULL, y INT, s STRING); CREATE TABLE b (x INT, z INT)")
	if err != nil {
		t.Fatal(err)
	}
	var values strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&values, "(%d, %d, 'x'), ", i, i)
	}
	for name, text := range map[string]string{
		"values":     "INSERT INTO a VALUES " + values.String() + "(1, 2, 'y')",
		"in":         "SELECT x FROM a WHERE x IN (" + strings.Repeat("1, ", 20_000) + "2)",
		"and":        "SELECT x FROM a WHERE x = 1" + strings.Repeat(" AND x = 1", 1999),
		"plus":       "SELECT x" + strings.Repeat(" + x", 1999) + " FROM a",
		"group plus": "SELECT SUM(x)" + strings.Repeat(" + y", 1999) + " FROM a GROUP BY y, x + y",
		"union":      "SELECT x FROM a" + strings.Repeat(" UNION ALL SELECT x FROM a", 300),
		"except":     "SELECT x FROM a" + strings.Repeat(" EXCEPT SELECT x FROM a", 200),
		"joins":      "SELECT a.x FROM a" + joins(60),
		"nested":     "SELECT " + strings.Repeat("(", 60) + "x" + strings.Repeat(")", 60) + " FROM " + strings.Repeat("(SELECT x FROM ", 30) + "a" + strings.Repeat(")", 30),
		"case":       "SELECT CASE" + strings.Repeat(" WHEN x = 1 THEN y", 2000) + " END FROM a",
	} {
		n, err := c.Plan(text)
		if err != nil {
			t.Errorf("%s: %v", name, shorten(err.Error()))
			continue
		}
		validate(t, n)
		if len(plan.Explain(n)) == 0 {
			t.Errorf("%s: no plan", name)
		}
		if s, err := sql.Parse(text); err != nil || len(sql.Format(s)) == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func shorten(s string) string { return s[:min(len(s), 300)] }

func joins(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, " JOIN b AS b%d ON b%d.x = a.x", i, i)
	}
	return b.String()
}
