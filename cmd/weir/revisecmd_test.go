package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-lake/weir/web/api"
)

// shows checks that an output has the text.
func shows(t *testing.T, what, got, want string) {
	t.Helper()
	if !strings.Contains(got, want) {
		t.Errorf("%s: got\n%s\nwithout %s", what, got, want)
	}
}

func TestReviseFromTheCommandLine(t *testing.T) {
	p, _ := serveForTest(t)
	must(t, "", "sql", "--server", p.url, "-e", `CREATE TABLE readings (k INT, at TIMESTAMP(3), temp DOUBLE, PRIMARY KEY (k, at) NOT ENFORCED, WATERMARK FOR at AS at);
CREATE MATERIALIZED TABLE warmest (k INT, temp DOUBLE, PRIMARY KEY (k) NOT ENFORCED) FRESHNESS = INTERVAL '1' SECOND AS SELECT k, MAX(temp) AS temp FROM readings GROUP BY k;
INSERT INTO readings VALUES (1, TIMESTAMP '2013-07-01 00:00:00', 20), (2, TIMESTAMP '2013-07-01 01:00:00', 30), (2, TIMESTAMP '2013-07-02 01:00:00', 31)`)
	eventually(t, `{"k":2,"temp":31`, "sql", "--server", p.url, "--format", "jsonl", "-e", "SELECT * FROM warmest")
	fix := filepath.Join(t.TempDir(), "fix.sql")
	if err := os.WriteFile(fix, []byte("SELECT k, at, temp + 100 AS temp FROM readings WHERE k = 1;\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"revise", "readings", "--from", "2013-07-01", "--to", "2013-07-02", "--with", fix, "--why", "it was the sun"}
	for _, c := range []struct {
		args []string
		want []string
	}{
		{append(args, "--dry-run"), []string{"default.readings: 0 rows added, 1 removed, 1 changed", `"temp":20`, `"temp":120`, "could change too: default.warmest"}},
		{[]string{"sql", "--server", p.url, "--format", "jsonl", "-e", "SELECT COUNT(*) AS n FROM readings"}, []string{`"n":3`}},
		{args, []string{"of default.readings: 0 rows added, 1 removed, 1 changed; epoch ", "default.warmest"}},
		{[]string{"sql", "--server", p.url, "--format", "jsonl", "-e", "SELECT * FROM warmest ORDER BY k"}, []string{`{"k":1,"temp":120`, `{"k":2,"temp":31`}},
		{[]string{"revision", "list"}, []string{"default.readings", "done", "it was the sun", "first"}},
		{[]string{"verify", "--all"}, []string{"default.warmest: equal, 2 rows"}},
	} {
		out := must(t, "", c.args...)
		for _, w := range c.want {
			shows(t, strings.Join(c.args, " "), out, w)
		}
	}
	var all listOf[api.RevisionInfo]
	if err := json.Unmarshal([]byte(must(t, "", "--json", "revision", "list")), &all); err != nil {
		t.Fatal(err)
	}
	id := all.Items[0].ID
	shows(t, "revision show", must(t, "", "revision", "show", id), "range   at from 2013-07-01T00:00:00Z to 2013-07-02T00:00:00Z")
	shows(t, "undo", must(t, "", "revise", "--undo", id), "1 rows added, 0 removed, 1 changed")
	shows(t, "undone", must(t, "", "sql", "--server", p.url, "--format", "jsonl", "-e", "SELECT * FROM warmest ORDER BY k"), `{"k":1,"temp":20`)
	shows(t, "by standard input", must(t, "SELECT * FROM readings", "--json", "revise", "readings", "--from", "2013-07-01", "--to", "2013-07-02", "--with", "-"), `"state":"done"`)

	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"revise", "readings"}, exitUsage, "is missing"},
		{[]string{"revise", "--undo", id, "--from", "2013-07-01"}, exitUsage, "--undo takes no range"},
		{[]string{"revise", "--undo", id}, exitFailed, "is undone by"},
		{[]string{"revise", "--undo", "nothing"}, exitFailed, "there is none with id"},
		{[]string{"revise", "warmest", "--from", "2013-07-01", "--to", "2013-07-02", "--with", fix}, exitFailed, "revise default.readings instead"},
		{append(args[:len(args):len(args)], "--column", "temp"), exitFailed, "a range goes by a TIMESTAMP"},
		{[]string{"revise", "readings", "--from", "2013-07-01", "--to", "2013-07-02", "--with", fix + ".none"}, exitFailed, "--with"},
		{[]string{"revision", "show", "nothing"}, exitFailed, "there is none with id"},
	} {
		code, _, errs := weir(t, "", c.args...)
		if code != c.code || !strings.Contains(errs, c.want) {
			t.Errorf("weir %v: exit %d, %q, want %d and %q", c.args, code, errs, c.code, c.want)
		}
	}
	// What only the rows show is told by the revision itself.
	code, _, errs := weir(t, "SELECT k, at + INTERVAL '9' DAY AS at, temp FROM readings", "revise", "readings", "--from", "2013-07-01", "--to", "2013-07-02", "--with", "-")
	if code != exitFailed || !strings.Contains(errs, "a row outside of the range") {
		t.Errorf("exit %d, %q", code, errs)
	}
}
