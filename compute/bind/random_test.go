package bind_test

import (
	"database/sql"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/weir-lake/weir/compute/bind/bindtest"
	"github.com/weir-lake/weir/compute/plan"
)

// TestRandomQueries: random queries give the rows SQLite gives, bound and rewritten.
func TestRandomQueries(t *testing.T) {
	c, err := bindtest.New(bindtest.RandomTables)
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, ddl := range strings.Split(strings.ReplaceAll(bindtest.RandomTables, "NOT ENFORCED", ""), ";") {
		if _, err := db.Exec(ddl); err != nil {
			t.Fatal(err)
		}
	}
	const queries = 600
	refused, withRows := 0, 0
	for seed := range uint64(queries) {
		data := randomTables(t, db, seed)
		q := bindtest.RandomQuery(rand.New(rand.NewPCG(seed, 2)), 1+int(seed%3))
		bound, err := c.Bind(q)
		if err != nil {
			if !strings.Contains(err.Error(), "not supported") {
				t.Fatalf("seed %d: %s\n%v", seed, q, err)
			}
			refused++
			continue
		}
		validate(t, bound)
		want := sqliteRows(t, db, q)
		if len(want) > 0 {
			withRows++
		}
		opt := plan.Optimize(bound)
		validate(t, opt)
		if a, b := plan.Explain(opt), plan.Explain(plan.Optimize(opt)); a != b {
			t.Fatalf("seed %d: rewriting again changes the plan of %s from\n%s\nto\n%s", seed, q, a, b)
		}
		for name, n := range map[string]plan.Node{"bound": bound, "rewritten": opt} {
			got, retracts := streamRows(t, n, data)
			checkClaims(t, n, got, retracts)
			if strings.Join(got, "\n") != strings.Join(want, "\n") {
				t.Fatalf("seed %d, %s plan of\n%s\n%s\ngot  %v\nwant %v", seed, name, q, plan.Explain(n), got, want)
			}
		}
	}
	t.Logf("%d refused, %d with rows of %d", refused, withRows, queries)
	if refused > queries/5 || withRows < queries/4 {
		t.Errorf("%d of %d queries refused, %d with rows", refused, queries, withRows)
	}
}
