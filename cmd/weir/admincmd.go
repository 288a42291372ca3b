package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/weir-lake/weir/cmd/weir/tablecmd"
	"github.com/weir-lake/weir/olap"
)

// queryCmd are the commands about queries.
type queryCmd struct {
	List   queryList   `cmd:"" help:"List queries that run, wait, or have ended."`
	Cancel queryCancel `cmd:"" help:"Cancel a query."`
}

type queryList struct{ serverFlags }

// Run implements the command.
func (c *queryList) Run(env *tablecmd.Env) error {
	var qs listOf[olap.Info]
	return inquire(env, c.serverFlags, request{path: "/v1/queries", out: &qs}, func(w io.Writer) error {
		rows := [][]string{{"id", "state", "user", "rows", "sql"}}
		for _, q := range qs.Items {
			rows = append(rows, []string{q.ID, string(q.State), q.User, strconv.FormatInt(q.Rows, 10), strings.Join(strings.Fields(q.SQL), " ")})
		}
		writeTable(w, rows)
		return nil
	})
}

type queryCancel struct {
	serverFlags
	ID string `arg:"" help:"Id of the query."`
}

// Run implements the command.
func (c *queryCancel) Run(env *tablecmd.Env) error {
	return inquire(env, c.serverFlags, request{method: http.MethodDelete, path: "/v1/queries/" + url.PathEscape(c.ID)}, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s canceled\n", c.ID)
		return err
	})
}
