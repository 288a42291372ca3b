package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/weir-lake/weir/cmd/weir/tablecmd"
	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/olap"
	"github.com/weir-lake/weir/web/api"
	"github.com/weir-lake/weir/web/auth"
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

// deadLetterCmd are the commands about rows that could not be decoded.
type deadLetterCmd struct {
	List deadLetterList `cmd:"" help:"Print the rows kept beside a job's table, with why and where from."`
}

type deadLetterList struct {
	serverFlags
	Job    string `arg:"" help:"Id or name of the job."`
	Limit  int    `default:"100" help:"Rows at most."`
	Format string `enum:"table,jsonl,csv" default:"table" help:"How rows are printed: ${enum}."`
}

// Run implements the command.
func (c *deadLetterList) Run(env *tablecmd.Env) error {
	cl, err := c.client()
	if err != nil {
		return err
	}
	var s job.Status
	if _, err := cl.ask(env.Ctx, http.MethodGet, "/v1/jobs/"+url.PathEscape(c.Job), nil, &s); err != nil {
		return err
	}
	format := c.Format
	if env.JSON {
		format = "jsonl"
	}
	r := &remoteScript{client: cl, env: env, out: newPrinter(env.Stdout, format)}
	db, table, _ := strings.Cut(s.Sink, ".")
	quote := func(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }
	text := fmt.Sprintf("SELECT * FROM %s.%s LIMIT %d", quote(db), quote(table+job.DeadLetterSuffix), c.Limit)
	err = runAll(env.Ctx, r, text)
	var p *api.Problem
	if s.DeadLetters == 0 && errors.As(err, &p) && p.Line > 0 {
		fmt.Fprintf(env.Note, "job %s has no dead letters\n", s.Name) // the table is made with the first one
		return nil
	}
	return err
}

// tokenCmd are the commands about tokens.
type tokenCmd struct {
	Create tokenCreate `cmd:"" help:"Make a token; it is printed this once."`
	List   tokenList   `cmd:"" help:"List tokens, without their secrets."`
	Revoke tokenRevoke `cmd:"" help:"End a token."`
}

type tokenCreate struct {
	serverFlags
	Name string `arg:"" help:"Who or what will use it."`
}

// Run implements the command.
func (c *tokenCreate) Run(env *tablecmd.Env) error {
	var t api.CreatedToken
	req := request{method: http.MethodPost, path: "/v1/tokens", in: api.NewToken{Name: c.Name}, out: &t}
	return inquire(env, c.serverFlags, req, func(w io.Writer) error {
		_, err := fmt.Fprintln(w, t.Secret)
		return err
	})
}

type tokenList struct{ serverFlags }

// Run implements the command.
func (c *tokenList) Run(env *tablecmd.Env) error {
	var ts listOf[auth.Token]
	return inquire(env, c.serverFlags, request{path: "/v1/tokens", out: &ts}, func(w io.Writer) error {
		rows := [][]string{{"id", "name", "created"}}
		for _, t := range ts.Items {
			rows = append(rows, []string{t.ID, t.Name, t.Created.UTC().Format("2006-01-02 15:04:05Z")})
		}
		writeTable(w, rows)
		return nil
	})
}

type tokenRevoke struct {
	serverFlags
	ID string `arg:"" help:"Id of the token; \"weir token list\" shows it."`
}

// Run implements the command.
func (c *tokenRevoke) Run(env *tablecmd.Env) error {
	return inquire(env, c.serverFlags, request{method: http.MethodDelete, path: "/v1/tokens/" + url.PathEscape(c.ID)}, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s revoked\n", c.ID)
		return err
	})
}
