package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-lake/weir/cmd/weir/tablecmd"
	"github.com/weir-lake/weir/compute/session"
	"github.com/weir-lake/weir/examples/flights"
)

// epochRows are the sizes of epochs that must not matter: a row at a time, a few, and everything at once.
var epochRows = []int{1, 100, 100_000}

// epochRowsTotal are the rows that go through epochs of every size.
const epochRowsTotal = 5000

// sizesOfEpochs are epochRows, in the short form only the one between.
func sizesOfEpochs() []int {
	if testing.Short() {
		return epochRows[1:2]
	}
	return epochRows
}

// pendingEpochs are how many epochs of a source may wait for its job, which then takes them into one commit.
const pendingEpochs = 2

// The demo's tables do not depend on how many rows an epoch takes: each size gives what plain DuckDB computes.
func TestDemoDoesNotDependOnEpochSizes(t *testing.T) {
	until := "2013-01-02 21:00:00" // the first 5,000 events and some, with departures and arrivals
	data := t.TempDir()
	ref := openReference(t, filepath.ToSlash(filepath.Join(data, "flights")))
	for _, n := range sizesOfEpochs() {
		e := testEngine(t, "mem:") // thousands of commits, whose durability is not the question
		if err := e.jobs.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		d := &demo{engine: e, data: data, speed: "max", until: until}
		if err := d.unpack(); err != nil {
			t.Fatal(err)
		}
		for _, name := range flights.Scripts() {
			text, err := fs.ReadFile(flights.Files, name)
			if err != nil {
				t.Fatal(err)
			}
			// Committed at every epoch, and not once a second.
			script := fmt.Sprintf("SET '%s' = '%d'; SET '%s' = '1ms';\n%s", session.VarEpochRows, n, session.OptFreshness, d.adapt(string(text)))
			if err := d.script(t.Context(), script, map[string]bool{}); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		settle(t, e, 5*time.Minute)
		j, err := e.jobs.Show(replayJob)
		if err != nil {
			t.Fatal(err)
		}
		if min := j.RowsOut / int64(n); j.RowsOut < epochRowsTotal || j.Epoch < min || j.Snapshot < min/pendingEpochs {
			t.Errorf("%d rows went through %d epochs of at most %d and %d commits", j.RowsOut, j.Epoch, n, j.Snapshot)
		}
		ref.compare(t, e, until)
		e.close(t.Context())
		if t.Failed() {
			t.Fatalf("with epochs of %d rows", n)
		}
	}
}

// queryTables are small, with NULLs, repeated rows, keys that meet nothing and updates of a key.
const queryTables = `
CREATE TABLE gen (id INT) WITH ('connector' = 'datagen', 'number-of-rows' = '5000', 'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '5000');
CREATE TABLE sale (id INT, who INT, item STRING, n INT, price DECIMAL(10, 2), at TIMESTAMP(3), WATERMARK FOR at AS at);
INSERT INTO sale SELECT id, NULLIF(MOD(id * 7, 23), 5), CONCAT('item', CAST(MOD(id, 6) AS STRING)), NULLIF(MOD(id, 10), 3),
	CAST(id AS DECIMAL(10, 2)) / 4, TIMESTAMPADD(MINUTE, id * 3, TIMESTAMP '2024-02-28 22:00:00') FROM gen;
CREATE TABLE person (who INT, name STRING, boss INT, PRIMARY KEY (who) NOT ENFORCED);
INSERT INTO person VALUES (0, 'Ada', NULL), (1, 'Grace', 0), (2, 'Edsger', 0), (3, 'Barbara', 1), (4, 'Tony', 1), (5, 'Nobody', 2), (31, 'Alan', 31), (32, NULL, 31);
INSERT INTO person VALUES (4, 'Antony', 3);
CREATE TABLE stock (item STRING, place STRING, n INT);
INSERT INTO stock VALUES ('item1', 'A', 5), ('item1', 'A', 5), ('item1', 'B', NULL), ('item2', 'A', 8), ('item9', 'C', 1), (NULL, 'C', 2);
`

// ordinary queries, of every kind the streaming engine takes.
var ordinary = []string{
	"SELECT * FROM sale",
	"SELECT DISTINCT item, n FROM sale",
	"SELECT id, UPPER(item) AS u, price * n AS total, CASE WHEN n IS NULL THEN 'none' WHEN n > 5 THEN 'many' ELSE 'few' END AS c FROM sale WHERE MOD(id, 3) <> 1 OR n IS NULL",
	"SELECT v.a, v.b FROM (VALUES (1, 'x'), (2, NULL), (2, NULL)) AS v (a, b)",
	// grouping
	"SELECT item, COUNT(*) AS c, COUNT(n) AS cn, SUM(n) AS s, MIN(price) AS lo, MAX(price) AS hi FROM sale GROUP BY item",
	"SELECT COUNT(*) AS c, SUM(price) AS s, AVG(CAST(n AS DOUBLE)) AS a FROM sale",
	"SELECT COUNT(*) AS c, SUM(n) AS s, MIN(n) AS lo FROM sale WHERE id < 0",
	"SELECT item, COUNT(DISTINCT who) AS people FROM sale GROUP BY item",
	"SELECT who, SUM(n) AS s FROM sale GROUP BY who HAVING SUM(n) > 40",
	"SELECT item, SUM(n) FILTER (WHERE id > 100) AS late, COUNT(*) FILTER (WHERE n IS NULL) AS nulls FROM sale GROUP BY item",
	"SELECT c, COUNT(*) AS groups FROM (SELECT who, COUNT(*) AS c FROM sale GROUP BY who) AS g GROUP BY c",
	"SELECT MOD(id, 4) AS k, item, MAX(n) AS m FROM sale GROUP BY MOD(id, 4), item",
	// joins
	"SELECT s.id, p.name FROM sale AS s JOIN person AS p ON s.who = p.who",
	"SELECT s.id, p.name FROM sale AS s LEFT JOIN person AS p ON s.who = p.who",
	"SELECT s.id, p.who, p.name FROM sale AS s RIGHT JOIN person AS p ON s.who = p.who",
	"SELECT s.id, p.who, p.name FROM sale AS s FULL OUTER JOIN person AS p ON s.who = p.who AND s.n > 4",
	"SELECT a.name, b.name AS boss FROM person AS a LEFT JOIN person AS b ON a.boss = b.who",
	"SELECT s.id, t.place, p.name FROM sale AS s JOIN stock AS t ON s.item = t.item AND t.n > s.n LEFT JOIN person AS p ON p.who = s.who",
	"SELECT p.name, COUNT(s.id) AS c, SUM(s.price) AS total FROM person AS p LEFT JOIN sale AS s ON s.who = p.who GROUP BY p.name",
	"SELECT a.item, b.place FROM (SELECT item, COUNT(*) AS c FROM sale GROUP BY item) AS a LEFT JOIN stock AS b ON a.item = b.item AND a.c > b.n * 5",
	"SELECT a.place, b.place AS other FROM stock AS a CROSS JOIN stock AS b",
	// subqueries
	"SELECT id FROM sale WHERE price > (SELECT AVG(price) FROM sale WHERE n > 7)",
	"SELECT id FROM sale WHERE who IN (SELECT who FROM person WHERE boss = 1)",
	"SELECT who, name FROM person WHERE NOT EXISTS (SELECT 1 FROM sale WHERE sale.who = person.who)",
	"SELECT who, name FROM person WHERE EXISTS (SELECT 1 FROM sale WHERE sale.who = person.who AND sale.n = 9)",
	"WITH best AS (SELECT item, MAX(price) AS top FROM sale GROUP BY item) SELECT s.id, s.item FROM sale AS s JOIN best AS b ON s.item = b.item AND s.price = b.top",
	// set operations
	"SELECT item FROM sale UNION SELECT item FROM stock",
	"SELECT item, n FROM sale WHERE id < 20 UNION ALL SELECT item, n FROM stock",
	"SELECT item FROM sale INTERSECT SELECT item FROM stock",
	"SELECT item FROM stock EXCEPT SELECT item FROM sale",
	// top-N
	"SELECT id, item, price FROM sale ORDER BY price DESC, id LIMIT 7",
	"SELECT item, id, rn FROM (SELECT item, id, ROW_NUMBER() OVER (PARTITION BY item ORDER BY n DESC, id) AS rn FROM sale) AS r WHERE rn <= 3",
	"SELECT who, s, rn FROM (SELECT who, s, ROW_NUMBER() OVER (ORDER BY s DESC, who) AS rn FROM (SELECT who, SUM(n) AS s FROM sale WHERE who IS NOT NULL GROUP BY who) AS g) AS r WHERE rn <= 5",
	"SELECT who, id FROM (SELECT who, id, ROW_NUMBER() OVER (PARTITION BY who ORDER BY id DESC) AS rn FROM sale) AS r WHERE rn = 1",
	// windows
	"SELECT window_start, item, COUNT(*) AS c, SUM(n) AS s FROM TABLE(TUMBLE(TABLE sale, DESCRIPTOR(at), INTERVAL '1' HOUR)) GROUP BY window_start, window_end, item",
	"SELECT window_start, window_end, SUM(price) AS s FROM TABLE(TUMBLE(TABLE sale, DESCRIPTOR(at), INTERVAL '1' DAY)) GROUP BY window_start, window_end",
	"SELECT DATE_FORMAT(at, 'yyyy-MM-dd') AS d, EXTRACT(HOUR FROM at) AS h, COUNT(*) AS c FROM sale GROUP BY DATE_FORMAT(at, 'yyyy-MM-dd'), EXTRACT(HOUR FROM at)",
}

// scripted runs a query in a session of its own and returns what it prints, a line a row.
func scripted(t *testing.T, e *engine, mode string, rows int, changelog bool, query string) []string {
	t.Helper()
	var b bytes.Buffer
	vars := map[string]string{session.VarRuntimeMode: mode, session.VarEpochRows: fmt.Sprint(rows), "allow-full-recompute": "true"}
	r := &localScript{session: session.New(e.svc, session.Options{Variables: vars}), env: &tablecmd.Env{Note: io.Discard},
		out: newPrinter(&b, "jsonl"), changelog: changelog}
	if err := runAll(t.Context(), r, query); err != nil {
		t.Errorf("%s, %d rows an epoch: %v\n%s", mode, rows, err, query)
		return nil
	}
	return slices.DeleteFunc(strings.Split(b.String(), "\n"), func(l string) bool { return l == "" })
}

// fold sums a changelog into its rows and checks on the way that it takes back only what is there, and that each -U
// is followed by its +U.
func fold(t *testing.T, query string, changes []string) []string {
	t.Helper()
	count := map[string]int{}
	epoch, before := int64(0), ""
	for i, line := range changes {
		var head struct {
			Epoch int64  `json:"_epoch"`
			Kind  string `json:"_kind"`
		}
		if err := json.Unmarshal([]byte(line), &head); err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(line, `"_kind":"`+head.Kind+`",`)
		if head.Epoch < epoch {
			t.Errorf("%s\nchange %d is of epoch %d after one of %d", query, i, head.Epoch, epoch)
		}
		if (before == "-U") != (head.Kind == "+U") {
			t.Errorf("%s\nchange %d is %s after %q", query, i, head.Kind, before)
		}
		epoch, before = head.Epoch, head.Kind
		switch head.Kind {
		case "+I", "+U":
			count[rest]++
		case "-D", "-U":
			if count[rest]--; count[rest] < 0 {
				count[rest] = 0 // an order within an epoch that takes back first is no order a reader could follow
				t.Errorf("%s\nchange %d takes back what is not there: %s", query, i, line)
			}
		default:
			t.Errorf("%s\nkind %q", query, head.Kind)
		}
	}
	if before == "-U" {
		t.Errorf("%s\nthe last change is -U", query)
	}
	var out []string
	for row, n := range count {
		for range n {
			out = append(out, "{"+row)
		}
	}
	slices.Sort(out)
	return out
}

// Every query gives as a stream, in epochs of any size, the rows that DuckDB gives at once; and its changelog
// sums up to them.
func TestStreamEqualsBatchAtEveryEpochSize(t *testing.T) {
	e := testEngine(t, t.TempDir())
	if err := e.jobs.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	runSQL(t, e, queryTables)
	updates := 0
	for _, q := range ordinary {
		want := scripted(t, e, "batch", 1, false, q)
		slices.Sort(want)
		for _, n := range sizesOfEpochs() {
			got := scripted(t, e, "streaming", n, false, q)
			slices.Sort(got)
			sameRows(t, fmt.Sprintf("%s\nin epochs of %d rows", q, n), got, want)
			changes := scripted(t, e, "streaming", n, true, q)
			sameRows(t, fmt.Sprintf("changelog of %s\nin epochs of %d rows", q, n), fold(t, q, changes), want)
			for _, c := range changes {
				if strings.Contains(c, `"_kind":"+U"`) {
					updates++
				}
			}
		}
	}
	if updates < 1000 {
		t.Errorf("only %d updates were shown", updates)
	}
}
