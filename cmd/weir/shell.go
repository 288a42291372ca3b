package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/mattn/go-isatty"
	"golang.org/x/term"

	"github.com/weir-lake/weir/cmd/weir/tablecmd"
	"github.com/weir-lake/weir/compute/sql"
)

// runner runs one statement of a script, here or on a server.
type runner interface {
	one(ctx context.Context, script string, f sql.Fragment) error
}

// runAll runs the statements of a script; the first error ends it.
func runAll(ctx context.Context, r runner, script string) error {
	parts, err := sql.Split(script)
	for _, p := range parts { // those before an error of the lexer, too
		if err := r.one(ctx, script, p); err != nil {
			return err
		}
	}
	return err
}

// terminal is where a shell reads lines: with editing and history on a terminal.
type terminal struct {
	in     io.Reader
	screen *term.Terminal
}

// line reads one line. In between the terminal is as programs expect it.
func (t *terminal) line(prompt string) (string, error) {
	f, ok := t.in.(*os.File)
	if !ok {
		return "", io.EOF
	}
	old, err := term.MakeRaw(int(f.Fd()))
	if err != nil {
		return "", fmt.Errorf("terminal: %w", err)
	}
	if width, height, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
		_ = t.screen.SetSize(width, height) // without it lines wrap at 80
	}
	t.screen.SetPrompt(prompt)
	text, err := t.screen.ReadLine()
	if e := term.Restore(int(f.Fd()), old); e != nil && err == nil {
		err = fmt.Errorf("terminal: %w", e)
	}
	return text, err
}

// shell reads statements from a terminal until end of input; an error does not end it.
func shell(env *tablecmd.Env, r runner) error {
	t := &terminal{in: env.Stdin}
	t.screen = term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{env.Stdin, env.Stdout}, "")
	fmt.Fprintln(env.Stdout, "weir SQL. Statements end with ; and the shell with ^D.")
	text := ""
	for {
		line, err := t.line(map[bool]string{true: "weir> ", false: "   -> "}[text == ""])
		if errors.Is(err, io.EOF) {
			fmt.Fprintln(env.Stdout)
			return nil
		}
		if err != nil && !errors.Is(err, term.ErrPasteIndicator) {
			return err
		}
		text += line + "\n"
		if !strings.HasSuffix(strings.TrimSpace(text), ";") {
			continue
		}
		if err := runAll(env.Ctx, r, text); err != nil {
			fmt.Fprintf(env.Stdout, "error: %v\n", err)
		}
		text = ""
		if env.Ctx.Err() != nil {
			return env.Ctx.Err()
		}
	}
}

func isTerminal(r io.Reader) bool {
	f, ok := r.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

func isTerminalOut(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

// unquote gives the text of a JSON string.
func unquote(text string) (string, bool) {
	if !strings.HasPrefix(text, `"`) {
		return "", false
	}
	var s string
	return s, json.Unmarshal([]byte(text), &s) == nil
}

// bytesValue is a number of bytes on the command line: 512MiB, 1GB, 1048576.
type bytesValue int64

// String writes the number in the largest unit that needs no fraction.
func (b bytesValue) String() string {
	for _, u := range []struct {
		bytes bytesValue
		name  string
	}{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if b > 0 && b%u.bytes == 0 {
			return strconv.FormatInt(int64(b/u.bytes), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(b), 10) + "B"
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (b *bytesValue) UnmarshalText(text []byte) error {
	units := []struct {
		suffix string
		bytes  int64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}, {"", 1}}
	for _, u := range units {
		num, ok := strings.CutSuffix(string(text), u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(num), 10, 64)
		if err != nil || n <= 0 || n > (1<<62)/u.bytes {
			break
		}
		*b = bytesValue(n * u.bytes)
		return nil
	}
	return fmt.Errorf("%q is no size: use a number with KiB, MiB or GiB", text)
}
