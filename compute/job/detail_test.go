package job

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-lake/weir/compute/epoch"
	"github.com/weir-lake/weir/internal/errkind"
)

var testNow = time.Date(2024, 3, 1, 12, 0, 0, 0, time.UTC)

func TestRingKeepsTheNewest(t *testing.T) {
	r := ring[int]{limit: 3}
	for i, want := range [][]int{{1}, {2, 1}, {3, 2, 1}, {4, 3, 2}, {5, 4, 3}, {6, 5, 4}, {7, 6, 5}} {
		r.add(i + 1)
		if got := r.newest(); !slices.Equal(got, want) {
			t.Errorf("after %d: %v, want %v", i+1, got, want)
		}
	}
}

func TestMeterForgetsAfterItsWindow(t *testing.T) {
	var m meter
	m.add(testNow, 50)
	m.add(testNow.Add(3*time.Second), 50)
	if got := m.rate(testNow.Add(4 * time.Second)); got != 10 {
		t.Errorf("rate %v, want 10", got)
	}
	if got := m.rate(testNow.Add(11 * time.Second)); got != 5 {
		t.Errorf("rate %v after the first have gone, want 5", got)
	}
	if got := m.rate(testNow.Add(time.Hour)); got != 0 {
		t.Errorf("rate %v after an hour, want 0", got)
	}
}

func TestHistoryKeepsFailuresWithTheirKind(t *testing.T) {
	h := newHistory(func() time.Time { return testNow })
	for range failuresKept {
		h.failed(testNow, errors.New("old"), false)
	}
	h.failed(testNow, errkind.New(errkind.Exhausted, "no memory"), true)
	_, fs := h.newest()
	if len(fs) != failuresKept || fs[0].Kind != errkind.Exhausted.String() || !fs[0].Final || fs[0].Error != "no memory" {
		t.Errorf("%d failures, the newest %+v", len(fs), fs[0])
	}
}

func running(change func(*findings)) findings {
	at := testNow.Add(-2 * time.Second)
	f := findings{now: testNow, freshness: time.Second}
	f.Status = Status{JobRecord: epoch.JobRecord{Name: "j", Sink: "default.t"}, State: Running, StateSince: testNow.Add(-time.Minute), LastCommit: &at}
	change(&f)
	return f
}

func TestDiagnosis(t *testing.T) {
	rows := int64(70)
	for _, c := range []struct {
		name    string
		f       findings
		want    string // part of the sentence
		healthy bool
	}{
		{"up to date", running(func(*findings) {}), "up to date", true},
		{"never committed", running(func(f *findings) { f.LastCommit = nil }), "Waits for input", true},
		{"keeps up", running(func(f *findings) { f.Pending, f.LagMs, f.RowsPerSec = 2, 800, 33 }), "33 rows a second", true},
		{"source has more", running(func(f *findings) { f.Inputs = []InputStatus{{RowsBehind: &rows}} }), "70 rows more", true},
		{"compaction", running(func(f *findings) {
			f.Doing, f.runs, f.runsMax, f.LagMs, f.Pending = string(compacting), 9, 8, 9000, 3
		}), "compaction of default.t: a bucket has 9 sorted runs", false},
		{"gate", running(func(f *findings) {
			f.Doing, f.beside, f.LagMs, f.Pending = string(gated), "job other (failed)", 60_000, 3
		}), "Waits for job other (failed), which writes default.t too", false},
		{"upstream", running(func(f *findings) { f.heldBy, f.LagMs, f.Pending = "job up (failing)", 60_000, 3 }), "1m0s behind because job up (failing)", false},
		{"slow operator", running(func(f *findings) {
			f.LagMs, f.Pending = 60_000, 9
			f.Commits = []CommitInfo{{ReadMs: 10, StepMs: 80, CommitMs: 10}}
			f.Operators = []Operator{{Name: "0 Scan", Busy: .1}, {Name: "1 Join", Busy: .8}, {Name: "sink default.t", Busy: .9}}
		}), "80% of its time goes into computing, most of it in operator 1 Join", false},
		{"slow commits", running(func(f *findings) {
			f.LagMs, f.Pending, f.Commits = 60_000, 9, []CommitInfo{{ReadMs: 10, StepMs: 10, CommitMs: 80}}
		}), "committing; a longer FRESHNESS", false},
		{"late for a slow table only", running(func(f *findings) { f.LagMs, f.Pending, f.freshness = 20_000, 2, 10*time.Second }), "Keeps up", true},
		{"failing", running(func(f *findings) { f.State, f.Error, f.Restarts = Failing, "broker gone.", 4 }), "tried again by itself (4 times so far): broker gone.", false},
		{"failed", running(func(f *findings) { f.State, f.Error = Failed, "table was rolled back" }), "table was rolled back. Mend the cause, then `weir job restart j`.", false},
		{"stopped", running(func(f *findings) { f.State, f.Reason = Stopped, "stopped" }), "Stopped: its table stays", true},
		{"finished", running(func(f *findings) { f.State = Finished }), "Finished", true},
		{"restoring again", running(func(f *findings) {
			f.State, f.Restarts, f.Failures = Restoring, 1, []Failure{{Error: "disk full"}}
		}), "attempt before ended with: disk full", false},
	} {
		got, healthy := diagnose(c.f)
		if !strings.Contains(got, c.want) || healthy != c.healthy {
			t.Errorf("%s: %q, healthy %v; want %q, %v", c.name, got, healthy, c.want, c.healthy)
		}
	}
}
