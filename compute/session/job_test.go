package session_test

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/connector/datagen"
	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/compute/session"
	"github.com/weir-lake/weir/compute/sql"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/catalog"
	"github.com/weir-lake/weir/table/scan"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
)

// service is jobs and sessions over one warehouse, without queries.
type service struct {
	store objstore.Store
	svc   *session.Services
	jobs  *job.Manager
}

func start(t *testing.T, store objstore.Store) *service {
	t.Helper()
	s, err := tryStart(t, store)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func tryStart(t *testing.T, store objstore.Store) (*service, error) {
	t.Helper()
	cat, err := catalog.Open(t.Context(), store, catalog.Options{})
	if err != nil {
		return nil, err
	}
	reg := connector.Registry{"datagen": datagen.Factory()}
	svc := &session.Services{Catalog: cat, Connectors: reg, Now: time.Now}
	m, err := job.Open(t.Context(), job.Options{Store: store, Catalog: cat, Planner: svc, Connectors: reg,
		Interval: 20 * time.Millisecond, CheckpointEvery: 50 * time.Millisecond})
	if err != nil {
		return nil, err
	}
	svc.Jobs = m
	return &service{store, svc, m}, m.Start(t.Context())
}

func (s *service) stop(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	s.jobs.Stop(ctx)
}

// run executes a script.
func (s *service) run(t *testing.T, script string) {
	t.Helper()
	sess := session.New(s.svc, session.Options{User: "test"})
	frags, err := sql.Split(script)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range frags {
		st, err := f.Parse()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sess.Execute(t.Context(), script, st, session.Params{}); err != nil {
			t.Fatalf("%s: %v", f.Text(), err)
		}
	}
}

// settle waits until every job has nothing left to do.
func (s *service) settle(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for time.Now().Before(deadline) {
		busy := ""
		for _, j := range s.jobs.List() {
			if j.State == job.Failed || j.State == job.Failing {
				t.Fatalf("job %s: %s", j.Name, j.Error)
			}
			ended := j.State == job.Finished || j.State == job.Stopped
			source := slices.ContainsFunc(j.Inputs, func(i job.InputStatus) bool { return i.Connector != "" })
			if !ended && (j.Pending > 0 || source || j.State != job.Running) {
				busy = fmt.Sprintf("%s %s pending %d", j.Name, j.State, j.Pending)
			}
		}
		if busy == "" {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	for _, j := range s.jobs.List() {
		lines, _ := s.jobs.Logs(j.ID)
		t.Logf("%+v\n%v", j, lines)
	}
	t.Fatal("jobs did not settle")
}

// rows are the table's newest rows as text, sorted.
func (s *service) rows(t *testing.T, name string) []string {
	t.Helper()
	store := objstore.Sub(s.store, "default.db/"+name)
	sc, err := schema.NewFiles(store, "").Latest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	x, err := scan.New(store, sc, nil)
	if err != nil {
		t.Fatal(err)
	}
	snap, err := snapshot.NewManager(store, "").Latest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p, err := x.Plan(t.Context(), snap, scan.Request{})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := p.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Release()
	var out []string
	for {
		rec, err := rows.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for i := range int(rec.NumRows()) {
			var parts []string
			for _, c := range rec.Columns() {
				parts = append(parts, c.ValueStr(i))
			}
			out = append(out, strings.Join(parts, " "))
		}
		rec.Release()
	}
	slices.Sort(out)
	return out
}

const script = `
SET 'weir.freshness' = '20ms';
CREATE TABLE gen (id BIGINT, grp INT) WITH ('connector'='datagen', 'number-of-rows'='5000',
  'fields.id.kind'='sequence', 'fields.id.start'='1', 'fields.id.end'='5000', 'fields.grp.min'='0', 'fields.grp.max'='4');
CREATE TABLE events (id BIGINT, grp INT);
CREATE MATERIALIZED TABLE per_group AS SELECT grp, COUNT(*) AS n, SUM(id) AS total FROM events GROUP BY grp;
CREATE MATERIALIZED TABLE overall (PRIMARY KEY (k) NOT ENFORCED) AS SELECT 1 AS k, SUM(n) AS n, SUM(total) AS total FROM per_group;
SET 'execution.runtime-mode' = 'streaming';
SET 'execution.epoch.max-rows' = '700';
INSERT INTO events SELECT id, grp FROM gen;
`

func TestJobsChainThroughTables(t *testing.T) {
	s := start(t, objstore.NewMem())
	defer s.stop(t)
	s.run(t, script)
	s.settle(t)
	if n := len(s.rows(t, "events")); n != 5000 {
		t.Fatalf("%d events", n)
	}
	if got := s.rows(t, "overall"); len(got) != 1 || got[0] != "1 5000 12502500" {
		t.Fatalf("overall: %v", got)
	}
	if got := s.rows(t, "per_group"); len(got) != 5 {
		t.Fatalf("per_group: %v", got)
	}
}
