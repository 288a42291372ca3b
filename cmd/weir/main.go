package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	_ "time/tzdata" // time zones on machines that have no database of them

	"github.com/alecthomas/kong"
	"github.com/mattn/go-isatty"

	"github.com/weir-lake/weir/cmd/weir/tablecmd"
	"github.com/weir-lake/weir/compute/duck"
	"github.com/weir-lake/weir/compute/duck/worker"
)

// logTo is where a service's log goes.
type logTo struct {
	w       io.Writer
	verbose bool
}

// Exit codes: what was asked was done; it was not; the command line is wrong.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// cli is the command line. Each group is a package or file of its own.
type cli struct {
	JSON    bool `name:"json" help:"Print answers as JSON."`
	Verbose bool `short:"v" help:"Print progress and remarks to stderr."`

	Quickstart quickstartCmd    `cmd:"" help:"Run the demo: a year of flights, replayed."`
	Serve      serveCmd         `cmd:"" help:"Serve a warehouse."`
	SQL        sqlCmd           `cmd:"" name:"sql" help:"Run SQL in this process, or on a server."`
	Table      tablecmd.Command `cmd:"" help:"Work on a Paimon table's folder, without a server."`
	Job        jobCmd           `cmd:"" help:"Jobs of a service."`
	Verify     verifyCmd        `cmd:"" help:"Recompute tables from their recorded inputs and compare."`
	Revise     reviseCmd        `cmd:"" help:"Repair rows of a table and let everything made from them follow."`
	Revision   revisionCmd      `cmd:"" help:"The ledger of revisions."`
	Lineage    lineageCmd       `cmd:"" help:"Show where a table comes from and goes to."`
	Cut        cutCmd           `cmd:"" help:"Versions of tables that belong together."`
	Backfill   backfillCmd      `cmd:"" help:"Statements over ranges of partitions, by schedule and by hand."`
	Query      queryCmd         `cmd:"" help:"Queries of a service."`
	DeadLetter deadLetterCmd    `cmd:"" name:"dead-letter" help:"Rows that could not be decoded."`
	Token      tokenCmd         `cmd:"" help:"Tokens of a service."`
	User       userCmd          `cmd:"" help:"Users of a service."`
	Audit      auditCmd         `cmd:"" help:"Who did what."`
	Config     configCmd        `cmd:"" help:"Settings."`
	Doctor     doctorCmd        `cmd:"" help:"Check this machine, and a service if one answers."`
	Version    versionCmd       `cmd:"" help:"Print the version."`
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == duck.WorkerCommand {
		os.Exit(worker.Main())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go func() {
		<-ctx.Done()
		stop() // a second signal ends the process at once
	}()
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is main with everything that a test replaces.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	var c cli
	exited := false
	parser, err := kong.New(&c, kong.Name("weir"), kong.Description("A streaming warehouse over Apache Paimon tables."),
		kong.Writers(stdout, stderr), kong.Vars{"listen": defaultListen}, kong.Exit(func(int) { exited = true }))
	if err != nil {
		panic(fmt.Sprintf("weir: command line: %v", err))
	}
	parsed, err := parser.Parse(args)
	if exited {
		return exitDone // --help
	}
	if err != nil {
		fmt.Fprintf(stderr, "error: %v: see `weir --help`\n", err)
		return exitUsage
	}
	note := io.Discard
	if f, ok := stderr.(*os.File); c.Verbose || ok && isatty.IsTerminal(f.Fd()) {
		note = stderr
	}
	err = parsed.Run(&tablecmd.Env{Ctx: ctx, Stdin: stdin, Stdout: stdout, Note: note, JSON: c.JSON}, logTo{w: stderr, verbose: c.Verbose})
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, syscall.EPIPE): // the reader has seen enough, as `head` does
		return exitDone
	case ctx.Err() != nil:
		fmt.Fprintf(stderr, "error: interrupted: %s\n", oneLine(err))
	default:
		fmt.Fprintf(stderr, "error: %s\n", oneLine(err))
	}
	return exitFailed
}

// oneLine keeps an error on one line, so that scripts can read it.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

type versionCmd struct{}

// Run prints the version of the module and of the source.
func (versionCmd) Run(env *tablecmd.Env) error {
	if env.JSON {
		return json.NewEncoder(env.Stdout).Encode(map[string]string{"version": version()})
	}
	_, err := fmt.Fprintln(env.Stdout, "weir "+version())
	return err
}

// version is that of the module and of the source.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, b := range info.Settings {
		if b.Key == "vcs.revision" {
			return info.Main.Version + " " + b.Value
		}
	}
	return info.Main.Version
}
