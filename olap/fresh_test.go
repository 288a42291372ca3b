//go:build duckdb_arrow

package olap_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/olap"
)

const totals = `
CREATE TABLE src (k INT, v BIGINT);
SET 'weir.freshness' = '%s';
CREATE MATERIALIZED TABLE total (PRIMARY KEY (one) NOT ENFORCED) AS SELECT 1 AS one, SUM(v) AS s FROM src;
`

// A session reads what it has written, also what jobs make of it, at its first look.
func TestSessionReadsItsWrites(t *testing.T) {
	s := start(t, config{})
	s.exec(t, fmt.Sprintf(totals, "20ms")+"SET 'weir.consistency' = 'session'")
	for i := 1; i <= 20; i++ {
		s.exec(t, fmt.Sprintf("INSERT INTO src VALUES (%d, 1)", i))
		cut := s.want(t, "SELECT s FROM total", fmt.Sprint(i))
		if cut.Level != "session" || cut.Epoch == 0 {
			t.Fatalf("%+v", cut)
		}
		// Another client that was told the epoch.
		s.exec(t, fmt.Sprintf("SET 'weir.consistency' = 'session(%d)'", cut.Epoch))
		s.want(t, "SELECT s, COUNT(k) FROM total, src GROUP BY s", fmt.Sprintf("%d %d", i, i))
		s.exec(t, "SET 'weir.consistency' = 'session'")
	}
}

// A query that asks for fresh rows waits for them, and is told who holds them when they do not come.
func TestStaleCutsAreRefused(t *testing.T) {
	s := start(t, config{olap: olap.Options{FreshWait: 300 * time.Millisecond}})
	s.exec(t, fmt.Sprintf(totals, "1h")+"INSERT INTO src VALUES (1, 1)")
	s.want(t, "SELECT s FROM total") // nothing is committed for an hour
	for _, level := range []string{"session", "bounded(100ms)", "session(1000000)"} {
		s.exec(t, "SET 'weir.consistency' = '"+level+"'; INSERT INTO src VALUES (2, 2)")
		began := time.Now()
		_, err := s.try(t.Context(), "SELECT s FROM total")
		if !errkind.Is(err, errkind.Unavailable) || !strings.Contains(err.Error(), "holds it at epoch") || time.Since(began) < 300*time.Millisecond {
			t.Errorf("%s: %v", level, err)
		}
	}
	// The job's input is fresh.
	s.exec(t, "SET 'weir.consistency' = 'bounded(10s)'")
	if cut := s.want(t, "SELECT COUNT(*) FROM src", "4"); cut.Level != "bounded" {
		t.Errorf("%+v", cut)
	}
	if _, err := s.try(t.Context(), "SET 'weir.consistency' = 'bounded(soon)'"); !errkind.Is(err, errkind.Invalid) {
		t.Errorf("a bound that is no time: %v", err)
	}
}
