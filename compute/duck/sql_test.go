//go:build duckdb_arrow

package duck_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weir-lake/weir/compute/bind"
	"github.com/weir-lake/weir/compute/bind/bindtest"
	"github.com/weir-lake/weir/compute/duck"
	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/sql"
	"github.com/weir-lake/weir/compute/stream"
)

const sqlTables = `
CREATE TABLE t (k INT, v INT, s STRING, d DOUBLE, m DECIMAL(10, 2), b BOOLEAN, ts TIMESTAMP(3), WATERMARK FOR ts AS ts);
CREATE TABLE u (k INT, x INT, n STRING, y DOUBLE);
`

// sqlRows fills both tables with few distinct values, so that keys meet and ties occur.
func sqlRows(seed uint64, n int) warehouse {
	rnd := rand.New(rand.NewPCG(seed, 9))
	pick := func(values ...any) any { return values[rnd.IntN(len(values))] }
	small := func() any { return pick(nil, int64(0), int64(1), int64(2), int64(3), int64(-1)) }
	double := func() any { return pick(nil, 0.1, 0.2, 0.3, 1e16, -1e16, math.NaN(), 2.5, math.Copysign(0, -1), 0.0) }
	t, u := relation{cols: []plan.Column{}}, relation{}
	for range n {
		t.rows = append(t.rows, []any{
			small(), small(), pick(nil, "", "a", "abc", "b", "bcb", "ä"), double(), pick(nil, dec(100), dec(-250), dec(333)),
			pick(nil, true, false), pick(nil, int64(0), int64(1000), int64(61_000), int64(-1), int64(150_000), int64(299_999)),
		})
	}
	for range n / 3 {
		u.rows = append(u.rows, []any{small(), small(), pick(nil, "a", "b", "ä"), double()})
	}
	return warehouse{"t": t, "u": u}
}

// sqlQueries are the statements of testdata/queries.sql.
func sqlQueries(t *testing.T) []string {
	t.Helper()
	script, err := os.ReadFile("testdata/queries.sql")
	if err != nil {
		t.Fatal(err)
	}
	frags, err := sql.Split(string(script))
	if err != nil {
		t.Fatal(err)
	}
	out := make([]string, len(frags))
	for i, f := range frags {
		out[i] = f.Text()
	}
	return out
}

func bound(t *testing.T, text string) plan.Node {
	t.Helper()
	cat, err := bindtest.New(sqlTables)
	if err != nil {
		t.Fatal(err)
	}
	q, err := sql.ParseQuery(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	root, err := bind.Query(t.Context(), cat, text, q, bind.Options{})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return root
}

// part is the scan's columns of some rows of its table.
func part(w warehouse, s *plan.Scan, from, to int) arrow.RecordBatch {
	r := relation{cols: s.Columns()}
	for _, row := range w[s.Table.Name].rows[from:to] {
		cut := make([]any, len(s.Out))
		for i, c := range s.Out {
			cut[i] = row[c]
		}
		r.rows = append(r.rows, cut)
	}
	return r.batch()
}

// scanWarehouse resolves a scan to the columns it reads.
type scanWarehouse struct{ warehouse }

func (w scanWarehouse) Resolve(_ context.Context, s *plan.Scan) (duck.Source, error) {
	b := part(w.warehouse, s, 0, len(w.warehouse[s.Table.Name].rows))
	in := batches(b.Schema(), b)
	return duck.Source{Arrow: &in}, nil
}

// streamed runs the plan as a stream over three epochs and returns its final rows.
func streamed(t *testing.T, root plan.Node, w warehouse) ([]string, error) {
	t.Helper()
	d, err := stream.Compile(root, stream.Options{AllowFullRecompute: true})
	if err != nil {
		return nil, err
	}
	rows := map[string]int{}
	const epochs = 3
	for e := range epochs {
		in := map[int][]stream.Delta{}
		for i, s := range d.Sources() {
			n := len(w[s.Table.Name].rows)
			in[i] = []stream.Delta{{Rows: part(w, s, n*e/epochs, n*(e+1)/epochs)}}
		}
		out, err := d.Step(t.Context(), stream.Epoch{ID: int64(e + 1), Clock: testEnv.Clock}, in)
		if err != nil {
			return nil, err
		}
		for _, delta := range out {
			for r := range int(delta.Rows.NumRows()) {
				weight := 1
				if delta.Weights != nil {
					weight = int(delta.Weights[r])
				}
				rows[rowLine(delta.Rows, r)] += weight
			}
		}
	}
	var lines []string
	for line, n := range rows {
		if n < 0 {
			return nil, fmt.Errorf("row %s is left %d times", line, n)
		}
		for range n {
			lines = append(lines, line)
		}
	}
	slices.Sort(lines)
	return lines, nil
}

func rowLine(b arrow.RecordBatch, r int) string {
	parts := make([]string, b.NumCols())
	for c := range parts {
		parts[c] = b.Column(c).ValueStr(r)
	}
	return line(parts)
}

// line is a row as text. The zeros of floating numbers are one value: streams keep one of them.
func line(parts []string) string {
	for i, v := range parts {
		if v == "-0" {
			parts[i] = "0"
		}
	}
	return strings.Join(parts, " ")
}

func batched(t *testing.T, p *duck.Pool, root plan.Node, w warehouse) ([]string, error) {
	t.Helper()
	r, err := duck.Execute(t.Context(), p, root, scanWarehouse{w}, duck.ExecOptions{Exact: true, Env: expr.Env{Clock: testEnv.Clock}})
	if err != nil {
		return nil, err
	}
	got, err := rowsOf(r)
	lines := make([]string, len(got))
	for i, g := range got {
		lines[i] = line(g)
	}
	slices.Sort(lines)
	return lines, err
}

// A query over the same rows has the same result as a stream and in DuckDB, bit by bit.
func TestStreamEqualsBatch(t *testing.T) {
	p := newPool(t, duck.Options{Workers: 1})
	seeds := uint64(3)
	if testing.Short() {
		seeds = 1
	}
	for _, text := range sqlQueries(t) {
		failed := false
		for seed := uint64(0); seed < seeds && !failed; seed++ {
			w := sqlRows(seed, 40)
			for name, root := range map[string]plan.Node{"bound": bound(t, text), "optimized": plan.Optimize(bound(t, text))} {
				want, err := streamed(t, root, w)
				if err != nil {
					t.Errorf("%s (%s): stream: %v", text, name, err)
					failed = true
					continue
				}
				got, err := batched(t, p, root, w)
				if err != nil {
					t.Errorf("%s (%s): DuckDB: %v", text, name, err)
					failed = true
					continue
				}
				if !slices.Equal(got, want) {
					failed = true
					t.Errorf("%s (%s, seed %d):\n DuckDB %s\n stream %s", text, name, seed, differences(got, want), differences(want, got))
				}
			}
		}
	}
}

// differences are the lines of a that b lacks, a few of them.
func differences(a, b []string) []string {
	left := map[string]int{}
	for _, l := range b {
		left[l]++
	}
	var out []string
	for _, l := range a {
		if left[l]--; left[l] < 0 && len(out) < 5 {
			out = append(out, l)
		}
	}
	return out
}

// The plans of the quickstart's tables are printed as DuckDB takes them.
func TestQuickstartPlansRun(t *testing.T) {
	names, err := filepath.Glob("../../examples/flights/*.sql")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	cat, err := bindtest.New("")
	if err != nil {
		t.Fatal(err)
	}
	p := newPool(t, duck.Options{Workers: 1})
	plans := 0
	for _, name := range names {
		script, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		frags, err := sql.Split(string(script))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range frags {
			text := f.Text()
			if root, err := cat.Plan(text); err == nil {
				plans++
				check(t, p, emptyTables{}, root, duck.ExecOptions{Exact: true, Env: testEnv})
			}
			if err := cat.Exec(text); err != nil && strings.HasPrefix(strings.TrimSpace(text), "CREATE TABLE") {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
	if plans < 5 {
		t.Errorf("only %d plans were found", plans)
	}
}

// emptyTables resolves every scan to no rows.
type emptyTables struct{}

func (emptyTables) Resolve(context.Context, *plan.Scan) (duck.Source, error) {
	return duck.Source{Files: []string{}}, nil
}
