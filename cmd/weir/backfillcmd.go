package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/weir-lake/weir/cmd/weir/tablecmd"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/lineage/schedule"
	"github.com/weir-lake/weir/web/api"
)

// backfillCmd are the commands about backfills.
type backfillCmd struct {
	Create  backfillCreate  `cmd:"" help:"Create a backfill: a statement, and when it is run."`
	List    backfillList    `cmd:"" help:"List backfills."`
	Show    backfillShow    `cmd:"" help:"Show a backfill: statement, schedule, clock, newest runs."`
	Run     backfillRun     `cmd:"" help:"Compute a range by hand and show how far it is; Ctrl-C cancels it."`
	Pause   backfillPause   `cmd:"" help:"Let ticks pass."`
	Resume  backfillResume  `cmd:"" help:"Follow the clock again; missed ticks are made up as catch-up says."`
	History backfillHistory `cmd:"" help:"List the newest runs of a backfill."`
	Cancel  backfillCancel  `cmd:"" help:"End a run after what it is committing."`
	Drop    backfillDrop    `cmd:"" help:"Drop a backfill; its table and the record of its runs stay."`
}

type backfillCreate struct {
	serverFlags
	Name     string `arg:"" help:"Letters, digits, _ - and ."`
	SQL      string `name:"sql" placeholder:"FILE" required:"" help:"File with one INSERT OVERWRITE, in which $${start} and $${end} stand for the interval."`
	Cron     string `placeholder:"LINE" help:"Minute hour day month weekday, as in '0 3 * * *'. Default: by hand only."`
	Timezone string `default:"UTC" placeholder:"ZONE" help:"Of the cron line, as in Europe/Berlin."`
	Clock    string `default:"wall" placeholder:"CLOCK" help:"wall, or watermark:TABLE."`
	CatchUp  string `default:"last" enum:"all,last,none" help:"Which missed ticks are made up: ${enum}."`
	Slice    string `placeholder:"LENGTH" help:"Length of a slice, as in 1d. Default: one partition."`
	Delay    string `placeholder:"LENGTH" help:"How long after its tick a run begins, as in 6h, for data that comes late."`
	Together int    `default:"1" help:"Consecutive slices that one statement may compute at once."`
	Priority string `default:"low" enum:"low,normal" help:"low lets live jobs and queries go first; ${enum}."`
	Start    string `placeholder:"TIME" help:"Run the ticks after this time. Default: those that come from now on."`
	Database string `placeholder:"DB" help:"Current database of the statement."`
}

// Run implements the command.
func (c *backfillCreate) Run(env *tablecmd.Env) error {
	text, err := os.ReadFile(c.SQL)
	if err != nil {
		return fmt.Errorf("--sql: %w", err)
	}
	in := schedule.Definition{Name: c.Name, SQL: string(text), Cron: c.Cron, Timezone: c.Timezone, Clock: c.Clock, CatchUp: c.CatchUp,
		Slice: c.Slice, Delay: c.Delay, Together: c.Together, Priority: c.Priority, Database: c.Database}
	if c.Start != "" {
		start, err := schedule.ParseTime(c.Start)
		if err != nil {
			return fmt.Errorf("--start: %w", err)
		}
		in.Start = &start
	}
	var b schedule.Backfill
	return inquire(env, c.serverFlags, request{method: http.MethodPost, path: "/v1/backfills", in: in, out: &b}, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s writes %s; next tick %s\n", b.Name, b.Table, moment(b.Next))
		return err
	})
}

// moment writes a time for people; none is a dash.
func moment(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

type backfillList struct{ serverFlags }

// Run implements the command.
func (c *backfillList) Run(env *tablecmd.Env) error {
	var bs listOf[schedule.Backfill]
	return inquire(env, c.serverFlags, request{path: "/v1/backfills", out: &bs}, func(w io.Writer) error {
		rows := [][]string{{"name", "state", "table", "cron", "timezone", "clock", "catch-up", "next tick", "running", "error"}}
		for _, b := range bs.Items {
			rows = append(rows, []string{b.Name, string(b.State), b.Table, b.Cron, b.Timezone, b.Clock, b.CatchUp, moment(b.Next), b.Running, b.Error})
		}
		writeTable(w, rows)
		return nil
	})
}

// oneBackfill names a backfill.
type oneBackfill struct {
	serverFlags
	Name string `arg:"" help:"Name of the backfill."`
}

func (c oneBackfill) path(rest string) string {
	return "/v1/backfills/" + url.PathEscape(c.Name) + rest
}

// do does something to the backfill and says how it is then.
func (c oneBackfill) do(env *tablecmd.Env, action string) error {
	var b schedule.Backfill
	return inquire(env, c.serverFlags, request{method: http.MethodPost, path: c.path(action), out: &b}, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s %s, next tick %s\n", b.Name, b.State, moment(b.Next))
		return err
	})
}

type backfillPause struct{ oneBackfill }

// Run implements the command.
func (c *backfillPause) Run(env *tablecmd.Env) error { return c.do(env, "/pause") }

type backfillResume struct{ oneBackfill }

// Run implements the command.
func (c *backfillResume) Run(env *tablecmd.Env) error { return c.do(env, "/resume") }

type backfillDrop struct{ oneBackfill }

// Run implements the command.
func (c *backfillDrop) Run(env *tablecmd.Env) error {
	return inquire(env, c.serverFlags, request{method: http.MethodDelete, path: c.path("")}, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s dropped\n", c.Name)
		return err
	})
}

type backfillShow struct{ oneBackfill }

// Run implements the command.
func (c *backfillShow) Run(env *tablecmd.Env) error {
	var b schedule.Backfill
	return inquire(env, c.serverFlags, request{path: c.path(""), out: &b}, func(w io.Writer) error {
		for _, l := range [][2]string{{"name", b.Name}, {"state", string(b.State)}, {"table", b.Table}, {"cron", b.Cron + " " + b.Timezone}, {"clock", b.Clock + ", at " + moment(b.Now)},
			{"catch-up", b.CatchUp}, {"slice", orDash(b.Slice)}, {"delay", orDash(b.Delay)}, {"together", strconv.Itoa(b.Together)}, {"priority", b.Priority},
			{"decided", "up to " + moment(b.Until)}, {"next tick", moment(b.Next)}, {"running", orDash(b.Running)}, {"error", orDash(b.Error)}} {
			fmt.Fprintf(w, "%-10s %s\n", l[0], l[1])
		}
		_, err := fmt.Fprintf(w, "\n%s\n", b.SQL)
		return err
	})
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

type backfillHistory struct {
	oneBackfill
	Limit int  `default:"20" help:"Runs at most."`
	Log   bool `help:"Print the log lines of each run."`
}

// Run implements the command.
func (c *backfillHistory) Run(env *tablecmd.Env) error {
	var runs listOf[schedule.Run]
	return inquire(env, c.serverFlags, request{path: c.path("/runs?limit=" + strconv.Itoa(c.Limit)), out: &runs}, func(w io.Writer) error {
		rows := [][]string{{"run", "kind", "state", "from", "to", "slices", "written", "rows", "snapshots", "started", "ended", "error"}}
		for _, r := range runs.Items {
			rows = append(rows, []string{r.ID, r.Kind, string(r.State), moment(&r.From), moment(&r.To), fmt.Sprintf("%d/%d", r.Finished, r.Slices),
				strconv.Itoa(strings.Count(r.Progress, "w")), strconv.FormatInt(r.Rows, 10), fmt.Sprint(len(r.Snapshots)), moment(r.Started), moment(r.Ended), r.Error})
		}
		writeTable(w, rows)
		for _, r := range runs.Items {
			if c.Log && len(r.Log) > 0 {
				fmt.Fprintf(w, "\n%s\n  %s\n", r.ID, strings.Join(r.Log, "\n  "))
			}
		}
		return nil
	})
}

type backfillCancel struct {
	oneBackfill
	ID string `arg:"" name:"run" help:"Id of the run; \"weir backfill history\" shows it."`
}

// Run implements the command.
func (c *backfillCancel) Run(env *tablecmd.Env) error {
	var r schedule.Run
	return inquire(env, c.serverFlags, request{method: http.MethodDelete, path: c.path("/runs/" + url.PathEscape(c.ID)), out: &r}, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s is being ended, %d of %d slices are done\n", r.ID, r.Finished, r.Slices)
		return err
	})
}

type backfillRun struct {
	oneBackfill
	From   string `required:"" placeholder:"TIME" help:"Start of the range, as in 2013-07-01 (UTC)."`
	To     string `required:"" placeholder:"TIME" help:"End of the range, which is not in it."`
	Detach bool   `help:"Do not wait for the end."`
}

const (
	// runLook is how often a run is asked about: often enough for people to see it move.
	runLook = 300 * time.Millisecond
	// cancelTimeout bounds the request that cancels a run after Ctrl-C.
	cancelTimeout = 5 * time.Second
)

// Run implements the command.
func (c *backfillRun) Run(env *tablecmd.Env) error {
	var in api.NewRun
	var err error
	if in.From, err = schedule.ParseTime(c.From); err != nil {
		return fmt.Errorf("--from: %w", err)
	}
	if in.To, err = schedule.ParseTime(c.To); err != nil {
		return fmt.Errorf("--to: %w", err)
	}
	cl, err := c.client()
	if err != nil {
		return err
	}
	var r schedule.Run
	data, err := cl.ask(env.Ctx, http.MethodPost, c.path("/runs"), in, &r)
	if err != nil {
		return err
	}
	if !c.Detach {
		if data, err = c.follow(env, cl, &r); err != nil {
			return err
		}
	}
	if env.JSON {
		err = printJSON(env.Stdout, data)
	} else {
		_, err = fmt.Fprintf(env.Stdout, "%s %s: %d of %d slices, %d written, %d rows\n", r.ID, r.State, r.Finished, r.Slices, strings.Count(r.Progress, "w"), r.Rows)
	}
	if err == nil && (r.State == schedule.Failed || r.State == schedule.Canceled) {
		err = errkind.Errorf(errkind.Unavailable, "run %s %s: %s", r.ID, r.State, r.Error)
	}
	return err
}

// follow shows how far the run is until it ends, and cancels it if the command is told to end.
func (c *backfillRun) follow(env *tablecmd.Env, cl *client, r *schedule.Run) ([]byte, error) {
	path, shown := c.path("/runs/"+url.PathEscape(r.ID)), ""
	look := time.NewTicker(runLook)
	defer look.Stop()
	for {
		data, err := cl.ask(env.Ctx, http.MethodGet, path, nil, r)
		if err == nil && r.State.Ended() {
			return data, nil
		}
		if err != nil && env.Ctx.Err() == nil {
			return nil, err
		}
		if line := fmt.Sprintf("%s %s: %d of %d slices, %d rows", r.ID, r.State, r.Finished, r.Slices, r.Rows); line != shown {
			fmt.Fprintln(env.Note, line)
			shown = line
		}
		select {
		case <-look.C:
		case <-env.Ctx.Done():
			ctx, cancel := context.WithTimeout(context.WithoutCancel(env.Ctx), cancelTimeout)
			defer cancel()
			_, err := cl.ask(ctx, http.MethodDelete, path, nil, nil)
			if err == nil {
				err = errkind.Errorf(errkind.Canceled, "run %s is canceled; %d of %d slices are done and stay", r.ID, r.Finished, r.Slices)
			}
			return nil, errors.Join(err, env.Ctx.Err())
		}
	}
}
