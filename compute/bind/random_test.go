package bind_test

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/weir-lake/weir/compute/bind/bindtest"
	"github.com/weir-lake/weir/compute/plan"
)

// writer writes random queries of the part of SQL on which SQLite agrees with Flink:
// integers without overflow or division, short texts, no ties that show.
type writer struct {
	r     *rand.Rand
	names int
}

// rel is a query with its columns; text columns are told from integers.
type rel struct {
	text string
	cols []column
}

type column struct {
	name   string
	isText bool
}

func (w *writer) alias(prefix string) string {
	w.names++
	return fmt.Sprintf("%s%d", prefix, w.names)
}

func (w *writer) pick(list []column, isText bool) (string, bool) {
	var fit []string
	for _, c := range list {
		if c.isText == isText {
			fit = append(fit, c.name)
		}
	}
	if len(fit) == 0 {
		return "", false
	}
	return fit[w.r.IntN(len(fit))], true
}

// rename selects all of a query's columns under fresh names, qualified by a fresh alias.
func (w *writer) rename(r rel) (from string, cols []column) {
	t := w.alias("t")
	var names []string
	for _, c := range r.cols {
		n := w.alias("c")
		names = append(names, c.name+" AS "+n)
		cols = append(cols, column{t + "." + n, c.isText})
	}
	return fmt.Sprintf("(SELECT %s FROM (%s) AS %s) AS %s", strings.Join(names, ", "), r.text, w.alias("u"), t), cols
}

func (w *writer) base() rel {
	switch w.r.IntN(4) {
	case 3:
		return rel{"SELECT k, v, s FROM d", []column{{"k", false}, {"v", false}, {"s", true}}}
	case 0:
		return rel{"SELECT x, y, s FROM a", []column{{"x", false}, {"y", false}, {"s", true}}}
	case 1:
		return rel{"SELECT x, z, s FROM b", []column{{"x", false}, {"z", false}, {"s", true}}}
	default:
		return rel{"SELECT x, w FROM c", []column{{"x", false}, {"w", false}}}
	}
}

func (w *writer) query(depth int) rel {
	if depth == 0 {
		return w.base()
	}
	switch w.r.IntN(8) {
	case 0, 1:
		return w.join(depth)
	case 2:
		return w.group(depth)
	case 3:
		return w.setOp(depth)
	case 4:
		return w.ranked(depth)
	default:
		return w.selection(depth)
	}
}

// selection is SELECT exprs FROM r WHERE condition.
func (w *writer) selection(depth int) rel {
	from, cols := w.rename(w.query(depth - 1))
	out := rel{}
	var items []string
	for range 1 + w.r.IntN(3) {
		e, isText := w.expr(cols, depth)
		n := w.alias("e")
		items = append(items, e+" AS "+n)
		out.cols = append(out.cols, column{n, isText})
	}
	distinct := ""
	if w.r.IntN(5) == 0 {
		distinct = "DISTINCT "
	}
	out.text = "SELECT " + distinct + strings.Join(items, ", ") + " FROM " + from
	if w.r.IntN(4) > 0 {
		out.text += " WHERE " + w.cond(cols, depth)
	}
	return out
}

func (w *writer) expr(cols []column, depth int) (string, bool) {
	isText := w.r.IntN(4) == 0
	c, ok := w.pick(cols, isText)
	if !ok {
		isText = !isText
		c, _ = w.pick(cols, isText)
	}
	if isText {
		return []string{c, "COALESCE(" + c + ", 'n')"}[w.r.IntN(2)], true
	}
	switch w.r.IntN(6) {
	case 0:
		return c + " + 1", false
	case 1:
		return fmt.Sprintf("CASE WHEN %s THEN %s ELSE 0 END", w.cond(cols, 0), c), false
	case 2:
		if depth > 0 {
			return w.scalar(cols, depth), false
		}
	}
	return c, false
}

// scalar is an aggregate over another query, mostly correlated.
func (w *writer) scalar(cols []column, depth int) string {
	from, inner := w.rename(w.query(depth - 1))
	agg := "COUNT(*)"
	if c, ok := w.pick(inner, false); ok && w.r.IntN(2) == 0 {
		agg = []string{"MAX", "SUM", "COUNT"}[w.r.IntN(3)] + "(" + c + ")"
	}
	return fmt.Sprintf("(SELECT %s FROM %s WHERE %s)", agg, from, w.link(cols, inner))
}

// link equates a column of each side, or is a condition of the inner side alone.
func (w *writer) link(outer, inner []column) string {
	isText := w.r.IntN(3) == 0
	o, ok1 := w.pick(outer, isText)
	i, ok2 := w.pick(inner, isText)
	if !ok1 || !ok2 || w.r.IntN(5) == 0 {
		return w.cond(inner, 0)
	}
	return i + " = " + o
}

func (w *writer) cond(cols []column, depth int) string {
	switch w.r.IntN(9) {
	case 0:
		return "(" + w.cond(cols, depth) + " OR " + w.cond(cols, depth) + ")"
	case 1:
		return w.cond(cols, depth) + " AND " + w.cond(cols, depth)
	case 2:
		return "NOT (" + w.cond(cols, depth) + ")"
	case 3:
		if depth > 0 {
			return w.subCond(cols, depth)
		}
	case 4:
		if c, ok := w.pick(cols, true); ok {
			return c + []string{" = 'p'", " <> 'q'", " IS NULL", " IN ('p', 'r')", " > 'p'"}[w.r.IntN(5)]
		}
	}
	c, ok := w.pick(cols, false)
	if !ok {
		c, _ = w.pick(cols, true)
		return c + " IS NOT NULL"
	}
	other, _ := w.pick(cols, false)
	k := fmt.Sprint(w.r.IntN(4))
	return c + []string{" > " + k, " <= " + k, " = " + k, " IS NULL", " = " + other, " < " + other, " BETWEEN 1 AND " + k, " NOT IN (1, " + k + ")"}[w.r.IntN(8)]
}

func (w *writer) subCond(cols []column, depth int) string {
	from, inner := w.rename(w.query(depth - 1))
	not := []string{"", "NOT "}[w.r.IntN(2)]
	o, ok1 := w.pick(cols, false)
	i, ok2 := w.pick(inner, false)
	if w.r.IntN(2) == 0 && ok1 && ok2 {
		// Uncorrelated, since a correlated IN is refused where it is a value.
		return fmt.Sprintf("%s %sIN (SELECT %s FROM %s WHERE %s)", o, not, i, from, w.cond(inner, 0))
	}
	return fmt.Sprintf("%sEXISTS (SELECT 1 FROM %s WHERE %s)", not, from, w.link(cols, inner))
}

func (w *writer) join(depth int) rel {
	lf, lc := w.rename(w.query(depth - 1))
	rf, rc := w.rename(w.query(depth - 1))
	all := append(append([]column(nil), lc...), rc...)
	on := w.link(lc, rc)
	if w.r.IntN(3) == 0 {
		on += " AND " + w.cond(all, 0)
	}
	kind := []string{"JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"}[w.r.IntN(4)]
	text := fmt.Sprintf(" FROM %s %s %s ON %s", lf, kind, rf, on)
	if w.r.IntN(2) == 0 {
		text += " WHERE " + w.cond(all, 0)
	}
	out := rel{}
	var items []string
	for _, c := range all {
		if w.r.IntN(3) > 0 || len(items) == 0 {
			n := w.alias("j")
			items = append(items, c.name+" AS "+n)
			out.cols = append(out.cols, column{n, c.isText})
		}
	}
	out.text = "SELECT " + strings.Join(items, ", ") + text
	return out
}

func (w *writer) group(depth int) rel {
	from, cols := w.rename(w.query(depth - 1))
	key := cols[w.r.IntN(len(cols))]
	arg := cols[w.r.IntN(len(cols))]
	agg := []string{"COUNT(*)", "COUNT(" + arg.name + ")", "COUNT(DISTINCT " + arg.name + ")"}[w.r.IntN(3)]
	if !arg.isText && w.r.IntN(2) == 0 {
		agg = []string{"SUM", "MIN", "MAX"}[w.r.IntN(3)] + "(" + arg.name + ")"
	}
	k, n := w.alias("g"), w.alias("n")
	text := fmt.Sprintf("SELECT %s AS %s, %s AS %s FROM %s GROUP BY %s", key.name, k, agg, n, from, key.name)
	if w.r.IntN(2) == 0 {
		text += " HAVING COUNT(*) > 1"
	}
	return rel{text, []column{{k, key.isText}, {n, false}}}
}

func (w *writer) setOp(depth int) rel {
	side := func() string {
		from, cols := w.rename(w.query(depth - 1))
		c, ok := w.pick(cols, false)
		if !ok {
			c = "1"
		}
		return fmt.Sprintf("SELECT %s AS k, %s AS l FROM %s", c, c, from)
	}
	op := []string{"UNION", "UNION ALL", "INTERSECT", "EXCEPT"}[w.r.IntN(4)]
	return rel{side() + " " + op + " " + side(), []column{{"k", false}, {"l", false}}}
}

// ranked is a top-N in all columns' order, so that ties are equal rows.
func (w *writer) ranked(depth int) rel {
	from, cols := w.rename(w.query(depth - 1))
	out := rel{}
	var items, order []string
	for _, c := range cols {
		n := w.alias("r")
		items, order = append(items, c.name+" AS "+n), append(order, c.name+[]string{"", " DESC"}[w.r.IntN(2)])
		out.cols = append(out.cols, column{n, c.isText})
	}
	rn := w.alias("rn")
	out.cols = append(out.cols, column{rn, false})
	out.text = fmt.Sprintf("SELECT * FROM (SELECT %s, ROW_NUMBER() OVER (PARTITION BY %s ORDER BY %s) AS %s FROM %s) AS %s WHERE %s %s",
		strings.Join(items, ", "), cols[w.r.IntN(len(cols))].name, strings.Join(order, ", "), rn, from, w.alias("v"), rn, []string{"<= 2", "= 1", "> 1", "BETWEEN 2 AND 3"}[w.r.IntN(4)])
	return out
}

// TestRandomQueries: random queries give the rows SQLite gives, bound and rewritten.
func TestRandomQueries(t *testing.T) {
	c, err := bindtest.New(fmt.Sprintf(oracleTables, ", PRIMARY KEY (k) NOT ENFORCED"))
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, ddl := range strings.Split(fmt.Sprintf(oracleTables, ""), ";") {
		if _, err := db.Exec(ddl); err != nil {
			t.Fatal(err)
		}
	}
	const queries = 600
	refused, withRows := 0, 0
	for seed := range uint64(queries) {
		data := randomTables(t, db, seed)
		w := &writer{r: rand.New(rand.NewPCG(seed, 2))}
		q := w.query(1 + int(seed%3)).text
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
