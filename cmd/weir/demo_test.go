package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/weir-lake/weir/cmd/weir/tablecmd"
	"github.com/weir-lake/weir/compute/duck"
	"github.com/weir-lake/weir/compute/duck/worker"
	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/compute/session"
	"github.com/weir-lake/weir/lineage"
)

// TestMain lets the test binary be its own query worker, and weir itself.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == duck.WorkerCommand {
		os.Exit(worker.Main())
	}
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

func testEngine(t *testing.T, warehouse string) *engine {
	t.Helper()
	e, err := openEngine(t.Context(), engineOptions{Warehouse: warehouse, Data: t.TempDir(), Epoch: 100 * time.Millisecond,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		e.close(ctx)
	})
	return e
}

// settle waits until the replay has ended and every table has taken all of it.
func settle(t *testing.T, e *engine, limit time.Duration) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		busy := false
		for _, j := range e.jobs.List() {
			switch {
			case j.State == job.Failed || j.State == job.Failing:
				t.Fatalf("job %s: %s", j.Name, j.Error)
			case j.Name == replayJob:
				busy = busy || j.State != job.Finished
			default:
				busy = busy || j.State != job.Running || j.Pending > 0
			}
		}
		if !busy {
			return
		}
		if time.Now().After(deadline) {
			for _, j := range e.jobs.List() {
				t.Logf("%s %s epoch %d pending %d in %d out %d state %d bytes", j.Name, j.State, j.Epoch, j.Pending, j.RowsIn, j.RowsOut, j.StateBytes)
			}
			t.Fatal("the replay did not settle")
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// verifyAll recomputes every table from its recorded inputs.
func verifyAll(t *testing.T, e *engine) map[string]lineage.Report {
	t.Helper()
	got, err := e.verify.Verify(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]lineage.Report{}
	for _, r := range got.([]lineage.Report) {
		out[r.Job] = r
	}
	return out
}

func TestVerifyOfTheReplayIsEqual(t *testing.T) {
	warehouse := t.TempDir()
	e := testEngine(t, warehouse)
	if err := e.jobs.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	d := &demo{engine: e, data: t.TempDir(), speed: "max", until: "2013-01-05 00:00:00"}
	if err := d.run(t.Context(), t.Logf); err != nil {
		t.Fatal(err)
	}
	settle(t, e, 2*time.Minute)
	for name, r := range verifyAll(t, e) {
		if r.Answer != lineage.Equal || r.Rows == 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// runSQL executes a script in a session of the engine.
func runSQL(t *testing.T, e *engine, script string) {
	t.Helper()
	r := &localScript{session: session.New(e.svc, session.Options{}), env: &tablecmd.Env{Note: io.Discard}, out: newPrinter(io.Discard, "jsonl")}
	if err := runAll(t.Context(), r, script); err != nil {
		t.Fatal(err)
	}
}

// One wrong value in a data file of the right size and row count is found, and shown.
func TestVerifyFindsAWrongRowInAFile(t *testing.T) {
	warehouse := t.TempDir()
	e := testEngine(t, warehouse)
	if err := e.jobs.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	runSQL(t, e, `
		CREATE TABLE src (k INT, v BIGINT);
		CREATE MATERIALIZED TABLE sums WITH ('file.compression' = 'none') AS SELECT k, SUM(v) AS s FROM src GROUP BY k;
		INSERT INTO src VALUES (1, 1234567890000), (1, 123), (2, 5)`)
	right, wrong := make([]byte, 8), make([]byte, 8)
	binary.LittleEndian.PutUint64(right, 1234567890123)
	binary.LittleEndian.PutUint64(wrong, 1234567890124)
	deadline := time.Now().Add(20 * time.Second)
	for planted := 0; planted == 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the sum was never written")
		}
		files, err := filepath.Glob(filepath.Join(warehouse, "default.db/sums/bucket-0/data-*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			data, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			if n := bytes.Count(data, right); n > 0 {
				if r := verifyAll(t, e)["default.sums"]; r.Answer != lineage.Equal || r.Rows != 2 {
					continue // the file lies there before its commit
				}
				planted += n
				if err := os.WriteFile(f, bytes.ReplaceAll(data, right, wrong), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	r := verifyAll(t, e)["default.sums"]
	if r.Answer != lineage.Differs || r.Missing != 1 || r.Extra != 1 || len(r.Examples) != 2 {
		t.Fatalf("after: %+v", r)
	}
	if r.OK() {
		t.Error("a table that differs is not OK")
	}
}
