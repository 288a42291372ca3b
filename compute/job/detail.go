package job

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weir-lake/weir/compute/epoch"
)

// Detail is all that a person who looks at one job wants to see.
type Detail struct {
	Status
	// Commits and Failures are the newest of this process, newest first.
	Commits  []CommitInfo `json:"commits"`
	Failures []Failure    `json:"failures"`
	// Diagnosis says in one sentence how the job is, and if it is not well, why and what to do.
	Diagnosis string `json:"diagnosis"`
	Healthy   bool   `json:"healthy"`
}

// Detail shows a job by id or name with its recent commits and failures, and says how it is.
func (m *Manager) Detail(idOrName string) (Detail, error) {
	s, err := m.Show(idOrName)
	if err != nil {
		return Detail{}, err
	}
	d := Detail{Status: s}
	d.Commits, d.Failures = m.historyOf(s.ID).newest()
	d.Diagnosis, d.Healthy = diagnose(m.findings(d))
	return d, nil
}

// findings are the facts that a diagnosis rests on.
type findings struct {
	Detail
	now       time.Time
	freshness time.Duration // how old its table may be
	heldBy    string        // who holds its inputs back; empty: nobody
	beside    string        // who holds its table back
	runs      int           // sorted runs of its table's fullest bucket
	runsMax   int           // more of them make writers wait
}

func (m *Manager) findings(d Detail) findings {
	f := findings{Detail: d, now: m.now()}
	m.mu.Lock()
	r := m.mu.runners[d.ID]
	m.mu.Unlock()
	if r == nil {
		return f
	}
	f.freshness = time.Duration(r.every) * m.opts.Interval
	at := m.frontier.Standing(r.writer)
	f.heldBy, f.beside = m.writerName(at.HeldBy), m.writerName(at.Beside)
	f.runs, f.runsMax = m.upkeep.pressure(sinkPath(r.rec))
	return f
}

// writerName is how people know a writer.
func (m *Manager) writerName(w epoch.Writer) string {
	switch kind, _, found := strings.Cut(string(w), ":"); {
	case w == "":
		return ""
	case found && kind == "push":
		return "rows pushed over HTTP"
	case found:
		return "a statement that writes rows"
	}
	if s, err := m.Show(string(w)); err == nil {
		return fmt.Sprintf("job %s (%s)", s.Name, s.State)
	}
	return "job " + string(w)
}

// lagging is when a job is said to be late: this many times its freshness, and at least some seconds.
const (
	lagFactor = 3
	lagLeast  = 5 * time.Second
)

// diagnose says how a job is.
func diagnose(f findings) (sentence string, healthy bool) {
	switch f.State {
	case Stopped:
		why := ""
		if f.Reason != "" && f.Reason != "stopped" {
			why = " (" + f.Reason + ")"
		}
		return fmt.Sprintf("Stopped%s: its table stays as it is; `weir job restart %s` goes on where it was.", why, f.Name), true
	case Finished:
		return "Finished: all its sources have ended and everything is committed.", true
	case Failed:
		return fmt.Sprintf("Failed for good, and not tried again by itself: %s. Mend the cause, then `weir job restart %s`.", strings.TrimSuffix(f.Error, "."), f.Name), false
	case Failing:
		return fmt.Sprintf("Fails and is tried again by itself (%d times so far): %s.", f.Restarts, strings.TrimSuffix(f.Error, ".")), false
	case Starting, Restoring:
		text := fmt.Sprintf("Is %s for %s.", f.State, span(f.now.Sub(f.StateSince)))
		if f.State == Restoring {
			text = fmt.Sprintf("Loads or rebuilds its state for %s; cuts wait for it.", span(f.now.Sub(f.StateSince)))
		}
		if len(f.Failures) > 0 && f.Restarts > 0 {
			return text + " The attempt before ended with: " + f.Failures[0].Error, false
		}
		return text, true
	}
	return diagnoseRunning(f)
}

func diagnoseRunning(f findings) (string, bool) {
	lag := time.Duration(f.LagMs) * time.Millisecond
	late := lag > max(lagLeast, lagFactor*f.freshness)
	switch {
	case f.Doing == string(compacting) && f.runs > f.runsMax:
		return fmt.Sprintf("Waits for the compaction of %s: a bucket has %d sorted runs and more than %d make writers wait; its sources are left alone meanwhile.", f.Sink, f.runs, f.runsMax), !late
	case f.Doing == string(gated) && f.beside != "":
		return fmt.Sprintf("Waits for %s, which writes %s too and has not completed the epochs before.", f.beside, f.Sink), !late
	case late && f.heldBy != "":
		return fmt.Sprintf("Is %s behind because %s holds back a table it reads.", span(lag), f.heldBy), false
	case late:
		return fmt.Sprintf("Is %s behind with %s to go: %s.", span(lag), epochs(f.Pending), f.slowest()), false
	case f.Pending > 0:
		return fmt.Sprintf("Keeps up with %.0f rows a second, %s on the way.", f.RowsPerSec, epochs(f.Pending)), true
	case f.behind() > 0:
		return fmt.Sprintf("Reads on: its sources have %d rows more.", f.behind()), true
	case f.LastCommit == nil:
		return "Waits for input: it has committed nothing since it started.", true
	}
	return fmt.Sprintf("Is up to date: it has taken all there is; its last commit was %s ago.", span(f.now.Sub(*f.LastCommit))), true
}

// behind are the rows that the sources are known to have beyond what was taken.
func (f findings) behind() (n int64) {
	for _, in := range f.Inputs {
		if in.RowsBehind != nil {
			n += *in.RowsBehind
		}
	}
	return n
}

// slowest names where the time of the last commits went.
func (f findings) slowest() string {
	var read, step, wait, publish float64
	for _, c := range f.Commits[:min(10, len(f.Commits))] {
		read, step, wait, publish = read+c.ReadMs, step+c.StepMs, wait+c.WaitMs, publish+c.CommitMs
	}
	sum := read + step + wait + publish
	if sum == 0 {
		return fmt.Sprintf("it is %s", cmp.Or(f.Doing, "busy"))
	}
	type part struct {
		ms   float64
		text string
	}
	op := "operators"
	if len(f.Operators) > 1 {
		op = "operator " + slices.MaxFunc(f.Operators[:len(f.Operators)-1], func(a, b Operator) int { return cmp.Compare(a.Busy, b.Busy) }).Name
	}
	most := slices.MaxFunc([]part{
		{read, "reading its sources"}, {step, "computing, most of it in " + op},
		{wait, "waiting for other writers and compactions"}, {publish, "committing; a longer FRESHNESS commits less often"},
	}, func(a, b part) int { return cmp.Compare(a.ms, b.ms) })
	return fmt.Sprintf("%.0f%% of its time goes into %s", 100*most.ms/sum, most.text)
}

// span is a duration as people say it.
func epochs(n int) string {
	if n == 1 {
		return "1 epoch"
	}
	return fmt.Sprintf("%d epochs", n)
}

func span(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}
