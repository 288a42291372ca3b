package sql

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/weir-lake/weir/internal/errkind"
)

// ErrSyntax is the sentinel of every error of this package; its kind is invalid.
var ErrSyntax = errkind.New(errkind.Invalid, "sql: syntax error")

// Error is an error at a place of the text. The binder uses it too, so that a
// syntax error and an unknown name look alike.
type Error struct {
	At   Pos
	Msg  string // what is wrong and, where known, what was expected
	Line string // the line of the text, without its end
	Hint string // what to do, or empty
	Err  error  // ErrSyntax or the binder's sentinel
}

// Error is "line 3, column 7: message. hint" followed by the line and a mark below the place.
func (e *Error) Error() string {
	var b strings.Builder
	if e.At.Line > 0 {
		fmt.Fprintf(&b, "line %d, column %d: ", e.At.Line, e.At.Col)
	}
	b.WriteString(e.Msg)
	if e.Hint != "" {
		b.WriteString("; " + e.Hint)
	}
	if e.Line != "" && e.At.Line > 0 {
		line, col := window(e.Line, e.At.Col)
		b.WriteString("\n  " + line + "\n  " + strings.Repeat(" ", col-1) + "^")
	}
	return b.String()
}

// Unwrap returns the sentinel, which carries the kind.
func (e *Error) Unwrap() error { return e.Err }

// maxLineShown bounds the shown line, in characters, so that an error in a
// one-line script of megabytes stays readable.
const maxLineShown = 120

// window cuts a long line around the column and replaces tabs, so that the mark fits.
func window(line string, col int) (string, int) {
	runes := []rune(strings.ReplaceAll(line, "\t", " "))
	col = min(max(col, 1), len(runes)+1)
	if len(runes) <= maxLineShown {
		return string(runes), col
	}
	from := max(0, col-maxLineShown/2)
	to := min(len(runes), from+maxLineShown)
	cut := string(runes[from:to])
	if from > 0 {
		return "…" + cut, col - from + 1
	}
	return cut, col
}

// NewError makes an error at a place of text. Err is the sentinel it wraps.
func NewError(text string, at Pos, sentinel error, msg, hint string) *Error {
	return &Error{At: at, Msg: msg, Hint: hint, Line: lineAt(text, at.Offset), Err: sentinel}
}

func lineAt(text string, offset int) string {
	offset = min(max(offset, 0), len(text))
	start := strings.LastIndexByte(text[:offset], '\n') + 1
	end := strings.IndexByte(text[offset:], '\n')
	if end < 0 {
		end = len(text)
	} else {
		end += offset
	}
	line := strings.TrimSuffix(text[start:end], "\r")
	if !utf8.ValidString(line) {
		line = strings.ToValidUTF8(line, "\uFFFD")
	}
	return line
}
