package sql

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/weir-lake/weir/internal/errkind"
)

// sameTree compares trees without places.
var sameTree = cmp.Options{cmpopts.IgnoreTypes(Pos{}), cmpopts.EquateEmpty()}

// TestFiles prints what each input parses to, or its error.
func TestFiles(t *testing.T) {
	datadriven.Walk(t, "testdata/golden", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "parse":
				return parseAndPrint(t, d.Input)
			case "expr":
				e, err := ParseExpr(d.Input)
				if err != nil {
					return err.Error() + "\n"
				}
				return FormatExpr(e) + "\n"
			case "type":
				typ, err := ParseType(d.Input)
				if err != nil {
					return err.Error() + "\n"
				}
				return typ.String() + "\n"
			case "split":
				frags, err := Split(d.Input)
				var b strings.Builder
				for _, f := range frags {
					b.WriteString(strings.ReplaceAll(f.Text(), "\n", "⏎") + "\n")
				}
				if err != nil {
					b.WriteString(err.Error() + "\n")
				}
				return b.String()
			}
			t.Fatalf("unknown command %s", d.Cmd)
			return ""
		})
	})
}

func parseAndPrint(t *testing.T, text string) string {
	s, err := Parse(text)
	if err != nil {
		if !errors.Is(err, ErrSyntax) || errkind.Of(err) != errkind.Invalid {
			t.Fatalf("error without kind: %v", err)
		}
		return err.Error() + "\n"
	}
	checkRoundTrip(t, text, s)
	return Format(s) + "\n"
}

func checkRoundTrip(t *testing.T, text string, s Statement) {
	t.Helper()
	printed := Format(s)
	again, err := Parse(printed)
	if err != nil {
		t.Fatalf("printed text does not parse: %v\ninput: %s\nprinted: %s", err, text, printed)
	}
	if d := cmp.Diff(s, again, sameTree); d != "" {
		t.Fatalf("round trip changed the tree of %s\nprinted: %s\n%s", text, printed, d)
	}
}

// TestCorpus parses every statement of a script of Flink's documentation examples.
func TestCorpus(t *testing.T) {
	text, err := os.ReadFile("testdata/corpus.sql")
	if err != nil {
		t.Fatal(err)
	}
	frags, err := Split(string(text))
	if err != nil {
		t.Fatal(err)
	}
	if len(frags) < 100 {
		t.Fatalf("only %d statements in the corpus", len(frags))
	}
	for _, f := range frags {
		s, err := f.Parse()
		if err != nil {
			t.Errorf("%s\n%v", f.Text(), err)
			continue
		}
		if s.Pos() != f.At {
			t.Errorf("%s: place %v, want %v", f.Text(), s.Pos(), f.At)
		}
		checkRoundTrip(t, f.Text(), s)
	}
	all, err := ParseScript(string(text))
	if err != nil || len(all) != len(frags) {
		t.Fatalf("ParseScript gave %d statements and %v, Split %d", len(all), err, len(frags))
	}
}

func TestQueryText(t *testing.T) {
	text := "CREATE VIEW v AS\n  SELECT a, 'x' -- note\n FROM t  ;"
	s, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	q := s.(*CreateView).As
	if got, want := text[q.At.Offset:q.End.Offset], "SELECT a, 'x' -- note\n FROM t"; got != want {
		t.Errorf("query text %q, want %q", got, want)
	}
}

func TestPositions(t *testing.T) {
	_, err := Parse("SELECT 'ä😀',\n\t?x FROM")
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("%T %v", err, err)
	}
	if e.At.Line != 2 || e.At.Col != 9 {
		t.Errorf("error at %+v: %v", e.At, err)
	}
	_, err = Parse("SELECT 'ä😀' 5")
	if !errors.As(err, &e) || e.At.Line != 1 || e.At.Col != 13 {
		t.Errorf("columns must count characters: %v", err)
	}
}

// TestBounds: hostile nesting ends in an error, long but flat text does not.
func TestBounds(t *testing.T) {
	deep := func(open, mid, end string) string {
		return strings.Repeat(open, 20_000) + mid + strings.Repeat(end, 20_000)
	}
	for name, text := range map[string]string{
		"parens":     "SELECT " + deep("(", "1", ")"),
		"not":        "SELECT " + deep("NOT ", "TRUE", ""),
		"minus":      "SELECT " + deep("- ", "1", ""),
		"case":       "SELECT " + deep("CASE WHEN ", "TRUE", ""),
		"from":       "SELECT * FROM " + deep("(", "t", ")"),
		"subquery":   deep("SELECT * FROM (", "SELECT 1", ")"),
		"query":      deep("(", "SELECT 1", ")"),
		"type":       "SELECT CAST(a AS " + deep("ARRAY<", "INT", ">") + ")",
		"type after": "SELECT CAST(a AS INT" + deep(" ARRAY", "", "") + ")",
		"chain":      "SELECT 1" + deep("+1", "", ""),
		"index":      "SELECT a" + deep("[1]", "", ""),
		"union":      "SELECT 1" + deep(" UNION SELECT 1", "", ""),
		"joins":      "SELECT 1 FROM t" + deep(" JOIN t ON TRUE", "", ""),
		"join nest":  "SELECT 1 FROM t" + deep(" JOIN t", "", ""),
		"rollup":     "SELECT 1 GROUP BY " + deep("ROLLUP(", "a", ")"),
		"explain":    deep("EXPLAIN ", "SELECT 1", ""),
		"array":      "SELECT " + deep("ARRAY[", "1", "]"),
		"name":       "SELECT a" + deep(".a", "", ""),
		"insert":     "INSERT INTO t " + deep("(", "SELECT 1", ")"),
	} {
		if _, err := Parse(text); err == nil || !errors.Is(err, ErrSyntax) {
			t.Errorf("%s: %v", name, err)
		} else if len(err.Error()) > 1000 {
			t.Errorf("%s: error of %d bytes", name, len(err.Error()))
		}
	}
	if _, err := Parse("SELECT 1 IN (" + strings.Repeat("1, ", 100_000) + "1)"); err != nil {
		t.Error(err)
	}
	if _, err := Parse("VALUES " + strings.Repeat("(1, 'x'), ", 100_000) + "(1, 'x')"); err != nil {
		t.Error(err)
	}
	if _, err := Parse(strings.Repeat(" ", MaxTextBytes+1)); err == nil || !strings.Contains(err.Error(), "limit") {
		t.Error(err)
	}
}

func TestNearest(t *testing.T) {
	cands := []string{"flights", "airports", "planes", "weather"}
	for word, want := range map[string]string{"flihgts": "flights", "FLIGHTS": "flights", "airport": "airports", "plane": "planes", "x": "", "orders": "", "wether": "weather"} {
		if got := Nearest(word, cands); got != want {
			t.Errorf("Nearest(%s) = %q, want %q", word, got, want)
		}
	}
}

// FuzzParse: no input panics, and what parses prints to text of the same tree.
func FuzzParse(f *testing.F) {
	text, err := os.ReadFile("testdata/corpus.sql")
	if err != nil {
		f.Fatal(err)
	}
	frags, _ := Split(string(text))
	for _, fr := range frags {
		f.Add(fr.Text())
	}
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := Split(text); err != nil && !errors.Is(err, ErrSyntax) {
			t.Fatal(err)
		}
		s, err := Parse(text)
		if err != nil {
			if !errors.Is(err, ErrSyntax) {
				t.Fatalf("error of no kind: %v", err)
			}
			return
		}
		checkRoundTrip(t, text, s)
	})
}
