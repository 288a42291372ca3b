//go:build duckdb_arrow

package duck_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/weir-lake/weir/compute/duck"
	"github.com/weir-lake/weir/compute/plan"
)

var rewrite = flag.Bool("rewrite", false, "write the printed SQL into testdata/print.txt")

// printed are queries whose text is kept, one for each way of printing.
var printed = []string{
	"SELECT k + 1, v / 2, UPPER(s) FROM t WHERE d > 0.5 AND s LIKE 'a%' AND 10 / k > 1",
	"SELECT k, SUM(v), AVG(d), COUNT(DISTINCT s), LISTAGG(s) FROM t GROUP BY k HAVING COUNT(*) > 1",
	"SELECT t.k, u.n FROM t LEFT JOIN u ON t.k = u.k AND t.v < u.x",
	"SELECT k FROM t WHERE k NOT IN (SELECT k FROM u)",
	"SELECT window_start, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
	"SELECT k, v FROM (SELECT k, v, ROW_NUMBER() OVER (PARTITION BY k ORDER BY v DESC) AS rn FROM t) WHERE rn <= 3",
	"SELECT s FROM t ORDER BY v LIMIT 5",
	"SELECT k FROM t UNION SELECT x FROM u",
}

// The text sent to DuckDB changes only on purpose: run with -rewrite and read the difference.
func TestPrintedText(t *testing.T) {
	w := scanWarehouse{sqlRows(0, 3)}
	var b strings.Builder
	for _, text := range printed {
		for _, exact := range []bool{false, true} {
			q, err := duck.Print(t.Context(), plan.Optimize(bound(t, text)), w, duck.ExecOptions{Exact: exact})
			if err != nil {
				t.Fatal(err)
			}
			if exact && !strings.Contains(q.SQL, "weir_avg") {
				continue
			}
			fmt.Fprintf(&b, "%s (exact %t)\n----\n%s\n", text, exact, q.SQL)
			for _, u := range q.UDFs {
				fmt.Fprintf(&b, "-- %s: %s %s%v\n", u.Name, u.Kind, u.Expr.Fn, u.Args)
			}
			b.WriteString("\n")
		}
	}
	const file = "testdata/print.txt"
	if *rewrite {
		if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("the printed text differs from %s; it is\n%s", file, b.String())
	}
}
