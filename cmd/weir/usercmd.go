package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/weir-lake/weir/cmd/weir/tablecmd"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/web/api"
	"github.com/weir-lake/weir/web/audit"
	"github.com/weir-lake/weir/web/auth"
)

// secondsText is how times are printed.
const secondsText = "2006-01-02 15:04:05Z"

// tokenCmd are the commands about tokens.
type tokenCmd struct {
	Create tokenCreate `cmd:"" help:"Make a token; it is printed this once."`
	List   tokenList   `cmd:"" help:"List tokens and logins, without their secrets."`
	Revoke tokenRevoke `cmd:"" help:"End a token."`
}

type tokenCreate struct {
	serverFlags
	Name    string        `arg:"" help:"Who or what will use it."`
	Role    string        `enum:"reader,writer,operator,admin" default:"reader" help:"What it may do: ${enum}."`
	Expires time.Duration `placeholder:"DURATION" help:"How long it is good, such as 720h. Default: until it is revoked."`
}

// Run implements the command.
func (c *tokenCreate) Run(env *tablecmd.Env) error {
	in := api.NewToken{Name: c.Name, Role: auth.Role(c.Role)}
	if c.Expires != 0 {
		in.Expires = c.Expires.String()
	}
	var t api.CreatedToken
	req := request{method: http.MethodPost, path: "/v1/tokens", in: in, out: &t}
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
		rows := [][]string{{"id", "name", "role", "created", "expires", "used"}}
		for _, t := range ts.Items {
			rows = append(rows, []string{t.ID, t.Name, string(t.Role), t.Created.UTC().Format(secondsText), whenText(t.Expires), whenText(t.Used)})
		}
		writeTable(w, rows)
		return nil
	})
}

// whenText is a time, or that there is none.
func whenText(t *time.Time) string {
	if t == nil {
		return "never"
	}
	return t.UTC().Format(secondsText)
}

type tokenRevoke struct {
	serverFlags
	ID string `arg:"" help:"Id of the token; \"weir token list\" shows it."`
}

// Run implements the command.
func (c *tokenRevoke) Run(env *tablecmd.Env) error {
	return inquire(env, c.serverFlags, request{method: http.MethodDelete, path: "/v1/tokens/" + url.PathEscape(c.ID)}, said("%s revoked\n", c.ID))
}

// said prints a line for an answer without content.
func said(format string, args ...any) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := fmt.Fprintf(w, format, args...)
		return err
	}
}

// userCmd are the commands about users.
type userCmd struct {
	Create   userCreate   `cmd:"" help:"Make a user."`
	List     userList     `cmd:"" help:"List users."`
	Delete   userDelete   `cmd:"" help:"Remove a user and end its logins."`
	Password userPassword `cmd:"" help:"Replace a user's password and end its logins."`
	Role     userRole     `cmd:"" help:"Give a user another role and end its logins."`
}

// passwordFlags say where a password comes from: never from the command line, which others can see.
type passwordFlags struct {
	PasswordFile string `placeholder:"FILE" help:"Read the password from the first line of this file. Default: ask for it on a terminal, else read it from standard input."`
}

// passwordLineMax bounds the line that holds a password, in bytes.
const passwordLineMax = 4096

// read gets the password.
func (f passwordFlags) read(env *tablecmd.Env) (string, error) {
	in := env.Stdin
	if f.PasswordFile != "" {
		file, err := os.Open(f.PasswordFile)
		if err != nil {
			return "", fmt.Errorf("--password-file: %w", err)
		}
		defer file.Close()
		in = file
	} else if tty, ok := in.(*os.File); ok && term.IsTerminal(int(tty.Fd())) {
		fmt.Fprint(os.Stderr, "password: ")
		text, err := term.ReadPassword(int(tty.Fd()))
		fmt.Fprintln(os.Stderr)
		return string(text), err
	}
	line, err := bufio.NewReader(io.LimitReader(in, passwordLineMax)).ReadString('\n')
	if line = strings.TrimRight(line, "\r\n"); line == "" {
		return "", errkind.Errorf(errkind.Invalid, "no password: write it into standard input, or name a file with --password-file (%w)", err)
	}
	return line, nil
}

type userCreate struct {
	serverFlags
	passwordFlags
	Name string `arg:"" help:"Name to log in with."`
	Role string `enum:"reader,writer,operator,admin" default:"reader" help:"What the user may do: ${enum}."`
}

// Run implements the command.
func (c *userCreate) Run(env *tablecmd.Env) error {
	password, err := c.read(env)
	if err != nil {
		return err
	}
	var u auth.Account
	req := request{method: http.MethodPost, path: "/v1/users", in: api.NewUser{Name: c.Name, Password: password, Role: auth.Role(c.Role)}, out: &u}
	return inquire(env, c.serverFlags, req, said("%s is a user now: %s\n", c.Name, c.Role))
}

type userList struct{ serverFlags }

// Run implements the command.
func (c *userList) Run(env *tablecmd.Env) error {
	var us listOf[auth.Account]
	return inquire(env, c.serverFlags, request{path: "/v1/users", out: &us}, func(w io.Writer) error {
		rows := [][]string{{"name", "role", "created", "changed"}}
		for _, u := range us.Items {
			rows = append(rows, []string{u.Name, string(u.Role), u.Created.UTC().Format(secondsText), u.Changed.UTC().Format(secondsText)})
		}
		writeTable(w, rows)
		return nil
	})
}

// oneUser names a user.
type oneUser struct {
	serverFlags
	Name string `arg:"" help:"Name of the user."`
}

func (u oneUser) path(rest string) string { return "/v1/users/" + url.PathEscape(u.Name) + rest }

type userDelete struct{ oneUser }

// Run implements the command.
func (c *userDelete) Run(env *tablecmd.Env) error {
	return inquire(env, c.serverFlags, request{method: http.MethodDelete, path: c.path("")}, said("%s deleted\n", c.Name))
}

type userPassword struct {
	oneUser
	passwordFlags
}

// Run implements the command.
func (c *userPassword) Run(env *tablecmd.Env) error {
	password, err := c.read(env)
	if err != nil {
		return err
	}
	return inquire(env, c.serverFlags, request{method: http.MethodPut, path: c.path("/password"), in: api.NewPassword{Password: password}}, said("%s has a new password\n", c.Name))
}

type userRole struct {
	oneUser
	Role string `arg:"" enum:"reader,writer,operator,admin" help:"What the user may do: ${enum}."`
}

// Run implements the command.
func (c *userRole) Run(env *tablecmd.Env) error {
	return inquire(env, c.serverFlags, request{method: http.MethodPut, path: c.path("/role"), in: api.NewRole{Role: auth.Role(c.Role)}}, said("%s is %s now\n", c.Name, c.Role))
}

// auditCmd prints the audit log.
type auditCmd struct {
	serverFlags
	User    string `help:"Only what this user or token did."`
	Outcome string `enum:",ok,denied,refused,failed" default:"" help:"Only what ended so: ok, denied, refused or failed."`
	Search  string `placeholder:"TEXT" help:"Only statements and paths with this text."`
	Limit   int    `default:"100" help:"Entries at most; the newest."`
}

// Run implements the command.
func (c *auditCmd) Run(env *tablecmd.Env) error {
	q := url.Values{"limit": {strconv.Itoa(c.Limit)}}
	for name, v := range map[string]string{"user": c.User, "outcome": c.Outcome, "search": c.Search} {
		if v != "" {
			q.Set(name, v)
		}
	}
	var es listOf[audit.Entry]
	return inquire(env, c.serverFlags, request{path: "/v1/audit?" + q.Encode(), out: &es}, func(w io.Writer) error {
		rows := [][]string{{"at", "who", "role", "what", "outcome", "ms", "statement or path"}}
		for _, e := range es.Items {
			what := e.Statement
			if what == "" {
				what = e.Path
			}
			rows = append(rows, []string{e.At.UTC().Format(secondsText), e.User, e.Role, e.Operation, e.Outcome, fmt.Sprintf("%.1f", e.Millis), strings.Join(strings.Fields(what), " ")})
		}
		writeTable(w, rows)
		return nil
	})
}
