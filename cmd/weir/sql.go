package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/alecthomas/kong"

	"github.com/weir-lake/weir/cmd/weir/tablecmd"
	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/compute/session"
	"github.com/weir-lake/weir/compute/sql"
)

// stopGrace bounds the last commits of a script that ends.
const stopGrace = 30 * time.Second

// sqlCmd runs a script in this process and its workers.
type sqlCmd struct {
	Execute   string        `short:"e" placeholder:"SQL" xor:"script" help:"Statements to run."`
	File      string        `short:"f" placeholder:"FILE" xor:"script" help:"File with statements to run; - is standard input."`
	Warehouse string        `placeholder:"DIR|s3://.." env:"WEIR_WAREHOUSE" help:"Warehouse to work on in this process. Default: a temporary one, removed at the end."`
	Server    string        `placeholder:"URL" help:"Service to run the script on, instead of this process."`
	Token     string        `placeholder:"TOKEN" env:"WEIR_TOKEN" help:"Token to send to --server. Default: the service's first, where this user can read it."`
	Mode      string        `enum:"auto,stream,batch" default:"auto" help:"How queries and INSERTs run: ${enum}."`
	Format    string        `enum:"table,jsonl,csv,arrow" default:"table" help:"How rows are printed: ${enum}."`
	Changelog bool          `help:"Print every change of a streaming query, _epoch and _kind first, instead of its final rows."`
	Epoch     time.Duration `default:"100ms" help:"Length of an epoch of streaming statements."`
	Memory    bytesValue    `default:"1GiB" help:"Memory of one query worker."`
}

var runtimeModes = map[string]string{"auto": "auto", "stream": "streaming", "batch": "batch"}

// Validate implements kong's check of a command line. A warehouse of the environment gives way to --server.
func (c *sqlCmd) Validate(line *kong.Context) error {
	given := map[string]bool{}
	for _, p := range line.Path {
		if p.Flag != nil {
			given[p.Flag.Name] = true
		}
	}
	if given["warehouse"] && given["server"] {
		return errors.New("--warehouse and --server: name one of the two")
	}
	return nil
}

// Run runs the script, or a shell when none is given and standard input is a terminal.
func (c *sqlCmd) Run(env *tablecmd.Env) error {
	script, err := c.script(env)
	if err != nil {
		return err
	}
	if c.Server != "" {
		return c.remote(env, script)
	}
	return c.local(env, script)
}

// local runs the script in this process.
func (c *sqlCmd) local(env *tablecmd.Env, script string) error {
	warehouse, data, cleanup, err := c.place()
	if err != nil {
		return err
	}
	defer cleanup()
	e, err := openEngine(env.Ctx, engineOptions{Warehouse: warehouse, Data: data, Epoch: c.Epoch, Memory: int64(c.Memory),
		StateMemory: stateMemory(0), Output: env.Stdout, Logger: slog.New(slog.NewTextHandler(env.Note, nil))})
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(env.Ctx), stopGrace)
		defer cancel()
		e.close(ctx)
	}()
	if err := e.jobs.Start(env.Ctx); err != nil {
		return err
	}
	mode := runtimeModes[c.Mode]
	if c.Changelog && c.Mode == "auto" {
		mode = "streaming"
	}
	s := session.New(e.svc, session.Options{User: "cli", Variables: map[string]string{session.VarRuntimeMode: mode},
		Attached: true, Progress: progressTo(env.Note)})
	run := &localScript{session: s, env: env, out: newPrinter(env.Stdout, c.Format), changelog: c.Changelog}
	return c.drive(env, run, script)
}

// drive runs the script, or a shell.
func (c *sqlCmd) drive(env *tablecmd.Env, r runner, script string) error {
	if script == "" && c.File == "" && isTerminal(env.Stdin) {
		return shell(env, r)
	}
	return runAll(env.Ctx, r, script)
}

// script is what to run; empty means a shell.
func (c *sqlCmd) script(env *tablecmd.Env) (string, error) {
	switch {
	case c.Execute != "":
		return c.Execute, nil
	case c.File == "-" || c.File == "" && !isTerminal(env.Stdin):
		data, err := io.ReadAll(env.Stdin)
		return string(data), err
	case c.File != "":
		data, err := os.ReadFile(c.File)
		if err != nil {
			return "", fmt.Errorf("script: %w", err)
		}
		return string(data), nil
	}
	return "", nil
}

// place is the warehouse and where caches go.
func (c *sqlCmd) place() (warehouse, data string, cleanup func(), err error) {
	tmp, err := os.MkdirTemp("", "weir-sql-")
	if err != nil {
		return "", "", nil, fmt.Errorf("temporary warehouse: %w", err)
	}
	cleanup = func() { os.RemoveAll(tmp) }
	if c.Warehouse != "" {
		return c.Warehouse, tmp, cleanup, nil
	}
	warehouse = filepath.Join(tmp, "warehouse")
	return warehouse, filepath.Join(tmp, "data"), cleanup, os.Mkdir(warehouse, 0o700)
}

// progressTo shows how far an attached job is.
func progressTo(w io.Writer) func(job.Status) {
	if w == io.Discard {
		return nil
	}
	return func(s job.Status) {
		fmt.Fprintf(w, "%s: %s, epoch %d, %d rows in, %d out, %.0f/s\n", s.Name, s.State, s.Epoch, s.RowsIn, s.RowsOut, s.RowsPerSec)
	}
}

// localScript runs statements in a session of this process.
type localScript struct {
	session   *session.Session
	env       *tablecmd.Env
	out       *printer
	changelog bool
}

func (r *localScript) one(ctx context.Context, script string, f sql.Fragment) error {
	st, err := f.Parse()
	if err != nil {
		return err
	}
	res, err := r.session.Execute(ctx, script, st, session.Params{})
	if err != nil {
		return err
	}
	switch {
	case res.Stream != nil:
		return r.stream(ctx, res.Stream)
	case res.Rows != nil:
		return r.rows(ctx, res.Rows)
	case res.Message != "":
		fmt.Fprintln(r.env.Note, res.Message)
	}
	return nil
}

func (r *localScript) rows(ctx context.Context, rows session.Rows) error {
	defer rows.Close()
	if err := r.out.begin(rows.Columns()); err != nil {
		return err
	}
	for {
		rec, err := rows.Next(ctx)
		if errors.Is(err, io.EOF) {
			return r.out.end()
		}
		if err != nil {
			return err
		}
		err = r.out.batch(rec)
		rec.Release()
		if err != nil {
			return err
		}
	}
}
