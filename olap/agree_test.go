//go:build duckdb_arrow

package olap_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/weir-lake/weir/compute/stream"
)

// streamed runs a query over bounded input as a stream and gives its final rows as text, sorted.
func (s *service) streamed(t *testing.T, text string) []string {
	t.Helper()
	if _, err := s.try(t.Context(), "SET 'execution.runtime-mode' = 'streaming'"); err != nil {
		t.Fatal(err)
	}
	defer s.exec(t, "SET 'execution.runtime-mode' = 'batch'")
	res, err := s.try(t.Context(), text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	counts := map[string]int{}
	err = res.Stream.Run(t.Context(), func(_ int64, ds []stream.Delta) error {
		for _, d := range ds {
			for i := range int(d.Rows.NumRows()) {
				parts := make([]string, d.Rows.NumCols())
				for j, c := range d.Rows.Columns() {
					parts[j] = c.ValueStr(i)
				}
				w := 1
				if d.Weights != nil {
					w = int(d.Weights[i])
				}
				counts[strings.Join(parts, " ")] += w
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	var out []string
	for row, n := range counts {
		for range n {
			out = append(out, row)
		}
	}
	slices.Sort(out)
	return out
}

// A stream, a batch and the comparison by itself give NaN, -0.0 and NULL the same meaning: '=' and what is made of it
// hold for no NaN and for -0.0 with 0.0; groups take NaN as one value and -0.0 as 0.0.
func TestFloatsMeanTheSameEverywhere(t *testing.T) {
	s := start(t, config{})
	values := `(VALUES (1, CAST('NaN' AS DOUBLE)), (2, CAST('NaN' AS DOUBLE)), (3, 0e0), (4, CAST('-0.0' AS DOUBLE)), (5, 1.5e0), (6, CAST(NULL AS DOUBLE)))`
	// FLOAT has a NaN and two zeros too.
	for _, typ := range []string{"DOUBLE", "FLOAT"} {
		a := "(SELECT id, CAST(x AS " + typ + ") AS x FROM " + values + " AS a0 (id, x)) AS a"
		b := "(SELECT id, CAST(x AS " + typ + ") AS x FROM " + values + " AS b0 (id, x)) AS b"
		pairs := []string{"3 3", "3 4", "4 3", "4 4", "5 5"}
		for query, want := range map[string][]string{
			"SELECT a.id, b.id FROM " + a + " JOIN " + b + " ON a.x = b.x":                                                    pairs,
			"SELECT a.id, b.id FROM " + a + ", " + b + " WHERE a.x = b.x":                                                     pairs,
			"SELECT a.id, b.id FROM " + a + " JOIN " + b + " ON a.x = b.x AND a.id + b.id > 6":                                {"3 4", "4 3", "4 4", "5 5"},
			"SELECT a.id, b.id FROM " + a + " JOIN " + b + " ON a.x IS NOT DISTINCT FROM b.x":                                 append(slices.Clone(pairs), "6 6"),
			"SELECT a.id, b.id FROM " + a + " FULL JOIN " + b + " ON a.x = b.x WHERE a.id IS NULL OR b.id IS NULL":            {"(null) 1", "(null) 2", "(null) 6", "1 (null)", "2 (null)", "6 (null)"},
			"SELECT id FROM " + a + " WHERE x IN (SELECT x FROM " + b + ")":                                                   {"3", "4", "5"},
			"SELECT id FROM " + a + " WHERE x NOT IN (SELECT x FROM " + b + " WHERE x IS NOT NULL)":                           {"1", "2"},
			"SELECT id FROM " + a + " WHERE x NOT IN (SELECT x FROM " + b + ")":                                               nil,
			"SELECT id FROM " + a + " WHERE NOT EXISTS (SELECT 1 FROM " + b + " WHERE b.x = a.x)":                             {"1", "2", "6"},
			"SELECT id FROM " + a + " WHERE x = x":                                                                            {"3", "4", "5"},
			"SELECT id FROM " + a + " WHERE x IN (CAST('NaN' AS " + typ + "), CAST(0 AS " + typ + "))":                        {"3", "4"},
			"SELECT id FROM " + a + " WHERE x IS DISTINCT FROM CAST('NaN' AS " + typ + ")":                                    {"1", "2", "3", "4", "5", "6"},
			"SELECT COUNT(*), MIN(id) FROM " + a + " GROUP BY x":                                                              {"1 5", "1 6", "2 1", "2 3"},
			"SELECT COUNT(*) FROM (SELECT DISTINCT x FROM " + a + ") AS d":                                                    {"4"},
			"SELECT COUNT(DISTINCT x) FROM " + a:                                                                              {"3"},
			"SELECT COUNT(*) FROM (SELECT x FROM " + a + " INTERSECT SELECT x FROM " + b + " WHERE id IN (2, 4)) AS d":        {"2"},
			"SELECT COUNT(*) FROM (SELECT x FROM " + a + " EXCEPT SELECT x FROM " + b + " WHERE id IN (2, 4)) AS d":           {"2"},
			"SELECT COUNT(*) FROM (SELECT x FROM " + a + " UNION SELECT x FROM " + b + ") AS d":                               {"4"},
			"SELECT id FROM (SELECT id, ROW_NUMBER() OVER (PARTITION BY x ORDER BY id DESC) AS r FROM " + a + ") WHERE r = 1": {"2", "4", "5", "6"},
		} {
			t.Run(typ, func(t *testing.T) {
				slices.Sort(want)
				if got, _ := s.query(t, query); !slices.Equal(got, want) {
					t.Errorf("batch %s:\n got %q\nwant %q", query, got, want)
				}
				if got := s.streamed(t, query); !slices.Equal(got, want) {
					t.Errorf("stream %s:\n got %q\nwant %q", query, got, want)
				}
			})
		}
	}
}

// Over no rows, an aggregate without GROUP BY has one row, and so has each empty grouping set; groups have none.
func TestAggregatesOfNothing(t *testing.T) {
	s := start(t, config{})
	const nothing = "(SELECT id, x FROM (VALUES (1, 'a')) AS v (id, x) WHERE id > 1) AS n"
	for query, want := range map[string][]string{
		"SELECT COUNT(*), SUM(id) FROM " + nothing:                                                               {"0 (null)"},
		"SELECT COUNT(*), SUM(id) FROM " + nothing + " HAVING COUNT(*) > 0":                                      nil,
		"SELECT x, COUNT(*) FROM " + nothing + " GROUP BY x":                                                     nil,
		"SELECT COUNT(*) FROM " + nothing + " GROUP BY ()":                                                       {"0"},
		"SELECT x, COUNT(*) FROM " + nothing + " GROUP BY GROUPING SETS ((x), ())":                               {"(null) 0"},
		"SELECT x, COUNT(*) FROM " + nothing + " GROUP BY ROLLUP (x)":                                            {"(null) 0"},
		"SELECT x, id, COUNT(*), GROUPING_ID(x, id) FROM " + nothing + " GROUP BY CUBE (x, id)":                  {"(null) (null) 0 3"},
		"SELECT x, COUNT(*) FROM " + nothing + " GROUP BY GROUPING SETS ((x), (x, id))":                          nil,
		"SELECT COUNT(*) FROM (SELECT x, SUM(id) FROM " + nothing + " GROUP BY GROUPING SETS ((x), ())) AS sums": {"1"},
	} {
		if got, _ := s.query(t, query); !slices.Equal(got, want) {
			t.Errorf("batch %s:\n got %q\nwant %q", query, got, want)
		}
		if got := s.streamed(t, query); !slices.Equal(got, want) {
			t.Errorf("stream %s:\n got %q\nwant %q", query, got, want)
		}
	}
}
