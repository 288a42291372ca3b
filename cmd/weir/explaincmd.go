package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/weir-lake/weir/cmd/weir/tablecmd"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/lineage"
	"github.com/weir-lake/weir/web/api"
)

// verifyCmd recomputes tables and compares.
type verifyCmd struct {
	serverFlags
	Job string `arg:"" optional:"" help:"Id or name of the job whose table is checked."`
	All bool   `help:"Check the tables of all jobs."`
	Tag string `placeholder:"NAME" help:"Check the versions in the cut of this name. Default: the newest commits."`
}

// Validate implements kong's check of a command line.
func (c *verifyCmd) Validate() error {
	if c.All == (c.Job != "") {
		return errkind.New(errkind.Invalid, "name a job, or use --all")
	}
	return nil
}

// Run implements the command. It fails when a table differs or its inputs are gone.
func (c *verifyCmd) Run(env *tablecmd.Env) error {
	var reports []lineage.Report
	req := request{method: http.MethodPost, path: "/v1/verify", in: api.VerifyRequest{Job: c.Job, All: c.All, Tag: c.Tag}, out: &reports}
	err := inquire(env, c.serverFlags, req, func(w io.Writer) error {
		for _, r := range reports {
			fmt.Fprintf(w, "%s: %s, %d rows at snapshot %d", r.Table, r.Answer, r.Rows, r.Snapshot)
			if r.Reason != "" {
				fmt.Fprintf(w, ": %s", oneLine(errkind.New(errkind.Invalid, r.Reason)))
			}
			if r.Missing+r.Extra > 0 {
				fmt.Fprintf(w, ", %d missing, %d unexpected", r.Missing, r.Extra)
			}
			fmt.Fprintln(w)
			for _, e := range r.Examples {
				fmt.Fprintf(w, "  %-10s %s\n", e.Kind, e.Row)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	var bad []string
	for _, r := range reports {
		if !r.OK() {
			bad = append(bad, r.Table+" "+r.Answer)
		}
	}
	if len(bad) > 0 {
		return errkind.Errorf(errkind.Conflict, "verify: %s", strings.Join(bad, ", "))
	}
	return nil
}
