//go:build duckdb_arrow

package lineage_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-lake/weir/compute/cut"
	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/lineage"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/expire"
	"github.com/weir-lake/weir/table/snapshot"
)

const sums = `
CREATE TABLE src (k INT, v BIGINT);
CREATE TABLE idle (x INT);
INSERT INTO idle VALUES (7);
SET 'weir.freshness' = '20ms';
CREATE MATERIALIZED TABLE sums AS SELECT k, SUM(v) AS s FROM src GROUP BY k;
CREATE MATERIALIZED TABLE counts (PRIMARY KEY (one) NOT ENFORCED) AS SELECT 1 AS one, COUNT(*) AS n FROM sums;
INSERT INTO src VALUES (1, 10), (2, 5);
`

// A tagged cut is read and verified after everything else of its time has expired.
func TestTaggedCut(t *testing.T) {
	w := open(t, t.TempDir(), time.Now())
	w.exec(t, sums)
	w.becomes(t, "SELECT * FROM sums", "1 10", "2 5")
	w.becomes(t, "SELECT n FROM counts", "2")
	w.exec(t, "CALL sys.create_cut_tag('v1')")
	w.exec(t, "INSERT INTO src VALUES (1, 1), (3, 3)")
	w.becomes(t, "SELECT * FROM sums", "1 11", "2 5", "3 3")
	w.becomes(t, "SELECT n FROM counts", "3")
	w.exec(t, "CALL sys.create_cut_tag(tag => 'v2', tables => 'src, sums')")
	w.exec(t, "INSERT INTO src VALUES (1, 1)")
	w.becomes(t, "SELECT * FROM sums", "1 12", "2 5", "3 3")
	for _, table := range []string{"src", "sums", "counts"} {
		w.forget(t, table)
	}
	// One cut for all tables, in one query.
	const both = "SELECT s.k, s.s, c.n FROM sums AS OF TAG 'v1' s CROSS JOIN counts AS OF TAG 'v1' c"
	w.becomes(t, both, "1 10 2", "2 5 2")
	w.becomes(t, "SELECT s FROM sums /*+ OPTIONS('scan.tag-name' = 'v2') */", "11", "3", "5")
	w.becomes(t, "SELECT * FROM idle AS OF TAG 'v1'", "7")
	if _, err := w.rows(t, "SELECT * FROM counts AS OF TAG 'v2'"); !errkind.Is(err, errkind.NotFound) {
		t.Errorf("a table outside the cut: %v", err)
	}
	for _, c := range []struct {
		job, tag string
		rows     int64
	}{{"default.sums", "v1", 2}, {"default.counts", "v1", 1}, {"default.sums", "v2", 3}} {
		r := w.verified(t, c.job, c.tag)
		if r.Answer != lineage.Equal || r.Rows != c.rows || r.Tag != c.tag {
			t.Errorf("verify %s --tag %s: %+v", c.job, c.tag, r)
		}
	}
	if r := w.verified(t, "default.counts", "v2"); r.Answer != lineage.NotCheckable || !strings.Contains(r.Reason, "not in cut v2") {
		t.Errorf("a job outside the cut: %+v", r)
	}
	if _, err := w.verify.Verify(t.Context(), "", "v3"); !errkind.Is(err, errkind.NotFound) {
		t.Errorf("a cut that is not there: %v", err)
	}
	// Another program deletes a tag: what verify needs is gone, and it says so.
	tag, err := snapshot.NewManager(objstore.Sub(w.store, "default.db/src"), "").Tag(t.Context(), "v1")
	if err != nil {
		t.Fatal(err)
	}
	if err := snapshot.NewManager(objstore.Sub(w.store, "default.db/src"), "").DeleteTag(t.Context(), tag.Name); err != nil {
		t.Fatal(err)
	}
	if r := w.verified(t, "default.sums", "v1"); r.Answer != lineage.Expired || !strings.Contains(r.Reason, "default.db/src") || r.OK() {
		t.Errorf("an input whose tag is gone: %+v", r)
	}
	w.exec(t, "CALL sys.delete_cut_tag('v1')")
	if _, err := w.rows(t, both); !errkind.Is(err, errkind.NotFound) {
		t.Errorf("a deleted cut: %v", err)
	}
}

// A row planted into a tagged version is found; the version after it is not blamed.
func TestVerifyFindsAPlantedRowInATag(t *testing.T) {
	w := open(t, t.TempDir(), time.Now())
	w.exec(t, sums)
	w.becomes(t, "SELECT * FROM sums", "1 10", "2 5")
	// Somebody else writes into the job's table, and takes it back later.
	w.exec(t, "SET 'execution.runtime-mode' = 'batch'; INSERT INTO sums VALUES (9, 9)")
	w.exec(t, "CALL sys.create_cut_tag('bad', 'src, sums')")
	r := w.verified(t, "default.sums", "bad")
	if r.Answer != lineage.Differs || len(r.Examples) != 1 || !strings.Contains(r.Examples[0].Row, `"k":9`) {
		t.Fatalf("%+v", r)
	}
}

// When the recorded inputs of the newest commit have expired, table and inputs at their newest common epoch serve.
func TestVerifyAfterExpiry(t *testing.T) {
	w := open(t, t.TempDir(), time.Now())
	w.exec(t, `
		CREATE TABLE src (k INT, v BIGINT);
		SET 'weir.freshness' = '20ms';
		CREATE MATERIALIZED TABLE big AS SELECT k, SUM(v) AS s FROM src WHERE v > 100 GROUP BY k;
		INSERT INTO src VALUES (1, 1000);`)
	w.becomes(t, "SELECT * FROM big", "1 1000")
	w.exec(t, "INSERT INTO src VALUES (1, 1)") // of which the job makes nothing
	w.becomes(t, "SELECT COUNT(*) FROM src", "2")
	w.forget(t, "src")
	r := w.verified(t, "default.big", "")
	if r.Answer != lineage.Equal || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "snapshot 1 of default.src: what is kept of it begins with snapshot 2") {
		t.Errorf("%+v", r)
	}
	// With a job that has not caught up there is no later common epoch.
	if _, err := w.jobs.StopJob(t.Context(), "default.big"); err != nil {
		t.Fatal(err)
	}
	w.exec(t, "INSERT INTO src VALUES (2, 2000)")
	w.forget(t, "src")
	r = w.verified(t, "default.big", "")
	if r.Answer == lineage.Equal {
		t.Errorf("a stopped job's table equals newer inputs: %+v", r)
	}
}

// At the full hour all tables that were there get the tag of the hour before, at one epoch; the next hour's comes only
// when something has changed; a service that was away makes the newest.
func TestHourlyCuts(t *testing.T) {
	dir := t.TempDir()
	hour := time.Date(2026, 3, 1, 6, 0, 0, 0, time.UTC)
	w := open(t, dir, hour.Add(-5*time.Second))
	w.exec(t, sums+`CREATE TABLE untagged (x INT) WITH ('tag.automatic-creation' = 'none'); INSERT INTO untagged VALUES (1);`)
	w.becomes(t, "SELECT * FROM sums", "1 10", "2 5")
	r := w.awaitCut(t, "2026-03-01 05")
	for _, table := range []string{"src", "idle", "sums", "counts"} {
		at, ok := r.Tables["default.db/"+table]
		if !ok {
			t.Fatalf("%s is not in %+v", table, r)
		}
		tag, err := snapshot.NewManager(objstore.Sub(w.store, "default.db/"+table), "").Tag(t.Context(), "2026-03-01 05")
		if err != nil || tag.Snapshot.ID != at.Snapshot || tag.Retained != 30*24*time.Hour || tag.Created.IsZero() {
			t.Errorf("%s: %+v, %v", table, tag, err)
		}
		if until := time.UnixMilli(at.UntilMs); until.Before(hour.Add(29*24*time.Hour)) || until.After(hour.Add(30*24*time.Hour)) {
			t.Errorf("%s leaves the cut at %s", table, until)
		}
	}
	if _, ok := r.Tables["default.db/untagged"]; ok || !r.Automatic {
		t.Errorf("%+v", r)
	}
	w.exec(t, "CREATE TABLE late_comer (x INT)")
	w.stop()

	// Nothing happens for an hour, then something, then the service is away for two hours.
	w = open(t, dir, hour.Add(time.Hour-time.Second))
	time.Sleep(2 * time.Second) // over the full hour
	if names := w.cutNames(t); !slices.Equal(names, []string{"2026-03-01 05"}) {
		t.Errorf("cuts of an hour without changes: %v", names)
	}
	w.exec(t, "INSERT INTO src VALUES (1, 1)")
	w.becomes(t, "SELECT * FROM sums", "1 11", "2 5")
	w.stop()
	w = open(t, dir, hour.Add(3*time.Hour+30*time.Minute))
	r = w.awaitCut(t, "2026-03-01 08")
	if _, ok := r.Tables["default.db/late_comer"]; !ok {
		t.Errorf("a table made since is missing: %+v", r)
	}
	w.becomes(t, "SELECT * FROM sums AS OF TAG '2026-03-01 08'", "1 11", "2 5")
	w.becomes(t, "SELECT * FROM sums AS OF TAG '2026-03-01 05'", "1 10", "2 5")
	if r := w.verified(t, "default.sums", "2026-03-01 05"); r.Answer != lineage.Equal {
		t.Errorf("%+v", r)
	}
	w.stop()

	// After 30 days the cut ends, and with it its tags.
	w = open(t, dir, hour.Add(30*24*time.Hour))
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		_, err := w.rows(t, "SELECT * FROM sums AS OF TAG '2026-03-01 05'")
		if errkind.Is(err, errkind.NotFound) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("after 30 days: %v, cuts %v", err, w.cutNames(t))
		}
	}
}

// A failed job's table is left out of the hour's cut, with what reads it, and the others are tagged.
func TestHourlyCutWithoutAFailedJob(t *testing.T) {
	hour := time.Date(2026, 3, 1, 6, 0, 0, 0, time.UTC)
	w := open(t, t.TempDir(), hour.Add(-6*time.Second))
	w.exec(t, sums)
	w.becomes(t, "SELECT * FROM sums", "1 10", "2 5")
	w.becomes(t, "SELECT n FROM counts", "2")
	w.exec(t, "INSERT INTO src VALUES (3, 3)")
	w.becomes(t, "SELECT * FROM sums", "1 10", "2 5", "3 3")
	// Another program takes the job's last commit back: the job stops by name at its next one.
	if _, err := expire.New(objstore.Sub(w.store, "default.db/sums")).Rollback(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	w.exec(t, "INSERT INTO src VALUES (4, 4)")
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if s, err := w.jobs.Show("default.sums"); err != nil || s.State == job.Failed {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("%s: %s", s.State, s.Error)
		}
	}
	r := w.awaitCut(t, "2026-03-01 05")
	for _, table := range []string{"src", "idle"} {
		if _, ok := r.Tables["default.db/"+table]; !ok {
			t.Errorf("%s is not in %+v", table, r)
		}
	}
	for _, table := range []string{"sums", "counts"} {
		if why := r.LeftOut["default.db/"+table]; !strings.Contains(why, "held by job default.sums") {
			t.Errorf("%s was left out because %q", table, why)
		}
	}
	w.becomes(t, "SELECT COUNT(*) FROM src AS OF TAG '2026-03-01 05'", "4")
	if _, err := w.rows(t, "SELECT * FROM sums AS OF TAG '2026-03-01 05'"); err == nil || !strings.Contains(err.Error(), "held by job") {
		t.Errorf("a table that was left out: %v", err)
	}
}

func (w *warehouse) cutNames(t *testing.T) []string {
	t.Helper()
	all, err := w.jobs.Cuts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, r := range all {
		out = append(out, r.Name)
	}
	return out
}

func (w *warehouse) awaitCut(t *testing.T, name string) *cut.Record {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		r, err := w.jobs.Cut(t.Context(), name)
		if err == nil {
			return r
		}
		if time.Now().After(deadline) {
			t.Fatalf("cut %s: %v", name, err)
		}
	}
}
