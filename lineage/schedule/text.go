package schedule

import (
	"strings"
	"time"

	"github.com/weir-lake/weir/internal/errkind"
)

// literalTime is how moments are written into a statement.
const literalTime = "2006-01-02 15:04:05.000"

// Fill puts a span into the text of a statement: ${start} and ${end} become literals of type TIMESTAMP(3), in UTC, or
// the text of one where they stand in a string. Comments stay as they are.
func Fill(text string, s Span) (string, error) {
	var out strings.Builder
	quote := byte(0) // the quote that the place is in
	for i := 0; i < len(text); {
		rest := text[i:]
		switch {
		case quote == 0 && (strings.HasPrefix(rest, "--") || strings.HasPrefix(rest, "/*")):
			n := comment(rest)
			out.WriteString(rest[:n])
			i += n
			continue
		case strings.HasPrefix(rest, "${") && quote != '`':
			name, _, closed := strings.Cut(rest[2:], "}")
			at, known := s.From, name == "start"
			if name == "end" {
				at, known = s.To, true
			}
			if !closed || !known {
				return "", errkind.Errorf(errkind.Invalid, "line %d: ${%.20s} is not known: there are ${start} and ${end}", 1+strings.Count(text[:i], "\n"), name)
			}
			out.WriteString(literal(at, quote != 0))
			i += len("${}") + len(name)
			continue
		case quote == 0 && (rest[0] == '\'' || rest[0] == '`'):
			quote = rest[0]
		case rest[0] == quote:
			quote = 0 // a doubled quote opens it again at once
		}
		out.WriteByte(rest[0])
		i++
	}
	return out.String(), nil
}

func literal(t time.Time, quoted bool) string {
	text := t.UTC().Format(literalTime)
	if quoted {
		return text
	}
	return "TIMESTAMP '" + text + "'"
}

// comment is the length of the comment that text begins with.
func comment(text string) int {
	end := "\n"
	if text[1] == '*' {
		end = "*/"
	}
	if n := strings.Index(text[2:], end); n >= 0 {
		return 2 + n + len(end)
	}
	return len(text)
}
