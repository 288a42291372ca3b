package bind_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/weir-lake/weir/compute/bind"
	"github.com/weir-lake/weir/compute/bind/bindtest"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/sql"
)

// TestExamples binds the statements of the quickstart in order: each table is kept by a
// plan without full recomputation, unique on its key where it is a materialized table.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("../../examples/flights/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	c, err := bindtest.New("")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		frags, err := sql.Split(string(text))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range frags {
			s, err := f.Parse()
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			checkExample(t, c, file, f.Text(), s)
		}
	}
}

func checkExample(t *testing.T, c *bindtest.Catalog, file, text string, s sql.Statement) {
	t.Helper()
	switch s.(type) {
	case *sql.Set, *sql.CallProcedure: // a procedure reads its own arguments
		return
	case *sql.CreateTable, *sql.CreateView:
		if err := c.Exec(text); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		return
	}
	n, err := c.Bind(text)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	validate(t, n)
	n = plan.Optimize(n)
	validate(t, n)
	if full := plan.NeedsFullRecompute(n); full != nil {
		t.Errorf("%s: %s recomputes everything", file, plan.Describe(full))
	}
	if _, ok := s.(*sql.CreateMaterializedTable); !ok {
		return
	}
	t.Logf("%s\n%s", file, plan.Explain(n))
	if !plan.SinkUnique(n.(*plan.Sink)) {
		t.Errorf("%s: the query is not unique on the table's key\n%s", file, plan.Explain(n))
	}
	if err := c.Exec(text); err != nil {
		t.Fatal(err)
	}
}

var _ bind.Catalog = (*bindtest.Catalog)(nil)
