package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"
)

// options of a run.
type options struct {
	binary   string        // the weir to measure
	duration time.Duration // of the load, for each setting
	rows     int           // changes a second
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "error: %v\n", err)
		os.Exit(1)
	}
}

// run does the benchmark the arguments name; none means all.
func run(ctx context.Context, args []string, out io.Writer) error {
	name := "freshness"
	if len(args) > 0 && args[0] != "" && args[0][0] != '-' {
		name, args = args[0], args[1:]
	}
	if name != "freshness" {
		return fmt.Errorf("there is no benchmark %q: take freshness", name)
	}
	o := options{}
	flags := flag.NewFlagSet("bench "+name, flag.ContinueOnError)
	flags.StringVar(&o.binary, "weir", ".cache/bin/weir", "binary to measure; make build makes it")
	flags.DurationVar(&o.duration, "for", 30*time.Second, "length of the load with each setting")
	flags.IntVar(&o.rows, "rows", 5000, "changes a second, sent in batches of 500")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if o.rows < batchRows {
		return fmt.Errorf("-rows %d: take at least %d, one batch a second", o.rows, batchRows)
	}
	return freshness(ctx, o, out)
}
