package openlineage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-lake/weir/compute/epoch"
	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/lineage"
	"github.com/weir-lake/weir/table/schema"
)

// source gives the runs that a test sets.
type source struct {
	mu   sync.Mutex
	runs []lineage.Run
	err  error
}

func (s *source) Runs(context.Context) ([]lineage.Run, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.runs, s.err
}

func (s *source) set(runs ...lineage.Run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runs = runs
}

// running is a job over two tables and a topic at a snapshot.
func running(state job.State, since time.Time, snapshot int, why string) lineage.Run {
	col := func(table, name string) lineage.ColumnRef { return lineage.ColumnRef{Table: table, Name: name} }
	edge := func(from, to string, kind plan.Kind) lineage.ColumnEdge {
		table, name, _ := strings.Cut(from, "/")
		return lineage.ColumnEdge{From: col(table, name), To: col("default.out", to), Kind: kind, Direct: kind.Direct(), Job: "j"}
	}
	return lineage.Run{
		Job:    &job.Status{JobRecord: epoch.JobRecord{ID: "1", Name: "j"}, State: state, StateSince: since, Error: why},
		Writer: lineage.Writer{Kind: lineage.WriterJob, Name: "j", ID: "1"}, SQL: "INSERT INTO out SELECT ..",
		Inputs: []lineage.Dataset{
			{Table: "default.a", Path: "default.db/a", Columns: []schema.Field{{Name: "k", Type: schema.TInt}}, Version: "7"},
			{Table: "default.topic", Options: map[string]string{"connector": "kafka", "topic": "t", "properties.bootstrap.servers": "k1:9,k2:9"}},
			{Table: "default.gen", Options: map[string]string{"connector": "datagen"}},
		},
		Output: lineage.Dataset{Table: "default.out", Path: "default.db/out", Columns: []schema.Field{{Name: "x", Type: schema.TString}}, Version: fmt.Sprint(snapshot)},
		Columns: []lineage.ColumnEdge{edge("default.a/k", "x", plan.Identity), edge("default.a/k", "x", plan.JoinBy), edge("default.a/k", "y", plan.JoinBy),
			edge("default.topic/v", "y", plan.Aggregation), edge("default.topic/v", "y", plan.FilterBy)},
	}
}

// events reads a file of events.
func events(t *testing.T, file string) []Event {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []Event
	for _, line := range strings.Split(strings.TrimSpace(string(data)), "\n") {
		var e Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		out = append(out, e)
	}
	return out
}

func TestAJobsRuns(t *testing.T) {
	file := filepath.Join(t.TempDir(), "events")
	synctest.Test(t, func(t *testing.T) {
		s := &source{}
		e, err := New(s, Options{Target: file, Warehouse: "/w", Version: "v1", Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		e.Start()
		step := func(d time.Duration, runs ...lineage.Run) {
			s.set(runs...)
			time.Sleep(d)
			synctest.Wait()
		}
		step(10*time.Second, running(job.Starting, now, 0, ""))
		step(10*time.Second, running(job.Running, now, 1, "")) // START
		step(30*time.Second, running(job.Running, now, 2, "")) // too soon for RUNNING
		step(60*time.Second, running(job.Running, now, 3, "")) // RUNNING
		step(90*time.Second, running(job.Running, now, 3, "")) // nothing new
		step(10*time.Second, running(job.Failing, now, 3, "disk full"))
		step(10*time.Second, running(job.Running, now.Add(time.Hour), 3, ""))
		step(10*time.Second, running(job.Running, now.Add(2*time.Hour), 4, "")) // restarted between two looks
		step(10 * time.Second)                                                  // dropped
		if err := e.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := e.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	var got []string
	runs := map[string]int{}
	for _, e := range events(t, file) {
		if _, ok := runs[e.Run.RunID]; !ok {
			runs[e.Run.RunID] = len(runs) + 1
		}
		why := ""
		if m := e.Run.Facets.ErrorMessage; m != nil {
			why = m.Message
		}
		got = append(got, fmt.Sprintf("%d %s %s %s", runs[e.Run.RunID], e.EventType, e.Outputs[0].Facets.Version.DatasetVersion, why))
	}
	want := []string{"1 START 1 ", "1 RUNNING 3 ", "1 FAIL 3 disk full", "2 START 3 ", "2 COMPLETE 4 ", "3 START 4 ", "3 COMPLETE 4 "}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestNamesFacetsAndColumns(t *testing.T) {
	b := builder{namespace: "weir", warehouse: "s3://bucket/wh", version: "v1"}
	r := running(job.Running, time.Now(), 5, "")
	e := b.event(&r, "id", Start, time.Now(), "")
	var names []string
	for _, in := range e.Inputs {
		names = append(names, in.Namespace+" "+in.Name)
	}
	names = append(names, e.Outputs[0].Namespace+" "+e.Outputs[0].Name)
	if diff := cmp.Diff([]string{"s3://bucket wh/default.db/a", "kafka://k1:9 t", "weir default.gen", "s3://bucket wh/default.db/out"}, names); diff != "" {
		t.Error(diff)
	}
	if e.Inputs[0].Facets.Version.DatasetVersion != "7" || e.Inputs[0].Facets.Symlinks.Identifiers[0].Name != "default.a" || e.Inputs[2].Facets.Symlinks != nil {
		t.Errorf("%+v", e.Inputs)
	}
	// What decides about all columns stands once, the rest with its column.
	cl := e.Outputs[0].Facets.ColumnLineage
	want := map[string]ColumnInputs{
		"x": {[]InputField{{"s3://bucket", "wh/default.db/a", "k", []Transformation{{"DIRECT", "IDENTITY"}}}}},
		"y": {[]InputField{{"kafka://k1:9", "t", "v", []Transformation{{"DIRECT", "AGGREGATION"}, {"INDIRECT", "FILTER"}}}}},
	}
	if diff := cmp.Diff(want, cl.Fields); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]InputField{{"s3://bucket", "wh/default.db/a", "k", []Transformation{{"INDIRECT", "JOIN"}}}}, cl.Dataset); diff != "" {
		t.Error(diff)
	}
	local := builder{namespace: "weir", warehouse: "/data/w"}
	if ns, name := local.name(r.Output); ns != "file" || name != "/data/w/default.db/out" {
		t.Error(ns, name)
	}
	if ns, name := local.name(lineage.Dataset{Table: "default.f", Options: map[string]string{"connector": "filesystem", "path": "/x.csv"}}); ns != "file" || name != "/x.csv" {
		t.Error(ns, name)
	}
}

func TestBatchStatementsAreToldOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "events")
	synctest.Test(t, func(t *testing.T) {
		s := &source{}
		e, err := New(s, Options{Target: file})
		if err != nil {
			t.Fatal(err)
		}
		e.Start()
		batch := func(user string, at time.Time) lineage.Run {
			r := running(job.Running, at, 1, "")
			r.Job, r.Committed, r.Writer = nil, at.UnixMilli(), lineage.Writer{Kind: lineage.WriterBatch, Name: "ann", ID: user}
			return r
		}
		old, fresh := batch("7d444840-9dc0-11d1-b245-5ffdce74fad2", time.Now().Add(-time.Hour)), batch("8d444840-9dc0-11d1-b245-5ffdce74fad2", time.Now().Add(time.Second))
		for range 3 {
			s.set(old, fresh)
			time.Sleep(5 * time.Second)
			synctest.Wait()
		}
		if err := e.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	got := events(t, file)
	if len(got) != 2 || got[0].EventType != Start || got[1].EventType != Complete || got[0].Run.RunID != "8d444840-9dc0-11d1-b245-5ffdce74fad2" ||
		got[0].Job.Name != "default.out by ann" || got[0].Job.Facets.JobType.ProcessingType != "BATCH" {
		t.Errorf("%+v", got)
	}
}

// receiver answers with the statuses of a list, then 201, and keeps what it took.
type receiver struct {
	mu       sync.Mutex
	statuses []int
	took     []string
	paths    []string
	auth     string
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	body, _ := io.ReadAll(q.Body)
	r.paths, r.auth = append(r.paths, q.URL.Path), q.Header.Get("Authorization")
	if len(r.statuses) > 0 {
		status := r.statuses[0]
		r.statuses = r.statuses[1:]
		http.Error(w, "no", status)
		return
	}
	r.took = append(r.took, string(body))
	w.WriteHeader(http.StatusCreated)
}

func TestAReceiverThatIsBusyIsAskedAgain(t *testing.T) {
	r := &receiver{statuses: []int{503, 400}}
	server := httptest.NewServer(r)
	defer server.Close()
	s, err := newSender(server.URL, "secret", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s.start()
	for _, id := range []string{"1", "2", "3"} {
		s.put(Event{Run: Run{RunID: id}})
	}
	if err := s.end(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The first is busy, then refused; the others arrive in order.
	if len(r.took) != 2 || !strings.Contains(r.took[0], `"runId":"2"`) || !strings.Contains(r.took[1], `"runId":"3"`) {
		t.Errorf("took %v", r.took)
	}
	if r.paths[0] != defaultPath || r.auth != "Bearer secret" {
		t.Errorf("path %s, authorization %s", r.paths[0], r.auth)
	}
	if c := (&Emitter{sender: s}).Counts(); c != (Counts{Sent: 2, Dropped: 1, Retried: 1}) {
		t.Errorf("%+v", c)
	}
}

func TestNobodyWaitsForAReceiverThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		block := errors.New("away")
		s := &sender{log: slog.New(slog.DiscardHandler), queue: make(chan []byte, queueMax), close: func() error { return nil },
			deliver: func(ctx context.Context, _ []byte) error { return block }}
		s.start()
		began := time.Now()
		for range queueMax + 100 {
			s.put(Event{})
		}
		if time.Since(began) != 0 {
			t.Errorf("putting took %s", time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if err := s.end(ctx); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 4*time.Second {
			t.Errorf("ending took %s", took)
		}
		if n := s.counts.dropped.Load(); n != queueMax+100 {
			t.Errorf("%d dropped, want all", n)
		}
	})
}

func TestTargetsThatAreNone(t *testing.T) {
	for _, target := range []string{"http://", filepath.Join(t.TempDir(), "no", "such", "folder")} {
		if _, err := New(&source{}, Options{Target: target}); !errkind.Is(err, errkind.Invalid) || !strings.Contains(err.Error(), "want http://") {
			t.Errorf("%s: %v", target, err)
		}
	}
	e, err := New(&source{}, Options{Target: filepath.Join(t.TempDir(), "f")})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Stop(t.Context()); err != nil { // never started
		t.Error(err)
	}
}
