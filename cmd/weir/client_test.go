package main

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/weir-lake/weir/web/api"
)

// serveForTest starts a service on a new warehouse, as the default of the commands.
func serveForTest(t *testing.T) (p *process, warehouse string) {
	t.Helper()
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	warehouse = t.TempDir()
	p = start(t, "serve", "--warehouse", warehouse, "--listen", "127.0.0.1:0", "--epoch", "100ms")
	t.Setenv("WEIR_SERVER", p.url)
	return p, warehouse
}

// eventually repeats a command until its output has the text.
func eventually(t *testing.T, want string, args ...string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		_, out, errs := weir(t, "", args...)
		if strings.Contains(out, want) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("weir %v: %q, %q, want %q", args, out, errs, want)
		}
	}
}

func TestCommandsAgainstAService(t *testing.T) {
	p, warehouse := serveForTest(t)
	must(t, "", "sql", "--server", p.url, "-e", "CREATE TABLE a (id INT, name STRING); CREATE TABLE b (name STRING, n BIGINT, PRIMARY KEY (name) NOT ENFORCED); INSERT INTO a VALUES (1, 'x'), (2, 'y'), (3, 'x')")
	const insert = "INSERT INTO b SELECT name, COUNT(*) FROM a GROUP BY name"
	must(t, "", "job", "create", "--name", "counts", "-e", insert, "--option", "execution.runtime-mode=streaming")
	eventually(t, `{"name":"x","n":2}`, "sql", "--server", p.url, "--format", "jsonl", "-e", "SELECT * FROM b")
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"job", "list"}, []string{"counts", "running", "default.b"}},
		{[]string{"job", "show", "counts"}, []string{"default.a", "Aggregate", "COUNT(*)"}},
		{[]string{"job", "logs", "counts"}, []string{"info"}},
		{[]string{"verify", "counts"}, []string{"default.b: equal, 2 rows"}},
		{[]string{"--json", "verify", "--all"}, []string{`"answer":"equal"`}},
		{[]string{"lineage", "b"}, []string{"default.b (snapshot ", "is made from\n└─ default.a  [job counts, snapshot ", "goes into nothing that is known"}},
		{[]string{"lineage", "b.n", "--up"}, []string{"default.b.n (snapshot ", "is made from\n└─ default.a.name  [group, counts]"}},
		{[]string{"lineage", "a", "--down", "--depth", "1"}, []string{"goes into\n└─ default.b  [job counts"}},
		{[]string{"--json", "lineage", "b", "--snapshot", "1"}, []string{`"snapshot":1`, `"version":"1"`}},
		{[]string{"--json", "lineage", "default.a", "--depth", "1"}, []string{`"to":"default.b"`}},
		{[]string{"cut", "show"}, []string{"epoch ", "default.a", "default.b"}},
		{[]string{"--json", "cut", "show", "default.b"}, []string{`"default.b":`}},
		{[]string{"cut", "tag", "v 1"}, []string{"cut v 1: epoch ", "by first", "default.a", "default.b"}},
		{[]string{"cut", "tag", "of-a", "--tables", "a", "--retain", "2 d"}, []string{"default.a"}},
		{[]string{"cut", "list"}, []string{"v 1", "of-a", "first"}},
		{[]string{"cut", "show", "--tag", "v 1"}, []string{"default.a", "default.b"}},
		{[]string{"verify", "--all", "--tag", "v 1"}, []string{"default.b: equal, 2 rows"}},
		{[]string{"sql", "--server", p.url, "-e", "CALL sys.create_cut_tag('by-sql', time_retained => '1 d'); SELECT COUNT(*) AS n FROM a AS OF TAG 'by-sql'"}, []string{"cut by-sql: epoch ", "3"}},
		{[]string{"--json", "cut", "delete", "v 1"}, []string{"{}"}},
		{[]string{"query", "list"}, []string{"done", "SELECT * FROM b"}},
		{[]string{"dead-letter", "list", "counts"}, nil},
		{[]string{"token", "list"}, []string{"first"}},
		{[]string{"doctor", "--warehouse", warehouse}, []string{"ok    query worker", "ok    service", "1, none in trouble"}},
		{[]string{"--json", "doctor"}, []string{`{"check":"service","ok":true`}},
		{[]string{"job", "stop", "counts"}, []string{"counts stopped"}},
		{[]string{"job", "restart", "counts"}, []string{"counts "}},
		{[]string{"job", "drop", "counts"}, []string{"counts dropped"}},
		{[]string{"--json", "job", "list"}, []string{`{"items":[]}`}},
	} {
		out := must(t, "", c.args...)
		for _, w := range c.want {
			if !strings.Contains(out, w) {
				t.Errorf("weir %v: %q lacks %q", c.args, out, w)
			}
		}
	}
	p.signal(t, syscall.SIGTERM)
	if code := p.code(t, 30*time.Second); code != exitDone || p.errs.String() != "" {
		t.Errorf("serve: exit %d, stderr %q", code, p.errs.String())
	}
	if _, err := os.Stat(filepath.Join(warehouse, ".local", addressFile)); !os.IsNotExist(err) {
		t.Errorf("the address is still announced: %v", err)
	}
}

func TestTokensComeAndGo(t *testing.T) {
	p, warehouse := serveForTest(t)
	var made api.CreatedToken
	if err := json.Unmarshal([]byte(must(t, "", "--json", "token", "create", "robot")), &made); err != nil || made.Secret == "" {
		t.Fatalf("%+v, %v", made, err)
	}
	must(t, "", "job", "list", "--token", made.Secret)
	must(t, "", "token", "revoke", made.ID)
	code, _, errs := weir(t, "", "job", "list", "--token", made.Secret)
	if code != exitFailed || !strings.Contains(errs, "WEIR_TOKEN") {
		t.Errorf("a revoked token: exit %d, %q", code, errs)
	}
	if code, _, errs = weir(t, "", "token", "revoke", made.ID); code != exitFailed || !strings.Contains(errs, "no such token") {
		t.Errorf("revoked twice: exit %d, %q", code, errs)
	}
	data := filepath.Join(warehouse, ".local")
	t.Setenv("XDG_CACHE_HOME", t.TempDir()) // as a user from elsewhere, who is told where the data folder is
	must(t, "", "job", "list", "--data", data)
	info, err := os.Stat(filepath.Join(data, tokenFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("token file: %v, %v", info, err)
	}
	if code, _, errs = weir(t, "", "job", "list"); code != exitFailed || !strings.Contains(errs, "--data") {
		t.Errorf("without a token: exit %d, %q", code, errs)
	}
	res, err := http.Get(p.url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusUnauthorized {
		t.Errorf("/metrics without a token: %s", res.Status)
	}
}

// withoutHeads is a table as text without the lines that name its columns.
func withoutHeads(text string) string {
	return regexp.MustCompile(`(?m)^_epoch .*\n-.*\n`).ReplaceAllString(text, "")
}

func TestSQLOnAServerPrintsWhatItPrintsHere(t *testing.T) {
	p, _ := serveForTest(t)
	const rows = `SELECT * FROM (VALUES (1, 'a', CAST(1.50 AS DECIMAL(8, 2)), TIMESTAMP '2026-01-31 12:00:00.250'), (2, CAST(NULL AS STRING), NULL, NULL)) AS t (id, name, price, at) ORDER BY id;
SELECT id FROM (VALUES (1)) AS t (id) WHERE id > 1;
CREATE TEMPORARY VIEW v AS SELECT ARRAY['x,y', 'z'] AS list;
SELECT * FROM v`
	const stream = `CREATE TEMPORARY TABLE g (i INT) WITH ('connector' = 'datagen', 'number-of-rows' = '3', 'fields.i.kind' = 'sequence', 'fields.i.start' = '1', 'fields.i.end' = '3');
SELECT MAX(i) AS top, COUNT(*) AS n FROM g`
	for _, args := range [][]string{
		{"--format", "jsonl", "-e", rows}, {"--format", "csv", "-e", rows}, {"--format", "table", "-e", rows},
		{"--mode", "stream", "--format", "jsonl", "-e", stream}, {"--mode", "stream", "-e", stream}, {"--mode", "stream", "--format", "csv", "-e", stream},
	} {
		wants(t, strings.Join(args, " "), must(t, "", append([]string{"sql", "--server", p.url}, args...)...), must(t, "", append([]string{"sql"}, args...)...))
	}
	// An update of a group is a pair; the row of no group has no key, so it goes and comes.
	const updates = "SET 'execution.epoch.max-rows' = '1'; " + stream + "; SELECT MOD(i, 2) AS odd, MAX(i) AS top, COUNT(*) AS n FROM g GROUP BY MOD(i, 2)"
	for _, format := range []string{"jsonl", "csv", "table"} {
		args := []string{"--changelog", "--format", format, "-e", updates}
		there, here := must(t, "", append([]string{"sql", "--server", p.url}, args...)...), must(t, "", append([]string{"sql"}, args...)...)
		if format == "table" { // the heads come again with what arrives later, which is a matter of time
			there, here = withoutHeads(there), withoutHeads(here)
		}
		wants(t, "changes as "+format, there, here)
		if format == "jsonl" && (!strings.Contains(here, `"_kind":"-U","odd":1,"top":1,"n":1}`) || !strings.Contains(here, `"_kind":"+U","odd":1,"top":3,"n":2}`)) {
			t.Errorf("changes: %s", here)
		}
	}
	r, err := ipc.NewReader(bytes.NewReader([]byte(must(t, "", "sql", "--server", p.url, "--format", "arrow", "-e", "SELECT 7 AS seven"))))
	if err != nil || !r.Next() || r.RecordBatch().Schema().Field(0).Name != "seven" {
		t.Errorf("arrow: %v, %v", r, err)
	}
	code, out, errs := weir(t, "", "sql", "--server", p.url, "--format", "jsonl", "-e", "SELECT 1 AS a;\n  SELECT nope FROM (VALUES (1)) AS t (id); SELECT 2")
	if code != exitFailed || out != "{\"a\":1}\n" || !strings.Contains(errs, "line 2, column 10") {
		t.Errorf("exit %d, %q, %q", code, out, errs)
	}
}

func TestServiceErrorsSayWhatWhereAndWhatToDo(t *testing.T) {
	p, warehouse := serveForTest(t)
	used := strings.TrimPrefix(p.url, "http://")
	foreign := t.TempDir()
	if err := os.Mkdir(filepath.Join(foreign, "photos"), 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, c := range []struct {
		code int
		want []string
		args []string
	}{
		{exitFailed, []string{"process", p.url, "meta.db"}, []string{"serve", "--warehouse", warehouse, "--listen", "127.0.0.1:0"}},
		{exitFailed, []string{"in use by process", warehouse, "--listen"}, []string{"serve", "--warehouse", t.TempDir(), "--listen", used}},
		{exitFailed, []string{"in use by another program"}, []string{"serve", "--warehouse", t.TempDir(), "--listen", l.Addr().String()}},
		{exitFailed, []string{"not a warehouse", "photos"}, []string{"serve", "--warehouse", foreign, "--listen", "127.0.0.1:0"}},
		{exitFailed, []string{"--data"}, []string{"serve", "--warehouse", "s3://bucket/x"}},
		{exitFailed, []string{"epoch interval", "10ms"}, []string{"serve", "--warehouse", t.TempDir(), "--listen", "127.0.0.1:0", "--epoch", "1ms"}},
		{exitFailed, []string{"not a warehouse of the demo"}, []string{"quickstart", "--warehouse", warehouse, "--reset"}},
		{exitUsage, []string{"--speed"}, []string{"quickstart", "--speed", "fast"}},
		{exitUsage, []string{"--until"}, []string{"quickstart", "--until", "july"}},
		{exitUsage, []string{"--warehouse"}, []string{"serve"}},
		{exitUsage, []string{"--warehouse and --server"}, []string{"sql", "--server", p.url, "--warehouse", warehouse, "-e", "SELECT 1"}},
		{exitUsage, []string{"--all"}, []string{"verify"}},
		{exitFailed, []string{"connection refused", "weir serve"}, []string{"job", "list", "--server", "http://127.0.0.1:1"}},
		{exitFailed, []string{"--server", "http://host:port"}, []string{"job", "list", "--server", "nonsense"}},
		{exitFailed, []string{"no such job", "nope"}, []string{"job", "show", "nope"}},
		{exitFailed, []string{"no such job"}, []string{"job", "stop", "nope"}},
		{exitFailed, []string{"no such job"}, []string{"dead-letter", "list", "nope"}},
		{exitFailed, []string{"no such query"}, []string{"query", "cancel", "nope"}},
		{exitFailed, []string{"nope"}, []string{"verify", "nope"}},
		{exitFailed, []string{"default.nope"}, []string{"cut", "show", "default.nope"}},
		{exitFailed, []string{"line 1"}, []string{"job", "create", "-e", "INSERT INTO nope SELECT 1"}},
		{exitFailed, []string{"--option", "NAME=VALUE"}, []string{"job", "create", "-e", "INSERT INTO nope SELECT 1", "--option", "x"}},
	} {
		code, out, errs := weir(t, "", c.args...)
		if code != c.code || out != "" || !strings.HasPrefix(errs, "error: ") || strings.Count(errs, "\n") != 1 {
			t.Errorf("weir %v: exit %d, stdout %q, stderr %q", c.args, code, out, errs)
		}
		for _, w := range c.want {
			if !strings.Contains(errs, w) {
				t.Errorf("weir %v: %q lacks %q", c.args, errs, w)
			}
		}
	}
}

func TestConfigShowsWhereSettingsComeFrom(t *testing.T) {
	t.Setenv("WEIR_EPOCH", "250ms")
	t.Setenv("WEIR_META", "postgres://user:secret@host/db")
	var list []setting
	text := must(t, "", "--json", "config", "show", "--memory", "512MiB")
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		t.Fatal(err)
	}
	got := map[string]setting{}
	for _, s := range list {
		got[s.Name] = s
	}
	for _, want := range []setting{{"epoch", "250ms", "WEIR_EPOCH"}, {"memory", "512MiB", "--memory"}, {"listen", defaultListen, "default"}} {
		if got[want.Name] != want {
			t.Errorf("got %+v, want %+v", got[want.Name], want)
		}
	}
	if strings.Contains(text, "secret") {
		t.Errorf("a secret is shown: %s", text)
	}
}
