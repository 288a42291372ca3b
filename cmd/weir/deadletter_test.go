package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-lake/weir/web/api"
)

// A person finds dead letters, mends the source, replays them, and the table is what verify computes.
func TestDeadLettersOnTheCommandLine(t *testing.T) {
	p, _ := serveForTest(t)
	dir := t.TempDir()
	lines := `{"id": 1, "n": 10}` + "\n" + `{"id": 1}` + "\n" + `{"id": 2, "n": "many"}` + "\n"
	if err := os.WriteFile(filepath.Join(dir, "a.json"), []byte(lines), 0o644); err != nil {
		t.Fatal(err)
	}
	must(t, "", "sql", "--server", p.url, "-e", fmt.Sprintf(`CREATE TABLE src (id INT, n INT) WITH ('connector' = 'filesystem', 'path' = '%s', 'format' = 'json',
		'json.fail-on-missing-field' = 'true', 'source.monitor-interval' = '50ms'); CREATE TABLE sums (id INT, c BIGINT, PRIMARY KEY (id) NOT ENFORCED)`, dir))
	must(t, "", "job", "create", "--name", "sums", "-e", "INSERT INTO sums SELECT id, COUNT(*) FROM src GROUP BY id")
	query := []string{"sql", "--server", p.url, "--format", "jsonl", "-e", "SELECT * FROM sums"}
	eventually(t, `{"id":1,"c":1}`, query...)
	if out := must(t, "", "dead-letter", "list", "sums"); strings.Count(out, "a.json") != 2 || !strings.Contains(out, "line 2") || !strings.Contains(out, `{"id": 2, "n": "many"}`) {
		t.Errorf("list: %s", out)
	}
	var list api.DeadLetters
	if err := json.Unmarshal([]byte(must(t, "", "--json", "dead-letter", "list")), &list); err != nil || len(list.Items) != 2 {
		t.Fatalf("%+v, %v", list, err)
	}
	if out := must(t, "", "dead-letter", "replay", "sums", list.Items[0].ID); !strings.Contains(out, "0 dead letters gave 0 rows") || !strings.Contains(out, list.Items[0].ID) {
		t.Errorf("before it is mended: %s", out)
	}
	must(t, "", "sql", "--server", p.url, "-e", "ALTER TABLE src SET ('json.fail-on-missing-field' = 'false')")
	if out := must(t, "", "dead-letter", "replay", "sums", "--all"); !strings.Contains(out, "1 dead letters gave 1 rows in epoch ") || !strings.Contains(out, "1 stay") || !strings.Contains(out, "expected INT") {
		t.Errorf("mended: %s", out)
	}
	eventually(t, `{"id":1,"c":2}`, query...)
	if out := must(t, "", "verify", "sums"); !strings.Contains(out, "default.sums: equal, 1 rows") {
		t.Errorf("verify: %s", out)
	}
	if out := must(t, "", "job", "show", "sums"); !strings.Contains(out, "diagnosis") || !strings.Contains(out, "sink default.sums") {
		t.Errorf("show: %s", out)
	}
	if code, _, errs := weir(t, "", "dead-letter", "replay", "sums"); code == exitDone || !strings.Contains(errs, "--all") {
		t.Errorf("without ids: %d %s", code, errs)
	}
	if code, _, errs := weir(t, "", "dead-letter", "replay", "nobody", "--all"); code != exitFailed || !strings.Contains(errs, "no such job") {
		t.Errorf("no such job: %d %s", code, errs)
	}
}
