package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weir-lake/weir/cmd/weir/tablecmd"
	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/web/api"
)

// jobCmd are the commands about jobs.
type jobCmd struct {
	List    jobList    `cmd:"" help:"List jobs."`
	Show    jobShow    `cmd:"" help:"Show a job: state, inputs, operators."`
	Create  jobCreate  `cmd:"" help:"Start a job from an INSERT statement."`
	Stop    jobStop    `cmd:"" help:"Stop a job after a last commit."`
	Restart jobRestart `cmd:"" help:"Start a job again where it was."`
	Logs    jobLogs    `cmd:"" help:"Print the newest lines of a job's log."`
	Drop    jobDrop    `cmd:"" help:"Stop a job and forget it; its table stays."`
}

type jobList struct{ serverFlags }

// Run implements the command.
func (c *jobList) Run(env *tablecmd.Env) error {
	var jobs listOf[job.Status]
	return inquire(env, c.serverFlags, request{path: "/v1/jobs", out: &jobs}, func(w io.Writer) error {
		rows := [][]string{{"name", "state", "sink", "epoch", "pending", "rows in", "rows out", "rows/s", "id"}}
		for _, j := range jobs.Items {
			rows = append(rows, []string{j.Name, string(j.State), j.Sink, strconv.FormatInt(j.Epoch, 10), strconv.Itoa(j.Pending),
				strconv.FormatInt(j.RowsIn, 10), strconv.FormatInt(j.RowsOut, 10), fmt.Sprintf("%.0f", j.RowsPerSec), j.ID})
		}
		writeTable(w, rows)
		return nil
	})
}

// oneJob names a job.
type oneJob struct {
	serverFlags
	Job string `arg:"" help:"Id or name."`
}

func (c oneJob) path(action string) string { return "/v1/jobs/" + url.PathEscape(c.Job) + action }

// do does something to the job and says how it is then.
func (c oneJob) do(env *tablecmd.Env, action string) error {
	var s job.Status
	return inquire(env, c.serverFlags, request{method: http.MethodPost, path: c.path(action), out: &s}, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s %s, epoch %d\n", s.Name, s.State, s.Epoch)
		return err
	})
}

type jobShow struct{ oneJob }

// Run implements the command.
func (c *jobShow) Run(env *tablecmd.Env) error {
	var d job.Detail
	return inquire(env, c.serverFlags, request{path: c.path(""), out: &d}, func(w io.Writer) error {
		writeJob(w, &d)
		return nil
	})
}

// writeJob prints all about a job.
func writeJob(w io.Writer, s *job.Detail) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%-12s %s\n", name, fmt.Sprintf(format, args...))
	}
	line("name", "%s", s.Name)
	line("id", "%s", s.ID)
	line("state", "%s since %s", s.State, s.StateSince.UTC().Format(time.RFC3339))
	if s.Diagnosis != "" {
		line("diagnosis", "%s", s.Diagnosis)
	}
	if s.Error != "" {
		line("error", "%s", s.Error)
	}
	line("sink", "%s, snapshot %d", s.Sink, s.Snapshot)
	line("epoch", "%d, %d pending, %d ms behind", s.Epoch, s.Pending, s.LagMs)
	line("rows", "%d in, %d out, %.0f/s", s.RowsIn, s.RowsOut, s.RowsPerSec)
	line("apart", "%d dead letters, %d late rows", s.DeadLetters, s.LateRows)
	line("state size", "%d bytes, checkpoint at epoch %d", s.StateBytes, s.CheckpointAt)
	if s.Watermark != nil {
		line("watermark", "%s", s.Watermark.UTC().Format(time.RFC3339))
	}
	for _, in := range s.Inputs {
		what := in.Table
		if in.Connector != "" {
			what += " (" + in.Connector + ")"
		}
		if in.Snapshot > 0 {
			what += fmt.Sprintf(", snapshot %d", in.Snapshot)
		}
		if in.RowsBehind != nil {
			what += fmt.Sprintf(", %d rows more", *in.RowsBehind)
		}
		line("input", "%s", what)
	}
	for _, k := range sortedKeys(s.Options) {
		line("option", "%s = %s", k, s.Options[k])
	}
	fmt.Fprintf(w, "\n%s\n", s.SQL)
	writeOperators(w, s.Operators)
	writeCommits(w, s.Commits[:min(commitsShown, len(s.Commits))])
	for _, f := range s.Failures[:min(failuresShown, len(s.Failures))] {
		line("failed", "%s %s", f.At.Format(time.RFC3339), f.Error)
	}
}

// How many of the newest commits and failures of a job are printed; the rest is in the JSON.
const (
	commitsShown  = 5
	failuresShown = 3
)

func writeOperators(w io.Writer, ops []job.Operator) {
	if len(ops) == 0 {
		return
	}
	rows := [][]string{{"operator", "rows in", "rows out", "in/s", "out/s", "state rows", "state bytes", "busy s", "busy %"}}
	for _, o := range ops {
		rows = append(rows, []string{o.Name, strconv.FormatInt(o.RowsIn, 10), strconv.FormatInt(o.RowsOut, 10),
			fmt.Sprintf("%.0f", o.RowsInPerSec), fmt.Sprintf("%.0f", o.RowsOutPerSec),
			strconv.FormatInt(o.StateRows, 10), strconv.FormatInt(o.StateBytes, 10), fmt.Sprintf("%.3f", o.BusySec), fmt.Sprintf("%.0f", 100*o.Busy)})
	}
	fmt.Fprintln(w)
	writeTable(w, rows)
}

func writeCommits(w io.Writer, commits []job.CommitInfo) {
	if len(commits) == 0 {
		return
	}
	rows := [][]string{{"epochs", "snapshot", "rows in", "rows out", "read ms", "step ms", "wait ms", "commit ms", "at"}}
	for _, c := range commits {
		rows = append(rows, []string{fmt.Sprintf("%d-%d", c.From, c.To), strconv.FormatInt(c.Snapshot, 10), strconv.FormatInt(c.RowsIn, 10), strconv.FormatInt(c.RowsOut, 10),
			fmt.Sprintf("%.1f", c.ReadMs), fmt.Sprintf("%.1f", c.StepMs), fmt.Sprintf("%.1f", c.WaitMs), fmt.Sprintf("%.1f", c.CommitMs), c.At.Format(time.RFC3339)})
	}
	fmt.Fprintln(w)
	writeTable(w, rows)
}

func sortedKeys(m map[string]string) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

type jobCreate struct {
	serverFlags
	Execute string   `short:"e" placeholder:"SQL" xor:"script" required:"" help:"INSERT INTO .. SELECT .."`
	File    string   `short:"f" placeholder:"FILE" xor:"script" required:"" help:"File with the statement."`
	Name    string   `placeholder:"NAME" help:"Name of the job. Default: made from its table's."`
	Option  []string `placeholder:"K=V" sep:"none" help:"An option, as SET does. May be repeated."`
}

// Run implements the command.
func (c *jobCreate) Run(env *tablecmd.Env) error {
	in := api.NewJob{Name: c.Name, SQL: c.Execute, Options: map[string]string{}}
	if c.File != "" {
		data, err := os.ReadFile(c.File)
		if err != nil {
			return fmt.Errorf("statement: %w", err)
		}
		in.SQL = string(data)
	}
	in.SQL = strings.TrimRight(in.SQL, "; \t\r\n")
	for _, o := range c.Option {
		k, v, ok := strings.Cut(o, "=")
		if !ok {
			return errkind.Errorf(errkind.Invalid, "--option %s: want NAME=VALUE", o)
		}
		in.Options[k] = v
	}
	var s job.Status
	return inquire(env, c.serverFlags, request{method: http.MethodPost, path: "/v1/jobs", in: in, out: &s}, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s %s\n", s.ID, s.Name)
		return err
	})
}

type jobStop struct{ oneJob }

// Run implements the command.
func (c *jobStop) Run(env *tablecmd.Env) error { return c.do(env, "/stop") }

type jobRestart struct{ oneJob }

// Run implements the command.
func (c *jobRestart) Run(env *tablecmd.Env) error { return c.do(env, "/restart") }

type jobDrop struct{ oneJob }

// Run implements the command.
func (c *jobDrop) Run(env *tablecmd.Env) error {
	return inquire(env, c.serverFlags, request{method: http.MethodDelete, path: c.path("")}, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s dropped\n", c.Job)
		return err
	})
}

type jobLogs struct{ oneJob }

// Run implements the command.
func (c *jobLogs) Run(env *tablecmd.Env) error {
	var lines listOf[job.LogLine]
	return inquire(env, c.serverFlags, request{path: c.path("/logs"), out: &lines}, func(w io.Writer) error {
		for _, l := range lines.Items {
			fmt.Fprintf(w, "%s %-5s %s\n", l.Time.UTC().Format("2006-01-02T15:04:05.000Z"), l.Level, l.Text)
		}
		return nil
	})
}
