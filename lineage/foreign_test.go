//go:build duckdb_arrow

package lineage_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/weir-lake/weir/compute/cut"
	"github.com/weir-lake/weir/interop/peer"
	"github.com/weir-lake/weir/lineage"
)

// Java upserts into tables that a job sums: each key counts once, with its newest value, whatever changelog Java writes
// and whoever made the table.
func TestForeignUpsertsCountOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Java")
	}
	java := peer.Java(t)
	for _, producer := range []string{"none", "input"} {
		for _, maker := range []string{"weir", "Java"} {
			t.Run(maker+" made it with changelog-producer "+producer, func(t *testing.T) {
				dir := t.TempDir()
				path := filepath.Join(dir, "default.db", "src")
				w := open(t, dir, time.Now())
				w.exec(t, "CREATE TABLE other (x INT)") // makes the database
				if maker == "weir" {
					w.exec(t, fmt.Sprintf("CREATE TABLE src (k INT, v BIGINT, PRIMARY KEY (k) NOT ENFORCED) WITH ('bucket' = '2', 'changelog-producer' = '%s')", producer))
				} else {
					java.Create(path, peer.Schema{Columns: [][2]string{{"k", "INT NOT NULL"}, {"v", "BIGINT"}}, PrimaryKeys: []string{"k"}, PartitionKeys: []string{},
						Options: map[string]string{"bucket": "2", "changelog-producer": producer}})
				}
				java.Write(path, []string{`{"k":1,"v":10}`, `{"k":2,"v":20}`})
				w.exec(t, `SET 'weir.freshness' = '20ms';
					CREATE MATERIALIZED TABLE total (PRIMARY KEY (one) NOT ENFORCED) AS SELECT 1 AS one, SUM(v) AS s, COUNT(*) AS n FROM src`)
				const total = "SELECT s, n FROM total"
				w.becomes(t, total, "30 2")
				java.Write(path, []string{`{"k":1,"v":11}`})
				w.becomes(t, total, "31 2")
				java.Write(path, []string{`{"k":1,"v":11}`, `{"_kind":"-D","k":2,"v":20}`, `{"k":3,"v":5}`})
				w.becomes(t, total, "16 2")
				java.Compact(path)
				w.exec(t, "INSERT INTO src VALUES (1, 12), (4, 1)")
				w.becomes(t, total, "18 3")
				java.Write(path, []string{`{"k":1,"v":100}`})
				java.Compact(path)
				w.becomes(t, total, "106 3")
				if r := w.verified(t, "default.total", ""); r.Answer != lineage.Equal {
					t.Errorf("%+v", r)
				}
			})
		}
	}
}

// Java and pypaimon read a cut by its tags: the versions that weir reads, with the names that Paimon gives hourly tags.
func TestOthersReadCuts(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Java")
	}
	java, python := peer.Java(t), peer.Pypaimon(t)
	dir := t.TempDir()
	hour := time.Now().UTC().Truncate(time.Hour).Add(time.Hour) // near enough for Java, which has a clock of its own
	hourly := cut.HourName(hour)
	w := open(t, dir, hour.Add(-5*time.Second))
	w.exec(t, sums)
	w.becomes(t, "SELECT * FROM sums", "1 10", "2 5")
	w.awaitCut(t, hourly)
	w.exec(t, "INSERT INTO src VALUES (1, 1), (3, 3)")
	w.becomes(t, "SELECT * FROM sums", "1 11", "2 5", "3 3")
	w.becomes(t, "SELECT n FROM counts", "3")
	w.exec(t, "CALL sys.create_cut_tag('release 1'); INSERT INTO src VALUES (4, 4)")
	w.becomes(t, "SELECT n FROM counts", "4")
	w.forget(t, "sums")
	path := filepath.Join(dir, "default.db", "sums")
	for tag, want := range map[string][]string{
		hourly:      {`{"k":1,"s":10}`, `{"k":2,"s":5}`},
		"release 1": {`{"k":1,"s":11}`, `{"k":2,"s":5}`, `{"k":3,"s":3}`},
	} {
		for name, e := range map[string]*peer.Engine{"Java": java, "pypaimon": python} {
			if got := e.Read(path, "scan.tag-name="+tag); !slices.Equal(got, want) {
				t.Errorf("%s reads tag %q as %q, want %q", name, tag, got, want)
			}
		}
	}
	// Java's writer makes hourly tags by itself where the table asks for them, and bears weir's.
	src := filepath.Join(dir, "default.db", "src")
	java.Write(src, []string{`{"k":9,"v":9}`})
	w.becomes(t, "SELECT k FROM sums", "1", "2", "3", "4", "9")
	w.becomes(t, "SELECT COUNT(*) FROM src AS OF TAG '"+hourly+"'", "2")
}
