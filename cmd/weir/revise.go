package main

import (
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
	"github.com/weir-lake/weir/lineage/revision"
	"github.com/weir-lake/weir/web/api"
)

// reviseCmd repairs rows of a table, or undoes that.
type reviseCmd struct {
	serverFlags
	Table  string `arg:"" optional:"" help:"Table to repair."`
	From   string `placeholder:"TIME" help:"First moment of the range, in UTC: 2013-07-01 or '2013-07-01 06:00:00'."`
	To     string `placeholder:"TIME" help:"End of the range, which does not belong to it."`
	Column string `placeholder:"NAME" help:"Column of the range. Default: the table's watermark column."`
	With   string `placeholder:"FILE" help:"File with one SELECT over the table that gives the corrected rows of the range; - is standard input."`
	Why    string `placeholder:"TEXT" help:"Reason, for the ledger."`
	DryRun bool   `name:"dry-run" help:"Print what would change, and change nothing."`
	Undo   string `placeholder:"ID" help:"Undo this revision."`
}

// sqlFileMax bounds a revision's query.
const sqlFileMax = 1 << 20

// Validate implements kong's check of a command line.
func (c *reviseCmd) Validate() error {
	if c.Undo != "" {
		if c.From+c.To+c.Column+c.With != "" {
			return errkind.New(errkind.Invalid, "--undo takes no range and no query: the revision has them")
		}
		return nil
	}
	for name, v := range map[string]string{"the table": c.Table, "--from": c.From, "--to": c.To, "--with": c.With} {
		if v == "" {
			return errkind.Errorf(errkind.Invalid, "%s is missing: weir revise TABLE --from TIME --to TIME --with fix.sql, or weir revise --undo ID", name)
		}
	}
	return nil
}

// Run implements the command.
func (c *reviseCmd) Run(env *tablecmd.Env) error {
	r := revision.Request{Table: c.Table, From: c.From, To: c.To, Column: c.Column, Why: c.Why, Undo: c.Undo}
	if c.With != "" {
		text, err := c.query(env)
		if err != nil {
			return err
		}
		r.SQL = text
	}
	if c.DryRun {
		var p revision.Plan
		return inquire(env, c.serverFlags, request{method: http.MethodPost, path: "/v1/revisions/plan", in: r, out: &p}, func(w io.Writer) error {
			printRevisionPlan(w, &p)
			return nil
		})
	}
	cl, err := c.client()
	if err != nil {
		return err
	}
	var info api.RevisionInfo
	data, err := cl.ask(env.Ctx, http.MethodPost, "/v1/revisions", r, &info)
	if err != nil {
		return err
	}
	for state := revision.State(""); !info.State.Final(); {
		if info.State != state {
			state = info.State
			fmt.Fprintf(env.Note, "revision %s: %s\n", info.ID, state)
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-env.Ctx.Done():
			return fmt.Errorf("revision %s goes on in the service: %w", info.ID, env.Ctx.Err())
		}
		if data, err = cl.ask(env.Ctx, http.MethodGet, "/v1/revisions/"+url.PathEscape(info.ID), nil, &info); err != nil {
			return err
		}
	}
	if info.State == revision.Failed {
		return errkind.Errorf(errkind.Invalid, "revision %s: %s", info.ID, info.Error)
	}
	if env.JSON {
		return printJSON(env.Stdout, data)
	}
	printRevision(env.Stdout, &info)
	return nil
}

func (c *reviseCmd) query(env *tablecmd.Env) (string, error) {
	in := env.Stdin
	if c.With != "-" {
		f, err := os.Open(c.With)
		if err != nil {
			return "", fmt.Errorf("--with: %w", err)
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, sqlFileMax+1))
	if err != nil {
		return "", fmt.Errorf("--with: read %s: %w", c.With, err)
	}
	if len(data) > sqlFileMax {
		return "", errkind.Errorf(errkind.Invalid, "--with: %s has more than %d bytes", c.With, sqlFileMax)
	}
	return strings.TrimSuffix(strings.TrimSpace(string(data)), ";"), nil
}

func printRevisionPlan(w io.Writer, p *revision.Plan) {
	fmt.Fprintf(w, "%s: %d rows added, %d removed, %d changed (snapshot %d)\n", p.Table, p.Added, p.Removed, p.Changed, p.BaseSnapshot)
	for _, s := range p.Samples {
		switch s.Kind {
		case "changed":
			fmt.Fprintf(w, "- %s\n+ %s\n", s.Before, s.After)
		case "added":
			fmt.Fprintf(w, "+ %s\n", s.After)
		default:
			fmt.Fprintf(w, "- %s\n", s.Before)
		}
	}
	if len(p.Downstream) == 0 {
		fmt.Fprintln(w, "no table follows")
		return
	}
	fmt.Fprintf(w, "could change too: %s\n", strings.Join(p.Downstream, ", "))
}

func printRevision(w io.Writer, r *api.RevisionInfo) {
	fmt.Fprintf(w, "revision %s of %s: %d rows added, %d removed, %d changed", r.ID, r.Table, r.Added, r.Removed, r.Changed)
	if r.Skipped > 0 {
		fmt.Fprintf(w, ", %d had been changed by others", r.Skipped)
	}
	if r.Snapshot == 0 {
		fmt.Fprintln(w, "; nothing differed")
		return
	}
	fmt.Fprintf(w, "; epoch %d, snapshot %d\n", r.Epoch, r.Snapshot)
	rows := [][]string{{"downstream", "snapshot", "note"}}
	for _, f := range r.Downstream {
		at := strconv.FormatInt(f.Snapshot, 10)
		if f.Snapshot == 0 {
			at = "unchanged"
			if f.Note != "" {
				at = ""
			}
		}
		rows = append(rows, []string{f.Table, at, f.Note})
	}
	if len(rows) > 1 {
		writeTable(w, rows)
	}
}

// revisionCmd are the commands about the ledger of revisions.
type revisionCmd struct {
	List revisionList `cmd:"" help:"List revisions, newest first."`
	Show revisionShow `cmd:"" help:"Show a revision: who, why, what, and what followed."`
}

type revisionList struct{ serverFlags }

// Run implements the command.
func (c *revisionList) Run(env *tablecmd.Env) error {
	var all listOf[api.RevisionInfo]
	return inquire(env, c.serverFlags, request{path: "/v1/revisions", out: &all}, func(w io.Writer) error {
		rows := [][]string{{"id", "table", "state", "added", "removed", "changed", "who", "created", "why"}}
		for _, r := range all.Items {
			created := ""
			if r.Created != nil {
				created = r.Created.Format(time.RFC3339)
			}
			rows = append(rows, []string{r.ID, r.Table, string(r.State), strconv.FormatInt(r.Added, 10), strconv.FormatInt(r.Removed, 10),
				strconv.FormatInt(r.Changed, 10), r.Who, created, r.Why})
		}
		writeTable(w, rows)
		return nil
	})
}

type revisionShow struct {
	serverFlags
	ID string `arg:"" help:"Id of the revision."`
}

// Run implements the command.
func (c *revisionShow) Run(env *tablecmd.Env) error {
	var r api.RevisionInfo
	return inquire(env, c.serverFlags, request{path: "/v1/revisions/" + url.PathEscape(c.ID), out: &r}, func(w io.Writer) error {
		fmt.Fprintf(w, "state   %s %s\n", r.State, r.Error)
		if r.From != nil && r.To != nil {
			fmt.Fprintf(w, "range   %s from %s to %s\n", r.Column, r.From.Format(time.RFC3339), r.To.Format(time.RFC3339))
		}
		fmt.Fprintf(w, "who     %s\nwhy     %s\nbase    snapshot %d\n", r.Who, r.Why, r.BaseSnapshot)
		if r.UndoOf != "" {
			fmt.Fprintf(w, "undoes  %s\n", r.UndoOf)
		}
		printRevision(w, &r)
		if r.SQL != "" {
			fmt.Fprintf(w, "\n%s\n", r.SQL)
		}
		return nil
	})
}
