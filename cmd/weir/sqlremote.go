package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/weir-lake/weir/cmd/weir/tablecmd"
	"github.com/weir-lake/weir/compute/session"
	"github.com/weir-lake/weir/compute/sql"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/web/api"
)

// remoteScript runs statements on a server, one request each, in one session.
type remoteScript struct {
	client    *client
	session   string
	env       *tablecmd.Env
	out       *printer
	changelog bool
}

// remote runs the script on --server.
func (c *sqlCmd) remote(env *tablecmd.Env, script string) error {
	cl, err := serverFlags{Server: c.Server, Token: c.Token}.client()
	if err != nil {
		return err
	}
	r := &remoteScript{client: cl, session: uuid.NewString(), env: env, out: newPrinter(env.Stdout, c.Format), changelog: c.Changelog}
	mode := c.Mode
	if c.Changelog && mode == "auto" {
		mode = "stream"
	}
	if mode != "auto" {
		set := fmt.Sprintf("SET '%s' = '%s'", session.VarRuntimeMode, runtimeModes[mode])
		if err := runAll(env.Ctx, r, set); err != nil {
			return err
		}
	}
	return c.drive(env, r, script)
}

// rowFormats are what a server is asked for, by format of the output.
var rowFormats = map[string]string{
	"jsonl": "application/x-ndjson", "arrow": "application/vnd.apache.arrow.stream",
	"table": "application/json, application/x-ndjson", "csv": "application/json, application/x-ndjson",
}

func (r *remoteScript) one(ctx context.Context, script string, f sql.Fragment) error {
	// As many lines and columns stand before the statement as in the script: errors name places there.
	text := strings.Repeat("\n", f.At.Line-1) + strings.Repeat(" ", f.At.Col-1) + f.Text()
	res, err := r.client.send(ctx, http.MethodPost, "/v1/query", api.QueryRequest{SQL: text, Session: r.session}, rowFormats[r.out.format])
	if err != nil {
		return err
	}
	defer res.Body.Close()
	switch kind, _, _ := strings.Cut(res.Header.Get("Content-Type"), ";"); {
	case res.Header.Get(api.HeaderChanges) != "":
		return r.changes(res)
	case kind == "application/json":
		err = r.object(res.Body)
	case kind == "application/x-ndjson":
		err = r.lines(res)
	default:
		_, err = io.Copy(r.env.Stdout, res.Body)
	}
	if err != nil && !errors.As(err, new(*api.Problem)) {
		return errkind.Errorf(errkind.Unavailable, "%s: the answer ended early: %w", r.client.url, err)
	}
	return err
}

// object reads an answer of one JSON object: rows, or what was done.
func (r *remoteScript) object(body io.Reader) error {
	dec := json.NewDecoder(body)
	if _, err := dec.Token(); err != nil {
		return err
	}
	rows := false
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return err
		}
		switch key {
		case "columns":
			rows = true
			err = r.columns(dec)
		case "data":
			err = r.data(dec)
		case "message":
			var text string
			if err = dec.Decode(&text); err == nil && text != "" {
				fmt.Fprintln(r.env.Note, text)
			}
		case "error":
			var p api.Problem
			if err = dec.Decode(&p); err == nil {
				err = &p
			}
		default:
			err = dec.Decode(new(json.RawMessage))
		}
		if err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil || !rows {
		return err
	}
	return r.out.end()
}

func (r *remoteScript) columns(dec *json.Decoder) error {
	var cols []api.Column
	if err := dec.Decode(&cols); err != nil {
		return err
	}
	names := make([]string, len(cols))
	for i, c := range cols {
		names[i] = c.Name
	}
	return r.out.header(names)
}

func (r *remoteScript) data(dec *json.Decoder) error {
	if _, err := dec.Token(); err != nil {
		return err
	}
	for dec.More() {
		var row json.RawMessage
		if err := dec.Decode(&row); err != nil {
			return err
		}
		_, values, err := members(row)
		if err == nil {
			err = r.cells(values)
		}
		if err != nil {
			return err
		}
	}
	_, err := dec.Token()
	return err
}

func (r *remoteScript) cells(values []json.RawMessage) error {
	cells := make([]string, len(values))
	for i, v := range values {
		cells[i] = r.out.text(string(v))
	}
	return r.out.row(cells)
}

// members are an object's names and values, in order.
func members(object []byte) (names []string, values []json.RawMessage, err error) {
	dec := json.NewDecoder(bytes.NewReader(object))
	if _, err := dec.Token(); err != nil {
		return nil, nil, err
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, nil, err
		}
		var v json.RawMessage
		if err := dec.Decode(&v); err != nil {
			return nil, nil, err
		}
		names, values = append(names, fmt.Sprint(name)), append(values, v)
	}
	return names, values, nil
}

// lines copies rows. The last line is a row only if no trailer says that it is an error.
func (r *remoteScript) lines(res *http.Response) error {
	in := bufio.NewReader(res.Body)
	var held []byte
	for {
		line, err := in.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if err != nil {
			if text := res.Trailer.Get(api.HeaderError); text != "" {
				var p api.Problem
				if err := json.Unmarshal([]byte(text), &p); err != nil {
					return err
				}
				return &p
			}
		}
		if _, err := r.out.w.Write(held); err != nil {
			return err
		}
		if err != nil { // the end
			return r.out.flush()
		}
		held = line
	}
}

// changes reads changes until the stream ends: each is printed, or the rows they add up to.
func (r *remoteScript) changes(res *http.Response) error {
	final := map[string]int{}
	var names []string
	in := bufio.NewReader(res.Body)
	for {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			break
		}
		if err != nil {
			return errkind.Errorf(errkind.Unavailable, "%s: the changes ended early: %w", r.client.url, err)
		}
		if bytes.HasPrefix(line, []byte(`{"error":`)) {
			return lineError(line)
		}
		if r.changelog {
			if names, err = r.change(names, line); err == nil && in.Buffered() == 0 {
				err = r.out.flush()
			}
			if err != nil {
				return err
			}
			continue
		}
		kind, row, err := splitChange(line)
		if err != nil {
			return err
		}
		if kind == "-D" || kind == "-U" {
			final[row]--
		} else {
			final[row]++
		}
		if final[row] == 0 {
			delete(final, row)
		}
	}
	if !r.changelog {
		if err := r.final(final); err != nil {
			return err
		}
	}
	return r.out.end()
}

func lineError(line []byte) error {
	var e struct {
		Error *api.Problem `json:"error"`
	}
	if err := json.Unmarshal(line, &e); err != nil || e.Error == nil {
		return errkind.Errorf(errkind.Corrupt, "the service ended with %s", bytes.TrimSpace(line))
	}
	return e.Error
}

// splitChange takes _epoch and _kind, which stand first, off a change.
func splitChange(line []byte) (kind, row string, err error) {
	head, rest, ok := bytes.Cut(line, []byte(`,"_kind":"`))
	if !ok || !bytes.HasPrefix(head, []byte(`{"_epoch":`)) || len(rest) < 4 {
		return "", "", errkind.Errorf(errkind.Corrupt, "the service sent %s, which is no change", bytes.TrimSpace(line))
	}
	return string(rest[:2]), "{" + string(rest[4:]), nil
}

// change prints one change.
func (r *remoteScript) change(names []string, line []byte) ([]string, error) {
	if r.out.format == "jsonl" {
		_, err := r.out.w.Write(line)
		return names, err
	}
	ns, values, err := members(line)
	if err != nil {
		return names, err
	}
	if names == nil {
		names = ns
		if err := r.out.header(names); err != nil {
			return names, err
		}
	}
	return names, r.cells(values)
}

// final prints the rows that a stream's changes add up to.
func (r *remoteScript) final(rows map[string]int) error {
	var lines []string
	for row, n := range rows {
		for range n {
			lines = append(lines, row)
		}
	}
	slices.Sort(lines)
	for i, line := range lines {
		if r.out.format == "jsonl" {
			if _, err := r.out.w.WriteString(line); err != nil {
				return err
			}
			continue
		}
		names, values, err := members([]byte(line))
		if err != nil {
			return err
		}
		if i == 0 {
			if err := r.out.header(names); err != nil {
				return err
			}
		}
		if err := r.cells(values); err != nil {
			return err
		}
	}
	return nil
}
