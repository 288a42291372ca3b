package session_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/connector/datagen"
	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/compute/session"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/catalog"
)

// startWith opens the warehouse with a limit of the jobs' state.
func startWith(t *testing.T, store objstore.Store, stateMemory int64) *service {
	t.Helper()
	return startLimited(t, store, job.Options{StateMemory: stateMemory})
}

// startLimited opens the warehouse with some limits.
func startLimited(t *testing.T, store objstore.Store, o job.Options) *service {
	t.Helper()
	cat, err := catalog.Open(t.Context(), store, catalog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	reg := connector.Registry{"datagen": datagen.Factory()}
	svc := &session.Services{Catalog: cat, Connectors: reg, Now: time.Now}
	o.Store, o.Catalog, o.Planner, o.Connectors, o.Interval = store, cat, svc, reg, 20*time.Millisecond
	m, err := job.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	svc.Jobs = m
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return &service{store, svc, m}
}

// until waits for a job to be in a state.
func (s *service) until(t *testing.T, name string, want job.State) job.Detail {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		d, err := s.jobs.Detail(name)
		if err != nil {
			t.Fatal(err)
		}
		if d.State == want {
			return d
		}
		if time.Now().After(deadline) {
			t.Fatalf("job %s is %s, not %s: %s", name, d.State, want, d.Diagnosis)
		}
	}
}

// A job whose state has no room fails and says what takes it; the others go on, and it does too once there is more.
func TestStateMemoryIsBounded(t *testing.T) {
	store := objstore.NewMem()
	s := startWith(t, store, 400<<10)
	s.run(t, `
		CREATE TABLE gen (id INT) WITH ('connector' = 'datagen', 'number-of-rows' = '20000', 'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '20000');
		CREATE TABLE few (k INT, c BIGINT, PRIMARY KEY (k) NOT ENFORCED);
		CREATE TABLE many (k INT, c BIGINT, PRIMARY KEY (k) NOT ENFORCED);
		SET 'execution.runtime-mode' = 'streaming';
		SET 'execution.epoch.max-rows' = '1000';
		SET 'weir.freshness' = '20ms';
		SET 'pipeline.name' = 'few';
		INSERT INTO few SELECT MOD(id, 3), COUNT(*) FROM gen GROUP BY MOD(id, 3);
		SET 'pipeline.name' = 'many';
		INSERT INTO many SELECT id, COUNT(*) FROM gen GROUP BY id;
	`)
	d := s.until(t, "many", job.Failed)
	for _, part := range []string{"over the limit of 400.0 KiB", "Aggregate", "--state-memory", "weir job restart many"} {
		if !strings.Contains(d.Diagnosis, part) {
			t.Errorf("%q is not in: %s", part, d.Diagnosis)
		}
	}
	if len(d.Failures) != 1 || !d.Failures[0].Final || d.Failures[0].Kind != "exhausted" {
		t.Errorf("failures %+v", d.Failures)
	}
	if len(d.Commits) == 0 || d.Commits[0].RowsIn == 0 || d.Commits[0].Snapshot == 0 {
		t.Errorf("commits %+v", d.Commits)
	}
	if few := s.until(t, "few", job.Finished); few.RowsIn != 20_000 {
		t.Errorf("the other job took %d rows", few.RowsIn)
	}
	if used, _ := s.jobs.Memory(); used >= 400<<10 {
		t.Errorf("%d bytes are still counted", used)
	}
	s.stop(t)

	s = startWith(t, store, 1<<30)
	defer s.stop(t)
	s.until(t, "many", job.Finished)
	if n := len(s.rows(t, "many")); n != 20_000 {
		t.Errorf("%d rows", n)
	}
}

// A job that was stopped keeps the versions of its inputs over a restart of the service, so that it can go on.
func TestAStoppedJobGoesOnAfterRestartAndExpiry(t *testing.T) {
	store := objstore.NewMem()
	s := start(t, store)
	s.run(t, `
		CREATE TABLE base (k INT, v INT) WITH ('snapshot.num-retained.min' = '1', 'snapshot.num-retained.max' = '1', 'snapshot.time-retained' = '1 ms');
		CREATE TABLE sums (k INT, s INT, PRIMARY KEY (k) NOT ENFORCED);
		SET 'execution.runtime-mode' = 'streaming';
		SET 'pipeline.name' = 'sums';
		INSERT INTO sums SELECT k, SUM(v) FROM base GROUP BY k;
		CREATE TABLE counts (c BIGINT, PRIMARY KEY (c) NOT ENFORCED);
		SET 'weir.freshness' = '20ms';
		SET 'pipeline.name' = 'counts';
		INSERT INTO counts SELECT COUNT(*) FROM base;
	`)
	s.push(t, "base", 1, 2)
	s.settle(t)
	if _, err := s.jobs.StopJob(t.Context(), "sums"); err != nil {
		t.Fatal(err)
	}
	s.stop(t)
	s = start(t, store)
	defer s.stop(t)
	for range 5 {
		s.push(t, "base", 1, 3)
		s.settle(t)
		s.checkpointed(t, "counts") // whose pin then moves up
		if _, err := s.jobs.Expire(t.Context(), "default.db/base", false); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.jobs.Restart(t.Context(), "sums"); err != nil {
		t.Fatal(err)
	}
	s.settle(t)
	if got, want := s.rows(t, "sums"), []string{"1 60", "2 20", "3 150"}; !slices.Equal(got, want) {
		t.Errorf("sums %q, want %q", got, want)
	}
}

// One that has not gone on for too long does not keep them any more, and then says what is gone.
func TestAJobThatStoodForTooLongLosesItsInputs(t *testing.T) {
	store := objstore.NewMem()
	s := start(t, store)
	s.run(t, `
		CREATE TABLE base (k INT, v INT) WITH ('snapshot.num-retained.min' = '1', 'snapshot.num-retained.max' = '1', 'snapshot.time-retained' = '1 ms');
		CREATE TABLE sums (k INT, s INT, PRIMARY KEY (k) NOT ENFORCED);
		SET 'execution.runtime-mode' = 'streaming';
		SET 'weir.freshness' = '20ms';
		SET 'pipeline.name' = 'sums';
		INSERT INTO sums SELECT k, SUM(v) FROM base GROUP BY k;
	`)
	s.push(t, "base", 1)
	s.settle(t)
	if _, err := s.jobs.StopJob(t.Context(), "sums"); err != nil {
		t.Fatal(err)
	}
	s.push(t, "base", 2)
	s.push(t, "base", 3)
	s.stop(t)

	s = startLimited(t, store, job.Options{PinAgeMax: time.Millisecond})
	defer s.stop(t)
	for deadline := time.Now().Add(20 * time.Second); s.jobs.PinsReleased() == 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the pin was not released")
		}
	}
	if _, err := s.jobs.Expire(t.Context(), "default.db/base", false); err != nil {
		t.Fatal(err)
	}
	if _, err := s.jobs.Restart(t.Context(), "sums"); err != nil {
		t.Fatal(err)
	}
	d := s.until(t, "sums", job.Failed)
	for _, part := range []string{"its inputs have expired", "job sums needs snapshot 1 of base", "drop the job and create it anew"} {
		if !strings.Contains(d.Error, part) {
			t.Errorf("%q is not in: %s", part, d.Error)
		}
	}
}

// checkpointed waits until the job's state is durable as it is.
func (s *service) checkpointed(t *testing.T, name string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		j, err := s.jobs.Show(name)
		if err != nil {
			t.Fatal(err)
		}
		if j.CheckpointAt >= j.Epoch {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("job %s is at epoch %d, its checkpoint at %d", name, j.Epoch, j.CheckpointAt)
		}
	}
}

// push stores a row (k, 10k) of a table of two INT columns for each k.
func (s *service) push(t *testing.T, table string, keys ...int32) {
	t.Helper()
	sc := arrow.NewSchema([]arrow.Field{{Name: "k", Type: arrow.PrimitiveTypes.Int32, Nullable: true}, {Name: "v", Type: arrow.PrimitiveTypes.Int32, Nullable: true}}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, sc)
	defer b.Release()
	for _, k := range keys {
		b.Field(0).(*array.Int32Builder).Append(k)
		b.Field(1).(*array.Int32Builder).Append(10 * k)
	}
	rec := b.NewRecordBatch()
	defer rec.Release()
	if _, err := s.jobs.Push(t.Context(), "default.db/"+table, rec, nil, "", ""); err != nil {
		t.Fatal(err)
	}
}
