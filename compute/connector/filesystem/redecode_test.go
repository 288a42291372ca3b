package filesystem

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/connector/connectortest"
	"github.com/weir-lake/weir/table/schema"
)

func TestADeadLetterIsReadAgain(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a.csv")
	write(t, file, "n;id\nseven;1\n")
	size := column("size", schema.TBigInt)
	size.Metadata, size.Virtual = "file.size", true
	name := column("name", schema.TString)
	name.Metadata, name.Virtual = "file.name", true
	again := func(opts map[string]string, d connector.DeadLetter, want string, cols ...string) {
		t.Helper()
		tb := table(opts, column("id", schema.TInt), column("n", schema.TString), name)
		if len(cols) > 0 {
			tb.Columns = append(tb.Columns, size)
		}
		s := opened(t, tb, connector.Context{Bounded: true})
		c, err := s.(connector.Redecoder).Redecode(t.Context(), d)
		if want == "" {
			if !errors.Is(err, connector.ErrOtherTable) {
				t.Errorf("%s: %v", d.Split, err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if c.Rows != nil {
			defer c.Rows.Release()
		}
		if got := connectortest.Lines(t, c); len(got) != 1 || !strings.Contains(got[0], want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
	csv := func(path string, more ...string) map[string]string {
		o := map[string]string{"path": path, "format": "csv", "csv.field-delimiter": ";"}
		for _, m := range more {
			o[m] = "true"
		}
		return o
	}
	letter := connector.DeadLetter{Split: splitPrefix + filepath.ToSlash(file), Position: "line 2", Raw: []byte("1;seven")}
	again(csv(dir), letter, "+I 1|seven|a.csv")
	again(csv(file), letter, "+I 1|seven|a.csv")
	again(csv(filepath.Join(dir, "*.csv")), letter, "+I 1|seven|a.csv")
	again(csv(t.TempDir()), letter, "")
	again(csv(dir), connector.DeadLetter{Split: "topic/0"}, "")
	headed := letter
	headed.Raw = []byte("seven;1")
	again(csv(dir, "csv.header"), headed, "+I 1|seven|a.csv")
	bad := letter
	bad.Raw = []byte("one;seven")
	again(csv(dir), bad, "expected INT")
	bad.Raw = make([]byte, connector.MaxRawBytes)
	again(csv(dir), bad, "only the beginning")

	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	again(csv(dir), letter, "+I 1|seven|a.csv") // the line was kept
	again(csv(dir, "csv.header"), headed, "no such file")
	again(csv(dir), letter, "no such file", "with metadata of the file")
}
