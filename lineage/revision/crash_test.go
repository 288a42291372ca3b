//go:build duckdb_arrow

package revision_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-lake/weir/lineage/revision"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/storage/objstore/faultstore"
	"github.com/weir-lake/weir/table/snapshot"
)

// Whatever write of a revision is the last before a crash, the next start finds that it did not happen, or that it
// happened once; and what was decided happened.
func TestRevisionSurvivesACrashAtEachOfItsWrites(t *testing.T) {
	rules := []string{
		"put .weir/revisions/*/rows/** 2nd: crash",
		"put default.db/ev/tag/** 1st: crash",
		"absent .weir/log/** 1st: crash-after",
		"absent .weir/revisions/*.json: crash",
		"absent .weir/revisions/*.json: crash-after",
		"close default.db/ev/bucket-*/** 1st: crash",
		"put default.db/ev/manifest/** 1st: crash-after",
		"absent default.db/ev/snapshot/** 1st: crash",
		"absent default.db/ev/snapshot/** 1st: crash-after",
		"put default.db/ev/tag/** 2nd: crash",
		"put .weir/revisions/*.done: crash",
		"put .weir/revisions/*.done: crash-after",
		"absent sys.db/revisions/snapshot/** 3rd: crash",
	}
	if testing.Short() {
		rules = []string{rules[4], rules[8]}
	}
	for _, rule := range rules {
		t.Run(rule, func(t *testing.T) { crashAt(t, rule) })
	}
}

func crashAt(t *testing.T, rule string) {
	base := local(t)
	faults, err := faultstore.New(base, faultstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := open(t, faults)
	w.exec(`
CREATE TABLE ev (k BIGINT, at TIMESTAMP(3), v BIGINT, WATERMARK FOR at AS at);
CREATE MATERIALIZED TABLE sums (k BIGINT, n BIGINT, v BIGINT, PRIMARY KEY (k) NOT ENFORCED)
 FRESHNESS = INTERVAL '1' SECOND AS SELECT k, COUNT(*) AS n, SUM(v) AS v FROM ev GROUP BY k;
INSERT INTO ev VALUES (1, TIMESTAMP '2013-07-01 00:00:00', 1), (2, TIMESTAMP '2013-07-01 01:00:00', 2), (3, TIMESTAMP '2013-07-01 02:00:00', 3)`)
	before := []string{"1 1 1", "2 1 2", "3 1 3"}
	after := []string{"1 1 101", "2 1 102"}
	w.becomes("SELECT * FROM sums", before...)
	if err := faults.SetRules(rule); err != nil {
		t.Fatal(err)
	}
	e, err := w.repairs.Revise(t.Context(), revision.Request{Table: "ev", From: "2013-07-01", To: "2013-07-02",
		SQL: "SELECT k, at, v + 100 AS v FROM ev WHERE k < 3"}, "ann")
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); len(faults.Log()) == 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the revision never came to the write")
		}
	}
	w.abandon()

	again := open(t, base)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	got, err := again.repairs.Wait(ctx, e.ID, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, undecided := again.jobs.RevisionRecord(t.Context(), e.ID)
	want, state := after, revision.Done
	if undecided != nil {
		want, state = before, revision.Failed
	}
	if got.State != state || state == revision.Failed && !strings.Contains(got.Error, "nothing was changed") {
		t.Errorf("ended as %+v, want %s", got, state)
	}
	again.becomes("SELECT * FROM sums", want...)
	tags, err := snapshot.NewManager(objstore.Sub(base, "default.db/ev"), "").Tags(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	kept := 0
	for _, tag := range tags {
		if strings.HasPrefix(tag.Name, "weir-revision-") {
			kept++
		}
	}
	if undecided == nil != (kept == 2) || undecided != nil && kept != 0 {
		t.Errorf("%d tags of the revision are kept", kept)
	}
	again.exec("INSERT INTO ev VALUES (1, TIMESTAMP '2013-07-05 00:00:00', 1000)")
	again.becomes("SELECT k, SUM(n) FROM sums WHERE v > 1000 GROUP BY k", "1 2")
	again.equal("")
	revised := 0
	for id := again.latest("ev").ID; id > 0; id-- {
		s, err := again.snapshot("ev", id)
		if err != nil {
			t.Fatal(err)
		}
		if s.Properties["weir.revision"] == e.ID {
			revised++
		}
	}
	if (revised == 1) != slices.Equal(want, after) {
		t.Errorf("%d snapshots of the revision", revised)
	}
}

// A store that does not say what became of a write, or fails for a while, changes nothing of the outcome.
func TestRevisionWithLostReplies(t *testing.T) {
	for _, rule := range []string{
		"absent .weir/revisions/*.json 1st: lost-reply",
		"absent .weir/revisions/*.json 1st: error",
		"absent default.db/ev/snapshot/** 1st: lost-reply",
		"absent default.db/ev/snapshot/** 1st: error",
		"put .weir/revisions/*.done 1st: error",
		"get default.db/ev/bucket-*/** 1st: error",
	} {
		t.Run(rule, func(t *testing.T) {
			faults, err := faultstore.New(local(t), faultstore.Options{})
			if err != nil {
				t.Fatal(err)
			}
			w := open(t, faults)
			w.exec(`
CREATE TABLE ev (k BIGINT, at TIMESTAMP(3), v BIGINT, WATERMARK FOR at AS at);
INSERT INTO ev VALUES (1, TIMESTAMP '2013-07-01 00:00:00', 1), (2, TIMESTAMP '2013-07-01 01:00:00', 2)`)
			if !strings.HasPrefix(rule, "get ") {
				if err := faults.SetRules(rule); err != nil {
					t.Fatal(err)
				}
			}
			e, err := w.repairs.Revise(t.Context(), revision.Request{Table: "ev", From: "2013-07-01", To: "2013-07-02", SQL: "SELECT k, at, v + 100 AS v FROM ev"}, "ann")
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			if strings.HasPrefix(rule, "get ") { // once it is decided, reading the table fails
				if _, err := w.repairs.Wait(ctx, e.ID, nil); err != nil {
					t.Fatal(err)
				}
				if err := faults.SetRules(rule); err != nil {
					t.Fatal(err)
				}
				w.revise(revision.Request{Undo: e.ID})
				w.becomes("SELECT k, v FROM ev", "1 1", "2 2")
				return
			}
			if e, err = w.repairs.Wait(ctx, e.ID, nil); err != nil || e.State != revision.Done {
				t.Fatalf("%+v, %v", e, err)
			}
			if len(faults.Log()) == 0 {
				t.Error("the fault did not happen")
			}
			w.becomes("SELECT k, v FROM ev", "1 101", "2 102")
		})
	}
}
