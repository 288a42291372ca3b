package bind_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"sort"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	_ "modernc.org/sqlite" // the oracle: an SQL engine that shares nothing with this one

	"github.com/weir-lake/weir/compute/bind/bindtest"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/stream"
	"github.com/weir-lake/weir/table/schema"
)

// oracleQueries are answered the same by SQLite, in the same text.
var oracleQueries = []string{
	"SELECT x, y, s FROM a WHERE y > 1 AND NOT x = 2 OR s IS NULL",
	"SELECT a.x, b.z FROM a, b WHERE a.x = b.x AND b.z > 1",
	"SELECT a.x, b.z, b.s FROM a LEFT JOIN b ON a.x = b.x AND b.z > a.y",
	"SELECT a.x, b.z FROM a LEFT JOIN b ON a.x = b.x WHERE b.z > 1",
	"SELECT a.x, b.z FROM a LEFT JOIN b ON a.x = b.x WHERE b.z IS NULL AND a.y >= 1",
	"SELECT a.x, b.x, b.z FROM a FULL JOIN b ON a.x = b.x WHERE a.y = 1",
	"SELECT a.y, b.z, c.w FROM a FULL JOIN b ON a.s = b.s LEFT JOIN c ON c.x = b.z",
	"SELECT x, s, y, z FROM a JOIN b USING (x, s)",
	"SELECT x, y, w FROM a LEFT JOIN c USING (x) WHERE w > 0 OR w IS NULL",
	"SELECT s, COUNT(*), SUM(x), MIN(y), MAX(y), COUNT(y), COUNT(DISTINCT y) FROM a GROUP BY s",
	"SELECT s, SUM(x) FROM a WHERE y > 0 GROUP BY s HAVING COUNT(*) > 1 AND s <> 'p'",
	"SELECT COUNT(*), SUM(y) FROM a WHERE x > 100",
	"SELECT COUNT(*) FROM a HAVING COUNT(*) > 1",
	"SELECT x + 1 AS k, COUNT(*) FROM a GROUP BY x + 1 HAVING x + 1 > 2",
	"SELECT k, n FROM (SELECT x AS k, COUNT(*) AS n FROM a GROUP BY x) AS t WHERE k = 1 AND n > 0",
	"SELECT DISTINCT s, y FROM a",
	"SELECT x FROM a UNION ALL SELECT z FROM b UNION ALL SELECT w FROM c",
	"SELECT s FROM a UNION SELECT s FROM b",
	"SELECT x FROM a INTERSECT SELECT x FROM b",
	"SELECT x, s FROM a EXCEPT SELECT x, s FROM b",
	"SELECT k FROM (SELECT x AS k, s FROM a UNION SELECT z, s FROM b) AS t WHERE k > 1",
	"SELECT x, y FROM a WHERE x IN (SELECT z FROM b)",
	"SELECT x, y FROM a WHERE y NOT IN (SELECT w FROM c)",
	"SELECT x, y FROM a WHERE y NOT IN (SELECT w FROM c WHERE w IS NOT NULL)",
	"SELECT x, y FROM a WHERE x NOT IN (SELECT x FROM b)",
	"SELECT x, y FROM a WHERE y NOT IN (SELECT z FROM b WHERE b.s = a.s)",
	"SELECT x, y FROM a WHERE y IN (SELECT z FROM b WHERE b.s = a.s AND b.x > a.x)",
	"SELECT x, y IN (SELECT w FROM c) FROM a",
	"SELECT x, y NOT IN (SELECT w FROM c WHERE w > 1) FROM a",
	"SELECT x FROM a WHERE EXISTS (SELECT 1 FROM b WHERE b.x = a.x AND b.z > 1)",
	"SELECT x FROM a WHERE NOT EXISTS (SELECT 1 FROM b WHERE b.s = a.s AND b.z < a.y)",
	"SELECT x FROM a WHERE EXISTS (SELECT 1 FROM b WHERE b.x = a.x) OR y = 1",
	"SELECT x, EXISTS (SELECT 1 FROM b WHERE b.s = a.s) FROM a",
	"SELECT x, EXISTS (SELECT 1 FROM b WHERE b.z > 100), NOT EXISTS (SELECT 1 FROM c) FROM a",
	"SELECT x, (SELECT MAX(z) FROM b) FROM a",
	"SELECT x, (SELECT MAX(z) FROM b WHERE b.s = a.s) FROM a",
	"SELECT x, (SELECT COUNT(*) FROM b WHERE b.s = a.s) FROM a",
	"SELECT x, (SELECT COUNT(*) * 10 + COUNT(z) FROM b WHERE b.x = a.x AND b.s = a.s) FROM a",
	"SELECT x, (SELECT COALESCE(SUM(z), 7) FROM b WHERE b.x = a.y) FROM a",
	"SELECT s, SUM(x), (SELECT COUNT(*) FROM b WHERE b.s = a.s) FROM a GROUP BY s",
	"SELECT x FROM a WHERE y > (SELECT MIN(z) FROM b WHERE b.s = a.s)",
	"SELECT x FROM a WHERE EXISTS (SELECT 1 FROM b WHERE b.x = a.x AND EXISTS (SELECT 1 FROM c WHERE c.x = b.z))",
	"SELECT x FROM a WHERE EXISTS (SELECT 1 FROM b JOIN c ON b.z = c.w WHERE b.s = a.s AND c.x > 0)",
	"SELECT x FROM a WHERE y IN (SELECT MAX(z) FROM b WHERE b.s = a.s)",
	"SELECT x FROM a WHERE EXISTS (SELECT z FROM b WHERE b.x = a.x GROUP BY z HAVING COUNT(*) > 0)",
	"SELECT x FROM a WHERE y IN (SELECT k FROM (SELECT z + 1 AS k, s FROM b) AS t WHERE t.s = a.s)",
	"SELECT s, x, y FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY s ORDER BY x DESC, y) AS rn FROM a) AS t WHERE rn <= 2",
	"SELECT s, x, y, rn FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY s ORDER BY y, x) AS rn FROM a) AS t WHERE rn BETWEEN 2 AND 3 AND s = 'p'",
	"SELECT x, SUM(y) OVER (PARTITION BY s), COUNT(*) OVER (PARTITION BY s ORDER BY x) FROM a",
	"SELECT x, RANK() OVER (PARTITION BY s ORDER BY x), DENSE_RANK() OVER (PARTITION BY s ORDER BY x) FROM a",
	"SELECT s, SUM(SUM(x)) OVER (PARTITION BY s) FROM a GROUP BY s",
	"WITH q AS (SELECT x, COUNT(*) AS n FROM a GROUP BY x), r AS (SELECT MAX(n) AS m FROM q) SELECT q.x, q.n, r.m FROM q, r WHERE q.n = r.m",
	"SELECT CASE WHEN y > 2 THEN 'hi' WHEN y IS NULL THEN 'no' ELSE s END, CASE x WHEN 1 THEN y ELSE -x END FROM a",
	"SELECT x / 2, x % 3, -y, x * y - 1, COALESCE(y, x), NULLIF(x, 1) FROM a",
	"SELECT x FROM a WHERE x BETWEEN 1 AND 2 AND y NOT BETWEEN 0 AND 1 AND s NOT IN ('p', 'q')",
	"SELECT t.x, u.n FROM a AS t JOIN (SELECT s, COUNT(*) AS n FROM b GROUP BY s) AS u ON t.s = u.s WHERE u.n > 1",
	"SELECT x FROM (SELECT x, y FROM a ORDER BY x, y LIMIT 3) AS t",
	"SELECT y, x FROM a ORDER BY y DESC, x, s LIMIT 4 OFFSET 1",
	"SELECT b1.x, b2.z FROM b AS b1 JOIN b AS b2 ON b1.z = b2.x WHERE b1.s = b2.s OR b2.z IS NULL",
	"SELECT (a.x, a.y) = (b.x, b.z) FROM a JOIN b ON a.s = b.s",
	"SELECT d.k, d.v, a.x FROM d JOIN a ON d.k = a.x",
	"SELECT d.k, e.v, d.s FROM d JOIN d AS e ON d.v = e.k",
	"SELECT d.k, e.k, e.v FROM d FULL JOIN (SELECT v AS k, COUNT(*) AS v FROM d GROUP BY v) AS e ON d.v = e.k",
	"SELECT k, s FROM d WHERE v > 1 UNION ALL SELECT x, s FROM a",
	"SELECT k, (SELECT COUNT(*) FROM a WHERE a.x = d.k) FROM d",
	"SELECT k, v FROM d WHERE k NOT IN (SELECT y FROM a WHERE y IS NOT NULL)",
	"SELECT a.x FROM a WHERE (a.x, a.y) IN (SELECT b.x, b.z FROM b)",
}

// TestAgainstSQLite: the bound plan and the rewritten one give the rows SQLite gives, on
// random tables with NULLs and duplicates.
func TestAgainstSQLite(t *testing.T) {
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
	const rounds = 30
	answered := map[string]bool{} // queries with rows, so that the comparison means something
	for seed := range uint64(rounds) {
		data := randomTables(t, db, seed)
		for _, q := range oracleQueries {
			want := sqliteRows(t, db, q)
			answered[q] = answered[q] || len(want) > 0
			bound, err := c.Bind(q)
			if err != nil {
				t.Fatalf("%s\n%v", q, err)
			}
			for name, n := range map[string]plan.Node{"bound": bound, "rewritten": plan.Optimize(bound)} {
				got, retracts := streamRows(t, n, data)
				checkClaims(t, n, got, retracts)
				if strings.Join(got, "\n") != strings.Join(want, "\n") {
					t.Errorf("seed %d, %s plan of\n%s\n%s\ngot  %v\nwant %v", seed, name, q, plan.Explain(n), got, want)
				}
			}
		}
	}
	for _, q := range oracleQueries {
		if !answered[q] {
			t.Errorf("no data gave this query a row: %s", q)
		}
	}
}

// randomTables fills the tables in SQLite and returns the rows.
func randomTables(t *testing.T, db *sql.DB, seed uint64) map[string][][]any {
	r := rand.New(rand.NewPCG(seed, 1))
	number := func(nullable bool) any {
		if nullable && r.IntN(4) == 0 {
			return nil
		}
		return int64(r.IntN(5))
	}
	text := func() any {
		if r.IntN(5) == 0 {
			return nil
		}
		return string(rune('p' + r.IntN(3)))
	}
	out := map[string][][]any{}
	for _, name := range []string{"a", "b", "c", "d"} {
		if _, err := db.Exec("DELETE FROM " + name); err != nil {
			t.Fatal(err)
		}
		for range r.IntN(9) {
			row := []any{number(name == "c"), number(true), text()}[:map[string]int{"a": 3, "b": 3, "c": 2, "d": 3}[name]]
			if name == "d" {
				row[0] = int64(len(out[name])) // its primary key
			}
			out[name] = append(out[name], row)
			marks := strings.TrimSuffix(strings.Repeat("?,", len(row)), ",")
			if _, err := db.Exec("INSERT INTO "+name+" VALUES ("+marks+")", row...); err != nil {
				t.Fatal(err)
			}
		}
	}
	return out
}

func sqliteRows(t *testing.T, db *sql.DB, q string) []string {
	rows, err := db.Query(q)
	if err != nil {
		t.Fatalf("%s\n%v", q, err)
	}
	defer rows.Close()
	cols, _ := rows.Columns()
	var out []string
	for rows.Next() {
		vals := make([]any, len(cols))
		ptrs := make([]any, len(cols))
		for i := range vals {
			ptrs[i] = &vals[i]
		}
		if err := rows.Scan(ptrs...); err != nil {
			t.Fatal(err)
		}
		out = append(out, strings.TrimSuffix(fmt.Sprintln(vals...), "\n"))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	sort.Strings(out)
	return out
}

// streamRows runs the plan over the data in two epochs and returns its rows in SQLite's
// text, and whether a row was taken back on the way.
func streamRows(t *testing.T, n plan.Node, data map[string][][]any) (rows []string, retracts bool) {
	t.Helper()
	flow, err := stream.Compile(n, stream.Options{AllowFullRecompute: true})
	if err != nil {
		t.Fatalf("%v\n%s", err, plan.Explain(n))
	}
	count := map[string]int32{}
	for epoch := range int64(2) {
		in := map[int][]stream.Delta{}
		for i, s := range flow.Sources() {
			all := data[s.Table.Name]
			half := [][][]any{all[:len(all)/2], all[len(all)/2:]}[epoch]
			if rec := scanRecord(t, s, half); rec != nil {
				in[i] = []stream.Delta{{Rows: rec}}
			}
		}
		out, err := flow.Step(context.Background(), stream.Epoch{ID: epoch + 1}, in)
		if err != nil {
			t.Fatalf("%v\n%s", err, plan.Explain(n))
		}
		for _, d := range out {
			for r := range int(d.Rows.NumRows()) {
				weight := int32(1)
				if d.Weights != nil {
					weight = d.Weights[r]
				}
				count[rowText(d.Rows, r)] += weight
				retracts = retracts || weight < 0
			}
		}
	}
	for text, n := range count {
		for range n {
			rows = append(rows, text)
		}
	}
	sort.Strings(rows)
	return rows, retracts
}

// checkClaims holds what the plan says of itself against its rows: unique keys have no
// duplicates, an append-only result takes nothing back.
func checkClaims(t *testing.T, n plan.Node, rows []string, retracts bool) {
	t.Helper()
	if retracts && plan.AppendOnly(n) {
		t.Fatalf("append-only, but a row was taken back\n%s", plan.Explain(n))
	}
	for _, key := range plan.UniqueKeys(n) {
		seen := map[string]bool{}
		for _, r := range rows {
			vals := strings.Split(r, " ")
			text := ""
			for _, c := range key {
				text += vals[c] + " "
			}
			if seen[text] {
				t.Fatalf("two rows have %v = %s\n%s\n%v", key, text, plan.Explain(n), rows)
			}
			seen[text] = true
		}
	}
}

func scanRecord(t *testing.T, s *plan.Scan, rows [][]any) arrow.RecordBatch {
	fields := make([]schema.Field, len(s.Out))
	for i, c := range s.Out {
		fields[i] = schema.Field{Name: s.Table.Columns[c].Name, Type: s.Table.Columns[c].Type}
	}
	sch, err := schema.ArrowSchema(fields)
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) == 0 {
		return nil
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, sch)
	for _, row := range rows {
		for i, c := range s.Out {
			switch v := row[c].(type) {
			case nil:
				b.Field(i).AppendNull()
			case int64:
				b.Field(i).(*array.Int32Builder).Append(int32(v))
			case string:
				b.Field(i).(*array.StringBuilder).Append(v)
			}
		}
	}
	return b.NewRecordBatch()
}

func rowText(rec arrow.RecordBatch, r int) string {
	vals := make([]any, rec.NumCols())
	for i := range vals {
		col := rec.Column(i)
		switch {
		case col.IsNull(r):
		case col.DataType().ID() == arrow.BOOL:
			vals[i] = 0
			if col.(*array.Boolean).Value(r) {
				vals[i] = 1
			}
		default:
			vals[i] = col.ValueStr(r)
		}
	}
	return strings.TrimSuffix(fmt.Sprintln(vals...), "\n")
}
