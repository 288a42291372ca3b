package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/weir-lake/weir/cmd/weir/tablecmd"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/web/api"
)

// answerMax bounds an answer that is kept in memory: lists of jobs, reports.
const answerMax = 256 << 20

// serverFlags say which service a command talks to, and as whom.
type serverFlags struct {
	Server string `default:"http://${listen}" placeholder:"URL" env:"WEIR_SERVER" help:"Service to ask."`
	Token  string `placeholder:"TOKEN" env:"WEIR_TOKEN" help:"Token to send. Default: the first token of the service, where this user can read it."`
	Data   string `placeholder:"DIR" env:"WEIR_DATA" help:"Data folder of the service, for its token."`
}

// client talks to a service.
type client struct {
	url   string
	token string
}

// client finds the service's token.
func (f serverFlags) client() (*client, error) {
	c := &client{url: strings.TrimSuffix(f.Server, "/"), token: f.Token}
	if _, err := linkOf(c.url); errkind.Is(err, errkind.Invalid) {
		return nil, fmt.Errorf("--server: %w", err)
	}
	if c.token != "" {
		return c, nil
	}
	data := f.Data
	if data == "" {
		data = dataOf(c.url)
	}
	if data == "" {
		return c, nil // the service says what it lacks, or that nobody is there
	}
	text, err := os.ReadFile(filepath.Join(data, tokenFile))
	if err != nil && f.Data != "" {
		return nil, fmt.Errorf("--data: %w", err)
	}
	c.token = strings.TrimSpace(string(text))
	return c, nil
}

// send makes a request. An answer that is a problem is an error.
func (c *client) send(ctx context.Context, method, path string, in any, accept string) (*http.Response, error) {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.url+path, body)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", c.url, err)
	}
	req.Header.Set("Accept", accept)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, errkind.Errorf(errkind.Unavailable, "ask %s: no answer: %w: start a service with `weir serve`, or name one with --server", c.url, errors.Unwrap(err))
	}
	if res.StatusCode >= http.StatusBadRequest {
		defer res.Body.Close()
		return nil, c.problem(res)
	}
	return res, nil
}

// problem reads what the service says is wrong.
func (c *client) problem(res *http.Response) error {
	var p api.Problem
	data, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err == nil {
		err = json.Unmarshal(data, &p)
	}
	if err != nil || p.Detail == "" {
		return errkind.Errorf(errkind.Unavailable, "ask %s: it answers %s, which is no answer of weir: check --server", c.url, res.Status)
	}
	if res.StatusCode == http.StatusUnauthorized {
		return errkind.Errorf(errkind.Denied, "%s: it refuses the token: set WEIR_TOKEN or --token, or name the service's data folder with --data", c.url)
	}
	return &p
}

// ask sends a request and decodes its answer into out, if that is not nil. The answer's text is returned.
func (c *client) ask(ctx context.Context, method, path string, in, out any) (json.RawMessage, error) {
	res, err := c.send(ctx, method, path, in, "application/json")
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(io.LimitReader(res.Body, answerMax))
	if err != nil {
		return nil, fmt.Errorf("ask %s: read the answer: %w", c.url, err)
	}
	if out == nil || len(data) == 0 {
		return data, nil
	}
	if err := json.Unmarshal(data, out); err != nil {
		return nil, fmt.Errorf("ask %s%s: read the answer: %w", c.url, path, err)
	}
	return data, nil
}

// request is what a command asks for.
type request struct {
	method string // empty: GET
	path   string
	in     any // body; nil: none
	out    any // what the answer is decoded into; nil: it has no content
}

// inquire makes a request and prints the answer: as it came with --json, else what text makes of it.
func inquire(env *tablecmd.Env, f serverFlags, r request, text func(w io.Writer) error) error {
	c, err := f.client()
	if err != nil {
		return err
	}
	if r.method == "" {
		r.method = http.MethodGet
	}
	data, err := c.ask(env.Ctx, r.method, r.path, r.in, r.out)
	if err != nil {
		return err
	}
	if !env.JSON {
		return text(env.Stdout)
	}
	return printJSON(env.Stdout, data)
}

// printJSON writes an answer on one line; an answer without content is {}.
func printJSON(w io.Writer, data json.RawMessage) error {
	if len(bytes.TrimSpace(data)) == 0 {
		data = json.RawMessage("{}")
	}
	var out bytes.Buffer
	if err := json.Compact(&out, data); err != nil {
		return err
	}
	out.WriteByte('\n')
	_, err := out.WriteTo(w)
	return err
}

// listOf is an answer with several things.
type listOf[T any] struct {
	Items []T `json:"items"`
}
