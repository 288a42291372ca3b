package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/weir-lake/weir/cmd/weir/tablecmd"
	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/web/api"
)

// deadLetterCmd are the commands about rows that could not be decoded.
type deadLetterCmd struct {
	List   deadLetterList   `cmd:"" help:"Print the rows kept beside a job's table, with why and where from."`
	Replay deadLetterReplay `cmd:"" help:"Read dead letters again as their source is defined now, and put them through their job."`
}

type deadLetterList struct {
	serverFlags
	Job    string `arg:"" optional:"" help:"Id or name of the job. Default: all jobs."`
	Table  string `placeholder:"DB.TABLE" help:"Rows meant for this table only."`
	Limit  int    `default:"100" help:"Rows at most."`
	Format string `enum:"table,jsonl" default:"table" help:"How rows are printed: ${enum}."`
}

// rawShown is how much of a message is printed in a table.
const rawShown = 60

// Run implements the command.
func (c *deadLetterList) Run(env *tablecmd.Env) error {
	query := url.Values{"limit": {strconv.Itoa(c.Limit)}}
	for name, value := range map[string]string{"job": c.Job, "table": c.Table} {
		if value != "" {
			query.Set(name, value)
		}
	}
	var list api.DeadLetters
	return inquire(env, c.serverFlags, request{path: "/v1/dead-letters?" + query.Encode(), out: &list}, func(w io.Writer) error {
		if c.Format == "jsonl" {
			enc := json.NewEncoder(w)
			for _, d := range list.Items {
				if err := enc.Encode(d); err != nil {
					return err
				}
			}
			return nil
		}
		if len(list.Items) == 0 {
			_, err := fmt.Fprintln(env.Note, "there are no dead letters")
			return err
		}
		rows := [][]string{{"id", "job", "epoch", "from", "position", "reason", "raw"}}
		for _, d := range list.Items {
			rows = append(rows, []string{d.ID, d.Job, strconv.FormatInt(d.Epoch, 10), d.Split, d.Position, d.Reason, shortened(d)})
		}
		writeTable(w, rows)
		if list.More {
			fmt.Fprintln(env.Note, "there are more: --limit shows them")
		}
		return nil
	})
}

// shortened is a message on one line.
func shortened(d api.DeadLetter) string {
	if len(d.Binary) > 0 {
		return fmt.Sprintf("%d bytes", len(d.Binary))
	}
	text := []rune(strings.Join(strings.Fields(d.Raw), " "))
	if len(text) > rawShown {
		return string(text[:rawShown]) + ".."
	}
	return string(text)
}

type deadLetterReplay struct {
	serverFlags
	Job   string   `arg:"" help:"Id or name of the job."`
	IDs   []string `arg:"" optional:"" name:"id" help:"Dead letters, by their ids."`
	All   bool     `help:"All of the job's."`
	Quiet bool     `help:"Do not print those that stay."`
}

// Validate implements kong's check of a command line.
func (c *deadLetterReplay) Validate() error {
	if c.All == (len(c.IDs) > 0) {
		return errors.New("name dead letters by their ids, or all with --all")
	}
	return nil
}

// Run implements the command.
func (c *deadLetterReplay) Run(env *tablecmd.Env) error {
	var r job.Replayed
	in := api.NewReplay{Job: c.Job, IDs: c.IDs, All: c.All}
	return inquire(env, c.serverFlags, request{method: http.MethodPost, path: "/v1/dead-letters/replay", in: in, out: &r}, func(w io.Writer) error {
		fmt.Fprintf(w, "%d dead letters gave %d rows in epoch %d, %d stay\n", r.Letters, r.Rows, r.Epoch, len(r.Kept))
		for _, k := range r.Kept {
			if !c.Quiet {
				fmt.Fprintf(w, "%s %s\n", k.ID, k.Reason)
			}
		}
		if r.More {
			fmt.Fprintln(w, "there are more: ask again")
		}
		return nil
	})
}
