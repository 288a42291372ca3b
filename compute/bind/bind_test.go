package bind_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/weir-lake/weir/compute/bind"
	"github.com/weir-lake/weir/compute/bind/bindtest"
	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/sql"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
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
	c.Opts.Params = []expr.Literal{{Value: int64(7), T: schema.TInt.WithNotNull(true)}}
	c.Opts.Named = map[string]expr.Literal{"name": {Value: "x", T: schema.TString}}
	return c
}

// TestFiles: "bind" prints the bound plan, "types" the columns, "define" the table of a
// CREATE; every plan is checked by validate.
func TestFiles(t *testing.T) {
	datadriven.Walk(t, "testdata/golden", func(t *testing.T, path string) {
		c := testCatalog(t)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "define":
				return define(c, d.Input)
			case "bind", "types":
				n, err := c.Bind(d.Input)
				if err != nil {
					return errorText(t, err)
				}
				validate(t, n)
				opt := plan.Optimize(n)
				validate(t, opt)
				if a, b := typeText(n), typeText(opt); a != b {
					t.Fatalf("Optimize changed the columns\nfrom %s\nto   %s\n%s\n%s", a, b, plan.Explain(n), plan.Explain(opt))
				}
				if d.Cmd == "types" {
					return typeText(n) + "\n"
				}
				return tree(n, 0)
			}
			t.Fatalf("unknown command %s", d.Cmd)
			return ""
		})
	})
}

func errorText(t *testing.T, err error) string {
	var placed *sql.Error
	if errkind.Of(err) != errkind.Invalid || !errors.As(err, &placed) {
		t.Fatalf("error without kind or place: %v", err)
	}
	return err.Error() + "\n"
}

func define(c *bindtest.Catalog, text string) string {
	if err := c.Exec(text); err != nil {
		return err.Error() + "\n"
	}
	s, _ := sql.Parse(text)
	var name string
	switch s := s.(type) {
	case *sql.CreateTable:
		name = s.Name.Last()
	case *sql.CreateMaterializedTable:
		name = s.Name.Last()
	default:
		return "ok\n"
	}
	r, _ := c.Relation(context.Background(), "default", name)
	var b strings.Builder
	for _, col := range r.Table.Columns {
		fmt.Fprintf(&b, "%s %s", col.Name, col.Type)
		if col.Computed != nil {
			fmt.Fprintf(&b, " AS %s", col.Computed)
		}
		if col.Metadata != "" {
			fmt.Fprintf(&b, " METADATA %s virtual=%v", col.Metadata, col.Virtual)
		}
		if col.Default != nil {
			fmt.Fprintf(&b, " DEFAULT '%s'", *col.Default)
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "key=%v partitions=%v options=%v\n", r.Table.PrimaryKey, r.Table.PartitionKeys, r.Table.Options)
	if w := r.Table.Watermark; w != nil {
		fmt.Fprintf(&b, "watermark %s AS %s\n", r.Table.Columns[w.Column].Name, w.Expr)
	}
	return b.String()
}

func tree(n plan.Node, depth int) string {
	out := strings.Repeat("  ", depth) + plan.Describe(n) + "\n"
	for _, in := range n.Inputs() {
		out += tree(in, depth+1)
	}
	return out
}

func typeText(n plan.Node) string {
	var parts []string
	for _, c := range n.Columns() {
		parts = append(parts, c.Name+" "+c.Type.String())
	}
	return strings.Join(parts, ", ")
}

// validate checks that every column reference of a plan exists and has the type it says.
func validate(t *testing.T, root plan.Node) {
	t.Helper()
	plan.Walk(root, func(n plan.Node) {
		check := func(e expr.Expr, cols []plan.Column) {
			plan.WalkExpr(e, func(x expr.Expr) {
				switch x := x.(type) {
				case *expr.Column:
					if x.Index < 0 || x.Index >= len(cols) {
						t.Fatalf("%s refers to column %d of %d\n%s", plan.Describe(n), x.Index, len(cols), plan.Explain(root))
					}
					if have := cols[x.Index].Type; !have.SameRoot(x.T) {
						t.Fatalf("%s: %s is %s in the input, %s in the expression\n%s", plan.Describe(n), x, have, x.T, plan.Explain(root))
					}
				case *expr.Literal, *expr.Call:
				default:
					t.Fatalf("%s: %T is left in the plan\n%s", plan.Describe(n), x, plan.Explain(root))
				}
			})
		}
		if j, ok := n.(*plan.Join); ok {
			l, r := j.Left.Columns(), j.Right.Columns()
			for i := range j.LeftKeys {
				check(j.LeftKeys[i], l)
				check(j.RightKeys[i], r)
				if !j.LeftKeys[i].Type().SameRoot(j.RightKeys[i].Type()) {
					t.Fatalf("join keys of types %s and %s", j.LeftKeys[i].Type(), j.RightKeys[i].Type())
				}
			}
			check(j.Residual, append(append([]plan.Column(nil), l...), r...))
			return
		}
		var cols []plan.Column
		if in := n.Inputs(); len(in) > 0 {
			cols = in[0].Columns()
		}
		for _, e := range plan.Exprs(n) {
			if e != nil {
				check(e, cols)
			}
		}
	})
}

// TestBounds: views over themselves and WITH queries that double end in an error.
func TestBounds(t *testing.T) {
	c := testCatalog(t)
	var b strings.Builder
	b.WriteString("WITH a0 AS (SELECT 1 AS x)")
	for i := 1; i < 20; i++ {
		fmt.Fprintf(&b, ", a%d AS (SELECT x FROM a%d UNION ALL SELECT x FROM a%d)", i, i-1, i-1)
	}
	b.WriteString(" SELECT * FROM a19")
	if _, err := c.Bind(b.String()); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Error(err)
	}
	loop := loopCatalog{}
	q, err := sql.ParseQuery("SELECT * FROM v")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bind.Query(context.Background(), loop, "SELECT * FROM v", q, bind.Options{}); err == nil || !strings.Contains(err.Error(), "defined over itself") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := bind.Query(ctx, loop, "SELECT * FROM v", q, bind.Options{}); errkind.Of(err) != errkind.Canceled {
		t.Error(err)
	}
}

type loopCatalog struct{}

func (loopCatalog) Relation(context.Context, string, string) (*bind.Relation, error) {
	return &bind.Relation{View: &bind.View{Database: "default", Text: "SELECT * FROM v"}}, nil
}
func (loopCatalog) Relations(context.Context, string) ([]string, error) { return []string{"v"}, nil }

func TestInterval(t *testing.T) {
	for text, want := range map[string]int64{
		"INTERVAL '1' SECOND": 1000, "INTERVAL '200' SECOND": 200_000, "INTERVAL '1.25' SECOND": 1250, "INTERVAL - '2' DAY": -172_800_000,
		"INTERVAL '1 02:03:04.005' DAY TO SECOND": 93_784_005, "INTERVAL '10:30' HOUR TO MINUTE": 37_800_000, "INTERVAL '1-6' YEAR TO MONTH": 18, "INTERVAL '2' WEEK": 1_209_600_000, "INTERVAL '2' QUARTER": 6,
	} {
		e, err := sql.ParseExpr(text)
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := bind.Interval(text, e.(*sql.Interval))
		if err != nil || got != want {
			t.Errorf("%s = %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"INTERVAL 'x' DAY", "INTERVAL '1-6' DAY", "INTERVAL '1.5' DAY", "INTERVAL '' DAY", "INTERVAL '1' DAY TO SECOND", "INTERVAL '99999999999999' DAY"} {
		e, err := sql.ParseExpr(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := bind.Interval(text, e.(*sql.Interval)); !errors.Is(err, bind.ErrType) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestScalar(t *testing.T) {
	cols := []plan.Column{{Name: "a", Type: schema.TInt}, {Name: "b", Type: schema.TString}}
	e, err := sql.ParseExpr("a > 1 AND b LIKE 'x%'")
	if err != nil {
		t.Fatal(err)
	}
	got, err := bind.Condition(context.Background(), "", e, cols, bind.Options{})
	if err != nil || got.Type().Kind != schema.Boolean {
		t.Fatal(got, err)
	}
	if _, err := bind.Condition(context.Background(), "a", &sql.ColumnRef{Name: sql.Name{{Text: "a"}}}, cols, bind.Options{}); !errors.Is(err, bind.ErrType) {
		t.Error(err)
	}
	sub, _ := sql.ParseExpr("a IN (SELECT 1)")
	if _, err := bind.Scalar(context.Background(), "", sub, cols, bind.Options{}); !errors.Is(err, bind.ErrQuery) {
		t.Error(err)
	}
}

// FuzzBind: no statement panics the binder or the rewrites.
func FuzzBind(f *testing.F) {
	for _, file := range []string{"select", "join", "subquery", "aggregate", "insert"} {
		text, err := os.ReadFile("testdata/golden/" + file + ".txt")
		if err != nil {
			f.Fatal(err)
		}
		for _, block := range strings.Split(string(text), "\n\n") {
			if _, rest, ok := strings.Cut(block, "\n"); ok {
				input, _, _ := strings.Cut(rest, "\n----")
				f.Add(input)
			}
		}
	}
	c := testCatalog(f)
	f.Fuzz(func(t *testing.T, text string) {
		n, err := c.Bind(text)
		if err != nil {
			return
		}
		validate(t, n)
		opt := plan.Optimize(n)
		validate(t, opt)
		plan.Explain(opt)
		plan.Lineage(opt)
		plan.UniqueKeys(opt)
	})
}
