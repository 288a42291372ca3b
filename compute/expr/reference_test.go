package expr

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write docs/functions.md anew")

const referencePath = "../../docs/functions.md"

// docs/functions.md is made of the tables of functions and of the lines of testdata, so every
// example in it is one that runs.
func TestReferenceIsCurrent(t *testing.T) {
	want := reference(t)
	if *rewrite {
		if err := os.WriteFile(referencePath, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(referencePath)
	if err != nil || string(got) != want {
		t.Errorf("docs/functions.md is out of date (%v): go test ./compute/expr -run TestReferenceIsCurrent -rewrite", err)
	}
}

func reference(t *testing.T) string {
	var b strings.Builder
	b.WriteString(`# Functions

Made from the tables of functions in ` + "`compute/expr`" + ` and from its tests; do not edit. Functions mean what
Flink documents; what its documentation leaves open is in the package documentation of ` + "`compute/expr`" + `.

Classes of arguments: INTEGER is any integer type; NUMERIC any number; DATETIME a DATE, TIMESTAMP or
TIMESTAMP_LTZ; SYMBOL a keyword, such as a unit; SAME stands for one common type; ANY for any. ` + "`[, X]`" + ` may be
left out, ` + "`...`" + ` may be repeated. ARG0 is the type of the first argument, ` + "`-`" + ` a type that follows from
the arguments. A result is NULL when an argument is; with ` + "`?`" + ` it may be NULL otherwise too. Examples write
keywords as ` + "`:DAY`" + ` and operators as calls.
`)
	examples := firstExamples(t)
	for _, family := range []struct {
		title string
		list  []builtin
	}{
		{"Comparison, logic and arithmetic", operatorBuiltins()},
		{"Choice", conditionalBuiltins()},
		{"Numbers", mathBuiltins()},
		{"Text", stringBuiltins()},
		{"Patterns", regexBuiltins()},
		{"Digests and encodings", hashBuiltins()},
		{"JSON", jsonBuiltins()},
		{"Dates and times", timeBuiltins()},
		{"Arrays, maps and rows", collectionBuiltins()},
		{"Other", miscBuiltins()},
	} {
		fmt.Fprintf(&b, "\n## %s\n\n| function | example | gives |\n|---|---|---|\n", family.title)
		for _, f := range family.list {
			name := parseSignatures(f.sig)[0].name
			sig := signatureCell(f.sig)
			if len(f.aliases) > 0 {
				sig += "<br>also " + strings.Join(f.aliases, ", ")
			}
			e := examples[name]
			fmt.Fprintf(&b, "| %s | %s | %s |\n", sig, code(e[0]), code(e[1]))
		}
	}
	b.WriteString("\n## Aggregates and window functions\n\n| function | |\n|---|---|\n")
	names := Aggregates()
	sort.Strings(names)
	for _, name := range names {
		a := aggregates[name]
		note := ""
		if a.windowOnly {
			note = "with OVER only"
		}
		fmt.Fprintf(&b, "| %s | %s |\n", signatureCell(a.sig), note)
	}
	return b.String()
}

// firstExamples finds, for each function, the first test line that is a call of it or an infix use.
func firstExamples(t *testing.T) map[string][2]string {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][2]string{}
	note := func(name, text, value string) {
		if _, ok := out[name]; !ok {
			out[name] = [2]string{text, value}
		}
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.SplitSeq(string(data), "\n") {
			text, value, ok := strings.Cut(line, " => ")
			if !ok || line[0] == '#' || strings.HasPrefix(value, "error") {
				continue
			}
			value, _, _ = strings.Cut(value, " :: ")
			if e, err := parseExpr(text, nil); err == nil {
				if c, ok := e.(*Call); ok {
					note(c.Fn, text, value)
				}
			}
		}
	}
	return out
}

// signatureCell is one signature a line.
func signatureCell(sig string) string {
	var out []string
	for s := range strings.SplitSeq(signatureText(sig), " or ") {
		out = append(out, code(s))
	}
	return strings.Join(out, "<br>")
}

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + cell(s) + "`"
}
