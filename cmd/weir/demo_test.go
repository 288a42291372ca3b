package main

import (
	"context"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/weir-lake/weir/compute/duck"
	"github.com/weir-lake/weir/compute/duck/worker"
	"github.com/weir-lake/weir/compute/job"
)

// TestMain lets the test binary be its own query worker.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == duck.WorkerCommand {
		os.Exit(worker.Main())
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

func TestReplayAtFullSpeed(t *testing.T) {
	e := testEngine(t, t.TempDir())
	if err := e.jobs.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	d := &demo{engine: e, data: t.TempDir(), speed: "max", until: os.Getenv("UNTIL")}
	if err := d.run(t.Context(), t.Logf); err != nil {
		t.Fatal(err)
	}
	started := time.Now()
	settle(t, e, 5*time.Minute)
	t.Logf("settled in %s", time.Since(started))
	for _, j := range e.jobs.List() {
		t.Logf("%s %s epoch %d in %d out %d state %d bytes", j.Name, j.State, j.Epoch, j.RowsIn, j.RowsOut, j.StateBytes)
		lines, _ := e.jobs.Logs(j.ID)
		for _, l := range lines {
			t.Log(l.Time.Format("05.000"), l.Text)
		}
		for _, o := range j.Operators {
			t.Logf("   %s in %d out %d busy %.2f", o.Name, o.RowsIn, o.RowsOut, o.BusySec)
		}
	}
}
