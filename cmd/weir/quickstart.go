package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/weir-lake/weir/cmd/weir/tablecmd"
	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/meta"
)

const (
	// quickstartGrace is how long the demo may take to end: people hold Ctrl-C.
	quickstartGrace = 4500 * time.Millisecond
	// Pauses between two views of the tables, on a terminal and elsewhere.
	viewEvery = time.Second
	lineEvery = 10 * time.Second
)

// quickstartCmd is the demo: a service with the flights example running in it.
type quickstartCmd struct {
	Warehouse string        `default:"weir-quickstart" placeholder:"DIR" help:"Folder of the demo's warehouse."`
	Listen    string        `default:"${listen}" env:"WEIR_LISTEN" help:"Address to answer at; port 0 takes a free one."`
	Speed     string        `default:"3600" placeholder:"N|max" help:"Seconds of 2013 replayed a second, or max."`
	Until     string        `placeholder:"TS" help:"End the replay before this time ('2013-07-01 00:00:00', UTC)."`
	Epoch     time.Duration `default:"1s" env:"WEIR_EPOCH" help:"Length of an epoch: how often tables are committed at most."`
	Memory    bytesValue    `default:"1GiB" env:"WEIR_MEMORY" help:"Memory of one query worker."`
	State     bytesValue    `name:"state-memory" placeholder:"SIZE" env:"WEIR_STATE_MEMORY" help:"Memory of all jobs' state. A job that would go over it is stopped. Default: half of the machine's, at most 8GiB."`
	Reset     bool          `help:"Delete the demo's warehouse and begin anew."`
}

// Validate implements kong's check of a command line.
func (c *quickstartCmd) Validate() error {
	if n, err := strconv.ParseFloat(c.Speed, 64); c.Speed != "max" && (err != nil || !(n > 0)) {
		return fmt.Errorf("--speed %q: want seconds a second such as 3600, or max", c.Speed)
	}
	if c.Until != "" {
		if _, err := time.Parse(time.DateTime, c.Until); err != nil {
			return fmt.Errorf("--until %q: want a time like '2013-07-01 00:00:00'", c.Until)
		}
	}
	if isRemote(c.Warehouse) {
		return fmt.Errorf("--warehouse %s: the demo needs a local folder; `weir serve` takes object stores", c.Warehouse)
	}
	return nil
}

// Run serves the demo until it is told to end.
func (c *quickstartCmd) Run(env *tablecmd.Env, log logTo) error {
	warehouse, err := filepath.Abs(c.Warehouse)
	if err != nil {
		return err
	}
	if c.Reset {
		if err := removeDemo(env.Ctx, warehouse); err != nil {
			return err
		}
	}
	data, err := dataFolder(warehouse, "")
	if err != nil {
		return err
	}
	s, err := openService(env.Ctx, serviceOptions{Warehouse: warehouse, Data: data, Listen: c.Listen, Epoch: c.Epoch,
		Memory: int64(c.Memory), StateMemory: stateMemory(c.State), Logger: newLogger(log.w, log.verbose)})
	if err != nil {
		return err
	}
	return errors.Join(c.play(env, s), s.stop(env.Ctx, quickstartGrace))
}

// play starts the demo and shows it until ctx ends.
func (c *quickstartCmd) play(env *tablecmd.Env, s *service) error {
	d := &demo{engine: s.engine, data: filepath.Join(s.opts.Warehouse, "files"), speed: c.Speed, until: c.Until}
	if err := d.setPace(env.Ctx); err != nil {
		return err
	}
	if err := s.start(env.Ctx); err != nil {
		return err
	}
	if err := d.run(env.Ctx, func(format string, args ...any) { fmt.Fprintf(env.Note, format+"\n", args...) }); err != nil {
		if env.Ctx.Err() != nil {
			return nil // told to end while the tables were being made: the next start goes on
		}
		return err
	}
	fmt.Fprintf(env.Stdout, "ready %s\n", s.self.URL)
	c.explain(env.Stdout, s)
	view, stop := context.WithCancel(env.Ctx)
	defer stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		show(view, env.Stdout, s)
	}()
	err := s.wait(env.Ctx)
	stop()
	<-done
	return err
}

// explain prints what to try; the lines work as they are printed.
func (c *quickstartCmd) explain(w io.Writer, s *service) {
	token := quoteShell(filepath.Join(s.opts.Data, tokenFile))
	fmt.Fprintf(w, `
A year of flights is replayed into %s, with five tables kept from it. Try:

  %s sql --server %s -e 'SELECT carrier, COUNT(*) AS flights FROM flights GROUP BY carrier ORDER BY flights DESC'
  curl -s %s/v1/query -H "Authorization: Bearer $(cat %s)" -H 'Content-Type: application/json' -d '{"sql": "SELECT * FROM network_now ORDER BY in_air DESC"}'

%sCtrl-C ends; started again it goes on.

`, s.opts.Warehouse, self(), s.self.URL, s.self.URL, token, consoleLine(s))
}

// consoleLine is where the console is, with the token in the part of the address that browsers send to nobody: opening
// it signs in, and the console takes it out of the address. Who reads this terminal can read the token's file too.
func consoleLine(s *service) string {
	secret, err := os.ReadFile(filepath.Join(s.opts.Data, tokenFile))
	if err != nil {
		return fmt.Sprintf("The console is at %s (it asks for the token). ", s.self.URL)
	}
	return fmt.Sprintf("The console, signed in:  %s/#token=%s\n\n", s.self.URL, strings.TrimSpace(string(secret)))
}

// self is how this program is called again.
func self() string {
	if path, err := os.Executable(); err == nil {
		if found, err := exec.LookPath("weir"); err != nil || found != path {
			return quoteShell(path)
		}
	}
	return "weir"
}

// quoteShell makes a path one word inside "$(..)".
func quoteShell(path string) string {
	if strings.IndexFunc(path, func(r rune) bool {
		return !strings.ContainsRune("/._-+", r) && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}) < 0 {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}

// removeDemo deletes the warehouse if it is the demo's and nobody serves it.
func removeDemo(ctx context.Context, warehouse string) error {
	if _, err := os.Stat(warehouse); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if _, err := os.Stat(filepath.Join(warehouse, replayTable.Path())); err != nil {
		return errkind.Errorf(errkind.Invalid, "--reset: %s is not a warehouse of the demo (it has no table %s): delete it by hand if that is what you want", warehouse, replayTable)
	}
	data, err := dataFolder(warehouse, "")
	if err != nil {
		return err
	}
	db, err := meta.Open(ctx, meta.Options{Path: filepath.Join(data, "meta.db")}, metaLayers()...)
	if err != nil {
		return fmt.Errorf("--reset: %w", err)
	}
	if err := db.Close(); err != nil {
		return fmt.Errorf("--reset: %w", err)
	}
	if err := os.RemoveAll(warehouse); err != nil {
		return fmt.Errorf("--reset: %w", err)
	}
	return nil
}

// show prints how the demo goes: a table that is drawn over on a terminal, else a line now and then.
func show(ctx context.Context, w io.Writer, s *service) {
	terminal := isTerminalOut(w)
	every := lineEvery
	if terminal {
		every = viewEvery
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	drawn := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		views := viewsOf(ctx, s)
		if !terminal {
			fmt.Fprintln(w, viewLine(views))
			continue
		}
		if drawn > 0 {
			fmt.Fprintf(w, "\x1b[%dA\x1b[J", drawn)
		}
		writeTable(w, viewTable(views))
		drawn = len(views) + 2 // header and rule
	}
}

// tableView is how one table of the demo does.
type tableView struct {
	table  string
	state  job.State
	rows   int64
	perSec float64
	behind time.Duration
	err    string
}

func viewsOf(ctx context.Context, s *service) []tableView {
	var out []tableView
	for _, j := range s.engine.jobs.List() {
		db, name, _ := strings.Cut(j.Sink, ".")
		v := tableView{table: name, state: j.State, rows: j.RowsOut, perSec: j.RowsPerSec, err: j.Error}
		if _, age, _, err := s.engine.cuts.Cut(ctx, []string{db + ".db/" + name}); err == nil {
			v.behind = age
		}
		out = append(out, v)
	}
	return out
}

func viewLine(views []tableView) string {
	parts := make([]string, len(views))
	for i, v := range views {
		parts[i] = fmt.Sprintf("%s %d rows %.0f/s %s behind", v.table, v.rows, v.perSec, v.behind.Round(10*time.Millisecond))
		if v.state != job.Running {
			parts[i] += " (" + string(v.state) + ")"
		}
	}
	return strings.Join(parts, ", ")
}

func viewTable(views []tableView) [][]string {
	out := [][]string{{"table", "state", "rows written", "rows/s", "behind"}}
	for _, v := range views {
		state := string(v.state)
		if v.err != "" {
			state += ": " + oneLine(errors.New(v.err))
		}
		out = append(out, []string{v.table, state, strconv.FormatInt(v.rows, 10), fmt.Sprintf("%.0f", v.perSec), v.behind.Round(10 * time.Millisecond).String()})
	}
	return out
}
