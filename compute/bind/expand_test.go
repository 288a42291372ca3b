package bind_test

import (
	"context"
	"strings"
	"testing"

	"github.com/weir-lake/weir/compute/bind"
)

// TestExpand: stars become the columns of today, and the text still means the same.
func TestExpand(t *testing.T) {
	c := testCatalog(t)
	for text, want := range map[string]string{
		"SELECT * FROM a":                                                              "SELECT a.x, a.y, a.s FROM a",
		"SELECT t.*, 1 AS one FROM a AS t, b":                                          "SELECT t.x, t.y, t.s, 1 AS one FROM a AS t, b",
		"SELECT * FROM a JOIN b USING (x)":                                             "SELECT x, a.y, a.s, b.z, b.s FROM a INNER JOIN b USING (x)",
		"SELECT * FROM (SELECT * FROM a)":                                              "SELECT x, y, s FROM (SELECT a.x, a.y, a.s FROM a)",
		"WITH q AS (SELECT * FROM a) SELECT * FROM q, q AS r":                          "WITH q AS (SELECT a.x, a.y, a.s FROM a) SELECT q.x, q.y, q.s, r.x, r.y, r.s FROM q, q AS r",
		"SELECT x FROM a WHERE EXISTS (SELECT * FROM c WHERE c.x = a.x)":               "SELECT x FROM a WHERE EXISTS (SELECT c.x, c.w FROM c WHERE c.x = a.x)",
		"SELECT * FROM late":                                                           "SELECT late.carrier, late.flight, late.dep_delay FROM late",
		"SELECT * FROM (SELECT x, y AS x FROM a)":                                      "SELECT * FROM (SELECT x, y AS x FROM a)",
		"SELECT * FROM a UNION ALL SELECT * FROM a":                                    "SELECT a.x, a.y, a.s FROM a UNION ALL SELECT a.x, a.y, a.s FROM a",
		"SELECT * FROM UNNEST(ARRAY[1]) AS u (n)":                                      "SELECT u.n FROM UNNEST(ARRAY[1]) AS u (n)",
		"SELECT * FROM TUMBLE(TABLE weather, DESCRIPTOR(time_hour), INTERVAL '1' DAY)": "SELECT origin, time_hour, temp, wind, window_start, window_end, window_time FROM TABLE(TUMBLE(TABLE weather, DESCRIPTOR(time_hour), INTERVAL '1' DAY))",
		"SELECT COUNT(*) FROM a":                                                       "SELECT COUNT(*) FROM a",
	} {
		got, err := bind.Expand(context.Background(), c, text, bind.Options{})
		if err != nil || got != want {
			t.Errorf("%s\ngot  %s, %v\nwant %s", text, got, err, want)
			continue
		}
		before, err := c.Bind(text)
		if err != nil {
			t.Fatal(err)
		}
		after, err := c.Bind(got)
		if err != nil {
			t.Errorf("%s: %v", got, err)
			continue
		}
		if a, b := typeText(before), typeText(after); a != b {
			t.Errorf("%s: columns %s became %s", text, a, b)
		}
	}
	if _, err := bind.Expand(context.Background(), c, "SELECT * FROM nope", bind.Options{}); err == nil || !strings.Contains(err.Error(), "nope") {
		t.Error(err)
	}
}
