package session_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/connector/filesystem"
	"github.com/weir-lake/weir/compute/connector/kafka"
	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/compute/session"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/storage/objstore/faultstore"
	"github.com/weir-lake/weir/table/catalog"
)

// startFiles is a service that reads files.
func startFiles(t *testing.T, store objstore.Store) *service {
	t.Helper()
	return startOn(t, store, filesystem.Factory())
}

// startOn is a service with one connector.
func startOn(t *testing.T, store objstore.Store, f connector.Factory) *service {
	t.Helper()
	cat, err := catalog.Open(t.Context(), store, catalog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	reg := connector.Registry{f.Name: f}
	svc := &session.Services{Catalog: cat, Connectors: reg, Now: time.Now}
	m, err := job.Open(t.Context(), job.Options{Store: store, Catalog: cat, Planner: svc, Connectors: reg, Interval: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	svc.Jobs = m
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return &service{store, svc, m}
}

const timedLines = `{"id": 1, "n": 10}
{"id": 1}
not json
{"id": 2, "n": 5}
{"id": 2, "m": 1}
`

// timed makes the table of the lines and a job that adds them up; end, in a bounded table, comes by itself.
func timed(t *testing.T, s *service, bounded bool) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.json"), []byte(timedLines), 0o644); err != nil {
		t.Fatal(err)
	}
	watch := ", 'source.monitor-interval' = '20ms'"
	if bounded {
		watch = ""
	}
	s.run(t, fmt.Sprintf(`
		CREATE TABLE src (id INT, n INT) WITH ('connector' = 'filesystem', 'path' = '%s', 'format' = 'json', 'json.fail-on-missing-field' = 'true'%s);
		CREATE TABLE sums (id INT, c BIGINT, s INT, PRIMARY KEY (id) NOT ENFORCED);
		SET 'execution.runtime-mode' = 'streaming';
		SET 'weir.freshness' = '10ms';
		SET 'pipeline.name' = 'sums';
		INSERT INTO sums SELECT id, COUNT(*), SUM(COALESCE(n, 100 * id)) FROM src GROUP BY id;
	`, dir, watch))
}

// wants waits until the table has the rows.
func (s *service) wants(t *testing.T, table string, want ...string) {
	t.Helper()
	var got []string
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if _, err := s.store.Stat(t.Context(), "default.db/"+table+"/snapshot/snapshot-1"); err == nil {
			if got = s.rows(t, table); slices.Equal(got, want) {
				return
			}
		}
	}
	for _, j := range s.jobs.List() {
		d, _ := s.jobs.Detail(j.ID)
		lines, _ := s.jobs.Logs(j.ID)
		t.Logf("%s %v: %s %v %v", j.Name, d.State, d.Diagnosis, d.Inputs, lines)
	}
	t.Fatalf("%s has %q, want %q", table, got, want)
}

func (s *service) letters(t *testing.T, want int) []job.DeadLetter {
	t.Helper()
	list, _, err := s.jobs.DeadLetters(t.Context(), job.DeadLetterFilter{Job: "sums"})
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != want {
		t.Fatalf("%d dead letters, want %d: %+v", len(list), want, list)
	}
	return list
}

func (s *service) replay(t *testing.T, q job.ReplayRequest) job.Replayed {
	t.Helper()
	q.Job = "sums"
	r, err := s.jobs.ReplayDeadLetters(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// mended makes the lines without n readable.
const mended = "ALTER TABLE src SET ('json.fail-on-missing-field' = 'false')"

func TestDeadLettersAreReplayedThroughTheirJob(t *testing.T) {
	store := objstore.NewMem()
	s := startFiles(t, store)
	timed(t, s, false)
	s.wants(t, "sums", "1 1 10", "2 1 5")
	list := s.letters(t, 3)
	if list[0].Position != "line 2" || list[0].Table != "default.sums" || !strings.Contains(string(list[0].Raw), `{"id": 1}`) || list[0].Reason == "" {
		t.Errorf("%+v", list[0])
	}
	// Nothing has changed, so all stay.
	if r := s.replay(t, job.ReplayRequest{All: true}); r.Letters != 0 || len(r.Kept) != 3 || !strings.Contains(r.Kept[0].Reason, "n") {
		t.Fatalf("%+v", r)
	}
	s.letters(t, 3)
	s.run(t, mended)
	if r := s.replay(t, job.ReplayRequest{IDs: []string{list[2].ID, "nonsense"}}); r.Letters != 1 || r.Rows != 1 || r.Epoch == 0 || len(r.Kept) != 1 || r.Kept[0].ID != "nonsense" {
		t.Fatalf("%+v", r)
	}
	s.wants(t, "sums", "1 1 10", "2 2 205")
	if r := s.replay(t, job.ReplayRequest{All: true}); r.Letters != 1 || len(r.Kept) != 1 || !strings.Contains(r.Kept[0].Reason, "JSON") {
		t.Fatalf("%+v", r)
	}
	s.wants(t, "sums", "1 2 110", "2 2 205")
	if left := s.letters(t, 1); string(left[0].Raw) != "not json" {
		t.Errorf("%+v", left)
	}
	// The state holds them: after a restart, and rebuilt from the inputs when the checkpoint is gone.
	s.stop(t)
	for _, lost := range []bool{false, true} {
		if lost {
			remove(t, store, ".weir/state/")
		}
		s = startFiles(t, store)
		dir := s.path(t)
		name := filepath.Join(dir, fmt.Sprintf("more-%v.json", lost))
		if err := os.WriteFile(name, []byte(`{"id": 1, "n": 1000}`+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		want := []string{"1 3 1110", "2 2 205"}
		if lost {
			want = []string{"1 4 2110", "2 2 205"}
		}
		s.wants(t, "sums", want...)
		s.stop(t)
	}
}

// path is the folder that src reads.
func (s *service) path(t *testing.T) string {
	t.Helper()
	sc, err := s.svc.Catalog.Table(t.Context(), catalog.Identifier{Database: "default", Table: "src"})
	if err != nil {
		t.Fatal(err)
	}
	return sc.Options["path"]
}

func remove(t *testing.T, store objstore.Store, prefix string) {
	t.Helper()
	var keys []string
	if err := store.List(t.Context(), prefix, func(i objstore.Info) error { keys = append(keys, i.Key); return nil }); err != nil || len(keys) == 0 {
		t.Fatalf("%d objects below %s: %v", len(keys), prefix, err)
	}
	for _, k := range keys {
		if err := store.Delete(t.Context(), k); err != nil {
			t.Fatal(err)
		}
	}
}

// A job whose files have ended is started once more for its dead letters, and ends again.
func TestDeadLettersOfAFinishedJob(t *testing.T) {
	s := startFiles(t, objstore.NewMem())
	defer s.stop(t)
	timed(t, s, true)
	s.until(t, "sums", job.Finished)
	s.run(t, mended)
	if r := s.replay(t, job.ReplayRequest{All: true}); r.Letters != 2 || len(r.Kept) != 1 {
		t.Fatalf("%+v", r)
	}
	s.wants(t, "sums", "1 2 110", "2 2 205")
	s.until(t, "sums", job.Finished)
	s.letters(t, 1)
}

func TestReplaysThatCannotBe(t *testing.T) {
	s := startFiles(t, objstore.NewMem())
	defer s.stop(t)
	timed(t, s, false)
	s.wants(t, "sums", "1 1 10", "2 1 5")
	s.letters(t, 3)
	for _, q := range []job.ReplayRequest{{}, {All: true, IDs: []string{"x"}}} {
		if _, err := s.jobs.ReplayDeadLetters(t.Context(), q); err == nil {
			t.Errorf("%+v was taken", q)
		}
	}
	s.run(t, mended)
	if _, err := s.jobs.StopJob(t.Context(), "sums"); err != nil {
		t.Fatal(err)
	}
	if r := s.replay(t, job.ReplayRequest{All: true}); r.Letters != 0 || len(r.Kept) != 3 || !strings.Contains(r.Kept[0].Reason, "stopped: start it first") {
		t.Errorf("%+v", r)
	}
	s.run(t, "DROP TABLE src")
	if _, err := s.jobs.Restart(t.Context(), "sums"); err != nil {
		t.Fatal(err)
	}
	s.until(t, "sums", job.Failed)
	if r := s.replay(t, job.ReplayRequest{All: true}); r.Letters != 0 || len(r.Kept) != 3 || !strings.Contains(r.Kept[0].Reason, "failed") {
		t.Errorf("%+v", r)
	}
	s.letters(t, 3)
}

// The process dies at each write of a replay in turn, and the replay is asked for again: every row counts once, and no
// dead letter is lost.
func TestAReplaySurvivesDyingAtEveryWrite(t *testing.T) {
	step := 4
	if testing.Short() {
		step = 40
	}
	// The first write is another one in every run, so that in time it is each.
	for n := 1 + rand.IntN(step); ; n += step {
		base := objstore.NewMem()
		store, err := faultstore.New(base, faultstore.Options{})
		if err != nil {
			t.Fatal(err)
		}
		s := startFiles(t, store)
		timed(t, s, false)
		s.wants(t, "sums", "1 1 10", "2 1 5")
		s.letters(t, 3)
		s.run(t, mended)
		if err := store.SetRules(fmt.Sprintf("write-any ** %dth: crash", n)); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		_, err = s.jobs.ReplayDeadLetters(ctx, job.ReplayRequest{DeadLetterFilter: job.DeadLetterFilter{Job: "sums"}, All: true})
		cancel()
		dead := len(store.Log()) > 0
		cancelled, stop := context.WithCancel(context.Background())
		stop()
		s.jobs.Stop(cancelled) // as good as killed: nothing can be written any more
		s = startFiles(t, base)
		s.until(t, "sums", job.Running)
		r := s.replay(t, job.ReplayRequest{All: true})
		s.wants(t, "sums", "1 2 110", "2 2 205")
		s.letters(t, 1)
		if t.Failed() {
			t.Fatalf("dead at write %d (%v), then %+v", n, err, r)
		}
		s.stop(t)
		if !dead {
			return // there were fewer writes
		}
	}
}

// A stateful job on a topic reads it through its landing table, whose job met the bad message: there it is replayed.
func TestDeadLettersOfATopic(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	send := func(values ...string) {
		for _, v := range values {
			if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: "orders", Value: []byte(v)}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
	send(`{"id": 1, "n": 10}`, `{"id": 1}`, `{"id": 2, "n": 5}`)
	store := objstore.NewMem()
	s := startOn(t, store, kafka.Factory())
	s.run(t, fmt.Sprintf(`
		CREATE TABLE src (id INT, n INT) WITH ('connector' = 'kafka', 'topic' = 'orders', 'properties.bootstrap.servers' = '%s', 'scan.startup.mode' = 'earliest-offset',
			'format' = 'json', 'json.fail-on-missing-field' = 'true');
		CREATE TABLE sums (id INT, c BIGINT, s INT, PRIMARY KEY (id) NOT ENFORCED);
		SET 'execution.runtime-mode' = 'streaming';
		SET 'weir.freshness' = '10ms';
		SET 'pipeline.name' = 'sums';
		INSERT INTO sums SELECT id, COUNT(*), SUM(COALESCE(n, 100 * id)) FROM src GROUP BY id;
	`, strings.Join(cluster.ListenAddrs(), ",")))
	s.wants(t, "sums", "1 1 10", "2 1 5")
	list, _, err := s.jobs.DeadLetters(t.Context(), job.DeadLetterFilter{})
	if err != nil || len(list) != 1 || list[0].Split != "orders/0" || list[0].Position != "offset 1" {
		t.Fatalf("%+v, %v", list, err)
	}
	s.run(t, mended)
	all := job.ReplayRequest{DeadLetterFilter: job.DeadLetterFilter{Table: list[0].Table}, All: true}
	r, err := s.jobs.ReplayDeadLetters(t.Context(), all)
	if err != nil || r.Letters != 1 || r.Rows != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	s.wants(t, "sums", "1 2 110", "2 1 5")
	s.stop(t)
	remove(t, store, ".weir/state/")
	s = startOn(t, store, kafka.Factory())
	defer s.stop(t)
	send(`{"id": 2, "n": 50}`)
	s.wants(t, "sums", "1 2 110", "2 2 55")
	if r, err := s.jobs.ReplayDeadLetters(t.Context(), all); err != nil || r.Letters != 0 || len(r.Kept) != 0 {
		t.Errorf("again: %+v, %v", r, err)
	}
}
