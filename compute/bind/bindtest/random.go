package bindtest

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// RandomTables are the tables of RandomQuery. Rows of d have distinct values of k.
const RandomTables = `CREATE TABLE a (x INT NOT NULL, y INT, s STRING);
CREATE TABLE b (x INT NOT NULL, z INT, s STRING);
CREATE TABLE c (x INT, w INT);
CREATE TABLE d (k INT NOT NULL, v INT, s STRING, PRIMARY KEY (k) NOT ENFORCED)`

// RandomQuery is a query over RandomTables that every engine must answer alike: with
// joins, groups, set operations, subqueries and top-N nested depth deep, over integers
// without overflow and division, and short texts, without ties that show.
func RandomQuery(r *rand.Rand, depth int) string {
	w := &writer{r: r}
	return w.query(depth).text
}

// writer writes one query; names makes its aliases fresh.
type writer struct {
	r     *rand.Rand
	names int
}

// relation is a query with its columns; text columns are told from integers.
type relation struct {
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
func (w *writer) rename(r relation) (from string, cols []column) {
	t := w.alias("t")
	var names []string
	for _, c := range r.cols {
		n := w.alias("c")
		names = append(names, c.name+" AS "+n)
		cols = append(cols, column{t + "." + n, c.isText})
	}
	return fmt.Sprintf("(SELECT %s FROM (%s) AS %s) AS %s", strings.Join(names, ", "), r.text, w.alias("u"), t), cols
}

func (w *writer) base() relation {
	switch w.r.IntN(4) {
	case 3:
		return relation{"SELECT k, v, s FROM d", []column{{"k", false}, {"v", false}, {"s", true}}}
	case 0:
		return relation{"SELECT x, y, s FROM a", []column{{"x", false}, {"y", false}, {"s", true}}}
	case 1:
		return relation{"SELECT x, z, s FROM b", []column{{"x", false}, {"z", false}, {"s", true}}}
	default:
		return relation{"SELECT x, w FROM c", []column{{"x", false}, {"w", false}}}
	}
}

func (w *writer) query(depth int) relation {
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
func (w *writer) selection(depth int) relation {
	from, cols := w.rename(w.query(depth - 1))
	out := relation{}
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

func (w *writer) join(depth int) relation {
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
	out := relation{}
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

func (w *writer) group(depth int) relation {
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
	return relation{text, []column{{k, key.isText}, {n, false}}}
}

func (w *writer) setOp(depth int) relation {
	side := func() string {
		from, cols := w.rename(w.query(depth - 1))
		c, ok := w.pick(cols, false)
		if !ok {
			c = "1"
		}
		return fmt.Sprintf("SELECT %s AS k, %s AS l FROM %s", c, c, from)
	}
	op := []string{"UNION", "UNION ALL", "INTERSECT", "EXCEPT"}[w.r.IntN(4)]
	return relation{side() + " " + op + " " + side(), []column{{"k", false}, {"l", false}}}
}

// ranked is a top-N in all columns' order, so that ties are equal rows.
func (w *writer) ranked(depth int) relation {
	from, cols := w.rename(w.query(depth - 1))
	out := relation{}
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
